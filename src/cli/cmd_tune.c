/* Commands that show and change limits which the daemon keeps as lists of named parameters. One engine serves
 * all of them: it asks for the list, prints it, or sends back those that were named with a new value of the
 * same type. The rows say which procedures (.proc, .store) and, as .arg of an option, which parameter. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

/* How the protocol says "no limit" for memory, in KiB. */
#define MEMORY_UNLIMITED UINT64_C(9007199254740991)

/* What is sent back: owned parameters. */
static void changes_free(GArray *changes)
{
    for (unsigned i = 0; i < changes->len; i++)
        wire_typed_param_clear(&g_array_index(changes, WireTypedParam, i));
    g_array_unref(changes);
}

/* *ret_same gets the name and type of @old and the value @text. */
static bool param_parse(const WireTypedParam *old, const char *text, WireTypedParam *ret_same, Error **err)
{
    char *end = NULL;
    WireTypedParamValue value = { .type = old->value.type };
    errno = 0;
    switch (value.type) {
    case VIR_TYPED_PARAM_INT:
        value.l = g_ascii_strtoll(text, &end, 10);
        value.i = (int32_t)value.l;
        break;
    case VIR_TYPED_PARAM_UINT:
        value.ul = g_ascii_strtoull(text, &end, 10);
        value.ui = (uint32_t)value.ul;
        break;
    case VIR_TYPED_PARAM_LLONG:
        value.l = g_ascii_strtoll(text, &end, 10);
        break;
    case VIR_TYPED_PARAM_ULLONG:
        value.ul = g_ascii_strtoull(text, &end, 10);
        break;
    case VIR_TYPED_PARAM_DOUBLE:
        value.d = g_ascii_strtod(text, &end);
        break;
    case VIR_TYPED_PARAM_BOOLEAN:
        value.b = strcmp(text, "1") == 0 || strcmp(text, "yes") == 0;
        break;
    default:
        value.s = g_strdup(text);
        break;
    }
    if (errno || (end && (end == text || *end)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a value for %s", text, old->field);
    ret_same->field = g_strdup(old->field);
    ret_same->value = value;
    return true;
}

/* What an option's text means to the daemon; owned, NULL with @err. */
static char *tune_value(const CliArgs *args, const CliOption *option, Error **err)
{
    const char *text = args_get(args, option->name);
    uint64_t bytes = 0;
    if (option->words)
        return g_strdup_printf("%u", args_get_word(args, option->name));
    if (option->type != CLI_SIZE)
        return g_strdup(text);
    if (strcmp(text, "-1") == 0)
        return g_strdup_printf("%" PRIu64, MEMORY_UNLIMITED);
    if (!args_get_size(args, option->name, &bytes, err))
        return NULL;
    return g_strdup_printf("%" PRIu64, bytes / MAX(option->unit, 1u));
}

static bool add_change(const RowCall *known, const char *name, const char *text, GArray *changes, Error **err)
{
    unsigned n = 0;
    const WireTypedParam *params = row_params(known, &n);
    const WireTypedParam *old = wire_param_find(params, n, name);
    WireTypedParam param = { 0 };
    if (!old)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the daemon knows no parameter '%s'", name);
    if (!param_parse(old, text, &param, err))
        return false;
    g_array_append_val(changes, param);
    return true;
}

/* Options whose member the procedures do not have are parameters. */
static bool tune_collect(const CliArgs *args, const RowCall *known, GArray *changes, Error **err)
{
    for (const CliOption *o = cli_args_command(args)->options; o->name; o++) {
        if (!o->arg || !args_has(args, o->name) || wire_field_find(known->info->args, o->arg))
            continue;
        g_autofree char *text = tune_value(args, o, err);
        if (!text || !add_change(known, o->arg, text, changes, err))
            return false;
    }
    return true;
}

static bool tune_set(Cli *cli, const CliArgs *args, const GArray *changes, Error **err)
{
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, cli_args_command(args)->store, &call, err))
        return false;
    cli_doing(cli, "Unable to change %s", cli_args_command(args)->doing);
    if (wire_field_find(call.info->args, "flags"))
        row_set_number(&call, "flags", args_flags(args));
    row_borrow_params(&call, (WireTypedParam *)(void *)changes->data, changes->len);
    bool ok = row_call(cli, &call, err);
    row_borrow_params(&call, NULL, 0);
    return ok;
}

