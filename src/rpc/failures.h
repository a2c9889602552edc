/* Who failed to prove who they are, and how often: somebody who guesses is made to wait.
 *
 * A key is an address, or a user of this host. Each failure costs some seconds, of which a minute is free;
 * who has used that up is not asked until some have passed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RpcFailures RpcFailures;

RpcFailures *rpc_failures_new(void);
void rpc_failures_free(RpcFailures *failures);

void rpc_failures_note(RpcFailures *failures, const char *key, uint64_t now_ms);
bool rpc_failures_are_too_many(const RpcFailures *failures, const char *key, uint64_t now_ms);
/* The part of "192.0.2.7;4711" that counts: the address, or the network of a host with IPv6; owned. */
char *rpc_failures_key(const char *address);
