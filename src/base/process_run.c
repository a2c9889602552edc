/* Running a helper program to its end.
 *
 * One fiber watches the three pipes and the process itself through an epoll descriptor of their own, which is
 * one descriptor to wait for; so the same code serves a thread without a loop. A helper counts as finished
 * when it has exited: a grandchild that keeps the pipes open does not hold us up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"

#define PROCESS_RUN_DEFAULT_MAX ((size_t)1 << 20)
#define PROCESS_RUN_REAP_MS 5000
#define PROCESS_RUN_LOOK_MS 1000 /* between two looks for signs of life */

typedef struct ProcessPipe {
    int fd; /* our end, -1 once closed */
    GString *text;
} ProcessPipe;

typedef struct ProcessRun {
    Process *process;
    int epoll_fd;
    int pidfd;
    ProcessPipe out, err;
    int in_fd;
    const char *in_data;
    size_t in_left;
    size_t max_bytes;
    const ProcessSpec *spec;
    char *life;       /* what it had done at the last look */
    uint64_t life_ms; /* when that was something new */
} ProcessRun;

static void process_run_clear(ProcessRun *run)
{
    process_free(run->process);
    fd_cleanup(&run->epoll_fd);
    fd_cleanup(&run->pidfd);
    fd_cleanup(&run->out.fd);
    fd_cleanup(&run->err.fd);
    fd_cleanup(&run->in_fd);
    if (run->out.text)
        g_string_free(run->out.text, true);
    if (run->err.text)
        g_string_free(run->err.text, true);
    g_free(run->life);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessRun, process_run_clear)

static bool process_run_watch(const ProcessRun *run, int fd, uint32_t events, Error **err)
{
    struct epoll_event event = { .events = events, .data = { .fd = fd } };
    if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_set_errno(err, errno, "cannot watch a helper program");
    return true;
}

/* Reads what is there, up to what a pipe holds: a helper that never stops printing must not keep us here.
 * Closes at the end. What exceeds the limit is read and dropped, so that the helper can go on. */
static void process_run_read(const ProcessRun *run, ProcessPipe *from)
{
    char buffer[4096];
    for (int i = 0; i < 32 && from->fd >= 0; i++) {
        ssize_t n = read(from->fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            fd_cleanup(&from->fd); /* which also takes it out of the epoll */
            return;
        }
        if (from == &run->out && run->spec->on_output) {
            run->spec->on_output(run->spec->on_output_arg, buffer, (size_t)n);
            continue;
        }
        size_t room = run->max_bytes - from->text->len;
        g_string_append_len(from->text, buffer, (gssize)MIN((size_t)n, room));
    }
}

