/* What all kinds of objects have in common. The procedures of the protocol differ by their object only; which
 * ones they are stands in the rows of class_rows.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/class.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "base/uuid.h"
#include "cli/domain.h"
#include "cli/output.h"

const CliClass *class_of_handle(WireType handle)
{
    for (const CliClass *const *class = cli_classes; *class; class ++) {
        if ((*class)->handle == handle)
            return *class;
    }
    return NULL;
}

WireType class_handle(const CliClass *class)
{
    return class->handle;
}

const char *class_option(const CliClass *class)
{
    return class->option;
}

const char *class_word(const CliClass *class, bool capital)
{
    static char word[64];
    g_strlcpy(word, class->word, sizeof(word));
    if (capital)
        word[0] = g_ascii_toupper(word[0]);
    return word;
}

char *class_member(const CliClass *class, const void *handle, const char *member)
{
    const WireField *field = wire_field_find(class->handle, member);
    char uuid[UUID_STRING_LEN];
    if (!field)
        return NULL;
    const void *at = (const char *)handle + field->offset;
    if (field->kind == WIRE_OPAQUE_FIXED) {
        uuid_format(at, uuid);
        return g_strdup(uuid);
    }
    if (field->kind == WIRE_INT32)
        return *(const int32_t *)at < 0 ? g_strdup("-") : g_strdup_printf("%d", *(const int32_t *)at);
    return g_strdup(*(char *const *)at);
}

char *class_name(const CliClass *class, const void *handle)
{
    return class_member(class, handle, class->name);
}

/* ---- look-up ---- */

/* Whether the text can be what this way of looking up takes; fills the member. */
static bool lookup_fill(const WireField *field, const char *text, void *at, Error **err)
{
    uint64_t number = 0;
    if (field->kind == WIRE_OPAQUE_FIXED)
        return uuid_parse(text, at, err);
    if (field->kind == WIRE_INT32) {
        if (!parse_uint(text, &number, NULL) || number > INT32_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not an id", text);
        *(int32_t *)at = (int32_t)number;
        return true;
    }
    *(char **)at = g_strdup(text);
    return true;
}

/* Handles among the arguments of a look-up or a list say where. @parent: its name; NULL: as the options say.
 */
static bool fill_parent(Cli *cli, const CliClass *class, const CliArgs *args, const char *parent,
                        RowCall *call, bool *ret_known, Error **err)
{
    const WireTypeInfo *info = &wire_types[call->info->args];
    *ret_known = true;
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        if (field->kind != WIRE_STRUCT)
            continue;
        const CliOption *option = command_find_option(cli_args_command(args), class->parent->option);
        if (parent)
            return class_lookup_text(cli, class->parent, args, parent, (char *)call->args + field->offset,
                                     err);
        *ret_known = option && args_get(args, option->name);
        return !*ret_known || class_lookup(cli, class->parent, args, (char *)call->args + field->offset, err);
    }
    return true;
}

static void call_init(RowCall *call, uint32_t program, int32_t proc)
{
    *call = (RowCall){ .program = program ? program : WIRE_PROGRAM_REMOTE, .proc = proc };
    call->info = wire_proc_find(wire_program_find(call->program), proc);
    call->args = g_malloc0(MAX(wire_type_size(call->info->args), 1));
}

/* Takes the handle out of an answer. */
static void take_handle(const CliClass *class, RowCall *call, void *ret_handle)
{
    const WireField *field = &wire_fields[wire_types[call->info->ret].first_field];
    void *at = (char *)call->ret + field->offset;
    memcpy(ret_handle, at, wire_type_size(class->handle));
    memset(at, 0, wire_type_size(class->handle));
}

typedef enum LookupResult { LOOKUP_CANNOT, LOOKUP_NO_PARENT, LOOKUP_DONE } LookupResult;

