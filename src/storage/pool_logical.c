/* Pools that are volume groups of LVM, by its tools and their JSON.
 *
 * A volume that is a copy is filled under another name with the tag lodge-new, gets its name when it is
 * complete and loses the tag last. So whatever has the tag, and is not ours, was left by a killed daemon: it
 * is not listed and removed when the pool is looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

#define LVM_MS 120000
#define LVM_PACKAGE "lvm2"
#define NEW_TAG "lodge-new"
#define RUN_LVM(...) storage_run((const char *const[]){ __VA_ARGS__, NULL }, LVM_PACKAGE, LVM_MS, NULL, err)

static const char *group_name(const Pool *pool)
{
    return pool_def(pool)->source_name;
}

/* Rows of a report: {"report": [{KIND: [...]}]}. *ret_json holds *ret_rows. */
AWAITS static bool lvm_report(const char *const *argv, const char *kind, Json **ret_json, Json **ret_rows,
                              Error **err)
{
    g_autofree char *out = NULL;
    g_autoptr(Json) json = NULL;

    if (!storage_run(argv, LVM_PACKAGE, LVM_MS, &out, err) ||
        !json_parse(out, strlen(out), "what LVM says", &json, err))
        return false;
    *ret_rows = json_get_arr(json_array_get(json_get_arr(json, "report"), 0), kind);
    *ret_json = g_steal_pointer(&json);
    return true;
}

/* LVM writes numbers as text. */
static uint64_t number_of(const Json *row, const char *key)
{
    const char *text = json_get_str(row, key);
    uint64_t value = 0;

    return text && parse_uint(text, &value, NULL) ? value : 0;
}

static const char *text_of(const Json *row, const char *key)
{
    const char *text = json_get_str(row, key);
    return text ? text : "";
}

static bool has_new_tag(const Json *row)
{
    g_auto(GStrv) tags = g_strsplit(text_of(row, "lv_tags"), ",", -1);
    return g_strv_contains((const char *const *)tags, NEW_TAG);
}

/* ---- groups ---- */

/* Rows {pv_name, vg_name} of all physical volumes. */
AWAITS static bool list_pvs(Json **ret_json, Json **ret_rows, Error **err)
{
    return lvm_report((const char *const[]){ "/sbin/pvs", "--reportformat", "json", "-o", "pv_name,vg_name",
                                             NULL },
                      "pv", ret_json, ret_rows, err);
}

static bool pool_has_device(const PoolDef *def, const char *path)
{
    for (unsigned i = 0; def->devices && i < def->devices->len; i++) {
        if (strcmp(((const PoolDevice *)g_ptr_array_index(def->devices, i))->path, path) == 0)
            return true;
    }
    return false;
}

/* Is the group there, and on the devices that the definition names? */
AWAITS static bool check_group(Pool *pool, Error **err)
{
    g_autoptr(Json) json = NULL;
    Json *rows = NULL, *row;
    unsigned n_found = 0, n_matching = 0;
    size_t i;

    if (!list_pvs(&json, &rows, err))
        return false;
    json_array_foreach (rows, i, row) {
        if (strcmp(text_of(row, "vg_name"), group_name(pool)) != 0)
            continue;
        n_found++;
        n_matching += pool_has_device(pool_def(pool), text_of(row, "pv_name"));
    }
    if (n_found == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "cannot find logical volume group name '%s'",
                         group_name(pool));
    if (pool_def(pool)->devices && n_matching == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "cannot find any matching source devices for logical volume group '%s'",
                         group_name(pool));
    return true;
}

AWAITS static bool logical_start(Pool *pool, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));

    return storage_check_argument("volume group", group, err) && check_group(pool, err) &&
           RUN_LVM("/sbin/vgchange", "-aly", group);
}

AWAITS static bool logical_stop(Pool *pool, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));
    return RUN_LVM("/sbin/vgchange", "-aln", group);
}

