/* Pools of ZFS: its volumes, as block devices, by its own programs.
 *
 * A copy is marked with a property of its own until it is complete; what a killed daemon left so is removed
 * when the pool is looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/pool_zfs.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

#define ZFS_MS 60000
#define PACKAGE "zfsutils-linux"
#define NEW_PROPERTY "lodge:new"

AWAITS static bool run_zfs(const char *const *argv, char **ret_out, Error **err)
{
    return storage_run(argv, PACKAGE, ZFS_MS, ret_out, err);
}
#define RUN_ZFS(...) run_zfs((const char *const[]){ __VA_ARGS__, NULL }, NULL, err)

/* The pool of ZFS that "tank/machines" lies in; owned. */
static char *zpool_of(const char *parent)
{
    return g_strndup(parent, strcspn(parent, "/"));
}

static char *device_of(const char *dataset)
{
    return g_strdup_printf("/dev/zvol/%s", dataset);
}

void zfs_add_volumes(const char *parent, const char *text, GPtrArray *found, GPtrArray *unfinished)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const size_t len = strlen(parent);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, "\t", -1);
        uint64_t size = 0, reserved = 0, used = 0;
        if (g_strv_length(words) != 5 || strncmp(words[0], parent, len) != 0 || words[0][len] != '/' ||
            !path_is_safe_component(words[0] + len + 1) || !parse_uint(words[1], &size, NULL))
            continue;
        if (strcmp(words[4], "-") != 0) {
            g_ptr_array_add(unfinished, g_strdup(words[0]));
            continue;
        }
        g_autofree char *path = device_of(words[0]);
        VolumeDef *def = block_found_add(found, words[0] + len + 1, path);
        def->key = g_strdup(words[0]);
        def->capacity = (OptU64){ .value = size, .is_set = true };
        /* What is promised, or, of a sparse one, what is there. */
        if (!parse_uint(words[2], &reserved, NULL))
            reserved = 0;
        if (!parse_uint(words[3], &used, NULL))
            used = 0;
        def->allocation = (OptU64){ .value = MIN(reserved ? reserved : used, size), .is_set = true };
    }
}

/* ---- the pool ---- */

static bool zfs_check_def(const PoolDef *def, Error **err)
{
    return storage_check_argument("pool name", def->source_name, err);
}

AWAITS static bool zfs_build(Pool *pool, unsigned flags, Error **err)
{
    const PoolDef *def = pool_def(pool);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);

    if (!def->devices || def->devices->len == 0)
        return error_set(err, ERROR_XML_INVALID, "missing source devices");
    g_ptr_array_add(argv, g_strdup("zpool"));
    g_ptr_array_add(argv, g_strdup("create"));
    if (flags & VIR_STORAGE_POOL_BUILD_OVERWRITE)
        g_ptr_array_add(argv, g_strdup("-f"));
    g_ptr_array_add(argv, g_strdup(def->source_name));
    for (guint i = 0; i < def->devices->len; i++) {
        const char *path = ((const PoolDevice *)def->devices->pdata[i])->path;
        if (!storage_check_argument("device", path, err))
            return false;
        g_ptr_array_add(argv, g_strdup(path));
    }
    g_ptr_array_add(argv, NULL);
    return run_zfs((const char *const *)argv->pdata, NULL, err);
}

AWAITS static bool zfs_remove(Pool *pool, unsigned flags, Error **err)
{
    g_autofree char *name = g_strdup(pool_def(pool)->source_name);

    if (strchr(name, '/'))
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "'%s' is a part of a pool of ZFS, which is not destroyed with it", name);
    return RUN_ZFS("zpool", "destroy", name);
}

/* "ONLINE\n10737418240\n...": one value a line, in the order that was asked for. */
AWAITS static bool read_sizes(const char *parent, PoolScan *scan, Error **err)
{
    g_autofree char *zpool = zpool_of(parent), *out = NULL;
    const char *const argv[] = { "zpool", "list", "-Hp", "-o", "size,allocated,free", zpool, NULL };

    if (!run_zfs(argv, &out, err))
        return false;
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(out), "\t", -1);
    if (g_strv_length(words) != 3 || !parse_uint(words[0], &scan->capacity_bytes, NULL) ||
        !parse_uint(words[1], &scan->allocation_bytes, NULL) ||
        !parse_uint(words[2], &scan->available_bytes, NULL))
        return error_set(err, ERROR_INTERNAL, "zpool says nothing of the sizes of '%s'", zpool);
    return true;
}

