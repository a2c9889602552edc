/* Starting a QEMU: from a definition to a machine that runs, or to nothing left behind.
 *
 * The order is made for speed and for kill -9. Nothing waits that need not: no shell, no polling; sockets are
 * made before the fork, so QEMU's greeting is the only thing to wait for. Before the fork a status file
 * marked "starting" is there, and QEMU carries its path in the environment, so a daemon that dies in between
 * finds and ends that QEMU at its next start; only when all is done does the mark go, and then the caller
 * hears. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "start"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/domain_device.h"
#include "conf/xml_table.h"
#include "host/node.h"
#include "machine/vm_confine.h"
#include "machine/vm_console_log.h"
#include "machine/vm_helper.h"
#include "machine/vm_lease.h"
#include "machine/vm_log.h"
#include "machine/vm_security.h"
#include "machine/vm_snapshot_private.h"
#include "machine/vm_tune.h"
#include "qemu/address.h"
#include "qemu/cpu_guest.h"

/* How often the process that feeds a saved state is looked at, and how long after its end QEMU may take to
 * begin with what it was fed. */
#define FEEDER_POLL_MS 100
#define FEEDER_GRACE_MS 500

/* Everything that belongs to one start. */
typedef struct Start {
    Vm *vm;
    Job *job;
    VmStartSpec *spec;
    VmResources resources;
    GArray *huge_pages; /* of QemuHugePages; NULL: none wanted */
} Start;

/* It does not boot, but goes on from a state that was saved. */
static bool start_has_state(const Start *start)
{
    return start->spec->incoming_fd >= 0 || start->spec->snapshot || start->spec->receive;
}

/* ---- the new run ---- */

static bool start_make_run(Start *start, Error **err)
{
    Vm *vm = start->vm;
    Host *host = vm->host;
    DomainDef *live = start->spec->incoming_def;

    start->spec->incoming_def = NULL;
    if (!live) {
        if (!vm->config)
            return error_set(err, ERROR_INTERNAL, "domain '%s' has no definition", vm->name);
        domain_order_controllers(vm->config);
        g_clear_pointer(&vm->config_xml, g_free); /* the order is part of the text */
        live = domain_def_copy(vm->config);
    }
    VmRun *run = vm_run_new(host);
    const int id = host_next_id(host);
    g_autofree char *dir = vm_short_dir_name(id, vm->name);
    run->is_starting = true;
    run->autodestroy_client = start->spec->autodestroy_client;
    run->lib_dir = path_join(host->paths->lib_qemu, dir);
    run->channel_dir = path_join(host->paths->channel_target, dir);
    run->monitor_path = path_join(run->lib_dir, "monitor.sock");
    run->balloon_bytes = live->current_memory_bytes;
    live->id = id;
    vm->live = live;
    vm->run = run;
    object_set_id(&vm->object, id);
    vm_set_state(vm, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP);
    return true;
}

static bool start_hook(Start *start, const char *operation, Error **err)
{
    Vm *vm = start->vm;

    if (!hook_is_present(vm->host, "qemu"))
        return true;
    job_set_phase(start->job, "running hook scripts");
    g_autofree char *xml = vm_xml_format(vm->live, XML_FORMAT_SECURE);
    return vm_run_hook(vm, operation, "begin", xml, err);
}

static bool start_check(Vm *vm, Error **err)
{
    const DomainDef *live = vm->live;

    if (!domain_def_check_gaps(live, err) || !vm_tune_check(vm->host, live, err) || !vm_check_tsc(live, err))
        return false;
    if (live->has_genid && uuid_is_null(&live->genid))
        uuid_generate(&vm->live->genid);
    if (!vm->run->caps && !vm_xml_get_caps(vm->host, live, &vm->run->caps, err))
        return false;
    /* For definitions that came without addresses (written by hand); a complete one stays as it is. */
    return qemu_assign_addresses(vm->live, vm->run->caps, err) &&
           vm_choose_firmware(vm->host, vm->live, vm->run->caps, err);
}

