/* Definitions on disk: what is loaded, what is left as it is, and what happens to them meanwhile. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "core/object_store.h"
#include "machine/vm_define.h"

static const char *const uuids[] = { "5a4d8c1e-0000-4000-8000-000000000001",
                                     "5a4d8c1e-0000-4000-8000-000000000002" };

static char *machine_document(const char *name, const char *uuid)
{
    return g_strdup_printf("<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>16</memory>"
                           "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>",
                           name, uuid);
}

static char *config_path(Host *host, const char *file)
{
    return path_join(host_paths(host)->etc_qemu, file);
}

static void write_machine(Host *host, const char *file, const char *name, const char *uuid)
{
    g_autofree char *xml = machine_document(name, uuid);
    g_autofree char *path = config_path(host, file);
    g_autoptr(Error) err = NULL;

    check_ok(file_make_dirs(host_paths(host)->etc_qemu, 0700, &err), err);
    check_ok(file_replace(path, xml, strlen(xml), 0600, &err), err);
}

static bool is_there(Host *host, const char *file)
{
    g_autofree char *path = config_path(host, file);
    struct stat st;

    return lstat(path, &st) == 0;
}

TEST_FIBER(what_cannot_be_read_stays_and_what_makes_no_sense_is_set_aside)
{
    TestHost made = test_host_make();
    Host *host = made.host;
    g_autoptr(Error) err = NULL;
    static const char *const stay[] = { "dir", "fifo", "loop", "dangling", "other", "twin" };
    static const char *const aside[] = { "empty", "text" };

    write_machine(host, "good.xml", "good", uuids[0]);
    write_machine(host, "other.xml", "somebody", uuids[1]);
    g_autofree char *dir = config_path(host, "dir.xml");
    g_autofree char *fifo = config_path(host, "fifo.xml");
    g_autofree char *loop = config_path(host, "loop.xml");
    g_autofree char *dangling = config_path(host, "dangling.xml");
    g_autofree char *empty = config_path(host, "empty.xml");
    g_autofree char *text = config_path(host, "text.xml");
    check(mkdir(dir, 0700) == 0 && mkfifo(fifo, 0600) == 0 && symlink("loop.xml", loop) == 0 &&
          symlink("/nowhere/x", dangling) == 0);
    check(file_replace(empty, "", 0, 0600, &err) && file_replace(text, "<x", 2, 0600, &err));
    write_machine(host, "twin.xml", "twin", uuids[0]); /* the later one is the copy */
    check_ok(object_store_load(host, &domain_class, &err), err);
    check_eq(object_count(vm_registry(host), false), 1);
    check(registry_get_name(vm_registry(host), "good"));
    for (size_t i = 0; i < G_N_ELEMENTS(stay); i++) {
        g_autofree char *file = g_strconcat(stay[i], ".xml", NULL);
        check_case(file);
        check(is_there(host, file));
        check(registry_is_taken(vm_registry(host), stay[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(aside); i++) {
        g_autofree char *file = g_strconcat(aside[i], ".xml.damaged", NULL);
        check_case(file);
        check(is_there(host, file));
        check(!registry_is_taken(vm_registry(host), aside[i]));
    }
    test_host_clear(&made);
}

static void reload(void *arg)
{
    g_autoptr(Error) err = NULL;

    check_ok(object_store_load_unused(arg, &domain_class, &err), err);
}

/* The file comes back, and somebody defines a machine of its name before it was read. */
TEST_FIBER(nobody_writes_over_a_file_that_is_being_read_again)
{
    TestHost made = test_host_make();
    Host *host = made.host;
    g_autoptr(Error) err = NULL;
    g_autofree char *link = config_path(host, "a.xml");
    g_autofree char *target = config_path(host, "target");

    write_machine(host, "b.xml", "b", uuids[0]); /* makes the folder */
    check_eq(symlink(target, link), 0);
    check_ok(object_store_load(host, &domain_class, &err), err);
    check(!registry_get_name(vm_registry(host), "a"));
    write_machine(host, "target", "a", uuids[1]);
    Fiber *fiber = fiber_ref(fiber_spawn("reload", reload, host));
    while (!fiber_is_done(fiber)) {
        check(registry_is_taken(vm_registry(host), "a"));
        fiber_yield();
    }
    fiber_unref(fiber);
    check(registry_get_name(vm_registry(host), "a"));
    registry_release(vm_registry(host), "a"); /* does nothing: the name is the machine's now */
    check(registry_is_taken(vm_registry(host), "a"));
    test_host_clear(&made);
}

TEST_FIBER(reading_again_leaves_the_links_of_others_alone)
{
    TestHost made = test_host_make();
    Host *host = made.host;
    g_autoptr(Error) err = NULL;
    g_autofree char *link = config_path(host, "a.xml");

    write_machine(host, "b.xml", "b", uuids[0]);
    check_eq(symlink("/nowhere/x", link), 0);
    check_ok(object_store_load(host, &domain_class, &err), err);
    /* As a rename or "autostart --disable" that is under way leaves them for a moment. */
    g_autofree char *of_new = object_autostart_path(host, &domain_class, "new-name");
    g_autofree char *of_b = object_autostart_path(host, &domain_class, "b");
    check_ok(file_make_dirs(host_paths(host)->autostart, 0755, &err), err);
    check(symlink("/x", of_new) == 0 && symlink("/x", of_b) == 0);
    reload(host);
    check(g_file_test(of_new, G_FILE_TEST_IS_SYMLINK));
    check(!object_has_autostart(registry_get_name(vm_registry(host), "b")));
    test_host_clear(&made);
}

static void set_autostart(void *arg)
{
    g_autoptr(Error) err = NULL;

    check_ok(object_set_autostart(arg, true, NULL, &err), err);
}

TEST_FIBER(an_autostart_whose_client_leaves_is_known)
{
    TestHost made = test_host_make();
    Host *host = made.host;
    g_autoptr(Vm) vm = test_vm_make(host, "a");
    g_autofree char *link = object_autostart_path(host, &domain_class, "a");
    Fiber *fiber = fiber_ref(fiber_spawn("autostart", set_autostart, &vm->object));

    fiber_yield(); /* it writes now */
    fiber_cancel(fiber);
    check(fiber_join(fiber, 30000, NULL));
    fiber_unref(fiber);
    check(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    check(object_has_autostart(&vm->object));
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST(ids_begin_anew_after_the_last_and_are_never_given_twice)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");

    object_set_id(&vm->object, 1);
    made.host->last_id = INT_MAX - 1;
    check_eq(host_next_id(made.host), INT_MAX);
    check_eq(host_next_id(made.host), 2);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}
