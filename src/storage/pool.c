/* The class of pools: definitions, starting and stopping, looks at what is there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/pool.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/xml_internal.h"
#include "storage/folder.h"
#include "wire/wire_enums.h"

#define FRESH_MS 1500           /* how long a look counts where nobody tells of changes */
#define FRESH_BY_TOOLS_MS 30000 /* the same where programs have to be run */
#define LOOK_DEADLINE_MS 10000  /* of whoever only asks */
#define LOOK_BY_TOOLS_MS 60000  /* the same where programs have to be run */
#define READ_PIECE 500          /* files that are read between the turns of others */
#define BUILD_FLAGS (VIR_STORAGE_POOL_BUILD_NO_OVERWRITE | VIR_STORAGE_POOL_BUILD_OVERWRITE)

AWAITS static bool pool_accept_hook(Object *object, const void *new_def, Error **err);

const PoolDef *pool_def(const Pool *pool)
{
    const PoolDef *def = object_def(&pool->object);

    return pool->working ? pool->working : def ? def : pool->looked_for;
}

const PoolBackend *pool_get_backend(const PoolDef *def, Error **err)
{
    const PoolBackend *backend = pool_backends[def->type];

    if (!backend)
        error_set(err, ERROR_INTERNAL, "missing backend for pool type %d (%s)", def->type,
                  enum_name(&pool_type_names, def->type));
    return backend;
}

/* ---- looks ---- */

static bool pool_require_active(const Pool *pool, Error **err)
{
    return object_require_active(&pool->object, err);
}

static void pool_take_look(Pool *pool, PoolScan *scan)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < scan->volumes->len; i++) {
        Volume *volume = g_ptr_array_index(scan->volumes, i);
        Volume *known = g_hash_table_lookup(pool->volumes, volume->name);
        g_hash_table_add(seen, volume->name);
        if (known == volume || (known && known->is_being_made))
            continue;
        if (known)
            volume_take_out(known);
        g_hash_table_insert(pool->volumes, volume->name, volume_ref(volume));
        volume->pool = pool;
        volume_index_add(volume);
    }
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Volume *volume = value;
        if (!volume->is_being_made && !g_hash_table_contains(seen, volume->name) &&
            (!scan->is_partial || g_hash_table_contains(scan->only, volume->name)))
            g_ptr_array_add(gone, volume);
    }
    for (guint i = 0; i < gone->len; i++)
        volume_take_out(g_ptr_array_index(gone, i));
    PoolDef *def = (PoolDef *)pool_def(pool); /* not the stored one: the pool is active, or about to be */
    def->capacity_bytes = pool->capacity_bytes = scan->capacity_bytes;
    def->allocation_bytes = pool->allocation_bytes = scan->allocation_bytes;
    def->available_bytes = pool->available_bytes = scan->available_bytes;
    pool_check_space(pool);
}

static void pool_read_soon(Pool *pool);

/* One look; @only is taken over. Whoever holds the pool's job or finds it active calls. */
AWAITS static bool pool_look_once(Pool *pool, GHashTable *only, Error **err)
{
    g_autoptr(Object) reference G_GNUC_UNUSED = object_ref(&pool->object);
    PoolScan scan = { .only = only, .volumes = g_ptr_array_new_with_free_func((GDestroyNotify)volume_unref) };
    const uint64_t number = ++pool->look_begun;
    const bool was_stale = pool->is_stale;

    pool->is_looking = true;
    pool->is_stale = was_stale && only; /* a look at some files leaves the rest as stale as it was */
    if (pool->has_lost_watch && pool->live) {
        pool->has_lost_watch = false;
        pool_watch_begin(pool, pool->live->target_path);
        pool->has_lost_watch = pool->watch < 0;
    }
    /* It may be stopped meanwhile, and be another one when it is started again. */
    GHashTable *volumes = g_hash_table_ref(pool->volumes);
    if (!pool->config)
        pool->looked_for = xml_table_copy(&pool_table, pool_def(pool));
    const bool ok = pool->backend->scan(pool, &scan, err);
    if (pool->looked_for)
        pool_def_free(g_steal_pointer(&pool->looked_for));
    const bool is_same = pool->volumes == volumes;
    g_hash_table_unref(volumes);
    if (ok && is_same) {
        pool_take_look(pool, &scan);
        if (!scan.is_partial) {
            pool->look_done = number;
            pool->looked_ms = loop_now_ms();
        }
    } else {
        pool->is_stale = pool->is_stale || was_stale || !ok;
    }
    pool->is_looking = false;
    if (ok && is_same && pool->live && !scan.is_partial)
        pool_read_soon(pool);
    wait_queue_wake_all(&pool->looked);
    g_ptr_array_unref(scan.volumes);
    g_clear_pointer(&only, g_hash_table_unref);
    return ok;
}

