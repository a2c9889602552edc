/* Names of enumeration values: linear search, because the longest table has some forty names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/enum.h"

#include <string.h>

static const char *const on_off[TRISTATE_COUNT] = { NULL, "on", "off" };
static const char *const yes_no[TRISTATE_COUNT] = { NULL, "yes", "no" };
const EnumNames tristate_on_off_names = { "on/off switch", TRISTATE_COUNT, on_off };
const EnumNames tristate_yes_no_names = { "yes/no switch", TRISTATE_COUNT, yes_no };

const char *enum_name(const EnumNames *names, unsigned value)
{
    if (value >= names->count || !names->names[value])
        return "(none)";
    return names->names[value];
}

bool enum_from_name(const EnumNames *names, const char *name, uint8_t *ret_value)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (names->names[i] && strcmp(names->names[i], name) == 0) {
            *ret_value = (uint8_t)i;
            return true;
        }
    }
    return false;
}
