/* The disks that go with a machine whose definition is removed: volumes that nobody else needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/domain.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/undefine.h"

typedef struct GoingDisk {
    char *target, *path;
    WireStorageVol volume; /* without a name: it is none */
} GoingDisk;

static void going_free(void *data)
{
    GoingDisk *disk = data;

    g_free(disk->target);
    g_free(disk->path);
    wire_storage_vol_clear(&disk->volume);
    g_free(disk);
}

/* A disc in a drive belongs to others, but for the seed that was made with the machine. */
static bool is_going(XmlDoc *doc, xmlNode *node, const GoingDisk *disk, const char *name, char **wanted)
{
    g_autofree char *device = xml_get(doc, node, "./@device");
    g_autofree char *base = g_path_get_basename(disk->path), *seed = g_strconcat(name, "-seed", NULL);

    if (wanted)
        return g_strv_contains((const char *const *)wanted, disk->target) ||
               g_strv_contains((const char *const *)wanted, disk->path);
    return g_strcmp0(device, "cdrom") != 0 && g_strcmp0(device, "floppy") != 0 ? true
                                                                               : g_str_has_prefix(base, seed);
}

static bool check_named(char *const *wanted, const GPtrArray *disks, Error **err)
{
    for (; wanted && *wanted; wanted++) {
        bool found = false;
        for (guint i = 0; i < disks->len; i++) {
            const GoingDisk *disk = disks->pdata[i];
            found = found || strcmp(disk->target, *wanted) == 0 || strcmp(disk->path, *wanted) == 0;
        }
        if (!found)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the machine has no disk '%s'", *wanted);
    }
    return true;
}

static void find_volume(Cli *cli, XmlDoc *doc, xmlNode *node, GoingDisk *disk)
{
    const WireStorageVolLookupByPathArgs args = { .path = disk->path };
    g_auto(WireStorageVolLookupByPathRet) by_path = { 0 };
    g_autofree char *pool_name = xml_get(doc, node, "./source/@pool");
    g_autofree char *volume = xml_get(doc, node, "./source/@volume");
    g_auto(WireStoragePool) pool = { 0 };

    if (pool_name && volume) {
        if (place_pool(cli, pool_name, PLACE_MUST_BE, &pool, NULL, NULL))
            (void)!volume_find(cli, &pool, volume, &disk->volume, NULL);
    } else if (cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &args, &by_path, NULL)) {
        disk->volume = by_path.vol;
        by_path.vol = (WireStorageVol){ 0 };
    }
}

bool undefine_collect(Cli *cli, const WireDomain *dom, const char *only, GPtrArray **ret_disks, Error **err)
{
    g_auto(GStrv) wanted = only ? g_strsplit(only, ",", -1) : NULL;
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL, disks = g_ptr_array_new_with_free_func(going_free);
    bool is_active = false;

    if (!cli_domain_is_active(cli, dom, &is_active, err))
        return false;
    if (is_active) {
        error_set(err, ERROR_INVALID_STATE, "Storage volume deletion is supported only on stopped domains");
        return error_hint(err, "'lodge destroy %s' stops it at once", dom->name);
    }
    if (!cli_domain_xml(cli, dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) || !xml_parse(xml, &doc, err) ||
        !xml_select(doc, NULL, "//devices/disk[source]", &nodes, err))
        return false;
    for (guint i = 0; i < nodes->len; i++) {
        GoingDisk *disk = g_new0(GoingDisk, 1);
        g_autofree char *format = NULL;
        disk->target = xml_get(doc, nodes->pdata[i], "./target/@dev");
        disk->path = domain_disk_image(doc, nodes->pdata[i], &format);
        if (!disk->path || !disk->target || !is_going(doc, nodes->pdata[i], disk, dom->name, wanted)) {
            going_free(disk);
            continue;
        }
        find_volume(cli, doc, nodes->pdata[i], disk);
        g_ptr_array_add(disks, disk);
    }
    if (!check_named(wanted, disks, err))
        return false;
    *ret_disks = g_steal_pointer(&disks);
    return true;
}

AWAITS static bool remove_volume(Cli *cli, const GoingDisk *disk, UndefineFlags flags, Error **err)
{
    const WireStorageVolWipeArgs wipe = { .vol = disk->volume };

    return (!(flags & UNDEFINE_WIPE) || cli_call(cli, PROC_STORAGE_VOL_WIPE, &wipe, NULL, err)) &&
           volume_delete(cli, &disk->volume, err);
}

void undefine_remove(Cli *cli, const GPtrArray *disks, UndefineFlags flags)
{
    for (guint i = 0; i < disks->len; i++) {
        const GoingDisk *disk = disks->pdata[i];
        g_autoptr(Error) why = NULL;
        if (!disk->volume.name) {
            fprintf(stderr, "warning: disk '%s' (%s) is in no pool: remove it by hand\n", disk->target,
                    disk->path);
        } else if (!remove_volume(cli, disk, flags, &why)) {
            fprintf(stderr, "warning: disk '%s' (%s) is not removed: %s\n", disk->target, disk->path,
                    error_message(why));
            cli->exit_code = CLI_EXIT_FAILED;
        } else if (!(flags & UNDEFINE_SILENT)) {
            cli_say(cli, "Volume '%s' (%s) removed\n", disk->target, disk->path);
        }
    }
}

bool machine_define(Cli *cli, const char *xml, WireDomain *ret_dom, Error **err)
{
    const WireDomainDefineXmlArgs args = { .xml = (char *)xml };
    WireDomainDefineXmlRet ret = { 0 };

    fiber_shield_begin();
    const bool ok = cli_call(cli, PROC_DOMAIN_DEFINE_XML, &args, &ret, err);
    fiber_shield_end();
    if (ok)
        *ret_dom = ret.dom;
    return ok;
}

void machine_take_back(Cli *cli, const WireDomain *dom)
{
    const WireDomainDestroyArgs destroy = { .dom = *dom };
    const WireDomainUndefineFlagsArgs undefine = { .dom = *dom, .flags = UNDEFINE_ALL };

    fiber_shield_begin();
    (void)!cli_call(cli, PROC_DOMAIN_DESTROY, &destroy, NULL, NULL); /* it may not run */
    (void)!cli_call(cli, PROC_DOMAIN_UNDEFINE_FLAGS, &undefine, NULL, NULL);
    fiber_shield_end();
}
