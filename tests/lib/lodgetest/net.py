"""Stations: network namespaces that stand in for guests, servers and other hosts.

A station on a bridge is what a guest is to it: a port with a MAC address that asks for a lease, resolves names and
sends packets, without the seconds that a machine takes to boot.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import shutil
import subprocess
import tempfile

from .process import Skip, TestFailure, run, wait_until

LEASE_SCRIPT = """#!/bin/sh
# What udhcpc was given: into a file, and onto the interface.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
set > "$0.lease"
ip address replace "$ip/$mask" dev "$interface"
for router in $router; do ip route replace default via "$router"; done
exit 0
"""


class Station:
    """One network namespace with one interface, eth0, whose other end is a port of @bridge (None: of nobody yet)."""
    count = 0

    def __init__(self, bridge=None, mac=None, address=None):
        if not shutil.which("busybox"):
            raise Skip("busybox is not installed")
        Station.count += 1
        self.port = f"port{Station.count}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="station"))
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "100000"])
        wait_until(lambda: self.namespace() != pathlib.Path("/proc/self/ns/net").readlink(), "the namespace is there")
        self.host("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.process.pid)
        if mac:
            self.ok("ip", "link", "set", "eth0", "address", mac)
        if bridge:
            self.host("ip", "link", "set", self.port, "master", bridge)
        for where, name in ((self.host, self.port), (self.ok, "eth0"), (self.ok, "lo")):
            where("ip", "link", "set", name, "up")
        if address:
            self.ok("ip", "address", "add", address, "dev", "eth0")

    def namespace(self):
        try:
            return pathlib.Path(f"/proc/{self.process.pid}/ns/net").readlink()
        except OSError:
            return pathlib.Path("/proc/self/ns/net").readlink()

    @staticmethod
    def host(*args):
        result = run(args)
        if result.code != 0:
            raise TestFailure(str(result))
        return result.out

    def run(self, *args, **kwargs):
        """A program in the station."""
        return run(["nsenter", "-t", self.process.pid, "-n", *args], **kwargs)

    def ok(self, *args, **kwargs):
        result = self.run(*args, **kwargs)
        if result.code != 0:
            raise TestFailure(str(result))
        return result.out

    def lease(self, *options):
        """Asks for an address as a guest does, takes it, and returns what came with it ({} for none)."""
        script = self.folder / "udhcpc"
        answer = self.folder / "udhcpc.lease"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        answer.unlink(missing_ok=True)
        self.run("busybox", "udhcpc", "-i", "eth0", "-s", script, "-q", "-n", "-t", "12", "-T", "1", *options)
        if not answer.exists():
            return {}
        lines = [line.partition("=") for line in answer.read_text().splitlines()]
        return {key: value.strip("'") for key, _, value in lines}

    def reaches(self, address):
        """Does it answer?"""
        return self.run("busybox", "ping", "-c", "1", "-W", "3", address).code == 0

    def resolves(self, name, server):
        """The addresses that @server has for @name."""
        out = self.run("busybox", "nslookup", name, server).out
        lines = out.split("\n\n", 1)[-1].splitlines()
        return [line.split(": ", 1)[1].strip() for line in lines if line.startswith("Address")]

    def close(self):
        self.process.kill()
        self.process.wait()
        run(["ip", "link", "del", self.port])
        shutil.rmtree(self.folder, ignore_errors=True)


def links():
    """{name: what `ip -d -j link` says} of the test's own namespace."""
    return {link["ifname"]: link for link in json.loads(run(["ip", "-d", "-j", "link"]).out)}


def our_tables():
    """The tables of nftables that lodged made."""
    return [line.split()[-1] for line in run(["nft", "list", "tables"]).out.splitlines() if " lodge_" in line]


def bridges_with_rules():
    """Bridges of networks that have rules, sorted."""
    said = run(["nft", "-j", "list", "set", "inet", "lodge_net", "bridges"])
    sets = [item["set"] for item in json.loads(said.out)["nftables"] if "set" in item] if said.out else []
    return sorted(sets[0].get("elem", [])) if sets else []
