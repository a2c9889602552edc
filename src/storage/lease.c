/* Leases of images. All that touches storage runs in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "lease"
#include "storage/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/trail.h"
#include "base/worker.h"
#include "conf/domain_device.h"
#include "core/host_private.h"

#define ATTRIBUTE "user.lodge.lease"
#define SIGN_MAX 512
#define TRIES 8 /* the file that was locked may just have been removed by who had it before */

bool lease_is_used(const Host *host)
{
    return host->config->lock_manager && *host->config->lock_manager;
}

bool lease_is_automatic(const Host *host)
{
    return lease_is_used(host) && host->config->auto_disk_leases;
}

bool lease_is_wanted(const Host *host, const DiskDef *disk, const StorageSource *source)
{
    return lease_is_automatic(host) && storage_is_local(source) && source->path && !disk->readonly &&
           disk->device != DISK_DEVICE_CDROM;
}

char *lease_fd_name(const char *path)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

    return g_strconcat("lodge-lease-", sum, NULL);
}

static char *explicit_text(const LeaseDef *lease)
{
    return g_strdup_printf("%s\n%s\n%s\n%" PRIu64, lease->target_path,
                           lease->lockspace ? lease->lockspace : "", lease->key, lease->target_offset.value);
}

char *lease_fd_name_explicit(const LeaseDef *lease)
{
    g_autofree char *text = explicit_text(lease);

    return lease_fd_name(text);
}

/* ---- which file ---- */

typedef struct LeaseJob {
    char *path;                          /* of the image; of an explicit lease's file or folder */
    char *file_dir, *lvm_dir, *scsi_dir; /* NULL: not set */
    char *lockspace, *key;               /* of an explicit lease; else NULL */
    off_t offset;
    bool shared;
    char *sign;
    int fd;
    char *lock_path; /* that was opened */
    char *resource;  /* what messages call it */
    bool is_beside;  /* it is not the image itself */
} LeaseJob;

static void lease_job_free(void *data)
{
    LeaseJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job->path);
    g_free(job->file_dir);
    g_free(job->lvm_dir);
    g_free(job->scsi_dir);
    g_free(job->lockspace);
    g_free(job->key);
    g_free(job->sign);
    g_free(job->lock_path);
    g_free(job->resource);
    g_free(job);
}

/* "LVM-" and two UUIDs without their dashes: of the group and of the volume, which LVM shows as
 * 6-4-4-4-4-4-6. */
static char *lvm_uuid(dev_t device)
{
    static const unsigned parts[] = { 6, 4, 4, 4, 4, 4, 6 };
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u/dm/uuid", major(device), minor(device));
    g_autofree char *text = file_read_kernel(path);
    g_autoptr(GString) uuid = g_string_new(NULL);

    if (!text || !g_str_has_prefix(text, "LVM-") || strlen(text) != 4 + 64)
        return NULL;
    const char *from = text + 4 + 32;
    for (size_t i = 0; i < G_N_ELEMENTS(parts); from += parts[i++])
        g_string_append_printf(uuid, "%s%.*s", i ? "-" : "", (int)parts[i], from);
    return g_string_free(g_steal_pointer(&uuid), FALSE);
}

static char *scsi_serial(dev_t device)
{
    g_autofree char *path = g_strdup_printf("/run/udev/data/b%u:%u", major(device), minor(device));
    g_autofree char *text = file_read_kernel(path);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    bool is_scsi = false;
    char *serial = NULL;

    for (char **line = lines; *line; line++) {
        is_scsi = is_scsi || strcmp(*line, "E:ID_SCSI=1") == 0 || strcmp(*line, "E:ID_BUS=scsi") == 0;
        if (g_str_has_prefix(*line, "E:ID_SERIAL=") && !serial)
            serial = g_strdup(*line + strlen("E:ID_SERIAL="));
    }
    if (!is_scsi || !serial || !path_is_safe_component(serial))
        g_clear_pointer(&serial, g_free);
    return serial;
}

/* In a shared folder; false: the image itself is locked. */
static bool choose_folder(LeaseJob *job, const struct stat *st)
{
    const bool is_block = S_ISBLK(st->st_mode);
    const char *dir = NULL;

    if (is_block && job->lvm_dir && (job->resource = lvm_uuid(st->st_rdev)))
        dir = job->lvm_dir;
    else if (is_block && job->scsi_dir && (job->resource = scsi_serial(st->st_rdev)))
        dir = job->scsi_dir;
    else if (job->file_dir)
        dir = job->file_dir;
    if (!dir)
        return false;
    if (!job->resource)
        job->resource = g_compute_checksum_for_string(G_CHECKSUM_SHA256, job->path, -1);
    job->lock_path = path_join(dir, job->resource);
    return true;
}

