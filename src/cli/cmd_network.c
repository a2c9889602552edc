/* Commands about networks and network filters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/object.h"
#include "cli/output.h"

#define OPT_NETWORK                                                                                          \
    {                                                                                                        \
        .name = "network", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_NETWORK,          \
        .doc = "name or UUID of the network"                                                                 \
    }
#define OPT_FILTER                                                                                           \
    {                                                                                                        \
        .name = "nwfilter", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_FILTER,          \
        .doc = "name or UUID of the network filter"                                                          \
    }

static const CliOption network_options[] = { OPT_NETWORK, { 0 } };
static const CliOption autostart_options[] = {
    OPT_NETWORK,
    OPT_BOOL("disable", "do not start it with the host any more"),
    { 0 },
};
static const CliOption file_options[] = {
    OPT_FILE("the XML; - reads the standard input"),
    OPT_BOOL("validate", "refuse XML that does not follow the schema"),
    { 0 },
};
static const CliOption dumpxml_options[] = {
    OPT_NETWORK,
    OPT_BOOL("inactive", "the stored definition, also while the network runs"),
    OPT_XPATH,
    { 0 },
};

/* ---- net-list ---- */

static const CliOption list_options[] = {
    OPT_BOOL("inactive", "only networks that do not run"),
    OPT_BOOL("all", "all networks"),
    OPT_BOOL("persistent", "only networks with a stored definition"),
    OPT_BOOL("transient", "only networks without a stored definition"),
    OPT_BOOL("autostart", "only networks that start with the host"),
    OPT_BOOL("no-autostart", "only networks that do not start with the host"),
    OPT_BOOL("uuid", "print UUIDs only"),
    OPT_BOOL("name", "print names only"),
    OPT_BOOL("table", "print a table (the default)"),
    { 0 },
};

static unsigned list_flags(const CliArgs *args)
{
    unsigned flags = VIR_CONNECT_LIST_NETWORKS_ACTIVE;
    if (args_has(args, "inactive"))
        flags = VIR_CONNECT_LIST_NETWORKS_INACTIVE;
    if (args_has(args, "all"))
        flags = VIR_CONNECT_LIST_NETWORKS_INACTIVE | VIR_CONNECT_LIST_NETWORKS_ACTIVE;
    return flags | (args_has(args, "persistent") ? VIR_CONNECT_LIST_NETWORKS_PERSISTENT : 0) |
           (args_has(args, "transient") ? VIR_CONNECT_LIST_NETWORKS_TRANSIENT : 0) |
           (args_has(args, "autostart") ? VIR_CONNECT_LIST_NETWORKS_AUTOSTART : 0) |
           (args_has(args, "no-autostart") ? VIR_CONNECT_LIST_NETWORKS_NO_AUTOSTART : 0);
}

static int compare_networks(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireNetwork *)a)->name, ((const WireNetwork *)b)->name);
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "Name", "name" },
                                         { "State", "state" },
                                         { "Autostart", "autostart" },
                                         { "Persistent", "persistent" },
                                         { NULL, "uuid" } };
    WireConnectListAllNetworksArgs call = { .need_results = 1, .flags = list_flags(args) };
    g_auto(WireConnectListAllNetworksRet) ret = { 0 };
    bool brief = !cli->json && (args_has(args, "uuid") || args_has(args, "name"));
    cli_doing(cli, "Failed to list networks");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NETWORKS, &call, &ret, err))
        return false;
    if (ret.n_nets)
        qsort(ret.nets, ret.n_nets, sizeof(ret.nets[0]), compare_networks);
    g_autoptr(CliTable) table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < ret.n_nets; i++) {
        const WireNetwork *net = &ret.nets[i];
        char uuid[UUID_STRING_LEN];
        bool active = false;
        uuid_format(&net->uuid, uuid);
        if (brief) {
            fprintf(cli->out, "%s\n", args_has(args, "uuid") ? uuid : net->name);
            continue;
        }
        (void)!object_ask(cli, PROC_NETWORK_IS_ACTIVE, net, &active, NULL);
        table_row(table);
        table_cell_text(table, net->name);
        table_cell_text(table, active ? "active" : "inactive");
        table_cell_text(table, object_yes_no(cli, PROC_NETWORK_GET_AUTOSTART, net));
        table_cell_text(table, object_yes_no(cli, PROC_NETWORK_IS_PERSISTENT, net));
        table_cell_text(table, uuid);
    }
    if (!brief)
        cli_print_table(cli, g_steal_pointer(&table));
    return true;
}

