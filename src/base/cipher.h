/* AES-256 by libgcrypt, which libsystemd has in memory anyway: any other library would be a megabyte or two
 * more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gcrypt.h>
#include <stdint.h>

#define CIPHER_KEY_LEN 32

/* @mode: GCRY_CIPHER_MODE_GCM, _CBC ... *ret_cipher: gcry_cipher_close(), which takes NULL; NULL on failure.
 */
gcry_error_t cipher_open(int mode, const uint8_t key[CIPHER_KEY_LEN], const void *iv, size_t iv_len,
                         gcry_cipher_hd_t *ret_cipher);
