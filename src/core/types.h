/* Names of what core is made of, and references to objects, for those who need no more than that. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct EventBus EventBus;
typedef struct Host Host;
typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct Registry Registry;

typedef enum ObjectKind {
    OBJECT_DOMAIN,
    OBJECT_NETWORK,
    OBJECT_POOL,
    OBJECT_SECRET,
    OBJECT_NWFILTER,
    OBJECT_NWFILTER_BINDING,
    OBJECT_INTERFACE,
    OBJECT_NODE_DEVICE,
    OBJECT_KIND_COUNT
} ObjectKind;

Object *object_ref(Object *object);
void object_unref(Object *object); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

/* The objects of @class on this host. */
Registry *host_registry(const Host *host, const ObjectClass *class);
