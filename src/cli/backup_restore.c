/* `lodge backup restore`: the disks first, each into an image that nobody uses yet; when all of them are
 * complete, they take their places, and the machine is defined. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/disk.h"
#include "base/file.h"
#include "cli/backup.h"
#include "cli/backup_xml.h"
#include "cli/class.h"
#include "cli/disk_nbd.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/place.h"

#define TEMPORARY ".lodge-restore" /* behind the name of an image that is to be replaced */

typedef struct RestoreDisk {
    const ManifestDisk *disk;
    RestoredDisk place; /* where it will be */
    char *path;         /* what is written: place.path, or a file beside it */
    WireStorageVol vol; /* that was made for it */
    bool made_vol, made_file;
    DiskTarget target;
    DiskNbd *server;
    xmlNode *encryption; /* of the definition; NULL: in the clear */
} RestoreDisk;

typedef struct Restore {
    Cli *cli;
    const RestoreOrder *order;
    const char *name; /* of the machine */
    GPtrArray *disks; /* of RestoreDisk */
    GPtrArray *damage;
    XmlDoc *doc; /* the definition in the backup */
} Restore;

void restored_clear(Restored *restored)
{
    wire_domain_clear(&restored->dom);
    g_clear_pointer(&restored->images, g_ptr_array_unref);
    g_clear_pointer(&restored->damage, g_ptr_array_unref);
}

static void restore_disk_free(void *data)
{
    RestoreDisk *disk = data;

    disk_nbd_stop(disk->server);
    wire_storage_vol_clear(&disk->vol);
    g_free(disk->place.target);
    g_free(disk->place.path);
    g_free(disk->place.format);
    g_free(disk->path);
    g_free(disk);
}

static RestoreDisk *restore_disk_at(const Restore *restore, guint number)
{
    return g_ptr_array_index(restore->disks, number);
}

/* ---- whether it may be ---- */

static bool restore_check_idle(const Restore *restore, const WireDomain *dom, Error **err)
{
    const WireDomainHasManagedSaveImageArgs saved_args = { .dom = *dom };
    const WireDomainSnapshotNumArgs snapshot_args = { .dom = *dom };
    WireDomainHasManagedSaveImageRet saved = { 0 };
    WireDomainSnapshotNumRet snapshots = { 0 };
    bool is_active = false;

    if (!cli_domain_is_active(restore->cli, dom, &is_active, err))
        return false;
    if (is_active) {
        error_set(err, ERROR_INVALID_STATE, "machine '%s' is running", dom->name);
        return error_hint(err, "'lodge shutdown %s' first, or restore a second machine with --as NAME",
                          dom->name);
    }
    if (!cli_call(restore->cli, PROC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, &saved_args, &saved, err))
        return false;
    if (saved.result) {
        error_set(err, ERROR_INVALID_STATE,
                  "machine '%s' is saved, and would go on with what it knew of its disks", dom->name);
        return error_hint(err, "'lodge managedsave-remove %s' gives the saved state up", dom->name);
    }
    if (cli_call(restore->cli, PROC_DOMAIN_SNAPSHOT_NUM, &snapshot_args, &snapshots, NULL) &&
        snapshots.num > 0) {
        error_set(err, ERROR_INVALID_STATE, "machine '%s' has %d snapshots, which need the disks as they are",
                  dom->name, snapshots.num);
        return error_hint(err, "delete them first, or restore a second machine with --as NAME");
    }
    return true;
}

/* A new machine's name must be free, the old machine at rest. */
static bool restore_check_machine(const Restore *restore, Error **err)
{
    const WireDomainLookupByNameArgs by_name = { .name = (char *)restore->name };
    g_auto(WireDomainLookupByNameRet) named = { 0 };
    WireDomainLookupByUuidArgs by_uuid = { 0 };
    g_auto(WireDomainLookupByUuidRet) found = { 0 };

    if (restore->order->name) {
        if (!cli_call(restore->cli, PROC_DOMAIN_LOOKUP_BY_NAME, &by_name, &named, NULL))
            return true;
        return error_set(err, ERROR_OPERATION_FAILED, "there is a machine '%s' already", restore->name);
    }
    if (!uuid_parse(restore->order->manifest->uuid, &by_uuid.uuid, err))
        return false;
    return !cli_call(restore->cli, PROC_DOMAIN_LOOKUP_BY_UUID, &by_uuid, &found, NULL) ||
           restore_check_idle(restore, &found.dom, err);
}

