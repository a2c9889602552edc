/* Storage pools and their volumes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/pool.h"
#include "http/answer.h"
#include "http/object_call.h"
#include "http/route.h"
#include "http/upload_body.h"
#include "storage/pool.h"
#include "storage/volume.h"
#include "wire/wire_enums.h"

#define PIECE_TIMEOUT_MS 60000

/* ---- pools ---- */

static const HttpField pool_fields[] = {
    { "uuid", HTTP_STRING, .required = true },
    { "name", HTTP_STRING, .required = true },
    { "state", HTTP_STRING, .required = true, .choices = "inactive|building|running|degraded|inaccessible" },
    { "type", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true, .nullable = true },
    { "autostart", HTTP_BOOL, .required = true },
    { "persistent", HTTP_BOOL, .required = true },
    { "capacity_bytes", HTTP_UINT, .required = true },
    { "allocation_bytes", HTTP_UINT, .required = true },
    { "available_bytes", HTTP_UINT, .required = true },
    { "reason", HTTP_STRING, .required = true, .nullable = true, .doc = "why it does not work" },
    { 0 },
};

AWAITS static Json *pool_json(Object *pool, PoolAsk ask)
{
    static const char *const states[] = { "inactive", "building", "running", "degraded", "inaccessible" };
    g_auto(PoolInfo) info = { 0 };
    char uuid[UUID_STRING_LEN];

    if (!pool_get_info(pool, ask, &info, NULL))
        info.state = object_is_active(pool) ? VIR_STORAGE_POOL_INACCESSIBLE : VIR_STORAGE_POOL_INACTIVE;
    const PoolDef *def = pool->live ? pool->live : pool->config;
    uuid_format(object_uuid(pool), uuid);
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:b,s:b,s:I,s:I,s:I,s:o}", "uuid", uuid, "name", object_name(pool),
                     "state", states[CLAMP(info.state, 0, 4)], "type",
                     def ? enum_name(&pool_type_names, def->type) : "", "path",
                     http_json_text(def ? def->target_path : NULL), "autostart",
                     (int)object_has_autostart(pool), "persistent", (int)object_is_persistent(pool),
                     "capacity_bytes", (json_int_t)info.capacity_bytes, "allocation_bytes",
                     (json_int_t)info.allocation_bytes, "available_bytes", (json_int_t)info.available_bytes,
                     "reason", http_json_text(info.reason));
}

static bool handle_pools(HttpRequest *req, Error **err)
{
    g_autoptr(GPtrArray) pools = NULL;

    if (!object_list(host_registry(req->host, &pool_class), 0, "virConnectListAllStoragePools", &pools, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < pools->len; i++)
        json_array_append_new(items, pool_json(g_ptr_array_index(pools, i), POOL_AS_KNOWN));
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static bool handle_pool(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);

    return pool && http_answer_json(req, 200, pool_json(pool, POOL_NOW));
}

static const HttpField pool_body[] = {
    { "xml", HTTP_STRING, .required = true, .doc = "the <pool> document" },
    { "build", HTTP_BOOL, .doc = "make what it stands for" },
    { "start", HTTP_BOOL },
    { "autostart", HTTP_BOOL },
    { 0 },
};

/* What does not work takes the definition back. */
static bool handle_pool_add(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_call_xml(req, wire_number_storage_pool_define_xml, &pool_class,
                                             json_get_str(req->body, "xml"), 0, err);

    if (!pool)
        return false;
    if ((json_get_bool(req->body, "build", false) &&
         !object_call(req, wire_number_storage_pool_build, pool, 0, err)) ||
        (json_get_bool(req->body, "start", false) &&
         !object_call(req, wire_number_storage_pool_create, pool, 0, err)) ||
        (json_get_bool(req->body, "autostart", false) &&
         !object_call(req, wire_number_storage_pool_set_autostart, pool, 1, err))) {
        (void)!object_call(req, wire_number_storage_pool_undefine, pool, 0,
                           NULL); /* the first error counts */
        return false;
    }
    return http_answer_json(req, 201, pool_json(pool, POOL_AS_KNOWN));
}

static bool handle_pool_remove(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);

    return pool && object_call(req, wire_number_storage_pool_undefine, pool, 0, err) && http_answer_none(req);
}

static const HttpField autostart_body[] = { { "autostart", HTTP_BOOL, .required = true }, { 0 } };

