/* The way of a machine's packets. What the kernel knows is read once, in a worker, and then told step by step
 * in the order in which a packet comes by: tap, bridge, dnsmasq, rules, routes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/trace.h"

#include <inttypes.h>
#include <linux/if_bridge.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/worker.h"
#include "network/firewall.h"
#include "network/netlink.h"
#include "network/network_private.h"
#include "network/others.h"

#define DEADLINE_MS 30000
#define OK "ok"
#define WARN "warn"
#define FAIL "fail"
#define SAY(...) g_strdup_printf(__VA_ARGS__)

static void step_free(void *data)
{
    TraceStep *step = data;

    g_free(step->interface);
    g_free(step->text);
    g_free(step->hint);
    g_free(step);
}

GPtrArray *trace_new(void)
{
    return g_ptr_array_new_with_free_func(step_free);
}

void trace_add(GPtrArray *steps, const char *interface, const char *what, const char *state, char *text,
               char *hint)
{
    TraceStep *step = g_new(TraceStep, 1);

    *step = (TraceStep){
        .interface = g_strdup(interface), .what = what, .state = state, .text = text, .hint = hint
    };
    g_ptr_array_add(steps, step);
}

/* ---- what the kernel knows ---- */

typedef struct Kernel {
    GArray *links, *neighbours, *routes;
    char forwards_v4[2]; /* "0", "1" */
} Kernel;

static void kernel_free(void *data)
{
    Kernel *kernel = data;

    g_clear_pointer(&kernel->links, g_array_unref);
    g_clear_pointer(&kernel->neighbours, g_array_unref);
    g_clear_pointer(&kernel->routes, g_array_unref);
    g_free(kernel);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Kernel, kernel_free)

static bool kernel_read(void *data, Error **err)
{
    Kernel *kernel = data;
    g_autofree char *text = NULL;

    if (g_file_get_contents("/proc/sys/net/ipv4/ip_forward", &text, NULL, NULL))
        g_strlcpy(kernel->forwards_v4, text, sizeof(kernel->forwards_v4));
    return netlink_list_links(&kernel->links, err) && netlink_list_neighbours(&kernel->neighbours, err) &&
           netlink_list_routes(&kernel->routes, err);
}

static const LinkInfo *find_link(const Kernel *kernel, const char *name, int index)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        const LinkInfo *link = &g_array_index(kernel->links, LinkInfo, i);
        if (name ? strcmp(link->name, name) == 0 : link->index == index)
            return link;
    }
    return NULL;
}

/* ---- steps ---- */

typedef struct Trace {
    GPtrArray *steps;
    const Kernel *kernel;
    const InterfaceDef *iface;
    const NetworkDef *def; /* of its network; NULL: it is on none */
    Network *network;
    const char *name, *bridge;
    bool is_silent; /* the guest has sent nothing */
} Trace;
#define STEP(what, state, text, hint) trace_add(trace->steps, trace->name, what, state, text, hint)

static void step_link(Trace *trace)
{
    if (trace->iface->link == LINK_STATE_DOWN)
        STEP("link", FAIL, SAY("the guest's cable is unplugged (<link state='down'/>)"),
             SAY("lodge domif-setlink MACHINE %s up", trace->name));
}

