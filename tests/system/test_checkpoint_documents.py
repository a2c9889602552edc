"""Documents of checkpoints that are written down again.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt

from lodgetest.host import *

REDEFINE = libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE


def document(dom, name, disks):
    machine = (f"<domain type='qemu'><name>tiny</name><uuid>{dom.UUIDString()}</uuid><memory>16384</memory>"
               "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><disk type='file'><driver type='qcow2'/>"
               "<source file='/nowhere.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>")
    return f"<domaincheckpoint><name>{name}</name><creationTime>5</creationTime>{disks}{machine}</domaincheckpoint>"


def test_a_checkpoint_shows_its_machine_in_full(host):
    """Its controllers and addresses were left out."""
    dom = host.define_sector("tiny")
    checkpoint = dom.checkpointCreateXML(document(dom, "one", ""), REDEFINE)
    shown = checkpoint.getXMLDesc()
    contains(shown, "model='pcie-root'", "<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>")
    equal(dom.checkpointCreateXML(shown, REDEFINE).getXMLDesc(), shown)


def test_new_documents_follow_the_schema(host):
    dom = host.define_sector("tiny")
    for name, disks in (("a/b", ""), (".a", ""), ("a b", ""), ("one", "<disks><disk name='vda' checkpoint='no' bitmap='b'/></disks>"),
                        ("one", "<disks><disk name='vda' checkpoint='x'/></disks>")):
        raises(libvirt.VIR_ERR_XML_INVALID_SCHEMA, dom.checkpointCreateXML, document(dom, name, disks), REDEFINE)
