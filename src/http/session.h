/* Who may: accounts of the web, sessions of browsers, tokens of programs.
 *
 * Accounts and tokens lie in etc/libvirt/lodge-web.json (mode 0600), replaced whole; sessions in run/libvirt,
 * so that they outlive the daemon, but not the host. Passwords are kept as yescrypt has them, tokens and
 * sessions as SHA-256. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "base/uuid.h"
#include "core/paths.h"
#include "http/factor.h"

typedef enum HttpRole { HTTP_ROLE_NONE, HTTP_ROLE_VIEWER, HTTP_ROLE_OPERATOR, HTTP_ROLE_ADMIN } HttpRole;
const char *http_role_name(HttpRole role);
HttpRole http_role_parse(const char *text); /* NONE: there is none of that name */

typedef struct HttpIdentity {
    char *user; /* NULL: nobody */
    HttpRole role;
    bool has_machine; /* may see that machine and no other */
    Uuid machine;
    bool by_cookie; /* has to prove that its own page asks */
    char *csrf;
    bool by_token;
    uint8_t key[32]; /* of the session or the token */
} HttpIdentity;
void http_identity_clear(HttpIdentity *who);

typedef struct HttpAccounts HttpAccounts;

/* A file that cannot be read is set aside (NAME.damaged), which the log tells, and all begins anew. */
AWAITS HttpAccounts *http_accounts_open(const Paths *paths);
void http_accounts_free(HttpAccounts *accounts);

/* ---- users ---- */

/* What is known of all, without passwords: {name, role, created, otp}. New reference. */
Json *http_users_list(const HttpAccounts *accounts);
/* @password, @role: NULL, NONE: as it was. The user is made if @is_new, else changed; its sessions end when
 * the password or the role changes.
 *
 * ERROR_OPERATION_FAILED  is there already
 * ERROR_NO_HOSTNAME       there is none
 * ERROR_INVALID_ARGUMENT  name, role or password cannot be taken */
AWAITS MUST_CHECK bool http_user_set(HttpAccounts *accounts, const char *name, const char *password,
                                     HttpRole role, bool is_new, Error **err);
/* ERROR_NO_HOSTNAME */
AWAITS MUST_CHECK bool http_user_remove(HttpAccounts *accounts, const char *name, Error **err);
/* Local users first, then the host's by PAM. @otp: code of the second factor; NULL: none. Attempts from one
 * address, and for one user, are counted.
 *
 * ERROR_AUTH_FAILED  wrong; the same words whatever was wrong. Behind a right password: the code is wrong, or
 * missing (error_class() "otp-required") ERROR_BUSY         too many attempts: later */
AWAITS MUST_CHECK bool http_user_check(HttpAccounts *accounts, const char *name, const char *password,
                                       const char *otp, const char *from, HttpRole *ret_role, Error **err);

/* Second factors of users, local ones and the host's. */
HttpFactorState http_factor_state(const HttpAccounts *accounts, const char *user);
/* As factors_change(); it is written before it counts. ERROR_BUSY: too many wrong codes */
AWAITS MUST_CHECK bool http_factor_change(HttpAccounts *accounts, HttpFactorChange change, const char *user,
                                          const char *code, char **ret_secret, Error **err);

/* ---- sessions ---- */

/* *ret_cookie owned: what the browser is to keep. *ret_who: cleared by the caller. */
AWAITS MUST_CHECK bool http_session_begin(HttpAccounts *accounts, const char *user, HttpRole role,
                                          char **ret_cookie, HttpIdentity *ret_who, Error **err);
/* Never waits. false: there is none, or it is over. */
bool http_session_find(HttpAccounts *accounts, const char *cookie, HttpIdentity *ret_who);
/* Is it still as it was: the session not ended, the token not removed? Never waits. */
bool http_identity_is_good(const HttpAccounts *accounts, const HttpIdentity *who);
AWAITS void http_session_end(HttpAccounts *accounts, const HttpIdentity *who);

/* A link that logs in once, within some minutes, as an administrator named @user. Owned: its secret part. */
char *http_link_make(HttpAccounts *accounts, const char *user);
/* Uses it up. Owned: the user; NULL: there is no such link. */
char *http_link_take(HttpAccounts *accounts, const char *link);

/* ---- tokens ---- */

/* {id, name, role, machine, created, expires}; either tokens or shares. */
Json *http_tokens_list(const HttpAccounts *accounts, bool shares);
typedef struct HttpTokenOrder { /* borrowed */
    const char *name, *by;
    HttpRole role;
    const Uuid *machine; /* NULL: all */
    int64_t expires_s;   /* of the epoch; 0: never */
    bool is_share;       /* opens a screen of the machine, to look, and nothing else */
    unsigned display;
} HttpTokenOrder;
/* *ret_token, *ret_id owned. */
AWAITS MUST_CHECK bool http_token_make(HttpAccounts *accounts, const HttpTokenOrder *order, char **ret_token,
                                       char **ret_id, Error **err);
/* Never waits. *ret_by owned: who shared it. */
bool http_share_find(const HttpAccounts *accounts, const char *secret, Uuid *ret_machine,
                     unsigned *ret_display, char **ret_by);
AWAITS MUST_CHECK bool http_token_remove(HttpAccounts *accounts, const char *id, Error **err);
/* Never waits. */
bool http_token_find(HttpAccounts *accounts, const char *token, HttpIdentity *ret_who);
