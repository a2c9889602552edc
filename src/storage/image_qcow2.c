/* qcow2 (versions 2 and 3) and its ancestor qcow (version 1), as QEMU's docs/interop/qcow2 describes them.
 *
 * Tables of snapshots and bitmaps are walked entry by entry: memory is taken for names that were read, never
 * for a number of entries that the header promises. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_private.h"

#define QCOW2_MAGIC "QFI\xfb"
#define V2_HEADER_BYTES 72u
#define V3_HEADER_BYTES 104u
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21 /* QEMU opens nothing larger */

enum {
    INCOMPATIBLE_DIRTY = 1,
    INCOMPATIBLE_CORRUPT = 2,
    INCOMPATIBLE_DATA_FILE = 4,
    INCOMPATIBLE_COMPRESSION = 8,
    INCOMPATIBLE_EXTENDED_L2 = 16,
    INCOMPATIBLE_KNOWN = 31
};
enum { COMPATIBLE_LAZY_REFCOUNTS = 1 };
enum { AUTOCLEAR_BITMAPS = 1, AUTOCLEAR_RAW_DATA_FILE = 2 };
enum { CRYPT_NONE, CRYPT_AES, CRYPT_LUKS };

#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSION_BITMAPS 0x23852875u
#define EXTENSION_ENCRYPTION 0x0537be77u
#define EXTENSION_DATA_FILE 0x44415441u

static bool read_backing(Image *image, uint64_t offset, uint64_t len)
{
    if (offset == 0 || len == 0)
        return true;
    if (image->format == IMAGE_QCOW2 && offset >= image->info->cluster_bytes)
        return image_bad(image, "the name of the backing file (at %" PRIu64 ") lies outside of the header",
                         offset);
    image->info->backing =
        image_get_text(image, offset, len, IMAGE_BACKING_NAME_MAX, "the name of the backing file");
    return image->info->backing != NULL;
}

/* ---- snapshots ---- */

#define SNAPSHOT_BYTES 40u
#define SNAPSHOT_EXTRA_MAX 1024u

static bool read_snapshot(Image *image, uint64_t start, uint64_t *io_offset)
{
    uint8_t raw[SNAPSHOT_BYTES], extra[16] = { 0 };
    uint64_t offset = *io_offset;

    if (!image_get(image, offset, raw, sizeof(raw), "the table of snapshots"))
        return false;
    const size_t id_len = be16_at(raw + 12), name_len = be16_at(raw + 14);
    const uint32_t extra_len = be32_at(raw + 36);
    if (extra_len > SNAPSHOT_EXTRA_MAX)
        return image_bad(image, "a snapshot has %u bytes of extra data, more than %u", extra_len,
                         SNAPSHOT_EXTRA_MAX);
    const uint64_t len = SNAPSHOT_BYTES + extra_len + id_len + name_len;
    if (offset + len - start > IMAGE_TABLE_MAX)
        return image_bad(image, "the table of snapshots is longer than %u bytes", IMAGE_TABLE_MAX);
    offset += SNAPSHOT_BYTES;
    if (!image_get(image, offset, extra, MIN(extra_len, sizeof(extra)), "the table of snapshots"))
        return false;
    offset += extra_len;

    ImageSnapshot *snapshot = g_new0(ImageSnapshot, 1);
    g_ptr_array_add(image->info->snapshots, snapshot);
    *snapshot = (ImageSnapshot){
        .time_s = be32_at(raw + 16),
        .time_ns = be32_at(raw + 20),
        .vm_clock_ns = be64_at(raw + 24),
        .vm_state_bytes = extra_len >= 8 ? be64_at(extra) : be32_at(raw + 32),
        .disk_bytes = extra_len >= 16 ? be64_at(extra + 8) : 0,
    };
    snapshot->id = image_get_text(image, offset, id_len, UINT16_MAX, "the id of a snapshot");
    if (!snapshot->id)
        return false;
    snapshot->name = image_get_text(image, offset + id_len, name_len, UINT16_MAX, "the name of a snapshot");
    *io_offset += (len + 7) & ~UINT64_C(7);
    return snapshot->name != NULL;
}

