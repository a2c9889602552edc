/* Following a path in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/path_look.h"

#include <errno.h>
#include <stdlib.h>

typedef struct LookJob {
    char *path;
    PathLook look;
} LookJob;

void path_look_clear(PathLook *look)
{
    free(look->real); /* of realpath() */
    look->real = NULL;
}

static void look_job_free(void *data)
{
    LookJob *job = data;

    path_look_clear(&job->look);
    g_free(job->path);
    g_free(job);
}

static void look_job_run(void *data)
{
    LookJob *job = data;

    job->look.real = realpath(job->path, NULL);
    if (job->look.real && stat(job->look.real, &job->look.st) == 0)
        return;
    job->look.error = errno;
    path_look_clear(&job->look);
}

bool path_look(WorkerLane *lane, const char *path, uint64_t timeout_ms, PathLook *ret_look, Error **err)
{
    LookJob *job = g_new0(LookJob, 1);

    job->path = g_strdup(path);
    if (!worker_run(lane ? lane : worker_lane_for_path(path), look_job_run, job, look_job_free, timeout_ms,
                    err))
        return false;
    *ret_look = job->look;
    job->look.real = NULL;
    look_job_free(job);
    return true;
}
