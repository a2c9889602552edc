/* Reading and writing save images: see the header for the layout. All access to the file runs in the worker
 * lane of its mount. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "image"
#include "machine/save_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/trail.h"
#include "base/worker.h"

#define SAVE_MAGIC "LibvirtQemudSave"
#define SAVE_PARTIAL_MAGIC "LibvirtQemudPart"
#define SAVE_VERSION 2
#define SAVE_PADDING 65536
#define SAVE_DATA_MAX (64u << 20)

typedef struct SaveHeader {
    char magic[16];
    uint32_t version, data_len, was_running, compressed, cookie_offset;
    uint32_t unused[14];
} SaveHeader;
G_STATIC_ASSERT(sizeof(SaveHeader) == 92);

static const struct {
    const char *name;
    const char *program;
} save_formats[SAVE_FORMAT_COUNT] = {
    [SAVE_FORMAT_RAW] = { "raw", "/bin/cat" },           [SAVE_FORMAT_GZIP] = { "gzip", "/usr/bin/gzip" },
    [SAVE_FORMAT_BZIP2] = { "bzip2", "/usr/bin/bzip2" }, [SAVE_FORMAT_XZ] = { "xz", "/usr/bin/xz" },
    [SAVE_FORMAT_LZOP] = { "lzop", "/usr/bin/lzop" },    [SAVE_FORMAT_ZSTD] = { "zstd", "/usr/bin/zstd" },
};

static bool save_format_check_program(SaveFormat format, Error **err)
{
    if (access(save_formats[format].program, X_OK) == 0)
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "the program for format '%s' is missing: %s",
              save_formats[format].name, save_formats[format].program);
    return error_hint(err, "install the package '%s', or choose another save_image_format in qemu.conf",
                      save_formats[format].name);
}

bool save_format_from_name(const char *name, SaveFormat *ret_format, Error **err)
{
    for (int i = 0; i < SAVE_FORMAT_COUNT; i++) {
        if (strcmp(save_formats[i].name, name ? name : "raw") == 0) {
            if (!save_format_check_program((SaveFormat)i, err))
                return false;
            *ret_format = (SaveFormat)i;
            return true;
        }
    }
    return error_set(err, ERROR_OPERATION_FAILED, "Invalid save image format '%s'", name);
}

void save_image_clear(SaveImage *image)
{
    if (image->xml) {
        fd_cleanup(&image->fd);
        g_clear_pointer(&image->xml, g_free);
    }
}

/* ---- one job type for all trips to the file ---- */

typedef struct ImageJob {
    char *path;
    char *temp; /* where it is written; NULL: the path itself */
    uint64_t dev, ino;
    bool is_new;     /* create: the file was made, and nobody took it yet */
    bool is_renamed; /* commit: the same of its name */
    int fd;
    char *data; /* to write, or what was read */
    size_t len;
    mode_t mode;
    SaveHeader header;
    uint64_t size;
} ImageJob;

static bool image_job_is_at_path(const ImageJob *job)
{
    struct stat st;

    return lstat(job->path, &st) == 0 && st.st_dev == job->dev && st.st_ino == job->ino;
}

static void image_job_free(void *data)
{
    ImageJob *job = data;

    /* Made after the caller gave up waiting: the storage answers again, so this does not hang. */
    if (job->is_new && job->fd >= 0)
        (void)unlink(job->temp);
    /* The machine has gone on since: its image must not appear now. */
    if (job->is_renamed && image_job_is_at_path(job))
        (void)unlink(job->path);
    fd_cleanup(&job->fd);
    g_free(job->path);
    g_free(job->temp);
    g_free(job->data);
    g_free(job);
}

static ImageJob *image_job_new(const char *path)
{
    ImageJob *job = g_new0(ImageJob, 1);

    job->path = g_strdup(path);
    job->fd = -1;
    return job;
}

static ImageJob *image_job_new_for(const SaveFile *file)
{
    ImageJob *job = image_job_new(file->path);

    job->temp = g_strdup(file->temp);
    job->dev = file->dev;
    job->ino = file->ino;
    return job;
}

/* false: @job is freed. */
static bool image_job_do(ImageJob *job, bool (*func)(void *data, Error **err), uint64_t timeout_ms,
                         Error **err)
{
    return worker_call_path(job->path, "cannot use file", func, job, image_job_free, timeout_ms, err);
}

