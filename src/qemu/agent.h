/* The guest agent's channel: JSON like QMP, but untrusted, unversioned and often absent. One command at a
 * time, resynchronised by guest-sync-delimited (QEMU guest agent protocol reference).
 *
 * ERROR_AGENT_UNRESPONSIVE when it does not answer in time. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

typedef struct Agent Agent;

/* Connects to the channel's unix socket. */
AWAITS MUST_CHECK bool agent_open(const char *socket_path, uint64_t timeout_ms, Agent **ret_agent,
                                  Error **err);
AWAITS MUST_CHECK bool agent_exec(Agent *agent, const char *command, const Json *args, uint64_t timeout_ms,
                                  Json **ret_reply, Error **err);
AWAITS MUST_CHECK bool agent_exec_raw(Agent *agent, const char *text, uint64_t timeout_ms, char **ret_text,
                                      Error **err);
void agent_close(Agent *agent);
