/* Starting and stopping an interface: by the program that manages it, or by netlink where there is none, and
 * below a root of its own, whose files no manager of the host reads. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hostif"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/worker.h"
#include "network/hostif_private.h"

#define APPLY_DEADLINE_MS 30000
#define PROGRAM_DEADLINE_MS 90000 /* DHCP takes its time */

/* ---- by netlink, in a worker ---- */

static bool has_link(const char *name)
{
    return if_nametoindex(name) > 0;
}

static bool make_link(const HostifDef *def, Error **err)
{
    Mac mac;
    const bool has_mac = def->mac && mac_parse(def->mac, &mac, NULL);
    const BridgeSpec spec = { .name = def->name,
                              .mac = has_mac ? &mac : NULL,
                              .stp = def->stp == TRISTATE_ON,
                              .delay_s = def->delay ? (unsigned)g_ascii_strtod(def->delay, NULL) : 0 };

    switch (def->type) {
    case HOSTIF_BRIDGE:
        return netlink_add_bridge(&spec, err);
    case HOSTIF_BOND:
        return netlink_add_bond(def->name, def->mode ? def->mode - 1U : 0, def->miimon_ms, err);
    case HOSTIF_VLAN:
        return netlink_add_vlan(def->name, def->lower, def->tag.value, err);
    default:
        return error_set_errno(err, ENODEV, "cannot find the interface '%s'", def->name);
    }
}

/* A port has no addresses: they would answer for the bridge. */
static bool flush_addresses(const char *name, Error **err)
{
    g_autoptr(GArray) addresses = NULL;

    if (!netlink_list_addresses(&addresses, err))
        return false;
    for (guint i = 0; i < addresses->len; i++) {
        const AddressInfo *address = &g_array_index(addresses, AddressInfo, i);
        if (address->index == (int)if_nametoindex(name) && address->scope != RT_SCOPE_LINK &&
            !netlink_remove_address(name, &address->ip, address->prefix, err))
            return false;
    }
    return true;
}

static bool add_ports(const HostifDef *def, Error **err)
{
    for (guint i = 0; def->ports && i < def->ports->len; i++) {
        const HostifDef *port = g_ptr_array_index(def->ports, i);
        const LinkChange down = { .set_up = true, .up = false };
        const LinkChange join = { .set_up = true, .up = true, .master = def->name };
        if (!has_link(port->name) && (!make_link(port, err) || !add_ports(port, err)))
            return false;
        if (def->type == HOSTIF_BOND && !netlink_change_link(port->name, &down, err)) /* it takes no other */
            return false;
        if (!flush_addresses(port->name, err) || !netlink_change_link(port->name, &join, err))
            return false;
    }
    return true;
}

static bool add_addresses(const HostifDef *def, Error **err)
{
    for (guint i = 0; def->protocols && i < def->protocols->len; i++) {
        const HostifProtocol *protocol = g_ptr_array_index(def->protocols, i);
        IpAddress ip = { 0 };
        for (guint k = 0; protocol->ips && k < protocol->ips->len; k++) {
            const HostifIp *one = g_ptr_array_index(protocol->ips, k);
            if (ip_parse(one->address, &ip) && !netlink_add_address(def->name, &ip, one->prefix.value, err))
                return false;
        }
        if (!protocol->gateway || !ip_parse(protocol->gateway, &ip))
            continue;
        const IpAddress all = { .is_v6 = ip.is_v6 };
        if (!netlink_add_route(def->name, &all, 0, &ip, 0, err))
            return false;
    }
    return true;
}

static bool take_down(const HostifDef *def, Error **err)
{
    const LinkChange down = { .set_up = true, .up = false };

    if (!has_link(def->name))
        return true;
    for (guint i = 0; def->ports && i < def->ports->len; i++) {
        const char *port = ((const HostifDef *)g_ptr_array_index(def->ports, i))->name;
        if (has_link(port) && !netlink_change_link(port, &down, err))
            return false;
    }
    if (def->type != HOSTIF_ETHERNET)
        return netlink_remove_link(def->name, err);
    for (guint i = 0; def->protocols && i < def->protocols->len; i++) {
        const HostifProtocol *protocol = g_ptr_array_index(def->protocols, i);
        IpAddress ip = { 0 };
        for (guint k = 0; protocol->ips && k < protocol->ips->len; k++) {
            const HostifIp *one = g_ptr_array_index(protocol->ips, k);
            if (ip_parse(one->address, &ip) &&
                !netlink_remove_address(def->name, &ip, one->prefix.value, err))
                return false;
        }
    }
    return netlink_change_link(def->name, &down, err);
}

static bool bring_up(const HostifDef *def, Error **err)
{
    Mac mac;
    const bool has_mac = def->mac && mac_parse(def->mac, &mac, NULL);
    const LinkChange change = { .mac = has_mac ? &mac : NULL, .mtu = def->mtu.is_set ? def->mtu.value : 0 };
    const LinkChange up = { .set_up = true, .up = true };

    if (!has_link(def->name) && !make_link(def, err))
        return false;
    if (add_ports(def, err) &&
        ((!change.mac && !change.mtu) || netlink_change_link(def->name, &change, err)) &&
        netlink_change_link(def->name, &up, err) && add_addresses(def, err))
        return true;
    (void)take_down(def, NULL); /* the first failure is the one to tell */
    return false;
}

typedef struct ApplyJob {
    HostifDef *def;
    bool up;
} ApplyJob;

static void apply_job_free(void *data)
{
    ApplyJob *job = data;

    xml_table_free(&hostif_table, job->def);
    g_free(job);
}

static bool apply_job_run(void *data, Error **err)
{
    const ApplyJob *job = data;

    return job->up ? bring_up(job->def, err) : take_down(job->def, err);
}

