/* Kinds of pools: a row of operations for each. For the files of this room that are one.
 *
 * All operations run in a fiber and may wait; each waits for a worker or a child process with a deadline. The
 * pool's job is held for those of pools; those of volumes run without it (pool->n_async keeps the pool from
 * being stopped meanwhile) unless the row says `is_serial`. Messages name the pool, the volume or the path.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/process.h"
#include "base/trail.h"
#include "conf/domain_def.h"
#include "conf/pool.h"
#include "conf/volume.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "storage/volume_handle.h"

#define POOL_DEADLINE_MS 30000 /* of one look at its storage */

typedef struct Pool Pool;
typedef struct PoolBackend PoolBackend;

/* By what a file is known to be unchanged. */
typedef struct FileStamp {
    FileId id;
    uint64_t size_bytes, blocks; /* blocks: of 512 bytes */
    struct timespec modified, changed;
    bool is_settled; /* false: so young that a second change could hide in it */
} FileStamp;

struct Volume {
    unsigned refs;
    Pool *pool; /* NULL: gone. Not counted: a pool outlives its volumes' place in it */
    char *pool_name, *name;
    VolumeDef *def;     /* complete: name, key, target.path, type, sizes */
    FileStamp stamp;    /* of a file: when def was read from it */
    unsigned n_users;   /* operations on it under way: it is not deleted, resized or wiped meanwhile */
    GPtrArray *retired; /* definitions that those operations may still read; NULL: none */
    bool is_being_made; /* not listed; found by its name only, by whoever watches it grow */
    char *temp_path;    /* of a file that is being made: where it grows; NULL: not known */
    bool is_unread;     /* no more than its name is known: it is read soon, or when it is asked */
    bool is_as_asked;   /* made by this daemon: what was asked for counts until the pool is refreshed */
};

struct Pool {
    OBJECT_BASE(PoolDef); /* live: the target with what is really there */
    const PoolBackend *backend;
    PoolDef *working;    /* what is being built, started or deleted; borrowed, NULL */
    PoolDef *looked_for; /* of a pool that may vanish while it is looked at: what that goes by; NULL */
    GHashTable *volumes; /* name -> Volume (counted), also those being made; NULL: not active */
    uint64_t capacity_bytes, allocation_bytes, available_bytes;
    unsigned n_async; /* operations on volumes under way */

    /* Looks at the storage are numbered. */
    uint64_t look_begun, look_done; /* the last that was begun, and the last that brought something */
    bool is_looking;
    WaitQueue looked;
    uint64_t looked_ms;       /* loop_now_ms() of the last */
    bool is_stale;            /* something is known to have changed since */
    GHashTable *changed;      /* names of files that did; NULL: none */
    int watch;                /* of inotify; -1: nobody tells of changes */
    bool is_reading;          /* volumes of which the names alone are known are being read */
    bool has_lost_watch;      /* its folder was removed or replaced: the next one there is to be watched */
    sd_event_source *telling; /* soon clients are told what others changed; NULL: nothing to tell */

    char *mount_point;    /* where what it lies on was mounted when it became active; of folders */
    unsigned space_level; /* thresholds that it is above: 0, 1 (pool_warn_percent), 2 (pool_full_percent) */

    char *reason; /* why it could not be started by itself; NULL */
    unsigned n_retries;
    bool is_building;
    sd_event_source *retry;
};

/* The texts are borrowed. */
typedef void (*ImageVisit)(void *arg, const char *path, const char *machine, bool is_running);

/* What the room keeps for all pools. */
struct PoolRoom {
    GHashTable *by_path; /* path of the volume (owned) -> Volume */
    GHashTable *by_key;  /* the same for those whose key is no path */
    /* Set by whoever knows: tells the path of each image that a machine needs, of those that run and of
     * those that are defined; never waits. NULL: there are none. */
    void (*walk_images)(Host *host, ImageVisit visit, void *arg);
    int inotify_fd; /* -1: none */
    sd_event_source *inotify_source;
    GHashTable *watches; /* of inotify -> Pool */
    bool default_is_new; /* this daemon made the pool `default` */
    /* Set by whoever has machines that wait for one: a pool was started. Must not wait. NULL: nobody. */
    void (*on_started)(Host *host, const char *name, const char *target_path);
    sd_event_source *space_timer;
    int mounts_fd; /* -1: none */
    sd_event_source *mounts_source, *mounts_timer;
};

