/* TLS by GnuTLS, over a descriptor that never waits.
 *
 * GnuTLS would refuse a bad certificate in the middle of the handshake, with words of its own; so the
 * handshake takes any, and what is wrong with it is said here, before the first byte of a frame passes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/tls.h"

#include <errno.h>
#include <fnmatch.h>
#include <glib.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_TEXT "%Y-%m-%d %H:%M"
#define NAME_MAX_BYTES 1024
#define ACCEPTED "\1"

struct WireTlsIdentity {
    unsigned refs;
    gnutls_certificate_credentials_t credentials;
    char *priority; /* NULL: GnuTLS's own */
    time_t expires; /* 0: no certificate */
};

typedef enum TlsStep { TLS_HANDSHAKE, TLS_TELL, TLS_HEAR, TLS_OPEN } TlsStep;

typedef struct TlsLayer {
    WireLayer base;
    WireTlsSide side;
    WireTlsIdentity *identity;
    gnutls_session_t session;
    char **allowed_names; /* globs; NULL: all */
    char *host, *peer_name;
    bool no_verify;
    TlsStep step;
    size_t unsent; /* bytes of a record that GnuTLS keeps; 0: none */
} TlsLayer;

/* ---- certificates ---- */

void wire_tls_files_clear(WireTlsFiles *files)
{
    g_free(files->ca);
    g_free(files->crl);
    g_free(files->cert);
    g_free(files->key);
    g_free(files->priority);
    *files = (WireTlsFiles){ 0 };
}

WireTlsFiles wire_tls_files_system(const char *root, WireTlsSide side)
{
    const char *who = side == WIRE_TLS_SERVER ? "server" : "client";

    return (WireTlsFiles){
        .ca = g_strconcat(root, "/etc/pki/CA/cacert.pem", NULL),
        .crl = g_strconcat(root, "/etc/pki/CA/cacrl.pem", NULL),
        .cert = g_strdup_printf("%s/etc/pki/libvirt/%scert.pem", root, who),
        .key = g_strdup_printf("%s/etc/pki/libvirt/private/%skey.pem", root, who),
    };
}

static void files_take(char **field, const char *folder, const char *name)
{
    g_free(*field);
    *field = g_build_filename(folder, name, NULL);
}

WireTlsFiles wire_tls_files_client(const char *folder)
{
    WireTlsFiles files = wire_tls_files_system("", WIRE_TLS_CLIENT);
    g_autofree char *own = g_build_filename(g_get_home_dir(), ".pki/libvirt", NULL);
    const bool all = folder != NULL;

    if (!folder)
        folder = own;
    if (!all && geteuid() == 0)
        return files;
    g_autofree char *ca = g_build_filename(folder, "cacert.pem", NULL);
    g_autofree char *crl = g_build_filename(folder, "cacrl.pem", NULL);
    g_autofree char *cert = g_build_filename(folder, "clientcert.pem", NULL);
    g_autofree char *key = g_build_filename(folder, "clientkey.pem", NULL);
    if (all || access(ca, R_OK) == 0)
        files_take(&files.ca, folder, "cacert.pem");
    if (all || access(crl, R_OK) == 0)
        files_take(&files.crl, folder, "cacrl.pem");
    if (all || (access(cert, R_OK) == 0 && access(key, R_OK) == 0)) {
        files_take(&files.cert, folder, "clientcert.pem");
        files_take(&files.key, folder, "clientkey.pem");
    }
    return files;
}

static bool tls_file_error(Error **err, const char *what, const char *path, int code)
{
    if (access(path, R_OK) < 0)
        error_set_errno(err, errno, "cannot read the %s '%s'", what, path);
    else
        error_set(err, ERROR_CONFIG_SYNTAX, "the %s '%s' cannot be used: %s", what, path,
                  gnutls_strerror(code));
    return error_hint(err, "'lodge remote setup HOST' makes certificates; a key has to fit its certificate");
}

