/* The inside of a machine and of the host, for the modules of this room alone.
 *
 * Invariants:
 *  1. `live` and `run` are set exactly while there is a QEMU (or one being started or cleaned up).
 *  2. Whoever changes run holds the job; state and runtime values inside live are also changed by QEMU's
 *     events, from the loop.
 *  3. A run is named by its serial: after an await, compare it to know that it is still the same QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/trail.h"
#include "conf/domain_device.h"
#include "conf/domain_xml.h"
#include "core/hooks.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "core/object_store.h"
#include "core/stream.h"
#include "machine/save_image.h"
#include "machine/vm.h"
#include "network/attach.h"
#include "network/port.h"
#include "network/ports.h"
#include "network/shaping.h"
#include "qemu/agent.h"
#include "qemu/command.h"
#include "qemu/monitor.h"
#include "storage/dac.h"
#include "storage/probe.h"
#include "storage/remote.h"
#include "storage/transient.h"
#include "wire/wire_enums.h"

typedef struct CgroupHost CgroupHost;
typedef struct MomentTree MomentTree;
typedef struct VmBlockJob VmBlockJob;
typedef struct VmLog VmLog;
typedef struct StatsProbe StatsProbe;
typedef struct VmPerf VmPerf;
typedef struct SnapshotDef SnapshotDef;
typedef struct KeptMemory KeptMemory;

/* Statistics that are asked for (vm_stats.c). */
typedef struct StatsQueue {
    GQueue waiting; /* of StatsProbe (counted), for the next prober that is free */
    unsigned n_probers;
    unsigned n_calls[2]; /* under way, of clients that may act and of those that may only read */
    WaitQueue turn[2];   /* likewise: calls beyond the limit */
} StatsQueue;

/* What is kept for all machines together (machine.c). */
struct MachineRoom {
    QemuCapsCache *qemu_caps;
    CgroupHost *cgroups; /* what this host offers (host/cgroup.h) */
    bool has_loaded;     /* machine_load() came to its end */
    StatsQueue stats;
    GPtrArray *token_holders; /* what vm_token_scan() found; NULL */
    unsigned n_recovering;    /* machines whose snapshots vm_snapshot_recover() tries to settle */
    WaitQueue recovered;      /* woken when there is one less */
    GPtrArray *memories;      /* KeptMemory that clients hold (vm_memory_clone.c); NULL: none yet */
    GPtrArray *parcels;       /* what offline migrations bring along (vm_migrate_target.c); NULL: none yet */
};

/* A network has started: machines that run on it are plugged in again (vm_networks.c). */
void machine_rejoin_network(Host *host, const char *network);

/* ---- a running QEMU ---- */

/* Whether the guest has let go of a device that it was asked for. */
typedef enum UnplugResult { UNPLUG_PENDING, UNPLUG_GONE, UNPLUG_REFUSED } UnplugResult;

typedef struct VmConsole { /* an open console: at most one client */
    char *alias;
    Stream *stream; /* borrowed from the front end until its on_close */
    Vm *vm;         /* counted */
} VmConsole;

/* A definition that is to change with its running machine (vm_edit.h), as the status file has it meanwhile.
 */
typedef struct VmPending {
    char *xml;    /* the new definition */
    char *before; /* checksum of the one that it replaces */
    char *alias;  /* the device that comes, whose presence decides; NULL: the running machine has changed */
} VmPending;
/* The last error of a disk's image, for people. */
typedef struct VmIoError {
    char *disk, *node, *path, *text; /* node, path: may be NULL */
    uint64_t time_us;                /* since 1970 */
} VmIoError;

extern const XmlTable io_error_table;
typedef struct VmPath {
    char *path;
} VmPath;
extern const XmlTable path_table;
extern const XmlTable migrate_note_table;
void vm_pending_free(VmPending *pending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmPending, vm_pending_free)

/* What the next daemon must know of a migration to another host. */
typedef struct VmMigrateNote {
    char *phase; /* "perform", "postcopy", "done" */
    char *peer;  /* URI of the destination's daemon, if we drive; NULL */
} VmMigrateNote;

