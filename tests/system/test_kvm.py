"""Machines of type kvm, where the processor can.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark


@mark(requires=["kvm"])
def test_machine_of_type_kvm(host):
    """rows: platform-19"""
    host.define_sector("fast", kind="kvm")
    host.ok("start", "fast")
    args = next(iter(qemus().values()))
    check("kvm" in " ".join(args), f"no kvm in {args}")
    equal(host.state("fast"), "running")
    contains(host.ok("dumpxml", "fast"), "<domain type='kvm' id='1'>")
    contains(host.ok("qemu-monitor-command", "fast", "--hmp", "info kvm"), "enabled")


@mark(requires=["kvm"])
def test_host_model_and_passthrough(host):
    for mode in ("host-model", "host-passthrough"):
        host.define_sector(mode, kind="kvm", extra=f"<cpu mode='{mode}'/>")
        result = host.virsh("start", mode)
        if "failed to set MSR" in result.err:
            raise Skip("the KVM of this host refuses registers that the processor has")
        equal(result.code, 0, str(result))
        equal(host.state(mode), "running")
