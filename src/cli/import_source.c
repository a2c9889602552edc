/* What is to be imported: a document of a machine with its disks, an archive, a folder, or a disk. All that
 * others made is read by lodge-media. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/import.h"
#include "cli/library.h"
#include "cli/progress.h"
#include "install/media_run.h"

#define QUIET_MS 60000
#define FACTS_MAX ((size_t)16 << 20)

void import_note(Import *import, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_ptr_array_add(import->notes, g_strdup_vprintf(format, ap));
    va_end(ap);
}

/* ---- the helper ---- */

static void show(void *arg, uint64_t done, uint64_t total)
{
    CliProgress *progress = arg;

    progress->total = total;
    progress_update(progress, done);
}

static bool ask(const Import *import, const char *verb, const char *label, const Json *request,
                Json **ret_answer, Error **err)
{
    CliProgress progress;
    const MediaProgress watch = { .func = show, .arg = &progress };

    progress_begin(&progress, import->cli, label, 0, true);
    const bool ok = media_run(verb, request, &watch, QUIET_MS, ret_answer, err);
    progress_end(&progress);
    return ok;
}

/* Beside what is kept of downloads: it may be large. Each has a folder of its own, which is taken away. */
static bool make_scratch(Import *import, Error **err)
{
    if (import->scratch)
        return true;
    g_autofree char *cache = library_cache();
    g_autofree char *folder = path_join(cache, "import-XXXXXX");
    if (!file_make_dirs(cache, 0755, err))
        return false;
    if (!g_mkdtemp(folder))
        return error_set_errno(err, errno, "cannot make a folder in '%s'", cache);
    import->scratch = g_steal_pointer(&folder);
    return true;
}

/* ---- which document ---- */

static bool ends_with(const char *path, const char *const *endings)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    for (; *endings; endings++)
        if (g_str_has_suffix(lower, *endings))
            return true;
    return false;
}

static const char *const documents[] = { ".ovf", ".vmx", ".vbox", ".xml", ".vmcx", NULL };

/* *ret_found: owned, NULL: there is none. ERROR_INVALID_ARGUMENT: several */
static bool find_in(const char *folder, const char *const *endings, char **ret_found, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!file_list_dir(folder, &names, err))
        return false;
    for (guint i = 0; i < names->len; i++) {
        if (!ends_with(names->pdata[i], endings))
            continue;
        if (*ret_found) {
            g_autofree char *first = g_path_get_basename(*ret_found);
            error_set(err, ERROR_INVALID_ARGUMENT, "'%s' has several machines: '%s', '%s'", folder, first,
                      (const char *)names->pdata[i]);
            g_clear_pointer(ret_found, g_free);
            return error_hint(err, "name the one that is meant");
        }
        *ret_found = path_join(folder, names->pdata[i]);
    }
    return true;
}

static bool find_document(const char *folder, char **ret_document, Error **err)
{
    /* Of a machine of VirtualBox, say, there may be an OVF beside it: the one that was meant for others. */
    static const char *const orders[][2] = { { ".ovf" }, { ".vmx" }, { ".vbox" }, { ".xml" }, { ".vmcx" } };
    g_autofree char *below = path_join(folder, "Virtual Machines");
    const char *const places[] = { folder, below };

    for (size_t p = 0; p < G_N_ELEMENTS(places); p++)
        for (size_t i = 0; i < G_N_ELEMENTS(orders) && !*ret_document; i++)
            if (!find_in(places[p], orders[i], ret_document, err))
                return false;
    if (*ret_document)
        return true;
    error_set(err, ERROR_INVALID_ARGUMENT, "there is no machine in '%s'", folder);
    return error_hint(err,
                      "a machine is a folder of 'lodge export', an .ova, .ovf, .vmx or .vbox file, Hyper-V's "
                      ".xml, or a disk");
}

static bool is_archive(const char *path)
{
    char magic[5] = "";
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd >= 0 && pread(fd, magic, sizeof(magic), 257) == sizeof(magic) && memcmp(magic, "ustar", 5) == 0;
}

static bool unpack(Import *import, char **ret_document, Error **err)
{
    static const char *const ovf[] = { ".ovf", NULL };
    AUTO_JSON answer = NULL;

    if (!make_scratch(import, err))
        return false;
    AUTO_JSON request = json_pack("{s:s, s:s}", "path", import->path, "folder", import->scratch);
    if (!ask(import, "unpack", "Unpacking", request, &answer, err) ||
        !find_in(import->scratch, ovf, ret_document, err))
        return false;
    return *ret_document ||
           error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no OVA: there is no .ovf in it", import->path);
}

