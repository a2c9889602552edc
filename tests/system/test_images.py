"""Disk images as QEMU's own tool makes them: formats, sizes, options, locks, overlays, and a base that is gone.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import subprocess

from lodgetest.host import *


def qemu_img(*words):
    return subprocess.run(["qemu-img", *words], capture_output=True, text=True, timeout=30, check=False)


def image(host, name, *more):
    """A new qcow2 image in the folder of images."""
    path = host.path(f"var/lib/libvirt/images/{name}")
    done = qemu_img("create", "-f", "qcow2", *more, str(path), *([] if more else ["8M"]))
    equal(done.returncode, 0, done.stderr)
    return path


def machine(host, name, path):
    return host.define(host.guests.empty(name, devices=(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
        f"<target dev='vda' bus='virtio'/></disk>")))


def test_a_running_or_paused_machine_holds_the_lock_of_its_image(host):
    """rows: images-38 images-39 images-40 lifecycle-15"""
    path = image(host, "one.qcow2")
    dom = machine(host, "one", path)
    contains(qemu_img("check", str(path)).stdout, "No errors were found on the image.")
    dom.create()
    contains(qemu_img("check", str(path)).stderr, "lock")
    dom.suspend()
    contains(qemu_img("check", str(path)).stderr, "lock")
    words = next(iter(qemus().values()))
    contains(" ".join(words), "guest=one,debug-threads=on", " -S ")
    dom.destroy()
    equal(qemu_img("check", str(path)).returncode, 0)


def test_overlays_share_a_base_and_need_it(host):
    """rows: images-46 images-47 images-48 images-49 images-51 images-52 images-53 images-66"""
    base = image(host, "base.qcow2")
    tops = [image(host, f"top{number}.qcow2", "-b", "base.qcow2", "-F", "qcow2") for number in (1, 2)]
    raw = host.guests.copy("sector.img", "raw.img")
    tops.append(image(host, "top3.qcow2", "-b", "raw.img", "-F", "raw"))
    doms = [machine(host, path.stem, path) for path in tops]
    for dom in doms:
        dom.create()
    contains(host.ok("dumpxml", "top1"), f"<source file='{base}'", "<backingStore type='file'")
    uid = os.stat(f"/proc/{host.qemu_pid('top1')}").st_uid
    equal(tops[0].stat().st_uid, uid, "owner of the overlay")
    check(raw.exists() and base.stat().st_mode & 0o400, "the base cannot be read")
    for dom in doms:
        dom.destroy()
    base.rename(f"{base}.bak")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, doms[0].create, text="base.qcow2")
    equal(host.state("top1"), "shut off")
    os.rename(f"{base}.bak", base)
    doms[0].create()
    equal(host.state("top1"), "running")


def made(*words):
    """What qemu-img says when it succeeds."""
    done = qemu_img(*map(str, words))
    equal(done.returncode, 0, f"qemu-img {words}: {done.stderr}")
    return done.stdout


def not_made(says, *words):
    done = qemu_img(*map(str, words))
    check(done.returncode != 0, f"qemu-img {words}: {done.stdout}")
    contains(done.stderr, says)


def folder(host):
    return host.path("var/lib/libvirt/images")


def disks(paths):
    """Disk elements for {path: format}."""
    return "".join(f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
                   f"<target dev='vd{chr(ord('a') + number)}' bus='virtio'/></disk>"
                   for number, (path, kind) in enumerate(paths.items()))


def boots_from(host, name, path, kind):
    """Starts a machine whose firmware boots from the image; returns what tells whether it did."""
    log = folder(host) / f"{name}.out"
    serial = f"<serial type='file'><source path='{log}'/></serial>"
    xml = host.guests.empty(name, devices=disks({path: kind})).replace("<serial type='pty'/><console type='pty'/>", serial)
    host.define(xml).create()
    return lambda: "Lodge boot sector" in log.read_text(errors="replace")


def test_formats_of_other_platforms(host):
    """rows: images-04 images-06 images-08 images-12 images-13 images-14 images-54 images-55"""
    raw = host.guests.copy("sector.img", "source.img")
    os.truncate(raw, 4 << 20)
    line = next(line for line in made("--help").splitlines() if line.startswith("Supported formats:"))
    check({"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "nbd", "luks"} <= set(line.split()), line)
    booted = []
    for kind in ("vmdk", "vpc", "vdi"):
        path, top = folder(host) / f"other.{kind}", folder(host) / f"{kind}-top.qcow2"
        made("convert", "-O", kind, raw, path)
        contains(made("info", path), f"file format: {kind}")
        made("create", "-q", "-f", "qcow2", "-b", path, "-F", kind, top)
        dom = machine(host, f"{kind}-top", top)
        dom.create()
        contains(dom.XMLDesc(), f"<format type='{kind}'/>", f"<source file='{path}'")
        dom.destroy()
        booted.append(boots_from(host, kind, path, kind))
    for has_booted in booted:
        wait_until(has_booted, "the firmware boots from the image")
    host.ok("destroy", "vmdk")
    vmdk = folder(host) / "other.vmdk"
    for words, result, kind in (((), "new.img", "raw"), (("-f", "vmdk", "-O", "qcow2"), "new.qcow2", "qcow2")):
        made("convert", *words, vmdk, folder(host) / result)
        contains(made("info", folder(host) / result), f"file format: {kind}", "virtual size: 4 MiB")
        contains(made("compare", vmdk, folder(host) / result), "Images are identical.")
    wait_until(boots_from(host, "new", folder(host) / "new.qcow2", "qcow2"), "the firmware boots from what was converted")
    os.truncate(raw, 1)
    check(qemu_img("compare", str(raw), str(vmdk)).returncode == 1, "images that differ are said to be the same")


def test_sizes_tell_how_images_were_allocated(host):
    """rows: images-07 images-10 images-20 images-21 images-31 images-32 images-33 images-36 images-37 images-41
    images-42 images-43 images-44"""
    names = ("thin.img", "thin.qcow2", "full.img", "seek.img", "copy-full.img", "copy-seek.img", "off.qcow2", "metadata.qcow2",
             "falloc.qcow2", "full.qcow2", "difference.qcow2")
    paths = {name: folder(host) / name for name in names}
    contains(made("create", paths["thin.img"], "1g"), "fmt=raw size=1073741824")
    contains(made("create", "-f", "qcow2", paths["thin.qcow2"], "20G"), "fmt=qcow2", "cluster_size=65536", "size=21474836480",
             "lazy_refcounts=off", "refcount_bits=16")
    for name, words in (("full.img", "count=16"), ("seek.img", "count=0 seek=16")):
        subprocess.run(["dd", "if=/dev/zero", f"of={paths[name]}", "bs=1M", "status=none", *words.split()], check=True)
        subprocess.run(["cp", paths[name], paths[f"copy-{name}"]], check=True)
    for mode in ("off", "metadata", "falloc", "full"):
        made("create", "-f", "qcow2", paths[f"{mode}.qcow2"], "16M", "-o", f"preallocation={mode}")
    made("create", "-f", "qcow2", "-b", host.guests.copy("disk.qcow2", "base.qcow2"), "-F", "qcow2", paths["difference.qcow2"])
    dom = host.define(host.guests.empty("m", devices=disks({path: path.suffix[1:].replace("img", "raw")
                                                          for path in paths.values()})))
    virtual = {"thin.img": 1 << 30, "thin.qcow2": 20 << 30, "difference.qcow2": 64 << 20}
    for target, name in zip("abcdefghijk", names):
        capacity, allocation, physical = dom.blockInfo(f"vd{target}")
        equal(capacity, virtual.get(name, 16 << 20), f"virtual size of {name}")
        full = name in ("full.img", "copy-full.img", "falloc.qcow2", "full.qcow2")
        check(allocation >= 16 << 20 if full else allocation < 1 << 20, f"allocation of {name}: {allocation}")
        info = made("info", paths[name])
        contains(info, f"({capacity} bytes)")
        equal(allocation, paths[name].stat().st_blocks * 512, f"allocation of {name}")
        check(physical <= paths[name].stat().st_size, f"physical size of {name}: {physical}")
    check(paths["metadata.qcow2"].stat().st_size > 16 << 20, "the size of a file with metadata for all clusters")
    check(paths["thin.qcow2"].stat().st_size < 300 << 10, "the size of a new qcow2 file")
    contains(host.ok("domblkinfo", "m", "vda", "--human"), "Capacity:       1.000 GiB")
    dom.create()
    equal(dom.blockInfo("vdj")[0], 16 << 20)


def test_options_of_the_format(host):
    """rows: images-09 images-15 images-17 images-18 images-19 images-22 images-23 images-25 images-26 images-28
    images-29 images-30 images-57 images-60"""
    path = {}

    def create(name, *words):
        path[name] = folder(host) / f"{name}.qcow2"
        made("create", "-q", "-f", "qcow2", *words, path[name], "8M")
        return made("info", path[name])

    contains(made("create", "-f", "qcow2", "-o", "?"), "size=", "compat=", "backing_file=", "backing_fmt=", "encrypt.format=",
             "encrypt.key-secret=", "encrypt.iter-time=", "cluster_size=", "preallocation=", "lazy_refcounts=", "refcount_bits=")
    contains(create("old", "-o", "compat=0.10"), "compat: 0.10")
    contains(create("plain"), "compat: 1.1", "cluster_size: 65536", "lazy refcounts: false", "refcount bits: 16")
    for size in (512, 2 << 20):
        contains(create(f"c{size}", "-o", f"cluster_size={size}"), f"cluster_size: {size}")
    for size in (256, 4 << 20):
        not_made("luster size must be a power of two between 512 and 2048k", "create", "-f", "qcow2", "-o",
                 f"cluster_size={size}", folder(host) / "none.qcow2", "8M")
    contains(create("lazy", "-o", "lazy_refcounts=on,refcount_bits=1"), "lazy refcounts: true", "refcount bits: 1")
    contains(create("top", "-o", f"backing_file={path['c512']},backing_fmt=qcow2"), f"backing file: {path['c512']}",
             "backing file format: qcow2")
    contains(create("later", "-u", "-b", "plain.qcow2", "-F", "qcow2"), "backing file: plain.qcow2")
    contains(create("locked", "--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"),
             "encrypted: yes")
    del path["locked"]
    # what is changed afterwards
    made("amend", "-f", "qcow2", "-o", "compat=1.1", path["old"])
    contains(made("info", path["old"]), "compat: 1.1")
    made("rebase", "-u", "-b", path["old"], "-F", "qcow2", path["later"])
    contains(made("info", path["later"]), f"backing file: {path['old']}")
    not_made("Use the --shrink option", "resize", path["lazy"], "-2M")
    contains(made("resize", "--shrink", path["lazy"], "-2M"), "Image resized.")
    contains(made("info", path["lazy"]), "virtual size: 6 MiB")
    made("convert", "-c", "-O", "qcow2", "-t", "none", "-T", "none", "-m", "2", "-W", "-S", "4k", "-o", "lazy_refcounts=on",
         path["plain"], folder(host) / "more.qcow2")
    made("convert", "-U", "-q", "-n", "-f", "qcow2", "-O", "qcow2", path["plain"], folder(host) / "more.qcow2")
    contains(made("convert", "-p", "-O", "qcow2", "-B", path["c512"], "-F", "qcow2", path["top"], folder(host) / "again.qcow2"),
             "100")
    made("convert", "--image-opts", "-O", "raw", f"driver=qcow2,file.filename={path['plain']}", folder(host) / "more.img")
    contains(made("map", "--output=json", path["plain"]), '"length": 8388608', '"zero": true')
    for name in path:
        contains(made("check", path[name]), "No errors were found on the image.")
    del path["c512"], path["old"]  # the bases of others
    # a machine opens them all, and then nobody else writes to them
    host.define(host.guests.empty("m", devices=disks({path[name]: "qcow2" for name in path}))).create()
    equal(len(host.ok("domblklist", "m").split("/images/")), len(path) + 1)
    for words in (["create", "-f", "qcow2", path["top"], "8M"], ["resize", path["top"], "9M"], ["amend", "-o", "compat=0.10", path["top"]]):
        not_made("lock", *words)
    host.ok("destroy", "m")
    made("create", "-f", "qcow2", path["top"], "3M")
    contains(made("info", path["top"]), "virtual size: 3 MiB")
    check("backing file" not in made("info", path["top"]), "an image that was made anew has its old base")


def test_a_base_cannot_be_written_while_overlays_run(host):
    """rows: images-50"""
    base = image(host, "base.qcow2")
    top = image(host, "top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    owner, user = machine(host, "owner", base), machine(host, "user", top)
    user.create()
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, owner.create, text='Failed to get "write" lock')
    equal((host.state("owner"), host.state("user")), ("shut off", "running"))
    user.destroy()
    owner.create()


def test_an_image_by_its_path_in_a_folder_that_is_closed(host):
    """No pool is needed; and where QEMU's user cannot go, the error says so. rows: security-09 storage-pool-14"""
    place = host.path("vm_images")
    place.mkdir()
    path = place / "one.qcow2"
    made("create", "-f", "qcow2", path, "1M")
    dom = machine(host, "one", path)
    equal([pool.name() for pool in host.conn.listAllStoragePools() if pool.name() != "default"], [])
    dom.create()
    dom.destroy()
    place.chmod(0o700)
    # libvirtd tries as QEMU's user first; here it is QEMU that says so
    raises(libvirt.VIR_ERR_SYSTEM_ERROR if host.is_reference else libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="Permission denied")
    equal((place.stat().st_mode & 0o777, path.stat().st_uid), (0o700, 0))


