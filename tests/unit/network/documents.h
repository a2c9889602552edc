/* Documents of tests/golden and what the reference made of each: its error, or what came back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check.h"

/* One line, without blanks between elements. */
static inline char *squeeze(const char *xml)
{
    GString *out = g_string_new(NULL);

    for (const char *at = xml; *at; at++) {
        if (*at == '\n' || (*at == ' ' && (out->len == 0 || strchr("> ", out->str[out->len - 1]))))
            continue;
        g_string_append_c(out, *at);
    }
    return g_string_free(out, FALSE);
}

/* Words about one attribute or element are the same for all documents; only their number counts. */
static inline bool is_as_recorded(const char *got, const char *want, const char *source, bool differs)
{
    const char *place = strstr(got, source);

    if (differs || *got != 'E' || !place)
        return (differs && *got == 'E') || strcmp(got, want) == 0;
    return strncmp(got, want, strcspn(want, " ") + 1) == 0;
}

/* @verdict: what we make of a document, as "E27 text" or as one line; @source: names documents in messages.
 */
static inline void check_documents(const char *path, const char *source, char *(*verdict)(const char *xml),
                                   unsigned at_least)
{
    g_autofree char *text = NULL;
    g_autoptr(GString) differences = g_string_new(NULL);

    check(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = 0;
    for (char **line = lines; line[0] && line[1]; line++) {
        if (**line != '<')
            continue;
        const char *want = line[1] + strlen("   -> ");
        g_autofree char *got = verdict(*line);
        if (!is_as_recorded(got, want, source, line[2] && g_str_has_prefix(line[2], "   !!")))
            g_string_append_printf(differences, "%s\n  want %s\n  got  %s\n", *line, want, got);
        count++;
    }
    if (differences->len > 0)
        fputs(differences->str, stderr); /* all of them: a failed check shows the first only */
    check_eq(differences->len, 0);
    check(count >= at_least);
}
