"""Devices of the host: those that are there, those that come and go, those that are given away and made.

What this machine does not have (an IOMMU, mediated devices, Fibre Channel) is a tree of files below the root.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

import libvirt
from lodgetest.host import *
from lodgetest.runner import mark

ONLY = mark(only="lodged", reason="looks at a tree of its own", daemon=False)


def sysfs():
    """That of the test's own network namespace."""
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)


@mark(daemon=False)
def test_what_there_is(host):
    """rows: cli-26 passthrough-09 passthrough-18"""
    sysfs()
    host.start_daemon()
    names = host.ok("nodedev-list").split()
    equal(names, sorted(names))
    contains(" ".join(names), "computer", "net_lo_00_00_00_00_00_00")
    equal(host.conn.numOfDevices(None), len(names))
    equal(sorted(host.conn.listDevices("pci")), [n for n in names if n.startswith("pci_")])
    equal(host.conn.numOfDevices("pci"), len(host.conn.listDevices("pci")))
    equal(host.ok("nodedev-list", "--cap", "system").split(), ["computer"])
    equal(host.ok("nodedev-list", "--inactive").split(), [])
    contains(host.ok("nodedev-list", "--tree"), "computer\n  |\n  +- ")
    if not host.is_reference:
        for words in (["--tree"], ["--cap", "pci,net"]):
            equal(host.lodge_ok("nodedev-list", *words).split("\n"), host.ok("nodedev-list", *words)[:-1].split("\n"))
    lo = host.conn.nodeDeviceLookupByName("net_lo_00_00_00_00_00_00")
    equal((lo.parent(), lo.numOfCaps(), lo.listCaps(), lo.isActive(), lo.isPersistent()), ("computer", 1, ["net"], 1, 0))
    contains(lo.XMLDesc(), "<interface>lo</interface>", "<address>00:00:00:00:00:00</address>", "<capability type='80203'/>")
    computer = host.conn.nodeDeviceLookupByName("computer")
    equal((computer.parent(), computer.isPersistent(), computer.autostart()), (None, 1, 1))
    equal(ET.fromstring(computer.XMLDesc()).find("capability").get("type"), "system")
    for address in pathlib.Path("/sys/bus/pci/devices").iterdir():
        name = "pci_" + re.sub(r"\W", "_", address.name)
        xml = ET.fromstring(host.conn.nodeDeviceLookupByName(name).XMLDesc())
        equal(xml.find("capability/vendor").get("id"), (address / "vendor").read_text().strip())
        equal(xml.find("capability/class").text, (address / "class").read_text().strip())
        driver = xml.find("driver/name")
        equal(driver.text if driver is not None else None, (address / "driver").resolve().name if (address / "driver").exists() else None)
    raises(libvirt.VIR_ERR_NO_NODE_DEVICE, host.conn.nodeDeviceLookupByName, "none")
    raises(libvirt.VIR_ERR_NO_NODE_DEVICE, host.conn.nodeDeviceLookupSCSIHostByWWN, "1" * 16, "2" * 16)
    host.refused("nodedev-reset", "computer", says="not a PCI device")
    host.refused("nodedev-destroy", "computer", says="Unsupported device type")
    host.refused("nodedev-undefine", "computer", says="Unsupported device type")
    host.refused("nodedev-start", "computer", says="already active")
    host.refused("nodedev-detach", "computer", "--driver", "kvm", says="KVM device assignment")
    host.refused("nodedev-detach", "computer", "--driver", "bogus", says="unknown driver name")


@mark(daemon=False)
def test_devices_come_and_go(host):
    sysfs()
    host.start_daemon()
    watch = host.terminal("nodedev-event", "--event", "lifecycle", "--loop")
    equal(sorted(host.conn.listDevices("net")), sorted(d.name() for d in host.conn.listAllDevices(16)))
    subprocess.run(["ip", "link", "add", "come0", "address", "52:54:00:11:22:33", "type", "veth", "peer", "name", "come1"], check=True)
    name = "net_come0_52_54_00_11_22_33"
    wait_until(lambda: name in host.ok("nodedev-list"), "the interface is a device")
    contains(host.ok("nodedev-dumpxml", name), "<link state='down'/>")
    subprocess.run("ip link set come0 up; ip link set come1 up", shell=True, check=True)
    wait_until(lambda: "state='up'" in host.ok("nodedev-dumpxml", name), "its document is of now")
    subprocess.run(["ip", "link", "set", "come0", "down"], check=True)
    subprocess.run(["ip", "link", "set", "come0", "name", "gone0"], check=True)
    renamed = "net_gone0_52_54_00_11_22_33"
    wait_until(lambda: renamed in host.ok("nodedev-list") and name not in host.ok("nodedev-list"), "a new name is another device")
    subprocess.run(["ip", "link", "del", "gone0"], check=True)
    wait_until(lambda: renamed not in host.ok("nodedev-list"), "it is gone")
    host.refused("nodedev-dumpxml", renamed, says="Node device not found")
    watch.expect(f"{name}: Deleted")
    watch.expect(f"{renamed}: Deleted")


