/* Byte streams. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "core/stream.h"

static void on_close(void *arg, bool finished)
{
    *(int *)arg = finished ? 2 : 1;
}

typedef struct Reader {
    Stream *stream;
    bool ok;
    size_t len;
    ErrorCode code;
} Reader;

static void reader_main(void *arg)
{
    Reader *reader = arg;
    char buffer[16];
    g_autoptr(Error) err = NULL;

    reader->ok = stream_read(reader->stream, buffer, sizeof(buffer), &reader->len, &err);
    reader->code = error_code(err);
}

static Fiber *start_reader(Reader *reader)
{
    Fiber *fiber = fiber_ref(fiber_spawn("reader", reader_main, reader));
    check(fiber_sleep(5, NULL));
    return fiber;
}

TEST_FIBER(killing_a_stream_wakes_its_reader)
{
    static const struct {
        bool with_error;
    } cases[] = { { false }, { true } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int ends[2];
        int closed = 0;
        check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        Reader reader = { .stream = stream_new(ends[0], STREAM_BOTH, NULL, 0, on_close, &closed), .len = 9 };
        g_autoptr(Fiber) fiber = start_reader(&reader);
        stream_kill(reader.stream, cases[i].with_error ? error_new(ERROR_BUSY, "taken over") : NULL);
        check(fiber_join(fiber, 1000, NULL));
        check_eq(reader.ok, !cases[i].with_error);
        check_eq(reader.code, cases[i].with_error ? ERROR_BUSY : ERROR_NONE);
        check_eq(stream_fd(reader.stream), -1);
        stream_close(reader.stream, true);
        check_eq(closed, 2);
        (void)close(ends[1]);
    }
}

TEST_FIBER(a_file_is_read_up_to_its_limit)
{
    char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    g_autoptr(Error) err = NULL;
    char buffer[16];
    size_t len = 0;
    int closed = 0;
    check(g_file_set_contents(path, "0123456789", -1, NULL));
    Stream *stream =
        stream_new(open(path, O_RDONLY | O_CLOEXEC), STREAM_TO_CLIENT, path, 4, on_close, &closed);
    check(stream_is_file(stream));
    check_ok(stream_read(stream, buffer, sizeof(buffer), &len, &err), err);
    check_eq(len, 4);
    check_ok(stream_read(stream, buffer, sizeof(buffer), &len, &err), err);
    check_eq(len, 0);
    check_fails(stream_write(stream, "x", 1, &err), err, ERROR_STREAM_INVALID);
    stream_close(stream, false);
    check_eq(closed, 1);
    check_remove_dir(dir);
}
