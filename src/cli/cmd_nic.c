/* Commands about the network interfaces of a domain: come and go, cable, limits, addresses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

#define DEVICE_CHANGED "Device updated successfully"

/* ---- rates: AVERAGE,PEAK,BURST,FLOOR ---- */

static const char *const rate_names[] = { "average", "peak", "burst", "floor" };

typedef struct Rate {
    uint32_t numbers[G_N_ELEMENTS(rate_names)];
    unsigned count;
} Rate;

static bool read_rate(const CliArgs *args, const char *option, Rate *ret_rate, Error **err)
{
    const char *text = args_get(args, option);
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
    const unsigned max = strcmp(option, "inbound") == 0 ? 4 : 3;

    for (; parts[ret_rate->count]; ret_rate->count++) {
        char *end = NULL;
        const char *part = parts[ret_rate->count];
        const uint64_t number = g_ascii_strtoull(part, &end, 10);
        if (ret_rate->count >= max || number > UINT32_MAX || *end || (!*part && ret_rate->count == 0))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--%s: '%s' is not AVERAGE[,PEAK[,BURST%s]] in kilobytes", option, text,
                             max == 4 ? "[,FLOOR]" : "");
        ret_rate->numbers[ret_rate->count] = (uint32_t)number;
    }
    return true;
}

static void append_rate(GString *xml, const char *way, const Rate *rate)
{
    if (rate->count == 0)
        return;
    g_string_append_printf(xml, "<%s", way);
    for (unsigned i = 0; i < rate->count; i++) {
        if (rate->numbers[i])
            g_string_append_printf(xml, " %s='%u'", rate_names[i], rate->numbers[i]);
    }
    g_string_append(xml, "/>");
}

/* ---- attach-interface ---- */

#define OPT_PERSISTENT OPT_BOOL("persistent", "now and in the stored definition")

static const CliOption attach_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "type", "network, bridge, direct, user or ethernet", .flags = CLI_REQUIRED),
    OPT(CLI_STRING, "source", "name of the network, bridge or device; - for none", .flags = CLI_REQUIRED),
    OPT_NAMED("target", "name of its end on the host"),
    OPT_NAMED("mac", "MAC address"),
    OPT_NAMED("script", "program that runs when it comes up (type ethernet)"),
    OPT_NAMED("model", "network card that the guest sees"),
    OPT_NAMED("alias", "name of its own, with ua- before it"),
    OPT_NAMED("inbound", "limit towards the guest: AVERAGE[,PEAK[,BURST[,FLOOR]]] in kilobytes per second"),
    OPT_NAMED("outbound", "limit of what the guest sends: AVERAGE[,PEAK[,BURST]]"),
    OPT(CLI_STRING, "source-mode", "mode of a direct interface", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "vepa bridge private passthrough"),
    OPT_BOOL("print-xml", "print the XML instead"),
    OPT_PERSISTENT,
    OPT_AFFECT,
    { 0 },
};

static void append_element(GString *xml, const char *element, const char *attribute, const char *value)
{
    if (!value)
        return;
    g_autofree char *text = g_markup_escape_text(value, -1);
    g_string_append_printf(xml, "<%s %s='%s'/>", element, attribute, text);
}

static bool attach_xml(const CliArgs *args, GString *xml, Error **err)
{
    static const struct {
        const char *type, *attribute; /* of <source>; NULL: it has none */
    } types[] = { { "network", "network" },
                  { "bridge", "bridge" },
                  { "direct", "dev" },
                  { "user", NULL },
                  { "ethernet", NULL } };
    const char *type = args_get(args, "type"), *source = args_get(args, "source");
    Rate inbound = { 0 }, outbound = { 0 };
    size_t row = 0;

    while (row < G_N_ELEMENTS(types) && strcmp(types[row].type, type) != 0)
        row++;
    if (row == G_N_ELEMENTS(types))
        return error_set(err, ERROR_INVALID_ARGUMENT, "No support for %s in command 'attach-interface'",
                         type);
    if (!read_rate(args, "inbound", &inbound, err) || !read_rate(args, "outbound", &outbound, err))
        return false;
    g_string_append_printf(xml, "<interface type='%s'>", type);
    if (types[row].attribute) {
        g_autofree char *text = g_markup_escape_text(source, -1);
        g_string_append_printf(xml, "<source %s='%s'", types[row].attribute, text);
        if (args_has(args, "source-mode"))
            g_string_append_printf(xml, " mode='%s'", args_get(args, "source-mode"));
        g_string_append(xml, "/>");
    }
    append_element(xml, "target", "dev", args_get(args, "target"));
    append_element(xml, "mac", "address", args_get(args, "mac"));
    append_element(xml, "script", "path", args_get(args, "script"));
    append_element(xml, "model", "type", args_get(args, "model"));
    append_element(xml, "alias", "name", args_get(args, "alias"));
    if (inbound.count || outbound.count) {
        g_string_append(xml, "<bandwidth>");
        append_rate(xml, "inbound", &inbound);
        append_rate(xml, "outbound", &outbound);
        g_string_append(xml, "</bandwidth>");
    }
    g_string_append(xml, "</interface>");
    return true;
}

