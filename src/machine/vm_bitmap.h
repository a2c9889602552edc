/* Bitmaps of a running machine's disks, by which checkpoints remember what changed since. For this room.
 *
 * A checkpoint's bitmap has its name, lies in the image that was active when it was made, and records on.
 * Overlays that came later have one of the same name, so what changed since is what all of them say
 * together. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"
#include "qemu/monitor_bitmap.h"

/* Names of the nodes, from the active image down, that hold the bitmap; in the active one it must be, without
 * a gap below. Owned, of char *. ERROR_CHECKPOINT_INCONSISTENT: it is not there, or broken, since QEMU or the
 * host ended without warning or somebody changed the image: the changes since then are not known. */
MUST_CHECK bool bitmap_find_chain(const GPtrArray *bitmaps, const DiskDef *disk, const char *name,
                                  GPtrArray **ret_nodes, Error **err);
/* Appends actions that make the bitmap @copy in @node, which does not record, of all that @name says. It is
 * not persistent. ERROR_CHECKPOINT_INCONSISTENT */
MUST_CHECK bool bitmap_copy_actions(Json *actions, const GPtrArray *bitmaps, const DiskDef *disk,
                                    const char *name, const char *node, const char *copy, Error **err);
/* Removes the bitmaps from all images of the disks, in one transaction. One that is not there, because QEMU
 * ended before it stored it, is removed already. */
typedef struct BitmapRemoval {
    const DiskDef *disk;
    const char *name;
} BitmapRemoval;
AWAITS MUST_CHECK bool bitmap_remove_all(Vm *vm, const GArray *removals /* of BitmapRemoval */, Error **err);
/* For whoever puts an overlay on top of an active image: appends actions, to the transaction that does, which
 * give the node @overlay the bitmaps that record in the node @active, so that what changed since their
 * checkpoints stays known. What is committed into the image below later is noted there by QEMU. */
void bitmap_follow_actions(Json *actions, const GPtrArray *bitmaps, const char *active, const char *overlay);

/* Images of a chain become one, or are left: before that, what their bitmaps say goes where it will be asked
 * for. Where it cannot, the bitmaps are removed, so that the next backup says that a full one is due. Disks
 * by their target; the machine's job is held, QEMU has rights to the images. Doing it in vain does no harm.
 *
 * Images @top to @base (indexes of the chain, the active image is 0) go down into @base, which gets the
 * bitmaps that it does not have. What is written there QEMU notes itself. */
AWAITS MUST_CHECK bool bitmap_carry_down(Vm *vm, const char *target, unsigned top, unsigned base,
                                         Error **err);
/* Those between the active image and @base (UINT32_MAX: all) go up into the active one. */
AWAITS MUST_CHECK bool bitmap_carry_up(Vm *vm, const char *target, unsigned base, Error **err);
/* The guest is about to go on with the disk's mirror, which is the same. @is_shallow: what is below the
 * active image stays below. A failure is logged. */
AWAITS void bitmap_carry_over(Vm *vm, const char *target, bool is_shallow);
