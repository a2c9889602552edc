/* Commands about storage pools and their volumes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/object.h"
#include "cli/output.h"

#define OPT_POOL                                                                                             \
    {                                                                                                        \
        .name = "pool", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_POOL,                \
        .doc = "name or UUID of the pool"                                                                    \
    }

static const CliOption pool_options[] = { OPT_POOL, { 0 } };
static const CliOption autostart_options[] = {
    OPT_POOL,
    OPT_BOOL("disable", "do not start it with the host any more"),
    { 0 },
};
static const CliOption file_options[] = {
    OPT_FILE("the XML; - reads the standard input"),
    OPT_BOOL("validate", "refuse XML that does not follow the schema"),
    { 0 },
};
static const CliOption create_options[] = { OPT_FILE("the XML; - reads the standard input"), { 0 } };
static const CliOption dumpxml_options[] = {
    OPT_POOL,
    OPT_BOOL("inactive", "the stored definition, also while the pool runs"),
    OPT_XPATH,
    { 0 },
};
static const CliOption start_options[] = {
    OPT_POOL,
    OPT_BOOL("build", "make what it needs first"),
    OPT_BOOL("no-overwrite", "with --build: keep data that is there"),
    OPT_BOOL("overwrite", "with --build: overwrite data that is there"),
    { 0 },
};
static const CliOption build_options[] = {
    OPT_POOL,
    OPT_BOOL("no-overwrite", "keep data that is there"),
    OPT_BOOL("overwrite", "overwrite data that is there"),
    { 0 },
};

G_STATIC_ASSERT(sizeof(WireStoragePool) == sizeof(NamedObject));

/* Networks and pools have the same layout (see object.h). */
static WireStoragePool as_pool(const NamedObject *object)
{
    return (WireStoragePool){ .name = object->name, .uuid = object->uuid };
}

static NamedObject as_object(const WireStoragePool *pool)
{
    return (NamedObject){ .name = pool->name, .uuid = pool->uuid };
}

/* "1.00 GiB" */
static char *size_text(uint64_t bytes, bool plain)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    double value = (double)bytes;
    if (plain)
        return g_strdup_printf("%" PRIu64, bytes);
    while (value >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.2f %s", value, units[unit]);
}

static const char *pool_state(int state)
{
    static const char *const names[] = { "inactive", "building", "running", "degraded", "inaccessible" };
    return state >= 0 && state < (int)G_N_ELEMENTS(names) ? names[state] : "unknown";
}

static bool pool_info(Cli *cli, const WireStoragePool *pool, WireStoragePoolGetInfoRet *ret, Error **err)
{
    WireStoragePoolGetInfoArgs call = { .pool = *pool };
    return cli_call(cli, PROC_STORAGE_POOL_GET_INFO, &call, ret, err);
}

/* ---- pool-list ---- */

static const CliOption list_options[] = {
    OPT_BOOL("inactive", "only pools that do not run"),
    OPT_BOOL("all", "all pools"),
    OPT_BOOL("transient", "only pools without a stored definition"),
    OPT_BOOL("persistent", "only pools with a stored definition"),
    OPT_BOOL("autostart", "only pools that start with the host"),
    OPT_BOOL("no-autostart", "only pools that do not start with the host"),
    OPT_STRING("type", "only pools of these types, separated by commas"),
    OPT_BOOL("details", "add the sizes"),
    OPT_BOOL("uuid", "print UUIDs only"),
    OPT_BOOL("name", "print names only"),
    { 0 },
};

static bool list_types(const CliArgs *args, unsigned *flags, Error **err)
{
    /* In the order of the flags, which begin at bit 6. */
    static const char *const types[] = { "dir",     "fs",   "netfs",    "logical",     "disk",
                                         "iscsi",   "scsi", "mpath",    "rbd",         "sheepdog",
                                         "gluster", "zfs",  "vstorage", "iscsi-direct" };
    g_auto(GStrv) words = g_strsplit(args_get(args, "type") ? args_get(args, "type") : "", ",", -1);
    for (char **word = words; *word; word++) {
        unsigned i = 0;
        while (i < G_N_ELEMENTS(types) && strcmp(types[i], *word) != 0)
            i++;
        if (i == G_N_ELEMENTS(types)) {
            error_set(err, ERROR_INVALID_ARGUMENT, "Invalid pool type '%s'", *word);
            return error_hint(err, "see 'lodge help pool-list'");
        }
        *flags |= 1u << (i + 6);
    }
    return true;
}

static bool list_flags(const CliArgs *args, unsigned *ret_flags, Error **err)
{
    unsigned flags = VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
    if (args_has(args, "inactive"))
        flags = VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE;
    if (args_has(args, "all"))
        flags = VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE | VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
    flags |= (args_has(args, "persistent") ? VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT : 0) |
             (args_has(args, "transient") ? VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT : 0) |
             (args_has(args, "autostart") ? VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART : 0) |
             (args_has(args, "no-autostart") ? VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART : 0);
    *ret_flags = flags;
    return list_types(args, ret_flags, err);
}

