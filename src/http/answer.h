/* Small parts of answers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"

/* "2026-01-31T12:00:00Z"; 0: null. New reference. */
Json *http_json_time(int64_t seconds);
/* Text of guests and hosts may be anything: what is not UTF-8 is replaced. NULL: null. New reference. */
Json *http_json_text(const char *text);
