/* AES-256 by libgcrypt: see cipher.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cipher.h"

#include "base/digest.h"

gcry_error_t cipher_open(int mode, const uint8_t key[CIPHER_KEY_LEN], const void *iv, size_t iv_len,
                         gcry_cipher_hd_t *ret_cipher)
{
    *ret_cipher = NULL;
    gcrypt_begin();
    gcry_error_t bad = gcry_cipher_open(ret_cipher, GCRY_CIPHER_AES256, mode, 0);
    bad = bad ? bad : gcry_cipher_setkey(*ret_cipher, key, CIPHER_KEY_LEN);
    bad = bad ? bad : gcry_cipher_setiv(*ret_cipher, iv, iv_len);
    if (bad) {
        gcry_cipher_close(*ret_cipher);
        *ret_cipher = NULL;
    }
    return bad;
}