/* What libvirt, too, wants of a certificate of ours before others see it. */
static bool identity_check(const char *path, gnutls_x509_crt_t cert, WireTlsSide side, Error **err)
{
    const time_t now = time(NULL);
    const bool is_late = gnutls_x509_crt_get_expiration_time(cert) < now;
    const time_t when =
        is_late ? gnutls_x509_crt_get_expiration_time(cert) : gnutls_x509_crt_get_activation_time(cert);
    const char *purpose = side == WIRE_TLS_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;

    if (is_late || when > now) {
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(when);
        g_autofree char *text = g_date_time_format(date, CLOCK_TEXT);
        error_set(err, ERROR_CONFIG_SYNTAX,
                  is_late ? "the certificate '%s' expired on %s UTC"
                          : "the certificate '%s' is valid from %s UTC only",
                  path, text);
        return error_hint(err, is_late ? "'lodge remote setup HOST' makes a new one" : "is the clock right?");
    }
    if (!gnutls_x509_crt_check_key_purpose(cert, purpose, 0)) {
        error_set(err, ERROR_CONFIG_SYNTAX, "the certificate '%s' is not made for %s", path,
                  side == WIRE_TLS_SERVER ? "servers" : "clients");
        return error_hint(err, "make it with the purpose TLS WWW %s",
                          side == WIRE_TLS_SERVER ? "server" : "client");
    }
    return true;
}

static bool identity_take_cert(WireTlsIdentity *identity, const WireTlsFiles *files, WireTlsSide side,
                               Error **err)
{
    gnutls_x509_crt_t *certs;
    unsigned count;
    bool ok = true;

    if (side == WIRE_TLS_CLIENT && (!files->cert || (access(files->cert, F_OK) < 0 && errno == ENOENT)))
        return true; /* servers decide whether they want one */
    int r = gnutls_certificate_set_x509_key_file(identity->credentials, files->cert, files->key,
                                                 GNUTLS_X509_FMT_PEM);
    if (r < 0)
        return tls_file_error(err, access(files->cert, R_OK) < 0 ? "certificate" : "key of the certificate",
                              access(files->cert, R_OK) < 0 ? files->cert : files->key, r);
    if (gnutls_certificate_get_x509_crt(identity->credentials, 0, &certs, &count) < 0)
        return true;
    if (count > 0) {
        identity->expires = gnutls_x509_crt_get_expiration_time(certs[0]);
        ok = files->skip_checks || identity_check(files->cert, certs[0], side, err);
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certs[i]);
    gnutls_free(certs);
    return ok;
}

