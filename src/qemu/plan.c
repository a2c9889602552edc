/* Plans as lists of steps, and as arguments of a command line. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/plan.h"

#include <string.h>

/* A string inside a step's object that stands for descriptors. */
typedef struct Descriptor {
    Json *value;
    char *names;         /* joined by ':' ... */
    const PlanStep *set; /* ... or the set whose path it is */
} Descriptor;

struct Plan {
    GPtrArray *steps;    /* PlanStep */
    GArray *descriptors; /* of the step that comes next */
    char *source;
    const char *note;
    unsigned n_sets;
};

static void step_free(void *data)
{
    PlanStep *step = data;
    json_decref(step->object);
    g_free(step->option);
    g_free(step->text);
    g_free(step->source);
    g_clear_pointer(&step->descriptors, g_array_unref);
    g_free(step);
}

Plan *plan_new(void)
{
    Plan *plan = g_new0(Plan, 1);
    plan->steps = g_ptr_array_new_with_free_func(step_free);
    return plan;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->steps);
    g_clear_pointer(&plan->descriptors, g_array_unref);
    g_free(plan->source);
    g_free(plan);
}

const GPtrArray *plan_steps(const Plan *plan)
{
    return plan->steps;
}

/* ---- making one ---- */

void plan_at(Plan *plan, const char *xpath, ...)
{
    va_list args;
    va_start(args, xpath);
    g_free(plan->source);
    plan->source = g_strdup_vprintf(xpath, args);
    plan->note = NULL;
    va_end(args);
}

void plan_own(Plan *plan, const char *note)
{
    g_clear_pointer(&plan->source, g_free);
    plan->note = note;
}

static PlanStep *plan_append(Plan *plan, PlanKind kind, const char *option)
{
    static const char *const options[PLAN_KIND_COUNT] = {
        [PLAN_OBJECT] = "-object",
        [PLAN_CHARDEV] = "-chardev",
        [PLAN_BLOCKDEV] = "-blockdev",
        [PLAN_NETDEV] = "-netdev",
        [PLAN_FDSET] = "-add-fd",
        [PLAN_DEVICE] = "-device",
        [PLAN_WATCHDOG] = "-watchdog-action",
    };
    PlanStep *step = g_new0(PlanStep, 1);
    *step = (PlanStep){ .kind = kind,
                        .option = g_strdup(option ? option : options[kind]),
                        .source = g_strdup(plan->source),
                        .note = plan->note };
    g_ptr_array_add(plan->steps, step);
    return step;
}

void plan_flag(Plan *plan, const char *option)
{
    plan_append(plan, PLAN_ARGUMENT, option);
}

void plan_text(Plan *plan, const char *option, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    plan_append(plan, PLAN_ARGUMENT, option)->text = g_strdup_vprintf(format, args);
    va_end(args);
}

void plan_add(Plan *plan, PlanKind kind, Json *object)
{
    PlanStep *step = plan_append(plan, kind, NULL);
    step->object = object;
    step->descriptors = g_steal_pointer(&plan->descriptors);
}

static void descriptor_clear(void *data)
{
    Descriptor *descriptor = data;
    json_decref(descriptor->value);
    g_free(descriptor->names);
}

static Json *add_descriptor(Plan *plan, const char *names, const PlanStep *set)
{
    const Descriptor entry = { .value = json_string_nocheck(names), .names = g_strdup(names), .set = set };
    if (!plan->descriptors) {
        plan->descriptors = g_array_new(false, false, sizeof(Descriptor));
        g_array_set_clear_func(plan->descriptors, descriptor_clear);
    }
    g_array_append_val(plan->descriptors, entry);
    return json_incref(entry.value);
}

Json *plan_descriptors(Plan *plan, const char *names)
{
    return add_descriptor(plan, names, NULL);
}

Json *plan_descriptor_set_of(Plan *plan, const char *const *names)
{
    PlanStep *first = NULL;
    for (const char *const *name = names; *name; name++) {
        PlanStep *set = plan_append(plan, PLAN_FDSET, NULL);
        set->object = json_object();
        json_object_set_new(set->object, "opaque", json_string_nocheck(*name));
        set->number = first ? first->number : plan->n_sets++;
        set->first = first;
        first = first ? first : set;
    }
    return add_descriptor(plan, names[0], first);
}

Json *plan_descriptor_set(Plan *plan, const char *name)
{
    const char *const names[] = { name, NULL };
    return plan_descriptor_set_of(plan, names);
}

/* ---- descriptors by name ---- */

static void close_value(void *value)
{
    int fd = GPOINTER_TO_INT(value) - 1;
    fd_cleanup(&fd);
}

PlanFds *plan_fds_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_value);
}

void plan_fds_free(PlanFds *fds)
{
    if (fds)
        g_hash_table_unref(fds);
}

void plan_fds_add(PlanFds *fds, const char *name, int fd)
{
    g_hash_table_insert(fds, g_strdup(name), GINT_TO_POINTER(fd + 1));
}

int plan_fds_get(const PlanFds *fds, const char *name)
{
    return fds ? GPOINTER_TO_INT(g_hash_table_lookup((PlanFds *)fds, name)) - 1 : -1;
}

