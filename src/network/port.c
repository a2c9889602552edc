/* Ports of networks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/port.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/xml_internal.h"
#include "network/attach.h"
#include "network/network_private.h"
#include "network/shaping.h"
#include "network/switch.h"
#include "wire/wire_enums.h"

#define PORTS_MAX 16384

/* ---- files ---- */

static char *ports_dir(const Network *network)
{
    return g_strdup_printf("%s/%s/ports", network->host->paths->run_network, network->name);
}

static char *port_path(const Network *network, const Uuid *uuid)
{
    g_autofree char *dir = ports_dir(network);
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    return g_strdup_printf("%s/%s.xml", dir, text);
}

char *network_port_format(const NetworkPortDef *port)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&network_port_table, "networkport", port, 0, 0, out);
    return g_string_free(out, FALSE);
}

AWAITS static bool port_store(const Network *network, const NetworkPortDef *port, Error **err)
{
    g_autofree char *dir = ports_dir(network);
    g_autofree char *path = port_path(network, &port->uuid);
    g_autofree char *text = network_port_format(port);

    return file_make_dirs(dir, 0700, err) && file_replace_volatile(path, text, strlen(text), 0600, err);
}

static bool port_parse(const char *xml, const char *source, unsigned flags, NetworkPortDef **ret_port,
                       Error **err)
{
    XmlReader reader = { .source = source, .flags = flags };
    g_autoptr(xmlDoc) doc = NULL;
    void *port = NULL;

    if (!xml_document_read(xml, strlen(xml), source, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "networkport") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'networkport', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&network_port_table, &reader, root, &port, err))
        return false;
    if (uuid_is_null(&((NetworkPortDef *)port)->uuid)) {
        xml_table_free(&network_port_table, port);
        return error_set(err, ERROR_INTERNAL, "network port has no uuid");
    }
    *ret_port = port;
    return true;
}

void network_load_ports(Network *network)
{
    g_autofree char *dir = ports_dir(network);
    g_autoptr(GPtrArray) names = NULL;

    if (!file_list_dir(dir, &names, NULL))
        return; /* no port ever */
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = path_join(dir, g_ptr_array_index(names, i));
        g_autofree char *text = NULL;
        g_autoptr(Error) err = NULL;
        NetworkPortDef *port = NULL;
        if (!g_str_has_suffix(path, ".xml"))
            continue;
        if (file_read(path, 1 << 20, &text, NULL, &err) && port_parse(text, path, 0, &port, &err))
            g_ptr_array_add(network->ports, port);
        else
            log_error_error(err, path);
    }
}

void network_drop_ports(Network *network)
{
    g_autofree char *dir = path_join(network->host->paths->run_network, network->name);
    g_autoptr(Error) err = NULL;

    g_ptr_array_set_size(network->ports, 0);
    if (!file_remove_tree(dir, &err))
        log_warning_error(err, dir);
}

/* ---- counting ---- */

static unsigned ports_on(const Network *network, const char *dev)
{
    unsigned count = 0;

    for (guint i = 0; i < network->ports->len; i++) {
        const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
        count += port->plug == PORT_PLUG_DIRECT && g_strcmp0(port->dev, dev) == 0;
    }
    return count;
}

void network_count_ports(Network *network)
{
    NetworkDef *live = network->live;

    if (!live)
        return;
    live->connections = (OptU32){ .value = network->ports->len, .is_set = network->ports->len > 0 };
    for (guint i = 0; live->interfaces && i < live->interfaces->len; i++) {
        NetworkInterface *interface = g_ptr_array_index(live->interfaces, i);
        const unsigned count = ports_on(network, interface->dev);
        interface->connections = (OptU32){ .value = count, .is_set = count > 0 };
    }
}

/* ---- looking ---- */

const GPtrArray *network_ports(const Object *object)
{
    return ((const Network *)object)->ports;
}

