/* Enumerations with names: one table per enum, shared by parser, formatter, schema and documentation. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* An enum kept in one byte. Value 0 is "absent" unless names[0] is set, in which case it is the default that
 * always has a value. Every other value below count has a name. */
#define ENUM8 __attribute__((packed))

typedef struct EnumNames {
    const char *what; /* "disk bus"; for messages and documentation */
    uint8_t count;
    const char *const *names; /* [count] */
} EnumNames;

/* "(none)" for 0 without a name and for values out of range; never NULL. */
const char *enum_name(const EnumNames *names, unsigned value);
/* Exact match, letter case counts. *ret_value untouched if there is none. */
bool enum_from_name(const EnumNames *names, const char *name, uint8_t *ret_value);

/* An on/off or yes/no attribute that may be absent. */
typedef enum Tristate { TRISTATE_ABSENT, TRISTATE_ON, TRISTATE_OFF, TRISTATE_COUNT } ENUM8 Tristate;
extern const EnumNames tristate_on_off_names;
extern const EnumNames tristate_yes_no_names;

/* Numbers that may be absent: an all-zero struct is an absent number. */
typedef struct OptU32 {
    uint32_t value;
    bool is_set;
} OptU32;
typedef struct OptU64 {
    uint64_t value;
    bool is_set;
} OptU64;
typedef struct OptS64 {
    int64_t value;
    bool is_set;
} OptS64;
