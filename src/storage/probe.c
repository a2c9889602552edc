/* Looking at disk images before QEMU does: each in the worker lane of its mount and within a deadline, so
 * that a start on dead storage ends with an error that names the path.
 *
 * Image headers are hostile input: a guest can write what it likes into the header of a raw image. So a
 * format is never guessed, but for the last image of a chain, where nothing follows from it; and a backing
 * file is followed only from an image whose declared format has one. Each image of a chain is looked at in
 * its own lane: where a base hangs, that holds up no other storage.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/worker.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "core/host_private.h"
#include "storage/chain.h"
#include "storage/dac.h"
#include "storage/remote.h"
#include "storage/source_name.h"
#include "storage/transient.h"
#include "storage/volume.h"

typedef struct ProbeJob {
    char *path;
    bool for_start;  /* QEMU will get it: a foreign link does not count ... */
    bool read_only;  /* ... unless all it does is to read what everybody may read */
    uid_t other_uid; /* who is tried where root has no rights; 0: nobody */
    gid_t other_gid;
    ChainLook look;
    StorageInfo info;
    int error;
    bool is_dir;
    Error *refusal;
} ProbeJob;

static void probe_job_free(void *data)
{
    ProbeJob *job = data;

    image_info_clear(&job->look.info);
    error_free(job->refusal);
    g_free(job->path);
    g_free(job);
}

static int probe_open(ProbeJob *job)
{
    g_auto(Trail) trail = TRAIL_INIT;

    if (!job->for_start)
        return open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (!trail_follow(job->path, &trail))
        return -1;
    job->info.is_foreign = trail.foreign && job->read_only && (trail.st.st_mode & S_IROTH);
    if (!job->info.is_foreign && !trail_check(&trail, job->path, &job->refusal))
        return -1;
    /* Opening a device that is no disk may already do something: start a watchdog, rewind a tape. */
    if (!S_ISREG(trail.st.st_mode) && !S_ISBLK(trail.st.st_mode) && !S_ISDIR(trail.st.st_mode))
        return fd_steal(&trail.fd);
    return trail_reopen(&trail, O_RDONLY | O_NONBLOCK);
}

/* On network storage root may be nobody, while QEMU's user is somebody. Only this thread changes. */
static int probe_open_any(ProbeJob *job)
{
    int fd = probe_open(job);

    if (fd >= 0 || job->refusal || (errno != EACCES && errno != EPERM) || job->other_uid == 0)
        return fd;
    (void)setfsgid(job->other_gid);
    (void)setfsuid(job->other_uid);
    fd = probe_open(job);
    const int saved = errno;
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
    errno = saved;
    return fd;
}

/* Clients know what is wrong with an image by the code that a QEMU which ends at its start has. */
static void recode_for_start(Error *err)
{
    const ErrorCode code = error_code(err);

    if (code == ERROR_INVALID_ARGUMENT || code == ERROR_OPERATION_FAILED ||
        code == ERROR_OPERATION_UNSUPPORTED)
        error_recode(err, ERROR_INTERNAL);
}

/* A raw image is what its file is: nothing is read. */
static void probe_look(ProbeJob *job, int fd)
{
    if (job->look.format == IMAGE_RAW && !job->look.guess) {
        job->look.id = job->info.id;
        job->look.info.virtual_bytes = job->look.size_bytes ? job->look.size_bytes : job->info.capacity;
    } else if (!chain_look(fd, &job->look, &job->refusal)) {
        g_autofree char *name = name_for_message(job->path);
        error_prefix(&job->refusal, "image '%s'", name);
        if (job->for_start)
            recode_for_start(job->refusal);
        return;
    }
    job->info.capacity = job->look.info.virtual_bytes;
}

