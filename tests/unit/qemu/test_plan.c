/* Plans: as arguments, over QMP with a scripted peer and with the installed QEMU, and backwards; and what
 * never changes in a machine that runs: names, numbers and addresses of other devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/socket.h"
#include "fake_qemu.h"
#include "golden_caps.h"
#include "golden_platform.h"
#include "qemu/address.h"
#include "qemu/cpu_guest.h"
#include "qemu/device.h"
#include "qemu/monitor.h"
#include "qemu/qemu_caps_private.h"

#define T 10000

static const char base_xml[] =
    "<domain type='qemu'><name>plan</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>"
    "<emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>"
    "<controller type='virtio-serial' index='0'/><controller type='scsi' index='0' model='virtio-scsi'/>"
    "<interface type='user'><model type='virtio'/></interface>"
    "<interface type='user'><model type='virtio'/></interface>"
    "<interface type='user'><model type='virtio'/></interface>"
    "<memballoon model='none'/></devices></domain>";

static DomainDef *load_domain(void)
{
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(domain_def_parse(base_xml, strlen(base_xml), DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err),
             err);
    check_ok(qemu_assign_addresses(def, NULL, &err), err);
    qemu_assign_aliases(def);
    return def;
}

/* Adds the device of @xml to @def as a hot plug would; borrowed. */
static DeviceDef plug_into(DomainDef *def, const char *xml)
{
    DeviceDef *device = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(device_def_parse(xml, strlen(xml), 0, def, &device, &err), err);
    const DeviceDef added = *device;
    check_ok(domain_add_device(def, device, &err), err);
    check_ok(qemu_assign_addresses(def, NULL, &err), err);
    qemu_assign_aliases(def);
    return added;
}

