/* The line to the guest's agent, for the modules of this room. Errors: see vm_guest.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

#define AGENT_BLOCKING_MS (60 * 1000) /* for what may take a while in the guest */

/* Asks, within the time that was set for the machine's agent, else @blocking_ms. @ret_reply: the "return"
 * member, owned; NULL drops it. */
AWAITS MUST_CHECK bool vm_agent_ask(Vm *vm, const char *command, const Json *args, uint64_t blocking_ms,
                                    Json **ret_reply, Error **err);
/* For a command that is answered only when it fails: true when nothing came for @quiet_ms, or the agent went.
 */
AWAITS MUST_CHECK bool vm_agent_tell(Vm *vm, const char *command, const Json *args, uint64_t quiet_ms,
                                     Error **err);
bool vm_agent_is_connected(const Vm *vm);
bool vm_agent_is_channel(const CharDef *channel);
/* The guest has closed its end: who waits for an answer waits no longer. */
void vm_agent_lost(Vm *vm);
/* ERROR_INVALID_ARGUMENT */
MUST_CHECK bool vm_agent_check_timeout(int timeout_s, Error **err);
