/* Checksums by libgcrypt, and its beginning.
 *
 * libgcrypt 1.10 sets itself up at the first call, and two threads that do so at once end the process: by
 * abort(), and without a word, because it takes the half-made state for one of FIPS mode. So a handle comes
 * from here or from cipher.h, and nobody else opens one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gcrypt.h>
#include <stddef.h>

/* From any thread. */
void gcrypt_begin(void);

/* @algorithm: GCRY_MD_SHA256 ... A handle for gcry_md_write() and its like; owned: gcry_md_close(). */
gcry_md_hd_t digest_open(int algorithm);

/* Of all of @data at once. @ret: as long as the algorithm's checksums are. */
void digest_of(int algorithm, const void *data, size_t len, void *ret);
