/* Changing a part of a network, running or not.
 *
 * A section that can be changed is a list of equal elements: a row says where the list is and which of its
 * items the given element means. The change is made to copies of the definitions, which are then checked as a
 * whole; the running network follows first, because that can fail and be taken back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include <string.h>

#include "base/ip.h"
#include "base/log.h"
#include "conf/xml_internal.h"
#include "core/object_store.h"
#include "network/firewall.h"
#include "network/network_private.h"
#include "wire/wire_enums.h"

typedef enum UpdateCommand {
    UPDATE_MODIFY = VIR_NETWORK_UPDATE_COMMAND_MODIFY,
    UPDATE_DELETE = VIR_NETWORK_UPDATE_COMMAND_DELETE,
    UPDATE_ADD_LAST = VIR_NETWORK_UPDATE_COMMAND_ADD_FIRST - 1,
    UPDATE_ADD_FIRST = VIR_NETWORK_UPDATE_COMMAND_ADD_FIRST
} UpdateCommand;

typedef struct Update Update;
typedef struct UpdateSection {
    const char *element;
    const char *fixed; /* "X cannot be modified, only added or deleted"; NULL: can be modified */
    const XmlTable *table;
    GPtrArray **(*list)(Update *update, Error **err);
    /* Does the given item mean @item? @command: to be added: is it there already? */
    bool (*means)(const Update *update, const void *item);
    bool (*fail_exists)(const Update *update, Error **err);
    bool (*fail_missing)(const Update *update, Error **err);
} UpdateSection;

struct Update {
    const UpdateSection *section;
    UpdateCommand command;
    int index; /* of the subnet; -1: not said */
    const char *xml;
    NetworkDef *def; /* the copy that changes */
    void *item;      /* what was given; owned */
};

#define STATE(...) error_set(err, ERROR_INVALID_STATE, __VA_ARGS__)

static bool adds(const Update *update)
{
    return update->command >= UPDATE_ADD_LAST;
}

static bool same_ip(const char *a, const char *b)
{
    IpAddress left, right;

    return a && b && ip_parse(a, &left) && ip_parse(b, &right) && left.is_v6 == right.is_v6 &&
           ip_compare(&left, &right) == 0;
}

/* Would a text that is not said forbid anything? */
static bool fits(const char *given, const char *have)
{
    return !given || g_strcmp0(given, have) == 0;
}

/* ---- subnets ---- */

/* The subnet that is meant: the one of that index, else the one with addresses to lend, else the first of
 * IPv4. */
static NetworkIp *update_find_ip(Update *update, const char *what, Error **err)
{
    const GPtrArray *ips = update->def->ips;
    NetworkIp *found = NULL;

    if (update->index >= 0 && ips && (guint)update->index < ips->len)
        return g_ptr_array_index(ips, (guint)update->index);
    for (guint i = 0; update->index < 0 && ips && i < ips->len; i++) {
        NetworkIp *ip = g_ptr_array_index(ips, i);
        if (ip->dhcp && (ip->dhcp->ranges || ip->dhcp->hosts))
            return ip;
        if (!found && !network_ip_is_v6(ip))
            found = ip;
    }
    if (!found && update->index >= 0)
        STATE("couldn't update dhcp %s entry - no <ip> element found at index %d in network '%s'", what,
              update->index, update->def->name);
    else if (!found)
        STATE("couldn't update dhcp %s entry - no <ip> element found in network '%s'", what,
              update->def->name);
    return found;
}

/* One subnet of each family lends addresses. */
static bool lends_alone(const Update *update, const NetworkIp *ip, Error **err)
{
    for (guint i = 0; adds(update) && i < update->def->ips->len; i++) {
        const NetworkIp *other = g_ptr_array_index(update->def->ips, i);
        if (other != ip && network_ip_is_v6(other) == network_ip_is_v6(ip) && other->dhcp &&
            (other->dhcp->ranges || other->dhcp->hosts))
            return STATE("dhcp is supported only for a single IPv%c address on each network",
                         network_ip_is_v6(ip) ? '6' : '4');
    }
    return true;
}

static NetworkDhcp *dhcp_of(NetworkIp *ip)
{
    if (!ip->dhcp)
        ip->dhcp = xml_table_new(&network_dhcp_table);
    return ip->dhcp;
}

