/* Users of the web and their tokens. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/node.h"
#include "http/hub.h"
#include "http/route.h"
#include "machine/vm.h"

#define ROLES "viewer|operator|admin"

static const HttpField user_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = ROLES },
    { "created", HTTP_TIME, .required = true, .nullable = true },
    { "otp", HTTP_BOOL, .required = true, .doc = "has a second factor" },
    { 0 },
};
static const HttpField user_body[] = {
    { "name", HTTP_STRING, .required = true },
    { "password", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = ROLES },
    { 0 },
};
static const HttpField user_patch[] = {
    { "password", HTTP_STRING },
    { "role", HTTP_STRING, .choices = ROLES },
    { 0 },
};
static const HttpField token_fields[] = {
    { "id", HTTP_STRING, .required = true },
    { "name", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = ROLES },
    { "machine", HTTP_STRING, .required = true, .nullable = true, .doc = "UUID of the only one it is for" },
    { "by", HTTP_STRING, .required = true },
    { "created", HTTP_TIME, .required = true, .nullable = true },
    { "expires", HTTP_TIME, .required = true, .nullable = true },
    { 0 },
};
static const HttpField token_body[] = {
    { "name", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = ROLES },
    { "machine", HTTP_STRING, .nullable = true, .doc = "name or UUID of the only one it is for" },
    { "expires", HTTP_TIME, .nullable = true, .doc = "null: never" },
    { 0 },
};
static const HttpField token_answer[] = {
    { "id", HTTP_STRING, .required = true },
    { "token", HTTP_STRING, .required = true, .doc = "this once" },
    { 0 },
};

static bool handle_users(HttpRequest *req, Error **err)
{
    return http_answer_json(req, 200,
                            json_pack("{s:o}", "items", http_users_list(http_hub_accounts(req->hub))));
}

static bool handle_user_add(HttpRequest *req, Error **err)
{
    const char *name = json_get_str(req->body, "name");

    req->object = g_strdup(name);
    return http_user_set(http_hub_accounts(req->hub), name, json_get_str(req->body, "password"),
                         http_role_parse(json_get_str(req->body, "role")), true, err) &&
           http_answer_none(req);
}

static bool handle_user_change(HttpRequest *req, Error **err)
{
    return http_user_set(http_hub_accounts(req->hub), req->params[0], json_get_str(req->body, "password"),
                         http_role_parse(json_get_str(req->body, "role")), false, err) &&
           http_answer_none(req);
}

static bool handle_user_remove(HttpRequest *req, Error **err)
{
    return http_user_remove(http_hub_accounts(req->hub), req->params[0], err) && http_answer_none(req);
}

static bool handle_tokens(HttpRequest *req, Error **err)
{
    return http_answer_json(req, 200,
                            json_pack("{s:o}", "items",
                                      http_tokens_list(http_hub_accounts(req->hub), false)));
}

static bool handle_shares(HttpRequest *req, Error **err)
{
    return http_answer_json(req, 200,
                            json_pack("{s:o}", "items", http_tokens_list(http_hub_accounts(req->hub), true)));
}

static bool read_expiry(const Json *body, int64_t *ret_seconds, Error **err)
{
    const char *text = json_get_str(body, "expires");
    g_autoptr(GDateTime) when = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;

    *ret_seconds = when ? g_date_time_to_unix(when) : 0;
    return !text || when || error_set(err, ERROR_INVALID_ARGUMENT, "'expires' is no time: '%.64s'", text);
}

static bool read_machine(HttpRequest *req, bool *ret_has, Uuid *ret_uuid, Error **err)
{
    const char *text = json_get_str(req->body, "machine");

    *ret_has = text != NULL;
    if (!text || uuid_parse(text, ret_uuid, NULL))
        return true;
    g_autoptr(Vm) vm = vm_find_by_name(req->host, text, err);
    if (vm)
        *ret_uuid = *vm_uuid(vm);
    return vm != NULL;
}

static bool handle_token_add(HttpRequest *req, Error **err)
{
    g_autofree char *token = NULL, *id = NULL;
    int64_t expires_s;
    bool has_machine;
    Uuid machine;

    req->object = g_strdup(json_get_str(req->body, "name"));
    return read_expiry(req->body, &expires_s, err) && read_machine(req, &has_machine, &machine, err) &&
           http_token_make(http_hub_accounts(req->hub),
                           &(HttpTokenOrder){ .name = req->object,
                                              .by = req->who.user,
                                              .role = http_role_parse(json_get_str(req->body, "role")),
                                              .machine = has_machine ? &machine : NULL,
                                              .expires_s = expires_s },
                           &token, &id, err) &&
           http_answer_json(req, 201, json_pack("{s:s,s:s}", "id", id, "token", token));
}

static bool handle_token_remove(HttpRequest *req, Error **err)
{
    return http_token_remove(http_hub_accounts(req->hub), req->params[0], err) && http_answer_none(req);
}

/* ---- second factors ---- */

static const HttpField otp_fields[] = {
    { "enabled", HTTP_BOOL, .required = true },
    { "pending", HTTP_BOOL, .required = true, .doc = "waits for a first code" },
    { 0 },
};