/* What a look at the storage found. */
typedef struct PoolScan {
    GHashTable *only;   /* names: look at these alone; NULL: at all. A kind that cannot ignores it */
    bool is_partial;    /* out: volumes holds those of `only` that are there */
    GPtrArray *volumes; /* of Volume, complete, references; ones that are the pool's already are kept */
    uint64_t capacity_bytes, allocation_bytes, available_bytes;
} PoolScan;

struct PoolBackend {
    bool is_serial; /* its volumes are made and removed one after the other */
    bool is_folder; /* volumes are files of target_path: the operations of volumes are those of folder.c */

    bool starts_again; /* start() is called also if it is active already: nobody knows how much of it */

    /* Checks what its document says beyond its table. NULL: nothing */
    bool (*check_def)(const PoolDef *def, Error **err);
    /* Is it active already (mounted, logged in)? NULL: no kind of object outside tells; it is not */
    bool (*is_active)(Pool *pool, bool *ret_active, Error **err);
    bool (*start)(Pool *pool, Error **err); /* NULL: nothing to do */
    bool (*stop)(Pool *pool, Error **err);  /* NULL: nothing to do */
    /* @flags: virStoragePoolBuildFlags. NULL: ERROR_NOT_SUPPORTED */
    bool (*build)(Pool *pool, unsigned flags, Error **err);
    bool (*remove)(Pool *pool, unsigned flags, Error **err);
    /* Lists what is there. The pool is active, or about to be (after start()). */
    bool (*scan)(Pool *pool, PoolScan *scan, Error **err);
    /* @spec: what is asked about (a source, as of a pool of the type). Adds <source> elements. NULL:
     * ERROR_NOT_SUPPORTED */
    bool (*find_sources)(Host *host, const PoolDef *spec, GString *xml, Error **err);

    /* ---- volumes ---- */

    /* What is asked for becomes complete: type, path, key, format. Refuses what cannot be. */
    bool (*plan_volume)(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags, Error **err);
    /* Makes it, whole or not at all. @from may be of another pool. */
    bool (*make_volume)(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err);
    bool (*remove_volume)(Pool *pool, Volume *volume, unsigned flags, Error **err);
    bool (*resize_volume)(Pool *pool, Volume *volume, uint64_t capacity_bytes, unsigned flags, Error **err);
    /* Brings def up to date. ERROR_NO_STORAGE_VOL: it is not there any more */
    bool (*look_at_volume)(Pool *pool, Volume *volume, Error **err);
    bool (*wipe_volume)(Pool *pool, Volume *volume, int algorithm,
                        Error **err); /* NULL: of a file or device */
    /* Opens it for copying. NULL: the file or device at its path */
    bool (*open_volume)(Pool *pool, Volume *volume, int flags, int *ret_fd, Error **err);
    /* Fills in where a machine finds it. NULL: the file or device at its path */
    bool (*fill_source)(Pool *pool, const Volume *volume, StorageSource *io_source, Error **err);
};

/* NULL: this build or host has none for that type. */
extern const PoolBackend *const pool_backends[POOL_TYPE_COUNT];

/* The definition that counts: what is being started, else the live one, else the stored one. */
const PoolDef *pool_def(const Pool *pool);

/* ERROR_INTERNAL: there is none for its type. */
const PoolBackend *pool_get_backend(const PoolDef *def, Error **err);
/* The storage is usable: looks at it, remembers it, makes @def (owned, but not after a failure) live. The
 * pool's job is held. */
AWAITS MUST_CHECK bool pool_open_volumes(Pool *pool, PoolDef *def, Error **err);

