/* What QEMU tells by itself: each QMP event becomes a change of state, an event of ours, or both.
 *
 * Handlers run in the loop and may not wait: what needs time starts a fiber. QEMU may be in the guest's
 * hands, so every field may be missing or absurd. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "event"
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "conf/xml_table.h"
#include "machine/vm_agent.h"
#include "machine/vm_backup.h"
#include "machine/vm_block_job.h"
#include "machine/vm_device_private.h"

typedef void (*EventHandler)(Vm *vm, const Json *data);

/* ---- running and paused ---- */

void vm_mark_paused(Vm *vm, int reason)
{
    int detail = VIR_DOMAIN_EVENT_SUSPENDED_PAUSED;

    if (vm->state != VM_STATE_RUNNING)
        return;
    if (reason == VIR_DOMAIN_PAUSED_IOERROR)
        detail = VIR_DOMAIN_EVENT_SUSPENDED_IOERROR;
    else if (reason == VIR_DOMAIN_PAUSED_WATCHDOG)
        detail = VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG;
    else if (reason == VIR_DOMAIN_PAUSED_MIGRATION)
        detail = VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED;
    vm_set_state(vm, VM_STATE_PAUSED, reason);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_SUSPENDED, detail);
    vm_status_save_later(vm);
}

void vm_mark_running(Vm *vm, int reason)
{
    int detail = VIR_DOMAIN_EVENT_RESUMED_UNPAUSED;

    if (vm->run)
        vm_memory_forget(vm->run);
    if (vm->run && !vm->outgoing) /* of one that ended long ago */
        xml_table_free(&migrate_note_table, g_steal_pointer(&vm->run->migration));
    if (vm->state == VM_STATE_RUNNING)
        return;
    if (reason == VIR_DOMAIN_RUNNING_RESTORED || reason == VIR_DOMAIN_RUNNING_FROM_SNAPSHOT)
        detail = VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT;
    else if (reason == VIR_DOMAIN_RUNNING_MIGRATED)
        detail = VIR_DOMAIN_EVENT_RESUMED_MIGRATED;
    vm_set_state(vm, VM_STATE_RUNNING, reason);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_RESUMED, detail);
    vm_status_save_later(vm);
}

static void handle_stop(Vm *vm, const Json *data)
{
    /* A guest that has powered off is stopped, too, but that is not a pause. */
    if (vm->run->guest_shutdown)
        return;
    vm_mark_paused(vm, vm->run->pause_reason);
}

static void handle_resume(Vm *vm, const Json *data)
{
    if (vm->state == VM_STATE_PAUSED || vm->state == VM_STATE_PMSUSPENDED)
        vm_mark_running(vm, vm->run->resume_reason ? vm->run->resume_reason : VIR_DOMAIN_RUNNING_UNPAUSED);
}

/* ---- the end, and the new beginning ---- */

static void vm_fake_reboot(Vm *vm)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err) || !vm_require_monitor(vm, &err))
        return;
    if (!vm->run->guest_shutdown && !vm->run->panicked) /* by now it is another run, or goes on already */
        return;
    const int reason = vm->state == VM_STATE_CRASHED ? VIR_DOMAIN_RUNNING_CRASHED : VIR_DOMAIN_RUNNING_BOOTED;
    if (monitor_reset(vm_monitor(vm), 0, &err)) {
        vm->run->fake_reboot = false;
        vm->run->guest_shutdown = false;
        vm->run->panicked = false;
        vm->run->resume_reason = reason;
        if (vm->state == VM_STATE_SHUTDOWN || vm->state == VM_STATE_CRASHED)
            vm_set_state(vm, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN);
        if (monitor_cont(vm_monitor(vm), 0, &err)) {
            vm_mark_running(vm, reason);
            vm->run->resume_reason = 0;
            return;
        }
    }
    if (vm->run && vm->run->process) {
        log_error_error(err, "a machine cannot be rebooted and is ended");
        (void)process_kill(vm->run->process, SIGKILL, NULL);
    }
}