typedef struct VmRun {
    uint64_t serial;
    Process *process;    /* NULL until forked */
    pid_t pid;           /* 0 until forked */
    uint64_t start_time; /* of that process, as in its status file; 0: unknown (written by libvirtd) */
    unsigned taints;     /* TAINT_* */
    Qmp *qmp;            /* NULL until connected, and while it cannot be reached */
    QemuCaps *caps;      /* NULL after a restart, until somebody needs them */
    char *lib_dir, *channel_dir, *monitor_path;
    char *libvirt_flags;       /* of a machine that a libvirtd started, a line each; NULL: vm_status_flags */
    CpuDef *cpu;               /* what QEMU gave, as the live document shows it; NULL: as asked */
    GArray *vcpu_tids;         /* of pid_t, by number of the vCPU; 0: there is none */
    bool has_lost_vcpu;        /* one was taken out */
    struct VmPending *pending; /* NULL: none */
    GPtrArray *io_errors;      /* VmIoError, one per disk; NULL: none */
    GPtrArray *give_back;      /* VmPath: media, lent to QEMU, of which a change leaves one; NULL: none */
    char *going;               /* aliases of devices that go from the definition when they go; NULL: none */
    GPtrArray *vcpu_paths;     /* of char *, by number: what QEMU calls them; NULL: none */
    GHashTable *kvm_schema;    /* what KVM counts (vm_kvm_stats.c); NULL: not asked yet */
    char *cgroup;              /* the machine's own control group; NULL: none */
    VmPerf *perf;              /* NULL: no events are counted */
    bool has_dirty_rate;       /* somebody had it measured, or may have */
    bool has_thresholds;       /* of writes to images, or may have */
    GPtrArray *dac;            /* of DacItem */
    GPtrArray *block_jobs;     /* of VmBlockJob (vm_block_job.h), counted */
    GPtrArray *helpers;        /* of VmHelper */
    GArray *ports;             /* of unsigned, taken from the pool by us */
    uint32_t last_node;        /* the highest number that a block node had */
    uint64_t autodestroy_client; /* 0: none */
    uint64_t balloon_bytes;      /* the last value that QEMU told */
    bool hook_hangs;             /* a hook script was given up: the later ones get little time */
    bool is_starting;            /* not announced yet: failures undo it */
    PlanFds *leases;             /* taken, and not passed to QEMU yet (vm_lease.c); NULL */
    struct VmBackup *backup;     /* that is being made (vm_backup.c); NULL */
    char *new_checkpoint;        /* one that is being made, by name; NULL (vm_checkpoint.c) */
    bool must_thaw;              /* its guest's file systems are frozen, or may be (vm_checkpoint.c) */
    bool has_gone_on;            /* ... but a saved guest runs: a cut-off start is not undone any more */
    bool stopping;               /* vm_process_stop() has begun */
    bool exited;                 /* the process is gone */
    bool guest_shutdown;         /* QEMU said SHUTDOWN */
    int pause_reason;            /* PAUSED_*: why the STOP event to come */
    int resume_reason;           /* RUNNING_*: why the RESUME event to come; 0: somebody's 'cont' */
    bool fake_reboot;            /* the coming SHUTDOWN means reboot */
    bool destroying;             /* destroy asked for the end */
    bool panicked;
    bool unanswering;    /* after a restart: QEMU could not be reached, tried again in the background */
    Fiber *reconnecting; /* waits for its answer to that; NULL */
    WaitQueue changed;   /* woken by every QMP event and by the end of QEMU */
    char *unplug_alias;  /* of a device that the job takes out; NULL */
    UnplugResult unplug_result;
    MonitorJobStatus migration_state; /* told by MIGRATION events: none, active, completed or failed */
    bool dump_completed;              /* DUMP_COMPLETED seen */
    char *dump_error;
    Agent *agent;
    int agent_timeout_s; /* virDomainAgentResponseTimeoutValues, or seconds */
    GPtrArray *consoles; /* of VmConsole */
    VmLog *log;          /* NULL until QEMU is about to be forked */
    bool pid_written;    /* NAME.pid is there */
    /* What a save or dump is about; in the status file before anything has happened, so that a daemon that
     * dies on the way leaves neither a paused machine nor a piece of a file. */
    SaveFile file;            /* that is being written */
    bool is_saving;           /* ... and after which the machine ends */
    bool must_run;            /* the job pauses it: it goes on afterwards, unless it ends */
    bool must_run_saved;      /* the status file says so, perhaps no longer truly */
    bool backup_fails;        /* a fiber is about to end it */
    bool waits_for_space;     /* a fiber looks whether its storage has space again */
    bool is_going_on;         /* a fiber sees to that: QEMU did not answer at once */
    VmMigrateNote *migration; /* from here: how far it has come (vm_migrate.h); NULL */
    KeptMemory *kept_memory;  /* of this machine, which has stood still since (vm_memory_clone.h); NULL */
    /* What numad advised (vm_numad.c); NULL: it was not asked. */
    CpuSet *numad_nodes, *numad_cpus;
    char *ending;      /* how its process ended; NULL: not yet, or not known */
    bool ended_by_oom; /* ... the kernel ended it, for want of memory */
} VmRun;