/* ---- sums ---- */

/* "web.mf" beside "web.ovf"; what it says is so, or nothing is made. */
static bool verify(Import *import, const char *manifest, Error **err)
{
    g_autofree char *folder = g_path_get_dirname(manifest);
    AUTO_JSON request = json_pack("{s:s, s:s}", "path", manifest, "folder", folder);
    AUTO_JSON answer = NULL;

    return access(manifest, F_OK) != 0 || ask(import, "verify", "Checksums", request, &answer, err);
}

/* ---- disks ---- */

/* Names of other hosts' files come with folders of theirs: the file itself lies beside the document, or where
 * Hyper-V puts it. */
static char *find_file(const char *folder, const char *spelled)
{
    g_autofree char *plain = g_strdelimit(g_strdup(spelled), "\\", '/');
    g_autofree char *name = g_path_get_basename(plain);
    g_autofree char *parent = g_path_get_dirname(folder);
    const bool is_below = !g_path_is_absolute(plain) && !strstr(plain, "..") && !strchr(plain, ':');
    char *const places[] = { is_below ? path_join(folder, plain) : path_join(folder, name),
                             path_join(folder, name), path_join(parent, "Virtual Hard Disks", name),
                             path_join(folder, "Virtual Hard Disks", name) };
    char *found = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        struct stat st;
        if (!found && path_is_safe_component(name) && stat(places[i], &st) == 0 && S_ISREG(st.st_mode))
            found = places[i];
        else
            g_free(places[i]);
    }
    return found;
}

/* What an image says of itself, and the files that it names, too. */
static bool look(Import *import, ImportDisk *disk, Error **err)
{
    AUTO_JSON request = json_pack("{s:s}", "path", disk->path);
    AUTO_JSON answer = NULL;
    size_t i;
    json_t *extent;

    if (!ask(import, "disk", "Disk", request, &answer, err))
        return false;
    disk->format = g_strdup(json_get_str(answer, "format"));
    if (json_get_str(answer, "parent")) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "'%s' has only what changed since a snapshot: it stands on %s", disk->path,
                  json_get_str(answer, "parent"));
        return error_hint(err, "delete the machine's snapshots where it comes from (their changes are kept), "
                               "or export "
                               "it there as OVA");
    }
    g_autofree char *folder = g_path_get_dirname(disk->path);
    json_array_foreach (json_get_arr(answer, "extents"), i, extent) {
        g_autofree char *path = path_join(folder, json_string_value(extent));
        AUTO_JSON inner = json_pack("{s:s}", "path", path);
        AUTO_JSON said = NULL;
        if (!ask(import, "disk", "Disk", inner, &said, err))
            return error_prefix(err, "'%s' names a file beside it", disk->path);
        if (json_array_size(json_get_arr(said, "extents")) > 0 || json_get_str(said, "parent"))
            return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' of '%s' names other files again", path,
                             disk->path);
    }
    return true;
}

static bool gunzip(Import *import, ImportDisk *disk, Error **err)
{
    AUTO_JSON answer = NULL;

    if (!make_scratch(import, err))
        return false;
    g_autofree char *name = g_strdup_printf("unpacked-%u", import->disks->len);
    AUTO_JSON request =
        json_pack("{s:s, s:s, s:s}", "path", disk->path, "folder", import->scratch, "name", name);
    if (!ask(import, "unpack", "Unpacking", request, &answer, err))
        return false;
    g_free(disk->path);
    disk->path = path_join(import->scratch, name);
    return true;
}

