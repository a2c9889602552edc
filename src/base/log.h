/* Logging: error = someone must act; warning = we coped, but not as asked; info = an object changed state;
 * debug = to follow one request. Structured: fields VM_UUID, REQUEST_ID, MODULE go to the journal; to stderr
 * and files they are appended. User-supplied text is escaped; secrets are never logged. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

typedef enum LogLevel {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_COUNT
} LogLevel;
typedef enum LogTarget { LOG_TARGET_STDERR, LOG_TARGET_JOURNAL, LOG_TARGET_FILE, LOG_TARGET_COUNT } LogTarget;

/* @path for LOG_TARGET_FILE only. Falls back to stderr, with a warning. */
void log_open(LogTarget target, const char *path, LogLevel lowest);
void log_set_level(LogLevel lowest);
/* Levels of single modules: "1:qemu 3:rpc", 1 (debug) to 4 (errors) and a part of the module's name; NULL or
 * "": none. ERROR_INVALID_ARGUMENT: another form; what was set before stays. */
MUST_CHECK bool log_set_filters(const char *text, Error **err);
char *log_format_filters(unsigned *ret_count); /* as other daemons show them; owned, "" if there are none */
void log_close(void);
bool log_is_enabled(LogLevel level); /* to skip the work of making a long message */

/* REQUEST_ID and VM_UUID of all lines that the current fiber writes from now on (outside of fibers: of all
 * lines written there). A fiber starts with those of the one that spawned it. Copied; NULL removes it. The
 * texts come from us (a number, a formatted UUID): they are not escaped. */
void log_context_set_request(const char *request_id);
void log_context_set_vm(const char *vm_uuid);

PRINTF(3, 4) void log_write(LogLevel level, const char *module, const char *format, ...);

/* Each .c says `#define LOG_MODULE "qmp"` before its includes. */
#ifndef LOG_MODULE
#define LOG_MODULE "lodge"
#endif
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, LOG_MODULE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, LOG_MODULE, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, LOG_MODULE, __VA_ARGS__)
/* Writes an error that nobody is left to return to. */
void log_write_error(LogLevel level, const char *module, const Error *err, const char *what);
#define log_warning_error(err, what) log_write_error(LOG_LEVEL_WARNING, LOG_MODULE, err, what)
#define log_error_error(err, what) log_write_error(LOG_LEVEL_ERROR, LOG_MODULE, err, what)
