/* Rows of the documents of network filters and their bindings. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "base/units.h"
#include "conf/nwfilter.h"
#include "conf/nwfilter_internal.h"
#include "conf/xml_internal.h"

#define RULE_PRIORITY 500 /* of one that does not say */
#define PRIORITY_MAX 1000
#define CHAIN_MAX 12

static const char *const action_texts[] = { "drop", "accept", "reject", "return", "continue" };
static const EnumNames action_names = { "action of a rule", FILTER_ACTION_COUNT, action_texts };
static const char *const direction_texts[] = { "in", "out", "inout" };
static const EnumNames direction_names = { "direction of a rule", FILTER_DIRECTION_COUNT, direction_texts };

/* ---- parameters ---- */

static int compare_parameters(const void *a, const void *b)
{
    const FilterParameter *left = *(FilterParameter *const *)a;
    const FilterParameter *right = *(FilterParameter *const *)b;

    return strcmp(left->name, right->name);
}

static bool is_parameter(const FilterParameter *parameter)
{
    const char *value = parameter->value;

    for (; value && *value; value++) {
        if (!g_ascii_isalnum(*value) && !strchr("_.:", *value))
            return false;
    }
    return parameter->name && value && filter_is_name(parameter->name);
}

/* One that makes no sense counts as absent, unless somebody asked. */
static bool parameter_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    return !(reader->flags & XML_READ_STRICT) || is_parameter(base) ||
           xml_error(reader, element, ERROR_XML_SCHEMA, err, "this is no variable with a value");
}

const XmlTable filter_parameter_table =
    TABLE(FilterParameter, "filter-parameter",
          ROWS(ATTR("name", FilterParameter, name, .flags = ROW_KEEP_EMPTY, .doc = "name of the variable"),
               ATTR("value", FilterParameter, value, .doc = "its value")),
          .finish = parameter_finish, .doc = "A variable of a network filter.");

/* Two of one name are a list, which keeps its order. */
static void sort_parameters(GPtrArray *list)
{
    for (guint i = 1; i < list->len; i++) {
        void *moved = list->pdata[i];
        guint at = i;
        for (; at > 0 && compare_parameters(&list->pdata[at - 1], &moved) > 0; at--)
            list->pdata[at] = list->pdata[at - 1];
        list->pdata[at] = moved;
    }
}

void filter_complete_parameters(GPtrArray **io_list)
{
    for (guint i = *io_list ? (*io_list)->len : 0; i-- > 0;) {
        if (!is_parameter(g_ptr_array_index(*io_list, i)))
            xml_list_remove(&filter_parameter_table, io_list, i);
    }
    if (*io_list)
        sort_parameters(*io_list);
}

/* ---- rules ---- */

static const XmlTable match_table =
    TABLE(FilterMatch, "filter-match",
          ROWS(HELD("attr", FilterMatch, attr), HELD("negated", FilterMatch, negated),
               HELD("value", FilterMatch, value)),
          .doc = "What an attribute must be.");

static FilterMatch *add_match(FilterItem *rule, FilterAttrId attr)
{
    FilterMatch *match = (FilterMatch *)filter_find_match(rule, attr);

    if (match)
        return match;
    match = g_new0(FilterMatch, 1);
    match->attr = attr;
    if (!rule->matches)
        rule->matches = xml_list_new(&match_table);
    guint at = rule->matches->len; /* sorted, so that rules that mean the same are the same */
    while (at > 0 && ((const FilterMatch *)g_ptr_array_index(rule->matches, at - 1))->attr > attr)
        at--;
    g_ptr_array_insert(rule->matches, (int)at, match);
    return match;
}

static bool read_attribute(const XmlReader *reader, const xmlNode *element, FilterItem *rule,
                           FilterAttrId attr, bool negated, Error **err)
{
    const unsigned family = filter_protocols[rule->protocol].family;
    const char *text = xml_attr(element, filter_attr_name(attr));
    char *value = NULL;

    if (!text)
        return true;
    if (!xml_can_hold(text) || !filter_read_value(attr, family, text, &value))
        return error_set(err, reader->flags & XML_READ_STRICT ? ERROR_XML_SCHEMA : ERROR_INTERNAL,
                         "%s has illegal value %s", filter_attr_name(attr), text);
    if (reader->flags & XML_READ_STRICT && attr != FILTER_ARP_OPCODE && g_ascii_isalpha(*text) &&
        !strchr(text, ':') && g_ascii_strcasecmp(text, value) == 0 && strcmp(text, value) != 0) {
        error_set(err, ERROR_XML_SCHEMA, "%s is '%s', in these letters", filter_attr_name(attr), value);
        g_free(value);
        return false;
    }
    FilterMatch *match = add_match(rule, attr);
    g_free(match->value);
    match->value = value;
    match->negated = negated;
    return true;
}

