/* QEMU's log: see the header.
 *
 * An event source notices output and starts a fiber, which reads what is there, writes what the rate allows
 * in a worker, rests and looks again; when there is nothing more it hands over to the source. The rest is
 * what bounds the work: at most a pipe's content per turn. What is read beyond the rate is counted and said;
 * what QEMU could not write because the pipe was full nobody knows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qemu-log"
#include "machine/vm_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/trail.h"
#include "base/worker.h"
#include "machine/vm_private.h"

#define FILE_MAX_BYTES (2u << 20)
#define FILES_MAX 3 /* older ones */
#define RATE_BYTES_PER_S (64u << 10)
#define BURST_BYTES (256u << 10)
#define TURN_BYTES (64u << 10)
#define REST_MS 100
#define TAIL_MAX (64u << 10)

struct VmLog {
    unsigned refs; /* the run, the fiber, whoever waits */
    Host *host;
    char *name;
    int pipe_fd; /* -1: none */
    sd_event_source *source;
    bool is_closed;
    GString *tail;
    GString *pending; /* to be written */
    bool is_writing;
    WaitQueue idle;
    uint64_t credit_bytes, credit_since_ms;
    uint64_t dropped_bytes; /* since it was last said */
};

static char *log_file_path(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return path_join(dir, file);
}

char *vm_log_path(const Host *host, const char *name)
{
    return log_file_path(host->paths->log_qemu, name, ".log");
}

char *vm_log_pipe_path(const Host *host, const char *name)
{
    return log_file_path(host->paths->run_qemu, name, ".out");
}

int vm_log_open_writer(const Host *host, const char *name)
{
    g_autofree char *path = vm_log_pipe_path(host, name);

    return open(path,
                O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC); /* a pipe that we read: does not wait */
}

void vm_log_add(const Host *host, const char *name, const char *line)
{
    AUTO_FD fd = vm_log_open_writer(host, name);

    if (fd >= 0 && write(fd, line, strlen(line)) < 0)
        log_debug("machine '%s': a line does not fit into its log", name);
}

static VmLog *log_new(Host *host, const char *name)
{
    VmLog *log = g_new0(VmLog, 1);

    *log = (VmLog){ .refs = 1,
                    .host = host,
                    .name = g_strdup(name),
                    .pipe_fd = -1,
                    .tail = g_string_new(NULL),
                    .pending = g_string_new(NULL),
                    .credit_bytes = BURST_BYTES,
                    .credit_since_ms = loop_now_ms() };
    wait_queue_init(&log->idle);
    return log;
}

static void log_unref(VmLog *log)
{
    if (--log->refs > 0)
        return;
    fd_cleanup(&log->pipe_fd);
    g_string_free(log->tail, TRUE);
    g_string_free(log->pending, TRUE);
    g_free(log->name);
    g_free(log);
}

/* ---- writing, in a worker ---- */

typedef struct WriteJob {
    char *path;
    char *pipe_path; /* to be made; NULL */
    int read_fd, write_fd;
    GString *text;
} WriteJob;

static void write_job_free(void *data)
{
    WriteJob *job = data;

    fd_cleanup(&job->read_fd);
    fd_cleanup(&job->write_fd);
    g_string_free(job->text, TRUE);
    g_free(job->path);
    g_free(job->pipe_path);
    g_free(job);
}

/* A missing one in between is no failure. */
static void rotate(const char *path)
{
    g_autofree char *to = NULL;

    for (int i = FILES_MAX - 1; i >= 0; i--) {
        g_autofree char *from = i > 0 ? g_strdup_printf("%s.%d", path, i - 1) : g_strdup(path);
        g_free(to);
        to = g_strdup_printf("%s.%d", path, i);
        (void)rename(from, to);
    }
}

static int open_file(const char *path, size_t more_bytes, Error **err)
{
    struct stat st;
    AUTO_FD fd = trail_create(path, O_WRONLY | O_APPEND, 0600, err);

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0 ||
        (uint64_t)st.st_size + more_bytes <= FILE_MAX_BYTES)
        return fd_steal(&fd);
    rotate(path);
    return trail_create(path, O_WRONLY | O_APPEND, 0600, err);
}

/* Two descriptions: QEMU can change the flags of its own, and we must not wait in ours. */
static bool make_pipe(WriteJob *job)
{
    const int flags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;

    if ((unlink(job->pipe_path) < 0 && errno != ENOENT) || mkfifo(job->pipe_path, 0600) < 0)
        return false;
    job->read_fd = open(job->pipe_path, flags);
    job->write_fd = job->read_fd < 0 ? -1 : open(job->pipe_path, flags);
    return job->write_fd >= 0;
}

static bool write_job_run(void *data, Error **err)
{
    WriteJob *job = data;

    if (job->pipe_path && !make_pipe(job))
        return error_set_errno(err, errno, "cannot make the pipe '%s'", job->pipe_path);
    AUTO_FD fd = open_file(job->path, job->text->len, err);
    if (fd < 0)
        return false;
    return file_write_all(fd, job->text->str, job->text->len) ||
           error_set_errno(err, errno, "cannot write to '%s'", job->path);
}

static WriteJob *write_job_new(const VmLog *log, GString *text /* taken */)
{
    WriteJob *job = g_new0(WriteJob, 1);

    *job =
        (WriteJob){ .path = vm_log_path(log->host, log->name), .read_fd = -1, .write_fd = -1, .text = text };
    return job;
}