/* What events make us do in the background. A guest decides how often they come: of each kind one fiber at
 * most is at it, asked again meanwhile it does it once more, and the more often the later. */
typedef enum VmTask { VM_TASK_STATUS, VM_TASK_REBOOT, VM_TASK_DUMP, VM_TASK_FILTER, VM_TASK_COUNT } VmTask;

typedef struct VmTaskState {
    bool is_wanted, is_running;
    unsigned streak; /* rounds without a quiet second between them */
    uint64_t last_ms;
} VmTaskState;

struct Vm {
    OBJECT_BASE(DomainDef);
    MomentTree *snapshots, *checkpoints;
    bool has_managed_save;
    bool awaits_storage; /* its autostart failed: it is tried again when a pool that it needs is started */
    VmRun *run;          /* NULL: not running */
    VmState state;
    int reason;
    bool status_busy; /* the status file is being written */
    WaitQueue status_idle;
    VmTaskState tasks[VM_TASK_COUNT];
    GPtrArray *snapshot_images;  /* paths of those that snapshots made; never NULL */
    bool has_journal;            /* work on snapshots that ended without a clear end: vm_snapshot_settle() */
    uint64_t settle_pause_ms;    /* before that is tried again; 0: nobody is about to */
    struct VmSchedule *schedule; /* vm_snapshot_schedule.h; never NULL */
    bool schedule_is_busy;
    bool was_transient;           /* while a transient one goes back to a snapshot: config is no definition */
    GHashTable *fd_groups;        /* name -> FdGroup (vm_fd_group.c); NULL: none */
    StatsProbe *stats_probe;      /* under way, for others to join; borrowed. NULL */
    struct Outgoing *outgoing;    /* a migration to another host, of the fiber that keeps it; NULL */
    struct Incoming *incoming;    /* and from there */
    uint64_t migration_mib_per_s; /* as a client has set it; 0: no limit */
    bool migration_has_downtime;  /* a client has said how long its guest may stand still */
};
static inline Registry *vm_registry(const Host *host)
{
    return host_registry(host, &domain_class);
}

enum {
    TAINT_CUSTOM_MONITOR = 1 << 0,
    TAINT_CUSTOM_ARGV = 1 << 1,
    TAINT_HIGH_PRIVILEGES = 1 << 2,
    TAINT_HOST_CPU = 1 << 3,
    TAINT_CUSTOM_HYPERVISOR_FEATURE = 1 << 4,
    TAINT_CDROM_PASSTHROUGH = 1 << 5,
    TAINT_CUSTOM_GA_COMMAND = 1 << 6
};

/* Makes a machine with that identity and registers it, unlisted. Returns a reference. */
static inline Vm *vm_new(Host *host, const char *name, const Uuid *uuid)
{
    return (Vm *)object_new(vm_registry(host), name, uuid);
}
/* Does @func(@vm) soon, in a fiber (see VmTask). @vm is held meanwhile, its run is not. */
void vm_spawn_task(Vm *vm, VmTask task, const char *name, void (*func)(Vm *vm));

/* ---- identity (vm_define.c) ---- */

/* ERROR_XML_INVALID: a name that cannot be a file name. */
MUST_CHECK bool vm_check_name(const char *name, Error **err);

/* ---- machine (vm.c) ---- */

static inline const DomainDef *
vm_def(const Vm *vm) /* live if running, else config; NULL only for one being made */
{
    return vm->live ? vm->live : vm->config;
}
void vm_set_state(Vm *vm, VmState state, int reason);
/* ERROR_INVALID_STATE "domain is not running" */
MUST_CHECK bool vm_require_running(const Vm *vm, Error **err);
/* The same, and its monitor can be used now. */
MUST_CHECK bool vm_require_monitor(const Vm *vm, Error **err);
/* Resolves virDomainModificationImpact: 0 means live if running, else config. ERROR_INVALID_STATE,
 * ERROR_ARGUMENT... as the reference. */
MUST_CHECK bool vm_resolve_affect(const Vm *vm, unsigned flags, bool *ret_live, bool *ret_config,
                                  Error **err);
