/* Status files of running machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

#include "base/file.h"
#include "machine/vm_block_job.h"

static void make_running(Vm *vm)
{
    const unsigned port = 5907;
    const pid_t tid = 1235;

    vm->live = domain_def_copy(vm->config);
    vm->live->id = 12;
    vm->run = vm_run_new(vm->host);
    object_set_id(&vm->object, 12);
    vm->state = VM_STATE_PAUSED;
    vm->reason = VIR_DOMAIN_PAUSED_IOERROR;
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
    vm->run->taints = TAINT_CUSTOM_MONITOR;
    vm->run->is_starting = vm->run->has_gone_on = true;
    g_array_append_val(vm->run->ports, port);
    DacItem *item = g_new0(DacItem, 1);
    *item = (DacItem){ .path = g_strdup("/images/<a>.img"), .gid = 6, .lent_to = 64055, .id = { 7, 8 } };
    g_ptr_array_add(vm->run->dac, item);
    g_array_append_val(vm->run->vcpu_tids, tid);
}

/* As libvirtd 9.0.0 writes and reads it, but for what only we have. */
TEST_FIBER(block_jobs_come_back_as_libvirtd_has_them)
{
    static const char *const wanted =
        "  <blockjobs active='yes'>\n"
        "    <blockjob name='commit-vda-libvirt-2-format' type='commit' state='running' jobflags='0x12'>\n"
        "      <disk dst='vda'/>\n"
        "      <base node='libvirt-3-format'/>\n"
        "      <top node='libvirt-2-format'/>\n"
        "      <topparent node='libvirt-5-format'/>\n"
        "      <deleteCommittedImages/>\n"
        "    </blockjob>\n"
        "    <blockjob name='copy-vdb-libvirt-1-format' type='copy' state='ready' jobflags='0x4' "
        "lodge:internal='yes'>\n"
        "      <disk dst='vdb' mirror='yes'/>\n"
        "    </blockjob>\n"
        "  </blockjobs>\n";
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    g_autoptr(VmStatus) status = NULL;
    g_autoptr(Error) err = NULL;
    make_running(vm);
    VmBlockJob *commit = vm_block_job_new(BLOCK_JOB_COMMIT, "vda");
    commit->id = g_strdup("commit-vda-libvirt-2-format");
    commit->state = BLOCK_JOB_RUNNING;
    commit->by_user = true;
    commit->flags = 0x12;
    commit->base = g_strdup("libvirt-3-format");
    commit->top = g_strdup("libvirt-2-format");
    commit->top_parent = g_strdup("libvirt-5-format");
    VmBlockJob *copy = vm_block_job_new(BLOCK_JOB_COPY, "vdb");
    copy->id = g_strdup("copy-vdb-libvirt-1-format");
    copy->state = BLOCK_JOB_READY;
    copy->flags = VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB;
    g_ptr_array_add(vm->run->block_jobs, commit);
    g_ptr_array_add(vm->run->block_jobs, copy);
    g_autofree char *text = vm_status_format(vm);
    check(strstr(text, wanted) != NULL);
    check_ok(vm_status_parse(text, strlen(text), "a.xml", &status, &err), err);
    check_eq(status->run->block_jobs->len, 2);
    const VmBlockJob *first = g_ptr_array_index(status->run->block_jobs, 0);
    const VmBlockJob *second = g_ptr_array_index(status->run->block_jobs, 1);
    check(first->kind == BLOCK_JOB_COMMIT && first->state == BLOCK_JOB_RUNNING && first->by_user);
    check_eq(first->flags, 0x12);
    check_str(first->base, "libvirt-3-format");
    check_str(first->top, "libvirt-2-format");
    check_str(first->top_parent, "libvirt-5-format");
    check(second->kind == BLOCK_JOB_COPY && second->state == BLOCK_JOB_READY && !second->by_user);
    check_str(second->disk, "vdb");
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
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
    check_str(status->live->name, "a");
    check_eq(status->live->id, 12);
    check_eq(status->state, VM_STATE_PAUSED);
    check_eq(status->reason, VIR_DOMAIN_PAUSED_IOERROR);
    check_eq(status->run->pid, 1234);
    check_str(status->run->monitor_path, "/lib/domain-12-a/monitor.sock");
    check_str(status->run->lib_dir, "/lib/it's <here>");
    check_str(status->run->file.path, "/save/a&b");
    check_str(status->run->file.temp, vm->run->file.temp);
    check_eq(status->run->file.dev, 5);
    check_eq(status->run->file.ino, UINT64_MAX);
    check(status->run->is_saving && status->run->must_run && status->run->fake_reboot &&
          !status->run->is_starting);
    check_eq(status->run->taints, TAINT_CUSTOM_MONITOR);
    check_eq(status->run->dac->len, 1);
    const DacItem *item = g_ptr_array_index(status->run->dac, 0);
    check_str(item->path, "/images/<a>.img");
    check(item->uid == 0 && item->gid == 6 && item->lent_to == 64055 && item->id.ino == 8 && !item->shared);
    check_eq(status->run->ports->len, 1);
    check_eq(g_array_index(status->run->ports, unsigned, 0), 5907);
    check_eq(g_array_index(status->run->vcpu_tids, pid_t, 0), 1235);
    check_eq(status->run->last_node, 7);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

/* Of each earlier version, and libvirtd's own. */
TEST(status_files_of_earlier_versions_are_read)
{
    static const struct {
        const char *file;
        const char *name;
        int id;
        pid_t pid;
        VmState state;
        int reason;
        unsigned n_vcpus, n_lent, n_ports;
        uint64_t start_time;
        bool must_run;
    } cases[] = {
        { "lodge-1.xml", "a", 12, 1234, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_SAVE, 2, 2, 1, 4711, true },
        { "libvirtd-9.xml", "b", 3, 4321, VM_STATE_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, 1, 0, 0, 0, false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_build_filename(GOLDEN_DIR, "status", cases[i].file, NULL);
        g_autofree char *text = NULL;
        size_t len = 0;
        g_autoptr(VmStatus) status = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].file);
        check_ok(file_read(path, 1 << 20, &text, &len, &err), err);
        check_ok(vm_status_parse(text, len, cases[i].file, &status, &err), err);
        check_str(status->live->name, cases[i].name);
        check_eq(status->live->id, cases[i].id);
        check_eq(status->state, cases[i].state);
        check_eq(status->reason, cases[i].reason);
        check_eq(status->run->pid, cases[i].pid);
        check_eq(status->run->start_time, cases[i].start_time);
        check_eq(status->run->must_run, cases[i].must_run);
        check_eq(status->run->vcpu_tids->len, cases[i].n_vcpus);
        check_eq(status->run->dac->len, cases[i].n_lent);
        check_eq(status->run->ports->len, cases[i].n_ports);
        check(status->run->monitor_path && status->run->lib_dir && status->run->channel_dir);
    }
}

TEST(a_pid_that_makes_no_sense_is_none)
{
    static const char *const pids[] = { "-1", "99999999999", "x", "" };
    for (size_t i = 0; i < G_N_ELEMENTS(pids); i++) {
        g_autofree char *text =
            g_strdup_printf("<domstatus state='running' pid='%s'><monitor path='/x'/>"
                            "<domain type='qemu' id='1'><name>a</name><memory>1</memory>"
                            "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain></domstatus>",
                            pids[i]);
        g_autoptr(VmStatus) status = NULL;
        g_autoptr(Error) err = NULL;
        check_case(pids[i]);
        check_ok(vm_status_parse(text, strlen(text), "x", &status, &err), err);
        check_eq(status->run->pid, 0);
    }
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
