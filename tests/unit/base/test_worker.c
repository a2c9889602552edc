/* Worker lanes: blocking calls beside the loop, and storage that hangs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* A machine so busy that a thread gets no further once it has woken the loop. */
static struct {
    atomic_bool on;
    atomic_int n_stopped;
    sem_t go_on;
} busy;

ssize_t write(int fd, const void *data, size_t len)
{
    bool stops = busy.on && gettid() != getpid();
    if (stops)
        busy.n_stopped++;
    ssize_t n = syscall(SYS_write, fd, data, len);
    while (stops && sem_wait(&busy.go_on) < 0)
        ;
    return n;
}

typedef struct Job {
    sem_t *gate; /* NULL: does not block */
    int *freed;
    int result;
} Job;

static void job_work(void *arg)
{
    Job *job = arg;
    if (job->gate) {
        while (sem_wait(job->gate) < 0)
            ;
    }
    job->result++;
}

static void job_free(void *arg)
{
    Job *job = arg;
    ++*job->freed;
    g_free(job);
}

static int freed;

static Job *job_new(sem_t *gate)
{
    Job *job = g_new0(Job, 1);
    job->gate = gate;
    job->freed = &freed;
    return job;
}

TEST(outside_of_a_fiber_the_job_is_simply_called)
{
    g_autoptr(Error) err = NULL;
    Job *job = job_new(NULL);
    check_ok(worker_run(worker_lane_state(), job_work, job, job_free, 1000, &err), err);
    check_eq(job->result, 1);
    g_free(job);
}

TEST_FIBER(the_caller_owns_the_data_again_after_success)
{
    g_autoptr(Error) err = NULL;
    freed = 0;
    for (int i = 0; i < 100; i++) {
        Job *job = job_new(NULL);
        check_ok(worker_run(worker_lane_state(), job_work, job, job_free, 1000, &err), err);
        check_eq(job->result, 1);
        g_free(job);
    }
    check_eq(freed, 0);
}

static void wait_for_freed(int wanted)
{
    g_autoptr(Error) err = NULL;
    for (int i = 0; i < 1000 && freed < wanted; i++)
        check_ok(fiber_sleep(2, &err), err);
    check_eq(freed, wanted);
}

static bool job_fails_the_first_time(void *arg, Error **err)
{
    Job *job = arg;
    job_work(job);
    return job->result > 1 || error_set(err, ERROR_BUSY, "not yet");
}

TEST_FIBER(what_a_job_says_is_the_caller_s_and_its_data_goes_when_it_fails)
{
    WorkerLane *lane = worker_lane_for_path("/");
    g_autoptr(Error) err = NULL;
    g_autoptr(Error) late = NULL;
    sem_t gate;
    Job *job = job_new(NULL);
    freed = 0;
    check_fails(worker_call(lane, job_fails_the_first_time, job, job_free, 1000, &err), err, ERROR_BUSY);
    check_eq(freed, 1);
    job = job_new(NULL);
    job->result = 1;
    check_ok(worker_call_path("/", "cannot do", job_fails_the_first_time, job, job_free, 1000, &err), err);
    check_eq(job->result, 2);
    check_eq(freed, 1);
    /* Too late, and well: nobody is there to take it. */
    sem_init(&gate, 0, 0);
    job->gate = &gate;
    check(!worker_call_path("/", "cannot do", job_fails_the_first_time, job, job_free, 20, &late));
    check_eq(error_code(late), ERROR_TIMEOUT);
    check(g_str_has_prefix(error_message(late), "cannot do '/': "));
    sem_post(&gate);
    wait_for_freed(2);
    sem_destroy(&gate);
}

TEST_FIBER(a_lane_that_hangs_refuses_at_once_and_recovers)
{
    g_autoptr(Error) err = NULL;
    sem_t gate;
    sem_init(&gate, 0, 0);
    freed = 0;
    WorkerLane *lane = worker_lane_named("hanging");
    for (int i = 0; i < 4; i++) {
        check_eq(worker_lane_stuck(lane), i);
        check_fails(worker_run(lane, job_work, job_new(&gate), job_free, 200, &err), err, ERROR_TIMEOUT);
    }
    check_eq(worker_lane_stuck(lane), 4);
    uint64_t start = loop_now_ms();
    check(!worker_run(lane, job_work, job_new(&gate), job_free, 60000, &err));
    check_eq(error_code(err), ERROR_BUSY);
    check_contains(error_message(err), "'hanging' does not answer: 4 calls");
    g_clear_pointer(&err, error_free);
    check(loop_now_ms() - start < 1000);
    check_eq(freed, 1); /* the refused one; the others are still in use */

    /* Other lanes do not notice. */
    Job *job = job_new(NULL);
    check_ok(worker_run(worker_lane_state(), job_work, job, job_free, 5000, &err), err);
    g_free(job);

    for (int i = 0; i < 4; i++)
        sem_post(&gate);
    wait_for_freed(5);
    check_eq(worker_lane_stuck(lane), 0);
    job = job_new(NULL);
    check_ok(worker_run(lane, job_work, job, job_free, 5000, &err), err);
    g_free(job);
    sem_destroy(&gate);
}

