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
#include "core/object.h"

typedef struct Vm Vm;

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

/* A machine is an object (core/object.h): what holds of every kind is asked through it. */
static inline Object *vm_object(const Vm *vm)
{
    return (Object *)vm;
}
static inline Vm *vm_ref(Vm *vm)
{
    object_ref(vm_object(vm));
    return vm;
}
static inline void vm_unref(Vm *vm)
{
    object_unref(vm_object(vm));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_unref)

extern const ObjectClass domain_class;
/* ERROR_NO_DOMAIN: "no domain with matching name 'x'", "... uuid '...' (name)", "... id 3" */
static inline Vm *vm_find_by_name(Host *host, const char *name, Error **err)
{
    return (Vm *)object_find_by_name(host_registry(host, &domain_class), name, err);
}
static inline Vm *vm_find_by_uuid(Host *host, const Uuid *uuid, const char *name_hint, Error **err)
{
    return (Vm *)object_find_by_uuid(host_registry(host, &domain_class), uuid, name_hint, err);
}
static inline Vm *vm_find_by_id(Host *host, int id, Error **err)
{
    return (Vm *)object_find_by_id(host_registry(host, &domain_class), id, err);
}
/* @flags: virConnectListAllDomainsFlags; array of Vm references. */
static inline MUST_CHECK bool vm_list(Host *host, unsigned flags, GPtrArray **ret_vms, Error **err)
{
    return object_list(host_registry(host, &domain_class), flags, "virConnectListAllDomains", ret_vms, err);
}
static inline const char *vm_name(const Vm *vm)
{
    return object_name(vm_object(vm));
}
static inline const Uuid *vm_uuid(const Vm *vm)
{
    return object_uuid(vm_object(vm));
}
static inline int vm_id(const Vm *vm) /* -1 if not running */
{
    return object_id(vm_object(vm));
}
static inline bool vm_is_running(const Vm *vm) /* has a QEMU: running, paused, pmsuspended, ... */
{
    return object_is_active(vm_object(vm));
}
static inline bool vm_is_persistent(const Vm *vm)
{
    return object_is_persistent(vm_object(vm));
}

bool vm_is_updated(const Vm *vm); /* running with a newer inactive definition */
bool vm_has_managed_save(const Vm *vm);
VmState vm_state(const Vm *vm, int *ret_reason); /* reason: virDomain*Reason; NULL: not wanted */
const char *vm_os_type(const Vm *vm);            /* "hvm" */
