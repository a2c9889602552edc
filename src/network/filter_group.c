/* Security groups as network filters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "firewall"
#include "network/filter_group.h"

#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "conf/xml_internal.h"
#include "network/filter_private.h"

#define GROUP_PREFIX "lodge-group-"
#define MACHINE_PREFIX "lodge-machine-"
#define GROUP_NAME_MAX 64
#define RULE_MAX 100  /* characters: it is a comment, too */
#define RULES_MAX 256 /* of a group */
/* Addresses that no packet comes from. */
#define NOBODY "255.255.255.255"
#define NOBODY_V6 "100::"

static const char *const guards[] = { "no-mac-spoofing", "no-arp-spoofing", "no-ip-spoofing", NULL };

/* ---- rules ---- */

typedef struct GroupRule {
    bool denies, is_out;
    const char *protocol;     /* static */
    uint32_t port, last_port; /* 0: any */
    char *peer;               /* NULL: anybody */
    bool is_group, is_v6;
    unsigned prefix;
} GroupRule;

static void group_rule_clear(GroupRule *rule)
{
    g_free(rule->peer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GroupRule, group_rule_clear)

static bool is_group_name(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (!g_ascii_isalnum(*at) && *at != '-' && *at != '_')
            return false;
    }
    return *name && strlen(name) <= GROUP_NAME_MAX;
}

static bool check_name(const char *name, Error **err)
{
    return is_group_name(name) ||
           error_set(err, ERROR_INVALID_ARGUMENT,
                     "'%s' cannot be the name of a group: letters, digits, '-' and '_'", name);
}

static bool read_ports(const char *text, GroupRule *rule)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    uint64_t first = 0, last = 0;

    if (!parse_uint(ends[0], &first, NULL) || !parse_uint(ends[1] ? ends[1] : ends[0], &last, NULL) ||
        first < 1 || last > 65535 || last < first)
        return false;
    rule->port = (uint32_t)first;
    rule->last_port = (uint32_t)last;
    return true;
}

static bool read_peer(const char *text, GroupRule *rule)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    IpAddress ip;
    uint64_t prefix = 0;
    char first[IP_STRING_LEN];

    rule->is_group = g_str_has_prefix(text, "group:");
    if (rule->is_group) {
        rule->peer = g_strdup(text + strlen("group:"));
        return is_group_name(rule->peer);
    }
    if (!parts[0] || !ip_parse(parts[0], &ip) ||
        (parts[1] && (!parse_uint(parts[1], &prefix, NULL) || prefix > ip_bits(&ip))))
        return false;
    rule->is_v6 = ip.is_v6;
    rule->prefix = parts[1] ? (unsigned)prefix : ip_bits(&ip);
    const IpAddress network = ip_first(&ip, rule->prefix);
    ip_format(&network, first);
    rule->peer = g_strdup(first);
    return true;
}

static bool rule_parse(const char *text, GroupRule *rule, Error **err)
{
    static const char *const protocols[] = { "any", "tcp", "udp", "sctp", "icmp" };
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    const guint n_words = g_strv_length(words);
    guint at = 3;

    *rule = (GroupRule){ 0 };
    rule->denies = n_words > 0 && strcmp(words[0], "deny") == 0;
    rule->is_out = n_words > 1 && strcmp(words[1], "out") == 0;
    for (unsigned i = 0; n_words > 2 && i < G_N_ELEMENTS(protocols); i++)
        rule->protocol = strcmp(words[2], protocols[i]) == 0 ? protocols[i] : rule->protocol;
    bool ok = rule->protocol && (rule->denies || strcmp(words[0], "allow") == 0) &&
              (rule->is_out || strcmp(words[1], "in") == 0) && strlen(text) <= RULE_MAX;
    const bool has_ports = ok && strlen(rule->protocol) == 3 && strcmp(rule->protocol, "any") != 0;
    if (ok && at < n_words && g_ascii_isdigit(*words[at]))
        ok = (has_ports || strcmp(rule->protocol, "sctp") == 0) && read_ports(words[at++], rule);
    if (ok && at + 1 < n_words && strcmp(words[at], rule->is_out ? "to" : "from") == 0) {
        ok = read_peer(words[at + 1], rule);
        at += 2;
    }
    if (ok && at == n_words)
        return true;
    error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no rule of a group", text);
    return error_hint(err, "allow|deny in|out any|tcp|udp|sctp|icmp [PORT[-PORT]] [from|to "
                           "ADDRESS[/PREFIX]|group:NAME]");
}

