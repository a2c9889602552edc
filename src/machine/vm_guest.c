/* Asking the guest's agent: host name, time, file systems, users, CPUs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "agent"
#include "machine/vm_guest.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "machine/vm_agent.h"
#include "network/network.h"

#define TRIM_MS (10 * 60 * 1000) /* a large disk that is full of free ranges */
#define SSH_KEYS_MAX 2048        /* what an answer holds */

/* ---- host name ---- */

AWAITS static bool hostname_from_lease(Vm *vm, char **ret_hostname, Error **err)
{
    g_autoptr(DomainDef) def = domain_def_copy(vm->live); /* the machine may end while we ask */

    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        g_autoptr(GPtrArray) leases = NULL;
        g_autoptr(Object) network = NULL;
        char mac[MAC_STRING_LEN];
        if (iface->type != INTERFACE_NETWORK ||
            !(network = object_find_by_name(host_registry(vm->host, &network_class), iface->source, NULL)))
            continue;
        mac_format(&iface->mac, mac);
        if (!network_get_leases(network, mac, &leases, err))
            return false;
        for (guint i = 0; i < leases->len && !*ret_hostname; i++)
            *ret_hostname = g_strdup(((NetworkLeaseInfo *)leases->pdata[i])->hostname);
        if (*ret_hostname)
            return true;
    }
    return true;
}

bool vm_get_hostname(Vm *vm, unsigned flags, char **ret_hostname, Error **err)
{
    AUTO_JSON reply = NULL;
    g_autofree char *name = NULL;

    if (!check_flags(flags, VIR_DOMAIN_GET_HOSTNAME_LEASE | VIR_DOMAIN_GET_HOSTNAME_AGENT,
                     "qemuDomainGetHostname", err))
        return false;
    if (flags == (VIR_DOMAIN_GET_HOSTNAME_LEASE | VIR_DOMAIN_GET_HOSTNAME_AGENT))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_GET_HOSTNAME_LEASE' and 'VIR_DOMAIN_GET_HOSTNAME_AGENT' are "
                         "mutually exclusive");
    if (!vm_require_running(vm, err))
        return false;
    if (flags == VIR_DOMAIN_GET_HOSTNAME_LEASE) {
        if (!hostname_from_lease(vm, &name, err))
            return false;
    } else {
        g_autoptr(Error) why = NULL;
        if (vm_agent_ask(vm, "guest-get-host-name", NULL, AGENT_BLOCKING_MS, &reply, &why))
            name = g_strdup(json_get_str(reply, "host-name"));
        else if (error_code(why) == ERROR_INVALID_STATE || error_code(why) == ERROR_CANCELLED ||
                 error_code(why) == ERROR_ARGUMENT_UNSUPPORTED || !vm_agent_is_connected(vm))
            return error_propagate(err, g_steal_pointer(&why));
    }
    if (!name)
        return error_set(err, ERROR_NO_HOSTNAME, "no hostname found for domain %s", vm->name);
    *ret_hostname = g_steal_pointer(&name);
    return true;
}

/* ---- time ---- */

bool vm_get_time(Vm *vm, int64_t *ret_seconds, unsigned *ret_nseconds, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, "guest-get-time", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_integer(reply) || json_integer_value(reply) < 0)
        return error_set(err, ERROR_INTERNAL, "malformed return value");
    const int64_t ns = json_integer_value(reply);
    *ret_seconds = ns / 1000000000;
    *ret_nseconds = (unsigned)(ns % 1000000000);
    return true;
}

