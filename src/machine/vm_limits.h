/* Changes of what a machine may use of its host: the setters of the tunables (vm_info.h has the getters).
 *
 * @flags: virDomainModificationImpact. All of a call happens, in the running machine and in the definition,
 * or nothing. @params: an unknown one is ERROR_ARGUMENT_UNSUPPORTED, one of the wrong type, given twice or
 * out of range ERROR_INVALID_ARGUMENT. A running machine without the control group that a change needs:
 * ERROR_INVALID_STATE. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm.h"

AWAITS MUST_CHECK bool vm_set_scheduler(Vm *vm, const Params *params, unsigned flags, const Caller *caller,
                                        Error **err);
AWAITS MUST_CHECK bool vm_set_memory_tunables(Vm *vm, const Params *params, unsigned flags,
                                              const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_set_numa(Vm *vm, const Params *params, unsigned flags, const Caller *caller,
                                   Error **err);
AWAITS MUST_CHECK bool vm_set_blkio_tunables(Vm *vm, const Params *params, unsigned flags,
                                             const Caller *caller, Error **err);
/* A group of limits that disks may share (vm_throttle.c): made or changed, removed. ERROR_INVALID_ARGUMENT:
 * there is none; ERROR_OPERATION_UNSUPPORTED: a disk uses it. */
AWAITS MUST_CHECK bool vm_set_throttle_group(Vm *vm, const char *name, const Params *params, unsigned flags,
                                             const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_delete_throttle_group(Vm *vm, const char *name, unsigned flags,
                                                const Caller *caller, Error **err);
/* Reads the certificates of displays again. @type: 0 any, 1 VNC. ERROR_OPERATION_UNSUPPORTED: it has none. */
AWAITS MUST_CHECK bool vm_reload_graphics(Vm *vm, unsigned type, unsigned flags, const Caller *caller,
                                          Error **err);
/* Of a machine that was taken over: as the document says. Failures are logged. */
AWAITS void vm_restore_throttle_groups(Vm *vm);
/* @disk: target or source. */
AWAITS MUST_CHECK bool vm_set_block_iotune(Vm *vm, const char *disk, const Params *params, unsigned flags,
                                           const Caller *caller, Error **err);

/* @map: @len bytes, bit 0 is CPU 0 of the host. */
AWAITS MUST_CHECK bool vm_pin_vcpu(Vm *vm, unsigned vcpu, const uint8_t *map, size_t len, unsigned flags,
                                   const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_pin_emulator(Vm *vm, const uint8_t *map, size_t len, unsigned flags,
                                       const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_pin_iothread(Vm *vm, unsigned id, const uint8_t *map, size_t len, unsigned flags,
                                       const Caller *caller, Error **err);

/* @map: numbers of vCPUs, "1,3-4"; @state: 1 there, 0 not. */
AWAITS MUST_CHECK bool vm_set_vcpu(Vm *vm, const char *map, int state, unsigned flags, const Caller *caller,
                                   Error **err);
/* ERROR_INVALID_ARGUMENT: that number is taken, or not; a disk or controller uses it. */
AWAITS MUST_CHECK bool vm_add_iothread(Vm *vm, unsigned id, unsigned flags, const Caller *caller,
                                       Error **err);
AWAITS MUST_CHECK bool vm_del_iothread(Vm *vm, unsigned id, unsigned flags, const Caller *caller,
                                       Error **err);
/* "poll_max_ns", "poll_grow", "poll_shrink" (live alone), "thread_pool_min", "thread_pool_max". */
AWAITS MUST_CHECK bool vm_set_iothread(Vm *vm, unsigned id, const Params *params, unsigned flags,
                                       const Caller *caller, Error **err);

/* Which performance events are counted: a boolean per event. */
MUST_CHECK bool vm_get_perf_events(Vm *vm, unsigned flags, Params **ret_params, Error **err);
AWAITS MUST_CHECK bool vm_set_perf_events(Vm *vm, const Params *params, unsigned flags, const Caller *caller,
                                          Error **err);

/* ---- looking inside ---- */

/* Memory of the guest: @flags virDomainMemoryFlags, one of both. *ret_data owned, @size bytes. */
AWAITS MUST_CHECK bool vm_memory_peek(Vm *vm, uint64_t offset, uint32_t size, unsigned flags,
                                      const Caller *caller, uint8_t **ret_data, Error **err);
/* Bytes of a disk as the guest sees them. */
AWAITS MUST_CHECK bool vm_block_peek(Vm *vm, const char *disk, uint64_t offset, uint32_t size, unsigned flags,
                                     uint8_t **ret_data, Error **err);
/* Measures how fast the guest changes memory for @seconds; statistics tell what came of it. */
AWAITS MUST_CHECK bool vm_start_dirty_rate(Vm *vm, int seconds, unsigned flags, const Caller *caller,
                                           Error **err);

/* ---- for the setters (vm_set_tunables.c) ---- */

typedef struct ParamSpec {
    const char *name; /* NULL ends the list */
    ParamType type;
} ParamSpec;
MUST_CHECK bool vm_check_params(const Params *params, const ParamSpec *specs, Error **err);
