"""The content of volumes: uploads and downloads, whole and in parts, with their holes.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import os
import pathlib
import random

from lodgetest.host import *
from lodgetest.runner import mark

MIB = 1 << 20


def make_pool(host, name="p"):
    path = host.root / name
    path.mkdir()
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>")
    pool.create()
    return pool, path


def make_volume(pool, name, capacity=MIB, allocation=0):
    return pool.createXML(f"<volume><name>{name}</name><capacity>{capacity}</capacity>"
                          f"<allocation>{allocation}</allocation></volume>")


def some_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def same(got, wanted):
    """equal() prints what it got."""
    equal((len(got), hashlib.sha256(got).hexdigest()), (len(wanted), hashlib.sha256(wanted).hexdigest()))


def upload(host, volume, data, offset=0, length=0, flags=0, end="finish"):
    stream = host.conn.newStream()
    volume.upload(stream, offset, length, flags)
    at = 0
    while at < len(data):
        at += stream.send(data[at:at + 262120])
    getattr(stream, end)()


def download(host, volume, offset=0, length=0, flags=0):
    stream = host.conn.newStream()
    volume.download(stream, offset, length, flags)
    parts = []
    stream.recvAll(lambda _stream, data, parts: parts.append(data), parts)
    stream.finish()
    return b"".join(parts)


def test_what_is_uploaded_comes_down(host):
    """rows: volume-07 volume-16"""
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 5 * MIB)
    data = some_bytes(5 * MIB)
    upload(host, volume, data)
    same((path / "a").read_bytes(), data)
    same(download(host, volume), data)
    same(download(host, volume, 1000, 2000), data[1000:3000])
    same(download(host, volume, 5 * MIB - 10), data[-10:])
    same(download(host, volume, 6 * MIB), b"")
    upload(host, volume, b"x" * 30, 10, 30)
    same(download(host, volume), data[:10] + b"x" * 30 + data[40:])
    # what lies beyond the end of an upload stays
    upload(host, volume, b"y" * 100)
    same(download(host, volume), b"y" * 100 + data[100:])
    upload(host, volume, b"z" * 20, 6 * MIB)
    equal(volume.info()[1], 6 * MIB + 20)
    equal(sorted(f.name for f in path.iterdir()), ["a"])


def test_streams_of_volumes_fail_as_they_should(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a")
    raises(libvirt.VIR_ERR_INVALID_ARG, volume.upload, host.conn.newStream(), 0, 0, 2, text="unsupported flags (0x2)")
    raises(libvirt.VIR_ERR_INVALID_ARG, volume.download, host.conn.newStream(), 0, 0, 2, text="unsupported flags (0x2)")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, upload, host, volume, b"x" * 31, 10, 30,
           text="cannot write to stream: No space left on device")
    equal(sorted(f.name for f in path.iterdir()), ["a"])
    (path / "d").mkdir()
    pool.refresh()
    directory = pool.storageVolLookupByName("d")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, directory.upload, host.conn.newStream(), 0, 0,
           text=f"Unable to open stream for '{path}/d': Is a directory")


@mark(only="lodged", reason="libvirtd writes into the volume itself")
def test_an_upload_that_is_broken_off_changes_nothing(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 3 * MIB)
    data = some_bytes(3 * MIB)
    upload(host, volume, data)
    os.chmod(path / "a", 0o640)
    os.chown(path / "a", 1, 2)
    upload(host, volume, some_bytes(2 * MIB, 2), end="abort")
    wait_until(lambda: [f.name for f in path.iterdir()] == ["a"], "its temporary is gone")
    same((path / "a").read_bytes(), data)
    upload(host, volume, some_bytes(3 * MIB, 3))
    status = (path / "a").stat()
    equal((status.st_mode & 0o7777, status.st_uid, status.st_gid), (0o640, 1, 2))
    same((path / "a").read_bytes(), some_bytes(3 * MIB, 3))


@mark(only="lodged", reason="libvirtd writes into the volume itself")
def test_a_daemon_that_dies_during_an_upload_leaves_the_old_content(host):
    pool, path = make_pool(host)
    pool.setAutostart(1)
    volume = make_volume(pool, "a", 3 * MIB)
    data = some_bytes(3 * MIB)
    upload(host, volume, data)
    stream = host.conn.newStream()
    volume.upload(stream, 0, 0)
    stream.send(b"x" * 262120)
    wait_until(lambda: len(list(path.iterdir())) == 2, "the upload has begun")
    host.crash_daemon()
    wait_until(lambda: [f.name for f in path.iterdir()] == ["a"], "its temporary is gone")
    same((path / "a").read_bytes(), data)


@mark(only="lodged", reason="libvirtd lets a volume be removed and resized meanwhile")
def test_a_volume_is_left_alone_while_it_streams(host):
    pool, _path = make_pool(host)
    volume = make_volume(pool, "a")
    stream = host.conn.newStream()
    volume.upload(stream, 0, 0)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, volume.delete, text="volume 'a' is still in use.")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, volume.upload, host.conn.newStream(), 0, 0, text="still in use")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, pool.destroy, text="has asynchronous jobs running")
    stream.abort()
    volume.delete()


class Holes:
    """A sparse file for sparseSendAll, and what sparseRecvAll brings."""

    def __init__(self, pieces=()):
        self.pieces = list(pieces)
        self.at = 0
        self.parts = []

    def send(self, _stream, count, _opaque):
        if not self.pieces or isinstance(self.pieces[0], int):
            return b""
        data, self.pieces[0] = self.pieces[0][:count], self.pieces[0][count:]
        if not self.pieces[0]:
            self.pieces.pop(0)
        return data

    def hole(self, _stream, _opaque):
        if not self.pieces:
            return [True, 0]
        if isinstance(self.pieces[0], int):
            return [False, self.pieces[0]]
        return [True, len(self.pieces[0])]

    def skip(self, _stream, length, _opaque):
        equal(self.pieces.pop(0), length)
        return 0

    def take(self, _stream, data, _opaque):
        self.parts.append(data)
        return len(data)

    def take_hole(self, _stream, length, _opaque):
        self.parts.append(length)
        return 0


def test_holes_go_both_ways(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 4096)
    data = some_bytes(MIB)
    stream = host.conn.newStream()
    volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    holes = Holes([4 << 30, data, 2 << 30])
    stream.sparseSendAll(holes.send, holes.hole, holes.skip, None)
    stream.finish()
    status = (path / "a").stat()
    equal(status.st_size, (6 << 30) + MIB)
    check(status.st_blocks * 512 < 2 * MIB, f"{status.st_blocks} blocks are taken")
    stream = host.conn.newStream()
    volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    holes = Holes()
    stream.sparseRecvAll(holes.take, holes.take_hole, None)
    stream.finish()
    same(b"".join(p for p in holes.parts if isinstance(p, bytes)), data)
    equal(sum(p for p in holes.parts if isinstance(p, int)), 6 << 30)


def resident(host):
    for line in pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@mark(only="lodged", reason="it is our own accounting")
def test_gigabytes_pass_through_little_memory(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 4096)
    local = host.root / "local"
    with open(local, "wb") as file:
        for seed in range(96):
            file.write(some_bytes(MIB, seed))
    before = resident(host)
    host.ok("vol-upload", "a", str(local), "--pool", "p")
    host.ok("vol-download", "a", str(host.root / "back"), "--pool", "p")
    grown = resident(host) - before
    # a sanitizer keeps what was freed
    check("asan" in pathlib.Path(f"/proc/{host.daemon.pid}/maps").read_text() or grown < 24 * MIB,
          f"the daemon grew by {grown} bytes")
    sums = {hashlib.sha256(p.read_bytes()).digest() for p in (local, path / "a", host.root / "back")}
    equal(len(sums), 1)