bool vm_set_time(Vm *vm, int64_t seconds, unsigned nseconds, unsigned flags, const Caller *caller,
                 Error **err)
{
    g_auto(Job) job = { 0 };
    AUTO_JSON args = NULL;

    if (!check_flags(flags, VIR_DOMAIN_TIME_SYNC, "qemuDomainSetTime", err) || !vm_require_running(vm, err))
        return false;
    if (!(flags & VIR_DOMAIN_TIME_SYNC)) {
        if (seconds > INT64_MAX / 1000000000 - 1 || seconds < INT64_MIN / 1000000000 + 1 ||
            nseconds >= 1000000000)
            return error_set(err, ERROR_INVALID_ARGUMENT, "Time '%" PRId64 "' is too big for guest agent",
                             seconds);
        args = json_pack("{s:I}", "time", (json_int_t)(seconds * 1000000000 + nseconds));
    }
    if (!vm_agent_ask(vm, "guest-set-time", args, AGENT_BLOCKING_MS, NULL, err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    /* Ticks that were kept back for the guest would put its clock wrong again. */
    if (!monitor_reset_rtc_ticks(vm_monitor(vm), 0, NULL))
        log_debug("machine '%s' has no rtc-reset-reinjection", vm->name);
    return true;
}

/* ---- file systems ---- */

bool vm_trim_filesystems(Vm *vm, const char *mount_point, uint64_t minimum_bytes, unsigned flags,
                         const Caller *caller, Error **err)
{
    AUTO_JSON args = NULL;

    if (!check_flags(flags, 0, "qemuDomainFSTrim", err))
        return false;
    if (mount_point)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "Specifying mount point is not supported for now");
    args = json_pack("{s:I}", "minimum", (json_int_t)MIN(minimum_bytes, (uint64_t)INT64_MAX));
    return vm_agent_ask(vm, "guest-fstrim", args, TRIM_MS, NULL, err);
}

AWAITS static bool agent_ask_count(Vm *vm, const char *command, const Json *args, int *ret_count, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, command, args, AGENT_BLOCKING_MS, &reply, err))
        return false;
    const json_int_t count = json_is_integer(reply) ? json_integer_value(reply) : -1;
    if (count < 0 || count > INT32_MAX)
        return error_set(err, ERROR_INTERNAL, "malformed return value");
    *ret_count = (int)count;
    return true;
}

static bool json_from_strings(char *const *texts, unsigned count, const char *what, Json **ret_list,
                              Error **err)
{
    AUTO_JSON list = json_array();

    for (unsigned i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(texts[i])) < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s %u is not valid UTF-8", what, i + 1);
    }
    *ret_list = json_incref(list);
    return true;
}

bool vm_freeze_filesystems(Vm *vm, char *const *mount_points, unsigned n_mount_points, unsigned flags,
                           const Caller *caller, int *ret_count, Error **err)
{
    AUTO_JSON args = NULL;
    Json *list = NULL;

    if (!check_flags(flags, 0, "qemuDomainFSFreeze", err))
        return false;
    if (n_mount_points) {
        if (!json_from_strings(mount_points, n_mount_points, "mount point", &list, err))
            return false;
        args = json_pack("{s:o}", "mountpoints", list);
    }
    return agent_ask_count(vm, args ? "guest-fsfreeze-freeze-list" : "guest-fsfreeze-freeze", args, ret_count,
                           err);
}

bool vm_thaw_filesystems(Vm *vm, unsigned n_mount_points, unsigned flags, const Caller *caller,
                         int *ret_count, Error **err)
{
    if (!check_flags(flags, 0, "qemuDomainFSThaw", err))
        return false;
    if (n_mount_points)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "specifying mountpoints is not supported");
    return agent_ask_count(vm, "guest-fsfreeze-thaw", NULL, ret_count, err);
}

/* ---- users ---- */

bool vm_set_user_password(Vm *vm, const char *user, const char *password, unsigned flags, Error **err)
{
    if (!check_flags(flags, VIR_DOMAIN_PASSWORD_ENCRYPTED, "qemuDomainSetUserPassword", err))
        return false;
    g_autofree char *encoded = g_base64_encode((const guchar *)password, strlen(password));
    AUTO_JSON args = json_pack("{s:b, s:s, s:s}", "crypted", (flags & VIR_DOMAIN_PASSWORD_ENCRYPTED) != 0,
                               "username", user, "password", encoded);
    if (!args)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the user's name is not valid UTF-8");
    return vm_agent_ask(vm, "guest-set-user-password", args, AGENT_BLOCKING_MS, NULL, err);
}

bool vm_get_ssh_keys(Vm *vm, const char *user, unsigned flags, GPtrArray **ret_keys, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!check_flags(flags, 0, "qemuDomainAuthorizedSSHKeysGet", err))
        return false;
    AUTO_JSON args = json_pack("{s:s}", "username", user);
    if (!args)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the user's name is not valid UTF-8");
    if (!vm_agent_ask(vm, "guest-ssh-get-authorized-keys", args, AGENT_BLOCKING_MS, &reply, err))
        return false;
    const Json *list = json_get_arr(reply, "keys");
    if (!list)
        return error_set(err, ERROR_INTERNAL, "qemu agent didn't return an array of keys");
    if (json_array_size(list) > SSH_KEYS_MAX)
        return error_set(err, ERROR_OVERFLOW, "the guest agent returned more than %d keys", SSH_KEYS_MAX);
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *key = json_string_value(json_array_get(list, i));
        if (!key)
            return error_set(err, ERROR_INTERNAL, "a key of the guest agent's answer is no text");
        g_ptr_array_add(keys, g_strdup(key));
    }
    *ret_keys = g_steal_pointer(&keys);
    return true;
}

