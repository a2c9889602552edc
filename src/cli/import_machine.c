/* Which devices an imported machine gets: those of its program are not ours, so its system decides. What it
 * knows of virtio it gets as virtio; other systems get what they have always booted from. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "base/units.h"
#include "base/uuid.h"
#include "cli/import.h"
#include "cli/place.h"
#include "install/document.h"
#include "install/foreign.h"
#include "install/install.h"

#define MEMORY_BYTES (UINT64_C(2) << 30)
#define CPUS_MAX 4096u

/* ---- names ---- */

static bool is_taken(Cli *cli, const char *name)
{
    const WireDomainLookupByNameArgs args = { .name = (char *)name };
    g_auto(WireDomainLookupByNameRet) ret = { 0 };

    return cli_call(cli, PROC_DOMAIN_LOOKUP_BY_NAME, &args, &ret, NULL);
}

static bool choose_name(Import *import, Error **err)
{
    const char *asked = args_get(import->args, "name"), *told = json_get_str(import->machine, "name");

    /* A slash is in many titles of other programs' machines. */
    import->name = g_strdelimit(g_strdup(asked ? asked : told ? told : ""), asked ? "" : "/", '-');
    if (!*g_strstrip(import->name) || !path_is_safe_component(import->name)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be a machine's name", import->name);
        return error_hint(err, "--name NAME");
    }
    if (!is_taken(import->cli, import->name))
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "there is a machine '%s' already", import->name);
    return error_hint(err, "--name gives it another name");
}

/* Images that QEMU writes to as they are stay what they are. */
static void place_disks(Import *import)
{
    const char *format = args_get(import->args, "format");
    unsigned n = 0;

    for (guint i = 0; i < import->disks->len; i++) {
        ImportDisk *disk = import->disks->pdata[i];
        if (disk->is_drive)
            continue;
        const bool is_raw = format ? strcmp(format, "raw") == 0 : strcmp(disk->format, "raw") == 0;
        disk->place.format = g_strdup(is_raw ? "raw" : "qcow2");
        disk->volume = n == 0 ? g_strdup_printf("%s.%s", import->name, is_raw ? "img" : "qcow2")
                              : g_strdup_printf("%s-%u.%s", import->name, n, is_raw ? "img" : "qcow2");
        disk->place.path = path_join(import->pool_folder, disk->volume);
        n++;
    }
}

/* ---- a machine of ours ---- */

static bool plan_own(Import *import, Error **err)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new();
    const char *uuid = json_get_str(import->machine, "uuid");
    WireDomainLookupByUuidArgs args = { 0 };
    g_auto(WireDomainLookupByUuidRet) ret = { 0 };

    for (guint i = 0; i < import->disks->len; i++)
        g_ptr_array_add(places, &((ImportDisk *)import->disks->pdata[i])->place);
    const bool is_same = g_strcmp0(import->name, json_get_str(import->machine, "name")) == 0 && uuid &&
                         uuid_parse(uuid, &args.uuid, NULL) &&
                         !cli_call(import->cli, PROC_DOMAIN_LOOKUP_BY_UUID, &args, &ret, NULL);
    const DefinitionEdit edit = { .name = is_same ? NULL : import->name, .disks = places };
    if (!is_same)
        import_note(import, "it is another machine than '%s' was: with a UUID and addresses of its own",
                    json_get_str(import->machine, "name"));
    return definition_edit(import->own, &edit, &import->xml, err);
}

/* ---- one of others ---- */

static bool choose_system(Import *import, OsDb *db, Install *install, Error **err)
{
    const char *asked = args_get(import->args, "os"), *told = json_get_str(import->machine, "os");
    const uint64_t number = json_get_uint(import->machine, "os_number", 0);

    if (asked && !os_db_find(db, asked, &install->os) && !os_db_nearest(db, asked, &install->os)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "the system '%s' is not known", asked);
        return error_hint(err, "'lodge install --osinfo list' lists them");
    }
    if (!asked && !foreign_find(db, told, number, &install->os))
        import_note(import,
                    "its system%s%s%s is not known: it gets devices that every system knows; --os names it",
                    told ? " '" : "", told ? told : "", told ? "'" : "");
    return true;
}

PRINTF(4, 5) static bool take(Install *install, const char *option, Error **err, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    return install_take(install, option, text, err);
}

static bool take_sizes(Import *import, Install *install, Error **err)
{
    const Json *machine = import->machine;
    uint64_t memory =
        json_get_uint(machine, "memory_bytes", install->os.ram_bytes ? install->os.ram_bytes : MEMORY_BYTES);
    int64_t cpus = (int64_t)MIN(json_get_uint(machine, "cpus", 2), CPUS_MAX);

    if (!args_get_int(import->args, "cpus", 1, CPUS_MAX, &cpus, err) ||
        !args_get_size(import->args, "memory", &memory, err))
        return false;
    doc_set(install->domain, "name", import->name);
    return take(install, "memory", err, "%" G_GUINT64_FORMAT, memory >> 20) &&
           take(install, "vcpus", err, "%d", (int)cpus) &&
           install_take(install, "memorybacking", "source.type=memfd,access.mode=shared", err);
}

