/* The line to the guest's agent: whether it is there, opening it, and asking within bounds.
 *
 * No question holds the machine's job: the agent takes one command at a time anyway, and a guest that does
 * not answer must not keep anybody from changing or ending the machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "agent"
#include <string.h>

#include "base/log.h"
#include "machine/vm_agent.h"
#include "machine/vm_guest.h"

#define AGENT_CHANNEL "org.qemu.guest_agent.0"
#define AGENT_OPEN_MS 2000
#define AGENT_DEFAULT_MS 5000
#define AGENT_NO_WAIT_MS 100 /* "do not wait": time for the line, not for the guest */

bool vm_agent_is_channel(const CharDef *channel)
{
    return channel->target_type == CHAR_TARGET_VIRTIO && channel->target_name &&
           strcmp(channel->target_name, AGENT_CHANNEL) == 0;
}

static const CharDef *agent_channel(const DomainDef *live)
{
    for (DEF_EACH(CharDef, channel, live->channels)) {
        if (vm_agent_is_channel(channel) && channel->source.type == CHAR_UNIX)
            return channel;
    }
    return NULL;
}

bool vm_agent_is_connected(const Vm *vm)
{
    const CharDef *channel = vm->live ? agent_channel(vm->live) : NULL;

    return channel && channel->state == CHANNEL_STATE_CONNECTED;
}

void vm_agent_lost(Vm *vm)
{
    if (vm->run && vm->run->agent)
        agent_close(g_steal_pointer(&vm->run->agent));
}

/* ---- opening ---- */

static bool agent_require(Vm *vm, const CharDef **ret_channel, Error **err)
{
    if (!vm_require_running(vm, err))
        return false;
    if (vm->state != VM_STATE_RUNNING)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    *ret_channel = agent_channel(vm->live);
    if (!*ret_channel) {
        error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured");
        return error_hint(err, "the machine needs a <channel type='unix'> whose <target type='virtio'> is "
                               "named '" AGENT_CHANNEL "'");
    }
    if ((*ret_channel)->state == CHANNEL_STATE_DISCONNECTED) {
        error_set(err, ERROR_AGENT_UNRESPONSIVE, "QEMU guest agent is not connected");
        return error_hint(err, "install qemu-guest-agent in the guest, and start it there");
    }
    return true;
}

AWAITS static bool agent_get(Vm *vm, Agent **ret_agent, Error **err)
{
    const CharDef *channel = NULL;

    if (!agent_require(vm, &channel, err))
        return false;
    if (vm->run->agent && !agent_is_open(vm->run->agent))
        vm_agent_lost(vm);
    if (!vm->run->agent) {
        const uint64_t serial = vm->run->serial;
        g_autofree char *path = g_strdup(channel->source.path);
        Agent *agent = NULL;
        if (!agent_open(path, AGENT_OPEN_MS, &agent, err))
            return false;
        if (!vm->run || vm->run->serial != serial || !agent_require(vm, &channel, err)) {
            agent_close(agent);
            return vm->run && vm->run->serial == serial
                       ? false
                       : error_set(err, ERROR_INVALID_STATE, "domain is not running");
        }
        if (vm->run->agent)
            agent_close(agent); /* another fiber was quicker */
        else
            vm->run->agent = agent;
    }
    *ret_agent = vm->run->agent;
    return true;
}

/* ---- asking ---- */

static uint64_t agent_seconds_to_ms(int timeout_s, uint64_t blocking_ms)
{
    if (timeout_s == VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
        return blocking_ms;
    if (timeout_s == VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_DEFAULT)
        return AGENT_DEFAULT_MS;
    return timeout_s ? (uint64_t)timeout_s * 1000 : AGENT_NO_WAIT_MS;
}

/* What the line's end means depends on whether the machine has ended, too. Always false. */
static bool agent_failed(Vm *vm, uint64_t serial, Error *why, Error **err)
{
    const bool runs = vm->run && vm->run->serial == serial && !vm->run->stopping;

    if (runs && vm->run->agent && !agent_is_open(vm->run->agent))
        vm_agent_lost(vm); /* the next command opens a new one */
    if (error_code(why) != ERROR_VM_GONE)
        return error_propagate(err, why);
    error_free(why);
    return runs ? error_set(err, ERROR_AGENT_UNRESPONSIVE, "Guest agent disappeared while executing command")
                : error_set(err, ERROR_INVALID_STATE, "domain is not running");
}

bool vm_agent_ask(Vm *vm, const char *command, const Json *args, uint64_t blocking_ms, Json **ret_reply,
                  Error **err)
{
    Agent *agent = NULL;
    Error *why = NULL;
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);

    if (!agent_get(vm, &agent, err))
        return false;
    const uint64_t serial = vm->run->serial;
    const uint64_t timeout_ms = agent_seconds_to_ms(vm->run->agent_timeout_s, blocking_ms);
    return agent_exec(agent, command, args, timeout_ms, ret_reply, &why) ||
           agent_failed(vm, serial, why, err);
}

bool vm_agent_tell(Vm *vm, const char *command, const Json *args, uint64_t quiet_ms, Error **err)
{
    Agent *agent = NULL;
    Error *why = NULL;
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);

    if (!agent_get(vm, &agent, err))
        return false;
    const uint64_t serial = vm->run->serial;
    return agent_exec_silent(agent, command, args, AGENT_DEFAULT_MS, quiet_ms, &why) ||
           agent_failed(vm, serial, why, err);
}

bool vm_agent_command(Vm *vm, const char *command, int timeout_s, unsigned flags, const Caller *caller,
                      char **ret_reply, Error **err)
{
    Agent *agent = NULL;
    Error *why = NULL;
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);

    if (!check_flags(flags, 0, "qemuDomainQemuAgentCommand", err))
        return false;
    if (!vm_agent_check_timeout(timeout_s, err) || !agent_get(vm, &agent, err))
        return false;
    vm_taint(vm, TAINT_CUSTOM_GA_COMMAND);
    const uint64_t serial = vm->run->serial;
    return agent_exec_raw(agent, command, agent_seconds_to_ms(timeout_s, AGENT_BLOCKING_MS), ret_reply,
                          &why) ||
           agent_failed(vm, serial, why, err);
}

bool vm_agent_check_timeout(int timeout_s, Error **err)
{
    return timeout_s >= VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK ||
           error_set(err, ERROR_INVALID_ARGUMENT, "guest agent timeout '%d' is less than the minimum '%d'",
                     timeout_s, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK);
}

bool vm_agent_set_timeout(Vm *vm, int timeout_s, unsigned flags, Error **err)
{
    if (!check_flags(flags, 0, "qemuDomainAgentSetResponseTimeout", err) ||
        !vm_agent_check_timeout(timeout_s, err))
        return false;
    if (!vm->run) /* nothing waits for the agent of a machine that is off; the next run has its own */
        return true;
    vm->run->agent_timeout_s = timeout_s;
    return vm_status_save(vm, err);
}
