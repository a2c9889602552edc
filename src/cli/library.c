/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/library.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "cli/backup.h"
#include "cli/class.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "install/media_run.h"
#include "wire/error_map.h"

#define FACTS ".json"
#define FACTS_MAX ((size_t)64 << 10)
#define FACTS_VERSION 1
#define STALL_S 30u
#define QUIET_MS 60000u /* beyond what it takes the helper itself to notice */
#define PIECE ((size_t)1 << 20)

void library_image_free(LibraryImage *image)
{
    if (!image)
        return;
    g_free(image->name);
    g_free(image->volume);
    g_free(image->path);
    json_decref(image->facts);
    g_free(image);
}

bool library_check_name(const char *name, Error **err)
{
    bool ok = g_ascii_isalnum(name[0]) && strlen(name) <= 200;

    for (const char *c = name; *c; c++)
        ok = ok && (g_ascii_isalnum(*c) || strchr("._+-", *c));
    return (ok && !g_str_has_suffix(name, FACTS)) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be the name of an image", name);
}

/* ---- looking ---- */

/* Facts are read again each time: other users of the host change the library, too. */
static bool read_image(Cli *cli, const char *folder, const WireStorageVol *facts, LibraryImage **ret_image,
                       Error **err)
{
    g_autofree char *text = NULL;
    g_autoptr(LibraryImage) image = g_new0(LibraryImage, 1);

    if (!volume_get_text(cli, facts, FACTS_MAX, &text, err))
        return false;
    image->name = g_strndup(facts->name, strlen(facts->name) - strlen(FACTS));
    if (!json_parse(text, strlen(text), facts->name, &image->facts, NULL))
        image->facts = json_object(); /* whoever wrote it was killed */
    const char *volume = json_get_str(image->facts, "volume");
    if (volume && path_is_safe_component(volume)) {
        image->volume = g_strdup(volume);
        image->path = path_join(folder, volume);
        image->is_whole = json_get_bool(image->facts, "whole", false);
    }
    *ret_image = g_steal_pointer(&image);
    return true;
}

static bool no_image(const char *name, Error **err)
{
    error_set(err, ERROR_NO_STORAGE_VOL, "there is no image '%s' in the library", name);
    return error_hint(err, "'lodge image list' shows those that are there, 'lodge image search' those that "
                           "can be fetched");
}

bool library_find(Cli *cli, const char *name, LibraryImage **ret_image, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStorageVol) facts = { 0 };
    g_autofree char *folder = NULL, *file = g_strconcat(name, FACTS, NULL);
    g_autoptr(Error) why = NULL;

    if (!library_check_name(name, err))
        return false;
    if (!place_pool(cli, LIBRARY_POOL, PLACE_MUST_BE, &pool, &folder, &why) ||
        !volume_find(cli, &pool, file, &facts, &why)) {
        const int code = wire_error_code(why);
        if (code == VIR_ERR_NO_STORAGE_POOL || code == VIR_ERR_NO_STORAGE_VOL)
            return no_image(name, err);
        return error_propagate(err, g_steal_pointer(&why));
    }
    return read_image(cli, folder, &facts, ret_image, err);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(LibraryImage *const *)a)->name, (*(LibraryImage *const *)b)->name);
}

bool library_list(Cli *cli, GPtrArray **ret_images, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *folder = NULL;
    g_autoptr(Error) why = NULL;
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)library_image_free);
    g_auto(WireStoragePoolListAllVolumesRet) ret = { 0 };

    if (!place_pool(cli, LIBRARY_POOL, PLACE_MUST_BE, &pool, &folder, &why)) {
        if (wire_error_code(why) != VIR_ERR_NO_STORAGE_POOL)
            return error_propagate(err, g_steal_pointer(&why));
        *ret_images = g_steal_pointer(&images);
        return true;
    }
    const WireStoragePoolListAllVolumesArgs args = { .pool = pool, .need_results = 1 };
    if (!cli_call(cli, PROC_STORAGE_POOL_LIST_ALL_VOLUMES, &args, &ret, err))
        return false;
    for (unsigned i = 0; i < ret.n_vols; i++) {
        LibraryImage *image = NULL;
        if (!g_str_has_suffix(ret.vols[i].name, FACTS))
            continue;
        if (!read_image(cli, folder, &ret.vols[i], &image, &why)) { /* it went meanwhile */
            if (wire_error_code(why) != VIR_ERR_NO_STORAGE_VOL)
                return error_propagate(err, g_steal_pointer(&why));
            g_clear_pointer(&why, error_free);
            continue;
        }
        g_ptr_array_add(images, image);
    }
    g_ptr_array_sort(images, by_name);
    *ret_images = g_steal_pointer(&images);
    return true;
}

