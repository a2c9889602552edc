/* Following a path as root, where people with fewer rights can change what it leads to.
 *
 * Whoever can write a folder can swap a link in between two looks, so what was found is kept as a descriptor
 * and judged by it. A symbolic link is followed, because people do link their images; but a link that
 * somebody other than root, the owner of the file and the owner of the file's folder could have placed is
 * *foreign*: it may lead to files of others. So is a second hard link that lies where a stranger can write.
 *
 * All calls touch the disk: in a worker only. Failures without an Error are told by errno. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* What a file is, whatever it is called: device and inode, of a device node the number of its device. */
typedef struct FileId {
    uint64_t dev, ino; /* both 0: unknown */
} FileId;
FileId file_id_of(const struct stat *st);
bool file_id_equal(const FileId *a, const FileId *b); /* false if one is unknown */

typedef struct Trail {
    int fd; /* O_PATH; owned */
    struct stat st;
    bool has_links;    /* symbolic links were followed */
    char *foreign;     /* the link that cannot be trusted; NULL: none */
    uid_t foreign_uid; /* who could have placed it; (uid_t)-1: several people */
} Trail;
#define TRAIL_INIT                                                                                           \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

/* Follows @path. The caller clears @ret_trail, which is TRAIL_INIT or as initialized by an earlier call. */
MUST_CHECK bool trail_follow(const char *path, Trail *ret_trail);
void trail_clear(Trail *trail);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Trail, trail_clear)
/* ERROR_OPERATION_FAILED for a foreign link, naming it. */
MUST_CHECK bool trail_check(const Trail *trail, const char *path, Error **err);
/* Opens what was found with @flags of open(); -1. */
int trail_reopen(const Trail *trail, int flags);

/* The folder of @path (O_PATH) and *ret_name, the last part of @path (borrowed from it); -1 with an error.
 * For creating, renaming and removing by openat() and its like, which follow no link at the name itself. */
int trail_open_parent(const char *path, const char **ret_name, Error **err);
/* Like open(@path, @flags | O_CREAT, @mode), but foreign links are refused, before anything is truncated.
 * With O_EXCL no link at all is followed at the name itself. -1 with an error: ERROR_SYSTEM with errno. */
int trail_create(const char *path, int flags, mode_t mode, Error **err);
/* The same for a file that is there. */
int trail_open(const char *path, int flags, Error **err);
/* Makes the file @path, which must be new; what lies there under that name is removed first: for names that
 * are only ours, such as a temporary that a killed daemon left. */
int trail_create_new(const char *path, int flags, mode_t mode, Error **err);
/* rename() inside one folder. */
MUST_CHECK bool trail_rename(const char *from, const char *to, Error **err);