static int compare_pools(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireStoragePool *)a)->name, ((const WireStoragePool *)b)->name);
}

static void list_size(CliTable *table, bool known, uint64_t bytes)
{
    g_autofree char *text = size_text(bytes, false);
    if (known)
        table_cell(table, json_integer((json_int_t)bytes), "%s", text);
    else
        table_cell_text(table, NULL);
}

static void list_row(Cli *cli, CliTable *table, const WireStoragePool *pool, bool details)
{
    NamedObject object = as_object(pool);
    char uuid[UUID_STRING_LEN];
    bool active = false;
    WireStoragePoolGetInfoRet info = { 0 };
    uuid_format(&pool->uuid, uuid);
    (void)!object_ask(cli, PROC_STORAGE_POOL_IS_ACTIVE, &object, &active, NULL);
    bool known = details && pool_info(cli, pool, &info, NULL);
    table_row(table);
    table_cell_text(table, pool->name);
    table_cell_text(table, known ? pool_state(info.state) : active ? "active" : "inactive");
    table_cell_text(table, object_yes_no(cli, PROC_STORAGE_POOL_GET_AUTOSTART, &object));
    table_cell_text(table, uuid);
    if (!details)
        return;
    bool sizes = known && info.state != VIR_STORAGE_POOL_INACTIVE;
    table_cell_text(table, object_yes_no(cli, PROC_STORAGE_POOL_IS_PERSISTENT, &object));
    list_size(table, sizes, info.capacity);
    list_size(table, sizes, info.allocation);
    list_size(table, sizes, info.available);
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "Name", "name" },
                                         { "State", "state" },
                                         { "Autostart", "autostart" },
                                         { NULL, "uuid" },
                                         { "Persistent", "persistent" },
                                         { "Capacity", "capacity_bytes" },
                                         { "Allocation", "allocation_bytes" },
                                         { "Available", "available_bytes" } };
    WireConnectListAllStoragePoolsArgs call = { .need_results = 1 };
    g_auto(WireConnectListAllStoragePoolsRet) ret = { 0 };
    bool details = args_has(args, "details");
    bool brief = !cli->json && (args_has(args, "uuid") || args_has(args, "name"));
    if (!list_flags(args, &call.flags, err))
        return false;
    cli_doing(cli, "Failed to list pools");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_STORAGE_POOLS, &call, &ret, err))
        return false;
    if (ret.n_pools)
        qsort(ret.pools, ret.n_pools, sizeof(ret.pools[0]), compare_pools);
    g_autoptr(CliTable) table = table_new(columns, details ? G_N_ELEMENTS(columns) : 4);
    for (unsigned i = 0; i < ret.n_pools; i++) {
        char uuid[UUID_STRING_LEN];
        uuid_format(&ret.pools[i].uuid, uuid);
        if (brief)
            fprintf(cli->out, "%s\n", args_has(args, "uuid") ? uuid : ret.pools[i].name);
        else
            list_row(cli, table, &ret.pools[i], details);
    }
    if (!brief)
        cli_print_table(cli, g_steal_pointer(&table));
    return true;
}

/* ---- pool-info and calls on a pool ---- */

static const CliOption info_options[] = { OPT_POOL, OPT_BOOL("bytes", "sizes in bytes"), { 0 } };

static void info_size(CliRecord *record, const char *label, const char *key, uint64_t bytes, bool plain)
{
    g_autofree char *text = size_text(bytes, plain);
    record_add(record, label, key, json_integer((json_int_t)bytes), "%s", text);
}

static bool info_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(NamedObject) object = { 0 };
    WireStoragePoolGetInfoRet info;
    char uuid[UUID_STRING_LEN];
    bool plain = args_has(args, "bytes");
    if (!object_lookup(cli, &object_pool, args_get(args, "pool"), &object, err))
        return false;
    WireStoragePool pool = as_pool(&object);
    if (!pool_info(cli, &pool, &info, err))
        return false;
    uuid_format(&object.uuid, uuid);
    CliRecord *record = record_new(16);
    record_add(record, "Name:", "name", NULL, "%s", object.name);
    record_add(record, "UUID:", "uuid", NULL, "%s", uuid);
    record_add(record, "State:", "state", NULL, "%s", pool_state(info.state));
    record_add(record, "Persistent:", "persistent", NULL, "%s",
               object_yes_no(cli, PROC_STORAGE_POOL_IS_PERSISTENT, &object));
    record_add(record, "Autostart:", "autostart", NULL, "%s",
               object_yes_no(cli, PROC_STORAGE_POOL_GET_AUTOSTART, &object));
    if (info.state == VIR_STORAGE_POOL_RUNNING || info.state == VIR_STORAGE_POOL_DEGRADED) {
        info_size(record, "Capacity:", "capacity_bytes", info.capacity, plain);
        info_size(record, "Allocation:", "allocation_bytes", info.allocation, plain);
        info_size(record, "Available:", "available_bytes", info.available, plain);
    }
    cli_print_record(cli, record);
    return true;
}

