/* Virtual functions of cards; bridges of the host: made of an interface and back, by its definitions; or of
 * the interface that this very connection may go over, with a way back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "conf/interface.h"

#define CALL_TIMEOUT_MS 120000
#define ANSWER_MAX 64

/* ---- documents ---- */

static bool read_definition(const char *xml, HostifDef **ret_def, Error **err)
{
    XmlReader reader = { .source = "(interface_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(xml, strlen(xml), reader.source, &doc, err) ||
        !xml_table_read(&hostif_table, &reader, xmlDocGetRootElement(doc), &def, err))
        return false;
    *ret_def = def;
    return true;
}

/* Of the interface that option @option names; *ret_iface: clear it. */
static bool ask_definition(Cli *cli, const char *name, WireInterface *ret_iface, HostifDef **ret_def,
                           Error **err)
{
    WireInterfaceLookupByNameArgs ask = { .name = (char *)name };
    WireInterfaceLookupByNameRet found = { 0 };
    WireInterfaceGetXmlDescArgs want = { .flags = VIR_INTERFACE_XML_INACTIVE };
    g_auto(WireInterfaceGetXmlDescRet) got = { 0 };

    if (!cli_call(cli, PROC_INTERFACE_LOOKUP_BY_NAME, &ask, &found, err))
        return false;
    *ret_iface = found.iface;
    want.iface = found.iface;
    return cli_call(cli, PROC_INTERFACE_GET_XML_DESC, &want, &got, err) &&
           read_definition(got.xml, ret_def, err);
}

/* Stores @def; *ret_iface: clear it. */
static bool define(Cli *cli, const HostifDef *def, WireInterface *ret_iface, Error **err)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    WireInterfaceDefineXmlRet ret = { 0 };

    xml_table_write(&hostif_table, "interface", def, XML_FORMAT_INACTIVE, 0, xml);
    WireInterfaceDefineXmlArgs call = { .xml = xml->str };
    if (!cli_call(cli, PROC_INTERFACE_DEFINE_XML, &call, &ret, err))
        return false;
    *ret_iface = ret.iface;
    return true;
}

static bool start(Cli *cli, const WireInterface *iface, const char *message, Error **err)
{
    WireInterfaceCreateArgs call = { .iface = *iface };

    cli_doing(cli, "Failed to start %sinterface %s", message, iface->name);
    if (!cli_call(cli, PROC_INTERFACE_CREATE, &call, NULL, err))
        return false;
    cli_message(cli, "%snterface %s started", *message ? "Bridge i" : "I", iface->name);
    return true;
}

/* What is said of the whole moves from one to the other. */
static void move_settings(HostifDef *from, HostifDef *to)
{
    to->start = from->start;
    to->mtu = from->mtu;
    to->protocols = g_steal_pointer(&from->protocols);
}

static void move_bond(HostifDef *from, HostifDef *to)
{
    if (from->type != HOSTIF_BOND)
        return;
    to->ports = g_steal_pointer(&from->ports);
    to->mode = from->mode;
    to->has_miimon = from->has_miimon;
    to->miimon_ms = from->miimon_ms;
    to->downdelay_ms = from->downdelay_ms;
    to->updelay_ms = from->updelay_ms;
    to->carrier = from->carrier;
    to->has_arpmon = from->has_arpmon;
    to->arp_interval_ms = from->arp_interval_ms;
    to->arp_target = g_steal_pointer(&from->arp_target);
    to->arp_validate = from->arp_validate;
}

/* ---- iface-bridge ---- */

static const CliOption bridge_options[] = {
    OPT(CLI_STRING, "interface", "the interface that becomes a port of it", .class = &class_interface,
        .flags = CLI_REQUIRED),
    OPT_REQUIRED("bridge", "name of the new bridge"),
    OPT_BOOL("no-stp", "without spanning tree"),
    OPT_INT("delay", "seconds until a new port forwards; default: 0"),
    OPT_BOOL("no-start", "do not start it"),
    { 0 },
};

