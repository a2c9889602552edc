/* The volumes that are removed together with their domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

typedef struct DomainDisk {
    char *target, *path;
    WireStorageVol volume;
} DomainDisk;

static void disk_free(void *data)
{
    DomainDisk *disk = data;
    g_free(disk->target);
    g_free(disk->path);
    wire_storage_vol_clear(&disk->volume);
    g_free(disk);
}

/* Takes it out of the list of names. */
static bool is_named(GPtrArray *names, const char *text)
{
    for (unsigned i = 0; text && i < names->len; i++) {
        if (g_str_equal(names->pdata[i], text)) {
            g_ptr_array_remove_index(names, i);
            return true;
        }
    }
    return false;
}

/* Without its name: no media, and nothing that other machines may write or read, too. */
static bool is_its_own(XmlDoc *doc, xmlNode *node)
{
    g_autofree char *device = xml_get(doc, node, "string(./@device)");
    g_autofree char *others = xml_get(doc, node, "name(./shareable | ./readonly)");
    return (!device || g_str_equal(device, "disk")) && !others;
}

/* Of a path, or of POOL/VOLUME. */
static bool find_volume(Cli *cli, const char *path, WireStorageVol *ret_volume, Error **err)
{
    g_auto(WireStoragePoolLookupByNameRet) pool = { 0 };
    const char *slash = strchr(path, '/');
    g_autofree char *pool_name = g_strndup(path, (size_t)(slash - path));
    const WireStoragePoolLookupByNameArgs find_pool = { .name = pool_name };
    union {
        WireStorageVolLookupByPathRet by_path;
        WireStorageVolLookupByNameRet by_name;
    } ret = { { { 0 } } };

    if (slash == path) {
        const WireStorageVolLookupByPathArgs find = { .path = (char *)path };
        if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &find, &ret.by_path, err))
            return false;
        *ret_volume = ret.by_path.vol;
        return true;
    }
    if (!cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &find_pool, &pool, err))
        return false;
    const WireStorageVolLookupByNameArgs find = { .pool = pool.pool, .name = (char *)slash + 1 };
    if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &find, &ret.by_name, err))
        return false;
    *ret_volume = ret.by_name.vol;
    return true;
}

static bool add_disk(Cli *cli, XmlDoc *doc, xmlNode *node, GPtrArray *names, bool all, GPtrArray *disks,
                     Error **err)
{
    g_autofree char *format = NULL;
    g_autofree char *target = xml_get(doc, node, "./target/@dev");
    g_autofree char *path = domain_disk_image(doc, node, &format);
    bool named = is_named(names, target) || is_named(names, path);

    if (!path || !(named || (all && is_its_own(doc, node))))
        return !named || error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' is empty, or of no pool", target);
    DomainDisk *disk = g_new0(DomainDisk, 1);
    disk->target = g_steal_pointer(&target);
    disk->path = g_steal_pointer(&path);
    g_ptr_array_add(disks, disk);
    g_autoptr(Error) unknown = NULL;
    if (!find_volume(cli, disk->path, &disk->volume, &unknown)) /* told when the domain is gone */
        disk->volume = (WireStorageVol){ 0 };
    return true;
}

bool cli_find_storage(Cli *cli, const CliArgs *args, GPtrArray **ret_disks, Error **err)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free), nodes = NULL;
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    const char *list = args_get(args, "storage");
    const bool all = args_has(args, "remove-all-storage");
    bool active = false;

    *ret_disks = NULL;
    if (!list && !all) {
        *ret_disks = g_steal_pointer(&disks);
        return (!args_has(args, "wipe-storage") && !args_has(args, "delete-storage-volume-snapshots")) ||
               error_set(err, ERROR_INVALID_ARGUMENT, "name the disks: --storage or --remove-all-storage");
    }
    g_auto(GStrv) words = g_strsplit(list ? list : "", ",", -1);
    for (char **word = words; *word; word++) {
        if (**word)
            g_ptr_array_add(names, g_strdup(*word));
    }
    if (!cli_domain(cli, args, &dom, err) || !cli_domain_is_active(cli, &dom, &active, err))
        return false;
    if (active) {
        error_set(err, ERROR_INVALID_STATE, "Storage volume deletion is supported only on stopped domains");
        return error_hint(err, "'lodge destroy %s' first", dom.name);
    }
    if (!cli_domain_xml(cli, &dom, 0, &xml, err) || !xml_parse(xml, &doc, err) ||
        !xml_select(doc, NULL, "/domain/devices/disk", &nodes, err))
        return false;
    for (unsigned i = 0; i < nodes->len; i++) {
        if (!add_disk(cli, doc, nodes->pdata[i], names, all, disks, err))
            return false;
    }
    if (names->len)
        return error_set(err, ERROR_INVALID_ARGUMENT, "domain '%s' has no disk '%s'", dom.name,
                         (char *)names->pdata[0]);
    *ret_disks = g_steal_pointer(&disks);
    return true;
}

static bool remove_one(Cli *cli, const CliArgs *args, const DomainDisk *disk, Error **err)
{
    const WireStorageVolWipeArgs wipe = { .vol = disk->volume };
    const uint32_t flags =
        args_has(args, "delete-storage-volume-snapshots") ? VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS : 0;

    if (!disk->volume.name) {
        error_set(err, ERROR_NO_STORAGE_VOL, "'%s' (%s) is no volume of an active pool", disk->target,
                  disk->path);
        return error_hint(err, "remove it by hand, if nobody needs it");
    }
    return (!args_has(args, "wipe-storage") || cli_call(cli, PROC_STORAGE_VOL_WIPE, &wipe, NULL, err)) &&
           cli_volume_delete(cli, &disk->volume, flags, false, err);
}

bool cli_remove_storage(Cli *cli, const CliArgs *args, const GPtrArray *disks, Error **err)
{
    g_autoptr(Error) first = NULL;

    for (unsigned i = 0; i < disks->len; i++) {
        const DomainDisk *disk = disks->pdata[i];
        g_autoptr(Error) failed = NULL;
        if (remove_one(cli, args, disk, &failed))
            cli_message(cli, "Volume '%s'(%s) removed.", disk->target, disk->path);
        else if (!first)
            first = g_steal_pointer(&failed);
    }
    if (!first)
        return true;
    cli_doing(cli, "Failed to remove the disks of the domain, which is undefined");
    return error_propagate(err, g_steal_pointer(&first));
}
