/* Machines made from others, and from templates. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* A disk of the original. */
typedef struct CloneDisk {
    char *target;
    char *image;                    /* path, or POOL/VOLUME; NULL: nothing is in it */
    char *format;                   /* of the image */
    char *backing, *backing_format; /* what the image stands on, a path; NULL: nothing */
    uint64_t bytes;                 /* that the guest sees */
    bool
        is_shared; /* the clone uses the same one: it is read-only or meant for several, or so is asked for */
} CloneDisk;

/* What clones are made of; the same for all of a batch. */
typedef struct CloneSource {
    Cli *cli;
    char *name, *xml;
    GPtrArray *disks;            /* CloneDisk */
    char *seed_target;           /* the drive with a seed; NULL: none */
    Json *seed;                  /* its files; NULL */
    char *files;                 /* state of firmware and TPM, as JSON; NULL */
    WireDomain dom;              /* without a name: a template */
    char *snapshot;              /* that was taken for it; NULL */
    bool keep_snapshot, quiesce; /* quiesce: its agent holds its file systems still for the snapshot */
    bool with_memory;            /* clones go on from where it is ... */
    char *memory;                /* ... which the daemon has kept under that name; NULL */
} CloneSource;

typedef enum CloneKind { CLONE_FULL, CLONE_LINKED } CloneKind;

typedef struct CloneOrder {
    const CloneSource *source;
    CloneKind kind;
    const char *name;
    const char *uuid;         /* NULL: a new one */
    const char *const *macs;  /* of its first interfaces; NULL */
    const char *const *files; /* paths of its disks, in their order; NULL: beside the original's */
    const char *nvram, *pool; /* NULL */
    const char *hostname;     /* NULL: its name */
    bool start, keep_identity, preserve_data, replace;
    const bool *interrupted; /* the rest is given up when that is set; NULL: never */
} CloneOrder;

/* What is running is frozen by a snapshot first, and so is what is to be stood on. *@ret_source: .quiesce and
 * .with_memory are set by the caller.
 * @shared, @copied: targets of disks that are (not) to be copied, against what they say themselves; separated
 * by commas; NULL. */
AWAITS MUST_CHECK bool clone_source_open(Cli *cli, const WireDomain *dom, CloneKind kind, const char *shared,
                                         const char *copied, CloneSource *ret_source, Error **err);
/* Of an image of the library that is a template. */
AWAITS MUST_CHECK bool clone_template_open(Cli *cli, const char *name, CloneSource *ret_source, Error **err);
/* Takes the snapshot away unless clones stand on it. */
AWAITS void clone_source_close(CloneSource *source);

/* A machine, or nothing. Several at a time are fine. */
AWAITS MUST_CHECK bool clone_make(const CloneOrder *order, Error **err);
/* Its document, without making anything; owned. */
MUST_CHECK bool clone_document(const CloneOrder *order, char **ret_xml, Error **err);
