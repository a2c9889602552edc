/* Who needs an image, and what it needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/trail.h"
#include "base/worker.h"
#include "conf/volume.h"
#include "core/host_private.h"
#include "storage/chain.h"
#include "storage/dac.h"
#include "storage/image_copy.h"
#include "storage/image_users.h"
#include "storage/source_name.h"

bool image_guard_check(Host *host, const char *path, const char *except, const char *what, Error **err)
{
    g_autoptr(GPtrArray) users = image_list_users(host, path, false, except);

    bool is_running = false;
    for (guint i = users->len; i-- > 0;) { /* a machine that does not run is no reason */
        const ImageUserKind kind = ((const ImageUser *)g_ptr_array_index(users, i))->kind;
        is_running |= kind == IMAGE_USER_RUNNING;
        if (kind == IMAGE_USER_MACHINE)
            g_ptr_array_remove_index(users, i);
    }
    if (users->len == 0)
        return true;
    g_autofree char *text = image_users_describe(users);
    error_set(err, ERROR_INVALID_STATE, "cannot %s image '%s': it is needed by %s", what, path, text);
    return error_hint(err, is_running ? "stop the machine, or make a copy with 'lodge image convert'"
                                      : "make a copy with 'lodge image convert'");
}

/* ---- looking at a chain, in a worker ---- */

typedef struct ChainJob {
    char *path;
    StorageFormat format;
    bool is_luks;
    ImageChain *chain;
    GArray *infos;    /* of ChainFile, one of each image; zeros: it was not opened */
    GPtrArray *parts; /* of ChainPart */
    Error *error;
} ChainJob;

typedef struct ChainFile {
    uint64_t allocation; /* bytes */
    FileId id;
    FileOwner owner;
} ChainFile;

/* A file that an image keeps data in. */
typedef struct ChainPart {
    guint image; /* which */
    char *path;
    ChainFile info;
} ChainPart;

static void chain_part_free(void *data)
{
    ChainPart *part = data;

    g_free(part->path);
    g_free(part);
}

static void chain_job_free(void *data)
{
    ChainJob *job = data;

    image_chain_free(job->chain);
    g_array_unref(job->infos);
    g_ptr_array_unref(job->parts);
    error_free(job->error);
    g_free(job->path);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChainJob, chain_job_free)

static void look_at(int fd, ChainFile *ret_info)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return;
    *ret_info = (ChainFile){ .allocation = (uint64_t)st.st_blocks * 512,
                             .id = file_id_of(&st),
                             .owner = { st.st_uid, st.st_gid, st.st_mode } };
}

static bool chain_open(void *data, const StorageSource *source, const ChainImage *above, int *ret_fd,
                       Error **err)
{
    ChainJob *job = data;
    ChainFile info = { 0 };

    if (source->type == STORAGE_FILE || source->type == STORAGE_BLOCK) {
        *ret_fd = trail_open(source->path, O_RDONLY, err);
        if (*ret_fd < 0)
            return false;
        look_at(*ret_fd, &info);
    }
    g_array_append_val(job->infos, info);
    return true;
}

static void note_part(ChainJob *job, guint image, const char *above, const char *name)
{
    g_autofree char *dir = g_path_get_dirname(above);
    ChainPart *part = g_new0(ChainPart, 1);
    AUTO_FD fd = -1;

    part->image = image;
    part->path = g_canonicalize_filename(name, dir);
    fd = trail_open(part->path, O_PATH, NULL);
    if (fd >= 0) /* else qemu-img says what is the matter with it */
        look_at(fd, &part->info);
    g_ptr_array_add(job->parts, part);
}

static void find_parts(ChainJob *job)
{
    for (guint i = 0; i < job->chain->images->len; i++) {
        const ChainImage *image = g_ptr_array_index(job->chain->images, i);
        const GPtrArray *extents = image->info.extents;
        if (image->info.data_file)
            note_part(job, i, image->source->path, image->info.data_file);
        for (guint j = 0; extents && j < extents->len; j++) {
            const ImageExtent *extent = g_ptr_array_index(extents, j);
            if (extent->file)
                note_part(job, i, image->source->path, extent->file);
        }
    }
}

static void chain_job_run(void *data)
{
    ChainJob *job = data;
    g_autoptr(StorageSource) source = source_new(STORAGE_FILE);
    /* A person asks what there is: that is no reason to believe it. */
    const ChainOpener opener = { .open = chain_open, .data = job, .may_probe = true };

    source->path = g_strdup(job->path);
    source->format = job->format;
    if (job->is_luks) /* documents have that beside the format */
        source->encryption = g_new0(VolumeEncryption, 1);
    if (image_chain_read(source, &opener, &job->chain, &job->error))
        find_parts(job);
}

