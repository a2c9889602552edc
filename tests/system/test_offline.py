"""`lodge disk`: what is inside of disks, by libguestfs; who may write; and a disk that grows with what is on it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import functools
import json
import operator
import os
import struct
import subprocess

from lodgetest.guests import AGENT
from lodgetest.host import *
from test_disks import qemu_img
from lodgetest.process import clean_environment
from lodgetest.runner import mark

MIB = 1 << 20
OURS = {"only": "lodged", "reason": "lodge's own"}
TOOLS = ("virt-ls", "virt-cat", "virt-copy-out", "virt-copy-in", "virt-edit", "virt-df", "virt-filesystems",
         "virt-inspector", "virt-resize", "virt-sysprep", "virt-customize", "guestfish")


class Disk:
    """`lodge disk` with tools that tell what they were given, or with the real ones."""

    def __init__(self, host, real=False):
        self.host = host
        folder = host.root / "tools"
        if not real:
            folder.mkdir()
            for name in TOOLS:
                file = folder / name
                file.write_text('#!/bin/sh\necho "$LIBGUESTFS_BACKEND ${0##*/} $*"\n[ "$1" != --fail ] || exit 3\n')
                file.chmod(0o755)
        # This machine may have a /dev/kvm that runs no kernel.
        self.env = clean_environment(LIBGUESTFS_BACKEND_SETTINGS="force_tcg")
        self.env["PATH"] = f"{folder}:{self.env['PATH']}"

    def __call__(self, *words, code=0, timeout=30):
        result = self.host.lodge("disk", *words, env=self.env, timeout=timeout)
        equal(result.code, code, f"lodge disk {words}: {result.out} {result.err}")
        return result.out if code == 0 else result.err


def image(host, name="web.qcow2", size="8M", form="qcow2"):
    path = host.path(f"var/lib/libvirt/images/{name}")
    host.lodge_ok("image", "create", str(path), size, "--format", form)
    return path


def document(host, name, *disks):
    return host.guests.empty(name, devices="".join(
        f"<disk type='file' device='{kind}'><driver name='qemu' type='{form}'/><source file='{path}'/>"
        f"<target dev='{target}' bus='{bus}'/>{more}</disk>" for path, form, kind, target, bus, more in disks))


def machine(host, name, *paths):
    """With a disk of each image, vda, vdb and so on."""
    return host.define(document(host, name, *((path, "qcow2", "disk", f"vd{'abc'[n]}", "virtio", "")
                                              for n, path in enumerate(paths))))


@mark(**OURS)
def test_each_command_hands_the_images_to_its_program(host):
    disk = Disk(host)
    one, two = image(host, "one.qcow2"), image(host, "two.qcow2")
    raw, cd = image(host, "raw.img", form="raw"), image(host, "cd.img", form="raw")
    host.define(document(host, "web", (one, "qcow2", "disk", "vda", "virtio", ""), (cd, "raw", "cdrom", "sda", "sata", ""),
                         (two, "qcow2", "disk", "vdb", "virtio", "<readonly/>")))
    both = f"--format=qcow2 -a {one} --format=qcow2 -a {two}"
    equal(disk("ls", "web", "/etc", "--", "-l", "-m", "/dev/sda"), f"direct virt-ls -l -m /dev/sda {both} /etc\n")
    equal(disk("cat", "web", "/etc/motd", "/etc/issue"), f"direct virt-cat {both} /etc/motd /etc/issue\n")
    equal(disk("get", "web", "/etc/motd"), f"direct virt-copy-out {both} /etc/motd .\n")
    equal(disk("get", "web", "/etc/motd", "/tmp"), f"direct virt-copy-out {both} /etc/motd /tmp\n")
    equal(disk("df", "web", "--disk", "vdb"), f"direct virt-df -h --format=qcow2 -a {two}\n")
    equal(disk("df", "web", "--", "--csv"), f"direct virt-df --csv {both}\n")
    equal(disk("filesystems", raw), f"direct virt-filesystems -lh --all --format=raw -a {raw}\n")
    equal(disk("inspect", raw, "--format", "raw"), f"direct virt-inspector --format=raw -a {raw}\n")
    equal(json.loads(disk("inspect", raw, "-o", "json")), {"output": f"direct virt-inspector --format=raw -a {raw}\n"})
    # What is read-only in the machine is not written to.
    equal(disk("put", "web", "/tmp/a", "/root"), f"direct virt-copy-in --format=qcow2 -a {one} /tmp/a /root\n")
    equal(disk("edit", "web", "/etc/issue", "--", "-e", "s/a/b/"),
          f"direct virt-edit -e s/a/b/ --format=qcow2 -a {one} /etc/issue\n")
    equal(disk("sysprep", "web"), f"direct virt-sysprep --format=qcow2 -a {one}\n")
    equal(disk("customize", "web", "--", "--hostname", "x"), f"direct virt-customize --hostname x --format=qcow2 -a {one}\n")
    equal(disk("shell", "web"), f"direct guestfish --ro {both}\n")
    equal(disk("shell", "web", "--write", "--", "-i"), f"direct guestfish --rw -i --format=qcow2 -a {one}\n")
    larger = image(host, "larger.img", "16M", "raw")
    equal(disk("resize", "web", str(larger), "--disk", "vda", "--", "--expand", "/dev/sda1"),
          f"direct virt-resize --expand /dev/sda1 --format=qcow2 --output-format=raw {one} {larger}\n")
    contains(disk("resize", "web", str(larger), code=2), "--disk")
    # By volume, and by a path of this folder.
    host.lodge_ok("pool", "define-as", "p", "dir", "--target", one.parent)
    host.lodge_ok("pool", "start", "p")
    equal(disk("cat", "p/one.qcow2", "/x"), f"direct virt-cat --format=qcow2 -a {one} /x\n")
    contains(disk("cat", "./nosuch.img", "/x", code=1), "nosuch.img")
    contains(disk("df", "raw.img", code=1), "raw.img")


@mark(**OURS)
def test_what_somebody_needs_is_only_read(host):
    """rows: offline-tools-10"""
    disk = Disk(host)
    path = image(host)
    dom = machine(host, "web", path)
    dom.create()
    contains(disk("cat", "web", "/etc/motd"), str(path))
    for words in (("put", "web", "/a", "/"), ("edit", "web", "/a"), ("sysprep", "web"), ("customize", "web"), ("shell", "web", "--write")):
        contains(disk(*words, code=1), "cannot write to the disks of machine 'web': it is running", "lodge shutdown web")
    contains(disk("edit", path, "/a", code=1), f"cannot write to image '{path}'", "machine 'web'")
    other = image(host, "other.qcow2")
    contains(disk("resize", other, str(path), code=1), "machine 'web'")
    dom.managedSave()
    contains(disk("edit", "web", "/a", code=1), "it is saved", "managedsave-remove web")
    dom.managedSaveRemove()
    contains(disk("edit", "web", "/a"), "virt-edit")
    # Below another image.
    host.lodge_ok("pool", "define-as", "p", "dir", "--target", path.parent)
    host.lodge_ok("pool", "start", "p")
    host.lodge_ok("image", "create", "p/top.qcow2", "--format", "qcow2", "--backing", str(path), "--backing-format", "qcow2")
    contains(disk("edit", "web", "/a", code=1), "volume 'top.qcow2' of pool 'p'")


@mark(**OURS)
def test_what_cannot_be_opened_is_refused_by_name(host):
    disk = Disk(host)
    path = image(host)
    host.define(document(host, "plain"))
    contains(disk("ls", "plain", "/", code=1), "machine 'plain' has no disk")
    machine(host, "web", path)
    contains(disk("ls", "web", "/", "--disk", "vdz", code=1), "machine 'web' has no disk 'vdz'")
    contains(disk("ls", "nobody", "/", code=1), "no domain with matching name 'nobody'")
    contains(disk("ls", "p/nosuch", "/", code=1), "'p'")
    host.define(host.guests.empty("far", devices="<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
                                  "<source protocol='nbd' name='x'><host name='192.0.2.1'/></source><target dev='vda' bus='virtio'/></disk>"))
    contains(disk("ls", "far", "/", code=1), "disk 'vda' of machine 'far' is no file and no device of this host")
    contains(disk("ls", "web", "/", "--", "--fail", code=1), "virt-ls failed: exit status 3")
    # Elsewhere, and where the programs are not there.
    done = host.lodge("-c", "qemu+ssh://192.0.2.1/system?command=/bin/false", "disk", "ls", "web", "/", env=disk.env)
    check(done.code != 0, done.out)
    disk.env["PATH"] = str(host.root)
    contains(disk("ls", "web", "/", code=1), "'virt-ls' is not installed", "package libguestfs-tools")


def encrypted(host, source=None):
    """(path, UUID of the secret) of an encrypted qcow2 image, with what @source holds."""
    path, uuid = host.path("var/lib/libvirt/images/secret.qcow2"), "11111111-2222-3333-4444-555555555555"
    secret = host.conn.secretDefineXML(f"<secret ephemeral='no' private='no'><uuid>{uuid}</uuid></secret>")
    secret.setValue(b"open-sesame")
    key = ("--object", "secret,id=s,data=open-sesame")
    options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"
    qemu_img("create", "-q", *key, "-f", "qcow2", "-o", options, path, "40M")
    if source:
        subprocess.run(["qemu-img", "convert", *key, "-n", "--image-opts", f"driver=qcow2,file.filename={source}", "--target-image-opts",
                        f"driver=qcow2,encrypt.format=luks,encrypt.key-secret=s,file.filename={path}"], check=True)
    return path, uuid


def with_key(uuid):
    return f"<encryption format='luks'><secret type='passphrase' uuid='{uuid}'/></encryption>"


@mark(**OURS)
def test_encrypted_images_are_opened_by_their_secret(host):
    disk = Disk(host)
    path, uuid = encrypted(host)
    # The program is given a socket that serves what is inside.
    (host.root / "tools/virt-cat").write_text('#!/bin/sh\nuri=$3\nqemu-io -r -f raw -c "$WHAT 0 512" "nbd+unix:///${uri#nbd://}" 2>&1; echo "$*"\n')
    disk.env |= {"WHAT": "read -v -P 0", "TMPDIR": str(host.root / "temporary")}
    os.mkdir(disk.env["TMPDIR"])
    host.define(document(host, "safe", (path, "qcow2", "disk", "vda", "virtio", with_key(uuid))))
    contains(disk("cat", "safe", "/x"), "--format=raw -a nbd://?socket=/", "read 512/512 bytes at offset 0")
    contains(disk("cat", str(path), "/x", code=1), "encrypted", "no volume says")
    contains(disk("cat", "safe", "/x", "-o", "json"), "read 512/512")
    equal(os.listdir(disk.env["TMPDIR"]), [], "what is left")
    host.conn.secretLookupByUUIDString(uuid).setValue(b"wrong")
    contains(disk("cat", "safe", "/x", code=1), "cannot open image", "is the value of its secret right?")
    host.conn.secretLookupByUUIDString(uuid).undefine()
    contains(disk("cat", "safe", "/x", code=1), str(path), uuid)
    equal(os.listdir(disk.env["TMPDIR"]), [], "what is left")


@mark(**OURS)
def test_a_disk_grows_while_its_machine_runs_or_not(host):
    disk = Disk(host)
    path = image(host)
    dom = machine(host, "web", path)
    said = disk("grow", "web", "vda", "+8M")
    contains(said, "Disk vda of machine web has 16.000 MiB now", "the machine is not running", "growpart /dev/vda N", "resize2fs /dev/vdaN")
    equal(json.loads(host.lodge_ok("image", "info", str(path), "-o", "json"))[0]["virtual_bytes"], 16 * MIB)
    dom.create()
    contains(disk("grow", "web", "vda", "24M"), "24.000 MiB", "agent")
    equal(dom.blockInfo("vda")[0], 24 * MIB)
    answer = json.loads(disk("grow", "web", "vda", "+0", "-o", "json"))
    equal((answer["size_bytes"], answer["guest_done"]), (24 * MIB, False))
    equal(disk("grow", "web", "vda", "+8M", "--image-only").count("\n"), 1)
    contains(disk("grow", "web", "vda", "8M", code=1), "has 33554432 bytes already")
    contains(disk("grow", "web", "vdq", "+8M", code=2), "no disk 'vdq'")
    contains(disk("grow", "web", "vda", "much", code=2), "+10G")


@mark(**OURS, timeout=240)
def test_the_guest_is_asked_to_let_its_file_system_grow(host):
    """The demo guest has no resize2fs: it says so. tests/testbed runs the same script where everything is there."""
    disk = Disk(host)
    host.define(host.guests.demo("demo", devices=AGENT)).create()
    host.booted("demo")
    wait_until(lambda: "state='connected'" in host.ok("dumpxml", "demo"), "the agent's channel is connected")
    answer = json.loads(disk("grow", "demo", "vda", "+8M", "-o", "json", timeout=60))
    equal(answer["guest_done"], False)
    contains(answer["reason"], "/dev/vda")
    host.ok("destroy", "demo")
    contains(disk("grow", "demo", "vda", "+0"), "the machine is not running", "growpart /dev/vda N")


# ---- with libguestfs itself ----

FILES = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    "etc/debian_version": "12.0\n", "etc/fstab": "LABEL=root / ext4 defaults 0 1\n", "etc/hostname": "old\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/shadow": "root:*:19000:0:::::\n",
    "etc/issue": "Debian\n", "etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/hosts": "127.0.0.1 localhost old\n",
    "bin/sh": "", "lib/x": "", "var/log/messages": "old\n", "root/.bash_history": "old\n", "tmp/x": "", "usr/bin/x": "", "boot/x": "",
    "var/lib/dpkg/status": "Package: hello\nStatus: install ok installed\nVersion: 2.10-3\nArchitecture: amd64\n\n",
}


def system(host, name="web.qcow2"):
    """An image with what looks like a Debian."""
    tree = host.root / "tree"
    for file, text in FILES.items():
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).write_text(text)
    raw = host.root / "system.raw"
    with open(raw, "wb") as out:
        out.truncate(40 * MIB)
    # The partition is made as a file of its own.
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", f"offset={MIB}", "-d", tree, raw, "38M"], check=True)
    subprocess.run(["sfdisk", "-q", raw], input="label: dos\nstart=2048, size=77824, type=83\n", text=True, check=True)
    path = host.path(f"var/lib/libvirt/images/{name}")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, path], check=True)
    return path


GUESTFS = {**OURS, "requires": ["slow", "program:guestfish", "program:virt-customize"], "timeout": 900}


@mark(**GUESTFS)
def test_files_inside_are_read_and_written(host):
    """rows: offline-tools-11 offline-tools-13 offline-tools-15 offline-tools-18 monitoring-10"""
    disk = Disk(host, real=True)
    path = system(host)
    machine(host, "web", path)
    contains(disk("filesystems", "web", timeout=120), "/dev/sda1", "ext4", "partition")
    contains(disk("df", "web", "-o", "json", timeout=120), "/dev/sda1")
    contains(disk("inspect", "web", timeout=120), "<distro>debian</distro>", "<name>hello</name>")
    contains(disk("ls", "web", "/etc", timeout=120), "issue\n")
    (host.root / "new").write_text("from outside\n")
    disk("put", "web", str(host.root / "new"), "/etc", timeout=120)
    disk("edit", "web", "/etc/issue", "--", "-e", "s/Debian/Changed/", timeout=120)
    equal(disk("cat", "web", "/etc/issue", timeout=120), "Changed\n")
    disk("get", "web", "/etc/new", str(host.root / "var"), timeout=120)
    equal((host.root / "var/new").read_text(), "from outside\n")
    contains(disk("shell", "web", "--", "-i", "cat", "/etc/new", timeout=120), "from outside")


@mark(**GUESTFS)
def test_encrypted_systems_are_read_and_written(host):
    disk = Disk(host, real=True)
    path, uuid = encrypted(host, system(host))
    host.define(document(host, "safe", (path, "qcow2", "disk", "vda", "virtio", with_key(uuid))))
    disk("edit", "safe", "/etc/issue", "--", "-e", "s/Debian/Changed/", timeout=120)
    equal(disk("cat", "safe", "/etc/issue", timeout=120), "Changed\n")


@mark(**GUESTFS)
def test_systems_inside_are_prepared_and_resized(host):
    """rows: offline-tools-14 offline-tools-17"""
    disk = Disk(host, real=True)
    path = system(host)
    machine(host, "web", path)
    disk("customize", "web", "--", "--write", "/etc/made:by hand", "--hostname", "made", timeout=240)
    disk("sysprep", "web", "--", "--enable", "bash-history,machine-id,logfiles", timeout=240)
    larger = image(host, "larger.qcow2", "80M")
    contains(disk("resize", "web", str(larger), "--", "--expand", "/dev/sda1", timeout=240), "/dev/sda1")
    contains(disk("df", larger, "--", "--csv", timeout=120), "/dev/sda1")
    equal(disk("cat", larger, "/etc/made", "/etc/hostname", timeout=120), "by handmade\n")
    check(".bash_history" not in disk("ls", larger, "/root", timeout=120), "the history is still there")
    size = int(disk("filesystems", larger, "--", "--filesystems", "--long", "--csv", timeout=120).splitlines()[1].split(",")[4])
    check(size > 60 * MIB, f"the file system has {size} bytes")


def guestfish(host, *words, stdin="", code=0):
    done = run(["guestfish", *words], timeout=240, stdin=stdin, env=clean_environment(
        LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg", LIBVIRT_DEFAULT_URI=host.daemon.uri))
    equal(done.code, code, f"guestfish {words}: {done.out} {done.err}")
    return done.out + done.err


@mark(**GUESTFS)
def test_libguestfs_asks_the_daemon_for_a_machine(host):
    """rows: offline-tools-01 offline-tools-02 offline-tools-03 offline-tools-04 offline-tools-05 offline-tools-06
    offline-tools-07 offline-tools-08 offline-tools-09 offline-tools-12"""
    path = system(host)
    dom = machine(host, "web", path)
    contains(guestfish(host, "--ro", "-a", str(path), stdin="help\nrun\nlist-filesystems\nmount /dev/sda1 /\nls /etc\nexit\n"),
             "For more information about a command", "/dev/sda1: ext4", "issue")
    contains(guestfish(host, "--ro", "-c", host.daemon.uri, "-d", "web", "-i", "cat", "/etc/issue"), "Debian")
    guestfish(host, "--rw", "-c", host.daemon.uri, "-d", "web", "-i", "write", "/etc/issue", "by hand")
    script = host.script("editor", "sed -i s/hand/editor/ \"$1\"\n")
    contains(guestfish(host, "--rw", "-c", host.daemon.uri, "-d", "web", "-i",
                       stdin=f"setenv EDITOR {script}\nedit /etc/issue\ncat /etc/issue\nexit\n"), "by editor")
    dom.create()
    contains(guestfish(host, "--rw", "-c", host.daemon.uri, "-d", "web", "-i", code=1), "live virtual machine")
    contains(guestfish(host, "--ro", "-c", host.daemon.uri, "-d", "web", "-i", "cat", "/etc/issue"), "by editor")
    disk = Disk(host, real=True)
    contains(disk("cat", "web", "/etc/issue", timeout=120), "by editor")


def empty_hive(path):
    """A registry file without keys: a header, and one bin with the root key and its security."""
    name = b"root"
    key = struct.pack("<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x2c, 0, 0, 0xffffffff, 0, 0, 0xffffffff, 0xffffffff, 0, 0xffffffff, 0x80,
                      0xffffffff, 0, 0, 0, 0, 0, len(name), 0) + name
    security = struct.pack("<2sHIIII", b"sk", 0, 0x80, 0x80, 1, 20) + b"\1\0\4\x80" + bytes(16)
    data = struct.pack("<4sIIQQI", b"hbin", 0, 4096, 0, 0, 0)
    for cell, size in ((key, 0x60), (security, 0x40)):
        data += struct.pack("<i", -size) + cell.ljust(size - 4, b"\0")
    data = (data + struct.pack("<i", 4096 - len(data))).ljust(4096, b"\0")
    head = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, 0x20, 4096, 1).ljust(508, b"\0")
    check_sum = functools.reduce(operator.xor, (word for (word,) in struct.iter_unpack("<I", head)))
    path.write_bytes((head + struct.pack("<I", check_sum)).ljust(4096, b"\0") + data)


def windows(host):
    """An image with what looks like a Windows."""
    config = host.root / "tree/Windows/System32/config"
    config.mkdir(parents=True)
    (config.parent / "drivers").mkdir()
    for name in ("SOFTWARE", "SYSTEM", "SAM", "SECURITY", "DEFAULT"):
        empty_hive(config / name)
    registry = host.root / "given.reg"
    registry.write_text("Windows Registry Editor Version 5.00\n\n" + "".join(
        f"[{SOFTWARE}\\{key}]\n\n" for key in ("Microsoft", "Microsoft\\Windows NT", "Microsoft\\Windows NT\\CurrentVersion"))[:-1] +
        '"ProductName"=str(1):"Windows 10"\n"CurrentVersion"=str(1):"6.3"\n')
    subprocess.run(["hivexregedit", "--merge", "--prefix", SOFTWARE, config / "SOFTWARE", registry], check=True)
    # The smallest program that file(1) takes for one of 64 bits.
    (config.parent / "cmd.exe").write_bytes(
        b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<HHIIIHHH", 0x8664, 0, 0, 0, 0, 240, 0x22, 0x20b) +
        bytes(66) + struct.pack("<H", 3) + bytes(200))
    path = host.path("var/lib/libvirt/images/windows.img")
    with open(path, "wb") as out:
        out.truncate(40 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", host.root / "tree", path], check=True)
    return path


SOFTWARE = "HKEY_LOCAL_MACHINE\\SOFTWARE"


@mark(**{**GUESTFS, "requires": [*GUESTFS["requires"], "program:virt-win-reg", "program:hivexregedit"]})
def test_the_registry_of_a_windows_machine_is_read_and_changed(host):
    """rows: offline-tools-16"""
    dom = host.define(document(host, "win", (windows(host), "raw", "disk", "vda", "virtio", "")))
    env = clean_environment(LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg")

    def virt_win_reg(*words, code=0):
        done = run(["virt-win-reg", "-c", host.daemon.uri, *words], timeout=240, env=env)
        check((done.code == 0) == (code == 0), f"virt-win-reg {words}: {done.out} {done.err}")
        return done.out + done.err
    key = f"{SOFTWARE}\\Microsoft\\Windows NT\\CurrentVersion"
    contains(virt_win_reg("--unsafe-printable-strings", "win", key), '"ProductName"=str(1):"Windows 10"')
    change = host.root / "change.reg"
    change.write_text(f'Windows Registry Editor Version 5.00\n\n[{key}]\n"RegisteredOwner"=str(1):"Lodge"\n')
    virt_win_reg("--merge", "win", str(change))
    contains(virt_win_reg("--unsafe-printable-strings", "win", key), '"RegisteredOwner"=str(1):"Lodge"')
    dom.create()
    virt_win_reg("--merge", "win", str(change), code=1)
    contains(virt_win_reg("--unsafe-printable-strings", "win", key), '"RegisteredOwner"=str(1):"Lodge"')
