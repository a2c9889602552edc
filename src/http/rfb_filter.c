/* RFC 6143, 7.5, and what noVNC uses besides: continuous updates, fences, QEMU's key events, sizes of the
 * desktop. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/rfb_filter.h"

#include <string.h>

static const size_t step_bytes[] = { 12, 1, 1 }; /* no password: the way to QEMU is open already */

static uint32_t number_at(const uint8_t *data, size_t at, size_t n)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | data[at + i];
    return value;
}

typedef enum Verdict { MORE, PASS, DROP, UNKNOWN } Verdict;

/* Looks at the message that begins at @data. *ret_len: its bytes, of which not all need be there. */
static Verdict message_judge(const uint8_t *data, size_t len, uint64_t *ret_len)
{
    int32_t text;

    switch (data[0]) {
    case 0: /* SetPixelFormat */
        *ret_len = 20;
        return PASS;
    case 2: /* SetEncodings */
        if (len < 4)
            return MORE;
        *ret_len = 4 + 4 * (uint64_t)number_at(data, 2, 2);
        return PASS;
    case 3:   /* FramebufferUpdateRequest */
    case 150: /* EnableContinuousUpdates */
        *ret_len = 10;
        return PASS;
    case 4: /* KeyEvent */
        *ret_len = 8;
        return DROP;
    case 5: /* PointerEvent */
        *ret_len = 6;
        return DROP;
    case 6: /* ClientCutText; a negative length: the extended clipboard */
        if (len < 8)
            return MORE;
        text = (int32_t)number_at(data, 4, 4);
        *ret_len = 8 + (uint64_t)(text < 0 ? -(int64_t)text : text);
        return DROP;
    case 248: /* Fence */
        if (len < 9)
            return MORE;
        *ret_len = 9 + (uint64_t)data[8];
        return PASS;
    case 251: /* SetDesktopSize */
        if (len < 8)
            return MORE;
        *ret_len = 8 + 16 * (uint64_t)data[6];
        return DROP;
    case 255: /* QEMU: keys with scan codes; sound is not for viewers */
        if (len < 2)
            return MORE;
        *ret_len = data[1] == 0 ? 12 : 0;
        return data[1] == 0 ? DROP : UNKNOWN;
    default:
        return UNKNOWN;
    }
}

static size_t filter_go_on(RfbFilter *filter, const uint8_t *data, size_t len, GByteArray *out)
{
    size_t part = (size_t)MIN(len, filter->pass_bytes);

    if (part)
        g_byte_array_append(out, data, (guint)part);
    filter->pass_bytes -= part;
    if (part == 0) {
        part = (size_t)MIN(len, filter->skip_bytes);
        filter->skip_bytes -= part;
    }
    return part;
}

bool rfb_filter(RfbFilter *filter, const uint8_t *data, size_t len, GByteArray *out)
{
    if (!filter->bytes)
        filter->bytes = g_byte_array_new();
    while (len > 0) {
        uint64_t message_len = 0;
        if (filter->pass_bytes || filter->skip_bytes) {
            const size_t done = filter_go_on(filter, data, len, out);
            data += done;
            len -= done;
            continue;
        }
        if (filter->step < G_N_ELEMENTS(step_bytes)) {
            filter->pass_bytes = step_bytes[filter->step++];
            continue;
        }
        g_byte_array_append(filter->bytes, data++, 1);
        len--;
        const Verdict verdict = message_judge(filter->bytes->data, filter->bytes->len, &message_len);
        if (verdict == UNKNOWN)
            return false;
        if (verdict == MORE)
            continue;
        if (verdict == PASS) {
            g_byte_array_append(out, filter->bytes->data, filter->bytes->len);
            filter->pass_bytes = message_len - filter->bytes->len;
        } else {
            filter->skip_bytes = message_len - filter->bytes->len;
        }
        g_byte_array_set_size(filter->bytes, 0);
    }
    return true;
}

void rfb_filter_clear(RfbFilter *filter)
{
    g_clear_pointer(&filter->bytes, g_byte_array_unref);
}
