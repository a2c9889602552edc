/* Devices of a running machine, for the files of this room. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_edit.h"
#include "qemu/device.h"

/* From QMP events, in the loop. @alias let go of: what is left of it is removed soon, unless a job waits for
 * just that. It refused: likewise. */
void vm_device_gone(Vm *vm, const char *alias);
void vm_device_refused(Vm *vm, const char *alias);

/* From now on USB devices that are plugged into the host again come back to their machines. Once. */
void vm_device_watch_host(Host *host);

/* From here on the word of the guest about device @alias is for the job; whose end clears run->unplug_alias.
 */
void vm_unplug_expect(Vm *vm, const char *alias);
/* Waits for it. ERROR_TIMEOUT, ERROR_OPERATION_FAILED: the guest refuses; ERROR_VM_GONE */
AWAITS MUST_CHECK bool vm_unplug_wait(Vm *vm, uint64_t serial, const char *alias, uint64_t timeout_ms,
                                      Error **err);

/* After a restart (vm_reconcile.c): what QEMU does not have goes from the live document, with what it had of
 * the host; cables, bridges and limits of interfaces, media, limits of disks and sizes of memory are as the
 * document says. */
AWAITS void vm_reconcile(Vm *vm);
/* One device of it: @names are those that QEMU has. */
AWAITS void vm_device_reconcile(Vm *vm, DeviceKind kind, void *device, const GPtrArray *names);
bool vm_device_is_there(const DomainDef *def, const char *alias);

/* The one that @device (of @kind) describes (vm_device_find.c): it is as that says, whatever else it is. Of
 * several the first. ERROR_DEVICE_MISSING: none; ERROR_OPERATION_FAILED: several interfaces. */
typedef enum DeviceFindFor {
    FIND_TO_REMOVE,
    FIND_TO_CHANGE, /* by what the guest sees: the rest is what is to be */
} DeviceFindFor;
MUST_CHECK bool vm_device_find(const DomainDef *def, DeviceKind kind, const void *device,
                               DeviceFindFor find_for, void **ret_found, Error **err);

/* ---- disks (vm_disk_plug.c) ---- */

/* Of a kind that comes and goes? */
bool vm_disk_can_plug(const DiskDef *disk);
/* May @disk be plugged into a running machine? ERROR_OPERATION_UNSUPPORTED */
MUST_CHECK bool vm_disk_check_plug(const DiskDef *disk, Error **err);
/* Looks at the images of @disk, which is in the live document or about to come there, and lends them to QEMU.
 * @ret_secrets owned. */
AWAITS MUST_CHECK bool vm_disk_prepare(Vm *vm, DiskDef *disk, QemuSecrets **ret_secrets, Error **err);
/* Those of one device, wherever it is; as vm_prepare_secrets(). */
AWAITS MUST_CHECK bool vm_prepare_device_secrets(Vm *vm, DeviceKind kind, const void *device,
                                                 QemuSecrets **ret_secrets, Error **err);
/* A change of media begins: whatever happens to the daemon, what the machine does not have then is given
 * back. */
void vm_disk_note_give_back(VmRun *run, const char *path);
AWAITS void vm_disk_give_back(Vm *vm); /* after a restart */
/* Gives back what was lent for @disk alone, which is in the document no more. Failures are logged. */
AWAITS void vm_disk_release(Vm *vm, const DiskDef *disk);

/* A drive of a running machine that gets another medium (vm_disk_media.c). */
typedef struct MediaChange {
    Vm *vm;
    DiskDef *next; /* owned; after the commit: what was before */
    char *alias, *old_node;
    Plan *plan, *old_plan;
    PlanTarget target;
    QemuSecrets *secrets;
} MediaChange;
void media_change_clear(MediaChange *change);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MediaChange, media_change_clear)
/* @change outlives @edit. @force: even if the guest has locked the drive. */
AWAITS MUST_CHECK bool vm_disk_update_live(VmEdit *edit, const DiskDef *old, const DiskDef *wanted,
                                           bool force, MediaChange *change, Error **err);
/* The plan of what is in the drive @disk: its nodes. run->caps must be there. Caller owns. */
MUST_CHECK bool vm_disk_plan_medium(const Vm *vm, const DiskDef *disk, const QemuSecrets *secrets,
                                    Plan **ret_plan, Error **err);
/* After the commit, with the job held: gives back what is not used any more. */
AWAITS void vm_disk_finish_update(MediaChange *change);

/* A display of a running machine that gets another password (vm_graphics_update.c). */
typedef struct GraphicsUpdate {
    Vm *vm;
    GraphicsDef *next; /* owned; after the commit: with what was before */
} GraphicsUpdate;
void graphics_update_clear(GraphicsUpdate *update);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GraphicsUpdate, graphics_update_clear)
/* @update outlives @edit. */
AWAITS MUST_CHECK bool vm_graphics_update_live(VmEdit *edit, const GraphicsDef *wanted,
                                               GraphicsUpdate *update, Error **err);

/* An interface of a running machine that is to become another (vm_interface_update.c). */
typedef struct InterfaceUpdate {
    Vm *vm;
    InterfaceDef *next; /* owned; after the commit: what was before */
    char *alias;
    bool is_replugged;
} InterfaceUpdate;
void interface_update_clear(InterfaceUpdate *update); /* gives back the port that is not used any more */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InterfaceUpdate, interface_update_clear)
/* What can change in a machine that runs, changes; @update outlives @edit. */
AWAITS MUST_CHECK bool vm_interface_update_live(VmEdit *edit, const InterfaceDef *old,
                                                const InterfaceDef *wanted, InterfaceUpdate *update,
                                                Error **err);
