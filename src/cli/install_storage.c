/* The disks of a machine that is installed: what they are, and making those that are not there. Everything
 * goes by the daemon's pools and volumes, so that it works on another host too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/domain.h"
#include "cli/install_job.h"
#include "cli/lodge_call.h"
#include "cli/place.h"
#include "install/document.h"

#define GIB ((double)(UINT64_C(1) << 30))

/* A volume that is to be made. */
typedef struct NewVolume {
    InstallJob *job;
    char *pool;
    WireStorageVol volume;
    bool is_made;
} NewVolume;

/* ---- pools ---- */

static bool pool_by_name(Cli *cli, const char *name, WireStoragePool *ret_pool, Error **err)
{
    const WireStoragePoolLookupByNameArgs call = { .name = (char *)name };

    return cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &call, ret_pool, err);
}

static char *pool_folder(Cli *cli, const WireStoragePool *pool, char **ret_type)
{
    g_auto(WireStoragePoolGetXmlDescRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    const WireStoragePoolGetXmlDescArgs call = { .pool = *pool };

    if (!cli_call(cli, PROC_STORAGE_POOL_GET_XML_DESC, &call, &ret, NULL) || !xml_parse(ret.xml, &doc, NULL))
        return NULL;
    if (ret_type)
        *ret_type = xml_get(doc, NULL, "/pool/@type");
    return xml_get(doc, NULL, "/pool/target/path");
}

/* The pool whose folder it is; false: there is none. */
static bool pool_of_folder(Cli *cli, const char *folder, WireStoragePool *ret_pool)
{
    const WireStoragePoolLookupByTargetPathArgs call = { .path = (char *)folder };

    return cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_TARGET_PATH, &call, ret_pool, NULL);
}

static void refresh(Cli *cli, const WireStoragePool *pool)
{
    const WireStoragePoolRefreshArgs call = { .pool = *pool };

    (void)!cli_call(cli, PROC_STORAGE_POOL_REFRESH, &call, NULL, NULL); /* what it knows already serves too */
}

/* A name that no pool has. */
static char *free_pool_name(Cli *cli, const char *folder)
{
    g_autofree char *base = strcmp(folder, "/") == 0 ? g_strdup("root") : g_path_get_basename(folder);

    for (unsigned i = 0;; i++) {
        g_auto(WireStoragePool) pool = { 0 };
        char *name = i ? g_strdup_printf("%s-%u", base, i) : g_strdup(base);
        if (!pool_by_name(cli, name, &pool, NULL))
            return name;
        g_free(name);
    }
}

/* A folder becomes a pool, so that the daemon makes and finds images in it. It stays: the machine's images
 * are in it. */
static bool make_pool(InstallJob *job, const char *folder, const char *name, WireStoragePool *ret_pool,
                      Error **err)
{
    g_autofree char *xml =
        g_markup_printf_escaped("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>",
                                name, folder);
    const WireStoragePoolDefineXmlArgs define = { .xml = xml };

    if (!cli_call(job->cli, PROC_STORAGE_POOL_DEFINE_XML, &define, ret_pool, err))
        return false;
    const WireStoragePoolCreateArgs start = { .pool = *ret_pool };
    const WireStoragePoolSetAutostartArgs autostart = { .pool = *ret_pool, .autostart = 1 };
    const WireStoragePoolUndefineArgs undefine = { .pool = *ret_pool };
    if (cli_call(job->cli, PROC_STORAGE_POOL_CREATE, &start, NULL, err) &&
        cli_call(job->cli, PROC_STORAGE_POOL_SET_AUTOSTART, &autostart, NULL, err))
        return true;
    (void)!cli_call(job->cli, PROC_STORAGE_POOL_UNDEFINE, &undefine, NULL, NULL);
    return false;
}

/* Where images lie if nobody says where. */
static bool default_pool(InstallJob *job, WireStoragePool *ret_pool, Error **err)
{
    g_autofree char *path = NULL;

    return place_pool(job->cli, "default", PLACE_MAKE, ret_pool, &path, err);
}

/* ---- what is there ---- */

