/* `lodge cloud-init show` and `set`: what a machine's seed tells, and another one in its place. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/seed.h"
#include "install/cloud_init.h"
#include "install/new_machine.h"

typedef struct SeedDrive {
    WireStorageVol volume;
    char *target, *bus; /* of the drive */
} SeedDrive;

static void seed_drive_clear(SeedDrive *drive)
{
    wire_storage_vol_clear(&drive->volume);
    g_free(drive->target);
    g_free(drive->bus);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SeedDrive, seed_drive_clear)

/* The drive with a seed, and what is in it; *@ret_mac: of the first interface. */
static bool find_seed(Cli *cli, const WireDomain *dom, SeedDrive *ret_drive, Json **ret_files, char **ret_mac,
                      Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) drives = NULL;

    if (!cli_domain_xml(cli, dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) || !xml_parse(xml, &doc, err) ||
        !xml_select(doc, NULL, "//devices/disk[source/@file]", &drives, err))
        return false;
    *ret_mac = xml_get(doc, NULL, "//devices/interface/mac/@address");
    for (guint i = 0; i < drives->len; i++) {
        g_autofree char *path = xml_get(doc, drives->pdata[i], "./source/@file");
        const WireStorageVolLookupByPathArgs args = { .path = path };
        g_auto(WireStorageVolLookupByPathRet) found = { 0 };
        if (!g_str_has_suffix(path, ".iso") ||
            !cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &args, &found, NULL) ||
            !seed_get(cli, &found.vol, ret_files, NULL))
            continue;
        *ret_drive = (SeedDrive){ .volume = found.vol,
                                  .target = xml_get(doc, drives->pdata[i], "./target/@dev"),
                                  .bus = xml_get(doc, drives->pdata[i], "./target/@bus") };
        found.vol = (WireStorageVol){ 0 };
        return true;
    }
    error_set(err, ERROR_OPERATION_UNSUPPORTED, "machine '%s' has no seed of cloud-init in a pool",
              dom->name);
    return error_hint(err, "'lodge run' makes machines with one");
}

/* ---- show ---- */

static bool show_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(SeedDrive) drive = { 0 };
    g_autoptr(Json) files = NULL;
    g_autofree char *mac = NULL;
    const char *only = args_get(args, "file");
    size_t i;
    json_t *file;

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to show what cloud-init is told in '%s'", dom.name);
    if (!find_seed(cli, &dom, &drive, &files, &mac, err))
        return false;
    json_array_foreach (files, i, file) {
        const char *name = json_get_str(file, "name"), *text = json_get_str(file, "text");
        AUTO_JSON ours = cloud_init_parse(text);
        g_autofree char *yaml = ours ? yaml_format(ours) : NULL;
        if (only && strcmp(only, name) != 0)
            continue;
        if (!only)
            cli_say(cli, "%s# %s (%s)\n", i ? "\n" : "", name, drive.volume.name);
        const char *shown = yaml ? yaml : text;
        cli_say(cli, "%s%s", shown, g_str_has_suffix(shown, "\n") ? "" : "\n");
    }
    cli_print_json(cli, g_steal_pointer(&files));
    return true;
}

/* ---- set ---- */

/* "UUID-1" becomes "UUID-2". */
static char *next_instance(const Json *files, const WireDomain *dom)
{
    char uuid[UUID_STRING_LEN];
    const char *before = NULL;
    size_t i;
    json_t *file;
    AUTO_JSON meta = NULL;

    uuid_format(&dom->uuid, uuid);
    json_array_foreach (files, i, file)
        if (g_strcmp0(json_get_str(file, "name"), "meta-data") == 0)
            meta = cloud_init_parse(json_get_str(file, "text"));
    before = json_get_str(meta, "instance-id");
    const char *number = before && g_str_has_prefix(before, uuid) ? before + strlen(uuid) : "-1";
    return g_strdup_printf("%s-%d", uuid, (int)g_ascii_strtoll(number + 1, NULL, 10) + 1);
}