/* The same where nothing is asked for but that it is done. */
static bool image_job_end(ImageJob *job, bool (*func)(void *data, Error **err), uint64_t timeout_ms,
                          Error **err)
{
    if (!image_job_do(job, func, timeout_ms, err))
        return false;
    job->is_renamed = false;
    image_job_free(job);
    return true;
}

/* A link in the way is told in its own words, what the system says in libvirt's. */
static bool image_job_failed(const ImageJob *job, const char *what, Error *why /* taken */, Error **err)
{
    const int errnum = error_errno(why);

    if (!errnum)
        return error_propagate(err, why);
    error_free(why);
    return error_set_errno(err, errnum, "%s file '%s'", what, job->path);
}

/* ---- open ---- */

static ssize_t read_fully(int fd, void *buffer, size_t len)
{
    size_t done = 0;

    while (done < len) {
        const ssize_t got = read(fd, (char *)buffer + done, len - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static bool open_run(void *data, Error **err)
{
    ImageJob *job = data;
    SaveHeader *header = &job->header;
    Error *why = NULL;
    struct stat st;

    job->fd = trail_open(job->path, O_RDONLY, &why);
    if (job->fd < 0)
        return image_job_failed(job, "Failed to open", why, err);
    if (fstat(job->fd, &st) < 0)
        return error_set_errno(err, errno, "Failed to open file '%s'", job->path);
    job->size = (uint64_t)st.st_size;
    if (read_fully(job->fd, header, sizeof(*header)) != (ssize_t)sizeof(*header))
        return error_set(err, ERROR_OPERATION_FAILED, "failed to read qemu header");
    if (memcmp(header->magic, SAVE_PARTIAL_MAGIC, sizeof(header->magic)) == 0)
        return error_set(err, ERROR_OPERATION_FAILED, "save image is incomplete");
    if (memcmp(header->magic, SAVE_MAGIC, sizeof(header->magic)) != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "image magic is incorrect");
    if (header->version > SAVE_VERSION)
        return error_set(err, ERROR_OPERATION_FAILED, "image version is not supported (%u > %u)",
                         GUINT32_SWAP_LE_BE(header->version) <= SAVE_VERSION
                             ? header->version
                             : GUINT32_SWAP_LE_BE(header->version),
                         (unsigned)SAVE_VERSION);
    if (header->data_len == 0 || header->data_len > SAVE_DATA_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "invalid header data length: %u", header->data_len);
    job->data = g_malloc(header->data_len + 1);
    if (read_fully(job->fd, job->data, header->data_len) != (ssize_t)header->data_len)
        return error_set(err, ERROR_OPERATION_FAILED, "failed to read domain XML");
    job->data[header->data_len] = '\0';
    if (header->compressed >= SAVE_FORMAT_COUNT)
        return error_set(err, ERROR_OPERATION_FAILED, "Invalid compressed save format %u",
                         header->compressed);
    return true;
}

bool save_image_open(const char *path, uint64_t timeout_ms, SaveImage *ret_image, Error **err)
{
    ImageJob *job = image_job_new(path);

    if (!image_job_do(job, open_run, timeout_ms, err))
        return false;
    *ret_image = (SaveImage){ .fd = fd_steal(&job->fd),
                              .was_running = job->header.was_running == 1,
                              .format = (SaveFormat)job->header.compressed,
                              .data_len = job->header.data_len,
                              .cookie_offset = job->header.cookie_offset,
                              .xml = g_steal_pointer(&job->data),
                              .size_bytes = job->size };
    image_job_free(job);
    return true;
}

/* ---- create ---- */

/* The temporary's name is short, whatever the length of the path, and one that file_remove_leftovers() knows.
 */
void save_file_init(SaveFile *file, const char *path)
{
    static unsigned counter;
    g_autofree char *dir = g_path_get_dirname(path);

    *file = (SaveFile){ .path = g_strdup(path),
                        .temp = g_strdup_printf("%s/.lodge-%ld-%u%08x.new", dir, (long)getpid(), counter++,
                                                g_random_int()) };
}

void save_file_copy(SaveFile *dest, const SaveFile *source)
{
    save_file_clear(dest);
    *dest = *source;
    dest->path = g_strdup(source->path);
    dest->temp = g_strdup(source->temp);
}

void save_file_clear(SaveFile *file)
{
    g_free(file->path);
    g_free(file->temp);
    *file = (SaveFile){ 0 };
}

/* true for what has to be written itself: it cannot be replaced by a file. A link of somebody with fewer
 * rights must not lead us anywhere. */
static bool create_is_in_place(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return false;
    if (S_ISLNK(st.st_mode)) {
        const bool trusted = st.st_uid == 0 || st.st_uid == geteuid();
        return trusted && stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    }
    return !S_ISREG(st.st_mode);
}

/* A file takes the place of a link, but not where somebody else means us to reach a file that is not his. */
static bool create_may_be_there(const char *path, Error **err)
{
    g_auto(Trail) trail = TRAIL_INIT;

    return !trail_follow(path, &trail) || trail_check(&trail, path, err);
}

static bool create_run(void *data, Error **err)
{
    ImageJob *job = data;
    struct stat st = { 0 };
    Error *why = NULL;

    if (!create_may_be_there(job->path, &why))
        return image_job_failed(job, "Failed to create", why, err);
    if (create_is_in_place(job->path))
        g_clear_pointer(&job->temp, g_free);
    job->fd = job->temp ? trail_create_new(job->temp, O_RDWR, 0600, &why)
                        : trail_open(job->path, O_RDWR | O_NOCTTY, &why);
    if (job->fd < 0)
        return image_job_failed(job, "Failed to create", why, err);
    job->is_new = job->temp != NULL;
    if (fstat(job->fd, &st) < 0 || !file_write_all(job->fd, job->data, job->len))
        return error_set_errno(err, errno, "Failed to create file '%s'", job->path);
    job->dev = st.st_dev;
    job->ino = st.st_ino;
    return true;
}

static char *build_header(const char *xml, bool was_running, SaveFormat format, size_t data_len,
                          size_t *ret_len)
{
    SaveHeader header = { .version = SAVE_VERSION,
                          .data_len = (uint32_t)data_len,
                          .was_running = was_running,
                          .compressed = format };
    char *buffer = g_malloc0(sizeof(header) + data_len);

    memcpy(header.magic, SAVE_MAGIC, sizeof(header.magic));
    memcpy(buffer, &header, sizeof(header));
    memcpy(buffer + sizeof(header), xml, strlen(xml));
    *ret_len = sizeof(header) + data_len;
    return buffer;
}

bool save_image_create(SaveFile *file, const char *xml, bool was_running, SaveFormat format,
                       uint64_t timeout_ms, int *ret_fd, Error **err)
{
    ImageJob *job = image_job_new_for(file);

    if (xml)
        job->data = build_header(xml, was_running, format, strlen(xml) + 1 + SAVE_PADDING, &job->len);
    if (!image_job_do(job, create_run, timeout_ms, err)) /* removes what was made but could not be written */
        return false;
    *ret_fd = fd_steal(&job->fd);
    g_free(file->temp);
    file->temp = g_steal_pointer(&job->temp);
    file->dev = job->dev;
    file->ino = job->ino;
    image_job_free(job);
    return true;
}

/* What the trail says is about one of two paths; people know the other. */
static int errno_of(Error *why /* taken */)
{
    const int errnum = error_errno(why);

    error_free(why);
    return errnum ? errnum : EPERM;
}

static bool commit_run(void *data, Error **err)
{
    ImageJob *job = data;
    Error *why = NULL;

    job->is_renamed = trail_rename(job->temp, job->path, &why);
    return job->is_renamed ||
           error_set_errno(err, errno_of(why), "cannot rename '%s' to '%s'", job->temp, job->path);
}

bool save_image_commit(const SaveFile *file, uint64_t timeout_ms, Error **err)
{
    if (!file->temp)
        return true;
    return image_job_end(image_job_new_for(file), commit_run, timeout_ms, err);
}

static bool discard_run(void *data, Error **err)
{
    ImageJob *job = data;

    return unlink(job->temp) == 0 || errno == ENOENT ||
           error_set_errno(err, errno, "cannot remove '%s'", job->temp);
}

bool save_image_discard(const SaveFile *file, uint64_t timeout_ms, Error **err)
{
    if (!file->temp)
        return true; /* a device or a pipe stays */
    return image_job_end(image_job_new_for(file), discard_run, timeout_ms, err);
}

static bool committed_run(void *data, Error **err)
{
    return image_job_is_at_path(data);
}

bool save_image_is_committed(const SaveFile *file, uint64_t timeout_ms)
{
    return file->temp && file->ino != 0 &&
           image_job_end(image_job_new_for(file), committed_run, timeout_ms, NULL);
}

static bool sync_run(void *data, Error **err)
{
    const ImageJob *job = data;

    return fsync(job->fd) == 0 || errno == EINVAL || errno == EROFS ||
           error_set_errno(err, errno, "unable to sync file '%s'", job->path);
}

bool save_image_sync(const char *path, int fd, uint64_t timeout_ms, Error **err)
{
    ImageJob *job = image_job_new(path);

    job->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return image_job_end(job, sync_run, timeout_ms, err);
}

/* ---- rewrite ---- */

static bool rewrite_run(void *data, Error **err)
{
    ImageJob *job = data;
    Error *why = NULL;
    int errnum = 0;

    job->fd = trail_open(job->path, O_WRONLY, &why);
    if (job->fd < 0)
        errnum = errno_of(why);
    else if (pwrite(job->fd, job->data, job->len, 0) != (ssize_t)job->len || fsync(job->fd) < 0)
        errnum = errno ? errno : EIO;
    return !errnum ||
           error_set_errno(err, errnum, "failed to write header to domain save file '%s'", job->path);
}

bool save_image_rewrite(const char *path, const SaveImage *image, const char *xml, bool was_running,
                        uint64_t timeout_ms, Error **err)
{
    const size_t xml_len = strlen(xml) + 1;
    const char *cookie = image->cookie_offset && image->cookie_offset < image->data_len
                             ? image->xml + image->cookie_offset
                             : NULL;
    const size_t cookie_len = cookie ? strlen(cookie) + 1 : 0;

    if (xml_len + cookie_len > image->data_len)
        return error_set(err, ERROR_OPERATION_FAILED, "new xml too large to fit in file");
    ImageJob *job = image_job_new(path);
    job->data = build_header(xml, was_running, image->format, image->data_len, &job->len);
    if (cookie) {
        memcpy(job->data + sizeof(SaveHeader) + xml_len, cookie, cookie_len);
        ((SaveHeader *)(void *)job->data)->cookie_offset = (uint32_t)xml_len;
    }
    return image_job_end(job, rewrite_run, timeout_ms, err);
}

/* ---- copier ---- */

bool save_copier_start(SaveFormat format, bool expand, bool bypass_cache, int from_fd, int to_fd,
                       Process **ret_process, int *ret_words_fd, Error **err)
{
    AUTO_FD words_fd = memfd_create("words of a copier", MFD_CLOEXEC); /* -1: nobody will know why */
    const char *const filter[] = { save_formats[format].program, expand ? "-dc" : "-c", NULL };
    static const char *const plain[] = { "/bin/cat", NULL };
    static const char *const direct_out[] = { "/bin/dd",       "bs=1M",       "iflag=fullblock",
                                              "oflag=nocache", "status=none", NULL };
    static const char *const direct_in[] = { "/bin/dd", "bs=1M", "iflag=nocache", "status=none", NULL };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!save_format_check_program(format, err))
        return false;
    spec.argv = filter;
    if (format == SAVE_FORMAT_RAW)
        spec.argv = !bypass_cache ? plain : expand ? direct_in : direct_out;
    spec.stdin_fd = from_fd;
    spec.stdout_fd = to_fd;
    spec.stderr_fd = words_fd;
    spec.die_with_parent = true;
    if (!process_start(&spec, ret_process, err))
        return false;
    *ret_words_fd = fd_steal(&words_fd);
    return true;
}

char *save_copier_describe(const Process *copier, int words_fd)
{
    char words[200] = { 0 };
    g_autofree char *how = process_describe_status(copier);
    const ssize_t got = words_fd >= 0 ? pread(words_fd, words, sizeof(words) - 1, 0) : 0;

    if (got <= 0)
        return g_steal_pointer(&how);
    g_autofree char *text = g_utf8_make_valid(g_strstrip(words), -1);
    return g_strdup_printf("%s: %s", how, g_strdelimit(text, "\n\r", ' '));
}
