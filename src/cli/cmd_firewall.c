/* `lodge firewall`: security groups. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

#define CALL_TIMEOUT_MS 60000

static const CliOption firewall_options[] = {
    OPT(CLI_STRING, "operation", "what to do", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "list show create delete allow deny join leave"),
    OPT_STRING("group", "name of the group"),
    OPT(CLI_STRING, "domain", "join, leave: name, id or UUID of the machine", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "protocol", "allow, deny: any (the default), tcp, udp, sctp or icmp", .flags = CLI_NAMED),
    OPT(CLI_STRING, "port", "allow, deny: PORT or FIRST-LAST", .flags = CLI_NAMED),
    OPT(CLI_STRING, "from", "allow, deny what comes in: ADDRESS[/PREFIX] or group:NAME; anybody by default",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "to", "allow, deny what goes out: ADDRESS[/PREFIX], group:NAME or any",
        .flags = CLI_NAMED),
    OPT_BOOL("remove", "allow, deny: take the rule away"),
    { 0 },
};

static const CliColumn firewall_columns[] = {
    { "Group", "group" }, { "Rules", "rules" }, { "Members", "members" }, { 0 }
};

static char *joined(char *const *texts, unsigned n, const char *between)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(out, "%s%s", i ? between : "", texts[i]);
    return g_string_free(out, FALSE);
}

static Json *json_texts(char *const *texts, unsigned n)
{
    Json *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

/* All groups, or with @only that one, with its rules line by line. */
static bool firewall_list(Cli *cli, const char *only, Error **err)
{
    WireLodgeFirewallListArgs call = { 0 };
    g_auto(WireLodgeFirewallListRet) ret = { 0 };
    bool found = !only;

    if (!lodge_call(cli, LODGE_PROC_FIREWALL_LIST, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    g_autoptr(CliTable) table = table_new(firewall_columns, 0);
    for (unsigned i = 0; i < ret.n_groups; i++) {
        const WireLodgeFirewallGroup *group = &ret.groups[i];
        g_autofree char *members = joined(group->members, group->n_members, ", ");
        if (only && strcmp(group->name, only) != 0)
            continue;
        found = true;
        if (only && cli->format == CLI_TEXT) {
            for (unsigned k = 0; k < group->n_rules; k++)
                fprintf(cli->out, "%s\n", group->rules[k]);
            fprintf(cli->out, "members: %s\n", *members ? members : "-");
        }
        table_row(table);
        table_cell_text(table, group->name);
        table_cell(table, json_texts(group->rules, group->n_rules), "%u", group->n_rules);
        table_cell(table, json_texts(group->members, group->n_members), "%s", *members ? members : "-");
    }
    if (!found)
        return error_set(err, ERROR_NO_NWFILTER, "no security group with matching name '%s'", only);
    return (only && cli->format == CLI_TEXT) || cli_print_table(cli, g_steal_pointer(&table), err);
}

/* "allow in tcp 22 from 10.0.0.0/8". Owned. */
static char *rule_of(const CliArgs *args, const char *action)
{
    const char *protocol = args_get(args, "protocol"), *port = args_get(args, "port");
    const char *from = args_get(args, "from"), *to = args_get(args, "to");
    GString *rule = g_string_new(action);

    g_string_append_printf(rule, " %s %s", to ? "out" : "in", protocol ? protocol : "any");
    if (port)
        g_string_append_printf(rule, " %s", port);
    if (from)
        g_string_append_printf(rule, " from %s", from);
    if (to && strcmp(to, "any") != 0)
        g_string_append_printf(rule, " to %s", to);
    return g_string_free(rule, FALSE);
}

static bool firewall_rule(Cli *cli, const CliArgs *args, const char *action, Error **err)
{
    g_autofree char *rule = rule_of(args, action);
    WireLodgeFirewallRuleArgs call = { .group = (char *)args_get(args, "group"),
                                       .rule = rule,
                                       .remove = args_has(args, "remove") };

    if (!lodge_call(cli, LODGE_PROC_FIREWALL_RULE, &call, NULL, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, call.remove ? "Rule '%s' removed from group %s" : "Rule '%s' added to group %s", rule,
                call.group);
    return true;
}

static bool firewall_member(Cli *cli, const CliArgs *args, bool leave, Error **err)
{
    g_auto(WireDomain) dom = { 0 };

    if (!args_has(args, "domain"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'firewall %s' needs a group and a machine",
                         leave ? "leave" : "join");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireLodgeFirewallMemberArgs call = { .domain = dom.name,
                                         .group = (char *)args_get(args, "group"),
                                         .leave = leave };
    if (!lodge_call(cli, LODGE_PROC_FIREWALL_MEMBER, &call, NULL, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, leave ? "Machine %s left group %s" : "Machine %s is in group %s", call.domain,
                call.group);
    return true;
}

static bool firewall_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *operation = args_get(args, "operation"), *group = args_get(args, "group");
    const bool is_delete = strcmp(operation, "delete") == 0;

    if (strcmp(operation, "list") == 0)
        return firewall_list(cli, NULL, err);
    if (!group)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'firewall %s' needs the name of a group", operation);
    if (strcmp(operation, "show") == 0)
        return firewall_list(cli, group, err);
    if (strcmp(operation, "allow") == 0 || strcmp(operation, "deny") == 0)
        return firewall_rule(cli, args, operation, err);
    if (strcmp(operation, "join") == 0 || strcmp(operation, "leave") == 0)
        return firewall_member(cli, args, *operation == 'l', err);
    WireLodgeFirewallGroupArgs call = { .name = (char *)group, .remove = is_delete };
    if (!lodge_call(cli, LODGE_PROC_FIREWALL_GROUP, &call, NULL, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, is_delete ? "Security group %s deleted" : "Security group %s created", group);
    return true;
}

const CliCommand commands_firewall[] = {
    COMMAND("firewall", GROUP_LODGE, "keep security groups, and the machines in them", firewall_options,
            firewall_run,
            .doc =
                "A group is a named set of rules. A machine in groups gets what one of them allows and none "
                "denies, and the answers to what it asked for; it may send anything that no group denies, "
                "under "
                "its own addresses. Machines join and leave while they run. A rule about group:NAME follows "
                "the addresses of that group's members. Groups are network filters (lodge-group-NAME), so "
                "other servers know them, too.",
            .exclusive = "from to", .columns = firewall_columns),
    { 0 },
};
