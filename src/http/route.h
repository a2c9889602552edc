/* What can be asked: a row per method and path. The row dispatches, and the OpenAPI document is made from it.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

typedef enum HttpFieldType {
    HTTP_STRING,
    HTTP_UINT, /* 0 to 2^53 - 1 */
    HTTP_INT,
    HTTP_NUMBER,
    HTTP_BOOL,
    HTTP_TIME,    /* RFC 3339 */
    HTTP_STRINGS, /* a list of them */
    HTTP_OBJECT,  /* of .fields; without them any */
    HTTP_OBJECTS, /* a list of them */
} HttpFieldType;

typedef struct HttpField {
    const char *name; /* NULL ends a list */
    HttpFieldType type;
    bool required; /* of bodies: must be there; of answers: is always there */
    bool nullable;
    const char *choices;            /* "vnc|serial"; NULL: any */
    const struct HttpField *fields; /* of objects */
    const char *doc;
} HttpField;

typedef enum HttpRight {
    HTTP_ANYONE,  /* without log-in */
    HTTP_VIEW,    /* everybody who is logged in */
    HTTP_OPERATE, /* operators and administrators */
    HTTP_ADMIN,
} HttpRight;

typedef enum HttpRouteFlags {
    HTTP_LONG = 1 << 0,        /* may take long: becomes a job */
    HTTP_BODY_STREAM = 1 << 1, /* the body goes through req->input */
    HTTP_LIST = 1 << 2,        /* answers {"items": [...]} of .answer */
    HTTP_RAW_BODY = 1 << 3,    /* the body is no JSON: req->bytes */
    HTTP_MACHINE = 1 << 4,     /* its first parameter names a machine: a token for that machine may */
    HTTP_QUIET = 1 << 5,       /* changes nothing that belongs into the journal */
    HTTP_TAIL = 1 << 6,        /* its path may go on */
} HttpRouteFlags;

struct HttpRoute {
    const char *method;
    const char
        *pattern; /* below HTTP_API, or from the root if it begins with "//": "/machines/{machine}/xml" */
    HttpRight right;
    unsigned flags;
    const HttpField *query;
    const HttpField *body;   /* NULL: none is taken */
    const HttpField *answer; /* NULL: none, or not JSON */
    const char *type;        /* of an answer or a body that is not JSON */
    unsigned status;         /* of success; 0: 200 */
    /* Runs in a fiber. false with @err: the answer tells it. */
    AWAITS bool (*handle)(HttpRequest *req, Error **err);
    const char *doc;     /* one sentence */
    const char *command; /* of `lodge`, that does the same; NULL: none */
};

/* Tables end with a row without a method. */
extern const HttpRoute *const http_routes[];
extern const HttpRoute http_routes_session[], http_routes_machine[], http_routes_page[], http_routes_host[],
    http_routes_console[], http_routes_storage[], http_routes_object[], http_routes_user[],
    http_routes_live[], http_routes_snapshot[], http_routes_interface[], http_routes_journal[],
    http_routes_metrics[], http_routes_history[], http_routes_counters[], http_routes_alerts[],
    http_routes_clone[], http_routes_upload[], http_routes_job[], http_routes_backup[], http_routes_migrate[],
    http_routes_guest[];

/* The row for @method and the segments of @target; fills @params with what stands for {...}. NULL: none;
 * *ret_known: the path has other methods. HEAD finds GET. */
const HttpRoute *http_route_find(const char *method, const HttpTarget *target,
                                 const char *params[HTTP_PARAMS_MAX], bool *ret_known);
/* Is @body what @fields ask for? ERROR_INVALID_ARGUMENT: names the member that is not. */
MUST_CHECK bool http_body_check(const Json *body, const HttpField *fields, Error **err);
/* Is the query? */
MUST_CHECK bool http_query_check(const HttpTarget *target, const HttpField *fields, Error **err);

/* The OpenAPI 3.1 document of all routes; owned. @prefix: of the server's path. */
Json *http_openapi(const char *prefix);
