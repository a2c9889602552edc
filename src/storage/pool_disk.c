/* Pools of the partitions of a disk, by parted.
 *
 * Partitions start at whole MiB, because a disk is slow otherwise. A partition that is a copy is marked as
 * unfinished until it is one (gpt: by its name, dos: by its type); marked ones are not listed, and what a
 * killed daemon left is removed when the pool is looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"
#include "storage/image_make.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

#define PARTED_MS 60000
#define ALIGN_BYTES ((uint64_t)1 << 20)
#define NEW_NAME "lodge-new"
#define NEW_TYPE "7f" /* dos: "for individual or local use" */
#define PRIMARY_MAX 4

enum { DISK_UNKNOWN, DISK_DOS, DISK_DVH, DISK_GPT };

typedef enum PartKind { PART_PRIMARY, PART_EXTENDED, PART_LOGICAL, PART_FREE } PartKind;

typedef struct Part {
    PartKind kind;
    bool in_extended; /* free: inside the extended partition */
    bool is_new;      /* marked as unfinished */
    unsigned number;  /* 0: free */
    uint64_t start_bytes, end_bytes;
    char *format; /* what a document calls it */
} Part;

typedef struct PartTable {
    char *device; /* as the document names it */
    char *prefix; /* of the paths of its partitions */
    bool is_dos;
    bool can_be_extended; /* dos and the like */
    unsigned n_max;
    uint64_t sector_bytes;
    GArray *parts; /* of Part, in the order of their places */
} PartTable;

static void part_clear(void *data)
{
    g_free(((Part *)data)->format);
}

