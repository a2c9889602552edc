/* dnsmasq: what its files say, and its life. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/dnsmasq.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip.h"
#include "base/log.h"

#define START_DEADLINE_MS 15000
#define STOP_DEADLINE_MS 5000

#define HEAD                                                                                                 \
    "##WARNING:  THIS FILE IS MADE BY LODGE WHENEVER THE NETWORK STARTS: CHANGES TO IT ARE LOST.\n"          \
    "##Change the network instead: virsh net-edit %s\n"

void dnsmasq_paths_init(DnsmasqPaths *paths, const char *dir, const char *run, const char *name)
{
    paths->conf = g_strdup_printf("%s/%s.conf", dir, name);
    paths->hosts = g_strdup_printf("%s/%s.hostsfile", dir, name);
    paths->names = g_strdup_printf("%s/%s.addnhosts", dir, name);
    paths->leases = g_strdup_printf("%s/%s.leases", dir, name);
    paths->pid = g_strdup_printf("%s/%s.pid", run, name);
}

void dnsmasq_paths_clear(DnsmasqPaths *paths)
{
    g_free(paths->conf);
    g_free(paths->hosts);
    g_free(paths->names);
    g_free(paths->leases);
    g_free(paths->pid);
    *paths = (DnsmasqPaths){ 0 };
}

/* ---- texts ---- */

typedef struct Lines {
    GString *text;
    const NetworkDef *def;
    Error **err;
    bool failed;
} Lines;

/* A line of what documents say: nothing in it may end it. */
PRINTF(2, 3) static void line(Lines *lines, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    for (const char *at = text; *at && !lines->failed; at++) {
        if ((unsigned char)*at < 0x20 && *at != '\t')
            lines->failed =
                !error_set(lines->err, ERROR_CONFIG_UNSUPPORTED,
                           "network '%s' has a control character in a text for dnsmasq", lines->def->name);
    }
    g_string_append(lines->text, text);
    g_string_append_c(lines->text, '\n');
}

static bool lines_end(Lines *lines, char **ret_text)
{
    if (lines->failed) {
        g_string_free(lines->text, TRUE);
        return false;
    }
    *ret_text = g_string_free(lines->text, FALSE);
    return true;
}

#define EACH(i, list)                                                                                        \
    guint i = 0;                                                                                             \
    (list) && i < (list)->len;                                                                               \
    i++

static bool has_dhcp(const NetworkIp *ip)
{
    return ip->dhcp && (ip->dhcp->ranges || ip->dhcp->hosts || ip->dhcp->bootp_file);
}

static bool has_dns(const NetworkDef *def)
{
    return !def->dns || def->dns->enable != TRISTATE_OFF;
}

bool dnsmasq_is_wanted(const NetworkDef *def)
{
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward) || !def->ips)
        return false;
    for (EACH(i, def->ips)) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        if (has_dhcp(ip) || ip->tftp_root || network_ip_is_v6(ip))
            return true;
    }
    return has_dns(def);
}

/* ",1h"; nothing: an hour, as dnsmasq has it. */
static char *lease_text(const NetworkLease *lease)
{
    static const char letters[LEASE_UNIT_COUNT] = { 'm', 's', 'h' };

    if (!lease)
        return g_strdup("");
    if (lease->expiry.value == 0)
        return g_strdup(",infinite");
    if (lease->unit == LEASE_UNIT_SECONDS)
        return g_strdup_printf(",%u", lease->expiry.value);
    return g_strdup_printf(",%u%c", lease->expiry.value, letters[lease->unit]);
}

static void put_dns(Lines *lines, const NetworkDef *def)
{
    const NetworkDns *dns = def->dns;
    bool has_server = false;

    if (!has_dns(def)) {
        line(lines, "port=0");
        return;
    }
    for (EACH(i, dns ? dns->forwarders : NULL)) {
        const NetworkForwarder *forwarder = g_ptr_array_index(dns->forwarders, i);
        g_autofree char *port = forwarder->port.is_set ? g_strdup_printf("#%u", forwarder->port.value) : NULL;
        if (forwarder->domain)
            line(lines, "server=/%s/%s%s", forwarder->domain, forwarder->address ? forwarder->address : "#",
                 forwarder->address && port ? port : "");
        else
            line(lines, "server=%s%s", forwarder->address, port ? port : "");
        has_server = has_server || !forwarder->domain;
    }
    /* The host's servers are a way out, too: names can carry anything. */
    if (has_server || def->forward == NETWORK_ISOLATED)
        line(lines, "no-resolv");
    if (dns && dns->forward_plain_names == TRISTATE_OFF) {
        line(lines, "domain-needed");
        if (!def->domain)
            line(lines, "local=//");
    }
    if (def->domain) {
        if (def->domain_local_only == TRISTATE_ON)
            line(lines, "local=/%s/", def->domain);
        line(lines, "domain=%s", def->domain);
        line(lines, "expand-hosts");
    }
}

