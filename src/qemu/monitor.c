/* Typed questions to a running QEMU: run state, CPUs, character devices, memory, display and keyboard. The
 * disks are in monitor_block.c, migration and dump in monitor_migrate.c.
 *
 * QEMU may be compromised by its guest, so a reply is read member by member, with a default for what is
 * missing or of another type, and refused where it makes no sense. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "monitor"
#include "qemu/monitor.h"

#include <string.h>

#include "base/fiber.h"
#include "base/log.h"
#include "qemu/keycode.h"
#include "qemu/line_buffer.h"
#include "qemu/monitor_private.h"
#include "wire/wire_enums.h"

/* ---- helpers ---- */

bool monitor_do(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms, Error **err)
{
    AUTO_JSON owned = args;
    return qmp_exec(qmp, command, owned, timeout_ms, NULL, err);
}

bool monitor_bad_reply(const char *command, Error **err)
{
    return error_set(err, ERROR_INTERNAL, "QEMU answered '%s' with something else than was asked for",
                     command);
}

bool monitor_ask_object(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms, Json **ret_object,
                        Error **err)
{
    AUTO_JSON owned = args;
    AUTO_JSON reply = NULL;
    if (!qmp_exec(qmp, command, owned, timeout_ms, &reply, err))
        return false;
    if (!json_is_object(reply))
        return monitor_bad_reply(command, err);
    *ret_object = json_incref(reply);
    return true;
}

static bool monitor_is_list(const Json *reply)
{
    return json_is_array(reply) && json_array_size(reply) <= MONITOR_MAX_ENTRIES;
}

bool monitor_ask_list(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms, Json **ret_list,
                      Error **err)
{
    AUTO_JSON owned = args;
    AUTO_JSON reply = NULL;
    if (!qmp_exec(qmp, command, owned, timeout_ms, &reply, err))
        return false;
    if (!monitor_is_list(reply))
        return monitor_bad_reply(command, err);
    *ret_list = json_incref(reply);
    return true;
}

bool monitor_do_with_fd(Qmp *qmp, const char *name, int fd, const char *command, Json *args,
                        uint64_t timeout_ms, Error **err)
{
    AUTO_JSON owned = args;
    AUTO_JSON names = json_pack("{s:s}", "fdname", name);
    if (!qmp_exec_fd(qmp, "getfd", names, fd, timeout_ms, NULL, err))
        return false;
    if (qmp_exec(qmp, command, owned, timeout_ms, NULL, err))
        return true;
    fiber_shield_begin();
    (void)!qmp_exec(qmp, "closefd", names, timeout_ms, NULL, NULL); /* QEMU may have closed it itself */
    fiber_shield_end();
    return false;
}

char *monitor_alias_from_qdev(const char *qdev)
{
    static const char prefix[] = "/machine/peripheral/";
    if (!qdev || !qdev[0])
        return NULL;
    if (qdev[0] != '/')
        return g_strdup(qdev);
    if (!g_str_has_prefix(qdev, prefix))
        return NULL;
    const char *alias = qdev + strlen(prefix);
    return g_strndup(alias, strcspn(alias, "/"));
}

