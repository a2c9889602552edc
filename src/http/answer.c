/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/answer.h"

#include <glib.h>

Json *http_json_time(int64_t seconds)
{
    g_autoptr(GDateTime) when = seconds ? g_date_time_new_from_unix_utc(seconds) : NULL;
    g_autofree char *text = when ? g_date_time_format(when, "%Y-%m-%dT%H:%M:%SZ") : NULL;

    return text ? json_string(text) : json_null();
}

Json *http_json_text(const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

    return valid ? json_string(valid) : json_null();
}