static bool bridge_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "interface"), *bridge = args_get(args, "bridge");
    const char *delay = args_get(args, "delay");
    g_auto(WireInterface) iface = { 0 }, made = { 0 };
    HostifDef *from = NULL;

    if (!ask_definition(cli, name, &iface, &from, err))
        return false;
    HostifDef *def = xml_table_new(&hostif_table);
    def->type = HOSTIF_BRIDGE;
    def->name = g_strdup(bridge);
    def->stp = args_has(args, "no-stp") ? TRISTATE_OFF : TRISTATE_ON;
    def->delay = g_strdup(delay ? delay : "0");
    move_settings(from, def);
    HostifDef *port = hostif_add_port(def, from->name);
    port->type = from->type;
    port->mac = from->type == HOSTIF_ETHERNET ? g_steal_pointer(&from->mac) : NULL;
    port->tag = from->tag;
    port->lower = g_steal_pointer(&from->lower);
    move_bond(from, port);
    cli_doing(cli, "Failed to define new bridge interface %s", bridge);
    const bool is_possible =
        from->type != HOSTIF_BRIDGE ||
        error_set(err, ERROR_OPERATION_FAILED, "Existing device %s is already a bridge", name);
    const bool ok = is_possible && define(cli, def, &made, err);
    xml_table_free(&hostif_table, from);
    xml_table_free(&hostif_table, def);
    if (!ok)
        return false;
    cli_message(cli, "Created bridge %s with attached device %s", bridge, name);
    return args_has(args, "no-start") || start(cli, &made, "bridge ", err);
}

/* ---- iface-unbridge ---- */

static const CliOption unbridge_options[] = {
    OPT(CLI_STRING, "bridge", "the bridge that is to go", .class = &class_interface, .flags = CLI_REQUIRED),
    OPT_BOOL("no-start", "do not start the interface that was its port"),
    { 0 },
};

static bool remove_bridge(Cli *cli, const WireInterface *iface, Error **err)
{
    WireInterfaceIsActiveArgs ask = { .iface = *iface };
    WireInterfaceIsActiveRet active = { 0 };
    WireInterfaceDestroyArgs stop = { .iface = *iface };
    WireInterfaceUndefineArgs undefine = { .iface = *iface };

    cli_doing(cli, "Failed to destroy bridge interface %s", iface->name);
    if (!cli_call(cli, PROC_INTERFACE_IS_ACTIVE, &ask, &active, err) ||
        (active.active && !cli_call(cli, PROC_INTERFACE_DESTROY, &stop, NULL, err)))
        return false;
    cli_doing(cli, "Failed to undefine bridge interface %s", iface->name);
    return cli_call(cli, PROC_INTERFACE_UNDEFINE, &undefine, NULL, err);
}

static bool unbridge_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "bridge");
    g_auto(WireInterface) iface = { 0 }, made = { 0 };
    HostifDef *from = NULL;
    bool ok = true;

    if (!ask_definition(cli, name, &iface, &from, err))
        return false;
    if (from->type != HOSTIF_BRIDGE)
        ok = error_set(err, ERROR_OPERATION_FAILED, "Device %s is not a bridge", name);
    else if (!from->ports || from->ports->len != 1)
        ok = error_set(err, ERROR_OPERATION_FAILED, "Multiple interfaces (or none) attached to bridge %s",
                       name);
    HostifDef *def = xml_table_new(&hostif_table);
    if (ok) {
        HostifDef *port = g_ptr_array_index(from->ports, 0);
        def->type = port->type;
        def->name = g_strdup(port->name);
        def->mac = g_steal_pointer(&port->mac);
        def->tag = port->tag;
        def->lower = g_steal_pointer(&port->lower);
        move_bond(port, def);
        move_settings(from, def);
        ok = remove_bridge(cli, &iface, err);
    }
    if (ok) {
        cli_doing(cli, "Failed to define new interface %s", def->name);
        ok = define(cli, def, &made, err);
    }
    if (ok)
        cli_message(cli, "Device %s un-attached from bridge %s", def->name, name);
    xml_table_free(&hostif_table, from);
    xml_table_free(&hostif_table, def);
    return ok && (args_has(args, "no-start") || start(cli, &made, "", err));
}

