/* Processes beside a machine's QEMU that serve its devices: virtiofsd, swtpm, qemu-pr-helper, a D-Bus.
 *
 * A helper is prepared before the machine's folders are given away: its socket is bound then, by us, and QEMU
 * can connect from the first moment. It is launched when the status file tells of its machine, so whatever is
 * left by a daemon that died is found: a helper carries a token with its name and its machine in its
 * environment, as QEMU does, and is never told by its pid alone. It ends with its device or with its machine.
 * Its death is reported in the machine's log and by an event (IO_ERROR_REASON with the device's alias). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

typedef struct VmHelper VmHelper;
/* Starts the process, by vm_helper_fork(). */
typedef AWAITS bool VmHelperLaunch(Vm *vm, VmHelper *helper, Error **err);

struct VmHelper {
    char *name;        /* "fs0-virtiofsd": alias of the device (or what all share), and the program */
    char *socket_path; /* where it listens */
    int listen_fd;     /* that socket, until it runs; -1: it binds its socket itself */
    VmHelperLaunch *launch;
    Process *process; /* NULL: not launched yet */
    Vm *vm;           /* whose run has it */
    bool is_ending;   /* nobody wonders at its end */
};
void vm_helper_free(VmHelper *helper); /* does not end it */

/* Adds one to vm->run. @bind: its socket is made now, for QEMU's user. One of that name that is there already
 * stays as it is: machines share what is not a device's own. */
AWAITS MUST_CHECK bool vm_helper_prepare(Vm *vm, const char *name, const char *socket_path, bool bind,
                                         VmHelperLaunch *launch, Error **err);
/* Launches those that wait for it. Those that bind their sockets themselves are there when this returns.
 *
 * ERROR_OPERATION_FAILED   one ended at once; its words are in the machine's log
 * ERROR_TIMEOUT            its socket did not come */
AWAITS MUST_CHECK bool vm_helpers_launch(Vm *vm, Error **err);
/* For launch functions. spec->envp and the outputs are set here. */
AWAITS MUST_CHECK bool vm_helper_fork(VmHelper *helper, ProcessSpec *spec, Error **err);
/* Ends those of device @alias. */
AWAITS void vm_helpers_stop_device(Vm *vm, const char *alias);
/* Ends all. QEMU is gone. */
AWAITS void vm_helpers_stop(Vm *vm);
/* A helper of vm->run that has ended; NULL. Borrowed. */
const VmHelper *vm_helpers_find_dead(const Vm *vm);

/* ---- after a restart ---- */

/* Takes over what an earlier daemon has launched for this machine. */
void vm_helpers_adopt(Vm *vm);
/* Ends those whose device the machine does not have. */
AWAITS void vm_helpers_prune(Vm *vm);
/* Ends those of a machine called @name that is not taken over, or (NULL) of all such. */
AWAITS void vm_helpers_reap(Host *host, const char *name);
