/* Encoding, decoding and freeing of all messages, driven by the generated tables.
 *
 * Types never contain themselves, so recursion is bounded by the tables (depth 5). An array's memory is
 * allocated only after its element count was checked against the bytes that are left: a count that the frame
 * cannot hold costs nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/codec.h"

#include <string.h>

#include "wire/frame.h"
#include "wire/wire_gen.h"

typedef struct Reader {
    const uint8_t *at;
    size_t left;
} Reader;

void wire_buffer_clear(WireBuffer *buffer)
{
    g_free(buffer->data);
    *buffer = (WireBuffer){ 0 };
}

void wire_buffer_grow(WireBuffer *buffer, size_t len)
{
    size_t want = MAX(buffer->len + len, buffer->allocated * 2);

    buffer->allocated = MAX(want, 256);
    buffer->data = g_realloc(buffer->data, buffer->allocated);
}

void wire_buffer_append(WireBuffer *buffer, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(wire_buffer_reserve(buffer, len), data, len);
    buffer->len += len;
}

static size_t wire_padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static size_t wire_primitive_size(WireKind kind)
{
    switch (kind) {
    case WIRE_INT64:
    case WIRE_UINT64:
    case WIRE_DOUBLE:
        return 8;
    case WIRE_INT32:
    case WIRE_UINT32:
        return 4;
    case WIRE_UINT16:
        return 2;
    case WIRE_CHAR:
    case WIRE_UINT8:
        return 1;
    default:
        return 0;
    }
}

size_t wire_type_size(WireType type)
{
    return wire_types[type].size;
}

static size_t wire_element_size(const WireField *field)
{
    if (field->element == WIRE_STRING)
        return sizeof(char *);
    if (field->element == WIRE_STRUCT)
        return wire_types[field->type].size;
    return wire_primitive_size(field->element);
}

/* ---- encode ---- */

void wire_put_u32(WireBuffer *out, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(wire_buffer_reserve(out, 4), &value, 4);
    out->len += 4;
}

void wire_put_u64(WireBuffer *out, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(wire_buffer_reserve(out, 8), &value, 8);
    out->len += 8;
}

static bool put_opaque(WireBuffer *out, const void *data, size_t len, uint32_t max, Error **err)
{
    if (len > max)
        return error_set(err, ERROR_OVERFLOW, "a value of %zu bytes exceeds the %u that the protocol allows",
                         len, max);
    size_t padded = wire_padded(len);
    uint8_t *at = wire_buffer_reserve(out, 4 + padded);
    uint32_t count = GUINT32_TO_BE((uint32_t)len);
    memset(at + padded, 0, 4); /* the last word: its end is the padding */
    memcpy(at, &count, 4);
    if (len > 0)
        memcpy(at + 4, data, len);
    out->len += 4 + padded;
    return true;
}

static void put_primitive(WireBuffer *out, WireKind kind, const uint8_t *from)
{
    uint64_t wide;
    uint32_t word;
    uint16_t half;

    switch (kind) {
    case WIRE_INT64:
    case WIRE_UINT64:
    case WIRE_DOUBLE:
        memcpy(&wide, from, 8);
        wire_put_u64(out, wide);
        return;
    case WIRE_UINT16:
        memcpy(&half, from, 2);
        wire_put_u32(out, half);
        return;
    case WIRE_CHAR: /* sign-extended, as peers do */
        wire_put_u32(out, (uint32_t)(int32_t)(signed char)*from);
        return;
    case WIRE_UINT8:
        wire_put_u32(out, *from);
        return;
    default:
        memcpy(&word, from, 4);
        wire_put_u32(out, word);
        return;
    }
}

static bool put_type(WireType type, const uint8_t *value, WireBuffer *out, Error **err);

bool wire_put_string(WireBuffer *out, const char *text, uint32_t max, Error **err)
{
    return put_opaque(out, text, text ? strlen(text) : 0, max, err);
}

static bool put_elements(const WireField *field, const uint8_t *from, size_t count, WireBuffer *out,
                         Error **err)
{
    size_t step = wire_element_size(field);

    for (size_t i = 0; i < count; i++, from += step) {
        if (field->element == WIRE_STRUCT) {
            if (!put_type(field->type, from, out, err))
                return false;
        } else if (field->element == WIRE_STRING) {
            if (!wire_put_string(out, *(char *const *)(const void *)from, WIRE_STRING_MAX, err))
                return false;
        } else {
            put_primitive(out, field->element, from);
        }
    }
    return true;
}

