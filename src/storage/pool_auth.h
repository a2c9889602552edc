/* How a pool logs in: the value of the secret that its definition names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/pool.h"
#include "core/host.h"

/* The value of the secret that @auth (of a pool of @type) names; @ret_value: a reference, wiped when the last
 * one goes.
 *
 * ERROR_NO_SECRET       there is no such secret, or it has no value
 * ERROR_XML_INVALID     the definition names none */
MUST_CHECK bool pool_auth_get_value(Host *host, const PoolAuth *auth, GBytes **ret_value, Error **err);
