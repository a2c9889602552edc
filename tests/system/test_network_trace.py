"""lodge net trace: the way of a machine's packets, with one thing broken after the other.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json

from lodgetest.host import *
from lodgetest.runner import mark

NETWORK = ("<network><name>net</name><forward mode='nat'/><bridge name='virbr60' stp='off'/>"
           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/>"
           "</dhcp></ip></network>")
NIC = ("<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net'/><model type='virtio'/>"
       "</interface>")


def trace(host, name):
    answer = host.lodge("net", "trace", name, "-o", "json")
    steps = json.loads(answer.out)
    equal(answer.code != 0, any(step["state"] == "fail" for step in steps), "exit code")
    return {step["step"]: step for step in steps}


def broken(host, name, step, text, hint=""):
    found = trace(host, name)
    equal(found.get(step, {}).get("state"), "fail", f"{step} of {found}")
    contains(found[step]["found"], text)
    contains(found[step]["advice"] or "", hint)


@mark(only="lodged", reason="a command of our own")
def test_each_step(host):
    """A guest that has its lease, then six faults, each with its cause."""
    network = host.network(NETWORK)
    dom = host.start_demo("web", devices=NIC)
    silent = trace(host, "web")
    equal((silent["network"]["state"], silent["tap"]["state"], silent["port"]["state"]), ("ok", "ok", "ok"))
    console = host.booted("web")
    console.send("until ip address show eth0 | grep -q 'inet 192'; do sleep 1; done; ping -c 1 192.168.60.1 && echo rea''ched\n")
    console.expect("reached", timeout=60)
    fine = trace(host, "web")
    for step, text in (("traffic", "packets"), ("lease", "192.168.60."), ("neighbour", "virbr60"), ("rules", "mode 'nat'"),
                       ("other rules", "no other rule set")):
        equal(fine[step]["state"], "ok", step)
        contains(fine[step]["found"], text)
    run(["ip", "link", "set", "vnet0", "nomaster"])
    broken(host, "web", "tap", "no port of the bridge virbr60", "ip link set vnet0 master virbr60")
    run(["ip", "link", "set", "vnet0", "master", "virbr60"])
    run(["ip", "link", "set", "virbr60", "down"])
    broken(host, "web", "bridge", "virbr60 is down")
    run(["ip", "link", "set", "virbr60", "up"])
    run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=0"])
    broken(host, "web", "forwarding", "ip_forward", "sysctl net.ipv4.ip_forward=1")
    run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    run(["nft", "add", "table", "ip", "mine"])
    run(["nft", "add chain ip mine guard { type filter hook forward priority 0 ; policy drop ; }"])
    broken(host, "web", "other rules", "ip mine guard drops packets to other networks",
           'nft \'insert rule ip mine guard iifname "virbr60" counter accept\'')
    run(["nft", "delete", "table", "ip", "mine"])
    network.destroy()
    broken(host, "web", "network", "network 'net' is not active", "lodge net-start net")
    dom.destroy()
    broken(host, "web", "machine", "does not run", "lodge start web")
    contains(host.lodge("net-trace", "none").err, "no domain with matching name")
