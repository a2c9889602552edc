/* A connection to a server of block devices: QEMU's, or qemu-nbd. One thread uses it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libnbd.h>

#include "backup/work.h"

typedef struct NbdPlace {
    const char *socket; /* path */
    const char *export; /* name; "" is the default one */
    const char *bitmap; /* "qemu:dirty-bitmap:NAME": also asked for what changed; NULL */
} NbdPlace;

typedef struct Nbd Nbd;
/* @progress: its cancellation ends waiting; may be NULL. ERROR_TIMEOUT: it does not answer. */
MUST_CHECK bool nbd_open(const NbdPlace *place, WorkProgress *progress, Nbd **ret_nbd, Error **err);
void nbd_free(Nbd *nbd); /* NULL: nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Nbd, nbd_free)

uint64_t nbd_size(const Nbd *nbd);
bool nbd_has_bitmap(const Nbd *nbd); /* the one that was asked for */
MUST_CHECK bool nbd_read(Nbd *nbd, void *data, size_t len, uint64_t offset, Error **err);
MUST_CHECK bool nbd_write(Nbd *nbd, const void *data, size_t len, uint64_t offset, Error **err);
/* Without room on the disk where the server can. */
MUST_CHECK bool nbd_clear(Nbd *nbd, uint64_t len, uint64_t offset, Error **err);
MUST_CHECK bool nbd_sync(Nbd *nbd, Error **err);

#define NBD_IS_DATA 1u  /* may hold something else than zeroes */
#define NBD_IS_DIRTY 2u /* changed; of places without a bitmap all is */
/* For each grain of @grain bytes from @offset on what it is, in @ret_flags; a grain that is partly so is so.
 */
MUST_CHECK bool nbd_look(Nbd *nbd, uint64_t offset, uint64_t len, uint64_t grain, uint8_t *ret_flags,
                         Error **err);