static ChainJob *image_read_chain(const char *path, const char *format, Error **err)
{
    ChainJob *order = g_new0(ChainJob, 1);

    order->path = g_strdup(path);
    order->infos = g_array_new(FALSE, FALSE, sizeof(ChainFile));
    order->parts = g_ptr_array_new_with_free_func(chain_part_free);
    for (unsigned i = 0; format && i < IMAGE_FORMAT_COUNT; i++)
        if (strcmp(image_format_names.names[i], format) == 0)
            order->format = image_format_to_storage((ImageFormat)i);
    order->is_luks = g_strcmp0(format, "luks") == 0;
    if (!worker_run(worker_lane_for_path(path), chain_job_run, order, chain_job_free, IMAGE_PIECE_MS, err)) {
        error_prefix(err, "image '%s'", path);
        return NULL;
    }
    g_autoptr(ChainJob) job = order;
    if (job->error) {
        error_propagate(err, g_steal_pointer(&job->error));
        return NULL;
    }
    return g_steal_pointer(&job);
}

static void image_unsaid_free(void *data)
{
    ImageUnsaid *unsaid = data;

    g_free(unsaid->path);
    g_free(unsaid->base);
    g_free(unsaid);
}

bool image_guard_find_base(const char *path, const char *format, char **ret_base, Error **err)
{
    g_autoptr(ChainJob) job = image_read_chain(path, format, err);

    if (!job)
        return false;
    const ChainImage *base = job->chain->images->len > 1 ? g_ptr_array_index(job->chain->images, 1) : NULL;
    *ret_base = base && base->source->type == STORAGE_FILE ? g_strdup(base->source->path) : NULL;
    return true;
}

/* Whose a file was before a machine borrowed it. */
static const FileOwner *true_owner(Host *host, ChainFile *file)
{
    if (host->dac) /* nobody borrows anything in a host without machines */
        dac_find_owner(host->dac, &file->id, &file->owner.uid, &file->owner.gid);
    return &file->owner;
}

bool image_guard_judge(Host *host, const char *path, const char *format, bool writes_base, Error **err)
{
    if (g_strcmp0(format, "raw") == 0) /* it names nothing */
        return true;
    g_autoptr(ChainJob) job = image_read_chain(path, format, err);
    if (!job)
        return false;
    for (guint i = 0; i < job->infos->len; i++) {
        const FileOwner *owner = true_owner(host, &g_array_index(job->infos, ChainFile, i));
        const char *name = ((const ChainImage *)g_ptr_array_index(job->chain->images, i))->source->path;
        for (guint j = 0; name && j < i; j++) {
            const FileOwner *above = &g_array_index(job->infos, ChainFile, j).owner;
            const char *image = ((const ChainImage *)g_ptr_array_index(job->chain->images, j))->source->path;
            if (!dac_judge_named(host->config, image, above, name, owner, err))
                return false;
            if (writes_base && geteuid() == 0 && above->uid != 0 && above->uid != owner->uid) {
                error_set(err, ERROR_OPERATION_FAILED,
                          "image '%s' of user %u names the backing file '%s' of user %u", image,
                          (unsigned)above->uid, name, (unsigned)owner->uid);
                return error_hint(err, "give both files to one owner, if the one is to be written to");
            }
        }
    }
    for (guint i = 0; i < job->parts->len; i++) {
        ChainPart *part = g_ptr_array_index(job->parts, i);
        const ChainImage *image = g_ptr_array_index(job->chain->images, part->image);
        const FileOwner *above = &g_array_index(job->infos, ChainFile, part->image).owner;
        if (part->info.owner.mode && !dac_judge_named(host->config, image->source->path, above, part->path,
                                                      true_owner(host, &part->info), err))
            return false;
    }
    return true;
}

bool image_guard_list_unsaid(const char *path, const char *format, GPtrArray **ret_list, Error **err)
{
    g_autoptr(ChainJob) job = image_read_chain(path, format, err);
    GPtrArray *list = NULL;

    if (!job)
        return false;
    list = g_ptr_array_new_with_free_func(image_unsaid_free);
    for (guint i = 0; i + 1 < job->chain->images->len; i++) {
        const ChainImage *image = g_ptr_array_index(job->chain->images, i);
        const ChainImage *below = g_ptr_array_index(job->chain->images, i + 1);
        if (image->source->type == STORAGE_NETWORK || image->info.backing_format || !image->info.backing)
            continue;
        ImageUnsaid *unsaid = g_new(ImageUnsaid, 1);
        *unsaid = (ImageUnsaid){ .path = g_strdup(image->source->path),
                                 .base = g_strdup(image->info.backing),
                                 .format = image_format_names.names[image->format],
                                 .base_format = image_format_names.names[below->format] };
        g_ptr_array_add(list, unsaid);
    }
    *ret_list = list;
    return true;
}

/* ---- describing it ---- */

static Json *text_json(const char *text)
{
    g_autofree char *shown = text ? name_for_message(text) : NULL;

    return shown ? json_string(shown) : json_null();
}

static Json *number_json(uint64_t number)
{
    return json_integer((json_int_t)MIN(number, (uint64_t)INT64_MAX));
}

