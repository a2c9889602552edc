/* Forwards of ports: their text, their place in the metadata, who they lead to. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/log.h"
#include "base/macros.h"
#include "conf/metadata.h"
#include "conf/xml_internal.h"
#include "network/firewall.h"
#include "network/network_private.h"

#define NAMESPACE "urn:lodge:network:forwards:1.0"
#define FORWARDS_MAX 1024 /* of a network */

static const char *const protocol_texts[] = { "tcp", "udp" };

/* ---- in the metadata ---- */

static bool read_protocol(const char *text, void *base, Error **err)
{
    PortForward *forward = base;

    forward->is_udp = strcmp(text, "udp") == 0;
    return forward->is_udp || strcmp(text, "tcp") == 0 ||
           error_set(err, ERROR_XML_INVALID, "unknown protocol '%s' of a forward", text);
}
static bool write_protocol(const void *base, unsigned flags, GString *out)
{
    g_string_append(out, protocol_texts[((const PortForward *)base)->is_udp]);
    return true;
}
static const XmlCodec protocol_codec = { read_protocol, write_protocol, NULL };

static const XmlTable forward_table =
    TABLE(PortForward, "port-forward",
          ROWS(CODEC_ATTR("protocol", &protocol_codec, .doc = "tcp or udp"),
               HELD("is_udp", PortForward, is_udp),
               ATTR("address", PortForward, address, .doc = "of the host"),
               ATTR("port", PortForward, port, .min = 1, .max = 65535, .flags = ROW_REQUIRED,
                    .doc = "of the host"),
               ATTR("machine", PortForward, target, .flags = ROW_REQUIRED, .doc = "who gets it"),
               ATTR("to", PortForward, target_port, .min = 1, .max = 65535, .flags = ROW_REQUIRED,
                    .doc = "its port")),
          .doc = "A port of the host that leads to a machine.");
typedef struct PortForwards {
    GPtrArray *list;
} PortForwards;
static const XmlTable forwards_table =
    TABLE(PortForwards, "port-forwards",
          ROWS(LIST("forward", PortForwards, list, &forward_table, .doc = "a port")),
          .doc = "Ports of the host that lead to machines.");

void port_forward_free(PortForward *forward)
{
    xml_table_free(&forward_table, forward);
}

static bool forwards_exist(const NetworkDef *def)
{
    return def->metadata && strstr(def->metadata, NAMESPACE);
}

bool port_forwards_read(const NetworkDef *def, GPtrArray **ret_forwards, Error **err)
{
    XmlReader reader = { .source = "(port forwards)" };
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *text = NULL;
    void *forwards = NULL;

    *ret_forwards = NULL;
    if (forwards_exist(def) &&
        !metadata_get(METADATA_OF((NetworkDef *)def), METADATA_ELEMENT, NAMESPACE, &text, err))
        return false;
    if (text && (!xml_document_read(text, strlen(text), reader.source, &doc, err) ||
                 !xml_table_read(&forwards_table, &reader, xmlDocGetRootElement(doc), &forwards, err)))
        return false;
    PortForwards *read = forwards;
    *ret_forwards = read && read->list ? g_steal_pointer(&read->list) : g_ptr_array_new();
    g_ptr_array_set_free_func(*ret_forwards, (GDestroyNotify)port_forward_free);
    xml_table_free(&forwards_table, forwards);
    return true;
}

static bool forwards_write(NetworkDef *def, GPtrArray *list, Error **err)
{
    const PortForwards forwards = { list };
    g_autoptr(GString) text = g_string_new(NULL);

    if (list->len > 0)
        xml_table_write(&forwards_table, "forwards", &forwards, 0, 0, text);
    return metadata_set(METADATA_OF(def), METADATA_ELEMENT, text->len ? text->str : NULL, "lodge", NAMESPACE,
                        err);
}

/* ---- as people write them ---- */

/* The port behind the last colon; *ret_rest: what is before it, owned, NULL: nothing. */
static bool split_port(const char *text, char **ret_rest, uint32_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    guint64 port = 0;

    if (!g_ascii_string_to_unsigned(colon ? colon + 1 : text, 10, 1, 65535, &port, NULL))
        return false;
    *ret_port = (uint32_t)port;
    *ret_rest = colon && colon > text ? g_strndup(text, (gsize)(colon - text)) : NULL;
    return true;
}

static bool parse_listen(const char *text, PortForward *forward)
{
    g_autofree char *rest = NULL;
    IpAddress address;
    char plain[IP_STRING_LEN];

    forward->is_udp = g_str_has_prefix(text, "udp:");
    if (forward->is_udp || g_str_has_prefix(text, "tcp:"))
        text += 4;
    if (!split_port(text, &rest, &forward->port))
        return false;
    if (!rest)
        return true;
    const size_t len = strlen(rest);
    const bool is_bracketed = len > 2 && rest[0] == '[' && rest[len - 1] == ']';
    g_autofree char *inner = is_bracketed ? g_strndup(rest + 1, len - 2) : g_strdup(rest);
    if (!ip_parse(inner, &address) || address.is_v6 != is_bracketed)
        return false;
    ip_format(&address, plain);
    forward->address = g_strdup(plain);
    return true;
}

