/* Network interfaces of machines beyond their taps: scripts, the helper of user networks, cables, limits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "interface"
#include "machine/vm_interface.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/macros.h"
#include "conf/domain_check.h"
#include "machine/vm_edit.h"
#include "machine/vm_query.h"
#include "qemu/device.h"

#define SCRIPT_OUTPUT_MAX 65536
#define PASST_START_MS 10000

const char *vm_interface_lower(const InterfaceDef *iface)
{
    return iface->type == INTERFACE_DIRECT ? iface->source : iface->actual_dev;
}

bool vm_interface_refuse_limits(const InterfaceDef *iface, Error **err)
{
    return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "an interface of type '%s' has no end on this host whose bandwidth could be limited",
                     enum_name(&interface_type_names, iface->type));
}

bool vm_interface_check(const InterfaceDef *iface, Error **err)
{
    const char *type = enum_name(&interface_type_names, iface->type);
    const bool is_user = iface->type == INTERFACE_USER || iface->type == INTERFACE_INTERNAL;
    char mac[MAC_STRING_LEN];

    mac_format(&iface->mac, mac);
    if ((iface->script || iface->downscript) && iface->type != INTERFACE_ETHERNET)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "scripts are not supported on interfaces of type %s",
                         type);
    if (iface->teaming == TEAMING_TRANSIENT && iface->type != INTERFACE_HOSTDEV)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "interface %s - teaming transient device must be type='hostdev', not '%s'", mac,
                         type);
    if (!is_user && (iface->backend == INTERFACE_BACKEND_PASST || def_list_len(iface->port_forwards)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "interface %s - forwarded ports and the back end 'passt' are of interfaces of type "
                         "'user', not '%s'",
                         mac, type);
    return true;
}

/* Runs a program of the host to its end; @fd: what it inherits; NULL: nothing. */
AWAITS static bool run_program(const char *const *argv, const int *fd, uint64_t timeout_ms, Error **err)
{
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_auto(ProcessOutput) output = { 0 };

    spec.argv = argv;
    spec.fds = fd;
    spec.n_fds = fd != NULL;
    spec.new_session = true;
    if (!process_run(&spec, NULL, 0, SCRIPT_OUTPUT_MAX, timeout_ms, &output, err))
        return error_prefix(err, "'%s'", argv[0]);
    if (WIFEXITED(output.status) && WEXITSTATUS(output.status) == 0)
        return true;
    g_strchomp(output.err);
    return error_set(err, ERROR_INTERNAL, "'%s' failed with status %d: %s", argv[0],
                     WIFEXITED(output.status) ? WEXITSTATUS(output.status) : -1, output.err);
}

bool vm_interface_run_script(Host *host, const InterfaceDef *iface, const char *path, Error **err)
{
    const char *const argv[] = { path, iface->target, NULL };

    return run_program(argv, NULL, (uint64_t)host->config->hook_timeout_s * 1000, err);
}

/* ---- passt ---- */

static void add_option(GPtrArray *argv, const char *option, char *value /* owned */)
{
    g_ptr_array_add(argv, g_strdup(option));
    g_ptr_array_add(argv, value);
}

static void add_forward(GPtrArray *argv, const InterfaceForward *forward)
{
    GString *ports = g_string_new(NULL);

    if (forward->address)
        g_string_append(ports, forward->address);
    if (forward->dev)
        g_string_append_printf(ports, "%%%s", forward->dev);
    if (ports->len)
        g_string_append_c(ports, '/');
    const gsize start = ports->len;
    if (def_list_len(forward->ranges) == 0)
        g_string_append(ports, "all");
    for (DEF_EACH(PortRange, range, forward->ranges)) {
        if (ports->len > start)
            g_string_append_c(ports, ',');
        g_string_append_printf(ports, "%s%u", range->exclude == TRISTATE_ON ? "~" : "", range->start);
        if (range->end && range->end != range->start)
            g_string_append_printf(ports, "-%u", range->end);
        if (range->to && range->to != range->start) {
            g_string_append_printf(ports, ":%u", range->to);
            if (range->end && range->end != range->start)
                g_string_append_printf(ports, "-%u", range->to + range->end - range->start);
        }
    }
    add_option(argv, forward->proto == PORT_FORWARD_UDP ? "--udp-ports" : "--tcp-ports",
               g_string_free(ports, FALSE));
}