/* ---- what a file is ---- */

/* A partition of EFI's in its table: then it starts with UEFI. Of other images nothing is known but that the
 * old firmware starts them. */
static bool has_efi(const char *path, const char *format)
{
    static const guint8 system_partition[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                                 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
    g_autofree char *copy = NULL, *from = g_strconcat("if=", path, NULL), *to = NULL, *data = NULL;
    size_t len = 0;
    AUTO_FD fd = g_file_open_tmp("lodge-head-XXXXXX", &copy, NULL);

    if (fd < 0)
        return false;
    to = g_strconcat("of=", copy, NULL);
    const char *const argv[] = { "qemu-img", "dd",       "-f", format, "-O", "raw",
                                 "bs=512",   "count=48", from, to,     NULL };
    const bool ok = backup_run_tool(argv, NULL, NULL) && file_read(copy, 48 * 512, &data, &len, NULL);
    (void)unlink(copy);
    if (!ok || len < 34 * 512 || memcmp(data + 512, "EFI PART", 8) != 0)
        return false;
    for (size_t at = 1024; at + 128 <= len; at += 128)
        if (memcmp(data + at, system_partition, 16) == 0)
            return true;
    return false;
}

/* Looked at by hand before any program opens it: an image names other files, and they would be opened, too.
 */
static bool look_at_header(const char *path, const char **ret_format, Error **err)
{
    static const struct {
        const char *magic, *name;
        uint8_t len;
    } others[] = { { "KDMV", "vmdk", 4 },         { "# Disk DescriptorFile", "vmdk", 21 },
                   { "vhdxfile", "vhdx", 8 },     { "conectix", "vpc", 8 },
                   { "<<< ", "vdi", 4 },          { "QED\0", "qed", 4 },
                   { "LUKS\xba\xbe", "luks", 6 }, { "\xfd\x37zXZ", "xz", 6 },
                   { "\x1f\x8b", "gzip", 2 },     { "\x28\xb5\x2f\xfd", "zstd", 4 },
                   { "BZh", "bzip2", 3 },         { "PK\x03\x04", "zip", 4 } };
    guint8 head[104] = { 0 };
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || pread(fd, head, sizeof(head), 0) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        if (memcmp(head, others[i].magic, others[i].len) == 0) {
            error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is %s: the library has images in qcow2 and raw only",
                      path, others[i].name);
            return error_hint(err, "unpack it, or convert it with 'lodge image convert'");
        }
    }
    *ret_format = memcmp(head, "QFI\xfb", 4) == 0 ? "qcow2" : "raw";
    if (**ret_format == 'r')
        return true;
    const bool is_new = head[7] >= 3;
    if (memcmp(head + 8, "\0\0\0\0\0\0\0\0", 8) != 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' stands on another image", path);
    if (is_new && (head[79] & 4))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' keeps its data in another file", path);
    return true;
}