bool port_forward_parse(const char *listen, const char *target, PortForward **ret_forward, Error **err)
{
    g_autoptr(PortForward) forward = xml_table_new(&forward_table);
    IpAddress address;

    if (!parse_listen(listen, forward)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no port of this host", listen);
        return error_hint(err, "[tcp:|udp:][ADDRESS:]PORT, as in 8080, udp:53 or 10.0.0.1:443; IPv6 in []");
    }
    if (target && (!*target || *target == ':' || !xml_can_hold(target)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' names no machine", target);
    if (target && (ip_parse(target, &address) || !strchr(target, ':') ||
                   !split_port(target, &forward->target, &forward->target_port))) {
        forward->target = g_strdup(target);
        forward->target_port = forward->port;
    }
    *ret_forward = g_steal_pointer(&forward);
    return true;
}

/* ---- conflicts ---- */

static bool same_place(const PortForward *a, const PortForward *b)
{
    return a->is_udp == b->is_udp && a->port == b->port && g_strcmp0(a->address, b->address) == 0;
}

static bool in_the_way(const PortForward *a, const PortForward *b)
{
    return a->is_udp == b->is_udp && a->port == b->port &&
           (!a->address || !b->address || strcmp(a->address, b->address) == 0);
}

static bool check_other(const Object *other, const NetworkDef *def, const PortForward *forward, Error **err)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!def || !port_forwards_read(def, &list, NULL))
        return true;
    for (guint i = 0; i < list->len; i++) {
        const PortForward *have = g_ptr_array_index(list, i);
        if (!in_the_way(have, forward))
            continue;
        error_set(err, ERROR_OPERATION_FAILED, "%s port %u is forwarded already: by network '%s' to '%s'",
                  protocol_texts[forward->is_udp], forward->port, other->name, have->target);
        return error_hint(err, "take another port, or: lodge net forward remove %s %s:%u", other->name,
                          protocol_texts[have->is_udp], have->port);
    }
    return true;
}

/* Does a program of this host listen there? It would hear nothing any more. */
static bool check_listener(const PortForward *forward, Error **err)
{
    IpAddress address = { 0 };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)forward->port) };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)forward->port) };
    const int on = 1;

    if (forward->address && !ip_parse(forward->address, &address))
        return true;
    memcpy(&v6.sin6_addr, address.bytes, 16);
    memcpy(&v4.sin_addr, address.bytes, 4);
    AUTO_FD fd = socket(address.is_v6 ? AF_INET6 : AF_INET,
                        (forward->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0 || (!forward->is_udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0))
        return true;
    const int why = address.is_v6 ? bind(fd, (struct sockaddr *)&v6, sizeof(v6))
                                  : bind(fd, (struct sockaddr *)&v4, sizeof(v4));
    if (why < 0 && errno == EADDRINUSE)
        return error_set(err, ERROR_OPERATION_FAILED, "a program of this host uses %s port %u",
                         protocol_texts[forward->is_udp], forward->port);
    if (why < 0 && errno == EADDRNOTAVAIL)
        return error_set(err, ERROR_OPERATION_FAILED, "this host does not have the address %s",
                         forward->address);
    return true;
}

static bool check_conflicts(Host *host, const PortForward *forward, Error **err)
{
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        if (!check_other(object, object->config, forward, err) ||
            !check_other(object, object->live, forward, err))
            return false;
    }
    return check_listener(forward, err);
}

/* ---- changing them ---- */

static bool change_list(const Network *network, NetworkDef *def, const PortForward *forward, bool *io_found,
                        Error **err)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!port_forwards_read(def, &list, err))
        return false;
    if (forward->target && list->len >= FORWARDS_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "network '%s' has %u forwards already", network->name,
                         list->len);
    if (forward->target)
        g_ptr_array_add(list, xml_table_copy(&forward_table, forward));
    for (guint i = 0; !forward->target && i < list->len; i++) {
        if (!same_place(g_ptr_array_index(list, i), forward))
            continue;
        g_ptr_array_remove_index(list, i);
        *io_found = true;
        break;
    }
    return forwards_write(def, list, err);
}

