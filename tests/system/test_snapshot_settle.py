"""Work on snapshots that was cut off is brought to its end: at once where that can be, else as soon as it can be.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import re
import signal
import subprocess

from lodgetest.host import *
from lodgetest.moments import Moments, sh
from lodgetest.runner import mark

OWN = dict(only="lodged", reason="lodge's own")
SNAPSHOTS = "var/lib/libvirt/qemu/snapshot/{}"


def journal(host, name="m"):
    return host.path(SNAPSHOTS.format(name)) / ".lodge/journal"


def note_deletion(host, name, snapshot):
    """As the daemon, killed by now, that had decided to delete it."""
    document = (host.path(SNAPSHOTS.format(name)) / f"{snapshot}.xml").read_text()
    journal(host, name).write_text(json.dumps({
        "kind": "delete", "decided": True, "frozen": False, "live": False, "snapshot": snapshot, "document": None,
        "memory": None, "flags": 0, "disks": [], "paths": [], "nodes": [], "names": [document]}))


def note_job(host, name, job):
    """A block job stands in the status file of a machine whose daemon is dead."""
    status = host.path(f"run/libvirt/qemu/{name}.xml")
    text, count = re.subn(r"<blockjobs active='no'/>", f"<blockjobs active='yes'>{job}</blockjobs>", status.read_text())
    equal(count, 1, "block jobs of the status file")
    status.write_text(text)


def back_again(host, m):
    host.start_daemon()
    m.dom = host.conn.lookupByName(m.name)


def chain_of_three(host, **parts):
    m = Moments(host, **parts)
    for value, name in enumerate(("one", "two"), 1):
        m.write(value)
        m.take(name, "--disk-only")
    m.write(3)
    return m


@mark(**OWN)
def test_a_commit_that_qemu_never_heard_of(host):
    """It was in the status file when the daemon died: the snapshot's deletion begins another one."""
    m = chain_of_three(host, start=True)
    nodes = [re.search(r"-(\d+)-", b).group(1) for b in re.findall(r"libvirt-\d+-format", host.ok(
        "qemu-monitor-command", "m", '{"execute": "query-named-block-nodes", "arguments": {"flat": true}}'))]
    host.kill_daemon()
    note_deletion(host, "m", "one")
    top, base = sorted(set(nodes), key=int)[-2], sorted(set(nodes), key=int)[0]
    note_job(host, "m", f"<blockjob name='commit-vda-libvirt-{top}-format' type='commit' state='new' jobflags='0x0' lodge:internal='yes'>"
                        f"<disk dst='vda'/><base node='libvirt-{base}-format'/><top node='libvirt-{top}-format'/></blockjob>")
    back_again(host, m)
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=30)
    del m.known["one"]
    m.check()
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


@mark(**OWN)
def test_a_deletion_whose_qemu_is_silent_goes_on_later(host):
    """QEMU does not answer the next daemon either, for a while."""
    m = chain_of_three(host, start=True)
    pid = host.qemu_pid("m")
    host.kill_daemon()
    note_deletion(host, "m", "one")
    os.kill(pid, signal.SIGSTOP)
    try:
        back_again(host, m)
        wait_until(lambda: "it is tried again" in host.daemon.log.read_text(), "the daemon has tried", timeout=60)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=60)
    del m.known["one"]
    m.check()
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


@mark(**OWN)
def test_a_deletion_whose_qemu_is_killed_goes_on_without_it(host):
    """The merge that it was at is done with the machine off, and nobody has to ask for it."""
    m = chain_of_three(host, start=True)
    pid = host.qemu_pid("m")
    os.kill(pid, signal.SIGSTOP)
    process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-delete", "m", "one"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: journal(host).exists() and "one" not in m.names(), "it is being deleted")
    kill(pid)
    process.wait()
    host.wait_state("m", "shut off")
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=60)
    del m.known["one"]
    m.check()
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


def slow_qemu_img(host, word):
    """qemu-img WORD waits for the file that this returns."""
    gate, folder = host.path("gate"), host.path("bin")
    folder.mkdir()
    script = folder / "qemu-img"
    script.write_text(f"#!/bin/sh\ncase \"$*\" in *'{word}'*) while [ ! -e {gate} ]; do sleep 0.05; done;; esac\n"
                      "exec /usr/bin/qemu-img \"$@\"\n")
    script.chmod(0o755)
    host.daemon.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    return gate


