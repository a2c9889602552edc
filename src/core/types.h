/* Names of what core is made of, for headers that need no more than that. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

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
