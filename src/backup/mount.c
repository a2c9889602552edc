/* FUSE. One thread serves; the kernel keeps what was read. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define FUSE_USE_VERSION 35
#include "backup/mount.h"

#include <errno.h>
#include <fuse3/fuse.h>
#include <string.h>
#include <sys/stat.h>

#define DISK_SUFFIX ".raw"
#define DEFINITION "definition.xml"
#define KEEP_S 3600.0 /* nothing changes */

typedef struct MountedDisk {
    char *name; /* of its file */
    const ManifestDisk *disk;
    MapReader *reader;
} MountedDisk;

typedef struct Mount {
    Repo *repo;
    const Manifest *manifest;
    GPtrArray *disks; /* of MountedDisk */
    ChunkCodec *codec;
    Hash hash; /* of the chunk in data */
    uint8_t *data;
} Mount;

static void mounted_disk_free(void *data)
{
    MountedDisk *mounted = data;

    map_reader_free(mounted->reader);
    g_free(mounted->name);
    g_free(mounted);
}

static MountedDisk *find_disk(const Mount *mount, const char *path)
{
    for (guint i = 0; i < mount->disks->len; i++) {
        MountedDisk *mounted = g_ptr_array_index(mount->disks, i);
        if (strcmp(path + 1, mounted->name) == 0)
            return mounted;
    }
    return NULL;
}

static int mount_getattr(const char *path, struct stat *info, struct fuse_file_info *file)
{
    const Mount *mount = fuse_get_context()->private_data;
    const MountedDisk *mounted = find_disk(mount, path);
    const bool is_definition = strcmp(path, "/" DEFINITION) == 0;

    *info =
        (struct stat){ .st_nlink = 1, .st_mode = S_IFREG | 0400, .st_uid = geteuid(), .st_gid = getegid() };
    info->st_mtime = info->st_ctime = info->st_atime = mount->manifest->created_s;
    if (strcmp(path, "/") == 0) {
        info->st_mode = S_IFDIR | 0500;
        info->st_nlink = 2;
        return 0;
    }
    if (!mounted && !is_definition)
        return -ENOENT;
    info->st_size = (off_t)(mounted ? mounted->disk->map.size : strlen(mount->manifest->definition));
    info->st_blksize = CHUNK_BYTES;
    info->st_blocks = (info->st_size + 511) / 512;
    return 0;
}

static int mount_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                         struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
    const Mount *mount = fuse_get_context()->private_data;

    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    fill(buffer, DEFINITION, NULL, 0, 0);
    for (guint i = 0; i < mount->disks->len; i++)
        fill(buffer, ((MountedDisk *)g_ptr_array_index(mount->disks, i))->name, NULL, 0, 0);
    return 0;
}

static int mount_open(const char *path, struct fuse_file_info *file)
{
    if ((file->flags & O_ACCMODE) != O_RDONLY)
        return -EROFS;
    file->keep_cache = 1;
    return 0;
}

/* The chunk of a disk into mount->data. */
static bool fetch(Mount *mount, MountedDisk *mounted, uint64_t chunk, Error **err)
{
    const Hash *hashes = NULL;
    size_t len = 0;

    if (!map_reader_leaf(mounted->reader, chunk / MAP_FAN, &hashes, err))
        return false;
    const Hash hash = hashes ? hashes[chunk % MAP_FAN] : (Hash){ 0 };
    if (hash_equal(&hash, &mount->hash))
        return true;
    mount->hash = (Hash){ 0 };
    memset(mount->data, 0, CHUNK_BYTES);
    if (hash_is_null(&hash))
        return true;
    if (!repo_read_chunk(mount->repo, mount->codec, &hash, mount->data, &len, err)) {
        memset(mount->data, 0, CHUNK_BYTES);
        return false;
    }
    mount->hash = hash;
    return true;
}

