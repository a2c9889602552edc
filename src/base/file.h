/* Files of the daemon's own state. All calls that touch the disk run in a worker when called from a fiber. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define FILE_DEADLINE_MS 30000

/* Replaces @path as a whole: a temporary beside it, fsync, rename, fsync the directory. A failure leaves the
 * old file as it was and no temporary behind. After ERROR_TIMEOUT or ERROR_CANCELLED the new contents may
 * still appear, but never over those of a later call. */
AWAITS MUST_CHECK bool file_replace(const char *path, const char *data, size_t len, mode_t mode, Error **err);

/* For run/: replaced by rename, but not fsynced: it need not survive a power cut, only kill -9. */
AWAITS MUST_CHECK bool file_replace_volatile(const char *path, const char *data, size_t len, mode_t mode,
                                             Error **err);

/* Reads at most @max_bytes; a longer file is ERROR_OVERFLOW, a missing one ERROR_SYSTEM with ENOENT.
 * *ret_data is NUL-terminated, owned; @ret_len may be NULL. */
AWAITS MUST_CHECK bool file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                                 Error **err);

/* Removes @path and fsyncs the directory. A missing file is success. */
AWAITS MUST_CHECK bool file_remove(const char *path, Error **err);

/* Removes the temporaries that an earlier, killed daemon left in @dir. A missing directory is success. */
AWAITS MUST_CHECK bool file_remove_leftovers(const char *dir, Error **err);

/* Writes all of it to a descriptor that blocks, wherever it is called. false: errno says why. */
MUST_CHECK bool file_write_all(int fd, const void *data, size_t len);

AWAITS MUST_CHECK bool file_rename(const char *from, const char *to, Error **err);

/* Makes the symbolic link @path -> @target, replacing one that is there. */
AWAITS MUST_CHECK bool file_symlink(const char *target, const char *path, Error **err);

/* mkdir -p; parents get 0755, the last one @mode (if it is made). */
AWAITS MUST_CHECK bool file_make_dirs(const char *path, mode_t mode, Error **err);

/* Removes a directory and what is below it, or what has its name instead; does not cross mounts or follow
 * links. A missing one is success. */
AWAITS MUST_CHECK bool file_remove_tree(const char *path, Error **err);

/* Names in a directory, sorted, without "." and "..". A missing directory is an empty list. */
AWAITS MUST_CHECK bool file_list_dir(const char *path, GPtrArray **ret_names, Error **err);

/* Small kernel files (/proc, /sys), read synchronously: they never wait. NULL if absent. Caller owns;
 * trailing newline removed. */
char *file_read_kernel(const char *path);
bool file_read_kernel_uint(const char *path, uint64_t *ret_value);

/* "a/b" + "c" + NULL; like g_build_filename. */
#define path_join(...) g_build_filename(__VA_ARGS__, NULL)

/* true for a name that can stand in a path: no '/', not "." or "..", no control characters, at most 255
 * bytes. */
bool path_is_safe_component(const char *name);
