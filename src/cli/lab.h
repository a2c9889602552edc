/* What `lodge apply` finds and does: the difference between a file and the host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"
#include "install/lab.h"

typedef enum LabHow {
    LAB_SAME,
    LAB_MAKE,    /* it is not there */
    LAB_CHANGE,  /* as it is */
    LAB_AGAIN,   /* it has to be removed and made again */
    LAB_REFUSED, /* by hand only */
    LAB_HOW_COUNT
} LabHow;

typedef struct LabDifference {
    const char *key;
    char *is, *wanted; /* NULL: nothing */
    LabHow how;
} LabDifference;

typedef struct LabStep {
    Cli *cli;
    const Lab *lab;
    const LabItem *item;
    LabHow how;             /* the most of its differences */
    GPtrArray *differences; /* LabDifference */
    bool exists, is_active;
    bool is_ours;   /* a machine that lodge made */
    WireDomain dom; /* of a machine */
    /* while it is done (lab_do.c) */
    Fiber *fiber;
    bool is_done, ok;
    Error *err;
} LabStep;

/* Compares all items with what there is; only what the file says is compared. *ret_steps: LabStep, in the
 * lab's order; owned. */
AWAITS MUST_CHECK bool lab_plan(Cli *cli, const Lab *lab, GPtrArray **ret_steps, Error **err);
const char *lab_how_name(LabHow how); /* "make" */

/* The words of `lodge run` for a machine, parsed; what they name lives as long as @ret_keep (GPtrArray),
 * owned. */
MUST_CHECK bool lab_run_args(const Lab *lab, const LabItem *item, GPtrArray **ret_keep, CliArgs **ret_args,
                             Error **err);
/* The document of a network: @before is what it is now, NULL: nothing. Owned. */
MUST_CHECK bool lab_network_document(const LabItem *item, const char *before, char **ret_xml, Error **err);

typedef enum LabMode { LAB_DO = 0, LAB_DO_AGAIN = 1, LAB_DO_REMOVE = 2 } LabMode;
/* Does all steps, or removes everything: what does not wait for each other at the same time. @interrupted:
 * from outside; what is being made is taken back then. *ret_failed: how many did not succeed; the first one's
 * error is
 * @err. */
AWAITS MUST_CHECK bool lab_do(Cli *cli, GPtrArray *steps, LabMode mode, Error **err);