/* QEMU stays when the guest has powered off (-no-shutdown), so that we decide. */
void vm_finish_shutdown(Vm *vm)
{
    VmRun *run = vm->run;

    if (vm_backup_delays_shutdown(vm)) {
        log_info("machine '%s' has shut down and is kept until its backup has ended", vm->name);
        vm_backup_watch_client(vm);
        return;
    }
    if (run->fake_reboot || vm->live->on_poweroff == LIFECYCLE_ACTION_RESTART ||
        vm->live->on_poweroff == LIFECYCLE_ACTION_RESTART_RENAME) {
        vm_spawn_task(vm, VM_TASK_REBOOT, "reboot", vm_fake_reboot);
        return;
    }
    if (vm->live->on_poweroff == LIFECYCLE_ACTION_PRESERVE)
        return;
    if (!process_kill(run->process, SIGTERM, NULL))
        log_debug("QEMU of '%s' is gone already", vm->name);
}

static void handle_shutdown(Vm *vm, const Json *data)
{
    VmRun *run = vm->run;
    const bool has_guest = json_object_get(data, "guest") != NULL;
    const bool guest = json_get_bool(data, "guest", false);

    if (run->guest_shutdown) /* our own SIGTERM makes QEMU say it again */
        return;
    run->guest_shutdown = true;
    if (run->fake_reboot && !run->destroying) {
        vm_finish_shutdown(vm);
        return;
    }
    vm_set_state(vm, VM_STATE_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_SHUTDOWN,
                         !has_guest ? VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED
                         : guest    ? VIR_DOMAIN_EVENT_SHUTDOWN_GUEST
                                    : VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
    vm_status_save_later(vm);
    if (!run->destroying && run->process)
        vm_finish_shutdown(vm);
}

static void handle_reset(Vm *vm, const Json *data)
{
    vm_publish(vm, EVENT_REBOOT, 0, 0);
}

static void handle_panicked(Vm *vm, const Json *data)
{
    VmRun *run = vm->run;

    if (run->panicked)
        return;
    run->panicked = true;
    vm_set_state(vm, VM_STATE_CRASHED, VIR_DOMAIN_CRASHED_PANICKED);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
    vm_status_save_later(vm);
    vm_event_handle_crash(vm);
}

void vm_event_handle_crash(Vm *vm)
{
    VmRun *run = vm->run;

    run->panicked = true;
    switch (vm->live->on_crash) {
    case LIFECYCLE_ACTION_PRESERVE:
        break;
    case LIFECYCLE_ACTION_RESTART:
    case LIFECYCLE_ACTION_RESTART_RENAME:
        vm_spawn_task(vm, VM_TASK_REBOOT, "reboot", vm_fake_reboot);
        break;
    case LIFECYCLE_ACTION_COREDUMP_DESTROY:
    case LIFECYCLE_ACTION_COREDUMP_RESTART:
        vm_spawn_task(vm, VM_TASK_DUMP, "crash dump", vm_dump_after_crash);
        break;
    default:
        if (run->process && !process_kill(run->process, SIGTERM, NULL))
            log_debug("QEMU of '%s' is gone already", vm->name);
    }
}

void vm_reboot_after_crash(Vm *vm)
{
    vm_spawn_task(vm, VM_TASK_REBOOT, "reboot", vm_fake_reboot);
}

/* ---- disks, watchdog, clock ---- */

static DiskDef *disk_by_alias(const Vm *vm, const char *alias)
{
    if (!alias)
        return NULL;
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        if (disk->info.alias && strcmp(disk->info.alias, alias) == 0)
            return disk;
    }
    return NULL;
}

/* By the id of the device, the QOM path or the node's name: QEMU fills in what it has. */
static DiskDef *disk_from_event(const Vm *vm, const Json *data)
{
    g_autofree char *alias = monitor_alias_from_qdev(json_get_str(data, "qom-path"));
    DiskDef *disk = disk_by_alias(vm, json_get_str(data, "device"));
    const char *node = json_get_str(data, "node-name");

    if (!disk)
        disk = disk_by_alias(vm, alias);
    if (disk || !node)
        return disk;
    for (DEF_EACH(DiskDef, candidate, vm->live->disks)) {
        g_autofree char *format = g_strdup_printf("libvirt-%u-format", candidate->src.index);
        g_autofree char *storage = g_strdup_printf("libvirt-%u-storage", candidate->src.index);
        if (candidate->src.index && (strcmp(node, format) == 0 || strcmp(node, storage) == 0))
            return candidate;
    }
    return NULL;
}

