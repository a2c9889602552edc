/* `lodge image list`, search, pull, import, export, rm, verify, prune: the library of images. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/interrupt.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "cli/transfer.h"

#define LEFT_S 60 /* a file without facts that nobody has written to for so long was left behind */
#define OPT_IMAGES(text) OPT(CLI_STRING, "image", text, .flags = CLI_REQUIRED | CLI_MANY | CLI_EACH)
#define OPT_ONE_IMAGE OPT_REQUIRED("image", "its name in the library")

static bool image_volume(Cli *cli, const char *name, WireStorageVol *ret_volume, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };

    return place_pool(cli, LIBRARY_POOL, PLACE_MUST_BE, &pool, NULL, err) &&
           volume_find(cli, &pool, name, ret_volume, err);
}

/* Names of those that need it, owned; *ret_list a new array. */
static char *image_users(Cli *cli, const LibraryImage *image, Json **ret_list)
{
    g_autoptr(GPtrArray) names = library_volumes(image);
    GString *text = g_string_new(NULL);

    *ret_list = json_array();
    for (guint i = 0; i < names->len; i++) {
        g_auto(WireStorageVol) volume = { 0 };
        g_auto(WireLodgeVolumeUsersRet) ret = { 0 };
        if (!image_volume(cli, names->pdata[i], &volume, NULL))
            continue;
        const WireLodgeVolumeUsersArgs args = { .vol = volume };
        if (!lodge_call(cli, LODGE_PROC_VOLUME_USERS, &args, &ret, WIRE_NO_TIMEOUT, NULL))
            continue;
        for (unsigned k = 0; k < ret.n_users; k++) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", ret.users[k].name);
            json_array_append_new(*ret_list, json_string(ret.users[k].name));
        }
    }
    return g_string_free(text, FALSE);
}

/* ---- list ---- */

static const CliColumn list_columns[] = { { "Image", "name" },
                                          { "OS", "os", "string|null" },
                                          { "Version", "version", "string|null" },
                                          { "Format", "format" },
                                          { "Size", "virtual_bytes", "number" },
                                          { "Stored", "bytes", "number" },
                                          { "Firmware", "firmware" },
                                          { "Added", "added" },
                                          { "Used by", "used_by", "[string]" },
                                          { NULL, "url", "string|null" },
                                          { NULL, "sha256", "string|null" },
                                          { NULL, "path" },
                                          { 0 } };

static void list_row(Cli *cli, CliTable *table, const LibraryImage *image)
{
    const uint64_t virtual = json_get_uint(image->facts, "virtual_bytes", 0),
                   bytes = json_get_uint(image->facts, "bytes", 0);
    g_autofree char *size = short_size(virtual), *stored = short_size(bytes);
    Json *list = NULL;
    g_autofree char *users = image_users(cli, image, &list);

    table_row(table);
    table_cell_text(table, image->name);
    table_cell_text(table, json_get_str(image->facts, "os"));
    table_cell_text(table, json_get_str(image->facts, "version"));
    table_cell_text(table, json_get_str(image->facts, "format"));
    table_cell(table, json_integer((json_int_t) virtual), "%s", size);
    table_cell(table, json_integer((json_int_t)bytes), "%s", stored);
    table_cell_text(table, json_get_bool(image->facts, "efi", false) ? "uefi" : "bios");
    table_cell_text(table, json_get_str(image->facts, "added"));
    table_cell(table, list, "%s", *users ? users : "-");
    table_cell_text(table, json_get_str(image->facts, "url"));
    table_cell_text(table, json_get_str(image->facts, "sha256"));
    table_cell_text(table, image->path);
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;

    cli_doing(cli, "Failed to list images");
    if (!library_list(cli, &images, err))
        return false;
    CliTable *table = table_new(list_columns, 0);
    for (guint i = 0; i < images->len; i++) {
        const LibraryImage *image = images->pdata[i];
        if (image->is_whole)
            list_row(cli, table, image);
    }
    return cli_print_table(cli, table, err);
}

/* ---- search ---- */

static const CliColumn search_columns[] = { { "Image", "name" },
                                            { "Title", "title", "string|null" },
                                            { "Version", "version", "string|null" },
                                            { "From", "origin" },
                                            { "Checksum", "has_checksum", "boolean" },
                                            { "URL", "url" },
                                            { 0 } };

static bool is_wanted(const CatalogueEntry *entry, const char *text)
{
    g_autofree char *all = g_strdup_printf("%s %s %s", entry->name, entry->title ?: "", entry->os ?: "");
    g_autofree char *lower = g_ascii_strdown(all, -1), *wanted = g_ascii_strdown(text ? text : "", -1);

    return strstr(lower, wanted) != NULL;
}

