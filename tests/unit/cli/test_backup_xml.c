/* The definition of a machine that is restored. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/backup_xml.h"

static const char machine[] =
    "<domain type='kvm'><name>web</name><uuid>12345678-1234-1234-1234-123456789abc</uuid>"
    "<os><type>hvm</type><nvram template='/t'>/var/lib/web_VARS.fd</nvram></os>"
    "<devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/i/a.qcow2'/>"
    "<backingStore type='file'><source file='/i/base'/></backingStore><target dev='vda' bus='virtio'/></disk>"
    "<disk type='block'><source dev='/dev/vg/b'/><target dev='vdb'/></disk>"
    "<disk type='file' device='cdrom'><source file='/i/cd.iso'/><target dev='hda'/></disk>"
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>"
    "<serial type='tcp'><source mode='bind' host='h' service='1'/><protocol type='telnet'/></serial>"
    "<console type='tcp'><target type='serial'/></console>"
    "<graphics type='vnc' port='5900'/><hostdev mode='subsystem' type='pci'/>"
    "</devices></domain>";

static char *edited(const char *name, bool isolated)
{
    RestoredDisk disk = { .target = (char *)"vda", .path = (char *)"/n/x & y.img", .format = (char *)"raw" };
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autoptr(Error) err = NULL;
    char *xml = NULL;

    g_ptr_array_add(disks, &disk);
    const DefinitionEdit edit = {
        .name = name, .disks = disks, .isolated = isolated, .serial = isolated ? "/n/serial" : NULL
    };
    check_ok(definition_edit(machine, &edit, &xml, &err), err);
    return xml;
}

static void check_lacks(const char *xml, const char *part)
{
    check_case(part);
    check(strstr(xml, part) == NULL);
}

TEST(the_same_machine_keeps_all_but_the_place_of_its_disks)
{
    g_autofree char *xml = edited(NULL, false);

    check_contains(xml, "<driver name=\"qemu\" type=\"raw\"/><source file=\"/n/x &amp; y.img\"/>");
    check_lacks(xml, "a.qcow2");
    check_lacks(xml, "backingStore");
    check_contains(xml, "/dev/vg/b");
    check_contains(xml, "52:54:00:00:00:01");
    check_contains(xml, "12345678");
    check_contains(xml, "/var/lib/web_VARS.fd");
}

TEST(a_new_machine_has_nothing_of_the_other)
{
    g_autofree char *xml = edited("new & other", false);

    check_contains(xml, "<name>new &amp; other</name>");
    check_lacks(xml, "12345678");
    check_lacks(xml, "52:54:00");
    check_lacks(xml, "web_VARS");
    check_contains(xml, "template=\"/t\"");
    check_lacks(xml, "/dev/vg/b"); /* it was not restored, so it is the other one's */
    check_contains(xml, "cd.iso");
    check_contains(xml, "<source network=\"default\"/>");
}

TEST(an_isolated_machine_meets_nobody)
{
    static const char *const gone[] = { "<interface", "<hostdev", "<graphics", "telnet",
                                        "cd.iso",     "<console", "tcp" };
    g_autofree char *xml = edited("new", true);

    for (size_t i = 0; i < G_N_ELEMENTS(gone); i++)
        check_lacks(xml, gone[i]);
    check_contains(xml, "<serial type=\"file\"><source path=\"/n/serial\"/>");
}

TEST(what_is_no_document_is_refused)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    const DefinitionEdit edit = { .disks = disks };
    g_autoptr(Error) err = NULL;
    char *xml = NULL;

    check_fails(definition_edit("<domain>", &edit, &xml, &err), err, ERROR_XML_SYNTAX);
    check_fails(definition_edit("", &edit, &xml, &err), err, ERROR_XML_SYNTAX);
    check(xml == NULL);
}
