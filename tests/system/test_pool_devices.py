"""Pools on block devices: file systems and partitions, on loop devices. What needs another kernel is in
tests/testbed.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import os
import shutil
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark


@contextlib.contextmanager
def loop_device(host, size_mib=64):
    """A loop device on a new, empty file; nothing else is ever given to a pool here."""
    image = host.path("disk.img")
    with open(image, "wb") as file:
        file.truncate(size_mib << 20)
    done = subprocess.run(["losetup", "-P", "-f", "--show", str(image)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(f"no loop device here: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], check=False)


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
            raise Skip(f"needs {program}")


def is_mounted(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == str(path) for line in file)


def test_a_file_system_is_made_mounted_and_kept(host):
    """rows: storage-pool-02 storage-pool-13 storage-pool-48 storage-pool-49 storage-pool-50"""
    target = host.path("fs")
    with loop_device(host) as device:
        host.ok("pool-define-as", "p", "fs", "--source-dev", device, "--target", str(target), "--source-format", "ext4")
        host.refused("pool-start", "p", says=f"Child process (/bin/mount -o nodev,nosuid,noexec -t ext4 {device} {target}) "
                     "unexpected exit status 32: mount:")
        host.ok("pool-build", "p")
        equal(target.stat().st_mode & 0o7777, 0o711)
        host.refused("pool-start", "p", says="wrong fs type")
        host.ok("pool-build", "p", "--no-overwrite")
        host.refused("pool-build", "p", "--no-overwrite", says=f"Storage pool already built: Device '{device}' already "
                     "formatted using 'ext4'")
        host.ok("pool-start", "p")
        check(is_mounted(target), "the pool is not mounted")
        host.ok("vol-create-as", "p", "a.img", "1M")
        host.refused("pool-build", "p", "--overwrite", says="already active")
        for command in ("pool-define-as", "pool-create-as"):
            host.refused(command, "q", "fs", "--source-dev", device, "--target", str(host.path("other")),
                         says="Storage source conflict with pool: 'p'")
        host.ok("pool-destroy", "p")
        check(not is_mounted(target), "the pool is still mounted")
        host.ok("pool-start", "p")
        contains(host.ok("vol-list", "p"), "a.img")
        host.crash_daemon()
        contains(host.ok("vol-list", "p"), "a.img")
        host.ok("pool-destroy", "p")
        check(not is_mounted(target), "the pool is still mounted after a crash")
        host.ok("pool-build", "p", "--overwrite")
        host.ok("pool-start", "p")
        check("a.img" not in host.ok("vol-list", "p"), "the old file system is still there")
        host.ok("pool-destroy", "p")
        host.ok("pool-delete", "p")
        check(not target.exists(), "the mount point is still there")


def test_only_what_is_a_device_is_formatted(host):
    target = host.path("fs")
    plain = host.path("plain")
    plain.write_bytes(b"precious" * 1000)
    host.ok("pool-define-as", "f", "fs", "--source-dev", str(plain), "--target", str(target), "--source-format", "ext4")
    host.refused("pool-build", "f", "--overwrite", says="Source device does not exist")
    host.ok("pool-undefine", "f")
    need("parted")
    host.ok("pool-define-as", "d", "disk", "--source-dev", str(plain), "--source-format", "dos", "--target", "/dev")
    for flags in ([], ["--overwrite"]):
        host.refused("pool-build", "d", *flags)
    host.refused("pool-start", "d", says="is not a block device")
    equal(plain.read_bytes(), b"precious" * 1000)


def test_a_disk_in_use_is_not_overwritten(host):
    need("parted")
    with loop_device(host) as device:
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        mounted = host.path("mounted")
        mounted.mkdir()
        subprocess.run(["mount", device, str(mounted)], check=True)
        host.ok("pool-define-as", "d", "disk", "--source-dev", device, "--source-format", "gpt", "--target", "/dev")
        host.refused("pool-build", "d", says="already built")
        host.refused("pool-build", "d", "--overwrite", says="Device or resource busy")
        subprocess.run(["umount", str(mounted)], check=True)
        equal(subprocess.run(["blkid", "-p", "-s", "TYPE", "-o", "value", device], capture_output=True, text=True,
                             check=False).stdout.strip(), "ext4")
        host.ok("pool-build", "d", "--overwrite")


def test_options_of_mount(host):
    target = host.path("fs")
    with loop_device(host) as device:
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        document = f"""<pool type='fs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>p</name>
            <source><device path='{device}'/><format type='ext4'/></source><target><path>{target}</path></target>
            <fs:mount_opts><fs:option name='noatime'/><fs:option name='ro'/></fs:mount_opts></pool>"""
        pool = host.conn.storagePoolDefineXML(document)
        pool.build()
        pool.create()
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            options = [line.split()[5] for line in file if line.split()[4] == str(target)]
        equal(sorted(options[0].split(",")), ["noatime", "nodev", "noexec", "nosuid", "ro"])
        pool.destroy()
        # Nothing that the document says becomes an option of the program.
        for bad in ("-o", "--help"):
            pool = host.conn.storagePoolDefineXML(document.replace(device, bad).replace(">p<", f">{bad}<"))
            raises(libvirt.VIR_ERR_XML_ERROR, pool.create, text="no name that can be used")


def partitions(device):
    name = os.path.basename(device)
    return sorted(entry for entry in os.listdir(f"/sys/block/{name}") if entry.startswith(f"{name}p"))


def test_partitions_are_volumes(host):
    """rows: storage-pool-04 storage-pool-52 storage-pool-53"""
    need("parted")
    with loop_device(host) as device:
        name = os.path.basename(device)
        host.ok("pool-define-as", "d", "disk", "--source-dev", device, "--source-format", "gpt", "--target", "/dev")
        host.refused("pool-start", "d", says=f"Storage pool probe failed: Device '{device}' is unrecognized, requires build")
        host.ok("pool-build", "d")
        host.refused("pool-build", "d", says=f"Storage pool already built: Device '{device}' already formatted using 'gpt'")
        host.ok("pool-start", "d")
        host.refused("vol-create-as", "d", "x", "1M", says=f"invalid partition name 'x', expected '{name}p1'")
        host.ok("vol-create-as", "d", f"{name}p1", "8M")
        host.ok("vol-create-as", "d", f"{name}p2", "8M")
        host.refused("vol-create-as", "d", f"{name}p3", "1G", says="no large enough free extent")
        host.refused("vol-create-as", "d", f"{name}p1", "1M", says=f"storage volume '{name}p1' exists already")
        equal(partitions(device), [f"{name}p1", f"{name}p2"])
        contains(host.ok("vol-dumpxml", f"{name}p1", "d"), "<extent start='1048576' end='9437184'/>",
                 "<capacity unit='bytes'>8388608</capacity>", "<format type='none'/>")
        contains(host.ok("pool-dumpxml", "d"), "<freeExtent start='17408' end='1048576'/>")
        contains(host.ok("pool-info", "d"), "Allocation:     16.00 MiB")
        with open(f"{device}p1", "r+b") as file:
            file.write(b"content" * 1000)
        host.ok("vol-clone", f"{name}p1", f"{name}p3", "d")
        with open(f"{device}p3", "rb") as file:
            equal(file.read(7000), b"content" * 1000)
        host.ok("vol-delete", f"{name}p2", "d")
        equal(partitions(device), [f"{name}p1", f"{name}p3"])
        host.ok("pool-refresh", "d")
        check(f"{name}p2" not in host.ok("vol-list", "d"), "a removed partition is listed")
        host.ok("pool-destroy", "d")
        host.refused("pool-delete", "d", says="pool does not support pool deletion")


def test_extended_partitions(host):
    need("parted", "sfdisk")
    with loop_device(host) as device:
        name = os.path.basename(device)
        host.ok("pool-create-as", "d", "disk", "--source-dev", device, "--source-format", "dos", "--target", "/dev",
                "--build")
        for number, kind in ((1, "none"), (2, "linux"), (3, "extended")):
            host.ok("vol-create-as", "d", f"{name}p{number}", "8M" if number < 3 else "24M", "--format", kind)
        host.refused("vol-create-as", "d", f"{name}p4", "8M", "--format", "extended",
                     says="extended partition already exists")
        for number in (4, 5, 6):
            host.ok("vol-create-as", "d", f"{name}p{number}", "4M")
        equal(partitions(device), [f"{name}p{n}" for n in range(1, 7)])
        host.ok("vol-clone", f"{name}p1", f"{name}p7", "d")
        contains(host.ok("vol-info", f"{name}p7", "d"), "8.00 MiB")
        host.refused("vol-create-as", "d", f"{name}p8", "8M", says="no large enough free extent")
        contains(host.ok("vol-dumpxml", f"{name}p3", "d"), "<format type='extended'/>",
                 "<allocation unit='bytes'>0</allocation>")
        host.ok("vol-delete", f"{name}p6", "d")
        host.ok("pool-destroy", "d")
        host.ok("pool-create-as", "d", "disk", "--source-dev", device, "--source-format", "dos", "--target", "/dev")


def test_a_copy_that_was_cut_off_is_removed(host):
    """As a daemon that was killed leaves it: marked, under the name that was asked for."""
    need("parted")
    with loop_device(host) as device:
        subprocess.run(["parted", "-s", device, "mklabel", "gpt", "mkpart", "lodge-new", "1MiB", "9MiB", "mkpart",
                        "primary", "9MiB", "17MiB"], check=True, capture_output=True)
        host.ok("pool-create-as", "d", "disk", "--source-dev", device, "--source-format", "gpt", "--target", "/dev")
        name = os.path.basename(device)
        check(f"{name}p1" not in host.ok("vol-list", "d"), "half a copy is listed")
        contains(host.ok("vol-list", "d"), f"{name}p2")
        equal(partitions(device), [f"{name}p2"])


@mark(only="lodged", reason="the reference has these back ends in packages of their own")
def test_a_pool_whose_programs_are_missing_names_their_package(host):
    for program in ("mount.glusterfs", "zpool"):
        if shutil.which(program, path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
            raise Skip(f"there is {program}")
    host.ok("pool-define-as", "gl", "gluster", "--source-host", "192.0.2.1", "--source-name", "vol")
    contains(host.refused("pool-start", "gl", says="Cannot find 'mount.glusterfs'"), "glusterfs-client")
    host.ok("pool-define-as", "zf", "zfs", "--source-name", "tank", "--source-dev", "/dev/none")
    contains(host.refused("pool-start", "zf", says="Cannot find 'zpool'"), "zfsutils-linux")
    host.refused("pool-build", "zf", says="Cannot find 'zpool'")
    host.refused("pool-define-as", "bad", "gluster", "--source-host", "192.0.2.1", "--source-name", "vol", "--source-path", "/../x", says="leads out")
    for kind in ("sheepdog", "vstorage"):
        host.refused("pool-define-as", "no", kind, "--source-host", "192.0.2.1", "--source-name", "x", "--target", "/tmp/x", says=f"({kind})")


@contextlib.contextmanager
def iscsi_target(host, iqn, image):
    """A target in this process's network, by tgtd."""
    need("tgtd", "tgtadm", "iscsi-ls", "qemu-io")
    os.makedirs("/var/run/tgtd", exist_ok=True)
    server = subprocess.Popen(["tgtd", "-f", "-C", "77", "--iscsi", "portal=127.0.0.1:3260"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)

    def admin(*words):
        return subprocess.run(["tgtadm", "-C", "77", "--lld", "iscsi", *words], capture_output=True, text=True, check=False)

    try:
        wait_until(lambda: admin("--op", "show", "--mode", "sys").returncode == 0, "the target's server answers")
        for words in (["--op", "new", "--mode", "target", "--tid", "1", "-T", iqn],
                      ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", str(image)],
                      ["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"]):
            done = admin(*words)
            check(done.returncode == 0, f"{words}: {done.stderr}")
        yield
    finally:
        server.kill()
        server.wait()


@mark(only="lodged", reason="it needs libiscsi's driver")
def test_a_disk_of_libiscsi_is_wiped(host):
    image = host.path("lun.img")
    image.write_bytes(b"secret" * (1 << 20))
    iqn = "iqn.2026-11.org.example:disk"
    with iscsi_target(host, iqn, image):
        host.conn.storagePoolDefineXML(
            f"<pool type='iscsi-direct'><name>d</name><source><host name='127.0.0.1'/><device path='{iqn}'/>"
            "<initiator><iqn name='iqn.2026-11.org.example:us'/></initiator></source></pool>").create()
        pool = host.conn.storagePoolLookupByName("d")
        volume = pool.storageVolLookupByName("unit:0:0:1")
        equal(volume.info()[1], 6 << 20)
        raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, volume.wipePattern, libvirt.VIR_STORAGE_VOL_WIPE_ALG_NNSA)
        volume.wipe()
        check(not any(image.read_bytes()), "something is left")
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, volume.wipe)
    contains(error, "Child process (/usr/bin/qemu-io", "unexpected exit status 1")


