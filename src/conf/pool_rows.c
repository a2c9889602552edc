/* Rows of the storage pool document. What a row means depends on the type of the pool, so the source is no
 * struct of its own: its rows look at PoolDef.type. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "conf/pool.h"
#include "conf/xml_internal.h"

static const char *const type_texts[] = { "dir",      "fs",           "netfs", "logical", "disk",
                                          "iscsi",    "iscsi-direct", "scsi",  "mpath",   "rbd",
                                          "sheepdog", "gluster",      "zfs",   "vstorage" };
const EnumNames pool_type_names = { "storage pool type", POOL_TYPE_COUNT, type_texts };

static const char *const fs_texts[] = { "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf",
                                        "gfs",  "gfs2", "vfat", "hfs+", "xfs", "ocfs2",   "vmfs" };
const EnumNames pool_fs_format_names = { "pool format", G_N_ELEMENTS(fs_texts), fs_texts };
static const char *const netfs_texts[] = { "auto", "nfs", "glusterfs", "cifs" };
const EnumNames pool_netfs_format_names = { "pool format", G_N_ELEMENTS(netfs_texts), netfs_texts };
static const char *const disk_texts[] = {
    "unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"
};
const EnumNames pool_disk_format_names = { "pool format", G_N_ELEMENTS(disk_texts), disk_texts };
static const char *const logical_texts[] = { "unknown", "lvm2" };
const EnumNames pool_logical_format_names = { "pool format", G_N_ELEMENTS(logical_texts), logical_texts };

static const char *const adapter_texts[] = { "scsi_host", "fc_host" };
static const EnumNames adapter_names = { "adapter type", POOL_ADAPTER_COUNT, adapter_texts };
static const char *const refresh_texts[] = { NULL, "default", "capacity" };
static const EnumNames refresh_names = { "storage pool volume refresh allocation type", POOL_REFRESH_COUNT,
                                         refresh_texts };
static const char *const auth_texts[] = { "chap", "ceph" };
static const EnumNames auth_names = { "authentication type", G_N_ELEMENTS(auth_texts), auth_texts };

#define TYPES(mask) ONLY(PoolDef, type, mask)

/* ---- permissions ---- */

static bool read_mode(const char *text, void *base, Error **err)
{
    char *end = NULL;
    const guint64 mode = g_ascii_strtoull(text, &end, 8);

    if (!g_ascii_isdigit(*text) || *end || mode > 0777)
        return error_set(err, ERROR_XML_INVALID, "malformed octal mode '%s'", text);
    ((StoragePermissions *)base)->mode = (OptU32){ .value = (uint32_t)mode, .is_set = true };
    return true;
}

static bool write_mode(const void *base, unsigned flags, GString *out)
{
    const StoragePermissions *permissions = base;

    if (permissions->mode.is_set)
        g_string_append_printf(out, "0%o", permissions->mode.value);
    return permissions->mode.is_set;
}
static const XmlCodec mode_codec = { read_mode, write_mode, "[0-7]+" };

/* -1, also as its bits, leaves it to the daemon, like absence. */
static bool read_id(const char *text, const char *what, OptU32 *ret_id, Error **err)
{
    uint64_t id;

    if (strcmp(text, "-1") == 0)
        return true;
    if (!parse_uint(text, &id, NULL) || id > UINT32_MAX)
        return error_set(err, ERROR_XML_INVALID, "malformed %s element '%s'", what, text);
    *ret_id = (OptU32){ .value = (uint32_t)id, .is_set = id != UINT32_MAX };
    return true;
}

static bool write_id(const OptU32 *id, GString *out)
{
    if (id->is_set)
        g_string_append_printf(out, "%u", id->value);
    return id->is_set;
}

static bool read_owner(const char *text, void *base, Error **err)
{
    return read_id(text, "owner", &((StoragePermissions *)base)->owner, err);
}
static bool write_owner(const void *base, unsigned flags, GString *out)
{
    return write_id(&((const StoragePermissions *)base)->owner, out);
}
static bool read_group(const char *text, void *base, Error **err)
{
    return read_id(text, "group", &((StoragePermissions *)base)->group, err);
}
static bool write_group(const void *base, unsigned flags, GString *out)
{
    return write_id(&((const StoragePermissions *)base)->group, out);
}
static const XmlCodec owner_codec = { read_owner, write_owner, "-1|[0-9]+" };
static const XmlCodec group_codec = { read_group, write_group, "-1|[0-9]+" };

