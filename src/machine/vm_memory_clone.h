/* Machines that go on from the memory of another one.
 *
 * The memory of a running machine is *kept*: copied once into a sealed memfd of the daemon, with the state of
 * the devices (QEMU's migration stream without that memory) in a second one, both of the moment at which a
 * snapshot froze the disks. A clone's QEMU maps the first as private, so a page is the clone's own from when
 * it is first written to, and reads the second. A seal, because QEMU opens what it maps for writing and gives
 * back pages by punching holes: neither reaches the other clones.
 *
 * Nothing of it has a name in a file system. The kernel keeps the pages as long as a QEMU maps them; the
 * daemon keeps its descriptors while a client holds them, or the original stands still as it was. So whatever
 * dies, and when, nothing is left behind. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

/* What a client needs to make clones; owned. */
typedef struct KeptMemoryInfo {
    char *id;
    char *xml;      /* the machine as it was at that moment, as a definition; with secrets */
    char *snapshot; /* that was taken for it; NULL: none, the one before is still good */
} KeptMemoryInfo;
void kept_memory_info_clear(KeptMemoryInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KeptMemoryInfo, kept_memory_info_clear)

/* Keeps the memory of @vm, which runs or is paused, for @caller until it releases it or leaves. A machine
 * that ran goes on; of one that is paused it is kept once, for all callers, until it goes on.
 *
 * @snapshot_xml  document of the disk-only snapshot that freezes its disks; NULL: it has none of its own
 * @quiesce       its agent holds its file systems still meanwhile
 *
 * ERROR_OPERATION_UNSUPPORTED  memory that is not one shared memfd, or a device that cannot be had twice
 * ERROR_OPERATION_FAILED       not enough memory on the host; QEMU cannot write its state */
AWAITS MUST_CHECK bool vm_memory_keep(Vm *vm, const char *snapshot_xml, bool quiesce, const Caller *caller,
                                      KeptMemoryInfo *ret_info, Error **err);
/* ERROR_INVALID_ARGUMENT: @caller holds no such memory. */
MUST_CHECK bool vm_memory_release(Host *host, const char *id, const Caller *caller, Error **err);
/* All that a client holds, which has left. */
void vm_memory_client_gone(Host *host, uint64_t client_id);

/* Starts @vm, a clone that is defined and whose disks stand on those of that moment. Before its guest runs
 * its cards have lost their links and the guest is asked to let go of them; each that it lets go of comes
 * back with the address of the definition. *ret_cards: addresses of those that it kept, which stay without a
 * link, with spaces between; NULL: none; owned.
 *
 * ERROR_CONFIG_UNSUPPORTED: the guest would notice another difference */
AWAITS MUST_CHECK bool vm_memory_start(Vm *vm, const char *id, const Caller *caller, char **ret_cards,
                                       Error **err);
