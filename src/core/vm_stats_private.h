/* What the modules of statistics share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/vm_info.h"

/* Its monitor is open, and QEMU has been answering. */
bool vm_stats_can_ask(const Vm *vm);
/* QEMU missed a deadline: it is left alone until it answers again. */
void vm_stats_mark_stuck(Vm *vm);
/* Counters of a tap device as its guest sees them; false if it is gone. */
bool net_read_stats(const char *device, InterfaceStats *ret_stats);
