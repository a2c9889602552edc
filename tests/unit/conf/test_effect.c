/* What nothing acts on yet is found in any document, by name; and there is never more of it than recorded. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/domain_rows.h"
#include "conf/domain_xml.h"
#include "conf/xml_internal.h"

TEST(the_list_of_what_is_not_acted_on_is_the_recorded_one)
{
    g_autoptr(GString) now = g_string_new(NULL);
    g_autofree char *recorded = NULL;

    xml_gaps_write(&domain_table, now);
    check(g_file_get_contents(SOURCE_ROOT "/tests/unit/conf/gaps.txt", &recorded, NULL, NULL));
    if (strcmp(now->str, recorded) != 0)
        fail_msg("gaps.txt is not current (it may only shrink): './check gaps' shows the difference");
}

/* ---- every such row, one at a time ---- */

static void *root;
static unsigned n_tried;

typedef struct Found {
    const char *wanted; /* the end of the path */
    const XmlRow *row;
    bool found;
} Found;

static bool note_found(void *arg, const char *path, const XmlRow *row)
{
    Found *found = arg;
    found->found |= row == found->row && (!found->wanted || strstr(path, found->wanted));
    return true;
}

static void expect_found(const XmlRow *row)
{
    Found found = { .row = row, .wanted = row->name[0] == '#' ? NULL : row->name };
    xml_table_find_gaps(&domain_table, root, note_found, &found);
    check_case(row->name);
    check(found.found);
    n_tried++;
}

static uint8_t odd_enum_value(const XmlRow *row)
{
    for (unsigned i = 1; i < row->names->count; i++) {
        if (g_strcmp0(row->names->names[i], row->fallback) != 0)
            return (uint8_t)i;
    }
    return 1;
}

static void set_value(const XmlRow *row, void *base)
{
    void *field = xml_field(row, base);
    switch ((XmlValueType)row->type) {
    case XML_VALUE_ENUM:
        *(uint8_t *)field = odd_enum_value(row);
        break;
    case XML_VALUE_STRING:
        *(char **)field = g_strdup("odd");
        break;
    case XML_VALUE_BOOL:
        *(bool *)field = true;
        break;
    default: {
        g_autoptr(Error) err = NULL;
        g_autofree char *number = g_strdup_printf("%" PRIu64, row->max ? row->max : MAX(row->min, 2048));
        check_ok(xml_value_read(row, row->type == XML_VALUE_CPUSET ? "0" : number, NULL, base, &err), err);
        break;
    }
    }
}

static void *list_with_one(const XmlTable *table, GPtrArray **list)
{
    *list = xml_list_new(table);
    g_ptr_array_add(*list, xml_table_new(table));
    return g_ptr_array_index(*list, 0);
}

static void try_rows(const XmlTable *table, const XmlRow *rows, void *base, unsigned depth);

static void try_gap(const XmlTable *table, const XmlRow *row, void *base)
{
    void **field = xml_field(row, base);
    switch ((XmlNodeKind)row->node) {
    case XML_KEPT:
    case XML_KEPT_ATTR: {
        Kept kept = { .row = row };
        Kept **chain = xml_kept_field(table, base), *old = *chain;
        *chain = &kept;
        expect_found(row);
        *chain = old;
        return;
    }
    case XML_OBJECT:
    case XML_INCLUDE_OBJECT:
        *field = xml_table_new(row->table);
        expect_found(row);
        xml_table_free(row->table, g_steal_pointer(field));
        return;
    case XML_LIST:
        (void)list_with_one(row->table, (GPtrArray **)field);
        expect_found(row);
        xml_list_remove(row->table, (GPtrArray **)field, 0);
        return;
    default:
        set_value(row, base);
        expect_found(row);
        xml_value_clear(row, base);
        return;
    }
}

static void try_values(const XmlRow *row, void *base)
{
    uint8_t *field = xml_field(row, base), old = *field;
    for (unsigned i = 0; row->gap_mask && i < row->names->count; i++) {
        *field = (uint8_t)i;
        if (row->gap_mask & BIT(i))
            expect_found(row);
    }
    *field = old;
}

static void try_group(const XmlTable *table, const XmlRow *row, void *base, unsigned depth)
{
    bool *there = row->has_field ? xml_field(row, base) : NULL;
    if (there)
        *there = true;
    try_rows(table, row->rows, base, depth);
    if (there)
        *there = false;
}

