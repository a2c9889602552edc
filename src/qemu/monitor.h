/* What the daemon asks of a running QEMU, as typed functions over QMP (source: QEMU's QMP reference).
 *
 * Each call AWAITS, takes a deadline (@timeout_ms; 0 selects QMP's default), fails as qmp_exec() does, and
 * leaves its outputs alone when it fails; @qmp NULL is ERROR_VM_GONE. Replies are checked: one without what
 * it must have is ERROR_INTERNAL naming the command; lists are bounded; members that are missing become 0,
 * NULL or the stated "unknown". After success the connection is still open; check the machine's state again.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/uuid.h"
#include "qemu/qmp.h"

/* ---- the machine's run state ---- */

typedef enum MonitorRunState {
    MONITOR_RUN_UNKNOWN, /* a state that Lodge does not know */
    MONITOR_RUN_COLO,
    MONITOR_RUN_DEBUG,
    MONITOR_RUN_FINISH_MIGRATE,
    MONITOR_RUN_GUEST_PANICKED,
    MONITOR_RUN_INMIGRATE,
    MONITOR_RUN_INTERNAL_ERROR,
    MONITOR_RUN_IO_ERROR,
    MONITOR_RUN_PAUSED,
    MONITOR_RUN_POSTMIGRATE,
    MONITOR_RUN_PRELAUNCH,
    MONITOR_RUN_RESTORE_VM,
    MONITOR_RUN_RUNNING,
    MONITOR_RUN_SAVE_VM,
    MONITOR_RUN_SHUTDOWN,
    MONITOR_RUN_SUSPENDED,
    MONITOR_RUN_WATCHDOG,
    MONITOR_RUN_COUNT
} MonitorRunState;

typedef struct MonitorStatus {
    MonitorRunState run_state;
    bool running; /* vCPUs execute */
} MonitorStatus;
AWAITS MUST_CHECK bool monitor_query_status(Qmp *qmp, uint64_t timeout_ms, MonitorStatus *ret_status,
                                            Error **err);

/* The same as the wire protocol's domain state (virDomainState) and reason, as far as QEMU alone can tell: a
 * paused machine's reason may be better known to the caller. */
void monitor_run_state_to_domain(MonitorRunState run_state, int *ret_state, int *ret_reason);

