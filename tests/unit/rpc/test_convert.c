/* Typed parameters on their way to the wire. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "rpc/convert.h"

TEST(params_are_encoded_as_the_codec_does)
{
    g_autoptr(Params) params = params_new();
    g_auto(WireDomainStatsRecord) record = { .dom.name = g_strdup("web") };
    g_auto(WireBuffer) by_tables = { 0 };
    g_auto(WireBuffer) quick = { 0 };
    params_add_int(params, -3, "i");
    params_add_uint(params, UINT32_MAX, "ui");
    params_add_llong(params, INT64_MIN, "l");
    params_add_ullong(params, UINT64_MAX - 1, "ul");
    params_add_bool(params, true, "b");
    for (unsigned i = 0; i < 6; i++)
        params_add_string(params, &"12345"[i], "string.%u", i);
    rpc_params_to_wire(params, &record.params, &record.n_params);
    check(wire_encode(WIRE_TYPE_DOMAIN_STATS_RECORD, &record, &by_tables, NULL));
    check(wire_encode(WIRE_TYPE_DOMAIN, &record.dom, &quick, NULL));
    check(rpc_params_encode(params, &quick, NULL));
    check_eq(quick.len, by_tables.len);
    check(memcmp(quick.data, by_tables.data, quick.len) == 0);
}
