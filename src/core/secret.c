/* Secrets and their values at rest. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "secret"
#include "core/secret.h"

#include <string.h>

#include "base/cipher.h"
#include "base/file.h"
#include "base/log.h"
#include "conf/secret.h"
#include "core/host_private.h"
#include "core/object_class.h"

#define KEY_LEN CIPHER_KEY_LEN
#define NONCE_LEN 12
#define TAG_LEN 16
#define VALUE_MAX 65536 /* bytes */
#define VALUE_MAGIC "lodge-secret-1\n"
#define MAGIC_LEN (sizeof(VALUE_MAGIC) - 1)

/* The host's key, as it was last read or written: a file that somebody removes is written again, since all
 * values hang on it. */
struct SecretKey {
    bool is_known;
    bool is_being_made;
    WaitQueue made;
    uint8_t bytes[KEY_LEN];
};

typedef struct Secret {
    OBJECT_BASE(SecretDef);
    GBytes *value; /* NULL: none */
} Secret;

/* ---- values at rest ---- */

/* Memory that is wiped before it goes. */
static void wipe_free(void *data, size_t len)
{
    explicit_bzero(data, len);
    g_free(data);
}

typedef struct WipedData {
    size_t len;
    uint8_t data[];
} WipedData;

static void wiped_free(void *memory)
{
    WipedData *wiped = memory;

    wipe_free(wiped, sizeof(*wiped) + wiped->len);
}

static GBytes *wiped_bytes(const void *data, size_t len)
{
    WipedData *wiped = g_malloc(sizeof(*wiped) + len);

    wiped->len = len;
    memcpy(wiped->data, data, len);
    return g_bytes_new_with_free_func(wiped->data, len, wiped_free, wiped);
}

/* What was read; not over one that somebody has set meanwhile. */
static void value_take(Secret *secret, const void *plain, size_t len)
{
    if (!secret->value)
        secret->value = wiped_bytes(plain, len);
}

static char *value_path(const Secret *secret, const char *suffix)
{
    g_autofree char *file = g_strconcat(secret->name, suffix, NULL);

    return path_join(secret->host->paths->secrets, file);
}

void secret_open(Host *host)
{
    host_add_class(host, &secret_class);
    host->secret_key = g_new0(SecretKey, 1);
    wait_queue_init(&host->secret_key->made);
}

void secret_key_free(SecretKey *key)
{
    if (!key)
        return;
    wait_queue_clear(&key->made);
    wipe_free(key, sizeof(*key));
}

/* ERROR_SYSTEM with ENOENT if there is none. */
AWAITS static bool key_read(const Host *host, uint8_t ret_key[KEY_LEN], Error **err)
{
    g_autofree char *path = path_join(host->paths->secrets, "host.key");
    g_autofree char *text = NULL;
    size_t len = 0;

    if (!file_read(path, KEY_LEN, &text, &len, err))
        return false;
    if (len != KEY_LEN)
        return error_set(err, ERROR_SYSTEM, "'%s' is damaged: %zu bytes instead of %d", path, len, KEY_LEN);
    memcpy(ret_key, text, KEY_LEN);
    memcpy(host->secret_key->bytes, text, KEY_LEN);
    host->secret_key->is_known = true;
    explicit_bzero(text, len);
    return true;
}

/* Makes it if there is none. One at a time: a second key would make the first one's values unreadable. */
AWAITS static bool key_read_or_make(const Host *host, uint8_t ret_key[KEY_LEN], Error **err)
{
    SecretKey *key = host->secret_key;
    g_autofree char *path = path_join(host->paths->secrets, "host.key");
    g_autoptr(Error) why = NULL;

    while (key->is_being_made) {
        if (!wait_queue_wait(&key->made, FILE_DEADLINE_MS, err))
            return false;
    }
    key->is_being_made = true;
    bool ok = key_read(host, ret_key, &why);
    if (!ok && error_errno(why) == ENOENT) {
        if (!key->is_known)
            random_bytes(key->bytes, KEY_LEN);
        key->is_known = true;
        memcpy(ret_key, key->bytes, KEY_LEN);
        ok = file_replace(path, (const char *)ret_key, KEY_LEN, 0600, err);
    } else if (!ok) {
        error_propagate(err, g_steal_pointer(&why));
    }
    key->is_being_made = false;
    wait_queue_wake_all(&key->made);
    return ok;
}

