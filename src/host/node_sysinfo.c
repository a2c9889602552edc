/* What the firmware says about this machine (SMBIOS), as the sysinfo document.
 *
 * The tables are read from /sys/firmware/dmi/tables/DMI (root only) and decoded here, after the DMTF's SMBIOS
 * Reference Specification (DSP0134): no helper program runs. They come from firmware or from an outer
 * hypervisor, so every length is checked. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "node"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "host/node_private.h"

#define SMBIOS_MAX_BYTES (256 * 1024)

typedef struct Structure {
    const uint8_t *data; /* the formatted area, @len bytes */
    size_t len;
    const char *strings;  /* the strings after it: "one\0two\0\0" */
    size_t strings_bytes; /* up to and with the double NUL */
} Structure;

/* String number @index (from 1); NULL if there is none or it is blank. Caller owns. */
static char *structure_string(const Structure *s, unsigned index)
{
    const char *p = s->strings, *end = s->strings + s->strings_bytes;
    for (unsigned i = 1; index > 0 && p < end && *p; i++, p += strnlen(p, (size_t)(end - p)) + 1) {
        if (i != index)
            continue;
        g_autofree char *text = g_strndup(p, strnlen(p, (size_t)(end - p)));
        g_autofree char *valid = g_utf8_make_valid(g_strstrip(text), -1);
        for (char *c = valid; *c; c++) { /* control characters cannot stand in XML */
            if ((unsigned char)*c < 0x20)
                *c = '.';
        }
        return *valid ? g_steal_pointer(&valid) : NULL;
    }
    return NULL;
}

static char *structure_string_at(const Structure *s, size_t offset)
{
    return offset < s->len ? structure_string(s, s->data[offset]) : NULL;
}

static unsigned structure_word(const Structure *s, size_t offset)
{
    return offset + 2 <= s->len ? s->data[offset] | (unsigned)s->data[offset + 1] << 8 : 0;
}

/* Cuts the next structure off @table. false at the end, or where the rest makes no sense. */
static bool structure_next(const uint8_t **table, size_t *left, Structure *ret)
{
    const uint8_t *p = *table;
    if (*left < 6 || p[1] < 4 || p[1] + 2u > *left || p[0] == 127)
        return false;
    size_t len = p[1], end = len;
    while (end + 1 < *left && (p[end] || p[end + 1]))
        end++;
    if (end + 1 >= *left)
        return false;
    *ret = (Structure){
        .data = p, .len = len, .strings = (const char *)p + len, .strings_bytes = end + 2 - len
    };
    *table += end + 2;
    *left -= end + 2;
    return true;
}

static void append_entry(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_autofree char *escaped = g_markup_escape_text(value, -1);
    g_string_append_printf(out, "    <entry name='%s'>%s</entry>\n", name, escaped);
}

typedef struct StringField {
    const char *name;
    size_t offset;
} StringField;

/* An element of plain string entries; nothing if all are blank. */
static void append_strings(GString *out, const Structure *s, const StringField *fields, size_t n_fields)
{
    for (size_t i = 0; i < n_fields; i++) {
        g_autofree char *value = structure_string_at(s, fields[i].offset);
        append_entry(out, fields[i].name, value);
    }
}

static void append_element(GString *out, const char *element, const GString *entries)
{
    if (entries->len)
        g_string_append_printf(out, "  <%s>\n%s  </%s>\n", element, entries->str, element);
}

static void append_bios(GString *out, const Structure *s)
{
    static const StringField fields[] = { { "vendor", 4 }, { "version", 5 }, { "date", 8 } };
    append_strings(out, s, fields, G_N_ELEMENTS(fields));
    if (s->len > 0x15 && s->data[0x14] != 0xff) {
        g_autofree char *release = g_strdup_printf("%u.%u", s->data[0x14], s->data[0x15]);
        append_entry(out, "release", release);
    }
}