static bool has_efi(const Import *import)
{
    const char *asked = args_get(import->args, "firmware"), *told = json_get_str(import->machine, "firmware");

    return asked ? strcmp(asked, "uefi") == 0 : g_strcmp0(told, "efi") == 0;
}

static bool take_firmware(Import *import, Install *install, Error **err)
{
    if (!has_efi(import))
        return true;
    if (!json_get_bool(import->machine, "secure_boot", false))
        return install_take(install, "boot",
                            "uefi,firmware.feature0.name=secure-boot,firmware.feature0.enabled=no", err);
    return install_take(install, "boot",
                        "uefi,firmware.feature0.name=secure-boot,firmware.feature0.enabled=yes", err);
}

/* Disks first: the machine boots from the first. */
static bool take_disks(Import *import, Install *install, Error **err)
{
    const char *bus = args_get(import->args, "disk-bus");

    for (guint i = 0; i < import->disks->len; i++) {
        const ImportDisk *disk = import->disks->pdata[i];
        if (disk->is_drive)
            continue;
        if (!take(install, "disk", err, "device=disk,driver.discard=unmap%s%s", bus ? ",bus=" : "",
                  bus ? bus : ""))
            return false;
        install_disk_is(install_disk(install, install->disks->len - 1), "file", disk->place.path,
                        disk->place.format);
    }
    for (guint i = 0; i < import->disks->len; i++)
        if (((const ImportDisk *)import->disks->pdata[i])->is_drive &&
            !install_take(install, "disk", "device=cdrom", err))
            return false;
    return true;
}

/* All of them are on one network: which of theirs is which of ours nobody knows. */
static bool take_nics(Import *import, Install *install, Error **err)
{
    const char *network = args_get(import->args, "network"), *model = args_get(import->args, "nic-model");
    const Json *nics = json_get_arr(import->machine, "nics");
    const bool alone = place_is_session(import->cli) && !network;
    size_t i;
    json_t *nic;

    if (json_array_size(nics) == 0)
        return install_take(install, "network", "none", err);
    if (g_strcmp0(network, "none") == 0) {
        import_note(import, "left out: %zu network cards", json_array_size(nics));
        return install_take(install, "network", "none", err);
    }
    if (!alone && !args_has(import->args, "print-xml") &&
        !place_network(import->cli, network ? network : "default", err))
        return false;
    json_array_foreach (nics, i, nic) {
        const char *mac = args_has(import->args, "new-macs") ? NULL : json_get_str(nic, "mac");
        if (!take(install, "network", err, "%s%s%s%s%s%s", alone ? "passt" : "network=",
                  alone     ? ""
                  : network ? network
                            : "default",
                  mac ? ",mac=" : "", mac ? mac : "", model ? ",model=" : "", model ? model : ""))
            return false;
        if (json_get_str(nic, "network"))
            import_note(import, "the network '%s' is '%s' here", json_get_str(nic, "network"),
                        alone     ? "user"
                        : network ? network
                                  : "default");
    }
    return true;
}

static bool ask_platform(Import *import, Install *install, Error **err)
{
    install->virt_type = g_strdup(args_get(import->args, "virt-type"));
    if (has_efi(import))
        install->machine = g_strdup("q35");
    return place_platform(import->cli, install, err);
}

static bool plan_foreign(Import *import, Error **err)
{
    g_autoptr(Install) install = install_new();
    g_autoptr(OsDb) db = os_db_new(NULL);

    if (!choose_system(import, db, install, err) || !take_sizes(import, install, err) ||
        !take_firmware(import, install, err) || !take_disks(import, install, err) ||
        !take_nics(import, install, err) || !install_take(install, "graphics", "vnc", err) ||
        !ask_platform(import, install, err) || !install_finish(install, err))
        return false;
    import->xml = install_document(install);
    return true;
}

bool import_machine_plan(Import *import, Error **err)
{
    const char *pool = args_get(import->args, "pool");
    bool has_disk = false;

    if (!choose_name(import, err))
        return false;
    /* Nothing is made for a document. */
    if (args_has(import->args, "print-xml") &&
        !place_pool(import->cli, pool ? pool : "default", PLACE_MUST_BE, &import->pool, &import->pool_folder,
                    NULL))
        import->pool_folder = g_strdup("/var/lib/libvirt/images");
    else if (!import->pool_folder && !place_pool(import->cli, pool ? pool : "default", PLACE_MAKE,
                                                 &import->pool, &import->pool_folder, err))
        return false;
    place_disks(import);
    for (guint i = 0; i < import->disks->len; i++)
        has_disk = has_disk || !((const ImportDisk *)import->disks->pdata[i])->is_drive;
    if (!has_disk)
        import_note(import, "the machine has no disk");
    return import->is_own ? plan_own(import, err) : plan_foreign(import, err);
}
