/* Archives of machines (OVA, which is a tar), and the sums of their files.
 *
 * Nothing of an archive but plain files with plain names is unpacked, into a folder that was empty. Zeros
 * become holes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "media/verbs_machine.h"

#define FILES_MAX 256u
#define MANIFEST_MAX ((off_t)1 << 20)
#define PIECE ((size_t)1 << 20)
#define HOLE 4096

typedef struct Pack {
    int fd, folder_fd;
    const char *path;
    char *buffer;
    uint64_t done, total;
} Pack;

static void pack_clear(Pack *pack)
{
    fd_cleanup(&pack->fd);
    fd_cleanup(&pack->folder_fd);
    g_free(pack->buffer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pack, pack_clear)

static bool damaged(const Pack *pack, struct archive *archive, Error **err)
{
    const char *why = archive_error_string(archive);

    return error_set(err, ERROR_PROBE_FAILED, "'%s' is damaged: %s", pack->path,
                     why ? why : "it cannot be read");
}

/* ---- out of an archive ---- */

static bool is_zero(const char *data, size_t len)
{
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

static bool write_sparse(int fd, const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const size_t n = MIN(len - at, HOLE);
        if (is_zero(data + at, n) ? lseek(fd, (off_t)n, SEEK_CUR) < 0 : !file_write_all(fd, data + at, n))
            return false;
        at += n;
    }
    return true;
}

