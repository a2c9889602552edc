"""Network interfaces of the host: what is shown, what is written for which manager, and the host on a bridge.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import time

import libvirt
from lodgetest.host import *
from lodgetest.net import links
from lodgetest.runner import mark

ONLY = mark(only="lodged", reason="Debian's libvirtd only shows interfaces")
BRIDGE = """<interface type='bridge' name='br5'><start mode='onboot'/><mtu size='1400'/>
<protocol family='ipv4'><ip address='192.0.2.1' prefix='24'/></protocol>
<bridge stp='off' delay='0'><interface type='ethernet' name='up0'/></bridge></interface>"""


def ip(*words):
    result = run(["ip", *words])
    equal(result.code, 0, str(result))
    return result.out


def uplink(name="up0"):
    """Two ends of a cable, both up."""
    ip("link", "add", name, "type", "veth", "peer", "name", f"{name}x")
    for end in (name, f"{name}x"):
        ip("link", "set", end, "up")


def addresses(name):
    return re.findall(r"inet6? (\S+).*scope global", run(["ip", "addr", "show", "dev", name]).out)  # none if it is gone


def test_what_the_kernel_has(host):
    """rows: interface-19"""
    uplink()
    ip("link", "add", "br7", "type", "bridge", "stp_state", "1", "forward_delay", "400")
    ip("link", "set", "up0", "master", "br7")
    mac = links()["up0"]["address"]
    names = {i.name(): i for i in host.conn.listAllInterfaces()}
    check("br7" in names and "up0x" in names, "both are listed")
    check("up0" not in names, "a port is a part of its bridge")
    equal(host.conn.numOfInterfaces(), len(host.conn.listInterfaces()))
    equal(host.conn.numOfDefinedInterfaces(), len(host.conn.listDefinedInterfaces()))
    check("up0x" in host.conn.listInterfaces() and "br7" in host.conn.listDefinedInterfaces(), "up and down")
    equal(host.ok("iface-mac", "up0").strip(), mac)
    wait_until(lambda: links()["up0"]["operstate"] == "UP", "the cable is up")
    text = f"<link speed='10000' state='up'/>\n      <mac address='{mac}'/>\n    </interface>\n  </bridge>"
    contains(host.ok("iface-dumpxml", "br7"), "<interface type='bridge' name='br7'>\n  <mtu size='1500'/>\n  <bridge stp='on' "
             "delay='400'>\n    <interface type='ethernet' name='up0'>\n      " + text)
    host.refused("iface-dumpxml", "none", says="Interface not found")
    host.refused("iface-name", "02:02:02:02:02:02", says="Interface not found")
    other = links()["up0x"]["address"]
    equal(host.conn.interfaceLookupByMACString(other.upper()).name(), "up0x")
    ip("link", "set", "up0x", "address", mac)
    raises(libvirt.VIR_ERR_MULTIPLE_INTERFACES, host.conn.interfaceLookupByMACString, mac)


@ONLY
def test_life_of_a_bridge_without_a_manager(host):
    uplink()
    ip("addr", "add", "192.0.2.1/24", "dev", "up0")
    interface = host.conn.interfaceDefineXML(BRIDGE)
    equal(interface.name(), "br5")
    check("br5" not in links(), "defined is not started")
    contains(host.ok("iface-list", "--all"), "br5", "inactive")
    contains(host.ok("iface-dumpxml", "br5", "--inactive"), "<start mode='onboot'/>", "prefix='24'")
    interface.create()
    bridge = links()["br5"]
    equal((bridge["mtu"], links()["up0"].get("master"), addresses("br5"), addresses("up0")),
          (1400, "br5", ["192.0.2.1/24"], []))
    raises(libvirt.VIR_ERR_OPERATION_INVALID, interface.create)
    contains(host.ok("iface-dumpxml", "br5"), "<ip address='192.0.2.1' prefix='24'/>", "name='up0'")
    host.restart_daemon()
    contains(host.virsh("iface-destroy", "br5").out, "destroyed")  # its exit code is not to be trusted
    check("br5" not in links(), "stopped is gone")
    host.refused("iface-destroy", "br5", says="not running")
    host.ok("iface-undefine", "br5")
    host.refused("iface-dumpxml", "br5", says="Interface not found")
    host.refused("iface-undefine", "up0x", says="no definition")


@ONLY
def test_bridge_and_unbridge(host):
    """rows: interface-18"""
    uplink()
    ip("addr", "add", "192.0.2.1/24", "dev", "up0")
    contains(host.ok("iface-bridge", "up0", "br9", "--no-stp"), "Created bridge br9 with attached device up0",
             "Bridge interface br9 started")
    equal((addresses("br9"), addresses("up0")), (["192.0.2.1/24"], []))
    contains(host.ok("iface-unbridge", "br9"), "un-attached from bridge br9")
    wait_until(lambda: addresses("up0") == ["192.0.2.1/24"], "the interface has its address again")
    check("br9" not in links(), "the bridge is gone")
    host.conn.interfaceLookupByName("up0").destroy()
    contains(host.lodge_ok("iface-bridge", "up0", "br9", "--no-stp", "--delay", "2"), "Created bridge br9")
    equal(addresses("br9"), ["192.0.2.1/24"])
    contains(host.lodge_ok("iface-unbridge", "br9"), "Device up0 un-attached from bridge br9")
    equal(addresses("up0"), ["192.0.2.1/24"])


IFUPDOWN = """# The loopback network interface
source interfaces.d/*
auto lo up0
iface lo inet loopback

# the cable
allow-hotplug up0 up1
iface up0 inet dhcp
    dns-search \\
        example.org
iface up0 inet6 auto
iface up1 inet manual
"""


@ONLY
def test_written_for_ifupdown(host):
    main = host.write("etc/network/interfaces", IFUPDOWN)
    host.conn.interfaceDefineXML(BRIDGE)
    own = host.path("etc/network/interfaces.d/br5").read_text()
    contains(own, "auto br5\niface br5 inet static\n    address 192.0.2.1/24\n    mtu 1400\n    bridge_ports up0\n"
             "    bridge_stp off\n    bridge_fd 0\n", "iface up0 inet manual\n")
    equal(main.read_text(), "# The loopback network interface\nsource interfaces.d/*\nauto lo\niface lo inet loopback\n\n"
          "# the cable\nallow-hotplug up1\niface up1 inet manual\n")
    host.ok("iface-undefine", "br5")
    check(not host.path("etc/network/interfaces.d/br5").exists(), "its file is gone")
    # NetworkManager is there, too, but does not have this one.
    host.path("run/NetworkManager/devices").mkdir(parents=True)
    main.write_text(IFUPDOWN)
    host.conn.interfaceDefineXML(BRIDGE)
    check(host.path("etc/network/interfaces.d/br5").exists(), "it goes where its port is")
    host.conn.interfaceDefineXML(BRIDGE.replace("br5", "br6").replace("up0", "new0"))
    nm = host.path("etc/NetworkManager/system-connections/br6.nmconnection")
    check(nm.exists(), "others go where new ones go")
    host.ok("iface-undefine", "br5")
    host.ok("iface-undefine", "br6")
    check(not nm.exists() and not host.path("etc/network/interfaces.d/br5").exists(), "wherever it was, it is gone")


@ONLY
def test_ifupdown_itself(host):
    """What is written is what ifupdown reads."""
    if not shutil.which("ifup") or not shutil.which("brctl"):
        raise Skip("ifupdown or bridge-utils is not installed")
    run(["mount", "-t", "sysfs", "sysfs", "/sys"])  # the scripts of bridge-utils look there
    uplink()
    host.write("etc/network/interfaces", "auto lo\niface lo inet loopback\n")
    host.conn.interfaceDefineXML(BRIDGE)
    host.ok("iface-start", "br5")
    equal((addresses("br5"), links()["up0"].get("master"), links()["br5"]["mtu"]), (["192.0.2.1/24"], "br5", 1400))
    contains(host.virsh("iface-destroy", "br5").out, "destroyed")
    check("br5" not in links(), "ifdown removes it")


@ONLY
def test_written_for_networkd(host):
    old = host.write("etc/systemd/network/20-wired.network", "[Match]\nName=up0\n\n[Network]\nDHCP=yes\n")
    other = host.write("etc/systemd/network/90-all.network", "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n")
    host.conn.interfaceDefineXML(BRIDGE.replace("<ip address='192.0.2.1' prefix='24'/>", "<dhcp peerdns='no'/>"))
    folder = host.path("etc/systemd/network")
    contains((folder / "00-lodge-br5.netdev").read_text(), "Name=br5\nKind=bridge\n", "STP=no\nForwardDelaySec=0\n")
    contains((folder / "00-lodge-br5.network").read_text(), "Name=br5\n", "MTUBytes=1400\n", "DHCP=ipv4\n", "UseDNS=no\n")
    contains((folder / "00-lodge-up0.network").read_text(), "Name=up0\n", "Bridge=br5\n")
    check(not old.exists() and other.exists(), "what was said of the port is gone, what is said of others stays")
    host.conn.interfaceDefineXML("<interface type='vlan'><protocol family='ipv6'><autoconf/></protocol>"
                                 "<vlan tag='42'><interface name='en7'/></vlan></interface>")
    contains((folder / "00-lodge-en7.42.netdev").read_text(), "Kind=vlan\n", "Id=42\n")
    contains((folder / "00-lodge-en7.network.d/lodge-vlan-en7.42.conf").read_text(), "VLAN=en7.42\n")
    host.ok("iface-undefine", "br5")
    host.ok("iface-undefine", "en7.42")
    check(not host.path("etc/network/interfaces").exists(), "nothing is made for a manager that is not there")
    equal(sorted(p.name for p in folder.glob("**/*.*") if p.is_file()), ["00-lodge-en7.network", "90-all.network"])


