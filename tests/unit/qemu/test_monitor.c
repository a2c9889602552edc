/* The typed monitor functions: what they send, what they make of replies, also of hostile ones; and all of
 * them once against the installed QEMU, paused and with TCG. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "fake_qemu.h"
#include "qemu/keycode.h"
#include "qemu/line_buffer.h"
#include "qemu/monitor.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define T 5000

typedef struct Session {
    FakeQemu *fake;
    Qmp *qmp;
} Session;

static void session_open(Session *session, const FakeStep *steps)
{
    int fd;
    g_autoptr(Error) err = NULL;
    session->fake = fake_qemu_start(steps, &fd);
    if (!qmp_open(fd, "web", NULL, 10000, &session->qmp, &err))
        g_error("open: %s", error_message(err));
}

static void session_end(Session *session)
{
    qmp_close(session->qmp);
    fake_qemu_finish(session->fake);
}

static void must(bool ok, Error *err)
{
    if (!ok)
        g_error("%s: %s", error_code_name(error_code(err)), error_message(err));
}

static void replies_become_structs(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "query-status" },
        { FAKE_RETURN, "{\"status\": \"io-error\", \"singlestep\": false, \"running\": false}" },
        { FAKE_EXPECT, "query-cpus-fast" },
        { FAKE_RETURN,
          "[{\"cpu-index\": 1, \"thread-id\": 78, \"props\": {\"socket-id\": 1, \"core-id\": 0}}, "
          "{\"cpu-index\": 0, \"thread-id\": 77, \"qom-path\": \"/machine/x\"}]" },
        { FAKE_EXPECT, "query-chardev" },
        { FAKE_RETURN,
          "[{\"label\": \"charserial0\", \"filename\": \"pty:/dev/pts/3\", \"frontend-open\": true}, "
          "{\"label\": \"a\", \"filename\": \"pty:/dev/pts/../../etc/passwd\"}, "
          "{\"label\": \"b\", \"filename\": \"pty:/dev/pts/\"}, "
          "{\"label\": \"c\", \"filename\": \"unix:/x\"}]" },
        { FAKE_EXPECT, "qom-get" }, /* where the first CPU usually is */
        { FAKE_REFUSE, "no such property" },
        { FAKE_EXPECT, "balloon" },
        { FAKE_EXPECT_ARGS, "{\"value\": 4096}" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "query-balloon" },
        { FAKE_RETURN, "{\"actual\": 8192}" },
        { FAKE_EXPECT, "qom-get" }, /* and where it is */
        { FAKE_EXPECT_ARGS, "{\"path\": \"/machine/x\", \"property\": \"feature-words\"}" },
        { FAKE_RETURN, "[{\"features\": 7}]" },
        { FAKE_EXPECT, "query-block" },
        { FAKE_RETURN, "[{\"io-status\": \"nospace\", \"device\": \"\", \"locked\": false, \"removable\": "
                       "false, \"qdev\": "
                       "\"/machine/peripheral/virtio-disk0/virtio-backend\", \"inserted\": {\"node-name\": "
                       "\"libvirt-1-format\", "
                       "\"ro\": true}}, {\"device\": \"\", \"removable\": true, \"tray_open\": true, "
                       "\"qdev\": \"sata0-0-0\"}, "
                       "{\"device\": \"x\"}]" },
        { FAKE_EXPECT, "query-blockstats" },
        { FAKE_RETURN,
          "[{\"qdev\": \"/machine/peripheral/virtio-disk0/virtio-backend\", \"node-name\": \"top\", "
          "\"stats\": "
          "{\"rd_bytes\": 5, \"rd_operations\": 2, \"rd_total_time_ns\": 9, \"failed_rd_operations\": 1, "
          "\"failed_wr_operations\": 2, \"wr_highest_offset\": 1}, \"parent\": {\"stats\": "
          "{\"wr_highest_offset\": "
          "4096}}, \"backing\": {\"node-name\": \"#block77\", \"stats\": {\"rd_bytes\": 6}}}]" },
        { FAKE_EXPECT, "query-named-block-nodes" },
        { FAKE_EXPECT_ARGS, "{\"flat\": true}" },
        { FAKE_RETURN,
          "[{\"node-name\": \"top\", \"drv\": \"qcow2\", \"file\": \"/x\", \"write_threshold\": 7, "
          "\"image\": {\"virtual-size\": 100, \"actual-size\": 50}}, {\"node-name\": \"s\"}]" },
        { FAKE_EXPECT, "query-iothreads" },
        { FAKE_RETURN, "[{\"id\": \"iothread1\", \"thread-id\": 5, \"poll-max-ns\": 32768}]" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Error *err = NULL;
    MonitorStatus status;
    must(monitor_query_status(session.qmp, T, &status, &err), err);
    assert_int_equal(status.run_state, MONITOR_RUN_IO_ERROR);
    int state, reason;
    monitor_run_state_to_domain(status.run_state, &state, &reason);
    assert_int_equal(state, 3);
    assert_int_equal(reason, 5);

    g_auto(MonitorWelcome)
        welcome = { .balloon_alias = "balloon0", .balloon_target = 4096, .has_cpuid = true };
    must(monitor_welcome(session.qmp, &welcome, T, &err), err);
    assert_int_equal(welcome.cpus->len, 2);
    assert_int_equal(welcome.balloon_bytes, 8192);
    assert_int_equal(json_array_size(welcome.cpuid), 1);
    const MonitorCpu *first = welcome.cpus->pdata[0], *second = welcome.cpus->pdata[1];
    assert_int_equal(first->thread_id, 77);
    assert_int_equal(first->socket_id, -1);
    assert_int_equal(second->socket_id, 1);

    const MonitorChardev *serial = g_hash_table_lookup(welcome.chardevs, "charserial0");
    assert_string_equal(serial->pty, "/dev/pts/3");
    assert_true(serial->frontend_open);
    for (const char *label = "abc"; *label; label++)
        assert_null(((MonitorChardev *)g_hash_table_lookup(welcome.chardevs, (char[]){ *label, '\0' }))->pty);

    g_autoptr(GHashTable) disks = NULL;
    must(monitor_query_disks(session.qmp, T, &disks, &err), err);
    assert_int_equal(g_hash_table_size(disks), 2);
    const MonitorDisk *disk = g_hash_table_lookup(disks, "virtio-disk0"),
                      *cd = g_hash_table_lookup(disks, "sata0-0-0");
    assert_int_equal(disk->io_status, MONITOR_IO_NO_SPACE);
    assert_string_equal(disk->node_name, "libvirt-1-format");
    assert_true(disk->read_only);
    assert_true(cd->tray_open && cd->removable && !cd->has_medium);

    g_autoptr(GPtrArray) stats = NULL;
    must(monitor_query_block_stats(session.qmp, T, &stats, &err), err);
    assert_int_equal(stats->len, 2);
    const MonitorBlockStats *top = stats->pdata[0], *below = stats->pdata[1];
    assert_string_equal(top->alias, "virtio-disk0");
    assert_int_equal(top->rd_bytes, 5);
    assert_int_equal(top->failed_ops, 3);
    assert_int_equal(top->wr_highest_offset, 4096);
    assert_int_equal(below->depth, 1);
    assert_int_equal(below->rd_bytes, 6);
    assert_null(below->node_name);

    g_autoptr(GHashTable) nodes = NULL;
    must(monitor_query_block_nodes(session.qmp, T, &nodes, &err), err);
    const MonitorBlockNode *node = g_hash_table_lookup(nodes, "top"), *poor = g_hash_table_lookup(nodes, "s");
    assert_int_equal(node->virtual_bytes, 100);
    assert_int_equal(node->actual_bytes, 50);
    assert_true(poor->actual_bytes == UINT64_MAX);

    g_autoptr(GPtrArray) threads = NULL;
    must(monitor_query_iothreads(session.qmp, T, &threads, &err), err);
    assert_int_equal(((MonitorIoThread *)threads->pdata[0])->poll_max_ns, 32768);
    session_end(&session);
}

