/* The tree of a machine's snapshots, and what is asked about it.
 *
 * A machine has few snapshots, and no snapshot has a UUID, an id, a job or a definition of its own: they are
 * a list, parents first, that hangs on the machine and is guarded by its job, not objects (core/object.h). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_rows.h"
#include "machine/vm_snapshot_private.h"

VmSnapshot *vm_snapshot_ref(VmSnapshot *snapshot)
{
    snapshot->refs++;
    return snapshot;
}

void vm_snapshot_unref(VmSnapshot *snapshot)
{
    if (!snapshot || --snapshot->refs > 0)
        return;
    snapshot_def_free(snapshot->def);
    g_free(snapshot->name);
    g_free(snapshot);
}

const char *vm_snapshot_name(const VmSnapshot *snapshot)
{
    return snapshot->name;
}

VmSnapshot *vm_snapshot_new(SnapshotDef *def)
{
    VmSnapshot *snapshot = g_new(VmSnapshot, 1);

    *snapshot = (VmSnapshot){ .refs = 1, .name = g_strdup(def->name), .def = def };
    return snapshot;
}

void vm_snapshots_free(VmSnapshots *snapshots)
{
    if (!snapshots)
        return;
    g_ptr_array_unref(snapshots->list);
    g_ptr_array_unref(snapshots->images);
    g_free(snapshots);
}

/* ---- finding ---- */

unsigned vm_snapshot_count(const Vm *vm)
{
    return vm->snapshots ? vm->snapshots->list->len : 0;
}

#define SNAPSHOT_EACH(snapshot, vm)                                                                          \
    DEF_EACH(VmSnapshot, snapshot, (vm)->snapshots ? (vm)->snapshots->list : NULL)

VmSnapshot *vm_snapshot_get(const Vm *vm, const char *name)
{
    for (SNAPSHOT_EACH(snapshot, vm)) {
        if (name && strcmp(snapshot->name, name) == 0)
            return snapshot;
    }
    return NULL;
}

VmSnapshot *vm_snapshot_get_current(const Vm *vm)
{
    for (SNAPSHOT_EACH(snapshot, vm)) {
        if (snapshot->def->is_current)
            return snapshot;
    }
    return NULL;
}

bool vm_snapshot_is_current(const VmSnapshot *snapshot)
{
    return snapshot->def->is_current;
}

VmSnapshot *vm_snapshot_find(const Vm *vm, const char *name, Error **err)
{
    VmSnapshot *snapshot = vm_snapshot_get(vm, name);

    if (snapshot)
        return vm_snapshot_ref(snapshot);
    error_set(err, ERROR_NO_SNAPSHOT, "no domain snapshot with matching name '%s'", name);
    return NULL;
}

VmSnapshot *vm_snapshot_current(const Vm *vm, Error **err)
{
    VmSnapshot *snapshot = vm_snapshot_get_current(vm);

    if (snapshot)
        return vm_snapshot_ref(snapshot);
    error_set(err, ERROR_NO_SNAPSHOT, "the domain does not have a current snapshot");
    return NULL;
}

VmSnapshot *vm_snapshot_parent(const Vm *vm, const VmSnapshot *snapshot, Error **err)
{
    VmSnapshot *parent = vm_snapshot_get(vm, snapshot->def->parent);

    if (parent)
        return vm_snapshot_ref(parent);
    error_set(err, ERROR_NO_SNAPSHOT, "snapshot '%s' does not have a parent", snapshot->name);
    return NULL;
}

bool vm_snapshot_is_below(const Vm *vm, const VmSnapshot *snapshot, const VmSnapshot *above)
{
    const VmSnapshot *at = vm_snapshot_get(vm, snapshot->def->parent);

    for (unsigned i = vm_snapshot_count(vm); at && i > 0; i--) { /* files of others may go in circles */
        if (at == above)
            return true;
        at = vm_snapshot_get(vm, at->def->parent);
    }
    return false;
}

DiskDef *vm_snapshot_disk(const DomainDef *def, const char *target)
{
    for (DEF_EACH(DiskDef, disk, def ? def->disks : NULL)) {
        if (strcmp(disk->target, target) == 0)
            return disk;
    }
    return NULL;
}

SnapshotDisk *vm_snapshot_entry(const SnapshotDef *def, const char *target)
{
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        if (strcmp(entry->name, target) == 0)
            return entry;
    }
    return NULL;
}

/* ---- changing ---- */