static void append_devices(const PoolDef *def, GPtrArray *argv)
{
    for (unsigned i = 0; def->devices && i < def->devices->len; i++)
        g_ptr_array_add(argv, g_strdup(((const PoolDevice *)g_ptr_array_index(def->devices, i))->path));
}

static GPtrArray *device_paths(const PoolDef *def)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    append_devices(def, paths);
    return paths;
}

/* Makes each device a physical volume. */
AWAITS static bool make_pvs(Pool *pool, const GPtrArray *paths, unsigned flags, unsigned *ret_made,
                            Error **err)
{
    for (unsigned i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        if (!block_prepare(pool, path, "LVM2_member", flags & VIR_STORAGE_POOL_BUILD_OVERWRITE, err))
            return false;
        if (!RUN_LVM("/sbin/pvcreate", path))
            return false;
        ++*ret_made;
    }
    return true;
}

AWAITS static bool make_group(const char *group, const GPtrArray *paths, Error **err)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (gpointer) "/sbin/vgcreate");
    g_ptr_array_add(argv, (gpointer)group);
    for (unsigned i = 0; i < paths->len; i++)
        g_ptr_array_add(argv, paths->pdata[i]);
    g_ptr_array_add(argv, NULL);
    return storage_run((const char *const *)argv->pdata, LVM_PACKAGE, LVM_MS, NULL, err);
}

AWAITS static bool logical_build(Pool *pool, unsigned flags, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));
    g_autoptr(GPtrArray) paths = device_paths(pool_def(pool));
    unsigned n_made = 0;

    if (!storage_check_argument("volume group", group, err))
        return false;
    if (make_pvs(pool, paths, flags, &n_made, err) && make_group(group, paths, err))
        return true;
    fiber_shield_begin();
    for (unsigned i = 0; i < n_made; i++) {
        const char *const argv[] = { "/sbin/pvremove", paths->pdata[i], NULL };
        if (!storage_run(argv, LVM_PACKAGE, LVM_MS, NULL, NULL))
            log_warning("'%s' stays a physical volume", (const char *)paths->pdata[i]);
    }
    fiber_shield_end();
    return false;
}

AWAITS static bool logical_remove(Pool *pool, unsigned flags, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));
    g_autoptr(GPtrArray) paths = device_paths(pool_def(pool));

    if (!check_flags(flags, 0, "virStoragePoolDelete", err) ||
        !storage_check_argument("volume group", group, err) || !RUN_LVM("/sbin/vgremove", "-f", group))
        return false;
    for (unsigned i = 0; i < paths->len; i++) {
        if (!RUN_LVM("/sbin/pvremove", paths->pdata[i]))
            return false;
    }
    return true;
}

/* Which of its volumes are active, start() sees to. */
AWAITS static bool logical_is_active(Pool *pool, bool *ret_active, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));
    g_autoptr(Json) json = NULL;
    Json *rows = NULL, *row;
    size_t i;

    *ret_active = false;
    if (!list_pvs(&json, &rows, err))
        return false;
    json_array_foreach (rows, i, row)
        *ret_active = *ret_active || strcmp(text_of(row, "vg_name"), group) == 0;
    return true;
}

/* One <source> per group, with all its devices. */
AWAITS static bool logical_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autoptr(Json) json = NULL;
    g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    Json *rows = NULL, *row;
    size_t i;

    if (!list_pvs(&json, &rows, err))
        return false;
    json_array_foreach (rows, i, row) {
        const char *group = text_of(row, "vg_name");
        if (*group == '\0')
            continue;
        const char *before = g_hash_table_lookup(groups, group);
        g_autofree char *device =
            g_markup_printf_escaped("    <device path='%s'/>\n", text_of(row, "pv_name"));
        char *name = g_strdup(group);
        if (!before)
            g_ptr_array_add(names, name);
        g_hash_table_insert(groups, name, g_strconcat(before ? before : "", device, NULL));
    }
    for (unsigned k = 0; k < names->len; k++) {
        g_autofree char *name =
            g_markup_printf_escaped("    <name>%s</name>\n", (const char *)names->pdata[k]);
        g_string_append_printf(xml, "  <source>\n%s%s    <format type='lvm2'/>\n  </source>\n",
                               (const char *)g_hash_table_lookup(groups, names->pdata[k]), name);
    }
    return true;
}