static void memory_and_progress(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "query-balloon" },
        { FAKE_RETURN, "{\"actual\": 1073741824}" },
        { FAKE_EXPECT, "qom-get" },
        { FAKE_EXPECT_ARGS, "{\"path\": \"/machine/peripheral/balloon0\", \"property\": \"guest-stats\"}" },
        { FAKE_RETURN,
          "{\"stats\": {\"stat-free-memory\": 18446744073709551615, \"stat-total-memory\": 4096, "
          "\"stat-swap-in\": \"x\"}, \"last-update\": 1700000000}" },
        { FAKE_EXPECT, "qom-set" },
        { FAKE_EXPECT_ARGS, "{\"path\": \"/machine/peripheral/balloon0\", \"property\": "
                            "\"guest-stats-polling-interval\", \"value\": 10}" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "query-migrate" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "query-migrate" },
        { FAKE_RETURN,
          "{\"status\": \"active\", \"total-time\": 12, \"ram\": {\"total\": 100, \"remaining\": 40, "
          "\"transferred\": 60, \"mbps\": 1.5}}" },
        { FAKE_EXPECT, "query-migrate" },
        { FAKE_RETURN, "{\"status\": \"failed\", \"error-desc\": \"disk full\"}" },
        { FAKE_EXPECT, "query-dump" },
        { FAKE_RETURN, "{\"status\": \"active\", \"completed\": 5, \"total\": 10}" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Error *err = NULL;
    uint64_t bytes;
    must(monitor_query_balloon(session.qmp, T, &bytes, &err), err);
    assert_int_equal(bytes, 1 << 30);
    MonitorBalloonStats stats;
    must(monitor_query_balloon_stats(session.qmp, "balloon0", T, &stats, &err), err);
    assert_true(stats.free == UINT64_MAX && stats.swap_in == UINT64_MAX && stats.major_faults == UINT64_MAX);
    assert_int_equal(stats.total, 4096);
    assert_int_equal(stats.last_update_s, 1700000000);
    must(monitor_set_balloon_period(session.qmp, "balloon0", 10, T, &err), err);

    g_auto(MonitorMigration) none = { 0 }, active = { 0 }, failed = { 0 };
    must(monitor_query_migration(session.qmp, T, &none, &err), err);
    assert_int_equal(none.status, MONITOR_JOB_NONE);
    must(monitor_query_migration(session.qmp, T, &active, &err), err);
    assert_int_equal(active.status, MONITOR_JOB_ACTIVE);
    assert_int_equal(active.ram_remaining, 40);
    must(monitor_query_migration(session.qmp, T, &failed, &err), err);
    assert_string_equal(failed.problem, "disk full");
    MonitorDump dump;
    must(monitor_query_dump(session.qmp, T, &dump, &err), err);
    assert_int_equal(dump.done_bytes, 5);
    session_end(&session);
}