/* false: the rest is moot. */
static bool step_tap(Trace *trace)
{
    const LinkInfo *tap = find_link(trace->kernel, trace->iface->target ? trace->iface->target : "", 0);
    const LinkInfo *bridge = trace->bridge ? find_link(trace->kernel, trace->bridge, 0) : NULL;

    if (!tap) {
        STEP("tap", FAIL, SAY("the host's end %s is gone", trace->name),
             SAY("plug the interface in anew, or restart the machine"));
        return false;
    }
    trace->is_silent = tap->rx_packets == 0;
    if (!(tap->flags & IFF_UP))
        STEP("tap", FAIL, SAY("%s is down", tap->name), SAY("ip link set %s up", tap->name));
    else if (trace->bridge && !bridge)
        STEP("bridge", FAIL, SAY("the bridge %s is gone", trace->bridge),
             trace->network
                 ? SAY("lodge net-destroy %s; lodge net-start %s", trace->network->name, trace->network->name)
                 : SAY("make it: ip link add %s type bridge", trace->bridge));
    else if (bridge && tap->master != bridge->index)
        STEP("tap", FAIL, SAY("%s is no port of the bridge %s", tap->name, trace->bridge),
             SAY("ip link set %s master %s", tap->name, trace->bridge));
    else
        STEP("tap", OK,
             SAY("%s is up, %s %s", tap->name, bridge ? "a port of" : "a", bridge ? bridge->name : tap->kind),
             NULL);
    if (bridge && !(bridge->flags & IFF_UP))
        STEP("bridge", FAIL, SAY("the bridge %s is down", bridge->name),
             SAY("ip link set %s up", bridge->name));
    if (bridge && tap->master == bridge->index && tap->port_state != BR_STATE_FORWARDING)
        STEP("port", FAIL, SAY("the port %s does not forward yet: state %u", tap->name, tap->port_state),
             SAY("spanning tree lets it wait: <bridge delay='0'/>, or stp='off'"));
    else if (bridge && tap->master == bridge->index)
        STEP("port", OK, SAY("the port forwards"), NULL);
    if (trace->is_silent)
        STEP("traffic", WARN, SAY("the guest has sent nothing so far"),
             SAY("its driver or its configuration: is the card '%s' one that it knows, is the interface up?",
                 trace->iface->model ? trace->iface->model : ""));
    else
        STEP("traffic", OK,
             SAY("the guest has sent %" PRIu64 " packets and was sent %" PRIu64, tap->rx_packets,
                 tap->tx_packets),
             NULL);
    return true;
}

static void step_filter(Trace *trace)
{
    if (trace->iface->filter)
        STEP("filter", OK, SAY("the filter '%s' looks at its packets", trace->iface->filter),
             SAY("what it drops: lodge nwfilter-dumpxml %s", trace->iface->filter));
}

static void step_vlan(Trace *trace)
{
    g_autoptr(GString) tags = g_string_new(NULL);

    for (guint i = 0; trace->iface->vlan && i < trace->iface->vlan->tags->len; i++)
        g_string_append_printf(tags, "%s%u", i ? ", " : "",
                               ((const VlanTag *)g_ptr_array_index(trace->iface->vlan->tags, i))->id);
    if (tags->len)
        STEP("vlan", OK, SAY("VLAN %s: only ports in it are reached", tags->str), NULL);
}

static void step_lower(Trace *trace)
{
    const char *name =
        trace->iface->type == INTERFACE_DIRECT ? trace->iface->source : trace->iface->actual_dev;
    const LinkInfo *lower = name ? find_link(trace->kernel, name, 0) : NULL;

    if (!lower)
        STEP("device", FAIL, SAY("the device %s is gone", name ? name : ""), NULL);
    else if (!(lower->flags & IFF_UP) || !lower->has_carrier)
        STEP("device", FAIL,
             SAY("the device %s %s", name, lower->flags & IFF_UP ? "has no carrier" : "is down"),
             lower->flags & IFF_UP ? NULL : SAY("ip link set %s up", name));
    else
        STEP("device", WARN, SAY("packets leave by %s; this host itself is not reached over a macvtap", name),
             NULL);
}

AWAITS static bool step_lease(Trace *trace, Error **err)
{
    char mac[MAC_STRING_LEN];
    g_autoptr(GPtrArray) leases = NULL;

    if (!dnsmasq_is_wanted(trace->def))
        return true;
    if (!trace->network->dnsmasq) {
        STEP("dhcp", FAIL,
             SAY("dnsmasq of network '%s' does not run: no addresses, no names", trace->network->name),
             SAY("it is started again by itself; the daemon's log says why it ended"));
        return true;
    }
    mac_format(&trace->iface->mac, mac);
    if (!network_get_leases(&trace->network->object, mac, &leases, err))
        return false;
    if (leases->len == 0)
        STEP("lease", WARN, SAY("no address was lent to %s", mac),
             g_strdup(trace->is_silent ? "the guest has not asked: it has sent nothing"
                                       : "the guest has not asked, or uses an address of its own"));
    for (guint i = 0; i < leases->len; i++) {
        const NetworkLeaseInfo *lease = g_ptr_array_index(leases, i);
        const int64_t left_s = lease->expiry_s - (int64_t)time(NULL);
        STEP("lease", OK,
             lease->expiry_s ? SAY("%s/%u for another %" PRId64 " s%s%s", lease->ip, lease->prefix, left_s,
                                   lease->hostname ? ", name " : "", lease->hostname ? lease->hostname : "")
                             : SAY("%s/%u for ever", lease->ip, lease->prefix),
             NULL);
    }
    return true;
}