/* Names the pool and its place in *err; false. */
static bool pool_blame(const Pool *pool, Error **err)
{
    const PoolDef *def = pool_def(pool);

    if (!def || !def->target_path)
        return error_prefix(err, "storage pool '%s'", pool->name);
    return error_prefix(err, "storage pool '%s' on '%s'", pool->name, def->target_path);
}

bool pool_job_begin(Pool *pool, const Caller *caller, Job *job, Error **err)
{
    return job_begin(&pool->object, JOB_MODIFY, caller, job, err) || pool_blame(pool, err);
}

/* Waits while somebody else looks. @number: of the look that would do. true: it was done meanwhile. */
AWAITS static bool pool_await_look(Pool *pool, uint64_t number, bool *ret_done, Error **err)
{
    while (pool->is_looking) {
        if (!wait_queue_wait(&pool->looked, POOL_DEADLINE_MS, err))
            return pool_blame(pool, err);
    }
    *ret_done = pool->look_done >= number;
    return true;
}

bool pool_look(Pool *pool, Error **err)
{
    const uint64_t number = pool->look_begun + 1;
    bool done = false;

    if (!pool_await_look(pool, number, &done, err))
        return false;
    g_clear_pointer(&pool->changed, g_hash_table_unref);
    if (!pool->volumes) /* it was stopped meanwhile */
        return pool_require_active(pool, err);
    return done || pool_look_once(pool, NULL, err);
}

/* Does the last look still count, where nobody tells of changes? Programs are not run again for what is
 * known: clients ask every second. */
static bool pool_look_counts(const Pool *pool, const char *name)
{
    const uint64_t age_ms = loop_now_ms() - pool->looked_ms;

    if (pool->backend->is_folder)
        return age_ms < FRESH_MS && !name;
    return age_ms < FRESH_BY_TOOLS_MS && (!name || g_hash_table_contains(pool->volumes, name));
}

bool pool_freshen(Pool *pool, const char *name, Error **err)
{
    g_autoptr(Object) reference G_GNUC_UNUSED = object_ref(&pool->object);
    bool done = false;

    if (!pool_require_active(pool, err))
        return false;
    pool_watch_drain(pool->host);
    /* A look under way has taken what was told, and not brought it yet. */
    if (pool->watch >= 0 && !pool->is_stale && !pool->changed && !pool->is_looking)
        return true;
    if (pool->watch < 0 && !pool->is_stale && pool_look_counts(pool, name))
        return true;
    const uint64_t token =
        fiber_deadline_begin(pool->backend->is_folder ? LOOK_DEADLINE_MS : LOOK_BY_TOOLS_MS);
    bool ok = pool_await_look(pool, pool->look_begun + 1, &done, err) && pool_require_active(pool, err);
    GHashTable *only = g_steal_pointer(&pool->changed);
    if (ok && !done && !pool->is_stale && pool->watch < 0 && name) {
        only = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_add(only, g_strdup(name));
    }
    if (pool->is_stale)
        g_clear_pointer(&only, g_hash_table_unref);
    if (ok && !done && (only || pool->is_stale || pool->watch < 0))
        ok = pool_look_once(pool, only, err);
    else
        g_clear_pointer(&only, g_hash_table_unref);
    fiber_deadline_end(token);
    return ok && pool_require_active(pool, err);
}