bool wire_tls_identity_load(const WireTlsFiles *files, WireTlsSide side, WireTlsIdentity **ret_identity,
                            Error **err)
{
    g_autoptr(WireTlsIdentity) identity = g_new0(WireTlsIdentity, 1);
    gnutls_priority_t priority;
    const char *wrong;

    identity->refs = 1;
    identity->priority = g_strdup(files->priority);
    gnutls_certificate_allocate_credentials(&identity->credentials);
    if (files->priority) {
        if (gnutls_priority_init(&priority, files->priority, &wrong) < 0)
            return error_set(err, ERROR_CONFIG_SYNTAX, "tls_priority '%s' makes no sense from '%s' on",
                             files->priority, wrong);
        gnutls_priority_deinit(priority);
    }
    int r = gnutls_certificate_set_x509_trust_file(identity->credentials, files->ca, GNUTLS_X509_FMT_PEM);
    if (r <= 0)
        return tls_file_error(err, "CA certificate", files->ca, r < 0 ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
    if (files->crl && access(files->crl, F_OK) == 0) {
        r = gnutls_certificate_set_x509_crl_file(identity->credentials, files->crl, GNUTLS_X509_FMT_PEM);
        if (r < 0)
            return tls_file_error(err, "list of revoked certificates", files->crl, r);
    }
    if (!identity_take_cert(identity, files, side, err))
        return false;
    *ret_identity = g_steal_pointer(&identity);
    return true;
}

WireTlsIdentity *wire_tls_identity_ref(WireTlsIdentity *identity)
{
    identity->refs++;
    return identity;
}

void wire_tls_identity_unref(WireTlsIdentity *identity)
{
    if (!identity || --identity->refs > 0)
        return;
    gnutls_certificate_free_credentials(identity->credentials);
    g_free(identity->priority);
    g_free(identity);
}

bool wire_tls_certificate_is_for(const char *pem, size_t len, const char *host)
{
    const gnutls_datum_t data = { .data = (unsigned char *)pem, .size = (unsigned)len };
    gnutls_x509_crt_t cert;

    if (gnutls_x509_crt_init(&cert) < 0)
        return false;
    const bool is_for = gnutls_x509_crt_import(cert, &data, GNUTLS_X509_FMT_PEM) == 0 &&
                        gnutls_x509_crt_check_hostname(cert, host) != 0;
    gnutls_x509_crt_deinit(cert);
    return is_for;
}

time_t wire_tls_identity_expires(const WireTlsIdentity *identity)
{
    return identity->expires;
}

/* ---- the other side's certificate ---- */

static const char *tls_their(const TlsLayer *tls)
{
    return tls->side == WIRE_TLS_SERVER ? "client" : "server";
}

static bool tls_read_name(TlsLayer *tls)
{
    unsigned count;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(tls->session, &count);
    gnutls_x509_crt_t cert;
    char name[NAME_MAX_BYTES];
    size_t size = sizeof name;

    if (!list || count == 0 || gnutls_x509_crt_init(&cert) < 0)
        return false;
    if (gnutls_x509_crt_import(cert, &list[0], GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_x509_crt_get_dn(cert, name, &size) == 0)
        tls->peer_name = g_utf8_make_valid(name, (gssize)size);
    gnutls_x509_crt_deinit(cert);
    return tls->peer_name != NULL;
}

static const struct {
    unsigned bit;
    gnutls_alert_description_t alert;
    const char *text;
} tls_faults[] = {
    { GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "is revoked" },
    { GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "has expired" },
    { GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED, "is not valid yet" },
    { GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, "was not signed by a CA that is trusted here" },
    { GNUTLS_CERT_UNEXPECTED_OWNER, GNUTLS_A_BAD_CERTIFICATE, "is not that of the host" },
    { GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_BAD_CERTIFICATE, "is made for another purpose" },
    { GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_BAD_CERTIFICATE, "uses an algorithm that is broken" },
    { ~0u, GNUTLS_A_BAD_CERTIFICATE, "is not trusted" },
};

static bool tls_refuse_fault(TlsLayer *tls, unsigned status, Error **err)
{
    size_t i = 0;

    while (!(tls_faults[i].bit & status))
        i++;
    (void)gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, tls_faults[i].alert); /* the close says it, too */
    error_set(err, ERROR_AUTH_FAILED, "the certificate '%s' of the %s %s%s%s%s", tls->peer_name,
              tls_their(tls), tls_faults[i].text, tls->side == WIRE_TLS_CLIENT ? " (host " : "",
              tls->side == WIRE_TLS_CLIENT ? tls->host : "", tls->side == WIRE_TLS_CLIENT ? ")" : "");
    return error_hint(err, tls->side == WIRE_TLS_CLIENT
                               ? "use the name that the certificate has, or the right cacert.pem; "
                                 "?no_verify=1 takes any server"
                               : "'lodge remote setup' makes certificates for clients, too");
}

static bool tls_is_allowed(const TlsLayer *tls)
{
    if (!tls->allowed_names)
        return true;
    for (char **glob = tls->allowed_names; *glob; glob++) {
        if (fnmatch(*glob, tls->peer_name, 0) == 0)
            return true;
    }
    return false;
}

static bool tls_verify(TlsLayer *tls, Error **err)
{
    const bool named = tls_read_name(tls);
    gnutls_typed_vdata_st wanted[] = {
        { .type = GNUTLS_DT_KEY_PURPOSE_OID,
          .data = (unsigned char *)(tls->side == WIRE_TLS_SERVER ? GNUTLS_KP_TLS_WWW_CLIENT
                                                                 : GNUTLS_KP_TLS_WWW_SERVER) },
        { .type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)tls->host },
    };
    unsigned status;

    if (tls->no_verify)
        return true;
    if (!named) {
        (void)gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, GNUTLS_A_CERTIFICATE_REQUIRED);
        return error_set(err, ERROR_AUTH_FAILED, "the %s showed no certificate", tls_their(tls));
    }
    int r = gnutls_certificate_verify_peers(tls->session, wanted, tls->host ? 2 : 1, &status);
    if (r < 0)
        return error_set(err, ERROR_AUTH_FAILED, "the certificate '%s' of the %s cannot be checked: %s",
                         tls->peer_name, tls_their(tls), gnutls_strerror(r));
    if (status)
        return tls_refuse_fault(tls, status, err);
    if (tls_is_allowed(tls))
        return true;
    (void)gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
    error_set(err, ERROR_AUTH_FAILED, "the client '%s' is not in tls_allowed_dn_list", tls->peer_name);
    return error_hint(err, "add that name, or a pattern for it, to the list in libvirtd.conf");
}

