/* vmdk, as VMware's "Virtual Disk Format" describes it: a sparse extent with its description inside, a sparse
 * extent alone, the one of ESX ("COWD"), or a description alone whose data lies in other files. Those files
 * are not opened: the description has their sizes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "storage/image_private.h"

#define SPARSE_HEADER_BYTES 512u
#define DESCRIPTION_LINE "# Disk DescriptorFile"
#define NO_PARENT 0xffffffffu
#define FLAG_COMPRESSED 0x10000u
#define FOOTER_AT_END UINT64_MAX /* where the directory is, a copy of the header near the end says */

/* ---- the description ---- */

/* The next word of *io_text: up to a blank, or in quotes. Owned; NULL at the end. */
static char *next_word(const char **io_text)
{
    const char *text = *io_text + strspn(*io_text, " \t");

    if (*text == '\0')
        return NULL;
    const bool quoted = *text == '"';
    text += quoted;
    const size_t len = strcspn(text, quoted ? "\"" : " \t");
    *io_text = text + len + (quoted && text[len] == '"');
    return g_strndup(text, len);
}

/* RW 20480 SPARSE "file.vmdk" 0 */
static bool read_extent(Image *image, const char *access, const char *rest)
{
    GPtrArray *extents = image->info->extents;
    uint64_t sectors = 0, offset = 0;

    if (extents->len == IMAGE_EXTENTS_MAX)
        return image_bad(image, "it has more than %u extents", IMAGE_EXTENTS_MAX);
    ImageExtent *extent = g_new0(ImageExtent, 1);
    g_ptr_array_add(extents, extent);
    g_autofree char *size = next_word(&rest);
    extent->access = g_strdup(access);
    extent->type = next_word(&rest);
    extent->file = next_word(&rest);
    g_autofree char *start = next_word(&rest);
    if (!size || !extent->type || !parse_uint(size, &sectors, NULL) ||
        (start && !parse_uint(start, &offset, NULL)))
        return image_bad(image, "extent %u is not described as 'ACCESS SECTORS TYPE \"FILE\" OFFSET'",
                         extents->len);
    return image_scale(image, sectors, SECTOR_BYTES, "an extent", &extent->size_bytes) &&
           image_scale(image, offset, SECTOR_BYTES, "the offset of an extent", &extent->offset_bytes);
}

static void take_text(char **io_text, const char *value)
{
    g_free(*io_text);
    *io_text = next_word(&value);
}

static bool read_line(Image *image, char *line, uint32_t *io_parent)
{
    static const char *const accesses[] = { "RW", "RDONLY", "NOACCESS" };

    g_strstrip(line);
    if (*line == '#' || *line == '\0')
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        const size_t len = strlen(accesses[i]);
        if (strncmp(line, accesses[i], len) == 0 && (line[len] == ' ' || line[len] == '\t'))
            return read_extent(image, accesses[i], line + len);
    }
    char *value = strchr(line, '=');
    if (!value)
        return true;
    *value++ = '\0';
    g_strchomp(line);
    if (strcmp(line, "createType") == 0)
        take_text(&image->info->subformat, value);
    else if (strcmp(line, "parentFileNameHint") == 0)
        take_text(&image->info->backing, value);
    else if (strcmp(line, "parentCID") == 0)
        *io_parent = (uint32_t)g_ascii_strtoull(value, NULL, 16);
    else if (strcmp(line, "version") == 0)
        image->info->version = (uint32_t)g_ascii_strtoull(value, NULL, 10);
    return true;
}

static bool read_description(Image *image, uint64_t offset, uint64_t len)
{
    ImageInfo *info = image->info;
    uint32_t parent = NO_PARENT;
    g_autofree char *text =
        image_get_text(image, offset, len, IMAGE_DESCRIPTOR_MAX, "the description of the disk");

    if (!text)
        return false;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (!read_line(image, line, &parent))
            return false;
    }
    if (parent == NO_PARENT)
        g_clear_pointer(&info->backing, g_free);
    if (info->backing && strlen(info->backing) > IMAGE_BACKING_NAME_MAX)
        return image_bad(image, "the name of the parent has more than %d bytes", IMAGE_BACKING_NAME_MAX);
    if (info->backing) {
        g_free(info->backing_format);
        info->backing_format = g_strdup("vmdk");
    }
    return true;
}

static bool read_description_alone(Image *image)
{
    ImageInfo *info = image->info;

    if (!read_description(image, 0, image->size))
        return false;
    if (!info->subformat)
        return image_bad(image, "the description has no createType");
    for (guint i = 0; i < info->extents->len; i++) {
        const ImageExtent *extent = g_ptr_array_index(info->extents, i);
        if (__builtin_add_overflow(info->virtual_bytes, extent->size_bytes, &info->virtual_bytes))
            return image_bad(image, "the extents together are larger than a disk can be");
    }
    return true;
}

/* ---- sparse extents ---- */

static bool read_sparse(Image *image)
{
    uint8_t header[SPARSE_HEADER_BYTES];
    ImageInfo *info = image->info;

    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    if (le64_at(header + 56) == FOOTER_AT_END) {
        if (image->size < 2 * SPARSE_HEADER_BYTES)
            return image_bad(image, "it has no footer");
        if (!image_get(image, image->size - 2 * SPARSE_HEADER_BYTES, header, sizeof(header), "the footer"))
            return false;
        if (memcmp(header, "KDMV", 4) != 0)
            return image_bad(image, "it has no footer");
    }
    const uint32_t version = le32_at(header + 4);
    const uint64_t grain = le64_at(header + 20);
    if (version < 1 || version > 3)
        return image_unknown_version(image, version);
    if (!is_power_of_two(grain) || grain > (2u << 20) / SECTOR_BYTES)
        return image_bad(image, "grains have %" PRIu64 " sectors, not a power of two up to %u", grain,
                         (2u << 20) / SECTOR_BYTES);
    info->cluster_bytes = grain * SECTOR_BYTES;
    info->is_compressed = le32_at(header + 8) & FLAG_COMPRESSED;
    uint64_t at, len;
    if (!image_scale(image, le64_at(header + 12), SECTOR_BYTES, "the disk", &info->virtual_bytes) ||
        !image_scale(image, le64_at(header + 28), SECTOR_BYTES, "the place of the description", &at) ||
        !image_scale(image, le64_at(header + 36), SECTOR_BYTES, "the description", &len))
        return false;
    if (at > 0 && !read_description(image, at, len))
        return false;
    info->version = version;
    return true;
}

static bool read_cowd(Image *image)
{
    uint8_t header[44];

    if (!image_get(image, 0, header, sizeof(header), "the header"))
        return false;
    image->info->version = le32_at(header + 4);
    image->info->cluster_bytes = (uint64_t)le32_at(header + 16) * SECTOR_BYTES;
    image->info->virtual_bytes = (uint64_t)le32_at(header + 12) * SECTOR_BYTES;
    return true;
}

static bool is_description(const Image *image)
{
    return image->n_window >= strlen(DESCRIPTION_LINE) &&
           memcmp(image->window, DESCRIPTION_LINE, strlen(DESCRIPTION_LINE)) == 0;
}

bool image_read_vmdk(Image *image)
{
    if (image->size >= 4 && memcmp(image->window, "KDMV", 4) == 0)
        return read_sparse(image);
    if (image->size >= 4 && memcmp(image->window, "COWD", 4) == 0)
        return read_cowd(image);
    if (is_description(image))
        return read_description_alone(image);
    return image_not(image);
}
