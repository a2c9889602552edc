/* Errors on the wire: our codes to the protocol's numbers and back. One table, used by the server and by the
 * client. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "wire/wire_gen.h"

/* Fills *ret_error (owned strings) as peers expect it: number, subsystem (those of error_set_remote() if they
 * were set), the complete text. */
void wire_error_from(const Error *err, WireError *ret_error);

/* Errors that speak of machines by default come from the subsystem of the call's own kind of object:
 * "virNetworkCreate" turns VIR_FROM_DOMAIN and VIR_FROM_QEMU into VIR_FROM_NETWORK. @api may be NULL. */
void wire_error_set_api(WireError *error, const char *api);

/* Makes a local error of one that a server sent; the server's numbers are kept in it. */
void wire_error_to(const WireError *remote, Error **err);

/* The protocol's number (VIR_ERR_...) of any error: the one that the server sent, or what ours maps to.
 * 0 for NULL. */
int wire_error_code(const Error *err);
/* The protocol's subsystem (VIR_FROM_...), likewise. */
int wire_error_domain(const Error *err);
