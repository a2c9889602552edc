/* For fuzz targets of documents: what is accepted is written, read and written again without a change. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/xml_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What follows the reading of a document of @table; each target has its own. */
static bool complete_document(const XmlTable *table, void *def);

static inline void *read_document(const XmlTable *table, const char *text, size_t size)
{
    XmlReader reader = { .source = "(fuzz)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(text, size, reader.source, &doc, NULL) ||
        !xml_table_read(table, &reader, xmlDocGetRootElement(doc), &def, NULL))
        return NULL;
    if (!complete_document(table, def)) {
        xml_table_free(table, def);
        return NULL;
    }
    return def;
}

static inline char *write_document(const XmlTable *table, const char *root, const void *def)
{
    GString *out = g_string_new(NULL);

    xml_table_write(table, root, def, 0, 0, out);
    return g_string_free(out, FALSE);
}

static inline void *try(const XmlTable *table, const char *root, const char *text, size_t size)
{
    void *def = read_document(table, text, size);

    if (!def)
        return NULL;
    g_autofree char *first = write_document(table, root, def);
    void *again = read_document(table, first, strlen(first));
    g_autofree char *second = again ? write_document(table, root, again) : g_strdup("(cannot be read)");
    if (strcmp(first, second) != 0) {
        fprintf(stderr, "written twice, not the same:\n%s\n%s\n", first, second);
        abort();
    }
    xml_table_free(table, again);
    return def;
}
