"""What books and guides do with devices of machines, command by command.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import stat

import libvirt
from lodgetest.host import *

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def image(host, name, size="8M", kind="raw"):
    path = host.guests.images / name
    run(["qemu-img", "create", "-q", "-f", kind, path, size])
    return path


def targets(host, name, *options):
    return [line.split()[0] for line in host.ok("domblklist", name, *options).splitlines()[2:] if line.strip()]


def test_a_device_from_a_document(host):
    """rows: devices-01 devices-04 devices-07 devices-08 devices-48"""
    host.start_sector("centos7")
    first, second = image(host, "test1.qcow2", kind="qcow2"), image(host, "two.img")
    given = host.write_xml(f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='{first}'/><target dev='vdb'/></disk>")
    for options, stays in (([], False), (["--persistent"], True)):
        contains(host.ok("attach-device", "centos7", given, *options), "Device attached successfully")
        equal((targets(host, "centos7"), targets(host, "centos7", "--inactive")), (["hda", "vdb"], ["hda", "vdb"] if stays else ["hda"]))
        host.refused("attach-device", "centos7", given, says="target 'vdb' duplicated for disk sources")
        host.ok("destroy", "centos7")
        host.ok("start", "centos7")
        equal(targets(host, "centos7"), ["hda", "vdb"] if stays else ["hda"], "after the machine was off")
    host.ok("destroy", "centos7")
    contains(host.ok("detach-device", "centos7", given, "--config"), "Device detached successfully")
    host.refused("detach-device", "centos7", given, "--config", says="not found")
    host.ok("attach-disk", "centos7", str(second), "vdb", "--config")
    contains(host.ok("detach-disk", "centos7", str(second), "--config"), "Disk detached successfully")  # by its path
    equal(targets(host, "centos7"), ["hda"])


def test_all_options_of_a_disk(host):
    """rows: devices-05"""
    host.define(host.guests.sector("m", extra="<iothreads>2</iothreads>", devices="<controller type='scsi' model='virtio-scsi'/>"))
    first, second = image(host, "one.qcow2", kind="qcow2"), image(host, "two.img")
    options = ("--targetbus", "virtio", "--driver", "qemu", "--subdriver", "qcow2", "--iothread", "1", "--cache", "none", "--io", "native", "--type", "disk",
               "--mode", "readonly", "--sourcetype", "file", "--serial", "WD-1234", "--address", "pci:0.0.7.0", "--multifunction")
    printed = host.ok("attach-disk", "m", str(first), "vdb", *options, "--print-xml")
    contains(printed, "<disk type='file'", "<serial>WD-1234</serial>")
    equal(targets(host, "m"), ["hda"], "--print-xml did something")
    host.ok("attach-disk", "m", str(first), "vdb", *options, "--config")
    host.ok("attach-disk", "m", str(second), "sda", "--targetbus", "scsi", "--wwn", "5000c50015ea71ad", "--mode", "shareable", "--address", "scsi:0.0.3", "--config")
    shown = host.ok("dumpxml", "m")
    contains(shown, "<driver name='qemu' type='qcow2' cache='none' io='native' iothread='1'/>", "<serial>WD-1234</serial>",
             "slot='0x07' function='0x0' multifunction='on'/>", "<wwn>5000c50015ea71ad</wwn>", "<readonly/>", "<shareable/>", "target='0' unit='3'/>")
    host.conn.lookupByName("m").create()
    given = " ".join(processes()[host.qemu_pid("m")])
    contains(given, '"iothread":"iothread1"', '"serial":"WD-1234"', '"wwn":5764824127192592813', '"aio":"native"')
    host.ok("attach-disk", "m", str(image(host, "three.img")), "vdc", "--current")
    equal((targets(host, "m"), targets(host, "m", "--inactive")), (["hda", "vdb", "vdc", "sda"], ["hda", "vdb", "sda"]))
    host.refused("attach-disk", "m", str(second), "vdd", "--live", "--current", says="mutually exclusive")


def test_disks_of_block_devices(host):
    """rows: devices-03 devices-49"""
    device = run(["losetup", "-f", "--show", str(image(host, "whole.img"))]).out.strip()
    if not device:
        raise Skip("this kernel has no loop devices")
    try:
        cold = f"<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='{device}'/><target dev='vdb' bus='virtio'/></disk>"
        dom = host.start_sector("centos7", devices=cold)
        contains(re.sub(" +", " ", host.ok("domblklist", "centos7", "--details")), f"block disk vdb {device}")
        dom.destroy()
        dom.undefine()
        host.start_sector("centos7")
        contains(host.ok("attach-disk", "--domain", "centos7", "--sourcetype", "block", "--source", device, "--target", "vdb"), "Disk attached successfully")
        contains(re.sub(" +", " ", host.ok("domblklist", "centos7", "--details")), f"block disk vdb {device}")
        host.ok("detach-disk", "centos7", "vdb")
    finally:
        for dom in host.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            dom.destroy()
        run(["losetup", "-d", device])


HARDWARE = {
    "sound": "<sound model='ich6'/>",
    "watchdog": "<watchdog model='i6300esb' action='reset'/>",
    "input": "<input type='tablet' bus='usb'/>",
    "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "tpm": "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>",
    "panic": "<panic model='isa'/>",
    "redirdev": "<redirdev bus='usb' type='tcp'><source mode='bind' host='localhost' service='4000'/></redirdev>",
    "serial": "<serial type='pty'><target port='1'/></serial>",
    "parallel": "<parallel type='null'><target port='0'/></parallel>",
    "channel": "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    "console": "<console type='pty'><target type='virtio'/></console>",
    "filesystem": "<filesystem type='mount' accessmode='mapped'><source dir='/tmp'/><target dir='tmp'/></filesystem>",
    "hostdev": "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>",
    "interface": "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='e1000'/></interface>",
    "controller": "<controller type='scsi' index='3' model='virtio-scsi'/>",
    "vsock": "<vsock model='virtio'><cid auto='no' address='77'/></vsock>",
    "shmem": "<shmem name='lodge'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
    "smartcard": "<smartcard mode='passthrough' type='tcp'><source mode='bind' host='localhost' service='4001'/></smartcard>",
}
SINGLE = ("watchdog", "tpm", "vsock")


def test_hardware_is_added_and_removed(host):
    """Whatever a machine that is off is given, and is there after it; what goes leaves the document as it was.

    rows: devices-42"""
    host.define(host.guests.sector("m", devices="<memballoon model='none'/><controller type='usb' model='qemu-xhci'/><controller type='virtio-serial'/>"
                                                "<controller type='ccid'/>"))
    elements = lambda kind: len(re.findall(f"<{kind}[ >]", host.ok("dumpxml", "m", "--inactive")))
    for kind, xml in HARDWARE.items():
        before = elements(kind)
        host.ok("attach-device", "m", host.write_xml(xml), "--config")
        equal(elements(kind), before + 1, f"<{kind}> was added")
        if kind in SINGLE:
            host.refused("attach-device", "m", host.write_xml(xml), "--config")
        host.restart_daemon() if kind == "sound" else None
        host.ok("detach-device", "m", host.write_xml(xml), "--config")
        equal(elements(kind), before, f"<{kind}> was removed")
    host.conn.lookupByName("m").create()


def test_processors_and_memory_of_a_machine(host):
    """rows: tuning-05 tuning-06 security-08"""
    host.define(host.guests.demo("demo", vcpus=8, extra="<cpu><topology sockets='2' cores='2' threads='2'/></cpu>"))
    host.ok("setmaxmem", "demo", "192M", "--config")
    host.ok("setmem", "demo", "160M", "--config")
    dom = host.conn.lookupByName("demo")
    contains(dom.XMLDesc(), "<memory unit='KiB'>196608</memory>", "<currentMemory unit='KiB'>163840</currentMemory>", "<topology sockets='2' dies='1' cores='2' threads='2'/>")
    dom.create()
    console = host.booted("demo")
    wait_until(lambda: "2\r\n" in console.command("cat /sys/devices/system/cpu/cpu*/topology/physical_package_id | sort -u | wc -l"), "two sockets")
    contains(console.command("cat /sys/devices/system/cpu/cpu5/topology/core_siblings_list"), "4-7")
    key = host.path(f"var/lib/libvirt/qemu/domain-{dom.ID()}-demo/master-key.aes")
    equal((stat.S_IMODE(key.stat().st_mode), len(key.read_bytes())), (0o600, 32))
    contains(" ".join(processes()[host.qemu_pid("demo")]), f'"id":"masterKey0","format":"raw","file":"{key}"')
