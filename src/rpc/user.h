/* What one user of this machine has in use, over all of its connections: so that nobody takes what others,
 * and root before all, need.
 *
 * Loop thread only. Root is not bounded. Counted: each client holds a reference. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RPC_USER_BYTES_MAX ((size_t)67108864) /* frames not complete, answers not read */
#define RPC_USER_BYTES_FREE ((size_t)65536)   /* of one connection, which does not count as too much */
#define RPC_ROOT_PLACES 32u                   /* connections kept for root */

typedef struct RpcUser {
    unsigned refs;
    uid_t uid;
    unsigned n_clients;
    unsigned n_unauthenticated;
    unsigned n_calls; /* under way */
    size_t bytes;     /* in the buffers of its clients */
    GQueue waiting;   /* of RpcClient: a call waits for one of another client of this user to end */
} RpcUser;

typedef struct RpcUserLimits {
    unsigned clients, unauthenticated; /* of one user */
    unsigned all_clients;              /* of all users but root */
    unsigned all_unauthenticated;
    unsigned calls;        /* under way for one user */
    unsigned urgent_calls; /* the same, as seen by an urgent one */
} RpcUserLimits;

/* From the configured numbers and the descriptors that this process may have. */
RpcUserLimits rpc_user_limits(unsigned max_clients, unsigned max_unauthenticated, unsigned max_calls);

/* A reference to the user in @users (uid -> RpcUser), made if it is not there. */
RpcUser *rpc_user_get(GHashTable *users, uid_t uid);
void rpc_user_unref(RpcUser *user);

static inline bool rpc_user_is_bounded(const RpcUser *user)
{
    return user->uid != 0;
}