AWAITS static bool zfs_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_autofree char *parent = g_strdup(pool_def(pool)->source_name), *out = NULL;
    g_autoptr(GPtrArray) found = block_found_new(), unfinished = g_ptr_array_new_with_free_func(g_free);
    const char *const argv[] = { "zfs", "list", "-Hp",       "-t",   "volume", "-d",
                                 "1",   "-o",   ZFS_COLUMNS, parent, NULL };

    if (!read_sizes(parent, scan, err) || !run_zfs(argv, &out, err))
        return false;
    zfs_add_volumes(parent, out, found, unfinished);
    for (guint i = 0; i < unfinished->len && !block_is_making(pool); i++) {
        const char *const destroy[] = { "zfs", "destroy", unfinished->pdata[i], NULL };
        g_autoptr(Error) why = NULL;
        if (!run_zfs(destroy, NULL, &why))
            log_warning_error(why, unfinished->pdata[i]);
    }
    block_settle();
    if (!block_look(pool, found, err))
        return false;
    block_scan_take(pool, scan, found);
    return true;
}

/* ---- volumes ---- */

AWAITS static bool zfs_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags,
                                   Error **err)
{
    if (!block_check_new(def, err))
        return false;
    if (strpbrk(def->name, "@#%"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no name of a volume of ZFS", def->name);
    def->type = VOLUME_BLOCK;
    g_free(def->target.path);
    g_free(def->key);
    def->key = g_strdup_printf("%s/%s", pool_def(pool)->source_name, def->name);
    def->target.path = device_of(def->key);
    return true;
}

AWAITS static bool zfs_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err)
{
    g_autofree char *dataset = g_strdup(def->key), *path = g_strdup(def->target.path);
    g_autofree char *size =
        g_strdup_printf("%" PRIu64 "K", def->capacity.value / 1024 + (def->capacity.value % 1024 != 0));
    const bool is_sparse = def->allocation.is_set && def->allocation.value < def->capacity.value;
    const char *const argv[] = { "zfs",
                                 "create",
                                 "-o",
                                 NEW_PROPERTY "=yes",
                                 "-V",
                                 size,
                                 is_sparse ? "-s" : dataset,
                                 is_sparse ? dataset : NULL,
                                 NULL };

    if (!run_zfs(argv, NULL, err))
        return false;
    block_settle();
    if (block_await(pool, path, err) && (!from || block_fill(pool, def, from, flags, err)) &&
        block_set_owner(pool, def, 0600, err) && RUN_ZFS("zfs", "inherit", NEW_PROPERTY, dataset))
        return true;
    fiber_shield_begin();
    g_autoptr(Error) why = NULL;
    if (!run_zfs((const char *const[]){ "zfs", "destroy", dataset, NULL }, NULL, &why))
        log_warning_error(why, dataset);
    fiber_shield_end();
    return false;
}

AWAITS static bool zfs_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    g_autofree char *dataset = g_strdup(volume->def->key);

    /* With its snapshots only if that is asked for: -r. */
    return flags & VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS ? RUN_ZFS("zfs", "destroy", "-r", dataset)
                                                         : RUN_ZFS("zfs", "destroy", dataset);
}

AWAITS static bool zfs_resize_volume(Pool *pool, Volume *volume, uint64_t capacity_bytes, unsigned flags,
                                     Error **err)
{
    g_autofree char *dataset = g_strdup(volume->def->key);
    g_autofree char *size =
        g_strdup_printf("volsize=%" PRIu64 "K", capacity_bytes / 1024 + (capacity_bytes % 1024 != 0));

    return RUN_ZFS("zfs", "set", size, dataset);
}

AWAITS static bool zfs_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autofree char *out = NULL;

    if (!run_zfs((const char *const[]){ "zpool", "list", "-H", "-o", "name", NULL }, &out, err))
        return false;
    g_auto(GStrv) names = g_strsplit(out, "\n", -1);
    for (char **name = names; *name; name++) {
        if (!**name)
            continue;
        g_autofree char *item =
            g_markup_printf_escaped("  <source>\n    <name>%s</name>\n  </source>\n", *name);
        g_string_append(xml, item);
    }
    return true;
}

const PoolBackend zfs_backend = {
    .is_serial = true,
    .check_def = zfs_check_def,
    .build = zfs_build,
    .remove = zfs_remove,
    .scan = zfs_scan,
    .find_sources = zfs_find_sources,
    .plan_volume = zfs_plan_volume,
    .make_volume = zfs_make_volume,
    .remove_volume = zfs_remove_volume,
    .resize_volume = zfs_resize_volume,
    .look_at_volume = block_look_at_volume,
};
