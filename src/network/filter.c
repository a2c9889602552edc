/* The class of network filters, and the filters that a fresh host has. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "filter"
#include "network/filter.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "core/object_store.h"
#include "network/filter_private.h"
#include "wire/wire_enums.h"

/* ---- the standard set ---- */

#define RULE(action, direction, priority, inside)                                                            \
    "<rule action='" action "' direction='" direction "' priority='" priority "'>" inside "</rule>"
#define REFERENCE(filter) "<filterref filter='" filter "'/>"
#define FILTER(name, chain, inside) "<filter name='" name "' chain='" chain "'>" inside "</filter>"
#define DHCP_REQUEST                                                                                         \
    RULE("accept", "out", "100",                                                                             \
         "<ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' "             \
         "dstportstart='67'/>")
#define DHCPV6_REQUEST                                                                                       \
    RULE("accept", "out", "100",                                                                             \
         "<ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546' "  \
         "dstportstart='547'/>")

static const char *const standard[] = {
    FILTER("allow-arp", "arp", RULE("accept", "inout", "500", "")),
    FILTER("allow-ipv4", "ipv4", RULE("accept", "inout", "500", "")),
    FILTER("allow-ipv6", "ipv6", RULE("accept", "inout", "500", "")),
    FILTER("allow-incoming-ipv4", "ipv4", RULE("accept", "in", "500", "")),
    FILTER("allow-incoming-ipv6", "ipv6", RULE("accept", "in", "500", "")),
    FILTER("allow-dhcp", "ipv4",
           DHCP_REQUEST RULE("accept", "in", "100",
                             "<ip protocol='udp' srcportstart='67' dstportstart='68'/>")),
    FILTER("allow-dhcp-server", "ipv4",
           DHCP_REQUEST RULE("accept", "in", "100",
                             "<ip srcipaddr='$DHCPSERVER' protocol='udp' srcportstart='67' "
                             "dstportstart='68'/>")),
    FILTER("allow-dhcpv6", "ipv6",
           DHCPV6_REQUEST RULE("accept", "in", "100",
                               "<ipv6 protocol='udp' srcportstart='547' dstportstart='546'/>")),
    FILTER("allow-dhcpv6-server", "ipv6",
           DHCPV6_REQUEST RULE("accept", "in", "100",
                               "<ipv6 srcipaddr='$DHCPSERVER' protocol='udp' srcportstart='547' "
                               "dstportstart='546'/>")),
    FILTER("no-mac-spoofing", "mac",
           RULE("return", "out", "500", "<mac srcmacaddr='$MAC'/>") RULE("drop", "out", "500", "<mac/>")),
    FILTER("no-mac-broadcast", "ipv4", RULE("drop", "out", "500", "<mac dstmacaddr='ff:ff:ff:ff:ff:ff'/>")),
    "<filter name='no-ip-spoofing' chain='ipv4-ip' priority='-710'>" RULE(
        "return", "out", "100", "<ip srcipaddr='0.0.0.0' protocol='udp'/>")
        RULE("return", "out", "500", "<ip srcipaddr='$IP'/>") RULE("drop", "out", "1000", "") "</filter>",
    "<filter name='no-ipv6-spoofing' chain='ipv6-ip' priority='-610'>" RULE(
        "return", "out", "100", "<ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp'/>")
        RULE("return", "out", "500", "<ipv6 srcipaddr='$IPV6'/>") RULE("drop", "out", "1000", "") "</filter>",
    FILTER("no-ip-multicast", "ipv4",
           RULE("drop", "out", "500", "<ip dstipaddr='224.0.0.0' dstipmask='4'/>")),
    FILTER("no-ipv6-multicast", "ipv6",
           RULE("drop", "out", "500", "<ipv6 dstipaddr='ff00::' dstipmask='8'/>")),
    "<filter name='no-arp-mac-spoofing' chain='arp-mac' priority='-520'>" RULE("return", "out", "350",
                                                                               "<arp arpsrcmacaddr='$MAC'/>")
        RULE("drop", "out", "1000", "") "</filter>",
    "<filter name='no-arp-ip-spoofing' chain='arp-ip' priority='-510'>" RULE("return", "out", "400",
                                                                             "<arp arpsrcipaddr='$IP'/>")
        RULE("drop", "out", "1000", "") "</filter>",
    FILTER("no-arp-spoofing", "root", REFERENCE("no-arp-mac-spoofing") REFERENCE("no-arp-ip-spoofing")),
    FILTER("no-other-l2-traffic", "root", RULE("drop", "inout", "1000", "")),
    FILTER("no-other-rarp-traffic", "rarp", RULE("drop", "inout", "1000", "")),
    FILTER("qemu-announce-self-rarp", "rarp",
           RULE("accept", "out", "500",
                "<rarp srcmacaddr='$MAC' dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse' "
                "arpsrcmacaddr='$MAC' arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>")
               RULE("accept", "in", "500",
                    "<rarp dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse' arpsrcmacaddr='$MAC' "
                    "arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>")),
    FILTER("qemu-announce-self", "root",
           RULE("accept", "out", "500", "<mac protocolid='0x835'/>") REFERENCE("qemu-announce-self-rarp")
               REFERENCE("no-other-rarp-traffic")),
    FILTER("clean-traffic", "root",
           REFERENCE("no-mac-spoofing") REFERENCE("no-ip-spoofing")
               RULE("accept", "out", "-650", "<mac protocolid='ipv4'/>") REFERENCE("allow-incoming-ipv4")
                   REFERENCE("no-arp-spoofing") RULE("accept", "inout", "-500", "<mac protocolid='arp'/>")
                       REFERENCE("no-other-l2-traffic") REFERENCE("qemu-announce-self")),
    FILTER("clean-traffic-gateway", "root",
           REFERENCE("no-mac-spoofing") REFERENCE("no-ip-spoofing") REFERENCE("no-arp-spoofing")
               RULE("accept", "inout", "-500", "<mac protocolid='arp'/>")
                   RULE("accept", "in", "500", "<mac srcmacaddr='$GATEWAY_MAC'/>")
                       RULE("accept", "out", "500", "<mac dstmacaddr='$GATEWAY_MAC'/>")
                           REFERENCE("no-other-l2-traffic") REFERENCE("qemu-announce-self")),
};

