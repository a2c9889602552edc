/* Splits command lines typed in the shell, or given as one word, into words and commands. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/args.h"

typedef struct Splitter {
    const char *at;
    GPtrArray *commands; /* finished ones */
    GPtrArray *words;    /* of the current one */
    GString *word;       /* NULL between words */
} Splitter;

static void words_free(void *words)
{
    g_ptr_array_unref(words);
}

static GString *splitter_word(Splitter *s)
{
    if (!s->word)
        s->word = g_string_new(NULL);
    return s->word;
}

static void splitter_end_word(Splitter *s)
{
    if (!s->word)
        return;
    g_ptr_array_add(s->words, g_string_free(s->word, FALSE));
    s->word = NULL;
}

static void splitter_end_command(Splitter *s)
{
    splitter_end_word(s);
    if (s->words->len == 0)
        return;
    g_ptr_array_add(s->commands, s->words);
    s->words = g_ptr_array_new_with_free_func(g_free);
}

/* From behind the opening quote to behind the closing one. */
static bool splitter_quoted(Splitter *s, char quote, Error **err)
{
    GString *word = splitter_word(s);
    for (; *s->at != quote; s->at++) {
        if (!*s->at)
            return error_set(err, ERROR_INVALID_ARGUMENT, "missing %s", quote == '"' ? "\"" : "'");
        if (quote == '"' && *s->at == '\\' && s->at[1])
            s->at++;
        g_string_append_c(word, *s->at);
    }
    s->at++;
    return true;
}

static bool splitter_run(Splitter *s, Error **err)
{
    while (*s->at) {
        char c = *s->at++;
        if (c == ';' || c == '\n') {
            splitter_end_command(s);
        } else if (c == ' ' || c == '\t' || c == '\r') {
            splitter_end_word(s);
        } else if (c == '#' && !s->word) {
            s->at += strcspn(s->at, "\n");
        } else if (c == '\'' || c == '"') {
            if (!splitter_quoted(s, c, err))
                return false;
        } else if (c == '\\') {
            if (!*s->at)
                return error_set(err, ERROR_INVALID_ARGUMENT, "dangling \\");
            /* a backslash before the end of the line joins it with the next */
            if (*s->at != '\n')
                g_string_append_c(splitter_word(s), *s->at);
            s->at++;
        } else {
            g_string_append_c(splitter_word(s), c);
        }
    }
    splitter_end_command(s);
    return true;
}

bool words_split(const char *line, GPtrArray **ret_commands, Error **err)
{
    Splitter s = { .at = line };
    s.commands = g_ptr_array_new_with_free_func(words_free);
    s.words = g_ptr_array_new_with_free_func(g_free);
    bool ok = splitter_run(&s, err);
    if (s.word)
        g_string_free(s.word, TRUE);
    g_ptr_array_unref(s.words);
    if (!ok) {
        g_ptr_array_unref(s.commands);
        return false;
    }
    *ret_commands = s.commands;
    return true;
}

char *words_quote(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:@%/.,^";
    if (word[0] && word[strspn(word, plain)] == 0)
        return g_strdup(word);
    GString *out = g_string_new("'");
    for (; *word; word++) {
        if (*word == '\'')
            g_string_append(out, "'\\''");
        else
            g_string_append_c(out, *word);
    }
    g_string_append_c(out, '\'');
    return g_string_free(out, FALSE);
}
