/* The content of an image, for programs that cannot open it: QEMU's server of block devices holds the key of
 * an encrypted one and gives the content away on a socket that nobody else reaches. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/domain.h"

typedef struct DiskNbd DiskNbd;

typedef enum DiskNbdUse {
    DISK_NBD_LOOK,  /* a machine may write to it meanwhile */
    DISK_NBD_READ,  /* nobody may */
    DISK_NBD_WRITE, /* nobody else may open it */
} DiskNbdUse;

/* Of the image @path, of QEMU's driver @format, with the passphrase of the secret that @encryption (an
 * <encryption> of @doc) names; the daemon is asked for it. The child ends with us.
 *
 * ERROR_NOT_SUPPORTED  another encryption than LUKS, or no qemu-nbd on this host */
AWAITS MUST_CHECK bool disk_nbd_start(Cli *cli, const char *path, const char *format, XmlDoc *doc,
                                      xmlNode *encryption, DiskNbdUse use, DiskNbd **ret_nbd, Error **err);
/* Makes such an image, empty. ERROR_OPERATION_FAILED: qemu-img's words */
AWAITS MUST_CHECK bool disk_nbd_make(Cli *cli, const char *path, const char *format, uint64_t bytes,
                                     XmlDoc *doc, xmlNode *encryption, Error **err);
/* The same of an image (its whole chain) that is not encrypted. The child holds QEMU's locks: nobody can
 * write to what is read meanwhile, and nobody else open what is written. @bitmap: one of the image's own,
 * also served; NULL. */
AWAITS MUST_CHECK bool disk_nbd_serve(const char *path, const char *format, const char *bitmap, bool writes,
                                      DiskNbd **ret_nbd, Error **err);
const char *disk_nbd_socket(const DiskNbd *nbd); /* borrowed */
/* Where it is served, as libguestfs takes it; borrowed. */
const char *disk_nbd_uri(const DiskNbd *nbd);
AWAITS void disk_nbd_stop(DiskNbd *nbd); /* NULL: nothing */
