/* Pools of Gluster's volumes: machines reach the images by QEMU's own client
 * ("gluster://SERVER/VOLUME/IMAGE"). To list and remove them the daemon mounts the volume in a folder that
 * only root enters, by Gluster's client in a process of its own: a server that does not answer holds up the
 * lane of that mount and nothing else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/worker.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "storage/volume_probe.h"

#define MOUNT_MS 120000
#define UMOUNT_MS 60000
#define ASK_MS 60000
#define FILES_MAX 65536
#define CLIENT_PACKAGE "glusterfs-client"

static char *mount_point(const Pool *pool)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&pool->uuid, uuid);
    return path_join(pool->host->paths->run, "gluster", uuid);
}

static const PoolHost *server_of(const PoolDef *def)
{
    return def->hosts->pdata[0];
}

/* The folder of the volume that is the pool, without slashes around it; owned. */
static char *folder_of(const PoolDef *def)
{
    const char *dir = def->source_dir ? def->source_dir : "";

    return g_strdup(dir + strspn(dir, "/"));
}

static bool gluster_check_def(const PoolDef *def, Error **err)
{
    g_autofree char *dir = folder_of(def);
    g_auto(GStrv) parts = g_strsplit(dir, "/", -1);

    if (def->hosts->len != 1)
        return error_set(err, ERROR_INTERNAL, "Expected exactly 1 host for the storage pool");
    if (g_strv_contains((const char *const *)parts, ".."))
        return error_set(err, ERROR_XML_INVALID, "the folder '%s' leads out of the volume", def->source_dir);
    if (strchr(def->source_name, '/'))
        return error_set(err, ERROR_XML_INVALID, "gluster pool name '%s' must not contain /",
                         def->source_name);
    return true;
}

AWAITS static bool gluster_is_active(Pool *pool, bool *ret_active, Error **err)
{
    g_autofree char *point = mount_point(pool);

    *ret_active = mount_is_there(point, NULL, 0);
    return true;
}

AWAITS static bool gluster_start(Pool *pool, Error **err)
{
    const PoolDef *def = pool_def(pool);
    const char *host = server_of(def)->name;
    const bool is_ipv6 = strchr(host, ':') && host[0] != '[';
    g_autofree char *point = mount_point(pool);
    g_autofree char *source = g_strdup_printf(is_ipv6 ? "[%s]:/%s" : "%s:/%s", host, def->source_name);
    const char *const argv[] = { "/bin/mount",          "-t",   "glusterfs", "-o",
                                 "nodev,nosuid,noexec", source, point,       NULL };

    if (!storage_check_argument("source", source, err))
        return false;
    if (!storage_has_program("mount.glusterfs")) {
        error_set_errno(err, ENOENT, "Cannot find 'mount.glusterfs' in path");
        return error_hint(err, "install the package '" CLIENT_PACKAGE "'");
    }
    return file_make_dirs(point, 0700, err) && storage_run(argv, "mount", MOUNT_MS, NULL, err);
}

AWAITS static bool gluster_stop(Pool *pool, Error **err)
{
    g_autofree char *point = mount_point(pool);
    const char *const argv[] = { "/bin/umount", point, NULL };

    if (mount_is_there(point, NULL, 0) && !storage_run(argv, "mount", UMOUNT_MS, NULL, err))
        return false;
    return file_remove_tree(point, err);
}

static bool gluster_build(Pool *pool, unsigned flags, Error **err)
{
    return true; /* volumes are made by who runs the servers */
}

/* ---- what is there ---- */

typedef struct GlusterLook {
    char *dir;    /* where it is mounted, with the folder */
    char *prefix; /* of paths: "gluster://host/volume/" */
    GPtrArray *found;
    uint64_t capacity_bytes, free_bytes;
    int error;
} GlusterLook;

static void look_free(void *data)
{
    GlusterLook *look = data;

    g_ptr_array_unref(look->found);
    g_free(look->dir);
    g_free(look->prefix);
    g_free(look);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GlusterLook, look_free)

static void look_at(GlusterLook *look, int dir_fd, const char *name)
{
    AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    g_autofree char *path = g_strconcat(look->prefix, name, NULL);
    BlockFound *one = g_new0(BlockFound, 1);
    one->def = volume_probe(name, path, fd, &st, NULL);
    one->def->type = VOLUME_NETWORK;
    if (S_ISDIR(st.st_mode)) {
        one->def->type = VOLUME_NETDIR;
        one->def->capacity = one->def->physical = (OptU64){ .value = (uint64_t)st.st_size, .is_set = true };
        one->def->allocation = (OptU64){ .value = (uint64_t)st.st_blocks * 512, .is_set = true };
    }
    one->is_there = true;
    g_ptr_array_add(look->found, one);
}

