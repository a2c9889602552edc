/* Fuzz target: what the web's front end reads itself of a request and of a display: the first byte says
 * which. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "http/rfb_filter.h"
#include "http/route.h"
#include "http/tus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "METHOD TARGET\nBODY" */
static void fuzz_request(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "\n", 2);
    char *target_text = parts[0] ? strchr(parts[0], ' ') : NULL;
    HttpTarget target = { 0 };
    const char *params[HTTP_PARAMS_MAX] = { 0 };
    AUTO_JSON body = NULL;
    bool known = false;

    if (!target_text)
        return;
    *target_text++ = '\0';
    if (!http_target_parse(target_text, *parts[0] == 'x' ? "/x" : "", &target, NULL))
        return;
    const HttpRoute *route = http_route_find(parts[0], &target, params, &known);
    if (route) {
        (void)!http_query_check(&target, route->query, NULL);
        if (route->body && parts[1] && json_parse(parts[1], strlen(parts[1]), "body", &body, NULL))
            (void)!http_body_check(body, route->body, NULL);
    }
    http_target_clear(&target);
}

/* What passes, passes again. */
static void fuzz_display(const uint8_t *data, size_t size)
{
    RfbFilter filter = { 0 }, again = { 0 };
    g_autoptr(GByteArray) out = g_byte_array_new(), same = g_byte_array_new();
    const size_t half = size / 2;

    if (rfb_filter(&filter, data, half, out) && rfb_filter(&filter, data + half, size - half, out)) {
        g_assert(out->len <= size);
        g_assert(rfb_filter(&again, out->data, out->len, same));
    }
    rfb_filter_clear(&filter);
    rfb_filter_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    if (data[0] & 2)
        g_free(tus_metadata(text, "pool"));
    else if (data[0] & 1)
        fuzz_request(text);
    else
        fuzz_display(data + 1, size - 1);
    return 0;
}
