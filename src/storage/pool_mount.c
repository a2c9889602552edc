/* Pools that are mounted: fs (a device of this host) and netfs (a folder of a server).
 *
 * What is mounted is read from the kernel's list, as text: it answers also when the storage does not. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "storage/folder.h"
#include "storage/path_look.h"
#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

/* mount.nfs tries for two minutes to reach a server that refuses; its own words are the best. */
#define MOUNT_MS 150000
#define UMOUNT_MS 60000
#define MKFS_MS 600000
#define SHOWMOUNT_MS 60000

enum { NETFS_AUTO, NETFS_NFS, NETFS_GLUSTERFS, NETFS_CIFS };

static const char *mount_format(const PoolDef *def)
{
    return enum_name(def->type == POOL_TYPE_FS ? &pool_fs_format_names : &pool_netfs_format_names,
                     def->format);
}

/* What mount is told to mount; owned. */
static char *mount_source(const PoolDef *def)
{
    if (def->type == POOL_TYPE_FS)
        return g_strdup(((const PoolDevice *)g_ptr_array_index(def->devices, 0))->path);
    const char *host = ((const PoolHost *)g_ptr_array_index(def->hosts, 0))->name;
    if (def->format == NETFS_CIFS)
        return g_strdup_printf("//%s%s%s", host, def->source_dir[0] == '/' ? "" : "/", def->source_dir);
    /* An address of IPv6 has colons of its own. */
    return g_strdup_printf(strchr(host, ':') && host[0] != '[' ? "[%s]:%s" : "%s:%s", host, def->source_dir);
}

/* ---- is it mounted? ---- */

/* The number of the device @path, however it is called; 0 if it is none. */
AWAITS static bool device_number(const char *path, dev_t *ret_device, Error **err)
{
    g_auto(PathLook) look = { 0 };

    if (!path_look(NULL, path, POOL_DEADLINE_MS, &look, err))
        return error_prefix(err, "cannot access '%s'", path);
    *ret_device = look.real && S_ISBLK(look.st.st_mode) ? look.st.st_rdev : 0;
    return true;
}

/* A line of mountinfo: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS". */
static bool line_is(const char *line, const char *target, const char *source, dev_t device)
{
    g_auto(GStrv) fields = g_strsplit(line, " ", -1);
    const unsigned count = g_strv_length(fields);
    unsigned dash = 6, major = 0, minor = 0;

    while (dash < count && strcmp(fields[dash], "-") != 0)
        dash++;
    if (dash + 2 >= count)
        return false;
    g_autofree char *point = g_strcompress(fields[4]); /* blanks stand there as \040 */
    g_autofree char *from = g_strcompress(fields[dash + 2]);
    if (strcmp(point, target) != 0)
        return false;
    if (!source || strcmp(from, source) == 0)
        return true;
    return device && sscanf(fields[2], "%u:%u", &major, &minor) == 2 && makedev(major, minor) == device;
}

bool mount_is_there(const char *target, const char *source, dev_t device)
{
    g_autofree char *table = file_read_kernel("/proc/self/mountinfo");
    g_auto(GStrv) lines = g_strsplit(table ? table : "", "\n", -1);
    bool is_there = false;

    for (char **line = lines; *line && !is_there; line++)
        is_there = line_is(*line, target, source, device);
    return is_there;
}

AWAITS static bool mount_is_active(Pool *pool, bool *ret_active, Error **err)
{
    const PoolDef *def = pool_def(pool);
    g_autofree char *target = g_strdup(def->target_path);
    g_autofree char *source = mount_source(def);
    dev_t device = 0;

    if (def->type == POOL_TYPE_FS && !device_number(source, &device, err))
        return false;
    *ret_active = mount_is_there(target, source, device);
    return true;
}

/* ---- mounting ---- */

