"""Disks whose files a client opens: <source fdgroup='NAME'> and virDomainFDAssociate.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json

import libvirt

from lodgetest.host import *
from lodgetest.runner import mark

INVALID_ARG = libvirt.VIR_ERR_INVALID_ARG


def disk(path, group, target):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}' fdgroup='{group}'/>"
            f"<target dev='{target}' bus='virtio'/></disk>")


def image(host, name):
    """An image that only root can open."""
    path = host.path(f"var/lib/libvirt/images/{name}")
    path.write_bytes(bytes(1 << 20))
    path.chmod(0o600)
    return path


def opened(path, *modes):
    return [os.open(path, mode) for mode in modes]


def fdsets(host):
    """But for those into which consoles print."""
    answer = json.loads(host.ok("qemu-monitor-command", "tiny", '{"execute":"query-fdsets"}'))["return"]
    return sorted(names for one in answer if not (names := tuple(fd["opaque"] for fd in one["fds"]))[0].endswith("-log"))


def test_a_machine_starts_with_descriptors_of_a_client(host):
    path = image(host, "given.img")
    dom = host.conn.defineXML(host.guests.sector("tiny", disk(path, "given", "vda")))
    contains(dom.XMLDesc(), "fdgroup='given'")
    raises(INVALID_ARG, dom.create, text="file descriptor group 'given' was not associated with the domain")
    raises(INVALID_ARG, dom.FDAssociate, "given", [], 0)
    raises(INVALID_ARG, dom.FDAssociate, "given", [0], 64)
    dom.FDAssociate("given", opened(path, os.O_RDONLY, os.O_RDWR), libvirt.VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_WRITABLE)
    dom.create()
    equal((path.stat().st_uid, path.stat().st_mode & 0o777), (0, 0o600))
    contains(dom.XMLDesc(), "fdgroup='given'")
    equal(fdsets(host), [("libvirt-1-storage0", "libvirt-1-storage1")])
    if host.is_reference:  # cannot tell sizes, and loses such a machine when it starts again
        return
    equal(dom.blockInfo("vda")[0], 1 << 20)
    host.restart_daemon()
    dom = host.conn.lookupByName("tiny")
    contains(dom.XMLDesc(), "fdgroup='given'")
    dom.destroy()
    raises(INVALID_ARG, dom.create)  # the connection that brought them is gone


@mark(only="lodged", reason="the reference leaves the locks of a first start on the open files")
def test_a_group_lives_as_long_as_its_connection(host):
    path = image(host, "given.img")
    host.conn.defineXML(host.guests.sector("tiny", disk(path, "given", "vda")))
    other = host.open()
    other.lookupByName("tiny").FDAssociate("given", opened(path, os.O_RDONLY, os.O_RDWR), 0)
    dom = host.conn.lookupByName("tiny")
    for _ in range(2):  # it serves more than one start
        dom.create()
        dom.destroy()
    host.drop_connections()
    dom = host.conn.lookupByName("tiny")
    wait_until(lambda: refusal_or_stop(dom) == INVALID_ARG, "the group is gone")


def refusal_or_stop(dom):
    try:
        dom.create()
    except libvirt.libvirtError as error:
        return error.get_error_code()
    dom.destroy()
    return None


@mark(only="lodged", reason="the reference fails with words of QEMU")
def test_such_a_disk_comes_and_goes(host):
    dom = host.start_sector()
    path = image(host, "late.img")
    raises(INVALID_ARG, dom.attachDevice, disk(path, "late", "vdb"))
    check("vdb" not in dom.XMLDesc(), "the disk stays in the document")
    dom.FDAssociate("late", opened(path, os.O_RDONLY, os.O_RDWR), 0)
    dom.attachDevice(disk(path, "late", "vdb"))
    contains(dom.XMLDesc(), "fdgroup='late'")
    equal(len(fdsets(host)), 1)


def test_the_shell_gives_descriptors_to_a_domain(host):
    path = image(host, "given.img")
    host.conn.defineXML(host.guests.sector("tiny", disk(path, "given", "vda")))
    read, write = opened(path, os.O_RDONLY, os.O_RDWR)
    result = run([host.lodge_program, "-c", host.daemon.uri, f"dom-fd-associate tiny given {read},{write}; start tiny"],
                 pass_fds=[read, write])
    equal((result.code, host.state("tiny")), (0, "running"))
