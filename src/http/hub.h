/* What the parts of the web's front end share: the backend, the accounts, the way here, and what each part
 * keeps. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/backend.h"
#include "http/session.h"

#define HTTP_SOCKET_NAME "lodge-web-sock"

typedef struct HttpHub HttpHub;

/* @backend, @prefix copied; @accounts owned. */
HttpHub *http_hub_new(const HttpBackend *backend, const char *prefix, HttpAccounts *accounts);
void http_hub_free(HttpHub *hub); /* NULL does nothing */

HttpAccounts *http_hub_accounts(const HttpHub *hub);
const HttpBackend *http_hub_backend(const HttpHub *hub);
Host *http_hub_host(const HttpHub *hub);
const char *http_hub_prefix(const HttpHub *hub); /* "" or "/lodge" */
/* "http://127.0.0.1:8006/lodge"; NULL: there is no port. @url owned. */
const char *http_hub_url(const HttpHub *hub);
void http_hub_set_url(HttpHub *hub, char *url);

/* What another module keeps here, by its own key; freed with the hub. NULL: nothing yet. */
void *http_hub_get(const HttpHub *hub, const void *key);
/* A table by texts (owned) that is made at the first call. */
GHashTable *http_hub_table(HttpHub *hub, const void *key, GDestroyNotify value_free);
void http_hub_put(HttpHub *hub, const void *key, void *data, void (*data_free)(void *data));
