/* Commands that start, stop and otherwise change the state of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/domain.h"
#include "cli/keys.h"
#include "cli/output.h"

static unsigned start_flags(const CliArgs *args)
{
    return (args_has(args, "paused") ? VIR_DOMAIN_START_PAUSED : 0) |
           (args_has(args, "autodestroy") ? VIR_DOMAIN_START_AUTODESTROY : 0) |
           (args_has(args, "bypass-cache") ? VIR_DOMAIN_START_BYPASS_CACHE : 0) |
           (args_has(args, "force-boot") ? VIR_DOMAIN_START_FORCE_BOOT : 0) |
           (args_has(args, "reset-nvram") ? VIR_DOMAIN_START_RESET_NVRAM : 0);
}

static const CliOption start_options[] = {
    OPT_DOMAIN_INACTIVE,
    OPT_BOOL("console", "connect to the console at once"),
    OPT_BOOL("paused", "leave it paused"),
    OPT_BOOL("autodestroy", "stop it when this connection ends"),
    OPT_BOOL("bypass-cache", "read a managed save image without the page cache"),
    OPT_BOOL("force-boot", "boot afresh and drop a managed save image"),
    OPT_STRING("pass-fds", "file descriptors for the guest: numbers separated by commas"),
    OPT_BOOL("reset-nvram", "start with a fresh copy of the firmware's variables"),
    { 0 },
};

/* Descriptors as N,N,...; owned array. */
static bool parse_fds(const char *text, GArray **ret_fds, Error **err)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (char **word = words; *word; word++) {
        char *end = NULL;
        long fd = strtol(*word, &end, 10);
        if (end == *word || *end || fd < 0 || fd > INT32_MAX) {
            error_set(err, ERROR_INVALID_ARGUMENT, "'%s' in --pass-fds is not a file descriptor", *word);
            return error_hint(err, "--pass-fds takes numbers separated by commas");
        }
        int number = (int)fd;
        g_array_append_val(fds, number);
    }
    *ret_fds = g_steal_pointer(&fds);
    return true;
}

static bool start_domain(Cli *cli, const WireDomain *dom, unsigned flags, const GArray *fds, Error **err)
{
    if (fds) {
        WireDomainCreateWithFilesArgs args = { .dom = *dom, .flags = flags };
        return wire_call_fds(cli->client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_CREATE_WITH_FILES, &args,
                             (const int *)(const void *)fds->data, fds->len, NULL, NULL, WIRE_NO_TIMEOUT,
                             err);
    }
    if (flags) {
        WireDomainCreateWithFlagsArgs args = { .dom = *dom, .flags = flags };
        return cli_call(cli, PROC_DOMAIN_CREATE_WITH_FLAGS, &args, NULL, err);
    }
    WireDomainCreateArgs args = { .dom = *dom };
    return cli_call(cli, PROC_DOMAIN_CREATE, &args, NULL, err);
}

static bool start_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GArray) fds = NULL;
    if (args_has(args, "pass-fds") && !parse_fds(args_get(args, "pass-fds"), &fds, err))
        return false;
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to start domain '%s'", dom.name);
    if (dom.id >= 0)
        return error_set(err, ERROR_INVALID_STATE, "Domain is already active: it is running with id %d",
                         dom.id);
    if (!start_domain(cli, &dom, start_flags(args), fds, err))
        return false;
    cli_message(cli, "Domain '%s' started", dom.name);
    if (args_has(args, "console"))
        return console_run(cli, &dom, NULL, 0, err);
    return true;
}

