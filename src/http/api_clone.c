/* Machines from machines: clones and templates, which `lodge` makes, in a process of its own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/machine_json.h"
#include "http/program.h"
#include "http/route.h"

#define MAKE_FIELDS                                                                                          \
    { "count", HTTP_UINT, .doc = "so many; the name has a place for the number, %d or %02d" },               \
    {                                                                                                        \
        "start", HTTP_BOOL                                                                                   \
    }
static const HttpField clone_body[] = {
    { "name", HTTP_STRING, .required = true },
    { "linked", HTTP_BOOL, .doc = "stand on the original's disks instead of copying them" },
    MAKE_FIELDS,
    { 0 },
};
static const HttpField made_fields[] = {
    { "made", HTTP_STRINGS, .required = true, .doc = "names of machines" },
    { 0 },
};

/* `lodge` tells what it made. */
AWAITS static bool make(HttpRequest *req, const HttpProgram *program, Error **err)
{
    AUTO_JSON made = NULL;

    return http_program_run(req, program, &made, err) &&
           http_answer_json(req, 201, json_pack("{s:O?}", "made", json_object_get(made, "made")));
}

static bool handle_clone(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = {
        { "name", "name" }, { "linked", "linked" }, { "count", "count" }, { "start", "start" }, { 0 }
    };
    g_autoptr(Vm) vm = machine_of(req, err);
    char uuid[UUID_STRING_LEN];

    if (!vm)
        return false;
    uuid_format(vm_uuid(vm), uuid);
    const char *const words[] = { uuid, NULL };
    const HttpProgram program = { .command = "clone", .options = options, .words = words };
    return make(req, &program, err);
}

/* ---- templates ---- */

static const HttpField template_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "machine", HTTP_STRING, .required = true, .nullable = true, .doc = "that it was made from" },
    { "disks", HTTP_UINT, .required = true, .doc = "how many" },
    { "bytes", HTTP_UINT, .required = true },
    { "added", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

static bool handle_templates(HttpRequest *req, Error **err)
{
    static const char *const words[] = { NULL };
    const HttpProgram program = { .command = "template-list", .words = words };
    AUTO_JSON rows = NULL;
    Json *row;
    size_t i;

    if (!http_program_run(req, &program, &rows, err))
        return false;
    json_array_foreach (rows, i, row) {
        json_object_set(row, "bytes", json_object_get(row, "virtual_bytes"));
        json_object_del(row, "virtual_bytes");
    }
    return http_answer_json(req, 200, json_pack("{s:O?}", "items", rows));
}

static const HttpField template_body[] = {
    { "machine", HTTP_STRING, .required = true, .doc = "name or UUID" },
    { "name", HTTP_STRING, .required = true },
    { 0 },
};
static const HttpField named_fields[] = { { "name", HTTP_STRING, .required = true }, { 0 } };

static bool handle_template_add(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = { { "name", "name" }, { 0 } };
    g_autoptr(Vm) vm = machine_find(req->host, json_get_str(req->body, "machine"), err);
    char uuid[UUID_STRING_LEN];

    if (!vm)
        return false;
    req->object = g_strdup(json_get_str(req->body, "name"));
    uuid_format(vm_uuid(vm), uuid);
    const char *const words[] = { uuid, NULL };
    const HttpProgram program = { .command = "template-create", .options = options, .words = words };
    return http_program_run(req, &program, NULL, err) &&
           http_answer_json(req, 201, json_pack("{s:s}", "name", req->object));
}

static const HttpField instantiate_body[] = {
    { "name", HTTP_STRING, .required = true },
    { "full", HTTP_BOOL, .doc = "copy the disks instead of standing on the template's" },
    MAKE_FIELDS,
    { 0 },
};

static bool handle_instantiate(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = {
        { "name", "name" }, { "full", "full" }, { "count", "count" }, { "start", "start" }, { 0 }
    };
    const char *const words[] = { req->params[0], NULL };
    const HttpProgram program = { .command = "template-instantiate", .options = options, .words = words };

    return make(req, &program, err);
}

static bool handle_template_remove(HttpRequest *req, Error **err)
{
    const char *const words[] = { req->params[0], NULL };
    const HttpProgram program = { .command = "image-rm", .words = words };

    return http_program_run(req, &program, NULL, err) && http_answer_none(req);
}

const HttpRoute http_routes_clone[] = {
    { "POST", "/machines/{machine}/clone", HTTP_ADMIN, .flags = HTTP_LONG, .body = clone_body,
      .answer = made_fields, .status = 201, .handle = handle_clone,
      .doc = "Makes machines like another one, with copies of its disks or on top of them.",
      .command = "lodge clone MACHINE --name NAME" },
    { "GET", "/templates", HTTP_VIEW, .flags = HTTP_LIST, .answer = template_fields,
      .handle = handle_templates, .doc = "The templates of the library.", .command = "lodge template list" },
    { "POST", "/templates", HTTP_ADMIN, .flags = HTTP_LONG, .body = template_body, .answer = named_fields,
      .status = 201, .handle = handle_template_add,
      .doc = "Keeps a machine in the library, to make others from. The machine stays as it is.",
      .command = "lodge template create MACHINE --name NAME" },
    { "POST", "/templates/{template}/machines", HTTP_ADMIN, .flags = HTTP_LONG, .body = instantiate_body,
      .answer = made_fields, .status = 201, .handle = handle_instantiate,
      .doc = "Makes machines from a template.",
      .command = "lodge template instantiate TEMPLATE --name NAME" },
    { "DELETE", "/templates/{template}", HTTP_ADMIN, .status = 204, .handle = handle_template_remove,
      .doc = "Removes a template that no machine stands on.", .command = "lodge image rm TEMPLATE" },
    { 0 },
};
