/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/remote.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/worker.h"
#include "core/host_private.h"

#define RECORD_BYTES 16384

typedef struct NameJob {
    char *name;
    bool is_group;
    bool found;
    uint32_t id;
} NameJob;

/* The answer may come from a server. */
static void name_job_run(void *data)
{
    NameJob *job = data;
    g_autofree char *buffer = g_malloc(RECORD_BYTES);
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;

    if (job->is_group && getgrnam_r(job->name, &group, buffer, RECORD_BYTES, &found_group) == 0 &&
        found_group)
        job->id = found_group->gr_gid;
    if (!job->is_group && getpwnam_r(job->name, &user, buffer, RECORD_BYTES, &found_user) == 0 && found_user)
        job->id = found_user->pw_uid;
    job->found = found_user || found_group;
}

static void name_job_free(void *data)
{
    NameJob *job = data;

    g_free(job->name);
    g_free(job);
}

AWAITS static bool resolve(char **io_name, bool is_group, Error **err)
{
    if (!*io_name || g_ascii_isdigit(**io_name) || **io_name == '+')
        return true;
    NameJob *job = g_new0(NameJob, 1);
    *job = (NameJob){ .name = g_strdup(*io_name), .is_group = is_group };
    if (!worker_run(worker_lane_state(), name_job_run, job, name_job_free, FILE_DEADLINE_MS, err))
        return error_prefix(err, "looking up %s '%s'", is_group ? "group" : "user", *io_name);
    const bool found = job->found;
    const uint32_t id = job->id;
    name_job_free(job);
    if (!found)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Failed to parse %s '%s': an NFS source needs one that is there",
                         is_group ? "group" : "user", *io_name);
    g_free(*io_name);
    *io_name = g_strdup_printf("+%u", id);
    return true;
}

bool remote_prepare(const Host *host, StorageSource *source, Error **err)
{
    if (source->protocol == STORAGE_PROTOCOL_NBD && source->tls == TRISTATE_ABSENT && host->config->nbd_tls)
        source->tls = TRISTATE_ON;
    return resolve(&source->nfs_user, false, err) && resolve(&source->nfs_group, true, err);
}
