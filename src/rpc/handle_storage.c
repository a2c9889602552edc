/* Pools and volumes: what is their own beside the handlers of every object. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"
#include "storage/image_users.h"
#include "storage/volume.h"
#include "wire/wire_enums.h"

#define VOLUMES_MAX 16384 /* of one answer */
#define USERS_MAX 16384
#define STATUS_AS_KNOWN 1u /* flag of lodge_pool_status: without a look, which may take its time */

/* RPC_HANDLER for procedures whose arguments begin with a pool. */
#define POOL_HANDLER(name)                                                                                   \
    static bool handle_##name##_pool(RpcCall *call, Object *pool, const wire_args_##name *args,              \
                                     wire_ret_##name *ret, Error **err);                                     \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        g_autoptr(Object) pool = rpc_find_object(call, &pool_class, args, err);                              \
        return pool && handle_##name##_pool(call, pool, args, ret, err);                                     \
    }                                                                                                        \
    static bool handle_##name##_pool(RpcCall *call, Object *pool, const wire_args_##name *args,              \
                                     wire_ret_##name *ret, Error **err)

/* The volume that a client means. A reference. */
static Volume *find_volume(RpcCall *call, const WireStorageVol *handle, Error **err)
{
    g_autoptr(Object) pool = object_find_by_name(host_registry(call->host, &pool_class), handle->pool, err);

    return pool ? volume_find_by_name(pool, handle->name, err) : NULL;
}

#define VOLUME_HANDLER(name)                                                                                 \
    static bool handle_##name##_volume(RpcCall *call, Volume *volume, const wire_args_##name *args,          \
                                       wire_ret_##name *ret, Error **err);                                   \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        g_autoptr(Volume) volume = find_volume(call, &((const wire_args_##name *)args)->vol, err);           \
        return volume && handle_##name##_volume(call, volume, args, ret, err);                               \
    }                                                                                                        \
    static bool handle_##name##_volume(RpcCall *call, Volume *volume, const wire_args_##name *args,          \
                                       wire_ret_##name *ret, Error **err)

static bool answer_volume(Volume *volume, WireStorageVol *ret_handle)
{
    if (!volume)
        return false;
    *ret_handle = (WireStorageVol){ .pool = g_strdup(volume_pool_name(volume)),
                                    .name = g_strdup(volume_name(volume)),
                                    .key = g_strdup(volume_key(volume)) };
    volume_unref(volume);
    return true;
}

/* ---- pools ---- */

POOL_HANDLER(storage_pool_build)
{
    return pool_build(pool, args->flags, call->proc->api, rpc_caller(call), err);
}

POOL_HANDLER(storage_pool_delete)
{
    return pool_delete(pool, args->flags, call->proc->api, rpc_caller(call), err);
}

POOL_HANDLER(storage_pool_refresh)
{
    return rpc_check_flags(call, args->flags, 0, err) && pool_refresh(pool, err);
}

POOL_HANDLER(storage_pool_get_info)
{
    g_auto(PoolInfo) info = { 0 };

    if (!pool_get_info(pool, POOL_NOW, &info, err))
        return false;
    ret->state = (uint8_t)info.state;
    ret->capacity = info.capacity_bytes;
    ret->allocation = info.allocation_bytes;
    ret->available = info.available_bytes;
    return true;
}

RPC_HANDLER(storage_pool_lookup_by_volume)
{
    g_autoptr(Object) pool = object_find_by_name(host_registry(call->host, &pool_class), args->vol.pool, err);

    if (!pool)
        return false;
    rpc_fill_handle(pool, &ret->pool);
    return true;
}

RPC_HANDLER(storage_pool_lookup_by_target_path)
{
    g_autoptr(Object) pool = pool_find_by_target_path(call->host, args->path, err);

    if (!pool)
        return false;
    rpc_fill_handle(pool, &ret->pool);
    return true;
}

RPC_HANDLER(connect_find_storage_pool_sources)
{
    return pool_find_sources(call->host, args->type, args->src_spec, args->flags, call->proc->api, &ret->xml,
                             err);
}

RPC_HANDLER(connect_get_storage_pool_capabilities)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->capabilities = pool_capabilities(call->host);
    return true;
}

/* ---- volumes ---- */

POOL_HANDLER(storage_pool_num_of_volumes)
{
    g_autoptr(GPtrArray) volumes = NULL;

    if (!volume_list(pool, &volumes, err))
        return false;
    ret->num = (int32_t)volumes->len;
    return true;
}

POOL_HANDLER(storage_pool_list_volumes)
{
    g_autoptr(GPtrArray) volumes = NULL;

    if (args->maxnames < 0 || args->maxnames > VOLUMES_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d volumes can be listed, not %d", VOLUMES_MAX,
                         args->maxnames);
    if (!volume_list(pool, &volumes, err))
        return false;
    ret->n_names = MIN(volumes->len, (uint32_t)args->maxnames);
    ret->names = g_new0(char *, MAX(ret->n_names, 1));
    for (uint32_t i = 0; i < ret->n_names; i++)
        ret->names[i] = g_strdup(volume_name(g_ptr_array_index(volumes, i)));
    return true;
}

