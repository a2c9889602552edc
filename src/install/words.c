/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/words.h"

#include <glib.h>
#include <limits.h>
#include <string.h>

#define WORD_LEN 40

unsigned word_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned rows[3][WORD_LEN + 1];
    if (n > WORD_LEN || m > WORD_LEN)
        return UINT_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *above2 = rows[(i + 1) % 3]; /* i - 2 */
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned cost = above[j - 1] + (a[i - 1] != b[j - 1]);
            cost = MIN(cost, MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost = MIN(cost, above2[j - 2] + 1);
            row[j] = cost;
        }
    }
    return rows[n % 3][m];
}

void markup_append(GString *xml, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, ap);
    va_end(ap);
    g_string_append(xml, text);
}
