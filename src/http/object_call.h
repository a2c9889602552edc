/* Calls whose arguments begin with what names an object: all kinds have them in the same layout. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object.h"
#include "core/object_class.h"
#include "http/request.h"

/* Room for the longest of such arguments. */
typedef struct ObjectArgs {
    WireHandle object;
    uint32_t value; /* flags, or autostart */
} ObjectArgs;
typedef struct XmlArgs {
    char *xml;
    uint32_t flags;
} XmlArgs;

/* The object of @class that the first parameter names, by name or UUID; a reference. */
Object *object_of(HttpRequest *req, const ObjectClass *class, Error **err);
/* As the protocol names it; borrowed. */
WireHandle object_handle(const Object *object);
/* @number of the protocol with (object, @value), which answers nothing of use. */
AWAITS MUST_CHECK bool object_call(HttpRequest *req, int32_t number, const Object *object, uint32_t value,
                                   Error **err);
/* @number with (xml, @flags), which answers a handle; the object of @class of that name is returned, a
 * reference. */
AWAITS MUST_CHECK Object *object_call_xml(HttpRequest *req, int32_t number, const ObjectClass *class,
                                          const char *xml, uint32_t flags, Error **err);
/* Answers with what "get XML" call @number says. */
AWAITS MUST_CHECK bool object_answer_xml(HttpRequest *req, int32_t number, const Object *object,
                                         uint32_t flags, Error **err);
