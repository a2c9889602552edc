"""Repositories of backups: machines that are off.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import signal
import subprocess
import sys

from lodgetest.host import *
from lodgetest.runner import mark
from test_disks import file_disk, start

MIB = 1 << 20
OWN = dict(only="lodged", reason="lodge's own")


def image(host, name, size="64M", kind="qcow2", seed=1, data_mib=12, backing=None):
    """An image with random content here and there."""
    path = host.path(f"images/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    base = ["-b", str(backing), "-F", "qcow2"] if backing else []
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *base, str(path), *([] if backing else [size])], check=True)
    write(path, kind, seed, data_mib)
    return path


def write(path, kind, seed, data_mib):
    rng = random.Random(seed)
    commands = []
    for _ in range(data_mib * 2):
        commands += ["-c", f"write -P {rng.randrange(1, 256)} {rng.randrange(0, 60 * 1024) * 1024} 256k"]
    subprocess.run(["qemu-io", "-f", kind, *commands, str(path)], check=True, stdout=subprocess.DEVNULL)
    raw = path.with_suffix(".random")
    raw.write_bytes(rng.randbytes(MIB))
    subprocess.run(["qemu-io", "-f", kind, "-c", f"write -s {raw} {5 * MIB + 4096} 1M", str(path)], check=True,
                   stdout=subprocess.DEVNULL)


def same(a, b, kind_a="qcow2", kind_b="qcow2"):
    done = subprocess.run(["qemu-img", "compare", "-U", "-f", kind_a, "-F", kind_b, str(a), str(b)], capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)


def define(host, *disks, name="m", **parts):
    return host.define(host.guests.empty(name, devices="".join(disks), **parts))


def repo(host):
    return str(host.path("repo"))


def create(host, name="m", *words):
    return json.loads(host.lodge_ok("backup", "create", name, repo(host), "-o", "json", *words, timeout=120))


def listed(host):
    return [row["id"] for row in json.loads(host.lodge_ok("backup", "list", repo(host), "-o", "json"))]


def tree(folder):
    """All files of a repository but its locks, with their content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
            and p.name not in ("lock", "use")}


def verify(host, *words, code=0):
    done = host.lodge("backup", "verify", repo(host), "-o", "json", *words, timeout=120)
    equal(done.code, code, str(done))
    return json.loads(done.out)


@mark(**OWN)
def test_backup_and_restore_of_a_machine_that_is_off(host):
    """Disks of every format come back byte for byte, to the same machine and to a new one; with standard tools, too."""
    base = image(host, "base.qcow2", seed=1)
    vda, vdb = image(host, "top.qcow2", seed=2, backing=base), image(host, "b.img", kind="raw", seed=3)
    copies = [host.path("images/a-copy.qcow2"), host.path("images/b-copy.img")]
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(vda), str(copies[0])], check=True)
    subprocess.run(["cp", str(vdb), str(copies[1])], check=True)
    define(host, file_disk(vda), file_disk(vdb, "vdb", "raw"))
    first = create(host)
    equal(first["kind"], "full")
    equal(first["size_bytes"], 128 * MIB)
    second = create(host)
    check(second["stored_bytes"] < first["stored_bytes"] / 20, "nothing changed, so nothing is stored")
    equal(listed(host), [first["id"], second["id"]])
    shown = json.loads(host.lodge_ok("backup", "show", repo(host), first["id"], "-o", "json"))
    equal([disk["target"] for disk in shown["disks"]], ["vda", "vdb"])
    contains(host.lodge_ok("backup", "show", repo(host), "m", "--xml"), "<name>m</name>")
    equal(verify(host)["good"], True)
    # other content, then back
    write(vda, "qcow2", 7, 4)
    write(vdb, "raw", 8, 4)
    host.lodge_ok("backup", "restore", repo(host), first["id"], timeout=120)
    same(vda, copies[0])
    same(vdb, copies[1], "raw", "raw")
    check(vdb.stat().st_blocks * 512 < 40 * MIB, "it is sparse")
    # a new machine
    host.lodge_ok("backup", "restore", repo(host), "latest", "--as", "n", "--folder", host.path("images"), "--format", "raw", timeout=120)
    same(host.path("images/n-vda.img"), copies[0], "raw")
    xml = host.ok("dumpxml", "n")
    contains(xml, "n-vda.img", "type='raw'")
    check(host.conn.lookupByName("n").UUIDString() != host.conn.lookupByName("m").UUIDString(), "a UUID of its own")
    # without lodge
    reader = os.path.join(os.path.dirname(__file__), "read_backup.py")
    for target, copy, kind in (("vda", copies[0], "qcow2"), ("vdb", copies[1], "raw")):
        out = host.path(f"{target}.out")
        subprocess.run([sys.executable, reader, repo(host), first["id"], target, str(out)], check=True)
        same(out, copy, "raw", kind)