/* ---- where disks go ---- */

static bool make_image(const Restore *restore, RestoreDisk *disk, Error **err)
{
    if (disk->encryption) {
        disk->made_file = true;
        return disk_nbd_make(restore->cli, disk->path, disk->place.format, disk->disk->map.size, restore->doc,
                             disk->encryption, err);
    }
    g_autofree char *size = g_strdup_printf("%" PRIu64, disk->disk->map.size);
    const char *const argv[] = { "qemu-img", "create",   "-q", "-f", disk->place.format,
                                 "--",       disk->path, size, NULL };

    disk->made_file = true;
    return backup_run_tool(argv, NULL, err) || error_prefix(err, "cannot make '%s'", disk->path);
}

static bool place_in_folder(const Restore *restore, RestoreDisk *disk, Error **err)
{
    g_autofree char *name =
        g_strdup_printf("%s-%s.%s", restore->name, disk->disk->target,
                        g_str_equal(disk->place.format, "raw") ? "img" : disk->place.format);

    disk->place.path = path_join(restore->order->folder, name);
    disk->path = g_strdup(disk->place.path);
    if (access(disk->path, F_OK) == 0)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is there already", disk->path);
    return make_image(restore, disk, err);
}

static bool place_in_pool(const Restore *restore, RestoreDisk *disk, Error **err)
{
    const WireStoragePoolLookupByNameArgs find = { .name = (char *)restore->order->pool };
    g_auto(WireStoragePoolLookupByNameRet) pool = { 0 };
    g_auto(WireStorageVolCreateXmlRet) made = { 0 };
    g_auto(WireStorageVolGetPathRet) path = { 0 };
    struct stat st;

    if (!cli_call(restore->cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &find, &pool, err))
        return false;
    g_autofree char *name =
        g_markup_printf_escaped("%s-%s.%s", restore->name, disk->disk->target,
                                g_str_equal(disk->place.format, "raw") ? "img" : disk->place.format);
    g_autofree char *head = g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>%" PRIu64
                                                    "</capacity><allocation>0</allocation>"
                                                    "<target><format type='%s'/>",
                                                    name, disk->disk->map.size, disk->place.format);
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();
    if (disk->encryption)
        g_ptr_array_add(nodes, disk->encryption);
    g_autofree char *encryption = xml_format_nodes(restore->doc, nodes, false);
    g_autofree char *xml = g_strconcat(head, encryption, "</target></volume>", NULL);
    const WireStorageVolCreateXmlArgs create = { .pool = pool.pool, .xml = xml };
    if (!cli_call(restore->cli, PROC_STORAGE_VOL_CREATE_XML, &create, &made, err))
        return error_prefix(err, "cannot make volume '%s'", name);
    disk->vol = made.vol;
    made.vol = (WireStorageVol){ 0 };
    disk->made_vol = true;
    const WireStorageVolGetPathArgs ask = { .vol = disk->vol };
    if (!cli_call(restore->cli, PROC_STORAGE_VOL_GET_PATH, &ask, &path, err))
        return false;
    if (stat(path.name, &st) < 0)
        return error_set(err, ERROR_NOT_SUPPORTED, "volume '%s' is no file and no device of this host", name);
    disk->place.path = g_strdup(path.name);
    disk->path = g_strdup(path.name);
    if (S_ISBLK(st.st_mode) && disk->encryption)
        return error_set(err, ERROR_NOT_SUPPORTED, "a device is not encrypted here");
    if (S_ISBLK(st.st_mode)) { /* nobody says that it was empty */
        disk->target = DISK_IS_USED;
        g_free(disk->place.format);
        disk->place.format = g_strdup("raw");
    }
    return true;
}