static char *mount_options(const PoolDef *def)
{
    GString *options = g_string_new("nodev,nosuid,noexec");

    if (def->type == POOL_TYPE_NETFS && def->format == NETFS_GLUSTERFS)
        g_string_append(options, ",direct-io-mode=1");
    /* Locks are mandatory there: what QEMU locks in an image it could not write either. */
    if (def->type == POOL_TYPE_NETFS && def->format == NETFS_CIFS)
        g_string_append(options, ",guest,nobrl");
    if (def->type == POOL_TYPE_NETFS && def->protocol_version)
        g_string_append_printf(options, ",nfsvers=%s", def->protocol_version);
    for (unsigned i = 0; def->mount_options && i < def->mount_options->len; i++)
        g_string_append_printf(options, ",%s",
                               ((const PoolOption *)g_ptr_array_index(def->mount_options, i))->name);
    return g_string_free(options, FALSE);
}

static const char *mount_package(const PoolDef *def)
{
    if (def->type == POOL_TYPE_FS)
        return "mount";
    switch (def->format) {
    case NETFS_GLUSTERFS:
        return "glusterfs-client";
    case NETFS_CIFS:
        return "cifs-utils";
    default:
        return "nfs-common";
    }
}

/* What would become another option of mount. */
static bool mount_check_def(const PoolDef *def, Error **err)
{
    if (def->protocol_version && strchr(def->protocol_version, ','))
        return error_set(err, ERROR_XML_INVALID, "storage pool protocol ver '%s' must not contain ','",
                         def->protocol_version);
    return true;
}

static bool mount_check(const PoolDef *def, Error **err)
{
    g_autofree char *source = mount_source(def);

    return storage_check_argument("source", source, err) &&
           storage_check_argument("target path", def->target_path, err);
}

AWAITS static bool mount_start(Pool *pool, Error **err)
{
    const PoolDef *def = pool_def(pool);
    g_autofree char *source = mount_source(def);
    g_autofree char *options = mount_options(def);
    g_autofree char *target = g_strdup(def->target_path);
    g_autofree char *format = g_strdup(mount_format(def));
    /* mount finds out for itself what a server has. */
    const bool has_type = def->type == POOL_TYPE_FS || def->format != NETFS_AUTO;
    const char *const argv[] = { "/bin/mount",
                                 "-o",
                                 options,
                                 has_type ? "-t" : source,
                                 has_type ? format : target,
                                 has_type ? source : NULL,
                                 target,
                                 NULL };
    const char *package = mount_package(def);

    if (!mount_check(def, err))
        return false;
    if (storage_run(argv, "mount", MOUNT_MS, NULL, err))
        return true;
    if (def->type == POOL_TYPE_NETFS && err && *err && strstr(error_message(*err), "helper program"))
        error_hint(err, "install the package '%s'", package);
    return false;
}

AWAITS static bool mount_stop(Pool *pool, Error **err)
{
    g_autofree char *target = g_strdup(pool_def(pool)->target_path);
    bool is_mounted = false;

    if (!mount_is_active(pool, &is_mounted, err))
        return false;
    if (!is_mounted ||
        storage_run((const char *const[]){ "/bin/umount", target, NULL }, "mount", UMOUNT_MS, NULL, err))
        return true;
    if (err && *err && error_code(*err) == ERROR_TIMEOUT)
        error_hint(err, "the storage does not answer; 'umount -l %s' takes it out", target);
    return false;
}

/* ---- making a file system ---- */

typedef struct MkfsOption {
    const char *format, *force; /* what keeps it from asking */
} MkfsOption;
static const MkfsOption mkfs_options[] = {
    { "ext2", "-F" }, { "ext3", "-F" }, { "ext4", "-F" }, { "vfat", "-I" }, { "xfs", "-f" },
};

AWAITS static bool fs_format(const char *device, const char *format, Error **err)
{
    const char *force = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(mkfs_options); i++)
        force = strcmp(format, mkfs_options[i].format) == 0 ? mkfs_options[i].force : force;
    const char *const argv[] = { "/sbin/mkfs",          "-t", format, force ? force : device,
                                 force ? device : NULL, NULL };
    return storage_run(argv, "util-linux", MKFS_MS, NULL, err);
}