static GPtrArray *passt_argv(const InterfaceDef *iface, const char *program, int fd)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(program));
    add_option(argv, "--fd", g_strdup_printf("%d", fd));
    if (iface->backend_log)
        add_option(argv, "--log-file", g_strdup(iface->backend_log));
    if (iface->source)
        add_option(argv, "--interface", g_strdup(iface->source));
    if (iface->mtu)
        add_option(argv, "--mtu", g_strdup_printf("%u", iface->mtu));
    for (DEF_EACH(InterfaceIp, ip, iface->ips)) {
        add_option(argv, "--address", g_strdup(ip->address));
        if (ip->prefix && strcmp(ip->family, "ipv4") == 0)
            add_option(argv, "--netmask", g_strdup_printf("%u", ip->prefix));
    }
    for (DEF_EACH(InterfaceForward, forward, iface->port_forwards))
        add_forward(argv, forward);
    g_ptr_array_add(argv, NULL);
    return argv;
}

bool vm_interface_start_passt(const InterfaceDef *iface, PlanFds *fds, Error **err)
{
    g_autofree char *program = g_find_program_in_path("passt");
    g_autofree char *name = device_passt_fd_name(iface->info.alias);
    int line[2];

    if (!program) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "the program 'passt' is not installed");
        return error_hint(err, "install the package 'passt', or leave out <backend type='passt'/>");
    }
    if (iface->backend_hostname || iface->backend_fqdn)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "host names of guests (backend/@hostname, backend/@fqdn) need a newer passt");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
        return error_set_errno(err, errno, "cannot make a line to passt");
    AUTO_FD theirs = line[1];
    plan_fds_add(fds, name, line[0]);
    g_autoptr(GPtrArray) argv = passt_argv(iface, program, theirs);
    return run_program((const char *const *)argv->pdata, &theirs, PASST_START_MS, err);
}

/* ---- cables ---- */

bool vm_interface_set_links(Vm *vm, Error **err)
{
    for (DEF_EACH(InterfaceDef, iface, vm->live->interfaces)) {
        if (iface->link == LINK_STATE_DOWN &&
            !monitor_set_link(vm_monitor(vm), iface->info.alias, false, 0, err))
            return false;
    }
    return true;
}

/* ---- filters of guests that are trusted ---- */

/* The guest may give its card another address: the document shows it, and who listens hears of it. */
static void note_address(Vm *vm, InterfaceDef *iface, const Mac *mac)
{
    static const Mac none;
    const bool is_own = memcmp(mac, &iface->mac, sizeof(Mac)) == 0,
               had_own = memcmp(&iface->current_mac, &none, sizeof(Mac)) == 0;
    const Mac before = had_own ? iface->mac : iface->current_mac;
    char old_text[MAC_STRING_LEN], new_text[MAC_STRING_LEN];

    if (memcmp(mac, &before, sizeof(Mac)) == 0 || memcmp(mac, &none, sizeof(Mac)) == 0)
        return;
    iface->current_mac = is_own ? none : *mac;
    mac_format(&before, old_text);
    mac_format(mac, new_text);
    vm_publish_event(vm, &(Event){ .id = EVENT_NIC_MAC_CHANGE,
                                   .text1 = iface->info.alias,
                                   .text2 = old_text,
                                   .text3 = new_text });
    vm_status_save_later(vm);
}

