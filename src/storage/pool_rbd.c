/* Pools of Ceph, by its own tools as children: a library that waits for a cluster would wait in the daemon.
 *
 * The key comes through the tool's standard input, never in an argument or a file. Ceph's own configuration
 * file is not read: the definition says all. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "storage/image_make.h"
#include "storage/pool_auth.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

#define CEPH_MS 60000
#define REMOVE_MS 600000
#define RBD_PORT 6789 /* of monitors */
#define PACKAGE "ceph-common"
#define NEW_PREFIX "lodge-new." /* of copies that are not complete */

/* What the tool is told about the cluster; arguments owned. */
static bool cluster_arguments(const PoolDef *def, GPtrArray *argv, Error **err)
{
    GString *monitors = g_string_new(NULL);
    bool ok = storage_check_argument("pool name", def->source_name, err);

    for (unsigned i = 0; ok && i < def->hosts->len; i++) {
        const PoolHost *host = def->hosts->pdata[i];
        ok = storage_check_argument("host name", host->name, err);
        g_string_append_printf(monitors, "%s%s", i ? "," : "", host->name);
        if (host->port)
            g_string_append_printf(monitors, ":%u", host->port);
    }
    const char *const fixed[] = {
        "--conf", "/dev/null", "--client-mount-timeout", "30", "-m", monitors->str
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, g_strdup(fixed[i]));
    g_string_free(monitors, TRUE);
    if (ok && def->auth) {
        ok = storage_check_argument("user name", def->auth->username, err);
        g_ptr_array_add(argv, g_strdup("--id"));
        g_ptr_array_add(argv, g_strdup(def->auth->username));
        g_ptr_array_add(argv, g_strdup("--keyfile"));
        g_ptr_array_add(argv, g_strdup("/dev/stdin"));
    } else {
        g_ptr_array_add(argv, g_strdup("--auth-client-required=none"));
    }
    for (unsigned i = 0; ok && def->config_options && i < def->config_options->len; i++) {
        const PoolOption *option = def->config_options->pdata[i];
        ok = storage_check_argument("option", option->name, err);
        g_ptr_array_add(argv, g_strdup_printf("--%s=%s", option->name, option->value));
    }
    return ok;
}

/* The key as Ceph's tools read it: base64. NULL: none is needed. */
static bool read_key(Pool *pool, char **ret_key, Error **err)
{
    const PoolAuth *auth = pool_def(pool)->auth;
    g_autoptr(GBytes) value = NULL;
    gsize len = 0;

    if (!auth)
        return true;
    if (auth->type != 1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "rbd storage pool only supports 'ceph' auth type");
    if (!pool_auth_get_value(pool->host, auth, &value, err))
        return false;
    const unsigned char *data = g_bytes_get_data(value, &len);
    *ret_key = g_base64_encode(data, len);
    return true;
}

static void key_free(char **key)
{
    if (*key)
        explicit_bzero(*key, strlen(*key));
    g_free(*key);
}

/* @argv: what is asked, argv[0] the tool; NULL-terminated. */
AWAITS static bool run_ceph(Pool *pool, const char *const *argv, uint64_t timeout_ms, char **ret_out,
                            Error **err)
{
    __attribute__((cleanup(key_free))) char *key = NULL;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(all, g_strdup(argv[0]));
    if (!cluster_arguments(pool_def(pool), all, err) || !read_key(pool, &key, err))
        return false;
    for (const char *const *one = argv + 1; *one; one++)
        g_ptr_array_add(all, g_strdup(*one));
    g_ptr_array_add(all, NULL);
    g_auto(Tool) tool = tool_of((const char *const *)all->pdata, PACKAGE, timeout_ms);
    tool.input = key;
    return tool_run(&tool, ret_out, err);
}
#define RUN_RBD(ms, ...) run_ceph(pool, (const char *const[]){ "rbd", __VA_ARGS__, NULL }, ms, NULL, err)

AWAITS static bool ask_json(Pool *pool, const char *const *argv, Json **ret_json, Error **err)
{
    g_autofree char *out = NULL;

    return run_ceph(pool, argv, CEPH_MS, &out, err) && json_parse(out, strlen(out), argv[0], ret_json, err);
}

AWAITS static void drop_image(Pool *pool, const char *path)
{
    g_autoptr(Error) why = NULL;
    Error **err = &why;

    if (!RUN_RBD(REMOVE_MS, "remove", "--no-progress", path))
        log_warning_error(why, path);
}

