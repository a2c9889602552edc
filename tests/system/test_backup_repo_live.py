"""Repositories of backups: machines that run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import signal
import subprocess

from lodgetest.guests import AGENT
from lodgetest.host import *
from lodgetest.runner import mark
from test_backup_repo import OWN, create, listed, repo, verify
from test_checkpoint import CLUSTER, disk, files, image, machine, nodes, write


def kept(host, path, name):
    """What the disk has now, as a raw file of its own."""
    copy = host.path(name)
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", path, str(copy)], check=True)
    return copy


def restored(host, backup, target="vda"):
    name = f"r{len(host.ok('list', '--all', '--name').split())}"
    host.lodge_ok("backup", "restore", repo(host), backup, "--as", name, "--folder", host.path("out"), "--format", "raw", timeout=60)
    return host.path(f"out/{name}-{target}.img")


def same(a, b):
    equal(subprocess.run(["cmp", str(a), str(b)], check=False).returncode, 0, f"{a} {b}")


def shown(host, backup):
    return json.loads(host.lodge_ok("backup", "show", repo(host), backup, "-o", "json"))


@mark(**OWN)
def test_incremental_backups_of_a_running_machine(host):
    """Each shows the disk at its moment; only what changed is read; one checkpoint stays."""
    host.path("out").mkdir()
    path, = machine(host, megabytes=64)
    moments = []
    for i in range(4):
        write(host, "m", 10 + i, (3 + 7 * i) * CLUSTER, 4 * CLUSTER)
        if i == 2:
            write(host, "m", 0, 3 * CLUSTER, 2 * CLUSTER)  # back to zeroes
        copy = kept(host, path, f"moment{i}")
        made = create(host)
        moments.append((made, copy))
        equal(made["kind"], "incremental" if i else "full")
        if i:
            check(made["read_bytes"] <= 6 * CLUSTER, made)
        equal(made["state"], "crash-consistent")
        equal(len(files(host)), 1, "checkpoints")
        equal(host.conn.lookupByName("m").jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE, "no job is left")
    write(host, "m", 99, 0, 8 * CLUSTER)
    for made, copy in moments:
        same(restored(host, made["id"]), copy)
    equal(verify(host)["good"], True)
    # over the restarts of everything
    host.restart_daemon()
    equal(create(host)["kind"], "incremental")
    dom = host.conn.lookupByName("m")
    dom.destroy()
    off = create(host)
    equal((off["kind"], off["state"]), ("incremental", "stopped"), "QEMU left its bitmap in the image")
    equal(off["read_bytes"], 0)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 44 {30 * CLUSTER} {2 * CLUSTER}", path], check=True)
    copy = kept(host, path, "off")
    off = create(host)
    equal((off["kind"], off["read_bytes"]), ("incremental", 2 * CLUSTER), "what other tools of QEMU wrote counts")
    same(restored(host, off["id"]), copy)
    dom.create()
    write(host, "m", 5, 20 * CLUSTER)
    copy = kept(host, path, "last")
    last = create(host)
    equal(last["kind"], "incremental", "what changed is in the image")
    same(restored(host, last["id"]), copy)


@mark(**OWN)
def test_a_bitmap_that_does_not_tell_all(host):
    """Of a machine that is off: behind an overlay, or after QEMU was killed, the image is read as a whole."""
    host.path("out").mkdir()
    path, = machine(host, megabytes=16)
    write(host, "m", 1, 0, 3 * CLUSTER)
    first = create(host)
    dom = host.conn.lookupByName("m")
    write(host, "m", 2, CLUSTER, CLUSTER)
    os.kill(host.qemu_pid("m"), signal.SIGKILL)
    host.wait_state("m", "shut off")
    copy = kept(host, path, "killed")
    made = create(host)
    equal(made["kind"], "full")
    contains(shown(host, made["id"])["disks"][0]["full_reason"], "does not say what changed")
    same(restored(host, made["id"]), copy)
    dom.create()
    create(host, "m", "--full")
    write(host, "m", 3, 7 * CLUSTER)
    dom.destroy()
    overlay = f"{path}.over"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", "qcow2", overlay], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 9 {9 * CLUSTER} {CLUSTER}", overlay], check=True)
    host.conn.defineXML(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).replace(f"'{path}'", f"'{overlay}'"))
    copy = kept(host, overlay, "overlay")
    made = create(host)
    equal(made["kind"], "full")
    same(restored(host, made["id"]), copy)
    check(first["id"] in listed(host), "the first is there still")


@mark(**OWN)
def test_a_full_backup_is_due(host):
    """Where nothing tells what changed, all is read, and that is said."""
    host.path("out").mkdir()
    path, = machine(host, megabytes=16)
    write(host, "m", 1, 0)
    create(host)
    [checkpoint] = files(host)
    host.ok("checkpoint-delete", "m", checkpoint.removesuffix(".xml"))
    done = host.lodge("backup", "create", "m", repo(host), timeout=60)
    equal(done.code, 0, str(done))
    contains(done.out, "A full backup is due")
    equal(shown(host, "m")["kind"], "full")
    equal(create(host)["kind"], "incremental")
    equal(create(host, "m", "--full")["kind"], "full")
    # the bitmap is gone, the checkpoint is not
    host.conn.lookupByName("m").destroy()
    [checkpoint] = files(host)
    subprocess.run(["qemu-img", "bitmap", "--remove", path, checkpoint.removesuffix(".xml")], check=True)
    host.conn.lookupByName("m").create()
    write(host, "m", 2, 5 * CLUSTER)
    copy = kept(host, path, "copy")
    done = host.lodge("backup", "create", "m", repo(host), timeout=60)
    equal(done.code, 0, str(done))
    contains(done.out, "A full backup is due")
    same(restored(host, "m"), copy)


@mark(**OWN)
def test_raw_and_qcow2_disks_together(host):
    """A raw disk cannot keep a bitmap: it is read as a whole, the other only where it changed."""
    host.path("out").mkdir()
    paths = [image(host, "m-vda", 16), image(host, "m-vdb", 16, kind="raw")]
    host.conn.defineXML(host.guests.empty("m", devices=disk(paths[0]) + disk(paths[1], "vdb", "raw")))
    host.ok("start", "m")
    for device in (0, 1):
        write(host, "m", 3 + device, 2 * CLUSTER, 9 * CLUSTER, f"virtio-disk{device}")
    create(host)
    for device in (0, 1):
        write(host, "m", 6 + device, CLUSTER, 2 * CLUSTER, f"virtio-disk{device}")
    copies = [kept(host, path, f"copy{i}") for i, path in enumerate(paths)]
    made = create(host)
    disks = {d["target"]: d["kind"] for d in shown(host, made["id"])["disks"]}
    equal(disks, {"vda": "incremental", "vdb": "full"})
    for target, copy in zip(("vda", "vdb"), copies):
        same(restored(host, made["id"], target), copy)


@mark(**OWN)
def test_a_killed_backup_of_a_running_machine(host):
    """Its job is ended by the next one, and no checkpoint of it counts."""
    host.path("out").mkdir()
    path, = machine(host, megabytes=64)
    write(host, "m", 9, 0, 40 << 20)
    create(host)
    rng = random.Random(4)
    for i in range(8):
        write(host, "m", 20 + i, i * CLUSTER, 16 << 20)
        ids = listed(host)
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "backup", "create", "m", repo(host)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
            process.wait()
        check(len(listed(host)) in (len(ids), len(ids) + 1), "backups")
        equal(verify(host)["good"], True)
        copy = kept(host, path, f"copy{i}")
        made = create(host)
        same(restored(host, made["id"]), copy)
        equal(len(files(host)), 1, "checkpoints")
    equal(host.conn.lookupByName("m").jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE, "no job is left")


@mark(**OWN)
def test_a_quiesced_backup_of_a_guest(host):
    """The agent freezes and thaws, whatever becomes of the backup; the guest's file is whole in the copy, and the machine
    that is made of it comes up."""
    host.define(host.guests.demo("demo", devices=AGENT))
    host.conn.lookupByName("demo").create()
    console = host.booted("demo")
    console.command("echo kept-$((6 * 7)) > /disk/words; mount | grep /disk")
    made = create(host, "demo", "--quiesce")
    equal(made["state"], "quiesced")
    contains(console.command("echo more > /disk/more && echo code $?"), "code 0")
    done = host.lodge("backup", "create", "demo", "/proc/nowhere", "--quiesce", timeout=60)
    equal(done.code, 1, str(done))
    contains(console.command("echo more > /disk/again && echo code $?"), "code 0")
    folder = host.path("boot")
    folder.mkdir()
    folder.chmod(0o711)
    found = verify(host, "demo", "--boot", "--folder", str(folder), "--timeout", "100")
    equal(found["booted"][0]["came_up"], True, found)
    host.lodge_ok("backup", "restore", repo(host), "demo", "--as", "n", "--folder", host.path("var/lib/libvirt/images"), timeout=60)
    host.conn.lookupByName("n").create()
    other = host.at_prompt(host.console("n"), "demo")
    contains(other.command("cat /disk/words"), "kept-42")


@mark(**OWN)
def test_the_daemon_dies_during_a_backup(host):
    """QEMU goes on giving the disk away as it was, whatever the guest writes: the backup is made, and the next daemon ends its
    job."""
    host.path("out").mkdir()
    path, = machine(host, megabytes=256)
    for i in range(4):
        write(host, "m", 30 + i, i * (64 << 20), 60 << 20)
    raw = host.path("random")
    raw.write_bytes(random.Random(8).randbytes(32 << 20))  # it takes a while
    host.ok("qemu-monitor-command", "m", "--hmp", f'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -s {raw} 0 32M"')
    for crash in (True, False):
        copy = kept(host, path, f"copy{crash}")
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "backup", "create", "m", repo(host), "--full", "--level", "15"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: list(host.path("repo").glob("tmp/add-*")), "it reads", timeout=60)
        write(host, "m", 70 + crash, 0, 60 << 20)  # what the guest writes meanwhile is not in it
        write(host, "m", 72 + crash, 200 << 20, 20 << 20)
        if crash:
            host.crash_daemon()
        else:
            host.restart_daemon()
        out, _ = process.communicate(timeout=120)
        equal(process.returncode, 0, out)
        made = listed(host)[-1]
        same(restored(host, made), copy)
        equal(create(host)["kind"], "incremental", "the checkpoint counts")
        equal(host.conn.lookupByName("m").jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE, "no job is left")
        equal(len(files(host)), 1, "checkpoints")


def powers_off(host):
    """A machine that stands still; its guest powers off as soon as it runs."""
    path = image(host, "off")
    sector = bytes.fromhex("ba0406b80020eff4ebfd").ljust(510, b"\0") + b"\x55\xaa"  # out 0x604, 0x2000: ACPI
    raw = host.write("sector", "")
    raw.write_bytes(sector)
    noise = host.path("noise")
    noise.write_bytes(os.urandom(5 << 20))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {raw} 0 512", "-c", f"write -q -s {noise} 1M 5M", str(path)], check=True)
    xml = host.guests.empty("m", devices=disk(path).replace("<target", "<boot order='1'/><target"))
    dom = host.define(xml)
    dom.createWithFlags(1)
    return path, dom


def held_backup(host):
    """A 'lodge backup create' that is stopped while it reads."""
    for _ in range(10):
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "backup", "create", "m", repo(host), "--full", "--level", "19"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: host.virsh("backup-dumpxml", "m").code == 0 or process.poll() is not None, "it reads")
        process.send_signal(signal.SIGSTOP)
        if process.poll() is None and host.virsh("backup-dumpxml", "m").code == 0:
            return process
        process.send_signal(signal.SIGCONT)  # it was quicker
        process.communicate(timeout=120)
    fail("no backup could be stopped")


@mark(**OWN)
def test_a_guest_that_powers_off_during_a_backup(host):
    """The machine is kept until the backup is made, and then is off; if who made it dies, it is off soon."""
    path, dom = powers_off(host)
    host.path("out").mkdir()
    for dies in (False, True):
        process = held_backup(host)
        before = len(listed(host))
        host.ok("resume", "m")
        host.wait_state("m", "in shutdown")
        process.send_signal(signal.SIGKILL if dies else signal.SIGCONT)
        out = process.communicate(timeout=120)[0]
        host.wait_state("m", "shut off", timeout=60)
        equal(len(listed(host)), before if dies else before + 1, out)
        if not dies:
            equal(process.returncode, 0, out)
            kept_before = kept(host, path, "before")
            same(kept_before, restored(host, listed(host)[-1]))
            dom.createWithFlags(1)
    dom.create()
