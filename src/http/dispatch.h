/* From a request to its route: who asks, may they, is what they ask well-formed; then the handler, and what
 * is written down about it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

/* The headers are there. Never waits. Sets the route, or answers why not. */
void http_dispatch_begin(HttpRequest *req, uint64_t body_bytes);
/* All of it is there (or comes through req->input). In a fiber; there is an answer afterwards. */
AWAITS void http_dispatch(HttpRequest *req);
