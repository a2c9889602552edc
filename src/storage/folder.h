/* Pools whose volumes are the files of a folder: what dir, fs and netfs (and all that mount something) have
 * in common. The functions are operations of a PoolBackend (pool_backend.h).
 *
 * A volume that is being made has a temporary name, which starts with a dot and names this host and daemon:
 * it is never listed, and what a killed daemon left of it is removed when the pool starts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

#define TEMP_PREFIX ".lodge-" /* of every name that folder_temp_path() makes */

/* ERROR_TIMEOUT: the storage of @path has said nothing for so long. A folder that is not there is an answer.
 */
AWAITS MUST_CHECK bool folder_answers(const char *path, uint64_t timeout_ms, Error **err);

bool folder_build(Pool *pool, unsigned flags, Error **err);  /* makes the folder, with its owner and mode */
bool folder_remove(Pool *pool, unsigned flags, Error **err); /* an empty one only */
bool folder_scan(Pool *pool, PoolScan *scan, Error **err);
bool folder_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags, Error **err);
bool folder_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err);
bool folder_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err);
bool folder_resize_volume(Pool *pool, Volume *volume, uint64_t capacity_bytes, unsigned flags, Error **err);
bool folder_look_at_volume(Pool *pool, Volume *volume, Error **err);

/* A name in the folder @dir for what is to become the file @name; caller owns. Another one for each call. */
char *folder_temp_path(const Host *host, const char *dir);
/* Puts the file @temp in the place of @path, in one folder. @may_replace: also if there is one already, else
 * ERROR_VOLUME_EXISTS. */
AWAITS MUST_CHECK bool folder_put_in_place(const char *temp, const char *path, bool may_replace, Error **err);
/* Removes what never became a volume; failures are logged. Not cancelled. */
AWAITS void folder_drop_temp(const char *temp);
