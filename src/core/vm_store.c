/* Definitions on disk: etc/libvirt/qemu/NAME.xml, autostart links, names of managed save images.
 *
 * A rename first leaves a mark, then writes the new file and removes the old one, so that loading can finish
 * one that was cut off. Two files with one UUID and no mark are somebody's copy: one is taken, the other
 * stays. A file that makes no sense is set aside; one that cannot be read now (a link to a share that is not
 * mounted) stays and is tried again. None of them stops the daemon. */
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
#define RENAME_MARK ".renaming-"
#define LINK_DEADLINE_MS 5000

static char *vm_file_path(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return path_join(dir, file);
}

char *vm_config_path(const Host *host, const char *name)
{
    return vm_file_path(host->paths->etc_qemu, name, ".xml");
}

char *vm_autostart_path(const Host *host, const char *name)
{
    return vm_file_path(host->paths->autostart, name, ".xml");
}

char *vm_save_path(const Host *host, const char *name)
{
    return vm_file_path(host->paths->save, name, ".save");
}

/* The comment that every definition begins with, in the words that people know from libvirt's files. */
static void vm_append_warning(GString *out, const char *command, const char *name)
{
    g_string_append(out, "<!--\n"
                         "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                         "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n");
    /* "--" would end the comment. */
    if (strstr(name, "--") || g_str_has_suffix(name, "-"))
        g_string_append_printf(out, "  virsh %s\n", command);
    else
        g_string_append_printf(out, "  virsh %s %s\n", command, name);
    g_string_append(out, "or other application using the libvirt API.\n-->\n\n");
}

bool vm_store_config(Host *host, const DomainDef *def, Error **err)
{
    g_autofree char *path = vm_config_path(host, def->name);
    g_autofree char *xml = vm_xml_format(def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);

    /* A file that the next daemon cannot read is a machine lost. */
    if (!vm_xml_check_text(def, xml, err))
        return false;
    GString *text = g_string_sized_new(strlen(xml) + 512);

    vm_append_warning(text, "edit", def->name);
    g_string_append(text, xml);
    const bool ok = file_replace(path, text->str, text->len, 0600, err);
    g_string_free(text, TRUE);
    return ok;
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
    g_autofree char *old_link = vm_autostart_path(host, from);
    g_autofree char *new_link = vm_autostart_path(host, to);
    g_autofree char *target = vm_config_path(host, to);
    g_autofree char *old_save = vm_save_path(host, from);
    g_autofree char *new_save = vm_save_path(host, to);
    struct stat st;

    if (lstat(old_link, &st) == 0 && (!file_symlink(target, new_link, err) || !file_remove(old_link, err)))
        return false;
    return vm_move_if_there(old_save, new_save, err);
}

/* ---- the mark of a rename ---- */

static char *rename_mark_path(const Host *host, const Uuid *uuid)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    g_autofree char *file = g_strconcat(RENAME_MARK, text, NULL);
    return path_join(host->paths->etc_qemu, file);
}

bool vm_store_begin_rename(Host *host, const Uuid *uuid, const char *from, const char *to, Error **err)
{
    g_autofree char *path = rename_mark_path(host, uuid);
    g_autofree char *text = g_strdup_printf("%s\n%s\n", from, to); /* names have no line ends */

    return file_replace(path, text, strlen(text), 0600, err);
}

void vm_store_end_rename(Host *host, const Uuid *uuid)
{
    g_autofree char *path = rename_mark_path(host, uuid);
    g_autoptr(Error) err = NULL;

    if (!file_remove(path, &err))
        log_warning_error(err, "the mark of a rename stays");
}

/* ---- loading ---- */

typedef struct LoadedFile {
    char *name; /* without .xml */
    char *text;
    size_t len;
    int64_t mtime_ns;
    char *problem; /* why it cannot be read now */
    bool is_gone;
    char *link; /* where it leads: read by itself, since that may be storage that hangs */
} LoadedFile;

