/* Secrets: passwords and keys that machines and pools refer to by UUID or by what they are for.
 *
 * A value lies encrypted (AES-256-GCM, bound to its UUID) in etc/libvirt/secrets/UUID.value, under a key of
 * this host in etc/libvirt/secrets/host.key; libvirt's UUID.base64 is read where there is no such file. An
 * ephemeral secret is never written. Values never appear in documents, arguments or logs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object.h"

extern const ObjectClass secret_class;

/* Gives the host a registry of secrets. Once, before anything is loaded. */
void secret_open(Host *host);

/* *ret_id: owned, never NULL. @type: virSecretUsageType */
void secret_get_usage(const Object *secret, int32_t *ret_type, char **ret_id);
/* A reference. ERROR_NO_SECRET "no secret with matching usage 'x'" */
Object *secret_find_by_usage(Host *host, int type, const char *id, Error **err);

/* On disk when this returns, unless it is ephemeral. */
AWAITS MUST_CHECK bool secret_set_value(Object *secret, const void *value, size_t len, const Caller *caller,
                                        Error **err);
/* *ret_value: a reference; wiped when the last one goes.
 * ERROR_INVALID_SECRET  it is private (@caller is not the daemon itself, NULL)
 * ERROR_NO_SECRET       it has no value */
MUST_CHECK bool secret_get_value(const Object *secret, const Caller *caller, GBytes **ret_value, Error **err);
