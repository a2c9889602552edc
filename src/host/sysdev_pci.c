/* PCI devices: configuration space, functions of SR-IOV, vital product data, names by number. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "host/sysdev_private.h"

#define CONFIG_MAX 4096
#define CONFIG_PLAIN 256
#define VPD_MAX 32768
#define CAP_ID_EXPRESS 0x10
#define CAPS_MAX 48 /* so many fit into the 192 bytes behind the header */

bool sysdev_parse_pci(const char *text, NodedevAddress *ret_address)
{
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    int end = 0;

    if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || text[end] ||
        slot > 31 || function > 7)
        return false;
    *ret_address = (NodedevAddress){ .domain = domain, .bus = bus, .slot = slot, .function = function };
    return true;
}

/* ---- names by number ---- */

typedef struct PciNames {
    GMappedFile *file;   /* NULL: there is none */
    GHashTable *vendors; /* number -> where its line begins */
} PciNames;

/* Mapped, not read: its pages are the kernel's to drop. */
static const PciNames *pci_names(void)
{
    static const char *const places[] = { "/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids" };
    static gsize once;
    static PciNames names;

    if (!g_once_init_enter(&once))
        return &names;
    for (size_t i = 0; i < G_N_ELEMENTS(places) && !names.file; i++)
        names.file = g_mapped_file_new(places[i], FALSE, NULL);
    names.vendors = g_hash_table_new(g_direct_hash, g_direct_equal);
    const char *text = names.file ? g_mapped_file_get_contents(names.file) : NULL;
    const char *end = text ? text + g_mapped_file_get_length(names.file) : NULL;
    for (const char *line = text; line && line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (end - line > 6 && g_ascii_isxdigit(line[0]) && line[4] == ' ' && line[5] == ' ')
            g_hash_table_insert(names.vendors, GUINT_TO_POINTER((guint)g_ascii_strtoull(line, NULL, 16)),
                                (char *)line);
        line = next ? next + 1 : NULL;
    }
    g_once_init_leave(&once, 1);
    return &names;
}

static char *line_rest(const char *text, const char *end)
{
    const char *stop = memchr(text, '\n', (size_t)(end - text));

    return g_utf8_make_valid(text, (stop ? stop : end) - text);
}

/* Owned, both; NULL: not known. */
static void look_up_names(uint32_t vendor, uint32_t product, char **ret_vendor, char **ret_product)
{
    const PciNames *names = pci_names();
    const char *line = g_hash_table_lookup(names->vendors, GUINT_TO_POINTER(vendor));

    if (!line)
        return;
    const char *end = g_mapped_file_get_contents(names->file) + g_mapped_file_get_length(names->file);
    *ret_vendor = line_rest(line + 6, end);
    while ((line = memchr(line, '\n', (size_t)(end - line))) && ++line < end &&
           (*line == '\t' || *line == '#')) {
        if (end - line < 8 || line[0] != '\t' || line[1] == '\t')
            continue;
        if (g_ascii_strtoull(line + 1, NULL, 16) == product) {
            *ret_product = line_rest(line + 7, end);
            return;
        }
    }
}

/* ---- vital product data (PCI Local Bus Specification, appendix I) ---- */

enum { VPD_NAME = 0x82, VPD_READ_ONLY = 0x90, VPD_READ_WRITE = 0x91, VPD_END = 0x78 };

static char *vpd_text(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isalnum(data[i]) && !strchr(" -_,.:;=/()#+*", data[i]))
            return NULL;
    }
    return g_strstrip(g_strndup((const char *)data, len));
}

static void vpd_add_field(GPtrArray **list, char key, char *value)
{
    NodedevText *field = xml_table_new(&nodedev_text_table);

    field->key = g_strdup_printf("%c", key);
    field->value = value;
    if (!*list)
        *list = xml_list_new(&nodedev_text_table);
    g_ptr_array_add(*list, field);
}

