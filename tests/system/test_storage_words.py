"""What people who mix things up are told about volumes and images.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from test_volume_streams import MIB, make_pool, make_volume


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
    pool.destroy()  # whether it is there cannot be known
    contains(host.lodge("vol-info", "a", "p").err, "storage pool 'p' is not active")


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


@mark(only="lodged", reason="libvirtd makes the folder below wherever it was started")
def test_a_pool_has_no_place_below_the_daemon_s_own(host):
    host.lodge_ok("pool-define-as", "r", "dir", "--target", "some/where")
    for words in (["pool-build", "r"], ["pool-start", "r"], ["pool-start", "r", "--build"], ["pool-delete", "r"]):
        contains(host.lodge(*words).err, "target path 'some/where' of storage pool 'r' is not absolute")
    contains(host.lodge("pool-create-as", "s", "dir", "--target", "other", "--build").err, "not absolute")


@mark(only="lodged", reason="lodge's own")
def test_a_base_is_changed_by_force_only(host):
    pool, path = make_pool(host)
    host.lodge_ok("vol-create-as", "p", "base", "3M", "--allocation", "0")
    host.lodge_ok("image", "create", "p/over", "--format", "qcow2", "--backing", "p/base", "--backing-format", "raw")
    file = host.path("new")
    file.write_bytes(b"x" * MIB)
    for words in (["vol-resize", "base", "2M", "p", "--shrink"], ["vol-upload", "base", str(file), "p"], ["vol-wipe", "base", "p"]):
        refused = host.lodge(*words)
        equal(refused.code, 1)
        contains(refused.err, "volume 'p/over' is based on it", "--force")
        host.lodge_ok(*words, "--force")
    host.lodge_ok("vol-resize", "base", "4M", "p")  # hurts nobody
    host.lodge_ok("vol-wipe", "over", "p", "--algorithm", "zero")
    host.lodge_ok("vol-wipe", "base", "p", "--algorithm", "random")
    equal((path / "base").stat().st_size, 4 * MIB)


@mark(only="lodged", reason="lodge's own")
def test_the_first_of_two_words_alone(host):
    contains(host.lodge_ok("volume", "--help"), "vol-create-as")
    contains(host.lodge_ok("image", "--help"), "image-convert")
    for words, says in ((["volume"], "'lodge help volume'"), (["image"], "'lodge help image'"), (["volume", "foo"], "unknown command: 'volume foo'"),
                        (["nonsense", "foo"], "unknown command: 'nonsense'")):
        refused = host.lodge(*words)
        equal(refused.code, 2)
        contains(refused.err, says)


@mark(only="lodged", reason="libvirtd lets qemu-img say it")
def test_a_damaged_image_is_no_raw_one(host):
    """Nobody copies the bytes of one as if they were a disk."""
    pool, path = make_pool(host)
    header = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(12) + (63).to_bytes(4, "big") + (1 << 30).to_bytes(8, "big") + bytes(72)
    (path / "bad").write_bytes(header + bytes(4096))
    (path / "later").write_bytes(header[:4] + (99).to_bytes(4, "big") + header[8:])
    pool.refresh(0)
    contains(pool.storageVolLookupByName("bad").XMLDesc(), "<format type='qcow2'/>", f"<capacity unit='bytes'>{1 << 30}<")
    contains(pool.storageVolLookupByName("later").XMLDesc(), "<format type='raw'/>")
    for image in ("p/bad", str(path / "bad")):
        contains(host.lodge("image", "info", image).err, str(path / "bad"), "qcow2")
        check(host.lodge("image", "convert", image, "p/out", "-O", "raw").code != 0, "it was copied")
    equal(sorted(pool.listVolumes()), ["bad", "later"])
    host.lodge_ok("vol-delete", "bad", "p")
