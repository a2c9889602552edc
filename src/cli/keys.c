/* Names of keys as the Linux input layer calls them. The table is made of the kernel's header at build time.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/keys.h"

#include <glib.h>
#include <string.h>

#include "base/units.h"

static const struct {
    const char *name;
    uint32_t code;
} linux_keys[] = {
#include "keys_gen.h"
};

bool key_parse(unsigned codeset, const char *text, uint32_t *ret_code)
{
    uint64_t number = 0;
    if (parse_uint_any(text, &number, NULL)) {
        if (number > 0xffff)
            return false;
        *ret_code = (uint32_t)number;
        return true;
    }
    for (size_t i = 0; codeset == 0 && i < G_N_ELEMENTS(linux_keys); i++) {
        if (strcmp(linux_keys[i].name, text) == 0) {
            *ret_code = linux_keys[i].code;
            return true;
        }
    }
    return false;
}
