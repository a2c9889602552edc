/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/secret_data.h"

#include <string.h>

#include "base/cipher.h"
#include "base/uuid.h"

#define BLOCK_BYTES 16

struct QemuSecrets {
    GHashTable *by_id; /* QemuSecretData */
};

static void secret_data_free(void *arg)
{
    QemuSecretData *data = arg;

    g_free(data->data);
    g_free(data->iv);
    g_free(data);
}

QemuSecrets *qemu_secrets_new(void)
{
    QemuSecrets *secrets = g_new0(QemuSecrets, 1);

    secrets->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, secret_data_free);
    return secrets;
}

void qemu_secrets_free(QemuSecrets *secrets)
{
    if (!secrets)
        return;
    g_hash_table_unref(secrets->by_id);
    g_free(secrets);
}

/* In place; @len is a multiple of the block. */
static gcry_error_t encrypt(const uint8_t *key, const uint8_t *iv, uint8_t *data, size_t len)
{
    gcry_cipher_hd_t cipher = NULL;
    gcry_error_t bad = cipher_open(GCRY_CIPHER_MODE_CBC, key, iv, BLOCK_BYTES, &cipher);

    bad = bad ? bad : gcry_cipher_encrypt(cipher, data, len, NULL, 0);
    gcry_cipher_close(cipher);
    return bad;
}

bool qemu_secrets_add(QemuSecrets *secrets, const uint8_t key[QEMU_MASTER_KEY_BYTES], const char *id,
                      const void *value, size_t len, Error **err)
{
    const size_t padded = (len / BLOCK_BYTES + 1) * BLOCK_BYTES; /* PKCS 7: always some */
    g_autofree uint8_t *data = g_malloc(padded);
    uint8_t iv[BLOCK_BYTES];

    memcpy(data, value, len);
    memset(data + len, (int)(padded - len), padded - len);
    random_bytes(iv, sizeof(iv));
    const gcry_error_t bad = encrypt(key, iv, data, padded);
    if (bad) {
        explicit_bzero(data, padded);
        return error_set(err, ERROR_INTERNAL, "cannot encrypt a secret: %s", gcry_strerror(bad));
    }
    QemuSecretData *entry = g_new0(QemuSecretData, 1);
    entry->data = g_base64_encode(data, padded);
    entry->iv = g_base64_encode(iv, sizeof(iv));
    g_hash_table_replace(secrets->by_id, g_strdup(id), entry);
    return true;
}

const QemuSecretData *qemu_secrets_get(const QemuSecrets *secrets, const char *id)
{
    return g_hash_table_lookup(secrets->by_id, id);
}

char *qemu_secret_id(const StorageSource *source, QemuSecretUse use)
{
    static const char *const suffixes[] = { [QEMU_SECRET_AUTH] = "storage-auth",
                                            [QEMU_SECRET_ENCRYPTION] = "format-encryption",
                                            [QEMU_SECRET_COOKIE] = "storage-httpcookie" };

    return g_strdup_printf("libvirt-%u-%s-secret0", source->index, suffixes[use]);
}

char *qemu_hostdev_secret_id(const HostdevDef *hostdev)
{
    return g_strdup_printf("libvirt-%s-backend-secret0", hostdev->info.alias);
}

char *qemu_cookie_text(const StorageSource *source)
{
    GString *text = g_string_new(NULL);

    for (DEF_EACH(NamedValue, cookie, source->cookies))
        g_string_append_printf(text, "%s%s=%s", text->len ? "; " : "", cookie->name,
                               cookie->value ? cookie->value : "");
    return g_string_free(text, FALSE);
}
