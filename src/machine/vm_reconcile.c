/* A machine that was taken over: its document and its QEMU agree again.
 *
 * The daemon before may have died in the middle of a change. A device is in the document before QEMU has it
 * and until QEMU has let go of it, so what QEMU lacks goes from the document. Everything else follows the
 * document: what was being changed is as it was. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "reconcile"
#include <stdio.h>

#include "base/log.h"
#include "machine/vm_device_private.h"
#include "machine/vm_helper.h"
#include "machine/vm_limits.h"

#define RECONCILE_MS 5000

/* ---- devices ---- */

AWAITS static void reconcile_kind(Vm *vm, DeviceKind kind, const GPtrArray *names)
{
    const uint64_t serial = vm->run->serial;

    for (unsigned i = def_list_len(domain_device_list(vm->live, kind)); i-- > 0;) {
        const GPtrArray *list = domain_device_list(vm->live, kind);
        void *device = g_ptr_array_index(list, i);
        const guint n_before = list->len;
        g_autoptr(Error) err = NULL;
        vm_device_reconcile(vm, kind, device, names);
        if (!vm->run || vm->run->serial != serial || !vm->live || !domain_device_list(vm->live, kind))
            return;
        if (kind == DEVICE_INTERFACE && def_list_len(vm->live->interfaces) == n_before &&
            ((InterfaceDef *)device)->info.alias && ((InterfaceDef *)device)->type != INTERFACE_HOSTDEV &&
            !vm_interface_restore(vm, device, &err))
            log_warning_error(err, ((InterfaceDef *)device)->info.alias);
        if (!vm->run || vm->run->serial != serial || !vm->live)
            return;
    }
}

/* ---- drives ---- */

AWAITS static bool restore_medium(Vm *vm, const DiskDef *disk, const MonitorDisk *drive, Error **err)
{
    Qmp *qmp = vm_monitor(vm);
    g_autofree char *node = storage_is_empty(&disk->src) ? NULL : device_medium_node(disk);
    g_autofree char *alias = g_strdup(disk->info.alias);

    if ((disk->device != DISK_DEVICE_CDROM && disk->device != DISK_DEVICE_FLOPPY) ||
        g_strcmp0(node, drive->node_name) == 0)
        return true;
    log_warning("machine '%s': drive '%s' has another medium than the machine's document says", vm->name,
                disk->target);
    return monitor_open_tray(qmp, alias, true, RECONCILE_MS, err) &&
           (!drive->node_name || monitor_remove_medium(qmp, alias, true, RECONCILE_MS, err)) &&
           (!node || (monitor_insert_medium(qmp, alias, node, true, RECONCILE_MS, err) &&
                      monitor_close_tray(qmp, alias, RECONCILE_MS, err)));
}

AWAITS static void reconcile_drives(Vm *vm)
{
    g_autoptr(GHashTable) drives = NULL;
    g_autoptr(Error) err = NULL;
    GHashTableIter iter;
    gpointer data = NULL;

    if (!monitor_query_disks(vm_monitor(vm), RECONCILE_MS, &drives, &err)) {
        log_warning_error(err, "the drives of a machine that was taken over");
        return;
    }
    g_hash_table_iter_init(&iter, drives);
    while (vm->run && vm->live && g_hash_table_iter_next(&iter, NULL, &data)) {
        const MonitorDisk *drive = data;
        g_autoptr(Error) why = NULL;
        const DiskDef *disk = NULL;
        for (DEF_EACH(DiskDef, each, vm->live->disks))
            disk = g_strcmp0(each->info.alias, drive->alias) == 0 ? each : disk;
        if (disk && (!restore_medium(vm, disk, drive, &why) ||
                     (vm->live && !vm_restore_throttle(vm, drive->alias, drive->is_throttled, &why))))
            log_warning_error(why, drive->alias);
    }
}

static bool has_node(const DomainDef *def, unsigned number)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
            if (source->index == number || (source->data_store && source->data_store->index == number))
                return true;
        }
    }
    return false;
}

/* Nodes of images that no disk has any more; QEMU keeps what is in use. What is made of what is not known
 * here: what lies on top goes in the first round, and what that leaves in the next. */
AWAITS static void remove_orphans(Vm *vm)
{
    for (unsigned round = 0; round < 3; round++) {
        g_autoptr(GHashTable) nodes = NULL;
        g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer name = NULL;
        unsigned number = 0;
        if (!monitor_query_block_nodes(vm_monitor(vm), RECONCILE_MS, &nodes, NULL) || !vm->live)
            return;
        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            if (sscanf(name, "libvirt-%u-", &number) == 1 && !has_node(vm->live, number))
                g_ptr_array_add(gone, g_strdup(name));
        }
        for (guint i = 0; i < gone->len; i++) {
            g_autoptr(Error) why = NULL;
            if (monitor_remove_block_node(vm_monitor(vm), g_ptr_array_index(gone, i), RECONCILE_MS, &why))
                log_warning("machine '%s': '%s' was left behind in QEMU", vm->name,
                            (const char *)g_ptr_array_index(gone, i));
            else if (error_code(why) != ERROR_REFUSED)
                return;
        }
        if (gone->len == 0)
            return;
    }
}

/* ---- memory ---- */

AWAITS static void reconcile_memory(Vm *vm)
{
    for (guint i = 0; vm->run && vm->live && i < def_list_len(vm->live->memory_devices); i++) {
        const MemoryDeviceDef *memory = g_ptr_array_index(vm->live->memory_devices, i);
        g_autofree char *alias = g_strdup(memory->info.alias);
        g_autoptr(Error) err = NULL;
        if (memory->model == MEMORY_VIRTIO_MEM && alias &&
            !monitor_set_requested_size(vm_monitor(vm), alias, memory->requested_bytes, RECONCILE_MS, &err))
            log_warning_error(err, alias);
    }
}

void vm_reconcile(Vm *vm)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(Error) err = NULL;

    if (!monitor_list_devices(vm_monitor(vm), RECONCILE_MS, &names, &err)) {
        log_warning_error(err, "the devices of a machine that was taken over");
        return;
    }
    /* What is plugged into a controller goes before it. */
    for (unsigned kind = 0; kind < DEVICE_KIND_COUNT && vm->run && vm->live; kind++) {
        if (kind != DEVICE_CONTROLLER && domain_device_list(vm->live, kind) && device_classes[kind].can_plug)
            reconcile_kind(vm, kind, names);
    }
    if (vm->run && vm->live)
        reconcile_kind(vm, DEVICE_CONTROLLER, names);
    if (vm->run && vm->live)
        reconcile_drives(vm);
    if (vm->run && vm->live && vm->run->give_back)
        vm_disk_give_back(vm);
    vm_restore_throttle_groups(vm);
    if (vm->run && vm->live)
        remove_orphans(vm);
    reconcile_memory(vm);
    if (vm->run && vm->live)
        vm_helpers_prune(vm);
}