/* Both, if it runs: the guest sees another disc in its drive. */
static bool change_media(Cli *cli, const WireDomain *dom, const SeedDrive *drive,
                         const WireStorageVol *volume, Error **err)
{
    const WireStorageVolGetPathArgs ask = { .vol = *volume };
    g_auto(WireStorageVolGetPathRet) path = { 0 };
    bool is_active = false;

    if (!cli_call(cli, PROC_STORAGE_VOL_GET_PATH, &ask, &path, err) ||
        !cli_domain_is_active(cli, dom, &is_active, err))
        return false;
    g_autofree char *xml =
        g_markup_printf_escaped("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source "
                                "file='%s' "
                                "startupPolicy='optional'/><target dev='%s' bus='%s'/><readonly/></disk>",
                                path.name, drive->target, drive->bus);
    const WireDomainUpdateDeviceFlagsArgs args = {
        .dom = *dom, .xml = xml, .flags = VIR_DOMAIN_AFFECT_CONFIG | (is_active ? VIR_DOMAIN_AFFECT_LIVE : 0)
    };
    return cli_call(cli, PROC_DOMAIN_UPDATE_DEVICE_FLAGS, &args, NULL, err);
}

static bool replace_seed(Cli *cli, const WireDomain *dom, const SeedDrive *drive, const Json *files,
                         Error **err)
{
    const WireStoragePoolLookupByVolumeArgs of = { .vol = drive->volume };
    g_auto(WireStoragePoolLookupByVolumeRet) pool = { 0 };
    g_auto(WireStorageVol) made = { 0 };
    g_autofree char *name = g_strdup_printf("%s-seed-%06x.iso", dom->name, g_random_int() & 0xffffff);

    if (!cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_VOLUME, &of, &pool, err) ||
        !seed_put(cli, &pool.pool, name, files, &made, err))
        return false;
    const bool ok = change_media(cli, dom, drive, &made, err);
    fiber_shield_begin();
    /* Whichever nobody needs now. */
    (void)!volume_delete(cli, ok ? &drive->volume : &made, NULL);
    fiber_shield_end();
    return ok;
}

static bool read_option_file(const CliArgs *args, const char *option, char **ret_text, Error **err)
{
    return !args_has(args, option) || cli_read_file(args_get(args, option), ret_text, err);
}

static bool change_files(Cli *cli, const CliArgs *args, const WireDomain *dom, const char *mac, Json *files,
                         Error **err)
{
    g_autofree char *user_data = NULL, *meta_data = NULL, *network = NULL, *identity = NULL,
                    *instance = args_has(args, "rerun") ? next_instance(files, dom) : NULL;
    g_auto(GStrv) keys = NULL, ips = args_split(args, "ip", "\n,"),
                  gateways = args_split(args, "gateway", "\n,"), dns = args_split(args, "dns", "\n,");
    const bool by_dhcp = args_has(args, "dhcp");

    if (!read_option_file(args, "user-data", &user_data, err) ||
        !read_option_file(args, "meta-data", &meta_data, err) ||
        !read_option_file(args, "network-config", &network, err) ||
        (args_has(args, "ssh-key") && !ssh_keys(cli, args_get(args, "ssh-key"), &keys, &identity, err)))
        return false;
    const CloudInit init = { .instance_id = instance,
                             .hostname = args_get(args, "hostname"),
                             .user = args_get(args, "user"),
                             .keys = (const char *const *)keys,
                             .user_data = user_data,
                             .meta_data = meta_data,
                             .network_config = network,
                             .mac = ips || by_dhcp ? mac : NULL,
                             .ips = (const char *const *)ips,
                             .gateways = (const char *const *)gateways,
                             .dns = (const char *const *)dns };
    if (!cloud_init_check(&init, err))
        return false;
    cloud_init_change(files, &init);
    return true;
}