static bool vpd_read_fields(const uint8_t *all, const uint8_t *data, size_t len, bool read_only,
                            NodedevVpd *vpd)
{
    bool is_checked = !read_only;

    while (len >= 3) {
        const char first = (char)data[0], second = (char)data[1];
        const size_t size = data[2];
        if (size + 3 > len)
            return false;
        if (first == 'R' && second == 'V') {
            uint8_t sum = 0;
            for (const uint8_t *at = all; size && at <= data + 3; at++)
                sum = (uint8_t)(sum + *at);
            if (sum || !size)
                return false;
            is_checked = true;
        } else if (!(first == 'R' && second == 'W')) {
            g_autofree char *text = vpd_text(data + 3, size);
            char **place = first == 'E' && second == 'C'   ? &vpd->change_level
                           : first == 'M' && second == 'N' ? &vpd->manufacture_id
                           : first == 'P' && second == 'N' ? &vpd->part_number
                           : first == 'S' && second == 'N' ? &vpd->serial_number
                           : first == 'Y' && second == 'A' ? &vpd->asset_tag
                                                           : NULL;
            if (text && place) {
                g_free(*place);
                *place = g_steal_pointer(&text);
            } else if (text && g_ascii_isalnum(second) && (first == 'V' || first == 'Y')) {
                vpd_add_field(first == 'V' ? &vpd->vendor_fields : &vpd->system_fields, second,
                              g_steal_pointer(&text));
            }
        }
        data += size + 3;
        len -= size + 3;
    }
    return is_checked;
}

bool sysdev_parse_vpd(const uint8_t *data, size_t len, NodedevCapPart *part)
{
    const uint8_t *at = data, *end = data + len;

    while (at < end && *at != VPD_END) {
        const uint8_t tag = *at;
        if (end - at < 3 || !(tag & 0x80))
            return false;
        const size_t size = at[1] | (size_t)at[2] << 8;
        if (size > (size_t)(end - at) - 3)
            return false;
        at += 3;
        if (tag == VPD_NAME && !part->name) {
            part->name = vpd_text(at, size);
        } else if (tag == VPD_READ_ONLY || tag == VPD_READ_WRITE) {
            NodedevVpd *vpd = xml_table_new(&nodedev_vpd_table);
            vpd->access = g_strdup(tag == VPD_READ_ONLY ? "readonly" : "readwrite");
            if (!part->fields)
                part->fields = xml_list_new(&nodedev_vpd_table);
            g_ptr_array_add(part->fields, vpd);
            if (!vpd_read_fields(data, at, size, tag == VPD_READ_ONLY, vpd))
                return false;
        }
        at += size;
    }
    return part->name && part->fields;
}

static void add_vpd(const SysDevice *device, NodeDeviceDef *def)
{
    size_t len = 0;
    g_autofree uint8_t *data = sysdev_has(device, "vpd") ? sysdev_bytes(device, "vpd", VPD_MAX, &len) : NULL;

    if (!data || !len)
        return;
    NodedevCapPart *part = sysdev_add_part(def, PART_VPD);
    if (!sysdev_parse_vpd(data, len, part))
        xml_list_remove(&nodedev_part_table, &def->parts, def->parts->len - 1);
}

/* ---- functions of SR-IOV ---- */

static void add_function(NodedevCapPart *part, const char *text)
{
    NodedevAddress found;

    if (!text || !sysdev_parse_pci(text, &found))
        return;
    NodedevAddress *address = xml_table_new(&nodedev_address_table);
    *address = found;
    if (!part->addresses)
        part->addresses = xml_list_new(&nodedev_address_table);
    g_ptr_array_add(part->addresses, address);
}

static void add_functions(const SysDevice *device, NodeDeviceDef *def)
{
    const OptU32 most = sysdev_u32(device, "sriov_totalvfs");
    g_autofree char *physical = sysdev_link(device, "physfn");

    if (physical)
        add_function(sysdev_add_part(def, PART_PHYS_FUNCTION), physical);
    if (!most.value)
        return;
    NodedevCapPart *part = sysdev_add_part(def, PART_VIRT_FUNCTIONS);
    part->max_count = most;
    for (unsigned i = 0; i < MIN(most.value, 65536); i++) {
        g_autofree char *function = sysdev_link(device, "virtfn%u", i);
        if (!function)
            break;
        add_function(part, function);
    }
}

