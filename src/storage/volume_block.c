/* Block devices as volumes.
 *
 * A device can stop answering at any moment, and then opening it may hang as well as reading from it. So
 * every touch is a job in a lane of the pool: its own calls end at their deadline, those of others never
 * notice. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/volume_block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/worker.h"
#include "storage/image_make.h"
#include "storage/path_look.h"
#include "storage/tool.h"
#include "storage/volume_probe.h"
#include "wire/wire_enums.h"

#define SETTLE_MS 30000
#define MISSING_MS 3000
#define MISSING_STEP_MS 100
#define APPEAR_MS 10000
#define APPEAR_STEP_MS 50
#define LINKS_MAX 65536
#define CLEAR_BYTES (1u << 20)

static WorkerLane *block_lane(const Pool *pool)
{
    g_autofree char *name = g_strdup_printf("pool '%s'", pool->name);
    return worker_lane_named(name);
}

/* A deadline that passed names the pool. @why: taken over. */
static bool block_blame(const char *pool, Error *why, Error **err)
{
    if (error_code(why) == ERROR_TIMEOUT || error_code(why) == ERROR_BUSY)
        (void)error_prefix(&why, "the devices of storage pool '%s' do not answer", pool);
    return error_propagate(err, why);
}

/* Runs a job on the pool's devices. */
AWAITS static bool block_run(const Pool *pool, void (*func)(void *), void *job, void (*job_free)(void *),
                             Error **err)
{
    g_autofree char *name = g_strdup(pool->name);
    g_autoptr(Error) failure = NULL;

    if (worker_run(block_lane(pool), func, job, job_free, POOL_DEADLINE_MS, &failure))
        return true;
    return block_blame(name, g_steal_pointer(&failure), err);
}

/* ---- looking ---- */

static void block_found_free(void *data)
{
    BlockFound *found = data;

    volume_def_free(found->def);
    g_free(found);
}

GPtrArray *block_found_new(void)
{
    return g_ptr_array_new_with_free_func(block_found_free);
}

VolumeDef *block_found_add(GPtrArray *found, const char *name, const char *path)
{
    BlockFound *one = g_new0(BlockFound, 1);

    one->def = g_new0(VolumeDef, 1);
    one->def->type = VOLUME_BLOCK;
    one->def->name = g_strdup(name);
    one->def->target.path = g_strdup(path);
    g_ptr_array_add(found, one);
    return one->def;
}

void block_add_extent(VolumeDef *def, const char *device, uint64_t start_bytes, uint64_t end_bytes)
{
    VolumeDevice *item = NULL;
    VolumeExtent *extent = g_new(VolumeExtent, 1);

    if (!def->devices)
        def->devices = g_ptr_array_new();
    for (unsigned i = 0; i < def->devices->len && !item; i++) {
        if (strcmp(((VolumeDevice *)def->devices->pdata[i])->path, device) == 0)
            item = def->devices->pdata[i];
    }
    if (!item) {
        item = g_new0(VolumeDevice, 1);
        item->path = g_strdup(device);
        item->extents = g_ptr_array_new();
        g_ptr_array_add(def->devices, item);
    }
    *extent = (VolumeExtent){ start_bytes, end_bytes };
    g_ptr_array_add(item->extents, extent);
}

typedef struct DeviceLook {
    char *path;
    VolumeDef *seen; /* NULL: it is not there, or no device */
} DeviceLook;

static void device_look_free(void *data)
{
    DeviceLook *look = data;

    volume_def_free(look->seen);
    g_free(look->path);
    g_free(look);
}

