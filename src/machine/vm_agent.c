/* Asking the guest's agent: host name, time, raw commands. What it says is the guest's word, no more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "agent"
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "machine/vm_info.h"
#include "machine/vm_private.h"

#define AGENT_CHANNEL "org.qemu.guest_agent.0"
#define AGENT_OPEN_MS 2000
#define AGENT_DEFAULT_MS 5000
#define AGENT_BLOCK_MS (60 * 1000)

static const CharDef *agent_channel(const DomainDef *live)
{
    for (DEF_EACH(CharDef, channel, live->channels)) {
        if (channel->target_name && strcmp(channel->target_name, AGENT_CHANNEL) == 0 &&
            channel->source.type == CHAR_UNIX)
            return channel;
    }
    return NULL;
}

bool vm_agent_is_connected(const Vm *vm)
{
    const CharDef *channel = vm->live ? agent_channel(vm->live) : NULL;

    return channel && channel->state == CHANNEL_STATE_CONNECTED;
}

bool vm_agent(Vm *vm, Agent **ret_agent, Error **err)
{
    if (!vm_require_running(vm, err))
        return false;
    const CharDef *channel = agent_channel(vm->live);
    if (!channel)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured");
    if (channel->state == CHANNEL_STATE_DISCONNECTED)
        return error_set(err, ERROR_AGENT_UNRESPONSIVE, "QEMU guest agent is not connected");
    if (vm->state != VM_STATE_RUNNING)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    if (!vm->run->agent) {
        const uint64_t serial = vm->run->serial;
        Agent *agent = NULL;
        if (!agent_open(channel->source.path, AGENT_OPEN_MS, &agent, err))
            return false;
        if (!vm->run || vm->run->serial != serial) {
            agent_close(agent);
            return error_set(err, ERROR_VM_GONE, "domain is no longer running");
        }
        if (vm->run->agent)
            agent_close(agent); /* another fiber was quicker */
        else
            vm->run->agent = agent;
    }
    *ret_agent = vm->run->agent;
    return true;
}

/* A dead connection is dropped, so that the next command opens a new one. */
static void agent_after_failure(Vm *vm, const Agent *agent, const Error *why)
{
    if (vm->run && vm->run->agent == agent &&
        (error_code(why) == ERROR_AGENT_UNRESPONSIVE || error_code(why) == ERROR_VM_GONE))
        agent_close(g_steal_pointer(&vm->run->agent));
}

static bool agent_ask_within(Vm *vm, const char *command, const Json *args, uint64_t timeout_ms,
                             Json **ret_reply, Error **err)
{
    Agent *agent = NULL;
    g_autoptr(Error) why = NULL;
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);

    if (!vm_agent(vm, &agent, err))
        return false;
    if (agent_exec(agent, command, args, timeout_ms, ret_reply, &why))
        return true;
    agent_after_failure(vm, agent, why);
    return error_propagate(err, g_steal_pointer(&why));
}

static bool agent_ask(Vm *vm, const char *command, const Json *args, Json **ret_reply, Error **err)
{
    return agent_ask_within(vm, command, args, AGENT_DEFAULT_MS, ret_reply, err);
}

bool vm_agent_command(Vm *vm, const char *command, int timeout_s, unsigned flags, const Caller *caller,
                      char **ret_reply, Error **err)
{
    Agent *agent = NULL;
    g_autoptr(Error) why = NULL;
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);
    uint64_t timeout_ms = AGENT_DEFAULT_MS;

    if (!check_flags(flags, 0, "qemuDomainQemuAgentCommand", err))
        return false;
    if (timeout_s < -2)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "guest agent timeout '%d' is less than the minimum '-2'", timeout_s);
    if (timeout_s == -2)
        timeout_ms = AGENT_BLOCK_MS;
    else if (timeout_s >= 0)
        timeout_ms = timeout_s ? (uint64_t)timeout_s * 1000 : 100;
    if (!vm_agent(vm, &agent, err))
        return false;
    if (agent_exec_raw(agent, command, timeout_ms, ret_reply, &why))
        return true;
    agent_after_failure(vm, agent, why);
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_get_hostname(Vm *vm, unsigned flags, char **ret_hostname, Error **err)
{
    enum { FROM_LEASE = 1, FROM_AGENT = 2 };
    AUTO_JSON reply = NULL;

    if (!check_flags(flags, FROM_LEASE | FROM_AGENT, "qemuDomainGetHostname", err) ||
        !vm_require_running(vm, err))
        return false;
    if (flags == FROM_LEASE)
        return error_set(err, ERROR_NO_HOSTNAME, "no hostname found for domain %s", vm->name);
    if (!agent_ask(vm, "guest-get-host-name", NULL, &reply, err))
        return false;
    const char *name = json_get_str(reply, "host-name");
    if (!name)
        return error_set(err, ERROR_INTERNAL, "'host-name' missing in reply of guest-get-host-name");
    *ret_hostname = g_strdup(name);
    return true;
}