/* One trip to a worker reads all files: hundreds of definitions should not cost hundreds of context switches.
 */
typedef struct LoadJob {
    char *dir;
    GPtrArray *names;
    GPtrArray *files; /* of LoadedFile */
    bool follow;
} LoadJob;

static void loaded_file_free(void *data)
{
    LoadedFile *file = data;

    g_free(file->name);
    g_free(file->text);
    g_free(file->problem);
    g_free(file->link);
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

    if (!job->follow) {
        g_autofree char *target = g_file_read_link(path, NULL);
        if (target)
            file->link = g_canonicalize_filename(target, job->dir);
        if (target)
            return;
    }
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        file->is_gone = errno == ENOENT && !job->follow;
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
        if (got <= 0) {
            file->problem = g_strdup(got < 0 ? g_strerror(errno) : "it became shorter while it was read");
            return;
        }
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

/* With a number, if an earlier one lies there. */
static void set_aside(const char *path)
{
    g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
    g_autoptr(Error) err = NULL;
    struct stat st;

    for (unsigned i = 1; lstat(aside, &st) == 0 && i < 100; i++) {
        g_free(aside);
        aside = g_strdup_printf("%s.damaged.%u", path, i);
    }
    if (!file_rename(path, aside, &err))
        log_error_error(err, path);
    else
        log_error("'%s' is now '%s'", path, aside);
}

static void vm_set_aside(Host *host, const char *name, const char *why)
{
    g_autofree char *path = vm_config_path(host, name);
    g_autofree char *link = vm_autostart_path(host, name);
    struct stat st;

    log_error("definition '%s' makes no sense and is set aside: %s", path, why);
    set_aside(path);
    if (lstat(link, &st) == 0)
        set_aside(link);
}

/* Its name stays taken, so that no new machine is written over it. */
static void vm_leave(Host *host, const char *name, const char *why)
{
    log_error("definition '%s/%s.xml' stays as it is, and is tried again at the next start and at SIGHUP: %s",
              host->paths->etc_qemu, name, why);
    g_hash_table_add(host->reserved_names, g_strdup(name));
    g_hash_table_add(host->unused_names, g_strdup(name));
}

static void vm_leave_copy(Host *host, const char *name, const char *taken)
{
    g_autofree char *why = g_strdup_printf("it has the UUID of machine '%s'; give it another one", taken);

    vm_leave(host, name, why);
}

static bool is_later_problem(const Error *err)
{
    switch (error_code(err)) {
    case ERROR_SYSTEM:
    case ERROR_TIMEOUT:
    case ERROR_CANCELLED:
    case ERROR_BUSY:
        return true;
    default:
        return false;
    }
}

/* Of two files with one UUID the machine that runs is taken, else the older file: copies come later. */
static bool is_the_copy(const Host *host, const LoadedFile *file, const LoadedFile *other)
{
    g_autofree char *status = vm_status_path(host, file->name);
    g_autofree char *other_status = vm_status_path(host, other->name);
    const bool runs = access(status, F_OK) == 0;

    if (runs != (access(other_status, F_OK) == 0))
        return !runs;
    return file->mtime_ns >= other->mtime_ns;
}

/* What one pass over the folder knows. */
typedef struct Load {
    GHashTable *seen;  /* Vm -> LoadedFile, of this pass */
    GHashTable *moves; /* old name -> new name, of renames that were cut off; borrowed strings */
} Load;

static bool load_is_move(const Load *load, const char *from, const char *to)
{
    return g_strcmp0(g_hash_table_lookup(load->moves, from), to) == 0;
}

/* Somebody has the UUID already: decides between the two. */
static void vm_load_second(Host *host, Load *load, Vm *other, const LoadedFile *file, DomainDef *def)
{
    const LoadedFile *other_file = g_hash_table_lookup(load->seen, other);

    if (!other->config && strcmp(other->name, file->name) == 0) { /* it runs; its file could not be read */
        vm_set_config(other, def);
        return;
    }
    if (load_is_move(load, file->name, other->name)) {
        domain_def_free(def); /* the old file of a rename: goes with the mark */
        return;
    }
    const bool moved = load_is_move(load, other->name, file->name);
    if (!other_file || (!moved && is_the_copy(host, file, other_file))) {
        vm_leave_copy(host, file->name, other->name);
        domain_def_free(def);
        return;
    }
    if (!moved)
        vm_leave_copy(host, other->name, file->name);
    vm_set_name(other, file->name);
    vm_set_config(other, def);
    g_hash_table_insert(load->seen, other, (void *)file);
}

static void vm_load_one(Host *host, Load *load, const LoadedFile *file)
{
    g_autoptr(Error) err = NULL;
    DomainDef *def = NULL;

    if (file->is_gone)
        return;
    if (file->problem) {
        vm_leave(host, file->name, file->problem);
        return;
    }
    if (!vm_xml_parse(host, file->text, file->len, file->name, VM_XML_TRUSTED, &def, &err)) {
        if (is_later_problem(err))
            vm_leave(host, file->name, error_message(err));
        else
            vm_set_aside(host, file->name, error_message(err));
        return;
    }
    if (strcmp(def->name, file->name) != 0) {
        vm_leave(host, file->name, "it holds a machine of another name");
        domain_def_free(def);
        return;
    }
    Vm *other = host_lookup_uuid(host, &def->uuid);
    if (other) {
        vm_load_second(host, load, other, file, def);
        return;
    }
    if (host_lookup_name(host, def->name)) {
        vm_leave(host, file->name, "a machine of that name and another UUID runs");
        domain_def_free(def);
        return;
    }
    g_autoptr(Vm) vm = vm_new(host, def->name, &def->uuid);
    vm_set_config(vm, def);
    vm_list_it(vm);
    g_hash_table_insert(load->seen, vm, (void *)file);
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
            Vm *vm = host_lookup_name(host, name);
            g_autofree char *path = path_join(host->paths->autostart, file);
            if (vm)
                vm->autostart = true;
            else if (!g_hash_table_contains(host->unused_names, name) && !file_remove(path, NULL))
                log_warning("cannot remove stale autostart link '%s'", path);
        }
    }
    if (file_list_dir(host->paths->save, &saves, NULL)) {
        for (guint i = 0; i < saves->len; i++) {
            const char *file = g_ptr_array_index(saves, i);
            if (!g_str_has_suffix(file, ".save"))
                continue;
            g_autofree char *name = g_strndup(file, strlen(file) - strlen(".save"));
            Vm *vm = host_lookup_name(host, name);
            if (vm)
                vm->has_managed_save = true;
        }
    }
}

