"""`lodge disk move`: a disk goes into another pool, while its machine runs or not, and all is as before if it does not.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import threading

from lodgetest.host import *
from lodgetest.runner import mark
from test_block_jobs import (MIB, INACTIVE, chain, clean, content, guest_writes, images, layers, machine, nodes,
                             qmp_jobs, write)
from test_disks import add_secret, encryption, file_disk, fill_luks, luks


def pool(host, name="fast"):
    folder = host.path(f"var/lib/libvirt/{name}")
    host.ok("pool-create-as", name, "dir", "--target", str(folder), "--build")
    return folder


def test_a_running_disk_moves(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    folder = pool(host)
    pool(host, "slow")
    out = json.loads(host.lodge_ok("-o", "json", "disk", "move", "demo", "vda", "fast", timeout=120))
    target = folder / "demo-vda.qcow2"
    equal(out, {"path": str(target), "left": None})
    equal((chain(dom), chain(dom, INACTIVE), nodes(dom)), (["demo-vda.qcow2"],) * 3)
    check(top.exists() and base.exists(), "nobody asked for the old image to go")
    guest_writes(dom, 90, 30, 1)
    back = json.loads(host.lodge_ok("-o", "json", "disk", "move", "demo", "vda", "slow", "--remove-source", "--format",
                                    "raw", timeout=120))
    equal(back["left"], None)
    check(not target.exists(), "the old image is removed")
    equal(chain(dom), ["demo-vda.img"])
    dom.destroy()
    equal(content(back["path"], "raw"), layers((1, 0, 8), (2, 4, 8), (90, 30, 1)))
    clean(base, top)
    dom.create()


def test_the_disk_of_a_stopped_machine_moves(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    dom.destroy()
    folder = pool(host)
    host.lodge_ok("disk", "move", "demo", "vda", "fast", "--remove-source", timeout=120)
    target = folder / "demo-vda.qcow2"
    equal(chain(dom, INACTIVE), ["demo-vda.qcow2"])
    check(not top.exists() and base.exists(), "the old image is removed, what was below it is not")
    equal(content(target), layers((1, 0, 8), (2, 4, 8)))
    clean(target)
    dom.create()
    equal(chain(dom), ["demo-vda.qcow2"])
    result = host.lodge("disk", "move", "demo", "vdb", "fast")
    check(result.code == 1 and "vdb" in result.err, f"a disk that is not there: {result.err}")
    result = host.lodge("disk", "move", "demo", "vda", "nowhere")
    check(result.code == 1 and "nowhere" in result.err, f"a pool that is not there: {result.err}")


def moves(host):
    return [job for job in json.loads(host.lodge_ok("-o", "json", "jobs")) if job["job"] == "disk-move"]


def test_a_move_that_is_given_up_leaves_all_as_it_was(host):
    """By an abort from elsewhere, and by the end of the machine."""
    base, top = images(host, "base.qcow2", "top.qcow2", size=512 * MIB)
    write(top, 3, 16, 400)
    dom = machine(host, top)
    folder = pool(host)
    before, config = dom.XMLDesc(0), dom.XMLDesc(INACTIVE)
    for way in ("abort", "destroy"):
        results = []
        thread = threading.Thread(target=lambda: results.append(host.lodge("disk", "move", "demo", "vda", "fast", timeout=120)))
        thread.start()
        # By calls, not by commands, which take longer than the copy when the host is busy.
        wait_until(lambda: list(folder.iterdir()) or results, "the move has begun", 30)
        (dom.abortJob if way == "abort" else dom.destroy)()
        thread.join(60)
        check(results and results[0].code == 1, f"{way}: the move says that it failed")
        wait_until(lambda: not list(folder.iterdir()), f"{way}: no volume is left")
        equal(dom.XMLDesc(INACTIVE), config, way)
        if way == "abort":
            equal((dom.XMLDesc(0), nodes(dom), qmp_jobs(dom)), (before, ["base.qcow2", "top.qcow2"], []))
    clean(base, top)


def test_a_daemon_that_dies_leaves_the_move_undone(host):
    base, top = images(host, "base.qcow2", "top.qcow2", size=512 * MIB)
    write(top, 3, 16, 400)
    dom = machine(host, top)
    folder = pool(host)
    results = []
    thread = threading.Thread(target=lambda: results.append(host.lodge("disk", "move", "demo", "vda", "fast", timeout=120)))
    thread.start()
    wait_until(lambda: qmp_jobs(dom) or results, "QEMU copies", 30)
    host.kill_daemon()
    thread.join(60)
    host.start_daemon()
    dom = host.conn.lookupByName("demo")
    wait_until(lambda: not qmp_jobs(dom), "the copy is ended")
    wait_until(lambda: nodes(dom) == ["base.qcow2", "top.qcow2"], "QEMU has the old images only")
    equal((chain(dom), chain(dom, INACTIVE)), (["top.qcow2", "base.qcow2"], ["top.qcow2"]))
    wait_until(lambda: not (folder / "demo-vda.qcow2").exists(), "the piece of a copy is removed")
    dom.destroy()
    clean(base, top)


def test_block_jobs_by_lodge(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    copy = host.path("var/lib/libvirt/images/copy.qcow2")
    host.lodge_ok("blockcopy", "demo", "vda", str(copy), "--transient-job", "--bandwidth", "1")
    job = json.loads(host.lodge_ok("-o", "json", "blockjob", "demo", "vda"))
    equal((job["type"], job["bandwidth"], job["total"]), ("Block Copy", 1, 32 * MIB))
    listed = json.loads(host.lodge_ok("-o", "json", "jobs"))
    equal([(entry["domain"], entry["job"]) for entry in listed], [("demo", "block-copy")])
    result = host.lodge("blockjob", "demo", "vda", "--pivot")
    check(result.code == 1 and "not ready" in result.err, result.err)
    host.lodge_ok("blockjob", "demo", "vda", "--bandwidth", "0")
    host.lodge_ok("blockjob", "demo", "vda", "--abort")
    equal(json.loads(host.lodge_ok("-o", "json", "blockjob", "demo", "vda")), None)
    copy.unlink()
    host.lodge_ok("blockcopy", "demo", "vda", str(copy), "--transient-job", "--pivot", timeout=60)
    equal(chain(dom), ["copy.qcow2"])
    result = host.lodge("blockcopy", "demo", "vda", str(top), "--transient-job", "--reuse-external", "--bandwidth", "1",
                        "--timeout", "1", timeout=60)
    check(result.code == 1 and "aborted" in result.err, result.err)
    equal((chain(dom), qmp_jobs(dom)), (["copy.qcow2"], []))
    host.lodge_ok("blockpull", "demo", "vda", "--wait")
    result = host.lodge("blockcommit", "demo", "vda", "--pivot")
    check(result.code == 1 and "no backing file" in result.err, result.err)


@mark(requires=["slow"], timeout=400)  # keys of LUKS take their time
def test_an_encrypted_disk_moves_and_stays_encrypted(host):
    """By the same secret, in a raw volume and in a qcow2 image."""
    text = host.write("text", "")
    text.write_bytes(b"mark".ljust(512, b"\0"))
    pool(host)
    pool(host, "slow")
    for number, kind in enumerate(("luks", "qcow2")):
        path = host.path(f"var/lib/libvirt/images/{kind}")
        luks(path, "open-sesame", kind=kind)
        fill_luks(path, "open-sesame", text, kind)
        key = add_secret(host, "volume", str(path), "open-sesame", f"33333333-3333-4333-8333-33333333333{number}")
        dom = host.define(host.guests.empty(kind, devices=file_disk(path, "vda", "raw" if kind == "luks" else "qcow2", encryption(key))))
        option = "key-secret" if kind == "luks" else "encrypt.format=luks,encrypt.key-secret"
        for pool_name, is_on in (("slow", False), ("fast", True)):
            if is_on:
                dom.create()
            told = json.loads(host.lodge_ok("-o", "json", "disk", "move", kind, "vda", pool_name, timeout=120))
            for flags in (0, INACTIVE):
                contains(dom.XMLDesc(flags), told["path"], "<encryption format='luks'", f"uuid='{key}'")
            check(b"mark" not in open(told["path"], "rb").read(), "it is encrypted")
            if is_on:
                dom.destroy()
            done = run(["qemu-io", "--object", "secret,id=s,data=open-sesame", "--image-opts", f"driver={kind},file.filename={told['path']},"
                        f"{option}=s", "-c", "read -v 0 512"])
            contains(done.out, "mark")
        dom.create()