AWAITS static bool apply(const HostifDef *def, bool up, Error **err)
{
    ApplyJob *job = g_new0(ApplyJob, 1);

    *job = (ApplyJob){ .def = xml_table_copy(&hostif_table, def), .up = up };
    fiber_shield_begin();
    const bool ok = worker_call(worker_lane_named("network links"), apply_job_run, job, apply_job_free,
                                APPLY_DEADLINE_MS, err);
    fiber_shield_end();
    if (ok)
        apply_job_free(job);
    return ok;
}

bool hostif_up(const HostifDef *def, Error **err)
{
    for (guint i = 0; def->protocols && i < def->protocols->len; i++) {
        if (!((const HostifProtocol *)g_ptr_array_index(def->protocols, i))->has_dhcp)
            continue;
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "'%s' gets its address by DHCP, and nothing on this host does that", def->name);
        return error_hint(err, "install ifupdown, NetworkManager or systemd-networkd, or give it an address");
    }
    return apply(def, true, err);
}

bool hostif_down(const HostifDef *def, Error **err)
{
    return apply(def, false, err);
}

/* ---- by programs ---- */

bool hostif_run(const char *const *argv, Error **err)
{
    g_autofree char *program = g_find_program_in_path(argv[0]);
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    const char *full[16] = { program };

    if (!program)
        return error_set_errno(err, ENOENT, "Cannot find '%s' in path", argv[0]);
    for (unsigned i = 1; argv[i] && i + 1 < G_N_ELEMENTS(full); i++)
        full[i] = argv[i];
    spec.argv = full;
    if (!process_run(&spec, NULL, 0, 0, PROGRAM_DEADLINE_MS, &output, err))
        return error_prefix(err, "%s", argv[0]);
    if (WIFEXITED(output.status) && WEXITSTATUS(output.status) == 0)
        return true;
    g_strstrip(output.err);
    g_strstrip(output.out);
    return error_set(err, ERROR_INTERNAL, "%s %s failed: %s", argv[0], argv[1] ? argv[1] : "",
                     *output.err ? output.err : output.out);
}

/* Are the manager's own files the host's? */
static bool is_real(const Host *host)
{
    return !*host->paths->root;
}

AWAITS static bool run_ifupdown(Host *host, const char *program, const char *name, Error **err)
{
    g_autofree char *file = g_strconcat(host->paths->root, "/etc/network/interfaces", NULL);
    g_autofree char *state = g_strconcat(host->paths->root, "/run/network", NULL);

    if (is_real(host))
        return hostif_run((const char *const[]){ program, name, NULL }, err);
    return file_make_dirs(state, 0755, err) &&
           hostif_run((const char *const[]){ program, "-i", file, "--state-dir", state, name, NULL }, err);
}

static bool has_program(const char *name)
{
    g_autofree char *program = g_find_program_in_path(name);

    return program != NULL;
}

bool hostif_manager_acts(const Host *host, HostifManager manager)
{
    return is_real(host) &&
           (manager == MANAGER_NM || manager == MANAGER_NETWORKD || manager == MANAGER_NETPLAN);
}

typedef const char *const ManagerCommands[MANAGER_COUNT][4];

AWAITS static void tell(const Host *host, HostifManager manager, ManagerCommands commands)
{
    g_autoptr(Error) err = NULL;

    if (is_real(host) && commands[manager][0] && !hostif_run(commands[manager], &err))
        log_warning_error(err, hostif_manager_name(manager));
}

void hostif_manager_reload(Host *host, HostifManager manager)
{
    static ManagerCommands commands = { [MANAGER_NM] = { "nmcli", "connection", "reload" },
                                        [MANAGER_NETWORKD] = { "networkctl", "reload" },
                                        [MANAGER_NETPLAN] = { "netplan", "apply" } };

    tell(host, manager, commands);
}

void hostif_manager_forget(Host *host, HostifManager manager)
{
    static ManagerCommands commands = { [MANAGER_NM] = { "nmcli", "connection", "reload" },
                                        [MANAGER_NETWORKD] = { "networkctl", "reload" },
                                        [MANAGER_NETPLAN] = { "netplan", "generate" } };

    tell(host, manager, commands);
}

bool hostif_manager_start(Host *host, HostifManager manager, const HostifDef *def, Error **err)
{
    if (manager == MANAGER_IFUPDOWN && has_program("ifup"))
        return run_ifupdown(host, "ifup", def->name, err);
    if (!is_real(host) || manager == MANAGER_NONE || manager == MANAGER_IFUPDOWN)
        return hostif_up(def, err);
    hostif_manager_reload(host, manager);
    if (manager == MANAGER_NM)
        return hostif_run((const char *const[]){ "nmcli", "connection", "up", "id", def->name, NULL }, err);
    if (manager == MANAGER_NETWORKD)
        return hostif_run((const char *const[]){ "networkctl", "up", def->name, NULL }, err);
    return true; /* netplan has started it */
}

bool hostif_manager_stop(Host *host, HostifManager manager, const HostifDef *def, Error **err)
{
    if (manager == MANAGER_IFUPDOWN && has_program("ifdown"))
        return run_ifupdown(host, "ifdown", def->name, err);
    if (is_real(host) && manager == MANAGER_NM)
        return hostif_run((const char *const[]){ "nmcli", "connection", "down", "id", def->name, NULL }, err);
    if (is_real(host) && manager == MANAGER_NETWORKD)
        return hostif_run((const char *const[]){ "networkctl",
                                                 def->type == HOSTIF_ETHERNET ? "down" : "delete", def->name,
                                                 NULL },
                          err);
    return hostif_down(def, err);
}
