/* The sysinfo document from SMBIOS tables: firmware may say anything. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "host/node.h"

static char *root;

static void write_tables(const void *data, size_t len)
{
    g_autofree char *dir = g_build_filename(root, "sys/firmware/dmi/tables", NULL);
    g_autofree char *path = g_build_filename(dir, "DMI", NULL);
    g_assert(g_mkdir_with_parents(dir, 0755) == 0);
    /* hundreds of versions: without the fsync of the plain call */
    g_assert(g_file_set_contents_full(path, data, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

static void append(GByteArray *table, const void *data, size_t len)
{
    g_byte_array_append(table, data, (guint)len);
}

static GByteArray *make_tables(void)
{
    GByteArray *t = g_byte_array_new();
    static const uint8_t bios[0x18] = { 0, 0x18, 0, 0, 1, 2, 0, 0, 3, [0x14] = 4, [0x15] = 2 };
    static const uint8_t system[0x1b] = { 1,    0x1b, 1,    0,    1,    2,    0,         3,    0x33,
                                          0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,      0x88, 0x99,
                                          0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, [0x1a] = 9 };
    static const uint8_t memory[0x1b] = {
        17, 0x1b, 2, 0, [0x0c] = 0x00, [0x0d] = 0x08, [0x10] = 1, [0x15] = 0x80, [0x16] = 0x0c
    };
    static const uint8_t last[4] = { 127, 4, 3, 0 };
    append(t, bios, sizeof(bios));
    append(t, "Vendor <&>\0V1\0\x30\x31/02/2024\0", sizeof("Vendor <&>\0V1\0\x30\x31/02/2024\0"));
    append(t, system, sizeof(system));
    append(t, "Maker\0Product\0S\x01N\0", sizeof("Maker\0Product\0S\x01N\0"));
    append(t, memory, sizeof(memory));
    append(t, "DIMM 0\0", sizeof("DIMM 0\0"));
    append(t, last, sizeof(last));
    append(t, "\0", 2);
    return t;
}

static void begin(void)
{
    root = check_make_dir();
    node_set_root(root);
}

static void end(void)
{
    node_set_root(NULL);
    check_remove_dir(root);
}

TEST(tables_become_a_document)
{
    g_autofree char *xml = NULL;
    g_autoptr(Error) err = NULL;
    begin();
    GByteArray *tables = make_tables();
    write_tables(tables->data, tables->len);
    check_ok(node_get_sysinfo_xml(&xml, &err), err);
    check_str(xml, "<sysinfo type='smbios'>\n"
                   "  <bios>\n"
                   "    <entry name='vendor'>Vendor &lt;&amp;&gt;</entry>\n"
                   "    <entry name='version'>V1</entry>\n"
                   "    <entry name='date'>01/02/2024</entry>\n"
                   "    <entry name='release'>4.2</entry>\n"
                   "  </bios>\n"
                   "  <system>\n"
                   "    <entry name='manufacturer'>Maker</entry>\n"
                   "    <entry name='product'>Product</entry>\n"
                   "    <entry name='serial'>S.N</entry>\n"
                   "    <entry name='uuid'>00112233-4455-6677-8899-aabbccddeeff</entry>\n"
                   "  </system>\n"
                   "  <memory_device>\n"
                   "    <entry name='size'>2 GB</entry>\n"
                   "    <entry name='locator'>DIMM 0</entry>\n"
                   "    <entry name='speed'>3200 MT/s</entry>\n"
                   "  </memory_device>\n"
                   "</sysinfo>\n");
    g_byte_array_unref(tables);
    end();
}

TEST(cut_and_damaged_tables_do_no_harm)
{
    begin();
    GByteArray *tables = make_tables();
    for (guint len = 0; len < tables->len; len++) {
        char *xml = NULL;
        write_tables(tables->data, len);
        if (node_get_sysinfo_xml(&xml, NULL))
            check(g_utf8_validate(xml, -1, NULL));
        g_free(xml);
    }
    for (guint i = 0; i < tables->len; i++) {
        static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0xff };
        uint8_t old = tables->data[i];
        for (size_t k = 0; k < sizeof(values); k++) {
            char *xml = NULL;
            tables->data[i] = values[k];
            write_tables(tables->data, tables->len);
            if (node_get_sysinfo_xml(&xml, NULL))
                check(g_utf8_validate(xml, -1, NULL));
            g_free(xml);
        }
        tables->data[i] = old;
    }
    g_byte_array_unref(tables);
    end();
}

TEST(a_host_without_smbios_says_so)
{
    char *xml = NULL;
    g_autoptr(Error) err = NULL;
    begin();
    check_fails(node_get_sysinfo_xml(&xml, &err), err, ERROR_CONFIG_UNSUPPORTED);
    end();
}
