/* Migration from here: begin, perform, confirm.
 *
 * Between the calls of its driver a migration is kept by a fiber of its own, which holds the machine's job:
 * so whoever aborts it, destroys the machine or leaves without a word wakes that fiber, which takes back what
 * there is to take back. During a call the call's fiber stands in for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "base/socket_tcp.h"
#include "conf/xml_table.h"
#include "machine/vm_backup.h"
#include "machine/vm_block_job.h"
#include "machine/vm_define.h"
#include "machine/vm_dump.h"
#include "machine/vm_lease.h"
#include "machine/vm_migrate_private.h"
#include "machine/vm_moment.h"
#include "machine/vm_state_files.h"
#include "qemu/monitor_nbd.h"

#define POLL_MS 500
#define CONNECT_MS 30000
#define STALL_MS 60000
#define CANCEL_MS 10000
#define CANCEL_POLL_MS 20
#define FILES_MAX (UINT32_C(3) << 20) /* encoded: of what a cookie may have */

static const char *const phase_names[MIGRATE_PHASE_COUNT] = { "", "perform", "postcopy", "done" };

/* ---- what is written down ---- */

bool migrate_note_phase(Outgoing *out, MigratePhase phase, Error **err)
{
    VmRun *run = out->vm->run;

    if (phase != MIGRATE_DONE && phase != MIGRATE_POSTCOPY)
        job_reopen(&out->job);
    else if (!job_commit(&out->job, err)) /* from here on the destination decides */
        return false;
    xml_table_free(&migrate_note_table, run->migration);
    run->migration = NULL;
    if (phase != MIGRATE_NONE) {
        run->migration = xml_table_new(&migrate_note_table);
        run->migration->phase = g_strdup(phase_names[phase]);
        run->migration->peer = g_strdup(out->params.peer);
    }
    /* What goes on by itself: see the rules in vm_migrate.h. */
    run->must_run = phase == MIGRATE_PERFORM && out->was_running;
    out->phase = phase;
    return vm_status_save(out->vm, err);
}

/* ---- begin ---- */

static bool check_devices(const Vm *vm, Error **err)
{
    for (DEF_EACH(HostdevDef, hostdev, vm->live->hostdevs)) {
        (void)hostdev;
        error_set(err, ERROR_INVALID_STATE, "cannot migrate a domain with a device of its host");
        return error_hint(err, "detach it before, and attach one of the other host afterwards");
    }
    for (DEF_EACH(FilesystemDef, fs, vm->live->filesystems)) {
        (void)fs;
        return error_set(err, ERROR_INVALID_STATE,
                         "migration with a shared file system device is not supported");
    }
    if (domain_has_transient(vm->live))
        return error_set(err, ERROR_INVALID_STATE, "migration with transient disk is not supported");
    return true;
}

static bool check_state(Vm *vm, const MigrateParams *params, Error **err)
{
    if (params->flags & VIR_MIGRATE_OFFLINE) {
        if (!vm->config)
            return error_set(err, ERROR_INVALID_STATE, "cannot migrate a transient domain offline");
        return object_require_listed(&vm->object, err);
    }
    if (!vm_require_running(vm, err)) {
        error_hint(err, "--offline --persistent moves the definition of a machine that is off");
        return false;
    }
    if (!vm_require_monitor(vm, err) || !vm_backup_require_none(vm, err) || !check_devices(vm, err) ||
        !migrate_check_disks(vm, params, err))
        return false;
    const VmBlockJob *busy = vm_block_job_of_disk(vm, NULL);
    if (busy)
        return error_set(err, ERROR_INVALID_STATE, "domain has active block job '%s'", busy->id);
    if (vm->state == VM_STATE_PAUSED && vm->reason == VIR_DOMAIN_PAUSED_IOERROR &&
        params->flags & VIR_MIGRATE_ABORT_ON_ERROR)
        return error_set(err, ERROR_OPERATION_FAILED, "cannot migrate domain with I/O error");
    if ((params->flags & VIR_MIGRATE_POSTCOPY) &&
        (params->flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC)))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "disks cannot be copied in a migration that may change to post-copy");
    if ((params->throttle_initial || params->throttle_increment) &&
        !(params->flags & VIR_MIGRATE_AUTO_CONVERGE)) /* of which the destination is not told */
        return error_set(err, ERROR_INVALID_ARGUMENT, "Turn auto convergence on to tune it");
    if ((params->flags & VIR_MIGRATE_UNDEFINE_SOURCE) && moment_count(vm->snapshots) > 0)
        return error_set(err, ERROR_INVALID_STATE, "cannot migrate domain with %u snapshots",
                         moment_count(vm->snapshots));
    return true;
}

