/* LUKS headers, versions 1 (LUKS On-Disk Format Specification 1.2) and 2 (the LUKS2 one), alone and inside of
 * a qcow2 image. Only what is readable without a key. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "storage/image_private.h"

#define LUKS_MAGIC "LUKS\xba\xbe"
#define LUKS1_HEADER_BYTES 592u
#define LUKS1_SLOTS 8
#define LUKS1_SLOT_USED 0x00ac71f3u
#define LUKS2_BINARY_BYTES 4096u
#define LUKS2_HEADER_MAX (4u << 20) /* the largest that the specification allows */

static char *fixed_text(const uint8_t *from, size_t len)
{
    return from[0] ? g_strndup((const char *)from, len) : NULL;
}

static bool read_luks1(Image *image, uint64_t base)
{
    uint8_t header[LUKS1_HEADER_BYTES];
    ImageEncryption *luks = &image->info->encryption;

    if (!image_get(image, base, header, sizeof(header), "the LUKS header"))
        return false;
    luks->kind = IMAGE_LUKS1;
    luks->cipher = g_strndup((const char *)header + 8, 32);
    luks->mode = fixed_text(header + 40, 32);
    luks->hash = fixed_text(header + 72, 32);
    luks->uuid = fixed_text(header + 168, 40);
    luks->payload_offset_bytes = (uint64_t)be32_at(header + 104) * SECTOR_BYTES;
    luks->key_bytes = be32_at(header + 108);
    luks->sector_bytes = SECTOR_BYTES;
    if (luks->key_bytes > 512)
        return image_bad(image, "the LUKS key has %u bytes, more than 512", luks->key_bytes);
    for (unsigned i = 0; i < LUKS1_SLOTS; i++)
        luks->n_keyslots += be32_at(header + 208 + i * 48) == LUKS1_SLOT_USED;
    return true;
}

/* A number that the JSON has as text. */
static uint64_t json_text_uint(const Json *object, const char *key)
{
    const char *text = json_get_str(object, key);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static bool read_luks2_segment(Image *image, const Json *root)
{
    ImageEncryption *luks = &image->info->encryption;
    Json *segments = json_get_obj(root, "segments");
    const char *key;
    Json *segment;

    json_object_foreach (segments, key, segment) {
        const char *encryption = json_get_str(segment, "encryption");
        if (g_strcmp0(json_get_str(segment, "type"), "crypt") != 0 || !encryption)
            continue;
        const char *dash = strchr(encryption, '-');
        luks->cipher = dash ? g_strndup(encryption, (size_t)(dash - encryption)) : g_strdup(encryption);
        luks->mode = g_strdup(dash ? dash + 1 : NULL);
        luks->payload_offset_bytes = json_text_uint(segment, "offset");
        luks->sector_bytes = json_get_uint(segment, "sector_size", SECTOR_BYTES);
        return true;
    }
    return image_bad(image, "the LUKS2 header has no encrypted segment");
}

static bool read_luks2(Image *image, uint64_t base)
{
    uint8_t header[512];
    ImageEncryption *luks = &image->info->encryption;
    g_autoptr(Error) why = NULL;
    AUTO_JSON root = NULL;

    if (!image_get(image, base, header, sizeof(header), "the LUKS2 header"))
        return false;
    const uint64_t size = be64_at(header + 8);
    if (size <= LUKS2_BINARY_BYTES || size > LUKS2_HEADER_MAX)
        return image_bad(image, "the LUKS2 header has %" PRIu64 " bytes, not between %u and %u", size,
                         LUKS2_BINARY_BYTES, LUKS2_HEADER_MAX);
    luks->kind = IMAGE_LUKS2;
    luks->label = fixed_text(header + 24, 48);
    luks->uuid = fixed_text(header + 168, 40);
    g_autofree char *text = image_get_text(image, base + LUKS2_BINARY_BYTES, size - LUKS2_BINARY_BYTES,
                                           LUKS2_HEADER_MAX, "the JSON of the LUKS2 header");
    if (!text)
        return false;
    if (!json_parse(text, strlen(text), "JSON of the LUKS2 header", &root, &why))
        return image_bad(image, "%s", error_message(why));
    const Json *slots = json_get_obj(root, "keyslots");
    luks->n_keyslots = (unsigned)json_object_size(slots);
    const Json *slot = json_object_iter_value(json_object_iter((Json *)slots));
    luks->key_bytes = (unsigned)MIN(json_get_uint(slot, "key_size", 0), 512);
    return read_luks2_segment(image, root);
}

bool image_read_luks_at(Image *image, uint64_t base)
{
    uint8_t magic[8];

    if (!image_get(image, base, magic, sizeof(magic), "the LUKS header"))
        return false;
    if (memcmp(magic, LUKS_MAGIC, 6) != 0)
        return image_bad(image, "at %" PRIu64 " there is no LUKS header", base);
    const uint16_t version = be16_at(magic + 6);
    if (version == 1)
        return read_luks1(image, base);
    if (version == 2)
        return read_luks2(image, base);
    return image_bad(image, "version %u of LUKS is not known", version);
}

bool image_read_luks(Image *image)
{
    if (image->size < 8 || memcmp(image->window, LUKS_MAGIC, 6) != 0)
        return image_not(image);
    const uint16_t version = be16_at(image->window + 6);
    if (version != 1 && version != 2)
        return image_unknown_version(image, version);
    if (!image_read_luks_at(image, 0))
        return false;
    const uint64_t payload = image->info->encryption.payload_offset_bytes;
    if (payload > image->size)
        return image_bad(image,
                         "the data begins at %" PRIu64 ", behind the end of the file (%" PRIu64 " bytes)",
                         payload, image->size);
    image->info->version = version;
    image->info->virtual_bytes = image->size - payload;
    return true;
}