AWAITS static void make_standard(Host *host)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(standard); i++) {
        g_autoptr(Error) err = NULL;
        Object *filter = object_define(host, &filter_class, standard[i], 0, __func__, NULL, &err);
        if (filter)
            object_unref(filter);
        else
            log_error_error(err, "a standard network filter");
    }
}

/* ---- the class ---- */

/* Of the filters as they are, and @coming among them. */
typedef struct Tree {
    Host *host;
    const FilterDef *coming;
} Tree;

static const FilterDef *tree_find(void *arg, const char *name)
{
    const Tree *tree = arg;

    if (tree->coming && strcmp(tree->coming->name, name) == 0)
        return tree->coming;
    const Object *object = registry_get_name(host_registry(tree->host, &filter_class), name);
    return object ? object->config : NULL;
}

/* Bindings whose rules come from @name, as trees are or will be. References. */
static GPtrArray *find_users(Host *host, const char *name, const FilterDef *coming)
{
    Tree now = { .host = host }, then = { .host = host, .coming = coming };
    GPtrArray *users = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &filter_binding_class));
         (object = registry_next(&iter));) {
        const FilterBinding *binding = (FilterBinding *)object;
        const char *top = binding->live ? binding->live->filter : NULL;
        const FilterDef *def = top ? tree_find(&now, top) : NULL;
        if (top && (strcmp(top, name) == 0 || (def && filter_tree_has(def, name, tree_find, &now)) ||
                    (def && coming && filter_tree_has(def, name, tree_find, &then))))
            g_ptr_array_add(users, object_ref(object));
    }
    return users;
}

/* The interfaces that use it change first: what they cannot do is no definition. */
AWAITS static bool filter_accept(Object *object, const void *new_def, Error **err)
{
    const FilterDef *def = new_def;
    Tree tree = { .host = object->host, .coming = def };

    if (filter_tree_has(def, def->name, tree_find, &tree))
        return error_set(err, ERROR_OPERATION_FAILED, "filter would introduce a loop");
    if (!filter_rules_begin(object->host, err))
        return false;
    g_autoptr(GPtrArray) users = find_users(object->host, def->name, def);
    const bool ok = filter_rules_apply(object->host, users, def, err);
    filter_rules_end(object->host);
    return ok;
}

AWAITS static bool filter_undefine(Object *object, Error **err)
{
    g_autoptr(GPtrArray) users = find_users(object->host, object->name, NULL);

    return users->len == 0 || error_set(err, ERROR_INVALID_STATE, "nwfilter is in use");
}

/* Unlike documents of other kinds, these are refused by their root's name in the words of all servers. */
AWAITS static bool filter_parse(Host *host, const char *xml, size_t len, const char *source, unsigned flags,
                                void **ret_def, Error **err)
{
    /* In messages clients find the name that all servers give it. */
    const char *place = flags & OBJECT_PARSE_TRUSTED ? source : "(nwfilter_definition)";
    XmlReader reader = { .flags = flags & OBJECT_PARSE_VALIDATE ? XML_READ_STRICT : 0, .source = place };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(xml, len, place, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "filter") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'filter', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&filter_table, &reader, root, &def, err))
        return false;
    if (uuid_is_null(&((FilterDef *)def)->uuid))
        uuid_generate(&((FilterDef *)def)->uuid);
    *ret_def = def;
    return true;
}

const ObjectClass filter_class = {
    .kind = OBJECT_NWFILTER,
    .noun = "nwfilter",
    .short_noun = "filter",
    .size = sizeof(Filter),
    .missing = ERROR_NO_NWFILTER,
    .table = &filter_table,
    .root = "filter",
    .def_name = offsetof(FilterDef, name),
    .def_uuid = offsetof(FilterDef, uuid),
    .edit_command = "nwfilter-edit",
    .config_dir = offsetof(Paths, nwfilter),
    .parse = filter_parse,
    .accept = filter_accept,
    .undefine = filter_undefine,
};

/* ---- the room ---- */

static void filter_room_close(Host *host)
{
    FilterRoom *room = host->filters;

    wait_queue_clear(&room->turn);
    g_clear_pointer(&room->names, g_hash_table_unref);
    g_clear_pointer(&host->filters, g_free);
}

void filter_open(Host *host)
{
    host->filters = g_new0(FilterRoom, 1);
    wait_queue_init(&host->filters->turn);
    host_add_class(host, &filter_class);
    host_add_class(host, &filter_binding_class);
    host_on_free(host, filter_room_close);
}

bool filter_load(Host *host, Error **err)
{
    const bool is_new = !host->paths->is_session && access(host->paths->nwfilter, F_OK) != 0;

    if (!file_make_dirs(host->paths->nwfilter, 0700, err) ||
        !file_remove_leftovers(host->paths->nwfilter, err) || !object_store_load(host, &filter_class, err))
        return false;
    if (is_new)
        make_standard(host);
    filter_load_bindings(host);
    return true;
}