static bool monitor_qom_path(const char *alias, char **ret_path, Error **err)
{
    if (!alias[0] || strchr(alias, '/'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no device alias", alias);
    *ret_path = g_strconcat("/machine/peripheral/", alias, NULL);
    return true;
}

/* ---- run state ---- */

static const struct {
    const char *name;
    int state, reason; /* virDomainState and its reason */
} run_states[] = {
    [MONITOR_RUN_UNKNOWN] = { "unknown", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN },
    [MONITOR_RUN_COLO] = { "colo", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION },
    [MONITOR_RUN_DEBUG] = { "debug", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN },
    [MONITOR_RUN_FINISH_MIGRATE] = { "finish-migrate", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION },
    [MONITOR_RUN_GUEST_PANICKED] = { "guest-panicked", VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED },
    [MONITOR_RUN_INMIGRATE] = { "inmigrate", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION },
    [MONITOR_RUN_INTERNAL_ERROR] = { "internal-error", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN },
    [MONITOR_RUN_IO_ERROR] = { "io-error", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR },
    [MONITOR_RUN_PAUSED] = { "paused", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN },
    [MONITOR_RUN_POSTMIGRATE] = { "postmigrate", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION },
    [MONITOR_RUN_PRELAUNCH] = { "prelaunch", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP },
    [MONITOR_RUN_RESTORE_VM] = { "restore-vm", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_FROM_SNAPSHOT },
    [MONITOR_RUN_RUNNING] = { "running", VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNKNOWN },
    [MONITOR_RUN_SAVE_VM] = { "save-vm", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SAVE },
    [MONITOR_RUN_SHUTDOWN] = { "shutdown", VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN },
    [MONITOR_RUN_SUSPENDED] = { "suspended", VIR_DOMAIN_PMSUSPENDED, VIR_DOMAIN_PMSUSPENDED_UNKNOWN },
    [MONITOR_RUN_WATCHDOG] = { "watchdog", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_WATCHDOG },
};
G_STATIC_ASSERT(G_N_ELEMENTS(run_states) == MONITOR_RUN_COUNT);

void monitor_run_state_to_domain(MonitorRunState run_state, int *ret_state, int *ret_reason)
{
    MonitorRunState known = run_state < MONITOR_RUN_COUNT ? run_state : MONITOR_RUN_UNKNOWN;
    *ret_state = run_states[known].state;
    *ret_reason = run_states[known].reason;
}

bool monitor_query_status(Qmp *qmp, uint64_t timeout_ms, MonitorStatus *ret_status, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_object(qmp, "query-status", NULL, timeout_ms, &reply, err))
        return false;
    const char *name = json_get_str(reply, "status");
    if (!name)
        return monitor_bad_reply("query-status", err);
    MonitorStatus status = { .run_state = MONITOR_RUN_UNKNOWN,
                             .running = json_get_bool(reply, "running", false) };
    for (int i = 0; i < MONITOR_RUN_COUNT; i++)
        if (strcmp(run_states[i].name, name) == 0)
            status.run_state = (MonitorRunState)i;
    *ret_status = status;
    return true;
}

bool monitor_stop(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "stop", NULL, timeout_ms, err);
}

bool monitor_cont(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "cont", NULL, timeout_ms, err);
}

bool monitor_powerdown(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "system_powerdown", NULL, timeout_ms, err);
}

bool monitor_reset(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "system_reset", NULL, timeout_ms, err);
}

bool monitor_wakeup(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "system_wakeup", NULL, timeout_ms, err);
}

bool monitor_inject_nmi(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "inject-nmi", NULL, timeout_ms, err);
}

bool monitor_reset_rtc_ticks(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "rtc-reset-reinjection", NULL, timeout_ms, err);
}

/* ---- CPUs, I/O threads, character devices ---- */

static void monitor_cpu_free(void *data)
{
    MonitorCpu *cpu = data;
    g_free(cpu->qom_path);
    g_free(cpu);
}