static int mount_read(const char *path, char *buffer, size_t size, off_t at, struct fuse_file_info *file)
{
    Mount *mount = fuse_get_context()->private_data;
    MountedDisk *mounted = find_disk(mount, path);
    const char *text = mount->manifest->definition;
    const uint64_t end = mounted ? mounted->disk->map.size : strlen(text), offset = (uint64_t)at;
    size_t done = 0;

    if (offset >= end)
        return 0;
    size = (size_t)MIN(size, end - offset);
    if (!mounted) {
        memcpy(buffer, text + offset, size);
        return (int)size;
    }
    while (done < size) {
        const uint64_t chunk = (offset + done) / CHUNK_BYTES, skip = (offset + done) % CHUNK_BYTES;
        const size_t n = MIN(size - done, CHUNK_BYTES - skip);
        g_autoptr(Error) err = NULL;
        if (!fetch(mount, mounted, chunk, &err)) {
            g_printerr("%s at %" G_GUINT64_FORMAT ": %s\n", mounted->name, chunk * CHUNK_BYTES,
                       error_message(err));
            return -EIO;
        }
        memcpy(buffer + done, mount->data + skip, n);
        done += n;
    }
    return (int)size;
}

static void *mount_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    config->entry_timeout = config->attr_timeout = config->negative_timeout = KEEP_S;
    return fuse_get_context()->private_data;
}

static const struct fuse_operations operations = { .getattr = mount_getattr,
                                                   .readdir = mount_readdir,
                                                   .open = mount_open,
                                                   .read = mount_read,
                                                   .init = mount_init };

static bool serve(Mount *mount, const char *mountpoint, void (*ready)(void *arg), void *arg, Error **err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

    (void)fuse_opt_add_arg(&args, "lodge");
    (void)fuse_opt_add_arg(&args, "-oro,fsname=lodge-backup,subtype=lodge");
    struct fuse *fuse = fuse_new(&args, &operations, sizeof(operations), mount);
    fuse_opt_free_args(&args);
    if (!fuse)
        return error_set(err, ERROR_OPERATION_FAILED, "cannot set up FUSE");
    if (fuse_mount(fuse, mountpoint) != 0) {
        fuse_destroy(fuse);
        error_set(err, ERROR_OPERATION_FAILED, "cannot mount at '%s'", mountpoint);
        return error_hint(err,
                          "is it an empty folder, is there /dev/fuse, and is the package fuse3 installed?");
    }
    struct fuse_session *session = fuse_get_session(fuse);
    (void)fuse_set_signal_handlers(session);
    ready(arg);
    const int done = fuse_loop(fuse);
    fuse_remove_signal_handlers(session);
    fuse_unmount(fuse);
    fuse_destroy(fuse);
    return done >= 0 || error_set_errno(err, -done, "cannot serve '%s'", mountpoint);
}

bool mount_serve(Repo *repo, const Manifest *manifest, const char *only, const char *mountpoint,
                 void (*ready)(void *arg), void *arg, Error **err)
{
    Mount mount = { .repo = repo, .manifest = manifest };
    bool ok = repo_load(repo, err);

    if (!ok)
        return false;
    mount.disks = g_ptr_array_new_with_free_func(mounted_disk_free);
    mount.codec = chunk_codec_new(0);
    mount.data = g_malloc0(CHUNK_BYTES);
    for (guint i = 0; i < manifest->disks->len; i++) {
        const ManifestDisk *disk = manifest_disk_at(manifest, i);
        if (only && strcmp(only, disk->target) != 0)
            continue;
        MountedDisk *mounted = g_new0(MountedDisk, 1);
        mounted->name = g_strconcat(disk->target, DISK_SUFFIX, NULL);
        mounted->disk = disk;
        mounted->reader = map_reader_new(repo, &disk->map);
        g_ptr_array_add(mount.disks, mounted);
    }
    if (only && !mount.disks->len) {
        ok = error_set(err, ERROR_INVALID_ARGUMENT, "backup '%s' has no disk '%s'", manifest->id, only);
        error_hint(err, "'lodge backup show %s %s' shows its disks", repo_path(repo), manifest->id);
    } else {
        ok = serve(&mount, mountpoint, ready, arg, err);
    }
    g_ptr_array_unref(mount.disks);
    chunk_codec_free(mount.codec);
    g_free(mount.data);
    return ok;
}
