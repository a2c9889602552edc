/* Descriptors that clients open for a machine: <source fdgroup='NAME'> instead of files that the host can
 * reach. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "machine/vm.h"
#include "qemu/plan.h"

/* Whoever starts or changes the machine finds them below @name, for as long as the caller's connection lasts;
 * another group of that name is replaced. @fds: those that were taken are -1 afterwards.
 *
 * ERROR_INVALID_ARGUMENT  no descriptor at all; unknown flags
 * ERROR_OPERATION_FAILED  the machine has too many groups already */
MUST_CHECK bool vm_associate_fds(Vm *vm, const char *name, int *fds, unsigned n_fds, unsigned flags,
                                 const Caller *caller, Error **err);

/* Adds copies of what the images of @disk need. ERROR_INVALID_ARGUMENT: there is no such group. */
MUST_CHECK bool vm_prepare_fd_groups(Vm *vm, const DiskDef *disk, PlanFds *fds, Error **err);

void vm_forget_fd_groups(Vm *vm, uint64_t client_id); /* of one client */
