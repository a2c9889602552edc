/* Says in words what the messages of domain events mean: one row per kind of event. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/events.h"

#include <inttypes.h>
#include <string.h>

#include "cli/output.h"
#include "wire/params.h"

/* A name out of a list that may be shorter than what a newer server sends. */
#define NAME_OF(list, number)                                                                                \
    ((number) >= 0 && (size_t)(number) < G_N_ELEMENTS(list) && (list)[number] ? (list)[number] : "unknown")

static void add_string(EventText *event, const char *key, const char *value)
{
    json_object_set_new(event->detail, key, value ? json_string(value) : json_null());
}

static void add_number(EventText *event, const char *key, uint64_t value)
{
    json_object_set_new(event->detail, key, json_integer((json_int_t)value));
}

PRINTF(2, 3) static void say(EventText *event, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_autofree char *safe = text_printable(text);
    g_string_append(event->text, safe);
}

/* Two words: what happened, and why. */
static void say_named(EventText *event, const char *key, const char *name, const char *reason_key,
                      const char *reason)
{
    add_string(event, key, name);
    add_string(event, reason_key, reason);
}

static const WireDomain *lifecycle(const void *message, EventText *event)
{
    static const char *const kinds[] = { "Defined", "Undefined", "Started",     "Suspended", "Resumed",
                                         "Stopped", "Shutdown",  "PMSuspended", "Crashed" };
    static const char *const details[][9] = {
        { "Added", "Updated", "Renamed", "Snapshot" },
        { "Removed", "Renamed" },
        { "Booted", "Migrated", "Restored", "Snapshot", "Event wakeup" },
        { "Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot", "API error", "Post-copy",
          "Post-copy Error" },
        { "Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error" },
        { "Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot" },
        { "Finished", "Finished after guest request", "Finished after host request" },
        { "Memory", "Disk" },
        { "Panicked", "Crashloaded" },
    };
    const WireDomainEventLifecycleMsg *msg = &((const WireDomainEventCallbackLifecycleMsg *)message)->msg;
    const char *kind = NAME_OF(kinds, msg->event);
    bool known = msg->event >= 0 && (size_t)msg->event < G_N_ELEMENTS(details);
    const char *detail = known ? NAME_OF(details[msg->event], msg->detail) : "unknown";
    say(event, "%s %s", kind, detail);
    say_named(event, "kind", kind, "reason", detail);
    return &msg->dom;
}

static const WireDomain *reboot(const void *message, EventText *event)
{
    return &((const WireDomainEventCallbackRebootMsg *)message)->msg.dom;
}

static const WireDomain *rtc_change(const void *message, EventText *event)
{
    const WireDomainEventRtcChangeMsg *msg = &((const WireDomainEventCallbackRtcChangeMsg *)message)->msg;
    say(event, "%" PRId64, msg->offset);
    json_object_set_new(event->detail, "offset_s", json_integer(msg->offset));
    return &msg->dom;
}

static const WireDomain *watchdog(const void *message, EventText *event)
{
    static const char *const actions[] = { "none",     "pause", "reset",     "poweroff",
                                           "shutdown", "debug", "inject-nmi" };
    const WireDomainEventWatchdogMsg *msg = &((const WireDomainEventCallbackWatchdogMsg *)message)->msg;
    say(event, "%s", NAME_OF(actions, msg->action));
    add_string(event, "action", NAME_OF(actions, msg->action));
    return &msg->dom;
}

static const char *const io_actions[] = { "none", "pause", "report" };

static const WireDomain *io_error(const void *message, EventText *event)
{
    const WireDomainEventIoErrorMsg *msg = &((const WireDomainEventCallbackIoErrorMsg *)message)->msg;
    say(event, "%s (%s) %s", msg->src_path, msg->dev_alias, NAME_OF(io_actions, msg->action));
    add_string(event, "path", msg->src_path);
    add_string(event, "device", msg->dev_alias);
    add_string(event, "action", NAME_OF(io_actions, msg->action));
    return &msg->dom;
}

