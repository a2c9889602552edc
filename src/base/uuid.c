/* UUIDs, MAC addresses and the random bytes they are made of. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define UUID_SHOWN 64

void random_bytes(void *ret_buffer, size_t len)
{
    uint8_t *at = ret_buffer;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        g_assert(got > 0); /* getrandom() can't fail otherwise with a valid buffer */
        at += got;
        len -= (size_t)got;
    }
}

void uuid_generate(Uuid *ret_uuid)
{
    random_bytes(ret_uuid->bytes, sizeof(ret_uuid->bytes));
    ret_uuid->bytes[6] = (uint8_t)((ret_uuid->bytes[6] & 0x0f) | 0x40);
    ret_uuid->bytes[8] = (uint8_t)((ret_uuid->bytes[8] & 0x3f) | 0x80);
}

/* Reads the 32 digits; hyphens may stand between any two bytes. */
static bool uuid_read(const char *text, Uuid *ret_uuid)
{
    const char *at = text;
    while (g_ascii_isspace(*at))
        at++;
    for (size_t i = 0; i < sizeof(ret_uuid->bytes); i++) {
        if (i > 0 && *at == '-')
            at++;
        int high = g_ascii_xdigit_value(at[0]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(at[1]);
        if (low < 0)
            return false;
        ret_uuid->bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    while (g_ascii_isspace(*at))
        at++;
    return *at == '\0';
}

bool uuid_parse(const char *text, Uuid *ret_uuid, Error **err)
{
    Uuid uuid;
    if (!text || !uuid_read(text, &uuid))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a valid UUID", UUID_SHOWN,
                         text ? text : "");
    if (uuid_is_null(&uuid))
        return error_set(err, ERROR_INVALID_ARGUMENT, "UUID '%.*s' identifies nothing", UUID_SHOWN, text);
    *ret_uuid = uuid;
    return true;
}

void uuid_format(const Uuid *uuid, char ret_text[UUID_STRING_LEN])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_text;
    for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[uuid->bytes[i] >> 4];
        *at++ = digits[uuid->bytes[i] & 15];
    }
    *at = '\0';
}

bool uuid_equal(const Uuid *a, const Uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool uuid_is_null(const Uuid *uuid)
{
    static const Uuid null_uuid;
    return uuid_equal(uuid, &null_uuid);
}

unsigned uuid_hash(const void *uuid)
{
    /* Clients choose UUIDs, often counting up in the last bytes: mix all of them. */
    const uint8_t *bytes = ((const Uuid *)uuid)->bytes;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

int uuid_table_equal(const void *a, const void *b)
{
    return uuid_equal(a, b);
}

static bool mac_read(const char *text, Mac *ret_mac)
{
    const char *at = text;
    for (size_t i = 0; i < sizeof(ret_mac->bytes); i++) {
        if (i > 0 && *at++ != ':')
            return false;
        int high = g_ascii_xdigit_value(at[0]);
        if (high < 0)
            return false;
        int low = g_ascii_xdigit_value(at[1]);
        /* "0:16:3e" with one digit per byte is common in hand-written files. */
        ret_mac->bytes[i] = (uint8_t)(low < 0 ? high : high << 4 | low);
        at += low < 0 ? 1 : 2;
    }
    return *at == '\0';
}

bool mac_parse(const char *text, Mac *ret_mac, Error **err)
{
    Mac mac;
    if (!text || !mac_read(text, &mac))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a valid MAC address", UUID_SHOWN,
                         text ? text : "");
    *ret_mac = mac;
    return true;
}

void mac_format(const Mac *mac, char ret_text[MAC_STRING_LEN])
{
    g_snprintf(ret_text, MAC_STRING_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac->bytes[0], mac->bytes[1],
               mac->bytes[2], mac->bytes[3], mac->bytes[4], mac->bytes[5]);
}

void mac_generate(const uint8_t prefix[3], Mac *ret_mac)
{
    memcpy(ret_mac->bytes, prefix, 3);
    random_bytes(ret_mac->bytes + 3, 3);
}
