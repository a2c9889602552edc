/* Disks that come and go while a machine runs: their images. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "disk"
#include <string.h>

#include "base/log.h"
#include "machine/vm_confine.h"
#include "machine/vm_device_private.h"
#include "machine/vm_lease.h"
#include "machine/vm_security.h"
#include "qemu/address.h"
#include "storage/lease.h"

bool vm_disk_can_plug(const DiskDef *disk)
{
    return disk->bus == DISK_BUS_VIRTIO || disk->bus == DISK_BUS_SCSI || disk->bus == DISK_BUS_USB;
}

bool vm_disk_check_plug(const DiskDef *disk, Error **err)
{
    const char *bus = enum_name(&disk_bus_names, disk->bus);

    if (disk->device != DISK_DEVICE_DISK && disk->device != DISK_DEVICE_LUN)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "disk device type '%s' cannot be hotplugged",
                         enum_name(&disk_device_names, disk->device));
    if (!vm_disk_can_plug(disk))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "disk bus '%s' cannot be hotplugged.", bus);
    if (disk->transient)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "a transient disk ('%s') can't be plugged into a running machine", disk->target);
    if (storage_is_empty(&disk->src))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "disk '%s' has no source", disk->target);
    return true;
}

bool vm_disk_prepare(Vm *vm, DiskDef *disk, QemuSecrets **ret_secrets, Error **err)
{
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    uid_t uid = 0;
    gid_t gid = 0;

    if (!storage_prepare_disk(vm->host, vm->live, disk, vm->run->dac, err) || !vm_lease_add(vm, disk, err))
        return false;
    qemu_number_disk(disk, &vm->run->last_node);
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    /* Who finds the machine later knows what was lent. */
    return vm_status_save(vm, err) && vm_require_monitor(vm, err) &&
           dac_apply(vm->run->dac, uid, gid, storage_ms, err) && vm_security_load(vm, err) &&
           vm_require_monitor(vm, err) && vm_confine_add_device(vm, DEVICE_DISK, disk, err) &&
           vm_prepare_device_secrets(vm, DEVICE_DISK, disk, ret_secrets, err);
}

static bool is_used(const DomainDef *live, const char *path)
{
    for (DEF_EACH(DiskDef, disk, live->disks)) {
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
            if (g_strcmp0(source->path, path) == 0)
                return true;
        }
    }
    return false;
}

void vm_disk_note_give_back(VmRun *run, const char *path)
{
    if (!path)
        return;
    VmPath *entry = xml_table_new(&path_table);
    entry->path = g_strdup(path);
    if (!run->give_back)
        run->give_back = xml_list_new(&path_table);
    g_ptr_array_add(run->give_back, entry);
}

void vm_disk_give_back(Vm *vm)
{
    GPtrArray *paths = g_steal_pointer(&vm->run->give_back);

    for (DEF_EACH(VmPath, entry, paths)) {
        const DiskDef was = { .src = { .type = STORAGE_FILE, .path = entry->path } };
        if (vm->run && vm->live && !is_used(vm->live, entry->path))
            vm_disk_release(vm, &was);
    }
    xml_list_free(&path_table, paths);
}

void vm_disk_release(Vm *vm, const DiskDef *disk)
{
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    g_autoptr(GPtrArray) list = dac_list_new();
    GPtrArray *lent = vm->run->dac;

    for (const StorageSource *source = &disk->src; source; source = source->backing) {
        for (guint i = lent->len; i-- > 0;) {
            const DacItem *item = g_ptr_array_index(lent, i);
            if (g_strcmp0(item->path, source->path) == 0 && !is_used(vm->live, item->path))
                g_ptr_array_add(list, g_ptr_array_steal_index(lent, i));
        }
    }
    vm_confine_remove_device(vm, DEVICE_DISK, disk);
    if (lease_is_wanted(vm->host, disk, &disk->src) && !is_used(vm->live, disk->src.path))
        vm_lease_drop(vm, disk->src.path);
    dac_restore(vm->host->dac, list, storage_ms);
}