static bool attach_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GString) xml = g_string_new(NULL);
    uint32_t flags = 0;

    cli_doing(cli, "Failed to attach interface");
    if (!attach_xml(args, xml, err))
        return false;
    if (args_has(args, "print-xml")) {
        cli_say(cli, "%s\n", xml->str);
        return true;
    }
    if (!cli_domain(cli, args, &dom, err) || !cli_affect_flags(cli, args, &dom, &flags, err))
        return false;
    const WireDomainAttachDeviceFlagsArgs call = { .dom = dom, .xml = xml->str, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_ATTACH_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_message(cli, "Interface attached successfully");
    return true;
}

/* ---- one interface of a domain ---- */

/* The node that is meant, borrowed from @ret_doc. @type, @name: NULL for any. */
static bool find_interface(Cli *cli, const WireDomain *dom, bool inactive, const char *type, const char *name,
                           XmlDoc **ret_doc, xmlNode **ret_node, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    unsigned count = 0;

    if (!cli_domain_xml(cli, dom, inactive ? VIR_DOMAIN_XML_INACTIVE : 0, &xml, err) ||
        !xml_parse(xml, ret_doc, err) ||
        !xml_select(*ret_doc, NULL, "/domain/devices/interface", &nodes, err))
        return false;
    for (unsigned i = 0; i < nodes->len; i++) {
        g_autofree char *its_type = xml_get(*ret_doc, nodes->pdata[i], "./@type");
        g_autofree char *mac = xml_get(*ret_doc, nodes->pdata[i], "./mac/@address");
        g_autofree char *target = xml_get(*ret_doc, nodes->pdata[i], "./target/@dev");
        if ((type && g_strcmp0(type, its_type) != 0) ||
            (name && g_ascii_strcasecmp(name, mac ? mac : "") != 0 && g_strcmp0(name, target) != 0))
            continue;
        *ret_node = nodes->pdata[i];
        count++;
    }
    if (count == 1)
        return true;
    if (count > 1 && !name)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "Domain has %u interfaces. Please specify which one to detach using --mac", count);
    if (count > 1)
        return error_set(err, ERROR_OPERATION_FAILED, "Domain has multiple interfaces matching '%s'", name);
    return error_set(err, ERROR_DEVICE_MISSING, name ? "the domain has no interface '%s'" : "%s",
                     name ? name : "the domain has no interface of that type");
}

static char *node_text(XmlDoc *doc, xmlNode *node)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    g_ptr_array_add(one, node);
    return xml_format_nodes(doc, one, false);
}

static const CliOption detach_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "type", "type of the interface", .flags = CLI_REQUIRED),
    OPT_NAMED("mac", "its MAC address"),
    OPT_PERSISTENT,
    OPT_AFFECT,
    { 0 },
};

static bool detach_one(Cli *cli, const CliArgs *args, const WireDomain *dom, uint32_t flags, Error **err)
{
    const bool inactive = (flags & VIR_DOMAIN_AFFECT_CONFIG) && !(flags & VIR_DOMAIN_AFFECT_LIVE);
    g_autoptr(XmlDoc) doc = NULL;
    xmlNode *node = NULL;

    if (!find_interface(cli, dom, inactive, args_get(args, "type"), args_get(args, "mac"), &doc, &node, err))
        return false;
    g_autofree char *xml = node_text(doc, node);
    const WireDomainDetachDeviceFlagsArgs call = { .dom = *dom, .xml = xml, .flags = flags };
    return cli_call(cli, PROC_DOMAIN_DETACH_DEVICE_FLAGS, &call, NULL, err);
}

