/* What QEMU is shown of a secret, read back as QEMU does it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/cipher.h"
#include "base/uuid.h"
#include "qemu/secret_data.h"

static char *decrypt(const uint8_t *key, const QemuSecretData *secret, size_t *ret_len)
{
    size_t len = 0, iv_len = 0;
    guchar *data = g_base64_decode(secret->data, &len);
    g_autofree guchar *iv = g_base64_decode(secret->iv, &iv_len);
    gcry_cipher_hd_t cipher = NULL;

    check_eq(iv_len, 16);
    check_eq(len % 16, 0);
    check_eq(cipher_open(GCRY_CIPHER_MODE_CBC, key, iv, iv_len, &cipher), 0);
    check_eq(gcry_cipher_decrypt(cipher, data, len, NULL, 0), 0);
    gcry_cipher_close(cipher);
    check(data[len - 1] >= 1 && data[len - 1] <= 16);
    *ret_len = len - data[len - 1];
    return (char *)data;
}

TEST(a_secret_comes_out_as_it_went_in_and_never_looks_the_same)
{
    static const char value[] = "sixteen bytes ok and a few more, with a \0 in it";
    uint8_t key[QEMU_MASTER_KEY_BYTES], other[QEMU_MASTER_KEY_BYTES];
    g_autoptr(QemuSecrets) secrets = qemu_secrets_new();
    g_autoptr(Error) err = NULL;

    random_bytes(key, sizeof(key));
    random_bytes(other, sizeof(other));
    for (size_t len = 0; len < sizeof(value); len++) {
        size_t got_len = 0;
        check_ok(qemu_secrets_add(secrets, key, "one", value, len, &err), err);
        check_ok(qemu_secrets_add(secrets, key, "two", value, len, &err), err);
        const QemuSecretData *one = qemu_secrets_get(secrets, "one");
        g_autofree char *got = decrypt(key, one, &got_len);
        check_eq(got_len, len);
        check(memcmp(got, value, len) == 0);
        check(strcmp(one->data, qemu_secrets_get(secrets, "two")->data) != 0);
    }
    check(qemu_secrets_get(secrets, "three") == NULL);
}

TEST(cookies_are_one_line_of_a_header)
{
    NamedValue one = { .name = (char *)"a", .value = (char *)"1" }, two = { .name = (char *)"b" };
    gpointer list[] = { &one, &two };
    GPtrArray cookies = { .pdata = list, .len = 2 };
    const StorageSource source = { .cookies = &cookies, .index = 3 };
    g_autofree char *text = qemu_cookie_text(&source);
    g_autofree char *id = qemu_secret_id(&source, QEMU_SECRET_COOKIE);

    check_str(text, "a=1; b=");
    check_str(id, "libvirt-3-storage-httpcookie-secret0");
}