static int monitor_cpu_compare(const void *a, const void *b)
{
    const MonitorCpu *x = *(MonitorCpu *const *)a, *y = *(MonitorCpu *const *)b;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* NULL if it makes no sense. */
static MonitorCpu *monitor_parse_cpu(const Json *entry)
{
    int64_t index = json_get_int(entry, "cpu-index", -1), thread_id = json_get_int(entry, "thread-id", 0);
    if (index < 0 || index >= MONITOR_MAX_ENTRIES || thread_id <= 0 || thread_id > INT32_MAX)
        return NULL;
    const Json *props = json_get_obj(entry, "props");
    MonitorCpu *cpu = g_new0(MonitorCpu, 1);
    *cpu = (MonitorCpu){
        .index = (unsigned)index,
        .thread_id = thread_id,
        .qom_path = g_strdup(json_get_str(entry, "qom-path")),
        .socket_id = json_get_int(props, "socket-id", -1),
        .die_id = json_get_int(props, "die-id", -1),
        .core_id = json_get_int(props, "core-id", -1),
        .hw_thread_id = json_get_int(props, "thread-id", -1),
        .node_id = json_get_int(props, "node-id", -1),
    };
    return cpu;
}

static bool monitor_parse_cpus(const Json *reply, GPtrArray **ret_cpus, Error **err)
{
    if (!monitor_is_list(reply))
        return monitor_bad_reply("query-cpus-fast", err);
    g_autoptr(GPtrArray) cpus = g_ptr_array_new_with_free_func(monitor_cpu_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        MonitorCpu *cpu = monitor_parse_cpu(entry);
        if (!cpu)
            return monitor_bad_reply("query-cpus-fast", err);
        g_ptr_array_add(cpus, cpu);
    }
    g_ptr_array_sort(cpus, monitor_cpu_compare);
    *ret_cpus = g_steal_pointer(&cpus);
    return true;
}

bool monitor_query_cpus(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_cpus, Error **err)
{
    AUTO_JSON reply = NULL;
    return qmp_exec(qmp, "query-cpus-fast", NULL, timeout_ms, &reply, err) &&
           monitor_parse_cpus(reply, ret_cpus, err);
}

static void monitor_cpu_slot_free(void *data)
{
    MonitorCpuSlot *slot = data;
    g_free(slot->driver);
    json_decref(slot->props);
    g_free(slot->qom_path);
    g_free(slot);
}

/* QEMU lists them from the last to the first. */
bool monitor_query_cpu_slots(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_slots, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-hotpluggable-cpus", NULL, timeout_ms, &reply, err))
        return false;
    g_autoptr(GPtrArray) slots = g_ptr_array_new_with_free_func(monitor_cpu_slot_free);
    for (size_t i = json_array_size(reply); i-- > 0;) {
        const Json *entry = json_array_get(reply, i);
        const char *driver = json_get_str(entry, "type");
        Json *props = json_object_get(entry, "props");
        if (!driver || !json_is_object(props) || json_get_int(entry, "vcpus-count", 1) != 1)
            return monitor_bad_reply("query-hotpluggable-cpus", err);
        MonitorCpuSlot *slot = g_new0(MonitorCpuSlot, 1);
        *slot = (MonitorCpuSlot){ .driver = g_strdup(driver),
                                  .props = json_incref(props),
                                  .qom_path = g_strdup(json_get_str(entry, "qom-path")) };
        g_ptr_array_add(slots, slot);
    }
    *ret_slots = g_steal_pointer(&slots);
    return true;
}

static void monitor_iothread_free(void *data)
{
    MonitorIoThread *thread = data;
    g_free(thread->id);
    g_free(thread);
}

bool monitor_query_iothreads(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_threads, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-iothreads", NULL, timeout_ms, &reply, err))
        return false;
    g_autoptr(GPtrArray) threads = g_ptr_array_new_with_free_func(monitor_iothread_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *id = json_get_str(entry, "id");
        int64_t thread_id = json_get_int(entry, "thread-id", 0);
        if (!id || thread_id <= 0 || thread_id > INT32_MAX)
            return monitor_bad_reply("query-iothreads", err);
        MonitorIoThread *thread = g_new0(MonitorIoThread, 1);
        *thread = (MonitorIoThread){ .id = g_strdup(id),
                                     .thread_id = thread_id,
                                     .poll_max_ns = json_get_int(entry, "poll-max-ns", 0),
                                     .poll_grow = json_get_int(entry, "poll-grow", 0),
                                     .poll_shrink = json_get_int(entry, "poll-shrink", 0) };
        g_ptr_array_add(threads, thread);
    }
    *ret_threads = g_steal_pointer(&threads);
    return true;
}

static void monitor_chardev_free(void *data)
{
    MonitorChardev *chardev = data;
    g_free(chardev->label);
    g_free(chardev->filename);
    g_free(chardev->pty);
    g_free(chardev);
}

/* "pty:/dev/pts/3" and nothing else: the daemon opens what is named here, so it may only be a pseudo
 * terminal. */
static char *monitor_parse_pty(const char *filename)
{
    static const char prefix[] = "pty:";
    if (!g_str_has_prefix(filename, prefix))
        return NULL;
    const char *path = filename + strlen(prefix), *digits = path + strlen("/dev/pts/");
    bool good =
        g_str_has_prefix(path, "/dev/pts/") && digits[0] && strspn(digits, "0123456789") == strlen(digits);
    return good ? g_strdup(path) : NULL;
}

static bool monitor_parse_chardevs(const Json *reply, GHashTable **ret_chardevs, Error **err)
{
    if (!monitor_is_list(reply))
        return monitor_bad_reply("query-chardev", err);
    g_autoptr(GHashTable) chardevs =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, monitor_chardev_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *label = json_get_str(entry, "label"), *filename = json_get_str(entry, "filename");
        if (!label || !filename)
            return monitor_bad_reply("query-chardev", err);
        MonitorChardev *chardev = g_new0(MonitorChardev, 1);
        *chardev = (MonitorChardev){ .label = g_strdup(label),
                                     .filename = g_strdup(filename),
                                     .pty = monitor_parse_pty(filename),
                                     .frontend_open = json_get_bool(entry, "frontend-open", false) };
        g_hash_table_replace(chardevs, chardev->label, chardev);
    }
    *ret_chardevs = g_steal_pointer(&chardevs);
    return true;
}

