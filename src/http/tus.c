/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/tus.h"

#include <glib.h>
#include <string.h>

#define PAIRS_MAX 32

static char *tus_decode(const char *text)
{
    gsize len = 0;
    g_autofree guchar *bytes = *text ? g_base64_decode(text, &len) : NULL;

    if (!bytes || !g_utf8_validate_len((const char *)bytes, len, NULL) || memchr(bytes, '\0', len))
        return NULL;
    return g_strndup((const char *)bytes, len);
}

char *tus_metadata(const char *header, const char *key)
{
    g_auto(GStrv) pairs = header ? g_strsplit(header, ",", PAIRS_MAX) : NULL;

    for (char **pair = pairs; pair && *pair; pair++) {
        char *name = g_strstrip(*pair), *space = strchr(name, ' ');
        if (!space)
            continue;
        *space = '\0';
        if (strcmp(name, key) == 0)
            return tus_decode(g_strstrip(space + 1));
    }
    return NULL;
}
