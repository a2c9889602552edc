/* A POST that is sent twice with the same Idempotency-Key is done once. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

/* true: @req is answered: as it was the first time, or that it cannot be (the first still runs; the key was
 * for another request). Else the key, if there is one, is taken until http_idempotency_keep(). */
bool http_idempotency_find(HttpRequest *req);
/* The answer is there. One of the server's own failing is forgotten: the client may try again. */
void http_idempotency_keep(HttpRequest *req);