static void device_look_run(DeviceLook *look)
{
    AUTO_FD fd = open(look->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
        return;
    look->seen = g_new0(VolumeDef, 1);
    volume_probe_stat(look->seen, fd, &st);
}

static void device_looks_run(void *data)
{
    GPtrArray *looks = data;

    for (unsigned i = 0; i < looks->len; i++)
        device_look_run(looks->pdata[i]);
}

static void device_looks_free(void *data)
{
    g_ptr_array_unref(data);
}

/* What a scan has said already stays. */
static void device_look_tell(VolumeDef *seen, VolumeDef *def)
{
    def->target.permissions = g_steal_pointer(&seen->target.permissions);
    def->target.times = g_steal_pointer(&seen->target.times);
    if (!def->capacity.is_set)
        def->capacity = seen->capacity;
    if (!def->allocation.is_set)
        def->allocation = seen->allocation;
    def->physical = seen->physical;
}

static unsigned count_missing(const GPtrArray *found)
{
    unsigned n_missing = 0;

    for (unsigned i = 0; i < found->len; i++)
        n_missing += !((const BlockFound *)found->pdata[i])->is_there;
    return n_missing;
}

/* Looks at those that were not there yet. */
AWAITS static bool look_once(const Pool *pool, GPtrArray *found, Error **err)
{
    GPtrArray *looks = g_ptr_array_new_with_free_func(device_look_free);

    for (unsigned i = 0; i < found->len; i++) {
        const BlockFound *one = found->pdata[i];
        DeviceLook *look = g_new0(DeviceLook, 1);
        look->path = g_strdup(one->is_there ? "" : one->def->target.path);
        g_ptr_array_add(looks, look);
    }
    if (!block_run(pool, device_looks_run, looks, device_looks_free, err))
        return false;
    for (unsigned i = 0; i < found->len; i++) {
        BlockFound *one = found->pdata[i];
        DeviceLook *look = looks->pdata[i];
        if (look->seen)
            device_look_tell(look->seen, one->def);
        one->is_there = one->is_there || look->seen;
    }
    g_ptr_array_unref(looks);
    return true;
}

bool block_look(const Pool *pool, GPtrArray *found, Error **err)
{
    if (!look_once(pool, found, err))
        return false;
    /* Partitions vanish for a moment whenever somebody changed their table, and udev takes its time. */
    for (unsigned waited = 0; count_missing(found) && waited < MISSING_MS; waited += MISSING_STEP_MS) {
        if (!fiber_sleep(MISSING_STEP_MS, err) || !look_once(pool, found, err))
            return false;
    }
    return true;
}

void block_scan_take(Pool *pool, PoolScan *scan, GPtrArray *found)
{
    for (unsigned i = 0; i < found->len; i++) {
        BlockFound *one = found->pdata[i];
        if (!one->is_there)
            continue;
        VolumeDef *def = g_steal_pointer(&one->def);
        if (!def->key)
            def->key = g_strdup(def->target.path);
        Volume *old = pool->volumes ? g_hash_table_lookup(pool->volumes, def->name) : NULL;
        if (old && strcmp(old->def->target.path, def->target.path) == 0 &&
            strcmp(old->def->key, def->key) == 0) {
            volume_set_def(old, def);
            g_ptr_array_add(scan->volumes, volume_ref(old));
        } else {
            g_ptr_array_add(scan->volumes, volume_new(pool, def));
        }
    }
}

void block_add_host(StorageSource *source, const char *name, uint32_t port)
{
    StorageHost *host = g_new0(StorageHost, 1);

    host->transport = STORAGE_TRANSPORT_TCP;
    host->name = g_strdup(name);
    host->port = port;
    source->hosts = source->hosts ? source->hosts : g_ptr_array_new();
    g_ptr_array_add(source->hosts, host);
}

void block_set_auth(StorageSource *source, const PoolAuth *auth)
{
    if (!auth || source->auth)
        return; /* what the machine says goes first */
    source->has_auth_of_pool = true;
    source->auth = g_new0(StorageAuth, 1);
    source->auth->username = g_strdup(auth->username);
    source->auth->secret_type = auth->type == 0 ? STORAGE_SECRET_ISCSI : STORAGE_SECRET_CEPH;
    source->auth->secret_uuid = auth->secret_uuid;
    source->auth->secret_usage = g_strdup(auth->secret_usage);
}

bool block_is_making(const Pool *pool)
{
    GHashTableIter iter;
    gpointer value = NULL;

    if (!pool->volumes)
        return false;
    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((const Volume *)value)->is_being_made)
            return true;
    }
    return false;
}

