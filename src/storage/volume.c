/* Volumes of pools: finding them, asking, making, removing and changing them. What depends on the kind of the
 * pool is its backend's. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/volume.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "storage/image_make.h"
#include "storage/image_users.h"
#include "storage/path_look.h"
#include "storage/pool_backend.h"
#include "wire/wire_enums.h"

#define RESOLVE_DEADLINE_MS 2000
#define STARTING_DEADLINE_MS 20000 /* a machine waits this long for a pool that is being started */

/* ---- life ---- */

Volume *volume_new(Pool *pool, VolumeDef *def)
{
    Volume *volume = g_new0(Volume, 1);

    volume->refs = 1;
    volume->pool = pool;
    volume->pool_name = g_strdup(pool->name);
    volume->name = g_strdup(def->name);
    volume->def = def;
    return volume;
}

Volume *volume_ref(Volume *volume)
{
    volume->refs++;
    return volume;
}

void volume_unref(Volume *volume)
{
    if (!volume || --volume->refs > 0)
        return;
    volume_def_free(volume->def);
    g_clear_pointer(&volume->retired, g_ptr_array_unref);
    g_free(volume->temp_path);
    g_free(volume->pool_name);
    g_free(volume->name);
    g_free(volume);
}

static bool volume_is_indexed(const Volume *volume)
{
    return volume->pool &&
           g_hash_table_lookup(volume->pool->host->pools->by_path, volume->def->target.path) == volume;
}

void volume_index_add(Volume *volume)
{
    PoolRoom *room = volume->pool->host->pools;

    if (volume->def->target.path && !g_hash_table_contains(room->by_path, volume->def->target.path))
        g_hash_table_insert(room->by_path, g_strdup(volume->def->target.path), volume);
    if (volume->def->key && g_strcmp0(volume->def->key, volume->def->target.path) != 0)
        g_hash_table_insert(room->by_key, g_strdup(volume->def->key), volume);
}

void volume_index_remove(Volume *volume)
{
    PoolRoom *room = volume->pool->host->pools;

    if (volume_is_indexed(volume))
        g_hash_table_remove(room->by_path, volume->def->target.path);
    if (volume->def->key && g_hash_table_lookup(room->by_key, volume->def->key) == volume)
        g_hash_table_remove(room->by_key, volume->def->key);
}

void volume_set_def(Volume *volume, VolumeDef *def)
{
    const bool was_indexed = volume_is_indexed(volume);
    VolumeEncryption *asked = volume->def->target.encryption;

    /* Which secret opens it nobody can read from the image. */
    if (asked && asked->secrets && def->target.encryption && !def->target.encryption->secrets &&
        asked->format == def->target.encryption->format) {
        volume->def->target.encryption = def->target.encryption;
        def->target.encryption = asked;
    }
    if (was_indexed)
        volume_index_remove(volume);
    if (volume->n_users == 0) {
        volume_def_free(volume->def);
    } else {
        if (!volume->retired)
            volume->retired = g_ptr_array_new_with_free_func((GDestroyNotify)volume_def_free);
        g_ptr_array_add(volume->retired, volume->def);
    }
    volume->def = def;
    if (was_indexed)
        volume_index_add(volume);
}

void volume_take_out(Volume *volume)
{
    Pool *pool = volume->pool;

    if (!pool)
        return;
    volume_index_remove(volume);
    volume->pool = NULL;
    if (pool->volumes && g_hash_table_lookup(pool->volumes, volume->name) == volume)
        g_hash_table_remove(pool->volumes, volume->name);
}

const char *volume_pool_name(const Volume *volume)
{
    return volume->pool_name;
}

const char *volume_name(const Volume *volume)
{
    return volume->name;
}

const char *volume_key(const Volume *volume)
{
    return volume->def->key ? volume->def->key : "";
}

const char *volume_path(const Volume *volume)
{
    return volume->def->target.path ? volume->def->target.path : "";
}