/* What the guest's card lets in, a macvtap has to let in, too; a bridge lets everything in. */
AWAITS static bool sync_filter(Vm *vm, const char *alias, Error **err)
{
    MonitorRxFilter filter;

    if (!monitor_query_rx_filter(vm_monitor(vm), alias, 0, &filter, err))
        return false;
    InterfaceDef *iface = vm->live ? domain_find_interface_alias(vm->live, alias) : NULL;
    if (!iface) /* unplugged meanwhile */
        return true;
    note_address(vm, iface, &filter.mac);
    if (iface->trust_guest_rx_filters != TRISTATE_ON || !vm_interface_lower(iface) || !iface->target)
        return true;
    g_autofree char *target = g_strdup(iface->target);
    return link_set_filter(target, &filter.mac, filter.all_multicast, filter.promiscuous, err);
}

static bool has_rx_filter(const InterfaceDef *iface)
{
    return iface->info.alias && iface->model && g_str_has_prefix(iface->model, "virtio");
}

static void sync_filters(Vm *vm)
{
    const uint64_t serial = vm->run ? vm->run->serial : 0;

    for (guint i = 0;
         vm->run && vm->run->serial == serial && vm->live && i < def_list_len(vm->live->interfaces); i++) {
        const InterfaceDef *iface = g_ptr_array_index(vm->live->interfaces, i);
        g_autofree char *alias = g_strdup(iface->info.alias);
        g_autoptr(Error) err = NULL;
        if (has_rx_filter(iface) && !sync_filter(vm, alias, &err))
            log_warning_error(err, "a guest's filter of received packets");
    }
}

void vm_interface_look_at_filters(Vm *vm)
{
    for (DEF_EACH(InterfaceDef, iface, vm->live->interfaces)) {
        if (has_rx_filter(iface)) {
            vm_spawn_task(vm, VM_TASK_FILTER, "rx filter", sync_filters);
            return;
        }
    }
}

/* ---- announcements ---- */

bool vm_announce_interface(Vm *vm, const char *device, const MonitorAnnounce *how, unsigned flags,
                           const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 0, "qemuDomainAnnounceInterface", err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    const InterfaceDef *iface = device ? domain_find_interface(vm->live, device) : NULL;
    if (device && !iface)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a known interface", device);
    return monitor_announce_self(vm_monitor(vm), iface ? iface->info.alias : NULL, how, 0, err);
}

/* ---- limits ---- */

static bool find_interface(const DomainDef *def, const char *device, InterfaceDef **ret_iface, Error **err)
{
    *ret_iface = domain_find_interface(def, device);
    return *ret_iface || error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a known interface", device);
}

static void add_limits(Params *params, const char *way, const BandwidthLimit *limit, bool has_floor)
{
    static const BandwidthLimit none = { 0 };
    const BandwidthLimit *of = limit ? limit : &none;

    params_add_uint(params, (uint32_t)of->average_kBps.value, "%s.average", way);
    params_add_uint(params, (uint32_t)of->peak_kBps.value, "%s.peak", way);
    params_add_uint(params, (uint32_t)of->burst_KiB.value, "%s.burst", way);
    if (has_floor)
        params_add_uint(params, (uint32_t)of->floor_kBps.value, "%s.floor", way);
}

bool vm_get_interface_limits(Vm *vm, const char *device, unsigned flags, Params **ret_params, Error **err)
{
    const DomainDef *def = NULL;
    InterfaceDef *iface = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                     "qemuDomainGetInterfaceParameters", err) ||
        !vm_get_affected_def(vm, flags, &def, err) || (device && !find_interface(def, device, &iface, err)))
        return false;
    Params *params = params_new();
    add_limits(params, "inbound", iface ? iface->inbound : NULL, true);
    add_limits(params, "outbound", iface ? iface->outbound : NULL, false);
    *ret_params = params;
    return true;
}

/* Limits that an interface of the running machine gets, and had. */
typedef struct LimitChange {
    Vm *vm;
    char *alias;
    BandwidthLimit *inbound, *outbound; /* owned: those that it does not have at the moment */
} LimitChange;

static void limit_change_clear(LimitChange *change)
{
    g_free(change->alias);
    g_free(change->inbound);
    g_free(change->outbound);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LimitChange, limit_change_clear)

