/* Registrations and the translation of the core's events into messages.
 *
 * The core publishes an event once; here it goes to every registration that wants it. What a message carries
 * is a row: legacy and modern messages of ids 0 to 15 share their body. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/events.h"

#include <string.h>

#include "base/log.h"
#include "rpc/access.h"
#include "rpc/convert.h"
#include "rpc/server.h"
#include "wire/wire_enums.h"

#define LEGACY_EVENTS 16
#define REGISTRATIONS_MAX 4096 /* of one client; each event is compared with each */
#define PATTERN_MAX 256

typedef struct RpcRegistration {
    RpcEventKind kind;
    int callback_id;
    int event_id;
    ObjectKind object;
    bool for_one;
    Uuid uuid;
    char *name; /* NULL: by UUID */
    char *qemu_event;
    GRegex *qemu_pattern;
    unsigned qemu_flags;
} RpcRegistration;

struct RpcEvents {
    GPtrArray *registrations; /* of RpcRegistration */
    int next_id;              /* callback ids of domain events */
    int next_qemu_id;
};

static void registration_free(gpointer data)
{
    RpcRegistration *registration = data;

    g_free(registration->qemu_event);
    g_free(registration->name);
    g_clear_pointer(&registration->qemu_pattern, g_regex_unref);
    g_free(registration);
}

/* ---- messages ---- */

static char *event_text(const char *text)
{
    return (char *)(text ? text : "");
}

static WireDomain event_domain(const Event *event)
{
    return (WireDomain){ .name = event_text(event->name), .uuid = event->uuid, .id = event->object_id };
}

/* The strings of a message are borrowed from the event: it is encoded and forgotten before the event is. */
typedef union EventBody {
    WireDomainEventLifecycleMsg lifecycle;
    WireDomainEventRebootMsg reboot;
    WireDomainEventRtcChangeMsg rtc_change;
    WireDomainEventWatchdogMsg watchdog;
    WireDomainEventIoErrorMsg io_error;
    WireDomainEventIoErrorReasonMsg io_error_reason;
    WireDomainEventGraphicsMsg graphics;
    WireDomainEventControlErrorMsg control_error;
    WireDomainEventBlockJobMsg block_job;
    WireDomainEventDiskChangeMsg disk_change;
    WireDomainEventTrayChangeMsg tray_change;
    WireDomainEventPmwakeupMsg pmwakeup;
    WireDomainEventPmsuspendMsg pmsuspend;
    WireDomainEventBalloonChangeMsg balloon_change;
    WireDomainEventPmsuspendDiskMsg pmsuspend_disk;
    WireDomainEventDeviceRemovedMsg device_removed;
} EventBody;

