"""What the command line does with several objects at once, or with those that are in use.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark


def image(host, name):
    path = host.path(f"images/{name}")
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    return path


def disk(path, target="vda", more="", device="disk"):
    kind = "raw" if "shareable" in more else "qcow2"
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
            f"<target dev='{target}' bus='{'sata' if device == 'cdrom' else 'virtio'}'/>{more}</disk>")


def pool(host):
    host.path("images").mkdir(exist_ok=True)
    host.ok("pool-create-as", "images", "dir", "--target", str(host.path("images")))


@mark(only="lodged", reason="about lodge")
def test_disks_are_removed_with_their_machine(host):
    """It was refused. Media, shared disks and what others need stay."""
    pool(host)
    names = ("own", "other", "medium", "shared", "needed")
    paths = {name: image(host, name) for name in names}
    os.truncate(paths["shared"], 1 << 20)  # as raw disk: whole blocks
    host.define(host.guests.empty("web", machine="q35", devices=disk(paths["own"]) + disk(paths["other"], "vdb")
                                  + disk(paths["medium"], "sda", device="cdrom") + disk(paths["shared"], "vdc", "<shareable/>")
                                  + disk(paths["needed"], "vdd")))
    host.define(host.guests.empty("user", devices=disk(paths["needed"])))
    host.ok("start", "web")
    contains(host.lodge("undefine", "web", "--remove-all-storage").err, "only on stopped domains")
    host.ok("destroy", "web")
    contains(host.lodge("undefine", "web", "--storage", "vdz").err, "domain 'web' has no disk 'vdz'")
    contains(host.lodge("undefine", "web", "--wipe-storage").err, "--remove-all-storage")
    contains(host.ok("list", "--all", "--name"), "web")
    result = host.lodge("undefine", "web", "--remove-all-storage")
    contains(result.out, f"Volume 'vda'({paths['own']}) removed.", f"Volume 'vdb'({paths['other']}) removed.")
    contains(result.err, "it is needed by machine 'user'")
    equal(result.code, 1)
    equal([name for name in names if paths[name].exists()], ["medium", "shared", "needed"])
    contains(host.lodge_ok("undefine", "user", "--storage", str(paths["needed"])), "removed.")
    check(not paths["needed"].exists(), "the disk is still there")


@mark(only="lodged", reason="about lodge")
def test_what_is_no_volume_is_told(host):
    host.define(host.guests.empty("web", devices=disk(image(host, "own"))))
    result = host.lodge("undefine", "web", "--remove-all-storage")
    contains(result.err, "is no volume of an active pool")
    equal(host.ok("list", "--all", "--name").strip(), "")


@mark(only="lodged", reason="about lodge")
def test_check_of_an_image_in_use(host):
    """"line 1, column 0: unexpected token near end of file" said nothing."""
    path = image(host, "own")
    host.define(host.guests.empty("web", devices=disk(path)))
    host.ok("start", "web")
    result = host.lodge("image", "check", str(path))
    equal(result.code, 1)
    contains(result.err, 'Failed to get shared "write" lock')
    host.ok("destroy", "web")
    contains(host.lodge_ok("image", "check", str(path)), "check-errors: ")


@mark(only="lodged", reason="about lodge")
def test_limits_of_machine_and_definition_at_once(host):
    """The old values were asked of both, which no daemon answers."""
    host.define(host.guests.empty("web", devices=disk(image(host, "own"))))
    host.ok("start", "web")
    host.lodge_ok("blkdeviotune", "web", "vda", "--total-iops-sec", "500", "--live", "--config")
    for where in ("--live", "--config"):
        contains(host.lodge_ok("blkdeviotune", "web", "vda", where), "total_iops_sec : 500")


def test_a_controller_gets_a_free_index(host):
    """It was the first one again: "Invalid PCI address 0000:00:1f.2"."""
    host.define(host.guests.empty("web", machine="q35"))
    port = host.write_xml("<controller type='pci' model='pcie-root-port'/>")
    before = host.ok("dumpxml", "web").count("model='pcie-root-port'")
    host.ok("attach-device", "web", port, "--config")
    host.ok("attach-device", "web", port, "--config")
    equal(host.ok("dumpxml", "web").count("<controller type='pci'"), before + 3)


@mark(only="lodged", reason="about lodge")
def test_interfaces_are_listed_with_their_network(host):
    """As virsh does; it was the bridge."""
    host.network("<network><name>lab</name><bridge name='virbr7'/></network>")
    host.define(host.guests.empty("web", devices="<interface type='network'><source network='lab'/></interface>"))
    host.ok("start", "web")
    equal(host.lodge_ok("domiflist", "web", "-o", "csv", "--columns", "source", "--no-header").strip(), "lab")
