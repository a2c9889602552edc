"""Limits on the traffic of machines' interfaces and of whole networks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import subprocess
import sys

from lodgetest.host import *

SERVE = """import socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
peer, _ = listener.accept()
while sys.argv[2] == "take" and peer.recv(65536): pass
while sys.argv[2] == "give": peer.sendall(bytes(65536))
"""
# Counts from when the line is filled: a burst is no rate.
MEASURE = """import socket, sys, time
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
skip, seconds = 1.5, 4
start, count = time.monotonic(), 0
while (now := time.monotonic()) < start + skip + seconds:
    got = len(peer.recv(65536)) if sys.argv[3] == "take" else peer.send(bytes(4096))
    count += got if now > start + skip else 0
print(count / (time.monotonic() - start - skip))
"""
GUARANTEED = ("<network><name>lan</name><bridge name='virbr61' stp='off'/><ip address='192.168.61.1' prefix='24'/>"
              "<bandwidth><inbound average='1000' peak='2000'/><outbound average='500'/></bandwidth></network>")


def nic(network, mac, inbound="", outbound=""):
    limits = "".join(f"<{way} {text}/>" for way, text in (("inbound", inbound), ("outbound", outbound)) if text)
    return (f"<interface type='network'><mac address='52:54:00:00:00:{mac:02x}'/><source network='{network}'/>"
            f"<bandwidth>{limits}</bandwidth><model type='virtio'/></interface>")


def classes(device):
    """{class: (rate, ceil)} of the queues on @device, as tc shows them."""
    shown = run(["tc", "class", "show", "dev", device]).out
    return {name: (rate, ceil) for name, rate, ceil in re.findall(r"class htb 1:(\w+) .*?rate (\w+) ceil (\w+)", shown)}


def rate(station, address, way):
    """Bytes per second that @station takes from the host or gives to it."""
    server = subprocess.Popen([sys.executable, "-c", SERVE, "7000", "give" if way == "take" else "take"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    server.stdout.readline()
    try:
        return float(station.ok(sys.executable, "-c", MEASURE, address, "7000", way))
    finally:
        server.kill()
        server.wait()


def near(value, wanted, share=0.15):
    check(abs(value - wanted) <= wanted * share, f"{value:.0f} bytes per second instead of {wanted}")


def helpers():
    return [name for name, link in links().items() if link.get("linkinfo", {}).get("info_kind") == "ifb"]


def test_the_rate_of_a_network(host):
    host.network(GUARANTEED)
    station = host.station("virbr61", address="192.168.61.9/24")
    near(rate(station, "192.168.61.1", "take"), 1_000_000)
    near(rate(station, "192.168.61.1", "give"), 500_000)
    host.crash_daemon()
    near(rate(station, "192.168.61.1", "give"), 500_000)
    host.conn.networkLookupByName("lan").destroy()
    equal(helpers(), [])


def test_a_guaranteed_rate(host):
    """What others take leaves a guest the rate that it was promised."""
    host.network(GUARANTEED)
    busy, quiet = (host.station("virbr61", mac=f"52:54:00:00:00:0{n}", address=f"192.168.61.{n}/24") for n in (8, 9))
    dom = host.start_sector(devices=nic("lan", 9, "floor='700'"))
    port, = host.conn.networkLookupByName("lan").listAllPorts()
    contains(port.XMLDesc(), "<bandwidth classID='3'>", "<inbound floor='700'/>")
    equal(classes("virbr61"), {"1": ("8Mbit", "16Mbit"), "2": ("2400Kbit", "16Mbit"), "3": ("5600Kbit", "16Mbit")})
    # The machine's own port would get its frames, too; a station has its address instead.
    run(["ip", "link", "set", interface_of(dom), "nomaster"])
    load = [subprocess.Popen([sys.executable, "-c", SERVE, "7001", "give"], stdout=subprocess.PIPE)]
    load[0].stdout.readline()
    load.append(subprocess.Popen(["nsenter", "-t", str(busy.process.pid), "-n", sys.executable, "-c",
                                  MEASURE.replace("seconds = 1.5, 4", "seconds = 1, 20"), "192.168.61.1", "7001", "take"],
                                 stdout=subprocess.DEVNULL))
    measured = rate(quiet, "192.168.61.1", "take")
    for process in load:
        process.kill()
        process.wait()
    check(measured > 700_000 * 0.85, f"{measured:.0f} bytes per second of 700000 that were promised")
    dom.destroy()
    equal(classes("virbr61"), {"1": ("8Mbit", "16Mbit"), "2": ("8Mbit", "16Mbit")})


def interface_of(dom):
    return re.search("<target dev='(.*?)'", dom.XMLDesc()).group(1)


def test_guarantees_that_cannot_be_given(host):
    host.network(GUARANTEED)
    host.network("<network><name>plain</name><bridge name='virbr62' stp='off'/></network>")
    dom = host.define_sector("a", devices=nic("plain", 1, "floor='10'"))
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.create, text="network 'plain' has no inbound QoS set")
    dom = host.define_sector("b", devices=nic("lan", 2, "floor='2001'"))
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="inbound floor=2001 would overcommit peak=2000")
    host.start_sector("c", devices=nic("lan", 3, "floor='1500'"))
    dom = host.define_sector("d", devices=nic("lan", 4, "floor='501'"))
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="inbound floor=2001 would overcommit")
    for code, limits, text in ((libvirt.VIR_ERR_XML_DETAIL, "<inbound peak='5'/>", "Missing mandatory average or floor"),
                               (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "<outbound average='1' floor='5'/>", "'floor' attribute allowed only in <inbound> element")):
        raises(code, host.define, host.guests.sector("x", devices=f"<interface type='network'><source network='lan'/>"
                                                     f"<bandwidth>{limits}</bandwidth></interface>"), text=text)
    equal(len(host.conn.networkLookupByName("lan").listAllPorts()), 1)


def test_limits_are_changed(host):
    network = host.network(GUARANTEED)
    dom = host.start_sector(devices=nic("lan", 1, "average='125' peak='250' burst='100'", "average='60'"))
    equal((classes("vnet0"), classes("ifb-vnet0")), ({"1": ("1Mbit", "2Mbit")}, {"1": ("480Kbit", "480Kbit")}))
    mac = "52:54:00:00:00:01"
    stored = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    equal(dom.interfaceParameters(mac), {"inbound.average": 125, "inbound.peak": 250, "inbound.burst": 100, "inbound.floor": 0,
                                         "outbound.average": 60, "outbound.peak": 0, "outbound.burst": 0})
    host.ok("domiftune", "tiny", mac, "--live", "--config", "--inbound", "1000,2000,300,200")
    equal((classes("vnet0"), classes("ifb-vnet0")), ({"1": ("8Mbit", "16Mbit")}, {"1": ("480Kbit", "480Kbit")}))
    equal(classes("virbr61")["3"], ("1600Kbit", "16Mbit"))
    contains(dom.XMLDesc(), "<inbound average='1000' peak='2000' floor='200' burst='300'/>")
    contains(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), "<inbound average='1000' peak='2000' floor='200' burst='300'/>")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setInterfaceParameters, mac, {"inbound.floor": 5000}, libvirt.VIR_DOMAIN_AFFECT_LIVE,
           text="overcommit")
    equal((dom.interfaceParameters(mac)["inbound.floor"], dom.interfaceParameters(mac, stored)["inbound.floor"]), (200, 200))
    equal((classes("vnet0"), classes("virbr61")["3"]), ({"1": ("8Mbit", "16Mbit")}, ("1600Kbit", "16Mbit")))
    run(["ip", "link", "add", "ifb-vnet77", "type", "ifb"])  # as of a tap that went with a daemon
    host.crash_daemon()
    equal(sorted(helpers()), ["ifb-virbr61", "ifb-vnet0"])
    dom, network = host.conn.lookupByName("tiny"), host.conn.networkLookupByName("lan")
    equal(dom.interfaceParameters(mac)["inbound.floor"], 200)
    port, = network.listAllPorts()
    equal((port.parameters()["inbound.floor"], port.parameters()["outbound.average"]), (200, 60))
    port.setParameters({"inbound.average": 1000, "inbound.floor": 300})
    equal(classes("virbr61")["3"], ("2400Kbit", "16Mbit"))
    host.ok("domiftune", "tiny", mac, "--inbound", "0", "--outbound", "0")
    equal((classes("vnet0"), helpers()), ({}, ["ifb-virbr61"]))
    equal(sorted(classes("virbr61")), ["1", "2"])
    check("bandwidth" not in dom.XMLDesc(), "no limits are left")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.interfaceParameters, "nope", text="'nope' is not a known interface")


def test_limits_of_a_guest(host):
    host.network("<network><name>lan</name><bridge name='virbr61' stp='off'/><ip address='192.168.61.1' prefix='24'/></network>")
    host.start_demo("demo", devices=nic("lan", 1, "average='150'", "average='100'"))
    console = host.booted("demo")
    console.command("ip addr add 192.168.61.2/24 dev eth0")
    console.command("dd if=/dev/zero of=/tmp/data bs=1000 count=700; httpd -p 80 -h /tmp")
    fetch = ("import time, sys, urllib.request\nbegin, got, first = time.monotonic(), 0, None\n"
             "with urllib.request.urlopen('http://192.168.61.2/data', timeout=60) as answer:\n"
             "    while data := answer.read(10000):\n"
             "        first = first or (time.monotonic(), got + len(data))\n"
             "        got += len(data)\n"
             "print((got - first[1]) / (time.monotonic() - first[0]))")
    near(float(run([sys.executable, "-c", fetch]).out), 100_000)
    host.write("served/data", "x" * 900_000)
    server = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "192.168.61.1", "-d", str(host.path("served")), "80"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = console.command("until wget -q -O /dev/null 192.168.61.1/; do :; done; time wget -q -O /dev/null 192.168.61.1/data",
                          timeout=60)
    server.kill()
    server.wait()
    minutes, seconds = re.search(r"real\s+(\d+)m\s*([0-9.]+)s", out).groups()
    near(900_000 / (60 * int(minutes) + float(seconds)), 150_000)
    host.ok("destroy", "demo")
    equal(helpers(), [])