@ONLY
def test_written_for_networkmanager(host):
    old = host.write("etc/NetworkManager/system-connections/Wired.nmconnection",
                     "[connection]\nid=Wired\ntype=ethernet\ninterface-name=up0\n", 0o600)
    host.conn.interfaceDefineXML(BRIDGE)
    folder = host.path("etc/NetworkManager/system-connections")
    file = folder / "br5.nmconnection"
    contains(file.read_text(), "id=br5\n", "type=bridge\ninterface-name=br5\nautoconnect=true\nautoconnect-slaves=1\n", "[bridge]\nstp=false\n",
             "[ipv4]\nmethod=manual\naddress1=192.0.2.1/24\n", "[ipv6]\nmethod=disabled\n")
    equal(file.stat().st_mode & 0o777, 0o600)
    contains((folder / "br5-up0.nmconnection").read_text(), "interface-name=up0\nmaster=br5\nslave-type=bridge\n")
    check(not old.exists(), "the old connection of the port is gone")
    bond = ("<interface type='bond' name='bond3'><protocol family='ipv4'><dhcp/></protocol><bond mode='active-backup'><miimon freq='100' "
            "downdelay='10' updelay='20'/><interface type='ethernet' name='e1'/><interface type='ethernet' name='e2'/></bond></interface>")
    host.conn.interfaceDefineXML(bond)
    contains((folder / "bond3.nmconnection").read_text(), "[bond]\nmode=active-backup\nmiimon=100\ndowndelay=10\nupdelay=20\n")
    for name in ("br5", "bond3"):
        host.ok("iface-undefine", name)
    equal(list(folder.iterdir()), [])


