/* Commands about processor models. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

static const CliOption models_options[] = { OPT_REQUIRED("arch", "architecture, such as x86_64"), { 0 } };

static bool models_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireConnectGetCpuModelNamesRet) ret = { 0 };
    WireConnectGetCpuModelNamesArgs call = { .arch = (char *)args_get(args, "arch"), .need_results = 1 };
    cli_doing(cli, "failed to get CPU model names");
    if (!cli_call(cli, PROC_CONNECT_GET_CPU_MODEL_NAMES, &call, &ret, err))
        return false;
    Json *list = json_array();
    for (unsigned i = 0; i < ret.n_models; i++) {
        json_array_append_new(list, json_string(ret.models[i]));
        if (!cli->json)
            fprintf(cli->out, "%s\n", ret.models[i]);
    }
    if (ret.n_models == 0)
        cli_message(cli, "all CPU models are accepted");
    cli_print_json(cli, list);
    return true;
}

/* ---- comparing and combining: the file may hold processors in several wrappings ---- */

/* Makes one well-formed document of a file that may hold several, each with its own declaration. */
static char *wrap_documents(const char *text)
{
    GString *out = g_string_new("<container>");
    while (*text) {
        const char *declaration = strstr(text, "<?xml");
        const char *end = declaration ? strstr(declaration, "?>") : NULL;
        if (!end) {
            g_string_append(out, text);
            break;
        }
        g_string_append_len(out, text, declaration - text);
        text = end + 2;
    }
    g_string_append(out, "</container>");
    return g_string_free(out, FALSE);
}

/* The <cpu> elements of a file: bare, of domains, of hosts' or domains' capabilities. Owned strings. */
static bool read_cpus(const char *path, GPtrArray **ret_cpus, Error **err)
{
    static const char where[] =
        "/container/cpu | /container/domain/cpu | /container/capabilities/host/cpu | "
        "/container/domainCapabilities/cpu/mode[@name='host-model' and @supported='yes']";
    g_autofree char *text = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    if (!cli_read_file(path, &text, err))
        return false;
    g_autofree char *wrapped = wrap_documents(text);
    if (!xml_parse(wrapped, &doc, err))
        return error_prefix(err, "file '%s'", path);
    if (!xml_select(doc, NULL, where, &nodes, err))
        return false;
    if (nodes->len == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "File '%s' does not contain any <cpu> element or valid domain XML, host "
                         "capabilities XML, "
                         "or domain capabilities XML",
                         path);
    GPtrArray *cpus = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < nodes->len; i++) {
        xmlNode *node = nodes->pdata[i];
        /* The model of a host is found under another name. */
        if (strcmp((const char *)node->name, "mode") == 0) {
            xmlNodeSetName(node, (const xmlChar *)"cpu");
            while (node->properties)
                xmlRemoveProp(node->properties);
        }
        g_autoptr(GPtrArray) one = g_ptr_array_new();
        g_ptr_array_add(one, node);
        g_ptr_array_add(cpus, xml_format_nodes(doc, one, false));
    }
    *ret_cpus = cpus;
    return true;
}

static const CliOption baseline_options[] = {
    OPT_FILE("file with processors"),
    OPT_FLAG("features", VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES,
             "with the features that the model implies"),
    OPT_FLAG("migratable", VIR_CONNECT_BASELINE_CPU_MIGRATABLE, "without features that hinder a migration"),
    { 0 },
};

static bool baseline_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) cpus = NULL;
    g_auto(WireConnectBaselineCpuRet) ret = { 0 };
    if (!read_cpus(args_get(args, "file"), &cpus, err))
        return false;
    WireConnectBaselineCpuArgs call = { .xml_cpus = (char **)cpus->pdata,
                                        .n_xml_cpus = cpus->len,
                                        .flags = args_flags(args) };
    if (!cli_call(cli, PROC_CONNECT_BASELINE_CPU, &call, &ret, err))
        return false;
    cli_print_text(cli, "xml", ret.cpu);
    return true;
}

#define OPT_HYPERVISOR                                                                                       \
    OPT_STRING("virttype", "kind of virtualization: kvm or qemu"),                                           \
        OPT_STRING("emulator", "path of the emulator"), OPT_STRING("arch", "architecture of the guest"),     \
        OPT_STRING("machine", "machine type")

static const CliOption hypervisor_baseline_options[] = {
    OPT(CLI_STRING, "file", "file with processors", .complete = COMPLETE_FILE),
    OPT_HYPERVISOR,
    OPT_FLAG("features", VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES,
             "with the features that the model implies"),
    OPT_FLAG("migratable", VIR_CONNECT_BASELINE_CPU_MIGRATABLE, "without features that hinder a migration"),
    OPT_STRING("model", "a processor model instead of a file"),
    { 0 },
};