/* Everything up to the point where QEMU could be forked. */
static bool start_prepare(Start *start, Error **err)
{
    Vm *vm = start->vm;
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    uid_t uid = 0;
    gid_t gid = 0;

    job_set_phase(start->job, "preparing");
    if (!start_check(vm, err) || !vm_numad_ask(vm, err) || !start_hook(start, "prepare", err) ||
        !vm_choose_user(vm, &uid, err) || !dac_fill_seclabel(vm->host, vm->live, uid, err) ||
        !vm_security_fill(vm, err))
        return false;
    qemu_assign_aliases(vm->live);
    if (!vm_prepare_graphics(vm, err) || !vm_prepare_nvram(vm, start->spec->reset_nvram, err))
        return false;
    job_set_phase(start->job, "looking at disk images");
    qemu_number_nodes(vm->live, &vm->run->last_node);
    if (!vm_prepare_disks(vm, err) || (!start->spec->receive && !vm_lease_take_all(vm, err)) ||
        !vm_prepare_each(vm, vm_prepare_hostdev, start->resources.fds, err) ||
        !dac_lend_devices(vm->host, vm->live, vm->run->dac, err))
        return false;
    /* The backing chains that were found have nodes, too. */
    qemu_number_found(vm->live, &vm->run->last_node);
    if (!qemu_resolve_cpu(vm->live, vm->run->caps, err) || !vm_prepare_dirs(vm, err) ||
        !vm_prepare_huge_pages(vm, &start->huge_pages, err) ||
        !vm_prepare_monitor(vm, start->resources.fds, err) ||
        !vm_prepare_each(vm, vm_prepare_device, start->resources.fds, err) || !vm_prepare_give_dirs(vm, err))
        return false;
    if (start->spec->memory_fd >= 0)
        plan_fds_add(start->resources.fds, QEMU_MEMORY_FD, fcntl(start->spec->memory_fd, F_DUPFD_CLOEXEC, 3));
    /* From here on there is something to undo after a crash of the daemon. */
    if (!vm_status_save(vm, err))
        return false;
    job_set_phase(start->job, "lending files to QEMU");
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    if (vm->live->type == VIRT_TYPE_KVM)
        dac_lend_kvm(uid, gid);
    return dac_apply(vm->run->dac, uid, gid, storage_ms, err) && vm_security_load(vm, err) &&
           start_hook(start, "start", err);
}

/* ---- command line and log ---- */

AWAITS static bool start_build_command(Start *start, QemuCommand **ret_command, Error **err)
{
    Vm *vm = start->vm;
    const Config *config = vm->host->config;
    g_autofree char *key_path = path_join(vm->run->lib_dir, QEMU_MASTER_KEY_FILE);
    g_autoptr(QemuSecrets) secrets = NULL;

    if (!vm_prepare_secrets(vm, &secrets, err))
        return false;
    const QemuCommandEnv env = {
        .monitor_path = vm->run->monitor_path,
        .lib_dir = vm->run->lib_dir,
        .master_key_path = key_path,
        .secrets = secrets,
        .nbd_tls_dir = config->nbd_tls_x509_cert_dir,
        .chardev_tls_dir = config->chardev_tls_x509_cert_dir,
        .chardev_tls = config->chardev_tls,
        .chardev_tls_verify = config->chardev_tls_x509_verify,
        .vnc_tls_dir = config->vnc_tls ? config->vnc_tls_x509_cert_dir : NULL,
        .vnc_tls_verify = config->vnc_tls_x509_verify,
        .vnc_sasl = config->vnc_sasl,
        .spice_sasl = config->spice_sasl,
        .vnc_sasl_dir = config->vnc_sasl_dir,
        .spice_sasl_dir = config->spice_sasl_dir,
        .spice_tls_dir = config->spice_tls ? config->spice_tls_x509_cert_dir : NULL,
        .sandbox = config->seccomp_sandbox,
        .dump_guest_core = config->dump_guest_core,
        .start_paused = true,
        .vnc_has_password = config->vnc_password != NULL,
        .spice_has_password = config->spice_password != NULL,
        .huge_pages = start->huge_pages ? (const QemuHugePages *)start->huge_pages->data : NULL,
        .n_huge_pages = start->huge_pages ? start->huge_pages->len : 0,
        .numa_nodes = vm->run->numad_nodes,
        .incoming = start->spec->incoming_fd >= 0 || start->spec->receive ? "defer" : NULL,
        .fds = start->resources.fds,
        .now_s = time(NULL),
    };

    return qemu_command_build(vm->live, vm->run->caps, &env, ret_command, err);
}

