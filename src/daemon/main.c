/* lodged: puts the layers together, starts them in order, and ends them in the opposite one.
 *
 * Start: loop, lock, configuration, host (definitions and running machines), sockets, autostart. Sockets come
 * after the machines so that the first `list` a client sees is true. End: no new calls, the running ones
 * finish, machines stay. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "daemon"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/worker.h"
#include "core/host.h"
#include "daemon/options.h"
#include "daemon/process_setup.h"
#include "daemon/web.h"
#include "host/cpu.h"
#include "host/node.h"
#include "machine/backup_schedule.h"
#include "machine/machine.h"
#include "rpc/front.h"

#define STOP_TIMEOUT_MS 10000
#define DRAIN_TIMEOUT_MS 5000
#define IDLE_TICK_US (1000 * 1000)

typedef struct Daemon {
    Options options;
    Paths *paths;   /* the host's from host_new() on */
    Config *config; /* likewise */
    Host *host;
    RpcFront *front;   /* NULL: not open (yet) */
    HttpServer *web;   /* NULL: switched off */
    RpcDaemon remote;  /* what administrators may do */
    char *log_outputs; /* as an administrator wants them; NULL: as configured */
    Fiber *starting;   /* counted; the start fiber. NULL before */
    Error *failure;    /* why the start failed */
    bool log_is_stderr;
    bool stopping;
    Fiber *reloading;       /* counted; NULL: none runs */
    bool reload_again;      /* asked for meanwhile */
    uint64_t idle_since_ms; /* 0: not idle */
    sd_event_source *idle;  /* looks each second; NULL: nobody asked */
    sd_event_source *sources[8];
    size_t n_sources;
} Daemon;

/* ---- log ---- */

static LogLevel wanted_level(const Daemon *daemon, const Config *config)
{
    static const LogLevel levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
    LogLevel level = levels[CLAMP(config->log_level, 1, 4) - 1];
    return daemon->options.verbose && level > LOG_LEVEL_INFO ? LOG_LEVEL_INFO : level;
}

/* The first of log_outputs; without one the journal where systemd collects our stderr, a file in the
 * background, stderr otherwise. Opening again also follows a file that was rotated away. */
static void open_log(Daemon *daemon, const Config *config)
{
    LogLevel level = wanted_level(daemon, config);
    const char *output = daemon->log_outputs   ? daemon->log_outputs
                         : config->log_outputs ? config->log_outputs[0]
                                               : NULL;
    g_autoptr(Error) err = NULL;
    const char *target = output && strlen(output) > 2 ? output + 2 : NULL; /* behind "LEVEL:" */
    g_autofree char *log_dir = g_path_get_dirname(daemon->paths->log_qemu);
    g_autofree char *file = path_join(log_dir, "lodged.log");
    daemon->log_is_stderr = false;
    if (target && g_str_has_prefix(target, "file:")) {
        log_open(LOG_TARGET_FILE, target + strlen("file:"), level);
    } else if (target ? strcmp(target, "stderr") != 0 : getenv("JOURNAL_STREAM") != NULL) {
        log_open(LOG_TARGET_JOURNAL, NULL, level);
    } else if (!target && daemon->options.daemonize) {
        if (file_make_dirs(log_dir, 0755, NULL)) /* if not, log_open() says what is wrong */
            log_set_level(level);
        log_open(LOG_TARGET_FILE, file, level);
    } else {
        log_open(LOG_TARGET_STDERR, NULL, level);
        daemon->log_is_stderr = true;
    }
    if (!log_set_filters(config->log_filters, &err))
        log_warning_error(err, "log_filters");
}

/* ---- what administrators may do ---- */

static char *get_log_outputs(void *arg)
{
    const Daemon *daemon = arg;
    const Config *config = host_config(daemon->host);

    if (daemon->log_outputs)
        return g_strdup(daemon->log_outputs);
    if (config->log_outputs && config->log_outputs[0])
        return g_strdup(config->log_outputs[0]);
    return g_strdup_printf("%u:%s", config->log_level, daemon->log_is_stderr ? "stderr" : "journald");
}

