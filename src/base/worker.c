/* Threads for system calls that may block.
 *
 * Threads belong to nobody: any idle one takes the next job that is allowed to run. What is limited is how
 * many jobs of one lane run at a time. A lane whose storage hangs therefore holds at most LANE_MAX threads,
 * and the others get new ones. A job travels: lane->waiting -> pool.runnable (its lane has a slot for it) ->
 * a thread -> pool.finished -> the loop, woken by one eventfd.
 *
 * The loop takes the lock too, so nobody makes a system call under it, not even to wake somebody: a thread
 * that a busy machine stops there would stop the loop. For the same reason idle threads wait on a semaphore:
 * signalling a condition may wait until those who were signalled before have run. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/fiber_private.h"
#include "base/loop.h"
#include "base/loop_private.h"

#define LANE_MAX 4
#define WORKER_KEEP_IDLE 2 /* so many idle threads stay for good */
#define WORKER_IDLE_SECONDS 30
#define WORKER_STACK_BYTES ((size_t)256 << 10)
#define WORKER_SHUTDOWN_MS 2000
#define CLOSE_MS 10000

struct WorkerLane {
    char *name;
    /* Under pool.lock: */
    unsigned running; /* jobs with a slot: runnable or in a thread */
    unsigned stuck;   /* of these, jobs whose caller gave up */
    GQueue waiting;   /* of WorkerJob */
};

typedef enum WorkerJobState {
    JOB_WAITING,
    JOB_RUNNABLE,
    JOB_RUNNING,
    JOB_FINISHED,
    JOB_DELIVERED
} WorkerJobState;

typedef struct WorkerJob {
    WorkerLane *lane;
    void (*func)(void *data);
    void *data;
    void (*data_free)(void *data);
    Fiber *fiber; /* loop thread only */
    /* Under pool.lock: */
    WorkerJobState state;
    bool abandoned;
    GList link;
} WorkerJob;

typedef struct WorkerThread {
    pthread_t id;
    bool ended; /* by pool.quitting, to be joined */
} WorkerThread;

static struct {
    pthread_mutex_t lock;
    sem_t work;           /* for idle threads: runnable grew, or quitting */
    pthread_cond_t ended; /* a thread left because of quitting */
    bool ready;           /* the two above are */
    GQueue runnable;      /* of WorkerJob */
    GQueue finished;      /* of WorkerJob */
    GQueue threads;       /* of WorkerThread */
    unsigned n_idle;
    unsigned n_stuck; /* as those of all lanes together */
    bool quitting;
    int wake_fd; /* eventfd; made once, since a thread may be about to write to it; -1 before */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake_fd = -1 };

/* Loop thread only. */
static struct {
    GHashTable *lanes; /* mount point -> WorkerLane */
    sd_event_source *source;
    int mounts_fd;
    GPtrArray *mounts; /* of Mount, later ones cover earlier ones */
} workers = { .mounts_fd = -1 };

/* ---- threads ---- */

/* Under the lock. */
static void worker_grant_slots(WorkerLane *lane)
{
    while (lane->running < LANE_MAX && lane->waiting.length > 0) {
        GList *link = g_queue_pop_head_link(&lane->waiting);
        WorkerJob *job = link->data;
        job->state = JOB_RUNNABLE;
        lane->running++;
        g_queue_push_tail_link(&pool.runnable, link);
    }
}

