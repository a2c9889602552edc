/* Two pumps in one poll loop. Neither direction waits for the other: each has room of its own, and no write
 * blocks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/ssh_helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/socket.h"
#include "wire/uri.h"

#define ROOM 262144
#define CONNECT_MS 15000

typedef struct Pump {
    int from, to;
    char *room;
    size_t begin, end;
    bool at_end; /* nothing more comes */
} Pump;

/* false: the other side has gone. */
static bool pump_write(Pump *pump)
{
    ssize_t n = write(pump->to, pump->room + pump->begin, pump->end - pump->begin);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    pump->begin += (size_t)n;
    if (pump->begin == pump->end)
        pump->begin = pump->end = 0;
    return true;
}

static bool pump_read(Pump *pump)
{
    ssize_t n = read(pump->from, pump->room, ROOM);

    if (n > 0) {
        pump->end = (size_t)n;
        return pump_write(pump);
    }
    pump->at_end = n == 0 || (errno != EAGAIN && errno != EINTR);
    return true;
}

static bool pump_run(Pump *pump)
{
    return pump->begin < pump->end ? pump_write(pump) : pump_read(pump);
}

/* Until either side has ended and all that came from it is passed on. No deadline: connections idle. */
static int helper_carry(int socket)
{
    Pump pumps[] = { { .from = STDIN_FILENO, .to = socket, .room = g_malloc(ROOM) },
                     { .from = socket, .to = STDOUT_FILENO, .room = g_malloc(ROOM) } };
    bool ok = true;

    while (ok && !(pumps[0].at_end && pumps[0].begin == pumps[0].end) &&
           !(pumps[1].at_end && pumps[1].begin == pumps[1].end)) {
        struct pollfd fds[2];
        for (size_t i = 0; i < 2; i++) {
            const bool writes = pumps[i].begin < pumps[i].end;
            fds[i] = (struct pollfd){ .fd = writes ? pumps[i].to : pumps[i].from,
                                      .events = writes ? POLLOUT : POLLIN };
        }
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; ok && i < 2; i++)
            ok = !fds[i].revents || pump_run(&pumps[i]);
    }
    g_free(pumps[0].room);
    g_free(pumps[1].room);
    return EXIT_SUCCESS;
}

static int helper_fail(const Error *err)
{
    fprintf(stderr, SSH_HELPER_NAME ": %s\n", error_message(err));
    if (error_hint_text(err))
        fprintf(stderr, SSH_HELPER_NAME ": %s\n", error_hint_text(err));
    return EXIT_FAILURE;
}

static bool helper_connect(const char *text, bool read_only, int *ret_socket, Error **err)
{
    g_auto(WireUri) uri = { 0 };

    if (!wire_uri_parse(text, &uri, err))
        return false;
    if (uri.host)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not of this host", text);
    g_autofree char *path = wire_uri_socket_path(&uri, read_only);
    if (socket_connect_unix(path, CONNECT_MS, ret_socket, err))
        return true;
    return error_hint(err,
                      "is lodged running on this host, and may %s use its socket? 'lodge doctor' says more",
                      g_get_user_name());
}

int ssh_helper_main(int argc, char **argv)
{
    g_autoptr(Error) err = NULL;
    bool read_only = false;
    int at = 1, socket;

    if (at < argc && (strcmp(argv[at], "-r") == 0 || strcmp(argv[at], "--readonly") == 0)) {
        read_only = true;
        at++;
    }
    if (argc != at + 1 || argv[at][0] == '-') {
        fputs("Usage: " SSH_HELPER_NAME " [-r] URI\n", stderr);
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!helper_connect(argv[at], read_only, &socket, &err))
        return helper_fail(err);
    fd_set_nonblocking(socket);
    fd_set_nonblocking(STDIN_FILENO);
    fd_set_nonblocking(STDOUT_FILENO);
    return helper_carry(socket);
}