static bool port_index(const Network *network, const Uuid *uuid, guint *ret_index)
{
    for (guint i = 0; i < network->ports->len; i++) {
        if (uuid_equal(&((const NetworkPortDef *)g_ptr_array_index(network->ports, i))->uuid, uuid)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool port_missing(const Uuid *uuid, Error **err)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    error_set(err, ERROR_NO_NETWORK, "Network port with UUID %s does not exist", text);
    if (err)
        error_set_remote(*err, VIR_ERR_NO_NETWORK_PORT, VIR_FROM_NETWORK);
    return false;
}

const NetworkPortDef *network_port_find(const Object *object, const Uuid *uuid, Error **err)
{
    const Network *network = (const Network *)object;
    guint index = 0;

    if (port_index(network, uuid, &index))
        return g_ptr_array_index(network->ports, index);
    (void)!port_missing(uuid, err);
    return NULL;
}

/* ---- making and removing ---- */

static const NetworkPortgroup *find_portgroup(const NetworkDef *def, const char *name)
{
    for (guint i = 0; def->portgroups && i < def->portgroups->len; i++) {
        const NetworkPortgroup *group = g_ptr_array_index(def->portgroups, i);
        if (name ? strcmp(group->name, name) == 0 : group->is_default == TRISTATE_ON)
            return group;
    }
    return NULL;
}

/* The device with the fewest ports; one for itself in mode passthrough. */
static bool choose_device(const Network *network, NetworkPortDef *port, Error **err)
{
    static const DirectMode modes[NETWORK_FORWARD_COUNT] = { [NETWORK_BRIDGE] = DIRECT_MODE_BRIDGE,
                                                             [NETWORK_PRIVATE] = DIRECT_MODE_PRIVATE,
                                                             [NETWORK_VEPA] = DIRECT_MODE_VEPA,
                                                             [NETWORK_PASSTHROUGH] =
                                                                 DIRECT_MODE_PASSTHROUGH };
    const NetworkDef *def = network->live;
    const bool is_exclusive = def->forward == NETWORK_PASSTHROUGH;
    const char *best = NULL;
    unsigned fewest = UINT_MAX;

    for (guint i = 0; def->interfaces && i < def->interfaces->len; i++) {
        const NetworkInterface *interface = g_ptr_array_index(def->interfaces, i);
        const unsigned count = ports_on(network, interface->dev);
        if (count < fewest && (!is_exclusive || count == 0)) {
            fewest = count;
            best = interface->dev;
        }
    }
    if (!best && (!def->interfaces || def->interfaces->len == 0))
        return error_set(err, ERROR_INTERNAL,
                         "network '%s' uses a direct mode, but has no forward dev and no interface pool",
                         network->name);
    if (!best)
        return error_set(err, ERROR_INTERNAL,
                         "network '%s' requires exclusive access to interfaces, but none are available",
                         network->name);
    port->plug = PORT_PLUG_DIRECT;
    port->dev = g_strdup(best);
    port->mode = modes[def->forward];
    return true;
}

/* What the port lacks, its group has, and what that lacks the network. All say the same type, or none. */
static bool merge_virtual_port(NetworkPortDef *port, const VirtualPort *from, Error **err)
{
    VirtualPort *to = port->virtual_port;

    if (!from)
        return true;
    if (!to) {
        port->virtual_port = xml_table_copy(&virtual_port_table, from);
        return true;
    }
    if (to->type && from->type && strcmp(to->type, from->type) != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "attempt to merge virtualports with mismatched types (%s and %s)", to->type,
                         from->type);
    char **const texts[] = { &to->type, &to->instance_id, &to->interface_id, &to->profile_id };
    char *const more[] = { from->type, from->instance_id, from->interface_id, from->profile_id };
    OptU32 *const numbers[] = { &to->manager_id, &to->type_id, &to->type_id_version };
    const OptU32 more_numbers[] = { from->manager_id, from->type_id, from->type_id_version };
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!*texts[i])
            *texts[i] = g_strdup(more[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!numbers[i]->is_set)
            *numbers[i] = more_numbers[i];
    }
    return true;
}

/* A port that no switch asks for is none. The ids that a switch of its type does not know go. */
static bool fill_virtual_port(const Network *network, NetworkPortDef *port, const NetworkPortgroup *group,
                              Error **err)
{
    if ((group && !merge_virtual_port(port, group->virtual_port, err)) ||
        !merge_virtual_port(port, network->live->virtual_port, err))
        return false;
    VirtualPort *merged = port->virtual_port;
    if (!merged)
        return true;
    if (!merged->type || strcmp(merged->type, "none") == 0) {
        xml_table_free(&virtual_port_table, merged);
        port->virtual_port = NULL;
        return true;
    }
    if (virtual_port_is_openvswitch(merged))
        g_clear_pointer(&merged->instance_id, g_free);
    else if (strcmp(merged->type, "midonet") != 0)
        g_clear_pointer(&merged->interface_id, g_free);
    return virtual_port_complete(merged, true, err);
}

/* ---- rates ---- */

static uint64_t port_floor(const NetworkPortDef *port)
{
    return port->bandwidth && port->bandwidth->inbound ? port->bandwidth->inbound->floor_kBps.value : 0;
}

/* Those that are in use may have gaps between them. */
static uint32_t free_class_id(const Network *network)
{
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
    uint32_t id = SHAPING_CLASS_FIRST;

    for (guint i = 0; i < network->ports->len; i++) {
        const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
        if (port->bandwidth)
            g_hash_table_add(used, GUINT_TO_POINTER(port->bandwidth->class_id));
    }
    while (g_hash_table_contains(used, GUINT_TO_POINTER(id)))
        id++;
    return id;
}

/* May @port have the guaranteed rate that it says? It gets a class for it. @old: what the network has of it
 * so far; NULL: nothing. */
static bool port_book_floor(const Network *network, const NetworkPortDef *old, NetworkPortDef *port,
                            Error **err)
{
    const NetworkDef *def = network->live;
    const BandwidthLimit *all = def->bandwidth ? def->bandwidth->inbound : NULL;
    uint64_t sum = port_floor(port);
    char mac[MAC_STRING_LEN];

    if (port->bandwidth)
        port->bandwidth->class_id = 0;
    if (sum == 0)
        return true;
    mac_format(&port->mac, mac);
    if (!all || !def->bridge)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "Invalid use of 'floor' on interface with MAC address %s - network '%s' has no "
                         "inbound QoS set",
                         mac, network->name);
    for (guint i = 0; i < network->ports->len; i++) {
        const NetworkPortDef *other = g_ptr_array_index(network->ports, i);
        if (other != old && __builtin_add_overflow(sum, port_floor(other), &sum))
            sum = UINT64_MAX;
    }
    const uint64_t peak = all->peak_kBps.value;
    if (sum > (peak ? peak : all->average_kBps.value))
        return error_set(err, ERROR_INVALID_STATE,
                         "Cannot plug '%s' interface into '%s' because new combined inbound floor=%" PRIu64
                         " would overcommit %s=%" PRIu64 " on network '%s'",
                         mac, def->bridge, sum, peak ? "peak" : "average",
                         peak ? peak : all->average_kBps.value, network->name);
    port->bandwidth->class_id = old && port_floor(old) ? old->bandwidth->class_id : free_class_id(network);
    return true;
}