NETPLAN = """network:
  version: 2
  renderer: networkd
  ethernets:
    up0:
      dhcp4: true
      # with a comment
      nameservers:
        addresses: [192.0.2.53]
    "en9":
      dhcp4: true
"""


@ONLY
def test_written_for_netplan(host):
    main = host.write("etc/netplan/50-cloud-init.yaml", NETPLAN)
    alone = host.write("etc/netplan/60-up0.yaml", "network:\n  version: 2\n  ethernets:\n    up0:\n      dhcp6: true\n")
    host.conn.interfaceDefineXML(BRIDGE)
    text = host.path("etc/netplan/90-lodge-br5.yaml").read_text()
    contains(text, "  ethernets:\n    \"up0\":\n      dhcp4: false\n", "  bridges:\n    \"br5\":\n",
             "        - \"192.0.2.1/24\"\n", "      interfaces:\n        - \"up0\"\n", "        stp: false\n")
    equal(main.read_text(), "network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    \"en9\":\n      dhcp4: true\n")
    check(not alone.exists(), "a file that said nothing else is gone")
    host.write("etc/netplan/70-flow.yaml", "network: {version: 2, ethernets: {up1: {dhcp4: true}}}\n")
    host.conn.interfaceDefineXML(BRIDGE.replace("br5", "br6").replace("up0", "up2"))
    main.write_text("network:\n  version: 2\n  ethernets: {br8: {dhcp4: true}}\n")
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, host.conn.interfaceDefineXML, BRIDGE.replace("br5", "br8"))