static char *chardev_text(CharSource *source, const PlanFds *fds)
{
    g_autoptr(QemuCaps) caps = load_caps();
    g_autoptr(DomainDef) def = load_domain();
    g_autoptr(Plan) plan = plan_new();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(Error) err = NULL;
    CharDef channel = { .class = CHAR_CLASS_CHANNEL,
                        .target_type = CHAR_TARGET_GUESTFWD,
                        .source = *source,
                        .info = { .alias = (char *)"channel7" } };
    const QemuCommandEnv env = { .fds = fds };
    const PlanContext context = { .def = def, .caps = caps, .env = &env };

    check_ok(device_plan(&context, DEVICE_CHANNEL, &channel, plan, &err), err);
    check_ok(plan_print(plan, fds, &err), err);
    for (DEF_EACH(PlanStep, step, plan_steps(plan))) {
        if (step->kind == PLAN_CHARDEV || step->kind == PLAN_FDSET)
            g_string_append_printf(out, "%s ", step->text);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

TEST(chardevs_have_one_text_form_with_commas_doubled)
{
    g_autoptr(PlanFds) fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    plan_fds_add(fds, "charchannel7", 30);
    plan_fds_add(fds, "charchannel7-log", 31);
    const struct {
        CharSource source;
        const PlanFds *fds;
        const char *text;
    } rows[] = {
        { { .type = CHAR_UNIX, .mode = CHAR_MODE_BIND, .path = (char *)"/a,b", .log_file = (char *)"/l,g" },
          NULL,
          "socket,id=charchannel7,path=/a,,b,server=on,wait=off,logfile=/l,,g " },
        { { .type = CHAR_UNIX, .mode = CHAR_MODE_BIND, .path = (char *)"/a", .log_file = (char *)"/l" },
          fds,
          "set=0,fd=31,opaque=charchannel7-log "
          "socket,id=charchannel7,fd=30,server=on,wait=off,logfile=/dev/fdset/0,logappend=on " },
        { { .type = CHAR_FILE, .path = (char *)"/f", .append = TRISTATE_OFF },
          NULL,
          "file,id=charchannel7,path=/f,append=off " },
        { { .type = CHAR_TCP,
            .mode = CHAR_MODE_CONNECT,
            .host = (char *)"::1",
            .service = (char *)"7",
            .protocol = CHAR_PROTOCOL_TELNET },
          NULL,
          "socket,id=charchannel7,host=::1,port=7,telnet=on " },
        { { .type = CHAR_UDP, .service = (char *)"7" },
          NULL,
          "udp,id=charchannel7,host=,port=7,localaddr=,localport=0 " },
        { { .type = CHAR_SPICEVMC }, NULL, "spicevmc,id=charchannel7,name=vdagent " },
        { { .type = CHAR_QEMU_VDAGENT, .clipboard = TRISTATE_ON },
          NULL,
          "qemu-vdagent,id=charchannel7,name=vdagent,clipboard=on " },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        CharSource source = rows[i].source;
        g_autofree char *text = chardev_text(&source, rows[i].fds);
        check_str(text, rows[i].text);
    }
}

/* ---- what stays ---- */

TEST(a_new_device_takes_the_lowest_free_name_and_others_keep_theirs)
{
    g_autoptr(DomainDef) def = load_domain();
    InterfaceDef *gone = g_ptr_array_index(def->interfaces, 1);
    const InterfaceDef *last = g_ptr_array_index(def->interfaces, 2);
    const DeviceAddress address = last->info.address;

    check_str(last->info.alias, "net2");
    check(domain_steal_device(def, DEVICE_INTERFACE, gone));
    xml_table_free(device_table(DEVICE_INTERFACE), gone);
    const DeviceDef added = plug_into(def, "<interface type='user'><model type='virtio'/></interface>");
    check_str(device_info(DEVICE_INTERFACE, added.def)->alias, "net1");
    check_str(last->info.alias, "net2");
    check_eq(last->info.address.pci.slot, address.pci.slot);
    check_str(((InterfaceDef *)g_ptr_array_index(def->interfaces, 0))->info.alias, "net0");
}

TEST(node_numbers_never_come_twice)
{
    g_autoptr(DomainDef) def = load_domain();
    uint32_t last = 0;
    DiskDef *a = plug_into(def, "<disk type='file'><source file='/a'/><target dev='vda'/></disk>").def;
    DiskDef *b = plug_into(def, "<disk type='file'><source file='/b'/><target dev='vdb'/></disk>").def;

    qemu_number_nodes(def, &last);
    check_eq(a->src.index, 2);
    check_eq(b->src.index, 1);
    check(domain_steal_device(def, DEVICE_DISK, a));
    xml_table_free(device_table(DEVICE_DISK), a);
    DiskDef *c = plug_into(def, "<disk type='file'><source file='/c'/><target dev='vda'/></disk>").def;
    qemu_number_disk(c, &last);
    check_eq(c->src.index, 3);
    qemu_number_nodes(def, &last);
    check_eq(b->src.index, 1);
    check_eq(last, 3);
}

TEST(floppies_are_refused_where_the_board_has_no_place_for_them)
{
    g_autoptr(QemuCaps) caps = load_caps();
    g_autoptr(DomainDef) def = load_domain();
    const struct {
        const char *machine;
        bool ok;
        unsigned n_steps;
    } rows[] = { { "pc-i440fx-7.2", true, 0 }, { "pc-q35-7.2", true, 0 }, { "virt-7.2", false, 0 } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Plan) plan = plan_new();
        g_autoptr(Error) err = NULL;
        const ControllerDef fdc = { .type = CONTROLLER_FDC, .info = { .alias = (char *)"fdc0" } };
        const QemuCommandEnv env = { 0 };
        const PlanContext context = { .def = def, .caps = caps, .env = &env };
        g_free(def->os.machine);
        def->os.machine = g_strdup(rows[i].machine);
        check_eq(device_plan(&context, DEVICE_CONTROLLER, &fdc, plan, &err), rows[i].ok);
        check_eq(plan_steps(plan)->len, rows[i].n_steps);
        if (!rows[i].ok)
            check_eq(error_code(err), ERROR_CONFIG_UNSUPPORTED);
    }
}

TEST(what_belongs_to_the_board_is_not_plugged)
{
    g_autoptr(QemuCaps) caps = load_caps();
    g_autoptr(DomainDef) def = load_domain();
    g_autoptr(Plan) plan = plan_new();
    g_autoptr(Error) err = NULL;
    const QemuCommandEnv env = { 0 };
    const PlanContext context = { .def = def, .caps = caps, .env = &env, .is_hot = true };
    const DeviceDef panic = plug_into(def, "<panic model='isa'/>");

    check(!device_plan(&context, panic.kind, panic.def, plan, &err));
    check_eq(error_code(err), ERROR_CONFIG_UNSUPPORTED);
    check_eq(plan_steps(plan)->len, 0);
}

/* ---- a scripted peer ---- */

/* A tap and its card, by hand: what plan_interface() makes of one. */
static Plan *tap_plan(void)
{
    Plan *plan = plan_new();
    plan_at(plan, "/domain/devices/interface[4]");
    Json *netdev = json_pack("{s:s}", "type", "tap");
    json_object_set_new(netdev, "fds", plan_descriptors(plan, "net3-tap0:net3-tap1"));
    json_object_set_new(netdev, "id", json_string("hostnet3"));
    plan_add(plan, PLAN_NETDEV, netdev);
    plan_add(plan, PLAN_DEVICE, json_pack("{s:s, s:s}", "driver", "virtio-net-pci", "id", "net3"));
    return plan;
}

static PlanFds *tap_fds(void)
{
    PlanFds *fds = plan_fds_new();
    plan_fds_add(fds, "net3-tap0", memfd_create("tap0", MFD_CLOEXEC));
    plan_fds_add(fds, "net3-tap1", memfd_create("tap1", MFD_CLOEXEC));
    return fds;
}

static ErrorCode run_scripted(const FakeStep *steps)
{
    int fd;
    g_autoptr(Error) err = NULL;
    g_autoptr(PlanFds) fds = tap_fds();
    g_autoptr(Plan) plan = tap_plan();
    PlanTarget target = { .fds = fds };
    FakeQemu *fake = fake_qemu_start(steps, &fd);

    check_ok(qmp_open(fd, "plan", NULL, T, &target.qmp, &err), err);
    {
        g_auto(Undo) undo = { 0 };
        if (plan_execute(plan, &target, &undo, &err))
            undo_keep(&undo);
    }
    qmp_close(target.qmp);
    fake_qemu_finish(fake);
    return err ? error_code(err) : 0;
}

#define PASS(name)                                                                                           \
    { FAKE_EXPECT, "getfd" }, { FAKE_EXPECT_ARGS, "{\"fdname\":\"" name "\"}" }, { FAKE_EXPECT_FD },         \
    {                                                                                                        \
        FAKE_RETURN, "{}"                                                                                    \
    }
#define NETDEV                                                                                               \
    { FAKE_EXPECT, "netdev_add" },                                                                           \
    {                                                                                                        \
        FAKE_EXPECT_ARGS, "{\"type\":\"tap\",\"fds\":\"net3-tap0:net3-tap1\",\"id\":\"hostnet3\"}"           \
    }

TEST_FIBER(descriptors_go_before_the_step_that_names_them)
{
    static const FakeStep steps[] = { { FAKE_GREET },        PASS("net3-tap0"),
                                      PASS("net3-tap1"),     NETDEV,
                                      { FAKE_RETURN, "{}" }, { FAKE_EXPECT, "device_add" },
                                      { FAKE_RETURN, "{}" }, { FAKE_END } };
    check_eq(run_scripted(steps), 0);
}

TEST_FIBER(what_was_done_is_taken_back_when_a_step_is_refused)
{
    static const FakeStep steps[] = { { FAKE_GREET },
                                      PASS("net3-tap0"),
                                      PASS("net3-tap1"),
                                      NETDEV,
                                      { FAKE_RETURN, "{}" },
                                      { FAKE_EXPECT, "device_add" },
                                      { FAKE_REFUSE, "no slot" },
                                      { FAKE_EXPECT, "netdev_del" },
                                      { FAKE_EXPECT_ARGS, "{\"id\":\"hostnet3\"}" },
                                      { FAKE_RETURN, "{}" },
                                      { FAKE_END } };
    check_eq(run_scripted(steps), ERROR_REFUSED);
}

TEST_FIBER(descriptors_that_were_passed_are_taken_back_too)
{
    static const FakeStep steps[] = { { FAKE_GREET },
                                      PASS("net3-tap0"),
                                      PASS("net3-tap1"),
                                      NETDEV,
                                      { FAKE_REFUSE, "no" },
                                      { FAKE_EXPECT, "closefd" },
                                      { FAKE_EXPECT_ARGS, "{\"fdname\":\"net3-tap0\"}" },
                                      { FAKE_RETURN, "{}" },
                                      { FAKE_EXPECT, "closefd" },
                                      { FAKE_REFUSE, "File descriptor named 'net3-tap1' not found" },
                                      { FAKE_END } };
    check_eq(run_scripted(steps), ERROR_REFUSED);
}

TEST_FIBER(a_step_for_cold_starts_only_is_refused_before_anything_is_done)
{
    static const FakeStep steps[] = { { FAKE_GREET }, { FAKE_END } };
    int fd;
    g_autoptr(Error) err = NULL;
    g_autoptr(Plan) plan = tap_plan();
    PlanTarget target = { 0 };
    g_auto(Undo) undo = { 0 };
    FakeQemu *fake = fake_qemu_start(steps, &fd);

    plan_text(plan, "-global", "isa-fdc.bootindexA=1");
    check_ok(qmp_open(fd, "plan", NULL, T, &target.qmp, &err), err);
    check(!plan_execute(plan, &target, &undo, &err));
    check_eq(error_code(err), ERROR_CONFIG_UNSUPPORTED);
    qmp_close(target.qmp);
    fake_qemu_finish(fake);
}

/* ---- the installed QEMU ---- */

typedef struct Machine {
    DomainDef *def;
    QemuCaps *caps;
    Process *process;
    Qmp *qmp;
    GPtrArray *deleted; /* aliases */
    WaitQueue changed;
    uint32_t last_node;
    char *dir;
} Machine;

static void machine_event(const char *name, const Json *data, int64_t seconds, int64_t microseconds,
                          void *arg)
{
    Machine *machine = arg;
    const char *alias = json_get_str(data, "device");
    if (strcmp(name, "DEVICE_DELETED") == 0 && alias)
        g_ptr_array_add(machine->deleted, g_strdup(alias));
    wait_queue_wake_all(&machine->changed);
}

/* A guest would let go of its PCI devices when asked; this one does not run, and a reset does it as well. */
static bool machine_wait_deleted(const char *alias, uint64_t timeout_ms, void *arg, Error **err)
{
    Machine *machine = arg;
    const uint64_t deadline_ms = loop_now_ms() + timeout_ms;
    if (!qmp_exec(machine->qmp, "system_reset", NULL, T, NULL, err))
        return false;
    guint index;
    while (!g_ptr_array_find_with_equal_func(machine->deleted, alias, g_str_equal, &index)) {
        if (!wait_queue_wait(&machine->changed, deadline_ms - MIN(deadline_ms, loop_now_ms()), err))
            return false;
    }
    g_ptr_array_remove_index(machine->deleted, index); /* it may come and go again */
    return true;
}

static void machine_start(Machine *machine)
{
    g_autoptr(PlanFds) fds = plan_fds_new();
    g_autoptr(QemuCommand) command = NULL;
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(int));
    g_autoptr(Error) err = NULL;
    int listener = -1, fd = -1;

    *machine = (Machine){ .def = load_domain(),
                          .caps = load_caps(),
                          .deleted = g_ptr_array_new_with_free_func(g_free),
                          .dir = g_dir_make_tmp("lodge-plan-XXXXXX", NULL) };
    wait_queue_init(&machine->changed);
    g_autofree char *path = g_build_filename(machine->dir, "monitor", NULL);
    check_ok(socket_listen_unix(path, 0700, &listener, &err), err);
    plan_fds_add(fds, "charmonitor", listener);
    const QemuCommandEnv env = { .fds = fds, .start_paused = true };
    check_ok(qemu_resolve_cpu(machine->def, machine->caps, &err), err);
    check_ok(qemu_command_build(machine->def, machine->caps, &env, &command, &err), err);
    plan_fds_append(fds, list);
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = qemu_command_argv(command);
    spec.stderr_fd = STDERR_FILENO;
    spec.fds = (const int *)list->data;
    spec.n_fds = list->len;
    spec.die_with_parent = true;
    check_ok(process_start(&spec, &machine->process, &err), err);
    check_ok(socket_connect_unix(path, T, &fd, &err), err);
    QmpHandlers handlers = { .on_event = machine_event, .arg = machine };
    check_ok(qmp_open(fd, "plan", &handlers, 30000, &machine->qmp, &err), err);
}