void vm_publish(const Vm *vm, EventId id, int type, int detail);
void vm_publish_lifecycle(const Vm *vm, int type, int detail);
void vm_publish_event(const Vm *vm, Event *event); /* fills in the machine */
VmRun *vm_run_new(Host *host);                     /* vm_run.c; NULL: it gets its serial later */
void vm_run_free(VmRun *run);
/* For monitor_*() (qemu/monitor.h); NULL without one, which is ERROR_VM_GONE there. After a question that was
 * answered the machine still has the same run: its end closes the monitor before anything else. */
static inline Qmp *vm_monitor(const Vm *vm)
{
    return vm->run ? vm->run->qmp : NULL;
}
void vm_taint(Vm *vm, unsigned taint);
/* Tells QEMU how often to ask the guest for statistics of its memory, as the live definition says
 * (vm_resize.c). */
AWAITS MUST_CHECK bool vm_tell_stats_period(Vm *vm, uint64_t timeout_ms, Error **err);

/* ---- documents (vm_xml.c) ---- */

enum {
    VM_XML_VALIDATE = 1 << 0, /* against the schema, too */
    VM_XML_LIVE = 1 << 1,     /* of a running machine: keep runtime values, assign nothing */
    VM_XML_TRUSTED = 1 << 2,  /* written by us or libvirtd: no probing of QEMU if it can't be had */
};
/* Reads a domain document, fills in defaults, checks it and assigns addresses. @source names it in messages.
 * Without VM_XML_LIVE the emulator is probed. */
AWAITS MUST_CHECK bool vm_xml_parse(Host *host, const char *xml, size_t len, const char *source,
                                    unsigned flags, DomainDef **ret_def, Error **err);
/* For readers of other documents that hold a machine's. @hooks.hooks is for them; it does not outlive this.
 */
typedef struct VmXmlHooks {
    DomainHooks hooks;
    Host *host;
    unsigned flags; /* VM_XML_* */
} VmXmlHooks;
void vm_xml_hooks_init(VmXmlHooks *hooks, Host *host, unsigned flags);
char *vm_xml_format(const DomainDef *def, unsigned format_flags /* XML_FORMAT_* */);
/* Would a later daemon read @text, which is @def formatted for a file, as this machine? Each text is checked
 * so before it is stored. AWAITS if it is long. ERROR_INTERNAL if not. */
MUST_CHECK bool vm_xml_check_text(const DomainDef *def, const char *text, Error **err);
MUST_CHECK bool vm_xml_check_readable(const DomainDef *def, Error **err);
/* The same of a running machine, as its user could have written it. */
char *vm_xml_format_inactive(const DomainDef *live, unsigned format_flags);
/* Without what every reader adds by itself, with secrets: for another host, perhaps an older one. */
char *vm_xml_format_migratable(const Host *host, const DomainDef *source);
/* ERROR_CONFIG_UNSUPPORTED: @to cannot replace @from in a saved or running state (ABI). */
MUST_CHECK bool vm_xml_check_abi(const DomainDef *from, const DomainDef *to, Error **err);
/* Capabilities of the emulator of @def. */
AWAITS MUST_CHECK bool vm_xml_get_caps(Host *host, const DomainDef *def, QemuCaps **ret_caps, Error **err);

char *vm_save_path(const Host *host, const char *name); /* of the managed save image */

/* ---- status files (vm_status.c) ---- */

char *vm_status_path(const Host *host, const char *name);
char *vm_pid_path(const Host *host, const char *name);
AWAITS MUST_CHECK bool vm_status_save(Vm *vm, Error **err);
/* Writes NAME.pid if it is not there; vm_status_save() does so, too. */
AWAITS MUST_CHECK bool vm_pid_save(Vm *vm, Error **err);
/* Soon, in the background; for changes from events. Not while the machine starts: the start writes at its
 * end. */
void vm_status_save_later(Vm *vm);
AWAITS void vm_status_remove(Vm *vm);
/* What a status file says. */
typedef struct VmStatus {
    VmState state;
    int reason;
    DomainDef *live;
    VmRun *run; /* the part that is in files (run_table): the rest is as in a new one, without a serial */
    GPtrArray *volumes; /* VmVolume: which disks of .live were asked for as volumes */
} VmStatus;
extern const char vm_status_flags[]; /* what libvirtd calls the abilities of QEMU, a line each */
char *vm_status_format(const Vm *vm);
MUST_CHECK bool vm_status_parse(const char *text, size_t len, const char *name, VmStatus **ret_status,
                                Error **err);