/* AES-256-GCM, bound to the UUID, so that files cannot be swapped. @tag is written, or compared. */
static gcry_error_t value_crypt(const Secret *secret, const uint8_t key[KEY_LEN], const void *nonce,
                                bool encrypt, const void *from, uint8_t *to, size_t len, uint8_t *tag)
{
    gcry_cipher_hd_t cipher = NULL;

    gcry_error_t bad = cipher_open(GCRY_CIPHER_MODE_GCM, key, nonce, NONCE_LEN, &cipher);
    bad = bad ? bad : gcry_cipher_authenticate(cipher, secret->uuid.bytes, sizeof(secret->uuid.bytes));
    if (!bad && encrypt)
        bad = gcry_cipher_encrypt(cipher, to, len, from, len);
    else if (!bad)
        bad = gcry_cipher_decrypt(cipher, to, len, from, len);
    bad = bad       ? bad
          : encrypt ? gcry_cipher_gettag(cipher, tag, TAG_LEN)
                    : gcry_cipher_checktag(cipher, tag, TAG_LEN);
    gcry_cipher_close(cipher);
    return bad;
}

/* MAGIC, nonce, ciphertext with tag. */
static bool value_encrypt(const Secret *secret, const uint8_t key[KEY_LEN], GBytes *value, GByteArray *out,
                          Error **err)
{
    size_t len = 0;
    const void *plain = g_bytes_get_data(value, &len);

    g_byte_array_set_size(out, (guint)(MAGIC_LEN + NONCE_LEN + len + TAG_LEN));
    uint8_t *nonce = out->data + MAGIC_LEN, *sealed = nonce + NONCE_LEN;
    memcpy(out->data, VALUE_MAGIC, MAGIC_LEN);
    random_bytes(nonce, NONCE_LEN);
    const gcry_error_t bad = value_crypt(secret, key, nonce, true, plain, sealed, len, sealed + len);
    return !bad || error_set(err, ERROR_SYSTEM, "cannot encrypt: %s", gcry_strerror(bad));
}

static bool value_decrypt(Secret *secret, const uint8_t key[KEY_LEN], char *text, size_t len, Error **err)
{
    if (len < MAGIC_LEN + NONCE_LEN + TAG_LEN || memcmp(text, VALUE_MAGIC, MAGIC_LEN) != 0)
        return error_set(err, ERROR_SYSTEM, "not a value that this version wrote");
    const size_t plain_len = len - MAGIC_LEN - NONCE_LEN - TAG_LEN;
    uint8_t *nonce = (uint8_t *)text + MAGIC_LEN, *sealed = nonce + NONCE_LEN;
    const gcry_error_t bad =
        value_crypt(secret, key, nonce, false, sealed, sealed, plain_len, sealed + plain_len);
    if (!bad)
        value_take(secret, sealed, plain_len);
    explicit_bzero(sealed, plain_len);
    return !bad || error_set(err, ERROR_SYSTEM, "the value was not written with this host's key");
}

AWAITS static bool value_store_sealed(Secret *secret, GBytes *value, const char *path, Error **err)
{
    uint8_t key[KEY_LEN];
    g_autoptr(GByteArray) sealed = g_byte_array_new();

    if (!key_read_or_make(secret->host, key, err))
        return false;
    const bool ok = value_encrypt(secret, key, value, sealed, err) &&
                    file_replace(path, (const char *)sealed->data, sealed->len, 0600, err);
    explicit_bzero(key, sizeof(key));
    return ok;
}

AWAITS static bool value_store_plain(GBytes *value, const char *path, Error **err)
{
    size_t len = 0;
    const guchar *plain = g_bytes_get_data(value, &len);
    char *text = g_base64_encode(plain, len);
    const bool ok = file_replace(path, text, strlen(text), 0600, err);

    wipe_free(text, strlen(text));
    return ok;
}

/* Of its two forms only the one that is wanted stays. */
AWAITS static bool value_store(Secret *secret, GBytes *value, Error **err)
{
    const bool sealed = secret->host->config->secrets_encrypted;
    g_autofree char *path = value_path(secret, ".value");
    g_autofree char *plain_path = value_path(secret, ".base64");

    return file_make_dirs(secret->host->paths->secrets, 0700, err) &&
           (sealed ? value_store_sealed(secret, value, path, err)
                   : value_store_plain(value, plain_path, err)) &&
           file_remove(sealed ? plain_path : path, err);
}

