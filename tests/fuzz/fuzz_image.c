/* Fuzz target: headers of disk images, and names of images in them.
 *
 * The first byte is the format, or from 0x80 on: the rest is a name that stands in an image. An image is
 * described without its holes, so that inputs stay small: see pack-image. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/image.h"
#include "storage/source_name.h"

#define FUZZ_NAME 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Pieces {
    const uint8_t *data;
    size_t size;
} Pieces;

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

static ssize_t pieces_read(void *data, void *buffer, size_t len, uint64_t offset)
{
    const Pieces *pieces = data;
    const uint8_t *at = pieces->data, *end = at + pieces->size;

    memset(buffer, 0, len);
    while (end - at >= 6) {
        const uint64_t start = (uint64_t)le32(at) * 512;
        const size_t n = MIN((size_t)le16(at + 4), (size_t)(end - at - 6));
        at += 6;
        const uint64_t from = MAX(start, offset), to = MIN(start + n, offset + len);
        if (from < to)
            memcpy((uint8_t *)buffer + (from - offset), at + (from - start), (size_t)(to - from));
        at += n;
    }
    return (ssize_t)len;
}

static void fuzz_name(const char *name)
{
    StorageSource above = { .type = STORAGE_FILE, .path = (char *)"/images/above" };
    g_autoptr(StorageSource) source = NULL;
    g_autofree char *format = NULL;
    g_autoptr(Error) err = NULL;

    if (source_from_name(name, &above, &source, &format, &err)) {
        if (err || (source->type == STORAGE_FILE && *source->path != '/'))
            abort();
    } else if (!err || source || format) {
        abort();
    }
}

static void fuzz_check(const ImageInfo *info)
{
    if (info->virtual_bytes > INT64_MAX ||
        (info->backing && strlen(info->backing) > IMAGE_BACKING_NAME_MAX) ||
        (info->extents && info->extents->len > IMAGE_EXTENTS_MAX))
        abort();
    if (info->backing)
        fuzz_name(info->backing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ImageFormat looks_like;

    if (size < 7)
        return 0;
    if (data[0] >= FUZZ_NAME) {
        g_autofree char *name = g_strndup((const char *)data + 1, size - 1);
        fuzz_name(name);
        return 0;
    }
    Pieces pieces = { .data = data + 7, .size = size - 7 };
    const ImageReader reader = { .read = pieces_read,
                                 .data = &pieces,
                                 .size = (uint64_t)le32(data + 1) * 512 + le16(data + 5) % 512 };
    g_auto(ImageInfo) info = { 0 };
    g_autoptr(Error) err = NULL;
    if (image_read_header_from(&reader, (ImageFormat)(data[0] % IMAGE_FORMAT_COUNT), &info, &err))
        fuzz_check(&info);
    else if (!err)
        abort();
    if (!image_detect_format_from(&reader, &looks_like, NULL) || looks_like >= IMAGE_FORMAT_COUNT)
        abort();
    return 0;
}
