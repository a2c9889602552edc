/* Fuzz target: the input is what QEMU's side of a QMP session sends, to a client that opens, asks, and
 * leaves.
 *
 * The first byte chooses whether a proper greeting comes first, so that both the opening and what follows it
 * are reached. QEMU hangs up behind the input, so no call waits for its deadline. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "qemu/qmp.h"

#define FUZZ_MAX_BYTES 100000u /* fits a socket's buffer */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    int fd;
    bool done;
} Run;

static void fuzz_event(const char *name, const Json *data, int64_t seconds, int64_t microseconds, void *arg)
{
    g_free(json_format(data ? data : json_null()));
}

static void fuzz_session(void *arg)
{
    Run *run = arg;
    QmpHandlers handlers = { .on_event = fuzz_event };
    Qmp *qmp;
    if (qmp_open(run->fd, "fuzz", &handlers, 1000, &qmp, NULL)) {
        AUTO_JSON reply = NULL;
        g_autofree char *text = NULL, *raw = NULL;
        g_autoptr(Error) err = NULL;
        if (!qmp_exec(qmp, "query-status", NULL, 1000, &reply, &err))
            (void)error_class(err);
        (void)!qmp_exec_raw(qmp, "{\"execute\": \"x\", \"id\": 1}", -1, 1000, &raw, NULL);
        (void)!qmp_exec_hmp(qmp, "info", 1000, &text, NULL);
        qmp_close(qmp);
    }
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char opening[] = "{\"QMP\": {}}\r\n{\"return\": {}, \"id\": \"libvirt-1\"}\r\n";
    if (size < 1 || size > FUZZ_MAX_BYTES)
        return 0;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    Run run = { .fd = fds[0] };
    fiber_spawn_or_abort("fuzz", fuzz_session, &run);
    /* The greeting's reply must not come before its command, or it is a stray one. */
    if (data[0] & 1) {
        fuzz_write(fds[1], opening, 13);
        (void)loop_run_until(fuzz_is_done, &run, 0);
        fuzz_write(fds[1], opening + 13, sizeof(opening) - 14);
    }
    fuzz_write(fds[1], data + 1, size - 1);
    shutdown(fds[1], SHUT_WR);
    if (!loop_run_until(fuzz_is_done, &run, 10000))
        abort();
    close(fds[1]);
    return 0;
}