@mark(**OWN)
def test_a_long_merge_does_not_hold_up_the_start_of_the_daemon(host):
    """All machines answer meanwhile, and the one whose images are merged does not start before they are."""
    m = chain_of_three(host)
    host.define_sector("other").create()
    host.kill_daemon()
    note_deletion(host, "m", "one")
    gate = slow_qemu_img(host, "commit")
    back_again(host, m)
    equal(host.state("other"), "running")
    check(journal(host).exists(), "the merge waits")
    contains(host.lodge_ok("jobs"), "m")
    start = subprocess.Popen(["virsh", "-c", host.daemon.uri, "start", "m"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    equal(host.state("m"), "shut off")
    gate.touch()
    equal(start.wait(60), 0, "the start after the merge")
    check(not journal(host).exists(), "the journal is left")
    del m.known["one"]
    m.check()
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


@mark(**OWN)
def test_an_image_that_somebody_holds_is_merged_later(host):
    m = chain_of_three(host)
    host.kill_daemon()
    note_deletion(host, "m", "one")
    holder = subprocess.Popen(["qemu-io", "-f", "qcow2", m.folder / "m-vda.qcow2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdin.write(b"write 0 512\n")
    holder.stdin.flush()
    check(holder.stdout.readline(), "qemu-io holds the image")
    back_again(host, m)
    wait_until(lambda: "it is tried again" in host.daemon.log.read_text(), "the daemon has tried", timeout=30)
    check(journal(host).exists(), "it is not done")
    holder.kill()
    holder.wait()
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=60)
    del m.known["one"]
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


@mark(**OWN)
def test_a_pulled_backup_does_not_hold_up_what_was_cut_off(host):
    """Its jobs end when the client says so."""
    m = Moments(host, disks=2, start=True)
    for value, name in enumerate(("one", "two"), 1):
        m.write(value)
        m.take(name, "--disk-only", "--diskspec", "vdb,snapshot=no")
    m.write(3)
    host.ok("backup-begin", "m", host.write_xml(
        f"<domainbackup mode='pull'><server transport='unix' socket='{m.folder}/nbd'/>"
        "<disks><disk name='vdb' backup='yes' type='file'/><disk name='vda' backup='no'/></disks></domainbackup>"))
    host.kill_daemon()
    note_deletion(host, "m", "one")
    back_again(host, m)
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=30)
    host.ok("domjobabort", "m")
    equal(m.chain(), ["m-vda.two", "m-vda.qcow2"], "images")


@mark(**OWN)
def test_a_merge_that_qemu_had_done_is_not_done_again(host):
    """The guest went on with the image below and wrote there; then the daemon and QEMU were killed."""
    m = Moments(host)
    m.write(1)
    m.take("one", "--disk-only")
    m.write(2)
    overlay, base = m.path(), str(m.folder / "m-vda.qcow2")
    host.kill_daemon()
    note_deletion(host, "m", "one")
    note = json.loads(journal(host).read_text())
    journal(host).write_text(json.dumps(dict(note, disks=["merge"], paths=[overlay], nodes=[base])))
    config = host.path("etc/libvirt/qemu/m.xml")
    config.write_text(config.read_text().replace(overlay, base))
    sh("qemu-img", "commit", "-q", "-d", overlay)
    sh("qemu-io", "-f", "qcow2", "-c", f"write -P 3 0 {64 << 10}", base)
    back_again(host, m)
    wait_until(lambda: not journal(host).exists(), "the deletion is finished", timeout=30)
    equal(m.chain(), ["m-vda.qcow2"], "images")
    equal(m.read(base)[0], 3, "what the guest has written last")
    check(not os.path.exists(overlay), "the image that was merged is left")


@mark(**OWN)
def test_a_merge_of_a_stopped_machine_is_cancelled(host):
    """The snapshot is none any more, all others and the present read as ever, and the next deletion merges what is left."""
    gate = slow_qemu_img(host, "commit")
    host.restart_daemon()
    m = chain_of_three(host)
    process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-delete", "m", "two"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: "merging images" in host.lodge_ok("jobs"), "it merges")
    host.ok("domjobabort", "m")
    contains(process.communicate(timeout=30)[0], "abort")
    check(process.returncode != 0 and not journal(host).exists(), "it is cancelled")
    gate.touch()
    del m.known["two"]
    m.check()
    m.delete("one")
    m.check()
    equal(len(m.chain()), 1, f"images: {m.chain()}")
    m.dom.create()
    m.check()


@mark(**OWN)
def test_going_back_cannot_be_aborted_once_it_has_begun(host):
    """Half of it would be a machine that is neither here nor there: that is said, and it comes to its end."""
    gate = slow_qemu_img(host, " -a ")
    host.restart_daemon()
    m = Moments(host)
    m.write(1)
    m.take("one")
    m.write(2)
    m.take("two")
    process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-revert", "m", "one"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: "going back" in host.lodge_ok("jobs"), "it goes back")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, m.dom.abortJob, text="cannot be aborted any more")
    gate.touch()
    equal(process.communicate(timeout=30)[0].strip(), "Domain snapshot one reverted")
    m.present = dict(m.known["one"])
    m.check()
    equal(host.ok("snapshot-current", "m", "--name").strip(), "one")


@mark(requires=["slow"], timeout=240, **OWN)
def test_memory_that_takes_long_to_write(host):
    """QEMU answers nobody until it is done, for longer than it may be silent otherwise."""
    m = Moments(host, start=True, memory_kib=524288)
    m.write(1)
    process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-create-as", "m", "one"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: m.dom.state()[0] == libvirt.VIR_DOMAIN_PAUSED, "it is being taken", interval=0.001)
    pid = host.qemu_pid("m")
    os.kill(pid, signal.SIGSTOP)
    try:
        process.wait(timeout=40)
        fail(f"it ended: {process.stdout.read()}")
    except subprocess.TimeoutExpired:
        os.kill(pid, signal.SIGCONT)
    equal((process.wait(timeout=60), host.state("m")), (0, "running"))
    m.known["one"] = dict(m.present)
    m.check()
