/* `lodge export`: a machine as OVA, for other programs, or as a folder that `lodge import` takes back.
 *
 * Everything is made in a folder beside the target and put in place by one rename. Disks are read where
 * backups read them, so of a machine that runs they are those of one moment. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "cli/backup.h"
#include "cli/backup_source.h"
#include "cli/backup_xml.h"
#include "cli/commands.h"
#include "cli/export.h"
#include "cli/import.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "install/document.h"
#include "install/media_run.h"

#define QUIET_MS 120000
#define FACTS_VERSION 1
#define FULL_BYTES (UINT64_C(1) << 20) /* less is free than what qemu-img writes at a time */

typedef struct Export {
    Cli *cli;
    const CliArgs *args;
    WireDomain dom;
    bool is_active, is_ova;
    char *path, *folder; /* folder: where it is made; NULL: none yet */
    char *xml;
    xmlDoc *doc;
    BackupSource *source;
    GPtrArray *disks, *notes; /* ExportDisk, char * */
} Export;

static void disk_free(void *data)
{
    ExportDisk *disk = data;

    g_free(disk->target);
    g_free(disk->file);
    g_free(disk);
}

static void export_clear(Export *export)
{
    fiber_shield_begin();
    source_close(export->source, false);
    if (export->folder && !file_remove_tree(export->folder, NULL))
        fprintf(stderr, "warning: '%s' is left behind\n", export->folder);
    fiber_shield_end();
    g_ptr_array_unref(export->disks);
    g_ptr_array_unref(export->notes);
    xmlFreeDoc(export->doc);
    wire_domain_clear(&export->dom);
    g_free(export->path);
    g_free(export->folder);
    g_free(export->xml);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Export, export_clear)

/* ---- disks ---- */

/* "    (12.34/100%)\r" */
static void on_percent(void *arg, const char *data, size_t len)
{
    g_autofree char *text = g_strndup(data, len);
    const char *open = strrchr(text, '(');

    if (open && g_ascii_isdigit(open[1]))
        progress_update(arg, (uint64_t)(g_ascii_strtod(open + 1, NULL) * 10));
}

