/* Who needs an image.
 *
 * Everything that needs a file says which by a path: a disk in a machine's definition, a header in a volume.
 * The same file has many paths (links, folders that are mounted twice), so those that the pools do not know
 * are looked at, and files are compared by device and inode, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/image_users.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/worker.h"
#include "storage/pool_backend.h"

#define IDENTIFY_MS 500 /* nobody who asks about one pool waits for the dead storage of others for long */

static const char *const kind_names[] = { "machine-running", "machine", "backing-of" };
const EnumNames image_user_kind_names = { "user of an image", IMAGE_USER_COUNT, kind_names };

/* One says that it needs the file @path. */
typedef struct ImageNeed {
    char *path;
    FileId id;
    ImageUserKind kind;
    char *name;      /* of the user */
    Volume *overlay; /* a reference; NULL: it is a machine */
} ImageNeed;

static void image_need_clear(void *data)
{
    ImageNeed *need = data;

    g_free(need->path);
    g_free(need->name);
    volume_unref(need->overlay);
}

static void image_user_free(void *data)
{
    ImageUser *user = data;

    g_free(user->name);
    g_free(user->path);
    g_free(user);
}

/* ---- which files they are ---- */

typedef struct Identify { /* of the paths in one lane */
    WorkerLane *lane;
    GPtrArray *paths;
    GArray *ids; /* FileId; empty if it was not found out */
} Identify;

typedef struct IdentifyJob {
    GPtrArray *paths;
    GArray *ids;
} IdentifyJob;

static void identify_job_free(void *data)
{
    IdentifyJob *job = data;

    g_ptr_array_unref(job->paths);
    g_array_unref(job->ids);
    g_free(job);
}

static void identify_job_run(void *data)
{
    IdentifyJob *job = data;
    struct stat st;

    for (guint i = 0; i < job->paths->len; i++) {
        const FileId id = stat(g_ptr_array_index(job->paths, i), &st) == 0 ? file_id_of(&st) : (FileId){ 0 };
        g_array_append_val(job->ids, id);
    }
}

AWAITS static void identify_run(void *item)
{
    Identify *identify = item;
    IdentifyJob *job = g_new0(IdentifyJob, 1);

    job->paths = g_ptr_array_ref(identify->paths);
    job->ids = g_array_new(FALSE, FALSE, sizeof(FileId));
    if (!worker_run(identify->lane, identify_job_run, job, identify_job_free, IDENTIFY_MS, NULL))
        return; /* its text is all that is known */
    g_array_append_vals(identify->ids, job->ids->data, job->ids->len);
    identify_job_free(job);
}

static void identify_add(GArray *lanes, GHashTable *seen, const char *path)
{
    WorkerLane *lane = NULL;

    if (!g_hash_table_add(seen, (gpointer)path))
        return;
    lane = worker_lane_for_path(path);
    if (worker_lane_stuck(lane))
        return; /* it does not answer others either */
    for (guint i = 0; i < lanes->len; i++) {
        if (g_array_index(lanes, Identify, i).lane == lane) {
            g_ptr_array_add(g_array_index(lanes, Identify, i).paths, g_strdup(path));
            return;
        }
    }
    Identify made = { .lane = lane,
                      .paths = g_ptr_array_new_with_free_func(g_free),
                      .ids = g_array_new(FALSE, FALSE, sizeof(FileId)) };
    g_ptr_array_add(made.paths, g_strdup(path));
    g_array_append_val(lanes, made);
}

static FileId volume_id(Host *host, const char *path)
{
    const Volume *volume = g_hash_table_lookup(host->pools->by_path, path);

    return volume ? volume->stamp.id : (FileId){ 0 };
}

static bool id_is_known(const FileId *id)
{
    return id->dev || id->ino;
}

