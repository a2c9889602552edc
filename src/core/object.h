/* Objects: what machines, networks, pools, secrets, filters, interfaces and node devices have in common.
 *
 * An object has a name, a UUID, perhaps an id while it is active, a persistent definition, the definition of
 * what runs, and a queue of jobs. It lives in a registry, which finds it by name, UUID and id. A kind of
 * object is a row, ObjectClass (object_class.h): it says what its document looks like, where its files lie,
 * which errors and events speak of it, and holds the few functions that are the kind's own.
 *
 * Counted: object_find_*() and object_list() return references. After any await the object may have been
 * stopped, redefined or removed: check again. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/uuid.h"
#include "core/caller.h"
#include "core/types.h"

const ObjectClass *object_class(const Object *object);
const char *object_name(const Object *object);
const Uuid *object_uuid(const Object *object);
int object_id(const Object *object); /* -1 if it is not active, or its kind has none */
bool object_is_active(const Object *object);
bool object_is_persistent(const Object *object);
bool object_has_autostart(const Object *object);

/* ---- registry ---- */

/* A reference. The class's "no such" code: "no network with matching name 'x'", "... uuid '...' (name)". */
Object *object_find_by_name(Registry *registry, const char *name, Error **err);
Object *object_find_by_uuid(Registry *registry, const Uuid *uuid, const char *name_hint, Error **err);
Object *object_find_by_id(Registry *registry, int id, Error **err);

/* @flags: the filters of the class's public list call; of a pair of opposite filters neither or both select
 * everything. *ret_objects owned: references, active ones with an id first, then by name.
 * ERROR_INVALID_ARGUMENT for a bit that no filter has; @function names the call in its message. */
MUST_CHECK bool object_list(Registry *registry, unsigned flags, const char *function, GPtrArray **ret_objects,
                            Error **err);
unsigned object_count(const Registry *registry, bool active_only);

/* ---- operations ---- */

/* @flags everywhere: the public API's constants of the call @function; which are known says the class. The
 * file is on disk before the registry changes and before the caller hears of it.
 *
 * ERROR_XML_*, ERROR_CONFIG_UNSUPPORTED  the document is wrong
 * ERROR_OPERATION_FAILED                 name or UUID belongs to another object
 * ERROR_INVALID_STATE                    not now (it is active, transient, ...)
 * ERROR_TIMEOUT                          another job did not end in time */
AWAITS MUST_CHECK Object *object_define(Host *host, const ObjectClass *class, const char *xml, unsigned flags,
                                        const char *function, const Caller *caller, Error **err);
/* A transient object, active at once; or the start of the defined one of the same name and UUID. */
AWAITS MUST_CHECK Object *object_create(Host *host, const ObjectClass *class, const char *xml, unsigned flags,
                                        const char *function, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool object_undefine(Object *object, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool object_start(Object *object, unsigned flags, const char *function,
                                    const Caller *caller, Error **err);
AWAITS MUST_CHECK bool object_stop(Object *object, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool object_set_autostart(Object *object, bool autostart, const Caller *caller,
                                            Error **err);

enum { OBJECT_XML_INACTIVE = 1 << 0 };
/* Its document, without secrets; caller owns. @flags: OBJECT_XML_*. Never waits. */
MUST_CHECK bool object_get_xml(Object *object, unsigned flags, const char *function, char **ret_xml,
                               Error **err);