const XmlTable storage_permissions_table =
    TABLE(StoragePermissions, "storage-permissions",
          ROWS(CODEC_CHILD("mode", &mode_codec, .doc = "permission bits, octal"),
               CODEC_CHILD("owner", &owner_codec, .doc = "number of the user; -1: the daemon's own"),
               CODEC_CHILD("group", &group_codec, .doc = "number of the group; -1: the daemon's own"),
               CHILD("label", StoragePermissions, label, .doc = "security label")),
          .doc = "Who may use it.");

/* ---- parts of the source ---- */

static const XmlTable host_table =
    TABLE(PoolHost, "pool-host",
          ROWS(ATTR("name", PoolHost, name, .flags = ROW_REQUIRED, .doc = "host name or address"),
               ATTR("port", PoolHost, port, .max = 65535, .doc = "port; the protocol's own by default")),
          .doc = "A server that has the storage.");

static const XmlTable extent_table =
    TABLE(PoolExtent, "pool-extent",
          ROWS(ATTR("start", PoolExtent, start_bytes, .max = INT64_MAX, .flags = ROW_ALWAYS, .doc = "bytes"),
               ATTR("end", PoolExtent, end_bytes, .max = INT64_MAX, .flags = ROW_ALWAYS, .doc = "bytes")),
          .doc = "A part of a disk that is free.");

static const XmlTable device_table =
    TABLE(PoolDevice, "pool-device",
          ROWS(ATTR("path", PoolDevice, path, .flags = ROW_REQUIRED,
                    .doc = "path, or name of an iSCSI target"),
               ATTR("part_separator", PoolDevice, part_separator, .names = &tristate_yes_no_names,
                    .doc = "disk pools: a 'p' between device and number of the partition"),
               LIST("freeExtent", PoolDevice, free_extents, &extent_table, .flags = ROW_LIVE,
                    .doc = "what is free")),
          .doc = "A device that the pool consists of.");

#define FC_HOST ONLY(PoolAdapter, type, BIT(POOL_ADAPTER_FC_HOST))
#define SCSI_HOST ONLY(PoolAdapter, type, BIT(POOL_ADAPTER_SCSI_HOST))
static const XmlTable adapter_table =
    TABLE(PoolAdapter, "pool-adapter",
          ROWS(ATTR("type", PoolAdapter, type, .names = &adapter_names, .flags = ROW_ALWAYS,
                    .doc = "kind of adapter"),
               ATTR("name", PoolAdapter, name, SCSI_HOST, .doc = "its name: scsi_hostN"),
               ATTR("parent", PoolAdapter, parent, FC_HOST,
                    .doc = "the adapter that a virtual one is made on"),
               ATTR("parent_wwnn", PoolAdapter, parent_wwnn, FC_HOST, .doc = "the same by its node name ..."),
               ATTR("parent_wwpn", PoolAdapter, parent_wwpn, FC_HOST, .doc = "... and port name"),
               ATTR("parent_fabric_wwn", PoolAdapter, parent_fabric_wwn, FC_HOST,
                    .doc = "the same by its fabric"),
               ATTR("managed", PoolAdapter, managed, FC_HOST, .names = &tristate_yes_no_names,
                    .doc = "remove the virtual adapter when the pool stops"),
               ATTR("wwnn", PoolAdapter, wwnn, FC_HOST, .doc = "node name of the virtual adapter"),
               ATTR("wwpn", PoolAdapter, wwpn, FC_HOST, .doc = "port name of the virtual adapter"),
               GROUP_FLAG("parentaddr", PoolAdapter, has_address,
                          ROWS(ATTR("unique_id", PoolAdapter, unique_id, .max = UINT32_MAX,
                                    .doc = "which of the adapters at the address"),
                               GROUP("address",
                                     ROWS(ATTR("domain", PoolAdapter, domain, .max = 0xffff,
                                               .flags = ROW_HEX | ROW_ANY_BASE | ROW_ALWAYS, .width = 4,
                                               .doc = "PCI domain"),
                                          ATTR("bus", PoolAdapter, bus, .max = 0xff,
                                               .flags = ROW_HEX | ROW_ANY_BASE | ROW_ALWAYS, .width = 2,
                                               .doc = "PCI bus"),
                                          ATTR("slot", PoolAdapter, slot, .max = 0x1f,
                                               .flags = ROW_HEX | ROW_ANY_BASE | ROW_ALWAYS, .width = 2,
                                               .doc = "PCI slot"),
                                          ATTR("function", PoolAdapter, function, .max = 7,
                                               .flags = ROW_HEX | ROW_ANY_BASE | ROW_ALWAYS, .width = 1,
                                               .doc = "PCI function")),
                                     .doc = "PCI address of the adapter")),
                          SCSI_HOST, .doc = "the adapter by its place, where names change")),
          .doc = "The adapter whose disks are the volumes.");