/* The body of ids 0 to 15, and the legacy and modern procedure that carry it. */
static void event_fill_body(const Event *event, EventBody *body, int32_t *ret_legacy, int32_t *ret_modern)
{
    WireDomain dom = event_domain(event);
    char *text1 = event_text(event->text1), *text2 = event_text(event->text2),
         *text3 = event_text(event->text3);

#define NUMBERS(name)                                                                                        \
    (*ret_legacy = PROC_DOMAIN_EVENT_##name, *ret_modern = PROC_DOMAIN_EVENT_CALLBACK_##name)
    switch (event->id) {
    case EVENT_LIFECYCLE:
        NUMBERS(LIFECYCLE);
        body->lifecycle =
            (WireDomainEventLifecycleMsg){ .dom = dom, .event = event->type, .detail = event->detail };
        return;
    case EVENT_REBOOT:
        NUMBERS(REBOOT);
        body->reboot = (WireDomainEventRebootMsg){ .dom = dom };
        return;
    case EVENT_RTC_CHANGE:
        NUMBERS(RTC_CHANGE);
        body->rtc_change = (WireDomainEventRtcChangeMsg){ .dom = dom, .offset = event->number };
        return;
    case EVENT_WATCHDOG:
        NUMBERS(WATCHDOG);
        body->watchdog = (WireDomainEventWatchdogMsg){ .dom = dom, .action = event->type };
        return;
    case EVENT_IO_ERROR:
        NUMBERS(IO_ERROR);
        body->io_error = (WireDomainEventIoErrorMsg){
            .dom = dom, .src_path = text1, .dev_alias = text2, .action = event->type
        };
        return;
    case EVENT_IO_ERROR_REASON:
        NUMBERS(IO_ERROR_REASON);
        body->io_error_reason = (WireDomainEventIoErrorReasonMsg){
            .dom = dom, .src_path = text1, .dev_alias = text2, .action = event->type, .reason = text3
        };
        return;
    case EVENT_GRAPHICS:
        NUMBERS(GRAPHICS);
        body->graphics = (WireDomainEventGraphicsMsg){
            .dom = dom,
            .phase = event->type,
            .local = { event->local.family, event_text(event->local.node), event_text(event->local.service) },
            .remote = { event->remote.family, event_text(event->remote.node),
                        event_text(event->remote.service) },
            .auth_scheme = text1,
        };
        return;
    case EVENT_CONTROL_ERROR:
        NUMBERS(CONTROL_ERROR);
        body->control_error = (WireDomainEventControlErrorMsg){ .dom = dom };
        return;
    case EVENT_BLOCK_JOB:
        NUMBERS(BLOCK_JOB);
        body->block_job = (WireDomainEventBlockJobMsg){
            .dom = dom, .path = text1, .type = event->type, .status = event->detail
        };
        return;
    case EVENT_DISK_CHANGE:
        NUMBERS(DISK_CHANGE);
        body->disk_change = (WireDomainEventDiskChangeMsg){ .dom = dom,
                                                            .old_src_path = (char *)event->text1,
                                                            .new_src_path = (char *)event->text2,
                                                            .dev_alias = text3,
                                                            .reason = event->type };
        return;
    case EVENT_TRAY_CHANGE:
        NUMBERS(TRAY_CHANGE);
        body->tray_change =
            (WireDomainEventTrayChangeMsg){ .dom = dom, .dev_alias = text1, .reason = event->type };
        return;
    case EVENT_PMWAKEUP:
        NUMBERS(PMWAKEUP);
        body->pmwakeup = (WireDomainEventPmwakeupMsg){ .dom = dom };
        return;
    case EVENT_PMSUSPEND:
        NUMBERS(PMSUSPEND);
        body->pmsuspend = (WireDomainEventPmsuspendMsg){ .dom = dom };
        return;
    case EVENT_BALLOON_CHANGE:
        NUMBERS(BALLOON_CHANGE);
        body->balloon_change =
            (WireDomainEventBalloonChangeMsg){ .dom = dom, .actual = (uint64_t)event->number };
        return;
    case EVENT_PMSUSPEND_DISK:
        NUMBERS(PMSUSPEND_DISK);
        body->pmsuspend_disk = (WireDomainEventPmsuspendDiskMsg){ .dom = dom };
        return;
    case EVENT_DEVICE_REMOVED:
        NUMBERS(DEVICE_REMOVED);
        body->device_removed = (WireDomainEventDeviceRemovedMsg){ .dom = dom, .dev_alias = text1 };
        return;
    default:
        g_assert_not_reached();
    }
#undef NUMBERS
}

/* Modern messages put the callback id in front of the whole legacy body, three of them a reason in between:
 * so they are written from their parts, without a struct for each. */
static void event_send_wrapped(RpcClient *client, int callback_id, const Event *event)
{
    EventBody body = { 0 };
    int32_t legacy = 0, modern = 0;
    g_autoptr(Error) err = NULL;
    WireBuffer *out = &client->channel.out;

    event_fill_body(event, &body, &legacy, &modern);
    WireHeader header = {
        .program = WIRE_PROGRAM_REMOTE, .version = 1, .proc = modern, .type = WIRE_MESSAGE, .serial = 1
    };
    WireType type = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), legacy)->args;
    bool has_reason =
        event->id == EVENT_PMWAKEUP || event->id == EVENT_PMSUSPEND || event->id == EVENT_PMSUSPEND_DISK;
    uint32_t id = GUINT32_TO_BE((uint32_t)callback_id);
    uint32_t reason = GUINT32_TO_BE((uint32_t)event->type);
    size_t start = wire_frame_begin(out, &header);
    wire_buffer_append(out, &id, sizeof id);
    if (has_reason)
        wire_buffer_append(out, &reason, sizeof reason);
    if (!wire_encode(type, &body, out, &err) || !wire_frame_end(out, start, &header, 0, &err)) {
        out->len = start;
        log_warning_error(err, "event");
        return;
    }
    rpc_client_flush(client);
}