static char *log_header(const Vm *vm, const QemuCommand *command)
{
    struct utsname system = { 0 };
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");
    g_autofree char *text = qemu_command_format(command);
    g_autofree char *hostname = node_get_hostname();
    const uint64_t version = qemu_caps_version(vm->run->caps);
    const char *package = qemu_caps_package(vm->run->caps);

    (void)uname(&system);
    return g_strdup_printf("%s.%03d+0000: starting up lodge version: " LODGE_VERSION
                           ", qemu version: %u.%u.%u%s, kernel: %s, hostname: %s\n%s%s",
                           stamp, g_date_time_get_microsecond(now) / 1000, (unsigned)(version / 1000000),
                           (unsigned)(version / 1000 % 1000), (unsigned)(version % 1000),
                           package ? package : "", system.release, hostname, text,
                           g_str_has_suffix(text, "\n") ? "" : "\n");
}

static bool start_open_log(Start *start, const QemuCommand *command, Error **err)
{
    Vm *vm = start->vm;
    g_autofree char *header = log_header(vm, command);

    return vm_log_open(vm->host, vm->name, header, &vm->run->log, &start->resources.log_fd, err);
}

/* ---- fork ---- */

static GArray *start_collect_fds(const Start *start)
{
    GArray *fds = g_array_new(FALSE, TRUE, sizeof(int));

    plan_fds_append(start->resources.fds, fds);
    return fds;
}

static char **start_environment(const Start *start, const QemuCommand *command)
{
    g_autofree char *status_path = vm_status_path(start->vm->host, start->vm->name);
    GPtrArray *environment = g_ptr_array_new();

    for (const char *const *p = qemu_command_envp(command); p && *p; p++)
        g_ptr_array_add(environment, g_strdup(*p));
    g_ptr_array_add(environment, g_strdup_printf(VM_TOKEN_VARIABLE "=%s", status_path));
    g_ptr_array_add(environment, NULL);
    return (char **)g_ptr_array_free(environment, FALSE);
}

AWAITS static bool start_enter_groups(pid_t pid, void *arg, Error **err)
{
    return vm_cgroup_enter(arg, pid, err);
}

static bool start_fork(Start *start, const QemuCommand *command, Error **err)
{
    Vm *vm = start->vm;
    const Config *config = vm->host->config;
    g_auto(VmConfine) confine = { .process = { .landlock_fd = -1 } };
    g_autoptr(GArray) fds = start_collect_fds(start);
    g_auto(GStrv) environment = start_environment(start, command);
    ProcessSpec spec = PROCESS_SPEC_INIT;

    spec.argv = qemu_command_argv(command);
    spec.envp = (const char *const *)environment;
    spec.stdout_fd = start->resources.log_fd;
    spec.stderr_fd = start->resources.log_fd;
    spec.fds = (const int *)fds->data;
    spec.n_fds = fds->len;
    spec.new_session = true;
    spec.umask = 0002;
    if (geteuid() == 0) {
        spec.set_user = true;
        dac_get_owner(vm->host, vm->live, &spec.uid, &spec.gid);
        spec.groups = config->qemu_groups;
        spec.n_groups = config->n_qemu_groups;
        for (DEF_EACH(DiskDef, disk, vm->live->disks))
            spec.raw_io = spec.raw_io || disk->rawio == TRISTATE_ON;
    }
    spec.max_files = config->max_files;
    spec.max_processes = config->max_processes;
    if (vm->live->memory_backing && vm->live->memory_backing->locked)
        spec.max_locked_bytes = vm->live->memtune && vm->live->memtune->hard_limit.is_set
                                    ? vm->live->memtune->hard_limit.value
                                    : UINT64_MAX;
    spec.max_locked_bytes = MAX(spec.max_locked_bytes, vm_hostdev_locked_bytes(vm->live));
    if (vm_cgroup_is_used(vm->host)) {
        spec.before_exec = start_enter_groups;
        spec.before_exec_arg = vm;
    }
    spec.max_core_bytes = config->max_core_bytes;
    spec.set_core = config->max_core_bytes > 0;
    if (!vm_confine_make(vm, &confine, err))
        return false;
    spec.confine = &confine.process;
    if (!process_start(&spec, &vm->run->process, err))
        return false;
    vm->run->pid = process_pid(vm->run->process);
    vm_process_watch(vm);
    /* QEMU has its own copies; while ours are open, its death would not close the sockets. */
    vm_resources_clear(&start->resources);
    vm_resources_init(&start->resources);
    return true;
}