# -- devices that this machine does not have -----------------------------------------------------------------------

GPU = "0000:00:03.0"
NIC = "0000:00:04.0"
VFIO = "vfio-pci"


class Tree:
    """A /sys below the root of the test."""

    def __init__(self, host):
        self.root = host.root
        for directory in ("bus/pci/drivers/igb", f"bus/pci/drivers/{VFIO}", "bus/mdev/devices", "bus/scsi/devices", "class/net"):
            (self.root / "sys" / directory).mkdir(parents=True)
        self.file("bus/pci/drivers_probe", "")

    def file(self, path, text):
        file = self.root / "sys" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def link(self, path, target):
        link = self.root / "sys" / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.root / "sys" / target)

    def pci(self, address, driver, group=7, **files):
        device = f"devices/pci0000:00/{address}"
        for name, text in {"class": "0x020000", "vendor": "0x8086", "device": "0x10c9", "driver_override": "(null)\n", "uevent": "", **files}.items():
            self.file(f"{device}/{name}", text)
        self.link(f"{device}/subsystem", "bus/pci")
        self.link(f"{device}/iommu_group", f"kernel/iommu_groups/{group}")
        self.link(f"bus/pci/devices/{address}", device)
        self.link(f"kernel/iommu_groups/{group}/devices/{address}", device)
        self.file(f"bus/pci/drivers/{driver}/unbind", "")
        self.link(f"{device}/driver", f"bus/pci/drivers/{driver}")
        return self.root / "sys" / device


def vfio(host):
    (host.root / "dev/vfio").mkdir(parents=True)
    (host.root / "dev/vfio/vfio").write_text("")


@ONLY
def test_a_device_is_given_away_and_comes_back(host):
    tree = Tree(host)
    device = tree.pci(NIC, "igb")
    host.start_daemon()
    name = "pci_0000_00_04_0"
    contains(host.ok("nodedev-dumpxml", name), "<name>igb</name>", "<iommuGroup number='7'>")
    host.refused("nodedev-detach", name, says="VFIO device assignment is currently not supported")
    vfio(host)
    # There is no kernel behind these files, so the driver does not change: the device is left as it was.
    host.refused("nodedev-detach", name, says="does not take the device")
    equal((device / "driver_override").read_text(), "\n")
    equal((tree.root / "sys/bus/pci/drivers/igb/unbind").read_text(), NIC)
    equal((tree.root / "sys/bus/pci/drivers_probe").read_text(), NIC)
    # One that has it already.
    (device / "driver").unlink()
    (device / "driver").symlink_to(tree.root / f"sys/bus/pci/drivers/{VFIO}")
    contains(host.ok("nodedev-detach", name), "detached")
    equal((device / "driver_override").read_text(), VFIO)
    tree.file(f"bus/pci/drivers/{VFIO}/unbind", "")
    contains(host.ok("nodedev-reattach", name), "re-attached")
    equal((device / "driver_override").read_text(), "\n")
    equal((tree.root / f"sys/bus/pci/drivers/{VFIO}/unbind").read_text(), NIC)
    # A driver that nobody detached it from is left alone.
    (device / "driver").unlink()
    (device / "driver").symlink_to(tree.root / "sys/bus/pci/drivers/igb")
    tree.file("bus/pci/drivers/igb/unbind", "")
    host.ok("nodedev-reattach", name)
    equal((tree.root / "sys/bus/pci/drivers/igb/unbind").read_text(), "")
    host.refused("nodedev-reset", name, says="no FLR, PM reset or bus reset available")
    reset = tree.file(f"devices/pci0000:00/{NIC}/reset", "")
    host.ok("nodedev-reset", name)
    equal(reset.read_text(), "1")


