/* Secrets on their way into QEMU: its command line and its control connection show them encrypted
 * (AES-256-CBC) under a key that only this machine's QEMU and we can read. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/domain_def.h"

#define QEMU_MASTER_KEY_BYTES 32
#define QEMU_MASTER_KEY_FILE "master-key.aes" /* in the machine's folder */

typedef struct QemuSecretData {
    char *data, *iv; /* base64 */
} QemuSecretData;
typedef struct QemuSecrets QemuSecrets; /* by the id of the object */

QemuSecrets *qemu_secrets_new(void);
void qemu_secrets_free(QemuSecrets *secrets); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuSecrets, qemu_secrets_free)
/* Encrypts @value for the object @id. ERROR_INTERNAL: the library failed. */
MUST_CHECK bool qemu_secrets_add(QemuSecrets *secrets, const uint8_t key[QEMU_MASTER_KEY_BYTES],
                                 const char *id, const void *value, size_t len, Error **err);
/* Borrowed; NULL: there is none. */
const QemuSecretData *qemu_secrets_get(const QemuSecrets *secrets, const char *id);

typedef enum QemuSecretUse {
    QEMU_SECRET_AUTH,       /* of StorageSource.auth */
    QEMU_SECRET_ENCRYPTION, /* of StorageSource.encryption */
    QEMU_SECRET_COOKIE,
} QemuSecretUse;
/* "libvirt-3-storage-auth-secret0". Owned. */
char *qemu_secret_id(const StorageSource *source, QemuSecretUse use);
/* "libvirt-hostdev0-backend-secret0", of its iscsi_auth. Owned. */
char *qemu_hostdev_secret_id(const HostdevDef *hostdev);
/* The cookies as an HTTP header has them. Owned. */
char *qemu_cookie_text(const StorageSource *source);