Object *volume_pool(const Volume *volume)
{
    return volume->pool ? object_ref(&volume->pool->object) : NULL;
}

/* ---- finding ---- */

static bool volume_missing(const char *what, const char *value, Error **err)
{
    return error_set(err, ERROR_NO_STORAGE_VOL, "no storage vol with matching %s '%s'", what, value);
}

/* For what was asked of a volume that may have gone meanwhile. */
static bool volume_require(const Volume *volume, Error **err)
{
    return volume->pool || volume_missing("name", volume->name, err);
}

Volume *volume_find_by_name(Object *object, const char *name, Error **err)
{
    Pool *pool = (Pool *)object;

    if (!pool_freshen(pool, name, err))
        return NULL;
    Volume *volume = g_hash_table_lookup(pool->volumes, name);
    if (!volume) {
        volume_missing("name", name, err);
        return NULL;
    }
    return volume_ref(volume);
}

/* The pool of folders that has a file @path. */
static Pool *pool_of_path(Host *host, const char *path)
{
    Pool *pool = NULL;
    g_autofree char *folder = g_path_get_dirname(path);

    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         (pool = (Pool *)registry_next(&iter));) {
        if (pool->live && pool->backend->is_folder && strcmp(pool->live->target_path, folder) == 0)
            return pool;
    }
    return NULL;
}

/* As the text says; no links are followed. */
AWAITS static Volume *find_by_clean_path(Host *host, const char *path)
{
    Volume *volume = g_hash_table_lookup(host->pools->by_path, path);
    Pool *pool = volume ? volume->pool : pool_of_path(host, path);

    if (!pool)
        return NULL;
    g_autoptr(Object) reference G_GNUC_UNUSED = object_ref(&pool->object);
    g_autofree char *name = volume ? g_strdup(volume->name) : g_path_get_basename(path);
    if (!pool_freshen(pool, name, NULL))
        return NULL;
    volume = g_hash_table_lookup(host->pools->by_path, path);
    return volume && !volume->is_being_made ? volume_ref(volume) : NULL;
}

Volume *volume_find_by_path(Host *host, const char *path, Error **err)
{
    if (*path == '/') {
        g_autofree char *clean = g_canonicalize_filename(path, "/");
        Volume *volume = find_by_clean_path(host, clean);
        if (volume)
            return volume;
        g_auto(PathLook) look = { 0 };
        if (path_look(NULL, clean, RESOLVE_DEADLINE_MS, &look, NULL) && look.real &&
            strcmp(look.real, clean) != 0)
            volume = find_by_clean_path(host, look.real);
        if (volume)
            return volume;
    } else {
        Volume *volume =
            find_by_clean_path(host, path); /* of a server: "gluster://host/volume/image", "rbd/image" */
        if (volume)
            return volume;
    }
    volume_missing("path", path, err);
    return NULL;
}

Volume *volume_find_by_key(Host *host, const char *key, Error **err)
{
    Volume *volume = g_hash_table_lookup(host->pools->by_key, key);

    if (volume && !volume->is_being_made)
        return volume_ref(volume);
    if ((volume = find_by_clean_path(host, key)))
        return volume;
    error_set(err, ERROR_NO_STORAGE_VOL, "no storage vol with matching key %s", key);
    return NULL;
}

static int volume_compare(const void *a, const void *b)
{
    return strcmp((*(Volume *const *)a)->name, (*(Volume *const *)b)->name);
}

bool volume_list(Object *object, GPtrArray **ret_volumes, Error **err)
{
    Pool *pool = (Pool *)object;
    GHashTableIter iter;
    gpointer value = NULL;

    if (!pool_freshen(pool, NULL, err))
        return false;
    GPtrArray *volumes = g_ptr_array_new_full(g_hash_table_size(pool->volumes), (GDestroyNotify)volume_unref);
    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!((Volume *)value)->is_being_made)
            g_ptr_array_add(volumes, volume_ref(value));
    }
    g_ptr_array_sort(volumes, volume_compare);
    *ret_volumes = volumes;
    return true;
}