/* QEMU's writer of compressed vmdk calls a full disk an invalid argument. */
static bool is_full(const char *folder)
{
    struct statvfs fs;

    return statvfs(folder, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

static bool copy_disk(const Export *export, const SourceDisk *disk, const char *path, Error **err)
{
    g_autofree char *program = g_find_program_in_path("qemu-img");
    g_autofree char *socket = g_uri_escape_string(disk->place.socket, "/", FALSE);
    g_autofree char *name = g_uri_escape_string(disk->place.export, NULL, FALSE);
    g_autofree char *from = g_strdup_printf("nbd+unix:///%s?socket=%s", name, socket);
    g_auto(ProcessOutput) output = { 0 };
    CliProgress progress;

    if (!program) {
        error_set(err, ERROR_NOT_SUPPORTED, "there is no qemu-img");
        return error_hint(err, "install the package qemu-utils");
    }
    const char *const vmdk[] = { program, "convert", "-p",
                                 "-f",    "raw",     "-O",
                                 "vmdk",  "-o",      "subformat=streamOptimized,adapter_type=lsilogic",
                                 "--",    from,      path,
                                 NULL };
    const char *const qcow2[] = {
        program, "convert", "-p", "-f", "raw", "-O", "qcow2", "--", from, path, NULL
    };
    const ProcessSpec spec = { .argv = export->is_ova ? vmdk : qcow2,
                               .stdin_fd = -1,
                               .stdout_fd = -1,
                               .stderr_fd = -1,
                               .die_with_parent = true,
                               .quiet_timeout_ms = QUIET_MS,
                               .on_output = on_percent,
                               .on_output_arg = &progress };
    progress_begin(&progress, export->cli, disk->target, 1000, false);
    const bool ok = process_run(&spec, NULL, 0, 0, FIBER_NO_DEADLINE, &output, err);
    progress_end(&progress);
    if (ok && output.status != 0 && is_full(export->folder))
        return error_set_errno(err, ENOSPC, "cannot write '%s'", path);
    return ok && (output.status == 0 || error_set(err, ERROR_OPERATION_FAILED, "%s", g_strstrip(output.err)));
}

static bool measure(const char *path, ExportDisk *disk, Error **err)
{
    const char *const argv[] = { "qemu-img", "info", "--output=json", "--", path, NULL };
    g_autofree char *out = NULL;
    g_autoptr(Json) info = NULL;
    struct stat st;

    if (!backup_run_tool(argv, &out, err) || !json_parse(out, strlen(out), "qemu-img's answer", &info, err))
        return false;
    disk->bytes = json_get_uint(info, "virtual-size", 0);
    if (stat(path, &st) < 0)
        return error_set_errno(err, errno, "cannot look at '%s'", path);
    disk->file_bytes = (uint64_t)st.st_size;
    return true;
}

static bool copy_disks(Export *export, Error **err)
{
    char *no_target[] = { NULL };
    g_autofree char *definition = NULL;

    if (!cli_domain_xml(export->cli, &export->dom, export->is_active ? 0 : VIR_DOMAIN_XML_INACTIVE,
                        &definition, err))
        return false;
    const SourceOrder order = { .definition = definition,
                                .is_active = export->is_active,
                                .excluded = no_target,
                                .quiesce = export->is_active && args_has(export->args, "quiesce") };
    if (!source_open(export->cli, &export->dom, &order, &export->source, err))
        return false;
    for (guint i = 0; i < export->source->disks->len; i++) {
        const SourceDisk *from = g_ptr_array_index(export->source->disks, i);
        ExportDisk *disk = g_new0(ExportDisk, 1);
        g_ptr_array_add(export->disks, disk);
        disk->target = g_strdup(from->target);
        disk->file = g_strdup_printf("%s-%s.%s", export->is_ova ? export->dom.name : "disk", from->target,
                                     export->is_ova ? "vmdk" : "qcow2");
        g_autofree char *path = path_join(export->folder, disk->file);
        if (!copy_disk(export, from, path, err)) {
            source_explain(export->source, err);
            return error_prefix(err, "disk '%s'", from->target);
        }
        if (!measure(path, disk, err))
            return false;
    }
    return true;
}

/* ---- documents ---- */

static bool put(const Export *export, const char *name, const char *text, mode_t mode, Error **err)
{
    g_autofree char *path = path_join(export->folder, name);

    return file_replace(path, text, strlen(text), mode, err);
}

/* Sums of all files; of an OVA also the archive. */
static bool pack(const Export *export, Json *files, const char *manifest, const char *archive, Error **err)
{
    AUTO_JSON request = json_pack("{s:s, s:o, s:s, s:s?}", "folder", export->folder, "files", files,
                                  "manifest", manifest, "path", archive);
    AUTO_JSON answer = NULL;

    return media_run("pack", request, NULL, QUIET_MS, &answer, err);
}

static bool make_ova(Export *export, Error **err)
{
    g_autofree char *ovf = g_strconcat(export->dom.name, ".ovf", NULL);
    g_autofree char *manifest = g_strconcat(export->dom.name, ".mf", NULL);
    g_autofree char *archive = path_join(export->folder, "archive.part");
    g_autofree char *text = export_ovf(xmlDocGetRootElement(export->doc), export->disks, export->notes);
    Json *files = json_pack("[s]", ovf);

    for (guint i = 0; i < export->disks->len; i++)
        json_array_append_new(files, json_string(((ExportDisk *)export->disks->pdata[i])->file));
    return (put(export, ovf, text, 0644, err) || (json_decref(files), false)) &&
           pack(export, files, manifest, archive, err) &&
           (rename(archive, export->path) == 0 ||
            error_set_errno(err, errno, "cannot make '%s'", export->path));
}

/* What is of this host only goes: logs, files of firmware, discs in drives. */
static void strip(Export *export)
{
    xmlNode *domain = xmlDocGetRootElement(export->doc), *devices = doc_find(domain, "devices");

    doc_set(domain, "os/nvram", NULL);
    for (xmlNode *device = devices ? devices->children : NULL; device; device = device->next) {
        if (device->type != XML_ELEMENT_NODE)
            continue;
        doc_remove(device, "log");
        if (strcmp((const char *)device->name, "disk") != 0 ||
            !(doc_is(device, "@device", "cdrom") || doc_is(device, "@device", "floppy")) ||
            !doc_has(device, "source"))
            continue;
        g_autofree char *target = doc_get(device, "target/@dev"), *file = doc_get(device, "source/@file");
        g_ptr_array_add(export->notes,
                        g_strdup_printf("left out: the disc '%s' in drive %s", file ? file : "", target));
        doc_remove(device, "source");
    }
}

static bool make_folder(Export *export, Error **err)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *xml = NULL;
    g_autoptr(Json) state = NULL;
    Json *files = json_pack("[s, s]", EXPORT_DEFINITION, EXPORT_FACTS);
    AUTO_JSON disks = json_array();

    strip(export);
    g_autofree char *text = doc_format(export->doc);
    for (guint i = 0; i < export->disks->len; i++) {
        const ExportDisk *disk = export->disks->pdata[i];
        RestoredDisk *place = g_new0(RestoredDisk, 1);
        *place = (RestoredDisk){ .target = disk->target, .path = disk->file, .format = (char *)"qcow2" };
        g_ptr_array_add(places, place);
        json_array_append_new(files, json_string(disk->file));
        json_array_append_new(disks, json_pack("{s:s, s:s, s:I}", "target", disk->target, "file", disk->file,
                                               "virtual_bytes", (json_int_t)disk->bytes));
    }
    const DefinitionEdit edit = { .disks = places };
    bool ok =
        definition_edit(text, &edit, &xml, err) && backup_fetch_state(export->cli, &export->dom, &state, err);
    AUTO_JSON facts = json_pack("{s:i, s:s, s:O, s:O?}", "lodge_export", FACTS_VERSION, "name",
                                export->dom.name, "disks", disks, "files", state);
    g_autofree char *facts_text = json_format_pretty(facts);
    ok = ok && put(export, EXPORT_DEFINITION, xml, 0600, err) &&
         put(export, EXPORT_FACTS, facts_text, 0600, err);
    if (!ok) {
        json_decref(files);
        return false;
    }
    if (!pack(export, files, EXPORT_MANIFEST, NULL, err))
        return false;
    if (rename(export->folder, export->path) < 0)
        return error_set_errno(err, errno, "cannot make '%s'", export->path);
    g_clear_pointer(&export->folder, g_free);
    return true;
}

/* ---- the command ---- */

static bool open_machine(Export *export, Error **err)
{
    if (!cli_is_local(export->cli)) {
        error_set(err, ERROR_NOT_SUPPORTED, "the machine is on another host than this command");
        return error_hint(err, "run 'lodge export' on that host, for example through ssh");
    }
    if (access(export->path, F_OK) == 0)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is there already", export->path);
    if (!cli_domain(export->cli, export->args, &export->dom, err))
        return false;
    cli_doing(export->cli, "Failed to export machine '%s'", export->dom.name);
    if (!cli_domain_is_active(export->cli, &export->dom, &export->is_active, err) ||
        !cli_domain_xml(export->cli, &export->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE,
                        &export->xml, err))
        return false;
    export->doc = xmlReadMemory(export->xml, (int)strlen(export->xml), "machine", NULL, XML_PARSE_NONET);
    if (!export->doc)
        return error_set(err, ERROR_XML_SYNTAX, "the daemon's document is not well-formed");
    g_autofree char *template = g_strconcat(export->path, ".part-XXXXXX", NULL);
    if (!g_mkdtemp(template))
        return error_set_errno(err, errno, "cannot make '%s'", export->path);
    export->folder = g_steal_pointer(&template);
    return true;
}

static bool go(Export *export, Error **err)
{
    return open_machine(export, err) && copy_disks(export, err) &&
           (export->is_ova ? make_ova(export, err) : make_folder(export, err));
}

static bool export_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    const char *to = args_get(args, "to"), *format = args_get(args, "format");
    g_auto(Export) export = { .cli = cli,
                              .args = args,
                              .path = g_canonicalize_filename(to, NULL),
                              .disks = g_ptr_array_new_with_free_func(disk_free),
                              .notes = g_ptr_array_new_with_free_func(g_free) };

    export.is_ova = format ? strcmp(format, "ova") == 0 : g_str_has_suffix(to, ".ova");
    cli_doing(cli, "Failed to export machine '%s'", args_get(args, "domain"));
    interrupt_begin(&interrupt, cli);
    const bool ok = go(&export, err);
    if (!ok)
        return false;
    for (guint i = 0; i < export.notes->len && !cli->quiet && !cli->json; i++)
        fprintf(stderr, "note: %s\n", (const char *)export.notes->pdata[i]);
    if (export.is_active && !export.source->was_quiesced && !cli->quiet && !cli->json)
        fprintf(stderr, "note: the machine runs: its disks are as after a power cut\n");
    cli_message(cli, "Machine '%s' exported to %s", export.dom.name, export.path);
    return true;
}

static const CliOption export_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "to",
        "an archive NAME.ova for other programs, or a folder that 'lodge import' takes back",
        .flags = CLI_REQUIRED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "format", "default: ova if the name says so, else a folder",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "ova folder"),
    OPT_BOOL("quiesce", "of one that runs: its agent writes down what is not on its disks yet, first"),
    { 0 },
};

const CliCommand commands_export[] = {
    COMMAND("export", GROUP_LODGE, "write a machine to an archive or a folder", export_options, export_run,
            .doc = "An OVA has its disks compressed as VMware and VirtualBox read them, on SATA, with cards "
                   "of type E1000; "
                   "what OVF has no place for is named. A folder has all of the machine: its definition, its "
                   "disks as "
                   "qcow2 without anything below them, the state of firmware and TPM, and sums of it all. "
                   "Disks of a "
                   "machine that runs are those of one moment."),
    { 0 },
};
