/* `lodge exec`: a command in the guest, as if it ran here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "cli/commands.h"
#include "cli/exec.h"
#include "cli/output.h"

#define EXEC_EXIT_FAILED 255  /* it could not be run: no command ends so by itself, as with ssh */
#define EXEC_EXIT_TIMEOUT 124 /* as timeout(1) */

typedef struct ExecCommand {
    Cli *cli;
    GByteArray *kept[2]; /* for the document; NULL: printed */
    bool interrupted;
} ExecCommand;

static bool exec_print(void *arg, int stream, const char *data, size_t len, Error **err)
{
    ExecCommand *command = arg;
    GByteArray *kept = command->kept[stream - 1];
    const int fd = stream == 1 ? STDOUT_FILENO : STDERR_FILENO;
    uint32_t events;

    if (kept) {
        g_byte_array_append(kept, (const guint8 *)data, (guint)len);
        return true;
    }
    while (len > 0) {
        const ssize_t n = write(fd, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!fiber_wait_fd(fd, EPOLLOUT, FIBER_NO_DEADLINE, &events, err))
                return false;
        } else if (errno != EINTR) {
            return error_set_errno(err, errno, "cannot write what the command prints");
        }
    }
    return true;
}

static int exec_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    ExecCommand *command = arg;

    command->interrupted = true;
    return 0;
}

/* The standard input is the command's unless it is a terminal, or nothing at all. */
static int exec_stdin(const CliArgs *args)
{
    struct stat st;

    if (args_has(args, "no-stdin") || fstat(STDIN_FILENO, &st) < 0 || S_ISCHR(st.st_mode))
        return -1;
    return STDIN_FILENO;
}

static void exec_print_json(const ExecCommand *command, int code)
{
    g_autofree char *out = g_base64_encode(command->kept[0]->data, command->kept[0]->len);
    g_autofree char *err = g_base64_encode(command->kept[1]->data, command->kept[1]->len);

    cli_print_json(command->cli, json_pack("{s:i, s:s, s:s}", "exit_code", code, "stdout_base64", out,
                                           "stderr_base64", err));
}

/* The command's exit code is ours; what keeps it from running, or from being heard, is 255. */
static void exec_take_code(ExecCommand *command, bool ok, int code, Error *why)
{
    Cli *cli = command->cli;

    if (ok && command->kept[0])
        exec_print_json(command, code);
    cli->exit_code = ok ? code : EXEC_EXIT_FAILED;
    if (ok)
        return;
    if (error_code(why) == ERROR_TIMEOUT)
        cli->exit_code = EXEC_EXIT_TIMEOUT;
    if (error_code(why) == ERROR_CANCELLED)
        cli->exit_code = 128 + SIGINT;
    cli_report(cli, why);
}

static bool exec_command_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(Error) why = NULL;
    ExecCommand command = { .cli = cli };
    const Guest guest = { cli, &dom };
    int64_t timeout_s = 0;
    int code = 0;

    if (!args_get_int(args, "timeout", 0, INT32_MAX, &timeout_s, err) || !cli_domain(cli, args, &dom, err))
        return false;
    g_auto(GStrv) env = args_split(args, "env", "\n");
    for (char **word = env; word && *word; word++) {
        if (!strchr(*word, '=') || **word == '=')
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not NAME=VALUE", *word) ||
                   error_hint(err, "see 'lodge help exec'");
    }
    for (int i = 0; i < 2 && cli->json; i++)
        command.kept[i] = g_byte_array_new();
    const Exec exec = { .guest = &guest,
                        .argv = (const char *const *)args_get_many(args, "command"),
                        .env = (const char *const *)env,
                        .stdin_fd = exec_stdin(args),
                        .timeout_ms = (uint64_t)timeout_s * 1000,
                        .on_output = exec_print,
                        .arg = &command,
                        .interrupted = &command.interrupted };
    sigset_t set, before;
    sd_event_source *source = NULL;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, &before);
    if (!cli->interactive) /* in the shell Ctrl-C cancels this fiber */
        (void)sd_event_add_signal(loop_event(), &source, SIGINT, exec_on_signal, &command);
    cli_doing(cli, "Failed to run '%s' in domain '%s'", exec.argv[0], dom.name);
    const bool ok = exec_run(&exec, &code, &why);
    sd_event_source_unref(source);
    sigprocmask(SIG_SETMASK, &before, NULL);
    exec_take_code(&command, ok, code, why);
    for (int i = 0; i < 2; i++)
        g_clear_pointer(&command.kept[i], g_byte_array_unref);
    return true;
}

static const CliOption exec_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "command",
        "the command and its arguments; -- before it keeps its options from being ours",
        .flags = CLI_REQUIRED | CLI_MANY | CLI_EMPTY_OK),
    OPT(CLI_STRING, "env", "NAME=VALUE for the command's environment; may be given several times",
        .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_INT, "timeout", "seconds after which it is ended", .flags = CLI_NAMED),
    OPT_BOOL("no-stdin", "give it nothing on its standard input"),
    { 0 },
};

const CliCommand commands_exec[] = {
    COMMAND("exec", GROUP_LODGE, "run a command in a guest", exec_options, exec_command_run,
            .doc =
                "The guest's agent runs it, as its own user. What the command prints is printed while it "
                "runs, "
                "errors apart; its exit code is that of lodge, 128 and the signal's number if a signal ended "
                "it. The standard input is given to it unless it is a terminal. 124: it took longer than "
                "--timeout; 255: it could not be run.",
            .json = "{\"exit_code\": number, \"stdout_base64\": string, \"stderr_base64\": string}"),
    { 0 },
};
