/* Users of the web and their tokens. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/hub.h"
#include "http/route.h"
#include "machine/vm.h"

#define ROLES "viewer|operator|admin"

static const HttpField user_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "role", HTTP_STRING, .required = true, .choices = ROLES },
    { "created", HTTP_TIME, .required = true, .nullable = true },
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
                            json_pack("{s:o}", "items", http_tokens_list(http_hub_accounts(req->hub))));
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
           http_token_make(http_hub_accounts(req->hub), req->object,
                           http_role_parse(json_get_str(req->body, "role")), has_machine ? &machine : NULL,
                           expires_s, req->who.user, &token, &id, err) &&
           http_answer_json(req, 201, json_pack("{s:s,s:s}", "id", id, "token", token));
}

static bool handle_token_remove(HttpRequest *req, Error **err)
{
    return http_token_remove(http_hub_accounts(req->hub), req->params[0], err) && http_answer_none(req);
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
    { "DELETE", "/tokens/{token}", HTTP_ADMIN, .status = 204, .handle = handle_token_remove,
      .doc = "Ends a token.", .command = "lodge web token remove ID" },
    { 0 },
};
