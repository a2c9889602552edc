/* Machines that go on from the memory of another one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "memory"
#include "machine/vm_memory_clone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/worker.h"
#include "conf/domain_check.h"
#include "host/node.h"
#include "machine/vm_backup.h"
#include "machine/vm_device_private.h"
#include "machine/vm_dump.h"
#include "machine/vm_snapshot_private.h"
#include "qemu/device.h"

#define COPY_MIN_MS 60000
#define COPY_BYTES_PER_MS 50000 /* the slowest that is waited for */
#define COPY_PIECE ((size_t)1 << 20)
#define CARDS_PATIENCE_MS 5000
#define MEMFD_LINK "/memfd:memory-backend-memfd" /* what QEMU calls its own */

struct KeptMemory {
    unsigned n_refs;
    char *id, *machine;
    char *xml;       /* of the machine at that moment */
    char *xml_after; /* ... and when its disks were frozen: as it is while it stands still */
    int ram_fd, state_fd;
    GArray *holders; /* client_id, once for each time */
};

/* ---- what is kept ---- */

static KeptMemory *kept_memory_new(const Vm *vm)
{
    KeptMemory *memory = g_new0(KeptMemory, 1);
    char id[UUID_STRING_LEN];
    Uuid uuid;

    uuid_generate(&uuid);
    uuid_format(&uuid, id);
    *memory = (KeptMemory){ .n_refs = 1,
                            .id = g_strdup(id),
                            .machine = g_strdup(vm->name),
                            .ram_fd = -1,
                            .state_fd = -1,
                            .holders = g_array_new(FALSE, FALSE, sizeof(uint64_t)) };
    return memory;
}

static void kept_memory_unref(KeptMemory *memory)
{
    if (!memory || --memory->n_refs > 0)
        return;
    fd_cleanup(&memory->ram_fd);
    fd_cleanup(&memory->state_fd);
    g_array_unref(memory->holders);
    g_free(memory->id);
    g_free(memory->machine);
    g_free(memory->xml);
    g_free(memory->xml_after);
    g_free(memory);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeptMemory, kept_memory_unref)

static void kept_memory_free(void *data)
{
    kept_memory_unref(data);
}

void kept_memory_info_clear(KeptMemoryInfo *info)
{
    g_free(info->id);
    g_free(info->xml);
    g_free(info->snapshot);
}

static GPtrArray *all_of(Host *host)
{
    if (!host->machines->memories)
        host->machines->memories = g_ptr_array_new_with_free_func(kept_memory_free);
    return host->machines->memories;
}

static void hold(Host *host, KeptMemory *memory, const Caller *caller)
{
    const uint64_t id = caller ? caller->client_id : 0;

    if (memory->holders->len == 0) {
        memory->n_refs++;
        g_ptr_array_add(all_of(host), memory);
    }
    g_array_append_val(memory->holders, id);
}

static bool let_go(Host *host, KeptMemory *memory, uint64_t client_id)
{
    for (guint i = 0; i < memory->holders->len; i++) {
        if (g_array_index(memory->holders, uint64_t, i) != client_id)
            continue;
        g_array_remove_index_fast(memory->holders, i);
        if (memory->holders->len == 0)
            g_ptr_array_remove(all_of(host), memory);
        return true;
    }
    return false;
}

static KeptMemory *find(Host *host, const char *id)
{
    GPtrArray *all = all_of(host);

    for (guint i = 0; i < all->len; i++)
        if (strcmp(((KeptMemory *)all->pdata[i])->id, id) == 0)
            return all->pdata[i];
    return NULL;
}

bool vm_memory_release(Host *host, const char *id, const Caller *caller, Error **err)
{
    KeptMemory *memory = find(host, id);

    return (memory && let_go(host, memory, caller ? caller->client_id : 0)) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "no memory '%s' is held by this client", id);
}

