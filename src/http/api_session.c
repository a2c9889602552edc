/* Log-in and log-out, and what the API is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "http/hub.h"
#include "http/route.h"

static const HttpField login_body[] = {
    { "user", HTTP_STRING },
    { "password", HTTP_STRING },
    { "otp", HTTP_STRING, .nullable = true,
      .doc = "code of the second factor; a problem named otp-required asks for it" },
    { "link", HTTP_STRING, .doc = "instead: what 'lodge web' printed, behind '#'" },
    { 0 },
};
static const HttpField session_fields[] = {
    { "user", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = "viewer|operator|admin" },
    { "csrf", HTTP_STRING, .required = true, .nullable = true, .doc = "for the header X-CSRF-Token" },
    { "machine", HTTP_STRING, .required = true, .nullable = true,
      .doc = "of a token: the only one it is for" },
    { 0 },
};

static bool answer_session(HttpRequest *req, unsigned status, const HttpIdentity *who)
{
    char machine[UUID_STRING_LEN];

    uuid_format(&who->machine, machine);
    return http_answer_json(req, status,
                            json_pack("{s:s,s:s,s:s?,s:s?}", "user", who->user, "role",
                                      http_role_name(who->role), "csrf", who->csrf, "machine",
                                      who->has_machine ? machine : NULL));
}

static void set_cookie(HttpRequest *req, const char *value, bool ends)
{
    const char *prefix = http_hub_prefix(req->hub);
    g_autofree char *text =
        g_strdup_printf("lodge_session=%s; Path=%s/; HttpOnly; SameSite=Strict%s%s", value, prefix,
                        req->is_secure ? "; Secure" : "", ends ? "; Max-Age=0" : "");

    http_add_header(req, "Set-Cookie", text);
}

/* Who comes in, by link or by password. *ret_user owned. */
AWAITS static bool login_check(HttpRequest *req, char **ret_user, HttpRole *ret_role, Error **err)
{
    HttpAccounts *accounts = http_hub_accounts(req->hub);
    const char *user = json_get_str(req->body, "user"), *password = json_get_str(req->body, "password");
    const char *link = json_get_str(req->body, "link");

    if (link) {
        *ret_user = http_link_take(accounts, link);
        *ret_role = HTTP_ROLE_ADMIN;
        if (*ret_user)
            return true;
        error_set(err, ERROR_AUTH_FAILED, "this link was used already, or is too old");
        return error_hint(err, "'lodge web' prints a new one");
    }
    if (!user || !password)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'user' and 'password', or 'link', are missing");
    if (!http_user_check(accounts, user, password, json_get_str(req->body, "otp"), req->from, ret_role, err))
        return false;
    *ret_user = g_strdup(user);
    return true;
}

static bool handle_login(HttpRequest *req, Error **err)
{
    g_autofree char *user = NULL, *cookie = NULL;
    HttpIdentity who = { 0 };
    HttpRole role;

    if (!login_check(req, &user, &role, err)) {
        if (err && error_code(*err) == ERROR_BUSY) {
            http_answer_problem(req, *err);
            g_clear_pointer(err, error_free);
            req->status = 429;
            return true;
        }
        return false;
    }
    if (!http_session_begin(http_hub_accounts(req->hub), user, role, &cookie, &who, err))
        return false;
    set_cookie(req, cookie, false);
    g_free(req->who.user); /* for the journal */
    req->who.user = g_steal_pointer(&user);
    (void)answer_session(req, 201, &who);
    http_identity_clear(&who);
    return true;
}

static bool handle_session(HttpRequest *req, Error **err)
{
    return answer_session(req, 200, &req->who);
}

static bool handle_logout(HttpRequest *req, Error **err)
{
    http_session_end(http_hub_accounts(req->hub), &req->who);
    set_cookie(req, "", true);
    return http_answer_none(req);
}

static const HttpField link_fields[] = {
    { "url", HTTP_STRING, .required = true, .nullable = true, .doc = "null: there is no port" },
    { "link", HTTP_STRING, .required = true },
    { 0 },
};

static bool handle_link(HttpRequest *req, Error **err)
{
    g_autofree char *link = http_link_make(http_hub_accounts(req->hub), req->who.user);
    const char *base = http_hub_url(req->hub);
    g_autofree char *url = base ? g_strdup_printf("%s/#link=%s", base, link) : NULL;

    return http_answer_json(req, 201, json_pack("{s:s?,s:s}", "url", url, "link", link));
}

static bool handle_openapi(HttpRequest *req, Error **err)
{
    return http_answer_json(req, 200, http_openapi(http_hub_prefix(req->hub)));
}

const HttpRoute http_routes_session[] = {
    { "POST", "/session", HTTP_ANYONE, .body = login_body, .answer = session_fields, .status = 201,
      .handle = handle_login, .doc = "Logs in: by user and password, or by a link that works once.",
      .command = "lodge web" },
    { "GET", "/session", HTTP_VIEW, .flags = HTTP_MACHINE, .answer = session_fields, .handle = handle_session,
      .doc = "Who is logged in." },
    { "DELETE", "/session", HTTP_VIEW, .status = 204, .handle = handle_logout, .doc = "Logs out." },
    { "POST", "/links", HTTP_ADMIN, .answer = link_fields, .status = 201, .handle = handle_link,
      .doc = "Makes a link that logs in once, within ten minutes, as whoever asked.",
      .command = "lodge web" },
    { "GET", "/openapi.json", HTTP_ANYONE, .type = "application/json", .handle = handle_openapi,
      .doc = "This description." },
    { 0 },
};