static void part_table_clear(PartTable *table)
{
    g_free(table->device);
    g_free(table->prefix);
    if (table->parts)
        g_array_unref(table->parts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PartTable, part_table_clear)

static const PoolDevice *disk_device(const Pool *pool)
{
    return g_ptr_array_index(pool_def(pool)->devices, 0);
}

static const char *disk_format(const Pool *pool)
{
    const uint8_t format = pool_def(pool)->format;
    return enum_name(&pool_disk_format_names, format == DISK_UNKNOWN ? DISK_DOS : format);
}

static const char *parted_label(const char *format)
{
    return strcmp(format, "dos") == 0 ? "msdos" : format;
}

/* "/dev/sdb" -> "/dev/sdb", "/dev/nvme0n1" -> "/dev/nvme0n1p" */
static char *part_prefix(const PoolDevice *device, const char *real)
{
    const size_t len = strlen(real);
    const bool is_separate = device->part_separator == TRISTATE_ABSENT
                                 ? g_ascii_isdigit(real[len - 1])
                                 : device->part_separator == TRISTATE_ON;
    return g_strconcat(real, is_separate ? "p" : "", NULL);
}

/* ---- reading the table ---- */

static uint64_t bytes_of(const Json *part, const char *key)
{
    const char *text = json_get_str(part, key);
    g_autofree char *digits = text ? g_strndup(text, strspn(text, "0123456789")) : NULL;
    uint64_t value = 0;

    return digits && parse_uint(digits, &value, NULL) ? value : 0;
}

static PartKind kind_of(const char *type)
{
    if (type && strcmp(type, "free") == 0)
        return PART_FREE;
    if (type && strcmp(type, "extended") == 0)
        return PART_EXTENDED;
    return type && strcmp(type, "logical") == 0 ? PART_LOGICAL : PART_PRIMARY;
}

static void part_table_read(PartTable *table, const Json *disk)
{
    const Json *list = json_get_arr(disk, "partitions");
    const char *label = json_get_str(disk, "label");
    uint64_t extended_start = 0, extended_end = 0;
    size_t i;
    Json *item;

    table->is_dos = label && strcmp(label, "msdos") == 0;
    table->can_be_extended = table->is_dos || (label && strcmp(label, "dvh") == 0);
    table->n_max = (unsigned)json_get_int(disk, "max-partitions", 128);
    table->sector_bytes = json_get_uint(disk, "logical-sector-size", 512);
    json_array_foreach (list, i, item) {
        const char *name = json_get_str(item, "name");
        Part part = { .kind = kind_of(json_get_str(item, "type")),
                      .number = (unsigned)json_get_int(item, "number", 0),
                      .start_bytes = bytes_of(item, "start"),
                      .end_bytes = bytes_of(item, "end") + 1 };
        if (part.kind == PART_EXTENDED) {
            extended_start = part.start_bytes;
            extended_end = part.end_bytes;
        }
        part.in_extended = part.start_bytes >= extended_start && part.end_bytes <= extended_end;
        part.is_new = name && strcmp(name, NEW_NAME) == 0;
        part.format = g_strdup(part.kind == PART_EXTENDED ? "extended" : "none");
        g_array_append_val(table->parts, part);
    }
}

/* Types of partitions are what parted does not tell. */
AWAITS static bool read_marks(PartTable *table, Error **err)
{
    g_autofree char *out = NULL;
    g_autoptr(Json) json = NULL;
    size_t i;
    Json *item;

    if (!table->is_dos || !storage_has_program("sfdisk"))
        return true;
    if (!storage_run((const char *const[]){ "sfdisk", "--json", table->device, NULL }, "fdisk", PARTED_MS,
                     &out, err) ||
        !json_parse(out, strlen(out), "what sfdisk says", &json, err))
        return false;
    json_array_foreach (json_get_arr(json_get_obj(json, "partitiontable"), "partitions"), i, item) {
        const char *type = json_get_str(item, "type");
        const uint64_t start = json_get_uint(item, "start", 0) * table->sector_bytes;
        for (unsigned k = 0; type && strcmp(type, NEW_TYPE) == 0 && k < table->parts->len; k++) {
            Part *part = &g_array_index(table->parts, Part, k);
            part->is_new = part->is_new || (part->kind != PART_FREE && part->start_bytes == start);
        }
    }
    return true;
}

AWAITS static bool disk_read_table(Pool *pool, PartTable *ret_table, Error **err)
{
    g_autofree char *device = g_strdup(disk_device(pool)->path);
    g_autofree char *out = NULL;
    g_autofree char *real = NULL;
    g_autoptr(Json) json = NULL;

    if (!block_resolve(pool, device, &real, err) ||
        !storage_run((const char *const[]){ "parted", "-s", "-j", device, "unit", "B", "print", "free",
                                            NULL },
                     "parted", PARTED_MS, &out, err) ||
        !json_parse(out, strlen(out), "what parted says", &json, err))
        return false;
    *ret_table = (PartTable){ .device = g_steal_pointer(&device),
                              .prefix = part_prefix(disk_device(pool), real),
                              .parts = g_array_new(FALSE, FALSE, sizeof(Part)) };
    g_array_set_clear_func(ret_table->parts, part_clear);
    part_table_read(ret_table, json_get_obj(json, "disk"));
    return read_marks(ret_table, err);
}

/* ---- changing it ---- */

AWAITS static bool disk_parted(const char *const *argv, Error **err)
{
    if (!storage_run(argv, "parted", PARTED_MS, NULL, err))
        return false;
    block_settle();
    return true;
}

AWAITS static bool disk_remove_part(const char *device, unsigned number, Error **err)
{
    g_autofree char *text = g_strdup_printf("%u", number);
    return disk_parted((const char *const[]){ "parted", device, "rm", "--script", text, NULL }, err);
}

/* What a daemon that was killed left. Ours is still being filled while its volume is being made. */
AWAITS static void disk_remove_leftovers(Pool *pool, const PartTable *table)
{
    if (block_is_making(pool))
        return;
    for (unsigned i = 0; i < table->parts->len; i++) {
        const Part *part = &g_array_index(table->parts, Part, i);
        g_autoptr(Error) err = NULL;
        if (part->is_new && !disk_remove_part(table->device, part->number, &err))
            log_warning_error(err, table->device);
    }
}

/* ---- the pool ---- */

/* Nothing but a device is ever written to. */
AWAITS static bool disk_require_device(Pool *pool, Error **err)
{
    g_autofree char *real = NULL;

    return storage_check_argument("device path", disk_device(pool)->path, err) &&
           block_resolve(pool, disk_device(pool)->path, &real, err);
}

AWAITS static bool disk_is_active(Pool *pool, bool *ret_active, Error **err)
{
    *ret_active = disk_require_device(pool, NULL);
    return true; /* start() says why not */
}

AWAITS static bool disk_start(Pool *pool, Error **err)
{
    PoolDef *def = (PoolDef *)pool_def(pool); /* what is about to be live */
    g_autofree char *what = NULL;
    g_autofree char *device = g_strdup(disk_device(pool)->path);
    const char *format = disk_format(pool);

    if (!disk_require_device(pool, err) || !block_probe_table(device, &what, err))
        return false;
    if (!what)
        return error_set(err, ERROR_PROBE_FAILED, "Device '%s' is unrecognized, requires build", device);
    if (strcmp(what, format) != 0)
        return error_set(err, ERROR_INVALID_STATE,
                         "Format of device '%s' does not match the expected format '%s'", device, format);
    def->format = def->format == DISK_UNKNOWN ? DISK_DOS : def->format;
    return true;
}

AWAITS static bool disk_build(Pool *pool, unsigned flags, Error **err)
{
    g_autofree char *device = g_strdup(disk_device(pool)->path);
    const char *format = disk_format(pool);

    if (!block_prepare(pool, device, format, flags & VIR_STORAGE_POOL_BUILD_OVERWRITE, err))
        return false;
    return disk_parted((const char *const[]){ "parted", device, "mklabel", "--script", parted_label(format),
                                              NULL },
                       err);
}

/* The live definition tells what is free. */
static void disk_tell_free(Pool *pool, const PartTable *table)
{
    const PoolDef *def = pool_def(pool);
    PoolDevice *device = g_ptr_array_index(def->devices, 0);

    for (unsigned i = 0; device->free_extents && i < device->free_extents->len; i++)
        g_free(device->free_extents->pdata[i]);
    if (!device->free_extents)
        device->free_extents = g_ptr_array_new();
    g_ptr_array_set_size(device->free_extents, 0);
    for (unsigned i = 0; i < table->parts->len; i++) {
        const Part *part = &g_array_index(table->parts, Part, i);
        if (part->kind != PART_FREE)
            continue;
        PoolExtent *extent = g_new(PoolExtent, 1);
        *extent = (PoolExtent){ part->start_bytes, part->end_bytes };
        g_ptr_array_add(device->free_extents, extent);
    }
}

static void disk_add_volume(GPtrArray *found, const PartTable *table, const Part *part, GHashTable *links)
{
    g_autofree char *path = g_strdup_printf("%s%u", table->prefix, part->number);
    g_autofree char *name = g_path_get_basename(path);
    const char *link = g_hash_table_lookup(links, path);
    VolumeDef *def = block_found_add(found, name, link ? link : path);
    const uint64_t size = part->end_bytes - part->start_bytes;

    block_add_extent(def, table->device, part->start_bytes, part->end_bytes);
    def->target.format = g_strdup(part->format);
    def->capacity = (OptU64){ .value = size, .is_set = true };
    def->allocation = (OptU64){ .value = part->kind == PART_EXTENDED ? 0 : size, .is_set = true };
}

AWAITS static bool disk_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_auto(PartTable) table = { 0 };
    g_autoptr(GHashTable) links = NULL;
    g_autoptr(GPtrArray) found = block_found_new();

    if (!disk_read_table(pool, &table, err) || !block_read_links(pool, &links, err))
        return false;
    if (!links)
        return error_set_errno(err, ENOENT, "cannot read dir '%s'", pool_def(pool)->target_path);
    disk_remove_leftovers(pool, &table);
    for (unsigned i = 0; i < table.parts->len; i++) {
        const Part *part = &g_array_index(table.parts, Part, i);
        const uint64_t size = part->end_bytes - part->start_bytes;
        scan->capacity_bytes = MAX(scan->capacity_bytes, part->end_bytes);
        if (part->kind == PART_FREE)
            scan->available_bytes += size;
        else if (part->kind != PART_EXTENDED)
            scan->allocation_bytes += size;
        if (part->kind != PART_FREE && !part->is_new)
            disk_add_volume(found, &table, part, links);
    }
    if (!block_look(pool, found, err))
        return false;
    disk_tell_free(pool, &table);
    block_scan_take(pool, scan, found);
    return true;
}