void plan_fds_append(const PlanFds *fds, GArray *list)
{
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, (PlanFds *)fds);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const int fd = GPOINTER_TO_INT(value) - 1;
        g_array_append_val(list, fd);
    }
}

/* ---- the command line ---- */

char *option_escape(const char *value)
{
    GString *out = g_string_new(NULL);
    for (const char *c = value; *c; c++) {
        if (*c == ',')
            g_string_append_c(out, ',');
        g_string_append_c(out, *c);
    }
    return g_string_free(out, FALSE);
}

void append_option(GString *out, const char *key, const char *value)
{
    g_autofree char *escaped = option_escape(value);
    g_string_append_printf(out, ",%s=%s", key, escaped);
}

/* Where the two forms of -chardev have other words for one thing. */
static const char *chardev_key(const char *type, const char *parent, const char *key)
{
    static const char *const words[][3] = {
        { NULL, "device", "path" },       { NULL, "out", "path" },        { "fd", "str", "fd" },
        { NULL, "fqdn", "name" },         { "spicevmc", "type", "name" }, { "local", "host", "localaddr" },
        { "local", "port", "localport" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(key, words[i][1]) == 0 &&
            (!words[i][0] || strcmp(type, words[i][0]) == 0 || g_strcmp0(parent, words[i][0]) == 0))
            return words[i][2];
    }
    return key;
}

/* The members of one object, those of addresses inside it in their place. */
static void chardev_members(GString *out, const char *type, const char *parent, const Json *data)
{
    const char *key;
    Json *value;

    json_object_foreach ((Json *)data, key, value) {
        const char *word = chardev_key(type, parent, key);
        if (json_is_object(value)) {
            chardev_members(out, json_get_str(value, "type"), key, json_get_obj(value, "data"));
        } else if (json_is_boolean(value)) {
            /* A server is what the one form means without a word, and the other does not. */
            if (json_is_true(value) || strcmp(key, "server") != 0)
                g_string_append_printf(out, ",%s=%s", word, json_is_true(value) ? "on" : "off");
        } else if (json_is_integer(value)) {
            g_string_append_printf(out, ",%s=%" JSON_INTEGER_FORMAT, word, json_integer_value(value));
        } else {
            append_option(out, word, json_string_value(value));
        }
    }
}

/* In the form of the command line; commas are doubled. */
static char *plan_format_chardev(const Json *chardev)
{
    const Json *backend = json_get_obj(chardev, "backend");
    const char *type = json_get_str(backend, "type");
    GString *out = g_string_new(NULL);

    g_string_append(out, type);
    append_option(out, "id", json_get_str(chardev, "id"));
    if (strcmp(type, "qemu-vdagent") == 0)
        g_string_append(out, ",name=vdagent");
    chardev_members(out, type, NULL, json_get_obj(backend, "data"));
    return g_string_free(out, FALSE);
}

/* "26" or "26:27" */
static char *descriptor_numbers(const char *names, const PlanFds *fds, Error **err)
{
    g_auto(GStrv) list = g_strsplit(names, ":", -1);
    g_autoptr(GString) out = g_string_new(NULL);
    for (char **name = list; *name; name++) {
        const int fd = plan_fds_get(fds, *name);
        if (fd < 0) {
            error_set(err, ERROR_INTERNAL, "there is no descriptor '%s'", *name);
            return NULL;
        }
        g_string_append_printf(out, "%s%d", out->len ? ":" : "", fd);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

bool plan_step_resolve(const PlanStep *step, const PlanFds *fds, char ***ret_names, Error **err)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; step->descriptors && i < step->descriptors->len; i++) {
        const Descriptor *descriptor = &g_array_index(step->descriptors, Descriptor, i);
        g_autofree char *text = descriptor->set ? g_strdup_printf("/dev/fdset/%u", descriptor->set->number)
                                : fds           ? descriptor_numbers(descriptor->names, fds, err)
                                                : g_strdup(descriptor->names);
        if (!text)
            return false;
        json_string_set_nocheck(descriptor->value, text);
        if (!descriptor->set)
            g_string_append_printf(names, "%s%s", names->len ? ":" : "", descriptor->names);
    }
    if (ret_names)
        *ret_names = g_strsplit(names->str, ":", -1);
    return true;
}

static bool step_print(PlanStep *step, const PlanFds *fds, Error **err)
{
    if (step->kind == PLAN_ARGUMENT)
        return true;
    if (!plan_step_resolve(step, fds, NULL, err))
        return false;
    g_clear_pointer(&step->text, g_free);
    if (step->kind == PLAN_FDSET) {
        const char *name = json_get_str(step->object, "opaque");
        g_autofree char *number = descriptor_numbers(name, fds, err);
        if (number)
            step->text = g_strdup_printf("set=%u,fd=%s,opaque=%s", step->number, number, name);
        return number != NULL;
    }
    step->text = step->kind == PLAN_CHARDEV    ? plan_format_chardev(step->object)
                 : step->kind == PLAN_WATCHDOG ? g_strdup(json_get_str(step->object, "action"))
                                               : json_format(step->object);
    return true;
}

bool plan_print(Plan *plan, const PlanFds *fds, Error **err)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        if (!step_print(g_ptr_array_index(plan->steps, i), fds, err))
            return false;
    }
    return true;
}