static bool lookup_by(Cli *cli, const CliClass *class, const CliLookup *how, const CliArgs *args,
                      const char *parent, const char *text, void *ret_handle, LookupResult *ret_result,
                      Error **err)
{
    g_auto(RowCall) call = { 0 };
    call_init(&call, 0, how->proc);
    const WireField *field = wire_field_find(call.info->args, how->member);
    bool known = true;
    *ret_result = LOOKUP_CANNOT;
    g_assert(field);
    if (!lookup_fill(field, text, (char *)call.args + field->offset, err))
        return false;
    if (class->parent && !fill_parent(cli, class, args, parent, &call, &known, err)) {
        *ret_result = LOOKUP_NO_PARENT;
        return false;
    }
    if (!known)
        return error_set(err, ERROR_INVALID_ARGUMENT, "no %s is named", class->parent->noun);
    *ret_result = LOOKUP_DONE;
    if (!row_call(cli, &call, err))
        return false;
    take_handle(class, &call, ret_handle);
    return true;
}

/* The parent that was named is not there. Where it may be left out it comes second, which people forget. */
static bool parent_failed(Cli *cli, const CliClass *class, const CliArgs *args, const char *text, Error *why,
                          Error **err)
{
    g_autofree char *doing = g_strdup(cli->doing);
    g_autofree void *other = g_malloc0(wire_type_size(class->parent->handle));

    if (class->parent_is_optional && class_lookup_text(cli, class->parent, args, text, other, NULL)) {
        wire_clear(class->parent->handle, other);
        error_hint(&why, "'%s' is a %s; the %s comes first", text, class->parent->noun, class->noun);
    }
    cli_doing(cli, "%s", doing);
    return error_propagate(err, why);
}

bool class_lookup_text(Cli *cli, const CliClass *class, const CliArgs *args, const char *text,
                       void *ret_handle, Error **err)
{
    g_autoptr(Error) first = NULL;
    cli_doing(cli, "failed to get %s '%s'", class->option, text);
    for (const CliLookup *how = class->lookups;
         how < class->lookups + G_N_ELEMENTS(class->lookups) && how->proc; how++) {
        g_autoptr(Error) failed = NULL;
        LookupResult result;
        if (lookup_by(cli, class, how, args, NULL, text, ret_handle, &result, &failed)) {
            cli_doing(cli, NULL);
            return true;
        }
        if (result == LOOKUP_NO_PARENT)
            return parent_failed(cli, class, args, text, g_steal_pointer(&failed), err);
        /* The last way that could be tried says why, unless one could not find out. */
        const bool is_final =
            error_code(failed) == ERROR_TIMEOUT || error_code(failed) == ERROR_INVALID_STATE;
        if (result == LOOKUP_DONE || !first) {
            error_free(first);
            first = g_steal_pointer(&failed);
        }
        if (is_final)
            break;
    }
    cli_doing(cli, "failed to get %s '%s'", class->option,
              text); /* finding its parent made another of that */
    const CliOption *where =
        class->parent_is_optional ? command_find_option(cli_args_command(args), class->parent->option) : NULL;
    const char *slash = strchr(text, '/');
    if (!where || text[0] == '/' || args_get(args, where->name))
        return error_propagate(err, g_steal_pointer(&first));
    if (!slash) {
        error_hint(&first, "a name alone is not enough: add --%s", where->name);
        return error_propagate(err, g_steal_pointer(&first));
    }
    g_autofree char *parent = g_strndup(text, (size_t)(slash - text));
    LookupResult result;
    if (!lookup_by(cli, class, &class->lookups[0], args, parent, slash + 1, ret_handle, &result, err))
        return false;
    cli_doing(cli, NULL);
    return true;
}

bool class_lookup(Cli *cli, const CliClass *class, const CliArgs *args, void *ret_handle, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    const CliOption *option = command_find_option(command, class->option);
    const char *text = option ? args_get(args, option->name) : NULL;
    const CliOption *current = class->current ? command_find_option(command, "current") : NULL;
    if (text)
        return class_lookup_text(cli, class, args, text, ret_handle, err);
    if (!current || !args_has(args, "current")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "command '%s' requires <%s> option", command->name,
                  class->option);
        return error_hint(err, current ? "name one with --%s, or add --current" : "name one with --%s",
                          class->option);
    }
    g_auto(RowCall) call = { 0 };
    bool known = true;
    call_init(&call, 0, class->current);
    if (!fill_parent(cli, class, args, NULL, &call, &known, err) || !row_call(cli, &call, err))
        return false;
    take_handle(class, &call, ret_handle);
    return true;
}

