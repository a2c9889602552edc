"""Ports of switches: VLANs of Linux bridges and Open vSwitch. Kernels that have them run tests/testbed/scenarios/90_switches.txt.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import shutil

from lodgetest.host import *
from lodgetest.runner import mark

VLAN = "<vlan><tag id='42'/></vlan>"
TRUNK = "<vlan trunk='yes'><tag id='7' nativeMode='untagged'/><tag id='8'/></vlan>"
OPEN = "<virtualport type='openvswitch'/>"


def bridge(name, more="", filtering=0):
    return (f"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='{name}'/>{more}"
            "<model type='virtio'/></interface>")


def vlans_of(name):
    for port in json.loads(run(["bridge", "-j", "vlan"]).out or "[]"):
        if port["ifname"] == name:
            return {v["vlan"]: v.get("flags", []) for v in port["vlans"]}
    return None


@mark(only="lodged", reason="the reference knows no VLANs of Linux bridges")
def test_vlans(host):
    """rows: network-14"""
    run(["ip", "link", "add", "br9", "type", "bridge"])
    run(["ip", "link", "set", "br9", "up"])
    dom = host.define_sector("a", devices=bridge("br9", VLAN))
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create, text="the bridge 'br9' does not filter by VLANs")
    check("vnet0" not in links(), "nothing is left")
    if run(["ip", "link", "set", "br9", "type", "bridge", "vlan_filtering", "1"]).code:
        raise Skip("this kernel has no VLANs of bridges")
    host.network(f"<network><name>lan</name><forward mode='bridge'/><bridge name='br9'/>"
                 f"<portgroup name='trunk'>{TRUNK}</portgroup></network>")
    dom = host.start_sector("b", devices=bridge("br9", VLAN)
                            + "<interface type='network'><source network='lan' portgroup='trunk'/></interface>")
    equal(vlans_of("vnet0"), {42: ["PVID", "Egress Untagged"]})
    equal(vlans_of("vnet1"), {7: ["PVID", "Egress Untagged"], 8: []})
    contains(dom.XMLDesc(), "<tag id='42'/>", "<tag id='7' nativeMode='untagged'/>")


@mark(only="lodged", reason="words of our own")
def test_what_no_switch_can(host):
    cases = [("<interface type='user'>" + VLAN + "<model type='virtio'/></interface>",
              "an interface of type 'user' is requesting a vlan tag"),
             (bridge("br9", "<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>"), "802.1Qbh"),
             (bridge("br9", OPEN + "<port isolated='yes'/>"), "no isolated ports")]
    if not shutil.which("ovs-vsctl"):
        cases.append((bridge("ovs0", OPEN), "Cannot find 'ovs-vsctl'"))
    for number, (devices, words) in enumerate(cases):
        dom = host.define_sector(f"d{number}", devices=devices)
        error = raises(libvirt.VIR_ERR_SYSTEM_ERROR if "ovs-vsctl" in words else libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                       dom.create, text=words)
        if "ovs-vsctl" in words:
            contains(error, "openvswitch-switch")
        check("vnet0" not in links(), "nothing is left")
    shown = host.conn.lookupByName("d2").XMLDesc()
    contains(shown, "<parameters interfaceid='")
    for bad, words in (("<virtualport/>", "missing required virtualport type"),
                       ("<virtualport type='x'/>", "unknown virtualport type x"),
                       ("<virtualport type='midonet'/>", "missing interfaceid"),
                       ("<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='tagged'/></vlan>", "duplicate native")):
        error = raises(67 if "unknown" in words else 27, host.define_sector, "bad", devices=bridge("br9", bad), text=words)


@mark(only="lodged", reason="the reference knows no VLANs of Linux bridges")
def test_networks_with_vlans(host):
    """A portgroup's and a network's VLANs and ports come together at the port."""
    network = host.network(f"<network><name>n</name><forward mode='bridge'/><bridge name='br9'/>{VLAN}"
                           "<virtualport type='openvswitch'><parameters profileid='net'/></virtualport>"
                           f"<portgroup name='g'>{TRUNK}<virtualport type='openvswitch'><parameters profileid='group'/>"
                           "</virtualport></portgroup></network>")
    text = ("<networkport><uuid>0f181601-f56f-42a5-8b42-8dfb6d55{0:04d}</uuid><owner><name>x</name><uuid>"
            "1f181601-f56f-42a5-8b42-8dfb6d552aee</uuid></owner>{1}<mac address='52:54:00:00:00:99'/></networkport>")
    contains(network.portCreateXML(text.format(1, "")).XMLDesc(), "<tag id='42'/>", "profileid='net'", "interfaceid=")
    shown = network.portCreateXML(text.format(2, "<group>g</group>")).XMLDesc()
    contains(shown, "<tag id='7' nativeMode='untagged'/>", "profileid='group'")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.networkDefineXML,
           f"<network><name>bad</name><forward mode='nat'/><ip address='10.1.1.1' prefix='24'/>{VLAN}</network>",
           text="doesn't support vlan")
