"""Several hosts, and machines that are reached from others.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import re
import shutil
import subprocess

from lodgetest.daemon import Lodged
from lodgetest.host import *
from lodgetest.net import Station
from lodgetest.runner import mark

MAC = "52:54:00:00:00:01"


class Elsewhere(Station):
    """A station on a bridge of another host, which is a station itself."""

    def __init__(self, there, bridge, mac):
        super().__init__(mac=mac)
        self.host("ip", "link", "set", self.port, "netns", there.process.pid)
        there.ok("ip", "link", "set", self.port, "master", bridge)
        there.ok("ip", "link", "set", self.port, "up")

    def close(self):
        self.process.kill()  # the link ends with its name space
        self.process.wait()


class LodgedElsewhere(Lodged):
    """A second daemon, with a network of its own."""

    def __init__(self, there, root, binary):
        super().__init__(root, binary)
        self.there = there

    def arguments(self):
        return ["nsenter", "-t", str(self.there.process.pid), "-n", *super().arguments()]


def nat(number):
    return (f"<network><name>nat</name><forward mode='nat'/><bridge name='virbr{number}' stp='off'/>"
            f"<ip address='192.168.{number}.1' prefix='24'><dhcp><range start='192.168.{number}.10' end='192.168.{number}.99'/></dhcp></ip></network>")


@mark(only="lodged", reason="two daemons with roots of their own")
def test_guests_behind_two_hosts(host):
    """Each is behind its host's address: they reach the other host, and not each other, even where the way there is known.

    rows: network-08"""
    there = host.station(address="10.77.0.2/24")
    run(["ip", "address", "add", "10.77.0.1/24", "dev", there.port])
    host.network(nat(60))
    second = LodgedElsewhere(there, host.path("second"), host.daemon.binary)
    second.prepare()
    second.start()
    try:
        conn = libvirt.open(second.uri)
        network = conn.networkDefineXML(nat(61))
        network.create()
        here_guest = host.station("virbr60", MAC)
        there_guest = Elsewhere(there, "virbr61", MAC)
        host.stations.append(there_guest)
        check(here_guest.lease().get("ip", "").startswith("192.168.60."), "a lease here")
        check(there_guest.lease().get("ip", "").startswith("192.168.61."), "a lease there")
        addresses = [re.search(r"inet ([\d.]+)", guest.ok("ip", "-4", "address", "show", "eth0")).group(1) for guest in (here_guest, there_guest)]
        run(["ip", "route", "add", "192.168.61.0/24", "via", "10.77.0.2"])
        there.ok("ip", "route", "add", "192.168.60.0/24", "via", "10.77.0.1")
        check(here_guest.reaches("10.77.0.2") and there_guest.reaches("10.77.0.1"), "they reach the other host")
        check(not here_guest.reaches(addresses[1]) and not there_guest.reaches(addresses[0]), "a guest reaches one of another host")
        network.destroy()
        conn.close()
    finally:
        second.stop()
        run(["ip", "route", "del", "192.168.61.0/24"])


SSHD = "/usr/sbin/sshd"


def server_image(path, key):
    """An ext4 disk with Debian's SSH server, what it links, and busybox for a shell."""
    root = pathlib.Path(f"{path}.d")
    for folder in ("bin", "dev", "etc", "proc", "root/.ssh", "run/sshd", "usr/sbin", "var/empty"):
        (root / folder).mkdir(parents=True)
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", SSHD], check=True, stdout=subprocess.PIPE, text=True).stdout)
    for name in [*libraries, SSHD]:
        (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, root / name[1:])
        (root / name[1:]).chmod(0o755)
    shutil.copyfile(shutil.which("busybox"), root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsshd:x:100:100::/run/sshd:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nsshd:x:100:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
    for file, of in ((root / "etc/host_key", "host"), (key, "user")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", of, "-f", file], check=True)
    shutil.copyfile(f"{key}.pub", root / "root/.ssh/authorized_keys")
    (root / "etc/sshd_config").write_text("HostKey /etc/host_key\nStrictModes no\nUsePAM no\nUseDNS no\nPasswordAuthentication no\n")
    with open(path, "wb") as image:
        image.truncate(64 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, path], check=True)
    shutil.rmtree(root)


def test_a_bridged_machine_is_reached_by_ssh(host):
    """rows: interface-29 network-13"""
    if not pathlib.Path(SSHD).exists():
        raise Skip("openssh-server is not installed")
    run(["ip", "link", "add", "br9", "type", "bridge"])
    run(["ip", "link", "set", "br9", "up"])
    other = host.station("br9", address="10.44.0.9/24")
    host.guests.images.mkdir(parents=True, exist_ok=True)
    image, key = host.guests.images / "server.img", host.path("key")
    server_image(image, key)
    host.start_demo("demo", devices=f"<interface type='bridge'><mac address='{MAC}'/><source bridge='br9'/><model type='virtio'/></interface>"
                    f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vdb' bus='virtio'/></disk>"
                    "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    console = host.booted("demo")
    for line in ("ip addr add 10.44.0.5/24 dev eth0; mkdir /s; mount -t ext4 /dev/vdb /s; mount --bind /dev /s/dev; mount -t proc p /s/proc",
                 "mkdir -p /s/dev/pts; mount -t devpts devpts /s/dev/pts; chroot /s /usr/sbin/sshd -f /etc/sshd_config; echo $?"):
        console.command(line, timeout=60)
    login = ["ssh", "-F", "none", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
             "-o", "ConnectTimeout=60", "root@10.44.0.5", "/bin/busybox hostname"]
    wait_until(lambda: other.run(*login, timeout=120).out.strip() == "demo", "the guest is reached", 120)
