/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/journal.h"

#include "base/log.h"

void http_journal_request(const HttpRequest *req)
{
    g_autofree char *who = http_describe_caller(req);

    log_info("%s: %s %s: %u", who, req->method, req->target.path, req->status);
}