static bool choose_file(LeaseJob *job, Error **err)
{
    struct stat st;

    if (job->key) {
        const bool is_dir = stat(job->path, &st) == 0 && S_ISDIR(st.st_mode);
        job->is_beside = is_dir;
        job->lock_path = is_dir ? path_join(job->path, job->lockspace ? job->lockspace : "", job->key)
                                : g_strdup(job->path);
        job->resource = g_strdup(job->key);
        if (is_dir)
            job->offset = 0;
        return true;
    }
    if (stat(job->path, &st) < 0)
        return error_set_errno(err, errno, "it cannot be looked at");
    job->is_beside = choose_folder(job, &st);
    if (!job->is_beside) {
        job->lock_path = g_strdup(job->path);
        job->resource = g_strdup(job->path);
    }
    return true;
}

/* ---- locking ---- */

static bool set_lock(int fd, off_t offset, short type, struct flock *ret_other)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1 };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return true;
    const int errnum = errno;
    *ret_other = lock;
    ret_other->l_type = F_WRLCK;
    if (fcntl(fd, F_OFD_GETLK, ret_other) < 0)
        ret_other->l_pid = 0;
    errno = errnum;
    return false;
}

static char *read_sign(int fd, bool is_beside)
{
    char text[SIGN_MAX + 1] = "";
    const ssize_t len = is_beside ? pread(fd, text, SIGN_MAX, 0) : fgetxattr(fd, ATTRIBUTE, text, SIGN_MAX);

    if (len <= 0)
        return NULL;
    text[len] = '\0';
    g_strdelimit(text, "\n", ' ');
    for (char *p = g_strchomp(text); *p; p++) {
        if (!g_ascii_isprint(*p) && (unsigned char)*p < 0x80)
            *p = '?';
    }
    return g_utf8_validate(text, -1, NULL) ? g_strdup(text) : NULL;
}

static bool refuse_held(const LeaseJob *job, int fd, const struct flock *other, Error **err)
{
    g_autofree char *sign = read_sign(fd, job->is_beside);
    g_autofree char *comm = other->l_pid > 0 ? g_strdup_printf("/proc/%d/comm", (int)other->l_pid) : NULL;
    g_autofree char *program = comm ? file_read_kernel(comm) : NULL;

    if (sign)
        error_set(err, ERROR_BUSY, "Lockspace resource '%s' is locked by %s", job->resource, sign);
    else if (program)
        error_set(err, ERROR_BUSY, "Lockspace resource '%s' is locked by process %d (%s)", job->resource,
                  (int)other->l_pid, program);
    else
        error_set(err, ERROR_BUSY, "Lockspace resource '%s' is locked", job->resource);
    return error_hint(err, "a machine on this or on another host writes to it: stop that one first");
}

static void write_sign(int fd, bool is_beside, const char *sign)
{
    if (!is_beside) {
        if (fsetxattr(fd, ATTRIBUTE, sign, strlen(sign), 0) < 0)
            return; /* only a help for people; much storage has no attributes */
    } else if (ftruncate(fd, 0) == 0 && pwrite(fd, sign, strlen(sign), 0) < 0) {
        return; /* likewise */
    }
}

static int open_lock(const LeaseJob *job, Error **err)
{
    if (!job->is_beside)
        return trail_open(job->lock_path, O_RDWR | O_CLOEXEC, err);
    const int fd = open(job->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        error_set_errno(err, errno, "lease '%s'", job->lock_path);
    return fd;
}

static bool is_still_there(const LeaseJob *job, int fd)
{
    struct stat mine, now;

    return !job->is_beside || (fstat(fd, &mine) == 0 && stat(job->lock_path, &now) == 0 &&
                               mine.st_ino == now.st_ino && mine.st_dev == now.st_dev);
}

static bool take_run(void *data, Error **err)
{
    LeaseJob *job = data;
    struct flock other = { 0 };

    if (!choose_file(job, err))
        return false;
    for (unsigned i = 0; i < TRIES; i++) {
        AUTO_FD fd = open_lock(job, err);
        if (fd < 0)
            return false;
        if (!set_lock(fd, job->offset, job->shared ? F_RDLCK : F_WRLCK, &other)) {
            if (errno == EAGAIN || errno == EACCES)
                return refuse_held(job, fd, &other, err);
            error_set_errno(err, errno, "'%s' cannot be locked", job->lock_path);
            return error_hint(err, "qemu-lockd.conf: file_lockspace_dir names a folder on storage that can");
        }
        if (!is_still_there(job, fd))
            continue;
        write_sign(fd, job->is_beside, job->sign);
        job->fd = fd_steal(&fd);
        return true;
    }
    return error_set(err, ERROR_BUSY, "lease '%s' comes and goes", job->lock_path);
}

static char *sign_text(const LeaseHolder *holder)
{
    char host[256] = "unknown";

    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
    return holder->pid ? g_strdup_printf("machine '%s' on host '%s' (pid %d)\n", holder->machine, host,
                                         (int)holder->pid)
                       : g_strdup_printf("machine '%s' on host '%s'\n", holder->machine, host);
}

static LeaseJob *lease_job_new(const Host *host, const char *path)
{
    const Config *config = host->config;
    LeaseJob *job = g_new0(LeaseJob, 1);

    *job = (LeaseJob){ .path = g_strdup(path),
                       .file_dir = g_strdup(config->file_lockspace_dir),
                       .lvm_dir = g_strdup(config->lvm_lockspace_dir),
                       .scsi_dir = g_strdup(config->scsi_lockspace_dir),
                       .fd = -1 };
    return job;
}

AWAITS static bool take(const Host *host, LeaseJob *job, int *ret_fd, Error **err)
{
    g_autofree char *path = g_strdup(job->path);
    const uint64_t timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000;
    const char *const dirs[] = { job->file_dir, job->lvm_dir, job->scsi_dir };

    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (dirs[i] && !file_make_dirs(dirs[i], 0700, err)) {
            lease_job_free(job);
            return false;
        }
    }
    g_autoptr(Error) why = NULL;
    if (!worker_call_path(path, "cannot lock", take_run, job, lease_job_free, timeout_ms, &why)) {
        if (error_code(why) == ERROR_BUSY) /* its message says all */
            return error_propagate(err, g_steal_pointer(&why));
        return error_propagate(err, g_steal_pointer(&why));
    }
    *ret_fd = fd_steal(&job->fd);
    lease_job_free(job);
    return true;
}

