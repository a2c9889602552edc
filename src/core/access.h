/* Who may do what: asked once for every call, and for every object of a list. The rules of a procedure come
 * with the protocol's description; what a caller has is decided here alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "wire/codec.h"

typedef struct Object Object;

/* May @caller (NULL: the daemon itself) call @proc with these decoded arguments? @object: the one that the
 * arguments name; NULL: none, or not known yet.
 *
 * ERROR_DENIED  "read only access prevents virDomainDestroy": the connection is for reading only */
MUST_CHECK bool access_check_call(const Caller *caller, const WireProc *proc, const void *args,
                                  const Object *object, Error **err);
/* May @caller know of @object? Lists leave out the others. */
bool access_may_see(const Caller *caller, const WireProc *proc, const Object *object);