static bool knows(const uint8_t *attrs, const char *name)
{
    for (; *attrs != FILTER_ATTR_COUNT; attrs++) {
        if (strcmp(filter_attr_name(*attrs), name) == 0)
            return true;
    }
    return strcmp(name, "match") == 0;
}

static uint32_t find_protocol(const char *name)
{
    uint32_t i = 0;

    while (strcmp(filter_protocols[i].name, name) != 0)
        i++;
    return i;
}

static bool protocol_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                          Error **err)
{
    FilterItem *rule = base;
    const uint32_t protocol = find_protocol(row->name);
    const uint8_t *attrs = filter_protocols[protocol].attrs;
    const char *match = xml_attr(element, "match");
    const bool negated = match && strcmp(match, "no") == 0;

    if (rule->protocol != FILTER_ANY && (rule->protocol != protocol || reader->flags & XML_READ_STRICT))
        return xml_drop(reader, element, err); /* a rule is about one protocol */
    rule->protocol = protocol;
    for (const xmlAttr *attr = element->properties; attr; attr = attr->next) {
        if (!knows(attrs, (const char *)attr->name) && !xml_drop(reader, (const xmlNode *)attr, err))
            return false;
    }
    for (; *attrs != FILTER_ATTR_COUNT; attrs++) {
        if (!read_attribute(reader, element, rule, *attrs, negated, err))
            return false;
    }
    return true;
}

/* What is negated and what is not are elements of their own. */
static void write_matches(const FilterItem *rule, bool negated, unsigned indent, GString *out)
{
    const FilterProtocol *protocol = &filter_protocols[rule->protocol];

    xml_indent(indent, out);
    g_string_append_printf(out, "<%s%s", protocol->name, negated ? " match='no'" : "");
    for (const uint8_t *attr = protocol->attrs; *attr != FILTER_ATTR_COUNT; attr++) {
        const FilterMatch *match = filter_find_match(rule, *attr);
        if (!match || match->negated != negated)
            continue;
        g_string_append_printf(out, " %s='", filter_attr_name(*attr));
        xml_escape_attribute(match->value, out);
        g_string_append_c(out, '\'');
    }
    g_string_append(out, "/>\n");
}

static void protocol_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const FilterItem *rule = base;
    unsigned n_negated = 0;
    const unsigned n_matches = rule->matches ? rule->matches->len : 0;

    if (rule->protocol == FILTER_ANY || strcmp(filter_protocols[rule->protocol].name, row->name) != 0)
        return;
    for (guint i = 0; i < n_matches; i++)
        n_negated += ((const FilterMatch *)g_ptr_array_index(rule->matches, i))->negated;
    if (n_negated > 0)
        write_matches(rule, true, indent, out);
    if (n_negated == 0 || n_negated < n_matches)
        write_matches(rule, false, indent, out);
}

static const XmlCustom protocol_custom = { protocol_read, protocol_write, NULL };

static bool parse_priority(const char *text, int32_t *ret_priority)
{
    int64_t number = 0;

    if (!parse_int(text, &number, NULL) || number < -PRIORITY_MAX || number > PRIORITY_MAX)
        return false;
    *ret_priority = (int32_t)number;
    return true;
}

/* Others count as absent. */
static bool rule_priority_read(const char *text, void *base, Error **err)
{
    (void)parse_priority(text, &((FilterItem *)base)->priority);
    return true;
}
static bool rule_priority_write(const void *base, unsigned flags, GString *out)
{
    g_string_append_printf(out, "%d", ((const FilterItem *)base)->priority);
    return true;
}
static const XmlCodec rule_priority_codec = { rule_priority_read, rule_priority_write, "-?[0-9]+" };