static void try_inside(const XmlRow *row, void *base, unsigned depth)
{
    void **field = xml_field(row, base);
    switch ((XmlNodeKind)row->node) {
    case XML_EMBED:
    case XML_INCLUDE:
        try_rows(row->table, row->table->rows, field, depth);
        return;
    case XML_OBJECT:
    case XML_INCLUDE_OBJECT: {
        void *old = *field;
        *field = xml_table_new(row->table);
        try_rows(row->table, row->table->rows, *field, depth);
        xml_table_free(row->table, *field);
        *field = old;
        return;
    }
    case XML_LIST: {
        void *old = *field;
        try_rows(row->table, row->table->rows, list_with_one(row->table, (GPtrArray **)field), depth);
        xml_list_remove(row->table, (GPtrArray **)field, 0);
        *field = old;
        return;
    }
    default:
        return;
    }
}

static void try_rows(const XmlTable *table, const XmlRow *rows, void *base, unsigned depth)
{
    for (const XmlRow *row = rows; row->node != XML_END && depth < 12; row++) {
        XmlEffect effect = xml_row_effect(row);
        if (row->flags & ROW_LIVE || effect == XML_EFFECT_HARMLESS)
            continue;
        uint8_t *when = (uint8_t *)base + row->when_offset, old = *when;
        if (row->when_mask)
            *when = (uint8_t)__builtin_ctzll(row->when_mask);
        if (row->gap_mask)
            try_values(row, base);
        if (effect == XML_EFFECT_NOT_YET || effect == XML_EFFECT_REFUSED)
            try_gap(table, row, base);
        else if (row->rows)
            try_group(table, row, base, depth + 1);
        else if (row->table && row->node != XML_CUSTOM)
            try_inside(row, base, depth + 1);
        if (row->when_mask)
            *when = old;
    }
}

TEST(each_value_that_nothing_acts_on_is_found_by_name)
{
    n_tried = 0;
    root = domain_def_new();
    try_rows(&domain_table, domain_table.rows, root, 0);
    domain_def_free(root);
    check(n_tried > 100);
}

/* ---- documents ---- */

static char *gaps_of(const char *devices)
{
    g_autofree char *xml = g_strdup_printf("<domain type='qemu'><name>x</name><memory>1</memory>"
                                           "<os><type>hvm</type></os><devices>%s</devices></domain>",
                                           devices);
    g_autoptr(GPtrArray) paths = NULL;
    g_autoptr(Error) err = NULL;
    check_case(devices);
    check_ok(domain_xml_find_gaps(xml, strlen(xml), &paths, &err), err);
    g_ptr_array_add(paths, NULL);
    return g_strjoinv(" ", (char **)paths->pdata);
}

TEST(documents_that_would_lose_something_are_told_by_xpath)
{
#define DISK(more)                                                                                           \
    "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>" more "</disk>"
    static const struct {
        const char *devices, *gaps;
    } cases[] = {
        { DISK(""), "" },
        { "<controller type='pci' model='pci-root'/><serial/><memballoon model='virtio'/>", "" },
        { "<controller type='pci' model='pci-root'><pcihole64>1</pcihole64></controller>", "" },
        { DISK("") DISK("<backenddomain name='x'/>"),
          "/domain/devices/disk[2]/backenddomain (only Xen guests have it)" },
        { "<disk type='block' device='lun'><source dev='/a'><reservations managed='yes'/></source>"
          "<target dev='sda'/></disk>",
          "" },
        { "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", "" },
        { "<interface type='bridge'><source bridge='b'/><bandwidth><outbound "
          "average='1'/></bandwidth></interface>",
          "" },
        { "<serial type='tcp'><source mode='connect' host='h' service='1'/><protocol type='tls'/></serial>",
          "/domain/devices/serial[1]/protocol/@type (only ESX has it; QEMU encrypts with <source "
          "tls='yes'>)" },
        { "<serial type='tcp'><source mode='connect' host='h' service='1'/><protocol "
          "type='telnet'/></serial>",
          "" },
        { "<interface type='user'><link state='down'/></interface>", "" },
        { "<interface type='user'><link state='up'/></interface>", "" },
        { "<interface type='user'><port isolated='no'/></interface>", "" },
        { "<filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>", "" },
        { "<lease><lockspace>l</lockspace><key>k</key><target path='/t'/></lease>", "" },
        { "<disk type='file' device='disk'><source file='/a'><encryption format='luks'/></source>"
          "<target dev='vda'/></disk>",
          "" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *gaps = gaps_of(cases[i].devices);
        check_str(gaps, cases[i].gaps);
    }
}
