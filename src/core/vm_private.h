/* The inside of a machine and of the host, for the modules of core alone.
 *
 * Invariants:
 *  1. `live` and `run` are set exactly while there is a QEMU (or one being started or cleaned up).
 *  2. Whoever changes run holds the job; state and runtime values inside live are also changed by QEMU's
 *     events, from the loop.
 *  3. A run is named by its serial: after an await, compare it to know that it is still the same QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "base/process.h"
#include "conf/domain_xml.h"
#include "core/hooks.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "core/object_store.h"
#include "core/stream.h"
#include "core/vm.h"
#include "qemu/agent.h"
#include "qemu/command.h"
#include "qemu/qmp.h"

/* virDomainEventType and details: numbers of the public API. */
enum {
    LIFECYCLE_DEFINED,
    LIFECYCLE_UNDEFINED,
    LIFECYCLE_STARTED,
    LIFECYCLE_SUSPENDED,
    LIFECYCLE_RESUMED,
    LIFECYCLE_STOPPED,
    LIFECYCLE_SHUTDOWN,
    LIFECYCLE_PMSUSPENDED,
    LIFECYCLE_CRASHED
};
enum { DEFINED_ADDED, DEFINED_UPDATED, DEFINED_RENAMED, DEFINED_FROM_SNAPSHOT };
enum { UNDEFINED_REMOVED, UNDEFINED_RENAMED };
enum { STARTED_BOOTED, STARTED_MIGRATED, STARTED_RESTORED, STARTED_FROM_SNAPSHOT, STARTED_WAKEUP };
enum {
    SUSPENDED_PAUSED,
    SUSPENDED_MIGRATED,
    SUSPENDED_IOERROR,
    SUSPENDED_WATCHDOG,
    SUSPENDED_RESTORED,
    SUSPENDED_FROM_SNAPSHOT,
    SUSPENDED_API_ERROR
};
enum { RESUMED_UNPAUSED, RESUMED_MIGRATED, RESUMED_FROM_SNAPSHOT };
enum {
    STOPPED_SHUTDOWN,
    STOPPED_DESTROYED,
    STOPPED_CRASHED,
    STOPPED_MIGRATED,
    STOPPED_SAVED,
    STOPPED_FAILED,
    STOPPED_FROM_SNAPSHOT
};
enum { SHUTDOWN_FINISHED, SHUTDOWN_GUEST, SHUTDOWN_HOST };
enum { CRASHED_PANICKED, CRASHED_CRASHLOADED };

/* Reasons of states: virDomainRunningReason and so on. */
enum {
    RUNNING_UNKNOWN,
    RUNNING_BOOTED,
    RUNNING_MIGRATED,
    RUNNING_RESTORED,
    RUNNING_FROM_SNAPSHOT,
    RUNNING_UNPAUSED,
    RUNNING_MIGRATION_CANCELED,
    RUNNING_SAVE_CANCELED,
    RUNNING_WAKEUP,
    RUNNING_CRASHED
};
enum {
    PAUSED_UNKNOWN,
    PAUSED_USER,
    PAUSED_MIGRATION,
    PAUSED_SAVE,
    PAUSED_DUMP,
    PAUSED_IOERROR,
    PAUSED_WATCHDOG,
    PAUSED_FROM_SNAPSHOT,
    PAUSED_SHUTTING_DOWN,
    PAUSED_SNAPSHOT,
    PAUSED_CRASHED,
    PAUSED_STARTING_UP
};
enum { SHUTDOWN_UNKNOWN, SHUTDOWN_USER };
enum {
    SHUTOFF_UNKNOWN,
    SHUTOFF_SHUTDOWN,
    SHUTOFF_DESTROYED,
    SHUTOFF_CRASHED,
    SHUTOFF_MIGRATED,
    SHUTOFF_SAVED,
    SHUTOFF_FAILED,
    SHUTOFF_FROM_SNAPSHOT,
    SHUTOFF_DAEMON
};

/* ---- ownership of files lent to QEMU (dac.c) ---- */

