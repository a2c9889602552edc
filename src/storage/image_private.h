/* What the readers of the formats share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <inttypes.h>
#include <string.h>

#include "storage/image.h"

#define SECTOR_BYTES 512u
#define IMAGE_WINDOW 4096u

/* An image that is being read. */
typedef struct Image {
    const ImageReader *reader;
    uint64_t size;                /* bytes */
    uint8_t window[IMAGE_WINDOW]; /* the beginning: most headers fit, and cost one read */
    size_t n_window;
    ImageFormat format;
    ImageInfo *info; /* cleared by the caller on failure */
    Error **err;
} Image;

/* Fills @buffer with @len bytes at @offset; ERROR_OPERATION_FAILED naming @what if they are not all there. */
MUST_CHECK bool image_get(Image *image, uint64_t offset, void *buffer, size_t len, const char *what);
/* The text of @len bytes, at most @max, at @offset, up to a NUL. Owned; NULL on failure. */
char *image_get_text(Image *image, uint64_t offset, uint64_t len, size_t max, const char *what);

/* ERROR_OPERATION_FAILED: "qcow2 image: ..." */
PRINTF(2, 3) bool image_bad(Image *image, const char *format, ...);
bool image_not(Image *image); /* no image of that format */
bool image_unknown_version(Image *image, uint64_t version);
/* *ret_bytes = @count * @unit; fails naming @what if no disk can have that size. */
MUST_CHECK bool image_scale(Image *image, uint64_t count, uint64_t unit, const char *what,
                            uint64_t *ret_bytes);

/* One per format; the magic is checked by each. */
bool image_read_qcow2(Image *image); /* and qcow */
bool image_read_qed(Image *image);
bool image_read_vmdk(Image *image);
bool image_read_vdi(Image *image);
bool image_read_vpc(Image *image);
bool image_read_vhdx(Image *image);
bool image_read_parallels(Image *image);
bool image_read_luks(Image *image);
bool image_read_dmg(Image *image);
bool image_read_cloop(Image *image);
bool image_read_bochs(Image *image);
bool image_read_iso(Image *image);
/* A LUKS header that begins at @base of the file; its offsets count from there. */
MUST_CHECK bool image_read_luks_at(Image *image, uint64_t base);

static inline uint16_t be16_at(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t be32_at(const uint8_t *p)
{
    return (uint32_t)be16_at(p) << 16 | be16_at(p + 2);
}
static inline uint64_t be64_at(const uint8_t *p)
{
    return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}
static inline uint16_t le16_at(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}
static inline uint32_t le32_at(const uint8_t *p)
{
    return (uint32_t)le16_at(p + 2) << 16 | le16_at(p);
}
static inline uint64_t le64_at(const uint8_t *p)
{
    return (uint64_t)le32_at(p + 4) << 32 | le32_at(p);
}
static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}