static bool create_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(GArray) fds = NULL;
    const char *file = args_get(args, "file");
    unsigned flags = (args_has(args, "paused") ? VIR_DOMAIN_START_PAUSED : 0) |
                     (args_has(args, "autodestroy") ? VIR_DOMAIN_START_AUTODESTROY : 0) |
                     (args_has(args, "validate") ? VIR_DOMAIN_START_VALIDATE : 0) |
                     (args_has(args, "reset-nvram") ? VIR_DOMAIN_START_RESET_NVRAM : 0);
    if (args_has(args, "pass-fds") && !parse_fds(args_get(args, "pass-fds"), &fds, err))
        return false;
    if (!cli_read_file(file, &xml, err))
        return false;
    cli_doing(cli, "Failed to create domain from %s", file);
    WireDomainCreateXmlArgs create = { .xml_desc = xml, .flags = flags };
    g_auto(WireDomainCreateXmlRet) ret = { 0 };
    if (fds) {
        WireDomainCreateXmlWithFilesArgs with = { .xml_desc = xml, .flags = flags };
        WireDomainCreateXmlWithFilesRet got;
        if (!wire_call_fds(cli->client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_CREATE_XML_WITH_FILES, &with,
                           (const int *)(const void *)fds->data, fds->len, &got, NULL, WIRE_NO_TIMEOUT, err))
            return false;
        ret.dom = got.dom;
    } else if (!cli_call(cli, PROC_DOMAIN_CREATE_XML, &create, &ret, err)) {
        return false;
    }
    cli_message(cli, "Domain '%s' created from %s", ret.dom.name, file);
    if (args_has(args, "console"))
        return console_run(cli, &ret.dom, NULL, 0, err);
    return true;
}

static const CliOption create_options[] = {
    OPT_FILE("the XML of the domain; - reads the standard input"),
    OPT_BOOL("console", "connect to the console at once"),
    OPT_BOOL("paused", "leave it paused"),
    OPT_BOOL("autodestroy", "stop it when this connection ends"),
    OPT_STRING("pass-fds", "file descriptors for the guest: numbers separated by commas"),
    OPT_BOOL("validate", "refuse XML that does not follow the schema"),
    OPT_BOOL("reset-nvram", "start with a fresh copy of the firmware's variables"),
    { 0 },
};

/* ---- shutdown and reboot: how is a list of words ---- */

static bool parse_modes(const CliArgs *args, unsigned *ret_flags, Error **err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } modes[] = {
        { "acpi", VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN }, { "agent", VIR_DOMAIN_SHUTDOWN_GUEST_AGENT },
        { "initctl", VIR_DOMAIN_SHUTDOWN_INITCTL },     { "signal", VIR_DOMAIN_SHUTDOWN_SIGNAL },
        { "paravirt", VIR_DOMAIN_SHUTDOWN_PARAVIRT },
    };
    unsigned flags = 0;
    g_auto(GStrv) words = g_strsplit(args_get(args, "mode") ? args_get(args, "mode") : "", ",", -1);
    for (char **word = words; *word; word++) {
        unsigned flag = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
            flag |= strcmp(modes[i].name, *word) == 0 ? modes[i].flag : 0;
        if (!flag) {
            error_set(err, ERROR_INVALID_ARGUMENT,
                      "Unknown mode %s value, expecting 'acpi', 'agent', "
                      "'initctl', 'signal', or 'paravirt'",
                      *word);
            return error_hint(err, "several modes are separated by commas");
        }
        flags |= flag;
    }
    *ret_flags = flags;
    return true;
}

static const CliOption mode_options[] = {
    OPT_DOMAIN_ACTIVE,
    { .name = "mode",
      .type = CLI_STRING,
      .words = "acpi agent initctl signal paravirt",
      .doc = "how to ask the guest; several are separated by commas" },
    { 0 },
};

