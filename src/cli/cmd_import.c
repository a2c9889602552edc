/* `lodge import`: machines of other programs, and those that `lodge export` put into a folder.
 *
 * As with `lodge run` the machine is defined before its disks are made, so what is made belongs to a machine
 * whatever ends this program. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/image_call.h"
#include "cli/import.h"
#include "cli/interrupt.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/undefine.h"

static void disk_free(void *data)
{
    ImportDisk *disk = data;

    g_free(disk->path);
    g_free(disk->format);
    g_free(disk->place.target);
    g_free(disk->place.path);
    g_free(disk->place.format);
    g_free(disk->volume);
    wire_storage_vol_clear(&disk->vol);
    g_free(disk);
}

static void import_clear(Import *import)
{
    fiber_shield_begin();
    if (import->scratch)
        (void)!file_remove_tree(import->scratch, NULL); /* it lies in a folder of what may go */
    fiber_shield_end();
    g_ptr_array_unref(import->disks);
    g_ptr_array_unref(import->notes);
    json_decref(import->machine);
    json_decref(import->files);
    wire_storage_pool_clear(&import->pool);
    wire_domain_clear(&import->dom);
    char *const texts[] = { import->path, import->scratch,     import->own,
                            import->name, import->pool_folder, import->xml };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Import, import_clear)

/* ---- disks ---- */

