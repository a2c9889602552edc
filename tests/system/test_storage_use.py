"""Storage as people use it: overlays made by hand, disks that are devices, room.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from test_images import image
from test_pool_devices import loop_device

DISK = "<disk type='{}' device='disk'><driver name='qemu' type='{}'/><source {}='{}'/><target dev='vda' bus='virtio'/></disk>"


def test_an_overlay_made_by_hand(host):
    """As its wizard imports one: found as a volume, started as a machine, with its chain.

    rows: images-65"""
    base = image(host, "base.qcow2")
    pool = host.conn.storagePoolLookupByName("default") if "default" in host.ok("pool-list", "--all") else None
    if not pool:
        host.ok("pool-create-as", "default", "dir", "--target", base.parent)
        pool = host.conn.storagePoolLookupByName("default")
    if not pool.isActive():
        pool.create()
    top = image(host, "top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    pool.refresh()
    volume = host.conn.storageVolLookupByPath(str(top))
    contains(volume.XMLDesc(), f"<path>{base}</path>", "<format type='qcow2'/>")
    dom = host.define(host.guests.empty("tiny", devices=DISK.format("file", "qcow2", "file", volume.path())))
    dom.create()
    contains(dom.XMLDesc(), f"<source file='{top}' index='1'/>", "<backingStore type='file' index='2'>", f"<source file='{base}'/>")


def test_devices_have_no_snapshots(host):
    """A partition or a volume of LVM is raw: nothing in it could hold a snapshot.

    rows: storage-pool-94 storage-pool-86"""
    with loop_device(host) as device:
        dom = host.define(host.guests.empty("tiny", devices=DISK.format("block", "raw", "dev", device)))
        for _ in range(2):
            raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                   dom.snapshotCreateXML, "<domainsnapshot/>",
                   text="internal snapshot for disk vda unsupported for storage type raw")
            equal(dom.snapshotNum(), 0)
            if not dom.isActive():
                dom.create()
        equal(dom.blockInfo("vda")[0], 64 << 20)
        dom.destroy()


@mark(only="lodged", reason="a command of lodge's")
def test_what_preallocation_needs(host):
    """Of a raw image the file system's room, at once; of a qcow2 image only that of its tables.

    rows: images-45"""
    small = host.path("small")
    small.mkdir()
    equal(run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small]).code, 0)
    for format_, how, code in (("raw", "falloc", 1), ("raw", "full", 1), ("raw", "off", 0), ("qcow2", "metadata", 0)):
        path = small / f"{format_}-{how}"
        done = host.lodge("image", "create", path, "64M", "--format", format_, "--options", f"preallocation={how}")
        equal(done.code, code, str(done))
        equal(path.exists(), code == 0, "nothing half made is left")
        if code:
            contains(done.err, "No space left on device", str(path))