bool pool_look_at_sizes(Pool *pool, Error **err)
{
    bool done = false;

    if (!pool_await_look(pool, 0, &done, err) || !pool_require_active(pool, err))
        return false;
    return pool_look_once(pool, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), err);
}

/* ---- reading what a look at a large folder left ---- */

static GHashTable *pool_list_unread(const Pool *pool, guint max)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_size(names) < max && g_hash_table_iter_next(&iter, NULL, &value)) {
        const Volume *volume = value;
        if (volume->is_unread)
            g_hash_table_add(names, g_strdup(volume->name));
    }
    return names;
}

/* In pieces, so that others get their turn. */
AWAITS static bool pool_read(Pool *pool, Error **err)
{
    while (!pool->host->is_stopping) {
        bool done = false;
        if (!pool_await_look(pool, 0, &done, err) || !pool_require_active(pool, err))
            return false;
        GHashTable *names = pool_list_unread(pool, READ_PIECE);
        if (g_hash_table_size(names) == 0) {
            g_hash_table_unref(names);
            return true;
        }
        if (!pool_look_once(pool, names, err))
            return false;
    }
    return true;
}

AWAITS static void pool_read_rest(void *arg)
{
    Pool *pool = arg;
    g_autoptr(Object) object = &pool->object;
    g_autoptr(Error) err = NULL;

    if (!pool_read(pool, &err) && object->live)
        log_warning_error(err, pool->name);
    pool->is_reading = false;
}

static void pool_read_soon(Pool *pool)
{
    g_autoptr(GHashTable) names = NULL;

    if (pool->is_reading || !pool->backend->is_folder || pool->host->is_stopping)
        return;
    names = pool_list_unread(pool, 1);
    pool->is_reading = g_hash_table_size(names) > 0;
    if (pool->is_reading)
        host_spawn(pool->host, "pool", pool_read_rest, object_ref(&pool->object));
}

void pools_read_all(Host *host)
{
    g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         (object = registry_next(&iter));) {
        if (object->live && ((Pool *)object)->is_reading)
            g_ptr_array_add(pools, object_ref(object));
    }
    for (guint i = 0; i < pools->len; i++) {
        Pool *pool = g_ptr_array_index(pools, i);
        g_autoptr(Error) err = NULL;
        const uint64_t token = fiber_deadline_begin(LOOK_DEADLINE_MS);
        if (!pool_read(pool, &err))
            log_warning_error(err, pool->name);
        fiber_deadline_end(token);
    }
}

/* ---- what is remembered of active pools ---- */

static char *pool_state_path(const Pool *pool)
{
    g_autofree char *file = g_strconcat(pool->name, ".xml", NULL);

    return path_join(pool->host->paths->run_storage, file);
}

/* The file that libvirtd has, too, so that either takes over the other's active pools. */
AWAITS static bool pool_remember(Pool *pool, const PoolDef *def, Error **err)
{
    g_autofree char *path = pool_state_path(pool);
    g_autofree char *text = pool_def_format(def, XML_FORMAT_INACTIVE);
    g_autofree char *state = g_strdup_printf("<poolstate>\n%s</poolstate>\n", text);

    return file_replace_volatile(path, state, strlen(state), 0600, err);
}

AWAITS static void pool_forget(Pool *pool)
{
    g_autofree char *path = pool_state_path(pool);
    g_autoptr(Error) err = NULL;

    if (!file_remove(path, &err))
        log_warning_error(err, path);
}

/* ---- becoming active and inactive ---- */

static void pool_close_volumes(Pool *pool)
{
    GHashTable *volumes = g_steal_pointer(&pool->volumes);
    GHashTableIter iter;
    gpointer value = NULL;

    if (!volumes)
        return;
    g_hash_table_iter_init(&iter, volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Volume *volume = value;
        volume_index_remove(volume);
        volume->pool = NULL;
    }
    g_hash_table_unref(volumes);
}