static void append_system(GString *out, const Structure *s)
{
    static const StringField first[] = {
        { "manufacturer", 4 }, { "product", 5 }, { "version", 6 }, { "serial", 7 }
    };
    static const StringField last[] = { { "sku", 0x19 }, { "family", 0x1a } };
    append_strings(out, s, first, G_N_ELEMENTS(first));
    if (s->len >= 0x18) {
        const uint8_t *u = s->data + 8; /* the first three fields are little-endian since SMBIOS 2.6 */
        Uuid uuid = { { u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6], u[8], u[9], u[10], u[11], u[12],
                        u[13], u[14], u[15] } };
        char text[UUID_STRING_LEN];
        uuid_format(&uuid, text);
        append_entry(out, "uuid", text);
    }
    append_strings(out, s, last, G_N_ELEMENTS(last));
}

static void append_board(GString *out, const Structure *s)
{
    static const StringField fields[] = { { "manufacturer", 4 }, { "product", 5 }, { "version", 6 },
                                          { "serial", 7 },       { "asset", 8 },   { "location", 10 } };
    append_strings(out, s, fields, G_N_ELEMENTS(fields));
}

static void append_chassis(GString *out, const Structure *s)
{
    static const StringField fields[] = {
        { "manufacturer", 4 }, { "version", 6 }, { "serial", 7 }, { "asset", 8 }
    };
    append_strings(out, s, fields, G_N_ELEMENTS(fields));
    if (s->len >
        0x14) { /* the SKU follows the contained elements, whose number and size are told before them */
        size_t sku = 0x15 + (size_t)s->data[0x13] * s->data[0x14];
        g_autofree char *value = structure_string_at(s, sku);
        append_entry(out, "sku", value);
    }
}

static void append_processor(GString *out, const Structure *s)
{
    static const StringField names[] = { { "socket_destination", 4 },
                                         { "manufacturer", 7 },
                                         { "version", 0x10 } };
    append_strings(out, s, names, G_N_ELEMENTS(names));
    unsigned clock_mhz = structure_word(s, 0x12), speed_mhz = structure_word(s, 0x14);
    if (clock_mhz) {
        g_autofree char *text = g_strdup_printf("%u MHz", clock_mhz);
        append_entry(out, "external_clock", text);
    }
    if (speed_mhz) {
        g_autofree char *text = g_strdup_printf("%u MHz", speed_mhz);
        append_entry(out, "max_speed", text);
    }
    static const StringField numbers[] = { { "serial_number", 0x20 }, { "part_number", 0x22 } };
    append_strings(out, s, numbers, G_N_ELEMENTS(numbers));
}

static char *format_memory_size(const Structure *s)
{
    unsigned size = structure_word(s, 0x0c);
    if (size == 0 || size == 0xffff) /* an empty slot, or unknown */
        return NULL;
    if (size == 0x7fff && s->len >= 0x20) {
        uint64_t mib = (structure_word(s, 0x1c) | (uint64_t)structure_word(s, 0x1e) << 16) & 0x7fffffff;
        return mib % 1024 ? g_strdup_printf("%u MB", (unsigned)mib)
                          : g_strdup_printf("%u GB", (unsigned)(mib / 1024));
    }
    if (size & 0x8000)
        return g_strdup_printf("%u kB", size & 0x7fff);
    return size % 1024 ? g_strdup_printf("%u MB", size) : g_strdup_printf("%u GB", size / 1024);
}

static void append_memory(GString *out, const Structure *s)
{
    g_autofree char *size = format_memory_size(s);
    if (!size)
        return;
    static const StringField slot[] = { { "locator", 0x10 }, { "bank_locator", 0x11 } };
    static const StringField maker[] = { { "manufacturer", 0x17 },
                                         { "serial_number", 0x18 },
                                         { "part_number", 0x1a } };
    append_entry(out, "size", size);
    append_strings(out, s, slot, G_N_ELEMENTS(slot));
    unsigned speed = structure_word(s, 0x15);
    if (speed && speed != 0xffff) {
        g_autofree char *text = g_strdup_printf("%u MT/s", speed);
        append_entry(out, "speed", text);
    }
    append_strings(out, s, maker, G_N_ELEMENTS(maker));
}

