"""Networks with bridges of their own: what guests on them get and reach, and what becomes of them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import random
import shutil
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

MAC = "52:54:00:00:00:01"
OTHER_MAC = "52:54:00:00:00:02"
DHCP = ("<dhcp><range start='192.168.60.10' end='192.168.60.99'/>"
        f"<host mac='{MAC}' name='web' ip='192.168.60.5'/></dhcp>")


def document(name="net", forward="<forward mode='nat'/>", bridge="virbr60", subnet=60, dhcp=DHCP, more="", attributes=""):
    return (f"<network {attributes}><name>{name}</name>{forward}<bridge name='{bridge}' stp='off'/>{more}"
            f"<ip address='192.168.{subnet}.1' netmask='255.255.255.0'>{dhcp}</ip></network>")


def outside(host):
    """A server behind the host, which knows no way to the host's networks."""
    server = host.station(address="10.77.0.2/24")
    server.host("ip", "address", "add", "10.77.0.1/24", "dev", server.port)
    return server


def dnsmasqs():
    return [pid for pid, args in processes().items() if "dnsmasq" in args[0]]


def test_nat(host):
    """A guest gets its lease, resolves names, reaches the host and, through NAT, a server outside.

    rows: network-02 network-07 network-12 network-21 network-23 network-25 network-26 network-33 network-44"""
    server = outside(host)
    network = host.network(document(more="<domain name='lab.test' localOnly='yes'/>"))
    equal(network.bridgeName(), "virbr60")
    guest = host.station("virbr60", MAC)
    lease = guest.lease("-x", "hostname:web")
    equal((lease.get("ip"), lease.get("router"), lease.get("domain")), ("192.168.60.5", "192.168.60.1", "lab.test"))
    other = host.station("virbr60", OTHER_MAC)
    contains(other.lease("-x", "hostname:db").get("ip"), "192.168.60.")
    equal(guest.resolves("web.lab.test", "192.168.60.1"), ["192.168.60.5"])
    check(guest.resolves("db.lab.test", "192.168.60.1"), "the name that a guest gave is known")
    check(guest.reaches("192.168.60.1"), "the host answers")
    check(guest.reaches("10.77.0.2"), "the server outside answers")
    check(other.reaches("192.168.60.5"), "guests reach each other")
    server.ok("ip", "route", "add", "192.168.60.0/24", "via", "10.77.0.1")
    check(not server.reaches("192.168.60.5"), "nobody outside reaches a guest")
    leases = {l["mac"]: l for l in network.DHCPLeases()}
    equal(leases[MAC]["ipaddr"], "192.168.60.5")
    equal((leases[MAC]["prefix"], leases[MAC]["iface"], leases[MAC]["type"]), (24, "virbr60", 0))
    equal(leases[OTHER_MAC]["hostname"], "db")
    equal([l["mac"] for l in network.DHCPLeases(OTHER_MAC)], [OTHER_MAC])
    network.destroy()
    check("virbr60" not in links() and not dnsmasqs() and not our_tables(), "nothing is left")
    equal(network.DHCPLeases(), [])


def test_route_open_and_isolated(host):
    """rows: network-03 network-04 network-05 network-09 network-36"""
    server = outside(host)
    server.ok("ip", "route", "add", "192.168.0.0/16", "via", "10.77.0.1")
    for mode, out, back in (("route", True, True), ("open", True, True), (None, False, False)):
        network = host.network(document(forward=f"<forward mode='{mode}'/>" if mode else ""))
        guest = host.station("virbr60", MAC)
        lease = guest.lease()
        equal(lease.get("ip"), "192.168.60.5", mode)
        if not mode:
            check(not lease.get("router"), "an isolated network leads nowhere")
            other = host.station("virbr60", OTHER_MAC)
            other.lease()
            check(other.reaches("192.168.60.5"), "guests of one isolated network reach each other")
            guest.ok("ip", "route", "add", "default", "via", "192.168.60.1")
        check(guest.reaches("192.168.60.1"), "the host answers")
        equal((guest.reaches("10.77.0.2"), server.reaches("192.168.60.5")), (out, back), str(mode))
        network.destroy()
        network.undefine()


def test_ipv6(host):
    network = host.network("<network><name>six</name><bridge name='virbr60' stp='off'/><ip family='ipv6' address='fd00:60::1' "
                           "prefix='64'><dhcp><range start='fd00:60::100' end='fd00:60::1ff'/></dhcp></ip></network>")
    guest = host.station("virbr60", MAC)
    guest.ok("sysctl", "-q", "-w", "net.ipv6.conf.eth0.disable_ipv6=0")
    wait_until(lambda: guest.reaches("fd00:60::1") if "fd00:60::" in guest.ok("ip", "-6", "address")
               or guest.run("ip", "address", "add", "fd00:60::7/64", "dev", "eth0", "nodad") else False,
               "the host answers by IPv6")
    network.destroy()


