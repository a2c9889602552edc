/* The inside of migration, for its modules alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_migrate.h"
#include "machine/vm_private.h"
#include "qemu/monitor.h"

/* ---- parameters (vm_migrate_params.c) ---- */

typedef enum MigrateSide {
    MIGRATE_BY_FLAG, /* of capabilities: neither side, unless asked for */
    MIGRATE_AT_SOURCE,
    MIGRATE_AT_TARGET,
    MIGRATE_AT_NEITHER, /* nothing is under way */
} MigrateSide;
enum { MIGRATE_CAP_COUNT = 11 };
typedef struct MigrateCap { /* as QEMU and the cookie call it */
    const char *name;
    unsigned flag;    /* virDomainMigrateFlags that asks for it; 0 */
    MigrateSide side; /* where it is always on */
} MigrateCap;
extern const MigrateCap migrate_caps[MIGRATE_CAP_COUNT];

typedef struct MigrateAddress {
    char *host;    /* without brackets; NULL: a socket */
    char *path;    /* of a socket */
    unsigned port; /* 0: not said */
} MigrateAddress;
void migrate_address_clear(MigrateAddress *address);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateAddress, migrate_address_clear)
/* "tcp://host:port", of older destinations "tcp:host:port"; "unix:///path".
 * ERROR_ARGUMENT_UNSUPPORTED  another scheme */
MUST_CHECK bool migrate_address_parse(const char *uri, MigrateAddress *ret_address, Error **err);

void migrate_params_copy(const MigrateParams *from, MigrateParams *to);
/* Sets all capabilities, and the parameters that are asked for. @tls_id: of the credentials; NULL: none. */
AWAITS MUST_CHECK bool migrate_tell_qemu(Vm *vm, const MigrateParams *params, MigrateSide side,
                                         const char *tls_id, const char *tls_name, Error **err);
#define MIGRATE_THROTTLE_TRIGGER 50 /* percent: QEMU's own */
#define MIGRATE_THROTTLE_INITIAL 20
#define MIGRATE_THROTTLE_INCREMENT 10
AWAITS MUST_CHECK bool migrate_set_number(Vm *vm, const char *name, uint64_t value, Error **err);
/* No capability is left that a later migration, or a save, would stumble over. */
AWAITS void migrate_reset_qemu(Vm *vm);

/* ---- the document that goes to the other side (vm_migrate_cookie.c) ---- */

typedef struct MigrateDisk {
    char *target;
    uint64_t bytes;
} MigrateDisk;

typedef struct MigrateCookie {
    char *host_name, *host_uuid;
    char *domain_xml;  /* the definition that is to stay; NULL */
    bool has_disks;    /* <nbd> is there */
    GPtrArray *disks;  /* of MigrateDisk; NULL: it names none */
    unsigned nbd_port; /* 0: none yet */
    bool has_caps;
    unsigned auto_caps; /* bits by number in migrate_caps: switched on without being asked for */
    bool has_stats;
    JobProgress stats;
    uint64_t started_ms, stopped_ms, sent_ms; /* since 1970, by the source's clock */
    int64_t delta_ms;                         /* between the clocks, and on the way; 0: not known */
    Json *files;                              /* vm_state_files.h, of an offline migration; NULL */
    /* Between lodged: what the source offers, then what the destination has taken of it. */
    bool postcopy;
    char *tls; /* digest of the CA; then the name in the destination's certificate. NULL: no TLS */
} MigrateCookie;
GPtrArray *migrate_disk_list_new(void);
void migrate_disk_list_add(GPtrArray *disks, const char *target, uint64_t bytes);
void migrate_cookie_clear(MigrateCookie *cookie);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateCookie, migrate_cookie_clear)
/* Fills in who we are. Owned. */
char *migrate_cookie_format(const Vm *vm, const char *name, const MigrateCookie *cookie);
/* An absent one is empty. @name, @uuid: the machine that it must be about; NULL: any.
 * ERROR_INTERNAL: no such document, or it demands what is not known here */
AWAITS MUST_CHECK bool migrate_cookie_parse(const MigrateBytes *bytes, const Uuid *uuid,
                                            MigrateCookie *ret_cookie, Error **err);
char *migrate_own_uuid(const Host *host); /* of this host; owned */

/* ---- TLS (vm_migrate_tls.c) ---- */

#define MIGRATE_TLS_ID "objlibvirt_migrate_tls0" /* of the credentials that QEMU has */
/* Source: QEMU has credentials with which it connects. */
AWAITS MUST_CHECK bool migrate_tls_to_connect(Vm *vm, Error **err);
/* What is offered to the destination: NULL if this host has no certificates. Owned. */
AWAITS char *migrate_tls_offer(Vm *vm, const MigrateParams *params);
/* Destination: QEMU has credentials with which it listens. */
AWAITS MUST_CHECK bool migrate_tls_to_listen(Vm *vm, Error **err);
/* The same, if @offer can be taken: the name that our certificate has. NULL: there is no TLS. Owned. */
AWAITS char *migrate_tls_take(Vm *vm, const MigrateParams *params, const char *offer);

/* ---- storage (vm_migrate_disk.c) ---- */

/* Is @disk one of those that are copied? */
bool migrate_copies_disk(const MigrateParams *params, const DiskDef *disk);
/* Those that @params name must be there, and what is copied can be. */
MUST_CHECK bool migrate_check_disks(const Vm *vm, const MigrateParams *params, Error **err);
/* ERROR_MIGRATE_UNSAFE: what both sides would reach at once, or the other not at all. */
AWAITS MUST_CHECK bool migrate_check_safe(const Vm *vm, const MigrateParams *params, Error **err);
/* Source: sizes for the destination; mirrors to it, until they follow the guest; their end, when the guest
 * stands still; the same without success. Descriptions of progress are added to @progress. */