/* The value that libvirt left: base64, not encrypted. */
static bool value_load_plain(Secret *secret, Error **err)
{
    g_autofree char *path = value_path(secret, ".base64");
    g_autofree char *text = NULL;
    g_autoptr(Error) why = NULL;
    size_t len = 0;

    if (!file_read(path, 2 * VALUE_MAX, &text, &len, &why))
        return error_errno(why) == ENOENT || error_propagate(err, g_steal_pointer(&why));
    g_strchomp(text);
    guchar *plain = g_base64_decode(text, &len);
    value_take(secret, plain, len);
    wipe_free(plain, len);
    return true;
}

AWAITS static bool value_load(Secret *secret, Error **err)
{
    uint8_t key[KEY_LEN];
    g_autofree char *path = value_path(secret, ".value");
    g_autofree char *text = NULL;
    g_autoptr(Error) why = NULL;
    size_t len = 0;

    if (!file_read(path, 2 * VALUE_MAX, &text, &len, &why)) {
        if (error_errno(why) == ENOENT)
            return value_load_plain(secret, err);
        return error_propagate(err, g_steal_pointer(&why));
    }
    const bool ok = key_read(secret->host, key, err) && value_decrypt(secret, key, text, len, err);
    explicit_bzero(key, sizeof(key));
    return ok && (secret->host->config->secrets_encrypted || value_store(secret, secret->value, err));
}

AWAITS static bool value_remove(Secret *secret, Error **err)
{
    g_autofree char *path = value_path(secret, ".value");
    g_autofree char *plain_path = value_path(secret, ".base64");

    return file_remove(path, err) && file_remove(plain_path, err);
}

/* ---- the class ---- */

static bool secret_complete(Host *host, void *object, bool trusted, Error **err)
{
    static const char *const missing[SECRET_USAGE_COUNT] = {
        [SECRET_USAGE_VOLUME] = "volume usage specified, but volume path is missing",
        [SECRET_USAGE_CEPH] = "Ceph usage specified, but name is missing",
        [SECRET_USAGE_ISCSI] = "iSCSI usage specified, but target is missing",
        [SECRET_USAGE_TLS] = "TLS usage specified, but name is missing",
        [SECRET_USAGE_VTPM] = "vTPM usage specified, but name is missing",
    };
    SecretDef *def = object;

    if (def->usage != SECRET_USAGE_NONE && (!def->usage_id || !*def->usage_id))
        return error_set(err, ERROR_INTERNAL, "%s", missing[def->usage]);
    def->name = g_malloc(UUID_STRING_LEN);
    uuid_format(&def->uuid, def->name);
    return true;
}

static bool secret_has_usage(const SecretDef *def, int type, const char *id)
{
    return def && def->usage != SECRET_USAGE_NONE && def->usage == type && strcmp(def->usage_id, id) == 0;
}

static Object *secret_lookup_usage(const Registry *registry, int type, const char *id)
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(registry); (object = registry_next(&iter));) {
        if (object->is_listed && secret_has_usage(object->config, type, id))
            return object;
    }
    return NULL;
}

/* Whoever else is for that, or is being defined for it. */
static const Object *secret_find_rival(const Object *self, const SecretDef *def)
{
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(self->registry);
         def->usage_id && (object = registry_next(&iter));) {
        if (object != self && (secret_has_usage(object->config, def->usage, def->usage_id) ||
                               secret_has_usage(object->coming, def->usage, def->usage_id)))
            return object;
    }
    return NULL;
}

AWAITS static bool secret_accept(Object *object, const void *new_def, Error **err)
{
    const SecretDef *def = new_def;
    const SecretDef *old = object->config;

    if (old && (old->usage != def->usage || g_strcmp0(old->usage_id, def->usage_id) != 0))
        return error_set(err, ERROR_INTERNAL, "a secret with UUID %s is already defined for use with %s",
                         object->name, old->usage_id ? old->usage_id : "nothing");
    if (old && old->is_private && !def->is_private)
        return error_set(err, ERROR_INTERNAL, "cannot change private flag on existing secret");
    const Object *other = secret_find_rival(object, def);
    if (other)
        return error_set(err, ERROR_INTERNAL, "a secret with UUID %s already defined for use with %s",
                         other->name, def->usage_id);
    /* Before the definition goes: a value must not be left to the next one of that UUID. */
    return !old || !def->ephemeral || value_remove((Secret *)object, err);
}