static char *make_xml(Vm *vm, const MigrateParams *params)
{
    return vm_xml_format_migratable(vm->host, params->flags & VIR_MIGRATE_OFFLINE ? vm->config : vm->live);
}

/* As the other side will read it. */
AWAITS static bool read_migratable(const Vm *vm, const DomainDef *from, char **ret_xml, DomainDef **ret_def,
                                   Error **err)
{
    g_autofree char *xml = vm_xml_format_migratable(vm->host, from);

    if (!vm_xml_parse(vm->host, xml, strlen(xml), "(machine)", VM_XML_TRUSTED, ret_def, err))
        return false;
    *ret_xml = g_steal_pointer(&xml);
    return true;
}

/* What the client wants there in the place of what is here. Such documents leave out controllers that every
 * machine has, and get them elsewhere in the list: what is compared has gone that way on both sides. */
AWAITS static bool change_xml(Vm *vm, const char *wanted, char **io_xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;
    g_autoptr(DomainDef) theirs = NULL;
    g_autoptr(DomainDef) ours = NULL;
    g_autofree char *xml = NULL, *unused = NULL;

    if (!vm_xml_parse(vm->host, wanted, strlen(wanted), "(domain_definition)", 0, &def, err) ||
        !read_migratable(vm, def, &xml, &theirs, err) ||
        !read_migratable(vm, vm_def(vm), &unused, &ours, err) || !vm_xml_check_abi(ours, theirs, err))
        return false;
    g_free(*io_xml);
    *io_xml = g_steal_pointer(&xml);
    return true;
}

/* With a guest that runs they go in QEMU's stream. */
AWAITS static bool read_files(Vm *vm, Json **ret_files, Error **err)
{
    AUTO_JSON files = NULL;
    size_t bytes = 0;

    if (!vm_read_state_files(vm, &files, err))
        return false;
    for (size_t i = 0; i < json_array_size(files); i++)
        bytes += strlen(json_get_str(json_array_get(files, i), "data"));
    if (bytes > FILES_MAX) {
        error_set(err, ERROR_OPERATION_FAILED,
                  "firmware variables and TPM state of machine '%s' are too large to go along", vm->name);
        return error_hint(err, "migrate it while it runs");
    }
    if (bytes > 0)
        *ret_files = g_steal_pointer(&files);
    return true;
}

/* ---- after a link that broke ---- */

/* The guest runs there, with a part of its memory. */
AWAITS static bool check_broken(Outgoing *out, Error **err)
{
    Vm *vm = out->vm;
    g_auto(MonitorMigration) now = { 0 };

    if (!vm_require_monitor(vm, err))
        return false;
    if (!vm->run->migration || strcmp(vm->run->migration->phase, phase_names[MIGRATE_POSTCOPY]) != 0)
        return error_set(err, ERROR_INVALID_STATE, "no post-copy migration of domain '%s' has failed",
                         vm->name);
    if (!monitor_query_migration(vm_monitor(vm), 0, &now, err))
        return false;
    if (now.status != MONITOR_JOB_BROKEN)
        return error_set(err, ERROR_INVALID_STATE,
                         "the post-copy migration of domain '%s' is not interrupted", vm->name);
    out->phase = MIGRATE_POSTCOPY;
    return job_commit(&out->job, err);
}

bool migrate_source_begin(Outgoing *out, char **ret_xml, char **ret_cookie, Error **err)
{
    Vm *vm = out->vm;
    const MigrateParams *params = &out->params;
    g_auto(MigrateCookie) cookie = { 0 };

    const bool is_resumed = params->flags & VIR_MIGRATE_POSTCOPY_RESUME;
    if (is_resumed ? !check_broken(out, err)
                   : !check_state(vm, params, err) || !migrate_check_safe(vm, params, err))
        return false;
    g_autofree char *xml = make_xml(vm, params);
    if (params->xml && !change_xml(vm, params->xml, &xml, err))
        return false;
    if (!(params->flags & VIR_MIGRATE_OFFLINE) && !is_resumed) {
        cookie.has_caps = true;
        for (unsigned i = 0; i < MIGRATE_CAP_COUNT; i++)
            if (migrate_caps[i].side == MIGRATE_AT_SOURCE)
                cookie.auto_caps |= 1u << i;
        if (!migrate_list_disks(vm, params, &cookie, err))
            return false;
        cookie.tls = migrate_tls_offer(vm, params);
        cookie.postcopy = migrate_converge_wants_postcopy(vm, params);
        if (!vm_require_monitor(vm, err))
            return false;
    } else if (!is_resumed && !read_files(vm, &cookie.files, err)) {
        return false;
    }
    *ret_cookie = migrate_cookie_format(vm, vm->name, &cookie);
    *ret_xml = g_steal_pointer(&xml);
    return true;
}

