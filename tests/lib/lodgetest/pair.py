"""A second host: a daemon in network and host-name namespaces of its own, joined to the test's by a bridge.

The test's own daemon is `near`, at 10.9.0.1; the second is `far`, at 10.9.0.2. Both see one file system, so images
that both can reach are those of shared storage; each daemon has a root of its own.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import pathlib
import socket
import subprocess

from .daemon import Libvirtd, Lodged
from .host import Host
from .process import kill, run, wait_until

NEAR, FAR, BRIDGE = "10.9.0.1", "10.9.0.2", "migr0"


def command(*words):
    subprocess.run(list(map(str, words)), check=True)


class Namespaced:
    """Mixed into a daemon: it runs inside of the namespaces that process @holder keeps."""
    holder = None

    def arguments(self):
        return ["nsenter", "-t", str(self.holder), "--net", "--uts", "--mount", "--", *super().arguments()]


class FarLodged(Namespaced, Lodged):
    pass


class FarLibvirtd(Namespaced, Libvirtd):
    def prepare(self):
        """As in Libvirtd, in the mount namespace of its own."""
        for directory in self.MOUNTS:
            pathlib.Path("/" + directory).mkdir(parents=True, exist_ok=True)
            command("nsenter", "-t", self.holder, "--mount", "--", "mount", "--bind", self.root / directory, "/" + directory)
        command("nsenter", "-t", self.holder, "--mount", "--", "mount", "-t", "tmpfs", "tmpfs", "/run/lock")
        self.set_up()


class FarHost(Host):
    def __init__(self, root, near, which, holder):
        self.holder = holder
        self.which = which
        super().__init__(root, which)
        self.near = near
        self.guests = near.guests

    def make_daemon(self, root, which):
        kind = FarLibvirtd if which == "libvirtd" else FarLodged
        kind.holder = self.holder
        return kind(root) if which == "libvirtd" else kind(root, which)

    def separate_images(self):
        images = self.path("images")
        images.mkdir()
        command("nsenter", "-t", self.holder, "--mount", "--", "mount", "--bind", images, self.near.guests.images)

    def check_nothing_left(self):
        """The near one looks at what both could leave, when it ends."""
        left = [p.name for pattern in ("*.pid", "*.xml") for p in self.path("run/libvirt/qemu").glob(pattern)]
        if left:
            raise AssertionError(f"files of machines are left on the far host: {left}")


@contextlib.contextmanager
def far_host(near, which=None, shared=True, settings=None, qemu_conf=None):
    """The second host, with a daemon that runs; @which as for make_daemon(), None: as the near one. Both daemons get
    host UUIDs of their own, so the near one is started again. Without @shared storage the far host has files of its own
    where the near one has its images."""
    holder = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "--propagation", "private", "sleep", "infinity"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    far = None
    try:
        wait_until(lambda: pathlib.Path(f"/proc/{holder.pid}/comm").read_text().strip() == "sleep", "the far host is there")
        join(near, holder.pid)
        which = which or ("libvirtd" if near.is_reference else near.daemon.binary)
        far = FarHost(near.path("far"), near, which, holder.pid)
        far.daemon.log = near.path("far.out")  # is shown when the test fails
        far.daemon.settings["host_uuid"] = '"22222222-2222-4222-8222-222222222222"'
        near.daemon.settings["host_uuid"] = '"11111111-1111-4111-8111-111111111111"'
        for host in (near, far):
            host.daemon.settings.update(settings or {})
            conf = host.path("etc/libvirt/qemu.conf")
            before = conf.read_text() if conf.exists() else ""
            conf.write_text(before + (qemu_conf or ""))
        if near.path("var/cache").exists():
            run(["cp", "-a", near.path("var/cache"), far.path("var/")])
        if not shared:
            far.separate_images()
        near.restart_daemon()
        far.start_daemon()
        yield far
        far.close()
    finally:
        if far and far.daemon.running():
            far.daemon.kill()
        kill(holder.pid)
        holder.wait()


def join(near, holder):
    """The bridge, a leg for each host, and names for both."""
    names = near.write("hosts", f"127.0.0.1 localhost\n{NEAR} near {socket.gethostname()}\n{FAR} far\n")
    command("mount", "--bind", names, "/etc/hosts")
    command("nsenter", "-t", holder, "--mount", "--", "mount", "--bind", names, "/etc/hosts")
    command("nsenter", "-t", holder, "--uts", "--", "hostname", "far")
    command("ip", "link", "add", BRIDGE, "type", "bridge")
    command("ip", "link", "add", "leg0", "type", "veth", "peer", "name", "leg1", "netns", holder)
    command("ip", "link", "set", "leg0", "master", BRIDGE, "up")
    command("ip", "addr", "add", f"{NEAR}/24", "dev", BRIDGE)
    command("ip", "link", "set", BRIDGE, "up")
    for words in (["addr", "add", f"{FAR}/24", "dev", "leg1"], ["link", "set", "leg1", "up"], ["link", "set", "lo", "up"]):
        command("nsenter", "-t", holder, "--net", "--", "ip", *words)
