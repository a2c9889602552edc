/* The documents that the two sides of a migration send each other, as libvirt 9.0 writes them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <libxml/tree.h>
#include <string.h>

#include "base/units.h"
#include "conf/xml_table.h"
#include "host/node.h"
#include "machine/vm_migrate_private.h"

#define SOURCE "(migration cookie)"
#define FILES "lodge-files"
#define TERMS "lodge-terms"

static void migrate_disk_free(void *data)
{
    MigrateDisk *disk = data;

    g_free(disk->target);
    g_free(disk);
}

GPtrArray *migrate_disk_list_new(void)
{
    return g_ptr_array_new_with_free_func(migrate_disk_free);
}

void migrate_disk_list_add(GPtrArray *disks, const char *target, uint64_t bytes)
{
    MigrateDisk *disk = g_new0(MigrateDisk, 1);

    *disk = (MigrateDisk){ .target = g_strdup(target), .bytes = bytes };
    g_ptr_array_add(disks, disk);
}

void migrate_cookie_clear(MigrateCookie *cookie)
{
    g_free(cookie->host_name);
    g_free(cookie->host_uuid);
    g_free(cookie->domain_xml);
    if (cookie->disks)
        g_ptr_array_unref(cookie->disks);
    job_progress_clear(&cookie->stats);
    json_decref(cookie->files);
    g_free(cookie->tls);
    memset(cookie, 0, sizeof(*cookie));
}

char *migrate_own_uuid(const Host *host)
{
    Uuid uuid;
    char text[UUID_STRING_LEN];

    node_get_uuid(host->config->host_uuid, &uuid);
    uuid_format(&uuid, text);
    return g_strdup(text);
}

/* ---- statistics: one list for both ways ---- */

#define STAT(name, member)                                                                                   \
    {                                                                                                        \
        name, offsetof(MigrateCookie, member)                                                                \
    }
static const struct {
    const char *name;
    size_t offset;
} stat_rows[] = {
    STAT("started", started_ms),
    STAT("stopped", stopped_ms),
    STAT("sent", sent_ms),
    STAT("time_elapsed", stats.elapsed_ms),
    STAT("downtime", stats.downtime_ms),
    STAT("setup_time", stats.setup_ms),
    STAT("memory_total", stats.mem_total),
    STAT("memory_processed", stats.mem_processed),
    STAT("memory_remaining", stats.mem_remaining),
    STAT("memory_bps", stats.mem_bytes_per_s),
    STAT("memory_constant", stats.mem_constant_pages),
    STAT("memory_normal", stats.mem_normal_pages),
    STAT("memory_normal_bytes", stats.mem_normal_bytes),
    STAT("memory_dirty_rate", stats.mem_dirty_rate_pages),
    STAT("memory_iteration", stats.iteration),
    STAT("memory_postcopy_requests", stats.mem_postcopy_requests),
    STAT("memory_page_size", stats.page_size),
    STAT("disk_total", stats.disk_total),
    STAT("disk_processed", stats.disk_processed),
    STAT("disk_remaining", stats.disk_remaining),
    STAT("auto_converge_throttle", stats.throttle_percent),
};

static void write_stats(const MigrateCookie *cookie, GString *out)
{
    g_string_append(out, "  <statistics>\n");
    for (size_t i = 0; i < G_N_ELEMENTS(stat_rows); i++)
        g_string_append_printf(out, "    <%s>%" PRIu64 "</%s>\n", stat_rows[i].name,
                               *(const uint64_t *)(const void *)((const char *)cookie + stat_rows[i].offset),
                               stat_rows[i].name);
    if (cookie->delta_ms)
        g_string_append_printf(out, "    <delta>%" PRId64 "</delta>\n", cookie->delta_ms);
    g_string_append(out, "  </statistics>\n");
}

static char *text_of(const xmlNode *element)
{
    xmlChar *text = xmlNodeGetContent(element);
    char *copy = g_strdup((const char *)text);

    xmlFree(text);
    return copy;
}

static void read_stats(const xmlNode *element, MigrateCookie *cookie)
{
    cookie->has_stats = true;
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        g_autofree char *text = text_of(child);
        if (strcmp((const char *)child->name, "delta") == 0)
            cookie->delta_ms = g_ascii_strtoll(text, NULL, 10);
        for (size_t i = 0; i < G_N_ELEMENTS(stat_rows); i++)
            if (strcmp(stat_rows[i].name, (const char *)child->name) == 0)
                (void)!parse_uint(text, (uint64_t *)(void *)((char *)cookie + stat_rows[i].offset), NULL);
    }
}

