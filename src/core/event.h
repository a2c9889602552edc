/* Everything that happens to an object, published once here and fanned out by the front ends.
 *
 * Numbers of ids and details are those of the public API (virDomainEventID, virDomainEvent*Type): facts of
 * the protocol that need no translation table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/uuid.h"
#include "core/params.h"
#include "core/types.h"

typedef enum EventId {
    EVENT_LIFECYCLE = 0, /* of every kind of object; the others are a machine's */
    EVENT_REBOOT = 1,
    EVENT_RTC_CHANGE = 2,
    EVENT_WATCHDOG = 3,
    EVENT_IO_ERROR = 4,
    EVENT_GRAPHICS = 5,
    EVENT_IO_ERROR_REASON = 6,
    EVENT_CONTROL_ERROR = 7,
    EVENT_BLOCK_JOB = 8,
    EVENT_DISK_CHANGE = 9,
    EVENT_TRAY_CHANGE = 10,
    EVENT_PMWAKEUP = 11,
    EVENT_PMSUSPEND = 12,
    EVENT_BALLOON_CHANGE = 13,
    EVENT_PMSUSPEND_DISK = 14,
    EVENT_DEVICE_REMOVED = 15,
    EVENT_BLOCK_JOB_2 = 16,
    EVENT_TUNABLE = 17,
    EVENT_AGENT_LIFECYCLE = 18,
    EVENT_DEVICE_ADDED = 19,
    EVENT_MIGRATION_ITERATION = 20,
    EVENT_JOB_COMPLETED = 21,
    EVENT_DEVICE_REMOVAL_FAILED = 22,
    EVENT_METADATA_CHANGE = 23,
    EVENT_BLOCK_THRESHOLD = 24,
    EVENT_MEMORY_FAILURE = 25,
    EVENT_MEMORY_DEVICE_SIZE_CHANGE = 26,
    EVENT_NIC_MAC_CHANGE = 27,
    EVENT_COUNT,
    EVENT_QEMU_MONITOR = 1000, /* raw QMP event: text1 = name, text2 = JSON of data (may be NULL), number =
                                  seconds, number2 = microseconds */
} EventId;
/* Ids of the other kinds beside EVENT_LIFECYCLE: virNetworkEventID, virStoragePoolEventID,
 * virNodeDeviceEventID, virSecretEventID. */
enum {
    EVENT_NETWORK_METADATA_CHANGE = 1,
    EVENT_POOL_REFRESH = 1,
    EVENT_NODE_DEVICE_UPDATE = 1,
    EVENT_SECRET_VALUE_CHANGED = 1
};

/* Valid during the callback only. Fields not named for an id are zero/NULL. */
typedef struct Event {
    ObjectKind kind;  /* of the object; 0: a machine */
    EventId id;       /* of the kind's own numbering: see EVENT_..._ below */
    const char *name; /* the object as it was then: it may be gone already */
    Uuid uuid;
    int object_id; /* -1 if not running. For Shutdown/Stopped as observed on the wire */
    int type;      /* LIFECYCLE: event; DISK_CHANGE/TRAY_CHANGE: reason; WATCHDOG/IO_ERROR: action;
                      BLOCK_JOB(_2): type; AGENT_LIFECYCLE: state; METADATA: type; GRAPHICS: phase;
                      PMSUSPEND...: reason; MEMORY_FAILURE: recipient */
    int detail; /* LIFECYCLE: detail; BLOCK_JOB(_2): status; AGENT_LIFECYCLE: reason; MEMORY_FAILURE: action
                 */
    unsigned flags; /* MEMORY_FAILURE; LIFECYCLE, a machine's Stopped: 1: by the kernel, for want of memory */
    int64_t number; /* RTC_CHANGE: offset s; BALLOON: KiB; MIGRATION_ITERATION; BLOCK_THRESHOLD: threshold;
                       MEMORY_DEVICE_SIZE: KiB */
    int64_t number2;   /* BLOCK_THRESHOLD: excess */
    const char *text1; /* LIFECYCLE, a machine's Stopped: how QEMU ended, NULL; IO_ERROR: source path;
                          BLOCK_JOB: path, _2: target dev; DISK_CHANGE: old source; device alias for
                          TRAY/DEVICE_*; METADATA: namespace URI; THRESHOLD: dev; GRAPHICS: auth scheme */
    const char *text2; /* IO_ERROR: alias; DISK_CHANGE: new source; THRESHOLD: path; NIC_MAC: old address */
    const char *text3; /* IO_ERROR_REASON: reason; DISK_CHANGE: alias; NIC_MAC: new address */
    struct {           /* GRAPHICS */
        int family;    /* 0 IPv4, 1 IPv6, 2 unix */
        const char *node, *service;
    } local, remote;
    const Params *params; /* TUNABLE, JOB_COMPLETED */
} Event;

typedef struct EventSubscription EventSubscription;

EventBus *event_bus_new(void);
void event_bus_free(EventBus *bus);

/* @func runs in the loop thread at the moment of the change; it must not wait (queue and return). */
EventSubscription *event_subscribe(EventBus *bus, void (*func)(const Event *event, void *arg), void *arg);
void event_unsubscribe(EventSubscription *subscription);
void event_publish(EventBus *bus, const Event *event);
