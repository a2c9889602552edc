"""Uploads into volumes that have room and no content yet: the room is used, and nothing is seen before all is there.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os

from lodgetest.host import *
from lodgetest.runner import mark
from test_volume_streams import MIB, download, make_pool, make_volume, same, some_bytes, upload

ONLY = mark(only="lodged", reason="libvirtd writes into the volume itself")


def begin(host, volume):
    stream = host.conn.newStream()
    volume.upload(stream, 0, 0)
    stream.send(b"x" * 262120)
    return stream


@ONLY
def test_room_is_used(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 3 * MIB, 3 * MIB)
    os.chown(path / "a", 1, 2)
    inode = (path / "a").stat().st_ino
    stream = begin(host, volume)
    wait_until(lambda: len(list(path.iterdir())) == 2, "the upload has begun")
    standing_in = (path / "a").stat()
    equal((standing_in.st_size, standing_in.st_uid, standing_in.st_gid, standing_in.st_mode & 0o7777), (3 * MIB, 1, 2, 0o600))
    same((path / "a").read_bytes(), bytes(3 * MIB))
    stream.finish()
    same((path / "a").read_bytes(), b"x" * 262120 + bytes(3 * MIB - 262120))
    status = (path / "a").stat()
    equal((status.st_ino, status.st_blocks * 512 >= 3 * MIB, status.st_uid), (inode, True, 1))
    equal([f.name for f in path.iterdir()], ["a"])
    equal(volume.info()[1:], [3 * MIB, 3 * MIB])
    upload(host, volume, some_bytes(MIB))  # from now on it has content
    same((path / "a").read_bytes()[:MIB], some_bytes(MIB))


@ONLY
def test_room_stays_with_a_volume_whose_upload_is_broken_off(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 3 * MIB, 3 * MIB)
    begin(host, volume).abort()
    wait_until(lambda: [f.name for f in path.iterdir()] == ["a"], "its temporary is gone")
    same((path / "a").read_bytes(), bytes(3 * MIB))
    wait_until(lambda: (path / "a").stat().st_blocks * 512 >= 3 * MIB, "it has its room again")
    wait_until(lambda: volume.info()[2] >= 3 * MIB, "the pool knows")
    upload(host, volume, some_bytes(3 * MIB))
    same((path / "a").read_bytes(), some_bytes(3 * MIB))


@ONLY
def test_a_daemon_that_dies_leaves_it_blank(host):
    pool, path = make_pool(host)
    pool.setAutostart(1)
    volume = make_volume(pool, "a", 3 * MIB, 3 * MIB)
    begin(host, volume)
    wait_until(lambda: len(list(path.iterdir())) == 2, "the upload has begun")
    host.crash_daemon()
    wait_until(lambda: [f.name for f in path.iterdir()] == ["a"], "its temporary is gone")
    same((path / "a").read_bytes(), bytes(3 * MIB))


@ONLY
def test_a_full_disk_has_room_for_what_it_promised(host):
    path = host.root / "small"
    path.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(path)])
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>s</name><target><path>{path}</path></target></pool>")
    pool.create()
    volume = make_volume(pool, "a", 4 * MIB, 4 * MIB)
    begin(host, volume).abort()
    wait_until(lambda: [f.name for f in path.iterdir()] == ["a"], "its temporary is gone")
    same((path / "a").read_bytes(), bytes(4 * MIB))  # nothing was written into the volume itself
    wait_until(lambda: (path / "a").stat().st_blocks * 512 >= 4 * MIB, "it has its room again")
    upload(host, volume, some_bytes(4 * MIB))
    same((path / "a").read_bytes(), some_bytes(4 * MIB))


def test_an_upload_takes_no_more_room_than_it_has(host):
    """On a file system on which room is asked for ahead."""
    image, path = host.path("disk.img"), host.root / "mounted"
    path.mkdir()
    run(["truncate", "-s", "64M", str(image)])
    equal(run(["mkfs.ext4", "-q", str(image)]).code, 0)
    equal(run(["mount", "-o", "loop", str(image), str(path)]).code, 0)
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>m</name><target><path>{path}</path></target></pool>")
    pool.create()
    try:
        volume = make_volume(pool, "a", 3 * MIB)
        upload(host, volume, some_bytes(MIB + 5))
        same(download(host, volume), some_bytes(MIB + 5) + bytes(2 * MIB - 5))
        check((path / "a").stat().st_blocks * 512 <= MIB + 65536, "room beyond the end stays with the file")
        upload(host, volume, some_bytes(5 * MIB, 2))
        equal((path / "a").stat().st_size, 5 * MIB)
        check((path / "a").stat().st_blocks * 512 <= 5 * MIB + 65536, "room beyond the end stays with the file")
    finally:
        pool.destroy()
        run(["umount", str(path)])
