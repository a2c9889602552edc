/* SASL for either side, and what it protects a connection with.
 *
 * libsasl2's mechanisms may read files and ask servers: those of a daemon run in a worker, which is why a
 * session is one owned thing without a connection. One thread at a time. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "wire/layer.h"

typedef struct WireSasl WireSasl;

typedef struct WireSaslSpec {
    const char *local, *remote; /* "192.0.2.7;4711"; NULL: not by IP */
    const char *tls_name;       /* NULL */
    unsigned tls_bits;          /* of TLS below; 0: none */
    unsigned min_bits;          /* of protection by SASL itself; 0: the connection is safe without */
} WireSaslSpec;

/* @conf_dir: where libvirt.conf for SASL lies; NULL: the system's. Copied. Once, before the first session of
 * a server. */
void wire_sasl_set_conf_dir(const char *conf_dir);

/* One message of the exchange. */
typedef struct WireSaslData {
    char *bytes; /* owned; NULL: none, which is not the same as an empty one */
    size_t len;
} WireSaslData;

/* ERROR_AUTH_UNAVAILABLE: SASL has nothing to offer here. */
MUST_CHECK bool wire_sasl_server_new(const WireSaslSpec *spec, WireSasl **ret_sasl, Error **err);
/* Names of mechanisms with commas between them; owned. */
MUST_CHECK bool wire_sasl_mechanisms(WireSasl *sasl, char **ret_names, Error **err);
/* @mechanism NULL: a further step. ERROR_AUTH_FAILED: in SASL's words, for the log. */
MUST_CHECK bool wire_sasl_server_step(WireSasl *sasl, const char *mechanism, const WireSaslData *in,
                                      WireSaslData *ret_out, bool *ret_done, Error **err);
/* Of a session that is done; borrowed. */
const char *wire_sasl_user(const WireSasl *sasl);

typedef struct WireSaslAnswers {
    const char *host;
    const char *authfile; /* NULL: the usual ones */
    /* Asks a person; owned, NULL: nobody there. NULL: there is none to ask. */
    char *(*ask)(const char *question, bool is_secret, void *arg);
    void *arg;
} WireSaslAnswers;

MUST_CHECK bool wire_sasl_client_new(const WireSaslSpec *spec, const WireSaslAnswers *answers,
                                     WireSasl **ret_sasl, Error **err);
/* *ret_mechanism: which of @mechanisms it is; borrowed from the session. */
MUST_CHECK bool wire_sasl_client_start(WireSasl *sasl, const char *mechanisms, const char **ret_mechanism,
                                       WireSaslData *ret_out, bool *ret_done, Error **err);
MUST_CHECK bool wire_sasl_client_step(WireSasl *sasl, const WireSaslData *in, WireSaslData *ret_out,
                                      bool *ret_done, Error **err);

/* After the last message: what bytes pass through from now on. *ret_layer NULL: nothing, because the
 * connection is safe without. @sasl is owned by it from then on (NULL), else stays the caller's.
 * ERROR_AUTH_FAILED: it protects less than was asked for. */
MUST_CHECK bool wire_sasl_protect(WireSasl **sasl, int fd, WireLayer **ret_layer, Error **err);

void wire_sasl_free(WireSasl *sasl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireSasl, wire_sasl_free)