bool library_look(const char *path, Json **ret_facts, Error **err)
{
    const char *format = "raw";
    g_autofree char *out = NULL;
    g_autoptr(Json) info = NULL;
    struct stat st;

    if (stat(path, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no file", path);
    if (!look_at_header(path, &format, err))
        return false;
    const char *const argv[] = { "qemu-img", "info", "-U", "-f", format, "--output=json", "--", path, NULL };
    if (!backup_run_tool(argv, &out, err) || !json_parse(out, strlen(out), "qemu-img's answer", &info, err))
        return error_prefix(err, "'%s' is no image", path);
    if (strcmp(format, "raw") == 0 && (st.st_size == 0 || st.st_size % 512)) {
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no image of a disk that is known here", path);
    }
    *ret_facts = json_pack("{s:s, s:I, s:I, s:b}", "format", format, "virtual_bytes",
                           (json_int_t)json_get_uint(info, "virtual-size", 0), "bytes",
                           (json_int_t)st.st_size, "efi", has_efi(path, format));
    return true;
}

/* ---- putting in ---- */

typedef struct Sum {
    int fd;
    char *text;
} Sum;

static bool sum_thread(void *arg, WorkProgress *progress, Error **err)
{
    Sum *sum = arg;
    g_autofree char *buffer = g_malloc(PIECE);
    gcry_md_hd_t hash = digest_open(GCRY_MD_SHA256);
    off_t at = 0;
    ssize_t n = 0;

    while (!__atomic_load_n(&progress->cancelled, __ATOMIC_RELAXED) &&
           (n = pread(sum->fd, buffer, PIECE, at)) > 0) {
        gcry_md_write(hash, buffer, (size_t)n);
        at += n;
        __atomic_store_n(&progress->done, (uint64_t)at, __ATOMIC_RELAXED);
    }
    GString *text = g_string_new(NULL);
    const unsigned char *bytes = gcry_md_read(hash, GCRY_MD_SHA256);
    for (unsigned i = 0; i < 32; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    sum->text = g_string_free(text, FALSE);
    gcry_md_close(hash);
    return n >= 0 && !progress->cancelled
               ? true
               : error_set(err, n < 0 ? ERROR_SYSTEM : ERROR_CANCELLED, "it could not be read to its end");
}

static bool put_facts(Cli *cli, const WireStoragePool *pool, const char *file, mode_t mode, const Json *facts,
                      Error **err)
{
    g_autofree char *text = json_format_pretty(facts);
    g_auto(WireStorageVol) volume = { 0 };
    AUTO_FD fd = memfd_create("facts", MFD_CLOEXEC);

    if (fd < 0 || !file_write_all(fd, text, strlen(text)))
        return error_set_errno(err, errno, "cannot make a file in memory");
    return volume_put(cli, pool, file, mode, fd, &volume, err);
}

static void drop(Cli *cli, const WireStoragePool *pool, const char *name)
{
    g_auto(WireStorageVol) volume = { 0 };

    fiber_shield_begin();
    if (volume_find(cli, pool, name, &volume, NULL))
        (void)!volume_delete(cli, &volume, NULL);
    fiber_shield_end();
}

static Json *complete_facts(const char *name, const char *volume, const Json *given, const Json *seen)
{
    Json *facts = json_deep_copy(given);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *added = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");

    json_object_update_missing(facts, (Json *)seen);
    json_object_set_new(facts, "facts_version", json_integer(FACTS_VERSION));
    json_object_set_new(facts, "name", json_string(name));
    json_object_set_new(facts, "volume", json_string(volume));
    json_object_set_new(facts, "added", json_string(added));
    json_object_set_new(facts, "whole", json_true());
    return facts;
}

bool library_put(Cli *cli, const char *name, const char *path, const Json *given, LibraryImage **ret_image,
                 Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStorageVol) volume = { 0 };
    g_autoptr(LibraryImage) before = NULL;
    g_autoptr(Json) seen = NULL;
    g_autofree char *folder = NULL, *facts_file = g_strconcat(name, FACTS, NULL);
    Sum sum = { .fd = -1 };

    if (!library_check_name(name, err) || !library_look(path, &seen, err) ||
        !place_pool(cli, LIBRARY_POOL, PLACE_MAKE, &pool, &folder, err))
        return false;
    if (library_find(cli, name, &before, NULL))
        return error_set(err, ERROR_VOLUME_EXISTS, "there is an image '%s' in the library already", name);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    sum.fd = fd;
    if (!json_get_str(given, "sha256") && !backup_run(cli, "Checksum", sum_thread, &sum, err))
        return false;
    if (sum.text)
        json_object_set_new(seen, "sha256", json_string(sum.text));
    g_free(sum.text);
    g_autofree char *file = g_strconcat(name, ".", json_get_str(seen, "format"), NULL);
    AUTO_JSON facts = complete_facts(name, file, given, seen);
    /* Left by one that was killed: without facts it is nobody's. */
    drop(cli, &pool, file);
    if (!volume_put(cli, &pool, file, 0444, fd, &volume, err))
        return false;
    if (!put_facts(cli, &pool, facts_file, 0644, facts, err)) {
        drop(cli, &pool, file);
        return false;
    }
    return library_find(cli, name, ret_image, err);
}

bool library_add(Cli *cli, const char *name, const char *volume, const Json *given, mode_t mode, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *file = g_strconcat(name, FACTS, NULL);
    AUTO_JSON nothing = json_object();
    AUTO_JSON facts = complete_facts(name, volume, given, nothing);

    return place_pool(cli, LIBRARY_POOL, PLACE_MAKE, &pool, NULL, err) &&
           put_facts(cli, &pool, file, mode, facts, err);
}

GPtrArray *library_volumes(const LibraryImage *image)
{
    GPtrArray *names = g_ptr_array_new();
    size_t i;
    json_t *disk;

    json_array_foreach (json_get_arr(json_get_obj(image->facts, "template"), "disks"), i, disk)
        if (json_get_str(disk, "volume"))
            g_ptr_array_add(names, (char *)json_get_str(disk, "volume"));
    if (names->len == 0 && image->volume)
        g_ptr_array_add(names, image->volume);
    return names;
}

bool library_remove(Cli *cli, const LibraryImage *image, Error **err)
{
    g_auto(WireStoragePool) pool = { 0 };
    g_auto(WireStorageVol) facts = { 0 };
    g_autofree char *file = g_strconcat(image->name, FACTS, NULL);
    g_autoptr(GPtrArray) names = library_volumes(image);

    if (!place_pool(cli, LIBRARY_POOL, PLACE_MUST_BE, &pool, NULL, err))
        return false;
    for (guint i = 0; i < names->len; i++) {
        g_auto(WireStorageVol) volume = { 0 };
        g_autoptr(Error) why = NULL;
        if (!volume_find(cli, &pool, names->pdata[i], &volume, NULL) || volume_delete(cli, &volume, &why))
            continue;
        if (error_remote_code(why) == VIR_ERR_OPERATION_INVALID) /* no word of vol-delete's --force */
            error_hint(&why, "remove those machines and images first");
        return error_propagate(err, g_steal_pointer(&why));
    }
    return volume_find(cli, &pool, file, &facts, err) && volume_delete(cli, &facts, err);
}

/* ---- fetching ---- */

char *library_cache(void)
{
    return g_build_filename(g_get_user_cache_dir(), "lodge", "images", NULL);
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    CliProgress *progress = arg;

    progress->total = total;
    progress_update(progress, done);
}

static void set_environment(Json *request, const char *member, const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value) {
            json_object_set_new(request, member, json_string(value));
            return;
        }
    }
}