bool vm_set_ssh_keys(Vm *vm, const char *user, char *const *keys, unsigned n_keys, unsigned flags,
                     Error **err)
{
    const unsigned append = VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND,
                   remove = VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE;
    Json *list = NULL;

    if (!check_flags(flags, append | remove, "qemuDomainAuthorizedSSHKeysSet", err))
        return false;
    if ((flags & append) && (flags & remove))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND' and "
                         "'VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE' are mutually exclusive");
    if (flags && n_keys == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "keys in virDomainAuthorizedSSHKeysSet must not be NULL");
    if (!json_from_strings(keys, n_keys, "key", &list, err))
        return false;
    AUTO_JSON args = json_pack("{s:s, s:o}", "username", user, "keys", list);
    if (!args)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the user's name is not valid UTF-8");
    if (flags & remove)
        return vm_agent_ask(vm, "guest-ssh-remove-authorized-keys", args, AGENT_BLOCKING_MS, NULL, err);
    json_object_set_new(args, "reset", json_boolean(!(flags & append)));
    return vm_agent_ask(vm, "guest-ssh-add-authorized-keys", args, AGENT_BLOCKING_MS, NULL, err);
}

/* ---- CPUs ---- */

typedef struct GuestVcpu {
    unsigned id;
    bool online, can_offline;
    bool wanted; /* what it shall be */
    bool changes;
} GuestVcpu;

AWAITS static bool guest_vcpus_ask(Vm *vm, GArray **ret_vcpus, Error **err)
{
    AUTO_JSON reply = NULL;
    g_autoptr(GArray) vcpus = g_array_new(FALSE, TRUE, sizeof(GuestVcpu));

    if (!vm_agent_ask(vm, "guest-get-vcpus", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_array(reply) || json_array_size(reply) > CPUSET_MAX)
        return error_set(err, ERROR_INTERNAL, "guest-get-vcpus reply was missing return data");
    for (size_t i = 0; i < json_array_size(reply); i++) {
        const Json *entry = json_array_get(reply, i);
        const int64_t id = json_get_int(entry, "logical-id", -1);
        const char *missing = id < 0 || id >= CPUSET_MAX                                ? "logical-id"
                              : !json_is_boolean(json_object_get(entry, "online"))      ? "online"
                              : !json_is_boolean(json_object_get(entry, "can-offline")) ? "can-offline"
                                                                                        : NULL;
        if (missing)
            return error_set(err, ERROR_INTERNAL, "'%s' missing in reply of guest-get-vcpus", missing);
        const bool online = json_get_bool(entry, "online", false);
        const GuestVcpu vcpu = { .id = (unsigned)id,
                                 .online = online,
                                 .can_offline = json_get_bool(entry, "can-offline", false),
                                 .wanted = online };
        g_array_append_val(vcpus, vcpu);
    }
    *ret_vcpus = g_steal_pointer(&vcpus);
    return true;
}

#define GUEST_VCPU(vcpus, i) (&g_array_index(vcpus, GuestVcpu, i))

/* Tells the guest of those that change. It does as many as it can of a list, in order, and says how many. */
AWAITS static bool guest_vcpus_tell(Vm *vm, GArray *vcpus, Error **err)
{
    AUTO_JSON list = json_array();

    for (guint i = 0; i < vcpus->len; i++) {
        const GuestVcpu *vcpu = GUEST_VCPU(vcpus, i);
        if (vcpu->changes)
            json_array_append_new(list, json_pack("{s:i, s:b}", "logical-id", (int)vcpu->id, "online",
                                                  vcpu->wanted));
    }
    while (json_array_size(list) > 0) {
        AUTO_JSON args = json_pack("{s:O}", "vcpus", list);
        AUTO_JSON reply = NULL;
        if (!vm_agent_ask(vm, "guest-set-vcpus", args, AGENT_BLOCKING_MS, &reply, err))
            return false;
        const json_int_t done = json_is_integer(reply) ? json_integer_value(reply) : 0;
        if (done <= 0 || (size_t)done > json_array_size(list))
            return error_set(err, ERROR_INTERNAL, "guest agent returned malformed or invalid return value");
        for (json_int_t i = 0; i < done; i++)
            json_array_remove(list, 0);
    }
    return true;
}

static void params_add_vcpus(Params *params, const GArray *vcpus, const char *name)
{
    g_autoptr(CpuSet) set = cpuset_new();
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < vcpus->len; i++) {
        const GuestVcpu *vcpu = GUEST_VCPU(vcpus, i);
        if (strcmp(name, "vcpus") == 0 || (strcmp(name, "online") == 0 ? vcpu->online : vcpu->can_offline))
            cpuset_add(set, vcpu->id);
    }
    cpuset_format(set, text);
    params_add_string(params, text->str, "%s", name);
    g_string_free(text, TRUE);
}

