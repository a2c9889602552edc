/* Files of snapshots: those that libvirtd has, and the list of images that are ours to remove. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_snapshot_private.h"

#define OWN_FOLDER ".lodge" /* libvirtd skips what has a dot in front */
#define SNAPSHOT_FILE_MAX (16u << 20)
#define IMAGES_FILE_MAX (16u << 20)

static char *folder_of(const Host *host, const char *machine)
{
    return path_join(host->paths->snapshot, machine);
}

static char *file_of(const Host *host, const char *machine, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".xml", NULL);

    return path_join(host->paths->snapshot, machine, file);
}

char *vm_snapshot_own_path(const Vm *vm, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return path_join(vm->host->paths->snapshot, vm->name, OWN_FOLDER, file);
}

AWAITS static bool make_own_folder(const Vm *vm, Error **err)
{
    g_autofree char *folder = folder_of(vm->host, vm->name);
    g_autofree char *own = path_join(folder, OWN_FOLDER);

    return file_make_dirs(folder, 0755, err) && file_make_dirs(own, 0700, err);
}

/* ---- one snapshot ---- */

bool vm_snapshot_store(Vm *vm, const SnapshotDef *def, Error **err)
{
    g_autofree char *folder = folder_of(vm->host, vm->name);
    g_autofree char *path = file_of(vm->host, vm->name, def->name);
    g_autoptr(GString) text = g_string_sized_new(8192);

    g_string_append(text, "<!--\n"
                          "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                          "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n"
                          "  virsh snapshot-edit\n"
                          "or other application using the libvirt API.\n-->\n\n");
    snapshot_def_format(def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, text);
    if (text->len > SNAPSHOT_FILE_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "the document of snapshot '%s' is too long", def->name);
    return file_make_dirs(folder, 0755, err) && file_replace(path, text->str, text->len, 0600, err);
}

bool vm_snapshot_unstore(Vm *vm, const char *name, Error **err)
{
    g_autofree char *path = file_of(vm->host, vm->name, name);

    return file_remove(path, err);
}

/* ---- images that are ours ---- */

static guint find_path(const GPtrArray *paths, const char *path)
{
    guint i = 0;

    while (i < paths->len && strcmp(g_ptr_array_index(paths, i), path) != 0)
        i++;
    return i;
}

bool vm_snapshot_owns_image(const Vm *vm, const char *path)
{
    return vm->snapshots && find_path(vm->snapshots->images, path) < vm->snapshots->images->len;
}

