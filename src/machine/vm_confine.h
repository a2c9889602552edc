/* What a machine's QEMU is kept from, beyond what its user may not do: other devices of this host, the
 * daemon's sockets, other users' processes, new rights, changes of folders that are not its own. For the
 * files of this room.
 *
 * Only a daemon that is root confines. Keys of qemu.conf: namespaces (["mount"] if not said),
 * cgroup_device_acl, landlock. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

/* Where each machine is a user of its own: one that no other machine is now, the same as last time if it is
 * free; else 0. ERROR_OPERATION_FAILED: none is left */
MUST_CHECK bool vm_choose_user(Vm *vm, uid_t *ret_uid, Error **err);

typedef struct VmConfine {
    ProcessConfine process; /* for the ProcessSpec; borrows all below */
    GArray *masks;          /* of ProcessMask */
    GArray *nodes;          /* of ProcessNode */
    GPtrArray *dev_kept, *run_kept;
    GStringChunk *texts;
} VmConfine;
void vm_confine_clear(VmConfine *confine);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmConfine, vm_confine_clear)

/* For vm->live, whose devices have their owners already. *@ret: clear it once the process runs. */
MUST_CHECK bool vm_confine_make(Vm *vm, VmConfine *ret, Error **err);

/* A device of the running machine that QEMU is about to open by names: they come to be there with owner and
 * mode that they have on the host. Does nothing where QEMU sees the host's devices. ERROR_SYSTEM */
MUST_CHECK bool vm_confine_add_device(Vm *vm, DeviceKind kind, const void *device, Error **err);
/* Those of a device that is gone and that no other of vm->live has. Failures are logged. */
void vm_confine_remove_device(Vm *vm, DeviceKind kind, const void *device);
