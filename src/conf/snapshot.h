/* The documents of moments of a machine: snapshots, to which it can go back, and checkpoints, since which its
 * disks remember what changed. After "Snapshot XML format" and "Checkpoint XML format" of libvirt-doc, and
 * what libvirtd 9.0.0 makes of such documents. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_xml.h"

typedef enum SnapshotState { /* of the machine; up to PMSUSPENDED numbers of virDomainState */
                             SNAPSHOT_STATE_NONE, /* not said */
                             SNAPSHOT_RUNNING,
                             SNAPSHOT_BLOCKED,
                             SNAPSHOT_PAUSED,
                             SNAPSHOT_SHUTDOWN,
                             SNAPSHOT_SHUTOFF,
                             SNAPSHOT_CRASHED,
                             SNAPSHOT_PMSUSPENDED,
                             SNAPSHOT_DISK_ONLY, /* of its disks while it ran */
                             SNAPSHOT_NOSTATE,
                             SNAPSHOT_STATE_COUNT
} SnapshotState;
extern const EnumNames snapshot_state_names;

typedef struct SnapshotDisk {
    char *name;            /* the disk's target, once aligned */
    DiskSnapshot snapshot; /* DISK_SNAPSHOT_ABSENT: nothing said */
    StorageSource src;     /* external: the image that is written to from then on */
} SnapshotDisk;

/* What a machine that ran is to find again when it goes on. */
typedef struct SnapshotCookie {
    CpuDef *cpu; /* that it had */
    bool slirp_helper;
} SnapshotCookie;

typedef struct SnapshotDef {
    char *name; /* NULL: none given yet */
    char *description;
    uint8_t state;          /* SnapshotState */
    char *parent;           /* name; NULL: it is a root */
    OptS64 created_s;       /* since 1970 */
    DiskSnapshot memory;    /* no, internal, external; default: nothing said */
    char *memory_file;      /* external: absolute path */
    GPtrArray *disks;       /* SnapshotDisk */
    DomainDef *domain;      /* the machine as it was; NULL: not said yet */
    DomainDef *inactive;    /* as it would have started next time; NULL: the same */
    SnapshotCookie *cookie; /* NULL: none */
    uint32_t is_current;    /* 1 or 0; in files of the daemon only */
} SnapshotDef;

typedef enum CheckpointKind {
    CHECKPOINT_DEFAULT,
    CHECKPOINT_NO,
    CHECKPOINT_BITMAP,
    CHECKPOINT_COUNT
} CheckpointKind;
extern const EnumNames checkpoint_kind_names;

typedef struct CheckpointDisk {
    char *name;
    uint8_t kind;      /* CheckpointKind */
    char *bitmap;      /* NULL: of the checkpoint's name */
    OptU64 size_bytes; /* what changed since then; only where it was asked for */
} CheckpointDisk;

typedef struct CheckpointDef {
    char *name;
    char *description;
    char *parent;
    OptS64 created_s;
    GPtrArray *disks; /* CheckpointDisk */
    DomainDef *domain;
} CheckpointDef;

typedef enum MomentParseFlags {
    MOMENT_PARSE_REDEFINE = 1 << 0, /* of one that exists: it says its name, time, state, machine */
    MOMENT_PARSE_STORED = 1 << 1,   /* from a file of ours; with REDEFINE */
    MOMENT_PARSE_VALIDATE = 1 << 2, /* refuse what no row describes: ERROR_XML_SCHEMA */
} MomentParseFlags;

/* Reads a <domainsnapshot>. @hooks as for domain_def_parse(): of the machine inside. AWAITS like that.
 *
 * ERROR_XML_SYNTAX, ERROR_XML_INVALID, ERROR_XML_SCHEMA, ERROR_INTERNAL, ERROR_CONFIG_UNSUPPORTED */
MUST_CHECK bool snapshot_def_parse(const char *xml, size_t len, MomentParseFlags flags,
                                   const DomainHooks *hooks, SnapshotDef **ret_def, Error **err);
/* Reads a <domaincheckpoint>; the same. */
MUST_CHECK bool checkpoint_def_parse(const char *xml, size_t len, MomentParseFlags flags,
                                     const DomainHooks *hooks, CheckpointDef **ret_def, Error **err);

enum {
    MOMENT_FORMAT_SECURE = XML_FORMAT_SECURE,
    MOMENT_FORMAT_STORED = XML_FORMAT_USER << 1,    /* for a file of ours */
    MOMENT_FORMAT_NO_DOMAIN = XML_FORMAT_USER << 2, /* without the machine */
    MOMENT_FORMAT_SIZE = XML_FORMAT_USER << 3,      /* checkpoints: with what changed since */
};
void snapshot_def_format(const SnapshotDef *def, unsigned flags, GString *out);
void checkpoint_def_format(const CheckpointDef *def, unsigned flags, GString *out);

void snapshot_def_free(SnapshotDef *def); /* NULL does nothing */
void checkpoint_def_free(CheckpointDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SnapshotDef, snapshot_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CheckpointDef, checkpoint_def_free)

/* What of the machine a snapshot keeps where. */
bool snapshot_is_external(const SnapshotDef *def); /* memory or any disk lies in a file of its own */

typedef struct SnapshotAlign {
    const DomainDef *domain; /* whose disks they are */
    DiskSnapshot otherwise;  /* internal or external: of disks that say nothing */
    bool must_match;         /* the document may ask for no other way than @otherwise, but for drives
                              * without a disk that is written to */
    /* Is @path a regular file? It may wait. Where a name for an external image is made up, the image below it
     * has to be one. */
    bool (*is_regular)(void *arg, const char *path);
    void *arg;
} SnapshotAlign;
/* Gives each disk of the machine its entry, in the machine's order, named by its target: what the document
 * says, else "no" for empty and read-only drives, else @align->otherwise. Makes up names of external images:
 * the name of the snapshot takes the place of the extension. AWAITS if is_regular() does. After a failure
 * @def can only be freed.
 *
 * ERROR_CONFIG_UNSUPPORTED: no such disk, one twice, not kept as it must be, no name can be made up */
MUST_CHECK bool snapshot_align_disks(SnapshotDef *def, const SnapshotAlign *align, Error **err);
/* What a redefined snapshot leaves open: memory, and its disks. AWAITS as above.
 * ERROR_NOT_SUPPORTED, ERROR_INTERNAL: a machine in such a state has no snapshots */
MUST_CHECK bool snapshot_complete_redefined(SnapshotDef *def, bool (*is_regular)(void *arg, const char *path),
                                            void *arg, Error **err);
/* The same for a checkpoint: disks that are not named get a bitmap if none is named, else none. */
MUST_CHECK bool checkpoint_align_disks(CheckpointDef *def, const DomainDef *domain, Error **err);

extern const XmlTable snapshot_table, checkpoint_table; /* for the manual */
extern const XmlTable snapshot_cookie_table;