static GPtrArray **host_list(Update *update, Error **err)
{
    const NetworkDhcpHost *host = update->item;
    NetworkIp *ip = update_find_ip(update, "host", err);
    IpAddress address;

    if (!ip)
        return NULL;
    if (update->command == UPDATE_DELETE && !host->mac && !host->name && !host->ip) {
        error_set(err, ERROR_XML_INVALID,
                  "At least one of name, mac, or ip attribute must be specified for static host definition "
                  "in "
                  "network '%s' ",
                  update->def->name);
        return NULL;
    }
    if (adds(update) && !(host->mac && network_ip_is_v6(ip)) && host->ip && ip_parse(host->ip, &address) &&
        address.is_v6 != network_ip_is_v6(ip)) {
        STATE("the address family of a host entry IP must match the address family of the dhcp element's "
              "parent");
        return NULL;
    }
    return lends_alone(update, ip, err) ? &dhcp_of(ip)->hosts : NULL;
}

static bool same_mac(const char *a, const char *b)
{
    return a && b && g_ascii_strcasecmp(a, b) == 0;
}

static bool host_means(const Update *update, const void *item)
{
    const NetworkDhcpHost *given = update->item, *have = item;

    if (update->command == UPDATE_DELETE)
        return (!given->mac || same_mac(given->mac, have->mac)) && fits(given->name, have->name) &&
               (!given->ip || same_ip(given->ip, have->ip));
    if (update->command == UPDATE_MODIFY && given->mac)
        return same_mac(given->mac, have->mac);
    return same_mac(given->mac, have->mac) || (given->name && g_strcmp0(given->name, have->name) == 0) ||
           (adds(update) && same_ip(given->ip, have->ip));
}

static bool host_exists(const Update *update, Error **err)
{
    const NetworkDhcpHost *host = update->item;

    return STATE("there is an existing dhcp host entry in network '%s' that matches \"<host mac='%s' "
                 "name='%s' ip='%s'/>\"",
                 update->def->name, host->mac ? host->mac : "(null)", host->name ? host->name : "(null)",
                 host->ip ? host->ip : "(null)");
}

static bool host_missing(const Update *update, Error **err)
{
    const NetworkDhcpHost *host = update->item;

    if (update->command == UPDATE_DELETE)
        return STATE("couldn't locate a matching dhcp host entry in network '%s'", update->def->name);
    return STATE("couldn't locate an existing dhcp host entry with \"mac='%s'\" \"name='%s'\" \"ip='%s'\" in "
                 "network '%s'",
                 host->mac ? host->mac : "(null)", host->name ? host->name : "(null)",
                 host->ip ? host->ip : "(null)", update->def->name);
}

static GPtrArray **range_list(Update *update, Error **err)
{
    NetworkIp *ip = update_find_ip(update, "range", err);

    return ip && lends_alone(update, ip, err) ? &dhcp_of(ip)->ranges : NULL;
}

static bool range_means(const Update *update, const void *item)
{
    const NetworkRange *given = update->item, *have = item;

    return same_ip(given->start, have->start) && same_ip(given->end, have->end);
}

static bool range_exists(const Update *update, Error **err)
{
    const NetworkRange *range = update->item;

    return STATE("there is an existing dhcp range entry in network '%s' that matches \"<range start='%s' "
                 "end='%s'/>\"",
                 update->def->name, range->start, range->end);
}

static bool range_missing(const Update *update, Error **err)
{
    return STATE("couldn't locate a matching dhcp range entry in network '%s'", update->def->name);
}

/* ---- devices and portgroups ---- */

static GPtrArray **interface_list(Update *update, Error **err)
{
    return &update->def->interfaces;
}

static bool interface_means(const Update *update, const void *item)
{
    return strcmp(((const NetworkInterface *)update->item)->dev, ((const NetworkInterface *)item)->dev) == 0;
}

static bool interface_exists(const Update *update, Error **err)
{
    return STATE("there is an existing interface entry in network '%s' that matches \"<interface "
                 "dev='%s'>\"",
                 update->def->name, ((const NetworkInterface *)update->item)->dev);
}

static bool interface_missing(const Update *update, Error **err)
{
    return STATE("couldn't find an interface entry in network '%s' matching <interface dev='%s'>",
                 update->def->name, ((const NetworkInterface *)update->item)->dev);
}

