"""Machines from machines: clones, linked clones, templates, batches.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import re
import signal
import subprocess
import time

from lodgetest.cloud import *
from lodgetest.host import *
from lodgetest.moments import *
from lodgetest.runner import mark

TINY = ["--virt-type", "qemu", "--memory", "64M", "--cpus", "1", "--ssh-key", KEY, "--no-wait", "--no-display"]


def machine(host, name="web", running=False):
    host.network(NETWORK)
    add_image(host)
    host.lodge_ok("run", name, "--image", "tiny", *TINY, env=home(host))
    if not running:
        host.ok("destroy", name)


def volumes(host, pool="default"):
    return sorted(re.findall(r"^ (\S+) ", host.ok("vol-list", pool), re.M)[1:])


def names(host):
    return sorted(host.ok("list", "--all", "--name").split())


def path(host, name):
    return host.path(f"var/lib/libvirt/images/{name}")


def put(file, value):
    subprocess.run(["qemu-io", "-c", f"write -P {value} 64k 512", file], check=True, capture_output=True)


def get(file):
    """The value that was put there; 0: none."""
    for value in (17, 18, 0):
        done = subprocess.run(["qemu-io", "-r", "-U", "-c", f"read -P {value} 64k 512", file], capture_output=True,
                              text=True, check=False)
        if "Pattern verification failed" not in done.stdout and done.returncode == 0:
            return value
    return None


def below(file):
    out = subprocess.run(["qemu-img", "info", "-U", "--output=json", file], capture_output=True, text=True,
                         check=True).stdout
    return json.loads(out).get("full-backing-filename")


def test_a_clone_is_a_machine_of_its_own(host):
    """rows: offline-tools-19 offline-tools-20 install-21"""
    machine(host)
    put(path(host, "web.qcow2"), 17)
    host.lodge_ok("clone", "web", "--name", "db")
    old, new = host.ok("dumpxml", "web"), host.ok("dumpxml", "db")
    for what in ("<uuid>(.*?)</uuid>", "<mac address='(.*?)'", "<source file='(.*?)'", "<log file='(.*?)'"):
        check(re.search(what, old).group(1) != re.search(what, new).group(1), what)
    equal(volumes(host), ["db-seed.iso", "db.qcow2", "web-seed.iso", "web.qcow2"])
    equal(get(path(host, "db.qcow2")), 17)
    equal(below(path(host, "db.qcow2")), None)
    files = seed_files(path(host, "db-seed.iso"))
    uuid = re.search("<uuid>(.*?)</uuid>", new).group(1)
    equal(config(files["meta-data"]), {"instance-id": f"{uuid}-1", "local-hostname": "db"})
    equal(config(files["user-data"])["hostname"], "db")
    equal(config(files["user-data"])["users"][1]["ssh_authorized_keys"], [KEY])
    contains(json.dumps(config(files["user-data"])["bootcmd"]), "machine-id")
    equal(config(files["network-config"])["ethernets"]["lodge0"]["match"]["macaddress"], mac_of(host, "db"))
    host.ok("start", "db")
    host.ok("start", "web")


def test_names_are_found_and_options_of_virt_clone_act(host):
    """rows: offline-tools-19"""
    machine(host)
    host.lodge_ok("clone", "--original", "web", "--auto-clone")
    host.lodge_ok("clone", "web", "--auto-clone")
    equal(names(host), ["web", "web-clone", "web-clone-1"])
    uuid = "11111111-2222-3333-4444-555555555555"
    host.lodge_ok("clone", "web", "-n", "own", "-u", uuid, "-m", "52:54:00:aa:bb:cc", "-f", str(path(host, "own.img")))
    xml = host.ok("dumpxml", "own")
    contains(xml, uuid, "52:54:00:aa:bb:cc", f"<source file='{path(host, 'own.img')}'/>")
    before = len(names(host))
    contains(host.lodge_ok("clone", "web", "-n", "shown", "--print-xml"), "<name>shown</name>")
    equal(len(names(host)), before)
    told = host.lodge("clone", "web", "-n", "own")
    contains(told.err, "there is a machine 'own' already")
    host.lodge_ok("clone", "web", "-n", "own", "--replace", "-f", str(path(host, "own2.img")))
    check(uuid not in host.ok("dumpxml", "own"), "it was not replaced")
    host.lodge_ok("clone", "web", "-n", "shares", "--skip-copy", "vda")
    contains(host.ok("dumpxml", "shares"), f"<source file='{path(host, 'web.qcow2')}'/>")


@mark(requires=["ovmf"])
def test_variables_of_the_firmware_go_along(host):
    host.ok("pool-define-as", "default", "dir", "--target", str(path(host, "")))
    host.ok("pool-start", "default")
    xml = host.guests.empty("efi", machine="q35", memory_kib=65536,
                            os_part="<firmware><feature enabled='no' name='secure-boot'/></firmware>")
    host.define(xml.replace("<os>", "<os firmware='efi'>"))
    host.ok("start", "efi", "--paused")
    host.ok("destroy", "efi")
    nvram = host.path("var/lib/libvirt/qemu/nvram/efi_VARS.fd")
    data = bytearray(nvram.read_bytes())
    data[-100:-90] = b"canary1234"
    nvram.write_bytes(data)
    host.lodge_ok("clone", "efi", "--name", "other")
    host.ok("start", "other", "--paused")
    contains(host.ok("dumpxml", "other"), "other_VARS.fd")
    equal(host.path("var/lib/libvirt/qemu/nvram/other_VARS.fd").read_bytes()[-100:-90], b"canary1234")


def test_a_running_machine_is_copied_as_it_was(host):
    machine(host, running=True)
    host.lodge_ok("clone", "web", "--name", "copy", timeout=120)
    equal(host.state("web"), "running")
    equal(host.ok("snapshot-list", "web", "--name").split(), [])
    equal(volumes(host), ["copy-seed.iso", "copy.qcow2", "web-seed.iso", "web.qcow2"])
    contains(host.ok("dumpxml", "web"), f"<source file='{path(host, 'web.qcow2')}'")
    host.ok("start", "copy")


def test_linked_clones_stand_on_what_does_not_change(host):
    """rows: images-46"""
    machine(host)
    put(path(host, "web.qcow2"), 17)
    host.lodge_ok("clone", "web", "--linked", "--count", "3", "--name", "c%02d", "--start", timeout=120)
    equal(names(host), ["c01", "c02", "c03", "web"])
    for name in ("c01", "c02", "c03"):
        equal(host.state(name), "running")
        equal(below(path(host, f"{name}.qcow2")), str(path(host, "web.qcow2")))
        equal(get(path(host, f"{name}.qcow2")), 17)
    # The original goes on in an image of its own.
    current = re.search("<source file='(.*?qcow2.*?|.*?clones.*?)'", host.ok("dumpxml", "web", "--inactive")).group(1)
    check(current != str(path(host, "web.qcow2")), "the original still writes to it")
    put(current, 18)
    equal(get(path(host, "c01.qcow2")), 17)
    told = host.lodge("vol-delete", "web.qcow2", "default")
    equal(told.code, 1)
    contains(told.err, "c01")


def test_a_template_gives_machines(host):
    """rows: install-21"""
    machine(host)
    put(path(host, "web.qcow2"), 17)
    host.lodge_ok("template", "create", "web", "base")
    contains(host.lodge_ok("template", "list"), "base", "web")
    host.lodge_ok("template", "instantiate", "base", "one", "--start")
    host.lodge_ok("template", "instantiate", "base", "two", "--full")
    equal(get(path(host, "one.qcow2")), 17)
    equal(get(path(host, "two.qcow2")), 17)
    equal(below(path(host, "one.qcow2")), str(host.path("var/lib/libvirt/library/base-vda.qcow2")))
    equal(below(path(host, "two.qcow2")), None)
    equal(host.path("var/lib/libvirt/library/base.json").stat().st_mode & 0o777, 0o600)
    equal(config(seed_files(path(host, "one-seed.iso"))["user-data"])["hostname"], "one")
    told = host.lodge("image", "rm", "base")
    equal(told.code, 1)
    contains(told.err, "one")
    host.ok("destroy", "web") if host.state("web") == "running" else None
    host.lodge_ok("undefine", "web", "--remove-all-storage")
    host.lodge_ok("template", "instantiate", "base", "three")
    for name in ("one", "three"):
        host.virsh("destroy", name)
        host.lodge_ok("undefine", name, "--remove-all-storage")
    host.lodge_ok("image", "rm", "base")
    told = host.lodge("template", "instantiate", "base", "four")
    contains(told.err, "there is no image 'base' in the library")


def test_twenty_linked_clones(host):
    machine(host)
    host.lodge_ok("template", "create", "web", "base")
    begin = time.monotonic()
    host.lodge_ok("template", "instantiate", "base", "--count", "20", "--name", "n%02d", "--start", timeout=240)
    print(f"20 linked clones in {time.monotonic() - begin:.1f} s")
    equal(len([name for name in names(host) if host.state(name) == "running"]), 20)
    macs = {mac_of(host, f"n{number:02d}") for number in range(1, 21)}
    equal(len(macs), 20)
    instances = {config(seed_files(path(host, f"n{number:02d}-seed.iso"))["meta-data"])["instance-id"]
                 for number in (1, 7, 20)}
    equal(len(instances), 3)


def test_what_fails_leaves_nothing(host):
    machine(host)
    before = volumes(host)
    path(host, "db-seed.iso").write_bytes(b"in the way")
    told = host.lodge("clone", "web", "--name", "db")
    equal(told.code, 1)
    equal(names(host), ["web"])
    path(host, "db-seed.iso").unlink()
    wait_until(lambda: volumes(host) == before, "nothing is left")
    for options, text in ((["--count", "3", "--name", "x"], "need a place for a number"),
                          (["--count", "3", "--name", "x%s"], "need a place for a number"),
                          (["--name", "x", "-u", "nonsense"], "uuid"), (["--name", "x", "-m", "nonsense"], "nonsense")):
        told = host.lodge("clone", "web", *options)
        check(told.code != 0, str(told))
        contains(told.err.lower(), text)
    equal(names(host), ["web"])
    equal(volumes(host), before)


def test_an_interrupted_batch_says_what_it_made(host):
    machine(host)
    host.lodge_ok("template", "create", "web", "base")
    process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "template", "instantiate", "base", "--count",
                                "30", "--name", "n%d"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "n2" in names(host), "some are made", timeout=60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    made = sorted(re.findall("Machine '(.*?)' made", out))
    equal([name for name in names(host) if name != "web"], made)
    for name in made:
        check(f"{name}.qcow2" in volumes(host), f"{name} has no disk")
    equal(len([name for name in volumes(host) if name.endswith(".qcow2")]), len(made) + 1)


@mark(requires=["program:mkfs.xfs"])
def test_a_file_system_that_can_share_data_does(host):
    """An image of 10 GiB with 2 GiB in it is cloned in the time of a system call."""
    machine(host)
    disk, mount = host.path("xfs.img"), host.path("shares")
    mount.mkdir()
    subprocess.run(["truncate", "-s", "6G", disk], check=True)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", disk], check=True)
    if subprocess.run(["mount", "-o", "loop", disk, mount], capture_output=True).returncode != 0:
        print("no loop device: not tried")
        return
    mount.chmod(0o755)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", mount / "big.qcow2", "10G"], check=True)
    subprocess.run(["qemu-io", "-c", "write -z 0 1M", "-c", "write -P 17 64k 64M", mount / "big.qcow2"], check=True,
                   capture_output=True)
    host.ok("pool-define-as", "shares", "dir", "--target", str(mount))
    host.ok("pool-start", "shares")
    xml = host.ok("dumpxml", "web", "--inactive").replace(str(path(host, "web.qcow2")), str(mount / "big.qcow2"))
    host.define(xml)
    before = os.statvfs(mount).f_bfree
    begin = time.monotonic()
    host.lodge_ok("clone", "web", "--name", "twin")
    print(f"cloned in {time.monotonic() - begin:.3f} s")
    subprocess.run(["sync", "-f", mount], check=True)
    check((before - os.statvfs(mount).f_bfree) * os.statvfs(mount).f_frsize < 16 << 20, "the data was copied")
    equal(get(mount / "twin.qcow2"), 17)
    put(mount / "twin.qcow2", 18)
    equal(get(mount / "big.qcow2"), 17)
    host.ok("destroy", "web") if host.state("web") == "running" else None
    host.lodge_ok("undefine", "twin", "--remove-all-storage")
    host.ok("pool-destroy", "shares")
    subprocess.run(["umount", mount], check=True)


@mark(only="lodged")
def test_killed_at_any_moment_clones_can_be_removed(host):
    machine(host)
    host.lodge_ok("template", "create", "web", "base")
    kept = volumes(host)
    for number in range(10):
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "template", "instantiate", "base",
                                    f"k{number}", *(["--full"] if number % 2 else [])], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=0.05 * number)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # What the daemon was asked for before goes on, and belongs to its machine.
    for name in names(host):
        if name != "web":
            wait_until(lambda: host.lodge("undefine", name, "--remove-all-storage").code == 0
                       or name not in names(host), f"{name} can be removed", timeout=30)
    wait_until(lambda: volumes(host) == kept, f"nothing is left but {kept}", timeout=30)


def test_disks_of_every_kind_go_along(host):
    """Outside of pools, raw, read-only, several."""
    machine(host)
    away = host.path("away")
    away.mkdir(mode=0o755)
    for name, kind in (("a.raw", "raw"), ("b.qcow2", "qcow2"), ("ro.raw", "raw")):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, away / name, "1M"], check=True)
        put(away / name, 17)
    disks = "".join(
        f"<disk type='file'><driver name='qemu' type='{kind}'/><source file='{away / name}'/>"
        f"<target dev='{dev}' bus='virtio'/>{more}</disk>"
        for name, kind, dev, more in (("a.raw", "raw", "vda", ""), ("b.qcow2", "qcow2", "vdb", ""),
                                      ("ro.raw", "raw", "vdc", "<readonly/>")))
    host.define(host.guests.empty("many", devices=disks + "<disk type='file' device='cdrom'><target dev='hda'/></disk>"))
    told = host.lodge("clone", "many", "--name", "copy")
    equal(told.code, 0)
    contains(told.err, "there is no seed of cloud-init", "lodge disk sysprep copy")
    xml = host.ok("dumpxml", "copy")
    contains(xml, f"{path(host, 'copy-vda.img')}", f"{path(host, 'copy-vdb.qcow2')}", f"{away / 'ro.raw'}")
    for name in ("copy-vda.img", "copy-vdb.qcow2"):
        equal(get(path(host, name)), 17)
    host.lodge_ok("clone", "many", "--name", "all", "--force-copy", "vdc", "--skip-copy", "vdb")
    xml = host.ok("dumpxml", "all")
    contains(xml, f"{path(host, 'all-vdc.img')}", f"{away / 'b.qcow2'}")
    host.ok("start", "copy")
