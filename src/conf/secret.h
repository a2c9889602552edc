/* The secret document: what a secret is for. Its value is never in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/xml_table.h"

typedef enum SecretUsage { /* numbers of virSecretUsageType */
                           SECRET_USAGE_NONE,
                           SECRET_USAGE_VOLUME,
                           SECRET_USAGE_CEPH,
                           SECRET_USAGE_ISCSI,
                           SECRET_USAGE_TLS,
                           SECRET_USAGE_VTPM,
                           SECRET_USAGE_COUNT
} SecretUsage;

typedef struct SecretDef {
    char *name; /* the UUID as text: secrets have no other */
    Uuid uuid;
    bool ephemeral;  /* never on disk */
    bool is_private; /* nobody but the daemon itself gets the value */
    char *description;
    uint8_t usage; /* SecretUsage */
    char *usage_id;
} SecretDef;

extern const XmlTable secret_table;
extern const EnumNames secret_usage_names;
