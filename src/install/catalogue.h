/* Images that can be fetched: lists of Lodge's own, of osinfo-db, of simplestreams servers, and the user's.
 *
 * A list is JSON: {"images": [{"name", "url", "title", "os", "version", "sha256" or "sha512" or
 * "checksum_url"}], "streams": [URL of an index.json]}. The user's are ~/.config/lodge/images.json, then
 * /etc/lodge/images.json, and come before all others. Names are the same with and without hyphens. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/error.h"

typedef struct CatalogueEntry {
    char *name, *url;           /* owned, as all are */
    char *title, *os, *version; /* NULL: not known */
    char *checksum;             /* "sha256:..."; NULL: see checksum_url */
    char *checksum_url;         /* of a list of checksums; NULL: none */
    char *origin;               /* "lodge", "osinfo", a path, a URL */
} CatalogueEntry;

typedef struct Catalogue {
    GPtrArray *entries; /* CatalogueEntry; the first of a name counts */
    GPtrArray *streams; /* URLs that are not read yet */
} Catalogue;

Catalogue *catalogue_new(void);
void catalogue_free(Catalogue *catalogue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Catalogue, catalogue_free)

/* The user's lists and Lodge's own. A list of the user's that cannot be read is an error that names it. */
AWAITS MUST_CHECK bool catalogue_load(Catalogue *catalogue, Error **err);
/* osinfo-db's, below OSINFO_SYSTEM_DIR or /usr/share/osinfo: images for clouds of this architecture. Its
 * absence is no error. Reads hundreds of files. */
AWAITS void catalogue_load_osinfo(Catalogue *catalogue);
/* An index.json or a file of products that was fetched from @url. *ret_more: URLs of products that an index
 * names; owned. */
MUST_CHECK bool catalogue_add_stream(Catalogue *catalogue, const char *url, const char *text,
                                     char ***ret_more, Error **err);
/* Borrowed; NULL. */
const CatalogueEntry *catalogue_find(const Catalogue *catalogue, const char *name);

/* The checksum of @file in a list of checksums (both usual forms): "sha512:..."; owned, NULL. */
char *catalogue_checksum(const char *list, const char *file);
