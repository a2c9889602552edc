/* Images that are fetched into the library. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/library.h"
#include "install/catalogue.h"

typedef struct PullOrder {
    const char *what;     /* a name of the catalogue, or a URL */
    const char *name;     /* in the library; NULL: the catalogue's, or the file's */
    const char *checksum; /* "sha256:..." or "sha512:..."; NULL: the catalogue's, if it has one */
    unsigned stall_s;     /* how long nothing may come; 0: the default */
} PullOrder;

/* ERROR_NO_STORAGE_VOL: there is no such image. ERROR_VOLUME_EXISTS: the library has it */
AWAITS MUST_CHECK bool pull_image(Cli *cli, const PullOrder *order, LibraryImage **ret_image, Error **err);
/* All that can be fetched; with @name only as much of it as needed to find that. Servers of lists that do not
 * answer are named on standard error. */
AWAITS MUST_CHECK bool pull_catalogue(Cli *cli, const char *name, Catalogue **ret_catalogue, Error **err);
