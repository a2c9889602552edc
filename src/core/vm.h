/* A virtual machine as everybody sees it: identity, state, look-up.
 *
 * Counted: vm_find_*() return a reference. After any await the machine may have stopped, been redefined or
 * undefined: check again. Operations live in vm_define.h, vm_life.h, vm_save.h, vm_console.h, vm_info.h,
 * vm_stats.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"
#include "core/caller.h"
#include "core/host.h"

typedef enum VmState { /* numbers of virDomainState */
                       VM_STATE_NONE,
                       VM_STATE_RUNNING,
                       VM_STATE_BLOCKED,
                       VM_STATE_PAUSED,
                       VM_STATE_SHUTDOWN, /* being shut down */
                       VM_STATE_SHUTOFF,
                       VM_STATE_CRASHED,
                       VM_STATE_PMSUSPENDED,
                       VM_STATE_COUNT
} VmState;

Vm *vm_ref(Vm *vm);
void vm_unref(Vm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_unref)

/* ERROR_NO_DOMAIN: "no domain with matching name 'x'", "... uuid '...' (name)", "... id 3" */
Vm *vm_find_by_name(Host *host, const char *name, Error **err);
Vm *vm_find_by_uuid(Host *host, const Uuid *uuid, const char *name_hint, Error **err);
Vm *vm_find_by_id(Host *host, int id, Error **err);

/* @flags: virConnectListAllDomainsFlags. *ret_vms owned: array of Vm references, active ones by id first,
 * then by name. Unknown flags: ERROR_INVALID_ARGUMENT. */
MUST_CHECK bool vm_list(Host *host, unsigned flags, GPtrArray **ret_vms, Error **err);

const char *vm_name(const Vm *vm);
const Uuid *vm_uuid(const Vm *vm);
int vm_id(const Vm *vm);          /* -1 if not running */
bool vm_is_running(const Vm *vm); /* has a QEMU: running, paused, pmsuspended, ... */
bool vm_is_persistent(const Vm *vm);
bool vm_is_updated(const Vm *vm); /* running with a newer inactive definition */
bool vm_has_autostart(const Vm *vm);
bool vm_has_managed_save(const Vm *vm);
VmState vm_state(const Vm *vm, int *ret_reason); /* reason: virDomain*Reason; NULL: not wanted */
const char *vm_os_type(const Vm *vm);            /* "hvm" */
