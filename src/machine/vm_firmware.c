/* Firmware of a machine: the choice at its start, and the file with its variables.
 *
 * The folder of these files belongs to QEMU's user, so what lies there is not trusted: nothing is followed,
 * nothing that exists is written; a new file is made under another name and put in place whole. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "firmware"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/worker.h"
#include "conf/domain_defaults.h"
#include "machine/vm_private.h"
#include "qemu/firmware.h"

#define VARIABLES_MAX_BYTES (64 << 20)

/* Known before descriptors were; for what neither these nor qemu.conf tell. */
static const char *const well_known[] = { "/usr/share/OVMF/OVMF_CODE.fd:/usr/share/OVMF/OVMF_VARS.fd",
                                          "/usr/share/OVMF/OVMF_CODE.secboot.fd:/usr/share/OVMF/OVMF_VARS.fd",
                                          "/usr/share/AAVMF/AAVMF_CODE.fd:/usr/share/AAVMF/AAVMF_VARS.fd",
                                          "/usr/share/AAVMF/AAVMF32_CODE.fd:/usr/share/AAVMF/AAVMF32_VARS.fd",
                                          NULL };

static const char *find_pair(const char *const *pairs, const char *code)
{
    const size_t len = strlen(code);
    for (; pairs && *pairs; pairs++) {
        if (strncmp(*pairs, code, len) == 0 && (*pairs)[len] == ':')
            return *pairs + len + 1;
    }
    return NULL;
}

bool vm_choose_firmware(Host *host, DomainDef *def, const QemuCaps *caps, Error **err)
{
    return firmware_choose(qemu_caps_firmware(caps), def, host->paths->nvram, err);
}

/* What the variables start with; NULL: nobody knows. */
static const char *find_template(const Vm *vm)
{
    const OsDef *os = &vm->live->os;
    const Json *list = qemu_caps_firmware(vm->run->caps);

    if (os->nvram->template_path)
        return os->nvram->template_path;
    const char *found = find_pair((const char *const *)vm->host->config->nvram, os->loader->path);
    if (!found)
        found = firmware_find_template(list, os->loader->path);
    return found ? found : find_pair(well_known, os->loader->path);
}

char *vm_nvram_path(const Vm *vm)
{
    const OsNvram *nvram = vm->config ? vm->config->os.nvram : NULL;

    if (nvram)
        return nvram->source_type == STORAGE_BLOCK ? NULL : g_strdup(nvram->path);
    return vm->config && domain_keeps_variables(vm->config)
               ? firmware_nvram_path(vm->host->paths->nvram, vm->name)
               : NULL;
}

/* ---- the file ---- */

typedef struct VariablesJob {
    char *from, *to; /* from NULL: only look */
    bool reset;
    bool remove;
    bool exists;
    bool chown;
    uid_t uid;
    gid_t gid;
} VariablesJob;

static bool job_failed(const VariablesJob *job, const char *what, const char *path, Error **err)
{
    return error_set_errno(err, errno ? errno : EIO, "firmware variables '%s': %s '%s'", job->to, what, path);
}

static bool job_read(const VariablesJob *job, char **ret_data, size_t *ret_len, Error **err)
{
    struct stat st;
    AUTO_FD fd = trail_open(job->from, O_RDONLY | O_NOCTTY | O_NONBLOCK, err);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0)
        return job_failed(job, "cannot read", job->from, err);
    if (!S_ISREG(st.st_mode) || st.st_size > VARIABLES_MAX_BYTES) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return job_failed(job, "cannot read", job->from, err);
    }
    *ret_data = g_malloc((size_t)st.st_size + 1);
    const ssize_t got = pread(fd, *ret_data, (size_t)st.st_size, 0);
    if (got < 0)
        return job_failed(job, "cannot read", job->from, err);
    *ret_len = (size_t)got;
    return true;
}

static void job_sync(int dir)
{
    AUTO_FD sync = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sync >= 0)
        (void)fsync(sync); /* not every file system can; the change is visible already */
}