static void pool_close(Pool *pool)
{
    pool_watch_end(pool);
    pool_close_volumes(pool);
    g_clear_pointer(&pool->changed, g_hash_table_unref);
    g_clear_pointer(&pool->mount_point, g_free);
    pool->space_level = 0;
    pool->capacity_bytes = pool->allocation_bytes = pool->available_bytes = 0;
}

bool pool_open_volumes(Pool *pool, PoolDef *def, Error **err)
{
    pool->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)volume_unref);
    if (pool->backend->is_folder) {
        pool_note_mount(pool, def->target_path);
        pool_watch_begin(pool, def->target_path);
    }
    if (!pool_look(pool, err) || !pool_remember(pool, def, err)) {
        pool_close(pool);
        return false;
    }
    object_set_live(&pool->object, def);
    pool_read_soon(pool);
    g_clear_pointer(&pool->reason, g_free);
    pool->n_retries = 0;
    return true;
}

/* Wherever the daemon runs is no place for volumes. Definitions may say so, as with libvirtd. */
static bool pool_require_absolute(const Pool *pool, const PoolDef *def, Error **err)
{
    return !pool->backend->is_folder || def->target_path[0] == '/' ||
           error_set(err, ERROR_INVALID_ARGUMENT, "target path '%s' of storage pool '%s' is not absolute",
                     def->target_path, pool->name);
}

/* Another pool that is active on the same folder would show the same files as its own. */
static bool pool_check_target(const Pool *pool, const PoolDef *def, Error **err)
{
    const Pool *other = NULL;

    if (!pool_require_absolute(pool, def, err))
        return false;
    for (RegistryIter iter = registry_iter(pool->registry); (other = (Pool *)registry_next(&iter));) {
        if (other != pool && other->live && other->backend->is_folder && pool->backend->is_folder &&
            strcmp(other->live->target_path, def->target_path) == 0)
            return error_set(err, ERROR_OPERATION_FAILED, "Storage source conflict with pool: '%s'",
                             other->name);
    }
    return true;
}

AWAITS static bool pool_start_working(Pool *pool, unsigned flags, Error **err)
{
    const PoolBackend *backend = pool->backend;
    bool is_active = false;
    const unsigned build =
        (flags & VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE ? VIR_STORAGE_POOL_BUILD_OVERWRITE : 0) |
        (flags & VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE ? VIR_STORAGE_POOL_BUILD_NO_OVERWRITE : 0);

    if ((flags & VIR_STORAGE_POOL_CREATE_WITH_BUILD || build) && backend->build &&
        !backend->build(pool, build, err))
        return false;
    if (backend->is_active && !backend->is_active(pool, &is_active, err))
        return false;
    return (is_active && !backend->starts_again) || !backend->start || backend->start(pool, err);
}

AWAITS static bool pool_start_hook(Object *object, void *new_def, unsigned flags, Error **err)
{
    Pool *pool = (Pool *)object;
    PoolDef *def = new_def;

    pool->backend = pool_get_backend(def, err);
    if (!pool->backend || !pool_accept_hook(object, def, err) || !pool_check_target(pool, def, err)) {
        xml_table_free(&pool_table, def);
        return false;
    }
    fiber_shield_begin(); /* a mount that nobody knows of would stay */
    pool->working = def;
    bool ok = pool_start_working(pool, flags, err);
    if (ok && !pool_open_volumes(pool, def, err)) {
        ok = false;
        if (pool->backend->stop && !pool->backend->stop(pool, NULL))
            log_warning("storage pool '%s' could not be deactivated again", pool->name);
    }
    pool->working = NULL;
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&pool_table, def);
        return false;
    }
    pool->retry = sd_event_source_disable_unref(pool->retry);
    object_list_it(object);
    object_publish_lifecycle(object, VIR_STORAGE_POOL_EVENT_STARTED, 0);
    if (pool->host->pools->on_started)
        pool->host->pools->on_started(pool->host, pool->name, def->target_path);
    return true;
}

static bool pool_require_quiet(const Pool *pool, Error **err)
{
    if (pool->n_async)
        return error_set(err, ERROR_INTERNAL, "pool '%s' has asynchronous jobs running.", pool->name);
    return true;
}

