/* Changes of the host's interfaces that can be taken back.
 *
 * What the files of all managers said before is kept in one file, which is there as a whole or not at all. A
 * host that booted again before somebody said "commit" may have lost its network by what was changed: so then
 * the files are put back before anything else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hostif"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/worker.h"
#include "core/object_store.h"
#include "host/node.h"
#include "network/hostif_private.h"

#define BACKUP_MAX (32 << 20)
#define FILE_MAX (1 << 20)
#define COLLECT_DEADLINE_MS 30000
#define DROP_INS 2 /* folders in folders: networkd's NAME.network.d */

static char *backup_path(const Host *host)
{
    return path_join(host->paths->interface_backup, "before.json");
}

/* ---- what there is, in a worker ---- */

typedef struct CollectJob {
    char *root, *own;  /* @own: the folder of our own definitions */
    GHashTable *files; /* path -> HostifChange */
} CollectJob;

static void collect_job_free(void *data)
{
    CollectJob *job = data;

    g_clear_pointer(&job->files, g_hash_table_unref);
    g_free(job->root);
    g_free(job->own);
    g_free(job);
}

static void collect_folder(CollectJob *job, const char *folder, unsigned depth)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        g_autofree char *path = path_join(folder, name);
        char *text = NULL;
        gsize len = 0;
        struct stat st;
        if (lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0 && g_str_has_suffix(name, ".d"))
            collect_folder(job, path, depth - 1);
        if (!S_ISREG(st.st_mode))
            continue;
        if (st.st_size > FILE_MAX || !g_file_get_contents(path, &text, &len, NULL) || strlen(text) != len) {
            g_free(text);
            continue; /* no configuration: nothing of ours changes it */
        }
        HostifChange *file = g_new0(HostifChange, 1);
        *file = (HostifChange){ .path = g_strdup(path), .text = text, .mode = st.st_mode & 07777 };
        g_hash_table_replace(job->files, file->path, file);
    }
}

static void collect_job_run(void *data)
{
    CollectJob *job = data;

    for (unsigned manager = 0; manager < MANAGER_COUNT; manager++) {
        for (const char *const *folder = hostif_folders(manager); *folder; folder++) {
            g_autofree char *path = g_strconcat(job->root, *folder, NULL);
            collect_folder(job, path, DROP_INS);
        }
    }
    collect_folder(job, job->own, 0);
}

/* *ret_files owned: path -> HostifChange */
AWAITS static bool collect(Host *host, GHashTable **ret_files, Error **err)
{
    CollectJob *job = g_new0(CollectJob, 1);

    *job = (CollectJob){ .root = g_strdup(host->paths->root),
                         .own = g_strdup(host->paths->interfaces),
                         .files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hostif_change_free) };
    if (!worker_run(worker_lane_state(), collect_job_run, job, collect_job_free, COLLECT_DEADLINE_MS, err))
        return error_prefix(err, "the host's network configuration");
    *ret_files = g_steal_pointer(&job->files);
    collect_job_free(job);
    return true;
}

/* ---- the file that keeps it ---- */

AWAITS static bool keep(Host *host, GHashTable *files, Error **err)
{
    g_autofree char *path = backup_path(host);
    g_autofree char *boot = node_get_boot_id();
    AUTO_JSON all = json_object();
    Json *list = json_array();
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostifChange *file = value;
        Json *one = json_object();
        /* Whatever a file holds, it has to come back as it was. */
        g_autofree char *text = g_base64_encode((const guchar *)file->text, strlen(file->text));
        json_object_set_new(one, "path", json_string(file->path));
        json_object_set_new(one, "text", json_string(text));
        json_object_set_new(one, "mode", json_integer(file->mode));
        json_array_append_new(list, one);
    }
    json_object_set_new(all, "boot", json_string(boot ? boot : ""));
    json_object_set_new(all, "files", list);
    g_autofree char *text = json_format(all);
    if (strlen(text) > BACKUP_MAX)
        return error_set(err, ERROR_OVERFLOW, "the host's network configuration is larger than %d bytes",
                         BACKUP_MAX);
    return file_make_dirs(host->paths->interface_backup, 0700, err) &&
           file_replace(path, text, strlen(text), 0600, err);
}

/* false with ERROR_INVALID_STATE: nothing is kept. */
AWAITS static bool read_kept(Host *host, GHashTable **ret_files, char **ret_boot, Error **err)
{
    g_autofree char *path = backup_path(host), *text = NULL;
    g_autoptr(Error) why = NULL;
    AUTO_JSON all = NULL;
    size_t len = 0, index = 0;
    const Json *one = NULL;

    if (!file_read(path, BACKUP_MAX, &text, &len, &why))
        return error_errno(why) == ENOENT
                   ? error_set(err, ERROR_INVALID_STATE, "no change of the host's interfaces was begun")
                   : error_propagate(err, g_steal_pointer(&why));
    if (!json_parse(text, len, path, &all, err))
        return false;
    GHashTable *files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hostif_change_free);
    json_array_foreach (json_get_arr(all, "files"), index, one) {
        const char *name = json_get_str(one, "path"), *coded = json_get_str(one, "text");
        gsize n = 0;
        if (!name || !coded || !g_str_has_prefix(name, host->paths->root) || strstr(name, "/../"))
            continue;
        g_autofree guchar *plain = g_base64_decode(coded, &n);
        HostifChange *file = g_new0(HostifChange, 1);
        *file = (HostifChange){ .path = g_strdup(name),
                                .text = g_strndup((const char *)plain, n),
                                .mode = (unsigned)json_get_uint(one, "mode", 0600) & 07777 };
        g_hash_table_replace(files, file->path, file);
    }
    *ret_files = files;
    *ret_boot = g_strdup(json_get_str(all, "boot"));
    return true;
}

