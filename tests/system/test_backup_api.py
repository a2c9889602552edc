"""Backups of libvirt's API: copies that are what the disk was when they began, whatever happens meanwhile.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import random
import select
import shutil
import socket
import struct
import subprocess

import libvirt_qemu

from lodgetest.host import *
from test_checkpoint import CLUSTER, disk, image, machine, nodes, qmp, write

LARGE = 256  # MiB
IN_FLIGHT = 64 << 20  # what a copy of QEMU may have asked for and not counted yet: 64 pieces of 1 MiB


def images(host):
    return sorted(path.name for path in host.path("var/lib/libvirt/images").iterdir())


def same(one, other):
    """The guest would read the same from both."""
    done = subprocess.run(["qemu-img", "compare", "-U", one, other], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{one} and {other}: {done.stdout}{done.stderr}")


def whole(path):
    done = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True, check=False)
    check(done.returncode == 0, done.stdout + done.stderr)


def begin(host, xml, *options, checkpoint=None, name="m"):
    words = ["backup-begin", name, host.write_xml(xml, "backup.xml"), *options]
    if checkpoint:
        words += ["--checkpointxml", host.write_xml(f"<domaincheckpoint><name>{checkpoint}</name></domaincheckpoint>", "cp.xml")]
    return host.ok(*words)


def over(host, name="m"):
    return host.conn.lookupByName(name).jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE


def ended(host, name="m"):
    wait_until(lambda: over(host, name), "the backup ends", timeout=60)
    return host.conn.lookupByName(name).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)


def completed(host, name="m"):
    stats = ended(host, name)
    equal((stats["type"], stats["operation"]), (libvirt.VIR_DOMAIN_JOB_COMPLETED, 9), f"how it ended: {stats}")
    return stats


def push(*parts, incremental=None):
    disks = "".join(f"<disk name='{target}' type='file'><driver type='{kind}'/><target file='{path}'/></disk>"
                    for target, path, kind in parts)
    since = f"<incremental>{incremental}</incremental>" if incremental else ""
    return f"<domainbackup>{since}<disks>{disks}</disks></domainbackup>"


def pull(host, incremental=None, more=""):
    since = f"<incremental>{incremental}</incremental>" if incremental else ""
    return (f"<domainbackup mode='pull'>{since}<server transport='unix' socket='{socket_of(host)}'/>{more}</domainbackup>")


def socket_of(host):
    return host.path("nbd.sock")


def slow(host, name="m", speed=65536):
    """The copies go on at that speed."""
    for job in qmp(host, name, "query-block-jobs"):
        qmp(host, name, "block-job-set-speed", device=job["device"], speed=speed)


def begin_slowly(host, target, flags=0, name="m"):
    """A push of vda that takes as long as it is let: large, and held up while more is left than is on its way; tried again if it was quicker."""
    dom = host.conn.lookupByName(name)
    write(host, name, 5, 0, LARGE << 20)
    node = next(iter(nodes(host, name).values()))["node-name"]

    def ask(command, **arguments):
        return json.loads(libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": arguments}), 0))

    def begin_once():
        pathlib.Path(target).unlink(missing_ok=True)
        dom.backupBegin(push(("vda", target, "qcow2")), None, flags)
        ask("block-job-set-speed", device=f"backup-vda-{node}", speed=65536)
        if [job for job in ask("query-block-jobs")["return"] if job["len"] - job["offset"] > IN_FLIGHT + (4 << 20)]:
            return True
        wait_until(lambda: over(host, name), "the backup ends")
        return False
    wait_until(begin_once, "a backup is held up", timeout=30)
    equal(dom.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_UNBOUNDED, "it goes on")


def filled(host, name="m", disks=1):
    paths = machine(host, name, disks)
    for i in range(disks):
        write(host, name, 7 + i, CLUSTER, 8 * CLUSTER, f"virtio-disk{i}")
        write(host, name, 17 + i, 100 * CLUSTER, 40 * CLUSTER, f"virtio-disk{i}")
    return paths


def before(path):
    """What the disk has now, as a file of its own."""
    kept = f"{path}.before"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", path, kept], check=True)
    return kept


def test_push_is_the_disk_as_it_was(host):
    paths = filled(host, disks=2)
    kept = [before(path) for path in paths]
    targets = [str(host.path("full.qcow2")), str(host.path("full.raw"))]
    begin(host, push(("vda", targets[0], "qcow2"), ("vdb", targets[1], "raw")))
    write(host, "m", 99, 100 * CLUSTER)
    write(host, "m", 98, 0, CLUSTER, "virtio-disk1")
    stats = completed(host)
    equal(stats["disk_processed"], stats["disk_total"], "what was copied")
    for target, source in zip(targets, kept):
        same(target, source)
        whole(target) if target.endswith("qcow2") else None
    raises(libvirt.VIR_ERR_NO_DOMAIN_BACKUP, host.conn.lookupByName("m").backupGetXMLDesc)


def test_incremental_ones_follow_a_full_one(host):
    path, = filled(host)
    full = str(host.path("b0"))
    begin(host, push(("vda", full, "qcow2")), checkpoint="c0")
    completed(host)
    same(full, path)
    for i in range(1, 4):
        write(host, "m", 30 + i, i * 5 * CLUSTER, 2 * CLUSTER)
        write(host, "m", 40 + i, 120 * CLUSTER)
        target = str(host.path(f"b{i}"))
        begin(host, push(("vda", target, "qcow2"), incremental=f"c{i - 1}"), checkpoint=f"c{i}")
        completed(host)
        check(os.stat(target).st_size < 2 << 20, "only what has changed")
        subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", host.path(f"b{i - 1}"), target], check=True)
        same(target, path)
        whole(target)
        if i == 2:  # the bitmaps outlive both
            host.crash_daemon()
            qmp(host, "m", "quit")
            host.wait_state("m", "shut off")
            host.ok("start", "m")
    equal([c.getName() for c in host.conn.lookupByName("m").listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)],
          ["c0", "c1", "c2", "c3"])


def test_names_that_are_made_up(host):
    paths = filled(host, disks=2)
    begin(host, "<domainbackup/>")
    completed(host)
    made = [name for name in images(host) if name.startswith("m-vd") and name.count(".") == 1]
    equal(len(made), 2, f"copies among {images(host)}")
    for path in paths:
        same(path, next(host.path("var/lib/libvirt/images").glob(pathlib.Path(path).name + ".*")))


def test_pull_shows_the_past(host):
    path, = filled(host)
    kept = before(path)
    begin(host, pull(host))
    contains(host.ok("backup-dumpxml", "m"), "<domainbackup mode='pull'>", "exportname='vda'", "<scratch file=")
    write(host, "m", 99, 100 * CLUSTER, 4 * CLUSTER)
    fetched = str(host.path("fetched"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///vda?socket={socket_of(host)}", fetched], check=True)
    same(fetched, kept)
    if shutil.which("nbdcopy"):
        subprocess.run(["nbdcopy", f"nbd+unix:///vda?socket={socket_of(host)}", fetched + "2"], check=True)
        same(fetched + "2", kept)
    info = host.conn.lookupByName("m").jobStats()
    equal((info["type"], info["operation"]), (libvirt.VIR_DOMAIN_JOB_UNBOUNDED, 9), "job")
    host.ok("domjobabort", "m")
    completed(host)
    equal([name for name in images(host) if "before" not in name], ["m-vda"], "scratch images are gone")
    check(not socket_of(host).exists(), "the socket is gone")
    equal(len(nodes(host, "m")), 1, "nodes of QEMU")


def test_pull_tells_what_has_changed(host):
    path, = filled(host)
    host.ok("checkpoint-create-as", "m", "c0")
    write(host, "m", 50, 3 * CLUSTER)
    write(host, "m", 51, 60 * CLUSTER, 2 * CLUSTER)
    kept = before(path)
    begin(host, pull(host, "c0"), checkpoint="c1")
    contains(host.ok("backup-dumpxml", "m"), "backupmode='incremental'", "incremental='c0'", "exportbitmap='backup-vda'")
    write(host, "m", 99, 200 * CLUSTER)
    uri = f"nbd+unix:///vda?socket={socket_of(host)}"
    options = (f"driver=nbd,server.type=unix,server.path={socket_of(host)},export=vda,x-dirty-bitmap=qemu:dirty-bitmap:backup-vda")
    told = json.loads(subprocess.run(["qemu-img", "map", "--output=json", "--image-opts", options], check=True,
                                     capture_output=True).stdout)
    changed = [(e["start"] // CLUSTER, e["length"] // CLUSTER) for e in told if not e["data"]]
    equal(changed, [(3, 1), (60, 2)], f"what has changed: {told}")
    if shutil.which("nbdinfo"):
        done = subprocess.run(["nbdinfo", "--map=qemu:dirty-bitmap:backup-vda", uri], check=True, capture_output=True, text=True)
        contains(done.stdout, "dirty")
    fetched = str(host.path("fetched"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", uri, fetched], check=True)
    same(fetched, kept)
    host.ok("domjobabort", "m")
    completed(host)
    equal(sorted(b["name"] for b in nodes(host, "m")[path]["dirty-bitmaps"]), ["c0", "c1"], "bitmaps")


def test_pull_over_tcp_with_given_names(host):
    path, = filled(host)
    kept, scratch = before(path), host.path("scratch")
    begin(host, "<domainbackup mode='pull'><server transport='tcp' name='127.0.0.1' port='10811'/><disks><disk name='vda' "
                f"type='file' exportname='my disk'><scratch file='{scratch}'/></disk></disks></domainbackup>")
    check(scratch.exists(), "scratch image")
    fetched = str(host.path("fetched"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", "nbd://127.0.0.1:10811/my%20disk", fetched], check=True)
    same(fetched, kept)
    host.ok("domjobabort", "m")
    completed(host)
    check(not scratch.exists(), "the scratch image is gone")


def test_pull_over_tls(host):
    if not shutil.which("certtool"):
        raise Skip("no certtool")
    pki = host.path("pki")
    pki.mkdir()

    def cert(*words, **template):
        host.write("pki/template", "".join(f"{k} = {v}\n" if v else f"{k}\n" for k, v in template.items()))
        subprocess.run(["certtool", *words, "--template", pki / "template"], check=True, capture_output=True)
    for name in ("ca-key", "server-key", "client-key"):
        subprocess.run(["certtool", "--generate-privkey", "--outfile", pki / f"{name}.pem", "--ecdsa"], check=True, capture_output=True)
    cert("--generate-self-signed", "--load-privkey", pki / "ca-key.pem", "--outfile", pki / "ca-cert.pem", cn="ca", ca="", cert_signing_key="")
    for side, key in (("server", "tls_www_server"), ("client", "tls_www_client")):
        cert("--generate-certificate", "--load-ca-certificate", pki / "ca-cert.pem", "--load-ca-privkey", pki / "ca-key.pem",
             "--load-privkey", pki / f"{side}-key.pem", "--outfile", pki / f"{side}-cert.pem", cn="localhost", dns_name="localhost",
             **{key: "", "encryption_key": "", "signing_key": ""})
    for path in pki.iterdir():
        path.chmod(0o644)
    conf = host.path("etc/libvirt/qemu.conf")
    conf.write_text((conf.read_text() if conf.exists() else "") + f'backup_tls_x509_cert_dir = "{pki}"\n')
    host.restart_daemon()
    path, = filled(host)
    kept = before(path)
    begin(host, "<domainbackup mode='pull'><server transport='tcp' tls='yes' name='localhost' port='10812'/></domainbackup>")
    fetched = str(host.path("fetched"))
    plain = subprocess.run(["qemu-img", "info", "nbd://localhost:10812/vda"], capture_output=True, check=False)
    check(plain.returncode != 0, "without TLS nobody comes in")
    subprocess.run(["qemu-img", "convert", "--object", f"tls-creds-x509,id=t,endpoint=client,dir={pki}", "--image-opts",
                    "driver=nbd,host=localhost,port=10812,export=vda,tls-creds=t", "-O", "raw", fetched], check=True)
    same(fetched, kept)
    host.ok("domjobabort", "m")
    completed(host)


def test_nothing_else_happens_to_the_disks_meanwhile(host):
    filled(host, disks=2)
    begin(host, pull(host))
    dom = host.conn.lookupByName("m")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.backupBegin, pull(host), None, 0)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.save, str(host.path("saved")))
    host.refused("detach-disk", "m", "vdb")
    host.ok("checkpoint-create-as", "m", "meanwhile")
    host.ok("suspend", "m")
    host.ok("resume", "m")
    host.ok("domjobabort", "m")
    completed(host)
    host.ok("detach-disk", "m", "vdb")


def test_what_is_refused_leaves_nothing(host):
    path, = filled(host)
    dom = host.conn.lookupByName("m")
    there = host.write("there", "x")
    seen = images(host)

    def refused(code, xml, flags=0):
        raises(code, dom.backupBegin, xml, None, flags)
        equal(images(host), seen, "images")
        equal(len(nodes(host, "m")), 1, "nodes of QEMU")
        raises(libvirt.VIR_ERR_NO_DOMAIN_BACKUP, dom.backupGetXMLDesc)
    refused(libvirt.VIR_ERR_INVALID_ARG, push(("vda", there, "raw")))
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, push(("vda", host.path("no/folder/x"), "raw")))
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, push(("vda", host.path("missing"), "raw")), libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
    refused(libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT, push(("vda", host.path("x"), "raw"), incremental="never"))
    refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, push(("vdx", host.path("x"), "raw")))
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, "<domainbackup mode='pull'><server transport='tcp' name='192.0.2.7' port='1'/></domainbackup>")
    refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA, "<domainbackup mode='nix'/>")
    equal(there.read_text(), "x")
    host.ok("destroy", "m")
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.backupBegin, "<domainbackup/>", None, 0)


def test_a_full_one_is_due_after_qemu_crashed(host):
    path, = filled(host)
    begin(host, push(("vda", host.path("b0"), "qcow2")), checkpoint="c0")
    completed(host)
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    os.kill(host.qemu_pid("m"), 9)
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    error = host.refused("backup-begin", "m", host.write_xml(push(("vda", host.path("b1"), "qcow2"), incremental="c0")))
    contains(error, "checkpoint inconsistent", "full backup")
    check(not host.path("b1").exists(), "nothing was made")
    begin(host, push(("vda", host.path("b1"), "qcow2")), checkpoint="c1")
    completed(host)
    same(path, host.path("b1"))


def test_reused_images(host):
    path, = filled(host)
    target = str(host.path("mine"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", target, "16M"], check=True)
    begin(host, push(("vda", target, "qcow2")), "--reuse-external")
    completed(host)
    same(target, path)


def test_cancelled_at_any_point(host):
    path, = machine(host, megabytes=LARGE)
    for again in range(3):
        target = host.path(f"copy{again}")
        begin_slowly(host, target)
        host.ok("domjobabort", "m")
        equal(ended(host)["type"], libvirt.VIR_DOMAIN_JOB_CANCELLED, "how it ended")
        check(not target.exists(), "half a copy is no copy")
    equal(len(nodes(host, "m")), 1, "nodes of QEMU")
    begin(host, push(("vda", host.path("good"), "qcow2")))
    completed(host)
    same(path, host.path("good"))


def test_daemon_dies_during_a_push(host):
    path, = machine(host, megabytes=LARGE)
    begin_slowly(host, host.path("copy"))
    host.crash_daemon()
    contains(host.ok("backup-dumpxml", "m"), "<domainbackup mode='push'>")
    equal(host.conn.lookupByName("m").jobStats()["operation"], 9)
    slow(host, speed=0)
    completed(host)
    same(path, host.path("copy"))
    begin_slowly(host, host.path("copy2"))
    host.kill_daemon()  # it ends while nobody is there
    os.kill(host.qemu_pid("m"), 9)
    host.start_daemon()
    host.wait_state("m", "shut off")
    wait_until(lambda: not host.path("copy2").exists(), "half a copy is no copy")


def test_daemon_dies_during_a_pull(host):
    path, = filled(host)
    kept = before(path)
    begin(host, pull(host))
    host.crash_daemon()
    fetched = str(host.path("fetched"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///vda?socket={socket_of(host)}", fetched], check=True)
    same(fetched, kept)
    host.ok("domjobabort", "m")
    completed(host)
    equal([name for name in images(host) if "before" not in name], ["m-vda"], "scratch images are gone")
    check(not socket_of(host).exists(), "the socket is gone")


def test_daemon_dies_while_it_begins(host):
    """Whenever it dies: the backup runs, or nothing is left of it."""
    filled(host, disks=2)
    for seed in range(6):
        client = subprocess.Popen(["virsh", "-c", host.daemon.uri, "backup-begin", "m", host.write_xml(pull(host), "backup.xml")],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.Random(seed).uniform(0.02, 0.6))  # the moment of the kill is what varies here
        host.crash_daemon()
        client.wait()

        def settled():
            dumped = host.virsh("backup-dumpxml", "m")
            if dumped.code == 0:
                host.ok("domjobabort", "m")
            return [name for name in images(host) if "before" not in name] == ["m-vda", "m-vdb"] and len(nodes(host, "m")) == 2
        wait_until(settled, f"nothing is left of backup {seed}", timeout=30)
        check(not socket_of(host).exists(), "the socket is gone")
    begin(host, push(("vda", host.path("copy"), "qcow2")))
    completed(host)


def test_qemu_dies(host):
    filled(host)
    begin(host, pull(host))
    os.kill(host.qemu_pid("m"), 9)
    host.wait_state("m", "shut off")
    equal(images(host), ["m-vda"], "scratch images are gone")
    check(not socket_of(host).exists(), "the socket is gone")
    equal(host.conn.lookupByName("m").jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"], libvirt.VIR_DOMAIN_JOB_FAILED)
    host.ok("start", "m")


def test_no_space(host):
    small = host.path("small")
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        filled(host, disks=2)
        begin(host, push(("vda", small / "copy", "qcow2"), ("vdb", host.path("other"), "qcow2")))
        stats = ended(host)
        equal(stats["type"], libvirt.VIR_DOMAIN_JOB_FAILED, f"how it ended: {stats}")
        contains(stats["errmsg"], "No space left")
        check(not (small / "copy").exists() and not host.path("other").exists(), "no copies are left")
        equal(host.state("m"), "running")
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def test_end_is_an_event(host):
    seen = []
    Loop()
    conn = host.open()
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, lambda c, d, params, o: seen.append(params), None)
    filled(host)
    begin(host, push(("vda", host.path("copy"), "qcow2")))
    wait_until(lambda: seen, "the event")
    equal(seen[0]["operation"], 9, "operation")


def test_guest_shuts_down_meanwhile(host):
    """With the flag QEMU is kept until the backup has ended, over a daemon's death, too; without, the backup goes with it."""
    dom = host.start_demo("m")
    copy = host.path("copy")
    console = host.booted("m")
    dom.backupBegin(push(("vda", copy, "raw")), None, 0)
    console.send("poweroff -f\n")
    host.wait_state("m", "shut off", timeout=60)
    copy.unlink(missing_ok=True)
    dom.create()
    console = host.booted("m")
    scratch = host.path("scratch")
    dom.backupBegin(pull(host, more=f"<disks><disk name='vda' type='file'><scratch file='{scratch}'/></disk></disks>"), None, 2)
    console.send("poweroff -f\n")
    host.wait_state("m", "in shutdown", timeout=60)
    host.crash_daemon()
    equal(host.state("m"), "in shutdown")
    subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///vda?socket={socket_of(host)}", copy], check=True)
    host.ok("domjobabort", "m")
    host.wait_state("m", "shut off", timeout=60)
    same(str(copy), str(host.path("var/lib/libvirt/images/m.qcow2")))
    check(not scratch.exists(), "the scratch image is gone")
    equal(host.conn.lookupByName("m").jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"], libvirt.VIR_DOMAIN_JOB_COMPLETED)


def test_as_virtnbdbackup_does(host):
    """Pull backups with scratch images of its own over a unix socket, a checkpoint each time; and checkpoints that are
    redefined on a host that forgot them."""
    path, = filled(host)
    folder = host.path("target")
    folder.mkdir()
    known = []
    for i in range(3):
        name = f"virtnbdbackup.{i}"
        disks = f"<disks><disk name='vda' type='file'><scratch file='{folder}/scratch.vda'/></disk></disks>"
        begin(host, pull(host, known[-1] if known else None, disks), checkpoint=name)
        known.append(name)
        kept = before(path)
        fetched = str(folder / f"{i}.raw")
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///vda?socket={socket_of(host)}", fetched], check=True)
        same(fetched, kept)
        host.conn.lookupByName("m").abortJob()
        completed(host)
        write(host, "m", 60 + i, i * CLUSTER)
    saved = [host.ok("checkpoint-dumpxml", "m", name) for name in known]
    for name in known:
        host.ok("checkpoint-delete", "m", name, "--metadata")
    for text in saved:
        host.ok("checkpoint-create", "m", host.write_xml(text), "--redefine", "--redefine-validate")
    equal([c.getName() for c in host.conn.lookupByName("m").listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)], known)
    begin(host, pull(host, known[-1]))
    host.ok("domjobabort", "m")
    completed(host)


