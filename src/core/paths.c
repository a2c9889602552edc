/* The tree of folders, as libvirt lays it out: below a root for the system, in the XDG folders for a user. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "paths"
#include "core/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trail.h"
#include "base/worker.h"

#define MAKE_DEADLINE_MS 30000

/* What lies below the folders that differ between system and session. */
static void paths_fill(Paths *paths)
{
    paths->etc_qemu = path_join(paths->etc, "qemu");
    paths->autostart = path_join(paths->etc_qemu, "autostart");
    paths->hooks = path_join(paths->etc, "hooks");
    paths->storage = path_join(paths->etc, "storage");
    paths->storage_autostart = path_join(paths->storage, "autostart");
    paths->secrets = path_join(paths->etc, "secrets");
    paths->save = path_join(paths->lib_qemu, "save");
    paths->nvram = path_join(paths->lib_qemu, "nvram");
    paths->dump = path_join(paths->lib_qemu, "dump");
    paths->snapshot = path_join(paths->lib_qemu, "snapshot");
    paths->checkpoint = path_join(paths->lib_qemu, "checkpoint");
    paths->channel_target = path_join(paths->lib_qemu, "channel", "target");
    paths->run_qemu = path_join(paths->run, "qemu");
    paths->run_storage = path_join(paths->run, "storage");
    paths->run_network = path_join(paths->run, "network");
    paths->networks = path_join(paths->etc_qemu, "networks");
    paths->networks_autostart = path_join(paths->networks, "autostart");
    paths->interfaces = path_join(paths->etc, "interfaces");
    g_autofree char *lib = g_path_get_dirname(paths->lib_qemu);
    paths->interface_backup = path_join(lib, "interface-backup");
    paths->nwfilter = path_join(paths->etc, "nwfilter");
    paths->run_binding = path_join(paths->run, "nwfilter-binding");
}

/* Absolute, without "//", "/./", "/../" and trailing slashes; "" for the root itself. */
static char *clean_root(const char *root)
{
    if (!root || !*root)
        return g_strdup("");
    g_autofree char *path = g_canonicalize_filename(root, NULL);
    return strcmp(path, "/") == 0 ? g_strdup("") : g_steal_pointer(&path);
}

Paths *paths_new_system(const char *root)
{
    Paths *paths = g_new0(Paths, 1);
    paths->root = clean_root(root);
    paths->etc = g_strconcat(paths->root, "/etc/libvirt", NULL);
    paths->lib_qemu = g_strconcat(paths->root, "/var/lib/libvirt/qemu", NULL);
    paths->images = g_strconcat(paths->root, "/var/lib/libvirt/images", NULL);
    paths->dnsmasq = g_strconcat(paths->root, "/var/lib/libvirt/dnsmasq", NULL);
    paths->run = g_strconcat(paths->root, "/run/libvirt", NULL);
    paths->log_qemu = g_strconcat(paths->root, "/var/log/libvirt/qemu", NULL);
    paths->cache = g_strconcat(paths->root, "/var/cache/libvirt/lodge", NULL);
    g_autofree char *devices = path_join(*paths->root ? paths->root : "/", "sys", "devices");
    paths->host_root = g_strdup(access(devices, F_OK) == 0 ? paths->root : "");
    paths_fill(paths);
    return paths;
}

/* The XDG base directory rules: a relative value counts as not set. Caller owns. */
static char *xdg_dir(const char *variable, const char *home, const char *fallback)
{
    const char *value = g_getenv(variable);
    return value && *value == '/' ? g_strdup(value) : path_join(home, fallback);
}

bool paths_new_session(Paths **ret_paths, Error **err)
{
    const char *home = g_getenv("HOME");
    if (!home || *home != '/')
        return error_set(err, ERROR_SYSTEM, "HOME is not set to an absolute path");
    g_autofree char *config = xdg_dir("XDG_CONFIG_HOME", home, ".config");
    g_autofree char *data = xdg_dir("XDG_DATA_HOME", home, ".local/share");
    g_autofree char *cache = xdg_dir("XDG_CACHE_HOME", home, ".cache");
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");

    Paths *paths = g_new0(Paths, 1);
    paths->is_session = true;
    paths->root = g_strdup("");
    paths->host_root = g_strdup("");
    paths->etc = path_join(config, "libvirt");
    paths->lib_qemu = path_join(data, "libvirt", "qemu");
    paths->images = path_join(data, "libvirt", "images");
    paths->dnsmasq = path_join(data, "libvirt", "dnsmasq");
    /* without a runtime folder clients look in the cache */
    paths->run = runtime && *runtime == '/' ? path_join(runtime, "libvirt") : path_join(cache, "libvirt");
    paths->log_qemu = path_join(cache, "libvirt", "qemu", "log");
    paths->cache = path_join(cache, "libvirt", "lodge");
    paths_fill(paths);
    *ret_paths = paths;
    return true;
}