/* ---- perform ---- */

static bool find_address(const char *uri, MigrateAddress *ret_address, Error **err)
{
    if (!uri)
        return error_set(err, ERROR_INTERNAL, "the destination did not say where it waits");
    return migrate_address_parse(uri, ret_address, err) &&
           (ret_address->path || ret_address->port ||
            error_set(err, ERROR_INVALID_ARGUMENT, "missing port in migration URI: %s", uri));
}

/* QEMU itself connects where it opens several connections, or has to know TLS. */
static bool qemu_connects(const MigrateParams *params)
{
    return params->flags & (VIR_MIGRATE_PARALLEL | VIR_MIGRATE_TLS | VIR_MIGRATE_POSTCOPY);
}

static char *qemu_uri(const MigrateAddress *to)
{
    return g_strdup_printf(strchr(to->host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", to->host, to->port);
}

AWAITS static bool start_memory(Outgoing *out, const MigrateAddress *to, int tunnel_fd, Error **err)
{
    Qmp *qmp = vm_monitor(out->vm);
    AUTO_FD fd = -1;

    if (tunnel_fd >= 0)
        return monitor_migrate_to_fd(qmp, tunnel_fd, 0, err);
    if (to->host && qemu_connects(&out->params)) {
        g_autofree char *uri = qemu_uri(to);
        return monitor_migrate_to_uri(qmp, uri, false, 0, err);
    }
    if (out->params.flags & VIR_MIGRATE_PARALLEL)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parallel connections go over TCP, not to '%s'",
                         to->path);
    g_autofree char *port = g_strdup_printf("%u", to->port);
    const bool is_there = to->host ? socket_connect_tcp(to->host, port, CONNECT_MS, &fd, err)
                                   : socket_connect_unix(to->path, CONNECT_MS, &fd, err);
    if (!is_there) {
        error_prefix(err, "unable to connect to '%s' for the migration of domain '%s'",
                     to->host ? to->host : to->path, out->vm->name);
        return error_hint(err, "its ports for migrations (qemu.conf: migration_port_min, _max) must be "
                               "reachable from here");
    }
    /* QEMU reads and writes it as it likes to: what it does not block on it sets itself. */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return vm_require_monitor(out->vm, err) && monitor_migrate_to_fd(vm_monitor(out->vm), fd, 0, err);
}

/* What ends it for other reasons than QEMU's. */
static bool check_still_wanted(const Outgoing *out, Error **err)
{
    const Vm *vm = out->vm;

    if (!vm->run || vm->run->exited)
        return error_set(err, ERROR_VM_GONE, "QEMU exited unexpectedly during the migration");
    if (job_is_aborted(&out->job))
        return error_set(err, ERROR_CANCELLED, "operation aborted: migration out job: canceled by client");
    if ((out->params.flags & VIR_MIGRATE_ABORT_ON_ERROR) && vm->state == VM_STATE_PAUSED &&
        vm->reason == VIR_DOMAIN_PAUSED_IOERROR)
        return error_set(err, ERROR_OPERATION_FAILED, "migration out job: failed due to I/O error");
    return true;
}

/* One look; *ret_moved: what only grows. */
AWAITS static bool look(Outgoing *out, MonitorMigration *ret_now, uint64_t *ret_moved, bool *ret_disks_ready,
                        Error **err)
{
    JobProgress progress = { 0 };

    *ret_disks_ready = true;
    if (!monitor_query_migration(vm_monitor(out->vm), 0, ret_now, err))
        return false;
    vm_state_progress(ret_now, &progress);
    progress.type = VIR_DOMAIN_JOB_UNBOUNDED;
    progress.operation = VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
    if (out->mirrors && !migrate_mirrors_poll(out->vm, out->mirrors, &progress, ret_disks_ready, err))
        return false;
    progress.data_total += progress.disk_total;
    progress.data_processed += progress.disk_processed;
    progress.data_remaining += progress.disk_remaining;
    *ret_moved = progress.data_processed;
    job_set_progress(&out->job, &progress);
    return true;
}

/* The guest stands still: what it wrote last goes over before QEMU lets the other side have the disks. */
AWAITS static bool switch_over(Outgoing *out, Error **err)
{
    job_set_phase(&out->job, "switching over");
    if (!migrate_mirrors_finish(out->vm, out->mirrors, err))
        return false;
    g_clear_pointer(&out->mirrors, migrate_mirrors_free);
    return vm_require_monitor(out->vm, err) && monitor_migrate_continue(vm_monitor(out->vm), 0, err);
}

static bool is_over(MonitorJobStatus status)
{
    return status == MONITOR_JOB_COMPLETED || status == MONITOR_JOB_FAILED ||
           status == MONITOR_JOB_CANCELLED || status == MONITOR_JOB_BROKEN;
}

/* Until the disks are the same on both sides (@for_disks), or QEMU has sent all. No deadline but for standing
 * still: a guest may be large, and the link slow. */
AWAITS static bool wait_until_moved(Outgoing *out, bool for_disks, MonitorJobStatus *ret_status, Error **err)
{
    uint64_t moved = 0, last_move_ms = loop_now_ms();

    while (true) {
        g_auto(MonitorMigration) now = { 0 };
        g_autoptr(Error) why = NULL;
        uint64_t now_moved = 0;
        bool disks_are_ready = false;
        if (!check_still_wanted(out, err) || !look(out, &now, &now_moved, &disks_are_ready, err))
            return false;
        *ret_status = now.status;
        if (for_disks && disks_are_ready)
            return true;
        /* Told to go on, QEMU may show the old state once more. */
        if (!for_disks && now.status == MONITOR_JOB_PAUSED && out->stopped_ms == 0) {
            out->stopped_ms = (uint64_t)g_get_real_time() / 1000;
            if (!switch_over(out, err))
                return false;
        }
        if (!for_disks && now.status == MONITOR_JOB_POSTCOPY && out->phase == MIGRATE_POSTCOPY)
            return true;
        if (!for_disks && out->phase == MIGRATE_PERFORM)
            migrate_converge_step(out, &now);
        if (!out->vm->run)
            continue;
        if (!for_disks && is_over(now.status))
            return now.status == MONITOR_JOB_COMPLETED ||
                   error_set(err, ERROR_OPERATION_FAILED, "migration out job: %s",
                             now.problem                           ? now.problem
                             : now.status == MONITOR_JOB_CANCELLED ? "canceled"
                                                                   : "unexpectedly failed");
        if (now_moved != moved) {
            moved = now_moved;
            last_move_ms = loop_now_ms();
        } else if (loop_now_ms() - last_move_ms > STALL_MS) {
            error_set(err, ERROR_TIMEOUT, "the other side has taken nothing for %u s", STALL_MS / 1000);
            return error_hint(err,
                              "the network between the hosts, or the destination's storage, does not answer");
        }
        if (!wait_queue_wait(&out->vm->run->changed, POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return check_still_wanted(out, err) ? error_propagate(err, g_steal_pointer(&why)) : false;
    }
}

AWAITS static bool resume(Outgoing *out, Error **err)
{
    g_auto(MigrateAddress) to = { 0 };
    MonitorJobStatus status = MONITOR_JOB_NONE;

    if (!check_broken(out, err) || !find_address(out->params.uri, &to, err))
        return false;
    if (!to.host)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "post-copy goes over TCP");
    job_set_phase(&out->job, "sending the rest of memory");
    g_autofree char *uri = qemu_uri(&to);
    return monitor_migrate_to_uri(vm_monitor(out->vm), uri, true, 0, err) &&
           wait_until_moved(out, false, &status, err) && vm_require_monitor(out->vm, err);
}

/* What the destination has taken of our offers. */
AWAITS static bool agree(Outgoing *out, const MigrateCookie *cookie, Error **err)
{
    MigrateParams *params = &out->params;

    if (cookie->postcopy && migrate_converge_wants_postcopy(out->vm, params))
        params->flags |= VIR_MIGRATE_POSTCOPY;
    if (!(params->flags & VIR_MIGRATE_TLS) && cookie->tls) {
        params->flags |= VIR_MIGRATE_TLS;
        if (!params->tls_destination)
            params->tls_destination = g_strdup(cookie->tls);
        log_info("machine '%s' goes under TLS to '%s'", out->vm->name, params->tls_destination);
    }
    if (!(params->flags & VIR_MIGRATE_TLS) && out->vm->host->config->migrate_tls_force) {
        error_set(err, ERROR_OPERATION_FAILED, "this host's machines migrate under TLS only");
        return error_hint(err, "say --tls, or set migrate_tls_force = 0 in qemu.conf");
    }
    return !(params->flags & VIR_MIGRATE_TLS) || migrate_tls_to_connect(out->vm, err);
}

AWAITS static bool start_disks(Outgoing *out, const MigrateCookie *cookie, const MigrateAddress *to,
                               const char *tls_id, Error **err)
{
    MonitorJobStatus status = MONITOR_JOB_NONE;
    const MigrateParams *params = &out->params;
    g_auto(MigrateAddress) disks_at = { 0 };

    if (!(params->flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC)))
        return true;
    if (cookie->nbd_port == 0)
        return error_set(err, ERROR_INTERNAL, "the destination offers no place for disks");
    if (params->disks_uri && !migrate_address_parse(params->disks_uri, &disks_at, err))
        return false;
    const char *host = disks_at.host ? disks_at.host : to->host;
    if (!host)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "disks are copied over TCP: say --disks-uri tcp://HOST:PORT");
    job_set_phase(&out->job, "copying disks");
    return migrate_mirrors_start(out->vm, params, host, cookie->nbd_port, tls_id, &out->mirrors, err) &&
           wait_until_moved(out, true, &status, err);
}

