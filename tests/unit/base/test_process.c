/* Child processes and helper programs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/process.h"

#define SHELL(script) ((const char *const[]){ "/bin/sh", "-c", script, NULL })

static void check_run(const char *const *argv, const char *input, int status, const char *out)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = argv;
    check_ok(process_run(&spec, input, input ? strlen(input) : 0, 0, 20000, &output, &err), err);
    check_str(output.out, out);
    check_eq(output.status, status);
}

static void check_runs(void)
{
    check_run(SHELL("echo hi; exit 3"), NULL, 3 << 8, "hi\n");
    check_run(SHELL("cat"), "fed", 0, "fed");
    check_run(SHELL("cat"), "", 0, "");
    check_run(SHELL("read x; echo \"[$x]\""), NULL, 0, "[]\n"); /* /dev/null */
    check_run(SHELL("kill -9 $$"), NULL, 9, "");
    check_run(SHELL("exec >&- 2>&-; sleep 0.05"), NULL, 0, "");   /* closes its pipes before it ends */
    check_run(SHELL("sleep 60 & echo $0"), NULL, 0, "/bin/sh\n"); /* a grandchild keeps the pipe open */
    check_run(SHELL("pwd; umask"), NULL, 0, "/\n0022\n");
    g_autofree char *big = g_strnfill(300000, 'x');
    check_run(SHELL("exit 0"), big, 0, ""); /* does not read its input */
    check_run(SHELL("cat"), big, 0, big);
}

TEST_FIBER(helpers_are_run_to_their_end)
{
    check_runs();
}

TEST(helpers_can_be_run_without_a_loop)
{
    check_runs();
}

TEST_FIBER(output_is_cut_at_its_limit)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL("head -c 1000000 /dev/zero; echo problem >&2");
    check_ok(process_run(&spec, NULL, 0, 100, 20000, &output, &err), err);
    check_eq(output.out_len, 100);
    check_str(output.err, "problem\n");
    check_eq(output.status, 0);
}

TEST_FIBER(a_helper_that_takes_too_long_is_killed_with_its_children)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    char *dir = check_make_dir();
    g_autofree char *pid_file = path_join(dir, "pid");
    g_autofree char *script = g_strdup_printf("sleep 60 & echo $! > %s; wait", pid_file);
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL(script);
    uint64_t start = loop_now_ms();
    check_fails(process_run(&spec, NULL, 0, 0, 300, &output, &err), err, ERROR_TIMEOUT);
    check(loop_now_ms() - start < 5000);
    check(output.out == NULL);
    g_autofree char *pid_text = NULL;
    check_ok(file_read(pid_file, 100, &pid_text, NULL, &err), err);
    pid_t pid = atoi(pid_text);
    check(pid > 1);
    g_autofree char *stat_path = g_strdup_printf("/proc/%d/stat", pid);
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        g_autofree char *stat = file_read_kernel(stat_path);
        gone = !stat || strstr(stat, ") Z ");
        check_ok(fiber_sleep(5, &err), err);
    }
    check(gone);
    check_remove_dir(dir);
}

TEST_FIBER(a_helper_that_does_nothing_any_more_is_killed)
{
    static const struct {
        const char *script;
        bool ok;
    } cases[] = {
        { "sleep 60", false },
        /* busy for longer than it may be quiet */
        { "for i in 1 2 3 4 5 6; do timeout 0.2 sh -c 'while :; do :; done'; done; true", true },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_auto(ProcessOutput) output = { 0 };
        ProcessSpec spec = PROCESS_SPEC_INIT;
        spec.argv = SHELL(cases[i].script);
        spec.quiet_timeout_ms = 600;
        const bool ok = process_run(&spec, NULL, 0, 0, FIBER_NO_DEADLINE, &output, &err);
        check_eq(ok, cases[i].ok);
        check_eq(error_code(err), cases[i].ok ? ERROR_NONE : ERROR_TIMEOUT);
    }
}

static void append_output(void *arg, const char *data, size_t len)
{
    g_string_append_len(arg, data, (gssize)len);
}