/* The same rule is the same text. Owned. */
static char *rule_text(const GroupRule *rule)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%s %s %s", rule->denies ? "deny" : "allow", rule->is_out ? "out" : "in",
                           rule->protocol);
    if (rule->port)
        g_string_append_printf(out, rule->last_port > rule->port ? " %u-%u" : " %u", rule->port,
                               rule->last_port);
    if (rule->peer)
        g_string_append_printf(out, " %s %s%s", rule->is_out ? "to" : "from", rule->is_group ? "group:" : "",
                               rule->peer);
    if (rule->peer && !rule->is_group && rule->prefix < (rule->is_v6 ? 128 : 32))
        g_string_append_printf(out, "/%u", rule->prefix);
    return g_string_free(out, FALSE);
}

/* The variable with the addresses of a group's members. Owned. */
static char *group_variable(const char *group, bool is_v6)
{
    GString *out = g_string_new(is_v6 ? "GROUP6_" : "GROUP_");

    for (; *group; group++)
        g_string_append(out, *group == '-' ? "_d" : *group == '_' ? "_u" : (const char[]){ *group, '\0' });
    return g_string_free(out, FALSE);
}

static void put_rule(const GroupRule *rule, const char *text, bool is_v6, GString *out)
{
    const char *side = rule->is_out ? "dst" : "src";
    const bool is_icmp = strcmp(rule->protocol, "icmp") == 0;

    g_string_append_printf(out, "<rule action='%s' direction='%s' priority='%d'><%s%s",
                           rule->denies ? "drop" : "accept", rule->is_out ? "out" : "in",
                           rule->denies ? 400 : 500,
                           strcmp(rule->protocol, "any") == 0 ? "all"
                           : is_icmp && is_v6                 ? "icmpv6"
                                                              : rule->protocol,
                           is_v6 && !is_icmp ? "-ipv6" : "");
    if (rule->is_group) {
        g_autofree char *variable = group_variable(rule->peer, is_v6);
        g_string_append_printf(out, " %sipaddr='$%s'", side, variable);
    } else if (rule->peer) {
        g_string_append_printf(out, " %sipaddr='%s' %sipmask='%u'", side, rule->peer, side, rule->prefix);
    }
    if (rule->port)
        g_string_append_printf(out, " dstportstart='%u' dstportend='%u'", rule->port, rule->last_port);
    g_string_append_printf(out, " comment='%s'/></rule>", text);
}

static bool put_rules(const char *text, GString *out, Error **err)
{
    g_auto(GroupRule) rule = { 0 };

    if (!rule_parse(text, &rule, err))
        return false;
    g_autofree char *own = rule_text(&rule);
    if (!rule.peer || !rule.is_v6)
        put_rule(&rule, own, false, out);
    if (!rule.peer || rule.is_v6 || rule.is_group)
        put_rule(&rule, own, true, out);
    return true;
}

/* ---- groups ---- */

static const FilterDef *find_def(Host *host, const char *prefix, const char *name)
{
    g_autofree char *filter = g_strconcat(prefix, name, NULL);
    const Object *object = registry_get_name(host_registry(host, &filter_class), filter);

    return object && object->is_listed ? object->config : NULL;
}

static const FilterDef *find_group(Host *host, const char *name, Error **err)
{
    const FilterDef *def = find_def(host, GROUP_PREFIX, name);

    if (!def)
        error_set(err, ERROR_NO_NWFILTER, "no security group with matching name '%s'", name);
    return def;
}

/* Texts of the rules of @def; *ret_foreign: rules that no group has. Owned: char * */
static GPtrArray *group_rules(const FilterDef *def, bool *ret_foreign)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    *ret_foreign = false;
    for (guint i = 0; def->items && i < def->items->len; i++) {
        const FilterItem *item = g_ptr_array_index(def->items, i);
        const FilterMatch *comment = item->filter ? NULL : filter_find_match(item, FILTER_COMMENT);
        g_auto(GroupRule) rule = { 0 };
        if (!comment || !rule_parse(comment->value, &rule, NULL))
            *ret_foreign = true;
        else if (!g_ptr_array_find_with_equal_func(texts, comment->value, g_str_equal, NULL))
            g_ptr_array_add(texts, g_strdup(comment->value));
    }
    return texts;
}

