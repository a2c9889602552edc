"""Machines that move between two hosts.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import check, contains, equal, fail, qemus, wait_until
from lodgetest.pair import FAR, NEAR, far_host
from lodgetest.runner import mark

LODGED = "two lodged with roots of their own"


def place(target):
    return f"tcp://{FAR if target.near else NEAR}"


def move(source, target, *options, name="tiny", **kwargs):
    return source.ok("migrate", "--live", *options, name, target.daemon.uri, place(target), **kwargs)


def there(target, source, name="tiny", state="running"):
    """On exactly one side."""
    equal(target.state(name), state, "state where it went")
    gone = source.virsh("domstate", name)
    check(gone.code != 0 or gone.out.strip() == "shut off", f"it is left where it came from: {gone}")
    equal(len([args for args in qemus().values() if any(f"guest={name}," in arg for arg in args)]), 1, "QEMUs of it")


def disk(host, far, name="data", size="16M", on_far=False):
    """A qcow2 disk with a pattern on the near host, and with @on_far an empty one on the other."""
    image = host.path(f"var/lib/libvirt/images/{name}.qcow2")
    images = [image] + ([far.path(f"images/{name}.qcow2")] if on_far else [])
    for path in images:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size], check=True)
    subprocess.run(["qemu-io", "-c", "write -q -P 0x5a 0 1M", "-c", "write -q -P 0x11 9M 64k", image], check=True)
    return (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
            f"<target dev='vda' bus='virtio'/></disk>")


def check_pattern(path):
    for words in ("read -P 0x5a 0 1M", "read -P 0x11 9M 64k", "read -P 0 1M 8M"):
        done = subprocess.run(["qemu-io", "-r", "-U", "-c", words, path], capture_output=True, text=True, check=False)
        if "failed" in done.stdout or done.returncode:
            fail(f"'{words}' of {path}: {done.stdout} {done.stderr}")


@mark(only="lodged", reason=LODGED)
def test_live(host):
    with far_host(host) as far:
        host.start_sector()
        move(host, far, "--unsafe")
        there(far, host)
        contains(far.ok("domstate", "tiny", "--reason"), "migrated")
        contains(host.ok("domstate", "tiny", "--reason"), "migrated")
        contains(host.ok("domjobinfo", "tiny", "--completed"), "Outgoing migration", "Memory processed")
        move(far, host, "--unsafe", "--p2p", "--persistent")
        there(host, far)
        check("tiny" not in far.ok("list", "--all"), "a transient machine is gone when it has moved")


@mark(only="lodged", reason=LODGED)
def test_libvirtd(host):
    """There and back between both kinds of daemons: direct, peer to peer, through a tunnel."""
    with far_host(host, "libvirtd") as far:
        host.start_sector()
        for options in ([], ["--p2p"], ["--p2p", "--tunnelled"]):
            where = [] if "--tunnelled" in options else None
            for source, target in ((host, far), (far, host)):
                words = ["migrate", "--live", "--unsafe", "--persistent", *options, "tiny", target.daemon.uri]
                source.ok(*words, *(where if where is not None else [place(target)]))
                there(target, source)
        host.ok("destroy", "tiny")
        host.ok("migrate", "--offline", "--persistent", "--undefinesource", "tiny", far.daemon.uri)
        far.ok("migrate", "--offline", "--persistent", "--undefinesource", "tiny", host.daemon.uri)
        contains(host.ok("list", "--all"), "tiny")
        check("tiny" not in far.ok("list", "--all"), "it is defined on one side only")


@mark(only="lodged", reason=LODGED)
def test_copied_disks(host):
    """The disk goes along: into an image that is there, and into one that is made."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, on_far=True))).create()
        move(host, far, "--copy-storage-all", "--persistent", "--undefinesource")
        there(far, host)
        host.path("var/lib/libvirt/images/data.qcow2").unlink()
        host.ok("pool-create-as", "images", "dir", "--target", str(host.path("var/lib/libvirt/images")))
        move(far, host, "--copy-storage-all", "--p2p")
        there(host, far)
        host.ok("destroy", "tiny")
        check_pattern(host.path("var/lib/libvirt/images/data.qcow2"))
        check_pattern(far.path("images/data.qcow2"))