POOL_HANDLER(storage_pool_list_all_volumes)
{
    g_autoptr(GPtrArray) volumes = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) || !volume_list(pool, &volumes, err))
        return false;
    ret->ret = volumes->len;
    if (!args->need_results)
        return true;
    if (volumes->len > VOLUMES_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "%u volumes are more than the %d that one answer holds",
                         volumes->len, VOLUMES_MAX);
    ret->vols = g_new0(WireStorageVol, MAX(volumes->len, 1));
    ret->n_vols = volumes->len;
    for (guint i = 0; i < volumes->len; i++)
        (void)answer_volume(volume_ref(g_ptr_array_index(volumes, i)), &ret->vols[i]);
    return true;
}

POOL_HANDLER(storage_vol_lookup_by_name)
{
    return answer_volume(volume_find_by_name(pool, args->name, err), &ret->vol);
}

RPC_HANDLER(storage_vol_lookup_by_key)
{
    return answer_volume(volume_find_by_key(call->host, args->key, err), &ret->vol);
}

RPC_HANDLER(storage_vol_lookup_by_path)
{
    return answer_volume(volume_find_by_path(call->host, args->path, err), &ret->vol);
}

POOL_HANDLER(storage_vol_create_xml)
{
    return answer_volume(volume_create(pool, args->xml, NULL, args->flags, call->proc->api, rpc_caller(call),
                                       err),
                         &ret->vol);
}

POOL_HANDLER(storage_vol_create_xml_from)
{
    g_autoptr(Volume) from = find_volume(call, &args->clonevol, err);

    return from && answer_volume(volume_create(pool, args->xml, from, args->flags, call->proc->api,
                                               rpc_caller(call), err),
                                 &ret->vol);
}

VOLUME_HANDLER(storage_vol_delete)
{
    return volume_delete(volume, args->flags, VOLUME_UNUSED, call->proc->api, rpc_caller(call), err);
}

VOLUME_HANDLER(storage_vol_wipe)
{
    return rpc_check_flags(call, args->flags, 0, err) && volume_wipe(volume, 0, rpc_caller(call), err);
}

VOLUME_HANDLER(storage_vol_wipe_pattern)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           volume_wipe(volume, (int)args->algorithm, rpc_caller(call), err);
}

VOLUME_HANDLER(storage_vol_resize)
{
    return volume_resize(volume, args->capacity, args->flags, call->proc->api, rpc_caller(call), err);
}

VOLUME_HANDLER(storage_vol_get_info)
{
    int type = 0;

    if (!volume_get_info(volume, 0, call->proc->api, &type, &ret->capacity, &ret->allocation, err))
        return false;
    ret->type = (char)type;
    return true;
}

VOLUME_HANDLER(storage_vol_get_info_flags)
{
    int type = 0;

    if (!volume_get_info(volume, args->flags, call->proc->api, &type, &ret->capacity, &ret->allocation, err))
        return false;
    ret->type = (char)type;
    return true;
}

VOLUME_HANDLER(storage_vol_get_xml_desc)
{
    return rpc_check_flags(call, args->flags, 0, err) && volume_get_xml(volume, &ret->xml, err);
}

VOLUME_HANDLER(storage_vol_get_path)
{
    ret->name = g_strdup(volume_path(volume));
    return true;
}

VOLUME_HANDLER(storage_vol_upload)
{
    return volume_upload(volume, args->offset, args->length, args->flags, call->proc->api, rpc_caller(call),
                         &call->stream, err);
}

VOLUME_HANDLER(storage_vol_download)
{
    return volume_download(volume, args->offset, args->length, args->flags, call->proc->api, rpc_caller(call),
                           &call->stream, err);
}

/* ---- Lodge's own calls ---- */

VOLUME_HANDLER(lodge_volume_users)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(GPtrArray) users = image_list_users(call->host, volume_path(volume), false, NULL);
    ret->n_users = MIN(users->len, USERS_MAX);
    ret->users = g_new0(WireLodgeImageUser, MAX(ret->n_users, 1));
    for (guint i = 0; i < ret->n_users; i++) {
        const ImageUser *user = g_ptr_array_index(users, i);
        ret->users[i].kind = g_strdup(enum_name(&image_user_kind_names, user->kind));
        ret->users[i].name = g_strdup(user->name);
    }
    return true;
}

VOLUME_HANDLER(lodge_volume_delete)
{
    return volume_delete(volume, args->flags, VOLUME_UNNEEDED, call->proc->api, rpc_caller(call), err);
}