static char *uuid_element(const FilterDef *def)
{
    char uuid[UUID_STRING_LEN];

    if (!def)
        return g_strdup("");
    uuid_format(&def->uuid, uuid);
    return g_strdup_printf("<uuid>%s</uuid>", uuid);
}

AWAITS static bool define(Host *host, const char *xml, const Caller *caller, Error **err)
{
    g_autoptr(Object) filter = object_define(host, &filter_class, xml, 0, __func__, caller, err);

    return filter != NULL;
}

bool filter_group_create(Host *host, const char *name, const Caller *caller, Error **err)
{
    g_autofree char *xml = g_strdup_printf("<filter name='" GROUP_PREFIX "%s' chain='root'/>", name);

    if (!check_name(name, err))
        return false;
    if (find_def(host, GROUP_PREFIX, name))
        return error_set(err, ERROR_OPERATION_FAILED, "security group '%s' exists already", name);
    return define(host, xml, caller, err);
}

/* ---- machines ---- */

bool filter_group_is_machines(const char *filter)
{
    return g_str_has_prefix(filter, MACHINE_PREFIX);
}

/* Names of the groups in a machine's filter. Owned: char * */
static GPtrArray *machine_groups(const FilterDef *def)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; def && def->items && i < def->items->len; i++) {
        const FilterItem *item = g_ptr_array_index(def->items, i);
        if (item->filter && g_str_has_prefix(item->filter, GROUP_PREFIX))
            g_ptr_array_add(groups, g_strdup(item->filter + strlen(GROUP_PREFIX)));
    }
    return groups;
}

static const char *machine_before(const FilterDef *def)
{
    const FilterItem *first = def && def->items ? g_ptr_array_index(def->items, 0) : NULL;

    return first && first->filter && !g_strv_contains(guards, first->filter) ? first->filter : NULL;
}

char *filter_group_before(Host *host, const char *filter)
{
    return g_strdup(machine_before(find_def(host, "", filter)));
}

/* What the guests of the machine @uuid are known by. */
static void put_addresses(Host *host, const char *uuid, const char *variable, bool is_v6, GString *out,
                          unsigned *n_put)
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &filter_binding_class));
         (object = registry_next(&iter));) {
        const FilterBinding *binding = (FilterBinding *)object;
        char owner[UUID_STRING_LEN], ip[IP_STRING_LEN];
        if (!binding->live)
            continue;
        uuid_format(&binding->live->owner_uuid, owner);
        if (strcmp(owner, uuid) != 0)
            continue;
        const GArray *known = is_v6 ? binding->ip6 : binding->learned;
        for (guint i = 0; i < known->len; i++, (*n_put)++) {
            ip_format(&g_array_index(known, FilterAddress, i).ip, ip);
            g_string_append_printf(out, "<parameter name='%s' value='%s'/>", variable, ip);
        }
        for (guint i = 0; binding->live->parameters && i < binding->live->parameters->len; i++) {
            const FilterParameter *parameter = g_ptr_array_index(binding->live->parameters, i);
            IpAddress given;
            if (strcmp(parameter->name, is_v6 ? "IPV6" : "IP") != 0 || !ip_parse(parameter->value, &given) ||
                given.is_v6 != is_v6)
                continue;
            g_string_append_printf(out, "<parameter name='%s' value='%s'/>", variable, parameter->value);
            (*n_put)++;
        }
    }
}

/* All filters of machines, by name. Owned: char * */
static GPtrArray *machine_filters(Host *host)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &filter_class));
         (object = registry_next(&iter));) {
        if (object->is_listed && filter_group_is_machines(object->name))
            g_ptr_array_add(names, g_strdup(object->name));
    }
    return names;
}