/* The last one of each disk is remembered. */
static void note_io_error(Vm *vm, const DiskDef *disk, const Json *data)
{
    const char *reason = json_get_str(data, "reason");
    VmIoError *error = NULL;

    for (guint i = 0; vm->run->io_errors && i < vm->run->io_errors->len; i++) {
        VmIoError *known = g_ptr_array_index(vm->run->io_errors, i);
        error = g_strcmp0(known->disk, disk->target) == 0 ? known : error;
    }
    if (!error) {
        if (!vm->run->io_errors)
            vm->run->io_errors = xml_list_new(&io_error_table);
        error = xml_table_new(&io_error_table);
        error->disk = g_strdup(disk->target);
        g_ptr_array_add(vm->run->io_errors, error);
    }
    g_free(error->node);
    g_free(error->path);
    g_free(error->text);
    error->node = g_strdup(json_get_str(data, "node-name"));
    error->path = g_strdup(disk->src.path);
    error->text = xml_can_hold(reason ? reason : "unknown") ? g_strdup(reason ? reason : "unknown")
                                                            : g_strdup("unprintable");
    error->time_us = (uint64_t)g_get_real_time();
    vm_status_save_later(vm);
}

static void handle_io_error(Vm *vm, const Json *data)
{
    const DiskDef *disk = disk_from_event(vm, data);
    const char *text = json_get_str(data, "action");
    const bool stops = text && strcmp(text, "stop") == 0;
    const int action = stops                                 ? VIR_DOMAIN_EVENT_IO_ERROR_PAUSE
                       : text && strcmp(text, "report") == 0 ? VIR_DOMAIN_EVENT_IO_ERROR_REPORT
                                                             : VIR_DOMAIN_EVENT_IO_ERROR_NONE;
    Event event = { .id = EVENT_IO_ERROR,
                    .type = action,
                    .text1 = disk && disk->src.path ? disk->src.path : "",
                    .text2 = disk && disk->info.alias ? disk->info.alias : "",
                    .text3 = json_get_bool(data, "nospace", false) ? "enospc" : "" };

    if (disk && vm->run)
        note_io_error(vm, disk, data);
    vm_publish_event(vm, &event);
    event.id = EVENT_IO_ERROR_REASON;
    vm_publish_event(vm, &event);
    const bool is_nospace = json_get_bool(data, "nospace", false);
    const bool is_write = g_strcmp0(json_get_str(data, "operation"), "write") == 0;
    const char *reason = json_get_str(data, "reason");
    g_autofree char *problem =
        g_strdup_printf("a write of the guest to disk '%s' failed during the backup: %s",
                        disk ? disk->target : "", reason ? reason : "no reason given");
    if (stops)
        vm_mark_paused(vm, VIR_DOMAIN_PAUSED_IOERROR);
    if (stops && (is_nospace || is_write))
        vm_space_wait(vm, is_nospace ? NULL : problem);
    else if (is_write && vm->run)
        vm_space_give_up(vm, problem);
}

static void handle_watchdog(Vm *vm, const Json *data)
{
    static const char *const actions[] = { "none",     "pause", "reset",     "poweroff",
                                           "shutdown", "debug", "inject-nmi" };
    const char *text = json_get_str(data, "action");
    int action = 0;

    for (size_t i = 0; text && i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(actions[i], text) == 0)
            action = (int)i;
    }
    vm_publish(vm, EVENT_WATCHDOG, action, 0);
    for (DEF_EACH(WatchdogDef, watchdog, vm->live->watchdogs)) {
        if (watchdog->action == WATCHDOG_ACTION_DUMP) {
            /* Paused by QEMU for the dump alone; it goes on when that is done, or has failed. */
            vm->run->must_run = true;
            vm_spawn_task(vm, VM_TASK_DUMP, "watchdog dump", vm_dump_after_crash);
            break;
        }
    }
    if (action == VIR_DOMAIN_EVENT_WATCHDOG_PAUSE)
        vm_mark_paused(vm, VIR_DOMAIN_PAUSED_WATCHDOG);
}