static bool volume_is(InstallJob *job, InstallDisk *disk, const WireStorageVol *volume, Error **err)
{
    g_auto(WireStorageVolGetXmlDescRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    const WireStorageVolGetXmlDescArgs call = { .vol = *volume };

    if (!cli_call(job->cli, PROC_STORAGE_VOL_GET_XML_DESC, &call, &ret, err) ||
        !xml_parse(ret.xml, &doc, err))
        return false;
    g_autofree char *format = xml_get(doc, NULL, "/volume/target/format/@type");
    g_autofree char *path = xml_get(doc, NULL, "/volume/target/path");
    g_autofree char *type = xml_get(doc, NULL, "/volume/@type");
    const bool is_known =
        format && strcmp(format, "unknown") != 0 && strcmp(format, "iso") != 0 && strcmp(format, "dir") != 0;
    install_disk_is(disk,
                    g_strcmp0(type, "block") == 0 ? "block"
                    : g_strcmp0(type, "dir") == 0 ? "dir"
                                                  : "file",
                    path ? path : disk->path, is_known ? format : "raw");
    return true;
}

/* An image that no pool has: the daemon looks at it, or says only that it is not there. */
static bool file_is(InstallJob *job, InstallDisk *disk, Error **err)
{
    g_auto(WireLodgeImageInfoRet) ret = { 0 };
    const WireLodgeImageInfoArgs call = { .image = disk->path };
    struct stat st;
    const bool is_here = cli_is_local(job->cli) && stat(disk->path, &st) == 0;

    if (is_here && S_ISDIR(st.st_mode)) {
        install_disk_is(disk, "dir", disk->path, "raw");
        return true;
    }
    if (is_here && S_ISCHR(st.st_mode)) {
        install_disk_is(disk, "file", disk->path, NULL);
        return true;
    }
    if (is_here && S_ISBLK(st.st_mode)) {
        install_disk_is(disk, "block", disk->path, disk->format ? disk->format : "raw");
        return true;
    }
    if (!lodge_call(job->cli, LODGE_PROC_IMAGE_INFO, &call, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    AUTO_JSON info = NULL;
    if (!json_parse(ret.json, strlen(ret.json), "the image", &info, err))
        return false;
    const char *format = json_get_str(info, "format");
    install_disk_is(disk, "file", disk->path, disk->format ? disk->format : format ? format : "raw");
    return true;
}

static bool is_there(InstallJob *job, const char *path, WireStorageVol *ret_volume, bool *ret_is_volume)
{
    const WireStorageVolLookupByPathArgs call = { .path = (char *)path };
    g_autofree char *folder = g_path_get_dirname(path);
    g_auto(WireStoragePool) pool = { 0 };

    *ret_is_volume = cli_call(job->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &call, ret_volume, NULL);
    if (!*ret_is_volume && pool_of_folder(job->cli, folder, &pool)) {
        refresh(job->cli, &pool);
        *ret_is_volume = cli_call(job->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &call, ret_volume, NULL);
    }
    return *ret_is_volume || (cli_is_local(job->cli) && access(path, F_OK) == 0);
}

/* ---- whose it is already ---- */

static bool is_shared(XmlDoc *doc, xmlNode *disk)
{
    g_autofree char *read_only = xml_get(doc, disk, "name(./readonly)");
    g_autofree char *shareable = xml_get(doc, disk, "name(./shareable)");

    return read_only || shareable;
}

static bool check_users(InstallJob *job, const InstallDisk *disk, const char *path, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) all = { 0 };
    const bool is_ours_shared = doc_has(disk->node, "readonly") || doc_has(disk->node, "shareable");

    if (!job->checks_paths || is_ours_shared || !cli_list_domains(job->cli, 0, &all, err))
        return !job->checks_paths || is_ours_shared;
    for (uint32_t i = 0; i < all.n_domains; i++) {
        g_autofree char *xml = NULL;
        g_autoptr(XmlDoc) doc = NULL;
        g_autoptr(GPtrArray) disks = NULL;
        if (!cli_domain_xml(job->cli, &all.domains[i], 0, &xml, NULL) || !xml_parse(xml, &doc, NULL) ||
            !xml_select(doc, NULL, "/domain/devices/disk", &disks, NULL))
            continue; /* it went meanwhile */
        for (guint d = 0; d < disks->len; d++) {
            g_autofree char *file = xml_get(doc, disks->pdata[d], "./source/@file | ./source/@dev");
            if (g_strcmp0(file, path) != 0 || is_shared(doc, disks->pdata[d]))
                continue;
            error_set(err, ERROR_OPERATION_FAILED, "disk %s is already in use by other guests ['%s']", path,
                      all.domains[i].name);
            return error_hint(err, "--check path_in_use=off uses it nevertheless");
        }
    }
    return true;
}

/* ---- new images ---- */

static const char *suffix_of(const char *format)
{
    return strcmp(format, "raw") == 0 ? "img" : format;
}

static bool volume_exists(InstallJob *job, const WireStoragePool *pool, const char *name)
{
    g_auto(WireStorageVol) volume = { 0 };
    const WireStorageVolLookupByNameArgs call = { .pool = *pool, .name = (char *)name };

    return cli_call(job->cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &call, &volume, NULL);
}

static bool is_planned(const InstallJob *job, const char *path)
{
    for (guint i = 0; i < job->install->disks->len; i++)
        if (install_disk(job->install, i)->is_made &&
            g_strcmp0(install_disk(job->install, i)->path, path) == 0)
            return true;
    return false;
}

/* "web.qcow2", "web-1.qcow2", ... */
static char *free_path(InstallJob *job, const WireStoragePool *pool, const char *folder, const char *format)
{
    for (unsigned i = 0;; i++) {
        g_autofree char *name = i ? g_strdup_printf("%s-%u.%s", job->name, i, suffix_of(format))
                                  : g_strdup_printf("%s.%s", job->name, suffix_of(format));
        char *path = g_build_filename(folder, name, NULL);
        if (!volume_exists(job, pool, name) && !is_planned(job, path) &&
            (!cli_is_local(job->cli) || access(path, F_OK) != 0))
            return path;
        g_free(path);
    }
}

static bool is_block_pool(const char *type)
{
    return g_strcmp0(type, "logical") == 0 || g_strcmp0(type, "disk") == 0 || g_strcmp0(type, "zfs") == 0;
}

static bool check_space(InstallJob *job, const WireStoragePool *pool, const InstallDisk *disk, Error **err)
{
    WireStoragePoolGetInfoRet info = { 0 };
    const WireStoragePoolGetInfoArgs call = { .pool = *pool };

    if (!job->checks_space || !cli_call(job->cli, PROC_STORAGE_POOL_GET_INFO, &call, &info, NULL))
        return true;
    const uint64_t wanted = (uint64_t)(disk->size_gib * GIB);
    if (wanted <= info.available)
        return true;
    if (!disk->is_full) {
        install_warn(job, "'%s' can grow to %.1f GiB, and there are %.1f GiB free in the pool '%s'",
                     disk->path, disk->size_gib, (double)info.available / GIB, pool->name);
        return true;
    }
    error_set(err, ERROR_OPERATION_FAILED,
              "there is not enough free space for '%s': %.1f GiB are wanted, %.1f GiB are free", disk->path,
              disk->size_gib, (double)info.available / GIB);
    return error_hint(err, "--check disk_size=off makes it nevertheless");
}

/* Notes a new image; its pool is made if need be, but not on a dry run. */
static bool plan_new(InstallJob *job, InstallDisk *disk, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *folder = NULL, *type = NULL;
    bool has_pool = true;

    if (disk->pool) {
        if (!pool_by_name(job->cli, disk->pool, &pool, err))
            return false;
    } else if (!disk->path) {
        if (!default_pool(job, &pool, err))
            return false;
    } else {
        folder = g_path_get_dirname(disk->path);
        has_pool = pool_of_folder(job->cli, folder, &pool);
        if (!has_pool && cli_is_local(job->cli) && access(folder, F_OK) != 0)
            return error_set_errno(err, errno, "cannot make '%s': its folder", disk->path);
    }
    if (has_pool) {
        g_free(folder);
        folder = pool_folder(job->cli, &pool, &type);
        install_set(&disk->pool, pool.name);
    }
    const bool is_block = is_block_pool(type);
    if (!disk->format)
        disk->format = g_strdup(is_block ? "raw" : "qcow2");
    disk->is_made = true;
    if (!disk->path) {
        g_autofree char *path = free_path(job, &pool, folder ? folder : "", disk->format);
        install_set(&disk->path, path);
    }
    install_disk_is(disk, is_block ? "block" : "file", disk->path, disk->format);
    return !has_pool || check_space(job, &pool, disk, err);
}

static bool look_at(InstallJob *job, InstallDisk *disk, Error **err)
{
    g_auto(WireStorageVol) volume = { 0 };
    bool is_volume = false;

    if (doc_is(disk->node, "@type", "network") || doc_has(disk->node, "source/@protocol")) {
        doc_set(disk->node, "@type", "network");
        doc_default(disk->node, "driver/@name", "qemu");
        return true;
    }
    if (disk->vol) {
        const char *slash = strchr(disk->vol, '/');
        g_autofree char *name = g_strndup(disk->vol, (size_t)(slash - disk->vol));
        g_auto(WireStoragePool) pool = { 0 };
        if (!pool_by_name(job->cli, name, &pool, err))
            return false;
        const WireStorageVolLookupByNameArgs call = { .pool = pool, .name = (char *)slash + 1 };
        return cli_call(job->cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &call, &volume, err) &&
               volume_is(job, disk, &volume, err);
    }
    if (!disk->path) {
        static const char *const places[] = { "source/@file", "source/@dev", "source/@dir" };
        for (size_t i = 0; i < G_N_ELEMENTS(places) && !disk->path; i++)
            disk->path = doc_get(disk->node, places[i]);
    }
    if (disk->path) {
        g_autofree char *path =
            cli_is_local(job->cli) ? g_canonicalize_filename(disk->path, NULL) : g_strdup(disk->path);
        install_set(&disk->path, path);
    }
    if (disk->path && is_there(job, disk->path, &volume, &is_volume))
        return (is_volume ? volume_is(job, disk, &volume, err) : file_is(job, disk, err)) &&
               check_users(job, disk, disk->path, err);
    if (disk->size_gib > 0 || disk->backing_store)
        return plan_new(job, disk, err);
    if (disk->path) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "'%s' is not there, and no size says how large it is to be made", disk->path);
        return error_hint(err, "size=20 makes an image of 20 GiB");
    }
    if (doc_is(disk->node, "@device", "disk") || doc_is(disk->node, "@device", "lun"))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--disk: neither path, pool, vol nor size says what it is");
    return true; /* an empty drive */
}