@ONLY
def test_changes_are_taken_back(host):
    uplink()
    main = host.write("etc/network/interfaces", IFUPDOWN)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.conn.changeCommit, 0)
    host.ok("iface-begin")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.conn.changeBegin, 0)
    host.conn.interfaceDefineXML(BRIDGE)
    host.crash_daemon()
    check(main.read_text() != IFUPDOWN, "a restart of the daemon alone takes nothing back")
    host.ok("iface-rollback")
    equal(main.read_text(), IFUPDOWN)
    check(not host.path("etc/network/interfaces.d/br5").exists(), "new files are gone")
    host.refused("iface-dumpxml", "br5", says="Interface not found")
    host.ok("iface-begin")
    host.conn.interfaceDefineXML(BRIDGE)
    host.ok("iface-commit")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.conn.changeRollback, 0)
    # A host that boots again before anybody said "commit" comes back as it was.
    kept = main.read_text()
    host.ok("iface-begin")
    host.ok("iface-undefine", "br5")
    host.kill_daemon()
    backup = host.path("var/lib/libvirt/interface-backup/before.json")
    backup.write_text(backup.read_text().replace(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "another"))
    host.start_daemon()
    equal(main.read_text(), kept)
    contains(host.ok("iface-dumpxml", "br5", "--inactive"), "name='up0'")
    check(not backup.exists(), "that is done once")


@ONLY
def test_bad_documents(host):
    """None of them writes a file."""
    bad = ["<interface/>", "<interface type='bridge'/>", "<interface type='what' name='x'/>", "<bridge/>", "<interface type='ethernet'/>",
           "<interface type='ethernet' name=''/>", "<interface type='ethernet' name='a/b'/>", "<interface type='ethernet' name='..'/>",
           "<interface type='ethernet' name='sixteen-characte'/>", "<interface type='ethernet' name='a b'/>",
           "<interface type='ethernet' name='a&#10;b'/>", "<interface type='ethernet' name='-x'/>", "<interface type='ethernet' name='$(x)'/>",
           "<interface type='vlan' name='v'/>", "<interface type='vlan'><vlan tag='5000'><interface name='e'/></vlan></interface>",
           "<interface type='vlan'><vlan tag='5'/></interface>", "<interface type='vlan'><vlan><interface name='e'/></vlan></interface>",
           "<interface type='vlan' name='e'><vlan tag='5'><interface name='e'/></vlan></interface>",
           "<interface type='bond' name='b'><bond mode='what'/></interface>", "<interface type='bond' name='b'><bond/></interface>",
           "<interface type='bridge' name='b'><bridge delay='x'/></interface>", "<interface type='bridge' name='b'><bridge delay='-1'/></interface>",
           "<interface type='bridge' name='b'><bridge stp='what'/></interface>",
           "<interface type='bridge' name='b'><bridge><interface type='ethernet' name='b'/></bridge></interface>",
           "<interface type='bridge' name='b'><bridge><interface type='ethernet' name='e'/><interface type='ethernet' name='e'/></bridge></interface>",
           "<interface type='bridge' name='b'><bridge><interface type='bridge' name='e'/></bridge></interface>",
           "<interface type='ethernet' name='e'><mtu size='1'/></interface>", "<interface type='ethernet' name='e'><mac address='x'/></interface>",
           "<interface type='ethernet' name='e'><start mode='what'/></interface>"]
    for inside in ("<protocol/>", "<protocol family='ipx'/>", "<protocol family='ipv4'><ip address='1.2.3'/></protocol>",
                   "<protocol family='ipv4'><ip address='fd00::1'/></protocol>", "<protocol family='ipv6'><ip address='1.2.3.4'/></protocol>",
                   "<protocol family='ipv4'><ip address='1.2.3.4' prefix='33'/></protocol>",
                   "<protocol family='ipv4'><route gateway='x&#10;y'/></protocol>", "<protocol family='ipv4'><autoconf/></protocol>",
                   "<protocol family='ipv4'/><protocol family='ipv4'/>"):
        bad.append(f"<interface type='ethernet' name='e'>{inside}</interface>")
    check(len(bad) >= 30, "enough of them")
    host.write("etc/network/interfaces", IFUPDOWN)
    for document in bad:
        raises(libvirt.VIR_ERR_XML_ERROR, host.conn.interfaceDefineXML, document, text="")
    equal(host.path("etc/network/interfaces").read_text(), IFUPDOWN)
    check(not host.path("etc/libvirt/interfaces").exists() or not list(host.path("etc/libvirt/interfaces").iterdir()), "nothing is kept")


