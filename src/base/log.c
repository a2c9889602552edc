/* One line per event, to stderr, a file or the journal.
 *
 * Messages quote text from clients, guests and QEMU, so control characters are escaped before they reach a
 * terminal or could forge a line. A line is one write(): lines of several processes never mix. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/log_private.h"

typedef struct LogLevelInfo {
    const char *name;
    const char *journal_priority;
} LogLevelInfo;

static const LogLevelInfo log_levels[LOG_LEVEL_COUNT] = {
    [LOG_LEVEL_DEBUG] = { "debug", "PRIORITY=7" },
    [LOG_LEVEL_INFO] = { "info", "PRIORITY=6" },
    [LOG_LEVEL_WARNING] = { "warning", "PRIORITY=4" },
    [LOG_LEVEL_ERROR] = { "error", "PRIORITY=3" },
};

typedef struct LogFilter {
    LogLevel lowest;
    char *part; /* of the module's name */
} LogFilter;

static struct {
    LogTarget target;
    LogLevel lowest;
    GArray *filters; /* of LogFilter; NULL: none */
    int fd;
} logger = { .target = LOG_TARGET_STDERR, .lowest = LOG_LEVEL_INFO, .fd = -1 };

static _Thread_local LogContext log_context_own, *log_context_used;

LogContext *log_context(void)
{
    return log_context_used ? log_context_used : &log_context_own;
}

void log_context_use(LogContext *context)
{
    log_context_used = context;
}

void log_open(LogTarget target, const char *path, LogLevel lowest)
{
    log_close();
    logger.lowest = lowest;
    if (target == LOG_TARGET_FILE) {
        logger.fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600) : -1;
        if (logger.fd < 0) {
            log_write(LOG_LEVEL_WARNING, "log", "cannot open log file '%s': %s; logging to stderr",
                      path ? path : "", path ? g_strerror(errno) : "no path given");
            return;
        }
    } else if (target == LOG_TARGET_JOURNAL) {
        if (access("/run/systemd/journal/socket", W_OK) < 0) {
            log_write(LOG_LEVEL_WARNING, "log", "no journal here: %s; logging to stderr", g_strerror(errno));
            return;
        }
    }
    logger.target = target;
}

void log_set_level(LogLevel lowest)
{
    logger.lowest = lowest;
}

bool log_is_enabled(LogLevel level)
{
    bool enabled = level >= logger.lowest;

    for (guint i = 0; !enabled && logger.filters && i < logger.filters->len; i++)
        enabled = level >= g_array_index(logger.filters, LogFilter, i).lowest;
    return enabled;
}

static bool log_is_wanted(LogLevel level, const char *module)
{
    for (guint i = 0; logger.filters && i < logger.filters->len; i++) {
        const LogFilter *filter = &g_array_index(logger.filters, LogFilter, i);
        if (strstr(module, filter->part))
            return level >= filter->lowest;
    }
    return level >= logger.lowest;
}

static void log_filter_clear(gpointer data)
{
    g_free(((LogFilter *)data)->part);
}

bool log_set_filters(const char *text, Error **err)
{
    g_autoptr(GArray) filters = g_array_new(FALSE, FALSE, sizeof(LogFilter));
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t\n", -1);

    g_array_set_clear_func(filters, log_filter_clear);
    for (char **word = words; *word; word++) {
        if (!**word)
            continue;
        if ((*word)[1] != ':' || !(*word)[2])
            return error_set(err, ERROR_INVALID_ARGUMENT, "Malformed format for filter '%s'", *word);
        if (**word < '1' || **word > '4')
            return error_set(err, ERROR_INVALID_ARGUMENT, "Invalid priority '%c' for filter '%s'", **word,
                             *word);
        const LogFilter filter = { .lowest = (LogLevel)(**word - '1'), .part = g_strdup(*word + 2) };
        g_array_append_val(filters, filter);
    }
    g_clear_pointer(&logger.filters, g_array_unref);
    if (filters->len)
        logger.filters = g_steal_pointer(&filters);
    return true;
}

char *log_format_filters(unsigned *ret_count)
{
    GString *text = g_string_new(NULL);

    *ret_count = logger.filters ? logger.filters->len : 0;
    for (unsigned i = 0; i < *ret_count; i++) {
        const LogFilter *filter = &g_array_index(logger.filters, LogFilter, i);
        g_string_append_printf(text, "%d:*%s* ", (int)filter->lowest + 1, filter->part);
    }
    return g_string_free(text, FALSE);
}

void log_close(void)
{
    fd_cleanup(&logger.fd);
    logger.target = LOG_TARGET_STDERR;
}