FULL = f"""<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>full</name>
<forward mode='nat'><nat ipv6='yes'><address start='10.77.0.20' end='10.77.0.29'/><port start='2000' end='3000'/></nat></forward>
<bridge name='virbr60' stp='on' delay='3'/><mtu size='1400'/><mac address='52:54:00:60:60:60'/>
<domain name='lab.test' localOnly='yes'/>
<dns><forwarder domain='corp.test' addr='10.77.0.2'/><forwarder addr='10.77.0.2'/><txt name='t' value='a b'/>
<srv service='s' protocol='tcp' domain='lab.test' target='web.lab.test' port='80' priority='1' weight='2'/>
<host ip='192.168.60.9'><hostname>nine</hostname><hostname>neun</hostname></host></dns>
<ip address='192.168.60.1' netmask='255.255.255.0' localPtr='yes'><tftp root='/tmp'/><dhcp>
<range start='192.168.60.10' end='192.168.60.99'><lease expiry='2' unit='hours'/></range>
<host mac='{MAC}' name='web' ip='192.168.60.5'><lease expiry='0'/></host><bootp file='pxelinux.0' server='192.168.60.1'/></dhcp></ip>
<ip address='192.168.61.1' prefix='24'/>
<ip family='ipv6' address='fd00:60::1' prefix='64'><dhcp><range start='fd00:60::100' end='fd00:60::1ff'/>
<host id='0:4:7e:7d:f0:7d:a8:bc:c5:d2:13:32:11:ed:16:ea:84:63' name='six' ip='fd00:60::6'/></dhcp></ip>
<route address='10.9.0.0' prefix='16' gateway='192.168.60.77' metric='7'/>
<dnsmasq:options><dnsmasq:option value='cname=alias.lab.test,nine'/></dnsmasq:options></network>"""


def test_all_that_a_document_says(host):
    """dnsmasq, nft and the kernel take all of it."""
    server = outside(host)
    network = host.network(FULL)
    bridge = links()["virbr60"]
    equal((bridge["mtu"], bridge["address"], bridge["linkinfo"]["info_data"]["stp_state"]), (1400, "52:54:00:60:60:60", 1))
    addresses = run(["ip", "-br", "address", "show", "virbr60"]).out
    contains(addresses, "192.168.60.1/24", "192.168.61.1/24", "fd00:60::1/64")
    contains(run(["ip", "route"]).out, "10.9.0.0/16 via 192.168.60.77 dev virbr60", "metric 7")
    guest = host.station("virbr60", MAC)
    lease = guest.lease()
    equal((lease.get("ip"), lease.get("boot_file"), lease.get("lease")), ("192.168.60.5", "pxelinux.0", "4294967295"))
    equal(guest.resolves("neun", "192.168.60.1"), ["192.168.60.9"])
    contains(guest.run("busybox", "nslookup", "alias.lab.test", "192.168.60.1").out, "192.168.60.9")
    server.ok("ip", "route", "add", "10.77.0.16/28", "via", "10.77.0.1")
    check(guest.reaches("10.77.0.2"), "the server answers one of the addresses of the range")
    equal(network.DHCPLeases()[0]["expirytime"], 0)
    network.destroy()
    equal(run(["ip", "route", "show", "10.9.0.0/16"]).out, "")


@mark(only="lodged", reason="the reference has no command line of its own")
def test_lodge(host):
    """rows: network-16"""
    host.network(document())
    contains(host.lodge_ok("net-list"), "net", "active")
    contains(host.lodge_ok("net-update", "net", "add", "ip-dhcp-host",
                           f"<host mac='{OTHER_MAC}' name='db' ip='192.168.60.6'/>", "--live", "--config"),
             "Updated network net persistent config and live state")
    contains(host.lodge_ok("net-dumpxml", "net"), "192.168.60.6")
    path = host.write_xml("<txt name='t' value='x'/>")
    host.lodge_ok("net-update", "net", "add-first", "dns-txt", path)
    contains(host.lodge_ok("net-dumpxml", "net"), "<txt name='t' value='x'/>")
    contains(host.lodge("net-update", "net", "modify", "dns-txt", path).err, "only added or deleted")
    contains(host.lodge("net-update", "net", "add", "bridge", path).err, "can't update 'bridge' section")
    host.lodge_ok("net-destroy", "net")