# -- the host on a bridge ------------------------------------------------------------------------------------------


def neighbour(host):
    """A router behind up0, on which the host has its addresses and its way out."""
    other = host.station(address="10.77.0.2/24")
    ip("link", "set", other.port, "down")
    ip("link", "set", other.port, "name", "up0")
    ip("link", "set", "up0", "up")
    other.port = "up0"
    other.ok("ip", "address", "add", "10.99.0.1/32", "dev", "lo")
    ip("address", "add", "10.77.0.1/24", "dev", "up0")
    ip("address", "add", "fd00:77::1/64", "dev", "up0", "nodad")
    ip("route", "add", "default", "via", "10.77.0.2", "metric", "50")
    ip("route", "add", "10.98.0.0/16", "via", "10.77.0.2", "dev", "up0", "src", "10.77.0.1")
    return other


def state():
    """Who has the addresses and the routes."""
    routes = [line.strip() for line in ip("route").splitlines() if "kernel" not in line]
    return {name: addresses(name) for name in ("up0", "br0") if name in links()}, sorted(routes)


def on(name):
    others = {"up0": []} if name == "br0" else {}
    return ({**others, name: ["10.77.0.1/24", "fd00:77::1/64"]},
            [f"10.98.0.0/16 via 10.77.0.2 dev {name} src 10.77.0.1", f"default via 10.77.0.2 dev {name} metric 50"])


@ONLY
def test_the_host_moves_to_a_bridge(host):
    other = neighbour(host)
    equal(state(), on("up0"))
    plan = json.loads(host.lodge_ok("-o", "json", "net", "bridge-host", "up0", "--dry-run"))
    equal((plan["bridge"], plan["interface"], plan["confirm_s"]), ("br0", "up0", 60))
    contains("\n".join(plan["steps"]), "move the address 10.77.0.1/24", "default route over 10.77.0.2")
    equal(state(), on("up0"))
    check(host.lodge("net-bridge-host", "up0").code != 0, "nobody is there to be asked")
    host.write("etc/network/interfaces", "auto up0\niface up0 inet static\n    address 10.77.0.1/24\n    gateway 10.77.0.2\n")
    host.lodge_ok("net-bridge-host", "up0", "--yes")
    equal(state(), on("br0"))
    equal(links()["br0"]["address"], links()["up0"]["address"])
    check(other.reaches("10.77.0.1") and run(["busybox", "ping", "-c", "1", "-W", "3", "10.99.0.1"]).code == 0, "the host is reached, and reaches others")
    contains(host.lodge("net-bridge-host", "up0x", "--yes").err, "waits to be confirmed")
    contains(host.path("etc/network/interfaces").read_text(), "iface up0 inet static")
    contains(host.lodge_ok("net-bridge-host", "--confirm"), "br0 is kept")
    contains(host.path("etc/network/interfaces.d/br0").read_text(), "bridge_ports up0", "address 10.77.0.1/24", "gateway 10.77.0.2")
    check("iface up0 inet static" not in host.path("etc/network/interfaces").read_text(), "the port has no address any more")
    host.restart_daemon()
    equal(state(), on("br0"))
    contains(host.lodge("net-bridge-host", "--confirm").err, "waits to be confirmed")


