/* Changes of a machine: all of it or nothing, whichever step fails. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_edit.h"

#include <unistd.h>

#include "base/file.h"
#include "conf/domain_rows.h"
#include "test_host.h"

enum { LIVE = 1, CONFIG = 2 };

/* A running machine without a QEMU. */
static Vm *make_running(Host *host)
{
    Vm *vm = test_vm_make(host, "a");
    g_autoptr(Error) err = NULL;

    check_ok(file_make_dirs(host->paths->run_qemu, 0700, &err), err);
    vm->live = domain_def_copy(vm->config);
    vm->live->id = 1;
    vm->run = vm_run_new(host);
    vm->run->monitor_path = g_strdup("/none");
    object_set_id(&vm->object, 1);
    vm->state = VM_STATE_RUNNING;
    return vm;
}

static char *read_status(const Vm *vm)
{
    g_autofree char *path = vm_status_path(vm->host, vm->name);
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static void swap_title(DomainDef *live, void *data)
{
    char *old = live->title;

    live->title = *(char **)data;
    *(char **)data = old;
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

/* Changes title of both; true if the step in QEMU was taken back. */
static bool change(Vm *vm, const char *title, ErrorCode code)
{
    unsigned taken_back = 0;
    g_autofree char *text = g_strdup(title);
    g_autoptr(Error) err = NULL;
    {
        g_auto(VmEdit) edit = { 0 };
        check_ok(vm_edit_begin(vm, LIVE | CONFIG, NULL, &edit, &err), err);
        check(edit.live && edit.config && edit.config != vm->config);
        edit.config->title = g_strdup(title);
        undo_push(&edit.undo, count, &taken_back);
        vm_edit_set_live(&edit, swap_title, &text);
        check_eq(vm_edit_commit(&edit, NULL, &err), code == ERROR_NONE);
        check_eq(error_code(err), code);
    }
    return taken_back == 1;
}

TEST_FIBER(a_change_is_in_both_documents_and_both_files)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = make_running(made.host);
    g_autofree char *path = object_config_path(made.host, &domain_class, "a");
    g_autofree char *text = NULL;

    check(!change(vm, "new", ERROR_NONE));
    check_str(vm->config->title, "new");
    check_str(vm->live->title, "new");
    check(g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "<title>new</title>"));
    g_autofree char *status = read_status(vm);
    check(status && strstr(status, "<title>new</title>"));
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(a_definition_that_cannot_be_stored_takes_the_rest_back)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = make_running(made.host);
    g_autoptr(Error) err = NULL;

    /* A file where the folder of definitions should be. */
    check_ok(file_remove_tree(made.host->paths->etc_qemu, &err), err);
    g_autofree char *parent = g_path_get_dirname(made.host->paths->etc_qemu);
    check_ok(file_make_dirs(parent, 0700, &err), err);
    check(g_file_set_contents(made.host->paths->etc_qemu, "", 0, NULL));
    check(change(vm, "new", ERROR_SYSTEM));
    check(!vm->config->title && !vm->live->title);
    g_autofree char *status = read_status(vm);
    check(status && !strstr(status, "<title>"));
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(a_status_that_cannot_be_saved_changes_nothing)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = make_running(made.host);
    g_autofree char *path = object_config_path(made.host, &domain_class, "a");
    g_autoptr(Error) err = NULL;

    check_ok(file_remove_tree(made.host->paths->run_qemu, &err), err);
    check(change(vm, "new", ERROR_SYSTEM));
    check(!vm->config->title && !vm->live->title);
    check_eq(access(path, F_OK), -1);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(the_end_of_the_machine_is_an_error_for_the_live_part_alone)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = make_running(made.host);
    g_autoptr(Error) err = NULL;
    g_autofree char *text = g_strdup("new");
    {
        g_auto(VmEdit) edit = { 0 };
        check_ok(vm_edit_begin(vm, LIVE, NULL, &edit, &err), err);
        check(!edit.config);
        vm_edit_set_live(&edit, swap_title, &text);
        ++vm->run->serial; /* another run by now */
        check_fails(vm_edit_commit(&edit, NULL, &err), err, ERROR_INVALID_STATE);
    }
    check(!vm->live->title);
    g_clear_pointer(&err, error_free);
    {
        g_auto(VmEdit) edit = { 0 };
        check_ok(vm_edit_begin(vm, LIVE | CONFIG, NULL, &edit, &err), err);
        edit.config->title = g_strdup("new");
        ++vm->run->serial;
        check_ok(vm_edit_commit(&edit, NULL, &err), err);
    }
    check_str(vm->config->title, "new");
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

static void keep_alias(const Event *event, void *arg)
{
    if (event->id == EVENT_IO_ERROR)
        g_string_append_printf(arg, "%s ", event->text2);
}

TEST_FIBER(an_event_finds_its_device_by_the_whole_alias)
{
    static const char *const paths[] = { "/machine/peripheral/virtio-disk10/virtio-backend",
                                         "/machine/peripheral/virtio-disk1/virtio-backend", "virtio-disk1",
                                         "/machine/peripheral/virtio-disk11", "/machine/virtio-disk1" };
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = make_running(made.host);
    g_autoptr(GString) seen = g_string_new(NULL);
    DiskDef *first = g_ptr_array_index(vm->live->disks, 0);
    DiskDef *second = xml_table_copy(&disk_table, first);

    g_free(first->info.alias);
    first->info.alias = g_strdup("virtio-disk1");
    g_free(second->info.alias);
    second->info.alias = g_strdup("virtio-disk10");
    g_ptr_array_add(vm->live->disks, second);
    EventSubscription *subscription = event_subscribe(made.host->events, keep_alias, seen);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        AUTO_JSON data = json_pack("{s:s, s:s}", "qom-path", paths[i], "action", "report");
        vm_event_handle(vm, "BLOCK_IO_ERROR", data, 0, 0);
    }
    check_str(seen->str, "virtio-disk10 virtio-disk1 virtio-disk1   ");
    event_unsubscribe(subscription);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}
