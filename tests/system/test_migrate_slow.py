"""Migrations under a guest that works, many times, and over a link that breaks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import subprocess

from lodgetest.host import Skip, check, contains, equal, qemus, run, signal, wait_until
from lodgetest.pair import far_host
from lodgetest.runner import mark
from test_migrate import LODGED, check_pattern, disk, move, place, there

USERFAULT = pathlib.Path("/proc/sys/vm/unprivileged_userfaultfd")


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=1500)
def test_rounds(host):
    """A guest counts and writes to its disk while it goes there and back: no count is lost, and nothing is left."""
    rounds = int(os.environ.get("LODGE_TEST_ROUNDS", "25"))
    with far_host(host) as far:
        host.start_demo()
        console = host.booted("demo")
        console.send("i=0; while :; do i=$((i+1)); echo $i > /disk/count; echo $i > /tmp/count; done &\n")
        console.close()
        ways = ([], ["--p2p"], ["--parallel"], ["--p2p", "--tunnelled"], ["--auto-converge"])
        last = 0
        for number in range(rounds):
            for source, target in ((host, far), (far, host)):
                options = ways[number % len(ways)]
                where = [] if "--tunnelled" in options else [place(target)]
                source.ok("migrate", "--live", "--unsafe", "--persistent", *options, "demo", target.daemon.uri, *where, timeout=120)
                there(target, source, "demo")
            console = host.booted("demo")
            console.send("echo =$(cat /tmp/count)=$(cat /disk/count)=\n")
            seen = console.expect(r"=(\d+)=(\d+)=")
            count = int(seen.group(1))
            check(int(seen.group(2)) >= count - 1, f"the disk is behind memory: {seen.group(0)}")
            check(count >= last, f"the count went back from {last} to {count}")
            last = count
            console.close()


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=600)
def test_link(host):
    """The link between the hosts is cut while a disk goes over: it goes on where it was, and can go again."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, size="64M", fill="40M", on_far=True))).create()
        words = ["virsh", "-c", host.daemon.uri, "migrate", "--live", "--copy-storage-all", "--bandwidth", "2", "tiny",
                 far.daemon.uri, place(far)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            wait_until(lambda: "File total" in host.virsh("domjobinfo", "tiny").out, "the disk is on its way", 30)
            run(["ip", "link", "set", "leg0", "down"])
            said = client.communicate(timeout=400)[0]
        contains(said, "the other side has taken nothing")
        equal(host.state("tiny"), "running", "where it was")
        run(["ip", "link", "set", "leg0", "up"])
        wait_until(lambda: far.virsh("domstate", "tiny").code != 0, "it is taken back there", 60)
        wait_until(lambda: host.virsh(*words[3:], timeout=90).code == 0, "it goes when the link is back", 60)
        there(far, host)


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=300)
def test_postcopy(host):
    """The guest goes on there while its memory follows."""
    before = USERFAULT.read_text() if USERFAULT.exists() else None
    if before is None:
        raise Skip("this kernel has no userfaultfd")
    try:
        USERFAULT.write_text("1")
        with far_host(host) as far:
            host.start_demo()
            host.booted("demo").close()
            words = ["virsh", "-c", host.daemon.uri, "migrate", "--live", "--unsafe", "--postcopy", "--bandwidth", "1", "demo",
                     far.daemon.uri, place(far)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
                wait_until(lambda: host.virsh("migrate-postcopy", "demo").code == 0, "it is switched", 60)
                said = client.communicate(timeout=200)[0]
            equal(client.returncode, 0, said)
            there(far, host, "demo")
            far.booted("demo").command("echo alive")
    finally:
        USERFAULT.write_text(before)


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=300)
def test_source_dies_before_the_answer(host):
    """Peer to peer: the source's daemon dies when all is sent and the destination has not answered. Asked after the
    restart, it tells where the machine is."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, size="64M", fill="12M", on_far=True))).create()
        words = ["virsh", "-c", host.daemon.uri, "migrate", "--live", "--p2p", "--copy-storage-all", "--bandwidth", "4", "tiny",
                 far.daemon.uri, place(far)]
        status = host.path("run/libvirt/qemu/tiny.xml")
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            wait_until(lambda: "File total" in host.virsh("domjobinfo", "tiny").out, "the disk is on its way", 30)
            os.kill(far.daemon.pid, signal.SIGSTOP)
            wait_until(lambda: "phase='done'" in status.read_text(), "all is sent", 25)
            host.kill_daemon()
            os.kill(far.daemon.pid, signal.SIGCONT)
            client.communicate()
        host.daemon.start()
        wait_until(lambda: len(qemus()) == 1, "one QEMU is left", 30)
        side, other = (host, far) if host.virsh("domstate", "tiny").out.strip() == "running" else (far, host)
        side.wait_state("tiny", "running")
        check(other.virsh("domstate", "tiny").out.strip() in ("", "shut off"), "on one side only")
        side.ok("destroy", "tiny")
        image = "var/lib/libvirt/images/data.qcow2"
        check_pattern(host.path(image) if side is host else far.path("images/data.qcow2"), fill="12M")
