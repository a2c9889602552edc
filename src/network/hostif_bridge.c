/* The host on a bridge: its addresses and routes move from an interface to a new bridge over it, at once, and
 * move back unless somebody who still reaches the host confirms that.
 *
 * Until then nothing on disk changes but a note in run/: a host that is switched off comes back as it was,
 * and a daemon that was killed finds the note and takes back what it says. All steps of going back can be
 * done twice. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hostif"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "host/node.h"
#include "network/hostif_private.h"

#define CONFIRM_S 60
#define CONFIRM_MAX_S 3600
#define MOVE_DEADLINE_MS 30000
#define NAMES_MAX 100
#define NOTE_MAX (1 << 20)

/* What was, and where it is now. */
typedef struct Trial {
    char *link, *bridge;
    HostifManager manager;
    Mac mac;
    unsigned mtu;
    GArray *addresses, *routes; /* of AddressInfo, RouteInfo: in the order in which they are added */
    uint64_t end_ms;            /* CLOCK_BOOTTIME */
} Trial;

static void trial_free(Trial *trial)
{
    if (!trial)
        return;
    g_free(trial->link);
    g_free(trial->bridge);
    g_clear_pointer(&trial->addresses, g_array_unref);
    g_clear_pointer(&trial->routes, g_array_unref);
    g_free(trial);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trial, trial_free)

void hostif_bridge_plan_free(HostifBridgePlan *plan)
{
    if (!plan)
        return;
    g_free(plan->link);
    g_free(plan->bridge);
    g_clear_pointer(&plan->steps, g_ptr_array_unref);
    g_free(plan);
}

static uint64_t boottime_ms(void)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the note ---- */

static char *note_path(const Host *host)
{
    return path_join(host->paths->run_network, "bridge-host.json");
}

static void put_ip(Json *object, const char *key, const IpAddress *ip)
{
    char text[IP_STRING_LEN];

    ip_format(ip, text);
    json_object_set_new(object, key, json_string(text));
}

static bool get_ip(const Json *object, const char *key, IpAddress *ret_ip)
{
    const char *text = json_get_str(object, key);

    return text && ip_parse(text, ret_ip);
}

static Json *addresses_to_json(const GArray *addresses)
{
    Json *list = json_array();

    for (guint i = 0; i < addresses->len; i++) {
        const AddressInfo *address = &g_array_index(addresses, AddressInfo, i);
        Json *one = json_object();
        put_ip(one, "ip", &address->ip);
        json_object_set_new(one, "prefix", json_integer(address->prefix));
        json_object_set_new(one, "lease", json_boolean(address->valid_s != UINT32_MAX));
        json_array_append_new(list, one);
    }
    return list;
}

static Json *routes_to_json(const GArray *routes)
{
    Json *list = json_array();

    for (guint i = 0; i < routes->len; i++) {
        const RouteInfo *route = &g_array_index(routes, RouteInfo, i);
        Json *one = json_object();
        put_ip(one, "network", &route->network);
        if (route->has_gateway)
            put_ip(one, "gateway", &route->gateway);
        if (route->has_source)
            put_ip(one, "source", &route->source);
        json_object_set_new(one, "prefix", json_integer(route->prefix));
        json_object_set_new(one, "table", json_integer(route->table));
        json_object_set_new(one, "metric", json_integer(route->metric));
        json_object_set_new(one, "protocol", json_integer(route->protocol));
        json_object_set_new(one, "scope", json_integer(route->scope));
        json_object_set_new(one, "flags", json_integer(route->flags));
        json_array_append_new(list, one);
    }
    return list;
}

AWAITS static bool write_note(Host *host, const Trial *trial, Error **err)
{
    g_autofree char *path = note_path(host), *boot = node_get_boot_id();
    char mac[MAC_STRING_LEN];
    AUTO_JSON all = json_object();

    mac_format(&trial->mac, mac);
    json_object_set_new(all, "link", json_string(trial->link));
    json_object_set_new(all, "bridge", json_string(trial->bridge));
    json_object_set_new(all, "manager", json_integer(trial->manager));
    json_object_set_new(all, "mac", json_string(mac));
    json_object_set_new(all, "mtu", json_integer(trial->mtu));
    json_object_set_new(all, "end_ms", json_integer((json_int_t)trial->end_ms));
    json_object_set_new(all, "boot", json_string(boot ? boot : ""));
    json_object_set_new(all, "addresses", addresses_to_json(trial->addresses));
    json_object_set_new(all, "routes", routes_to_json(trial->routes));
    g_autofree char *text = json_format_pretty(all);
    return file_make_dirs(host->paths->run_network, 0755, err) &&
           file_replace_volatile(path, text, strlen(text), 0600, err);
}

