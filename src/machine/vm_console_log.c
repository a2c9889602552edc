/* QEMU's descriptor and ours are one open file, so moving its position moves where QEMU writes next. The
 * descriptor of a QEMU that we did not start is fetched from it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "console"
#include "machine/vm_console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"

#define NAME "lodge-console-"
#define RING_BYTES (8 * CONSOLE_LOG_KEPT_BYTES)
#define LOOK_US UINT64_C(2000000)
#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define DESCRIPTORS_MAX 65536

typedef struct ConsoleLog {
    const VmRun *run;
    char *alias;
    int fd;     /* what QEMU writes to */
    int memory; /* the same file, for reading and writing */
} ConsoleLog;

static GPtrArray *all; /* of ConsoleLog, of all runs; NULL: none */
static sd_event_source *timer;

/* Leaves the last of it. Between the two calls QEMU may write a few bytes, which are lost then. */
static void log_shorten(ConsoleLog *log)
{
    const off_t at = lseek(log->fd, 0, SEEK_CUR);
    const size_t kept = CONSOLE_LOG_KEPT_BYTES;

    if (at < (off_t)RING_BYTES / 2)
        return;
    g_autofree char *buffer = g_malloc(kept);
    const ssize_t n = pread(log->memory, buffer, kept, at - (off_t)kept);
    if (n == (ssize_t)kept && pwrite(log->memory, buffer, kept, 0) == n)
        (void)lseek(log->fd, n, SEEK_SET);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    for (guint i = 0; i < all->len; i++)
        log_shorten(g_ptr_array_index(all, i));
    (void)sd_event_source_set_time_relative(source, LOOK_US);
    return 0;
}

static void log_free(void *data)
{
    ConsoleLog *log = data;

    fd_cleanup(&log->fd);
    fd_cleanup(&log->memory);
    g_free(log->alias);
    g_free(log);
}

static ConsoleLog *log_find(const VmRun *run, const char *alias)
{
    for (guint i = 0; all && i < all->len; i++) {
        ConsoleLog *log = g_ptr_array_index(all, i);
        if (log->run == run && strcmp(log->alias, alias) == 0)
            return log;
    }
    return NULL;
}

/* Takes the descriptors over. */
static void log_add(const VmRun *run, const char *alias, int fd, int memory)
{
    ConsoleLog *log = g_new0(ConsoleLog, 1);

    *log = (ConsoleLog){ .run = run, .alias = g_strdup(alias), .fd = fd, .memory = memory };
    if (!all)
        all = g_ptr_array_new_with_free_func(log_free);
    g_ptr_array_add(all, log);
    if (!timer &&
        sd_event_add_time_relative(loop_event(), &timer, CLOCK_MONOTONIC, LOOK_US, 0, on_timer, NULL) >= 0)
        (void)sd_event_source_set_enabled(timer, SD_EVENT_ON);
}

void vm_console_logs_forget(const VmRun *run)
{
    for (guint i = all ? all->len : 0; i-- > 0;) {
        if (((const ConsoleLog *)g_ptr_array_index(all, i))->run == run)
            g_ptr_array_remove_index_fast(all, i);
    }
    if (!all || all->len > 0)
        return;
    timer = sd_event_source_disable_unref(timer);
    g_clear_pointer(&all, g_ptr_array_unref);
}

static int open_again(int fd, int flags)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return open(path, flags | O_CLOEXEC);
}

bool vm_console_log_open(const VmRun *run, const char *alias, int *ret_fd)
{
    g_autofree char *name = g_strconcat(NAME, alias, NULL);
    AUTO_FD memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    AUTO_FD fd = memory >= 0 ? open_again(memory, O_WRONLY) : -1;
    AUTO_FD copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;

    if (copy < 0) {
        log_warning("what '%s' prints is not kept: %s", alias, strerror(errno));
        return false;
    }
    log_add(run, alias, fd_steal(&fd), fd_steal(&memory));
    *ret_fd = fd_steal(&copy);
    return true;
}

static bool seal(int memory)
{
    struct stat st;

    return ftruncate(memory, (off_t)RING_BYTES) == 0 &&
           (fcntl(memory, F_GET_SEALS) == SEALS || fcntl(memory, F_ADD_SEALS, SEALS) == 0) &&
           fstat(memory, &st) == 0 && st.st_size == (off_t)RING_BYTES;
}

void vm_console_logs_seal(const VmRun *run)
{
    for (guint i = all ? all->len : 0; i-- > 0;) {
        const ConsoleLog *log = g_ptr_array_index(all, i);
        if (log->run == run && !seal(log->memory))
            g_ptr_array_remove_index_fast(all, i);
    }
}

GBytes *vm_console_log_read(const VmRun *run, const char *alias)
{
    const ConsoleLog *log = log_find(run, alias);
    const off_t at = log ? lseek(log->fd, 0, SEEK_CUR) : 0;
    if (at <= 0)
        return NULL;
    const size_t len = MIN((size_t)at, CONSOLE_LOG_KEPT_BYTES);
    char *buffer = g_malloc(len);
    const ssize_t n = pread(log->memory, buffer, len, at - (off_t)len);
    return g_bytes_new_take(buffer, n > 0 ? (size_t)n : 0);
}

/* ---- of an earlier daemon ---- */

/* The alias that descriptor @number of the process is of; NULL: it is no log. Owned. */
static char *alias_of(pid_t pid, int number)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)pid, number);
    g_autofree char *target = g_file_read_link(path, NULL);

    if (!target || !g_str_has_prefix(target, "/memfd:" NAME))
        return NULL;
    const char *name = target + strlen("/memfd:" NAME);
    return g_strndup(name, strcspn(name, " "));
}

/* QEMU may have been taken over: what is named so has to be such a file, too. */
static void adopt(const VmRun *run, int pidfd, int number, const char *alias)
{
    AUTO_FD fd = pidfd_getfd(pidfd, number, 0);
    AUTO_FD memory = fd >= 0 && fcntl(fd, F_GET_SEALS) >= 0 ? open_again(fd, O_RDWR) : -1;

    if (log_find(run, alias))
        return; /* QEMU has more than one descriptor of it */
    if (memory >= 0 && seal(memory))
        log_add(run, alias, fd_steal(&fd), fd_steal(&memory));
}

void vm_console_logs_find(const VmRun *run)
{
    AUTO_FD pidfd = pidfd_open(run->pid, 0);
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)run->pid);
    g_autoptr(GDir) dir = pidfd >= 0 ? g_dir_open(path, 0, NULL) : NULL;
    const char *name;

    for (unsigned i = 0; dir && i < DESCRIPTORS_MAX && (name = g_dir_read_name(dir)); i++) {
        const int number = (int)strtol(name, NULL, 10);
        g_autofree char *alias = alias_of(run->pid, number);
        if (alias)
            adopt(run, pidfd, number, alias);
    }
}
