/* Commands of volumes that are more than one call: their content, and copies. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/row.h"
#include "cli/transfer.h"

#define OPT_VOLUME                                                                                           \
    OPT(CLI_STRING, "vol", "name, key or path of the volume, or POOL/VOLUME", .class = &class_volume,        \
        .flags = CLI_REQUIRED)
#define OPT_POOL OPT(CLI_STRING, "pool", "name or UUID of its pool", .class = &class_pool)
#define OPT_LOCAL(text) OPT(CLI_STRING, "file", text, .flags = CLI_REQUIRED, .complete = COMPLETE_FILE)
#define OPT_RANGE                                                                                            \
    OPT(CLI_SIZE, "offset", "where in the volume to begin, in bytes unless it has a unit"),                  \
        OPT(CLI_SIZE, "length", "how much, in bytes unless it has a unit; 0 or absent: up to the end")

#define OPT_FORCE OPT_BOOL("force", "also if other volumes are based on it")

/* What is based on a volume is worth nothing when that changes. Machines that do not run are no reason. */
AWAITS static bool require_no_overlays(Cli *cli, const CliArgs *args, const WireStorageVol *volume,
                                       const char *what, Error **err)
{
    const WireLodgeVolumeUsersArgs call = { .vol = *volume };
    g_auto(WireLodgeVolumeUsersRet) ret = { 0 };
    g_autoptr(Error) why = NULL;

    if (args_has(args, "force"))
        return true;
    if (!lodge_call(cli, LODGE_PROC_VOLUME_USERS, &call, &ret, WIRE_NO_TIMEOUT, &why)) /* or another daemon */
        return error_code(why) == ERROR_NOT_SUPPORTED || error_propagate(err, g_steal_pointer(&why));
    for (unsigned i = 0; i < ret.n_users; i++) {
        if (strcmp(ret.users[i].kind, "backing-of") != 0)
            continue;
        error_set(err, ERROR_INVALID_STATE, "cannot %s volume '%s': volume '%s' is based on it", what,
                  volume->name, ret.users[i].name);
        return error_hint(err, "--force does it all the same, unless a machine runs on it");
    }
    return true;
}

/* A call that is refused for the sake of others, if @is_harmful. */
AWAITS static bool careful_run(Cli *cli, const CliArgs *args, bool is_harmful, const char *what, Error **err)
{
    g_auto(WireStorageVol) volume = { 0 };

    return (!is_harmful || (class_lookup(cli, &class_volume, args, &volume, err) &&
                            require_no_overlays(cli, args, &volume, what, err))) &&
           row_run(cli, args, err);
}

static const CliOption resize_options[] = {
    OPT_VOLUME,
    OPT(CLI_SIZE, "capacity", "the new size, in bytes unless it has a unit", .flags = CLI_REQUIRED,
        .arg = "capacity"),
    OPT_POOL,
    OPT_FLAG("allocate", VIR_STORAGE_VOL_RESIZE_ALLOCATE, "take the space now"),
    OPT_FLAG("delta", VIR_STORAGE_VOL_RESIZE_DELTA, "the size is added to the present one"),
    OPT_FLAG("shrink", VIR_STORAGE_VOL_RESIZE_SHRINK, "allow it to become smaller"),
    OPT_FORCE,
    { 0 },
};

static bool resize_run(Cli *cli, const CliArgs *args, Error **err)
{
    return careful_run(cli, args, args_has(args, "shrink"), "shrink", err);
}

static const CliOption wipe_options[] = {
    OPT_VOLUME,
    OPT_POOL,
    OPT(CLI_STRING, "algorithm", "how to overwrite it; default: zero", .flags = CLI_ONE_OF,
        .arg = "algorithm", .words = "zero nnsa dod bsi gutmann schneier pfitzner7 pfitzner33 random trim"),
    OPT_FORCE,
    { 0 },
};

static bool wipe_run(Cli *cli, const CliArgs *args, Error **err)
{
    return careful_run(cli, args, true, "wipe", err);
}

/* ---- content ---- */