bool monitor_query_chardevs(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_chardevs, Error **err)
{
    AUTO_JSON reply = NULL;

    return qmp_exec(qmp, "query-chardev", NULL, timeout_ms, &reply, err) &&
           monitor_parse_chardevs(reply, ret_chardevs, err);
}

/* ---- memory ---- */

static bool monitor_parse_balloon(const Json *reply, uint64_t *ret_bytes, Error **err)
{
    int64_t actual = json_get_int(reply, "actual", -1);
    if (actual < 0)
        return monitor_bad_reply("query-balloon", err);
    *ret_bytes = (uint64_t)actual;
    return true;
}

bool monitor_query_balloon(Qmp *qmp, uint64_t timeout_ms, uint64_t *ret_bytes, Error **err)
{
    AUTO_JSON reply = NULL;
    return qmp_exec(qmp, "query-balloon", NULL, timeout_ms, &reply, err) &&
           monitor_parse_balloon(reply, ret_bytes, err);
}

bool monitor_set_balloon(Qmp *qmp, uint64_t bytes, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "balloon", json_pack("{s:I}", "value", (json_int_t)MIN(bytes, INT64_MAX)),
                      timeout_ms, err);
}

bool monitor_query_balloon_stats(Qmp *qmp, const char *alias, uint64_t timeout_ms,
                                 MonitorBalloonStats *ret_stats, Error **err)
{
    g_autofree char *path = NULL;
    AUTO_JSON reply = NULL;
    if (!monitor_qom_path(alias, &path, err) ||
        !monitor_ask_object(qmp, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", "guest-stats"),
                            timeout_ms, &reply, err))
        return false;
    const Json *stats = json_get_obj(reply, "stats");
    if (!stats)
        return monitor_bad_reply("qom-get guest-stats", err);
    *ret_stats = (MonitorBalloonStats){
        .swap_in = line_json_get_u64(stats, "stat-swap-in", UINT64_MAX),
        .swap_out = line_json_get_u64(stats, "stat-swap-out", UINT64_MAX),
        .major_faults = line_json_get_u64(stats, "stat-major-faults", UINT64_MAX),
        .minor_faults = line_json_get_u64(stats, "stat-minor-faults", UINT64_MAX),
        .free = line_json_get_u64(stats, "stat-free-memory", UINT64_MAX),
        .total = line_json_get_u64(stats, "stat-total-memory", UINT64_MAX),
        .available = line_json_get_u64(stats, "stat-available-memory", UINT64_MAX),
        .disk_caches = line_json_get_u64(stats, "stat-disk-caches", UINT64_MAX),
        .hugetlb_allocations = line_json_get_u64(stats, "stat-htlb-pgalloc", UINT64_MAX),
        .hugetlb_failures = line_json_get_u64(stats, "stat-htlb-pgfail", UINT64_MAX),
        .last_update_s = json_get_uint(reply, "last-update", 0),
    };
    return true;
}