@mark(**OWN)
def test_backup_of_equal_machines_is_stored_once(host):
    """A second machine with the same system costs little more than a map."""
    base = image(host, "base.qcow2", data_mib=20)
    for name in "ab":
        define(host, file_disk(image(host, f"{name}.qcow2", seed=ord(name), data_mib=1, backing=base)), name=name)
    first, second = create(host, "a"), create(host, "b")
    check(second["stored_bytes"] < first["stored_bytes"], f"{first} {second}")
    check(second["read_bytes"] > 5 * MIB, "all of it was read")
    rows = json.loads(host.lodge_ok("backup", "list", repo(host), "b", "-o", "json"))
    equal([row["machine"] for row in rows], ["b"])


@mark(**OWN)
def test_backup_restore_refuses(host):
    """What would harm: a running machine, a name that exists, a place that is taken; and what is not there."""
    path = image(host, "a.qcow2", data_mib=1)
    dom = start(host, file_disk(path))
    other = host.path("other")
    other.mkdir()
    (other / "file").write_text("x")

    def refused(*words, says):
        done = host.lodge("backup", *words, timeout=60)
        check(done.code in (1, 2), f"{words}: {done}")
        contains(done.err, says)

    refused("create", "m", str(other), says="no repository of backups, and not empty")
    refused("list", str(other), says="no repository of backups")
    refused("list", str(host.path("nowhere")), says="no repository of backups")
    refused("create", "nobody", repo(host), says="nobody")
    dom.destroy()
    backup = create(host)["id"]
    refused("create", "m", repo(host), "--exclude", "vdz", says="no disk 'vdz'")
    refused("restore", repo(host), "nothing", says="has no backup 'nothing'")
    refused("restore", repo(host), backup, "--as", "n", says="where the new machine's disks go")
    refused("restore", repo(host), backup, "--as", "m", "--folder", str(other), says="a machine 'm' already")
    (other / "n-vda.qcow2").write_text("x")
    refused("restore", repo(host), backup, "--as", "n", "--folder", str(other), says="is there already")
    equal((other / "n-vda.qcow2").read_text(), "x")
    (other / "n-vda.qcow2").unlink()
    dom.create()
    before = path.stat().st_ino
    refused("restore", repo(host), backup, says="is running")
    equal(path.stat().st_ino, before)
    marker = host.path("repo/lodge-backup.json")
    marker.write_text(marker.read_text().replace('"version": 1', '"version": 2'))
    refused("list", repo(host), says="has version 2 of the format")
    equal(sorted(p.name for p in other.iterdir()), ["file"])


@mark(**OWN)
def test_backup_into_a_pool(host):
    """Restored disks are volumes."""
    path = image(host, "a.qcow2", data_mib=2)
    define(host, file_disk(path))
    folder = host.path("pool")
    folder.mkdir()
    host.ok("pool-create-as", "p", "dir", "--target", folder)
    backup = create(host)["id"]
    host.lodge_ok("backup", "restore", repo(host), backup, "--as", "n", "--pool", "p", timeout=60)
    contains(host.ok("vol-list", "p"), "n-vda.qcow2")
    same(folder / "n-vda.qcow2", path)


