/* Rows of the storage volume document, and reading it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/volume.h"
#include "conf/xml_internal.h"

#define SOURCE "(storage_volume_definition)"

static const char *const type_texts[] = { "file", "block", "dir", "network", "netdir", "ploop" };
const EnumNames volume_type_names = { "volume type", VOLUME_TYPE_COUNT, type_texts };
static const char *const encryption_texts[] = { "default", "qcow", "luks", "luks2" };
static const EnumNames encryption_names = { "volume encryption format type", VOLUME_ENCRYPTION_COUNT,
                                            encryption_texts };
static const char *const engine_texts[] = { NULL, "qemu", "librbd" };
static const EnumNames engine_names = { "volume encryption engine", G_N_ELEMENTS(engine_texts),
                                        engine_texts };
static const char *const secret_texts[] = { "passphrase" };
static const EnumNames secret_names = { "volume encryption secret type", G_N_ELEMENTS(secret_texts),
                                        secret_texts };

/* ---- parts ---- */

static const XmlTable times_table =
    TABLE(VolumeTimes, "volume-times",
          ROWS(CHILD("atime", VolumeTimes, atime, .doc = "last read"),
               CHILD("mtime", VolumeTimes, mtime, .doc = "last written"),
               CHILD("ctime", VolumeTimes, ctime, .doc = "last changed in any way"),
               CHILD("btime", VolumeTimes, btime, .doc = "made; 0 if the file system does not tell")),
          .doc = "When it was used, in seconds since 1970.");

static const XmlTable features_table =
    TABLE(VolumeFeatures, "volume-features",
          ROWS(FLAG("lazy_refcounts", VolumeFeatures, lazy_refcounts,
                    .doc = "reference counts are written late"),
               FLAG("extended_l2", VolumeFeatures, extended_l2, .doc = "clusters are allocated in parts")),
          .unknown_code = ERROR_CONFIG_UNSUPPORTED, .doc = "Features of a qcow2 image.");

static const XmlTable secret_table =
    TABLE(VolumeSecret, "volume-secret",
          ROWS(ATTR("type", VolumeSecret, type, .names = &secret_names, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "what the secret is"),
               ATTR("uuid", VolumeSecret, uuid, .doc = "UUID of the secret object"),
               ATTR("usage", VolumeSecret, usage, .doc = "or its usage")),
          .doc = "A secret that opens the volume.");

const XmlTable volume_encryption_table =
    TABLE(VolumeEncryption, "volume-encryption",
          ROWS(ATTR("format", VolumeEncryption, format, .names = &encryption_names,
                    .flags = ROW_REQUIRED | ROW_ALWAYS, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .doc = "kind of encryption"),
               ATTR("engine", VolumeEncryption, engine, .names = &engine_names, .doc = "who encrypts"),
               LIST("secret", VolumeEncryption, secrets, &secret_table, .doc = "secrets"),
               GROUP("cipher",
                     ROWS(ATTR("name", VolumeEncryption, cipher, .doc = "algorithm"),
                          ATTR("size", VolumeEncryption, cipher_bits, .max = 65536, .doc = "bits of the key"),
                          ATTR("mode", VolumeEncryption, cipher_mode, .doc = "mode"),
                          ATTR("hash", VolumeEncryption, cipher_hash, .doc = "hash")),
                     .doc = "how data is encrypted"),
               GROUP("ivgen",
                     ROWS(ATTR("name", VolumeEncryption, ivgen, .doc = "algorithm"),
                          ATTR("hash", VolumeEncryption, ivgen_hash, .doc = "hash")),
                     .doc = "how initial vectors are made")),
          .doc = "Encryption of the volume.");

static const XmlRow target_rows[] = {
    CHILD("path", VolumeTarget, path, .doc = "where it is"),
    GROUP("format", ROWS(ATTR("type", VolumeTarget, format, .doc = "name")),
          .doc = "format of the image or partition"),
    OBJECT("permissions", VolumeTarget, permissions, &storage_permissions_table, .doc = "who may use it"),
    OBJECT("timestamps", VolumeTarget, times, &times_table, .doc = "when it was used"),
    OBJECT("encryption", VolumeTarget, encryption, &volume_encryption_table, .flags = ROW_LONG,
           .doc = "encryption"),
    CHILD("compat", VolumeTarget, compat, .doc = "qcow2: version of QEMU that can read it, 0.10 or 1.1"),
    FLAG("nocow", VolumeTarget, nocow, .doc = "no copy on write by the file system"),
    CHILD("clusterSize", VolumeTarget, cluster_bytes, .unit = XML_UNIT_B, .max = INT64_MAX,
          .doc = "qcow2: size of a cluster"),
    OBJECT("features", VolumeTarget, features, &features_table, .flags = ROW_EMPTY_OK,
           .doc = "qcow2: features"),
    { 0 },
};
static const XmlTable target_table =
    TABLE(VolumeTarget, "volume-target", target_rows, .doc = "Where a volume is.");