void vm_memory_client_gone(Host *host, uint64_t client_id)
{
    GPtrArray *all = all_of(host);

    for (guint i = all->len; i-- > 0;) {
        g_autoptr(KeptMemory) memory = all->pdata[i];
        memory->n_refs++;
        while (let_go(host, memory, client_id))
            ;
    }
}

void vm_memory_forget(VmRun *run)
{
    kept_memory_unref(g_steal_pointer(&run->kept_memory));
}

/* ---- which machines can ---- */

static bool refuse(Error **err, const Vm *vm, const char *why, const char *hint)
{
    error_set(err, ERROR_OPERATION_UNSUPPORTED, "the memory of machine '%s' cannot be shared with clones: %s",
              vm->name, why);
    return hint ? error_hint(err, "%s", hint) : false;
}

/* What a second machine cannot have, or what writes into the memory from outside of QEMU. */
static const char *find_obstacle(const DomainDef *def)
{
    const struct {
        const GPtrArray *list;
        const char *what;
    } lists[] = {
        { def->hostdevs, "it has a device of the host" },
        { def->filesystems, "it has a file system of the host, whose server needs its memory" },
        { def->shmems, "it has memory in common with others (shmem)" },
        { def->memory_devices, "it has memory modules" },
        { def->redirdevs, "it has redirected USB devices" },
        { def->smartcards, "it has a smart card" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        if (def_list_len(lists[i].list))
            return lists[i].what;
    if (def->vsock)
        return "it has a vsock, whose number is its own";
    if (def->cpu && def_list_len(def->cpu->numa))
        return "it has NUMA cells, and each has memory of its own";
    for (DEF_EACH(InterfaceDef, iface, def->interfaces))
        if (iface->type == INTERFACE_HOSTDEV || iface->type == INTERFACE_VHOST_USER ||
            iface->type == INTERFACE_VDPA || iface->actual_type == INTERFACE_HOSTDEV)
            return "it has a network card that is a device or a program of the host";
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->src.type == STORAGE_VHOST_USER)
            return "it has a disk whose server needs its memory (vhost-user)";
        if (disk->transient)
            return "it has a transient disk";
    }
    return NULL;
}

static bool check(const Vm *vm, Error **err)
{
    const MemoryBacking *backing = vm->live->memory_backing;
    const char *obstacle = find_obstacle(vm->live);

    if (vm->state == VM_STATE_PMSUSPENDED)
        return error_set(err, ERROR_INVALID_STATE, "the guest of machine '%s' sleeps", vm->name);
    if (obstacle)
        return refuse(err, vm, obstacle, NULL);
    if (backing && backing->hugepages)
        return refuse(err, vm, "it consists of huge pages", "without <hugepages> it can");
    if (backing && backing->locked)
        return refuse(err, vm, "it is locked, so each clone would need all of its own",
                      "without <locked> it can");
    if (!backing || backing->source != MEMORY_SOURCE_MEMFD || backing->access == MEMORY_ACCESS_PRIVATE)
        return refuse(err, vm, "it is no shared memfd",
                      "start it with <memoryBacking><source type='memfd'/><access "
                      "mode='shared'/></memoryBacking>, "
                      "as 'lodge run' makes machines; a clone of memory is not cloned so again before it was "
                      "started anew");
    return vm_backup_require_none((Vm *)vm, err);
}

/* ---- the copy ---- */

typedef struct RamCopy {
    pid_t pid;
    uint64_t bytes;
    int from, to; /* -1: not yet */
} RamCopy;

static void ram_copy_free(void *data)
{
    RamCopy *copy = data;

    fd_cleanup(&copy->from);
    fd_cleanup(&copy->to);
    g_free(copy);
}

