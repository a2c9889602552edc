/* Runs commands that are rows: the tables of the codec say where a member of a message lies, so that one
 * function serves all procedures. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/row.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/class.h"
#include "cli/domain.h"
#include "cli/output.h"

static void *member_at(void *message, const WireField *field)
{
    return (char *)message + field->offset;
}

static const WireField *member_find(WireType type, const char *name)
{
    const WireField *field = wire_field_find(type, name);
    g_assert(field);
    return field;
}

void row_set_string(RowCall *call, const char *member, const char *value)
{
    char **at = member_at(call->args, member_find(call->info->args, member));
    g_free(*at);
    *at = g_strdup(value);
}

void row_set_strings(RowCall *call, const char *member, const GPtrArray *values)
{
    const WireField *field = member_find(call->info->args, member);
    g_ptr_array_add((GPtrArray *)values, NULL);
    *(char ***)member_at(call->args, field) = g_strdupv((char **)values->pdata);
    *(uint32_t *)((char *)call->args + field->count_offset) = values->len - 1;
}

static void set_number(void *at, uint8_t kind, uint64_t value)
{
    if (kind == WIRE_INT32 || kind == WIRE_UINT32)
        *(uint32_t *)at = (uint32_t)value;
    else
        *(uint64_t *)at = value;
}

void row_set_number(RowCall *call, const char *member, uint64_t value)
{
    const WireField *field = member_find(call->info->args, member);
    set_number(member_at(call->args, field), field->kind, value);
}

uint64_t row_number(const RowCall *call, const char *member)
{
    const WireField *field = member_find(call->info->ret, member);
    const void *at = member_at(call->ret, field);
    switch (field->kind) {
    case WIRE_INT32:
        return (uint64_t)(int64_t) * (const int32_t *)at;
    case WIRE_UINT32:
        return *(const uint32_t *)at;
    case WIRE_CHAR:
    case WIRE_UINT8:
        return *(const uint8_t *)at;
    default:
        return *(const uint64_t *)at;
    }
}

const char *row_string(const RowCall *call, const char *member)
{
    const char *text = *(char **)member_at(call->ret, member_find(call->info->ret, member));
    return text ? text : "";
}

char *row_optional(const RowCall *call, const char *member)
{
    return g_strdup(*(char **)member_at(call->ret, member_find(call->info->ret, member)));
}

const WireTypedParam *row_params(const RowCall *call, unsigned *ret_n)
{
    const WireField *field = member_find(call->info->ret, "params");
    *ret_n = call->ret ? *(uint32_t *)((char *)call->ret + field->count_offset) : 0;
    return call->ret ? *(WireTypedParam **)member_at(call->ret, field) : NULL;
}

void row_borrow_params(RowCall *call, WireTypedParam *params, unsigned n)
{
    const WireField *field = member_find(call->info->args, "params");
    *(WireTypedParam **)member_at(call->args, field) = params;
    *(uint32_t *)((char *)call->args + field->count_offset) = n;
}

/* ---- arguments ---- */

static char *absolute_path(const char *path)
{
    return g_path_is_absolute(path) ? g_strdup(path) : g_canonicalize_filename(path, NULL);
}

static bool get_number(const CliArgs *args, const CliOption *o, uint8_t kind, uint64_t *ret_value,
                       Error **err)
{
    bool small = kind == WIRE_INT32 || kind == WIRE_UINT32;
    uint64_t bytes = 0;
    int64_t number = 0;
    unsigned unit = MAX(o->unit, 1u);
    if (o->words) {
        *ret_value = args_get_word(args, o->name);
        return true;
    }
    if (o->type == CLI_SIZE) {
        if (!args_get_size(args, o->name, &bytes, err))
            return false;
        *ret_value = bytes / unit + (bytes % unit != 0);
        return true;
    }
    int64_t max = !small ? INT64_MAX : kind == WIRE_INT32 ? INT32_MAX : (int64_t)UINT32_MAX;
    if (!args_get_int(args, o->name, o->min, max, &number, err))
        return false;
    *ret_value = (uint64_t)number;
    return true;
}

