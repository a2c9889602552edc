/* Rules about network interfaces that no single row can have. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/xml_internal.h"

static bool is_of(const InterfaceDef *iface, uint64_t types)
{
    return types & BIT(iface->type);
}

static const char *type_of(const InterfaceDef *iface)
{
    return enum_name(&interface_type_names, iface->type);
}

static bool is_virtio(const InterfaceDef *iface)
{
    return iface->model && g_str_has_prefix(iface->model, "virtio");
}

static bool check_tuning(const InterfaceDef *iface, Error **err)
{
    const InterfaceTuning *tuning = iface->tuning;

    if (!tuning || !is_virtio(iface))
        return true;
    if (tuning->rx_queue_size.value & (tuning->rx_queue_size.value - 1))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "rx_queue_size has to be a power of two");
    if (tuning->tx_queue_size.value & (tuning->tx_queue_size.value - 1))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "tx_queue_size has to be a power of two");
    return true;
}

/* Names of QEMU devices have no others. */
static bool check_model(const InterfaceDef *iface, Error **err)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    return !iface->model || strspn(iface->model, chars) == strlen(iface->model) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "Model name contains invalid characters");
}

static bool check_bandwidth(const InterfaceDef *iface, Error **err)
{
    if (iface->outbound && iface->outbound->floor_kBps.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "'floor' attribute allowed only in <inbound> element");
    if (iface->inbound && iface->inbound->floor_kBps.is_set && iface->type != INTERFACE_NETWORK)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "floor attribute is not supported for this config");
    return true;
}

static bool check_guest_ips(const InterfaceDef *iface, Error **err)
{
    bool has[2] = { false };

    if (def_list_len(iface->routes) && iface->type == INTERFACE_USER)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Invalid attempt to set network interface guest-side IP route, not supported by "
                         "QEMU");
    if ((def_list_len(iface->ips) || def_list_len(iface->routes)) && iface->type != INTERFACE_USER)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Invalid attempt to set network interface guest-side IP route and/or address info, "
                         "not supported by QEMU");
    for (DEF_EACH(InterfaceIp, ip, iface->ips)) {
        const bool is_v6 = strcmp(ip->family, "ipv6") == 0;
        if (ip->peer)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid attempt to set peer IP for guest");
        if (has[is_v6])
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Only one IPv%c address per interface is allowed",
                             is_v6 ? '6' : '4');
        has[is_v6] = true;
    }
    return true;
}

static bool check_host_ips(const InterfaceDef *iface, Error **err)
{
    if ((def_list_len(iface->host_ips) || def_list_len(iface->host_routes)) &&
        iface->type != INTERFACE_ETHERNET)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Invalid attempt to set network interface host-side IP route and/or address info on "
                         "interface of type '%s'. This is only supported on interfaces of type 'ethernet'",
                         type_of(iface));
    return true;
}

/* What only some ways to be connected have. */
static bool check_type(const InterfaceDef *iface, Error **err)
{
    char mac[MAC_STRING_LEN];

    mac_format(&iface->mac, mac);
    if (iface->isolated == TRISTATE_ON && !is_of(iface, BIT(INTERFACE_NETWORK) | BIT(INTERFACE_BRIDGE)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "interface %s - <port isolated='yes'/> is not supported for network interfaces with "
                         "type='%s'",
                         mac, type_of(iface));
    if (iface->coalesce_rx_frames_max.value && !is_of(iface, BIT(INTERFACE_NETWORK) | BIT(INTERFACE_BRIDGE)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "coalesce settings on interface type %s are not supported", type_of(iface));
    if (iface->mtu && !is_of(iface, BIT(INTERFACE_NETWORK) | BIT(INTERFACE_BRIDGE) | BIT(INTERFACE_ETHERNET) |
                                        BIT(INTERFACE_VHOST_USER)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "setting MTU on interface type %s is not supported yet", type_of(iface));
    if (iface->target_managed == TRISTATE_OFF && iface->type != INTERFACE_ETHERNET)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "unmanaged target dev is not supported on interfaces of type '%s'", type_of(iface));
    if (iface->type == INTERFACE_VDPA && !is_virtio(iface))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "invalid model for interface of type 'vdpa': '%s'",
                         iface->model ?: "");
    if (iface->type == INTERFACE_VHOST_USER && !is_virtio(iface))
        return error_set(err, ERROR_INTERNAL,
                         "Wrong or no <model> 'type' attribute specified with <interface type='vhostuser'/>. "
                         "vhostuser requires the virtio-net* frontend");
    if (iface->teaming == TEAMING_TRANSIENT && iface->type != INTERFACE_HOSTDEV &&
        iface->type != INTERFACE_NETWORK)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "virtio-net teaming transient interface must be type='hostdev', not '%s'",
                         type_of(iface));
    if (iface->teaming == TEAMING_PERSISTENT && !is_virtio(iface))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "virtio-net teaming persistent interface must be <model type='virtio'/>, not '%s'",
                         iface->model ? iface->model : "");
    return true;
}

bool domain_check_interfaces(const DomainDef *def, Error **err)
{
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        if (!check_model(iface, err) || !check_tuning(iface, err) || !check_bandwidth(iface, err) ||
            !check_guest_ips(iface, err) || !check_host_ips(iface, err) || !check_type(iface, err))
            return false;
    }
    return true;
}
