/* What an installer asks, answered from a few options: kickstart (Fedora and its kin), preseed (Debian),
 * autoinstall (Ubuntu), AutoYaST (SUSE), Ignition (CoreOS), autounattend.xml (Windows).
 *
 * Passwords are hashes, but for Windows, which takes none: its file is as secret as the password. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"
#include "install/os_db.h"

typedef enum AnswersKind {
    ANSWERS_NONE, /* nothing is known of its installer */
    ANSWERS_KICKSTART,
    ANSWERS_PRESEED,
    ANSWERS_AUTOINSTALL,
    ANSWERS_AUTOYAST,
    ANSWERS_IGNITION,
    ANSWERS_WINDOWS
} AnswersKind;

/* NULL: as it suits. */
typedef struct Answers {
    const char *hostname;
    const char *user;
    const char *user_password, *admin_password; /* in the clear; hashed where that is possible */
    const char *const *keys;                    /* of SSH; ends with NULL; or NULL */
    const char *const *packages;                /* likewise */
    const char *locale, *timezone, *keyboard;
    const char *mirror;      /* URL of a tree or mirror */
    const char *product_key; /* of Windows */
    bool is_minimal;         /* as little as possible; else with a desktop */
} Answers;

AnswersKind answers_kind(const OsFacts *os);
/* The file's name where the installer looks for it ("ks.cfg"). */
const char *answers_name(AnswersKind kind);
/* What the installer's kernel has to be told; NULL: nothing. */
const char *answers_arguments(AnswersKind kind);
/* Whether it goes into the initrd; otherwise it is on an ISO image, whose label is *ret_label. */
bool answers_in_initrd(AnswersKind kind, const char **ret_label);

/* The file. Owned; what it held is to be wiped by the caller. ERROR_INVALID_ARGUMENT for a value that its
 * format cannot hold (a name with a newline). */
MUST_CHECK bool answers_format(AnswersKind kind, const Answers *answers, char **ret_text, Error **err);
