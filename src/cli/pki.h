/* Certificates: a CA of the user's, and what it signs for servers and clients. Files are replaced whole. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

typedef struct Pki Pki; /* a CA that can sign */

/* The CA in @folder (cakey.pem and cacert.pem), made if there is none, in the name of @name. */
MUST_CHECK bool pki_open(const char *folder, const char *name, Pki **ret_pki, Error **err);
void pki_free(Pki *pki);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pki, pki_free)
const char *pki_ca_pem(const Pki *pki); /* borrowed */

typedef enum PkiPurpose { PKI_SERVER, PKI_CLIENT } PkiPurpose;
typedef struct PkiPair {
    char *cert, *key; /* PEM; owned */
} PkiPair;
/* @names: of the certificate; the first is its common name, and those of a server are what it is reached by
 * (names and addresses). @days: until it expires. */
MUST_CHECK bool pki_issue(Pki *pki, PkiPurpose purpose, const char *const *names, unsigned days,
                          PkiPair *ret_pair, Error **err);
void pki_pair_clear(PkiPair *pair);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PkiPair, pki_pair_clear)
