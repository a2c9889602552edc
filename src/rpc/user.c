/* The books about users, and the limits that follow from the configuration. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/user.h"

#include <sys/resource.h>

RpcUserLimits rpc_user_limits(unsigned max_clients, unsigned max_unauthenticated, unsigned max_calls)
{
    RpcUserLimits limits = { .calls = max_calls };
    struct rlimit files;
    /* A connection is a descriptor; machines need some, too. */
    unsigned most = max_clients;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < most)
        most = (unsigned)(files.rlim_cur / 2);
    limits.all_clients = most - MIN(most / 4, RPC_ROOT_PLACES);
    limits.clients = MAX(most / 4, MIN(limits.all_clients, 20));
    limits.all_unauthenticated = max_unauthenticated;
    limits.unauthenticated = MAX(max_unauthenticated / 2, 1);
    return limits;
}

RpcUser *rpc_user_get(GHashTable *users, uid_t uid)
{
    RpcUser *user = g_hash_table_lookup(users, GUINT_TO_POINTER(uid));

    if (!user) {
        user = g_new0(RpcUser, 1);
        user->refs = 1; /* the table's */
        user->uid = uid;
        g_queue_init(&user->waiting);
        g_hash_table_insert(users, GUINT_TO_POINTER(uid), user);
    }
    user->refs++;
    return user;
}

void rpc_user_unref(RpcUser *user)
{
    if (user && --user->refs == 0)
        g_free(user);
}
