/* Making, resizing and giving away images.
 *
 * What is plain bytes (raw without encryption) is made here, without a child process; everything else is
 * qemu-img's. libvirtd 9.0.0 decided which options a document leads to, and in which order they stand in the
 * messages of failures. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/image_make.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/trail.h"
#include "storage/image_copy.h"
#include "storage/image_guard.h"
#include "storage/tool.h"
#include "wire/wire_enums.h"

#define BTRFS_MAGIC 0x9123683E
#define NEW_MODE 0600
#define NEW_DIR_MODE 0700
#define LUKS_ATTEMPTS 5

/* ---- system calls, in workers ---- */

typedef enum FileAction { FILE_OPEN, FILE_UNLINK, FILE_MKDIR, FILE_GROW, FILE_OWNER, FILE_LOOK } FileAction;

typedef struct FileJob {
    FileAction action;
    char *path, *what;
    int flags, fd; /* fd: of the job; -1 */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    uint64_t size;
    bool nocow, is_device, may_shrink;
    Error *error;
} FileJob;

static void file_job_free(void *data)
{
    FileJob *job = data;

    fd_cleanup(&job->fd);
    error_free(job->error);
    g_free(job->path);
    g_free(job->what);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileJob, file_job_free)

static FileJob *file_job_new(FileAction action, const char *path)
{
    FileJob *job = g_new0(FileJob, 1);

    job->action = action;
    job->path = g_strdup(path);
    job->fd = -1;
    return job;
}

static void file_open(FileJob *job)
{
    g_autoptr(Error) why = NULL;

    job->fd = job->flags & O_CREAT
                  ? trail_create_new(job->path, job->flags & ~(O_CREAT | O_EXCL), job->mode, &why)
                  : trail_open(job->path, job->flags, &why);
    if (why && error_code(why) == ERROR_SYSTEM)
        error_set_errno(&job->error, error_errno(why), "%s '%s'", job->what, job->path);
    else if (why)
        job->error = g_steal_pointer(&why);
}

static void file_unlink(FileJob *job)
{
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(job->path, &name, &job->error);

    if (dir_fd >= 0 && unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT &&
        (errno != EISDIR || unlinkat(dir_fd, name, AT_REMOVEDIR) < 0))
        error_set_errno(&job->error, errno, "cannot remove '%s'", job->path);
}

static void file_mkdir(FileJob *job)
{
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(job->path, &name, &job->error);

    if (dir_fd >= 0 && mkdirat(dir_fd, name, NEW_DIR_MODE) < 0)
        error_set_errno(&job->error, errno, "cannot create path '%s'", job->path);
}

/* Copy on write, where the file system does that, can be taken away while the file is empty. */
static bool file_set_nocow(FileJob *job)
{
    struct statfs fs;
    int attributes = 0;

    if (fstatfs(job->fd, &fs) < 0 || fs.f_type != BTRFS_MAGIC)
        return error_set_errno(&job->error, ENOSYS, "unable to control COW flag on '%s', not btrfs",
                               job->path);
    if (ioctl(job->fd, FS_IOC_GETFLAGS, &attributes) < 0)
        return error_set_errno(&job->error, errno, "Unable to get fs flags on '%s'", job->path);
    attributes |= FS_NOCOW_FL;
    if (ioctl(job->fd, FS_IOC_SETFLAGS, &attributes) < 0)
        return error_set_errno(&job->error, errno, "Unable to set fs flags on '%s'", job->path);
    return true;
}

static void file_grow(FileJob *job)
{
    struct stat st;

    if (job->nocow && !file_set_nocow(job))
        return;
    if (fstat(job->fd, &st) < 0)
        error_set_errno(&job->error, errno, "%s '%s'", job->what, job->path);
    else if (S_ISREG(st.st_mode) && (job->may_shrink || (uint64_t)st.st_size < job->size) &&
             ftruncate(job->fd, (off_t)job->size) < 0)
        error_set_errno(&job->error, errno, "%s '%s'", job->what, job->path);
}

