/* The library of images: the pool "library", with a volume for each image and one beside it that holds what
 * is known about it, NAME.json. An image is there when its facts say so, which are written last. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"
#include "cli/place.h"

#define LIBRARY_POOL "library"

typedef struct LibraryImage {
    char *name;
    char *volume; /* NAME.qcow2 */
    char *path;   /* of it on the daemon's host */
    Json *facts;  /* see library_put() */
    bool is_whole;
} LibraryImage;
void library_image_free(LibraryImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibraryImage, library_image_free)

/* ERROR_NO_STORAGE_VOL: there is no such image. */
AWAITS MUST_CHECK bool library_find(Cli *cli, const char *name, LibraryImage **ret_image, Error **err);
/* All of them (LibraryImage), by name, also those that are not whole; owned. No library: none. */
AWAITS MUST_CHECK bool library_list(Cli *cli, GPtrArray **ret_images, Error **err);
/* Takes a file of this host over into the library, as a copy. @facts: {url, os, version, checksum}; completed
 * with {version, name, volume, format, virtual_bytes, bytes, sha256, efi, added}. Borrowed.
 * ERROR_VOLUME_EXISTS */
AWAITS MUST_CHECK bool library_put(Cli *cli, const char *name, const char *path, const Json *facts,
                                   LibraryImage **ret_image, Error **err);
/* Writes the facts of an image whose volumes are there already; @volume: the first of them. */
AWAITS MUST_CHECK bool library_add(Cli *cli, const char *name, const char *volume, const Json *facts,
                                   mode_t mode, Error **err);
/* The names of its volumes (char *, borrowed from it); owned. */
GPtrArray *library_volumes(const LibraryImage *image);
/* ERROR_OPERATION_FAILED and the like name who needs it. */
AWAITS MUST_CHECK bool library_remove(Cli *cli, const LibraryImage *image, Error **err);
/* ERROR_INVALID_ARGUMENT: no image can be called so. */
MUST_CHECK bool library_check_name(const char *name, Error **err);

/* ---- what is fetched, before it is in the library ---- */

/* The folder of files that are not whole, of this user; owned. */
char *library_cache(void);
typedef struct FetchOrder {
    const char *what; /* for the progress */
    const char *url;
    const char *checksum; /* "sha256:..." or "sha512:..."; NULL: not known */
    bool is_image;        /* a page in its place is refused */
    unsigned stall_s;     /* how long nothing may come; 0: 30 */
} FetchOrder;

/* Fetches into the cache, going on where an earlier attempt ended; then it is *ret_path, which the caller
 * takes away; *ret_sha256: of it. Both owned. ERROR_TIMEOUT: it stalls */
AWAITS MUST_CHECK bool library_fetch(Cli *cli, const FetchOrder *order, char **ret_path, char **ret_sha256,
                                     Error **err);
/* What the file is, by qemu-img: {format, virtual_bytes, bytes, efi}; refused if it stands on others. */
AWAITS MUST_CHECK bool library_look(const char *path, Json **ret_facts, Error **err);
