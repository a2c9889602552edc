/* What a machine keeps beside its disks: the variables of its firmware and the state of its emulated TPM, as
 * files that a backup takes and a restore gives back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "machine/vm.h"

/* A list of {"role": "nvram" or "tpm", "name": "tpm2/tpm2-00.permall", "data": base64}; owned. Of a running
 * machine as they are at the moment. Variables on a block device are not among them. */
AWAITS MUST_CHECK bool vm_read_state_files(Vm *vm, Json **ret_files, Error **err);
/* Replaces them; what the list does not have stays as it is. ERROR_INVALID_STATE: the machine runs, or is not
 * defined. ERROR_INVALID_ARGUMENT: a file that this machine has no place for. */
AWAITS MUST_CHECK bool vm_write_state_files(Vm *vm, const Json *files, const Caller *caller, Error **err);
/* The same by who holds the machine's job. */
AWAITS MUST_CHECK bool vm_write_state_files_held(Vm *vm, const Json *files, Error **err);
