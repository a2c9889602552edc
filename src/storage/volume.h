/* Volumes: what a pool holds. Each is known by its name in the pool, its key and its path.
 *
 * Counted; a volume whose pool was stopped or that was removed is *gone*: whatever is asked of it fails with
 * ERROR_NO_STORAGE_VOL. All calls look at what is there now: a file that appeared is found, one that vanished
 * is not. A volume that is being made is listed when it is complete; by its name it is found before, so that
 * clients can watch it grow, and nothing can be done with it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "conf/volume.h"
#include "core/stream.h"
#include "storage/pool.h"
#include "storage/volume_handle.h"

/* References. ERROR_NO_STORAGE_VOL; ERROR_INVALID_STATE if the pool is not active; ERROR_TIMEOUT naming the
 * pool if its storage does not answer and nothing is known. By path and key: in all active pools. */
AWAITS MUST_CHECK Volume *volume_find_by_name(Object *pool, const char *name, Error **err);
AWAITS MUST_CHECK Volume *volume_find_by_key(Host *host, const char *key, Error **err);
AWAITS MUST_CHECK Volume *volume_find_by_path(Host *host, const char *path, Error **err);
Object *volume_pool(const Volume *volume); /* a reference; NULL if it is gone */
/* *ret_volumes owned: references, by name. */
AWAITS MUST_CHECK bool volume_list(Object *pool, GPtrArray **ret_volumes, Error **err);
/* Volumes (references) that neither a machine nor a volume needs, by pool and name; owned. @pool: a name;
 * NULL: of all active pools. Those of pools that do not answer are left out, which is logged.
 *
 * ERROR_NO_STORAGE_POOL; ERROR_INVALID_STATE and ERROR_TIMEOUT of the one that was asked for */
AWAITS MUST_CHECK bool volume_list_orphans(Host *host, const char *pool, GPtrArray **ret_volumes,
                                           Error **err);

/* @flags: virStorageVolInfoFlags. Sizes in bytes, those of now. */
AWAITS MUST_CHECK bool volume_get_info(Volume *volume, unsigned flags, const char *function, int *ret_type,
                                       uint64_t *ret_capacity, uint64_t *ret_allocation, Error **err);
/* What is known of it, without a look. */
typedef struct VolumeFacts {
    const char *format; /* borrowed; "" if it has none */
    uint64_t capacity_bytes, allocation_bytes;
    int64_t modified_s; /* since 1970; 0: not known */
} VolumeFacts;
VolumeFacts volume_facts(const Volume *volume);
AWAITS MUST_CHECK bool volume_get_xml(Volume *volume, char **ret_xml, Error **err);

/* @flags: virStorageVolCreateFlags. @from (NULL: none): its content is copied. A volume is there as asked or
 * not at all, also when the daemon dies meanwhile. */
AWAITS MUST_CHECK Volume *volume_create(Object *pool, const char *xml, Volume *from, unsigned flags,
                                        const char *function, const Caller *caller, Error **err);
/* @flags: virStorageVolDeleteFlags. ERROR_INVALID_STATE, naming the running machines that use it, or all who
 * need it (VOLUME_UNNEEDED) */
typedef enum VolumeNeed { VOLUME_UNUSED, VOLUME_UNNEEDED } VolumeNeed;
AWAITS MUST_CHECK bool volume_delete(Volume *volume, unsigned flags, VolumeNeed need, const char *function,
                                     const Caller *caller, Error **err);
/* @flags: virStorageVolResizeFlags */
AWAITS MUST_CHECK bool volume_resize(Volume *volume, uint64_t capacity_bytes, unsigned flags,
                                     const char *function, const Caller *caller, Error **err);
/* @algorithm: virStorageVolWipeAlgorithm */
AWAITS MUST_CHECK bool volume_wipe(Volume *volume, int algorithm, const Caller *caller, Error **err);
/* @length_bytes 0: to the end; @flags: virStorageVolUploadFlags, virStorageVolDownloadFlags. *ret_stream
 * owned. What is uploaded replaces the bytes from @offset_bytes on; what lies beyond is kept. A whole upload
 * (@offset 0,
 * @length 0) into a file appears at once when the stream finishes, or not at all, if there is room for both;
 * any other as it comes. "Unable to open stream for 'PATH'" */
AWAITS MUST_CHECK bool volume_upload(Volume *volume, uint64_t offset_bytes, uint64_t length_bytes,
                                     unsigned flags, const char *function, const Caller *caller,
                                     Stream **ret_stream, Error **err);
AWAITS MUST_CHECK bool volume_download(Volume *volume, uint64_t offset_bytes, uint64_t length_bytes,
                                       unsigned flags, const char *function, const Caller *caller,
                                       Stream **ret_stream, Error **err);

/* Says in @io_source (of a disk of type volume) where its volume is: type, path or server, format, auth.
 * Waits for a pool that is being started. ERROR_NO_STORAGE_POOL, ERROR_NO_STORAGE_VOL, ERROR_INVALID_STATE */
AWAITS MUST_CHECK bool volume_resolve_source(Host *host, StorageSource *io_source, Error **err);
