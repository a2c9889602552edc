/* Keyboard codes of various systems, translated to the numbers that QEMU's send-key takes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* The numbers of the wire protocol (virKeycodeSet). */
typedef enum KeycodeSet {
    KEYCODE_LINUX,
    KEYCODE_XT,
    KEYCODE_ATSET1,
    KEYCODE_ATSET2,
    KEYCODE_ATSET3,
    KEYCODE_OSX,
    KEYCODE_XT_KBD,
    KEYCODE_USB,
    KEYCODE_WIN32,
    KEYCODE_QNUM, /* also RFB */
    KEYCODE_SET_COUNT
} KeycodeSet;

/* ERROR_INVALID_ARGUMENT: an unknown set, or a code that is no key of it. */
MUST_CHECK bool keycode_to_qnum(unsigned set, unsigned code, unsigned *ret_qnum, Error **err);