/* A format that QEMU only reads goes there as it is and becomes another one there. */
static bool convert(Import *import, ImportDisk *disk, Error **err)
{
    g_autofree char *to = g_strdup_printf("%s/%s", import->pool.name, disk->volume);
    g_auto(WireStorageVol) sent = { 0 };
    bool ok = false;

    if (cli_is_local(import->cli)) {
        ok = image_convert(import->cli, disk->path, disk->format, to, disk->place.format, err);
    } else {
        g_autofree char *name = g_strconcat(disk->volume, ".part", NULL);
        g_autofree char *from = g_strdup_printf("%s/%s", import->pool.name, name);
        AUTO_FD fd = open(disk->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return error_set_errno(err, errno, "cannot open '%s'", disk->path);
        if (!volume_put(import->cli, &import->pool, name, 0600, fd, &sent, err))
            return false;
        ok = image_convert(import->cli, from, disk->format, to, disk->place.format, err);
        volume_drop(import->cli, &sent);
    }
    return ok && volume_find(import->cli, &import->pool, disk->volume, &disk->vol, err);
}

static bool fill(Import *import, Error **err)
{
    for (guint i = 0; i < import->disks->len; i++) {
        ImportDisk *disk = import->disks->pdata[i];
        if (disk->is_drive)
            continue;
        AUTO_FD fd = open(disk->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return error_set_errno(err, errno, "cannot open '%s'", disk->path);
        const bool same = strcmp(disk->format, disk->place.format) == 0;
        if (!(same ? volume_put(import->cli, &import->pool, disk->volume, 0600, fd, &disk->vol, err)
                   : convert(import, disk, err)))
            return error_prefix(err, "disk '%s'", disk->path);
    }
    return true;
}

/* ---- the machine ---- */

static bool put_files(const Import *import, Error **err)
{
    g_auto(WireLodgeDomainFilesRet) ret = { 0 };

    if (json_array_size(import->files) == 0)
        return true;
    g_autofree char *json = json_format(import->files);
    const WireLodgeDomainFilesArgs args = { .dom = import->dom,
                                            .json = json,
                                            .flags = LODGE_DOMAIN_FILES_PUT };
    return lodge_call(import->cli, LODGE_PROC_DOMAIN_FILES, &args, &ret, WIRE_NO_TIMEOUT, err) ||
           error_prefix(err, "the state of firmware and TPM");
}

static void take_back(const Import *import)
{
    fiber_shield_begin();
    if (import->is_defined)
        machine_take_back(import->cli, &import->dom);
    for (guint i = 0; i < import->disks->len; i++) {
        const ImportDisk *disk = import->disks->pdata[i];
        volume_drop(import->cli, &disk->vol);
    }
    fiber_shield_end();
}

static bool go(Import *import, Error **err)
{
    if (!import_source_open(import, err) || !import_machine_plan(import, err))
        return false;
    if (args_has(import->args, "print-xml"))
        return true;
    import->is_defined = machine_define(import->cli, import->xml, &import->dom, err);
    if (import->is_defined && fill(import, err) && put_files(import, err)) {
        const WireDomainCreateArgs start = { .dom = import->dom };
        if (!args_has(import->args, "start") || cli_call(import->cli, PROC_DOMAIN_CREATE, &start, NULL, err))
            return true;
        error_prefix(err, "cannot start it");
    }
    take_back(import);
    return false;
}

static bool import_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(Import) import = { .cli = cli,
                              .args = args,
                              .path = g_canonicalize_filename(args_get(args, "from"), NULL),
                              .disks = g_ptr_array_new_with_free_func(disk_free),
                              .notes = g_ptr_array_new_with_free_func(g_free) };
    Json *disks = json_array(), *notes = json_array();

    cli_doing(cli, "Failed to import '%s'", import.path);
    interrupt_begin(&interrupt, cli);
    const bool ok = go(&import, err);
    for (guint i = 0; ok && i < import.notes->len; i++) {
        if (!cli->json && !cli->quiet)
            fprintf(stderr, "note: %s\n", (const char *)import.notes->pdata[i]);
        json_array_append_new(notes, json_string(import.notes->pdata[i]));
    }
    for (guint i = 0; ok && i < import.disks->len; i++)
        if (((ImportDisk *)import.disks->pdata[i])->place.path)
            json_array_append_new(disks, json_string(((ImportDisk *)import.disks->pdata[i])->place.path));
    if (ok && args_has(args, "print-xml")) {
        cli_print_text(cli, "xml", import.xml);
    } else if (ok) {
        cli_say(cli, "Machine '%s' imported from %s\n", import.name, import.path);
        cli_print_json(cli,
                       json_pack("{s:s, s:O, s:O}", "machine", import.name, "disks", disks, "notes", notes));
    }
    json_decref(disks);
    json_decref(notes);
    return ok;
}

static const CliOption import_options[] = {
    OPT(CLI_STRING, "from",
        "an .ova, .ovf, .vmx or .vbox file, Hyper-V's .xml, a disk (raw, qcow2, vmdk, vdi, vhd, vhdx), or "
        "the folder of "
        "a machine",
        .flags = CLI_REQUIRED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "name", "of the machine; default: what it was called", .short_name = 'n',
        .flags = CLI_NAMED),
    OPT_NAMED("os", "its system, as 'lodge install --osinfo list' has it; default: what the document says"),
    OPT(CLI_INT, "cpus", "default: as many as it had, or 2", .flags = CLI_NAMED),
    OPT(CLI_SIZE, "memory", "default: as much as it had, or 2 GiB", .flags = CLI_NAMED, .unit = 1024),
    OPT_NAMED("network", "the network of all its cards, or none; default: default"),
    OPT_BOOL("new-macs", "its cards get addresses of their own instead of those that they had"),
    OPT_NAMED("pool", "where its disks go; default: default"),
    OPT(CLI_STRING, "format",
        "of its disks here; default: raw and qcow2 stay as they are, others become qcow2",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "qcow2 raw"),
    OPT(CLI_STRING, "disk-bus", "default: virtio if its system can, else SATA or IDE",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "virtio scsi sata ide"),
    OPT(CLI_STRING, "nic-model", "default: virtio if its system can, else e1000e or e1000",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "virtio e1000e e1000 rtl8139"),
    OPT(CLI_STRING, "firmware", "default: what it had", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "bios uefi"),
    OPT(CLI_STRING, "virt-type", "default: kvm where the host can", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "kvm qemu"),
    OPT_BOOL("start", "start it"),
    OPT_BOOL("trust",
             "of a folder: take also what reaches into this host (its devices, files, arguments of QEMU)"),
    OPT_BOOL("print-xml", "print the document, and make nothing"),
    { 0 },
};

const CliCommand commands_import[] = {
    COMMAND("import", GROUP_LODGE, "take over a machine of another program, or an exported one",
            import_options, import_run,
            .json = "{\"machine\": string, \"disks\": [string], \"notes\": [string]}; with --print-xml "
                    "{\"xml\": string}",
            .doc = "Its disks go into a pool, as qcow2 unless they are raw. Devices follow from its system: "
                   "virtio where "
                   "it is known to have drivers, else what it has always booted from. Sums of a manifest "
                   "(.mf) are "
                   "compared first. What has no place in the new machine is named. Disks that stand on "
                   "others, as those of "
                   "snapshots do, are refused, and so is Hyper-V's .vmcx, whose format is not public: its "
                   "disks can be "
                   "taken alone."),
    { 0 },
};