/* ---- volumes ---- */

#define LV_COLUMNS                                                                                           \
    "lv_name,lv_uuid,lv_size,lv_attr,lv_tags,origin,segtype,stripes,devices,seg_start,seg_size,vg_extent_"   \
    "size,"                                                                                                  \
    "data_percent"

/* Rows of the segments of all volumes, or of one. */
AWAITS static bool list_lvs(const char *what, Json **ret_json, Json **ret_rows, Error **err)
{
    return lvm_report((const char *const[]){ "/sbin/lvs", "--reportformat", "json", "--units", "b",
                                             "--nosuffix", "--segments", "-o", LV_COLUMNS, what, NULL },
                      "seg", ret_json, ret_rows, err);
}

/* "/dev/sda(12),/dev/sdb(0)": device and first extent of each stripe. */
static void add_extents(VolumeDef *def, const Json *row)
{
    const uint64_t extent_bytes = number_of(row, "vg_extent_size");
    const uint64_t n_stripes = MAX(number_of(row, "stripes"), 1);
    g_auto(GStrv) parts = g_strsplit(text_of(row, "devices"), ",", -1);

    for (char **part = parts; *part; part++) {
        char *open = strrchr(*part, '(');
        uint64_t first = 0;
        if (!open || !g_str_has_suffix(open, ")") || **part != '/')
            continue;
        *open = '\0';
        open[strlen(open + 1)] = '\0';
        if (!parse_uint(open + 1, &first, NULL) || extent_bytes == 0 || first > INT64_MAX / extent_bytes)
            continue;
        block_add_extent(def, *part, first * extent_bytes,
                         first * extent_bytes + number_of(row, "seg_size") / n_stripes);
    }
}

/* Volumes that are for people: what pools and mirrors consist of, is not; neither is what is not active. */
static bool is_volume(const Json *row)
{
    const char *attr = text_of(row, "lv_attr"), *name = text_of(row, "lv_name");

    return strlen(attr) >= 6 && !strchr("tTeid", attr[0]) && attr[4] == 'a' && name[0] != '[' &&
           !has_new_tag(row);
}

/* Of a thin volume what it has been given of its pool yet. */
static uint64_t allocation_of(const Json *row)
{
    const uint64_t size = number_of(row, "lv_size");
    const double percent = g_ascii_strtod(text_of(row, "data_percent"), NULL);

    if (strcmp(text_of(row, "segtype"), "thin") != 0)
        return size;
    return percent >= 0 && percent < 100 ? (uint64_t)((double)size / 100 * percent) : size;
}

static VolumeDef *add_volume(Pool *pool, GPtrArray *found, const Json *row)
{
    const char *name = text_of(row, "lv_name"), *origin = text_of(row, "origin");
    g_autofree char *path = g_strdup_printf("/dev/%s/%s", group_name(pool), name);
    VolumeDef *def = block_found_add(found, name, path);

    def->key = g_strdup(text_of(row, "lv_uuid"));
    def->allocation = (OptU64){ .value = allocation_of(row), .is_set = true };
    if (*origin && *origin != '[') {
        def->backing = g_new0(VolumeTarget, 1);
        def->backing->path = g_strdup_printf("/dev/%s/%s", group_name(pool), origin);
    }
    return def;
}

/* Names under which this daemon is filling copies. */
static GHashTable *copies;