AWAITS static bool orphans_add_pool(Object *pool, GPtrArray *volumes, Error **err)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!volume_list(pool, &list, err))
        return false;
    g_ptr_array_extend_and_steal(volumes, g_steal_pointer(&list));
    return true;
}

AWAITS static bool orphans_candidates(Host *host, const char *name, GPtrArray *volumes, Error **err)
{
    Registry *registry = host_registry(host, &pool_class);
    g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    if (name) {
        g_autoptr(Object) pool = object_find_by_name(registry, name, err);
        return pool && orphans_add_pool(pool, volumes, err);
    }
    for (RegistryIter iter = registry_iter(registry); (object = registry_next(&iter));) {
        if (object->live && object->is_listed)
            g_ptr_array_add(pools, object_ref(object));
    }
    for (guint i = 0; i < pools->len; i++) {
        Object *pool = g_ptr_array_index(pools, i);
        g_autoptr(Error) why = NULL;
        if (!orphans_add_pool(pool, volumes, &why))
            log_warning_error(why, pool->name);
    }
    return true;
}

static int orphan_compare(const void *a, const void *b)
{
    const Volume *x = *(const Volume *const *)a, *y = *(const Volume *const *)b;
    const int pools = strcmp(x->pool_name, y->pool_name);

    return pools ? pools : strcmp(x->name, y->name);
}

bool volume_list_orphans(Host *host, const char *pool, GPtrArray **ret_volumes, Error **err)
{
    g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func((GDestroyNotify)volume_unref);

    if (!orphans_candidates(host, pool, volumes, err))
        return false;
    image_users_drop_needed(host, volumes);
    g_ptr_array_sort(volumes, orphan_compare);
    *ret_volumes = g_steal_pointer(&volumes);
    return true;
}

/* ---- asking ---- */

/* Brings it up to date; one that vanished leaves its pool. */
bool volume_look(Volume *volume, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!volume_require(volume, err))
        return false;
    if (volume->is_being_made || !volume->pool->backend->look_at_volume)
        return true;
    g_autoptr(Object) pool G_GNUC_UNUSED = volume_pool(volume);
    if (volume->pool->backend->look_at_volume(volume->pool, volume, &why))
        return volume_require(volume, err);
    if (error_code(why) == ERROR_NO_STORAGE_VOL)
        volume_take_out(volume);
    return error_propagate(err, g_steal_pointer(&why));
}

bool volume_get_info(Volume *volume, unsigned flags, const char *function, int *ret_type,
                     uint64_t *ret_capacity, uint64_t *ret_allocation, Error **err)
{
    if (!check_flags(flags, VIR_STORAGE_VOL_GET_PHYSICAL, function, err) || !volume_look(volume, err))
        return false;
    *ret_type = volume->def->type;
    *ret_capacity = volume->def->capacity.value;
    *ret_allocation =
        flags & VIR_STORAGE_VOL_GET_PHYSICAL ? volume->def->physical.value : volume->def->allocation.value;
    if (volume->is_being_made) { /* people watch it grow, until it is in its place */
        g_autofree char *temp = g_strdup(volume->temp_path), *path = g_strdup(volume->def->target.path);
        const char *const places[] = { temp, path };
        *ret_allocation = 0;
        for (size_t i = 0; temp && i < G_N_ELEMENTS(places); i++) {
            g_auto(PathLook) look = { 0 };
            if (!path_look(NULL, places[i], RESOLVE_DEADLINE_MS, &look, NULL) || !look.real)
                continue;
            *ret_allocation = (uint64_t)look.st.st_blocks * 512;
            break;
        }
    }
    return true;
}