bool network_shape(const Network *network, const NetworkDef *def, Error **err)
{
    g_autoptr(GArray) floors = g_array_new(FALSE, FALSE, sizeof(ShapingFloor));

    if (!def->bandwidth || !def->bridge)
        return true;
    for (guint i = 0; i < network->ports->len; i++) {
        const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
        const ShapingFloor floor = { .mac = port->mac, .floor_kBps = port_floor(port) };
        if (floor.floor_kBps == 0)
            continue;
        g_array_append_val(floors, floor);
        g_array_index(floors, ShapingFloor, floors->len - 1).class_id = port->bandwidth->class_id;
    }
    const ShapingSpec spec = { .link = def->bridge,
                               .leaving = def->bandwidth->inbound,
                               .entering = def->bandwidth->outbound,
                               .floors = floors };
    return shaping_change(&spec, err);
}

void network_unshape(const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;

    if (!def->bandwidth || !def->bridge)
        return;
    if (NETWORK_HAS_OWN_BRIDGE(def->forward))
        shaping_forget(def->bridge);
    else if (!shaping_change(&(ShapingSpec){ .link = def->bridge }, &err))
        log_warning_error(err, def->name);
}

/* What a port is plugged into follows from the network. */
static bool port_fill(const Network *network, NetworkPortDef *port, Error **err)
{
    const NetworkDef *def = network->live;
    const NetworkPortgroup *group = find_portgroup(def, port->group);

    if (!port->isolated)
        port->isolated = def->isolated;
    if (!port->trust_guest_rx_filters)
        port->trust_guest_rx_filters = group && group->trust_guest_rx_filters ? group->trust_guest_rx_filters
                                                                              : def->trust_guest_rx_filters;
    if (!port->bandwidth && group && group->bandwidth)
        port->bandwidth = xml_table_copy(&network_bandwidth_table, group->bandwidth);
    const VlanDef *vlan = group && group->vlan ? group->vlan : def->vlan;
    if (!port->vlan && vlan)
        port->vlan = xml_table_copy(&vlan_table, vlan);
    if (!fill_virtual_port(network, port, group, err))
        return false;
    if (def->forward == NETWORK_HOSTDEV)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "network '%s': pools of PCI devices are not supported by this version",
                         network->name);
    if (NETWORK_HAS_OWN_BRIDGE(def->forward) || (def->forward == NETWORK_BRIDGE && def->bridge)) {
        port->plug = NETWORK_HAS_OWN_BRIDGE(def->forward) ? PORT_PLUG_NETWORK : PORT_PLUG_BRIDGE;
        port->bridge = g_strdup(def->bridge);
        port->mac_table_manager = g_strdup(def->mac_table_manager);
        return port_book_floor(network, NULL, port, err);
    }
    return port_book_floor(network, NULL, port, err) && choose_device(network, port, err);
}