static void handle_rtc(Vm *vm, const Json *data)
{
    int64_t offset = json_get_int(data, "offset", 0);

    if (vm->live->clock.offset == CLOCK_OFFSET_VARIABLE) {
        /* QEMU counts from where the clock stood at start. */
        if (vm->live->clock.adjustment0_s.is_set)
            offset += (int64_t)vm->live->clock.adjustment0_s.value;
        vm->live->clock.adjustment_s = (OptS64){ .value = offset, .is_set = true };
        vm_status_save_later(vm);
    }
    vm_publish_event(vm, &(Event){ .id = EVENT_RTC_CHANGE, .number = offset });
}

static void handle_tray(Vm *vm, const Json *data)
{
    DiskDef *disk = disk_by_alias(vm, json_get_str(data, "id"));
    const bool open = json_get_bool(data, "tray-open", false);

    if (!disk)
        disk = disk_from_event(vm, data);
    if (!disk)
        return;
    disk->tray = open ? DISK_TRAY_OPEN : DISK_TRAY_CLOSED;
    vm_publish_event(vm, &(Event){ .id = EVENT_TRAY_CHANGE,
                                   .type = open ? VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN
                                                : VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE,
                                   .text1 = disk->info.alias });
    vm_status_save_later(vm);
}

/* ---- memory and devices ---- */

static void handle_balloon(Vm *vm, const Json *data)
{
    const uint64_t bytes = json_get_uint(data, "actual", 0);

    if (bytes == 0)
        return;
    vm->run->balloon_bytes = bytes;
    vm->live->current_memory_bytes = bytes;
    vm_publish_event(vm, &(Event){ .id = EVENT_BALLOON_CHANGE, .number = (int64_t)(bytes / 1024) });
    vm_status_save_later(vm);
}

static void handle_device_deleted(Vm *vm, const Json *data)
{
    const char *alias = json_get_str(data, "device");

    if (alias)
        vm_device_gone(vm, alias);
}

static void handle_rx_filter(Vm *vm, const Json *data)
{
    vm_interface_look_at_filters(vm);
}

static void handle_threshold(Vm *vm, const Json *data)
{
    vm_threshold_passed(vm, data);
}

static void handle_unplug_refused(Vm *vm, const Json *data)
{
    const char *alias = json_get_str(data, "device");

    if (alias)
        vm_device_refused(vm, alias);
}

static void handle_memory_failure(Vm *vm, const Json *data)
{
    const char *recipient = json_get_str(data, "recipient");
    const char *action = json_get_str(data, "action");
    const Json *flags = json_get_obj(data, "flags");
    static const char *const actions[] = { "ignore", "inject", "fatal", "reset" };
    Event event = { .id = EVENT_MEMORY_FAILURE };

    event.type = recipient && strcmp(recipient, "guest") == 0 ? 1 : 0;
    for (size_t i = 0; action && i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(actions[i], action) == 0)
            event.detail = (int)i;
    }
    event.flags =
        (json_get_bool(flags, "action-required", false) ? VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED : 0u) |
        (json_get_bool(flags, "recursive", false) ? VIR_DOMAIN_MEMORY_FAILURE_RECURSIVE : 0u);
    vm_publish_event(vm, &event);
}

static void handle_memory_size(Vm *vm, const Json *data)
{
    const char *alias = json_get_str(data, "id");

    for (DEF_EACH(MemoryDeviceDef, memory, vm->live->memory_devices)) {
        if (alias && g_strcmp0(memory->info.alias, alias) == 0)
            memory->current_bytes = (OptU64){ .is_set = true, .value = json_get_uint(data, "size", 0) };
    }
    if (alias)
        vm_status_save_later(vm);
    if (alias)
        vm_publish_event(vm, &(Event){ .id = EVENT_MEMORY_DEVICE_SIZE_CHANGE,
                                       .text1 = alias,
                                       .number = (int64_t)(json_get_uint(data, "size", 0) / 1024) });
}