VolumeFacts volume_facts(const Volume *volume)
{
    const VolumeDef *def = volume->def;
    const VolumeTimes *times = def->target.times;

    return (VolumeFacts){ .format = def->target.format ? def->target.format : "",
                          .capacity_bytes = def->capacity.value,
                          .allocation_bytes = def->allocation.value,
                          .modified_s = times && times->mtime ? g_ascii_strtoll(times->mtime, NULL, 10) : 0 };
}

bool volume_get_xml(Volume *volume, char **ret_xml, Error **err)
{
    if (!volume_look(volume, err))
        return false;
    *ret_xml = volume_def_format(volume->def);
    return true;
}

/* ---- who needs it ---- */

bool volume_require_unused(const Volume *volume, const char *what, Error **err)
{
    if (!volume_require(volume, err))
        return false;
    g_autoptr(GPtrArray) users = image_list_users(volume->pool->host, volume_path(volume), true, NULL);
    if (users->len == 0)
        return true;
    g_autofree char *text = image_users_describe(users);
    error_set(err, ERROR_INVALID_STATE, "cannot %s volume '%s': it is used by %s", what, volume->name, text);
    return error_hint(err, "stop the machine, or take the disk out of it");
}

/* Refuses to remove what anybody needs, now or later. */
AWAITS static bool volume_require_unneeded(const Volume *volume, Error **err)
{
    if (!volume_require(volume, err))
        return false;
    g_autoptr(GPtrArray) users = image_list_users(volume->pool->host, volume_path(volume), false, NULL);
    if (users->len == 0)
        return true;
    g_autofree char *text = image_users_describe(users);
    error_set(err, ERROR_INVALID_STATE, "cannot delete volume '%s': it is needed by %s", volume->name, text);
    return error_hint(err, "--force deletes it all the same, unless a machine runs on it");
}

bool volume_require_free(const Volume *volume, Error **err)
{
    if (!volume_require(volume, err))
        return false;
    if (volume->is_being_made)
        return error_set(err, ERROR_INVALID_STATE, "volume '%s' is still being allocated.", volume->name);
    if (volume->n_users)
        return error_set(err, ERROR_INVALID_STATE, "volume '%s' is still in use.", volume->name);
    return true;
}

/* ---- operations under way ---- */

void volume_use_begin(Volume *volume, VolumeUse *use)
{
    *use = (VolumeUse){ .volume = volume_ref(volume), .pool = volume->pool, .is_held = true };
    object_ref(&use->pool->object);
    volume->n_users++;
    use->pool->n_async++;
}

void volume_use_release(VolumeUse *use)
{
    if (!use->is_held)
        return;
    use->is_held = false;
    if (--use->volume->n_users == 0)
        g_clear_pointer(&use->volume->retired, g_ptr_array_unref);
    use->pool->n_async--;
}

void volume_use_end(VolumeUse *use)
{
    if (!use->volume)
        return;
    volume_use_release(use);
    object_unref(&use->pool->object);
    volume_unref(use->volume);
    *use = (VolumeUse){ 0 };
}

void pool_note_change(Pool *pool, const char *name)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Object) reference G_GNUC_UNUSED = object_ref(&pool->object);

    if (!pool->live)
        return;
    pool_watch_own(pool, name);
    pool->is_stale = pool->is_stale || !pool->backend->is_folder;
    if (pool->backend->is_folder && !pool->changed)
        pool->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!pool_freshen(pool, NULL, &err))
        log_warning_error(err, pool->name);
}

/* ---- making ---- */

static bool volume_check_name(const VolumeDef *def, Error **err)
{
    if (path_is_safe_component(def->name) || strcmp(def->name, ".") == 0 || strcmp(def->name, "..") == 0)
        return true;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "a volume's name has 1 to 255 bytes, no '/' and no control characters");
}

static bool volume_take_name(Pool *pool, const VolumeDef *def, bool is_copy, Error **err)
{
    if (!g_hash_table_contains(pool->volumes, def->name))
        return true;
    if (is_copy)
        return error_set(err, ERROR_INTERNAL, "storage volume name '%s' already in use.", def->name);
    return error_set(err, ERROR_VOLUME_EXISTS, "%s", def->name);
}