static bool save(Pack *pack, struct archive *archive, const char *name, Error **err)
{
    AUTO_FD fd = openat(pack->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t n;

    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' holds '%s' twice", pack->path, name);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make '%s'", name);
    while ((n = archive_read_data(archive, pack->buffer, PIECE)) > 0) {
        if (!write_sparse(fd, pack->buffer, (size_t)n))
            return error_set_errno(err, errno, "cannot unpack '%s' of '%s'", name, pack->path);
        media_progress((uint64_t)MAX(lseek(pack->fd, 0, SEEK_CUR), 0), pack->total);
    }
    const off_t end = lseek(fd, 0, SEEK_CUR);
    if (n < 0)
        return damaged(pack, archive, err);
    return (end >= 0 && ftruncate(fd, end) == 0) ||
           error_set_errno(err, errno, "cannot unpack '%s' of '%s'", name, pack->path);
}

static bool unpack_all(Pack *pack, struct archive *archive, Json *files, Error **err)
{
    struct archive_entry *entry;
    int code;

    while ((code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN) {
        const char *name = archive_entry_pathname(entry);
        if (name && g_str_has_prefix(name, "./"))
            name += 2;
        if (archive_entry_filetype(entry) == AE_IFDIR)
            continue;
        if (!name || !path_is_safe_component(name) || !g_utf8_validate(name, -1, NULL) ||
            archive_entry_filetype(entry) != AE_IFREG)
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' holds '%s', which is no plain file",
                             pack->path, name && g_utf8_validate(name, -1, NULL) ? name : "?");
        if (json_array_size(files) >= FILES_MAX)
            return error_set(err, ERROR_OVERFLOW, "'%s' holds more than %u files", pack->path, FILES_MAX);
        json_array_append_new(files, json_string(name));
        if (!save(pack, archive, name, err))
            return false;
    }
    return code == ARCHIVE_EOF || damaged(pack, archive, err);
}

bool media_unpack(const Json *request, Json **ret_result, Error **err)
{
    const char *folder = json_get_str(request, "folder"), *name = json_get_str(request, "name");
    g_auto(Pack) pack = { .fd = -1, .folder_fd = -1, .path = json_get_str(request, "path") };
    AUTO_JSON files = json_array();
    struct archive_entry *entry;
    struct stat st;

    if (!pack.path || !folder || (name && !path_is_safe_component(name)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the request names no archive or no folder");
    if (!media_open_into(pack.path, folder, &pack.fd, &pack.folder_fd, err))
        return false;
    pack.total = fstat(pack.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    pack.buffer = g_malloc(PIECE);
    struct archive *archive = archive_read_new();
    if (name) {
        archive_read_support_filter_gzip(archive);
        archive_read_support_format_raw(archive);
    } else {
        archive_read_support_format_tar(archive);
    }
    bool ok = archive_read_open_fd(archive, pack.fd, PIECE) == ARCHIVE_OK || damaged(&pack, archive, err);
    if (ok && name)
        ok = (archive_read_next_header(archive, &entry) == ARCHIVE_OK || damaged(&pack, archive, err)) &&
             save(&pack, archive, name, err);
    else if (ok)
        ok = unpack_all(&pack, archive, files, err);
    archive_read_free(archive);
    if (ok)
        *ret_result = json_pack("{s:O}", "files", files);
    return ok;
}

/* ---- sums ---- */

typedef struct Sum {
    char *name, *wanted; /* wanted: in lower case */
    int algorithm, fd;
} Sum;

static void sum_clear(void *data)
{
    Sum *sum = data;

    g_free(sum->name);
    g_free(sum->wanted);
    fd_cleanup(&sum->fd);
}

static bool sum_file(Pack *pack, int fd, int algorithm, const char *name, struct archive *archive,
                     char **ret_text, Error **err)
{
    GString *text = g_string_new(NULL);
    gcry_md_hd_t hash = digest_open(algorithm);
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, pack->buffer, PIECE, at)) > 0) {
        gcry_md_write(hash, pack->buffer, (size_t)n);
        if (archive && archive_write_data(archive, pack->buffer, (size_t)n) < 0)
            break;
        at += n;
        media_progress(pack->done += (uint64_t)n, pack->total);
    }
    const unsigned char *bytes = gcry_md_read(hash, algorithm);
    for (unsigned i = 0; i < gcry_md_get_algo_dlen(algorithm); i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    gcry_md_close(hash);
    *ret_text = g_string_free(text, FALSE);
    if (n > 0)
        return error_set_errno(err, archive_errno(archive), "cannot write '%s'", pack->path);
    return n == 0 || error_set_errno(err, errno, "cannot read '%s'", name);
}

/* "SHA256(disk1.vmdk)= 12ab..." */
static bool take_line(const char *line, Sum *ret_sum)
{
    static const struct {
        const char *word;
        int algorithm;
    } known[] = { { "SHA1(", GCRY_MD_SHA1 }, { "SHA256(", GCRY_MD_SHA256 }, { "SHA512(", GCRY_MD_SHA512 } };
    const char *close = strrchr(line, ')'), *equals = close ? strchr(close, '=') : NULL;

    for (size_t i = 0; equals && i < G_N_ELEMENTS(known); i++) {
        const size_t len = strlen(known[i].word);
        if (g_ascii_strncasecmp(line, known[i].word, len) != 0)
            continue;
        g_autofree char *value = g_strdup(equals + 1);
        *ret_sum = (Sum){ .name = g_strndup(line + len, (size_t)(close - line) - len),
                          .wanted = g_ascii_strdown(g_strstrip(value), -1),
                          .algorithm = known[i].algorithm,
                          .fd = -1 };
        return true;
    }
    return false;
}

static bool open_sums(Pack *pack, const char *text, GArray *sums, Error **err)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    struct stat st;

    for (char **line = lines; *line; line++) {
        Sum sum;
        if (!*g_strstrip(*line))
            continue;
        if (!take_line(*line, &sum))
            return error_set(err, ERROR_INVALID_ARGUMENT, "the manifest '%s' has a line that is no sum",
                             pack->path);
        g_array_append_val(sums, sum);
        Sum *kept = &g_array_index(sums, Sum, sums->len - 1);
        if (!path_is_safe_component(kept->name) || sums->len > FILES_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the manifest '%s' names what is no file beside it",
                             pack->path);
        kept->fd = openat(pack->folder_fd, kept->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (kept->fd < 0 || fstat(kept->fd, &st) < 0)
            return error_set_errno(err, errno, "the manifest names '%s'", kept->name);
        pack->total += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    }
    return true;
}

static bool check_sums(Pack *pack, const GArray *sums, Json *checked, Error **err)
{
    for (guint i = 0; i < sums->len; i++) {
        const Sum *sum = &g_array_index(sums, Sum, i);
        g_autofree char *is = NULL;
        if (!sum_file(pack, sum->fd, sum->algorithm, sum->name, NULL, &is, err))
            return false;
        if (strcmp(is, sum->wanted) != 0) {
            error_set(err, ERROR_OPERATION_FAILED,
                      "'%s' is damaged: its checksum is %s, and the manifest says %s", sum->name, is,
                      sum->wanted);
            return error_hint(err, "copy it again from where it came from");
        }
        json_array_append_new(checked, json_string(sum->name));
    }
    return true;
}

bool media_verify(const Json *request, Json **ret_result, Error **err)
{
    const char *folder = json_get_str(request, "folder");
    g_auto(Pack) pack = { .fd = -1, .folder_fd = -1, .path = json_get_str(request, "path") };
    AUTO_JSON checked = json_array();
    struct stat st;

    if (!pack.path || !folder)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the request names no manifest or no folder");
    pack.fd = open(pack.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    pack.folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pack.fd < 0 || pack.folder_fd < 0 || fstat(pack.fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", pack.path);
    if (!S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no manifest", pack.path);
    g_autofree char *text = g_malloc0((size_t)st.st_size + 1);
    if (pread(pack.fd, text, (size_t)st.st_size, 0) < 0)
        return error_set_errno(err, errno, "cannot read '%s'", pack.path);
    pack.buffer = g_malloc(PIECE);
    GArray *sums = g_array_new(FALSE, TRUE, sizeof(Sum));
    g_array_set_clear_func(sums, sum_clear);
    const bool ok = open_sums(&pack, text, sums, err) && media_confine(NULL, NULL, err) &&
                    check_sums(&pack, sums, checked, err);
    g_array_unref(sums);
    if (ok)
        *ret_result = json_pack("{s:O}", "checked", checked);
    return ok;
}

/* ---- into an archive ---- */

static bool put_header(Pack *pack, struct archive *archive, const char *name, uint64_t bytes, Error **err)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)bytes);
    const bool ok = archive_write_header(archive, entry) == ARCHIVE_OK ||
                    error_set_errno(err, archive_errno(archive), "cannot write '%s'", pack->path);
    archive_entry_free(entry);
    return ok;
}

static bool put_file(Pack *pack, struct archive *archive, const char *name, GString *manifest, Error **err)
{
    g_autofree char *sum = NULL;
    struct stat st;

    if (!path_is_safe_component(name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no file of a folder", name);
    AUTO_FD fd = openat(pack->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", name);
    if (archive && !put_header(pack, archive, name, (uint64_t)st.st_size, err))
        return false;
    if (!sum_file(pack, fd, GCRY_MD_SHA256, name, archive, &sum, err))
        return false;
    g_string_append_printf(manifest, "SHA256(%s)= %s\n", name, sum);
    return true;
}

static bool put_manifest(Pack *pack, struct archive *archive, const char *name, const GString *text,
                         Error **err)
{
    AUTO_FD fd = openat(pack->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0 || !file_write_all(fd, text->str, text->len))
        return error_set_errno(err, errno, "cannot write '%s'", name);
    if (!archive)
        return true;
    return put_header(pack, archive, name, text->len, err) &&
           (archive_write_data(archive, text->str, text->len) == (la_ssize_t)text->len ||
            error_set_errno(err, archive_errno(archive), "cannot write '%s'", pack->path));
}

static bool put_all(Pack *pack, struct archive *archive, const Json *files, const char *manifest, Error **err)
{
    g_autoptr(GString) sums = g_string_new(NULL);
    struct stat st;
    size_t i;
    json_t *name;

    json_array_foreach (files, i, name)
        if (fstatat(pack->folder_fd, json_string_value(name), &st, AT_SYMLINK_NOFOLLOW) == 0)
            pack->total += (uint64_t)st.st_size;
    json_array_foreach (files, i, name)
        if (!put_file(pack, archive, json_string_value(name), sums, err))
            return false;
    return put_manifest(pack, archive, manifest, sums, err);
}

bool media_pack(const Json *request, Json **ret_result, Error **err)
{
    const char *folder = json_get_str(request, "folder"), *manifest = json_get_str(request, "manifest");
    const Json *files = json_get_arr(request, "files");
    g_auto(Pack) pack = { .fd = -1, .folder_fd = -1, .path = json_get_str(request, "path") };
    struct archive *archive = NULL;
    struct stat st = { 0 };

    if (!folder || !files || !manifest || !path_is_safe_component(manifest))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the request names no folder or no files");
    pack.folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pack.folder_fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", folder);
    pack.buffer = g_malloc(PIECE);
    if (pack.path) {
        pack.fd = open(pack.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (pack.fd < 0)
            return error_set_errno(err, errno, "cannot make '%s'", pack.path);
        archive = archive_write_new();
        archive_write_set_format_pax_restricted(archive);
        archive_write_set_bytes_per_block(archive, (int)PIECE);
        archive_write_set_bytes_in_last_block(archive, 1);
        archive_write_open_fd(archive, pack.fd);
    }
    bool ok = put_all(&pack, archive, files, manifest, err);
    if (archive && archive_write_close(archive) != ARCHIVE_OK && ok)
        ok = error_set_errno(err, archive_errno(archive), "cannot write '%s'", pack.path);
    archive_write_free(archive);
    if (ok && pack.path && fsync(pack.fd) < 0)
        ok = error_set_errno(err, errno, "cannot write '%s'", pack.path);
    if (ok && pack.path && fstat(pack.fd, &st) < 0)
        ok = error_set_errno(err, errno, "cannot write '%s'", pack.path);
    if (ok)
        *ret_result = json_pack("{s:I}", "bytes", (json_int_t)st.st_size);
    return ok;
}
