/* Machines that start with the host at its next boot only. A link beside those of machines that always do
 * says so: NAME.xml.once, which nobody else looks at. It goes after the attempt, so it outlives a daemon that
 * dies before. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "machine"
#include "machine/vm_autostart.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "core/object_store.h"
#include "machine/vm_private.h"

#define ONCE_SUFFIX ".once"

static char *once_path(const Host *host, const char *name)
{
    g_autofree char *link = object_autostart_path(host, &domain_class, name);

    return g_strconcat(link, ONCE_SUFFIX, NULL);
}

bool vm_has_autostart_once(const Vm *vm)
{
    g_autofree char *path = once_path(vm->host, vm->name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static bool once_store(const Host *host, const char *name, Error **err)
{
    g_autofree char *path = once_path(host, name);
    g_autofree char *target = object_config_path(host, &domain_class, name);

    return file_make_dirs(host->paths->autostart, 0755, err) && file_symlink(target, path, err);
}

bool vm_forget_autostart_once(const Host *host, const char *name, Error **err)
{
    g_autofree char *path = once_path(host, name);

    return file_remove(path, err);
}

bool vm_rename_autostart_once(const Host *host, const char *from, const char *to, Error **err)
{
    g_autofree char *path = once_path(host, from);
    struct stat st;

    return lstat(path, &st) < 0 || (once_store(host, to, err) && vm_forget_autostart_once(host, from, err));
}

bool vm_set_autostart_once(Vm *vm, bool autostart, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) ||
        !object_require_config(&vm->object, "set autostart for", err))
        return false;
    return autostart ? once_store(vm->host, vm->name, err)
                     : vm_forget_autostart_once(vm->host, vm->name, err);
}

GPtrArray *vm_list_autostart_once(Host *host)
{
    GPtrArray *vms = g_ptr_array_new_with_free_func((GDestroyNotify)vm_unref);
    g_autoptr(GPtrArray) links = NULL;

    if (!file_list_dir(host->paths->autostart, &links, NULL))
        return vms;
    for (guint i = 0; i < links->len; i++) {
        const char *file = g_ptr_array_index(links, i);
        g_autofree char *name = g_strndup(file, strlen(file) - MIN(strlen(file), strlen(".xml" ONCE_SUFFIX)));
        g_autoptr(Error) err = NULL;
        if (!g_str_has_suffix(file, ".xml" ONCE_SUFFIX))
            continue;
        Object *object = registry_get_name(vm_registry(host), name);
        if (object && object->config)
            g_ptr_array_add(vms, vm_ref((Vm *)object));
        else if (!g_hash_table_contains(registry_unused(vm_registry(host)), name) &&
                 !vm_forget_autostart_once(host, name, &err))
            log_warning_error(err, name);
    }
    return vms;
}
