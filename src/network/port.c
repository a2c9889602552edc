/* Ports of networks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/port.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/xml_internal.h"
#include "network/attach.h"
#include "network/network_private.h"
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

/* What a port is plugged into follows from the network. */
static bool port_fill(const Network *network, NetworkPortDef *port, Error **err)
{
    const NetworkDef *def = network->live;
    const NetworkPortgroup *group = find_portgroup(def, port->group);

    if (!port->isolated)
        port->isolated = def->isolated;
    if (!port->bandwidth && group && group->bandwidth)
        port->bandwidth = xml_table_copy(&network_bandwidth_table, group->bandwidth);
    if (port->bandwidth && (port->bandwidth->outbound ||
                            (port->bandwidth->inbound && port->bandwidth->inbound->floor_kBps.is_set)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "network '%s': limits on what a guest sends (bandwidth/outbound) and guaranteed "
                         "rates "
                         "(@floor) are not supported by this version",
                         network->name);
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
        return true;
    }
    return choose_device(network, port, err);
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
    network_follow(network);
    return true;
}

/* The job is held. */
AWAITS static bool port_remove(Network *network, const Uuid *uuid, Error **err)
{
    g_autofree char *path = port_path(network, uuid);
    guint index = 0;

    if (!port_index(network, uuid, &index))
        return port_missing(uuid, err);
    g_ptr_array_remove_index(network->ports, index);
    network_count_ports(network);
    network_follow(network);
    fiber_shield_begin();
    const bool ok = file_remove(path, err);
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
    return port;
}

static BandwidthLimit *copy_limit(const BandwidthLimit *limit)
{
    return limit ? g_memdup2(limit, sizeof(*limit)) : NULL;
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
           switch_join(iface, owner_uuid, err);
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
            switch_join(iface, owner_uuid, err));
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

void network_forget_orphans(Host *host, bool (*runs)(Host *host, const Uuid *owner))
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        Network *network = (Network *)object;
        for (guint i = network->ports->len; i-- > 0;) {
            const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
            /* What others made is theirs. */
            if (uuid_is_null(&port->owner_uuid) || runs(host, &port->owner_uuid))
                continue;
            g_autofree char *path = port_path(network, &port->uuid);
            if (port->plug == PORT_PLUG_DIRECT)
                link_detach_mac(port->dev, &port->mac);
            log_info("a port of network '%s' is removed: its machine '%s' does not run", network->name,
                     port->owner_name ? port->owner_name : "");
            g_ptr_array_remove_index(network->ports, i);
            if (!file_remove(path, NULL))
                log_warning("%s cannot be removed", path);
        }
        network_count_ports(network);
        if (network->was_remade && host->networks->on_started)
            host->networks->on_started(host, network->name);
    }
}
