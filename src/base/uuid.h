/* UUIDs (RFC 4122) and MAC addresses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define UUID_STRING_LEN 37 /* with NUL */

typedef struct Uuid {
    uint8_t bytes[16];
} Uuid;

void uuid_generate(Uuid *ret_uuid); /* version 4 */
/* With or without hyphens, any letter case, blanks around it tolerated; all zeroes is refused as XML
 * checks do. */
MUST_CHECK bool uuid_parse(const char *text, Uuid *ret_uuid, Error **err);
void uuid_format(const Uuid *uuid, char ret_text[UUID_STRING_LEN]);
bool uuid_equal(const Uuid *a, const Uuid *b);
bool uuid_is_null(const Uuid *uuid);
unsigned uuid_hash(const void *uuid);               /* for GHashTable */
int uuid_table_equal(const void *a, const void *b); /* for GHashTable */

#define MAC_STRING_LEN 18
typedef struct Mac {
    uint8_t bytes[6];
} Mac;
MUST_CHECK bool mac_parse(const char *text, Mac *ret_mac, Error **err);
void mac_format(const Mac *mac, char ret_text[MAC_STRING_LEN]);
void mac_generate(const uint8_t prefix[3], Mac *ret_mac);

/* Fills with bytes of the kernel's random source; never fails. */
void random_bytes(void *ret_buffer, size_t len);