static void addresses_from_json(const Json *list, GArray *addresses)
{
    const Json *one = NULL;
    size_t index = 0;

    json_array_foreach (list, index, one) {
        AddressInfo address = { .prefix = (unsigned)json_get_uint(one, "prefix", 0),
                                .valid_s = json_get_bool(one, "lease", false) ? 1 : UINT32_MAX };
        if (get_ip(one, "ip", &address.ip))
            g_array_append_val(addresses, address);
    }
}

static void routes_from_json(const Json *list, GArray *routes)
{
    const Json *one = NULL;
    size_t index = 0;

    json_array_foreach (list, index, one) {
        RouteInfo route = { .prefix = (unsigned)json_get_uint(one, "prefix", 0),
                            .table = (unsigned)json_get_uint(one, "table", RT_TABLE_MAIN),
                            .metric = (unsigned)json_get_uint(one, "metric", 0),
                            .protocol = (uint8_t)json_get_uint(one, "protocol", RTPROT_STATIC),
                            .scope = (uint8_t)json_get_uint(one, "scope", RT_SCOPE_UNIVERSE),
                            .flags = (unsigned)json_get_uint(one, "flags", 0) };
        route.has_gateway = get_ip(one, "gateway", &route.gateway);
        route.has_source = get_ip(one, "source", &route.source);
        if (get_ip(one, "network", &route.network))
            g_array_append_val(routes, route);
    }
}

/* *ret_trial owned; NULL: there is no note, or it is of an earlier boot, whose links are gone. */
AWAITS static bool read_note(Host *host, Trial **ret_trial, Error **err)
{
    g_autofree char *path = note_path(host), *text = NULL, *boot = node_get_boot_id();
    g_autoptr(Error) why = NULL;
    AUTO_JSON all = NULL;
    size_t len = 0;

    *ret_trial = NULL;
    if (!file_read(path, NOTE_MAX, &text, &len, &why))
        return error_errno(why) == ENOENT || error_propagate(err, g_steal_pointer(&why));
    if (!json_parse(text, len, path, &all, err))
        return false;
    const char *link = json_get_str(all, "link"), *bridge = json_get_str(all, "bridge");
    const char *mac = json_get_str(all, "mac");
    if (g_strcmp0(json_get_str(all, "boot"), boot ? boot : "") != 0 || !link || !bridge ||
        !hostif_name_is_valid(link) || !hostif_name_is_valid(bridge))
        return file_remove(path, err);
    Trial *trial = g_new0(Trial, 1);
    trial->link = g_strdup(link);
    trial->bridge = g_strdup(bridge);
    trial->manager = (HostifManager)MIN(json_get_uint(all, "manager", 0), MANAGER_COUNT - 1U);
    if (!mac || !mac_parse(mac, &trial->mac, NULL))
        trial->mac = (Mac){ { 0 } };
    trial->mtu = (unsigned)json_get_uint(all, "mtu", 0);
    trial->end_ms = json_get_uint(all, "end_ms", 0);
    trial->addresses = g_array_new(FALSE, TRUE, sizeof(AddressInfo));
    trial->routes = g_array_new(FALSE, TRUE, sizeof(RouteInfo));
    addresses_from_json(json_get_arr(all, "addresses"), trial->addresses);
    routes_from_json(json_get_arr(all, "routes"), trial->routes);
    *ret_trial = trial;
    return true;
}

AWAITS static bool remove_note(Host *host, Error **err)
{
    g_autofree char *path = note_path(host);

    return file_remove(path, err);
}

/* ---- moving, in a worker ---- */