static void event_send_flat(RpcClient *client, int callback_id, const Event *event)
{
    WireDomain dom = event_domain(event);
    char *text1 = event_text(event->text1);

#define SEND(name, type, ...)                                                                                \
    do {                                                                                                     \
        type message = { .callback_id = callback_id, .dom = dom, __VA_ARGS__ };                              \
        rpc_client_send_message(client, WIRE_PROGRAM_REMOTE, name, &message);                                \
    } while (0)
    switch (event->id) {
    case EVENT_BLOCK_JOB_2:
        SEND(PROC_DOMAIN_EVENT_BLOCK_JOB_2, WireDomainEventBlockJob2Msg, .dst = text1, .type = event->type,
             .status = event->detail);
        return;
    case EVENT_AGENT_LIFECYCLE:
        SEND(PROC_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, WireDomainEventCallbackAgentLifecycleMsg,
             .state = event->type, .reason = event->detail);
        return;
    case EVENT_DEVICE_ADDED:
        SEND(PROC_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, WireDomainEventCallbackDeviceAddedMsg,
             .dev_alias = text1);
        return;
    case EVENT_DEVICE_REMOVAL_FAILED:
        SEND(PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, WireDomainEventCallbackDeviceRemovalFailedMsg,
             .dev_alias = text1);
        return;
    case EVENT_MIGRATION_ITERATION:
        SEND(PROC_DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION, WireDomainEventCallbackMigrationIterationMsg,
             .iteration = (int32_t)event->number);
        return;
    case EVENT_METADATA_CHANGE:
        SEND(PROC_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, WireDomainEventCallbackMetadataChangeMsg,
             .type = event->type, .nsuri = (char *)event->text1);
        return;
    case EVENT_BLOCK_THRESHOLD:
        SEND(PROC_DOMAIN_EVENT_BLOCK_THRESHOLD, WireDomainEventBlockThresholdMsg, .dev = text1,
             .path = (char *)event->text2, .threshold = (uint64_t)event->number,
             .excess = (uint64_t)event->number2);
        return;
    case EVENT_MEMORY_FAILURE:
        SEND(PROC_DOMAIN_EVENT_MEMORY_FAILURE, WireDomainEventMemoryFailureMsg, .recipient = event->type,
             .action = event->detail, .flags = event->flags);
        return;
    case EVENT_MEMORY_DEVICE_SIZE_CHANGE:
        SEND(PROC_DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE, WireDomainEventMemoryDeviceSizeChangeMsg,
             .alias = text1, .size = (uint64_t)event->number);
        return;
    case EVENT_NIC_MAC_CHANGE:
        SEND(PROC_DOMAIN_EVENT_NIC_MAC_CHANGE, WireDomainEventNicMacChangeMsg, .alias = text1,
             .old_mac = event_text(event->text2), .new_mac = event_text(event->text3));
        return;
    case EVENT_TUNABLE:
    case EVENT_JOB_COMPLETED: {
        WireTypedParam *params = NULL;
        uint32_t n_params = 0;
        rpc_params_to_wire(event->params, &params, &n_params);
        if (event->id == EVENT_TUNABLE)
            SEND(PROC_DOMAIN_EVENT_CALLBACK_TUNABLE, WireDomainEventCallbackTunableMsg, .params = params,
                 .n_params = n_params);
        else
            SEND(PROC_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, WireDomainEventCallbackJobCompletedMsg,
                 .params = params, .n_params = n_params);
        rpc_params_free(params, n_params);
        return;
    }
    default:
        return;
    }
#undef SEND
}

static void event_send_legacy(RpcClient *client, const Event *event)
{
    EventBody body = { 0 };
    int32_t legacy = 0, modern = 0;

    event_fill_body(event, &body, &legacy, &modern);
    rpc_client_send_message(client, WIRE_PROGRAM_REMOTE, legacy, &body);
}

/* The messages of the other kinds: all begin with the callback's id and the object, and some go on. */
typedef struct ObjectMessage {
    int32_t callback_id;
    WireHandle handle;
    int32_t event, detail;
} ObjectMessage;

