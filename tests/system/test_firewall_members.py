"""Rules about members of a security group, in IPv6.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark

WEB, DB = "52:54:00:00:00:01", "52:54:00:00:00:02"
NOBODY = "ip6 saddr 100::"
ours = mark(only="lodged", reason="looks at rules of nftables")


def nic(mac):
    return f"<interface type='bridge'><mac address='{mac}'/><source bridge='br9'/><model type='virtio'/></interface>"


def link_local(mac):
    parts = [int(part, 16) for part in mac.split(":")]
    return f"fe80::{parts[0] ^ 2:x}{parts[1]:02x}:{parts[2]:x}ff:fe{parts[3]:02x}:{parts[4] << 8 | parts[5]:x}"


@ours
def test_addresses_of_members(host):
    """Those that a guest tells its neighbours of, those that it was given in its document; after a restart, too."""
    run(["ip", "link", "add", "br9", "type", "bridge", "mcast_snooping", "0"])
    run(["ip", "link", "set", "br9", "up"])
    db = host.start_demo("db", devices=nic(DB))
    web = host.start_demo("web", devices=nic(WEB))
    inside, asking = host.booted("db"), host.booted("web")
    for group in ("front", "back"):
        host.lodge_ok("firewall", "create", group)
    for port in ("80", "5432"):
        host.lodge_ok("firewall", "allow", "back", "--protocol", "tcp", "--port", port, "--from", "group:front")
    host.lodge_ok("firewall", "join", "back", "db")
    tap = next(b.portDev() for b in host.conn.listAllNWFilterBindings() if "<name>db</name>" in b.XMLDesc())

    def rules():
        return run(["nft", "list", "chain", "bridge", "lodge_filter", f"i.{tap}.in.ip"]).out

    contains(rules(), NOBODY, "ip saddr 255.255.255.255")
    inside.command("ip -6 addr add fd00:9::2/64 dev eth0; mkdir -p /www; echo what it has > /www/index.html; httpd -p 5432 -h /www")
    asking.command("ip -6 addr add fd00:9::1/64 dev eth0")
    fetch = r"printf 'GET /index.html HTTP/1.0\r\n\r\n' | nc -w 4 fd00:9::2 5432"
    check("what it has" not in asking.command(fetch, timeout=90), "a stranger is let in")
    host.lodge_ok("firewall", "join", "front", "web")
    wait_until(lambda: "what it has" in asking.command(fetch, timeout=90), "its address is known, and it is let in", 60)
    contains(rules(), "ip6 saddr fd00:9::1 ")
    check(NOBODY not in rules(), "there is a member")
    asking.command("ip -6 addr add fd00:9::7/64 dev eth0")
    wait_until(lambda: "fd00:9::7" in rules(), "another address", 60)
    host.crash_daemon()
    contains(rules(), "ip6 saddr fd00:9::1 ", "fd00:9::7", "dport 80", "dport 5432")
    host.lodge_ok("firewall", "leave", "front", "web")
    wait_until(lambda: NOBODY in rules(), "it is no member any more")
    check("fd00:9::1" not in rules(), rules())
    for dom in ("web", "db"):
        host.conn.lookupByName(dom).destroy()