static GPtrArray **portgroup_list(Update *update, Error **err)
{
    const NetworkPortgroup *given = update->item;
    GPtrArray *groups = update->def->portgroups;

    for (guint i = 0; groups && i < groups->len; i++) {
        const NetworkPortgroup *group = g_ptr_array_index(groups, i);
        if (update->command != UPDATE_DELETE && given->is_default == TRISTATE_ON &&
            group->is_default == TRISTATE_ON && strcmp(given->name, group->name) != 0) {
            STATE("a different portgroup entry in network '%s' is already set as the default. Only one "
                  "default is allowed.",
                  update->def->name);
            return NULL;
        }
    }
    return &update->def->portgroups;
}

static bool portgroup_means(const Update *update, const void *item)
{
    return strcmp(((const NetworkPortgroup *)update->item)->name, ((const NetworkPortgroup *)item)->name) ==
           0;
}

static bool portgroup_exists(const Update *update, Error **err)
{
    return STATE("there is an existing portgroup entry in network '%s' that matches \"<portgroup "
                 "name='%s'>\"",
                 update->def->name, ((const NetworkPortgroup *)update->item)->name);
}

static bool portgroup_missing(const Update *update, Error **err)
{
    return STATE("couldn't find a portgroup entry in network '%s' matching <portgroup name='%s'>",
                 update->def->name, ((const NetworkPortgroup *)update->item)->name);
}

/* ---- names ---- */

static NetworkDns *dns_of(Update *update)
{
    if (!update->def->dns)
        update->def->dns = xml_table_new(&network_dns_table);
    return update->def->dns;
}

static GPtrArray **dns_host_list(Update *update, Error **err)
{
    const NetworkDnsHost *host = update->item;

    if (host->ip || host->names)
        return &dns_of(update)->hosts;
    error_set(err, ERROR_XML_SYNTAX, "Missing ip and hostname in network '%s' DNS HOST record",
              update->def->name);
    return NULL;
}

static bool dns_host_means(const Update *update, const void *item)
{
    const NetworkDnsHost *given = update->item, *have = item;

    if (given->ip)
        return same_ip(given->ip, have->ip);
    for (guint i = 0; given->names && have->names && i < given->names->len; i++) {
        for (guint k = 0; k < have->names->len; k++) {
            const NetworkDnsName *one = g_ptr_array_index(given->names, i);
            const NetworkDnsName *other = g_ptr_array_index(have->names, k);
            if (g_strcmp0(one->name, other->name) == 0)
                return update->command == UPDATE_DELETE;
        }
    }
    return false;
}

static bool dns_host_exists(const Update *update, Error **err)
{
    return STATE("there is already at least one DNS HOST record with a matching field in network %s",
                 update->def->name);
}

static bool dns_host_missing(const Update *update, Error **err)
{
    return STATE("couldn't locate a matching DNS HOST record in network %s", update->def->name);
}

static GPtrArray **txt_list(Update *update, Error **err)
{
    if (((const NetworkTxt *)update->item)->name)
        return &dns_of(update)->txts;
    error_set(err, ERROR_XML_SYNTAX, "missing required name attribute in DNS TXT record of network %s",
              update->def->name);
    return NULL;
}

static bool txt_means(const Update *update, const void *item)
{
    return g_strcmp0(((const NetworkTxt *)update->item)->name, ((const NetworkTxt *)item)->name) == 0;
}

static bool txt_exists(const Update *update, Error **err)
{
    return STATE("there is already a DNS TXT record with name '%s' in network %s",
                 ((const NetworkTxt *)update->item)->name, update->def->name);
}

static bool txt_missing(const Update *update, Error **err)
{
    return STATE("couldn't locate a matching DNS TXT record in network %s", update->def->name);
}

static GPtrArray **srv_list(Update *update, Error **err)
{
    if (!adds(update) || ((const NetworkSrv *)update->item)->service)
        return &dns_of(update)->srvs;
    error_set(err, ERROR_XML_SYNTAX, "missing required service attribute in DNS SRV record of network '%s'",
              update->def->name);
    return NULL;
}

static bool srv_number_fits(OptU32 given, OptU32 have)
{
    return !given.is_set || (have.is_set && given.value == have.value);
}

static bool srv_means(const Update *update, const void *item)
{
    const NetworkSrv *given = update->item, *have = item;

    return fits(given->domain, have->domain) && fits(given->service, have->service) &&
           fits(given->protocol, have->protocol) && fits(given->target, have->target) &&
           srv_number_fits(given->port, have->port) && srv_number_fits(given->priority, have->priority) &&
           srv_number_fits(given->weight, have->weight);
}

static bool srv_exists(const Update *update, Error **err)
{
    return STATE("there is already at least one DNS SRV record matching all specified fields in network %s",
                 update->def->name);
}