/* A copy is as big as what it is of, at least. */
static void volume_inherit(VolumeDef *def, const Volume *from)
{
    if (!def->capacity.is_set || def->capacity.value < from->def->capacity.value)
        def->capacity = from->def->capacity;
    if (!def->allocation.is_set || def->allocation.value < from->def->allocation.value)
        def->allocation = from->def->allocation;
}

AWAITS static bool volume_make(Pool *pool, Volume *volume, Volume *from, unsigned flags, Error **err)
{
    const PoolBackend *backend = pool->backend;

    if (!backend->make_volume(pool, volume->def, from, flags, err))
        return false;
    /* It is there: nobody can take that back now. */
    fiber_shield_begin();
    volume->is_being_made = false;
    g_clear_pointer(&volume->temp_path, g_free);
    volume->is_as_asked = true;
    volume_index_add(volume);
    g_autoptr(Error) why = NULL;
    if (backend->look_at_volume && !backend->look_at_volume(pool, volume, &why))
        log_warning_error(why, volume->name);
    fiber_shield_end();
    return true;
}

Volume *volume_create(Object *object, const char *xml, Volume *from, unsigned flags, const char *function,
                      const Caller *caller, Error **err)
{
    Pool *pool = (Pool *)object;
    g_auto(Job) job = { 0 };
    g_autoptr(VolumeDef) def = NULL;
    g_auto(VolumeUse) source = { 0 };
    g_auto(VolumeUse) made = { 0 };
    const unsigned parse = (flags & VIR_STORAGE_VOL_CREATE_VALIDATE ? VOLUME_PARSE_STRICT : 0) |
                           (from ? VOLUME_PARSE_NO_CAPACITY : 0);

    if (!check_flags(flags,
                     VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA | VIR_STORAGE_VOL_CREATE_REFLINK |
                         VIR_STORAGE_VOL_CREATE_VALIDATE,
                     function, err) ||
        !object_require_active(object, err) || !volume_def_parse(xml, strlen(xml), parse, &def, err) ||
        !volume_check_name(def, err) || !pool_job_begin(pool, caller, &job, err) ||
        !pool_freshen(pool, def->name, err) || !volume_take_name(pool, def, from != NULL, err))
        return NULL;
    if (!pool->backend->make_volume || !pool->backend->plan_volume) {
        error_set(err, ERROR_NOT_SUPPORTED, "storage pool does not support volume creation");
        return NULL;
    }
    if (from) {
        if (!volume_look(from, err) || !volume_require(from, err) ||
            (from->pool != pool && !volume_require_local(from, "copying", err)))
            return NULL;
        if (from->is_being_made) {
            error_set(err, ERROR_INVALID_STATE, "volume '%s' is still being allocated.", from->name);
            return NULL;
        }
        volume_inherit(def, from);
        volume_use_begin(from, &source);
    }
    if (!pool->backend->plan_volume(pool, def, from, flags, err) || !object_require_active(object, err) ||
        !volume_take_name(pool, def, from != NULL, err))
        return NULL;
    g_autoptr(Volume) volume = volume_new(pool, g_steal_pointer(&def));
    volume->is_being_made = true;
    g_hash_table_insert(pool->volumes, volume->name, volume_ref(volume));
    volume_use_begin(volume, &made);
    if (!pool->backend->is_serial)
        job_end(&job);
    if (!volume_make(pool, volume, from, flags, err)) {
        volume_take_out(volume);
        return NULL;
    }
    volume_use_end(&made);
    pool_note_change(pool, volume->name);
    log_info("volume '%s' of pool '%s' made by %s", volume->name, pool->name, caller_describe(caller));
    return g_steal_pointer(&volume);
}

/* ---- changing ---- */

