/* Images that keep moments of a disk.
 *
 * qemu-img takes a snapshot's name for the number of another one if there is such a number, so one is always
 * looked up in the header and applied by its own number. Options with images in them are written as those of
 * a driver: no format is ever guessed, no name taken for a URL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/image_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/trail.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "storage/chain.h"
#include "storage/image_copy.h"
#include "storage/image_make.h"
#include "storage/image_overlay.h"
#include "storage/source_name.h"

/* ---- looking ---- */

typedef struct LayersJob {
    char *path;
    StorageFormat format;
    GPtrArray *layers;
} LayersJob;

static void layer_free(void *data)
{
    ImageLayer *layer = data;

    g_free(layer->path);
    g_ptr_array_unref(layer->snapshots);
    g_ptr_array_unref(layer->snapshot_ids);
    g_ptr_array_unref(layer->bitmaps);
    g_free(layer);
}

static void layers_job_free(void *data)
{
    LayersJob *job = data;

    g_ptr_array_unref(job->layers);
    g_free(job->path);
    g_free(job);
}

static bool layers_open(void *data, const StorageSource *source, const ChainImage *above, int *ret_fd,
                        Error **err)
{
    LayersJob *job = data;
    ImageLayer *layer = g_new0(ImageLayer, 1);
    struct stat st;

    layer->snapshots = g_ptr_array_new_with_free_func(g_free);
    layer->snapshot_ids = g_ptr_array_new_with_free_func(g_free);
    layer->bitmaps = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(job->layers, layer);
    if (source->type != STORAGE_FILE && source->type != STORAGE_BLOCK)
        return true;
    *ret_fd = trail_open(source->path, O_RDONLY, err);
    if (*ret_fd < 0)
        return false;
    layer->path = g_strdup(source->path);
    if (fstat(*ret_fd, &st) == 0) {
        layer->is_block = S_ISBLK(st.st_mode);
        layer->allocated_bytes = (uint64_t)st.st_blocks * 512;
    }
    return true;
}

static bool layers_run(void *data, Error **err)
{
    LayersJob *job = data;
    g_autoptr(StorageSource) source = source_new(STORAGE_FILE);
    g_autoptr(ImageChain) chain = NULL;
    const ChainOpener opener = { .open = layers_open, .data = job };

    source->path = g_strdup(job->path);
    source->format = job->format;
    if (!image_chain_read(source, &opener, &chain, err))
        return error_prefix(err, "image '%s'", job->path);
    for (guint i = 0; i < chain->images->len && i < job->layers->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain->images, i);
        ImageLayer *layer = g_ptr_array_index(job->layers, i);
        const GPtrArray *snapshots = image->info.snapshots;
        layer->format = image_format_names.names[image->format == IMAGE_ISO ? IMAGE_RAW : image->format];
        layer->virtual_bytes = image->info.virtual_bytes;
        layer->is_broken = image->info.is_corrupt;
        for (guint k = 0; snapshots && k < snapshots->len; k++) {
            const ImageSnapshot *snapshot = g_ptr_array_index(snapshots, k);
            g_ptr_array_add(layer->snapshots, g_strdup(snapshot->name));
            g_ptr_array_add(layer->snapshot_ids, g_strdup(snapshot->id));
        }
        for (guint k = 0; image->info.bitmaps && k < image->info.bitmaps->len; k++) {
            const ImageBitmap *bitmap = g_ptr_array_index(image->info.bitmaps, k);
            g_ptr_array_add(layer->bitmaps, g_strdup(bitmap->name));
        }
    }
    return true;
}

static StorageFormat format_from_name(const char *name)
{
    for (unsigned i = 0; name && i < IMAGE_FORMAT_COUNT; i++) {
        if (strcmp(image_format_names.names[i], name) == 0)
            return image_format_to_storage((ImageFormat)i);
    }
    return STORAGE_FORMAT_RAW;
}

