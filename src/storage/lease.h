/* Leases: whoever writes to an image holds a lock that other hosts see, too, where they share its storage.
 *
 * As virtlockd keeps them, so hosts of both kinds respect each other: a lock of byte 0 of the image itself,
 * or of a file in a shared folder (qemu-lockd.conf: file_, lvm_, scsi_lockspace_dir) that has the SHA-256 of
 * the image's path, the UUID of the logical volume or the serial number of the SCSI disk as its name.
 * Exclusive for one that is written to, shared for shareable ones.
 *
 * The lock belongs to an open file (F_OFD_SETLK) that is passed to QEMU, so it lives exactly as long as QEMU
 * does: no daemon has to live for it. Who holds it (host, machine, pid) stands in the file, or beside the
 * image in its attribute user.lodge.lease, where the storage has such. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "core/host.h"

/* Are there leases here (qemu.conf: lock_manager)? */
bool lease_is_used(const Host *host);
bool lease_is_automatic(const Host *host); /* of each disk; else only those of <lease> elements */
/* Does writing to @source want one? */
bool lease_is_wanted(const Host *host, const DiskDef *disk, const StorageSource *source);

typedef struct LeaseHolder {
    const char *machine;
    pid_t pid; /* of QEMU; 0: it starts */
} LeaseHolder;
/* Locks the image at @path. *ret_fd: the lock is there while it, or a copy of it, is open.
 *
 * ERROR_BUSY     another has it: which machine on which host
 * ERROR_SYSTEM   no such file, or this storage knows no locks */
AWAITS MUST_CHECK bool lease_take(const Host *host, const char *path, bool shared, const LeaseHolder *holder,
                                  int *ret_fd, Error **err);
/* The same for a <lease> of a document: PATH/LOCKSPACE/KEY, or the byte OFFSET of the file PATH. */
AWAITS MUST_CHECK bool lease_take_explicit(const Host *host, const LeaseDef *lease, const LeaseHolder *holder,
                                           int *ret_fd, Error **err);
/* Writes who holds it; failures do not matter. */
AWAITS void lease_sign(int fd, const LeaseHolder *holder);
/* After the lock is gone: removes the file in the shared folder, unless somebody has locked it meanwhile, or
 * the attribute. */
AWAITS void lease_forget(const Host *host, const char *path);
/* What QEMU calls the descriptor; caller owns. */
char *lease_fd_name(const char *path);
char *lease_fd_name_explicit(const LeaseDef *lease);