@ONLY
def test_a_driver_that_does_not_let_go(host):
    """The caller gets an answer, and everybody else goes on."""
    tree = Tree(host)
    tree.pci(NIC, "igb")
    vfio(host)
    unbind = tree.root / "sys/bus/pci/drivers/igb/unbind"
    unbind.unlink()
    os.mkfifo(unbind)  # who opens it waits until somebody reads
    host.start_daemon()
    begin = time.monotonic()
    client = subprocess.Popen(["virsh", "-c", host.daemon.uri, "nodedev-detach", "pci_0000_00_04_0"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    slowest = 0
    while client.poll() is None and time.monotonic() - begin < 60 * SLOWNESS:
        asked = time.monotonic()
        host.conn.listAllDevices()
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.05)
    contains(client.stdout.read(), "Timed out during operation")
    check(time.monotonic() - begin >= 9, "it had its time")
    check(slowest < 0.25 * SLOWNESS, f"others waited {slowest:.3f} s")
    contains(host.ok("nodedev-dumpxml", "pci_0000_00_04_0"), "<name>igb</name>")


@ONLY
def test_virtual_functions(host):
    """rows: passthrough-04"""
    tree = Tree(host)
    device = tree.pci(NIC, "igb", sriov_totalvfs="7\n")
    host.start_daemon()
    contains(host.ok("nodedev-dumpxml", "pci_0000_00_04_0"), "<capability type='virt_functions' maxCount='7'/>")
    function = tree.pci("0000:00:10.0", "igb")
    (device / "virtfn0").symlink_to(function)
    (function / "physfn").symlink_to(device)
    contains(host.ok("nodedev-dumpxml", "pci_0000_00_04_0"), "<address domain='0x0000' bus='0x00' slot='0x10' function='0x0'/>")
    numvfs = tree.file(f"devices/pci0000:00/{NIC}/sriov_numvfs", "1")
    contains(host.lodge_ok("nodedev-functions", "pci_0000_00_04_0", "5"), "has 5 virtual functions")
    equal(numvfs.read_text(), "5")
    contains(host.lodge("nodedev-functions", "pci_0000_00_04_0", "8").err, "at most 7 virtual functions")
    contains(host.lodge("nodedev-functions", "pci_0000_00_10_0", "1").err, "has no virtual functions")
    contains(host.lodge("nodedev-functions", "computer", "1").err, "not a PCI device")
    (function / "driver").unlink()
    (function / "driver").symlink_to(tree.root / f"sys/bus/pci/drivers/{VFIO}")
    contains(host.lodge("nodedev-functions", "pci_0000_00_04_0", "0").err, "given to a machine")
    equal(numvfs.read_text(), "5")
    host.restart_daemon()
    contains(host.ok("nodedev-dumpxml", "pci_0000_00_10_0"), "<capability type='phys_function'>\n      <address domain='0x0000' bus='0x00' "
             "slot='0x04' function='0x0'/>")


UUID = "4b20d080-1b54-4048-85b3-a6a62d165c01"
MDEV = (f"<device><parent>pci_0000_00_03_0</parent><capability type='mdev'><type id='nvidia-11'/><uuid>{UUID}</uuid>"
        "<attr name='assign_domain' value='5'/></capability></device>")


@ONLY
def test_mediated_devices(host):
    """rows: passthrough-13"""
    tree = Tree(host)
    gpu = tree.pci(GPU, "nvidia", **{"class": "0x030000"})
    kind = f"devices/pci0000:00/{GPU}/mdev_supported_types/nvidia-11"
    create = tree.file(f"{kind}/create", "")
    tree.file(f"{kind}/available_instances", "16\n")
    tree.file(f"{kind}/device_api", "vfio-pci\n")
    host.start_daemon()
    equal(host.ok("nodedev-list", "--cap", "mdev_types").split(), ["pci_0000_00_03_0"])
    # What the kernel makes when it is asked to.
    device = f"devices/pci0000:00/{GPU}/{UUID}"
    assign = tree.file(f"{device}/assign_domain", "")
    remove = tree.file(f"{device}/remove", "")
    tree.link(f"{device}/subsystem", "bus/mdev")
    tree.link(f"{device}/mdev_type", kind)
    made = host.conn.nodeDeviceCreateXML(MDEV)
    equal(made.name(), "mdev_4b20d080_1b54_4048_85b3_a6a62d165c01_0000_00_03_0")
    equal((create.read_text(), assign.read_text(), made.parent(), made.isPersistent()), (UUID, "5", "pci_0000_00_03_0", 0))
    contains(made.XMLDesc(), f"<uuid>{UUID}</uuid>", "<parent_addr>0000:00:03.0</parent_addr>")
    contains(host.lodge_ok("nodedev-update", made.name(), host.write_xml(MDEV.replace("value='5'", "value='9'")), "--live"), "updated")
    equal(assign.read_text(), "9")
    check(host.lodge("nodedev-update", made.name(), host.write_xml(MDEV.replace("nvidia-11", "nvidia-12"))).code != 0, "its type stays")
    made.destroy()
    equal(remove.read_text(), "1")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.nodeDeviceCreateXML, MDEV.replace("nvidia-11", "none"))
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.nodeDeviceCreateXML, MDEV.replace("assign_domain", "../../x"))
    del gpu