AWAITS static bool drop_kept(Host *host, Error **err)
{
    g_autofree char *path = backup_path(host);

    return file_remove(path, err);
}

/* ---- putting back ---- */

AWAITS static bool put_back(Host *host, GHashTable *before, Error **err)
{
    g_autoptr(GHashTable) now = NULL;
    GHashTableIter iter;
    gpointer value = NULL;

    if (!collect(host, &now, err))
        return false;
    g_hash_table_iter_init(&iter, now);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostifChange *file = value;
        if (!g_hash_table_contains(before, file->path) && !file_remove(file->path, err))
            return false;
    }
    g_hash_table_iter_init(&iter, before);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostifChange *file = value, *present = g_hash_table_lookup(now, file->path);
        g_autofree char *folder = g_path_get_dirname(file->path);
        if (present && strcmp(present->text, file->text) == 0)
            continue;
        if (!file_make_dirs(folder, 0755, err) ||
            !file_replace(file->path, file->text, strlen(file->text), (mode_t)file->mode, err))
            return false;
    }
    return true;
}

/* Names of interfaces whose definition of ours differs between the two; owned. */
static GPtrArray *changed_names(const Host *host, GHashTable *one, GHashTable *other)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, one);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostifChange *file = value, *there = g_hash_table_lookup(other, file->path);
        g_autofree char *folder = g_path_get_dirname(file->path);
        g_autofree char *name = g_path_get_basename(file->path);
        if (strcmp(folder, host->paths->interfaces) != 0 || !g_str_has_suffix(name, ".xml") ||
            (there && strcmp(there->text, file->text) == 0))
            continue;
        g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(".xml")));
    }
    return names;
}

/* Those of @names that run; the others are dropped. */
AWAITS static void keep_running(GPtrArray *names)
{
    g_autoptr(HostifView) view = NULL;

    if (!hostif_view(&view, NULL))
        g_ptr_array_set_size(names, 0);
    for (guint i = names->len; i-- > 0;) {
        const LinkInfo *link = hostif_view_find(view, g_ptr_array_index(names, i));
        if (!link || !(link->flags & IFF_UP))
            g_ptr_array_remove_index(names, i);
    }
}

AWAITS static void set_running(Host *host, const GPtrArray *names, bool running)
{
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(Error) err = NULL;
        if (!hostif_set_running(host, g_ptr_array_index(names, i), running, &err))
            log_warning_error(err, g_ptr_array_index(names, i));
    }
}

AWAITS static bool reload_definitions(Host *host, Error **err)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &hostif_class));
         (object = registry_next(&iter));)
        g_ptr_array_add(all, object);
    for (guint i = 0; i < all->len; i++)
        object_unregister(g_ptr_array_index(all, i));
    return object_store_load(host, &hostif_class, err);
}

/* ---- for clients ---- */

bool hostif_begin(Host *host, const Caller *caller, Error **err)
{
    g_autofree char *path = backup_path(host);
    g_autoptr(GHashTable) files = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err))
        return false;
    if (access(path, F_OK) == 0) {
        error_set(err, ERROR_INVALID_STATE,
                  "there is already a change of the host's interfaces that is not committed");
        return error_hint(err, "'iface-commit' keeps it, 'iface-rollback' takes it back");
    }
    if (!collect(host, &files, err) || !keep(host, files, err))
        return false;
    log_info("changes of the host's interfaces begun by %s", caller_describe(caller));
    return true;
}

bool hostif_commit(Host *host, const Caller *caller, Error **err)
{
    g_autoptr(GHashTable) files = NULL;
    g_autofree char *boot = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err) || !read_kept(host, &files, &boot, err) || !drop_kept(host, err))
        return false;
    log_info("changes of the host's interfaces committed by %s", caller_describe(caller));
    return true;
}

bool hostif_rollback(Host *host, const Caller *caller, Error **err)
{
    g_autoptr(GHashTable) before = NULL, now = NULL;
    g_autofree char *boot = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err) || !read_kept(host, &before, &boot, err) ||
        !collect(host, &now, err))
        return false;
    g_autoptr(GPtrArray) old = changed_names(host, before, now), new = changed_names(host, now, before);
    keep_running(new); /* by a definition that goes */
    keep_running(old);
    fiber_shield_begin();
    set_running(host, new, false);
    const bool ok = put_back(host, before, err) && reload_definitions(host, err) && drop_kept(host, err);
    if (ok) {
        for (unsigned manager = 0; manager < MANAGER_COUNT; manager++)
            hostif_manager_reload(host, manager);
        set_running(host, old, true);
    }
    fiber_shield_end();
    if (ok)
        log_info("changes of the host's interfaces taken back by %s", caller_describe(caller));
    return ok;
}

bool hostif_rollback_at_boot(Host *host, Error **err)
{
    g_autofree char *boot = NULL, *now = node_get_boot_id();
    g_autoptr(GHashTable) before = NULL;
    g_autoptr(Error) why = NULL;

    if (!read_kept(host, &before, &boot, &why))
        return error_code(why) == ERROR_INVALID_STATE || error_propagate(err, g_steal_pointer(&why));
    if (g_strcmp0(boot, now) == 0) /* the daemon was restarted, not the host: whoever began can go on */
        return true;
    if (!put_back(host, before, err) || !drop_kept(host, err))
        return false;
    log_warning(
        "changes of the host's interfaces that were not committed before the host booted are taken back");
    return true;
}
