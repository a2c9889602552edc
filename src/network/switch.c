/* VLANs of a Linux bridge are the kernel's: a tap is made as every port is, in VLAN 1, and moved before its
 * guest runs. Open vSwitch has a database of its own, which outlives the tap: ovs-vsctl(8) puts the port
 * there and takes it out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/switch.h"

#include <string.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/network.h"
#include "network/netlink.h"
#include "network/program.h"

#define VLAN_DEADLINE_MS 30000
#define VLANS_MAX 4095

static const char *bridge_of(const InterfaceDef *iface)
{
    return iface->type == INTERFACE_BRIDGE ? iface->source : iface->actual_bridge;
}

const char *switch_bridge(const InterfaceDef *iface)
{
    return virtual_port_is_openvswitch(iface->virtual_port) ? NULL : bridge_of(iface);
}

bool switch_check(const InterfaceDef *iface, Error **err)
{
    const char *type = iface->virtual_port ? iface->virtual_port->type : NULL;

    if (type && !virtual_port_is_openvswitch(iface->virtual_port) && strcmp(type, "none") != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "ports of type '%s' (<virtualport>) are not supported by "
                         "this version",
                         type);
    if (virtual_port_is_openvswitch(iface->virtual_port) && !bridge_of(iface))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "<virtualport type='openvswitch'> needs an interface that is on a bridge");
    if (virtual_port_is_openvswitch(iface->virtual_port) && iface->isolated == TRISTATE_ON)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Open vSwitch has no isolated ports");
    if (iface->vlan && !bridge_of(iface)) {
        const InterfaceType shown = iface->type == INTERFACE_NETWORK ? iface->actual_type : iface->type;
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "an interface of type '%s' is requesting a vlan tag, but that is not supported for "
                         "this "
                         "type of connection",
                         enum_name(&interface_type_names, shown));
    }
    return true;
}

/* ---- VLANs of the kernel's bridge ---- */

typedef struct VlanJob {
    char *bridge, *port;
    bool is_own; /* the bridge is a network's */
    unsigned n_vlans;
    PortVlan vlans[VLANS_MAX];
} VlanJob;

static void vlan_job_free(void *data)
{
    VlanJob *job = data;

    g_free(job->bridge);
    g_free(job->port);
    g_free(job);
}

static bool vlan_job_run(void *data, Error **err)
{
    const VlanJob *job = data;
    LinkInfo link;

    if (!netlink_get_link(job->bridge, &link, err))
        return false;
    if (!link.filters_vlans && !job->is_own) {
        error_set_errno(err, EOPNOTSUPP, "the bridge '%s' does not filter by VLANs", job->bridge);
        return error_hint(err, "turn it on: ip link set %s type bridge vlan_filtering 1", job->bridge);
    }
    return (link.filters_vlans || netlink_filter_vlans(job->bridge, err)) &&
           netlink_set_port_vlans(job->port, job->vlans, job->n_vlans, err);
}

AWAITS static bool join_vlans(const InterfaceDef *iface, Error **err)
{
    const VlanDef *vlan = iface->vlan;
    VlanJob *job = g_new0(VlanJob, 1);

    job->bridge = g_strdup(bridge_of(iface));
    job->port = g_strdup(iface->target);
    job->is_own = iface->type == INTERFACE_NETWORK && iface->actual_type == INTERFACE_NETWORK;
    for (guint i = 0; i < vlan->tags->len && i < VLANS_MAX; i++) {
        const VlanTag *tag = g_ptr_array_index(vlan->tags, i);
        const bool is_access = vlan->trunk != TRISTATE_ON && tag->native == VLAN_NATIVE_NONE;
        job->vlans[job->n_vlans++] =
            (PortVlan){ .id = (uint16_t)tag->id,
                        .is_own = is_access || tag->native != VLAN_NATIVE_NONE,
                        .is_untagged = is_access || tag->native == VLAN_NATIVE_UNTAGGED };
    }
    if (!worker_call(worker_lane_named("network links"), vlan_job_run, job, vlan_job_free, VLAN_DEADLINE_MS,
                     err))
        return false;
    vlan_job_free(job);
    return true;
}

/* ---- Open vSwitch ---- */

