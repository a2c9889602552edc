/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/request.h"

#include <microhttpd.h>
#include <string.h>

#include "base/digest.h"
#include "wire/error_map.h"

HttpRequest *http_request_ref(HttpRequest *req)
{
    req->refs++;
    return req;
}

void http_request_unref(HttpRequest *req)
{
    if (!req || --req->refs > 0)
        return;
    if (req->upgrade_arg && req->upgrade_free)
        req->upgrade_free(req->upgrade_arg);
    http_target_clear(&req->target);
    http_identity_clear(&req->who);
    if (req->bytes)
        g_byte_array_unref(req->bytes);
    json_decref(req->body);
    http_pipe_unref(req->input);
    http_pipe_unref(req->output);
    g_ptr_array_unref(req->headers);
    g_clear_pointer(&req->fiber, fiber_unref);
    g_free(req->method);
    g_free(req->text);
    g_free(req->from);
    g_free(req->object);
    g_free(req->idempotency);
    g_free(req->data);
    g_free(req);
}

const char *http_header(const HttpRequest *req, const char *name)
{
    return req->connection ? MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name) : NULL;
}

char *http_cookie(const HttpRequest *req, const char *name)
{
    const char *text =
        req->connection ? MHD_lookup_connection_value(req->connection, MHD_COOKIE_KIND, name) : NULL;

    return g_strdup(text);
}

char *http_tag(const void *data, size_t len)
{
    char text[35] = "\"";
    uint8_t sum[32];

    digest_of(GCRY_MD_SHA256, data, len, sum);
    for (size_t i = 0; i < 16; i++)
        g_snprintf(text + 1 + 2 * i, 3, "%02x", sum[i]);
    text[33] = '"';
    return g_strdup(text);
}

bool http_tag_matches(const char *header, const char *text)
{
    g_autofree char *tag = http_tag(text, strlen(text));

    return strstr(header, tag) || strcmp(header, "*") == 0;
}

void http_add_header(HttpRequest *req, const char *name, const char *value)
{
    g_ptr_array_add(req->headers, g_strdup(name));
    g_ptr_array_add(req->headers, g_strdup(value));
}

/* ---- answers ---- */

bool http_answer_data(HttpRequest *req, unsigned status, const char *type, void *data, size_t len)
{
    g_free(req->data);
    req->data = data;
    req->len = len;
    req->status = status;
    if (type)
        http_add_header(req, "Content-Type", type);
    if (strstr(req->text, HTTP_API "/"))
        http_add_header(req, "Cache-Control", "no-cache");
    http_add_header(req, "X-Content-Type-Options", "nosniff");
    http_add_header(req, "X-Frame-Options", "DENY");
    http_add_header(req, "Referrer-Policy", "no-referrer");
    http_add_header(
        req, "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src "
        "'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri "
        "'self'; form-action 'self'; object-src 'none'");
    if (req->is_secure)
        http_add_header(req, "Strict-Transport-Security", "max-age=31536000");
    return true;
}

bool http_answer_text(HttpRequest *req, unsigned status, const char *type, char *text)
{
    return http_answer_data(req, status, type, text, strlen(text));
}

bool http_answer_json(HttpRequest *req, unsigned status, Json *json)
{
    char *text = json_format(json);

    json_decref(json);
    return http_answer_text(req, status, "application/json", text);
}

bool http_answer_none(HttpRequest *req)
{
    return http_answer_data(req, 204, NULL, NULL, 0);
}

/* ---- problems ---- */

