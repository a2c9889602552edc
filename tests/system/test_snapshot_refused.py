"""Snapshots that would make one file two things are refused, and nothing has changed.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.moments import Moments, sh
from lodgetest.runner import mark

OWN = dict(only="lodged", reason="lodge's own")


@mark(**OWN)
def test_one_file_for_two_things(host):
    m = Moments(host, disks=2, start=True)
    host.path("data").mkdir()
    host.ok("pool-create-as", "p", "dir", "--target", host.path("data"))
    for is_on in (True, False):
        m.write(1 + is_on)
        same, before = m.folder / f"same{is_on}", sorted(m.folder.iterdir())
        for words in (("--diskspec", f"vda,file={same}", "--diskspec", f"vdb,file={same}"),
                      ("--diskspec", f"vda,file={same}", "--memspec", f"file={same}"),
                      ("--reuse-external", "--diskspec", f"vda,file={m.path('vdb')}", "--diskspec", "vdb,snapshot=no"),
                      ("--reuse-external", "--diskspec", f"vda,file={m.path()}", "--diskspec", "vdb,snapshot=no")):
            how = [] if "--memspec" in words else ["--disk-only"]
            if how or is_on:
                done = host.virsh("snapshot-create-as", "m", "x", *how, *words)
                check(done.code and ("would hold two things" in done.err or "is used by" in done.err), str(done))
                equal((sorted(m.folder.iterdir()), m.names()), (before, sorted(m.known)), "what is there")
                m.check()
        # Made beforehand, as people do, and known to a pool.
        for number, target in enumerate(m.targets):
            sh("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", m.path(target), host.path(f"data/{is_on}{number}"))
        host.ok("pool-refresh", "p")
        m.take(f"reused{is_on}", "--disk-only", "--reuse-external", "--diskspec", f"vda,file={host.path('data')}/{is_on}0",
               "--diskspec", f"vdb,file={host.path('data')}/{is_on}1")
        m.check()
        if is_on:
            m.dom.destroy()
