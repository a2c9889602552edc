/* What the tests of recorded documents share: a platform as the recording machine had it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_xml.h"

static inline bool golden_platform(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err)
{
    const char *machine = def->os.machine ?: "pc";
    bool i686 = def->os.arch == ARCH_I686;
    if (strcmp(machine, "q35") == 0)
        machine = "pc-q35-7.2";
    else if (strcmp(machine, "pc") == 0)
        machine = "pc-i440fx-7.2";
    *ret_platform = (DomainPlatform){
        .emulator = g_strdup(i686 ? "/usr/bin/qemu-system-i386" : "/usr/bin/qemu-system-x86_64"),
        .machine = g_strdup(machine),
        .nvram_dir = g_strdup("/var/lib/libvirt/qemu/nvram"),
        .cpu_model = g_strdup(i686 ? "qemu32" : "qemu64"),
    };
    return true;
}

static const DomainHooks golden_hooks = { .host_arch = ARCH_X86_64, .platform = golden_platform };