AWAITS static void remove_leftovers(const char *group, const Json *rows)
{
    size_t i;
    const Json *row;

    json_array_foreach (rows, i, row) {
        g_autofree char *volume = g_strdup_printf("%s/%s", group, text_of(row, "lv_name"));
        g_autoptr(Error) err = NULL;
        if (!has_new_tag(row) || (copies && g_hash_table_contains(copies, volume)))
            continue;
        const char *const argv[] = { "/sbin/lvremove", "-f", volume, NULL };
        if (!storage_run(argv, LVM_PACKAGE, LVM_MS, NULL, &err))
            log_warning_error(err, volume);
    }
}

AWAITS static bool read_group_sizes(const char *group, PoolScan *scan, Error **err)
{
    g_autoptr(Json) json = NULL;
    Json *rows = NULL;

    if (!lvm_report((const char *const[]){ "/sbin/vgs", "--reportformat", "json", "--units", "b",
                                           "--nosuffix", "-o", "vg_size,vg_free", group, NULL },
                    "vg", &json, &rows, err))
        return false;
    scan->capacity_bytes = number_of(json_array_get(rows, 0), "vg_size");
    scan->available_bytes = number_of(json_array_get(rows, 0), "vg_free");
    scan->allocation_bytes = scan->capacity_bytes - MIN(scan->available_bytes, scan->capacity_bytes);
    return true;
}

AWAITS static bool logical_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_autofree char *group = g_strdup(group_name(pool));
    g_autoptr(GPtrArray) found = block_found_new();
    g_autoptr(Json) json = NULL;
    VolumeDef *last = NULL;
    Json *rows = NULL, *row;
    size_t i;

    block_settle();
    if (!list_lvs(group, &json, &rows, err))
        return false;
    remove_leftovers(group, rows);
    json_array_foreach (rows, i, row) {
        if (!is_volume(row))
            continue;
        if (!last || strcmp(last->name, text_of(row, "lv_name")) != 0)
            last = add_volume(pool, found, row);
        add_extents(last, row);
    }
    if (!read_group_sizes(group, scan, err) || !block_look(pool, found, err))
        return false;
    block_scan_take(pool, scan, found);
    return true;
}

AWAITS static bool logical_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags,
                                       Error **err)
{
    if (!block_check_new(def, err))
        return false;
    if (def->backing && !storage_check_argument("backing volume", def->backing->path, err))
        return false;
    def->type = VOLUME_BLOCK;
    g_free(def->target.path);
    def->target.path = g_strdup_printf("/dev/%s/%s", group_name(pool), def->name);
    return true;
}

/* LVM's own name for a number of bytes: whole KiB, as it rounds up to extents anyway. */
static char *size_argument(uint64_t bytes)
{
    return g_strdup_printf("%" PRIu64 "K", bytes / 1024 + (bytes % 1024 != 0));
}

AWAITS static bool run_lvcreate(const char *group, const VolumeDef *def, const char *name, bool is_copy,
                                Error **err)
{
    const uint64_t capacity = def->capacity.value;
    const bool is_sparse = !is_copy && def->allocation.is_set && def->allocation.value < capacity;
    g_autofree char *size = size_argument(capacity);
    g_autofree char *allocation = size_argument(MAX(def->allocation.value, 1));
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
#define ADD(...)                                                                                             \
    do {                                                                                                     \
        const char *const more[] = { __VA_ARGS__ };                                                          \
        for (unsigned n = 0; n < G_N_ELEMENTS(more); n++)                                                    \
            g_ptr_array_add(argv, (gpointer)more[n]);                                                        \
    } while (0)

    ADD("/sbin/lvcreate", "--name", name);
    if (is_copy)
        ADD("--addtag", NEW_TAG);
    if (is_sparse)
        ADD("--type", "snapshot", "--virtualsize", size, "-L", allocation);
    else
        ADD("-L", size);
    if (def->backing && !is_copy)
        ADD("-s", def->backing->path, "--yes");
    else
        ADD(group, "--yes");
    g_ptr_array_add(argv, NULL);
#undef ADD
    return storage_run((const char *const *)argv->pdata, LVM_PACKAGE, LVM_MS, NULL, err);
}