static void probe_job_run(void *data)
{
    ProbeJob *job = data;
    struct stat st;
    AUTO_FD fd = probe_open_any(job);

    if (fd < 0 || fstat(fd, &st) < 0) {
        job->error = errno;
        return;
    }
    job->info.uid = st.st_uid;
    job->info.gid = st.st_gid;
    job->info.mode = st.st_mode;
    job->info.id = file_id_of(&st);
    job->info.is_block = S_ISBLK(st.st_mode);
    job->is_dir = S_ISDIR(st.st_mode);
    if (job->info.is_block) {
        uint64_t size = 0;
        if (ioctl(fd, BLKGETSIZE64, &size) == 0)
            job->info.capacity = job->info.physical = job->info.allocation = size;
        job->info.is_optical = ioctl(fd, CDROM_GET_CAPABILITY, NULL) >= 0;
    } else {
        job->info.capacity = job->info.physical = (uint64_t)st.st_size;
        job->info.allocation = (uint64_t)st.st_blocks * 512;
    }
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        probe_look(job, fd);
}

int storage_probe_now(const char *path, StorageFormat format, StorageInfo *ret_info)
{
    ProbeJob job = { .path = (char *)path, .info.format = format };

    if (!image_format_from_storage(format, &job.look.format))
        return EINVAL;
    probe_job_run(&job);
    if (job.refusal)
        job.error = EINVAL;
    else if (job.error == 0 && job.is_dir)
        job.error = EISDIR;
    else if (job.error == 0)
        *ret_info = job.info;
    image_info_clear(&job.look.info);
    error_free(job.refusal);
    return job.error;
}

/* Takes @job; what was found is *ret_info and, if not NULL, *ret_look (owned). *ret_errno: why, if the file
 * could not be opened; 0 for other failures. */
AWAITS static bool probe_job_do(ProbeJob *job, uint64_t timeout_ms, StorageInfo *ret_info,
                                ChainLook *ret_look, int *ret_errno, Error **err)
{
    g_autofree char *path = g_strdup(job->path);
    WorkerLane *lane = worker_lane_for_path(path);

    *ret_errno = 0;
    if (!worker_run(lane, probe_job_run, job, probe_job_free, timeout_ms, err)) {
        error_prefix(err, "Cannot access storage file '%s' (storage below '%s' does not answer)", path,
                     worker_lane_name(lane));
        return error_hint(err, "check what is mounted at '%s'", worker_lane_name(lane));
    }
    if (job->refusal) {
        error_propagate(err, g_steal_pointer(&job->refusal));
    } else if (job->error) {
        *ret_errno = job->error;
    } else if (job->is_dir) {
        error_set_errno(err, EISDIR, "cannot read header '%s'", path);
    } else {
        *ret_info = job->info;
        if (ret_look) {
            *ret_look = job->look;
            job->look.info = (ImageInfo){ 0 };
        }
        probe_job_free(job);
        return true;
    }
    probe_job_free(job);
    return false;
}

bool storage_probe(const char *path, StorageFormat format, uint64_t timeout_ms, StorageInfo *ret_info,
                   Error **err)
{
    ProbeJob *job = g_new0(ProbeJob, 1);
    int errnum = 0;

    *job = (ProbeJob){ .path = g_strdup(path), .info.format = format };
    if (!image_format_from_storage(format, &job->look.format)) {
        probe_job_free(job);
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "images of format '%s' cannot be read",
                         enum_name(&storage_format_names, format));
    }
    if (probe_job_do(job, timeout_ms, ret_info, NULL, &errnum, err))
        return true;
    if (errnum)
        error_set_errno(err, errnum, "Cannot access storage file '%s'", path);
    return false;
}

/* ---- all images of a machine ---- */

typedef struct Prepare {
    Host *host;
    const DomainDef *live;
    uint64_t timeout_ms;
    Error *err;
    /* a disk, or else a plain file */
    DiskDef *disk;
    const char *path;
    bool is_written;   /* the plain file */
    bool drop_source;  /* result: an optional medium that is missing */
    GPtrArray *images; /* result: of ProbedImage, top first */
} Prepare;

typedef struct ProbedImage {
    char *path;
    bool shared;
    bool is_common; /* read by everybody and named by somebody who has no more rights to it: not lent */
    StorageInfo info;
} ProbedImage;

static void probed_image_free(void *data)
{
    ProbedImage *image = data;

    g_free(image->path);
    g_free(image);
}