static void look_run(void *data)
{
    GlusterLook *look = data;
    struct statvfs vfs;
    AUTO_FD fd = open(look->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int again = fd < 0 ? -1 : dup(fd);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry = NULL;

    if (!dir || fstatvfs(fd, &vfs) < 0) {
        look->error = errno;
        if (dir)
            closedir(dir);
        else if (again >= 0)
            close(again);
        return;
    }
    while (look->found->len < FILES_MAX && (entry = readdir(dir))) {
        if (path_is_safe_component(entry->d_name))
            look_at(look, fd, entry->d_name);
    }
    closedir(dir);
    look->capacity_bytes = (uint64_t)vfs.f_frsize * vfs.f_blocks;
    look->free_bytes = (uint64_t)vfs.f_frsize * vfs.f_bavail;
}

/* "gluster://host[:port]/volume/folder/"; owned. */
static char *path_prefix(const PoolDef *def)
{
    const PoolHost *host = server_of(def);
    g_autofree char *folder = folder_of(def);
    g_autofree char *port = host->port ? g_strdup_printf(":%u", host->port) : g_strdup("");

    return g_strdup_printf("gluster://%s%s/%s/%s%s", host->name, port, def->source_name, folder,
                           *folder ? "/" : "");
}

AWAITS static bool gluster_run(const Pool *pool, void (*func)(void *), void *job, void (*job_free)(void *),
                               Error **err)
{
    g_autofree char *name = g_strdup(pool->name), *point = mount_point(pool);

    return worker_run(worker_lane_for_path(point), func, job, job_free, POOL_DEADLINE_MS, err) ||
           error_prefix(err, "the server of storage pool '%s' does not answer", name);
}

AWAITS static bool gluster_scan(Pool *pool, PoolScan *scan, Error **err)
{
    GlusterLook *order = g_new0(GlusterLook, 1);
    g_autofree char *point = mount_point(pool), *folder = folder_of(pool_def(pool));

    order->dir = path_join(point, folder);
    order->prefix = path_prefix(pool_def(pool));
    order->found = block_found_new();
    if (!gluster_run(pool, look_run, order, look_free, err))
        return false;
    g_autoptr(GlusterLook) look = order;
    if (look->error)
        return error_set_errno(err, look->error, "cannot open the folder of storage pool '%s'", pool->name);
    block_scan_take(pool, scan, look->found);
    scan->capacity_bytes = look->capacity_bytes;
    scan->available_bytes = look->free_bytes;
    scan->allocation_bytes = look->capacity_bytes - look->free_bytes;
    return true;
}

typedef struct RemoveJob {
    char *path;
    bool is_dir;
    int error;
} RemoveJob;

static void remove_free(void *data)
{
    RemoveJob *job = data;

    g_free(job->path);
    g_free(job);
}

static void remove_run(void *data)
{
    RemoveJob *job = data;

    if ((job->is_dir ? rmdir(job->path) : unlink(job->path)) < 0)
        job->error = errno;
}

AWAITS static bool gluster_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    RemoveJob *job = g_new0(RemoveJob, 1);
    g_autofree char *point = mount_point(pool), *folder = folder_of(pool_def(pool));
    g_autofree char *shown = g_strdup(volume->def->target.path);

    job->path = path_join(point, folder, volume->name);
    job->is_dir = volume->def->type == VOLUME_NETDIR;
    if (!gluster_run(pool, remove_run, job, remove_free, err))
        return false;
    const int error = job->error;
    remove_free(job);
    return !error || error_set_errno(err, error, "cannot remove '%s'", shown);
}

static bool gluster_fill_source(Pool *pool, const Volume *volume, StorageSource *io_source, Error **err)
{
    const PoolDef *def = pool_def(pool);
    g_autofree char *folder = folder_of(def);

    io_source->type = STORAGE_NETWORK;
    io_source->protocol = STORAGE_PROTOCOL_GLUSTER;
    g_free(io_source->path);
    io_source->path = path_join(def->source_name, folder, volume->name);
    block_add_host(io_source, server_of(def)->name, server_of(def)->port);
    return true;
}

/* ---- what a server has ---- */

bool gluster_list_volumes(const char *server, GPtrArray *names, Error **err)
{
    g_autofree char *out = NULL, *remote = g_strdup_printf("--remote-host=%s", server);
    const char *const argv[] = { "gluster", "--mode=script", "--xml", "--log-file=/dev/null",
                                 remote,    "volume",        "list",  NULL };

    if (!storage_check_argument("host name", server, err) ||
        !storage_run(argv, "glusterfs-cli", ASK_MS, &out, err))
        return false;
    /* Names of volumes are letters, digits, '-' and '_'. */
    for (const char *at = out; (at = strstr(at, "<volume>"));) {
        at += strlen("<volume>");
        g_ptr_array_add(names, g_strndup(at, strcspn(at, "<")));
    }
    return true;
}

AWAITS static bool gluster_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!spec || !spec->hosts)
        return error_set(err, ERROR_INVALID_ARGUMENT, "hostname must be specified for gluster sources");
    if (spec->hosts->len != 1)
        return error_set(err, ERROR_INTERNAL, "Expected exactly 1 host for the storage pool");
    g_autoptr(Error) why = NULL;
    if (!gluster_list_volumes(server_of(spec)->name, names, &why) || names->len == 0) {
        error_set(err, ERROR_OPERATION_FAILED, "no storage pools were found on host '%s'",
                  server_of(spec)->name);
        return why ? error_hint(err, "%s", error_message(why)) : false;
    }
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *item =
            g_markup_printf_escaped("  <source>\n    <host name='%s'/>\n    <dir path='/'/>\n"
                                    "    <name>%s</name>\n  </source>\n",
                                    server_of(spec)->name, (const char *)names->pdata[i]);
        g_string_append(xml, item);
    }
    return true;
}

const PoolBackend gluster_backend = {
    .check_def = gluster_check_def,
    .is_active = gluster_is_active,
    .build = gluster_build,
    .start = gluster_start,
    .stop = gluster_stop,
    .scan = gluster_scan,
    .remove_volume = gluster_remove_volume,
    .fill_source = gluster_fill_source,
    .find_sources = gluster_find_sources,
};