static bool handle_pool_patch(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);

    return pool &&
           object_call(req, wire_number_storage_pool_set_autostart, pool,
                       json_get_bool(req->body, "autostart", false), err) &&
           http_answer_json(req, 200, pool_json(pool, POOL_AS_KNOWN));
}

static bool handle_pool_xml(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);

    return pool && object_answer_xml(req, wire_number_storage_pool_get_xml_desc, pool, 0, err);
}

static const HttpField no_body[] = { { 0 } };

static bool handle_pool_action(HttpRequest *req, Error **err)
{
    static const struct {
        const char *name;
        int32_t number;
    } actions[] = { { "start", wire_number_storage_pool_create },
                    { "stop", wire_number_storage_pool_destroy },
                    { "refresh", wire_number_storage_pool_refresh },
                    { "build", wire_number_storage_pool_build },
                    { "delete", wire_number_storage_pool_delete } };
    g_autoptr(Object) pool = object_of(req, &pool_class, err);

    for (size_t i = 0; pool && i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(req->params[1], actions[i].name) == 0)
            return object_call(req, actions[i].number, pool, 0, err) &&
                   http_answer_json(req, 200, pool_json(pool, POOL_AS_KNOWN));
    }
    return pool && error_set(err, ERROR_NO_HOSTNAME,
                             "pools can start, stop, refresh, build, delete, not '%s'", req->params[1]);
}

/* ---- volumes ---- */

static const HttpField volume_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true },
    { "format", HTTP_STRING, .required = true, .nullable = true },
    { "capacity_bytes", HTTP_UINT, .required = true },
    { "allocation_bytes", HTTP_UINT, .required = true },
    { "modified", HTTP_TIME, .required = true, .nullable = true },
    { 0 },
};
static const HttpField volume_detail_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true },
    { "format", HTTP_STRING, .required = true, .nullable = true },
    { "capacity_bytes", HTTP_UINT, .required = true },
    { "allocation_bytes", HTTP_UINT, .required = true },
    { "modified", HTTP_TIME, .required = true, .nullable = true },
    { "used_by", HTTP_STRINGS, .required = true, .doc = "machines and volumes that need it" },
    { 0 },
};

static Json *volume_json(const Volume *volume)
{
    const VolumeFacts facts = volume_facts(volume);

    return json_pack("{s:o,s:o,s:o,s:I,s:I,s:o}", "name", http_json_text(volume_name(volume)), "path",
                     http_json_text(volume_path(volume)), "format",
                     http_json_text(*facts.format ? facts.format : NULL), "capacity_bytes",
                     (json_int_t)facts.capacity_bytes, "allocation_bytes", (json_int_t)facts.allocation_bytes,
                     "modified", http_json_time(facts.modified_s));
}

static bool handle_volumes(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);
    g_autoptr(GPtrArray) volumes = NULL;

    if (!pool || !volume_list(pool, &volumes, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < volumes->len; i++)
        json_array_append_new(items, volume_json(g_ptr_array_index(volumes, i)));
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

AWAITS static Volume *volume_of(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);
    Volume *volume = pool ? volume_find_by_name(pool, req->params[1], err) : NULL;

    if (volume && !req->object)
        req->object = g_strdup_printf("%s/%s", req->params[0], req->params[1]);
    return volume;
}

static WireStorageVol volume_handle(const Volume *volume)
{
    return (WireStorageVol){ .pool = (char *)volume_pool_name(volume),
                             .name = (char *)volume_name(volume),
                             .key = (char *)volume_key(volume) };
}

AWAITS static Json *volume_users(HttpRequest *req, const Volume *volume)
{
    const WireLodgeVolumeUsersArgs args = { .vol = volume_handle(volume) };
    g_auto(WireLodgeVolumeUsersRet) ret = { 0 };
    Json *users = json_array();

    if (!HTTP_CALL_LODGE(req, lodge_volume_users, &args, &ret, NULL))
        return users; /* a list that is not complete is none */
    for (uint32_t i = 0; i < ret.n_users; i++)
        json_array_append_new(users, http_json_text(ret.users[i].name));
    return users;
}

AWAITS static bool answer_volume(HttpRequest *req, unsigned status, const Volume *volume)
{
    Json *json = volume_json(volume);

    json_object_set_new(json, "used_by", volume_users(req, volume));
    return http_answer_json(req, status, json);
}

static bool handle_volume(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);

    return volume && answer_volume(req, 200, volume);
}

