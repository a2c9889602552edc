/* Connects the terminal with a domain's console: what is typed goes to the guest byte by byte, what the guest
 * prints comes out unchanged. The terminal is put back whatever ends the program. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/console.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli/output.h"

/* A terminal that is stopped with ^S must not stop us: keepalives have to be answered. So we write when it is
 * ready, and little at a time. */
#define TERMINAL_CHUNK 512u
#define FINISH_TIMEOUT_MS 5000

typedef struct Console {
    WireStream *stream;
    char escape;    /* the byte that the escape key sends */
    bool finished;  /* the user left, the guest closed it, or it broke */
    WaitQueue wake; /* woken when that may have changed */
    Error *input_error;
    Error *output_error;
} Console;

static struct termios terminal_before;
static volatile sig_atomic_t terminal_is_raw;

static void terminal_restore(void)
{
    if (terminal_is_raw) {
        terminal_is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    }
}

static void terminal_on_signal(int number)
{
    terminal_restore();
    signal(number, SIG_DFL);
    raise(number);
}

static void terminal_set_raw(void)
{
    static const int fatal[] = { SIGTERM, SIGHUP, SIGQUIT, SIGINT };
    static bool registered;
    struct termios raw;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal_before) < 0)
        return;
    if (!registered) {
        registered = true;
        atexit(terminal_restore);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fatal); i++)
        signal(fatal[i], terminal_on_signal);
    raw = terminal_before;
    cfmakeraw(&raw);
    terminal_is_raw = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void terminal_unset_raw(void)
{
    static const int fatal[] = { SIGTERM, SIGHUP, SIGQUIT, SIGINT };
    bool was = terminal_is_raw;
    terminal_restore();
    for (size_t i = 0; was && i < G_N_ELEMENTS(fatal); i++)
        signal(fatal[i], SIG_DFL);
}

/* Plain files are always ready, and epoll refuses them. */
static bool wait_ready(int fd, uint32_t events, Error **err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return true;
    uint32_t got = 0;
    /* No deadline: people think. */
    return fiber_wait_fd(fd, events, FIBER_NO_DEADLINE, &got, err);
}

static bool write_all(int fd, const uint8_t *data, size_t len, Error **err)
{
    while (len) {
        if (!wait_ready(fd, EPOLLOUT, err))
            return false;
        ssize_t n = write(fd, data, MIN(len, TERMINAL_CHUNK));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot write to the terminal");
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Sends what is typed, until the escape key. At the end of the input the guest is still listened to. */
static bool input_run(Console *console, Error **err)
{
    char buffer[1024];
    for (;;) {
        if (!wait_ready(STDIN_FILENO, EPOLLIN, err))
            return false;
        ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read from the terminal");
        if (n == 0)
            return true;
        const char *escape = memchr(buffer, console->escape, (size_t)n);
        size_t len = escape ? (size_t)(escape - buffer) : (size_t)n;
        if (len && !wire_stream_send(console->stream, buffer, len, WIRE_NO_TIMEOUT, err))
            return false;
        if (escape) {
            console->finished = true;
            return true;
        }
    }
}

/* Prints what the guest says until the stream ends. */
static bool output_run(Console *console, Error **err)
{
    for (;;) {
        WirePiece piece = { 0 };
        if (!wire_stream_receive(console->stream, WIRE_NO_TIMEOUT, &piece, err))
            return false;
        bool ok = write_all(STDOUT_FILENO, piece.data.data, piece.data.len, err);
        g_free(piece.data.data);
        if (!ok)
            return false;
        if (piece.at_end)
            return true;
    }
}

static void input_fiber(void *arg)
{
    Console *console = arg;
    Error *err = NULL;
    if (!input_run(console, &err)) {
        console->finished = true;
        console->input_error = err;
    }
    wait_queue_wake_all(&console->wake);
}

static void output_fiber(void *arg)
{
    Console *console = arg;
    (void)!output_run(console, &console->output_error);
    console->finished = true;
    wait_queue_wake_all(&console->wake);
}

static void end_fiber(Fiber *fiber)
{
    fiber_cancel(fiber);
    (void)!fiber_join(fiber, FINISH_TIMEOUT_MS, NULL);
    fiber_unref(fiber);
}

static bool is_failure(const Error *err)
{
    return err && error_code(err) != ERROR_CANCELLED;
}

static bool console_talk(Console *console, Error **err)
{
    bool ok = true;
    wait_queue_init(&console->wake);
    Fiber *input = fiber_ref(fiber_spawn_or_abort("console-input", input_fiber, console));
    Fiber *output = fiber_ref(fiber_spawn_or_abort("console-output", output_fiber, console));
    while (ok && !console->finished) /* no deadline: it lasts as long as the user likes */
        ok = wait_queue_wait(&console->wake, FIBER_NO_DEADLINE, err);
    end_fiber(input);
    end_fiber(output);
    if (ok && is_failure(console->output_error))
        ok = error_propagate(err, g_steal_pointer(&console->output_error));
    else if (ok && is_failure(console->input_error))
        ok = error_propagate(err, g_steal_pointer(&console->input_error));
    error_free(console->output_error);
    error_free(console->input_error);
    return ok;
}

static bool console_check_running(Cli *cli, const WireDomain *dom, Error **err)
{
    WireDomainGetStateArgs args = { .dom = *dom };
    WireDomainGetStateRet state;
    if (!cli_call(cli, PROC_DOMAIN_GET_STATE, &args, &state, err))
        return false;
    if (state.state == VIR_DOMAIN_SHUTOFF) {
        error_set(err, ERROR_INVALID_STATE, "The domain is not running");
        return error_hint(err, "'lodge start --console %s' starts it and shows its boot", dom->name);
    }
    return true;
}

bool console_run(Cli *cli, const WireDomain *dom, const char *device, unsigned flags, Error **err)
{
    g_autoptr(WireStream) stream = NULL;
    WireDomainOpenConsoleArgs args = { .dom = *dom, .dev_name = (char *)device, .flags = flags };
    if (!console_check_running(cli, dom, err))
        return false;
    cli_doing(cli, "Unable to open the console of domain '%s'", dom->name);
    if (!wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL,
                          WIRE_NO_TIMEOUT, &stream, err)) {
        if (wire_error_code(*err) == VIR_ERR_OPERATION_FAILED && !(flags & VIR_DOMAIN_CONSOLE_FORCE))
            error_hint(err, "if another client holds it, --force takes it over");
        return false;
    }
    cli_doing(cli, NULL);
    if (!cli->quiet)
        fprintf(stderr, "Connected to domain '%s'\nEscape character is ^%c (Ctrl + %c)\n", dom->name,
                cli->escape, cli->escape);
    fflush(cli->out);
    Console console = { .stream = stream, .escape = (char)(cli->escape & 0x1f) };
    terminal_set_raw();
    bool ok = console_talk(&console, err);
    terminal_unset_raw();
    if (ok)
        (void)!wire_stream_finish(stream, FINISH_TIMEOUT_MS, NULL);
    if (!cli->quiet)
        fputc('\n', stderr);
    return ok;
}