/* Copies that a killed daemon did not finish. */
AWAITS static void remove_leftovers(Pool *pool, const Json *images)
{
    g_autofree char *name = g_strdup(pool_def(pool)->source_name);
    size_t i;
    const Json *row;

    json_array_foreach (images, i, row) {
        const char *image = json_get_str(row, "image");
        g_autofree char *path = g_strdup_printf("%s/%s", name, image ? image : "");
        if (image && g_str_has_prefix(image, NEW_PREFIX) && !block_is_making(pool))
            drop_image(pool, path);
    }
}

static void add_image(Pool *pool, GPtrArray *found, const Json *row, GHashTable *used)
{
    const char *name = json_get_str(row, "image");
    const uint64_t size = json_get_uint(row, "size", 0);

    if (!name || json_get_str(row, "snapshot") || g_str_has_prefix(name, NEW_PREFIX))
        return;
    g_autofree char *path = g_strdup_printf("%s/%s", pool_def(pool)->source_name, name);
    const uint64_t *bytes = g_hash_table_lookup(used, name);
    VolumeDef *def = block_found_add(found, name, path);
    ((BlockFound *)found->pdata[found->len - 1])->is_there = true;
    def->type = VOLUME_NETWORK;
    def->target.format = g_strdup("raw");
    def->capacity = (OptU64){ .value = size, .is_set = true };
    def->allocation = (OptU64){ .value = bytes ? *bytes : size, .is_set = true };
}

/* What images really take, where the cluster keeps count (fast-diff). */
AWAITS static bool read_used(Pool *pool, GHashTable *used, Error **err)
{
    g_autofree char *name = g_strdup(pool_def(pool)->source_name);
    g_autoptr(Json) json = NULL;
    size_t i;
    Json *row;

    if (pool_def(pool)->refresh_allocation == POOL_REFRESH_CAPACITY)
        return true;
    if (!ask_json(pool, (const char *const[]){ "rbd", "du", "--format", "json", "-p", name, NULL }, &json,
                  err))
        return false;
    json_array_foreach (json_get_arr(json, "images"), i, row) {
        const char *image = json_get_str(row, "name");
        uint64_t *bytes = g_new(uint64_t, 1);
        *bytes = json_get_uint(row, "used_size", 0);
        if (image && !json_get_str(row, "snapshot"))
            g_hash_table_replace(used, g_strdup(image), bytes);
        else
            g_free(bytes);
    }
    return true;
}

AWAITS static bool read_cluster(Pool *pool, PoolScan *scan, Error **err)
{
    g_autofree char *name = g_strdup(pool_def(pool)->source_name);
    g_autoptr(Json) json = NULL;
    size_t i;
    Json *row;

    if (!ask_json(pool, (const char *const[]){ "rados", "df", "--format", "json", NULL }, &json, err))
        return false;
    scan->capacity_bytes = json_get_uint(json, "total_space", 0) * 1024;
    scan->available_bytes = json_get_uint(json, "total_avail", 0) * 1024;
    json_array_foreach (json_get_arr(json, "pools"), i, row) {
        if (g_strcmp0(json_get_str(row, "name"), name) == 0)
            scan->allocation_bytes = json_get_uint(row, "size_bytes", 0);
    }
    return true;
}

AWAITS static bool rbd_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_autofree char *name = g_strdup(pool_def(pool)->source_name);
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) found = block_found_new();
    g_autoptr(Json) json = NULL;
    size_t i;
    Json *row;

    if (!read_cluster(pool, scan, err) ||
        !ask_json(pool, (const char *const[]){ "rbd", "ls", "-l", "--format", "json", name, NULL }, &json,
                  err) ||
        !read_used(pool, used, err))
        return false;
    remove_leftovers(pool, json);
    json_array_foreach (json, i, row)
        add_image(pool, found, row, used);
    block_scan_take(pool, scan, found);
    return true;
}

static bool rbd_build(Pool *pool, unsigned flags, Error **err)
{
    return true; /* pools are made by who runs the cluster */
}