bool image_layers_read(const char *path, const char *format, GPtrArray **ret_layers, Error **err)
{
    LayersJob *job = g_new0(LayersJob, 1);

    *job = (LayersJob){ .path = g_strdup(path),
                        .format = format_from_name(format),
                        .layers = g_ptr_array_new_with_free_func(layer_free) };
    if (!worker_call_path(path, "looking at", layers_run, job, layers_job_free, IMAGE_PIECE_MS, err))
        return false;
    *ret_layers = g_ptr_array_ref(job->layers);
    layers_job_free(job);
    return true;
}

static guint layer_find(const ImageLayer *layer, const char *snapshot)
{
    guint i = 0;

    while (i < layer->snapshots->len && strcmp(g_ptr_array_index(layer->snapshots, i), snapshot) != 0)
        i++;
    return i;
}

bool image_layer_has(const ImageLayer *layer, const char *snapshot)
{
    return layer_find(layer, snapshot) < layer->snapshots->len;
}

typedef struct StatJob {
    char *path;
    bool exists, is_block;
    uint64_t free_bytes;
} StatJob;

static void stat_job_free(void *data)
{
    g_free(((StatJob *)data)->path);
    g_free(data);
}

static bool stat_run(void *data, Error **err)
{
    StatJob *job = data;
    g_autofree char *folder = g_path_get_dirname(job->path);
    struct statvfs space;
    struct stat st;

    job->exists = lstat(job->path, &st) == 0;
    job->is_block = job->exists && stat(job->path, &st) == 0 && S_ISBLK(st.st_mode);
    job->free_bytes = statvfs(folder, &space) == 0 ? (uint64_t)space.f_bavail * space.f_frsize : UINT64_MAX;
    return true;
}

AWAITS static StatJob *stat_do(const char *path, Error **err)
{
    StatJob *job = g_new0(StatJob, 1);

    job->path = g_strdup(path);
    return worker_call_path(path, "looking at", stat_run, job, stat_job_free, IMAGE_PIECE_MS, err) ? job
                                                                                                   : NULL;
}

bool image_is_there(const char *path, bool *ret_exists, bool *ret_is_block, Error **err)
{
    StatJob *job = stat_do(path, err);

    if (!job)
        return false;
    *ret_exists = job->exists;
    *ret_is_block = job->is_block;
    stat_job_free(job);
    return true;
}

uint64_t image_free_bytes(const char *path)
{
    StatJob *job = stat_do(path, NULL);
    const uint64_t bytes = job ? job->free_bytes : UINT64_MAX;

    if (job)
        stat_job_free(job);
    return bytes;
}

/* ---- working ---- */

static void img_init(Tool *tool, const char *command)
{
    tool_init(tool, "qemu-img", "qemu-utils");
    tool_add(tool, command);
}

static void img_add_image(Tool *tool, const char *path, const char *format)
{
    g_autofree char *escaped = tool_escape(path);

    tool_addf(tool, "driver=%s,file.filename=%s", format, escaped);
}

/* What changed since a checkpoint nobody knows after the image went back, and QEMU refuses to go back with
 * such bitmaps. Without them a backup says that it is due in full. */
AWAITS static bool image_drop_bitmaps(const char *path, const ImageLayer *layer, Error **err)
{
    for (guint i = 0; i < layer->bitmaps->len; i++) {
        g_auto(Tool) tool = { 0 };
        img_init(&tool, "bitmap");
        tool_add(&tool, "--remove");
        tool_add(&tool, "--image-opts");
        img_add_image(&tool, path, "qcow2");
        tool_add(&tool, g_ptr_array_index(layer->bitmaps, i));
        if (!tool_run(&tool, NULL, err))
            return false;
    }
    return true;
}

bool image_forget_bitmaps(const char *path, Error **err)
{
    g_autoptr(GPtrArray) layers = NULL;

    return image_layers_read(path, "qcow2", &layers, err) &&
           image_drop_bitmaps(path, g_ptr_array_index(layers, 0), err);
}

/* What is about to be written to the image below @path counts as changed since all that bitmaps of @path are
 * about; without that, those above would tell too little. */
