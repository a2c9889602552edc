/* Status files of running machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

static void make_running(Vm *vm)
{
    const unsigned port = 5907;
    const pid_t tid = 1235;

    vm->live = domain_def_copy(vm->config);
    vm->live->id = 12;
    vm->run = vm_run_new(vm->host);
    object_set_id(&vm->object, 12);
    vm->state = VM_STATE_PAUSED;
    vm->reason = PAUSED_IOERROR;
    vm->run->pid = 1234;
    vm->run->monitor_path = g_strdup("/lib/domain-12-a/monitor.sock");
    vm->run->lib_dir = g_strdup("/lib/it's <here>");
    vm->run->channel_dir = g_strdup("/lib/channel");
    save_file_init(&vm->run->file, "/save/a&b");
    vm->run->file.dev = 5;
    vm->run->file.ino = UINT64_MAX;
    vm->run->is_saving = true;
    vm->run->must_run = true;
    vm->run->last_node = 7;
    vm->run->fake_reboot = true;
    g_array_append_val(vm->run->ports, port);
    g_array_append_val(vm->run->vcpu_tids, tid);
}

TEST_FIBER(a_status_comes_back_as_it_was_written)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    g_autoptr(VmStatus) status = NULL;
    g_autoptr(Error) err = NULL;
    make_running(vm);
    g_autofree char *text = vm_status_format(vm);
    check_ok(vm_status_parse(text, strlen(text), "a.xml", &status, &err), err);
    check_str(status->def->name, "a");
    check_eq(status->def->id, 12);
    check_eq(status->state, VM_STATE_PAUSED);
    check_eq(status->reason, PAUSED_IOERROR);
    check_eq(status->pid, 1234);
    check_str(status->monitor_path, "/lib/domain-12-a/monitor.sock");
    check_str(status->lib_dir, "/lib/it's <here>");
    check_str(status->file.path, "/save/a&b");
    check_str(status->file.temp, vm->run->file.temp);
    check_eq(status->file.dev, 5);
    check_eq(status->file.ino, UINT64_MAX);
    check(status->is_saving && status->must_run && status->fake_reboot && !status->is_starting);
    check_eq(status->last_node, 7);
    check_eq(status->ports->len, 1);
    check_eq(g_array_index(status->ports, unsigned, 0), 5907);
    check_eq(g_array_index(status->vcpu_tids, pid_t, 0), 1235);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST(a_status_that_cannot_be_used_is_refused)
{
    static const struct {
        const char *text;
        ErrorCode code;
    } cases[] = {
        { "", ERROR_XML_SYNTAX },
        { "<domstatus", ERROR_XML_SYNTAX },
        { "<domain/>", ERROR_XML_INVALID },
        { "<domstatus state='running' pid='1'/>", ERROR_XML_INVALID },
        { "<domstatus pid='1'><monitor path='/x'/><domain type='qemu'><name>a</name></domain></domstatus>",
          ERROR_XML_INVALID },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VmStatus) status = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].text);
        check_fails(vm_status_parse(cases[i].text, strlen(cases[i].text), "x", &status, &err), err,
                    cases[i].code);
    }
}
