/* Brings the news of alerts to people: by mail (the host's sendmail program) and to a script of theirs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* One mail to @to about all of @news ([{"event": "began"|"ended", "host", "alert": {...}}]).
 * ERROR_OPERATION_FAILED: there is no sendmail, or it failed; ERROR_TIMEOUT */
AWAITS MUST_CHECK bool alert_send_mail(const char *to, const Json *news, Error **err);
/* Runs @hook for one of them, which it reads as JSON. The same errors; ERROR_ACCESS_DENIED: others than root
 * could change the script. */
AWAITS MUST_CHECK bool alert_send_hook(const char *hook, const Json *one, Error **err);
/* May it be an address? ERROR_INVALID_ARGUMENT */
MUST_CHECK bool alert_check_mail(const char *to, Error **err);
/* A script that may be run as root. Looks at the file. ERROR_INVALID_ARGUMENT, ERROR_SYSTEM,
 * ERROR_ACCESS_DENIED */
AWAITS MUST_CHECK bool alert_check_hook(const char *hook, Error **err);
