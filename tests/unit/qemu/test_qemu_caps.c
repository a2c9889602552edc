/* Capabilities: the schema walk, the packed document, the probe of the installed QEMU and its cache. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "fake_qemu.h"
#include "qemu/qemu_caps.h"
#include "qemu/qemu_caps_private.h"
#include "qemu/qemu_caps_schema.h"

#define QEMU "/usr/bin/qemu-system-x86_64"

/* ---- schema ---- */

static const char schema_text[] =
    "[{\"name\": \"blockdev-add\", \"meta-type\": \"command\", \"arg-type\": \"1\", \"ret-type\": \"0\"},"
    " {\"name\": \"0\", \"meta-type\": \"object\", \"members\": []},"
    " {\"name\": \"1\", \"meta-type\": \"object\", \"tag\": \"driver\", \"members\": [{\"name\": \"driver\", "
    "\"type\": "
    "\"2\"}, {\"name\": \"node-name\", \"type\": \"str\"}], \"variants\": [{\"case\": \"file\", \"type\": "
    "\"3\"}]},"
    " {\"name\": \"2\", \"meta-type\": \"enum\", \"values\": [\"file\", \"raw\"]},"
    " {\"name\": \"3\", \"meta-type\": \"object\", \"members\": [{\"name\": \"aio\", \"type\": \"4\"}]},"
    " {\"name\": \"4\", \"meta-type\": \"enum\", \"members\": [{\"name\": \"native\"}, {\"name\": "
    "\"io_uring\"}]},"
    " {\"name\": \"query-cpus-fast\", \"meta-type\": \"command\", \"arg-type\": \"0\", \"ret-type\": "
    "\"[5]\"},"
    " {\"name\": \"[5]\", \"meta-type\": \"array\", \"element-type\": \"5\"},"
    " {\"name\": \"5\", \"meta-type\": \"object\", \"members\": [{\"name\": \"thread-id\", \"type\": "
    "\"int\"}]},"
    " {\"name\": \"STOP\", \"meta-type\": \"event\", \"arg-type\": \"0\"},"
    " {\"name\": \"loop\", \"meta-type\": \"command\", \"arg-type\": \"[6]\"},"
    " {\"name\": \"[6]\", \"meta-type\": \"array\", \"element-type\": \"[6]\"},"
    " {\"name\": 7}, 8, {\"meta-type\": \"command\"}]";

static void test_schema_questions(void **state)
{
    static const struct {
        const char *query;
        bool has;
    } cases[] = {
        { "blockdev-add", true },
        { "blockdev-add/node-name", true },
        { "blockdev-add/driver=file", true },
        { "blockdev-add/driver=raw", true },
        { "blockdev-add/driver=qcow2", false },
        { "blockdev-add/driver=file/aio=io_uring", true },
        { "blockdev-add/driver=file/aio=threads", false },
        { "blockdev-add/driver=file/node-name", true },
        { "blockdev-add/driver=raw/node-name", true },
        { "blockdev-add/driver=raw/aio", false },
        { "blockdev-add/node-name/more", false },
        { "blockdev-add>", true },
        { "blockdev-add>/node-name", false },
        { "query-cpus-fast>/thread-id", true },
        { "query-cpus-fast/thread-id", false },
        { "STOP", true },
        { "STOP/reason", false },
        { "loop/x", false },
        { "5/thread-id", false },
        { "absent", false },
        { "", false },
        { ">", false },
    };
    AUTO_JSON reply = NULL;
    assert_true(json_parse(schema_text, strlen(schema_text), "schema", &reply, NULL));
    g_autoptr(QemuSchema) schema = qemu_schema_new(reply);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (qemu_schema_has(schema, cases[i].query) != cases[i].has)
            fail_msg("%s", cases[i].query);
}

static void test_schema_table_has_no_duplicates(void **state)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (const char *const *query = qemu_schema_queries(); *query; query++)
        if (!g_hash_table_add(seen, (char *)*query))
            fail_msg("%s stands twice", *query);
    assert_true(g_hash_table_size(seen) > 100);
}

