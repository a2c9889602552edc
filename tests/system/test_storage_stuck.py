"""Pools whose storage stops answering concern themselves alone.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
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


@mark(requires=["fuse"], timeout=300, only="lodged", reason=LIBVIRTD)
def test_dead_pool_concerns_itself_alone(host):
    storage, _, _ = dead_and_witness(host)
    try:
        storage.hang()
        asked = [("vol-info", "v", "dead"), ("vol-dumpxml", "v", "dead"), ("pool-refresh", "dead"),
                 ("vol-create-as", "dead", "new", "1M"), ("vol-delete", "v", "dead"), ("vol-resize", "v", "1M", "dead"),
                 ("vol-clone", "v", "copy", "dead"), ("vol-wipe", "v", "dead"), ("vol-info", f"{storage.mount}/other")]
        clients = [host.terminal(*words) for words in asked]
        conn = host.open()
        check_quick(conn, conn.storagePoolLookupByName("witness"))
        for words, client in zip(asked, clients):
            code = client.wait(timeout=100)
            check(code != 0, f"{words} on dead storage succeeded: {client.seen}")
            if words[1] != f"{storage.mount}/other":
                contains(client.seen, "dead")
        contains(clients[0].seen, str(storage.mount))
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
        client = host.terminal("vol-list", "dead")
        host.ok("pool-destroy", "dead", timeout=15)
        check(client.wait(timeout=100) != 0, "the list of a stopped pool succeeded")
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
