"""`lodge image`: files and volumes, and the guards.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark
from test_disks import file_disk

MIB = 1 << 20


def lodge(host, *words, code=0):
    result = host.lodge(*words, timeout=60)
    equal(result.code, code, f"{words}: {result.out} {result.err}")
    return result.out + result.err


def info(host, image):
    return json.loads(host.lodge("image", "info", image, "-o", "json").out)


def make_pool(host):
    path = host.root / "p"
    path.mkdir()
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>p</name><target><path>{path}</path></target></pool>")
    pool.create()
    return pool, path


@mark(only="lodged", reason="lodge's own")
def test_images_are_made_and_worked_on(host):
    """rows: images-09 images-10 images-11 images-12 images-13 images-14 images-15 images-16 images-17 images-18 images-19"""
    d = host.root / "images"
    d.mkdir()
    base, over, copy = str(d / "base.qcow2"), str(d / "over.qcow2"), str(d / "copy.raw")
    contains(lodge(host, "image", "create", base, "10M", "--format", "qcow2"), f"Image '{base}' created")
    contains(lodge(host, "image-create", base, "10M", code=1), base)  # it is there
    lodge(host, "image", "create", over, "--format", "qcow2", "--backing", base, "--backing-format", "qcow2")
    chain = info(host, over)
    equal([(i["path"], i["format"], i["virtual_bytes"]) for i in chain], [(over, "qcow2", 10 * MIB), (base, "qcow2", 10 * MIB)])
    contains(lodge(host, "image", "info", over), over, "`- " + base, "compat 1.1")
    equal(json.loads(host.lodge("image", "check", over, "-o", "json").out)["check-errors"], 0)
    lodge(host, "image", "resize", over, "20M")
    equal(info(host, over)[0]["virtual_bytes"], 20 * MIB)
    contains(lodge(host, "image", "resize", over, "5M", code=1), "--shrink")
    lodge(host, "image", "resize", over, "10M", "--shrink")
    lodge(host, "image", "convert", over, copy, "-O", "raw")
    contains(lodge(host, "image", "compare", over, copy), "Images are identical.")
    with open(copy, "r+b") as file:
        file.write(b"x")
    contains(lodge(host, "image", "compare", over, copy, code=1), "Content mismatch")
    contains(lodge(host, "image", "map", copy), "Start", "yes")
    lodge(host, "image", "snapshot", over, "-c", "one")
    equal([s["name"] for s in info(host, over)[0]["snapshots"]], ["one"])
    contains(lodge(host, "image", "snapshot", over, "-l"), "one")
    lodge(host, "image", "snapshot", over, "-a", "one")
    lodge(host, "image", "snapshot", over, "-d", "one")
    lodge(host, "image", "bitmap", over, "b0", "--add")
    equal([b["name"] for b in info(host, over)[0]["bitmaps"]], ["b0"])
    lodge(host, "image", "bitmap", over, "b0", "--remove")
    lodge(host, "image", "amend", over, "lazy_refcounts=on")
    check(info(host, over)[0]["lazy_refcounts"], "lazy refcounts are on")
    contains(lodge(host, "image", "measure", over), "required")
    lodge(host, "image", "dd", copy, str(d / "part"), "--bs", "1M", "--count", "2")
    equal((d / "part").stat().st_size, 2 * MIB)
    lodge(host, "image", "commit", over)
    lodge(host, "image", "rebase", over, "--flatten")
    equal(len(info(host, over)), 1)
    equal(sorted(os.listdir(d)), ["base.qcow2", "copy.raw", "over.qcow2", "part"])


@mark(only="lodged", reason="lodge's own")
def test_volumes_are_images_too(host):
    pool, path = make_pool(host)
    lodge(host, "image", "create", "p/a", "10M", "--format", "qcow2")
    equal(pool.storageVolLookupByName("a").info()[1], 10 * MIB)
    lodge(host, "image", "convert", "p/a", "p/b", "-O", "qcow2", "-c")
    equal(sorted(pool.listVolumes()), ["a", "b"])
    equal(info(host, "p/b")[0]["path"], str(path / "b"))
    lodge(host, "image", "resize", "p/b", "+10M")
    equal(pool.storageVolLookupByName("b").info()[1], 20 * MIB)
    contains(lodge(host, "image", "info", "p/none", code=1), "no storage vol with matching name 'none'")
    contains(lodge(host, "image", "info", "none/x", code=1), "none")


@mark(only="lodged", reason="lodge's own")
def test_what_others_need_is_not_written_to(host):
    """rows: images-38"""
    pool, path = make_pool(host)
    pool.createXML("<volume><name>base</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>")
    pool.createXML(f"<volume><name>over</name><capacity>1048576</capacity><target><format type='qcow2'/></target>"
                   f"<backingStore><path>{path}/base</path><format type='qcow2'/></backingStore></volume>")
    contains(lodge(host, "image", "resize", "p/base", "2M", code=1), "it is needed by volume 'over' of pool 'p'")
    contains(lodge(host, "image", "snapshot", "p/base", "-c", "x", code=1), "it is needed by volume 'over'")
    lodge(host, "image", "resize", "p/over", "2M")
    lodge(host, "image", "commit", "p/over")  # its own base
    equal(info(host, "p/base")[0]["used_by"], ["volume 'over' of pool 'p'"])


@mark(only="lodged", reason="lodge's own")
def test_volumes_are_moved_with_lodge(host):
    pool, path = make_pool(host)
    pool.createXML("<volume><name>a</name><capacity>3000000</capacity><allocation>0</allocation></volume>")
    local = host.root / "local"
    local.write_bytes(b"")
    with open(local, "r+b") as file:
        file.write(b"head")
        file.truncate(64 * MIB)
    lodge(host, "volume", "upload", "a", str(local), "--pool", "p", "--sparse")
    equal((path / "a").stat().st_size, 64 * MIB)
    check((path / "a").stat().st_blocks * 512 < MIB, "the hole stays one")
    lodge(host, "vol-download", "a", str(host.root / "back"), "--pool", "p", "--sparse")
    equal((host.root / "back").stat().st_size, 64 * MIB)
    check((host.root / "back").stat().st_blocks * 512 < MIB, "the hole stays one")
    lodge(host, "vol-upload", "a", str(local), "--pool", "p", "--offset", "1M", "--length", "4")
    lodge(host, "vol-download", "a", str(host.root / "part"), "--pool", "p", "--offset", "1M", "--length", "10")
    equal((host.root / "part").read_bytes(), b"head" + bytes(6))
    contains(lodge(host, "vol-clone", "a", "b", "--pool", "p"), "Vol b cloned from a")
    (host.root / "new.xml").write_text("<volume><name>c</name><capacity>1</capacity></volume>")
    contains(lodge(host, "vol-create-from", "p", str(host.root / "new.xml"), "b", "--inputpool", "p"),
             "Vol c created from input vol b")
    contains(lodge(host, "vol-download", "none", str(host.root / "no"), "--pool", "p", code=1), "none")
    check(not (host.root / "no").exists(), "nothing is left of it")


@mark(only="lodged", reason="lodge's own")
def test_encrypted_images(host):
    """They are opened and made with a secret, named by UUID or by the volume."""
    secrets = []
    for number, value in enumerate(("old passphrase", "new passphrase")):
        secret = host.conn.secretDefineXML(f"<secret><usage type='volume'><volume>/v{number}</volume></usage></secret>")
        secret.setValue(value.encode())
        secrets.append(secret.UUIDString())
    d = host.root / "images"
    d.mkdir()
    plain, luks, qcow2, other = (str(d / name) for name in ("plain", "x.luks", "x.qcow2", "other.qcow2"))
    with open(plain, "wb") as file:
        file.write(b"content" * 1000)
        file.truncate(4 * MIB)
    lodge(host, "image", "convert", plain, luks, "-O", "luks", "--other-secret", secrets[0], "--options", "iter-time=10")
    lodge(host, "image", "convert", luks, qcow2, "-O", "qcow2", "--secret", secrets[0], "--other-secret", secrets[1],
          "--options", "encrypt.iter-time=10")
    check(b"contentcontent" not in (d / "x.luks").read_bytes() + (d / "x.qcow2").read_bytes(), "it is not encrypted")
    for image, secret in ((luks, secrets[0]), (qcow2, secrets[1])):
        contains(lodge(host, "image", "compare", image, plain, "--secret", secret), "identical")
        contains(lodge(host, "image", "info", image), "luks", "aes-xts-plain64", "512 bits", "1 key slots used")
        equal(info(host, image)[0]["luks"]["keyslots"], 1)
        lodge(host, "image", "check", image, "--secret", secret, code=0 if image == qcow2 else 1)
        contains(lodge(host, "image", "compare", image, plain, "--secret", secrets[image == luks], code=1), "Invalid password")
        contains(lodge(host, "image", "compare", image, plain, code=1), "key")
    lodge(host, "image", "resize", qcow2, "8M", "--secret", secrets[1])
    equal(info(host, qcow2)[0]["virtual_bytes"], 8 * MIB)
    lodge(host, "image", "create", other, "2M", "--format", "qcow2", "--secret", secrets[0], "--options", "encrypt.iter-time=10")
    contains(lodge(host, "image", "map", other, "--secret", secrets[0]), "Start")
    lodge(host, "image", "dd", luks, str(d / "part"), "--secret", secrets[0], "--bs", "7", "--count", "1")
    equal((d / "part").read_bytes()[:7], b"content")
    contains(lodge(host, "image", "check", qcow2, "--secret", "nonsense", code=1), "nonsense")
    check("passphrase" not in host.daemon.log.read_text(errors="replace"), "a passphrase is in the log")
    pool, path = make_pool(host)
    encryption = f"<encryption format='luks'><secret type='passphrase' uuid='{secrets[0]}'/></encryption>"
    pool.createXML(f"<volume><name>v</name><capacity>{MIB}</capacity><target><format type='raw'/>{encryption}</target></volume>")
    lodge(host, "image", "convert", "p/v", str(d / "opened"), "-O", "raw")
    equal((d / "opened").stat().st_size, MIB)


def make_overlay(path, base):
    """An image that does not say which format its base has, as older programs make it."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", base, "-F", "qcow2", path, "1M"], check=True)
    path.write_bytes(path.read_bytes().replace(b"\xe2\x79\x2a\xca", b"\x12\x34\x56\x78", 1))  # the header extension


