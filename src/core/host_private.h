/* The inside of the host, for the rooms that hang their own state on it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/fiber.h"
#include "core/config.h"
#include "core/paths.h"
#include "core/types.h"

typedef struct DacTable DacTable;
typedef struct HostifRoom HostifRoom;
typedef struct FilterRoom FilterRoom;
typedef struct ImageSizes ImageSizes;
typedef struct MachineRoom MachineRoom;
typedef struct NetworkRoom NetworkRoom;
typedef struct NodedevRoom NodedevRoom;
typedef struct PoolRoom PoolRoom;
typedef struct PortPool PortPool;
typedef struct SecretKey SecretKey;

struct Host {
    Paths *paths;
    Config *config;
    EventBus *events;
    Registry *registries[OBJECT_KIND_COUNT]; /* NULL: a kind that nobody has added */
    int last_id;
    uint64_t last_serial;
    bool is_stopping;
    unsigned n_background;     /* fibers of ours that run, or wait for room to run in */
    unsigned n_watching;       /* of these: for as long as the daemon runs */
    GQueue background_waiting; /* of Background: no fiber could be made for them yet */
    sd_event_source *background_retry;
    WaitQueue hurry;    /* woken when the daemon is to stop */
    GPtrArray *closers; /* host_on_free() */
    /* What a room keeps for all its objects; made and freed by the room. */
    PortPool *ports;         /* network */
    DacTable *dac;           /* storage */
    ImageSizes *image_sizes; /* storage: of machines that do not run */
    PoolRoom *pools;
    NetworkRoom *networks;
    NodedevRoom *nodedevs;
    HostifRoom *hostifs;
    FilterRoom *filters;
    MachineRoom *machines;
    SecretKey *secret_key;
};

/* @close frees what a room keeps; before the registries are freed the last first. */
void host_on_free(Host *host, void (*close)(Host *host));
/* Gives the host a registry for @class. Once, before anything is loaded. */
void host_add_class(Host *host, const ObjectClass *class);
uint64_t host_next_serial(Host *host);
int host_next_id(Host *host);
/* Starts a fiber that host_stop() waits for; later, if no fiber can be made now. @func frees @arg, @name is
 * static. For what guests or clients can repeat: vm_spawn_task(). */
void host_spawn(Host *host, const char *name, void (*func)(void *arg), void *arg);
/* The same for one that looks at something until the daemon stops: a daemon with nothing else is idle. */
void host_spawn_watch(Host *host, const char *name, void (*func)(void *arg), void *arg);
void secret_key_free(SecretKey *key); /* NULL does nothing */