/* ---- talking to the new QEMU ---- */

static void set_pty(DeviceKind kind, void *device, CharSource *source, const char *path)
{
    if (source->type != CHAR_PTY)
        return;
    g_free(source->path);
    source->path = g_strdup(path);
    if (kind == DEVICE_CONSOLE && ((CharDef *)device)->target_port.value == 0) { /* as the reference */
        CharDef *console = device;
        g_free(console->tty);
        console->tty = g_strdup(path);
    }
}

typedef struct Pty {
    const char *alias, *path;
} Pty;

static bool set_pty_of(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Pty *pty = arg;
    CharSource *source = device_char_source(kind, device);

    if (!source || g_strcmp0(info->alias, pty->alias) != 0)
        return true;
    set_pty(kind, device, source, pty->path);
    return false;
}

void vm_take_ptys(Vm *vm, GHashTable *chardevs)
{
    GHashTableIter iter;
    void *value = NULL;

    g_hash_table_iter_init(&iter, chardevs);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const MonitorChardev *chardev = value;
        if (!g_str_has_prefix(chardev->label, "char") || !chardev->pty)
            continue;
        Pty pty = { .alias = chardev->label + strlen("char"), .path = chardev->pty };
        (void)domain_each_device(vm->live, set_pty_of, &pty);
    }
    /* The first console is the first serial port. */
    if (def_list_len(vm->live->consoles) > 0 && def_list_len(vm->live->serials) > 0) {
        CharDef *console = g_ptr_array_index(vm->live->consoles, 0);
        const CharDef *serial = g_ptr_array_index(vm->live->serials, 0);
        if (console->target_type == CHAR_TARGET_SERIAL && serial->source.type == CHAR_PTY &&
            serial->source.path)
            set_pty(DEVICE_CONSOLE, console, &console->source, serial->source.path);
    }
}

static bool start_set_password(Vm *vm, const char *protocol, const char *password, const char *valid_to,
                               GraphicsPasswordAction connected, Error **err)
{
    const char *action =
        connected == PASSWORD_ACTION_ABSENT ? NULL : enum_name(&graphics_password_action_names, connected);
    g_autofree char *when = NULL;

    if (valid_to) {
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(valid_to, utc);
        if (!time)
            return error_set(err, ERROR_XML_INVALID, "cannot parse password validity time '%s'", valid_to);
        when = g_strdup_printf("%" PRId64, (int64_t)g_date_time_to_unix(time));
    }
    return monitor_set_password(vm_monitor(vm), protocol, password, action, when ? when : "never", 0, err);
}

bool vm_tell_password(Vm *vm, const GraphicsDef *graphics, Error **err)
{
    const Config *config = vm->host->config;
    const bool is_vnc = graphics->type == GRAPHICS_VNC;
    const char *password = graphics->passwd ? graphics->passwd
                           : is_vnc         ? config->vnc_password
                                            : config->spice_password;

    return !password || start_set_password(vm, is_vnc ? "vnc" : "spice", password,
                                           graphics->passwd ? graphics->passwd_valid_to : NULL,
                                           graphics->passwd_connected, err);
}

static bool start_set_passwords(Vm *vm, Error **err)
{
    for (DEF_EACH(GraphicsDef, graphics, vm->live->graphics)) {
        if ((graphics->type == GRAPHICS_VNC || graphics->type == GRAPHICS_SPICE) &&
            !vm_tell_password(vm, graphics, err))
            return false;
    }
    return true;
}

