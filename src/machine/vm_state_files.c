/* Files of firmware and TPM. What lies in folders of QEMU's and swtpm's users is not trusted: no link is
 * followed there, and what is written is put in place whole. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_state_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/trail.h"
#include "base/worker.h"
#include "machine/vm_private.h"

#define FILE_MAX_BYTES (8u << 20)
#define TPM_FILES_MAX 64u

/* Both for reading and for writing. */
typedef struct FilesJob {
    char *nvram; /* NULL: none */
    char *tpm;   /* folder; NULL: none */
    Json *files;
    bool writes, chown;
    uid_t nvram_uid, tpm_uid;
    gid_t nvram_gid, tpm_gid;
} FilesJob;

static const char *const tpm_folders[] = { "tpm2", "tpm1.2", NULL };

static void files_job_free(void *data)
{
    FilesJob *job = data;

    g_free(job->nvram);
    g_free(job->tpm);
    json_decref(job->files);
    g_free(job);
}

/* ---- reading ---- */

static bool read_one(FilesJob *job, int fd, const char *role, const char *name, Error **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot read '%s'", name);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is no file, or larger than %u bytes", name,
                         FILE_MAX_BYTES);
    g_autofree guchar *data = g_malloc((size_t)st.st_size + 1);
    const ssize_t got = pread(fd, data, (size_t)st.st_size, 0);
    if (got < 0)
        return error_set_errno(err, errno, "cannot read '%s'", name);
    g_autofree char *text = g_base64_encode(data, (gsize)got);
    json_array_append_new(job->files, json_pack("{s:s, s:s, s:s}", "role", role, "name", name, "data", text));
    return true;
}

static bool read_tpm(FilesJob *job, const char *kind, Error **err)
{
    g_autofree char *path = path_join(job->tpm, kind);
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = folder < 0 ? NULL : fdopendir(folder);
    bool ok = true;

    if (!dir)
        return errno == ENOENT || error_set_errno(err, errno, "cannot read '%s'", path);
    for (const struct dirent *entry; ok && (entry = readdir(dir));) {
        AUTO_FD fd = -1;
        if (entry->d_name[0] == '.') /* locks */
            continue;
        g_autofree char *name = path_join(kind, entry->d_name);
        fd = openat(folder, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (json_array_size(job->files) >= TPM_FILES_MAX)
            ok = error_set(err, ERROR_OPERATION_FAILED, "there are too many files in '%s'", path);
        else if (fd >= 0)
            ok = read_one(job, fd, "tpm", name, err);
        else if (errno != ENOENT) /* one that swtpm has just replaced is there under its name */
            ok = error_set_errno(err, errno, "cannot read '%s' in '%s'", entry->d_name, path);
    }
    (void)closedir(dir);
    return ok;
}

static bool read_all(FilesJob *job, Error **err)
{
    g_autoptr(Error) why = NULL;
    AUTO_FD fd = job->nvram ? trail_open(job->nvram, O_RDONLY | O_NOCTTY | O_NONBLOCK, &why) : -1;

    /* Before its first start a machine has none. */
    if (job->nvram && fd < 0 && error_errno(why) != ENOENT)
        return error_propagate(err, g_steal_pointer(&why));
    if (fd >= 0 && !read_one(job, fd, "nvram", "nvram", err))
        return false;
    for (const char *const *kind = tpm_folders; job->tpm && *kind; kind++)
        if (!read_tpm(job, *kind, err))
            return false;
    return true;
}

/* ---- writing ---- */

static bool write_one(int dir, const char *name, const char *text, bool chown, uid_t uid, gid_t gid,
                      Error **err)
{
    g_autofree char *temp = g_strconcat(".", name, ".new", NULL);
    gsize len = 0;
    g_autofree guchar *data = g_base64_decode(text, &len);

    (void)unlinkat(dir, temp, 0); /* of a daemon that was killed here */
    AUTO_FD fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot write '%s'", name);
    if (write(fd, data, len) == (ssize_t)len && (!chown || fchown(fd, uid, gid) == 0) && fsync(fd) == 0 &&
        renameat(dir, temp, dir, name) == 0)
        return true;
    error_set_errno(err, errno, "cannot write '%s'", name);
    (void)unlinkat(dir, temp, 0);
    return false;
}

static bool write_nvram(const FilesJob *job, const char *text, Error **err)
{
    const char *name = NULL;

    if (!job->nvram)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the machine has no file for variables of a firmware");
    AUTO_FD dir = trail_open_parent(job->nvram, &name, err);
    return dir >= 0 && write_one(dir, name, text, job->chown, job->nvram_uid, job->nvram_gid, err);
}

static bool write_tpm(const FilesJob *job, const char *name, const char *text, Error **err)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);

    if (!job->tpm || g_strv_length(parts) != 2 || !g_strv_contains(tpm_folders, parts[0]) ||
        !path_is_safe_component(parts[1]) || parts[1][0] == '.')
        return error_set(err, ERROR_INVALID_ARGUMENT, "the machine has no place for file '%s' of a TPM",
                         name);
    g_autofree char *all = g_path_get_dirname(job->tpm), *path = path_join(job->tpm, parts[0]);
    if (g_mkdir_with_parents(all, 0711) < 0 || (mkdir(job->tpm, 0711) < 0 && errno != EEXIST) ||
        (mkdir(path, 0700) < 0 && errno != EEXIST) ||
        (job->chown && lchown(path, job->tpm_uid, job->tpm_gid) < 0))
        return error_set_errno(err, errno, "cannot make folder '%s'", path);
    AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_set_errno(err, errno, "cannot open folder '%s'", path);
    return write_one(dir, parts[1], text, job->chown, job->tpm_uid, job->tpm_gid, err);
}