static const HttpField volume_body[] = {
    { "xml", HTTP_STRING, .doc = "the <volume> document, instead of the others" },
    { "name", HTTP_STRING },
    { "capacity_bytes", HTTP_UINT },
    { "allocation_bytes", HTTP_UINT, .nullable = true },
    { "format", HTTP_STRING, .nullable = true },
    { "backing", HTTP_STRING, .nullable = true,
      .doc = "volume of the same pool, or path, that it stands on" },
    { 0 },
};

AWAITS static char *backing_path(Object *pool, const char *backing)
{
    g_autoptr(Volume) volume = *backing == '/' ? NULL : volume_find_by_name(pool, backing, NULL);

    return g_strdup(volume ? volume_path(volume) : backing);
}

static void add_element(GString *xml, const char *name, const char *text)
{
    g_autofree char *element = text ? g_markup_printf_escaped("<%s>%s</%s>", name, text, name) : NULL;

    if (element)
        g_string_append(xml, element);
}

/* Owned. */
AWAITS static char *volume_xml(HttpRequest *req, Object *pool)
{
    const Json *body = req->body;
    const char *format = json_get_str(body, "format"), *backing = json_get_str(body, "backing");
    g_autofree char *path = backing ? backing_path(pool, backing) : NULL;
    g_autoptr(GString) xml = g_string_new("<volume>");

    add_element(xml, "name", json_get_str(body, "name"));
    if (json_object_get(body, "capacity_bytes"))
        g_string_append_printf(xml, "<capacity>%" G_GUINT64_FORMAT "</capacity>",
                               json_get_uint(body, "capacity_bytes", 0));
    if (json_is_integer(json_object_get(body, "allocation_bytes")))
        g_string_append_printf(xml, "<allocation>%" G_GUINT64_FORMAT "</allocation>",
                               json_get_uint(body, "allocation_bytes", 0));
    if (format) {
        g_autofree char *target = g_markup_printf_escaped("<target><format type='%s'/></target>", format);
        g_string_append(xml, target);
    }
    if (path) {
        g_string_append(xml, "<backingStore>");
        add_element(xml, "path", path);
        g_string_append(xml, "</backingStore>");
    }
    g_string_append(xml, "</volume>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

AWAITS static bool answer_new_volume(HttpRequest *req, Object *pool, const WireStorageVol *made, Error **err)
{
    g_autoptr(Volume) volume = volume_find_by_name(pool, made->name, err);

    return volume && answer_volume(req, 201, volume);
}

static bool handle_volume_add(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);
    const char *given = json_get_str(req->body, "xml");
    g_auto(WireStorageVolCreateXmlRet) ret = { 0 };

    if (!pool)
        return false;
    if (!given && !json_get_str(req->body, "name"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'name' and 'capacity_bytes', or 'xml', are missing");
    g_autofree char *xml = given ? g_strdup(given) : volume_xml(req, pool);
    const WireStorageVolCreateXmlArgs args = { .pool = object_handle(pool), .xml = xml };
    return HTTP_CALL(req, storage_vol_create_xml, &args, &ret, err) &&
           answer_new_volume(req, pool, &ret.vol, err);
}

static const HttpField resize_body[] = { { "capacity_bytes", HTTP_UINT, .required = true },
                                         { "shrink", HTTP_BOOL },
                                         { 0 } };

static bool handle_volume_resize(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);

    if (!volume)
        return false;
    const WireStorageVolResizeArgs args = { .vol = volume_handle(volume),
                                            .capacity = json_get_uint(req->body, "capacity_bytes", 0),
                                            .flags = json_get_bool(req->body, "shrink", false)
                                                         ? (uint32_t)VIR_STORAGE_VOL_RESIZE_SHRINK
                                                         : 0u };
    return HTTP_CALL(req, storage_vol_resize, &args, NULL, err) && answer_volume(req, 200, volume);
}

static bool handle_volume_remove(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);

    if (!volume)
        return false;
    const WireLodgeVolumeDeleteArgs args = { .vol = volume_handle(volume) };
    return HTTP_CALL_LODGE(req, lodge_volume_delete, &args, NULL, err) && http_answer_none(req);
}

static const HttpField clone_body[] = { { "name", HTTP_STRING, .required = true }, { 0 } };

static bool handle_volume_clone(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);
    g_autoptr(Object) pool = volume ? volume_pool(volume) : NULL;
    g_auto(WireStorageVolCreateXmlFromRet) ret = { 0 };

    if (!volume)
        return false;
    if (!pool)
        return error_set(err, ERROR_NO_STORAGE_VOL, "volume '%s' is gone", req->params[1]);
    const VolumeFacts facts = volume_facts(volume);
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity>%" G_GUINT64_FORMAT
                                                   "</capacity><target><format type='%s'/></target></volume>",
                                                   json_get_str(req->body, "name"), facts.capacity_bytes,
                                                   *facts.format ? facts.format : "raw");
    const WireStorageVolCreateXmlFromArgs args = { .pool = object_handle(pool),
                                                   .xml = xml,
                                                   .clonevol = volume_handle(volume) };
    return HTTP_CALL(req, storage_vol_create_xml_from, &args, &ret, err) &&
           answer_new_volume(req, pool, &ret.vol, err);
}

