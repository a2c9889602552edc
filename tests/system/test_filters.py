"""Network filters: frames that guests really send, and what becomes of them.

The guest is a namespace whose port of the bridge is bound to a filter, as the tap of a machine is; another one on the same bridge
sees what passes.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import random
import socket
import struct
import subprocess
import time

import libvirt
from lodgetest.host import *
from lodgetest.runner import mark

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
IP, OTHER_IP, BRIDGE_IP = "10.9.0.5", "10.9.0.6", "10.9.0.1"
UUID = "11111111-2222-4333-8444-555555555555"
ours = mark(only="lodged", reason="looks at rules of nftables")
BROADCAST = "ff:ff:ff:ff:ff:ff"

SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for line in sys.stdin:
    for _ in range(int(sys.argv[1])):
        s.send(bytes.fromhex(line.strip()))
"""
LISTEN = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
print("ready", flush=True)
while True:
    frame, address = s.recvfrom(4096)
    if address[2] != 4:  # not what it sends itself
        print(frame.hex(), flush=True)
"""


def untagged(frame):
    """As a packet socket shows it."""
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\0" else frame

def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(kind, payload, source=MAC, target=BROADCAST):
    return mac_bytes(target) + mac_bytes(source) + struct.pack("!H", kind) + payload


def arp(opcode=1, sender=IP, sender_mac=MAC, target=OTHER_IP, source=MAC):
    return ethernet(0x806, struct.pack("!HHBBH", 1, 0x800, 6, 4, opcode) + mac_bytes(sender_mac) + socket.inet_aton(sender) + bytes(6)
                    + socket.inet_aton(target), source)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ipv4(payload, protocol=17, sender=IP, target=OTHER_IP, source=MAC, to=BROADCAST):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + socket.inet_aton(sender) + socket.inet_aton(target)
    return ethernet(0x800, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload, source, to)


def udp(source_port, target_port, payload=b"12345678", **more):
    return ipv4(struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload, **more)


def dhcp(kind, to_guest, address, mac=MAC, server=BRIDGE_IP, lease=600):
    body = struct.pack("!BBBB", 2 if to_guest else 1, 1, 6, 0) + bytes(8) + (bytes(4) if to_guest else socket.inet_aton(address))
    body += socket.inet_aton(address) if to_guest else bytes(4)
    body = body.ljust(28, b"\0") + mac_bytes(mac)
    body = body.ljust(236, b"\0") + b"\x63\x82\x53\x63" + bytes([53, 1, kind, 51, 4]) + struct.pack("!I", lease) + b"\xff"
    ports = (67, 68) if to_guest else (68, 67)
    return udp(*ports, body, sender=server if to_guest else "0.0.0.0", target="255.255.255.255")


def router_advertisement(source=MAC):
    icmp = bytes([134, 0, 0, 0, 64, 0]) + struct.pack("!HII", 1800, 0, 0)
    head = struct.pack("!IHBB", 0x60000000, len(icmp), 58, 255) + socket.inet_pton(socket.AF_INET6, "fe80::1") \
        + socket.inet_pton(socket.AF_INET6, "ff02::1")
    return ethernet(0x86dd, head + icmp, source, "33:33:00:00:00:01")


class Wire:
    """A bridge with a filtered guest on it, and another station that sees what the guest sends."""

    def __init__(self, host):
        self.host = host
        # One that looks into multicasts joins a group of its own: a packet that nobody here sent.
        run(["ip", "link", "add", "br9", "type", "bridge", "mcast_snooping", "0"])
        run(["ip", "address", "add", f"{BRIDGE_IP}/24", "dev", "br9"])
        run(["ip", "link", "set", "br9", "up"])
        self.guest = host.station("br9", MAC, f"{IP}/24")
        self.other = host.station("br9", OTHER_MAC, f"{OTHER_IP}/24")
        self.number = 0

    def bind(self, name, *parameters, mac=MAC):
        inside = "".join(f"<parameter name='{n}' value='{v}'/>" for n, v in parameters)
        return self.host.conn.nwfilterBindingCreateXML(
            f"<filterbinding><owner><name>m</name><uuid>{UUID}</uuid></owner><portdev name='{self.guest.port}'/><mac address='{mac}'/>"
            f"<filterref filter='{name}'>{inside}</filterref></filterbinding>")

    def unbind(self):
        for binding in self.host.conn.listAllNWFilterBindings():
            binding.delete()

    def send(self, *frames, times=1, station=None):
        (station or self.guest).ok("/usr/bin/python3", "-c", SEND, str(times), stdin="\n".join(f.hex() for f in frames))

    def passed(self, *frames):
        """Which of @frames from the guest arrive at the other station. Behind them goes ARP with something new, which passes."""
        self.number += 1
        end = arp() + struct.pack("!II", 0x77777777, self.number)
        command = ["nsenter", "-t", str(self.other.process.pid), "-n", "/usr/bin/python3", "-c", LISTEN]
        seen = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            listener.stdout.readline()
            try:
                self.send(*frames, end)
                for line in listener.stdout:
                    seen.append(bytes.fromhex(line.strip()))
                    if seen[-1][:len(end)] == end:
                        break
            finally:
                listener.kill()
        return [any(got[:len(untagged(frame))] == untagged(frame) for got in seen) for frame in frames]


def nft(*words):
    return run(["nft", *words]).out


def packets(port, chain, part):
    """How many packets the first rule of @port's @chain with these words has counted."""
    for line in nft("list", "chain", "bridge", "lodge_filter", f"i.{port}.{chain}").splitlines():
        if part in line:
            return int(line.split("counter packets ")[1].split()[0])
    return fail(f"no rule with {part!r} in {chain} of {port}")


