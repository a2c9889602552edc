/* What a pool says about a volume, read from its file or device. Everything blocks: in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

FileStamp file_stamp_of(const struct stat *st);
/* false also for a stamp that was young when it was taken. */
bool file_stamp_same(const FileStamp *known, const FileStamp *now);

/* A new definition of what lies at @path (owned): name, key, path, type, and what volume_probe_stat() and
 * volume_probe_header() say. @fd: open for reading; of a folder any. */
VolumeDef *volume_probe(const char *name, const char *path, int fd, const struct stat *st);
/* Brings sizes, owner and times of @def up to date. The capacity only of what has no header (raw). */
void volume_probe_stat(VolumeDef *def, int fd, const struct stat *st);
