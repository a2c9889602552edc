/* Lines of JSON as QEMU and its guest agent send them: collected from a socket in a bounded buffer that grows
 * on demand and gives its memory back after a long line. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

typedef struct LineBuffer {
    char *data;
    size_t start;   /* consumed up to here */
    size_t len;     /* filled up to here */
    size_t size;    /* allocated */
    size_t scanned; /* no newline in [start, scanned) */
    size_t max_line;
} LineBuffer;

void line_buffer_init(LineBuffer *buffer, size_t max_line);
void line_buffer_clear(LineBuffer *buffer);

typedef enum LineRead {
    LINE_READ_DATA,  /* something came */
    LINE_READ_AGAIN, /* nothing there now */
    LINE_READ_EOF,
    LINE_READ_FAILED, /* *err is set: ERROR_SYSTEM, or ERROR_OVERFLOW when a line is longer than allowed */
} LineRead;

/* One recv() of at most 64 KiB from the non-blocking socket @fd. Call it after line_buffer_next() gave NULL.
 */
LineRead line_buffer_fill(LineBuffer *buffer, int fd, Error **err);

/* The next whole line without its end ("\n" or "\r\n"), NUL-terminated, borrowed until the next call; NULL if
 * there is none. */
char *line_buffer_next(LineBuffer *buffer, size_t *ret_len);

/* json_parse() for what QEMU prints. QEMU knows unsigned 64-bit numbers (a balloon statistic that the guest
 * did not give is 18446744073709551615), which jansson refuses; they become the negative number of the same
 * bits. */
MUST_CHECK bool line_parse_json(const char *line, size_t len, const char *what, Json **ret_value,
                                Error **err);

/* A member that QEMU prints as unsigned 64-bit. */
uint64_t line_json_get_u64(const Json *object, const char *key, uint64_t fallback);

/* The same JSON text without blanks between its tokens; numbers and escapes stay as they are. Caller owns. */
char *line_compact_json(const char *line, size_t len);
