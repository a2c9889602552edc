/* Says in words what the messages of events mean: one row per kind of event. Its text names the members of
 * the message:
 *
 *   {key=member}          the value; key is its name in JSON
 *   {key=member|a,b,c}    the word of a number
 *   {key=member|?-}       what to say if there is none
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/events.h"

#include <inttypes.h>
#include <string.h>

#include "cli/output.h"
#include "wire/params.h"

static void add_string(EventText *event, const char *key, const char *value)
{
    json_object_set_new(event->detail, key, value ? json_string(value) : json_null());
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

/* One place of a text: "key=member|words". */
static void say_part(EventText *event, WireType type, const char *message, const char *part)
{
    g_auto(GStrv) halves = g_strsplit(part, "|", 2);
    g_auto(GStrv) names = g_strsplit(halves[0], "=", 2);
    const WireField *field = wire_field_find(type, names[1]);
    g_assert(field);
    const void *at = message + field->offset;
    if (field->kind == WIRE_STRING || field->kind == WIRE_OPTIONAL_STRING) {
        const char *value = *(char *const *)at;
        add_string(event, names[0], value);
        say(event, "%s", value ? value : halves[1] ? halves[1] + 1 : "");
        return;
    }
    int64_t number = field->kind == WIRE_INT32    ? *(const int32_t *)at
                     : field->kind == WIRE_UINT32 ? *(const uint32_t *)at
                                                  : *(const int64_t *)at;
    if (!halves[1]) {
        json_object_set_new(event->detail, names[0], json_integer(number));
        say(event, "%" PRId64, number);
        return;
    }
    g_auto(GStrv) words = g_strsplit(halves[1], ",", -1);
    const char *word = number >= 0 && number < g_strv_length(words) ? words[number] : "unknown";
    add_string(event, names[0], word);
    say(event, "%s", word);
}

void event_say(EventText *event, WireType type, const void *message, const char *text)
{
    while (*text) {
        size_t plain = strcspn(text, "{");
        g_string_append_len(event->text, text, (gssize)plain);
        text += plain;
        if (!*text)
            break;
        size_t len = strcspn(text, "}");
        g_autofree char *part = g_strndup(text + 1, len - 1);
        say_part(event, type, message, part);
        text += len + 1;
    }
}

/* ---- what is no list of members ---- */

static void lifecycle(const void *message, EventText *event)
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
    const WireDomainEventLifecycleMsg *msg = message;
    const char *kind = NAME_OF(kinds, msg->event, "unknown");
    bool known = msg->event >= 0 && (size_t)msg->event < G_N_ELEMENTS(details);
    const char *detail = known ? NAME_OF(details[msg->event], msg->detail, "unknown") : "unknown";
    say(event, "%s %s", kind, detail);
    add_string(event, "kind", kind);
    add_string(event, "reason", detail);
}

static void graphics(const void *message, EventText *event)
{
    static const char *const phases[] = { "connect", "initialize", "disconnect" };
    const WireDomainEventGraphicsMsg *msg = message;
    const char *phase = NAME_OF(phases, msg->phase, "unknown");
    say(event, "%s local: %s port %s, remote: %s port %s, auth: %s", phase, msg->local.node,
        msg->local.service, msg->remote.node, msg->remote.service, msg->auth_scheme);
    Json *subject = json_object();
    for (unsigned i = 0; i < msg->n_subject; i++) {
        say(event, "\n\t%s=%s", msg->subject[i].type, msg->subject[i].name);
        json_object_set_new(subject, msg->subject[i].type, json_string(msg->subject[i].name));
    }
    add_string(event, "phase", phase);
    add_string(event, "local_host", msg->local.node);
    add_string(event, "local_port", msg->local.service);
    add_string(event, "remote_host", msg->remote.node);
    add_string(event, "remote_port", msg->remote.service);
    add_string(event, "auth", msg->auth_scheme);
    json_object_set_new(event->detail, "subject", subject);
}

static void say_params(EventText *event, const WireTypedParam *params, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = wire_param_format(&params[i]);
        say(event, "%s%s: %s", i ? ", " : "", params[i].field, value);
        json_object_set_new(event->detail, params[i].field, param_json(&params[i]));
    }
}

static void memory_failure(const void *message, EventText *event)
{
    const WireDomainEventMemoryFailureMsg *msg = message;
    say(event, " flags: %s%s", msg->flags & 1 ? "action required " : "", msg->flags & 2 ? "recursive" : "");
    json_object_set_new(event->detail, "flags", json_integer(msg->flags));
}

static void tunable(const void *message, EventText *event)
{
    const WireDomainEventCallbackTunableMsg *msg = message;
    say_params(event, msg->params, msg->n_params);
}

