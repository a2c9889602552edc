/* The formats of Microsoft: vpc (the "Virtual Hard Disk Image Format Specification") and vhdx (MS-VHDX).
 *
 * A log of vhdx that was not replayed may hold newer metadata; sizes do not change by it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_private.h"

/* UTF-16 of @len bytes as UTF-8, up to a NUL. Owned; NULL if it is empty or none. */
static char *utf16_text(const uint8_t *bytes, size_t len, bool big_endian)
{
    g_autofree gunichar2 *units = g_new0(gunichar2, len / 2 + 1);

    for (size_t i = 0; i < len / 2; i++)
        units[i] = big_endian ? be16_at(bytes + 2 * i) : le16_at(bytes + 2 * i);
    char *text = g_utf16_to_utf8(units, -1, NULL, NULL, NULL);
    if (text && *text == '\0')
        g_clear_pointer(&text, g_free);
    return text;
}

/* ---- vpc ---- */

#define VPC_BYTES 512u
enum { VPC_FIXED = 2, VPC_DYNAMIC = 3, VPC_DIFFERENCING = 4 };

/* The size is the one of the geometry, which is rounded, except of images of those programs that are known to
 * mean the other number; QEMU (7.2) decides likewise. */
static uint64_t vpc_size(const uint8_t *footer)
{
    static const char exact[][5] = { "win ", "qem2", "d2v ", "tap\0", "CTXS" };
    const uint64_t cylinders = be16_at(footer + 56), heads = footer[58], sectors = footer[59];

    for (size_t i = 0; i < G_N_ELEMENTS(exact); i++) {
        if (memcmp(footer + 28, exact[i], 4) == 0)
            return be64_at(footer + 48);
    }
    if (cylinders == 65535 && heads == 16 && sectors == 255)
        return be64_at(footer + 48); /* more than a geometry can say */
    return cylinders * heads * sectors * SECTOR_BYTES;
}

static bool read_vpc_sparse(Image *image, uint64_t offset, bool has_parent)
{
    uint8_t header[1024];
    ImageInfo *info = image->info;

    if (!image_get(image, offset, header, sizeof(header), "the header of a dynamic disk"))
        return false;
    if (memcmp(header, "cxsparse", 8) != 0)
        return image_bad(image, "at %" PRIu64 " there is no header of a dynamic disk", offset);
    const uint32_t block = be32_at(header + 32);
    if (!is_power_of_two(block) || block < SECTOR_BYTES)
        return image_bad(image, "blocks have %u bytes, no power of two", block);
    const uint64_t n_blocks = be32_at(header + 28);
    if ((info->virtual_bytes + block - 1) / block > n_blocks)
        return image_bad(image, "the table has room for %" PRIu64 " blocks, fewer than the disk", n_blocks);
    info->cluster_bytes = block;
    if (!has_parent)
        return true;
    info->backing = utf16_text(header + 64, 512, true);
    if (!info->backing)
        return image_bad(image, "it has a parent without a name");
    info->backing_format = g_strdup("vpc");
    return true;
}

bool image_read_vpc(Image *image)
{
    static const char *const names[] = { "fixed", "dynamic", "differencing" };
    uint8_t footer[VPC_BYTES];

    if (image->size < sizeof(footer))
        return image_not(image);
    memcpy(footer, image->window, sizeof(footer)); /* a copy of the footer, unless the disk is fixed */
    if (memcmp(footer, "conectix", 8) != 0 &&
        !image_get(image, image->size - sizeof(footer), footer, sizeof(footer), "the footer"))
        return false;
    if (memcmp(footer, "conectix", 8) != 0)
        return image_not(image);
    const uint32_t version = be32_at(footer + 12), type = be32_at(footer + 60);
    if (version >> 16 != 1)
        return image_unknown_version(image, version >> 16);
    if (type < VPC_FIXED || type > VPC_DIFFERENCING)
        return image_bad(image, "disk type %u is not known", type);
    image->info->version = version >> 16;
    image->info->subformat = g_strdup(names[type - VPC_FIXED]);
    image->info->virtual_bytes = vpc_size(footer);
    if (type == VPC_FIXED)
        return true;
    if (image->info->virtual_bytes > INT64_MAX)
        return image_bad(image, "the disk has %" PRIu64 " bytes", image->info->virtual_bytes);
    return read_vpc_sparse(image, be64_at(footer + 16), type == VPC_DIFFERENCING);
}

/* ---- vhdx ---- */

#define REGION_TABLE_1 (192u << 10)
#define REGION_TABLE_2 (256u << 10)
#define TABLE_ENTRIES_MAX 2047 /* what both kinds of tables can hold */
#define METADATA_TABLE_BYTES (64u << 10)
#define PARENT_MAX (1u << 20) /* bytes of the parent locator */

/* GUIDs as they lie in the file. */
static const uint8_t region_metadata[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                             0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };
static const uint8_t item_parameters[16] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                             0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b };
static const uint8_t item_size[16] = { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                       0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8 };
static const uint8_t item_parent[16] = { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
                                         0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c };

