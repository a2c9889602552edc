/* A machine of another program, or one that Lodge exported, on its way into the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/backup_xml.h"
#include "cli/cli.h"

/* What lies in a folder that `lodge export` made, beside the disks. */
#define EXPORT_FACTS "machine.json"
#define EXPORT_DEFINITION "machine.xml"
#define EXPORT_MANIFEST "machine.mf"

typedef struct ImportDisk {
    char *path;         /* on this host; NULL: an empty drive */
    char *format;       /* of it, as QEMU calls it */
    bool is_drive;      /* a disc: it stays out */
    RestoredDisk place; /* where it will be; .target: of a machine of ours */
    char *volume;       /* its name in the pool */
    WireStorageVol vol; /* that was made */
} ImportDisk;

typedef struct Import {
    Cli *cli;
    const CliArgs *args;
    char *path;    /* what was named; absolute */
    char *scratch; /* a folder that goes with the command; NULL: none yet */
    Json *machine; /* what the document says; see media/machine.c */
    char *own;     /* the definition, if it is a machine of ours; NULL */
    Json *files;   /* with it: state of firmware and TPM; NULL */
    bool is_own;
    GPtrArray *disks; /* ImportDisk */
    GPtrArray *notes; /* sentences about what was left out or changed */
    char *name;
    WireStoragePool pool;
    char *pool_folder;
    char *xml; /* the machine as it will be */
    WireDomain dom;
    bool is_defined;
} Import;

PRINTF(2, 3) void import_note(Import *import, const char *format, ...);

/* Finds out what it is, and where its disks are; their sums are compared with those of a manifest
 * (import_source.c). ERROR_OPERATION_UNSUPPORTED and the like name what cannot be taken. */
AWAITS MUST_CHECK bool import_source_open(Import *import, Error **err);
/* Devices that suit it, into import->xml; places of its disks are chosen (import_machine.c). */
AWAITS MUST_CHECK bool import_machine_plan(Import *import, Error **err);