static bool read_snapshots(Image *image, uint32_t count, uint64_t offset)
{
    const uint64_t start = offset;

    if (count > IMAGE_SNAPSHOTS_MAX)
        return image_bad(image, "it has %u snapshots, more than %u", count, IMAGE_SNAPSHOTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_snapshot(image, start, &offset))
            return false;
    }
    return true;
}

/* ---- bitmaps ---- */

#define BITMAP_BYTES 24u
enum { BITMAP_IN_USE = 1, BITMAP_AUTO = 2 };

static bool read_bitmap(Image *image, uint64_t end, uint64_t *io_offset)
{
    uint8_t raw[BITMAP_BYTES];

    if (end - *io_offset < sizeof(raw))
        return image_bad(image, "the list of bitmaps is shorter than the bitmaps in it");
    if (!image_get(image, *io_offset, raw, sizeof(raw), "the list of bitmaps"))
        return false;
    const uint32_t flags = be32_at(raw + 12);
    const uint8_t granularity_bits = raw[17];
    const size_t name_len = be16_at(raw + 18);
    const uint32_t extra_len = be32_at(raw + 20);
    const uint64_t len = ((uint64_t)BITMAP_BYTES + extra_len + name_len + 7) & ~UINT64_C(7);
    if (granularity_bits > 63)
        return image_bad(image, "a bitmap has a granularity of 2^%u bytes", granularity_bits);
    if (len > end - *io_offset)
        return image_bad(image, "the list of bitmaps is shorter than the bitmaps in it");

    ImageBitmap *bitmap = g_new0(ImageBitmap, 1);
    g_ptr_array_add(image->info->bitmaps, bitmap);
    *bitmap = (ImageBitmap){ .granularity_bytes = UINT64_C(1) << granularity_bits,
                             .is_in_use = flags & BITMAP_IN_USE,
                             .is_auto = flags & BITMAP_AUTO };
    bitmap->name = image_get_text(image, *io_offset + BITMAP_BYTES + extra_len, name_len, UINT16_MAX,
                                  "the name of a bitmap");
    *io_offset += len;
    return bitmap->name != NULL;
}

static bool read_bitmaps(Image *image, uint64_t offset, uint32_t len)
{
    uint8_t raw[24];

    if (!(image->info->autoclear & AUTOCLEAR_BITMAPS))
        return true; /* somebody who does not know bitmaps has written since: they mean nothing */
    if (len != sizeof(raw))
        return image_bad(image, "the header extension of bitmaps has %u bytes instead of %zu", len,
                         sizeof(raw));
    if (!image_get(image, offset, raw, sizeof(raw), "the header extension of bitmaps"))
        return false;
    const uint32_t count = be32_at(raw);
    const uint64_t size = be64_at(raw + 8);
    uint64_t at = be64_at(raw + 16);
    if (count > IMAGE_BITMAPS_MAX)
        return image_bad(image, "it has %u bitmaps, more than %u", count, IMAGE_BITMAPS_MAX);
    if (size > IMAGE_TABLE_MAX)
        return image_bad(image, "the list of bitmaps has %" PRIu64 " bytes, more than %u", size,
                         IMAGE_TABLE_MAX);
    if (at > image->size || size > image->size - at)
        return image_bad(image, "the list of bitmaps lies behind the end of the file");
    const uint64_t end = at + size;
    g_ptr_array_set_size(image->info->bitmaps, 0); /* the extension may be there twice */
    for (uint32_t i = 0; i < count; i++) {
        if (!read_bitmap(image, end, &at))
            return false;
    }
    return true;
}

/* ---- the header ---- */