@ONLY
def test_virtual_host_bus_adapters(host):
    tree = Tree(host)
    adapter = "devices/pci0000:00/0000:00:05.0/host3"
    tree.pci("0000:00:05.0", "lpfc", **{"class": "0x0c0400"})
    tree.file(f"{adapter}/uevent", "DEVTYPE=scsi_host\n")
    tree.link(f"{adapter}/subsystem", "bus/scsi")
    tree.link("bus/scsi/devices/host3", adapter)
    for name, text in {"port_name": "0x10000000c9831b4b", "node_name": "0x20000000c9831b4b", "fabric_name": "0x2002000573de9a81",
                       "max_npiv_vports": "127", "npiv_vports_inuse": "0", "vport_create": "", "vport_delete": ""}.items():
        tree.file(f"class/fc_host/host3/{name}", text)
    host.start_daemon()
    equal(host.ok("nodedev-list", "--cap", "vports").split(), ["scsi_host3"])
    equal(host.ok("nodedev-dumpxml", "20000000c9831b4b,10000000c9831b4b").split("\n")[1].strip(), "<name>scsi_host3</name>")
    made = "devices/pci0000:00/0000:00:05.0/host3/vport-3:0-0/host4"
    tree.file(f"{made}/uevent", "DEVTYPE=scsi_host\n")
    tree.link(f"{made}/subsystem", "bus/scsi")
    tree.link("bus/scsi/devices/host4", made)
    tree.file("class/fc_host/host4/port_name", "0x10000000c9831b99")
    tree.file("class/fc_host/host4/node_name", "0x20000000c9831b99")
    wanted = ("<device><parent>scsi_host3</parent><capability type='scsi_host'><capability type='fc_host'><wwnn>20000000c9831b99</wwnn>"
              "<wwpn>10000000c9831b99</wwpn></capability></capability></device>")
    device = host.conn.nodeDeviceCreateXML(wanted)
    equal((device.name(), device.parent()), ("scsi_host4", "scsi_host3"))
    equal((host.root / "sys/class/fc_host/host3/vport_create").read_text(), "10000000c9831b99:20000000c9831b99")
    device.destroy()
    equal((host.root / "sys/class/fc_host/host3/vport_delete").read_text(), "10000000c9831b99:20000000c9831b99")
    host.refused("nodedev-destroy", "scsi_host3", says="Unsupported device type")


@ONLY
def test_thousands_of_devices(host):
    """A list is one of memory: its time does not follow the drivers."""
    tree = Tree(host)
    for bus in range(8):
        for slot in range(32):
            for function in range(8):
                tree.pci(f"{bus:04x}:00:{slot:02x}.{function}", "igb", group=bus * 32 + slot)
    host.start_daemon()
    equal(len(host.conn.listAllDevices()), 8 * 32 * 8 + 1)
    begin = time.monotonic()
    for _ in range(5):
        host.conn.listAllDevices(2)
    check(time.monotonic() - begin < 5 * SLOWNESS, "lists are quick")


