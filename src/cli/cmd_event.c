/* Commands that wait for events and print them, and the QEMU monitor. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/output.h"
#include "cli/row.h"

/* ---- waiting: until one event, a deadline, Ctrl-C, or the end of the connection ---- */

typedef struct Watch {
    Cli *cli;
    bool loop;      /* go on after the first event */
    bool timestamp; /* begin each line with the time */
    bool pretty;
    unsigned received;
    bool interrupted;
    unsigned timeout_s; /* 0: none */
    const CliClass *class;
} Watch;

static int watch_on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    Watch *watch = arg;
    watch->interrupted = true;
    wait_queue_wake_all(&watch->cli->broken);
    return 0;
}

static char *watch_time(void)
{
    struct timespec now;
    struct tm tm;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return g_strdup_printf("%s.%03ld+0000", text, now.tv_nsec / 1000000);
}

static void watch_print(Watch *watch, const char *name, const char *kind, const char *key, const char *object,
                        const char *text, Json *detail)
{
    Cli *cli = watch->cli;
    /* Without --loop one event is the answer; those that came with it are not. */
    if (!watch->loop && watch->received)
        return;
    watch->received++;
    g_autofree char *stamp = watch_time();
    if (cli->json) {
        AUTO_JSON line =
            json_pack("{s:s, s:s, s:s, s:O}", "time", stamp, "event", name, key, object, "detail", detail);
        g_autofree char *compact = json_format(line);
        fprintf(cli->out, "%s\n", compact);
    } else {
        g_autofree char *printable = text_printable(object);
        const char *quote = strcmp(kind, "domain") == 0 ? "'" : "";
        fprintf(cli->out, "%s%sevent '%s' for %s %s%s%s%s%s\n", watch->timestamp ? stamp : "",
                watch->timestamp ? ": " : "", name, kind, quote, printable, quote, *text ? ": " : "", text);
    }
    fflush(cli->out);
    wait_queue_wake_all(&cli->broken);
}

static bool watch_is_over(const Watch *watch)
{
    return watch->interrupted || (watch->received && !watch->loop) ||
           !wire_client_is_alive(watch->cli->client);
}

/* In the shell Ctrl-C cancels this fiber; elsewhere we watch for it ourselves. */
static bool watch_interrupts(Watch *watch, sd_event_source **ret_source, sigset_t *ret_before, Error **err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, ret_before);
    if (watch->cli->interactive)
        return true;
    int rc = sd_event_add_signal(loop_event(), ret_source, SIGINT, watch_on_interrupt, watch);
    return rc >= 0 || error_set_errno(err, -rc, "cannot watch for Ctrl-C");
}

static bool watch_wait(Watch *watch, Error **err)
{
    Cli *cli = watch->cli;
    g_autoptr(Error) failed = NULL;
    sd_event_source *source = NULL;
    sigset_t before;
    bool ok = watch_interrupts(watch, &source, &before, err);
    uint64_t deadline = watch->timeout_s ? fiber_deadline_begin((uint64_t)watch->timeout_s * 1000) : 0;
    while (ok && !watch_is_over(watch) && !failed) /* the deadline is the user's */
        (void)!wait_queue_wait(&cli->broken, FIBER_NO_DEADLINE, &failed);
    if (watch->timeout_s)
        fiber_deadline_end(deadline);
    sd_event_source_unref(source);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (failed && error_code(failed) == ERROR_TIMEOUT && !cli->json)
        cli_message(cli, "event loop timed out");
    if (!cli->json)
        cli_message(cli, "events received: %u", watch->received);
    if (ok && !watch->received)
        cli->exit_code = CLI_EXIT_FAILED;
    if (ok && !wire_client_is_alive(cli->client))
        return error_set(err, ERROR_PROTOCOL, "the connection to the daemon broke");
    return ok;
}

