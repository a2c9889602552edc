"""Snapshots: taking, looking at, going back, deleting.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import re
import time
import xml.etree.ElementTree as ElementTree

from lodgetest.agent import start_scripted
from lodgetest.host import *
from lodgetest.moments import Moments, sh

RISKY = 77


def test_internal_ones_of_a_stopped_machine(host):
    """rows: snapshots-02 snapshots-03 snapshots-06 snapshots-08 snapshots-09 snapshots-10 snapshots-12 snapshots-13
    snapshots-14 snapshots-17 snapshots-18 snapshots-19"""
    m = Moments(host, disks=2)
    equal(host.ok("snapshot-list", "m").splitlines()[0].split(), ["Name", "Creation", "Time", "State"], "header")
    m.write(1)
    m.take("one")
    m.write(2)
    m.take("two")
    m.write(3)
    m.check()
    file = host.path("var/lib/libvirt/qemu/snapshot/m/one.xml")
    equal(file.stat().st_mode & 0o777, 0o600, "mode of the file")
    contains(host.ok("snapshot-list", "m"), "shutoff")
    contains(sh("qemu-img", "snapshot", "-l", m.path()), "one", "two")
    m.revert("one")
    m.check()
    m.revert("two")
    m.check()
    m.delete("one")
    m.check()
    check(not file.exists(), "the file of a deleted snapshot is left")
    host.ok("snapshot-delete", "m", "--current")
    m.known = {}
    m.check()
    equal(sh("qemu-img", "snapshot", "-l", m.path()), "", "what is left inside")


def test_names_that_are_numbers(host):
    """qemu-img would take the name of one for the number of another. rows: snapshots-11"""
    m = Moments(host)
    for name in ("2", "1", "3"):
        m.write(int(name))
        m.take(name)
    m.write(9)
    for name in ("1", "2", "3"):
        m.revert(name)
        m.check()
    host.ok("snapshot-create", "m")
    check(any(len(name) == 10 for name in m.names()), "no name made of the time")


def test_internal_ones_of_a_running_machine(host):
    """rows: snapshots-01 snapshots-24"""
    m = Moments(host, disks=2, start=True)
    m.write(1)
    m.take("one")
    equal(host.state("m"), "running", "state")
    m.write(2)
    host.ok("suspend", "m")
    m.take("two")
    equal(host.state("m"), "paused", "state")
    host.ok("resume", "m")
    m.write(3)
    m.check()
    listed = [line.split() for line in sh("qemu-img", "snapshot", "-U", "-l", m.path()).splitlines()[2:]]
    check(all(not line[2].startswith("0") for line in listed), f"no memory inside: {listed}")
    m.revert("one")
    equal(host.ok("domstate", "m", "--reason").strip(), "running (from snapshot)", "state")
    m.check()
    m.revert("two")
    equal(host.ok("domstate", "m", "--reason").strip(), "paused (from snapshot)", "state")
    m.check()
    m.revert("one", "--paused")
    equal(host.state("m"), "paused", "state")
    host.ok("destroy", "m")
    m.revert("two", "--running")
    equal(host.state("m"), "running", "state")
    m.check()
    m.delete("one")
    m.check()
    m.write(4)
    m.take("three", "--halt")
    equal(host.ok("domstate", "m", "--reason").strip(), "shut off (from snapshot)", "state")
    m.check()
    m.delete("two", "--children")
    m.check()


def test_external_ones_of_a_running_machine(host):
    """rows: snapshots-02 snapshots-04"""
    m = Moments(host, disks=2, start=True)
    for i in range(1, 4):
        m.write(i)
        m.take(f"s{i}", "--disk-only", "--atomic")
    m.write(4)
    m.check()
    equal(m.chain(), ["m-vda.s3", "m-vda.s2", "m-vda.s1", "m-vda.qcow2"], "chain")
    equal((m.folder / "m-vda.s3").stat().st_mode & 0o777, 0o600, "mode of an overlay")
    root = ElementTree.fromstring(host.ok("dumpxml", "m", "--inactive"))
    equal(root.find(".//disk/source").get("file"), str(m.folder / "m-vda.s3"), "the definition")
    m.delete("s2")
    m.check()
    equal(m.chain(), ["m-vda.s3", "m-vda.s1", "m-vda.qcow2"], "chain")
    m.delete("s3")
    m.check()
    equal(m.chain(), ["m-vda.s1", "m-vda.qcow2"], "chain")
    host.ok("destroy", "m")
    m.check()
    m.delete("s1")
    m.check()
    equal([p.name for p in m.images()], ["m-vda.qcow2", "m-vdb.qcow2"], "images")
    host.ok("start", "m")
    m.check()


def test_memory_in_a_file(host):
    m = Moments(host, start=True)
    memory = m.folder / "memory"
    m.write(1)
    m.take("one", "--memspec", f"file={memory}")
    equal(host.ok("domstate", "m", "--reason").strip(), "running (unpaused)", "state")
    m.write(2)
    m.take("live", "--memspec", f"file={memory}2", "--live")
    m.write(3)
    m.check()
    equal(memory.read_bytes()[:16], b"LibvirtQemudSave", "the file")
    m.revert("one")
    equal(host.ok("domstate", "m", "--reason").strip(), "running (from snapshot)", "state")
    m.check()
    m.write(4)
    m.revert("live", "--paused")
    equal(host.state("m"), "paused", "state")
    m.check()
    host.ok("destroy", "m")
    m.revert("one")
    equal(host.state("m"), "running", "state")
    m.write(5)
    m.check()
    m.delete("one")
    m.check()
    check(not memory.exists(), "the memory of a deleted snapshot is left")


def test_refused_and_nothing_has_changed(host):
    """rows: snapshots-04 snapshots-20"""
    m = Moments(host, disks=2)
    raw = host.path("disks/raw.img")
    raw.write_bytes(bytes(1 << 20))
    host.define(host.guests.empty("raw", devices=f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                                                 f"<source file='{raw}'/><target dev='vda' bus='virtio'/></disk>"))
    m.write(1)
    m.take("one")
    (m.folder / "taken").touch()

    def untouched():
        images = [p.name for p in m.images()]
        text = host.ok("dumpxml", "m")

        def same():
            equal([p.name for p in m.images()], images, "images")
            equal(host.ok("dumpxml", "m"), text, "the machine")
            m.check()
        return same
    for running in (False, True):
        if running:
            host.ok("start", "m")
        same = untouched()
        host.refused("snapshot-create-as", "m", "one", says="domain moment one already exists")
        host.refused("snapshot-create-as", "m", "a/b", says="name can't contain '/'")
        host.refused("snapshot-create-as", "m", "x", "--disk-only", "--diskspec", "vdz", says="no disk named 'vdz'")
        host.refused("snapshot-create-as", "m", "x", "--disk-only", "--diskspec", f"vdb,file={m.folder}/taken",
                     says="already exists and is not a block device")
        host.refused("snapshot-create-as", "m", "x", "--disk-only", "--diskspec", f"vdb,file={m.folder}/no/where",
                     says="No such file or directory")
        host.refused("snapshot-create-as", "m", "x", "--disk-only", "--reuse-external", "--diskspec",
                     f"vdb,file={m.folder}/none", "--diskspec", "vda,snapshot=no", says="missing existing file")
        host.refused("snapshot-create-as", "m", "x", "--quiesce", says="is required by flag")
        host.refused("snapshot-create-as", "m", "x", "--live", says="full system snapshots")
        same()
    host.refused("snapshot-create-as", "m", "x", "--disk-only", "--quiesce", says="agent is not configured")
    same()
    host.refused("snapshot-create-as", "raw", "x", says="unsupported for storage type raw")
    host.ok("destroy", "m")
    host.refused("undefine", "m", says="cannot delete inactive domain with 1 snapshots")
    host.ok("undefine", "m", "--snapshots-metadata")
    check(not host.path("var/lib/libvirt/qemu/snapshot/m").exists(), "files of snapshots are left")


def test_no_space(host):
    """A file system that is full refuses the snapshot and nothing else."""
    m = Moments(host, disks=2)
    small = host.path("small")
    small.mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=128k,mode=0755", "tmpfs", small)
    (small / "ballast").write_bytes(bytes(124 << 10))
    m.write(1)
    for running in (False, True):
        if running:
            host.ok("start", "m")
        host.refused("snapshot-create-as", "m", "x", "--disk-only", "--diskspec", f"vdb,file={small}/x")
        equal(sorted(p.name for p in small.iterdir()), ["ballast"], "files")
        m.check()
    host.refused("snapshot-create-as", "m", "y", "--memspec", f"file={small}/memory")
    equal(host.state("m"), "running", "state")
    m.check()


def test_a_damaged_chain_is_refused(host):
    m = Moments(host)
    m.write(1)
    m.take("one", "--disk-only")
    m.write(2)
    m.take("two", "--disk-only")
    base = m.folder / "m-vda.qcow2"
    away = m.folder / "away"
    base.rename(away)
    host.refused("snapshot-revert", "m", "one", says="not there any more")
    host.refused("snapshot-revert", "m", "two", says="not there any more")
    base.write_bytes(b"QFI\xfb" + bytes(200))
    host.refused("snapshot-revert", "m", "one", says="m-vda.qcow2")
    host.refused("snapshot-delete", "m", "two", says="m-vda.qcow2")
    base.unlink()
    away.rename(base)
    m.check()
    m.revert("one")
    m.check()


def test_a_chain_that_is_damaged_inside_or_goes_in_a_circle(host):
    """Its headers look well. What would merge, or build on it, is refused, and nothing has changed."""
    if host.is_reference:
        raise Skip("libvirtd merges nothing")
    m = Moments(host)
    for value, name in enumerate(("one", "two", "three"), 1):
        m.write(value)
        m.take(name, "--disk-only")
    middle, base = m.folder / "m-vda.two", m.folder / "m-vda.qcow2"
    whole = middle.read_bytes()
    table = int.from_bytes(whole[40:48], "big")  # the first table of clusters
    middle.write_bytes(whole[:table] + b"\x55" * 64 + whole[table + 64:])
    for name in ("two", "three"):
        host.refused("snapshot-delete", "m", name, says="m-vda.two' is damaged")
    equal(len(m.names()), 3)
    middle.write_bytes(whole)
    sh("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", m.folder / "m-vda.three", "-F", "qcow2", base)
    for words in (("snapshot-create-as", "m", "four", "--disk-only"), ("snapshot-create-as", "m", "four"),
                  ("snapshot-delete", "m", "two"), ("snapshot-revert", "m", "two"), ("start", "m")):
        host.refused(*words, says="circle")
    equal((len(m.names()), len(m.images())), (3, 4))
    sh("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "", base)
    m.check()
    m.delete("two")
    m.check()


def test_managed_save_and_snapshots(host):
    m = Moments(host, start=True)
    host.ok("managedsave", "m")
    m.write(1)
    host.refused("snapshot-create-as", "m", "out", "--disk-only", says="managed save image")
    m.take("in")
    error = raises(RISKY, m.dom.revertToSnapshot, m.dom.snapshotLookupByName("in"), 0)
    contains(str(error), "managed saved state")
    m.revert("in", "--force")
    contains(host.ok("dominfo", "m"), "Managed save:   no")


def test_quiesced_and_thawed(host):
    """rows: snapshots-20"""
    agent, _ = start_scripted(host, {"guest-fsfreeze-freeze": 1, "guest-fsfreeze-thaw": 1}, name="agent")
    overlay = host.path("disks/x")
    overlay.parent.mkdir()
    overlay.parent.chmod(0o755)
    host.ok("snapshot-create-as", "agent", "x", "--disk-only", "--quiesce", "--diskspec", f"vda,file={overlay}")
    asked = [name for name in agent.commands() if "fsfreeze" in name]
    equal(asked, ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"], "what the agent was asked")


def test_the_tree(host):
    """Kept over restarts and renaming."""
    m = Moments(host)
    m.take("a")
    m.take("b")
    m.take("c", "--disk-only")
    m.revert("a")
    m.take("d")
    equal(host.ok("snapshot-list", "m", "--tree").split(), "a | +- b | | | +- c | +- d".split(), "tree")
    equal(host.ok("snapshot-list", "m", "--roots", "--name").split(), ["a"], "roots")
    equal(host.ok("snapshot-list", "m", "--leaves", "--name").split(), ["c", "d"], "leaves")
    equal(host.ok("snapshot-list", "m", "--from", "a", "--name").split(), ["b", "d"], "children")
    equal(host.ok("snapshot-list", "m", "--from", "a", "--descendants", "--name").split(), ["b", "c", "d"], "below")
    equal(host.ok("snapshot-list", "m", "--external", "--name").split(), ["c"], "external")
    equal(host.ok("snapshot-current", "m", "--name").strip(), "d", "current")
    equal(host.ok("snapshot-parent", "m", "c").strip(), "b", "parent")
    for restart in (host.restart_daemon, host.crash_daemon):
        restart()
        m.dom = host.conn.lookupByName("m")
        equal(host.ok("snapshot-list", "m", "--tree").split(), "a | +- b | | | +- c | +- d".split(), "tree")
        equal(host.ok("snapshot-current", "m", "--name").strip(), "d", "current")
    host.ok("domrename", "m", "n")
    equal(host.ok("snapshot-list", "n", "--name").split(), ["a", "b", "c", "d"], "renamed")
    m.name = "n"
    m.revert("b")
    equal(host.ok("dumpxml", "n").count("<name>n</name>"), 1, "its name")
    host.ok("snapshot-delete", "n", "a", "--children-only")
    equal(host.ok("snapshot-list", "n", "--name").split(), ["a"], "left")
    equal(host.ok("snapshot-current", "n", "--name").strip(), "a", "current")


def test_files_that_make_no_sense(host):
    m = Moments(host)
    m.take("a")
    folder = host.path("var/lib/libvirt/qemu/snapshot/m")
    host.stop_daemon()
    (folder / "bad.xml").write_text("<domainsnapshot>")
    (folder / "other.xml").write_text((folder / "a.xml").read_text())
    (folder / "orphan.xml").write_text((folder / "a.xml").read_text().replace(
        "<name>a</name>", "<name>orphan</name><parent><name>gone</name></parent>", 1))
    host.daemon.start()
    equal(sorted(host.ok("snapshot-list", "m", "--name").split()), ["a", "orphan"], "what is left")
    check((folder / "bad.xml.damaged").exists() and not (folder / "bad.xml").exists(), "not set aside")
    host.daemon.complaints()


def test_firmware_variables_go_along(host):
    code, variables = (pathlib.Path("/usr/share/OVMF") / name for name in ("OVMF_CODE.fd", "OVMF_VARS.fd"))
    if not code.exists():
        raise Skip("no OVMF here")
    m = Moments(host)
    host.ok("undefine", "m")
    path = m.folder / "m-vda.qcow2"
    host.define(host.guests.empty(
        "m", os_part=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{variables}'/>",
        devices=f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
                f"<target dev='vda' bus='virtio'/></disk>"))
    m.dom = host.conn.lookupByName("m")
    m.dom.create()
    nvram = host.path("var/lib/libvirt/qemu/nvram/m_VARS.fd")
    m.take("running")
    m.dom.destroy()

    def mark(byte):
        data = bytearray(nvram.read_bytes())
        data[-1] = byte
        nvram.write_bytes(data)
    mark(1)
    m.take("one")
    mark(2)
    m.take("two", "--disk-only")
    mark(3)
    for name, byte in (("one", 1), ("two", 2), ("one", 1)):
        m.revert(name)
        equal(nvram.read_bytes()[-1], byte, f"variables of {name}")
    m.revert("running")
    equal(host.state("m"), "running", "state")
    host.ok("destroy", "m")
    m.delete("one")
    equal(sorted(p.name for p in host.path("var/lib/libvirt/qemu/snapshot/m/.lodge").glob("*.nvram")),
          ["running.nvram", "two.nvram"], "copies")


def test_events(host):
    loop = Loop()
    check(loop.thread.is_alive(), "no loop")
    m = Moments(host)
    seen = []
    conn = host.open()
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                lambda c, d, event, detail, o: seen.append((event, detail)), None)

    def step(function, wanted):
        seen.clear()
        function()
        wait_until(lambda: len(seen) >= len(wanted), f"events {wanted}: {seen}")
        equal(seen, wanted, "events")
    m.take("off")
    m.dom.create()
    seen.clear()
    step(lambda: m.take("on"), [(3, 0), (4, 0)])
    step(lambda: m.revert("on"), [(5, 6), (2, 3), (4, 2), (0, 3)])
    step(lambda: m.revert("on", "--paused"), [(5, 6), (2, 3), (3, 5), (0, 3)])
    step(lambda: m.revert("off"), [(5, 6), (0, 3)])
    step(lambda: m.revert("on"), [(2, 3), (4, 2), (0, 3)])
    step(lambda: m.revert("off", "--running"), [(5, 6), (4, 0), (2, 3), (0, 3)])


def test_schedule(host):
    """By the clock, of a machine that runs; the latest stay. What is due after a restart is taken then."""
    m = Moments(host, start=True)
    host.lodge_ok("snapshot", "schedule", "m", "--every", "1m", "--keep", "2")
    check(host.lodge("snapshot", "schedule", "m", "--every", "5").code != 0, "every five seconds")
    shown = host.lodge_ok("snapshot", "schedule", "m")
    contains(shown, "60 s", "2")
    check(re.search("Next: +(due|20)", shown), f"the next one is known at once: {shown}")
    m.write(1)
    wait_until(lambda: len(m.names()) == 1, "the first one is taken", timeout=15)
    m.known = {m.names()[0]: dict(m.present)}
    m.check()
    folder = host.path("var/lib/libvirt/qemu/snapshot/m")
    for i in range(2, 5):  # an interval has gone by, the files say
        before = m.names()
        host.stop_daemon()
        for file in folder.glob("auto-*.xml"):
            text = file.read_text()
            created = int(text.split("<creationTime>")[1].split("<")[0])
            file.write_text(text.replace(f"<creationTime>{created}<", f"<creationTime>{created - 100}<"))
        host.daemon.start()
        m.dom = host.conn.lookupByName("m")
        wait_until(lambda: set(m.names()) - set(before), "the next one is taken", timeout=15)
        wait_until(lambda: len(m.names()) == min(i, 2), "the oldest one goes", timeout=15)
        new = (set(m.names()) - set(before)).pop()
        m.known[new] = dict(m.present)
        m.known = {name: m.known[name] for name in m.names()}
        m.check()
        m.write(i)
    check(json.loads(host.lodge_ok("snapshot", "schedule", "m", "-o", "json"))["next_s"] > time.time(), "the next one")
    m.dom.destroy()
    host.stop_daemon()
    for file in folder.glob("auto-*.xml"):
        file.write_text(re.sub("<creationTime>[0-9]+<", "<creationTime>1000000000<", file.read_text()))
    host.daemon.start()
    m.dom = host.conn.lookupByName("m")
    contains(host.lodge_ok("snapshot", "schedule", "m"), "due, as soon as the domain runs")
    host.lodge_ok("snapshot", "schedule", "m", "--off")
    contains(host.lodge_ok("snapshot", "schedule", "m"), "never")
    m.check()