/* ---- lists ---- */

static int compare_names(const void *a, const void *b, void *arg)
{
    const CliClass *class = arg;
    g_autofree char *x = class_name(class, a);
    g_autofree char *y = class_name(class, b);
    return g_ascii_strcasecmp(x ? x : "", y ? y : "");
}

bool class_list(Cli *cli, const CliClass *class, RowCall *call, CliHandles *ret_list, Error **err)
{
    row_set_number(call, "need_results", 1);
    if (!row_call(cli, call, err))
        return false;
    const WireField *field = &wire_fields[wire_types[call->info->ret].first_field];
    *ret_list = (CliHandles){ .data = *(char **)((char *)call->ret + field->offset),
                              .n = *(uint32_t *)((char *)call->ret + field->count_offset),
                              .size = wire_type_size(class->handle) };
    bool unordered = cli && strcmp(class->name, "uuid") != 0;
    if (ret_list->n && unordered)
        g_qsort_with_data(ret_list->data, (int)ret_list->n, ret_list->size, compare_names, (void *)class);
    return true;
}

/* ---- facts ---- */

/* Answers about one object; the last one is kept, because neighbouring facts come from the same. */
typedef struct Asker {
    Cli *cli;
    const CliArgs *args;
    const CliClass *class;
    const void *handle;
    RowCall last; /* its arguments are borrowed */
    uint32_t program;
    unsigned flags;
    bool failed;
    XmlDoc *doc;
} Asker;

static void asker_forget(Asker *asker)
{
    if (asker->last.ret)
        wire_clear(asker->last.info->ret, asker->last.ret);
    g_free(asker->last.args);
    g_free(asker->last.ret);
    asker->last = (RowCall){ 0 };
    xml_doc_free(asker->doc);
    asker->doc = NULL;
}

static bool asker_ask(Asker *asker, uint32_t program, int32_t proc, unsigned flags)
{
    RowCall *call = &asker->last;
    if (call->proc == proc && asker->program == program && asker->flags == flags)
        return !asker->failed;
    asker_forget(asker);
    asker->program = program;
    asker->flags = flags;
    call_init(call, program, proc);
    const WireField *field = &wire_fields[wire_types[call->info->args].first_field];
    if (field->kind == WIRE_STRUCT)
        memcpy((char *)call->args + field->offset, asker->handle, wire_type_size(asker->class->handle));
    else /* by name alone; the name is the first member of such handles */
        memcpy((char *)call->args + field->offset, asker->handle, sizeof(void *));
    if (wire_field_find(call->info->args, "flags"))
        row_set_number(call, "flags", flags);
    /* Another daemon does not know Lodge's program: it is not asked again. */
    static const WireClient *stranger;
    g_autoptr(Error) why = NULL;
    asker->failed = (program && stranger == asker->cli->client) || !row_call(asker->cli, call, &why);
    if (program && why && wire_error_code(why) == VIR_ERR_RPC)
        stranger = asker->cli->client;
    return !asker->failed;
}

static char *asker_xpath(Asker *asker, const char *xpath)
{
    if (!asker_ask(asker, 0, asker->class->get_xml, 0))
        return NULL;
    if (!asker->doc && !xml_parse(row_string(&asker->last, "xml"), &asker->doc, NULL))
        return NULL;
    return xml_get(asker->doc, NULL, xpath);
}

static bool fact_applies(const CliFact *fact, const CliArgs *args, unsigned where)
{
    if (!(fact->where & where))
        return false;
    if (!fact->given)
        return true;
    bool without = fact->given[0] == '!';
    return args_has(args, fact->given + without) != without;
}

/* The text of a number; owned. */
static char *fact_word(const CliFact *fact, uint64_t number)
{
    g_auto(GStrv) words = g_strsplit(fact->words, " ", -1);
    return g_strdup(number < g_strv_length(words) ? words[number] : "unknown");
}

