/* Commands that show and change limits which the daemon keeps as lists of named parameters. One engine serves
 * all of them: it asks for the list, prints it, or sends back those that were named with a new value of the
 * same type. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "wire/params.h"

/* How the protocol says "no limit" for memory, in KiB. */
#define MEMORY_UNLIMITED UINT64_C(9007199254740991)

typedef struct TuneOption {
    const char *option;
    const char *param;
} TuneOption;

typedef struct Tune {
    const char *what; /* "memory parameters" */
    int32_t get_proc, set_proc;
    const TuneOption *options;                  /* ends with {0} */
    char *(*show)(const WireTypedParam *param); /* NULL: as they are */
} Tune;

typedef struct ParamList {
    WireTypedParam *params;
    uint32_t n_params;
} ParamList;

/* The getters differ in their names only: same arguments, same answer but for a count. */
G_STATIC_ASSERT(sizeof(WireDomainGetMemoryParametersArgs) == sizeof(WireDomainGetNumaParametersArgs));
G_STATIC_ASSERT(sizeof(WireDomainGetMemoryParametersArgs) == sizeof(WireDomainGetBlkioParametersArgs));
G_STATIC_ASSERT(sizeof(WireDomainGetMemoryParametersRet) == sizeof(WireDomainGetNumaParametersRet));
G_STATIC_ASSERT(sizeof(WireDomainGetMemoryParametersRet) == sizeof(WireDomainGetBlkioParametersRet));
G_STATIC_ASSERT(sizeof(WireDomainSetMemoryParametersArgs) == sizeof(WireDomainSetNumaParametersArgs));
G_STATIC_ASSERT(sizeof(WireDomainSetMemoryParametersArgs) == sizeof(WireDomainSetBlkioParametersArgs));
G_STATIC_ASSERT(sizeof(WireDomainSetMemoryParametersArgs) ==
                sizeof(WireDomainSetSchedulerParametersFlagsArgs));

static void params_clear(WireTypedParam *params, uint32_t n_params)
{
    for (uint32_t i = 0; i < n_params; i++)
        wire_typed_param_clear(&params[i]);
    g_free(params);
}

static void param_list_clear(ParamList *list)
{
    params_clear(list->params, list->n_params);
    list->params = NULL;
    list->n_params = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ParamList, param_list_clear)

/* First the number of parameters, then their values. */
static bool tune_get(Cli *cli, const Tune *tune, const WireDomain *dom, unsigned flags, ParamList *ret_list,
                     Error **err)
{
    WireDomainGetMemoryParametersArgs call = { .dom = *dom, .flags = flags | VIR_TYPED_PARAM_STRING_OKAY };
    WireDomainGetMemoryParametersRet count = { 0 };
    WireDomainGetMemoryParametersRet ret = { 0 };
    if (!cli_call(cli, tune->get_proc, &call, &count, err))
        return false;
    params_clear(count.params, count.n_params);
    call.nparams = count.nparams;
    if (!cli_call(cli, tune->get_proc, &call, &ret, err))
        return false;
    ret_list->params = ret.params;
    ret_list->n_params = ret.n_params;
    return true;
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

/* What an option's text means to the daemon. */
static char *tune_value(const Tune *tune, const CliArgs *args, const TuneOption *option, Error **err)
{
    static const char *const modes[] = { "strict", "preferred", "interleave", "restrictive" };
    const char *text = args_get(args, option->option);
    for (size_t i = 0; strcmp(option->option, "mode") == 0 && i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(text, modes[i]) == 0)
            return g_strdup_printf("%zu", i);
    }
    if (command_find_option(cli_args_command(args), option->option)->type != CLI_SIZE)
        return g_strdup(text);
    uint64_t bytes = 0;
    if (strcmp(text, "-1") == 0)
        return g_strdup_printf("%" PRIu64, MEMORY_UNLIMITED);
    if (!args_get_size(args, option->option, &bytes, err))
        return NULL;
    return g_strdup_printf("%" PRIu64, bytes / 1024);
}

static bool add_change(const ParamList *known, const char *name, const char *text, GArray *changes,
                       Error **err)
{
    const WireTypedParam *old = wire_param_find(known->params, known->n_params, name);
    WireTypedParam param = { 0 };
    if (!old)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the daemon knows no parameter '%s'", name);
    if (!param_parse(old, text, &param, err))
        return false;
    g_array_append_val(changes, param);
    return true;
}

static bool tune_collect(const Tune *tune, const CliArgs *args, const ParamList *known, GArray *changes,
                         Error **err)
{
    for (const TuneOption *o = tune->options; o->option; o++) {
        if (!args_has(args, o->option))
            continue;
        g_autofree char *text = tune_value(tune, args, o, err);
        if (!text || !add_change(known, o->param, text, changes, err))
            return false;
    }
    return true;
}

