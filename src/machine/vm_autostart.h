/* Machines that start with the host at its next boot, and only then. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

bool vm_has_autostart_once(const Vm *vm);
/* ERROR_INVALID_STATE: a transient machine. */
AWAITS MUST_CHECK bool vm_set_autostart_once(Vm *vm, bool autostart, const Caller *caller, Error **err);

/* Of Vm, counted; marks of machines that are gone are removed. Caller owns. */
GPtrArray *vm_list_autostart_once(Host *host);
MUST_CHECK bool vm_forget_autostart_once(const Host *host, const char *name, Error **err);
MUST_CHECK bool vm_rename_autostart_once(const Host *host, const char *from, const char *to, Error **err);
