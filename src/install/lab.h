/* A lab: networks, pools, images and machines as they are to be, in one file of YAML (`lodge apply`).
 *
 *     machines:
 *       web: {image: debian-12, network: lab, memory: 1G}
 *
 * What may stand in it is a table: reading, checking, the reference manual and what becomes of a machine's
 * keys (options of `lodge run`) come from its rows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"

typedef enum LabKind { LAB_IMAGE, LAB_POOL, LAB_NETWORK, LAB_MACHINE, LAB_KIND_COUNT } LabKind;
const char *lab_kind_name(LabKind kind);    /* "machine" */
const char *lab_kind_section(LabKind kind); /* "machines" */

typedef enum LabShape {
    LAB_TEXT,
    LAB_NUMBER,
    LAB_SIZE,   /* "2G" */
    LAB_YES_NO, /* yes, no, true, false, on, off */
    LAB_WORD,   /* one of .words */
    LAB_LIST    /* a text, or a list of texts */
} LabShape;
const char *lab_shape_name(LabShape shape);

typedef struct LabKey {
    const char *name; /* NULL ends the list */
    LabShape shape;
    const char *words;  /* of LAB_WORD, separated by blanks */
    const char *option; /* of `lodge run`, without "--"; NULL: another matter */
    bool is_required;
    const char *doc; /* starts in lower case, no full stop */
} LabKey;
const LabKey *lab_keys(LabKind kind);

typedef struct LabItem {
    LabKind kind;
    char *name, *group; /* group: as the file calls it: one of several (count) has another name */
    unsigned line;
    GHashTable *values; /* key: GPtrArray of texts */
} LabItem;

typedef struct Lab {
    char *folder;     /* of the file: what paths in it are relative to; absolute */
    GPtrArray *items; /* LabItem, in the order in which they are made */
} Lab;

/* @path: of the file, for messages and its folder. ERROR_INVALID_ARGUMENT: with file, line, and a hint to the
 * key that was meant */
MUST_CHECK bool lab_read(const char *path, const char *text, size_t len, Lab **ret_lab, Error **err);
void lab_free(Lab *lab);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lab, lab_free)

/* What the file says; NULL or @otherwise: nothing. Borrowed. */
const char *lab_get(const LabItem *item, const char *key);
const GPtrArray *lab_list(const LabItem *item, const char *key);
bool lab_is(const LabItem *item, const char *key, bool otherwise);
uint64_t lab_number(const LabItem *item, const char *key, uint64_t otherwise); /* also of a size: bytes */
/* A path as seen from the file; owned. */
char *lab_path(const Lab *lab, const char *path);
