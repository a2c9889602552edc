/* What a machine's guest says and does through its agent. All of it is the guest's word, no more: answers are
 * bounded, and what makes no sense is refused.
 *
 * ERROR_INVALID_STATE         the machine does not run
 * ERROR_ARGUMENT_UNSUPPORTED  it has no channel for an agent
 * ERROR_AGENT_UNRESPONSIVE    the agent is not there, or not in time
 * ERROR_REFUSED               it said no; the message carries its words, error_class() "CommandNotFound" ...
 * ERROR_INTERNAL              its answer makes no sense */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "core/params.h"
#include "machine/vm.h"

/* Guest agent: a JSON command. timeout_s: -2 block (bounded by us), -1 default, 0 do not wait. */
AWAITS MUST_CHECK bool vm_agent_command(Vm *vm, const char *command, int timeout_s, unsigned flags,
                                        const Caller *caller, char **ret_reply, Error **err);
/* How long the commands below wait for an answer: seconds, -2: as long as they like to, -1: 5 s, 0: not at
 * all. Until the machine ends. */
AWAITS MUST_CHECK bool vm_agent_set_timeout(Vm *vm, int timeout_s, unsigned flags, Error **err);

AWAITS MUST_CHECK bool vm_get_hostname(Vm *vm, unsigned flags, char **ret_hostname, Error **err);
AWAITS MUST_CHECK bool vm_get_time(Vm *vm, int64_t *ret_seconds, unsigned *ret_nseconds, Error **err);
AWAITS MUST_CHECK bool vm_set_time(Vm *vm, int64_t seconds, unsigned nseconds, unsigned flags,
                                   const Caller *caller, Error **err);

/* ---- file systems ---- */

/* @mount_point NULL: all; @minimum_bytes: smallest free range that is worth telling the disk. */
AWAITS MUST_CHECK bool vm_trim_filesystems(Vm *vm, const char *mount_point, uint64_t minimum_bytes,
                                           unsigned flags, const Caller *caller, Error **err);
/* Nothing is written until they are thawed. No mount points: all. *ret_count: how many it did. */
AWAITS MUST_CHECK bool vm_freeze_filesystems(Vm *vm, char *const *mount_points, unsigned n_mount_points,
                                             unsigned flags, const Caller *caller, int *ret_count,
                                             Error **err);
AWAITS MUST_CHECK bool vm_thaw_filesystems(Vm *vm, unsigned n_mount_points, unsigned flags,
                                           const Caller *caller, int *ret_count, Error **err);

typedef struct GuestDisk {
    char *target;          /* "vda": of the machine's disk that it is; NULL: not known */
    char *serial, *device; /* NULL: not told */
} GuestDisk;
typedef struct GuestFilesystem {
    char *mountpoint, *name, *type;
    bool has_total, has_used;
    uint64_t total_bytes, used_bytes;
    GPtrArray *disks; /* GuestDisk */
} GuestFilesystem;
/* *ret_filesystems owned: GuestFilesystem */
AWAITS MUST_CHECK bool vm_get_filesystems(Vm *vm, unsigned flags, GPtrArray **ret_filesystems, Error **err);

/* ---- users ---- */

/* @password as the guest's "chpasswd" takes it if @flags has VIR_DOMAIN_PASSWORD_ENCRYPTED. It is in no log.
 */
AWAITS MUST_CHECK bool vm_set_user_password(Vm *vm, const char *user, const char *password, unsigned flags,
                                            Error **err);
/* *ret_keys owned: char * */
AWAITS MUST_CHECK bool vm_get_ssh_keys(Vm *vm, const char *user, unsigned flags, GPtrArray **ret_keys,
                                       Error **err);
/* @flags: virDomainAuthorizedSSHKeysSetFlags: append, remove; 0: these and no other. */
AWAITS MUST_CHECK bool vm_set_ssh_keys(Vm *vm, const char *user, char *const *keys, unsigned n_keys,
                                       unsigned flags, Error **err);

/* ---- CPUs ---- */

/* "vcpus", "online", "offlinable", as texts such as "0-3". */
AWAITS MUST_CHECK bool vm_get_guest_vcpus(Vm *vm, unsigned flags, Params **ret_params, Error **err);
/* @cpus: such a text. @state: 1 online, 0 offline. */
AWAITS MUST_CHECK bool vm_set_guest_vcpus(Vm *vm, const char *cpus, int state, unsigned flags, Error **err);
/* How many are online, or with @maximum are there at all. */
AWAITS MUST_CHECK bool vm_count_guest_vcpus(Vm *vm, bool maximum, unsigned *ret_count, Error **err);
/* Turns some on or off until @count are online; at most as many as the machine has. */
AWAITS MUST_CHECK bool vm_use_guest_vcpus(Vm *vm, unsigned count, Error **err);

/* ---- everything (vm_guest_info.c) ---- */

/* @types: virDomainGuestInfoTypes; 0: all that its agent knows. */
AWAITS MUST_CHECK bool vm_get_guest_info(Vm *vm, unsigned types, unsigned flags, Params **ret_params,
                                         Error **err);