void vm_status_free(VmStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmStatus, vm_status_free)

/* ---- what a start needs besides the process (vm_prepare.c) ---- */

typedef struct VmResources { /* descriptors for QEMU: closed when it has them, or when the start failed */
    PlanFds *fds;
    int log_fd; /* for what QEMU prints */
} VmResources;
void vm_resources_init(VmResources *resources);
void vm_resources_clear(VmResources *resources);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmResources, vm_resources_clear)
/* Makes the machine's directories. They are ours until all is in them that we put there; then they are given
 * to QEMU's user, who can swap everything in them. */
AWAITS MUST_CHECK bool vm_prepare_dirs(Vm *vm, Error **err);
AWAITS MUST_CHECK bool vm_prepare_give_dirs(Vm *vm, Error **err);
MUST_CHECK bool vm_prepare_graphics(Vm *vm, Error **err);
/* Opens what one device of vm->live needs opened: files and sockets of a character device, taps. They are in
 * @fds by the names of qemu/device.h; closing them takes everything back but files that were made. Its alias
 * must be there. */
AWAITS MUST_CHECK bool vm_prepare_device(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err);
/* The same, or vm_prepare_hostdev(), for all devices of vm->live. */
typedef bool VmPrepare(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err);
AWAITS MUST_CHECK bool vm_prepare_each(Vm *vm, VmPrepare *prepare, PlanFds *fds, Error **err);
/* Takes back what a descriptor's end does not: macvtaps, ports of networks. Failures are logged. */
AWAITS void vm_release_interface(Host *host, InterfaceDef *iface);
AWAITS void vm_release_interfaces(Host *host, const DomainDef *def);
/* The device below a macvtap; NULL: it is none (vm_interface.c). */
const char *vm_interface_lower(const InterfaceDef *iface);
/* ERROR_CONFIG_UNSUPPORTED: what no machine can have at its start. */
MUST_CHECK bool vm_interface_check(const InterfaceDef *iface, Error **err);
/* ERROR_CONFIG_UNSUPPORTED: it has no tap whose traffic could be limited. Always false. */
bool vm_interface_refuse_limits(const InterfaceDef *iface, Error **err);
AWAITS MUST_CHECK bool vm_interface_run_script(Host *host, const InterfaceDef *iface, const char *path,
                                               Error **err);
/* QEMU chose the ptys: notes them in the live document. @chardevs: MonitorWelcome.chardevs. */
void vm_take_ptys(Vm *vm, GHashTable *chardevs);
/* @words are QEMU's, which could not listen somewhere: says where, for what, and who has that port
 * (vm_busy_port.c). false: it is something else, or nobody knows; *err is untouched. */
AWAITS bool vm_explain_busy_port(Vm *vm, const char *words, Error **err);
/* Starts the helper behind a user network; it ends when the other end of its line in @fds does. */
AWAITS MUST_CHECK bool vm_interface_start_passt(const InterfaceDef *iface, PlanFds *fds, Error **err);
/* Tells kernel and QEMU again what the live document says of an interface (vm_interface_update.c). */
AWAITS MUST_CHECK bool vm_interface_restore(Vm *vm, const InterfaceDef *iface, Error **err);
/* The guest has changed which packets its cards let in, or may have: soon it is seen which, who listens hears
 * of other addresses, and links on the host follow where the guest is trusted. */
void vm_interface_look_at_filters(Vm *vm);
/* What QEMU says of a threshold (vm_threshold.c). */
void vm_threshold_passed(Vm *vm, const Json *data);
/* Tells QEMU, where cables are plugged in at first, which are not. */
AWAITS MUST_CHECK bool vm_interface_set_links(Vm *vm, Error **err);
MUST_CHECK bool vm_prepare_monitor(Vm *vm, PlanFds *fds, Error **err);
/* A listening socket at @path that QEMU's user can connect to. */
AWAITS MUST_CHECK bool vm_listen_for_qemu(Vm *vm, const char *path, int *ret_fd, Error **err);
/* Gives a socket that somebody made in the machine's own folder to QEMU's user. */
AWAITS MUST_CHECK bool vm_give_to_qemu(Vm *vm, const char *path, Error **err);
/* Of the host's, such as /dev/vhost-vsock; for QEMU. */
AWAITS MUST_CHECK bool vm_open_device(Vm *vm, const char *path, int *ret_fd, Error **err);
/* What file systems, TPMs, sockets and reservations need besides (vm_share.c): descriptors, helpers. */
AWAITS MUST_CHECK bool vm_prepare_share(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err);
/* The TPM's state (vm_tpm.c). */
AWAITS MUST_CHECK bool vm_prepare_tpm(Vm *vm, TpmDef *tpm, PlanFds *fds, Error **err);
/* Where an emulated TPM of the machine has its state; NULL: it has none. Caller owns. */
char *vm_tpm_state_folder(const Vm *vm);
/* The machine has ended: forgets what a transient one does not keep. */
AWAITS void vm_tpm_release(Vm *vm);
/* Removes the state of a machine that is about to be undefined, unless it is to stay
 * (VIR_DOMAIN_UNDEFINE_...). */
