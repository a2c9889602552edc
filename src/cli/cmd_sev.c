/* What machines with encrypted memory tell, and are told (SEV). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

static bool params_run(Cli *cli, const CliArgs *args, Error **err)
{
    const int proc = cli_args_command(args)->proc;
    g_auto(RowCall) call = { 0 };
    unsigned n = 0;

    cli_doing(cli, "Failed to ask about encrypted memory");
    if (!row_prepare(cli, args, proc, &call, err) ||
        !(proc == PROC_NODE_GET_SEV_INFO ? row_call_counted(cli, &call, err) : row_call(cli, &call, err)))
        return false;
    Json *object = json_object();
    const WireTypedParam *params = row_params(&call, &n);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *text = wire_param_format(&params[i]);
        json_object_set_new(object, params[i].field, param_json(&params[i]));
        cli_say(cli, "%-22s: %s\n", params[i].field, text);
    }
    cli_print_json(cli, object);
    return true;
}

static bool set_state_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GArray) params = wire_params_new();
    g_auto(WireDomain) dom = { 0 };
    static const struct {
        const char *option, *param;
    } files[] = { { "secrethdr", VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET_HEADER },
                  { "secret", VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET } };
    uint64_t address = 0;

    if (!cli_domain(cli, args, &dom, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = NULL;
        if (!cli_read_file(args_get(args, files[i].option), &text, err))
            return false;
        wire_params_add_string(params, files[i].param, text);
        explicit_bzero(text, strlen(text));
    }
    if (!args_get_size(args, "set-address", &address, err))
        return false;
    if (args_has(args, "set-address"))
        wire_params_add_ullong(params, VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET_SET_ADDRESS, address);
    cli_doing(cli, "Failed to give machine '%s' its secret", dom.name);
    const WireDomainSetLaunchSecurityStateArgs call = { .dom = dom,
                                                        .params = (WireTypedParam *)(void *)params->data,
                                                        .n_params = params->len };
    if (!cli_call(cli, PROC_DOMAIN_SET_LAUNCH_SECURITY_STATE, &call, NULL, err))
        return false;
    cli_message(cli, "Machine '%s' has its secret", dom.name);
    return true;
}

static const CliOption no_options[] = { { 0 } };
static const CliOption info_options[] = { OPT_DOMAIN, { 0 } };
static const CliOption state_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "secrethdr", "file with the header of the secret, in base64",
        .flags = CLI_NAMED | CLI_REQUIRED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "secret", "file with the encrypted secret, in base64", .flags = CLI_NAMED | CLI_REQUIRED,
        .complete = COMPLETE_FILE),
    OPT(CLI_INT, "set-address", "where in the guest's memory; default: where its firmware says",
        .flags = CLI_NAMED),
    { 0 },
};

const CliCommand commands_sev[] = {
    COMMAND("nodesevinfo", GROUP_HOST, "show what this host has for encrypted memory (SEV)", no_options,
            params_run, .proc = PROC_NODE_GET_SEV_INFO, .json = "{NAME: value}"),
    COMMAND("domlaunchsecinfo", GROUP_DOMAIN, "show the measurement of a machine with encrypted memory",
            info_options, params_run, .proc = PROC_DOMAIN_GET_LAUNCH_SECURITY_INFO, .json = "{NAME: value}"),
    COMMAND("domsetlaunchsecstate", GROUP_DOMAIN, "give a machine with encrypted memory a secret",
            state_options, set_state_run, .proc = PROC_DOMAIN_SET_LAUNCH_SECURITY_STATE),
    { 0 },
};
