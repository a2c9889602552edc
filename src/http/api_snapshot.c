/* Snapshots of machines, and what their screens show. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/snapshot.h"
#include "core/stream.h"
#include "http/answer.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "machine/vm_snapshot.h"
#include "wire/wire_enums.h"

#define SCREENSHOT_MAX ((size_t)67108864)

static const HttpField snapshot_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "parent", HTTP_STRING, .required = true, .nullable = true },
    { "current", HTTP_BOOL, .required = true },
    { "state", HTTP_STRING, .required = true, .doc = "of the machine then" },
    { "created", HTTP_TIME, .required = true, .nullable = true },
    { "description", HTTP_STRING, .required = true, .nullable = true },
    { "disk_only", HTTP_BOOL, .required = true, .doc = "without its memory" },
    { 0 },
};

static Json *snapshot_json(const Moment *snapshot)
{
    const SnapshotDef *def = snapshot->def;

    return json_pack("{s:o,s:o,s:b,s:s,s:o,s:o,s:b}", "name", http_json_text(moment_name(snapshot)), "parent",
                     http_json_text(def->parent), "current", (int)vm_snapshot_is_current(snapshot), "state",
                     enum_name(&snapshot_state_names, def->state), "created",
                     http_json_time(def->created_s.value), "description", http_json_text(def->description),
                     "disk_only", (int)(def->state == SNAPSHOT_DISK_ONLY));
}

static bool handle_list(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autoptr(GPtrArray) snapshots = NULL;

    if (!vm || !vm_snapshot_list(vm, NULL, 0, "virDomainListAllSnapshots", &snapshots, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < snapshots->len; i++)
        json_array_append_new(items, snapshot_json(g_ptr_array_index(snapshots, i)));
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static const HttpField create_body[] = {
    { "xml", HTTP_STRING, .doc = "the <domainsnapshot> document, instead of the others" },
    { "name", HTTP_STRING },
    { "description", HTTP_STRING },
    { "disk_only", HTTP_BOOL, .doc = "without the memory of a running machine" },
    { "memory", HTTP_BOOL, .doc = "false: the same as disk_only" },
    { "quiesce", HTTP_BOOL, .doc = "with disk_only: the guest's agent holds its file systems still" },
    { 0 },
};

/* Owned. */
static char *snapshot_xml(const Json *body)
{
    const char *name = json_get_str(body, "name"), *description = json_get_str(body, "description");
    g_autofree char *named = name ? g_markup_printf_escaped("<name>%s</name>", name) : g_strdup("");
    g_autofree char *described =
        description ? g_markup_printf_escaped("<description>%s</description>", description) : g_strdup("");

    return g_strdup_printf("<domainsnapshot>%s%s</domainsnapshot>", named, described);
}

static bool handle_create(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const char *given = json_get_str(req->body, "xml");
    g_autofree char *xml = given ? g_strdup(given) : snapshot_xml(req->body);
    const bool disk_only =
        json_get_bool(req->body, "disk_only", false) || !json_get_bool(req->body, "memory", true);
    g_auto(WireDomainSnapshotCreateXmlRet) ret = { 0 };

    if (!vm)
        return false;
    if (given && req->who.role != HTTP_ROLE_ADMIN)
        return error_set(err, ERROR_ACCESS_DENIED,
                         "only an admin writes documents, which may name files of the host");
    const WireDomainSnapshotCreateXmlArgs args = {
        .dom = machine_handle(vm),
        .xml_desc = xml,
        .flags =
            (disk_only && vm_is_running(vm) ? (uint32_t)VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY : 0u) |
            (json_get_bool(req->body, "quiesce", false) ? (uint32_t)VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE : 0u)
    };
    if (!HTTP_CALL(req, domain_snapshot_create_xml, &args, &ret, err))
        return false;
    g_autoptr(Moment) snapshot = vm_snapshot_find(vm, ret.snap.name, err);
    return snapshot && http_answer_json(req, 201, snapshot_json(snapshot));
}

static WireDomainSnapshot snapshot_handle(const HttpRequest *req, const Vm *vm)
{
    return (WireDomainSnapshot){ .name = (char *)req->params[1], .dom = machine_handle(vm) };
}

static const HttpField revert_body[] = {
    { "running", HTTP_BOOL, .doc = "the machine runs afterwards, whatever it did then" },
    { "paused", HTTP_BOOL },
    { "force", HTTP_BOOL, .doc = "also where that is risky" },
    { 0 },
};

