/* Sizes of disk images for statistics: fresh if the storage answers at once, else the last known ones. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/image_sizes.h"

#include "base/loop.h"
#include "base/worker.h"

typedef struct ImageSize {
    unsigned refs;   /* the table, a look under way, each waiting caller */
    bool is_pending; /* somebody is looking */
    bool is_known;
    bool is_used; /* since the last sweep */
    StorageInfo info;
    WaitQueue done;
} ImageSize;

struct ImageSizes {
    GHashTable *by_path; /* path -> ImageSize (counted) */
};

typedef struct ImageLook {
    ImageSize *size; /* counted */
    char *path;
    StorageFormat format;
    uint64_t timeout_ms;
} ImageLook;

static void image_size_unref(void *data)
{
    ImageSize *size = data;

    if (--size->refs > 0)
        return;
    wait_queue_clear(&size->done);
    g_free(size);
}

ImageSizes *image_sizes_new(void)
{
    ImageSizes *sizes = g_new0(ImageSizes, 1);

    sizes->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, image_size_unref);
    return sizes;
}

void image_sizes_free(ImageSizes *sizes)
{
    if (!sizes)
        return;
    g_hash_table_unref(sizes->by_path);
    g_free(sizes);
}

static void image_look_free(ImageLook *look)
{
    look->size->is_pending = false;
    wait_queue_wake_all(&look->size->done);
    image_size_unref(look->size);
    g_free(look->path);
    g_free(look);
}

static void image_look_fiber(void *arg)
{
    ImageLook *look = arg;
    ImageSize *size = look->size;
    StorageInfo info = { 0 };
    g_autoptr(Error) err = NULL;

    if (storage_probe(look->path, look->format, look->timeout_ms, &info, &err)) {
        storage_info_clear(&info); /* the backing file's name: not wanted here */
        size->info = info;
        size->is_known = true;
    } else if (error_code(err) == ERROR_SYSTEM) {
        size->is_known =
            false; /* it is gone; of storage that hangs, the old numbers are the best there are */
    }
    image_look_free(look);
}

static ImageSize *image_sizes_find(ImageSizes *sizes, const char *path)
{
    ImageSize *size = g_hash_table_lookup(sizes->by_path, path);

    if (!size) {
        size = g_new0(ImageSize, 1);
        size->refs = 1;
        wait_queue_init(&size->done);
        g_hash_table_insert(sizes->by_path, g_strdup(path), size);
    }
    size->is_used = true;
    return size;
}

bool image_sizes_get(ImageSizes *sizes, const char *path, StorageFormat format, uint64_t deadline_ms,
                     uint64_t probe_timeout_ms, StorageInfo *ret_info)
{
    ImageSize *size = image_sizes_find(sizes, path);

    /* Where an earlier look still hangs, another one would only hang beside it. */
    const bool can_look = !size->is_pending && worker_lane_stuck(worker_lane_for_path(path)) == 0;
    if (can_look) {
        ImageLook *look = g_new0(ImageLook, 1);
        *look = (ImageLook){
            .size = size, .path = g_strdup(path), .format = format, .timeout_ms = probe_timeout_ms
        };
        size->refs++;
        size->is_pending = true;
        if (!fiber_spawn("image size", image_look_fiber, look))
            image_look_free(look);
    }
    size->refs++; /* a sweep may forget it while we wait */
    while (can_look && size->is_pending && loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&size->done, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    const bool is_known = size->is_known;
    if (is_known)
        *ret_info = size->info;
    image_size_unref(size);
    return is_known;
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
