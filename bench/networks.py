"""The measurements of networks; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import fcntl
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess

from lodgetest.host import *
from measure import Client

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
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", b"floor%d", 0x5002))
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


def test_networks(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    measure_taps(results)
    host.start_daemon()
    client = Client(host.daemon.socket, timeout=120).open()
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
