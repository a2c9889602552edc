/* What the tests of the documents in tests/golden/define share: the platform of the recording machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_xml.h"

static inline bool golden_platform(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err)
{
    static const struct {
        const char *alias, *name;
    } machines[] = { { "q35", "pc-q35-7.2" }, { "pc", "pc-i440fx-7.2" } };
    const char *machine = def->os.machine ? def->os.machine : "pc";

    (void)arg;
    (void)err;
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (g_str_equal(machine, machines[i].alias))
            machine = machines[i].name;
    }
    *ret_platform = (DomainPlatform){ .emulator = g_strdup("/usr/bin/qemu-system-x86_64"),
                                      .machine = g_strdup(machine),
                                      .cpu_model = g_strdup("qemu64"),
                                      .nvram_dir = g_strdup("/var/lib/libvirt/qemu/nvram") };
    return true;
}

static const DomainHooks golden_hooks = { .host_arch = ARCH_X86_64, .platform = golden_platform };

/* Shows the first line that differs: a whole document in an assertion helps nobody. */
static inline bool golden_compare_lines(const char *name, const char *got, const char *want)
{
    g_auto(GStrv) got_lines = g_strsplit(got, "\n", -1);
    g_auto(GStrv) want_lines = g_strsplit(want, "\n", -1);
    for (size_t i = 0; got_lines[i] || want_lines[i]; i++) {
        const char *a = got_lines[i] ? got_lines[i] : "(end)", *b = want_lines[i] ? want_lines[i] : "(end)";
        if (!g_str_equal(a, b)) {
            printf("%s:%zu\n  got  %s\n  want %s\n", name, i + 1, a, b);
            return false;
        }
        if (!got_lines[i] || !want_lines[i])
            break;
    }
    return true;
}
