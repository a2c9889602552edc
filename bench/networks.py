"""The measurements of networks; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import fcntl
import itertools
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess

from lodgetest.host import *
from measure import ByHand, Client, document

TUNSETIFF, SIOCSIFHWADDR, SIOCBRADDIF, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x400454CA, 0x8924, 0x89A2, 0x8913, 0x8914
TAPS = 50


def network_xml(number):
    subnet = f"10.{100 + number // 200}.{number % 200}"
    return (f"<network><name>n{number}</name><forward mode='nat'/><bridge name='vb{number}' stp='off'/>"
            f"<ip address='{subnet}.1' netmask='255.255.255.0'><dhcp><range start='{subnet}.2' end='{subnet}.200'/></dhcp></ip>"
            "</network>")


def tap_by_hand(bridge, number):
    """What every daemon has to ask of the kernel for one tap on a bridge: the floor of an interface's start."""
    begin = time.perf_counter()
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", b"floor%d" % number, 0x5002))
    name = b"floor%d" % number
    with socket.socket() as control:
        fcntl.ioctl(control, SIOCSIFHWADDR, struct.pack("16sH6s8x", name, 1, bytes([0xFE, 0, 0, 0, 1, number])))
        fcntl.ioctl(control, SIOCBRADDIF, struct.pack("16si12x", bridge, socket.if_nametoindex(name.decode())))
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sh14x", name, 0)))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | 1))
    return tap, time.perf_counter() - begin


def measure_taps(results):
    subprocess.run(["ip", "link", "add", "floorbr", "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", "floorbr", "up"], check=True)
    made = [tap_by_hand(b"floorbr", number) for number in range(TAPS)]
    results["tap_floor"] = statistics.median(seconds for _, seconds in made)
    for tap, _ in made:
        os.close(tap)
    subprocess.run(["ip", "link", "del", "floorbr"], check=True)


def measure_machine(host, client, options, results):
    """Starts on a NAT network, each beside one by hand with a tap that was made before."""
    net = client.call("network_define_xml", xml=network_xml(199))["net"]
    client.call("network_create", net=net)
    nic = "<interface type='network'><mac address='52:54:00:00:19:09'/><source network='n199'/><model type='virtio'/></interface>"
    dom = client.call("domain_define_xml", xml=document(host, "nat").replace("</devices>", nic + "</devices>"))["dom"]
    create, destroy = client.prepare("domain_create", dom=dom), client.prepare("domain_destroy", dom=dom)
    hand = starts = None
    number = itertools.count(TAPS)
    for _ in range(options["starts"] + 1):
        start = client.timed(create)
        if not hand:
            hand = ByHand(host, "nat", lambda: os.fdopen(tap_by_hand(b"vb199", next(number))[0], "r+b", buffering=0))
            starts = []
        client.timed(destroy)
        hand.make_ready()
        starts.append((start, hand.run()))
    results["net_machine"], results["net_machine_hand"] = (statistics.median(one) for one in zip(*starts[1:]))
    client.call("domain_undefine", dom=dom)
    client.call("network_destroy", net=net)


def test_networks(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    measure_taps(results)
    host.start_daemon()
    host.ok("capabilities")  # the emulators are probed: this is not what is measured here
    client = Client(host.daemon.socket, timeout=120).open()
    measure_machine(host, client, options, results)
    before = set(links())
    nets = [client.call("network_define_xml", xml=network_xml(number))["net"] for number in range(options["networks"])]
    for key, call in (("net_start", "network_create"), ("net_stop", "network_destroy")):
        begin = time.perf_counter()
        for net in nets:
            client.timed(client.prepare(call, net=net))
        results[key] = time.perf_counter() - begin
        if key == "net_start":
            check(len(set(links()) - before) >= options["networks"], "all bridges are there")
    check(not {name for name in links() if name.startswith("vb")}, "no bridge is left")
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