void block_sum(PoolScan *scan)
{
    for (unsigned i = 0; i < scan->volumes->len; i++)
        scan->capacity_bytes += ((const Volume *)g_ptr_array_index(scan->volumes, i))->def->capacity.value;
    scan->allocation_bytes = scan->capacity_bytes;
    scan->available_bytes = 0;
}

bool block_look_at_volume(Pool *pool, Volume *volume, Error **err)
{
    g_autoptr(GPtrArray) found = block_found_new();
    g_autoptr(Volume) kept = volume_ref(volume);
    VolumeDef *def = block_found_add(found, volume->def->name, volume->def->target.path);

    if (!block_look(pool, found, err))
        return false;
    if (!((BlockFound *)found->pdata[0])->is_there)
        return error_set(err, ERROR_NO_STORAGE_VOL, "no storage vol with matching name '%s'",
                         kept->def->name);
    StoragePermissions *old = kept->def->target.permissions;
    kept->def->target.permissions = def->target.permissions;
    def->target.permissions = old;
    return true;
}

/* ---- which device ---- */

bool block_resolve(const Pool *pool, const char *path_now, char **ret_real, Error **err)
{
    g_autofree char *path = g_strdup(path_now), *name = g_strdup(pool->name);
    g_auto(PathLook) look = { 0 };
    g_autoptr(Error) why = NULL;

    if (!path_look(block_lane(pool), path, POOL_DEADLINE_MS, &look, &why))
        return block_blame(name, g_steal_pointer(&why), err);
    if (!look.real)
        return error_set(err, ERROR_INVALID_ARGUMENT, "device path '%s' doesn't exist", path);
    if (!S_ISBLK(look.st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "device path '%s' is not a block device", path);
    *ret_real = g_strdup(look.real);
    return true;
}

bool block_await(const Pool *pool, const char *device, Error **err)
{
    g_autofree char *path = g_strdup(device);
    g_autofree char *real = NULL;

    for (unsigned waited = 0; waited < APPEAR_MS; waited += APPEAR_STEP_MS) {
        g_autoptr(Error) why = NULL;
        if (block_resolve(pool, path, &real, &why))
            return true;
        if (error_code(why) != ERROR_INVALID_ARGUMENT)
            return error_propagate(err, g_steal_pointer(&why));
        if (!fiber_sleep(APPEAR_STEP_MS, err))
            return false;
    }
    return block_resolve(pool, path, &real, err);
}

bool block_check_new(const VolumeDef *def, Error **err)
{
    if (def->target.encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "storage pool does not support encrypted volumes");
    if (!def->capacity.value)
        return error_set(err, ERROR_NOT_SUPPORTED, "volume capacity required for this storage pool");
    return storage_check_argument("volume name", def->name, err);
}

bool block_fill(Pool *pool, const VolumeDef *def, const Volume *from, unsigned flags, Error **err)
{
    g_autofree char *path = g_strdup(from->def->target.path);
    g_autofree char *format = g_strdup(from->def->type == VOLUME_BLOCK ? "raw" : from->def->target.format);
    const ImageInput input = { .path = path,
                               .format = format,
                               .encryption = from->def->target.encryption,
                               .capacity_bytes = from->def->capacity.value };
    const VolumeDef raw = { .type = VOLUME_BLOCK,
                            .name = def->name,
                            .capacity = def->capacity,
                            .target = { .path = def->target.path, .format = (char *)"raw" } };

    return image_make(pool->host, &raw, def->target.path, &input,
                      flags & VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA, err);
}

/* ---- owner ---- */

typedef struct OwnerJob {
    char *path;
    OptU32 owner, group, mode;
    int error;
} OwnerJob;

static void owner_job_free(void *data)
{
    OwnerJob *job = data;

    g_free(job->path);
    g_free(job);
}

static void owner_job_run(void *data)
{
    OwnerJob *job = data;
    AUTO_FD fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 ||
        fchown(fd, job->owner.is_set ? job->owner.value : (uid_t)-1,
               job->group.is_set ? job->group.value : (gid_t)-1) < 0 ||
        fchmod(fd, job->mode.value) < 0)
        job->error = errno;
}