bool volume_delete(Volume *volume, unsigned flags, VolumeNeed need, const char *function,
                   const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_STORAGE_VOL_DELETE_ZEROED | VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS, function,
                     err) ||
        !volume_require(volume, err))
        return false;
    g_autoptr(Object) object = volume_pool(volume);
    Pool *pool = (Pool *)object;
    if (!pool_job_begin(pool, caller, &job, err) || !object_require_active(object, err) ||
        !volume_require_free(volume, err))
        return false;
    if (!(need == VOLUME_UNNEEDED ? volume_require_unneeded(volume, err)
                                  : volume_require_unused(volume, "delete", err)) ||
        !object_require_active(object, err) || !volume_require_free(volume, err))
        return false;
    if (!pool->backend->remove_volume)
        return error_set(err, ERROR_NOT_SUPPORTED, "storage pool does not support vol deletion");
    fiber_shield_begin();
    const bool ok = pool->backend->remove_volume(pool, volume, flags, err);
    if (ok)
        volume_take_out(volume);
    fiber_shield_end();
    if (!ok)
        return false;
    pool_note_change(pool, volume->name);
    log_info("volume '%s' of pool '%s' deleted by %s", volume->name, pool->name, caller_describe(caller));
    return true;
}

/* What the size becomes; @current: of now. */
static bool volume_new_capacity(uint64_t current, uint64_t capacity, unsigned flags, uint64_t *ret_capacity,
                                Error **err)
{
    *ret_capacity = capacity;
    if (!(flags & VIR_STORAGE_VOL_RESIZE_DELTA))
        return true;
    if (flags & VIR_STORAGE_VOL_RESIZE_SHRINK) {
        *ret_capacity = current - MIN(capacity, current);
        return true;
    }
    if (__builtin_add_overflow(current, capacity, ret_capacity))
        return error_set(err, ERROR_OVERFLOW, "a volume of more than 2^64 bytes");
    return true;
}

bool volume_resize(Volume *volume, uint64_t capacity_bytes, unsigned flags, const char *function,
                   const Caller *caller, Error **err)
{
    g_auto(VolumeUse) use = { 0 };
    uint64_t capacity = 0;

    if (!check_flags(flags,
                     VIR_STORAGE_VOL_RESIZE_ALLOCATE | VIR_STORAGE_VOL_RESIZE_DELTA |
                         VIR_STORAGE_VOL_RESIZE_SHRINK,
                     function, err) ||
        !volume_look(volume, err) || !volume_require_unused(volume, "resize", err) ||
        !volume_require_free(volume, err))
        return false;
    Pool *pool = volume->pool;
    g_autoptr(Object) reference G_GNUC_UNUSED = volume_pool(volume); /* it may be undefined meanwhile */
    const uint64_t current = volume->def->capacity.value;
    if (!volume_new_capacity(current, capacity_bytes, flags, &capacity, err))
        return false;
    if (capacity < volume->def->allocation.value)
        return error_set(err, ERROR_INVALID_ARGUMENT, "can't shrink capacity below existing allocation");
    if (capacity < current && !(flags & VIR_STORAGE_VOL_RESIZE_SHRINK))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Can't shrink capacity below current capacity unless shrink flag explicitly "
                         "specified");
    if ((flags & VIR_STORAGE_VOL_RESIZE_ALLOCATE) && capacity > current &&
        capacity - current > pool->available_bytes)
        return error_set(err, ERROR_OPERATION_FAILED, "Not enough space left in storage pool");
    if (!pool->backend->resize_volume)
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "storage pool does not support changing of volume capacity");
    volume_use_begin(volume, &use);
    if (!pool->backend->resize_volume(pool, volume, capacity, flags, err))
        return false;
    volume_use_release(&use); /* it keeps the pool's memory until the end */
    pool_note_change(pool, volume->name);
    log_info("volume '%s' of pool '%s' resized by %s", volume->name, volume->pool_name,
             caller_describe(caller));
    return volume_look(volume, err);
}