static const WireDomain *io_error_reason(const void *message, EventText *event)
{
    const WireDomainEventIoErrorReasonMsg *msg =
        &((const WireDomainEventCallbackIoErrorReasonMsg *)message)->msg;
    say(event, "%s (%s) %s due to %s", msg->src_path, msg->dev_alias, NAME_OF(io_actions, msg->action),
        msg->reason);
    add_string(event, "path", msg->src_path);
    add_string(event, "device", msg->dev_alias);
    add_string(event, "action", NAME_OF(io_actions, msg->action));
    add_string(event, "reason", msg->reason);
    return &msg->dom;
}

static const WireDomain *graphics(const void *message, EventText *event)
{
    static const char *const phases[] = { "connect", "initialize", "disconnect" };
    const WireDomainEventGraphicsMsg *msg = &((const WireDomainEventCallbackGraphicsMsg *)message)->msg;
    say(event, "%s local: %s port %s, remote: %s port %s, auth: %s", NAME_OF(phases, msg->phase),
        msg->local.node, msg->local.service, msg->remote.node, msg->remote.service, msg->auth_scheme);
    Json *subject = json_object();
    for (unsigned i = 0; i < msg->n_subject; i++) {
        say(event, "\n\t%s=%s", msg->subject[i].type, msg->subject[i].name);
        json_object_set_new(subject, msg->subject[i].type, json_string(msg->subject[i].name));
    }
    add_string(event, "phase", NAME_OF(phases, msg->phase));
    add_string(event, "local_host", msg->local.node);
    add_string(event, "local_port", msg->local.service);
    add_string(event, "remote_host", msg->remote.node);
    add_string(event, "remote_port", msg->remote.service);
    add_string(event, "auth", msg->auth_scheme);
    json_object_set_new(event->detail, "subject", subject);
    return &msg->dom;
}

static const WireDomain *control_error(const void *message, EventText *event)
{
    return &((const WireDomainEventCallbackControlErrorMsg *)message)->msg.dom;
}

static const char *const block_jobs[] = { "Unknown job",  "Block Pull",          "Block Copy",
                                          "Block Commit", "Active Block Commit", "Backup" };
static const char *const block_states[] = { "completed", "failed", "canceled", "ready" };

static void block_job_words(EventText *event, const char *disk, int type, int status)
{
    say(event, "%s for %s %s", NAME_OF(block_jobs, type), disk, NAME_OF(block_states, status));
    add_string(event, "job", NAME_OF(block_jobs, type));
    add_string(event, "disk", disk);
    add_string(event, "status", NAME_OF(block_states, status));
}

static const WireDomain *block_job(const void *message, EventText *event)
{
    const WireDomainEventBlockJobMsg *msg = &((const WireDomainEventCallbackBlockJobMsg *)message)->msg;
    block_job_words(event, msg->path, msg->type, msg->status);
    return &msg->dom;
}

static const WireDomain *block_job_2(const void *message, EventText *event)
{
    const WireDomainEventBlockJob2Msg *msg = message;
    block_job_words(event, msg->dst, msg->type, msg->status);
    return &msg->dom;
}

static const WireDomain *disk_change(const void *message, EventText *event)
{
    static const char *const reasons[] = { "changed", "dropped" };
    const WireDomainEventDiskChangeMsg *msg = &((const WireDomainEventCallbackDiskChangeMsg *)message)->msg;
    say(event, "disk %s %s -> %s: %s", msg->dev_alias, msg->old_src_path ? msg->old_src_path : "-",
        msg->new_src_path ? msg->new_src_path : "-", NAME_OF(reasons, msg->reason));
    add_string(event, "device", msg->dev_alias);
    add_string(event, "old", msg->old_src_path);
    add_string(event, "new", msg->new_src_path);
    add_string(event, "reason", NAME_OF(reasons, msg->reason));
    return &msg->dom;
}

static const WireDomain *tray_change(const void *message, EventText *event)
{
    static const char *const reasons[] = { "opened", "closed" };
    const WireDomainEventTrayChangeMsg *msg = &((const WireDomainEventCallbackTrayChangeMsg *)message)->msg;
    say(event, "disk %s: %s", msg->dev_alias, NAME_OF(reasons, msg->reason));
    add_string(event, "device", msg->dev_alias);
    add_string(event, "tray", NAME_OF(reasons, msg->reason));
    return &msg->dom;
}

static const WireDomain *pm_wakeup(const void *message, EventText *event)
{
    return &((const WireDomainEventCallbackPmwakeupMsg *)message)->msg.dom;
}

