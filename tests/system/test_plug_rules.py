"""What can be plugged into a running machine and out of it, which device a document means, and what is refused.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

import libvirt
import libvirt_qemu
from lodgetest.host import *

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
UNSUPPORTED, CONFIG_UNSUPPORTED = libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_CONFIG_UNSUPPORTED
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def disk(host, name, target, bus="virtio", more=""):
    path = host.guests.images / name
    if not path.exists():
        path.write_bytes(bytes(1 << 20))
    return f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='{target}' bus='{bus}'/>{more}</disk>"


def test_what_no_running_machine_takes(host):
    dom = host.start_sector()
    before = dom.XMLDesc()
    for xml, code, text in (
            ("<input type='keyboard' bus='ps2'/>", UNSUPPORTED, "input device on bus 'ps2' cannot be hot plugged"),
            ("<sound model='ich6'/>", UNSUPPORTED, "live attach of device 'sound' is not supported"),
            (disk(host, "a.img", "vdb", more="<address type='pci' domain='0' bus='0' slot='0x1f' function='1'/>"), libvirt.VIR_ERR_INTERNAL_ERROR,
             "Only PCI device addresses with function=0 are supported"),
            ("<controller type='usb' model='ich9-ehci1'/>", None, ""),
            ("<serial type='pty'><target type='isa-serial'/></serial>", None, "")):
        raises(code, dom.attachDeviceFlags, xml, LIVE, text=text) if code else host.refused("attach-device", "tiny", host.write_xml(xml))
        equal(dom.XMLDesc(), before, xml)
    for xml, code, text in (("<input type='keyboard' bus='ps2'/>", UNSUPPORTED, "input device on bus 'ps2' cannot be detached"),
                            ("<sound model='ich6'/>", UNSUPPORTED, "live detach of device 'sound' is not supported")):
        raises(code, dom.detachDeviceFlags, xml, LIVE, text=text)
    for xml, text in (("<sound model='ich6'/>", "live update of device 'sound' is not supported"), (disk(host, "a.img", "hda", "ide"), "drive")):
        raises(CONFIG_UNSUPPORTED, dom.updateDeviceFlags, xml, LIVE, text=text)
    equal(dom.XMLDesc(), before)


def test_a_name_that_is_there(host):
    dom = host.start_sector()
    dom.attachDeviceFlags(disk(host, "a.img", "vdb"), LIVE | CONFIG)
    for name in ("a.img", "b.img"):
        raises(libvirt.VIR_ERR_XML_ERROR, dom.attachDeviceFlags, disk(host, name, "vdb"), LIVE, text="target 'vdb' duplicated for disk sources")
        raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.attachDeviceFlags, disk(host, name, "vdb"), CONFIG, text="target vdb already exists")


def test_a_controller_comes_with_its_first_device(host):
    """A SCSI disk, or a port of a virtio console, in a machine without what they sit on; after a restart, too."""
    dom = host.start_sector(devices="<controller type='usb' model='none'/>")
    dom.attachDeviceFlags(disk(host, "a.img", "sda", "scsi"), LIVE)
    contains(dom.XMLDesc(), "<controller type='scsi' index='0'")
    check("type='scsi'" not in dom.XMLDesc(INACTIVE), "the definition has it")
    tree = libvirt_qemu.qemuMonitorCommand(dom, "info qtree", libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    contains(tree, "dev: scsi-hd")
    if not host.is_reference:
        dom.attachDeviceFlags("<channel type='unix'><target type='virtio' name='org.test.0'/></channel>", LIVE)
        dom.attachDeviceFlags("<console type='pty'><target type='virtio'/></console>", LIVE)
        contains(dom.XMLDesc(), "<controller type='virtio-serial' index='0'>")
    shown = dom.XMLDesc()
    host.restart_daemon()
    dom = host.conn.lookupByName("tiny")
    if not host.is_reference:
        equal(dom.XMLDesc(), shown)


def test_which_device_a_document_means(host):
    """What it says has to be so; what it does not say may be anything."""
    rng = "<rng model='virtio'><backend model='random'>{}</backend></rng>"
    dom = host.start_sector(devices=rng.format("/dev/urandom") + "<controller type='usb' model='qemu-xhci'/>")
    raises(libvirt.VIR_ERR_DEVICE_MISSING, dom.detachDeviceFlags, rng.format("/dev/random"), LIVE)
    raises(libvirt.VIR_ERR_DEVICE_MISSING, dom.detachDeviceFlags, rng.format("/dev/random"), CONFIG)
    dom.attachDeviceFlags(disk(host, "a.img", "vdb"), LIVE | CONFIG)
    dom.detachDeviceFlags("<disk><target dev='vdb'/></disk>", CONFIG)  # a disk is known by its name
    check("vdb" not in dom.XMLDesc(INACTIVE), "it is gone")
    raises(libvirt.VIR_ERR_NO_SOURCE, dom.attachDeviceFlags, "<disk><target dev='vdb'/></disk>", LIVE)
    dom.detachDeviceFlags(rng.format("/dev/urandom"), CONFIG)
    check("<rng" not in dom.XMLDesc(INACTIVE), "it is gone")
    dom.attachDeviceFlags("<serial type='pty'><target port='1'/></serial>", CONFIG)
    dom.attachDeviceFlags("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/></serial>", CONFIG)
    equal(len(re.findall("<serial type", dom.XMLDesc(INACTIVE))), 3)
    raises(libvirt.VIR_ERR_DEVICE_MISSING, dom.detachDeviceFlags, "<serial type='udp'><source mode='connect' host='127.0.0.1' service='1'/></serial>", CONFIG)
    dom.detachDeviceFlags("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/></serial>", CONFIG)
    dom.detachDeviceFlags("<serial type='pty'><target port='1'/></serial>", CONFIG)
    equal(len(re.findall("<serial type", dom.XMLDesc(INACTIVE))), 1)
    for _ in range(2):  # several alike: one of them goes
        dom.attachDeviceFlags("<input type='tablet' bus='usb'/>", CONFIG)
    for left in (1, 0):
        dom.detachDeviceFlags("<input type='tablet' bus='usb'/>", CONFIG)
        equal(len(re.findall("<input type='tablet'", dom.XMLDesc(INACTIVE))), left)