static bool handle_otp(HttpRequest *req, Error **err)
{
    const HttpFactorState state = http_factor_state(http_hub_accounts(req->hub), req->who.user);

    return http_answer_json(req, 200,
                            json_pack("{s:b,s:b}", "enabled", (int)(state == HTTP_FACTOR_ENABLED), "pending",
                                      (int)(state == HTTP_FACTOR_PENDING)));
}

static const HttpField otp_body[] = {
    { "code", HTTP_STRING, .nullable = true, .doc = "confirms what was told before" },
    { 0 },
};
static const HttpField otp_answer[] = {
    { "secret", HTTP_STRING, .doc = "told once" },
    { "uri", HTTP_STRING, .doc = "the same, for a QR code" },
    { 0 },
};

/* Programs have tokens, which are no people. */
static bool check_person(const HttpRequest *req, Error **err)
{
    return !req->who.by_token || error_set(err, ERROR_ACCESS_DENIED, "a token has no second factor");
}

static bool handle_otp_set(HttpRequest *req, Error **err)
{
    HttpAccounts *accounts = http_hub_accounts(req->hub);
    const char *code = json_get_str(req->body, "code"), *user = req->who.user;
    g_autofree char *secret = NULL, *hostname = node_get_hostname();

    if (!check_person(req, err))
        return false;
    if (code)
        return http_factor_change(accounts, HTTP_FACTOR_CONFIRM, user, code, NULL, err) &&
               http_answer_json(req, 200, json_object());
    if (!http_factor_change(accounts, HTTP_FACTOR_BEGIN, user, NULL, &secret, err))
        return false;
    g_autofree char *label = g_uri_escape_string(user, NULL, false);
    g_autofree char *uri =
        g_strdup_printf("otpauth://totp/Lodge:%s%%40%s?secret=%s&issuer=Lodge", label, hostname, secret);
    return http_answer_json(req, 200, json_pack("{s:s,s:s}", "secret", secret, "uri", uri));
}

static const HttpField otp_query[] = { { "code", HTTP_STRING }, { 0 } };

static bool handle_otp_remove(HttpRequest *req, Error **err)
{
    return check_person(req, err) &&
           http_factor_change(http_hub_accounts(req->hub), HTTP_FACTOR_REMOVE, req->who.user,
                              http_query(&req->target, "code"), NULL, err) &&
           http_answer_none(req);
}

static bool handle_otp_drop(HttpRequest *req, Error **err)
{
    return http_factor_change(http_hub_accounts(req->hub), HTTP_FACTOR_DROP, req->params[0], NULL, NULL,
                              err) &&
           http_answer_none(req);
}

const HttpRoute http_routes_user[] = {
    { "GET", "/users", HTTP_ADMIN, .flags = HTTP_LIST, .answer = user_fields, .handle = handle_users,
      .doc = "Users of the web; those of the host log in by PAM.", .command = "lodge web user list" },
    { "POST", "/users", HTTP_ADMIN, .body = user_body, .status = 204, .handle = handle_user_add,
      .doc = "Makes a user.", .command = "lodge web user add NAME" },
    { "PATCH", "/users/{user}", HTTP_ADMIN, .body = user_patch, .status = 204, .handle = handle_user_change,
      .doc = "Changes password or role, and ends the user's sessions.",
      .command = "lodge web user set NAME" },
    { "DELETE", "/users/{user}", HTTP_ADMIN, .status = 204, .handle = handle_user_remove,
      .doc = "Removes a user.", .command = "lodge web user remove NAME" },
    { "GET", "/tokens", HTTP_ADMIN, .flags = HTTP_LIST, .answer = token_fields, .handle = handle_tokens,
      .doc = "Tokens of programs.", .command = "lodge web token list" },
    { "POST", "/tokens", HTTP_ADMIN, .body = token_body, .answer = token_answer, .status = 201,
      .handle = handle_token_add, .doc = "Makes a token, which is told once.",
      .command = "lodge web token add NAME" },
    { "GET", "/shares", HTTP_ADMIN, .flags = HTTP_LIST, .answer = token_fields, .handle = handle_shares,
      .doc = "Links that open a screen, to look." },
    { "DELETE", "/shares/{share}", HTTP_ADMIN, .status = 204, .handle = handle_token_remove,
      .doc = "Ends a link that opens a screen." },
    { "GET", "/users/me/otp", HTTP_VIEW, .answer = otp_fields, .handle = handle_otp,
      .doc = "Has whoever asks a second factor?" },
    { "POST", "/users/me/otp", HTTP_VIEW, .body = otp_body, .answer = otp_answer, .handle = handle_otp_set,
      .doc = "Begins a second factor (RFC 6238), or, with a code, confirms it." },
    { "DELETE", "/users/me/otp", HTTP_VIEW, .query = otp_query, .status = 204, .handle = handle_otp_remove,
      .doc = "Ends the second factor, by a code of it." },
    { "DELETE", "/users/{user}/otp", HTTP_ADMIN, .status = 204, .handle = handle_otp_drop,
      .doc = "Ends the second factor of a user who has lost it." },
    { "DELETE", "/tokens/{token}", HTTP_ADMIN, .status = 204, .handle = handle_token_remove,
      .doc = "Ends a token.", .command = "lodge web token remove ID" },
    { 0 },
};