/* @port owned. The job is held. */
AWAITS static bool port_add(Network *network, NetworkPortDef *port, Error **err)
{
    char text[UUID_STRING_LEN];
    guint index = 0;
    bool ok = object_require_active(&network->object, err);

    if (!ok && network->is_listed)
        error_hint(err, "start it: lodge net-start %s", network->name);
    uuid_format(&port->uuid, text);
    if (ok && port_index(network, &port->uuid, &index)) {
        error_set(err, ERROR_OPERATION_FAILED, "Network port with UUID %s already exists", text);
        if (err)
            error_set_remote(*err, VIR_ERR_NETWORK_PORT_EXIST, VIR_FROM_NETWORK);
        ok = false;
    }
    if (ok && network->ports->len >= PORTS_MAX)
        ok = error_set(err, ERROR_OPERATION_FAILED, "network '%s' has %u ports already", network->name,
                       network->ports->len);
    ok = ok && port_fill(network, port, err);
    fiber_shield_begin();
    ok = ok && port_store(network, port, err);
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&network_port_table, port);
        return false;
    }
    g_ptr_array_add(network->ports, port);
    network_count_ports(network);
    if (port_floor(port) == 0 || network_shape(network, network->live, err)) {
        network_follow(network);
        return true;
    }
    g_autofree char *path = port_path(network, &port->uuid);
    g_ptr_array_remove(network->ports, port);
    network_count_ports(network);
    if (!file_remove(path, NULL))
        log_warning("%s cannot be removed", path);
    return false;
}

/* The job is held. */
AWAITS static bool port_remove(Network *network, const Uuid *uuid, Error **err)
{
    g_autofree char *path = port_path(network, uuid);
    guint index = 0;

    if (!port_index(network, uuid, &index))
        return port_missing(uuid, err);
    const bool had_floor = port_floor(g_ptr_array_index(network->ports, index)) > 0;
    g_ptr_array_remove_index(network->ports, index);
    network_count_ports(network);
    network_follow(network);
    fiber_shield_begin();
    bool ok = file_remove(path, err);
    if (had_floor && network->live && !network_shape(network, network->live, ok ? err : NULL))
        ok = false;
    fiber_shield_end();
    return ok;
}

bool network_port_create_xml(Object *object, const char *xml, unsigned flags, const char *function,
                             const Caller *caller, Uuid *ret_uuid, Error **err)
{
    Network *network = (Network *)object;
    NetworkPortDef *port = NULL;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_NETWORK_PORT_CREATE_RECLAIM | VIR_NETWORK_PORT_CREATE_VALIDATE, function,
                     err) ||
        !port_parse(xml, "(networkport_definition)",
                    flags & VIR_NETWORK_PORT_CREATE_VALIDATE ? XML_READ_STRICT : 0, &port, err))
        return false;
    const Uuid uuid = port->uuid;
    if (!job_begin(object, JOB_MODIFY, caller, &job, err)) {
        xml_table_free(&network_port_table, port);
        return false;
    }
    if (!port_add(network, port, err))
        return false;
    *ret_uuid = uuid;
    return true;
}

bool network_port_delete(Object *object, const Uuid *uuid, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    return job_begin(object, JOB_MODIFY, caller, &job, err) && object_require_active(object, err) &&
           port_remove((Network *)object, uuid, err);
}

