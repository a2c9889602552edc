"""Disks that come and go while a machine runs, and in its definition.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import re
import threading

import libvirt_qemu
from lodgetest.host import *
from lodgetest.runner import mark

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
BOTH, INACTIVE = LIVE | CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE


def image(host, name, kind="raw", size="8M"):
    path = host.path(f"var/lib/libvirt/images/{name}")
    equal(run(["qemu-img", "create", "-q", "-f", kind, str(path), size]).code, 0)
    return path


def disk(path, target, kind="raw", bus="virtio", more="", device="disk"):
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
            f"<target dev='{target}' bus='{bus}'/>{more}</disk>")


def targets(dom, flags=0):
    return re.findall("<disk .*?<target dev='(.*?)'", dom.XMLDesc(flags), re.S)


def nodes(dom):
    """The files that QEMU has open as disks."""
    answer = libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": "query-named-block-nodes"}), 0)
    return sorted(os.path.basename(node["file"]) for node in json.loads(answer)["return"] if node["drv"] == "file")


def test_a_disk_comes_and_goes(host):
    """rows: platform-10"""
    first, second = image(host, "one.img"), image(host, "two.qcow2", "qcow2")
    scsi = "<controller type='scsi' model='virtio-scsi'/>"
    dom = host.start_demo("demo", devices=scsi)
    console = host.booted("demo")
    owner = first.stat().st_uid
    host.ok("attach-disk", "demo", str(first), "vdb", "--targetbus", "virtio", "--live", "--config")
    dom.attachDeviceFlags(disk(second, "sda", "qcow2", "scsi", "<serial>plugged</serial><iotune><total_bytes_sec>1000000</total_bytes_sec></iotune>"), LIVE)
    equal((targets(dom), targets(dom, INACTIVE)), (["vda", "vdb", "sda"], ["vda", "vdb"]))
    check(first.stat().st_uid != owner or os.geteuid() != 0 or owner == 64055, "the image is QEMU's")
    console.command("until test -b /dev/vdb; do sleep 1; done; echo written to the disk > /dev/vdb; sync")
    equal(nodes(dom), ["demo.qcow2", "one.img", "two.qcow2"])
    throttle = json.loads(libvirt_qemu.qemuMonitorCommand(dom, '{"execute": "query-block"}', 0))["return"]
    check(any(entry.get("inserted", {}).get("bps") == 1000000 for entry in throttle), "the limit acts")
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    equal(targets(dom), ["vda", "vdb", "sda"])
    host.ok("detach-disk", "demo", "vdb", "--live", "--config")
    dom.detachDeviceFlags(disk(second, "sda", "qcow2", "scsi"), LIVE)
    wait_until(lambda: targets(dom) == ["vda"], "they are gone")
    equal((targets(dom, INACTIVE), nodes(dom), first.stat().st_uid), (["vda"], ["demo.qcow2"], owner))
    contains(first.read_bytes()[:30].decode(errors="replace"), "written to the disk")
    dom.attachDeviceFlags(disk(first, "vdb"), LIVE)
    console = host.booted("demo")
    contains(console.command("until test -b /dev/vdb; do sleep 1; done; head -c 19 /dev/vdb"), "written to the disk")


def test_what_cannot_be_plugged(host):
    first = image(host, "one.img")
    dom = host.start_sector()
    before, owner = dom.XMLDesc(), first.stat().st_uid
    for xml, code, text in (
            (disk("/no/such.img", "vdb"), libvirt.VIR_ERR_SYSTEM_ERROR, "/no/such.img"),
            (disk(first, "hdb", bus="ide"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "disk bus 'ide' cannot be hotplugged"),
            (disk(first, "hdc", bus="ide", device="cdrom"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "device type 'cdrom' cannot be hotplugged"),
            (disk(first, "vdb", kind="qcow2"), None, "one.img")):
        try:
            dom.attachDeviceFlags(xml, LIVE)
            fail(f"{xml} was attached")
        except libvirt.libvirtError as error:
            check(code in (None, error.get_error_code()), f"{error.get_error_code()}: {error}")
            contains(str(error), text)
        equal((dom.XMLDesc(), nodes(dom), first.stat().st_uid), (before, ["tiny.img"], owner), text)
    dom.attachDeviceFlags(disk(first, "vdb"), LIVE)
    raises(libvirt.VIR_ERR_XML_ERROR, dom.attachDeviceFlags, disk(first, "vdb"), LIVE, text="target 'vdb' duplicated")


def test_definitions(host):
    first = image(host, "one.img")
    dom = host.define_sector()
    host.ok("attach-disk", "tiny", str(first), "vdb", "--config")
    host.ok("attach-disk", "tiny", str(first), "sda", "--targetbus", "scsi", "--config")
    equal(targets(dom), ["hda", "vdb", "sda"])
    contains(dom.XMLDesc(), "<controller type='scsi'")
    host.ok("detach-disk", "tiny", "vdb", "--config")
    equal(targets(dom), ["hda", "sda"])
    raises(libvirt.VIR_ERR_DEVICE_MISSING, dom.detachDeviceFlags, disk(first, "vdz"), CONFIG)


@mark(only="lodged", reason="the reference does not survive that")
def test_kills_in_the_middle(host):
    images = [image(host, f"{n}.img") for n in range(3)]
    host.start_sector()
    owner = images[0].stat().st_uid
    chance = random.Random(11)
    for _ in range(20):
        dom = host.conn.lookupByName("tiny")
        number = chance.randrange(3)
        xml = disk(images[number], f"vd{'bcd'[number]}")

        def act(dom=dom, xml=xml, step=chance.choice(["attachDeviceFlags", "detachDeviceFlags"])):
            try:
                getattr(dom, step)(xml, BOTH)
            except libvirt.libvirtError:
                pass  # refused, or the daemon is gone

        thread = threading.Thread(target=act)
        thread.start()
        thread.join(chance.uniform(0, 0.08))
        host.daemon.kill()
        thread.join()
        host.drop_connections()
        host.daemon.start()
        dom = host.conn.lookupByName("tiny")
        wait_until(lambda d=dom: len(nodes(d)) == len(targets(d)), "QEMU and the document have the same disks")
        dom.reset()
    dom.destroy()
    equal([path.stat().st_uid for path in images], [owner] * 3)


def test_media(host):
    """A CD that is taken out and put in again."""
    first, second = image(host, "first.iso"), image(host, "second.iso")
    owner = first.stat().st_uid
    dom = host.start_sector("demo", devices=disk(first, "hdc", bus="ide", device="cdrom"))
    host.ok("change-media", "demo", "hdc", str(second), "--update", "--live", "--config", "--force")
    equal(nodes(dom), ["demo.img", "second.iso"])
    for flags in (0, INACTIVE):
        contains(dom.XMLDesc(flags), f"<source file='{second}'")
    equal(first.stat().st_uid, owner)
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    host.ok("change-media", "demo", "hdc", "--eject", "--live", "--force")
    equal((nodes(dom), second.stat().st_uid), (["demo.img"], owner))
    check("second.iso" not in dom.XMLDesc(), "the drive is empty")
    host.ok("change-media", "demo", "hdc", str(first), "--insert", "--live")
    equal(nodes(dom), ["demo.img", "first.iso"])
    before = dom.XMLDesc()
    error = raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.updateDeviceFlags, disk("/no/such.iso", "hdc", bus="ide", device="cdrom"), LIVE)
    contains(str(error), "/no/such.iso")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.updateDeviceFlags, disk(first, "hda", bus="ide"), LIVE, text="only the medium of a CD")
    equal((dom.XMLDesc(), nodes(dom)), (before, ["demo.img", "first.iso"]))