static bool read_encryption(Image *image, uint64_t offset, uint32_t len)
{
    uint8_t raw[16];

    if (image->info->encryption.kind != IMAGE_LUKS1)
        return true;
    if (len < sizeof(raw))
        return image_bad(image, "the header extension of encryption has %u bytes instead of %zu", len,
                         sizeof(raw));
    if (!image_get(image, offset, raw, sizeof(raw), "the header extension of encryption"))
        return false;
    if (image->info->encryption.cipher)
        return image_bad(image, "it has two header extensions of encryption");
    return image_read_luks_at(image, be64_at(raw));
}

static bool read_text(Image *image, uint64_t offset, uint32_t len, const char *what, char **io_text)
{
    g_clear_pointer(io_text, g_free);
    *io_text = image_get_text(image, offset, len, IMAGE_BACKING_NAME_MAX, what);
    return *io_text != NULL;
}

static bool read_extension(Image *image, uint32_t type, uint64_t offset, uint32_t len)
{
    switch (type) {
    case EXTENSION_BACKING_FORMAT:
        return read_text(image, offset, len, "the format of the backing file", &image->info->backing_format);
    case EXTENSION_DATA_FILE:
        return read_text(image, offset, len, "the name of the data file", &image->info->data_file);
    case EXTENSION_ENCRYPTION:
        return read_encryption(image, offset, len);
    case EXTENSION_BITMAPS:
        return read_bitmaps(image, offset, len);
    default:
        return true;
    }
}

/* {type, length, data padded to 8}, ended by type 0, the name of the backing file or the first cluster. */
static bool read_extensions(Image *image, uint64_t offset, uint64_t end)
{
    uint8_t raw[8];

    while (offset + sizeof(raw) <= end && offset + sizeof(raw) <= image->size) {
        if (!image_get(image, offset, raw, sizeof(raw), "the header extensions"))
            return false;
        const uint32_t type = be32_at(raw), len = be32_at(raw + 4);
        offset += sizeof(raw);
        if (type == 0)
            break;
        if (len > end - offset)
            return image_bad(image, "header extension 0x%08x (%u bytes) is longer than the header", type,
                             len);
        if (!read_extension(image, type, offset, len))
            return false;
        offset += ((uint64_t)len + 7) & ~UINT64_C(7);
    }
    return true;
}

static bool read_features(Image *image, const uint8_t *header, uint32_t header_len)
{
    ImageInfo *info = image->info;

    info->incompatible = be64_at(header + 72);
    info->compatible = be64_at(header + 80);
    info->autoclear = be64_at(header + 88);
    info->has_unknown_features = info->incompatible & ~(uint64_t)INCOMPATIBLE_KNOWN;
    info->is_dirty = info->incompatible & INCOMPATIBLE_DIRTY;
    info->is_corrupt = info->incompatible & INCOMPATIBLE_CORRUPT;
    info->has_data_file = info->incompatible & INCOMPATIBLE_DATA_FILE;
    info->has_extended_l2 = info->incompatible & INCOMPATIBLE_EXTENDED_L2;
    info->has_lazy_refcounts = info->compatible & COMPATIBLE_LAZY_REFCOUNTS;
    info->is_data_file_raw = info->has_data_file && (info->autoclear & AUTOCLEAR_RAW_DATA_FILE);
    if (be32_at(header + 96) > 6)
        return image_bad(image, "reference counts have 2^%u bits", be32_at(header + 96));
    info->refcount_bits = 1u << be32_at(header + 96);
    if (!(info->incompatible & INCOMPATIBLE_COMPRESSION))
        return true;
    uint8_t compression;
    if (header_len <= V3_HEADER_BYTES)
        return image_bad(image, "the header does not say how it is compressed");
    if (!image_get(image, V3_HEADER_BYTES, &compression, 1, "the header"))
        return false;
    if (compression != 1)
        return image_bad(image, "compression type %u is not known", compression);
    info->has_zstd = true;
    return true;
}

static bool read_crypt_method(Image *image, uint32_t method)
{
    static const ImageEncryptionKind kinds[] = { IMAGE_PLAIN, IMAGE_AES, IMAGE_LUKS1 };

    if (method >= G_N_ELEMENTS(kinds))
        return image_bad(image, "encryption method %u is not known", method);
    image->info->encryption.kind = kinds[method];
    return true;
}