static const XmlTable extent_table =
    TABLE(VolumeExtent, "volume-extent",
          ROWS(ATTR("start", VolumeExtent, start_bytes, .max = INT64_MAX, .flags = ROW_ALWAYS,
                    .doc = "bytes"),
               ATTR("end", VolumeExtent, end_bytes, .max = INT64_MAX, .flags = ROW_ALWAYS, .doc = "bytes")),
          .doc = "A part of a device.");
static const XmlTable device_table =
    TABLE(VolumeDevice, "volume-device",
          ROWS(ATTR("path", VolumeDevice, path, .doc = "path of the device"),
               LIST("extent", VolumeDevice, extents, &extent_table, .doc = "the parts of it")),
          .doc = "A device on which the volume lies.");

/* ---- the volume ---- */

#define SIZE(text, member, what)                                                                             \
    CHILD(text, VolumeDef, member, .unit = XML_UNIT_BYTES, .max = INT64_MAX, .doc = what)

const XmlTable volume_table =
    TABLE(VolumeDef, "volume",
          ROWS(ATTR("type", VolumeDef, type, .names = &volume_type_names, .flags = ROW_ALWAYS,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "what it is; read-only"),
               CHILD("name", VolumeDef, name, .doc = "name in its pool"),
               CHILD("key", VolumeDef, key, .doc = "identity; read-only"),
               GROUP("source", ROWS(LIST("device", VolumeDef, devices, &device_table, .doc = "devices")),
                     .doc = "where it lies; read-only"),
               SIZE("capacity", capacity, "size that a guest sees"),
               SIZE("allocation", allocation, "what is taken in the pool; when made: all of it if absent"),
               SIZE("physical", physical, "size of the file or device; read-only"),
               EMBED("target", VolumeDef, target, &target_table, .doc = "where it is and how it looks"),
               OBJECT("backingStore", VolumeDef, backing, &target_table,
                      .doc = "the image that it is based on")),
          .doc = "A volume of a storage pool.");

static bool encryption_check(const VolumeEncryption *encryption, Error **err)
{
    for (guint i = 0; encryption->secrets && i < encryption->secrets->len; i++) {
        const VolumeSecret *secret = g_ptr_array_index(encryption->secrets, i);
        if (uuid_is_null(&secret->uuid) && !secret->usage)
            return error_set(err, ERROR_XML_INVALID, "missing secret uuid or usage attribute");
    }
    const bool has_cipher =
        encryption->cipher || encryption->cipher_bits || encryption->cipher_mode || encryption->cipher_hash;
    if (has_cipher && !encryption->cipher)
        return error_set(err, ERROR_XML_INVALID, "cipher info missing 'name' attribute");
    if (has_cipher && !encryption->cipher_bits)
        return error_set(err, ERROR_XML_INVALID, "cipher info missing 'size' attribute");
    if ((encryption->ivgen || encryption->ivgen_hash) && !has_cipher)
        return error_set(err, ERROR_XML_INVALID, "ivgen element found, but cipher is missing");
    if (encryption->ivgen_hash && !encryption->ivgen)
        return error_set(err, ERROR_XML_INVALID, "missing 'name' attribute in ivgen element");
    return true;
}

/* Two numbers with a dot between them. */
static bool is_compat(const char *text)
{
    const size_t first = strspn(text, "0123456789");

    return first && text[first] == '.' && strspn(text + first + 1, "0123456789") &&
           text[first + 1 + strspn(text + first + 1, "0123456789")] == '\0';
}

static bool volume_check(const VolumeDef *def, VolumeParseFlags flags, Error **err)
{
    if (!def->name)
        return error_set(err, ERROR_XML_INVALID, "missing volume name element");
    if (strchr(def->name, '/'))
        return error_set(err, ERROR_INVALID_STATE, "volume name '%s' cannot contain '/'", def->name);
    if (!def->capacity.is_set && !(flags & VOLUME_PARSE_NO_CAPACITY) && !def->backing)
        return error_set(err, ERROR_XML_INVALID, "missing capacity element");
    if (def->target.compat && !is_compat(def->target.compat))
        return error_set(err, ERROR_XML_INVALID, "forbidden characters in 'compat' attribute");
    return !def->target.encryption || encryption_check(def->target.encryption, err);
}

bool volume_def_parse(const char *xml, size_t len, VolumeParseFlags flags, VolumeDef **ret_def, Error **err)
{
    XmlReader reader = { .flags = flags & VOLUME_PARSE_STRICT ? XML_READ_STRICT : 0, .source = SOURCE };
    g_autoptr(xmlDoc) doc = NULL;
    void *object = NULL;

    if (!xml_document_read(xml, len, SOURCE, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "volume") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'volume', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&volume_table, &reader, root, &object, err))
        return false;
    g_autoptr(VolumeDef) def = object;
    if (def->backing && !def->backing->path) {
        xml_table_free(&target_table, def->backing);
        def->backing = NULL;
    }
    if (def->target.features && !def->target.compat) /* older versions have none */
        def->target.compat = g_strdup("1.1");
    if (!volume_check(def, flags, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

char *volume_def_format(const VolumeDef *def)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&volume_table, "volume", def, 0, 0, out);
    return g_string_free(out, FALSE);
}

void volume_def_free(VolumeDef *def)
{
    if (def)
        g_free(def->data_path);
    xml_table_free(&volume_table, def);
}