static bool fact_is_boolean(const CliFact *fact)
{
    return fact->kind == FACT_ASK && strcmp(fact->words, "no yes") == 0;
}

static char *fact_size(const Asker *asker, const CliFact *fact, uint64_t bytes)
{
    const CliOption *plain = command_find_option(cli_args_command(asker->args), "bytes");
    if (plain && args_has(asker->args, "bytes"))
        return g_strdup_printf("%" PRIu64 "%s", bytes, fact->words ? fact->words : "");
    return short_size(bytes);
}

static char *fact_share(const Asker *asker, const CliFact *fact, uint64_t bytes)
{
    g_autofree char *size = short_size(bytes);
    return g_strdup_printf("%s (%" PRIu64 "%% of the capacity)", size, row_number(&asker->last, fact->words));
}

static char *fact_time(const char *seconds, Json **ret_value)
{
    time_t when = seconds ? (time_t)strtoll(seconds, NULL, 10) : 0;
    struct tm tm;
    char text[64] = "";
    if (localtime_r(&when, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
    *ret_value = json_integer(when);
    return g_strdup(text);
}

static char *fact_usage(const WireSecret *secret)
{
    static const char *const types[] = { "none", "volume", "ceph", "iscsi", "tls", "vtpm" };
    int type = secret->usage_type;
    return type > 0 && type < (int)G_N_ELEMENTS(types)
               ? g_strdup_printf("%s %s", types[type], secret->usage_id)
               : NULL;
}

/* NULL: nobody. */
static char *fact_users(const WireLodgeVolumeUsersRet *ret, Json **ret_value)
{
    if (ret->n_users == 0)
        return NULL;
    GString *text = g_string_new(NULL);
    *ret_value = json_array();
    for (unsigned i = 0; i < ret->n_users; i++) {
        const WireLodgeImageUser *user = &ret->users[i];
        json_array_append_new(*ret_value, json_pack("{ss ss}", "kind", user->kind, "name", user->name));
        bool is_overlay = strcmp(user->kind, "backing-of") == 0;
        g_string_append_printf(text, "%s%s%s%s", i ? ", " : "", is_overlay ? "volume " : "machine ",
                               user->name,
                               is_overlay                                   ? " (based on it)"
                               : strcmp(user->kind, "machine-running") == 0 ? " (running)"
                                                                            : "");
    }
    return g_string_free(text, FALSE);
}

/* NULL: not known. *ret_value: what JSON shows if it is not the text. */
static char *fact_text(Asker *asker, const CliFact *fact, Json **ret_value)
{
    const RowCall *call = &asker->last;
    const char *member = fact->member;
    g_autofree char *found = NULL;
    *ret_value = NULL;
    switch ((FactKind)fact->kind) {
    case FACT_MEMBER:
        return class_member(asker->class, asker->handle, member);
    case FACT_USAGE:
        return fact_usage(asker->handle);
    case FACT_XML:
        return asker_xpath(asker, member);
    case FACT_TIME:
        found = asker_xpath(asker, member);
        return fact_time(found, ret_value);
    default:
        break;
    }
    if (!asker_ask(asker, fact->program, fact->proc, fact->flags))
        return NULL;
    if (fact->kind == FACT_TEXT)
        return row_optional(call, member);
    if (fact->kind == FACT_USERS)
        return fact_users(call->ret, ret_value);
    uint64_t number = row_number(call, member);
    if (fact->kind == FACT_SIZE || fact->kind == FACT_SHARE) {
        if (wire_field_find(call->info->ret, "state") && row_number(call, "state") == 0)
            return NULL;
        *ret_value = json_integer((json_int_t)number);
        return fact->kind == FACT_SHARE ? fact_share(asker, fact, number) : fact_size(asker, fact, number);
    }
    if (fact->kind == FACT_COUNT) {
        *ret_value = json_integer((json_int_t)number);
        return g_strdup_printf("%" PRIu64, number);
    }
    if (fact->kind == FACT_ASK)
        number = number != 0;
    if (fact_is_boolean(fact))
        *ret_value = json_boolean(number);
    return fact_word(fact, number);
}

/* The text with the warning behind it. */
static char *fact_warned(Asker *asker, const CliFact *fact, char *text)
{
    g_autofree char *plain = text;
    if (!text || !fact->warning_proc ||
        !asker_ask(asker, WIRE_PROGRAM_LODGE, fact->warning_proc, fact->warning_flags))
        return g_steal_pointer(&plain);
    g_autofree char *warning = row_optional(&asker->last, "warning");
    return warning ? g_strdup_printf("%s (%s)", plain, warning) : g_steal_pointer(&plain);
}

/* What people read where nothing is known. */
static const char *fact_unknown(const CliFact *fact)
{
    if (fact->kind == FACT_USAGE)
        return "Unused";
    return fact_is_boolean(fact) && strcmp(fact->key, "autostart") == 0 ? "no autostart" : "-";
}

static unsigned list_columns(const CliClass *class, const CliArgs *args, CliColumn *columns,
                             const CliFact **facts)
{
    unsigned n = 0;
    for (const CliFact *fact = class->facts; fact && fact->label && n < CLASS_MAX; fact++) {
        if (!fact_applies(fact, args, IN_LIST | IN_LIST_JSON))
            continue;
        columns[n] = (CliColumn){ fact->where & IN_LIST ? fact->label : NULL, fact->key };
        facts[n++] = fact;
    }
    return n;
}

/* Only names or UUIDs, one per line. */
static void list_brief(Cli *cli, const CliClass *class, const CliHandles *list, bool uuids)
{
    Json *names = json_array();
    for (unsigned i = 0; i < list->n; i++) {
        const void *handle = list->data + i * list->size;
        g_autofree char *text = class_member(class, handle, uuids ? "uuid" : class->name);
        json_array_append_new(names, json_string(text));
        cli_say(cli, "%s\n", text);
    }
    cli_print_json(cli, names);
}

static bool list_table(Cli *cli, const CliArgs *args, const CliClass *class, const CliHandles *list,
                       Error **err)
{
    CliColumn columns[CLASS_MAX];
    const CliFact *facts[CLASS_MAX];
    unsigned n = list_columns(class, args, columns, facts);
    CliTable *table = table_new(columns, n);
    for (unsigned i = 0; i < list->n; i++) {
        Asker asker = { .cli = cli, .args = args, .class = class, .handle = list->data + i * list->size };
        table_row(table);
        for (unsigned j = 0; j < n; j++) {
            Json *value = NULL;
            g_autofree char *text = fact_text(&asker, facts[j], &value);
            if (text && facts[j]->warning_proc) {
                if (!value)
                    value = json_string(text);
                text = fact_warned(&asker, facts[j], text);
            }
            table_cell(table, text ? value : json_null(), "%s", text ? text : fact_unknown(facts[j]));
        }
        asker_forget(&asker);
    }
    return cli_print_table(cli, table, err);
}

/* ---- trees ---- */

#define TREE_DEPTH_MAX 64 /* a daemon may say that one is its own parent's parent */

/* In the shape that virsh prints. @children: name -> GPtrArray of names */
static void tree_print(Cli *cli, GHashTable *children, const char *name, const char *indent, unsigned depth)
{
    const GPtrArray *names = g_hash_table_lookup(children, name);
    if (!names || depth > TREE_DEPTH_MAX)
        return;
    cli_say(cli, "%s  |\n", indent);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *below = g_strconcat(indent, i + 1 < names->len ? "  | " : "    ", NULL);
        cli_say(cli, "%s  +- %s\n", indent, (const char *)names->pdata[i]);
        tree_print(cli, children, names->pdata[i], below, depth + 1);
    }
    cli_say(cli, "%s    \n", indent);
}

/* @from: only what is below it; NULL: all */
static bool list_tree(Cli *cli, const CliArgs *args, const CliClass *class, const CliHandles *list,
                      const char *from)
{
    g_autoptr(GHashTable) children =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GPtrArray) roots = g_ptr_array_new_with_free_func(g_free);
    const CliFact *fact = class->facts;
    while (strcmp(fact->key, "parent") != 0)
        fact++;
    for (unsigned i = 0; i < list->n; i++) {
        Asker asker = { .cli = cli, .args = args, .class = class, .handle = list->data + i * list->size };
        Json *value = NULL;
        char *name = class_name(class, asker.handle);
        char *parent = fact_text(&asker, fact, &value);
        asker_forget(&asker);
        GPtrArray *names = parent && *parent ? g_hash_table_lookup(children, parent) : roots;
        if (!names) {
            names = g_ptr_array_new_with_free_func(g_free);
            g_hash_table_insert(children, g_strdup(parent), names);
        }
        g_ptr_array_add(names, name);
        g_free(parent);
    }
    if (from) {
        g_ptr_array_set_size(roots, 0);
        g_ptr_array_add(roots, g_strdup(from));
    }
    for (guint i = 0; i < roots->len; i++) {
        cli_say(cli, "%s\n", (const char *)roots->pdata[i]);
        tree_print(cli, children, roots->pdata[i], "", 0);
    }
    return true;
}