static void put_records(Lines *lines, const NetworkDns *dns)
{
    for (EACH(i, dns->txts)) {
        const NetworkTxt *txt = g_ptr_array_index(dns->txts, i);
        line(lines, "txt-record=%s,%s", txt->name, txt->value);
    }
    for (EACH(i, dns->srvs)) {
        const NetworkSrv *srv = g_ptr_array_index(dns->srvs, i);
        g_autoptr(GString) text = g_string_new(NULL);
        g_string_printf(text, "srv-host=_%s._%s", srv->service, srv->protocol);
        if (srv->domain)
            g_string_append_printf(text, ".%s", srv->domain);
        if (srv->target) {
            g_string_append_printf(text, ",%s", srv->target);
            g_string_append_printf(text, ",%u", srv->port.is_set ? srv->port.value : 1);
            if (srv->priority.is_set || srv->weight.is_set)
                g_string_append_printf(text, ",%u", srv->priority.value);
            if (srv->weight.is_set)
                g_string_append_printf(text, ",%u", srv->weight.value);
        }
        line(lines, "%s", text->str);
    }
}

static void put_ranges(Lines *lines, const NetworkIp *ip, uint64_t *io_leases)
{
    IpAddress address, start, end, mask = { 0 };
    char mask_text[IP_STRING_LEN];
    const unsigned prefix = network_ip_prefix(ip);

    (void)ip_parse(ip->address, &address);
    for (unsigned i = 0; !address.is_v6 && i < prefix; i++)
        mask.bytes[i / 8] |= (uint8_t)(0x80U >> i % 8);
    ip_format(&mask, mask_text);
    for (EACH(i, ip->dhcp->ranges)) {
        const NetworkRange *range = g_ptr_array_index(ip->dhcp->ranges, i);
        g_autofree char *lease = lease_text(range->lease);
        if (address.is_v6)
            line(lines, "dhcp-range=%s,%s,%u%s", range->start, range->end, prefix, lease);
        else
            line(lines, "dhcp-range=%s,%s,%s%s", range->start, range->end, mask_text, lease);
        if (ip_parse(range->start, &start) && ip_parse(range->end, &end))
            *io_leases += ip_distance(&start, &end);
    }
    if (!ip->dhcp->ranges && ip->dhcp->hosts) {
        if (address.is_v6)
            line(lines, "dhcp-range=%s,static,%u", ip->address, prefix);
        else
            line(lines, "dhcp-range=%s,static,%s", ip->address, mask_text);
    }
}

static void put_dhcp(Lines *lines, const NetworkDef *def, const DnsmasqPaths *paths)
{
    uint64_t leases = 0;
    bool any = false, is_v6_stateful = false;

    for (EACH(i, def->ips)) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        if (ip->tftp_root) {
            line(lines, "enable-tftp");
            line(lines, "tftp-root=%s", ip->tftp_root);
        }
        if (!has_dhcp(ip))
            continue;
        any = true;
        is_v6_stateful = is_v6_stateful || network_ip_is_v6(ip);
        put_ranges(lines, ip, &leases);
        if (ip->dhcp->bootp_file)
            line(lines, ip->dhcp->bootp_server ? "dhcp-boot=%s,,%s" : "dhcp-boot=%s%s", ip->dhcp->bootp_file,
                 ip->dhcp->bootp_server ? ip->dhcp->bootp_server : "");
    }
    if (any) {
        line(lines, "dhcp-no-override");
        line(lines, "dhcp-authoritative");
        if (leases)
            line(lines, "dhcp-lease-max=%" G_GUINT64_FORMAT, leases);
        line(lines, "dhcp-hostsfile=%s", paths->hosts);
        line(lines, "dhcp-leasefile=%s", paths->leases);
    }
    /* An isolated network leads nowhere: no default route. */
    if (any && def->forward == NETWORK_ISOLATED)
        line(lines, "dhcp-option=3");
    for (EACH(i, def->ips)) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        if (network_ip_is_v6(ip) && !is_v6_stateful)
            line(lines, "dhcp-range=%s,ra-only", ip->address);
    }
    if (is_v6_stateful)
        line(lines, "enable-ra");
}

