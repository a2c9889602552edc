/* Media of CD and floppy drives, changed while the machine runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "disk"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_job.h"
#include "machine/vm_device_private.h"

#define TRAY_PATIENCE_MS 5000

/* ---- what may change ---- */

static bool note_path(void *arg, const char *path, const XmlRow *row)
{
    static const char *const of_medium[] = { "source",  "@type",  "driver/@type", "backingStore", "alias",
                                             "address", "@index", "target/@tray", "encryption",   "auth" };

    for (size_t i = 0; i < G_N_ELEMENTS(of_medium); i++) {
        if (g_str_has_prefix(path, of_medium[i]))
            return true;
    }
    *(char **)arg = g_strdup(path);
    return false;
}

static bool check_rest(const DiskDef *old, const DiskDef *wanted, Error **err)
{
    g_autofree char *path = NULL;

    if (old->device != DISK_DEVICE_CDROM && old->device != DISK_DEVICE_FLOPPY)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': only the medium of a CD or floppy drive can be changed while the "
                         "machine "
                         "runs",
                         old->target);
    xml_table_diff(&disk_table, old, wanted, note_path, &path);
    return !path || error_set(err, ERROR_OPERATION_UNSUPPORTED,
                              "cannot modify field '%s' of the disk while the machine runs", path);
}

/* ---- changing ---- */

void media_change_clear(MediaChange *change)
{
    if (change->vm && change->vm->run) {
        xml_list_free(&path_table, change->vm->run->give_back);
        change->vm->run->give_back = NULL;
    }
    g_clear_pointer(&change->plan, plan_free);
    g_clear_pointer(&change->old_plan, plan_free);
    g_clear_pointer(&change->secrets, qemu_secrets_free);
    xml_table_free(&disk_table, change->next);
    g_free(change->alias);
    g_free(change->old_node);
}

void vm_disk_finish_update(MediaChange *change)
{
    Vm *vm = change->vm;
    g_autoptr(Error) err = NULL;

    if (!vm->run || !vm->live)
        return;
    if (change->old_plan && !plan_reverse(change->old_plan, &change->target, &err))
        log_warning_error(err, "removing what a medium leaves behind");
    if (vm->run && vm->live)
        vm_disk_release(vm, change->next);
    g_clear_pointer(&err, error_free);
    if (vm->run && vm->live && !vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has a medium that is gone");
}

/* What was lent for the one that does not come. */
static void media_give_back(void *arg)
{
    const MediaChange *change = arg;

    if (change->vm->run && change->vm->live)
        vm_disk_release(change->vm, change->next);
}

static guint disk_index(const DomainDef *live, const char *alias)
{
    guint i = 0;

    while (g_strcmp0(((const DiskDef *)g_ptr_array_index(live->disks, i))->info.alias, alias) != 0)
        i++;
    return i;
}

static void media_swap(DomainDef *live, void *data)
{
    MediaChange *change = data;
    const guint index = disk_index(live, change->alias);
    DiskDef *old = g_ptr_array_index(live->disks, index);

    live->disks->pdata[index] = change->next;
    change->next = old;
}

/* A guest that has locked its drive is asked, and opens it or not. */
AWAITS static bool open_tray(const MediaChange *change, bool force, Error **err)
{
    Vm *vm = change->vm;
    const uint64_t serial = vm->run->serial, deadline_ms = loop_now_ms() + TRAY_PATIENCE_MS;
    g_autoptr(Error) why = NULL;

    if (monitor_open_tray(vm_monitor(vm), change->alias, force, 0, &why))
        return true;
    if (error_code(why) != ERROR_REFUSED || !strstr(error_message(why), "locked"))
        return error_propagate(err, g_steal_pointer(&why));
    while (vm->run && vm->run->serial == serial && vm->live) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, disk_index(vm->live, change->alias));
        const uint64_t now_ms = loop_now_ms();
        g_autoptr(Error) stop = NULL;
        if (disk->tray == DISK_TRAY_OPEN)
            return true;
        if (now_ms >= deadline_ms) {
            error_set(err, ERROR_OPERATION_FAILED, "timed out waiting to open tray of '%s'", disk->target);
            return error_hint(err, "the guest has locked its drive: let it go there, or use --force");
        }
        if (!wait_queue_wait(&vm->run->changed, deadline_ms - now_ms, &stop) &&
            error_code(stop) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&stop));
    }
    return error_set(err, ERROR_VM_GONE, "QEMU exited");
}

AWAITS static bool insert(const MediaChange *change, const char *node, bool force, Error **err)
{
    Qmp *qmp = vm_monitor(change->vm);

    return monitor_insert_medium(qmp, change->alias, node, force, 0, err) &&
           monitor_close_tray(qmp, change->alias, 0, err);
}

/* The medium of before is put in again. */
static void media_take_back(void *arg)
{
    const MediaChange *change = arg;
    g_autoptr(Error) err = NULL;

    if (!change->vm->run || !change->vm->live)
        return;
    Qmp *qmp = vm_monitor(change->vm);
    if (!monitor_open_tray(qmp, change->alias, true, 0, &err) ||
        !monitor_remove_medium(qmp, change->alias, true, 0, &err) ||
        (change->old_node ? !insert(change, change->old_node, true, &err)
                          : !monitor_close_tray(qmp, change->alias, 0, &err)))
        log_warning_error(err, "taking back a change of a medium");
}

bool vm_disk_plan_medium(const Vm *vm, const DiskDef *disk, const QemuSecrets *secrets, Plan **ret_plan,
                         Error **err)
{
    return vm_plan_image(vm, disk, NULL, NULL, false, secrets, ret_plan, err);
}

bool vm_disk_update_live(VmEdit *edit, const DiskDef *old, const DiskDef *wanted, bool force,
                         MediaChange *change, Error **err)
{
    Vm *vm = edit->vm;

    if (!check_rest(old, wanted, err) || !vm_require_monitor(vm, err) ||
        (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)) ||
        !vm_require_monitor(vm, err))
        return false;
    change->vm = vm;
    change->target = (PlanTarget){ .qmp = vm_monitor(vm) };
    change->alias = g_strdup(old->info.alias);
    change->old_node = storage_is_empty(&old->src) ? NULL : device_medium_node(old);
    if (change->old_node && !vm_disk_plan_medium(vm, old, NULL, &change->old_plan, err))
        return false;
    change->next = xml_table_copy(&disk_table, wanted);
    g_free(change->next->info.alias);
    change->next->info.alias = g_strdup(old->info.alias);
    change->next->info.address = old->info.address;
    const bool is_empty = storage_is_empty(&change->next->src);
    vm_disk_note_give_back(vm->run, old->src.path);
    vm_disk_note_give_back(vm->run, change->next->src.path);
    undo_push(&edit->undo, media_give_back, change);
    change->next->tray = is_empty ? DISK_TRAY_OPEN : DISK_TRAY_ABSENT;
    if (!is_empty && (!vm_disk_prepare(vm, change->next, &change->secrets, err) ||
                      !vm_disk_plan_medium(vm, change->next, change->secrets, &change->plan, err) ||
                      !plan_execute(change->plan, &change->target, &edit->undo, err)))
        return false;
    if (!open_tray(change, force, err))
        return false;
    undo_push(&edit->undo, media_take_back, change);
    g_autofree char *node = is_empty ? NULL : device_medium_node(change->next);
    if (!monitor_remove_medium(vm_monitor(vm), change->alias, force, 0, err) ||
        (node && !insert(change, node, force, err)))
        return false;
    vm_edit_set_live(edit, media_swap, change);
    return true;
}