static bool prepare_fail_missing(const Prepare *one, const char *path, const char *parent, int errnum,
                                 Error **err)
{
    const unsigned uid = one->host->config->qemu_uid;
    const unsigned gid = one->host->config->qemu_gid;

    if (parent)
        error_set_errno(err, errnum,
                        "Cannot access backing file '%s' of storage file '%s' (as uid:%u, gid:%u)", path,
                        parent, uid, gid);
    else if (errnum == ENOENT) /* whoever looks: it is not there */
        error_set_errno(err, errnum, "Cannot access storage file '%s'", path);
    else
        error_set_errno(err, errnum, "Cannot access storage file '%s' (as uid:%u, gid:%u)", path, uid, gid);
    if (errnum == EACCES || errnum == EPERM)
        return error_hint(err,
                          "where root has no rights (NFS with root_squash), folder and file must be open to "
                          "user %u: export with no_root_squash, or 'chown %u' on the server",
                          uid, uid);
    return false;
}

/* @parent: whose name a message has beside that of the file; NULL: it is no backing file. *ret_look: NULL:
 * the header does not matter. */
AWAITS static bool prepare_add(Prepare *one, const char *path, const ChainLook *look, const char *parent,
                               ProbedImage **ret_image, ChainLook *ret_look, Error **err)
{
    const bool shared = parent != NULL ||
                        (one->disk && (one->disk->readonly || one->disk->shareable || one->disk->transient));
    ProbeJob *job = g_new0(ProbeJob, 1);
    StorageInfo info = { 0 };
    int errnum = 0;

    *job = (ProbeJob){ .path = g_strdup(path), .for_start = true, .look = *look };
    job->read_only = parent || (one->disk ? one->disk->readonly : !one->is_written);
    if (geteuid() == 0) {
        job->other_uid = one->host->config->qemu_uid;
        job->other_gid = one->host->config->qemu_gid;
    }
    if (!probe_job_do(job, one->timeout_ms, &info, ret_look, &errnum, err))
        return errnum ? prepare_fail_missing(one, path, parent, errnum, err) : false;
    dac_find_owner(one->host->dac, &info.id, &info.uid, &info.gid);
    ProbedImage *image = g_new0(ProbedImage, 1);
    *image = (ProbedImage){ .path = g_strdup(path), .shared = shared, .info = info };
    image->is_common = info.is_foreign;
    g_ptr_array_add(one->images, image);
    *ret_image = image;
    return true;
}

static FileOwner owner_of(const StorageInfo *info)
{
    return (FileOwner){ .uid = info->uid, .gid = info->gid, .mode = info->mode };
}

/* What the owner of an image may only read is not lent: lending lets write. */
static bool prepare_judge_backing(Prepare *one, const ProbedImage *below, bool *ret_is_common, Error **err)
{
    for (guint i = 0; geteuid() == 0 && i < one->images->len; i++) {
        const ProbedImage *image = g_ptr_array_index(one->images, i);
        if (image == below)
            break;
        if (image->info.uid != 0 && image->info.uid != below->info.uid)
            *ret_is_common = true;
        const FileOwner above = owner_of(&image->info), named = owner_of(&below->info);
        if (!dac_judge_named(one->host->config, image->path, &above, below->path, &named, err))
            return false;
    }
    return true;
}

/* A qcow2 image may keep its data in another file, which QEMU writes as it writes the image: only root may
 * say which. */