bool library_fetch(Cli *cli, const FetchOrder *order, char **ret_path, char **ret_sha256, Error **err)
{
    static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL };
    static const char *const http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
    static const char *const none[] = { "no_proxy", "NO_PROXY", NULL };
    static const char *const ca[] = { "CURL_CA_BUNDLE", "SSL_CERT_FILE", NULL };
    const unsigned stall_s = order->stall_s ? order->stall_s : STALL_S;
    const char *url = order->url, *checksum = order->checksum;
    g_autofree char *cache = library_cache();
    g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
    g_autofree char *file = g_strdup_printf("%s/%.16s", cache, key);
    g_autofree char *part = g_strconcat(file, ".part", NULL), *tag = g_strconcat(part, ".tag", NULL);
    AUTO_JSON request = json_pack("{s:s, s:s, s:b, s:i}", "url", url, "part", part, "is_image",
                                  order->is_image, "stall_s", (int)stall_s);
    g_autoptr(Json) result = NULL;
    CliProgress progress;

    if (!file_make_dirs(cache, 0700, err))
        return false;
    const char *colon = checksum ? strchr(checksum, ':') : NULL;
    if (colon)
        json_object_set_new(request, g_str_has_prefix(checksum, "sha512") ? "sha512" : "sha256",
                            json_string(colon + 1));
    set_environment(request, "proxy", g_str_has_prefix(url, "https") ? https : http);
    set_environment(request, "no_proxy", none);
    set_environment(request, "ca", ca);
    progress_begin(&progress, cli, order->what, 0, true);
    const MediaProgress watch = { show_progress, &progress };
    const bool ok = media_run("fetch", request, &watch, (uint64_t)stall_s * 1000 + QUIET_MS, &result, err);
    progress_end(&progress);
    if (!ok)
        return false;
    if (rename(part, file) < 0)
        return error_set_errno(err, errno, "cannot rename '%s'", part);
    (void)unlink(tag);
    *ret_sha256 = g_strdup(json_get_str(result, "sha256"));
    *ret_path = g_steal_pointer(&file);
    return true;
}