@mark(**OWN)
def test_backup_killed_at_any_moment(host):
    """The repository is as it was before, or has the backup; what was left is swept."""
    path = image(host, "a.qcow2", data_mib=20)
    define(host, file_disk(path))
    create(host)
    folder = host.path("repo")
    rng = random.Random(5)
    done = 0
    for i in range(16):
        write(path, "qcow2", 100 + i, 6)
        before, ids = tree(folder), listed(host)
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "backup", "create", "m", repo(host)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.02, 1.2))
            done += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if listed(host) == ids:
            # a dry run reads only; one that removes nothing sweeps
            host.lodge_ok("backup", "prune", repo(host), "--keep-last", "1000")
            now = tree(folder)
            equal(set(now), set(before), "the repository is as it was")
            check(now == before, "no file has changed")
        equal(verify(host)["good"], True)
    wait_until(lambda: not [p for p in os.listdir("/proc") if p.isdigit() and is_qemu_nbd(p, path)], "no server is left")
    create(host)
    host.lodge_ok("backup", "restore", repo(host), "latest", "--as", "n", "--folder", host.path("images"), timeout=60)
    same(host.path("images/n-vda.qcow2"), path)


def is_qemu_nbd(pid, path):
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"qemu-nbd") and str(path).encode() in words


@mark(**OWN)
def test_prune_killed_at_any_moment(host):
    """What is kept stays whole, and the next one comes to the same end."""
    path = image(host, "a.qcow2", data_mib=8)
    define(host, file_disk(path))
    for i in range(6):
        write(path, "qcow2", 200 + i, 8)
        create(host)
    last = listed(host)[-1]
    rng = random.Random(6)
    for _ in range(8):
        process = subprocess.Popen([host.lodge_program, "backup", "prune", repo(host), "--keep-last", "2"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.01, 0.25))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        equal(verify(host)["good"], True)
    dry = json.loads(host.lodge_ok("backup", "prune", repo(host), "--keep-last", "2", "--dry-run", "-o", "json"))
    host.lodge_ok("backup", "prune", repo(host), "--keep-last", "2")
    equal(len(listed(host)), 2)
    equal(listed(host)[-1], last)
    check(dry["after_bytes"] <= dry["before_bytes"], dry)
    host.lodge_ok("backup", "restore", repo(host), last, "--as", "n", "--folder", host.path("images"), timeout=60)
    same(host.path("images/n-vda.qcow2"), path)


@mark(**OWN)
def test_backup_on_a_full_disk(host):
    """It is told, and nothing of it stays; there is room again for what fits."""
    path = image(host, "a.qcow2", data_mib=2)
    define(host, file_disk(path))
    folder = host.path("repo")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], check=True)
    create(host)
    before = tree(folder)
    big = image(host, "b.qcow2", data_mib=2)
    raw = host.path("random")
    raw.write_bytes(random.Random(9).randbytes(8 * MIB))
    subprocess.run(["qemu-io", "-c", f"write -s {raw} 20M 8M", str(big)], check=True, stdout=subprocess.DEVNULL)
    define(host, file_disk(big), name="big")
    done = host.lodge("backup", "create", "big", repo(host), timeout=60)
    equal(done.code, 1)
    contains(done.err, "No space left on device")
    check(tree(folder) == before, "the repository is as it was")
    create(host)
    # and where it is restored to
    small = host.path("small")
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=True)
    done = host.lodge("backup", "restore", repo(host), "latest", "--as", "n", "--folder", small, timeout=60)
    equal(done.code, 1)
    equal(os.listdir(small), [])
    check("n" not in host.ok("list", "--all", "--name").split(), "no machine is left")