static bool is_member(const FilterDef *machine, const char *group)
{
    g_autoptr(GPtrArray) groups = machine_groups(machine);

    return g_ptr_array_find_with_equal_func(groups, group, g_str_equal, NULL);
}

static void put_members(Host *host, const char *group, bool is_v6, GString *out)
{
    g_autoptr(GPtrArray) machines = machine_filters(host);
    g_autofree char *variable = group_variable(group, is_v6);
    unsigned n_put = 0;

    for (guint i = 0; i < machines->len; i++) {
        const char *name = g_ptr_array_index(machines, i);
        if (is_member(find_def(host, "", name), group))
            put_addresses(host, name + strlen(MACHINE_PREFIX), variable, is_v6, out, &n_put);
    }
    if (n_put == 0)
        g_string_append_printf(out, "<parameter name='%s' value='%s'/>", variable,
                               is_v6 ? NOBODY_V6 : NOBODY);
}

/* The group as a part of a machine's filter, with the members of the groups that @texts speak of. */
static void put_group(Host *host, const char *group, const GPtrArray *texts, GString *out)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);

    g_string_append_printf(out, "<filterref filter='" GROUP_PREFIX "%s'>", group);
    for (guint i = 0; i < texts->len; i++) {
        g_auto(GroupRule) rule = { 0 };
        if (!rule_parse(g_ptr_array_index(texts, i), &rule, NULL) || !rule.is_group ||
            g_ptr_array_find_with_equal_func(seen, rule.peer, g_str_equal, NULL))
            continue;
        put_members(host, rule.peer, false, out);
        put_members(host, rule.peer, true, out);
        g_ptr_array_add(seen, g_steal_pointer(&rule.peer));
    }
    g_string_append(out, "</filterref>");
}

/* Addresses and neighbours have to be found, what was asked for may come back; the rest stays outside. */
static const char machine_end[] =
    "<rule action='accept' direction='in' priority='900' statematch='0'><udp srcportstart='67' "
    "dstportstart='68'/></rule>"
    "<rule action='accept' direction='in' priority='900' statematch='0'><udp-ipv6 srcportstart='547' "
    "dstportstart='546'/></rule>"
    "<rule action='accept' direction='in' priority='900'><icmpv6 type='134'/></rule>"
    "<rule action='accept' direction='in' priority='900'><icmpv6 type='135'/></rule>"
    "<rule action='accept' direction='in' priority='900'><icmpv6 type='136'/></rule>"
    "<rule action='accept' direction='in' priority='900'><all state='RELATED'/></rule>"
    "<rule action='accept' direction='in' priority='900'><all-ipv6 state='RELATED'/></rule>"
    "<rule action='accept' direction='out' priority='910'><all/></rule>"
    "<rule action='accept' direction='out' priority='910'><all-ipv6/></rule>"
    "<rule action='drop' direction='in' priority='920'><all/></rule>"
    "<rule action='drop' direction='in' priority='920'><all-ipv6/></rule>";

/* Of the machine with the filter @name in @groups; @changed is about to have the rules @texts. */
static char *machine_xml(Host *host, const char *name, const char *before, const GPtrArray *groups,
                         const char *changed, const GPtrArray *texts)
{
    const FilterDef *known = find_def(host, "", name);
    g_autofree char *uuid = uuid_element(known);
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "<filter name='%s' chain='root'>%s", name, uuid);
    if (before) {
        g_string_append(out, "<filterref filter='");
        xml_escape_attribute(before, out);
        g_string_append(out, "'/>");
    }
    for (unsigned i = 0; guards[i]; i++)
        g_string_append_printf(out, "<filterref filter='%s'/>", guards[i]);
    for (guint i = 0; i < groups->len; i++) {
        const char *group = g_ptr_array_index(groups, i);
        const FilterDef *def = find_def(host, GROUP_PREFIX, group);
        bool is_foreign = false;
        g_autoptr(GPtrArray) own = def ? group_rules(def, &is_foreign) : NULL;
        if (changed && strcmp(group, changed) == 0)
            put_group(host, group, texts, out);
        else if (own)
            put_group(host, group, own, out);
    }
    g_string_append(out, machine_end);
    g_string_append(out, "</filter>");
    return g_string_free(out, FALSE);
}