bool network_forward_change(Object *object, const char *listen, const char *target, const Caller *caller,
                            Error **err)
{
    Network *network = (Network *)object;
    g_autoptr(PortForward) forward = NULL;
    bool found = target != NULL;
    g_auto(Job) job = { 0 };

    if (!port_forward_parse(listen, target, &forward, err) ||
        !job_begin(object, JOB_MODIFY, caller, &job, err) || !object_require_listed(object, err))
        return false;
    if (target && network_def(object)->forward != NETWORK_NAT) {
        error_set(err, ERROR_INVALID_STATE,
                  "ports are forwarded to networks with forward mode 'nat', not to '%s'", network->name);
        return error_hint(err,
                          "machines on routed, open and bridged networks are reached at their own address");
    }
    if (target && !check_conflicts(network->host, forward, err))
        return false;
    NetworkDef *config = network->config ? xml_table_copy(&network_table, network->config) : NULL;
    NetworkDef *live = network->live ? xml_table_copy(&network_table, network->live) : NULL;
    bool ok = (!config || change_list(network, config, forward, &found, err)) &&
              (!live || change_list(network, live, forward, &found, err));
    if (ok && !found)
        ok = error_set(err, ERROR_INVALID_ARGUMENT, "network '%s' has no forward of %s port %u",
                       network->name, protocol_texts[forward->is_udp], forward->port);
    if (!ok) {
        xml_table_free(&network_table, config);
        xml_table_free(&network_table, live);
        return false;
    }
    return network_replace(network, config, live, err);
}

/* ---- who they lead to ---- */

static char *static_address(const NetworkDef *def, const char *mac, const char *name, bool is_v6)
{
    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        const GPtrArray *hosts = ip->dhcp ? ip->dhcp->hosts : NULL;
        for (guint k = 0; hosts && network_ip_is_v6(ip) == is_v6 && k < hosts->len; k++) {
            const NetworkDhcpHost *host = g_ptr_array_index(hosts, k);
            if ((mac && host->mac && g_ascii_strcasecmp(mac, host->mac) == 0) ||
                (name && g_strcmp0(name, host->name) == 0))
                return g_strdup(host->ip);
        }
    }
    return NULL;
}

static char *leased_address(const GPtrArray *leases, const char *mac, bool is_v6)
{
    for (guint i = 0; leases && i < leases->len; i++) {
        const NetworkLeaseInfo *lease = g_ptr_array_index(leases, i);
        if (lease->is_v6 == is_v6 && lease->mac && g_ascii_strcasecmp(mac, lease->mac) == 0)
            return g_strdup(lease->ip);
    }
    return NULL;
}

static char *guest_address(const Network *network, const NetworkDef *def, const GPtrArray *leases,
                           const PortForward *forward)
{
    const bool is_v6 = forward->address && strchr(forward->address, ':');
    char mac[MAC_STRING_LEN];
    char *found = NULL;
    IpAddress plain;

    if (ip_parse(forward->target, &plain))
        return plain.is_v6 == is_v6 ? g_strdup(forward->target) : NULL;
    for (guint i = 0; i < network->ports->len && !found; i++) {
        const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
        if (g_strcmp0(port->owner_name, forward->target) != 0)
            continue;
        mac_format(&port->mac, mac);
        found = leased_address(leases, mac, is_v6);
        if (!found)
            found = static_address(def, mac, NULL, is_v6);
    }
    return found ? found : static_address(def, NULL, forward->target, is_v6);
}

char *network_forward_guest(Object *object, const PortForward *forward)
{
    const Network *network = (const Network *)object;
    g_autoptr(GPtrArray) leases = NULL;

    if (!network->live || !network_get_leases(object, NULL, &leases, NULL) || !network->live)
        return NULL;
    return guest_address(network, network->live, leases, forward);
}

/* Before the network is listed its leases are read, too: a start puts all rules in place at once. */
GArray *network_resolve_forwards(Network *network, const NetworkDef *def)
{
    GArray *resolved = g_array_new(FALSE, TRUE, sizeof(FirewallForward));
    g_autoptr(GPtrArray) list = NULL, leases = NULL;
    g_autoptr(Error) why = NULL;

    if (def->forward != NETWORK_NAT || !forwards_exist(def))
        return resolved;
    if (!port_forwards_read(def, &list, &why)) {
        log_error_error(why, network->name);
        return resolved;
    }
    leases = network_read_leases(network, def);
    for (guint i = 0; i < list->len; i++) {
        const PortForward *forward = g_ptr_array_index(list, i);
        g_autofree char *guest = guest_address(network, def, leases, forward);
        FirewallForward rule = { .is_udp = forward->is_udp,
                                 .has_address = forward->address != NULL,
                                 .port = forward->port,
                                 .guest_port = forward->target_port };
        if (guest && ip_parse(guest, &rule.guest) &&
            (!forward->address ||
             (ip_parse(forward->address, &rule.address) && rule.address.is_v6 == rule.guest.is_v6)))
            g_array_append_val(resolved, rule);
    }
    return resolved;
}

bool network_wants_leases(const NetworkDef *def)
{
    return forwards_exist(def) || def->domain_register == TRISTATE_ON;
}
