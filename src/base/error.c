/* Errors as values. One allocation each for the struct and its texts; they only exist on failure paths, so
 * nothing here is tuned. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdarg.h>

struct Error {
    ErrorCode code;
    int errnum;
    int remote_code;
    int remote_domain;
    char *message;
    char *hint;
    char *class;
};

static const char *const error_code_names[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = "none",
    [ERROR_INTERNAL] = "internal",
    [ERROR_NOT_SUPPORTED] = "not-supported",
    [ERROR_INVALID_ARGUMENT] = "invalid-argument",
    [ERROR_OPERATION_FAILED] = "operation-failed",
    [ERROR_REFUSED] = "refused",
    [ERROR_DENIED] = "denied",
    [ERROR_ACCESS_DENIED] = "access-denied",
    [ERROR_AUTH_FAILED] = "auth-failed",
    [ERROR_AUTH_CANCELLED] = "auth-cancelled",
    [ERROR_AUTH_UNAVAILABLE] = "auth-unavailable",
    [ERROR_NO_CONNECT] = "no-connect",
    [ERROR_XML_SYNTAX] = "xml-syntax",
    [ERROR_XML_INVALID] = "xml-invalid",
    [ERROR_XML_SCHEMA] = "xml-schema",
    [ERROR_OS_TYPE] = "os-type",
    [ERROR_CONFIG_UNSUPPORTED] = "config-unsupported",
    [ERROR_ARGUMENT_UNSUPPORTED] = "argument-unsupported",
    [ERROR_OPERATION_UNSUPPORTED] = "operation-unsupported",
    [ERROR_INVALID_STATE] = "invalid-state",
    [ERROR_SYSTEM] = "system",
    [ERROR_TIMEOUT] = "timeout",
    [ERROR_CANCELLED] = "cancelled",
    [ERROR_VM_GONE] = "vm-gone",
    [ERROR_BUSY] = "busy",
    [ERROR_OVERFLOW] = "overflow",
    [ERROR_NO_DOMAIN] = "no-domain",
    [ERROR_NO_DOMAIN_METADATA] = "no-domain-metadata",
    [ERROR_NO_NETWORK] = "no-network",
    [ERROR_NO_STORAGE_POOL] = "no-storage-pool",
    [ERROR_NO_STORAGE_VOL] = "no-storage-vol",
    [ERROR_NO_INTERFACE] = "no-interface",
    [ERROR_NO_NODE_DEVICE] = "no-node-device",
    [ERROR_NO_NWFILTER] = "no-nwfilter",
    [ERROR_INVALID_SECRET] = "invalid-secret",
    [ERROR_POOL_BUILT] = "pool-built",
    [ERROR_PROBE_FAILED] = "probe-failed",
    [ERROR_VOLUME_EXISTS] = "volume-exists",
    [ERROR_NO_SECRET] = "no-secret",
    [ERROR_NO_SNAPSHOT] = "no-snapshot",
    [ERROR_NO_CHECKPOINT] = "no-checkpoint",
    [ERROR_NO_BACKUP] = "no-backup",
    [ERROR_CHECKPOINT_INCONSISTENT] = "checkpoint-inconsistent",
    [ERROR_AGENT_UNRESPONSIVE] = "agent-unresponsive",
    [ERROR_CPU_INCOMPATIBLE] = "cpu-incompatible",
    [ERROR_HOOK_FAILED] = "hook-failed",
    [ERROR_DEVICE_MISSING] = "device-missing",
    [ERROR_STREAM_INVALID] = "stream-invalid",
    [ERROR_PROTOCOL] = "protocol",
    [ERROR_CONFIG_SYNTAX] = "config-syntax",
    [ERROR_NO_HOSTNAME] = "no-hostname",
    [ERROR_NO_NAME] = "no-name",
    [ERROR_NO_SOURCE] = "no-source",
    [ERROR_NO_TARGET] = "no-target",
    [ERROR_MIGRATE_UNSAFE] = "migrate-unsafe",
    [ERROR_SNAPSHOT_RISKY] = "snapshot-risky",
    [ERROR_BLOCK_COPY_ACTIVE] = "block-copy-active",
};

/* Takes @message. An error is set exactly once: a second one would hide the cause, so it is a bug. */
static bool error_store(Error **err, ErrorCode code, int errnum, char *message)
{
    if (!err) {
        g_free(message);
        return false;
    }
    g_assert(*err == NULL);
    Error *made = g_new0(Error, 1);
    made->code = code;
    made->errnum = errnum;
    made->message = message;
    *err = made;
    return false;
}