/* Finds out which files the @needs mean, and @path. Returns that of @path (NULL: none). */
AWAITS static FileId needs_identify(Host *host, GArray *needs, const char *path)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal); /* path -> FileId */
    g_autoptr(GArray) lanes = g_array_new(FALSE, FALSE, sizeof(Identify));
    FileId own = path ? volume_id(host, path) : (FileId){ 0 };

    if (path && !id_is_known(&own))
        identify_add(lanes, seen, path);
    for (guint i = 0; i < needs->len; i++) {
        ImageNeed *need = &g_array_index(needs, ImageNeed, i);
        need->id = volume_id(host, need->path);
        if (!id_is_known(&need->id) && need->path[0] == '/')
            identify_add(lanes, seen, need->path);
    }
    fiber_run_all("users", identify_run, lanes->data, lanes->len, sizeof(Identify));
    for (guint i = 0; i < lanes->len; i++) {
        const Identify *identify = &g_array_index(lanes, Identify, i);
        for (guint k = 0; k < identify->ids->len; k++)
            g_hash_table_insert(found, g_ptr_array_index(identify->paths, k),
                                &g_array_index(identify->ids, FileId, k));
    }
    for (guint i = 0; i < needs->len; i++) {
        ImageNeed *need = &g_array_index(needs, ImageNeed, i);
        const FileId *id = g_hash_table_lookup(found, need->path);
        if (id)
            need->id = *id;
    }
    if (path && g_hash_table_contains(found, path))
        own = *(const FileId *)g_hash_table_lookup(found, path);
    for (guint i = 0; i < lanes->len; i++) {
        g_ptr_array_unref(g_array_index(lanes, Identify, i).paths);
        g_array_unref(g_array_index(lanes, Identify, i).ids);
    }
    return own;
}

/* ---- who needs what ---- */

static void needs_add_machine(void *arg, const char *path, const char *machine, bool is_running)
{
    const ImageNeed need = { .path = g_strdup(path),
                             .kind = is_running ? IMAGE_USER_RUNNING : IMAGE_USER_MACHINE,
                             .name = g_strdup(machine) };

    g_array_append_val((GArray *)arg, need);
}

static void needs_add_overlay(GArray *needs, Volume *volume, const char *path)
{
    if (!path)
        return;
    const ImageNeed need = { .path = g_strdup(path),
                             .kind = IMAGE_USER_OVERLAY,
                             .name = g_strdup_printf("%s/%s", volume->pool_name, volume->name),
                             .overlay = volume_ref(volume) };
    g_array_append_val(needs, need);
}

static GArray *needs_list(Host *host, bool running_only)
{
    GArray *needs = g_array_new(FALSE, FALSE, sizeof(ImageNeed));
    GHashTableIter iter;
    gpointer value = NULL;

    g_array_set_clear_func(needs, image_need_clear);
    if (host->pools->walk_images)
        host->pools->walk_images(host, needs_add_machine, needs);
    for (guint i = needs->len; running_only && i-- > 0;) {
        if (g_array_index(needs, ImageNeed, i).kind != IMAGE_USER_RUNNING)
            g_array_remove_index_fast(needs, i);
    }
    g_hash_table_iter_init(&iter, host->pools->by_path);
    while (!running_only && g_hash_table_iter_next(&iter, NULL, &value)) {
        Volume *volume = value;
        needs_add_overlay(needs, volume, volume->def->backing ? volume->def->backing->path : NULL);
        needs_add_overlay(needs, volume, volume->def->data_path);
    }
    return needs;
}

static bool need_is_for(const ImageNeed *need, const char *path, const FileId *id)
{
    return strcmp(need->path, path) == 0 || file_id_equal(&need->id, id);
}

/* A machine that runs and will use it again is one user. */
static void users_add(GPtrArray *users, const ImageNeed *need)
{
    for (guint i = 0; i < users->len; i++) {
        ImageUser *user = g_ptr_array_index(users, i);
        if ((user->kind == IMAGE_USER_OVERLAY) == (need->kind == IMAGE_USER_OVERLAY) &&
            strcmp(user->name, need->name) == 0) {
            user->kind = MIN(user->kind, need->kind);
            return;
        }
    }
    ImageUser *user = g_new(ImageUser, 1);
    *user = (ImageUser){ .kind = need->kind,
                         .name = g_strdup(need->name),
                         .path = need->overlay ? g_strdup(need->overlay->def->target.path) : NULL };
    g_ptr_array_add(users, user);
}