/* What lodge ssh goes by when nobody has seen the machine. */
static bool note_address(Cli *cli, const CliArgs *args, const WireDomain *dom, Error **err)
{
    g_auto(MachineNote) note = { 0 };
    bool is_active = false;

    if (!args_has(args, "ip") && !args_has(args, "dhcp"))
        return true;
    if (!machine_note(cli, dom, &note, err) || !cli_domain_is_active(cli, dom, &is_active, err))
        return false;
    g_autofree char *address =
        args_has(args, "ip") ? g_strndup(args_get(args, "ip"), strcspn(args_get(args, "ip"), "/,\n")) : NULL;
    const NewMachine machine = { .image = note.image,
                                 .user = note.user,
                                 .identity = note.identity,
                                 .address = address,
                                 .ssh_port =
                                     note.port ? (unsigned)g_ascii_strtoull(note.port, NULL, 10) : 0 };
    g_autofree char *text = new_machine_note(&machine);
    const WireDomainSetMetadataArgs call = { .dom = *dom,
                                             .type = 2,
                                             .metadata = text,
                                             .key = (char *)LODGE_KEY,
                                             .uri = (char *)LODGE_XMLNS,
                                             .flags = VIR_DOMAIN_AFFECT_CONFIG |
                                                      (is_active ? VIR_DOMAIN_AFFECT_LIVE : 0) };
    return cli_call(cli, PROC_DOMAIN_SET_METADATA, &call, NULL, err);
}

static bool set_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(WireDomain) dom = { 0 };
    g_auto(SeedDrive) drive = { 0 };
    g_autoptr(Json) files = NULL;
    g_autofree char *mac = NULL;

    if (!args_has_any(args))
        return error_set(err, ERROR_INVALID_ARGUMENT, "nothing is to be changed");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to change what cloud-init is told in '%s'", dom.name);
    interrupt_begin(&interrupt, cli);
    const bool ok = find_seed(cli, &dom, &drive, &files, &mac, err) &&
                    change_files(cli, args, &dom, mac, files, err) &&
                    replace_seed(cli, &dom, &drive, files, err) && note_address(cli, args, &dom, err);
    if (ok)
        cli_message(cli, "cloud-init of '%s' is told so at its next boot%s", dom.name,
                    args_has(args, "rerun") ? ", and does all of it again"
                                            : "; what it has done once it does again with --rerun only");
    return ok;
}

static const CliOption show_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "file", "only this one, as it is", .flags = CLI_NAMED,
        .words = "user-data meta-data network-config vendor-data"),
    { 0 },
};
static const CliOption set_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "ssh-key", "public keys, or files with some, in place of those before",
        .flags = CLI_NAMED | CLI_LINES, .complete = COMPLETE_FILE),
    OPT_NAMED("user", "who may log in"),
    OPT_NAMED("hostname", "its name"),
    OPT(CLI_STRING, "ip", "addresses with the lengths of their networks", .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "gateway", "the way out, with --ip", .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "dns", "servers of names, with --ip", .flags = CLI_NAMED | CLI_LINES),
    OPT_BOOL("dhcp", "the address by DHCP"),
    OPT(CLI_STRING, "user-data", "a file for cloud-init", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "meta-data", "likewise", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "network-config", "likewise", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT_BOOL("rerun", "let cloud-init take the machine for a new one, and do all of it again"),
    { 0 },
};

const CliCommand commands_cloud_init[] = {
    COMMAND("cloud-init-show", GROUP_LODGE, "show what cloud-init is told in a machine", show_options,
            show_run, .json = "[{\"name\": string, \"text\": string}]"),
    COMMAND("cloud-init-set", GROUP_LODGE, "change what cloud-init is told in a machine", set_options,
            set_run, .exclusive = "ip dhcp network-config; rerun meta-data",
            .doc =
                "The machine gets a new seed, also while it runs; the guest reads it when it boots. Most of "
                "it is done once: with --rerun the machine counts as a new one."),
    { 0 },
};
