/* A machine on its way out: as OVF, for others. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "cli/cli.h"

typedef struct ExportDisk {
    char *target, *file; /* file: its name beside the document */
    uint64_t bytes;      /* that the guest sees */
    uint64_t file_bytes;
} ExportDisk;

/* The text of an OVF of the machine @domain (its document's root); owned. @disks: ExportDisk. What OVF has no
 * place for is named in @notes (char *). */
char *export_ovf(const xmlNode *domain, const GPtrArray *disks, GPtrArray *notes);