static bool srv_missing(const Update *update, Error **err)
{
    return STATE("couldn't locate a matching DNS SRV record in network %s", update->def->name);
}

#define LIST_OF(name) name##_list, name##_means, name##_exists, name##_missing
static const UpdateSection sections[] = {
    [VIR_NETWORK_SECTION_IP_DHCP_HOST] = { "host", NULL, &network_dhcp_host_table, LIST_OF(host) },
    [VIR_NETWORK_SECTION_IP_DHCP_RANGE] = { "range", "dhcp ranges", &network_dhcp_range_table,
                                            LIST_OF(range) },
    [VIR_NETWORK_SECTION_FORWARD_INTERFACE] = { "interface", "forward interface entries",
                                                &network_interface_table, LIST_OF(interface) },
    [VIR_NETWORK_SECTION_PORTGROUP] = { "portgroup", NULL, &network_portgroup_table, LIST_OF(portgroup) },
    [VIR_NETWORK_SECTION_DNS_HOST] = { "host", "DNS HOST records", &network_dns_host_table,
                                       LIST_OF(dns_host) },
    [VIR_NETWORK_SECTION_DNS_TXT] = { "txt", "DNS TXT records", &network_dns_txt_table, LIST_OF(txt) },
    [VIR_NETWORK_SECTION_DNS_SRV] = { "srv", "DNS SRV records", &network_dns_srv_table, LIST_OF(srv) },
};

static const char *const section_names[] = { NULL,           "bridge",        "domain",   "ip",
                                             "ip-dhcp-host", "ip-dhcp-range", "forward",  "forward interface",
                                             "forward pf",   "portgroup",     "dns-host", "dns-txt",
                                             "dns-srv" };

/* ---- one definition ---- */

static bool update_read(Update *update, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    XmlReader reader = { .source = "network_update_xml" };

    if (!xml_document_read(update->xml, strlen(update->xml), reader.source, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, update->section->element) != 0)
        return error_set(err, ERROR_XML_INVALID,
                         "unexpected element <%s>, expecting <%s>, while updating network '%s'",
                         (const char *)root->name, update->section->element, update->def->name);
    return xml_table_read(update->section->table, &reader, root, &update->item, err);
}

/* What is to be found must make sense; what goes may be told by a part of it. */
static bool update_check_item(const Update *what, Error **err)
{
    const NetworkDhcpHost *host = what->section->means == host_means ? what->item : NULL;
    const NetworkDnsHost *dns = what->section->means == dns_host_means ? what->item : NULL;
    const NetworkTxt *txt = what->section->means == txt_means ? what->item : NULL;
    const bool is_whole =
        what->command == UPDATE_MODIFY || what->section->means == range_means || (txt && txt->value);
    Mac mac;
    IpAddress ip;

    if (adds(what))
        return true; /* it is checked where it will be */
    if (host && host->mac && !mac_parse(host->mac, &mac, NULL))
        return error_set(err, ERROR_XML_INVALID, "Cannot parse MAC address '%s' in network '%s'", host->mac,
                         what->def->name);
    if (dns && dns->ip && !ip_parse(dns->ip, &ip))
        return error_set(err, ERROR_XML_SYNTAX, "Invalid IP address in network '%s' DNS HOST record",
                         what->def->name);
    if (!is_whole)
        return true;
    Update update = *what;
    update.def = xml_table_copy(&network_table, what->def);
    GPtrArray **list = what->section->list(&update, err);
    if (list) { /* alone in its list */
        xml_list_free(what->section->table, *list);
        *list = xml_list_new(what->section->table);
        g_ptr_array_add(*list, xml_table_copy(what->section->table, what->item));
        g_clear_pointer(&update.def->forward_dev, g_free);
    }
    const bool ok = list && network_def_complete(update.def, err);
    xml_table_free(&network_table, update.def);
    return ok;
}

static bool update_change(Update *update, Error **err)
{
    const UpdateSection *section = update->section;
    GPtrArray **list = section->list(update, err);
    guint at = 0;

    if (!list || !update_check_item(update, err))
        return false;
    while (*list && at < (*list)->len && !section->means(update, g_ptr_array_index(*list, at)))
        at++;
    const bool found = *list && at < (*list)->len;
    if (found && adds(update))
        return section->fail_exists(update, err);
    if (!found && !adds(update))
        return section->fail_missing(update, err);
    if (update->command == UPDATE_DELETE) {
        xml_list_remove(section->table, list, at);
        return true;
    }
    if (!*list)
        *list = xml_list_new(section->table);
    if (update->command == UPDATE_MODIFY) {
        xml_table_free(section->table, g_ptr_array_index(*list, at));
        g_ptr_array_index(*list, at) = g_steal_pointer(&update->item);
    } else {
        g_ptr_array_insert(*list, update->command == UPDATE_ADD_FIRST ? 0 : -1,
                           g_steal_pointer(&update->item));
    }
    return true;
}

