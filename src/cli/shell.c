/* The interactive shell: line editing, history and completion by libedit, everything else by the command
 * table.
 *
 * The editor is fed from a fiber, one key at a time, so that keepalives are answered while the user thinks,
 * and so that completion can ask the daemon. Ctrl-C clears the line, or cancels the command that runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <editline/readline.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "cli/complete.h"

#define HISTORY_MAX 1000

typedef struct Shell {
    Cli *cli;
    char *line;     /* what the user entered; owned */
    bool has_line;  /* a line (or NULL: end of input) has come */
    bool in_editor; /* libedit runs, maybe waiting for the daemon's answer to a completion */
    bool interrupt; /* Ctrl-C came meanwhile */
    Fiber *command; /* runs the line; NULL at the prompt */
    int code;
    Completions found; /* of the word that is being completed */
    unsigned next;
} Shell;

static Shell shell; /* libedit's callbacks carry no argument */

/* ---- completion ---- */

static char *shell_next_match(const char *text, int state)
{
    if (state == 0)
        shell.next = 0;
    if (!shell.found.words || shell.next >= shell.found.words->len)
        return NULL;
    /* Blanks and the like get a backslash: quotes would be in front of what is typed already. libedit frees
     * it with free(). */
    g_autoptr(GString) word = g_string_new(NULL);
    for (const char *p = shell.found.words->pdata[shell.next++]; *p; p++)
        g_string_append_printf(word, strchr(" \t\"'\\;#", *p) ? "\\%c" : "%c", *p);
    return strdup(word->str);
}

static char **shell_matches(const char *text, int start, int end)
{
    g_autofree char *line = g_strndup(rl_line_buffer, (size_t)end);
    g_autoptr(GPtrArray) words = completion_split(line);
    completions_clear(&shell.found);
    cli_complete(shell.cli, (char *const *)words->pdata, words->len, false, &shell.found);
    rl_attempted_completion_over = !shell.found.files;
    if (shell.found.words->len == 0)
        return NULL;
    return rl_completion_matches(text, shell_next_match);
}

/* ---- history ---- */

static char *history_path(void)
{
    g_autofree char *dir = g_build_filename(g_get_user_cache_dir(), "lodge", NULL);
    if (g_mkdir_with_parents(dir, 0700) < 0)
        return NULL;
    return g_build_filename(dir, "history", NULL);
}

static void history_add(const char *line)
{
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    /* Passwords do not belong into a file. */
    if (!*line || strstr(line, "password") || (last && strcmp(last->line, line) == 0))
        return;
    add_history(line);
}

/* ---- running a line ---- */

static void shell_command_fiber(void *arg)
{
    shell.code = cli_run_line(shell.cli, shell.line);
}

static void shell_on_line(char *line);

static const char *shell_prompt(const Cli *cli)
{
    return cli->read_only ? "lodge > " : "lodge # ";
}

/* Gives up the line that is being typed. */
static void shell_fresh_prompt(void)
{
    shell.interrupt = false;
    rl_callback_handler_remove();
    fputs("\n", stdout);
    rl_callback_handler_install(shell_prompt(shell.cli), shell_on_line);
}

static int shell_on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    if (shell.command)
        fiber_cancel(shell.command);
    else if (shell.in_editor)
        shell.interrupt = true;
    else
        shell_fresh_prompt();
    return 0;
}

/* In a fiber of its own, which Ctrl-C cancels. */
static void shell_run_line(void)
{
    if (!*shell.line)
        return;
    shell.command = fiber_ref(fiber_spawn_or_abort("command", shell_command_fiber, NULL));
    while (!fiber_is_done(shell.command)) {
        /* No deadline: commands have their own. */
        if (!fiber_join(shell.command, FIBER_NO_DEADLINE, NULL))
            break;
    }
    fiber_unref(shell.command);
    shell.command = NULL;
}

/* ---- a terminal ---- */

static void shell_on_line(char *line)
{
    shell.line = line ? g_strdup(line) : NULL;
    free(line);
    shell.has_line = true;
    rl_callback_handler_remove(); /* gives the terminal back before the command runs */
}

/* false at the end of input. */
static bool shell_read_line(void)
{
    uint32_t events = 0;
    shell.has_line = false;
    g_clear_pointer(&shell.line, g_free);
    rl_callback_handler_install(shell_prompt(shell.cli), shell_on_line);
    while (!shell.has_line) {
        /* No deadline: people think. */
        if (!fiber_wait_fd(STDIN_FILENO, EPOLLIN, FIBER_NO_DEADLINE, &events, NULL)) {
            rl_callback_handler_remove();
            return false;
        }
        shell.in_editor = true;
        rl_callback_read_char();
        shell.in_editor = false;
        if (shell.interrupt && !shell.has_line)
            shell_fresh_prompt();
    }
    return shell.line != NULL;
}

static void shell_interactive(void)
{
    g_autofree char *path = history_path();
    rl_readline_name = "lodge";
    rl_attempted_completion_function = shell_matches;
    rl_basic_word_break_characters = " \t\n;";
    using_history();
    stifle_history(HISTORY_MAX);
    if (path)
        (void)read_history(path);
    puts("Welcome to lodge, the command line of Lodge.\n\n"
         "Type:  'help' for help with commands\n"
         "       'quit' to quit\n");
    while (!shell.cli->quit && shell_read_line()) {
        g_strstrip(shell.line);
        history_add(shell.line);
        shell_run_line();
    }
    if (!shell.cli->quit)
        putchar('\n');
    mode_t before = umask(0077);
    if (path)
        (void)write_history(path); /* best effort: only convenience is lost */
    umask(before);
}

/* ---- a script on standard input ---- */

static bool shell_read_script(GString *text)
{
    char buffer[4096];
    struct stat info;
    bool plain = fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode);
    uint32_t events = 0;
    if (!plain && !fiber_wait_fd(STDIN_FILENO, EPOLLIN, FIBER_NO_DEADLINE, &events, NULL))
        return false;
    ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    g_string_append_len(text, buffer, n);
    return true;
}

/* Line by line, as it comes. */
static void shell_script(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool more = true;
    while (more && !shell.cli->quit) {
        more = shell_read_script(text);
        char *end;
        while (!shell.cli->quit && ((end = strchr(text->str, '\n')) || (!more && text->len))) {
            size_t len = end ? (size_t)(end - text->str) + 1 : text->len;
            g_autofree char *line = g_strndup(text->str, len);
            g_string_erase(text, 0, (gssize)len);
            shell.code = cli_run_line(shell.cli, line);
        }
    }
}

int cli_shell(Cli *cli)
{
    sd_event_source *source = NULL;
    sigset_t set, before;
    shell = (Shell){ .cli = cli };
    cli->interactive = true;
    if (isatty(STDIN_FILENO)) {
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, &before);
        if (sd_event_add_signal(loop_event(), &source, SIGINT, shell_on_interrupt, NULL) >= 0)
            shell_interactive();
        sd_event_source_unref(source);
        sigprocmask(SIG_SETMASK, &before, NULL);
    } else {
        cli->interactive = false;
        shell_script();
    }
    completions_clear(&shell.found);
    g_free(shell.line);
    return shell.code;
}