/* Wrong answers to each query: refused, and the outputs are not touched. */
static void nonsense_is_refused(void *arg)
{
    static const char *const nonsense[] = { "5",
                                            "[5]",
                                            "[{}]",
                                            "{\"status\": 5}",
                                            "{\"status\": \"weird\"}",
                                            "null",
                                            "[{\"cpu-index\": -1, \"thread-id\": 1}]",
                                            "[{\"cpu-index\": 0, \"thread-id\": -1}]" };
    for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        const FakeStep steps[] = {
            { FAKE_GREET },
            { FAKE_EXPECT, "query-cpus-fast" },
            { FAKE_RETURN, nonsense[i] },
            { FAKE_EXPECT, "query-chardev" },
            { FAKE_RETURN, "[]" },
            { FAKE_EXPECT, "query-balloon" },
            { FAKE_RETURN, nonsense[i] },
            { FAKE_EXPECT, "query-cpus-fast" },
            { FAKE_RETURN, "[]" },
            { FAKE_EXPECT, "query-chardev" },
            { FAKE_RETURN, nonsense[i] },
            { FAKE_EXPECT, "query-blockstats" },
            { FAKE_RETURN, nonsense[i] },
            { FAKE_EXPECT, "query-dump" },
            { FAKE_RETURN, nonsense[i] },
            { FAKE_END },
        };
        Session session;
        session_open(&session, steps);
        GPtrArray *list = NULL;
        MonitorWelcome welcomes[2] = { { 0 }, { 0 } };
        uint64_t bytes = 7;
        MonitorDump dump = { .done_bytes = 7 };
        Error *errors[5] = { NULL };
        assert_false(monitor_welcome(session.qmp, &welcomes[0], T, &errors[0]));
        assert_false(monitor_query_balloon(session.qmp, T, &bytes, &errors[1]));
        assert_false(monitor_welcome(session.qmp, &welcomes[1], T, &errors[2]));
        assert_false(monitor_query_block_stats(session.qmp, T, &list, &errors[3]));
        assert_false(monitor_query_dump(session.qmp, T, &dump, &errors[4]));
        assert_null(list);
        assert_null(welcomes[1].chardevs);
        monitor_welcome_clear(&welcomes[1]);
        assert_int_equal(bytes + dump.done_bytes, 14);
        for (size_t e = 0; e < G_N_ELEMENTS(errors); e++) {
            assert_int_equal(error_code(errors[e]), ERROR_INTERNAL);
            error_free(errors[e]);
        }
        session_end(&session);
    }
}