AWAITS static bool prepare_data_store(Prepare *one, const ProbedImage *image, StorageSource *source,
                                      const ImageInfo *info, const char *parent, Error **err)
{
    g_autofree char *format = NULL;
    const ChainLook raw = { .format = IMAGE_RAW };
    ProbedImage *data = NULL;

    if (!info->has_data_file)
        return true;
    if (!source->data_store) {
        if (image->info.uid != 0 && geteuid() == 0)
            return error_set(err, ERROR_OPERATION_FAILED,
                             "image '%s' of user %u keeps its data in another file: this is accepted only "
                             "from root",
                             image->path, (unsigned)image->info.uid);
        if (!info->data_file)
            return error_set(err, ERROR_OPERATION_FAILED,
                             "image '%s' keeps its data in another file and does not say in which",
                             image->path);
        if (!source_from_name(info->data_file, source, &source->data_store, &format, err))
            return error_prefix(err, "data file of image '%s'", image->path);
        source->data_store->format = STORAGE_FORMAT_RAW;
    }
    if (!storage_is_local(source->data_store))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "the data file of image '%s' is no local file",
                         image->path);
    if (!prepare_add(one, source->data_store->path, &raw, parent, &data, NULL, err))
        return false;
    if (data->info.is_block)
        source->data_store->type = STORAGE_BLOCK;
    return true;
}

/* What the document of a machine has no word for cannot be opened as something else. */
static bool prepare_check_format(const ChainImage *image, Error **err)
{
    const bool is_named = image_format_to_storage(image->format) != STORAGE_FORMAT_ABSENT;

    if (is_named && (image->format != IMAGE_LUKS || image->source->encryption))
        return true;
    error_set(err, ERROR_CONFIG_UNSUPPORTED, "backing image '%s' has the format '%s'", image->source->path,
              enum_name(&image_format_names, image->format));
    return error_hint(err, image->format == IMAGE_LUKS ? "a <backingStore> with <encryption> gives its secret"
                                                       : "convert it with 'qemu-img convert -O qcow2'");
}

/* Names in an image are followed to servers only for its owner's sake: a socket has the rights of QEMU. */
static bool prepare_judge_server(const Prepare *one, const StorageSource *source, Error **err)
{
    const ProbedImage *above = one->images->len ? g_ptr_array_index(one->images, one->images->len - 1) : NULL;

    for (DEF_EACH(StorageHost, host, source->hosts)) {
        if (host->socket && above && above->info.uid != 0 && geteuid() == 0)
            return error_set(err, ERROR_OPERATION_FAILED,
                             "image '%s' of user %u names the socket '%s': this is accepted only from root",
                             above->path, (unsigned)above->info.uid, host->socket);
    }
    return true;
}

/* @is_named: the document has it; else an image does. */
AWAITS static bool prepare_image(Prepare *one, ImageChain *chain, const ChainImage *image, bool is_named,
                                 Error **err)
{
    StorageSource *source = (StorageSource *)image->source; /* a part of chain->top, which is ours */
    const bool is_top = source == chain->top;
    const guint n = chain->images->len;
    const ChainImage *above = n > 1 ? g_ptr_array_index(chain->images, n - 2) : NULL;
    const char *parent = is_top ? NULL : is_named ? above->source->path : chain->top->path;
    ProbedImage *found = NULL;
    ChainLook look;

    if (!storage_is_local(source))
        return is_named || prepare_judge_server(one, source, err);
    chain_look_init(image, &look);
    if (!prepare_add(one, source->path, &look,
                     parent   ? parent
                     : is_top ? NULL
                              : "",
                     &found, &look, err) ||
        (!is_named && !prepare_judge_backing(one, found, &found->is_common, err)))
        return false;
    g_autoptr(Error) why = NULL;
    const bool ok = image_chain_put(chain, &look, &why);
    image_info_clear(&look.info);
    if (!ok) {
        recode_for_start(why);
        return error_propagate(err, g_steal_pointer(&why));
    }
    if (!is_top && !prepare_check_format(image, err))
        return false;
    source->is_optical = found->info.is_optical;
    if (found->info.is_block && source->type != STORAGE_BLOCK && !is_top)
        source->type = STORAGE_BLOCK;
    if (image->info.backing && g_str_has_prefix(image->info.backing, "json:") && found->info.uid != 0 &&
        geteuid() == 0 && !source->backing && !source->backing_ends)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "image '%s' of user %u names its backing file as '%.100s': this is accepted only "
                         "from root",
                         source->path, (unsigned)found->info.uid, image->info.backing);
    return prepare_data_store(one, found, source, &image->info, parent, err);
}