AWAITS MUST_CHECK bool vm_tpm_undefine(const Vm *vm, unsigned flags, Error **err);
/* Where it is, for each machine: below it tpm2 or tpm1.2; owned. Whose it is. */
char *vm_tpm_folder(const Host *host, const Uuid *uuid);
MUST_CHECK bool vm_tpm_owner(const Host *host, uid_t *ret_uid, gid_t *ret_gid, Error **err);
/* Host devices (vm_hostdev.c): which device is meant, which node it has; PCI devices are taken from their
 * drivers, unless another machine has them. ERROR_OPERATION_FAILED: one has, or there is none */
AWAITS MUST_CHECK bool vm_prepare_hostdev(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err);
/* Gives managed ones back to their drivers. */
AWAITS void vm_release_hostdev(Host *host, DeviceKind kind, void *device);
AWAITS void vm_release_hostdevs(Host *host, const DomainDef *live);
/* What QEMU of @live must be allowed to lock for devices that write into memory, in bytes; 0: nothing. */
uint64_t vm_hostdev_locked_bytes(const DomainDef *live);
/* The same for a device that comes while QEMU runs. */
AWAITS MUST_CHECK bool vm_hostdev_raise_limit(const Vm *vm, Error **err);
/* The address of the network that a display listens on (vm_prepare.c).
 * ERROR_NO_NETWORK; ERROR_CONFIG_UNSUPPORTED: it has no address */
MUST_CHECK bool vm_resolve_listen(Host *host, ListenDef *listen, Error **err);
/* storage_prepare() for vm->live, telling who listens which optional media are missing. */
AWAITS MUST_CHECK bool vm_prepare_disks(Vm *vm, Error **err);
/* The secrets that devices of vm->live need, encrypted under the key in the machine's folder
 * (vm_disk_start.c). ERROR_NO_SECRET: there is no such secret, or it has no value. */
AWAITS MUST_CHECK bool vm_prepare_secrets(Vm *vm, QemuSecrets **ret_secrets, Error **err);
/* Whether those that devices of @def need are there. Errors as above. */
MUST_CHECK bool vm_find_secrets(Host *host, const DomainDef *def, Error **err);
/* Tells a QEMU that was just started the limits of its disks. */
AWAITS MUST_CHECK bool vm_start_throttles(Vm *vm, Error **err);
/* Tells it the password of a display, or the one that the configuration has for all; until when it is good,
 * too. */
AWAITS MUST_CHECK bool vm_tell_password(Vm *vm, const GraphicsDef *graphics, Error **err);
/* Of one that was taken over: those of disk @alias, which has some there (@is_throttled), as the document
 * says.
 */
AWAITS MUST_CHECK bool vm_restore_throttle(Vm *vm, const char *alias, bool is_throttled, Error **err);
/* For a machine that was just paused because a write failed (vm_space.c). @problem NULL, for want of space:
 * goes on when there is some, if the configuration says so. Else: if there is a backup, without it. */
void vm_space_wait(Vm *vm, const char *problem);
/* A write failed, and the guest was told: a backup that is under way may be the cause, and ends. */
void vm_space_give_up(Vm *vm, const char *problem);
/* Huge pages of the machine whose folders are called @dir_name: of QemuHugePages, owned; default size first.
 */
