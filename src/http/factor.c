/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/factor.h"

#include <string.h>
#include <time.h>

#include "base/uuid.h"
#include "http/totp.h"

#define FACTORS_MAX 2000u

typedef struct Factor {
    char *user;
    uint8_t key[TOTP_KEY_BYTES];
    bool enabled;
    uint64_t used; /* step of the last code */
} Factor;

struct Factors {
    GPtrArray *list; /* of Factor */
};

static void factor_free(gpointer data)
{
    Factor *factor = data;

    explicit_bzero(factor->key, sizeof factor->key);
    g_free(factor->user);
    g_free(factor);
}

Factors *factors_new(void)
{
    Factors *factors = g_new0(Factors, 1);

    factors->list = g_ptr_array_new_with_free_func(factor_free);
    return factors;
}

void factors_free(Factors *factors)
{
    g_ptr_array_unref(factors->list);
    g_free(factors);
}

static Factor *factor_find(const Factors *factors, const char *user)
{
    for (guint i = 0; i < factors->list->len; i++) {
        Factor *factor = g_ptr_array_index(factors->list, i);
        if (strcmp(factor->user, user) == 0)
            return factor;
    }
    return NULL;
}

HttpFactorState factors_state(const Factors *factors, const char *user)
{
    const Factor *factor = factor_find(factors, user);

    return !factor ? HTTP_FACTOR_NONE : factor->enabled ? HTTP_FACTOR_ENABLED : HTTP_FACTOR_PENDING;
}

/* ---- files ---- */

Json *factors_format(const Factors *factors)
{
    Json *list = json_array();

    for (guint i = 0; i < factors->list->len; i++) {
        const Factor *factor = g_ptr_array_index(factors->list, i);
        g_autofree char *key = g_base64_encode(factor->key, sizeof factor->key);
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:b,s:I}", "user", factor->user, "key", key, "enabled",
                                        (int)factor->enabled, "used", (json_int_t)factor->used));
    }
    return list;
}

void factors_read(Factors *factors, const Json *list)
{
    const Json *item;
    size_t i;

    g_ptr_array_set_size(factors->list, 0);
    json_array_foreach (list, i, item) {
        const char *user = json_get_str(item, "user"), *text = json_get_str(item, "key");
        gsize len = 0;
        g_autofree guchar *key = text ? g_base64_decode(text, &len) : NULL;
        if (!user || len != TOTP_KEY_BYTES)
            continue;
        Factor *factor = g_new0(Factor, 1);
        factor->user = g_strdup(user);
        factor->enabled = json_get_bool(item, "enabled", false);
        factor->used = json_get_uint(item, "used", 0);
        memcpy(factor->key, key, len);
        g_ptr_array_add(factors->list, factor);
    }
}

/* ---- changes ---- */

static bool factor_begin(Factors *factors, Factor *factor, const char *user, char **ret_secret, Error **err)
{
    if (factor && factor->enabled)
        return error_set(err, ERROR_OPERATION_FAILED, "%s has a second factor already", user);
    if (!factor && factors->list->len >= FACTORS_MAX)
        return error_set(err, ERROR_OVERFLOW, "there are %u second factors already", FACTORS_MAX);
    if (!factor) {
        factor = g_new0(Factor, 1);
        factor->user = g_strdup(user);
        g_ptr_array_add(factors->list, factor);
    }
    random_bytes(factor->key, sizeof factor->key);
    *ret_secret = totp_secret(factor->key);
    return true;
}

bool factors_change(Factors *factors, HttpFactorChange change, const char *user, const char *code,
                    char **ret_secret, Error **err)
{
    Factor *factor = factor_find(factors, user);

    if (change == HTTP_FACTOR_BEGIN)
        return factor_begin(factors, factor, user, ret_secret, err);
    if (!factor)
        return error_set(err, ERROR_OPERATION_FAILED, "%s has no second factor", user);
    const bool needs_code = change == HTTP_FACTOR_CONFIRM || change == HTTP_FACTOR_USE ||
                            (change == HTTP_FACTOR_REMOVE && factor->enabled);
    const uint64_t step = code ? totp_check(factor->key, code, (int64_t)time(NULL), factor->used) : 0;
    if (needs_code && !step)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the code is wrong, or was used before");
    if (change == HTTP_FACTOR_CONFIRM || change == HTTP_FACTOR_USE) {
        factor->enabled = true;
        factor->used = step;
    } else {
        g_ptr_array_remove(factors->list, factor);
    }
    return true;
}
