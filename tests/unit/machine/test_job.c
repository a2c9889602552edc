/* The queue of jobs of a machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

static GString *order;

typedef struct Worker {
    Vm *vm;
    JobKind kind;
    const char *name;
    uint64_t hold_ms;
    bool got, cancelled;
} Worker;

static void worker_main(void *arg)
{
    Worker *worker = arg;
    Caller caller = { .description = (char *)worker->name };
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    worker->got = job_begin(&worker->vm->object, worker->kind, &caller, &job, &err);
    if (!worker->got)
        return;
    g_string_append(order, worker->name);
    if (worker->hold_ms && !fiber_sleep(worker->hold_ms, &err))
        worker->cancelled = error_code(err) == ERROR_CANCELLED;
}

static void run_all(Worker *workers, size_t count)
{
    Fiber *fibers[8];
    for (size_t i = 0; i < count; i++) {
        fibers[i] = fiber_ref(fiber_spawn(workers[i].name, worker_main, &workers[i]));
        fiber_yield();
    }
    for (size_t i = 0; i < count; i++) {
        check(fiber_join(fibers[i], 5000, NULL));
        fiber_unref(fibers[i]);
    }
}

TEST_FIBER(jobs_are_served_in_arrival_order)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    order = g_string_new(NULL);
    Worker workers[] = { { vm, JOB_MODIFY, "1", 20, false, false },
                         { vm, JOB_MODIFY, "2", 0, false, false },
                         { vm, JOB_MODIFY, "3", 0, false, false } };
    run_all(workers, G_N_ELEMENTS(workers));
    check_str(order->str, "123");
    g_string_free(order, TRUE);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(destroy_goes_first_and_cancels_what_is_merely_long)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    order = g_string_new(NULL);
    Worker workers[] = { { vm, JOB_SAVE, "s", 60000, false, false },
                         { vm, JOB_MODIFY, "m", 0, false, false },
                         { vm, JOB_DESTROY, "d", 0, false, false } };
    run_all(workers, G_N_ELEMENTS(workers));
    check_str(order->str, "sdm");
    check(workers[0].cancelled);
    g_string_free(order, TRUE);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(a_waiter_that_gives_up_learns_who_holds_the_job)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    Caller holder = { .description = (char *)"virsh (pid 7)" };
    g_auto(Job) job = { 0 };
    g_auto(Job) second = { 0 };
    g_autoptr(Error) err = NULL;
    made.host->config->job_timeout_s = 0;
    check_ok(job_begin(&vm->object, JOB_DUMP, &holder, &job, &err), err);
    check(!job_begin(&vm->object, JOB_MODIFY, NULL, &second, &err));
    check_eq(error_code(err), ERROR_TIMEOUT);
    check_contains(error_message(err), "dump of virsh (pid 7)");
    g_autoptr(GPtrArray) jobs = host_list_jobs(made.host);
    check_eq(jobs->len, 1);
    g_ptr_array_set_free_func(jobs, (GDestroyNotify)job_record_free);
    job_end(&job);
    check_ok(job_begin(&vm->object, JOB_MODIFY, NULL, &second, NULL), NULL);
    job_end(&second);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}