/* Questions for names of the subnet's addresses stay here: its part of the tree of names, which is divided at
 * whole bytes (IPv4) and half ones (IPv6). */
static void put_local_pointers(Lines *lines, const NetworkDef *def)
{
    for (EACH(i, def->ips)) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        g_autoptr(GString) domain = g_string_new(NULL);
        IpAddress address;
        if (ip->local_ptr != TRISTATE_ON || !ip_parse(ip->address, &address))
            continue;
        const unsigned prefix = network_ip_prefix(ip), step = address.is_v6 ? 4 : 8;
        if (prefix % step != 0 || prefix >= ip_bits(&address)) {
            lines->failed =
                lines->failed ||
                !error_set(lines->err, ERROR_CONFIG_UNSUPPORTED,
                           "PTR domain for IPv%c network with prefix %u cannot be automatically created",
                           address.is_v6 ? '6' : '4', prefix);
            return;
        }
        for (unsigned at = prefix; at >= step; at -= step) {
            const uint8_t byte = address.bytes[(at - step) / 8];
            if (address.is_v6)
                g_string_append_printf(domain, "%x.", at % 8 ? byte >> 4 : byte & 15);
            else
                g_string_append_printf(domain, "%u.", byte);
        }
        line(lines, "local=/%s%s.arpa/", domain->str, address.is_v6 ? "ip6" : "in-addr");
    }
}

bool dnsmasq_format_conf(const NetworkDef *def, const DnsmasqPaths *paths, char **ret_text, Error **err)
{
    Lines lines = { .text = g_string_new(NULL), .def = def, .err = err };

    g_string_append_printf(lines.text, HEAD, def->name);
    line(&lines, "strict-order");
    put_dns(&lines, def);
    line(&lines, "pid-file=%s", paths->pid);
    line(&lines, "except-interface=lo");
    line(&lines, "bind-interfaces");
    line(&lines, "interface=%s", def->bridge);
    if (def->dns && has_dns(def))
        put_records(&lines, def->dns);
    put_local_pointers(&lines, def);
    put_dhcp(&lines, def, paths);
    if (has_dns(def))
        line(&lines, "addn-hosts=%s", paths->names);
    for (EACH(i, def->dnsmasq_options))
        line(&lines, "%s", ((const NetworkOption *)g_ptr_array_index(def->dnsmasq_options, i))->value);
    return lines_end(&lines, ret_text);
}

bool dnsmasq_format_hosts(const NetworkDef *def, char **ret_text, Error **err)
{
    Lines lines = { .text = g_string_new(NULL), .def = def, .err = err };

    for (EACH(i, def->ips)) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        for (EACH(k, ip->dhcp ? ip->dhcp->hosts : NULL)) {
            const NetworkDhcpHost *host = g_ptr_array_index(ip->dhcp->hosts, k);
            g_autofree char *lease = lease_text(host->lease);
            g_autoptr(GString) text = g_string_new(NULL);
            if (host->id)
                g_string_append_printf(text, "id:%s,", host->id);
            else if (host->mac)
                g_string_append_printf(text, "%s,", host->mac);
            else if (host->name)
                g_string_append_printf(text, "%s,", host->name);
            g_string_append_printf(text, network_ip_is_v6(ip) ? "[%s]" : "%s", host->ip);
            if (host->name && (host->id || host->mac))
                g_string_append_printf(text, ",%s", host->name);
            line(&lines, "%s%s", text->str, lease);
        }
    }
    return lines_end(&lines, ret_text);
}

bool dnsmasq_format_names(const NetworkDef *def, char **ret_text, Error **err)
{
    Lines lines = { .text = g_string_new(NULL), .def = def, .err = err };

    for (EACH(i, def->dns ? def->dns->hosts : NULL)) {
        const NetworkDnsHost *host = g_ptr_array_index(def->dns->hosts, i);
        g_autoptr(GString) text = g_string_new(host->ip);
        for (EACH(k, host->names))
            g_string_append_printf(text, "\t%s",
                                   ((const NetworkDnsName *)g_ptr_array_index(host->names, k))->name);
        line(&lines, "%s", text->str);
    }
    return lines_end(&lines, ret_text);
}

