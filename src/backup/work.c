/* A queue of a bounded length and threads that empty it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/work.h"

#include <string.h>

#define QUEUE_MAX 64
#define THREADS_MAX 16

struct Work {
    const WorkKind *kind;
    void *arg;
    WorkProgress *progress;
    GPtrArray *threads;
    GMutex lock;
    GCond changed;
    GQueue queue; /* of pieces, owned */
    bool is_closed;
    Error *err; /* the first */
};

void work_progress_add(WorkProgress *progress, uint64_t bytes)
{
    if (progress)
        __atomic_add_fetch(&progress->done, bytes, __ATOMIC_RELAXED);
}

void work_progress_expect(WorkProgress *progress, uint64_t bytes)
{
    if (progress)
        __atomic_add_fetch(&progress->total, bytes, __ATOMIC_RELAXED);
}

bool work_is_cancelled(WorkProgress *progress)
{
    return progress && __atomic_load_n(&progress->cancelled, __ATOMIC_RELAXED);
}

unsigned work_threads(void)
{
    return CLAMP(g_get_num_processors() * 2, 4, THREADS_MAX);
}

/* Takes @err. */
static void work_fail(Work *work, Error *err)
{
    g_mutex_lock(&work->lock);
    if (work->err)
        error_free(err);
    else
        work->err = err;
    g_cond_broadcast(&work->changed);
    g_mutex_unlock(&work->lock);
}

/* NULL: there is nothing left, or it has failed. Owned. */
static void *work_take(Work *work)
{
    g_mutex_lock(&work->lock);
    while (!work->err && !work->is_closed && g_queue_is_empty(&work->queue))
        g_cond_wait(&work->changed, &work->lock);
    void *piece = work->err ? NULL : g_queue_pop_head(&work->queue);
    g_cond_broadcast(&work->changed);
    g_mutex_unlock(&work->lock);
    return piece;
}

static void *work_thread(void *data)
{
    Work *work = data;
    void *context = NULL, *piece = NULL;
    Error *err = NULL;

    if (work->kind->begin && !work->kind->begin(work->arg, &context, &err)) {
        work_fail(work, err);
        return NULL;
    }
    while (!err && (piece = work_take(work))) {
        if (work_is_cancelled(work->progress))
            error_set(&err, ERROR_CANCELLED, "it was cancelled");
        else
            (void)work->kind->run(work->arg, context, piece, &err);
        g_free(piece);
    }
    if (err)
        work_fail(work, err);
    if (work->kind->end)
        work->kind->end(work->arg, context);
    return NULL;
}

Work *work_begin(const WorkKind *kind, void *arg, unsigned n_threads, WorkProgress *progress)
{
    Work *work = g_new0(Work, 1);

    work->kind = kind;
    work->arg = arg;
    work->progress = progress;
    g_mutex_init(&work->lock);
    g_cond_init(&work->changed);
    g_queue_init(&work->queue);
    work->threads = g_ptr_array_new();
    for (unsigned i = 0; i < n_threads; i++)
        g_ptr_array_add(work->threads, g_thread_new("backup", work_thread, work));
    return work;
}

bool work_put(Work *work, const void *piece)
{
    g_mutex_lock(&work->lock);
    while (!work->err && g_queue_get_length(&work->queue) >= QUEUE_MAX)
        g_cond_wait(&work->changed, &work->lock);
    const bool ok = !work->err;
    if (ok)
        g_queue_push_tail(&work->queue, g_memdup2(piece, work->kind->size));
    g_cond_broadcast(&work->changed);
    g_mutex_unlock(&work->lock);
    return ok;
}

bool work_end(Work *work, bool give_up, Error **err)
{
    g_mutex_lock(&work->lock);
    work->is_closed = true;
    if (give_up)
        g_queue_clear_full(&work->queue, g_free);
    g_cond_broadcast(&work->changed);
    g_mutex_unlock(&work->lock);
    for (guint i = 0; i < work->threads->len; i++)
        (void)g_thread_join(work->threads->pdata[i]);
    g_queue_clear_full(&work->queue, g_free);
    const bool ok = !work->err;
    if (!ok)
        error_propagate(err, work->err);
    g_ptr_array_unref(work->threads);
    g_mutex_clear(&work->lock);
    g_cond_clear(&work->changed);
    g_free(work);
    return ok;
}