/* ---- net-bridge-host ---- */

static const CliOption host_options[] = {
    OPT(CLI_STRING, "interface", "the interface that the host is reached over", .class = &class_interface),
    OPT_NAMED("name", "name of the bridge; default: the first of br0, br1 ... that is free"),
    OPT_INT("timeout", "seconds until it is taken back; default: 60"),
    OPT_BOOL("dry-run", "show what would be done, and do nothing"),
    OPT_BOOL("yes", "do it without asking, and confirm it with another command"),
    OPT_BOOL("confirm", "keep the bridge that was made"),
    OPT_BOOL("revert", "take it back now"),
    { 0 },
};

static void show_plan(Cli *cli, const WireLodgeHostBridgePlanRet *plan)
{
    cli_say(cli, "The host moves from %s to the bridge %s (the network is managed by %s):\n", plan->link,
            plan->bridge, plan->manager);
    for (unsigned i = 0; i < plan->n_steps; i++)
        cli_say(cli, "  %u. %s\n", i + 1, plan->steps[i]);
}

static void print_plan(Cli *cli, const WireLodgeHostBridgePlanRet *plan)
{
    Json *steps = json_array(), *object = json_object();

    for (unsigned i = 0; i < plan->n_steps; i++)
        json_array_append_new(steps, json_string(plan->steps[i]));
    json_object_set_new(object, "interface", json_string(plan->link));
    json_object_set_new(object, "bridge", json_string(plan->bridge));
    json_object_set_new(object, "manager", json_string(plan->manager));
    json_object_set_new(object, "confirm_s", json_integer(plan->confirm_s));
    json_object_set_new(object, "steps", steps);
    cli_print_json(cli, object);
}

/* true: yes. Nobody there, or anything else: no. */
static bool ask_user(Cli *cli, const char *question)
{
    char answer[ANSWER_MAX] = "";

    cli_say(cli, "%s [y/N] ", question);
    fflush(cli->out);
    /* The connection is kept alive meanwhile. Without a deadline: it is the daemon that waits no longer. */
    (void)!fiber_wait_fd(STDIN_FILENO, EPOLLIN, FIBER_NO_DEADLINE, NULL, NULL);
    return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static bool confirm(Cli *cli, Error **err)
{
    WireLodgeHostBridgeConfirmArgs call = { 0 };
    g_auto(WireLodgeHostBridgeConfirmRet) ret = { 0 };

    cli_doing(cli, "Failed to confirm the bridge of the host");
    if (!lodge_call(cli, LODGE_PROC_HOST_BRIDGE_CONFIRM, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, "Bridge %s is kept", ret.bridge);
    return true;
}

static bool revert(Cli *cli, Error **err)
{
    WireLodgeHostBridgeRevertArgs call = { 0 };
    g_auto(WireLodgeHostBridgeRevertRet) ret = { 0 };

    cli_doing(cli, "Failed to take back the bridge of the host");
    if (!lodge_call(cli, LODGE_PROC_HOST_BRIDGE_REVERT, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, "Interface %s has its addresses again", ret.link);
    return true;
}

static bool host_run(Cli *cli, const CliArgs *args, Error **err)
{
    const bool asks = !args_has(args, "yes") && isatty(STDIN_FILENO);
    WireLodgeHostBridgePlanArgs call = { .link = (char *)args_get(args, "interface"),
                                         .bridge = (char *)args_get(args, "name") };
    g_auto(WireLodgeHostBridgePlanRet) plan = { 0 };
    int64_t timeout_s = 0;

    if (args_has(args, "confirm"))
        return confirm(cli, err);
    if (args_has(args, "revert"))
        return revert(cli, err);
    if (!call.link) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "command 'net-bridge-host' requires <interface>, --confirm or --revert");
        return error_hint(err, "see 'lodge help net-bridge-host'");
    }
    if (!args_get_int(args, "timeout", 0, 3600, &timeout_s, err))
        return false;
    call.timeout_s = (uint32_t)timeout_s;
    cli_doing(cli, "Failed to move the host from %s to a bridge", call.link);
    if (!lodge_call(cli, LODGE_PROC_HOST_BRIDGE_PLAN, &call, &plan, CALL_TIMEOUT_MS, err))
        return false;
    show_plan(cli, &plan);
    if (args_has(args, "dry-run")) {
        print_plan(cli, &plan);
        return true;
    }
    if (!asks && !args_has(args, "yes")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "nobody is there to be asked");
        return error_hint(err,
                          "add --yes, and confirm it within the time with 'lodge net-bridge-host --confirm'");
    }
    if (asks && !ask_user(cli, "Do it?"))
        return true;
    /* The bridge as it was shown, not the first that is free by now. */
    WireLodgeHostBridgeMakeArgs make = { .link = plan.link,
                                         .bridge = plan.bridge,
                                         .timeout_s = call.timeout_s };
    g_auto(WireLodgeHostBridgeMakeRet) made = { 0 };
    if (!lodge_call(cli, LODGE_PROC_HOST_BRIDGE_MAKE, &make, &made, CALL_TIMEOUT_MS, err))
        return false;
    cli_message(cli, "Done. It is taken back in %u s, unless you say: lodge net-bridge-host --confirm",
                made.confirm_s);
    if (!asks)
        return true;
    return ask_user(cli, "Does the host still answer? Keep the bridge?") ? confirm(cli, err)
                                                                         : revert(cli, err);
}