AWAITS static bool move_all(Outgoing *out, const MigrateCookie *cookie, int tunnel_fd, Error **err)
{
    Vm *vm = out->vm;
    g_auto(MigrateAddress) to = { 0 };
    MonitorJobStatus status = MONITOR_JOB_NONE;

    if ((tunnel_fd < 0 && !find_address(out->params.uri, &to, err)) ||
        !migrate_note_phase(out, MIGRATE_PERFORM, err) || !vm_require_monitor(vm, err) ||
        !agree(out, cookie, err))
        return false;
    const char *tls_id = out->params.flags & VIR_MIGRATE_TLS ? MIGRATE_TLS_ID : NULL;
    const char *tls_name = out->params.tls_destination ? out->params.tls_destination : to.host;
    MigrateParams told = out->params; /* borrows its texts */
    migrate_converge_prepare(out, &told);
    if (!migrate_tell_qemu(vm, &told, MIGRATE_AT_SOURCE, tls_id, tls_id ? tls_name : NULL, err) ||
        !start_disks(out, cookie, &to, tls_id, err))
        return false;
    if (!(out->params.flags & VIR_MIGRATE_LIVE) && vm->state == VM_STATE_RUNNING &&
        !vm_process_pause_cpus(vm, VIR_DOMAIN_PAUSED_MIGRATION, err))
        return false;
    job_set_phase(&out->job, "sending memory");
    migrate_converge_begin(out);
    if (!vm_require_monitor(vm, err))
        return false;
    vm->run->pause_reason = VIR_DOMAIN_PAUSED_MIGRATION;
    vm->run->migration_state = MONITOR_JOB_NONE;
    if (!start_memory(out, &to, tunnel_fd, err) || !wait_until_moved(out, false, &status, err) ||
        !vm_require_monitor(vm, err))
        return false;
    job_set_phase(&out->job, "waiting for the destination");
    if (out->phase != MIGRATE_POSTCOPY && !migrate_note_phase(out, MIGRATE_DONE, err))
        return false;
    vm_lease_drop_all(vm);
    return vm_require_monitor(vm, err);
}

