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

typedef struct QemuCommandEnv {
    int monitor_fd; /* listening unix socket for QMP, passed in; -1: a path is shown (domxml-to-native) */
    const char *monitor_path;
    const char *lib_dir;         /* the machine's own directory: .../domain-1-web (keys, monitor) */
    const char *channel_dir;     /* default directory of channel sockets for this machine */
    const char *master_key_path; /* secret object masterKey0's file; NULL: none */
    bool sandbox;                /* -sandbox on,... */
    bool dump_guest_core;
    bool start_paused;    /* -S: always for a real start */
    const char *incoming; /* -incoming URI ("defer", "fd:7"); NULL */
    const int *tap_fds;   /* one per interface of def that takes one (bridge, ethernet), in order; NULL for
                             native form */
    size_t n_tap_fds;
    bool native; /* for people: no descriptors, paths and names instead */
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

/* Disks as block nodes: "libvirt-1-storage" (protocol), "libvirt-1-format". Used by both start and hot plug.
 */
MUST_CHECK bool qemu_disk_blockdevs(const DomainDiskDef *disk, unsigned node_index,
                                    GPtrArray **ret_json /* of Json */, Error **err);
MUST_CHECK bool qemu_disk_device(const DomainDef *def, const DomainDiskDef *disk, const QemuCaps *caps,
                                 Json **ret_device, Error **err);
