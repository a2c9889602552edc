/* Following backing chains.
 *
 * Links and second names lead to the same file under many paths, so a loop is found by device and inode of
 * what was opened, not by names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/chain.h"

#include <errno.h>
#include <unistd.h>

#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "storage/source_name.h"

static void chain_image_free(void *data)
{
    ChainImage *image = data;

    image_info_clear(&image->info);
    g_free(image);
}

void image_chain_free(ImageChain *chain)
{
    if (!chain)
        return;
    g_ptr_array_unref(chain->images);
    source_free(chain->top);
    g_free(chain);
}

static char *source_for_message(const StorageSource *source)
{
    return name_for_message(source->path ? source->path : "");
}

static bool check_loop(const ImageChain *chain, const ChainImage *image, Error **err)
{
    for (guint i = 0; i < chain->images->len; i++) {
        const ChainImage *other = g_ptr_array_index(chain->images, i);
        if (other == image || !file_id_equal(&other->id, &image->id))
            continue;
        const ChainImage *above = g_ptr_array_index(chain->images, chain->images->len - 2);
        g_autofree char *name = source_for_message(image->source), *first = source_for_message(other->source),
                        *by = source_for_message(above->source);
        return error_set(err, ERROR_OPERATION_FAILED,
                         "backing chain goes in a circle: image '%s' is based on '%s', which is '%s' above "
                         "it",
                         by, name, first);
    }
    return true;
}

/* @looks_like: NULL: nobody looked. */
static bool bad_format(const ChainImage *above, const StorageSource *below, const char *format,
                       const ImageFormat *looks_like, Error **err)
{
    g_autofree char *name = source_for_message(below), *by = source_for_message(above->source);

    if (format) {
        g_autofree char *text = name_for_message(format);
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "image '%s' says that its backing image '%s' has the format '%s', which is not "
                         "known",
                         by, name, text);
    }
    error_set(err, ERROR_INVALID_STATE,
              "format of backing image '%s' of image '%s' was not specified in the image metadata", name, by);
    return error_hint(err,
                      "'lodge image fix %s' says it there, as does: qemu-img rebase -f %s -u -b '%s' -F %s "
                      "'%s'",
                      by, enum_name(&image_format_names, above->format), name,
                      looks_like ? enum_name(&image_format_names, *looks_like) : "FORMAT", by);
}

/* Makes the source that the header of @above names. *ret_format: its format, unless *ret_is_guessed. */
static bool source_below(const ImageChain *chain, const ChainImage *above, StorageSource **ret_source,
                         ImageFormat *ret_format, bool *ret_is_guessed, Error **err)
{
    g_autoptr(StorageSource) source = NULL;
    g_autofree char *said = NULL;
    uint8_t format = IMAGE_RAW;

    if (!source_from_name(above->info.backing, above->source, &source, &said, err)) {
        g_autofree char *by = source_for_message(above->source);
        return error_prefix(err, "backing image of '%s'", by);
    }
    const char *name = said ? said : above->info.backing_format;
    if (name && !enum_from_name(&image_format_names, name, &format)) {
        uint8_t in_document;
        ImageFormat translated;
        if (!enum_from_name(&storage_format_names, name, &in_document) ||
            !image_format_from_storage((StorageFormat)in_document, &translated))
            return bad_format(above, source, name, NULL, err);
        format = translated;
    }
    if (!name && (chain->guess == CHAIN_GUESS_NEVER || source->type == STORAGE_NETWORK))
        return bad_format(above, source, NULL, NULL, err);
    if (name)
        source->format = image_format_to_storage((ImageFormat)format);
    *ret_format = (ImageFormat)format;
    *ret_is_guessed = name == NULL;
    *ret_source = g_steal_pointer(&source);
    return true;
}

static bool is_encrypted_raw(const StorageSource *source)
{
    return source->encryption && source->encryption->engine != VOLUME_ENGINE_LIBRBD;
}

/* What the document says, or that it is to be guessed. */
static bool find_format(const ImageChain *chain, ChainImage *image, Error **err)
{
    const StorageFormat format = image->source->format;

    image->is_guessed = format == STORAGE_FORMAT_ABSENT && chain->guess != CHAIN_GUESS_NEVER;
    if (image->is_guessed)
        return true;
    if (!image_format_from_storage(format, &image->format))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "images of format '%s' cannot be read",
                         enum_name(&storage_format_names, format));
    if (image->format == IMAGE_RAW && is_encrypted_raw(image->source))
        image->format = IMAGE_LUKS;
    return true;
}

static bool check_length(const ImageChain *chain, const StorageSource *next, Error **err)
{
    if (chain->images->len < IMAGE_CHAIN_MAX)
        return true;
    g_autofree char *first = source_for_message(chain->top), *last = source_for_message(next);
    return error_set(err, ERROR_OPERATION_FAILED,
                     "backing chain of image '%s' is longer than %d images: it goes on with '%s'", first,
                     IMAGE_CHAIN_MAX, last);
}

/* ---- step by step ---- */

