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


def disk(path):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
            "<target dev='vda' bus='virtio'/></disk>")


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


@mark(only="lodged", reason="about lodge")
def test_a_file_is_imported_by_its_relative_path(host):
    image(host, "own.qcow2")
    result = run([host.lodge_program, "-c", host.daemon.uri, "image", "import", "own.qcow2"], cwd=host.path("images"))
    check(result.code == 0, str(result))
    contains(host.lodge_ok("image", "list", "-o", "name"), "own")
