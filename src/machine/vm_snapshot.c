/* What is asked about a machine's snapshots. Their tree and files are vm_moment.h's. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_snapshot_private.h"
#include "machine/vm_snapshot_schedule.h"

#define IMAGES_FILE_MAX (16u << 20)

/* ---- finding ---- */

Moment *vm_snapshot_find(const Vm *vm, const char *name, Error **err)
{
    return moment_find(vm->snapshots, name, err);
}

Moment *vm_snapshot_current(const Vm *vm, Error **err)
{
    if (vm->snapshots->current)
        return moment_ref(vm->snapshots->current);
    error_set(err, ERROR_NO_SNAPSHOT, "the domain does not have a current snapshot");
    return NULL;
}

bool vm_snapshot_is_current(const Moment *snapshot)
{
    return snapshot->tree && snapshot->tree->current == snapshot;
}

Moment *vm_snapshot_parent(const Moment *snapshot, Error **err)
{
    if (snapshot->parent)
        return moment_ref(snapshot->parent);
    error_set(err, ERROR_NO_SNAPSHOT, "snapshot '%s' does not have a parent", moment_name(snapshot));
    return NULL;
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

/* ---- lists ---- */

/* Of a group of flags none or all choose everything. */
static bool is_chosen(unsigned flags, unsigned group, unsigned own)
{
    return !(flags & group) || (flags & own);
}

static bool is_wanted(const Moment *snapshot, void *arg)
{
    const unsigned flags = *(const unsigned *)arg;
    const SnapshotDef *def = snapshot->def;
    const unsigned state = def->state == SNAPSHOT_SHUTOFF     ? VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE
                           : def->state == SNAPSHOT_DISK_ONLY ? VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY
                                                              : VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE;

    return is_chosen(flags, VIR_DOMAIN_SNAPSHOT_LIST_METADATA | VIR_DOMAIN_SNAPSHOT_LIST_NO_METADATA,
                     VIR_DOMAIN_SNAPSHOT_LIST_METADATA) &&
           is_chosen(flags,
                     VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE | VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE |
                         VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY,
                     state) &&
           is_chosen(flags, VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL | VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL,
                     snapshot_is_external(def) ? VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL
                                               : VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL);
}

bool vm_snapshot_list(const Vm *vm, const Moment *from, unsigned flags, const char *function,
                      GPtrArray **ret_snapshots, Error **err)
{
    /* The first flag means the one thing of a machine and the other of a snapshot. */
    const bool is_direct = !from == !!(flags & VIR_DOMAIN_SNAPSHOT_LIST_ROOTS);
    const unsigned list = (is_direct ? MOMENT_LIST_DIRECT : 0) |
                          (flags & VIR_DOMAIN_SNAPSHOT_LIST_LEAVES ? MOMENT_LIST_LEAVES : 0) |
                          (flags & VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES ? MOMENT_LIST_NO_LEAVES : 0);

    if (!check_flags(flags, 0x7ff, function, err))
        return false;
    *ret_snapshots = moment_list(vm->snapshots, from, list, is_wanted, &flags);
    return true;
}

GPtrArray *vm_snapshot_list_all(const Vm *vm)
{
    return moment_list(vm->snapshots, NULL, 0, NULL, NULL);
}

bool vm_snapshot_get_xml(const Moment *snapshot, unsigned flags, const Caller *caller, char **ret_xml,
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

/* ---- what libvirtd does not know ---- */

char *vm_snapshot_own_path(const Vm *vm, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return path_join(vm->host->paths->snapshot, vm->name, ".lodge", file);
}

bool vm_snapshot_make_own_folder(const Vm *vm, Error **err)
{
    g_autofree char *own = vm_snapshot_own_path(vm, "", "");
    g_autofree char *folder = path_join(vm->host->paths->snapshot, vm->name);

    return file_make_dirs(folder, 0755, err) && file_make_dirs(own, 0700, err);
}

static guint find_path(const GPtrArray *paths, const char *path)
{
    guint i = 0;

    while (i < paths->len && strcmp(g_ptr_array_index(paths, i), path) != 0)
        i++;
    return i;
}

bool vm_snapshot_owns_image(const Vm *vm, const char *path)
{
    return find_path(vm->snapshot_images, path) < vm->snapshot_images->len;
}

bool vm_snapshot_own_images(Vm *vm, const GPtrArray *add, const GPtrArray *remove, Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = vm_snapshot_own_path(vm, "images", "");
    AUTO_JSON list = json_array();

    for (guint i = 0; i < vm->snapshot_images->len; i++) {
        const char *image = g_ptr_array_index(vm->snapshot_images, i);
        if (!remove || find_path(remove, image) == remove->len)
            g_ptr_array_add(paths, g_strdup(image));
    }
    for (guint i = 0; add && i < add->len; i++) {
        if (find_path(paths, g_ptr_array_index(add, i)) == paths->len)
            g_ptr_array_add(paths, g_strdup(g_ptr_array_index(add, i)));
    }
    for (guint i = 0; i < paths->len; i++) {
        if (json_array_append_new(list, json_string(g_ptr_array_index(paths, i))) < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the path of an image is not valid UTF-8");
    }
    g_autofree char *text = json_format_pretty(list);
    if (!vm_snapshot_make_own_folder(vm, err) || !file_replace(path, text, strlen(text), 0600, err))
        return false;
    g_ptr_array_unref(vm->snapshot_images);
    vm->snapshot_images = g_steal_pointer(&paths);
    return true;
}

/* Of a host that was libvirtd's: what its snapshots say that they made. */
static void adopt_images(Vm *vm)
{
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);

    for (guint i = 0; i < snapshots->len; i++) {
        const SnapshotDef *def = ((Moment *)g_ptr_array_index(snapshots, i))->def;
        for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
            if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && entry->src.type == STORAGE_FILE &&
                entry->src.path)
                g_ptr_array_add(vm->snapshot_images, g_strdup(entry->src.path));
        }
    }
}

AWAITS static void load_images(Vm *vm)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "images", "");
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    AUTO_JSON list = NULL;
    size_t len = 0;
    size_t i = 0;
    Json *entry = NULL;

    g_ptr_array_set_size(vm->snapshot_images, 0);
    if (!file_read(path, IMAGES_FILE_MAX, &text, &len, &err)) {
        if (error_errno(err) == ENOENT)
            adopt_images(vm);
        else
            log_error_error(err, path); /* no image is ours then: none is removed */
        return;
    }
    if (!json_parse(text, len, "list of images", &list, &err)) {
        log_error_error(err, path);
        return;
    }
    json_array_foreach (list, i, entry) {
        if (json_is_string(entry))
            g_ptr_array_add(vm->snapshot_images, g_strdup(json_string_value(entry)));
    }
}

void vm_snapshot_load_images(Host *host)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify)vm_unref);
    Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->snapshots->is_loaded) /* it has a folder */
            g_ptr_array_add(vms, vm_ref(vm));
    }
    for (guint i = 0; i < vms->len; i++) {
        load_images(g_ptr_array_index(vms, i));
        vm_snapshot_load_schedule(g_ptr_array_index(vms, i));
    }
}