BAD = {
    libvirt.VIR_ERR_INTERNAL_ERROR: [
        "<device/>", "<device><name>x</name></device>", "<device><parent>computer</parent></device>",
        MDEV.replace(UUID, "nope"), "<device><capability type='pci'><domain>0</domain></capability></device>",
        "<device><capability type='net'/></device>", "<device><capability type='storage'/></device>",
        "<device><capability type='storage'><block>/dev/x</block></capability></device>", "<device><capability type='usb_device'/></device>",
        "<device><capability type='usb'/></device>", "<device><capability type='scsi'/></device>", "<device><capability type='scsi_target'/></device>",
        "<device><capability type='system'/></device>", "<device><capability type='mdev_types'/></device>", "<device><capability type='vpd'/></device>",
        "<device><parent>none</parent><capability type='scsi_host'><capability type='what'/></capability></device>",
    ],
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: [
        "<device><capability type='mdev'/></device>", "<device><parent>none</parent><capability type='mdev'><type/></capability></device>",
        MDEV.replace("pci_0000_00_03_0", "none"), re.sub("<parent>.*</parent>", "", MDEV), "<device><capability type='drm'/></device>",
        "<device><capability type='ccw'/></device>", "<device><capability type='css'/></device>", "<device><capability type='ap_card'/></device>",
        "<device><capability type='ap_queue'/></device>", "<device><capability type='ap_matrix'/></device>",
        "<device><capability type='net'><interface>e</interface><capability type='what'/></capability></device>",
        "<device><capability type='net'><interface>e</interface></capability></device>",
        "<device><capability type='ccw'><cssid>0x1ff</cssid><ssid>0</ssid><devno>1</devno></capability></device>",
    ],
    libvirt.VIR_ERR_XML_ERROR: [
        "<dev/>", "<device><capability type='what'/></device>", "<device><capability/></device>",
        "<device><parent wwnn='x'/><capability type='scsi_host'/></device>", "<device><parent wwpn='x'/><capability type='scsi_host'/></device>",
        "<device><devnode>/dev/x</devnode><capability type='net'><interface>e</interface></capability></device>",
        "<device><devnode type='x'>/dev/x</devnode><capability type='net'><interface>e</interface></capability></device>",
        "<device><capability type='net'><interface>e</interface><link state='what'/></capability></device>",
    ],
    libvirt.VIR_ERR_XML_DETAIL: ["<device", "", "text"],
    libvirt.VIR_ERR_PARSE_FAILED: [MDEV.replace("pci_0000_00_03_0", "computer")],
}


def test_bad_documents(host):
    check(sum(len(documents) for documents in BAD.values()) >= 30, "enough of them")
    for code, documents in BAD.items():
        for document in documents:
            raises(code, host.conn.nodeDeviceCreateXML, document)
            raises(code, host.conn.nodeDeviceDefineXML, document)


@ONLY
def test_definitions_of_mediated_devices(host):
    """mdevctl keeps them. rows: passthrough-13"""
    if not shutil.which("mdevctl"):
        raise Skip("mdevctl is not installed")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/etc/mdevctl.d"], check=True)
    for folder in ("callouts", "notifiers"):
        pathlib.Path("/etc/mdevctl.d/scripts.d", folder).mkdir(parents=True)
    Tree(host).pci(GPU, "nvidia", **{"class": "0x030000"})
    host.start_daemon()
    device = host.conn.nodeDeviceDefineXML(MDEV)
    name = device.name()
    equal(name, "mdev_4b20d080_1b54_4048_85b3_a6a62d165c01_0000_00_03_0")
    equal((device.isActive(), device.isPersistent(), device.autostart(), device.parent()), (0, 1, 0, "pci_0000_00_03_0"))
    equal(host.ok("nodedev-list", "--inactive").split(), [name])
    check(name not in host.ok("nodedev-list"), "it is not active")
    contains(device.XMLDesc(), "<type id='nvidia-11'/>", f"<uuid>{UUID}</uuid>", "<attr name='assign_domain' value='5'/>")
    device.setAutostart(1)
    equal(device.autostart(), 1)
    host.restart_daemon()
    device = host.conn.nodeDeviceLookupByName(name)
    equal((device.isActive(), device.autostart()), (0, 1))
    contains(host.lodge_ok("nodedev-update", name, host.write_xml(MDEV.replace("value='5'", "value='9'")), "--config"), "updated")
    contains(device.XMLDesc(), "<attr name='assign_domain' value='9'/>")
    equal(device.autostart(), 1)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, device.create)  # no such device is behind the tree
    device.undefine()
    raises(libvirt.VIR_ERR_NO_NODE_DEVICE, host.conn.nodeDeviceLookupByName, name)
    without = host.conn.nodeDeviceDefineXML(MDEV.replace(f"<uuid>{UUID}</uuid>", ""))
    contains(without.name(), "mdev_", "_0000_00_03_0")
    without.undefine()
    equal(host.ok("nodedev-list", "--inactive").split(), [])
