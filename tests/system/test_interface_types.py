"""Every type of network interface, and what only some of them have.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import fcntl
import os
import re
import shutil
import socket
import struct
import threading

import libvirt_qemu
from lodgetest.host import *

MAC = "52:54:00:00:00:01"


def nic(kind, inside="", model="virtio", mac=MAC, more=""):
    return f"<interface type='{kind}'{more}><mac address='{mac}'/><model type='{model}'/>{inside}</interface>"


def interfaces(dom, flags=0):
    return re.findall("<interface.*?</interface>", dom.XMLDesc(flags), re.S)


def arguments(host, name="tiny"):
    return processes()[host.qemu_pid(name)]


def argument(host, option, text, name="tiny"):
    """The only value of @option that has @text in it."""
    words = arguments(host, name)
    found, = [value for word, value in zip(words, words[1:]) if word == option and text in value]
    return found


def fetch(port, path="README"):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        peer.sendall(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while data := peer.recv(65536):
            answer += data
    return answer.decode(errors="replace")


def forwarded(host, port):
    address = "172.17.2.15" if port == 8088 else "172.17.2.0"
    host.start_demo("demo", devices=nic("user", f"<ip family='ipv4' address='{address}' prefix='24'/>"
                                        f"<portForward proto='tcp' address='127.0.0.1'><range start='{port}' to='80'/></portForward>"
                                        + ("<backend type='passt'/>" if port == 8088 else ""))
                    + nic("user", "<link state='down'/>", mac="52:54:00:00:00:02"))
    console = host.booted("demo")
    console.command("httpd -p 80 -h /disk")
    return console


def test_user_networks_of_qemu(host):
    console = forwarded(host, 8080)
    contains(argument(host, "-netdev", "hostnet0", "demo"), '"net":"172.17.2.0/24"', '"hostfwd":[{"str":"tcp:127.0.0.1:8080-:80"}]')
    console.command("ip link set eth0 up; ip addr add 172.17.2.15/24 dev eth0; ip route add default via 172.17.2.2; ip link set eth1 up")
    contains(fetch(8080), "This file is on the disk")
    console.command("until grep -q up /sys/class/net/eth0/operstate; do sleep 1; done")  # told up to a second later
    contains(console.command("cat /sys/class/net/eth1/operstate"), "down")
    host.ok("domif-setlink", "demo", "52:54:00:00:00:02", "up")
    console.command("until grep -q up /sys/class/net/eth1/operstate; do sleep 1; done")


def test_forwarded_ports_that_qemu_does_not_have(host):
    for number, inside in enumerate(("<portForward proto='tcp'/>", "<portForward proto='tcp' dev='lo'><range start='80'/></portForward>",
                   "<portForward proto='udp' address='::1'><range start='80'/></portForward>",
                   "<portForward proto='tcp'><range start='1' end='2000'/></portForward>")):
        dom = host.define_sector(f"m{number}", devices=nic("user", inside))
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text="<portForward>")


def test_user_networks_of_passt(host):
    if not shutil.which("passt"):
        raise Skip("passt is not installed")
    outside = host.station(address="10.55.0.2/24")  # passt wants a way out
    run(["ip", "addr", "add", "10.55.0.1/24", "dev", outside.port])
    run(["ip", "route", "add", "default", "via", "10.55.0.2"])
    console = forwarded(host, 8088)
    contains(argument(host, "-netdev", "hostnet0", "demo"), '"type":"stream"')
    console.command("ip link set eth0 up; ip addr add 172.17.2.15/24 dev eth0; ip route add 10.55.0.2 dev eth0; "
                    "ip route add default via 10.55.0.2")
    contains(fetch(8088), "This file is on the disk")
    host.ok("destroy", "demo")
    wait_until(lambda: not [pid for pid, words in processes().items() if "passt" in words[0]], "passt has ended")


def test_ethernet(host):
    """A tap of its own with a script, addresses and routes; and one that somebody else made."""
    script = host.write("tap.sh", f"#!/bin/sh\necho up $1 >> {host.path('told')}\n", 0o755)
    down = host.write("tap-down.sh", f"#!/bin/sh\necho down $1 >> {host.path('told')}\n", 0o755)
    run(["ip", "tuntap", "add", "mine0", "mode", "tap"])
    dom = host.start_sector(devices=nic("ethernet", "<source><ip address='10.7.7.1' prefix='24' peer='10.7.7.2'/>"
                                        "<ip address='fd07::1' prefix='64'/>"
                                        "<route family='ipv4' address='10.8.0.0' prefix='16' gateway='10.7.7.2'/></source>"
                                        f"<script path='{script}'/><downscript path='{down}'/><target dev='mytap0'/>")
                            + nic("ethernet", "<target dev='mine0' managed='no'/>", mac="52:54:00:00:00:02"))
    first, second = interfaces(dom)
    contains(first, "<ip address='10.7.7.1' family='ipv4' prefix='24' peer='10.7.7.2'/>", "<ip address='fd07::1' family='ipv6' prefix='64'/>",
             "<route family='ipv4' address='10.8.0.0' prefix='16' gateway='10.7.7.2'/>", f"<script path='{script}'/>",
             f"<downscript path='{down}'/>", "<target dev='mytap0'/>")
    contains(second, "<target dev='mine0' managed='no'/>")
    contains(run(["ip", "address", "show", "dev", "mytap0"]).out, "10.7.7.1 peer 10.7.7.2/24", "fd07::1/64")
    contains(run(["ip", "route"]).out, "10.8.0.0/16 via 10.7.7.2 dev mytap0")
    equal(host.path("told").read_text(), "up mytap0\n")
    dom.destroy()
    equal(host.path("told").read_text(), "up mytap0\ndown mytap0\n")
    check("mytap0" not in links() and "mine0" in links(), "what is ours is gone, the other stays")
    dom = host.define_sector("b", devices=nic("ethernet", "<target dev='nodev0' managed='no'/>"))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="target managed='no' but specified dev doesn't exist")
    dom = host.define_sector("c", devices=nic("ethernet", "<script path='/bin/false'/><target dev='mytap0'/>"))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="/bin/false")
    check("mytap0" not in links(), "it is gone with the failed start")
    run(["ip", "link", "del", "mine0"])


def serve_vhost_user(listener):
    """As much of a vhost-user switch as QEMU needs to start: the answers, none of the packets."""
    peer, _ = listener.accept()
    features = 1 << 30 | 1 << 32  # protocol features, virtio 1
    answers = {1: features, 15: 1 << 0 | 1 << 3, 17: 2}  # with several queues, and acknowledgements
    while header := peer.recv(12):
        request, flags, size = struct.unpack("<III", header)
        body = peer.recv(size) if size else b""
        if request == 11:
            peer.sendall(struct.pack("<III", request, 5, 8) + body[:8])
        elif request in answers:
            peer.sendall(struct.pack("<IIIQ", request, 5, 8, answers[request]))
        elif flags & 8:
            peer.sendall(struct.pack("<IIIQ", request, 5, 8, 0))


def test_vhost_user(host):
    path = str(host.path("switch.sock"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    os.chmod(path, 0o777)
    threading.Thread(target=serve_vhost_user, args=(listener,), daemon=True).start()
    shared = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
    dom = host.start_sector(extra=shared, devices=nic("vhostuser", f"<source type='unix' path='{path}' mode='client'/><driver queues='2'/>"))
    contains(argument(host, "-netdev", "hostnet0"), '"type":"vhost-user"', '"chardev":"charnet0"', '"queues":2')
    contains(argument(host, "-device", "virtio-net"), '"mq":true', '"vectors":6')
    contains(interfaces(dom)[0], f"<source type='unix' path='{path}' mode='client'/>")


def test_sockets_of_qemu(host):
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "route", "add", "224.0.0.0/4", "dev", "lo"])
    host.start_sector("a", devices=nic("server", "<source address='127.0.0.1' port='5559'/>"))
    host.start_sector("b", devices=nic("client", "<source address='127.0.0.1' port='5559'/>"))
    host.start_sector("c", devices=nic("udp", "<source address='127.0.0.1' port='11115'><local address='127.0.0.1' port='11116'/></source>"))
    host.start_sector("d", devices=nic("mcast", "<source address='230.0.0.1' port='5558'/>"))
    contains(argument(host, "-netdev", "hostnet0", "c"), '"udp":"127.0.0.1:11115"', '"localaddr":"127.0.0.1:11116"')
    listed = {name: libvirt_qemu.qemuMonitorCommand(host.conn.lookupByName(name), "info network", 1) for name in "abcd"}
    contains(listed["a"], "connection from")
    contains(listed["b"], "connect to 127.0.0.1:5559")
    contains(listed["c"], "udp=127.0.0.1:11115")
    contains(listed["d"], "mcast=230.0.0.1:5558")


def test_cards_without_a_cable_and_what_this_host_lacks(host):
    dom = host.start_sector(devices=nic("null"))
    check("netdev" not in argument(host, "-device", "virtio-net"), "nothing is behind the card")
    contains(interfaces(dom)[0], "<interface type='null'>")
    for number, (xml, code, text) in enumerate((
            (nic("vdpa", "<source dev='/dev/vhost-vdpa-7'/>"), libvirt.VIR_ERR_SYSTEM_ERROR, "Unable to open '/dev/vhost-vdpa-7'"),
            (nic("vdpa", "<source dev='/etc/hostname'/>"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "'/etc/hostname' is no device"),
            (nic("hostdev", "<source><address type='pci' domain='0' bus='5' slot='16' function='1'/></source>", more=" managed='yes'"),
             libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "SR-IOV Virtual Functions only"),
            (nic("user", model="igb"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "igb"),
            (nic("user", "<bandwidth><inbound average='5'/></bandwidth>"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "an interface of type 'user' has no end on this host"),
            (nic("ethernet", "<backend tap='/dev/nope'/>"), libvirt.VIR_ERR_SYSTEM_ERROR, "Unable to open /dev/nope, is tun module loaded?"),
            (nic("user", "<script path='/bin/true'/>"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "scripts are not supported on interfaces of type user"))):
        raises(code, host.define_sector(f"m{number}", devices=xml).create, text=text)


def coalesced_frames(name):
    """What ethtool -c shows as rx-frames."""
    import array
    settings = array.array("B", struct.pack("I", 0x0E) + bytes(92))
    request = struct.pack("16sP", name.encode(), settings.buffer_info()[0]) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8946, request)
    return struct.unpack_from("I", settings, 8)[0]


def test_attributes(host):
    host.network("<network><name>lan</name><bridge name='virbr61' stp='off'/></network>")
    lan = "<source network='lan'/>"
    dom = host.start_sector(devices=nic("network", lan + "<coalesce><rx><frames max='7'/></rx></coalesce><tune><sndbuf>1600</sndbuf></tune>"
                                        "<teaming type='persistent'/><mtu size='1400'/>"))
    contains(argument(host, "-netdev", "hostnet0"), '"sndbuf":1600')
    contains(argument(host, "-device", "virtio-net"), '"failover":true', '"host_mtu":1400')
    equal((coalesced_frames("vnet0"), links()["vnet0"]["mtu"]), (7, 1400))
    contains(interfaces(dom)[0], "<teaming type='persistent'/>", "<sndbuf>1600</sndbuf>", "<frames max='7'/>")
    dom.updateDeviceFlags(interfaces(dom)[0].replace("<frames max='7'/>", "<frames max='9'/>"), 1)
    equal(coalesced_frames("vnet0"), 9)
    contains(interfaces(dom)[0], "<frames max='9'/>")


def test_models(host):
    """rows: interface-01 interface-02 interface-03 interface-04 interface-05 interface-30"""
    models = {"e1000": "8086:100e", "e1000e": "8086:10d3", "rtl8139": "10ec:8139", "virtio": "1af4:1041",
              "virtio-transitional": "1af4:1000", "virtio-non-transitional": "1af4:1041"}
    host.start_demo("demo", machine="q35", devices="".join(nic("user", model=model, mac=f"52:54:00:00:00:{10 + n}")
                                                            for n, model in enumerate(models)))
    console = host.booted("demo")
    seen = console.command("for d in /sys/bus/pci/devices/*; do echo $(cat $d/vendor $d/device $d/class); done")
    found = sorted(f"{vendor}:{device}" for vendor, device in re.findall("0x(....) 0x(....) 0x020000", seen))
    equal(found, sorted(models.values()))


def test_a_trusted_guest_changes_its_address(host):
    """A macvtap lets in what the guest's card lets in, if the guest is trusted."""
    device = host.station(address="10.88.0.1/24")
    inside = f"<source dev='{device.port}' mode='bridge'/>"
    host.start_demo("demo", devices=nic("direct", inside, more=" trustGuestRxFilters='yes'")
                    + nic("direct", inside, mac="52:54:00:00:00:02"))
    console = host.booted("demo")
    console.command("for n in 0 1; do ip link set eth$n address 52:54:00:00:00:7$n; ip link set eth$n up; done")
    wait_until(lambda: links()["macvtap0"]["address"] == "52:54:00:00:00:70", "the link follows")
    console.command("ip addr add 10.88.0.2/24 dev eth0")
    wait_until(lambda: " 0% packet loss" in console.command("ping -c 1 -W 2 10.88.0.1"), "the station answers", timeout=30)
    equal(links()["macvtap1"]["address"], "52:54:00:00:00:02")


def test_a_device_that_is_passed_through_has_the_guests_address(host):
    device = host.station(address="10.88.0.1/24")
    before = links()[device.port]["address"]
    dom = host.start_sector("a", devices=nic("direct", f"<source dev='{device.port}' mode='passthrough'/>", mac="52:54:00:00:00:07"))
    equal([links()[name]["address"] for name in ("macvtap0", device.port)], ["52:54:00:00:00:07"] * 2)
    dom.destroy()
    check("macvtap0" not in links(), "it is gone")
    equal(links()[device.port]["address"], before)
