/* Following backing chains.
 *
 * Links and second names lead to the same file under many paths, so a loop is found by device and inode of
 * what was opened, not by names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/chain.h"

#include <errno.h>

#include "conf/domain_rows.h"
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

/* What the image above said, or the document, or what the file looks like if guessing is allowed. */
static bool find_format(ChainImage *image, int fd, const ImageFormat *said, const ChainOpener *opener,
                        Error **err)
{
    const StorageFormat format = image->source->format;

    if (said) {
        image->format = *said;
        return true;
    }
    if (format == STORAGE_FORMAT_ABSENT && opener->may_probe)
        return image_detect_format(fd, &image->format, err);
    return image_format_from_storage(format, &image->format) ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "images of format '%s' cannot be read",
                     enum_name(&storage_format_names, format));
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

static bool look_into(ImageChain *chain, ChainImage *image, const ImageFormat *said,
                      const ChainOpener *opener, Error **err)
{
    const ChainImage *above =
        chain->images->len > 1 ? g_ptr_array_index(chain->images, chain->images->len - 2) : NULL;
    AUTO_FD fd = -1;
    struct stat st;

    if (image->source->type != STORAGE_FILE && image->source->type != STORAGE_BLOCK)
        return true;
    if (!opener->open(opener->data, image->source, above, &fd, err))
        return false;
    if (fd < 0)
        return true;
    g_autofree char *name = source_for_message(image->source);
    if (fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot look at image '%s'", name);
    image->id = file_id_of(&st);
    if (!check_loop(chain, image, err))
        return false;
    if (!find_format(image, fd, said, opener, err) ||
        !image_read_header(fd, image->format, &image->info, err))
        return error_prefix(err, "image '%s'", name);
    image->is_opened = true;
    return true;
}

static bool bad_format(const ChainImage *above, const StorageSource *below, const char *format, Error **err)
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
    return error_hint(err, "qemu-img rebase -u -b '%s' -F FORMAT '%s'", name, by);
}

/* Makes the source that the header of @above names. *ret_is_said: *ret_format is what its format is. */
static bool source_below(const ChainImage *above, const ChainOpener *opener, StorageSource **ret_source,
                         ImageFormat *ret_format, bool *ret_is_said, Error **err)
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
            return bad_format(above, source, name, err);
        format = translated;
    }
    if (!name && (!opener->may_probe || source->type == STORAGE_NETWORK))
        return bad_format(above, source, NULL, err);
    if (name)
        source->format = image_format_to_storage((ImageFormat)format);
    *ret_format = (ImageFormat)format;
    *ret_is_said = name != NULL;
    *ret_source = g_steal_pointer(&source);
    return true;
}

bool image_chain_read(const StorageSource *top, const ChainOpener *opener, ImageChain **ret_chain,
                      Error **err)
{
    g_autoptr(ImageChain) chain = g_new0(ImageChain, 1);
    ImageFormat format = IMAGE_RAW;
    bool is_said = false; /* by the image above */

    chain->top = xml_table_copy(&backing_table, top);
    chain->images = g_ptr_array_new_with_free_func(chain_image_free);
    for (StorageSource *source = chain->top;; source = source->backing) {
        if (chain->images->len >= IMAGE_CHAIN_MAX) {
            g_autofree char *first = source_for_message(chain->top), *last = source_for_message(source);
            return error_set(err, ERROR_OPERATION_FAILED,
                             "backing chain of image '%s' is longer than %d images: it goes on with '%s'",
                             first, IMAGE_CHAIN_MAX, last);
        }
        ChainImage *image = g_new0(ChainImage, 1);
        *image = (ChainImage){ .source = source, .format = format };
        g_ptr_array_add(chain->images, image);
        if (!look_into(chain, image, is_said ? &format : NULL, opener, err))
            return false;
        if (!source->backing && image->is_opened && !image->info.backing)
            source->backing_ends = true;
        if (!source->backing && (source->backing_ends || !image->is_opened))
            break;
        is_said = false;
        if (!source->backing && !source_below(image, opener, &source->backing, &format, &is_said, err))
            return false;
    }
    *ret_chain = g_steal_pointer(&chain);
    return true;
}