/* Finds @guid in a table of @n entries of 32 bytes; NULL: not there. */
static const uint8_t *find_guid(const uint8_t *entries, unsigned n, const uint8_t guid[16])
{
    for (unsigned i = 0; i < n; i++) {
        if (memcmp(entries + (size_t)i * 32, guid, 16) == 0)
            return entries + (size_t)i * 32;
    }
    return NULL;
}

/* Where the metadata lies; the second table counts if the first is damaged. */
static bool find_metadata(Image *image, uint64_t *ret_offset)
{
    static const uint64_t tables[] = { REGION_TABLE_1, REGION_TABLE_2 };
    g_autofree uint8_t *table = g_malloc(METADATA_TABLE_BYTES);

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        if (!image_get(image, tables[i], table, METADATA_TABLE_BYTES, "the region table"))
            return false;
        const uint32_t n = le32_at(table + 8);
        if (memcmp(table, "regi", 4) != 0 || n > TABLE_ENTRIES_MAX)
            continue;
        const uint8_t *entry = find_guid(table + 16, n, region_metadata);
        if (entry) {
            *ret_offset = le64_at(entry + 16);
            return true;
        }
    }
    return image_bad(image, "no region table leads to the metadata");
}

/* {type 16 bytes, reserved 2, count 2}, then per pair: offsets of key and value 4 + 4, lengths 2 + 2. */
static bool read_vhdx_parent(Image *image, uint64_t offset, uint32_t len)
{
    static const char *const wanted[] = { "relative_path", "absolute_win32_path", "volume_path" };
    unsigned best = G_N_ELEMENTS(wanted);

    if (len < 20 || len > PARENT_MAX)
        return image_bad(image, "the parent locator has %u bytes, not between 20 and %u", len, PARENT_MAX);
    g_autofree uint8_t *raw = g_malloc(len);
    if (!image_get(image, offset, raw, len, "the parent locator"))
        return false;
    const unsigned n = MIN(le16_at(raw + 18), (len - 20) / 12);
    for (unsigned i = 0; i < n && best > 0; i++) {
        const uint8_t *pair = raw + 20 + i * 12;
        const uint32_t key_at = le32_at(pair), value_at = le32_at(pair + 4);
        const uint16_t key_len = le16_at(pair + 8), value_len = le16_at(pair + 10);
        if (key_at > len || key_len > len - key_at || value_at > len || value_len > len - value_at)
            return image_bad(image, "an entry of the parent locator lies outside of it");
        g_autofree char *key = utf16_text(raw + key_at, key_len, false);
        for (unsigned k = 0; key && k < best; k++) {
            if (strcmp(key, wanted[k]) != 0)
                continue;
            g_free(image->info->backing);
            image->info->backing = utf16_text(raw + value_at, value_len, false);
            best = k;
        }
    }
    if (!image->info->backing)
        return image_bad(image, "the parent locator names no file");
    if (strlen(image->info->backing) > IMAGE_BACKING_NAME_MAX)
        return image_bad(image, "the name of the parent has more than %d bytes", IMAGE_BACKING_NAME_MAX);
    image->info->backing_format = g_strdup("vhdx");
    return true;
}

static bool read_vhdx_metadata(Image *image, uint64_t base)
{
    ImageInfo *info = image->info;
    uint8_t raw[8];
    g_autofree uint8_t *table = g_malloc(METADATA_TABLE_BYTES);

    if (!image_get(image, base, table, METADATA_TABLE_BYTES, "the metadata table"))
        return false;
    const uint16_t n = le16_at(table + 10);
    if (memcmp(table, "metadata", 8) != 0 || n > TABLE_ENTRIES_MAX)
        return image_bad(image, "at %" PRIu64 " there is no metadata table", base);
    const uint8_t *parameters = find_guid(table + 32, n, item_parameters);
    const uint8_t *size = find_guid(table + 32, n, item_size);
    const uint8_t *parent = find_guid(table + 32, n, item_parent);
    if (!parameters || !size)
        return image_bad(image, "the metadata does not say the size");
    /* @base and an offset of 32 bits cannot overflow: @base lies in the file. */
    if (!image_get(image, base + le32_at(size + 16), raw, 8, "the size of the disk"))
        return false;
    info->virtual_bytes = le64_at(raw);
    if (!image_get(image, base + le32_at(parameters + 16), raw, 8, "the parameters of the file"))
        return false;
    const uint32_t block = le32_at(raw), flags = le32_at(raw + 4);
    if (!is_power_of_two(block) || block < 1u << 20 || block > 256u << 20)
        return image_bad(image, "blocks have %u bytes, not a power of two from %u to %u", block, 1u << 20,
                         256u << 20);
    info->cluster_bytes = block;
    info->subformat = g_strdup(flags & 2 ? "differencing" : flags & 1 ? "fixed" : "dynamic");
    if (!(flags & 2))
        return true;
    if (!parent)
        return image_bad(image, "it has a parent, but does not name it");
    return read_vhdx_parent(image, base + le32_at(parent + 16), le32_at(parent + 20));
}

bool image_read_vhdx(Image *image)
{
    uint64_t metadata = 0;

    if (image->size < 8 || memcmp(image->window, "vhdxfile", 8) != 0)
        return image_not(image);
    image->info->version = 1;
    return find_metadata(image, &metadata) && read_vhdx_metadata(image, metadata);
}
