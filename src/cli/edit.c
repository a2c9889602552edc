/* Lets the user change a text in an editor and decides with them what to do about one that is refused. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "cli/domain.h"
#include "cli/output.h"

static const char *edit_program(void)
{
    static const char *const variables[] = { "VISUAL", "EDITOR" };
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return value;
    }
    return access("/usr/bin/editor", X_OK) == 0 ? "editor" : "vi";
}

/* Through the shell: the variable may hold options. The file's name is an argument, never part of the script.
 */
static bool edit_spawn(const char *path, Error **err)
{
    static const char script[] = "eval \"$1\" '\"$2\"'";
    const char *program = edit_program();
    const char *argv[] = { "/bin/sh", "-c", script, "lodge-edit", program, path, NULL };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_autofree char *cwd = g_get_current_dir();
    spec.argv = argv;
    spec.envp = (const char *const *)environ;
    spec.cwd = cwd;
    spec.stdin_fd = STDIN_FILENO;
    spec.stdout_fd = STDOUT_FILENO;
    spec.stderr_fd = STDERR_FILENO;
    g_autoptr(Process) process = NULL;
    /* No deadline: the user edits as long as they like. */
    if (!process_start(&spec, &process, err) || !process_wait(process, FIBER_NO_DEADLINE, err))
        return false;
    if (process_status(process) == 0)
        return true;
    g_autofree char *status = process_describe_status(process);
    error_set(err, ERROR_OPERATION_FAILED, "the editor '%s' failed: %s", program, status);
    return error_hint(err, "set VISUAL or EDITOR to an editor that works here");
}

static bool edit_write(int fd, const char *text, Error **err)
{
    return file_write_all(fd, text, strlen(text)) ||
           error_set_errno(err, errno, "cannot write a temporary file");
}

/* One letter out of @allowed from the user; 'n' when there is nobody to ask. */
static char edit_ask(Cli *cli, const char *question, const char *allowed)
{
    char line[64];
    for (;;) {
        if (!isatty(STDIN_FILENO))
            return 'n';
        fputs(question, stdout);
        fflush(stdout);
        uint32_t events = 0;
        if (!fiber_wait_fd(STDIN_FILENO, EPOLLIN, FIBER_NO_DEADLINE, &events, NULL))
            return 'n';
        ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
        if (n <= 0)
            return 'n';
        line[n] = 0;
        char letter = g_ascii_tolower(g_strstrip(line)[0]);
        if (letter && strchr(allowed, letter))
            return letter;
        puts("y - yes, edit again\n"
             "n - no, give the changes up\n"
             "i - try again without checking it against the schema\n"
             "f - try again as it is\n"
             "? - show this");
    }
}

typedef bool (*EditApply)(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err);

/* Edits and applies until it works or the user gives up. */
static bool edit_loop(Cli *cli, const char *path, const char *text, EditApply apply, void *arg,
                      bool *ret_changed, Error **err)
{
    g_autofree char *edited = NULL;
    bool edit_first = true, relaxed = false;
    for (;;) {
        g_autoptr(Error) failed = NULL;
        if (edit_first) {
            g_clear_pointer(&edited, g_free);
            if (!edit_spawn(path, err) || !cli_read_file(path, &edited, err))
                return false;
            if (strcmp(edited, text) == 0) {
                *ret_changed = false;
                return true;
            }
        }
        if (apply(cli, edited, relaxed, arg, &failed)) {
            *ret_changed = true;
            return true;
        }
        bool asks = isatty(STDIN_FILENO);
        if (asks)
            cli_report(cli, failed);
        char answer = edit_ask(cli, "Failed. Try again? [y,n,i,f,?]: ", "ynif");
        if (answer == 'n') {
            return asks ? error_set(err, ERROR_OPERATION_FAILED, "the changes were given up")
                        : error_propagate(err, g_steal_pointer(&failed));
        }
        edit_first = answer == 'y';
        relaxed = answer == 'i';
    }
}

bool cli_edit(Cli *cli, const char *what, const char *text, EditApply apply, void *arg, Error **err)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "lodge-XXXXXX.xml", NULL);
    AUTO_FD fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    bool changed = false;
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create a temporary file '%s'", path);
    bool ok = edit_write(fd, text, err) && edit_loop(cli, path, text, apply, arg, &changed, err);
    (void)unlink(path); /* best effort: a file in the temporary directory */
    if (!ok)
        return false;
    if (changed)
        cli_message(cli, "%s edited.", what);
    else
        cli_message(cli, "%s not changed.", what);
    return true;
}
