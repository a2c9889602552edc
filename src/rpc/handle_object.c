/* What is the same for every kind of object. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/handle_object.h"

#include "core/secret.h"
#include "network/filter.h"
#include "rpc/access.h"
#include "rpc/convert.h"
#include "wire/wire_enums.h"

#define LIST_MAX 16384

/* The layouts that all procedures of a sort share. */
typedef struct NumberRet {
    int32_t number;
} NumberRet;
typedef struct TextRet {
    char *text;
} TextRet;
typedef struct NamesRet {
    char **names;
    uint32_t n_names;
} NamesRet;
typedef struct ListArgs {
    int32_t need_results;
    uint32_t flags;
} ListArgs;
typedef struct ListRet {
    WireHandle *handles;
    uint32_t n_handles;
    uint32_t ret;
} ListRet;

/* Only what the kind's handle has on the wire is freed with it. */
void rpc_fill_handle(const Object *object, WireHandle *ret_handle)
{
    *ret_handle = (WireHandle){ .uuid = *object_uuid(object), .id = object_id(object) };
    if (object_class(object) == &secret_class)
        secret_get_usage(object, &ret_handle->usage_type, &ret_handle->usage_id);
    else
        ret_handle->name = g_strdup(object_name(object));
    if (object_class(object) == &filter_binding_class)
        ret_handle->filtername = g_strdup(filter_binding_filter(object));
}

Object *rpc_find_object(RpcCall *call, const ObjectClass *class, const void *args, Error **err)
{
    Registry *registry = host_registry(call->host, class);
    const WireHandle *handle = args;

    if (class->by_name)
        return object_find_by_name(registry, *(char *const *)args, err);
    return object_find_by_uuid(registry, &handle->uuid, handle->name, err);
}

/* The 32-bit argument behind the first one (flags, autostart ...); 0 if the procedure has none. */
static uint32_t second_argument(const RpcCall *call, const void *args)
{
    const WireTypeInfo *type = &wire_types[call->proc->args];

    if (type->n_fields < 2)
        return 0;
    return *(const uint32_t *)((const char *)args + wire_fields[type->first_field + 1].offset);
}

#define CLASS (call->entry->class)
#define REGISTRY host_registry(call->host, CLASS)

bool rpc_object_lookup_by_name(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = object_find_by_name(REGISTRY, *(char *const *)args, err);

    if (!object)
        return false;
    rpc_fill_handle(object, ret);
    return true;
}

bool rpc_object_lookup_by_uuid(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = object_find_by_uuid(REGISTRY, args, NULL, err);

    if (!object)
        return false;
    rpc_fill_handle(object, ret);
    return true;
}

/* ---- lists ---- */

AWAITS static bool list_visible(RpcCall *call, unsigned flags, GPtrArray **ret_objects, Error **err)
{
    if (!object_list(REGISTRY, flags, call->proc->api, ret_objects, err))
        return false;
    for (guint i = (*ret_objects)->len; i-- > 0;) {
        if (!rpc_access_may_see(call, g_ptr_array_index(*ret_objects, i)))
            g_ptr_array_remove_index(*ret_objects, i);
    }
    return true;
}

bool rpc_object_list_all(RpcCall *call, const void *args, void *ret, Error **err)
{
    const ListArgs *asked = args;
    ListRet *list = ret;
    g_autoptr(GPtrArray) objects = NULL;

    if (!list_visible(call, asked->flags, &objects, err))
        return false;
    list->ret = objects->len;
    if (!asked->need_results)
        return true;
    list->handles = g_new0(WireHandle, MAX(objects->len, 1));
    list->n_handles = objects->len;
    for (guint i = 0; i < objects->len; i++)
        rpc_fill_handle(g_ptr_array_index(objects, i), &list->handles[i]);
    return true;
}

/* The flag of objects that are active (or not), if the kind knows the difference. */
static unsigned state_flag(const ObjectClass *class, bool active)
{
    if (class->filters && class->filters[0].flag == object_flag_active)
        return active ? 1 : 2;
    if (class->filters && class->filters[0].flag == object_flag_inactive)
        return active ? 2 : 1;
    return 0;
}

