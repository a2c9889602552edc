"""Calls of python3-libvirt about snapshots, as virt-manager and Cockpit use them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt


def play(player):
    conn = player.host.conn
    dom = conn.lookupByName("sn")
    call = player.call
    call("snapshotNum", lambda: dom.snapshotNum())
    call("snapshotNum roots", lambda: dom.snapshotNum(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS))
    call("snapshotNum bad flag", lambda: dom.snapshotNum(1 << 20))
    call("snapshotListNames", lambda: sorted(dom.snapshotListNames()))
    call("listAllSnapshots", lambda: sorted(s.getName() for s in dom.listAllSnapshots()))
    call("listAllSnapshots topological",
         lambda: [s.getName() for s in dom.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)])
    call("hasCurrentSnapshot", lambda: dom.hasCurrentSnapshot())
    call("snapshotCurrent", lambda: dom.snapshotCurrent().getName())
    call("lookup none", lambda: dom.snapshotLookupByName("none"))
    one = dom.snapshotLookupByName("keep1")
    two = dom.snapshotLookupByName("keep2")
    for name, snap in (("keep1", one), ("keep2", two)):
        call(f"{name} isCurrent", snap.isCurrent)
        call(f"{name} hasMetadata", snap.hasMetadata)
        call(f"{name} numChildren", snap.numChildren)
        call(f"{name} listChildrenNames", lambda snap=snap: snap.listChildrenNames())
        call(f"{name} listAllChildren", lambda snap=snap: [s.getName() for s in snap.listAllChildren()])
        call(f"{name} getParent", lambda snap=snap: snap.getParent().getName())
        call(f"{name} getXMLDesc", lambda snap=snap: snap.getXMLDesc())
    call("create bad flags", lambda: dom.snapshotCreateXML("<domainsnapshot/>", 1 << 20))
    call("create no document", lambda: dom.snapshotCreateXML("", 0))
    call("create broken", lambda: dom.snapshotCreateXML("<domainsnapshot>", 0))
    call("create of something else", lambda: dom.snapshotCreateXML("<domain/>", 0))
    call("create redefine", lambda: dom.snapshotCreateXML("<domainsnapshot/>", libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE))
    call("create current", lambda: dom.snapshotCreateXML("<domainsnapshot/>", libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT))
    call("create redefine no metadata", lambda: dom.snapshotCreateXML(
        "<domainsnapshot/>", libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA))
    call("xml secure", lambda: "<domain" in one.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))
    call("xml bad flag", lambda: one.getXMLDesc(1 << 20))
    call("revert bad flag", lambda: dom.revertToSnapshot(one, 1 << 20))
    call("revert", lambda: dom.revertToSnapshot(one, 0))
    call("isCurrent after", one.isCurrent)
    call("delete bad flag", lambda: two.delete(1 << 20))
    call("delete", lambda: two.delete(0))
    call("delete again", lambda: two.delete(0))
    call("current of gone", two.isCurrent)
    call("delete all", lambda: one.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN))
    call("hasCurrentSnapshot at last", lambda: dom.hasCurrentSnapshot())
    call("undefine", lambda: dom.undefine())
    reader = player.host.open(readonly=True)
    call("reader: snapshotNum of gone", lambda: reader.lookupByName("sn").snapshotNum())
