/* `lodge net`: what libvirt's protocol has no words for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

#define CALL_TIMEOUT_MS 30000
#define OPT_NETWORK_MAYBE(required)                                                                          \
    OPT(CLI_STRING, "network", "name or UUID of the network", .class = &class_network, .flags = required)

/* ---- forward ---- */

static const CliOption forward_options[] = {
    OPT(CLI_STRING, "operation", "what to do", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "add remove list"),
    OPT_NETWORK_MAYBE(0),
    OPT_STRING("listen", "port of this host: [tcp:|udp:][ADDRESS:]PORT"),
    OPT_STRING("target", "who gets it: MACHINE[:PORT]; the same port by default"),
    { 0 },
};

static const CliColumn forward_columns[] = { { "Network", "network" },
                                             { "Protocol", "protocol" },
                                             { "Address", "address", "string|null" },
                                             { "Port", "port", "number" },
                                             { "Machine", "machine" },
                                             { "To", "to", "number" },
                                             { "Guest", "guest", "string|null" },
                                             { 0 } };

static bool forward_list(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeNetworkForwardListArgs call = { .network = (char *)args_get(args, "network") };
    g_auto(WireLodgeNetworkForwardListRet) ret = { 0 };

    if (!lodge_call(cli, LODGE_PROC_NETWORK_FORWARD_LIST, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    CliTable *table = table_new(forward_columns, 0);
    for (unsigned i = 0; i < ret.n_forwards; i++) {
        const WireLodgeForward *forward = &ret.forwards[i];
        table_row(table);
        table_cell_text(table, forward->network);
        table_cell_text(table, forward->protocol);
        table_cell_text(table, forward->address);
        table_cell(table, json_integer(forward->port), "%u", forward->port);
        table_cell_text(table, forward->target);
        table_cell(table, json_integer(forward->target_port), "%u", forward->target_port);
        table_cell_text(table, forward->guest);
    }
    return cli_print_table(cli, table, err);
}

static bool forward_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *operation = args_get(args, "operation");
    const bool is_remove = strcmp(operation, "remove") == 0;
    WireLodgeNetworkForwardArgs call = { .remove = is_remove };

    if (strcmp(operation, "list") == 0)
        return forward_list(cli, args, err);
    call.network = (char *)args_get(args, "network");
    call.listen = (char *)args_get(args, "listen");
    call.target = (char *)args_get(args, "target");
    if (!call.network || !call.listen || (!is_remove && !call.target)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'net forward %s' needs a network%s", operation,
                  is_remove ? " and a port" : ", a port and a machine");
        return error_hint(err, "lodge net forward %s default tcp:8080%s", operation,
                          is_remove ? "" : " web:80");
    }
    if (!lodge_call(cli, LODGE_PROC_NETWORK_FORWARD, &call, NULL, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli,
                is_remove ? "Forward of %s removed from network %s" : "Forward of %s added to network %s",
                call.listen, call.network);
    return true;
}

/* ---- trace ---- */

static const CliOption trace_options[] = { OPT_DOMAIN, { 0 } };
static const CliColumn trace_columns[] = {
    { "Interface", "interface", "string|null" },      { "Step", "step" },
    { "State", "state", "\"ok\"|\"warn\"|\"fail\"" }, { "Found", "found" },
    { "What to do", "advice", "string|null" },        { 0 }
};

static bool trace_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeNetworkTraceArgs call = { .domain = (char *)args_get(args, "domain") };
    g_auto(WireLodgeNetworkTraceRet) ret = { 0 };
    unsigned n_failed = 0;

    if (!lodge_call(cli, LODGE_PROC_NETWORK_TRACE, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    CliTable *table = table_new(trace_columns, 0);
    for (unsigned i = 0; i < ret.n_steps; i++) {
        const WireLodgeTraceStep *step = &ret.steps[i];
        n_failed += strcmp(step->state, "fail") == 0;
        table_row(table);
        table_cell_text(table, step->interface);
        table_cell_text(table, step->what);
        table_cell_text(table, step->state);
        table_cell_text(table, step->text);
        table_cell_text(table, step->hint);
    }
    if (!cli_print_table(cli, table, err))
        return false;
    if (n_failed)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

/* ---- new, restore-default ---- */

static const CliOption new_options[] = {
    OPT_REQUIRED("name", "its name"),
    OPT(CLI_STRING, "mode", "how guests get out; nat by default", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "nat route open"),
    OPT_BOOL("isolated", "guests reach each other and this host only"),
    { 0 },
};
static const CliOption restore_options[] = { { 0 } };

static bool make_run(Cli *cli, const CliArgs *args, Error **err)
{
    const bool is_default = strcmp(cli_args_command(args)->name, "net-restore-default") == 0;
    const char *mode = is_default || args_has(args, "isolated") ? NULL : args_get(args, "mode");
    WireLodgeNetworkMakeArgs call = { .name =
                                          is_default ? (char *)"default" : (char *)args_get(args, "name") };
    g_auto(WireLodgeNetworkMakeRet) ret = { 0 };

    call.forward = mode ? (char *)mode : !is_default && args_has(args, "isolated") ? NULL : (char *)"nat";
    if (!lodge_call(cli, LODGE_PROC_NETWORK_MAKE, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, "Network %s made and started: %s on %s", ret.name, ret.subnet, ret.bridge);
    return true;
}

/* ---- resolve ---- */

static const CliOption resolve_options[] = {
    OPT_NETWORK_MAYBE(CLI_REQUIRED),
    OPT_BOOL("off", "no longer"),
    { 0 },
};

static bool resolve_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeNetworkResolveArgs call = { .network = (char *)args_get(args, "network"),
                                         .off = args_has(args, "off") };
    g_auto(WireLodgeNetworkResolveRet) ret = { 0 };

    if (!lodge_call(cli, LODGE_PROC_NETWORK_RESOLVE, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, "Network %s: %s", call.network, ret.text);
    return true;
}

const CliCommand commands_network[] = {
    COMMAND("net-forward", GROUP_NETWORK, "let ports of this host lead to machines", forward_options,
            forward_run,
            .doc = "Forwards a port of this host to a machine on a network with NAT. The forward is kept "
                   "with the "
                   "network and follows the machine's address. 'net forward list' shows all of them.",
            .columns = forward_columns),
    COMMAND("net-trace", GROUP_NETWORK,
            "follow the packets of a machine, and say why they do not get through", trace_options, trace_run,
            .doc = "Looks at each step of the way of a running machine's packets: tap, bridge, VLAN, lease, "
                   "rules of the "
                   "network and of others, route. Fails if one of them stops packets.",
            .columns = trace_columns),
    COMMAND("net-resolve", GROUP_NETWORK, "let this host resolve the names of a network's guests",
            resolve_options, resolve_run,
            .doc = "By systemd-resolved where it runs, else by /etc/hosts, for as long as the network is "
                   "active. The "
                   "document says so, too: <domain register='yes'/>."),
    COMMAND("net-new", GROUP_NETWORK, "make and start a network on a subnet that nobody uses", new_options,
            make_run, .exclusive = "mode isolated"),
    COMMAND("net-restore-default", GROUP_NETWORK, "make the network 'default' again", restore_options,
            make_run),
    { 0 },
};
