/* The certificate that the web shows beyond this host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/config.h"

/* That of web_certificate and web_key; else one that is signed by its own key, made at first use below
 * etc/libvirt/lodge-web. All owned; @ret_fingerprint: SHA-256, "AB:CD:...".
 *
 * ERROR_SYSTEM, ERROR_CONFIG_SYNTAX: a file is missing, or no certificate */
AWAITS MUST_CHECK bool http_certificate_get(const Paths *paths, const Config *config, char **ret_certificate,
                                            char **ret_key, char **ret_fingerprint, Error **err);
