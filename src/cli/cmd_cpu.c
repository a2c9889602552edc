/* Commands about processor models. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"

static const CliOption models_options[] = {
    OPT(CLI_STRING, "arch", "architecture, such as x86_64", .flags = CLI_REQUIRED, .arg = "arch"), { 0 }
};

static bool models_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireConnectGetCpuModelNamesRet *ret = answer;
    Json *list = json_array();
    for (unsigned i = 0; i < ret->n_models; i++) {
        json_array_append_new(list, json_string(ret->models[i]));
        cli_say(cli, "%s\n", ret->models[i]);
    }
    if (ret->n_models == 0)
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

#define OPT_HYPERVISOR                                                                                       \
    OPT_ARG("virttype", "virttype", "kind of virtualization: kvm or qemu"),                                  \
        OPT_ARG("emulator", "emulator", "path of the emulator"),                                             \
        OPT_ARG("arch", "arch", "architecture of the guest"), OPT_ARG("machine", "machine", "machine type")

static const CliOption hypervisor_baseline_options[] = {
    OPT(CLI_STRING, "file", "file with processors", .complete = COMPLETE_FILE),
    OPT_HYPERVISOR,
    OPT_FLAG("features", VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES,
             "with the features that the model implies"),
    OPT_FLAG("migratable", VIR_CONNECT_BASELINE_CPU_MIGRATABLE, "without features that hinder a migration"),
    OPT_STRING("model", "a processor model instead of a file"),
    { 0 },
};

static bool baseline_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    g_autoptr(GPtrArray) cpus = NULL;
    g_auto(RowCall) call = { 0 };
    const char *model = command_find_option(command, "model") ? args_get(args, "model") : NULL;
    if (!model && !args_has(args, "file")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "File or CPU model is required");
        return error_hint(err, "see 'lodge help %s'", command->name);
    }
    if (model) {
        g_autofree char *escaped = g_markup_escape_text(model, -1);
        cpus = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(cpus, g_strdup_printf("<cpu><model>%s</model></cpu>", escaped));
    } else if (!read_cpus(args_get(args, "file"), &cpus, err)) {
        return false;
    }
    if (!row_prepare(cli, args, command->proc, &call, err))
        return false;
    row_set_strings(&call, "xml_cpus", cpus);
    if (!row_call(cli, &call, err))
        return false;
    cli_print_text(cli, "xml", row_string(&call, "cpu"));
    return true;
}

static const CliOption compare_options[] = {
    OPT_FILE("file with a processor"),
    OPT_FLAG("error", VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
             "report an incompatible processor as an error that says why"),
    OPT_VALIDATE(VIR_CONNECT_COMPARE_CPU_VALIDATE_XML),
    { 0 },
};

static const CliOption hypervisor_compare_options[] = {
    OPT_FILE("file with a processor"),
    OPT_HYPERVISOR,
    OPT_FLAG("error", VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
             "report an incompatible processor as an error that says why"),
    OPT_VALIDATE(VIR_CONNECT_COMPARE_CPU_VALIDATE_XML),
    { 0 },
};

static bool compare_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const words[] = { "incompatible", "identical", "superset" };
    const CliCommand *command = cli_args_command(args);
    bool is_host = command->proc == PROC_CONNECT_COMPARE_CPU;
    const char *file = args_get(args, "file");
    const char *whose = is_host ? "host CPU" : "the CPU provided by hypervisor on the host";
    g_autoptr(GPtrArray) cpus = NULL;
    g_auto(RowCall) call = { 0 };
    if (!read_cpus(file, &cpus, err) || !row_prepare(cli, args, command->proc, &call, err))
        return false;
    cli_doing(cli, "Failed to compare %s CPU with %s", is_host ? "host" : "hypervisor", file);
    row_set_string(&call, is_host ? "xml" : "xml_cpu", cpus->pdata[0]);
    if (!row_call(cli, &call, err))
        return false;
    int result = (int)row_number(&call, "result");
    if (result == VIR_CPU_COMPARE_IDENTICAL) {
        cli_say(cli, "CPU described in %s is identical to %s\n", file, whose);
    } else if (result == VIR_CPU_COMPARE_SUPERSET) {
        cli_say(cli, "%s is a superset of CPU described in %s\n", whose, file);
    } else {
        cli->exit_code = CLI_EXIT_FAILED;
        cli_say(cli, "CPU described in %s is incompatible with %s\n", file, whose);
    }
    cli_print_json(cli, json_pack("{s:s}", "result", NAME_OF(words, result, "unknown")));
    return true;
}

const CliCommand commands_cpu[] = {
    COMMAND("cpu-models", GROUP_HOST, "list the processor models of an architecture", models_options, NULL,
            .proc = PROC_CONNECT_GET_CPU_MODEL_NAMES, .doing = "failed to get CPU model names",
            .tell = models_tell, .json = "[string]"),
    COMMAND("cpu-baseline", GROUP_HOST, "compute a processor that all given ones can run", baseline_options,
            baseline_run, .proc = PROC_CONNECT_BASELINE_CPU, .json = "{\"xml\": string}"),
    COMMAND("cpu-compare", GROUP_HOST, "tell whether the host can run a processor", compare_options,
            compare_run, .proc = PROC_CONNECT_COMPARE_CPU,
            .doc = "Compares a processor with the host's. Fails if the host lacks something of it.",
            .json = "{\"result\": \"identical\"|\"superset\"|\"incompatible\"}"),
    COMMAND("hypervisor-cpu-baseline", GROUP_HOST,
            "compute a processor that the hypervisor can give to a guest", hypervisor_baseline_options,
            baseline_run, .proc = PROC_CONNECT_BASELINE_HYPERVISOR_CPU, .exclusive = "file model",
            .json = "{\"xml\": string}"),
    COMMAND("hypervisor-cpu-compare", GROUP_HOST,
            "tell whether the hypervisor can give a processor to a guest", hypervisor_compare_options,
            compare_run, .proc = PROC_CONNECT_COMPARE_HYPERVISOR_CPU,
            .json = "{\"result\": \"identical\"|\"superset\"|\"incompatible\"}"),
    { 0 },
};
