/* Moving a machine to another host, step by step. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

typedef struct Move {
    Cli *cli;          /* connected to the source */
    WireClient *there; /* the destination; borrowed */
    WireDomain dom;    /* borrowed */
    GArray *params;    /* of WireTypedParam, from move_params_new(); gets more on the way */
    unsigned flags;    /* virDomainMigrateFlags */
    bool is_renamed;   /* the parameters name it otherwise */
    WireBytes cookie;  /* private */
} Move;

GArray *move_params_new(void);
/* NULL: nothing is added. */
void move_add_text(GArray *params, const char *name, const char *value);

/* Drives. Whatever fails, it runs at one side afterwards, and the other has taken back what it had. */
AWAITS MUST_CHECK bool move_machine(Move *move, Error **err);
/* Tries all but the move: what the source refuses, and a QEMU at the destination with all that the machine
 * needs there, which is taken back. */
AWAITS MUST_CHECK bool move_check(Move *move, Error **err);
/* The source's daemon drives, and reaches the destination as @uri. */
AWAITS MUST_CHECK bool move_by_peers(Move *move, const char *uri, Error **err);