static bool watch_timeout(const CliArgs *args, unsigned *ret_seconds, Error **err)
{
    int64_t seconds = 0;
    if (!args_get_int(args, "timeout", 1, 100000000, &seconds, err))
        return false;
    *ret_seconds = (unsigned)seconds;
    return true;
}

/* ---- event ---- */

static const CliOption event_options[] = {
    OPT(CLI_STRING, "domain", "only this domain: name, id or UUID", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "event", "the kind of event",
        .words =
            "lifecycle reboot rtc-change watchdog io-error graphics io-error-reason control-error block-job "
            "disk-change tray-change pm-wakeup pm-suspend balloon-change pm-suspend-disk device-removed "
            "block-job-2 tunable agent-lifecycle device-added migration-iteration job-completed "
            "device-removal-failed metadata-change block-threshold memory-failure memory-device-size-change "
            "nic-mac-change"),
    OPT_BOOL("all", "all kinds of events"),
    OPT_BOOL("loop", "go on until interrupted instead of ending with the first event"),
    OPT_INT("timeout", "give up after so many seconds"),
    OPT_BOOL("list", "print the kinds of events"),
    OPT_BOOL("timestamp", "begin each line with the time"),
    { 0 },
};

static void event_received(Cli *cli, uint32_t program, int32_t proc, const void *message, void *arg)
{
    EventText event;
    if (program != WIRE_PROGRAM_REMOTE || !event_describe(proc, message, &event))
        return;
    watch_print(arg, event_name(event.id), "domain", "domain", event.domain->name, event.text->str,
                event.detail);
    event_text_clear(&event);
}

static bool event_list(Cli *cli)
{
    Json *list = json_array();
    for (unsigned i = 0; i < EVENT_KINDS; i++) {
        json_array_append_new(list, json_string(event_name(i)));
        cli_say(cli, "%s\n", event_name(i));
    }
    cli_print_json(cli, list);
    return true;
}

/* Registers for all kinds or for one; the first must succeed, a server may not know the later ones. */
static bool event_register(Cli *cli, WireDomain *dom, int only, int callbacks[EVENT_KINDS], Error **err)
{
    bool any = false;
    for (unsigned i = 0; i < EVENT_KINDS; i++) {
        g_autoptr(Error) failed = NULL;
        WireConnectDomainEventCallbackRegisterAnyArgs call = { .event_id = (int32_t)i, .dom = dom };
        WireConnectDomainEventCallbackRegisterAnyRet ret;
        callbacks[i] = -1;
        if (only >= 0 && (unsigned)only != i)
            continue;
        if (cli_call(cli, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, &call, &ret, &failed)) {
            callbacks[i] = ret.callback_id;
            any = true;
        } else if (!any) {
            return error_propagate(err, g_steal_pointer(&failed));
        }
    }
    return true;
}

static void event_deregister(Cli *cli, const int callbacks[EVENT_KINDS])
{
    for (unsigned i = 0; i < EVENT_KINDS && wire_client_is_alive(cli->client); i++) {
        WireConnectDomainEventCallbackDeregisterAnyArgs call = { .callback_id = callbacks[i] };
        if (callbacks[i] >= 0)
            (void)!cli_call(cli, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, &call, NULL, NULL);
    }
}

static bool event_find(const char *name, int *ret_id, Error **err)
{
    for (unsigned i = 0; i < EVENT_KINDS; i++) {
        if (strcmp(event_name(i), name) == 0) {
            *ret_id = (int)i;
            return true;
        }
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "unknown event type %s", name);
    return error_hint(err, "'lodge event --list' shows the kinds");
}

