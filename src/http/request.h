/* One request: what came, who asks, and the answer that is being made.
 *
 * Counted: its connection and its fiber hold references. The connection may go while the handler runs, which
 * runs to its end: half a change would be worse. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "base/json.h"
#include "http/hub.h"
#include "http/pipe.h"
#include "http/session.h"
#include "http/target.h"

#define HTTP_API "/api/v1"
#define HTTP_BODY_MAX ((size_t)8388608)
#define HTTP_PARAMS_MAX 4

typedef struct HttpServer HttpServer;
typedef struct HttpRoute HttpRoute;
typedef struct HttpRequest HttpRequest;
typedef struct HttpSocket HttpSocket;
struct MHD_Connection;

struct HttpRequest {
    unsigned refs;
    HttpServer *server; /* private to server.c */
    HttpHub *hub;
    Host *host;
    struct MHD_Connection *connection; /* NULL: it is gone */
    const HttpRoute *route;
    char *method, *text; /* as the first line has them */
    HttpTarget target;
    const char *params[HTTP_PARAMS_MAX]; /* of the route's {...}, in order; borrowed from target */
    HttpIdentity who;
    char *from;        /* address of the client, by the word of a proxy on this host */
    bool is_secure;    /* it came by TLS, here or at a proxy on this host */
    GByteArray *bytes; /* the body; NULL while it is taken as a stream */
    Json *body;        /* of routes that take JSON; checked against their table */
    HttpPipe *input;   /* body of routes that take it as a stream */
    char *idempotency; /* key that this request has taken; NULL */
    char *object;      /* for the journal: what it was about; NULL: params[0] */
    /* the answer */
    unsigned status;    /* 0: none yet */
    GPtrArray *headers; /* of char *: name, value, name ... */
    char *data;
    size_t len;
    HttpPipe *output;                                /* instead of data */
    uint64_t output_bytes;                           /* UINT64_MAX: not known */
    void (*upgraded)(HttpSocket *socket, void *arg); /* instead: speaks WebSocket from then on, in a fiber */
    void (*upgrade_free)(void *arg);
    void *upgrade_arg;
    /* private to server.c */
    void *client; /* of the backend; made at the first call */
    Fiber *fiber;
    bool suspended, begun, taken, sent;
    size_t dropped_bytes;
};

HttpRequest *http_request_ref(HttpRequest *req);
void http_request_unref(HttpRequest *req);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpRequest, http_request_unref)

/* A header of the request; borrowed; NULL. */
const char *http_header(const HttpRequest *req, const char *name);
/* The ETag that an answer of @text has; is it among those of @header (If-Match, If-None-Match)? */
bool http_tag_matches(const char *header, const char *text);
char *http_tag(const void *data, size_t len); /* owned */
/* A cookie of the request; owned; NULL. */
char *http_cookie(const HttpRequest *req, const char *name);

/* ---- the answer; each returns true, so that a handler ends with it ---- */

void http_add_header(HttpRequest *req, const char *name, const char *value);
/* @json: a reference, taken. */
bool http_answer_json(HttpRequest *req, unsigned status, Json *json);
/* @text owned from now on. */
bool http_answer_text(HttpRequest *req, unsigned status, const char *type, char *text);
bool http_answer_data(HttpRequest *req, unsigned status, const char *type, void *data, size_t len);
bool http_answer_none(HttpRequest *req); /* 204 */
/* The body follows through the pipe that is returned (borrowed), which the handler writes while it goes on,
 * and ends. */
HttpPipe *http_answer_pipe(HttpRequest *req, unsigned status, const char *type, uint64_t len_bytes);
/* An error as RFC 9457 has it. */
void http_answer_problem(HttpRequest *req, const Error *err);
Json *http_problem(const Error *err, unsigned *ret_status);

/* ---- calls ---- */

/* A procedure of the protocol, with the rights of whoever asks. Use HTTP_CALL. */
AWAITS MUST_CHECK bool http_call(HttpRequest *req, uint32_t program, int32_t number, const void *args,
                                 void *ret, HttpExtra *extra, Error **err);
/* @ret of the procedure's type, cleared by the caller; a procedure without an answer takes NULL. */
#define HTTP_CALL(req, name, args, ret, err) HTTP_CALL_EXTRA(req, name, args, ret, NULL, err)
#define HTTP_CALL_EXTRA(req, name, args, ret, extra, err)                                                    \
    http_call(req, WIRE_PROGRAM_REMOTE, wire_number_##name, (1 ? (args) : (const wire_args_##name *)NULL),   \
              (1 ? (ret) : (wire_ret_##name *)NULL), extra, err)
#define HTTP_CALL_LODGE(req, name, args, ret, err)                                                           \
    http_call(req, WIRE_PROGRAM_LODGE, wire_number_##name, (1 ? (args) : (const wire_args_##name *)NULL),    \
              (1 ? (ret) : (wire_ret_##name *)NULL), NULL, err)

/* "user (web, 192.0.2.1)"; owned. */
char *http_describe_caller(const HttpRequest *req);
/* May whoever asks know of the machine? */
bool http_may_see(const HttpRequest *req, const Uuid *uuid);
