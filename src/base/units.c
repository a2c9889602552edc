/* Numbers, sizes and durations as people write them.
 *
 * strtoull() accepts blanks, signs and wraps negative numbers, so digits are read by hand. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"

#include <inttypes.h>

/* Longer texts are cut in messages: they come from outside. */
#define UNITS_SHOWN 64

static bool units_bad_number(const char *text, Error **err)
{
    if (!text)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a number is missing");
    return error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a valid number", UNITS_SHOWN, text);
}

static int units_digit(char c, unsigned base)
{
    int value = g_ascii_xdigit_value(c);
    return value >= 0 && (unsigned)value < base ? value : -1;
}

/* Reads digits of @base up to @limit. *ret_end is the first byte that is none. */
static bool units_read_digits(const char *text, unsigned base, uint64_t limit, uint64_t *ret_value,
                              const char **ret_end)
{
    uint64_t value = 0;
    const char *at = text;
    for (int digit; (digit = units_digit(*at, base)) >= 0; at++) {
        if (value > (limit - (uint64_t)digit) / base)
            return false;
        value = value * base + (uint64_t)digit;
    }
    if (at == text)
        return false;
    *ret_value = value;
    *ret_end = at;
    return true;
}

static bool units_parse_all(const char *whole, const char *digits, unsigned base, uint64_t *ret_value,
                            Error **err)
{
    uint64_t value;
    const char *end;
    if (!digits || !units_read_digits(digits, base, UINT64_MAX, &value, &end) || *end)
        return units_bad_number(whole, err);
    *ret_value = value;
    return true;
}

static bool units_has_hex_prefix(const char *text)
{
    return text && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

bool parse_uint(const char *text, uint64_t *ret_value, Error **err)
{
    return units_parse_all(text, text, 10, ret_value, err);
}

bool parse_hex(const char *text, uint64_t *ret_value, Error **err)
{
    return units_parse_all(text, units_has_hex_prefix(text) ? text + 2 : text, 16, ret_value, err);
}

bool parse_uint_any(const char *text, uint64_t *ret_value, Error **err)
{
    if (units_has_hex_prefix(text))
        return parse_hex(text, ret_value, err);
    return parse_uint(text, ret_value, err);
}

bool parse_int(const char *text, int64_t *ret_value, Error **err)
{
    bool negative = text && text[0] == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t value;
    const char *end;
    if (!text || !units_read_digits(text + negative, 10, limit, &value, &end) || *end)
        return units_bad_number(text, err);
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

typedef struct SizeUnit {
    const char *name;
    uint64_t bytes;
} SizeUnit;

static const SizeUnit size_units[] = {
    { "b", 1 },
    { "byte", 1 },
    { "bytes", 1 },
    { "KB", UINT64_C(1000) },
    { "k", UINT64_C(1) << 10 },
    { "KiB", UINT64_C(1) << 10 },
    { "MB", UINT64_C(1000000) },
    { "M", UINT64_C(1) << 20 },
    { "MiB", UINT64_C(1) << 20 },
    { "GB", UINT64_C(1000000000) },
    { "G", UINT64_C(1) << 30 },
    { "GiB", UINT64_C(1) << 30 },
    { "TB", UINT64_C(1000000000000) },
    { "T", UINT64_C(1) << 40 },
    { "TiB", UINT64_C(1) << 40 },
    { "PB", UINT64_C(1000000000000000) },
    { "P", UINT64_C(1) << 50 },
    { "PiB", UINT64_C(1) << 50 },
    { "EB", UINT64_C(1000000000000000000) },
    { "E", UINT64_C(1) << 60 },
    { "EiB", UINT64_C(1) << 60 },
};

static bool size_unit_find(const char *unit, uint64_t *ret_bytes, Error **err)
{
    for (size_t i = 0; i < G_N_ELEMENTS(size_units); i++) {
        if (g_ascii_strcasecmp(unit, size_units[i].name) == 0) {
            *ret_bytes = size_units[i].bytes;
            return true;
        }
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "unknown unit '%.*s'", UNITS_SHOWN, unit);
}

bool size_scale(uint64_t number, const char *unit, uint64_t default_unit_bytes, uint64_t *ret_bytes,
                Error **err)
{
    uint64_t factor = default_unit_bytes;
    if (unit && *unit && !size_unit_find(unit, &factor, err))
        return false;
    if (factor != 0 && number > UINT64_MAX / factor)
        return error_set(err, ERROR_OVERFLOW, "size %" PRIu64 " %.*s is too large", number, UNITS_SHOWN,
                         unit && *unit ? unit : "(default unit)");
    *ret_bytes = number * factor;
    return true;
}

bool size_parse(const char *text, uint64_t default_unit_bytes, uint64_t *ret_bytes, Error **err)
{
    uint64_t number;
    const char *unit;
    if (!text || !units_read_digits(text, 10, UINT64_MAX, &number, &unit))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a valid size", UNITS_SHOWN,
                         text ? text : "");
    if (*unit == ' ') /* "4 GiB" is how we print it ourselves */
        unit++;
    if (*unit == '\0' && unit[-1] == ' ')
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a valid size", UNITS_SHOWN, text);
    uint64_t bytes;
    if (!size_scale(number, unit, default_unit_bytes, &bytes, err))
        return error_prefix(err, "size '%.*s'", UNITS_SHOWN, text);
    *ret_bytes = bytes;
    return true;
}

char *size_format(uint64_t bytes)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned step = 0;
    while (step + 1 < G_N_ELEMENTS(names) && bytes >> (10 * (step + 1)) != 0)
        step++;
    if (step == 0)
        return g_strdup_printf("%" PRIu64 " B", bytes);
    /* Hundredths by integers: a double would round 16 EiB - 1 up into a unit that does not exist, and print
     * the locale's decimal point. Cut, not rounded: a size is never shown as more than it is. */
    uint64_t unit = UINT64_C(1) << (10 * step);
    uint64_t whole = bytes / unit;
    uint64_t hundredths = ((bytes % unit) >> (10 * step - 10)) * 100 / 1024;
    return g_strdup_printf("%" PRIu64 ".%02" PRIu64 " %s", whole, hundredths, names[step]);
}

char *duration_format(uint64_t ms)
{
    if (ms < 1000)
        return g_strdup_printf("%" PRIu64 " ms", ms);
    uint64_t seconds = ms / 1000;
    if (seconds < 10)
        return g_strdup_printf("%" PRIu64 ".%" PRIu64 "s", seconds, ms % 1000 / 100);
    if (seconds < 60)
        return g_strdup_printf("%" PRIu64 "s", seconds);
    if (seconds < 3600)
        return g_strdup_printf("%" PRIu64 "m %" PRIu64 "s", seconds / 60, seconds % 60);
    if (seconds < 86400)
        return g_strdup_printf("%" PRIu64 "h %" PRIu64 "m", seconds / 3600, seconds % 3600 / 60);
    return g_strdup_printf("%" PRIu64 "d %" PRIu64 "h", seconds / 86400, seconds % 86400 / 3600);
}
