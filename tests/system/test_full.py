"""The storage of snapshots, block jobs and backups is full: that is said, the machine goes on with all that it had, and
nothing half made is left.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import signal
import subprocess

from lodgetest.host import *
from lodgetest.moments import CELL, CELLS, Moments, sh
from lodgetest.runner import mark

OWN = dict(only="lodged", reason="lodge's own")
MIB = 1 << 20


def small(host, name="small", size="1m"):
    """A file system with that much room; before a machine starts that is to see it."""
    folder = host.path(name)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", str(folder)], check=True)
    return folder


def fill(folder, leave=0):
    """Until only @leave bytes are free."""
    path = folder / "filler"
    stat = os.statvfs(folder)
    path.write_bytes(b"x" * max(0, stat.f_bavail * stat.f_frsize - leave))
    return path


def left(folder):
    return sorted(p.name for p in folder.iterdir() if p.name not in ("filler",))


def refused(host, m, *words, program=None, says="No space left"):
    """It fails for want of space; the machine is as it was."""
    state = host.state(m.name)
    done = (program or host.virsh)(*words, timeout=60)
    check(done.code != 0, f"{words}: it was to fail: {done}")
    contains(done.err, says)
    equal(host.state(m.name), state, f"after {words}")
    m.check()


def mend(m):
    """QEMU, and qemu-img, leave a cluster without use in an image in which they found no space: nothing else."""
    for path in m.images():
        sh("qemu-img", "check", "-q", "-r", "leaks", path)


def no_job(host, name):
    equal(host.conn.lookupByName(name).jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE, "a job")
    equal(json.loads(host.ok("qemu-monitor-command", name, '{"execute":"query-jobs"}'))["return"], [], "QEMU's jobs")


def test_snapshots_of_a_running_machine(host):
    folder = small(host)
    m = Moments(host, disks=2, start=True, memory_kib=65536)
    m.write(1)
    m.take("first", "--disk-only")
    m.write(2)
    fill(folder)
    # one of two overlays, and the memory
    refused(host, m, "snapshot-create-as", "m", "x", "--disk-only", "--diskspec", f"vdb,file={folder}/x")
    refused(host, m, "snapshot-create-as", "m", "x", "--memspec", f"file={folder}/memory", says="error:")
    equal(left(folder), [])
    os.unlink(folder / "filler")
    fill(folder, 128 << 10)  # the memory begins, and does not fit
    refused(host, m, "snapshot-create-as", "m", "x", "--memspec", f"file={folder}/memory", says="error:")
    equal(left(folder), [])
    m.write(3)
    m.take("second", "--disk-only")
    m.check()
    no_job(host, "m")
    m.dom.destroy()
    m.check()


def test_snapshots_inside_of_a_full_storage(host):
    folder = small(host, "disks", "3m")
    m = Moments(host, start=True, memory_kib=65536)
    m.write(1)
    filler = fill(folder, 64 << 10)
    refused(host, m, "snapshot-create-as", "m", "x", says="error:")
    refused(host, m, "snapshot-create-as", "m", "x", "--disk-only")
    equal(host.state("m"), "running")
    m.dom.destroy()
    os.unlink(filler)
    mend(m)
    m.write(2)
    filler = fill(folder)
    refused(host, m, "snapshot-create-as", "m", "x", says="error:")
    refused(host, m, "snapshot-create-as", "m", "x", "--disk-only")
    equal(left(folder), ["m-vda.qcow2"])
    os.unlink(filler)
    m.take("x")
    mend(m)
    m.check()


def test_the_folder_of_snapshots_is_full(host):
    """What is promised in files cannot be: nothing is done."""
    folder = small(host, "var/lib/libvirt/qemu/snapshot", "256k")
    host.restart_daemon()
    m = Moments(host, start=True)
    m.write(1)
    m.take("one", "--disk-only")
    m.write(2)
    images = m.images()
    filler = fill(folder)
    for options in (["--disk-only"], [], ["--memspec", f"file={m.folder}/memory"]):
        refused(host, m, "snapshot-create-as", "m", "x", *options)
    for words in (["snapshot-delete", "m", "one"], ["snapshot-revert", "m", "one"]):
        refused(host, m, *words)
    equal(m.images(), images)
    m.dom.destroy()
    for words in (["snapshot-create-as", "m", "x"], ["snapshot-create-as", "m", "x", "--disk-only"],
                  ["snapshot-delete", "m", "one"], ["snapshot-revert", "m", "one"]):
        refused(host, m, *words)
    equal(m.images(), images)
    os.unlink(filler)
    host.restart_daemon()
    m.dom = host.conn.lookupByName("m")
    m.check()
    m.revert("one")
    m.check()
    m.delete("one")
    m.check()


def test_going_back_and_deleting(host):
    folder = small(host, "disks", "6m")
    m = Moments(host)
    for i in range(8):
        m.write(10 + i, i)
    m.take("one", "--disk-only")
    for i in range(8):
        m.write(20 + i, 8 + i)
    m.take("two", "--disk-only")
    m.write(30)
    images = m.images()
    for running in (False, True):
        if running:
            m.dom.create()
        filler = fill(folder)
        refused(host, m, "snapshot-revert", "m", "one")
        refused(host, m, "snapshot-delete", "m", "one", says="space")
        equal(m.images(), images)
        os.unlink(filler)
    m.delete("one")
    m.check()
    m.revert("two")
    m.check()


def test_block_jobs(host):
    """A copy, a commit and a pull end as failed, and the chain is what it was."""
    folder, disks = small(host), small(host, "disks", "6m")
    m = Moments(host)
    for i in range(8):
        m.write(10 + i, i)
    m.take("one", "--disk-only")
    host.ok("snapshot-delete", "m", "one", "--metadata")
    m.known = {}
    for i in range(8):
        m.write(20 + i, 8 + i)
    m.dom.create()
    chain, before = m.chain(), m.dom.XMLDesc(0)
    fill(folder, 512 << 10)
    filler = fill(disks)
    for words in (["blockcopy", "m", "vda", str(folder / "copy"), "--format", "qcow2", "--transient-job", "--wait", "--pivot"],
                  ["blockcommit", "m", "vda", "--active", "--pivot", "--wait"], ["blockpull", "m", "vda", "--wait"]):
        done = host.virsh(*words, timeout=60)
        check(done.code != 0 or "failed" in done.out + done.err, f"{words}: {done}")
        wait_until(lambda: not m.dom.blockJobInfo("vda", 0), "no job is left")
        equal((host.state("m"), m.chain()), ("running", chain), f"after {words}")
        no_job(host, "m")
        m.check()
    equal(m.dom.XMLDesc(0), before)
    os.unlink(filler)
    m.write(33)
    host.ok("blockcommit", "m", "vda", "--active", "--pivot", "--wait")
    m.check()
    m.dom.destroy()
    m.check()


@mark(**OWN)
def test_a_disk_moves_where_it_does_not_fit(host):
    folder = small(host)
    host.ok("pool-create-as", "tiny", "dir", "--target", folder)
    m = Moments(host)
    for i in range(CELLS):
        m.write(10 + i, i)
    fill(folder, 512 << 10)
    for running in (False, True):
        if running:
            m.dom.create()
        before = m.dom.XMLDesc(0)
        refused(host, m, "disk", "move", "m", "vda", "tiny", program=host.lodge, says="pace")
        equal((m.dom.XMLDesc(0), left(folder)), (before, []))
    no_job(host, "m")


def backup(host, m, xml):
    host.ok("backup-begin", m.name, host.write_xml(xml, "backup.xml"))


def failed(host, m):
    wait_until(lambda: m.dom.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "the backup ends", timeout=60)
    stats = m.dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    equal(stats["type"], libvirt.VIR_DOMAIN_JOB_FAILED, f"how it ended: {stats}")
    return stats


def fill_cells(m, value):
    for i in range(CELLS):
        m.write(value + i, i)


def guest_writes(host, m, value):
    """All cells in one write, as a guest that does not wait: an answer comes when it is written."""
    line = f'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -q -P {value} 0 {CELLS * CELL}"'
    equal(host.ok("qemu-monitor-command", m.name, "--hmp", line, timeout=60).strip(), "", "what QEMU says")


@mark(**OWN)
def test_a_copy_that_is_pushed_does_not_fit(host):
    folder = small(host)
    m = Moments(host, start=True)
    fill_cells(m, 10)
    fill(folder, 640 << 10)
    backup(host, m, f"<domainbackup><disks><disk name='vda' type='file'><driver type='qcow2'/><target file='{folder}/b'/></disk></disks></domainbackup>")
    contains(failed(host, m)["errmsg"], "No space left")
    equal((host.state("m"), left(folder)), ("running", []))
    m.write(44)
    m.check()
    no_job(host, "m")
    refused(host, m, "backup-begin", "m", host.write_xml("<domainbackup><disks><disk name='vda' type='file'><driver type='raw'/>"
                                                         f"<target file='{folder}/nowhere/b'/></disk></disks></domainbackup>"), says="No such file")


def with_writer(host):
    """A machine with two disks whose guest writes to both, when it is started."""
    writer = os.path.join(os.path.dirname(__file__), "../torture/writer.S")
    sh("as", "--32", "-o", host.path("w.o"), writer)
    sh("ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat", "binary", "-o", host.path("w.bin"), host.path("w.o"))
    m = Moments(host, disks=2, boot=True)
    sh("qemu-io", "-f", "qcow2", "-c", f"write -q -s {host.path('w.bin')} 0 512", m.path())
    for target in m.targets:
        sh("qemu-io", "-f", "qcow2", "-c", "write -q -P 7 64k 512k", m.path(target))
    return m


@mark(**OWN)
def test_a_guest_outlives_a_full_scratch_image(host):
    """What it overwrites cannot be kept for a backup that is pulled: it goes on, and the backup has failed."""
    folder = small(host)
    m = with_writer(host)
    filler = fill(folder, 400 << 10)

    def number():
        return json.loads(host.ok("qemu-monitor-command", "m", '{"execute":"query-blockstats"}'))["return"][0]["stats"]["wr_operations"]
    for again in range(2):
        sh("qemu-io", "-f", "qcow2", "-c", "write -q -z 64k 512k", m.path("vda"))
        sh("qemu-io", "-f", "qcow2", "-c", "write -q -z 64k 512k", m.path("vdb"))
        m.dom.create()
        socket = host.path("nbd")
        disks = "".join(f"<disk name='{t}' type='file'><driver type='qcow2'/><scratch file='{folder}/{t}'/></disk>" for t in m.targets)
        host.ok("suspend", "m")
        backup(host, m, f"<domainbackup mode='pull'><server transport='unix' socket='{socket}'/><disks>{disks}</disks></domainbackup>")
        os.unlink(filler)
        filler = fill(folder)  # not one cluster fits
        if again:
            host.kill_daemon()
            host.start_daemon()
            m.dom = host.conn.lookupByName("m")
        host.ok("resume", "m")
        stats = failed(host, m)
        contains(stats["errmsg"], "no space is left for", str(folder))
        host.wait_state("m", "running")
        before = number()
        wait_until(lambda: number() > before + 40, "the guest writes on", timeout=30)
        equal((left(folder), socket.exists()), ([], False))
        no_job(host, "m")
        m.dom.destroy()
        for path in m.images():
            sh("qemu-img", "check", "-q", path)


@mark(**OWN)
def test_a_guest_outlives_a_backup_into_a_repository(host):
    """Its scratch images lie beside the disks, where there is no space any more when the guest overwrites them."""
    disks = small(host, "disks", "48m")
    m = with_writer(host)
    raw = host.path("random")
    raw.write_bytes(random.Random(6).randbytes(2 * MIB))
    sh("qemu-io", "-f", "qcow2", "-c", f"write -q -s {raw} 1M 2M", m.path())
    m.dom.create()
    host.ok("suspend", "m")
    repo = host.path("repo")
    process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "backup", "create", "m", str(repo), "--level", "19"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: list(repo.glob("tmp/add-*")) and host.virsh("backup-dumpxml", "m").code == 0, "it reads")
    process.send_signal(signal.SIGSTOP)
    fill(disks)
    host.ok("resume", "m")
    failed(host, m)
    host.wait_state("m", "running")
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    check(process.returncode != 0, out)
    contains(out, "no space is left for")
    equal(left(disks), ["m-vda.qcow2", "m-vdb.qcow2"])
    equal(json.loads(host.lodge_ok("backup", "list", str(repo), "-o", "json")), [])
    no_job(host, "m")
    m.dom.destroy()
    mend(m)
