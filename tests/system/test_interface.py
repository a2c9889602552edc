"""Network cards of machines on a bridge of the host.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import subprocess

from lodgetest.host import *

MAC = "52:54:00:7a:f4:9b"


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"ip {words}: {done.stderr}")
    return done.stdout


def bridge(name, address):
    ip("link", "add", name, "type", "bridge")
    ip("addr", "add", address, "dev", name)
    ip("link", "set", name, "up")


def on_bridge(name, mac=MAC):
    return f"<interface type='bridge'><mac address='{mac}'/><source bridge='{name}'/><model type='virtio'/></interface>"


def link(name):
    return json.loads(ip("-json", "link", "show", name))[0]


class Outside:
    """Another host: a network namespace with one card on the bridge."""

    def __init__(self, name, address):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        ip("link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", str(self.process.pid))
        ip("link", "set", "out0", "master", name, "up")
        self.run("ip", "addr", "add", address, "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words):
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-n", *words], capture_output=True, text=True, check=True).stdout

    def close(self):
        self.process.kill()
        self.process.wait()


GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())"


def test_a_guest_on_the_bridge_is_on_the_network_of_the_host(host):
    """rows: interface-06 interface-10 interface-14 monitoring-02 network-13 network-29"""
    bridge("br0", "10.9.0.1/24")
    outside = Outside("br0", "10.9.0.9/24")
    host.start_demo("demo", devices=on_bridge("br0"))
    row = [line.split() for line in host.ok("domiflist", "demo").splitlines()][2]
    equal(row, ["vnet0", "bridge", "br0", "virtio", MAC])
    equal((link("vnet0")["master"], link("vnet0")["address"]), ("br0", "fe" + MAC[2:]))
    console = host.booted("demo")
    console.command("ip addr add 10.9.0.2/24 dev eth0")
    console.command("httpd -p 80 -h /disk")
    for address in ("10.9.0.1", "10.9.0.9"):
        contains(console.command(f"ping -c 1 {address}"), "1 packets received")
    contains(outside.run("python3", "-c", GET, "http://10.9.0.2/README"), "This file is on the disk")
    shown = dict(line.split()[1:] for line in host.ok("domifstat", "demo", "vnet0").splitlines() if line)
    equal(list(shown), [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop")])
    # What the guest sent is what the host's side of the card received; domifstat counts as the guest does.
    counted = json.loads(ip("-json", "-statistics", "link", "show", "vnet0"))[0]["stats64"]
    check(0 < int(shown["rx_bytes"]) <= counted["tx"]["bytes"], f"{shown} {counted}")
    check(0 < int(shown["tx_packets"]) <= counted["rx"]["packets"], f"{shown} {counted}")
    host.ok("destroy", "demo")
    check("vnet0" not in ip("link"), "the card is still there")
    outside.close()


def test_another_bridge_is_used_from_the_next_start(host):
    """rows: network-46"""
    bridge("br0", "10.9.0.1/24")
    bridge("br1", "10.9.1.1/24")
    host.start_sector("m", devices=on_bridge("br1"))
    host.ok("edit", "m", env=clean_environment(EDITOR="sed -i s/br1/br0/"))
    equal(link("vnet0")["master"], "br1")
    host.ok("destroy", "m")
    host.ok("start", "m")
    card = re.search(r"vnet\d+", host.ok("domiflist", "m")).group()
    equal(link(card)["master"], "br0")


def test_several_cards_have_addresses_of_their_own(host):
    """rows: interface-15"""
    card = "<interface type='user'><address type='pci' slot='7'/></interface>"
    raises(libvirt.VIR_ERR_XML_ERROR, host.define, host.guests.empty("m", devices=card * 2), text="double use of PCI Address 0000:00:07.0")
    host.define(host.guests.empty("m", devices=card + "<interface type='user'/>" * 2)).create()
    stored = host.ok("dumpxml", "m")
    equal(len(set(re.findall("mac address='([^']*)'", stored))), 3)
    cards = re.findall("<interface.*?</interface>", stored, re.DOTALL)
    equal(len({re.search("slot='([^']*)'", text).group(1) for text in cards}), 3)
    equal(host.ok("qemu-monitor-command", "m", "--hmp", "info network").count("index=0,type=nic"), 3)