/* ---- life ---- */

AWAITS static bool write_hosts(const NetworkDef *def, const DnsmasqPaths *paths, Error **err)
{
    g_autofree char *hosts = NULL, *names = NULL;

    return dnsmasq_format_hosts(def, &hosts, err) && dnsmasq_format_names(def, &names, err) &&
           file_replace_volatile(paths->hosts, hosts, strlen(hosts), 0644, err) &&
           file_replace_volatile(paths->names, names, strlen(names), 0644, err);
}

static pid_t read_pid(const DnsmasqPaths *paths)
{
    g_autofree char *text = NULL;

    return file_read(paths->pid, 64, &text, NULL, NULL) ? (pid_t)g_ascii_strtoll(text, NULL, 10) : 0;
}

/* A number may be anybody's by now. */
static bool is_ours(pid_t pid, const DnsmasqPaths *paths)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    g_autofree char *line_text = NULL;
    gsize len = 0;

    if (pid <= 1 || !g_file_get_contents(path, &line_text, &len, NULL))
        return false;
    for (gsize i = 0; i < len; i++) {
        if (line_text[i] == '\0')
            line_text[i] = ' ';
    }
    return strstr(line_text, "dnsmasq") && strstr(line_text, paths->conf);
}

/* One that wrote no pid yet when the daemon died. 0: none */
static pid_t search_pid(const DnsmasqPaths *paths)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);

    for (const char *name = proc ? g_dir_read_name(proc) : NULL; name; name = g_dir_read_name(proc)) {
        const pid_t pid = (pid_t)g_ascii_strtoll(name, NULL, 10);
        if (is_ours(pid, paths))
            return pid;
    }
    return 0;
}

Process *dnsmasq_find(const DnsmasqPaths *paths)
{
    pid_t pid = read_pid(paths);
    Process *process = NULL;

    if (!is_ours(pid, paths))
        pid = search_pid(paths);

    if (!is_ours(pid, paths) || !process_attach(pid, process_lookup_start_time(pid), &process, NULL))
        return NULL;
    return process;
}

bool dnsmasq_start(const NetworkDef *def, const DnsmasqPaths *paths, Process **ret_process, Error **err)
{
    g_autofree char *program = g_find_program_in_path("dnsmasq");
    g_autofree char *conf = NULL;
    g_autofree char *option = g_strdup_printf("--conf-file=%s", paths->conf);
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!program) {
        error_set(err, ERROR_SYSTEM, "Cannot find 'dnsmasq' in path: No such file or directory");
        return error_hint(err, "install the package dnsmasq-base");
    }
    if (!dnsmasq_format_conf(def, paths, &conf, err) ||
        !file_replace_volatile(paths->conf, conf, strlen(conf), 0644, err) || !write_hosts(def, paths, err))
        return false;
    const char *argv[] = { program, option, NULL };
    spec.argv = argv;
    spec.new_session = true;
    /* It leaves us when it has opened its sockets. */
    if (!process_run(&spec, NULL, 0, 0, START_DEADLINE_MS, &output, err))
        return error_prefix(err, "dnsmasq of network '%s'", def->name);
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0)
        return error_set(err, ERROR_INTERNAL, "Child process (%s %s) unexpected exit status %d: %s", program,
                         option, WIFEXITED(output.status) ? WEXITSTATUS(output.status) : -1, output.err);
    *ret_process = dnsmasq_find(paths);
    return *ret_process || error_set(err, ERROR_INTERNAL, "dnsmasq of network '%s' ended at once", def->name);
}

bool dnsmasq_reload(const NetworkDef *def, const DnsmasqPaths *paths, Process *const *process, Error **err)
{
    return write_hosts(def, paths, err) && (!*process || process_kill(*process, SIGHUP, err));
}

void dnsmasq_stop(const DnsmasqPaths *paths, Process *process, bool keep_leases)
{
    const char *const files[] = { paths->conf, paths->hosts, paths->names, paths->pid,
                                  keep_leases ? NULL : paths->leases };
    g_autoptr(Error) err = NULL;

    if (process && process_kill(process, SIGTERM, NULL) && !process_wait(process, STOP_DEADLINE_MS, NULL))
        (void)process_kill(process, SIGKILL, NULL);
    process_free(process);
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        if (files[i] && !file_remove(files[i], &err)) {
            log_warning_error(err, files[i]);
            g_clear_pointer(&err, error_free);
        }
    }
}