/* ---- the packed document ---- */

static const char document_text[] =
    "{\"format\": 4, \"key\": \"k\", \"binary\": \"/bin/a<b\", \"arch\": \"x86_64\", \"version\": 7002022,"
    " \"package\": \"P\", \"kvm\": false, \"facts\": [\"device:VGA\", \"probed:VGA\", \"prop:VGA.vgamem_mb\","
    " \"command:stop\", \"option:sandbox\", \"option:sandbox.spawn\", \"schema:netdev_add/type=user\", 5],"
    " \"machines\": [{\"name\": \"pc-q35-9.9\", \"alias\": \"q35\", \"cpus\": 288},"
    "                {\"name\": \"pc-i440fx-9.9\", \"alias\": \"pc\", \"cpus\": 255, \"default\": true, "
    "\"cpu\": \"c\"}],"
    " \"cpus\": {\"tcg\": {\"models\": [{\"name\": \"qemu64\", \"blockers\": []},"
    "   {\"name\": \"EPYC\", \"type\": \"t\", \"blockers\": [\"avx\", \"aes\"]}, {\"name\": \"Nehalem\"}]}},"
    " \"firmware\": []}";

static QemuCaps *load_document(const char *text, Error **err)
{
    AUTO_JSON document = NULL;
    QemuCaps *caps = NULL;
    assert_true(json_parse(text, strlen(text), "document", &document, NULL));
    return qemu_caps_from_document(document, &caps, err) ? caps : NULL;
}

static void test_packed_lookups(void **state)
{
    g_autoptr(QemuCaps) caps = load_document(document_text, NULL);
    assert_non_null(caps);
    assert_int_equal(qemu_caps_version(caps), 7002022);
    assert_string_equal(qemu_caps_arch(caps), "x86_64");
    assert_true(qemu_caps_has_device(caps, "VGA"));
    assert_false(qemu_caps_has_device(caps, "VG"));
    assert_true(qemu_caps_has_device_property(caps, "VGA", "vgamem_mb"));
    assert_false(qemu_caps_has_device_property(caps, "VGA", "vgamem"));
    assert_true(qemu_caps_has_command(caps, "stop"));
    assert_false(qemu_caps_has_command(caps, "cont"));
    assert_true(qemu_caps_has_option(caps, "sandbox", NULL));
    assert_true(qemu_caps_has_option(caps, "sandbox", "spawn"));
    assert_false(qemu_caps_has_option(caps, "sandbox", "obsolete"));
    assert_true(qemu_caps_has_schema(caps, "netdev_add/type=user"));

    assert_string_equal(qemu_caps_machine(caps, NULL)->name, "pc-i440fx-9.9");
    assert_string_equal(qemu_caps_machine(caps, "q35")->name, "pc-q35-9.9");
    assert_int_equal(qemu_caps_machine(caps, "pc-q35-9.9")->max_cpus, 288);
    assert_null(qemu_caps_machine(caps, "none"));

    size_t n;
    const QemuCpuModel *models = qemu_caps_cpu_models(caps, false, &n);
    assert_int_equal(n, 3);
    assert_true(models[0].usable);
    assert_null(models[0].blockers[0]);
    assert_false(models[1].usable);
    assert_string_equal(models[1].blockers[1], "aes");
    assert_null(models[1].blockers[2]);
    assert_false(models[2].usable);
    (void)qemu_caps_cpu_models(caps, true, &n);
    assert_int_equal(n, 0);
    assert_null(qemu_caps_host_cpu(caps, false));
}