static bool state_match_read(const char *text, void *base, Error **err)
{
    ((FilterItem *)base)->no_state_match = strcmp(text, "0") == 0 || g_ascii_strcasecmp(text, "false") == 0;
    return true;
}
static bool state_match_write(const void *base, unsigned flags, GString *out)
{
    if (((const FilterItem *)base)->no_state_match)
        g_string_append(out, "false");
    return ((const FilterItem *)base)->no_state_match;
}
static const XmlCodec state_match_codec = { state_match_read, state_match_write, "0|1|false|true" };

static void rule_init(void *base)
{
    FilterItem *rule = base;

    rule->priority = RULE_PRIORITY;
    rule->protocol = FILTER_ANY;
}

/* What is otherwise overlooked. */
static bool rule_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const FilterItem *rule = base;
    const char *priority = xml_attr(element, "priority"), *state = xml_attr(element, "statematch");
    bool has_port = false;
    int32_t number = 0;
    uint32_t protocol = 0;

    if (reader->flags & XML_READ_STRICT && priority && !parse_priority(priority, &number))
        return xml_error(reader, element, ERROR_XML_SCHEMA, err, "'%s' is no priority", priority);
    if (reader->flags & XML_READ_STRICT && state && strcmp(state, "0") != 0 && strcmp(state, "1") != 0 &&
        strcmp(state, "true") != 0 && strcmp(state, "false") != 0)
        return xml_error(reader, element, ERROR_XML_SCHEMA, err, "'%s' is neither true nor false", state);
    for (FilterAttrId port = FILTER_SRC_PORT; port <= FILTER_DST_PORT_END; port++)
        has_port = has_port || filter_find_match(rule, port);
    if (rule->protocol == FILTER_ANY || filter_protocols[rule->protocol].is_tracked || !has_port)
        return true;
    const FilterMatch *match = filter_find_match(rule, FILTER_PROTOCOL);
    if (!match || !filter_value_number(FILTER_PROTOCOL, match->value, &protocol) ||
        (protocol != 6 && protocol != 17 && protocol != 33 && protocol != 132))
        return error_set(err, ERROR_INTERNAL,
                         "%s rule with port specification requires protocol specification with protocol to "
                         "be "
                         "either one of tcp(6), udp(17), dccp(33), or sctp(132)",
                         filter_protocols[rule->protocol].family == 6 ? "IPv6" : "IP");
    return true;
}

#define PROTOCOL(text) CUSTOM(text, &protocol_custom, .doc = "what frames of this protocol must have")
static const XmlTable rule_table =
    TABLE(FilterItem, "filter-rule",
          ROWS(ATTR("action", FilterItem, action, .names = &action_names, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .missing_code = ERROR_INTERNAL, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .doc = "what becomes of the frame"),
               ATTR("direction", FilterItem, direction, .names = &direction_names,
                    .flags = ROW_REQUIRED | ROW_ALWAYS, .missing_code = ERROR_INTERNAL,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "as the guest sees it"),
               CODEC_ATTR("priority", &rule_priority_codec, .fallback = "500",
                          .doc = "from -1000 to 1000, lower ones first"),
               CODEC_ATTR("statematch", &state_match_codec, .fallback = "true",
                          .doc = "false: the answers of connections are not told from connections"),
               LIST("#matches", FilterItem, matches, &match_table, .flags = ROW_READ_ONLY), PROTOCOL("mac"),
               PROTOCOL("vlan"), PROTOCOL("stp"), PROTOCOL("arp"), PROTOCOL("rarp"), PROTOCOL("ip"),
               PROTOCOL("ipv6"), PROTOCOL("tcp"), PROTOCOL("udp"), PROTOCOL("sctp"), PROTOCOL("icmp"),
               PROTOCOL("igmp"), PROTOCOL("esp"), PROTOCOL("ah"), PROTOCOL("udplite"), PROTOCOL("all"),
               PROTOCOL("tcp-ipv6"), PROTOCOL("udp-ipv6"), PROTOCOL("sctp-ipv6"), PROTOCOL("icmpv6"),
               PROTOCOL("esp-ipv6"), PROTOCOL("ah-ipv6"), PROTOCOL("udplite-ipv6"), PROTOCOL("all-ipv6")),
          .init = rule_init, .finish = rule_finish, .doc = "What becomes of frames of one protocol.");