/* ---- volumes ---- */

typedef struct DiskFormat {
    const char *name, *parted; /* parted: the file system that it takes for the type */
} DiskFormat;
static const DiskFormat disk_formats[] = {
    { "none", "ext2" },
    { "linux", "ext2" },
    { "fat16", "fat16" },
    { "fat32", "fat32" },
    { "linux-swap", "linux-swap" },
    { "linux-lvm", "ext2" },
    { "linux-raid", "ext2" },
    { "extended", NULL },
};

static const DiskFormat *find_format(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(disk_formats); i++) {
        if (strcmp(disk_formats[i].name, name) == 0)
            return &disk_formats[i];
    }
    return NULL;
}

static bool number_is_taken(const PartTable *table, unsigned number)
{
    for (unsigned i = 0; i < table->parts->len; i++) {
        if (g_array_index(table->parts, Part, i).number == number)
            return true;
    }
    return false;
}

static bool has_extended(const PartTable *table)
{
    for (unsigned i = 0; i < table->parts->len; i++) {
        if (g_array_index(table->parts, Part, i).kind == PART_EXTENDED)
            return true;
    }
    return false;
}

/* The number that parted is going to give, and what kind of partition that is. */
static bool choose_number(const PartTable *table, bool is_extended, unsigned *ret_number, PartKind *ret_kind,
                          Error **err)
{
    const unsigned n_primary = table->is_dos ? PRIMARY_MAX : table->n_max;

    if (is_extended && !table->can_be_extended)
        return error_set(err, ERROR_INTERNAL, "this kind of partition table has no extended partitions");
    if (is_extended && has_extended(table))
        return error_set(err, ERROR_INTERNAL, "extended partition already exists");
    for (unsigned number = 1; number <= n_primary; number++) {
        if (!number_is_taken(table, number)) {
            *ret_number = number;
            *ret_kind = is_extended ? PART_EXTENDED : PART_PRIMARY;
            return true;
        }
    }
    if (!has_extended(table) || is_extended)
        return error_set(err, ERROR_INTERNAL,
                         "no extended partition found and no primary partition available");
    *ret_number = PRIMARY_MAX + 1;
    while (number_is_taken(table, *ret_number))
        ++*ret_number;
    *ret_kind = PART_LOGICAL;
    return true;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The smallest free place that is large enough. */
static bool choose_place(const PartTable *table, PartKind kind, uint64_t size, uint64_t *ret_start,
                         Error **err)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < table->parts->len; i++) {
        const Part *part = &g_array_index(table->parts, Part, i);
        /* A logical partition has its own table in the sector before it. */
        const uint64_t start =
            round_up(part->start_bytes + (kind == PART_LOGICAL ? table->sector_bytes : 0), ALIGN_BYTES);
        const uint64_t length = part->end_bytes - part->start_bytes;
        if (part->kind != PART_FREE || part->in_extended != (kind == PART_LOGICAL) ||
            start >= part->end_bytes || size > part->end_bytes - start || length >= best)
            continue;
        best = length;
        *ret_start = start;
    }
    return best != UINT64_MAX || error_set(err, ERROR_INTERNAL, "no large enough free extent");
}