static void handle_vserport(Vm *vm, const Json *data)
{
    const char *alias = json_get_str(data, "id");
    const bool open = json_get_bool(data, "open", false);

    for (DEF_EACH(CharDef, channel, vm->live->channels)) {
        if (!alias || !channel->info.alias || strcmp(channel->info.alias, alias) != 0)
            continue;
        const ChannelState state = open ? CHANNEL_STATE_CONNECTED : CHANNEL_STATE_DISCONNECTED;
        if (channel->state == state)
            return;
        channel->state = state;
        if (vm_agent_is_channel(channel)) {
            if (!open)
                vm_agent_lost(vm);
            vm_publish(vm, EVENT_AGENT_LIFECYCLE,
                       open ? VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
                            : VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
                       VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL);
        }
        vm_status_save_later(vm);
        return;
    }
}

/* ---- power management ---- */

static void handle_suspend(Vm *vm, const Json *data)
{
    if (vm->state == VM_STATE_RUNNING)
        vm_set_state(vm, VM_STATE_PMSUSPENDED, 0);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY);
    vm_publish(vm, EVENT_PMSUSPEND, 0, 0);
    vm_status_save_later(vm);
}

static void handle_suspend_disk(Vm *vm, const Json *data)
{
    if (vm->state == VM_STATE_RUNNING)
        vm_set_state(vm, VM_STATE_PMSUSPENDED, 0);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_DISK);
    vm_publish(vm, EVENT_PMSUSPEND_DISK, 0, 0);
    vm_status_save_later(vm);
}

static void handle_wakeup(Vm *vm, const Json *data)
{
    if (vm->state == VM_STATE_PMSUSPENDED) {
        vm_set_state(vm, VM_STATE_RUNNING, VIR_DOMAIN_RUNNING_WAKEUP);
        vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_WAKEUP);
        vm_status_save_later(vm);
    }
    vm_publish(vm, EVENT_PMWAKEUP, 0, 0);
}

/* ---- displays ---- */

static int address_family(const Json *side)
{
    const char *family = json_get_str(side, "family");

    if (family && strcmp(family, "ipv6") == 0)
        return VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV6;
    return family && strcmp(family, "unix") == 0 ? VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX
                                                 : VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV4;
}

static void publish_graphics(Vm *vm, const Json *data, int phase, const char *service_key)
{
    const Json *server = json_get_obj(data, "server");
    const Json *client = json_get_obj(data, "client");
    const char *auth = json_get_str(server, "auth");
    Event event = { .id = EVENT_GRAPHICS, .type = phase, .text1 = auth ? auth : "" };

    event.local.family = address_family(server);
    event.local.node = json_get_str(server, "host");
    event.local.service = json_get_str(server, service_key);
    event.remote.family = address_family(client);
    event.remote.node = json_get_str(client, "host");
    event.remote.service = json_get_str(client, service_key);
    const char **texts[] = { &event.local.node, &event.local.service, &event.remote.node,
                             &event.remote.service };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!*texts[i])
            *texts[i] = "";
    }
    vm_publish_event(vm, &event);
}

/* ---- migration and dumps: what fibers wait for ---- */

static void handle_migration(Vm *vm, const Json *data)
{
    const char *status = json_get_str(data, "status");

    if (!status)
        return;
    if (strcmp(status, "completed") == 0)
        vm->run->migration_state = MONITOR_JOB_COMPLETED;
    else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
        vm->run->migration_state = MONITOR_JOB_FAILED;
    else if (strcmp(status, "active") == 0)
        vm->run->migration_state = MONITOR_JOB_ACTIVE;
}

static void handle_migration_pass(Vm *vm, const Json *data)
{
    vm_publish_event(vm,
                     &(Event){ .id = EVENT_MIGRATION_ITERATION, .number = json_get_int(data, "pass", 0) });
}