def test_the_standard_set_and_definitions(host):
    """rows: security-10 cli-24"""
    names = {f.name() for f in host.conn.listAllNWFilters()}
    equal(len(names), 24)
    check({"clean-traffic", "clean-traffic-gateway", "no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing", "no-arp-ip-spoofing",
           "no-arp-mac-spoofing", "no-ip-multicast", "no-mac-broadcast", "allow-arp", "allow-dhcp", "allow-dhcp-server", "allow-dhcpv6",
           "no-ipv6-spoofing", "no-other-l2-traffic", "no-other-rarp-traffic", "qemu-announce-self-rarp"} <= names, str(names))
    clean = host.conn.nwfilterLookupByName("clean-traffic")
    equal(host.conn.nwfilterLookupByUUIDString(clean.UUIDString()).name(), "clean-traffic")
    raises(libvirt.VIR_ERR_NO_NWFILTER, host.conn.nwfilterLookupByName, "none", domain=libvirt.VIR_FROM_NWFILTER)
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.nwfilterDefineXML, "<filter name='a'><filterref filter='a'/></filter>", text="loop")
    host.conn.nwfilterDefineXML(f"<filter name='a'><uuid>{UUID}</uuid><filterref filter='b'/></filter>")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.nwfilterDefineXML, "<filter name='b'><filterref filter='a'/></filter>", text="loop")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.nwfilterDefineXML, "<filter name='a'/>", text="already exists with uuid")
    raises(libvirt.VIR_ERR_XML_INVALID_SCHEMA, host.conn.nwfilterDefineXMLFlags, "<filter name='c'><x/></filter>", 1)
    host.ok("nwfilter-define", host.write_xml(f"<filter name='a' chain='ipv4'><uuid>{UUID}</uuid><rule action='drop' direction='in'/></filter>"))
    contains(host.ok("nwfilter-dumpxml", "a"), "chain='ipv4'", "priority='-700'")
    contains(host.ok("nwfilter-list"), "clean-traffic", UUID)
    result = host.virsh("nwfilter-edit", "a", env={"EDITOR": "sed -i s/drop/reject/"})
    equal(result.code, 0, result.err)
    contains(host.ok("nwfilter-dumpxml", UUID), "action='reject'")
    contains(host.lodge_ok("nwfilter-list"), "clean-traffic", UUID)
    contains(host.lodge_ok("nwfilter-dumpxml", "a"), "reject")
    host.conn.nwfilterLookupByName("no-ip-multicast").undefine()
    host.restart_daemon()
    names = {f.name() for f in host.conn.listAllNWFilters()}
    check("a" in names and "no-ip-multicast" not in names and len(names) == 24, "definitions are kept, what was undefined stays away")


