/* What the header of a disk image says: sizes, backing file, encryption, what lies inside.
 *
 * An image is hostile: its guest, its owner or whoever it was downloaded from wrote it. Nothing in it is
 * believed: every place is checked against the size of the file, every number that would cost memory or time
 * against a limit of ours (the message names both), and nothing is followed out of the image: names are
 * returned as they stand there, and it is the caller's business whether to look for them (chain.h).
 *
 * A format is never guessed where the caller knows it: a guest can write the header of any other format into
 * its raw disk. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "conf/domain_enums.h"

/* Formats by the name of QEMU's driver. There are more than documents of machines know. */
typedef enum ImageFormat {
    IMAGE_RAW,
    IMAGE_QCOW,
    IMAGE_QCOW2,
    IMAGE_QED,
    IMAGE_VMDK,
    IMAGE_VDI,
    IMAGE_VPC,
    IMAGE_VHDX,
    IMAGE_PARALLELS,
    IMAGE_LUKS,
    IMAGE_DMG,
    IMAGE_CLOOP,
    IMAGE_BOCHS,
    IMAGE_ISO, /* for QEMU a raw image */
    IMAGE_FORMAT_COUNT
} ImageFormat;
extern const EnumNames image_format_names;

/* false for what is no image file (dir, fat) or what no QEMU reads any more (cow). ABSENT is raw. */
MUST_CHECK bool image_format_from_storage(StorageFormat format, ImageFormat *ret_format);
/* What a document calls it. ABSENT for vhdx; raw for luks: a document has the encryption beside the format.
 */
StorageFormat image_format_to_storage(ImageFormat format);

#define IMAGE_BACKING_NAME_MAX 1023 /* bytes: what qcow2 allows */
#define IMAGE_SNAPSHOTS_MAX 65536
#define IMAGE_BITMAPS_MAX 65535
#define IMAGE_TABLE_MAX (16u << 20)     /* bytes of a table of snapshots or bitmaps */
#define IMAGE_DESCRIPTOR_MAX (1u << 20) /* bytes of the text in a vmdk */
#define IMAGE_EXTENTS_MAX 4096          /* of a vmdk */

/* All names below are bytes as in the image, up to the first NUL: perhaps no UTF-8. */

typedef struct ImageSnapshot {
    char *id, *name;
    int64_t time_s; /* since 1970 */
    uint32_t time_ns;
    uint64_t vm_clock_ns;
    uint64_t vm_state_bytes; /* 0: of the disk only */
    uint64_t disk_bytes;     /* 0: not said */
} ImageSnapshot;

typedef struct ImageBitmap {
    char *name;
    uint64_t granularity_bytes;
    bool is_in_use; /* not saved properly: useless */
    bool is_auto;   /* records while a machine runs */
} ImageBitmap;

typedef struct ImageExtent { /* of a vmdk */
    char *access;            /* RW, RDONLY or NOACCESS */
    char *type;              /* FLAT, SPARSE, ZERO, VMFS, ... */
    char *file;              /* NULL: ZERO */
    uint64_t size_bytes;
    uint64_t offset_bytes; /* into @file */
} ImageExtent;

typedef enum ImageEncryptionKind {
    IMAGE_PLAIN,
    IMAGE_AES, /* the broken one of qcow and old qcow2 */
    IMAGE_LUKS1,
    IMAGE_LUKS2,
    IMAGE_ENCRYPTION_COUNT
} ImageEncryptionKind;

typedef struct ImageEncryption {
    ImageEncryptionKind kind;
    /* LUKS; strings NULL if not said */
    char *cipher;        /* "aes" */
    char *mode;          /* "xts-plain64" */
    char *hash;          /* LUKS1 */
    char *uuid, *label;  /* label: LUKS2 */
    unsigned key_bytes;  /* 0: not said */
    unsigned n_keyslots; /* in use */
    uint64_t payload_offset_bytes;
    uint64_t sector_bytes; /* of the encryption */
} ImageEncryption;

typedef struct ImageInfo {
    ImageFormat format;
    uint64_t file_bytes;    /* length of the file or device */
    uint64_t virtual_bytes; /* what a guest sees */
    uint64_t cluster_bytes; /* unit of allocation; 0: none */
    uint32_t version;       /* of the format; 0: not said. qcow2: 2 (compat 0.10) or 3 (1.1) */

    char *backing; /* NULL: none */
    /* NULL: not said. A name of QEMU's drivers, or whatever stands there. */
    char *backing_format;
    char *data_file; /* qcow2; NULL: none, or not said where (see has_data_file) */
    char *subformat; /* vmdk: createType; vdi, vpc, vhdx: "dynamic", "fixed" or "differencing"; iso: label */

    ImageEncryption encryption;

    /* qcow2 and qed: the bits as they are */
    uint64_t incompatible, compatible, autoclear;
    bool has_unknown_features; /* QEMU 7.2 refuses the image */
    bool is_dirty;             /* not closed properly: wants a check */
    bool is_corrupt;           /* marked so by QEMU */
    bool has_lazy_refcounts, has_extended_l2, has_zstd;
    bool has_data_file, is_data_file_raw;
    bool is_compressed; /* all of it: vmdk streamOptimized, cloop */
    unsigned refcount_bits;

    GPtrArray *snapshots; /* ImageSnapshot; NULL: none */
    GPtrArray *bitmaps;   /* ImageBitmap; NULL: none */
    GPtrArray *extents;   /* vmdk: ImageExtent; NULL: none */
} ImageInfo;

void image_info_clear(ImageInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageInfo, image_info_clear)

/* Reads the header of the image @fd (a file or block device, opened for reading; its offset does not matter),
 * which has the given format. Blocks: call it in a worker. The messages do not name the image: the caller
 * does.
 *
 * ERROR_INVALID_ARGUMENT       this is no image of that format
 * ERROR_OPERATION_UNSUPPORTED  it is, of a version that nobody here knows
 * ERROR_OPERATION_FAILED       it is, but damaged or beyond a limit
 * ERROR_SYSTEM                 the file cannot be read */
MUST_CHECK bool image_read_header(int fd, ImageFormat format, ImageInfo *ret_info, Error **err);

/* What the beginning of the image looks like; IMAGE_RAW if like nothing. Only for callers whom the
 * administrator allowed to probe. Formats known by their end (fixed vpc, dmg) are not found. Blocks. */
MUST_CHECK bool image_detect_format(int fd, ImageFormat *ret_format, Error **err);

/* The same for an image that is not in a file. */
typedef struct ImageReader {
    /* Like pread(): less than @len only at the end; -1 with errno. */
    ssize_t (*read)(void *data, void *buffer, size_t len, uint64_t offset);
    void *data;
    uint64_t size; /* bytes */
} ImageReader;
MUST_CHECK bool image_read_header_from(const ImageReader *reader, ImageFormat format, ImageInfo *ret_info,
                                       Error **err);
MUST_CHECK bool image_detect_format_from(const ImageReader *reader, ImageFormat *ret_format, Error **err);
