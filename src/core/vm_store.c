/* Definitions on disk: etc/libvirt/qemu/NAME.xml, autostart links, names of managed save images.
 *
 * A rename writes the new file first and removes the old one last, so that a crash in between leaves two
 * files with one UUID: loading keeps the newer and finishes the rename. A damaged file is set aside and
 * reported; it never stops the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "store"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "conf/xml_table.h"
#include "core/vm_private.h"

#define CONFIG_MAX_BYTES XML_DOCUMENT_MAX

static char *vm_file_path(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return path_join(dir, file);
}

char *vm_save_path(const Host *host, const char *name)
{
    return vm_file_path(host->paths->save, name, ".save");
}

static bool vm_move_if_there(const char *from, const char *to, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (file_rename(from, to, &why) || error_errno(why) == ENOENT)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_store_move_companions(Host *host, const char *from, const char *to, Error **err)
{
    g_autofree char *old_link = object_autostart_path(host, &domain_class, from);
    g_autofree char *new_link = object_autostart_path(host, &domain_class, to);
    g_autofree char *target = object_config_path(host, &domain_class, to);
    g_autofree char *old_save = vm_save_path(host, from);
    g_autofree char *new_save = vm_save_path(host, to);
    struct stat st;

    if (lstat(old_link, &st) == 0 && (!file_symlink(target, new_link, err) || !file_remove(old_link, err)))
        return false;
    return vm_move_if_there(old_save, new_save, err);
}

/* ---- loading ---- */

typedef struct LoadedFile {
    char *name; /* without .xml */
    char *text;
    size_t len;
    int64_t mtime_ns;
    char *problem;
} LoadedFile;

/* One trip to a worker reads all files: hundreds of definitions should not cost hundreds of context switches.
 */
typedef struct LoadJob {
    char *dir;
    GPtrArray *names;
    GPtrArray *files; /* of LoadedFile */
} LoadJob;

static void loaded_file_free(void *data)
{
    LoadedFile *file = data;

    g_free(file->name);
    g_free(file->text);
    g_free(file->problem);
    g_free(file);
}

static void load_job_free(void *data)
{
    LoadJob *job = data;

    g_free(job->dir);
    g_ptr_array_unref(job->names);
    g_ptr_array_unref(job->files);
    g_free(job);
}