/* ---- net-info, net-dhcp-leases ---- */

static bool info_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(NamedObject) net = { 0 };
    g_auto(WireNetworkGetBridgeNameRet) bridge = { 0 };
    char uuid[UUID_STRING_LEN];
    if (!object_lookup(cli, &object_network, args_get(args, "network"), &net, err))
        return false;
    uuid_format(&net.uuid, uuid);
    CliRecord *record = record_new(16);
    record_add(record, "Name:", "name", NULL, "%s", net.name);
    record_add(record, "UUID:", "uuid", NULL, "%s", uuid);
    record_add(record, "Active:", "active", NULL, "%s", object_yes_no(cli, PROC_NETWORK_IS_ACTIVE, &net));
    record_add(record, "Persistent:", "persistent", NULL, "%s",
               object_yes_no(cli, PROC_NETWORK_IS_PERSISTENT, &net));
    record_add(record, "Autostart:", "autostart", NULL, "%s",
               object_yes_no(cli, PROC_NETWORK_GET_AUTOSTART, &net));
    WireNetworkGetBridgeNameArgs call = { .net = net };
    if (cli_call(cli, PROC_NETWORK_GET_BRIDGE_NAME, &call, &bridge, NULL))
        record_add(record, "Bridge:", "bridge", NULL, "%s", bridge.name);
    cli_print_record(cli, record);
    return true;
}

static const CliOption leases_options[] = { OPT_NETWORK, OPT_STRING("mac", "only this MAC address"), { 0 } };

static bool leases_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "Expiry Time", "expires" }, { "MAC address", "mac" },
                                         { "Protocol", "protocol" },   { "IP address", "address" },
                                         { "Hostname", "hostname" },   { "Client ID or DUID", "client_id" } };
    g_auto(NamedObject) net = { 0 };
    g_auto(WireNetworkGetDhcpLeasesRet) ret = { 0 };
    if (!object_lookup(cli, &object_network, args_get(args, "network"), &net, err))
        return false;
    cli_doing(cli, "Failed to get leases info for %s", net.name);
    WireNetworkGetDhcpLeasesArgs call = { .net = net,
                                          .mac = (char *)args_get(args, "mac"),
                                          .need_results = 1 };
    if (!cli_call(cli, PROC_NETWORK_GET_DHCP_LEASES, &call, &ret, err))
        return false;
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < ret.n_leases; i++) {
        const WireNetworkDhcpLease *lease = &ret.leases[i];
        time_t expires = (time_t)lease->expirytime;
        struct tm tm;
        char text[32] = "";
        if (localtime_r(&expires, &tm))
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        table_row(table);
        table_cell(table, json_integer(lease->expirytime), "%s", text);
        table_cell_text(table, lease->mac);
        table_cell_text(table, lease->type == VIR_IP_ADDR_TYPE_IPV4 ? "ipv4" : "ipv6");
        table_cell(table, NULL, "%s/%u", lease->ipaddr, lease->prefix);
        table_cell_text(table, lease->hostname);
        table_cell_text(table, lease->clientid);
    }
    cli_print_table(cli, table);
    return true;
}

/* ---- filters ---- */

static const CliOption filter_options[] = { OPT_FILTER, { 0 } };
static const CliOption filter_dumpxml_options[] = { OPT_FILTER, OPT_XPATH, { 0 } };