static void commands_that_are_sent(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "send-key" },
        { FAKE_EXPECT_ARGS,
          "{\"keys\": [{\"type\": \"number\", \"data\": 29}, {\"type\": \"number\", \"data\": 211}], "
          "\"hold-time\": 50}" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "set_password" },
        { FAKE_EXPECT_ARGS, "{\"protocol\": \"vnc\", \"password\": \"s\", \"connected\": \"keep\"}" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "expire_password" },
        { FAKE_EXPECT_ARGS, "{\"protocol\": \"vnc\", \"time\": \"never\"}" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "getfd" },
        { FAKE_EXPECT_ARGS, "{\"fdname\": \"migrate\"}" },
        { FAKE_EXPECT_FD },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "migrate" },
        { FAKE_REFUSE, "no" },
        { FAKE_EXPECT, "closefd" },
        { FAKE_RETURN, "{}" },
        { FAKE_EXPECT, "add-fd" },
        { FAKE_EXPECT_FD },
        { FAKE_RETURN, "{\"fdset-id\": 3, \"fd\": 20}" },
        { FAKE_EXPECT, "screendump" },
        { FAKE_EXPECT_ARGS,
          "{\"filename\": \"/dev/fdset/3\", \"device\": \"video0\", \"head\": 1, \"format\": \"png\"}" },
        { FAKE_REFUSE, "no" },
        { FAKE_EXPECT, "remove-fd" },
        { FAKE_RETURN, "{}" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Error *err = NULL;
    const unsigned keys[] = { 29, 111 }; /* KEY_LEFTCTRL, KEY_DELETE */
    must(monitor_send_keys(session.qmp, KEYCODE_LINUX, keys, 2, 50, T, &err), err);
    must(monitor_set_password(session.qmp, "vnc", "s", NULL, "never", T, &err), err);
    AUTO_FD fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_false(monitor_migrate_to_fd(session.qmp, fd, T, &err));
    assert_int_equal(error_code(err), ERROR_REFUSED);
    g_clear_pointer(&err, error_free);
    assert_false(monitor_screendump(session.qmp, fd, "video0", 1, true, T, &err));
    assert_int_equal(error_code(err), ERROR_REFUSED);
    g_clear_pointer(&err, error_free);
    session_end(&session);
}

static void test_key_codes(void **state)
{
    static const struct {
        unsigned set, code, qnum;
    } cases[] = {
        { KEYCODE_LINUX, 30, 0x1e },    { KEYCODE_QNUM, 0x1e, 0x1e },    { KEYCODE_ATSET1, 0xe053, 0xd3 },
        { KEYCODE_ATSET2, 0x1c, 0x1e }, { KEYCODE_USB, 4, 0x1e },        { KEYCODE_WIN32, 0x41, 0x1e },
        { KEYCODE_OSX, 0, 0x1e },       { KEYCODE_XT_KBD, 0x153, 0xd3 }, { KEYCODE_ATSET3, 0x76, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        unsigned qnum = 0;
        bool ok = keycode_to_qnum(cases[i].set, cases[i].code, &qnum, NULL);
        if (cases[i].qnum && (!ok || qnum != cases[i].qnum))
            fail_msg("set %u code %u: got %u", cases[i].set, cases[i].code, qnum);
    }
    static const unsigned wrong[][2] = { { KEYCODE_LINUX, 0 },
                                         { KEYCODE_LINUX, 0xffff },
                                         { KEYCODE_USB, 0xffff },
                                         { KEYCODE_SET_COUNT, 1 },
                                         { 77, 1 } };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Error) err = NULL;
        unsigned qnum = 7;
        assert_false(keycode_to_qnum(wrong[i][0], wrong[i][1], &qnum, &err));
        assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
        assert_int_equal(qnum, 7);
    }
}