/* ---- the layer ---- */

/* Of a call of GnuTLS that failed; false: it only has to be called again. */
static bool tls_has_failed(const TlsLayer *tls, int code, Error **err)
{
    if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED)
        return false;
    if (code == GNUTLS_E_WARNING_ALERT_RECEIVED || code == GNUTLS_E_REHANDSHAKE)
        return false; /* nothing is renegotiated */
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *alert = gnutls_alert_get_name(gnutls_alert_get(tls->session));
        error_set(err, ERROR_AUTH_FAILED, "the %s refuses the connection: %s", tls_their(tls),
                  alert ? alert : "no reason");
        if (tls->side == WIRE_TLS_CLIENT)
            error_hint(err, "its log says why; is the right clientcert.pem used?");
    } else if (code == GNUTLS_E_PREMATURE_TERMINATION || code == GNUTLS_E_PULL_ERROR ||
               code == GNUTLS_E_PUSH_ERROR) {
        error_set(err, ERROR_SYSTEM, "the %s closed the connection", tls_their(tls));
    } else {
        error_set(err, ERROR_AUTH_FAILED, "TLS with the %s: %s", tls_their(tls), gnutls_strerror(code));
    }
    return true;
}

static WireLayerState tls_wait(const TlsLayer *tls)
{
    return gnutls_record_get_direction(tls->session) ? WIRE_LAYER_WANTS_WRITE : WIRE_LAYER_WANTS_READ;
}

static WireLayerState tls_hear(TlsLayer *tls, Error **err)
{
    char word = 0;
    const ssize_t got = gnutls_record_recv(tls->session, &word, 1);

    if (got < 0)
        return tls_has_failed(tls, (int)got, err) ? WIRE_LAYER_FAILED : WIRE_LAYER_WANTS_READ;
    if (got == 1 && word == *ACCEPTED) {
        tls->step = TLS_OPEN;
        return WIRE_LAYER_READY;
    }
    error_set(err, ERROR_AUTH_FAILED, "the server does not accept this client's certificate");
    error_hint(err, "the server's log says why");
    return WIRE_LAYER_FAILED;
}

static WireLayerState tls_tell(TlsLayer *tls, Error **err)
{
    const ssize_t sent = tls->unsent ? gnutls_record_send(tls->session, NULL, 0)
                                     : gnutls_record_send(tls->session, ACCEPTED, 1);

    tls->unsent = sent < 0;
    if (sent < 0)
        return tls_has_failed(tls, (int)sent, err) ? WIRE_LAYER_FAILED : WIRE_LAYER_WANTS_WRITE;
    tls->step = TLS_OPEN;
    return WIRE_LAYER_READY;
}

