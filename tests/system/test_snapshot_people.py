"""Snapshots as the words of tutorials and the window of virt-manager ask for them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.moments import Moments

FOLDER = "var/lib/libvirt/qemu/snapshot"
SCREEN = "<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>"


def test_back_and_running(host):
    """rows: snapshots-10 snapshots-11 snapshots-16"""
    m = Moments(host)
    equal(host.ok("snapshot-list", "m").split("\n")[0].split(), ["Name", "Creation", "Time", "State"])
    m.write(1)
    number = re.fullmatch(r"Domain snapshot (\d+) created", host.ok("snapshot-create", "m").strip()).group(1)
    m.known[number] = dict(m.present)
    m.write(2)
    m.present = dict(m.known[number])
    host.ok("snapshot-revert", "m", "--snapshotname", number, "--running")
    equal(host.state("m"), "running")
    m.check()
    m.dom.destroy()
    contains(host.ok("snapshot-delete", "m", "--snapshotname", number), f"Domain snapshot {number} deleted")
    equal(m.names(), [])


def test_a_window_with_snapshots(host):
    """rows: snapshots-15 snapshots-21"""
    m = Moments(host, devices=SCREEN)
    for is_on in (False, True):
        name = f"snapshot{int(is_on)}"
        if is_on:
            m.dom.create()
        m.write(1 + is_on)
        if is_on:
            stream = host.conn.newStream()
            mime, picture = m.dom.screenshot(stream, 0, 0), bytearray()
            stream.recvAll(lambda _, data, to: to.extend(data), picture)
            stream.finish()
            whole = picture[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" in picture[-12:] if mime == "image/png" else len(picture) > 1000
            check(mime.startswith("image/") and whole, f"a screenshot: {mime}, {len(picture)} bytes")
        m.dom.snapshotCreateXML(f"<domainsnapshot><name>{name}</name><description>one &amp; more</description></domainsnapshot>", 0)
        m.known[name] = dict(m.present)
        contains((host.path(FOLDER) / f"m/{name}.xml").read_text(), "<description>one &amp; more</description>")
        m.write(9)
        shot, = [s for s in m.dom.listAllSnapshots() if s.getName() == name]
        contains(shot.getXMLDesc(), "<description>one &amp; more</description>", f"<state>{('shutoff', 'running')[is_on]}</state>")
        check(shot.isCurrent(), "it is the current one")
        m.dom.revertToSnapshot(shot)
        m.present = dict(m.known[name])
        equal(m.dom.isActive(), is_on)
        m.check()
    for shot in m.dom.listAllSnapshots():
        shot.delete(0)
    equal((m.names(), m.dom.hasCurrentSnapshot()), ([], 0))
