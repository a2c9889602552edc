/* Checks come in this order: path, method, who, right, forgery, size; so nobody without a log-in learns what
 * there is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/dispatch.h"

#include <string.h>

#include "base/log.h"
#include "http/hub.h"
#include "http/idempotency.h"
#include "http/job.h"
#include "http/journal.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "machine/vm_labels.h"

static bool dispatch_is_safe(const HttpRequest *req)
{
    return strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0 ||
           strcmp(req->method, "OPTIONS") == 0;
}

/* ---- who ---- */

/* Of programs: "Authorization: Bearer TOKEN"; of browsers: a cookie. */
static bool dispatch_identify(HttpRequest *req, Error **err)
{
    HttpAccounts *accounts = http_hub_accounts(req->hub);
    const char *authorization = http_header(req, "Authorization");

    if (!req->connection) /* one of this host, who is known */
        return true;
    if (authorization) {
        if (g_ascii_strncasecmp(authorization, "Bearer ", strlen("Bearer ")) == 0 &&
            http_token_find(accounts, authorization + strlen("Bearer "), &req->who))
            return true;
        return error_set(err, ERROR_AUTH_FAILED, "the token is not valid, or not any more");
    }
    g_autofree char *cookie = http_cookie(req, "lodge_session");
    if (cookie)
        (void)http_session_find(accounts, cookie, &req->who); /* nobody, if it is over */
    return true;
}

/* A page of somebody else can make a browser send its cookie, but not this header, nor say that it comes from
 * here. */
static bool dispatch_is_forged(const HttpRequest *req)
{
    const char *origin = http_header(req, "Origin"), *host = http_header(req, "X-Forwarded-Host");
    const char *token = http_header(req, "X-CSRF-Token"), *site = http_header(req, "Sec-Fetch-Site");

    if (site && strcmp(site, "cross-site") == 0 && !dispatch_is_safe(req))
        return true;
    if (origin && (!dispatch_is_safe(req) || http_header(req, "Upgrade"))) {
        const char *at = strstr(origin, "://");
        host = host ? host : http_header(req, "Host");
        if (!at || !host || strcmp(at + 3, host) != 0)
            return true;
    }
    return req->who.by_cookie && req->route->right != HTTP_ANYONE && !dispatch_is_safe(req) &&
           g_strcmp0(token, req->who.csrf) != 0;
}

/* Owners operate their own machines, whatever else they may. */
static void dispatch_raise_owner(HttpRequest *req)
{
    g_auto(VmLabels) labels = { 0 };

    if (req->route->right != HTTP_OPERATE || !(req->route->flags & HTTP_MACHINE) || !req->params[0] ||
        !req->who.user || req->who.by_token || req->who.role != HTTP_ROLE_VIEWER)
        return;
    g_autoptr(Vm) vm = machine_find(req->host, req->params[0], NULL);
    if (vm && vm_labels_get(vm, &labels) && g_strcmp0(labels.owner, req->who.user) == 0)
        req->who.role = HTTP_ROLE_OPERATOR;
}

static bool dispatch_may(const HttpRequest *req, Error **err)
{
    static const HttpRole needed[] = { HTTP_ROLE_NONE, HTTP_ROLE_VIEWER, HTTP_ROLE_OPERATOR,
                                       HTTP_ROLE_ADMIN };
    const HttpRight right = req->route->right;

    if (right == HTTP_ANYONE)
        return true;
    if (!req->who.user) {
        error_set(err, ERROR_AUTH_FAILED, "nobody is logged in");
        return error_hint(err, "log in, or send a token as 'Authorization: Bearer TOKEN'; 'lodge web token "
                               "create' makes one");
    }
    if (req->who.role < needed[right]) {
        error_set(err, ERROR_ACCESS_DENIED, "%s is a %s, and this needs a%s", req->who.user,
                  http_role_name(req->who.role), right == HTTP_ADMIN ? "n admin" : "n operator");
        return error_hint(err, "an administrator can change that with 'lodge web user set-role'");
    }
    if (req->who.has_machine && !(req->route->flags & HTTP_MACHINE))
        return error_set(err, ERROR_ACCESS_DENIED, "this token is for one machine only");
    return true;
}