AWAITS static bool port_set_bandwidth(Network *network, const Uuid *uuid, NetworkBandwidth *bandwidth,
                                      Error **err)
{
    guint index = 0;

    if (!object_require_active(&network->object, err) ||
        (!port_index(network, uuid, &index) && !port_missing(uuid, err))) {
        xml_table_free(&network_bandwidth_table, bandwidth);
        return false;
    }
    NetworkPortDef *old = g_ptr_array_index(network->ports, index);
    NetworkPortDef *port = xml_table_copy(&network_port_table, old);
    xml_table_free(&network_bandwidth_table, port->bandwidth);
    port->bandwidth = bandwidth;
    bool ok = port_book_floor(network, old, port, err);
    fiber_shield_begin();
    ok = ok && port_store(network, port, err);
    if (ok) {
        /* The job keeps the list as it is. */
        network->ports->pdata[index] = port;
        if ((port_floor(port) || port_floor(old)) && !network_shape(network, network->live, err)) {
            network->ports->pdata[index] = old;
            if (!port_store(network, old, NULL))
                log_warning("a port of network '%s' has limits on disk that it does not have", network->name);
            ok = false;
        }
    }
    fiber_shield_end();
    xml_table_free(&network_port_table, ok ? old : port);
    return ok;
}

static BandwidthLimit *copy_limit(const BandwidthLimit *limit)
{
    return limit && (limit->average_kBps.value || limit->floor_kBps.value) ? g_memdup2(limit, sizeof(*limit))
                                                                           : NULL;
}

static NetworkBandwidth *bandwidth_of(const BandwidthLimit *inbound, const BandwidthLimit *outbound)
{
    NetworkBandwidth *bandwidth = xml_table_new(&network_bandwidth_table);

    bandwidth->inbound = copy_limit(inbound);
    bandwidth->outbound = copy_limit(outbound);
    if (!bandwidth->inbound && !bandwidth->outbound)
        g_clear_pointer(&bandwidth, g_free);
    return bandwidth;
}

bool network_port_set_limits(Object *object, const Uuid *uuid, const BandwidthLimit *inbound,
                             const BandwidthLimit *outbound, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    return job_begin(object, JOB_MODIFY, caller, &job, err) &&
           port_set_bandwidth((Network *)object, uuid, bandwidth_of(inbound, outbound), err);
}

/* ---- for machines ---- */

static NetworkPortDef *port_for(const char *owner, const Uuid *owner_uuid, const InterfaceDef *iface)
{
    NetworkPortDef *port = xml_table_new(&network_port_table);

    uuid_generate(&port->uuid);
    port->owner_name = g_strdup(owner);
    port->owner_uuid = *owner_uuid;
    port->group = g_strdup(iface->portgroup);
    port->mac = iface->mac;
    port->isolated = iface->isolated;
    if (iface->vlan)
        port->vlan = xml_table_copy(&vlan_table, iface->vlan);
    if (iface->virtual_port)
        port->virtual_port = xml_table_copy(&virtual_port_table, iface->virtual_port);
    port->trust_guest_rx_filters = iface->trust_guest_rx_filters;
    port->bandwidth = bandwidth_of(iface->inbound, iface->outbound);
    return port;
}

static void interface_fill(InterfaceDef *iface, const NetworkPortDef *port)
{
    char text[UUID_STRING_LEN];

    uuid_format(&port->uuid, text);
    g_free(iface->port_id);
    iface->port_id = g_strdup(text);
    g_free(iface->actual_bridge);
    iface->actual_bridge = g_strdup(port->bridge);
    g_free(iface->actual_dev);
    iface->actual_dev = g_strdup(port->dev);
    iface->actual_mode = port->mode;
    iface->actual_type = port->plug == PORT_PLUG_DIRECT   ? INTERFACE_DIRECT
                         : port->plug == PORT_PLUG_BRIDGE ? INTERFACE_BRIDGE
                                                          : INTERFACE_NETWORK;
    iface->isolated = port->isolated;
    xml_table_free(&vlan_table, iface->vlan);
    iface->vlan = port->vlan ? xml_table_copy(&vlan_table, port->vlan) : NULL;
    xml_table_free(&virtual_port_table, iface->virtual_port);
    iface->virtual_port = port->virtual_port ? xml_table_copy(&virtual_port_table, port->virtual_port) : NULL;
    if (!iface->trust_guest_rx_filters)
        iface->trust_guest_rx_filters = port->trust_guest_rx_filters;
    if (port->bandwidth && !iface->inbound && !iface->outbound) {
        iface->inbound = copy_limit(port->bandwidth->inbound);
        iface->outbound = copy_limit(port->bandwidth->outbound);
    }
}