static const XmlTable auth_table =
    TABLE(PoolAuth, "pool-auth",
          ROWS(ATTR("type", PoolAuth, type, .names = &auth_names, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "kind of authentication"),
               ATTR("username", PoolAuth, username, .flags = ROW_REQUIRED, .doc = "who logs in"),
               GROUP("secret",
                     ROWS(ATTR("uuid", PoolAuth, secret_uuid, .doc = "UUID of the secret object"),
                          ATTR("usage", PoolAuth, secret_usage, .doc = "or its usage")),
                     .doc = "the secret that has the password")),
          .doc = "How the pool logs in.");

/* The source of a pool without one is an empty element, but not of all types. */
static const XmlRow source_rows[] = {
    LIST("host", PoolDef, hosts, &host_table, .doc = "servers"),
    LIST("device", PoolDef, devices, &device_table, .doc = "devices"),
    GROUP("dir", ROWS(ATTR("path", PoolDef, source_dir, .doc = "path")), .doc = "the exported folder"),
    OBJECT("adapter", PoolDef, adapter, &adapter_table, .doc = "the adapter"),
    CHILD("name", PoolDef, source_name, .doc = "name of the volume group, pool or volume on the server"),
    GROUP("initiator",
          ROWS(GROUP("iqn", ROWS(ATTR("name", PoolDef, initiator, .doc = "name")), .doc = "its name")),
          .doc = "the iSCSI initiator that the daemon acts as"),
    GROUP("format",
          ROWS(ATTR("type", PoolDef, format, TYPES(BIT(POOL_TYPE_FS)), .names = &pool_fs_format_names,
                    .flags = ROW_ALWAYS, .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "file system"),
               ATTR("type", PoolDef, format, TYPES(BIT(POOL_TYPE_NETFS)), .names = &pool_netfs_format_names,
                    .flags = ROW_ALWAYS, .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "network file system"),
               ATTR("type", PoolDef, format, TYPES(BIT(POOL_TYPE_DISK)), .names = &pool_disk_format_names,
                    .flags = ROW_ALWAYS, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .doc = "kind of partition table"),
               ATTR("type", PoolDef, format, TYPES(BIT(POOL_TYPE_LOGICAL)),
                    .names = &pool_logical_format_names, .flags = ROW_ALWAYS,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "kind of volume group")),
          .doc = "what is on the source"),
    OBJECT("auth", PoolDef, auth, &auth_table, .doc = "authentication"),
    GROUP("protocol", ROWS(ATTR("ver", PoolDef, protocol_version, .doc = "version")), .doc = "NFS"),
    GROUP("vendor", ROWS(ATTR("name", PoolDef, vendor, .doc = "name")), .doc = "who made the device"),
    GROUP("product", ROWS(ATTR("name", PoolDef, product, .doc = "name")), .doc = "the device's name"),
    { 0 },
};

/* ---- options in name spaces of their own ---- */

#define FS_NAMESPACE "http://libvirt.org/schemas/storagepool/fs/1.0"
#define RBD_NAMESPACE "http://libvirt.org/schemas/storagepool/rbd/1.0"
#define FS .ns = FS_NAMESPACE, .prefix = "fs:"
#define RBD .ns = RBD_NAMESPACE, .prefix = "rbd:"