static bool is_given(const CliArgs *args, const char *name)
{
    return command_find_option(cli_args_command(args), name) && args_has(args, name);
}

/* --from NAME, --current: what comes below that one. @call asks for all. *ret_from: its name; owned. */
AWAITS static bool list_below(Cli *cli, const CliArgs *args, const CliClass *class, RowCall *call,
                              char **ret_from, Error **err)
{
    void *handle = g_malloc0(wire_type_size(class->handle));
    const bool ok = is_given(args, "current")
                        ? class_lookup(cli, class, args, handle, err)
                        : class_lookup_text(cli, class, args, args_get(args, "from"), handle, err);

    if (ok) {
        *ret_from = class_name(class, handle);
        row_call_clear(call);
        call_init(call, 0, class->children);
        /* The handle is the first of the arguments, which own it now. */
        memcpy(call->args, handle, wire_type_size(class->handle));
        row_set_number(call, "flags", args_flags(args));
    }
    g_free(handle);
    return ok;
}

bool class_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliClass *class = cli_args_command(args)->class;
    g_auto(RowCall) call = { 0 };
    g_autofree char *from = NULL;
    CliHandles list;
    if (is_given(args, "descendants") && !is_given(args, "from") && !is_given(args, "current"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--descendants requires either --from or --current");
    if (!row_prepare(cli, args, class->procs[VERB_LIST], &call, err))
        return false;
    /* Without a word about it only what runs is shown. */
    unsigned flags = args_flags(args);
    row_set_number(&call, "flags", flags & (class->active | class->inactive) ? flags : flags | class->active);
    cli_doing(cli, "Failed to list %ss", class->noun);
    if (class->children && (is_given(args, "from") || is_given(args, "current")) &&
        !list_below(cli, args, class, &call, &from, err))
        return false;
    if (!class_list(cli, class, &call, &list, err))
        return false;
    if (is_given(args, "tree") && !cli->json)
        return list_tree(cli, args, class, &list, from);
    if (!class->bare_list && (cli->json || !(is_given(args, "uuid") || is_given(args, "name"))))
        return list_table(cli, args, class, &list, err);
    list_brief(cli, class, &list, is_given(args, "uuid"));
    return true;
}

static bool class_info_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliClass *class = cli_args_command(args)->class;
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, 0, &call, err))
        return false;
    Asker asker = { .cli = cli, .args = args, .class = class, .handle = call.object };
    CliRecord *record = record_new(16);
    for (const CliFact *fact = class->facts; fact && fact->label; fact++) {
        Json *value = NULL;
        if (!fact_applies(fact, args, IN_INFO))
            continue;
        g_autofree char *text = fact_text(&asker, fact, &value);
        g_autofree char *label = g_strdup_printf("%s:", fact->label);
        if (text || fact->shows_empty || fact_is_boolean(fact))
            record_add(record, label, fact->key, text ? value : json_null(), "%s",
                       text                ? text
                       : fact->shows_empty ? ""
                                           : fact_unknown(fact));
    }
    asker_forget(&asker);
    cli_print_record(cli, record);
    return true;
}

