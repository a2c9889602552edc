/* Sizes of disk images for statistics.
 *
 * Sizes and allocation are always taken from stat(). What stands in an image's header is read again only when
 * the file may have changed: another file, size or time, or a time so young that a second change could hide
 * in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "base/worker.h"

#define LOOK_ITEMS_MAX 256 /* of one job of a worker: a lane has four threads */
#define LOOK_STUCK_MS 100  /* without any progress: the others are looked at without this image */
#define SETTLED_S 2        /* a file that was changed longer ago than this */

/* Which content a header was read from. */
typedef struct HeaderKey {
    bool is_settled; /* false: the header must be read again */
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed, modified;
} HeaderKey;

typedef struct ImageSize {
    unsigned refs; /* the table, a look under way, each request */
    char *path;
    StorageFormat format;
    bool is_pending; /* somebody is looking */
    bool is_known;
    bool has_failed; /* the last look */
    bool is_used;    /* since the last sweep */
    StorageInfo info;
    HeaderKey key;
} ImageSize;

struct ImageSizes {
    GHashTable *by_path; /* path of the ImageSize -> ImageSize (counted) */
    GQueue looks;        /* of ImageLook, under way */
    WaitQueue changed;   /* woken when one has ended */
};

struct ImageRequest {
    ImageSizes *sizes;
    GPtrArray *wanted; /* of ImageSize (counted) */
    guint next;        /* of those, for image_request_find() */
};

typedef struct LookItem {
    ImageSize *size; /* counted; the worker reads its path and format, which never change */
    HeaderKey key;   /* in: of what is known; out: of what was seen */
    StorageInfo info;
    int error;
} LookItem;

/* What a worker does. It may outlive the look. */
typedef struct LookBatch {
    atomic_uint n_done;
    atomic_bool stop;
    unsigned n_items;
    LookItem items[LOOK_ITEMS_MAX];
} LookBatch;

typedef struct ImageLook {
    ImageSizes *sizes;
    WorkerLane *lane;
    uint64_t timeout_ms;
    LookBatch *batch;
    unsigned n_taken; /* results that were taken over */
    unsigned n_items; /* whose result is still wanted */
    uint64_t progress_ms;
    GList link;
} ImageLook;

static void image_size_unref(void *data)
{
    ImageSize *size = data;

    if (--size->refs > 0)
        return;
    g_free(size->path);
    g_free(size);
}

ImageSizes *image_sizes_new(void)
{
    ImageSizes *sizes = g_new0(ImageSizes, 1);

    sizes->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, image_size_unref);
    g_queue_init(&sizes->looks);
    wait_queue_init(&sizes->changed);
    return sizes;
}

void image_sizes_free(ImageSizes *sizes)
{
    if (!sizes)
        return;
    g_assert(g_queue_is_empty(&sizes->looks));
    wait_queue_clear(&sizes->changed);
    g_hash_table_unref(sizes->by_path);
    g_free(sizes);
}

static const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Whether the texts say that both lie in one folder. @other: NULL for nowhere */
static bool is_beside(const char *path, const char *other)
{
    const size_t len = (size_t)(path_name(path) - path);

    return other && strncmp(path, other, len) == 0 && !strchr(other + len, '/');
}

/* ---- in the worker ---- */

static HeaderKey header_key(const struct stat *st)
{
    return (HeaderKey){ .is_settled = time(NULL) - st->st_ctime > SETTLED_S,
                        .dev = st->st_dev,
                        .ino = st->st_ino,
                        .size = st->st_size,
                        .changed = st->st_ctim,
                        .modified = st->st_mtim };
}

