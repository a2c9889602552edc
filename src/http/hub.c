/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/hub.h"

struct HttpHub {
    HttpBackend backend;
    HttpAccounts *accounts;
    char *prefix, *url;
    GHashTable *kept; /* key -> Kept */
};

typedef struct Kept {
    void *data;
    void (*data_free)(void *data);
} Kept;

static void kept_free(gpointer data)
{
    Kept *kept = data;

    kept->data_free(kept->data);
    g_free(kept);
}

HttpHub *http_hub_new(const HttpBackend *backend, const char *prefix, HttpAccounts *accounts)
{
    HttpHub *hub = g_new0(HttpHub, 1);

    *hub = (HttpHub){ .backend = *backend,
                      .accounts = accounts,
                      .prefix = g_strdup(prefix),
                      .kept = g_hash_table_new_full(NULL, NULL, NULL, kept_free) };
    return hub;
}

void http_hub_free(HttpHub *hub)
{
    if (!hub)
        return;
    g_hash_table_unref(hub->kept);
    http_accounts_free(hub->accounts);
    g_free(hub->prefix);
    g_free(hub->url);
    g_free(hub);
}

HttpAccounts *http_hub_accounts(const HttpHub *hub)
{
    return hub->accounts;
}

const HttpBackend *http_hub_backend(const HttpHub *hub)
{
    return &hub->backend;
}

Host *http_hub_host(const HttpHub *hub)
{
    return hub->backend.host;
}

const char *http_hub_prefix(const HttpHub *hub)
{
    return hub->prefix;
}

const char *http_hub_url(const HttpHub *hub)
{
    return hub->url;
}

void http_hub_set_url(HttpHub *hub, char *url)
{
    g_free(hub->url);
    hub->url = url;
}

void *http_hub_get(const HttpHub *hub, const void *key)
{
    const Kept *kept = g_hash_table_lookup(hub->kept, key);

    return kept ? kept->data : NULL;
}

static void table_free(void *data)
{
    g_hash_table_unref(data);
}

GHashTable *http_hub_table(HttpHub *hub, const void *key, GDestroyNotify value_free)
{
    GHashTable *table = http_hub_get(hub, key);

    if (!table) {
        table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
        http_hub_put(hub, key, table, table_free);
    }
    return table;
}

void http_hub_put(HttpHub *hub, const void *key, void *data, void (*data_free)(void *data))
{
    Kept *kept = g_new0(Kept, 1);

    *kept = (Kept){ data, data_free };
    g_hash_table_insert(hub->kept, (gpointer)key, kept);
}