TEST_FIBER(output_can_be_taken_as_it_comes)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL("echo one; echo two >&2; echo three");
    spec.on_output = append_output;
    spec.on_output_arg = text;
    check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
    check_str(text->str, "one\nthree\n");
    check_str(output.out, "");
    check_str(output.err, "two\n");
}

TEST_FIBER(an_endless_printer_stops_nobody)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const[]){ "/usr/bin/yes", NULL };
    check_fails(process_run(&spec, NULL, 0, 10, 100, &output, &err), err, ERROR_TIMEOUT);
}

TEST_FIBER(a_program_that_cannot_be_run_is_named)
{
    g_autoptr(Error) err = NULL;
    Process *process = NULL;
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const[]){ "/nonexistent/program", NULL };
    check(!process_start(&spec, &process, &err));
    check_eq(error_errno(err), ENOENT);
    check_contains(error_message(err), "/nonexistent/program");
    g_clear_pointer(&err, error_free);
    spec.argv = (const char *const[]){ "/etc/passwd", NULL };
    check(!process_start(&spec, &process, &err));
    check_eq(error_errno(err), EACCES);
    g_clear_pointer(&err, error_free);
    spec.argv = SHELL("exit 0");
    spec.cwd = "/nonexistent";
    check(!process_start(&spec, &process, &err));
    check_contains(error_message(err), "working directory");
    g_clear_pointer(&err, error_free);
    spec.cwd = NULL;
    spec.fds = (const int[]){ 999 };
    spec.n_fds = 1;
    check(!process_start(&spec, &process, &err));
    check_contains(error_message(err), "descriptor");
    g_clear_pointer(&err, error_free);
    spec.argv = (const char *const[]){ "relative", NULL };
    check_fails(process_start(&spec, &process, &err), err, ERROR_INTERNAL);
    check(process == NULL);
}

TEST_FIBER(the_child_has_exactly_the_descriptors_it_was_given)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    AUTO_FD leaky = open("/dev/null", O_RDONLY); /* no O_CLOEXEC */
    AUTO_FD passed = fcntl(leaky, F_DUPFD_CLOEXEC, 50);
    check(passed >= 50);
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const[]){ "/bin/ls", "/proc/self/fd", NULL };
    spec.fds = &passed;
    spec.n_fds = 1;
    check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
    g_autofree char *expected = g_strdup_printf("0\n1\n2\n3\n%d\n", passed); /* 3 is the directory itself */
    check_str(output.out, expected);
}

TEST_FIBER(the_child_starts_with_clean_signals_limits_and_environment)
{
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -n; ulimit -c; env | sort; umask");
    spec.envp = (const char *const[]){ "A=1", NULL };
    spec.max_files = 123;
    spec.set_core = true;
    spec.umask = 0077;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    check(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
    check(sigprocmask(SIG_UNBLOCK, &blocked, NULL) == 0);
    check_contains(output.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n123\n0\nA=1\n");
    check_contains(output.out, "\n0077\n");
}

TEST_FIBER(the_child_runs_as_the_user_asked_for)
{
    if (geteuid() != 0)
        return; /* needs root; the rest of the suite does not */
    g_autoptr(Error) err = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL("grep -E '^(Uid|Gid|Groups)' /proc/self/status");
    spec.set_user = true;
    spec.uid = 1234;
    spec.gid = 1235;
    spec.groups = (const gid_t[]){ 1236, 1237 };
    spec.n_groups = 2;
    check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
    check_contains(output.out, "Uid:\t1234\t1234\t1234\t1234\nGid:\t1235\t1235\t1235\t1235\n");
    check_contains(output.out, "Groups:\t1236 1237");
}

static void count_exit(Process *process, void *arg)
{
    check(process_has_exited(process));
    ++*(int *)arg;
}

static Process *start_sleeper(void)
{
    g_autoptr(Error) err = NULL;
    Process *process = NULL;
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const[]){ "/bin/sleep", "60", NULL };
    check_ok(process_start(&spec, &process, &err), err);
    return process;
}

TEST_FIBER(exits_are_noticed_waited_for_and_described)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Process) process = start_sleeper();
    int exits = 0;
    process_on_exit(process, count_exit, &exits);
    check(process_pid(process) > 0);
    check(process_start_time(process) > 0);
    check_eq(process_start_time(process), process_lookup_start_time(process_pid(process)));
    check(!process_has_exited(process));
    check_eq(process_status(process), -1);
    check_fails(process_wait(process, 20, &err), err, ERROR_TIMEOUT);
    check_ok(process_kill(process, SIGTERM, &err), err);
    check_ok(process_wait(process, 5000, &err), err);
    check_eq(exits, 1);
    check(WIFSIGNALED(process_status(process)));
    g_autofree char *text = process_describe_status(process);
    check_str(text, "killed by signal 15 (TERM)");
    check_ok(process_kill(process, SIGTERM, &err), err);          /* it is gone, as was wanted */
    check_eq(process_lookup_start_time(process_pid(process)), 0); /* reaped */
    process_on_exit(process, count_exit, &exits);
    check_eq(exits, 1);
    check_ok(fiber_sleep(5, &err), err);
    check_eq(exits, 2); /* soon, since it had already exited */
}

