/* Commands about the volumes of storage pools. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/object.h"
#include "cli/output.h"

#define OPT_POOL_OF_VOLUME                                                                                   \
    {                                                                                                        \
        .name = "pool", .type = CLI_STRING, .complete = COMPLETE_POOL, .doc = "name or UUID of its pool"     \
    }
#define OPT_VOLUME OPT_REQUIRED("vol", "name, key or path of the volume")
#define OPT_IN_POOL                                                                                          \
    {                                                                                                        \
        .name = "pool", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_POOL,                \
        .doc = "name or UUID of the pool"                                                                    \
    }

static bool lookup_pool(Cli *cli, const char *text, WireStoragePool *ret_pool, Error **err)
{
    NamedObject object = { 0 };
    if (!object_lookup(cli, &object_pool, text, &object, err))
        return false;
    *ret_pool = (WireStoragePool){ .name = object.name, .uuid = object.uuid };
    return true;
}

/* In a pool by name; anywhere by key or path. */
static bool lookup_volume(Cli *cli, const CliArgs *args, WireStorageVol *ret_vol, Error **err)
{
    const char *text = args_get(args, "vol");
    bool in_pool = command_find_option(cli_args_command(args), "pool") && args_has(args, "pool");
    WireStorageVolLookupByNameRet ret;
    WireStorageVolLookupByKeyArgs by_key = { .key = (char *)text };
    WireStorageVolLookupByPathArgs by_path = { .path = (char *)text };
    if (in_pool) {
        g_auto(WireStoragePool) pool = { 0 };
        if (!lookup_pool(cli, args_get(args, "pool"), &pool, err))
            return false;
        WireStorageVolLookupByNameArgs by_name = { .pool = pool, .name = (char *)text };
        if (cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &by_name, &ret, NULL)) {
            *ret_vol = ret.vol;
            return true;
        }
    }
    cli_doing(cli, "failed to get vol '%s'", text);
    if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_KEY, &by_key, &ret, NULL) &&
        !cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &by_path, &ret, err)) {
        if (!in_pool && text[0] != '/')
            error_hint(err, "a name alone is not enough: add --pool POOL");
        return false;
    }
    cli_doing(cli, NULL);
    *ret_vol = ret.vol;
    return true;
}

static char *size_text(uint64_t bytes, bool plain)
{
    g_autofree char *human = human_size(bytes);
    /* two digits are enough here */
    double number = g_ascii_strtod(human, NULL);
    const char *unit = strchr(human, ' ');
    return plain ? g_strdup_printf("%" PRIu64 " bytes", bytes)
                 : g_strdup_printf("%.2f%s", number, unit ? unit : "");
}

static const char *volume_type(int type)
{
    static const char *const names[] = { "file", "block", "dir", "network", "net-dir", "ploop" };
    return type >= 0 && type < (int)G_N_ELEMENTS(names) ? names[type] : "unknown";
}

/* ---- vol-list ---- */

static const CliOption list_options[] = { OPT_IN_POOL, OPT_BOOL("details", "add types and sizes"), { 0 } };

static int compare_volumes(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireStorageVol *)a)->name, ((const WireStorageVol *)b)->name);
}

static void list_row(Cli *cli, CliTable *table, const WireStorageVol *vol, bool details)
{
    WireStorageVolGetPathArgs path_args = { .vol = *vol };
    g_auto(WireStorageVolGetPathRet) path = { 0 };
    WireStorageVolGetInfoArgs info_args = { .vol = *vol };
    WireStorageVolGetInfoRet info;
    table_row(table);
    table_cell_text(table, vol->name);
    bool known = cli_call(cli, PROC_STORAGE_VOL_GET_PATH, &path_args, &path, NULL);
    table_cell_text(table, known ? path.name : NULL);
    if (!details || !cli_call(cli, PROC_STORAGE_VOL_GET_INFO, &info_args, &info, NULL))
        return;
    g_autofree char *capacity = size_text(info.capacity, false);
    g_autofree char *allocation = size_text(info.allocation, false);
    table_cell_text(table, volume_type(info.type));
    table_cell(table, json_integer((json_int_t)info.capacity), "%s", capacity);
    table_cell(table, json_integer((json_int_t)info.allocation), "%s", allocation);
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "Name", "name" },
                                         { "Path", "path" },
                                         { "Type", "type" },
                                         { "Capacity", "capacity_bytes" },
                                         { "Allocation", "allocation_bytes" } };
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStoragePoolListAllVolumesRet) ret = { 0 };
    bool details = args_has(args, "details");
    if (!lookup_pool(cli, args_get(args, "pool"), &pool, err))
        return false;
    cli_doing(cli, "Failed to list volumes");
    WireStoragePoolListAllVolumesArgs call = { .pool = pool, .need_results = 1 };
    if (!cli_call(cli, PROC_STORAGE_POOL_LIST_ALL_VOLUMES, &call, &ret, err))
        return false;
    if (ret.n_vols)
        qsort(ret.vols, ret.n_vols, sizeof(ret.vols[0]), compare_volumes);
    CliTable *table = table_new(columns, details ? 5 : 2);
    for (unsigned i = 0; i < ret.n_vols; i++)
        list_row(cli, table, &ret.vols[i], details);
    cli_print_table(cli, table);
    return true;
}

