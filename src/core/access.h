/* What a connection that only reads may call. The rules of a procedure come with the protocol's description;
 * those about users and objects are asked in rpc/access.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "wire/codec.h"

/* May @caller (NULL: the daemon itself) call @proc with these decoded arguments?
 *
 * ERROR_DENIED  "read only access prevents virDomainDestroy": the connection is for reading only */
MUST_CHECK bool access_check_call(const Caller *caller, const WireProc *proc, const void *args, Error **err);
/* Does a procedure need this with these arguments? */
bool access_applies(const WireAccess *rule, const void *args);
