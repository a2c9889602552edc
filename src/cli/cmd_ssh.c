/* `lodge ssh` and `lodge wait`: reaching a machine, and waiting until it can be reached. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/guest.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/run.h"

#define POLL_MS 250u
#define TRACE_MS 15000u

/* ---- ssh ---- */

static bool no_address(const WireDomain *dom, Error **err)
{
    error_set(err, ERROR_OPERATION_FAILED, "no address of machine '%s' is known", dom->name);
    return error_hint(err, "'lodge wait %s --for address' waits for one and says why there is none",
                      dom->name);
}

static bool ssh_command_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *address = g_strdup(args_get(args, "address"));
    g_auto(GStrv) argv = NULL;
    int code = 0;

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to reach machine '%s' by SSH", dom.name);
    if (!address && !machine_address(cli, &dom, &address, err))
        return false;
    if (!address)
        return no_address(&dom, err);
    if (!ssh_command(cli, &dom, address, args_get(args, "user"), args_get(args, "identity"),
                     (const char *const *)args_get_many(args, "command"), &argv, err))
        return false;
    if (!ssh_run(argv, &code, err))
        return false;
    cli->exit_code = code;
    return true;
}

static const CliOption ssh_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "user", "who logs in; default: who the machine was made for", .short_name = 'l',
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "identity", "file with the private key", .short_name = 'i', .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT_NAMED("address", "instead of the one that networks, agent and neighbours tell"),
    OPT(CLI_STRING, "command", "what to run instead of a shell; -- before it",
        .flags = CLI_MANY | CLI_EMPTY_OK),
    { 0 },
};

/* ---- wait ---- */

typedef struct Waited {
    Cli *cli;
    WireDomain dom;
    char *address;
} Waited;

AWAITS static bool is_state(const Waited *waited, int wanted, bool *ret_is, Error **err)
{
    const WireDomainGetStateArgs args = { .dom = waited->dom };
    WireDomainGetStateRet state = { 0 };

    if (!cli_call(waited->cli, PROC_DOMAIN_GET_STATE, &args, &state, err))
        return false;
    *ret_is = state.state == wanted;
    return true;
}

AWAITS static bool has_agent(const Waited *waited, bool *ret_is, Error **err)
{
    const Guest guest = { waited->cli, &waited->dom };
    g_autoptr(Error) why = NULL;

    *ret_is = guest_ask(&guest, "guest-ping", NULL, NULL, &why);
    return *ret_is || error_code(why) != ERROR_CANCELLED || error_propagate(err, g_steal_pointer(&why));
}

AWAITS static bool answers_ssh(Waited *waited, bool *ret_is, Error **err)
{
    static const char *const probe[] = { "true", NULL };
    g_auto(GStrv) argv = NULL;
    int code = 0;

    if (!waited->address && !machine_address(waited->cli, &waited->dom, &waited->address, err))
        return false;
    if (!waited->address)
        return true;
    if (!ssh_command(waited->cli, &waited->dom, waited->address, NULL, NULL, probe, &argv, err))
        return false;
    g_autoptr(GPtrArray) quiet = g_ptr_array_new();
    g_ptr_array_add(quiet, argv[0]);
    g_ptr_array_add(quiet, (char *)"-oBatchMode=yes");
    g_ptr_array_add(quiet, (char *)"-oConnectTimeout=5");
    g_ptr_array_add(quiet, (char *)"-oLogLevel=QUIET");
    for (char **word = argv + 1; *word; word++)
        g_ptr_array_add(quiet, *word);
    g_ptr_array_add(quiet, NULL);
    if (!ssh_run((char *const *)quiet->pdata, &code, err))
        return false;
    *ret_is = code == 0;
    return true;
}

AWAITS static bool is_reached(Waited *waited, const char *what, bool *ret_is, Error **err)
{
    if (strcmp(what, "running") == 0)
        return is_state(waited, VIR_DOMAIN_RUNNING, ret_is, err);
    if (strcmp(what, "stopped") == 0)
        return is_state(waited, VIR_DOMAIN_SHUTOFF, ret_is, err);
    if (strcmp(what, "agent") == 0)
        return has_agent(waited, ret_is, err);
    if (strcmp(what, "ssh") == 0)
        return answers_ssh(waited, ret_is, err);
    if (!waited->address && !machine_seen_address(waited->cli, &waited->dom, &waited->address, err))
        return false;
    *ret_is = waited->address != NULL;
    return true;
}

