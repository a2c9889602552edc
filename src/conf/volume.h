/* The document of a storage volume: what is asked for when one is made, and what a pool says about it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/pool.h"

typedef enum VolumeType { /* numbers of virStorageVolType */
                          VOLUME_FILE,
                          VOLUME_BLOCK,
                          VOLUME_DIR,
                          VOLUME_NETWORK,
                          VOLUME_NETDIR,
                          VOLUME_PLOOP,
                          VOLUME_TYPE_COUNT
} VolumeType;
extern const EnumNames volume_type_names;

typedef struct VolumeTimes { /* "SECONDS[.NANOSECONDS]" since 1970; NULL: not said */
    char *atime, *mtime, *ctime, *btime;
} VolumeTimes;

typedef struct VolumeFeatures {
    bool lazy_refcounts, extended_l2;
} VolumeFeatures;

typedef struct VolumeSecret {
    uint8_t type; /* 0: passphrase */
    Uuid uuid;    /* this one or ... */
    char *usage;
} VolumeSecret;

typedef enum VolumeEncryptionFormat {
    VOLUME_ENCRYPTION_DEFAULT,
    VOLUME_ENCRYPTION_QCOW,
    VOLUME_ENCRYPTION_LUKS,
    VOLUME_ENCRYPTION_LUKS2,
    VOLUME_ENCRYPTION_COUNT
} VolumeEncryptionFormat;

typedef enum VolumeEncryptionEngine {
    VOLUME_ENGINE_ABSENT,
    VOLUME_ENGINE_QEMU,
    VOLUME_ENGINE_LIBRBD,
    VOLUME_ENGINE_COUNT
} VolumeEncryptionEngine;

typedef struct VolumeEncryption {
    uint8_t format;     /* VolumeEncryptionFormat */
    uint8_t engine;     /* VolumeEncryptionEngine */
    GPtrArray *secrets; /* VolumeSecret */
    char *cipher, *cipher_mode, *cipher_hash;
    uint32_t cipher_bits;
    char *ivgen, *ivgen_hash;
} VolumeEncryption;
extern const XmlTable volume_encryption_table;

typedef struct VolumeTarget { /* of the volume, or of what it is based on */
    char *path;
    char *format; /* by name: which there are, the pool knows */
    StoragePermissions *permissions;
    VolumeTimes *times;
    VolumeEncryption *encryption;
    char *compat; /* "1.1" */
    bool nocow;
    uint64_t cluster_bytes;   /* 0: not said */
    VolumeFeatures *features; /* NULL: not said */
} VolumeTarget;

typedef struct VolumeExtent {
    uint64_t start_bytes, end_bytes;
} VolumeExtent;

typedef struct VolumeDevice { /* where a volume of disk and logical pools lies */
    char *path;
    GPtrArray *extents; /* VolumeExtent */
} VolumeDevice;

typedef struct VolumeDef {
    uint8_t type; /* VolumeType */
    char *name;
    char *key;          /* what the pool calls it for ever; ignored when a volume is made */
    GPtrArray *devices; /* VolumeDevice */
    OptU64 capacity;    /* bytes */
    OptU64 allocation;  /* bytes; absent when a volume is made: all of it */
    OptU64 physical;    /* bytes */
    VolumeTarget target;
    VolumeTarget *backing; /* NULL: none */
    char *data_path;       /* the file that has its data; NULL: it has them itself. Not in the document */
} VolumeDef;
extern const XmlTable volume_table;

typedef enum VolumeParseFlags {
    VOLUME_PARSE_STRICT = 1 << 0,      /* what no row describes is ERROR_XML_SCHEMA */
    VOLUME_PARSE_NO_CAPACITY = 1 << 1, /* it may be missing: the one of another volume is meant */
} VolumeParseFlags;

/* Reads a volume document. The name is there and has no '/'; a backing store without a path is dropped.
 *
 * ERROR_XML_SYNTAX, ERROR_XML_INVALID, ERROR_XML_SCHEMA, ERROR_OVERFLOW as xml_table_read()
 * ERROR_INVALID_STATE       a name with '/'
 * ERROR_CONFIG_UNSUPPORTED  unknown type, encryption or feature */
AWAITS MUST_CHECK bool volume_def_parse(const char *xml, size_t len, VolumeParseFlags flags,
                                        VolumeDef **ret_def, Error **err);
/* Owned text. */
char *volume_def_format(const VolumeDef *def);
void volume_def_free(VolumeDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeDef, volume_def_free)