@ONLY
def test_a_bridge_that_nobody_confirms_is_taken_back(host):
    other = neighbour(host)
    host.lodge_ok("net-bridge-host", "up0", "--name", "br0", "--yes", "--timeout", "2")
    equal(state(), on("br0"))
    wait_until(lambda: state() == on("up0"), "the addresses are back", timeout=20)
    check(other.reaches("10.77.0.1"), "the host is reached")
    host.lodge_ok("net-bridge-host", "up0", "--yes")
    contains(host.lodge_ok("net-bridge-host", "--revert"), "up0 has its addresses again")
    equal(state(), on("up0"))
    check(not host.path("run/libvirt/network/bridge-host.json").exists(), "nothing waits")


@ONLY
def test_the_next_daemon_takes_it_back(host):
    """Killed while the host is on a bridge that nobody confirmed."""
    neighbour(host)
    host.lodge_ok("net-bridge-host", "up0", "--yes", "--timeout", "5")
    host.kill_daemon()
    equal(state(), on("br0"))
    host.start_daemon()
    wait_until(lambda: state() == on("up0"), "the addresses are back", timeout=30)
    # Killed half-way: the note is there, whatever was moved.
    host.lodge_ok("net-bridge-host", "up0", "--yes", "--timeout", "600")
    note = host.path("run/libvirt/network/bridge-host.json")
    host.kill_daemon()
    ip("address", "del", "fd00:77::1/64", "dev", "br0")
    ip("link", "set", "up0", "nomaster")
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "end_ms": 1}))
    host.start_daemon()
    wait_until(lambda: state() == on("up0"), "the addresses are back", timeout=30)


@ONLY
def test_what_cannot_be_a_port(host):
    uplink()
    ip("link", "add", "br7", "type", "bridge")
    for words, says in ((("lo",), "loopback"), (("br7",), "a bridge itself"), (("none",), "couldn't find interface"),
                        (("up0", "--name", "br7"), "already"), (("up0", "--name", "x" * 16), "cannot be the name")):
        contains(host.lodge("net-bridge-host", *words, "--yes").err, says)
    ip("link", "set", "up0", "master", "br7")
    contains(host.lodge("net-bridge-host", "up0", "--yes").err, "part of another interface")


@ONLY
def test_names_of_clients_stay_inside_their_folders(host):
    from lodgetest.wire import Wire, WireError
    victim = host.write("etc/victim", "")
    host.write("etc/network/interfaces", "auto lo\n")
    host.path("etc/network/interfaces.d").mkdir()
    wire = Wire(host.daemon.socket).open()
    for call, more in (("interface_undefine", {}), ("interface_create", {"flags": 0}), ("interface_destroy", {"flags": 0})):
        for name in ("../../victim", "-x", "a\nb", ""):
            try:
                wire.call(call, iface={"name": name, "mac": ""}, **more)
                fail(f"{call} {name!r} was done")
            except WireError as error:
                equal(error.code, libvirt.VIR_ERR_NO_INTERFACE)
    wire.close()
    check(victim.exists(), "what lies elsewhere stays")


