/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/new_machine.h"

#include <glib.h>
#include <inttypes.h>

#include "install/words.h"

#define OSINFO_XMLNS "http://libosinfo.org/xmlns/libvirt/domain/1.0"
#define OWN_PORTS 7u /* disk, SCSI, network, USB, serial, balloon, random numbers */

static void add_attribute(GString *xml, const char *name, const char *value)
{
    if (value)
        markup_append(xml, " %s='%s'", name, value);
}

static void add_note(GString *xml, const NewMachine *machine)
{
    add_attribute(xml, "image", machine->image);
    add_attribute(xml, "user", machine->user);
    add_attribute(xml, "identity", machine->identity);
    add_attribute(xml, "address", machine->address);
    if (machine->ssh_port)
        markup_append(xml, " port='%u'", machine->ssh_port);
    g_string_append(xml, "/>");
}

char *new_machine_note(const NewMachine *machine)
{
    GString *xml = g_string_new("<machine");

    add_note(xml, machine);
    return g_string_free(xml, FALSE);
}

static void add_metadata(GString *xml, const NewMachine *machine)
{
    g_string_append(xml, "<metadata>");
    if (machine->os)
        markup_append(xml,
                      "<libosinfo:libosinfo xmlns:libosinfo='" OSINFO_XMLNS
                      "'><libosinfo:os id='%s'/></libosinfo:libosinfo>",
                      machine->os);
    g_string_append(xml, "<" LODGE_KEY ":machine xmlns:" LODGE_KEY "='" LODGE_XMLNS "'");
    add_note(xml, machine);
    g_string_append(xml, "</metadata>");
}

static void add_os(GString *xml, const NewMachine *machine)
{
    g_string_append(xml, machine->efi ? "<os firmware='efi'>" : "<os>");
    markup_append(xml, "<type arch='x86_64' machine='%s'>hvm</type>",
                  machine->machine ? machine->machine : "q35");
    /* Nobody said whether its loader is signed. */
    if (machine->efi)
        g_string_append(xml, "<firmware><feature enabled='no' name='secure-boot'/></firmware>");
    g_string_append(xml, "<boot dev='hd'/></os><features><acpi/><apic/></features>");
    markup_append(xml, "<cpu mode='%s'/>",
                  g_str_equal(machine->type, "kvm") ? "host-passthrough" : "maximum");
    g_string_append(xml,
                    "<clock offset='utc'/><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>"
                    "<on_crash>destroy</on_crash>");
}

static void add_disks(GString *xml, const NewMachine *machine)
{
    markup_append(xml,
                  "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
                  "<source file='%s'/><target dev='vda' bus='virtio'/></disk>",
                  machine->disk);
    /* On SCSI, because kernels for clouds have no driver of SATA. It may go: the machine starts without. */
    if (machine->seed)
        markup_append(xml,
                      "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
                      "<source file='%s' startupPolicy='optional'/><target dev='sda' "
                      "bus='scsi'/><readonly/></disk>",
                      machine->seed);
    g_string_append(xml, "<controller type='scsi' index='0' model='virtio-scsi'/>");
}

static void add_network(GString *xml, const NewMachine *machine)
{
    if (machine->bridge)
        markup_append(xml, "<interface type='bridge'><source bridge='%s'/>", machine->bridge);
    else if (machine->network)
        markup_append(xml, "<interface type='network'><source network='%s'/>", machine->network);
    else
        g_string_append(xml, "<interface type='user'><backend type='passt'/>");
    markup_append(xml, "<mac address='%s'/><model type='virtio'/>", machine->mac);
    if (machine->ssh_port)
        markup_append(xml,
                      "<portForward proto='tcp' address='127.0.0.1'><range start='%u' "
                      "to='22'/></portForward>",
                      machine->ssh_port);
    g_string_append(xml, "</interface>");
}

static void add_serial(GString *xml, const NewMachine *machine)
{
    g_string_append(xml, "<serial type='pty'>");
    if (machine->serial_log)
        markup_append(xml, "<log file='%s' append='off'/>", machine->serial_log);
    g_string_append(xml,
                    "<target port='0'/></serial><console type='pty'/>"
                    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>");
}

char *new_machine_document(const NewMachine *machine)
{
    GString *xml = g_string_new(NULL);

    markup_append(xml, "<domain type='%s'><name>%s</name><uuid>%s</uuid>", machine->type, machine->name,
                  machine->uuid);
    add_metadata(xml, machine);
    markup_append(xml, "<memory unit='b'>%" PRIu64 "</memory><vcpu>%u</vcpu>", machine->memory_bytes,
                  machine->cpus);
    g_string_append(xml, "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>");
    add_os(xml, machine);
    g_string_append(xml, "<devices>");
    add_disks(xml, machine);
    g_string_append(xml, "<controller type='pci' model='pcie-root'/>");
    for (unsigned i = 0; i < OWN_PORTS + NEW_MACHINE_FREE_PORTS; i++)
        g_string_append(xml, "<controller type='pci' model='pcie-root-port'/>");
    g_string_append(xml, "<controller type='usb' model='qemu-xhci'/>");
    add_network(xml, machine);
    add_serial(xml, machine);
    if (!machine->no_display)
        g_string_append(xml, "<input type='tablet' bus='usb'/><graphics type='vnc' autoport='yes'/>"
                             "<video><model type='virtio'/></video>");
    g_string_append(xml, "<memballoon model='virtio'><stats period='5'/></memballoon>"
                         "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
                         "</devices></domain>");
    return g_string_free(xml, FALSE);
}