static void event_send_object(RpcClient *client, int callback_id, const Event *event)
{
    static const struct {
        ObjectKind kind;
        int id;
        int32_t proc;
    } messages[] = {
        { OBJECT_NETWORK, EVENT_LIFECYCLE, PROC_NETWORK_EVENT_LIFECYCLE },
        { OBJECT_POOL, EVENT_LIFECYCLE, PROC_STORAGE_POOL_EVENT_LIFECYCLE },
        { OBJECT_POOL, EVENT_POOL_REFRESH, PROC_STORAGE_POOL_EVENT_REFRESH },
        { OBJECT_NODE_DEVICE, EVENT_LIFECYCLE, PROC_NODE_DEVICE_EVENT_LIFECYCLE },
        { OBJECT_NODE_DEVICE, EVENT_NODE_DEVICE_UPDATE, PROC_NODE_DEVICE_EVENT_UPDATE },
        { OBJECT_SECRET, EVENT_LIFECYCLE, PROC_SECRET_EVENT_LIFECYCLE },
        { OBJECT_SECRET, EVENT_SECRET_VALUE_CHANGED, PROC_SECRET_EVENT_VALUE_CHANGED },
    };
    const ObjectMessage message = { .callback_id = callback_id,
                                    .handle = { .name = event_text(event->name),
                                                .uuid = event->uuid,
                                                .usage_type = event->number,
                                                .usage_id = event_text(event->text1) },
                                    .event = event->type,
                                    .detail = event->detail };

    if (event->kind == OBJECT_NETWORK && event->id == (EventId)EVENT_NETWORK_METADATA_CHANGE) {
        const WireNetworkEventCallbackMetadataChangeMsg change = { .callback_id = callback_id,
                                                                   .net = message.handle,
                                                                   .type = event->type,
                                                                   .nsuri = (char *)event->text1 };
        rpc_client_send_message(client, WIRE_PROGRAM_REMOTE, PROC_NETWORK_EVENT_CALLBACK_METADATA_CHANGE,
                                &change);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(messages); i++) {
        if (messages[i].kind == event->kind && messages[i].id == (int)event->id)
            rpc_client_send_message(client, WIRE_PROGRAM_REMOTE, messages[i].proc, &message);
    }
}

static void event_send_qemu(RpcClient *client, int callback_id, const Event *event)
{
    WireQemuDomainMonitorEventMsg message = {
        .callback_id = callback_id,
        .dom = event_domain(event),
        .event = event_text(event->text1),
        .seconds = event->number,
        .micros = (uint32_t)event->number2,
        .details = (char *)event->text2,
    };

    rpc_client_send_message(client, WIRE_PROGRAM_QEMU, QEMU_PROC_DOMAIN_MONITOR_EVENT, &message);
}

/* ---- fan-out ---- */

static bool registration_wants(const RpcRegistration *registration, const Event *event)
{
    if (registration->object != event->kind)
        return false;
    if (registration->for_one && (registration->name ? strcmp(registration->name, event->name) != 0
                                                     : !uuid_equal(&registration->uuid, &event->uuid)))
        return false;
    if (registration->kind != RPC_EVENT_QEMU)
        return registration->event_id == (int)event->id;
    if (event->id != EVENT_QEMU_MONITOR)
        return false;
    if (registration->qemu_pattern)
        return g_regex_match(registration->qemu_pattern, event_text(event->text1), 0, NULL);
    if (!registration->qemu_event)
        return true;
    if (registration->qemu_flags & VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE)
        return g_ascii_strcasecmp(registration->qemu_event, event_text(event->text1)) == 0;
    return strcmp(registration->qemu_event, event_text(event->text1)) == 0;
}

static void registration_send(RpcClient *client, const RpcRegistration *registration, const Event *event)
{
    switch (registration->kind) {
    case RPC_EVENT_LEGACY:
        event_send_legacy(client, event);
        return;
    case RPC_EVENT_QEMU:
        event_send_qemu(client, registration->callback_id, event);
        return;
    case RPC_EVENT_OBJECT:
        event_send_object(client, registration->callback_id, event);
        return;
    case RPC_EVENT_MODERN:
        if (event->id < LEGACY_EVENTS)
            event_send_wrapped(client, registration->callback_id, event);
        else
            event_send_flat(client, registration->callback_id, event);
        return;
    }
}

static void events_fan_out_to(RpcClient *client, const Event *event)
{
    g_autoptr(RpcClient) hold G_GNUC_UNUSED = rpc_client_ref(client);

    if (!client->events || !rpc_access_may_hear(client, event))
        return;
    for (guint i = 0; client->events && i < client->events->registrations->len; i++) {
        const RpcRegistration *registration = g_ptr_array_index(client->events->registrations, i);
        if (!registration_wants(registration, event))
            continue;
        /* One who lets megabytes of events lie is not coming back for them. */
        if (wire_channel_pending(&client->channel) > RPC_OUT_MAX)
            rpc_client_drop(client, "does not read its events");
        else
            registration_send(client, registration, event);
    }
}

