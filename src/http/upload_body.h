/* What a request brings, on its way into a volume. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object.h"
#include "http/request.h"

/* The volume @name of @pool has room for @bytes: one that is there, or a new raw one (*ret_made).
 * ERROR_INVALID_STATE: the one that is there is too small */
AWAITS MUST_CHECK bool upload_prepare(HttpRequest *req, Object *pool, const char *name, uint64_t bytes,
                                      bool *ret_made, Error **err);
/* @bytes of @req->input at @offset. *io_done counts what was written, also of a failure: whole pieces. */
AWAITS MUST_CHECK bool upload_body(HttpRequest *req, Object *pool, const char *name, uint64_t offset,
                                   uint64_t bytes, uint64_t *io_done, Error **err);
/* Removes what was made for it. */
AWAITS void upload_undo(HttpRequest *req, Object *pool, const char *name);
