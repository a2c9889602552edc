/* Uploads that go on after they were cut off: the protocol tus 1.0 (creation, termination).
 *
 * An upload fills a volume, which is made for it unless it is there. How far it came is kept in run/libvirt,
 * so that it goes on after the daemon was restarted, too. One that nobody goes on with is given up after a
 * day. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "http/object_call.h"
#include "http/route.h"
#include "http/tus.h"
#include "http/upload_body.h"
#include "storage/pool.h"

#define UPLOADS_MAX 200u
#define UPLOAD_KEPT_S 86400
#define STATE_MAX ((size_t)1048576)
#define TUS_VERSION "1.0.0"

typedef struct Upload {
    char *id, *user, *pool, *volume;
    uint64_t length, offset;
    int64_t touched_s;
    bool made;    /* the volume was made for it */
    bool running; /* a request fills it */
} Upload;

typedef struct Uploads {
    GHashTable *by_id;
    char *path;
} Uploads;

static const char uploads_key;

static void upload_free(gpointer data)
{
    Upload *upload = data;

    g_free(upload->id);
    g_free(upload->user);
    g_free(upload->pool);
    g_free(upload->volume);
    g_free(upload);
}

static void uploads_free(void *data)
{
    Uploads *uploads = data;

    g_hash_table_unref(uploads->by_id);
    g_free(uploads->path);
    g_free(uploads);
}

/* ---- what is kept ---- */

static void uploads_add(Uploads *uploads, Upload *upload)
{
    g_hash_table_replace(uploads->by_id, upload->id, upload);
}

AWAITS static void uploads_read(Uploads *uploads)
{
    g_autofree char *text = NULL;
    AUTO_JSON list = NULL;
    const Json *item;
    size_t len, i;

    if (!file_read(uploads->path, STATE_MAX, &text, &len, NULL) ||
        !json_parse(text, len, uploads->path, &list, NULL))
        return;
    json_array_foreach (list, i, item) {
        const char *id = json_get_str(item, "id"), *user = json_get_str(item, "user");
        const char *pool = json_get_str(item, "pool"), *volume = json_get_str(item, "volume");
        if (!id || !user || !pool || !volume || g_hash_table_contains(uploads->by_id, id))
            continue;
        Upload *upload = g_new0(Upload, 1);
        *upload = (Upload){ .id = g_strdup(id),
                            .user = g_strdup(user),
                            .pool = g_strdup(pool),
                            .volume = g_strdup(volume),
                            .length = json_get_uint(item, "length", 0),
                            .offset = json_get_uint(item, "offset", 0),
                            .touched_s = json_get_int(item, "touched", 0),
                            .made = json_get_bool(item, "made", false) };
        uploads_add(uploads, upload);
    }
}

AWAITS static Uploads *uploads_of(HttpRequest *req)
{
    Uploads *uploads = http_hub_get(req->hub, &uploads_key);

    if (!uploads) {
        uploads = g_new0(Uploads, 1);
        uploads->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, upload_free);
        uploads->path = path_join(host_paths(req->host)->run, "lodge-web-uploads.json");
        http_hub_put(req->hub, &uploads_key, uploads, uploads_free);
        uploads_read(uploads);
    }
    return uploads;
}

AWAITS static void uploads_save(const Uploads *uploads)
{
    AUTO_JSON list = json_array();
    g_autoptr(Error) err = NULL;
    GHashTableIter iter;
    const Upload *upload;

    g_hash_table_iter_init(&iter, uploads->by_id);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&upload))
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:b}", "id", upload->id, "user",
                                              upload->user, "pool", upload->pool, "volume", upload->volume,
                                              "length", (json_int_t)upload->length, "offset",
                                              (json_int_t)upload->offset, "touched",
                                              (json_int_t)upload->touched_s, "made", (int)upload->made));
    g_autofree char *text = json_format(list);
    fiber_shield_begin();
    if (!file_replace_volatile(uploads->path, text, strlen(text), 0600, &err))
        log_warning_error(err, "uploads that are under way will not outlive this daemon");
    fiber_shield_end();
}