G_STATIC_ASSERT(sizeof(WireStoragePoolBuildArgs) == sizeof(WireStoragePoolRefreshArgs));
G_STATIC_ASSERT(sizeof(WireStoragePoolBuildArgs) == sizeof(WireStoragePoolDeleteArgs));

static bool pool_call(Cli *cli, const CliArgs *args, int32_t proc, unsigned flags, const char *verb,
                      const char *done, Error **err)
{
    g_auto(NamedObject) object = { 0 };
    if (!object_lookup(cli, &object_pool, args_get(args, "pool"), &object, err))
        return false;
    cli_doing(cli, "Failed to %s pool %s", verb, object.name);
    WireStoragePoolBuildArgs call = { .pool = as_pool(&object), .flags = flags };
    if (!cli_call(cli, proc, &call, NULL, err))
        return false;
    cli_message(cli, "Pool %s %s", object.name, done);
    return true;
}

static bool build_run(Cli *cli, const CliArgs *args, Error **err)
{
    unsigned flags = (args_has(args, "no-overwrite") ? VIR_STORAGE_POOL_BUILD_NO_OVERWRITE : 0) |
                     (args_has(args, "overwrite") ? VIR_STORAGE_POOL_BUILD_OVERWRITE : 0);
    return pool_call(cli, args, PROC_STORAGE_POOL_BUILD, flags, "build", "built", err);
}

static bool refresh_run(Cli *cli, const CliArgs *args, Error **err)
{
    return pool_call(cli, args, PROC_STORAGE_POOL_REFRESH, 0, "refresh", "refreshed", err);
}

static bool delete_run(Cli *cli, const CliArgs *args, Error **err)
{
    return pool_call(cli, args, PROC_STORAGE_POOL_DELETE, 0, "delete", "deleted", err);
}

#define POOL_ROW(command, text, rows, handler)                                                               \
    {                                                                                                        \
        .name = command, .group = GROUP_POOL, .summary = text, .options = rows, .run = handler               \
    }

const CliCommand commands_pool[] = {
    POOL_ROW("pool-autostart", "start a pool with the host, or no longer", autostart_options,
             object_autostart_run),
    { .name = "pool-build",
      .group = GROUP_POOL,
      .summary = "make what a pool needs: its directory, file system or volume group",
      .options = build_options,
      .exclusive = "no-overwrite overwrite",
      .run = build_run },
    POOL_ROW("pool-create", "start a pool from an XML file", create_options, object_create_xml_run),
    POOL_ROW("pool-define", "store the definition of a pool", file_options, object_define_run),
    POOL_ROW("pool-delete", "remove what pool-build made", pool_options, delete_run),
    POOL_ROW("pool-destroy", "stop a pool; its data stays", pool_options, object_destroy_run),
    { .name = "pool-dumpxml",
      .group = GROUP_POOL,
      .summary = "print the XML of a pool",
      .options = dumpxml_options,
      .json = "{\"xml\": string}",
      .run = object_dumpxml_run },
    POOL_ROW("pool-edit", "change the definition of a pool in an editor", pool_options, object_edit_run),
    { .name = "pool-info",
      .group = GROUP_POOL,
      .summary = "show the main facts about a pool",
      .options = info_options,
      .json = "{\"name\": string, \"uuid\": string, \"state\": string, \"persistent\": string, "
              "\"autostart\": string, "
              "\"capacity_bytes\": number, \"allocation_bytes\": number, \"available_bytes\": number}",
      .run = info_run },
    { .name = "pool-list",
      .group = GROUP_POOL,
      .summary = "list pools",
      .options = list_options,
      .exclusive = "details uuid name",
      .json = "[{\"name\": string, \"state\": string, \"autostart\": string, \"uuid\": string}]; with "
              "--details also "
              "\"persistent\", \"capacity_bytes\", \"allocation_bytes\", \"available_bytes\"",
      .run = list_run },
    { .name = "pool-name",
      .group = GROUP_POOL,
      .summary = "print the name of a pool",
      .options = pool_options,
      .json = "{\"name\": string}",
      .run = object_name_run },
    POOL_ROW("pool-refresh", "look again at what a pool holds", pool_options, refresh_run),
    { .name = "pool-start",
      .group = GROUP_POOL,
      .summary = "start an inactive pool",
      .options = start_options,
      .exclusive = "no-overwrite overwrite",
      .run = object_start_run },
    POOL_ROW("pool-undefine", "remove the definition of a pool", pool_options, object_undefine_run),
    { .name = "pool-uuid",
      .group = GROUP_POOL,
      .summary = "print the UUID of a pool",
      .options = pool_options,
      .json = "{\"uuid\": string}",
      .run = object_uuid_run },
    { 0 },
};
