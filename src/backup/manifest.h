/* The manifest of a backup: what it is of, and where its content is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/chunk_map.h"
#include "base/json.h"

#define MANIFEST_VERSION 1

typedef enum BackupState {
    BACKUP_STOPPED,  /* the machine did not run */
    BACKUP_CRASH,    /* all disks at one moment, as a power cut would leave them */
    BACKUP_QUIESCED, /* file systems were frozen by the guest's agent at that moment */
    BACKUP_STATE_COUNT
} BackupState;
const char *backup_state_name(BackupState state); /* "stopped" */

typedef struct ManifestDisk {
    char *target;        /* "vda" */
    char *format;        /* of the image that it was read from: "qcow2" */
    char *source;        /* where that was; NULL: nowhere on its host */
    bool is_incremental; /* only what had changed was read */
    char *full_reason;   /* why all of it was read although there was a parent; NULL */
    uint64_t read_bytes, stored_bytes;
    ChunkMap map;
} ManifestDisk;

typedef struct ManifestFile {
    char *role; /* "nvram", "tpm" */
    char *name; /* relative; of a TPM's state below its folder */
    Hash sha256;
    ChunkMap map;
} ManifestFile;

typedef struct Manifest {
    char *id;
    char *machine, *uuid;
    char *definition; /* XML */
    char *host;
    int64_t created_s; /* since 1970: the moment that the disks show */
    uint64_t took_ms;
    BackupState state;
    char *parent;     /* id; NULL: it is full */
    char *checkpoint; /* of the machine, taken at the same moment; NULL: none */
    GPtrArray *disks, *files;
} Manifest;

Manifest *manifest_new(void);
void manifest_free(Manifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)
ManifestDisk *manifest_add_disk(Manifest *manifest, const char *target);
ManifestFile *manifest_add_file(Manifest *manifest, const char *role, const char *name);
const ManifestDisk *manifest_disk_at(const Manifest *manifest, guint number);
const ManifestFile *manifest_file_at(const Manifest *manifest, guint number);
const ManifestDisk *manifest_find_disk(const Manifest *manifest, const char *target); /* NULL */
bool manifest_is_incremental(const Manifest *manifest);                               /* some disk is */
uint64_t manifest_size(const Manifest *manifest);                                     /* bytes of all disks */
uint64_t manifest_stored(const Manifest *manifest); /* bytes that it added to the repository */

/* An id for a backup that is begun at @created_ms: when, so that those of one second have an order, and four
 * random digits. Owned. */
char *manifest_make_id(int64_t created_ms);
/* "2026-11-27T02:15:00Z"; owned */
char *manifest_time(int64_t time_s);

char *manifest_format(const Manifest *manifest); /* owned */
/* ERROR_OPERATION_FAILED: it makes no sense, or has another version. */
MUST_CHECK bool manifest_parse(const char *text, size_t len, Manifest **ret_manifest, Error **err);

/* ---- of a repository ---- */

/* All of them, the oldest first; of Manifest, owned. *ret_damage: sentences about those that are damaged,
 * owned. */
MUST_CHECK bool manifest_load_all(Repo *repo, GPtrArray **ret_manifests, GPtrArray **ret_damage, Error **err);
/* By id, the beginning of one, the name of a machine (its newest backup), or "latest".
 * ERROR_INVALID_ARGUMENT: none, or several */
MUST_CHECK bool manifest_find(Repo *repo, const char *what, Manifest **ret_manifest, Error **err);