static void add_setting(GPtrArray *arguments, const char *key, const char *value)
{
    g_ptr_array_add(arguments, g_strdup_printf("external-ids:%s=\"%s\"", key, value));
}

/* tag= of an access port, trunks= of a trunk; a native VLAN is both. */
static void add_vlans(GPtrArray *arguments, const VlanDef *vlan)
{
    g_autoptr(GString) trunks = g_string_new(NULL);

    for (guint i = 0; vlan && i < vlan->tags->len; i++) {
        const VlanTag *tag = g_ptr_array_index(vlan->tags, i);
        const bool is_native = tag->native != VLAN_NATIVE_NONE;
        if (is_native)
            g_ptr_array_add(arguments,
                            g_strdup_printf("vlan_mode=native-%s",
                                            tag->native == VLAN_NATIVE_TAGGED ? "tagged" : "untagged"));
        if (is_native || vlan->trunk != TRISTATE_ON)
            g_ptr_array_add(arguments, g_strdup_printf("tag=%u", tag->id));
        if (is_native || vlan->trunk == TRISTATE_ON)
            g_string_append_printf(trunks, "%s%u", trunks->len ? "," : "trunks=", tag->id);
    }
    if (trunks->len)
        g_ptr_array_add(arguments, g_strdup(trunks->str));
}

/* A text of a document that ovs-vsctl would read as something else. */
static bool check_profile(const VirtualPort *port, Error **err)
{
    return !port->profile_id || !strpbrk(port->profile_id, "\"\\\n") ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "the profile of a port of Open vSwitch has a quote or a line end");
}

/* Owned. */
static char *timeout_argument(const Host *host)
{
    return g_strdup_printf("--timeout=%u", host_config(host)->ovs_timeout_s);
}

AWAITS static bool join_openvswitch(const Host *host, const InterfaceDef *iface, const Uuid *owner,
                                    Error **err)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    char mac[MAC_STRING_LEN], uuid[UUID_STRING_LEN];
    const char *const head[] = { "--", "--if-exists", "del-port",       iface->target,
                                 "--", "add-port",    bridge_of(iface), iface->target };
    const char *const then[] = { "--", "set", "Interface", iface->target };

    if (!check_profile(iface->virtual_port, err))
        return false;
    mac_format(&iface->mac, mac);
    uuid_format(owner, uuid);
    g_ptr_array_add(arguments, timeout_argument(host));
    for (unsigned i = 0; i < G_N_ELEMENTS(head); i++)
        g_ptr_array_add(arguments, g_strdup(head[i]));
    add_vlans(arguments, iface->vlan);
    for (unsigned i = 0; i < G_N_ELEMENTS(then); i++)
        g_ptr_array_add(arguments, g_strdup(then[i]));
    add_setting(arguments, "attached-mac", mac);
    if (iface->virtual_port->interface_id)
        add_setting(arguments, "iface-id", iface->virtual_port->interface_id);
    if (iface->virtual_port->profile_id)
        add_setting(arguments, "port-profile", iface->virtual_port->profile_id);
    add_setting(arguments, "vm-id", uuid);
    add_setting(arguments, "iface-status", "active");
    g_ptr_array_add(arguments, NULL);
    return program_run("ovs-vsctl", "openvswitch-switch", (const char *const *)arguments->pdata, NULL, NULL,
                       err) ||
           error_prefix(err, "Unable to add port %s to OVS bridge %s", iface->target, bridge_of(iface));
}

/* ---- both ---- */

bool switch_join(const Host *host, const InterfaceDef *iface, const Uuid *owner, Error **err)
{
    if (virtual_port_is_openvswitch(iface->virtual_port))
        return join_openvswitch(host, iface, owner, err);
    return !iface->vlan || join_vlans(iface, err);
}

void switch_leave(const Host *host, const InterfaceDef *iface)
{
    g_autofree char *timeout = timeout_argument(host);
    g_autoptr(Error) err = NULL;

    if (virtual_port_is_openvswitch(iface->virtual_port) && iface->target &&
        !program_run("ovs-vsctl", "openvswitch-switch",
                     PROGRAM_ARGS(timeout, "--", "--if-exists", "del-port", iface->target), NULL, NULL, &err))
        log_warning_error(err, iface->target);
}