@mark(only="lodged", reason="the reference does not start a dnsmasq again")
def test_what_ends_is_started_again(host):
    host.network(document())
    guest = host.station("virbr60", MAC)
    kill(dnsmasqs()[0])
    wait_until(dnsmasqs, "dnsmasq runs again")
    wait_until(lambda: guest.lease().get("ip") == "192.168.60.5", "leases are given again")
    host.kill_daemon()
    kill(dnsmasqs()[0])
    run(["nft", "flush", "ruleset"])
    host.daemon.start()
    wait_until(dnsmasqs, "dnsmasq runs again")
    check(our_tables(), "the rules are there again")
    equal(guest.lease().get("ip"), "192.168.60.5")
    host.kill_daemon()
    run(["ip", "link", "del", "virbr60"])
    host.daemon.start()
    check("virbr60" in links() and len(dnsmasqs()) == 1, "the bridge is there again, with one dnsmasq")
    host.conn.networkLookupByName("net").destroy()


@mark(only="lodged", reason="the reference notices nothing")
def test_flushed_rules_are_put_back(host):
    def rules():
        return run(["nft", "-s", "list", "ruleset"]).out

    networks = [host.network(document()),
                host.network(document("other", bridge="virbr61", subnet=61, dhcp=DHCP.replace(".60.", ".61.")))]
    whole = rules()
    contains(whole, "from.virbr60", "nat.virbr61")
    for words in ("flush ruleset", "delete table inet lodge_net", "flush chain inet lodge_net forward",
                  "delete element inet lodge_net to { virbr60 }", "flush chain inet lodge_net nat.virbr61"):
        run(["nft", *words.split()])
        wait_until(lambda: rules() == whole, f"the rules are back after '{words}'")
    networks[0].destroy()
    equal(bridges_with_rules(), ["virbr61"])
    wait_until(lambda: "virbr60" not in rules(), "nothing of the first is left")
    networks[1].destroy()
    equal(our_tables(), [])


def test_a_daemon_that_ends_leaves_networks_alone(host):
    host.network(document())
    guest = host.station("virbr60", MAC)
    host.stop_daemon()
    equal(guest.lease().get("ip"), "192.168.60.5")
    host.daemon.start()
    network = host.conn.networkLookupByName("net")
    check(network.isActive(), "it is active")
    equal(len(dnsmasqs()), 1)
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    contains(network.XMLDesc(), "<port start='1024' end='65535'/>")
    equal(network.DHCPLeases()[0]["ipaddr"], "192.168.60.5")
    network.destroy()


@mark(only="lodged", reason="words and codes of our own")
def test_nothing_is_half_made(host):
    def refused(xml, code, text):
        network = host.conn.networkDefineXML(xml)
        raises(code, network.create, text=text)
        check(not network.isActive() and not dnsmasqs() and not our_tables(), text)
        equal([n for n in links() if n.startswith(("virbr", "averyvery"))], [], text)
        network.undefine()

    refused(document(bridge="averyveryverylongname"), libvirt.VIR_ERR_INVALID_ARG, "cannot be the name")
    run(["ip", "link", "add", "taken0", "type", "bridge"])
    refused(document(bridge="taken0"), libvirt.VIR_ERR_SYSTEM_ERROR, "taken0")
    run(["ip", "address", "add", "192.168.60.77/24", "dev", "taken0"])
    run(["ip", "link", "set", "taken0", "up"])
    refused(document(), libvirt.VIR_ERR_INTERNAL_ERROR, "already in use by interface taken0")
    run(["ip", "link", "del", "taken0"])
    refused(document(more="<domain name='a&#10;b'/>"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "control character")
    first = host.conn.networkDefineXML(document())
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.networkDefineXML, document("other"),
           text="bridge name 'virbr60' already in use")
    first.create()
    second = host.conn.networkDefineXML(document("other", bridge="virbr61"))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, second.create, text="already in use by interface virbr60")
    first.destroy()


@mark(only="lodged", reason="the reference is not started without its programs", daemon=False)
def test_missing_programs(host):
    host.daemon.environment["PATH"] = "/nonexistent"
    host.start_daemon()
    network = host.conn.networkDefineXML(document())
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, network.create, text="install the package nftables")
    check("virbr60" not in links(), "nothing is left")
    programs = host.path("programs")
    programs.mkdir()
    (programs / "nft").symlink_to(shutil.which("nft"))
    host.stop_daemon()
    host.daemon.environment["PATH"] = str(programs)
    host.start_daemon()
    network = host.conn.networkLookupByName("net")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, network.create, text="install the package dnsmasq-base")
    check("virbr60" not in links() and not our_tables(), "nothing is left")


