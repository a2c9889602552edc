/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/stats.h"

bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample)
{
    return false;
}

Json *http_stats_addresses(HttpHub *hub, const Uuid *uuid)
{
    return json_array();
}