static bool detach_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    uint32_t flags = 0;

    cli_doing(cli, "Failed to detach interface");
    if (!cli_domain(cli, args, &dom, err) || !cli_affect_flags(cli, args, &dom, &flags, err))
        return false;
    /* The stored one may have another address than the one that runs: each is looked up by itself. */
    const bool both = (flags & VIR_DOMAIN_AFFECT_CONFIG) && (flags & VIR_DOMAIN_AFFECT_LIVE);
    if ((both && !detach_one(cli, args, &dom, VIR_DOMAIN_AFFECT_CONFIG, err)) ||
        !detach_one(cli, args, &dom, both ? VIR_DOMAIN_AFFECT_LIVE : flags, err))
        return false;
    cli_message(cli, "Interface detached successfully");
    return true;
}

/* ---- the cable ---- */

#define OPT_INTERFACE                                                                                        \
    OPT(CLI_STRING, "interface", "name of the interface on the host, or its MAC address",                    \
        .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN_INTERFACE)

static const CliOption setlink_options[] = {
    OPT_DOMAIN,
    OPT_INTERFACE,
    OPT(CLI_STRING, "state", "up or down", .flags = CLI_REQUIRED | CLI_ONE_OF, .words = "up down"),
    OPT_BOOL("config", "change the stored definition, used at the next start"),
    { 0 },
};

static void set_link(xmlNode *node, const char *state)
{
    xmlNode *link = node->children;

    while (link && (link->type != XML_ELEMENT_NODE || strcmp((const char *)link->name, "link") != 0))
        link = link->next;
    if (!link)
        link = xmlNewChild(node, NULL, (const xmlChar *)"link", NULL);
    xmlSetProp(link, (const xmlChar *)"state", (const xmlChar *)state);
}

static bool setlink_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    xmlNode *node = NULL;
    const bool config = args_has(args, "config");

    cli_doing(cli, "Failed to update interface link state");
    if (!cli_domain(cli, args, &dom, err) ||
        !find_interface(cli, &dom, config, NULL, args_get(args, "interface"), &doc, &node, err))
        return false;
    set_link(node, args_get(args, "state"));
    g_autofree char *xml = node_text(doc, node);
    const WireDomainUpdateDeviceFlagsArgs call = { .dom = dom,
                                                   .xml = xml,
                                                   .flags = config ? VIR_DOMAIN_AFFECT_CONFIG : 0 };
    if (!cli_call(cli, PROC_DOMAIN_UPDATE_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_message(cli, "%s", DEVICE_CHANGED);
    return true;
}

static const CliOption getlink_options[] = {
    OPT_DOMAIN,
    OPT_INTERFACE,
    OPT_BOOL("config", "the stored definition"),
    { 0 },
};

static bool getlink_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    xmlNode *node = NULL;
    const char *name = args_get(args, "interface");

    if (!cli_domain(cli, args, &dom, err) ||
        !find_interface(cli, &dom, args_has(args, "config"), NULL, name, &doc, &node, err))
        return false;
    g_autofree char *state = xml_get(doc, node, "./link/@state");
    Json *object = json_object();
    json_object_set_new(object, "interface", json_string(name));
    json_object_set_new(object, "state", json_string(state ? state : "up"));
    cli_say(cli, "%s %s\n", name, state ? state : "up");
    cli_print_json(cli, object);
    return true;
}

/* ---- domiftune ---- */

static const CliOption iftune_options[] = {
    OPT_DOMAIN,
    OPT_INTERFACE,
    OPT_NAMED("inbound", "limit towards the guest: AVERAGE[,PEAK[,BURST[,FLOOR]]] in kilobytes; 0: none"),
    OPT_NAMED("outbound", "limit of what the guest sends: AVERAGE[,PEAK[,BURST]]; 0: none"),
    OPT_AFFECT,
    { 0 },
};

static void add_rate(GArray *params, const char *way, const Rate *rate)
{
    for (unsigned i = 0; i < rate->count; i++) {
        WireTypedParam param = { .field = g_strdup_printf("%s.%s", way, rate_names[i]),
                                 .value = { .type = VIR_TYPED_PARAM_UINT, .ui = rate->numbers[i] } };
        g_array_append_val(params, param);
    }
}