Volume *volume_new(Pool *pool, VolumeDef *def);      /* @def owned; a reference */
void volume_set_def(Volume *volume, VolumeDef *def); /* owned; of the same name */
/* Those that one finds by path, in any pool. Loop thread only. */
void volume_index_add(Volume *volume);
void volume_index_remove(Volume *volume);
/* Takes it out of its pool; references stay valid. */
void volume_take_out(Volume *volume);

/* ---- operations on a volume (volume.c) ---- */

/* While one is under way it keeps the pool from being stopped and the volume from being changed by others. */
typedef struct VolumeUse {
    Volume *volume; /* counted */
    Pool *pool;     /* counted */
    bool is_held;   /* it keeps them; false: it only reads what it has open */
} VolumeUse;
void volume_use_begin(Volume *volume, VolumeUse *use);
void volume_use_release(VolumeUse *use); /* from now on it only reads */
void volume_use_end(VolumeUse *use);     /* of {0}: nothing */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeUse, volume_use_end)
/* Brings its definition up to date. ERROR_NO_STORAGE_VOL: it is not there any more */
AWAITS MUST_CHECK bool volume_look(Volume *volume, Error **err);
MUST_CHECK bool volume_require_free(const Volume *volume, Error **err); /* no other operation */
/* Refuses to @what ("wipe") the volume that a running machine uses. */
AWAITS MUST_CHECK bool volume_require_unused(const Volume *volume, const char *what, Error **err);
/* Its path is one of this host, not a name on a server. ERROR_NOT_SUPPORTED: "storage pool doesn't support
 * volume @what" */
MUST_CHECK bool volume_require_local(const Volume *volume, const char *what, Error **err);

/* ---- space (pool_space.c) ---- */

void pool_space_begin(Host *host); /* measures pools from time to time */
void pool_check_space(Pool *pool); /* tells once when it passes a threshold */
unsigned pool_used_percent(const Pool *pool);
unsigned pool_promised_percent(const Pool *pool);
uint64_t pool_promised_bytes(const Pool *pool); /* what its volumes would take if they were written fully */
/* Brings its sizes up to date. ERROR_TIMEOUT and the like */
AWAITS MUST_CHECK bool pool_look_at_sizes(Pool *pool, Error **err);

/* ---- mounts of others (pool_mounts.c) ---- */

void pool_mounts_begin(Host *host); /* tells pools that wait when something is mounted */
/* Where something should be mounted that the pool lies on, and is not; owned, NULL: nothing is missing. */
AWAITS char *pool_missing_mount(const PoolDef *def);
void pool_note_mount(Pool *pool, const char *path);
/* ERROR_SYSTEM: what it lay on is not mounted any more */
MUST_CHECK bool pool_require_mount(const Pool *pool, Error **err);
void pool_retry_now(Pool *pool); /* its start, which failed */
void pool_watch_tell_soon(Pool *pool);

/* What was done to the file @name shows in the pool's sizes, too. */
AWAITS void pool_note_change(Pool *pool, const char *name);

/* Looks at the storage if something may have changed since the last look; one look serves all who ask.
 * @name (NULL: none): at this one in any case, if nobody tells of changes. */
AWAITS MUST_CHECK bool pool_freshen(Pool *pool, const char *name, Error **err);
/* job_begin() for a change of its definition or volumes; who waits in vain hears which pool that is, and
 * where. */
AWAITS MUST_CHECK bool pool_job_begin(Pool *pool, const Caller *caller, Job *job, Error **err);
/* Reads the volumes of all pools of which the names alone are known; those of a pool that does not answer
 * stay so. For whoever asks what is based on what. */
AWAITS void pools_read_all(Host *host);
/* Looks at all of it now. */
AWAITS MUST_CHECK bool pool_look(Pool *pool, Error **err);

/* ---- who tells of changes (pool_watch.c) ---- */

/* Of the files in @path, if that file system tells of changes. Failure is no error. */
AWAITS void pool_watch_begin(Pool *pool, const char *path);
void pool_watch_end(Pool *pool);
/* Takes in what has been told until now. */
void pool_watch_drain(Host *host);
/* The file @name was changed by an operation, which its client knows: if nothing else did, nobody is told. */
void pool_watch_own(Pool *pool, const char *name);