static bool search_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(Catalogue) catalogue = NULL;

    cli_doing(cli, "Failed to search for images");
    if (!pull_catalogue(cli, NULL, &catalogue, err))
        return false;
    CliTable *table = table_new(search_columns, 0);
    for (guint i = 0; i < catalogue->entries->len; i++) {
        const CatalogueEntry *entry = catalogue->entries->pdata[i];
        const bool has = entry->checksum || entry->checksum_url;
        if (!is_wanted(entry, args_get(args, "text")))
            continue;
        table_row(table);
        table_cell_text(table, entry->name);
        table_cell_text(table, entry->title);
        table_cell_text(table, entry->version);
        table_cell_text(table, entry->origin);
        table_cell(table, json_boolean(has), "%s", has ? "yes" : "no");
        table_cell_text(table, entry->url);
    }
    return cli_print_table(cli, table, err);
}

/* ---- pull, import ---- */

static bool pull_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    const char *what = args_get(args, "image"), *checksum = args_get(args, "checksum");
    g_autoptr(LibraryImage) image = NULL;
    int64_t stall_s = 0;

    cli_doing(cli, "Failed to fetch image '%s'", what);
    if (!args_get_int(args, "timeout", 1, 86400, &stall_s, err))
        return false;
    if (checksum && !g_str_has_prefix(checksum, "sha256:") && !g_str_has_prefix(checksum, "sha512:"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a checksum is sha256:... or sha512:..., not '%s'",
                         checksum);
    const PullOrder order = {
        .what = what, .name = args_get(args, "name"), .checksum = checksum, .stall_s = (unsigned)stall_s
    };
    interrupt_begin(&interrupt, cli);
    const bool ok = pull_image(cli, &order, &image, err);
    if (interrupt.is_set && !ok && err && *err)
        error_hint(err, "what was fetched is kept: the same command goes on with it, 'lodge image prune' "
                        "removes it");
    if (ok)
        cli_message(cli, "Image '%s' is in the library", image->name);
    return ok;
}

static bool import_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    const char *os = args_get(args, "os");
    /* Programs run in the root directory. */
    g_autofree char *path = g_canonicalize_filename(args_get(args, "file"), NULL);
    g_autofree char *file = g_path_get_basename(path);
    char *dot = strrchr(file, '.');
    g_autoptr(LibraryImage) image = NULL;
    AUTO_JSON facts = json_object();

    if (dot && dot != file)
        *dot = '\0';
    cli_doing(cli, "Failed to import '%s'", path);
    if (os)
        json_object_set_new(facts, "os", json_string(os));
    interrupt_begin(&interrupt, cli);
    const bool ok = library_put(cli, args_get(args, "name") ?: file, path, facts, &image, err);
    if (ok)
        cli_message(cli, "Image '%s' is in the library", image->name);
    return ok;
}

/* ---- export, verify ---- */

static bool whole_image(Cli *cli, const char *name, LibraryImage **ret_image, WireStorageVol *ret_volume,
                        Error **err)
{
    g_autoptr(LibraryImage) image = NULL;

    if (!library_find(cli, name, &image, err))
        return false;
    if (!image->is_whole)
        return error_set(err, ERROR_OPERATION_FAILED, "image '%s' is not whole", name);
    if (!image_volume(cli, image->volume, ret_volume, err))
        return false;
    *ret_image = g_steal_pointer(&image);
    return true;
}

static bool export_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    const char *path = args_get(args, "file");
    g_autoptr(LibraryImage) image = NULL;
    g_auto(WireStorageVol) volume = { 0 };
    g_autofree char *part = g_strconcat(path, ".part", NULL);

    cli_doing(cli, "Failed to export image '%s'", args_get(args, "image"));
    if (!whole_image(cli, args_get(args, "image"), &image, &volume, err))
        return false;
    if (access(path, F_OK) == 0)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is there already", path);
    AUTO_FD fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make '%s'", part);
    const WireStorageVolDownloadArgs call = { .vol = volume,
                                              .flags = VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM };
    interrupt_begin(&interrupt, cli);
    bool ok = transfer_download(cli, &call, fd, path, err);
    if (ok && rename(part, path) < 0)
        ok = error_set_errno(err, errno, "cannot rename '%s'", part);
    if (!ok)
        (void)unlink(part);
    else
        cli_message(cli, "Image '%s' exported to %s", image->name, path);
    return ok;
}