static bool job_write(const VariablesJob *job, int dir, const char *name, const char *data, size_t len,
                      Error **err)
{
    g_autofree char *temp = g_strconcat(name, ".new", NULL);

    (void)unlinkat(dir, temp, 0); /* of a daemon that was killed here */
    AUTO_FD fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return job_failed(job, "cannot write", job->to, err);
    if (write(fd, data, len) != (ssize_t)len || (job->chown && fchown(fd, job->uid, job->gid) < 0) ||
        fsync(fd) < 0 || renameat(dir, temp, dir, name) < 0) {
        (void)job_failed(job, "cannot write", job->to, err);
        (void)unlinkat(dir, temp, 0);
        return false;
    }
    job_sync(dir);
    return true;
}

static bool job_run(void *data, Error **err)
{
    VariablesJob *job = data;
    struct stat st;
    g_autofree char *text = NULL;
    const char *name = NULL;
    size_t len = 0;
    g_autoptr(Error) why = NULL;
    AUTO_FD dir = trail_open_parent(job->to, &name, &why);

    if (dir < 0 && job->remove && access(job->to, F_OK) < 0 && errno == ENOENT) /* not even its folder */
        return true;
    if (dir < 0)
        return error_propagate(err, g_steal_pointer(&why));
    job->exists = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (job->remove && job->exists) {
        if (unlinkat(dir, name, 0) < 0)
            return job_failed(job, "cannot remove", job->to, err);
        job_sync(dir);
    }
    /* What is no file (a device that an administrator made) keeps what it has. */
    if (!job->from || (job->exists && (!job->reset || !S_ISREG(st.st_mode))))
        return true;
    return job_read(job, &text, &len, err) && job_write(job, dir, name, text, len, err);
}

static void job_free(void *data)
{
    VariablesJob *job = data;

    g_free(job->from);
    g_free(job->to);
    g_free(job);
}

AWAITS static bool job_do(const Host *host, VariablesJob *job, bool *ret_exists, Error **err)
{
    const uint64_t timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000;

    if (!worker_call_path(job->to, "firmware variables", job_run, job, job_free, timeout_ms, err))
        return false;
    *ret_exists = job->exists;
    job_free(job);
    return true;
}

bool vm_nvram_exists(const Host *host, const char *path)
{
    VariablesJob *job = g_new0(VariablesJob, 1);
    bool exists = false;

    job->to = g_strdup(path);
    return job_do(host, job, &exists, NULL) && exists;
}

bool vm_nvram_copy(const Host *host, const char *from, const char *to, Error **err)
{
    VariablesJob *job = g_new0(VariablesJob, 1);
    bool existed = false;

    job->from = g_strdup(from);
    job->to = g_strdup(to);
    job->reset = true;
    return job_do(host, job, &existed, err);
}

bool vm_nvram_remove(const Host *host, const char *path, Error **err)
{
    VariablesJob *job = g_new0(VariablesJob, 1);
    bool existed = false;

    job->to = g_strdup(path);
    job->remove = true;
    return job_do(host, job, &existed, err);
}

bool vm_prepare_nvram(Vm *vm, bool reset, Error **err)
{
    OsNvram *nvram = vm->live->os.nvram;
    bool existed = false;

    if (!nvram || !nvram->path || !domain_keeps_variables(vm->live) || nvram->source_type == STORAGE_BLOCK)
        return true;
    const char *template = find_template(vm);
    VariablesJob *job = g_new0(VariablesJob, 1);
    *job = (VariablesJob){ .from = g_strdup(template),
                           .to = g_strdup(nvram->path),
                           .reset = reset,
                           .chown = !vm->host->paths->is_session && geteuid() == 0 };
    dac_get_owner(vm->host, vm->live, &job->uid, &job->gid);
    if (!job_do(vm->host, job, &existed, err))
        return false;
    if (!template && (reset || !existed))
        return error_set(err, ERROR_OPERATION_FAILED, "unable to find any master var store for loader: %s",
                         vm->live->os.loader->path);
    if (nvram->source_type == STORAGE_FILE && !nvram->template_path)
        nvram->template_path = g_strdup(template);
    return true;
}