/* "" is as configured. There is one output. */
static bool set_log_outputs(const char *text, void *arg, Error **err)
{
    static const char *const targets[] = { "stderr", "journald", "file:/" };
    Daemon *daemon = arg;
    const char *target = text && *text >= '1' && *text <= '4' && text[1] == ':' ? text + 2 : NULL;
    bool known = !text || !*text;

    for (size_t i = 0; !known && target && i < G_N_ELEMENTS(targets); i++)
        known = g_str_has_prefix(target, targets[i]);
    if (!known || (text && strchr(text, ' '))) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Malformed format for log output '%s'", text);
        return error_hint(err,
                          "one of LEVEL:stderr, LEVEL:journald, LEVEL:file:PATH, with a LEVEL from 1 to 4");
    }
    g_clear_pointer(&daemon->log_outputs, g_free);
    if (text && *text)
        daemon->log_outputs = g_strdup(text);
    open_log(daemon, host_config(daemon->host));
    if (target)
        log_set_level((LogLevel)(*text - '1'));
    return true;
}

/* ---- the end ---- */

AWAITS static void stop_fiber(void *arg)
{
    Daemon *daemon = arg;
    (void)sd_notify(0, "STOPPING=1\nSTATUS=Finishing what runs");
    http_server_stop(daemon->web);
    if (daemon->front)
        rpc_front_end(daemon->front);
    if (daemon->host)
        machine_stop(daemon->host);
    host_stop(daemon->host, STOP_TIMEOUT_MS);
    loop_quit(EXIT_OK);
}

static void begin_stop(Daemon *daemon, const char *why)
{
    if (daemon->stopping) {
        log_warning("%s again: ending at once", why);
        loop_quit(EXIT_OK);
        return;
    }
    daemon->stopping = true;
    log_info("%s: ending, machines keep running", why);
    if (!fiber_spawn("stop", stop_fiber, daemon)) {
        log_warning("too much runs at the same time to wait for: ending at once");
        loop_quit(EXIT_OK);
    }
}

/* ---- signals and timers ---- */

static int on_end_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    begin_stop(arg, info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    return 0;
}

/* Most keys are looked at when something starts; what can change in a running daemon is the log. The others
 * are named, so that nobody believes they took effect. */
static void report_changes(const Config *old, const Config *new)
{
    const GPtrArray *before = config_origins(old), *after = config_origins(new);
    for (unsigned i = 0; i < before->len && i < after->len; i++) {
        const ConfigOrigin *a = g_ptr_array_index(before, i), *b = g_ptr_array_index(after, i);
        if (strcmp(a->value, b->value) != 0 && !g_str_has_prefix(a->key, "log_"))
            log_warning("%s of %s changed: it takes effect when lodged is restarted", a->key, a->file);
    }
}

AWAITS static void reload(Daemon *daemon)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(Error) err = NULL;
    host_run_daemon_hook(daemon->host, "reload", "begin", "SIGHUP");
    if (daemon->stopping)
        return;
    if (!config_load(host_paths(daemon->host), daemon->options.config, &config, &err)) {
        log_error_error(err, "reading the configuration again; the old one stays");
        return;
    }
    report_changes(host_config(daemon->host), config);
    open_log(daemon, config);
    log_info("configuration read and log opened again");
    g_clear_pointer(&err, error_free);
    if (daemon->front && !rpc_front_reload(daemon->host, rpc_front_server(daemon->front), &err))
        log_error_error(err, "reading certificates again; the old ones stay");
    machine_reload(daemon->host);
}

AWAITS static void reload_fiber(void *arg)
{
    Daemon *daemon = arg;
    do {
        daemon->reload_again = false;
        reload(daemon);
    } while (daemon->reload_again && !daemon->stopping);
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    Daemon *daemon = arg;
    if (!daemon->host || daemon->stopping)
        return 0;
    if (daemon->reloading && !fiber_is_done(daemon->reloading)) {
        daemon->reload_again = true;
        return 0;
    }
    g_clear_pointer(&daemon->reloading, fiber_unref);
    Fiber *fiber = fiber_spawn("reload", reload_fiber, daemon);
    if (fiber)
        daemon->reloading = fiber_ref(fiber);
    else
        log_error("no fiber can be made to read the configuration again");
    return 0;
}

