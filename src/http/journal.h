/* What happened on this host: events of its objects and operations that were asked for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

/* Somebody changed something by the web, or tried to. Never waits. */
void http_journal_request(const HttpRequest *req);
