/* Templates: machines that are kept in the library, with read-only copies of their disks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/template.h"

#include <inttypes.h>
#include <string.h>

#include "cli/image_call.h"
#include "cli/library.h"

static void drop(Cli *cli, const WireStoragePool *pool, const Json *disks)
{
    size_t i;
    json_t *disk;

    fiber_shield_begin();
    json_array_foreach (disks, i, disk) {
        g_auto(WireStorageVol) volume = { 0 };
        if (volume_find(cli, pool, json_get_str(disk, "volume"), &volume, NULL))
            (void)!volume_delete(cli, &volume, NULL);
    }
    fiber_shield_end();
}

static bool copy_disk(Cli *cli, const WireStoragePool *pool, const CloneDisk *disk, const char *volume,
                      Error **err)
{
    const WireStorageVolLookupByPathArgs by_path = { .path = disk->image };
    g_autofree char *target = g_strdup_printf(LIBRARY_POOL "/%s", volume);
    g_auto(WireStorageVolLookupByPathRet) from = { 0 };
    g_auto(WireStorageVolCreateXmlFromRet) ret = { 0 };

    if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &by_path, &from, NULL))
        return image_convert(cli, disk->image, disk->format, target, "qcow2", err);
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>%" PRIu64
                                                   "</capacity><allocation>0</allocation><target><format "
                                                   "type='qcow2'/><permissions><mode>0444</mode>"
                                                   "</permissions></target></volume>",
                                                   volume, disk->bytes);
    const WireStorageVolCreateXmlFromArgs call = { .pool = *pool, .xml = xml, .clonevol = from.vol };
    return cli_call_settled(cli, PROC_STORAGE_VOL_CREATE_XML_FROM, &call, &ret, err);
}

static bool copy_disks(const CloneSource *source, const char *name, const WireStoragePool *pool, Json *disks,
                       uint64_t *ret_bytes, Error **err)
{
    for (guint i = 0; i < source->disks->len; i++) {
        const CloneDisk *disk = source->disks->pdata[i];
        g_autofree char *volume = g_strdup_printf("%s-%s.qcow2", name, disk->target);
        if (disk->is_shared)
            continue;
        json_array_append_new(disks,
                              json_pack("{s:s, s:s, s:s, s:I}", "target", disk->target, "volume", volume,
                                        "format", "qcow2", "virtual_bytes", (json_int_t)disk->bytes));
        if (!copy_disk(source->cli, pool, disk, volume, err))
            return error_prefix(err, "disk '%s'", disk->target);
        *ret_bytes += disk->bytes;
    }
    return json_array_size(disks) > 0 ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "the machine has no disk that could be copied");
}

bool template_put(const CloneSource *source, const char *name, Error **err)
{
    Cli *cli = source->cli;
    g_auto(WireStoragePool) pool = { 0 };
    g_autoptr(LibraryImage) before = NULL;
    AUTO_JSON disks = json_array();
    uint64_t bytes = 0;

    if (!library_check_name(name, err) || !place_pool(cli, LIBRARY_POOL, PLACE_MAKE, &pool, NULL, err))
        return false;
    if (library_find(cli, name, &before, NULL))
        return error_set(err, ERROR_VOLUME_EXISTS, "there is an image '%s' in the library already", name);
    if (!copy_disks(source, name, &pool, disks, &bytes, err)) {
        drop(cli, &pool, disks);
        return false;
    }
    AUTO_JSON facts = json_pack("{s:s, s:I, s:{s:s, s:O, s:s, s:s?, s:O?, s:s?}}", "format", "qcow2",
                                "virtual_bytes", (json_int_t)bytes, "template", "machine", source->name,
                                "disks", disks, "definition", source->xml, "files", source->files, "seed",
                                source->seed, "seed_target", source->seed_target);
    const char *first = json_get_str(json_array_get(disks, 0), "volume");
    /* What is in it is nobody else's business: there may be secrets in the seed. */
    if (library_add(cli, name, first, facts, 0600, err))
        return true;
    drop(cli, &pool, disks);
    return false;
}
