"""Interfaces of machines on networks: what they are plugged into, and the network's ports.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark

BOTH = ("<network><name>nat</name><forward mode='nat'/><bridge name='virbr60' stp='off'/><mtu size='1400'/>"
        "<ip address='192.168.60.1' prefix='24'><dhcp><range start='192.168.60.10' end='192.168.60.99'/></dhcp></ip>"
        "<portgroup name='slow'><bandwidth><inbound average='125'/></bandwidth></portgroup></network>")


def interface(network, mac, source="", more=""):
    return (f"<interface type='network'><mac address='52:54:00:00:00:{mac:02x}'/><source network='{network}'{source}/>"
            f"<model type='virtio'/>{more}</interface>")


def interfaces(dom, flags=0):
    return re.findall("<interface.*?</interface>", dom.XMLDesc(flags), re.S)


def lan(host, count=1):
    """Devices of the host that lead to a station each."""
    return [host.station(address=f"10.88.0.{number + 1}/24") for number in range(count)]


def test_a_guest_on_a_network(host):
    """rows: network-18 network-29 interface-08 interface-13"""
    network = host.network(BOTH)
    dom = host.start_demo("web", devices=interface("nat", 1))
    shown, = interfaces(dom)
    port, = network.listAllPorts()
    contains(shown, f"<source network='nat' portid='{port.UUIDString()}' bridge='virbr60'/>", "<target dev='vnet0'/>")
    check("<mtu" not in shown, "the tap has the bridge's MTU, the document says nothing of it")
    equal(links()["vnet0"]["master"], "virbr60")
    equal((links()["vnet0"]["mtu"], links()["vnet0"]["address"]), (1400, "fe:54:00:00:00:01"))
    contains(network.XMLDesc(), "<network connections='1'>")
    contains(port.XMLDesc(), "<name>web</name>", dom.UUIDString(), "<plug type='network' bridge='virbr60'/>")
    check("portid" not in dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), "the definition stays")
    console = host.booted("web")
    # The guest asks for its address by itself, in the background.
    console.send("until ip address show eth0 | grep -q 'inet 192'; do sleep 1; done; ping -c 1 192.168.60.1 && echo rea''ched\n")
    console.expect("reached", timeout=40)
    contains([lease["mac"] for lease in network.DHCPLeases()], "52:54:00:00:00:01")
    leased, = dom.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE).items()
    equal((leased[0], leased[1]["hwaddr"], leased[1]["addrs"][0]["prefix"]), ("vnet0", "52:54:00:00:00:01", 24))
    seen = dom.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)
    contains([a["addr"] for a in seen["vnet0"]["addrs"]], "192.168.60.")
    contains(host.ok("domifaddr", "web"), "vnet0", "52:54:00:00:00:01", "ipv4", "192.168.60.")
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, dom.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
    host.crash_daemon()
    network = host.conn.networkLookupByName("nat")
    equal([p.UUIDString() for p in network.listAllPorts()], [port.UUIDString()])
    contains(network.XMLDesc(), "<network connections='1'>")
    host.conn.lookupByName("web").destroy()
    equal(network.listAllPorts(), [])
    check("connections" not in network.XMLDesc() and "vnet0" not in links(), "nothing is left")


def test_bridges_and_devices_of_the_host(host):
    one, two = lan(host, 2)
    run(["ip", "link", "add", "br9", "type", "bridge"])
    run(["ip", "link", "set", "br9", "up"])
    host.network("<network><name>bridged</name><forward mode='bridge'/><bridge name='br9'/></network>")
    for mode in ("bridge", "private", "vepa"):
        host.network(f"<network><name>{mode}</name><forward mode='{mode}'><interface dev='{one.port}'/></forward></network>")
    pool = host.network(f"<network><name>pass</name><forward mode='passthrough'><interface dev='{two.port}'/></forward>"
                        "</network>")
    dom = host.start_sector(devices=interface("bridged", 1) + interface("bridge", 2) + interface("private", 3)
                            + interface("pass", 4))
    first, second, third, fourth = interfaces(dom)
    contains(first, "<interface type='bridge'>", "<source network='bridged' portid=", "bridge='br9'/>")
    contains(second, "<interface type='direct'>", f"dev='{one.port}' mode='bridge'/>", "<target dev='macvtap0'/>")
    contains(third, f"dev='{one.port}' mode='private'/>")
    contains(fourth, f"dev='{two.port}' mode='passthrough'/>")
    contains(pool.XMLDesc(), f"<interface dev='{two.port}' connections='1'/>")
    for name, mode in (("macvtap0", "bridge"), ("macvtap1", "private"), ("macvtap2", "passthru")):
        equal(links()[name]["linkinfo"]["info_data"]["mode"], mode, name)
    contains("".join(interfaces(dom, libvirt.VIR_DOMAIN_XML_INACTIVE)), "<interface type='network'>", "network='pass'")
    other = host.define_sector("other", devices=interface("pass", 5))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, other.create, text="none are available")
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    contains(interfaces(dom)[1], "<interface type='direct'>", "network='bridge'", "<target dev='macvtap0'/>")
    dom.destroy()
    check(not [name for name in links() if name.startswith("macvtap")], "the macvtaps are gone")
    host.conn.lookupByName("other").create()


def test_direct(host):
    """rows: interface-16"""
    device, = lan(host)
    dom = host.start_sector(devices=f"<interface type='direct'><mac address='52:54:00:00:00:08'/><source dev='{device.port}' "
                            "mode='bridge'/></interface>")
    shown, = interfaces(dom)
    contains(shown, f"<source dev='{device.port}' mode='bridge'/>", "<target dev='macvtap0'/>")
    equal(links()["macvtap0"]["address"], "52:54:00:00:00:08")
    kill(host.qemu_pid("tiny"))
    host.wait_state("tiny", "shut off")
    wait_until(lambda: "macvtap0" not in links(), "it is gone")
    missing = host.define_sector("missing", devices="<interface type='direct'><source dev='nodev0' mode='vepa'/></interface>")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, missing.create, text="nodev0")


def test_isolation_and_rate(host):
    network = host.network(BOTH)
    dom = host.start_sector(devices=interface("nat", 1, more="<port isolated='yes'/>")
                            + interface("nat", 2, " portgroup='slow'"))
    first, second = interfaces(dom)
    contains(first, "<port isolated='yes'/>")
    check(links()["vnet0"]["linkinfo"]["info_slave_data"]["isolated"], "the port is isolated")
    contains(run(["tc", "class", "show", "dev", "vnet1"]).out, "htb", "rate 1Mbit")
    equal(len(network.listAllPorts()), 2)


@mark(only="lodged", reason="words of our own")
def test_what_cannot_be_plugged_in(host):
    dom = host.define_sector("a", devices=interface("nope", 1))
    raises(libvirt.VIR_ERR_NO_NETWORK, dom.create, text="no network with matching name 'nope'")
    network = host.network(BOTH, start=False)
    dom = host.define_sector("b", devices=interface("nat", 1))
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="network 'nat' is not active")
    contains(host.lodge("start", "b").err, "lodge net-start nat")
    network.create()
    dom = host.define_sector("c", devices=interface("nat", 1)
                             + "<interface type='bridge'><source bridge='nobridge'/></interface>")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create, text="nobridge")
    equal(network.listAllPorts(), [], "what was plugged in is out again")


def test_ports_that_clients_make(host):
    network = host.network(BOTH)
    uuid = "0f181601-f56f-42a5-8b42-8dfb6d552aee"
    text = (f"<networkport><uuid>{uuid}</uuid><owner><name>foo</name><uuid>1f181601-f56f-42a5-8b42-8dfb6d552aee</uuid>"
            "</owner><mac address='52:54:00:00:00:99'/></networkport>")
    raises(libvirt.VIR_ERR_NO_NETWORK_PORT, network.portLookupByUUIDString, uuid, domain=libvirt.VIR_FROM_NETWORK)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, network.portCreateXML, "<networkport/>", text="network port has no uuid")
    raises(libvirt.VIR_ERR_XML_ERROR, network.portCreateXML, "<x/>", text="expecting root element")
    port = network.portCreateXML(text)
    equal(port.UUIDString(), uuid)
    raises(libvirt.VIR_ERR_NETWORK_PORT_EXIST, network.portCreateXML, text)
    equal(port.parameters(), {})
    port.delete()
    raises(libvirt.VIR_ERR_NO_NETWORK_PORT, port.delete)


@mark(only="lodged", reason="the reference keeps them until the machine is started again")
def test_ports_of_machines_that_ended_meanwhile(host):
    device, = lan(host)
    network = host.network(BOTH)
    host.network(f"<network><name>pool</name><forward mode='bridge'><interface dev='{device.port}'/></forward></network>")
    host.start_sector(devices=interface("nat", 1) + interface("pool", 2))
    pid = host.qemu_pid("tiny")
    host.kill_daemon()
    kill(pid)
    host.daemon.start()
    wait_until(lambda: not host.conn.networkLookupByName("nat").listAllPorts(), "its ports are gone")
    check("macvtap0" not in links(), "and its macvtap")


def test_networks_start_before_machines(host):
    network = host.network(BOTH, start=False)
    network.setAutostart(True)
    host.define_sector(devices=interface("nat", 1)).setAutostart(True)
    host.reboot()
    host.wait_state("tiny", "running")
    equal(len(host.conn.networkLookupByName("nat").listAllPorts()), 1)


def test_a_saved_machine_is_plugged_in_again(host):
    network = host.network(BOTH)
    dom = host.start_sector(devices=interface("nat", 1))
    before = network.listAllPorts()[0].UUIDString()
    image = str(host.path("tiny.save"))
    dom.save(image)
    equal(network.listAllPorts(), [])
    host.conn.restore(image)
    after = network.listAllPorts()[0].UUIDString()
    check(after != before, "a new port")
    contains(interfaces(host.conn.lookupByName("tiny"))[0], after, "bridge='virbr60'")
