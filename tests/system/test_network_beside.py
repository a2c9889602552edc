"""Networks beside the rule sets of Docker, ufw and firewalld, and what becomes of bridges that others touch.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import time

from lodgetest.host import *
from lodgetest.runner import mark

MAC = "52:54:00:00:00:01"
NETWORK = ("<network><name>net</name><forward mode='nat'/><bridge name='virbr60' stp='off'/>"
           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/>"
           "</dhcp></ip></network>")
DOCKER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""
UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-before-forward - [0:0]
:ufw-after-input - [0:0]
:ufw-skip-to-policy-input - [0:0]
:ufw-user-input - [0:0]
:ufw-user-forward - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A FORWARD -j ufw-before-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-after-input -p udp -m udp --dport 67 -j ufw-skip-to-policy-input
-A ufw-skip-to-policy-input -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
FIREWALLD = """table inet firewalld {
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_INPUT_ZONES {
    iifname "eth0" goto filter_IN_public
    goto filter_IN_public
  }
  chain filter_FORWARD_ZONES {
    iifname "eth0" goto filter_FWD_public
    goto filter_FWD_public
  }
  chain filter_IN_public {
    tcp dport 22 accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
  chain filter_FWD_public {
  }
}
"""


def outside(host):
    server = host.station(address="10.77.0.2/24")
    server.host("ip", "address", "add", "10.77.0.1/24", "dev", server.port)
    return server


def load(rules):
    result = run(["iptables-restore"], stdin=rules) if rules.startswith("*") else run(["nft", "-f", "-"], stdin=rules)
    if result.code:
        raise Skip(f"this kernel does not take such rules: {result.err}")


def others():
    """All rules but ours, without counters."""
    text = re.sub(r"packets \d+ bytes \d+", "", run(["nft", "list", "ruleset"]).out)
    text = re.sub(r"table inet lodge_.*?\n}\n", "", text, flags=re.S)
    return [line for line in text.splitlines() if "virbr60" not in line]


def works(guest):
    """A lease, a name and a way out."""
    lease = guest.lease("-x", "hostname:web")
    return bool(lease.get("ip")) and bool(guest.resolves("web", "192.168.60.1")) and guest.reaches("10.77.0.2")


@mark(only="lodged", reason="the reference leaves that to its user")
def test_docker(host):
    """The forward policy of Docker drops what is not Docker's: a rule in DOCKER-USER lets guests through.

    rows: network-02"""
    outside(host)
    load(DOCKER)
    before = others()
    network = host.network(NETWORK)
    guest = host.station("virbr60", MAC)
    check(works(guest), "a lease, a name and a way out")
    equal(others(), before, "other rules")
    equal(run(["nft", "list", "chain", "ip", "filter", "DOCKER-USER"]).out.count("virbr60"), 2)
    # Docker starts again: its chains are made anew.
    load(DOCKER)
    begin = time.monotonic()
    wait_until(lambda: "virbr60" in run(["nft", "list", "chain", "ip", "filter", "DOCKER-USER"]).out, "healed")
    check(time.monotonic() - begin < 2 * SLOWNESS, "within two seconds")
    check(guest.reaches("10.77.0.2"), "the way out is there again")
    host.kill_daemon()
    load(DOCKER)
    host.daemon.start()
    wait_until(lambda: "virbr60" in run(["nft", "list", "chain", "ip", "filter", "DOCKER-USER"]).out, "healed by the next daemon")
    network = host.conn.networkLookupByName("net")
    network.destroy()
    equal(others(), before, "other rules")
    check("virbr60" not in run(["nft", "list", "ruleset"]).out, "nothing of ours is left")


@mark(only="lodged", reason="the reference leaves that to its user")
def test_ufw(host):
    """rows: network-02"""
    outside(host)
    load(UFW)
    before = others()
    network = host.network(NETWORK)
    guest = host.station("virbr60", MAC)
    check(works(guest), "a lease, a name and a way out")
    equal(others(), before, "other rules")
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    network.destroy()
    check("virbr60" not in run(["nft", "list", "ruleset"]).out, "nothing of ours is left")
    equal(others(), before, "other rules")


@mark(only="lodged", reason="the reference leaves that to its user")
def test_firewalld(host):
    """Without its tool the chain and the command are named."""
    load(FIREWALLD)
    before = others()
    network = host.network(NETWORK)
    equal(others(), before, "other rules")
    rows = [row for row in json.loads(host.lodge("doctor", "-o", "json").out) if row["check"] == "net-rules"]
    equal([row["result"] for row in rows], ["warn"] * 3)
    contains(rows[0]["detail"], "network 'net': the chain inet firewalld filter_FORWARD", "packets to other networks")
    contains(rows[0]["advice"], "firewall-cmd --zone=trusted --change-interface=virbr60")
    run(["nft", "flush", "ruleset"])
    network.destroy()


@mark(only="lodged", reason="the reference cuts them off")
def test_machines_come_back(host):
    """A network that is stopped and started has its machines again, and they see their cable go and come."""
    network = host.network(NETWORK)
    dom = host.start_sector(devices="<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net'/>"
                            "<model type='virtio'/></interface>")
    port = network.listAllPorts()[0].UUIDString()
    network.destroy()
    check("vnet0" in links() and "master" not in links()["vnet0"], "its tap is alone")
    network.create()
    wait_until(lambda: links()["vnet0"].get("master") == "virbr60", "its tap is on the new bridge")
    wait_until(lambda: [p.UUIDString() for p in network.listAllPorts()] == [port], "its port is the same")
    contains(host.ok("net-dumpxml", "net"), "connections='1'")
    # A bridge that somebody deletes is made again, with its machines; by the next daemon, if none runs.
    run(["ip", "link", "del", "virbr60"])
    wait_until(lambda: links()["vnet0"].get("master") == "virbr60", "its tap is on the new bridge")
    contains(run(["ip", "-br", "address", "show", "virbr60"]).out, "192.168.60.1/24")
    check(our_tables(), "with its rules")
    host.kill_daemon()
    run(["ip", "link", "del", "virbr60"])
    host.daemon.start()
    wait_until(lambda: links()["vnet0"].get("master") == "virbr60", "its tap is on the new bridge")
    host.conn.lookupByName("tiny").destroy()
    check("vnet0" not in links(), "nothing is left")
    dom = host.conn.lookupByName("tiny")
    dom.create()


@mark(only="lodged", reason="the reference cuts them off")
def test_a_guest_is_reached_again(host):
    """Within two seconds of the network's start."""
    network = host.network(NETWORK)
    host.start_demo("web", devices="<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net'/>"
                    "<model type='virtio'/></interface>")
    console = host.booted("web")
    console.send("until ip address show eth0 | grep -q 'inet 192'; do sleep 1; done; echo go''t\n")
    console.expect("got", timeout=60)
    address = network.DHCPLeases()[0]["ipaddr"]
    ping = ["busybox", "ping", "-c", "1", "-W", "1", address]
    equal(run(ping).code, 0)
    network.destroy()
    check(run(ping).code != 0, "it is cut off")
    network.create()
    begin = time.monotonic()
    wait_until(lambda: run(ping).code == 0, "it answers again")
    check(time.monotonic() - begin < 2 * SLOWNESS, "within two seconds")
    console.send("echo ca''rrier $(cat /sys/class/net/eth0/carrier_changes)\n")
    check(int(console.expect(r"carrier (\d+)").group(1)) >= 2, "the cable went and came")


@mark(only="lodged", reason="words of our own")
def test_stale_bridges_and_clashes(host):
    network = host.network(NETWORK)
    host.stop_daemon()
    state = host.path("run/libvirt/network/net.xml")
    state.unlink()  # as after a crash before it was written
    host.daemon.start()
    network = host.conn.networkLookupByName("net")
    check(not network.isActive() and "virbr60" in links(), "a bridge is left")
    run(["nft", "flush", "ruleset"])
    network.create()
    contains(run(["ip", "-br", "address", "show", "virbr60"]).out, "192.168.60.1/24")
    network.destroy()
    run(["ip", "link", "add", "virbr60", "type", "bridge"])
    error = raises(libvirt.VIR_ERR_SYSTEM_ERROR, network.create, text="virbr60")
    contains(error, "somebody else made the bridge")
    run(["ip", "link", "del", "virbr60"])
    lan = host.station(address="10.77.0.2/24")
    lan.host("ip", "address", "add", "10.77.0.1/24", "dev", lan.port)
    run(["ip", "route", "add", "192.168.60.0/24", "via", "10.77.0.2"])
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, network.create, text="route to 192.168.60.0/24 via 10.77.0.2")
    contains(error, "192.168.122.0/24 is free")


@mark(only="lodged", reason="commands of our own")
def test_networks_on_free_subnets(host):
    """rows: network-38"""
    lan = host.station()
    lan.host("ip", "address", "add", "192.168.122.9/24", "dev", lan.port)
    run(["ip", "route", "add", "192.168.123.0/24", "dev", lan.port, "table", "100"])
    host.network("<network><name>off</name><bridge name='virbr9'/><ip address='192.168.124.1' prefix='24'/></network>",
                 start=False)
    contains(host.lodge_ok("net", "new", "lab"), "192.168.125.0/24")
    contains(host.lodge_ok("net-new", "iso", "--isolated"), "192.168.126.0/24")
    contains(host.conn.networkLookupByName("lab").XMLDesc(), "<forward mode='nat'>", "192.168.125.1")
    check("<forward" not in host.conn.networkLookupByName("iso").XMLDesc(), "it is isolated")
    contains(host.lodge("net-new", "lab").err, "already exists")
    contains(host.lodge_ok("net", "restore-default"), "default")
    network = host.conn.networkLookupByName("default")
    check(network.isActive() and network.autostart(), "it runs")
    contains(host.lodge("net-restore-default").err, "already exists", "net-start default")