/* A rename that was cut off after the new file was written is finished; one before that never was. */
static void vm_finish_rename(Host *host, const char *from, const char *to)
{
    g_autofree char *old_path = vm_config_path(host, from);
    g_autofree char *new_path = vm_config_path(host, to);
    g_autoptr(Error) err = NULL;

    if (!host_lookup_name(host, to) || host_lookup_name(host, from))
        return;
    log_warning("machine '%s' was being renamed to '%s': finishing that", from, to);
    if (!vm_store_move_companions(host, from, to, &err) || !file_remove(old_path, &err))
        log_error_error(err, new_path);
}

/* Reads the marks among @names into @moves. Returns their contents, which @moves borrows from. */
static GPtrArray *vm_load_marks(Host *host, const GPtrArray *names, GHashTable *moves)
{
    GPtrArray *marks = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = path_join(host->paths->etc_qemu, name);
        g_autofree char *text = NULL;
        g_autoptr(Error) err = NULL;
        if (!g_str_has_prefix(name, RENAME_MARK))
            continue;
        if (!file_read(path, 4096, &text, NULL, &err)) {
            log_error_error(err, path);
            continue;
        }
        char **lines = g_strsplit(text, "\n", 0);
        g_ptr_array_add(marks, lines);
        if (g_strv_length(lines) == 3)
            g_hash_table_insert(moves, lines[0], lines[1]);
    }
    return marks;
}