static bool iftune_set(Cli *cli, const CliArgs *args, const WireDomain *dom, Error **err)
{
    g_autoptr(GArray) params = wire_params_new();
    Rate inbound = { 0 }, outbound = { 0 };

    cli_doing(cli, "Unable to set interface parameters");
    if (!read_rate(args, "inbound", &inbound, err) || !read_rate(args, "outbound", &outbound, err))
        return false;
    add_rate(params, "inbound", &inbound);
    add_rate(params, "outbound", &outbound);
    const WireDomainSetInterfaceParametersArgs call = { .dom = *dom,
                                                        .device = (char *)args_get(args, "interface"),
                                                        .params = (WireTypedParam *)(void *)params->data,
                                                        .n_params = params->len,
                                                        .flags = args_flags(args) };
    return cli_call(cli, PROC_DOMAIN_SET_INTERFACE_PARAMETERS, &call, NULL, err);
}

static bool iftune_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetInterfaceParametersRet) ret = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (args_has(args, "inbound") || args_has(args, "outbound"))
        return iftune_set(cli, args, &dom, err);
    cli_doing(cli, "Unable to get interface parameters");
    const WireDomainGetInterfaceParametersArgs call = {
        .dom = dom, .device = (char *)args_get(args, "interface"), .nparams = 16, .flags = args_flags(args)
    };
    if (!cli_call(cli, PROC_DOMAIN_GET_INTERFACE_PARAMETERS, &call, &ret, err))
        return false;
    Json *object = json_object();
    for (uint32_t i = 0; i < ret.n_params; i++) {
        g_autofree char *text = wire_param_format(&ret.params[i]);
        cli_say(cli, "%-15s: %s\n", ret.params[i].field, text);
        json_object_set_new(object, ret.params[i].field, json_integer(ret.params[i].value.ui));
    }
    cli_print_json(cli, object);
    return true;
}

/* ---- domifaddr ---- */

static const CliOption ifaddr_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "interface", "only this interface", .complete = COMPLETE_DOMAIN_INTERFACE),
    OPT_BOOL("full", "repeat name and MAC address on each line"),
    OPT(CLI_STRING, "source", "who to ask; default: all that answer", .flags = CLI_ONE_OF,
        .words = "lease agent arp", .arg = "source"),
    { 0 },
};

static const CliColumn ifaddr_columns[] = { { "Name", "name" },
                                            { "MAC address", "mac", "string|null" },
                                            { "Protocol", "protocol", "string|null" },
                                            { "Address", "address", "string|null" },
                                            { 0 } };

typedef struct Address {
    char *name, *mac, *text; /* mac, text: NULL: not known */
    bool is_v6;
} Address;

static void address_free(void *data)
{
    Address *address = data;
    g_free(address->name);
    g_free(address->mac);
    g_free(address->text);
    g_free(address);
}

/* Two sources call one interface by other names: it is the same if it has the same MAC address. */
static bool is_same_interface(const Address *address, const WireDomainInterface *iface)
{
    return address->mac && iface->hwaddr ? g_ascii_strcasecmp(address->mac, iface->hwaddr) == 0
                                         : strcmp(address->name, iface->name) == 0;
}

/* Behind what is known of that interface already. */
static void add_address(GPtrArray *list, const WireDomainInterface *iface, const WireDomainIpAddr *addr)
{
    g_autofree char *text = addr ? g_strdup_printf("%s/%u", addr->addr, addr->prefix) : NULL;
    const size_t len = addr ? strlen(addr->addr) : 0;
    unsigned place = list->len;
    const char *name = iface->name;

    for (unsigned i = 0; i < list->len; i++) {
        Address *known = g_ptr_array_index(list, i);
        if (!is_same_interface(known, iface))
            continue;
        /* A neighbour is known without the length of its prefix. */
        if (!addr || (known->text && strncmp(known->text, addr->addr, len) == 0 && known->text[len] == '/'))
            return;
        if (!known->text) {
            known->text = g_steal_pointer(&text);
            known->is_v6 = addr->type != VIR_IP_ADDR_TYPE_IPV4;
            return;
        }
        name = known->name;
        place = i + 1;
    }
    Address *address = g_new0(Address, 1);
    *address = (Address){ .name = g_strdup(name),
                          .mac = g_strdup(iface->hwaddr),
                          .text = g_steal_pointer(&text),
                          .is_v6 = addr && addr->type != VIR_IP_ADDR_TYPE_IPV4 };
    g_ptr_array_insert(list, (int)place, address);
}