static bool place_as_before(const Restore *restore, RestoreDisk *disk, Error **err)
{
    const char *source = disk->disk->source;
    struct stat st;

    if (!source || source[0] != '/') {
        error_set(err, ERROR_NOT_SUPPORTED, "it was on no file and no device of its host");
        return error_hint(err, "say where it is to go with --pool or --folder");
    }
    disk->place.path = g_strdup(source);
    if (stat(source, &st) == 0 && S_ISBLK(st.st_mode)) {
        if (disk->encryption)
            return error_set(err, ERROR_NOT_SUPPORTED, "a device is not encrypted here");
        disk->path = g_strdup(source);
        disk->target = DISK_IS_USED;
        g_free(disk->place.format);
        disk->place.format = g_strdup("raw");
        return true;
    }
    disk->path = g_strconcat(source, TEMPORARY, NULL);
    (void)unlink(disk->path); /* of a restore that was killed */
    return make_image(restore, disk, err);
}

/* What its new image is encrypted by: the same secret. */
static bool restore_find_encryption(const Restore *restore, RestoreDisk *disk, Error **err)
{
    g_autoptr(GPtrArray) nodes = NULL;
    g_autofree char *xpath = domain_disk_encryption(disk->disk->target);

    if (restore->order->decrypt)
        return true;
    if (!xml_select(restore->doc, NULL, xpath, &nodes, err))
        return false;
    disk->encryption = nodes->len ? nodes->pdata[0] : NULL;
    disk->place.is_encrypted = disk->encryption;
    return true;
}

static bool restore_place(Restore *restore, Error **err)
{
    const RestoreOrder *order = restore->order;

    for (guint i = 0; i < order->manifest->disks->len; i++) {
        RestoreDisk *disk = g_new0(RestoreDisk, 1);
        disk->disk = manifest_disk_at(order->manifest, i);
        disk->place.target = g_strdup(disk->disk->target);
        /* Others can be read, but are nothing that one would make. */
        disk->place.format = g_strdup(order->format                            ? order->format
                                      : g_str_equal(disk->disk->format, "raw") ? "raw"
                                                                               : "qcow2");
        g_ptr_array_add(restore->disks, disk);
        const bool ok = restore_find_encryption(restore, disk, err) &&
                        (order->pool     ? place_in_pool(restore, disk, err)
                         : order->folder ? place_in_folder(restore, disk, err)
                                         : place_as_before(restore, disk, err));
        if (!ok)
            return error_prefix(err, "disk '%s'", disk->disk->target);
    }
    return true;
}

/* ---- content ---- */

static bool restore_thread(void *arg, WorkProgress *progress, Error **err)
{
    Restore *restore = arg;

    if (!repo_load(restore->order->repo, err))
        return false;
    for (guint i = 0; i < restore->disks->len; i++) {
        const RestoreDisk *disk = restore_disk_at(restore, i);
        const NbdPlace place = { .socket = disk_nbd_socket(disk->server), .export = "" };
        const guint before = restore->damage->len;
        if (!disk_write(restore->order->repo, disk->disk, &place, disk->target, progress,
                        restore->order->salvage ? restore->damage : NULL, err))
            return error_prefix(err, "disk '%s'", disk->disk->target);
        for (guint k = before; k < restore->damage->len; k++) {
            char *text = restore->damage->pdata[k];
            restore->damage->pdata[k] = g_strdup_printf("disk '%s', %s", disk->disk->target, text);
            g_free(text);
        }
    }
    return true;
}

static bool restore_write(Restore *restore, Error **err)
{
    for (guint i = 0; i < restore->disks->len; i++) {
        RestoreDisk *disk = restore_disk_at(restore, i);
        if (!(disk->encryption
                  ? disk_nbd_start(restore->cli, disk->path, disk->place.format, restore->doc,
                                   disk->encryption, DISK_NBD_WRITE, &disk->server, err)
                  : disk_nbd_serve(disk->path, disk->place.format, NULL, true, &disk->server, err)))
            return error_prefix(err, "disk '%s'", disk->disk->target);
    }
    if (!backup_run(restore->cli, "Restore", restore_thread, restore, err)) {
        if (error_code(err ? *err : NULL) == ERROR_OPERATION_FAILED && !restore->order->salvage)
            error_hint(err, "if the backup is damaged, --salvage restores what is good");
        return false;
    }
    for (guint i = 0; i < restore->disks->len; i++)
        disk_nbd_stop(g_steal_pointer(&restore_disk_at(restore, i)->server));
    return true;
}