static bool put_array(const WireField *field, const uint8_t *base, WireBuffer *out, Error **err)
{
    const uint8_t *elements = *(uint8_t *const *)(const void *)(base + field->offset);
    uint32_t count = *(const uint32_t *)(const void *)(base + field->count_offset);

    if (count > field->max)
        return error_set(err, ERROR_OVERFLOW, "a list of %u entries exceeds the %u that the protocol allows",
                         count, field->max);
    wire_put_u32(out, count);
    return put_elements(field, elements, count, out, err);
}

static bool put_field(const WireField *field, const uint8_t *base, WireBuffer *out, Error **err)
{
    const uint8_t *at = base + field->offset;
    const void *pointer;
    const WireBytes *bytes;

    switch ((WireKind)field->kind) {
    case WIRE_STRING:
        return wire_put_string(out, *(char *const *)(const void *)at, field->max, err);
    case WIRE_OPTIONAL_STRING:
        pointer = *(void *const *)(const void *)at;
        wire_put_u32(out, pointer != NULL);
        return !pointer || wire_put_string(out, pointer, field->max, err);
    case WIRE_OPAQUE_FIXED: /* all are multiples of 4 */
        wire_buffer_append(out, at, field->max);
        return true;
    case WIRE_BYTES:
        bytes = (const void *)at;
        return put_opaque(out, bytes->data, bytes->len, field->max, err);
    case WIRE_STRUCT:
    case WIRE_UNION:
        return put_type(field->type, at, out, err);
    case WIRE_OPTIONAL_STRUCT:
        pointer = *(void *const *)(const void *)at;
        wire_put_u32(out, pointer != NULL);
        return !pointer || put_type(field->type, pointer, out, err);
    case WIRE_ARRAY:
        return put_array(field, base, out, err);
    case WIRE_ARRAY_FIXED:
        return put_elements(field, at, field->max, out, err);
    default:
        put_primitive(out, field->kind, at);
        return true;
    }
}

static const WireField *wire_union_case(const WireTypeInfo *info, int32_t type)
{
    for (size_t i = 0; i < info->n_fields; i++) {
        if (wire_fields[info->first_field + i].when == type)
            return &wire_fields[info->first_field + i];
    }
    return NULL;
}

static bool put_type(WireType type, const uint8_t *value, WireBuffer *out, Error **err)
{
    const WireTypeInfo *info = &wire_types[type];

    if (info->is_union) {
        int32_t which = *(const int32_t *)(const void *)value;
        const WireField *field = wire_union_case(info, which);
        if (!field)
            return error_set(err, ERROR_INTERNAL, "a parameter has the unknown type %d", which);
        wire_put_u32(out, (uint32_t)which);
        return put_field(field, value, out, err);
    }
    for (size_t i = 0; i < info->n_fields; i++) {
        if (!put_field(&wire_fields[info->first_field + i], value, out, err))
            return false;
    }
    return true;
}

bool wire_encode(WireType type, const void *value, WireBuffer *buffer, Error **err)
{
    size_t start = buffer->len;

    if (type == WIRE_TYPE_NONE)
        return true;
    if (!put_type(type, value, buffer, err)) {
        buffer->len = start;
        return false;
    }
    if (buffer->len - start > WIRE_PAYLOAD_MAX) {
        size_t len = buffer->len - start;
        buffer->len = start;
        return error_set(err, ERROR_OVERFLOW,
                         "a message of %zu bytes exceeds the %u that the protocol allows", len,
                         WIRE_PAYLOAD_MAX);
    }
    return true;
}

/* ---- decode ---- */

static bool get_short(Error **err)
{
    return error_set(err, ERROR_PROTOCOL, "the message ends early");
}

static bool get_u32(Reader *in, uint32_t *ret_value, Error **err)
{
    if (in->left < 4)
        return get_short(err);
    uint32_t value;
    memcpy(&value, in->at, 4);
    *ret_value = GUINT32_FROM_BE(value);
    in->at += 4;
    in->left -= 4;
    return true;
}

static bool get_primitive(Reader *in, WireKind kind, uint8_t *to, Error **err)
{
    uint32_t word = 0;
    uint64_t wide;
    uint16_t half;

    if (wire_primitive_size(kind) == 8) {
        if (in->left < 8)
            return get_short(err);
        memcpy(&wide, in->at, 8);
        wide = GUINT64_FROM_BE(wide);
        memcpy(to, &wide, 8);
        in->at += 8;
        in->left -= 8;
        return true;
    }
    if (!get_u32(in, &word, err))
        return false;
    switch (kind) {
    case WIRE_UINT16:
        half = (uint16_t)word;
        memcpy(to, &half, 2);
        return true;
    case WIRE_CHAR:
    case WIRE_UINT8:
        *to = (uint8_t)word;
        return true;
    default:
        memcpy(to, &word, 4);
        return true;
    }
}