static const CliOption upload_options[] = {
    OPT_VOLUME,
    OPT_LOCAL("the local file; - reads the standard input"),
    OPT_POOL,
    OPT_RANGE,
    OPT_FLAG("sparse", VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM, "keep the holes of the file"),
    OPT_FORCE,
    { 0 },
};

static bool local_failed(const char *what, const char *path, Error **err)
{
    return error_set_errno(err, errno, "cannot %s '%s'", what, path);
}

static bool upload_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) volume = { 0 };
    WireStorageVolUploadArgs call = { .flags = args_flags(args) };
    const char *path = args_get(args, "file");

    if (!args_get_size(args, "offset", &call.offset, err) ||
        !args_get_size(args, "length", &call.length, err) ||
        !class_lookup(cli, &class_volume, args, &volume, err) ||
        !require_no_overlays(cli, args, &volume, "write to", err))
        return false;
    cli_doing(cli, "cannot upload to volume %s", volume.name);
    AUTO_FD fd =
        strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return local_failed("read", path, err);
    call.vol = volume;
    return transfer_upload(cli, &call, fd, path, err);
}

static const CliOption download_options[] = {
    OPT_VOLUME,
    OPT_LOCAL("the local file, which is replaced; - writes to the standard output"),
    OPT_POOL,
    OPT_RANGE,
    OPT_FLAG("sparse", VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM, "keep the holes of the volume"),
    { 0 },
};

static bool download_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) volume = { 0 };
    WireStorageVolDownloadArgs call = { .flags = args_flags(args) };
    const char *path = args_get(args, "file");

    if (!args_get_size(args, "offset", &call.offset, err) ||
        !args_get_size(args, "length", &call.length, err) ||
        !class_lookup(cli, &class_volume, args, &volume, err))
        return false;
    cli_doing(cli, "cannot download from volume %s", volume.name);
    const bool is_stdout = strcmp(path, "-") == 0;
    const bool is_new = !is_stdout && access(path, F_OK) < 0;
    AUTO_FD fd = is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                           : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return local_failed("create", path, err);
    call.vol = volume;
    const bool ok = transfer_download(cli, &call, fd, path, err);
    if (!ok && is_new)
        (void)unlink(path); /* half a file is of no use */
    return ok;
}

/* ---- copies ---- */

#define OPT_COPY_FLAGS                                                                                       \
    OPT_FLAG("prealloc-metadata", VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA,                                  \
             "make the tables of a qcow2 image now"),                                                        \
        OPT_FLAG("reflink", VIR_STORAGE_VOL_CREATE_REFLINK, "share the data, where the file system can")

static bool copy_volume(Cli *cli, const WireStoragePool *pool, const WireStorageVol *from, const char *xml,
                        unsigned flags, WireStorageVol *ret_volume, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    WireStorageVolCreateXmlFromArgs call = {
        .pool = *pool, .xml = (char *)xml, .clonevol = *from, .flags = flags
    };
    WireStorageVolCreateXmlFromRet ret = { 0 };

    interrupt_begin(&interrupt, cli);
    if (!cli_call_settled(cli, PROC_STORAGE_VOL_CREATE_XML_FROM, &call, &ret, err))
        return false;
    *ret_volume = ret.vol;
    return true;
}

static const CliOption create_from_options[] = {
    OPT(CLI_STRING, "pool", "name or UUID of the pool of the new volume", .class = &class_pool,
        .flags = CLI_REQUIRED),
    OPT_LOCAL("the XML of the new volume"),
    OPT_VOLUME,
    OPT(CLI_STRING, "inputpool", "name or UUID of the pool of the volume that is copied",
        .class = &class_pool),
    OPT_COPY_FLAGS,
    { 0 },
};

/* The volume that is copied: in a pool of its own, or by what names it everywhere. */
static bool find_input(Cli *cli, const CliArgs *args, WireStorageVol *ret_volume, Error **err)
{
    const char *text = args_get(args, "vol");
    g_auto(WireStoragePool) pool = { 0 };

    if (!args_has(args, "inputpool"))
        return class_lookup(cli, &class_volume, args, ret_volume, err);
    if (!class_lookup_text(cli, &class_pool, args, args_get(args, "inputpool"), &pool, err))
        return false;
    const WireStorageVolLookupByNameArgs call = { .pool = pool, .name = (char *)text };
    WireStorageVolLookupByNameRet ret = { 0 };
    if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &call, &ret, err))
        return false;
    *ret_volume = ret.vol;
    return true;
}