/* ---- the installed QEMU ---- */

typedef struct Machine {
    Process *process;
    Qmp *qmp;
    GString *events;
} Machine;

static void machine_event(const char *name, const Json *data, int64_t seconds, int64_t microseconds,
                          void *arg)
{
    g_string_append_printf(((Machine *)arg)->events, "%s ", name);
}

static void machine_start(Machine *machine, const char *const *more)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    g_autofree char *chardev = g_strdup_printf("socket,id=mon,fd=%d", fds[1]);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *const common[] = { QEMU,
                                   "-S",
                                   "-no-user-config",
                                   "-nodefaults",
                                   "-display",
                                   "none",
                                   "-machine",
                                   "q35,accel=tcg",
                                   "-m",
                                   "32",
                                   "-chardev",
                                   chardev,
                                   "-mon",
                                   "chardev=mon,mode=control" };
    for (size_t i = 0; i < G_N_ELEMENTS(common); i++)
        g_ptr_array_add(argv, (char *)common[i]);
    for (; *more; more++)
        g_ptr_array_add(argv, (char *)*more);
    g_ptr_array_add(argv, NULL);
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const *)argv->pdata;
    spec.stderr_fd = STDERR_FILENO;
    spec.fds = &fds[1];
    spec.n_fds = 1;
    spec.die_with_parent = true;
    Error *err = NULL;
    *machine = (Machine){ .events = g_string_new(" ") };
    must(process_start(&spec, &machine->process, &err), err);
    close(fds[1]);
    QmpHandlers handlers = { .on_event = machine_event, .arg = machine };
    must(qmp_open(fds[0], "test", &handlers, 20000, &machine->qmp, &err), err);
}

static void machine_end(Machine *machine)
{
    Error *err = NULL;
    must(process_kill(machine->process, SIGTERM, &err), err);
    qmp_close(machine->qmp);
    must(process_wait(machine->process, 10000, &err), err);
    process_free(machine->process);
    g_string_free(machine->events, TRUE);
}

static const char *const full_machine[] = {
    "-smp",      "2",
    "-object",   "iothread,id=iothread1",
    "-chardev",  "pty,id=charserial0",
    "-device",   "isa-serial,chardev=charserial0,id=serial0",
    "-blockdev", "{\"driver\":\"null-co\",\"size\":1048576,\"node-name\":\"n0\",\"read-zeroes\":true}",
    "-device",   "virtio-blk-pci,drive=n0,id=virtio-disk0",
    "-device",   "ide-cd,id=sata0-0-0",
    "-device",   "virtio-balloon-pci,id=balloon0",
    "-device",   "VGA,id=video0",
    "-vnc",      "none,password=on",
    NULL
};

static void check_screendump(Machine *machine, bool png)
{
    g_autofree char *path = g_strdup("/tmp/lodge-shot-XXXXXX");
    AUTO_FD both = g_mkstemp(path);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(both >= 0 && fd >= 0);
    unlink(path);
    Error *err = NULL;
    must(monitor_screendump(machine->qmp, fd, "video0", 0, png, T, &err), err);
    char magic[8] = "";
    assert_int_equal(pread(both, magic, sizeof(magic), 0), sizeof(magic));
    assert_memory_equal(magic, png ? "\x89PNG" : "P6\n", png ? 4 : 3);
}