/* A counted run of bytes with its padding; *ret_data points into the input. */
static bool get_opaque(Reader *in, uint32_t max, const uint8_t **ret_data, uint32_t *ret_len, Error **err)
{
    uint32_t len = 0;

    if (!get_u32(in, &len, err))
        return false;
    if (len > max)
        return error_set(err, ERROR_PROTOCOL, "a value of %u bytes exceeds the %u that the protocol allows",
                         len, max);
    if (wire_padded(len) > in->left)
        return get_short(err);
    *ret_data = in->at;
    *ret_len = len;
    in->at += wire_padded(len);
    in->left -= wire_padded(len);
    return true;
}

static bool get_string(Reader *in, uint32_t max, char **ret_text, Error **err)
{
    const uint8_t *data = NULL;
    uint32_t len = 0;

    if (!get_opaque(in, max, &data, &len, err))
        return false;
    *ret_text = g_strndup((const char *)data, len);
    return true;
}

static bool get_type(WireType type, Reader *in, uint8_t *value, Error **err);

static bool get_elements(const WireField *field, Reader *in, uint8_t *to, size_t count, Error **err)
{
    size_t step = wire_element_size(field);

    for (size_t i = 0; i < count; i++, to += step) {
        bool ok;
        if (field->element == WIRE_STRUCT)
            ok = get_type(field->type, in, to, err);
        else if (field->element == WIRE_STRING)
            ok = get_string(in, WIRE_STRING_MAX, (char **)(void *)to, err);
        else
            ok = get_primitive(in, field->element, to, err);
        if (!ok)
            return false;
    }
    return true;
}

static size_t wire_element_min(const WireField *field)
{
    if (field->element == WIRE_STRUCT)
        return wire_types[field->type].min_wire;
    return wire_primitive_size(field->element) == 8 ? 8 : 4;
}

static bool get_array(const WireField *field, Reader *in, uint8_t *base, Error **err)
{
    uint32_t count = 0;

    if (!get_u32(in, &count, err))
        return false;
    if (count > field->max)
        return error_set(err, ERROR_PROTOCOL, "a list of %u entries exceeds the %u that the protocol allows",
                         count, field->max);
    if ((uint64_t)count * wire_element_min(field) > in->left)
        return get_short(err);
    if (count == 0)
        return true;
    /* The count is stored before the elements are read, so that a failure halfway frees what was read. */
    uint8_t *elements = g_malloc0_n(count, wire_element_size(field));
    *(uint8_t **)(void *)(base + field->offset) = elements;
    *(uint32_t *)(void *)(base + field->count_offset) = count;
    return get_elements(field, in, elements, count, err);
}

/* Any number but 0 says that the value follows: some peers write their native true in another byte order. */
static bool get_present(Reader *in, bool *ret_present, Error **err)
{
    uint32_t present = 0;

    if (!get_u32(in, &present, err))
        return false;
    *ret_present = present != 0;
    return true;
}

static bool get_bytes(const WireField *field, Reader *in, WireBytes *ret_bytes, Error **err)
{
    const uint8_t *data = NULL;
    uint32_t len = 0;

    if (!get_opaque(in, field->max, &data, &len, err))
        return false;
    ret_bytes->data = len ? g_memdup2(data, len) : NULL;
    ret_bytes->len = len;
    return true;
}

static bool get_field(const WireField *field, Reader *in, uint8_t *base, Error **err)
{
    uint8_t *at = base + field->offset;
    bool present = false;

    switch ((WireKind)field->kind) {
    case WIRE_STRING:
        return get_string(in, field->max, (char **)(void *)at, err);
    case WIRE_OPTIONAL_STRING:
        if (!get_present(in, &present, err))
            return false;
        return !present || get_string(in, field->max, (char **)(void *)at, err);
    case WIRE_OPAQUE_FIXED:
        if (in->left < field->max)
            return get_short(err);
        memcpy(at, in->at, field->max);
        in->at += field->max;
        in->left -= field->max;
        return true;
    case WIRE_BYTES:
        return get_bytes(field, in, (WireBytes *)(void *)at, err);
    case WIRE_STRUCT:
    case WIRE_UNION:
        return get_type(field->type, in, at, err);
    case WIRE_OPTIONAL_STRUCT:
        if (!get_present(in, &present, err))
            return false;
        if (!present)
            return true;
        *(void **)(void *)at = g_malloc0(wire_types[field->type].size);
        return get_type(field->type, in, *(void **)(void *)at, err);
    case WIRE_ARRAY:
        return get_array(field, in, base, err);
    case WIRE_ARRAY_FIXED:
        return get_elements(field, in, at, field->max, err);
    default:
        return get_primitive(in, field->kind, at, err);
    }
}