bool vm_get_guest_vcpus(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    g_autoptr(GArray) vcpus = NULL;

    if (!check_flags(flags, 0, "qemuDomainGetGuestVcpus", err) || !guest_vcpus_ask(vm, &vcpus, err))
        return false;
    Params *params = params_new();
    params_add_vcpus(params, vcpus, "vcpus");
    params_add_vcpus(params, vcpus, "online");
    params_add_vcpus(params, vcpus, "offlinable");
    *ret_params = params;
    return true;
}

bool vm_set_guest_vcpus(Vm *vm, const char *cpus, int state, unsigned flags, Error **err)
{
    g_autoptr(CpuSet) set = NULL;
    g_autoptr(GArray) vcpus = NULL;

    if (!check_flags(flags, 0, "qemuDomainSetGuestVcpus", err))
        return false;
    if (state != 0 && state != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported state value");
    if (!cpuset_parse(cpus, &set, err) || !guest_vcpus_ask(vm, &vcpus, err))
        return false;
    for (guint i = 0; i < vcpus->len; i++) {
        GuestVcpu *vcpu = GUEST_VCPU(vcpus, i);
        if (!cpuset_has(set, vcpu->id))
            continue;
        if (state == 0 && !vcpu->can_offline)
            return error_set(err, ERROR_OPERATION_UNSUPPORTED, "vCPU '%u' is not offlinable", vcpu->id);
        vcpu->wanted = state == 1;
        vcpu->changes = true;
        cpuset_remove(set, vcpu->id);
    }
    if (cpuset_count(set) > 0) {
        GString *text = g_string_new(NULL);
        cpuset_format(set, text);
        error_set(err, ERROR_INVALID_ARGUMENT, "guest is missing vCPUs '%s'", text->str);
        g_string_free(text, TRUE);
        return false;
    }
    return guest_vcpus_tell(vm, vcpus, err);
}

bool vm_count_guest_vcpus(Vm *vm, bool maximum, unsigned *ret_count, Error **err)
{
    g_autoptr(GArray) vcpus = NULL;
    unsigned online = 0;

    if (!guest_vcpus_ask(vm, &vcpus, err))
        return false;
    for (guint i = 0; i < vcpus->len; i++)
        online += GUEST_VCPU(vcpus, i)->online;
    *ret_count = maximum ? vcpus->len : online;
    return true;
}

bool vm_use_guest_vcpus(Vm *vm, unsigned count, Error **err)
{
    g_autoptr(GArray) vcpus = NULL;
    unsigned online = 0, fixed = 0;

    if (!vm_require_running(vm, err))
        return false;
    const unsigned enabled = vm->live->vcpus_current.is_set ? vm->live->vcpus_current.value : vm->live->vcpus;
    if (vm_agent_is_connected(vm) && count > enabled) /* one that is not there is named first */
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "requested vcpu count is greater than the count of enabled vcpus in the domain: %u "
                         "> %u",
                         count, enabled);
    if (!guest_vcpus_ask(vm, &vcpus, err))
        return false;
    for (guint i = 0; i < vcpus->len; i++) {
        const GuestVcpu *vcpu = GUEST_VCPU(vcpus, i);
        if (!vcpu->online && !vcpu->can_offline) /* it could never have gone offline */
            return error_set(err, ERROR_INTERNAL, "Invalid data provided by guest agent");
        online += vcpu->online;
        fixed += !vcpu->can_offline;
    }
    if (count > vcpus->len)
        return error_set(err, ERROR_INTERNAL, "guest agent reports less cpu than requested");
    if (count < fixed)
        return error_set(err, ERROR_INTERNAL, "Cannot offline enough CPUs");
    for (guint i = 0; i < vcpus->len && online != count; i++) {
        GuestVcpu *vcpu = GUEST_VCPU(vcpus, i);
        if (vcpu->online == (online < count) || !vcpu->can_offline)
            continue;
        vcpu->changes = true;
        vcpu->wanted = !vcpu->online;
        online = vcpu->wanted ? online + 1 : online - 1;
    }
    return guest_vcpus_tell(vm, vcpus, err);
}