/* NULL: @alias is none. */
static Json *monitor_balloon_period_args(const char *alias, unsigned period_s, Error **err)
{
    g_autofree char *path = NULL;
    if (!monitor_qom_path(alias, &path, err))
        return NULL;
    return json_pack("{s:s, s:s, s:I}", "path", path, "property", "guest-stats-polling-interval", "value",
                     (json_int_t)period_s);
}

bool monitor_set_requested_size(Qmp *qmp, const char *alias, uint64_t bytes, uint64_t timeout_ms, Error **err)
{
    g_autofree char *path = NULL;

    return monitor_qom_path(alias, &path, err) &&
           monitor_do(qmp, "qom-set",
                      json_pack("{s:s, s:s, s:I}", "path", path, "property", "requested-size", "value",
                                (json_int_t)bytes),
                      timeout_ms, err);
}

bool monitor_set_balloon_period(Qmp *qmp, const char *alias, unsigned period_s, uint64_t timeout_ms,
                                Error **err)
{
    Json *args = monitor_balloon_period_args(alias, period_s, err);
    return args && monitor_do(qmp, "qom-set", args, timeout_ms, err);
}

/* ---- a QEMU that has just started ---- */

void monitor_welcome_clear(MonitorWelcome *welcome)
{
    g_clear_pointer(&welcome->cpus, g_ptr_array_unref);
    g_clear_pointer(&welcome->chardevs, g_hash_table_unref);
    g_clear_pointer(&welcome->cpuid, json_decref);
}

/* Where QEMU keeps the CPU that it makes first. */
#define FIRST_CPU "/machine/unattached/device[0]"

static Json *monitor_cpuid_args(const char *qom_path)
{
    return json_pack("{s:s, s:s}", "path", qom_path, "property", "feature-words");
}

/* Takes the answer for the first CPU, which was asked for where it usually is. */
static bool monitor_take_cpuid(Qmp *qmp, MonitorWelcome *welcome, Json *words, uint64_t timeout_ms,
                               Error **err)
{
    const MonitorCpu *first = welcome->cpus->len > 0 ? g_ptr_array_index(welcome->cpus, 0) : NULL;
    g_autoptr(Error) refused = NULL;

    if (!first || !first->qom_path)
        return true;
    if (strcmp(first->qom_path, FIRST_CPU) == 0)
        welcome->cpuid = json_is_array(words) ? json_incref(words) : NULL;
    else if (!monitor_ask_list(qmp, "qom-get", monitor_cpuid_args(first->qom_path), timeout_ms,
                               &welcome->cpuid, &refused))
        return error_code(refused) == ERROR_REFUSED || error_propagate(err, g_steal_pointer(&refused));
    return true;
}

#define WELCOME_MAX 6

/* The questions of @welcome, in this order; those about the balloon come last. */
static bool monitor_welcome_ask(const MonitorWelcome *welcome, QmpCommand *commands, size_t *ret_count,
                                Error **err)
{
    size_t n = 0;

    commands[n++] = (QmpCommand){ .name = "query-cpus-fast" };
    commands[n++] = (QmpCommand){ .name = "query-chardev" };
    if (welcome->has_cpuid)
        commands[n++] =
            (QmpCommand){ .name = "qom-get", .may_be_refused = true, .args = monitor_cpuid_args(FIRST_CPU) };
    if (welcome->balloon_alias && welcome->balloon_period_s) {
        Json *args = monitor_balloon_period_args(welcome->balloon_alias, welcome->balloon_period_s, err);
        if (!args) {
            qmp_commands_clear(commands, n);
            return false;
        }
        commands[n++] = (QmpCommand){ .name = "qom-set", .args = args };
    }
    if (welcome->balloon_alias && welcome->balloon_target)
        commands[n++] =
            (QmpCommand){ .name = "balloon",
                          .args = json_pack("{s:I}", "value", (json_int_t)welcome->balloon_target) };
    if (welcome->balloon_alias && !welcome->balloon_is_empty)
        commands[n++] = (QmpCommand){ .name = "query-balloon" };
    *ret_count = n;
    return true;
}

