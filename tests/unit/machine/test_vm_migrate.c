/* What goes between the hosts of a migration: documents and parameters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

#include "machine/vm_migrate_private.h"

static bool parse(const char *text, MigrateCookie *ret_cookie, Error **err)
{
    const MigrateBytes bytes = { .data = (const uint8_t *)text, .len = strlen(text) + 1 };

    return migrate_cookie_parse(&bytes, NULL, ret_cookie, err);
}

/* As libvirtd 9.0.0 sends it. */
TEST_FIBER(cookies_of_libvirtd_are_understood)
{
    g_auto(MigrateCookie) cookie = { 0 };
    g_autoptr(Error) err = NULL;

    check(parse("<qemu-migration>\n"
                "  <name>tiny</name>\n"
                "  <uuid>67fb1ac2-874c-4dae-93c3-4c2e08a674e6</uuid>\n"
                "  <hostname>far</hostname>\n"
                "  <hostuuid>22222222-2222-4222-8222-222222222222</hostuuid>\n"
                "  <feature name='lockstate'/>\n"
                "  <nbd port='49153'><disk target='vda' capacity='8388608'/></nbd>\n"
                "  "
                "<statistics><started>1795797893440</started><delta>-8</delta><downtime>16</downtime></"
                "statistics>\n"
                "  <capabilities><cap name='xbzrle' auto='no'/><cap name='late-block-activate' auto='yes'/>"
                "</capabilities>\n"
                "</qemu-migration>",
                &cookie, &err));
    check_str(cookie.host_name, "far");
    check_eq(cookie.nbd_port, 49153);
    check_eq(cookie.disks->len, 1);
    check_eq(((const MigrateDisk *)g_ptr_array_index(cookie.disks, 0))->bytes, 8388608);
    check_eq(cookie.started_ms, UINT64_C(1795797893440));
    check_eq(cookie.stats.downtime_ms, 16);
    check(cookie.delta_ms == -8);
    check_eq(cookie.auto_caps, 1u << 6);
}

TEST_FIBER(cookies_that_are_wrong_are_refused)
{
    static const char *const wrong[] = {
        "<domain/>",
        "<qemu-migration>",
        "<qemu-migration><feature name='telepathy'/></qemu-migration>",
        "<qemu-migration><nbd port='65536'/></qemu-migration>",
        "<qemu-migration><nbd port='-1'/></qemu-migration>",
        "<qemu-migration><nbd><disk target='vda'/></nbd></qemu-migration>",
        "\xff\xfe",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(MigrateCookie) cookie = { 0 };
        g_autoptr(Error) err = NULL;
        check_case(wrong[i]);
        check(!parse(wrong[i], &cookie, &err));
        check(err && !cookie.has_disks);
    }
}

TEST_FIBER(what_lodged_tell_each_other_comes_back)
{
    g_auto(MigrateCookie) cookie = { 0 };
    g_autoptr(Error) err = NULL;

    check(parse("<qemu-migration><lodge-terms postcopy='yes' tls='far&amp;away'/>"
                "<lodge-files>[{&quot;role&quot;: &quot;tpm&quot;}]</lodge-files></qemu-migration>",
                &cookie, &err));
    check(cookie.postcopy);
    check_str(cookie.tls, "far&away");
    check_eq(json_array_size(cookie.files), 1);
    check(!parse("<qemu-migration><lodge-files>[</lodge-files></qemu-migration>", &cookie, &err));
}

TEST_FIBER(addresses_are_read)
{
    static const struct {
        const char *uri, *host, *path;
        unsigned port;
    } cases[] = {
        { "tcp://far:77", "far", NULL, 77 },           { "tcp:far:77", "far", NULL, 77 },
        { "tcp://[fe80::1]:77", "fe80::1", NULL, 77 }, { "tcp://[fe80::1]", "fe80::1", NULL, 0 },
        { "tcp://far/?x=y", "far", NULL, 0 },          { "unix:///run/a", NULL, "/run/a", 0 },
        { "unix:/run/a", NULL, "/run/a", 0 },
    };
    static const char *const wrong[] = { "tcp://",   "tcp://far:0", "tcp://far:65536", "tcp://far:",
                                         "tcp://:7", "unix:a",      "exec:rm",         "rdma://far:7" };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(MigrateAddress) address = { 0 };
        check_case(cases[i].uri);
        check(migrate_address_parse(cases[i].uri, &address, NULL));
        check(g_strcmp0(address.host, cases[i].host) == 0 && g_strcmp0(address.path, cases[i].path) == 0);
        check_eq(address.port, cases[i].port);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(MigrateAddress) address = { 0 };
        check_case(wrong[i]);
        check(!migrate_address_parse(wrong[i], &address, NULL));
    }
}

