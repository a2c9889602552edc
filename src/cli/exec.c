/* A command in a guest.
 *
 * The agent starts a shell with a script (exec.sh) that sends what the command prints into two files, which
 * are read while they grow. Where there is no shell, or no room for files, the agent runs the command itself
 * and tells what it printed at the end, as far as it kept it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/exec.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/uuid.h"

#define EXEC_INPUT_SMALL ((size_t)1024 * 1024) /* goes along with the command; more lies in a file first */
#define EXEC_END_MS 2000                       /* from the request to end to the end by force */
#define EXEC_HELPER_MS 30000

static const char exec_script[] =
#include "cli/exec_gen.h"
    ;

typedef struct ExecRun {
    const Exec *exec;
    char *dir;
    char *input; /* that goes along; NULL: none */
    size_t input_len;
    char *input_path; /* in the guest; NULL: none */
    int64_t pid;
    GuestFile files[2];
    bool is_open[2];
    int64_t deadline_us; /* INT64_MAX: none */
    bool is_ending;      /* it was asked to end */
    ErrorCode why;       /* ... and this is why */
} ExecRun;

static void exec_run_clear(ExecRun *run)
{
    g_free(run->dir);
    g_free(run->input);
    g_free(run->input_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecRun, exec_run_clear)

static bool exec_is_interrupted(const ExecRun *run)
{
    return run->exec->interrupted && *run->exec->interrupted;
}

/* ---- standard input ---- */

AWAITS static bool exec_read_input(const ExecRun *run, char *buffer, size_t size, size_t *ret_len,
                                   Error **err)
{
    const int fd = run->exec->stdin_fd;
    uint32_t events;

    for (;;) {
        if (exec_is_interrupted(run))
            return error_set(err, ERROR_CANCELLED, "interrupted");
        Error *why = NULL; /* files are always ready, and epoll does not take them */
        if (!fiber_wait_fd(fd, EPOLLIN, 200, &events, &why)) {
            const bool again = error_code(why) == ERROR_TIMEOUT;
            if (!again && error_code(why) != ERROR_SYSTEM)
                return error_propagate(err, why);
            error_free(why);
            if (again)
                continue;
        }
        const ssize_t n = read(fd, buffer, size);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read the standard input");
        *ret_len = (size_t)n;
        return true;
    }
}

/* What does not go along with the command is put into a file in the guest. */
AWAITS static bool exec_send_rest(ExecRun *run, GByteArray *begin, char *buffer, Error **err)
{
    const Guest *guest = run->exec->guest;
    const char *const make[] = { "/bin/sh", "-c", "mkdir -m 700 \"$1\"", "sh", run->dir, NULL };
    g_auto(GuestExit) made = { 0 };
    GuestFile file;
    size_t len = begin->len;

    if (!guest_run(guest, make, EXEC_HELPER_MS, &made, err))
        return false;
    if (made.code != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "the guest has no place for the standard input: %s",
                         made.err);
    g_autofree char *path = g_strconcat(run->dir, "/in", NULL);
    if (!guest_file_open(guest, path, "w", &file, err))
        return false;
    bool ok = guest_file_write(guest, file, (const char *)begin->data, begin->len, err);
    while (ok && len > 0)
        ok = exec_read_input(run, buffer, GUEST_CHUNK_BYTES, &len, err) &&
             guest_file_write(guest, file, buffer, len, err);
    Error *close_err = NULL;
    const bool closed = guest_file_close(guest, file, &close_err);
    if (ok && !closed)
        return error_propagate(err, close_err);
    error_free(close_err);
    run->input_path = g_steal_pointer(&path);
    return ok;
}

AWAITS static bool exec_take_input(ExecRun *run, Error **err)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree char *buffer = g_malloc(GUEST_CHUNK_BYTES);
    size_t len = 1;

    if (run->exec->stdin_fd < 0)
        return true;
    while (len > 0 && all->len <= EXEC_INPUT_SMALL) {
        if (!exec_read_input(run, buffer, GUEST_CHUNK_BYTES, &len, err))
            return false;
        g_byte_array_append(all, (const guint8 *)buffer, (guint)len);
    }
    if (len > 0)
        return exec_send_rest(run, all, buffer, err);
    run->input_len = all->len;
    run->input = (char *)g_byte_array_free(g_steal_pointer(&all), FALSE);
    if (!run->input)
        run->input = g_strdup("");
    return true;
}