@mark(only="lodged", reason="lodge's own")
def test_chains_without_formats_are_mended(host):
    """The error says how, and `lodge image fix` does it; what Lodge makes has them."""
    d = host.root / "images"
    d.mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", d / "base", "1M"], check=True)
    make_overlay(d / "mid", "base")
    make_overlay(d / "top", str(d / "mid"))
    top = str(d / "top")
    dom = host.define(host.guests.empty("m", devices=file_disk(top)))
    error = raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="was not specified in the image metadata")
    hint = host.lodge("start", "m").err
    contains(hint, f"lodge image fix {top}", f"qemu-img rebase -f qcow2 -u -b '{d}/mid' -F qcow2 '{top}'")
    contains(lodge(host, "image", "fix", top), f"'{top}': its base '{d}/mid' has the format qcow2",
             f"'{d}/mid': its base 'base' has the format qcow2")
    equal([i["backing_format"] for i in info(host, top)], ["qcow2", "qcow2", None])
    contains(lodge(host, "image", "fix", top), "nothing is missing")
    dom.create()
    dom.destroy()
    contains(lodge(host, "image", "create", str(d / "new"), "--format", "qcow2", "--backing", top), "created")
    lodge(host, "image", "convert", top, str(d / "copy"), "-O", "qcow2", "--backing", str(d / "mid"))
    lodge(host, "image", "rebase", str(d / "new"), "--base", str(d / "mid"), "--unsafe")
    pool, path = make_pool(host)
    for form in ("qcow2", "raw"):
        pool.createXML(f"<volume><name>b{form}</name><capacity>{MIB}</capacity><target><format type='{form}'/></target></volume>")
        pool.createXML(f"<volume><name>o{form}</name><capacity>{MIB}</capacity><target><format type='qcow2'/></target>"
                       f"<backingStore><path>{path}/b{form}</path><format type='{form}'/></backingStore></volume>")
        equal(info(host, f"p/o{form}")[0]["backing_format"], form)
    for name in ("new", "copy"):
        equal(info(host, str(d / name))[0]["backing_format"], "qcow2")
    make_overlay(d / "over", "top")
    lodge(host, "image", "fix", str(d / "over"))  # nothing below it is written to
    equal(info(host, str(d / "over"))[0]["backing_format"], "qcow2")
