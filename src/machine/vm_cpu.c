/* What QEMU gave a machine for a CPU: asked once per connection, shown in the live document, and never mixed
 * with what the machine was started with, which saved states and other hosts need. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include "conf/domain_rows.h"
#include "host/cpu_tsc.h"
#include "machine/vm_private.h"
#include "qemu/cpu_guest.h"

bool vm_check_tsc(const DomainDef *live, Error **err)
{
    for (DEF_EACH(TimerDef, timer, live->clock.timers)) {
        if (live->type == VIRT_TYPE_KVM && timer->name == TIMER_TSC &&
            !cpu_check_tsc(cpu_host(), timer->frequency_hz, err))
            return false;
    }
    return true;
}

bool vm_has_cpuid(const Vm *vm)
{
    return vm->live->os.arch == ARCH_X86_64 || vm->live->os.arch == ARCH_I686;
}

bool vm_take_cpu(Vm *vm, const MonitorWelcome *welcome, Error **err)
{
    CpuDef *live = NULL;

    if (!welcome->cpuid) /* a QEMU that can't tell is not asked to prove anything */
        return true;
    if (!qemu_live_cpu(vm->live->cpu, welcome->cpuid, &live, err))
        return false;
    xml_table_free(&cpu_table, vm->run->cpu);
    vm->run->cpu = live;
    return true;
}