static bool create_from_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStorageVol) from = { 0 }, made = { 0 };
    g_autofree char *xml = NULL;

    if (!cli_read_file(args_get(args, "file"), &xml, err) ||
        !class_lookup(cli, &class_pool, args, &pool, err) || !find_input(cli, args, &from, err))
        return false;
    cli_doing(cli, "Failed to create vol from %s", args_get(args, "file"));
    if (!copy_volume(cli, &pool, &from, xml, args_flags(args), &made, err))
        return false;
    cli_message(cli, "Vol %s created from input vol %s", made.name, from.name);
    return true;
}

static const CliOption clone_options[] = {
    OPT_VOLUME,
    OPT_REQUIRED("newname", "name of the copy"),
    OPT_POOL,
    OPT_COPY_FLAGS,
    OPT_BOOL("print-xml", "print the XML instead of making the copy"),
    { 0 },
};

/* The daemon's document with another name, which is its first element of that kind. */
static char *rename_document(const char *xml, const char *name)
{
    const char *start = strstr(xml, "<name>");
    const char *end = start ? strstr(start, "</name>") : NULL;
    g_autofree char *escaped = g_markup_escape_text(name, -1);

    if (!end)
        return NULL;
    start += strlen("<name>");
    return g_strdup_printf("%.*s%s%s", (int)(start - xml), xml, escaped, end);
}

static bool clone_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStorageVol) from = { 0 }, made = { 0 };
    g_auto(WireStorageVolGetXmlDescRet) document = { 0 };
    g_auto(WireStoragePoolLookupByVolumeRet) parent = { 0 };

    if (!class_lookup(cli, &class_volume, args, &from, err))
        return false;
    cli_doing(cli, "Failed to clone vol from %s", from.name);
    const WireStoragePoolLookupByVolumeArgs of = { .vol = from };
    const WireStorageVolGetXmlDescArgs get = { .vol = from };
    if (!cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_VOLUME, &of, &parent, err) ||
        !cli_call(cli, PROC_STORAGE_VOL_GET_XML_DESC, &get, &document, err))
        return false;
    g_autofree char *xml = rename_document(document.xml, args_get(args, "newname"));
    if (!xml)
        return error_set(err, ERROR_INTERNAL, "the daemon's XML of volume '%s' has no name", from.name);
    if (args_has(args, "print-xml")) {
        cli_print_text(cli, "xml", xml);
        return true;
    }
    if (!copy_volume(cli, &parent.pool, &from, xml, args_flags(args), &made, err))
        return false;
    cli_message(cli, "Vol %s cloned from %s", made.name, from.name);
    return true;
}

/* ---- who needs them ---- */

static const CliOption delete_options[] = {
    OPT_VOLUME,
    OPT_POOL,
    OPT_FLAG("delete-snapshots", VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS, "with its snapshots"),
    OPT_BOOL("force", "also if machines that do not run, or other volumes, need it"),
    { 0 },
};

static bool delete_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireStorageVolDeleteArgs call = { .flags = args_flags(args) };
    g_auto(WireStorageVol) volume = { 0 };
    g_autoptr(Error) why = NULL;

    if (!class_lookup(cli, &class_volume, args, &volume, err))
        return false;
    call.vol = volume;
    const WireLodgeVolumeDeleteArgs careful = { .vol = volume, .flags = call.flags };
    cli_doing(cli, "Failed to delete vol %s", volume.name);
    bool ok = !args_has(args, "force") &&
              lodge_call(cli, LODGE_PROC_VOLUME_DELETE, &careful, NULL, WIRE_NO_TIMEOUT, &why);
    if (why && error_code(why) != ERROR_NOT_SUPPORTED) /* another daemon: nobody there knows who needs it */
        return error_propagate(err, g_steal_pointer(&why));
    ok = ok || cli_call(cli, PROC_STORAGE_VOL_DELETE, &call, NULL, err);
    if (ok)
        cli_message(cli, "Vol %s deleted", volume.name);
    return ok;
}

