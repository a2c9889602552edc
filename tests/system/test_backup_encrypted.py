"""Backups of encrypted disks: no passphrase in any argument, and nothing in the clear that was not asked for.

Each image that is made or opened takes a processor some seconds: what LUKS does to passphrases.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark
from test_backup_repo import OWN, create, listed, repo, verify
from test_block_job_moves import pool
from test_disks import encryption, file_disk, fill_luks, luks

PASSPHRASE = "open-sesame"
KINDS = ("luks", "qcow2")


def secret(host, number):
    uuid = f"55555555-5555-4555-8555-55555555555{number}"
    value = host.conn.secretDefineXML(f"<secret ephemeral='no' private='no'><uuid>{uuid}</uuid><usage type='volume'>"
                                      f"<volume>v{number}</volume></usage></secret>")
    value.setValue(PASSPHRASE.encode())
    return uuid


def machine(host, name="m"):
    """With a raw disk, one in LUKS and one in qcow2."""
    devices, paths = "", {}
    for number, kind in enumerate(KINDS):
        target = f"vd{'ab'[number]}"
        path = paths[target] = host.path(f"var/lib/libvirt/images/{kind}")
        text = host.write("text", "")
        text.write_bytes(f"mark of {target}".encode().ljust(512, b"\0"))
        luks(path, PASSPHRASE, kind=kind)
        fill_luks(path, PASSPHRASE, text, kind)
        devices += file_disk(path, target, "raw" if kind == "luks" else "qcow2", encryption(secret(host, number)))
    return host.define(host.guests.empty(name, devices=devices)), paths


def content(path, kind):
    """What is inside, read with the passphrase."""
    option = "key-secret" if kind == "luks" else "encrypt.format=luks,encrypt.key-secret"
    raw = f"{path}.plain"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", "--object", f"secret,id=s,data={PASSPHRASE}", "--image-opts",
                    f"driver={kind},file.filename={path},{option}=s", raw], check=True)
    with open(raw, "rb") as file:
        return file.read()


def restore(host, *words):
    host.path("out").mkdir(exist_ok=True)
    return json.loads(host.lodge_ok("backup", "restore", repo(host), "latest", "-o", "json", *words, timeout=240))["images"]


def same(paths, images, before):
    for (target, kind), path in zip(zip(paths, KINDS), images):
        check(b"mark of" not in open(path, "rb").read(), f"{path} is encrypted")
        check(content(path, kind) == before[target], f"{target} reads as it did")


@mark(requires=["slow"], **OWN)
def test_encrypted_disks_are_backed_up_when_that_is_asked_for(host):
    """And are encrypted again, by the same secret, where they are restored to; QEMU reads those of a running machine."""
    dom, paths = machine(host)
    before = {target: content(paths[target], kind) for target, kind in zip(paths, KINDS)}
    refused = host.lodge("backup", "create", "m", repo(host))
    check(refused.code == 1 and "in the clear" in refused.err and "--decrypt" in refused.err, str(refused))
    create(host, "m", "--decrypt")
    same(paths, restore(host, "--as", "n", "--folder", host.path("out")), before)
    equal(host.ok("dumpxml", "n").count("<encryption format='luks'"), 2, "encrypted disks")
    dom.create()
    equal(create(host, "m", "--decrypt")["stored_bytes"], 0, "what is new")
    equal(verify(host)["good"], True)
    for target, path in zip(paths, restore(host, "--as", "p", "--folder", host.path("out"), "--format", "raw", "--decrypt")):
        check(open(path, "rb").read() == before[target], f"{target} in the clear")
    check("<encryption" not in host.ok("dumpxml", "p"), "it is encrypted no more")


@mark(requires=["slow"], **OWN)
def test_encrypted_disks_go_into_pools_and_where_they_were(host):
    """The machines start."""
    dom, paths = machine(host)
    before = {target: content(paths[target], kind) for target, kind in zip(paths, KINDS)}
    create(host, "m", "--decrypt")
    pool(host)
    same(paths, restore(host, "--as", "o", "--pool", "fast"), before)
    host.conn.lookupByName("o").create()
    same(paths, restore(host), before)
    dom.create()


@mark(**OWN)
def test_the_secret_of_an_encrypted_disk_is_not_told(host):
    """A private one: the machine can be backed up while it runs, and restored in the clear."""
    dom, _ = machine(host)
    for number in range(2):
        host.conn.secretLookupByUUIDString(secret(host, number)).undefine()
        value = host.conn.secretDefineXML(f"<secret private='yes'><uuid>55555555-5555-4555-8555-55555555555{number}</uuid>"
                                          f"<usage type='volume'><volume>v{number}</volume></usage></secret>")
        value.setValue(PASSPHRASE.encode())
    refused = host.lodge("backup", "create", "m", repo(host), "--decrypt")
    check(refused.code == 1 and "private" in refused.err, str(refused))
    dom.create()
    create(host, "m", "--decrypt")
    host.lodge_ok("backup", "schedule", "add", "m", repo(host), "--every", "1h", "--decrypt")
    orders = lambda: json.loads(host.lodge_ok("backup", "schedule", "list", "-o", "json"))
    wait_until(lambda: orders()[0]["last"] or orders()[0]["failure"], "the daemon backs it up", timeout=60)
    equal((orders()[0]["state"], len(listed(host))), ("waiting", 2), orders()[0]["failure"])
    host.path("out").mkdir()
    before = dom.XMLDesc(0)
    refused = host.lodge("backup", "restore", repo(host), "latest", "--as", "n", "--folder", host.path("out"))
    check(refused.code == 1 and "private" in refused.err, str(refused))
    equal(sorted(host.path("out").iterdir()), [], "what is left")
    equal(dom.XMLDesc(0), before)
    host.lodge_ok("backup", "restore", repo(host), "latest", "--as", "n", "--folder", host.path("out"), "--decrypt")
    host.conn.lookupByName("n").create()