/* Gives one member the value of its option. */
static bool set_member(const CliArgs *args, const CliOption *o, RowCall *call, Error **err)
{
    const WireField *field = wire_field_find(call->info->args, o->arg);
    uint64_t number = 0;
    if (!field) /* of the other procedure of this row */
        return true;
    void *at = member_at(call->args, field);
    if (field->kind == WIRE_ARRAY && field->element == WIRE_STRING) {
        char *const *words = args_get_many(args, o->name);
        *(char ***)at = g_strdupv((char **)words);
        *(uint32_t *)((char *)call->args + field->count_offset) = g_strv_length((char **)words);
        return true;
    }
    if (o->type == CLI_BOOL && o->flag) {
        *(uint32_t *)at |= args_has(args, o->name) ? o->flag : 0;
        return true;
    }
    if (o->type == CLI_BOOL) {
        set_number(at, field->kind, args_has(args, o->name) != ((o->flags & CLI_NOT) != 0));
        return true;
    }
    const char *text = o->flags & CLI_MANY ? NULL : args_get(args, o->name);
    if (o->flags & CLI_MANY) {
        *(char **)at = g_strjoinv(" ", (char **)args_get_many(args, o->name));
        return true;
    }
    bool is_text = field->kind == WIRE_STRING || field->kind == WIRE_OPTIONAL_STRING;
    if (!text && o->otherwise && is_text)
        *(char **)at = g_strdup(o->otherwise);
    else if (!text && o->otherwise)
        set_number(at, field->kind, (uint64_t)g_ascii_strtoll(o->otherwise, NULL, 10));
    if (!text)
        return true;
    if (is_text) {
        if (o->flags & CLI_CONTENT)
            return cli_read_file(text, at, err);
        *(char **)at = o->flags & CLI_PATH ? absolute_path(text) : g_strdup(text);
        return true;
    }
    if (!get_number(args, o, field->kind, &number, err))
        return false;
    set_number(at, field->kind, number);
    return true;
}

static bool set_options(const CliArgs *args, RowCall *call, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    const WireTypeInfo *info = &wire_types[call->info->args];
    for (unsigned i = 0; i < info->n_fields; i++) { /* who asks wants the answer, not only its length */
        const WireField *field = &wire_fields[info->first_field + i];
        if (g_str_has_prefix(field->name, "need_"))
            set_number(member_at(call->args, field), field->kind, 1);
    }
    if (wire_field_find(call->info->args, "flags"))
        row_set_number(call, "flags", args_flags(args) | command->always);
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (o->arg && !set_member(args, o, call, err))
            return false;
    }
    return true;
}

/* The handles among the arguments: what it is about, or where that is. */
static bool set_handles(Cli *cli, const CliArgs *args, RowCall *call, Error **err)
{
    const WireTypeInfo *info = &wire_types[call->info->args];
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        const CliClass *class = field->kind == WIRE_STRUCT ? class_of_handle(field->type) : NULL;
        if (!class)
            continue;
        void *at = member_at(call->args, field);
        if (!class_lookup(cli, class, args, at, err))
            return false;
        if (!call->object) {
            call->object = at;
            call->class = class;
        }
    }
    return true;
}

bool row_prepare(Cli *cli, const CliArgs *args, int32_t proc, RowCall *ret_call, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    const CliClass *class = command->class;
    RowCall *call = ret_call;
    call->program = command->program ? command->program : WIRE_PROGRAM_REMOTE;
    call->proc = proc;
    call->info = proc ? wire_proc_find(wire_program_find(call->program), proc) : NULL;
    if (call->info) {
        call->args = g_malloc0(MAX(wire_type_size(call->info->args), 1));
        if (!set_options(args, call, err) || !set_handles(cli, args, call, err))
            return false;
    }
    /* A look-up of its own where a member takes only the name, or no procedure is called. */
    if (!class && !call->info)
        class = class_of_handle(WIRE_TYPE_DOMAIN);
    bool named = class && command_find_option(command, class_option(class));
    if (!named || (call->object && call->class == class))
        return true;
    void *found = call->found = g_malloc0(wire_type_size(class_handle(class)));
    call->class = call->found_class = class;
    if (!class_lookup(cli, class, args, found, err))
        return false;
    call->object = found;
    if (call->info && wire_field_find(call->info->args, "name")) {
        g_autofree char *name = class_name(class, found);
        row_set_string(call, "name", name);
    }
    return true;
}

/* What was made or found is the object, unless there is one. */
static void take_object(RowCall *call)
{
    const WireTypeInfo *info = &wire_types[call->info->ret];
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        const CliClass *class = field->kind == WIRE_STRUCT ? class_of_handle(field->type) : NULL;
        if (class) {
            call->object = member_at(call->ret, field);
            call->class = class;
            return;
        }
    }
}

static bool call_with_fds(Cli *cli, RowCall *call, const GArray *fds, Error **err)
{
    if (call->ret) /* asked again */
        wire_clear(call->info->ret, call->ret);
    g_free(call->ret);
    call->ret = g_malloc0(MAX(wire_type_size(call->info->ret), 1));
    void *args = wire_type_size(call->info->args) ? call->args : NULL;
    void *ret = wire_type_size(call->info->ret) ? call->ret : NULL;
    bool ok =
        fds ? wire_call_fds(cli->client, call->program, call->proc, args,
                            (const int *)(const void *)fds->data, fds->len, ret, NULL, WIRE_NO_TIMEOUT, err)
            : wire_call(cli->client, call->program, call->proc, args, ret, WIRE_NO_TIMEOUT, err);
    if (ok)
        take_object(call);
    return ok;
}