static bool is_same(Host *host, const char *name, const char *xml)
{
    const FilterDef *known = find_def(host, "", name);
    void *def = NULL;

    if (!known || !object_parse(host, &filter_class, xml, strlen(xml), name, 0, &def, NULL))
        return false;
    const bool is_equal = xml_table_equal(&filter_table, known, def);
    xml_table_free(&filter_table, def);
    return is_equal;
}

/* Makes the filters of machines what they are to be; @changed, @texts as in machine_xml(). */
AWAITS static bool update_machines(Host *host, const char *changed, const GPtrArray *texts,
                                   const Caller *caller, Error **err)
{
    g_autoptr(GPtrArray) machines = machine_filters(host);

    for (guint i = 0; i < machines->len; i++) {
        const char *name = g_ptr_array_index(machines, i);
        const FilterDef *known = find_def(host, "", name);
        if (!known || (changed && !is_member(known, changed)))
            continue;
        g_autoptr(GPtrArray) groups = machine_groups(known);
        g_autofree char *before = g_strdup(machine_before(known));
        g_autofree char *xml = machine_xml(host, name, before, groups, changed, texts);
        if (!is_same(host, name, xml) && !define(host, xml, caller, err))
            return false;
    }
    return true;
}

bool filter_group_change(Host *host, const char *name, const char *text, bool remove, const Caller *caller,
                         Error **err)
{
    g_auto(GroupRule) rule = { 0 };
    bool is_foreign = false;
    guint at = 0;

    const FilterDef *def = find_group(host, name, err);
    if (!def || !rule_parse(text, &rule, err) ||
        (rule.is_group && !remove && !find_group(host, rule.peer, err)))
        return false;
    g_autofree char *own = rule_text(&rule);
    g_autofree char *uuid = uuid_element(def);
    g_autoptr(GPtrArray) texts = group_rules(def, &is_foreign);
    const bool is_there = g_ptr_array_find_with_equal_func(texts, own, g_str_equal, &at);
    if (is_foreign)
        return error_set(err, ERROR_INVALID_STATE,
                         "somebody wrote rules of another kind into the network filter '" GROUP_PREFIX
                         "%s': change it with nwfilter-edit",
                         name);
    if (is_there != remove)
        return error_set(err, ERROR_INVALID_STATE, "security group '%s' has %s rule '%s'", name,
                         remove ? "no" : "already a", own);
    if (remove)
        g_ptr_array_remove_index(texts, at);
    else if (texts->len >= RULES_MAX)
        return error_set(err, ERROR_INVALID_STATE, "security group '%s' has %d rules", name, RULES_MAX);
    else
        g_ptr_array_add(texts, g_steal_pointer(&own));
    g_autoptr(GString) xml = g_string_new(NULL);
    g_string_append_printf(xml, "<filter name='" GROUP_PREFIX "%s' chain='root'>%s", name, uuid);
    for (guint i = 0; i < texts->len; i++) {
        if (!put_rules(g_ptr_array_index(texts, i), xml, err))
            return false;
    }
    g_string_append(xml, "</filter>");
    /* A variable is there as long as a rule asks for it. */
    if (remove)
        return define(host, xml->str, caller, err) && update_machines(host, name, texts, caller, err);
    return update_machines(host, name, texts, caller, err) && define(host, xml->str, caller, err);
}

bool filter_group_join(Host *host, const Uuid *uuid, const char *group, const char *before, bool leave,
                       const Caller *caller, char **ret_filter, Error **err)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    g_autofree char *name = g_strconcat(MACHINE_PREFIX, text, NULL);
    if (!find_group(host, group, err))
        return false;
    g_autoptr(GPtrArray) groups = machine_groups(find_def(host, "", name));
    guint at = 0;
    const bool is_in = g_ptr_array_find_with_equal_func(groups, group, g_str_equal, &at);
    if (is_in != leave)
        return error_set(err, ERROR_INVALID_STATE, "the machine is %s the security group '%s'",
                         leave ? "not in" : "already in", group);
    if (leave)
        g_ptr_array_remove_index(groups, at);
    else
        g_ptr_array_add(groups, g_strdup(group));
    *ret_filter = NULL;
    if (groups->len == 0)
        return true;
    g_autofree char *xml = machine_xml(host, name, before, groups, NULL, NULL);
    if (!define(host, xml, caller, err))
        return false;
    *ret_filter = g_steal_pointer(&name);
    filter_group_refresh(host);
    return true;
}