/* ---- filters ---- */

static bool reference_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    filter_complete_parameters(&((FilterItem *)base)->parameters);
    return true;
}

static const XmlTable reference_table =
    TABLE(FilterItem, "filterref",
          ROWS(ATTR("filter", FilterItem, filter, .flags = ROW_REQUIRED | ROW_KEEP_EMPTY,
                    .missing_code = ERROR_INTERNAL, .doc = "name of the filter"),
               LIST("parameter", FilterItem, parameters, &filter_parameter_table, .doc = "its variables")),
          .finish = reference_finish, .doc = "All that another filter says.");

static const XmlTable item_table =
    TABLE(FilterItem, "filter-item",
          ROWS(HELD("filter", FilterItem, filter),
               LIST("#parameters", FilterItem, parameters, &filter_parameter_table, .flags = ROW_READ_ONLY),
               HELD("action", FilterItem, action, .names = &action_names),
               HELD("direction", FilterItem, direction, .names = &direction_names),
               HELD("priority", FilterItem, priority), HELD("no-state-match", FilterItem, no_state_match),
               HELD("protocol", FilterItem, protocol),
               LIST("#matches", FilterItem, matches, &match_table, .flags = ROW_READ_ONLY)),
          .doc = "A rule, or a reference.");

/* Rules and references are read by two rows, and written by one: their order counts. */
static bool item_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    FilterDef *def = base;
    void *item = NULL;

    if (def->items && def->items->len >= XML_LIST_MAX)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "more than %d of them", XML_LIST_MAX);
    if (!xml_table_read(strcmp(row->name, "rule") == 0 ? &rule_table : &reference_table, reader, element,
                        &item, err))
        return false;
    if (!def->items)
        def->items = xml_list_new(&item_table);
    g_ptr_array_add(def->items, item);
    return true;
}

static void item_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const FilterDef *def = base;

    for (guint i = 0; strcmp(row->name, "rule") == 0 && def->items && i < def->items->len; i++) {
        const FilterItem *item = g_ptr_array_index(def->items, i);
        if (item->filter)
            xml_table_write(&reference_table, "filterref", item, flags, indent, out);
        else
            xml_table_write(&rule_table, "rule", item, flags, indent, out);
    }
}

static const XmlCustom item_custom = { item_read, item_write, NULL };

/* Chains, with the priority of those that do not say. */
static const struct {
    const char *prefix;
    int32_t priority;
} chains[] = { { "mac", -800 },  { "stp", 0 /* as the reference has it */ },
               { "vlan", -750 }, { "arp", -500 },
               { "rarp", -400 }, { "ipv4", -700 },
               { "ipv6", -600 } };

const char *filter_chain_protocol(const char *chain)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(chains); i++) {
        if (g_str_has_prefix(chain, chains[i].prefix))
            return chains[i].prefix;
    }
    return strcmp(chain, "root") == 0 ? "root" : NULL;
}

static int32_t chain_priority(const char *chain)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(chains); i++) {
        if (g_str_has_prefix(chain, chains[i].prefix))
            return chains[i].priority;
    }
    return 0;
}