AWAITS static void upload_give_up(HttpRequest *req, Uploads *uploads, const Upload *upload)
{
    g_autofree char *pool_name = g_strdup(upload->pool), *volume = g_strdup(upload->volume);
    const bool made = upload->made;

    g_hash_table_remove(uploads->by_id, upload->id);
    uploads_save(uploads);
    g_autoptr(Object) pool = object_find_by_name(host_registry(req->host, &pool_class), pool_name, NULL);
    if (made && pool)
        upload_undo(req, pool, volume);
}

/* Those of yesterday. */
AWAITS static void uploads_sweep(HttpRequest *req, Uploads *uploads)
{
    const int64_t before_s = (int64_t)time(NULL) - UPLOAD_KEPT_S;
    const Upload *old;

    do {
        GHashTableIter iter;
        const Upload *upload;
        old = NULL;
        g_hash_table_iter_init(&iter, uploads->by_id);
        while (!old && g_hash_table_iter_next(&iter, NULL, (gpointer *)&upload))
            old = upload->touched_s < before_s && !upload->running ? upload : NULL;
        if (old)
            upload_give_up(req, uploads, old);
    } while (old);
}

/* ---- requests ---- */

static void add_tus(HttpRequest *req)
{
    http_add_header(req, "Tus-Resumable", TUS_VERSION);
}

static void add_offset(HttpRequest *req, const Upload *upload)
{
    g_autofree char *offset = g_strdup_printf("%" G_GUINT64_FORMAT, upload->offset);
    g_autofree char *length = g_strdup_printf("%" G_GUINT64_FORMAT, upload->length);

    http_add_header(req, "Upload-Offset", offset);
    http_add_header(req, "Upload-Length", length);
}

static bool handle_options(HttpRequest *req, Error **err)
{
    add_tus(req);
    http_add_header(req, "Tus-Version", TUS_VERSION);
    http_add_header(req, "Tus-Extension", "creation,termination");
    return http_answer_none(req);
}

static bool check_version(const HttpRequest *req, Error **err)
{
    const char *version = http_header(req, "Tus-Resumable");

    return g_strcmp0(version, TUS_VERSION) == 0 ||
           error_set(err, ERROR_INVALID_ARGUMENT, "uploads speak tus " TUS_VERSION " (header Tus-Resumable)");
}

static bool handle_create(HttpRequest *req, Error **err)
{
    Uploads *uploads = uploads_of(req);
    g_autofree char *pool_name = tus_metadata(http_header(req, "Upload-Metadata"), "pool");
    g_autofree char *volume = tus_metadata(http_header(req, "Upload-Metadata"), "volume");
    const char *length_text = http_header(req, "Upload-Length");
    uint64_t length = 0;
    bool made = false;

    if (!check_version(req, err))
        return false;
    if (!pool_name || !volume || !length_text || !parse_uint(length_text, &length, NULL) ||
        length > INT64_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "an upload needs Upload-Length, and Upload-Metadata with pool and volume");
    g_autoptr(Object) pool = object_find_by_name(host_registry(req->host, &pool_class), pool_name, err);
    if (!pool)
        return false;
    uploads_sweep(req, uploads);
    if (g_hash_table_size(uploads->by_id) >= UPLOADS_MAX)
        return error_set(err, ERROR_BUSY, "%u uploads are under way", UPLOADS_MAX);
    req->object = g_strdup_printf("%s/%s", pool_name, volume);
    if (!upload_prepare(req, pool, volume, length, &made, err))
        return false;
    Uuid id;
    char text[UUID_STRING_LEN];
    uuid_generate(&id);
    uuid_format(&id, text);
    Upload *upload = g_new0(Upload, 1);
    *upload = (Upload){ .id = g_strdup(text),
                        .user = g_strdup(req->who.user),
                        .pool = g_steal_pointer(&pool_name),
                        .volume = g_steal_pointer(&volume),
                        .length = length,
                        .touched_s = (int64_t)time(NULL),
                        .made = made };
    uploads_add(uploads, upload);
    g_autofree char *location = g_strdup_printf("%s" HTTP_API "/uploads/%s", http_hub_prefix(req->hub), text);
    uploads_save(uploads);
    add_tus(req);
    http_add_header(req, "Location", location);
    return http_answer_data(req, 201, NULL, NULL, 0);
}