typedef struct DacItem {
    char *path;
    uid_t uid; /* the owner before, to be restored */
    gid_t gid;
    bool shared; /* read-only or shareable: other machines may use it, too */
} DacItem;

typedef struct DacTable DacTable; /* which paths are lent, how often */

DacTable *dac_table_new(void);
void dac_table_free(DacTable *table);
GPtrArray *dac_list_new(void); /* of DacItem, owning */
/* Notes that @path is to be lent and adds it to @list, with the owner of now (@uid, @gid) or, if another
 * machine borrowed it first, the owner of then. Devices that are everybody's (/dev/null) are left alone. */
void dac_list_add(DacTable *table, GPtrArray *list, const char *path, uid_t uid, gid_t gid, bool shared);
/* Takes over a list read from a status file. */
void dac_list_adopt(DacTable *table, const GPtrArray *list);
/* Gives all files of @list to @uid:@gid, in parallel, each within @timeout_ms. */
AWAITS MUST_CHECK bool dac_apply(const GPtrArray *list, uid_t uid, gid_t gid, uint64_t timeout_ms,
                                 Error **err);
/* Gives back what no other machine holds; failures are logged. Empties @list. */
AWAITS void dac_restore(DacTable *table, GPtrArray *list, uint64_t timeout_ms);

/* The <seclabel model='dac'> of a machine that is about to run: who QEMU will be, who will own its files.
 * Does nothing for a daemon that cannot change users. ERROR_CONFIG_UNSUPPORTED: a label that names no
 * numbers. */
MUST_CHECK bool dac_fill_seclabel(const Host *host, DomainDef *live, Error **err);
/* "+64055:+107" or "64055:107". */
bool dac_parse_label(const char *text, uid_t *ret_uid, gid_t *ret_gid);
/* Who QEMU of @live runs as. */
void dac_get_owner(const Host *host, const DomainDef *live, uid_t *ret_uid, gid_t *ret_gid);
/* true: files of @live are given to QEMU's user; of @source (NULL: any), if its own label does not forbid. */
bool dac_is_wanted(const Host *host, const DomainDef *live, const StorageSource *source);
/* The same for one file that lies with somebody now. */
void dac_lend(Host *host, const DomainDef *live, GPtrArray *list, const char *path,
              const StorageSource *source, uid_t uid, gid_t gid, bool shared);
/* Adds the devices and pipes that QEMU opens by name for character devices and inputs. ERROR_SYSTEM */
AWAITS MUST_CHECK bool dac_lend_devices(Host *host, const DomainDef *live, GPtrArray *list, Error **err);

/* ---- display ports (ports.c) ---- */

typedef struct PortPool PortPool;
PortPool *port_pool_new(void);
void port_pool_free(PortPool *pool);
/* A port of [first, last] that nobody listens on at @address (NULL: all), marked as used.
 * ERROR_INTERNAL as the reference: "Unable to find an unused port in range '%s' (%d-%d)" */
MUST_CHECK bool port_pool_take_any(PortPool *pool, const char *range_name, unsigned first, unsigned last,
                                   const char *address, unsigned *ret_port, Error **err);
void port_pool_mark(PortPool *pool, unsigned port);
void port_pool_release(PortPool *pool, unsigned port);

/* ---- tap devices (tap.c) ---- */

/* Makes a tap device and plugs it into @bridge (NULL: none). *io_name: a template with %d, or NULL for
 * "vnet%d"; the real name afterwards. */
MUST_CHECK bool tap_open(const char *bridge, const Mac *mac, unsigned mtu, unsigned n_queues, char **io_name,
                         int *ret_fds /* n_queues of them */, Error **err);

/* ---- storage (storage_probe.c) ---- */

/* Looks at every image the machine needs, each in the worker lane of its mount, and completes @live: backing
 * chains, formats. Adds to @dac what QEMU must be able to open. An optional medium that is missing is taken
 * out (startupPolicy). */
AWAITS MUST_CHECK bool storage_prepare(Host *host, DomainDef *live, GPtrArray *dac, Error **err);