static int on_status_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    Daemon *daemon = arg;
    struct mallinfo2 heap = mallinfo2();
    g_autofree char *statm = file_read_kernel("/proc/self/statm");
    unsigned long pages = 0, resident = 0;
    if (statm)
        (void)sscanf(statm, "%lu %lu", &pages, &resident);
    log_warning("status: resident %lu KiB, heap %zu KiB used and %zu KiB free, %u fibers, %u clients, %u "
                "machines, "
                "%u of them running",
                resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024, (size_t)heap.uordblks / 1024,
                (size_t)heap.fordblks / 1024, fiber_count(),
                daemon->front ? rpc_server_count_clients(rpc_front_server(daemon->front)) : 0,
                daemon->host ? machine_count(daemon->host, false) : 0,
                daemon->host ? machine_count(daemon->host, true) : 0);
    return 0;
}

static int on_idle_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    Daemon *daemon = arg;
    uint64_t now_ms = loop_now_ms();
    bool idle = daemon->front && rpc_server_count_clients(rpc_front_server(daemon->front)) == 0 &&
                host_is_idle(daemon->host);
    if (!idle)
        daemon->idle_since_ms = 0;
    else if (!daemon->idle_since_ms)
        daemon->idle_since_ms = now_ms;
    else if (!daemon->stopping &&
             now_ms - daemon->idle_since_ms >= (uint64_t)daemon->options.timeout_s * 1000)
        begin_stop(daemon, "idle for the time of --timeout");
    if (sd_event_source_set_time_relative(source, IDLE_TICK_US) < 0 ||
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
        log_warning("the idle timer cannot be set: lodged stays until it is stopped");
    return 0;
}

static bool start_idle_timer(Daemon *daemon, Error **err)
{
    int r = sd_event_add_time_relative(loop_event(), &daemon->idle, CLOCK_MONOTONIC, IDLE_TICK_US, 0,
                                       on_idle_tick, daemon);
    return r >= 0 || error_set_errno(err, -r, "cannot make a timer");
}

static void set_timeout(unsigned timeout_s, void *arg)
{
    Daemon *daemon = arg;
    g_autoptr(Error) err = NULL;

    daemon->options.timeout_s = timeout_s;
    daemon->idle_since_ms = 0;
    daemon->idle = sd_event_source_disable_unref(daemon->idle);
    if (timeout_s && !start_idle_timer(daemon, &err))
        log_warning_error(err, "lodged stays until it is stopped");
}

static bool add_signal(Daemon *daemon, int signal_number, sd_event_signal_handler_t handler, Error **err)
{
    sd_event_source **source = &daemon->sources[daemon->n_sources];
    int r = sd_event_add_signal(loop_event(), source, signal_number, handler, daemon);
    if (r < 0)
        return error_set_errno(err, -r, "cannot listen for signal %d", signal_number);
    daemon->n_sources++;
    return true;
}

/* Blocked before the first thread starts: a thread would take the signal otherwise. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool setup_events(Daemon *daemon, Error **err)
{
    if (!add_signal(daemon, SIGTERM, on_end_signal, err) || !add_signal(daemon, SIGINT, on_end_signal, err) ||
        !add_signal(daemon, SIGHUP, on_reload_signal, err) ||
        !add_signal(daemon, SIGUSR1, on_status_signal, err))
        return false;
    if (daemon->options.timeout_s && !start_idle_timer(daemon, err))
        return false;
    if (sd_event_set_watchdog(loop_event(), true) < 0)
        log_warning("systemd's watchdog cannot be fed");
    if (getpid() == 1) /* in a container: nobody else reaps what our QEMUs leave behind */
        process_reap_orphans_begin();
    return true;
}

/* ---- the start ---- */

AWAITS static bool start_host(Daemon *daemon, Error **err)
{
    if (!paths_make_dirs(daemon->paths, err))
        return false;
    daemon->host = host_new(daemon->paths, daemon->config);
    machine_open(daemon->host);
    if (!machine_load(daemon->host, err))
        return false;
    if (!rpc_front_start(daemon->host, &daemon->remote, web_calls, &daemon->front, err))
        return false;
    machine_autostart(daemon->host); /* at once: clients come in already */
    backup_schedule_load(daemon->host);
    return web_start(daemon->host, rpc_front_server(daemon->front), &daemon->web, err);
}

