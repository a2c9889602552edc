/* Readers of documents of machines, and what they share. They run confined. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/macros.h"

/* Puts what the document says into @machine; see machine.c. */
typedef bool MachineRead(const xmlNode *root, Json *machine, Error **err);
MachineRead machine_read_ovf, machine_read_vbox, machine_read_hyperv, machine_read_domain;
bool machine_read_vmx(const char *text, Json *machine, Error **err);

/* Whatever kind of document it is, by what is in it. @text: ends with a zero behind @len; @machine: {disks:
 * [], nics: [], notes: []} */
MUST_CHECK bool machine_read_text(const char *text, size_t len, const char *path, Json *machine, Error **err);

PRINTF(2, 3) void machine_note(Json *machine, const char *format, ...);
/* NULL, "" and 0 are not set. */
void machine_set(Json *object, const char *key, const char *value);
void machine_set_number(Json *object, const char *key, uint64_t value);
/* @file NULL: an empty drive. The entry is borrowed. */
Json *machine_add_disk(Json *machine, const char *file, const char *bus, bool is_drive);
void machine_add_nic(Json *machine, const char *mac, const char *model, const char *network);

/* Elements by their names without name spaces. The next one after @last (NULL: the first) below @parent. */
xmlNode *node_next(const xmlNode *parent, const char *name, const xmlNode *last);
xmlNode *node_find(const xmlNode *parent, const char *path); /* "a/b" */
/* Owned; NULL: it is not there, or empty. */
char *node_attribute(const xmlNode *node, const char *name);
char *node_text(const xmlNode *parent, const char *path);
uint64_t text_number(const char *text); /* 0: NULL, or no number */