/* write() without the SIGPIPE that a helper which does not read would raise. */
static ssize_t process_run_write_quietly(int fd, const char *data, size_t len)
{
    sigset_t pipe_only, before, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t n = write(fd, data, len);
    int saved = errno;
    if (n < 0 && saved == EPIPE && !was_pending) {
        struct timespec now = { 0 };
        (void)sigtimedwait(&pipe_only, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return n;
}

static void process_run_feed(ProcessRun *run)
{
    while (run->in_fd >= 0 && run->in_left > 0) {
        ssize_t n = process_run_write_quietly(run->in_fd, run->in_data, run->in_left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break; /* it does not want more; its exit status tells whether that is bad */
        run->in_data += n;
        run->in_left -= (size_t)n;
    }
    fd_cleanup(&run->in_fd);
}

/* Makes a pipe whose @ours end does not block. */
static bool process_run_pipe(int *ret_ours, int *ret_theirs, int ours, Error **err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    (void)fcntl(ends[ours], F_SETFL, O_NONBLOCK);
    *ret_ours = ends[ours];
    *ret_theirs = ends[1 - ours];
    return true;
}

AWAITS static bool process_run_start(ProcessRun *run, const ProcessSpec *spec, bool feed, Error **err)
{
    AUTO_FD child_in = -1;
    AUTO_FD child_out = -1;
    AUTO_FD child_err = -1;
    if (feed && !process_run_pipe(&run->in_fd, &child_in, 1, err))
        return false;
    if (!process_run_pipe(&run->out.fd, &child_out, 0, err) ||
        !process_run_pipe(&run->err.fd, &child_err, 0, err))
        return false;
    ProcessSpec own = *spec;
    if (feed)
        own.stdin_fd = child_in;
    if (own.stdout_fd < 0)
        own.stdout_fd = child_out;
    if (own.stderr_fd < 0)
        own.stderr_fd = child_err;
    own.new_session = true; /* so that what it starts can be killed with it */
    if (!process_start(&own, &run->process, err))
        return false;
    run->pidfd = pidfd_open(process_pid(run->process), 0);
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll_fd < 0)
        return error_set_errno(err, errno, "cannot watch a helper program");
    if (run->pidfd >= 0 && !process_run_watch(run, run->pidfd, EPOLLIN, err))
        return false; /* pidfd < 0: it has ended and been reaped already */
    if (run->in_fd >= 0 && !process_run_watch(run, run->in_fd, EPOLLOUT, err))
        return false;
    return process_run_watch(run, run->out.fd, EPOLLIN, err) &&
           process_run_watch(run, run->err.fd, EPOLLIN, err);
}

/* Time of its threads and bytes that it moved: the kernel's numbers, which it need not run to show. */
static char *process_run_signs_of_life(const ProcessRun *run)
{
    g_autofree char *stat_path = g_strdup_printf("/proc/%d/stat", (int)process_pid(run->process));
    g_autofree char *io_path = g_strdup_printf("/proc/%d/io", (int)process_pid(run->process));
    g_autofree char *stat = file_read_kernel(stat_path);
    g_autofree char *io = file_read_kernel(io_path);
    const char *name_end = stat ? strrchr(stat, ')') : NULL;
    g_auto(GStrv) fields = g_strsplit(name_end ? name_end + 1 : "", " ", 15);
    const bool has_times = g_strv_length(fields) > 13;

    /* Fields 14 and 15 of the file: user and system time. */
    return g_strdup_printf("%s %s %s", has_times ? fields[12] : "", has_times ? fields[13] : "",
                           io ? io : "");
}

static bool process_run_check_life(ProcessRun *run, Error **err)
{
    const uint64_t now = loop_now_ms();
    g_autofree char *life = process_run_signs_of_life(run);

    if (g_strcmp0(life, run->life) != 0) {
        g_free(run->life);
        run->life = g_steal_pointer(&life);
        run->life_ms = now;
    } else if (now - run->life_ms >= run->spec->quiet_timeout_ms) {
        return error_set(err, ERROR_TIMEOUT,
                         "it has done nothing for %" PRIu64 " seconds: its storage does not answer",
                         (now - run->life_ms) / 1000);
    }
    return true;
}

/* Feeds and reads until the process has ended. */
AWAITS static bool process_run_pump(ProcessRun *run, uint64_t deadline_ms, Error **err)
{
    while (run->pidfd >= 0 && !process_has_exited(run->process)) {
        uint64_t now = loop_now_ms();
        uint64_t left = deadline_ms == UINT64_MAX ? FIBER_NO_DEADLINE
                        : now >= deadline_ms      ? 0
                                                  : deadline_ms - now;
        const uint64_t look_ms = run->spec->quiet_timeout_ms
                                     ? MIN(PROCESS_RUN_LOOK_MS, run->spec->quiet_timeout_ms)
                                     : FIBER_NO_DEADLINE;
        g_autoptr(Error) why = NULL;
        if (!fiber_wait_fd(run->epoll_fd, EPOLLIN, MIN(left, look_ms), NULL, &why) &&
            (look_ms >= left || error_code(why) != ERROR_TIMEOUT))
            return error_propagate(err, g_steal_pointer(&why));
        if (run->spec->quiet_timeout_ms && !process_run_check_life(run, err))
            return false;
        struct epoll_event ready[4];
        int n = epoll_wait(run->epoll_fd, ready, 4, 0);
        bool ended = false;
        for (int i = 0; i < n; i++)
            ended = ended || ready[i].data.fd == run->pidfd;
        process_run_read(run, &run->out);
        process_run_read(run, &run->err);
        process_run_feed(run);
        if (ended)
            break;
    }
    process_run_read(run, &run->out);
    process_run_read(run, &run->err);
    /* The loop's own watch of the process may come a turn later than ours. */
    return process_wait(run->process, PROCESS_RUN_REAP_MS, err);
}

static void process_run_kill(ProcessRun *run)
{
    if (!run->process || process_has_exited(run->process))
        return;
    /* Not reaped yet, so the number of its group is still its own. */
    (void)kill(-process_pid(run->process), SIGKILL);
    (void)process_kill(run->process, SIGKILL, NULL); /* gone meanwhile: as wanted */
    if (!fiber_current())
        (void)!process_wait(run->process, PROCESS_RUN_REAP_MS, NULL); /* no loop would reap it */
}

bool process_run(const ProcessSpec *spec, const char *stdin_data, size_t stdin_len, size_t max_output_bytes,
                 uint64_t timeout_ms, ProcessOutput *ret_output, Error **err)
{
    g_auto(ProcessRun) run = { .epoll_fd = -1,
                               .pidfd = -1,
                               .in_fd = -1,
                               .out = { .fd = -1, .text = g_string_new(NULL) },
                               .err = { .fd = -1, .text = g_string_new(NULL) },
                               .spec = spec,
                               .life_ms = loop_now_ms(),
                               .in_data = stdin_data,
                               .in_left = stdin_len,
                               .max_bytes = max_output_bytes ? max_output_bytes : PROCESS_RUN_DEFAULT_MAX };
    uint64_t now = loop_now_ms();
    uint64_t deadline = timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;
    if (!process_run_start(&run, spec, stdin_data != NULL, err) || !process_run_pump(&run, deadline, err)) {
        process_run_kill(&run);
        return error_prefix(err, "running '%s'", spec->argv[0]);
    }
    ret_output->status = process_status(run.process);
    ret_output->out_len = run.out.text->len;
    ret_output->out = g_string_free(g_steal_pointer(&run.out.text), false);
    ret_output->err_len = run.err.text->len;
    ret_output->err = g_string_free(g_steal_pointer(&run.err.text), false);
    return true;
}

void process_output_clear(ProcessOutput *output)
{
    g_clear_pointer(&output->out, g_free);
    g_clear_pointer(&output->err, g_free);
    output->out_len = output->err_len = 0;
}