static bool time_is_same(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool header_is_same(const HeaderKey *known, const HeaderKey *now)
{
    return known->is_settled && known->dev == now->dev && known->ino == now->ino &&
           known->size == now->size && time_is_same(&known->changed, &now->changed) &&
           time_is_same(&known->modified, &now->modified);
}

static void look_at(LookItem *item, int folder)
{
    struct stat st;

    if (fstatat(folder, path_name(item->size->path), &st, 0) < 0) {
        item->error = errno;
        return;
    }
    const HeaderKey key = header_key(&st);
    const bool has_header =
        item->size->format != STORAGE_FORMAT_RAW && item->size->format != STORAGE_FORMAT_ABSENT;
    if (!S_ISREG(st.st_mode) || (has_header && !header_is_same(&item->key, &key))) {
        item->error = storage_probe_now(item->size->path, item->size->format, &item->info);
    } else {
        if (!has_header)
            item->info.capacity = (uint64_t)st.st_size;
        item->info.physical = (uint64_t)st.st_size;
        item->info.allocation = (uint64_t)st.st_blocks * 512;
    }
    item->key = key;
}

static void look_batch_run(void *data)
{
    LookBatch *batch = data;
    AUTO_FD folder = -1;
    const char *last = NULL;

    for (unsigned i = 0; i < batch->n_items && !atomic_load(&batch->stop); i++) {
        const char *path = batch->items[i].size->path;
        if (!is_beside(path, last)) { /* the way there costs as much as the file */
            g_autofree char *name = g_path_get_dirname(path);
            fd_cleanup(&folder);
            folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        last = path;
        look_at(&batch->items[i], folder);
        atomic_store(&batch->n_done, i + 1);
    }
}

/* In the loop, as all that counts references. */
static void look_batch_free(void *data)
{
    LookBatch *batch = data;

    for (unsigned i = 0; i < batch->n_items; i++)
        image_size_unref(batch->items[i].size);
    g_free(batch);
}

/* ---- looks ---- */

static void look_take_item(const LookItem *item)
{
    ImageSize *size = item->size;

    size->is_pending = false;
    size->has_failed = item->error != 0;
    size->is_known = item->error == 0; /* of storage that hangs, the old numbers are the best there are */
    if (!size->is_known) {
        size->key = (HeaderKey){ 0 };
        return;
    }
    size->info = item->info;
    size->key = item->key;
}

/* Takes what the worker has done so far. */
static void look_take_results(ImageLook *look)
{
    const unsigned n_done = MIN(atomic_load(&look->batch->n_done), look->n_items);

    for (; look->n_taken < n_done; look->n_taken++) {
        look_take_item(&look->batch->items[look->n_taken]);
        look->progress_ms = loop_now_ms();
    }
}

static void look_give_up_from(ImageLook *look, unsigned first)
{
    for (unsigned i = first; i < look->n_items; i++)
        look->batch->items[i].size->is_pending = false;
    look->n_items = MIN(look->n_items, first);
}

/* One image holds up those behind it: they can be looked at anew, without it. */
static void look_split(ImageLook *look)
{
    look_take_results(look);
    if (loop_now_ms() - look->progress_ms < LOOK_STUCK_MS || atomic_load(&look->batch->stop))
        return;
    atomic_store(&look->batch->stop, true);
    look_give_up_from(look, look->n_taken + 1);
}

static void look_end(ImageLook *look)
{
    ImageSizes *sizes = look->sizes;

    g_queue_unlink(&sizes->looks, &look->link);
    g_free(look);
    wait_queue_wake_all(&sizes->changed);
}

static void look_fiber(void *arg)
{
    ImageLook *look = arg;
    LookBatch *batch = look->batch;
    ImageSize *held[LOOK_ITEMS_MAX]; /* the pool may own the batch afterwards */

    for (unsigned i = 0; i < batch->n_items; i++) {
        held[i] = batch->items[i].size;
        held[i]->refs++;
    }
    const unsigned n_held = batch->n_items;
    const bool done = worker_run(look->lane, look_batch_run, batch, look_batch_free, look->timeout_ms, NULL);
    if (done) {
        look_take_results(look);
        look_batch_free(batch);
    }
    for (unsigned i = look->n_taken; i < look->n_items; i++)
        held[i]->is_pending = false;
    for (unsigned i = 0; i < n_held; i++)
        image_size_unref(held[i]);
    look_end(look);
}

static void look_begin(ImageLook *look)
{
    look->n_items = look->batch->n_items;
    look->progress_ms = loop_now_ms();
    if (fiber_spawn("image sizes", look_fiber, look))
        return;
    look_give_up_from(look, 0);
    look_batch_free(look->batch);
    look_end(look);
}

/* ---- requests ---- */

ImageRequest *image_request_new(ImageSizes *sizes)
{
    ImageRequest *request = g_new0(ImageRequest, 1);

    request->sizes = sizes;
    request->wanted = g_ptr_array_new_with_free_func(image_size_unref);
    return request;
}

void image_request_free(ImageRequest *request)
{
    if (!request)
        return;
    g_ptr_array_unref(request->wanted);
    g_free(request);
}

void image_request_add(ImageRequest *request, const char *path, StorageFormat format)
{
    GHashTable *by_path = request->sizes->by_path;
    ImageSize *size = g_hash_table_lookup(by_path, path);

    if (!size || size->format != format) {
        size = g_new0(ImageSize, 1);
        size->refs = 1;
        size->path = g_strdup(path);
        size->format = format;
        g_hash_table_replace(by_path, size->path, size);
    }
    size->is_used = true;
    size->refs++;
    g_ptr_array_add(request->wanted, size);
}

/* Files of one folder have one lane: finding it costs more than looking at a file. */
static WorkerLane *lane_for(const char *path, const char **io_last, WorkerLane **io_lane)
{
    if (!is_beside(path, *io_last))
        *io_lane = worker_lane_for_path(path);
    *io_last = path;
    return *io_lane;
}

static ImageLook *look_new(ImageSizes *sizes, WorkerLane *lane, uint64_t timeout_ms)
{
    ImageLook *look = g_new0(ImageLook, 1);

    *look = (ImageLook){ .sizes = sizes, .lane = lane, .timeout_ms = timeout_ms };
    look->batch = g_new0(LookBatch, 1);
    look->link.data = look;
    g_queue_push_tail_link(&sizes->looks, &look->link);
    return look;
}

/* Begins looks at what nobody looks at already. */
static void request_begin(ImageRequest *request, uint64_t timeout_ms)
{
    g_autoptr(GHashTable) open = g_hash_table_new(NULL, NULL); /* lane -> ImageLook that has room */
    const char *last = NULL;
    WorkerLane *lane = NULL;

    for (guint i = 0; i < request->wanted->len; i++) {
        ImageSize *size = g_ptr_array_index(request->wanted, i);
        /* Where an earlier look still hangs, another one would only hang beside it. */
        if (size->is_pending || worker_lane_stuck(lane_for(size->path, &last, &lane)) > 0)
            continue;
        ImageLook *look = g_hash_table_lookup(open, lane);
        if (!look) {
            look = look_new(request->sizes, lane, timeout_ms);
            g_hash_table_insert(open, lane, look);
        }
        LookItem *item = &look->batch->items[look->batch->n_items++];
        *item = (LookItem){ .size = size, .key = size->key, .info = size->info };
        size->refs++;
        size->is_pending = true;
        if (look->batch->n_items == LOOK_ITEMS_MAX) {
            g_hash_table_remove(open, lane);
            look_begin(look);
        }
    }
    GHashTableIter iter;
    gpointer look;
    g_hash_table_iter_init(&iter, open);
    while (g_hash_table_iter_next(&iter, NULL, &look))
        look_begin(look);
}

static bool request_is_pending(const ImageRequest *request, guint *io_first)
{
    while (*io_first < request->wanted->len) {
        const ImageSize *size = g_ptr_array_index(request->wanted, *io_first);
        if (size->is_pending)
            return true;
        ++*io_first;
    }
    return false;
}

void image_request_run(ImageRequest *request, uint64_t deadline_ms, uint64_t look_timeout_ms)
{
    ImageSizes *sizes = request->sizes;
    guint first = 0;

    request_begin(request, look_timeout_ms);
    while (request_is_pending(request, &first) && loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&sizes->changed, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    if (!request_is_pending(request, &first))
        return;
    for (GList *link = sizes->looks.head; link; link = link->next)
        look_split(link->data);
}

bool image_request_find(ImageRequest *request, const char *path, StorageInfo *ret_info)
{
    const GPtrArray *wanted = request->wanted;
    const ImageSize *size = request->next < wanted->len ? wanted->pdata[request->next] : NULL;

    if (size && strcmp(size->path, path) == 0)
        request->next++;
    else
        size = g_hash_table_lookup(request->sizes->by_path, path);
    if (!size || !size->is_known)
        return false;
    *ret_info = size->info;
    return true;
}

bool image_sizes_failed(const ImageSizes *sizes, const char *path)
{
    const ImageSize *size = g_hash_table_lookup(sizes->by_path, path);

    return size && size->has_failed;
}

static gboolean image_size_sweep(gpointer key, gpointer value, gpointer arg)
{
    ImageSize *size = value;
    const bool forget = !size->is_used;

    size->is_used = false;
    return forget;
}

void image_sizes_sweep(ImageSizes *sizes)
{
    (void)g_hash_table_foreach_remove(sizes->by_path, image_size_sweep, NULL);
}
