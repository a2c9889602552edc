/* Secrets of pools. The daemon asks for itself, so private ones are given out, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/pool_auth.h"

#include "core/secret.h"

/* virSecretUsageType, by PoolAuth.type */
static const int usage_types[] = { 3 /* iscsi */, 2 /* ceph */ };

bool pool_auth_get_value(Host *host, const PoolAuth *auth, GBytes **ret_value, Error **err)
{
    g_autoptr(Object) secret = NULL;

    if (auth->secret_usage)
        secret = secret_find_by_usage(host, usage_types[auth->type], auth->secret_usage, err);
    else
        secret = object_find_by_uuid(host_registry(host, &secret_class), &auth->secret_uuid, NULL, err);
    return secret && secret_get_value(secret, NULL, ret_value, err);
}
