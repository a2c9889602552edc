/* The QEMU command line of a machine: the plan of the machine itself and those of its devices, printed. In
 * JSON form where QEMU takes it. Secrets never appear in argv.
 *
 * Pure: touches no file and no process. What it needs from outside (descriptors, ports, paths) comes in
 * QemuCommandEnv. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "conf/domain_def.h"
#include "qemu/plan.h"
#include "qemu/qemu_caps.h"
#include "qemu/secret_data.h"

/* Where memory of pages of one size comes from: the machine's folder in a mounted hugetlbfs. */
typedef struct QemuHugePages {
    uint64_t page_bytes;
    char *folder;
} QemuHugePages;

#define QEMU_PR_HELPER_SOCKET "pr-helper0.sock" /* in the machine's own directory */
#define QEMU_MEMORY_FD "memory" /* in env->fds: a file that all of the memory is mapped from, privately */
#define QEMU_MONITOR_ALIAS "monitor" /* of the chardev of the control connection */

typedef struct QemuCommandEnv {
    const char *monitor_path;
    const char *lib_dir;         /* the machine's own directory: .../domain-1-web; QEMU's HOME */
    const char *master_key_path; /* secret object masterKey0's file; NULL: none */
    const QemuSecrets *secrets;  /* what the sources of disks need; NULL: this is for people */
    const char *nbd_tls_dir;     /* certificates of NBD disks, of character devices, of SPICE (NULL: none) */
    const char *chardev_tls_dir, *spice_tls_dir, *vnc_tls_dir;
    bool vnc_tls_verify;
    bool vnc_sasl, spice_sasl;
    const char *vnc_sasl_dir, *spice_sasl_dir; /* NULL: SASL's own */
    bool chardev_tls, chardev_tls_verify; /* qemu.conf: for those that do not say; ask clients for theirs */
    bool sandbox;                         /* -sandbox on,... */
    bool dump_guest_core;                 /* used where the definition does not say */
    bool start_paused;                    /* -S: always for a real start */
    bool vnc_has_password, spice_has_password; /* qemu.conf has one for displays without */
    const QemuHugePages *huge_pages;           /* the default size first */
    size_t n_huge_pages;
    const CpuSet *numa_nodes; /* where <memory placement='auto'> is; NULL: anywhere */
    const char *incoming;     /* -incoming URI ("defer", "fd:7"); NULL */
    /* Descriptors by the names that device.h makes, for taps, and for sockets and files that the daemon opens
     * itself, the monitor's ("charmonitor") among them; what is not there QEMU opens by name. NULL: this is
     * for people, who are shown names. */
    const PlanFds *fds;
    /* What the reference says over QMP after the start is left out: domxml-to-native. */
    bool for_reference;
    int64_t now_s; /* wall clock, for clocks with an adjustment */
} QemuCommandEnv;

typedef struct QemuCommand QemuCommand;

/* ERROR_CONFIG_UNSUPPORTED: what @def wants and this QEMU (or Lodge so far) can't do, naming the element. */
MUST_CHECK bool qemu_command_build(const DomainDef *def, const QemuCaps *caps, const QemuCommandEnv *env,
                                   QemuCommand **ret_command, Error **err);
void qemu_command_free(QemuCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuCommand, qemu_command_free)

const char *const *
qemu_command_argv(const QemuCommand *command); /* NULL-terminated, argv[0] the emulator; borrowed */
const char *const *qemu_command_envp(const QemuCommand *command);
/* The arguments and the elements of the document that caused them: of PlanStep, printed; borrowed. */
const GPtrArray *qemu_command_arguments(const QemuCommand *command);
char *qemu_command_format(const QemuCommand *command); /* shell-quoted text, one option a line */

/* What block commands call the device of a disk (a QOM path, or its alias). Owned. */
char *qemu_disk_backend_path(const DiskDef *disk);
/* The object of an I/O thread. Owned. */
Json *qemu_iothread_object(const IothreadDef *thread);
Json *qemu_throttle_object(const DiskIotune *group);
Json *qemu_throttle_limits(const DiskIotune *group); /* its property `limits` */
/* How many taps (queues) an interface needs; 0 for kinds without a tap (user, sockets). */
unsigned qemu_interface_queues(const InterfaceDef *iface);
