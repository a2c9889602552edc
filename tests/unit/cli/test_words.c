/* Lines of the shell become words and commands. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/args.h"

/* Words joined by '|', commands by '/'. */
static char *join(const GPtrArray *commands)
{
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < commands->len; i++) {
        const GPtrArray *words = commands->pdata[i];
        g_string_append(out, i ? "/" : "");
        for (unsigned j = 0; j < words->len; j++)
            g_string_append_printf(out, "%s%s", j ? "|" : "", (char *)words->pdata[j]);
    }
    return g_string_free(out, FALSE);
}

TEST(words_follow_the_rules_of_a_shell)
{
    static const struct {
        const char *line, *result;
    } cases[] = {
        { "", "" },
        { "  list   --all\t", "list|--all" },
        { "list --all; start web", "list|--all/start|web" },
        { ";;list;", "list" },
        { "a\nb", "a/b" },
        { "echo 'a b' c", "echo|a b|c" },
        { "echo \"a 'b' c\"", "echo|a 'b' c" },
        { "echo a\\ b", "echo|a b" },
        { "echo 'a\\b'", "echo|a\\b" },
        { "echo \"a\\\"b\"", "echo|a\"b" },
        { "echo ''", "echo|" },
        { "echo x'y'\"z\"", "echo|xyz" },
        { "list # all of it; start x", "list" },
        { "echo a#b", "echo|a#b" },
        { "# nothing\nlist", "list" },
        { "echo ';' \\;", "echo|;|;" },
        { "echo a\\\nb", "echo|ab" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(GPtrArray) commands = NULL;
        check_case(cases[i].line);
        check(words_split(cases[i].line, &commands, &err));
        g_autofree char *got = join(commands);
        check_str(got, cases[i].result);
    }
}

TEST(words_with_open_quotes_are_refused)
{
    static const char *const lines[] = { "echo 'a", "echo \"a", "echo a\\" };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Error) err = NULL;
        GPtrArray *commands = NULL;
        check_case(lines[i]);
        check(!words_split(lines[i], &commands, &err));
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
        check(commands == NULL);
    }
}

TEST(quoted_words_come_back_unchanged)
{
    static const char *const words[] = { "plain", "",   "a b", "it's", "$HOME",
                                         "a;b",   "\"", "\\",  "#x",   "--opt=1" };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GPtrArray) commands = NULL;
        g_autofree char *quoted = words_quote(words[i]);
        check_case(quoted);
        check(words_split(quoted, &commands, NULL));
        check_eq(commands->len, 1);
        const GPtrArray *got = commands->pdata[0];
        check_eq(got->len, 1);
        check_str(got->pdata[0], words[i]);
    }
}