static const WireDomain *pm_suspend(const void *message, EventText *event)
{
    return &((const WireDomainEventCallbackPmsuspendMsg *)message)->msg.dom;
}

static const WireDomain *pm_suspend_disk(const void *message, EventText *event)
{
    return &((const WireDomainEventCallbackPmsuspendDiskMsg *)message)->msg.dom;
}

static const WireDomain *balloon_change(const void *message, EventText *event)
{
    const WireDomainEventBalloonChangeMsg *msg =
        &((const WireDomainEventCallbackBalloonChangeMsg *)message)->msg;
    say(event, "%" PRIu64 "KiB", msg->actual);
    add_number(event, "memory_kib", msg->actual);
    return &msg->dom;
}

static const WireDomain *device_removed(const void *message, EventText *event)
{
    const WireDomainEventDeviceRemovedMsg *msg =
        &((const WireDomainEventCallbackDeviceRemovedMsg *)message)->msg;
    say(event, "%s", msg->dev_alias);
    add_string(event, "device", msg->dev_alias);
    return &msg->dom;
}

static void say_params(EventText *event, const WireTypedParam *params, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = wire_param_format(&params[i]);
        say(event, "%s%s: %s", i ? ", " : "", params[i].field, value);
        json_object_set_new(event->detail, params[i].field, param_json(&params[i]));
    }
}

static const WireDomain *tunable(const void *message, EventText *event)
{
    const WireDomainEventCallbackTunableMsg *msg = message;
    say_params(event, msg->params, msg->n_params);
    return &msg->dom;
}

static const WireDomain *agent_lifecycle(const void *message, EventText *event)
{
    static const char *const states[] = { NULL, "connected", "disconnected" };
    static const char *const reasons[] = { "unknown", "domain started", "channel event" };
    const WireDomainEventCallbackAgentLifecycleMsg *msg = message;
    const char *state = NAME_OF(states, msg->state), *reason = NAME_OF(reasons, msg->reason);
    say(event, "state: '%s' reason: '%s'", state, reason);
    say_named(event, "state", state, "reason", reason);
    return &msg->dom;
}

static const WireDomain *device_added(const void *message, EventText *event)
{
    const WireDomainEventCallbackDeviceAddedMsg *msg = message;
    say(event, "%s", msg->dev_alias);
    add_string(event, "device", msg->dev_alias);
    return &msg->dom;
}

static const WireDomain *migration_iteration(const void *message, EventText *event)
{
    const WireDomainEventCallbackMigrationIterationMsg *msg = message;
    say(event, "iteration: '%d'", msg->iteration);
    json_object_set_new(event->detail, "iteration", json_integer(msg->iteration));
    return &msg->dom;
}

static const WireDomain *job_completed(const void *message, EventText *event)
{
    const WireDomainEventCallbackJobCompletedMsg *msg = message;
    say_params(event, msg->params, msg->n_params);
    return &msg->dom;
}

static const WireDomain *device_removal_failed(const void *message, EventText *event)
{
    const WireDomainEventCallbackDeviceRemovalFailedMsg *msg = message;
    say(event, "%s", msg->dev_alias);
    add_string(event, "device", msg->dev_alias);
    return &msg->dom;
}

static const WireDomain *metadata_change(const void *message, EventText *event)
{
    static const char *const types[] = { "description", "title", "element" };
    const WireDomainEventCallbackMetadataChangeMsg *msg = message;
    say(event, "type %s, uri %s", NAME_OF(types, msg->type), msg->nsuri ? msg->nsuri : "<null>");
    add_string(event, "type", NAME_OF(types, msg->type));
    add_string(event, "uri", msg->nsuri);
    return &msg->dom;
}

static const WireDomain *block_threshold(const void *message, EventText *event)
{
    const WireDomainEventBlockThresholdMsg *msg = message;
    say(event, "dev: %s(%s) %" PRIu64 " %" PRIu64, msg->dev, msg->path ? msg->path : "-", msg->threshold,
        msg->excess);
    add_string(event, "device", msg->dev);
    add_string(event, "path", msg->path);
    add_number(event, "threshold_bytes", msg->threshold);
    add_number(event, "excess_bytes", msg->excess);
    return &msg->dom;
}