AWAITS static bool image_carry_bitmaps(const char *path, const char *format, Error **err)
{
    g_autoptr(GPtrArray) layers = NULL;

    if (strcmp(format, "qcow2") != 0)
        return true;
    if (!image_layers_read(path, format, &layers, err))
        return false;
    const ImageLayer *top = g_ptr_array_index(layers, 0);
    const ImageLayer *base = layers->len > 1 ? g_ptr_array_index(layers, 1) : NULL;
    for (guint i = 0; base && base->path && strcmp(base->format, "qcow2") == 0 && i < top->bitmaps->len;
         i++) {
        const char *name = g_ptr_array_index(top->bitmaps, i);
        g_auto(Tool) tool = { 0 };
        if (g_ptr_array_find_with_equal_func(base->bitmaps, name, g_str_equal, NULL))
            continue;
        img_init(&tool, "bitmap");
        tool_add(&tool, "--add");
        tool_add(&tool, "--image-opts");
        img_add_image(&tool, base->path, "qcow2");
        tool_add(&tool, name);
        if (!tool_run(&tool, NULL, err))
            return false;
    }
    return true;
}

bool image_moment_do(const char *path, ImageMoment what, const char *name, Error **err)
{
    static const char *const options[] = { "-c", "-a", "-d" };
    g_autoptr(GPtrArray) layers = NULL;
    g_auto(Tool) tool = { 0 };

    if (!image_layers_read(path, "qcow2", &layers, err))
        return false;
    const ImageLayer *layer = g_ptr_array_index(layers, 0);
    const guint at = layer_find(layer, name);
    const bool is_there = at < layer->snapshots->len;
    if (what == IMAGE_MOMENT_REMOVE && !is_there)
        return true;
    if (is_there != (what != IMAGE_MOMENT_MAKE))
        return error_set(err, ERROR_OPERATION_FAILED, "image '%s' %s a snapshot '%s'", path,
                         is_there ? "already has" : "does not have", name);
    if (what == IMAGE_MOMENT_APPLY && !image_drop_bitmaps(path, layer, err))
        return false;
    img_init(&tool, "snapshot");
    tool_add(&tool, "--image-opts");
    tool_add(&tool, options[what]);
    tool_add(&tool, what == IMAGE_MOMENT_APPLY ? g_ptr_array_index(layer->snapshot_ids, at) : name);
    img_add_image(&tool, path, "qcow2");
    return tool_run(&tool, NULL, err);
}

AWAITS static bool overlay_create(int fd /* taken */, const char *path, const char *format, const char *base,
                                  const char *base_format, uint64_t size_bytes, Error **err)
{
    g_autofree char *hidden = NULL;
    g_auto(Tool) tool = { 0 };

    img_init(&tool, "create");
    hidden = g_strdup_printf("/dev/fd/%d", tool_add_fd(&tool, fd));
    tool.hidden_name = hidden;
    tool.shown_name = path;
    tool_add(&tool, "-q");
    tool_add(&tool, "-f");
    tool_add(&tool, format);
    if (size_bytes)
        tool_add(&tool, "-u"); /* a QEMU may have the base open */
    tool_add(&tool, "-F");
    tool_add(&tool, base_format);
    tool_add(&tool, "-b");
    tool_add(&tool, base);
    tool_add(&tool, hidden);
    if (size_bytes)
        tool_addf(&tool, "%" PRIu64, size_bytes);
    return tool_run(&tool, NULL, err);
}

bool image_overlay_make(const char *path, const char *format, bool is_block, const char *base,
                        const char *base_format, uint64_t size_bytes, Error **err)
{
    AUTO_FD fd = -1;

    /* By descriptor: nobody can put another file in the way. */
    if (!image_open(path, O_RDWR | (is_block ? 0 : O_CREAT | O_EXCL), 0600, "cannot make the image", &fd,
                    err))
        return false;
    if (!is_block && overlay_is_plain(format, base, size_bytes)
            ? overlay_write(fd, path, base, base_format, size_bytes, err)
            : overlay_create(fd_steal(&fd), path, format, base, base_format, size_bytes, err))
        return true;
    if (!is_block)
        image_unlink(path);
    return false;
}

