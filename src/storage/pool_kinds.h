/* The kinds of pools, for the table of them (pool_kinds.c). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

extern const PoolBackend fs_backend, netfs_backend;                 /* pool_mount.c */
extern const PoolBackend logical_backend;                           /* pool_logical.c */
extern const PoolBackend disk_backend;                              /* pool_disk.c */
extern const PoolBackend iscsi_backend;                             /* pool_iscsi.c */
extern const PoolBackend iscsi_direct_backend;                      /* pool_iscsi_direct.c */
extern const PoolBackend scsi_backend;                              /* pool_scsi.c */
extern const PoolBackend mpath_backend;                             /* pool_mpath.c */
extern const PoolBackend rbd_backend, gluster_backend, zfs_backend; /* pool_rbd.c, ... */

/* Is @source (NULL: anything), or the device of that number (0: none), mounted at @target? As text, from the
 * kernel's list: it never waits. (pool_mount.c) */
bool mount_is_there(const char *target, const char *source, dev_t device);

/* Adds the names (owned) of the volumes that Gluster has at @server. As storage_run(). (pool_gluster.c) */
AWAITS MUST_CHECK bool gluster_list_volumes(const char *server, GPtrArray *names, Error **err);