static void machine_end(Machine *machine)
{
    g_autoptr(Error) err = NULL;
    check_ok(process_kill(machine->process, SIGTERM, &err), err);
    qmp_close(machine->qmp);
    check_ok(process_wait(machine->process, T, &err), err);
    process_free(machine->process);
    g_ptr_array_unref(machine->deleted);
    wait_queue_clear(&machine->changed);
    qemu_caps_unref(machine->caps);
    domain_def_free(machine->def);
    check_ok(file_remove_tree(machine->dir, &err), err);
    g_free(machine->dir);
}

/* What QEMU has, as text: where the parts of devices must appear, and vanish. */
static char *machine_inventory(Machine *machine)
{
    static const char *const queries[] = { "query-named-block-nodes", "query-chardev" };
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(Error) err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
        AUTO_JSON reply = NULL;
        check_ok(qmp_exec(machine->qmp, queries[i], NULL, T, &reply, &err), err);
        g_autofree char *text = json_format(reply);
        g_string_append(out, text);
    }
    g_autofree char *network = NULL;
    check_ok(qmp_exec_hmp(machine->qmp, "info network", T, &network, &err), err);
    g_string_append(out, network);
    static const char *const folders[] = { "/machine/peripheral", "/objects" };
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        AUTO_JSON args = json_pack("{s:s}", "path", folders[i]);
        AUTO_JSON reply = NULL;
        check_ok(qmp_exec(machine->qmp, "qom-list", args, T, &reply, &err), err);
        g_autofree char *text = json_format(reply);
        g_string_append(out, text);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