static Json *snapshots_json(const GPtrArray *snapshots)
{
    Json *list = json_array();

    for (guint i = 0; snapshots && i < snapshots->len; i++) {
        const ImageSnapshot *snapshot = g_ptr_array_index(snapshots, i);
        Json *entry = json_object();
        json_object_set_new(entry, "id", text_json(snapshot->id));
        json_object_set_new(entry, "name", text_json(snapshot->name));
        json_object_set_new(entry, "time_s", json_integer(snapshot->time_s));
        json_object_set_new(entry, "vm_state_bytes", number_json(snapshot->vm_state_bytes));
        json_array_append_new(list, entry);
    }
    return list;
}

static Json *bitmaps_json(const GPtrArray *bitmaps)
{
    Json *list = json_array();

    for (guint i = 0; bitmaps && i < bitmaps->len; i++) {
        const ImageBitmap *bitmap = g_ptr_array_index(bitmaps, i);
        Json *entry = json_object();
        json_object_set_new(entry, "name", text_json(bitmap->name));
        json_object_set_new(entry, "granularity_bytes", number_json(bitmap->granularity_bytes));
        json_object_set_new(entry, "in_use", json_boolean(bitmap->is_in_use));
        json_array_append_new(list, entry);
    }
    return list;
}

AWAITS static Json *users_json(Host *host, const char *path)
{
    g_autoptr(GPtrArray) users = image_list_users(host, path, false, NULL);
    Json *list = json_array();

    for (guint i = 0; i < users->len; i++) {
        g_autofree char *text = image_user_describe(g_ptr_array_index(users, i));
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static Json *luks_json(const ImageEncryption *luks)
{
    Json *entry = json_object();

    json_object_set_new(entry, "cipher", text_json(luks->cipher));
    json_object_set_new(entry, "mode", text_json(luks->mode));
    json_object_set_new(entry, "hash", text_json(luks->hash));
    json_object_set_new(entry, "uuid", text_json(luks->uuid));
    json_object_set_new(entry, "label", text_json(luks->label));
    json_object_set_new(entry, "key_bits", json_integer(luks->key_bytes * 8));
    json_object_set_new(entry, "keyslots", json_integer(luks->n_keyslots));
    return entry;
}

AWAITS static Json *image_json(Host *host, const ChainImage *image, uint64_t allocated)
{
    static const char *const encryption_names[] = { NULL, "aes", "luks", "luks2" };
    const ImageInfo *info = &image->info;
    const StorageSource *source = image->source;
    const bool is_local = source->type != STORAGE_NETWORK;
    Json *entry = json_object();

    json_object_set_new(entry, "path", text_json(source->path));
    json_object_set_new(entry, "is_local", json_boolean(is_local));
    json_object_set_new(entry, "format", json_string(image_format_names.names[image->format]));
    json_object_set_new(entry, "used_by",
                        is_local && source->path ? users_json(host, source->path) : json_array());
    if (!image->is_opened)
        return entry;
    json_object_set_new(entry, "virtual_bytes", number_json(info->virtual_bytes));
    json_object_set_new(entry, "file_bytes", number_json(info->file_bytes));
    json_object_set_new(entry, "allocated_bytes", number_json(allocated));
    json_object_set_new(entry, "cluster_bytes", number_json(info->cluster_bytes));
    if (image->format == IMAGE_QCOW2) {
        json_object_set_new(entry, "compat", json_string(info->version == 3 ? "1.1" : "0.10"));
        json_object_set_new(entry, "lazy_refcounts", json_boolean(info->has_lazy_refcounts));
        json_object_set_new(entry, "extended_l2", json_boolean(info->has_extended_l2));
        json_object_set_new(entry, "compression", json_string(info->has_zstd ? "zstd" : "zlib"));
    }
    json_object_set_new(entry, "subformat", text_json(info->subformat));
    json_object_set_new(entry, "backing", text_json(info->backing));
    json_object_set_new(entry, "backing_format", text_json(info->backing_format));
    json_object_set_new(entry, "data_file", text_json(info->data_file));
    json_object_set_new(entry, "encryption", text_json(encryption_names[info->encryption.kind]));
    if (info->encryption.cipher)
        json_object_set_new(entry, "luks", luks_json(&info->encryption));
    json_object_set_new(entry, "dirty", json_boolean(info->is_dirty));
    json_object_set_new(entry, "corrupt", json_boolean(info->is_corrupt));
    json_object_set_new(entry, "snapshots", snapshots_json(info->snapshots));
    json_object_set_new(entry, "bitmaps", bitmaps_json(info->bitmaps));
    return entry;
}

bool image_guard_describe(Host *host, const char *path, const char *format, char **ret_json, Error **err)
{
    g_autoptr(ChainJob) job = image_read_chain(path, format, err);
    g_autoptr(Json) list = json_array();

    if (!job)
        return false;
    for (guint i = 0; i < job->chain->images->len; i++)
        json_array_append_new(list, image_json(host, g_ptr_array_index(job->chain->images, i),
                                               i < job->infos->len
                                                   ? g_array_index(job->infos, ChainFile, i).allocation
                                                   : 0));
    *ret_json = json_format(list);
    return true;
}