static bool shutdown_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    unsigned flags = 0;
    if (!parse_modes(args, &flags, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to shutdown domain '%s'", dom.name);
    WireDomainShutdownFlagsArgs with = { .dom = dom, .flags = flags };
    WireDomainShutdownArgs plain = { .dom = dom };
    if (flags ? !cli_call(cli, PROC_DOMAIN_SHUTDOWN_FLAGS, &with, NULL, err)
              : !cli_call(cli, PROC_DOMAIN_SHUTDOWN, &plain, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' is being shutdown", dom.name);
    return true;
}

static bool reboot_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    unsigned flags = 0;
    if (!parse_modes(args, &flags, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to reboot domain '%s'", dom.name);
    WireDomainRebootArgs call = { .dom = dom, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_REBOOT, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' is being rebooted", dom.name);
    return true;
}

static bool reset_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to reset domain '%s'", dom.name);
    WireDomainResetArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_RESET, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' was reset", dom.name);
    return true;
}

static const CliOption destroy_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_BOOL("graceful", "do not kill the process if it does not end by itself"),
    OPT_BOOL("remove-logs", "remove the domain's log files"),
    { 0 },
};

static bool destroy_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    unsigned flags = (args_has(args, "graceful") ? VIR_DOMAIN_DESTROY_GRACEFUL : 0) |
                     (args_has(args, "remove-logs") ? VIR_DOMAIN_DESTROY_REMOVE_LOGS : 0);
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to destroy domain '%s'", dom.name);
    WireDomainDestroyFlagsArgs with = { .dom = dom, .flags = flags };
    WireDomainDestroyArgs plain = { .dom = dom };
    if (flags ? !cli_call(cli, PROC_DOMAIN_DESTROY_FLAGS, &with, NULL, err)
              : !cli_call(cli, PROC_DOMAIN_DESTROY, &plain, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' destroyed", dom.name);
    return true;
}

static bool suspend_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to suspend domain '%s'", dom.name);
    WireDomainSuspendArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_SUSPEND, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' suspended", dom.name);
    return true;
}

static bool resume_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to resume domain '%s'", dom.name);
    WireDomainResumeArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_RESUME, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' resumed", dom.name);
    return true;
}

static const CliOption active_options[] = { OPT_DOMAIN_ACTIVE, { 0 } };

static const CliOption autostart_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("disable", "do not start it with the host any more"),
    { 0 },
};

static bool autostart_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    bool on = !args_has(args, "disable");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli,
              on ? "Failed to mark domain '%s' as autostarted"
                 : "Failed to unmark domain '%s' as autostarted",
              dom.name);
    WireDomainSetAutostartArgs call = { .dom = dom, .autostart = on };
    if (!cli_call(cli, PROC_DOMAIN_SET_AUTOSTART, &call, NULL, err))
        return false;
    cli_message(cli, on ? "Domain '%s' marked as autostarted" : "Domain '%s' unmarked as autostarted",
                dom.name);
    return true;
}

static const CliOption pm_options[] = {
    OPT_DOMAIN_ACTIVE,
    { .name = "target",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED,
      .words = "mem disk hybrid",
      .doc = "where the guest keeps its memory" },
    { .name = "duration", .type = CLI_INT, .flags = CLI_NAMED, .doc = "wake up after so many seconds" },
    { 0 },
};

static bool pm_suspend_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const targets[] = { "mem", "disk", "hybrid" };
    g_auto(WireDomain) dom = { 0 };
    const char *target = args_get(args, "target");
    int64_t seconds = 0;
    unsigned index = 0;
    while (index < G_N_ELEMENTS(targets) && strcmp(targets[index], target) != 0)
        index++;
    if (index == G_N_ELEMENTS(targets)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Invalid target");
        return error_hint(err, "the target is one of mem, disk, hybrid");
    }
    if (!args_get_int(args, "duration", 0, INT64_MAX, &seconds, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Domain '%s' could not be suspended", dom.name);
    WireDomainPmSuspendForDurationArgs call = { .dom = dom, .target = index, .duration = (uint64_t)seconds };
    if (!cli_call(cli, PROC_DOMAIN_PM_SUSPEND_FOR_DURATION, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' successfully suspended", dom.name);
    return true;
}

static bool pm_wakeup_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Domain '%s' could not be woken up", dom.name);
    WireDomainPmWakeupArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_PM_WAKEUP, &call, NULL, err))
        return false;
    cli_message(cli, "Domain '%s' successfully woken up", dom.name);
    return true;
}

static bool inject_nmi_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainInjectNmiArgs call = { .dom = dom };
    return cli_call(cli, PROC_DOMAIN_INJECT_NMI, &call, NULL, err);
}

static const CliOption send_key_options[] = {
    OPT_DOMAIN_ACTIVE,
    { .name = "codeset",
      .type = CLI_STRING,
      .flags = CLI_NAMED,
      .words = "linux xt atset1 atset2 atset3 os_x xt_kbd usb win32 qnum",
      .doc = "what the numbers mean; default linux" },
    { .name = "holdtime", .type = CLI_INT, .flags = CLI_NAMED, .doc = "milliseconds to hold the keys down" },
    { .name = "keycode",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED | CLI_MANY,
      .doc = "keys pressed together, as numbers or (linux) names such as KEY_LEFTCTRL" },
    { 0 },
};