/* The images below, and where their data is, go into the live definition. */
static void prepare_take_chain(DiskDef *disk, ImageChain *chain)
{
    StorageSource *top = chain->top;

    source_free(disk->src.backing);
    disk->src.backing = g_steal_pointer(&top->backing);
    disk->src.backing_ends = top->backing_ends;
    disk->src.is_optical = top->is_optical;
    source_free(disk->src.data_store);
    disk->src.data_store = g_steal_pointer(&top->data_store);
}

AWAITS static bool prepare_transient(Prepare *one, uint64_t capacity, Error **err)
{
    ProbedImage *overlay = g_new0(ProbedImage, 1);

    g_ptr_array_add(one->images, overlay);
    overlay->info.uid = geteuid();
    overlay->info.gid = getegid();
    if (!transient_make(one->disk, one->live->name, capacity, one->timeout_ms, &overlay->info.id, err))
        return false;
    overlay->path = g_strdup(one->disk->src.path);
    return true;
}

AWAITS static bool prepare_disk(Prepare *one, Error **err)
{
    DiskDef *disk = one->disk;
    g_autoptr(ImageChain) chain = image_chain_new(&disk->src, CHAIN_GUESS_LAST);
    ChainImage *image = NULL;
    g_autoptr(Error) why = NULL;

    if (disk->encryption)
        chain->top->encryption = xml_table_copy(&volume_encryption_table, disk->encryption);
    for (;;) {
        const ChainImage *above = image;
        const bool is_named = !above || above->source->backing;
        if (!image_chain_next(chain, &image, err))
            return false;
        if (!image)
            break;
        if (prepare_image(one, chain, image, is_named, &why))
            continue;
        if (!above && disk->src.startup_policy == STARTUP_POLICY_OPTIONAL && error_errno(why) == ENOENT) {
            one->drop_source = true;
            return true;
        }
        return error_propagate(err, g_steal_pointer(&why));
    }
    const ChainImage *top = g_ptr_array_index(chain->images, 0);
    const uint64_t capacity = top->info.virtual_bytes;
    prepare_take_chain(disk, chain);
    return !disk->transient || prepare_transient(one, capacity, err);
}

static void prepare_fiber(void *arg)
{
    Prepare *one = arg;
    ProbedImage *image = NULL;

    if (one->disk)
        (void)prepare_disk(one, &one->err);
    else
        (void)prepare_add(one, one->path, &(ChainLook){ .format = IMAGE_RAW }, NULL, &image, NULL, &one->err);
}

static bool disk_has_image(const DiskDef *disk)
{
    return storage_is_local(&disk->src) ||
           (disk->src.type == STORAGE_NETWORK && !storage_is_empty(&disk->src));
}

static void prepare_append(GArray *ones, Host *host, const DomainDef *live, DiskDef *disk, const char *path)
{
    Prepare one = { .host = host,
                    .live = live,
                    .timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000,
                    .disk = disk,
                    .path = path,
                    .images = g_ptr_array_new_with_free_func(probed_image_free) };

    g_array_append_val(ones, one);
}

static void prepare_collect(Host *host, DomainDef *live, GArray *ones)
{
    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (disk_has_image(disk))
            prepare_append(ones, host, live, disk, NULL);
    }
    const char *const files[] = { live->os.kernel, live->os.initrd, live->os.dtb,
                                  live->os.nvram ? live->os.nvram->path : NULL };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        if (files[i])
            prepare_append(ones, host, live, NULL, files[i]);
    }
    if (live->os.nvram && live->os.nvram->path)
        g_array_index(ones, Prepare, ones->len - 1).is_written = true;
    for (DEF_EACH(SysinfoDef, sysinfo, live->sysinfos)) {
        for (DEF_EACH(NamedValue, entry, sysinfo->fwcfg)) {
            if (entry->file)
                prepare_append(ones, host, live, NULL, entry->file);
        }
    }
}

/* What machines may do with a shared image. */
static mode_t group_mode(const DiskDef *disk, bool is_top)
{
    return S_IRGRP | (is_top && disk && disk->shareable && !disk->readonly ? S_IWGRP : 0);
}

