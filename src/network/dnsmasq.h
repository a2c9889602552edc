/* DHCP, names and TFTP of a network: one dnsmasq for each, which outlives the daemon.
 *
 * Its files lie where libvirt's users look for them: DIR/NAME.conf, .hostsfile (static hosts), .addnhosts
 * (names), .leases, and RUN/NAME.pid. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"
#include "conf/network.h"

typedef struct DnsmasqPaths {
    char *conf, *hosts, *names, *leases, *pid;
} DnsmasqPaths;
void dnsmasq_paths_init(DnsmasqPaths *paths, const char *dir, const char *run, const char *name);
void dnsmasq_paths_clear(DnsmasqPaths *paths);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DnsmasqPaths, dnsmasq_paths_clear)

/* Does @def have anything for it to do? */
bool dnsmasq_is_wanted(const NetworkDef *def);
/* What its files say. ERROR_CONFIG_UNSUPPORTED: a text of @def that would be more than one line there */
MUST_CHECK bool dnsmasq_format_conf(const NetworkDef *def, const DnsmasqPaths *paths, char **ret_text,
                                    Error **err);
MUST_CHECK bool dnsmasq_format_hosts(const NetworkDef *def, char **ret_text, Error **err);
MUST_CHECK bool dnsmasq_format_names(const NetworkDef *def, char **ret_text, Error **err);

/* Writes the files and starts it; it has opened its sockets when this returns. ERROR_SYSTEM with a hint:
 * there is none on this host; ERROR_INTERNAL: what it says */
AWAITS MUST_CHECK bool dnsmasq_start(const NetworkDef *def, const DnsmasqPaths *paths, Process **ret_process,
                                     Error **err);
/* One that an earlier daemon started. NULL: it does not run. */
AWAITS Process *dnsmasq_find(const DnsmasqPaths *paths);
/* Writes the files of static hosts and names and lets it read them. *process is looked at when they are
 * written: it may have ended meanwhile. */
AWAITS MUST_CHECK bool dnsmasq_reload(const NetworkDef *def, const DnsmasqPaths *paths,
                                      Process *const *process, Error **err);
/* Ends it and removes its files; failures are logged. @process owned, NULL: it does not run */
AWAITS void dnsmasq_stop(const DnsmasqPaths *paths, Process *process, bool keep_leases);