AWAITS static bool fs_build(Pool *pool, unsigned flags, Error **err)
{
    g_autofree char *device = mount_source(pool_def(pool));
    g_autofree char *format = g_strdup(mount_format(pool_def(pool)));
    dev_t number = 0;

    if (!folder_build(pool, 0, err))
        return false;
    if (!(flags & (VIR_STORAGE_POOL_BUILD_OVERWRITE | VIR_STORAGE_POOL_BUILD_NO_OVERWRITE)))
        return true;
    if (!mount_check(pool_def(pool), err) || !device_number(device, &number, err))
        return false;
    if (!number)
        return error_set(err, ERROR_INVALID_STATE, "Source device does not exist when formatting pool '%s'",
                         pool->name);
    if ((flags & VIR_STORAGE_POOL_BUILD_NO_OVERWRITE) && !block_require_empty(device, format, err))
        return false;
    return fs_format(device, format, err);
}

AWAITS static bool netfs_build(Pool *pool, unsigned flags, Error **err)
{
    if (!check_flags(flags, 0, "virStoragePoolBuild", err))
        return false;
    return folder_build(pool, 0, err);
}

/* ---- what servers have ---- */

static void add_source(GString *xml, const char *host, const char *dir, const char *format)
{
    g_autofree char *item = g_markup_printf_escaped("  <source>\n    <host name='%s'/>\n    <dir "
                                                    "path='%s'/>\n    <format type='%s'/>\n  </source>\n",
                                                    host, dir, format);
    g_string_append(xml, item);
}

/* A line of showmount: "/srv/pool  192.168.0.0/24". */
static void add_exports(GString *xml, const char *host, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit_set(*line, " \t", 2);
        if (words[0] && words[0][0] == '/')
            add_source(xml, host, words[0], "nfs");
    }
}

AWAITS static bool netfs_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autofree char *out = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Error) why = NULL;
    const gsize before = xml->len;

    if (!spec || !spec->hosts)
        return error_set(err, ERROR_INVALID_ARGUMENT, "hostname must be specified for netfs sources");
    if (spec->hosts->len != 1)
        return error_set(err, ERROR_INTERNAL, "Expected exactly 1 host for the storage pool");
    const char *server = ((const PoolHost *)g_ptr_array_index(spec->hosts, 0))->name;
    if (!storage_check_argument("host name", server, err))
        return false;
    if (storage_run((const char *const[]){ "showmount", "--no-headers", "--exports", server, NULL },
                    "nfs-common", SHOWMOUNT_MS, &out, &why))
        add_exports(xml, server, out);
    /* A server may have one or the other. */
    if (storage_has_program("gluster") && !gluster_list_volumes(server, names, NULL))
        g_ptr_array_set_size(names, 0);
    for (guint i = 0; i < names->len; i++)
        add_source(xml, server, names->pdata[i], "glusterfs");
    if (xml->len > before)
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "no storage pools were found on host '%s'", server);
    return why ? error_hint(err, "%s", error_message(why)) : false;
}

#define FOLDER_VOLUMES                                                                                       \
    .is_folder = true, .check_def = mount_check_def, .remove = folder_remove, .scan = folder_scan,           \
    .plan_volume = folder_plan_volume, .make_volume = folder_make_volume,                                    \
    .remove_volume = folder_remove_volume, .resize_volume = folder_resize_volume,                            \
    .look_at_volume = folder_look_at_volume, .is_active = mount_is_active, .start = mount_start,             \
    .stop = mount_stop

const PoolBackend fs_backend = { FOLDER_VOLUMES, .build = fs_build };
const PoolBackend netfs_backend = { FOLDER_VOLUMES, .build = netfs_build,
                                    .find_sources = netfs_find_sources };
