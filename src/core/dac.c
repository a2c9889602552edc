/* Lending files to QEMU's user and taking them back (dynamic ownership).
 *
 * The table counts, for each path, how many machines hold it, and remembers the owner before the first of
 * them: an ISO image used by two goes back to its owner when the last one stops. What a machine holds is also
 * in its status file, so that a restarted daemon can give it back. All chown calls run in the lane of their
 * mount: dead storage costs a deadline, not the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "dac"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/worker.h"
#include "core/vm_private.h"

typedef struct DacHolder {
    unsigned count;
    uid_t uid;
    gid_t gid;
} DacHolder;

struct DacTable {
    GHashTable *holders; /* path -> DacHolder */
};

DacTable *dac_table_new(void)
{
    DacTable *table = g_new0(DacTable, 1);

    table->holders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return table;
}

void dac_table_free(DacTable *table)
{
    if (!table)
        return;
    g_hash_table_unref(table->holders);
    g_free(table);
}

static void dac_item_free(void *data)
{
    DacItem *item = data;

    g_free(item->path);
    g_free(item);
}

GPtrArray *dac_list_new(void)
{
    return g_ptr_array_new_with_free_func(dac_item_free);
}

static DacHolder *dac_hold(DacTable *table, const char *path, uid_t uid, gid_t gid)
{
    DacHolder *holder = g_hash_table_lookup(table->holders, path);

    if (!holder) {
        holder = g_new0(DacHolder, 1);
        *holder = (DacHolder){ .uid = uid, .gid = gid };
        g_hash_table_insert(table->holders, g_strdup(path), holder);
    }
    holder->count++;
    return holder;
}

void dac_list_add(DacTable *table, GPtrArray *list, const char *path, uid_t uid, gid_t gid, bool shared)
{
    for (guint i = 0; i < list->len; i++) {
        if (strcmp(((const DacItem *) g_ptr_array_index(list, i))->path, path) == 0)
            return;
    }
    const DacHolder *holder = dac_hold(table, path, uid, gid);
    DacItem *item = g_new0(DacItem, 1);
    *item = (DacItem){ .path = g_strdup(path), .uid = holder->uid, .gid = holder->gid, .shared = shared };
    g_ptr_array_add(list, item);
}

void dac_list_adopt(DacTable *table, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        (void) dac_hold(table, item->path, item->uid, item->gid);
    }
}

/* ---- chown in parallel ---- */

typedef struct ChownJob {
    char *path;
    uid_t uid;
    gid_t gid;
    int error;
} ChownJob;

static void chown_job_run(void *data)
{
    ChownJob *job = data;
    struct stat st;

    if (stat(job->path, &st) == 0 && st.st_uid == job->uid && st.st_gid == job->gid)
        return;
    if (chown(job->path, job->uid, job->gid) < 0)
        job->error = errno;
}

static void chown_job_free(void *data)
{
    ChownJob *job = data;

    g_free(job->path);
    g_free(job);
}

static bool dac_chown(const char *path, uid_t uid, gid_t gid, uint64_t timeout_ms, Error **err)
{
    ChownJob *job = g_new0(ChownJob, 1);

    *job = (ChownJob){ .path = g_strdup(path), .uid = uid, .gid = gid };
    if (!worker_run(worker_lane_for_path(path), chown_job_run, job, chown_job_free, timeout_ms, err))
        return error_prefix(err, "Cannot access storage file '%s'", path);
    const int error = job->error;
    chown_job_free(job);
    /* Root-squashing network storage and read-only media refuse; QEMU's own open will tell if it matters. */
    if (error == EPERM || error == EROFS || error == EINVAL || error == EOPNOTSUPP) {
        log_debug("setting the owner of '%s' is not possible here: %s", path, g_strerror(error));
        return true;
    }
    if (error)
        return error_set_errno(err, error, "unable to set user and group to '%u:%u' on '%s'", (unsigned) uid,
                               (unsigned) gid, path);
    return true;
}

typedef struct ChownFiber {
    char *path;
    uid_t uid;
    gid_t gid;
    uint64_t timeout_ms;
    Error *err;
} ChownFiber;

static void dac_chown_fiber(void *arg)
{
    ChownFiber *one = arg;

    (void) dac_chown(one->path, one->uid, one->gid, one->timeout_ms, &one->err);
}

/* Runs all of @ones, each in a fiber of its own, and waits for them. They end by their own deadlines. */
static void dac_run_all(ChownFiber *ones, size_t count)
{
    if (count == 1) {
        dac_chown_fiber(&ones[0]);
        return;
    }
    g_autofree Fiber **fibers = g_new0(Fiber *, count);
    fiber_shield_begin();
    for (size_t i = 0; i < count; i++)
        fibers[i] = fiber_ref(fiber_spawn("chown", dac_chown_fiber, &ones[i]));
    for (size_t i = 0; i < count; i++) {
        /* No deadline: each fiber has its own, and they use our memory. */
        if (!fiber_join(fibers[i], FIBER_NO_DEADLINE, NULL))
            log_error("waiting for a chown failed");
        fiber_unref(fibers[i]);
    }
    fiber_shield_end();
}

bool dac_apply(const GPtrArray *list, uid_t uid, gid_t gid, uint64_t timeout_ms, Error **err)
{
    if (list->len == 0)
        return true;
    g_autofree ChownFiber *ones = g_new0(ChownFiber, list->len);
    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        ones[i] = (ChownFiber){ .path = g_strdup(item->path), .uid = uid, .gid = gid, .timeout_ms = timeout_ms };
    }
    dac_run_all(ones, list->len);
    Error *first = NULL;
    for (guint i = 0; i < list->len; i++) {
        g_free(ones[i].path);
        if (!first)
            first = ones[i].err;
        else
            error_free(ones[i].err);
    }
    return first ? error_propagate(err, first) : true;
}

void dac_restore(DacTable *table, GPtrArray *list, uint64_t timeout_ms)
{
    g_autofree ChownFiber *ones = g_new0(ChownFiber, MAX(list->len, 1));
    size_t count = 0;

    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        DacHolder *holder = g_hash_table_lookup(table->holders, item->path);
        if (holder && --holder->count > 0)
            continue;
        (void) g_hash_table_remove(table->holders, item->path);
        ones[count++] = (ChownFiber){
            .path = g_strdup(item->path), .uid = item->uid, .gid = item->gid, .timeout_ms = timeout_ms
        };
    }
    g_ptr_array_set_size(list, 0);
    if (count > 0)
        dac_run_all(ones, count);
    for (size_t i = 0; i < count; i++) {
        if (ones[i].err && error_errno(ones[i].err) != ENOENT)
            log_warning_error(ones[i].err, "cannot give a file back to its owner");
        error_free(ones[i].err);
        g_free(ones[i].path);
    }
}