/* ---- the beginning ---- */

static bool dispatch_find_route(HttpRequest *req, Error **err)
{
    bool known = false;

    if (!http_target_parse(req->text, http_hub_prefix(req->hub), &req->target, err))
        return false;
    req->route = http_route_find(req->method, &req->target, req->params, &known);
    if (req->route)
        return true;
    return known ? error_set(err, ERROR_OPERATION_UNSUPPORTED, "%s is not for %s", req->method,
                             req->target.path)
                 : error_set(err, ERROR_NO_HOSTNAME, "there is no %s", req->target.path);
}

static bool dispatch_check(HttpRequest *req, uint64_t body_bytes, Error **err)
{
    if (!dispatch_find_route(req, err) || !dispatch_identify(req, err))
        return false;
    dispatch_raise_owner(req);
    if (!dispatch_may(req, err))
        return false;
    if (dispatch_is_forged(req)) {
        error_set(err, ERROR_ACCESS_DENIED, "this was asked by a page from elsewhere, or without its token");
        return error_hint(err, "send the header X-CSRF-Token with the csrf of GET %s/session", HTTP_API);
    }
    if (!(req->route->flags & HTTP_BODY_STREAM) && body_bytes > HTTP_BODY_MAX)
        return error_set(err, ERROR_OVERFLOW, "a body of more than %zu bytes", HTTP_BODY_MAX);
    return true;
}

void http_dispatch_begin(HttpRequest *req, uint64_t body_bytes)
{
    g_autoptr(Error) err = NULL;

    if (!dispatch_check(req, body_bytes, &err))
        http_answer_problem(req, err);
}

/* ---- the rest ---- */

static bool dispatch_read_body(HttpRequest *req, Error **err)
{
    const HttpField *fields = req->route->body;

    if (!http_query_check(&req->target, req->route->query, err))
        return false;
    if (!fields || (req->route->flags & (HTTP_RAW_BODY | HTTP_BODY_STREAM)))
        return true;
    if (!req->bytes || req->bytes->len == 0)
        req->body = json_object();
    else if (!json_parse((const char *)req->bytes->data, req->bytes->len, "the body", &req->body, err))
        return false;
    return http_body_check(req->body, fields, err);
}

/* Answers that a client has already are not sent again. */
static void dispatch_tag(HttpRequest *req)
{
    const char *wanted = http_header(req, "If-None-Match");

    if (req->status != 200 || !req->data || !dispatch_is_safe(req))
        return;
    for (guint i = 0; i < req->headers->len; i += 2) {
        if (strcmp(g_ptr_array_index(req->headers, i), "ETag") == 0)
            return;
    }
    g_autofree char *tag = http_tag(req->data, req->len);
    http_add_header(req, "ETag", tag);
    if (wanted && (strstr(wanted, tag) || strcmp(wanted, "*") == 0)) {
        req->status = 304;
        g_clear_pointer(&req->data, g_free);
        req->len = 0;
    }
}

static void dispatch_run(HttpRequest *req)
{
    g_autoptr(Error) err = NULL;

    if (dispatch_read_body(req, &err) && req->route->handle(req, &err) && req->status)
        return;
    if (!err)
        error_set(&err, ERROR_INTERNAL, "%s %s did not answer", req->method, req->target.path);
    if (req->output) /* the answer has begun: all that is left is to break it off */
        http_pipe_end(req->output, true);
    else
        http_answer_problem(req, err);
}

void http_dispatch(HttpRequest *req)
{
    g_autofree char *who = http_describe_caller(req);

    log_context_set_request(who);
    if (http_idempotency_find(req))
        return;
    if (!(req->route->flags & HTTP_LONG) || !http_job_begin(req, dispatch_run)) {
        dispatch_run(req);
        if (!dispatch_is_safe(req) && !(req->route->flags & HTTP_QUIET))
            journal_request(req);
    }
    http_idempotency_keep(req);
    dispatch_tag(req);
}