AWAITS static bool pool_stop_hook(Object *object, Error **err)
{
    Pool *pool = (Pool *)object;

    if (!pool_require_quiet(pool, err))
        return false;
    fiber_shield_begin();
    const bool ok = !pool->backend->stop || pool->backend->stop(pool, err);
    if (ok)
        pool_forget(pool);
    fiber_shield_end();
    if (!ok)
        return false;
    pool_close(pool);
    object_set_live(object, NULL);
    object_publish_lifecycle(object, VIR_STORAGE_POOL_EVENT_STOPPED, 0);
    return true;
}

/* ---- the class ---- */

AWAITS static bool pool_parse_hook(Host *host, const char *xml, size_t len, const char *source,
                                   unsigned flags, void **ret_def, Error **err)
{
    PoolDef *def = NULL;
    const unsigned read = (flags & OBJECT_PARSE_LIVE ? 0 : XML_READ_INACTIVE) |
                          (flags & OBJECT_PARSE_VALIDATE ? XML_READ_STRICT : 0);

    if (!pool_def_parse(xml, len, read, &def, err))
        return false;
    if (uuid_is_null(&def->uuid))
        uuid_generate(&def->uuid);
    const PoolBackend *backend = pool_get_backend(def, err);
    if (!backend || (backend->check_def && !backend->check_def(def, err))) {
        pool_def_free(def);
        return false;
    }
    *ret_def = def;
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return g_strcmp0(a, b) == 0;
}

static const char *pool_first_host(const PoolDef *def)
{
    return def->hosts ? ((const PoolHost *)g_ptr_array_index(def->hosts, 0))->name : NULL;
}

static bool pool_share_device(const PoolDef *a, const PoolDef *b)
{
    for (guint i = 0; a->devices && i < a->devices->len; i++) {
        for (guint k = 0; b->devices && k < b->devices->len; k++) {
            if (strcmp(((const PoolDevice *)g_ptr_array_index(a->devices, i))->path,
                       ((const PoolDevice *)g_ptr_array_index(b->devices, k))->path) == 0)
                return true;
        }
    }
    return false;
}

/* "host5" is another way to say "scsi_host5". */
static const char *adapter_short_name(const PoolAdapter *adapter)
{
    return adapter->name && g_str_has_prefix(adapter->name, "scsi_") ? adapter->name + strlen("scsi_")
                                                                     : adapter->name;
}

/* Would both be the same storage? */
static bool pool_conflicts(const PoolDef *a, const PoolDef *b)
{
    const unsigned on_devices = 1U << POOL_TYPE_FS | 1U << POOL_TYPE_LOGICAL | 1U << POOL_TYPE_DISK;

    if ((on_devices >> a->type & 1) && (on_devices >> b->type & 1))
        return pool_share_device(a, b) || (a->type == POOL_TYPE_LOGICAL && b->type == a->type &&
                                           same_text(a->source_name, b->source_name));
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case POOL_TYPE_DIR:
        return same_text(a->target_path, b->target_path);
    case POOL_TYPE_NETFS:
        return same_text(a->source_dir, b->source_dir) && same_text(pool_first_host(a), pool_first_host(b));
    case POOL_TYPE_ISCSI:
    case POOL_TYPE_ISCSI_DIRECT:
        return pool_share_device(a, b) && same_text(pool_first_host(a), pool_first_host(b)) &&
               same_text(a->initiator, b->initiator);
    case POOL_TYPE_SCSI:
        return a->adapter->type == b->adapter->type &&
               same_text(adapter_short_name(a->adapter), adapter_short_name(b->adapter)) &&
               same_text(a->adapter->wwnn, b->adapter->wwnn) &&
               same_text(a->adapter->wwpn, b->adapter->wwpn) &&
               a->adapter->unique_id.value == b->adapter->unique_id.value &&
               a->adapter->slot == b->adapter->slot;
    case POOL_TYPE_MPATH:
        return true;
    default:
        return same_text(a->source_name, b->source_name) &&
               same_text(pool_first_host(a), pool_first_host(b)) && same_text(a->source_dir, b->source_dir);
    }
}

