"""Block jobs that take from snapshots what they are, and going back that fails on its way.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.moments import Moments
from lodgetest.runner import mark

OWN = dict(only="lodged", reason="lodge's own")


@mark(**OWN)
def test_a_commit_takes_a_snapshot_along(host):
    """It is done, as ever; nobody is brought back to what is not there any more, and it can be forgotten."""
    m = Moments(host, start=True)
    m.write(1)
    m.take("kept", "--disk-only")
    m.write(2)
    m.take("lost", "--disk-only")
    m.write(3)
    host.ok("blockcommit", "m", "vda", "--active", "--shallow", "--pivot", "--wait")
    host.crash_daemon()
    m.dom = host.conn.lookupByName("m")
    contains(host.refused("snapshot-revert", "m", "lost"), "block-commit has written to its image", "--metadata")
    equal(host.state("m"), "running")
    m.delete("lost", "--metadata")
    m.check()
    m.write(4)
    m.take("lost", "--disk-only", "--diskspec", f"vda,file={m.folder}/m-vda.again")
    m.write(5)
    m.revert("lost")
    m.check()
    m.revert("kept")
    m.check()
    m.dom.create()
    m.take("other", "--disk-only")
    host.ok("blockcommit", "m", "vda", "--active", "--pivot", "--wait")  # into the first image: all are lost
    for name in m.names():
        host.refused("snapshot-revert", "m", name, says="is no more")
        host.ok("snapshot-delete", "m", name)
    m.known = {}
    m.check()
    equal(len(m.chain()), 1, "images in the chain")


@mark(**OWN)
def test_snapshots_inside_keep_what_is_below(host):
    m = Moments(host, start=True)
    m.write(1)
    m.take("out", "--disk-only")
    m.write(2, 1)
    m.take("in")
    m.write(3, 2)
    for words in (["blockpull", "m", "vda", "--wait"], ["blockcommit", "m", "vda", "--active", "--pivot", "--wait"]):
        contains(host.refused(*words), "inside of image", "what is below that")
        m.check()
    m.revert("in")
    m.check()
    m.delete("in")
    host.ok("blockpull", "m", "vda", "--wait")
    m.check()
    m.revert("out")
    m.check()


@mark(**OWN)
def test_going_back_that_fails_says_what_is_left(host):
    """The memory cannot be read: the disks are back, the machine is off, and that is said."""
    m = Moments(host, start=True)
    m.write(1)
    memory = m.folder / "memory"
    m.take("one", "--memspec", f"file={memory}")
    m.write(2)
    data = memory.read_bytes()
    memory.write_bytes(data[:len(data) // 2])
    contains(host.refused("snapshot-revert", "m", "one", timeout=60), "has the disks of snapshot 'one' and is shut off")
    m.present = dict(m.known["one"])
    m.check()
    memory.write_bytes(data)
    m.revert("one")
    equal(host.state("m"), "running")
    m.check()