static bool secret_is_stored(const void *def)
{
    return !((const SecretDef *)def)->ephemeral;
}

/* An ephemeral secret that is to be kept takes its value along. */
AWAITS static bool secret_defined(Object *object, Error **err)
{
    Secret *secret = (Secret *)object;

    return !secret->value || secret->config->ephemeral || value_store(secret, secret->value, err);
}

static bool secret_undefine(Object *object, Error **err)
{
    return value_remove((Secret *)object, err);
}

static void secret_loaded(Object *object)
{
    g_autoptr(Error) err = NULL;

    if (!value_load((Secret *)object, &err))
        log_error_error(err, object->name);
}

static void secret_free(Object *object)
{
    g_clear_pointer(&((Secret *)object)->value, g_bytes_unref);
}

/* Its events name what it is for. */
static void secret_describe(const Object *object, Event *event)
{
    const SecretDef *def = object->config;

    event->number = def->usage;
    event->text1 = def->usage_id;
}

static unsigned secret_flag_ephemeral(const Object *object)
{
    return ((const SecretDef *)object->config)->ephemeral ? 1 : 2;
}

static unsigned secret_flag_private(const Object *object)
{
    return ((const SecretDef *)object->config)->is_private ? 4 : 8;
}

static const ObjectFilter secret_filters[] = { { 3, secret_flag_ephemeral },
                                               { 12, secret_flag_private },
                                               { 0 } };

const ObjectClass secret_class = {
    .kind = OBJECT_SECRET,
    .noun = "secret",
    .size = sizeof(Secret),
    .missing = ERROR_NO_SECRET,
    .filters = secret_filters,
    .table = &secret_table,
    .root = "secret",
    .def_name = offsetof(SecretDef, name),
    .def_uuid = offsetof(SecretDef, uuid),
    .edit_command = "secret-edit",
    .config_dir = offsetof(Paths, secrets),
    .complete = secret_complete,
    .accept = secret_accept,
    .is_stored = secret_is_stored,
    .defined = secret_defined,
    .undefine = secret_undefine,
    .describe = secret_describe,
    .loaded = secret_loaded,
    .free = secret_free,
};

/* ---- operations of its own ---- */

void secret_get_usage(const Object *object, int32_t *ret_type, char **ret_id)
{
    const SecretDef *def = object->config;

    *ret_type = def->usage;
    *ret_id = g_strdup(def->usage_id ? def->usage_id : "");
}

Object *secret_find_by_usage(Host *host, int type, const char *id, Error **err)
{
    Object *object = secret_lookup_usage(host_registry(host, &secret_class), type, id);

    if (object)
        return object_ref(object);
    error_set(err, ERROR_NO_SECRET, "no secret with matching usage '%s'", id);
    return NULL;
}

bool secret_set_value(Object *object, const void *value, size_t len, const Caller *caller, Error **err)
{
    Secret *secret = (Secret *)object;
    g_auto(Job) job = { 0 };

    if (len == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "value in virSecretSetValue must not be NULL");
    if (len > VALUE_MAX)
        return error_set(err, ERROR_OVERFLOW, "a secret's value has at most %d bytes, not %zu", VALUE_MAX,
                         len);
    g_autoptr(GBytes) bytes = wiped_bytes(value, len);
    if (!job_begin(object, JOB_MODIFY, caller, &job, err) || !object_require_listed(object, err))
        return false;
    fiber_shield_begin();
    const bool stored = secret->config->ephemeral || value_store(secret, bytes, err);
    fiber_shield_end();
    if (!stored)
        return false;
    g_clear_pointer(&secret->value, g_bytes_unref);
    secret->value = g_steal_pointer(&bytes);
    object_publish(object, &(Event){ .id = (EventId)EVENT_SECRET_VALUE_CHANGED });
    return true;
}

bool secret_get_value(const Object *object, const Caller *caller, GBytes **ret_value, Error **err)
{
    const Secret *secret = (const Secret *)object;

    if (caller && secret->config->is_private)
        return error_set(err, ERROR_INVALID_SECRET, "secret is private");
    if (!secret->value)
        return error_set(err, ERROR_NO_SECRET, "secret '%s' does not have a value", object->name);
    *ret_value = g_bytes_ref(secret->value);
    return true;
}
