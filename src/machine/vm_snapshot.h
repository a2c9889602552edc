/* Snapshots of machines: states that a machine can go back to. They form a tree: each but the roots came
 * after its parent. One of them is current: the present came after it.
 *
 * Where a snapshot keeps a disk: inside of the disk's qcow2 image (internal), in the image as it was, while
 * the machine goes on in an overlay (external), or not at all. Memory: inside of the first disk's image, or
 * in a file as vm_save.h describes it. The tree is libvirt's:
 * var/lib/libvirt/qemu/snapshot/MACHINE/SNAPSHOT.xml. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_moment.h"

/* A reference. ERROR_NO_SNAPSHOT */
Moment *vm_snapshot_find(const Vm *vm, const char *name, Error **err);
/* The current one; a reference. ERROR_NO_SNAPSHOT: there is none. */
Moment *vm_snapshot_current(const Vm *vm, Error **err);
bool vm_snapshot_is_current(const Moment *snapshot);
/* A reference. ERROR_NO_SNAPSHOT: it is a root. */
Moment *vm_snapshot_parent(const Moment *snapshot, Error **err);

/* Those that @flags (virDomainSnapshotListFlags) choose: of all (@from NULL; ROOTS: roots only), or of those
 * that came after @from (its children; DESCENDANTS: all). Parents first. References; owned.
 * ERROR_INVALID_ARGUMENT: a flag that there is not; @function names the call */
MUST_CHECK bool vm_snapshot_list(const Vm *vm, const Moment *from, unsigned flags, const char *function,
                                 GPtrArray **ret_snapshots, Error **err);
/* @flags: virDomainSnapshotXMLFlags. Caller owns. */
MUST_CHECK bool vm_snapshot_get_xml(const Moment *snapshot, unsigned flags, const Caller *caller,
                                    char **ret_xml, Error **err);

/* @flags: virDomainSnapshotCreateFlags. A reference; with NO_METADATA of one that is in no list. After a
 * failure the machine is and goes on as before.
 *
 * ERROR_OPERATION_FAILED       the name is taken; QEMU or qemu-img could not
 * ERROR_CONFIG_UNSUPPORTED     a disk cannot be kept so
 * ERROR_INVALID_STATE, ERROR_INVALID_ARGUMENT, ERROR_XML_*, ERROR_SYSTEM (no space, no such file), those of
 * the guest's agent */
AWAITS MUST_CHECK Moment *vm_snapshot_create(Vm *vm, const char *xml, unsigned flags, const Caller *caller,
                                             Error **err);
/* Brings the machine back. @flags: virDomainSnapshotRevertFlags. What the present has in images that
 * snapshots made, and that no snapshot needs, is given up.
 *
 * ERROR_SNAPSHOT_RISKY: only with FORCE */
AWAITS MUST_CHECK bool vm_snapshot_revert(Vm *vm, Moment *snapshot, unsigned flags, const Caller *caller,
                                          Error **err);
/* @flags: virDomainSnapshotDeleteFlags. The states of all other snapshots, and the present, stay as they are;
 * images are merged where that needs nobody's, and stay where it does. */
AWAITS MUST_CHECK bool vm_snapshot_delete(Vm *vm, Moment *snapshot, unsigned flags, const Caller *caller,
                                          Error **err);

/* ---- block jobs that users ask for (vm_snapshot_overwrite.c); paths NULL: on a server ---- */

/* Before image @top goes down into @base: notes the snapshots that are lost by that, which *ret_names (owned)
 * tells; they stay in the list and can't be gone back to.
 * ERROR_OPERATION_UNSUPPORTED: there are some inside of images that need what is below */
AWAITS MUST_CHECK bool vm_snapshot_note_commit(Vm *vm, const char *top, const char *base,
                                               GPtrArray **ret_names, Error **err);
AWAITS void vm_snapshot_unnote_commit(Vm *vm, const GPtrArray *names); /* it did not begin */
/* ERROR_OPERATION_UNSUPPORTED: as above */
AWAITS MUST_CHECK bool vm_snapshot_allow_pull(Vm *vm, const char *active, Error **err);