static void the_real_thing(void *arg)
{
    Machine machine;
    Error *err = NULL;
    machine_start(&machine, full_machine);
    Qmp *qmp = machine.qmp;

    MonitorStatus status;
    must(monitor_query_status(qmp, T, &status, &err), err);
    assert_int_equal(status.run_state, MONITOR_RUN_PRELAUNCH);
    must(monitor_cont(qmp, T, &err), err);
    must(monitor_query_status(qmp, T, &status, &err), err);
    assert_true(status.running);
    must(monitor_stop(qmp, T, &err), err);
    must(monitor_query_status(qmp, T, &status, &err), err);
    assert_int_equal(status.run_state, MONITOR_RUN_PAUSED);
    assert_non_null(strstr(machine.events->str, " RESUME "));
    assert_non_null(strstr(machine.events->str, " STOP "));

    g_auto(MonitorWelcome)
        welcome = { .balloon_alias = "balloon0", .balloon_period_s = 2, .has_cpuid = true };
    must(monitor_welcome(qmp, &welcome, T, &err), err);
    assert_int_equal(welcome.cpus->len, 2);
    assert_int_equal(welcome.balloon_bytes, 32 << 20);
    assert_true(json_array_size(welcome.cpuid) > 10);
    assert_true(((MonitorCpu *)welcome.cpus->pdata[1])->socket_id >= 0);
    g_autoptr(GPtrArray) threads = NULL;
    must(monitor_query_iothreads(qmp, T, &threads, &err), err);
    assert_string_equal(((MonitorIoThread *)threads->pdata[0])->id, "iothread1");
    assert_non_null(((MonitorChardev *)g_hash_table_lookup(welcome.chardevs, "charserial0"))->pty);

    g_autoptr(GHashTable) disks = NULL, nodes = NULL;
    g_autoptr(GPtrArray) stats = NULL;
    must(monitor_query_disks(qmp, T, &disks, &err), err);
    assert_string_equal(((MonitorDisk *)g_hash_table_lookup(disks, "virtio-disk0"))->node_name, "n0");
    assert_true(((MonitorDisk *)g_hash_table_lookup(disks, "sata0-0-0"))->removable);
    must(monitor_query_block_stats(qmp, T, &stats, &err), err);
    assert_true(stats->len >= 1);
    must(monitor_query_block_nodes(qmp, T, &nodes, &err), err);
    assert_int_equal(((MonitorBlockNode *)g_hash_table_lookup(nodes, "n0"))->virtual_bytes, 1048576);
    must(monitor_open_tray(qmp, "sata0-0-0", false, T, &err), err);
    must(monitor_insert_medium(qmp, "sata0-0-0", "n0", true, T, &err) || error_class(err), err);
    g_clear_pointer(&err, error_free);
    must(monitor_close_tray(qmp, "sata0-0-0", T, &err), err);
    /* closed by the guest, so to speak, between two steps of a change */
    must(monitor_remove_medium(qmp, "sata0-0-0", true, T, &err), err);
    must(monitor_close_tray(qmp, "sata0-0-0", T, &err), err);
    must(monitor_insert_medium(qmp, "sata0-0-0", "n0", true, T, &err) || error_class(err), err);
    g_clear_pointer(&err, error_free);
    must(monitor_close_tray(qmp, "sata0-0-0", T, &err), err);

    uint64_t bytes;
    MonitorBalloonStats balloon;
    must(monitor_query_balloon(qmp, T, &bytes, &err), err);
    assert_int_equal(bytes, 32 << 20);
    must(monitor_set_balloon_period(qmp, "balloon0", 1, T, &err), err);
    must(monitor_query_balloon_stats(qmp, "balloon0", T, &balloon, &err), err);
    assert_true(balloon.total == UINT64_MAX);

    check_screendump(&machine, false);
    check_screendump(&machine, true);
    const unsigned keys[] = { 29, 56, 111 };
    must(monitor_send_keys(qmp, KEYCODE_LINUX, keys, 3, 10, T, &err), err);
    must(monitor_set_password(qmp, "vnc", "secret", NULL, "+30", T, &err), err);
    must(monitor_inject_nmi(qmp, T, &err), err);
    must(monitor_reset(qmp, T, &err), err);
    must(monitor_powerdown(qmp, T, &err), err);
    machine_end(&machine);
}

static const char *const small_machine[] = { "-device", "VGA,id=video0", NULL };
static const char *const incoming_machine[] = { "-device", "VGA,id=video0", "-incoming", "defer", NULL };