static void log_append_escaped(GString *line, const char *text)
{
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '\n')
            g_string_append(line, "\\n");
        else if (c == '\t')
            g_string_append(line, "\\t");
        else if (c < 0x20 || c == 0x7f)
            g_string_append_printf(line, "\\x%02x", c);
        else
            g_string_append_c(line, (char)c);
    }
}

/* Escapes, and replaces what is no UTF-8: C1 controls in Latin-1 move cursors too. */
static GString *log_escape(const char *text)
{
    GString *line = g_string_sized_new(strlen(text) + 128);
    if (g_utf8_validate(text, -1, NULL)) {
        log_append_escaped(line, text);
    } else {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        log_append_escaped(line, valid);
    }
    return line;
}

static void log_write_line(int fd, GString *line)
{
    g_string_append_c(line, '\n');
    (void)!TEMP_FAILURE_RETRY(write(fd, line->str, line->len)); /* nowhere to report it to */
}

static void log_append_context(GString *line, const LogContext *context)
{
    if (context->request_id[0])
        g_string_append_printf(line, " REQUEST_ID=%s", context->request_id);
    if (context->vm_uuid[0])
        g_string_append_printf(line, " VM_UUID=%s", context->vm_uuid);
}

static void log_to_stderr(LogLevel level, const char *module, GString *message, const LogContext *context)
{
    g_autofree char *prefix =
        g_strdup_printf("%s: %s: %s: ", program_invocation_short_name, log_levels[level].name, module);
    g_string_prepend(message, prefix);
    log_append_context(message, context);
    log_write_line(STDERR_FILENO, message);
}

static void log_to_file(LogLevel level, const char *module, GString *message, const LogContext *context)
{
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    g_autofree char *prefix =
        g_strdup_printf("%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s: %s: ", utc.tm_year + 1900, utc.tm_mon + 1,
                        utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000,
                        log_levels[level].name, module);
    g_string_prepend(message, prefix);
    log_append_context(message, context);
    log_write_line(logger.fd, message);
}

#define LOG_JOURNAL_FIELDS 6

static void log_to_journal(LogLevel level, const char *module, const GString *message,
                           const LogContext *context)
{
    char *fields[LOG_JOURNAL_FIELDS];
    int n = 0;
    fields[n++] = g_strdup(log_levels[level].journal_priority);
    fields[n++] = g_strdup_printf("MESSAGE=%s", message->str);
    fields[n++] = g_strdup_printf("MODULE=%s", module);
    fields[n++] = g_strdup_printf("SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
    if (context->request_id[0])
        fields[n++] = g_strdup_printf("REQUEST_ID=%s", context->request_id);
    if (context->vm_uuid[0])
        fields[n++] = g_strdup_printf("VM_UUID=%s", context->vm_uuid);
    struct iovec iov[LOG_JOURNAL_FIELDS];
    for (int i = 0; i < n; i++)
        iov[i] = (struct iovec){ .iov_base = fields[i], .iov_len = strlen(fields[i]) };
    (void)sd_journal_sendv(iov, n); /* a journal that is gone must not stop the daemon */
    for (int i = 0; i < n; i++)
        g_free(fields[i]);
}

void log_write(LogLevel level, const char *module, const char *format, ...)
{
    if (level >= LOG_LEVEL_COUNT || !log_is_wanted(level, module))
        return;
    int saved = errno;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    GString *message = log_escape(text);
    const LogContext *context = log_context();
    switch (logger.target) {
    case LOG_TARGET_JOURNAL:
        log_to_journal(level, module, message, context);
        break;
    case LOG_TARGET_FILE:
        log_to_file(level, module, message, context);
        break;
    default:
        log_to_stderr(level, module, message, context);
    }
    g_string_free(message, true);
    errno = saved;
}

void log_write_error(LogLevel level, const char *module, const Error *err, const char *what)
{
    if (!err)
        return;
    const char *hint = error_hint_text(err);
    log_write(level, module, "%s: %s [%s]%s%s", what, error_message(err), error_code_name(error_code(err)),
              hint ? "; hint: " : "", hint ? hint : "");
}

void log_context_set_request(const char *request_id)
{
    LogContext *context = log_context();
    g_strlcpy(context->request_id, request_id ? request_id : "", sizeof(context->request_id));
}

void log_context_set_vm(const char *vm_uuid)
{
    LogContext *context = log_context();
    g_strlcpy(context->vm_uuid, vm_uuid ? vm_uuid : "", sizeof(context->vm_uuid));
}