static bool hypervisor_baseline_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) cpus = NULL;
    g_auto(WireConnectBaselineHypervisorCpuRet) ret = { 0 };
    const char *model = args_get(args, "model");
    if (!model && !args_has(args, "file")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "File or CPU model is required");
        return error_hint(err, "see 'lodge help hypervisor-cpu-baseline'");
    }
    if (model) {
        g_autofree char *escaped = g_markup_escape_text(model, -1);
        cpus = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(cpus, g_strdup_printf("<cpu><model>%s</model></cpu>", escaped));
    } else if (!read_cpus(args_get(args, "file"), &cpus, err)) {
        return false;
    }
    WireConnectBaselineHypervisorCpuArgs call = { .emulator = (char *)args_get(args, "emulator"),
                                                  .arch = (char *)args_get(args, "arch"),
                                                  .machine = (char *)args_get(args, "machine"),
                                                  .virttype = (char *)args_get(args, "virttype"),
                                                  .xml_cpus = (char **)cpus->pdata,
                                                  .n_xml_cpus = cpus->len,
                                                  .flags = args_flags(args) };
    if (!cli_call(cli, PROC_CONNECT_BASELINE_HYPERVISOR_CPU, &call, &ret, err))
        return false;
    cli_print_text(cli, "xml", ret.cpu);
    return true;
}

static void compare_print(Cli *cli, const char *file, int result, const char *whose)
{
    static const char *const words[] = { "incompatible", "identical", "superset" };
    const char *word = result >= 0 && result < (int)G_N_ELEMENTS(words) ? words[result] : "unknown";
    if (result != VIR_CPU_COMPARE_IDENTICAL && result != VIR_CPU_COMPARE_SUPERSET)
        cli->exit_code = CLI_EXIT_FAILED;
    if (cli->json) {
        cli_print_json(cli, json_pack("{s:s}", "result", word));
        return;
    }
    if (result == VIR_CPU_COMPARE_IDENTICAL)
        fprintf(cli->out, "CPU described in %s is identical to %s\n", file, whose);
    else if (result == VIR_CPU_COMPARE_SUPERSET)
        fprintf(cli->out, "%s is a superset of CPU described in %s\n", whose, file);
    else
        fprintf(cli->out, "CPU described in %s is incompatible with %s\n", file, whose);
}

static const CliOption compare_options[] = {
    OPT_FILE("file with a processor"),
    OPT_FLAG("error", VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
             "report an incompatible processor as an error that says why"),
    OPT_VALIDATE(VIR_CONNECT_COMPARE_CPU_VALIDATE_XML),
    { 0 },
};

static bool compare_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) cpus = NULL;
    WireConnectCompareCpuRet ret;
    const char *file = args_get(args, "file");
    if (!read_cpus(file, &cpus, err))
        return false;
    cli_doing(cli, "Failed to compare host CPU with %s", file);
    WireConnectCompareCpuArgs call = { .xml = cpus->pdata[0], .flags = args_flags(args) };
    if (!cli_call(cli, PROC_CONNECT_COMPARE_CPU, &call, &ret, err))
        return false;
    compare_print(cli, file, ret.result, "host CPU");
    return true;
}

static const CliOption hypervisor_compare_options[] = {
    OPT_FILE("file with a processor"),
    OPT_HYPERVISOR,
    OPT_FLAG("error", VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
             "report an incompatible processor as an error that says why"),
    OPT_VALIDATE(VIR_CONNECT_COMPARE_CPU_VALIDATE_XML),
    { 0 },
};

static bool hypervisor_compare_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) cpus = NULL;
    WireConnectCompareHypervisorCpuRet ret;
    const char *file = args_get(args, "file");
    if (!read_cpus(file, &cpus, err))
        return false;
    cli_doing(cli, "Failed to compare hypervisor CPU with %s", file);
    WireConnectCompareHypervisorCpuArgs call = { .emulator = (char *)args_get(args, "emulator"),
                                                 .arch = (char *)args_get(args, "arch"),
                                                 .machine = (char *)args_get(args, "machine"),
                                                 .virttype = (char *)args_get(args, "virttype"),
                                                 .xml_cpu = cpus->pdata[0],
                                                 .flags = args_flags(args) };
    if (!cli_call(cli, PROC_CONNECT_COMPARE_HYPERVISOR_CPU, &call, &ret, err))
        return false;
    compare_print(cli, file, ret.result, "the CPU provided by hypervisor on the host");
    return true;
}

const CliCommand commands_cpu[] = {
    COMMAND("cpu-models", GROUP_HOST, "list the processor models of an architecture", models_options,
            models_run, .json = "[string]"),
    COMMAND("cpu-baseline", GROUP_HOST, "compute a processor that all given ones can run", baseline_options,
            baseline_run, .json = "{\"xml\": string}"),
    COMMAND("cpu-compare", GROUP_HOST, "tell whether the host can run a processor", compare_options,
            compare_run,
            .doc = "Compares a processor with the host's. Fails if the host lacks something of it.",
            .json = "{\"result\": \"identical\"|\"superset\"|\"incompatible\"}"),
    COMMAND("hypervisor-cpu-baseline", GROUP_HOST,
            "compute a processor that the hypervisor can give to a guest", hypervisor_baseline_options,
            hypervisor_baseline_run, .exclusive = "file model", .json = "{\"xml\": string}"),
    COMMAND("hypervisor-cpu-compare", GROUP_HOST,
            "tell whether the hypervisor can give a processor to a guest", hypervisor_compare_options,
            hypervisor_compare_run, .json = "{\"result\": \"identical\"|\"superset\"|\"incompatible\"}"),
    { 0 },
};