static bool sum_volume(Cli *cli, const WireStorageVol *volume, uint64_t total, char **ret_sum, Error **err)
{
    const WireStorageVolDownloadArgs call = { .vol = *volume };
    g_autoptr(WireStream) stream = NULL;
    CliProgress progress;
    gcry_md_hd_t hash = digest_open(GCRY_MD_SHA256);
    uint64_t done = 0;
    bool ok, at_end = false;

    progress_begin(&progress, cli, volume->name, total, true);
    ok = wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_STORAGE_VOL_DOWNLOAD, &call, NULL,
                          WIRE_NO_TIMEOUT, &stream, err);
    while (ok && !at_end) {
        WirePiece piece = { 0 };
        ok = wire_stream_receive(stream, WIRE_NO_TIMEOUT, &piece, err);
        if (ok && piece.data.len)
            gcry_md_write(hash, piece.data.data, piece.data.len);
        done += piece.data.len;
        at_end = piece.at_end;
        g_free(piece.data.data);
        progress_update(&progress, done);
    }
    progress_end(&progress);
    ok = ok && wire_stream_finish(stream, WIRE_NO_TIMEOUT, err);
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < 32; i++)
        g_string_append_printf(text, "%02x", gcry_md_read(hash, GCRY_MD_SHA256)[i]);
    gcry_md_close(hash);
    *ret_sum = g_string_free(text, FALSE);
    return ok;
}

static bool verify_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "image");
    g_autoptr(LibraryImage) image = NULL;
    g_auto(WireStorageVol) volume = { 0 };
    g_autofree char *sum = NULL;

    cli_doing(cli, "Failed to verify image '%s'", name);
    if (!whole_image(cli, name, &image, &volume, err) ||
        !sum_volume(cli, &volume, json_get_uint(image->facts, "bytes", 0), &sum, err))
        return false;
    const char *wanted = json_get_str(image->facts, "sha256");
    if (g_strcmp0(sum, wanted) != 0) {
        error_set(err, ERROR_OPERATION_FAILED, "its SHA-256 is %s and was %s", sum,
                  wanted ? wanted : "not known");
        return error_hint(err,
                          "it has been changed or is damaged: machines on it may not start, or be wrong");
    }
    cli_message(cli, "Image '%s' is as it was added: %s", name, sum);
    return true;
}

/* ---- rm, prune ---- */

static bool rm_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "image");
    g_autoptr(LibraryImage) image = NULL;

    cli_doing(cli, "Failed to remove image '%s'", name);
    if (!library_find(cli, name, &image, err) || !library_remove(cli, image, err))
        return false;
    cli_message(cli, "Image '%s' removed", name);
    return true;
}

typedef struct Pruned {
    Cli *cli;
    CliTable *table;
    bool dry;
} Pruned;

static const CliColumn prune_columns[] = { { "Removed", "name" }, { "What it was", "what" }, { 0 } };

static void prune_tell(Pruned *pruned, const char *name, const char *what)
{
    table_row(pruned->table);
    table_cell_text(pruned->table, name);
    table_cell_text(pruned->table, what);
}

/* What downloads left, of this user. One that runs holds its file. */
static void prune_cache(Pruned *pruned)
{
    g_autofree char *folder = library_cache();
    g_autoptr(GPtrArray) names = NULL;

    if (!file_list_dir(folder, &names, NULL))
        return;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = path_join(folder, (const char *)names->pdata[i]);
        struct flock lock = { .l_type = F_WRLCK };
        AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || (!pruned->dry && unlink(path) < 0))
            continue;
        if (!g_str_has_suffix(path, ".tag"))
            prune_tell(pruned, path, "a download that did not come to its end");
    }
}

static bool is_left(Cli *cli, const WireStorageVol *volume)
{
    const WireStorageVolGetXmlDescArgs args = { .vol = *volume };
    g_auto(WireStorageVolGetXmlDescRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;

    if (!cli_call(cli, PROC_STORAGE_VOL_GET_XML_DESC, &args, &ret, NULL) || !xml_parse(ret.xml, &doc, NULL))
        return false;
    g_autofree char *modified = xml_get(doc, NULL, "/volume/target/timestamps/mtime");
    return modified && g_ascii_strtod(modified, NULL) + LEFT_S < (double)time(NULL);
}

/* Files of the library that no facts tell of. */
static bool prune_volumes(Pruned *pruned, const GPtrArray *images, Error **err)
{
    Cli *cli = pruned->cli;
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStoragePoolListAllVolumesRet) ret = { 0 };
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (!place_pool(cli, LIBRARY_POOL, PLACE_MUST_BE, &pool, NULL, NULL))
        return true; /* no library, nothing to do */
    for (guint i = 0; i < images->len; i++) {
        const LibraryImage *image = images->pdata[i];
        if (!image->is_whole)
            continue;
        g_autoptr(GPtrArray) names = library_volumes(image);
        for (guint k = 0; k < names->len; k++)
            g_hash_table_add(known, g_strdup(names->pdata[k]));
        g_hash_table_add(known, g_strconcat(image->name, ".json", NULL));
    }
    const WireStoragePoolListAllVolumesArgs args = { .pool = pool, .need_results = 1 };
    if (!cli_call(cli, PROC_STORAGE_POOL_LIST_ALL_VOLUMES, &args, &ret, err))
        return false;
    for (unsigned i = 0; i < ret.n_vols; i++) {
        const WireStorageVol *volume = &ret.vols[i];
        if (g_hash_table_contains(known, volume->name) || !is_left(cli, volume) ||
            (!pruned->dry && !volume_delete(cli, volume, NULL)))
            continue;
        prune_tell(pruned, volume->name, "a file of the library that no image has");
    }
    return true;
}

