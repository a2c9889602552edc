/* Users of the host, asked by PAM in a program of its own: modules of PAM may wait, and run in the caller. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/session.h"

/* *ret_role NONE: wrong, or not somebody who may come in. Root and members of the group that owns the
 * daemon's socket (unix_sock_group) are administrators; nobody else gets in: who may use the socket may use
 * the page. ERROR_TIMEOUT: PAM did not answer */
AWAITS MUST_CHECK bool http_pam_check(const char *user, const char *password, HttpRole *ret_role,
                                      Error **err);
/* Whether http_pam_check() may say yes at all. @group: of administrators, NULL: root alone. @rules: a file
 * that says what members of it may do (NULL: none can be): while it is there only root gets in, because here
 * administrators may all. */
void http_pam_setup(bool enabled, const char *group, const char *rules);
void http_pam_shutdown(void);