static void file_owner(FileJob *job)
{
    job->fd = trail_open(job->path, O_RDONLY | O_NONBLOCK, &job->error);
    if (job->fd < 0)
        return;
    if ((job->uid != (uid_t)-1 || job->gid != (gid_t)-1) && fchown(job->fd, job->uid, job->gid) < 0)
        error_set_errno(&job->error, errno, "cannot chown '%s' to (%d, %d)", job->path, (int)job->uid,
                        (int)job->gid);
    else if (fchmod(job->fd, job->mode) < 0)
        error_set_errno(&job->error, errno, "cannot set mode of '%s' to %04o", job->path, job->mode);
}

static void file_look(FileJob *job)
{
    struct stat st;

    if (stat(job->path, &st) == 0)
        job->is_device = S_ISBLK(st.st_mode);
    else
        error_set_errno(&job->error, errno, "%s %s", job->what, job->path);
}

static void file_job_run(void *data)
{
    static void (*const actions[])(FileJob * job) = {
        [FILE_OPEN] = file_open, [FILE_UNLINK] = file_unlink, [FILE_MKDIR] = file_mkdir,
        [FILE_GROW] = file_grow, [FILE_OWNER] = file_owner,   [FILE_LOOK] = file_look,
    };
    actions[((FileJob *)data)->action](data);
}

/* @io_job is taken; comes back (owned) only from success. */
static FileJob *file_job_do(FileJob *job_taken, Error **err)
{
    g_autofree char *path = g_strdup(job_taken->path);

    if (!worker_run(worker_lane_for_path(path), file_job_run, job_taken, file_job_free, IMAGE_PIECE_MS,
                    err)) {
        error_prefix(err, "%s", path);
        return NULL;
    }
    g_autoptr(FileJob) job = job_taken;
    if (job->error) {
        error_propagate(err, g_steal_pointer(&job->error));
        return NULL;
    }
    return g_steal_pointer(&job);
}

bool image_open(const char *path, int flags, mode_t mode, const char *what, int *ret_fd, Error **err)
{
    FileJob *order = file_job_new(FILE_OPEN, path);

    order->flags = flags;
    order->mode = mode;
    order->what = g_strdup(what);
    g_autoptr(FileJob) job = file_job_do(order, err);
    if (!job)
        return false;
    *ret_fd = fd_steal(&job->fd);
    return true;
}

void image_unlink(const char *path)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    g_autoptr(FileJob) job = file_job_do(file_job_new(FILE_UNLINK, path), &err);
    fiber_shield_end();
    if (!job)
        log_warning("'%s' is left behind: %s", path, error_message(err));
}

/* Length of an open file (taken: a duplicate is used); what it is called in messages is @path. */
static bool image_set_length(int fd, const char *path, uint64_t size, bool may_shrink, bool nocow,
                             const char *what, Error **err)
{
    FileJob *order = file_job_new(FILE_GROW, path);

    order->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    order->size = size;
    order->may_shrink = may_shrink;
    order->nocow = nocow;
    order->what = g_strdup(what);
    g_autoptr(FileJob) job = file_job_do(order, err);
    return job != NULL;
}

bool image_set_owner(const VolumeDef *def, const char *path, mode_t default_mode, Error **err)
{
    const StoragePermissions *wanted = def->target.permissions;
    FileJob *order = file_job_new(FILE_OWNER, path);

    order->uid = wanted && wanted->owner.is_set ? wanted->owner.value : (uid_t)-1;
    order->gid = wanted && wanted->group.is_set ? wanted->group.value : (gid_t)-1;
    order->mode = wanted && wanted->mode.is_set ? wanted->mode.value : default_mode;
    g_autoptr(FileJob) job = file_job_do(order, err);
    return job != NULL;
}

/* Whether there is a block device. Nothing there: no. */
static bool image_is_device(const char *path, bool *ret_is_device, Error **err)
{
    g_autoptr(Error) why = NULL;
    FileJob *order = file_job_new(FILE_LOOK, path);

    order->what = g_strdup("cannot look at");
    g_autoptr(FileJob) job = file_job_do(order, &why);
    *ret_is_device = job && job->is_device;
    if (!job && error_errno(why) != ENOENT)
        return error_propagate(err, g_steal_pointer(&why));
    return true;
}

