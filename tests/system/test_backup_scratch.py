"""Scratch images of backups that cannot be written to: the guest meets as little of that as QEMU allows.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re

import libvirt

from hanging import HangingStorage
from lodgetest.host import *
from lodgetest.runner import mark
from test_full import OWN, backup, failed, left, small, with_writer


def policy(m, value):
    """All disks have that error_policy from the next start on."""
    m.dom = m.host.define(re.sub("<driver name='qemu' type='qcow2'[^/]*/>", f"<driver name='qemu' type='qcow2' error_policy='{value}'/>",
                                 m.dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))


def pull(host, folder, m):
    disks = "".join(f"<disk name='{t}' type='file'><driver type='qcow2'/><scratch file='{folder}/{t}'/></disk>" for t in m.targets)
    return f"<domainbackup mode='pull'><server transport='unix' socket='{host.path('nbd')}'/><disks>{disks}</disks></domainbackup>"


@mark(**OWN)
def test_a_guest_that_is_told_of_errors_needs_room_for_all(host):
    """Where a machine would not stop, a lack of space must not come to its guest."""
    folder = small(host)
    m = with_writer(host)
    for value in ("report", "ignore"):
        policy(m, value)
        m.dom.create()
        contains(host.refused("backup-begin", "m", host.write_xml(pull(host, folder, m))), f"error_policy='{value}'", str(folder))
        equal((left(folder), host.path("nbd").exists(), host.state("m")), ([], False, "running"))
        roomy = host.path(f"roomy-{value}")
        roomy.mkdir()
        roomy.chmod(0o777)
        backup(host, m, pull(host, roomy, m))
        host.ok("domjobabort", "m")
        m.dom.destroy()


def broken(host, value):
    """The state of the machine, and what it was told, once its backup's images cannot be written to."""
    storage = HangingStorage(host)
    try:
        folder = storage.mount
        m = with_writer(host)
        policy(m, value)
        m.dom.create()
        host.ok("suspend", "m")
        backup(host, m, pull(host, folder, m))
        storage.break_writes()
        host.ok("resume", "m")
        stats = failed(host, m)
        contains(stats["errmsg"], "a write of the guest to disk", "failed during the backup")
        host.wait_state("m", "running")

        def number():
            return json.loads(host.ok("qemu-monitor-command", "m", '{"execute":"query-blockstats"}'))["return"][0]["stats"]["wr_operations"]
        before = number()
        wait_until(lambda: number() > before + 40, "the guest writes on", timeout=30)
        equal(host.path("nbd").exists(), False)
        m.dom.destroy()
    finally:
        storage.close()


@mark(requires=["program:fusermount3"], **OWN)
def test_a_scratch_image_that_breaks_below_a_machine_that_stops(host):
    """It goes on without its backup, and its guest has seen nothing."""
    broken(host, "stop")


@mark(requires=["program:fusermount3"], **OWN)
def test_a_scratch_image_that_breaks_below_a_machine_that_is_told(host):
    """The backup ends at once, and says why."""
    broken(host, "report")
