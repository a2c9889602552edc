/* Lines of JSON from a peer that is not trusted.
 *
 * A line is searched for its end once (@scanned), so that a peer that sends one byte at a time costs no more
 * than one that sends all at once. Consumed bytes are moved away only when room is needed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/line_buffer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#define LINE_READ_BYTES 65536u
#define LINE_KEEP_BYTES (2 * LINE_READ_BYTES) /* an idle buffer above this is given back */

void line_buffer_init(LineBuffer *buffer, size_t max_line)
{
    *buffer = (LineBuffer){ .max_line = max_line };
}

void line_buffer_clear(LineBuffer *buffer)
{
    g_free(buffer->data);
    *buffer = (LineBuffer){ .max_line = buffer->max_line };
}

/* Room for one read and a NUL behind what is there. */
static void line_buffer_reserve(LineBuffer *buffer)
{
    if (buffer->start == buffer->len) {
        buffer->start = buffer->len = buffer->scanned = 0;
        if (buffer->size > LINE_KEEP_BYTES) {
            g_clear_pointer(&buffer->data, g_free);
            buffer->size = 0;
        }
    }
    if (buffer->size - buffer->len > LINE_READ_BYTES)
        return;
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, buffer->len - buffer->start);
        buffer->len -= buffer->start;
        buffer->scanned -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->size - buffer->len > LINE_READ_BYTES)
        return;
    size_t need = buffer->len + LINE_READ_BYTES + 1;
    buffer->size = MAX(need, buffer->size * 2);
    buffer->data = g_realloc(buffer->data, buffer->size);
}

/* Memory goes back at once when all was consumed: a monitor is silent most of its life. */
static void line_buffer_release(LineBuffer *buffer)
{
    if (buffer->start == buffer->len)
        line_buffer_clear(buffer);
}

LineRead line_buffer_fill(LineBuffer *buffer, int fd, Error **err)
{
    if (buffer->len - buffer->start > buffer->max_line) {
        error_set(err, ERROR_OVERFLOW, "a line of more than %zu bytes", buffer->max_line);
        return LINE_READ_FAILED;
    }
    line_buffer_reserve(buffer);
    ssize_t n = recv(fd, buffer->data + buffer->len, LINE_READ_BYTES, MSG_DONTWAIT);
    if (n > 0) {
        buffer->len += (size_t)n;
        return LINE_READ_DATA;
    }
    int errnum = errno;
    line_buffer_release(buffer);
    if (n == 0)
        return LINE_READ_EOF;
    if (errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR)
        return LINE_READ_AGAIN;
    if (errnum == ECONNRESET || errnum == EPIPE)
        return LINE_READ_EOF;
    error_set_errno(err, errnum, "reading");
    return LINE_READ_FAILED;
}

char *line_buffer_next(LineBuffer *buffer, size_t *ret_len)
{
    if (buffer->scanned == buffer->len) {
        line_buffer_release(buffer);
        return NULL;
    }
    char *end = memchr(buffer->data + buffer->scanned, '\n', buffer->len - buffer->scanned);
    if (!end) {
        buffer->scanned = buffer->len;
        return NULL;
    }
    char *line = buffer->data + buffer->start;
    size_t len = (size_t)(end - line);
    buffer->start = buffer->scanned = (size_t)(end - buffer->data) + 1;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    *ret_len = len;
    return line;
}

/* Length of the string at @text (which begins with a quote), with its quotes. */
static size_t line_string_length(const char *text, size_t len)
{
    size_t i = 1;
    while (i < len && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return MIN(i + 1, len);
}

/* A run of digits that is a whole number above INT64_MAX and within 64 bits. */
static bool line_is_big_integer(const char *text, size_t n_digits, char following, uint64_t *ret_value)
{
    if (n_digits < 19 || n_digits > 20 || following == '.' || following == 'e' || following == 'E')
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < n_digits; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return value > INT64_MAX && text[0] != '0';
}

/* NULL if the line has no such number, which is nearly always. */
static GString *line_fold_big_integers(const char *line, size_t len)
{
    GString *folded = NULL;
    size_t done = 0;
    for (size_t i = 0; i < len;) {
        if (line[i] == '"') {
            i += line_string_length(line + i, len - i);
            continue;
        }
        if (!g_ascii_isdigit(line[i])) {
            i++;
            continue;
        }
        size_t n = 0;
        while (i + n < len && g_ascii_isdigit(line[i + n]))
            n++;
        uint64_t value;
        bool lone = i == 0 || !strchr("-+.eE", line[i - 1]);
        if (lone && line_is_big_integer(line + i, n, i + n < len ? line[i + n] : '\0', &value)) {
            if (!folded)
                folded = g_string_sized_new(len + 16);
            g_string_append_len(folded, line + done, (gssize)(i - done));
            g_string_append_printf(folded, "%" PRId64, (int64_t)value);
            done = i + n;
        }
        i += n;
    }
    if (folded)
        g_string_append_len(folded, line + done, (gssize)(len - done));
    return folded;
}

bool line_parse_json(const char *line, size_t len, const char *what, Json **ret_value, Error **err)
{
    g_autoptr(GString) folded = line_fold_big_integers(line, len);
    if (folded)
        return json_parse(folded->str, folded->len, what, ret_value, err);
    return json_parse(line, len, what, ret_value, err);
}

uint64_t line_json_get_u64(const Json *object, const char *key, uint64_t fallback)
{
    const Json *value = json_object_get(object, key);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : fallback;
}

char *line_compact_json(const char *line, size_t len)
{
    GString *out = g_string_sized_new(len + 1);
    for (size_t i = 0; i < len;) {
        size_t n = line[i] == '"' ? line_string_length(line + i, len - i) : 1;
        if (n > 1 || !g_ascii_isspace(line[i]))
            g_string_append_len(out, line + i, (gssize)n);
        i += n;
    }
    return g_string_free(out, FALSE);
}