bool vm_snapshot_own_images(Vm *vm, const GPtrArray *add, const GPtrArray *remove, Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = vm_snapshot_own_path(vm, "images", "");
    AUTO_JSON list = json_array();

    vm_snapshot_add(vm, NULL);
    for (guint i = 0; i < vm->snapshots->images->len; i++) {
        const char *image = g_ptr_array_index(vm->snapshots->images, i);
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
    if (!make_own_folder(vm, err) || !file_replace(path, text, strlen(text), 0600, err))
        return false;
    g_ptr_array_unref(vm->snapshots->images);
    vm->snapshots->images = g_steal_pointer(&paths);
    return true;
}

/* ---- loading ---- */

static void set_aside(Vm *vm, const char *file, const Error *why)
{
    g_autofree char *path = path_join(vm->host->paths->snapshot, vm->name, file);
    g_autofree char *aside = vm_snapshot_own_path(vm, file, ".damaged");
    g_autoptr(Error) err = NULL;

    log_error("'%s' is set aside as '%s': %s", path, aside, error_message(why));
    if (!make_own_folder(vm, &err) || !file_rename(path, aside, &err))
        log_error_error(err, path);
}

static void load_one(Vm *vm, const char *file)
{
    g_autofree char *path = path_join(vm->host->paths->snapshot, vm->name, file);
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    SnapshotDef *def = NULL;
    size_t len = 0;

    if (!file_read(path, SNAPSHOT_FILE_MAX, &text, &len, &err)) {
        log_error_error(err, path); /* it may be there another time */
        return;
    }
    if (!vm_snapshot_parse(vm->host, text, len, MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED, &def, &err)) {
        set_aside(vm, file, err);
        return;
    }
    if (strcmp(def->name, name) == 0) {
        vm_snapshot_add(vm, vm_snapshot_new(def));
        return;
    }
    error_set(&err, ERROR_XML_INVALID, "it holds the snapshot '%s'", def->name);
    snapshot_def_free(def);
    set_aside(vm, file, err);
}

/* Parents first; of brothers the older one. One whose parents go in circles is a root. */
static int compare_age(const void *a, const void *b)
{
    const SnapshotDef *x = (*(const VmSnapshot *const *)a)->def, *y = (*(const VmSnapshot *const *)b)->def;

    if (x->created_s.value != y->created_s.value)
        return x->created_s.value < y->created_s.value ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void sort_snapshots(Vm *vm)
{
    GPtrArray *list = vm->snapshots->list;
    GPtrArray *sorted = g_ptr_array_new_with_free_func((GDestroyNotify)vm_snapshot_unref);

    g_ptr_array_sort(list, compare_age);
    for (guint i = 0; i < list->len; i++) {
        VmSnapshot *snapshot = g_ptr_array_index(list, i);
        if (snapshot->def->parent &&
            (!vm_snapshot_get(vm, snapshot->def->parent) || vm_snapshot_is_below(vm, snapshot, snapshot))) {
            log_warning("snapshot '%s' of machine '%s' has no parent '%s': it is a root", snapshot->name,
                        vm->name, snapshot->def->parent);
            g_clear_pointer(&snapshot->def->parent, g_free);
        }
    }
    while (list->len > 0) {
        guint i = 0;
        for (; i + 1 < list->len; i++) { /* there is always one whose parent is not left */
            const VmSnapshot *one = g_ptr_array_index(list, i);
            if (!one->def->parent || !vm_snapshot_get(vm, one->def->parent))
                break;
        }
        g_ptr_array_add(sorted, g_ptr_array_steal_index(list, i));
    }
    g_ptr_array_unref(list);
    vm->snapshots->list = sorted;
}

/* A daemon that died between two files left two that are current: the one that was written last is. */
static void keep_one_current(Vm *vm)
{
    VmSnapshot *best = NULL;
    struct timespec best_time = { 0 };

    for (DEF_EACH(VmSnapshot, snapshot, vm->snapshots->list)) {
        g_autofree char *path = file_of(vm->host, vm->name, snapshot->name);
        struct stat st;
        if (!snapshot->def->is_current || stat(path, &st) < 0)
            continue;
        if (best && (st.st_mtim.tv_sec < best_time.tv_sec ||
                     (st.st_mtim.tv_sec == best_time.tv_sec && st.st_mtim.tv_nsec <= best_time.tv_nsec))) {
            snapshot->def->is_current = false;
            continue;
        }
        if (best)
            best->def->is_current = false;
        best = snapshot;
        best_time = st.st_mtim;
    }
}

static void load_images(Vm *vm)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "images", "");
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    AUTO_JSON list = NULL;
    size_t len = 0;
    size_t i = 0;
    Json *entry = NULL;

    if (!file_read(path, IMAGES_FILE_MAX, &text, &len, &err) ||
        !json_parse(text, len, "list of images", &list, &err)) {
        if (error_errno(err) != ENOENT)
            log_error_error(err, path); /* no image is ours then: none is removed */
        return;
    }
    json_array_foreach (list, i, entry) {
        if (json_is_string(entry))
            g_ptr_array_add(vm->snapshots->images, g_strdup(json_string_value(entry)));
    }
}

void vm_snapshot_load_all(Host *host)
{
    g_autoptr(GPtrArray) machines = NULL;
    g_autoptr(Error) err = NULL;

    if (!file_list_dir(host->paths->snapshot, &machines, &err)) {
        log_error_error(err, "reading snapshots");
        return;
    }
    for (guint i = 0; i < machines->len; i++) {
        g_autofree char *folder = folder_of(host, g_ptr_array_index(machines, i));
        g_autoptr(GPtrArray) files = NULL;
        Vm *vm = (Vm *)registry_get_name(vm_registry(host), g_ptr_array_index(machines, i));
        if (!vm || !file_list_dir(folder, &files, NULL))
            continue;
        vm_snapshot_add(vm, NULL);
        (void)!file_remove_leftovers(folder, NULL); /* no harm if they stay */
        for (guint k = 0; k < files->len; k++) {
            const char *file = g_ptr_array_index(files, k);
            if (file[0] != '.' && g_str_has_suffix(file, ".xml"))
                load_one(vm, file);
        }
        load_images(vm);
        sort_snapshots(vm);
        keep_one_current(vm);
    }
}

/* ---- with the machine ---- */

bool vm_snapshot_rename(Host *host, const char *from, const char *to, Error **err)
{
    g_autofree char *old_folder = folder_of(host, from);
    g_autofree char *new_folder = folder_of(host, to);
    g_autoptr(Error) why = NULL;

    if (file_rename(old_folder, new_folder, &why) || error_errno(why) == ENOENT)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_snapshot_forget_all(Vm *vm, Error **err)
{
    g_autofree char *folder = folder_of(vm->host, vm->name);

    if (!file_remove_tree(folder, err))
        return false;
    g_clear_pointer(&vm->snapshots, vm_snapshots_free);
    return true;
}