AWAITS static bool rbd_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags,
                                   Error **err)
{
    if (def->target.encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "storage pool does not support encrypted volumes");
    if (from && from->pool != pool)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "volumes of other pools cannot be copied into pool '%s'", pool->name);
    if (!storage_check_argument("volume name", def->name, err))
        return false;
    if (strpbrk(def->name, "/@"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no name of an RBD image", def->name);
    if (!def->capacity.value)
        return error_set(err, ERROR_NOT_SUPPORTED, "volume capacity required for this pool");
    def->type = VOLUME_NETWORK;
    g_free(def->target.path);
    g_free(def->key);
    def->target.path = g_strdup_printf("%s/%s", pool_def(pool)->source_name, def->name);
    def->key = g_strdup(def->target.path);
    return true;
}

AWAITS static bool rbd_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err)
{
    g_autofree char *size = g_strdup_printf("%" PRIu64 "B", def->capacity.value);
    g_autofree char *path = g_strdup(def->target.path);
    g_autofree char *temp = g_strdup_printf("%s/" NEW_PREFIX "%s", pool_def(pool)->source_name, def->name);
    g_autofree char *source = from ? g_strdup(from->def->target.path) : NULL;
    const bool grows =
        from && from->def->capacity.value != def->capacity.value; /* else 'resize' is an error */

    if (!from)
        return RUN_RBD(CEPH_MS, "create", "--image-format", "2", "--size", size, path);
    /* Complete before it has its name. */
    if (RUN_RBD(REMOVE_MS, "copy", "--no-progress", source, temp) &&
        (!grows || RUN_RBD(CEPH_MS, "resize", "--no-progress", "--size", size, temp)) &&
        RUN_RBD(CEPH_MS, "rename", temp, path))
        return true;
    fiber_shield_begin();
    drop_image(pool, temp);
    fiber_shield_end();
    return false;
}

AWAITS static bool rbd_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    g_autofree char *path = g_strdup(volume->def->target.path);

    if ((flags & VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS) &&
        !RUN_RBD(REMOVE_MS, "snap", "purge", "--no-progress", path))
        return false;
    return RUN_RBD(REMOVE_MS, "remove", "--no-progress", path);
}

AWAITS static bool rbd_resize_volume(Pool *pool, Volume *volume, uint64_t capacity_bytes, unsigned flags,
                                     Error **err)
{
    g_autofree char *path = g_strdup(volume->def->target.path);
    g_autofree char *size = g_strdup_printf("%" PRIu64 "B", capacity_bytes);

    return RUN_RBD(CEPH_MS, "resize", "--no-progress", "--size", size, path,
                   flags & VIR_STORAGE_VOL_RESIZE_SHRINK ? "--allow-shrink" : NULL);
}

AWAITS static bool rbd_wipe_volume(Pool *pool, Volume *volume, int algorithm, Error **err)
{
    const PoolDef *def = pool_def(pool);
    g_autofree char *source = tool_escape(def->source_name), *image = tool_escape(volume->name);
    g_autoptr(GString) options = g_string_new(NULL);
    g_auto(Tool) tool = { 0 };

    tool_init(&tool, "qemu-io", "qemu-utils");
    g_string_printf(options,
                    "driver=raw,discard=unmap,file.driver=rbd,file.conf=/dev/null,file.pool=%s,file.image=%s",
                    source, image);
    for (unsigned i = 0; i < def->hosts->len; i++) {
        const PoolHost *host = def->hosts->pdata[i];
        g_autofree char *name = tool_escape(host->name);
        g_string_append_printf(options, ",file.server.%u.host=%s,file.server.%u.port=%u", i, name, i,
                               host->port ? host->port : RBD_PORT);
    }
    if (def->auth) {
        g_autoptr(GBytes) value = NULL;
        g_autofree char *user = tool_escape(def->auth->username);
        if (!pool_auth_get_value(pool->host, def->auth, &value, err) ||
            !tool_add_secret_value(&tool, value, "key0", err))
            return false;
        g_string_append_printf(options,
                               ",file.user=%s,file.key-secret=key0,file.auth-client-required.0=cephx", user);
    } else {
        g_string_append(options, ",file.auth-client-required.0=none");
    }
    return image_wipe_remote(&tool, options->str, volume->def->capacity.value, algorithm, true, err);
}

static bool rbd_fill_source(Pool *pool, const Volume *volume, StorageSource *io_source, Error **err)
{
    const PoolDef *def = pool_def(pool);

    io_source->type = STORAGE_NETWORK;
    io_source->protocol = STORAGE_PROTOCOL_RBD;
    block_set_auth(io_source, def->auth);
    g_free(io_source->path);
    io_source->path = g_strdup(volume->def->target.path);
    for (unsigned i = 0; i < def->hosts->len; i++) {
        const PoolHost *host = def->hosts->pdata[i];
        block_add_host(io_source, host->name, host->port);
    }
    return true;
}

const PoolBackend rbd_backend = {
    .build = rbd_build,
    .scan = rbd_scan,
    .plan_volume = rbd_plan_volume,
    .make_volume = rbd_make_volume,
    .remove_volume = rbd_remove_volume,
    .resize_volume = rbd_resize_volume,
    .wipe_volume = rbd_wipe_volume,
    .fill_source = rbd_fill_source,
};
