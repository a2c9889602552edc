"""The daemon is killed while it takes, goes back to and deletes snapshots.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import random
import subprocess

from lodgetest.host import *
from lodgetest.moments import CELLS, Moments


def cut(host, m, rng, command, longest):
    """Begins a command and kills the daemon some time later; then the daemon is there again."""
    process = subprocess.Popen(["virsh", "-c", host.daemon.uri, *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(rng.uniform(0, longest))  # the moment is the test
    host.crash_daemon()
    process.wait()
    m.dom = host.conn.lookupByName(m.name)
    journal = host.path(f"var/lib/libvirt/qemu/snapshot/{m.name}/.lodge/journal")
    wait_until(lambda: not journal.exists(), "what was cut off is finished or taken back", timeout=30)


def rounds(host, seed, count, running, kinds, longest):
    rng = random.Random(seed)
    m = Moments(host, f"k{seed}", disks=2, start=running)
    log = []
    for i in range(count):
        m.write(rng.randrange(1, 256), rng.randrange(CELLS))
        names = m.names()
        action = rng.choice(["take", "take", "revert", "delete"]) if len(names) > 1 else "take"
        was_on = m.dom.isActive()
        if action == "take":
            options = rng.choice(kinds)
            if options and options[0] == "--memspec":
                options = ["--memspec", f"file={m.folder}/memory{i}"] if was_on else ["--disk-only"]
            log.append(f"take s{i} {options}")
            cut(host, m, rng, ["snapshot-create-as", m.name, f"s{i}", *options], longest)
            if f"s{i}" in m.names():
                m.known[f"s{i}"] = dict(m.present)
        elif action == "revert":
            name = rng.choice(names)
            log.append(f"revert {name}")
            cut(host, m, rng, ["snapshot-revert", m.name, name], longest)
            if {t: m.read(m.path(t)) for t in m.targets} != m.present:
                m.present = dict(m.known[name])
        else:
            name = rng.choice(names)
            log.append(f"delete {name}")
            cut(host, m, rng, ["snapshot-delete", m.name, name], longest)
            if name not in m.names():
                del m.known[name]
        try:
            m.check()
            if action != "revert":
                equal(m.dom.isActive(), was_on, "the machine runs")
                if was_on:
                    host.wait_state(m.name, "running")
        except TestFailure as failure:
            fail(f"seed {seed}: after {log}: {failure}")
        if not m.dom.isActive() and running:
            m.dom.create()
    if m.dom.isActive():
        m.dom.destroy()
    while m.names():
        m.delete(m.names()[0])
        m.check()
    left = [p.name for p in m.images()]
    check(len(left) <= 2 * len(m.targets), f"images are left: {left}, after {log}")


def test_killed_while_the_machine_is_off(host):
    rounds(host, 1, 12, False, [["--disk-only"], []], 0.25)


def test_killed_while_the_machine_runs(host):
    rounds(host, 2, 12, True, [["--disk-only"], ["--disk-only"], ["--memspec"]], 0.3)


def test_killed_while_memory_goes_inside(host):
    rounds(host, 3, 10, True, [[], ["--disk-only"]], 0.3)


def test_qemu_is_killed(host):
    """QEMU dies at random moments of taking and deleting; the machine starts again, and nothing is lost."""
    rng = random.Random(5)
    m = Moments(host, "q", disks=2, start=True)
    log = []
    for i in range(14):
        m.write(rng.randrange(1, 256), rng.randrange(CELLS))
        names = m.names()
        delete = len(names) > 1 and rng.random() < 0.4
        name = rng.choice(names) if delete else f"s{i}"
        options = rng.choice([[], ["--disk-only"], ["--memspec", f"file={m.folder}/memory{i}"]])
        command = ["snapshot-delete", "q", name] if delete else ["snapshot-create-as", "q", name, *options]
        log.append(command)
        process = subprocess.Popen(["virsh", "-c", host.daemon.uri, *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.3))  # the moment is the test
        if m.dom.isActive():
            kill(host.qemu_pid("q"))
        process.wait()
        host.wait_state("q", "shut off")
        if delete and name not in m.names():
            del m.known[name]
        elif not delete and name in m.names():
            m.known[name] = dict(m.present)
        for path in m.images():
            subprocess.run(["qemu-img", "check", "-q", "-r", "leaks", path], check=False)
        try:
            m.check()
            m.dom.create()
            m.check()
        except TestFailure as failure:
            fail(f"after {log}: {failure}")


def test_qemu_dies_as_it_switches(host):
    """Between the file of the overlay and QEMU's answer: what is listed reads as it was, whatever is written later."""
    rng = random.Random(2)
    m = Moments(host, "q", disks=1, start=True)
    for i in range(20):
        m.write(rng.randrange(1, 256), rng.randrange(CELLS))
        overlay = m.folder / f"over{i}"
        process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-create-as", "q", f"s{i}", "--disk-only", "--diskspec",
                                    f"vda,file={overlay}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not overlay.exists() and time.monotonic() < end:
            pass
        time.sleep(rng.uniform(0.005, 0.03))  # the moment is the test
        kill(host.qemu_pid("q"))
        process.wait()
        host.wait_state("q", "shut off")
        m.dom.create()
        if f"s{i}" in m.names():
            m.known[f"s{i}"] = dict(m.present)
        m.check()


