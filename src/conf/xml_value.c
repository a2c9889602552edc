/* The types of values in XML documents: text to field and back, copies, comparison.
 *
 * Writing numbers does not go through printf: a document of one machine has hundreds of them, and lists of
 * documents are what a busy client asks for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/units.h"
#include "conf/xml_internal.h"

static const uint64_t KIB = 1024;
static const uint64_t MIB = 1024 * 1024;

/* ---- reading ---- */

static bool text_is_blank(const char *text)
{
    while (g_ascii_isspace(*text))
        text++;
    return *text == 0;
}

static bool read_enum(const XmlRow *row, const char *text, void *field, Error **err)
{
    if (enum_from_name(row->names, text, field))
        return true;
    error_set(err, ERROR_XML_INVALID, "'%s' is not a known %s", text, row->names->what);
    g_autoptr(GString) hint = g_string_new("one of");
    for (unsigned i = 0; i < row->names->count; i++) {
        if (row->names->names[i])
            g_string_append_printf(hint, " '%s'", row->names->names[i]);
    }
    return error_hint(err, "%s", hint->str);
}

static bool range_error(const XmlRow *row, const char *text, Error **err)
{
    ErrorCode code = row->bad_code                 ? row->bad_code
                     : row->unit == XML_UNIT_BYTES ? ERROR_OVERFLOW
                                                   : ERROR_XML_INVALID;
    error_set(err, code, "%s is out of range", text);
    if (row->unit != XML_UNIT_NONE)
        return false;
    bool is_signed = row->type == XML_VALUE_S32 || row->type == XML_VALUE_OPT_S64;
    if (is_signed)
        return error_hint(err, "from %" PRId64 " to %" PRId64, (int64_t)row->min, (int64_t)row->max);
    return error_hint(err, "from %" PRIu64 " to %" PRIu64, row->min, row->max);
}

static bool read_number(const XmlRow *row, const char *text, const char *unit_text, uint64_t limit,
                        uint64_t *ret_value, Error **err)
{
    uint64_t value = 0;
    bool ok = row->flags & (ROW_HEX | ROW_ANY_BASE) ? parse_uint_any(text, &value, err)
                                                    : parse_uint(text, &value, err);
    if (!ok) {
        if (err && *err)
            error_recode(*err, ERROR_XML_INVALID);
        return false;
    }
    if (row->unit != XML_UNIT_NONE) {
        uint64_t fallback = row->unit == XML_UNIT_KIB ? KIB : row->unit >= XML_UNIT_PRETTY_MIB ? MIB : 1;
        if (!size_scale(value, unit_text, fallback, &value, err))
            return false;
    }
    bool stands_for_absence = row->flags & ROW_ZERO_OK && value == 0;
    if (value > limit || value > row->max || (value < row->min && !stands_for_absence))
        return range_error(row, text, err);
    *ret_value = value;
    return true;
}

static bool read_signed(const XmlRow *row, const char *text, int64_t min, int64_t max, int64_t *ret_value,
                        Error **err)
{
    int64_t value = 0;
    if (!parse_int(text, &value, err))
        return false;
    if (value < MAX(min, (int64_t)row->min) || value > MIN(max, (int64_t)row->max))
        return range_error(row, text, err);
    *ret_value = value;
    return true;
}

