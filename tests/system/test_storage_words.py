"""What people who mix things up are told about volumes and images.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from test_volume_streams import MIB, download, make_pool, make_volume, same, some_bytes, upload


@mark(only="lodged", reason="lodge's own")
def test_volumes_and_pools_in_the_wrong_order(host):
    """The pool that was named is what is missing; a pool named first is recognized."""
    pool, _path = make_pool(host)
    make_volume(pool, "a")
    for words in (["vol-delete", "p", "a"], ["vol-info", "p", "a"]):
        contains(host.lodge(*words).err, "failed to get pool 'a'", "no storage pool with matching name 'a'", "'p' is a pool; the volume comes first")
    contains(host.lodge("vol-info", "a", "--pool", "q").err, "no storage pool with matching name 'q'")
    contains(host.lodge("vol-info", "b", "--pool", "p").err, "failed to get vol 'b'")
    contains(host.lodge("vol-create-as", "p", "a", "1M").err, "Failed to create vol a", "exists already")
    contains(host.lodge_ok("vol-create-as", "p", "b", "1M"), "Vol b created")


@mark(only="lodged", reason="lodge's own")
def test_volumes_are_named_with_their_pool(host):
    pool, path = make_pool(host)
    make_volume(pool, "a", 3 * MIB)
    contains(host.lodge_ok("vol-info", "p/a"), "3.00 MiB")
    equal(host.lodge_ok("vol-path", "p/a").strip(), f"{path}/a")
    contains(host.lodge("vol-info", "p/b").err, "no storage vol with matching name 'b'")
    contains(host.lodge("vol-info", "q/a").err, "no storage pool with matching name 'q'")
    contains(host.lodge("vol-info", "a").err, "a name alone is not enough: add --pool")
    host.lodge_ok("vol-delete", "p/a")
    equal(pool.listVolumes(), [])


@mark(only="lodged", reason="lodge's own")
def test_image_commands_fail_in_words_of_their_own(host):
    """A mistake of the user is no internal error, and no command line of another program."""
    pool, _path = make_pool(host)
    host.lodge_ok("vol-create-as", "p", "a", "10M", "--format", "qcow2")
    contains(host.lodge_ok("image", "snapshot", "-l", "p/a"), "Image 'p/a' has no snapshots")
    for words, says in ((["resize", "p/a", "1M"], "--shrink"), (["snapshot", "p/a", "-a", "x"], "'x'"), (["snapshot", "p/a", "-d", "x"], "'x'")):
        refused = host.lodge("image", *words)
        equal(refused.code, 1)
        contains(refused.err, f"operation failed: cannot {words[0]} image 'p/a': ", says)
        check("Child process" not in refused.err and "internal error" not in refused.err, refused.err)
    host.lodge_ok("image", "create", "p/over", "--format", "qcow2", "--backing", "p/a", "--backing-format", "qcow2")
    refused = host.lodge("image", "resize", "p/a", "20M").err
    contains(refused, "volume 'over' of pool 'p'")
    check("stop the machine" not in refused, refused)


def test_an_upload_takes_no_more_room_than_it_has(host):
    pool, path = make_pool(host)
    volume = make_volume(pool, "a", 3 * MIB)
    data = some_bytes(MIB + 5)
    upload(host, volume, data)
    same(download(host, volume), data + bytes(2 * MIB - 5))
    check((path / "a").stat().st_blocks * 512 <= MIB + 65536, "room beyond the end stays with the file")
    upload(host, volume, some_bytes(5 * MIB, 2))
    equal((path / "a").stat().st_size, 5 * MIB)
    check((path / "a").stat().st_blocks * 512 <= 5 * MIB + 65536, "room beyond the end stays with the file")


@mark(only="lodged", reason="libvirtd makes the folder below wherever it was started")
def test_a_pool_has_no_place_below_the_daemon_s_own(host):
    host.lodge_ok("pool-define-as", "r", "dir", "--target", "some/where")
    for words in (["pool-build", "r"], ["pool-start", "r"], ["pool-start", "r", "--build"], ["pool-delete", "r"]):
        contains(host.lodge(*words).err, "target path 'some/where' of storage pool 'r' is not absolute")
    contains(host.lodge("pool-create-as", "s", "dir", "--target", "other", "--build").err, "not absolute")