static uint32_t flag_if(const HttpRequest *req, const char *member, uint32_t flag)
{
    return json_get_bool(req->body, member, false) ? flag : 0;
}

static bool handle_revert(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    if (!vm)
        return false;
    const WireDomainRevertToSnapshotArgs args = {
        .snap = snapshot_handle(req, vm),
        .flags = flag_if(req, "running", VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING) |
                 flag_if(req, "paused", VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED) |
                 flag_if(req, "force", VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
    };
    return HTTP_CALL(req, domain_revert_to_snapshot, &args, NULL, err) && http_answer_none(req);
}

static const HttpField delete_query[] = { { "children", HTTP_BOOL, .doc = "and all that came after it" },
                                          { 0 } };

static bool handle_delete(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    bool children;

    if (!vm || !http_query_bool(&req->target, "children", false, &children, err))
        return false;
    const WireDomainSnapshotDeleteArgs args = { .snap = snapshot_handle(req, vm),
                                                .flags = children
                                                             ? (uint32_t)VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN
                                                             : 0u };
    return HTTP_CALL(req, domain_snapshot_delete, &args, NULL, err) && http_answer_none(req);
}

/* ---- the screen ---- */

static const HttpField screen_query[] = { { "screen", HTTP_UINT, .doc = "which of several; 0" }, { 0 } };

AWAITS static bool read_all(Stream *stream, GByteArray *out, Error **err)
{
    StreamChunk *chunk = NULL;
    bool ok;

    while ((ok = stream_read_chunk(stream, &chunk, err)) && chunk->len > 0) {
        if (out->len + chunk->len > SCREENSHOT_MAX) {
            ok = error_set(err, ERROR_OVERFLOW, "a screen of more than %zu bytes", SCREENSHOT_MAX);
            break;
        }
        g_byte_array_append(out, chunk->data, (guint)chunk->len);
    }
    stream_chunk_free(chunk);
    return ok;
}

static bool handle_screenshot(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_auto(WireDomainScreenshotRet) ret = { 0 };
    HttpExtra extra = { .fd = -1 };
    uint64_t screen;

    if (!vm || !http_query_uint(&req->target, "screen", 0, 64, &screen, err))
        return false;
    const WireDomainScreenshotArgs args = { .dom = machine_handle(vm), .screen = (uint32_t)screen };
    if (!HTTP_CALL_EXTRA(req, domain_screenshot, &args, &ret, &extra, err))
        return false;
    GByteArray *bytes = g_byte_array_new();
    const bool ok = read_all(extra.stream, bytes, err);
    stream_close(extra.stream, ok);
    const size_t len = bytes->len;
    uint8_t *data = g_byte_array_free(bytes, !ok);
    return ok && http_answer_data(req, 200, ret.mime ? ret.mime : "application/octet-stream", data, len);
}

const HttpRoute http_routes_snapshot[] = {
    { "GET", "/machines/{machine}/snapshots", HTTP_VIEW, .flags = HTTP_LIST | HTTP_MACHINE,
      .answer = snapshot_fields, .handle = handle_list, .doc = "The snapshots of a machine, parents first.",
      .command = "lodge snapshot-list MACHINE" },
    { "POST", "/machines/{machine}/snapshots", HTTP_OPERATE, .flags = HTTP_MACHINE | HTTP_LONG,
      .body = create_body, .answer = snapshot_fields, .status = 201, .handle = handle_create,
      .doc = "Takes a snapshot.", .command = "lodge snapshot-create-as MACHINE NAME" },
    { "POST", "/machines/{machine}/snapshots/{snapshot}/revert", HTTP_OPERATE,
      .flags = HTTP_MACHINE | HTTP_LONG, .body = revert_body, .status = 204, .handle = handle_revert,
      .doc = "Brings a machine back to a snapshot.", .command = "lodge snapshot-revert MACHINE SNAPSHOT" },
    { "DELETE", "/machines/{machine}/snapshots/{snapshot}", HTTP_OPERATE, .flags = HTTP_MACHINE | HTTP_LONG,
      .query = delete_query, .status = 204, .handle = handle_delete, .doc = "Deletes a snapshot.",
      .command = "lodge snapshot-delete MACHINE SNAPSHOT" },
    { "GET", "/machines/{machine}/screenshot", HTTP_OPERATE, .flags = HTTP_MACHINE, .query = screen_query,
      .type = "image/png", .handle = handle_screenshot, .doc = "What a screen of a machine shows.",
      .command = "lodge screenshot MACHINE" },
    { 0 },
};
