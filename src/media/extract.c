/* Files out of an ISO image: kernel and initrd of an installer, and what the image says of itself.
 *
 * Request: {path, folder, files: [names]}; the folder is there and ours. Without names only the label is
 * read. Answer: {label: {volume, system, publisher, application}, files: {name: the file's name in the
 * folder}, treeinfo: text}
 *
 * The image may be made by anybody. It is a file, never a device or pipe; libarchive sees it when nothing but
 * the folder can be written any more. Links in it are not followed, sizes and numbers of entries have bounds.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "media/media.h"
#include "media/verbs_install.h"

#define SECTOR 2048
#define DESCRIPTOR_SECTOR 16
#define ENTRIES_MAX 500000u
#define FILE_MAX_BYTES (UINT64_C(2) << 30)
#define READ_BYTES ((size_t)1 << 20)

typedef struct Extract {
    const char *path;
    int fd, folder_fd;
    const Json *wanted;
    Json *files; /* name in the image: name in the folder */
    char *buffer;
    unsigned n_files;
} Extract;

/* A text of the descriptor: filled up with blanks, in ASCII or what somebody took for it. */
static void add_text(Json *label, const char *key, const char *data, size_t len)
{
    while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\0'))
        len--;
    g_autofree char *text = g_strndup(data, len);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
            *at = '?';
    json_object_set_new(label, key, json_string(text));
}

static bool read_label(const Extract *extract, Json **ret_label, Error **err)
{
    char sector[SECTOR];

    if (pread(extract->fd, sector, sizeof(sector), (off_t)DESCRIPTOR_SECTOR * SECTOR) !=
            (ssize_t)sizeof(sector) ||
        memcmp(sector, "\1CD001\1", 7) != 0) {
        error_set(err, ERROR_PROBE_FAILED, "'%s' is not an ISO image", extract->path);
        return error_hint(err,
                          "an installer's medium is an .iso file; what a server answered instead may be a "
                          "page that "
                          "says why ('file %s' tells)",
                          extract->path);
    }
    Json *label = json_object();
    add_text(label, "system", sector + 8, 32);
    add_text(label, "volume", sector + 40, 32);
    add_text(label, "publisher", sector + 318, 128);
    add_text(label, "application", sector + 574, 128);
    *ret_label = label;
    return true;
}

/* "./install.amd/vmlinuz" is "install.amd/vmlinuz"; plain ISO 9660 names end in ";1" and are in capitals. */
static bool same_place(const char *entry, const char *wanted)
{
    while (g_str_has_prefix(entry, "./") || *entry == '/')
        entry += *entry == '/' ? 1 : 2;
    while (g_str_has_prefix(wanted, "./") || *wanted == '/')
        wanted += *wanted == '/' ? 1 : 2;
    const size_t len = strlen(wanted);
    return *wanted && g_ascii_strncasecmp(entry, wanted, len) == 0 &&
           (!entry[len] || strcmp(entry + len, ";1") == 0 || strcmp(entry + len, ".;1") == 0);
}

static const char *find_wanted(const Extract *extract, const char *entry)
{
    for (size_t i = 0; i < json_array_size(extract->wanted); i++) {
        const char *name = json_string_value(json_array_get(extract->wanted, i));
        if (name && same_place(entry, name) && !json_object_get(extract->files, name))
            return name;
    }
    return NULL;
}

static bool read_failed(struct archive *archive, const Extract *extract, Error **err)
{
    return error_set(err, ERROR_PROBE_FAILED, "'%s' is damaged: %s", extract->path,
                     archive_error_string(archive) ? archive_error_string(archive) : "it cannot be read");
}

static bool save(struct archive *archive, Extract *extract, const char *name, uint64_t total, Error **err)
{
    g_autofree char *file = g_strdup_printf("file-%u", extract->n_files++);
    AUTO_FD fd = openat(extract->folder_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    uint64_t done = 0;
    ssize_t n;

    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a file for '%s'", name);
    while ((n = archive_read_data(archive, extract->buffer, READ_BYTES)) > 0) {
        done += (uint64_t)n;
        if (done > FILE_MAX_BYTES)
            return error_set(err, ERROR_OVERFLOW, "'%s' in '%s' is larger than 2 GiB", name, extract->path);
        for (ssize_t at = 0; at < n;) {
            const ssize_t put = write(fd, extract->buffer + at, (size_t)(n - at));
            if (put <= 0 && errno != EINTR)
                return error_set_errno(err, errno, "cannot write '%s'", name);
            at += put > 0 ? put : 0;
        }
        media_progress(done, total);
    }
    if (n < 0)
        return read_failed(archive, extract, err);
    if (done == 0 || done != total)
        return error_set(err, ERROR_PROBE_FAILED,
                         "'%s' in '%s' is cut short: %" PRIu64 " of %" PRIu64 " bytes", name, extract->path,
                         done, total);
    json_object_set_new(extract->files, name, json_string(file));
    return true;
}

static bool walk(struct archive *archive, Extract *extract, Error **err)
{
    struct archive_entry *entry;
    unsigned count = 0;
    int code;

    while ((code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN) {
        const char *path = archive_entry_pathname(entry);
        const char *name = path ? find_wanted(extract, path) : NULL;
        if (++count > ENTRIES_MAX)
            return error_set(err, ERROR_OVERFLOW, "'%s' has more than %u entries", extract->path,
                             ENTRIES_MAX);
        media_progress(0, 0);
        if (name && archive_entry_filetype(entry) == AE_IFREG &&
            !save(archive, extract, name, (uint64_t)archive_entry_size(entry), err))
            return false;
    }
    return code == ARCHIVE_EOF || read_failed(archive, extract, err);
}

static bool extract_files(Extract *extract, Error **err)
{
    struct archive *archive = archive_read_new();

    archive_read_support_format_iso9660(archive);
    (void)archive_read_set_option(archive, "iso9660", "rockridge", "1");
    bool ok = archive_read_open_fd(archive, extract->fd, SECTOR * 32) == ARCHIVE_OK ||
              read_failed(archive, extract, err);
    ok = ok && walk(archive, extract, err);
    archive_read_free(archive);
    return ok;
}

bool media_extract(const Json *request, Json **ret_result, Error **err)
{
    Extract extract = { .path = json_get_str(request, "path"),
                        .fd = -1,
                        .folder_fd = -1,
                        .wanted = json_object_get(request, "files") };
    const char *folder = json_get_str(request, "folder");
    Json *label = NULL;

    if (!extract.path || !folder)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the request names no image or no folder");
    extract.files = json_object();
    extract.buffer = g_malloc(READ_BYTES);
    const bool ok = media_open_into(extract.path, folder, &extract.fd, &extract.folder_fd, err) &&
                    read_label(&extract, &label, err) &&
                    (json_array_size(extract.wanted) == 0 || extract_files(&extract, err));
    if (ok)
        *ret_result = json_pack("{s:O, s:O}", "label", label, "files", extract.files);
    json_decref(label);
    json_decref(extract.files);
    g_free(extract.buffer);
    fd_cleanup(&extract.fd);
    fd_cleanup(&extract.folder_fd);
    return ok;
}