def test_update(host):
    network = host.network(document())
    guest = host.station("virbr60", OTHER_MAC)
    both = 3
    network.update(3, 4, -1, f"<host mac='{OTHER_MAC}' name='db' ip='192.168.60.6'/>", both)
    for flags in (0, libvirt.VIR_NETWORK_XML_INACTIVE):
        contains(network.XMLDesc(flags), "192.168.60.6")
    equal(guest.lease().get("ip"), "192.168.60.6")
    network.update(3, 10, -1, "<host ip='192.168.60.9'><hostname>nine</hostname></host>", both)
    wait_until(lambda: guest.resolves("nine", "192.168.60.1") == ["192.168.60.9"], "the name is known")
    network.update(3, 11, -1, "<txt name='t' value='x'/>", libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE)
    check("<txt" not in network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "the definition stays")
    equal(guest.lease().get("ip"), "192.168.60.6")
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    contains(network.XMLDesc(), "<txt name='t' value='x'/>")
    network.destroy()
    check("<txt" not in network.XMLDesc(), "it went with the run")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, network.update, 3, 11, -1, "<txt name='t' value='x'/>", 1)


@mark(only="lodged", reason="Debian's package makes the reference's", daemon=False)
def test_default(host):
    """rows: network-15 network-24 network-38"""
    host.path("etc/libvirt/qemu/networks").rmdir()
    run(["ip", "link", "add", "lan0", "type", "bridge"])
    run(["ip", "address", "add", "192.168.122.9/24", "dev", "lan0"])
    run(["ip", "link", "set", "lan0", "up"])
    host.start_daemon()
    network = host.conn.networkLookupByName("default")
    contains(network.XMLDesc(), "192.168.123.1", "virbr0")
    check(not network.autostart() and not network.isActive(), "on a root of its own nothing starts unasked")
    network.create()
    network.destroy()
    network.undefine()
    host.restart_daemon()
    raises(libvirt.VIR_ERR_NO_NETWORK, host.conn.networkLookupByName, "default")


def test_events(host):
    Loop()
    conn = host.open()
    seen = []
    conn.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
                                 lambda c, net, event, detail, arg: seen.append((net.name(), event)), None)
    network = conn.networkDefineXML(document())
    for step in (network.create, network.destroy, network.undefine):
        step()
    kinds = [libvirt.VIR_NETWORK_EVENT_DEFINED, libvirt.VIR_NETWORK_EVENT_STARTED, libvirt.VIR_NETWORK_EVENT_STOPPED,
             libvirt.VIR_NETWORK_EVENT_UNDEFINED]
    wait_until(lambda: [event for _, event in seen] == kinds, "all four events came")


@mark(only="lodged", reason="what a crash leaves of the reference's is its own matter", timeout=300)
def test_a_crash_at_any_moment_leaves_no_half(host):
    """kill -9 while networks start and stop: each is whole or gone afterwards, and can be started and stopped."""
    names = ["a", "b", "c"]
    for number, name in enumerate(names):
        host.network(document(name, bridge=f"virbr{60 + number}", subnet=60 + number, dhcp=DHCP.replace(".60.", f".{60 + number}."),
                              more="<domain name='x'/>"), start=False)
    random.seed(8)
    for _ in range(12):
        wanted = random.random() < 0.5
        stops = [subprocess.Popen(["virsh", "-c", host.daemon.uri, "net-destroy" if host_is_up else "net-start", name],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for name, host_is_up in ((n, n in active(host)) for n in names)]
        time.sleep(random.random() * (0.6 if wanted else 0.2))  # the moment, not a condition
        host.crash_daemon()
        for process in stops:
            process.wait()
        up = active(host)
        bridges = {f"virbr{60 + number}" for number, name in enumerate(names) if name in up}
        wait_until(lambda: {n for n in links() if n.startswith("virbr")} == bridges, f"bridges of {up}")
        equal(set(bridges_with_rules()), bridges)
        wait_until(lambda: len(dnsmasqs()) == len(up), f"a dnsmasq for each of {up}")
        addresses = run(["ip", "-br", "address"]).out
        for bridge in bridges:
            contains(addresses, f"192.168.{bridge[-2:]}.1/24")
    for name in active(host):
        host.conn.networkLookupByName(name).destroy()


def active(host):
    return [n.name() for n in host.conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)]
