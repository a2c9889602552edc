"""Clones of memory beside the same by hand; see bench. Runs inside the namespaces of lodgetest.inside.

By hand: the command line of the daemon's own clone with a disk of its own, from making the overlay to the answer to 'cont'; memory
and state were kept before, as with a machine that is paused.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import array
import fcntl
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import time

from lodgetest.host import *
from measure import ByHand

MIB = 1 << 20
F_ADD_SEALS, ALL_SEALS = 1033, 15
MEMFD = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


class Hand(ByHand):
    """A QEMU of one of the daemon's command lines, with things in it replaced; one that stays."""

    def start(self, words, fds=()):
        self.prepare()
        for old, new in words.items():
            self.words_now = [word.replace(old, new) for word in self.words_now]
        self.process = subprocess.Popen(self.words_now, env=self.environment, stdin=subprocess.DEVNULL, stdout=self.keep[2],
                                        stderr=self.keep[2], pass_fds=[*(one.fileno() for one in (self.keep[0], *self.keep[3:])), *fds])
        self.greeted()
        self.ask("qmp_capabilities")

    def ask(self, command, fd=None, **arguments):
        message = json.dumps({"execute": command, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}})
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.keep[1].sendmsg([message.encode()], rights)
        while "event" in (answer := json.loads(self.stream.readline())):
            pass
        check("return" in answer, f"{command}: {answer}")
        return answer["return"]

    def migrate(self, command, fd):
        self.ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        self.ask("getfd", fd=fd, fdname="state")
        self.ask(command, uri="fd:state")
        while (status := self.ask("query-migrate").get("status")) != "completed":
            check(status != "failed", "it failed")
            time.sleep(0.001)


def keep_by_hand(hand, mib):
    """What the daemon keeps of a machine that is paused."""
    hand.start({})
    hand.ask("cont")
    time.sleep(1)
    hand.ask("stop")
    state = os.memfd_create("state")
    hand.migrate("migrate", state)
    ram = os.memfd_create("ram", os.MFD_ALLOW_SEALING)
    os.ftruncate(ram, mib * MIB)
    folder = f"/proc/{hand.process.pid}/fd"
    [source] = [os.open(f"{folder}/{entry}", os.O_RDONLY) for entry in os.listdir(folder)
                if "memfd:memory-backend" in os.readlink(f"{folder}/{entry}")]
    for at in range(0, mib * MIB, MIB):
        os.pwrite(ram, os.pread(source, MIB, at), at)
    fcntl.fcntl(ram, F_ADD_SEALS, ALL_SEALS)
    return ram, state


def clone_by_hand(hand, base, disk, ram, state):
    """Seconds."""
    begin = time.perf_counter()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, f"{disk}.hand"], check=True)
    fd = os.open(f"/proc/self/fd/{ram}", os.O_RDWR)
    old = next(word for word in hand.words if "/proc/self/fd/" in word)
    hand.start({re.search("/proc/self/fd/[0-9]+", old).group(): f"/proc/self/fd/{fd}", disk: f"{disk}.hand"}, [fd])
    hand.migrate("migrate-incoming", os.open(f"/proc/self/fd/{state}", os.O_RDONLY))
    hand.ask("cont")
    seconds = time.perf_counter() - begin
    hand.end()
    os.close(fd)
    os.unlink(f"{disk}.hand")
    return seconds


def machine(host, mib):
    image = host.path("var/lib/libvirt/images/web.img")
    image.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(host.guests.file("sector.img"), image)
    os.truncate(image, MIB)
    host.ok("pool-define-as", "default", "dir", "--target", str(image.parent))
    host.ok("pool-start", "default")
    disk = f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    host.define(host.guests.empty("web", devices=disk, memory_kib=mib * 1024).replace("<os>", MEMFD + "<os>")).create()
    return image


def test_memory_clones(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results, ours, hands, mib = {}, [], [], options["moments"]
    host.start_daemon()
    base = machine(host, mib)
    template = Hand(host, "web")
    host.ok("suspend", "web")
    begin = time.perf_counter()
    host.lodge_ok("clone", "web", "--running", "--quiet", "--name", "first")
    results["memory_clone_first"] = time.perf_counter() - begin
    hand = Hand(host, "first")
    host.ok("destroy", "first")
    hand.make_ready()
    host.ok("destroy", "web")
    template.make_ready()
    ram, state = keep_by_hand(template, mib)
    template.end()
    host.ok("start", "web")
    host.ok("suspend", "web")
    disk = str(host.path("var/lib/libvirt/images/first.qcow2"))
    host.lodge_ok("clone", "web", "--running", "--quiet", "--name", "again")
    for number in range(5 if options["quick"] else 15):
        hands.append(clone_by_hand(hand, base, disk, ram, state))
        begin = time.perf_counter()
        host.lodge_ok("clone", "web", "--running", "--quiet", "--name", f"c{number}")
        ours.append(time.perf_counter() - begin)
        host.ok("destroy", f"c{number}")
    results["memory_clone_hand"], results["memory_clone"] = statistics.median(hands), statistics.median(ours)
    with open(os.environ["LODGE_BENCH_OUT"], "w", encoding="utf-8") as out:
        json.dump(results, out)
