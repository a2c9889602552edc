/* One number for each key: the time until which its failures are paid for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/failures.h"

#include <string.h>

#include "base/ip.h"

#define COST_MS ((uint64_t)6000)
#define FREE_MS ((uint64_t)60000)
#define KEYS_MAX 4096
#define V6_NETWORK_BITS 64

struct RpcFailures {
    GHashTable *until_ms; /* key -> uint64_t */
};

RpcFailures *rpc_failures_new(void)
{
    RpcFailures *failures = g_new0(RpcFailures, 1);

    failures->until_ms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return failures;
}

void rpc_failures_free(RpcFailures *failures)
{
    g_hash_table_unref(failures->until_ms);
    g_free(failures);
}

static gboolean failures_are_old(gpointer key, gpointer value, gpointer now_ms)
{
    return *(const uint64_t *)value <= *(const uint64_t *)now_ms;
}

void rpc_failures_note(RpcFailures *failures, const char *key, uint64_t now_ms)
{
    uint64_t *until = g_hash_table_lookup(failures->until_ms, key);

    if (!until) {
        if (g_hash_table_size(failures->until_ms) >= KEYS_MAX)
            g_hash_table_foreach_remove(failures->until_ms, failures_are_old, &now_ms);
        if (g_hash_table_size(failures->until_ms) >= KEYS_MAX)
            return; /* so many at once are no guessing of one */
        until = g_new0(uint64_t, 1);
        g_hash_table_insert(failures->until_ms, g_strdup(key), until);
    }
    *until = MIN(MAX(*until, now_ms) + COST_MS, now_ms + FREE_MS + COST_MS);
}

bool rpc_failures_are_too_many(const RpcFailures *failures, const char *key, uint64_t now_ms)
{
    const uint64_t *until = g_hash_table_lookup(failures->until_ms, key);

    return until && *until > now_ms + FREE_MS;
}

char *rpc_failures_key(const char *address)
{
    g_autofree char *host = g_strndup(address, strcspn(address, ";%"));
    char text[IP_STRING_LEN];
    IpAddress ip;

    if (!ip_parse(host, &ip) || !ip.is_v6)
        return g_steal_pointer(&host);
    ip = ip_first(&ip, V6_NETWORK_BITS);
    ip_format(&ip, text);
    return g_strdup(text);
}