@ONLY
def test_connections_outlive_the_move(host):
    """One that somebody has over the interface goes on, there and back."""
    other = neighbour(host)
    listener = socket.create_server(("10.77.0.1", 5000))
    talker = subprocess.Popen(["nsenter", "-t", str(other.process.pid), "-n", "busybox", "nc", "10.77.0.1", "5000"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection, _ = listener.accept()
    connection.settimeout(20 * SLOWNESS)

    def both_ways(word):
        talker.stdin.write(word)
        talker.stdin.flush()
        equal(connection.recv(len(word)), word)
        connection.sendall(word)
        equal(talker.stdout.read(len(word)), word)

    try:
        both_ways(b"before")
        host.lodge_ok("net-bridge-host", "up0", "--yes")
        both_ways(b"on the bridge")
        host.lodge_ok("net-bridge-host", "--revert")
        both_ways(b"back again")
    finally:
        talker.kill()
        talker.wait()
        connection.close()
        listener.close()


@ONLY
def test_killed_at_any_moment(host):
    """kill -9 while the host moves: the next daemon finds what there is to take back."""
    neighbour(host)
    chance = random.Random(7)
    for turn in range(6):
        client = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "net-bridge-host", "up0", "--yes", "--timeout", "1"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        note = host.path("run/libvirt/network/bridge-host.json")
        wait_until(lambda: note.exists() or client.poll() is not None, "it begins")
        time.sleep(chance.uniform(0, 0.02))  # the moment, not a wait for something
        host.kill_daemon()
        client.wait(30)
        host.start_daemon()
        wait_until(lambda: state() == on("up0") and not note.exists(), f"turn {turn}: all is back", timeout=30)


NETWORKD = "/lib/systemd/systemd-networkd"


class Networkd:
    """systemd-networkd with @folder as its own: on a /sys that cannot be written it does not wait for udev."""

    def __init__(self, host, folder, place):
        if not pathlib.Path(NETWORKD).exists():
            raise Skip("systemd-networkd is not installed")
        run(["mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys"])
        for path in ("/run", "/etc/systemd/network"):
            run(["mount", "-t", "tmpfs", "tmpfs", path])
        for part in ("links", "leases", "lldp"):
            pathlib.Path("/run/systemd/netif", part).mkdir(parents=True)
        run(["chown", "-R", "systemd-network:", "/run/systemd/netif"])
        shutil.copytree(folder, place, dirs_exist_ok=True)
        run(["chmod", "-R", "a+rX", place])
        self.log = open(host.path("networkd.log"), "wb")
        self.process = subprocess.Popen([NETWORKD], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        if kind:
            print(pathlib.Path(self.log.name).read_text(errors="replace"))


def is_as_defined(mtu=1400):
    there = links()
    return (addresses("br5") == ["192.0.2.1/24"] and there["up0"].get("master") == "br5" and
            there.get("br5", {}).get("mtu") == mtu)


@ONLY
def test_networkd_itself(host):
    """What is written is what systemd-networkd reads."""
    host.write("etc/systemd/network/20-wired.network", "[Match]\nName=up0\n\n[Network]\nAddress=198.51.100.1/24\n")
    host.conn.interfaceDefineXML(BRIDGE)
    uplink()
    with Networkd(host, host.path("etc/systemd/network"), "/etc/systemd/network"):
        wait_until(is_as_defined, "the bridge is there as it was defined", timeout=30)


@ONLY
def test_netplan_itself(host):
    """What is written is what netplan makes files of, here for systemd-networkd."""
    generate = pathlib.Path("/usr/lib/netplan/generate")
    if not generate.exists():
        raise Skip("netplan is not installed")
    host.write("etc/netplan/50-cloud-init.yaml", NETPLAN, 0o600)
    host.conn.interfaceDefineXML(BRIDGE)
    host.conn.interfaceDefineXML("<interface type='bond' name='bond3'><protocol family='ipv4'><dhcp peerdns='no'/></protocol>"
                                 "<protocol family='ipv6'><autoconf/></protocol><bond mode='active-backup'><miimon freq='100'/>"
                                 "<interface type='ethernet' name='e1'/></bond></interface>")
    host.conn.interfaceDefineXML("<interface type='vlan'><start mode='none'/><protocol family='ipv4'><ip address='198.51.100.1' prefix='24'/>"
                                 "<route gateway='198.51.100.2'/></protocol><vlan tag='42'><interface name='e2'/></vlan></interface>")
    uplink()
    result = run([str(generate), "--root-dir", str(host.root)])
    equal((result.code, result.err), (0, ""), str(result))
    made = host.path("run/systemd/network")
    contains((made / "10-netplan-bond3.netdev").read_text(), "Mode=active-backup", "MIIMonitorSec=100ms")
    contains((made / "10-netplan-e2.42.network").read_text(), "Address=198.51.100.1/24", "Gateway=198.51.100.2")
    with Networkd(host, made, "/run/systemd/network"):
        # An MTU that networkd gives a bridge when it makes it (as netplan has it) goes when the port comes.
        wait_until(lambda: is_as_defined(1500), "the bridge is there as it was defined", timeout=30)


NESTED = """<interface type='bridge' name='br5'><bridge><interface type='vlan' name='e2.4'><vlan tag='4'><interface name='e2'/></vlan></interface>
<interface type='bond' name='bond3'><bond mode='active-backup'><miimon freq='100'/><interface type='ethernet' name='e1'/></bond></interface>
</bridge></interface>"""


@ONLY
def test_bridges_over_bonds_and_vlans(host):
    """What they are made of is written with them, and goes with them."""
    def files(folder):
        return {p.relative_to(host.path(folder)).as_posix(): p.read_text() for p in host.path(folder).rglob("*") if p.is_file()}

    def there_and_back(folder):
        before = files(folder)
        host.conn.interfaceDefineXML(NESTED)
        host.conn.interfaceDefineXML(NESTED)
        made = files(folder)
        host.ok("iface-undefine", "br5")
        equal(files(folder), before)
        return made

    host.write("etc/network/interfaces", "auto lo\nsource interfaces.d/*\n")
    made = there_and_back("etc/network")
    contains(made["interfaces.d/br5"], "iface e2.4 inet manual\n    vlan-raw-device e2\n", "iface bond3 inet manual\n    bond-slaves e1\n",
             "    bridge_ports e2.4 bond3\n", "iface e1 inet manual\n")
    host.write("etc/systemd/network/50-e2.network", "[Match]\nName=e2\n\n[Network]\nDHCP=yes\n")
    made = there_and_back("etc/systemd/network")
    contains(made["50-e2.network.d/lodge-vlan-e2.4.conf"], "VLAN=e2.4\n")
    contains(made["00-lodge-e1.network"], "Bond=bond3\n")
    contains(made["00-lodge-bond3.network"], "Bridge=br5\n")
    contains(made["00-lodge-bond3.netdev"], "Kind=bond\n")
    contains(made["00-lodge-e2.4.netdev"], "Id=4\n")
    host.path("etc/NetworkManager/system-connections").mkdir(parents=True)
    host.path("run/NetworkManager/devices").mkdir(parents=True)
    made = there_and_back("etc/NetworkManager/system-connections")
    equal(sorted(made), ["bond3-e1.nmconnection", "br5-bond3.nmconnection", "br5-e2.4.nmconnection", "br5.nmconnection"])
    contains(made["bond3-e1.nmconnection"], "master=bond3\nslave-type=bond\n")
    contains(made["br5-e2.4.nmconnection"], "[vlan]\nid=4\nparent=e2\n")
    host.write("etc/netplan/50-cloud-init.yaml", NETPLAN, 0o600)
    made = there_and_back("etc/netplan")
    text = made["90-lodge-br5.yaml"]
    check(text.index("  ethernets:") < text.index("  bonds:") < text.index("  vlans:") < text.index("  bridges:"), "one section of each")
    contains(text, '    "e2":\n      dhcp4: false\n', '      id: 4\n      link: "e2"\n')
    generate = pathlib.Path("/usr/lib/netplan/generate")
    if generate.exists():
        host.conn.interfaceDefineXML(NESTED)
        result = run([str(generate), "--root-dir", str(host.root)])
        equal((result.code, result.err), (0, ""), str(result))


@ONLY
def test_networkmanager_itself(host):
    """What is written is what NetworkManager reads."""
    program = shutil.which("NetworkManager")
    if not program or not shutil.which("dbus-daemon"):
        raise Skip("NetworkManager is not installed")
    host.path("run/NetworkManager/devices").mkdir(parents=True)
    host.conn.interfaceDefineXML(BRIDGE)
    uplink()
    run(["mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys"])
    for path in ("/run", "/var/lib/NetworkManager", "/etc/NetworkManager"):
        run(["mount", "-t", "tmpfs", "tmpfs", path])
    for path in ("/run/dbus", "/run/NetworkManager"):
        pathlib.Path(path).mkdir()
    shutil.copytree(host.path("etc/NetworkManager/system-connections"), "/etc/NetworkManager/system-connections")
    pathlib.Path("/etc/NetworkManager/NetworkManager.conf").write_text(
        "[main]\nplugins=keyfile\n[keyfile]\nunmanaged-devices=interface-name:lo;interface-name:up0x\n"
        "[device]\nmatch-device=interface-name:up0\nmanaged=1\n")  # without udev it takes no veth by itself
    with open(host.path("nm.log"), "wb") as log:
        bus = subprocess.Popen(["dbus-daemon", "--system", "--nofork", "--nopidfile"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(pathlib.Path("/run/dbus/system_bus_socket").exists, "the bus is there")
        manager = subprocess.Popen([program, "--no-daemon"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(is_as_defined, "the bridge is there as it was defined", timeout=30)
        finally:
            for process in (manager, bus):
                process.kill()
                process.wait()
