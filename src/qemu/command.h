/* The QEMU command line of a machine: built in one pass by small functions per device class, in JSON form
 * where QEMU takes it (-blockdev, -device, -object, -netdev, -chardev as options). Hot plug uses the same
 * functions over QMP, so cold and hot can't differ. Secrets never appear in argv.
 *
 * Pure: touches no file and no process. What it needs from outside (descriptors, ports, paths) comes in
 * QemuCommandEnv. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "conf/domain_def.h"
#include "qemu/qemu_caps.h"

/* Where memory of pages of one size comes from: the machine's folder in a mounted hugetlbfs. */
typedef struct QemuHugePages {
    uint64_t page_bytes;
    char *folder;
} QemuHugePages;

typedef struct QemuCommandEnv {
    int monitor_fd; /* listening unix socket for QMP, passed in; -1: by monitor_path */
    const char *monitor_path;
    const char *lib_dir;         /* the machine's own directory: .../domain-1-web; QEMU's HOME */
    const char *master_key_path; /* secret object masterKey0's file; NULL: none */
    bool sandbox;                /* -sandbox on,... */
    bool dump_guest_core;        /* used where the definition does not say */
    bool start_paused;           /* -S: always for a real start */
    bool vnc_has_password, spice_has_password; /* qemu.conf has one for displays without */
    const QemuHugePages *huge_pages;           /* the default size first */
    size_t n_huge_pages;
    const char *incoming; /* -incoming URI ("defer", "fd:7"); NULL */
    /* Taps, flattened: qemu_interface_queues() descriptors per interface that needs them, in document order;
     * vhost descriptors likewise or NULL. NULL taps: names are shown instead of descriptors (for people). */
    const int *tap_fds;
    const int *vhost_fds;
    size_t n_tap_fds;
    /* An open descriptor for a character device that the daemon opens itself (a file, a unix socket), or for
     * the device's log file; -1: QEMU opens it by name. NULL: always by name. */
    int (*char_fd)(const CharSource *source, bool is_log, void *arg);
    void *arg;
    int64_t now_s; /* wall clock, for clocks with an adjustment */
} QemuCommandEnv;

/* One argument with its value and the element of the domain XML that caused it (an XPath such as
 * "/domain/devices/disk[1]"; NULL: Lodge itself needs it; then @note says why). */
typedef struct QemuArgument {
    char *argument, *value; /* "-device", "{...}"; value NULL for a flag */
    char *source;
    char *note;
} QemuArgument;

typedef struct QemuCommand QemuCommand;

/* ERROR_CONFIG_UNSUPPORTED: what @def wants and this QEMU (or Lodge so far) can't do, naming the element. */
MUST_CHECK bool qemu_command_build(const DomainDef *def, const QemuCaps *caps, const QemuCommandEnv *env,
                                   QemuCommand **ret_command, Error **err);
void qemu_command_free(QemuCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuCommand, qemu_command_free)

const char *const *
qemu_command_argv(const QemuCommand *command); /* NULL-terminated, argv[0] the emulator; borrowed */
const char *const *qemu_command_envp(const QemuCommand *command);
const GPtrArray *qemu_command_arguments(const QemuCommand *command); /* of QemuArgument, borrowed */
char *qemu_command_format(const QemuCommand *command); /* shell-quoted text, one option a line */

/* How many taps (queues) an interface needs; 0 for kinds without a tap (user, sockets). */
unsigned qemu_interface_queues(const InterfaceDef *iface);

/* The block nodes of a disk, lowest first: "libvirt-N-storage" (protocol) and "libvirt-N-format" of each
 * image of the chain. src.index must be set (qemu_assign_aliases()). Used by start and hot plug. */
MUST_CHECK bool qemu_disk_blockdevs(const DiskDef *disk, GPtrArray **ret_nodes /* of Json */, Error **err);
/* The -device object of a disk; @boot_index 0: none. */
MUST_CHECK bool qemu_disk_device(const DomainDef *def, const DiskDef *disk, const QemuCaps *caps,
                                 unsigned boot_index, Json **ret_device, Error **err);
/* Name of the node that holds the guest-visible image ("libvirt-1-format"); caller owns. */
char *qemu_disk_node_name(const DiskDef *disk);