static bool put_all(const Trial *trial, const char *on, Error **err)
{
    for (guint i = 0; i < trial->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(trial->addresses, AddressInfo, i);
        if (!netlink_add_address(on, &address->ip, address->prefix, err))
            return false;
    }
    for (guint i = 0; i < trial->routes->len; i++) {
        if (!netlink_put_route(on, &g_array_index(trial->routes, RouteInfo, i), err))
            return false;
    }
    return true;
}

static bool move_back(const Trial *trial, Error **err)
{
    const LinkChange leave = { .set_up = true, .up = true, .master = "" };

    /* As far as it goes: each step helps to reach the host again. The first failure is told. */
    bool ok = !if_nametoindex(trial->link) || netlink_change_link(trial->link, &leave, err);
    ok = netlink_remove_link(trial->bridge, ok ? err : NULL) && ok;
    return put_all(trial, trial->link, ok ? err : NULL) && ok;
}

static bool move_to_bridge(const Trial *trial, Error **err)
{
    const BridgeSpec spec = { .name = trial->bridge, .mac = &trial->mac };
    const LinkChange up = { .set_up = true, .up = true };
    const LinkChange join = { .set_up = true, .up = true, .master = trial->bridge };
    g_autoptr(Error) why = NULL;

    if (!netlink_add_bridge(&spec, err))
        return false;
    bool ok = netlink_change_link(trial->bridge, &up, &why) && netlink_change_link(trial->link, &join, &why);
    for (guint i = 0; ok && i < trial->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(trial->addresses, AddressInfo, i);
        ok = netlink_remove_address(trial->link, &address->ip, address->prefix, &why);
    }
    if (ok && put_all(trial, trial->bridge, &why))
        return true;
    if (!move_back(trial, NULL))
        error_prefix(&why, "and not all could be put back");
    return error_propagate(err, g_steal_pointer(&why));
}

typedef struct MoveJob {
    Trial *trial;
    bool back;
} MoveJob;

static void move_job_free(void *data)
{
    MoveJob *job = data;

    trial_free(job->trial);
    g_free(job);
}

static bool move_job_run(void *data, Error **err)
{
    const MoveJob *job = data;

    return job->back ? move_back(job->trial, err) : move_to_bridge(job->trial, err);
}

static Trial *trial_copy(const Trial *from)
{
    Trial *to = g_new(Trial, 1);

    *to = *from;
    to->link = g_strdup(from->link);
    to->bridge = g_strdup(from->bridge);
    to->addresses = g_array_copy(from->addresses);
    to->routes = g_array_copy(from->routes);
    return to;
}

AWAITS static bool move(const Trial *trial, bool back, Error **err)
{
    MoveJob *job = g_new0(MoveJob, 1);

    *job = (MoveJob){ .trial = trial_copy(trial), .back = back };
    fiber_shield_begin();
    const bool ok = worker_call(worker_lane_named("network links"), move_job_run, job, move_job_free,
                                MOVE_DEADLINE_MS, err);
    fiber_shield_end();
    if (ok)
        move_job_free(job);
    return ok;
}

/* ---- taking back ---- */

/* NetworkManager would put back at once what is taken from its interface. */
AWAITS static void tell_manager(Host *host, const Trial *trial, bool managed)
{
    g_autoptr(Error) err = NULL;
    const char *const argv[] = { "nmcli", "device", "set", trial->link, "managed", managed ? "yes" : "no",
                                 NULL };

    if (trial->manager == MANAGER_NM && !*host->paths->root && !hostif_run(argv, &err))
        log_warning_error(err, "NetworkManager");
}

/* The turn is held. */
AWAITS static bool take_back(Host *host, const Trial *trial, Error **err)
{
    g_clear_pointer(&host->hostifs->trial, sd_event_source_disable_unref);
    const bool ok = move(trial, true, err);
    tell_manager(host, trial, true);
    if (ok)
        log_warning("the bridge '%s' is taken back: '%s' has its addresses again", trial->bridge,
                    trial->link);
    /* What did not work now does not work later either. */
    return remove_note(host, ok ? err : NULL) && ok;
}

AWAITS static void expire_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(Error) err = NULL;
    g_autoptr(Trial) trial = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, &err) || !read_note(host, &trial, &err)) {
        log_error_error(err, "a bridge that nobody confirmed");
        return;
    }
    if (trial && boottime_ms() >= trial->end_ms && !take_back(host, trial, &err))
        log_error_error(err, "taking back a bridge that nobody confirmed");
}