def in_guest(host, name, *lines):
    """Starts the demo guest, types the lines, and ends it with its disk written; returns what the lines printed."""
    host.ok("start", name)
    console = host.booted(name)
    said = [console.command(line) for line in lines]
    console.send("umount /disk; poweroff -f\n")
    host.wait_state(name, "shut off", timeout=30)
    console.close()
    return said


def file_of(path, name, work):
    """The content of a file in the file system of an image, without a guest."""
    made("convert", "-O", "raw", path, work)
    return subprocess.run(["/sbin/debugfs", "-R", f"cat /{name}", work], capture_output=True, text=True, check=True).stdout


def test_disks_keep_what_guests_write(host):
    """Snapshots in the image, overlays, copies and larger disks, as the guests see them.
    rows: images-11 images-16 images-59 images-62 images-64 snapshots-05 snapshots-06 snapshots-07 snapshots-08 snapshots-09"""
    work = folder(host) / "work.raw"
    disk = host.guests.copy("disk.qcow2", "demo.qcow2")
    equal(made("snapshot", "-l", disk), "")
    made("snapshot", "-c", "before", disk)
    row = made("snapshot", "-l", disk).splitlines()[-1].split()
    equal(row[:3] + row[-1:], ["1", "before", "0", "0"] if row[-1] == "0" else ["1", "before", "0", "00:00:00.000"], "row of the snapshot")
    contains(made("info", disk), "Snapshot list:")
    copy = folder(host) / "copy.qcow2"
    subprocess.run(["cp", "-a", disk, copy], check=True)
    top = image(host, "top.qcow2", "-b", "copy.qcow2", "-F", "qcow2")
    contains(made("resize", top, "+10M"), "Image resized.")
    host.define(host.guests.demo("demo").replace("type='qcow2'", "type='qcow2' discard='unmap'"))
    host.define(host.guests.demo("other").replace(str(folder(host) / "other.qcow2"), str(top)))
    host.ok("start", "demo")
    for option in ("-a", "-d"):
        not_made("lock", "snapshot", option, "before", disk)
    console = host.booted("demo")
    console.command("rm /disk/README")
    console.command("dd if=/dev/urandom of=/disk/big bs=1M count=20")
    console.command("sync")
    large = disk.stat().st_blocks * 512
    console.command("rm /disk/big; sync")
    console.command("fstrim /disk")
    check(large - disk.stat().st_blocks * 512 > 15 << 20, f"the file kept {disk.stat().st_blocks * 512} of {large} bytes")
    contains(in_guest(host, "other", "echo written > /disk/note", "cat /sys/block/vda/size")[1], str((74 << 20) // 512))
    console.send("umount /disk; poweroff -f\n")
    host.wait_state("demo", "shut off", timeout=30)
    # the copy is another disk: what was removed is still there; what its overlay has comes into it on demand only
    contains(file_of(copy, "README", work), "This file is on the disk")
    equal((file_of(copy, "note", work), file_of(top, "note", work)), ("", "written\n"))
    contains(made("commit", top), "Image committed.")
    equal(file_of(copy, "note", work), "written\n")
    # back to the snapshot
    equal(file_of(disk, "README", work), "")
    made("snapshot", "-a", "before", disk)
    made("snapshot", "-d", "before", disk)
    equal(made("snapshot", "-l", disk), "")
    contains(in_guest(host, "demo", "cat /disk/README")[0], "This file is on the disk")