/* As if nothing had been. Past the switch to post-copy that is not possible: the guest is there, and here is
 * a part of its memory only. */
AWAITS static void take_back(Outgoing *out)
{
    Vm *vm = out->vm;
    const uint64_t deadline_ms = loop_now_ms() + CANCEL_MS;

    fiber_shield_begin();
    if (out->phase == MIGRATE_POSTCOPY) {
        if (vm->run)
            vm_set_state(vm, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
    } else if (vm->run && vm->run->qmp && !vm->run->exited) {
        (void)!monitor_cancel_migration(vm_monitor(vm), CANCEL_MS, NULL);
        while (vm_monitor(vm) && vm_state_is_moving(vm) && loop_now_ms() < deadline_ms)
            if (!vm->run || (!wait_queue_wait(&vm->run->changed, CANCEL_POLL_MS, NULL) && !vm->run))
                break;
        migrate_mirrors_abandon(vm);
        migrate_reset_qemu(vm);
        migrate_converge_end(out);
        if (vm->run) {
            vm->run->must_run = out->was_running;
            vm->run->pause_reason = VIR_DOMAIN_PAUSED_UNKNOWN;
            vm_go_on(vm);
        }
        if (vm->run && !vm->run->must_run)
            (void)!migrate_note_phase(out, MIGRATE_NONE,
                                      NULL); /* at the worst the next daemon lets it go on again */
    }
    g_clear_pointer(&out->mirrors, migrate_mirrors_free);
    fiber_shield_end();
}

static void describe_end(Outgoing *out, MigrateCookie *cookie)
{
    const JobProgress *last = &out->vm->jobs.holder.progress;

    cookie->has_stats = true;
    cookie->stats = *last;
    cookie->stats.error = NULL;
    cookie->started_ms = out->began_ms;
    cookie->stopped_ms = out->stopped_ms;
    cookie->sent_ms = (uint64_t)g_get_real_time() / 1000;
    cookie->stats.elapsed_ms = cookie->sent_ms - MIN(out->began_ms, cookie->sent_ms);
}

/* The definition that stays there. */
AWAITS static bool make_persistent(Outgoing *out, MigrateCookie *cookie, Error **err)
{
    Vm *vm = out->vm;

    if (!(out->params.flags & VIR_MIGRATE_PERSIST_DEST))
        return true;
    if (vm->config) {
        cookie->domain_xml = vm_xml_format_migratable(vm->host, vm->config);
    } else {
        g_autofree char *inactive = vm_xml_format_inactive(vm->live, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
        g_autoptr(DomainDef) def = NULL;
        if (!vm_xml_parse(vm->host, inactive, strlen(inactive), "(machine)", VM_XML_TRUSTED, &def, err))
            return false;
        cookie->domain_xml = vm_xml_format_migratable(vm->host, def);
    }
    return !out->params.persist_xml || change_xml(vm, out->params.persist_xml, &cookie->domain_xml, err);
}

bool migrate_source_perform(Outgoing *out, const MigrateCookie *cookie, int tunnel_fd, char **ret_cookie,
                            Error **err)
{
    Vm *vm = out->vm;
    g_auto(MigrateCookie) reply = { 0 };

    const bool is_resumed = out->params.flags & VIR_MIGRATE_POSTCOPY_RESUME;
    if ((!is_resumed && !check_state(vm, &out->params, err)) || !make_persistent(out, &reply, err))
        return false;
    if (out->params.flags & VIR_MIGRATE_OFFLINE) {
        *ret_cookie = migrate_cookie_format(vm, vm->name, &reply);
        return true;
    }
    out->was_running = vm->state == VM_STATE_RUNNING;
    out->began_ms = (uint64_t)g_get_real_time() / 1000;
    if (is_resumed ? !resume(out, err) : !move_all(out, cookie, tunnel_fd, err)) {
        if (!is_resumed || out->phase == MIGRATE_POSTCOPY) /* else there was nothing to take up again */
            take_back(out);
        return false;
    }
    describe_end(out, &reply);
    *ret_cookie = migrate_cookie_format(vm, vm->name, &reply);
    return true;
}

/* ---- confirm ---- */

static void note_completed(Outgoing *out, const MigrateCookie *cookie)
{
    JobProgress progress = out->vm->jobs.holder.progress;

    progress.type = VIR_DOMAIN_JOB_COMPLETED;
    progress.error = NULL;
    if (cookie->has_stats) {
        progress.downtime_ms = cookie->stats.downtime_ms;
        progress.elapsed_ms = cookie->stats.elapsed_ms;
        if (cookie->delta_ms > 0 && (uint64_t)cookie->delta_ms <= progress.downtime_ms) {
            progress.downtime_net_ms = progress.downtime_ms - (uint64_t)cookie->delta_ms;
            progress.elapsed_net_ms = progress.elapsed_ms - (uint64_t)cookie->delta_ms;
        }
    }
    job_set_progress(&out->job, &progress);
    Params *params = job_progress_to_params(&progress);
    vm_publish_event(out->vm, &(Event){ .id = EVENT_JOB_COMPLETED, .params = params });
    params_free(params);
}

AWAITS static bool undefine(Outgoing *out, Error **err)
{
    Vm *vm = out->vm;
    const unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |
                           VIR_DOMAIN_UNDEFINE_KEEP_TPM | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;

    return !(out->params.flags & VIR_MIGRATE_UNDEFINE_SOURCE) || !vm->config ||
           vm_undefine_held(vm, flags, NULL, err);
}

bool migrate_source_confirm(Outgoing *out, const MigrateCookie *cookie, bool cancelled, Error **err)
{
    Vm *vm = out->vm;
    MonitorJobStatus status = MONITOR_JOB_NONE;

    if (out->params.flags & VIR_MIGRATE_OFFLINE)
        return cancelled || undefine(out, err);
    if (cancelled) {
        log_warning("the migration of machine '%s' has failed at its destination: it goes on here", vm->name);
        take_back(out);
        return true;
    }
    if (out->phase != MIGRATE_DONE && out->phase != MIGRATE_POSTCOPY)
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' has not been sent yet", vm->name);
    if (out->phase == MIGRATE_POSTCOPY) {
        job_set_phase(&out->job, "sending the rest of memory");
        if (!wait_until_moved(out, false, &status, err)) {
            take_back(out);
            return false;
        }
    }
    fiber_shield_begin();
    note_completed(out, cookie);
    log_info("machine '%s' has moved to another host", vm->name);
    vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_MIGRATED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED);
    const bool ok = undefine(out, err);
    fiber_shield_end();
    return ok;
}

bool vm_migrate_reclaim(Vm *vm, Error **err)
{
    const VmMigrateNote *note = vm->run->migration;

    return !note || strcmp(note->phase, phase_names[MIGRATE_DONE]) != 0 ||
           (vm_lease_take_all(vm, err) && vm_lease_pass(vm, err) && vm_require_monitor(vm, err)) ||
           error_prefix(err, "machine '%s' had been sent to another host", vm->name);
}

void vm_migrate_keep_lent(Vm *vm)
{
    const VmMigrateNote *note = vm->run->migration;
    g_autoptr(GPtrArray) copied = g_ptr_array_new();

    if (!note || strcmp(note->phase, phase_names[MIGRATE_PERFORM]) == 0)
        return;
    for (guint i = 0; vm->outgoing && i < def_list_len(vm->live->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, i);
        if (migrate_copies_disk(&vm->outgoing->params, disk))
            for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));)
                if (source->path)
                    g_ptr_array_add(copied, source->path);
    }
    dac_abandon(vm->host->dac, vm->run->dac, copied);
}

