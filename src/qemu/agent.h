/* The guest agent's channel: JSON like QMP, but untrusted, unversioned and often absent. One command at a
 * time, resynchronised by guest-sync-delimited before each (QEMU guest agent protocol reference), so that
 * neither the rest of an answer that came too late nor an agent that was restarted confuses the next command.
 *
 * Any number of fibers may ask; they wait for each other, within their deadlines.
 *
 * ERROR_AGENT_UNRESPONSIVE  it does not answer in time (also: no agent runs in the guest)
 * ERROR_VM_GONE             the channel was closed
 * ERROR_REFUSED             the agent said no; the message carries its words
 * ERROR_CANCELLED           the client left */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

#define AGENT_DEFAULT_TIMEOUT_MS 5000

typedef struct Agent Agent;

/* Connects to the channel's unix socket, which QEMU listens on whether or not an agent runs. */
AWAITS MUST_CHECK bool agent_open(const char *socket_path, uint64_t timeout_ms, Agent **ret_agent,
                                  Error **err);
/* The same over a connected socket; @fd is owned from now on. */
Agent *agent_new(int fd);

/* @timeout_ms: for all of it: the turn, the synchronisation, the answer; 0 selects AGENT_DEFAULT_TIMEOUT_MS.
 * @args borrowed, may be NULL. @ret_reply: the "return" member, owned by the caller; NULL drops it. */
AWAITS MUST_CHECK bool agent_exec(Agent *agent, const char *command, const Json *args, uint64_t timeout_ms,
                                  Json **ret_reply, Error **err);
/* For commands that answer only when they fail (guest-shutdown, guest-suspend-*): true when the channel
 * closes or when nothing came for @quiet_ms after the command was sent. */
AWAITS MUST_CHECK bool agent_exec_silent(Agent *agent, const char *command, const Json *args,
                                         uint64_t timeout_ms, uint64_t quiet_ms, Error **err);
/* One whole command object as text; the whole reply object as compact text (virsh qemu-agent-command).
 * ERROR_INVALID_ARGUMENT: not a JSON object with a command. */
AWAITS MUST_CHECK bool agent_exec_raw(Agent *agent, const char *text, uint64_t timeout_ms, char **ret_text,
                                      Error **err);

bool agent_is_open(const Agent *agent); /* false after the channel closed; open a new one then */
void agent_close(Agent *agent);         /* wakes waiters with ERROR_VM_GONE; NULL does nothing */