/* What people read for a parameter; owned. NULL: its value. */
static char *tune_word(const CliArgs *args, const WireTypedParam *param)
{
    if (param->value.type == VIR_TYPED_PARAM_ULLONG && param->value.ul == MEMORY_UNLIMITED)
        return g_strdup("unlimited");
    for (const CliOption *o = cli_args_command(args)->options; o->name; o++) {
        g_auto(GStrv) words = o->words ? g_strsplit(o->words, " ", -1) : NULL;
        if (words && g_strcmp0(o->arg, param->field) == 0 && param->value.type == VIR_TYPED_PARAM_INT &&
            param->value.i >= 0 && param->value.i < (int)g_strv_length(words))
            return g_strdup(words[param->value.i]);
    }
    return NULL;
}

static void tune_print(Cli *cli, const CliArgs *args, const RowCall *call)
{
    /* "Shared memory:" and the like */
    bool titled = !call->object;
    unsigned n = 0;
    const WireTypedParam *params = row_params(call, &n);
    Json *object = json_object();
    if (titled && !cli->json)
        fputs("Shared memory:\n", cli->out);
    for (uint32_t i = 0; i < n; i++) {
        g_autofree char *word = tune_word(args, &params[i]);
        g_autofree char *text = word ? NULL : wire_param_format(&params[i]);
        json_object_set_new(object, params[i].field, word ? json_string(word) : param_json(&params[i]));
        cli_say(cli, titled ? "\t%-15s %s\n" : "%-15s: %s\n", params[i].field, word ? word : text);
    }
    cli_print_json(cli, object);
}

/* Both the running domain and its definition can be changed at once, but not asked. */
static void tune_ask_one(const CliArgs *args, RowCall *call)
{
    const unsigned both = VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, flags = args_flags(args);
    if ((flags & both) == both)
        row_set_number(call, "flags", (flags & ~VIR_DOMAIN_AFFECT_CONFIG) | cli_args_command(args)->always);
}

static bool tune_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, command->proc, &call, err))
        return false;
    tune_ask_one(args, &call);
    cli_doing(cli, "Unable to get %s", command->doing);
    if (!row_call_counted(cli, &call, err))
        return false;
    GArray *changes = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));
    bool ok = tune_collect(args, &call, changes, err);
    if (ok && changes->len)
        ok = tune_set(cli, args, changes, err);
    else if (ok)
        tune_print(cli, args, &call);
    changes_free(changes);
    return ok;
}

/* ---- their options ---- */

#define OPT_PARAM(kind, option, param, text, ...) OPT(kind, option, text, .arg = param, __VA_ARGS__)
#define OPT_KIB(option, param, text) OPT_PARAM(CLI_SIZE, option, param, text, .unit = 1024)

static const CliOption memtune_options[] = {
    OPT_DOMAIN,
    OPT_KIB("hard-limit", "hard_limit", "the most memory, in KiB unless it has a unit; -1 for no limit"),
    OPT_KIB("soft-limit", "soft_limit", "memory that is left when the host needs some"),
    OPT_KIB("swap-hard-limit", "swap_hard_limit", "the most memory and swap together"),
    OPT_KIB("min-guarantee", "min_guarantee", "memory that is always there"),
    OPT_AFFECT,
    { 0 },
};

