"""Trees of snapshots, internal and external ones mixed: whatever is taken, gone back to or deleted, the others and
the present read as they did.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import random

from lodgetest.host import *
from lodgetest.moments import CELLS, Moments

CHAIN = 5


def make_chain(m, options):
    for i in range(CHAIN):
        m.write(10 + i, i)
        m.write(10 + i, CELLS - 1)
        m.take(f"s{i}", *options)
    m.write(20, CHAIN)
    m.write(20, CELLS - 1)


def test_deleting_at_every_place_of_a_stopped_machine(host):
    """rows: snapshots-18"""
    for position in range(CHAIN):
        m = Moments(host, f"d{position}")
        make_chain(m, ["--disk-only"])
        m.delete(f"s{position}")
        m.check()
        equal(len(m.chain()), CHAIN, "images in the chain")
        for name in reversed(m.names()):
            m.revert(name)
            m.check()


def test_deleting_at_every_place_of_a_running_machine(host):
    m = Moments(host, "r", start=True)
    for position in range(CHAIN):
        make_chain(m, ["--disk-only"])
        m.delete(f"s{position}")
        m.check()
        equal(len(m.chain()), CHAIN, "images in the chain")
        m.delete("s0" if position else "s1", "--children")
        equal(len(m.chain()), 1, "images in the chain")
        m.check()


def test_going_back_to_every_place(host):
    """Each branch is kept: what comes after a snapshot that is gone back to stays."""
    m = Moments(host)
    make_chain(m, ["--disk-only"])
    for position in range(CHAIN):
        m.revert(f"s{position}")
        m.check()
        m.write(30 + position, 3)
        m.take(f"branch{position}", "--disk-only")
        m.check()
    m.revert("s2", "--running")
    m.write(50, 4)
    m.check()
    m.revert("branch1", "--running")
    m.check()
    m.revert("s4")
    m.check()
    for name in list(m.names()):
        m.delete(name)
        m.check()


def test_inside_and_beside(host):
    """An image that is the state of one has others inside: going back to those keeps it."""
    m = Moments(host)
    m.write(1)
    m.take("in1")
    m.write(2)
    m.take("out", "--disk-only")
    m.write(3)
    m.take("in2")
    m.write(4)
    m.revert("in1")
    m.check()
    m.write(5)
    m.take("in3")
    m.check()
    m.revert("out")
    m.check()
    m.revert("in2")
    m.check()
    m.delete("out")
    m.check()
    m.revert("in3")
    m.check()
    m.delete("in1")
    m.check()
    m.delete("in2")
    m.delete("in3")
    m.check()


def test_a_branch_beside_what_runs(host):
    """An image that goes down into the one below has another branch on it, which is not the machine's now."""
    m = Moments(host)
    for i, name in enumerate(["s0", "s1", "s2"]):
        m.write(i + 1)
        m.take(name, "--disk-only")
    m.revert("s1")
    m.write(7)
    m.take("t", "--disk-only")
    m.dom.create()
    m.delete("s0")
    m.check()
    m.delete("t")
    m.check()
    m.revert("s2", "--running")
    m.check()
    m.delete("s1", "--children")
    m.check()
    m.dom.destroy()
    m.check()
    equal(len(m.chain()), 1, "images in the chain")


def test_preview(host):
    for running in (False, True):
        m = Moments(host, f"p{int(running)}", start=running)
        m.write(1)
        m.take("one")
        m.write(2)
        present = dict(m.present)
        for ends in ("--undo", "--keep"):
            host.lodge_ok("snapshot", "preview", m.name, "one")
            check(host.lodge("snapshot-preview", m.name, "one").code != 0, "a preview in a preview")
            m.present = dict(m.known["one"])
            m.known["before-preview"] = present
            m.check()
            m.write(3, 2)
            m.check()
            host.lodge_ok("snapshot", "preview", m.name, ends)
            del m.known["before-preview"]
            if ends == "--undo":
                m.present = dict(present)
            m.check()
            equal(m.dom.isActive(), int(running), "running")
        check(host.lodge("snapshot-preview", m.name, "none").code != 0, "a preview of nothing")
        m.check()
        m.delete("one")
        m.check()
        check(len(m.images()) <= 2, f"images are left: {m.images()}")


def walk(host, seed, steps, running):
    rng = random.Random(seed)
    m = Moments(host, f"w{seed}", disks=rng.choice([1, 2]))
    done = []
    for step in range(steps):
        names = m.names()
        choice = rng.random()
        is_on = m.dom.isActive()
        if running and rng.random() < 0.15:
            m.dom.destroy() if is_on else m.dom.create()
            done.append("off" if is_on else "on")
        elif choice < 0.35 or not names:
            m.write(rng.randrange(1, 256), rng.randrange(CELLS))
            options = [["--disk-only"], []][rng.random() < 0.4]
            done.append(f"take {step} {options}")
            m.take(f"t{step}", *options)
        elif choice < 0.5:
            m.write(rng.randrange(1, 256), rng.randrange(CELLS))
            done.append("write")
        elif choice < 0.75:
            name = rng.choice(names)
            done.append(f"revert {name}")
            m.revert(name)
        else:
            name = rng.choice(names)
            options = [[], ["--children"], ["--children-only"]][min(int(rng.random() * 8), 2) if rng.random() < 0.4 else 0]
            done.append(f"delete {name} {options}")
            try:
                m.delete(name, *options)
            except TestFailure as failure:
                if "which the running machine has below its disk" not in str(failure):
                    raise
        try:
            m.check()
        except TestFailure as failure:
            fail(f"seed {seed}, after {done[-12:]}: {failure}")
    if m.dom.isActive():
        m.dom.destroy()
    while m.names():
        name = rng.choice(m.names())
        done.append(f"delete {name}")
        m.delete(name)
        m.check()


def test_any_order_of_a_stopped_machine(host):
    for seed in (1, 2, 3):
        walk(host, seed, 30, False)


def test_any_order_of_a_machine_that_comes_and_goes(host):
    for seed in (11, 12):
        walk(host, seed, 25, True)