/* Where and as which it is going to be. */
typedef struct PartPlan {
    unsigned number;
    PartKind kind;
    uint64_t start_bytes, size_bytes;
} PartPlan;

static bool plan_part(const PartTable *table, const VolumeDef *def, PartPlan *ret_plan, Error **err)
{
    const bool is_extended = strcmp(def->target.format, "extended") == 0;

    if (def->capacity.value > INT64_MAX)
        return error_set(err, ERROR_OVERFLOW, "volume '%s' is too large", def->name);
    ret_plan->size_bytes = round_up(MAX(def->capacity.value, 1), table->sector_bytes);
    return choose_number(table, is_extended, &ret_plan->number, &ret_plan->kind, err) &&
           choose_place(table, ret_plan->kind, ret_plan->size_bytes, &ret_plan->start_bytes, err);
}

AWAITS static bool disk_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags,
                                    Error **err)
{
    g_auto(PartTable) table = { 0 };
    PartPlan plan = { 0 };

    if (!def->target.format || strcmp(def->target.format, "raw") == 0) {
        g_free(def->target.format);
        def->target.format = g_strdup("none");
    }
    if (!find_format(def->target.format))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown volume format type %s", def->target.format);
    if (def->target.encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "storage pool only supports LUKS encrypted volumes in files");
    if (!disk_read_table(pool, &table, err) || !plan_part(&table, def, &plan, err))
        return false;
    g_autofree char *path = g_strdup_printf("%s%u", table.prefix, plan.number);
    g_autofree char *name = g_path_get_basename(path);
    if (strcmp(name, def->name) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid partition name '%s', expected '%s'", def->name,
                         name);
    def->type = VOLUME_BLOCK;
    g_free(def->target.path);
    g_free(def->key);
    def->target.path = g_steal_pointer(&path);
    def->key = g_strdup(def->target.path);
    return true;
}

