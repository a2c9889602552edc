/* What pools need others to mount. A folder below a mount point is there also while nothing is mounted, and
 * what is made in it then is on the wrong disk, and gone from sight later. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "storage/pool.h"
#include "storage/pool_backend.h"

#define FSTAB "/etc/fstab"
#define CHANGE_MS 200 /* mounts of that time are one change */

static const char *mount_point_of(const char *path)
{
    return worker_lane_name(worker_lane_for_path(path));
}

static bool path_is_below(const char *path, const char *mount)
{
    const size_t len = strlen(mount);

    return strncmp(path, mount, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The longest mount point in fstab that has @path; owned, NULL: none. */
AWAITS static char *fstab_find(const char *path)
{
    g_autofree char *text = NULL;
    char *best = NULL;

    if (!file_read(FSTAB, 1 << 20, &text, NULL, NULL))
        return NULL; /* a host need not have one */
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *fields = NULL;
        const char *source = strtok_r(*line, " \t", &fields);
        const char *field = strtok_r(NULL, " \t", &fields);
        if (!source || source[0] == '#' || !field || field[0] != '/' || field[1] == '\0')
            continue;
        g_autofree char *point = g_strcompress(field); /* blanks stand there as \040 */
        if (path_is_below(path, point) && (!best || strlen(point) > strlen(best))) {
            g_free(best);
            best = g_steal_pointer(&point);
        }
    }
    return best;
}

char *pool_missing_mount(const PoolDef *def)
{
    const PoolBackend *backend = pool_backends[def->type];

    if (!backend || !backend->is_folder || backend->start || !def->target_path)
        return NULL; /* it mounts for itself */
    g_autofree char *path = g_strdup(def->target_path);
    g_autofree char *wanted = fstab_find(path);
    if (!wanted || strlen(mount_point_of(path)) >= strlen(wanted))
        return NULL;
    return g_steal_pointer(&wanted);
}

void pool_note_mount(Pool *pool, const char *path)
{
    g_free(pool->mount_point);
    pool->mount_point = g_strdup(mount_point_of(path));
}

bool pool_require_mount(const Pool *pool, Error **err)
{
    const char *path = pool_def(pool)->target_path;

    if (!pool->mount_point || strlen(mount_point_of(path)) >= strlen(pool->mount_point))
        return true;
    error_set_errno(err, ENOENT, "cannot open directory '%s': '%s' is not mounted any more", path,
                    pool->mount_point);
    return error_hint(err, "mount it again, or stop the pool");
}

/* ---- when mounts change ---- */

/* Pools that wait are tried now, and those that lost their mount are looked at again. */
static int mounts_on_settled(sd_event_source *source, uint64_t usec, void *arg)
{
    Host *host = arg;
    Pool *pool = NULL;

    host->pools->mounts_timer = sd_event_source_disable_unref(host->pools->mounts_timer);
    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         !host->is_stopping && (pool = (Pool *)registry_next(&iter));) {
        if (pool->retry)
            pool_retry_now(pool);
        if (pool->live && pool->mount_point && (pool->is_stale || !pool_require_mount(pool, NULL))) {
            pool->is_stale = true;
            pool_watch_tell_soon(pool);
        }
    }
    return 0;
}

static int mounts_on_change(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    Host *host = arg;

    if (!host->pools->mounts_timer)
        (void)sd_event_add_time_relative(loop_event(), &host->pools->mounts_timer, CLOCK_MONOTONIC,
                                         CHANGE_MS * 1000, 0, mounts_on_settled, host);
    return 0;
}

void pool_mounts_begin(Host *host)
{
    PoolRoom *room = host->pools;

    room->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (room->mounts_fd < 0 || sd_event_add_io(loop_event(), &room->mounts_source, room->mounts_fd, EPOLLPRI,
                                               mounts_on_change, host) < 0)
        log_warning("changes of mounts are not told: pools that wait for one are tried less often");
}