static bool check_table(Image *image, uint64_t offset, uint64_t n, unsigned entry_bytes, const char *what)
{
    if (offset & (image->info->cluster_bytes - 1))
        return image_bad(image, "%s (at %" PRIu64 ") does not begin at a cluster", what, offset);
    if (n > (32u << 20) / entry_bytes)
        return image_bad(image, "%s has %" PRIu64 " entries, more than %u", what, n,
                         (32u << 20) / entry_bytes);
    return true;
}

static bool read_header(Image *image, const uint8_t *header, uint32_t version)
{
    ImageInfo *info = image->info;
    const uint32_t cluster_bits = be32_at(header + 20);

    if (cluster_bits < CLUSTER_BITS_MIN || cluster_bits > CLUSTER_BITS_MAX)
        return image_bad(image, "clusters have 2^%u bytes, not between 2^%d and 2^%d", cluster_bits,
                         CLUSTER_BITS_MIN, CLUSTER_BITS_MAX);
    info->cluster_bytes = UINT64_C(1) << cluster_bits;
    info->virtual_bytes = be64_at(header + 24);
    info->version = version;
    info->refcount_bits = 16;
    uint32_t header_len = V2_HEADER_BYTES;
    if (version == 3) {
        header_len = be32_at(header + 100);
        if (header_len < V3_HEADER_BYTES || header_len > info->cluster_bytes)
            return image_bad(image, "the header has %u bytes, not between %u and %" PRIu64, header_len,
                             V3_HEADER_BYTES, info->cluster_bytes);
        if (!read_features(image, header, header_len))
            return false;
    }
    const uint64_t backing_offset = be64_at(header + 8);
    if (!check_table(image, be64_at(header + 40), be32_at(header + 36), 8, "the L1 table") ||
        !check_table(image, be64_at(header + 48), be32_at(header + 56), 512,
                     "the table of reference counts") ||
        !check_table(image, be64_at(header + 64), 0, 1, "the table of snapshots") ||
        !read_crypt_method(image, be32_at(header + 32)) ||
        !read_backing(image, backing_offset, be32_at(header + 16)) ||
        !read_extensions(image, header_len, info->backing ? backing_offset : info->cluster_bytes))
        return false;
    if (info->encryption.kind == IMAGE_LUKS1 && !info->encryption.cipher)
        return image_bad(image, "it is encrypted by LUKS, but has no LUKS header");
    return read_snapshots(image, be32_at(header + 60), be64_at(header + 64));
}

static bool read_qcow(Image *image)
{
    uint8_t header[48];

    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    if (header[32] < CLUSTER_BITS_MIN || header[32] > 16)
        return image_bad(image, "clusters have 2^%u bytes, not between 2^%d and 2^16", header[32],
                         CLUSTER_BITS_MIN);
    image->info->version = 1;
    image->info->cluster_bytes = UINT64_C(1) << header[32];
    image->info->virtual_bytes = be64_at(header + 24);
    if (be32_at(header + 36) == CRYPT_LUKS)
        return image_bad(image, "encryption method %d is not known", CRYPT_LUKS);
    return read_crypt_method(image, be32_at(header + 36)) &&
           read_backing(image, be64_at(header + 8), be32_at(header + 16));
}

bool image_read_qcow2(Image *image)
{
    uint8_t header[V3_HEADER_BYTES] = { 0 };

    if (image->size < 8 || memcmp(image->window, QCOW2_MAGIC, 4) != 0)
        return image_not(image);
    const uint32_t version = be32_at(image->window + 4);
    if (image->format == IMAGE_QCOW ? version != 1 : version == 1)
        return image_not(image);
    if (version == 1)
        return read_qcow(image);
    if (version > 3 || version < 2)
        return image_unknown_version(image, version);
    if (!image_get(image, 0, header, version == 3 ? V3_HEADER_BYTES : V2_HEADER_BYTES, "the header"))
        return false;
    return read_header(image, header, version);
}