bool row_call(Cli *cli, RowCall *call, Error **err)
{
    return call_with_fds(cli, call, NULL, err);
}

bool row_call_counted(Cli *cli, RowCall *call, Error **err)
{
    if (!row_call(cli, call, err))
        return false;
    row_set_number(call, "nparams", row_number(call, "nparams"));
    return row_call(cli, call, err);
}

void row_call_clear(RowCall *call)
{
    if (call->info && call->args)
        wire_clear(call->info->args, call->args);
    if (call->info && call->ret)
        wire_clear(call->info->ret, call->ret);
    if (call->found)
        wire_clear(class_handle(call->found_class), call->found);
    g_free(call->args);
    g_free(call->ret);
    g_free(call->found);
    *call = (RowCall){ 0 };
}

/* ---- texts ---- */

/* What stands between the braces. */
static void text_part(GString *out, const char *part, const CliArgs *args, const RowCall *call)
{
    const char *question = strchr(part, '?');
    if (question) {
        g_autofree char *option = g_strndup(part, (size_t)(question - part));
        g_auto(GStrv) either = g_strsplit(question + 1, "|", 2);
        g_string_append(out, args_has(args, option) ? either[0] : either[1] ? either[1] : "");
        return;
    }
    if (strcmp(part, "name") == 0) {
        const CliClass *own = cli_args_command(args)->class;
        /* Until it is made the object is what it will be in. */
        const bool is_known = call->object && (!own || own == call->class);
        g_autofree char *name = is_known ? class_name(call->class, call->object) : NULL;
        if (!name && command_find_option(cli_args_command(args), "name")) /* of what is to be made */
            name = g_strdup(args_get(args, "name"));
        g_string_append(out, name ? name : "");
        return;
    }
    if (part[0] == '=') { /* a number in the answer */
        g_string_append_printf(out, "%" PRId64, (int64_t)row_number(call, part + 1));
        return;
    }
    const CliClass *class = cli_args_command(args)->class;
    const char *text = strcmp(part, "word") == 0   ? class_word(class, false)
                       : strcmp(part, "Word") == 0 ? class_word(class, true)
                                                   : args_get(args, part);
    g_string_append(out, text ? text : "");
}

char *row_text(const char *format, const CliArgs *args, const RowCall *call)
{
    GString *out = g_string_new(NULL);
    while (*format) {
        size_t plain = strcspn(format, "{");
        g_string_append_len(out, format, (gssize)plain);
        format += plain;
        if (!*format)
            break;
        size_t len = strcspn(format, "}");
        g_autofree char *part = g_strndup(format + 1, len - 1);
        text_part(out, part, args, call);
        format += len + 1;
    }
    return g_string_free(out, FALSE);
}

/* ---- running ---- */

static bool show(Cli *cli, const CliArgs *args, const RowCall *call, Error **err)
{
    g_autofree char *what = row_text(cli_args_command(args)->show, args, call);
    const char *colon = strchr(what, ':');
    g_autofree char *member = colon ? g_strndup(what, (size_t)(colon - what)) : g_strdup(what);
    const char *key = colon ? colon + 1 : what;
    const WireField *field = call->info ? wire_field_find(call->info->ret, member) : NULL;
    g_autofree char *text = NULL;
    if (!field)
        text = class_member(call->class, call->object, member);
    else if (field->kind == WIRE_STRING || field->kind == WIRE_OPTIONAL_STRING)
        text = g_strdup(row_string(call, member));
    if (text && command_find_option(cli_args_command(args), "xpath"))
        return cli_print_xml(cli, args, text, err);
    if (text && strcmp(text, "-") == 0 && cli->json)
        cli_print_json(cli, json_pack("{s:n}", key));
    else if (text && strcmp(key, "id") == 0)
        cli_print_number(cli, key, g_ascii_strtoll(text, NULL, 10), text);
    else if (text)
        cli_print_text(cli, key, text);
    else
        cli_print_number(cli, key, (int64_t)row_number(call, member), NULL);
    return true;
}

