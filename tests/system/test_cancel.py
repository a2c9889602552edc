"""Block jobs, moves, backups and snapshots are cancelled at about a tenth, half, and nearly all of their way: what they read is as it
was, and nothing half made is left.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import signal
import subprocess
import threading

import libvirt_qemu
from lodgetest.host import *
from lodgetest.moments import Moments
from lodgetest.runner import mark
from test_backup_repo import create, define, listed, repo, same, tree, verify
from test_backup_repo import image as random_image
from test_block_jobs import (MIB, TRANSIENT, chain, clean, content, copy_xml, guest_writes, images, info, layers, machine,
                             nodes, over, qmp_jobs, write)
from test_disks import file_disk
from test_interrupted import Held

OWN = dict(only="lodged", reason="lodge's own")
POINTS = (0.1, 0.5, 0.99) if os.environ.get("LODGE_TEST_SLOW") else (0.5,)


def large(host, *names, mib=64):
    """A chain whose images but the first share what begins at MiB 16."""
    paths = images(host, *names, size=mib * MIB)
    part = (mib - 20) // (len(paths) - 1)
    for number, path in enumerate(paths):
        write(path, number + 1, 4 * number, 8)
        if number:
            write(path, 9, 16 + (number - 1) * part, part)
    return paths


def reads_as_before(path, number, what, mib=64):
    part = (mib - 20) // (number - 1)
    seen = content(path)
    equal(seen[:16], layers(*[(i + 1, 4 * i, 8) for i in range(number)])[:16], what)
    equal(set(seen[16:16 + part * (number - 1)]), {9}, what)


def reach(progress, point):
    """Waits until that much is done; False: it was over before anybody could look."""
    def there():
        done, total = progress()
        return total == 0 or done >= point * total
    wait_until(there, f"{point:.0%} are done", 60, interval=0.005)
    return progress()[1] > 0


def test_block_jobs(host):
    below, middle, top = large(host, "base.qcow2", "middle.qcow2", "top.qcow2")
    dom = machine(host, top)
    copy = host.path("var/lib/libvirt/images/copy.qcow2")
    progress = lambda: (lambda seen: (seen["cur"], seen["end"]) if seen else (0, 0))(info(dom))
    speed = 8 * MIB
    jobs = {"copy": lambda: dom.blockCopy("vda", copy_xml(copy), {"bandwidth": 2 * speed}, TRANSIENT),
            "commit": lambda: dom.blockCommit("vda", str(below), str(middle), speed, libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES),
            "active": lambda: dom.blockCommit("vda", None, None, 2 * speed, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE |
                                              libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES),
            "pull": lambda: dom.blockPull("vda", speed, libvirt.VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES)}
    caught = 0
    for name, begin in jobs.items():
        for point in POINTS:
            before = chain(dom)
            begin()
            if reach(progress, point):
                try:
                    dom.blockJobAbort("vda", 0)
                    caught += 1
                except libvirt.libvirtError as error:
                    equal(error.get_error_code(), libvirt.VIR_ERR_INVALID_ARG)  # it came to its end first
            over(dom)
            equal(qmp_jobs(dom), [])
            what = f"{name} at {point}"
            check(chain(dom) == before or name in ("commit", "pull") and point > 0.9, f"{what}: {chain(dom)}")
            libvirt_qemu.qemuMonitorCommand(dom, 'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend flush', 1)
            reads_as_before(chain_path(dom), 3, what)
            copy.unlink(missing_ok=True)
    check(caught >= 2 * len(POINTS), f"{caught} were cancelled on their way")
    dom.destroy()
    reads_as_before(top, 3, "at the end")
    run(["qemu-img", "check", "-r", "leaks", str(top)])
    clean(top)


def chain_path(dom):
    return os.path.join(os.path.dirname(dom.XMLDesc(0).split("<source file='")[1].split("'")[0]), chain(dom)[0])


def job_progress(dom):
    stats = dom.jobStats()
    return stats.get("disk_processed", 0), stats.get("disk_total", 1) if stats["type"] else 0


def hold(dom, speed=16 * MIB):
    for job in qmp_jobs(dom):
        libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": "block-job-set-speed", "arguments": {
            "device": job["id"], "speed": speed}}), 0)


def test_a_backup_that_is_pushed(host):
    base, top = large(host, "base.qcow2", "top.qcow2", mib=192)
    dom = machine(host, top)
    target = host.path("copy")
    caught = 0
    for point in POINTS:
        dom.backupBegin(f"<domainbackup><disks><disk name='vda' type='file'><driver type='qcow2'/><target file='{target}'/></disk></disks>"
                        "</domainbackup>", None, 0)
        hold(dom)
        if reach(lambda: job_progress(dom), point):
            try:
                dom.abortJob()
            except libvirt.libvirtError as error:
                equal(error.get_error_code(), libvirt.VIR_ERR_OPERATION_INVALID)
        wait_until(lambda: dom.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "it ends")
        whole = dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"] == libvirt.VIR_DOMAIN_JOB_COMPLETED
        caught += not whole
        equal(target.exists(), whole, "half a copy is no copy")
        target.unlink(missing_ok=True)
        equal((qmp_jobs(dom), nodes(dom)), ([], ["base.qcow2", "top.qcow2"]))
    reads_as_before(top, 2, "after all of them", 192)
    check(caught >= 1, f"{caught} were cancelled on their way")


@mark(**OWN)
def test_a_move(host):
    base, top = large(host, "base.qcow2", "top.qcow2", mib=192)
    dom = machine(host, top)
    folder = host.path("var/lib/libvirt/fast")
    host.ok("pool-create-as", "fast", "dir", "--target", folder, "--build")
    before = dom.XMLDesc(0)
    for point in POINTS[:2]:  # at nearly all of its way it is over
        results = []
        thread = threading.Thread(target=lambda: results.append(host.lodge("disk", "move", "demo", "vda", "fast", timeout=120)))
        thread.start()
        wait_until(lambda: qmp_jobs(dom) or results, "QEMU copies")
        hold(dom)
        seen = lambda: (lambda jobs: (jobs[0]["current-progress"], jobs[0]["total-progress"]) if jobs else (0, 0))(qmp_jobs(dom))
        check(reach(seen, point), "it goes on")
        dom.abortJob()
        thread.join(60)
        equal(results[0].code, 1, str(results[0]))
        equal((dom.XMLDesc(0), nodes(dom), qmp_jobs(dom), list(folder.iterdir())), (before, ["base.qcow2", "top.qcow2"], [], []))
    reads_as_before(top, 2, "after all of them", 192)


def interrupted(host, point, whole_s, *words):
    """The command is told to end when that part of its time is over. Its exit code."""
    process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, *words], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        return process.wait(whole_s * point)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    return process.wait(60)


@mark(**OWN)
def test_backups_and_what_is_restored(host):
    path = random_image(host, "a.qcow2", size="192M", data_mib=60)
    dom = define(host, file_disk(path))
    create(host)
    out = host.path("out")
    out.mkdir()
    for running in (False, True):
        if running:
            dom.create()
        begin = time.monotonic()
        made = create(host, "m", "--full")
        whole_s = time.monotonic() - begin
        ids = listed(host)
        for point in POINTS:
            before = tree(host.path("repo"))
            code = interrupted(host, point, whole_s, "backup", "create", "m", repo(host), "--full")
            check(listed(host)[:len(ids)] == ids and len(listed(host)) <= len(ids) + (code <= 0), f"{code} at {point}: {listed(host)}")
            if listed(host) == ids:
                host.lodge_ok("backup", "prune", repo(host), "--keep-last", "1000")
                check(tree(host.path("repo")) == before, f"the repository is as it was, at {point}")
            ids = listed(host)
            if running:
                equal(dom.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE, "no job is left")
                equal(nodes(dom), ["a.qcow2"])
        equal(verify(host)["good"], True)
        begin = time.monotonic()
        host.lodge_ok("backup", "restore", repo(host), made["id"], "--as", f"n{running}", "--folder", out, timeout=60)
        whole_s = time.monotonic() - begin
        same(out / f"n{running}-vda.qcow2", path)
        there = sorted(p.name for p in out.iterdir())
        for point in POINTS:
            code = interrupted(host, point, whole_s, "backup", "restore", repo(host), made["id"], "--as", "x", "--folder", str(out))
            is_there = "x" in host.ok("list", "--all", "--name").split()
            check(is_there or code != 0, "the machine is there")
            if not is_there:
                equal(sorted(p.name for p in out.iterdir()), there, f"nothing is left, at {point}")
            else:  # it was done when it was interrupted: whole, or not at all
                same(out / "x-vda.qcow2", path)
                host.ok("undefine", "x")
                (out / "x-vda.qcow2").unlink()


@mark(**OWN)
def test_memory_in_a_file(host):
    """A snapshot whose memory is being written: it is taken back, and the machine goes on where it was."""
    held = Held(host, name="snapshot_image_format")
    m = Moments(host, start=True)
    m.write(1)
    m.take("one", "--disk-only")
    before = sorted(m.folder.iterdir())
    xml = m.dom.XMLDesc(0)
    held.begin("snapshot-create-as", "m", "two", "--memspec", f"file={m.folder}/memory")
    equal(host.state("m"), "paused")
    host.ok("domjobabort", "m")
    check(held.command.wait(timeout=30) != 0, "the snapshot was taken")
    host.wait_state("m", "running")
    equal((sorted(m.folder.iterdir()), m.dom.XMLDesc(0), m.dom.jobInfo()[0]), (before, xml, libvirt.VIR_DOMAIN_JOB_NONE))
    m.write(2)
    m.check()
    held.release()
    m.take("two", "--memspec", f"file={m.folder}/memory")
    m.check()


@mark(**OWN)
def test_memory_inside_of_an_image(host):
    """QEMU 7.2 writes all of it once it has begun; then it is taken out again, or the snapshot is there."""
    m = Moments(host, start=True, memory_kib=524288)
    m.write(1)
    for name in ("one", "two"):
        process = subprocess.Popen(["virsh", "-c", host.daemon.uri, "snapshot-create-as", "m", name], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        pid = host.qemu_pid("m")
        wait_until(lambda: m.dom.state()[0] == libvirt.VIR_DOMAIN_PAUSED or process.poll() is not None, "it is being taken", interval=0.001)
        os.kill(pid, signal.SIGSTOP)
        try:
            m.dom.abortJob()
        except libvirt.libvirtError as error:
            equal(error.get_error_code(), libvirt.VIR_ERR_OPERATION_INVALID)  # it came to its end first
        os.kill(pid, signal.SIGCONT)
        if process.wait(timeout=60) == 0:
            m.known[name] = dict(m.present)
        host.wait_state("m", "running")
        inside = subprocess.run(["qemu-img", "snapshot", "-U", "-l", m.path()], stdout=subprocess.PIPE, text=True, check=True).stdout
        equal(sorted(line.split()[1] for line in inside.splitlines()[2:]), sorted(m.known), f"what is inside after {name}")
        equal(qmp_jobs(m.dom), [])
        m.check()


@mark(**OWN)
def test_a_snapshot_that_is_merged(host):
    """Cancelled it is none any more, the present reads as before, and the next one that goes takes its image along."""
    path, = images(host, "base.qcow2", size=192 * MIB)
    dom = machine(host, path)
    for point in POINTS:
        for name, value, begin, size in (("one", 8, 165, 20), ("two", 9, 10, 150)):
            host.ok("snapshot-create-as", "demo", name, "--disk-only")
            guest_writes(dom, value, begin, size)
        results = []
        thread = threading.Thread(target=lambda: results.append(host.virsh("snapshot-delete", "demo", "two", timeout=120)))
        thread.start()
        wait_until(lambda: qmp_jobs(dom) or results, "QEMU merges", interval=0.002)
        try:
            hold(dom, 48 * MIB)
            seen = lambda: (lambda jobs: (jobs[0]["current-progress"], jobs[0]["total-progress"]) if jobs else (0, 0))(qmp_jobs(dom))
            reach(seen, point)
            dom.abortJob()
        except libvirt.libvirtError:
            pass  # it came to its end first
        thread.join(120)
        wait_until(lambda: not qmp_jobs(dom), "no job is left")
        equal(host.ok("snapshot-list", "demo", "--name").split(), ["one"], str(results))
        what = f"after {point:.0%}: {results[0].code}"
        libvirt_qemu.qemuMonitorCommand(dom, 'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend flush', 1)
        equal(content(chain_path(dom)), [1] * 8 + [0] * 2 + [9] * 150 + [0] * 5 + [8] * 20 + [0] * 7, what)
        host.ok("snapshot-delete", "demo", "one", timeout=120)
        equal(len(chain(dom)), 1, what)
    dom.destroy()
    clean(chain_path(dom))