/* ---- what can be made ---- */

static const char *image_format(const VolumeDef *def)
{
    return def->target.format ? def->target.format : "raw";
}

static bool is_one_of(const char *text, const char *const *words)
{
    return g_strv_contains(words, text);
}

/* Whether its bytes are the guest's. */
static bool is_plain(const char *format, const VolumeEncryption *encryption)
{
    return !encryption && (!format || is_one_of(format, (const char *const[]){ "raw", "iso", NULL }));
}

/* The name of QEMU's driver. */
static const char *image_driver(const char *format, const VolumeEncryption *encryption)
{
    if (!format || strcmp(format, "iso") == 0)
        format = "raw";
    return strcmp(format, "raw") == 0 && encryption ? "luks" : format;
}

static bool image_check_encryption(const char *format, const VolumeEncryption *encryption, Error **err)
{
    const bool is_old =
        encryption->format == VOLUME_ENCRYPTION_QCOW || encryption->format == VOLUME_ENCRYPTION_DEFAULT;

    if (is_one_of(format, (const char *const[]){ "raw", "luks", NULL })) {
        if (encryption->format != VOLUME_ENCRYPTION_LUKS)
            return error_set(err, ERROR_REFUSED, "Only luks encryption is supported for raw files");
    } else if (is_one_of(format, (const char *const[]){ "qcow", "qcow2", NULL }) && is_old) {
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "creation of qcow2 encrypted image is not supported");
    } else if (strcmp(format, "qcow2") != 0) {
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "volume encryption unsupported with format %s",
                         format);
    } else if (encryption->format != VOLUME_ENCRYPTION_LUKS) {
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported volume encryption format %d",
                         encryption->format);
    }
    if (!encryption->secrets || encryption->secrets->len != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "A single <secret type='passphrase'...> element is expected in encryption "
                         "description");
    return true;
}

static bool image_check_plain(const VolumeDef *def, const ImageInput *from, unsigned flags, Error **err)
{
    const bool is_raw = strcmp(image_format(def), "raw") == 0;

    if (is_raw && def->backing)
        return error_set(err, ERROR_NOT_SUPPORTED, "backing storage not supported for raw volumes");
    if (flags & VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         def->type == VOLUME_BLOCK
                             ? "metadata preallocation is not supported for block volumes"
                         : is_raw ? "metadata preallocation is not supported for raw volumes"
                                  : "metadata preallocation only available with qcow2");
    if ((flags & VIR_STORAGE_VOL_CREATE_REFLINK) && (!from || !is_plain(from->format, from->encryption)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a reflink needs another raw volume to share with");
    return true;
}

static bool image_check_features(const VolumeTarget *target, Error **err)
{
    const VolumeFeatures *features = target->features;
    const char *missing = !features                  ? NULL
                          : features->lazy_refcounts ? "lazy_refcounts"
                          : features->extended_l2    ? "'extended_l2'"
                                                     : NULL;

    if (missing && target->compat && strcmp(target->compat, "0.10") == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s not supported with compat level %s", missing,
                         target->compat);
    return true;
}

bool image_check_def(const VolumeDef *def, const ImageInput *from, unsigned flags, Error **err)
{
    const VolumeTarget *target = &def->target;
    const char *format = image_format(def);
    const bool is_qcow2 = strcmp(format, "qcow2") == 0;

    if (target->encryption && !image_check_encryption(format, target->encryption, err))
        return false;
    if (strcmp(format, "luks") == 0 && !target->encryption)
        return error_set(err, ERROR_XML_INVALID, "volume '%s' of format luks has no <encryption>", def->name);
    if (is_plain(format, target->encryption))
        return image_check_plain(def, from, flags, err);
    if (strcmp(format, "dir") == 0)
        return !from || error_set(err, ERROR_INVALID_ARGUMENT, "a folder cannot be made from another volume");
    if (flags & VIR_STORAGE_VOL_CREATE_REFLINK)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "unsupported flags (0x%x) in function storageBackendCreateQemuImg",
                         VIR_STORAGE_VOL_CREATE_REFLINK);
    if ((flags & VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA) && def->backing)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "metadata preallocation conflicts with backing store");
    if ((flags & VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA) && !is_qcow2)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "metadata preallocation only available with qcow2");
    if (def->backing && is_one_of(format, (const char *const[]){ "raw", "luks", NULL }))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "cannot set backing store for raw volume");
    if (target->compat && *target->compat && !is_qcow2)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "compatibility option only available with qcow2");
    return !is_qcow2 || image_check_features(target, err);
}