@mark(**OWN)
def test_backup_that_is_damaged(host):
    """verify names backup, disk, offset, chunk and file; the rest can be restored; the next backup makes it good."""
    path, other = image(host, "a.qcow2", seed=1, data_mib=4), image(host, "b.qcow2", seed=2, data_mib=4)
    define(host, file_disk(path))
    first = create(host)["id"]
    [pack] = host.path("repo/packs").iterdir()
    define(host, file_disk(other), name="o")
    second = create(host, "o")["id"]
    data = bytearray(pack.read_bytes())
    at = len(data) // 3
    data[at] ^= 0x40
    pack.write_bytes(data)
    found = verify(host, code=1)
    equal(found["damaged"], [first])
    equal(found["bad_chunks"], 1)
    [problem] = [p for p in found["problems"] if "disk 'vda'" in p][:1]
    contains(problem, first, "machine 'm'", "offset ", "chunk ", pack.name)
    equal(verify(host, second)["good"], True)
    done = host.lodge("backup", "restore", repo(host), first, "--as", "n", "--folder", host.path("images"), timeout=60)
    equal(done.code, 1)
    contains(done.err, "disk 'vda'", "offset", "chunk", "--salvage")
    check(not host.path("images/n-vda.qcow2").exists(), "nothing is left of it")
    done = host.lodge("backup", "restore", repo(host), first, "--as", "n", "--folder", host.path("images"), "--salvage", timeout=60)
    equal(done.code, 1)
    contains(done.err, "left out: disk 'vda', offset")
    host.lodge_ok("backup", "restore", repo(host), second, "--as", "n2", "--folder", host.path("images"), timeout=60)
    same(host.path("images/n2-vda.qcow2"), other)
    create(host)
    equal(verify(host)["good"], True)
    host.lodge_ok("backup", "restore", repo(host), first, "--as", "n3", "--folder", host.path("images"), timeout=60)
    same(host.path("images/n3-vda.qcow2"), path)
    # a pack that is gone, and a manifest that changed
    pack.unlink()
    found = verify(host, code=1)
    contains(" ".join(found["problems"]), "no pack has chunk")
    manifest = next(p for p in host.path("repo/backups").iterdir() if p.name.startswith(second))
    manifest.write_text(manifest.read_text().replace("vda", "vdb"))
    done = host.lodge("backup", "list", repo(host))
    contains(done.err, f"manifest of backup '{second}' is damaged")
    done = host.lodge("backup", "prune", repo(host), "--keep-last", "1")
    contains(done.err, "nobody can say what is still needed")


@mark(**OWN)
def test_backup_mounted(host):
    """Disks of a backup as files, by FUSE."""
    path = image(host, "a.qcow2", data_mib=4)
    define(host, file_disk(path))
    create(host)
    point = host.path("mnt")
    point.mkdir()
    process = subprocess.Popen([host.lodge_program, "backup", "mount", repo(host), "m", str(point)], stdout=subprocess.PIPE,
                               text=True)
    try:
        contains(process.stdout.readline(), "is mounted")
        equal(sorted(os.listdir(point)), ["definition.xml", "vda.raw"])
        same(point / "vda.raw", path, "raw")
        contains((point / "definition.xml").read_text(), "<name>m</name>")
        raised = None
        try:
            open(point / "vda.raw", "r+b")
        except OSError as error:
            raised = error
        check(raised, "nobody writes to it")
        done = host.lodge("backup", "prune", repo(host), "--keep-last", "1")
        contains(done.err, "is being read")
        subprocess.run(["fusermount3", "-u", str(point)], check=True)
        equal(process.wait(10), 0)
    finally:
        process.kill()
    host.lodge_ok("backup", "prune", repo(host), "--keep-last", "1")