bool vm_get_time(Vm *vm, int64_t *ret_seconds, unsigned *ret_nseconds, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!agent_ask(vm, "guest-get-time", NULL, &reply, err))
        return false;
    if (!json_is_integer(reply))
        return error_set(err, ERROR_INTERNAL, "malformed reply of guest-get-time");
    const int64_t ns = json_integer_value(reply);
    *ret_seconds = ns / 1000000000;
    *ret_nseconds = (unsigned)(ns % 1000000000);
    return true;
}

bool vm_set_time(Vm *vm, int64_t seconds, unsigned nseconds, unsigned flags, const Caller *caller,
                 Error **err)
{
    enum { SYNC = 1 };
    g_auto(Job) job = { 0 };
    AUTO_JSON args = NULL;

    if (!check_flags(flags, SYNC, "qemuDomainSetTime", err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (!(flags & SYNC)) {
        if (seconds > INT64_MAX / 1000000000)
            return error_set(err, ERROR_INVALID_ARGUMENT, "Time '%" PRId64 "' is too big for guest agent",
                             seconds);
        args = json_pack("{s:I}", "time", (json_int_t)(seconds * 1000000000 + nseconds));
    }
    if (!agent_ask(vm, "guest-set-time", args, NULL, err) || !vm_require_monitor(vm, err))
        return false;
    if (!monitor_reset_rtc_ticks(vm_monitor(vm), 0, NULL))
        log_debug("machine '%s' has no rtc-reset-reinjection", vm->name);
    return true;
}

/* ---- file systems ---- */

bool vm_trim_filesystems(Vm *vm, const char *mount_point, uint64_t minimum_bytes, unsigned flags,
                         const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    AUTO_JSON args = NULL;

    if (!check_flags(flags, 0, "qemuDomainFSTrim", err))
        return false;
    if (mount_point)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "Specifying mount point is not supported for now");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err))
        return false;
    args = json_pack("{s:I}", "minimum", (json_int_t)MIN(minimum_bytes, (uint64_t)INT64_MAX));
    return agent_ask_within(vm, "guest-fstrim", args, AGENT_BLOCK_MS, NULL, err);
}

static bool agent_ask_count(Vm *vm, const char *command, const Json *args, int *ret_count, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!agent_ask_within(vm, command, args, AGENT_BLOCK_MS, &reply, err))
        return false;
    const json_int_t count = json_is_integer(reply) ? json_integer_value(reply) : -1;
    if (count < 0 || count > INT32_MAX)
        return error_set(err, ERROR_INTERNAL, "malformed reply of %s", command);
    *ret_count = (int)count;
    return true;
}

bool vm_freeze_filesystems(Vm *vm, char *const *mount_points, unsigned n_mount_points, unsigned flags,
                           const Caller *caller, int *ret_count, Error **err)
{
    g_auto(Job) job = { 0 };
    AUTO_JSON args = NULL;

    if (!check_flags(flags, 0, "qemuDomainFSFreeze", err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err))
        return false;
    if (n_mount_points) {
        Json *list = json_array();
        for (unsigned i = 0; i < n_mount_points; i++) {
            if (json_array_append_new(list, json_string(mount_points[i])) < 0) {
                json_decref(list);
                return error_set(err, ERROR_INVALID_ARGUMENT, "mount point %u is not valid UTF-8", i + 1);
            }
        }
        args = json_pack("{s:o}", "mountpoints", list);
    }
    return agent_ask_count(vm, args ? "guest-fsfreeze-freeze-list" : "guest-fsfreeze-freeze", args, ret_count,
                           err);
}

bool vm_thaw_filesystems(Vm *vm, unsigned n_mount_points, unsigned flags, const Caller *caller,
                         int *ret_count, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 0, "qemuDomainFSThaw", err))
        return false;
    if (n_mount_points)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "the guest agent thaws all file systems at once");
    return job_begin(&vm->object, JOB_MODIFY, caller, &job, err) &&
           agent_ask_count(vm, "guest-fsfreeze-thaw", NULL, ret_count, err);
}