static void vm_finish_renames(Host *host, const GPtrArray *names, GHashTable *moves)
{
    GHashTableIter iter;
    void *from = NULL;
    void *to = NULL;

    g_hash_table_iter_init(&iter, moves);
    while (g_hash_table_iter_next(&iter, &from, &to))
        vm_finish_rename(host, from, to);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = path_join(host->paths->etc_qemu, name);
        if (g_str_has_prefix(name, RENAME_MARK) && !file_remove(path, NULL))
            log_warning("the mark of a rename stays: '%s'", path);
    }
}

static LoadJob *load_job_new(const Host *host, bool follow)
{
    LoadJob *job = g_new0(LoadJob, 1);

    *job = (LoadJob){ .dir = g_strdup(host->paths->etc_qemu),
                      .names = g_ptr_array_new_with_free_func(g_free),
                      .files = g_ptr_array_new_with_free_func(loaded_file_free),
                      .follow = follow };
    return job;
}

/* Reads the file behind a link, in the lane of the storage it leads to. */
static void vm_load_link(Host *host, LoadedFile *file)
{
    LoadJob *job = load_job_new(host, true);
    g_autoptr(Error) err = NULL;

    g_ptr_array_add(job->names, g_strconcat(file->name, ".xml", NULL));
    if (!worker_run(worker_lane_for_path(file->link), load_job_run, job, load_job_free, LINK_DEADLINE_MS,
                    &err)) {
        file->problem = g_strdup(error_message(err));
        return;
    }
    LoadedFile *read = g_ptr_array_index(job->files, 0);
    file->text = g_steal_pointer(&read->text);
    file->problem = g_steal_pointer(&read->problem);
    file->len = read->len;
    file->mtime_ns = read->mtime_ns;
    load_job_free(job);
}

/* Takes @job. Loads the definitions that it names. */
static bool vm_load_files(Host *host, LoadJob *job, GHashTable *moves, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    Load load = { .seen = seen, .moves = moves };

    if (!worker_run(worker_lane_state(), load_job_run, job, load_job_free, FILE_DEADLINE_MS, err))
        return false;
    for (guint i = 0; i < job->files->len; i++) {
        LoadedFile *file = g_ptr_array_index(job->files, i);
        if (file->link)
            vm_load_link(host, file);
        vm_load_one(host, &load, file);
        if (i % 16 == 15 && fiber_current())
            fiber_yield();
    }
    load_job_free(job);
    return true;
}

bool vm_store_load_all(Host *host, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GHashTable) moves = g_hash_table_new(g_str_hash, g_str_equal);

    if (!file_list_dir(host->paths->etc_qemu, &names, err))
        return false;
    LoadJob *job = load_job_new(host, false);
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_suffix(g_ptr_array_index(names, i), ".xml"))
            g_ptr_array_add(job->names, g_strdup(g_ptr_array_index(names, i)));
    }
    G_GNUC_UNUSED g_autoptr(GPtrArray) marks = vm_load_marks(host, names, moves);
    if (!vm_load_files(host, job, moves, err))
        return false;
    vm_finish_renames(host, names, moves);
    vm_load_companions(host);
    return true;
}

bool vm_store_load_unused(Host *host, Error **err)
{
    g_autoptr(GHashTable) moves = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    void *name = NULL;

    if (g_hash_table_size(host->unused_names) == 0)
        return true;
    LoadJob *job = load_job_new(host, false);
    g_hash_table_iter_init(&iter, host->unused_names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_ptr_array_add(job->names, g_strconcat(name, ".xml", NULL));
        (void)g_hash_table_remove(host->reserved_names, name);
    }
    g_hash_table_remove_all(host->unused_names);
    if (!vm_load_files(host, job, moves, err))
        return false;
    vm_load_companions(host);
    return true;
}