static InterfaceDef *interface_of(const DomainDef *live, const char *alias)
{
    for (DEF_EACH(InterfaceDef, iface, live->interfaces)) {
        if (g_strcmp0(iface->info.alias, alias) == 0)
            return iface;
    }
    return NULL;
}

static void limit_swap(DomainDef *live, void *data)
{
    LimitChange *change = data;
    InterfaceDef *iface = interface_of(live, change->alias);
    BandwidthLimit *inbound = iface->inbound, *outbound = iface->outbound;

    iface->inbound = change->inbound;
    iface->outbound = change->outbound;
    change->inbound = inbound;
    change->outbound = outbound;
}

/* While a change is under way the live definition still has what was before. */
static void limit_take_back_port(void *arg)
{
    const LimitChange *change = arg;
    const InterfaceDef *iface = change->vm->live ? interface_of(change->vm->live, change->alias) : NULL;
    g_autoptr(Error) err = NULL;

    if (iface && !network_replug_bandwidth(change->vm->host, iface, iface->inbound, iface->outbound, &err))
        log_warning_error(err, "taking back limits of an interface");
}

static void limit_take_back_link(void *arg)
{
    const LimitChange *change = arg;
    const InterfaceDef *iface = change->vm->live ? interface_of(change->vm->live, change->alias) : NULL;
    g_autoptr(Error) err = NULL;

    if (iface && !link_limit(iface->target, vm_interface_lower(iface), iface->inbound, iface->outbound, &err))
        log_warning_error(err, "taking back limits of an interface");
}

static BandwidthLimit *changed_limit(bool set, const BandwidthLimit *limit, const BandwidthLimit *old)
{
    const BandwidthLimit *from = set ? limit : old;

    return from && (from->average_kBps.value || from->floor_kBps.value) ? g_memdup2(from, sizeof(*from))
                                                                        : NULL;
}

AWAITS static bool limit_live(VmEdit *edit, const InterfaceDef *iface, LimitChange *change, Error **err)
{
    Host *host = edit->vm->host;

    if (qemu_interface_queues(iface) == 0 || !iface->target)
        return vm_interface_refuse_limits(iface, err);
    if (!network_replug_bandwidth(host, iface, change->inbound, change->outbound, err))
        return false;
    undo_push(&edit->undo, limit_take_back_port, change);
    undo_push(&edit->undo, limit_take_back_link, change);
    if (!link_limit(iface->target, vm_interface_lower(iface), change->inbound, change->outbound, err))
        return false;
    vm_edit_set_live(edit, limit_swap, change);
    return true;
}

bool vm_set_interface_limits(Vm *vm, const char *device, const InterfaceLimits *limits, unsigned flags,
                             const Caller *caller, Error **err)
{
    g_auto(LimitChange) change = { .vm = vm };
    g_auto(VmEdit) edit = { 0 };
    InterfaceDef *live = NULL, *config = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                     "qemuDomainSetInterfaceParameters", err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err) ||
        (edit.live && !find_interface(vm->live, device, &live, err)) ||
        (edit.config && !find_interface(edit.config, device, &config, err)))
        return false;
    if (config) {
        BandwidthLimit *inbound = changed_limit(limits->set_inbound, &limits->inbound, config->inbound);
        BandwidthLimit *outbound = changed_limit(limits->set_outbound, &limits->outbound, config->outbound);
        g_free(config->inbound);
        g_free(config->outbound);
        config->inbound = inbound;
        config->outbound = outbound;
        if ((inbound || outbound) && config->type != INTERFACE_NETWORK && qemu_interface_queues(config) == 0)
            return vm_interface_refuse_limits(config, err);
        if (!domain_check_interfaces(edit.config, err))
            return false;
    }
    if (live) {
        change.alias = g_strdup(live->info.alias);
        change.inbound = changed_limit(limits->set_inbound, &limits->inbound, live->inbound);
        change.outbound = changed_limit(limits->set_outbound, &limits->outbound, live->outbound);
        if (!limit_live(&edit, live, &change, err))
            return false;
    }
    return vm_edit_commit(&edit, NULL, err);
}
