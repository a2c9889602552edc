/* Names of guests for this host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/resolve.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "network/network_private.h"
#include "network/program.h"

#define HOSTS_MAX (4u << 20)
#define HOSTS_PATIENCE_MS 30000
#define LABEL_MAX 63

/* ---- systemd-resolved ---- */

static bool resolved_runs(const Host *host)
{
    /* A daemon on a root of its own keeps what it writes below that. */
    return !*host->paths->root && access("/run/systemd/resolve/io.systemd.Resolve", F_OK) == 0 &&
           program_is_there("resolvectl");
}

AWAITS static bool tell_resolved(const NetworkDef *def, Error **err)
{
    const NetworkIp *ip = g_ptr_array_index(def->ips, 0);

    return program_run("resolvectl", "systemd-resolved", PROGRAM_ARGS("dns", def->bridge, ip->address), NULL,
                       NULL, err) &&
           program_run("resolvectl", "systemd-resolved", PROGRAM_ARGS("domain", def->bridge, def->domain),
                       NULL, NULL, err) &&
           program_run("resolvectl", "systemd-resolved", PROGRAM_ARGS("default-route", def->bridge, "false"),
                       NULL, NULL, err);
}

/* ---- /etc/hosts ---- */

static char *hosts_path(const Host *host)
{
    return g_strdup_printf("%s/etc/hosts", host->paths->root);
}

static bool is_label(const char *name)
{
    const size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > LABEL_MAX || name[0] == '-' || name[len - 1] == '-' ||
        strcmp(name, "localhost") == 0)
        return false;
    for (const char *at = name; *at; at++) {
        if (!g_ascii_isalnum(*at) && *at != '-')
            return false;
    }
    return true;
}

static void add_name(GString *out, const NetworkDef *def, const char *ip, const char *name, bool is_machine)
{
    char own[LABEL_MAX + 1] = "";

    if (!is_label(name))
        return;
    (void)gethostname(own, sizeof(own) - 1);
    g_string_append_printf(out, "%s %s.%s", ip, name, def->domain);
    if (is_machine && strcmp(name, own) != 0)
        g_string_append_printf(out, " %s", name);
    g_string_append_c(out, '\n');
}

static const char *machine_of(const Network *network, const char *mac)
{
    char text[MAC_STRING_LEN];

    for (guint i = 0; mac && i < network->ports->len; i++) {
        const NetworkPortDef *port = g_ptr_array_index(network->ports, i);
        mac_format(&port->mac, text);
        if (g_ascii_strcasecmp(text, mac) == 0)
            return port->owner_name;
    }
    return NULL;
}

static char *format_names(const Network *network, const NetworkDef *def)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) leases = network_read_leases(network, def);

    for (guint i = 0; i < leases->len; i++) {
        const NetworkLeaseInfo *lease = g_ptr_array_index(leases, i);
        const char *machine = machine_of(network, lease->mac);
        add_name(out, def, lease->ip, machine, true);
        if (g_strcmp0(machine, lease->hostname) != 0)
            add_name(out, def, lease->ip, lease->hostname, false);
    }
    for (guint i = 0; i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        for (guint k = 0; ip->dhcp && ip->dhcp->hosts && k < ip->dhcp->hosts->len; k++) {
            const NetworkDhcpHost *host = g_ptr_array_index(ip->dhcp->hosts, k);
            const char *machine = machine_of(network, host->mac);
            add_name(out, def, host->ip, host->name, machine && g_strcmp0(machine, host->name) == 0);
        }
    }
    return g_string_free(out, FALSE);
}

/* @text without the network's part, and with @names (NULL: none) in its place at the end. Owned */
static char *replace_part(const char *text, const char *name, const char *names)
{
    g_autofree char *begin = g_strdup_printf("# lodge network %s {\n", name);
    g_autofree char *end = g_strdup_printf("# } lodge network %s\n", name);
    const char *from = strstr(text, begin);
    const char *to = from ? strstr(from, end) : NULL;
    GString *out = g_string_new_len(text, to ? from - text : (gssize)strlen(text));

    if (to)
        g_string_append(out, to + strlen(end));
    if (names && out->len && out->str[out->len - 1] != '\n')
        g_string_append_c(out, '\n');
    if (names && *names)
        g_string_append_printf(out, "%s%s%s", begin, names, end);
    return g_string_free(out, FALSE);
}

