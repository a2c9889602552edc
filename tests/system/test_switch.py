"""A host changes between libvirtd and lodged while its machines run: each finds the other's.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import shutil
import subprocess

from lodgetest.guests import document
from lodgetest.host import *
from lodgetest.runner import mark

OVER_THE_HOST = ["etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt", "run"]
DISK = ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/><target dev='{}' bus='virtio'/></disk>"
        + "<controller type='pci' index='0' model='pcie-root'/>"
        + "".join(f"<controller type='pci' index='{n}' model='pcie-root-port'/>" for n in range(1, 7)))


class Daemon:
    """One of the two on the host's own places."""

    def __init__(self, host, program, *args):
        self.log = open(host.path("switch.log"), "ab")
        self.process = subprocess.Popen([program, *args], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: virsh("list").code == 0, f"{program} answers", timeout=60)

    def stop(self):
        self.process.terminate()
        equal(self.process.wait(30), 0)


def virsh(*args):
    return run(["virsh", "-c", "qemu:///system", *args])


def ok(*args):
    result = virsh(*args)
    equal(result.code, 0, str(result))
    return result.out


def works(name, pid):
    """It runs, by the same process, and does what it is told."""
    wait_until(lambda: name in ok("list", "--name").split(), f"{name} is known as running")
    equal(pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text().strip(), pid)
    ok("suspend", name)
    equal(ok("domstate", name).strip(), "paused")
    ok("resume", name)
    equal(ok("domstate", name).strip(), "running")
    contains(ok("dumpxml", name), "<alias name='virtio-disk0'/>")


def plug(name, path):
    path.write_bytes(bytes(1 << 20))
    ok("attach-disk", name, str(path), "vdb", "--driver", "qemu", "--subdriver", "raw", "--live")
    contains(ok("domblklist", name), "vdb")


@mark(daemon=False, only="lodged", reason="both are started here")
def test_machines_of_either_are_taken_over(host):
    if not shutil.which("libvirtd", path="/usr/sbin"):
        raise Skip("libvirtd is not installed")
    for folder in OVER_THE_HOST:
        pathlib.Path("/", folder).mkdir(parents=True, exist_ok=True)
        equal(run(["mount", "-t", "tmpfs", "none", f"/{folder}"]).code, 0)
    pathlib.Path("/run/lock").mkdir()
    pathlib.Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    pathlib.Path("/etc/libvirt/qemu.conf").write_text('stdio_handler = "file"\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\n')
    images = pathlib.Path("/var/lib/libvirt/images")
    images.mkdir()
    pids = {}

    def start(name):
        (images / name).write_bytes(bytes(1 << 20))
        xml = host.path(f"{name}.xml")
        xml.write_text(document(name, machine="q35", devices=DISK.format(images / name, "vda")))
        ok("define", xml)
        ok("start", name)
        pids[name] = pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text().strip()

    daemon = Daemon(host, "/usr/sbin/libvirtd")
    start("theirs")
    for number in range(2):
        daemon.stop()
        daemon = Daemon(host, host.daemon.binary, "--foreground", "--verbose")
        if number == 0:
            start("ours")
            ok("net-destroy", "default")  # which came with it, on a fresh host
            ok("net-undefine", "default")
        for name, pid in pids.items():
            works(name, pid)
        daemon.stop()
        daemon = Daemon(host, "/usr/sbin/libvirtd")
        for name, pid in pids.items():
            works(name, pid)
        if number == 0:
            plug("theirs", images / "more")
    for name in pids:
        ok("destroy", name)
    daemon.stop()
