/* Work for several threads: pieces go in at one end, the first failure ends all of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How far something long is; read by others while it runs. */
typedef struct WorkProgress {
    uint64_t done, total; /* bytes; atomic */
    int cancelled;        /* atomic: it is to end with ERROR_CANCELLED */
} WorkProgress;
void work_progress_add(WorkProgress *progress, uint64_t bytes); /* NULL: nobody watches */
void work_progress_expect(WorkProgress *progress, uint64_t bytes);
bool work_is_cancelled(WorkProgress *progress);

typedef struct WorkKind {
    /* What a thread needs; *ret_context goes to @run and @end. */
    bool (*begin)(void *arg, void **ret_context, Error **err);
    /* A piece of @size bytes that was put in; a copy. */
    bool (*run)(void *arg, void *context, const void *piece, Error **err);
    void (*end)(void *arg, void *context);
    size_t size;
} WorkKind;

typedef struct Work Work;
/* @arg: for all threads. @kind is borrowed. */
Work *work_begin(const WorkKind *kind, void *arg, unsigned n_threads, WorkProgress *progress);
/* Waits while there is enough to do. false: it has failed; work_end() says how. */
MUST_CHECK bool work_put(Work *work, const void *piece);
/* Waits for all of it, and frees. @give_up: what has not begun is dropped. */
MUST_CHECK bool work_end(Work *work, bool give_up, Error **err);

/* So many as this machine can use when each waits for the disk now and then. */
unsigned work_threads(void);