/* ---- plain bytes ---- */

/* Fills the open @fd, a new file or a device. */
static bool image_fill_plain(const VolumeDef *def, int fd, const char *path, const ImageInput *from,
                             unsigned flags, bool is_device, Error **err)
{
    const bool is_raw = strcmp(image_format(def), "raw") == 0;
    AUTO_FD from_fd = -1;
    uint64_t capacity = def->capacity.is_set ? def->capacity.value : 0;

    if (from) {
        if (!image_open(from->path, O_RDONLY, 0, "couldn't open input path", &from_fd, err) ||
            !image_copy_bytes(from_fd, from->path, fd, path, flags & VIR_STORAGE_VOL_CREATE_REFLINK, err))
            return false;
        capacity = MAX(capacity, from->capacity_bytes);
    }
    if (is_device)
        return true;
    if (!image_set_length(fd, path, capacity, false, false, "cannot extend file", err))
        return false;
    const uint64_t allocation = def->allocation.is_set ? def->allocation.value : is_raw ? capacity : 0;
    return allocation == 0 || !is_raw || image_allocate_bytes(fd, path, allocation, err);
}

static bool image_make_plain(const VolumeDef *def, const char *path, const ImageInput *from, unsigned flags,
                             bool is_device, Error **err)
{
    const char *shown = def->target.path ? def->target.path : path;
    AUTO_FD fd = -1;

    if (is_device && !from)
        return true;
    if (!image_open(path, is_device ? O_WRONLY : O_RDWR | O_CREAT | O_EXCL, NEW_MODE,
                    is_device ? "cannot open path" : "Failed to create file", &fd, err))
        return false;
    /* The length it will have is tried first: nothing is copied that does not fit. */
    if ((is_device || image_set_length(fd, shown, def->capacity.is_set ? def->capacity.value : 0, false,
                                       def->target.nocow, "cannot extend file", err)) &&
        image_fill_plain(def, fd, shown, from, flags, is_device, err))
        return true;
    if (!is_device)
        image_unlink(path);
    return false;
}

/* ---- by qemu-img ---- */

static void add_option(GString *options, const char *name, const char *value)
{
    g_autofree char *escaped = value ? tool_escape(value) : NULL;

    g_string_append_printf(options, "%s%s%s%s", options->len ? "," : "", name, value ? "=" : "",
                           value ? escaped : "");
}

static void add_luks_options(GString *options, const VolumeEncryption *encryption, bool is_luks_file,
                             const char *secret_id)
{
    const char *prefix = is_luks_file ? "" : "encrypt.";
    const struct {
        const char *name, *value;
    } rows[] = {
        { "key-secret", secret_id },
        { "cipher-alg", encryption->cipher },
        { "cipher-mode", encryption->cipher_mode },
        { "hash-alg", encryption->cipher_hash },
        { "ivgen-alg", encryption->ivgen },
        { "ivgen-hash-alg", encryption->ivgen_hash },
    };

    if (!is_luks_file)
        add_option(options, "encrypt.format", "luks");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strconcat(prefix, rows[i].name, NULL);
        g_autofree char *with_bits = NULL;
        if (!rows[i].value)
            continue;
        if (rows[i].value == encryption->cipher)
            with_bits = g_strdup_printf("%s-%" PRIu32, encryption->cipher, encryption->cipher_bits);
        add_option(options, name, with_bits ? with_bits : rows[i].value);
    }
}

static void add_qcow2_options(GString *options, const VolumeTarget *target)
{
    const char *compat = target->compat && *target->compat ? target->compat
                         : target->features                ? "1.1"
                                                           : "0.10";

    add_option(options, "compat", compat);
}