static bool read_by_type(const XmlRow *row, const char *text, const char *unit_text, void *base, Error **err)
{
    void *field = xml_field(row, base);
    uint64_t number = 0;
    int64_t signed_number = 0;
    switch ((XmlValueType)row->type) {
    case XML_VALUE_ENUM:
        return read_enum(row, text, field, err);
    case XML_VALUE_BOOL:
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
            return error_set(err, ERROR_XML_INVALID, "'%s' is neither yes nor no", text);
        *(bool *)field = text[0] == 'y';
        return true;
    case XML_VALUE_U8:
        if (!read_number(row, text, unit_text, UINT8_MAX, &number, err))
            return false;
        *(uint8_t *)field = (uint8_t)number;
        return true;
    case XML_VALUE_U16:
        if (!read_number(row, text, unit_text, UINT16_MAX, &number, err))
            return false;
        *(uint16_t *)field = (uint16_t)number;
        return true;
    case XML_VALUE_U32:
        if (!read_number(row, text, unit_text, UINT32_MAX, &number, err))
            return false;
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case XML_VALUE_U64:
        return read_number(row, text, unit_text, UINT64_MAX, field, err);
    case XML_VALUE_OPT_U32:
        if (!read_number(row, text, unit_text, UINT32_MAX, &number, err))
            return false;
        *(OptU32 *)field = (OptU32){ .value = (uint32_t)number, .is_set = true };
        return true;
    case XML_VALUE_OPT_U64:
        if (!read_number(row, text, unit_text, UINT64_MAX, &number, err))
            return false;
        *(OptU64 *)field = (OptU64){ .value = number, .is_set = true };
        return true;
    case XML_VALUE_S32:
        if (!read_signed(row, text, INT32_MIN, INT32_MAX, &signed_number, err))
            return false;
        *(int32_t *)field = (int32_t)signed_number;
        return true;
    case XML_VALUE_OPT_S64:
        if (!read_signed(row, text, INT64_MIN, INT64_MAX, &signed_number, err))
            return false;
        *(OptS64 *)field = (OptS64){ .value = signed_number, .is_set = true };
        return true;
    case XML_VALUE_UUID:
        return uuid_parse(text, field, err);
    case XML_VALUE_MAC:
        return mac_parse(text, field, err);
    case XML_VALUE_CPUSET:
        return cpuset_parse(text, field, err);
    case XML_VALUE_STRING:
    case XML_VALUE_OTHER:
    case XML_VALUE_NONE:
    case XML_VALUE_POINTER:
        break;
    }
    g_assert_not_reached();
}

bool xml_value_read(const XmlRow *row, const char *text, const char *unit_text, void *base, Error **err)
{
    if (row->type == XML_VALUE_OTHER)
        return row->codec->read(text, base, err);
    if (row->type == XML_VALUE_STRING) {
        char **field = xml_field(row, base);
        g_free(*field);
        *field = *text || row->flags & ROW_KEEP_EMPTY ? g_strdup(text) : NULL;
        return true;
    }
    if (text_is_blank(text))
        return error_set(err, ERROR_XML_INVALID, "the value is empty");
    if (row->type == XML_VALUE_CPUSET)
        xml_value_clear(row, base);
    /* As strtoul() sees it: blanks before a number, none behind it. A name has none at all. */
    const bool has_tail = g_ascii_isspace(text[strlen(text) - 1]);
    if (has_tail && xml_row_is_number(row))
        return error_set(err, row->bad_code ? row->bad_code : ERROR_XML_INVALID,
                         "'%s' has blanks behind the number", text);
    if (row->type == XML_VALUE_ENUM || (!has_tail && !g_ascii_isspace(text[0])))
        return read_by_type(row, text, unit_text, base, err);
    g_autofree char *stripped = g_strstrip(g_strdup(text));
    return read_by_type(row, stripped, unit_text, base, err);
}

/* ---- writing ---- */

bool xml_value_is_set(const XmlRow *row, const void *base)
{
    const void *field = xml_field_const(row, base);
    if (row->flags & ROW_ALWAYS)
        return true;
    switch ((XmlValueType)row->type) {
    case XML_VALUE_STRING:
    case XML_VALUE_CPUSET:
    case XML_VALUE_POINTER:
        return *(void *const *)field != NULL;
    case XML_VALUE_ENUM:
        return row->names->names[*(const uint8_t *)field] != NULL;
    case XML_VALUE_BOOL:
        return *(const bool *)field;
    case XML_VALUE_U8:
        return *(const uint8_t *)field != 0;
    case XML_VALUE_U16:
        return *(const uint16_t *)field != 0;
    case XML_VALUE_U32:
    case XML_VALUE_S32:
        return *(const uint32_t *)field != 0;
    case XML_VALUE_U64:
        return *(const uint64_t *)field != 0;
    case XML_VALUE_OPT_U32:
        return ((const OptU32 *)field)->is_set;
    case XML_VALUE_OPT_U64:
        return ((const OptU64 *)field)->is_set;
    case XML_VALUE_OPT_S64:
        return ((const OptS64 *)field)->is_set;
    case XML_VALUE_UUID:
        return !uuid_is_null(field);
    case XML_VALUE_MAC: {
        static const Mac none;
        return memcmp(field, &none, sizeof(none)) != 0;
    }
    case XML_VALUE_OTHER:
        return true; /* its writer knows */
    case XML_VALUE_NONE:
        break;
    }
    return false;
}