static void test_damaged_documents_are_refused(void **state)
{
    static const char *const cases[] = {
        "5",
        "{}",
        "{\"format\": 2, \"key\": \"k\", \"binary\": \"b\", \"arch\": \"a\"}",
        "{\"format\": 4, \"key\": 5, \"binary\": \"b\", \"arch\": \"a\"}",
        "{\"format\": 4, \"key\": \"k\", \"binary\": \"b\", \"arch\": \"a\", \"machines\": [5]}",
        "{\"format\": 4, \"key\": \"k\", \"binary\": \"b\", \"arch\": \"a\", \"machines\": [{\"cpus\": 4}]}",
        ("{\"format\": 4, \"key\": \"k\", \"binary\": \"b\", \"arch\": \"a\", \"cpus\": {\"kvm\": "
         "{\"models\": [{}]}}}"),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        assert_null(load_document(cases[i], &err));
        assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
    }
    g_autoptr(QemuCaps) poor =
        load_document("{\"format\": 4, \"key\": \"k\", \"binary\": \"b\", \"arch\": \"a\", \"facts\": 7}",
                      NULL);
    assert_non_null(poor);
    assert_false(qemu_caps_has_device(poor, "x"));
    assert_null(qemu_caps_machine(poor, NULL));
}

static void check_well_formed(const char *xml)
{
    GMarkupParser nothing = { 0 };
    GMarkupParseContext *context = g_markup_parse_context_new(&nothing, 0, NULL, NULL);
    GError *problem = NULL;
    if (!g_markup_parse_context_parse(context, xml, -1, &problem) ||
        !g_markup_parse_context_end_parse(context, &problem))
        g_error("%s\n%s", problem->message, xml);
    g_markup_parse_context_free(context);
}

static void test_document_of_a_poor_qemu(void **state)
{
    g_autoptr(QemuCaps) caps = load_document(document_text, NULL);
    g_autofree char *xml = NULL;
    assert_true(qemu_caps_format_domain(caps, "q35", NULL, &xml, NULL));
    check_well_formed(xml);
    assert_non_null(
        strstr(xml, "<path>/bin/a&lt;b</path>\n  <domain>qemu</domain>\n  <machine>pc-q35-9.9</machine>"));
    assert_non_null(strstr(xml, "<vcpu max='288'/>"));
    assert_non_null(strstr(xml, "<mode name='host-passthrough' supported='no'/>"));
    assert_non_null(strstr(xml, "<mode name='host-model' supported='no'/>"));
    assert_non_null(strstr(xml, "<model usable='no' vendor='AMD'>EPYC</model>"));
    assert_non_null(strstr(xml, "<value>vga</value>"));
    assert_null(strstr(xml, "<value>qxl</value>"));
    assert_null(strstr(xml, "<value>ide</value>"));
    assert_non_null(strstr(xml, "<hyperv supported='no'/>"));

    static const char *const wrong[][2] = { { "nonsense", NULL }, { NULL, "kvm" }, { NULL, "xen" } };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *none = NULL;
        assert_false(qemu_caps_format_domain(caps, wrong[i][0], wrong[i][1], &none, &err));
        assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
    }
}

/* ---- the installed QEMU ---- */

typedef struct CacheTest {
    char *dir;
    QemuCapsCache *cache;
} CacheTest;

static void cache_test_begin(CacheTest *test)
{
    test->dir = g_dir_make_tmp("lodge-caps-XXXXXX", NULL);
    test->cache = qemu_caps_cache_new(test->dir, getuid(), getgid());
}

static void cache_test_reopen(CacheTest *test)
{
    qemu_caps_cache_free(test->cache);
    test->cache = qemu_caps_cache_new(test->dir, getuid(), getgid());
}

static char *cache_test_file(const CacheTest *test)
{
    g_autoptr(GPtrArray) names = NULL;
    assert_true(file_list_dir(test->dir, &names, NULL));
    assert_int_equal(names->len, 1);
    return path_join(test->dir, names->pdata[0]);
}

static void cache_test_end(CacheTest *test)
{
    qemu_caps_cache_free(test->cache);
    assert_true(file_remove_tree(test->dir, NULL));
    g_free(test->dir);
}

static QemuCaps *get_caps(CacheTest *test)
{
    QemuCaps *caps = NULL;
    g_autoptr(Error) err = NULL;
    if (!qemu_caps_get(test->cache, QEMU, &caps, &err))
        g_error("%s", error_message(err));
    return caps;
}