static bool chain_priority_read(const char *text, void *base, Error **err)
{
    FilterDef *def = base;
    int64_t number = 0;

    if (!parse_int(text, &number, NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT, "Could not parse chain priority '%s'", text);
    if (number < -PRIORITY_MAX || number > PRIORITY_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Priority '%s' is outside valid range of [-1000,1000]",
                         text);
    def->priority = (int32_t)number;
    def->has_priority = true;
    return true;
}
/* Readers of files have to know a 0 that is not the chain's own; others are not told, as by the reference. */
static bool chain_priority_write(const void *base, unsigned flags, GString *out)
{
    const FilterDef *def = base;
    const bool is_written =
        def->priority != 0 || (flags & XML_FORMAT_SECURE && chain_priority(def->chain) != 0);

    if (is_written)
        g_string_append_printf(out, "%d", def->priority);
    return is_written;
}
static const XmlCodec chain_priority_codec = { chain_priority_read, chain_priority_write, "-?[0-9]+" };

static bool filter_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    FilterDef *def = base;
    const bool is_strict = reader->flags & XML_READ_STRICT;
    const ErrorCode code = is_strict ? ERROR_XML_SCHEMA : ERROR_INVALID_ARGUMENT;

    if (!path_is_safe_component(def->name))
        return error_set(err, ERROR_XML_INVALID, "'%s' cannot be the name of a filter", def->name);
    if (!def->chain) {
        def->chain = g_strdup("root");
        def->priority = 0;
        def->has_priority = true;
    }
    const char *protocol = filter_chain_protocol(def->chain);
    if (strlen(def->chain) > CHAIN_MAX)
        return error_set(err, code, "Name of chain is longer than %d characters", CHAIN_MAX);
    for (const char *at = def->chain; *at; at++) {
        if (!g_ascii_isalnum(*at) && !strchr("_.:-", *at))
            return error_set(err, code, "Chain name contains invalid characters");
    }
    if (!protocol)
        return error_set(err, code,
                         "Invalid chain name '%s'. Please use a chain name called 'root' or any of the "
                         "following prefixes: mac, vlan, stp, arp, rarp, ipv4, ipv6",
                         def->chain);
    if (!def->has_priority)
        def->priority = chain_priority(def->chain);
    def->has_priority = false;
    return true;
}

const XmlTable filter_table =
    TABLE(FilterDef, "filter",
          ROWS(ATTR("name", FilterDef, name, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "its name"),
               ATTR("chain", FilterDef, chain, .fallback = "root", .doc = "where its rules are"),
               CODEC_ATTR("priority", &chain_priority_codec, .flags = ROW_MAY_BE_EMPTY,
                          .bad_code = ERROR_INVALID_ARGUMENT, .doc = "of the chain, lower ones first"),
               CHILD("uuid", FilterDef, uuid, .doc = "identity; made up if absent"),
               LIST("#items", FilterDef, items, &item_table, .flags = ROW_READ_ONLY),
               CUSTOM("rule", &item_custom, .doc = "what becomes of a frame"),
               CUSTOM("filterref", &item_custom, .doc = "all that another filter says")),
          .finish = filter_finish, .doc = "What frames an interface may send and get.");

/* ---- bindings ---- */

static bool binding_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    FilterBindingDef *def = base;
    static const Mac no_mac;

    def->has_mac = memcmp(&def->mac, &no_mac, sizeof(no_mac)) != 0;
    filter_complete_parameters(&def->parameters);
    if (!def->port)
        return error_set(err, ERROR_INTERNAL, "filter binding has no port dev name");
    if (!def->owner_name)
        return error_set(err, ERROR_INTERNAL, "filter binding has no owner name");
    if (!def->has_mac)
        return error_set(err, ERROR_INTERNAL, "filter binding has no MAC address");
    return def->filter || error_set(err, ERROR_INTERNAL, "filter binding has no filter reference");
}

const XmlTable filter_binding_table =
    TABLE(FilterBindingDef, "filterbinding",
          ROWS(GROUP("owner",
                     ROWS(CHILD("name", FilterBindingDef, owner_name, .doc = "its name"),
                          CHILD("uuid", FilterBindingDef, owner_uuid, .bad_code = ERROR_INTERNAL,
                                .doc = "its UUID")),
                     .doc = "the machine"),
               GROUP("portdev", ROWS(ATTR("name", FilterBindingDef, port, .doc = "name of the interface")),
                     .doc = "the host's end of the machine's interface"),
               GROUP("linkdev", ROWS(ATTR("name", FilterBindingDef, link, .doc = "name of the device")),
                     .doc = "the device that leads out"),
               GROUP("mac",
                     ROWS(ATTR("address", FilterBindingDef, mac, .bad_code = ERROR_INTERNAL,
                               .doc = "MAC address")),
                     .doc = "of the machine's interface"),
               GROUP("filterref",
                     ROWS(ATTR("filter", FilterBindingDef, filter, .doc = "name of the filter"),
                          LIST("parameter", FilterBindingDef, parameters, &filter_parameter_table,
                               .doc = "its variables")),
                     .doc = "what it may send and get"),
               HELD("uuid", FilterBindingDef, uuid)),
          .finish = binding_finish, .doc = "A filter that an interface is bound to.");
