/* How the programs that manage a host's network are told of an interface: ifupdown, NetworkManager,
 * systemd-networkd, netplan.
 *
 * A manager's plan reads its files below a root and says which of them change; nothing is written here. The
 * reading blocks: in a worker only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/interface.h"

typedef enum HostifManager {
    MANAGER_NONE, /* nobody: Lodge starts such interfaces itself */
    MANAGER_IFUPDOWN,
    MANAGER_NM,
    MANAGER_NETWORKD,
    MANAGER_NETPLAN,
    MANAGER_COUNT
} HostifManager;
const char *hostif_manager_name(HostifManager manager); /* "NetworkManager" */

/* Who manages @name (NULL: new interfaces) on the host whose files are below @root? @index of the link, 0: it
 * is not there. */
HostifManager hostif_find_manager(const char *root, const char *name, int index);

/* A file that is to be replaced, or removed. */
typedef struct HostifChange {
    char *path; /* with the root */
    char *text; /* NULL: it goes */
    unsigned mode;
} HostifChange;
void hostif_change_free(void *change);

/* What makes @manager know @name as @def says; @def NULL: not at all. *ret_changes owned: of HostifChange;
 * none if nothing has to change.
 *
 * ERROR_OPERATION_UNSUPPORTED  a file says it in a way that cannot be changed: named, with what to do */
MUST_CHECK bool hostif_plan(HostifManager manager, const char *root, const char *name, const HostifDef *def,
                            GPtrArray **ret_changes, Error **err);
/* The folders, below a root, that @manager's files are in; ends with NULL. */
const char *const *hostif_folders(HostifManager manager);

/* ---- for the files of the managers ---- */

typedef struct HostifPlan {
    const char *root, *name;
    const HostifDef *def; /* NULL: the interface goes */
    GPtrArray *changes;
} HostifPlan;

/* @path below the root; @text owned, NULL: it goes. Nothing is noted if the file is so already. */
void hostif_plan_file(HostifPlan *plan, const char *path, char *text, unsigned mode);
char *hostif_plan_read(const HostifPlan *plan, const char *path); /* NULL: there is none; owned */
/* Names in a folder with that ending, sorted; owned. */
GPtrArray *hostif_plan_list(const HostifPlan *plan, const char *folder, const char *ending);
/* Is it the interface itself, or a part of it? */
bool hostif_plan_takes(const HostifPlan *plan, const char *name);

bool hostif_plan_ifupdown(HostifPlan *plan, Error **err);
bool hostif_plan_netplan(HostifPlan *plan, Error **err);
bool hostif_plan_networkd(HostifPlan *plan, Error **err);
bool hostif_plan_nm(HostifPlan *plan, Error **err);
/* @text of ifupdown's without what it says of the interfaces @takes; owned. *ret_found: there was something.
 */
char *hostif_strip_ifupdown(const HostifPlan *plan, const char *text, bool *ret_found);
char *hostif_strip_netplan(const HostifPlan *plan, const char *text, bool *ret_found, bool *ret_flow);

#define HOSTIF_BANNER                                                                                        \
    "# Written by lodged, for the interface that is defined there: changes by hand get lost.\n"