static bool event_run(Cli *cli, const CliArgs *args, Error **err)
{
    Watch watch = { .cli = cli, .loop = args_has(args, "loop"), .timestamp = args_has(args, "timestamp") };
    g_auto(WireDomain) dom = { 0 };
    int only = -1, callbacks[EVENT_KINDS];
    if (args_has(args, "list"))
        return event_list(cli);
    if (!args_has(args, "event") && !args_has(args, "all")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "one of --list, --all, or --event <type> is required");
        return error_hint(err, "see 'lodge help event'");
    }
    if (args_has(args, "event") && !event_find(args_get(args, "event"), &only, err))
        return false;
    if (!watch_timeout(args, &watch.timeout_s, err) ||
        (args_has(args, "domain") && !cli_domain(cli, args, &dom, err)))
        return false;
    cli->on_event = event_received;
    cli->on_event_arg = &watch;
    bool ok = event_register(cli, dom.name ? &dom : NULL, only, callbacks, err);
    if (ok) {
        ok = watch_wait(&watch, err);
        fiber_shield_begin(); /* also after Ctrl-C in the shell */
        event_deregister(cli, callbacks);
        fiber_shield_end();
    }
    cli->on_event = NULL;
    return ok;
}

/* ---- events of other classes: a row each in class_rows.c ---- */

static void class_event_received(Cli *cli, uint32_t program, int32_t proc, const void *message, void *arg)
{
    Watch *watch = arg;
    const CliClass *class = watch->class;
    const CliEvent *event = class->events;
    while (event->name && event->proc != proc)
        event++;
    if (program != WIRE_PROGRAM_REMOTE || !event->name)
        return;
    WireType type = wire_proc_find(wire_program_find(program), proc)->args;
    const WireTypeInfo *info = &wire_types[type];
    EventText said = { .text = g_string_new(NULL), .detail = json_object() };
    g_autofree char *object = NULL;
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        if (field->kind == WIRE_STRUCT && field->type == class->handle)
            object = class_name(class, (const char *)message + field->offset);
    }
    event_say(&said, type, message, event->text);
    watch_print(watch, event->name, class == &class_pool ? "storage pool" : class->word, class->option,
                object ? object : "", said.text->str, said.detail);
    event_text_clear(&said);
}

/* Registers for one kind of event, of one object if the option names it. */
static bool class_event_register(Cli *cli, const CliArgs *args, unsigned id, int *ret_callback, Error **err)
{
    const CliClass *class = cli_args_command(args)->class;
    const WireProc *proc = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), class->procs[VERB_EVENT]);
    const WireTypeInfo *info = &wire_types[proc->args];
    g_autofree void *call = g_malloc0(info->size);
    g_autofree void *handle = g_malloc0(wire_type_size(class->handle));
    const char *name = args_get(args, class->option);
    int32_t callback = -1;
    if (name && !class_lookup_text(cli, class, args, name, handle, err))
        return false;
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        void *at = (char *)call + field->offset;
        if (field->kind == WIRE_INT32)
            *(int32_t *)at = (int32_t)id;
        else if (name)
            *(void **)at = handle;
    }
    bool ok = cli_call(cli, class->procs[VERB_EVENT], call, &callback, err);
    wire_clear(class->handle, handle);
    *ret_callback = callback;
    return ok;
}

bool class_event_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliClass *class = cli_args_command(args)->class;
    Watch watch = { .cli = cli,
                    .loop = args_has(args, "loop"),
                    .timestamp = args_has(args, "timestamp"),
                    .class = class };
    const char *only = args_get(args, "event");
    int callbacks[EVENT_KINDS];
    unsigned n = 0;
    if (args_has(args, "list")) {
        Json *list = json_array();
        for (const CliEvent *event = class->events; event->name; event++) {
            json_array_append_new(list, json_string(event->name));
            cli_say(cli, "%s\n", event->name);
        }
        cli_print_json(cli, list);
        return true;
    }
    if (!only) {
        error_set(err, ERROR_INVALID_ARGUMENT, "either --list or --event <type> is required");
        return error_hint(err, "see 'lodge help %s'", cli_args_command(args)->name);
    }
    if (!watch_timeout(args, &watch.timeout_s, err))
        return false;
    cli->on_event = class_event_received;
    cli->on_event_arg = &watch;
    bool ok = true;
    for (unsigned i = 0; ok && class->events[i].name; i++) {
        if (strcmp(only, class->events[i].name) == 0)
            ok = class_event_register(cli, args, i, &callbacks[n++], err);
    }
    ok = ok && watch_wait(&watch, err);
    fiber_shield_begin(); /* also after Ctrl-C in the shell */
    for (unsigned i = 0; ok && i < n && wire_client_is_alive(cli->client); i++)
        (void)!cli_call(cli, class->event_end, &callbacks[i], NULL, NULL);
    fiber_shield_end();
    cli->on_event = NULL;
    return ok;
}