static void events_on_publish(const Event *event, void *arg)
{
    RpcServer *server = arg;
    /* A copy: sending may drop a client, and with it change the set. */
    g_autofree gpointer *clients = g_hash_table_get_keys_as_array(rpc_server_clients(server), NULL);

    for (size_t i = 0; clients[i]; i++) {
        if (g_hash_table_contains(rpc_server_clients(server), clients[i]))
            events_fan_out_to(clients[i], event);
    }
}

/* ---- registrations ---- */

static bool registration_same(const RpcRegistration *a, const RpcEventFilter *filter)
{
    if (a->kind != filter->kind || a->object != filter->object || g_strcmp0(a->name, filter->name) != 0 ||
        a->for_one != (filter->uuid || filter->name) || (filter->uuid && !uuid_equal(&a->uuid, filter->uuid)))
        return false;
    if (a->kind == RPC_EVENT_QEMU)
        return g_strcmp0(a->qemu_event, filter->qemu_event) == 0 && a->qemu_flags == filter->qemu_flags;
    return a->event_id == filter->event_id;
}

static bool registration_set_pattern(RpcRegistration *registration, Error **err)
{
    g_autoptr(GError) why = NULL;
    GRegexCompileFlags flags =
        registration->qemu_flags & VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE ? G_REGEX_CASELESS
                                                                                         : 0;

    if (!registration->qemu_event ||
        !(registration->qemu_flags & VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX))
        return true;
    if (strlen(registration->qemu_event) > PATTERN_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the pattern is longer than %d bytes", PATTERN_MAX);
    registration->qemu_pattern = g_regex_new(registration->qemu_event, flags, 0, &why);
    if (!registration->qemu_pattern)
        return error_set(err, ERROR_INVALID_ARGUMENT, "wrong pattern: %s", why->message);
    return true;
}

static void events_stop(void *subscription)
{
    event_unsubscribe(subscription);
}

bool rpc_events_add(RpcClient *client, const RpcEventFilter *filter, int *ret_callback_id, Error **err)
{
    if (!client->events) {
        client->events = g_new0(RpcEvents, 1);
        client->events->registrations = g_ptr_array_new_with_free_func(registration_free);
    }
    RpcEvents *events = client->events;
    for (guint i = 0; i < events->registrations->len; i++) {
        if (registration_same(g_ptr_array_index(events->registrations, i), filter))
            return error_set(err, ERROR_INVALID_ARGUMENT, "event callback already tracked");
    }
    if (events->registrations->len >= REGISTRATIONS_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "more than %d event callbacks on one connection",
                         REGISTRATIONS_MAX);
    RpcRegistration *made = g_new0(RpcRegistration, 1);
    made->kind = filter->kind;
    made->event_id = filter->event_id;
    made->object = filter->object;
    made->for_one = filter->uuid || filter->name;
    made->name = g_strdup(filter->name);
    if (filter->uuid)
        made->uuid = *filter->uuid;
    made->qemu_event = g_strdup(filter->qemu_event);
    made->qemu_flags = filter->qemu_flags;
    if (!registration_set_pattern(made, err)) {
        registration_free(made);
        return false;
    }
    made->callback_id = filter->kind == RPC_EVENT_QEMU ? events->next_qemu_id++ : events->next_id++;
    g_ptr_array_add(events->registrations, made);
    if (!rpc_server_has_events(client->server)) {
        EventBus *bus = rpc_server_spec(client->server)->events;
        rpc_server_set_events(client->server, event_subscribe(bus, events_on_publish, client->server),
                              events_stop);
    }
    if (ret_callback_id)
        *ret_callback_id = made->callback_id;
    return true;
}

bool rpc_events_remove(RpcClient *client, RpcEventKind kind, int id, Error **err)
{
    for (guint i = 0; client->events && i < client->events->registrations->len; i++) {
        const RpcRegistration *at = g_ptr_array_index(client->events->registrations, i);
        if (at->kind == kind && (kind == RPC_EVENT_LEGACY ? at->event_id : at->callback_id) == id) {
            g_ptr_array_remove_index(client->events->registrations, i);
            return true;
        }
    }
    return rpc_error_internal(err, "domain event %s%d not registered",
                              kind == RPC_EVENT_LEGACY ? "" : "callback ", id);
}

void rpc_events_abandon(RpcClient *client)
{
    RpcEvents *events = g_steal_pointer(&client->events);

    if (!events)
        return;
    g_ptr_array_unref(events->registrations);
    g_free(events);
}