/* Descriptors as N,N,...; owned, NULL if no option has any. */
static bool row_fds(const CliArgs *args, GArray **ret_fds, Error **err)
{
    *ret_fds = NULL;
    for (const CliOption *o = cli_args_command(args)->options; o && o->name; o++) {
        const char *text = o->flags & CLI_FDS ? args_get(args, o->name) : NULL;
        g_auto(GStrv) words = text ? g_strsplit(text, ",", -1) : NULL;
        for (char **word = words; word && *word; word++) {
            char *end = NULL;
            long fd = strtol(*word, &end, 10);
            if (end == *word || *end || fd < 0 || fd > INT32_MAX) {
                g_clear_pointer(ret_fds, g_array_unref);
                error_set(err, ERROR_INVALID_ARGUMENT, "'%s' in --%s is not a file descriptor", *word,
                          o->name);
                return error_hint(err, "--%s takes numbers separated by commas", o->name);
            }
            int number = (int)fd;
            if (!*ret_fds)
                *ret_fds = g_array_new(FALSE, FALSE, sizeof(int));
            g_array_append_val(*ret_fds, number);
        }
    }
    return true;
}

static void row_doing(Cli *cli, const CliArgs *args, const RowCall *call)
{
    const char *doing = cli_args_command(args)->doing;
    g_autofree char *text = doing ? row_text(doing, args, call) : NULL;
    if (text)
        cli_doing(cli, "%s", text);
}

bool row_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    g_auto(RowCall) call = { 0 };
    g_autoptr(GArray) fds = NULL;
    if (!row_fds(args, &fds, err))
        return false;
    int32_t proc = fds                                       ? command->with_fds
                   : command->once && args_has(args, "once") ? command->once
                   : command->plain && !args_has_any(args)   ? command->plain
                                                             : command->proc;
    if (!row_prepare(cli, args, proc, &call, err))
        return false;
    row_doing(cli, args, &call);
    bool progress = command_find_option(command, "verbose") && args_has(args, "verbose");
    bool counted = command->tell && wire_field_find(call.info->args, "nparams");
    if (call.info && !(progress  ? row_call_with_progress(cli, args, &call, err)
                       : counted ? row_call_counted(cli, &call, err)
                                 : call_with_fds(cli, &call, fds, err)))
        return false;
    if (command->show)
        return show(cli, args, &call, err);
    if (command->tell)
        return command->tell(cli, args, call.ret, err);
    g_autofree char *text = command->done ? row_text(command->done, args, &call) : NULL;
    if (text)
        cli_message(cli, "%s", text);
    return !command->then || command->then(cli, args, call.object, err);
}

/* ---- editing ---- */

typedef struct RowEdit {
    const CliArgs *args;
    RowCall *get;
    char *before;
} RowEdit;

/* The text that a procedure answers with: its only member. */
static char *answer_text(const RowCall *call)
{
    const WireField *field = &wire_fields[wire_types[call->info->ret].first_field];
    return g_strdup(*(char **)member_at(call->ret, field));
}

static bool edit_get(Cli *cli, const CliArgs *args, RowCall *call, char **ret_text, Error **err)
{
    if (!row_prepare(cli, args, cli_args_command(args)->proc, call, err))
        return false;
    /* the options are about storing it */
    if (wire_field_find(call->info->args, "flags"))
        row_set_number(call, "flags", cli_args_command(args)->always);
    if (!row_call(cli, call, err))
        return false;
    *ret_text = answer_text(call);
    return true;
}

static bool edit_apply(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err)
{
    static const char *const members[] = { "xml", "xml_desc", "dxml" };
    const RowEdit *edit = arg;
    const CliCommand *command = cli_args_command(edit->args);
    g_auto(RowCall) now = { 0 };
    g_auto(RowCall) store = { 0 };
    g_autofree char *text = NULL;
    if (!edit_get(cli, edit->args, &now, &text, err))
        return false;
    if (strcmp(text, edit->before) != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "the XML configuration was changed by another user");
    if (!row_prepare(cli, edit->args, command->store, &store, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        if (wire_field_find(store.info->args, members[i]))
            row_set_string(&store, members[i], edited);
    }
    if (wire_field_find(store.info->args, "flags")) {
        const CliOption *skip = command_find_option(command, "skip-validate");
        relaxed = relaxed || (skip && args_has(edit->args, "skip-validate"));
        row_set_number(&store, "flags", args_flags(edit->args) | (relaxed ? 0 : command->store_always));
    }
    return row_call(cli, &store, err);
}

bool row_edit(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) get = { 0 };
    RowEdit edit = { .args = args, .get = &get };
    if (!edit_get(cli, args, &get, &edit.before, err))
        return false;
    g_autofree char *before = edit.before;
    g_autofree char *what = row_text(cli_args_command(args)->done, args, &get);
    return cli_edit(cli, what, before, edit_apply, &edit, err);
}
