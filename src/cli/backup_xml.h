/* The definition of a machine that is restored, or made from another one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/error.h"

typedef struct RestoredDisk {
    char *target, *path, *format;
    bool is_encrypted; /* it is, as before */
} RestoredDisk;

typedef struct DefinitionEdit {
    const char *name;       /* of a new machine: with a UUID and addresses of its own; NULL: the same one */
    const GPtrArray *disks; /* of RestoredDisk: where they are now */
    bool isolated;          /* it is to meet neither the network nor what the original one uses */
    const char *serial;     /* with isolated: the file that its first serial port writes to; NULL: none */
    /* Of a clone, with a name. */
    bool keep_others;        /* disks that are not restored stay what they are; drives may be, too */
    const char *uuid;        /* NULL: the daemon chooses */
    const char *const *macs; /* of its interfaces, in their order; ends with NULL; NULL: the daemon chooses */
    const char *nvram;       /* file with its firmware's variables; NULL: the daemon chooses */
} DefinitionEdit;

/* *ret_xml: owned. Disks of a new machine that were not restored are left out: they are the other one's. */
MUST_CHECK bool definition_edit(const char *xml, const DefinitionEdit *edit, char **ret_xml, Error **err);