static const XmlTable mount_option_table =
    TABLE(PoolOption, "pool-mount-option",
          ROWS(ATTR("name", PoolOption, name, .flags = ROW_REQUIRED, .doc = "as mount -o takes it"),
               HELD("value", PoolOption, value)),
          .doc = "An option of mount.");
static const XmlTable config_option_table =
    TABLE(PoolOption, "pool-config-option",
          ROWS(ATTR("name", PoolOption, name, .flags = ROW_REQUIRED, .doc = "name"),
               ATTR("value", PoolOption, value, .flags = ROW_REQUIRED, .doc = "value")),
          .doc = "An option of the RBD client.");

static bool never_read(const char *text, void *base, Error **err)
{
    return true;
}
static bool write_fs_namespace(const void *base, unsigned flags, GString *out)
{
    const PoolDef *def = base;

    g_string_append(out, def->mount_options ? FS_NAMESPACE : "");
    return def->mount_options;
}
static bool write_rbd_namespace(const void *base, unsigned flags, GString *out)
{
    const PoolDef *def = base;

    g_string_append(out, def->config_options ? RBD_NAMESPACE : "");
    return def->config_options;
}
static const XmlCodec fs_namespace_codec = { never_read, write_fs_namespace, NULL };
static const XmlCodec rbd_namespace_codec = { never_read, write_rbd_namespace, NULL };

/* ---- the pool ---- */

#define SIZE(text, member, what)                                                                             \
    CHILD(text, PoolDef, member, .unit = XML_UNIT_BYTES, .max = INT64_MAX, .flags = ROW_ALWAYS, .doc = what)

const XmlTable pool_table =
    TABLE(PoolDef, "pool",
          ROWS(ATTR("type", PoolDef, type, .names = &pool_type_names, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .doc = "where the volumes come from"),
               CODEC_ATTR("xmlns:fs", &fs_namespace_codec, .flags = ROW_WRITE_ONLY,
                          .doc = "name space of mount options"),
               CODEC_ATTR("xmlns:rbd", &rbd_namespace_codec, .flags = ROW_WRITE_ONLY,
                          .doc = "name space of RBD options"),
               CHILD("name", PoolDef, name, .doc = "name; of the source if absent"),
               CHILD("uuid", PoolDef, uuid, .doc = "identity; made up if absent"),
               SIZE("capacity", capacity_bytes, "size of the pool"),
               SIZE("allocation", allocation_bytes, "what is used of it"),
               SIZE("available", available_bytes, "what is free"),
               GROUP("features",
                     ROWS(GROUP("cow",
                                ROWS(ATTR("state", PoolDef, cow, .names = &tristate_yes_no_names,
                                          .doc = "yes or no")),
                                .doc = "copy on write of the file system")),
                     .doc = "features"),
               GROUP("source", source_rows, .flags = ROW_EMPTY_OK | ROW_LONG, .doc = "where the storage is"),
               GROUP("target",
                     ROWS(CHILD("path", PoolDef, target_path, .doc = "where volumes appear"),
                          OBJECT("permissions", PoolDef, permissions, &storage_permissions_table,
                                 .doc = "of the folder, when it is made")),
                     .doc = "where the volumes appear"),
               GROUP("refresh",
                     ROWS(GROUP("volume",
                                ROWS(ATTR("allocation", PoolDef, refresh_allocation, .names = &refresh_names,
                                          .bad_code = ERROR_CONFIG_UNSUPPORTED,
                                          .doc = "capacity: do not count what is used (rbd)")),
                                .doc = "volumes")),
                     .doc = "how the pool is refreshed"),
               GROUP("mount_opts",
                     ROWS(
                         LIST("option", PoolDef, mount_options, &mount_option_table, FS, .doc = "an option")),
                     FS, .doc = "options of mount"),
               GROUP("config_opts",
                     ROWS(LIST("option", PoolDef, config_options, &config_option_table, RBD,
                               .doc = "an option")),
                     RBD, .doc = "options of the RBD client")),
          .doc = "A source of volumes.");
