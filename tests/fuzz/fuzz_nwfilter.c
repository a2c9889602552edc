/* Network filters, bindings and frames of unknown origin: what is accepted is written and read again without
 * a change, no text of a document becomes a line of its own for nft, and a frame teaches no nonsense. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/filter_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *read_document(const XmlTable *table, const xmlNode *element)
{
    XmlReader reader = { .source = "(fuzz)" };
    void *def = NULL;

    return xml_table_read(table, &reader, element, &def, NULL) ? def : NULL;
}

static char *write_document(const XmlTable *table, const void *def)
{
    GString *out = g_string_new(NULL);

    xml_table_write(table, table->name, def, XML_FORMAT_SECURE, 0, out);
    return g_string_free(out, FALSE);
}

static void *try(const XmlTable *table, const xmlNode *element)
{
    void *def = read_document(table, element);
    g_autoptr(xmlDoc) doc = NULL;

    if (!def)
        return NULL;
    g_autofree char *first = write_document(table, def);
    void *again = xml_document_read(first, strlen(first), "(fuzz)", &doc, NULL)
                      ? read_document(table, xmlDocGetRootElement(doc))
                      : NULL;
    g_autofree char *second = again ? write_document(table, again) : g_strdup("(cannot be read)");
    if (strcmp(first, second) != 0) {
        fprintf(stderr, "written twice, not the same:\n%s\n%s\n", first, second);
        abort();
    }
    xml_table_free(table, again);
    return def;
}

static const FilterDef *find(void *arg, const char *name)
{
    const FilterDef *def = arg;

    return strcmp(def->name, name) == 0 ? def : NULL;
}

static void check_script(const char *text)
{
    static const char *const verbs[] = {
        "table bridge lodge_filter {", "  map ", "  chain ", "}", "add ", "flush ", "delete ", NULL
    };
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        unsigned i = 0;
        while (verbs[i] && !g_str_has_prefix(*line, verbs[i]))
            i++;
        const char *quote = strchr(*line, '"');
        const char *end = g_str_has_prefix(*line, "add rule ") ? strchr(*line, ';') : NULL;
        if (**line && (!verbs[i] || (end && (!quote || end < quote)))) {
            fprintf(stderr, "no line of ours: %s\n", *line);
            abort();
        }
    }
}

static void try_rules(FilterDef *filter, FilterBindingDef *given)
{
    FilterBindingDef none = { .owner_name = (char *)"m", .port = (char *)"vnet0", .filter = filter->name };
    FilterBindingDef *binding = given ? given : &none;

    for (unsigned can_track = 0; can_track < 2; can_track++) {
        g_autoptr(FilterScript) script = filter_script_new(can_track, can_track);
        g_autoptr(FilterProgram) program = NULL;
        if (!filter_expand(binding, NULL, find, filter, &program, NULL) ||
            !filter_script_add(script, "vnet0", program, NULL))
            continue;
        g_autofree char *text = filter_script_text(script, NULL, true);
        check_script(text);
    }
    (void)filter_tree_has(filter, filter->name, find, filter);
}

static void try_frame(const uint8_t *data, size_t size)
{
    static const Mac mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };

    for (FilterLearnMode mode = FILTER_LEARN_ANY; mode <= FILTER_LEARN_DHCP; mode++) {
        for (unsigned to_guest = 0; to_guest < 2; to_guest++) {
            LearnedAddress learned = { 0 };
            if (filter_learn_from(data, size, to_guest, &mac, mode, &learned) &&
                (learned.ip.is_v6 || learned.ip.bytes[0] >= 224))
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(xmlDoc) doc = NULL;
    FilterDef *filter = NULL;
    FilterBindingDef *binding = NULL;

    try_frame(data, size);
    if (!xml_document_read(text, strlen(text), "(fuzz)", &doc, NULL))
        return 0;
    /* One document, or both inside another. */
    xmlNode *node = xmlDocGetRootElement(doc);
    if (strcmp((const char *)node->name, "case") == 0)
        node = xmlFirstElementChild(node);
    for (; node; node = node->parent == (xmlNode *)doc ? NULL : xmlNextElementSibling(node)) {
        const bool is_binding = strcmp((const char *)node->name, "filterbinding") == 0;
        if (is_binding && !binding)
            binding = try(&filter_binding_table, node);
        else if (!is_binding && !filter)
            filter = try(&filter_table, node);
    }
    if (filter)
        try_rules(filter, binding);
    xml_table_free(&filter_table, filter);
    xml_table_free(&filter_binding_table, binding);
    return 0;
}