static bool monitor_welcome_take(Qmp *qmp, MonitorWelcome *welcome, const QmpCommand *commands, size_t n,
                                 uint64_t timeout_ms, Error **err)
{
    return monitor_parse_cpus(commands[0].reply, &welcome->cpus, err) &&
           monitor_parse_chardevs(commands[1].reply, &welcome->chardevs, err) &&
           (!welcome->balloon_alias || welcome->balloon_is_empty ||
            monitor_parse_balloon(commands[n - 1].reply, &welcome->balloon_bytes, err)) &&
           (!welcome->has_cpuid || monitor_take_cpuid(qmp, welcome, commands[2].reply, timeout_ms, err));
}

bool monitor_welcome(Qmp *qmp, MonitorWelcome *welcome, uint64_t timeout_ms, Error **err)
{
    QmpCommand commands[WELCOME_MAX] = { 0 };
    size_t n = 0;

    if (!monitor_welcome_ask(welcome, commands, &n, err))
        return false;
    const bool ok = qmp_exec_all(qmp, commands, n, timeout_ms, err) &&
                    monitor_welcome_take(qmp, welcome, commands, n, timeout_ms, err);
    qmp_commands_clear(commands, n);
    return ok;
}

bool monitor_open(int fd, const char *name, const QmpHandlers *handlers, MonitorWelcome *welcome,
                  uint64_t timeout_ms, Qmp **ret_qmp, Error **err)
{
    QmpCommand commands[WELCOME_MAX] = { 0 };
    size_t n = 0;

    if (!monitor_welcome_ask(welcome, commands, &n, err)) {
        (void)close(fd);
        return false;
    }
    Qmp *qmp = NULL;
    bool ok = qmp_open_with(fd, name, handlers, commands, n, timeout_ms, &qmp, err);
    if (ok && !monitor_welcome_take(qmp, welcome, commands, n, timeout_ms, err)) {
        qmp_close(qmp);
        ok = false;
    }
    qmp_commands_clear(commands, n);
    if (ok)
        *ret_qmp = qmp;
    return ok;
}

/* ---- display and keyboard ---- */

static Json *monitor_screendump_args(int64_t fdset, const char *device, unsigned head, bool png)
{
    g_autofree char *path = g_strdup_printf("/dev/fdset/%" JSON_INTEGER_FORMAT, (json_int_t)fdset);
    Json *args = json_pack("{s:s}", "filename", path);
    if (device) {
        json_object_set_new(args, "device", json_string(device));
        json_object_set_new(args, "head", json_integer(head));
    }
    if (png)
        json_object_set_new(args, "format", json_string("png"));
    return args;
}

bool monitor_screendump(Qmp *qmp, int fd, const char *device, unsigned head, bool png, uint64_t timeout_ms,
                        Error **err)
{
    AUTO_JSON reply = NULL;
    if (!qmp_exec_fd(qmp, "add-fd", NULL, fd, timeout_ms, &reply, err))
        return false;
    int64_t fdset = json_get_int(reply, "fdset-id", -1);
    if (fdset < 0)
        return monitor_bad_reply("add-fd", err);
    bool ok =
        monitor_do(qmp, "screendump", monitor_screendump_args(fdset, device, head, png), timeout_ms, err);
    fiber_shield_begin();
    g_autoptr(Error) failure = NULL;
    if (!monitor_do(qmp, "remove-fd", json_pack("{s:I}", "fdset-id", (json_int_t)fdset), timeout_ms,
                    &failure))
        log_warning_error(failure, "taking back the file of a screenshot");
    fiber_shield_end();
    return ok;
}

bool monitor_send_keys(Qmp *qmp, unsigned set, const unsigned *codes, size_t n_codes, unsigned hold_ms,
                       uint64_t timeout_ms, Error **err)
{
    if (n_codes == 0 || n_codes > MONITOR_MAX_KEYS)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu keys at once: between 1 and %d are possible",
                         n_codes, MONITOR_MAX_KEYS);
    AUTO_JSON keys = json_array();
    for (size_t i = 0; i < n_codes; i++) {
        unsigned qnum;
        if (!keycode_to_qnum(set, codes[i], &qnum, err))
            return false;
        json_array_append_new(keys, json_pack("{s:s, s:i}", "type", "number", "data", (int)qnum));
    }
    Json *args = json_pack("{s:O}", "keys", keys);
    if (hold_ms)
        json_object_set_new(args, "hold-time", json_integer(hold_ms));
    return monitor_do(qmp, "send-key", args, timeout_ms, err);
}