/* QEMU's own descriptor of it, opened again: there is no other way to a memfd. */
static bool ram_copy_find(void *data, Error **err)
{
    RamCopy *copy = data;
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)copy->pid);
    DIR *dir = opendir(path);
    unsigned n_found = 0;

    if (!dir)
        return error_set_errno(err, errno, "cannot read '%s'", path);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char link[sizeof(MEMFD_LINK)];
        struct stat st;
        if (readlinkat(dirfd(dir), entry->d_name, link, sizeof(link)) < (ssize_t)strlen(MEMFD_LINK) ||
            strncmp(link, MEMFD_LINK, strlen(MEMFD_LINK)) != 0)
            continue;
        AUTO_FD fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != copy->bytes)
            continue;
        n_found++;
        fd_cleanup(&copy->from);
        copy->from = fd_steal(&fd);
    }
    (void)closedir(dir);
    return n_found == 1 ||
           error_set(err, ERROR_OPERATION_FAILED,
                     "the memory of process %d is not to be found among its files", (int)copy->pid);
}

static bool copy_range(const RamCopy *copy, char *piece, off_t from, off_t to, Error **err)
{
    while (from < to) {
        const ssize_t got = pread(copy->from, piece, MIN(COPY_PIECE, (size_t)(to - from)), from);
        if (got <= 0)
            return error_set_errno(err, got < 0 ? errno : EIO, "cannot read the memory of a machine");
        const ssize_t put = pwrite(copy->to, piece, (size_t)got, from);
        if (put != got)
            return error_set_errno(err, put < 0 ? errno : ENOSPC, "cannot copy the memory of a machine");
        from += got;
    }
    return true;
}

