/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/totp.h"

#include <glib.h>
#include <gnutls/crypto.h>
#include <string.h>

void totp_code(const uint8_t key[TOTP_KEY_BYTES], uint64_t step, char ret_code[7])
{
    const uint64_t text = GUINT64_TO_BE(step);
    uint8_t sum[20];

    if (gnutls_hmac_fast(GNUTLS_MAC_SHA1, key, TOTP_KEY_BYTES, &text, sizeof text, sum) < 0)
        g_error("GnuTLS has no HMAC-SHA-1");
    const uint8_t *at = sum + (sum[19] & 0x0f);
    const uint32_t number =
        (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    g_snprintf(ret_code, 7, "%06u", number % 1000000);
}

uint64_t totp_check(const uint8_t key[TOTP_KEY_BYTES], const char *code, int64_t now_s, uint64_t after)
{
    const uint64_t now = (uint64_t)now_s / TOTP_STEP_S;
    uint64_t found = 0;
    char right[7];

    if (strlen(code) != 6)
        return 0;
    for (uint64_t step = now - 1; step <= now + 1; step++) {
        unsigned char different = 0;
        totp_code(key, step, right);
        for (int i = 0; i < 6; i++)
            different |= (unsigned char)(right[i] ^ code[i]);
        if (!different && step > after)
            found = step;
    }
    return found;
}

char *totp_secret(const uint8_t key[TOTP_KEY_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    GString *text = g_string_new(NULL);

    for (unsigned bit = 0; bit < TOTP_KEY_BYTES * 8; bit += 5) {
        const unsigned pair =
            (unsigned)key[bit / 8] << 8 | (bit / 8 + 1 < TOTP_KEY_BYTES ? key[bit / 8 + 1] : 0);
        g_string_append_c(text, letters[(pair >> (11 - bit % 8)) & 0x1f]);
    }
    return g_string_free(text, FALSE);
}