void vm_snapshot_add(Vm *vm, VmSnapshot *snapshot)
{
    if (!vm->snapshots) {
        vm->snapshots = g_new0(VmSnapshots, 1);
        vm->snapshots->list = g_ptr_array_new_with_free_func((GDestroyNotify)vm_snapshot_unref);
        vm->snapshots->images = g_ptr_array_new_with_free_func(g_free);
    }
    if (snapshot)
        g_ptr_array_add(vm->snapshots->list, snapshot);
}

void vm_snapshot_drop(Vm *vm, VmSnapshot *snapshot)
{
    (void)g_ptr_array_remove(vm->snapshots->list, snapshot);
}

bool vm_snapshot_set_current(Vm *vm, VmSnapshot *snapshot, Error **err)
{
    VmSnapshot *old = vm_snapshot_get_current(vm);

    if (old == snapshot)
        return true;
    /* The new one first: two that say so are told apart when they are read, none is not. */
    if (snapshot) {
        snapshot->def->is_current = true;
        if (!vm_snapshot_store(vm, snapshot->def, err)) {
            snapshot->def->is_current = false;
            return false;
        }
    }
    if (!old)
        return true;
    old->def->is_current = false;
    return vm_snapshot_store(vm, old->def, err);
}

/* ---- lists ---- */

static bool has_children(const Vm *vm, const VmSnapshot *snapshot)
{
    for (SNAPSHOT_EACH(child, vm)) {
        if (g_strcmp0(child->def->parent, snapshot->name) == 0)
            return true;
    }
    return false;
}

/* Of a group of flags none or all choose everything. */
static bool is_chosen(unsigned flags, unsigned group, unsigned own)
{
    return !(flags & group) || (flags & own);
}

static bool fits(const Vm *vm, const VmSnapshot *snapshot, unsigned flags)
{
    const unsigned state = snapshot->def->state == SNAPSHOT_SHUTOFF     ? VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE
                           : snapshot->def->state == SNAPSHOT_DISK_ONLY ? VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY
                                                                        : VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE;

    return is_chosen(flags, VIR_DOMAIN_SNAPSHOT_LIST_METADATA | VIR_DOMAIN_SNAPSHOT_LIST_NO_METADATA,
                     VIR_DOMAIN_SNAPSHOT_LIST_METADATA) &&
           is_chosen(flags, VIR_DOMAIN_SNAPSHOT_LIST_LEAVES | VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES,
                     has_children(vm, snapshot) ? VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES
                                                : VIR_DOMAIN_SNAPSHOT_LIST_LEAVES) &&
           is_chosen(flags,
                     VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE | VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE |
                         VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY,
                     state) &&
           is_chosen(flags, VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL | VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL,
                     snapshot_is_external(snapshot->def) ? VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL
                                                         : VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL);
}

static bool is_in_reach(const Vm *vm, const VmSnapshot *snapshot, const VmSnapshot *from, unsigned flags)
{
    if (from)
        return flags & VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS
                   ? vm_snapshot_is_below(vm, snapshot, from)
                   : g_strcmp0(snapshot->def->parent, from->name) == 0;
    return !(flags & VIR_DOMAIN_SNAPSHOT_LIST_ROOTS) || !vm_snapshot_get(vm, snapshot->def->parent);
}

bool vm_snapshot_list(const Vm *vm, const VmSnapshot *from, unsigned flags, const char *function,
                      GPtrArray **ret_snapshots, Error **err)
{
    GPtrArray *list = NULL;

    if (!check_flags(flags, 0x7ff, function, err))
        return false;
    list = g_ptr_array_new_with_free_func((GDestroyNotify)vm_snapshot_unref);
    for (SNAPSHOT_EACH(snapshot, vm)) {
        if (fits(vm, snapshot, flags) && is_in_reach(vm, snapshot, from, flags))
            g_ptr_array_add(list, vm_snapshot_ref(snapshot));
    }
    *ret_snapshots = list;
    return true;
}

bool vm_snapshot_get_xml(const VmSnapshot *snapshot, unsigned flags, const Caller *caller, char **ret_xml,
                         Error **err)
{
    if (!check_flags(flags, VIR_DOMAIN_SNAPSHOT_XML_SECURE, "qemuDomainSnapshotGetXMLDesc", err))
        return false;
    if (caller && caller->read_only && (flags & VIR_DOMAIN_SNAPSHOT_XML_SECURE))
        return error_set(err, ERROR_DENIED, "virDomainSnapshotGetXMLDesc with secure flag");
    GString *out = g_string_sized_new(8192);
    snapshot_def_format(snapshot->def, flags & VIR_DOMAIN_SNAPSHOT_XML_SECURE ? MOMENT_FORMAT_SECURE : 0,
                        out);
    *ret_xml = g_string_free(out, FALSE);
    return true;
}