/* LVM's identity of it is its key. */
AWAITS static bool read_key(const char *group, VolumeDef *def, Error **err)
{
    g_autofree char *volume = g_strdup_printf("%s/%s", group, def->name);
    g_autoptr(Json) json = NULL;
    Json *rows = NULL, *row;
    size_t i;

    if (!list_lvs(volume, &json, &rows, err))
        return false;
    g_free(def->key);
    def->key = g_strdup(text_of(json_array_get(rows, 0), "lv_uuid"));
    json_array_foreach (rows, i, row)
        add_extents(def, row);
    return true;
}

AWAITS static void drop_lv(const char *volume)
{
    const char *const argv[] = { "/sbin/lvremove", "-f", volume, NULL };
    g_autoptr(Error) why = NULL;

    fiber_shield_begin();
    if (!storage_run(argv, LVM_PACKAGE, LVM_MS, NULL, &why))
        log_warning_error(why, volume);
    fiber_shield_end();
}

/* Under the name @temp ("GROUP/NAME"), which nobody lists. */
AWAITS static bool make_copy(Pool *pool, const char *group, VolumeDef *def, const char *temp,
                             const Volume *from, unsigned flags, Error **err)
{
    const char *name = strchr(temp, '/') + 1;
    g_autofree char *path = g_strdup(def->target.path);
    g_autofree char *full = g_strdup_printf("%s/%s", group, def->name);

    if (!run_lvcreate(group, def, name, true, err))
        return false;
    g_free(def->target.path);
    def->target.path = g_strdup_printf("/dev/%s", temp);
    bool ok = block_fill(pool, def, from, flags, err);
    g_free(def->target.path);
    def->target.path = g_steal_pointer(&path);
    if (ok && RUN_LVM("/sbin/lvrename", group, name, def->name)) {
        if (RUN_LVM("/sbin/lvchange", "--deltag", NEW_TAG, full))
            return true;
        drop_lv(full);
        return false;
    }
    drop_lv(temp);
    return false;
}

AWAITS static bool logical_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err)
{
    static unsigned number;
    g_autofree char *group = g_strdup(group_name(pool));
    g_autofree char *temp = g_strdup_printf("%s/" NEW_TAG "-%u", group, ++number);
    g_autofree char *volume = g_strdup_printf("%s/%s", group, def->name);

    if (from) {
        if (!copies)
            copies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_add(copies, g_strdup(temp));
        g_hash_table_add(copies, g_strdup(volume));
        const bool ok = make_copy(pool, group, def, temp, from, flags, err);
        g_hash_table_remove(copies, temp);
        g_hash_table_remove(copies, volume);
        if (!ok)
            return false;
    } else if (!run_lvcreate(group, def, def->name, false, err)) {
        return false;
    }
    block_settle();
    if (read_key(group, def, err) && block_set_owner(pool, def, 0600, err))
        return true;
    drop_lv(volume);
    return false;
}

AWAITS static bool logical_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    g_autofree char *path = g_strdup(volume->def->target.path);
    const bool is_snapshot = volume->def->backing != NULL;

    block_settle();
    /* What is in use stays active; a snapshot cannot be deactivated alone, but is not removed in use either.
     */
    return (is_snapshot || RUN_LVM("/sbin/lvchange", "-aln", path)) && RUN_LVM("/sbin/lvremove", "-f", path);
}

const PoolBackend logical_backend = {
    .is_serial = true,
    .starts_again = true,
    .is_active = logical_is_active,
    .start = logical_start,
    .stop = logical_stop,
    .build = logical_build,
    .remove = logical_remove,
    .scan = logical_scan,
    .find_sources = logical_find_sources,
    .plan_volume = logical_plan_volume,
    .make_volume = logical_make_volume,
    .remove_volume = logical_remove_volume,
    .look_at_volume = block_look_at_volume,
};