/* Takes over @changes. */
static bool tune_set(Cli *cli, const Tune *tune, const WireDomain *dom, unsigned flags, GArray *changes,
                     Error **err)
{
    WireDomainSetMemoryParametersArgs call = { .dom = *dom, .flags = flags };
    call.params = (WireTypedParam *)(void *)changes->data;
    call.n_params = changes->len;
    return cli_call(cli, tune->set_proc, &call, NULL, err);
}

static void tune_print(Cli *cli, const Tune *tune, const ParamList *list)
{
    Json *object = json_object();
    for (uint32_t i = 0; i < list->n_params; i++) {
        const WireTypedParam *param = &list->params[i];
        g_autofree char *text = tune->show ? tune->show(param) : NULL;
        json_object_set_new(object, param->field, text ? json_string(text) : param_json(param));
        if (!text)
            text = wire_param_format(param);
        if (!cli->json)
            fprintf(cli->out, "%-15s: %s\n", param->field, text);
    }
    cli_print_json(cli, object);
}

static void changes_free(GArray *changes)
{
    for (unsigned i = 0; i < changes->len; i++)
        wire_typed_param_clear(&g_array_index(changes, WireTypedParam, i));
    g_array_unref(changes);
}

static bool tune_run(Cli *cli, const CliArgs *args, const Tune *tune, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(ParamList) list = { 0 };
    unsigned flags = args_flags(args);
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Unable to get %s", tune->what);
    if (!tune_get(cli, tune, &dom, flags, &list, err))
        return false;
    GArray *changes = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));
    bool ok = tune_collect(tune, args, &list, changes, err);
    if (ok && changes->len) {
        cli_doing(cli, "Unable to change %s", tune->what);
        ok = tune_set(cli, tune, &dom, flags, changes, err);
    } else if (ok) {
        tune_print(cli, tune, &list);
    }
    changes_free(changes);
    return ok;
}

/* ---- memtune ---- */

#define OPT_KIB(option, text)                                                                                \
    {                                                                                                        \
        .name = option, .type = CLI_SIZE, .unit = 1024, .doc = text                                          \
    }

static const CliOption memtune_options[] = {
    OPT_DOMAIN,
    OPT_KIB("hard-limit", "the most memory, in KiB unless it has a unit; -1 for no limit"),
    OPT_KIB("soft-limit", "memory that is left when the host needs some"),
    OPT_KIB("swap-hard-limit", "the most memory and swap together"),
    OPT_KIB("min-guarantee", "memory that is always there"),
    OPT_AFFECT,
    { 0 },
};

static char *memtune_show(const WireTypedParam *param)
{
    uint64_t value = 0;
    bool unlimited =
        param->value.type == VIR_TYPED_PARAM_ULLONG && (value = param->value.ul) == MEMORY_UNLIMITED;
    return unlimited ? g_strdup("unlimited") : NULL;
}

static bool memtune_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const TuneOption options[] = { { "hard-limit", "hard_limit" },
                                          { "soft-limit", "soft_limit" },
                                          { "swap-hard-limit", "swap_hard_limit" },
                                          { "min-guarantee", "min_guarantee" },
                                          { 0 } };
    static const Tune tune = { .what = "memory parameters",
                               .get_proc = PROC_DOMAIN_GET_MEMORY_PARAMETERS,
                               .set_proc = PROC_DOMAIN_SET_MEMORY_PARAMETERS,
                               .options = options,
                               .show = memtune_show };
    return tune_run(cli, args, &tune, err);
}

/* ---- numatune ---- */

static const CliOption numatune_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "mode", "how memory is taken from the nodes",
        .words = "strict preferred interleave restrictive"),
    OPT(CLI_STRING, "nodeset", "nodes of the host, as 0-1,3", .flags = CLI_EMPTY_OK),
    OPT_AFFECT,
    { 0 },
};

static char *numatune_show(const WireTypedParam *param)
{
    static const char *const modes[] = { "strict", "preferred", "interleave", "restrictive" };
    bool is_mode = strcmp(param->field, "numa_mode") == 0 && param->value.type == VIR_TYPED_PARAM_INT;
    if (!is_mode || param->value.i < 0 || param->value.i >= (int)G_N_ELEMENTS(modes))
        return NULL;
    return g_strdup(modes[param->value.i]);
}

static bool numatune_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const TuneOption options[] = { { "mode", "numa_mode" }, { "nodeset", "numa_nodeset" }, { 0 } };
    static const Tune tune = { .what = "numa parameters",
                               .get_proc = PROC_DOMAIN_GET_NUMA_PARAMETERS,
                               .set_proc = PROC_DOMAIN_SET_NUMA_PARAMETERS,
                               .options = options,
                               .show = numatune_show };
    return tune_run(cli, args, &tune, err);
}

/* ---- blkiotune ---- */

static const CliOption blkiotune_options[] = {
    OPT_DOMAIN,
    OPT_INT("weight", "share of the disks' time, 10 to 1000"),
    OPT_STRING("device-weights", "shares of single devices, as /dev/sda,500,/dev/sdb,200"),
    OPT_STRING("device-read-iops-sec", "read operations per second and device"),
    OPT_STRING("device-write-iops-sec", "write operations per second and device"),
    OPT_STRING("device-read-bytes-sec", "bytes read per second and device"),
    OPT_STRING("device-write-bytes-sec", "bytes written per second and device"),
    OPT_AFFECT,
    { 0 },
};