def test_thawed_after_a_kill(host):
    """A daemon that dies with the guest's file systems frozen thaws them when it comes back."""
    from lodgetest.agent import start_scripted
    agent, _ = start_scripted(host, {"guest-fsfreeze-thaw": 1}, name="agent")
    held = []

    def freeze(arguments):
        host.kill_daemon()
        held.append(arguments)
        return 1
    agent.answers["guest-fsfreeze-freeze"] = freeze
    overlay = host.path("disks/x")
    overlay.parent.mkdir()
    overlay.parent.chmod(0o755)
    host.virsh("snapshot-create-as", "agent", "x", "--disk-only", "--quiesce", "--diskspec", f"vda,file={overlay}")
    wait_until(lambda: held, "the daemon was killed while the guest was frozen")
    host.daemon.start()
    wait_until(lambda: "guest-fsfreeze-thaw" in agent.commands(), "the guest is thawed", timeout=15)
    equal(host.ok("snapshot-list", "agent", "--name").split(), [], "snapshots")
    equal(host.state("agent"), "running", "state")
    check(not overlay.exists(), "the overlay is left")
    agent.answers["guest-fsfreeze-freeze"] = 1
    host.ok("snapshot-create-as", "agent", "y", "--disk-only", "--diskspec", f"vda,file={overlay}2")  # nothing of it is lent


def test_a_merge_that_was_done_before_its_image_went(host):
    """The daemon dies after an image that another one had gone into was removed, too."""
    m = Moments(host)
    m.write(1)
    m.take("one", "--disk-only")
    m.write(2)
    host.kill_daemon()
    journal = host.path("var/lib/libvirt/qemu/snapshot/m/.lodge/journal")
    journal.write_text(json.dumps({
        "kind": "delete", "decided": True, "frozen": False, "live": False, "snapshot": "gone", "document": None, "memory": None,
        "flags": 0, "disks": ["merge"], "paths": [f"{m.folder}/m-vda.gone"], "nodes": [f"{m.folder}/m-vda.gone-2"], "names": []}))
    host.start_daemon()
    m.dom = host.conn.lookupByName("m")
    wait_until(lambda: not journal.exists(), "what was cut off is finished")
    m.check()


def test_images_with_bitmaps_keep_what_is_inside(host):
    """Nobody repairs those: qemu-img would forget the snapshots."""
    m = Moments(host, start=True)
    m.write(1)
    host.ok("checkpoint-create-as", "m", "c")
    m.write(2)
    m.dom.destroy()
    m.take("inside")
    m.write(3)
    host.kill_daemon()
    journal = host.path("var/lib/libvirt/qemu/snapshot/m/.lodge/journal")
    journal.write_text(json.dumps({
        "kind": "delete", "decided": True, "frozen": False, "live": False, "snapshot": "gone", "document": None, "memory": None,
        "flags": 0, "disks": [], "paths": [], "nodes": [], "names": []}))
    host.start_daemon()
    m.dom = host.conn.lookupByName("m")
    wait_until(lambda: not journal.exists(), "what was cut off is finished")
    m.check()
    done = host.lodge("image", "check", m.path(), "--repair", "leaks")
    check(done.code == 1 and "would lose the snapshots" in done.err, str(done))
    m.check()
    host.lodge_ok("image", "check", m.path())