typedef struct Plug {
    const char *xml;
    const char *there[5]; /* in the inventory while it is plugged in */
} Plug;

static void check_plug(Machine *machine, const Plug *plug, const PlanFds *fds)
{
    g_autoptr(Plan) plan = plan_new();
    g_autoptr(Error) err = NULL;
    const QemuCommandEnv env = { .fds = fds };
    const PlanContext context = { .def = machine->def, .caps = machine->caps, .env = &env, .is_hot = true };
    const PlanTarget target = {
        .qmp = machine->qmp, .fds = fds, .wait = machine_wait_deleted, .timeout_ms = 30000, .arg = machine
    };
    const DeviceDef device = plug_into(machine->def, plug->xml);

    check_case(plug->xml);
    if (device.kind == DEVICE_DISK)
        qemu_number_disk(device.def, &machine->last_node);
    check_ok(device_plan(&context, device.kind, device.def, plan, &err), err);
    g_autofree char *before = machine_inventory(machine);
    {
        g_auto(Undo) undo = { 0 };
        check_ok(plan_execute(plan, &target, &undo, &err), err);
        undo_keep(&undo);
    }
    g_autofree char *plugged = machine_inventory(machine);
    for (size_t i = 0; i < G_N_ELEMENTS(plug->there) && plug->there[i]; i++) {
        if (!strstr(plugged, plug->there[i]))
            fprintf(stderr, "'%s' is not in %s\n", plug->there[i], plugged);
        check(strstr(plugged, plug->there[i]));
        check(!strstr(before, plug->there[i]));
    }
    check_ok(plan_reverse(plan, &target, &err), err);
    g_autofree char *after = machine_inventory(machine);
    check_str(after, before);
    check_ok(plan_reverse(plan, &target, &err), err); /* what is gone needs no removing */

    /* A step that QEMU refuses: the whole device is taken back. */
    g_autoptr(Plan) wrong = plan_new();
    check_ok(device_plan(&context, device.kind, device.def, wrong, &err), err);
    plan_add(wrong, PLAN_OBJECT, json_pack("{s:s, s:s}", "qom-type", "no-such-type", "id", "x"));
    {
        g_auto(Undo) undo = { 0 };
        check(!plan_execute(wrong, &target, &undo, &err));
        check_eq(error_code(err), ERROR_REFUSED);
    }
    g_autofree char *undone = machine_inventory(machine);
    check_str(undone, before);
}

