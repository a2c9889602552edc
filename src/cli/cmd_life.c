/* Commands that start, stop and otherwise change the state of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/keys.h"
#include "cli/output.h"

#define OPT_CONSOLE OPT_BOOL("console", "connect to the console at once")
#define OPT_FDS                                                                                              \
    OPT(CLI_STRING, "pass-fds", "file descriptors for the guest: numbers separated by commas",               \
        .flags = CLI_FDS | CLI_NAMED)
#define OPT_START                                                                                            \
    OPT_FLAG("paused", VIR_DOMAIN_START_PAUSED, "leave it paused"),                                          \
        OPT_FLAG("autodestroy", VIR_DOMAIN_START_AUTODESTROY, "stop it when this connection ends"),          \
        OPT_FLAG("reset-nvram", VIR_DOMAIN_START_RESET_NVRAM,                                                \
                 "start with a fresh copy of the firmware's variables")

static bool console_if_wanted(Cli *cli, const CliArgs *args, const void *domain, Error **err)
{
    return !args_has(args, "console") || console_run(cli, domain, NULL, 0, err);
}

static const CliOption start_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN_INACTIVE),
    OPT_CONSOLE,
    OPT_START,
    OPT_FLAG("bypass-cache", VIR_DOMAIN_START_BYPASS_CACHE,
             "read a managed save image without the page cache"),
    OPT_FLAG("force-boot", VIR_DOMAIN_START_FORCE_BOOT, "boot afresh and drop a managed save image"),
    OPT_FDS,
    { 0 },
};

static const CliOption create_options[] = {
    OPT_XML("file", "xml_desc", CLI_REQUIRED, "the XML of the domain; - reads the standard input"),
    OPT_CONSOLE,
    OPT_START,
    OPT_FDS,
    OPT_VALIDATE(VIR_DOMAIN_START_VALIDATE),
    { 0 },
};

static const CliOption mode_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN_ACTIVE),
    OPT(CLI_STRING, "mode", "how to ask the guest; several are separated by commas", .flags = CLI_LIST_OF,
        .flag = VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, .words = "acpi agent initctl signal paravirt"),
    { 0 },
};

static const CliOption destroy_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN_ACTIVE),
    OPT_FLAG("graceful", VIR_DOMAIN_DESTROY_GRACEFUL, "do not kill the process if it does not end by itself"),
    OPT_FLAG("remove-logs", VIR_DOMAIN_DESTROY_REMOVE_LOGS, "remove the domain's log files"),
    { 0 },
};

static const CliOption active_options[] = { OPT_DOMAINS(COMPLETE_DOMAIN_ACTIVE), { 0 } };

static const CliOption autostart_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN),
    OPT(CLI_BOOL, "disable", "do not start it with the host any more", .flags = CLI_NOT, .arg = "autostart"),
    OPT_BOOL("once", "only when the host boots the next time"),
    { 0 },
};

static const CliOption fd_associate_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "name", "name of the group, as in <source fdgroup=''>", .flags = CLI_REQUIRED,
        .arg = "name"),
    OPT(CLI_STRING, "pass-fds", "the descriptors: numbers separated by commas",
        .flags = CLI_REQUIRED | CLI_FDS),
    OPT_FLAG("seclabel-writable", VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_WRITABLE,
             "label what they are open on as writable"),
    OPT_FLAG("seclabel-restore", VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_RESTORE, "put its label back afterwards"),
    { 0 },
};

static const CliOption pm_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "target", "where the guest keeps its memory", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "mem disk hybrid", .arg = "target"),
    OPT(CLI_INT, "duration", "wake up after so many seconds", .flags = CLI_NAMED, .arg = "duration"),
    { 0 },
};

static const CliOption signal_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "pid", "number of the process in the guest", .flags = CLI_REQUIRED, .arg = "pid_value",
        .min = INT64_MIN),
    OPT(CLI_STRING, "signame", "the signal", .flags = CLI_REQUIRED | CLI_ONE_OF, .arg = "signum",
        .words =
            "nop hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term stkflt chld cont stop "
            "tstp ttin ttou urg xcpu xfsz vtalrm prof winch poll pwr sys"),
    { 0 },
};

static const CliOption lifecycle_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "type", "what happens", .flags = CLI_REQUIRED | CLI_ONE_OF, .arg = "type",
        .words = "poweroff reboot crash"),
    OPT(CLI_STRING, "action", "what is done then", .flags = CLI_REQUIRED | CLI_ONE_OF, .arg = "action",
        .words = "destroy restart rename-restart preserve coredump-destroy coredump-restart"),
    OPT_AFFECT,
    { 0 },
};

/* ---- send-key ---- */

#define CODESETS "linux xt atset1 atset2 atset3 os_x xt_kbd usb win32 qnum"

static const CliOption send_key_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "codeset", "what the numbers mean; default linux", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = CODESETS),
    OPT(CLI_INT, "holdtime", "milliseconds to hold the keys down", .flags = CLI_NAMED),
    OPT(CLI_STRING, "keycode", "keys pressed together, as numbers or (linux) names such as KEY_LEFTCTRL",
        .flags = CLI_REQUIRED | CLI_MANY),
    { 0 },
};

