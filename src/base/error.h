/* Errors as values: a code for programs, a message for people, a hint what to do next.
 *
 * Every function that can fail returns bool (or a pointer) and takes `Error **err` last. Success leaves *err
 * alone; failure sets it exactly once and touches no output. A caller that cannot act passes it up. @err may
 * be NULL where the caller only wants to know that it failed. Codes are mapped to wire numbers, HTTP statuses
 * and exit codes by the front ends alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/macros.h"

typedef enum ErrorCode {
    ERROR_NONE = 0,
    ERROR_INTERNAL,      /* a bug in Lodge, or an answer of QEMU that makes no sense */
    ERROR_NOT_SUPPORTED, /* the whole operation is unknown to this daemon; clients fall back to older ones */
    ERROR_INVALID_ARGUMENT, /* unknown flag, value out of range, contradictory options */
    ERROR_OPERATION_FAILED, /* refused by a rule of ours: name in use, console busy */
    ERROR_REFUSED,          /* QEMU (or another program) said no; the message carries its words */
    ERROR_DENIED,           /* read-only connection, or secrets asked for without the right to */
    ERROR_ACCESS_DENIED,    /* access control said no */
    ERROR_AUTH_FAILED,
    ERROR_AUTH_CANCELLED,
    ERROR_AUTH_UNAVAILABLE,
    ERROR_NO_CONNECT,         /* no such host URI */
    ERROR_XML_SYNTAX,         /* not well-formed; the message has file or (domain_definition):line: */
    ERROR_XML_INVALID,        /* well-formed, but what it says is wrong */
    ERROR_XML_SCHEMA,         /* refused by schema validation */
    ERROR_OS_TYPE,            /* unknown os type, machine or architecture */
    ERROR_CONFIG_UNSUPPORTED, /* known configuration that this host or QEMU cannot do */
    ERROR_ARGUMENT_UNSUPPORTED,
    ERROR_OPERATION_UNSUPPORTED, /* possible in general, not for this object */
    ERROR_INVALID_STATE,         /* "domain is not running" and the like */
    ERROR_SYSTEM,                /* a system call failed; error_errno() tells which way */
    ERROR_TIMEOUT,               /* a deadline passed; what was asked may still take effect */
    ERROR_CANCELLED,             /* the client left, or someone aborted the job */
    ERROR_VM_GONE,               /* QEMU closed the connection or exited */
    ERROR_BUSY,                  /* resource held by another job; the message says by which */
    ERROR_OVERFLOW,
    ERROR_NO_DOMAIN,
    ERROR_NO_DOMAIN_METADATA,
    ERROR_NO_NETWORK,
    ERROR_NO_STORAGE_POOL,
    ERROR_NO_STORAGE_VOL,
    ERROR_NO_INTERFACE,
    ERROR_NO_NODE_DEVICE,
    ERROR_NO_NWFILTER,
    ERROR_NO_SECRET,
    ERROR_NO_SNAPSHOT,
    ERROR_NO_CHECKPOINT,
    ERROR_NO_BACKUP,               /* no backup of the machine runs */
    ERROR_CHECKPOINT_INCONSISTENT, /* what changed since it is not known: a full backup is due */
    ERROR_AGENT_UNRESPONSIVE,      /* the guest agent is configured but does not answer */
    ERROR_CPU_INCOMPATIBLE,
    ERROR_HOOK_FAILED, /* a hook script refused the operation */
    ERROR_DEVICE_MISSING,
    ERROR_STREAM_INVALID,
    ERROR_PROTOCOL,      /* a peer broke the wire protocol */
    ERROR_CONFIG_SYNTAX, /* configuration file: the message has file and line */
    ERROR_NO_HOSTNAME,
    ERROR_NO_NAME,        /* a document without the name of its object */
    ERROR_NO_SOURCE,      /* a device without the place on the host that it needs */
    ERROR_NO_TARGET,      /* a device without its name in the guest */
    ERROR_INVALID_SECRET, /* its value is not for everybody */
    ERROR_POOL_BUILT,     /* what is to be made is there already */
    ERROR_PROBE_FAILED,   /* a device that cannot be looked into */
    ERROR_VOLUME_EXISTS,  /* the message is its name */
    ERROR_MIGRATE_UNSAFE,
    ERROR_SNAPSHOT_RISKY,
    ERROR_BLOCK_COPY_ACTIVE, /* a block job is not done, or not as far */
    ERROR_CODE_COUNT
} ErrorCode;

typedef struct Error Error;

/* All builders return false, so that `return error_set(...)` is one line. */
PRINTF(3, 4) bool error_set(Error **err, ErrorCode code, const char *format, ...);

/* ERROR_SYSTEM with ": strerror" appended. Call at once: errno does not survive an await. @errnum positive.
 */
PRINTF(3, 4) bool error_set_errno(Error **err, int errnum, const char *format, ...);

/* Puts "text: " in front of the message. */
PRINTF(2, 3) bool error_prefix(Error **err, const char *format, ...);

/* What to do about it; replaces an earlier hint. */
PRINTF(2, 3) bool error_hint(Error **err, const char *format, ...);

/* Moves @src (owned, may be NULL only if @dest is NULL too) into *@dest. */
bool error_propagate(Error **dest, Error *src);

/* Changes the code and keeps the text, where a caller knows better what the failure means. */
void error_recode(Error *err, ErrorCode code);

ErrorCode error_code(const Error *err);        /* ERROR_NONE for NULL */
const char *error_message(const Error *err);   /* borrowed; "" for NULL */
const char *error_hint_text(const Error *err); /* borrowed; NULL if there is none */
int error_errno(const Error *err);             /* 0 unless ERROR_SYSTEM */
/* Numbers that a remote daemon gave with the error, kept for programs that branch on them. 0: a local error.
 */
void error_set_remote(Error *err, int code, int domain);
int error_remote_code(const Error *err);
int error_remote_domain(const Error *err);
/* The name that the program which refused (ERROR_REFUSED) has for this kind of refusal: QEMU's
 * "DeviceNotFound", "GenericError" ... NULL: it gave none. */
void error_set_class(Error *err, const char *class); /* of NULL: nothing */
const char *error_class(const Error *err);           /* borrowed */
const char *error_code_name(ErrorCode code);         /* "no-domain"; for logs and JSON */

Error *error_new(ErrorCode code, const char *message);
Error *error_copy(const Error *err);
void error_free(Error *err); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)
