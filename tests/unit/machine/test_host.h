/* A host in a directory of its own, for the tests of core. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check.h"

#include "machine/machine.h"
#include "machine/vm_private.h"

typedef struct TestHost {
    char *dir;
    Host *host;
} TestHost;

static inline TestHost test_host_make(void)
{
    TestHost made = { .dir = check_make_dir() };
    Config *config = NULL;
    g_autoptr(Error) err = NULL;
    Paths *paths = paths_new_system(made.dir);

    check_ok(config_load(paths, NULL, &config, &err), err);
    made.host = host_new(paths, config);
    machine_open(made.host);
    return made;
}

static inline void test_host_clear(TestHost *made)
{
    host_stop(made->host, 10000);
    host_free(made->host);
    check_remove_dir(made->dir);
}

/* A machine with a definition, listed. Returns a reference. */
static inline Vm *test_vm_make(Host *host, const char *name)
{
    g_autofree char *xml =
        g_strdup_printf("<domain type='qemu'><name>%s</name><uuid>%08x-0000-4000-8000-000000000001</uuid>"
                        "<memory unit='MiB'>16</memory><vcpu>1</vcpu>"
                        "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices>"
                        "<emulator>/usr/bin/qemu-system-x86_64</emulator>"
                        "<disk type='file' device='disk'><source file='/images/&lt;a&gt;.img'/>"
                        "<target dev='vda' bus='virtio'/></disk></devices></domain>",
                        name, g_str_hash(name));
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(vm_xml_parse(host, xml, strlen(xml), "(test)", VM_XML_TRUSTED, &def, &err), err);
    Vm *vm = vm_new(host, def->name, &def->uuid);
    object_set_config(&vm->object, def);
    object_list_it(&vm->object);
    return vm;
}