bool block_set_owner(const Pool *pool, const VolumeDef *def, mode_t default_mode, Error **err)
{
    const StoragePermissions *permissions = def->target.permissions;
    OwnerJob *job = g_new0(OwnerJob, 1);

    job->path = g_strdup(def->target.path);
    if (permissions) {
        job->owner = permissions->owner;
        job->group = permissions->group;
        job->mode = permissions->mode;
    }
    if (!job->mode.is_set)
        job->mode = (OptU32){ .value = default_mode, .is_set = true };
    if (!block_run(pool, owner_job_run, job, owner_job_free, err))
        return false;
    const bool ok =
        !job->error || error_set_errno(err, job->error, "cannot set owner or mode of '%s'", job->path);
    owner_job_free(job);
    return ok;
}

/* ---- links ---- */

typedef struct LinksJob {
    char *dir;
    GHashTable *links;
} LinksJob;

static void links_job_free(void *data)
{
    LinksJob *job = data;

    if (job->links)
        g_hash_table_unref(job->links);
    g_free(job->dir);
    g_free(job);
}

static void links_job_run(void *data)
{
    LinksJob *job = data;
    DIR *dir = opendir(job->dir);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) && g_hash_table_size(job->links) < LINKS_MAX) {
        if (entry->d_type != DT_LNK)
            continue;
        g_autofree char *link = g_build_filename(job->dir, entry->d_name, NULL);
        char *device = realpath(link, NULL);
        if (!device || !g_str_has_prefix(device, "/dev/")) {
            free(device);
            continue;
        }
        char **first = g_hash_table_lookup(job->links, device);
        /* Of several the first by name, so that it is the same next time. */
        if (!first || strcmp((const char *)first, link) > 0)
            g_hash_table_insert(job->links, g_strdup(device), g_steal_pointer(&link));
        free(device);
    }
    if (dir)
        closedir(dir);
    else
        g_clear_pointer(&job->links, g_hash_table_unref);
}

bool block_read_links(const Pool *pool, GHashTable **ret_links, Error **err)
{
    LinksJob *job = g_new0(LinksJob, 1);
    const char *target = pool_def(pool)->target_path;

    job->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (target && strcmp(target, "/dev") != 0) {
        job->dir = g_strdup(target);
        if (!block_run(pool, links_job_run, job, links_job_free, err))
            return false;
    }
    *ret_links = g_steal_pointer(&job->links);
    links_job_free(job);
    return true;
}

void block_settle(void)
{
    const char *const argv[] = { "udevadm", "settle", "--timeout=20", NULL };

    if (!storage_run(argv, "udev", SETTLE_MS, NULL, NULL))
        return; /* where there is no udev, nobody makes links either */
}

/* ---- writing ---- */

typedef struct WriteJob {
    char *path, *text;
    size_t clear_bytes; /* instead of text: as many zeroes */
    int error;
} WriteJob;

static void write_job_free(void *data)
{
    WriteJob *job = data;

    g_free(job->path);
    g_free(job->text);
    g_free(job);
}

static void write_job_run(void *data)
{
    WriteJob *job = data;
    const size_t len = job->text ? strlen(job->text) : job->clear_bytes;
    g_autofree char *zeroes = job->text ? NULL : g_malloc0(len);
    /* O_EXCL: of a device that nobody has mounted or built upon. */
    AUTO_FD fd = open(job->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (job->text ? 0 : O_EXCL));

    if (fd < 0 || write(fd, job->text ? job->text : zeroes, len) < 0)
        job->error = errno;
    else if (!job->text && fsync(fd) < 0)
        job->error = errno;
}