static bool take_disk(Import *import, const char *folder, const Json *said, Error **err)
{
    const char *file = json_get_str(said, "file"), *packed = json_get_str(said, "compression");
    ImportDisk *disk = g_new0(ImportDisk, 1);

    g_ptr_array_add(import->disks, disk);
    disk->is_drive = g_strcmp0(json_get_str(said, "device"), "cdrom") == 0;
    if (disk->is_drive && file)
        import_note(import, "the disc '%s' is not in its drive: 'lodge change-media' puts one in", file);
    if (disk->is_drive)
        return true;
    if (json_get_str(said, "parent"))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "the disk '%s' has only what changed since a snapshot: delete the machine's "
                         "snapshots where "
                         "it comes from",
                         file ? file : "");
    if (!file)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "a disk of the machine has no file");
    if (!(disk->path = find_file(folder, file)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the disk '%s' is not in '%s'", file, folder);
    if (packed && g_ascii_strcasecmp(packed, "gzip") != 0)
        return error_set(err, ERROR_NOT_SUPPORTED, "the disk '%s' is compressed by '%s'", file, packed);
    return (!packed || gunzip(import, disk, err)) && look(import, disk, err);
}

static bool take_disks(Import *import, const char *folder, Error **err)
{
    size_t i;
    json_t *entry;

    json_array_foreach (json_get_arr(import->machine, "disks"), i, entry)
        if (!take_disk(import, folder, entry, err))
            return false;
    json_array_foreach (json_get_arr(import->machine, "notes"), i, entry)
        import_note(import, "left out: %s", json_string_value(entry));
    return true;
}

/* ---- kinds ---- */

/* A folder of ours: the helper has read its document, which may be somebody else's, before we do. */
static bool open_own(Import *import, Error **err)
{
    g_autofree char *facts_path = path_join(import->path, EXPORT_FACTS);
    g_autofree char *xml_path = path_join(import->path, EXPORT_DEFINITION);
    g_autofree char *manifest = path_join(import->path, EXPORT_MANIFEST), *text = NULL;
    AUTO_JSON request = json_pack("{s:s}", "path", xml_path);
    g_autoptr(Json) facts = NULL;
    size_t i;
    json_t *entry;

    if (!file_read(facts_path, FACTS_MAX, &text, NULL, err) ||
        !json_parse(text, strlen(text), EXPORT_FACTS, &facts, err) || !verify(import, manifest, err) ||
        !ask(import, "machine", "Machine", request, &import->machine, err) ||
        !file_read(xml_path, FACTS_MAX, &import->own, NULL, err))
        return false;
    import->is_own = true;
    import->files = json_incref(json_get_arr(facts, "files"));
    json_array_foreach (json_get_arr(import->machine, "reaches"), i, entry) {
        if (args_has(import->args, "trust"))
            break;
        error_set(err, ERROR_OPERATION_UNSUPPORTED, "the machine reaches into this host: %s",
                  json_string_value(entry));
        return error_hint(err, "look at '%s'; --trust takes it as it is", xml_path);
    }
    json_array_foreach (json_get_arr(facts, "disks"), i, entry) {
        const char *file = json_get_str(entry, "file"), *target = json_get_str(entry, "target");
        ImportDisk *disk = g_new0(ImportDisk, 1);
        g_ptr_array_add(import->disks, disk);
        if (!file || !target || !path_is_safe_component(file))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' names a disk that cannot be", facts_path);
        disk->path = path_join(import->path, file);
        disk->place.target = g_strdup(target);
        if (!look(import, disk, err))
            return false;
    }
    return true;
}

static bool open_document(Import *import, const char *document, Error **err)
{
    g_autofree char *folder = g_path_get_dirname(document);
    AUTO_JSON request = json_pack("{s:s}", "path", document);
    const char *dot = strrchr(document, '.');
    g_autofree char *manifest = g_strdup_printf("%.*s.mf", dot ? (int)(dot - document) : 0, document);

    return verify(import, manifest, err) &&
           ask(import, "machine", "Machine", request, &import->machine, err) &&
           take_disks(import, folder, err);
}

/* "debian.vmdk" is a machine "debian" of one disk. */
static bool open_disk(Import *import, Error **err)
{
    g_autofree char *name = g_path_get_basename(import->path), *folder = g_path_get_dirname(import->path);
    g_autofree char *file = g_strdup(name);
    char *dot = strrchr(name, '.');

    if (dot && dot != name)
        *dot = '\0';
    import->machine = json_pack("{s:s, s:s, s:[{s:s}], s:[{}], s:[]}", "kind", "disk", "name", name, "disks",
                                "file", file, "nics", "notes");
    return take_disks(import, folder, err);
}

bool import_source_open(Import *import, Error **err)
{
    g_autofree char *facts = path_join(import->path, EXPORT_FACTS), *document = NULL;
    struct stat st;

    if (stat(import->path, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", import->path);
    if (S_ISDIR(st.st_mode) && access(facts, F_OK) == 0)
        return open_own(import, err);
    if (S_ISDIR(st.st_mode))
        return find_document(import->path, &document, err) && open_document(import, document, err);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is neither a file nor a folder", import->path);
    if (ends_with(import->path, documents))
        return open_document(import, import->path, err);
    if (is_archive(import->path))
        return unpack(import, &document, err) && open_document(import, document, err);
    return open_disk(import, err);
}