/* One at a time: what is read is replaced as a whole. */
AWAITS static bool change_hosts(Host *host, const char *name, const char *names, Error **err)
{
    NetworkRoom *room = host->networks;
    g_autofree char *path = hosts_path(host), *text = NULL;
    g_autoptr(Error) why = NULL;
    bool ok = true;

    while (room->is_writing_hosts) {
        if (!wait_queue_wait(&room->hosts_turn, HOSTS_PATIENCE_MS, err))
            return false;
    }
    room->is_writing_hosts = true;
    if (!file_read(path, HOSTS_MAX, &text, NULL, &why) && error_errno(why) != ENOENT)
        ok = error_propagate(err, g_steal_pointer(&why));
    g_autofree char *changed = ok ? replace_part(text ? text : "", name, names) : NULL;
    if (ok && strcmp(changed, text ? text : "") != 0) {
        g_autofree char *dir = g_path_get_dirname(path);
        ok = file_make_dirs(dir, 0755, err) && file_replace(path, changed, strlen(changed), 0644, err);
    }
    room->is_writing_hosts = false;
    wait_queue_wake_one(&room->hosts_turn);
    return ok;
}

/* ---- for networks ---- */

static bool wants_names(const NetworkDef *def)
{
    return def->domain_register == TRISTATE_ON && def->domain && dnsmasq_is_wanted(def);
}

void network_register_names(Network *network, const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *names = NULL;

    if (!wants_names(def))
        return;
    if (resolved_runs(network->host)) {
        if (!tell_resolved(def, &err))
            log_warning_error(err, network->name);
        return;
    }
    names = format_names(network, def);
    if (!change_hosts(network->host, network->name, names, &err))
        log_warning_error(err, network->name);
}

void network_unregister_names(Network *network, const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;

    if (!wants_names(def))
        return;
    if (!resolved_runs(network->host)) {
        if (!change_hosts(network->host, network->name, NULL, &err))
            log_warning_error(err, network->name);
        return;
    }
    /* It forgets a bridge that goes by itself. */
    if (if_nametoindex(def->bridge) &&
        !program_run("resolvectl", "systemd-resolved", PROGRAM_ARGS("revert", def->bridge), NULL, NULL, &err))
        log_warning_error(err, network->name);
}

static void set_domain(NetworkDef *def, bool on)
{
    def->domain_register = on ? TRISTATE_ON : TRISTATE_OFF;
    if (on && !def->domain)
        def->domain = g_strdup(def->name);
}

bool network_resolve(Object *object, bool on, const Caller *caller, char **ret_how, Error **err)
{
    Network *network = (Network *)object;
    g_auto(Job) job = { 0 };

    if (!job_begin(object, JOB_MODIFY, caller, &job, err) || !object_require_listed(object, err))
        return false;
    const NetworkDef *def = network_def(object);
    if (on && !dnsmasq_is_wanted(def))
        return error_set(err, ERROR_INVALID_STATE, "network '%s' has no dnsmasq that would know names",
                         network->name);
    if (on && !def->domain && !is_label(network->name)) {
        error_set(err, ERROR_INVALID_STATE, "network '%s' has no domain, and its name cannot be one",
                  network->name);
        return error_hint(err, "give it one: <domain name='...'/>");
    }
    NetworkDef *config = network->config ? xml_table_copy(&network_table, network->config) : NULL;
    NetworkDef *live = network->live ? xml_table_copy(&network_table, network->live) : NULL;
    if (!on && live)
        network_unregister_names(network, live);
    if (config)
        set_domain(config, on);
    if (live)
        set_domain(live, on);
    if (!network_replace(network, config, live, err))
        return false;
    if (network->live)
        network_register_names(network, network->live);
    def = network_def(object);
    *ret_how = !on ? g_strdup("this host no longer resolves the network's names")
               : resolved_runs(network->host)
                   ? g_strdup_printf("systemd-resolved asks the network's dnsmasq for names in "
                                     "%s",
                                     def->domain)
                   : g_strdup_printf("guests' names, alone and in %s, stand in %s/etc/hosts", def->domain,
                                     network->host->paths->root);
    return true;
}