bool install_storage(InstallJob *job, Error **err)
{
    for (guint i = 0; i < job->install->disks->len; i++)
        if (!look_at(job, install_disk(job->install, i), err))
            return false;
    return true;
}

static void delete_volume(void *arg)
{
    NewVolume *made = arg;

    if (made->is_made)
        volume_drop(made->job->cli, &made->volume);
}

static bool make_one(InstallJob *job, InstallDisk *disk, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *folder = g_path_get_dirname(disk->path), *name = g_path_get_basename(disk->path);
    g_autofree char *pool_name = disk->pool ? NULL : free_pool_name(job->cli, folder);
    const uint64_t bytes = (uint64_t)(disk->size_gib * GIB);

    if (!(disk->pool ? pool_by_name(job->cli, disk->pool, &pool, err)
                     : make_pool(job, folder, pool_name, &pool, err)))
        return false;
    g_autofree char *below =
        disk->backing_store
            ? g_markup_printf_escaped("<backingStore><path>%s</path><format type='%s'/></backingStore>",
                                      disk->backing_store,
                                      disk->backing_format ? disk->backing_format : "qcow2")
            : g_strdup("");
    g_autofree char *what =
        g_markup_printf_escaped("<volume><name>%s</name><capacity>%" PRIu64 "</capacity><allocation>%" PRIu64
                                "</allocation><target><format type='%s'/></target>",
                                name, bytes, disk->is_full ? bytes : 0, disk->format);
    g_autofree char *whole = g_strconcat(what, below, "</volume>", NULL);
    NewVolume *made = g_new0(NewVolume, 1);
    const WireStorageVolCreateXmlArgs call = { .pool = pool, .xml = whole };
    made->job = job;
    g_ptr_array_add(job->volumes, made);
    if (!cli_call(job->cli, PROC_STORAGE_VOL_CREATE_XML, &call, &made->volume, err))
        return error_prefix(err, "making '%s'", disk->path);
    made->is_made = true;
    undo_push(&job->undo, delete_volume, made);
    return true;
}

bool install_storage_make(InstallJob *job, Error **err)
{
    for (guint i = 0; i < job->install->disks->len; i++)
        if (install_disk(job->install, i)->is_made && !make_one(job, install_disk(job->install, i), err))
            return false;
    return true;
}

void install_volume_free(void *data)
{
    NewVolume *made = data;

    wire_clear(WIRE_TYPE_STORAGE_VOL, &made->volume);
    g_free(made->pool);
    g_free(made);
}