static bool handle_volume_wipe(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);

    if (!volume)
        return false;
    const WireStorageVolWipeArgs args = { .vol = volume_handle(volume) };
    return HTTP_CALL(req, storage_vol_wipe, &args, NULL, err) && http_answer_none(req);
}

/* ---- content ---- */

/* "bytes=A-B", "bytes=A-": what the volume has of it. false: none, or another form: all of it. */
static bool read_range(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_len)
{
    char *end;

    if (!text || !g_str_has_prefix(text, "bytes=") || !g_ascii_isdigit(text[6]))
        return false;
    const uint64_t from = g_ascii_strtoull(text + 6, &end, 10);
    if (*end != '-' || from >= size)
        return false;
    const uint64_t to = end[1] ? g_ascii_strtoull(end + 1, &end, 10) : size - 1;
    if ((*end && *end != '-') || to < from)
        return false;
    *ret_from = from;
    *ret_len = MIN(to, size - 1) - from + 1;
    return true;
}

AWAITS static bool send_stream(HttpRequest *req, Stream *stream, unsigned status, uint64_t len, Error **err)
{
    StreamChunk *chunk = NULL;
    HttpPipe *pipe = http_answer_pipe(req, status, "application/octet-stream", len);
    uint64_t left = len;
    bool ok = true;

    while (ok && left > 0) {
        ok = stream_read_chunk(stream, &chunk, err);
        if (!ok || chunk->len == 0)
            break;
        const size_t part = (size_t)MIN(chunk->len, left);
        ok = http_pipe_write(pipe, chunk->data, part, PIECE_TIMEOUT_MS, err);
        left -= part;
    }
    stream_chunk_free(chunk);
    stream_close(stream, ok);
    if (ok && left > 0)
        return error_set(err, ERROR_SYSTEM, "the volume has become shorter");
    return ok;
}

/* All bytes of the volume's file, or a range of them. */
static bool handle_download(HttpRequest *req, Error **err)
{
    g_autoptr(Volume) volume = volume_of(req, err);
    HttpExtra extra = { .fd = -1 };
    uint64_t capacity, size, from = 0, len;
    int type;

    if (!volume || !volume_get_info(volume, VIR_STORAGE_VOL_GET_PHYSICAL, "virStorageVolGetInfoFlags", &type,
                                    &capacity, &size, err))
        return false;
    len = size;
    const bool part = read_range(http_header(req, "Range"), size, &from, &len);
    g_autofree char *range =
        g_strdup_printf("bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, from,
                        from + len - 1, size);
    const WireStorageVolDownloadArgs args = { .vol = volume_handle(volume), .offset = from, .length = len };
    if (!HTTP_CALL_EXTRA(req, storage_vol_download, &args, NULL, &extra, err))
        return false;
    http_add_header(req, "Accept-Ranges", "bytes");
    http_add_header(req, "Content-Disposition", "attachment");
    if (part)
        http_add_header(req, "Content-Range", range);
    return send_stream(req, extra.stream, part ? 206 : 200, len, err);
}

/* The whole content; a volume that is not there is made as large. */
static bool handle_upload(HttpRequest *req, Error **err)
{
    g_autoptr(Object) pool = object_of(req, &pool_class, err);
    const char *length = http_header(req, "Content-Length");
    uint64_t bytes = length ? g_ascii_strtoull(length, NULL, 10) : 0, done = 0;
    bool made = false;

    if (!pool)
        return false;
    if (!length)
        return error_set(err, ERROR_INVALID_ARGUMENT, "an upload needs a Content-Length");
    req->object = g_strdup_printf("%s/%s", req->params[0], req->params[1]);
    if (!upload_prepare(req, pool, req->params[1], bytes, &made, err))
        return false;
    if (!upload_body(req, pool, req->params[1], 0, bytes, &done, err)) {
        if (made)
            upload_undo(req, pool, req->params[1]);
        return false;
    }
    g_autoptr(Volume) volume = volume_find_by_name(pool, req->params[1], err);
    return volume && answer_volume(req, made ? 201 : 200, volume);
}