def test_kinds_of_volumes(host):
    """Files, folders, partitions and disks of a server, each with its type. rows: volume-01"""
    need("parted")
    folder = host.path("files")
    (folder / "sub").mkdir(parents=True)
    (folder / "f").write_bytes(b"x")
    host.ok("pool-create-as", "p", "dir", "--target", str(folder))
    for name, kind in (("f", "file"), ("sub", "dir")):
        contains(host.ok("vol-info", name, "p"), f"Type:           {kind}\n")
    with loop_device(host) as device:
        host.ok("pool-define-as", "d", "disk", "--source-dev", device, "--source-format", "gpt", "--target", "/dev")
        host.ok("pool-build", "d", "--overwrite")
        host.ok("pool-start", "d")
        name = os.path.basename(device) + "p1"
        host.ok("vol-create-as", "d", name, "8M")
        contains(host.ok("vol-info", name, "d"), "Type:           block\n")
        host.ok("pool-destroy", "d")
    if host.is_reference:
        return
    image = host.path("lun.img")
    image.write_bytes(bytes(1 << 20))
    iqn = "iqn.2026-11.org.example:kinds"
    with iscsi_target(host, iqn, image):
        host.ok("pool-create", host.write_xml(
            f"<pool type='iscsi-direct'><name>n</name><source><host name='127.0.0.1'/><device path='{iqn}'/>"
            "<initiator><iqn name='iqn.2026-11.org.example:us'/></initiator></source></pool>"))
        contains(host.ok("vol-info", "unit:0:0:1", "n"), "Type:           network\n")
        host.ok("pool-destroy", "n")


