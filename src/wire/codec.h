/* The generic codec of the wire protocol (XDR): every message is described by a table row, and three
 * functions work on all of them.
 *
 * The C structs and the tables are generated from data/protocol (see gen.py): fields in snake_case, a string
 * is `char *`, an array is a pointer and `n_NAME`, an optional value is a pointer that may be NULL. All
 * memory below a message is owned by it (GLib's allocator); wire_clear() frees it. Each type also has a
 * cleanup function, so `g_auto(WireDomainLookupByNameRet) ret = {0};` works. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

#define WIRE_STRING_MAX 4194304u

typedef uint16_t WireType; /* WIRE_TYPE_... of wire_gen.h; WIRE_TYPE_NONE is the empty payload */

typedef struct WireBytes {
    uint8_t *data;
    uint32_t len;
} WireBytes;

/* A growing output buffer. {0} is empty and valid. */
typedef struct WireBuffer {
    uint8_t *data;
    size_t len;
    size_t allocated;
} WireBuffer;
void wire_buffer_clear(WireBuffer *buffer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireBuffer, wire_buffer_clear)
void wire_buffer_grow(WireBuffer *buffer, size_t len);
/* Makes room for @len more bytes and returns where they start; does not change buffer->len. */
static inline uint8_t *wire_buffer_reserve(WireBuffer *buffer, size_t len)
{
    if (buffer->allocated - buffer->len < len)
        wire_buffer_grow(buffer, len);
    return buffer->data + buffer->len;
}
void wire_buffer_append(WireBuffer *buffer, const void *data, size_t len);

/* Appends @value. ERROR_OVERFLOW if a string or array is longer than the protocol allows, or the result than
 * a frame; the buffer is then as before. A NULL pointer for a string that must be there is sent as "". */
MUST_CHECK bool wire_encode(WireType type, const void *value, WireBuffer *buffer, Error **err);
/* Parts of a message, for what goes out by the thousand. */
void wire_put_u32(WireBuffer *out, uint32_t value);
void wire_put_u64(WireBuffer *out, uint64_t value);
MUST_CHECK bool wire_put_string(WireBuffer *out, const char *text, uint32_t max, Error **err);

/* Fills *ret_value (of the type's size, contents ignored) from @data; the caller clears it. Bytes after the
 * message are ignored, as peers do. ERROR_PROTOCOL if it is short or breaks a limit; *ret_value is then all
 * zero. @ret_used may be NULL. What is allocated is bounded by the bytes present. */
MUST_CHECK bool wire_decode(WireType type, const uint8_t *data, size_t len, void *ret_value, size_t *ret_used,
                            Error **err);

/* Frees what @value holds and zeroes it. */
void wire_clear(WireType type, void *value);

/* sizeof of the C struct; 0 for WIRE_TYPE_NONE. */
size_t wire_type_size(WireType type);

/* ---- the tables; only the codec, the dispatcher and tests look at them ---- */

typedef enum WireKind {
    WIRE_INT32 = 1,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_UINT64,
    WIRE_DOUBLE,
    WIRE_CHAR,   /* 4 bytes on the wire */
    WIRE_UINT8,  /* 4 bytes on the wire */
    WIRE_UINT16, /* 4 bytes on the wire */
    WIRE_STRING,
    WIRE_OPTIONAL_STRING,
    WIRE_OPAQUE_FIXED, /* max bytes in place */
    WIRE_BYTES,
    WIRE_STRUCT,
    WIRE_OPTIONAL_STRUCT,
    WIRE_UNION,
    WIRE_ARRAY,
    WIRE_ARRAY_FIXED, /* max elements in place */
} WireKind;

typedef struct WireField {
    const char *name; /* of the C member */
    uint16_t offset;
    union {
        uint16_t count_offset; /* arrays: where their n_ member is */
        uint16_t when;         /* cases of a union: value of the switch */
    };
    uint8_t kind;
    uint8_t element; /* WireKind of array elements */
    WireType type;   /* of the struct, element or optional value */
    uint32_t max;    /* bytes of a string or opaque, elements of an array */
} WireField;

typedef struct WireTypeInfo {
    uint16_t first_field; /* into wire_fields */
    uint16_t n_fields;
    uint16_t size;
    bool is_union;
    uint32_t min_wire; /* the fewest bytes it takes on the wire */
} WireTypeInfo;

typedef enum WireProcKind {
    WIRE_PROC_CALL,
    WIRE_PROC_STREAM_IN,  /* the call opens a stream towards the server */
    WIRE_PROC_STREAM_OUT, /* ... towards the client */
    WIRE_PROC_EVENT       /* sent by the server on its own; args is the message */
} WireProcKind;

typedef enum WireReadOnlyRule {
    WIRE_READ_ONLY_DENIED,
    WIRE_READ_ONLY_OK,
    WIRE_READ_ONLY_CONDITIONAL /* depends on flags: the dispatcher knows how */
} WireReadOnlyRule;

/* A right that a procedure needs, always or with some arguments: if one of the bits @when is set in the
 * argument at @field, or one of @unless is not; with @equals if it has the value @when. */
typedef struct WireAccess {
    uint8_t object; /* WIRE_ACCESS_* */
    uint8_t perm;   /* WIRE_PERM_* */
    bool equals;
    uint16_t field; /* offset of an int32_t or uint32_t in the arguments */
    uint32_t when, unless;
} WireAccess;

typedef struct WireProc {
    const char *name; /* "domain_create" */
    const char *api;  /* "virDomainCreate"; NULL for events */
    const WireAccess *access;
    WireType args;
    WireType ret;
    uint8_t n_access;
    uint8_t filter;    /* WIRE_PERM_*: a list leaves out objects without this right; 0: none */
    uint8_t kind;      /* WireProcKind */
    uint8_t read_only; /* WireReadOnlyRule */
    bool fds_in;
    bool fds_out;
    bool before_auth;
    bool both_ways; /* stream in both directions */
    bool is_urgent; /* quick, or what ends others: has places of its own */
} WireProc;

typedef struct WireProgram {
    uint32_t id;
    uint32_t version;
    const char *name;
    const WireProc *procs; /* by number; [0] is empty */
    int32_t last_proc;
} WireProgram;

extern const WireField wire_fields[];
extern const WireTypeInfo wire_types[];
extern const char *const wire_access_names[]; /* "storage_pool" */
extern const char *const wire_perm_names[];   /* "read_secure" */
extern const WireProgram wire_programs[];     /* ends with id 0 */

/* NULL if unknown. */
const WireProgram *wire_program_find(uint32_t id);
const WireProc *wire_proc_find(const WireProgram *program, int32_t number);
/* A member of a message by its name. NULL if there is none. */
const WireField *wire_field_find(WireType type, const char *name);
