/* The addresses that dnsmasq has lent, from its file of leases: a line for each, "EXPIRY MAC IP NAME CLIENT";
 * those of IPv6 come behind a line "duid ...", with the IAID in place of the MAC.
 *
 * Names and ids come from guests: what is no plain text is taken for absent. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/ip.h"
#include "network/network_private.h"
#include "wire/wire_enums.h"

#define LEASES_MAX 65536
#define LEASES_FILE_MAX (16u << 20)

static void lease_free(void *data)
{
    NetworkLeaseInfo *lease = data;

    g_free(lease->mac);
    g_free(lease->iaid);
    g_free(lease->ip);
    g_free(lease->hostname);
    g_free(lease->client_id);
    g_free(lease);
}

static char *plain_text(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (!g_ascii_isgraph(*at))
            return NULL;
    }
    return *text && strcmp(text, "*") != 0 ? g_strdup(text) : NULL;
}

/* A DUID that was made from a MAC ends with it: kinds 1 (with a time) and 3, of Ethernet. */
static char *mac_of_duid(const char *duid)
{
    const size_t len = strlen(duid);
    Mac mac;

    if (len == 41 && g_ascii_strncasecmp(duid, "00:01:00:01:", 12) == 0)
        duid += 24;
    else if (len == 29 && g_ascii_strncasecmp(duid, "00:03:00:01:", 12) == 0)
        duid += 12;
    else
        return NULL;
    return mac_parse(duid, &mac, NULL) ? g_strdup(duid) : NULL;
}

static unsigned prefix_for(const NetworkDef *def, const IpAddress *ip)
{
    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        const NetworkIp *subnet = g_ptr_array_index(def->ips, i);
        IpAddress address;
        if (ip_parse(subnet->address, &address) && ip_is_in(ip, &address, network_ip_prefix(subnet)))
            return network_ip_prefix(subnet);
    }
    return 0;
}

/* NULL: no lease that counts. */
static NetworkLeaseInfo *lease_read(const NetworkDef *def, char *line, int64_t now_s)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 6);
    uint64_t expiry = 0;
    IpAddress ip;
    Mac mac;

    if (g_strv_length(words) < 5 || !g_ascii_string_to_unsigned(words[0], 10, 0, INT64_MAX, &expiry, NULL) ||
        !ip_parse(words[2], &ip) || (expiry && (int64_t)expiry < now_s) ||
        (!ip.is_v6 && !mac_parse(words[1], &mac, NULL)))
        return NULL;
    NetworkLeaseInfo *lease = g_new0(NetworkLeaseInfo, 1);
    *lease = (NetworkLeaseInfo){ .expiry_s = (int64_t)expiry,
                                 .is_v6 = ip.is_v6,
                                 .mac = ip.is_v6 ? mac_of_duid(words[4]) : g_strdup(words[1]),
                                 .iaid = ip.is_v6 ? plain_text(words[1]) : NULL,
                                 .ip = g_strdup(words[2]),
                                 .hostname = plain_text(words[3]),
                                 .client_id = plain_text(words[4]),
                                 .prefix = prefix_for(def, &ip) };
    return lease;
}

GPtrArray *network_parse_leases(const NetworkDef *def, const char *text, int64_t now_s, const char *mac)
{
    GPtrArray *leases = g_ptr_array_new_with_free_func(lease_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line && leases->len < LEASES_MAX; line++) {
        NetworkLeaseInfo *lease = lease_read(def, *line, now_s);
        if (!lease)
            continue;
        if (mac && (!lease->mac || g_ascii_strcasecmp(mac, lease->mac) != 0))
            lease_free(lease);
        else
            g_ptr_array_add(leases, lease);
    }
    return leases;
}

GPtrArray *network_read_leases(const Network *network, const NetworkDef *def)
{
    g_autofree char *text = NULL;
    g_autofree char *path = g_strdup(network->paths.leases ? network->paths.leases : "");

    if (!*path || !file_read(path, LEASES_FILE_MAX, &text, NULL, NULL))
        return network_parse_leases(def, "", 0, NULL);
    return network_parse_leases(def, text, (int64_t)time(NULL), NULL);
}

bool network_get_leases(Object *object, const char *mac, GPtrArray **ret_leases, Error **err)
{
    const Network *network = (const Network *)object;
    g_autofree char *text = NULL, *path = NULL;
    g_autoptr(Error) why = NULL;
    Mac parsed;

    if (mac && !mac_parse(mac, &parsed, NULL)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "invalid MAC address: %s", mac);
        if (err)
            error_set_remote(*err, VIR_ERR_INVALID_MAC, VIR_FROM_NETWORK);
        return false;
    }
    if (!object_require_listed(object, err))
        return false;
    path = g_strdup(network->paths.leases ? network->paths.leases : "");
    if (*path && !file_read(path, LEASES_FILE_MAX, &text, NULL, &why) && error_errno(why) != ENOENT)
        return error_propagate(err, g_steal_pointer(&why));
    if (!object_require_listed(object, err))
        return false;
    *ret_leases = network_parse_leases(network_def(object), network->live && text ? text : "",
                                       (int64_t)time(NULL), mac);
    return true;
}
