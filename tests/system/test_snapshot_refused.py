"""What would make one file two things, or take what another one needs, is refused, and nothing has changed.

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


@mark(**OWN)
def test_a_state_takes_no_file_that_is_needed(host):
    """Memory in a file, saved machines, cores and backups do not replace disks, nor what another snapshot keeps."""
    m, other = Moments(host, start=True), Moments(host, "n")
    m.write(1)
    other.write(2)
    other.take("below", "--disk-only")
    m.take("one", "--memspec", f"file={m.folder}/memory")
    link = m.folder / "link"
    link.symlink_to(other.path())
    before = {path: path.stat().st_ino for path in m.folder.iterdir()}
    needed = [m.path(), m.folder / "m-vda.qcow2", other.path(), other.folder / "n-vda.qcow2", m.folder / "memory", link]
    for path in map(str, needed):
        backup = host.write_xml("<domainbackup><disks><disk name='vda' type='file'><driver type='qcow2'/>"
                                f"<target file='{path}'/></disk></disks></domainbackup>")
        for words in (("snapshot-create-as", "m", "x", "--memspec", f"file={path}"), ("save", "m", path), ("dump", "m", path),
                      ("dump", "m", path, "--memory-only"), ("backup-begin", "m", backup, "--reuse-external")):
            done = host.virsh(*words)
            check(done.code and "it is needed by" in done.err, f"{words}: {done}")
    equal((host.state("m"), {path: path.stat().st_ino for path in m.folder.iterdir()}), ("running", before))
    m.check()
    other.check()
    for _ in range(2):  # what nobody needs is replaced, as ever
        host.ok("save", "m", m.folder / "saved")
        host.ok("restore", m.folder / "saved")
    m.revert("one")
    m.check()


@mark(**OWN)
def test_the_device_of_another_machine_is_no_place_for_an_overlay(host):
    m = Moments(host, start=True)
    m.write(1)
    image = host.path("device.img")
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    device = sh("losetup", "-f", "--show", image).strip()
    try:
        sh("qemu-io", "-f", "raw", "-c", "write -q -P 3 0 64k", device)
        host.define(host.guests.empty("n", devices=f"<disk type='block'><driver name='qemu' type='raw'/><source dev='{device}'/>"
                                                   "<target dev='vda' bus='virtio'/></disk>"))
        for reuse in ([], ["--reuse-external"]):
            done = host.virsh("snapshot-create-as", "m", "x", "--disk-only", *reuse, "--diskspec", f"vda,stype=block,file={device}")
            check(done.code and "is used by machine 'n'" in done.err, str(done))
        sh("qemu-io", "-f", "raw", "-c", "read -q -P 3 0 64k", device)
        m.check()
        host.ok("undefine", "n")
        m.take("x", "--disk-only", "--diskspec", f"vda,stype=block,file={device}")
        m.write(2)
        m.dom.destroy()
        equal((m.read(device)[0], m.read(m.folder / "m-vda.qcow2")[0]), (2, 1))
    finally:
        sh("losetup", "-d", device)