ImageChain *image_chain_new(const StorageSource *top, ChainGuess guess)
{
    ImageChain *chain = g_new0(ImageChain, 1);

    chain->top = xml_table_copy(&backing_table, top);
    chain->images = g_ptr_array_new_with_free_func(chain_image_free);
    chain->guess = guess;
    return chain;
}

bool image_chain_next(ImageChain *chain, ChainImage **ret_image, Error **err)
{
    ChainImage *above = chain->images->len ? g_ptr_array_index(chain->images, chain->images->len - 1) : NULL;
    StorageSource *source = above ? (StorageSource *)above->source : NULL; /* ours: a part of chain->top */
    ChainImage next = { .source = source ? source->backing : chain->top };
    bool is_said = false;

    if (source && !source->backing) {
        if (above->is_opened && !above->info.backing)
            source->backing_ends = true;
        if (source->backing_ends || !above->is_opened) {
            *ret_image = NULL;
            return true;
        }
        if (!source_below(chain, above, &source->backing, &next.format, &next.is_guessed, err))
            return false;
        next.source = source->backing;
        is_said = true;
    }
    if (!check_length(chain, next.source, err) || (!is_said && !find_format(chain, &next, err)))
        return false;
    *ret_image = g_memdup2(&next, sizeof(next));
    g_ptr_array_add(chain->images, *ret_image);
    return true;
}

void chain_look_init(const ChainImage *image, ChainLook *ret_look)
{
    *ret_look = (ChainLook){ .format = image->format, .guess = image->is_guessed };
    if (def_list_len(image->source->slices)) {
        const StorageSlice *slice = g_ptr_array_index(image->source->slices, 0);
        ret_look->offset_bytes = slice->offset_bytes;
        ret_look->size_bytes = slice->size_bytes;
    }
}

typedef struct Slice {
    int fd;
    uint64_t offset, size;
} Slice;

static ssize_t slice_read(void *data, void *buffer, size_t len, uint64_t offset)
{
    const Slice *slice = data;

    if (offset >= slice->size)
        return 0;
    return pread(slice->fd, buffer, MIN(len, slice->size - offset), (off_t)(slice->offset + offset));
}

bool chain_look(int fd, ChainLook *look, Error **err)
{
    Slice slice = { .fd = fd, .offset = look->offset_bytes, .size = look->size_bytes };
    const ImageReader reader = { .read = slice_read, .data = &slice, .size = slice.size };
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot look at the image");
    look->id = file_id_of(&st);
    if (slice.size)
        return (!look->guess || image_detect_format_from(&reader, &look->format, err)) &&
               image_read_header_from(&reader, look->format, &look->info, err);
    return (!look->guess || image_detect_format(fd, &look->format, err)) &&
           image_read_header(fd, look->format, &look->info, err);
}

/* Where an image leads to other files, its format is to be said by somebody who answers for that. */
static bool leads_on(const ImageInfo *info)
{
    return info->backing || info->has_data_file || (info->extents && info->extents->len);
}

bool image_chain_put(ImageChain *chain, ChainLook *look, Error **err)
{
    const guint last = chain->images->len - 1;
    ChainImage *image = g_ptr_array_index(chain->images, last);

    image->id = look->id;
    image->format = look->format;
    image->info = look->info;
    look->info = (ImageInfo){ 0 };
    image->is_opened = true;
    if (!check_loop(chain, image, err))
        return false;
    if (!image->is_guessed)
        return true;
    if (chain->guess == CHAIN_GUESS_LAST && leads_on(&image->info))
        return last > 0 ? bad_format(g_ptr_array_index(chain->images, last - 1), image->source, NULL,
                                     &image->format, err)
                        : error_set(err, ERROR_INVALID_STATE, "the format of image '%s' is not said",
                                    image->source->path);
    ((StorageSource *)image->source)->format = image_format_to_storage(image->format);
    return true;
}

/* ---- all at once ---- */

static bool look_into(ImageChain *chain, const ChainImage *image, const ChainOpener *opener, Error **err)
{
    const ChainImage *above =
        chain->images->len > 1 ? g_ptr_array_index(chain->images, chain->images->len - 2) : NULL;
    AUTO_FD fd = -1;
    ChainLook look;

    if (image->source->type != STORAGE_FILE && image->source->type != STORAGE_BLOCK)
        return true;
    if (!opener->open(opener->data, image->source, above, &fd, err))
        return false;
    if (fd < 0)
        return true;
    chain_look_init(image, &look);
    const bool ok = chain_look(fd, &look, err);
    if (!ok) {
        g_autofree char *name = source_for_message(image->source);
        error_prefix(err, "image '%s'", name);
    }
    const bool put = ok && image_chain_put(chain, &look, err);
    image_info_clear(&look.info);
    return put;
}

bool image_chain_read(const StorageSource *top, const ChainOpener *opener, ImageChain **ret_chain,
                      Error **err)
{
    g_autoptr(ImageChain) chain =
        image_chain_new(top, opener->may_probe ? CHAIN_GUESS_ANY : CHAIN_GUESS_NEVER);
    ChainImage *image = NULL;

    do {
        if (!image_chain_next(chain, &image, err) || (image && !look_into(chain, image, opener, err)))
            return false;
    } while (image);
    *ret_chain = g_steal_pointer(&chain);
    return true;
}