static void append_oem_strings(GString *out, const Structure *s)
{
    for (unsigned i = 1; s->len > 4 && i <= s->data[4]; i++) {
        g_autofree char *value = structure_string(s, i);
        if (!value)
            continue;
        g_autofree char *escaped = g_markup_escape_text(value, -1);
        g_string_append_printf(out, "    <entry>%s</entry>\n", escaped);
    }
}

/* In the order of the document. @once: only the first structure of the type is told. */
static const struct {
    uint8_t type;
    bool once;
    const char *element;
    void (*append)(GString *out, const Structure *s);
} elements[] = {
    { 0, true, "bios", append_bios },
    { 1, true, "system", append_system },
    { 2, false, "baseBoard", append_board },
    { 3, true, "chassis", append_chassis },
    { 4, false, "processor", append_processor },
    { 17, false, "memory_device", append_memory },
    { 11, false, "oemStrings", append_oem_strings },
};

static void format_tables(const uint8_t *tables, size_t len, GString *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
        const uint8_t *rest = tables;
        size_t left = len;
        Structure s;
        while (structure_next(&rest, &left, &s)) {
            if (s.data[0] != elements[i].type)
                continue;
            g_autoptr(GString) entries = g_string_new(NULL);
            elements[i].append(entries, &s);
            append_element(out, elements[i].element, entries);
            if (elements[i].once)
                break;
        }
    }
}

/* Without the right to read the tables (session mode), what everybody may read. */
static void format_dmi_id(GString *out)
{
    static const struct {
        const char *element, *entry, *file;
    } rows[] = {
        { "bios", "vendor", "bios_vendor" },
        { "bios", "version", "bios_version" },
        { "bios", "date", "bios_date" },
        { "bios", "release", "bios_release" },
        { "system", "manufacturer", "sys_vendor" },
        { "system", "product", "product_name" },
        { "system", "version", "product_version" },
        { "system", "sku", "product_sku" },
        { "system", "family", "product_family" },
        { "baseBoard", "manufacturer", "board_vendor" },
        { "baseBoard", "product", "board_name" },
        { "baseBoard", "version", "board_version" },
        { "chassis", "manufacturer", "chassis_vendor" },
        { "chassis", "version", "chassis_version" },
    };
    g_autoptr(GString) entries = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *value = node_read("/sys/class/dmi/id/%s", rows[i].file);
        append_entry(entries, rows[i].entry, value && *g_strstrip(value) ? value : NULL);
        if (i + 1 == G_N_ELEMENTS(rows) || strcmp(rows[i].element, rows[i + 1].element) != 0) {
            append_element(out, rows[i].element, entries);
            g_string_truncate(entries, 0);
        }
    }
}

/* Binary, so not file_read_kernel(). sysfs never waits. */
static uint8_t *read_tables(size_t *ret_len)
{
    g_autofree char *path = node_path("/sys/firmware/dmi/tables/DMI");
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    g_autofree uint8_t *data = g_malloc(SMBIOS_MAX_BYTES);
    size_t len = 0;
    while (len < SMBIOS_MAX_BYTES) {
        ssize_t got = read(fd, data + len, SMBIOS_MAX_BYTES - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return len ? g_steal_pointer(&data) : NULL;
}

bool node_get_sysinfo_xml(char **ret_xml, Error **err)
{
    g_autoptr(GString) body = g_string_new(NULL);
    size_t len = 0;
    g_autofree uint8_t *tables = read_tables(&len);
    if (tables)
        format_tables(tables, len, body);
    else
        format_dmi_id(body);
    if (!body->len)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Host SMBIOS information is not available");
    *ret_xml = g_strdup_printf("<sysinfo type='smbios'>\n%s</sysinfo>\n", body->str);
    return true;
}
