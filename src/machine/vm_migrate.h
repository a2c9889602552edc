/* Migration of machines to another host, and from there: protocol version 3, as libvirt's clients and
 * daemons drive it.
 *
 * Whoever drives (virsh, or the source's daemon for peer-to-peer) calls in this order: begin at the source,
 * prepare at the destination, perform at the source, finish at the destination, confirm at the source. What
 * goes from side to side is a document (vm_migrate_cookie.h) that the driver does not look into.
 *
 * Who may let the guest run, whoever dies when:
 *  1. The destination lets it run in finish only, and finish is called only after perform has succeeded.
 *  2. The source says that perform has succeeded only after its status file says "done". A source that finds
 *     "perform" there lets the guest go on; one that finds "done" never does so by itself.
 *  3. The destination's status file says that the machine is being started, so a daemon that dies takes it
 *     back, until it says that the guest goes on, which is written before it does.
 *  4. From the begin of post-copy ("postcopy" in the file) the source never lets it run again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm.h"

typedef struct Stream Stream;

/* What a client asks for, by the names of virDomainMigrate3(). */
typedef struct MigrateParams {
    unsigned flags; /* virDomainMigrateFlags */
    char *peer;     /* URI of the destination's daemon, of peer-to-peer; NULL */
    char *uri;      /* where memory goes: "tcp://host[:port]", "unix:///path"; NULL: the destination says */
    char *name;     /* at the destination; NULL: as here */
    char *xml;      /* of the machine there; NULL: as begin says */
    char *persist_xml;
    char *listen_address, *graphics_uri, *disks_uri, *tls_destination;
    GPtrArray *disks; /* targets of those that are copied; NULL: all that need it */
    bool use_xbzrle, use_mt;
    int32_t mt_level, mt_threads, mt_dthreads; /* 0: QEMU's */
    uint64_t cache_bytes;                      /* of xbzrle; 0: QEMU's */
    uint64_t bandwidth_mib, postcopy_bandwidth_mib;
    int32_t throttle_initial, throttle_increment; /* percent; 0: QEMU's */
    int32_t throttle_trigger;                     /* not a client's; percent; 0: QEMU's */
    int32_t connections;                          /* of multifd; 0: QEMU's */
    int32_t disks_port;                           /* 0: any */
} MigrateParams;
/* ERROR_INVALID_ARGUMENT  a parameter that is not known, of another type, twice, or out of range; flags that
 *                         contradict each other
 * ERROR_ARGUMENT_UNSUPPORTED  what cannot be done here (RDMA, zero copy without multifd), by name */
MUST_CHECK bool migrate_params_read(const Params *params, unsigned flags, MigrateParams *ret_params,
                                    Error **err);
/* As they are sent to the other side. Owned. */
Params *migrate_params_to_params(const MigrateParams *params);
void migrate_params_clear(MigrateParams *params);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateParams, migrate_params_clear)

/* A document on its way between the hosts. */
typedef struct MigrateBytes {
    const uint8_t *data; /* borrowed; NULL: none */
    size_t len;
} MigrateBytes;

/* ---- source ---- */

/* *ret_xml, *ret_cookie: owned. With CHANGE_PROTECTION the machine's job is held from here to the end of the
 * migration, or of @caller.
 * ERROR_INVALID_STATE   it does not run (or runs, for offline), has block jobs, ...
 * ERROR_MIGRATE_UNSAFE  its disks could be damaged: say UNSAFE to risk that */
AWAITS MUST_CHECK bool vm_migrate_begin(Vm *vm, const MigrateParams *params, const Caller *caller,
                                        char **ret_xml, char **ret_cookie, Error **err);
/* Moves everything but the right to run; with PEER2PEER the whole migration. On failure the guest goes on. */
AWAITS MUST_CHECK bool vm_migrate_perform(Vm *vm, const MigrateParams *params, const MigrateBytes *cookie,
                                          const Caller *caller, char **ret_cookie, Error **err);
/* @cancelled: the destination does not have it, so it goes on here; else it ends here. */
AWAITS MUST_CHECK bool vm_migrate_confirm(Vm *vm, const MigrateParams *params, const MigrateBytes *cookie,
                                          bool cancelled, const Caller *caller, Error **err);

/* ---- destination ---- */

/* A QEMU that waits for its state. *ret_uri: where, NULL if @params say it. @ret_stream: for a tunnel, where
 * the state is to be written; else NULL. */
AWAITS MUST_CHECK bool vm_migrate_prepare(Host *host, const MigrateParams *params, const MigrateBytes *cookie,
                                          const Caller *caller, char **ret_cookie, char **ret_uri,
                                          Stream **ret_stream, Error **err);
/* Lets it run, or with @cancelled takes all back; then, and on failure, NULL. A reference. */
AWAITS MUST_CHECK Vm *vm_migrate_finish(Host *host, const MigrateParams *params, const MigrateBytes *cookie,
                                        bool cancelled, const Caller *caller, char **ret_cookie, Error **err);

/* ---- while it runs, and before ---- */

AWAITS MUST_CHECK bool vm_migrate_set_downtime(Vm *vm, uint64_t downtime_ms, Error **err);
AWAITS MUST_CHECK bool vm_migrate_get_downtime(Vm *vm, uint64_t *ret_downtime_ms, Error **err);
/* Of the migration that runs, or of the next; @postcopy: of its second part. */
AWAITS MUST_CHECK bool vm_migrate_set_speed(Vm *vm, uint64_t mib_per_s, bool postcopy, Error **err);
AWAITS MUST_CHECK bool vm_migrate_get_speed(Vm *vm, bool postcopy, uint64_t *ret_mib_per_s, Error **err);
AWAITS MUST_CHECK bool vm_migrate_set_cache(Vm *vm, uint64_t bytes, Error **err);
AWAITS MUST_CHECK bool vm_migrate_get_cache(Vm *vm, uint64_t *ret_bytes, Error **err);
/* ERROR_INVALID_STATE: it is not being migrated, or was not told that this may come. */
AWAITS MUST_CHECK bool vm_migrate_start_postcopy(Vm *vm, Error **err);

/* Would break off the connection of a post-copy. ERROR_OPERATION_UNSUPPORTED: QEMU 7.2 at the destination was
 * seen to die of it; ERROR_INVALID_STATE: there is none. */
MUST_CHECK bool vm_migrate_interrupt(Vm *vm, Error **err);

/* Pauses a machine that is being migrated, whose job is not free; *ret_is_migrating false: it is not. */
AWAITS MUST_CHECK bool vm_migrate_pause(Vm *vm, bool *ret_is_migrating, Error **err);
/* Of a QEMU that was taken over: ends what the daemon before was at. See the rules above. */
AWAITS MUST_CHECK bool vm_migrate_recover(Vm *vm, Error **err);

/* It is about to go on here although it had been sent: its leases are taken again. ERROR_BUSY: the other side
 * has them. */
AWAITS MUST_CHECK bool vm_migrate_reclaim(Vm *vm, Error **err);
/* The machine ends here, and may run elsewhere: what its QEMU there uses is not given back to its owner. */
void vm_migrate_keep_lent(Vm *vm);

/* A client left: what it alone drove is taken back. */
void vm_migrate_client_gone(Host *host, uint64_t client_id);
