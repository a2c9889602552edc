/* What QEMU gave a machine for a CPU: asked once per connection, shown in the live document, and never mixed
 * with what the machine was started with, which saved states and other hosts need. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include "conf/domain_rows.h"
#include "machine/vm_private.h"
#include "qemu/cpu_guest.h"

bool vm_query_cpu(Vm *vm, const GPtrArray *cpus, Error **err)
{
    const MonitorCpu *first = cpus->len > 0 ? g_ptr_array_index(cpus, 0) : NULL;
    AUTO_JSON words = NULL;
    g_autoptr(Error) refused = NULL;
    CpuDef *live = NULL;

    if (!first || !first->qom_path || (vm->live->os.arch != ARCH_X86_64 && vm->live->os.arch != ARCH_I686))
        return true;
    if (!monitor_query_cpuid(vm_monitor(vm), first->qom_path, 0, &words,
                             &refused)) /* a QEMU that can't tell is not asked to prove anything */
        return error_code(refused) == ERROR_REFUSED || error_propagate(err, g_steal_pointer(&refused));
    if (!qemu_live_cpu(vm->live->cpu, words, &live, err))
        return false;
    xml_table_free(&cpu_table, vm->run->cpu);
    vm->run->cpu = live;
    return true;
}

char *vm_xml_format_live(Vm *vm, unsigned format_flags)
{
    CpuDef *asked = vm->live->cpu;

    if (vm->run && vm->run->cpu)
        vm->live->cpu = vm->run->cpu; /* for this call, in which nothing waits */
    char *xml = vm_xml_format(vm->live, format_flags);
    vm->live->cpu = asked;
    return xml;
}