AWAITS static void start_fiber(void *arg)
{
    Daemon *daemon = arg;
    uint64_t begun_ms = loop_now_ms();
    if (!start_host(daemon, &daemon->failure)) {
        loop_quit(EXIT_START_FAILED);
        return;
    }
    log_info("lodged " LODGE_VERSION " is ready after %u ms: %u machines, %u of them running",
             (unsigned)(loop_now_ms() - begun_ms), machine_count(daemon->host, false),
             machine_count(daemon->host, true));
    (void)sd_notifyf(0, "READY=1\nSTATUS=%u machines, %u of them running", machine_count(daemon->host, false),
                     machine_count(daemon->host, true));
    process_setup_ready();
}

static bool choose_paths(Daemon *daemon, Error **err)
{
    if (daemon->options.root || geteuid() == 0) {
        daemon->paths = paths_new_system(daemon->options.root);
        return true;
    }
    return paths_new_session(&daemon->paths, err);
}

/* The folder of the lock file must be there before anything else is. */
static bool take_lock(Daemon *daemon, Error **err)
{
    g_autofree char *path = path_join(daemon->paths->run, "lodged.pid");
    if (!file_make_dirs(daemon->paths->run, daemon->paths->is_session ? 0700 : 0755, err) ||
        !process_setup_lock(path, err))
        return false;
    return !daemon->options.pid_file || process_setup_write_pid(daemon->options.pid_file, err);
}

static bool prepare(Daemon *daemon, Error **err)
{
    if (!choose_paths(daemon, err))
        return false;
    log_open(LOG_TARGET_STDERR, NULL, daemon->options.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
    daemon->log_is_stderr = true;
    if (!config_load(daemon->paths, daemon->options.config, &daemon->config, err))
        return false;
    daemon->config->listen |= daemon->options.listen;
    if (daemon->options.daemonize && !process_setup_background(err))
        return false;
    if (!take_lock(daemon, err))
        return false;
    open_log(daemon, daemon->config);
    return loop_init(err) && setup_events(daemon, err);
}

static int fail(const Daemon *daemon, const Error *err)
{
    fprintf(stderr, "lodged: %s\n", error_message(err));
    if (error_hint_text(err))
        fprintf(stderr, "lodged: %s\n", error_hint_text(err));
    if (!daemon->log_is_stderr)
        log_error_error(err, "starting");
    return error_code(err) == ERROR_BUSY ? EXIT_ALREADY_RUNNING : EXIT_START_FAILED;
}

/* Clients first, so that nothing new begins; then all fibers, which use the host; then the host. */
static void clear(Daemon *daemon, int code)
{
    http_server_stop(daemon->web);
    if (daemon->front)
        rpc_front_stop(daemon->front);
    daemon->front = NULL;
    if (loop_event() && !loop_drain(DRAIN_TIMEOUT_MS)) {
        /* Nothing can be freed below them. The next daemon finds what it finds after a kill -9. */
        process_setup_clear();
        _exit(code);
    }
    fiber_unref(daemon->starting);
    fiber_unref(daemon->reloading);
    sd_event_source_disable_unref(daemon->idle);
    for (size_t i = 0; i < daemon->n_sources; i++)
        sd_event_source_unref(daemon->sources[i]);
    web_free(daemon->web);
    if (daemon->host)
        host_free(daemon->host);
    if (loop_event())
        loop_shutdown(DRAIN_TIMEOUT_MS);
    worker_shutdown();
    if (!daemon->host) {
        config_free(daemon->config);
        paths_free(daemon->paths);
    }
    cpu_host_reset();
    node_reset();
    process_setup_clear();
    error_free(daemon->failure);
    options_clear(&daemon->options);
    g_free(daemon->log_outputs);
    if (log_set_filters(NULL, NULL)) /* none: always */
        log_close();
}

int main(int argc, char **argv)
{
    Daemon daemon = { .remote = { get_log_outputs, set_log_outputs, set_timeout, &daemon } };
    g_autoptr(Error) err = NULL;
    int code;
    if (!options_parse(argc, argv, &daemon.options, &code))
        return code;
    process_setup_basics();
    block_signals();
    if (!prepare(&daemon, &err)) {
        code = fail(&daemon, err);
    } else {
        daemon.starting = fiber_ref(fiber_spawn_or_abort("start", start_fiber, &daemon));
        code = loop_run();
        if (daemon.failure)
            code = fail(&daemon, daemon.failure);
        else
            log_info("ended");
    }
    clear(&daemon, code);
    return code;
}
