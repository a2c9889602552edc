"""Leases: who writes to an image holds a lock that others see.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import fcntl
import hashlib
import struct
import subprocess

from lodgetest.host import *
from test_checkpoint import disk, image, qmp

LOCK = "hhlli"


def keep_leases(host, **keys):
    """qemu.conf and qemu-lockd.conf say so."""
    conf = host.path("etc/libvirt/qemu.conf")
    conf.write_text((conf.read_text() if conf.exists() else "") + 'lock_manager = "lockd"\n')
    host.write("etc/libvirt/qemu-lockd.conf", "".join(f'{k} = {v if isinstance(v, int) else chr(34) + str(v) + chr(34)}\n'
                                                      for k, v in keys.items()))
    host.restart_daemon()


def is_locked(path, offset=0):
    """As virtlockd, or another host, would see it: a lock of that byte."""
    with open(path, "r+b") as file:
        asked = struct.pack(LOCK, fcntl.F_WRLCK, 0, offset, 1, 0)
        return struct.unpack(LOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK


def define(host, name, *disks, more=""):
    return host.conn.defineXML(host.guests.empty(name, devices="".join(disks) + more))


def test_image_is_locked_while_its_machine_runs(host):
    keep_leases(host)
    path = image(host, "a")
    define(host, "one", disk(path)).create()
    check(is_locked(path), "a lock of byte 0")
    for again in (host.restart_daemon, host.crash_daemon):
        again()
        check(is_locked(path), "the lock outlives the daemon")
    host.kill_daemon()
    check(is_locked(path), "the lock needs no daemon")
    host.start_daemon()
    host.ok("suspend", "one")
    check(is_locked(path), "a paused machine keeps it")
    host.ok("destroy", "one")
    check(not is_locked(path), "the lock goes with the machine")


def test_second_start_says_who_has_it(host):
    """rows: cluster-02 cluster-09"""
    keep_leases(host)
    path = image(host, "a")
    define(host, "one", disk(path)).create()
    pid = host.qemu_pid("one")
    raises(libvirt.VIR_ERR_RESOURCE_BUSY, define(host, "two", disk(path)).create)
    text = host.refused("start", "two")
    contains(text, "is locked", path)
    contains(text, "machine 'one'", f"pid {pid}")
    check(is_locked(path), "still")
    host.ok("destroy", "one")
    host.ok("start", "two")


def test_what_others_locked_is_not_taken(host):
    keep_leases(host)
    path = image(host, "a")
    dom = define(host, "one", disk(path))
    with open(path, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        raises(libvirt.VIR_ERR_RESOURCE_BUSY, dom.create)
    equal(os.stat(path).st_uid, 0, "owner of an image that was not lent")
    dom.create()


def test_hashes_in_a_shared_folder(host):
    """rows: cluster-03 cluster-04"""
    folder = host.path("shared")
    keep_leases(host, file_lockspace_dir=folder)
    path = image(host, "a")
    define(host, "one", disk(path)).create()
    name = hashlib.sha256(path.encode()).hexdigest()
    equal([p.name for p in folder.iterdir()], [name])
    check(is_locked(folder / name) and not is_locked(path), "the file in the folder is locked")
    contains((folder / name).read_text(), "machine 'one' on host", f"pid {host.qemu_pid('one')}")
    contains(host.refused("start", define(host, "two", disk(path)).name()), f"Lockspace resource '{name}' is locked by machine 'one'")
    host.crash_daemon()
    check(is_locked(folder / name), "the lock outlives the daemon")
    os.kill(host.qemu_pid("one"), 9)
    host.wait_state("one", "shut off")
    equal(list(folder.iterdir()), [])
    host.ok("start", "two")


def test_file_of_a_dead_host_does_not_matter(host):
    """rows: cluster-08"""
    folder = host.path("shared")
    keep_leases(host, file_lockspace_dir=folder)
    path = image(host, "a")
    folder.mkdir(exist_ok=True)
    (folder / hashlib.sha256(path.encode()).hexdigest()).write_text("machine 'gone' on host 'dead' (pid 7)\n")
    define(host, "one", disk(path)).create()


def test_disks_that_come_and_go(host):
    keep_leases(host)
    one, two = image(host, "a"), image(host, "b")
    dom = define(host, "one", disk(one))
    dom.create()
    host.ok("attach-device", "one", host.write_xml(disk(two, "vdb")), "--live")
    check(is_locked(two), "the lock comes with the disk")
    host.crash_daemon()
    check(is_locked(two), "and outlives the daemon")
    raises(libvirt.VIR_ERR_RESOURCE_BUSY, define(host, "two", disk(two)).create)
    qmp(host, "one", "system_reset")
    host.virsh("detach-disk", "one", "vdb", "--live")
    if "vdb" not in host.ok("domblklist", "one"):
        check(not is_locked(two), "and goes with it")
    host.ok("destroy", "one")
    check(not is_locked(two) and not is_locked(one), "nothing is locked any more")


def test_shared_and_read_only_disks(host):
    keep_leases(host)
    raw, ro = image(host, "raw", kind="raw"), image(host, "ro")
    shared = disk(raw, "vda", "raw").replace("</disk>", "<shareable/></disk>")
    read_only = disk(ro, "vdb").replace("</disk>", "<readonly/></disk>")
    define(host, "one", shared, read_only).create()
    define(host, "two", shared, read_only).create()
    check(is_locked(raw), "shared")
    check(not is_locked(ro), "read only")
    raises(libvirt.VIR_ERR_RESOURCE_BUSY, define(host, "three", disk(raw, "vda", "raw")).create)


def test_leases_of_documents(host):
    keep_leases(host, auto_disk_leases=0)
    path, lease = image(host, "a"), host.write("lease", "")
    folder = host.path("space/s1")
    folder.mkdir(parents=True)
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, define(host, "none", disk(path)).create)

    def element(where, offset=0):
        return f"<lease><lockspace>s1</lockspace><key>k1</key><target path='{where}' offset='{offset}'/></lease>"
    define(host, "one", disk(path), more=element(lease, 4096)).create()
    check(is_locked(lease, 4096) and not is_locked(lease, 0), "the byte that the lease says")
    raises(libvirt.VIR_ERR_RESOURCE_BUSY, define(host, "two", disk(image(host, "b")), more=element(lease, 4096)).create)
    define(host, "three", disk(image(host, "c")), more=element(folder.parent)).create()
    check(is_locked(folder / "k1"), "a file by the lease's key")
    contains(host.ok("dumpxml", "one"), "<lease>", "<key>k1</key>")


def test_without_a_lock_manager(host):
    path = image(host, "a")
    define(host, "one", disk(path)).create()
    check(not is_locked(path), "no lease")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, define(
        host, "two", more=f"<lease><lockspace>s</lockspace><key>k</key><target path='{path}'/></lease>").create)


def test_sanlock_is_refused_by_name(host):
    conf = host.path("etc/libvirt/qemu.conf")
    old = conf.read_text() if conf.exists() else ""
    host.stop_daemon()
    conf.write_text(old + 'lock_manager = "sanlock"\n')
    done = subprocess.run(host.daemon.arguments(), capture_output=True, text=True, timeout=60, check=False)
    conf.write_text(old)
    host.start_daemon()
    check(done.returncode != 0, "it does not start")
    contains(done.stderr, "lock_manager 'sanlock' is not supported")