static bool list_by_state(RpcCall *call, bool active, GPtrArray **ret_objects, Error **err)
{
    return list_visible(call, state_flag(CLASS, active), ret_objects, err);
}

static bool count_by_state(RpcCall *call, bool active, void *ret, Error **err)
{
    g_autoptr(GPtrArray) objects = NULL;

    if (!list_by_state(call, active, &objects, err))
        return false;
    ((NumberRet *)ret)->number = (int32_t)objects->len;
    return true;
}

bool rpc_object_num_active(RpcCall *call, const void *args, void *ret, Error **err)
{
    return count_by_state(call, true, ret, err);
}

bool rpc_object_num_inactive(RpcCall *call, const void *args, void *ret, Error **err)
{
    return count_by_state(call, false, ret, err);
}

static bool names_by_state(RpcCall *call, bool active, int32_t max, void *ret, Error **err)
{
    g_autoptr(GPtrArray) objects = NULL;
    NamesRet *list = ret;

    if (max < 0 || max > LIST_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d %ss can be listed, not %d", LIST_MAX,
                         CLASS->noun, max);
    if (!list_by_state(call, active, &objects, err))
        return false;
    list->n_names = MIN(objects->len, (uint32_t)max);
    list->names = g_new0(char *, MAX(list->n_names, 1));
    for (uint32_t i = 0; i < list->n_names; i++)
        list->names[i] = g_strdup(object_name(g_ptr_array_index(objects, i)));
    return true;
}

bool rpc_object_names_active(RpcCall *call, const void *args, void *ret, Error **err)
{
    return names_by_state(call, true, *(const int32_t *)args, ret, err);
}

bool rpc_object_names_inactive(RpcCall *call, const void *args, void *ret, Error **err)
{
    return names_by_state(call, false, *(const int32_t *)args, ret, err);
}

/* ---- one object ---- */

bool rpc_object_get_xml(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    return object &&
           object_get_xml(object, second_argument(call, args), call->proc->api, &((TextRet *)ret)->text, err);
}

static bool answer_flag(RpcCall *call, const void *args, void *ret, bool (*flag)(const Object *), Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    if (!object)
        return false;
    ((NumberRet *)ret)->number = flag(object);
    return true;
}

bool rpc_object_get_autostart(RpcCall *call, const void *args, void *ret, Error **err)
{
    return answer_flag(call, args, ret, object_has_autostart, err);
}

bool rpc_object_is_active(RpcCall *call, const void *args, void *ret, Error **err)
{
    return answer_flag(call, args, ret, object_is_active, err);
}

bool rpc_object_is_persistent(RpcCall *call, const void *args, void *ret, Error **err)
{
    return answer_flag(call, args, ret, object_is_persistent, err);
}

bool rpc_object_set_autostart(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    return object && object_set_autostart(object, second_argument(call, args) != 0, rpc_caller(call), err);
}

bool rpc_object_define(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object =
        object_define(call->host, CLASS, *(char *const *)args, second_argument(call, args), call->proc->api,
                      rpc_caller(call), err);

    if (!object)
        return false;
    rpc_fill_handle(object, ret);
    return true;
}

bool rpc_object_create_xml(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object =
        object_create(call->host, CLASS, *(char *const *)args, second_argument(call, args), call->proc->api,
                      rpc_caller(call), err);

    if (!object)
        return false;
    rpc_fill_handle(object, ret);
    return true;
}

bool rpc_object_start(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    return object &&
           object_start(object, second_argument(call, args), call->proc->api, rpc_caller(call), err);
}

bool rpc_object_stop(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    return object && rpc_check_flags(call, second_argument(call, args), 0, err) &&
           object_stop(object, rpc_caller(call), err);
}

bool rpc_object_undefine(RpcCall *call, const void *args, void *ret, Error **err)
{
    g_autoptr(Object) object = rpc_find_object(call, CLASS, args, err);

    return object && rpc_check_flags(call, second_argument(call, args), 0, err) &&
           object_undefine(object, rpc_caller(call), err);
}
