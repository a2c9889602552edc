"""The guest's CPU: what is compared before the start, what the live document tells, what can be saved.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark


def machine(host, name, attributes, inner="<model>qemu64</model>"):
    host.conn.defineXML(host.guests.empty(name, extra=f"<cpu mode='custom' {attributes}>{inner}</cpu>"))
    return host.conn.lookupByName(name)


def cpu_of(text):
    return re.search("<cpu.*?</cpu>", text, re.S).group(0)


def test_live_document_tells_what_qemu_gave(host):
    machine(host, "c", "match='exact' check='none'", "<model>Skylake-Client</model>").create()
    live = cpu_of(host.ok("dumpxml", "c"))
    contains(live, "check='full'", "fallback='forbid'", "<feature policy='disable' name='hle'/>",
             "<feature policy='require' name='hypervisor'/>")
    for option in ("--inactive", "--migratable"):
        asked = cpu_of(host.ok("dumpxml", "c", option))
        contains(asked, "check='none'")
        check("<feature" not in asked, asked)
    host.restart_daemon()
    wait_until(lambda: cpu_of(host.ok("dumpxml", "c")) == live, "the restarted daemon asks again")
    host.ok("managedsave", "c")
    host.ok("start", "c")
    equal(cpu_of(host.ok("dumpxml", "c")), live)


def test_check_full_is_enforced(host):
    dom = machine(host, "c", "match='exact' check='full'")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.create, text="extra features: hypervisor")
    equal(host.state("c"), "shut off")


def test_check_partial_compares_with_the_host(host):
    feature = "<model>qemu64</model><feature policy='{}' name='{}'/>"
    for name, inner, words in (
            ("forbid", feature.format("forbid", "sse2"), "forbidden features: sse2"),
            ("require", feature.format("require", "avx512f"), "required features: avx512f"),
            ("vendor", "<model>qemu64</model><vendor>Foo</vendor>", "vendor")):
        dom = machine(host, name, "match='exact' check='partial'", inner)
        raises(libvirt.VIR_ERR_CPU_INCOMPATIBLE, dom.create, text=words)
        machine(host, name + "-none", "match='exact' check='none'", inner).create()
    dom = machine(host, "strict", "match='strict' check='partial'")
    raises(libvirt.VIR_ERR_CPU_INCOMPATIBLE, dom.create, text="strictly")


def test_minimum_and_optional_features(host):
    machine(host, "c", "match='minimum' check='partial'")
    contains(host.ok("domxml-to-native", "qemu-argv", "--domain", "c"), ",hypervisor=on")
    machine(host, "o", "match='exact' check='none'", "<model>qemu64</model>"
            "<feature policy='optional' name='avx512f'/><feature policy='optional' name='ssse3'/>")
    contains(host.ok("domxml-to-native", "qemu-argv", "--domain", "o"), "-cpu qemu64,avx512f=off,ssse3=on")


def test_commas_stay_in_their_option(host):
    machine(host, "c", "match='exact' check='none'", "<model>qemu64,foo=on</model>")
    contains(host.virsh("domxml-to-native", "qemu-argv", "--domain", "c").err, "Unknown CPU model qemu64,foo=on")


@mark(requires=["kvm"])
def test_host_model_can_be_saved(host):
    """A feature that keeps a machine from being saved comes only when it is asked for."""
    native = host.guests.empty("k", kind="kvm", extra="<cpu mode='host-model'>{}</cpu>")
    for inner, wanted in (("", False), ("<feature policy='require' name='invtsc'/>", True)):
        result = host.virsh("domxml-to-native", "qemu-argv", "--xml", host.write_xml(native.replace("{}", inner)))
        if result.code and "does not support virt type" in result.err:
            raise Skip("no KVM in QEMU here")
        equal("invtsc=on" in result.out, wanted, str(result))
