/* Network interfaces of the host: which there are, how they are configured, and changing that.
 *
 * What is comes from the kernel each time it is asked for. What is to be is a definition (an object of
 * hostif_class), and is written into the files of the program that manages the interface (hostif_files.h).
 * Changes are made one after the other. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/interface.h"
#include "core/object.h"

extern const ObjectClass hostif_class;

/* Gives the host a registry of definitions. Once, before anything is loaded. */
void hostif_open(Host *host);
/* Reads the definitions. Changes that were begun and not committed before the host booted again are taken
 * back; so is, when its time has come, a bridge that nobody confirmed. */
AWAITS MUST_CHECK bool hostif_load(Host *host, Error **err);

typedef struct HostifInfo {
    char *name;
    char mac[MAC_STRING_LEN]; /* "": it has none */
    bool is_active;           /* the kernel says that it is up; parts of others are not listed */
    bool is_down;             /* ... that it is down; there are those of which it does not know */
} HostifInfo;
void hostif_info_free(void *info);

/* @flags: 1 inactive ones, 2 active ones, 0 both. *ret_infos owned: of HostifInfo, by name. */
AWAITS MUST_CHECK bool hostif_list(Host *host, unsigned flags, const char *function, GPtrArray **ret_infos,
                                   Error **err);
/* *ret_info owned. ERROR_NO_INTERFACE */
AWAITS MUST_CHECK bool hostif_find(Host *host, const char *name, HostifInfo **ret_info, Error **err);
/* ERROR_NO_INTERFACE, or the protocol's "multiple interfaces" */
AWAITS MUST_CHECK bool hostif_find_by_mac(Host *host, const char *mac, HostifInfo **ret_info, Error **err);
/* @flags: OBJECT_XML_INACTIVE: the definition; if there is none, what it would have to say */
AWAITS MUST_CHECK bool hostif_get_xml(Host *host, const char *name, unsigned flags, const char *function,
                                      char **ret_xml, Error **err);

/* Writes it for who manages it; what runs stays as it is. *ret_info owned. */
AWAITS MUST_CHECK bool hostif_define(Host *host, const char *xml, unsigned flags, const char *function,
                                     const Caller *caller, HostifInfo **ret_info, Error **err);
/* Nobody starts it any more; what runs goes on. ERROR_INVALID_STATE: no file has it */
AWAITS MUST_CHECK bool hostif_undefine(Host *host, const char *name, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool hostif_start(Host *host, const char *name, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool hostif_stop(Host *host, const char *name, const Caller *caller, Error **err);

/* ---- changes that can be taken back (hostif_change.c) ---- */

/* Keeps the files of all managers, on disk. ERROR_INVALID_STATE: begun already */
AWAITS MUST_CHECK bool hostif_begin(Host *host, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool hostif_commit(Host *host, const Caller *caller, Error **err);
/* As they were; interfaces whose definition changes by that are stopped and started. */
AWAITS MUST_CHECK bool hostif_rollback(Host *host, const Caller *caller, Error **err);

/* ---- the host on a bridge (hostif_bridge.c) ---- */

typedef struct HostifBridgePlan {
    char *link, *bridge;
    const char *manager; /* static */
    GPtrArray *steps;    /* char *: what is done, for people */
    unsigned confirm_s;  /* seconds until it is taken back */
} HostifBridgePlan;
void hostif_bridge_plan_free(HostifBridgePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostifBridgePlan, hostif_bridge_plan_free)

/* What hostif_bridge_make() would do. @bridge NULL: the first of br0, br1 ... that is free.
 *
 * ERROR_NO_INTERFACE           there is no @link
 * ERROR_OPERATION_UNSUPPORTED  it cannot be a port (loopback, wireless, part of another)
 * ERROR_BUSY                   an earlier one waits to be confirmed */
AWAITS MUST_CHECK bool hostif_bridge_plan(Host *host, const char *link, const char *bridge,
                                          unsigned timeout_s, HostifBridgePlan **ret_plan, Error **err);
/* Moves addresses and routes of @link to a new bridge. Taken back after @timeout_s (0: 60) unless confirmed,
 * also by the next daemon. */
AWAITS MUST_CHECK bool hostif_bridge_make(Host *host, const char *link, const char *bridge,
                                          unsigned timeout_s, const Caller *caller,
                                          HostifBridgePlan **ret_plan, Error **err);
/* Writes it for who manages the host. *ret_bridge owned. ERROR_INVALID_STATE: nothing waits for that */
AWAITS MUST_CHECK bool hostif_bridge_confirm(Host *host, const Caller *caller, char **ret_bridge,
                                             Error **err);
/* Takes it back now. *ret_link owned. */
AWAITS MUST_CHECK bool hostif_bridge_revert(Host *host, const Caller *caller, char **ret_link, Error **err);
