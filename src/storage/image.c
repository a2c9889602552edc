/* Reading headers of disk images: the way into the formats, and the checked reading that all of them use. No
 * reader sees the file itself: what lies beyond its end cannot be asked for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/image_private.h"

#define DISK_BYTES_MAX ((uint64_t)INT64_MAX) /* more than a file or a device can have */
#define ISO_MAGIC_OFFSET 32769u

static const char *const image_format_list[] = {
    "raw",  "qcow",      "qcow2", "qed", "vmdk",  "vdi",   "vpc",
    "vhdx", "parallels", "luks",  "dmg", "cloop", "bochs", "iso"
};
G_STATIC_ASSERT(G_N_ELEMENTS(image_format_list) == IMAGE_FORMAT_COUNT);
const EnumNames image_format_names = { "image format", IMAGE_FORMAT_COUNT, image_format_list };

static const StorageFormat storage_formats[IMAGE_FORMAT_COUNT] = {
    [IMAGE_RAW] = STORAGE_FORMAT_RAW,         [IMAGE_QCOW] = STORAGE_FORMAT_QCOW,
    [IMAGE_QCOW2] = STORAGE_FORMAT_QCOW2,     [IMAGE_QED] = STORAGE_FORMAT_QED,
    [IMAGE_VMDK] = STORAGE_FORMAT_VMDK,       [IMAGE_VDI] = STORAGE_FORMAT_VDI,
    [IMAGE_VPC] = STORAGE_FORMAT_VPC,         [IMAGE_VHDX] = STORAGE_FORMAT_ABSENT,
    [IMAGE_PARALLELS] = STORAGE_FORMAT_PLOOP, [IMAGE_LUKS] = STORAGE_FORMAT_RAW,
    [IMAGE_DMG] = STORAGE_FORMAT_DMG,         [IMAGE_CLOOP] = STORAGE_FORMAT_CLOOP,
    [IMAGE_BOCHS] = STORAGE_FORMAT_BOCHS,     [IMAGE_ISO] = STORAGE_FORMAT_ISO,
};

StorageFormat image_format_to_storage(ImageFormat format)
{
    return storage_formats[format];
}

bool image_format_from_storage(StorageFormat format, ImageFormat *ret_format)
{
    if (format == STORAGE_FORMAT_ABSENT)
        format = STORAGE_FORMAT_RAW;
    if (format == STORAGE_FORMAT_VHD) /* another name for the same */
        format = STORAGE_FORMAT_VPC;
    for (unsigned i = 0; i < IMAGE_FORMAT_COUNT; i++) {
        if (storage_formats[i] == format) {
            *ret_format = (ImageFormat)i;
            return true;
        }
    }
    return false;
}

static void image_snapshot_free(void *data)
{
    ImageSnapshot *snapshot = data;

    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot);
}

static void image_bitmap_free(void *data)
{
    ImageBitmap *bitmap = data;

    g_free(bitmap->name);
    g_free(bitmap);
}

static void image_extent_free(void *data)
{
    ImageExtent *extent = data;

    g_free(extent->access);
    g_free(extent->type);
    g_free(extent->file);
    g_free(extent);
}

static void image_info_init(ImageInfo *info, ImageFormat format)
{
    *info = (ImageInfo){ .format = format };
    info->snapshots = g_ptr_array_new_with_free_func(image_snapshot_free);
    info->bitmaps = g_ptr_array_new_with_free_func(image_bitmap_free);
    info->extents = g_ptr_array_new_with_free_func(image_extent_free);
}

void image_info_clear(ImageInfo *info)
{
    g_free(info->backing);
    g_free(info->backing_format);
    g_free(info->data_file);
    g_free(info->subformat);
    g_free(info->encryption.cipher);
    g_free(info->encryption.mode);
    g_free(info->encryption.hash);
    g_free(info->encryption.uuid);
    g_free(info->encryption.label);
    g_clear_pointer(&info->snapshots, g_ptr_array_unref);
    g_clear_pointer(&info->bitmaps, g_ptr_array_unref);
    g_clear_pointer(&info->extents, g_ptr_array_unref);
    *info = (ImageInfo){ 0 };
}