static bool prune_unused(Pruned *pruned, const GPtrArray *images, Error **err)
{
    for (guint i = 0; i < images->len; i++) {
        const LibraryImage *image = images->pdata[i];
        AUTO_JSON list = NULL;
        g_autofree char *users = image_users(pruned->cli, image, &list);
        if (!image->is_whole || *users)
            continue;
        if (!pruned->dry && !library_remove(pruned->cli, image, err))
            return false;
        prune_tell(pruned, image->name, "an image that nobody needs");
    }
    return true;
}

static bool prune_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;
    g_autoptr(CliTable) table = table_new(prune_columns, 0);
    Pruned pruned = { cli, table, args_has(args, "dry-run") };

    cli_doing(cli, "Failed to tidy the library up");
    if (!library_list(cli, &images, err))
        return false;
    prune_cache(&pruned);
    if (!prune_volumes(&pruned, images, err) ||
        (args_has(args, "unused") && !prune_unused(&pruned, images, err)))
        return false;
    return cli_print_table(cli, g_steal_pointer(&table), err);
}

/* ---- the commands ---- */

static const CliOption none[] = { { 0 } };
static const CliOption search_options[] = {
    OPT_STRING("text", "part of a name, a title or an id; default: all"),
    { 0 },
};
static const CliOption pull_options[] = {
    OPT_REQUIRED("image", "a name of the catalogue, or a URL (http, https, ftp, file)"),
    OPT_NAMED("name", "its name in the library"),
    OPT_NAMED("checksum", "sha256:... or sha512:..., instead of what the catalogue says"),
    OPT(CLI_INT, "timeout", "seconds in which nothing comes, after which it fails; default: 30",
        .flags = CLI_NAMED),
    { 0 },
};
static const CliOption import_options[] = {
    OPT_FILE("the image"),
    OPT_NAMED("name", "its name in the library; default: that of the file"),
    OPT_NAMED("os", "the id of its system, as osinfo-query has it"),
    { 0 },
};
static const CliOption export_options[] = {
    OPT_ONE_IMAGE,
    OPT_FILE("a new file"),
    { 0 },
};
static const CliOption verify_options[] = { OPT_IMAGES("names in the library"), { 0 } };
static const CliOption prune_options[] = {
    OPT_BOOL("unused", "also images that no machine and no other image needs"),
    OPT_BOOL("dry-run", "only say what would be removed"),
    { 0 },
};

const CliCommand commands_library[] = {
    COMMAND("image-list", GROUP_LODGE, "list the images of the library", none, list_run,
            .columns = list_columns,
            .doc =
                "The library is the pool 'library', beside that of the images of machines: "
                "/var/lib/libvirt/library. Its images are read-only, and disks of machines stand on them."),
    COMMAND("image-search", GROUP_LODGE, "list images that can be fetched", search_options, search_run,
            .columns = search_columns, .flags = CLI_NO_CONNECT,
            .doc =
                "Of ~/.config/lodge/images.json and /etc/lodge/images.json, of lodge itself, of osinfo-db, "
                "and of the simplestreams servers that the files name. A file is {\"images\": [{\"name\", "
                "\"url\", \"title\", \"os\", \"version\", \"sha256\" or \"sha512\" or \"checksum_url\"}], "
                "\"streams\": [URL of an index.json]}."),
    COMMAND("image-pull", GROUP_LODGE, "fetch an image into the library", pull_options, pull_run,
            .doc =
                "What was fetched is kept when it is interrupted, and the next attempt goes on with it. The "
                "checksum is compared before the image is added."),
    COMMAND("image-import", GROUP_LODGE, "copy a file into the library", import_options, import_run),
    COMMAND("image-export", GROUP_LODGE, "copy an image of the library into a file", export_options,
            export_run),
    COMMAND("image-verify", GROUP_LODGE, "see whether an image of the library is as it was added",
            verify_options, verify_run),
    COMMAND("image-rm", GROUP_LODGE, "remove an image of the library that nobody needs", verify_options,
            rm_run),
    COMMAND("image-prune", GROUP_LODGE, "remove what interrupted commands left of images", prune_options,
            prune_run, .columns = prune_columns),
    { 0 },
};