/* ---- commands ---- */

typedef struct Verb {
    const char *name;    /* behind the prefix of the class */
    const char *summary; /* %s: the noun */
    const char *doing, *done, *show;
    const CliOption *options;
    bool (*run)(Cli *cli, const CliArgs *args, Error **err);
    bool from_file; /* an XML file says which object */
} Verb;

static const CliOption disable_options[] = {
    OPT(CLI_BOOL, "disable", "do not start it with the host any more", .flags = CLI_NOT, .arg = "autostart"),
    { 0 },
};
static const CliOption xpath_options[] = { OPT_XPATH, { 0 } };

static const Verb verbs[VERB_COUNT] = {
    [VERB_AUTOSTART] = { "autostart", "start a %s with the host, or no longer",
                         "Failed to {disable?unmark|mark} {word} {name} as autostarted",
                         "{Word} {name} {disable?unmarked|marked} as autostarted", NULL, disable_options },
    [VERB_CREATE] = { "create", "make a %s as an XML file describes", "Failed to create {word} from {file}",
                      "{Word} {name} created from {file}", .from_file = true },
    [VERB_DEFINE] = { "define", "store the definition of a %s", "Failed to define {word} from {file}",
                      "{Word} {name} defined from {file}", .from_file = true },
    [VERB_DELETE] = { "delete", "remove a %s", "Failed to delete {word} {name}", "{Word} {name} deleted" },
    [VERB_DESTROY] = { "destroy", "stop a %s", "Failed to destroy {word} {name}", "{Word} {name} destroyed" },
    [VERB_DUMPXML] = { "dumpxml", "print the XML of a %s", .show = "xml", .options = xpath_options },
    [VERB_EDIT] = { "edit", "change a %s in an editor", .done = "{Word} {name} XML configuration",
                    .run = row_edit },
    [VERB_EVENT] = { "event", "wait for events of %ss and print them", .run = class_event_run },
    [VERB_INFO] = { "info", "show the main facts about a %s", .run = class_info_run },
    [VERB_LIST] = { "list", "list %ss", .run = class_list_run },
    [VERB_NAME] = { "name", "print the name of a %s", .show = "name" },
    [VERB_PARENT] = { "parent", "print the parent of a %s", .show = "name" },
    [VERB_START] = { "start", "start an inactive %s", "Failed to start {word} {name}",
                     "{Word} {name} started" },
    [VERB_UNDEFINE] = { "undefine", "remove the definition of a %s", "Failed to undefine {word} {name}",
                        "{Word} {name} has been undefined" },
    [VERB_UUID] = { "uuid", "print the UUID of a %s", .show = "uuid" },
};

