/* TCP ports of displays: which are taken, and by us. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

typedef struct PortPool PortPool;
PortPool *port_pool_new(void);
void port_pool_free(PortPool *pool);
/* A port of [first, last] that nobody listens on at @address (NULL: all), marked as used.
 * ERROR_INTERNAL as the reference: "Unable to find an unused port in range '%s' (%d-%d)" */
MUST_CHECK bool port_pool_take_any(PortPool *pool, const char *range_name, unsigned first, unsigned last,
                                   const char *address, unsigned *ret_port, Error **err);
void port_pool_mark(PortPool *pool, unsigned port);
void port_pool_release(PortPool *pool, unsigned port);