static void handle_dump_completed(Vm *vm, const Json *data)
{
    const char *error = json_get_str(data, "error");

    vm->run->dump_completed = true;
    g_free(vm->run->dump_error);
    vm->run->dump_error = g_strdup(error);
}

static void handle_job(Vm *vm, const Json *data)
{
    vm_block_job_event(vm, data);
    if (vm->run && g_strcmp0(json_get_str(data, "status"), "concluded") == 0)
        wait_queue_wake_all(&vm->run->changed); /* snapshots inside of images are no block jobs */
}

static void handle_job_completed(Vm *vm, const Json *data)
{
    vm_block_job_ended(vm, data, false);
}

static void handle_job_cancelled(Vm *vm, const Json *data)
{
    vm_block_job_ended(vm, data, true);
}

static const struct {
    const char *name;
    EventHandler handler;
    const char *service; /* of a display: what it calls the port; handler is NULL ... */
    int phase;           /* ... and this is what happened to its client */
} event_handlers[] = {
    { "STOP", handle_stop },
    { "RESUME", handle_resume },
    { "SHUTDOWN", handle_shutdown },
    { "RESET", handle_reset },
    { "GUEST_PANICKED", handle_panicked },
    { "BLOCK_IO_ERROR", handle_io_error },
    { "WATCHDOG", handle_watchdog },
    { "RTC_CHANGE", handle_rtc },
    { "DEVICE_TRAY_MOVED", handle_tray },
    { "BALLOON_CHANGE", handle_balloon },
    { "DEVICE_DELETED", handle_device_deleted },
    { "DEVICE_UNPLUG_GUEST_ERROR", handle_unplug_refused },
    { "NIC_RX_FILTER_CHANGED", handle_rx_filter },
    { "BLOCK_WRITE_THRESHOLD", handle_threshold },
    { "MEMORY_FAILURE", handle_memory_failure },
    { "MEMORY_DEVICE_SIZE_CHANGE", handle_memory_size },
    { "VSERPORT_CHANGE", handle_vserport },
    { "SUSPEND", handle_suspend },
    { "SUSPEND_DISK", handle_suspend_disk },
    { "WAKEUP", handle_wakeup },
    { "VNC_CONNECTED", NULL, "service", VIR_DOMAIN_EVENT_GRAPHICS_CONNECT },
    { "VNC_INITIALIZED", NULL, "service", VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE },
    { "VNC_DISCONNECTED", NULL, "service", VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT },
    { "SPICE_CONNECTED", NULL, "port", VIR_DOMAIN_EVENT_GRAPHICS_CONNECT },
    { "SPICE_INITIALIZED", NULL, "port", VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE },
    { "SPICE_DISCONNECTED", NULL, "port", VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT },
    { "MIGRATION", handle_migration },
    { "MIGRATION_PASS", handle_migration_pass },
    { "DUMP_COMPLETED", handle_dump_completed },
    { "JOB_STATUS_CHANGE", handle_job },
    { "BLOCK_JOB_COMPLETED", handle_job_completed },
    { "BLOCK_JOB_CANCELLED", handle_job_cancelled },
};

void vm_event_handle(Vm *vm, const char *name, const Json *data, int64_t seconds, int64_t microseconds)
{
    char uuid[UUID_STRING_LEN];

    if (!vm->run || !vm->live || vm->run->stopping)
        return;
    uuid_format(&vm->uuid, uuid);
    log_context_set_vm(uuid);
    g_autofree char *text = data ? json_format(data) : NULL;
    vm_publish_event(vm, &(Event){ .id = EVENT_QEMU_MONITOR,
                                   .text1 = name,
                                   .text2 = text,
                                   .number = seconds,
                                   .number2 = microseconds });
    for (size_t i = 0; i < G_N_ELEMENTS(event_handlers); i++) {
        if (strcmp(event_handlers[i].name, name) != 0)
            continue;
        if (event_handlers[i].handler)
            event_handlers[i].handler(vm, data);
        else
            publish_graphics(vm, data, event_handlers[i].phase, event_handlers[i].service);
        break;
    }
    log_context_set_vm(NULL);
}