@ours
def test_spoofed_frames_are_dropped(host):
    """MAC, IP, ARP, DHCP and IPv6 of a guest that pretends, beside what it may send."""
    wire = Wire(host)
    wire.bind("clean-traffic", ("IP", IP))
    frames = {"own ARP": (arp(), True), "another's MAC": (arp(source=OTHER_MAC, sender_mac=OTHER_MAC), False),
              "ARP with another's MAC inside": (arp(sender_mac=OTHER_MAC), False), "ARP of another's address": (arp(sender=OTHER_IP), False),
              "ARP answer for another": (arp(2, sender=BRIDGE_IP), False), "own IP": (udp(5, 7), True),
              "another's IP": (udp(5, 7, sender="10.9.0.77"), False), "another's IP and MAC": (udp(5, 7, sender=OTHER_IP, source=OTHER_MAC), False),
              "DHCP of a guest": (dhcp(1, False, "0.0.0.0"), True), "router advertisement": (router_advertisement(), False),
              "another protocol": (ethernet(0x88b5, bytes(46)), False),
              "another's IP in a VLAN": (ethernet(0x8100, b"\0\5" + udp(5, 7, sender="10.9.0.77")[12:]), False)}
    got = wire.passed(*[frame for frame, _ in frames.values()])
    equal(dict(zip(frames, got)), {name: wanted for name, (_, wanted) in frames.items()})
    port = wire.guest.port
    check(packets(port, "out.c.mac", "drop") >= 2 and packets(port, "out.c.arp-ip", "drop") >= 2 and packets(port, "out.c.ipv4-ip", "drop") >= 1,
          "what was dropped is counted")
    check(wire.guest.reaches(OTHER_IP) and wire.other.reaches(IP), "honest traffic passes")
    wire.unbind()
    equal(our_tables(), [])
    equal(wire.passed(*[frame for frame, _ in frames.values()]), [True] * len(frames))