bool network_plug(Host *host, const char *owner, const Uuid *owner_uuid, InterfaceDef *iface, Error **err)
{
    g_autoptr(Object) object =
        object_find_by_name(host_registry(host, &network_class), iface->source ? iface->source : "", err);
    g_auto(Job) job = { 0 };

    if (!object || !job_begin(object, JOB_MODIFY, NULL, &job, err))
        return false;
    Network *network = (Network *)object;
    NetworkPortDef *port = port_for(owner, owner_uuid, iface);
    if (!port_add(network, port, err))
        return false;
    interface_fill(iface, port);
    return true;
}

bool network_replug_bandwidth(Host *host, const InterfaceDef *iface, const BandwidthLimit *inbound,
                              const BandwidthLimit *outbound, Error **err)
{
    Uuid uuid;

    if (!iface->port_id || !uuid_parse(iface->port_id, &uuid, NULL))
        return true;
    g_autoptr(Object) object =
        object_find_by_name(host_registry(host, &network_class), iface->source ? iface->source : "", err);
    return object && network_port_set_limits(object, &uuid, inbound, outbound, NULL, err);
}

/* The job is held. */
AWAITS static bool replug(Network *network, const char *owner, const Uuid *owner_uuid, InterfaceDef *iface,
                          Error **err)
{
    NetworkPortDef *port = port_for(owner, owner_uuid, iface);
    Uuid uuid;

    if (iface->port_id && uuid_parse(iface->port_id, &uuid, NULL))
        port->uuid = uuid;
    if (!port_add(network, port, err))
        return false;
    interface_fill(iface, port);
    if (port->plug != PORT_PLUG_NETWORK || !iface->target)
        return true;
    return network_bridge_rejoin(network->live, iface->target, iface->isolated == TRISTATE_ON, err) &&
           switch_join(network->host, iface, owner_uuid, err);
}

bool network_replug(Host *host, const char *owner, const Uuid *owner_uuid, InterfaceDef *iface,
                    bool *ret_changed, Error **err)
{
    g_autoptr(Object) object =
        object_find_by_name(host_registry(host, &network_class), iface->source ? iface->source : "", err);
    g_auto(Job) job = { 0 };
    guint index = 0;
    Uuid uuid;

    *ret_changed = false;
    if (!object || !job_begin(object, JOB_MODIFY, NULL, &job, err) || !object_require_active(object, err))
        return false;
    Network *network = (Network *)object;
    const bool has_port =
        iface->port_id && uuid_parse(iface->port_id, &uuid, NULL) && port_index(network, &uuid, &index);
    if (has_port && !network->was_remade)
        return true;
    *ret_changed = true;
    if (!has_port)
        return replug(network, owner, owner_uuid, iface, err);
    return !iface->target || iface->actual_bridge == NULL ||
           (network_bridge_rejoin(network->live, iface->target, iface->isolated == TRISTATE_ON, err) &&
            switch_join(host, iface, owner_uuid, err));
}

void network_unplug(Host *host, InterfaceDef *iface)
{
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };
    Uuid uuid;

    if (!iface->port_id || !uuid_parse(iface->port_id, &uuid, NULL))
        return;
    g_autoptr(Object) object =
        object_find_by_name(host_registry(host, &network_class), iface->source ? iface->source : "", NULL);
    guint index = 0;
    if (object && job_begin(object, JOB_MODIFY, NULL, &job, &err) &&
        port_index((Network *)object, &uuid, &index) && !port_remove((Network *)object, &uuid, &err))
        log_warning_error(err, object->name);
}

void network_forget_orphans(Host *host, bool (*has)(Host *host, const Uuid *owner, const Uuid *port))
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        Network *network = (Network *)object;
        bool lost_floor = false;
        for (guint i = network->ports->len; i-- > 0;) {
            const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
            /* What others made is theirs. */
            if (uuid_is_null(&port->owner_uuid) || has(host, &port->owner_uuid, &port->uuid))
                continue;
            g_autofree char *path = port_path(network, &port->uuid);
            lost_floor = lost_floor || port_floor(port);
            if (port->plug == PORT_PLUG_DIRECT)
                link_detach_mac(port->dev, &port->mac);
            log_info("a port of network '%s' is removed: its machine '%s' does not have it", network->name,
                     port->owner_name ? port->owner_name : "");
            g_ptr_array_remove_index(network->ports, i);
            if (!file_remove(path, NULL))
                log_warning("%s cannot be removed", path);
        }
        network_count_ports(network);
        if (lost_floor && network->live && !network_shape(network, network->live, NULL))
            log_warning("network '%s' keeps guarantees of ports that are gone", network->name);
        if (network->was_remade && host->networks->on_started)
            host->networks->on_started(host, network->name);
    }
}