void paths_free(Paths *paths)
{
    if (!paths)
        return;
    char *strings[] = {
        paths->root,           paths->etc,        paths->etc_qemu,    paths->autostart,
        paths->hooks,          paths->lib_qemu,   paths->images,      paths->save,
        paths->nvram,          paths->dump,       paths->snapshot,    paths->checkpoint,
        paths->channel_target, paths->run,        paths->run_qemu,    paths->log_qemu,
        paths->cache,          paths->host_root,  paths->interfaces,  paths->interface_backup,
        paths->secrets,        paths->storage,    paths->run_storage, paths->storage_autostart,
        paths->run_network,    paths->dnsmasq,    paths->networks,    paths->networks_autostart,
        paths->nwfilter,       paths->run_binding
    };
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    g_free(paths);
}

/* ---- making them ---- */

typedef struct OwnJob {
    char *path;
    mode_t mode;
    bool is_swept;
} OwnJob;

static void own_job_free(void *data)
{
    OwnJob *job = data;
    g_free(job->path);
    g_free(job);
}

/* libvirtd and earlier versions gave these folders to QEMU's user, who may have put something else in the
 * place of one below: that goes. The folders are taken back from the top, so nothing comes after it. */
static bool sweep_job_run(void *data, Error **err)
{
    OwnJob *job = data;
    struct stat info;

    if (lstat(job->path, &info) < 0 || S_ISDIR(info.st_mode) || info.st_uid == 0)
        return true;
    job->is_swept = unlink(job->path) == 0;
    return job->is_swept || error_set_errno(err, errno, "cannot remove '%s'", job->path);
}

static bool own_job_run(void *data, Error **err)
{
    const OwnJob *job = data;
    g_auto(Trail) trail = TRAIL_INIT;
    int errnum = 0;

    if (!trail_follow(job->path, &trail))
        errnum = errno;
    else if (!trail_check(&trail, job->path, err))
        return false;
    else if (!S_ISDIR(trail.st.st_mode))
        errnum = ENOTDIR;
    else if (trail.st.st_uid != 0 && fchownat(trail.fd, "", 0, (gid_t)-1, AT_EMPTY_PATH) < 0)
        errnum = errno;
    else if ((trail.st.st_mode & 07777) != job->mode) {
        AUTO_FD fd = trail_reopen(&trail, O_RDONLY | O_DIRECTORY);
        if (fd < 0 || fchmod(fd, job->mode) < 0)
            errnum = errno;
    }
    return !errnum || error_set_errno(err, errnum, "cannot make '%s' root's", job->path);
}

AWAITS static bool own_job_do(bool (*func)(void *data, Error **err), const char *path, mode_t mode,
                              Error **err)
{
    OwnJob *job = g_new0(OwnJob, 1);

    *job = (OwnJob){ .path = g_strdup(path), .mode = mode };
    if (!worker_call(worker_lane_state(), func, job, own_job_free, MAKE_DEADLINE_MS, err))
        return false;
    if (job->is_swept)
        log_warning("'%s' was something else than a folder, and not root's: removed", path);
    own_job_free(job);
    return true;
}

bool paths_make_dirs(const Paths *paths, Error **err)
{
    /* A user's own files are nobody else's business; below the system's folders QEMU's user must pass, and
     * must not be able to put anything into the way of what root does there. */
    const mode_t mode = paths->is_session ? 0700 : 0755;
    const mode_t passable = paths->is_session ? 0700 : 0711;
    g_autofree char *channel = g_path_get_dirname(paths->channel_target);
    const struct {
        const char *path;
        mode_t mode;
        bool for_qemu;
    } dirs[] = {
        { paths->etc, mode, false },         { paths->etc_qemu, mode, false },
        { paths->autostart, mode, false },   { paths->images, 0711, false },
        { paths->run, 0755, false },         { paths->run_qemu, 0755, false },
        { paths->run_storage, 0755, false }, { paths->run_network, 0755, false },
        { paths->run_binding, 0700, false }, { paths->dnsmasq, mode, false },
        { paths->log_qemu, 0755, false },    { paths->cache, 0711, false },
        { paths->lib_qemu, 0751, true },     { paths->save, passable, true },
        { paths->nvram, passable, true },    { paths->dump, passable, true },
        { paths->snapshot, passable, true }, { paths->checkpoint, passable, true },
        { channel, passable, true },         { paths->channel_target, passable, true },
    };
    const bool is_root = geteuid() == 0 && !paths->is_session;
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (dirs[i].for_qemu && is_root && !own_job_do(sweep_job_run, dirs[i].path, 0, err))
            return false;
        if (!file_make_dirs(dirs[i].path, dirs[i].mode, err))
            return error_prefix(err, "making the daemon's folders");
        if (dirs[i].for_qemu && is_root && !own_job_do(own_job_run, dirs[i].path, dirs[i].mode, err))
            return false;
    }
    return true;
}