static void prepare_finish(Host *host, const DomainDef *live, Prepare *one, GPtrArray *dac)
{
    if (one->drop_source) {
        log_warning("optional medium '%s' of %s is missing: starting without it", one->disk->src.path,
                    one->disk->target);
        g_clear_pointer(&one->disk->src.path, g_free);
        return;
    }
    for (guint i = 0; i < one->images->len; i++) {
        const ProbedImage *image = g_ptr_array_index(one->images, i);
        if (!image->is_common)
            dac_lend(host, live, dac, one->disk ? &one->disk->src : NULL,
                     &(DacItem){ .path = image->path,
                                 .uid = image->info.uid,
                                 .gid = image->info.gid,
                                 .id = image->info.id,
                                 .shared = image->shared,
                                 .group_mode = group_mode(one->disk, i == 0),
                                 .mode = image->info.mode });
    }
}

static bool prepare_all(Host *host, const DomainDef *live, GArray *ones, GPtrArray *dac, Error **err)
{
    Error *first = NULL;

    fiber_run_all("probe", prepare_fiber, ones->data, ones->len, sizeof(Prepare));
    for (guint i = 0; i < ones->len; i++) {
        Prepare *one = &g_array_index(ones, Prepare, i);
        if (!first)
            first = g_steal_pointer(&one->err);
        error_free(one->err);
    }
    for (guint i = 0; i < ones->len; i++) {
        Prepare *one = &g_array_index(ones, Prepare, i);
        if (!first)
            prepare_finish(host, live, one, dac);
        g_ptr_array_unref(one->images);
    }
    return first ? error_propagate(err, first) : true;
}

/* An optional disk that is missing takes its whole device along: only a drive can be empty. */
static void prepare_drop_disks(DomainDef *live)
{
    for (guint i = def_list_len(live->disks); i-- > 0;) {
        DiskDef *disk = g_ptr_array_index(live->disks, i);
        if (disk->device == DISK_DEVICE_CDROM || disk->device == DISK_DEVICE_FLOPPY ||
            disk->src.startup_policy != STARTUP_POLICY_OPTIONAL || !storage_is_empty(&disk->src))
            continue;
        (void)domain_steal_device(live, DEVICE_DISK, disk);
        xml_table_free(&disk_table, disk);
    }
}

/* A disk whose document asks for a volume keeps that name beside what it is. */
AWAITS static bool prepare_volume(Host *host, StorageSource *source, Error **err)
{
    g_autofree char *pool = g_strdup(source->pool), *name = g_strdup(source->path),
                    *mode = g_strdup(source->volume_mode);

    if (source->type != STORAGE_VOLUME)
        return true;
    if (!volume_resolve_source(host, source, err))
        return false;
    source->asked_pool = g_steal_pointer(&pool);
    source->asked_volume = g_steal_pointer(&name);
    source->asked_mode = g_steal_pointer(&mode);
    return true;
}

bool storage_prepare(Host *host, DomainDef *live, GPtrArray *dac, Error **err)
{
    g_autoptr(GArray) ones = g_array_new(FALSE, TRUE, sizeof(Prepare));

    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (!prepare_volume(host, &disk->src, err))
            return false;
        for (StorageSource *source = &disk->src; source; source = source->backing) {
            if (source->type == STORAGE_NETWORK && !remote_prepare(host, source, err))
                return false;
        }
    }
    prepare_collect(host, live, ones);
    if (!prepare_all(host, live, ones, dac, err))
        return false;
    prepare_drop_disks(live);
    return true;
}

bool storage_prepare_disk(Host *host, const DomainDef *live, DiskDef *disk, GPtrArray *dac, Error **err)
{
    g_autoptr(GArray) ones = g_array_new(FALSE, TRUE, sizeof(Prepare));

    if (!prepare_volume(host, &disk->src, err))
        return false;
    if (disk->src.type == STORAGE_NETWORK && !remote_prepare(host, &disk->src, err))
        return false;
    if (disk_has_image(disk))
        prepare_append(ones, host, live, disk, NULL);
    return prepare_all(host, live, ones, dac, err);
}
