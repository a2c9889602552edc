/* The inside of devices, for the files of this room. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host_private.h"
#include "core/object_class.h"
#include "device/nodedev.h"

#define SYSFS_DEADLINE_MS 30000 /* for a driver to let go of a device, or to take it */

typedef struct Nodedev {
    OBJECT_BASE(NodeDeviceDef);
} Nodedev;

struct NodedevRoom {
    GHashTable *by_path; /* char * -> Nodedev, borrowed: those that are active */
    GHashTable *dirty;   /* char * -> NULL, or the same if a change was told: paths to look at */
    bool is_lost;        /* more happened than we were told: look at all */
    bool is_looking;     /* a fiber does */
    bool is_known;       /* all were looked at once */
    WaitQueue known;
    sd_event_source *watch; /* NULL: nobody tells */
};

/* Somebody told that something is new at @path. */
void nodedev_note(Host *host, const char *path, bool is_change);
void nodedev_note_all(Host *host);
/* Looks at @path at once. A reference; NULL: no device is there. */
AWAITS Object *nodedev_look_at(Host *host, const char *path, Error **err);

/* Begins to listen to the kernel or to udev. */
MUST_CHECK bool nodedev_watch(Host *host, Error **err);

/* Reads mdevctl's definitions again. None without mdevctl. */
AWAITS MUST_CHECK bool nodedev_load_definitions(Host *host, Error **err);