/* ---- one volume ---- */

static const CliOption volume_options[] = { OPT_VOLUME, OPT_POOL_OF_VOLUME, { 0 } };
static const CliOption name_options[] = { OPT_VOLUME, { 0 } };
static const CliOption pool_of_options[] = { OPT_VOLUME,
                                             OPT_BOOL("uuid", "print the UUID instead of the name"),
                                             { 0 } };
static const CliOption dumpxml_options[] = { OPT_VOLUME, OPT_POOL_OF_VOLUME, OPT_XPATH, { 0 } };
static const CliOption delete_options[] = {
    OPT_VOLUME,
    OPT_POOL_OF_VOLUME,
    OPT_BOOL("delete-snapshots", "with its snapshots"),
    { 0 },
};
static const CliOption info_options[] = {
    OPT_VOLUME,
    OPT_POOL_OF_VOLUME,
    OPT_BOOL("bytes", "sizes in bytes"),
    OPT_BOOL("physical", "the size on the disk instead of the allocation"),
    { 0 },
};

static bool info_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    WireStorageVolGetInfoFlagsRet info;
    bool plain = args_has(args, "bytes"), physical = args_has(args, "physical");
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    if (physical) {
        WireStorageVolGetInfoFlagsArgs call = { .vol = vol, .flags = VIR_STORAGE_VOL_GET_PHYSICAL };
        if (!cli_call(cli, PROC_STORAGE_VOL_GET_INFO_FLAGS, &call, &info, err))
            return false;
    } else {
        WireStorageVolGetInfoArgs call = { .vol = vol };
        WireStorageVolGetInfoRet ret;
        if (!cli_call(cli, PROC_STORAGE_VOL_GET_INFO, &call, &ret, err))
            return false;
        info = (WireStorageVolGetInfoFlagsRet){ .type = ret.type,
                                                .capacity = ret.capacity,
                                                .allocation = ret.allocation };
    }
    g_autofree char *capacity = size_text(info.capacity, plain);
    g_autofree char *allocation = size_text(info.allocation, plain);
    CliRecord *record = record_new(16);
    record_add(record, "Name:", "name", NULL, "%s", vol.name);
    record_add(record, "Type:", "type", NULL, "%s", volume_type(info.type));
    record_add(record, "Capacity:", "capacity_bytes", json_integer((json_int_t)info.capacity), "%s",
               capacity);
    record_add(record,
               physical ? "Physical:" : "Allocation:", physical ? "physical_bytes" : "allocation_bytes",
               json_integer((json_int_t)info.allocation), "%s", allocation);
    cli_print_record(cli, record);
    return true;
}

static bool dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    g_auto(WireStorageVolGetXmlDescRet) ret = { 0 };
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    WireStorageVolGetXmlDescArgs call = { .vol = vol };
    return cli_call(cli, PROC_STORAGE_VOL_GET_XML_DESC, &call, &ret, err) &&
           cli_print_xml(cli, args, ret.xml, err);
}

static bool path_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    g_auto(WireStorageVolGetPathRet) ret = { 0 };
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    WireStorageVolGetPathArgs call = { .vol = vol };
    if (!cli_call(cli, PROC_STORAGE_VOL_GET_PATH, &call, &ret, err))
        return false;
    cli_print_value(cli, "path", ret.name);
    return true;
}

static bool key_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    cli_print_value(cli, "key", vol.key);
    return true;
}

static bool name_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    cli_print_value(cli, "name", vol.name);
    return true;
}