static bool blkiotune_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const TuneOption options[] = { { "weight", "weight" },
                                          { "device-weights", "device_weight" },
                                          { "device-read-iops-sec", "device_read_iops_sec" },
                                          { "device-write-iops-sec", "device_write_iops_sec" },
                                          { "device-read-bytes-sec", "device_read_bytes_sec" },
                                          { "device-write-bytes-sec", "device_write_bytes_sec" },
                                          { 0 } };
    static const Tune tune = { .what = "blkio parameters",
                               .get_proc = PROC_DOMAIN_GET_BLKIO_PARAMETERS,
                               .set_proc = PROC_DOMAIN_SET_BLKIO_PARAMETERS,
                               .options = options };
    return tune_run(cli, args, &tune, err);
}

/* ---- schedinfo ---- */

static const CliOption schedinfo_options[] = {
    OPT_DOMAIN,
    OPT(CLI_INT, "weight", "weight, for schedulers that have one", .flags = CLI_NAMED),
    OPT(CLI_INT, "cap", "cap, for schedulers that have one", .flags = CLI_NAMED),
    OPT_AFFECT,
    OPT(CLI_STRING, "set", "parameters to change, as NAME=VALUE", .flags = CLI_MANY),
    { 0 },
};

static bool sched_collect(const CliArgs *args, const ParamList *known, GArray *changes, Error **err)
{
    static const TuneOption options[] = { { "weight", "weight" }, { "cap", "cap" }, { 0 } };
    static const Tune tune = { .options = options };
    for (char *const *word = args_get_many(args, "set"); *word; word++) {
        g_auto(GStrv) parts = g_strsplit(*word, "=", 2);
        if (!parts[0] || !parts[1]) {
            error_set(err, ERROR_INVALID_ARGUMENT, "Invalid syntax for --set, expecting name=value");
            return error_hint(err, "for example: lodge schedinfo DOMAIN --set cpu_shares=2048");
        }
        if (!add_change(known, parts[0], parts[1], changes, err))
            return false;
    }
    return tune_collect(&tune, args, known, changes, err);
}

static bool sched_get(Cli *cli, const WireDomain *dom, int nparams, unsigned flags, ParamList *ret_list,
                      Error **err)
{
    WireDomainGetSchedulerParametersFlagsArgs call = { .dom = *dom,
                                                       .nparams = nparams,
                                                       .flags = flags | VIR_TYPED_PARAM_STRING_OKAY };
    WireDomainGetSchedulerParametersFlagsRet ret;
    if (!cli_call(cli, PROC_DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, &call, &ret, err))
        return false;
    param_list_clear(ret_list);
    ret_list->params = ret.params;
    ret_list->n_params = ret.n_params;
    return true;
}

static bool schedinfo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetSchedulerTypeRet) type = { 0 };
    g_auto(ParamList) list = { 0 };
    unsigned flags = args_flags(args);
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainGetSchedulerTypeArgs type_args = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_GET_SCHEDULER_TYPE, &type_args, &type, err))
        return false;
    /* Without parameters there is a scheduler, but nothing to say about it. */
    if (type.nparams && !sched_get(cli, &dom, type.nparams, flags, &list, err))
        return false;
    GArray *changes = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));
    static const Tune tune = { .what = "scheduler parameters",
                               .set_proc = PROC_DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS };
    bool ok = sched_collect(args, &list, changes, err);
    if (ok && changes->len)
        ok = tune_set(cli, &tune, &dom, flags, changes, err) &&
             sched_get(cli, &dom, type.nparams, flags, &list, err);
    changes_free(changes);
    if (!ok)
        return false;
    if (!cli->json)
        fprintf(cli->out, "%-15s: %s\n", "Scheduler", type.type);
    tune_print(cli, &tune, &list);
    return true;
}

const CliCommand commands_tune[] = {
    COMMAND("memtune", GROUP_DOMAIN, "show or change the limits of a domain's memory", memtune_options,
            memtune_run, .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: number (KiB) | \"unlimited\"}"),
    COMMAND("numatune", GROUP_DOMAIN, "show or change which NUMA nodes a domain's memory comes from",
            numatune_options, numatune_run, .exclusive = EXCLUSIVE_AFFECT,
            .json = "{\"numa_mode\": string, \"numa_nodeset\": string}"),
    COMMAND("blkiotune", GROUP_DOMAIN, "show or change the limits of a domain's disk traffic",
            blkiotune_options, blkiotune_run, .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: value}"),
    COMMAND("schedinfo", GROUP_DOMAIN, "show or change how a domain's processors are scheduled",
            schedinfo_options, schedinfo_run, .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: value}"),
    { 0 },
};