AWAITS static bool pool_accept_hook(Object *object, const void *new_def, Error **err)
{
    const Object *other = NULL;

    for (RegistryIter iter = registry_iter(object->registry); (other = registry_next(&iter));) {
        const PoolDef *def = other->coming ? other->coming : object_def(other);
        if (other != object && def && pool_conflicts(def, new_def))
            return error_set(err, ERROR_OPERATION_FAILED, "Storage source conflict with pool: '%s'",
                             other->name);
    }
    if (!object->live)
        ((Pool *)object)->backend = pool_backends[((const PoolDef *)new_def)->type];
    return true;
}

AWAITS static bool pool_undefine_hook(Object *object, Error **err)
{
    Pool *pool = (Pool *)object;

    if (!pool_require_quiet(pool, err))
        return false;
    pool->retry = sd_event_source_disable_unref(pool->retry);
    return true;
}

static void pool_loaded_hook(Object *object)
{
    ((Pool *)object)->backend = pool_backends[((const PoolDef *)object->config)->type];
}

static void pool_init_hook(Object *object)
{
    Pool *pool = (Pool *)object;

    pool->watch = -1;
    wait_queue_init(&pool->looked);
}

static void pool_free_hook(Object *object)
{
    Pool *pool = (Pool *)object;

    pool_close(pool);
    pool->retry = sd_event_source_disable_unref(pool->retry);
    wait_queue_clear(&pool->looked);
    g_free(pool->reason);
}

static unsigned pool_flag_type(const Object *object)
{
    static const unsigned flags[POOL_TYPE_COUNT] = {
        [POOL_TYPE_DIR] = VIR_CONNECT_LIST_STORAGE_POOLS_DIR,
        [POOL_TYPE_FS] = VIR_CONNECT_LIST_STORAGE_POOLS_FS,
        [POOL_TYPE_NETFS] = VIR_CONNECT_LIST_STORAGE_POOLS_NETFS,
        [POOL_TYPE_LOGICAL] = VIR_CONNECT_LIST_STORAGE_POOLS_LOGICAL,
        [POOL_TYPE_DISK] = VIR_CONNECT_LIST_STORAGE_POOLS_DISK,
        [POOL_TYPE_ISCSI] = VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI,
        [POOL_TYPE_ISCSI_DIRECT] = VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI_DIRECT,
        [POOL_TYPE_SCSI] = VIR_CONNECT_LIST_STORAGE_POOLS_SCSI,
        [POOL_TYPE_MPATH] = VIR_CONNECT_LIST_STORAGE_POOLS_MPATH,
        [POOL_TYPE_RBD] = VIR_CONNECT_LIST_STORAGE_POOLS_RBD,
        [POOL_TYPE_SHEEPDOG] = VIR_CONNECT_LIST_STORAGE_POOLS_SHEEPDOG,
        [POOL_TYPE_GLUSTER] = VIR_CONNECT_LIST_STORAGE_POOLS_GLUSTER,
        [POOL_TYPE_ZFS] = VIR_CONNECT_LIST_STORAGE_POOLS_ZFS,
        [POOL_TYPE_VSTORAGE] = VIR_CONNECT_LIST_STORAGE_POOLS_VSTORAGE,
    };

    return flags[((const PoolDef *)object_def(object))->type];
}

static const ObjectFilter pool_filters[] = { { 3, object_flag_inactive },
                                             { 12, object_flag_persistent },
                                             { 48, object_flag_autostart },
                                             { 0xfffc0, pool_flag_type },
                                             { 0 } };