/* ---- configuration space ---- */

static uint16_t word_at(const uint8_t *config, size_t at)
{
    return (uint16_t)(config[at] | config[at + 1] << 8);
}

static void add_link(NodeDeviceDef *def, const char *validity, OptU32 port, unsigned speed, unsigned width)
{
    static const char *const speeds[] = { NULL, "2.5", "5", "8", "16", "32", "64" };

    NodedevLink *link = xml_table_new(&nodedev_link_table);
    link->validity = g_strdup(validity);
    link->port = port;
    link->speed = speed < G_N_ELEMENTS(speeds) ? g_strdup(speeds[speed]) : NULL;
    link->width = width;
    if (!def->links)
        def->links = xml_list_new(&nodedev_link_table);
    g_ptr_array_add(def->links, link);
}

static void read_express(NodeDeviceDef *def, const uint8_t *config, size_t len, size_t at)
{
    const unsigned type = at + 4 <= len ? (word_at(config, at + 2) >> 4) & 0xf : 9;

    def->is_express = true;
    if (type == 9 || type == 10 || at + 0x14 > len) /* inside the root complex: no link */
        return;
    const unsigned can = word_at(config, at + 0x0c), does = word_at(config, at + 0x12);
    const OptU32 port = { .value = config[at + 0x0f], .is_set = true };
    add_link(def, "cap", port, can & 0xf, (can >> 4) & 0x3f);
    add_link(def, "sta", (OptU32){ 0 }, does & 0xf, (does >> 4) & 0x3f);
}

static void read_config(const SysDevice *device, NodeDeviceDef *def)
{
    size_t len = 0;
    g_autofree uint8_t *config = sysdev_bytes(device, "config", CONFIG_MAX, &len);

    if (!config || len < 0x40)
        return;
    const unsigned header = config[0x0e] & 0x7f;
    if (header == 1)
        sysdev_add_part(def, PART_PCI_BRIDGE);
    else if (header == 2)
        sysdev_add_part(def, PART_CARDBUS_BRIDGE);
    def->is_express = len > CONFIG_PLAIN; /* only PCI Express has more; some of its devices do not say so */
    if (!(word_at(config, 0x06) & 0x10))
        return;
    size_t at = config[header == 2 ? 0x14 : 0x34] & ~3U;
    for (unsigned i = 0; i < CAPS_MAX && at >= 0x40 && at + 4 <= len; i++, at = config[at + 1] & ~3U) {
        if (config[at] == CAP_ID_EXPRESS) {
            read_express(def, config, len, at);
            return;
        }
    }
}

bool sysdev_read_pci(const SysDevice *device, NodeDeviceDef *def)
{
    NodedevAddress address;
    uint64_t node = 0;

    if (!sysdev_parse_pci(device->name, &address))
        return false;
    def->domain = (OptU32){ .value = address.domain, .is_set = true };
    def->bus = (OptU32){ .value = address.bus, .is_set = true };
    def->slot = (OptU32){ .value = address.slot, .is_set = true };
    def->function = (OptU32){ .value = address.function, .is_set = true };
    def->pci_class = sysdev_u32(device, "class");
    def->vendor_name.id = sysdev_u32(device, "vendor").value & 0xffff;
    def->product_name.id = sysdev_u32(device, "device").value & 0xffff;
    look_up_names(def->vendor_name.id, def->product_name.id, &def->vendor_name.text, &def->product_name.text);
    add_functions(device, def);
    read_config(device, def);
    sysdev_add_mdev_types(device, def);
    add_vpd(device, def);
    def->group = sysdev_read_iommu_group(device, true);
    if (sysdev_number(device, &node, "numa_node") && node <= INT32_MAX)
        def->numa_node = (OptU32){ .value = (uint32_t)node, .is_set = true };
    return true;
}
