"""Networks as people use them: on both sides of a command, a file or a table of the kernel.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import re
import shutil

from lodgetest import guests
from lodgetest.host import *
from lodgetest.runner import mark
from test_network_ports import interface, interfaces, lan
from test_networks import document
from test_session import Session

MACS = [f"52:54:00:00:01:{n:02x}" for n in range(4)]


def isolated(name, bridge, subnet):
    return document(name, forward="", bridge=bridge, subnet=subnet, dhcp=f"<dhcp><range start='192.168.{subnet}.128' "
                    f"end='192.168.{subnet}.254'/></dhcp>").replace("stp='off'", "stp='on' delay='0'")


def test_from_definition_to_the_mark(host):
    """rows: network-17 network-19 network-20 network-22"""
    path = host.write_xml(document())
    contains(host.ok("net-define", path), "Network net defined from")
    check("net" not in host.ok("net-list"), "it is not active")
    contains(re.sub(" +", " ", host.ok("net-list", "--all")), "net inactive no yes")
    contains(host.ok("net-autostart", "net"), "Network net marked as autostarted")
    check(host.path("etc/libvirt/qemu/networks/autostart/net.xml").is_symlink(), "the mark is a link")
    contains(re.sub(" +", " ", host.ok("net-list", "--all")), "net inactive yes yes")
    host.ok("net-start", "net")
    editor = host.path("editor")
    editor.write_text("#!/bin/sh\nsed -i s/192.168.60.99/192.168.60.77/ \"$1\"\n")
    editor.chmod(0o755)
    edited = host.virsh("net-edit", "net", env={**os.environ, "VISUAL": str(editor), "EDITOR": str(editor)})
    equal(edited.code, 0, str(edited))
    contains(host.ok("net-dumpxml", "net", "--inactive"), "192.168.60.77")
    contains(host.ok("net-dumpxml", "net"), "192.168.60.99")
    host.ok("net-destroy", "net")
    host.ok("net-start", "net")
    contains(host.ok("net-dumpxml", "net"), "192.168.60.77")
    contains(host.ok("net-autostart", "net", "--disable"), "unmarked")
    host.ok("net-destroy", "net")


def test_what_the_host_shows(host):
    """rows: network-27 network-28 network-30 network-31 network-32"""
    host.network(document().replace("stp='off'", "stp='on' delay='0'"))
    conf = host.path("var/lib/libvirt/dnsmasq/net.conf").read_text()
    check(conf.startswith("##"), "it begins with a warning")
    for line in ("strict-order", "except-interface=lo", "interface=virbr60", "dhcp-no-override", "dhcp-authoritative",
                 "dhcp-range=192.168.60.10,192.168.60.99,255.255.255.0"):
        check(line in conf.splitlines(), f"{line} in\n{conf}")
    wait_until(lambda: links()["virbr60"]["operstate"] == "DOWN", "nobody is on it")
    check("NO-CARRIER" in links()["virbr60"]["flags"], "nobody is on it")
    dom = host.start_sector(devices=interface("net", 1))
    wait_until(lambda: links()["virbr60"]["operstate"] == "UP", "a machine is on it")
    shown = json.loads(run(["bridge", "-j", "link", "show"]).out)
    equal([(port["ifname"], port["master"], port["state"]) for port in shown], [("vnet0", "virbr60", "forwarding")])
    if shutil.which("brctl"):
        brctl = run(["brctl", "show", "virbr60"]).out.split("\n")[1].split()
        equal((brctl[0], brctl[2], brctl[3]), ("virbr60", "yes", "vnet0"))
    if not host.is_reference:
        rules = run(["nft", "list", "table", "inet", "lodge_net"]).out
        nat = rules[rules.index("chain nat.virbr60"):]
        nat = nat[:nat.index("\n\t}")]
        contains(nat, "224.0.0.0/24", "255.255.255.255", "masquerade to :1024-65535", "tcp", "udp")
    dom.destroy()
    wait_until(lambda: links()["virbr60"]["operstate"] == "DOWN", "nobody is on it any more")


def test_two_isolated_networks(host):
    """A wizard's document without a bridge, its ports, and who reaches whom.

    rows: network-10 network-35 network-37 network-38 network-39 network-41"""
    wizard = ("<network><name>me-net</name><domain name='me-net'/><ip address='192.168.100.1' netmask='255.255.255.0'>"
              "<dhcp><range start='192.168.100.128' end='192.168.100.254'/></dhcp></ip></network>")
    inner = host.conn.networkDefineXML(wizard)
    inner.setAutostart(True)
    inner.create()
    check(re.fullmatch(r"virbr\d+", inner.bridgeName()), inner.bridgeName())
    contains(re.sub(" +", " ", host.ok("net-list")), "me-net active yes yes")
    contains(run(["ip", "address", "show", inner.bridgeName()]).out, "192.168.100.1/24")
    outer = host.network(document("outer", dhcp="", bridge="virbr61", subnet=61))
    names = ("web", "db")
    host.start_sector("web", devices=interface("me-net", 1) + interface("outer", 2))
    host.start_sector("db", devices=interface("me-net", 3))
    ports = {port["ifname"]: port["master"] for port in json.loads(run(["bridge", "-j", "link", "show"]).out)}
    equal(ports, {"vnet0": inner.bridgeName(), "vnet1": "virbr61", "vnet2": inner.bridgeName()})
    for name in names:
        host.conn.lookupByName(name).destroy()
    first, second = (host.station(inner.bridgeName(), mac) for mac in MACS[:2])
    other = host.station("virbr61", MACS[2], address="192.168.61.9/24")
    for station in (first, second):
        check(station.lease().get("ip", "").startswith("192.168.100."), "a lease")
        station.ok("ip", "route", "replace", "default", "via", "192.168.100.1")
    other.ok("ip", "route", "add", "default", "via", "192.168.61.1")
    address = re.search(r"inet (192\.168\.100\.\d+)", second.ok("ip", "address", "show", "eth0")).group(1)
    check(first.reaches(address), "machines of one network reach each other")
    check(not first.reaches("192.168.61.9") and not other.reaches(address), "those of two do not")
    inner.destroy()
    inner.undefine()
    outer.destroy()


def test_a_network_without_the_host(host):
    """rows: network-11 network-34"""
    host.network("<network><name>alone</name><bridge name='virbr62' stp='off'/></network>")
    one, two = (host.station("virbr62", mac, address=f"10.62.0.{n}/24") for n, mac in enumerate(MACS[:2], 1))
    check(one.reaches("10.62.0.2"), "they reach each other")
    equal(run(["ip", "-o", "-4", "address", "show", "virbr62"]).out, "")
    check(not one.reaches("192.168.60.1"), "there is no host on it")
    host.network(document("nat", bridge="virbr63", subnet=63, dhcp=f"<dhcp><host mac='{MACS[2]}' ip='192.168.63.5'/></dhcp>"))
    reserved = host.station("virbr63", MACS[2])
    equal(reserved.lease().get("ip"), "192.168.63.5")
    fixed = host.station("virbr63", MACS[3], address="192.168.63.40/24")
    check(fixed.reaches("192.168.63.1"), "a guest may have an address that it chose itself")


def test_macvtaps_as_people_see_them(host):
    """rows: interface-07 interface-09 interface-17"""
    one, two = lan(host, 2)
    direct = ("<interface type='direct'><mac address='52:54:00:95:25:fb'/><source dev='{}' mode='bridge'/><model type='virtio'/>"
              "</interface>")
    dom = host.start_sector(devices=direct.format(one.port))
    row = [line.split() for line in host.ok("domiflist", "tiny").splitlines() if "52:54" in line]
    equal(row, [["macvtap0", "direct", one.port, "virtio", "52:54:00:95:25:fb"]])
    equal(host.ok("domifaddr", "tiny").split("\n")[2:], ["", ""])
    # As its dialog does: the definition changes, the running machine keeps what it has.
    dom.updateDeviceFlags(direct.format(two.port), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    contains(interfaces(dom)[0], f"dev='{one.port}'")
    dom.destroy()
    dom.create()
    contains(interfaces(dom)[0], f"dev='{two.port}'")


def test_a_bridge_of_the_hosts_manager(host):
    """What nmcli, ifcfg files and netplan make is a bridge of the kernel.

    rows: interface-20 interface-26"""
    device, = lan(host)
    run(["ip", "link", "add", "br0", "type", "bridge"])
    for name, *words in (("br0", "up"), (device.port, "master", "br0")):
        equal(run(["ip", "link", "set", name, *words]).code, 0)
    if not host.is_reference:  # which asks udev, and none runs here
        contains([i.name() for i in host.conn.listAllInterfaces()], "br0")
        contains(host.conn.interfaceLookupByName("br0").XMLDesc(), f"name='{device.port}'")
    dom = host.start_sector()
    before = len(interfaces(dom))
    dom.attachDeviceFlags("<interface type='bridge'><source bridge='br0'/><mac address='52:54:00:12:34:56'/>"
                          "<model type='e1000'/></interface>", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    dom.destroy()
    dom.create()
    equal(len(interfaces(dom)), before + 1)
    contains(interfaces(dom)[-1], "<source bridge='br0'/>", "52:54:00:12:34:56", "<model type='e1000'/>")
    equal(links()["vnet0"]["master"], "br0")


@mark(daemon=False, only="lodged", reason="a libvirtd of a user without rights starts a log daemon that outlives it")
def test_a_bridge_for_everybody(host):
    """A user without rights has a tap on a bridge that root allows, from QEMU's helper.

    rows: interface-27"""
    helper = pathlib.Path("/usr/lib/qemu/qemu-bridge-helper")
    if not helper.exists():
        raise Skip("qemu-bridge-helper is not installed")
    mine = host.path("helper")
    shutil.copy(helper, mine)
    mine.chmod(0o4755)
    config = pathlib.Path("/etc/qemu")
    config.mkdir(exist_ok=True)
    run(["mount", "-t", "tmpfs", "none", config])
    (config / "bridge.conf").write_text("allow br7\n")
    for bridge in ("br7", "br8"):
        run(["ip", "link", "add", bridge, "type", "bridge"])
    session = Session(host, f'bridge_helper = "{mine}"\n')

    def define(name, bridge, more=""):
        xml = host.path(f"{name}.xml")
        xml.write_text(guests.document(name, devices=f"<interface type='bridge'><source bridge='{bridge}'/><model type='virtio'/>{more}"
                                        "</interface>"))
        xml.chmod(0o644)
        session.ok("define", str(xml))

    define("good", "br7")
    session.ok("start", "good")
    ports = [name for name, link in links().items() if link.get("master") == "br7"]
    equal(len(ports), 1)
    contains(session.ok("domiflist", "good"), ports[0], "br7")
    session.ok("destroy", "good")
    wait_until(lambda: ports[0] not in links(), "the tap is gone")
    define("bad", "br8")
    contains(session.refused("start", "bad"), "access denied by acl file", "/etc/qemu/bridge.conf")
    define("queues", "br7", "<driver queues='2'/>")
    contains(session.refused("start", "queues"), "more than one queue")
    session.close()