const ObjectClass pool_class = {
    .kind = OBJECT_POOL,
    .noun = "storage pool",
    .short_noun = "pool",
    .size = sizeof(Pool),
    .missing = ERROR_NO_STORAGE_POOL,
    .filters = pool_filters,
    .table = &pool_table,
    .root = "pool",
    .undefine_inactive_only = true,
    .def_name = offsetof(PoolDef, name),
    .def_uuid = offsetof(PoolDef, uuid),
    .xml_flags = OBJECT_XML_INACTIVE,
    .create_flags = VIR_STORAGE_POOL_CREATE_WITH_BUILD | VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE |
                    VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE,
    .create_validate = 8, /* of later versions of the protocol; the first bit is taken */
    .edit_command = "pool-edit",
    .config_dir = offsetof(Paths, storage),
    .autostart_dir = offsetof(Paths, storage_autostart),
    .parse = pool_parse_hook,
    .accept = pool_accept_hook,
    .start = pool_start_hook,
    .stop = pool_stop_hook,
    .undefine = pool_undefine_hook,
    .loaded = pool_loaded_hook,
    .init = pool_init_hook,
    .free = pool_free_hook,
};

/* ---- operations of its own ---- */

void pool_info_clear(PoolInfo *info)
{
    g_clear_pointer(&info->reason, g_free);
}

bool pool_get_info(Object *object, PoolAsk ask, PoolInfo *ret_info, Error **err)
{
    Pool *pool = (Pool *)object;
    g_autoptr(Error) why = NULL;

    if (!object_require_listed(object, err))
        return false;
    *ret_info = (PoolInfo){ .state = VIR_STORAGE_POOL_INACTIVE, .reason = g_strdup(pool->reason) };
    if (pool->is_building)
        ret_info->state = VIR_STORAGE_POOL_BUILDING;
    if (!object->live)
        return true;
    ret_info->state = VIR_STORAGE_POOL_RUNNING;
    if (ask == POOL_AS_KNOWN ? !pool_require_mount(pool, &why) : !pool_freshen(pool, NULL, &why)) {
        ret_info->state = VIR_STORAGE_POOL_INACCESSIBLE;
        g_free(ret_info->reason);
        ret_info->reason = g_strdup(error_message(why));
    }
    ret_info->capacity_bytes = pool->capacity_bytes;
    ret_info->allocation_bytes = pool->allocation_bytes;
    ret_info->available_bytes = pool->available_bytes;
    ret_info->promised_bytes = pool_promised_bytes(pool);
    ret_info->promised_percent = pool_promised_percent(pool);
    ret_info->used_percent = pool_used_percent(pool);
    ret_info->is_filling = pool->space_level > 0;
    return true;
}

typedef bool (*PoolWork)(Pool *pool, unsigned flags, Error **err);

/* Build and delete: of a pool that is not active. */
AWAITS static bool pool_work(Object *object, unsigned flags, const Caller *caller, bool is_delete,
                             Error **err)
{
    Pool *pool = (Pool *)object;
    g_auto(Job) job = { 0 };

    if (!pool_job_begin(pool, caller, &job, err) || !object_require_listed(object, err))
        return false;
    if (object->live)
        return error_set(err, ERROR_INVALID_STATE, "storage pool '%s' is %s active", pool->name,
                         is_delete ? "still" : "already");
    const PoolWork work = is_delete ? pool->backend->remove : pool->backend->build;
    if (!work)
        return error_set(err, ERROR_NOT_SUPPORTED,
                         is_delete ? "pool does not support pool deletion"
                                   : "pool does not support pool building");
    if (!pool_require_absolute(pool, pool_def(pool), err))
        return false;
    fiber_shield_begin();
    pool->is_building = !is_delete;
    const bool ok = work(pool, flags, err);
    pool->is_building = false;
    fiber_shield_end();
    if (!ok)
        return false;
    log_info("storage pool '%s' %s by %s", pool->name, is_delete ? "deleted" : "built",
             caller_describe(caller));
    object_publish_lifecycle(object,
                             is_delete ? VIR_STORAGE_POOL_EVENT_DELETED : VIR_STORAGE_POOL_EVENT_CREATED, 0);
    return true;
}