static bool get_type(WireType type, Reader *in, uint8_t *value, Error **err)
{
    const WireTypeInfo *info = &wire_types[type];

    if (info->is_union) {
        uint32_t which = 0;
        if (!get_u32(in, &which, err))
            return false;
        const WireField *field = which <= INT32_MAX ? wire_union_case(info, (int32_t)which) : NULL;
        if (!field)
            return error_set(err, ERROR_PROTOCOL, "a parameter has the unknown type %u", which);
        *(int32_t *)(void *)value = (int32_t)which;
        return get_field(field, in, value, err);
    }
    for (size_t i = 0; i < info->n_fields; i++) {
        if (!get_field(&wire_fields[info->first_field + i], in, value, err))
            return false;
    }
    return true;
}

bool wire_decode(WireType type, const uint8_t *data, size_t len, void *ret_value, size_t *ret_used,
                 Error **err)
{
    Reader in = { .at = data, .left = len };

    if (type != WIRE_TYPE_NONE) {
        memset(ret_value, 0, wire_types[type].size);
        if (!get_type(type, &in, ret_value, err)) {
            wire_clear(type, ret_value);
            return false;
        }
    }
    if (ret_used)
        *ret_used = len - in.left;
    return true;
}

/* ---- free ---- */

static void clear_type(WireType type, uint8_t *value);

static void clear_elements(const WireField *field, uint8_t *elements, size_t count)
{
    size_t step = wire_element_size(field);

    for (size_t i = 0; i < count; i++, elements += step) {
        if (field->element == WIRE_STRUCT)
            clear_type(field->type, elements);
        else if (field->element == WIRE_STRING)
            g_free(*(char **)(void *)elements);
    }
}

static void clear_field(const WireField *field, uint8_t *base)
{
    uint8_t *at = base + field->offset;
    uint8_t *pointer;

    switch ((WireKind)field->kind) {
    case WIRE_STRING:
    case WIRE_OPTIONAL_STRING:
        g_free(*(char **)(void *)at);
        return;
    case WIRE_BYTES:
        g_free(((WireBytes *)(void *)at)->data);
        return;
    case WIRE_STRUCT:
    case WIRE_UNION:
        clear_type(field->type, at);
        return;
    case WIRE_OPTIONAL_STRUCT:
        pointer = *(uint8_t **)(void *)at;
        if (pointer)
            clear_type(field->type, pointer);
        g_free(pointer);
        return;
    case WIRE_ARRAY:
        pointer = *(uint8_t **)(void *)at;
        if (pointer)
            clear_elements(field, pointer, *(uint32_t *)(void *)(base + field->count_offset));
        g_free(pointer);
        return;
    default:
        return;
    }
}

static void clear_type(WireType type, uint8_t *value)
{
    const WireTypeInfo *info = &wire_types[type];

    if (info->is_union) {
        const WireField *field = wire_union_case(info, *(int32_t *)(void *)value);
        if (field)
            clear_field(field, value);
        return;
    }
    for (size_t i = 0; i < info->n_fields; i++)
        clear_field(&wire_fields[info->first_field + i], value);
}

void wire_clear(WireType type, void *value)
{
    if (type == WIRE_TYPE_NONE)
        return;
    clear_type(type, value);
    memset(value, 0, wire_types[type].size);
}

/* ---- programs ---- */

const WireProgram *wire_program_find(uint32_t id)
{
    for (const WireProgram *program = wire_programs; program->id; program++) {
        if (program->id == id)
            return program;
    }
    return NULL;
}

const WireProc *wire_proc_find(const WireProgram *program, int32_t number)
{
    if (number < 1 || number > program->last_proc || !program->procs[number].name)
        return NULL;
    return program->procs[number].name ? &program->procs[number] : NULL; /* numbers may have gaps */
}

const WireField *wire_field_find(WireType type, const char *name)
{
    const WireTypeInfo *info = &wire_types[type];
    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        if (strcmp(field->name, name) == 0)
            return field;
    }
    return NULL;
}
