/* The inside of the host's interfaces, for the files of this room. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host_private.h"
#include "core/object_class.h"
#include "network/hostif.h"
#include "network/hostif_files.h"
#include "network/netlink.h"

/* IF_OPER_... of linux/if.h, which cannot stand beside net/if.h */
#define OPER_DOWN 2
#define OPER_UP 6

typedef struct Hostif {
    OBJECT_BASE(HostifDef); /* config alone: what runs is the kernel's */
} Hostif;

struct HostifRoom {
    bool is_busy; /* somebody changes something */
    WaitQueue turn;
    sd_event_source *trial; /* takes a bridge back that nobody confirms; NULL: none waits */
};

/* One change at a time; g_auto(HostifTurn) ends it. ERROR_TIMEOUT */
typedef struct HostifTurn {
    HostifRoom *room;
} HostifTurn;
AWAITS MUST_CHECK bool hostif_turn_begin(Host *host, HostifTurn *ret_turn, Error **err);
void hostif_turn_end(HostifTurn *turn);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostifTurn, hostif_turn_end)

/* ---- what is (hostif_look.c) ---- */

typedef struct HostifView {
    GArray *links, *addresses, *routes; /* of LinkInfo, AddressInfo, RouteInfo */
} HostifView;
void hostif_view_free(HostifView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostifView, hostif_view_free)
AWAITS MUST_CHECK bool hostif_view(HostifView **ret_view, Error **err);
const LinkInfo *hostif_view_find(const HostifView *view, const char *name); /* NULL */
typedef enum HostifDetail {
    DETAIL_PLAIN,     /* what libvirt's documents of running interfaces show */
    DETAIL_ADDRESSES, /* its addresses, too */
    DETAIL_CONFIG,    /* what a definition would have to say for it to be so */
} HostifDetail;
/* Its document, as it is now; NULL: there is none. Owned. */
AWAITS MUST_CHECK bool hostif_describe(const char *name, HostifDetail detail, HostifDef **ret_def,
                                       Error **err);

/* ---- making it so (hostif_apply.c) ---- */

/* By netlink, as @def says; all or nothing. ERROR_OPERATION_UNSUPPORTED: it wants DHCP */
AWAITS MUST_CHECK bool hostif_up(const HostifDef *def, Error **err);
AWAITS MUST_CHECK bool hostif_down(const HostifDef *def, Error **err);
/* By who manages it. */
AWAITS MUST_CHECK bool hostif_manager_start(Host *host, HostifManager manager, const HostifDef *def,
                                            Error **err);
AWAITS MUST_CHECK bool hostif_manager_stop(Host *host, HostifManager manager, const HostifDef *def,
                                           Error **err);
/* Is it a program of this host that knows definitions by its files, and can be told to follow them at any
 * time? */
bool hostif_manager_acts(const Host *host, HostifManager manager);
/* It reads its files again. Failures are logged. */
AWAITS void hostif_manager_reload(Host *host, HostifManager manager);
/* What its files no longer name is not started at the next occasion; what runs stays. Failures are logged. */
AWAITS void hostif_manager_forget(Host *host, HostifManager manager);
/* Runs a program of the host. ERROR_SYSTEM ENOENT; ERROR_INTERNAL: it failed, with its words */
AWAITS MUST_CHECK bool hostif_run(const char *const *argv, Error **err);

/* ---- files (hostif.c) ---- */

/* Of @def: the one of its first part, if it is new. */
AWAITS MUST_CHECK bool hostif_get_manager(Host *host, const char *name, const HostifDef *def,
                                          HostifManager *ret_manager, Error **err);
AWAITS MUST_CHECK bool hostif_write(Host *host, const char *name, const HostifDef *def, bool *ret_changed,
                                    Error **err);
/* The same as hostif_start() and hostif_stop() for who has the turn. */
AWAITS MUST_CHECK bool hostif_set_running(Host *host, const char *name, bool running, Error **err);
AWAITS MUST_CHECK bool hostif_load_trial(Host *host, Error **err);
AWAITS MUST_CHECK bool hostif_rollback_at_boot(Host *host, Error **err);