RPC_HANDLER(lodge_volume_orphans)
{
    g_autoptr(GPtrArray) volumes = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) ||
        !volume_list_orphans(call->host, args->pool, &volumes, err))
        return false;
    if (volumes->len > VOLUMES_MAX) {
        error_set(err, ERROR_OPERATION_FAILED, "%u volumes are more than the %d that one answer holds",
                  volumes->len, VOLUMES_MAX);
        return error_hint(err, "ask about one pool");
    }
    ret->volumes = g_new0(WireLodgeOrphan, MAX(volumes->len, 1));
    ret->n_volumes = volumes->len;
    for (guint i = 0; i < volumes->len; i++) {
        Volume *volume = g_ptr_array_index(volumes, i);
        const VolumeFacts facts = volume_facts(volume);
        ret->volumes[i] = (WireLodgeOrphan){ .pool = g_strdup(volume_pool_name(volume)),
                                             .name = g_strdup(volume_name(volume)),
                                             .path = g_strdup(volume_path(volume)),
                                             .format = g_strdup(facts.format),
                                             .capacity = facts.capacity_bytes,
                                             .allocation = facts.allocation_bytes,
                                             .modified_s = facts.modified_s };
    }
    return true;
}

POOL_HANDLER(lodge_pool_status)
{
    g_auto(PoolInfo) info = { 0 };

    if (!rpc_check_flags(call, args->flags, STATUS_AS_KNOWN, err) ||
        !pool_get_info(pool, args->flags & STATUS_AS_KNOWN ? POOL_AS_KNOWN : POOL_NOW, &info, err))
        return false;
    *ret = (WireLodgePoolStatusRet){ .state = info.state,
                                     .capacity = info.capacity_bytes,
                                     .allocation = info.allocation_bytes,
                                     .available = info.available_bytes,
                                     .promised = info.promised_bytes,
                                     .used_percent = info.used_percent,
                                     .promised_percent = info.promised_percent };
    if (info.is_filling)
        ret->warning = g_strdup_printf("%u%% full", info.used_percent);
    else if (info.reason && info.state == VIR_STORAGE_POOL_INACTIVE)
        ret->warning = g_strdup(info.reason);
    ret->reason = g_steal_pointer(&info.reason);
    return true;
}

const RpcEntry rpc_entries_lodge_storage[] = {
    RPC_ENTRY(lodge_volume_users),
    RPC_ENTRY(lodge_volume_delete),
    RPC_ENTRY(lodge_volume_orphans),
    RPC_ENTRY(lodge_pool_status),
    { 0 },
};

const RpcEntry rpc_entries_storage[] = {
    RPC_OBJECT(connect_num_of_storage_pools, num_active, pool_class),
    RPC_OBJECT(connect_list_storage_pools, names_active, pool_class),
    RPC_OBJECT(connect_num_of_defined_storage_pools, num_inactive, pool_class),
    RPC_OBJECT(connect_list_defined_storage_pools, names_inactive, pool_class),
    RPC_OBJECT(connect_list_all_storage_pools, list_all, pool_class),
    RPC_OBJECT(storage_pool_lookup_by_name, lookup_by_name, pool_class),
    RPC_OBJECT(storage_pool_lookup_by_uuid, lookup_by_uuid, pool_class),
    RPC_OBJECT(storage_pool_define_xml, define, pool_class),
    RPC_OBJECT(storage_pool_create_xml, create_xml, pool_class),
    RPC_OBJECT(storage_pool_create, start, pool_class),
    RPC_OBJECT(storage_pool_destroy, stop, pool_class),
    RPC_OBJECT(storage_pool_undefine, undefine, pool_class),
    RPC_OBJECT(storage_pool_get_xml_desc, get_xml, pool_class),
    RPC_OBJECT(storage_pool_get_autostart, get_autostart, pool_class),
    RPC_OBJECT(storage_pool_set_autostart, set_autostart, pool_class),
    RPC_OBJECT(storage_pool_is_active, is_active, pool_class),
    RPC_OBJECT(storage_pool_is_persistent, is_persistent, pool_class),
    RPC_ENTRY(storage_pool_build),
    RPC_ENTRY(storage_pool_delete),
    RPC_ENTRY(storage_pool_refresh),
    RPC_ENTRY(storage_pool_get_info),
    RPC_ENTRY(storage_pool_lookup_by_volume),
    RPC_ENTRY(storage_pool_lookup_by_target_path),
    RPC_ENTRY(connect_find_storage_pool_sources),
    RPC_ENTRY(connect_get_storage_pool_capabilities),
    RPC_ENTRY(storage_pool_num_of_volumes),
    RPC_ENTRY(storage_pool_list_volumes),
    RPC_ENTRY(storage_pool_list_all_volumes),
    RPC_ENTRY(storage_vol_lookup_by_name),
    RPC_ENTRY(storage_vol_lookup_by_key),
    RPC_ENTRY(storage_vol_lookup_by_path),
    RPC_ENTRY(storage_vol_create_xml),
    RPC_ENTRY_CANCELLABLE(storage_vol_create_xml_from),
    RPC_ENTRY(storage_vol_delete),
    RPC_ENTRY(storage_vol_wipe),
    RPC_ENTRY(storage_vol_wipe_pattern),
    RPC_ENTRY(storage_vol_resize),
    RPC_ENTRY(storage_vol_get_info),
    RPC_ENTRY(storage_vol_get_info_flags),
    RPC_ENTRY(storage_vol_get_xml_desc),
    RPC_ENTRY(storage_vol_get_path),
    RPC_ENTRY(storage_vol_upload),
    RPC_ENTRY(storage_vol_download),
    { 0 },
};