bool volume_require_local(const Volume *volume, const char *what, Error **err)
{
    if (volume->def->type != VOLUME_NETWORK && volume->def->type != VOLUME_NETDIR)
        return true;
    return error_set(err, ERROR_NOT_SUPPORTED, "storage pool doesn't support volume %s", what);
}

bool volume_wipe(Volume *volume, int algorithm, const Caller *caller, Error **err)
{
    g_auto(VolumeUse) use = { 0 };

    if (algorithm < 0 || algorithm >= VIR_STORAGE_VOL_WIPE_ALG_TRIM + 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "wiping algorithm %d not supported", algorithm);
    if (!volume_look(volume, err) || !volume_require_unused(volume, "wipe", err) ||
        !volume_require_free(volume, err))
        return false;
    Pool *pool = volume->pool;
    if (!pool->backend->wipe_volume && !volume_require_local(volume, "wiping", err))
        return false;
    volume_use_begin(volume, &use);
    const bool ok = pool->backend->wipe_volume ? pool->backend->wipe_volume(pool, volume, algorithm, err)
                                               : image_wipe(volume_path(volume), algorithm, err);
    if (!ok)
        return false;
    volume_use_release(&use); /* it keeps the pool's memory until the end */
    pool_note_change(pool, volume->name);
    log_info("volume '%s' of pool '%s' wiped by %s", volume->name, volume->pool_name,
             caller_describe(caller));
    return true;
}

/* ---- disks of machines ---- */

/* Waits for a start that is under way, as at boot. */
AWAITS static void pool_await_start(Object *pool)
{
    g_auto(Job) job = { 0 };
    const uint64_t token = fiber_deadline_begin(STARTING_DEADLINE_MS);

    if (!pool->live && !job_begin(pool, JOB_MODIFY, NULL, &job, NULL))
        log_warning("storage pool '%s' is still being started", pool->name);
    fiber_deadline_end(token);
}

static bool source_from_volume(const Volume *volume, StorageSource *io_source, Error **err)
{
    const PoolBackend *backend = volume->pool->backend;
    const bool is_direct = g_strcmp0(io_source->volume_mode, "direct") == 0;

    if (backend->fill_source && (is_direct || volume->def->type == VOLUME_NETWORK))
        return backend->fill_source(volume->pool, volume, io_source, err);
    if (is_direct)
        return error_set(err, ERROR_XML_INVALID,
                         "disk source mode is only valid when storage pool is of iscsi type");
    if (volume->def->type != VOLUME_FILE && volume->def->type != VOLUME_BLOCK)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "volume '%s' of pool '%s' is no file or device",
                         volume->name, volume->pool_name);
    io_source->type = volume->def->type == VOLUME_FILE ? STORAGE_FILE : STORAGE_BLOCK;
    g_free(io_source->path);
    io_source->path = g_strdup(volume->def->target.path);
    return true;
}

bool volume_resolve_source(Host *host, StorageSource *io_source, Error **err)
{
    g_autoptr(Object) pool =
        object_find_by_name(host_registry(host, &pool_class), io_source->pool ? io_source->pool : "", err);

    if (!pool)
        return false;
    pool_await_start(pool);
    if (!object_is_active(pool))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "storage pool '%s' containing volume '%s' is not active", pool->name,
                         io_source->path);
    g_autoptr(Volume) volume = volume_find_by_name(pool, io_source->path, err);
    if (!volume)
        return false;
    if (volume->is_being_made)
        return error_set(err, ERROR_INVALID_STATE, "volume '%s' is still being allocated.", volume->name);
    if (!source_from_volume(volume, io_source, err))
        return false;
    /* A guest writes what it likes into a raw volume: its format is the document's, or none. */
    if (io_source->format == STORAGE_FORMAT_ABSENT)
        io_source->format = STORAGE_FORMAT_RAW;
    g_clear_pointer(&io_source->pool, g_free);
    g_clear_pointer(&io_source->volume_mode, g_free);
    return true;
}