static const CliOption numatune_options[] = {
    OPT_DOMAIN,
    OPT_PARAM(CLI_STRING, "mode", "numa_mode", "how memory is taken from the nodes", .flags = CLI_ONE_OF,
              .words = "strict preferred interleave restrictive"),
    OPT_PARAM(CLI_STRING, "nodeset", "numa_nodeset", "nodes of the host, as 0-1,3", .flags = CLI_EMPTY_OK),
    OPT_AFFECT,
    { 0 },
};

static const CliOption blkiotune_options[] = {
    OPT_DOMAIN,
    OPT_PARAM(CLI_INT, "weight", "weight", "share of the disks' time, 10 to 1000"),
    OPT_PARAM(CLI_STRING, "device-weights", "device_weight",
              "shares of single devices, as /dev/sda,500,/dev/sdb,200"),
    OPT_PARAM(CLI_STRING, "device-read-iops-sec", "device_read_iops_sec",
              "read operations per second and device"),
    OPT_PARAM(CLI_STRING, "device-write-iops-sec", "device_write_iops_sec",
              "write operations per second and device"),
    OPT_PARAM(CLI_STRING, "device-read-bytes-sec", "device_read_bytes_sec",
              "bytes read per second and device"),
    OPT_PARAM(CLI_STRING, "device-write-bytes-sec", "device_write_bytes_sec",
              "bytes written per second and device"),
    OPT_AFFECT,
    { 0 },
};

#define OPT_RATE(option, param, text) OPT_PARAM(CLI_SIZE, option, param, text)
#define OPT_RATES(what, member, text)                                                                        \
    OPT_RATE("total-" what, "total_" member, text " both ways"),                                             \
        OPT_RATE("read-" what, "read_" member, text " read"),                                                \
        OPT_RATE("write-" what, "write_" member, text " written")

static const CliOption blkdeviotune_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "device", "target or source of the disk", .flags = CLI_REQUIRED, .arg = "disk",
        .complete = COMPLETE_DOMAIN_DISK),
    OPT_RATES("bytes-sec", "bytes_sec", "bytes per second"),
    OPT_RATES("iops-sec", "iops_sec", "operations per second"),
    OPT_RATES("bytes-sec-max", "bytes_sec_max", "bytes per second for a moment"),
    OPT_RATES("iops-sec-max", "iops_sec_max", "operations per second for a moment"),
    OPT_RATES("bytes-sec-max-length", "bytes_sec_max_length", "seconds that the moment lasts for bytes"),
    OPT_RATES("iops-sec-max-length", "iops_sec_max_length", "seconds that the moment lasts for operations"),
    OPT_RATE("size-iops-sec", "size_iops_sec", "bytes that count as one operation"),
    OPT_PARAM(CLI_STRING, "group-name", "group_name", "group of disks that share the limits"),
    OPT_AFFECT,
    { 0 },
};

static const CliOption memory_options[] = {
    OPT_PARAM(CLI_INT, "shm-pages-to-scan", "shm_pages_to_scan", "pages to look at before sleeping"),
    OPT_PARAM(CLI_INT, "shm-sleep-millisecs", "shm_sleep_millisecs", "milliseconds to sleep in between"),
    OPT_PARAM(CLI_INT, "shm-merge-across-nodes", "shm_merge_across_nodes",
              "1: pages of all NUMA nodes may become one, 0: not"),
    { 0 },
};

/* ---- schedinfo: the number of parameters comes with the type ---- */

static const CliOption schedinfo_options[] = {
    OPT_DOMAIN,
    OPT_PARAM(CLI_INT, "weight", "weight", "weight, for schedulers that have one", .flags = CLI_NAMED),
    OPT_PARAM(CLI_INT, "cap", "cap", "cap, for schedulers that have one", .flags = CLI_NAMED),
    OPT_AFFECT,
    OPT(CLI_STRING, "set", "parameters to change, as NAME=VALUE", .flags = CLI_MANY),
    { 0 },
};

