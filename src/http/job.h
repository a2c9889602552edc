/* Operations of the web that take long: the answer may come before they end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

/* Runs @run for a copy of @req in a fiber of its own, and answers @req: with what came of it, if it ends
 * within the seconds that the client waits ("Prefer: wait=N"; 0), else 202 with the job. false: no job can be
 * made now; run it as it is. */
AWAITS bool http_job_begin(HttpRequest *req, void (*run)(HttpRequest *req));
