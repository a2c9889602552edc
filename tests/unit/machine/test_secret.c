/* Secrets: keys, values and what may be defined, while several ask at once. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

#include "base/file.h"
#include "core/secret.h"

#define MANY 6

static Host *host;

static char *secret_document(unsigned number, const char *usage, bool ephemeral)
{
    return g_strdup_printf("<secret ephemeral='%s'><uuid>5a4d8c1e-0000-4000-8000-%012u</uuid>"
                           "<usage type='ceph'><name>%s</name></usage></secret>",
                           ephemeral ? "yes" : "no", number, usage);
}

static Object *secret_make(unsigned number, const char *usage, bool ephemeral, Error **err)
{
    g_autofree char *xml = secret_document(number, usage, ephemeral);

    return object_define(host, &secret_class, xml, 0, "test", NULL, err);
}

static char *secret_path(const char *file)
{
    return path_join(host_paths(host)->secrets, file);
}

typedef struct Asker {
    unsigned number;
    Object *secret;
    bool ok;
} Asker;

static void run_askers(void (*func)(void *arg), Asker askers[MANY])
{
    Fiber *fibers[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        askers[i].number = i;
        fibers[i] = fiber_ref(fiber_spawn("asker", func, &askers[i]));
    }
    for (unsigned i = 0; i < MANY; i++) {
        check(fiber_join(fibers[i], 30000, NULL));
        fiber_unref(fibers[i]);
    }
}

static void set_value(void *arg)
{
    Asker *asker = arg;
    g_autoptr(Error) err = NULL;

    asker->ok = secret_set_value(asker->secret, "value", 5, NULL, &err);
}

/* Forgets all values, and reads them as the next daemon does. */
static TestHost host_again(TestHost *made)
{
    TestHost next = { .dir = g_steal_pointer(&made->dir) };
    g_autoptr(Error) err = NULL;
    Config *config = NULL;

    host_stop(made->host, 10000);
    host_free(made->host);
    Paths *paths = paths_new_system(next.dir);
    check_ok(config_load(paths, NULL, &config, &err), err);
    host = next.host = host_new(paths, config);
    machine_open(host);
    check_ok(machine_load(host, &err), err);
    return next;
}

static unsigned count_values(void)
{
    g_autoptr(GPtrArray) secrets = NULL;
    g_autoptr(Error) err = NULL;
    unsigned count = 0;

    check_ok(object_list(host_registry(host, &secret_class), 0, "test", &secrets, &err), err);
    for (guint i = 0; i < secrets->len; i++) {
        g_autoptr(GBytes) value = NULL;
        if (secret_get_value(g_ptr_array_index(secrets, i), NULL, &value, NULL))
            count++;
    }
    return count;
}

TEST_FIBER(first_values_that_are_set_at_once_have_one_key)
{
    TestHost made = test_host_make();
    Asker askers[MANY] = { 0 };
    host = made.host;

    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *usage = g_strdup_printf("u%u", i);
        g_autoptr(Error) err = NULL;
        askers[i].secret = secret_make(i, usage, false, &err);
        check_ok(askers[i].secret != NULL, err);
    }
    run_askers(set_value, askers);
    for (unsigned i = 0; i < MANY; i++) {
        check(askers[i].ok);
        object_unref(askers[i].secret);
    }
    TestHost next = host_again(&made);
    check_eq(count_values(), MANY);
    test_host_clear(&next);
}

TEST_FIBER(a_key_that_is_removed_is_written_again)
{
    TestHost made = test_host_make();
    g_autoptr(Error) err = NULL;
    host = made.host;

    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *usage = g_strdup_printf("u%u", i);
        g_autofree char *key = secret_path("host.key");
        g_autoptr(Object) secret = secret_make(i, usage, false, &err);
        check_ok(secret && secret_set_value(secret, "value", 5, NULL, &err), err);
        if (i == 0)
            check_eq(unlink(key), 0);
    }
    TestHost next = host_again(&made);
    check_eq(count_values(), 2);
    test_host_clear(&next);
}

