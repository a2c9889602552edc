"""Leases follow the image that a machine writes to, whatever becomes of its chain.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from test_checkpoint import disk, image
from test_lease import define, is_locked, keep_leases


def locked(*paths):
    return [is_locked(path) for path in paths]


def test_the_overlay_of_a_snapshot_is_locked(host):
    keep_leases(host)
    one, two = image(host, "a"), image(host, "b")
    define(host, "m", disk(one), disk(two, "vdb")).create()
    host.ok("snapshot-create-as", "m", "s", "--disk-only", "--diskspec", "vdb,snapshot=no")
    equal(locked(f"{one[:-1]}a.s", one, two), [True, False, True])
    top = f"{one}.s"
    host.crash_daemon()
    check(is_locked(top), "it outlives the daemon")
    raises(libvirt.VIR_ERR_RESOURCE_BUSY, define(host, "other", disk(top)).create)
    other = host.path("other")
    host.refused("snapshot-create-as", "m", "t", "--disk-only", "--diskspec", f"vda,file={other}", "--diskspec",
                 f"vdb,file={host.path('nowhere/x')}")
    equal(locked(top, two), [True, True])
    host.ok("snapshot-create-as", "m", "t", "--disk-only", "--diskspec", f"vda,file={other}")
    equal(locked(other, top, f"{two}.t", two), [True, False, True, False])
    host.ok("destroy", "m")
    equal(locked(other, f"{two}.t"), [False, False])


def test_copies_and_commits(host):
    keep_leases(host)
    one = image(host, "a")
    dom = define(host, "m", disk(one))
    dom.create()
    copy = host.path("var/lib/libvirt/images/copy")
    for end, wanted in (("--finish", [True, False]), ("--pivot", [False, True])):
        host.ok("blockcopy", "m", "vda", copy, "--transient-job", "--wait")
        equal(locked(one, copy), [True, True])
        host.crash_daemon()
        equal(locked(one, copy), [True, True])
        host.ok("blockjob", "m", "vda", "--abort" if end == "--finish" else "--pivot")
        wait_until(lambda: not host.conn.lookupByName("m").blockJobInfo("vda", 0), "it is over")
        equal(locked(one, copy), wanted)
        if end == "--finish":
            copy.unlink()
    host.ok("snapshot-create-as", "m", "s", "--disk-only", "--no-metadata")
    top = host.path("var/lib/libvirt/images/copy.s")
    host.ok("blockcommit", "m", "vda", "--active", "--wait")
    equal(locked(top, copy), [True, True])
    host.ok("blockjob", "m", "vda", "--pivot")
    equal(locked(top, copy), [False, True])
    host.ok("destroy", "m")
    equal(locked(top, copy), [False, False])