static int user_compare(const void *a, const void *b)
{
    const ImageUser *x = *(const ImageUser *const *)a, *y = *(const ImageUser *const *)b;

    return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

GPtrArray *image_list_users(Host *host, const char *path, bool running_only, const char *except)
{
    GPtrArray *users = g_ptr_array_new_with_free_func(image_user_free);
    g_autofree char *own = g_strdup(path);

    if (!running_only)
        pools_read_all(host);
    g_autoptr(GArray) needs = needs_list(host, running_only);
    const FileId id = needs_identify(host, needs, own);
    g_autoptr(GHashTable) below = g_hash_table_new(g_direct_hash, g_direct_equal); /* overlays on the way */
    g_autoptr(GPtrArray) way = g_ptr_array_new();
    const char *at = own;
    FileId at_id = id;
    for (guint next = 0; at; next++) {
        for (guint i = 0; i < needs->len; i++) {
            const ImageNeed *need = &g_array_index(needs, ImageNeed, i);
            if (!need_is_for(need, at, &at_id) ||
                (need->overlay && g_strcmp0(need->overlay->def->target.path, except) == 0))
                continue;
            if (need->overlay && g_hash_table_add(below, need->overlay))
                g_ptr_array_add(way, need->overlay);
            users_add(users, need);
        }
        const Volume *overlay = next < way->len ? g_ptr_array_index(way, next) : NULL;
        at = overlay ? overlay->def->target.path : NULL;
        at_id = overlay ? overlay->stamp.id : (FileId){ 0 };
    }
    g_ptr_array_sort(users, user_compare);
    return users;
}

char *image_user_describe(const ImageUser *user)
{
    const char *slash = strchr(user->name, '/');

    if (user->kind == IMAGE_USER_OVERLAY && slash)
        return g_strdup_printf("volume '%s' of pool '%.*s'", slash + 1, (int)(slash - user->name),
                               user->name);
    return g_strdup_printf("%smachine '%s'", user->kind == IMAGE_USER_RUNNING ? "running " : "", user->name);
}

char *image_users_describe(const GPtrArray *users)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < users->len; i++) {
        g_autofree char *user = image_user_describe(g_ptr_array_index(users, i));
        g_string_append_printf(text, "%s%s", i ? ", " : "", user);
    }
    return g_string_free(text, FALSE);
}

bool image_users_require_none(Host *host, const char *path, Error **err)
{
    g_autoptr(GPtrArray) users = image_list_users(host, path, false, NULL);

    if (users->len == 0)
        return true;
    g_autofree char *text = image_users_describe(users);
    return error_set(err, ERROR_OPERATION_FAILED, "'%s' cannot be written: it is needed by %s", path, text);
}

/* ---- what nobody needs ---- */

static guint id_hash(const void *data)
{
    const FileId *id = data;

    return (guint)(id->dev * 31 + id->ino);
}

static gboolean id_same(const void *a, const void *b)
{
    return file_id_equal(a, b);
}

void image_users_drop_needed(Host *host, GPtrArray *volumes)
{
    g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) ids = g_hash_table_new(id_hash, id_same);

    pools_read_all(host);
    g_autoptr(GArray) needs = needs_list(host, false);
    (void)needs_identify(host, needs, NULL);
    for (guint i = 0; i < needs->len; i++) {
        ImageNeed *need = &g_array_index(needs, ImageNeed, i);
        g_hash_table_add(paths, need->path);
        if (id_is_known(&need->id))
            g_hash_table_add(ids, &need->id);
    }
    for (guint i = volumes->len; i-- > 0;) {
        const Volume *volume = g_ptr_array_index(volumes, i);
        if (!volume->pool || volume->n_users || g_hash_table_contains(paths, volume_path(volume)) ||
            g_hash_table_contains(ids, &volume->stamp.id))
            g_ptr_array_remove_index_fast(volumes, i);
    }
}