typedef struct Call {
    WorkerLane *lane;
    sem_t *gate;
    ErrorCode code;
    bool ok;
} Call;

static void call_fiber(void *arg)
{
    Call *call = arg;
    Error *err = NULL;
    Job *job = job_new(call->gate);
    call->ok = worker_run(call->lane, job_work, job, job_free, 10000, &err);
    if (call->ok)
        g_free(job);
    call->code = error_code(err);
    error_free(err);
}

TEST_FIBER(jobs_beyond_the_slots_wait_for_their_turn)
{
    g_autoptr(Error) err = NULL;
    sem_t gate;
    sem_init(&gate, 0, 0);
    Call calls[20];
    Fiber *fibers[20];
    for (int i = 0; i < 20; i++) {
        calls[i] = (Call){ .lane = worker_lane_named("narrow"), .gate = &gate };
        fibers[i] = fiber_ref(fiber_spawn("call", call_fiber, &calls[i]));
    }
    check_ok(fiber_sleep(10, &err), err);
    for (int i = 0; i < 20; i++)
        sem_post(&gate);
    for (int i = 0; i < 20; i++) {
        check_ok(fiber_join(fibers[i], 10000, &err), err);
        fiber_unref(fibers[i]);
        check(calls[i].ok);
    }
    sem_destroy(&gate);
}

TEST_FIBER(a_job_that_has_not_begun_is_taken_back)
{
    g_autoptr(Error) err = NULL;
    sem_t gate;
    sem_init(&gate, 0, 0);
    freed = 0;
    Call calls[5];
    Fiber *fibers[5];
    for (int i = 0; i < 5; i++) {
        calls[i] = (Call){ .lane = worker_lane_named("full"), .gate = &gate };
        fibers[i] = fiber_ref(fiber_spawn("call", call_fiber, &calls[i]));
    }
    check_ok(fiber_sleep(10, &err), err);
    fiber_cancel(fibers[4]); /* waits for a slot */
    check_ok(fiber_join(fibers[4], 1000, &err), err);
    check_eq(calls[4].code, ERROR_CANCELLED);
    check_eq(freed, 1);
    check_eq(worker_lane_stuck(calls[4].lane), 0);
    fiber_cancel(fibers[0]); /* is running */
    check_ok(fiber_join(fibers[0], 1000, &err), err);
    check_eq(calls[0].code, ERROR_CANCELLED);
    check_eq(worker_lane_stuck(calls[0].lane), 1);
    check_eq(freed, 1);
    for (int i = 0; i < 4; i++)
        sem_post(&gate);
    for (int i = 1; i < 4; i++) {
        check_ok(fiber_join(fibers[i], 1000, &err), err);
        check(calls[i].ok);
    }
    wait_for_freed(2);
    for (int i = 0; i < 5; i++)
        fiber_unref(fibers[i]);
    sem_destroy(&gate);
}

TEST_FIBER(a_cancelled_fiber_starts_no_job)
{
    g_autoptr(Error) err = NULL;
    freed = 0;
    Call call = { .lane = worker_lane_state() };
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("call", call_fiber, &call));
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 1000, &err), err);
    check_eq(call.code, ERROR_CANCELLED);
    check_eq(freed, 1);
}

/* It did for as long as the thread stood there: a tenth of a second on a busy machine. */
TEST_FIBER(the_loop_never_waits_for_a_thread_that_wakes_it)
{
    g_autoptr(Error) err = NULL;
    Job *job = job_new(NULL);
    sem_init(&busy.go_on, 0, 0);
    busy.on = true;
    alarm(60); /* the loop itself would stand still */
    for (int i = 0; i < 100 && !busy.n_stopped; i++)
        check_ok(worker_run(worker_lane_state(), job_work, job, job_free, 30000, &err), err);
    check(busy.n_stopped > 0);
    check_eq(worker_lane_stuck(worker_lane_state()), 0);
    busy.on = false;
    check_ok(worker_run(worker_lane_state(), job_work, job, job_free, 30000, &err), err);
    alarm(0);
    g_free(job);
    for (int i = 0; i < busy.n_stopped; i++)
        sem_post(&busy.go_on);
}

TEST_FIBER(mounts_are_found_by_the_text_of_the_path)
{
    check_str(worker_lane_name(worker_lane_for_path("/proc/self/nothing/here")), "/proc");
    check_str(worker_lane_name(worker_lane_for_path("/proc/../proc//x/./y")), "/proc");
    check(worker_lane_for_path("/proc") == worker_lane_for_path("/proc/1"));
    check(strcmp(worker_lane_name(worker_lane_for_path("/processes")), "/proc") != 0);
    check(worker_lane_for_path("") != NULL);
    check(worker_lane_for_path(NULL) != NULL);
    check(worker_lane_for_path("relative/path") != NULL);
}