static void append_options(GArray *options, const CliOption *more)
{
    for (; more && more->name; more++)
        g_array_append_val(options, *more);
}

static CliOption object_option(const CliClass *class, unsigned flags)
{
    return (CliOption){ .name = class->option,
                        .type = CLI_STRING,
                        .flags = flags,
                        .class = class,
                        .complete = class == &class_domain ? COMPLETE_DOMAIN : COMPLETE_NONE,
                        .doc = class->naming };
}

/* The object, where it is, the options of all kinds, those of this kind. */
static const CliOption *verb_options(const CliClass *class, CliVerb verb)
{
    const Verb *v = &verbs[verb];
    GArray *options = g_array_new(TRUE, TRUE, sizeof(CliOption));
    bool names_one = !v->from_file && verb != VERB_LIST && verb != VERB_EVENT;
    CliOption object = object_option(class, class->current && verb != VERB_DUMPXML ? 0 : CLI_REQUIRED);
    if (class->parent && !(class->parent_is_optional && names_one)) {
        CliOption parent = object_option(class->parent, CLI_REQUIRED);
        g_array_append_val(options, parent);
    }
    if (names_one)
        g_array_append_val(options, object);
    if (class->parent_is_optional && names_one) {
        CliOption parent = object_option(class->parent, 0);
        g_array_append_val(options, parent);
    }
    if (v->from_file) {
        static const CliOption file =
            OPT_XML("file", "xml", CLI_REQUIRED, "the XML; - reads the standard input");
        static const CliOption other =
            OPT_XML("file", "xml_desc", CLI_REQUIRED, "the XML; - reads the standard input");
        const WireProc *proc = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), class->procs[verb]);
        g_array_append_val(options, *(wire_field_find(proc->args, "xml") ? &file : &other));
    }
    append_options(options, class->extra[verb]);
    append_options(options, v->options);
    return (const CliOption *)(void *)g_array_free(options, FALSE);
}