static unsigned problem_status(const Error *err)
{
    switch (error_code(err)) {
    case ERROR_INVALID_ARGUMENT:
    case ERROR_XML_SYNTAX:
    case ERROR_XML_INVALID:
    case ERROR_XML_SCHEMA:
    case ERROR_OS_TYPE:
    case ERROR_ARGUMENT_UNSUPPORTED:
    case ERROR_NO_NAME:
    case ERROR_NO_SOURCE:
    case ERROR_NO_TARGET:
        return 400;
    case ERROR_AUTH_FAILED:
    case ERROR_AUTH_CANCELLED:
    case ERROR_AUTH_UNAVAILABLE:
        return 401;
    case ERROR_DENIED:
    case ERROR_ACCESS_DENIED:
    case ERROR_INVALID_SECRET:
    case ERROR_HOOK_FAILED:
        return 403;
    case ERROR_NO_DOMAIN:
    case ERROR_NO_DOMAIN_METADATA:
    case ERROR_NO_NETWORK:
    case ERROR_NO_STORAGE_POOL:
    case ERROR_NO_STORAGE_VOL:
    case ERROR_NO_INTERFACE:
    case ERROR_NO_NODE_DEVICE:
    case ERROR_NO_NWFILTER:
    case ERROR_NO_SECRET:
    case ERROR_NO_SNAPSHOT:
    case ERROR_NO_CHECKPOINT:
    case ERROR_NO_BACKUP:
    case ERROR_DEVICE_MISSING:
    case ERROR_NO_HOSTNAME: /* of this layer: there is no such path */
        return 404;
    case ERROR_OPERATION_UNSUPPORTED: /* of this layer: the method; of machines: not this one */
        return 405;
    case ERROR_INVALID_STATE:
    case ERROR_OPERATION_FAILED:
    case ERROR_POOL_BUILT:
    case ERROR_VOLUME_EXISTS:
    case ERROR_BLOCK_COPY_ACTIVE:
    case ERROR_SNAPSHOT_RISKY:
    case ERROR_MIGRATE_UNSAFE:
    case ERROR_CHECKPOINT_INCONSISTENT:
    case ERROR_CPU_INCOMPATIBLE:
        return 409;
    case ERROR_OVERFLOW:
        return 413;
    case ERROR_CONFIG_UNSUPPORTED:
    case ERROR_REFUSED:
        return 422;
    case ERROR_BUSY:
        return 503;
    case ERROR_NOT_SUPPORTED:
        return 501;
    case ERROR_TIMEOUT:
    case ERROR_AGENT_UNRESPONSIVE:
        return 504;
    case ERROR_CANCELLED:
    case ERROR_VM_GONE:
        return 409;
    default:
        return 500;
    }
}

static const char *problem_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = { { 400, "The request is wrong" },
                   { 401, "Log in first" },
                   { 403, "Not allowed" },
                   { 404, "There is no such thing" },
                   { 405, "That cannot be done with it" },
                   { 409, "Not as things are" },
                   { 412, "It has changed meanwhile" },
                   { 413, "Too much" },
                   { 422, "It cannot be done here" },
                   { 503, "Busy" },
                   { 501, "Not supported" },
                   { 504, "No answer in time" } };

    for (size_t i = 0; i < G_N_ELEMENTS(titles); i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return "That failed";
}

/* The first 'lodge ...' of a hint; owned; NULL. */
static char *problem_command(const char *hint)
{
    const char *begin = hint ? strstr(hint, "'lodge ") : NULL;
    const char *end = begin ? strchr(begin + 1, '\'') : NULL;

    return end ? g_strndup(begin + 1, (gsize)(end - begin - 1)) : NULL;
}

Json *http_problem(const Error *err, unsigned *ret_status)
{
    const unsigned status = problem_status(err);
    const char *hint = error_hint_text(err);
    g_autofree char *command = problem_command(hint);
    Json *json =
        json_pack("{s:s,s:s,s:i,s:s,s:i,s:s}", "type", "about:blank", "title", problem_title(status),
                  "status", (int)status, "detail", error_message(err), "code", wire_error_code(err), "name",
                  error_code(err) == ERROR_AUTH_FAILED && error_class(err)
                      ? error_class(err)
                      : error_code_name(error_code(err)));

    if (!json) /* a message that is not UTF-8 */
        json = json_pack("{s:s,s:s,s:i,s:i}", "type", "about:blank", "title", problem_title(status), "status",
                         (int)status, "code", wire_error_code(err));
    if (hint)
        json_object_set_new(json, "hint", json_string(hint));
    if (command)
        json_object_set_new(json, "command", json_string(command));
    if (ret_status)
        *ret_status = status;
    return json;
}

void http_answer_problem(HttpRequest *req, const Error *err)
{
    unsigned status;
    Json *json = http_problem(err, &status);
    char *text = json_format(json);

    json_decref(json);
    g_ptr_array_set_size(req->headers, 0);
    (void)http_answer_text(req, status, "application/problem+json", text);
    if (status == 401)
        http_add_header(req, "WWW-Authenticate", "Bearer");
    if (error_code(err) == ERROR_BUSY)
        http_add_header(req, "Retry-After", "5");
}

/* ---- calls ---- */

char *http_describe_caller(const HttpRequest *req)
{
    return g_strdup_printf("%.64s (web, %s)", req->who.user ? req->who.user : "somebody", req->from);
}

bool http_may_see(const HttpRequest *req, const Uuid *uuid)
{
    return !req->who.has_machine || uuid_equal(&req->who.machine, uuid);
}

bool http_call(HttpRequest *req, uint32_t program, int32_t number, const void *args, void *ret,
               HttpExtra *extra, Error **err)
{
    const HttpBackend *backend = http_hub_backend(req->hub);

    if (!req->client) {
        g_autofree char *description = http_describe_caller(req);
        Caller caller = { .uid = (uid_t)-1,
                          .read_only = req->who.role < HTTP_ROLE_OPERATOR,
                          .description = description };
        req->client = backend->begin_client(backend->arg, &caller);
    }
    return backend->call(req->client, program, number, args, ret, extra, err);
}
