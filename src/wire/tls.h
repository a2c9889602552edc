/* TLS below the frames, for either side, with certificates that both show.
 *
 * After the handshake the server sends one byte, which tells the client that its certificate is accepted; it
 * is a part of the layer's handshake here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <time.h>

#include "wire/layer.h"

typedef enum WireTlsSide { WIRE_TLS_CLIENT, WIRE_TLS_SERVER } WireTlsSide;

typedef struct WireTlsFiles {
    char *ca, *crl;   /* crl: NULL or a file that need not be there */
    char *cert, *key; /* NULL, or both not there: a client without a certificate */
    char *priority;   /* GnuTLS's words for what is allowed; NULL: its own choice */
    bool skip_checks; /* take our own certificate as it is, even if it is out of date */
} WireTlsFiles;
void wire_tls_files_clear(WireTlsFiles *files);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireTlsFiles, wire_tls_files_clear)

/* Where everybody looks, below @root ("" for the system): etc/pki. */
WireTlsFiles wire_tls_files_system(const char *root, WireTlsSide side);
/* Those of a client: all in @folder, or (NULL) the user's own as far as there are some, else the system's. */
WireTlsFiles wire_tls_files_client(const char *folder);

/* Certificates that were read: counted, because connections outlive a reload. */
typedef struct WireTlsIdentity WireTlsIdentity;
/* Reads files: in a worker. ERROR_CONFIG_SYNTAX or ERROR_SYSTEM names the file, and what is wrong with it. */
MUST_CHECK bool wire_tls_identity_load(const WireTlsFiles *files, WireTlsSide side,
                                       WireTlsIdentity **ret_identity, Error **err);
WireTlsIdentity *wire_tls_identity_ref(WireTlsIdentity *identity);
void wire_tls_identity_unref(WireTlsIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireTlsIdentity, wire_tls_identity_unref)
/* The end of our own certificate; 0: there is none. */
/* The name or address that a client checks stands in the certificate @pem. */
bool wire_tls_certificate_is_for(const char *pem, size_t len, const char *host);
time_t wire_tls_identity_expires(const WireTlsIdentity *identity);

typedef struct WireTlsSpec {
    WireTlsIdentity *identity;        /* takes a reference */
    const char *host;                 /* client: whose certificate it must be; copied */
    const char *const *allowed_names; /* server: globs for names of clients; NULL: all. Copied */
    bool no_verify;                   /* take the other side's certificate as it is */
} WireTlsSpec;

/* @fd: connected; borrowed. The handshake fails with ERROR_AUTH_FAILED: what is wrong with whose certificate.
 */
WireLayer *wire_tls_new(int fd, WireTlsSide side, const WireTlsSpec *spec);
/* Of a layer that is open: the distinguished name in the peer's certificate; borrowed, NULL: it showed none.
 */
const char *wire_tls_peer_name(const WireLayer *layer);
/* Bits of the key that protects the connection. */
unsigned wire_tls_key_bits(const WireLayer *layer);
