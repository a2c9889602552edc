/* Small ISO images: made of a few files (a cloud-init seed, answers of an installer), and read back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
/* These include nothing themselves. */
#include <libburn/libburn.h>
#include <libisofs/libisofs.h>
#include <unistd.h>

#include "base/file.h"
#include "media/media.h"
#include "media/verbs.h"

#define SECTOR 2048
#define FILE_MAX ((size_t)1 << 20) /* of one that is read back */
#define FILES_MAX 64u

static bool iso_failed(int code, const char *what, const char *path, Error **err)
{
    return error_set(err, ERROR_OPERATION_FAILED, "cannot %s '%s': %s", what, path, iso_error_to_msg(code));
}

/* ---- making ---- */

static bool add_file(IsoDir *root, const Json *file, Error **err)
{
    const char *name = json_get_str(file, "name"), *text = json_get_str(file, "text"),
               *coded = json_get_str(file, "base64");
    IsoStream *stream;
    IsoFile *made;
    gsize len = text ? strlen(text) : 0;

    if (!name || !path_is_safe_component(name) || (!text && !coded))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be a file of an ISO image",
                         name ? name : "");
    /* The stream frees it. */
    void *data = text ? malloc(len + 1) : NULL;
    if (text) {
        memcpy(data, text, len + 1);
    } else {
        g_autofree guchar *bytes = g_base64_decode(coded, &len);
        data = malloc(len + 1);
        memcpy(data, bytes, len);
    }
    int code = iso_memory_stream_new(data, len, &stream);
    if (code < 0) {
        free(data);
        return iso_failed(code, "take", name, err);
    }
    code = iso_tree_add_new_file(root, name, stream, &made);
    if (code < 0) {
        iso_stream_unref(stream);
        return iso_failed(code, "add", name, err);
    }
    return true;
}

static bool write_source(struct burn_source *source, int fd, const char *path, uint64_t *ret_bytes,
                         Error **err)
{
    unsigned char sector[SECTOR];
    int n;

    while ((n = source->read_xt(source, sector, SECTOR)) == SECTOR) {
        if (!file_write_all(fd, sector, SECTOR))
            return error_set_errno(err, errno, "cannot write '%s'", path);
        *ret_bytes += SECTOR;
    }
    return n == 0 || error_set(err, ERROR_OPERATION_FAILED, "cannot put together '%s'", path);
}

static bool write_image(IsoImage *image, int fd, const char *path, uint64_t *ret_bytes, Error **err)
{
    struct burn_source *source = NULL;
    IsoWriteOpts *options;
    int code = iso_write_opts_new(&options, 0);

    if (code < 0)
        return iso_failed(code, "make", path, err);
    iso_write_opts_set_iso_level(options, 3);
    iso_write_opts_set_rockridge(options, 1);
    iso_write_opts_set_joliet(options, 1);
    iso_write_opts_set_tail_blocks(options, 0);
    iso_write_opts_set_fifo_size(options, 32);
    code = iso_image_create_burn_source(image, options, &source);
    bool ok =
        code >= 0 ? write_source(source, fd, path, ret_bytes, err) : iso_failed(code, "make", path, err);
    if (source) {
        source->cancel(source);
        source->free_data(source);
        free(source);
    }
    iso_write_opts_free(options);
    return ok;
}

bool media_iso_make(const Json *request, Json **ret_result, Error **err)
{
    const char *path = json_get_str(request, "path"), *label = json_get_str(request, "label");
    const Json *files = json_get_arr(request, "files");
    IsoImage *image = NULL;
    uint64_t bytes = 0;
    size_t i;
    json_t *file;

    if (!path || !label || !files)
        return error_set(err, ERROR_INVALID_ARGUMENT, "an ISO image needs path, label and files");
    /* Nobody else reads it: there may be passwords in it. */
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make '%s'", path);
    if (!media_confine(NULL, NULL, err))
        return false;
    int code = iso_init();
    if (code < 0 || (code = iso_image_new(label, &image)) < 0)
        return iso_failed(code, "make", path, err);
    bool ok = true;
    json_array_foreach (files, i, file)
        ok = ok && add_file(iso_image_get_root(image), file, err);
    ok = ok && write_image(image, fd, path, &bytes, err);
    iso_image_unref(image);
    iso_finish();
    if (ok)
        *ret_result = json_pack("{s:I}", "bytes", (json_int_t)bytes);
    return ok;
}