/* ---- its end ---- */

/* Only tries: the command may have ended meanwhile, or the agent. */
AWAITS static void exec_signal(const ExecRun *run, const char *signal)
{
    static const char script[] = "p=$(cat \"$1/pid\") && { kill -$2 -- -$p || kill -$2 $p; } 2>/dev/null";
    const char *const argv[] = { "/bin/sh", "-c", script, "sh", run->dir, signal, NULL };
    g_auto(GuestExit) ended = { 0 };

    (void)!guest_run(run->exec->guest, argv, EXEC_HELPER_MS, &ended, NULL);
}

AWAITS static void exec_clean(ExecRun *run)
{
    const char *const argv[] = { "/bin/sh", "-c", "rm -rf -- \"$1\"", "sh", run->dir, NULL };
    g_auto(GuestExit) ended = { 0 };

    fiber_shield_begin();
    for (int i = 0; i < 2; i++) {
        if (run->is_open[i])
            (void)!guest_file_close(run->exec->guest, run->files[i], NULL);
    }
    (void)!guest_run(run->exec->guest, argv, EXEC_HELPER_MS, &ended, NULL);
    fiber_shield_end();
}

/* Whether it is time to end it; asks it to once, then makes it. */
AWAITS static void exec_watch_clock(ExecRun *run)
{
    const int64_t now_us = g_get_monotonic_time();

    if (!run->is_ending && !exec_is_interrupted(run) && now_us < run->deadline_us)
        return;
    if (run->is_ending && now_us < run->deadline_us)
        return;
    if (!run->is_ending)
        run->why = exec_is_interrupted(run) ? ERROR_CANCELLED : ERROR_TIMEOUT;
    exec_signal(run, run->is_ending ? "KILL" : "TERM");
    run->is_ending = true;
    run->deadline_us = now_us + EXEC_END_MS * 1000;
}

static bool exec_tell_why(const ExecRun *run, Error **err)
{
    if (run->why == ERROR_TIMEOUT)
        return error_set(err, ERROR_TIMEOUT, "'%s' was ended after %g s", run->exec->argv[0],
                         (double)run->exec->timeout_ms / 1000);
    return error_set(err, ERROR_CANCELLED, "'%s' was ended: interrupted", run->exec->argv[0]);
}

/* ---- with a shell ---- */

/* What has come since the last time. */
AWAITS static bool exec_pump(ExecRun *run, int i, bool *ret_any, Error **err)
{
    const Guest *guest = run->exec->guest;
    size_t len = 1;

    if (!run->is_open[i]) {
        g_autofree char *path = g_strconcat(run->dir, i == 0 ? "/out" : "/err", NULL);
        if (!guest_file_open(guest, path, "r", &run->files[i], NULL))
            return true; /* the script has not come to it yet */
        run->is_open[i] = true;
    }
    while (len > 0) {
        g_autofree char *data = NULL;
        if (!guest_file_read(guest, run->files[i], &data, &len, err) ||
            (len > 0 && !run->exec->on_output(run->exec->arg, i + 1, data, len, err)))
            return false;
        *ret_any = *ret_any || len > 0;
        if (len < GUEST_CHUNK_BYTES)
            break;
        exec_watch_clock(run);
    }
    return true;
}

AWAITS static bool exec_follow(ExecRun *run, GuestExit *ret_ended, Error **err)
{
    unsigned delay_ms = 0;
    bool has = false;

    for (;;) {
        bool any = false;
        if ((!has && !guest_has_ended(run->exec->guest, run->pid, &has, ret_ended, err)) ||
            !exec_pump(run, 0, &any, err) || !exec_pump(run, 1, &any, err))
            return false;
        if (has && !any)
            return true;
        if (any)
            delay_ms = 0;
        exec_watch_clock(run);
        if (!has && !guest_back_off(&delay_ms, err))
            return false;
    }
}