static bool filter_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "UUID", "uuid" }, { "Name", "name" } };
    WireConnectListAllNwfiltersArgs call = { .need_results = 1 };
    g_auto(WireConnectListAllNwfiltersRet) ret = { 0 };
    cli_doing(cli, "Failed to list network filters");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NWFILTERS, &call, &ret, err))
        return false;
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < ret.n_filters; i++) {
        char uuid[UUID_STRING_LEN];
        uuid_format(&ret.filters[i].uuid, uuid);
        table_row(table);
        table_cell_text(table, uuid);
        table_cell_text(table, ret.filters[i].name);
    }
    cli_print_table(cli, table);
    return true;
}

#define NETWORK_ROW(command, text, rows, handler)                                                            \
    {                                                                                                        \
        .name = command, .group = GROUP_NETWORK, .summary = text, .options = rows, .run = handler            \
    }
#define FILTER_ROW(command, text, rows, handler)                                                             \
    {                                                                                                        \
        .name = command, .group = GROUP_FILTER, .summary = text, .options = rows, .run = handler             \
    }

const CliCommand commands_network[] = {
    NETWORK_ROW("net-autostart", "start a network with the host, or no longer", autostart_options,
                object_autostart_run),
    NETWORK_ROW("net-create", "start a network from an XML file", file_options, object_create_xml_run),
    NETWORK_ROW("net-define", "store the definition of a network", file_options, object_define_run),
    NETWORK_ROW("net-destroy", "stop a network", network_options, object_destroy_run),
    { .name = "net-dhcp-leases",
      .group = GROUP_NETWORK,
      .summary = "list the addresses that a network has given out",
      .options = leases_options,
      .json =
          "[{\"expires\": number, \"mac\": string, \"protocol\": string, \"address\": string, \"hostname\": "
          "string|null, \"client_id\": string|null}]",
      .run = leases_run },
    { .name = "net-dumpxml",
      .group = GROUP_NETWORK,
      .summary = "print the XML of a network",
      .options = dumpxml_options,
      .json = "{\"xml\": string}",
      .run = object_dumpxml_run },
    NETWORK_ROW("net-edit", "change the definition of a network in an editor", network_options,
                object_edit_run),
    { .name = "net-info",
      .group = GROUP_NETWORK,
      .summary = "show the main facts about a network",
      .options = network_options,
      .json = "{\"name\": string, \"uuid\": string, \"active\": string, \"persistent\": string, "
              "\"autostart\": string, "
              "\"bridge\": string}",
      .run = info_run },
    { .name = "net-list",
      .group = GROUP_NETWORK,
      .summary = "list networks",
      .options = list_options,
      .exclusive = "uuid name table",
      .json = "[{\"name\": string, \"state\": string, \"autostart\": string, \"persistent\": string, "
              "\"uuid\": string}]",
      .run = list_run },
    { .name = "net-name",
      .group = GROUP_NETWORK,
      .summary = "print the name of a network",
      .options = network_options,
      .json = "{\"name\": string}",
      .run = object_name_run },
    NETWORK_ROW("net-start", "start an inactive network", network_options, object_start_run),
    NETWORK_ROW("net-undefine", "remove the definition of a network", network_options, object_undefine_run),
    { .name = "net-uuid",
      .group = GROUP_NETWORK,
      .summary = "print the UUID of a network",
      .options = network_options,
      .json = "{\"uuid\": string}",
      .run = object_uuid_run },
    FILTER_ROW("nwfilter-define", "store the definition of a network filter", file_options,
               object_define_run),
    { .name = "nwfilter-dumpxml",
      .group = GROUP_FILTER,
      .summary = "print the XML of a network filter",
      .options = filter_dumpxml_options,
      .json = "{\"xml\": string}",
      .run = object_dumpxml_run },
    FILTER_ROW("nwfilter-edit", "change a network filter in an editor", filter_options, object_edit_run),
    { .name = "nwfilter-list",
      .group = GROUP_FILTER,
      .summary = "list network filters",
      .json = "[{\"uuid\": string, \"name\": string}]",
      .run = filter_list_run },
    FILTER_ROW("nwfilter-undefine", "remove a network filter", filter_options, object_undefine_run),
    { 0 },
};