/* ---- between the calls ---- */

static void outgoing_free(Outgoing *out)
{
    Vm *vm = vm_ref(out->vm);

    if (vm->outgoing == out)
        vm->outgoing = NULL;
    migrate_mirrors_free(out->mirrors);
    migrate_params_clear(&out->params);
    wait_queue_clear(&out->changed);
    job_end(&out->job);
    g_free(out);
    vm_unref(vm);
}

/* Nobody comes back: what is the guest to do? */
static void give_up(Outgoing *out)
{
    if (out->phase != MIGRATE_DONE && out->phase != MIGRATE_POSTCOPY)
        return;
    log_error("who migrated machine '%s' has gone without saying whether it runs at its destination: it "
              "stays paused "
              "here; 'lodge resume' it if it does not run there, else 'lodge destroy' it",
              out->vm->name);
}

static void keep_fiber(void *arg)
{
    Outgoing *out = arg;

    while (!out->is_over) {
        g_autoptr(Error) why = NULL;
        if (!out->is_busy && out->client_left) {
            give_up(out);
            break;
        }
        /* Ends with the driver: its client is watched. */
        if (wait_queue_wait(&out->changed, FIBER_NO_DEADLINE, &why))
            continue;
        const VmRun *run = out->vm->run;
        if (!out->is_busy && ((out->phase != MIGRATE_DONE && out->phase != MIGRATE_POSTCOPY) || !run ||
                              run->exited || run->destroying))
            break;
        fiber_shield_begin(); /* cancelled while the destination may let the guest run, or a call is at it */
        (void)!wait_queue_wait(&out->changed, POLL_MS, NULL);
        fiber_shield_end();
    }
    outgoing_free(out);
}

