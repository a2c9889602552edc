/* Documents of unknown origin: whatever is accepted must be written, read and written again without a change,
 * and copies must be equal. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/domain_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool platform(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err)
{
    *ret_platform = (DomainPlatform){ .emulator = g_strdup("/e"),
                                      .machine = g_strdup(def->os.machine ? def->os.machine : "pc-q35-7.2"),
                                      .cpu_model = g_strdup("qemu64") };
    return true;
}

static void ignore_dropped(void *arg, const char *path, unsigned line)
{
}

/* g_error() raises a signal that the fuzzer does not keep the input for. */
G_GNUC_NORETURN static void broken(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "%s:\n%s\n%s\n", what, a, b);
    abort();
}

static void try(const char *text, size_t size, DomainParseFlags flags)
{
    static const DomainHooks hooks = { .host_arch = ARCH_X86_64,
                                       .platform = platform,
                                       .dropped = ignore_dropped };
    g_autoptr(DomainDef) def = NULL;
    if (!domain_def_parse(text, size, flags, &hooks, &def, NULL))
        return;
    g_autoptr(GString) first = g_string_new(NULL);
    domain_def_format(def, DOMAIN_FORMAT_SECURE, first);
    g_autoptr(DomainDef) copy = domain_def_copy(def);
    g_assert(domain_def_equal(def, copy));
    g_autoptr(DomainDef) again = NULL;
    g_autoptr(Error) err = NULL;
    DomainParseFlags plain = (flags & DOMAIN_PARSE_INACTIVE) | DOMAIN_PARSE_SKIP_DEFAULTS;
    if (!domain_def_parse(first->str, first->len, plain, &hooks, &again, &err))
        broken("what was written can't be read", error_message(err), first->str);
    g_autoptr(GString) second = g_string_new(NULL);
    domain_def_format(again, DOMAIN_FORMAT_SECURE, second);
    if (strcmp(first->str, second->str) != 0)
        broken("written twice, not the same", first->str, second->str);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try((const char *)data, size, DOMAIN_PARSE_INACTIVE);
    try((const char *)data, size, DOMAIN_PARSE_SKIP_DEFAULTS);
    try((const char *)data, size, DOMAIN_PARSE_VALIDATE);
    return 0;
}