def test_a_mount_comes_back_with_the_host(host):
    """Only if the pool is marked; what is on the device stays through stop, delete and undefine (S17)."""
    target = host.path("vm_images")
    with loop_device(host) as device:
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        host.ok("pool-define-as", "vm_images_fs", "fs", "--source-dev", device, "--target", str(target))
        host.refused("pool-start", "vm_images_fs", says="unexpected exit status 32")
        host.ok("pool-build", "vm_images_fs")
        equal(target.stat().st_mode & 0o7777, 0o711)
        host.ok("pool-start", "vm_images_fs")
        (target / "kept").write_text("content")
        if not host.is_reference:
            for marked in (False, True):
                if marked:
                    host.ok("pool-autostart", "vm_images_fs")
                host.stop_daemon()
                subprocess.run(["umount", str(target)], check=True)
                host.start_daemon()
                host.reboot()
                if marked:
                    wait_until(lambda: "active" in host.ok("pool-list").split(), "it is started", timeout=20)
                equal(is_mounted(target), marked)
                if not marked:
                    contains(host.ok("pool-list", "--all"), "inactive")
                    host.ok("pool-start", "vm_images_fs")
        host.ok("pool-destroy", "vm_images_fs")
        check(not is_mounted(target), "it is mounted")
        host.ok("pool-delete", "vm_images_fs")
        host.ok("pool-undefine", "vm_images_fs")
        look = host.path("look")
        look.mkdir()
        subprocess.run(["mount", device, str(look)], check=True)
        equal((look / "kept").read_text(), "content")
        subprocess.run(["umount", str(look)], check=True)


def test_an_adapter_belongs_to_one_pool_however_it_is_called(host):
    host.ok("pool-define-as", "one", "scsi", "--adapter-name", "host7", "--target", "/dev/disk/by-path")
    for name in ("host7", "scsi_host7"):
        host.refused("pool-define-as", "two", "scsi", "--adapter-name", name, "--target", "/dev", says="Storage source conflict with pool: 'one'")
    host.ok("pool-define-as", "two", "scsi", "--adapter-name", "scsi_host77", "--target", "/dev/disk/by-path")