/* *ret_begun is false if there is no shell, or no place for the files: the command has not run. */
AWAITS static bool exec_by_shell(ExecRun *run, bool *ret_begun, int *ret_code, Error **err)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *count =
        g_strdup_printf("%u", run->exec->env ? g_strv_length((char **)run->exec->env) : 0);
    g_auto(GuestExit) ended = { 0 };
    const char *const fixed[] = { "/bin/sh",    "-c",     exec_script,
                                  "lodge-exec", run->dir, run->input_path ? run->input_path : "",
                                  count };

    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, (char *)fixed[i]);
    for (const char *const *word = run->exec->env; word && *word; word++)
        g_ptr_array_add(argv, (char *)*word);
    for (const char *const *word = run->exec->argv; *word; word++)
        g_ptr_array_add(argv, (char *)*word);
    g_ptr_array_add(argv, NULL);
    Error *why = NULL;
    if (!guest_start(run->exec->guest, (const char *const *)argv->pdata, run->input, run->input_len, false,
                     &run->pid, &why)) {
        *ret_begun = !strstr(error_message(why), "/bin/sh");
        return error_propagate(err, why);
    }
    *ret_begun = true;
    if (!exec_follow(run, &ended, err))
        return false;
    if (!run->is_open[0] && ended.code == 126) {
        *ret_begun = false;
        return error_set(err, ERROR_OPERATION_FAILED, "the guest has no room for what the command prints");
    }
    *ret_code = ended.code;
    return true;
}

/* ---- without ---- */

AWAITS static bool exec_directly(ExecRun *run, int *ret_code, Error **err)
{
    g_auto(GuestExit) ended = { 0 };
    unsigned delay_ms = 0;
    bool has = false;

    if (run->exec->env)
        return error_set(err, ERROR_NOT_SUPPORTED, "a guest without a shell cannot be given an environment");
    if (!guest_start(run->exec->guest, run->exec->argv, run->input, run->input_len, true, &run->pid, err))
        return false;
    while (!has) {
        if (!guest_has_ended(run->exec->guest, run->pid, &has, &ended, err))
            return false;
        if (!has && (exec_is_interrupted(run) || g_get_monotonic_time() > run->deadline_us)) {
            error_set(err, exec_is_interrupted(run) ? ERROR_CANCELLED : ERROR_TIMEOUT,
                      "'%s' still runs in the guest", run->exec->argv[0]);
            return error_hint(err, "without a shell in the guest it cannot be ended from here");
        }
        if (!has && !guest_back_off(&delay_ms, err))
            return false;
    }
    if ((ended.out_len && !run->exec->on_output(run->exec->arg, 1, ended.out, ended.out_len, err)) ||
        (ended.err_len && !run->exec->on_output(run->exec->arg, 2, ended.err, ended.err_len, err)))
        return false;
    if (ended.out_cut || ended.err_cut)
        return error_set(err, ERROR_OVERFLOW,
                         "the guest's agent kept only a part of what the command printed");
    *ret_code = ended.code;
    return true;
}

bool exec_run(const Exec *exec, int *ret_code, Error **err)
{
    g_auto(ExecRun) run = { .exec = exec, .deadline_us = INT64_MAX };
    uint64_t number[2];
    bool begun = true;

    random_bytes(number, sizeof(number)); /* nobody can have made that folder before */
    run.dir = g_strdup_printf("/tmp/lodge-exec.%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
                              number[0], number[1]);
    bool ok = exec_take_input(&run, err);
    if (ok && exec->timeout_ms)
        run.deadline_us = g_get_monotonic_time() + (int64_t)exec->timeout_ms * 1000;
    Error *why = NULL;
    if (ok) {
        ok = exec_by_shell(&run, &begun, ret_code, &why);
        if (!ok && begun && run.pid && !run.is_ending) { /* nobody is left who would read what it prints */
            fiber_shield_begin();
            exec_signal(&run, "TERM");
            fiber_shield_end();
        }
    }
    if (begun && (run.pid || run.input_path))
        exec_clean(&run);
    if (!ok && !begun && !run.input_path) {
        error_free(g_steal_pointer(&why));
        return exec_directly(&run, ret_code, err);
    }
    if (why)
        return error_propagate(err, why);
    return ok && run.why ? exec_tell_why(&run, err) : ok;
}