static bool send_key_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    uint32_t codes[16];
    unsigned n = 0, codeset = args_get_word(args, "codeset");
    int64_t hold_ms = 0;
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

#define ROW(command, procedure, text, rows, headline, message, ...)                                          \
    {                                                                                                        \
        .name = command, .group = GROUP_DOMAIN, .proc = procedure, .summary = text, .options = rows,         \
        .doing = headline, .done = message, __VA_ARGS__                                                      \
    }

const CliCommand commands_life[] = {
    ROW("start", PROC_DOMAIN_CREATE_WITH_FLAGS, "start an inactive domain", start_options,
        "Failed to start domain '{name}'", "Domain '{name}' started", .plain = PROC_DOMAIN_CREATE,
        .with_fds = PROC_DOMAIN_CREATE_WITH_FILES, .then = console_if_wanted,
        .doc = "Starts a domain from its stored definition, or from its managed save image if it has one."),
    ROW("create", PROC_DOMAIN_CREATE_XML, "start a domain from an XML file", create_options,
        "Failed to create domain from {file}", "Domain '{name}' created from {file}",
        .with_fds = PROC_DOMAIN_CREATE_XML_WITH_FILES, .then = console_if_wanted,
        .doc = "Starts a domain that lives as long as it runs: its definition is not stored."),
    ROW("shutdown", PROC_DOMAIN_SHUTDOWN_FLAGS, "ask the guest to shut down", mode_options,
        "Failed to shutdown domain '{name}'", "Domain '{name}' is being shutdown",
        .plain = PROC_DOMAIN_SHUTDOWN,
        .doc = "Asks the guest to shut down and returns at once; whether it does is up to the guest."),
    ROW("reboot", PROC_DOMAIN_REBOOT, "ask the guest to reboot", mode_options,
        "Failed to reboot domain '{name}'", "Domain '{name}' is being rebooted"),
    ROW("reset", PROC_DOMAIN_RESET, "reset a domain as its reset button would", active_options,
        "Failed to reset domain '{name}'", "Domain '{name}' was reset",
        .doc = "Resets the virtual hardware without asking the guest. Data that the guest has not written is "
               "lost."),
    ROW("destroy", PROC_DOMAIN_DESTROY_FLAGS, "stop a domain at once", destroy_options,
        "Failed to destroy domain '{name}'", "Domain '{name}' destroyed", .plain = PROC_DOMAIN_DESTROY,
        .doc = "Stops a domain as if its power cord was pulled. Its definition and its disks stay."),
    ROW("suspend", PROC_DOMAIN_SUSPEND, "pause a domain", active_options, "Failed to suspend domain '{name}'",
        "Domain '{name}' suspended",
        .doc = "Pauses a domain: it keeps its memory but gets no processor time."),
    ROW("resume", PROC_DOMAIN_RESUME, "let a paused domain run on", active_options,
        "Failed to resume domain '{name}'", "Domain '{name}' resumed"),
    ROW("autostart", PROC_DOMAIN_SET_AUTOSTART, "start a domain with the host, or no longer",
        autostart_options, "Failed to {disable?unmark|mark} domain '{name}' as autostarted",
        "Domain '{name}' {disable?unmarked|marked} as autostarted{once? once|}",
        .once = PROC_DOMAIN_SET_AUTOSTART_ONCE,
        .doc =
            "What starts with the host is started by the first daemon after a boot. With --once that happens "
            "after the next boot only, whether the domain starts with the host otherwise or not."),
    ROW("dom-fd-associate", PROC_DOMAIN_FD_ASSOCIATE, "give open files to a domain as a group with a name",
        fd_associate_options, "Failed to give descriptors to domain '{name}'", NULL,
        .with_fds = PROC_DOMAIN_FD_ASSOCIATE,
        .doc = "A disk with <source fdgroup='NAME'> uses them in place of its path. They are there for as "
               "long as the connection lasts: commands of one shell share it."),
    ROW("dompmsuspend", PROC_DOMAIN_PM_SUSPEND_FOR_DURATION, "let the guest suspend itself", pm_options,
        "Domain '{name}' could not be suspended", "Domain '{name}' successfully suspended",
        .doc = "Asks the guest, through its agent, to suspend itself to memory or disk."),
    ROW("dompmwakeup", PROC_DOMAIN_PM_WAKEUP, "wake a guest that suspended itself", active_options,
        "Domain '{name}' could not be woken up", "Domain '{name}' successfully woken up"),
    ROW("inject-nmi", PROC_DOMAIN_INJECT_NMI, "send a non-maskable interrupt to the guest", active_options,
        NULL, NULL),
    ROW("send-key", 0, "press keys on the guest's keyboard", send_key_options, NULL, NULL,
        .run = send_key_run),
    ROW("send-process-signal", PROC_DOMAIN_SEND_PROCESS_SIGNAL, "send a signal to a process of the guest",
        signal_options, NULL, NULL, .flags = CLI_UNSERVED),
    ROW("set-lifecycle-action", PROC_DOMAIN_SET_LIFECYCLE_ACTION,
        "set what is done when the guest stops, reboots or crashes", lifecycle_options,
        "Unable to change lifecycle action of domain '{name}'", NULL, .exclusive = EXCLUSIVE_AFFECT),
    { 0 },
};
