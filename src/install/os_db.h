/* What is known of operating systems: osinfo-db's files, which the distribution keeps, and Lodge's additions
 * in the same format for those that came later. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"

typedef struct OsDb OsDb;

/* What an installation needs to know of a system; texts are borrowed from the database, NULL: not known. */
typedef struct OsFacts {
    const char *id, *short_id, *name, *family, *distro, *version, *codename;
    unsigned vcpus;                 /* that it likes; 0: not known */
    uint64_t ram_bytes, disk_bytes; /* likewise */
    bool needs_efi;                 /* it does not boot from a BIOS */
    bool has_virtio_block, has_virtio_net, has_virtio_scsi, has_virtio_rng, has_virtio_balloon,
        has_virtio_console, has_virtio_gpu, has_q35, has_xhci;
} OsFacts;

/* A medium or tree that was recognised. */
typedef struct OsMedia {
    OsFacts os;
    const char *kernel, *initrd; /* below the tree, or in the image; borrowed, NULL: not told */
    unsigned reboots;            /* how often its installer starts the machine again; 1 as a rule */
    bool is_live, is_installer;
} OsMedia;

/* What an ISO image says of itself in its primary volume descriptor; "" for nothing. */
typedef struct IsoLabel {
    char volume[33], system[33], publisher[129], application[129];
} IsoLabel;

/* Reads all of it (about 50 ms). @folders: ends with NULL; NULL: where they are as a rule. A database that is
 * not there is empty. Broken files are left out. */
OsDb *os_db_new(const char *const *folders);
void os_db_free(OsDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OsDb, os_db_free)

/* By short id or id; false: it is not known, which the hint of a caller may say more of. */
bool os_db_find(OsDb *db, const char *name, OsFacts *ret_facts);
/* The one that comes nearest to a name of a version that is not known ("fedora99": the newest of that name);
 * false: none does. */
bool os_db_nearest(OsDb *db, const char *name, OsFacts *ret_facts);
/* Short ids in their natural order, each as borrowed text; owned array. */
GPtrArray *os_db_names(OsDb *db);

bool os_db_detect_iso(OsDb *db, const IsoLabel *label, OsMedia *ret_media);
/* @treeinfo: the text of a tree's .treeinfo. */
bool os_db_detect_tree(OsDb *db, const char *treeinfo, OsMedia *ret_media);
/* A tree of the system for this architecture (owned URL); NULL: none is known. */
char *os_db_tree(OsDb *db, const char *name, const char *arch);