/* Paused, QEMU keeps the files of sets that were removed until it runs and is told again. */
static void check_sets_go(Machine *machine)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Plan) plan = plan_new();
    const PlanTarget target = { .qmp = machine->qmp };
    AUTO_JSON sets = NULL;

    check_ok(monitor_cont(machine->qmp, T, &err), err);
    json_decref(plan_descriptor_set(plan, "charchannel1"));
    json_decref(plan_descriptor_set(plan, "charchannel1-log"));
    check_ok(plan_reverse(plan, &target, &err), err);
    check_ok(qmp_exec(machine->qmp, "query-fdsets", NULL, T, &sets, &err), err);
    g_autofree char *text = json_format(sets);
    check(!strstr(text, "charchannel1"));
}

TEST_FIBER(devices_come_and_go_in_a_real_qemu)
{
    Machine machine;
    g_autoptr(Error) err = NULL;
    g_autoptr(PlanFds) fds = plan_fds_new();
    int listener = -1;

    machine_start(&machine);
    g_autofree char *image = g_build_filename(machine.dir, "disk", NULL);
    g_autofree char *socket = g_build_filename(machine.dir, "agent", NULL);
    g_autofree char *disk = g_strdup_printf("<disk type='file'><driver name='qemu' type='raw' cache='none'/>"
                                            "<source file='%s'/><target dev='vda' bus='virtio'/></disk>",
                                            image);
    g_autofree char *drive = g_strdup_printf("<disk type='file'><driver name='qemu' type='raw'/>"
                                             "<source file='%s'/><target dev='sda' bus='scsi'/></disk>",
                                             image);
    g_autofree char *channel = g_strdup_printf("<channel type='unix'><source mode='bind' path='%s'/>"
                                               "<target type='virtio' name='a.b'/></channel>",
                                               socket);
    check(g_file_set_contents(image, "0123456789abcdef", 16, NULL) && truncate(image, 1 << 20) == 0);
    check_ok(socket_listen_unix(socket, 0700, &listener, &err), err);
    plan_fds_add(fds, "charchannel0", listener);
    plan_fds_add(fds, "charchannel1", open(image, O_WRONLY | O_APPEND | O_CLOEXEC));
    plan_fds_add(fds, "charchannel1-log", open(image, O_WRONLY | O_APPEND | O_CLOEXEC));
    const Plug plugs[] = {
        { disk, { "\"libvirt-1-storage\"", "\"libvirt-1-format\"", "\"virtio-disk0\"" } },
        { drive, { "\"libvirt-2-format\"", "\"scsi0-0-0-0\"" } },
        { "<interface type='user'><model type='e1000'/></interface>", { "hostnet3", "\"net3\"" } },
        { channel, { "\"charchannel0\"", "\"channel0\"" } },
        { "<channel type='file'><source path='/nowhere'/><log file='/nowhere-either'/>"
          "<target type='virtio' name='c.d'/></channel>",
          { "\"charchannel1\"", "\"channel1\"" } },
        { "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
          { "\"objrng0\"", "\"rng0\"" } },
        { "<watchdog model='i6300esb' action='pause'/>", { "\"watchdog0\"" } },
        { "<shmem name='lodge-test-plan'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>",
          { "\"shmmem-shmem0\"", "\"shmem0\"" } },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(plugs); i++)
        check_plug(&machine, &plugs[i], fds);
    check_eq(unlink("/dev/shm/lodge-test-plan"), 0);
    check_sets_go(&machine);
    machine_end(&machine);
}