static bool pool_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    g_auto(WireStoragePoolLookupByVolumeRet) ret = { 0 };
    char uuid[UUID_STRING_LEN];
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    WireStoragePoolLookupByVolumeArgs call = { .vol = vol };
    if (!cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_VOLUME, &call, &ret, err))
        return false;
    uuid_format(&ret.pool.uuid, uuid);
    if (args_has(args, "uuid"))
        cli_print_value(cli, "uuid", uuid);
    else
        cli_print_value(cli, "pool", ret.pool.name);
    return true;
}

static bool delete_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    if (!lookup_volume(cli, args, &vol, err))
        return false;
    cli_doing(cli, "Failed to delete vol %s", vol.name);
    WireStorageVolDeleteArgs call = {
        .vol = vol, .flags = args_has(args, "delete-snapshots") ? VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS : 0
    };
    if (!cli_call(cli, PROC_STORAGE_VOL_DELETE, &call, NULL, err))
        return false;
    cli_message(cli, "Vol %s deleted", args_get(args, "vol"));
    return true;
}

static const CliOption resize_options[] = {
    OPT_VOLUME,
    { .name = "capacity",
      .type = CLI_SIZE,
      .flags = CLI_REQUIRED,
      .doc = "the new size, in bytes unless it has a unit" },
    OPT_POOL_OF_VOLUME,
    OPT_BOOL("allocate", "take the space now"),
    OPT_BOOL("delta", "the size is added to the present one"),
    OPT_BOOL("shrink", "allow it to become smaller"),
    { 0 },
};

static bool resize_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) vol = { 0 };
    uint64_t bytes = 0;
    bool delta = args_has(args, "delta");
    if (!args_get_size(args, "capacity", &bytes, err) || !lookup_volume(cli, args, &vol, err))
        return false;
    cli_doing(cli, "Failed to change size of volume '%s'", vol.name);
    WireStorageVolResizeArgs call = { .vol = vol,
                                      .capacity = bytes,
                                      .flags =
                                          (args_has(args, "allocate") ? VIR_STORAGE_VOL_RESIZE_ALLOCATE : 0) |
                                          (delta ? VIR_STORAGE_VOL_RESIZE_DELTA : 0) |
                                          (args_has(args, "shrink") ? VIR_STORAGE_VOL_RESIZE_SHRINK : 0) };
    if (!cli_call(cli, PROC_STORAGE_VOL_RESIZE, &call, NULL, err))
        return false;
    cli_message(cli, "Size of volume '%s' successfully changed %s %s", vol.name, delta ? "by" : "to",
                args_get(args, "capacity"));
    return true;
}

/* ---- new volumes ---- */

static const CliOption create_options[] = {
    OPT_IN_POOL,
    OPT_FILE("the XML of the volume; - reads the standard input"),
    OPT_BOOL("prealloc-metadata", "make the tables of a qcow2 image now"),
    OPT_BOOL("validate", "refuse XML that does not follow the schema"),
    { 0 },
};

static bool create_volume(Cli *cli, const WireStoragePool *pool, const char *xml, unsigned flags,
                          char **ret_name, Error **err)
{
    WireStorageVolCreateXmlArgs call = { .pool = *pool, .xml = (char *)xml, .flags = flags };
    g_auto(WireStorageVolCreateXmlRet) ret = { 0 };
    if (!cli_call(cli, PROC_STORAGE_VOL_CREATE_XML, &call, &ret, err))
        return false;
    *ret_name = g_strdup(ret.vol.name);
    return true;
}

static bool create_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *xml = NULL;
    g_autofree char *name = NULL;
    const char *file = args_get(args, "file");
    unsigned flags = (args_has(args, "prealloc-metadata") ? VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA : 0) |
                     (args_has(args, "validate") ? VIR_STORAGE_VOL_CREATE_VALIDATE : 0);
    if (!cli_read_file(file, &xml, err) || !lookup_pool(cli, args_get(args, "pool"), &pool, err))
        return false;
    cli_doing(cli, "Failed to create vol from %s", file);
    if (!create_volume(cli, &pool, xml, flags, &name, err))
        return false;
    cli_message(cli, "Vol %s created from %s", name, file);
    return true;
}

static const CliOption create_as_options[] = {
    OPT_IN_POOL,
    OPT_REQUIRED("name", "name of the volume"),
    { .name = "capacity",
      .type = CLI_SIZE,
      .flags = CLI_REQUIRED,
      .doc = "size, in bytes unless it has a unit" },
    { .name = "allocation", .type = CLI_SIZE, .doc = "space to take now, in bytes unless it has a unit" },
    { .name = "format",
      .type = CLI_STRING,
      .words = "raw qcow2 qcow qed vmdk vpc bochs",
      .doc = "format of the image" },
    OPT_STRING("backing-vol", "the volume below it"),
    OPT_STRING("backing-vol-format", "format of the volume below it"),
    OPT_BOOL("prealloc-metadata", "make the tables of a qcow2 image now"),
    OPT_BOOL("print-xml", "print the XML instead of creating the volume"),
    { 0 },
};