AWAITS MUST_CHECK bool monitor_stop(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_cont(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_powerdown(Qmp *qmp, uint64_t timeout_ms, Error **err); /* the ACPI button */
AWAITS MUST_CHECK bool monitor_reset(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_wakeup(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_inject_nmi(Qmp *qmp, uint64_t timeout_ms, Error **err);
/* The guest's idea of the ticks that it missed is moot: its clock was set. Not every machine has that. */
AWAITS MUST_CHECK bool monitor_reset_rtc_ticks(Qmp *qmp, uint64_t timeout_ms, Error **err);

/* ---- CPUs, I/O threads, character devices ---- */

typedef struct MonitorCpu {
    unsigned index;
    int64_t thread_id; /* of the host; positive */
    char *qom_path;
    int64_t socket_id, die_id, core_id, hw_thread_id, node_id; /* -1: not told */
} MonitorCpu;
/* Of MonitorCpu, by index. */
AWAITS MUST_CHECK bool monitor_query_cpus(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_cpus, Error **err);
/* A place for a vCPU. */
typedef struct MonitorCpuSlot {
    char *driver;   /* "qemu64-x86_64-cpu" */
    Json *props;    /* where it is: arguments of device_add */
    char *qom_path; /* of the one that is there; NULL: none */
} MonitorCpuSlot;
/* By number of the vCPU. */
AWAITS MUST_CHECK bool monitor_query_cpu_slots(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_slots,
                                               Error **err);
typedef struct MonitorIoThread {
    char *id;
    int64_t thread_id;
    int64_t poll_max_ns, poll_grow, poll_shrink;
} MonitorIoThread;
AWAITS MUST_CHECK bool monitor_query_iothreads(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_threads,
                                               Error **err);

typedef struct MonitorChardev {
    char *label;        /* "charserial0" */
    char *filename;     /* as QEMU shows it: "pty:/dev/pts/3" */
    char *pty;          /* "/dev/pts/3"; NULL if it is none */
    bool frontend_open; /* the guest has its side open */
} MonitorChardev;
/* What is told and asked at once when a connection begins: every switch to QEMU and back costs its turn on a
 * processor. */
typedef struct MonitorWelcome {
    const char *balloon_alias; /* NULL: has none, so nothing of the next two */
    unsigned balloon_period_s; /* 0: as it is */
    uint64_t balloon_target;   /* bytes; 0: as it is */
    bool balloon_is_empty;     /* that is known: nobody asks how full it is */
    bool has_cpuid;            /* of x86: cpuid is wanted */
    /* Answers. */
    GPtrArray *cpus;        /* of MonitorCpu, by index */
    GHashTable *chardevs;   /* label -> MonitorChardev */
    uint64_t balloon_bytes; /* 0: has none */
    Json *cpuid; /* what it says in the guest: a list of words, as qemu_live_cpu() reads it; NULL: not told */
} MonitorWelcome;
void monitor_welcome_clear(MonitorWelcome *welcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MonitorWelcome, monitor_welcome_clear)
AWAITS MUST_CHECK bool monitor_welcome(Qmp *qmp, MonitorWelcome *welcome, uint64_t timeout_ms, Error **err);
/* *ret_chardevs as MonitorWelcome.chardevs, owned. */
AWAITS MUST_CHECK bool monitor_query_chardevs(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_chardevs,
                                              Error **err);
/* qmp_open() with these questions asked at once. */
AWAITS MUST_CHECK bool monitor_open(int fd, const char *name, const QmpHandlers *handlers,
                                    MonitorWelcome *welcome, uint64_t timeout_ms, Qmp **ret_qmp, Error **err);

/* Names of all devices that have one. Owned: of char *. */
AWAITS MUST_CHECK bool monitor_list_devices(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_names,
                                            Error **err);

/* ---- network cards ---- */

typedef struct MonitorRxFilter {
    Mac mac; /* that the guest uses */
    bool promiscuous, all_multicast;
} MonitorRxFilter;
/* QEMU tells of a change (NIC_RX_FILTER_CHANGED) once per question. */
AWAITS MUST_CHECK bool monitor_query_rx_filter(Qmp *qmp, const char *alias, uint64_t timeout_ms,
                                               MonitorRxFilter *ret_filter, Error **err);
typedef struct MonitorAnnounce {
    unsigned initial_ms, max_ms, rounds,
        step_ms; /* between the announcements: at first, at most, more each time */
} MonitorAnnounce;
/* The guest's addresses are told to the switches around. @alias NULL: of all cards. */
AWAITS MUST_CHECK bool monitor_announce_self(Qmp *qmp, const char *alias, const MonitorAnnounce *how,
                                             uint64_t timeout_ms, Error **err);
/* Whether a guest that reboots does, or QEMU tells that it has shut down. */
AWAITS MUST_CHECK bool monitor_set_reboot_action(Qmp *qmp, bool reboots, uint64_t timeout_ms, Error **err);
/* BLOCK_WRITE_THRESHOLD comes once when a write of @node reaches beyond; 0: never. */
AWAITS MUST_CHECK bool monitor_set_write_threshold(Qmp *qmp, const char *node, uint64_t bytes,
                                                   uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_set_link(Qmp *qmp, const char *alias, bool up, uint64_t timeout_ms,
                                        Error **err);

/* ---- disks ---- */

/* "/machine/peripheral/virtio-disk0/virtio-backend" or "scsi0-0-0-0": the alias in it; NULL for other places
 * and for NULL. Owned. */
char *monitor_alias_from_qdev(const char *qdev);

typedef enum MonitorIoStatus { MONITOR_IO_OK, MONITOR_IO_FAILED, MONITOR_IO_NO_SPACE } MonitorIoStatus;
typedef struct MonitorDisk {
    char *alias; /* of the device: "virtio-disk0" */
    bool removable, tray_open, locked, has_medium;
    MonitorIoStatus io_status;
    char *node_name; /* of the medium; NULL without one */
    bool read_only, is_throttled;
} MonitorDisk;
/* GHashTable alias -> MonitorDisk. */
AWAITS MUST_CHECK bool monitor_query_disks(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_disks,
                                           Error **err);

typedef struct MonitorBlockStats {
    char *alias;     /* of the device; NULL for a node without one */
    char *node_name; /* NULL if QEMU named it itself */
    unsigned depth;  /* 0: the image the guest sees, 1: its backing image, ... */
    uint64_t rd_bytes, rd_ops, rd_ns, wr_bytes, wr_ops, wr_ns, flush_ops, flush_ns;
    uint64_t unmap_bytes, unmap_ops, unmap_ns;
    uint64_t failed_ops;        /* of all kinds */
    uint64_t wr_highest_offset; /* of the protocol layer; 0 unknown */
    /* How long operations took: of reads, writes, flushes, as QEMU tells it; NULL: not counted. */
    Json *latencies[3];
} MonitorBlockStats;
/* GPtrArray of MonitorBlockStats; each device is followed by its backing chain. */
AWAITS MUST_CHECK bool monitor_query_block_stats(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_stats,
                                                 Error **err);

typedef struct MonitorBlockNode {
    char *node_name, *driver, *filename;
    uint64_t virtual_bytes;
    uint64_t actual_bytes;    /* UINT64_MAX: unknown */
    uint64_t write_threshold; /* 0: none */
    char *backing_file;       /* NULL: none */
    bool read_only;
} MonitorBlockNode;
/* ERROR_REFUSED: something uses it */
AWAITS MUST_CHECK bool monitor_remove_block_node(Qmp *qmp, const char *node_name, uint64_t timeout_ms,
                                                 Error **err);
/* GHashTable node name -> MonitorBlockNode, without the images behind each. */
AWAITS MUST_CHECK bool monitor_query_block_nodes(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_nodes,
                                                 Error **err);

/* Gives the node a new size, which the guest hears of. */
AWAITS MUST_CHECK bool monitor_resize_block(Qmp *qmp, const char *node_name, uint64_t bytes,
                                            uint64_t timeout_ms, Error **err);

/* Reads the certificates of VNC again. */
AWAITS MUST_CHECK bool monitor_reload_display(Qmp *qmp, uint64_t timeout_ms, Error **err);

/* The CD or floppy drive @alias: opens (@force: also when the guest locked it) or closes its tray; takes out
 * or puts in the node @node_name. */
AWAITS MUST_CHECK bool monitor_open_tray(Qmp *qmp, const char *alias, bool force, uint64_t timeout_ms,
                                         Error **err);
AWAITS MUST_CHECK bool monitor_close_tray(Qmp *qmp, const char *alias, uint64_t timeout_ms, Error **err);
/* The tray must have been opened; if the guest has closed it meanwhile, it is opened again (@force: also if
 * it is locked). */
AWAITS MUST_CHECK bool monitor_remove_medium(Qmp *qmp, const char *alias, bool force, uint64_t timeout_ms,
                                             Error **err);
AWAITS MUST_CHECK bool monitor_insert_medium(Qmp *qmp, const char *alias, const char *node_name, bool force,
                                             uint64_t timeout_ms, Error **err);

/* ---- jobs of the block layer ---- */

typedef struct MonitorBlockJob {
    char *id;
    char *status;         /* "running", "concluded" ... */
    char *problem;        /* why it failed; NULL */
    uint64_t done, total; /* bytes, mostly */
    uint64_t speed;       /* bytes per second; 0: no limit, or not told */
    bool is_ready;
} MonitorBlockJob;
/* GPtrArray of MonitorBlockJob. The first tells of all jobs, but not their speed; the second, of jobs that
 * have not ended, does. */
AWAITS MUST_CHECK bool monitor_query_jobs(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_jobs, Error **err);
AWAITS MUST_CHECK bool monitor_query_block_jobs(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_jobs,
                                                Error **err);
const MonitorBlockJob *monitor_find_job(const GPtrArray *jobs, const char *id); /* borrowed; NULL */

typedef enum MonitorJobWord {
    MONITOR_JOB_END,       /* cancels a block job; one that is ready ends with a copy that is whole */
    MONITOR_JOB_BREAK_OFF, /* cancels any job, at once */
    MONITOR_JOB_PIVOT,     /* the guest goes on with the other image */
    MONITOR_JOB_FINALIZE,
    MONITOR_JOB_DISMISS,
} MonitorJobWord;
AWAITS MUST_CHECK bool monitor_tell_job(Qmp *qmp, MonitorJobWord word, const char *id, uint64_t timeout_ms,
                                        Error **err);
AWAITS MUST_CHECK bool monitor_set_job_speed(Qmp *qmp, const char *id, uint64_t bytes_per_s,
                                             uint64_t timeout_ms, Error **err);

/* ---- memory ---- */

/* What the guest has now. ERROR_REFUSED without a balloon. */
AWAITS MUST_CHECK bool monitor_query_balloon(Qmp *qmp, uint64_t timeout_ms, uint64_t *ret_bytes, Error **err);
AWAITS MUST_CHECK bool monitor_set_balloon(Qmp *qmp, uint64_t bytes, uint64_t timeout_ms, Error **err);

/* Statistics that the guest's driver told; UINT64_MAX: not told. Bytes and counts. */
typedef struct MonitorBalloonStats {
    uint64_t swap_in, swap_out, major_faults, minor_faults, free, total, available, disk_caches,
        hugetlb_allocations, hugetlb_failures;
    uint64_t last_update_s; /* since the epoch; 0: never */
} MonitorBalloonStats;
/* @alias: of the balloon device ("balloon0"). */
AWAITS MUST_CHECK bool monitor_query_balloon_stats(Qmp *qmp, const char *alias, uint64_t timeout_ms,
                                                   MonitorBalloonStats *ret_stats, Error **err);
/* How often QEMU asks the guest for them; 0: never. */
/* How much of its memory the virtio-mem device @alias is to give to the guest. */
AWAITS MUST_CHECK bool monitor_set_requested_size(Qmp *qmp, const char *alias, uint64_t bytes,
                                                  uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_set_balloon_period(Qmp *qmp, const char *alias, unsigned period_s,
                                                  uint64_t timeout_ms, Error **err);

/* ---- display and keyboard ---- */

/* Writes the screen into @fd, borrowed: an empty file open for writing only (QEMU compares the access mode).
 * @device: alias of the video device, NULL the first; @head of it. @png: as PNG (QEMU 7.1 and later), else
 * PPM. */
AWAITS MUST_CHECK bool monitor_screendump(Qmp *qmp, int fd, const char *device, unsigned head, bool png,
                                          uint64_t timeout_ms, Error **err);

#define MONITOR_MAX_KEYS 16
/* Presses all @codes of @set (KeycodeSet, keycode.h) at once for @hold_ms (0: QEMU's 100 ms). Does not wait
 * for the release. */
AWAITS MUST_CHECK bool monitor_send_keys(Qmp *qmp, unsigned set, const unsigned *codes, size_t n_codes,
                                         unsigned hold_ms, uint64_t timeout_ms, Error **err);

/* Hands a client's connection @fd, borrowed, to the server of @protocol, "vnc" or "spice". */
AWAITS MUST_CHECK bool monitor_add_client(Qmp *qmp, const char *protocol, int fd, bool skip_auth,
                                          uint64_t timeout_ms, Error **err);
/* @protocol "vnc" or "spice". @password NULL: stays as it is. @connected: what happens to clients that are
 * there, "keep", "fail" or "disconnect" (NULL: keep). @expire: "never", "now", "+SECONDS" or seconds since
 * the epoch; NULL: as it was. The password reaches neither argv nor log. */
AWAITS MUST_CHECK bool monitor_set_password(Qmp *qmp, const char *protocol, const char *password,
                                            const char *connected, const char *expire, uint64_t timeout_ms,
                                            Error **err);

/* ---- migration (also to a file: save) and memory dump ---- */

typedef enum MonitorJobStatus {
    MONITOR_JOB_NONE, /* none was begun */
    MONITOR_JOB_SETUP,
    MONITOR_JOB_ACTIVE,
    MONITOR_JOB_PAUSED,   /* pre-switchover: the guest is stopped, and QEMU waits for us */
    MONITOR_JOB_POSTCOPY, /* the guest runs on the other side, and what is left of its memory follows */
    MONITOR_JOB_BROKEN,   /* postcopy-paused: the link broke meanwhile */
    MONITOR_JOB_DEVICE,   /* the guest is stopped, device state goes over */
    MONITOR_JOB_CANCELLING,
    MONITOR_JOB_CANCELLED,
    MONITOR_JOB_COMPLETED,
    MONITOR_JOB_FAILED,
} MonitorJobStatus;

typedef struct MonitorMigration {
    MonitorJobStatus status;
    char *problem; /* QEMU's words when it failed; NULL */
    uint64_t elapsed_ms, downtime_ms, expected_downtime_ms, setup_ms;
    uint64_t ram_total, ram_transferred, ram_remaining; /* bytes */
    uint64_t dirty_pages_per_s, page_bytes, normal_pages, normal_bytes, zero_pages, dirty_sync_count;
    uint64_t postcopy_requests, throttle_percent;
    uint64_t cache_bytes, compressed_bytes, compressed_pages, cache_misses, cache_overflows; /* xbzrle */
    double mbps;
} MonitorMigration;
void monitor_migration_clear(MonitorMigration *migration);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MonitorMigration, monitor_migration_clear)

/* Each capability of @on ("pause-before-switchover", ...; NULL-terminated) on. */
#define MIGRATE_WITHOUT_SHARED "x-ignore-shared" /* memory that others see, too, is not in the stream */
AWAITS MUST_CHECK bool monitor_set_migration_capabilities(Qmp *qmp, const char *const *on,
                                                          uint64_t timeout_ms, Error **err);
/* @bytes_per_s: 0 leaves it as it is; UINT64_MAX as fast as it goes. */
AWAITS MUST_CHECK bool monitor_set_migration_speed(Qmp *qmp, uint64_t bytes_per_s, uint64_t timeout_ms,
                                                   Error **err);
/* Begins to write the machine's state into @fd (a pipe or socket; a file only through a helper that writes
 * it), borrowed. Progress: MIGRATION events and monitor_query_migration(). */
AWAITS MUST_CHECK bool monitor_migrate_to_fd(Qmp *qmp, int fd, uint64_t timeout_ms, Error **err);
/* For a QEMU started with -incoming defer: reads the state from @fd, borrowed. */
AWAITS MUST_CHECK bool monitor_migrate_from_fd(Qmp *qmp, int fd, uint64_t timeout_ms, Error **err);
/* The same over the network: QEMU itself connects, or listens, at @uri ("tcp:10.0.0.2:49152"). @resume: goes
 * on after MONITOR_JOB_BROKEN. */
AWAITS MUST_CHECK bool monitor_migrate_to_uri(Qmp *qmp, const char *uri, bool resume, uint64_t timeout_ms,
                                              Error **err);
AWAITS MUST_CHECK bool monitor_migrate_from_uri(Qmp *qmp, const char *uri, bool recover, uint64_t timeout_ms,
                                                Error **err);
/* @capabilities: {name: bool}; @parameters: as migrate-set-parameters takes them. Owned, NULL: none. */
AWAITS MUST_CHECK bool monitor_set_migration_options(Qmp *qmp, Json *capabilities, Json *parameters,
                                                     uint64_t timeout_ms, Error **err);
/* What query-migrate-parameters says. Owned. */
AWAITS MUST_CHECK bool monitor_query_migration_parameters(Qmp *qmp, uint64_t timeout_ms,
                                                          Json **ret_parameters, Error **err);
/* Leaves MONITOR_JOB_PAUSED; goes over to MONITOR_JOB_POSTCOPY. */
AWAITS MUST_CHECK bool monitor_migrate_continue(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_migrate_start_postcopy(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_query_migration(Qmp *qmp, uint64_t timeout_ms, MonitorMigration *ret_migration,
                                               Error **err);
AWAITS MUST_CHECK bool monitor_cancel_migration(Qmp *qmp, uint64_t timeout_ms, Error **err);
/* How fast the guest changes its memory, as measured last: DirtyRateInfo of QAPI. Owned. */
AWAITS MUST_CHECK bool monitor_query_dirty_rate(Qmp *qmp, uint64_t timeout_ms, Json **ret_rate, Error **err);

typedef struct MonitorDump {
    MonitorJobStatus status; /* NONE, ACTIVE, COMPLETED or FAILED */
    uint64_t done_bytes, total_bytes;
} MonitorDump;
/* Begins to dump the guest's memory into @fd, borrowed, in the background (a DUMP_COMPLETED event tells the
 * end).
 * @format: "elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp"; NULL: elf. kdump formats need a @fd
 * that seeks. */
AWAITS MUST_CHECK bool monitor_dump_to_fd(Qmp *qmp, int fd, const char *format, uint64_t timeout_ms,
                                          Error **err);
AWAITS MUST_CHECK bool monitor_query_dump(Qmp *qmp, uint64_t timeout_ms, MonitorDump *ret_dump, Error **err);
