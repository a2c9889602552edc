/* What a viewer of a VNC display may send: everything but keys, the pointer and the clipboard. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RfbFilter {
    unsigned step;       /* of the beginning: version, security, shared */
    GByteArray *bytes;   /* of a message that is not complete; NULL at first */
    uint64_t skip_bytes; /* of a message that is left out, which are to come */
    uint64_t pass_bytes; /* of one that goes through */
} RfbFilter;

/* Appends to @out what of @data may pass. false: a message that is not known: the connection is over. */
bool rfb_filter(RfbFilter *filter, const uint8_t *data, size_t len, GByteArray *out);
void rfb_filter_clear(RfbFilter *filter);