static int on_expired(sd_event_source *source, uint64_t usec, void *arg)
{
    host_spawn(arg, "bridge-host", expire_fiber, arg);
    return 0;
}

static bool arm(Host *host, const Trial *trial, Error **err)
{
    const uint64_t now_ms = boottime_ms();
    const uint64_t left_us = trial->end_ms > now_ms ? (trial->end_ms - now_ms) * 1000 : 0;
    const int why = sd_event_add_time_relative(loop_event(), &host->hostifs->trial, CLOCK_BOOTTIME, left_us,
                                               1000, on_expired, host);

    return why >= 0 || error_set_errno(err, -why, "cannot set a timer");
}

bool hostif_load_trial(Host *host, Error **err)
{
    g_autoptr(Trial) trial = NULL;

    if (!read_note(host, &trial, err))
        return false;
    if (!trial)
        return true;
    log_warning("the bridge '%s' was not confirmed yet", trial->bridge);
    return arm(host, trial, err);
}

/* ---- the plan ---- */

static bool check_link(const HostifView *view, const char *name, const LinkInfo **ret_link, Error **err)
{
    const LinkInfo *link = hostif_view_find(view, name);
    g_autofree char *wireless = g_strconcat("/sys/class/net/", name, "/phy80211", NULL);

    if (!link || !hostif_name_is_valid(name))
        return error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
    if (link->flags & IFF_LOOPBACK || !*link->name || strcmp(link->kind, "bridge") == 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' is %s, and cannot be a port of a bridge",
                         name, link->flags & IFF_LOOPBACK ? "the loopback" : "a bridge itself");
    if (link->master)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' is a part of another interface already",
                         name);
    if (access(wireless, F_OK) == 0) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "'%s' is wireless: access points drop what others behind it send", name);
        return error_hint(err, "use a network with NAT ('lodge net-start default') or a cable");
    }
    *ret_link = link;
    return true;
}

static bool choose_name(const HostifView *view, const char *wanted, char **ret_name, Error **err)
{
    if (wanted && !hostif_name_is_valid(wanted)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be the name of a network interface", wanted);
        return error_hint(err, "it has 1 to %d letters, digits or any of . _ - @ +", IFNAMSIZ - 1);
    }
    if (wanted && hostif_view_find(view, wanted))
        return error_set(err, ERROR_OPERATION_FAILED, "there is an interface '%s' already", wanted);
    for (unsigned i = 0; !wanted && i < NAMES_MAX; i++) {
        g_autofree char *name = g_strdup_printf("br%u", i);
        if (!hostif_view_find(view, name)) {
            *ret_name = g_steal_pointer(&name);
            return true;
        }
    }
    *ret_name = g_strdup(wanted);
    return wanted || error_set(err, ERROR_OPERATION_FAILED, "br0 to br%d are all taken", NAMES_MAX - 1);
}

static bool is_of_kernel(const RouteInfo *route)
{
    return route->protocol == RTPROT_KERNEL || route->table == RT_TABLE_LOCAL;
}

static void collect_trial(const HostifView *view, const LinkInfo *link, Trial *trial)
{
    trial->mac = link->mac;
    trial->mtu = link->mtu;
    trial->addresses = g_array_new(FALSE, TRUE, sizeof(AddressInfo));
    trial->routes = g_array_new(FALSE, TRUE, sizeof(RouteInfo));
    for (guint i = 0; i < view->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(view->addresses, AddressInfo, i);
        if (address->index == link->index && address->scope != RT_SCOPE_LINK)
            g_array_append_val(trial->addresses, *address);
    }
    /* First the ways to gateways, then those over them. */
    for (unsigned with_gateway = 0; with_gateway < 2; with_gateway++) {
        for (guint i = 0; i < view->routes->len; i++) {
            const RouteInfo *route = &g_array_index(view->routes, RouteInfo, i);
            if (route->index == link->index && !is_of_kernel(route) &&
                route->has_gateway == (with_gateway > 0))
                g_array_append_val(trial->routes, *route);
        }
    }
}

