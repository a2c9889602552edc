/* Life cycle: start, stop, pause, reset. Each takes the machine's job, in arrival order. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

/* virDomainCreateXML: a transient machine (or a start of the defined one with the same name and UUID).
 * flags (virDomainCreateFlags): PAUSED 1, AUTODESTROY 2, BYPASS_CACHE 4, FORCE_BOOT 8, VALIDATE 16,
 * RESET_NVRAM 32. */
AWAITS MUST_CHECK Vm *vm_create(Host *host, const char *xml, unsigned flags, const Caller *caller,
                                Error **err);

/* A managed save image is restored unless FORCE_BOOT, and removed when the restore succeeded. Returns when
 * QEMU runs (or is paused, as asked); a failure leaves the machine shut off and nothing behind. */
AWAITS MUST_CHECK bool vm_start(Vm *vm, unsigned flags, const Caller *caller, Error **err);

/* Asks the guest and returns at once. flags: ACPI 1, AGENT 2, INITCTL 4, SIGNAL 8, PARAVIRT 16; 0 chooses. */
AWAITS MUST_CHECK bool vm_shutdown(Vm *vm, unsigned flags, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_reboot(Vm *vm, unsigned flags, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_reset(Vm *vm, const Caller *caller, Error **err);

/* Power off at once: SIGTERM, and SIGKILL when QEMU does not go (not with GRACEFUL 1: then ERROR_BUSY). Works
 * on a stopped (SIGSTOP) QEMU and while another job runs. Returns when the process is gone and state is
 * cleaned up. */
AWAITS MUST_CHECK bool vm_destroy(Vm *vm, unsigned flags, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_suspend(Vm *vm, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_resume(Vm *vm, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_pm_suspend(Vm *vm, unsigned target, uint64_t duration_s, const Caller *caller,
                                     Error **err);
AWAITS MUST_CHECK bool vm_pm_wakeup(Vm *vm, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_inject_nmi(Vm *vm, const Caller *caller, Error **err);
/* codeset: virKeycodeSet; codes pressed together for hold_ms. */
AWAITS MUST_CHECK bool vm_send_key(Vm *vm, unsigned codeset, unsigned hold_ms, const unsigned *codes,
                                   size_t n_codes, const Caller *caller, Error **err);
/* What happens when the guest powers off, reboots or crashes: virDomainLifecycle, virDomainLifecycleAction.
 */
AWAITS MUST_CHECK bool vm_set_lifecycle_action(Vm *vm, unsigned type, unsigned action, unsigned flags,
                                               const Caller *caller, Error **err);