/* ---- writing ---- */

static void write_element(const char *name, const char *text, GString *out)
{
    g_string_append_printf(out, "  <%s>", name);
    xml_escape(text, out);
    g_string_append_printf(out, "</%s>\n", name);
}

static void write_disks(const MigrateCookie *cookie, GString *out)
{
    g_string_append(out, "  <nbd");
    if (cookie->nbd_port)
        g_string_append_printf(out, " port='%u'", cookie->nbd_port);
    if (!cookie->disks || cookie->disks->len == 0) {
        g_string_append(out, "/>\n");
        return;
    }
    g_string_append(out, ">\n");
    for (guint i = 0; i < cookie->disks->len; i++) {
        const MigrateDisk *disk = g_ptr_array_index(cookie->disks, i);
        g_string_append(out, "    <disk target='");
        xml_escape_attribute(disk->target, out);
        g_string_append_printf(out, "' capacity='%" PRIu64 "'/>\n", disk->bytes);
    }
    g_string_append(out, "  </nbd>\n");
}

static void write_caps(const MigrateCookie *cookie, GString *out)
{
    g_string_append(out, "  <capabilities>\n");
    for (unsigned i = 0; i < MIGRATE_CAP_COUNT; i++)
        g_string_append_printf(out, "    <cap name='%s' auto='%s'/>\n", migrate_caps[i].name,
                               cookie->auto_caps & (1u << i) ? "yes" : "no");
    g_string_append(out, "  </capabilities>\n");
}

/* Without the declaration, which only the beginning of a document may have. */
static const char *without_declaration(const char *xml)
{
    const char *end = g_str_has_prefix(xml, "<?xml") ? strstr(xml, "?>") : NULL;

    return end ? end + 2 : xml;
}

char *migrate_cookie_format(const Vm *vm, const char *name, const MigrateCookie *cookie)
{
    g_autofree char *host_name = node_get_hostname(), *host_uuid = migrate_own_uuid(vm->host);
    GString *out = g_string_new("<qemu-migration>\n");
    char uuid[UUID_STRING_LEN];

    uuid_format(&vm->uuid, uuid);
    write_element("name", name, out);
    write_element("uuid", uuid, out);
    write_element("hostname", host_name, out);
    write_element("hostuuid", host_uuid, out);
    if (cookie->domain_xml)
        g_string_append_printf(out, "  <feature name='persistent'/>\n%s",
                               without_declaration(cookie->domain_xml));
    if (cookie->has_disks)
        write_disks(cookie, out);
    if (cookie->has_stats)
        write_stats(cookie, out);
    if (cookie->has_caps)
        write_caps(cookie, out);
    if (cookie->tls || cookie->postcopy) { /* libvirtd passes over what is ours */
        g_string_append_printf(out, "  <" TERMS " postcopy='%s'", cookie->postcopy ? "yes" : "no");
        if (cookie->tls) {
            g_string_append(out, " tls='");
            xml_escape_attribute(cookie->tls, out);
            g_string_append_c(out, '\'');
        }
        g_string_append(out, "/>\n");
    }
    if (cookie->files) {
        g_autofree char *files = json_format(cookie->files);
        write_element(FILES, files, out);
    }
    g_string_append(out, "</qemu-migration>\n");
    return g_string_free(out, FALSE);
}

/* ---- reading ---- */

static bool read_feature(const xmlNode *element, Error **err)
{
    static const char *const known[] = { "graphics",       "lockstate",   "persistent",
                                         "network",        "nbd",         "statistics",
                                         "memory-hotplug", "cpu-hotplug", "cpu",
                                         "capabilities",   NULL };
    const char *name = xml_attr(element, "name");

    return (name && g_strv_contains(known, name)) ||
           error_set(err, ERROR_INTERNAL, "Unknown migration cookie feature %s",
                     name ? name : "without a name");
}

