/* Fuzz target: the input is what the guest's side of the agent channel sends.
 *
 * The first byte says how much of it comes before the answer to the synchronisation, which is a proper one,
 * because the number in it cannot be guessed; the rest comes behind. Then the guest hangs up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "qemu/agent.h"

#define FUZZ_MAX_BYTES 100000u /* fits a socket's buffer */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    Agent *agent;
    bool done;
} Run;

static void fuzz_session(void *arg)
{
    Run *run = arg;
    AUTO_JSON reply = NULL;
    g_autofree char *raw = NULL;
    (void)!agent_exec(run->agent, "guest-info", NULL, 1000, &reply, NULL);
    (void)!agent_exec_silent(run->agent, "guest-shutdown", NULL, 1000, 1000, NULL);
    (void)!agent_exec_raw(run->agent, "{\"execute\": \"x\"}", 1000, &raw, NULL);
    run->done = true;
}

static bool fuzz_is_done(void *arg)
{
    return ((Run *)arg)->done;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_set_level(LOG_LEVEL_COUNT);
    if (!loop_init(NULL))
        abort();
    return 0;
}

static void fuzz_write(int fd, const void *data, size_t size)
{
    if (write(fd, data, size) != (ssize_t)size)
        abort();
}

static void fuzz_answer_sync(int fd)
{
    char command[256], reply[64];
    ssize_t n = read(fd, command, sizeof(command) - 1);
    command[n > 0 ? n : 0] = '\0';
    const char *id = strstr(command, "\"id\":");
    int len =
        snprintf(reply, sizeof(reply), "\xff{\"return\": %lld}\n", id ? atoll(id + strlen("\"id\":")) : 0);
    fuzz_write(fd, reply, (size_t)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > FUZZ_MAX_BYTES)
        return 0;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    size_t before = (size - 1) * (data[0] & 15) / 32;
    Run run = { .agent = agent_new(fds[0]) };
    if (before > 0)
        fuzz_write(fds[1], data + 1, before);
    fiber_spawn_or_abort("fuzz", fuzz_session, &run); /* runs until it waits: the synchronisation is sent */
    fuzz_answer_sync(fds[1]);
    if (size - 1 > before)
        fuzz_write(fds[1], data + 1 + before, size - 1 - before);
    shutdown(fds[1], SHUT_WR);
    if (!loop_run_until(fuzz_is_done, &run, 10000))
        abort();
    agent_close(run.agent);
    close(fds[1]);
    return 0;
}