static bool sched_collect(const CliArgs *args, const RowCall *known, GArray *changes, Error **err)
{
    for (char *const *word = args_get_many(args, "set"); *word; word++) {
        g_auto(GStrv) parts = g_strsplit(*word, "=", 2);
        if (!parts[0] || !parts[1]) {
            error_set(err, ERROR_INVALID_ARGUMENT, "Invalid syntax for --set, expecting name=value");
            return error_hint(err, "for example: lodge schedinfo DOMAIN --set cpu_shares=2048");
        }
        if (!add_change(known, parts[0], parts[1], changes, err))
            return false;
    }
    return tune_collect(args, known, changes, err);
}

static bool schedinfo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) type = { 0 };
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, PROC_DOMAIN_GET_SCHEDULER_TYPE, &type, err) || !row_call(cli, &type, err) ||
        !row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    tune_ask_one(args, &call);
    /* Without parameters there is a scheduler, but nothing to say about it. */
    row_set_number(&call, "nparams", row_number(&type, "nparams"));
    if (row_number(&type, "nparams") && !row_call(cli, &call, err))
        return false;
    GArray *changes = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));
    bool ok = sched_collect(args, &call, changes, err);
    if (ok && changes->len)
        ok = tune_set(cli, args, changes, err) && row_call(cli, &call, err);
    changes_free(changes);
    if (!ok)
        return false;
    cli_doing(cli, NULL);
    cli_say(cli, "%-15s: %s\n", "Scheduler", row_string(&type, "type"));
    tune_print(cli, args, &call);
    return true;
}

#define TUNE(command, in, text, rows, get, set, what, ...)                                                   \
    COMMAND(command, in, text, rows, tune_run, .proc = get, .store = set, .doing = what,                     \
            .always = VIR_TYPED_PARAM_STRING_OKAY, __VA_ARGS__)

const CliCommand commands_tune[] = {
    TUNE("memtune", GROUP_DOMAIN, "show or change the limits of a domain's memory", memtune_options,
         PROC_DOMAIN_GET_MEMORY_PARAMETERS, PROC_DOMAIN_SET_MEMORY_PARAMETERS, "memory parameters",
         .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: number (KiB) | \"unlimited\"}"),
    TUNE("numatune", GROUP_DOMAIN, "show or change which NUMA nodes a domain's memory comes from",
         numatune_options, PROC_DOMAIN_GET_NUMA_PARAMETERS, PROC_DOMAIN_SET_NUMA_PARAMETERS,
         "numa parameters", .exclusive = EXCLUSIVE_AFFECT,
         .json = "{\"numa_mode\": string, \"numa_nodeset\": string}"),
    TUNE("blkiotune", GROUP_DOMAIN, "show or change the limits of a domain's disk traffic", blkiotune_options,
         PROC_DOMAIN_GET_BLKIO_PARAMETERS, PROC_DOMAIN_SET_BLKIO_PARAMETERS, "blkio parameters",
         .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: value}"),
    TUNE("blkdeviotune", GROUP_DOMAIN, "show or change the limits of a disk", blkdeviotune_options,
         PROC_DOMAIN_GET_BLOCK_IO_TUNE, PROC_DOMAIN_SET_BLOCK_IO_TUNE, "block I/O throttle",
         .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: value}"),
    TUNE("node-memory-tune", GROUP_HOST, "show or change how the host shares equal memory pages",
         memory_options, PROC_NODE_GET_MEMORY_PARAMETERS, PROC_NODE_SET_MEMORY_PARAMETERS,
         "memory parameters", .json = "{NAME: number}"),
    COMMAND("schedinfo", GROUP_DOMAIN, "show or change how a domain's processors are scheduled",
            schedinfo_options, schedinfo_run, .proc = PROC_DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS,
            .store = PROC_DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS, .doing = "scheduler parameters",
            .always = VIR_TYPED_PARAM_STRING_OKAY, .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: value}"),
    { 0 },
};