/* What stops its packets is what keeps it from having an address. */
static bool tell_cause(const Waited *waited, const char *what, int64_t timeout_s, Error **err)
{
    WireLodgeNetworkTraceArgs args = { .domain = waited->dom.name };
    g_auto(WireLodgeNetworkTraceRet) ret = { 0 };
    const bool is_net = strcmp(what, "address") == 0 || strcmp(what, "ssh") == 0;

    error_set(err, ERROR_TIMEOUT, "machine '%s' has not come to '%s' within %d s", waited->dom.name, what,
              (int)timeout_s);
    if (!is_net || !lodge_call(waited->cli, LODGE_PROC_NETWORK_TRACE, &args, &ret, TRACE_MS, NULL))
        return false;
    /* What fails, else what is odd about the guest itself. */
    for (unsigned i = 0; i < 2 * ret.n_steps; i++) {
        const WireLodgeTraceStep *step = &ret.steps[i % ret.n_steps];
        const bool is_odd = i >= ret.n_steps && strcmp(step->state, "warn") == 0 &&
                            (strcmp(step->what, "traffic") == 0 || strcmp(step->what, "lease") == 0);
        if (is_odd || strcmp(step->state, "fail") == 0)
            return error_hint(err, "%s: %s%s%s", step->what, step->text, step->hint ? "; " : "",
                              step->hint ? step->hint : "");
    }
    return error_hint(err, "nothing on the host stops its packets: 'lodge console %s' shows what it does",
                      waited->dom.name);
}

static bool wait_run(Cli *cli, const CliArgs *args, Error **err)
{
    Waited waited = { .cli = cli };
    const char *given = args_get(args, "for");
    const char *what = !given || strcmp(given, "ip") == 0 ? "address" : given;
    int64_t timeout_s = 300;
    bool is = false, ok;

    if (!args_get_int(args, "timeout", 0, 86400, &timeout_s, err) || !cli_domain(cli, args, &waited.dom, err))
        return false;
    cli_doing(cli, "Failed to wait for machine '%s'", waited.dom.name);
    const gint64 end_us = g_get_monotonic_time() + timeout_s * 1000000;
    while ((ok = is_reached(&waited, what, &is, err)) && !is) {
        if (g_get_monotonic_time() > end_us)
            ok = tell_cause(&waited, what, timeout_s, err);
        if (!ok || !(ok = fiber_sleep(POLL_MS, err)))
            break;
    }
    if (ok) {
        cli_say(cli, "%s\n", waited.address ? waited.address : what);
        cli_print_json(cli, json_pack("{s:s, s:s, s:s?}", "name", waited.dom.name, "reached", what, "address",
                                      waited.address));
    }
    g_free(waited.address);
    wire_domain_clear(&waited.dom);
    return ok;
}

static const CliOption wait_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "for", "what to wait for; default: address", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "running stopped address ip agent ssh"),
    OPT(CLI_INT, "timeout", "seconds after which it has failed; default: 300", .flags = CLI_NAMED),
    { 0 },
};

const CliCommand commands_ssh[] = {
    COMMAND("ssh", GROUP_LODGE, "log in to a machine, or run a command in it, by SSH", ssh_options,
            ssh_command_run,
            .doc =
                "At the address that networks, the guest's agent and the host's neighbours know, as the user "
                "and with the key that 'lodge run' was given. The machine's host key is remembered by the "
                "machine, not by its address. The exit code is that of ssh.",
            .json = "none"),
    COMMAND("wait", GROUP_LODGE, "wait until a machine has come as far as that", wait_options, wait_run,
            .doc =
                "Says why it has not when the time is over: for addresses, what stops the machine's packets.",
            .json = "{\"name\": string, \"reached\": string, \"address\": string|null}"),
    { 0 },
};