static void define_same_usage(void *arg)
{
    Asker *asker = arg;
    g_autoptr(Error) err = NULL;

    asker->secret = secret_make(asker->number, "same", asker->number % 2, &err);
    check(asker->secret || error_code(err) == ERROR_INTERNAL);
}

TEST_FIBER(one_of_many_that_define_for_the_same_use_wins)
{
    TestHost made = test_host_make();
    Asker askers[MANY] = { 0 };
    unsigned won = 0;
    host = made.host;

    run_askers(define_same_usage, askers);
    for (unsigned i = 0; i < MANY; i++) {
        won += askers[i].secret != NULL;
        object_unref(askers[i].secret);
    }
    check_eq(won, 1);
    check_eq(object_count(host_registry(host, &secret_class), false), 1);
    test_host_clear(&made);
}

TEST_FIBER(a_value_follows_its_secret_to_disk_and_away_from_it)
{
    TestHost made = test_host_make();
    g_autoptr(Error) err = NULL;
    host = made.host;
    g_autofree char *value_path = secret_path("5a4d8c1e-0000-4000-8000-000000000001.value");
    g_autofree char *xml_path = secret_path("5a4d8c1e-0000-4000-8000-000000000001.xml");
    static const bool ephemeral[] = { true, false, true, false };

    for (size_t i = 0; i < G_N_ELEMENTS(ephemeral); i++) {
        g_autoptr(Object) secret = secret_make(1, "u", ephemeral[i], &err);
        check_ok(secret != NULL, err);
        if (i == 0)
            check_ok(secret_set_value(secret, "value", 5, NULL, &err), err);
        check_eq(access(value_path, F_OK) == 0, !ephemeral[i]);
        check_eq(access(xml_path, F_OK) == 0, !ephemeral[i]);
        check_eq(count_values(), 1);
    }
    g_autoptr(Object) secret = secret_find_by_usage(host, 2, "u", &err);
    check_ok(secret && object_undefine(secret, NULL, &err), err);
    check(access(value_path, F_OK) != 0);
    check_fails(secret_set_value(secret, "value", 5, NULL, &err), err, ERROR_NO_SECRET);
    g_clear_pointer(&secret, object_unref);
    test_host_clear(&made);
}

TEST_FIBER(values_have_bounds_and_a_damaged_key_is_told)
{
    static const struct {
        size_t len;
        ErrorCode code;
    } cases[] = { { 0, ERROR_INVALID_ARGUMENT }, { 65537, ERROR_OVERFLOW }, { 100, ERROR_SYSTEM } };
    TestHost made = test_host_make();
    g_autofree char *data = g_malloc0(65537);
    g_autoptr(Error) err = NULL;
    host = made.host;
    g_autofree char *key = secret_path("host.key");
    g_autoptr(Object) secret = secret_make(1, "u", false, &err);

    check_ok(secret && file_replace(key, "short", 5, 0600, &err), err);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        check_fails(secret_set_value(secret, data, cases[i].len, NULL, &err), err, cases[i].code);
    check_eq(unlink(key), 0);
    check_ok(secret_set_value(secret, data, 65536, NULL, &err), err);
    g_clear_pointer(&secret, object_unref);
    TestHost next = host_again(&made);
    check_eq(count_values(), 1);
    test_host_clear(&next);
}

TEST_FIBER(what_a_killed_daemon_was_writing_goes)
{
    TestHost made = test_host_make();
    g_autoptr(Error) err = NULL;
    host = made.host;
    g_autofree char *path = secret_path(".lodge-1-1.new");

    check_ok(file_make_dirs(host_paths(host)->secrets, 0700, &err), err);
    check_ok(file_replace(path, "x", 1, 0600, &err), err);
    TestHost next = host_again(&made);
    check(access(path, F_OK) != 0);
    test_host_clear(&next);
}