GArray *vm_huge_pages_list(const char *dir_name);
/* Makes these folders for the live machine, if it uses huge pages; else *ret_list stays as it is. */
AWAITS MUST_CHECK bool vm_prepare_huge_pages(Vm *vm, GArray **ret_list, Error **err);
AWAITS void vm_remove_huge_pages(const DomainDef *def, const char *lib_dir);
/* ERROR_CONFIG_UNSUPPORTED: a frequency of its time stamp counter that this host cannot give. */
MUST_CHECK bool vm_check_tsc(const DomainDef *live, Error **err);
/* Can QEMU tell what CPUID says in the guest? */
bool vm_has_cpuid(const Vm *vm);
/* Takes that from what a new QEMU answered. ERROR_OPERATION_FAILED: not what check='full' demands. */
MUST_CHECK bool vm_take_cpu(Vm *vm, const MonitorWelcome *welcome, Error **err);
/* The document of a running machine as users see it: with the CPU that QEMU gave. Caller owns. */
char *vm_xml_format_live(Vm *vm, unsigned format_flags);
/* Puts a firmware of this host in the place of <os firmware=>, as firmware_choose(). */
MUST_CHECK bool vm_choose_firmware(Host *host, DomainDef *def, const QemuCaps *caps, Error **err);
/* Makes the live machine's file of firmware variables from its template, if it is not there or @reset. */
AWAITS MUST_CHECK bool vm_prepare_nvram(Vm *vm, bool reset, Error **err);
/* The file of the defined machine's variables, whether it exists or not; NULL: it has none. Caller owns. */
char *vm_nvram_path(const Vm *vm);
AWAITS bool vm_nvram_exists(const Host *host, const char *path); /* false also if that can't be told */
/* One that is not there is removed already. Follows no link that others could have placed. */
/* The file @to becomes a copy of @from; both are ours or QEMU's user's. */
AWAITS MUST_CHECK bool vm_nvram_copy(const Host *host, const char *from, const char *to, Error **err);
AWAITS MUST_CHECK bool vm_nvram_remove(const Host *host, const char *path, Error **err);

/* ---- process (vm_process.c, vm_start.c, vm_event.c) ---- */

typedef struct VmStartSpec {
    bool paused;
    uint64_t autodestroy_client; /* 0: none */
    int incoming_fd;             /* -1: boots; else reads its state from there. Borrowed */
    const Process *feeder;       /* who writes there (a copier); NULL: unknown */
    int feeder_words_fd;         /* see save_copier_start() */
    DomainDef *incoming_def;     /* NULL: vm->config. Taken */
    int started_detail;          /* STARTED_* */
    int running_reason;          /* RUNNING_* */
    int paused_reason;           /* PAUSED_* */
    bool reset_nvram;
    const SnapshotDef *snapshot;  /* its memory is loaded from inside of the images. NULL: none */
    uint64_t incoming_timeout_ms; /* for the whole state; FIBER_NO_DEADLINE: the feeder has its own */
    int memory_fd;    /* with incoming_fd, whose state has no memory: what is kept of it; borrowed; -1 */
    char **ret_cards; /* with it: see vm_memory_start() */
    /* QEMU waits for a state that somebody else brings: returns when it has all of it. In the place of
     * incoming_fd; NULL: none comes. */
    bool (*receive)(Vm *vm, void *arg, Error **err);
    void *receive_arg;
} VmStartSpec;
#define VM_START_SPEC_INIT                                                                                   \
    {                                                                                                        \
        .incoming_fd = -1, .memory_fd = -1, .started_detail = VIR_DOMAIN_EVENT_STARTED_BOOTED,               \
        .running_reason = VIR_DOMAIN_RUNNING_BOOTED, .paused_reason = VIR_DOMAIN_PAUSED_USER,                \
        .incoming_timeout_ms = FIBER_NO_DEADLINE                                                             \
    }

/* The job is held. A failure leaves nothing behind and the state as SHUTOFF/FAILED. */
AWAITS MUST_CHECK bool vm_start_process(Vm *vm, Job *job, VmStartSpec *spec, Error **err);
/* The job is held. Ends QEMU if it still runs, cleans up, publishes Stopped (-1: a start that failed, nobody
 * was told that it runs), forgets a transient machine. Does nothing if it does not run. */
AWAITS void vm_process_stop(Vm *vm, int shutoff_reason, int stopped_detail);
/* Sends SIGTERM, then SIGKILL; waits for the end. */
AWAITS MUST_CHECK bool vm_process_kill(Vm *vm, bool graceful, Error **err);
void vm_process_watch(Vm *vm); /* notices the end of run->process */
/* @welcome: asked at once (monitor_open()); NULL: nothing is. */
AWAITS MUST_CHECK bool vm_process_connect(Vm *vm, MonitorWelcome *welcome, uint64_t timeout_ms, Error **err);
/* Takes over the QEMU of an earlier daemon. */
AWAITS void vm_process_reattach(Vm *vm, VmStatus *status);
/* QMP handlers: vm_event.c. @arg: a VmMonitor made by vm_process_connect(). */
void vm_event_handle(Vm *vm, const char *name, const Json *data, int64_t seconds, int64_t microseconds);
/* The qemu hook, for a machine that has a run; with little time once a script of that run was given up. */
AWAITS MUST_CHECK bool vm_run_hook(Vm *vm, const char *operation, const char *suboperation, const char *xml,
                                   Error **err);
