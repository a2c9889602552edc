/* Is this host fit for virtual machines? Each check looks at one thing, says what it found and what to do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum DoctorStatus {
    DOCTOR_OK,
    DOCTOR_WARN, /* machines run, but slower, with less, or not for everybody */
    DOCTOR_FAIL, /* machines cannot run */
    DOCTOR_STATUS_COUNT
} DoctorStatus;

typedef struct DoctorRow {
    const char *name; /* "kvm-device": stable, for scripts */
    DoctorStatus status;
    char *detail; /* what was found; never NULL */
    char *advice; /* what to do; NULL when nothing is to be done */
} DoctorRow;

/* All checks in the order to be read; array of DoctorRow, owned by the caller. @root: as the --root option of
 * the daemon ("" or NULL: the system). Blocks for a few seconds at most (helper programs with a time limit, a
 * throw-away virtual machine): for the command line, never from the daemon. Changes nothing. */
GPtrArray *doctor_run(const char *root);
const char *doctor_status_name(DoctorStatus status); /* "ok", "warn", "fail" */
DoctorStatus doctor_worst(const GPtrArray *rows);
