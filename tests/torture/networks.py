"""Kills the daemon, and each network's dnsmasq, while clients start, stop and change networks; see run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import random
import signal
import time

import libvirt

from connection import Connection
from lodgetest.host import *
from torture import Load


def dnsmasqs():
    """{name of the network: pid}"""
    return {pathlib.Path(args[1]).stem: pid for pid, args in processes().items()
            if args and args[0].endswith("dnsmasq") and len(args) > 1}


class Network(Connection):
    """One network, driven by one client."""

    def __init__(self, host, number, seed):
        super().__init__(host)
        self.number = number
        self.name = f"t{number}"
        self.bridge = f"vt{number}"
        self.chance = random.Random(f"{seed}/{number}")
        self.count = 0

    def xml(self):
        subnet = f"10.88.{self.number}"
        return (f"<network><name>{self.name}</name><forward mode='nat'/><bridge name='{self.bridge}' stp='off'/>"
                f"<ip address='{subnet}.1' prefix='24'><dhcp><range start='{subnet}.10' end='{subnet}.200'/>"
                f"<host mac='52:54:00:88:{self.number:02x}:01' name='web' ip='{subnet}.5'/></dhcp></ip></network>")

    def network(self):
        return self.conn.networkLookupByName(self.name)

    def step(self):
        self.count += 1
        network = self.network()
        if not network.isActive():
            network.create()
            return
        self.chance.choice([self.stop, self.stop, self.lend, self.kill, self.forward])(network)

    @staticmethod
    def stop(network):
        network.destroy()

    def lend(self, network):
        """A static host more, then one less."""
        mac = f"52:54:00:88:{self.number:02x}:02"
        for command, text in ((3, f"<host mac='{mac}' ip='10.88.{self.number}.6'/>"), (2, f"<host mac='{mac}'/>")):
            try:
                network.update(command, 4, -1, text, 3)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                    raise  # it is there already, or gone: a kill came between the two

    def kill(self, _):
        pid = dnsmasqs().get(self.name)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def forward(self, _):
        """Not asked whether it worked: a killed daemon answers nothing."""
        port = str(18000 + self.number)
        self.host.lodge("net-forward", "add", self.name, port, "web:80")
        self.host.lodge("net-forward", "remove", self.name, port)


def state(host):
    """What the daemon and what the kernel has: {name} of active networks, of bridges, of tables, of processes."""
    active = {n.name() for n in host.conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)}
    bridges = {"t" + name[2:] for name in links() if name.startswith("vt")}
    tables = {"t" + name.removeprefix("vt") for name in bridges_with_rules()}
    return active, bridges, tables, set(dnsmasqs())


def whole(host):
    active, *rest = state(host)
    return all(part == active for part in rest)


def test_networks_torture(host):
    options = json.loads(os.environ["LODGE_TORTURE"])
    chance = random.Random(options["seed"])
    networks = [Network(host, number, options["seed"]) for number in range(options["machines"])]
    for network in networks:
        host.conn.networkDefineXML(network.xml())
    for number in range(options["rounds"]):
        one_round(host, networks, chance, number)
    for network in host.conn.listAllNetworks():
        if network.isActive():
            network.destroy()
        network.undefine()
    equal(state(host), (set(), set(), set(), set()), "what is left")
    left = [p for folder in ("run/libvirt/network", "var/lib/libvirt/dnsmasq") for p in host.path(folder).rglob("*")
            if p.suffix != ".leases"]
    equal(left, [], "files that are left")


def one_round(host, networks, chance, number):
    delay = chance.uniform(0.05, 1.0) * SLOWNESS
    with Load(networks) as load:
        end = time.monotonic() + delay
        while time.monotonic() < end and not load.problems:
            time.sleep(0.01)  # the random moment
        host.kill_daemon()
    check(not load.problems, f"round {number + 1}, before the kill: {load.problems}")
    host.daemon.start()
    try:
        wait_until(lambda: whole(host), "each network is whole or gone", timeout=30)
    except TestFailure as failure:
        fail(f"round {number + 1}: {failure}: active, bridges, tables, dnsmasqs: {state(host)}")
    for network in networks:
        network.drop()
        check(host.conn.networkLookupByName(network.name).isPersistent(), f"{network.name} is defined")
    print(f"round {number + 1}: killed after {delay:.2f} s; {len(state(host)[0])} of {len(networks)} networks are active; "
          f"{sum(n.count for n in networks)} operations so far", flush=True)
    host.drop_connections()
