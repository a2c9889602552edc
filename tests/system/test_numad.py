"""Machines whose place numad chooses.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import shutil

import libvirt
from lodgetest.host import *
from lodgetest.runner import mark

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
AUTO = "<numatune><memory mode='{}' placement='auto'/></numatune>"


def place(dom, flags=0):
    """What a document says of CPUs and memory."""
    xml = dom.XMLDesc(flags)
    return re.search("<vcpu[^>]*>", xml).group(), re.findall("<memory mode[^>]*>", xml)


def memory(host, name):
    """Where QEMU takes the machine's memory from."""
    return re.findall(r'"host-nodes":\[0\],"policy":"(\w+)"', " ".join(processes()[host.qemu_pid(name)]))


def needs_numad():
    if not shutil.which("numad"):
        raise Skip("numad is not installed")


def test_what_numad_advises(host):
    needs_numad()
    for name, vcpu, more, shown, policy in (
            ("cpus", "<vcpu placement='auto'>2</vcpu>", "", ("<vcpu placement='auto'>", ["<memory mode='strict' placement='auto'/>"]), ["bind"]),
            ("memory", "<vcpu>2</vcpu>", AUTO.format("preferred"), ("<vcpu placement='auto'>", ["<memory mode='preferred' placement='auto'/>"]), ["preferred"]),
            ("pinned", "<vcpu cpuset='0'>2</vcpu>", AUTO.format("strict"), ("<vcpu placement='static' cpuset='0'>", ["<memory mode='strict' placement='auto'/>"]), ["bind"]),
            ("both", "<vcpu placement='auto' cpuset='0'>2</vcpu>", "<numatune><memory mode='strict' nodeset='0'/></numatune>",
             ("<vcpu placement='auto'>", ["<memory mode='strict' nodeset='0'/>"]), ["bind"])):
        xml = re.sub("<vcpu.*?</vcpu>", vcpu + more, host.guests.sector(name, vcpus=2))
        dom = host.define(xml)
        dom.create()
        equal((place(dom), place(dom, INACTIVE)), (shown, shown), name)
        equal(memory(host, name), policy, name)
        everywhere = [tuple(cpus) for cpus in dom.vcpuPinInfo()]
        equal(everywhere, [(True, False)] * 2 if name == "pinned" else [(True,) * len(everywhere[0])] * 2, name)
        equal(dom.numaParameters(0)["numa_nodeset"], "0", name)
        host.refused("numatune", name, "--nodeset", "0")
        contains(host.path(f"run/libvirt/qemu/{name}.xml").read_text(), "<numad nodeset='0' cpuset='")
    host.crash_daemon() if not host.is_reference else host.restart_daemon()
    dom = host.conn.lookupByName("cpus")
    equal((dom.numaParameters(0)["numa_nodeset"], place(dom)[0]), ("0", "<vcpu placement='auto'>"))
    contains(host.path("run/libvirt/qemu/cpus.xml").read_text(), "<numad nodeset='0' cpuset='")


@mark(only="lodged", reason="its words")
def test_no_advice(host):
    """It is not there, or says nothing of use: a start says what to do, and leaves nothing."""
    needs_numad()
    dom = host.define(re.sub("<vcpu.*?</vcpu>", "<vcpu placement='auto'>2</vcpu>", host.guests.sector("tiny", vcpus=2)))
    program = shutil.which("numad")
    for text, mode, says in (("", 0o644, "it is not on this host"), ("#!/bin/sh\necho here and there\n", 0o755, "said here and there"),
                             ("#!/bin/sh\necho no memory >&2; exit 3\n", 0o755, "said no memory"),
                             ("#!/bin/sh\necho 4095\n", 0o755, "without CPUs of this host")):
        run(["mount", "--bind", host.write("numad", text, mode), program])
        raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.create, text=says)
        equal(host.state("tiny"), "shut off")
        run(["umount", program])
    dom.create()
