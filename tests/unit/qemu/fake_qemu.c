/* The scripted QMP peer. It runs in a thread with blocking calls, so that it shares no code and no loop with
 * what it tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_qemu.h"

#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/json.h"
#include "base/loop.h"

struct FakeQemu {
    const FakeStep *steps;
    int fd;
    pthread_t thread;
    GString *in;
    int received_fd;
    char *id, *old_id;
    json_t *command;
    bool stopped;
    char *problem;
};

static bool fake_receive(FakeQemu *fake)
{
    char data[4096];
    struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr header = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes) };
    ssize_t n = recvmsg(fake->fd, &header, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return false;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
        if (fake->received_fd >= 0)
            close(fake->received_fd);
        memcpy(&fake->received_fd, CMSG_DATA(cmsg), sizeof(int));
    }
    g_string_append_len(fake->in, data, n);
    return true;
}

static char *fake_read_line(FakeQemu *fake)
{
    char *end;
    while (!(end = memchr(fake->in->str, '\n', fake->in->len)))
        if (!fake_receive(fake))
            return NULL;
    char *line = g_strndup(fake->in->str, (gsize)(end - fake->in->str));
    g_string_erase(fake->in, 0, end - fake->in->str + 1);
    return line;
}

static void fake_send(FakeQemu *fake, const char *text)
{
    GString *out = g_string_new(text);
    if (fake->id)
        g_string_replace(out, "$ID", fake->id, 0);
    else /* a question without an id gets an answer without one */
        g_string_replace(out, ", \"id\": \"$ID\"", "", 0);
    if (fake->old_id)
        g_string_replace(out, "$OLD", fake->old_id, 0);
    for (size_t sent = 0; sent < out->len;) {
        ssize_t n = send(fake->fd, out->str + sent, out->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    g_string_free(out, TRUE);
}

static void fake_expect(FakeQemu *fake, const char *command)
{
    g_autofree char *line = fake_read_line(fake);
    json_decref(fake->command);
    fake->command = line ? json_loads(line, 0, NULL) : NULL;
    const char *got = json_get_str(fake->command, "execute"), *id = json_get_str(fake->command, "id");
    if (g_strcmp0(got, command) != 0) {
        fake->problem = g_strdup_printf("expected '%s', got '%s'", command, line ? line : "(nothing)");
        return;
    }
    g_free(fake->id);
    fake->id = g_strdup(id);
}

static void fake_expect_args(FakeQemu *fake, const char *text)
{
    json_t *wanted = json_loads(text, 0, NULL);
    json_t *got = json_object_get(fake->command, "arguments");
    if (!wanted || !json_equal(wanted, got)) {
        g_autofree char *shown = got ? json_dumps(got, JSON_COMPACT) : NULL;
        fake->problem = g_strdup_printf("expected arguments %s, got %s", text, shown ? shown : "(none)");
    }
    json_decref(wanted);
}

static void fake_agent_sync(FakeQemu *fake, const char *junk)
{
    g_autofree char *line = fake_read_line(fake);
    json_t *command = line && line[0] == '\xff' ? json_loads(line + 1, 0, NULL) : NULL;
    if (g_strcmp0(json_get_str(command, "execute"), "guest-sync-delimited") != 0)
        fake->problem = g_strdup_printf("expected a synchronisation, got '%s'", line ? line : "(nothing)");
    if (junk)
        fake_send(fake, junk);
    g_autofree char *reply =
        g_strdup_printf("\xff{\"return\": %" JSON_INTEGER_FORMAT "}\n",
                        (json_int_t)json_get_int(json_get_obj(command, "arguments"), "id", -1));
    fake_send(fake, reply);
    json_decref(command);
}

static void fake_flood(FakeQemu *fake, size_t bytes)
{
    g_autofree char *chunk = g_malloc(1 << 16);
    memset(chunk, 'x', 1 << 16);
    while (bytes > 0) {
        ssize_t n = send(fake->fd, chunk, MIN(bytes, 1u << 16), MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes -= (size_t)n;
    }
}

static void fake_step(FakeQemu *fake, const FakeStep *step)
{
    g_autofree char *text = NULL;
    switch (step->verb) {
    case FAKE_GREET:
        fake_send(fake, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
                        "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n");
        fake_expect(fake, "qmp_capabilities");
        fake_send(fake, "{\"return\": {}, \"id\": \"$ID\"}\r\n");
        break;
    case FAKE_EXPECT:
        fake_expect(fake, step->text);
        break;
    case FAKE_EXPECT_ARGS:
        fake_expect_args(fake, step->text);
        break;
    case FAKE_EXPECT_FD:
        if (fake->received_fd < 0)
            fake->problem = g_strdup("no descriptor came");
        else
            close(fake->received_fd);
        fake->received_fd = -1;
        break;
    case FAKE_SAVE_ID:
        g_free(fake->old_id);
        fake->old_id = g_strdup(fake->id);
        break;
    case FAKE_RETURN:
        text = g_strdup_printf("{\"return\": %s, \"id\": \"$ID\"}\r\n", step->text);
        fake_send(fake, text);
        break;
    case FAKE_REFUSE:
        text = g_strdup_printf(
            "{\"id\": \"$ID\", \"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\r\n", step->text);
        fake_send(fake, text);
        break;
    case FAKE_SEND:
        fake_send(fake, step->text);
        break;
    case FAKE_FLOOD:
        fake_flood(fake, step->number);
        break;
    case FAKE_HOLD:
        (void)poll(&(struct pollfd){ .fd = fake->fd, .events = POLLRDHUP }, 1, -1); /* whatever ends it */
        break;
    case FAKE_SLEEP:
        g_usleep(step->number * 1000);
        break;
    case FAKE_AGENT_SYNC:
        fake_agent_sync(fake, step->text);
        break;
    case FAKE_READ_LINE:
        text = fake_read_line(fake);
        if (g_strcmp0(text, step->text) != 0)
            fake->problem = g_strdup_printf("expected '%s', got '%s'", step->text, text ? text : "(nothing)");
        break;
    case FAKE_CLOSE:
        fake->stopped = true;
        break;
    case FAKE_END:
        while (fake_receive(fake))
            ;
        fake->stopped = true;
        break;
    }
}

static void *fake_main(void *arg)
{
    FakeQemu *fake = arg;
    for (const FakeStep *step = fake->steps; !fake->stopped && !fake->problem; step++)
        fake_step(fake, step);
    close(fake->fd);
    return NULL;
}

FakeQemu *fake_qemu_start(const FakeStep *steps, int *ret_fd)
{
    int fds[2];
    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    FakeQemu *fake = g_new0(FakeQemu, 1);
    *fake = (FakeQemu){ .steps = steps, .fd = fds[1], .received_fd = -1, .in = g_string_new(NULL) };
    g_assert(pthread_create(&fake->thread, NULL, fake_main, fake) == 0);
    *ret_fd = fds[0];
    return fake;
}

void fake_qemu_finish(FakeQemu *fake)
{
    pthread_join(fake->thread, NULL);
    if (fake->problem)
        g_error("scripted QEMU: %s", fake->problem);
    if (fake->received_fd >= 0)
        close(fake->received_fd);
    json_decref(fake->command);
    g_string_free(fake->in, TRUE);
    g_free(fake->id);
    g_free(fake->old_id);
    g_free(fake);
}

typedef struct TestFiber {
    void (*func)(void *arg);
    void *arg;
    bool done;
} TestFiber;

static void test_fiber_main(void *arg)
{
    TestFiber *test = arg;
    test->func(test->arg);
    test->done = true;
}

static bool test_fiber_is_done(void *arg)
{
    return ((TestFiber *)arg)->done;
}

void test_run_fiber(void (*func)(void *arg), void *arg)
{
    g_autoptr(Error) err = NULL;
    if (!loop_init(&err))
        g_error("%s", error_message(err));
    TestFiber test = { .func = func, .arg = arg };
    (void)fiber_spawn_or_abort("test", test_fiber_main, &test);
    if (!loop_run_until(test_fiber_is_done, &test, 60000))
        g_error("the test did not end");
    loop_shutdown(5000);
}