static void worker_signal_loop(void)
{
    uint64_t one = 1;
    while (write(pool.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* Runs one job; the lock is held on entry and exit, not in between. */
static void worker_thread_run_job(WorkerJob *job)
{
    job->state = JOB_RUNNING;
    pthread_mutex_unlock(&pool.lock);
    job->func(job->data);
    pthread_mutex_lock(&pool.lock);
    job->state = JOB_FINISHED;
    WorkerLane *lane = job->lane;
    lane->running--;
    if (job->abandoned) {
        lane->stuck--;
        pool.n_stuck--;
    }
    bool first = pool.finished.length == 0;
    g_queue_push_tail_link(&pool.finished, &job->link);
    worker_grant_slots(lane); /* this thread takes the job if no other is idle */
    bool more = pool.n_idle > 0 && pool.runnable.length > 1;
    pthread_mutex_unlock(&pool.lock);
    if (first)
        worker_signal_loop();
    if (more)
        (void)sem_post(&pool.work);
    pthread_mutex_lock(&pool.lock);
}

/* The lock is held on entry and exit, not in between. true: there may be work; false: idle for long enough to
 * leave. */
static bool worker_thread_wait(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORKER_IDLE_SECONDS;
    pool.n_idle++;
    int r = 0;
    while (pool.runnable.length == 0 && !pool.quitting && r != ETIMEDOUT) {
        /* Those that stay for good need not wake up to find that out. */
        bool stays = pool.n_idle <= WORKER_KEEP_IDLE;
        pthread_mutex_unlock(&pool.lock);
        r = stays ? sem_wait(&pool.work) : sem_clockwait(&pool.work, CLOCK_MONOTONIC, &until);
        r = r < 0 ? errno : 0;
        pthread_mutex_lock(&pool.lock);
    }
    pool.n_idle--;
    return r != ETIMEDOUT || pool.runnable.length > 0 || pool.quitting;
}

static void *worker_thread_main(void *arg)
{
    WorkerThread *thread = arg;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        GList *link = g_queue_pop_head_link(&pool.runnable);
        if (link) {
            worker_thread_run_job(link->data);
            continue;
        }
        if (pool.quitting) {
            thread->ended = true;
            pthread_cond_signal(&pool.ended);
            break;
        }
        if (!worker_thread_wait()) {
            g_queue_remove(&pool.threads, thread);
            (void)pthread_detach(pthread_self());
            g_free(thread);
            break;
        }
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static void worker_init_waits(void)
{
    if (pool.ready)
        return;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool.ended, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)sem_init(&pool.work, 0, 0); /* cannot fail with these values */
    pool.ready = true;
}

/* Under the lock. Returns 0 or an errno. */
static int worker_add_thread(void)
{
    WorkerThread *thread = g_new0(WorkerThread, 1);
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
    /* Signals are the loop's: a thread that took one would take it away from its signalfd. */
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread->id, &attr, worker_thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    if (r != 0) {
        g_free(thread);
        return r;
    }
    (void)pthread_setname_np(thread->id, "lodge-worker");
    g_queue_push_tail(&pool.threads, thread);
    return 0;
}

/* ---- the loop's side ---- */

static void worker_job_free(WorkerJob *job)
{
    if (job->data_free)
        job->data_free(job->data);
    g_free(job);
}

static void worker_collect_finished(void)
{
    pthread_mutex_lock(&pool.lock);
    GQueue batch = pool.finished;
    g_queue_init(&pool.finished);
    for (GList *link = batch.head; link; link = link->next)
        ((WorkerJob *)link->data)->state = JOB_DELIVERED;
    pthread_mutex_unlock(&pool.lock);
    for (GList *link; (link = g_queue_pop_head_link(&batch));) {
        WorkerJob *job = link->data;
        if (job->abandoned)
            worker_job_free(job);
        else
            fiber_wake(job->fiber); /* owns the job */
    }
}

static int worker_woken(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    uint64_t count;
    (void)!read(fd, &count, sizeof(count)); /* non-blocking; an empty one is no harm */
    worker_collect_finished();
    return 0;
}

static void worker_detach_loop(void)
{
    workers.source = sd_event_source_disable_unref(workers.source);
}

static bool worker_attach_loop(Error **err)
{
    if (workers.source)
        return true;
    if (pool.wake_fd < 0)
        pool.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool.wake_fd < 0)
        return error_set_errno(err, errno, "cannot make an eventfd");
    int r = sd_event_add_io(loop_event(), &workers.source, pool.wake_fd, EPOLLIN, worker_woken, NULL);
    if (r < 0)
        return error_set_errno(err, -r, "cannot watch the worker threads");
    (void)sd_event_source_set_description(workers.source, "worker threads");
    pthread_mutex_lock(&pool.lock);
    pool.quitting = false;
    worker_init_waits();
    bool left = pool.finished.length > 0; /* from an earlier loop */
    pthread_mutex_unlock(&pool.lock);
    if (left)
        worker_signal_loop();
    loop_on_shutdown(worker_detach_loop);
    return true;
}

/* false: no thread could be started and none is there to wait for. */
static bool worker_submit(WorkerJob *job, Error **err)
{
    int r = 0;
    bool wake = false;
    pthread_mutex_lock(&pool.lock);
    WorkerLane *lane = job->lane;
    job->state = JOB_WAITING;
    g_queue_push_tail_link(&lane->waiting, &job->link);
    worker_grant_slots(lane);
    if (job->state == JOB_RUNNABLE) {
        if (pool.runnable.length > pool.n_idle)
            r = worker_add_thread();
        if (r != 0 && pool.threads.length == 0) {
            g_queue_unlink(&pool.runnable, &job->link);
            lane->running--;
        } else {
            r = 0;
            wake = pool.n_idle > 0;
        }
    }
    pthread_mutex_unlock(&pool.lock);
    if (wake)
        (void)sem_post(&pool.work);
    if (r != 0)
        return error_set_errno(err, r, "cannot start a worker thread");
    return true;
}

/* The caller stops waiting. true: the job had finished meanwhile, and its result counts. */
static bool worker_give_up(WorkerJob *job)
{
    bool finished = false, taken_back = false, wake = false;
    pthread_mutex_lock(&pool.lock);
    switch (job->state) {
    case JOB_WAITING:
        g_queue_unlink(&job->lane->waiting, &job->link);
        taken_back = true;
        break;
    case JOB_RUNNABLE:
        g_queue_unlink(&pool.runnable, &job->link);
        job->lane->running--;
        worker_grant_slots(job->lane);
        wake = pool.runnable.length > 0 && pool.n_idle > 0;
        taken_back = true;
        break;
    case JOB_RUNNING:
        job->abandoned = true;
        job->lane->stuck++;
        pool.n_stuck++;
        break;
    case JOB_FINISHED:
        g_queue_unlink(&pool.finished, &job->link);
        finished = true;
        break;
    case JOB_DELIVERED: /* the deadline passed first, but we had not run since */
        finished = true;
        break;
    }
    pthread_mutex_unlock(&pool.lock);
    if (wake)
        (void)sem_post(&pool.work);
    if (taken_back)
        worker_job_free(job);
    return finished;
}

static bool worker_check_lane(const WorkerLane *lane, Error **err)
{
    unsigned stuck = worker_lane_stuck(lane);
    if (stuck < LANE_MAX)
        return true;
    error_set(err, ERROR_BUSY, "'%s' does not answer: %u calls to it hang", lane->name, stuck);
    return error_hint(err, "check the storage behind '%s'; calls are tried again as soon as one returns",
                      lane->name);
}

bool worker_run(WorkerLane *lane, void (*func)(void *data), void *data, void (*data_free)(void *data),
                uint64_t timeout_ms, Error **err)
{
    Fiber *fiber = fiber_current();
    if (!fiber) {
        func(data);
        return true;
    }
    WorkerJob *job = g_new0(WorkerJob, 1);
    job->lane = lane;
    job->func = func;
    job->data = data;
    job->data_free = data_free;
    job->fiber = fiber;
    job->link.data = job;
    if (!fiber_may_suspend(timeout_ms, err) || !worker_check_lane(lane, err) || !worker_attach_loop(err) ||
        !worker_submit(job, err)) {
        worker_job_free(job);
        return false;
    }
    Error *problem = NULL;
    if (fiber_suspend(timeout_ms, &problem) || worker_give_up(job)) {
        error_free(problem);
        g_free(job);
        return true;
    }
    if (error_code(problem) == ERROR_TIMEOUT) {
        error_free(problem);
        return error_set(err, ERROR_TIMEOUT, "'%s' did not answer in time", lane->name);
    }
    return error_propagate(err, problem);
}

typedef struct WorkerCall {
    bool (*func)(void *data, Error **err);
    void *data;
    void (*data_free)(void *data);
    bool ok;
    Error *err;
} WorkerCall;

static void worker_call_free(void *arg)
{
    WorkerCall *call = arg;
    if (call->data_free)
        call->data_free(call->data);
    error_free(call->err);
    g_free(call);
}

static void worker_call_run(void *arg)
{
    WorkerCall *call = arg;
    call->ok = call->func(call->data, &call->err);
}

/* NULL: it did not run, or nobody knows. */
static WorkerCall *worker_call_do(WorkerLane *lane, const WorkerCall *what, uint64_t timeout_ms, Error **err)
{
    WorkerCall *call = g_memdup2(what, sizeof(*what));
    return worker_run(lane, worker_call_run, call, worker_call_free, timeout_ms, err) ? call : NULL;
}

static bool worker_call_end(WorkerCall *call, Error **err)
{
    const bool ok = call->ok;
    if (ok)
        call->data_free = NULL; /* it is the caller's */
    if (call->err)
        error_propagate(err, g_steal_pointer(&call->err));
    worker_call_free(call);
    return ok;
}

bool worker_call(WorkerLane *lane, bool (*func)(void *data, Error **err), void *data,
                 void (*data_free)(void *data), uint64_t timeout_ms, Error **err)
{
    const WorkerCall what = { .func = func, .data = data, .data_free = data_free };
    WorkerCall *call = worker_call_do(lane, &what, timeout_ms, err);
    return call && worker_call_end(call, err);
}

bool worker_call_path(const char *path, const char *doing, bool (*func)(void *data, Error **err), void *data,
                      void (*data_free)(void *data), uint64_t timeout_ms, Error **err)
{
    const WorkerCall what = { .func = func, .data = data, .data_free = data_free };
    g_autofree char *name = g_strdup(path); /* it may be the job's */
    WorkerCall *call = worker_call_do(worker_lane_for_path(name), &what, timeout_ms, err);
    return call ? worker_call_end(call, err) : error_prefix(err, "%s '%s'", doing, name);
}

static void worker_close_run(void *data)
{
    fd_cleanup(data);
}

static void worker_close_free(void *data)
{
    fd_cleanup(data);
    g_free(data);
}

void worker_close(const char *path, int *fd)
{
    if (*fd < 0)
        return;
    int *order = g_new(int, 1);
    *order = fd_steal(fd);
    if (worker_run(worker_lane_for_path(path), worker_close_run, order, worker_close_free, CLOSE_MS, NULL))
        worker_close_free(order);
}

/* Waits until every thread but the stuck ones has ended. */
static void worker_join_threads(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORKER_SHUTDOWN_MS / 1000;
    for (int r = 0; r != ETIMEDOUT;) {
        unsigned alive = 0;
        for (GList *at = pool.threads.head, *next; at; at = next) {
            next = at->next;
            WorkerThread *thread = at->data;
            if (!thread->ended) {
                alive++;
                continue;
            }
            g_queue_delete_link(&pool.threads, at);
            pthread_mutex_unlock(&pool.lock); /* it may still hold it on its way out */
            (void)pthread_join(thread->id, NULL);
            g_free(thread);
            pthread_mutex_lock(&pool.lock);
            next = pool.threads.head;
            alive = 0;
        }
        if (alive <= pool.n_stuck)
            break;
        r = pthread_cond_timedwait(&pool.ended, &pool.lock, &until);
    }
}

static void worker_lane_free(void *arg)
{
    WorkerLane *lane = arg;
    g_free(lane->name);
    g_free(lane);
}

void worker_shutdown(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.quitting = true;
    if (pool.ready) {
        for (unsigned i = 0; i < pool.threads.length; i++)
            (void)sem_post(&pool.work);
        worker_join_threads();
    }
    bool all_gone = pool.threads.length == 0;
    pthread_mutex_unlock(&pool.lock);
    worker_collect_finished();
    if (workers.mounts)
        g_ptr_array_unref(workers.mounts);
    workers.mounts = NULL;
    fd_cleanup(&workers.mounts_fd);
    if (!all_gone)
        return; /* a stuck job still refers to its lane */
    g_clear_pointer(&workers.lanes, g_hash_table_unref);
}

/* ---- lanes ---- */

static WorkerLane *worker_lane_new(const char *name)
{
    WorkerLane *lane = g_new0(WorkerLane, 1);
    lane->name = g_strdup(name);
    return lane;
}

WorkerLane *worker_lane_state(void)
{
    static char name[] = "local state";
    static WorkerLane state = { .name = name }; /* static: code that runs in a worker may ask for it, too */
    return &state;
}

WorkerLane *worker_lane_named(const char *name)
{
    if (!workers.lanes)
        workers.lanes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, worker_lane_free);
    WorkerLane *lane = g_hash_table_lookup(workers.lanes, name);
    if (!lane) {
        lane = worker_lane_new(name);
        g_hash_table_insert(workers.lanes, lane->name, lane);
    }
    return lane;
}

/* The kernel writes blanks and backslashes as \ooo. In place. */
static void worker_unescape_mount(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' &&
            at[3] <= '7') {
            *to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

static char *worker_read_all(int fd)
{
    GString *text = g_string_sized_new(4096);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return g_string_free(text, false);
    char buffer[4096];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        g_string_append_len(text, buffer, n);
    }
    return g_string_free(text, false);
}

typedef struct Mount {
    bool is_memory;
    char point[];
} Mount;

/* "36 35 98:0 /root /mount/point options ... - type source options": see proc(5). */
static GPtrArray *worker_parse_mounts(char *text)
{
    GPtrArray *mounts = g_ptr_array_new_with_free_func(g_free);
    char *lines = NULL;
    for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
        char *fields = NULL;
        const char *end = strstr(line, " - ");
        const bool is_memory =
            end && (g_str_has_prefix(end, " - tmpfs ") || g_str_has_prefix(end, " - ramfs "));
        char *field = strtok_r(line, " ", &fields);
        for (int i = 1; i < 5 && field; i++)
            field = strtok_r(NULL, " ", &fields);
        if (!field)
            continue;
        worker_unescape_mount(field);
        const size_t size = strlen(field) + 1;
        Mount *mount = g_malloc(sizeof(*mount) + size);
        mount->is_memory = is_memory;
        memcpy(mount->point, field, size);
        g_ptr_array_add(mounts, mount);
    }
    return mounts;
}

