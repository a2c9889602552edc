/* Rows of the secret document. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/secret.h"

#include "conf/xml_internal.h"

static const char *const usage_texts[] = { "none", "volume", "ceph", "iscsi", "tls", "vtpm" };
const EnumNames secret_usage_names = { "secret usage type", SECRET_USAGE_COUNT, usage_texts };

static bool has_usage(const void *base, unsigned flags)
{
    return ((const SecretDef *)base)->usage != SECRET_USAGE_NONE;
}

#define USED_BY(mask) ONLY(SecretDef, usage, mask)
static const XmlRow usage_rows[] = {
    ATTR("type", SecretDef, usage, .names = &secret_usage_names, .flags = ROW_REQUIRED,
         .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "what kind of thing needs it"),
    CHILD("volume", SecretDef, usage_id, USED_BY(BIT(SECRET_USAGE_VOLUME)),
          .doc = "path or key of the volume"),
    CHILD("name", SecretDef, usage_id,
          USED_BY(BIT(SECRET_USAGE_CEPH) | BIT(SECRET_USAGE_TLS) | BIT(SECRET_USAGE_VTPM)),
          .doc = "a name that documents refer to"),
    CHILD("target", SecretDef, usage_id, USED_BY(BIT(SECRET_USAGE_ISCSI)),
          .doc = "a name that pools refer to"),
    { 0 },
};

const XmlTable secret_table =
    TABLE(SecretDef, "secret",
          ROWS(ATTR("ephemeral", SecretDef, ephemeral, .flags = ROW_ALWAYS, .doc = "kept in memory only"),
               ATTR("private", SecretDef, is_private, .flags = ROW_ALWAYS,
                    .doc = "its value is not given to anybody"),
               CHILD("uuid", SecretDef, uuid, .bad_code = ERROR_INTERNAL,
                     .doc = "identity; made up if absent"),
               CHILD("description", SecretDef, description, .doc = "for people"),
               GROUP("usage", usage_rows, .show = has_usage, .doc = "what it is for"),
               HELD("name", SecretDef, name, .doc = "the UUID as text")),
          .doc = "A password or key that machines and pools refer to.");