bool lease_take(const Host *host, const char *path, bool shared, const LeaseHolder *holder, int *ret_fd,
                Error **err)
{
    LeaseJob *job = lease_job_new(host, path);

    job->shared = shared;
    job->sign = sign_text(holder);
    return take(host, job, ret_fd, err);
}

bool lease_take_explicit(const Host *host, const LeaseDef *lease, const LeaseHolder *holder, int *ret_fd,
                         Error **err)
{
    LeaseJob *job = lease_job_new(host, lease->target_path);

    job->lockspace = g_strdup(lease->lockspace);
    job->key = g_strdup(lease->key);
    job->offset = (off_t)lease->target_offset.value;
    job->sign = sign_text(holder);
    return take(host, job, ret_fd, err);
}

/* ---- signing, forgetting ---- */

typedef struct SignJob {
    int fd;
    char *sign;
} SignJob;

static void sign_job_free(void *data)
{
    SignJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job->sign);
    g_free(job);
}

static void sign_run(void *data)
{
    const SignJob *job = data;
    struct stat st;
    g_autofree char *old = NULL;

    if (fstat(job->fd, &st) < 0)
        return;
    old = read_sign(job->fd, false);
    /* An image has the attribute already, if it can have one; only our own small files begin with our words.
     */
    if (old)
        write_sign(job->fd, false, job->sign);
    else if (S_ISREG(st.st_mode) && st.st_size <= SIGN_MAX && (old = read_sign(job->fd, true)) &&
             g_str_has_prefix(old, "machine '"))
        write_sign(job->fd, true, job->sign);
}

void lease_sign(int fd, const LeaseHolder *holder)
{
    SignJob *job = g_new0(SignJob, 1);

    *job = (SignJob){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), .sign = sign_text(holder) };
    if (job->fd >= 0 &&
        !worker_run(worker_lane_named("leases"), sign_run, job, sign_job_free, FILE_DEADLINE_MS, NULL))
        return; /* only a help for people */
    sign_job_free(job);
}

static bool forget_run(void *data, Error **err)
{
    LeaseJob *job = data;
    struct flock other = { 0 };

    if (!choose_file(job, err))
        return false;
    AUTO_FD fd = job->is_beside ? open(job->lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
                                : trail_open(job->lock_path, O_RDWR | O_CLOEXEC, NULL);
    if (fd < 0 || !set_lock(fd, job->offset, F_WRLCK, &other) || !is_still_there(job, fd))
        return true; /* somebody else's by now */
    if (!job->is_beside)
        return fremovexattr(fd, ATTRIBUTE) == 0 || errno == ENODATA || errno == ENOTSUP ||
               error_set_errno(err, errno, "cannot remove an attribute");
    return unlink(job->lock_path) == 0 || error_set_errno(err, errno, "cannot remove '%s'", job->lock_path);
}

void lease_forget(const Host *host, const char *path)
{
    g_autoptr(Error) err = NULL;
    LeaseJob *job = lease_job_new(host, path);

    if (worker_call_path(path, "a lease stays", forget_run, job, lease_job_free,
                         (uint64_t)host->config->storage_timeout_s * 1000, &err))
        lease_job_free(job);
    else
        log_debug("%s", error_message(err));
}