AWAITS MUST_CHECK bool migrate_list_disks(Vm *vm, const MigrateParams *params, MigrateCookie *cookie,
                                          Error **err);
typedef struct MigrateMirrors MigrateMirrors;
AWAITS MUST_CHECK bool migrate_mirrors_start(Vm *vm, const MigrateParams *params, const char *host,
                                             unsigned port, const char *tls_id, MigrateMirrors **ret_mirrors,
                                             Error **err);
void migrate_mirrors_free(MigrateMirrors *mirrors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateMirrors, migrate_mirrors_free)
/* *ret_ready: all follow the guest. */
AWAITS MUST_CHECK bool migrate_mirrors_poll(Vm *vm, MigrateMirrors *mirrors, JobProgress *progress,
                                            bool *ret_ready, Error **err);
AWAITS MUST_CHECK bool migrate_mirrors_finish(Vm *vm, MigrateMirrors *mirrors, Error **err);
/* Of any that QEMU has, also of a daemon before. */
AWAITS void migrate_mirrors_abandon(Vm *vm);
/* Destination: images that are not there are made; QEMU takes what the source writes. */
AWAITS MUST_CHECK bool migrate_make_images(Host *host, const DomainDef *def, const MigrateParams *params,
                                           const MigrateCookie *cookie, GPtrArray *made, Error **err);
AWAITS MUST_CHECK bool migrate_export_disks(Vm *vm, const MigrateParams *params, unsigned port,
                                            const char *tls_id, Error **err);

/* ---- coming to an end (vm_migrate_converge.c) ---- */

typedef struct Converge {
    uint64_t round; /* QEMU's, that is under way */
    uint64_t peak,
        last_peak;        /* bytes that were left at most: in this round, in the one before; 0: none yet */
    unsigned n_stuck;     /* rounds in a row that have not brought it nearer */
    uint64_t downtime_ms; /* that QEMU may take */
    bool is_slowed;       /* the guest is, or will be by QEMU */
} Converge;
typedef struct ConvergePolicy {
    uint64_t downtime_max_ms;
    bool may_slow_down, may_postcopy;
} ConvergePolicy;
typedef enum ConvergeStep {
    CONVERGE_WAIT,
    CONVERGE_MORE_DOWNTIME, /* converge->downtime_ms */
    CONVERGE_SLOW_DOWN,
    CONVERGE_POSTCOPY,
} ConvergeStep;
/* What one more look at QEMU's progress asks for. */
ConvergeStep migrate_converge_judge(Converge *converge, const ConvergePolicy *policy,
                                    const MonitorMigration *now);
typedef struct Outgoing Outgoing;
/* By the host's policy, of a migration whose driver has not asked for it. */
bool migrate_converge_wants_postcopy(const Vm *vm, const MigrateParams *params);
/* What QEMU has to know beforehand is added to what it is told. */
void migrate_converge_prepare(const Outgoing *out, MigrateParams *io_told);
AWAITS void migrate_converge_begin(Outgoing *out);
/* Looks, and does what is asked for; never ends the migration. */
AWAITS void migrate_converge_step(Outgoing *out, const MonitorMigration *now);
/* It has not moved: settings are as before. */
AWAITS void migrate_converge_end(Outgoing *out);

/* ---- the source (vm_migrate_source.c) ---- */

typedef enum MigratePhase { /* of the source, as its status file has it: see vm_migrate.h */
                            MIGRATE_NONE,
                            MIGRATE_PERFORM,
                            MIGRATE_POSTCOPY,
                            MIGRATE_DONE,
                            MIGRATE_PHASE_COUNT
} MigratePhase;

/* One migration from here. The machine's (vm->outgoing) while its driver may come back; it holds the job. */
struct Outgoing {
    Vm *vm; /* borrowed: the job holds it */
    Job job;
    uint64_t client_id; /* the driver's; 0: ourselves */
    MigrateParams params;
    MigratePhase phase;
    bool was_running;
    bool is_busy; /* a call of the driver is at it: the keeper keeps off */
    bool is_over; /* the keeper frees it */
    bool client_left;
    Fiber *keeper;     /* borrowed; NULL: we are the driver */
    WaitQueue changed; /* the keeper's */
    MigrateMirrors *mirrors;
    uint64_t began_ms, stopped_ms; /* since 1970 */
    Converge converge;
    uint64_t downtime_before_ms;
};
/* Written down before it counts. ERROR_CANCELLED: the destination was to decide, but the job was aborted. */
AWAITS MUST_CHECK bool migrate_note_phase(Outgoing *out, MigratePhase phase, Error **err);
AWAITS MUST_CHECK bool migrate_source_begin(Outgoing *out, char **ret_xml, char **ret_cookie, Error **err);
AWAITS MUST_CHECK bool migrate_source_perform(Outgoing *out, const MigrateCookie *cookie, int tunnel_fd,
                                              char **ret_cookie, Error **err);
/* The end, either way; its machine may be gone afterwards. */
AWAITS MUST_CHECK bool migrate_source_confirm(Outgoing *out, const MigrateCookie *cookie, bool cancelled,
                                              Error **err);
void migrate_outgoing_client_gone(Vm *vm);
/* Peer-to-peer: we are the driver (vm_migrate_peer.c). */
AWAITS MUST_CHECK bool migrate_to_peer(Outgoing *out, Error **err);
/* Soon: does the machine, which a daemon before has sent there, run at @peer? Ends it here, or lets it go on.
 */
void migrate_ask_later(Vm *vm, const char *peer);