/* ---- nodedev-functions ---- */

static const CliOption functions_options[] = {
    OPT(CLI_STRING, "device", "name of the device", .class = &class_nodedev, .flags = CLI_REQUIRED),
    OPT(CLI_INT, "count", "how many it is to have", .flags = CLI_REQUIRED),
    { 0 },
};

static bool functions_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "device");
    int64_t count = 0;

    if (!args_get_int(args, "count", 0, 65536, &count, err))
        return false;
    /* An address stands in each document of a PCI device; the daemon goes by the name. */
    g_autofree char *xml = g_strdup_printf("<device><capability "
                                           "type='pci'><domain>0</domain><bus>0</bus><slot>0</"
                                           "slot><function>0</function><product id='0'/>"
                                           "<vendor id='0'/><capability type='virt_functions' count='%" PRId64
                                           "'/></capability></device>",
                                           count);
    WireNodeDeviceUpdateArgs call = { .name = (char *)name, .xml = xml, .flags = 1 };
    cli_doing(cli, "Failed to make virtual functions of device %s", name);
    if (!cli_call(cli, PROC_NODE_DEVICE_UPDATE, &call, NULL, err))
        return false;
    cli_message(cli, "Device %s has %" PRId64 " virtual functions", name, count);
    return true;
}

const CliCommand commands_interface[] = {
    COMMAND("iface-bridge", GROUP_INTERFACE, "make a bridge over an interface of the host", bridge_options,
            bridge_run, .class = NULL),
    COMMAND("iface-unbridge", GROUP_INTERFACE,
            "give a bridge's only port its addresses, and remove the bridge", unbridge_options, unbridge_run,
            .class = NULL),
    COMMAND("nodedev-functions", GROUP_NODEDEV,
            "let a card have so many virtual functions (SR-IOV), until the next boot", functions_options,
            functions_run, .class = NULL),
    COMMAND(
        "net-bridge-host", GROUP_NETWORK, "move the host's addresses to a new bridge, with a way back",
        host_options, host_run, .exclusive = "confirm revert; interface confirm; interface revert",
        .doc =
            "Shows what it is going to do, and does it if you say yes. Addresses and routes move at once, "
            "and "
            "connections go on. Unless you confirm it in time, by an answer or with --confirm, all is taken "
            "back, also if this connection breaks or the daemon is killed. Only what is confirmed is written "
            "into the files of the program that manages the network.",
        .json = "a message; with --dry-run {\"interface\": string, \"bridge\": string, \"manager\": "
                "string, \"confirm_s\": number, \"steps\": [string]}"),
    { 0 },
};