@ours
def test_a_machine_has_its_filter(host):
    """The start binds it, also one that refuses; a restart and a crash keep it; the end takes it away."""
    run(["ip", "link", "add", "br9", "type", "bridge"])
    run(["ip", "link", "set", "br9", "up"])

    def nic(name, more=""):
        return (f"<interface type='bridge'><mac address='{MAC}'/><source bridge='br9'/><model type='virtio'/>"
                f"<filterref filter='{name}'>{more}</filterref></interface>")

    for bad, words in ((nic("gone"), "referenced filter 'gone' is missing"),
                       (nic("allow-dhcp-server"), "unresolvable variables or unavailable list elements: DHCPSERVER"),
                       (nic("clean-traffic", "<parameter name='IP' value='a.b'/>"), "no value")):
        dom = host.define_sector(devices=bad)
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text=words, domain=None if "no value" in words else libvirt.VIR_FROM_NWFILTER)
        equal((our_tables(), host.conn.listAllNWFilterBindings(), [n for n in links() if n.startswith("vnet")]), ([], [], []))
        dom.undefine()
    dom = host.start_sector(devices=nic("clean-traffic", f"<parameter name='IP' value='{IP}'/>"))
    tap = next(n for n in links() if n.startswith("vnet"))
    binding = host.conn.nwfilterBindingLookupByPortDev(tap)
    equal(binding.filterName(), "clean-traffic")
    contains(binding.XMLDesc(), "<name>tiny</name>", dom.UUIDString(), f"address='{MAC}'", f"name='IP' value='{IP}'")
    contains(host.ok("nwfilter-binding-list"), tap, "clean-traffic")
    contains(dom.XMLDesc(), "<filterref filter='clean-traffic'>")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.conn.nwfilterLookupByName("no-mac-spoofing").undefine, text="nwfilter is in use")
    for again in (host.restart_daemon, host.crash_daemon):
        rules = nft("-s", "list", "table", "bridge", "lodge_filter")
        again()
        wait_until(lambda: host.state("tiny") == "running", "the machine is known")
        equal(nft("-s", "list", "table", "bridge", "lodge_filter"), rules)
        contains(host.ok("nwfilter-binding-dumpxml", tap), "<name>tiny</name>")
    dom = host.conn.lookupByName("tiny")
    both = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.updateDeviceFlags, nic("gone"), both)
    equal(nft("-s", "list", "table", "bridge", "lodge_filter"), rules)
    dom.updateDeviceFlags(nic("no-mac-spoofing"), both)
    equal(host.conn.nwfilterBindingLookupByPortDev(tap).filterName(), "no-mac-spoofing")
    contains(dom.XMLDesc(), "<filterref filter='no-mac-spoofing'/>")
    dom.updateDeviceFlags(nic("").replace("<filterref filter=''></filterref>", ""), both)
    equal((our_tables(), "filterref" in dom.XMLDesc(), "filterref" in dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)), ([], False, False))
    dom.updateDeviceFlags(nic("allow-arp"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    dom.destroy()
    equal((our_tables(), host.conn.listAllNWFilterBindings()), ([], []))


@ours
def test_a_filter_changes_under_traffic(host):
    """All interfaces take over a changed filter at once and without a gap; what cannot be is refused and changes nothing."""
    wire = Wire(host)
    host.conn.nwfilterDefineXML(f"<filter name='mine'><uuid>{UUID}</uuid><filterref filter='no-ip-spoofing'/>"
                                "<filterref filter='no-arp-spoofing'/></filter>")
    wire.bind("mine", ("IP", IP))
    bad = udp(5, 7, sender="10.9.0.77")
    flood = subprocess.Popen(["nsenter", "-t", str(wire.guest.process.pid), "-n", "/usr/bin/python3", "-c", SEND, "1000000"],
                             stdin=subprocess.PIPE, text=True)
    command = ["nsenter", "-t", str(wire.other.process.pid), "-n", "/usr/bin/python3", "-c", LISTEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        listener.stdout.readline()
        try:
            flood.stdin.write(bad.hex() + "\n")
            flood.stdin.flush()
            flood.stdin.close()
            wait_until(lambda: packets(wire.guest.port, "out.c.ipv4-ip", "drop") > 100, "frames are dropped")
            for i in range(10):
                host.conn.nwfilterDefineXML(f"<filter name='mine'><uuid>{UUID}</uuid><filterref filter='no-ip-spoofing'/>"
                                            f"<rule action='drop' direction='in'><tcp dstportstart='{i + 1}'/></rule></filter>")
                contains(nft("list", "chain", "bridge", "lodge_filter", f"i.{wire.guest.port}.in.ip"), f"dport {i + 1} ")
            names = [line.split()[1] for line in nft("list", "table", "bridge", "lodge_filter").splitlines() if "\tchain i." in line]
            check(not [n for n in names if "arp" in n], "chains that nobody needs any more are gone")
            rules = nft("-s", "list", "table", "bridge", "lodge_filter")
            for wrong in ("<filterref filter='gone'/>", "<rule action='drop' direction='in'><ip srcipaddr='$NOBODY'/></rule>",
                          "<rule action='drop' direction='in'><all ipset='s' ipsetflags='src'/></rule>"):
                try:
                    host.conn.nwfilterDefineXML(f"<filter name='mine'><uuid>{UUID}</uuid>{wrong}</filter>")
                    fail(f"{wrong} was taken")
                except libvirt.libvirtError:
                    pass
            equal(nft("-s", "list", "table", "bridge", "lodge_filter"), rules)
            contains(host.conn.nwfilterLookupByName("mine").XMLDesc(), "dstportstart='10'")
        finally:
            flood.kill()
            flood.wait()
            wire.send(udp(5, 9))
            seen = []
            for line in listener.stdout:
                seen.append(bytes.fromhex(line.strip())[:len(bad)])
                if seen[-1][36:38] == b"\0\x09":
                    break
            listener.kill()
    check(bad not in seen, "not one spoofed frame passed while the filter changed")
    wire.unbind()


@ours
def test_rules_that_somebody_removed_come_back(host):
    wire = Wire(host)
    wire.bind("clean-traffic", ("IP", IP))
    port = wire.guest.port
    rules = nft("-s", "list", "table", "bridge", "lodge_filter")
    for words in (("flush", "ruleset"), ("delete", "table", "bridge", "lodge_filter"), ("flush", "chain", "bridge", "lodge_filter", f"i.{port}.out"),
                  ("flush", "chain", "bridge", "lodge_filter", "from_guests")):
        equal(run(["nft", *words]).code, 0)
        wait_until(lambda: nft("-s", "list", "table", "bridge", "lodge_filter") == rules, f"the rules are back after {words}")
    nft("delete", "table", "bridge", "lodge_filter")
    wire.unbind()
    equal(our_tables(), [])


def addresses(host, port):
    file = host.path(f"run/libvirt/nwfilter-binding/{port}.learned")
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


@ours
def test_the_address_is_learned_from_what_the_guest_sends(host):
    wire = Wire(host)
    port = wire.guest.port
    wire.bind("clean-traffic")
    wire.send(udp(5, 7, sender="0.0.0.0"), arp(source=OTHER_MAC, sender="10.9.0.77"), arp(sender_mac=OTHER_MAC, sender="10.9.0.77"), udp(5, 7))
    wait_until(lambda: addresses(host, port) == [IP], "the address is known")
    wait_until(lambda: IP in nft("list", "chain", "bridge", "lodge_filter", f"i.{port}.out.c.arp-ip"), "and in the rules")
    equal(wire.passed(udp(5, 7), udp(5, 7, sender="10.9.0.77")), [True, False])
    host.crash_daemon()
    equal(addresses(host, port), [IP])
    equal(wire.passed(udp(5, 7), udp(5, 7, sender="10.9.0.77")), [True, False])
    wire.send(arp(sender="10.9.0.88"), udp(5, 7, sender="10.9.0.89"))
    equal(wire.passed(arp(sender="10.9.0.88")), [False])
    equal(addresses(host, port), [IP])
    wire.unbind()
    equal(addresses(host, port), [])


@ours
def test_addresses_are_learned_from_dhcp(host):
    """A lease opens the way, its end closes it; only servers that are trusted lend."""
    wire = Wire(host)
    port = wire.guest.port
    wire.bind("clean-traffic", ("CTRL_IP_LEARNING", "dhcp"), ("DHCPSERVER", BRIDGE_IP))
    wire.send(arp(), udp(5, 7))
    wire.send(dhcp(5, True, "10.9.0.66", server="10.9.0.99"), station=wire.other)
    wire.send(dhcp(5, True, IP), station=wire.other)
    wait_until(lambda: addresses(host, port) == [IP], "what the trusted server lent is known, and nothing else")
    wait_until(lambda: IP in nft("list", "chain", "bridge", "lodge_filter", f"i.{port}.out.c.arp-ip"), "and in the rules")
    equal(wire.passed(udp(5, 7), udp(5, 7, sender="10.9.0.77")), [True, False])
    host.restart_daemon()
    wire.send(dhcp(5, True, "10.9.0.7", lease=2), station=wire.other)
    wait_until(lambda: "10.9.0.7" in addresses(host, port), "a second address")
    wait_until(lambda: addresses(host, port) == [IP], "it is gone with its lease")
    wait_until(lambda: "10.9.0.7 " not in nft("list", "chain", "bridge", "lodge_filter", f"i.{port}.out.c.arp-ip"), "and from the rules")
    wire.send(dhcp(7, False, IP))
    wait_until(lambda: addresses(host, port) == [], "the guest gave it back")
    wire.unbind()


@ours
def test_a_guest_gets_its_lease_through_its_filter(host):
    """From a real server, on a network; nothing else passes before."""
    network = host.network("<network><name>net</name><forward mode='nat'/><bridge name='virbr60' stp='off'/>"
                           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/></dhcp></ip></network>")
    guest = host.station("virbr60", MAC)
    host.conn.nwfilterBindingCreateXML(
        f"<filterbinding><owner><name>m</name><uuid>{UUID}</uuid></owner><portdev name='{guest.port}'/><mac address='{MAC}'/>"
        "<filterref filter='clean-traffic'><parameter name='CTRL_IP_LEARNING' value='dhcp'/></filterref></filterbinding>")
    guest.ok("ip", "address", "add", "192.168.60.200/24", "dev", "eth0")
    check(not guest.reaches("192.168.60.1"), "an address that nobody lent")
    guest.ok("ip", "address", "flush", "dev", "eth0")
    ip = guest.lease()["ip"]
    wait_until(lambda: addresses(host, guest.port) == [ip], "the lease is known")
    wait_until(lambda: guest.reaches("192.168.60.1"), "the lent address passes")
    host.conn.nwfilterBindingLookupByPortDev(guest.port).delete()
    network.destroy()


@ours
def test_connections_go_where_they_may(host):
    """Ports that are open, answers that come back, and a guest that calls from an open port."""
    wire = Wire(host)
    host.conn.nwfilterDefineXML("<filter name='server'><filterref filter='clean-traffic'/>"
                                "<rule action='accept' direction='in'><tcp dstportstart='22'/></rule>"
                                "<rule action='accept' direction='out'><udp dstportstart='53'/></rule>"
                                "<rule action='accept' direction='out'><icmp/></rule>"
                                "<rule action='drop' direction='inout'><all/></rule></filter>")
    wire.bind("server", ("IP", IP))

    listeners = []

    def listen(station, port):
        listeners.append(subprocess.Popen(["nsenter", "-t", str(station.process.pid), "-n", "busybox", "nc", "-l", "-p", str(port), "-e", "echo",
                                           "hello"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL))
        wait_until(lambda: f":{port} " in station.ok("busybox", "netstat", "-ltn"), f"port {port} listens")

    def calls(station, address, port, *more):
        return station.run("busybox", "nc", "-w", "2", *more, address, str(port), stdin="").out.strip() == "hello"

    for port in (22, 80):
        listen(wire.guest, port)
    check(calls(wire.other, IP, 22), "port 22 is open")
    check(not calls(wire.other, IP, 80), "port 80 is not")
    listen(wire.other, 4000)
    check(not calls(wire.guest, OTHER_IP, 4000, "-p", "22"), "the guest does not call from its open port")
    check(wire.guest.reaches(OTHER_IP) and not wire.other.reaches(IP), "it may ping, and is not pinged")
    back = udp(53, 4444, sender=OTHER_IP, target=IP, source=OTHER_MAC, to=MAC)
    wire.send(back, station=wire.other)
    dropped = packets(wire.guest.port, "in.ip", "drop")
    check(dropped >= 1, "an answer that nobody asked for is dropped")
    wire.send(udp(4444, 53, to=OTHER_MAC))
    wire.send(back, station=wire.other)
    wait_until(lambda: packets(wire.guest.port, "in.ip", "sport 53") >= 2, "the answer that was asked for came")
    equal(packets(wire.guest.port, "in.ip", "drop"), dropped, "packets that were dropped")
    for process in listeners:
        process.kill()
        process.wait()
    wire.unbind()


@ours
def test_a_hostile_guest_harms_nobody(host):
    """A flood of what may be learned: the daemon answers, and what it keeps is bounded."""
    wire = Wire(host)
    wire.bind("clean-traffic", ("CTRL_IP_LEARNING", "dhcp"))
    storm = [subprocess.Popen(["nsenter", "-t", str(station.process.pid), "-n", "/usr/bin/python3", "-c", SEND, "300"], stdin=subprocess.PIPE,
                              text=True) for station in (wire.guest, wire.other)]
    for process, frames in zip(storm, ([dhcp(7, False, f"10.9.1.{i}") for i in range(200)], [dhcp(5, True, f"10.9.2.{i}") for i in range(200)])):
        process.stdin.write("\n".join(f.hex() for f in frames) + "\n")
        process.stdin.close()
    for _ in range(20):
        begun = time.monotonic()
        host.conn.listAllNWFilters()
        check(time.monotonic() - begun < 1, "the daemon answers at once")
    for process in storm:
        process.wait()
    check(len(addresses(host, wire.guest.port)) <= 16, "what is learned is bounded")
    wire.unbind()


@ours
def test_a_daemon_that_dies_while_rules_change(host):
    """kill -9 at moments of change: afterwards rules, bindings and definitions say the same."""
    wire = Wire(host)
    host.conn.nwfilterDefineXML(f"<filter name='mine'><uuid>{UUID}</uuid></filter>")
    wire.bind("mine")
    for i in range(20):
        path = host.write_xml(f"<filter name='mine'><uuid>{UUID}</uuid><rule action='drop' direction='in'><tcp dstportstart='{1000 + i}'/></rule></filter>")
        client = subprocess.Popen(["virsh", "-c", host.daemon.uri, "nwfilter-define", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.06)  # the moment is what is random here
        host.kill_daemon()
        client.wait()
        host.daemon.start()
        xml = host.conn.nwfilterLookupByName("mine").XMLDesc()
        chain = nft("list", "chain", "bridge", "lodge_filter", f"i.{wire.guest.port}.in.ip")
        equal([n for n in range(1000, 1020) if f"'{n}'" in xml], [n for n in range(1000, 1020) if f"dport {n} " in chain])
        equal([b.portDev() for b in host.conn.listAllNWFilterBindings()], [wire.guest.port])
    wire.unbind()


# -- security groups ----------------------------------------------------------------------------------------------------------


def nic(bridge="br9", mac=MAC, more=""):
    return f"<interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/><model type='virtio'/>{more}</interface>"


def filters(host, name):
    """The filters of a machine's interfaces: of the running one, of its definition."""
    return [host.conn.lookupByName(name).XMLDesc(flags).split("<filterref filter='")[1].split("'")[0]
            if "<filterref" in host.conn.lookupByName(name).XMLDesc(flags) else None for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]


@ours
def test_security_groups(host):
    """Machines join and leave while they run; a rule about a group follows the addresses of its members."""
    run(["ip", "link", "add", "br9", "type", "bridge"])
    run(["ip", "link", "set", "br9", "up"])
    web = host.start_sector("web", devices=nic())
    db = host.start_sector("db", devices=nic(mac=OTHER_MAC, more=f"<filterref filter='clean-traffic'><parameter name='IP' value='{OTHER_IP}'/></filterref>"))
    taps = {b.XMLDesc(): b.portDev() for b in host.conn.listAllNWFilterBindings()}
    equal(len(taps), 1)
    db_tap = list(taps.values())[0]
    for group in ("front", "back_end"):
        host.lodge_ok("firewall", "create", group)
    equal(host.lodge("firewall", "create", "front").code, 1)
    host.lodge_ok("firewall", "allow", "front", "--protocol", "tcp", "--port", "80-81")
    host.lodge_ok("firewall", "allow", "front", "--protocol", "tcp", "--port", "22", "--from", "10.0.0.7/8")
    host.lodge_ok("firewall", "deny", "front", "--protocol", "udp", "--to", "fd00::/8")
    host.lodge_ok("firewall", "allow", "back_end", "--protocol", "tcp", "--port", "5432", "--from", "group:front")
    equal(host.lodge_ok("firewall", "show", "front"),
          "allow in tcp 80-81\nallow in tcp 22 from 10.0.0.0/8\ndeny out udp to fd00::/8\nmembers: -\n")
    for wrong in (("--protocol", "ftp"), ("--port", "80"), ("--protocol", "tcp", "--port", "0"), ("--protocol", "tcp", "--port", "9-5"),
                  ("--from", "10.0.0.0/33"), ("--from", "group:none"), ("--from", "host"), ("--protocol", "icmp", "--port", "8")):
        check(host.lodge("firewall", "allow", "front", *wrong).code != 0, f"{wrong} was taken")
    host.lodge_ok("firewall", "join", "back_end", "db")
    own = f"lodge-machine-{db.UUIDString()}"
    equal(filters(host, "db"), [own, own])
    rules = nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip")
    contains(rules, "ip saddr 255.255.255.255", "dport 5432")
    contains(nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.out.c.ipv4-ip"), OTHER_IP)
    host.lodge_ok("firewall", "join", "front", "web")
    check(host.lodge("firewall", "join", "front", "web").code != 0, "twice")
    web_tap = next(b.portDev() for b in host.conn.listAllNWFilterBindings() if "<name>web</name>" in b.XMLDesc())
    station = host.station("br9", "52:54:00:00:00:33", "10.9.0.9/24")
    station.ok("/usr/bin/python3", "-c", SEND, "1", stdin=dhcp(5, True, IP, mac=MAC).hex())
    wait_until(lambda: addresses(host, web_tap) == [IP], "web has an address")
    wait_until(lambda: f"ip saddr {IP} " in nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip"), "db lets it in")
    host.restart_daemon()
    contains(host.lodge_ok("firewall", "list"), "front", "back_end", "web", "db")
    contains(nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip"), f"ip saddr {IP} ")
    host.lodge_ok("firewall", "allow", "back_end", "--protocol", "icmp")
    contains(nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip"), "allow in icmp")
    host.lodge_ok("firewall", "allow", "back_end", "--protocol", "icmp", "--remove")
    check("allow in icmp" not in nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip"), "the rule is gone")
    for group in ("front", "back_end"):
        check(host.lodge("firewall", "delete", group).code != 0, "a group that somebody needs")
    host.lodge_ok("firewall", "leave", "front", "web")
    equal(filters(host, "web"), [None, None])
    wait_until(lambda: "ip saddr 255.255.255.255" in nft("list", "chain", "bridge", "lodge_filter", f"i.{db_tap}.in.ip"), "db forgets web")
    host.lodge_ok("firewall", "leave", "back_end", "db")
    equal(filters(host, "db"), ["clean-traffic", "clean-traffic"])
    gone = host.define_sector("gone", devices=nic(mac="52:54:00:00:00:44"))
    host.lodge_ok("firewall", "join", "front", "gone")
    gone.undefine()
    contains(host.lodge_ok("firewall", "show", "front"), gone.UUIDString())
    for group in ("back_end", "front"):
        host.lodge_ok("firewall", "delete", group)
    equal([f.name() for f in host.conn.listAllNWFilters() if f.name().startswith("lodge-")], [])
    host.conn.lookupByName("web").destroy()
    host.conn.lookupByName("db").destroy()
    equal(our_tables(), [])


@ours
def test_a_group_opens_what_it_allows(host):
    """Packets that are sent to a member of a group."""
    wire = Wire(host)
    host.lodge_ok("firewall", "create", "web")
    host.lodge_ok("firewall", "allow", "web", "--protocol", "tcp", "--port", "80", "--from", f"{OTHER_IP}/32")
    host.conn.nwfilterDefineXML("<filter name='m'><filterref filter='no-ip-spoofing'/><filterref filter='lodge-group-web'/>"
                                "<rule action='drop' direction='in' priority='900'><all/></rule></filter>")
    wire.bind("m", ("IP", IP))

    def syn(port, sender=OTHER_IP):
        head = struct.pack("!HHIIBBHHH", 4444, port, 1, 0, 0x50, 2, 1000, 0, 0)
        return ipv4(head, 6, sender, IP, OTHER_MAC, MAC)

    wire.send(syn(80), syn(81), syn(80, "10.9.0.77"), station=wire.other)
    wait_until(lambda: packets(wire.guest.port, "in.ip", "dport 80") == 1 and packets(wire.guest.port, "in.ip", "drop") == 2, "one of three came")
    wire.unbind()