static void step_neighbour(Trace *trace)
{
    const LinkInfo *bridge = trace->bridge ? find_link(trace->kernel, trace->bridge, 0) : NULL;
    unsigned count = 0;
    char ip[IP_STRING_LEN];

    for (guint i = 0; bridge && i < trace->kernel->neighbours->len; i++) {
        const NeighbourInfo *neighbour = &g_array_index(trace->kernel->neighbours, NeighbourInfo, i);
        if (neighbour->index != bridge->index ||
            memcmp(&neighbour->mac, &trace->iface->mac, sizeof(Mac)) != 0)
            continue;
        ip_format(&neighbour->ip, ip);
        STEP("neighbour", OK, SAY("the guest has answered as %s on %s", ip, bridge->name), NULL);
        count++;
    }
    if (bridge && count == 0 && trace->def && trace->def->ips)
        STEP("neighbour", WARN, SAY("this host has not heard of the guest on %s", bridge->name),
             SAY("nothing was exchanged lately: ping it"));
}

static void add_findings(GPtrArray *steps, const char *interface, const NetworkDef *def, const Json *ruleset)
{
    g_autoptr(GPtrArray) findings = others_find(ruleset, def);

    for (guint i = 0; i < findings->len; i++) {
        const OtherFinding *finding = g_ptr_array_index(findings, i);
        trace_add(steps, interface, "other rules", FAIL,
                  SAY("the chain %s%s%s%s drops %s", finding->chain, finding->owner ? " (" : "",
                      finding->owner ? finding->owner : "", finding->owner ? ")" : "", finding->what),
                  g_strdup(finding->command));
    }
    if (findings->len == 0)
        trace_add(steps, interface, "other rules", OK, SAY("no other rule set drops its packets"), NULL);
}

AWAITS static bool step_rules(Trace *trace, Error **err)
{
    g_autoptr(Json) ruleset = NULL;

    if (!firewall_is_there(trace->def))
        STEP("rules", FAIL, SAY("the rules of network '%s' are not there", trace->network->name),
             SAY("they come back by themselves; if not: lodge net-destroy, lodge net-start"));
    else if (trace->def->forward == NETWORK_OPEN)
        STEP("rules", OK, SAY("an open network has no rules"), NULL);
    else
        STEP("rules", OK,
             SAY("rules of mode '%s' are in place",
                 trace->def->forward ? enum_name(&network_forward_names, trace->def->forward) : "isolated"),
             NULL);
    if (!others_read(&ruleset, err))
        return false;
    add_findings(trace->steps, trace->name, trace->def, ruleset);
    return true;
}

static void step_route(Trace *trace)
{
    const char *mode = enum_name(&network_forward_names, trace->def->forward);

    if (trace->def->forward == NETWORK_ISOLATED) {
        STEP("route", OK, SAY("the network is isolated: packets reach its guests and this host only"), NULL);
        return;
    }
    if (strcmp(trace->kernel->forwards_v4, "0") == 0)
        STEP("forwarding", FAIL, SAY("this host forwards no packets (net.ipv4.ip_forward is 0)"),
             SAY("sysctl net.ipv4.ip_forward=1; lodge turns it on when a network starts: something turned "
                 "it off"));
    for (guint i = 0; i < trace->kernel->routes->len; i++) {
        const RouteInfo *route = &g_array_index(trace->kernel->routes, RouteInfo, i);
        const LinkInfo *out = find_link(trace->kernel, NULL, route->index);
        char gateway[IP_STRING_LEN] = "";
        if (route->network.is_v6 || route->prefix != 0 || !out)
            continue;
        if (route->has_gateway)
            ip_format(&route->gateway, gateway);
        if (trace->def->forward_dev && strcmp(trace->def->forward_dev, out->name) != 0)
            STEP("route", FAIL,
                 SAY("packets would leave by %s, but the network only leads to %s", out->name,
                     trace->def->forward_dev),
                 NULL);
        else
            STEP("route", OK,
                 SAY("packets leave by %s%s%s (%s)", out->name, *gateway ? " over " : "", gateway, mode),
                 NULL);
        return;
    }
    STEP("route", WARN, SAY("this host has no default route: guests reach what it is connected to"), NULL);
}