static bool files_job_run(void *data, Error **err)
{
    FilesJob *job = data;
    size_t index = 0;
    Json *item;

    if (!job->writes)
        return read_all(job, err);
    json_array_foreach (job->files, index, item) {
        const char *role = json_get_str(item, "role"), *name = json_get_str(item, "name");
        const char *text = json_get_str(item, "data");
        if (!role || !name || !text)
            return error_set(err, ERROR_INVALID_ARGUMENT, "a file without role, name and data");
        if (strcmp(role, "nvram") != 0 && strcmp(role, "tpm") != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "there are no files of role '%s'", role);
        if (role[0] == 'n' ? !write_nvram(job, text, err) : !write_tpm(job, name, text, err))
            return false;
    }
    return true;
}

/* ---- of a machine ---- */

static FilesJob *files_job_new(const Vm *vm, const DomainDef *def, Error **err)
{
    FilesJob *job = g_new0(FilesJob, 1);
    const OsNvram *nvram = def->os.nvram;

    job->nvram = nvram && vm->live && nvram->source_type != STORAGE_BLOCK ? g_strdup(nvram->path)
                 : vm->config                                             ? vm_nvram_path(vm)
                                                                          : NULL;
    job->chown = !vm->host->paths->is_session && geteuid() == 0;
    dac_get_owner(vm->host, def, &job->nvram_uid, &job->nvram_gid);
    if (def_list_len(def->tpms)) {
        job->tpm = vm_tpm_folder(vm->host, &vm->uuid);
        if (!vm_tpm_owner(vm->host, &job->tpm_uid, &job->tpm_gid, err)) {
            files_job_free(job);
            return NULL;
        }
    }
    return job;
}

bool vm_read_state_files(Vm *vm, Json **ret_files, Error **err)
{
    FilesJob *job = files_job_new(vm, vm->live ? vm->live : vm->config, err);

    if (!job)
        return false;
    job->files = json_array();
    if (!worker_call(worker_lane_state(), files_job_run, job, files_job_free, FILE_DEADLINE_MS, err))
        return error_prefix(err, "machine '%s'", vm->name);
    *ret_files = json_incref(job->files);
    files_job_free(job);
    return true;
}

bool vm_write_state_files(Vm *vm, const Json *files, const Caller *caller, Error **err)
{
    g_auto(Job) held = { 0 };

    return job_begin(&vm->object, JOB_MODIFY, caller, &held, err) &&
           object_require_listed(&vm->object, err) && vm_write_state_files_held(vm, files, err);
}

bool vm_write_state_files_held(Vm *vm, const Json *files, Error **err)
{
    if (vm->live || !vm->config)
        return error_set(err, ERROR_INVALID_STATE, "machine '%s' %s", vm->name,
                         vm->live ? "is running" : "is not defined");
    FilesJob *job = files_job_new(vm, vm->config, err);
    if (!job)
        return false;
    job->writes = true;
    job->files = json_deep_copy(files);
    if (!worker_call(worker_lane_state(), files_job_run, job, files_job_free, FILE_DEADLINE_MS, err))
        return error_prefix(err, "machine '%s'", vm->name);
    files_job_free(job);
    return true;
}
