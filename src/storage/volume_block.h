/* What volumes that are block devices have in common, whatever pool they come from. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

/* A device as a scan finds it: @def owned, its path set. */
typedef struct BlockFound {
    VolumeDef *def;
    bool is_there; /* block_look() could open it */
} BlockFound;
/* Of BlockFound; freed with what it holds. */
GPtrArray *block_found_new(void);
/* Appends one of that name and path; returns its definition, to be filled in. */
VolumeDef *block_found_add(GPtrArray *found, const char *name, const char *path);

/* @def lies on these bytes of @device, too. */
void block_add_extent(VolumeDef *def, const char *device, uint64_t start_bytes, uint64_t end_bytes);

/* What the devices say themselves: sizes that their definitions leave open, physical size, owner, mode,
 * times. Nothing is read from them: who uses such a volume says what lies on it. What cannot be opened, also
 * after a while, is not there. One look is one job in a lane of the pool, so that a device that does not
 * answer holds up its own pool only.
 *
 * ERROR_TIMEOUT  naming the pool */
AWAITS MUST_CHECK bool block_look(const Pool *pool, GPtrArray *found, Error **err);

/* Moves those that are there into @scan. Volumes that the pool has already stay the same objects. */
void block_scan_take(Pool *pool, PoolScan *scan, GPtrArray *found);

/* Is any volume of the pool being made right now? Then what looks unfinished need not be left over. */
bool block_is_making(const Pool *pool);

/* The sizes of a pool that is its volumes and nothing else. */
void block_sum(PoolScan *scan);

/* look_at_volume() of pools whose volumes are devices at their path. */
AWAITS MUST_CHECK bool block_look_at_volume(Pool *pool, Volume *volume, Error **err);

/* The device that @path leads to, as the kernel calls it ("/dev/sdb"); owned.
 * ERROR_INVALID_ARGUMENT  there is none, or it is no block device: nothing else is ever written to */
AWAITS MUST_CHECK bool block_resolve(const Pool *pool, const char *path, char **ret_real, Error **err);

/* Waits until the device is there: partitions vanish for a moment when their table changes.
 * ERROR_INVALID_ARGUMENT  it does not come */
AWAITS MUST_CHECK bool block_await(const Pool *pool, const char *path, Error **err);

/* What all volumes of volume managers need: a size, a name that their tools take for one; they hold no
 * encryption of their own. ERROR_CONFIG_UNSUPPORTED, ERROR_NOT_SUPPORTED, ERROR_INVALID_ARGUMENT */
MUST_CHECK bool block_check_new(const VolumeDef *def, Error **err);

/* Fills the device at def->target.path with what @from holds. */
AWAITS MUST_CHECK bool block_fill(Pool *pool, const VolumeDef *def, const Volume *from, unsigned flags,
                                  Error **err);

/* Gives the new device owner, group and mode as @def says; else it keeps the first two. ERROR_SYSTEM */
AWAITS MUST_CHECK bool block_set_owner(const Pool *pool, const VolumeDef *def, mode_t default_mode,
                                       Error **err);

/* The names that udev gives devices below the pool's target path ("/dev/disk/by-path"): device ("/dev/sdb")
 * -> link. Empty where the target path is /dev itself, NULL where it is no folder. Owned. */
AWAITS MUST_CHECK bool block_read_links(const Pool *pool, GHashTable **ret_links, Error **err);

/* A server of a network source. @port 0: the protocol's */
void block_add_host(StorageSource *source, const char *name, uint32_t port);

/* How the pool logs in, for a machine that does so itself. */
void block_set_auth(StorageSource *source, const PoolAuth *auth);

/* Waits until udev has made the nodes and links of devices that just appeared; it is no error if it is not
 * there or slow. */
AWAITS void block_settle(void);

/* Writes @text into a file of sysfs, in a worker, because the kernel may look for devices meanwhile. */
AWAITS MUST_CHECK bool block_write_sysfs(const char *path, const char *text, uint64_t timeout_ms,
                                         Error **err);

/* Overwrites the beginning of the device, so that nobody takes for a file system, partition table or physical
 * volume what was there before. */
AWAITS MUST_CHECK bool block_clear_start(const Pool *pool, const char *path, Error **err);

/* What lies on the device, by blkid: "ext4", "LVM2_member", a partition table "dos". *ret_what owned, NULL if
 * there is nothing that it knows.
 *
 * ERROR_PROBE_FAILED  the device cannot be read, or looks like several things at once */
AWAITS MUST_CHECK bool block_probe(const char *path, char **ret_what, Error **err);
/* The same for the partition table alone: "dos", "gpt". */
AWAITS MUST_CHECK bool block_probe_table(const char *path, char **ret_what, Error **err);
/* ERROR_POOL_BUILT if anything lies on it that blkid knows. @format: what is to be made. */
AWAITS MUST_CHECK bool block_require_empty(const char *path, const char *format, Error **err);
/* The device is about to get @format: with @overwrite its beginning is cleared, else it must be empty.
 *
 * ERROR_INVALID_ARGUMENT, ERROR_PROBE_FAILED  it is no block device, or not there
 * ERROR_POOL_BUILT                            something lies on it */
AWAITS MUST_CHECK bool block_prepare(const Pool *pool, const char *path, const char *format, bool overwrite,
                                     Error **err);