/* What the guest never touched is a hole in both. */
static bool ram_copy_run(void *data, Error **err)
{
    RamCopy *copy = data;
    g_autofree char *piece = g_malloc(COPY_PIECE);
    off_t at = 0, end = 0;

    copy->to = memfd_create("lodge-kept-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy->to < 0 || ftruncate(copy->to, (off_t)copy->bytes) < 0)
        return error_set_errno(err, errno, "cannot make room for the memory of a machine");
    while ((at = lseek(copy->from, at, SEEK_DATA)) >= 0) {
        end = lseek(copy->from, at, SEEK_HOLE);
        if (end < 0 || !copy_range(copy, piece, at, end, err))
            return end < 0 ? error_set_errno(err, errno, "cannot read the memory of a machine") : false;
        at = end;
    }
    return fcntl(copy->to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0 ||
           error_set_errno(err, errno, "cannot seal the memory of a machine");
}

/* A copy that the host has no room for would end in somebody's death. */
static bool check_room(const Vm *vm, int from, Error **err)
{
    NodeMemoryStats stats = { 0 };
    struct stat st;

    if (fstat(from, &st) < 0 || !node_get_memory_stats(-1, &stats, err))
        return false;
    const uint64_t need_kib = (uint64_t)st.st_blocks / 2, has_kib = stats.free_kib + stats.cached_kib;
    return need_kib <= has_kib || error_set(err, ERROR_OPERATION_FAILED,
                                            "keeping the memory of machine '%s' takes %" PRIu64
                                            " MiB, and the host has %" PRIu64 " MiB",
                                            vm->name, need_kib >> 10, has_kib >> 10);
}

/* As a definition that is this machine and no other: what it once asked of a firmware is decided. */
static char *describe(const Vm *vm)
{
    g_autoptr(DomainDef) def = domain_def_copy(vm->live);
    OsDef *os = &def->os;

    for (guint i = 0; !os->firmware && i < def_list_len(os->firmware_features); i++) {
        FirmwareFeature *feature = g_ptr_array_index(os->firmware_features, i);
        g_free(feature->name);
        g_free(feature);
    }
    if (!os->firmware)
        g_clear_pointer(&os->firmware_features, g_ptr_array_unref);
    return vm_xml_format_inactive(def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
}

bool vm_memory_write(Vm *vm, Job *job, KeptMemory *memory, Error **err)
{
    RamCopy *copy = NULL;
    StateCopy state = { .path = "(kept memory)",
                        .stream_fd = &memory->state_fd,
                        .pause = true,
                        .pause_reason = VIR_DOMAIN_PAUSED_SNAPSHOT,
                        .operation = VIR_DOMAIN_JOB_OPERATION_SNAPSHOT };

    if (!vm_require_monitor(vm, err) || !check(vm, err))
        return false;
    memory->state_fd = memfd_create("lodge-kept-state", MFD_CLOEXEC);
    if (memory->state_fd < 0)
        return error_set_errno(err, errno, "cannot make room for the state of a machine");
    copy = g_new(RamCopy, 1);
    *copy = (RamCopy){ .pid = vm->run->pid, .from = -1, .to = -1 };
    copy->bytes = (domain_initial_memory(vm->live) + (1 << 20) - 1) >> 20 << 20; /* as QEMU is told it */
    if (!worker_call(worker_lane_state(), ram_copy_find, copy, ram_copy_free, FILE_DEADLINE_MS, err))
        return false;
    if (!check_room(vm, copy->from, err) || !vm_state_to_file(vm, job, &state, err)) {
        ram_copy_free(copy);
        return false;
    }
    job_set_phase(job, "copying memory");
    if (!worker_call(worker_lane_state(), ram_copy_run, copy, ram_copy_free,
                     COPY_MIN_MS + copy->bytes / COPY_BYTES_PER_MS, err)) {
        vm_state_end(vm);
        return false;
    }
    memory->ram_fd = fd_steal(&copy->to);
    ram_copy_free(copy);
    if (!vm_require_monitor(vm, err))
        return false;
    memory->xml = describe(vm);
    return true;
}

/* ---- keeping ---- */

/* It has stood still since. *ret_has false, without an error: there is none. */
static bool find_kept(const Vm *vm, bool *ret_has, Error **err)
{
    const KeptMemory *memory = vm->run->kept_memory;

    *ret_has = false;
    if (!memory)
        return true;
    g_autofree char *now = vm_xml_format_inactive(vm->live, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    *ret_has = strcmp(now, memory->xml_after) == 0;
    if (*ret_has)
        return true;
    error_set(err, ERROR_INVALID_STATE, "machine '%s' has changed since its memory was kept", vm->name);
    return error_hint(err, "QEMU writes it again only after the machine has run: resume it first");
}

/* Without disks that have to be frozen at the same moment. */
AWAITS static bool keep_alone(Vm *vm, KeptMemory *memory, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) || !vm_memory_write(vm, &job, memory, err))
        return false;
    vm_state_end(vm);
    return true;
}

AWAITS static bool keep_new(Vm *vm, const char *snapshot_xml, bool quiesce, const Caller *caller,
                            KeptMemory *memory, char **ret_snapshot, Error **err)
{
    if (!snapshot_xml)
        return keep_alone(vm, memory, caller, err);
    Moment *moment =
        vm_snapshot_create_with(vm, snapshot_xml,
                                VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC |
                                    (quiesce ? VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE : 0),
                                memory, caller, err);
    if (!moment)
        return false;
    *ret_snapshot = g_strdup(moment_name(moment));
    moment_unref(moment);
    return true;
}

bool vm_memory_keep(Vm *vm, const char *snapshot_xml, bool quiesce, const Caller *caller,
                    KeptMemoryInfo *ret_info, Error **err)
{
    g_autoptr(KeptMemory) memory = NULL;
    g_autofree char *snapshot = NULL;
    bool has = false;

    if (!vm_require_monitor(vm, err) || !check(vm, err) || !find_kept(vm, &has, err))
        return false;
    if (has) {
        memory = vm->run->kept_memory;
        memory->n_refs++;
    } else {
        memory = kept_memory_new(vm);
        if (!keep_new(vm, snapshot_xml, quiesce, caller, memory, &snapshot, err))
            return false;
        if (vm->run && vm->state == VM_STATE_PAUSED && !vm->run->must_run) {
            memory->xml_after = vm_xml_format_inactive(vm->live, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
            vm_memory_forget(vm->run);
            vm->run->kept_memory = memory;
            memory->n_refs++;
        }
        log_info("memory of machine '%s' kept for %s", vm->name, caller_describe(caller));
    }
    hold(vm->host, memory, caller);
    *ret_info = (KeptMemoryInfo){ .id = g_strdup(memory->id),
                                  .xml = g_strdup(memory->xml),
                                  .snapshot = g_steal_pointer(&snapshot) };
    return true;
}

/* ---- a clone ---- */

/* The original at that moment, with what is the clone's own: then nothing else may differ. */
static void take_identity(DomainDef *def, const DomainDef *clone)
{
    g_free(def->name);
    def->name = g_strdup(clone->name);
    def->uuid = clone->uuid;
    def->genid = clone->genid;
    for (guint i = 0; i < def_list_len(def->interfaces) && i < def_list_len(clone->interfaces); i++) {
        InterfaceDef *iface = g_ptr_array_index(def->interfaces, i);
        iface->mac = ((const InterfaceDef *)g_ptr_array_index(clone->interfaces, i))->mac;
    }
}

/* As it runs: with pages that are its own once they are written to, and no others. */
static DomainDef *make_live(Vm *vm)
{
    domain_order_controllers(vm->config);
    g_clear_pointer(&vm->config_xml, g_free);
    DomainDef *live = domain_def_copy(vm->config);
    live->memory_backing->source = MEMORY_SOURCE_FILE;
    live->memory_backing->access = MEMORY_ACCESS_PRIVATE;
    live->memory_backing->allocation = MEMORY_ALLOCATION_ABSENT;
    return live;
}

static bool check_clone(Vm *vm, const KeptMemory *memory, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    if (vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "domain is already running");
    if (!vm->config || vm->has_managed_save || !vm->config->memory_backing)
        return error_set(err, ERROR_INVALID_STATE, "machine '%s' %s", vm->name,
                         !vm->config            ? "is not defined"
                         : vm->has_managed_save ? "has a saved state of its own"
                                                : "has no memory that could be shared");
    if (!vm_xml_parse(vm->host, memory->xml, strlen(memory->xml), "(kept memory)", VM_XML_TRUSTED, &def, err))
        return false;
    take_identity(def, vm->config);
    return vm_xml_check_abi(def, vm->config, err) ||
           error_prefix(err, "machine '%s' cannot go on from the memory of '%s'", vm->name, memory->machine);
}

/* Another description of the same file: each reader has its own place in it. */
static int open_again(int fd, int flags)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return open(path, flags | O_CLOEXEC);
}

bool vm_memory_start(Vm *vm, const char *id, const Caller *caller, char **ret_cards, Error **err)
{
    g_autoptr(KeptMemory) memory = find(vm->host, id);
    VmStartSpec spec = VM_START_SPEC_INIT;
    g_auto(Job) job = { 0 };

    if (!memory)
        return error_set(err, ERROR_INVALID_ARGUMENT, "no memory '%s' is kept", id);
    memory->n_refs++;
    if (!job_begin(&vm->object, JOB_START, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !check_clone(vm, memory, err) || !vm_snapshot_settle(vm, &job, err) || !check_clone(vm, memory, err))
        return false;
    AUTO_FD ram_fd = open_again(memory->ram_fd, O_RDWR);
    AUTO_FD state_fd = open_again(memory->state_fd, O_RDONLY);
    if (ram_fd < 0 || state_fd < 0)
        return error_set_errno(err, errno, "cannot open the memory that was kept of machine '%s'",
                               memory->machine);
    spec.memory_fd = ram_fd;
    spec.incoming_fd = state_fd;
    spec.incoming_timeout_ms = COPY_MIN_MS;
    spec.incoming_def = make_live(vm);
    spec.running_reason = VIR_DOMAIN_RUNNING_RESTORED;
    spec.started_detail = VIR_DOMAIN_EVENT_STARTED_RESTORED;
    spec.ret_cards = ret_cards;
    return vm_start_process(vm, &job, &spec, err);
}

/* ---- its cards ----
 *
 * The state of a card has the original's address in it. What comes back in its place has the definition's,
 * and the guest takes it for another card. */

static bool ask_to_let_go(Vm *vm, const InterfaceDef *iface, Error **err)
{
    AUTO_JSON args = json_pack("{s:s}", "id", iface->info.alias);

    vm_unplug_expect(vm, iface->info.alias);
    return qmp_exec(vm_monitor(vm), "device_del", args, 0, NULL, err);
}

bool vm_memory_part_cards(Vm *vm, Error **err)
{
    bool is_first = true;

    for (DEF_EACH(InterfaceDef, iface, vm->live->interfaces)) {
        g_autoptr(Error) why = NULL;
        if (!iface->info.alias || !*iface->info.alias)
            continue;
        if (!monitor_set_link(vm_monitor(vm), iface->info.alias, false, 0, err))
            return false;
        if (is_first && !ask_to_let_go(vm, iface, &why) && error_code(why) != ERROR_REFUSED)
            return error_propagate(err, g_steal_pointer(&why));
        is_first = false;
    }
    return true;
}

/* The same card with the same back end, new. */
AWAITS static bool plug_again(Vm *vm, const InterfaceDef *iface, Error **err)
{
    const QemuCommandEnv env = { .lib_dir = vm->run->lib_dir };
    const PlanContext context = { .def = vm->live,
                                  .caps = vm->run->caps,
                                  .env = &env,
                                  .machine = qemu_caps_machine(vm->run->caps, vm->live->os.machine),
                                  .is_hot = true };
    g_autoptr(Plan) plan = plan_new();

    if (!device_plan(&context, DEVICE_INTERFACE, iface, plan, err))
        return false;
    const GPtrArray *steps = plan_steps(plan);
    for (DEF_EACH(PlanStep, step, steps))
        if (step->kind == PLAN_DEVICE && !qmp_exec(vm_monitor(vm), "device_add", step->object, 0, NULL, err))
            return false;
    return monitor_set_link(vm_monitor(vm), iface->info.alias, iface->link != LINK_STATE_DOWN, 0, err);
}

AWAITS static bool change_card(Vm *vm, const InterfaceDef *iface, bool was_asked, uint64_t deadline_ms,
                               Error **err)
{
    const uint64_t now_ms = loop_now_ms();

    if (!was_asked && !ask_to_let_go(vm, iface, err))
        return false;
    return vm_unplug_wait(vm, vm->run->serial, iface->info.alias,
                          deadline_ms > now_ms ? deadline_ms - now_ms : 0, err) &&
           plug_again(vm, iface, err);
}

bool vm_memory_change_cards(Vm *vm, char **ret_cards, Error **err)
{
    const uint64_t deadline_ms = loop_now_ms() + CARDS_PATIENCE_MS;
    g_autoptr(GString) kept = g_string_new(NULL);
    const char *asked = vm->run->unplug_alias;
    g_autofree char *first = g_strdup(asked);

    for (guint i = 0; vm->live && i < def_list_len(vm->live->interfaces); i++) {
        InterfaceDef *iface = g_ptr_array_index(vm->live->interfaces, i);
        g_autoptr(Error) why = NULL;
        char mac[MAC_STRING_LEN];
        if (!iface->info.alias || !*iface->info.alias ||
            change_card(vm, iface, g_strcmp0(first, iface->info.alias) == 0, deadline_ms, &why))
            continue;
        if (!vm_monitor(vm) || error_code(why) == ERROR_VM_GONE || error_code(why) == ERROR_CANCELLED)
            return error_propagate(err, g_steal_pointer(&why));
        mac_format(&iface->mac, mac);
        log_warning("machine '%s': its guest keeps the card of the original in the place of %s: %s", vm->name,
                    mac, error_message(why));
        iface->link = LINK_STATE_DOWN; /* which it is */
        g_string_append_printf(kept, "%s%s", kept->len ? " " : "", mac);
    }
    if (vm->run)
        g_clear_pointer(&vm->run->unplug_alias, g_free);
    if (kept->len)
        *ret_cards = g_strdup(kept->str);
    return true;
}
