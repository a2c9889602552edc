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
        Reader reader = { .stream = stream_new(ends[0], STREAM_BOTH, on_close, &closed), .len = 9 };
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

static StreamChunk *chunk_new(const char *data, uint64_t hole_bytes)
{
    const size_t len = data ? strlen(data) : 0;
    StreamChunk *chunk = stream_chunk_new(len);

    chunk->len = len;
    chunk->hole_bytes = hole_bytes;
    if (len)
        memcpy(chunk->data, data, len);
    return chunk;
}

TEST_FIBER(a_file_is_read_up_to_its_limit)
{
    char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    g_autoptr(Error) err = NULL;
    GQueue chunks = G_QUEUE_INIT;
    int closed = 0;
    check(g_file_set_contents(path, "0123456789", -1, NULL));
    const StreamFile file = {
        .path = path, .offset_bytes = 3, .limit_bytes = 4, .on_close = on_close, .arg = &closed
    };
    Stream *stream = stream_new_file(open(path, O_RDONLY | O_CLOEXEC), STREAM_TO_CLIENT, &file);
    check(stream_is_file(stream));
    g_autoptr(StreamChunk) data = NULL;
    g_autoptr(StreamChunk) end = NULL;
    check_ok(stream_read_chunk(stream, &data, &err), err);
    check_eq(data->len, 4);
    check(memcmp(data->data, "3456", 4) == 0);
    check_ok(stream_read_chunk(stream, &end, &err), err);
    check_eq(end->len + end->hole_bytes, 0);
    check_fails(stream_write_chunks(stream, &chunks, &err), err, ERROR_STREAM_INVALID);
    stream_close(stream, false);
    check_eq(closed, 1);
    check_remove_dir(dir);
}

#define HOLE ((uint64_t)3 << 30)

TEST_FIBER(holes_go_into_a_file_and_come_out_of_it)
{
    char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    g_autoptr(Error) err = NULL;
    GQueue chunks = G_QUEUE_INIT;
    /* The old content goes where the hole comes. */
    check(g_file_set_contents(path, "XXXXXXXXXXXXXXXXXXXXXXXX", -1, NULL));
    StreamFile file = { .path = path, .is_sparse = true, .offset_bytes = 4 };
    Stream *stream = stream_new_file(open(path, O_RDWR | O_CLOEXEC), STREAM_FROM_CLIENT, &file);
    g_queue_push_tail(&chunks, chunk_new("one", 0));
    g_queue_push_tail(&chunks, chunk_new(NULL, HOLE));
    g_queue_push_tail(&chunks, chunk_new("two", 0));
    g_queue_push_tail(&chunks, chunk_new(NULL, HOLE));
    check_ok(stream_write_chunks(stream, &chunks, &err), err);
    check_ok(stream_finish(stream, &err), err);
    stream_close(stream, true);

    file.offset_bytes = 0;
    stream = stream_new_file(open(path, O_RDONLY | O_CLOEXEC), STREAM_TO_CLIENT, &file);
    uint64_t at = 0, hole_bytes = 0;
    for (bool ended = false; !ended;) {
        g_autoptr(StreamChunk) chunk = NULL;
        check_ok(stream_read_chunk(stream, &chunk, &err), err);
        if (at == 0)
            check(memcmp(chunk->data, "XXXXone\0\0", 9) == 0);
        hole_bytes += chunk->hole_bytes;
        at += chunk->len + chunk->hole_bytes;
        ended = chunk->len + chunk->hole_bytes == 0;
    }
    check_eq(at, 7 + HOLE + 3 + HOLE);
    check(hole_bytes > 2 * HOLE - 65536);
    stream_close(stream, true);
    check_remove_dir(dir);
}

TEST_FIBER(more_than_announced_does_not_fit)
{
    char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    GQueue chunks = G_QUEUE_INIT;
    check(g_file_set_contents(path, "0123456789", -1, NULL));
    const StreamFile file = { .path = path, .offset_bytes = 2, .limit_bytes = 4 };
    Stream *stream = stream_new_file(open(path, O_RDWR | O_CLOEXEC), STREAM_FROM_CLIENT, &file);
    g_queue_push_tail(&chunks, chunk_new("abc", 0));
    g_queue_push_tail(&chunks, chunk_new("def", 0));
    check(!stream_write_chunks(stream, &chunks, &err));
    check_eq(error_errno(err), ENOSPC);
    stream_close(stream, false);
    check(g_file_get_contents(path, &text, NULL, NULL));
    check_str(text, "01abcd6789");
    check_remove_dir(dir);
}

typedef struct Finisher {
    Stream *stream;
    bool ok, is_over;
    int closed;
    uint64_t end_bytes;
} Finisher;

static bool slow_finish(void *arg, uint64_t end_bytes, Error **err)
{
    Finisher *finisher = arg;

    finisher->end_bytes = end_bytes;
    check(fiber_sleep(20, NULL)); /* not cancelled */
    check_eq(finisher->closed, 0);
    return finisher->ok || error_set(err, ERROR_OPERATION_FAILED, "no room");
}

static void finisher_main(void *arg)
{
    Finisher *finisher = arg;
    g_autoptr(Error) err = NULL;

    check_eq(stream_finish(finisher->stream, &err), finisher->ok);
    finisher->is_over = true;
}

static void finisher_on_close(void *arg, bool finished)
{
    ((Finisher *)arg)->closed = finished ? 2 : 1;
}

TEST_FIBER(a_stream_that_is_left_while_it_finishes_is_finished_first)
{
    for (int ok = 0; ok <= 1; ok++) {
        char *dir = check_make_dir();
        g_autofree char *path = g_build_filename(dir, "f", NULL);
        check(g_file_set_contents(path, "", -1, NULL));
        Finisher finisher = { .ok = ok };
        const StreamFile file = { .path = path,
                                  .offset_bytes = 5,
                                  .finish = slow_finish,
                                  .on_close = finisher_on_close,
                                  .arg = &finisher };
        finisher.stream = stream_new_file(open(path, O_RDWR | O_CLOEXEC), STREAM_FROM_CLIENT, &file);
        g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("finisher", finisher_main, &finisher));
        check(fiber_sleep(5, NULL));
        fiber_cancel(fiber);
        stream_close(finisher.stream, false);
        check_eq(finisher.closed, 0);
        check(fiber_join(fiber, 5000, NULL));
        check(finisher.is_over);
        check_eq(finisher.closed, ok ? 2 : 1);
        check_eq(finisher.end_bytes, 5);
        check_remove_dir(dir);
    }
}