static bool read_disks(const xmlNode *element, MigrateCookie *cookie, Error **err)
{
    const char *port = xml_attr(element, "port");
    uint64_t number = 0;

    cookie->has_disks = true;
    if (port && (!parse_uint(port, &number, NULL) || number > UINT16_MAX))
        return error_set(err, ERROR_INTERNAL, "Malformed nbd port '%s'", port);
    cookie->nbd_port = port ? (unsigned)number : 0;
    for (const xmlNode *child = element->children; child; child = child->next) {
        const char *target = child->type == XML_ELEMENT_NODE ? xml_attr(child, "target") : NULL;
        const char *bytes = target ? xml_attr(child, "capacity") : NULL;
        if (!target)
            continue;
        if (!bytes || !parse_uint(bytes, &number, NULL))
            return error_set(err, ERROR_INTERNAL, "Malformed disk capacity: '%s'", bytes ? bytes : "");
        if (!cookie->disks)
            cookie->disks = migrate_disk_list_new();
        migrate_disk_list_add(cookie->disks, target, number);
    }
    return true;
}

static void read_caps(const xmlNode *element, MigrateCookie *cookie)
{
    cookie->has_caps = true;
    for (const xmlNode *child = element->children; child; child = child->next) {
        const char *name = child->type == XML_ELEMENT_NODE ? xml_attr(child, "name") : NULL;
        for (unsigned i = 0; name && i < MIGRATE_CAP_COUNT; i++)
            if (strcmp(migrate_caps[i].name, name) == 0 && g_strcmp0(xml_attr(child, "auto"), "yes") == 0)
                cookie->auto_caps |= 1u << i;
    }
}

static bool read_files(const xmlNode *element, MigrateCookie *cookie, Error **err)
{
    g_autofree char *text = text_of(element);

    return cookie->files || json_parse(text, strlen(text), SOURCE, &cookie->files, err);
}

static char *dump(xmlDoc *doc, xmlNode *element)
{
    xmlBuffer *buffer = xmlBufferCreate();

    (void)xmlNodeDump(buffer, doc, element, 0, 0);
    char *text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

static bool read_child(xmlDoc *doc, xmlNode *child, const char *uuid, MigrateCookie *cookie, Error **err)
{
    const char *name = (const char *)child->name;

    if (strcmp(name, "feature") == 0)
        return read_feature(child, err);
    if (strcmp(name, "nbd") == 0)
        return cookie->has_disks || read_disks(child, cookie, err);
    if (strcmp(name, FILES) == 0)
        return read_files(child, cookie, err);
    if (strcmp(name, TERMS) == 0) {
        cookie->postcopy = g_strcmp0(xml_attr(child, "postcopy"), "yes") == 0;
        g_free(cookie->tls);
        cookie->tls = g_strdup(xml_attr(child, "tls"));
    } else if (strcmp(name, "capabilities") == 0) {
        read_caps(child, cookie);
    } else if (strcmp(name, "statistics") == 0) {
        read_stats(child, cookie);
    } else if (strcmp(name, "domain") == 0 && !cookie->domain_xml) {
        cookie->domain_xml = dump(doc, child);
    } else if (strcmp(name, "hostname") == 0 && !cookie->host_name) {
        cookie->host_name = text_of(child);
    } else if (strcmp(name, "hostuuid") == 0 && !cookie->host_uuid) {
        cookie->host_uuid = text_of(child);
    } else if (strcmp(name, "uuid") == 0 && uuid) {
        g_autofree char *said = text_of(child);
        if (g_ascii_strcasecmp(said, uuid) != 0)
            return error_set(err, ERROR_INTERNAL, "Incoming cookie data had unexpected UUID %s vs %s", said,
                             uuid);
    }
    return true;
}

bool migrate_cookie_parse(const MigrateBytes *bytes, const Uuid *uuid, MigrateCookie *ret_cookie, Error **err)
{
    g_auto(MigrateCookie) cookie = { 0 };
    g_autoptr(xmlDoc) doc = NULL;
    char text[UUID_STRING_LEN];
    size_t len = bytes ? bytes->len : 0;

    while (len > 0 && bytes->data[len - 1] == '\0') /* it goes with its terminator */
        len--;
    if (len == 0)
        return true;
    if (uuid)
        uuid_format(uuid, text);
    if (!xml_document_read((const char *)bytes->data, len, SOURCE, &doc, err))
        return false;
    xmlNode *root = xmlDocGetRootElement(doc);
    if (!root || strcmp((const char *)root->name, "qemu-migration") != 0)
        return error_set(err, ERROR_INTERNAL, "the other side sent no migration cookie");
    for (xmlNode *child = root->children; child; child = child->next)
        if (child->type == XML_ELEMENT_NODE && !read_child(doc, child, uuid ? text : NULL, &cookie, err))
            return false;
    *ret_cookie = cookie;
    cookie = (MigrateCookie){ 0 };
    return true;
}