/* Change the state and publish it, once, whether the command's reply or QEMU's event comes first. */
void vm_mark_paused(Vm *vm, int reason);
void vm_mark_running(Vm *vm, int reason);
void vm_reboot_after_crash(Vm *vm);
/* Does what on_crash says. */
void vm_event_handle_crash(Vm *vm);
char *vm_short_dir_name(int id, const char *name); /* "domain-1-web" */
AWAITS MUST_CHECK bool vm_process_resume_cpus(Vm *vm, int reason, Error **err);
AWAITS MUST_CHECK bool vm_process_pause_cpus(Vm *vm, int reason, Error **err);
/* Lets a machine that must_run go on after a save or dump: now, or as soon as QEMU answers again. The job is
 * held. */
AWAITS void vm_go_on(Vm *vm);
/* A start that the death of the daemon cut off: kills its QEMU, takes everything back. */
AWAITS void vm_process_reap_intent(Host *host, VmStatus *status);
/* The variable in QEMU's environment by which a QEMU without a recorded pid is found: "NAME=path". */
#define VM_TOKEN_VARIABLE "LODGE_STATUS_FILE"
/* The same of its helpers (vm_helper.h): "NAME=helper@path". */
#define VM_HELPER_VARIABLE "LODGE_HELPER"
#define VM_HELPER_SHARED "all" /* stands for the device in names of helpers that serve several */

/* ---- QEMUs of an earlier daemon (vm_token.c) ---- */

/* Looks at all processes, once; failures are logged. */
AWAITS void vm_token_scan(Host *host);
/* The QEMU of machine @name that was found and still runs, @preferred if that is one; 0: none. */
pid_t vm_token_find(const Host *host, const char *name, pid_t preferred);
typedef struct VmTokenHelper {
    char *name;
    pid_t pid;
    uint64_t start_time;
} VmTokenHelper;
/* The helpers of machine @machine (NULL: of all that are left) that were found and still run, of
 * VmTokenHelper, the oldest first; owned. They are not found again. */
GPtrArray *vm_token_take_helpers(Host *host, const char *machine);
/* Warns of those that nobody has taken over. */
void vm_token_report(const Host *host);
/* ERROR_INVALID_STATE: an earlier QEMU of the machine lives that nobody has taken over. */
MUST_CHECK bool vm_token_require_free(const Vm *vm, Error **err);

/* ---- save images (vm_save.c) ---- */

/* Restores @path into @vm, whose job is held. */
AWAITS MUST_CHECK bool vm_restore_image(Vm *vm, Job *job, const char *path, unsigned flags,
                                        uint64_t autodestroy_client, Error **err);

/* Starts with the state in @path; @spec has the rest, incoming_def too (taken). */
AWAITS MUST_CHECK bool vm_restore_state(Vm *vm, Job *job, const char *path, VmStartSpec *spec, Error **err);

/* Writes a core file into the auto dump folder, then does what on_crash says. */
AWAITS void vm_dump_after_crash(Vm *vm);

/* ---- memory for clones, for the start and for the snapshot (vm_memory_clone.c) ---- */

/* Inside of vm_memory_keep(), at the moment that counts: the job is held. On success the machine is paused,
 * and vm_state_end() to be called. */
AWAITS MUST_CHECK bool vm_memory_write(Vm *vm, Job *job, KeptMemory *memory, Error **err);
/* The guest has not run yet: takes the links from its cards, and asks it to let go of the first. */
AWAITS MUST_CHECK bool vm_memory_part_cards(Vm *vm, Error **err);
/* It runs. false only if QEMU is gone. */
AWAITS MUST_CHECK bool vm_memory_change_cards(Vm *vm, char **ret_cards, Error **err);
/* The machine goes on, or has ended. */
void vm_memory_forget(VmRun *run);

/* ---- consoles (vm_console.c) ---- */

void vm_consoles_close(VmRun *run); /* QEMU is gone: end of file for all */

/* The guest is off and QEMU waits: ends it, reboots or keeps it, as on_poweroff says. */
void vm_finish_shutdown(Vm *vm);