bool pool_build(Object *pool, unsigned flags, const char *function, const Caller *caller, Error **err)
{
    if (!check_flags(flags, BUILD_FLAGS | VIR_STORAGE_POOL_BUILD_REPAIR | VIR_STORAGE_POOL_BUILD_RESIZE,
                     function, err))
        return false;
    if ((flags & BUILD_FLAGS) == BUILD_FLAGS)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and 'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE' "
                         "are "
                         "mutually exclusive");
    if (flags & (VIR_STORAGE_POOL_BUILD_REPAIR | VIR_STORAGE_POOL_BUILD_RESIZE)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function %s",
                  flags & (VIR_STORAGE_POOL_BUILD_REPAIR | VIR_STORAGE_POOL_BUILD_RESIZE), function);
        return error_hint(err, "a pool can be built anew only, not repaired or resized");
    }
    return pool_work(pool, flags, caller, false, err);
}

bool pool_delete(Object *pool, unsigned flags, const char *function, const Caller *caller, Error **err)
{
    return check_flags(flags, VIR_STORAGE_POOL_DELETE_ZEROED, function, err) &&
           pool_work(pool, flags, caller, true, err);
}

static void pool_note_changed(Pool *pool, const char *name)
{
    if (!pool->changed)
        pool->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (name)
        g_hash_table_add(pool->changed, g_strdup(name));
}

/* From now on volumes are what their files say. */
static void pool_forget_asked(Pool *pool)
{
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Volume *volume = value;
        if (!volume->is_as_asked)
            continue;
        volume->is_as_asked = false;
        volume->stamp.is_settled = false;
        pool_note_changed(pool, volume->name);
    }
}

/* Where changes are told a refresh costs what changed: the rest is known, and what is said about one volume
 * is looked up when it is asked. */
AWAITS static bool pool_look_again(Pool *pool, Error **err)
{
    pool_watch_drain(pool->host);
    if (pool->watch < 0 || pool->is_stale)
        return pool_look(pool, err);
    pool_note_changed(pool, NULL); /* the sizes of the pool in any case */
    return pool_freshen(pool, NULL, err);
}

bool pool_refresh(Object *object, Error **err)
{
    Pool *pool = (Pool *)object;

    /* Without the pool's job: whoever gives a dead pool up need not wait for this. */
    if (!object_require_listed(object, err) || !pool_require_active(pool, err) ||
        !pool_require_quiet(pool, err))
        return false;
    pool_forget_asked(pool);
    if (!pool_look_again(pool, err) || !pool_require_active(pool, err))
        return false;
    object_publish(object, &(Event){ .id = (EventId)EVENT_POOL_REFRESH });
    return true;
}

Object *pool_find_by_target_path(Host *host, const char *path, Error **err)
{
    Object *object = NULL;
    g_autofree char *clean = pool_clean_path(path);

    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         (object = registry_next(&iter));) {
        const PoolDef *def = object->is_listed && object->live ? object->live : NULL;
        if (def && def->target_path && strcmp(def->target_path, clean) == 0)
            return object_ref(object);
    }
    error_set(err, ERROR_NO_STORAGE_POOL, "no storage pool with matching target path '%s'", path);
    return NULL;
}

/* ---- the room ---- */

/* The pools have closed themselves: their registry goes first. */
static void pool_room_close(Host *host)
{
    PoolRoom *room = g_steal_pointer(&host->pools);
    sd_event_source_disable_unref(room->inotify_source);
    sd_event_source_disable_unref(room->space_timer);
    sd_event_source_disable_unref(room->mounts_source);
    sd_event_source_disable_unref(room->mounts_timer);
    if (room->mounts_fd >= 0)
        (void)close(room->mounts_fd);
    if (room->inotify_fd >= 0)
        (void)close(room->inotify_fd);
    g_hash_table_unref(room->watches);
    g_hash_table_unref(room->by_path);
    g_hash_table_unref(room->by_key);
    g_free(room);
}

void pool_open(Host *host)
{
    host->pools = g_new0(PoolRoom, 1);
    host->pools->inotify_fd = host->pools->mounts_fd = -1;
    host->pools->watches = g_hash_table_new(g_direct_hash, g_direct_equal);
    host->pools->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host->pools->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host_add_class(host, &pool_class);
    host_on_free(host, pool_room_close);
}
