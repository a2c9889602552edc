/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/certificate.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/uuid.h"

#define PEM_MAX ((size_t)1048576)
#define YEARS 10

static bool fail(int r, const char *doing, Error **err)
{
    return error_set(err, ERROR_OPERATION_FAILED, "%s: %s", doing, gnutls_strerror(r));
}

/* ECDSA on P-256, which every browser knows. */
static int certificate_fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *hostname)
{
    uint8_t serial[16];
    const time_t now = time(NULL);
    int r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         (unsigned)GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);

    random_bytes(serial, sizeof serial);
    serial[0] &= 0x7f;
    if (r >= 0)
        r = gnutls_x509_crt_set_version(crt, 3);
    if (r >= 0)
        r = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (r >= 0)
        r = gnutls_x509_crt_set_activation_time(crt, now - 86400);
    if (r >= 0)
        r = gnutls_x509_crt_set_expiration_time(crt, now + (time_t)YEARS * 365 * 86400);
    if (r >= 0)
        r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, hostname,
                                          (unsigned)MIN(strlen(hostname), 64));
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, hostname,
                                                 (unsigned)strlen(hostname), GNUTLS_FSAN_SET);
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_APPEND);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (r >= 0)
        r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    if (r >= 0)
        r = gnutls_x509_crt_set_key(crt, key);
    if (r >= 0)
        r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return r;
}

static bool certificate_make(const char *certificate_path, const char *key_path, Error **err)
{
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t crt_text = { 0 }, key_text = { 0 };
    char hostname[256] = "localhost";

    (void)gethostname(hostname, sizeof hostname - 1);
    int r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = gnutls_x509_privkey_init(&key);
    if (r >= 0)
        r = certificate_fill(crt, key, hostname);
    if (r >= 0)
        r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_text);
    if (r >= 0)
        r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_text);
    bool ok = r >= 0 ? true : fail(r, "making a certificate for the web", err);
    /* The key first: without the certificate both are made anew. */
    ok = ok && file_replace(key_path, (const char *)key_text.data, key_text.size, 0600, err) &&
         file_replace(certificate_path, (const char *)crt_text.data, crt_text.size, 0644, err);
    gnutls_free(crt_text.data);
    gnutls_free(key_text.data);
    if (crt)
        gnutls_x509_crt_deinit(crt);
    if (key)
        gnutls_x509_privkey_deinit(key);
    return ok;
}

static bool certificate_fingerprint(const char *pem, const char *path, char **ret_text, Error **err)
{
    const gnutls_datum_t data = { (unsigned char *)pem, (unsigned)strlen(pem) };
    gnutls_x509_crt_t crt = NULL;
    uint8_t sum[32];
    size_t size = sizeof sum;
    g_autoptr(GString) text = g_string_new(NULL);

    int r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM);
    if (r >= 0)
        r = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &size);
    if (crt)
        gnutls_x509_crt_deinit(crt);
    if (r < 0)
        return error_set(err, ERROR_CONFIG_SYNTAX, "'%s' is no certificate: %s", path, gnutls_strerror(r));
    for (size_t i = 0; i < size; i++)
        g_string_append_printf(text, "%s%02X", i ? ":" : "", sum[i]);
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}

bool http_certificate_get(const Paths *paths, const Config *config, char **ret_certificate, char **ret_key,
                          char **ret_fingerprint, Error **err)
{
    const bool is_own = !config->web_certificate || !config->web_key;
    g_autofree char *dir = path_join(paths->etc, "lodge-web");
    g_autofree char *certificate_path =
        is_own ? path_join(dir, "certificate.pem") : g_strdup(config->web_certificate);
    g_autofree char *key_path = is_own ? path_join(dir, "key.pem") : g_strdup(config->web_key);
    g_autofree char *certificate = NULL, *key = NULL;

    if (is_own && access(certificate_path, F_OK) < 0 &&
        (!file_make_dirs(dir, 0700, err) || !certificate_make(certificate_path, key_path, err)))
        return false;
    if (!file_read(certificate_path, PEM_MAX, &certificate, NULL, err) ||
        !file_read(key_path, PEM_MAX, &key, NULL, err) ||
        !certificate_fingerprint(certificate, certificate_path, ret_fingerprint, err))
        return false;
    *ret_certificate = g_steal_pointer(&certificate);
    *ret_key = g_steal_pointer(&key);
    return true;
}