typedef struct StorageInfo {
    uint64_t capacity, allocation, physical; /* bytes */
    StorageFormat format;
    uid_t uid;
    gid_t gid;
    bool is_block;
    char *backing;                /* absolute path; NULL */
    StorageFormat backing_format; /* ABSENT: unknown */
} StorageInfo;
void storage_info_clear(StorageInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StorageInfo, storage_info_clear)
/* ERROR_SYSTEM "Cannot access storage file '...'"; ERROR_TIMEOUT naming path and mount. @format ABSENT: raw.
 */
AWAITS MUST_CHECK bool storage_probe(const char *path, StorageFormat format, uint64_t timeout_ms,
                                     StorageInfo *ret_info, Error **err);

/* ---- a running QEMU ---- */

typedef struct VmConsole { /* an open console: at most one client */
    char *alias;
    Stream *stream; /* borrowed from the front end until its on_close */
    Vm *vm;         /* counted */
} VmConsole;

typedef struct VmRun {
    uint64_t serial;
    Process *process; /* NULL until forked */
    pid_t pid;        /* 0 until forked */
    Qmp *qmp;         /* NULL until connected, and while it cannot be reached */
    QemuCaps *caps;   /* NULL after a restart, until somebody needs them */
    char *lib_dir, *channel_dir, *monitor_path;
    GArray *vcpu_tids;           /* of pid_t */
    GPtrArray *dac;              /* of DacItem */
    GArray *ports;               /* of unsigned, taken from the pool by us */
    uint64_t autodestroy_client; /* 0: none */
    uint64_t balloon_bytes;      /* the last value that QEMU told */
    bool is_starting;            /* not announced yet: failures undo it */
    bool stopping;               /* vm_process_stop() has begun */
    bool exited;                 /* the process is gone */
    bool guest_shutdown;         /* QEMU said SHUTDOWN */
    bool shutdown_by_host;       /* ... because a signal told it to */
    int pause_reason;            /* PAUSED_*: why the STOP event to come */
    int resume_reason;           /* RUNNING_*: why the RESUME event to come; 0: somebody's 'cont' */
    bool fake_reboot;            /* the coming SHUTDOWN means reboot */
    bool destroying;             /* destroy asked for the end */
    bool panicked;
    bool unanswering;    /* after a restart: QEMU could not be reached, tried again in the background */
    WaitQueue changed;   /* woken by every QMP event and by the end of QEMU */
    int migration_state; /* 0 none, 1 active, 2 completed, 3 failed; told by MIGRATION events */
    bool dump_completed; /* DUMP_COMPLETED seen */
    char *dump_error;
    Agent *agent;
    bool agent_connected; /* the guest opened its end */
    GPtrArray *consoles;  /* of VmConsole */
    int log_fd;           /* -1 after a restart */
    bool pid_written;     /* NAME.pid is there */
    char *temp_path;      /* an image that is being written: removed if the daemon dies meanwhile */
    bool temp_is_save;    /* ... after which the machine ends */
} VmRun;

struct Vm {
    OBJECT_BASE(DomainDef);
    bool has_managed_save;
    VmRun *run; /* NULL: not running */
    VmState state;
    int reason;
    unsigned taints;                  /* TAINT_* */
    bool status_busy, status_pending; /* the status file is being, is about to be written */
    WaitQueue status_idle;
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
    TAINT_CDROM_PASSTHROUGH = 1 << 5
};

/* Makes a machine with that identity and registers it, unlisted. Returns a reference. */
static inline Vm *vm_new(Host *host, const char *name, const Uuid *uuid)
{
    return (Vm *)object_new(vm_registry(host), name, uuid);
}

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
VmRun *vm_run_new(Host *host);
void vm_run_free(VmRun *run);
/* qmp_exec() on the machine's monitor; ERROR_VM_GONE if it has none. Safe against the end of the run. */
AWAITS MUST_CHECK bool vm_qmp(Vm *vm, const char *command, Json *args /* taken */, uint64_t timeout_ms,
                              Json **ret_reply, Error **err);