bool error_set(Error **err, ErrorCode code, const char *format, ...)
{
    g_assert(code > ERROR_NONE && code < ERROR_CODE_COUNT);
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    char *message = g_strdup_vprintf(format, args);
    va_end(args);
    return error_store(err, code, 0, message);
}

bool error_set_errno(Error **err, int errnum, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    return error_store(err, ERROR_SYSTEM, errnum, g_strdup_printf("%s: %s", what, g_strerror(errnum)));
}

bool error_prefix(Error **err, const char *format, ...)
{
    if (!err || !*err)
        return false;
    va_list args;
    va_start(args, format);
    g_autofree char *prefix = g_strdup_vprintf(format, args);
    va_end(args);
    char *joined = g_strdup_printf("%s: %s", prefix, (*err)->message);
    g_free((*err)->message);
    (*err)->message = joined;
    return false;
}

bool error_hint(Error **err, const char *format, ...)
{
    if (!err || !*err)
        return false;
    va_list args;
    va_start(args, format);
    char *hint = g_strdup_vprintf(format, args); /* before the free: an argument may be the old hint */
    va_end(args);
    g_free((*err)->hint);
    (*err)->hint = g_strchomp(hint); /* what a program said ends its line */
    return false;
}

bool error_propagate(Error **dest, Error *src)
{
    if (!dest) {
        error_free(src);
        return false;
    }
    g_assert(src != NULL && *dest == NULL);
    *dest = src;
    return false;
}

void error_recode(Error *err, ErrorCode code)
{
    if (!err)
        return;
    g_assert(code > ERROR_NONE && code < ERROR_CODE_COUNT);
    err->code = code;
    if (code != ERROR_SYSTEM)
        err->errnum = 0;
}

ErrorCode error_code(const Error *err)
{
    return err ? err->code : ERROR_NONE;
}

const char *error_message(const Error *err)
{
    return err ? err->message : "";
}

const char *error_hint_text(const Error *err)
{
    return err ? err->hint : NULL;
}

int error_errno(const Error *err)
{
    return err ? err->errnum : 0;
}

void error_set_remote(Error *err, int code, int domain)
{
    err->remote_code = code;
    err->remote_domain = domain;
}

void error_set_class(Error *err, const char *class)
{
    if (!err)
        return;
    g_free(err->class);
    err->class = g_strdup(class);
}

const char *error_class(const Error *err)
{
    return err ? err->class : NULL;
}

int error_remote_code(const Error *err)
{
    return err ? err->remote_code : 0;
}

int error_remote_domain(const Error *err)
{
    return err ? err->remote_domain : 0;
}

const char *error_code_name(ErrorCode code)
{
    if ((unsigned)code >= ERROR_CODE_COUNT)
        return "unknown";
    return error_code_names[code];
}

Error *error_new(ErrorCode code, const char *message)
{
    Error *made = NULL;
    error_set(&made, code, "%s", message);
    return made;
}

Error *error_copy(const Error *err)
{
    if (!err)
        return NULL;
    Error *copy = g_new0(Error, 1);
    copy->code = err->code;
    copy->errnum = err->errnum;
    copy->remote_code = err->remote_code;
    copy->remote_domain = err->remote_domain;
    copy->message = g_strdup(err->message);
    copy->hint = g_strdup(err->hint);
    copy->class = g_strdup(err->class);
    return copy;
}

void error_free(Error *err)
{
    if (!err)
        return;
    g_free(err->message);
    g_free(err->hint);
    g_free(err->class);
    g_free(err);
}