bool block_write_sysfs(const char *path, const char *text, uint64_t timeout_ms, Error **err)
{
    WriteJob *job = g_new0(WriteJob, 1);

    job->path = g_strdup(path);
    job->text = g_strdup(text);
    if (!worker_run(worker_lane_named("devices"), write_job_run, job, write_job_free, timeout_ms, err))
        return error_prefix(err, "waiting for %s", path);
    const bool ok =
        !job->error || error_set_errno(err, job->error, "Write of '%s' to '%s' failed", job->text, job->path);
    write_job_free(job);
    return ok;
}

bool block_clear_start(const Pool *pool, const char *path, Error **err)
{
    WriteJob *job = g_new0(WriteJob, 1);

    job->path = g_strdup(path);
    job->clear_bytes = CLEAR_BYTES;
    if (!block_run(pool, write_job_run, job, write_job_free, err))
        return false;
    const bool ok = !job->error || error_set_errno(err, job->error, "cannot clear '%s'", job->path);
    write_job_free(job);
    return ok;
}

/* ---- what lies on a device ---- */

/* What blkid calls what documents call otherwise. */
static const char *blkid_name(const char *format)
{
    return strcmp(format, "hfs+") == 0 ? "hfsplus" : format;
}

/* @table_only: what blkid calls PTTYPE. */
AWAITS static bool probe(const char *path, bool table_only, char **ret_what, Error **err)
{
    const char *const argv[] = { "blkid", "-p", "-o", "export", path, NULL };
    g_autofree char *out = NULL;
    char *what = NULL;
    int status = 0;

    g_auto(Tool) tool = tool_of(argv, "util-linux", POOL_DEADLINE_MS);
    tool.max_status = TOOL_ANY_STATUS;
    if (!tool_run_status(&tool, &status, &out, err))
        return false;
    if (status != 0 && status != 2) /* 2: nothing that it knows */
        return error_set(err, ERROR_PROBE_FAILED,
                         status == 8 ? "several things at once lie on device '%s'"
                                     : "Failed to create filesystem probe for device %s",
                         path);
    g_auto(GStrv) lines = g_strsplit(status == 0 ? out : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        if ((g_str_has_prefix(*line, "TYPE=") && !table_only) ||
            (g_str_has_prefix(*line, "PTTYPE=") && !what)) {
            g_free(what);
            what = g_strdup(strchr(*line, '=') + 1);
        }
    }
    *ret_what = what;
    return true;
}

bool block_probe(const char *path, char **ret_what, Error **err)
{
    return probe(path, false, ret_what, err);
}

bool block_probe_table(const char *path, char **ret_what, Error **err)
{
    return probe(path, true, ret_what, err);
}

bool block_require_empty(const char *path, const char *format, Error **err)
{
    g_autofree char *what = NULL;

    if (!block_probe(path, &what, err))
        return false;
    if (!what)
        return true;
    if (strcmp(what, blkid_name(format)) == 0)
        return error_set(err, ERROR_POOL_BUILT, "Device '%s' already formatted using '%s'", path, format);
    return error_set(err, ERROR_POOL_BUILT,
                     "Format of device '%s' does not match the expected format '%s', forced overwrite is "
                     "necessary",
                     path, format);
}

bool block_prepare(const Pool *pool, const char *path, const char *format, bool overwrite, Error **err)
{
    g_autofree char *real = NULL;
    g_autoptr(Error) why = NULL;

    if (!storage_check_argument("device path", path, err))
        return false;
    if (!block_resolve(pool, path, &real, &why)) {
        if (error_code(why) == ERROR_INVALID_ARGUMENT && !overwrite)
            return error_set(err, ERROR_PROBE_FAILED, "Failed to create filesystem probe for device %s",
                             path);
        return error_propagate(err, g_steal_pointer(&why));
    }
    return overwrite ? block_clear_start(pool, path, err) : block_require_empty(path, format, err);
}