/* ---- the QEMU monitor ---- */

static const CliOption monitor_event_options[] = {
    OPT(CLI_STRING, "domain", "only this domain: name, id or UUID", .complete = COMPLETE_DOMAIN),
    OPT_STRING("event", "only events of this name"),
    OPT_BOOL("pretty", "print details in several lines"),
    OPT_BOOL("loop", "go on until interrupted instead of ending with the first event"),
    OPT_INT("timeout", "give up after so many seconds"),
    OPT_FLAG("regex", VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX,
             "the name is a regular expression"),
    OPT_FLAG("no-case", VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE,
             "upper and lower case are the same"),
    OPT_BOOL("timestamp", "begin each line with the time here instead of showing QEMU's"),
    { 0 },
};

static void monitor_event_text(Watch *watch, const WireQemuDomainMonitorEventMsg *msg, Json *details)
{
    g_autofree char *pretty = watch->pretty && details ? json_format_pretty(details) : NULL;
    g_autofree char *domain = text_printable(msg->dom.name);
    const char *text = pretty ? pretty : msg->details ? msg->details : "<null>";
    if (watch->timestamp) {
        g_autofree char *stamp = watch_time();
        fprintf(watch->cli->out, "%s: event %s for domain '%s': %s\n", stamp, msg->event, domain, text);
    } else {
        fprintf(watch->cli->out, "event %s at %" PRId64 ".%06u for domain '%s': %s\n", msg->event,
                msg->seconds, msg->micros, domain, text);
    }
}

static void monitor_event_received(Cli *cli, uint32_t program, int32_t proc, const void *message, void *arg)
{
    Watch *watch = arg;
    const WireQemuDomainMonitorEventMsg *msg = message;
    if (program != WIRE_PROGRAM_QEMU || proc != QEMU_PROC_DOMAIN_MONITOR_EVENT)
        return;
    if (!watch->loop && watch->received)
        return;
    watch->received++;
    AUTO_JSON details = NULL;
    if (msg->details)
        (void)!json_parse(msg->details, strlen(msg->details), "event", &details, NULL);
    if (cli->json) {
        AUTO_JSON line =
            json_pack("{s:s, s:s, s:I, s:i, s:O?}", "event", msg->event, "domain", msg->dom.name, "seconds",
                      (json_int_t)msg->seconds, "microseconds", (int)msg->micros, "detail", details);
        g_autofree char *compact = json_format(line);
        fprintf(cli->out, "%s\n", compact);
    } else {
        monitor_event_text(watch, msg, details);
    }
    fflush(cli->out);
    wait_queue_wake_all(&cli->broken);
}

static bool monitor_event_run(Cli *cli, const CliArgs *args, Error **err)
{
    Watch watch = { .cli = cli,
                    .loop = args_has(args, "loop"),
                    .timestamp = args_has(args, "timestamp"),
                    .pretty = args_has(args, "pretty") };
    g_auto(WireDomain) dom = { 0 };
    WireQemuConnectDomainMonitorEventRegisterRet ret;
    if (!watch_timeout(args, &watch.timeout_s, err) ||
        (args_has(args, "domain") && !cli_domain(cli, args, &dom, err)))
        return false;
    WireQemuConnectDomainMonitorEventRegisterArgs call = {
        .dom = dom.name ? &dom : NULL,
        .event = (char *)args_get(args, "event"),
        .flags = args_flags(args),
    };
    cli->on_event = monitor_event_received;
    cli->on_event_arg = &watch;
    bool ok = wire_call(cli->client, WIRE_PROGRAM_QEMU, QEMU_PROC_CONNECT_DOMAIN_MONITOR_EVENT_REGISTER,
                        &call, &ret, WIRE_NO_TIMEOUT, err);
    if (ok) {
        WireQemuConnectDomainMonitorEventDeregisterArgs end = { .callback_id = ret.callback_id };
        ok = watch_wait(&watch, err);
        fiber_shield_begin();
        if (wire_client_is_alive(cli->client))
            (void)!wire_call(cli->client, WIRE_PROGRAM_QEMU,
                             QEMU_PROC_CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, &end, NULL, 5000, NULL);
        fiber_shield_end();
    }
    cli->on_event = NULL;
    return ok;
}