TEST_FIBER(a_child_nobody_holds_is_reaped_all_the_same)
{
    g_autoptr(Error) err = NULL;
    Process *process = start_sleeper();
    pid_t pid = process_pid(process);
    check_ok(process_kill(process, SIGKILL, &err), err);
    process_free(process);
    for (int i = 0; i < 500 && process_lookup_start_time(pid) != 0; i++)
        check_ok(fiber_sleep(5, &err), err);
    check_eq(process_lookup_start_time(pid), 0);
}

TEST_FIBER(a_process_of_an_earlier_life_is_attached_by_pid_and_start_time)
{
    g_autoptr(Error) err = NULL;
    /* A grandchild, so that it is not ours to wait for. */
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = SHELL("setsid sleep 60 >/dev/null 2>&1 & echo $!");
    check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
    pid_t pid = atoi(output.out);
    uint64_t start_time = process_lookup_start_time(pid);
    check(start_time > 0);
    Process *none = NULL;
    check_fails(process_attach(pid, start_time + 1, &none, &err), err, ERROR_VM_GONE);
    check_fails(process_attach(0, 1, &none, &err), err, ERROR_VM_GONE);
    check_fails(process_attach(-5, 1, &none, &err), err, ERROR_VM_GONE);
    g_autoptr(Process) process = NULL;
    check_ok(process_attach(pid, start_time, &process, &err), err);
    int exits = 0;
    process_on_exit(process, count_exit, &exits);
    check_ok(process_kill(process, SIGKILL, &err), err);
    check_ok(process_wait(process, 5000, &err), err);
    check_eq(exits, 1);
    check_eq(process_status(process), -1);
}

static void start_and_wait(void *arg)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Process) process = start_sleeper();
    check_fails(process_wait(process, FIBER_NO_DEADLINE, &err), err, ERROR_CANCELLED);
    (void)process_kill(process, SIGKILL, NULL);
}

TEST_FIBER(waiting_for_a_process_can_be_cancelled)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("waiter", start_and_wait, NULL));
    check_ok(fiber_sleep(50, &err), err);
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 5000, &err), err);
}

TEST_FIBER(orphans_are_reaped_without_stealing_the_status_of_our_children)
{
    g_autoptr(Error) err = NULL;
    check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); /* makes us the parent of orphans, as pid 1 is */
    process_reap_orphans_begin();
    for (int i = 0; i < 20; i++) {
        g_auto(ProcessOutput) output = { 0 };
        ProcessSpec spec = PROCESS_SPEC_INIT;
        spec.argv = SHELL("(sleep 0.02; exit 5) >/dev/null 2>&1 & echo $!; exit 7");
        check_ok(process_run(&spec, NULL, 0, 0, 20000, &output, &err), err);
        check_eq(output.status, 7 << 8);
        pid_t orphan = atoi(output.out);
        check(orphan > 1);
        for (int n = 0; n < 500 && process_lookup_start_time(orphan) != 0; n++)
            check_ok(fiber_sleep(2, &err), err);
        check_eq(process_lookup_start_time(orphan), 0);
    }
    check(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}