static bool send_key_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const codesets[] = { "linux", "xt",     "atset1", "atset2", "atset3",
                                            "os_x",  "xt_kbd", "usb",    "win32",  "qnum" };
    g_auto(WireDomain) dom = { 0 };
    uint32_t codes[16];
    unsigned n = 0, codeset = 0;
    int64_t hold_ms = 0;
    const char *name = args_get(args, "codeset");
    while (name && codeset < G_N_ELEMENTS(codesets) && strcmp(codesets[codeset], name) != 0)
        codeset++;
    if (codeset == G_N_ELEMENTS(codesets)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "unknown codeset: '%s'", name);
        return error_hint(err, "see 'lodge help send-key'");
    }
    for (char *const *key = args_get_many(args, "keycode"); *key; key++) {
        if (n == G_N_ELEMENTS(codes))
            return error_set(err, ERROR_INVALID_ARGUMENT, "too many keycodes");
        if (!key_parse(codeset, *key, &codes[n])) {
            error_set(err, ERROR_INVALID_ARGUMENT, "invalid keycode: '%s'", *key);
            return error_hint(err, "keys are numbers, or names of the Linux input layer such as KEY_ENTER");
        }
        n++;
    }
    if (!args_get_int(args, "holdtime", 0, UINT32_MAX, &hold_ms, err) || !cli_domain(cli, args, &dom, err))
        return false;
    WireDomainSendKeyArgs call = {
        .dom = dom, .codeset = codeset, .holdtime = (uint32_t)hold_ms, .keycodes = codes, .n_keycodes = n
    };
    return cli_call(cli, PROC_DOMAIN_SEND_KEY, &call, NULL, err);
}

const CliCommand commands_life[] = {
    { .name = "start",
      .group = GROUP_DOMAIN,
      .summary = "start an inactive domain",
      .doc = "Starts a domain from its stored definition, or from its managed save image if it has one.",
      .options = start_options,
      .run = start_run },
    { .name = "create",
      .group = GROUP_DOMAIN,
      .summary = "start a domain from an XML file",
      .doc = "Starts a domain that lives as long as it runs: its definition is not stored.",
      .options = create_options,
      .run = create_run },
    { .name = "shutdown",
      .group = GROUP_DOMAIN,
      .summary = "ask the guest to shut down",
      .doc = "Asks the guest to shut down and returns at once; whether it does is up to the guest.",
      .options = mode_options,
      .run = shutdown_run },
    { .name = "reboot",
      .group = GROUP_DOMAIN,
      .summary = "ask the guest to reboot",
      .options = mode_options,
      .run = reboot_run },
    { .name = "reset",
      .group = GROUP_DOMAIN,
      .summary = "reset a domain as its reset button would",
      .doc = "Resets the virtual hardware without asking the guest. Data that the guest has not written is "
             "lost.",
      .options = active_options,
      .run = reset_run },
    { .name = "destroy",
      .group = GROUP_DOMAIN,
      .summary = "stop a domain at once",
      .doc = "Stops a domain as if its power cord was pulled. Its definition and its disks stay.",
      .options = destroy_options,
      .run = destroy_run },
    { .name = "suspend",
      .group = GROUP_DOMAIN,
      .summary = "pause a domain",
      .doc = "Pauses a domain: it keeps its memory but gets no processor time.",
      .options = active_options,
      .run = suspend_run },
    { .name = "resume",
      .group = GROUP_DOMAIN,
      .summary = "let a paused domain run on",
      .options = active_options,
      .run = resume_run },
    { .name = "autostart",
      .group = GROUP_DOMAIN,
      .summary = "start a domain with the host, or no longer",
      .options = autostart_options,
      .run = autostart_run },
    { .name = "dompmsuspend",
      .group = GROUP_DOMAIN,
      .summary = "let the guest suspend itself",
      .doc = "Asks the guest, through its agent, to suspend itself to memory or disk.",
      .options = pm_options,
      .run = pm_suspend_run },
    { .name = "dompmwakeup",
      .group = GROUP_DOMAIN,
      .summary = "wake a guest that suspended itself",
      .options = active_options,
      .run = pm_wakeup_run },
    { .name = "inject-nmi",
      .group = GROUP_DOMAIN,
      .summary = "send a non-maskable interrupt to the guest",
      .options = active_options,
      .run = inject_nmi_run },
    { .name = "send-key",
      .group = GROUP_DOMAIN,
      .summary = "press keys on the guest's keyboard",
      .options = send_key_options,
      .run = send_key_run },
    { 0 },
};