/* The new image is to be whose the old one was; then it is that one. */
static bool take_place(RestoreDisk *disk, Error **err)
{
    struct stat st;
    g_autofree char *folder = g_path_get_dirname(disk->place.path);
    AUTO_FD fd = open(disk->path, O_RDONLY | O_CLOEXEC),
            dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || dir < 0)
        return error_set_errno(err, errno, "cannot open '%s'", disk->path);
    if (lstat(disk->place.path, &st) == 0 && S_ISREG(st.st_mode) &&
        (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0))
        return error_set_errno(err, errno, "cannot give '%s' away", disk->path);
    if (fsync(fd) < 0 || rename(disk->path, disk->place.path) < 0)
        return error_set_errno(err, errno, "cannot replace '%s'", disk->place.path);
    disk->made_file = false;
    (void)fsync(dir);
    return true;
}

/* What nobody needs, because the restore failed. */
static void restore_take_back(const Restore *restore)
{
    for (guint i = 0; i < restore->disks->len; i++) {
        RestoreDisk *disk = restore_disk_at(restore, i);
        disk_nbd_stop(g_steal_pointer(&disk->server));
        if (disk->made_file)
            (void)unlink(disk->path);
        if (disk->made_vol)
            volume_drop(restore->cli, &disk->vol);
    }
}

/* ---- the machine ---- */

static bool restore_define(Restore *restore, Restored *restored, Error **err)
{
    const RestoreOrder *order = restore->order;
    g_autoptr(GPtrArray) places = g_ptr_array_new();
    g_autofree char *xml = NULL, *serial = NULL;
    g_auto(WireDomainDefineXmlRet) ret = { 0 };

    for (guint i = 0; i < restore->disks->len; i++)
        g_ptr_array_add(places, &restore_disk_at(restore, i)->place);
    serial = order->isolated ? path_join(order->folder, "serial.log") : NULL;
    const DefinitionEdit edit = {
        .name = order->name, .disks = places, .isolated = order->isolated, .serial = serial
    };
    if (!definition_edit(order->manifest->definition, &edit, &xml, err))
        return false;
    const WireDomainDefineXmlArgs args = { .xml = xml };
    if (!cli_call(restore->cli, PROC_DOMAIN_DEFINE_XML, &args, &ret, err))
        return error_prefix(err, "cannot define machine '%s'", restore->name);
    restored->dom = ret.dom;
    ret.dom = (WireDomain){ 0 };
    return backup_put_state(restore->cli, &restored->dom, order->repo, order->manifest, err);
}

static bool restore_machine(Restore *restore, const BackupGuard *guard, Restored *restored, Error **err)
{
    if (!restore_check_machine(restore, err) ||
        !xml_parse(restore->order->manifest->definition, &restore->doc, err) ||
        !restore_place(restore, err) || !restore_write(restore, err) || !backup_guard_check(guard, err))
        return false;
    for (guint i = 0; i < restore->disks->len; i++) {
        RestoreDisk *disk = restore_disk_at(restore, i);
        if (strcmp(disk->path, disk->place.path) != 0 && !take_place(disk, err))
            return error_prefix(err, "disk '%s'", disk->disk->target);
    }
    return restore_define(restore, restored, err);
}

bool backup_restore(Cli *cli, const RestoreOrder *order, Restored *ret_restored, Error **err)
{
    Restore restore = { .cli = cli,
                        .order = order,
                        .name = order->name ? order->name : order->manifest->machine };

    restore.disks = g_ptr_array_new_with_free_func(restore_disk_free);
    restore.damage = g_ptr_array_new_with_free_func(g_free);
    g_auto(BackupGuard) guard = { 0 };
    backup_guard_begin(cli, &guard);
    const bool ok = restore_machine(&restore, &guard, ret_restored, err);
    if (ok) {
        ret_restored->damage = g_steal_pointer(&restore.damage);
        ret_restored->images = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < restore.disks->len; i++)
            g_ptr_array_add(ret_restored->images, g_strdup(restore_disk_at(&restore, i)->place.path));
    } else {
        restore_take_back(&restore);
    }
    g_ptr_array_unref(restore.disks);
    g_clear_pointer(&restore.damage, g_ptr_array_unref);
    xml_doc_free(restore.doc);
    return ok;
}

