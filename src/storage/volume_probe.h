/* What a pool says about a volume, read from its file or device. Everything blocks: in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

FileStamp file_stamp_of(const struct stat *st);
/* Is it the file that it was, or was nothing known? */
bool file_stamp_same_file(const FileStamp *known, const FileStamp *now);
/* false also for a stamp that was young when it was taken. */
bool file_stamp_same(const FileStamp *known, const FileStamp *now);

/* The format in which the volume was made here, if that has no header: whatever a guest writes into it, it
 * never becomes another format. Else NULL. */
const char *volume_plain_format(const Volume *volume);
/* A new definition of what lies at @path (owned): name, key, path, type, and what volume_probe_stat() and
 * its header say. @fd: open for reading; of a folder any. @plain: volume_plain_format(); NULL: the header
 * tells the format. */
VolumeDef *volume_probe(const char *name, const char *path, int fd, const struct stat *st, const char *plain);
/* The same of a plain file, of which nothing is known but that it is there. */
VolumeDef *volume_unread(const char *name, const char *path);
/* The volume is what was found: @def (owned). One that this daemon made stays as it was asked for in what no
 * header says, as long as it is the same file. Loop thread only. */
void volume_take_probe(Volume *volume, VolumeDef *def, const FileStamp *stamp);
/* Brings sizes, owner and times of @def up to date. The capacity only of what has no header (raw). */
void volume_probe_stat(VolumeDef *def, int fd, const struct stat *st);
