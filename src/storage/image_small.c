/* The formats whose header is one small struct: qed, vdi, parallels, dmg, cloop, bochs, iso. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_private.h"

/* ---- qed (QEMU's docs/interop/qed_spec) ---- */

enum { QED_BACKING = 1, QED_NEED_CHECK = 2, QED_BACKING_RAW = 4, QED_KNOWN = 7 };

bool image_read_qed(Image *image)
{
    ImageInfo *info = image->info;
    uint8_t header[64];

    if (image->size < 4 || memcmp(image->window, "QED\0", 4) != 0)
        return image_not(image);
    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    const uint32_t cluster = le32_at(header + 4), table = le32_at(header + 8);
    if (!is_power_of_two(cluster) || cluster < 1u << 12 || cluster > 1u << 26)
        return image_bad(image, "clusters have %u bytes, not a power of two from 2^12 to 2^26", cluster);
    if (!is_power_of_two(table) || table > 16)
        return image_bad(image, "tables have %u clusters, not 1, 2, 4, 8 or 16", table);
    info->cluster_bytes = cluster;
    info->incompatible = le64_at(header + 16);
    info->compatible = le64_at(header + 24);
    info->autoclear = le64_at(header + 32);
    info->has_unknown_features = info->incompatible & ~(uint64_t)QED_KNOWN;
    info->is_dirty = info->incompatible & QED_NEED_CHECK;
    info->virtual_bytes = le64_at(header + 48);
    if (!(info->incompatible & QED_BACKING))
        return true;
    info->backing = image_get_text(image, le32_at(header + 56), le32_at(header + 60), IMAGE_BACKING_NAME_MAX,
                                   "the name of the backing file");
    if (info->incompatible & QED_BACKING_RAW)
        info->backing_format = g_strdup("raw");
    return info->backing != NULL;
}

/* ---- vdi ---- */

enum { VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_UNDO = 3, VDI_DIFFERENCING = 4 };

bool image_read_vdi(Image *image)
{
    static const char *const names[] = { "dynamic", "fixed", "undo", "differencing" };
    ImageInfo *info = image->info;
    uint8_t header[512];

    if (image->size < 68 || le32_at(image->window + 64) != 0xbeda107fu)
        return image_not(image);
    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    const uint32_t version = le32_at(header + 0x44), type = le32_at(header + 0x4c);
    const uint64_t size = le64_at(header + 0x170), n_blocks = le32_at(header + 0x180);
    if (version != 0x00010001)
        return image_unknown_version(image, version >> 16);
    if (type < VDI_DYNAMIC || type > VDI_DIFFERENCING)
        return image_bad(image, "image type %u is not known", type);
    info->version = version >> 16;
    info->subformat = g_strdup(names[type - VDI_DYNAMIC]);
    info->cluster_bytes = le32_at(header + 0x178);
    if (!is_power_of_two(info->cluster_bytes))
        return image_bad(image, "blocks have %" PRIu64 " bytes, no power of two", info->cluster_bytes);
    if (size > INT64_MAX - SECTOR_BYTES || (size + info->cluster_bytes - 1) / info->cluster_bytes > n_blocks)
        return image_bad(image, "the disk has %" PRIu64 " bytes, more than its %" PRIu64 " blocks", size,
                         n_blocks);
    info->virtual_bytes = (size + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES; /* as QEMU shows it */
    return true;
}

/* ---- parallels (QEMU's docs/interop/parallels), which documents call ploop ---- */

#define PARALLELS_IN_USE 0x746f6e59u

bool image_read_parallels(Image *image)
{
    uint8_t header[64];

    if (image->size < 16)
        return image_not(image);
    const bool is_old = memcmp(image->window, "WithoutFreeSpace", 16) == 0;
    if (!is_old && memcmp(image->window, "WithouFreSpacExt", 16) != 0)
        return image_not(image);
    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    if (le32_at(header + 16) != 2)
        return image_unknown_version(image, le32_at(header + 16));
    image->info->version = 2;
    image->info->cluster_bytes = (uint64_t)le32_at(header + 28) * SECTOR_BYTES;
    if (image->info->cluster_bytes == 0)
        return image_bad(image, "clusters have 0 bytes");
    image->info->is_dirty = le32_at(header + 44) == PARALLELS_IN_USE;
    return image_scale(image, is_old ? le32_at(header + 36) : le64_at(header + 36), SECTOR_BYTES, "the disk",
                       &image->info->virtual_bytes);
}

/* ---- dmg: the last 512 bytes, the "koly" block ---- */

bool image_read_dmg(Image *image)
{
    uint8_t trailer[512];

    if (image->size < sizeof(trailer))
        return image_not(image);
    if (!image_get(image, image->size - sizeof(trailer), trailer, sizeof(trailer), "the trailer"))
        return false;
    if (memcmp(trailer, "koly", 4) != 0)
        return image_not(image);
    image->info->version = be32_at(trailer + 4);
    return image_scale(image, be64_at(trailer + 492), SECTOR_BYTES, "the disk", &image->info->virtual_bytes);
}

/* ---- cloop: a script of 128 bytes, then size and number of the blocks ---- */

bool image_read_cloop(Image *image)
{
    static const char magic[] = "#!/bin/sh\n#V2.0 Format";
    uint8_t header[8];

    if (image->size < sizeof(magic) || memcmp(image->window, magic, sizeof(magic) - 1) != 0)
        return image_not(image);
    if (!image_get(image, 128, header, sizeof(header), "the header"))
        return false;
    const uint32_t block = be32_at(header);
    if (block == 0 || block % SECTOR_BYTES || block > 64u << 20)
        return image_bad(image, "blocks have %u bytes, not a multiple of %u up to %u", block, SECTOR_BYTES,
                         64u << 20);
    image->info->version = 2;
    image->info->cluster_bytes = block;
    image->info->is_compressed = true;
    return image_scale(image, be32_at(header + 4), block, "the disk", &image->info->virtual_bytes);
}

/* ---- bochs: "growing" images ---- */

bool image_read_bochs(Image *image)
{
    uint8_t header[96];

    if (image->size < 32 || memcmp(image->window, "Bochs Virtual HD Image", 23) != 0)
        return image_not(image);
    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    const uint32_t version = le32_at(header + 64);
    if (memcmp(header + 32, "Redolog", 8) != 0 || memcmp(header + 48, "Growing", 8) != 0)
        return image_bad(image, "it is no redolog of type 'Growing'");
    if (version != 0x00010000 && version != 0x00020000)
        return image_unknown_version(image, version >> 16);
    image->info->version = version >> 16;
    image->info->cluster_bytes = le32_at(header + 80);
    image->info->virtual_bytes =
        le64_at(header + (version == 0x00010000 ? 84 : 88)) / SECTOR_BYTES * SECTOR_BYTES;
    return true;
}

/* ---- iso (ECMA-119): the primary volume descriptor in sector 16 ---- */

bool image_read_iso(Image *image)
{
    uint8_t descriptor[136];

    if (image->size < 32768 + sizeof(descriptor))
        return image_not(image);
    if (!image_get(image, 32768, descriptor, sizeof(descriptor), "the volume descriptor"))
        return false;
    if (memcmp(descriptor + 1, "CD001", 5) != 0)
        return image_not(image);
    g_autofree char *label = g_strndup((const char *)descriptor + 40, 32);
    image->info->version = descriptor[6];
    image->info->subformat = g_strdup(g_strchomp(label));
    image->info->virtual_bytes = image->size; /* for the guest it is the file */
    return true;
}