/* A guest that changes @dirty_mib in each round, over a link of 100 MiB/s: what is done last. */
static ConvergeStep judge_rounds(const ConvergePolicy *policy, double dirty_mib, unsigned rounds,
                                 Converge *converge)
{
    ConvergeStep last = CONVERGE_WAIT;
    double left = 1000;

    *converge = (Converge){ .downtime_ms = 300 };
    for (unsigned round = 1; round <= rounds; round++, left = MIN(left, dirty_mib)) {
        const MonitorMigration now = { .status = MONITOR_JOB_ACTIVE,
                                       .dirty_sync_count = round,
                                       .ram_remaining = (uint64_t)(left * (1 << 20)),
                                       .mbps = 100 * 8.388608 };
        const ConvergeStep step = migrate_converge_judge(converge, policy, &now);
        last = step != CONVERGE_WAIT ? step : last;
    }
    return last;
}

TEST(a_migration_that_does_not_end_is_helped)
{
    const ConvergePolicy all = { .downtime_max_ms = 1000, .may_slow_down = true, .may_postcopy = true };
    const ConvergePolicy slow = { .downtime_max_ms = 1000, .may_slow_down = true };
    const ConvergePolicy none = { 0 };
    Converge converge;

    check_eq(judge_rounds(&all, 50, 5, &converge), CONVERGE_MORE_DOWNTIME);
    check(converge.downtime_ms >= 600 && converge.downtime_ms <= 1000);
    check_eq(judge_rounds(&all, 500, 10, &converge), CONVERGE_POSTCOPY);
    check_eq(judge_rounds(&none, 500, 10, &converge), CONVERGE_WAIT);
    /* When it is slow already, the rest is to go within what the guest may stand still at all. */
    check_eq(judge_rounds(&slow, 500, 10, &converge), CONVERGE_MORE_DOWNTIME);
    check(converge.is_slowed && converge.downtime_ms == 1000);
}

TEST_FIBER(parameters_come_back_as_they_went)
{
    g_autoptr(Params) params = params_new();
    g_auto(MigrateParams) read = { 0 };
    g_autoptr(Error) err = NULL;

    params_add_string(params, "tcp://far", VIR_MIGRATE_PARAM_URI);
    params_add_string(params, "vda", VIR_MIGRATE_PARAM_MIGRATE_DISKS);
    params_add_string(params, "vdb", VIR_MIGRATE_PARAM_MIGRATE_DISKS);
    params_add_string(params, "mt", VIR_MIGRATE_PARAM_COMPRESSION);
    params_add_ullong(params, 10, VIR_MIGRATE_PARAM_BANDWIDTH);
    params_add_int(params, 3, VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS);
    check(migrate_params_read(params, VIR_MIGRATE_PARALLEL | VIR_MIGRATE_COMPRESSED, &read, &err));
    check(read.use_mt && !read.use_xbzrle);
    check_eq(read.disks->len, 2);
    g_autoptr(Params) again = migrate_params_to_params(&read);
    check_eq(params_count(again), params_count(params));
    for (size_t i = 0; i < params_count(params); i++)
        check(params_find(again, params_at(params, i)->name));
}

TEST_FIBER(parameters_that_make_no_sense_are_refused)
{
    static const struct {
        const char *name, *text;
        int32_t number;
        unsigned flags;
        ErrorCode code;
    } cases[] = {
        { "speed_of_light", "c", 0, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_URI, NULL, 7, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_URI, "rdma://far", 0, 0, ERROR_ARGUMENT_UNSUPPORTED },
        { VIR_MIGRATE_PARAM_COMPRESSION, "zip", 0, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, NULL, 2, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_DISKS_PORT, NULL, 65536, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_DISKS_PORT, NULL, -1, 0, ERROR_INVALID_ARGUMENT },
        { VIR_MIGRATE_PARAM_DEST_NAME, "a", 0, VIR_MIGRATE_OFFLINE, ERROR_OPERATION_FAILED },
        { VIR_MIGRATE_PARAM_DEST_NAME, "a", 0, VIR_MIGRATE_ZEROCOPY, ERROR_ARGUMENT_UNSUPPORTED },
        { VIR_MIGRATE_PARAM_DEST_NAME, "a", 0, VIR_MIGRATE_TUNNELLED | VIR_MIGRATE_POSTCOPY,
          ERROR_INVALID_ARGUMENT },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Params) params = params_new();
        MigrateParams read = { .flags = 77 };
        g_autoptr(Error) err = NULL;
        check_case(cases[i].name);
        if (cases[i].text)
            params_add_string(params, cases[i].text, "%s", cases[i].name);
        else
            params_add_int(params, cases[i].number, "%s", cases[i].name);
        check(!migrate_params_read(params, cases[i].flags, &read, &err));
        check_eq(error_code(err), cases[i].code);
        check_eq(read.flags, 77);
    }
}