static void append_number(GString *out, uint64_t value, unsigned base, unsigned width)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    do {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while ((size_t)(digits + sizeof(digits) - at) < width)
        *--at = '0';
    xml_append(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void append_signed(GString *out, int64_t value)
{
    if (value < 0)
        xml_append_literal(out, "-");
    append_number(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, 0);
}

static unsigned pretty_shift(uint64_t bytes)
{
    unsigned shift = 0;
    while (shift < 60 && bytes && bytes % (UINT64_C(1) << (shift + 10)) == 0)
        shift += 10;
    return shift;
}

static uint64_t field_number(const XmlRow *row, const void *base)
{
    const void *field = xml_field_const(row, base);
    switch ((XmlValueType)row->type) {
    case XML_VALUE_U8:
        return *(const uint8_t *)field;
    case XML_VALUE_U16:
        return *(const uint16_t *)field;
    case XML_VALUE_U32:
        return *(const uint32_t *)field;
    case XML_VALUE_OPT_U32:
        return ((const OptU32 *)field)->value;
    case XML_VALUE_OPT_U64:
        return ((const OptU64 *)field)->value;
    default:
        return *(const uint64_t *)field;
    }
}

const char *xml_value_unit(const XmlRow *row, const void *base)
{
    static const char *const names[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    switch ((XmlUnit)row->unit) {
    case XML_UNIT_KIB:
        return "KiB";
    case XML_UNIT_PRETTY:
    case XML_UNIT_PRETTY_MIB:
        return names[pretty_shift(field_number(row, base)) / 10];
    case XML_UNIT_M:
        return "M";
    case XML_UNIT_B:
        return "B";
    case XML_UNIT_BYTES:
    case XML_UNIT_NONE:
        break;
    }
    return "bytes";
}

static void append_unsigned(const XmlRow *row, const void *base, GString *out)
{
    uint64_t value = field_number(row, base);
    if (row->unit == XML_UNIT_KIB)
        value = value / KIB + (value % KIB != 0);
    else if (row->unit == XML_UNIT_M)
        value = value / MIB + (value % MIB != 0);
    else if (row->unit == XML_UNIT_PRETTY || row->unit == XML_UNIT_PRETTY_MIB)
        value >>= pretty_shift(value);
    if (row->flags & ROW_HEX) {
        xml_append_literal(out, "0x");
        append_number(out, value, 16, row->width);
    } else {
        append_number(out, value, 10, 0);
    }
}

static void append_mac(GString *out, const Mac *mac)
{
    for (unsigned i = 0; i < 6; i++) {
        if (i)
            xml_append_literal(out, ":");
        append_number(out, mac->bytes[i], 16, 2);
    }
}

bool xml_value_write(const XmlRow *row, const void *base, unsigned flags, GString *out)
{
    const void *field = xml_field_const(row, base);
    if (row->type == XML_VALUE_OTHER)
        return row->codec->write(base, flags, out);
    if (!xml_value_is_set(row, base))
        return false;
    switch ((XmlValueType)row->type) {
    case XML_VALUE_STRING:
        if (row->node == XML_ATTR)
            xml_escape_attribute(*(char *const *)field ?: "", out);
        else
            xml_escape(*(char *const *)field ?: "", out);
        break;
    case XML_VALUE_ENUM: {
        const char *name = enum_name(row->names, *(const uint8_t *)field);
        xml_append(out, name, strlen(name));
        break;
    }
    case XML_VALUE_BOOL:
        g_string_append(out, *(const bool *)field ? "yes" : "no");
        break;
    case XML_VALUE_S32:
        append_signed(out, *(const int32_t *)field);
        break;
    case XML_VALUE_OPT_S64:
        append_signed(out, ((const OptS64 *)field)->value);
        break;
    case XML_VALUE_UUID: {
        char text[UUID_STRING_LEN];
        uuid_format(field, text);
        xml_append(out, text, UUID_STRING_LEN - 1);
        break;
    }
    case XML_VALUE_MAC:
        append_mac(out, field);
        break;
    case XML_VALUE_CPUSET:
        cpuset_format(*(CpuSet *const *)field, out);
        break;
    default:
        append_unsigned(row, base, out);
        break;
    }
    return true;
}

/* ---- memory ---- */

void xml_value_clear(const XmlRow *row, void *base)
{
    void *field = xml_field(row, base);
    if (row->type == XML_VALUE_STRING)
        g_clear_pointer((char **)field, g_free);
    else if (row->type == XML_VALUE_CPUSET)
        g_clear_pointer((CpuSet **)field, cpuset_free);
}

void xml_value_copy(const XmlRow *row, void *dest_base, const void *src_base)
{
    if (row->type == XML_VALUE_STRING) {
        char **dest = xml_field(row, dest_base);
        if (*dest == *(char *const *)xml_field_const(row, src_base))
            *dest = g_strdup(*dest);
    } else if (row->type == XML_VALUE_CPUSET) {
        CpuSet **dest = xml_field(row, dest_base);
        if (*dest == *(CpuSet *const *)xml_field_const(row, src_base))
            *dest = cpuset_copy(*dest);
    }
}

static bool codec_equal(const XmlRow *row, const void *a, const void *b)
{
    g_autoptr(GString) text_a = g_string_new(NULL);
    g_autoptr(GString) text_b = g_string_new(NULL);
    bool set_a = row->codec->write(a, XML_FORMAT_SECURE, text_a);
    bool set_b = row->codec->write(b, XML_FORMAT_SECURE, text_b);
    return set_a == set_b && g_string_equal(text_a, text_b);
}

bool xml_value_equal(const XmlRow *row, const void *a_base, const void *b_base)
{
    const void *a = xml_field_const(row, a_base);
    const void *b = xml_field_const(row, b_base);
    switch ((XmlValueType)row->type) {
    case XML_VALUE_STRING:
        return g_strcmp0(*(char *const *)a, *(char *const *)b) == 0;
    case XML_VALUE_CPUSET:
        return cpuset_equal(*(CpuSet *const *)a, *(CpuSet *const *)b);
    case XML_VALUE_ENUM:
    case XML_VALUE_U8:
        return *(const uint8_t *)a == *(const uint8_t *)b;
    case XML_VALUE_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case XML_VALUE_S32:
        return *(const int32_t *)a == *(const int32_t *)b;
    case XML_VALUE_UUID:
        return memcmp(a, b, sizeof(Uuid)) == 0;
    case XML_VALUE_MAC:
        return memcmp(a, b, sizeof(Mac)) == 0;
    case XML_VALUE_OPT_S64: {
        const OptS64 *x = a, *y = b;
        return x->is_set == y->is_set && (!x->is_set || x->value == y->value);
    }
    case XML_VALUE_OTHER:
        return codec_equal(row, a_base, b_base);
    case XML_VALUE_U16:
    case XML_VALUE_U32:
    case XML_VALUE_U64:
    case XML_VALUE_OPT_U32:
    case XML_VALUE_OPT_U64:
        return xml_value_is_set(row, a_base) == xml_value_is_set(row, b_base) &&
               field_number(row, a_base) == field_number(row, b_base);
    case XML_VALUE_NONE:
    case XML_VALUE_POINTER:
        break;
    }
    return true;
}