static void check_facts(const QemuCaps *caps)
{
    assert_string_equal(qemu_caps_binary(caps), QEMU);
    assert_string_equal(qemu_caps_arch(caps), "x86_64");
    assert_true(qemu_caps_version(caps) >= 6000000);
    assert_true(qemu_caps_has_device(caps, "virtio-blk-pci"));
    assert_true(qemu_caps_has_device(caps, "memory-backend-memfd"));
    assert_true(qemu_caps_has_device(caps, "ahci")); /* second names */
    assert_true(qemu_caps_has_device(caps, "e1000-82540em"));
    assert_false(qemu_caps_has_device(caps, "nonsense"));
    assert_true(qemu_caps_has_device_property(caps, "virtio-blk-pci", "iommu_platform"));
    assert_true(qemu_caps_has_device_property(caps, "machine", "vmport"));
    assert_true(qemu_caps_has_command(caps, "blockdev-add"));
    assert_true(qemu_caps_has_option(caps, "sandbox", NULL));
    assert_true(qemu_caps_has_schema(caps, "blockdev-add/driver=nbd"));
    assert_true(qemu_caps_has_schema(caps, "query-cpus-fast>/thread-id"));
    assert_true(qemu_caps_has_schema(caps, "object-add/qom-type=memory-backend-memfd/hugetlb"));
    assert_true(qemu_caps_has_schema(caps, "transaction/actions/type=blockdev-snapshot-sync"));
    assert_true(qemu_caps_has_schema(caps, "query-display-options>/type=egl-headless/rendernode"));
    assert_non_null(qemu_caps_machine(caps, "q35"));
    assert_true(qemu_caps_machine(caps, NULL)->is_default);
    size_t n;
    const QemuCpuModel *models = qemu_caps_cpu_models(caps, false, &n);
    assert_true(n > 20);
    assert_non_null(models[0].name);
    const Json *max = qemu_caps_host_cpu(caps, false);
    assert_string_equal(json_get_str(max, "name"), "max");
    assert_true(json_get_bool(json_get_obj(max, "props"), "sse2", false));
}

static void probe_and_cache(void *arg)
{
    CacheTest test;
    cache_test_begin(&test);
    QemuCaps *caps = get_caps(&test);
    check_facts(caps);
    QemuCaps *again = get_caps(&test);
    assert_ptr_equal(again, caps);
    qemu_caps_unref(again);
    qemu_caps_unref(caps);

    /* a new daemon reads the file, and does not write it again */
    g_autofree char *path = cache_test_file(&test);
    struct stat before, after;
    assert_int_equal(g_stat(path, &before), 0);
    cache_test_reopen(&test);
    caps = get_caps(&test);
    check_facts(caps);
    assert_int_equal(g_stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);

    g_autofree char *xml = NULL;
    assert_true(qemu_caps_format_domain(caps, NULL, "qemu", &xml, NULL));
    check_well_formed(xml);
    assert_non_null(strstr(xml, "<domain>qemu</domain>"));
    assert_non_null(strstr(xml, "<value>virtio-non-transitional</value>"));
    qemu_caps_unref(caps);
    cache_test_end(&test);
}

static void damaged_cache_is_probed_again(void *arg)
{
    static const char *const cases[] = { "", "{\"format\": 4, \"key\": ", "[]", NULL };
    CacheTest test;
    cache_test_begin(&test);
    qemu_caps_unref(get_caps(&test));
    g_autofree char *path = cache_test_file(&test);
    for (size_t i = 0; cases[i]; i++) {
        assert_true(file_replace(path, cases[i], strlen(cases[i]), 0600, NULL));
        cache_test_reopen(&test);
        QemuCaps *caps = get_caps(&test);
        check_facts(caps);
        qemu_caps_unref(caps);
        struct stat st;
        assert_int_equal(g_stat(path, &st), 0);
        assert_true(st.st_size > 10000);
    }
    cache_test_end(&test);
}

typedef struct Getter {
    CacheTest *test;
    QemuCaps *caps;
} Getter;