const HttpRoute http_routes_storage[] = {
    { "GET", "/pools", HTTP_VIEW, .flags = HTTP_LIST, .answer = pool_fields, .handle = handle_pools,
      .doc = "All storage pools, as they are known.", .command = "lodge pool-list --all" },
    { "POST", "/pools", HTTP_ADMIN, .body = pool_body, .answer = pool_fields, .status = 201,
      .handle = handle_pool_add, .doc = "Defines a pool.", .command = "lodge pool-define FILE" },
    { "GET", "/pools/{pool}", HTTP_VIEW, .answer = pool_fields, .handle = handle_pool,
      .doc = "A pool, as it is now.", .command = "lodge pool-info POOL" },
    { "PATCH", "/pools/{pool}", HTTP_ADMIN, .body = autostart_body, .answer = pool_fields,
      .handle = handle_pool_patch, .doc = "Changes a pool.", .command = "lodge pool-autostart POOL" },
    { "DELETE", "/pools/{pool}", HTTP_ADMIN, .status = 204, .handle = handle_pool_remove,
      .doc = "Removes a pool's definition.", .command = "lodge pool-undefine POOL" },
    { "GET", "/pools/{pool}/xml", HTTP_VIEW, .type = "application/xml", .handle = handle_pool_xml,
      .doc = "The document of a pool.", .command = "lodge pool-dumpxml POOL" },
    { "POST", "/pools/{pool}/actions/{action}", HTTP_ADMIN, .body = no_body, .answer = pool_fields,
      .handle = handle_pool_action, .doc = "start, stop, refresh, build or delete a pool.",
      .command = "lodge pool-start POOL" },
    { "GET", "/pools/{pool}/volumes", HTTP_VIEW, .flags = HTTP_LIST, .answer = volume_fields,
      .handle = handle_volumes, .doc = "The volumes of a pool.", .command = "lodge vol-list POOL" },
    { "POST", "/pools/{pool}/volumes", HTTP_ADMIN, .body = volume_body, .answer = volume_detail_fields,
      .status = 201, .handle = handle_volume_add, .doc = "Makes a volume.",
      .command = "lodge vol-create-as POOL NAME SIZE" },
    { "GET", "/pools/{pool}/volumes/{volume}", HTTP_VIEW, .answer = volume_detail_fields,
      .handle = handle_volume, .doc = "A volume, and who needs it.",
      .command = "lodge vol-info VOLUME POOL" },
    { "PATCH", "/pools/{pool}/volumes/{volume}", HTTP_ADMIN, .body = resize_body,
      .answer = volume_detail_fields, .handle = handle_volume_resize, .doc = "Resizes a volume.",
      .command = "lodge vol-resize VOLUME SIZE POOL" },
    { "DELETE", "/pools/{pool}/volumes/{volume}", HTTP_ADMIN, .status = 204, .handle = handle_volume_remove,
      .doc = "Removes a volume that nobody needs.", .command = "lodge vol-delete VOLUME POOL" },
    { "POST", "/pools/{pool}/volumes/{volume}/clone", HTTP_ADMIN, .flags = HTTP_LONG, .body = clone_body,
      .answer = volume_detail_fields, .status = 201, .handle = handle_volume_clone, .doc = "Copies a volume.",
      .command = "lodge vol-clone VOLUME NEW POOL" },
    { "POST", "/pools/{pool}/volumes/{volume}/wipe", HTTP_ADMIN, .flags = HTTP_LONG, .body = no_body,
      .status = 204, .handle = handle_volume_wipe, .doc = "Overwrites a volume.",
      .command = "lodge vol-wipe VOLUME POOL" },
    { "GET", "/pools/{pool}/volumes/{volume}/content", HTTP_ADMIN, .type = "application/octet-stream",
      .handle = handle_download, .doc = "The bytes of a volume, or a Range of them.",
      .command = "lodge vol-download VOLUME FILE POOL" },
    { "PUT", "/pools/{pool}/volumes/{volume}/content", HTTP_ADMIN, .flags = HTTP_BODY_STREAM,
      .type = "application/octet-stream", .answer = volume_detail_fields, .handle = handle_upload,
      .doc = "Fills a volume; makes it if it is not there.", .command = "lodge vol-upload VOLUME FILE POOL" },
    { 0 },
};
