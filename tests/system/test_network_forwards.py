"""Ports of the host that lead to machines of networks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

MAC = "52:54:00:00:00:01"
NETWORK = ("<network><name>net</name>{forward}<bridge name='virbr60' stp='off'/>"
           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/>"
           "</dhcp></ip></network>")
NAT = NETWORK.format(forward="<forward mode='nat'/>")
SERVER = """
import socket, sys
tcp, udp, name = int(sys.argv[1]), int(sys.argv[1]), sys.argv[2].encode()
s = socket.create_server(("", tcp), reuse_port=True)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", udp))
print("ready", flush=True)
import selectors
sel = selectors.DefaultSelector(); sel.register(s, 1); sel.register(u, 1)
while True:
    for key, _ in sel.select():
        if key.fileobj is s:
            c, peer = s.accept(); c.sendall(name); c.close()
        else:
            data, peer = u.recvfrom(99); u.sendto(name, peer)
"""
CLIENT = """
import socket, sys
kind, address, port = sys.argv[1:]
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(3); s.connect((address, int(port))); s.send(b"?"); print(s.recv(99).decode())
except OSError as error:
    print(error)
"""


def serve(station, port, name):
    process = subprocess.Popen(["nsenter", "-t", str(station.process.pid), "-n", "python3", "-c", SERVER, str(port), name],
                               stdout=subprocess.PIPE, text=True)
    equal(process.stdout.readline(), "ready\n")
    return process


def ask(where, address, port, kind="tcp"):
    return (where.run if where else run)(*(["python3", "-c", CLIENT, kind, address, str(port)]
                                           if where else [["python3", "-c", CLIENT, kind, address, str(port)]])).out.strip()


def port_of(network, name, mac, number):
    return network.portCreateXML(f"<networkport><uuid>0f181601-f56f-42a5-8b42-8dfb6d55{number:04d}</uuid><owner><name>{name}"
                                 f"</name></owner><mac address='{mac}'/></networkport>")


@mark(only="lodged", reason="the reference has no forwards")
def test_forwards(host):
    """A port of the host reaches the machine, from outside, from the host and from its neighbours, and follows it."""
    outside = host.station(address="10.77.0.2/24")
    outside.host("ip", "address", "add", "10.77.0.1/24", "dev", outside.port)
    network = host.network(NAT)
    web, other = host.station("virbr60", MAC), host.station("virbr60", "52:54:00:00:00:02")
    host.lodge_ok("net", "forward", "add", "net", "8080", "web:80")
    host.lodge_ok("net-forward", "add", "net", "udp:10.77.0.1:53", "web:80")
    listed = json.loads(host.lodge_ok("net-forward", "list", "net", "-o", "json"))
    equal([(f["protocol"], f["address"], f["port"], f["machine"], f["to"], f["guest"]) for f in listed],
          [("tcp", None, 8080, "web", 80, None), ("udp", "10.77.0.1", 53, "web", 80, None)])
    port_of(network, "web", MAC, 1)
    server = serve(web, 80, "web")
    address = web.lease()["ip"]
    wait_until(lambda: ask(outside, "10.77.0.1", 8080) == "web", "the lease is followed")
    equal(ask(outside, "10.77.0.1", 53, "udp"), "web")
    equal(ask(None, "10.77.0.1", 8080), "web", "from the host itself")
    other.lease()
    equal(ask(other, "10.77.0.1", 8080), "web", "from a neighbour")
    check(ask(outside, "10.77.0.1", 81) != "web", "nothing else is open")
    equal(json.loads(host.lodge_ok("net-forward", "list", "-o", "json"))[0]["guest"], address)
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    wait_until(lambda: ask(outside, "10.77.0.1", 8080) == "web", "the next daemon knows it, too")
    contains(run(["nft", "list", "table", "inet", "lodge_to_virbr60"]).out, f"dnat ip to {address}:80")
    # Another address: a static one, live; the guest asks again.
    network.update(3, 4, -1, f"<host mac='{MAC}' name='web' ip='192.168.60.5'/>", 3)
    equal(web.lease()["ip"], "192.168.60.5")
    wait_until(lambda: "192.168.60.5:80" in run(["nft", "list", "table", "inet", "lodge_to_virbr60"]).out, "it is followed")
    web.ok("ip", "address", "flush", "dev", "eth0")
    web.ok("ip", "address", "add", "192.168.60.5/24", "dev", "eth0")
    web.ok("ip", "route", "add", "default", "via", "192.168.60.1")
    equal(ask(outside, "10.77.0.1", 8080), "web")
    for restart in (host.crash_daemon, host.restart_daemon):
        restart()
        equal(ask(outside, "10.77.0.1", 8080), "web")
    run(["nft", "flush", "ruleset"])
    wait_until(lambda: ask(outside, "10.77.0.1", 8080) == "web", "flushed rules come back")
    network = host.conn.networkLookupByName("net")
    host.lodge_ok("net-forward", "remove", "net", "8080")
    check(ask(outside, "10.77.0.1", 8080) != "web", "it is gone")
    equal(ask(outside, "10.77.0.1", 53, "udp"), "web")
    contains(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "lodge:forwards", "10.77.0.1")
    server.kill()
    server.wait()
    network.destroy()
    equal(our_tables(), [])
    network.create()
    contains(run(["nft", "list", "table", "inet", "lodge_to_virbr60"]).out, "dnat ip to 192.168.60.5:80")


@mark(only="lodged", reason="the reference has no forwards")
def test_what_cannot_be_forwarded(host):
    host.network(NAT)
    other = NAT.replace("net<", "two<").replace("virbr60", "virbr61").replace(".60.", ".61.")
    host.network(other)
    host.lodge_ok("net-forward", "add", "net", "8080", "web")
    for words, *arguments in (("forwarded already: by network 'net' to 'web'", "add", "two", "tcp:127.0.0.1:8080", "db"),
                              ("forwarded already", "add", "net", "8080", "web"),
                              ("is no port of this host", "add", "net", "0", "web"),
                              ("is no port of this host", "add", "net", "udp:1.2.3:5", "web"),
                              ("is no port of this host", "add", "net", "70000", "web"),
                              ("names no machine", "add", "net", "81", ":80"),
                              ("does not have the address 10.99.0.1", "add", "net", "10.99.0.1:81", "web"),
                              ("has no forward of udp port 8080", "remove", "net", "udp:8080"),
                              ("no network with matching name 'none'", "add", "none", "81", "web"),
                              ("needs a network", "add", "net", "81")):
        contains(host.lodge("net-forward", *arguments).err, words)
    listener = subprocess.Popen(["busybox", "nc", "-l", "-p", "8099"])
    wait_until(lambda: ":8099" in run(["ss", "-ltn"]).out, "it listens")
    contains(host.lodge("net-forward", "add", "net", "8099", "web").err, "a program of this host uses tcp port 8099")
    listener.kill()
    listener.wait()
    host.network(NETWORK.format(forward="").replace("net<", "iso<").replace("virbr60", "virbr62").replace(".60.", ".62."))
    contains(host.lodge("net-forward", "add", "iso", "81", "web").err, "forward mode 'nat'")
    equal(len(json.loads(host.lodge_ok("net-forward", "list", "-o", "json"))), 1)