/* Connects, and asks what QEMU made of the machine. */
AWAITS static bool start_connect(const Start *start, Error **err)
{
    Vm *vm = start->vm;
    DomainDef *live = vm->live;
    /* QEMU answers when it has locked, or cleared, all memory: a second per GiB, as the reference gives it.
     */
    const uint64_t timeout_ms =
        (vm->host->config->start_timeout_s + (live->memory_bytes >> 30)) * UINT64_C(1000);
    const MemballoonDef *balloon = live->memballoon;
    g_auto(MonitorWelcome) welcome = { .has_cpuid = vm_has_cpuid(vm) };

    /* A state that is loaded brings its balloon along. */
    if (!start_has_state(start) && balloon && balloon->model != MEMBALLOON_NONE &&
        balloon->model != MEMBALLOON_MODEL_ABSENT) {
        welcome.balloon_alias = balloon->info.alias;
        welcome.balloon_is_empty = def_list_len(live->memory_devices) == 0;
        welcome.balloon_period_s = balloon->stats_period_s.is_set ? balloon->stats_period_s.value : 0;
        if (live->current_memory_bytes < live->memory_bytes)
            welcome.balloon_target = live->current_memory_bytes;
    }
    if (!vm_process_connect(vm, &welcome, timeout_ms, err))
        return false;
    vm_take_vcpu_tids(vm, welcome.cpus);
    vm_take_ptys(vm, welcome.chardevs);
    vm_console_logs_seal(vm->run);
    /* Until the guest has a driver for it, the balloon is empty, whatever it was told. */
    if (welcome.balloon_is_empty)
        vm->run->balloon_bytes = live->current_memory_bytes = live->memory_bytes;
    else if (welcome.balloon_bytes)
        vm->run->balloon_bytes = live->current_memory_bytes = welcome.balloon_bytes;
    return vm_take_cpu(vm, &welcome, err);
}

/* QEMU's drives begin closed. */
AWAITS static bool start_open_trays(const Vm *vm, Error **err)
{
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const bool has_tray = disk->device == DISK_DEVICE_CDROM || disk->device == DISK_DEVICE_FLOPPY;
        if (has_tray && disk->tray == DISK_TRAY_OPEN &&
            !monitor_open_tray(vm_monitor(vm), disk->info.alias, false, 0, err))
            return false;
    }
    return true;
}

/* QEMU does not notice when a pipe ends before anything came through it. */
static bool start_check_feeder(const Start *start, uint64_t *io_ended_ms, Error **err)
{
    const Process *feeder = start->spec->feeder;
    int left = 0;

    if (!feeder || !process_has_exited(feeder))
        return true;
    if (process_status(feeder) != 0) {
        g_autofree char *how = save_copier_describe(feeder, start->spec->feeder_words_fd);
        error_set(err, ERROR_OPERATION_FAILED, "the helper that reads the saved state failed: %s", how);
        return error_hint(err, "the file is damaged, or compressed in another way than it says");
    }
    if (*io_ended_ms == 0)
        *io_ended_ms = loop_now_ms();
    if (start->vm->run->migration_state == MONITOR_JOB_NONE &&
        loop_now_ms() - *io_ended_ms > FEEDER_GRACE_MS &&
        ioctl(start->spec->incoming_fd, FIONREAD, &left) == 0 && left == 0)
        return error_set(err, ERROR_OPERATION_FAILED, "the file ends before the saved state begins");
    return true;
}