/* What stands behind -o. */
static char *image_options(const VolumeDef *def, bool has_backing, unsigned flags)
{
    const VolumeTarget *target = &def->target;
    const bool is_qcow2 = strcmp(image_format(def), "qcow2") == 0;
    g_autoptr(GString) options = g_string_new(NULL);

    if (has_backing) {
        add_option(options, "backing_fmt", image_driver(def->backing->format, NULL));
    } else if (flags & VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA) {
        const bool is_thin = def->allocation.is_set && def->allocation.value < def->capacity.value;
        add_option(options, "preallocation", is_thin ? "metadata" : "falloc");
    }
    if (target->nocow)
        add_option(options, "nocow", "on");
    if (target->encryption)
        add_luks_options(options, target->encryption, !is_qcow2, "key0");
    if (is_qcow2)
        add_qcow2_options(options, target);
    if (target->cluster_bytes)
        g_string_append_printf(options, "%scluster_size=%" PRIu64, options->len ? "," : "",
                               target->cluster_bytes);
    if (is_qcow2 && target->features && target->features->lazy_refcounts)
        add_option(options, "lazy_refcounts", NULL);
    if (is_qcow2 && target->features && target->features->extended_l2)
        add_option(options, "extended_l2", "on");
    return g_string_free(g_steal_pointer(&options), FALSE);
}

/* A name that QEMU takes for a file, whatever stands in it. */
static char *plain_name(const char *path)
{
    return g_strdup_printf("%s%s", path[0] == '/' ? "" : "./", path);
}

static bool image_check_backing(const VolumeDef *def, const char *path, Error **err)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *backing = g_canonicalize_filename(def->backing->path, dir);
    FileJob *order = file_job_new(FILE_LOOK, backing);

    order->what = g_strdup("inaccessible backing store volume");
    g_autoptr(FileJob) job = file_job_do(order, err);
    return job != NULL;
}

static void image_tool_init(Tool *tool, const VolumeDef *def, const char *path, const char *command)
{
    tool_init(tool, "qemu-img", "qemu-utils");
    tool_add(tool, command);
    tool->hidden_name = path;
    tool->shown_name = def->target.path ? def->target.path : path;
}

static bool image_run_create(Host *host, const VolumeDef *def, const char *path, bool has_backing,
                             unsigned flags, Error **err)
{
    g_autofree char *options = image_options(def, has_backing, flags);
    g_auto(Tool) tool = { 0 };

    image_tool_init(&tool, def, path, "create");
    tool_add(&tool, "-f");
    tool_add(&tool, image_driver(def->target.format, def->target.encryption));
    if (has_backing) {
        g_autofree char *name = plain_name(def->backing->path);
        tool_add(&tool, "-b");
        tool_add(&tool, name);
    }
    if (def->target.encryption && !tool_add_secret(&tool, host, def->target.encryption, "key0", err))
        return false;
    if (*options) {
        tool_add(&tool, "-o");
        tool_add(&tool, options);
    }
    tool_add(&tool, path);
    if (def->capacity.is_set) /* in steps that every version of qemu-img reads */
        tool_addf(&tool, "%" PRIu64 "K", def->capacity.value / 1024 + (def->capacity.value % 1024 != 0));
    return tool_run(&tool, NULL, err);
}

/* qemu-img measures how fast it derives keys, and gives up on a busy machine now and then. */
static bool image_create(Host *host, const VolumeDef *def, const char *path, bool has_backing, unsigned flags,
                         Error **err)
{
    for (unsigned attempt = 1;; attempt++) {
        g_autoptr(Error) why = NULL;
        if (image_run_create(host, def, path, has_backing, flags, &why))
            return true;
        if (attempt == LUKS_ATTEMPTS || !def->target.encryption ||
            !strstr(error_message(why), "Unable to get accurate CPU usage"))
            return error_propagate(err, g_steal_pointer(&why));
    }
}

