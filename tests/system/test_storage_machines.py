"""Machines on volumes of pools.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json

from lodgetest.host import *
from lodgetest.runner import mark
from test_disks import disk, start
from test_storage import make_pool, volume_xml


def test_a_machine_runs_on_a_volume(host):
    """Its disk names pool and volume; what is in use is neither removed nor changed. rows: volume-37 storage-pool-09"""
    pool, folder = make_pool(host)
    base = pool.createXML(volume_xml("base.qcow2", form="qcow2"), 0)
    more = f"<backingStore><path>{base.path()}</path><format type='qcow2'/></backingStore>"
    top = pool.createXML(volume_xml("top.qcow2", form="qcow2", more=more), 0)
    dom = start(host, disk("<source pool='p' volume='top.qcow2'/>", type="volume"))
    contains(host.ok("qemu-monitor-command", "m", '{"execute": "query-named-block-nodes"}'), str(folder / "top.qcow2"))
    contains(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), "<source pool='p' volume='top.qcow2'/>")
    contains(dom.XMLDesc(0), "<disk type='volume'", "<source pool='p' volume='top.qcow2' index='1'/>", f"<source file='{folder}/base.qcow2'/>")
    contains(host.ok("domblklist", "m"), "vda      top.qcow2")
    if not host.is_reference:
        host.restart_daemon()
        dom, pool = host.conn.lookupByName("m"), host.conn.storagePoolLookupByName("p")
        base, top = (pool.storageVolLookupByName(name) for name in ("base.qcow2", "top.qcow2"))
        wait_until(lambda: "<source pool='p' volume='top.qcow2' index='1'/>" in dom.XMLDesc(0), "it has its name again")
    if not host.is_reference:
        for busy in (lambda: top.delete(0), lambda: top.resize(1 << 22), lambda: top.wipe(0), lambda: base.delete(0)):
            raises(libvirt.VIR_ERR_OPERATION_INVALID, busy, text="'m'")
    dom.destroy()
    if not host.is_reference:
        contains(host.lodge("vol-delete", "base.qcow2", "--pool", "p").err, "volume 'top.qcow2' of pool 'p'")
    top.delete(0)
    raises(libvirt.VIR_ERR_NO_STORAGE_VOL, dom.create)
    base.delete(0)


def test_a_transient_machine_keeps_the_names_of_its_volumes(host):
    """Nothing but the running machine knows them: they are there for its next host, its saved state, and the next daemon."""
    pool, folder = make_pool(host)
    pool.createXML(volume_xml("v"), 0)
    host.conn.createXML(host.guests.empty("m", devices=disk("<source pool='p' volume='v'/>", type="volume", kind="raw")), 0)
    if not host.is_reference:
        host.crash_daemon()
    dom = host.conn.lookupByName("m")
    contains(dom.XMLDesc(0), "<disk type='volume'", "<source pool='p' volume='v' index='1'/>")
    contains(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE), "<source pool='p' volume='v'/>")
    check(str(folder) not in dom.XMLDesc(0), "where it lies is not part of it")
    image = host.path("data/m.save")
    dom.save(str(image))
    contains(host.conn.saveImageGetXMLDesc(str(image)), "<source pool='p' volume='v'/>")
    host.conn.restore(str(image))
    dom = host.conn.lookupByName("m")
    contains(dom.XMLDesc(0), "<source pool='p' volume='v' index='1'/>")
    dom.destroy()


def test_a_machine_needs_its_pool(host):
    pool, _ = make_pool(host)
    pool.createXML(volume_xml("v"), 0)
    xml = disk("<source pool='p' volume='v'/>", type="volume", kind="raw")
    pool.destroy()
    dom = host.define(host.guests.empty("m", devices=xml))
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text="storage pool 'p' containing volume 'v' is not active")
    pool.undefine()
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, dom.create)


def users(host, volume, pool="p"):
    info = json.loads(host.lodge_ok("volume", "info", volume, "--pool", pool, "-o", "json"))
    return [(user["kind"], user["name"]) for user in info.get("used_by", [])]


def orphans(host, *words):
    return [(row["pool"], row["name"]) for row in json.loads(host.lodge_ok("volume", "orphans", *words, "-o", "json"))]


@mark(only="lodged", reason="lodge's own")
def test_who_needs_a_volume(host):
    """Machines, running or not, and what is based on it, however they spell its path; what nobody needs is listed."""
    pool, folder = make_pool(host)
    other, elsewhere = make_pool(host, "q")
    pool.createXML(volume_xml("base.qcow2", form="qcow2"), 0)
    more = f"<backingStore><path>{folder}/base.qcow2</path><format type='qcow2'/></backingStore>"
    other.createXML(volume_xml("top.qcow2", form="qcow2", more=more), 0)
    for name in ("iso", "kernel", "free", "linked", "data"):
        pool.createXML(volume_xml(name), 0)
    link = host.path("data/link")
    link.symlink_to(folder)
    made = host.lodge("image", "create", "p/split", "1M", "--format", "qcow2", "--options", f"data_file={folder}/data,data_file_raw=on")
    equal(made.code, 0, str(made))
    dom = host.define(host.guests.empty("idle", devices=disk("<source pool='q' volume='top.qcow2'/>", type="volume", target="vdb")
                                        + disk(f"<source file='{link}/linked'/>", kind="raw", target="vdc")
                                        + disk(f"<source file='{folder}/iso'/>", kind="raw", target="vdd")))
    host.define(host.guests.empty("boots", os_part=f"<kernel>{folder}/kernel</kernel>"))
    equal(users(host, "top.qcow2", "q"), [("machine", "idle")])
    equal(users(host, "base.qcow2"), [("machine", "idle"), ("backing-of", "q/top.qcow2")])
    equal(users(host, "linked"), [("machine", "idle")])
    equal(users(host, "kernel"), [("machine", "boots")])
    equal(users(host, "data"), [("backing-of", "p/split")])
    equal(users(host, "free"), [])
    contains(host.lodge_ok("vol-info", "base.qcow2", "--pool", "p"), "Used by", "machine idle, volume q/top.qcow2 (based on it)")
    equal(orphans(host), [("p", "free"), ("p", "split")])
    equal(orphans(host, "--pool", "q"), [])
    contains(host.lodge_ok("volume", "orphans"), "free", "Modified")
    dom.create()
    equal(users(host, "base.qcow2"), [("machine-running", "idle"), ("backing-of", "q/top.qcow2")])
    for name in ("iso", "linked", "base.qcow2"):  # also through another door, and by force
        raises(libvirt.VIR_ERR_OPERATION_INVALID, pool.storageVolLookupByName(name).delete, 0, text="running machine 'idle'")
        contains(host.lodge("vol-delete", name, "--pool", "p", "--force").err, "running machine 'idle'")
    dom.destroy()
    for name, says in (("base.qcow2", "volume 'top.qcow2' of pool 'q'"), ("iso", "machine 'idle'"), ("linked", "machine 'idle'"),
                       ("data", "volume 'split' of pool 'p'")):
        refused = host.lodge("vol-delete", name, "--pool", "p")
        equal(refused.code, 1)
        contains(refused.err, says, "--force")
    host.lodge_ok("vol-delete", "free", "--pool", "p")
    host.lodge_ok("vol-delete", "iso", "--pool", "p", "--force")
    pool.storageVolLookupByName("base.qcow2").delete(0)  # as libvirtd does
    equal([v.name() for v in pool.listAllVolumes()], ["data", "kernel", "linked", "split"])


@mark(only="lodged", reason="of later versions")
def test_disks_as_later_versions_know_them(host):
    """Images in namespaces of RBD pools, a discard granularity of nothing."""
    source = "<source protocol='rbd' name='pool/ns/image'><host name='mon.test'/></source>"
    xml = host.guests.empty("m", devices=disk(source, type="network", kind="raw", more="<blockio discard_granularity='0'/>"))
    contains(host.define(xml).XMLDesc(), "<blockio discard_granularity='0'/>")
    line = host.conn.domainXMLToNative("qemu-argv", xml)
    contains(line, '"pool":"pool","namespace":"ns","image":"image"', '"discard_granularity":0')
