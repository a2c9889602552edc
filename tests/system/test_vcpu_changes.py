"""Changes of a running machine's vCPUs that fail half way.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re

import libvirt_qemu
from lodgetest.host import *

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
BOTH, INACTIVE = LIVE | CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE


def take_name(dom):
    """The name of vCPU 3 in QEMU is taken."""
    command = {"execute": "device_add", "arguments": {"driver": "pci-testdev", "id": "vcpu3"}}
    check("return" in libvirt_qemu.qemuMonitorCommand(dom, json.dumps(command), 0), "it is plugged in")


def vcpus(dom):
    return [vcpu[0] for vcpu in dom.vcpus()[0]]


def current(dom, flags=0):
    found = re.search(r"<vcpu placement='static'( current='(\d)')?>(\d)</vcpu>", dom.XMLDesc(flags))
    return int(found[2] or found[3])


def test_those_that_came_go_again(host):
    """QEMU refuses the last one."""
    dom = host.define(host.guests.demo("demo", vcpus=7).replace("<vcpu>7<", "<vcpu current='1'>7<"))
    dom.create()
    host.booted("demo")
    take_name(dom)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setVcpusFlags, 4, BOTH, text="Duplicate")
    equal((vcpus(dom), current(dom), current(dom, INACTIVE)), ([0], 1, 1))
    # QEMU 7.2 without KVM would abort, in this daemon and the next
    for _ in range(2):
        raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.setVcpusFlags, 2, LIVE, text="it would abort")
        equal((vcpus(dom), current(dom)), ([0], 1))
        host.crash_daemon()
        dom = host.conn.lookupByName("demo")
    check(host.state("demo") == "running", "it runs")


def test_a_guest_that_keeps_what_came(host):
    """It is told what the machine has now; so is whoever asks later, and the next daemon."""
    dom = host.define(host.guests.sector("tiny", vcpus=4).replace("<vcpu>4<", "<vcpu current='1'>4<"))
    dom.create()
    take_name(dom)
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setVcpusFlags, 4, BOTH, text="Duplicate")
    contains(str(error), "the machine has vCPUs 0-2 now")
    for _ in range(2):
        equal((vcpus(dom), current(dom), current(dom, INACTIVE)), ([0, 1, 2], 3, 1))
        host.crash_daemon()
        dom = host.conn.lookupByName("tiny")


def test_a_definition_that_cannot_be_written(host):
    dom = host.define(host.guests.demo("demo", vcpus=3).replace("<vcpu>3<", "<vcpu current='1'>3<"))
    dom.create()
    host.booted("demo")
    folder, moved = host.path("etc/libvirt/qemu"), host.path("etc/libvirt/moved")
    folder.rename(moved)
    folder.write_text("no folder\n")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.setVcpusFlags, 2, BOTH)
    wait_until(lambda: vcpus(dom) == [0], "the guest has let go of what came", 60)
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.setVcpu, "2", 1, BOTH, text="it would abort")
    folder.unlink()
    moved.rename(folder)
    equal((vcpus(dom), current(dom), current(dom, INACTIVE)), ([0], 1, 1))