/* ---- files of firmware and TPM ---- */

bool backup_fetch_state(Cli *cli, const WireDomain *dom, Json **ret_files, Error **err)
{
    const WireLodgeDomainFilesArgs args = { .dom = *dom, .json = (char *)"" };
    g_auto(WireLodgeDomainFilesRet) ret = { 0 };

    return lodge_call(cli, LODGE_PROC_DOMAIN_FILES, &args, &ret, WIRE_NO_TIMEOUT, err) &&
           json_parse(ret.json, strlen(ret.json), "the daemon's list of files", ret_files, err);
}

bool backup_put_state(Cli *cli, const WireDomain *dom, Repo *repo, const Manifest *manifest, Error **err)
{
    AUTO_JSON files = json_array();
    g_auto(WireLodgeDomainFilesRet) ret = { 0 };

    for (guint i = 0; i < manifest->files->len; i++) {
        const ManifestFile *file = manifest_file_at(manifest, i);
        g_autofree void *data = NULL;
        size_t len = 0;
        if (!file_fetch(repo, file, &data, &len, err))
            return false;
        g_autofree char *text = g_base64_encode(data, len);
        json_array_append_new(files, json_pack("{s:s, s:s, s:s}", "role", file->role, "name", file->name,
                                               "data", text));
    }
    if (!manifest->files->len)
        return true;
    g_autofree char *json = json_format(files);
    const WireLodgeDomainFilesArgs args = { .dom = *dom, .json = json, .flags = LODGE_DOMAIN_FILES_PUT };
    return lodge_call(cli, LODGE_PROC_DOMAIN_FILES, &args, &ret, WIRE_NO_TIMEOUT, err) ||
           error_prefix(err, "the state of firmware and TPM");
}

/* ---- the command ---- */

bool backup_restore_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *folder =
        args_has(args, "folder") ? g_canonicalize_filename(args_get(args, "folder"), NULL) : NULL;
    g_autoptr(Repo) repo = NULL;
    g_autoptr(Manifest) manifest = NULL;
    g_auto(Restored) restored = { 0 };

    cli_doing(cli, "Failed to restore backup '%s'", args_get(args, "backup"));
    if (!cli_is_local(cli)) {
        error_set(err, ERROR_NOT_SUPPORTED, "the machine would be on another host than this command");
        return error_hint(err, "run 'lodge backup restore' on that host, for example through ssh");
    }
    if (args_has(args, "as") && !folder && !args_has(args, "pool")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "nothing says where the new machine's disks go");
        return error_hint(err, "add --pool POOL or --folder FOLDER");
    }
    if (!backup_open_repo(args, REPO_READ, "restore", &repo, err) ||
        !manifest_find(repo, args_get(args, "backup"), &manifest, err))
        return false;
    const RestoreOrder order = { .repo = repo,
                                 .manifest = manifest,
                                 .name = args_get(args, "as"),
                                 .pool = args_get(args, "pool"),
                                 .folder = folder,
                                 .format = args_get(args, "format"),
                                 .decrypt = args_has(args, "decrypt"),
                                 .salvage = args_has(args, "salvage") };
    if (!backup_restore(cli, &order, &restored, err))
        return false;
    Json *images = json_array(), *damage = json_array();
    for (guint i = 0; i < restored.images->len; i++)
        json_array_append_new(images, json_string(restored.images->pdata[i]));
    for (guint i = 0; i < restored.damage->len; i++) {
        fprintf(stderr, "warning: left out: %s\n", (const char *)restored.damage->pdata[i]);
        json_array_append_new(damage, json_string(restored.damage->pdata[i]));
        cli->exit_code = CLI_EXIT_FAILED;
    }
    cli_say(cli, "Machine '%s' is restored from backup '%s'\n", restored.dom.name, manifest->id);
    cli_print_json(cli, json_pack("{s:s, s:s, s:o, s:o}", "machine", restored.dom.name, "id", manifest->id,
                                  "images", images, "left_out", damage));
    return true;
}