void vm_taint(Vm *vm, unsigned taint);

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
char *vm_xml_format(const DomainDef *def, unsigned format_flags /* XML_FORMAT_* */);
/* The same of a running machine, as its user could have written it. */
char *vm_xml_format_inactive(const DomainDef *live, unsigned format_flags);
/* Without what every reader adds by itself, with secrets: for another host, perhaps an older one. */
char *vm_xml_format_migratable(const DomainDef *source);
/* ERROR_CONFIG_UNSUPPORTED: @to cannot replace @from in a saved or running state (ABI). */
MUST_CHECK bool vm_xml_check_abi(const DomainDef *from, const DomainDef *to, Error **err);
/* Capabilities of the emulator of @def. */
AWAITS MUST_CHECK bool vm_xml_get_caps(Host *host, const DomainDef *def, QemuCaps **ret_caps, Error **err);

char *vm_save_path(const Host *host, const char *name); /* of the managed save image */

/* ---- status files (vm_status.c) ---- */

char *vm_status_path(const Host *host, const char *name);
char *vm_pid_path(const Host *host, const char *name);
AWAITS MUST_CHECK bool vm_status_save(Vm *vm, Error **err);
/* Soon, in the background; for changes from events. */
void vm_status_save_later(Vm *vm);
AWAITS void vm_status_remove(Vm *vm);
typedef struct VmStatus {
    DomainDef *def;
    VmState state;
    int reason;
    pid_t pid;
    uint64_t start_time; /* 0: unknown (written by libvirtd) */
    char *monitor_path, *lib_dir, *channel_dir;
    GPtrArray *dac;
    GArray *ports;
    GArray *vcpu_tids;
    bool is_starting; /* the start was not finished: no pid, or nobody was told yet */
    bool fake_reboot;
    uint64_t autodestroy_client;
    char *temp_path;
    bool temp_is_save;
    unsigned taints;
} VmStatus;
char *vm_status_format(const Vm *vm);
MUST_CHECK bool vm_status_parse(const char *text, size_t len, const char *name, VmStatus **ret_status,
                                Error **err);
void vm_status_free(VmStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmStatus, vm_status_free)

/* ---- what a start needs besides the process (vm_prepare.c) ---- */

typedef struct CharFd {
    const CharSource *source; /* borrowed from the live definition */
    int fd;
} CharFd;
typedef struct VmResources {     /* descriptors for QEMU: closed when it has them, or when the start failed */
    GArray *tap_fds, *vhost_fds; /* of int */
    GArray *char_fds;            /* of CharFd */
    int monitor_fd;
} VmResources;
void vm_resources_init(VmResources *resources);
void vm_resources_clear(VmResources *resources);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmResources, vm_resources_clear)
int vm_resources_char_fd(const char *alias, const CharSource *source, void *resources);
/* Makes the machine's directories, owned by QEMU's user. */
AWAITS MUST_CHECK bool vm_prepare_dirs(Vm *vm, Error **err);
MUST_CHECK bool vm_prepare_graphics(Vm *vm, Error **err);
AWAITS MUST_CHECK bool vm_prepare_chars(Vm *vm, VmResources *resources, Error **err);
MUST_CHECK bool vm_prepare_interfaces(Vm *vm, VmResources *resources, Error **err);
MUST_CHECK bool vm_prepare_monitor(Vm *vm, VmResources *resources, Error **err);
AWAITS MUST_CHECK bool vm_prepare_nvram(Vm *vm, bool reset, Error **err);

/* ---- process (vm_process.c, vm_start.c, vm_event.c) ---- */

typedef struct VmStartSpec {
    bool paused;
    uint64_t autodestroy_client; /* 0: none */
    int incoming_fd;             /* -1: boots; else reads its state from there. Borrowed */
    DomainDef *incoming_def;     /* NULL: vm->config. Taken */
    int started_detail;          /* STARTED_* */
    int running_reason;          /* RUNNING_* */
    int paused_reason;           /* PAUSED_* */
    bool reset_nvram;
    uint64_t incoming_timeout_ms; /* for the whole state; FIBER_NO_DEADLINE: the feeder has its own */
} VmStartSpec;
#define VM_START_SPEC_INIT                                                                                   \
    {                                                                                                        \
        .incoming_fd = -1, .started_detail = STARTED_BOOTED, .running_reason = RUNNING_BOOTED,               \
        .paused_reason = PAUSED_USER, .incoming_timeout_ms = FIBER_NO_DEADLINE                               \
    }