bool image_commit_down(const char *path, const char *format,
                       void (*on_progress)(void *arg, unsigned per_mille), void *arg, Error **err)
{
    g_auto(Tool) tool = { 0 };

    if (!image_carry_bitmaps(path, format, err))
        return false;
    img_init(&tool, "commit");
    tool.on_progress = on_progress;
    tool.on_progress_arg = arg;
    tool_add(&tool, "-p");
    tool_add(&tool, "-d"); /* it keeps what it has: who reads it meanwhile reads the same */
    tool_add(&tool, "--image-opts");
    img_add_image(&tool, path, format);
    return tool_run(&tool, NULL, err);
}

bool image_name_base(const char *path, const char *format, const char *base, const char *base_format,
                     Error **err)
{
    g_auto(Tool) tool = { 0 };

    img_init(&tool, "rebase");
    tool_add(&tool, "-u");
    tool_add(&tool, "-b");
    tool_add(&tool, base);
    tool_add(&tool, "-F");
    tool_add(&tool, base_format);
    tool_add(&tool, "--image-opts");
    img_add_image(&tool, path, format);
    return tool_run(&tool, NULL, err);
}

bool image_is_mendable(const char *path, const char *format)
{
    g_autoptr(GPtrArray) layers = NULL;

    if (strcmp(format, "qcow2") != 0 || !image_layers_read(path, format, &layers, NULL))
        return true;
    const ImageLayer *layer = g_ptr_array_index(layers, 0);
    return layer->bitmaps->len == 0 || layer->snapshots->len == 0;
}

bool image_require_sound(const char *path, const char *format, Error **err)
{
    enum { SOUND = 0, LEAKS = 3 }; /* exit statuses */
    g_auto(Tool) tool = { 0 };
    int status = SOUND;

    if (strcmp(format, "qcow2") != 0)
        return true;
    img_init(&tool, "check");
    tool.max_status = TOOL_ANY_STATUS;
    tool_add(&tool, "-q");
    tool_add(&tool, "-U"); /* a QEMU may have it open to read */
    tool_add(&tool, "--image-opts");
    img_add_image(&tool, path, format);
    if (!tool_run_status(&tool, &status, NULL, err))
        return false;
    if (status == SOUND || status == LEAKS)
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "image '%s' is damaged", path);
    return error_hint(err, "'lodge image check %s' says where", path);
}

bool image_mend_leaks(const char *path, Error **err)
{
    g_auto(Tool) tool = { 0 };

    if (!image_is_mendable(path, "qcow2")) /* it costs space only */
        return true;
    img_init(&tool, "check");
    tool.max_status = 3; /* what is left of them is no reason not to go on */
    tool_add(&tool, "-q");
    tool_add(&tool, "-r");
    tool_add(&tool, "leaks");
    tool_add(&tool, "--image-opts");
    img_add_image(&tool, path, "qcow2");
    return tool_run(&tool, NULL, err);
}

bool image_copy_top(const char *from, const char *format, const char *base, const char *base_format,
                    const char *to, void (*on_progress)(void *arg, unsigned per_mille), void *arg,
                    Error **err)
{
    g_auto(Tool) tool = { 0 };

    img_init(&tool, "convert");
    tool.on_progress = on_progress;
    tool.on_progress_arg = arg;
    tool_add(&tool, "-p");
    tool_add(&tool, "-O");
    tool_add(&tool, "qcow2");
    if (base) {
        tool_add(&tool, "-B");
        tool_add(&tool, base);
        tool_add(&tool, "-F");
        tool_add(&tool, base_format);
    }
    tool_add(&tool, "--image-opts");
    img_add_image(&tool, from, format);
    tool_add(&tool, to);
    if (tool_run(&tool, NULL, err))
        return true;
    image_unlink(to);
    return false;
}
