/* Security models besides the owners of files: which there are, what a machine asks of them, AppArmor's
 * profile of each machine that runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

/* "apparmor" where qemu.conf chooses it, else "none"; a constant. */
const char *security_model(const Host *host);

/* Whether this host can do what the labels of vm->live ask for, and completes them: the profile that QEMU
 * will have. ERROR_CONFIG_UNSUPPORTED: it cannot, naming the model; or no machine may run without one. */
MUST_CHECK bool vm_security_fill(Vm *vm, Error **err);

/* The label of the running machine in security_model(); NULL: none. Borrowed. */
const char *vm_security_label(const Vm *vm);

/* Loads the profile of the machine as it is now, files that were lent since the last time included; does
 * nothing for one without, or with one of its own. ERROR_SYSTEM without apparmor_parser; ERROR_REFUSED: its
 * words. */
AWAITS MUST_CHECK bool vm_security_load(Vm *vm, Error **err);
AWAITS void vm_security_unload(Vm *vm); /* failures are logged */