/* The job is held. A failure leaves nothing behind and the state as SHUTOFF/FAILED. */
AWAITS MUST_CHECK bool vm_start_process(Vm *vm, Job *job, VmStartSpec *spec, Error **err);
/* The job is held. Ends QEMU if it still runs, cleans up, publishes Stopped (-1: a start that failed, nobody
 * was told that it runs), forgets a transient machine. Does nothing if it does not run. */
AWAITS void vm_process_stop(Vm *vm, int shutoff_reason, int stopped_detail);
/* Sends SIGTERM, then SIGKILL; waits for the end. */
AWAITS MUST_CHECK bool vm_process_kill(Vm *vm, bool graceful, Error **err);
void vm_process_watch(Vm *vm); /* notices the end of run->process */
AWAITS MUST_CHECK bool vm_process_connect(Vm *vm, uint64_t timeout_ms, Error **err);
/* Takes over the QEMU of an earlier daemon. */
AWAITS void vm_process_reattach(Vm *vm, VmStatus *status);
/* QMP handlers: vm_event.c. @arg: a VmMonitor made by vm_process_connect(). */
void vm_event_handle(Vm *vm, const char *name, const Json *data, int64_t seconds, int64_t microseconds);
/* Removes domain directory, sockets and taps, gives files back, releases ports. */
AWAITS void vm_process_cleanup(Vm *vm);
/* Change the state and publish it, once, whether the command's reply or QEMU's event comes first. */
void vm_mark_paused(Vm *vm, int reason);
void vm_mark_running(Vm *vm, int reason);
void vm_reboot_after_crash(Vm *vm);
/* Does what on_crash says. */
void vm_event_handle_crash(Vm *vm);
char *vm_log_path(const Host *host, const char *name);
char *vm_short_dir_name(int id, const char *name); /* "domain-1-web" */
AWAITS MUST_CHECK bool vm_process_resume_cpus(Vm *vm, int reason, Error **err);
AWAITS MUST_CHECK bool vm_process_pause_cpus(Vm *vm, int reason, Error **err);
/* A start that the death of the daemon cut off: kills its QEMU, takes everything back. */
AWAITS void vm_process_reap_intent(Host *host, VmStatus *status);
/* The variable in QEMU's environment by which a QEMU without a recorded pid is found: "NAME=path". */
#define VM_TOKEN_VARIABLE "LODGE_STATUS_FILE"

/* ---- guest agent (vm_agent.c) ---- */

/* The open connection to the guest agent, made if needed; borrowed until the next await.
 * ERROR_ARGUMENT_UNSUPPORTED "QEMU guest agent is not configured", ERROR_AGENT_UNRESPONSIVE. */
AWAITS MUST_CHECK bool vm_agent(Vm *vm, Agent **ret_agent, Error **err);
bool vm_agent_is_connected(const Vm *vm);

/* ---- save images (vm_save.c) ---- */

/* Restores @path into @vm, whose job is held. */
AWAITS MUST_CHECK bool vm_restore_image(Vm *vm, Job *job, const char *path, unsigned flags,
                                        uint64_t autodestroy_client, Error **err);

/* Writes a core file into the auto dump folder, then does what on_crash says. */
AWAITS void vm_dump_after_crash(Vm *vm);

/* ---- consoles (vm_console.c) ---- */

void vm_consoles_close(VmRun *run); /* QEMU is gone: end of file for all */
void vm_console_free(VmConsole *console);

/* The guest is off and QEMU waits: ends it, reboots or keeps it, as on_poweroff says. */
void vm_finish_shutdown(Vm *vm);

/* Where no udev rule did it, gives /dev/kvm to group @gid as the usual rule does. */
void dac_lend_kvm(uid_t uid, gid_t gid);