static const CliOption orphans_options[] = {
    OPT(CLI_STRING, "pool", "only of this pool; default: of all that are active", .class = &class_pool,
        .flags = CLI_NAMED),
    { 0 },
};
static const CliColumn orphans_columns[] = { { "Pool", "pool" },
                                             { "Name", "name" },
                                             { "Format", "format" },
                                             { "Capacity", "capacity_bytes", "number" },
                                             { "Allocation", "allocation_bytes", "number" },
                                             { "Modified", "modified", "number" },
                                             { NULL, "path" },
                                             { 0 } };

static bool orphans_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    WireLodgeVolumeOrphansArgs call = { 0 };
    g_auto(WireLodgeVolumeOrphansRet) ret = { 0 };

    if (args_has(args, "pool") && !class_lookup(cli, &class_pool, args, &pool, err))
        return false;
    call.pool = pool.name;
    cli_doing(cli, "Failed to look for volumes that nobody needs");
    if (!lodge_call(cli, LODGE_PROC_VOLUME_ORPHANS, &call, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    CliTable *table = table_new(orphans_columns, 0);
    for (unsigned i = 0; i < ret.n_volumes; i++) {
        const WireLodgeOrphan *orphan = &ret.volumes[i];
        g_autofree char *capacity = short_size(orphan->capacity), *taken = short_size(orphan->allocation);
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(orphan->modified_s);
        g_autofree char *modified = when ? g_date_time_format(when, "%Y-%m-%d %H:%M") : g_strdup("-");
        table_row(table);
        table_cell_text(table, orphan->pool);
        table_cell_text(table, orphan->name);
        table_cell_text(table, orphan->format);
        table_cell(table, json_integer((json_int_t)orphan->capacity), "%s", capacity);
        table_cell(table, json_integer((json_int_t)orphan->allocation), "%s", taken);
        table_cell(table, json_integer(orphan->modified_s), "%s", modified);
        table_cell_text(table, orphan->path);
    }
    return cli_print_table(cli, table, err);
}

const CliCommand commands_volume[] = {
    COMMAND("vol-delete", GROUP_VOLUME, "remove a volume that nobody needs", delete_options, delete_run,
            .class = &class_volume, .proc = PROC_STORAGE_VOL_DELETE),
    COMMAND("vol-orphans", GROUP_VOLUME, "list volumes that no machine and no other volume needs",
            orphans_options, orphans_run, .columns = orphans_columns,
            .doc = "Machines count whether they run or not. What lies in pools that are not active is not "
                   "known, and what lies on other hosts neither: look before you delete."),
    COMMAND("vol-resize", GROUP_VOLUME, "change the size of a volume", resize_options, resize_run,
            .class = &class_volume, .proc = PROC_STORAGE_VOL_RESIZE,
            .doing = "Failed to change size of volume '{name}'",
            .done = "Size of volume '{name}' successfully changed {delta?by|to} {capacity}"),
    COMMAND("vol-wipe", GROUP_VOLUME, "overwrite a volume", wipe_options, wipe_run, .class = &class_volume,
            .proc = PROC_STORAGE_VOL_WIPE_PATTERN, .plain = PROC_STORAGE_VOL_WIPE,
            .doing = "Failed to wipe vol {name}", .done = "Vol {name} wiped"),
    COMMAND("vol-upload", GROUP_VOLUME, "write a local file into a volume", upload_options, upload_run,
            .class = &class_volume, .json = "none"),
    COMMAND("vol-download", GROUP_VOLUME, "read a volume into a local file", download_options, download_run,
            .class = &class_volume, .json = "none"),
    COMMAND("vol-create-from", GROUP_VOLUME,
            "make a volume as an XML file describes, with what another holds", create_from_options,
            create_from_run, .class = &class_volume),
    COMMAND("vol-clone", GROUP_VOLUME, "copy a volume inside its pool", clone_options, clone_run,
            .class = &class_volume, .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    { 0 },
};