static void getter_main(void *arg)
{
    Getter *getter = arg;
    getter->caps = get_caps(getter->test);
}

static void one_probe_for_all_who_ask(void *arg)
{
    CacheTest test;
    cache_test_begin(&test);
    Getter getters[3] = { { .test = &test }, { .test = &test }, { .test = &test } };
    Fiber *fibers[3];
    for (size_t i = 0; i < 3; i++)
        fibers[i] = fiber_ref(fiber_spawn("getter", getter_main, &getters[i]));
    for (size_t i = 0; i < 3; i++) {
        assert_true(fiber_join(fibers[i], 60000, NULL));
        fiber_unref(fibers[i]);
        assert_ptr_equal(getters[i].caps, getters[0].caps);
    }
    for (size_t i = 0; i < 3; i++)
        qemu_caps_unref(getters[i].caps);
    cache_test_end(&test);
}

static void what_is_no_qemu(void *arg)
{
    static const struct {
        const char *binary;
        ErrorCode code;
        const char *words;
    } cases[] = {
        { "/nonexistent/qemu", ERROR_SYSTEM, "No such file" },
        { "qemu-system-x86_64", ERROR_CONFIG_UNSUPPORTED, "absolute" },
        { "/etc/passwd", ERROR_CONFIG_UNSUPPORTED, "executable" },
        { "/usr/bin", ERROR_CONFIG_UNSUPPORTED, "executable" },
        { "/bin/false", ERROR_REFUSED, "exit status 1" },
        { "/bin/ls", ERROR_REFUSED, "invalid option" },
    };
    CacheTest test;
    cache_test_begin(&test);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        QemuCaps *caps = NULL;
        assert_false(qemu_caps_get(test.cache, cases[i].binary, &caps, &err));
        if (error_code(err) != cases[i].code || !strstr(error_message(err), cases[i].words))
            g_error("%s: %s: %s", cases[i].binary, error_code_name(error_code(err)), error_message(err));
    }
    g_autoptr(Error) err = NULL;
    QemuCaps *caps = NULL;
    assert_false(qemu_caps_get_default(test.cache, "nonsense", &caps, &err));
    assert_int_equal(error_code(err), ERROR_CONFIG_UNSUPPORTED);
    cache_test_end(&test);
}

static void guests_of_this_host(void *arg)
{
    CacheTest test;
    cache_test_begin(&test);
    g_autoptr(GString) out = g_string_new("<x>");
    assert_true(qemu_caps_format_guests(test.cache, out, NULL));
    g_string_append(out, "</x>");
    check_well_formed(out->str);
    assert_non_null(strstr(out->str,
                           "<arch name='x86_64'>\n      <wordsize>64</wordsize>\n      <emulator>" QEMU
                           "</emulator>\n      <machine maxCpus="));
    cache_test_end(&test);
}

static void with_qemu(void (*func)(void *arg))
{
    if (access(QEMU, X_OK) != 0)
        skip();
    test_run_fiber(func, NULL);
}

#define QEMU_TEST(name)                                                                                      \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        with_qemu(name);                                                                                     \
    }
QEMU_TEST(probe_and_cache)
QEMU_TEST(damaged_cache_is_probed_again)
QEMU_TEST(one_probe_for_all_who_ask)
QEMU_TEST(what_is_no_qemu)
QEMU_TEST(guests_of_this_host)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_questions),
        cmocka_unit_test(test_schema_table_has_no_duplicates),
        cmocka_unit_test(test_packed_lookups),
        cmocka_unit_test(test_damaged_documents_are_refused),
        cmocka_unit_test(test_document_of_a_poor_qemu),
        cmocka_unit_test(test_probe_and_cache),
        cmocka_unit_test(test_damaged_cache_is_probed_again),
        cmocka_unit_test(test_one_probe_for_all_who_ask),
        cmocka_unit_test(test_what_is_no_qemu),
        cmocka_unit_test(test_guests_of_this_host),
    };
    return cmocka_run_group_tests_name("qemu_caps", tests, NULL, NULL);
}
