"""Machines on volumes of pools.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
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
    if not host.is_reference:
        for busy in (lambda: top.delete(0), lambda: top.resize(1 << 22), lambda: top.wipe(0), lambda: base.delete(0)):
            raises(libvirt.VIR_ERR_OPERATION_INVALID, busy, text="'m'")
    dom.destroy()
    if not host.is_reference:
        raises(libvirt.VIR_ERR_OPERATION_INVALID, base.delete, 0, text="volume 'top.qcow2' of pool 'p' is based on it")
    top.delete(0)
    raises(libvirt.VIR_ERR_NO_STORAGE_VOL, dom.create)
    base.delete(0)


def test_a_machine_needs_its_pool(host):
    pool, _ = make_pool(host)
    pool.createXML(volume_xml("v"), 0)
    xml = disk("<source pool='p' volume='v'/>", type="volume", kind="raw")
    pool.destroy()
    dom = host.define(host.guests.empty("m", devices=xml))
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text="storage pool 'p' containing volume 'v' is not active")
    pool.undefine()
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, dom.create)
