/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/upload_body.h"

#include <string.h>

#include "base/log.h"
#include "http/object_call.h"
#include "storage/volume.h"

#define READ_TIMEOUT_MS 60000 /* a client that sends nothing for so long is gone */
#define PIECE ((size_t)1048576)

bool upload_prepare(HttpRequest *req, Object *pool, const char *name, uint64_t bytes, bool *ret_made,
                    Error **err)
{
    g_autoptr(Volume) volume = volume_find_by_name(pool, name, NULL);
    g_auto(WireStorageVolCreateXmlRet) ret = { 0 };

    *ret_made = !volume;
    if (volume) {
        const VolumeFacts facts = volume_facts(volume);
        return facts.capacity_bytes >= bytes ||
               error_set(err, ERROR_INVALID_STATE,
                         "volume '%s' has %" G_GUINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT, name,
                         facts.capacity_bytes, bytes);
    }
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity>%" G_GUINT64_FORMAT
                                                   "</capacity><allocation>0</allocation>"
                                                   "<target><format type='raw'/></target></volume>",
                                                   name, bytes);
    const WireStorageVolCreateXmlArgs args = { .pool = object_handle(pool), .xml = xml };
    return HTTP_CALL(req, storage_vol_create_xml, &args, &ret, err);
}

/* Up to @size bytes, fewer at the end of what comes. */
AWAITS static bool read_piece(HttpRequest *req, uint8_t *buffer, size_t size, size_t *ret_len, Error **err)
{
    g_autoptr(Error) why = NULL;
    size_t len = 0, part = 1;

    while (len < size && part > 0) {
        if (!http_pipe_read(req->input, buffer + len, size - len, READ_TIMEOUT_MS, &part, &why))
            break;
        len += part;
    }
    if (why && len == 0) /* what came is kept; the next read tells why no more does */
        return error_propagate(err, g_steal_pointer(&why));
    *ret_len = len;
    return true;
}

AWAITS static bool write_piece(Stream *stream, const uint8_t *data, size_t len, Error **err)
{
    GQueue chunks = G_QUEUE_INIT;
    StreamChunk *chunk = stream_chunk_new(len);

    memcpy(chunk->data, data, len);
    chunk->len = len;
    g_queue_push_tail(&chunks, chunk);
    const bool ok = stream_write_chunks(stream, &chunks, err);
    for (StreamChunk *left; (left = g_queue_pop_head(&chunks));)
        stream_chunk_free(left);
    return ok;
}

AWAITS static bool copy_all(HttpRequest *req, Stream *stream, uint64_t bytes, uint64_t *io_done, Error **err)
{
    g_autofree uint8_t *buffer = g_malloc(PIECE);
    uint64_t left = bytes;
    size_t len = 0;

    while (left > 0) {
        if (!read_piece(req, buffer, (size_t)MIN(PIECE, left), &len, err))
            return false;
        if (len == 0)
            return error_set(err, ERROR_CANCELLED, "the upload ended %" G_GUINT64_FORMAT " bytes early",
                             left);
        if (!write_piece(stream, buffer, len, err))
            return false;
        left -= len;
        *io_done += len;
    }
    return true;
}

bool upload_body(HttpRequest *req, Object *pool, const char *name, uint64_t offset, uint64_t bytes,
                 uint64_t *io_done, Error **err)
{
    g_autoptr(Volume) volume = volume_find_by_name(pool, name, err);
    HttpExtra extra = { .fd = -1 };

    if (!volume)
        return false;
    if (bytes == 0)
        return true;
    const WireStorageVolUploadArgs args = { .vol = { .pool = (char *)volume_pool_name(volume),
                                                     .name = (char *)volume_name(volume),
                                                     .key = (char *)volume_key(volume) },
                                            .offset = offset,
                                            .length = bytes };
    if (!HTTP_CALL_EXTRA(req, storage_vol_upload, &args, NULL, &extra, err))
        return false;
    bool ok = copy_all(req, extra.stream, bytes, io_done, err);
    g_autoptr(Error) why = NULL;
    fiber_shield_begin();
    if (!stream_finish(extra.stream, ok ? err : &why))
        ok = false;
    fiber_shield_end();
    stream_close(extra.stream, true); /* what came stays, whether or not more follows */
    return ok;
}

void upload_undo(HttpRequest *req, Object *pool, const char *name)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Volume) volume = volume_find_by_name(pool, name, &err);

    if (!volume)
        return;
    const WireStorageVolDeleteArgs args = { .vol = { .pool = (char *)volume_pool_name(volume),
                                                     .name = (char *)volume_name(volume),
                                                     .key = (char *)volume_key(volume) } };
    fiber_shield_begin();
    if (!HTTP_CALL(req, storage_vol_delete, &args, NULL, &err))
        log_warning_error(err, "removing a volume whose upload ended early");
    fiber_shield_end();
}
