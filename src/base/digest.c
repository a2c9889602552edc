/* Checksums by libgcrypt: see digest.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"

#include <glib.h>

void gcrypt_begin(void)
{
    static gsize is_done;

    if (!g_once_init_enter(&is_done))
        return;
    (void)gcry_check_version(NULL);
    (void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    g_once_init_leave(&is_done, 1);
}

gcry_md_hd_t digest_open(int algorithm)
{
    gcry_md_hd_t handle = NULL;

    gcrypt_begin();
    const gcry_error_t bad = gcry_md_open(&handle, algorithm, 0);
    if (bad)
        g_error("no checksums: %s", gcry_strerror(bad)); /* no memory: as everywhere */
    return handle;
}

void digest_of(int algorithm, const void *data, size_t len, void *ret)
{
    gcrypt_begin();
    gcry_md_hash_buffer(algorithm, ret, data, len);
}