static bool start_receive_state(Start *start, Error **err)
{
    Vm *vm = start->vm;
    static const char *const whole[] = { "events", NULL };
    static const char *const without_shared[] = { "events", MIGRATE_WITHOUT_SHARED, NULL };
    const char *const *capabilities = start->spec->memory_fd >= 0 ? without_shared : whole;
    const uint64_t timeout_ms = start->spec->incoming_timeout_ms;
    const uint64_t deadline_ms = timeout_ms == FIBER_NO_DEADLINE ? UINT64_MAX : loop_now_ms() + timeout_ms;
    uint64_t feeder_ended_ms = 0;

    job_set_phase(start->job, "reading memory");
    if (!monitor_set_migration_capabilities(vm_monitor(vm), capabilities, 0, err) ||
        !monitor_migrate_from_fd(vm_monitor(vm), start->spec->incoming_fd, 0, err))
        return false;
    while (vm->run && vm->run->migration_state != MONITOR_JOB_COMPLETED &&
           vm->run->migration_state != MONITOR_JOB_FAILED) {
        if (vm->run->exited)
            return error_set(err, ERROR_VM_GONE, "QEMU exited");
        const uint64_t now_ms = loop_now_ms();
        if (now_ms >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "reading the saved state took too long");
        if (!start_check_feeder(start, &feeder_ended_ms, err))
            return false;
        g_autoptr(Error) why = NULL;
        const uint64_t wait_ms = start->spec->feeder         ? MIN(deadline_ms - now_ms, FEEDER_POLL_MS)
                                 : deadline_ms == UINT64_MAX ? FIBER_NO_DEADLINE
                                                             : deadline_ms - now_ms;
        if (!wait_queue_wait(&vm->run->changed, wait_ms, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
    if (!vm->run || vm->run->migration_state != MONITOR_JOB_COMPLETED)
        return error_set(err, ERROR_OPERATION_FAILED, "QEMU could not load the saved state");
    vm->run->migration_state = MONITOR_JOB_NONE;
    return true;
}

static bool start_converse(Start *start, Error **err)
{
    Vm *vm = start->vm;

    job_set_phase(start->job, "waiting for QEMU");
    /* QEMU needs longer than any file, so what can be written, is written now. */
    if (!vm_pid_save(vm, err) || !start_connect(start, err) || !vm_lease_pass(vm, err) ||
        !start_set_passwords(vm, err) || !vm_start_throttles(vm, err) || !vm_interface_set_links(vm, err) ||
        (!start_has_state(start) && !start_open_trays(vm, err)))
        return false;
    /* A state that is loaded was saved with these vCPUs. */
    if (!vm_vcpus_start(vm, err) || !vm_threads_setup(vm, vm->live, err) || !vm_perf_start(vm, err))
        return false;
    if (start->spec->snapshot) {
        job_set_phase(start->job, "reading memory");
        return vm_snapshot_ask_qemu(vm, SNAPSHOT_LOAD, start->spec->snapshot, err);
    }
    if (start->spec->receive)
        return start->spec->receive(vm, start->spec->receive_arg, err);
    return start->spec->incoming_fd < 0 ||
           (start_receive_state(start, err) && (start->spec->memory_fd < 0 || vm_memory_part_cards(vm, err)));
}

/* QEMU's last words tell more than the broken connection does. */
AWAITS static bool start_explain_death(const Start *start, bool connected, Error **err)
{
    g_autofree char *words = vm_log_get_tail(start->vm->run->log);
    g_autofree char *how = NULL;

    if (!*words && start->vm->run->process && start->vm->run->exited)
        how = process_describe_status(start->vm->run->process);
    const VmHelper *dead = vm_helpers_find_dead(start->vm);
    if (dead && process_status(dead->process) != 0) { /* it was first, so QEMU could not connect */
        g_autofree char *end = process_describe_status(dead->process);
        error_set(err, ERROR_OPERATION_FAILED, "the helper '%s' ended at once: %s", dead->name, end);
        return error_hint(err, "its last words are in the machine's log: %s", words);
    }
    if (vm_explain_busy_port(start->vm, words, err))
        return false;
    error_set(err, ERROR_INTERNAL,
              connected ? "qemu unexpectedly closed the monitor: %s"
                        : "process exited while connecting to monitor: %s",
              how ? how : words);
    if (strstr(words, "failed to set MSR"))
        return error_hint(err,
                          "let KVM ignore it: options kvm ignore_msrs=1 in /etc/modprobe.d, then reboot");
    if (strstr(words, "KVM"))
        return error_hint(err,
                          "<domain type='qemu'> runs without KVM; 'lodge doctor' says what KVM lacks here");
    return false;
}

static bool start_launch(Start *start, Error **err)
{
    Vm *vm = start->vm;
    QemuCommand *command = NULL;
    g_autoptr(Error) why = NULL;

    if (!start_build_command(start, &command, err))
        return false;
    const bool forked =
        start_open_log(start, command, err) && vm_helpers_launch(vm, err) && start_fork(start, command, err);
    qemu_command_free(command);
    if (!forked)
        return false;
    if (start_converse(start, &why))
        return true;
    const bool connected = vm->run->qmp != NULL;
    if (error_code(why) != ERROR_VM_GONE && error_code(why) != ERROR_SYSTEM)
        return error_propagate(err, g_steal_pointer(&why));
    /* The end of the connection may be seen before the end of the process. */
    const uint64_t deadline_ms = loop_now_ms() + 2000;
    fiber_shield_begin();
    while (!vm->run->exited && loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&vm->run->changed, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    fiber_shield_end();
    return start_explain_death(start, connected, err);
}

/* ---- the end of the start ---- */

static bool start_has_agent(const DomainDef *live)
{
    for (DEF_EACH(CharDef, channel, live->channels)) {
        if (channel->target_name && strcmp(channel->target_name, "org.qemu.guest_agent.0") == 0)
            return true;
    }
    return false;
}

/* Lets the guest run. Once it does, the state that it was restored from must never be used again, its disks
 * being newer: so a daemon that dies from here on leaves a machine that is taken over, and not a start that
 * is undone. */
static bool start_resume(Start *start, Error **err)
{
    VmRun *run = start->vm->run;

    /* What is kept in memory is good for many. */
    if (start_has_state(start) && start->spec->memory_fd < 0) {
        run->must_run = true;
        run->has_gone_on = true;
        if (!vm_status_save(start->vm, err))
            return false;
    }
    return vm_process_resume_cpus(start->vm, start->spec->running_reason, err);
}

static bool start_go(Start *start, Error **err)
{
    Vm *vm = start->vm;
    const VmStartSpec *spec = start->spec;

    if (!start_hook(start, "started", err))
        return false;
    if (vm->run->exited)
        return start_explain_death(start, true, err);
    if (!start_has_state(start) && start_has_agent(vm->live))
        vm_publish(vm, EVENT_AGENT_LIFECYCLE, VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
                   VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_DOMAIN_STARTED);
    if (start_has_state(start))
        vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_STARTED, spec->started_detail);
    if (spec->paused)
        vm_set_state(vm, VM_STATE_PAUSED, spec->paused_reason);
    else if (!start_resume(start, err))
        return false;
    if (!vm->run || vm->run->exited)
        return start_explain_death(start, true, err);
    return spec->memory_fd < 0 || vm_memory_change_cards(vm, spec->ret_cards, err);
}

static bool start_finish(Start *start, Error **err)
{
    Vm *vm = start->vm;
    const VmStartSpec *spec = start->spec;

    vm->run->is_starting = false;
    if (!vm_status_save(vm, err)) {
        if (vm->run)
            vm->run->is_starting = true;
        return false;
    }
    if (!start_has_state(start))
        vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_STARTED, spec->started_detail);
    if (spec->paused)
        vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_SUSPENDED,
                             spec->paused_reason == VIR_DOMAIN_PAUSED_FROM_SNAPSHOT
                                 ? VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT
                             : spec->incoming_fd >= 0 ? VIR_DOMAIN_EVENT_SUSPENDED_RESTORED
                                                      : VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    object_list_it(&vm->object);
    return true;
}

bool vm_start_process(Vm *vm, Job *job, VmStartSpec *spec, Error **err)
{
    Start start = { .vm = vm, .job = job, .spec = spec };
    const uint64_t begin_us = loop_now_us();

    if (!vm_token_require_free(vm, err)) {
        domain_def_free(spec->incoming_def);
        return false;
    }
    vm_resources_init(&start.resources);
    const bool ok = start_make_run(&start, err) && start_prepare(&start, err) && start_launch(&start, err) &&
                    start_go(&start, err) && start_finish(&start, err);
    vm_resources_clear(&start.resources);
    g_clear_pointer(&start.huge_pages, g_array_unref);
    if (!ok) {
        const int id = vm->id;
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_FAILED, -1);
        log_warning("machine '%s' (id %d) could not be started: %s", vm->name, id,
                    err && *err ? error_message(*err) : "for a reason that nobody asked for");
        return false;
    }
    log_info("machine '%s' started as %d in %" PRIu64 " us, QEMU's pid is %d", vm->name, vm->id,
             loop_now_us() - begin_us, (int)vm->run->pid);
    return true;
}
