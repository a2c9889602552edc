/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/object_call.h"

#include <string.h>

Object *object_of(HttpRequest *req, const ObjectClass *class, Error **err)
{
    Registry *registry = host_registry(req->host, class);
    const char *text = req->params[0];
    Uuid uuid;

    if (!class->by_name && strlen(text) == UUID_STRING_LEN - 1 && uuid_parse(text, &uuid, NULL)) {
        Object *object = object_find_by_uuid(registry, &uuid, NULL, NULL);
        if (object)
            return object;
    }
    return object_find_by_name(registry, text, err);
}

WireHandle object_handle(const Object *object)
{
    return (WireHandle){ .name = (char *)object_name(object),
                         .uuid = *object_uuid(object),
                         .id = object_id(object) };
}

bool object_call(HttpRequest *req, int32_t number, const Object *object, uint32_t value, Error **err)
{
    const WireProc *proc = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), number);
    const ObjectArgs args = { .object = object_handle(object), .value = value };
    g_autofree void *ret = g_malloc0(MAX(wire_type_size(proc->ret), 1));
    const bool ok = http_call(req, WIRE_PROGRAM_REMOTE, number, &args, ret, NULL, err);

    wire_clear(proc->ret, ret);
    return ok;
}

Object *object_call_xml(HttpRequest *req, int32_t number, const ObjectClass *class, const char *xml,
                        uint32_t flags, Error **err)
{
    const XmlArgs args = { .xml = (char *)xml, .flags = flags };
    WireHandle ret = { 0 };

    if (!http_call(req, WIRE_PROGRAM_REMOTE, number, &args, &ret, NULL, err))
        return NULL;
    Registry *registry = host_registry(req->host, class);
    Object *object = ret.name ? object_find_by_name(registry, ret.name, err)
                              : object_find_by_uuid(registry, &ret.uuid, NULL, err);
    wire_clear(wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), number)->ret, &ret);
    if (object)
        req->object = g_strdup(object_name(object));
    return object;
}

bool object_answer_xml(HttpRequest *req, int32_t number, const Object *object, uint32_t flags, Error **err)
{
    const ObjectArgs args = { .object = object_handle(object), .value = flags };
    struct {
        char *xml;
    } ret = { 0 };

    return http_call(req, WIRE_PROGRAM_REMOTE, number, &args, &ret, NULL, err) &&
           http_answer_text(req, 200, "application/xml", ret.xml);
}
