/* Making a daemon out of a process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "daemon"
#include "daemon/process_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "daemon/options.h"

#define MAX_OPEN_FILES 524288
/* A daemon that was told to end may take so long to go. */
#define LOCK_PATIENCE_MS 5000
#define LOCK_POLL_MS 10

static int ready_fd = -1; /* the parent waits at its other end */
static int lock_fd = -1;
static char *lock_path;
static char *pid_path;

/* A daemon started with closed standard descriptors would write log lines into its first socket. */
static void open_standard_fds(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR);
        if (fd < 0 || fd > STDERR_FILENO) {
            if (fd > STDERR_FILENO)
                close(fd);
            return;
        }
    }
}

/* What a careless parent left open would be held for as long as we live. Activated sockets stay. */
static void close_inherited_fds(void)
{
    int listening = sd_listen_fds(0);
    (void)close_range(SD_LISTEN_FDS_START + (unsigned)MAX(listening, 0), UINT_MAX, 0);
}

/* Each client and each machine takes a few descriptors, and 1024 are soon used up. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    struct rlimit wanted = { .rlim_cur = MAX_OPEN_FILES, .rlim_max = MAX(limit.rlim_max, MAX_OPEN_FILES) };
    if (limit.rlim_cur >= MAX_OPEN_FILES || setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return;
    limit.rlim_cur = limit.rlim_max; /* not root: what is allowed */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void process_setup_basics(void)
{
    open_standard_fds();
    close_inherited_fds();
    umask(022);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    memory_setup();
}

/* The parent's part: exits as the child tells. */
__attribute__((noreturn)) static void wait_for_child(pid_t child, int fd)
{
    char byte;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        _exit(EXIT_OK);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_START_FAILED);
}

bool process_setup_background(Error **err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    pid_t child = fork();
    if (child < 0) {
        int errnum = errno;
        close(fds[0]);
        close(fds[1]);
        return error_set_errno(err, errnum, "cannot start a process");
    }
    if (child > 0) {
        close(fds[1]);
        wait_for_child(child, fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    (void)setsid();
    if (chdir("/") < 0)
        return error_set_errno(err, errno, "cannot change to the root directory");
    return true;
}

void process_setup_ready(void)
{
    if (ready_fd < 0)
        return;
    (void)!write(ready_fd, "", 1); /* a parent that was killed does not matter */
    fd_cleanup(&ready_fd);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    fd_cleanup(&null);
}

/* The pid in text form, truncating what was there. */
static bool write_pid_to(int fd, const char *path, Error **err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return error_set_errno(err, errno, "cannot write '%s'", path);
    return true;
}

static bool lock_is_of_path(int fd, const char *path)
{
    struct stat open_file, named_file;
    return fstat(fd, &open_file) == 0 && stat(path, &named_file) == 0 &&
           open_file.st_ino == named_file.st_ino && open_file.st_dev == named_file.st_dev;
}

bool process_setup_lock(const char *path, Error **err)
{
    unsigned waited_ms = 0;

    for (;;) {
        AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return error_set_errno(err, errno, "cannot open the lock file '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno != EWOULDBLOCK)
                return error_set_errno(err, errno, "cannot lock '%s'", path);
            if (waited_ms < LOCK_PATIENCE_MS) {
                (void)g_usleep(LOCK_POLL_MS * 1000); /* nothing of ours runs yet */
                waited_ms += LOCK_POLL_MS;
                continue;
            }
            char text[32] = "";
            (void)!pread(fd, text, sizeof(text) - 1, 0);
            return error_set(err, ERROR_BUSY, "another lodged (process %s) already runs here: it holds '%s'",
                             *g_strstrip(text) ? text : "unknown", path);
        }
        /* a daemon that ends removes its file: what we locked may have no name any more */
        if (!lock_is_of_path(fd, path))
            continue;
        if (!write_pid_to(fd, path, err))
            return false;
        lock_fd = fd_steal(&fd);
        lock_path = g_strdup(path);
        return true;
    }
}

bool process_setup_write_pid(const char *path, Error **err)
{
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open the pid file '%s'", path);
    if (!write_pid_to(fd, path, err))
        return false;
    pid_path = g_strdup(path);
    return true;
}

void process_setup_clear(void)
{
    if (pid_path)
        (void)unlink(pid_path);
    if (lock_path)
        (void)unlink(lock_path);
    g_clear_pointer(&pid_path, g_free);
    g_clear_pointer(&lock_path, g_free);
    fd_cleanup(&lock_fd);
    fd_cleanup(&ready_fd);
}