/* *ret_def: a changed copy of @from, checked. Owned. */
static bool update_copy(const Update *what, const NetworkDef *from, NetworkDef **ret_def, Error **err)
{
    Update update = *what;

    if (what->section->fixed && what->command == UPDATE_MODIFY)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "%s cannot be modified, only added or deleted",
                         what->section->fixed);
    update.def = xml_table_copy(&network_table, from);
    bool ok = update_read(&update, err) && update_change(&update, err);
    if (ok) {
        g_clear_pointer(&update.def->forward_dev, g_free); /* follows from the interfaces */
        ok = network_def_complete(update.def, err);
    }
    xml_table_free(update.section->table, update.item);
    if (ok)
        *ret_def = update.def;
    else
        xml_table_free(&network_table, update.def);
    return ok;
}

/* ---- network ---- */

static bool update_check(const Network *network, unsigned command, unsigned section, unsigned flags,
                         const char *function, Error **err)
{
    if (!check_flags(flags, VIR_NETWORK_UPDATE_AFFECT_LIVE | VIR_NETWORK_UPDATE_AFFECT_CONFIG, function, err))
        return false;
    if (flags & VIR_NETWORK_UPDATE_AFFECT_LIVE && !network->live)
        return STATE("network is not running");
    if (flags & VIR_NETWORK_UPDATE_AFFECT_CONFIG && !network->config)
        return STATE("cannot change persistent config of a transient network");
    if (section == VIR_NETWORK_SECTION_NONE || section >= G_N_ELEMENTS(section_names))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "can't update unrecognized section of network");
    if (section >= G_N_ELEMENTS(sections) || !sections[section].element)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "can't update '%s' section of network '%s'",
                         section_names[section], network->name);
    if (command < UPDATE_MODIFY || command > UPDATE_ADD_FIRST)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "unrecognized network update command code %u",
                         command);
    return true;
}

bool network_replace(Network *network, NetworkDef *config, NetworkDef *live, Error **err)
{
    fiber_shield_begin(); /* both or none */
    bool ok = !live || network_change_live(network, live, err);
    if (ok && config && !object_store(network->host, &network_class, config, err)) {
        if (live && !network_change_live(network, network->live, NULL))
            log_warning("network '%s' runs with a change that could not be stored", network->name);
        ok = false;
    }
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&network_table, config);
        xml_table_free(&network_table, live);
        return false;
    }
    if (config)
        object_set_config(&network->object, config);
    if (live) {
        object_set_live(&network->object, live);
        network_count_ports(network);
    }
    return true;
}

bool network_update(Object *object, unsigned command, unsigned section, int index, const char *xml,
                    unsigned flags, const char *function, const Caller *caller, Error **err)
{
    Network *network = (Network *)object;
    g_auto(Job) job = { 0 };
    NetworkDef *config = NULL, *live = NULL;

    if (!job_begin(object, JOB_MODIFY, caller, &job, err) || !object_require_listed(object, err) ||
        !update_check(network, command, section, flags, function, err))
        return false;
    if (!(flags & (VIR_NETWORK_UPDATE_AFFECT_LIVE | VIR_NETWORK_UPDATE_AFFECT_CONFIG)))
        flags |= network->live ? VIR_NETWORK_UPDATE_AFFECT_LIVE : VIR_NETWORK_UPDATE_AFFECT_CONFIG;
    const Update update = {
        .section = &sections[section], .command = (UpdateCommand)command, .index = index, .xml = xml
    };
    bool ok = (!(flags & VIR_NETWORK_UPDATE_AFFECT_CONFIG) ||
               update_copy(&update, network->config, &config, err)) &&
              (!(flags & VIR_NETWORK_UPDATE_AFFECT_LIVE) || update_copy(&update, network->live, &live, err));
    if (!ok) {
        xml_table_free(&network_table, config);
        xml_table_free(&network_table, live);
        return false;
    }
    if (!network_replace(network, config, live, err))
        return false;
    log_info("network '%s' changed by %s", network->name, caller_describe(caller));
    return true;
}
