/* Storage pools: where volumes come from and where they appear.
 *
 * A pool is an object of pool_class; what differs between its kinds is a row of operations
 * (pool_backend.h). While it is active it holds its volumes (volume.h). Building, starting, stopping,
 * deleting and undefining are five things, and none does another's work: build makes the resource (a folder,
 * a file system, a volume group), start makes it usable, stop takes that back, delete removes the resource,
 * undefine the definition.
 *
 * Nothing here waits for storage without a deadline; what is said about a pool whose storage does not answer
 * is the last that is known, or an error that names the pool and its path. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/pool.h"
#include "core/object.h"

extern const ObjectClass pool_class;
typedef struct Pool Pool;

/* Gives the host a registry of pools. Once, before anything is loaded. */
void pool_open(Host *host);
/* Reads the definitions; a host that has none yet gets the pool `default` on its folder of images. Those that
 * an earlier daemon had started are looked at in the background and are active again soon. */
AWAITS MUST_CHECK bool pool_load(Host *host, Error **err);
/* Starts those that are marked so, each on its own: none delays another, or the daemon. One that fails is
 * tried again, later and later, until somebody starts, stops or undefines it. @is_first: since the host
 * booted; otherwise only `default`, if it is new, is started. */
void pool_autostart_all(Host *host, bool is_first);

typedef struct PoolInfo {
    int state; /* virStoragePoolState */
    uint64_t capacity_bytes, allocation_bytes, available_bytes;
    uint64_t promised_bytes; /* what the volumes would take if they were written fully */
    unsigned promised_percent, used_percent;
    bool is_filling; /* above a threshold */
    char *reason;    /* why it could not be started by itself, or does not answer; NULL */
} PoolInfo;
/* Of now, if the storage answers, or as they are known: that does not wait. */
typedef enum PoolAsk { POOL_NOW, POOL_AS_KNOWN } PoolAsk;
void pool_info_clear(PoolInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PoolInfo, pool_info_clear)
AWAITS MUST_CHECK bool pool_get_info(Object *pool, PoolAsk ask, PoolInfo *ret_info, Error **err);

/* @flags: virStoragePoolBuildFlags. ERROR_POOL_BUILT: there is something already */
AWAITS MUST_CHECK bool pool_build(Object *pool, unsigned flags, const char *function, const Caller *caller,
                                  Error **err);
/* @flags: virStoragePoolDeleteFlags */
AWAITS MUST_CHECK bool pool_delete(Object *pool, unsigned flags, const char *function, const Caller *caller,
                                   Error **err);
/* Looks again at what is there. ERROR_TIMEOUT: the storage does not answer, and what was known stays. */
AWAITS MUST_CHECK bool pool_refresh(Object *pool, Error **err);

/* References. ERROR_NO_STORAGE_POOL */
Object *pool_find_by_target_path(Host *host, const char *path, Error **err);

/* The document of sources of that @type on this host or on the server that @spec (a <source>, NULL: none)
 * names; caller owns.
 * ERROR_NOT_SUPPORTED  there is no way to look for such sources */
AWAITS MUST_CHECK bool pool_find_sources(Host *host, const char *type, const char *spec, unsigned flags,
                                         const char *function, char **ret_xml, Error **err);
/* <storagepoolCapabilities>; caller owns. */
char *pool_capabilities(const Host *host);