static void load_job_read(const LoadJob *job, const char *file_name, LoadedFile *file)
{
    g_autofree char *path = path_join(job->dir, file_name);
    struct stat st;
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        file->problem = g_strdup(g_strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > CONFIG_MAX_BYTES) {
        file->problem = g_strdup(S_ISREG(st.st_mode) ? "too large" : "not a regular file");
        return;
    }
    file->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    file->text = g_malloc((size_t)st.st_size + 1);
    while (file->len < (size_t)st.st_size) {
        const ssize_t got = read(fd, file->text + file->len, (size_t)st.st_size - file->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        file->len += (size_t)got;
    }
    file->text[file->len] = '\0';
}

static void load_job_run(void *data)
{
    LoadJob *job = data;

    for (guint i = 0; i < job->names->len; i++) {
        const char *file_name = g_ptr_array_index(job->names, i);
        LoadedFile *file = g_new0(LoadedFile, 1);
        file->name = g_strndup(file_name, strlen(file_name) - strlen(".xml"));
        load_job_read(job, file_name, file);
        g_ptr_array_add(job->files, file);
    }
}

static void vm_set_aside(Host *host, const char *name, const char *why)
{
    g_autofree char *path = object_config_path(host, &domain_class, name);
    g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
    g_autoptr(Error) err = NULL;

    log_error("definition '%s' cannot be used and is set aside as '%s': %s", path, aside, why);
    if (!file_rename(path, aside, &err))
        log_error_error(err, path);
}

/* A rename that was cut off: @keep is the name of the newer file. */
static void vm_finish_rename(Host *host, const char *drop, const char *keep)
{
    g_autofree char *path = object_config_path(host, &domain_class, drop);
    g_autoptr(Error) err = NULL;

    log_warning("machine '%s' was being renamed to '%s': finishing that", drop, keep);
    if (!vm_store_move_companions(host, drop, keep, &err) || !file_remove(path, &err))
        log_error_error(err, path);
}

static void vm_load_one(Host *host, const LoadedFile *file, GHashTable *seen)
{
    g_autoptr(Error) err = NULL;
    DomainDef *def = NULL;

    if (file->problem) {
        vm_set_aside(host, file->name, file->problem);
        return;
    }
    if (!vm_xml_parse(host, file->text, file->len, file->name, VM_XML_TRUSTED, &def, &err)) {
        vm_set_aside(host, file->name, error_message(err));
        return;
    }
    if (strcmp(def->name, file->name) != 0) {
        vm_set_aside(host, file->name, "it holds a machine of another name");
        domain_def_free(def);
        return;
    }
    Vm *other = (Vm *)registry_get_uuid(vm_registry(host), &def->uuid);
    if (other) {
        const LoadedFile *other_file = g_hash_table_lookup(seen, other);
        if (other_file && other_file->mtime_ns > file->mtime_ns) {
            vm_finish_rename(host, file->name, other->name);
            domain_def_free(def);
            return;
        }
        vm_finish_rename(host, other->name, file->name);
        object_set_name(&other->object, file->name);
        object_set_config(&other->object, def);
        g_hash_table_insert(seen, other, (void *)file);
        return;
    }
    g_autoptr(Vm) vm = vm_new(host, def->name, &def->uuid);
    object_set_config(&vm->object, def);
    object_list_it(&vm->object);
    g_hash_table_insert(seen, vm, (void *)file);
}

/* Autostart links of machines that are gone are removed; managed save images are noticed. */
static void vm_load_companions(Host *host)
{
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GPtrArray) saves = NULL;

    if (file_list_dir(host->paths->autostart, &links, NULL)) {
        for (guint i = 0; i < links->len; i++) {
            const char *file = g_ptr_array_index(links, i);
            if (!g_str_has_suffix(file, ".xml"))
                continue;
            g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
            Vm *vm = (Vm *)registry_get_name(vm_registry(host), name);
            g_autofree char *path = path_join(host->paths->autostart, file);
            if (vm)
                vm->autostart = true;
            else if (!file_remove(path, NULL))
                log_warning("cannot remove stale autostart link '%s'", path);
        }
    }
    if (file_list_dir(host->paths->save, &saves, NULL)) {
        for (guint i = 0; i < saves->len; i++) {
            const char *file = g_ptr_array_index(saves, i);
            if (!g_str_has_suffix(file, ".save"))
                continue;
            g_autofree char *name = g_strndup(file, strlen(file) - strlen(".save"));
            Vm *vm = (Vm *)registry_get_name(vm_registry(host), name);
            if (vm)
                vm->has_managed_save = true;
        }
    }
}

static void vm_load_files(Host *host, const LoadJob *job)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    for (guint i = 0; i < job->files->len; i++) {
        vm_load_one(host, g_ptr_array_index(job->files, i), seen);
        if (i % 16 == 15 && fiber_current())
            fiber_yield();
    }
}

bool vm_store_load_all(Host *host, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!file_list_dir(host->paths->etc_qemu, &names, err))
        return false;
    LoadJob *job = g_new0(LoadJob, 1);
    job->dir = g_strdup(host->paths->etc_qemu);
    job->names = g_ptr_array_new_with_free_func(g_free);
    job->files = g_ptr_array_new_with_free_func(loaded_file_free);
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_suffix(g_ptr_array_index(names, i), ".xml"))
            g_ptr_array_add(job->names, g_strdup(g_ptr_array_index(names, i)));
    }
    if (!worker_run(worker_lane_state(), load_job_run, job, load_job_free, FILE_DEADLINE_MS, err))
        return false;
    vm_load_files(host, job);
    load_job_free(job);
    vm_load_companions(host);
    return true;
}
