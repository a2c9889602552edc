"""Guest agents: a scripted one that speaks through a real guest, and Debian's own in a guest.

The demo guest passes on what goes through the agent's channel to a second channel, and a thread here answers as a
table says. So a test decides each byte that the "guest" sends, and everything up to the guest's port is real.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import xml.etree.ElementTree as ET

from .guests import AGENT
from .process import Skip, TestFailure, wait_until

RELAY = "<channel type='unix'><target type='virtio' name='org.lodge.relay'/></channel>"

RELAY_SCRIPT = """cat >/relay <<'END'
port() { for f in /sys/class/virtio-ports/*/name; do [ "$(cat $f)" = $1 ] && echo /dev/$(basename $(dirname $f)); done; }
exec 7<>$(port org.qemu.guest_agent.0) 8<>$(port org.lodge.relay)
while :; do cat <&7 >&8; sleep 0.02; done &
while :; do cat <&8 >&7; sleep 0.02; done
END
sh /relay >/dev/null 2>&1 &"""

SILENCE = object()  # an answer that never comes


class Refusal(Exception):
    """An answer "error"."""

    def __init__(self, desc, kind="GenericError"):
        super().__init__(desc)
        self.answer = {"error": {"class": kind, "desc": desc}}


# What a guest might answer to each command.
VIRTIO_DISK = {"bus-type": "virtio", "bus": 0, "target": 0, "unit": 0, "serial": "S1", "dev": "/dev/vda1",
               "pci-controller": {"domain": 0, "bus": 0, "slot": 3, "function": 0}}
OTHER_DISK = {"bus-type": "scsi", "bus": 0, "target": 0, "unit": 0,
              "pci-controller": {"domain": 0, "bus": 9, "slot": 3, "function": 0}}
GOOD = {
    "guest-get-host-name": {"host-name": "inside"},
    "guest-get-time": 1700000000123456789,
    "guest-set-time": {},
    "guest-fsfreeze-freeze": 2,
    "guest-fsfreeze-freeze-list": 1,
    "guest-fsfreeze-thaw": 3,
    "guest-fstrim": {"paths": []},
    "guest-get-fsinfo": [
        {"name": "vda1", "mountpoint": "/", "type": "ext4", "used-bytes": 5, "total-bytes": 10, "disk": [VIRTIO_DISK]},
        {"name": "dm-0", "mountpoint": "/x", "type": "xfs", "disk": []}],
    "guest-set-user-password": {},
    "guest-ssh-get-authorized-keys": {"keys": ["ssh-rsa A", "ssh-rsa B"]},
    "guest-ssh-add-authorized-keys": {},
    "guest-ssh-remove-authorized-keys": {},
    "guest-network-get-interfaces": [
        {"name": "lo", "hardware-address": "00:00:00:00:00:00",
         "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}]},
        {"name": "eth0:1", "hardware-address": "52:54:00:00:00:01",
         "ip-addresses": [{"ip-address-type": "ipv6", "ip-address": "fe80::1", "prefix": 64}]},
        {"name": "eth0", "hardware-address": "52:54:00:00:00:01"}],
    "guest-get-users": [{"user": "u", "domain": "D", "login-time": 1.5}, {"user": "v", "login-time": 2}],
    "guest-get-osinfo": {"id": "debian", "name": "Debian", "version-id": "12", "kernel-release": "6", "unknown": [1]},
    "guest-get-timezone": {"zone": "CET", "offset": 3600},
    "guest-get-disks": [
        {"name": "/dev/vda", "partition": False, "dependencies": [], "address": VIRTIO_DISK, "alias": "al"},
        {"name": "/dev/vda1", "partition": True, "dependencies": ["/dev/vda"]},
        {"name": "/dev/sda", "partition": False, "address": OTHER_DISK}],
    "guest-suspend-disk": {},
    "guest-get-vcpus": [{"logical-id": 0, "online": True, "can-offline": False},
                        {"logical-id": 1, "online": True, "can-offline": True},
                        {"logical-id": 2, "online": False, "can-offline": True},
                        {"logical-id": 3, "online": False, "can-offline": True}],
    "guest-set-vcpus": lambda arguments: len(arguments["vcpus"]),
}


class ScriptedAgent:
    """Answers by @answers: command -> value of "return", bytes to send as they are, SILENCE, an exception, or a
    function of the arguments that returns one of these. What is not there is refused as the real one does."""

    def __init__(self, path, answers):
        self.answers = answers
        self.seen = []  # [command, arguments]
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def commands(self):
        return [command for command, _ in self.seen]

    def arguments(self, command):
        """Of the last call of @command."""
        return [arguments for name, arguments in self.seen if name == command][-1]

    def serve(self):
        rest = b""
        try:
            while data := self.socket.recv(65536):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.answer(line)
        except OSError:
            pass  # closed

    def answer(self, line):
        try:
            said = json.loads(line[line.rfind(b"\xff") + 1:])
        except ValueError:
            return
        if not isinstance(said, dict):
            self.socket.sendall(b'{"error": {"class": "GenericError", "desc": "no object"}}\n')
            return
        name, arguments = said.get("execute"), said.get("arguments") or {}
        if name in ("guest-sync", "guest-sync-delimited") and name not in self.answers:
            mark = b"\xff" if name.endswith("delimited") else b""
            self.socket.sendall(mark + json.dumps({"return": arguments["id"]}).encode() + b"\n")
            return
        self.seen.append([name, arguments])
        try:
            if name not in self.answers and name != "guest-ping":
                raise Refusal(f"The command {name} has not been found", "CommandNotFound")
            value = self.answers.get(name, {})
            value = value(arguments) if callable(value) else value
            if isinstance(value, Exception):
                raise value
            if value is SILENCE:
                return
            out = value if isinstance(value, bytes) else json.dumps({"return": value}).encode() + b"\n"
        except Refusal as refusal:
            out = json.dumps(refusal.answer).encode() + b"\n"
        self.socket.sendall(out)

    def close(self):
        self.socket.close()


def channel_path(host, name, channel):
    for node in ET.fromstring(host.ok("dumpxml", name)).iter("channel"):
        if node.find("target").get("name") == channel:
            return node.find("source").get("path")
    raise TestFailure(f"'{name}' has no channel {channel}")


def channel_state(host, name, channel="org.qemu.guest_agent.0"):
    for node in ET.fromstring(host.ok("dumpxml", name)).iter("channel"):
        if node.find("target").get("name") == channel:
            return node.find("target").get("state")
    return None


def start_scripted(host, answers, name="demo", devices="", **parts):
    """Starts a demo guest whose agent answers as told; ScriptedAgent, console."""
    host.start_demo(name, append="noagent", devices=AGENT + RELAY + devices, **parts)
    console = host.booted(name)
    agent = ScriptedAgent(channel_path(host, name, "org.lodge.relay"), answers)
    for line in RELAY_SCRIPT.splitlines():
        console.send(line + "\n")
    wait_until(lambda: channel_state(host, name) == "connected", "the agent's channel is connected")
    return agent, console


# ---- the real one ----

REAL_AGENT = "/usr/sbin/qemu-ga"


def real_agent_image(path):
    """An ext4 disk with Debian's agent, what it links, and busybox for what it runs."""
    root = pathlib.Path(str(path) + ".d")
    for folder in ("bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/sbin", "var/run", "home/anna"):
        (root / folder).mkdir(parents=True)
    programs = [REAL_AGENT, "/usr/sbin/chpasswd"]
    libraries = subprocess.run(["ldd", *programs], check=True, stdout=subprocess.PIPE, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", libraries) + programs:
        target = root / library[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library, target)
        target.chmod(0o755)
    shutil.copyfile(shutil.which("busybox"), root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nanna:x:1000:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\nanna:*:19000:0:99999:7:::\n")
    (root / "etc/os-release").write_text('ID=lodgetest\nNAME="Lodge test"\nVERSION_ID=7\n')
    (root / "sbin/shutdown").write_text("#!/bin/sh\nsync\npoweroff -f\n")
    (root / "sbin/shutdown").chmod(0o755)
    with open(path, "wb") as image:
        image.truncate(160 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, path], check=True)
    shutil.rmtree(root)


REAL_SCRIPT = """mkdir -p /agent.d && mount -t ext4 /dev/vdb /agent.d && mount --bind /dev /agent.d/dev
mount -t proc proc /agent.d/proc; mount -t sysfs sys /agent.d/sys
chroot /agent.d /bin/busybox --install -s /bin
port() { for f in /sys/class/virtio-ports/*/name; do [ "$(cat $f)" = $1 ] && echo /dev/$(basename $(dirname $f)); done; }
PATH=/bin:/usr/sbin chroot /agent.d /usr/sbin/qemu-ga -p $(port org.qemu.guest_agent.0) -t /var/run >/agent.log 2>&1 &"""


def start_real(host, name="demo", devices="", **parts):
    """Starts a demo guest with Debian's agent; its console. The agent sees the root folder /agent.d."""
    if not pathlib.Path(REAL_AGENT).exists():
        raise Skip("qemu-guest-agent is not installed")
    image = host.guests.images / f"{name}-agent.img"
    host.guests.images.mkdir(parents=True, exist_ok=True)
    real_agent_image(image)
    disk = (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>"
            "<target dev='vdb' bus='virtio'/></disk>")
    host.start_demo(name, append="noagent", devices=disk + AGENT + devices, **parts)
    console = host.booted(name)
    for line in REAL_SCRIPT.splitlines():
        console.send(line + "\n")
    wait_until(lambda: channel_state(host, name) == "connected", "the agent's channel is connected", 60)
    return console