/* A call of the driver has begun, or ended. */
static bool outgoing_enter(Vm *vm, const Caller *caller, Outgoing **ret_out, Error **err)
{
    Outgoing *out = vm->outgoing;

    if (!out || out->is_over)
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' is not processing outgoing migration",
                         vm->name);
    if (out->is_busy)
        return error_set(err, ERROR_BUSY, "another call of the migration of domain '%s' is under way",
                         vm->name);
    out->is_busy = true;
    job_adopt(&out->job, fiber_current());
    *ret_out = out;
    return true;
}

static void outgoing_leave(Outgoing *out, bool is_over)
{
    out->is_busy = false;
    out->is_over = out->is_over || is_over;
    job_adopt(&out->job, out->keeper);
    wait_queue_wake_all(&out->changed);
}

static void take_params(Outgoing *out, const MigrateParams *params)
{
    migrate_params_copy(params, &out->params);
    if (out->params.bandwidth_mib == 0)
        out->params.bandwidth_mib = out->vm->migration_mib_per_s;
}

AWAITS static bool outgoing_new(Vm *vm, const MigrateParams *params, const Caller *caller, Outgoing **ret_out,
                                Error **err)
{
    Job job = { 0 };

    if (!job_begin(&vm->object, JOB_MIGRATION_OUT, caller, &job, err))
        return false;
    Outgoing *out = g_new0(Outgoing, 1);
    *out = (Outgoing){ .vm = vm, .job = job, .client_id = caller ? caller->client_id : 0 };
    take_params(out, params);
    wait_queue_init(&out->changed);
    vm->outgoing = out;
    const JobProgress nothing = { .type = VIR_DOMAIN_JOB_UNBOUNDED,
                                  .operation = VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT };
    job_set_progress(&out->job, &nothing);
    *ret_out = out;
    return true;
}