/* The table is read again only when the kernel says that it changed. */
static const GPtrArray *worker_mounts(void)
{
    if (workers.mounts_fd < 0)
        workers.mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    struct pollfd changed = { .fd = workers.mounts_fd, .events = POLLPRI };
    bool stale = poll(&changed, 1, 0) > 0;
    if (workers.mounts && !stale)
        return workers.mounts;
    g_autofree char *text = workers.mounts_fd >= 0 ? worker_read_all(workers.mounts_fd) : g_strdup("");
    if (workers.mounts)
        g_ptr_array_unref(workers.mounts);
    workers.mounts = worker_parse_mounts(text);
    return workers.mounts;
}

static bool worker_path_is_below(const char *path, const char *mount)
{
    size_t len = strlen(mount);
    if (len == 1) /* "/" */
        return true;
    return strncmp(path, mount, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* NULL: the root, if the table has none. */
static const Mount *worker_find_mount(const char *path)
{
    g_autofree char *plain = g_canonicalize_filename(path, NULL); /* of the text alone for absolute paths */
    const GPtrArray *mounts = worker_mounts();
    const Mount *best = NULL;
    for (guint i = 0; i < mounts->len; i++) {
        const Mount *mount = g_ptr_array_index(mounts, i);
        if ((!best || strlen(mount->point) >= strlen(best->point)) &&
            worker_path_is_below(plain, mount->point))
            best = mount;
    }
    return best;
}

WorkerLane *worker_lane_for_path(const char *path)
{
    const Mount *mount = path && path[0] == '/' ? worker_find_mount(path) : NULL;

    return worker_lane_named(mount ? mount->point : "/");
}

bool worker_path_is_memory(const char *path)
{
    const Mount *mount = path[0] == '/' ? worker_find_mount(path) : NULL;

    return mount && mount->is_memory;
}

const char *worker_lane_name(const WorkerLane *lane)
{
    return lane->name;
}

unsigned worker_lane_stuck(const WorkerLane *lane)
{
    pthread_mutex_lock(&pool.lock);
    unsigned stuck = lane->stuck;
    pthread_mutex_unlock(&pool.lock);
    return stuck;
}
