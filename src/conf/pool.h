/* The document of a storage pool: where volumes come from and where they appear. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/xml_table.h"

typedef enum PoolType {
    POOL_TYPE_DIR,
    POOL_TYPE_FS,
    POOL_TYPE_NETFS,
    POOL_TYPE_LOGICAL,
    POOL_TYPE_DISK,
    POOL_TYPE_ISCSI,
    POOL_TYPE_ISCSI_DIRECT,
    POOL_TYPE_SCSI,
    POOL_TYPE_MPATH,
    POOL_TYPE_RBD,
    POOL_TYPE_SHEEPDOG,
    POOL_TYPE_GLUSTER,
    POOL_TYPE_ZFS,
    POOL_TYPE_VSTORAGE,
    POOL_TYPE_COUNT
} PoolType;
extern const EnumNames pool_type_names;

/* What PoolDef.format counts, by type; its own numbers for each. */
extern const EnumNames pool_fs_format_names;      /* fs */
extern const EnumNames pool_netfs_format_names;   /* netfs */
extern const EnumNames pool_disk_format_names;    /* disk */
extern const EnumNames pool_logical_format_names; /* logical */

typedef enum PoolAdapterType {
    POOL_ADAPTER_SCSI_HOST,
    POOL_ADAPTER_FC_HOST,
    POOL_ADAPTER_COUNT
} PoolAdapterType;

/* How what is used of a volume is found. */
typedef enum PoolRefresh {
    POOL_REFRESH_ABSENT,
    POOL_REFRESH_DEFAULT,
    POOL_REFRESH_CAPACITY,
    POOL_REFRESH_COUNT
} ENUM8 PoolRefresh;

typedef struct StoragePermissions { /* shared with volumes */
    OptU32 mode;                    /* 0..07777 */
    OptU32 owner, group;            /* absent: the daemon's own */
    char *label;
} StoragePermissions;
extern const XmlTable storage_permissions_table;

typedef struct PoolHost {
    char *name;
    uint32_t port; /* 0: the protocol's */
} PoolHost;

typedef struct PoolExtent { /* bytes; the end is not part of it */
    uint64_t start_bytes, end_bytes;
} PoolExtent;

typedef struct PoolDevice {
    char *path; /* or an IQN */
    Tristate part_separator;
    GPtrArray *free_extents; /* PoolExtent; of a running pool */
} PoolDevice;

typedef struct PoolAdapter {
    uint8_t type; /* PoolAdapterType */
    char *name;   /* scsi_host */
    char *parent, *parent_wwnn, *parent_wwpn, *parent_fabric_wwn;
    Tristate managed;
    char *wwnn, *wwpn; /* fc_host */
    OptU32 unique_id;  /* scsi_host: with the address, instead of a name */
    uint32_t domain, bus, slot, function;
    bool has_address;
} PoolAdapter;

typedef struct PoolAuth {
    uint8_t type; /* 0: chap, 1: ceph */
    char *username;
    Uuid secret_uuid; /* this one or ... */
    char *secret_usage;
} PoolAuth;

typedef struct PoolOption {
    char *name, *value; /* value: rbd only */
} PoolOption;

typedef struct PoolDef {
    uint8_t type;                                               /* PoolType */
    char *name;                                                 /* pool_def_parse() always sets it */
    Uuid uuid;                                                  /* null: to be made up */
    uint64_t capacity_bytes, allocation_bytes, available_bytes; /* of a running pool */
    Tristate cow;
    /* <source> */
    GPtrArray *hosts;   /* PoolHost */
    GPtrArray *devices; /* PoolDevice */
    char *source_dir;
    PoolAdapter *adapter;
    char *source_name; /* volume group, RBD pool, ... */
    char *initiator;   /* IQN */
    PoolAuth *auth;
    uint8_t format;
    char *protocol_version; /* netfs */
    char *vendor, *product;
    /* <target> */
    char *target_path;
    StoragePermissions *permissions; /* NULL: none given */
    PoolRefresh refresh_allocation;  /* acts on rbd */
    GPtrArray *mount_options;        /* PoolOption; fs, netfs */
    GPtrArray *config_options;       /* PoolOption; rbd */
} PoolDef;
extern const XmlTable pool_table;

/* Reads a pool document, fills in what follows from the rest (name, path of a volume group), and checks that
 * what its type needs is there.
 *
 * @flags  XML_READ_INACTIVE: drop sizes; XML_READ_STRICT
 *
 * ERROR_XML_SYNTAX, ERROR_XML_INVALID, ERROR_XML_SCHEMA, ERROR_OVERFLOW as xml_table_read()
 * ERROR_CONFIG_UNSUPPORTED  unknown format of the source */
AWAITS MUST_CHECK bool pool_def_parse(const char *xml, size_t len, unsigned flags, PoolDef **ret_def,
                                      Error **err);
/* @path without "//" and a slash at the end, as text: what lies there may be elsewhere tomorrow. Owned. */
char *pool_clean_path(const char *path);
/* Owned text. @flags: XML_FORMAT_* */
char *pool_def_format(const PoolDef *def, unsigned flags);
void pool_def_free(PoolDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PoolDef, pool_def_free)