static void wait_migrated(Machine *machine)
{
    Error *err = NULL;
    for (int i = 0; i < 1000; i++) {
        g_auto(MonitorMigration) migration = { 0 };
        must(monitor_query_migration(machine->qmp, T, &migration, &err), err);
        if (migration.status == MONITOR_JOB_COMPLETED)
            return;
        if (migration.status == MONITOR_JOB_FAILED)
            g_error("migration: %s", migration.problem);
        assert_true(fiber_sleep(10, NULL));
    }
    g_error("the migration did not end");
}

static void migration_and_dump(void *arg)
{
    Machine from, to;
    Error *err = NULL;
    machine_start(&from, small_machine);
    machine_start(&to, incoming_machine);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    static const char *const events[] = { "events", NULL };
    must(monitor_set_migration_capabilities(from.qmp, events, T, &err), err);
    must(monitor_set_migration_speed(from.qmp, UINT64_MAX, T, &err), err);
    must(monitor_migrate_from_fd(to.qmp, fds[0], T, &err), err);
    must(monitor_migrate_to_fd(from.qmp, fds[1], T, &err), err);
    close(fds[0]);
    close(fds[1]);
    wait_migrated(&from);
    wait_migrated(&to);
    MonitorStatus status;
    must(monitor_query_status(from.qmp, T, &status, &err), err);
    assert_int_equal(status.run_state, MONITOR_RUN_POSTMIGRATE);
    assert_non_null(strstr(from.events->str, " MIGRATION "));
    machine_end(&from);

    g_autofree char *path = g_strdup("/tmp/lodge-dump-XXXXXX");
    AUTO_FD file = g_mkstemp(path);
    unlink(path);
    MonitorDump dump = { 0 };
    must(monitor_dump_to_fd(to.qmp, file, NULL, T, &err), err);
    for (int i = 0; i < 1000 && dump.status != MONITOR_JOB_COMPLETED; i++) {
        must(monitor_query_dump(to.qmp, T, &dump, &err), err);
        assert_true(fiber_sleep(5, NULL));
    }
    assert_int_equal(dump.status, MONITOR_JOB_COMPLETED);
    struct stat st;
    assert_int_equal(fstat(file, &st), 0);
    assert_true(st.st_size >= 32 << 20);
    machine_end(&to);
}

static void a_stopped_qemu(void *arg)
{
    Machine machine;
    Error *err = NULL;
    machine_start(&machine, small_machine);
    must(process_kill(machine.process, SIGSTOP, &err), err);
    MonitorStatus status;
    uint64_t before_ms = loop_now_ms();
    for (int i = 0; i < 3; i++) {
        assert_false(monitor_query_status(machine.qmp, 50, &status, &err));
        assert_int_equal(error_code(err), ERROR_TIMEOUT);
        g_clear_pointer(&err, error_free);
    }
    assert_in_range(loop_now_ms() - before_ms, 150, 20000);
    assert_true(qmp_pending_ms(machine.qmp) >= 150);
    must(process_kill(machine.process, SIGCONT, &err), err);
    must(monitor_query_status(machine.qmp, T, &status, &err), err);
    assert_int_equal(qmp_pending_ms(machine.qmp), 0);
    machine_end(&machine);
}

static void with_qemu(void (*func)(void *arg))
{
    if (access(QEMU, X_OK) != 0)
        skip();
    test_run_fiber(func, NULL);
}

#define FIBER_TEST(name)                                                                                     \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        test_run_fiber(name, NULL);                                                                          \
    }
#define QEMU_TEST(name)                                                                                      \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        with_qemu(name);                                                                                     \
    }
FIBER_TEST(replies_become_structs)
FIBER_TEST(memory_and_progress)
FIBER_TEST(nonsense_is_refused)
FIBER_TEST(commands_that_are_sent)
QEMU_TEST(the_real_thing)
QEMU_TEST(migration_and_dump)
QEMU_TEST(a_stopped_qemu)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_become_structs),
        cmocka_unit_test(test_memory_and_progress),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_commands_that_are_sent),
        cmocka_unit_test(test_key_codes),
        cmocka_unit_test(test_the_real_thing),
        cmocka_unit_test(test_migration_and_dump),
        cmocka_unit_test(test_a_stopped_qemu),
    };
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
