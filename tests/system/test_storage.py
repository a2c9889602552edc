"""Pools and volumes: the stories of users, what others do in the folder, restarts, storage that hangs, attacks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

ACTIVE = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE


def make_pool(host, name="p", target=None, start=True, uuid=""):
    """A defined pool of a folder of its own; returns it and the folder."""
    folder = target or host.path(f"data/{name}")
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name>{uuid and f'<uuid>{uuid}</uuid>'}"
                                          f"<target><path>{folder}</path></target></pool>")
    if start:
        pool.build(0)
        pool.create(0)
    return pool, folder


def volume_xml(name, capacity=1 << 20, allocation=None, form="raw", more=""):
    taken = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity>{taken}<target><format type='{form}'/></target>"
            f"{more}</volume>")


def volume_names(pool):
    return sorted(v.name() for v in pool.listAllVolumes())


def active_pools(host):
    return sorted(p.name() for p in host.conn.listAllStoragePools(ACTIVE))


def temporaries(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".lodge-")]


@mark(daemon=False)
def test_fresh_host_has_its_default_pool(host):
    """It is there, active and autostarted, until its owner removes it. rows: storage-pool-15"""
    if not host.is_reference:
        host.path("etc/libvirt/storage").rmdir()
    host.start_daemon()
    if not host.is_reference:
        wait_until(lambda: active_pools(host) == ["default"], "the pool 'default' is active")
        pool = host.conn.storagePoolLookupByName("default")
        equal(pool.autostart(), 1)
        contains(pool.XMLDesc(), f"<path>{host.path('var/lib/libvirt/images')}</path>")
        pool.destroy()
        pool.undefine()
    for again in (host.restart_daemon, host.crash_daemon, host.reboot):
        again()
        equal(host.conn.listAllStoragePools(), [])


def test_active_pools_stay_active(host):
    """Over a restart and a crash, also transient ones; a reboot starts those that are marked so. rows: storage-pool-51"""
    marked, _ = make_pool(host, "marked")
    marked.setAutostart(1)
    make_pool(host, "plain")
    folder = host.path("data/passing")
    folder.mkdir()
    host.ok("pool-create-as", "passing", "dir", "--target", folder)
    make_pool(host, "idle", start=False)
    host.ok("vol-create-as", "plain", "v", "1M")
    before = active_pools(host)
    for again in (host.restart_daemon, host.crash_daemon):
        again()
        wait_until(lambda: active_pools(host) == before, f"{before} are active")
        passing = host.conn.storagePoolLookupByName("passing")
        equal(passing.isPersistent(), 0)
        equal(volume_names(host.conn.storagePoolLookupByName("plain")), ["v"])
    host.reboot()
    wait_until(lambda: "marked" in active_pools(host), "the marked one is active")
    check("plain" not in active_pools(host), "a pool that is not marked was started")
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, host.conn.storagePoolLookupByName, "passing")


def test_folder_from_definition_to_undefinition(host):
    """Build makes the folder, start uses it, stop lets go of it, delete removes it, undefine forgets it, and none does
    another's work (S16). rows: storage-pool-01 storage-pool-19 storage-pool-22 storage-pool-24 storage-pool-25
    storage-pool-33 storage-pool-39 storage-pool-40 storage-pool-41 storage-pool-42 storage-pool-43 storage-pool-44
    storage-pool-45 storage-pool-46 storage-pool-83 storage-pool-91"""
    folder = host.path("data/vm_images")
    stored = host.path("etc/libvirt/storage/vm_images.xml")
    link = host.path("etc/libvirt/storage/autostart/vm_images.xml")
    host.ok("pool-define-as", "vm_images", "dir", "--target", folder)
    check("vm_images" not in host.ok("pool-list"), "a defined pool is active")
    host.refused("pool-start", "vm_images", says=f"cannot open directory '{folder}': No such file or directory")
    host.ok("pool-build", "vm_images")
    equal(folder.stat().st_mode & 0o7777, 0o711)
    host.ok("pool-start", "vm_images")
    host.ok("pool-autostart", "vm_images")
    check(link.is_symlink(), "no link")
    equal(os.readlink(link).endswith("storage/vm_images.xml"), True)
    equal(stored.stat().st_mode & 0o7777, 0o600)
    contains(stored.read_text(), "WARNING", "virsh pool-edit vm_images", "<capacity unit='bytes'>0</capacity>")
    check("<capacity unit='bytes'>0<" not in host.ok("pool-dumpxml", "vm_images"), "an active pool has no size")
    for word, says in (("pool-delete", "is still active"), ("pool-undefine", "is still active"), ("pool-build", "active")):
        host.refused(word, "vm_images", says=says)
    (folder / "keep.iso").write_bytes(b"x")
    host.ok("pool-destroy", "--pool", "vm_images")
    check((folder / "keep.iso").exists(), "stopping removed a file")
    contains(host.ok("pool-info", "vm_images"), "inactive", "Autostart:      yes")
    host.refused("pool-delete", "vm_images", says="Directory not empty")
    (folder / "keep.iso").unlink()
    host.ok("pool-delete", "vm_images")
    check(not folder.exists(), "the folder is there")
    contains(host.ok("pool-list", "--all"), "vm_images")
    host.ok("pool-undefine", "vm_images")
    check(not stored.exists() and not link.is_symlink(), "the definition is there")


def test_library_of_media(host):
    """Files that are copied into the folder are volumes (S16). rows: storage-pool-81 storage-pool-82 storage-pool-95"""
    folder = host.path("data/iso_library")
    folder.mkdir(parents=True, mode=0o700)
    make_pool(host, "iso_library", folder, start=False)[0].create()
    for number in range(3):
        (folder / f"disc{number}.iso").write_bytes(b"\0" * 32768 + b"\1CD001\1" + b"\0" * 4096)
    host.ok("pool-refresh", "iso_library")
    text = host.ok("vol-list", "iso_library")
    contains(text, *(f"{folder}/disc{number}.iso" for number in range(3)))
    contains(host.ok("vol-dumpxml", "disc0.iso", "iso_library"), "<format type='iso'/>")
    equal(folder.stat().st_mode & 0o777, 0o700)


@mark(only="lodged", reason="libvirtd looks at a folder when it is told to")
def test_folder_is_never_stale(host):
    """What another program does in the folder shows at once, and whoever waits for events is told."""
    Loop()
    conn = host.open()
    pool, folder = make_pool(host)
    refreshed = []
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                     lambda conn, pool, opaque: refreshed.append(pool.name()), None)

    def told(what):
        wait_until(lambda: refreshed, f"an event tells that {what}", timeout=2)
        refreshed.clear()

    (folder / "touched").touch()
    equal(volume_names(pool), ["touched"])
    told("a file appeared")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "made", "10M"], check=True)
    equal(conn.storageVolLookupByPath(f"{folder}/made").info()[1], 10 << 20)
    told("an image appeared")
    subprocess.run(["qemu-img", "resize", "-q", folder / "made", "20M"], check=True)
    contains(host.ok("vol-info", "made", "p"), "20.00 MiB")
    told("an image grew")
    with open(folder / "touched", "ab") as out:
        out.write(b"x" * 5000)
    equal(pool.storageVolLookupByName("touched").info()[1], 5000)
    (folder / "touched").rename(folder / "moved")
    equal(volume_names(pool), ["made", "moved"])
    volume = pool.storageVolLookupByName("made")
    (folder / "made").unlink()
    raises(libvirt.VIR_ERR_NO_STORAGE_VOL, volume.info)
    raises(libvirt.VIR_ERR_NO_STORAGE_VOL, pool.storageVolLookupByName, "made")
    raises(libvirt.VIR_ERR_NO_STORAGE_VOL, conn.storageVolLookupByPath, f"{folder}/made")
    told("files went")


def test_events_of_pools(host):
    """rows: storage-pool-21 storage-pool-31"""
    Loop()
    conn = host.open()
    seen = []
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                     lambda conn, pool, event, detail, opaque: seen.append((pool.name(), event, detail)), None)
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                     lambda conn, pool, opaque: seen.append((pool.name(), "refresh")), None)
    pool, _ = make_pool(host)
    pool.createXML(volume_xml("v"), 0).delete(0)
    pool.refresh(0)
    make_pool(host, start=False, uuid=pool.UUIDString())
    pool.destroy()
    pool.delete(0)
    pool.undefine()
    wanted = [("p", 0, 0), ("p", 4, 0), ("p", 2, 0), ("p", "refresh"), ("p", 0, 0), ("p", 3, 0), ("p", 5, 0), ("p", 1, 0)]
    wait_until(lambda: len(seen) >= len(wanted), "all events have come")
    equal(seen, wanted)


def disk_of(host, name, path, form="qcow2"):
    """A machine with this file as its disk."""
    xml = host.guests.sector(name)
    return xml.replace(str(host.path(f"var/lib/libvirt/images/{name}.img")), str(path)).replace("type='raw'", f"type='{form}'")


def test_many_machines_from_one_template(host):
    """Full copies by the pool, each its own (S09). rows: volume-02 volume-31 images-62"""
    pool, folder = make_pool(host)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", host.guests.file("sector.img"), folder / "template"], check=True)
    for number in range(4):
        host.ok("vol-clone", "template", f"copy{number}", "p")
        host.define(disk_of(host, f"copy{number}", folder / f"copy{number}")).create()
    equal(volume_names(pool), sorted(["template"] + [f"copy{n}" for n in range(4)]))
    equal(len({d.UUIDString() for d in host.conn.listAllDomains()}), 4)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 512", folder / "template"], check=True, stdout=subprocess.DEVNULL)
    compared = subprocess.run(["qemu-img", "compare", "-U", folder / "template", folder / "copy0"], check=False,
                              stdout=subprocess.DEVNULL)
    equal(compared.returncode, 1)


def test_linked_clones_and_the_missing_base(host):
    """Overlays of one base made by the pool; without the base the error that users know (S10).
    rows: images-46 images-49 images-51 images-52 volume-18"""
    pool, folder = make_pool(host)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", host.guests.file("sector.img"), folder / "base"], check=True)
    folder.chmod(0o755)
    written = (folder / "base").stat().st_mtime_ns
    for number in (1, 2):
        host.ok("vol-create-as", "p", f"clone{number}", "1M", "--format", "qcow2", "--backing-vol", "base",
                "--backing-vol-format", "qcow2")
        host.define(disk_of(host, f"clone{number}", folder / f"clone{number}")).create()
    contains(host.ok("vol-dumpxml", "clone1", "p"), f"<path>{folder}/base</path>", "<format type='qcow2'/>")
    equal((folder / "base").stat().st_mtime_ns, written)
    if not host.is_reference:
        error = raises(libvirt.VIR_ERR_OPERATION_INVALID, pool.storageVolLookupByName("base").delete, 0)
        contains(error, "base", "clone1")
        error = raises(libvirt.VIR_ERR_OPERATION_INVALID, pool.storageVolLookupByName("clone1").delete, 0)
        contains(error, "clone1")
    for number in (1, 2):
        host.ok("destroy", f"clone{number}")
    (folder / "base").rename(folder / "base.bak")
    host.refused("start", "clone1", says=f"Cannot access backing file '{folder}/base' of storage file '{folder}/clone1'")
    (folder / "base.bak").rename(folder / "base")
    host.ok("start", "clone1")
    host.ok("destroy", "clone1")


def test_sizes_as_tools_see_them(host):
    """What qemu-img and dd make is what vol-info says (S13). rows: images-31 images-32 images-36 images-41 images-42
    images-43 images-44 volume-09"""
    pool, folder = make_pool(host)
    with open(folder / "sparse", "wb") as out:
        out.truncate(16 << 20)
    (folder / "written").write_bytes(b"\1" * (4 << 20))
    for kind in ("off", "metadata", "falloc", "full"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"preallocation={kind}", folder / kind, "16M"], check=True)
    host.ok("pool-refresh", "p")
    for volume in pool.listAllVolumes():
        status = (folder / volume.name()).stat()
        capacity = 4 << 20 if volume.name() == "written" else 16 << 20
        equal(volume.info()[1:], [capacity, status.st_blocks * 512], volume.name())
        equal(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2], status.st_size, volume.name())
    equal(pool.storageVolLookupByName("sparse").info()[2], 0)
    check(pool.storageVolLookupByName("off").info()[2] < 1 << 20, "an empty qcow2 image takes space")
    check(pool.storageVolLookupByName("written").info()[2] >= 4 << 20, "a written file takes none")
    subprocess.run(["qemu-img", "resize", "-q", "--shrink", "-f", "raw", folder / "sparse", "8M"], check=True)
    host.ok("pool-refresh", "p")
    equal(pool.storageVolLookupByName("sparse").info()[1], 8 << 20)


@mark(only="lodged", reason="it starts both")
def test_a_host_that_changes_its_daemon(host):
    """Active pools, also transient ones, and definitions are found by the other daemon, in both directions."""
    from lodgetest.daemon import Libvirtd
    make_pool(host, "kept")[0].setAutostart(1)
    make_pool(host, "idle", start=False)
    folder = host.path("data/passing")
    folder.mkdir()
    host.ok("pool-create-as", "passing", "dir", "--target", folder)
    host.ok("vol-create-as", "kept", "v", "1M", "--format", "qcow2")
    own, other = host.daemon, Libvirtd(host.root)
    for daemon in (other, own):
        host.stop_daemon()
        host.daemon = daemon
        host.start_daemon()
        wait_until(lambda: {"kept", "passing"} <= set(active_pools(host)), f"the pools are active under {daemon.name}")
        conn = host.conn
        equal(conn.storagePoolLookupByName("passing").isPersistent(), 0)
        equal(conn.storagePoolLookupByName("kept").autostart(), 1)
        equal(conn.storagePoolLookupByName("idle").isPersistent(), 1)
        equal(volume_names(conn.storagePoolLookupByName("kept")), ["v"])


def test_large_folder(host):
    """Of many files the names are known first; what is asked about one is right at once."""
    pool, folder = make_pool(host, start=False)
    folder.mkdir(parents=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "v0", "3M"], check=True)
    content = (folder / "v0").read_bytes()
    for number in range(1, 1500):
        (folder / f"v{number}").write_bytes(content)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "v700", "-F", "qcow2", folder / "top"], check=True)
    pool.create(0)
    if not host.is_reference:
        contains(host.lodge("vol-delete", "v700", "--pool", "p").err, "top")
    pool.destroy()
    pool.create(0)
    contains(pool.storageVolLookupByName("top").XMLDesc(), f"<path>{folder}/v700</path>")
    equal(len(volume_names(pool)), 1501)
    for volume in pool.listAllVolumes()[::300]:
        equal(volume.info()[1], 3 << 20)
        contains(volume.XMLDesc(), "<format type='qcow2'/>")
    pool.storageVolLookupByName("v1").delete(0)
    (folder / "v2").unlink()
    pool.refresh(0)
    equal(len(volume_names(pool)), 1499)


def test_words_of_pool_commands(host):
    """The editor changes the stored definition, a file is named either way, every option has its element.
    rows: storage-pool-27 storage-pool-32 storage-pool-80 storage-pool-90"""
    for number, words in enumerate((["--file"], [])):
        path = host.write_xml(f"<pool type='dir'><name>f{number}</name><target><path>{host.path('data')}/f{number}</path></target></pool>",
                              f"f{number}.xml")
        contains(host.ok("pool-define", *words, path), f"Pool f{number} defined from {path}")
    (host.path("data/f0")).mkdir(parents=True)
    contains(host.ok("pool-start", "f0"), "Pool f0 started")
    editor = host.script("editor", "#!/bin/sh\nsed -i 's,/f1<,/elsewhere<,' \"$1\"\n")
    result = host.virsh("pool-edit", "f1", env={**os.environ, "VISUAL": str(editor), "EDITOR": str(editor)})
    equal(result.code, 0, str(result))
    contains(host.path("etc/libvirt/storage/f1.xml").read_text(), f"<path>{host.path('data')}/elsewhere</path>")
    options = ["--source-host", "srv.example", "--source-path", "/export", "--source-dev", "/dev/sdz", "--source-name", "vg",
               "--source-format", "auto", "--target", "/mnt/t"]
    for program in (host.virsh, host.lodge):
        printed = program("pool-define-as", "as", "netfs", *options, "--print-xml").out
        contains(printed, "<host name='srv.example'/>", "<dir path='/export'/>", "<device path='/dev/sdz'/>", "<name>vg</name>",
                 "<format type='auto'/>", "<path>/mnt/t</path>")
        equal(program("pool-define-as", "as", "netfs", *options).code, 0)
        stored = host.ok("pool-dumpxml", "as")
        contains(stored, "<host name='srv.example'/>", "<dir path='/export'/>", "<format type='auto'/>", "<path>/mnt/t</path>")
        host.ok("pool-undefine", "as")


@mark(only="lodged", reason="libvirtd has no such doors")
def test_no_door_shrinks_unless_asked(host):
    pool, folder = make_pool(host)
    (folder / "v").write_bytes(os.urandom(1 << 20))
    (folder / "v").open("r+b").truncate(4 << 20)
    pool.refresh(0)
    before = (folder / "v").read_bytes()
    raises(libvirt.VIR_ERR_INVALID_ARG, pool.storageVolLookupByName("v").resize, 2 << 20)
    for words in (["vol-resize", "v", "2M", "--pool", "p"], ["image", "resize", "p/v", "2M"], ["image", "resize", str(folder / "v"), "2M"],
                  ["image", "resize", "p/v", "--", "-1M"]):
        check(host.lodge(*words).code != 0, f"{words} shrank it")
    host.refused("vol-resize", "v", "2M", "--pool", "p")
    check((folder / "v").read_bytes() == before, "it was changed")
    host.lodge_ok("vol-resize", "v", "2M", "--pool", "p", "--shrink")
    check((folder / "v").read_bytes() == before[:2 << 20], "more than its end was changed")


def test_failures_name_the_volume(host):
    """Not the file that it is while it is made."""
    folder = host.path("var/tmp/ro")
    folder.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "tmpfs", str(folder)])
    host.ok("pool-create-as", "ro", "dir", "--target", str(folder))
    run(["mount", "-o", "remount,ro", str(folder)])
    for words in (["x", "1M"], ["y", "1M", "--format", "qcow2"]):
        said = host.refused("vol-create-as", "ro", *words, says="Read-only file system")
        check(f"{folder}/{words[0]}" in said and ".lodge-" not in said, said)
    contains(host.refused("vol-create-as", "ro", "x", "1M"), f"Failed to create file '{folder}/x': Read-only file system")