AWAITS static bool make_trial(Host *host, const char *link_name, const char *bridge, unsigned timeout_s,
                              Trial **ret_trial, Error **err)
{
    g_autofree char *note = note_path(host);
    g_autoptr(HostifView) view = NULL;
    g_autoptr(Trial) trial = g_new0(Trial, 1);
    const LinkInfo *link = NULL;

    if (timeout_s > CONFIRM_MAX_S)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d seconds, not %u", CONFIRM_MAX_S, timeout_s);
    if (access(note, F_OK) == 0) {
        error_set(err, ERROR_BUSY, "a bridge of this host waits to be confirmed");
        return error_hint(err, "'lodge net-bridge-host --confirm' keeps it, --revert takes it back");
    }
    if (!hostif_view(&view, err) || !check_link(view, link_name, &link, err) ||
        !choose_name(view, bridge, &trial->bridge, err))
        return false;
    trial->link = g_strdup(link_name);
    collect_trial(view, link, trial);
    if (!hostif_get_manager(host, link_name, NULL, &trial->manager, err))
        return false;
    trial->end_ms = (uint64_t)(timeout_s ? timeout_s : CONFIRM_S) * 1000;
    *ret_trial = g_steal_pointer(&trial);
    return true;
}

static HostifBridgePlan *plan_of(const Trial *trial)
{
    HostifBridgePlan *plan = g_new0(HostifBridgePlan, 1);
    char text[IP_STRING_LEN], gateway[IP_STRING_LEN], mac[MAC_STRING_LEN];

    plan->link = g_strdup(trial->link);
    plan->bridge = g_strdup(trial->bridge);
    plan->manager = hostif_manager_name(trial->manager);
    plan->confirm_s = (unsigned)(trial->end_ms / 1000);
    plan->steps = g_ptr_array_new_with_free_func(g_free);
    mac_format(&trial->mac, mac);
    g_ptr_array_add(plan->steps, g_strdup_printf("make the bridge %s with the MAC address of %s, %s",
                                                 trial->bridge, trial->link, mac));
    g_ptr_array_add(plan->steps, g_strdup_printf("make %s a port of it", trial->link));
    for (guint i = 0; i < trial->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(trial->addresses, AddressInfo, i);
        ip_format(&address->ip, text);
        g_ptr_array_add(plan->steps, g_strdup_printf("move the address %s/%u%s", text, address->prefix,
                                                     address->valid_s != UINT32_MAX ? " (a lease)" : ""));
    }
    for (guint i = 0; i < trial->routes->len; i++) {
        const RouteInfo *route = &g_array_index(trial->routes, RouteInfo, i);
        ip_format(&route->network, text);
        ip_format(&route->gateway, gateway);
        g_ptr_array_add(plan->steps, route->prefix
                                         ? g_strdup_printf("move the route to %s/%u%s%s", text, route->prefix,
                                                           route->has_gateway ? " over " : "",
                                                           route->has_gateway ? gateway : "")
                                         : g_strdup_printf("move the default route over %s",
                                                           route->has_gateway ? gateway : trial->link));
    }
    g_ptr_array_add(plan->steps,
                    trial->manager == MANAGER_NONE
                        ? g_strdup(
                              "when it is confirmed: store it (nobody manages the network of this host, so "
                              "nobody makes the bridge again after a reboot)")
                        : g_strdup_printf("when it is confirmed: write it for %s", plan->manager));
    return plan;
}

bool hostif_bridge_plan(Host *host, const char *link, const char *bridge, unsigned timeout_s,
                        HostifBridgePlan **ret_plan, Error **err)
{
    g_autoptr(Trial) trial = NULL;

    if (!make_trial(host, link, bridge, timeout_s, &trial, err))
        return false;
    *ret_plan = plan_of(trial);
    return true;
}

/* ---- doing it ---- */