/* Writes what is pending, after what others are writing. */
static bool log_flush(VmLog *log, Error **err)
{
    while (log->is_writing) {
        if (!wait_queue_wait(&log->idle, FILE_DEADLINE_MS, err))
            return false;
    }
    if (log->pending->len == 0)
        return true;
    WriteJob *job = write_job_new(log, g_steal_pointer(&log->pending));
    log->pending = g_string_new(NULL);
    log->is_writing = true;
    const bool ok =
        worker_call(worker_lane_state(), write_job_run, job, write_job_free, FILE_DEADLINE_MS, err);
    log->is_writing = false;
    wait_queue_wake_all(&log->idle);
    if (ok)
        write_job_free(job);
    return ok;
}

/* ---- reading ---- */

static void log_say_dropped(VmLog *log)
{
    if (log->dropped_bytes == 0)
        return;
    g_string_append_printf(log->pending,
                           "\nlodged: at least %" PRIu64 " bytes were dropped here: QEMU wrote too fast\n",
                           log->dropped_bytes);
    log->dropped_bytes = 0;
}

static void log_take(VmLog *log, const char *data, size_t len)
{
    const uint64_t now_ms = loop_now_ms();
    const uint64_t earned = (now_ms - log->credit_since_ms) * RATE_BYTES_PER_S / 1000;

    g_string_append_len(log->tail, data, (gssize)len);
    if (log->tail->len > TAIL_MAX)
        g_string_erase(log->tail, 0, (gssize)(log->tail->len - TAIL_MAX));
    log->credit_bytes = MIN(log->credit_bytes + earned, BURST_BYTES);
    log->credit_since_ms = now_ms;
    /* Once something was dropped, a second is saved up first: pieces, not crumbs. */
    if (log->dropped_bytes > 0 ? log->credit_bytes < RATE_BYTES_PER_S : log->credit_bytes < len) {
        log->dropped_bytes += len;
        return;
    }
    log_say_dropped(log);
    g_string_append_len(log->pending, data, (gssize)len);
    log->credit_bytes -= MIN(len, log->credit_bytes);
}

/* true: there was something. */
static bool log_read(VmLog *log)
{
    g_autofree char *buffer = g_malloc(TURN_BYTES);
    ssize_t got = -1;

    if (log->pipe_fd >= 0)
        got = read(log->pipe_fd, buffer, TURN_BYTES);
    if (got > 0)
        log_take(log, buffer, (size_t)got);
    return got > 0;
}

static void log_fiber(void *arg)
{
    VmLog *log = arg;
    g_autoptr(Error) err = NULL;

    while (!log->is_closed && !log->host->is_stopping && log_read(log)) {
        if (!log_flush(log, &err) || !fiber_sleep(REST_MS, &err))
            break;
    }
    if (err && error_code(err) != ERROR_CANCELLED)
        log_warning_error(err, log->name);
    /* A daemon that ends leaves the rest to the next one. */
    if (!log->is_closed && !log->host->is_stopping)
        (void)sd_event_source_set_enabled(log->source, SD_EVENT_ON);
    log_unref(log);
}

static int log_on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    VmLog *log = arg;

    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    if (log->host->is_stopping)
        return 0;
    log->refs++;
    host_spawn(log->host, "qemu-log", log_fiber, log);
    return 0;
}

static void log_watch(VmLog *log)
{
    const int r = sd_event_add_io(loop_event(), &log->source, log->pipe_fd, EPOLLIN, log_on_output, log);

    if (r < 0)
        log_warning("output of machine '%s' is not read: %s", log->name, g_strerror(-r));
}

/* ---- calls ---- */

bool vm_log_open(Host *host, const char *name, const char *header, VmLog **ret_log, int *ret_fd, Error **err)
{
    VmLog *log = log_new(host, name);
    WriteJob *job = write_job_new(log, g_string_new(header));

    job->pipe_path = vm_log_pipe_path(host, name);
    if (!worker_call(worker_lane_state(), write_job_run, job, write_job_free, FILE_DEADLINE_MS, err)) {
        log_unref(log);
        g_autofree char *path = vm_log_path(host, name);
        return error_prefix(err, "failed to create logfile %s", path);
    }
    log->pipe_fd = fd_steal(&job->read_fd);
    *ret_fd = fd_steal(&job->write_fd);
    write_job_free(job);
    log_watch(log);
    *ret_log = log;
    return true;
}

VmLog *vm_log_reopen(Host *host, const char *name)
{
    VmLog *log = log_new(host, name);
    g_autofree char *path = vm_log_pipe_path(host, name);
    struct stat st;

    log->pipe_fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (log->pipe_fd >= 0 && (fstat(log->pipe_fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
        fd_cleanup(&log->pipe_fd);
    if (log->pipe_fd >= 0)
        log_watch(log);
    return log;
}

char *vm_log_get_tail(VmLog *log)
{
    (void)log_read(log); /* the rest, if QEMU is gone: a pipe holds no more than one turn */
    return g_strchomp(g_strndup(log->tail->str, log->tail->len));
}

void vm_log_end(VmLog *log, const char *text)
{
    g_autoptr(Error) err = NULL;

    log->refs++;
    (void)log_read(log);
    log_say_dropped(log);
    g_string_append(log->pending, text);
    if (!log_flush(log, &err))
        log_warning_error(err, log->name);
    log_unref(log);
}

void vm_log_free(VmLog *log)
{
    if (!log)
        return;
    log->is_closed = true;
    if (log->source)
        (void)sd_event_source_disable_unref(log->source);
    log->source = NULL;
    log_unref(log);
}