bool monitor_add_client(Qmp *qmp, const char *protocol, int fd, bool skip_auth, uint64_t timeout_ms,
                        Error **err)
{
    return monitor_do_with_fd(qmp, "client", fd, "add_client",
                              json_pack("{s:s, s:s, s:b}", "protocol", protocol, "fdname", "client",
                                        "skipauth", skip_auth),
                              timeout_ms, err);
}

bool monitor_set_password(Qmp *qmp, const char *protocol, const char *password, const char *connected,
                          const char *expire, uint64_t timeout_ms, Error **err)
{
    if (password) {
        Json *args = json_pack("{s:s, s:s, s:s}", "protocol", protocol, "password", password, "connected",
                               connected ? connected : "keep");
        if (!args)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the %s password is not valid UTF-8", protocol);
        if (!monitor_do(qmp, "set_password", args, timeout_ms, err))
            return false;
    }
    return !expire ||
           monitor_do(qmp, "expire_password", json_pack("{s:s, s:s}", "protocol", protocol, "time", expire),
                      timeout_ms, err);
}

bool monitor_list_devices(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_names, Error **err)
{
    AUTO_JSON list = NULL;
    size_t i = 0;
    Json *entry = NULL;

    if (!monitor_ask_list(qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), timeout_ms,
                          &list, err))
        return false;
    *ret_names = g_ptr_array_new_with_free_func(g_free);
    json_array_foreach (list, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (name)
            g_ptr_array_add(*ret_names, g_strdup(name));
    }
    return true;
}

/* ---- network cards ---- */

bool monitor_set_link(Qmp *qmp, const char *alias, bool up, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "set_link", json_pack("{s:s, s:b}", "name", alias, "up", up), timeout_ms, err);
}

bool monitor_announce_self(Qmp *qmp, const char *alias, const MonitorAnnounce *how, uint64_t timeout_ms,
                           Error **err)
{
    Json *args = json_pack("{s:I, s:I, s:I, s:I}", "initial", (json_int_t)how->initial_ms, "max",
                           (json_int_t)how->max_ms, "rounds", (json_int_t)how->rounds, "step",
                           (json_int_t)how->step_ms);
    if (alias)
        json_object_set_new(args, "interfaces", json_pack("[s]", alias));
    return monitor_do(qmp, "announce-self", args, timeout_ms, err);
}

bool monitor_set_reboot_action(Qmp *qmp, bool reboots, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "set-action", json_pack("{s:s}", "reboot", reboots ? "reset" : "shutdown"),
                      timeout_ms, err);
}

bool monitor_set_write_threshold(Qmp *qmp, const char *node, uint64_t bytes, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "block-set-write-threshold",
                      json_pack("{s:s, s:I}", "node-name", node, "write-threshold",
                                (json_int_t)MIN(bytes, INT64_MAX)),
                      timeout_ms, err);
}

bool monitor_query_rx_filter(Qmp *qmp, const char *alias, uint64_t timeout_ms, MonitorRxFilter *ret_filter,
                             Error **err)
{
    static const char command[] = "query-rx-filter";
    AUTO_JSON list = NULL;
    MonitorRxFilter filter = { 0 };

    if (!monitor_ask_list(qmp, command, json_pack("{s:s}", "name", alias), timeout_ms, &list, err))
        return false;
    const Json *first = json_array_get(list, 0);
    const char *mac = json_get_str(first, "main-mac"), *multicast = json_get_str(first, "multicast");
    if (!mac || !mac_parse(mac, &filter.mac, NULL))
        return monitor_bad_reply(command, err);
    filter.promiscuous = json_get_bool(first, "promiscuous", false);
    filter.all_multicast = g_strcmp0(multicast, "all") == 0 ||
                           json_get_bool(first, "multicast-overflow", false) ||
                           json_array_size(json_get_arr(first, "multicast-table")) > 0;
    *ret_filter = filter;
    return true;
}
