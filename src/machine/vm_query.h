/* What the modules that answer questions about machines (vm_info.c, vm_disk_info.c, vm_stats.c,
 * vm_tunables.c) share. Private to core. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_device.h"
#include "machine/vm_info.h"
#include "machine/vm_private.h"

/* Patience with one QEMU when somebody asks about it alone. */
#define QUERY_TIMEOUT_MS 3000

/* The definition that @flags (virDomainModificationImpact) mean, borrowed until the next await.
 * ERROR_INVALID_ARGUMENT: both at once; else as vm_resolve_affect(). */
MUST_CHECK bool vm_get_affected_def(const Vm *vm, unsigned flags, const DomainDef **ret_def, Error **err);

/* From @devices, the text of net_devices_read() (NULL: unknown), as the guest sees it. false: no numbers. */
bool vm_interface_stats(const InterfaceDef *interface, const char *devices, InterfaceStats *ret_stats);

/* The numbers of the image that the guest sees, borrowed from @stats (monitor_query_block_stats()); NULL. */
const MonitorBlockStats *disk_find_stats(const DiskDef *disk, const GPtrArray *stats);

/* A node of the chain of @disk: "libvirt-3-format"; caller owns. NULL: it was not given a number. */
char *storage_node_name(const StorageSource *source);

/* Asks the balloon's driver in the guest. false: no balloon, or it did not answer. */
AWAITS bool vm_query_balloon_stats(Vm *vm, uint64_t timeout_ms, MonitorBalloonStats *ret_stats);
/* Asks QEMU what the guest has now and notes it; keeps the last value if it does not tell. */
AWAITS void vm_refresh_balloon(Vm *vm, uint64_t timeout_ms);