/* "driver=qcow2,file.filename=/x,encrypt.key-secret=key0" */
static char *image_opts(const char *format, const VolumeEncryption *encryption, const char *path,
                        const char *secret_id)
{
    const char *driver = image_driver(format, encryption);
    g_autofree char *name = tool_escape(path);

    if (!encryption)
        return g_strdup_printf("driver=%s,file.filename=%s", driver, name);
    return g_strdup_printf("driver=%s,file.filename=%s,%skey-secret=%s", driver, name,
                           strcmp(driver, "luks") == 0 ? "" : "encrypt.", secret_id);
}

/* Into an image that is there. */
static bool image_convert_into(Host *host, const VolumeDef *def, const char *path, const ImageInput *from,
                               Error **err)
{
    g_autofree char *source = image_opts(from->format, from->encryption, from->path, "key1");
    g_autofree char *target = image_opts(def->target.format, def->target.encryption, path, "key0");
    g_auto(Tool) tool = { 0 };

    image_tool_init(&tool, def, path, "convert");
    tool_add(&tool, "--image-opts");
    tool_add(&tool, "-n");
    tool_add(&tool, "--target-image-opts");
    if ((def->target.encryption && !tool_add_secret(&tool, host, def->target.encryption, "key0", err)) ||
        (from->encryption && !tool_add_secret(&tool, host, from->encryption, "key1", err)))
        return false;
    tool_add(&tool, source);
    tool_add(&tool, target);
    return tool_run(&tool, NULL, err);
}

static bool image_convert(const VolumeDef *def, const char *path, const ImageInput *from, unsigned flags,
                          bool is_device, Error **err)
{
    const char *driver = image_driver(def->target.format, NULL);
    g_autofree char *options = image_options(def, false, flags);
    g_auto(Tool) tool = { 0 };

    image_tool_init(&tool, def, path, "convert");
    if (is_device && strcmp(driver, "raw") == 0)
        tool_add(&tool, "-n");
    tool_add(&tool, "-f");
    tool_add(&tool, image_driver(from->format, NULL));
    tool_add(&tool, "-O");
    tool_add(&tool, driver);
    if (*options) {
        tool_add(&tool, "-o");
        tool_add(&tool, options);
    }
    tool_add(&tool, from->path);
    tool_add(&tool, path);
    return tool_run(&tool, NULL, err);
}

static bool image_run_resize(Host *host, const VolumeDef *def, const char *path, uint64_t capacity_bytes,
                             bool shrink, Error **err)
{
    g_auto(Tool) tool = { 0 };

    image_tool_init(&tool, def, path, "resize");
    if (shrink)
        tool_add(&tool, "--shrink");
    if (def->target.encryption) {
        g_autofree char *target = image_opts(def->target.format, def->target.encryption, path, "key0");
        if (!tool_add_secret(&tool, host, def->target.encryption, "key0", err))
            return false;
        tool_add(&tool, "--image-opts");
        tool_add(&tool, target);
    } else {
        tool_add(&tool, "-f");
        tool_add(&tool, image_driver(def->target.format, NULL));
        tool_add(&tool, path);
    }
    tool_addf(&tool, "%" PRIu64, capacity_bytes);
    return tool_run(&tool, NULL, err);
}

/* The same bytes are the same image, if nothing else was asked for and nobody writes to them meanwhile (a
 * base of others is left to qemu-img, too: the check does not tell the two apart). */
AWAITS static bool image_can_share(Host *host, const VolumeDef *def, const ImageInput *from)
{
    const VolumeTarget *target = &def->target;

    return g_strcmp0(target->format, from->format) == 0 && !from->has_backing && !def->backing &&
           (!def->capacity.is_set || def->capacity.value == from->capacity_bytes) && !target->features &&
           !target->cluster_bytes && (!target->compat || !*target->compat) && !target->nocow &&
           image_guard_check(host, from->path, NULL, "share", NULL);
}

/* false: the file system cannot, and there is no file. */
AWAITS static bool image_share(const char *path, const ImageInput *from)
{
    AUTO_FD from_fd = -1, fd = -1;

    if (!image_open(from->path, O_RDONLY, 0, "couldn't open input path", &from_fd, NULL) ||
        !image_open(path, O_RDWR | O_CREAT | O_EXCL, NEW_MODE, "Failed to create file", &fd, NULL))
        return false;
    if (image_copy_bytes(from_fd, from->path, fd, path, true, NULL))
        return true;
    image_unlink(path);
    return false;
}