/* ---- an interface ---- */

AWAITS static bool trace_network(Trace *trace, Error **err)
{
    const NetworkDef *def = trace->def;

    STEP("network", OK,
         SAY("network '%s' is active, mode %s", trace->network->name,
             def->forward ? enum_name(&network_forward_names, def->forward) : "isolated"),
         NULL);
    step_link(trace);
    if (trace->iface->actual_type == INTERFACE_DIRECT) {
        step_lower(trace);
        return true;
    }
    if (!step_tap(trace))
        return true;
    step_vlan(trace);
    step_filter(trace);
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward))
        return true;
    if (!step_lease(trace, err))
        return false;
    step_neighbour(trace);
    if (!step_rules(trace, err))
        return false;
    step_route(trace);
    return true;
}

bool network_trace(Host *host, const InterfaceDef *iface, GPtrArray *steps, Error **err)
{
    Kernel *read = g_new0(Kernel, 1);
    char mac[MAC_STRING_LEN];
    Trace state = { .steps = steps, .iface = iface, .name = iface->target }, *trace = &state;

    mac_format(&iface->mac, mac);
    if (!trace->name)
        trace->name = mac;
    if (!worker_call(worker_lane_named("network links"), kernel_read, read, kernel_free, DEADLINE_MS, err))
        return false;
    g_autoptr(Kernel) kernel = read;
    trace->kernel = kernel;
    if (iface->type == INTERFACE_NETWORK) {
        g_autoptr(Object) object =
            object_find_by_name(host_registry(host, &network_class), iface->source, NULL);
        NetworkDef *def = object && object->live ? xml_table_copy(&network_table, object->live) : NULL;
        if (!def) {
            STEP("network", FAIL,
                 SAY("network '%s' %s", iface->source, object ? "is not active" : "does not exist"),
                 object ? SAY("lodge net-start %s", iface->source) : NULL);
            return true;
        }
        trace->network = (Network *)object;
        trace->def = def;
        trace->bridge = iface->actual_bridge ? iface->actual_bridge : def->bridge;
        const bool ok = trace_network(trace, err);
        xml_table_free(&network_table, def);
        return ok;
    }
    trace->bridge = iface->type == INTERFACE_BRIDGE ? iface->source : NULL;
    step_link(trace);
    if (iface->type == INTERFACE_DIRECT)
        step_lower(trace);
    else if (iface->target && step_tap(trace)) {
        step_vlan(trace);
        step_filter(trace);
    } else if (!iface->target)
        STEP("network", OK,
             SAY("an interface of type '%s': its packets do not pass this host's network",
                 enum_name(&interface_type_names, iface->type)),
             NULL);
    return true;
}

/* Tables of the old iptables, which nft does not show. */
static void add_legacy(GPtrArray *steps)
{
    g_autofree char *tables = NULL;

    if (!g_file_get_contents("/proc/net/ip_tables_names", &tables, NULL, NULL) || !strstr(tables, "filter"))
        return;
    trace_add(steps, "all", "other rules", WARN,
              SAY("there are rules of iptables-legacy, which cannot be looked at beside nftables"),
              SAY("see 'iptables-legacy -S FORWARD'; move them: iptables-legacy-save | "
                  "iptables-nft-restore"));
}

bool network_trace_others(Host *host, GPtrArray *steps, Error **err)
{
    g_autoptr(Json) ruleset = NULL;
    const Object *object = NULL;

    if (!others_read(&ruleset, err))
        return false;
    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        if (object->live)
            add_findings(steps, object->name, object->live, ruleset);
    }
    add_legacy(steps);
    return true;
}