@mark(**OWN)
def test_backup_schedule(host):
    """The daemon backs up by the clock, keeps its list, prunes, makes up for what it missed, and tells of failures."""
    path = image(host, "a.qcow2", data_mib=1)
    define(host, file_disk(path))

    def rows():
        return json.loads(host.lodge_ok("backup", "schedule", "list", "-o", "json"))

    def count():
        return len(listed(host)) if host.path("repo/lodge-backup.json").exists() else 0

    for words in (["--every", "10s"], ["--every", "x"], []):
        check(host.lodge("backup", "schedule", "add", "m", repo(host), *words).code != 0, words)
    equal(rows(), [])
    host.lodge_ok("backup", "schedule", "add", "m", repo(host), "--every", "1h", "--keep-last", "2")
    wait_until(lambda: rows()[0]["last"], "the first backup", timeout=60)
    equal(count(), 1)
    equal((rows()[0]["machine"], rows()[0]["every_s"], rows()[0]["state"]), ("m", 3600, "waiting"))
    kept = host.path("etc/libvirt/lodge-backup-schedule.json")
    for n in (2, 2):  # an hour later, twice: the third is one too many
        host.stop_daemon()
        orders = json.loads(kept.read_text())
        orders[0]["next_s"] = 1
        kept.write_text(json.dumps(orders))
        before = set(listed(host))
        host.start_daemon()
        # not before it waits again: a repository that is being pruned is nobody else's
        wait_until(lambda: rows()[0]["state"] == "waiting" and set(listed(host)) - before, "what was missed", timeout=60)
        equal(count(), n)
    host.path("repo/lodge-backup.json").unlink()
    host.stop_daemon()
    orders = json.loads(kept.read_text())
    orders[0]["next_s"] = 1
    kept.write_text(json.dumps(orders))
    host.start_daemon()
    wait_until(lambda: rows()[0]["state"] == "failed", "it fails", timeout=60)
    contains(rows()[0]["failure"], "no repository of backups, and not empty")
    host.lodge_ok("backup", "schedule", "remove", "m", repo(host))
    equal(rows(), [])


@mark(requires=["program:swtpm"], **OWN)
def test_backup_of_firmware_and_tpm(host):
    """Variables and the TPM's state come back with the machine, and belong to it."""
    path = image(host, "a.qcow2", data_mib=1)
    os_part = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    devices = file_disk(path) + "<tpm model='tpm-crb'><backend type='emulator' version='2.0' persistent_state='yes'/></tpm>"
    dom = host.define(host.guests.empty("m", machine="q35", os_part=os_part, devices=devices))
    dom.create()
    dom.destroy()
    [nvram] = host.path("var/lib/libvirt/qemu/nvram").glob("m*")
    [tpm] = host.path("var/lib/libvirt/swtpm").glob("*/tpm2/*.permall")
    first = nvram.read_bytes(), tpm.read_bytes()
    owner = tpm.stat().st_uid, nvram.stat().st_uid
    backup = create(host)["id"]
    shown = json.loads(host.lodge_ok("backup", "show", repo(host), backup, "-o", "json"))
    equal([(f["role"], f["name"]) for f in shown["files"]], [("nvram", "nvram"), ("tpm", "tpm2/tpm2-00.permall")])
    nvram.write_bytes(b"\xff" * len(first[0]))
    tpm.write_bytes(b"other")
    host.lodge_ok("backup", "restore", repo(host), backup, timeout=60)
    equal((nvram.read_bytes(), tpm.read_bytes()) == first, True, "both are as they were")
    equal((tpm.stat().st_uid, nvram.stat().st_uid), owner)
    dom.create()
    dom.destroy()
    host.lodge_ok("backup", "restore", repo(host), backup, "--as", "n", "--folder", host.path("images"), timeout=60)
    [other] = host.path("var/lib/libvirt/qemu/nvram").glob("n*")
    equal(other.read_bytes() == first[0], True, "the new machine's variables")
    host.conn.lookupByName("n").create()
    host.conn.lookupByName("n").destroy()
    for name in "mn":
        host.ok("undefine", name, "--nvram", "--tpm")


@mark(**OWN)
def test_backup_that_boots(host):
    """verify --boot starts the machine from the backup and says whether it came up; nothing of it stays."""
    host.define(host.guests.demo("demo"))
    create(host, "demo")
    define(host, file_disk(image(host, "a.qcow2", data_mib=1)), name="dead")
    create(host, "dead")
    folder = host.path("boot")
    folder.mkdir()
    folder.chmod(0o711)
    for name, code in (("demo", 0), ("dead", 1)):
        found = verify(host, name, "--boot", "--folder", str(folder), "--timeout", "60" if code == 0 else "6", code=code)
        equal([row["came_up"] for row in found["booted"]], [code == 0], found)
        equal(os.listdir(folder), [])
        equal(sorted(host.ok("list", "--all", "--name").split()), ["dead", "demo"])
