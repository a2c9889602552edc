/* Documents of the host's devices and interfaces, files of the programs that manage its network, and vital
 * product data, of unknown origin: what is accepted is written, read and written again without a change, and
 * nothing of a document becomes a line of its own in a file. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz_document.h"

#include "host/sysdev_private.h"
#include "network/hostif_files.h"

static bool complete_document(const XmlTable *table, void *def)
{
    return table != &hostif_table || hostif_def_complete(def, NULL);
}

/* Words that only files themselves may have. */
static void check_text(const char *text)
{
    for (const char *c = text; c && *c; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\n') || strchr(";$`\\<>|", *c))
            abort();
    }
}

static void try_managers(const HostifDef *def)
{
    for (unsigned manager = 0; manager < MANAGER_COUNT; manager++) {
        g_autoptr(GPtrArray) changes = NULL;
        if (!hostif_plan((HostifManager)manager, "/nowhere", def->name, def, &changes, NULL))
            abort();
        for (guint i = 0; i < changes->len; i++)
            check_text(((const HostifChange *)g_ptr_array_index(changes, i))->text);
    }
}

static void try_files(const char *text)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new();
    const HostifPlan plan = { .root = "/nowhere", .name = "eth0", .changes = changes };
    bool found = false, flow = false;

    g_autofree char *once = hostif_strip_ifupdown(&plan, text, &found);
    g_autofree char *twice = hostif_strip_ifupdown(&plan, once, &found);
    if (strcmp(once, twice) != 0)
        abort();
    g_autofree char *yaml = hostif_strip_netplan(&plan, text, &found, &flow);
    g_autofree char *again = hostif_strip_netplan(&plan, yaml, &found, &flow);
    if (strcmp(yaml, again) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    NodedevCapPart *part = xml_table_new(&nodedev_part_table);
    HostifDef *def = try(&hostif_table, "interface", text, strlen(text));

    xml_table_free(&nodedev_table, try(&nodedev_table, "device", text, strlen(text)));
    if (def)
        try_managers(def);
    xml_table_free(&hostif_table, def);
    try_files(text);
    (void)!sysdev_parse_vpd(data, size, part);
    xml_table_free(&nodedev_part_table, part);
    return 0;
}
