/* The capabilities of a real QEMU, as they are kept in the tree. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/file.h"
#include "base/json.h"
#include "check.h"
#include "qemu/qemu_caps_private.h"

/* The caller owns it. */
static inline QemuCaps *load_caps(void)
{
    g_autofree char *text = NULL;
    size_t len;
    AUTO_JSON document = NULL;
    QemuCaps *caps = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(file_read(GOLDEN_CAPS, 1 << 20, &text, &len, &err), err);
    check_ok(json_parse(text, len, GOLDEN_CAPS, &document, &err), err);
    check_ok(qemu_caps_from_document(document, &caps, &err), err);
    return caps;
}
