"""Memory that comes and goes, shared memory, ciphers, crash logs; and what is refused by name.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import subprocess

import libvirt_qemu
from lodgetest.host import *
from lodgetest.runner import mark

NUMA = ("<maxMemory slots='4' unit='MiB'>1024</maxMemory>"
        "<cpu><numa><cell id='0' cpus='0' memory='262144'/></numa></cpu>")
DIMM = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
VIRTIO_MEM = ("<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node><block unit='MiB'>2</block>"
              "<requested unit='MiB'>{}</requested></target></memory>")
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 9))


def qmp(dom, command, **arguments):
    answer = libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": arguments}), 0)
    return json.loads(answer)["return"]


def modules(dom):
    return sorted(one["data"]["id"] for one in qmp(dom, "query-memory-devices"))


def test_memory_is_plugged_in_and_out(host):
    dom = host.define(host.guests.demo("demo", machine="q35", extra=NUMA, devices=PORTS))
    dom.create()
    console = host.booted("demo")
    given = host.write_xml(DIMM)
    host.ok("attach-device", "demo", given, "--live", "--config")
    equal(modules(dom), ["dimm0"])
    contains(host.ok("dumpxml", "demo"), "<address type='dimm' slot='0'")
    contains(console.command("ls /sys/bus/acpi/devices | grep PNP0C80; echo done"), "PNP0C80")
    contains(host.ok("dumpxml", "demo", "--inactive"), "<memory unit='KiB'>393216</memory>", "slot='0'")
    host.restart_daemon()
    dom = host.conn.lookupByName("demo")
    contains(dom.XMLDesc(), "<address type='dimm' slot='0'")
    host.ok("detach-device", "demo", given, "--config")
    check("<memory model" not in host.ok("dumpxml", "demo", "--inactive"), "gone from the definition")


@mark(only="lodged")
def test_a_guest_is_given_more_of_its_memory(host):
    dom = host.define(host.guests.sector("tiny", extra=NUMA, memory_kib=524288, devices=VIRTIO_MEM.format(0)))
    dom.create()
    equal(modules(dom), ["virtiomem0"])
    host.ok("update-memory-device", "tiny", "--live", "--requested-size", "64MiB")
    contains(dom.XMLDesc(), "<requested unit='KiB'>65536</requested>")
    equal(qmp(dom, "query-memory-devices")[0]["data"]["requested-size"], 64 << 20)
    host.restart_daemon()
    dom = host.conn.lookupByName("tiny")
    contains(dom.XMLDesc(), "<requested unit='KiB'>65536</requested>")
    contains(host.refused("update-memory-device", "tiny", "--live", "--requested-size", "1GiB"), "size")


@mark(only="lodged")
def test_persistent_memory(host):
    for number, model in enumerate(("nvdimm", "virtio-pmem")):
        path = host.path(f"var/lib/libvirt/images/{model}")
        path.write_bytes(b"")
        with path.open("r+b") as file:
            file.truncate(128 << 20)
        node = "<node>0</node>" if model == "nvdimm" else ""
        dom = host.start_sector(f"tiny{number}", extra=NUMA, memory_kib=262144, devices=
                                f"<memory model='{model}' access='shared'><source><path>{path}</path></source><target>"
                                f"<size unit='MiB'>128</size>{node}</target></memory>")
        equal(len(modules(dom)), 1)
        dom.destroy()


@mark(only="lodged")
def test_memory_shared_between_machines(host):
    shmem = "<shmem name='{}'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
    dom = host.start_demo(devices=shmem.format("s0"))
    console = host.booted("demo")
    ids = "cat /sys/bus/pci/devices/*/device | sort | uniq -c | grep 1110; echo done"
    contains(console.command(ids), "1 0x1110")
    given = host.write_xml(shmem.format("s1"))
    host.ok("attach-device", "demo", given, "--live")
    host.restart_daemon()
    contains(host.ok("dumpxml", "demo"), "<shmem name='s1'", "<alias name='shmem1'/>")
    host.ok("detach-device", "demo", given, "--live")
    wait_until(lambda: "name='s1'" not in host.ok("dumpxml", "demo"), "it is gone", timeout=30)


@mark(only="lodged")
def test_devices_that_a_machine_starts_with(host):
    host.path("srv").mkdir()
    store = host.path("var/lib/libvirt/images/store")
    dom = host.start_sector(devices=(
        "<filesystem type='mount' accessmode='mapped' fmode='0644' multidevs='remap'><source dir='/srv'/><target dir='x'/>"
        "</filesystem><crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>"
        f"<pstore backend='acpi-erst'><path>{store}</path><size unit='KiB'>64</size></pstore>"
        "<redirdev bus='usb' type='pty'/><redirfilter><usbdev class='0x08' allow='no'/><usbdev allow='yes'/></redirfilter>"
        "<disk type='file' device='cdrom'><target dev='hdb' bus='ide' tray='open'/></disk>"
        "<sound model='ich9'><audio id='1'/></sound><audio id='1' type='none'><input mixingEngine='yes' voices='1'/></audio>"))
    there = {one["name"] for one in qmp(dom, "qom-list", path="/machine/peripheral")}
    check({"fs0", "crypto0", "pstore0", "redir0"} <= there, str(there))
    drives = {one["qdev"]: one for one in qmp(dom, "query-block") if "qdev" in one}
    check(any(one.get("tray_open") for one in drives.values()), str(drives))


@mark(only="lodged")
def test_what_no_machine_can_have_is_refused_by_name(host):
    for what, says in (("<lease><lockspace>l</lockspace><key>k</key><target path='/t'/></lease>", "no lock manager"),
                       ("<interface type='vds'><source switchid='12345678-1234-1234-1234-123456789abc' portid='6' "
                        "portgroupid='pg' connectionid='1'/></interface>", "only ESX"),
                       ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/>"
                        "<protocol type='telnets'/></serial>", "only ESX")):
        dom = host.define_sector("tiny", devices=what)
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=says)
        dom.undefine()


@mark(only="lodged")
def test_a_disk_of_a_vhost_user_program(host):
    image, sock = host.path("var/lib/libvirt/images/vu.raw"), host.path("vu.sock")
    with image.open("wb") as file:
        file.truncate(1 << 20)
    served = subprocess.Popen(["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=n,filename={image}", "--export",
                               f"type=vhost-user-blk,id=e,node-name=n,writable=on,addr.type=unix,addr.path={sock}"])
    wait_until(sock.exists, "it listens")
    sock.chmod(0o777)
    dom = host.start_sector(extra="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>", devices=(
        f"<disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/><source type='unix' path='{sock}'/>"
        "<target dev='vda' bus='virtio'/></disk>"))
    there = {one["name"] for one in qmp(dom, "qom-list", path="/machine/peripheral")}
    check("virtio-disk0" in there, str(there))
    host.restart_daemon()
    contains(host.ok("dumpxml", "tiny"), "type='vhostuser'", f"path='{sock}'")
    host.ok("destroy", "tiny")
    served.terminate()
    served.wait(10)


@mark(only="lodged")
def test_host_devices_that_are_not_there(host):
    """What is missing is an error that names it, or is left out if the document says so."""
    usb = "<hostdev mode='subsystem' type='usb'><source{}><vendor id='0x1d6b'/><product id='0xfffe'/></source></hostdev>"
    dom = host.define_sector(devices=usb.format(""))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="1d6b:fffe")
    dom.undefine()
    dom = host.start_sector(devices=usb.format(" startupPolicy='optional'"))
    check("1d6b" in dom.XMLDesc(), "it stays in the document, for when it comes")
    host.restart_daemon()
    contains(host.ok("dumpxml", "tiny"), "0x1d6b")
    host.ok("destroy", "tiny")
    pci = ("<hostdev mode='subsystem' type='pci' managed='{}'><source><address domain='0' bus='0xfe' slot='0x1e' function='7'/>"
           "</source></hostdev>")
    for managed in ("yes", "no"):
        dom = host.define_sector("other", devices=pci.format(managed))
        try:
            dom.create()
            fail("a machine has a PCI device that is not there")
        except libvirt.libvirtError as problem:
            contains(str(problem), "fe")
        dom.undefine()
