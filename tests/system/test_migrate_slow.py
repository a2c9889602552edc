"""Migrations under a guest that works, many times, and over a link that breaks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import os
import pathlib
import subprocess

from lodgetest.host import Skip, check, contains, equal, qemus, run, signal, wait_until
from lodgetest.pair import far_host
from lodgetest.runner import mark
from test_migrate import LODGED, check_pattern, disk, move, place, there
from test_migrate_options import busy

USERFAULT = pathlib.Path("/proc/sys/vm/unprivileged_userfaultfd")


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=1500)
def test_rounds(host):
    """A guest counts and writes patterns to its disk and its memory while it goes there and back: no count is lost, no byte
    is wrong, and nothing is left."""
    rounds = int(os.environ.get("LODGE_TEST_ROUNDS", "50"))
    with far_host(host) as far:
        host.start_demo()
        console = host.booted("demo")
        console.command("i=0; while :; do i=$((i+1)); echo $i > /disk/count; echo $i > /count; done &")
        console.command("while :; do dd if=/dev/urandom of=/pattern bs=64k count=4 2>/dev/null; cp /pattern /disk/pattern; sync; "
                        "echo 1 > /proc/sys/vm/drop_caches; cmp /pattern /disk/pattern || echo wrong >> /wrong; "
                        "echo . >> /compared; done &")
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
            # Each is empty for a moment before it is written.
            console.send("c=; d=; until [ -n \"$c\" ]; do c=$(cat /count); done; "
                         "until [ -n \"$d\" ]; do d=$(cat /disk/count); done; echo =$c=$d=\n")
            seen = console.expect(r"=(\d+)=(\d+)=")
            count = int(seen.group(1))
            check(int(seen.group(2)) >= count - 1, f"the disk is behind memory: {seen.group(0)}")
            check(count >= last, f"the count went back from {last} to {count}")
            last = count
            console.close()
        console = host.booted("demo")
        said = console.command("ls /wrong; echo compared=$(wc -l < /compared)")
        console.close()
        check("No such file" in said, f"bytes are wrong: {said}")
        check("compared=0" not in said, "nothing was compared")


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=600)
def test_copied_disks_and_libvirtd(host):
    """Disks go along there and back between both kinds of daemons."""
    with far_host(host, "libvirtd", shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, on_far=True))).create()
        for options in ([], ["--p2p"]):
            for source, target in ((host, far), (far, host)):
                move(source, target, "--copy-storage-all", "--persistent", *options, timeout=120)
                there(target, source)
        host.ok("destroy", "tiny")
        check_pattern(host.path("var/lib/libvirt/images/data.qcow2"))
        check_pattern(far.path("images/data.qcow2"))


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


@contextlib.contextmanager
def userfault():
    """QEMU's user may serve faults of the guest's pages."""
    before = USERFAULT.read_text() if USERFAULT.exists() else None
    if before is None:
        raise Skip("this kernel has no userfaultfd")
    try:
        USERFAULT.write_text("1")
        yield
    finally:
        USERFAULT.write_text(before)


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=300)
def test_postcopy(host):
    """The guest goes on there while its memory follows."""
    with userfault(), far_host(host) as far:
        host.start_demo()
        host.booted("demo").close()
        host.ok("migrate", "--live", "--unsafe", "--postcopy", "--bandwidth", "1", "--timeout", "2", "--timeout-postcopy", "demo",
                far.daemon.uri, place(far), timeout=200)
        there(far, host, "demo")
        far.booted("demo").command("echo alive")


@mark(only="lodged", reason=LODGED, requires=["slow"], timeout=300)
def test_policy(host):
    """By the host's policy a guest that writes as fast as the link carries goes on there first, or is slowed down."""
    with userfault(), far_host(host, qemu_conf='migration_converge = "postcopy"\nmigration_downtime_max = 300\n') as far:
        busy(host)
        move(host, far, "--unsafe", "--bandwidth", "16", timeout=120)
        there(far, host)
        contains(host.daemon.log.read_text(), "the rest of its memory follows it")


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