/* Leaves it to a fiber; whose call it is goes on. */
static bool outgoing_keep(Outgoing *out, Error **err)
{
    out->is_busy = true;
    out->keeper = fiber_spawn("migration", keep_fiber, out);
    if (out->keeper)
        return true;
    outgoing_free(out);
    return error_set(err, ERROR_BUSY, "there is too much under way for a migration");
}

bool vm_migrate_begin(Vm *vm, const MigrateParams *params, const Caller *caller, char **ret_xml,
                      char **ret_cookie, Error **err)
{
    Outgoing *out = NULL;

    if (!outgoing_new(vm, params, caller, &out, err))
        return false;
    if (!(params->flags & VIR_MIGRATE_CHANGE_PROTECTION)) {
        const bool ok = migrate_source_begin(out, ret_xml, ret_cookie, err);
        outgoing_free(out);
        return ok;
    }
    if (!outgoing_keep(out, err))
        return false;
    const bool ok = migrate_source_begin(out, ret_xml, ret_cookie, err);
    outgoing_leave(out, !ok);
    return ok;
}

/* The migration that began before, with what is known only now; else a new one. */
AWAITS static bool outgoing_go_on(Vm *vm, const MigrateParams *params, const Caller *caller,
                                  Outgoing **ret_out, Error **err)
{
    if (!vm->outgoing)
        return outgoing_new(vm, params, caller, ret_out, err) && outgoing_keep(*ret_out, err);
    if (!outgoing_enter(vm, caller, ret_out, err))
        return false;
    migrate_params_clear(&(*ret_out)->params);
    take_params(*ret_out, params);
    return true;
}

bool vm_migrate_perform(Vm *vm, const MigrateParams *params, const MigrateBytes *bytes, const Caller *caller,
                        char **ret_cookie, Error **err)
{
    g_auto(MigrateCookie) cookie = { 0 };
    Outgoing *out = NULL;

    if (params->flags & VIR_MIGRATE_PEER2PEER) {
        if (!outgoing_new(vm, params, caller, &out, err))
            return false;
        const bool ok = migrate_to_peer(out, err);
        outgoing_free(out);
        return ok;
    }
    if (!migrate_cookie_parse(bytes, &vm->uuid, &cookie, err) ||
        !outgoing_go_on(vm, params, caller, &out, err))
        return false;
    const bool ok = migrate_source_perform(out, &cookie, -1, ret_cookie, err);
    outgoing_leave(out, !ok);
    return ok;
}

bool vm_migrate_confirm(Vm *vm, const MigrateParams *params, const MigrateBytes *bytes, bool cancelled,
                        const Caller *caller, Error **err)
{
    g_auto(MigrateCookie) cookie = { 0 };
    Outgoing *out = NULL;

    if (cancelled && !vm->outgoing) /* which is why it is cancelled */
        return true;
    if (params->flags & VIR_MIGRATE_OFFLINE && !vm->outgoing) {
        if (!outgoing_new(vm, params, caller, &out, err))
            return false;
        const bool done = migrate_source_confirm(out, &cookie, cancelled, err);
        outgoing_free(out);
        return done;
    }
    if (!migrate_cookie_parse(bytes, &vm->uuid, &cookie, err) || !outgoing_enter(vm, caller, &out, err))
        return false;
    const bool ok = migrate_source_confirm(out, &cookie, cancelled, err);
    outgoing_leave(out, true);
    return ok;
}

void migrate_outgoing_client_gone(Vm *vm)
{
    Outgoing *out = vm->outgoing;

    out->client_left = true;
    if (out->is_busy && out->phase == MIGRATE_PERFORM && vm->jobs.holder.fiber)
        fiber_cancel(vm->jobs.holder.fiber);
    wait_queue_wake_all(&out->changed);
}