static bool create_as_xml(Cli *cli, const CliArgs *args, GString *xml, Error **err)
{
    uint64_t capacity = 0, allocation = 0;
    const char *backing = args_get(args, "backing-vol");
    if (!args_get_size(args, "capacity", &capacity, err) ||
        !args_get_size(args, "allocation", &allocation, err))
        return false;
    g_string_append(xml, "<volume>\n");
    g_autofree char *name = g_markup_escape_text(args_get(args, "name"), -1);
    g_string_append_printf(xml, "  <name>%s</name>\n  <capacity>%" PRIu64 "</capacity>\n", name, capacity);
    if (args_has(args, "allocation"))
        g_string_append_printf(xml, "  <allocation>%" PRIu64 "</allocation>\n", allocation);
    if (args_has(args, "format")) {
        g_autofree char *format = g_markup_escape_text(args_get(args, "format"), -1);
        g_string_append_printf(xml, "  <target>\n    <format type='%s'/>\n  </target>\n", format);
    }
    if (backing) {
        g_autofree char *path = g_markup_escape_text(backing, -1);
        g_string_append_printf(xml, "  <backingStore>\n    <path>%s</path>\n", path);
        if (args_has(args, "backing-vol-format")) {
            g_autofree char *format = g_markup_escape_text(args_get(args, "backing-vol-format"), -1);
            g_string_append_printf(xml, "    <format type='%s'/>\n", format);
        }
        g_string_append(xml, "  </backingStore>\n");
    }
    g_string_append(xml, "</volume>\n");
    return true;
}

static bool create_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autoptr(GString) xml = g_string_new(NULL);
    g_autofree char *name = NULL;
    if (!create_as_xml(cli, args, xml, err))
        return false;
    if (args_has(args, "print-xml")) {
        cli_print_text(cli, "xml", xml->str);
        return true;
    }
    if (!lookup_pool(cli, args_get(args, "pool"), &pool, err))
        return false;
    cli_doing(cli, "Failed to create vol %s", args_get(args, "name"));
    unsigned flags = args_has(args, "prealloc-metadata") ? VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA : 0;
    if (!create_volume(cli, &pool, xml->str, flags, &name, err))
        return false;
    cli_message(cli, "Vol %s created", name);
    return true;
}

#define VOLUME_ROW(command, text, rows, shape, handler)                                                      \
    {                                                                                                        \
        .name = command, .group = GROUP_VOLUME, .summary = text, .options = rows, .json = shape,             \
        .run = handler                                                                                       \
    }

const CliCommand commands_volume[] = {
    VOLUME_ROW("vol-create", "make a volume from an XML file", create_options, NULL, create_run),
    { .name = "vol-create-as",
      .group = GROUP_VOLUME,
      .summary = "make a volume",
      .options = create_as_options,
      .json = "{\"message\": string}; with --print-xml {\"xml\": string}",
      .run = create_as_run },
    VOLUME_ROW("vol-delete", "remove a volume and its data", delete_options, NULL, delete_run),
    VOLUME_ROW("vol-dumpxml", "print the XML of a volume", dumpxml_options, "{\"xml\": string}", dumpxml_run),
    VOLUME_ROW("vol-info", "show the main facts about a volume", info_options,
               "{\"name\": string, \"type\": string, \"capacity_bytes\": number, \"allocation_bytes\": "
               "number}",
               info_run),
    VOLUME_ROW("vol-key", "print the key of a volume", volume_options, "{\"key\": string}", key_run),
    VOLUME_ROW("vol-list", "list the volumes of a pool", list_options,
               "[{\"name\": string, \"path\": string}]; with --details also \"type\", \"capacity_bytes\", "
               "\"allocation_bytes\"",
               list_run),
    VOLUME_ROW("vol-name", "print the name of a volume", name_options, "{\"name\": string}", name_run),
    VOLUME_ROW("vol-path", "print the path of a volume", volume_options, "{\"path\": string}", path_run),
    VOLUME_ROW("vol-pool", "print the pool of a volume", pool_of_options,
               "{\"pool\": string} or {\"uuid\": string}", pool_run),
    VOLUME_ROW("vol-resize", "change the size of a volume", resize_options, NULL, resize_run),
    { 0 },
};
