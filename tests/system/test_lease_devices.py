"""Leases of logical volumes and SCSI devices go by what names them on every host.

There is no device mapper and no SCSI device everywhere: the kernel's and udev's files about a loop device say that it is one.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark
from test_lease import define, is_locked, keep_leases

OWN = dict(only="lodged", reason="the reference asks lvs and scsi_id, which look at real devices")
GROUP, VOLUME = "g" * 32, "vvvvvvaaaabbbbccccddddeeeewwwwww"


def device(host, name):
    path = host.path(name)
    with open(path, "wb") as file:
        file.truncate(1 << 20)
    return run(["losetup", "-f", "--show", str(path)]).out.strip()


def disk(path):
    return (f"<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='{path}'/>"
            "<target dev='vda' bus='virtio'/></disk>")


def says(where, path, name, text):
    """A file of the system's says that about a device; nobody else sees it."""
    number = os.stat(path).st_rdev
    subprocess.run(["mount", "-t", "tmpfs", "none", where], check=True)
    file = os.path.join(where, name.format(f"{os.major(number)}:{os.minor(number)}"))
    os.makedirs(os.path.dirname(file))
    with open(file, "w", encoding="ascii") as out:
        out.write(text)


def one_at_a_time(host, folder, path, lease):
    define(host, "one", disk(path)).create()
    define(host, "two", disk(path))
    equal([entry.name for entry in folder.iterdir()], [lease])
    check(is_locked(folder / lease) and not is_locked(path), "the file of that name is locked, not the device")
    host.crash_daemon()
    check(is_locked(folder / lease), "it outlives the daemon")
    contains(host.refused("start", "two"), f"'{lease}' is locked by machine 'one'")
    host.ok("destroy", "one")
    host.ok("start", "two")


@mark(**OWN)
def test_a_logical_volume_by_its_uuid(host):
    """rows: cluster-05"""
    folder, path = host.path("shared"), device(host, "volume")
    try:
        says("/sys/dev/block", path, "{}/dm/uuid", f"LVM-{GROUP}{VOLUME}\n")
        keep_leases(host, lvm_lockspace_dir=folder)
        one_at_a_time(host, folder, path, "vvvvvv-aaaa-bbbb-cccc-dddd-eeee-wwwwww")
    finally:
        run(["losetup", "-d", path])


@mark(**OWN)
def test_a_scsi_device_by_its_serial(host):
    """rows: cluster-06"""
    folder, path = host.path("shared"), device(host, "unit")
    try:
        says("/run", path, "udev/data/b{}", "S:disk/by-id/scsi-1\nE:ID_SCSI=1\nE:ID_SERIAL=36001405f\nE:ID_SERIAL_SHORT=6001405f\n")
        keep_leases(host, scsi_lockspace_dir=folder)
        one_at_a_time(host, folder, path, "36001405f")
    finally:
        run(["losetup", "-d", path])