/* Puts the partition where it was planned. @is_copy: marked as unfinished. */
AWAITS static bool make_part(const PartTable *table, const VolumeDef *def, const PartPlan *plan, bool is_copy,
                             Error **err)
{
    const char *fs = find_format(def->target.format)->parted;
    g_autofree char *start = g_strdup_printf("%" PRIu64 "B", plan->start_bytes);
    g_autofree char *end = g_strdup_printf("%" PRIu64 "B", plan->start_bytes + plan->size_bytes - 1);
    g_autofree char *kind = NULL;

    if (!table->is_dos) {
        kind = g_strdup(is_copy ? NEW_NAME : "primary");
    } else if (plan->kind == PART_EXTENDED) {
        kind = g_strdup("extended");
    } else {
        kind = g_strdup_printf("%s %s", plan->kind == PART_LOGICAL ? "logical" : "primary", fs);
    }
    return disk_parted((const char *const[]){ "parted", table->device, "mkpart", "--script", kind, start, end,
                                              NULL },
                       err);
}

/* Sets or takes the mark of what is not finished. */
AWAITS static bool mark_part(const PartTable *table, const PartPlan *plan, bool is_new, Error **err)
{
    g_autofree char *number = g_strdup_printf("%u", plan->number);

    /* The kernel does not care about types; told of a new table it takes all partitions away for a moment. */
    if (table->is_dos)
        return storage_run((const char *const[]){ "sfdisk", "--quiet", "--no-reread", "--no-tell-kernel",
                                                  "--part-type", table->device, number,
                                                  is_new ? NEW_TYPE : "83", NULL },
                           "fdisk", PARTED_MS, NULL, err);
    return is_new || disk_parted((const char *const[]){ "parted", table->device, "name", "--script", number,
                                                        "primary", NULL },
                                 err);
}

AWAITS static bool fill_part(Pool *pool, const PartTable *table, const PartPlan *plan, const VolumeDef *def,
                             const Volume *from, unsigned flags, Error **err)
{
    return mark_part(table, plan, true, err) &&
           (from->def->type != VOLUME_BLOCK || block_await(pool, from->def->target.path, err)) &&
           block_await(pool, def->target.path, err) && block_fill(pool, def, from, flags, err) &&
           mark_part(table, plan, false, err);
}

AWAITS static bool disk_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err)
{
    g_auto(PartTable) table = { 0 };
    g_autoptr(Error) why = NULL;
    PartPlan plan = { 0 };

    if (!disk_read_table(pool, &table, err) || !plan_part(&table, def, &plan, err))
        return false;
    if (make_part(&table, def, &plan, from != NULL, &why) &&
        (!from || fill_part(pool, &table, &plan, def, from, flags, &why)) &&
        (!def->target.permissions || block_set_owner(pool, def, 0600, &why))) {
        def->allocation =
            (OptU64){ .value = plan.kind == PART_EXTENDED ? 0 : plan.size_bytes, .is_set = true };
        def->capacity = (OptU64){ .value = plan.size_bytes, .is_set = true };
        return true;
    }
    fiber_shield_begin();
    if (!disk_remove_part(table.device, plan.number, NULL))
        log_debug("partition %u of '%s' was not made, or is left", plan.number, table.device);
    fiber_shield_end();
    return error_propagate(err, g_steal_pointer(&why));
}

AWAITS static bool disk_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    g_auto(PartTable) table = { 0 };
    g_autofree char *name = g_strdup(volume->name);

    if (!disk_read_table(pool, &table, err))
        return false;
    for (unsigned i = 0; i < table.parts->len; i++) {
        const Part *part = &g_array_index(table.parts, Part, i);
        g_autofree char *path = g_strdup_printf("%s%u", table.prefix, part->number);
        g_autofree char *part_name = g_path_get_basename(path);
        if (part->kind != PART_FREE && strcmp(part_name, name) == 0)
            return disk_remove_part(table.device, part->number, err);
    }
    return error_set(err, ERROR_NO_STORAGE_VOL, "no storage vol with matching name '%s'", name);
}

const PoolBackend disk_backend = {
    .is_serial = true,
    .starts_again = true,
    .is_active = disk_is_active,
    .start = disk_start,
    .build = disk_build,
    .scan = disk_scan,
    .plan_volume = disk_plan_volume,
    .make_volume = disk_make_volume,
    .remove_volume = disk_remove_volume,
    .look_at_volume = block_look_at_volume,
};