static void job_completed(const void *message, EventText *event)
{
    const WireDomainEventCallbackJobCompletedMsg *msg = message;
    say_params(event, msg->params, msg->n_params);
}

#define IO_ERROR "{path=src_path} ({device=dev_alias}) {action=action|none,pause,report}"
#define BLOCK_JOB(disk)                                                                                      \
    "{job=type|Unknown job,Block Pull,Block Copy,Block Commit,Active Block Commit,Backup} for {disk=" disk   \
    "} {status=status|completed,failed,canceled,ready}"
#define DEVICE "{device=dev_alias}"

/* By VIR_DOMAIN_EVENT_ID_... */
static const struct {
    const char *name;
    int32_t proc;
    const char *text;
    void (*more)(const void *message, EventText *event); /* NULL: the text says it all */
} kinds[EVENT_KINDS] = {
    { "lifecycle", PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, "", lifecycle },
    { "reboot", PROC_DOMAIN_EVENT_CALLBACK_REBOOT, "" },
    { "rtc-change", PROC_DOMAIN_EVENT_CALLBACK_RTC_CHANGE, "{offset_s=offset}" },
    { "watchdog", PROC_DOMAIN_EVENT_CALLBACK_WATCHDOG,
      "{action=action|none,pause,reset,poweroff,shutdown,debug,inject-nmi}" },
    { "io-error", PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR, IO_ERROR },
    { "graphics", PROC_DOMAIN_EVENT_CALLBACK_GRAPHICS, "", graphics },
    { "io-error-reason", PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, IO_ERROR " due to {reason=reason}" },
    { "control-error", PROC_DOMAIN_EVENT_CALLBACK_CONTROL_ERROR, "" },
    { "block-job", PROC_DOMAIN_EVENT_CALLBACK_BLOCK_JOB, BLOCK_JOB("path") },
    { "disk-change", PROC_DOMAIN_EVENT_CALLBACK_DISK_CHANGE,
      "disk " DEVICE " {old=old_src_path|?-} -> {new=new_src_path|?-}: {reason=reason|changed,dropped}" },
    { "tray-change", PROC_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE, "disk " DEVICE ": {tray=reason|opened,closed}" },
    { "pm-wakeup", PROC_DOMAIN_EVENT_CALLBACK_PMWAKEUP, "" },
    { "pm-suspend", PROC_DOMAIN_EVENT_CALLBACK_PMSUSPEND, "" },
    { "balloon-change", PROC_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, "{memory_kib=actual}KiB" },
    { "pm-suspend-disk", PROC_DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK, "" },
    { "device-removed", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, DEVICE },
    { "block-job-2", PROC_DOMAIN_EVENT_BLOCK_JOB_2, BLOCK_JOB("dst") },
    { "tunable", PROC_DOMAIN_EVENT_CALLBACK_TUNABLE, "", tunable },
    { "agent-lifecycle", PROC_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE,
      "state: '{state=state|unknown,connected,disconnected}' "
      "reason: '{reason=reason|unknown,domain started,channel event}'" },
    { "device-added", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, DEVICE },
    { "migration-iteration", PROC_DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION,
      "iteration: '{iteration=iteration}'" },
    { "job-completed", PROC_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, "", job_completed },
    { "device-removal-failed", PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, DEVICE },
    { "metadata-change", PROC_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
      "type {type=type|description,title,element}, uri {uri=nsuri|?<null>}" },
    { "block-threshold", PROC_DOMAIN_EVENT_BLOCK_THRESHOLD,
      "dev: {device=dev}({path=path|?-}) {threshold_bytes=threshold} {excess_bytes=excess}" },
    { "memory-failure", PROC_DOMAIN_EVENT_MEMORY_FAILURE,
      "recipient: {recipient=recipient|hypervisor,guest} action: {action=action|ignore,inject,fatal,reset}",
      memory_failure },
    { "memory-device-size-change", PROC_DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE,
      "alias: '{device=alias}' size: '{size_kib=size}'" },
    { "nic-mac-change", PROC_DOMAIN_EVENT_NIC_MAC_CHANGE,
      "device: {device=alias} old MAC: {old=old_mac} new MAC: {new=new_mac}" },
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
        WireType type = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), proc)->args;
        const WireField *inner =
            wire_field_find(type, "msg"); /* of events that existed before callbacks had ids */
        if (inner) {
            message = (const char *)message + inner->offset;
            type = inner->type;
        }
        ret_event->domain =
            (const WireDomain *)(const void *)((const char *)message + wire_field_find(type, "dom")->offset);
        event_say(ret_event, type, message, kinds[id].text);
        if (kinds[id].more)
            kinds[id].more(message, ret_event);
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