static bool image_make_formatted(Host *host, const VolumeDef *def, const char *path, const ImageInput *from,
                                 unsigned flags, bool is_device, Error **err)
{
    const bool is_plain_target = is_plain(def->target.format, def->target.encryption);

    if (!from)
        return image_create(host, def, path, def->backing != NULL, flags, err);
    if (from->encryption && is_plain_target) {
        /* A plain file to write into; where it is full of zeros qemu-img leaves it alone. */
        VolumeDef empty = *def;
        empty.allocation = (OptU64){ .is_set = true };
        if (!def->capacity.is_set)
            empty.capacity = (OptU64){ .is_set = true, .value = from->capacity_bytes };
        return image_make_plain(&empty, path, NULL, 0, is_device, err) &&
               image_convert_into(host, def, path, from, err);
    }
    if (from->encryption || def->target.encryption) {
        VolumeDef sized = *def;
        if (!def->capacity.is_set || def->capacity.value < from->capacity_bytes)
            sized.capacity = (OptU64){ .is_set = true, .value = from->capacity_bytes };
        return image_create(host, &sized, path, false, flags, err) &&
               image_convert_into(host, def, path, from, err);
    }
    if (!is_device && flags == 0 && image_can_share(host, def, from) && image_share(path, from))
        return true;
    if (!image_convert(def, path, from, flags, is_device, err))
        return false;
    const bool is_larger = def->capacity.is_set && def->capacity.value > from->capacity_bytes;
    return !is_larger || is_device || image_run_resize(host, def, path, def->capacity.value, false, err);
}

bool image_make(Host *host, const VolumeDef *def, const char *path, const ImageInput *from, unsigned flags,
                Error **err)
{
    bool is_device = false;

    if (!image_check_def(def, from, flags, err) || !image_is_device(path, &is_device, err))
        return false;
    if (strcmp(image_format(def), "dir") == 0) {
        g_autoptr(FileJob) job = file_job_do(file_job_new(FILE_MKDIR, path), err);
        return job != NULL;
    }
    if (is_plain(def->target.format, def->target.encryption) &&
        (!from || is_plain(from->format, from->encryption)))
        return image_make_plain(def, path, from, flags, is_device, err);
    if ((def->backing && !from && !image_check_backing(def, path, err)) ||
        (from && !image_guard_judge(host, from->path, from->format, false, err)))
        return false;
    if (image_make_formatted(host, def, path, from, flags, is_device, err))
        return true;
    if (!is_device)
        image_unlink(path);
    return false;
}

/* ---- resizing ---- */

static bool image_resize_plain(const VolumeDef *def, uint64_t capacity_bytes, unsigned flags, Error **err)
{
    const char *path = def->target.path;
    AUTO_FD fd = -1;

    if (!image_open(path, O_RDWR, 0, "Unable to open", &fd, err))
        return false;
    if ((flags & VIR_STORAGE_VOL_RESIZE_ALLOCATE) && capacity_bytes >= def->capacity.value &&
        !image_allocate_bytes(fd, path, capacity_bytes, err))
        return false;
    return image_set_length(fd, path, capacity_bytes, true, false, "Failed to truncate file", err);
}

bool image_resize(Host *host, const VolumeDef *def, uint64_t capacity_bytes, unsigned flags, Error **err)
{
    if (is_plain(def->target.format, def->target.encryption))
        return image_resize_plain(def, capacity_bytes, flags, err);
    if (flags & VIR_STORAGE_VOL_RESIZE_ALLOCATE)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "preallocate is only supported for %s",
                         strcmp(image_format(def), "raw") == 0 ? "an unencrypted raw volume"
                                                               : "raw type volume");
    return image_run_resize(host, def, def->target.path, capacity_bytes,
                            flags & VIR_STORAGE_VOL_RESIZE_SHRINK, err);
}