bool image_bad(Image *image, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(image->err, ERROR_OPERATION_FAILED, "damaged %s image: %s",
                     enum_name(&image_format_names, image->format), text);
}

bool image_not(Image *image)
{
    return error_set(image->err, ERROR_INVALID_ARGUMENT, "this is no %s image",
                     enum_name(&image_format_names, image->format));
}

bool image_unknown_version(Image *image, uint64_t version)
{
    return error_set(image->err, ERROR_OPERATION_UNSUPPORTED, "version %" PRIu64 " of %s images is not known",
                     version, enum_name(&image_format_names, image->format));
}

bool image_scale(Image *image, uint64_t count, uint64_t unit, const char *what, uint64_t *ret_bytes)
{
    if (unit != 0 && count > DISK_BYTES_MAX / unit)
        return image_bad(image, "%s is %" PRIu64 " * %" PRIu64 " bytes, more than %" PRIu64, what, count,
                         unit, DISK_BYTES_MAX);
    *ret_bytes = count * unit;
    return true;
}

static bool image_read_now(Image *image, uint64_t offset, void *buffer, size_t len, const char *what)
{
    uint8_t *to = buffer;

    for (size_t done = 0; done < len;) {
        const ssize_t got = image->reader->read(image->reader->data, to + done, len - done, offset + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(image->err, errno, "cannot read %s", what);
        if (got == 0)
            return image_bad(image, "the file became shorter while %s was read", what);
        done += (size_t)got;
    }
    return true;
}

bool image_get(Image *image, uint64_t offset, void *buffer, size_t len, const char *what)
{
    if (offset > image->size || len > image->size - offset)
        return image_bad(image,
                         "%s (%zu bytes at %" PRIu64 ") lies behind the end of the file (%" PRIu64 " bytes)",
                         what, len, offset, image->size);
    if (offset + len <= image->n_window) {
        memcpy(buffer, image->window + offset, len);
        return true;
    }
    return image_read_now(image, offset, buffer, len, what);
}

char *image_get_text(Image *image, uint64_t offset, uint64_t len, size_t max, const char *what)
{
    if (len > max) {
        image_bad(image, "%s has %" PRIu64 " bytes, more than %zu", what, len, max);
        return NULL;
    }
    g_autofree char *text = g_malloc((size_t)len + 1);
    if (!image_get(image, offset, text, (size_t)len, what))
        return NULL;
    text[len] = '\0';
    return g_steal_pointer(&text);
}

static bool image_read_raw(Image *image)
{
    image->info->virtual_bytes = image->size;
    return true;
}

static bool (*const image_readers[IMAGE_FORMAT_COUNT])(Image *image) = {
    [IMAGE_RAW] = image_read_raw,
    [IMAGE_QCOW] = image_read_qcow2,
    [IMAGE_QCOW2] = image_read_qcow2,
    [IMAGE_QED] = image_read_qed,
    [IMAGE_VMDK] = image_read_vmdk,
    [IMAGE_VDI] = image_read_vdi,
    [IMAGE_VPC] = image_read_vpc,
    [IMAGE_VHDX] = image_read_vhdx,
    [IMAGE_PARALLELS] = image_read_parallels,
    [IMAGE_LUKS] = image_read_luks,
    [IMAGE_DMG] = image_read_dmg,
    [IMAGE_CLOOP] = image_read_cloop,
    [IMAGE_BOCHS] = image_read_bochs,
    [IMAGE_ISO] = image_read_iso,
};

static bool image_open(Image *image, const ImageReader *reader)
{
    const size_t len = (size_t)MIN(reader->size, IMAGE_WINDOW);

    image->reader = reader;
    image->size = reader->size;
    if (!image_read_now(image, 0, image->window, len, "the beginning"))
        return false;
    image->n_window = len;
    return true;
}

/* Lists that nobody filled are NULL. */
static void drop_empty(GPtrArray **list)
{
    if ((*list)->len == 0)
        g_clear_pointer(list, g_ptr_array_unref);
}

bool image_read_header_from(const ImageReader *reader, ImageFormat format, ImageInfo *ret_info, Error **err)
{
    g_auto(ImageInfo) info = { 0 };
    Image image = { .format = format, .info = &info, .err = err };

    image_info_init(&info, format);
    if (!image_open(&image, reader) || !image_readers[format](&image))
        return false;
    if (info.virtual_bytes > DISK_BYTES_MAX)
        return image_bad(&image, "the disk has %" PRIu64 " bytes, more than %" PRIu64, info.virtual_bytes,
                         DISK_BYTES_MAX);
    info.file_bytes = image.size;
    drop_empty(&info.snapshots);
    drop_empty(&info.bitmaps);
    drop_empty(&info.extents);
    *ret_info = info;
    info = (ImageInfo){ 0 };
    return true;
}

/* ---- what an image looks like ---- */

typedef struct ImageMagic {
    ImageFormat format;
    uint32_t offset;
    uint8_t len;
    const char *bytes;
} ImageMagic;

/* Longest and earliest first; a version tells qcow from qcow2. */
static const ImageMagic image_magics[] = {
    { IMAGE_QCOW, 0, 8, "QFI\xfb\0\0\0\1" },
    { IMAGE_QCOW2, 0, 8, "QFI\xfb\0\0\0\2" },
    { IMAGE_QCOW2, 0, 8, "QFI\xfb\0\0\0\3" },
    { IMAGE_QED, 0, 4, "QED\0" },
    { IMAGE_VMDK, 0, 4, "KDMV" },
    { IMAGE_VMDK, 0, 4, "COWD" },
    { IMAGE_VMDK, 0, 21, "# Disk DescriptorFile" },
    { IMAGE_VPC, 0, 8, "conectix" },
    { IMAGE_VHDX, 0, 8, "vhdxfile" },
    { IMAGE_VDI, 64, 4, "\x7f\x10\xda\xbe" },
    { IMAGE_PARALLELS, 0, 16, "WithoutFreeSpace" },
    { IMAGE_PARALLELS, 0, 16, "WithouFreSpacExt" },
    { IMAGE_LUKS, 0, 6, "LUKS\xba\xbe" },
    { IMAGE_CLOOP, 0, 22, "#!/bin/sh\n#V2.0 Format" },
    { IMAGE_BOCHS, 0, 22, "Bochs Virtual HD Image" },
    { IMAGE_ISO, ISO_MAGIC_OFFSET, 5, "CD001" },
};

bool image_detect_format_from(const ImageReader *reader, ImageFormat *ret_format, Error **err)
{
    Image image = { .format = IMAGE_RAW, .err = err };

    if (!image_open(&image, reader))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(image_magics); i++) {
        const ImageMagic *magic = &image_magics[i];
        uint8_t bytes[32];
        if ((uint64_t)magic->offset + magic->len > image.size)
            continue;
        if (!image_get(&image, magic->offset, bytes, magic->len, "the header"))
            return false;
        if (memcmp(bytes, magic->bytes, magic->len) == 0) {
            *ret_format = magic->format;
            return true;
        }
    }
    *ret_format = IMAGE_RAW;
    return true;
}

/* ---- files ---- */

static ssize_t fd_read(void *data, void *buffer, size_t len, uint64_t offset)
{
    return pread(*(const int *)data, buffer, len, (off_t)offset);
}

static bool fd_reader(int *fd, ImageReader *ret_reader, Error **err)
{
    struct stat st;

    if (fstat(*fd, &st) < 0)
        return error_set_errno(err, errno, "cannot look at the image");
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "an image is a file or a block device");
    const off_t size = S_ISREG(st.st_mode) ? st.st_size : lseek(*fd, 0, SEEK_END);
    if (size < 0)
        return error_set_errno(err, errno, "cannot find the size of the device");
    *ret_reader = (ImageReader){ .read = fd_read, .data = fd, .size = (uint64_t)size };
    return true;
}

bool image_read_header(int fd, ImageFormat format, ImageInfo *ret_info, Error **err)
{
    ImageReader reader;

    return fd_reader(&fd, &reader, err) && image_read_header_from(&reader, format, ret_info, err);
}

bool image_detect_format(int fd, ImageFormat *ret_format, Error **err)
{
    ImageReader reader;

    return fd_reader(&fd, &reader, err) && image_detect_format_from(&reader, ret_format, err);
}