static const WireDomain *memory_failure(const void *message, EventText *event)
{
    static const char *const recipients[] = { "hypervisor", "guest" };
    static const char *const actions[] = { "ignore", "inject", "fatal", "reset" };
    const WireDomainEventMemoryFailureMsg *msg = message;
    say(event, "recipient: %s action: %s flags: %s%s", NAME_OF(recipients, msg->recipient),
        NAME_OF(actions, msg->action), msg->flags & 1 ? "action required " : "",
        msg->flags & 2 ? "recursive" : "");
    add_string(event, "recipient", NAME_OF(recipients, msg->recipient));
    add_string(event, "action", NAME_OF(actions, msg->action));
    add_number(event, "flags", msg->flags);
    return &msg->dom;
}

static const WireDomain *memory_device_size(const void *message, EventText *event)
{
    const WireDomainEventMemoryDeviceSizeChangeMsg *msg = message;
    say(event, "alias: '%s' size: '%" PRIu64 "'", msg->alias, msg->size);
    add_string(event, "device", msg->alias);
    add_number(event, "size_kib", msg->size);
    return &msg->dom;
}

/* By VIR_DOMAIN_EVENT_ID_... */
static const struct {
    const char *name;
    int32_t proc;
    const WireDomain *(*describe)(const void *message, EventText *event);
} kinds[EVENT_KINDS] = {
    { "lifecycle", PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, lifecycle },
    { "reboot", PROC_DOMAIN_EVENT_CALLBACK_REBOOT, reboot },
    { "rtc-change", PROC_DOMAIN_EVENT_CALLBACK_RTC_CHANGE, rtc_change },
    { "watchdog", PROC_DOMAIN_EVENT_CALLBACK_WATCHDOG, watchdog },
    { "io-error", PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR, io_error },
    { "graphics", PROC_DOMAIN_EVENT_CALLBACK_GRAPHICS, graphics },
    { "io-error-reason", PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, io_error_reason },
    { "control-error", PROC_DOMAIN_EVENT_CALLBACK_CONTROL_ERROR, control_error },
    { "block-job", PROC_DOMAIN_EVENT_CALLBACK_BLOCK_JOB, block_job },
    { "disk-change", PROC_DOMAIN_EVENT_CALLBACK_DISK_CHANGE, disk_change },
    { "tray-change", PROC_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE, tray_change },
    { "pm-wakeup", PROC_DOMAIN_EVENT_CALLBACK_PMWAKEUP, pm_wakeup },
    { "pm-suspend", PROC_DOMAIN_EVENT_CALLBACK_PMSUSPEND, pm_suspend },
    { "balloon-change", PROC_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, balloon_change },
    { "pm-suspend-disk", PROC_DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK, pm_suspend_disk },
    { "device-removed", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, device_removed },
    { "block-job-2", PROC_DOMAIN_EVENT_BLOCK_JOB_2, block_job_2 },
    { "tunable", PROC_DOMAIN_EVENT_CALLBACK_TUNABLE, tunable },
    { "agent-lifecycle", PROC_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, agent_lifecycle },
    { "device-added", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, device_added },
    { "migration-iteration", PROC_DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION, migration_iteration },
    { "job-completed", PROC_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, job_completed },
    { "device-removal-failed", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, device_removal_failed },
    { "metadata-change", PROC_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, metadata_change },
    { "block-threshold", PROC_DOMAIN_EVENT_BLOCK_THRESHOLD, block_threshold },
    { "memory-failure", PROC_DOMAIN_EVENT_MEMORY_FAILURE, memory_failure },
    { "memory-device-size-change", PROC_DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE, memory_device_size },
};

const char *event_name(unsigned id)
{
    return id < EVENT_KINDS ? kinds[id].name : "unknown";
}

bool event_describe(int32_t proc, const void *message, EventText *ret_event)
{
    for (unsigned id = 0; id < EVENT_KINDS; id++) {
        if (kinds[id].proc != proc)
            continue;
        *ret_event = (EventText){ .id = id, .text = g_string_new(NULL), .detail = json_object() };
        ret_event->domain = kinds[id].describe(message, ret_event);
        return true;
    }
    return false;
}

void event_text_clear(EventText *event)
{
    g_string_free(event->text, TRUE);
    json_decref(event->detail);
    event->text = NULL;
    event->detail = NULL;
}