static bool ask_source(Cli *cli, const CliArgs *args, const WireDomain *dom, uint32_t source, GPtrArray *list,
                       Error **err)
{
    const WireDomainInterfaceAddressesArgs call = { .dom = *dom, .source = source };
    g_auto(WireDomainInterfaceAddressesRet) ret = { 0 };
    const char *only = args_get(args, "interface");

    if (!cli_call(cli, PROC_DOMAIN_INTERFACE_ADDRESSES, &call, &ret, err))
        return false;
    for (uint32_t i = 0; i < ret.n_ifaces; i++) {
        const WireDomainInterface *iface = &ret.ifaces[i];
        if (only && strcmp(only, iface->name) != 0)
            continue;
        if (iface->n_addrs == 0)
            add_address(list, iface, NULL);
        for (uint32_t k = 0; k < iface->n_addrs; k++)
            add_address(list, iface, &iface->addrs[k]);
    }
    return true;
}

static bool ifaddr_print(Cli *cli, const CliArgs *args, const GPtrArray *list, Error **err)
{
    CliTable *table = table_new(ifaddr_columns, 0);
    const Address *before = NULL;

    for (unsigned i = 0; i < list->len; i++) {
        const Address *address = g_ptr_array_index(list, i);
        const bool name = !before || args_has(args, "full") || strcmp(before->name, address->name) != 0;
        table_row(table);
        table_cell(table, json_string(address->name), "%s", name ? address->name : "-");
        table_cell(table, address->mac ? json_string(address->mac) : json_null(), "%s",
                   name && address->mac ? address->mac : "-");
        if (address->text) {
            table_cell_text(table, address->is_v6 ? "ipv6" : "ipv4");
            table_cell_text(table, address->text);
        } else {
            table_cell(table, json_null(), "N/A");
            table_cell(table, json_null(), "N/A");
        }
        before = address;
    }
    return cli_print_table(cli, table, err);
}

static bool ifaddr_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(address_free);
    const bool one = args_has(args, "source");
    const uint32_t first = one ? args_get_word(args, "source") : 0;
    const uint32_t last = one ? first : VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP;
    unsigned n_answers = 0;

    cli_doing(cli, "Failed to query for interfaces addresses");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    for (uint32_t source = first; source <= last; source++) {
        g_autoptr(Error) why = NULL;
        if (ask_source(cli, args, &dom, source, list, &why))
            n_answers++;
        else if (source == last && n_answers == 0)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return ifaddr_print(cli, args, list, err);
}

static const CliOption announce_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "interface", "only this one, by its device on the host or its MAC address",
        .arg = "device", .complete = COMPLETE_DOMAIN_INTERFACE),
    { 0 },
};

const CliCommand commands_nic[] = {
    COMMAND("attach-interface", GROUP_DOMAIN, "add a network interface", attach_options, attach_run,
            .exclusive = EXCLUSIVE_AFFECT "; persistent current"),
    COMMAND("detach-interface", GROUP_DOMAIN, "remove a network interface", detach_options, detach_run,
            .exclusive = EXCLUSIVE_AFFECT "; persistent current"),
    COMMAND("domif-setlink", GROUP_DOMAIN, "plug the cable of a network interface in or out", setlink_options,
            setlink_run),
    COMMAND("domif-getlink", GROUP_MONITOR, "show whether the cable of a network interface is in",
            getlink_options, getlink_run, .json = "{\"interface\": string, \"state\": string}"),
    COMMAND("announce-self", GROUP_DOMAIN, "tell the switches around where a guest is", announce_options,
            NULL, .proc = PROC_DOMAIN_ANNOUNCE_INTERFACE,
            .doc = "The guest's addresses are announced a few times, as after a migration: for networks that "
                   "have "
                   "lost sight of it."),
    COMMAND("domiftune", GROUP_DOMAIN, "show or change the limits of a network interface", iftune_options,
            iftune_run, .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: number}"),
    COMMAND("domifaddr", GROUP_MONITOR, "show the network addresses of a guest", ifaddr_options, ifaddr_run,
            .doc = "Without --source what DHCP servers of networks, the guest's agent and the neighbours of "
                   "the host know is put together.",
            .columns = ifaddr_columns),
    { 0 },
};
