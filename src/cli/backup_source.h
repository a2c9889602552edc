/* Where the disks of a machine can be read at one moment: by qemu-nbd while it is off, from its QEMU while it
 * runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/nbd.h"
#include "cli/domain.h"

typedef struct SourceDisk {
    bool is_encrypted;
    char *target, *format, *path; /* format and path of the image, if it is one of this host */
    NbdPlace place;               /* of strings that the source owns */
} SourceDisk;

typedef struct BackupSource {
    Cli *cli;
    const WireDomain *dom; /* borrowed */
    bool is_active;
    GPtrArray *disks; /* of SourceDisk */
    /* While it runs: */
    char *checkpoint; /* that was made at the moment of the backup; NULL: none */
    bool was_quiesced;
    int64_t moment_s; /* since 1970 */
    void *private;
} BackupSource;

typedef struct SourceOrder {
    const char *definition; /* of the machine as it is now: of the running one if it runs */
    bool is_active;
    char *const *excluded;  /* targets; ends with NULL */
    const char *since;      /* a checkpoint: what changed since it is marked; NULL */
    const char *checkpoint; /* the name of the new one; NULL: none is made */
    bool quiesce;
    bool decrypt; /* encrypted disks, too, in the clear */
} SourceOrder;

/* Opens all disks but those that are excluded. ERROR_NOT_SUPPORTED: one that cannot be read here, named. */
AWAITS MUST_CHECK bool source_open(Cli *cli, const WireDomain *dom, const SourceOrder *order,
                                   BackupSource **ret_source, Error **err);
/* Ends it. @keep: the checkpoint stays: there is a backup of its moment. NULL: nothing */
AWAITS void source_close(BackupSource *source, bool keep);
/* Reading failed with @err: if the job in the daemon has failed, that says why. */
AWAITS void source_explain(const BackupSource *source, Error **err);

/* Whether the machine has a checkpoint. *ret_last: and none that came after it, whose bitmap would have to be
 * added. */
AWAITS bool source_has_checkpoint(Cli *cli, const WireDomain *dom, const char *name, bool *ret_last);
/* Deletes those whose name begins with @prefix, but @kept (NULL: none). */
AWAITS void source_drop_checkpoints(Cli *cli, const WireDomain *dom, const char *prefix, const char *kept);