static WireLayerState tls_open(WireLayer *layer, Error **err)
{
    TlsLayer *tls = (TlsLayer *)layer;

    if (tls->step == TLS_HANDSHAKE) {
        int r = gnutls_handshake(tls->session);
        if (r < 0)
            return tls_has_failed(tls, r, err) ? WIRE_LAYER_FAILED : tls_wait(tls);
        if (!tls_verify(tls, err))
            return WIRE_LAYER_FAILED;
        tls->step = tls->side == WIRE_TLS_SERVER ? TLS_TELL : TLS_HEAR;
    }
    if (tls->step == TLS_TELL)
        return tls_tell(tls, err);
    return tls->step == TLS_HEAR ? tls_hear(tls, err) : WIRE_LAYER_READY;
}

static ssize_t tls_result(const TlsLayer *tls, ssize_t result, Error **err)
{
    if (result >= 0)
        return result;
    errno = tls_has_failed(tls, (int)result, err) ? EPROTO : EAGAIN;
    return -1;
}

static ssize_t tls_read(WireLayer *layer, void *to, size_t size, Error **err)
{
    TlsLayer *tls = (TlsLayer *)layer;

    return tls_result(tls, gnutls_record_recv(tls->session, to, size), err);
}

static ssize_t tls_write(WireLayer *layer, const void *from, size_t size, Error **err)
{
    TlsLayer *tls = (TlsLayer *)layer;
    /* What GnuTLS has encrypted already goes first, and counts as these same bytes. */
    const ssize_t sent = tls->unsent ? gnutls_record_send(tls->session, NULL, 0)
                                     : gnutls_record_send(tls->session, from, size);

    tls->unsent = sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED;
    return tls_result(tls, sent, err);
}

static bool tls_has_more(const WireLayer *layer)
{
    return gnutls_record_check_pending(((const TlsLayer *)layer)->session) > 0;
}

static void tls_free(WireLayer *layer)
{
    TlsLayer *tls = (TlsLayer *)layer;

    if (tls->step == TLS_OPEN && !tls->unsent)
        (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR); /* does not wait, and may fail */
    gnutls_deinit(tls->session);
    wire_tls_identity_unref(tls->identity);
    g_strfreev(tls->allowed_names);
    g_free(tls->host);
    g_free(tls->peer_name);
    g_free(tls);
}

static const WireLayerOps tls_ops = { tls_open, tls_read, tls_write, tls_has_more, tls_free };

WireLayer *wire_tls_new(int fd, WireTlsSide side, const WireTlsSpec *spec)
{
    TlsLayer *tls = g_new0(TlsLayer, 1);
    const unsigned flags = side == WIRE_TLS_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT;

    tls->base = (WireLayer){ .ops = &tls_ops, .fd = fd };
    tls->side = side;
    tls->identity = wire_tls_identity_ref(spec->identity);
    tls->allowed_names = g_strdupv((char **)spec->allowed_names);
    tls->host = g_strdup(spec->host);
    tls->no_verify = spec->no_verify;
    gnutls_init(&tls->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (!tls->identity->priority ||
        gnutls_priority_set_direct(tls->session, tls->identity->priority, NULL) < 0) /* checked when loaded */
        (void)gnutls_set_default_priority(tls->session);
    gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->identity->credentials);
    gnutls_transport_set_int(tls->session, fd);
    gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT); /* who calls us has a deadline */
    if (side == WIRE_TLS_SERVER) {
        gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
        /* A client that knows our CAs keeps a certificate of others to itself, and the log could not say it.
         */
        gnutls_certificate_send_x509_rdn_sequence(tls->session, 1);
    } else if (spec->host && !g_hostname_is_ip_address(spec->host)) {
        gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, spec->host, strlen(spec->host));
    }
    return &tls->base;
}

const char *wire_tls_peer_name(const WireLayer *layer)
{
    return ((const TlsLayer *)layer)->peer_name;
}

unsigned wire_tls_key_bits(const WireLayer *layer)
{
    const TlsLayer *tls = (const TlsLayer *)layer;

    return (unsigned)gnutls_cipher_get_key_size(gnutls_cipher_get(tls->session)) * 8;
}