/* The words of all events of a class, for help and completion. */
static char *event_words(const CliClass *class)
{
    GString *words = g_string_new(NULL);
    for (const CliEvent *event = class->events; event->name; event++)
        g_string_append_printf(words, "%s%s", words->len ? " " : "", event->name);
    return g_string_free(words, FALSE);
}

static const CliOption *event_options(const CliClass *class)
{
    GArray *options = g_array_new(TRUE, TRUE, sizeof(CliOption));
    CliOption object = object_option(class, 0);
    const CliOption more[] = {
        OPT(CLI_STRING, "event", "the kind of event", .words = event_words(class), .flags = CLI_ONE_OF),
        OPT_BOOL("loop", "go on until interrupted instead of ending with the first event"),
        OPT_INT("timeout", "give up after so many seconds"),
        OPT_BOOL("list", "print the kinds of events"),
        OPT_BOOL("timestamp", "begin each line with the time"),
        { 0 },
    };
    g_array_append_val(options, object);
    append_options(options, more);
    return (const CliOption *)(void *)g_array_free(options, FALSE);
}

static CliCommand make_command(const CliClass *class, CliVerb verb)
{
    const Verb *v = &verbs[verb];
    CliCommand command = {
        .name = g_strdup_printf("%s%s", class->prefix, v->name),
        .group = class->group,
        .class = class,
        .options = verb == VERB_EVENT ? event_options(class) : verb_options(class, verb),
        .exclusive = class->exclusive[verb],
        .proc = class->procs[verb],
        .doing = class->doing[verb] ? class->doing[verb] : v->doing,
        .done = class->done[verb] ? class->done[verb] : v->done,
        .show = v->show,
        .flags = verb == VERB_LIST ? CLI_LISTS : 0,
        .run = v->run,
        .facts = verb == VERB_LIST || verb == VERB_INFO ? class->facts : NULL,
    };
    const char *hole = strstr(v->summary, "%s");
    command.summary =
        g_strdup_printf("%.*s%s%s", (int)(hole - v->summary), v->summary, class->noun, hole + 2);
    if (verb == VERB_EDIT) {
        command.store = command.proc;
        command.proc = class->get_xml;
        command.always = class->edit_flags;
        command.store_always = class->store_flags;
    } else if (verb == VERB_NAME || verb == VERB_UUID || verb == VERB_INFO) {
        command.proc = 0; /* a look-up is all, or more than one call */
    } else if (verb == VERB_EVENT) {
        command.exclusive = "event list";
        command.json = "one object per line: {\"time\": string, \"event\": string, NAME: string, \"detail\": "
                       "{...}}; with --list [string]";
    } else if (verb == VERB_LIST && class->bare_list) {
        command.json = "[string]";
    }
    return command;
}

const CliCommand *class_commands(void)
{
    static GArray *commands;
    if (commands)
        return (const CliCommand *)(void *)commands->data;
    commands = g_array_new(TRUE, TRUE, sizeof(CliCommand));
    for (const CliClass *const *class = cli_classes; *class; class ++) {
        for (unsigned verb = 0; verb < VERB_COUNT; verb++) {
            if ((*class)->procs[verb]) {
                CliCommand command = make_command(*class, verb);
                g_array_append_val(commands, command);
            }
        }
    }
    return (const CliCommand *)(void *)commands->data;
}
