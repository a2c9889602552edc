"""Pools whose storage stops answering concern themselves alone.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import threading

from hanging import HangingStorage, p99
from lodgetest.host import *
from lodgetest.runner import mark

LIBVIRTD = "libvirtd hangs: that is what is to be better"


def make_pool(host, name, folder):
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>")
    pool.create()
    return pool


def check_quick(conn, witness):
    """Calls about other things."""
    for what, function in (("list of pools", lambda: conn.listAllStoragePools()),
                           ("list of machines", lambda: conn.listAllDomains()),
                           ("state of the dead pool", lambda: conn.storagePoolLookupByName("dead").isActive()),
                           ("its document", lambda: conn.storagePoolLookupByName("dead").XMLDesc()),
                           ("another pool", lambda: witness.info()),
                           ("its volumes", lambda: witness.listAllVolumes()),
                           ("one of them", lambda: witness.storageVolLookupByName("v").info())):
        worst = p99(function, 60)
        check(worst < 0.05 * SLOWNESS, f"{what} took {worst * 1000:.0f} ms (p99) while storage hangs")


def dead_and_witness(host):
    storage = HangingStorage(host)
    (storage.backing / "v").write_bytes(b"x" * 4096)
    folder = host.path("alive")
    folder.mkdir()
    (folder / "v").write_bytes(b"x" * 4096)
    return storage, make_pool(host, "dead", storage.mount), make_pool(host, "witness", folder)


def asked_of_dead(conn):
    """Calls that need the storage of the pool."""
    pool = conn.storagePoolLookupByName("dead")
    volume = pool.storageVolLookupByName("v")
    xml = "<volume><name>new</name><capacity>1048576</capacity><target><format type='%s'/></target></volume>"
    return [lambda: pool.storageVolLookupByName("other"), volume.info, volume.XMLDesc, lambda: pool.refresh(0),
            lambda: pool.createXML(xml % "raw", 0), lambda: pool.createXML(xml % "qcow2", 0), lambda: volume.delete(0),
            lambda: volume.resize(1 << 20, 0), lambda: pool.createXMLFrom(xml % "raw", volume, 0), lambda: volume.wipe(0)]


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_dead_pool_concerns_itself_alone(host):
    storage, _, _ = dead_and_witness(host)
    try:
        calls = [asked_of_dead(host.open())[number] for number in range(10)]
        storage.hang()
        errors = [None] * len(calls)

        def ask(number):
            try:
                calls[number]()
            except libvirt.libvirtError as error:
                errors[number] = error

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(calls))]
        for thread in threads:
            thread.start()
        conn = host.open()
        check_quick(conn, conn.storagePoolLookupByName("witness"))
        for number, thread in enumerate(threads):
            thread.join(100)
            check(not thread.is_alive(), f"call {number} waits for ever")
            check(errors[number], f"call {number} on dead storage succeeded")
            contains(errors[number], "dead", str(storage.mount))
        # What was seen a moment ago may still be told, but not for long.
        wait_until(lambda: host.virsh("vol-list", "dead", timeout=60).code != 0, "a list says that the storage is away")
        contains(host.refused("vol-list", "dead", timeout=60), "dead", str(storage.mount))
        contains(host.ok("pool-list", "--all"), "dead")
        storage.answer()
        wait_until(lambda: host.virsh("vol-info", "v", "dead").code == 0, "the pool is back", timeout=60)
        equal(volume_names(host, "dead"), ["v"])
    finally:
        storage.close()


def volume_names(host, pool):
    return sorted(v.name() for v in host.conn.storagePoolLookupByName(pool).listAllVolumes())


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_many_clients_of_a_dead_pool(host):
    storage, _, witness = dead_and_witness(host)
    try:
        storage.hang()
        clients = [host.terminal("vol-list dead; vol-info v dead; pool-refresh dead; pool-info dead") for _ in range(24)]
        check_quick(host.conn, witness)
        storage.answer()
        for client in clients:
            client.wait(timeout=100)
        wait_until(lambda: host.virsh("vol-list", "dead").code == 0, "the pool is back", timeout=60)
    finally:
        storage.close()


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_dead_pool_is_stopped(host):
    """Whoever gives a dead pool up gets rid of it."""
    storage, pool, _ = dead_and_witness(host)
    try:
        storage.hang()
        client = host.terminal("vol-info", "v", "dead")
        refresher = host.terminal("pool-refresh", "dead")
        begin = time.monotonic()
        host.ok("pool-destroy", "dead", timeout=15)
        check(time.monotonic() - begin < 2 * SLOWNESS, "stopping it waits for a refresh")
        check(client.wait(timeout=100) != 0, "a volume of a stopped pool was found")
        check(refresher.wait(timeout=100) != 0, "a stopped pool was refreshed")
        equal(pool.isActive(), 0)
        begin = time.monotonic()
        host.refused("pool-start", "dead", says=str(storage.mount), timeout=60)
        check(time.monotonic() - begin < 45 * SLOWNESS, "the start takes longer than its deadline")
        host.ok("pool-undefine", "dead")
        check("dead" not in host.ok("pool-list", "--all"), "it is there")
        storage.answer()
        make_pool(host, "dead", storage.mount)
        equal(volume_names(host, "dead"), ["v"])
    finally:
        storage.close()


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_dead_pool_delays_no_daemon(host):
    """One that was active and one that is to be started: both are back when the storage is."""
    storage, pool, _ = dead_and_witness(host)
    try:
        pool.setAutostart(1)
        host.ok("pool-create-as", "passing", "dir", "--target", f"{storage.mount}//.")
        for again in (host.restart_daemon, host.reboot):
            storage.answer()
            wait_until(lambda: "dead" in host.ok("pool-list"), "the pool is active", timeout=60)
            begin = time.monotonic()
            again()
            usual = time.monotonic() - begin
            storage.hang()
            begin = time.monotonic()
            again()
            seconds = time.monotonic() - begin
            check(seconds < usual + 3 * SLOWNESS, f"the start took {seconds:.1f} s instead of {usual:.1f} s")
            equal(volume_names(host, "witness") if again == host.restart_daemon else ["v"], ["v"])
        storage.answer()
        wait_until(lambda: "dead" in host.ok("pool-list"), "the pool is active", timeout=60)
        equal(volume_names(host, "dead"), ["v"])
    finally:
        storage.close()


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_volumes_of_others_are_changed_beside_a_machine_on_dead_storage(host):
    """Who needs them is asked of what answers."""
    storage, _, witness = dead_and_witness(host)
    try:
        (storage.backing / "disk").write_bytes(bytes(1 << 20))
        os.chmod(storage.backing / "disk", 0o666)
        dom = host.define(host.guests.empty("m", devices=f"<disk type='file'><source file='{storage.mount}/disk'/>"
                                                         "<target dev='vda' bus='virtio'/></disk>"))
        host.conn.storagePoolLookupByName("dead").destroy()  # no pool knows its path
        dom.create()
        storage.hang()
        xml = "<volume><name>w</name><capacity>4096</capacity></volume>"
        witness.createXML(xml, 0).delete(0)  # the first finds out
        seconds = p99(lambda: witness.createXML(xml, 0).delete(0), 30)
        check(seconds < 0.1 * SLOWNESS, f"making and deleting a volume took {seconds * 1000:.0f} ms (p99)")
        contains(host.lodge_ok("volume", "info", "v", "--pool", "witness"), "Name")
        storage.answer()
        dom.destroy()
    finally:
        storage.close()


@mark(requires=["fuse"], only="lodged", reason="libvirtd truncates it to nothing in between")
def test_a_volume_that_is_wiped_keeps_its_size_at_every_moment(host):
    """Also on a file system that can take no room back: who is killed in between leaves no empty volume."""
    storage, dead, witness = dead_and_witness(host)
    try:
        for pool, folder in ((dead, storage.backing), (witness, host.path("alive"))):
            with open(folder / "v", "wb") as file:
                file.write(b"secret")
                file.truncate(3 << 20)
            volume = pool.storageVolLookupByName("v")
            volume.wipe(0)
            equal((folder / "v").read_bytes() == bytes(3 << 20), True, "it is empty, and as long as before")
            equal(volume.info()[1], 3 << 20)
        equal(os.stat(host.path("alive/v")).st_blocks, 0, "its room was given back")
        lengths = storage.flag.with_name(storage.flag.name + ".lengths")
        check(not lengths.exists(), "it was truncated")
    finally:
        storage.close()
