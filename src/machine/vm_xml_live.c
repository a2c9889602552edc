/* The document of a running machine: what it was started with, in the words that its user has for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_private.h"

char *vm_xml_format_live(Vm *vm, unsigned format_flags)
{
    CpuDef *asked = vm->live->cpu;

    /* For this call, in which nothing waits. */
    if (vm->run && vm->run->cpu)
        vm->live->cpu = vm->run->cpu;
    char *xml = vm_xml_format(vm->live, format_flags);
    vm->live->cpu = asked;
    return xml;
}