bool hostif_bridge_make(Host *host, const char *link, const char *bridge, unsigned timeout_s,
                        const Caller *caller, HostifBridgePlan **ret_plan, Error **err)
{
    g_autoptr(HostifBridgePlan) plan = NULL;
    g_autoptr(Trial) trial = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err) || !make_trial(host, link, bridge, timeout_s, &trial, err))
        return false;
    plan = plan_of(trial);
    trial->end_ms += boottime_ms();
    /* Once the note is there, whoever comes takes back what it says, also if nothing was moved yet. */
    fiber_shield_begin();
    bool ok = write_note(host, trial, err);
    if (ok) {
        tell_manager(host, trial, false);
        ok = move(trial, false, err) && arm(host, trial, err);
        if (!ok)
            (void)take_back(host, trial, NULL); /* the first failure is the one to tell */
    }
    fiber_shield_end();
    if (!ok)
        return false;
    log_warning("the addresses of '%s' are on the bridge '%s' now, by %s: taken back in %u s unless "
                "confirmed",
                trial->link, trial->bridge, caller_describe(caller), plan->confirm_s);
    *ret_plan = g_steal_pointer(&plan);
    return true;
}

/* The definition that makes it so at the next boot. */
static HostifDef *definition_of_trial(const Trial *trial)
{
    HostifDef *def = xml_table_new(&hostif_table);
    char text[IP_STRING_LEN];

    def->type = HOSTIF_BRIDGE;
    def->name = g_strdup(trial->bridge);
    def->start = HOSTIF_START_ONBOOT;
    def->stp = TRISTATE_OFF;
    def->delay = g_strdup("0");
    def->mac = g_malloc(MAC_STRING_LEN);
    mac_format(&trial->mac, def->mac); /* a lease is for that */
    if (trial->mtu && trial->mtu != 1500)
        def->mtu = (OptU32){ .value = trial->mtu, .is_set = true };
    (void)hostif_add_port(def, trial->link);
    for (guint i = 0; i < trial->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(trial->addresses, AddressInfo, i);
        HostifProtocol *protocol = hostif_protocol(def, address->ip.is_v6 ? HOSTIF_IPV6 : HOSTIF_IPV4);
        ip_format(&address->ip, text);
        if (address->valid_s == UINT32_MAX)
            hostif_add_ip(protocol, text, address->prefix);
        else if (address->ip.is_v6)
            protocol->has_autoconf = true;
        else
            protocol->has_dhcp = true;
    }
    for (guint i = 0; i < trial->routes->len; i++) {
        const RouteInfo *route = &g_array_index(trial->routes, RouteInfo, i);
        HostifProtocol *protocol =
            (HostifProtocol *)hostif_find_protocol(def, route->network.is_v6 ? HOSTIF_IPV6 : HOSTIF_IPV4);
        ip_format(&route->gateway, text);
        if (!route->prefix && route->has_gateway && protocol && protocol->ips && !protocol->gateway)
            protocol->gateway = g_strdup(text);
    }
    return def;
}

/* *ret_trial: the one that waits. The turn is held. */
AWAITS static bool require_trial(Host *host, Trial **ret_trial, Error **err)
{
    if (!read_note(host, ret_trial, err))
        return false;
    return *ret_trial || error_set(err, ERROR_INVALID_STATE, "no bridge of this host waits to be confirmed");
}

bool hostif_bridge_confirm(Host *host, const Caller *caller, char **ret_bridge, Error **err)
{
    g_autoptr(Trial) trial = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err) || !require_trial(host, &trial, err))
        return false;
    HostifDef *def = definition_of_trial(trial);
    g_autofree char *xml = object_format(&hostif_class, def, XML_FORMAT_INACTIVE);
    xml_table_free(&hostif_table, def);
    g_autoptr(Object) object = object_define(host, &hostif_class, xml, 0, __func__, caller, err);
    if (!object || !remove_note(host, err))
        return false;
    g_clear_pointer(&host->hostifs->trial, sd_event_source_disable_unref);
    if (trial->manager == MANAGER_NM || trial->manager == MANAGER_NETWORKD)
        hostif_manager_reload(host, trial->manager);
    tell_manager(host, trial, true);
    log_info("the bridge '%s' is confirmed by %s", trial->bridge, caller_describe(caller));
    *ret_bridge = g_strdup(trial->bridge);
    return true;
}

bool hostif_bridge_revert(Host *host, const Caller *caller, char **ret_link, Error **err)
{
    g_autoptr(Trial) trial = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err) || !require_trial(host, &trial, err) ||
        !take_back(host, trial, err))
        return false;
    *ret_link = g_strdup(trial->link);
    return true;
}