static const CliOption monitor_command_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_FLAG("hmp", VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP, "a command as a person would type it"),
    OPT_BOOL("pretty", "print the answer in several lines"),
    OPT_BOOL("return-value", "print only the value of \"return\""),
    OPT(CLI_STRING, "pass-fds", "file descriptors for QEMU: numbers separated by commas", .flags = CLI_NAMED),
    OPT(CLI_STRING, "cmd", "the command: JSON, or words with --hmp", .flags = CLI_REQUIRED | CLI_MANY,
        .arg = "cmd"),
    { 0 },
};

/* The answer as the options want it. */
static bool monitor_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const char *text = ((const WireQemuDomainMonitorCommandRet *)answer)->result;
    bool pretty = args_has(args, "pretty"), only_value = args_has(args, "return-value");
    if (args_has(args, "hmp")) {
        cli_print_text(cli, "output", text);
        return true;
    }
    if (!pretty && !only_value && !cli->json) {
        fprintf(cli->out, "%s\n", text);
        return true;
    }
    AUTO_JSON parsed = NULL;
    if (!json_parse(text, strlen(text), "QEMU's answer", &parsed, err))
        return false;
    Json *value = only_value ? json_object_get(parsed, "return") : parsed;
    if (!value)
        return error_set(err, ERROR_REFUSED, "QEMU refused the command: %s", text);
    g_autofree char *lines = pretty || cli->json ? json_format_pretty(value) : json_format(value);
    fprintf(cli->out, "%s\n", lines);
    return true;
}

static bool monitor_command_run(Cli *cli, const CliArgs *args, Error **err)
{
    if (args_has(args, "pass-fds"))
        return error_set(err, ERROR_NOT_SUPPORTED, "lodge cannot pass descriptors to QEMU's monitor yet");
    return row_run(cli, args, err);
}

const CliCommand commands_event[] = {
    COMMAND("event", GROUP_EVENTS, "wait for domain events and print them", event_options, event_run,
            .doc = "Waits for one event, or with --loop for all until it is interrupted. Fails if none came.",
            .exclusive = "all event list",
            .json = "one object per line: {\"time\": string, \"event\": string, \"domain\": string, "
                    "\"detail\": {...}}; with --list [string]"),
    COMMAND("qemu-monitor-event", GROUP_EVENTS, "wait for events of QEMU itself and print them",
            monitor_event_options, monitor_event_run,
            .json = "one object per line: {\"event\": string, \"domain\": string, \"seconds\": number, "
                    "\"microseconds\": number, \"detail\": value}"),
    COMMAND("qemu-monitor-command", GROUP_DOMAIN, "send a command to QEMU's monitor", monitor_command_options,
            monitor_command_run, .program = WIRE_PROGRAM_QEMU, .proc = QEMU_PROC_DOMAIN_MONITOR_COMMAND,
            .tell = monitor_tell,
            .doc = "Sends a command to QEMU behind the daemon's back. What it changes there the daemon may "
                   "not notice.",
            .exclusive = "hmp pretty; hmp return-value",
            .json = "QEMU's answer; with --hmp {\"output\": string}"),
    { 0 },
};