def test_commands_of_lodge(host):
    path, = filled(host)
    contains(host.lodge_ok("backup-begin", "m", host.write_xml(push(("vda", host.path("copy"), "qcow2")))), "Backup started")
    completed(host)
    same(path, host.path("copy"))
    host.lodge_ok("backup-begin", "m", host.write_xml(pull(host)))
    contains(host.lodge_ok("backup-dumpxml", "m"), "mode='pull'")
    contains(host.lodge_ok("domjobinfo", "m"), "Backup")
    contains(host.lodge_ok("jobs"), "backup", "serving disks")
    host.lodge_ok("domjobabort", "m")


def test_snapshots_come_between(host):
    """What changed since a checkpoint stays known when a snapshot puts an image on top, and when that is merged again."""
    path, = filled(host)
    full, step, last = (str(host.path(name)) for name in ("full", "step", "last"))
    begin(host, push(("vda", full, "qcow2")), checkpoint="c0")
    completed(host)
    write(host, "m", 70, 3 * CLUSTER)
    host.ok("snapshot-create-as", "m", "s1", "--disk-only")
    write(host, "m", 71, 3 * CLUSTER)
    write(host, "m", 72, 50 * CLUSTER)
    begin(host, push(("vda", step, "qcow2"), incremental="c0"), checkpoint="c1")
    completed(host)
    subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", full, step], check=True)
    same(step, next(iter(host.path("var/lib/libvirt/images").glob("m-vda.s1*"))))
    host.ok("snapshot-delete", "m", "s1", timeout=60)
    write(host, "m", 73, 90 * CLUSTER)
    # What the image below knew of goes on, and so does what only the image on top knew of.
    active = next(line.split()[1] for line in host.ok("domblklist", "m").splitlines() if line.split()[:1] == ["vda"])
    for checkpoint, below in (("c1", step), ("c0", full)):
        pathlib.Path(last).unlink(missing_ok=True)
        begin(host, push(("vda", last, "qcow2"), incremental=checkpoint))
        completed(host)
        subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, last], check=True)
        same(last, active)


def silent_reader(host):
    """A client of the NBD server that asks for more than fits into its socket, and reads none of it. (QEMU, docs/interop/nbd.txt)"""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(socket_of(host)))
    equal(client.recv(18, socket.MSG_WAITALL)[:16], b"NBDMAGICIHAVEOPT")
    client.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 3) + b"vda")
    client.recv(10, socket.MSG_WAITALL)
    for number in range(8):
        client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, number, number << 20, 1 << 20))
    return client


def test_a_client_that_reads_nothing_holds_nobody_up(host):
    """QEMU waits for its answers before it ends a copy: it would wait for ever."""
    path, = filled(host)
    kept = before(path)
    begin(host, pull(host))
    with silent_reader(host) as client:
        wait_until(lambda: select.select([client], [], [], 0)[0], "it is answered")
        host.ok("domjobabort", "m")
        completed(host)
    check("did not answer" not in host.daemon.log.read_text(), "QEMU answered all the time")
    equal([name for name in images(host) if "before" not in name], ["m-vda"])
    begin(host, pull(host))
    fetched = str(host.path("fetched"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///vda?socket={socket_of(host)}", fetched], check=True)
    same(fetched, kept)
