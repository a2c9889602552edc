/* What a file or device says about the volume that it is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/volume_probe.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/image.h"
#include "storage/source_name.h"

#define SETTLED_S 2 /* a file that was changed longer ago than this */

FileStamp file_stamp_of(const struct stat *st)
{
    return (FileStamp){ .id = file_id_of(st),
                        .size_bytes = (uint64_t)st->st_size,
                        .blocks = (uint64_t)st->st_blocks,
                        .modified = st->st_mtim,
                        .changed = st->st_ctim,
                        .is_settled = time(NULL) - st->st_ctime > SETTLED_S };
}

static bool time_same(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_same_file(const FileStamp *known, const FileStamp *now)
{
    return (known->id.dev == 0 && known->id.ino == 0) || file_id_equal(&known->id, &now->id);
}

bool file_stamp_same(const FileStamp *known, const FileStamp *now)
{
    return known->is_settled && file_id_equal(&known->id, &now->id) && known->size_bytes == now->size_bytes &&
           known->blocks == now->blocks && time_same(&known->modified, &now->modified) &&
           time_same(&known->changed, &now->changed);
}

static char *time_text(const struct timespec *at)
{
    if (at->tv_nsec == 0)
        return g_strdup_printf("%lld", (long long)at->tv_sec);
    return g_strdup_printf("%lld.%09ld", (long long)at->tv_sec, at->tv_nsec);
}

static void target_fill_stat(VolumeTarget *target, const struct stat *st)
{
    if (!target->permissions)
        target->permissions = g_new0(StoragePermissions, 1);
    target->permissions->mode = (OptU32){ .value = st->st_mode & 07777, .is_set = true };
    target->permissions->owner = (OptU32){ .value = st->st_uid, .is_set = true };
    target->permissions->group = (OptU32){ .value = st->st_gid, .is_set = true };
    if (!target->times)
        target->times = g_new0(VolumeTimes, 1);
    g_free(target->times->atime);
    g_free(target->times->mtime);
    g_free(target->times->ctime);
    g_free(target->times->btime);
    *target->times = (VolumeTimes){ .atime = time_text(&st->st_atim),
                                    .mtime = time_text(&st->st_mtim),
                                    .ctime = time_text(&st->st_ctim),
                                    .btime = g_strdup("0") };
}

static OptU64 opt_u64(uint64_t value)
{
    return (OptU64){ .value = value, .is_set = true };
}

static bool has_no_header(const VolumeDef *def)
{
    return !def->target.encryption && (!def->target.format || strcmp(def->target.format, "raw") == 0 ||
                                       strcmp(def->target.format, "iso") == 0);
}

void volume_probe_stat(VolumeDef *def, int fd, const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size, allocation = (uint64_t)st->st_blocks * 512;

    if (S_ISDIR(st->st_mode)) {
        def->capacity = def->allocation = opt_u64(0);
        target_fill_stat(&def->target, st);
        return;
    }
    if (S_ISBLK(st->st_mode)) {
        const off_t end = lseek(fd, 0, SEEK_END);
        size = allocation = end < 0 ? 0 : (uint64_t)end;
    }
    if (has_no_header(def) || !def->capacity.is_set)
        def->capacity = opt_u64(size);
    def->allocation = opt_u64(allocation);
    def->physical = (OptU64){ .value = size, .is_set = size != 0 };
    target_fill_stat(&def->target, st);
}

/* ---- headers ---- */

static void target_set_text(char **member, const char *value)
{
    g_free(*member);
    *member = g_strdup(value);
}

/* What a definition calls @format. */
static const char *format_name(ImageFormat format)
{
    switch (format) {
    case IMAGE_LUKS:
        return "raw"; /* the encryption stands beside it */
    case IMAGE_PARALLELS:
        return "ploop";
    default:
        return enum_name(&image_format_names, format);
    }
}

static void target_fill_encryption(VolumeTarget *target, const ImageEncryption *encryption)
{
    if (encryption->kind == IMAGE_PLAIN)
        return;
    target->encryption = g_new0(VolumeEncryption, 1);
    target->encryption->format =
        encryption->kind == IMAGE_AES ? VOLUME_ENCRYPTION_QCOW : VOLUME_ENCRYPTION_LUKS;
}

/* The file that a header calls @name; what is no file keeps that name. Owned. */
static char *path_below(const VolumeDef *def, const char *name)
{
    StorageSource above = { .type = STORAGE_FILE, .path = def->target.path };
    g_autoptr(StorageSource) source = NULL;
    g_autofree char *said = NULL;

    if (!source_from_name(name, &above, &source, &said, NULL) || source->type != STORAGE_FILE)
        return g_strdup(name);
    return g_strdup(source->path);
}

/* Only what lies beside it is looked at: any other place may be one that never answers. */
static void volume_fill_backing(VolumeDef *def, const ImageInfo *info)
{
    struct stat st;

    if (!info->backing || !g_utf8_validate(info->backing, -1, NULL))
        return;
    def->backing = g_new0(VolumeTarget, 1);
    def->backing->path = path_below(def, info->backing);
    def->backing->format = g_strdup(info->backing_format && g_utf8_validate(info->backing_format, -1, NULL)
                                        ? info->backing_format
                                        : "raw");
    g_autofree char *folder = g_path_get_dirname(def->target.path);
    g_autofree char *below = g_path_get_dirname(def->backing->path);
    if (strcmp(folder, below) == 0 && lstat(def->backing->path, &st) == 0 && S_ISREG(st.st_mode))
        target_fill_stat(def->backing, &st);
}

/* The beginning is read once for both questions: what it is, and what its header says. */
typedef struct ProbeFile {
    int fd;
    size_t n_start;
    uint8_t start[4096];
} ProbeFile;

static ssize_t probe_read(void *data, void *buffer, size_t len, uint64_t offset)
{
    const ProbeFile *file = data;

    if (offset + len > file->n_start)
        return pread(file->fd, buffer, len, (off_t)offset);
    memcpy(buffer, file->start + offset, len);
    return (ssize_t)len;
}

/* What only looks like an image is one of bytes, but a qcow2 image with a header that makes no sense is no
 * raw one: whoever works with it is told what is wrong. Its capacity is what it claims. */
static void volume_probe_damaged(VolumeDef *def, const uint8_t *start, size_t len, uint64_t file_bytes)
{
    uint32_t version;
    uint64_t capacity;

    if (len < 32)
        return;
    memcpy(&version, start + 4, sizeof(version));
    memcpy(&capacity, start + 24, sizeof(capacity));
    version = GUINT32_FROM_BE(version);
    capacity = GUINT64_FROM_BE(capacity);
    if (version != 2 && version != 3)
        return;
    target_set_text(&def->target.format, format_name(IMAGE_QCOW2));
    def->capacity = opt_u64(capacity <= INT64_MAX ? capacity : file_bytes);
}

static void volume_probe_header(VolumeDef *def, int fd, const struct stat *st)
{
    ImageFormat format = IMAGE_RAW;
    g_auto(ImageInfo) info = { 0 };
    ProbeFile file = { .fd = fd };
    const off_t size = S_ISREG(st->st_mode) ? st->st_size : lseek(fd, 0, SEEK_END);
    const ImageReader reader = { .read = probe_read, .data = &file, .size = size < 0 ? 0 : (uint64_t)size };
    const ssize_t got = pread(fd, file.start, sizeof(file.start), 0);

    file.n_start = got < 0 ? 0 : (size_t)got;
    target_set_text(&def->target.format, "raw");
    if (!image_detect_format_from(&reader, &format, NULL) || format == IMAGE_RAW)
        return;
    if (!image_read_header_from(&reader, format, &info, NULL)) {
        if (format == IMAGE_QCOW2)
            volume_probe_damaged(def, file.start, file.n_start, reader.size);
        return;
    }
    target_set_text(&def->target.format, format_name(format));
    if (format != IMAGE_ISO)
        def->capacity = opt_u64(info.virtual_bytes);
    target_fill_encryption(&def->target, &info.encryption);
    if (format == IMAGE_QCOW2) {
        def->target.cluster_bytes = info.cluster_bytes;
        if (info.version >= 3) {
            def->target.compat = g_strdup("1.1");
            def->target.features = g_new0(VolumeFeatures, 1);
            def->target.features->lazy_refcounts = info.has_lazy_refcounts;
            def->target.features->extended_l2 = info.has_extended_l2;
        }
    }
    volume_fill_backing(def, &info);
    if (info.data_file)
        def->data_path = path_below(def, info.data_file);
}

const char *volume_plain_format(const Volume *volume)
{
    const VolumeTarget *target = &volume->def->target;

    if (!volume->is_as_asked || target->encryption || !target->format)
        return NULL;
    return strcmp(target->format, "raw") == 0 ? "raw" : strcmp(target->format, "iso") == 0 ? "iso" : NULL;
}

VolumeDef *volume_unread(const char *name, const char *path)
{
    VolumeDef *def = g_new0(VolumeDef, 1);

    def->name = g_strdup(name);
    def->key = g_strdup(path);
    def->target.path = g_strdup(path);
    def->target.format = g_strdup("raw");
    def->type = VOLUME_FILE;
    def->capacity = def->allocation = opt_u64(0);
    return def;
}

VolumeDef *volume_probe(const char *name, const char *path, int fd, const struct stat *st, const char *plain)
{
    VolumeDef *def = g_new0(VolumeDef, 1);

    def->name = g_strdup(name);
    def->key = g_strdup(path);
    def->target.path = g_strdup(path);
    def->type = S_ISDIR(st->st_mode) ? VOLUME_DIR : S_ISBLK(st->st_mode) ? VOLUME_BLOCK : VOLUME_FILE;
    if (S_ISDIR(st->st_mode))
        def->target.format = g_strdup("dir");
    else if (plain)
        def->target.format = g_strdup(plain);
    else
        volume_probe_header(def, fd, st);
    volume_probe_stat(def, fd, st);
    return def;
}

#define SWAP(a, b)                                                                                           \
    do {                                                                                                     \
        __typeof__(a) swap_ = (a);                                                                           \
        (a) = (b);                                                                                           \
        (b) = swap_;                                                                                         \
    } while (0)

void volume_take_probe(Volume *volume, VolumeDef *def, const FileStamp *stamp)
{
    VolumeTarget *asked = &volume->def->target;

    volume->is_as_asked = volume->is_as_asked && file_stamp_same_file(&volume->stamp, stamp);
    if (volume->is_as_asked && volume->n_users) { /* who reads the old one goes on reading it */
        volume->def->capacity = def->capacity;
        volume->def->allocation = def->allocation;
        volume->def->physical = def->physical;
        volume_def_free(def);
        return;
    }
    if (volume->is_as_asked) {
        SWAP(asked->compat, def->target.compat);
        SWAP(asked->features, def->target.features);
        SWAP(asked->encryption, def->target.encryption);
        def->target.cluster_bytes = asked->cluster_bytes;
    }
    volume_set_def(volume, def);
    volume->stamp = *stamp;
    volume->is_unread = false;
}