void filter_group_forget(Host *host, const Uuid *uuid)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    g_autofree char *name = g_strconcat(MACHINE_PREFIX, text, NULL);
    g_autoptr(Object) filter = object_find_by_name(host_registry(host, &filter_class), name, NULL);
    g_autoptr(Error) err = NULL;
    if (filter && !object_undefine(filter, NULL, &err))
        log_warning_error(err, name);
    filter_group_refresh(host);
}

/* ---- the rest ---- */

static void info_free(void *data)
{
    FilterGroupInfo *info = data;

    g_free(info->name);
    g_ptr_array_unref(info->rules);
    g_ptr_array_unref(info->members);
    g_free(info);
}

GPtrArray *filter_group_list(Host *host)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(info_free);
    g_autoptr(GPtrArray) filters = NULL;
    g_autoptr(GPtrArray) machines = machine_filters(host);

    if (!object_list(host_registry(host, &filter_class), 0, __func__, &filters, NULL))
        return list;
    for (guint i = 0; i < filters->len; i++) {
        const Object *filter = g_ptr_array_index(filters, i);
        bool is_foreign = false;
        if (!g_str_has_prefix(filter->name, GROUP_PREFIX))
            continue;
        FilterGroupInfo *info = g_new(FilterGroupInfo, 1);
        *info = (FilterGroupInfo){ .name = g_strdup(filter->name + strlen(GROUP_PREFIX)),
                                   .rules = group_rules(filter->config, &is_foreign),
                                   .members = g_ptr_array_new_with_free_func(g_free) };
        for (guint k = 0; k < machines->len; k++) {
            const char *name = g_ptr_array_index(machines, k);
            if (is_member(find_def(host, "", name), info->name))
                g_ptr_array_add(info->members, g_strdup(name + strlen(MACHINE_PREFIX)));
        }
        g_ptr_array_add(list, info);
    }
    return list;
}

bool filter_group_delete(Host *host, const char *name, const Caller *caller, Error **err)
{
    g_autoptr(GPtrArray) groups = filter_group_list(host);
    g_autofree char *filter_name = g_strconcat(GROUP_PREFIX, name, NULL);

    if (!find_group(host, name, err))
        return false;
    for (guint i = 0; i < groups->len; i++) {
        const FilterGroupInfo *info = g_ptr_array_index(groups, i);
        if (strcmp(info->name, name) == 0 && info->members->len > 0)
            return error_set(err, ERROR_INVALID_STATE, "security group '%s' has %u members", name,
                             info->members->len);
        for (guint k = 0; k < info->rules->len && strcmp(info->name, name) != 0; k++) {
            g_auto(GroupRule) rule = { 0 };
            if (rule_parse(g_ptr_array_index(info->rules, k), &rule, NULL) && rule.is_group &&
                strcmp(rule.peer, name) == 0)
                return error_set(err, ERROR_INVALID_STATE, "security group '%s' speaks of '%s'", info->name,
                                 name);
        }
    }
    g_autoptr(Object) filter = object_find_by_name(host_registry(host, &filter_class), filter_name, err);
    return filter && object_undefine(filter, caller, err);
}

void filter_group_catch_up(Host *host)
{
    g_autoptr(Error) err = NULL;

    filter_bindings_store_learned(host);
    if (!update_machines(host, NULL, NULL, NULL, &err))
        log_error_error(err, "security groups do not follow the addresses of their members");
}

AWAITS static void refresh_fiber(void *arg)
{
    Host *host = arg;

    while (host->filters->groups_are_stale && !host->is_stopping) {
        host->filters->groups_are_stale = false;
        filter_group_catch_up(host);
    }
    host->filters->is_refreshing = false;
}

void filter_group_refresh(Host *host)
{
    FilterRoom *room = host->filters;

    room->groups_are_stale = true;
    if (room->is_refreshing || host->is_stopping)
        return;
    room->is_refreshing = true;
    host_spawn(host, "firewall", refresh_fiber, host);
}
