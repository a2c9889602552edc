/* RSA keys, and certificates that may encipher keys: stock clients of some years refuse others. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/pki.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/ip.h"

#define KEY_BITS 3072
#define CA_DAYS 3650
#define DAY_S 86400
#define PEM_MAX 65536

struct Pki {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    char *pem;
};

static bool pki_check(int r, const char *doing, Error **err)
{
    return r >= 0 || error_set(err, ERROR_OPERATION_FAILED, "%s: %s", doing, gnutls_strerror(r));
}

void pki_pair_clear(PkiPair *pair)
{
    g_free(pair->cert);
    g_free(pair->key);
    *pair = (PkiPair){ 0 };
}

void pki_free(Pki *pki)
{
    if (!pki)
        return;
    gnutls_x509_crt_deinit(pki->cert);
    gnutls_x509_privkey_deinit(pki->key);
    g_free(pki->pem);
    g_free(pki);
}

const char *pki_ca_pem(const Pki *pki)
{
    return pki->pem;
}

static bool pki_make_key(gnutls_x509_privkey_t key, char **ret_pem, Error **err)
{
    gnutls_datum_t pem;

    if (!pki_check(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, KEY_BITS, 0), "making a key", err) ||
        !pki_check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), "writing a key", err))
        return false;
    *ret_pem = g_strndup((char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return true;
}

/* What every certificate has. */
static bool pki_begin(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *name, unsigned days,
                      Error **err)
{
    unsigned char serial[16];
    const time_t now = time(NULL);

    if (!pki_check(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial), "choosing a number", err))
        return false;
    serial[0] &= 0x7f; /* a positive number */
    int r = gnutls_x509_crt_set_version(cert, 3);
    if (r >= 0)
        r = gnutls_x509_crt_set_serial(cert, serial, sizeof serial);
    if (r >= 0)
        r = gnutls_x509_crt_set_activation_time(cert, now - DAY_S); /* clocks differ */
    if (r >= 0)
        r = gnutls_x509_crt_set_expiration_time(cert, now + (time_t)days * DAY_S);
    if (r >= 0)
        r = gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "Lodge",
                                          strlen("Lodge"));
    if (r >= 0)
        r = gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
    if (r >= 0)
        r = gnutls_x509_crt_set_key(cert, key);
    return pki_check(r, "filling a certificate", err);
}

static bool pki_sign(const Pki *pki, gnutls_x509_crt_t cert, char **ret_pem, Error **err)
{
    gnutls_datum_t pem;

    if (!pki_check(gnutls_x509_crt_sign2(cert, pki->cert, pki->key, GNUTLS_DIG_SHA256, 0), "signing", err) ||
        !pki_check(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), "writing a certificate", err))
        return false;
    *ret_pem = g_strndup((char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return true;
}

static bool pki_make_ca(Pki *pki, const char *folder, const char *name, Error **err)
{
    g_autofree char *key_path = g_build_filename(folder, "cakey.pem", NULL);
    g_autofree char *cert_path = g_build_filename(folder, "cacert.pem", NULL);
    g_autofree char *key = NULL;

    if (!pki_make_key(pki->key, &key, err) || !pki_begin(pki->cert, pki->key, name, CA_DAYS, err))
        return false;
    int r = gnutls_x509_crt_set_basic_constraints(pki->cert, 1, -1);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(pki->cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    return pki_check(r, "making the CA", err) && pki_sign(pki, pki->cert, &pki->pem, err) &&
           file_make_dirs(folder, 0700, err) && file_replace(key_path, key, strlen(key), 0600, err) &&
           file_replace(cert_path, pki->pem, strlen(pki->pem), 0644, err);
}

static bool pki_load_ca(Pki *pki, const char *key_path, const char *cert_path, Error **err)
{
    g_autofree char *key = NULL;
    size_t key_len, cert_len;

    if (!file_read(key_path, PEM_MAX, &key, &key_len, err) ||
        !file_read(cert_path, PEM_MAX, &pki->pem, &cert_len, err))
        return error_hint(err, "both files of the CA belong together; another folder is chosen by --ca");
    const gnutls_datum_t key_pem = { (unsigned char *)key, (unsigned)key_len };
    const gnutls_datum_t cert_pem = { (unsigned char *)pki->pem, (unsigned)cert_len };
    return pki_check(gnutls_x509_privkey_import(pki->key, &key_pem, GNUTLS_X509_FMT_PEM), key_path, err) &&
           pki_check(gnutls_x509_crt_import(pki->cert, &cert_pem, GNUTLS_X509_FMT_PEM), cert_path, err);
}

bool pki_open(const char *folder, const char *name, Pki **ret_pki, Error **err)
{
    g_autoptr(Pki) pki = g_new0(Pki, 1);
    g_autofree char *key_path = g_build_filename(folder, "cakey.pem", NULL);
    g_autofree char *cert_path = g_build_filename(folder, "cacert.pem", NULL);
    const bool is_there =
        g_file_test(key_path, G_FILE_TEST_EXISTS) || g_file_test(cert_path, G_FILE_TEST_EXISTS);

    gnutls_x509_privkey_init(&pki->key);
    gnutls_x509_crt_init(&pki->cert);
    if (is_there ? !pki_load_ca(pki, key_path, cert_path, err) : !pki_make_ca(pki, folder, name, err))
        return error_prefix(err, "the CA in '%s'", folder);
    *ret_pki = g_steal_pointer(&pki);
    return true;
}

static int pki_add_name(gnutls_x509_crt_t cert, const char *name)
{
    IpAddress ip;

    if (ip_parse(name, &ip))
        return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, ip.bytes, ip_bits(&ip) / 8,
                                                    GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                                GNUTLS_FSAN_APPEND);
}

static bool pki_fill(gnutls_x509_crt_t cert, PkiPurpose purpose, const char *const *names, Error **err)
{
    int r = gnutls_x509_crt_set_basic_constraints(cert, 0, -1);

    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_purpose_oid(cert,
                                                purpose == PKI_SERVER ? GNUTLS_KP_TLS_WWW_SERVER
                                                                      : GNUTLS_KP_TLS_WWW_CLIENT,
                                                0);
    for (const char *const *name = names; r >= 0 && purpose == PKI_SERVER && *name; name++)
        r = pki_add_name(cert, *name);
    return pki_check(r, "filling a certificate", err);
}

bool pki_issue(Pki *pki, PkiPurpose purpose, const char *const *names, unsigned days, PkiPair *ret_pair,
               Error **err)
{
    g_auto(PkiPair) pair = { 0 };
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;

    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&cert);
    const bool ok = pki_make_key(key, &pair.key, err) && pki_begin(cert, key, names[0], days, err) &&
                    pki_fill(cert, purpose, names, err) && pki_sign(pki, cert, &pair.cert, err);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    if (!ok)
        return error_prefix(err, "the certificate of '%s'", names[0]);
    *ret_pair = pair;
    pair = (PkiPair){ 0 };
    return true;
}