/* Of whoever asks. */
AWAITS static Upload *upload_of(HttpRequest *req, Error **err)
{
    Upload *upload = g_hash_table_lookup(uploads_of(req)->by_id, req->params[0]);

    if (!upload || strcmp(upload->user, req->who.user) != 0) {
        error_set(err, ERROR_NO_HOSTNAME, "there is no upload '%s'", req->params[0]);
        return NULL;
    }
    req->object = g_strdup_printf("%s/%s", upload->pool, upload->volume);
    return upload;
}

static bool handle_head(HttpRequest *req, Error **err)
{
    const Upload *upload = upload_of(req, err);

    if (!upload)
        return false;
    add_tus(req);
    add_offset(req, upload);
    http_add_header(req, "Cache-Control", "no-store");
    return http_answer_data(req, 200, NULL, NULL, 0);
}

/* What came is counted also if the rest did not. */
AWAITS static bool upload_fill(HttpRequest *req, Upload *upload, uint64_t bytes, Error **err)
{
    g_autoptr(Object) pool = object_find_by_name(host_registry(req->host, &pool_class), upload->pool, err);
    g_autofree char *volume = g_strdup(upload->volume);
    uint64_t done = 0;

    if (!pool)
        return false;
    upload->running = true; /* it stays in the table */
    const bool ok = upload_body(req, pool, volume, upload->offset, bytes, &done, err);
    upload->running = false;
    upload->offset += done;
    upload->touched_s = (int64_t)time(NULL);
    return ok;
}

static bool handle_patch(HttpRequest *req, Error **err)
{
    Uploads *uploads = uploads_of(req);
    Upload *upload = upload_of(req, err);
    const char *offset_text = http_header(req, "Upload-Offset"),
               *length_text = http_header(req, "Content-Length");
    uint64_t offset = 0, bytes = 0;

    if (!upload || !check_version(req, err))
        return false;
    if (!offset_text || !parse_uint(offset_text, &offset, NULL) || !length_text ||
        !parse_uint(length_text, &bytes, NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a part of an upload needs Upload-Offset and Content-Length");
    if (upload->running)
        return error_set(err, ERROR_INVALID_STATE, "another request fills this upload");
    if (offset != upload->offset)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "the upload is at %" G_GUINT64_FORMAT ", not at %" G_GUINT64_FORMAT, upload->offset,
                         offset);
    if (bytes > upload->length - upload->offset)
        return error_set(err, ERROR_OVERFLOW, "the upload has %" G_GUINT64_FORMAT " bytes only",
                         upload->length);
    const bool ok = upload_fill(req, upload, bytes, err);
    add_tus(req);
    add_offset(req, upload);
    if (upload->offset == upload->length)
        g_hash_table_remove(uploads->by_id, upload->id);
    uploads_save(uploads);
    return ok && http_answer_none(req);
}

static bool handle_delete(HttpRequest *req, Error **err)
{
    Upload *upload = upload_of(req, err);

    if (!upload || !check_version(req, err))
        return false;
    if (upload->running)
        return error_set(err, ERROR_INVALID_STATE, "a request fills this upload");
    upload_give_up(req, uploads_of(req), upload);
    add_tus(req);
    return http_answer_none(req);
}

const HttpRoute http_routes_upload[] = {
    { "OPTIONS", "/uploads", HTTP_ANYONE, .status = 204, .handle = handle_options,
      .doc = "What of tus is spoken." },
    { "POST", "/uploads", HTTP_ADMIN, .flags = HTTP_RAW_BODY, .status = 201, .handle = handle_create,
      .doc = "Begins an upload (tus 1.0) into the volume that Upload-Metadata names: pool, volume.",
      .command = "lodge vol-upload VOLUME FILE POOL" },
    { "GET", "/uploads/{upload}", HTTP_ADMIN, .handle = handle_head, .doc = "HEAD: how far an upload is." },
    { "PATCH", "/uploads/{upload}", HTTP_ADMIN, .flags = HTTP_BODY_STREAM | HTTP_QUIET,
      .type = "application/offset+octet-stream", .status = 204, .handle = handle_patch,
      .doc = "Goes on with an upload at Upload-Offset." },
    { "DELETE", "/uploads/{upload}", HTTP_ADMIN, .status = 204, .handle = handle_delete,
      .doc = "Gives an upload up, and removes the volume that was made for it." },
    { 0 },
};