/* ---- reading ---- */

/* A source over a descriptor that was opened while that was allowed. */
static int source_open(IsoDataSource *source)
{
    return 1;
}

static int source_close(IsoDataSource *source)
{
    return 1;
}

static int source_read(IsoDataSource *source, uint32_t lba, uint8_t *buffer)
{
    const int *fd = source->data;
    const ssize_t n = pread(*fd, buffer, SECTOR, (off_t)lba * SECTOR);

    return n == SECTOR ? 1 : (int)ISO_FILE_READ_ERROR;
}

static void source_free(IsoDataSource *source)
{
}

static bool read_file(IsoFile *node, const char *name, Json *files, Error **err)
{
    IsoStream *stream = iso_file_get_stream(node);
    const off_t size = iso_stream_get_size(stream);

    if (size < 0 || (size_t)size > FILE_MAX)
        return error_set(err, ERROR_OVERFLOW, "'%s' is larger than %zu bytes", name, FILE_MAX);
    g_autofree guchar *data = g_malloc((size_t)size + 1);
    size_t len = 0;
    int n = iso_stream_open(stream);
    if (n < 0)
        return iso_failed(n, "read", name, err);
    while (len < (size_t)size && (n = iso_stream_read(stream, data + len, (size_t)size - len)) > 0)
        len += (size_t)n;
    iso_stream_close(stream);
    if (n < 0)
        return iso_failed(n, "read", name, err);
    g_autofree char *coded = g_base64_encode(data, len);
    json_array_append_new(files, json_pack("{s:s, s:s}", "name", name, "base64", coded));
    return true;
}

static bool read_root(IsoImage *image, Json *files, Error **err)
{
    IsoDirIter *iter;
    IsoNode *node;
    bool ok = true;

    if (iso_dir_get_children(iso_image_get_root(image), &iter) < 0)
        return error_set(err, ERROR_OPERATION_FAILED, "its folder cannot be read");
    while (ok && iso_dir_iter_next(iter, &node) == 1 && json_array_size(files) < FILES_MAX) {
        const char *name = iso_node_get_name(node);
        if (iso_node_get_type(node) == LIBISO_FILE && name && g_utf8_validate(name, -1, NULL))
            ok = read_file((IsoFile *)node, name, files, err);
    }
    iso_dir_iter_free(iter);
    return ok;
}

/* {path} -> {label, files: [{name, base64}]}: those in its root, none larger than a mebibyte. */
bool media_iso_read(const Json *request, Json **ret_result, Error **err)
{
    const char *path = json_get_str(request, "path");
    IsoImage *image = NULL;
    IsoReadOpts *options = NULL;
    AUTO_JSON files = json_array();

    if (!path)
        return error_set(err, ERROR_INVALID_ARGUMENT, "which ISO image?");
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    if (!media_confine(NULL, NULL, err))
        return false;
    IsoDataSource source = { .version = 0,
                             .refcount = 2, /* never freed by libisofs */
                             .open = source_open,
                             .close = source_close,
                             .read_block = source_read,
                             .free_data = source_free,
                             .data = &fd };
    int code = iso_init();
    if (code < 0 || (code = iso_image_new("read", &image)) < 0 || (code = iso_read_opts_new(&options, 0)) < 0)
        return iso_failed(code, "read", path, err);
    bool ok = (code = iso_image_import(image, &source, options, NULL)) >= 0
                  ? read_root(image, files, err)
                  : iso_failed(code, "read", path, err);
    const char *label = ok ? iso_image_get_volume_id(image) : NULL;
    if (ok)
        *ret_result = json_pack("{s:s, s:O}", "label", label && g_utf8_validate(label, -1, NULL) ? label : "",
                                "files", files);
    iso_read_opts_free(options);
    iso_image_unref(image);
    return ok;
}
