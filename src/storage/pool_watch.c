/* Who tells a pool that files in its folder came, went or changed: inotify, on file systems that are this
 * host's alone. What other hosts do on a network file system nobody tells; there a look counts for a moment
 * only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "storage/folder.h"

#define WATCH_EVENTS                                                                                         \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF |     \
     IN_MOVE_SELF | IN_ONLYDIR)
#define WATCH_DEADLINE_MS 5000
#define TELL_AFTER_MS 1000 /* changes of that time are one event for clients */
#define CHANGED_MAX 1024   /* names that are kept apart; more: everything is looked at */
#define DRAIN_MAX 64       /* reads in one go */

typedef struct WatchJob {
    int inotify_fd; /* a duplicate */
    char *path;
    int watch; /* -1: not there, or a file system of several hosts */
} WatchJob;

static void watch_job_free(void *data)
{
    WatchJob *job = data;

    (void)close(job->inotify_fd);
    g_free(job->path);
    g_free(job);
}

static bool is_local(const struct statfs *fs)
{
    switch ((unsigned long)fs->f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case F2FS_SUPER_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case MSDOS_SUPER_MAGIC:
    case 0x2fc12fc1: /* ZFS */
        return true;
    default:
        return false;
    }
}

static void watch_job_run(void *data)
{
    WatchJob *job = data;
    struct statfs fs;

    job->watch = -1;
    if (statfs(job->path, &fs) == 0 && is_local(&fs))
        job->watch = inotify_add_watch(job->inotify_fd, job->path, WATCH_EVENTS);
}

/* ---- telling clients ---- */

AWAITS static void watch_tell(void *arg)
{
    Pool *pool = arg;
    g_autoptr(Object) object = &pool->object;
    g_autoptr(Error) err = NULL;

    if (!object->live)
        return;
    if (pool_freshen(pool, NULL, &err))
        object_publish(object, &(Event){ .id = (EventId)EVENT_POOL_REFRESH });
    else
        log_warning_error(err, pool->name);
}

static int watch_on_tell(sd_event_source *source, uint64_t usec, void *arg)
{
    Pool *pool = arg;

    pool->telling = sd_event_source_disable_unref(pool->telling);
    if (!pool->host->is_stopping)
        host_spawn(pool->host, "pool", watch_tell, object_ref(&pool->object));
    return 0;
}

void pool_watch_tell_soon(Pool *pool)
{
    if (!pool->telling && pool->live)
        (void)sd_event_add_time_relative(loop_event(), &pool->telling, CLOCK_MONOTONIC, TELL_AFTER_MS * 1000,
                                         0, watch_on_tell, pool);
}

void pool_watch_own(Pool *pool, const char *name)
{
    pool_watch_drain(pool->host);
    if (!pool->changed ||
        (g_hash_table_size(pool->changed) == 1 && g_hash_table_contains(pool->changed, name)))
        pool->telling = sd_event_source_disable_unref(pool->telling);
}

/* Notes what one event says. */
static void watch_take(Host *host, const struct inotify_event *event)
{
    Pool *pool = NULL;

    if (event->mask & IN_Q_OVERFLOW) {
        GHashTableIter iter;
        gpointer value = NULL;
        g_hash_table_iter_init(&iter, host->pools->watches);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            ((Pool *)value)->is_stale = true;
            pool_watch_tell_soon(value);
        }
        return;
    }
    pool = g_hash_table_lookup(host->pools->watches, GINT_TO_POINTER(event->wd));
    if (!pool)
        return;
    if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) {
        g_hash_table_remove(host->pools->watches, GINT_TO_POINTER(event->wd));
        pool->watch = -1;
        pool->has_lost_watch = true;
        pool->is_stale = true;
        pool_watch_tell_soon(pool);
        return;
    }
    if (event->len == 0 || g_str_has_prefix(event->name, TEMP_PREFIX))
        return;
    if (!(event->mask & IN_ATTRIB)) /* who owns a file changes with each start of a machine */
        pool_watch_tell_soon(pool);
    if (!pool->changed)
        pool->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_size(pool->changed) < CHANGED_MAX)
        g_hash_table_add(pool->changed, g_strdup(event->name));
    else
        pool->is_stale = true;
}

/* false: there was nothing. */
static bool watch_read(Host *host)
{
    _Alignas(struct inotify_event) char buffer[16384];
    const ssize_t got = read(host->pools->inotify_fd, buffer, sizeof(buffer));

    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        watch_take(host, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return got > 0;
}

void pool_watch_drain(Host *host)
{
    for (unsigned i = 0; i < DRAIN_MAX && host->pools->inotify_fd >= 0 && watch_read(host); i++)
        ;
}

static int watch_on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)watch_read(arg);
    return 0;
}

static bool watch_open(Host *host)
{
    PoolRoom *room = host->pools;

    if (room->inotify_fd >= 0)
        return true;
    room->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (room->inotify_fd < 0 || sd_event_add_io(loop_event(), &room->inotify_source, room->inotify_fd,
                                                EPOLLIN, watch_on_ready, host) < 0) {
        log_warning("changes of folders are not told: %s", strerror(errno));
        return false;
    }
    return true;
}

void pool_watch_begin(Pool *pool, const char *path)
{
    if (!watch_open(pool->host))
        return;
    WatchJob *job = g_new0(WatchJob, 1);
    job->inotify_fd = fcntl(pool->host->pools->inotify_fd, F_DUPFD_CLOEXEC, 0);
    job->path = g_strdup(path);
    if (!worker_run(worker_lane_for_path(path), watch_job_run, job, watch_job_free, WATCH_DEADLINE_MS, NULL))
        return; /* it is looked at often instead */
    /* Two pools in one folder share the kernel's watch: the first has it. */
    if (job->watch >= 0 && !g_hash_table_contains(pool->host->pools->watches, GINT_TO_POINTER(job->watch))) {
        pool->watch = job->watch;
        g_hash_table_insert(pool->host->pools->watches, GINT_TO_POINTER(job->watch), pool);
    }
    watch_job_free(job);
}

void pool_watch_end(Pool *pool)
{
    pool->telling = sd_event_source_disable_unref(pool->telling);
    if (pool->watch < 0)
        return;
    /* Removing a watch does not touch the storage. */
    (void)inotify_rm_watch(pool->host->pools->inotify_fd, pool->watch);
    g_hash_table_remove(pool->host->pools->watches, GINT_TO_POINTER(pool->watch));
    pool->watch = -1;
}
