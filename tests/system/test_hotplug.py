"""Network cards that come, change and go while a machine runs, and in its definition.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import random
import re
import threading
import time

import libvirt_qemu
from lodgetest.host import *
from lodgetest.runner import mark

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
BOTH, INACTIVE = LIVE | CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE


def network(host, name, number):
    return host.network(f"<network><name>{name}</name><bridge name='virbr{number}' stp='off'/>"
                        f"<ip address='192.168.{number}.1' prefix='24'/></network>")


def nic(mac, source="<source network='lan'/>", more="", kind="network", model="virtio"):
    return (f"<interface type='{kind}'><mac address='52:54:00:00:00:{mac:02x}'/>{source}<model type='{model}'/>{more}"
            "</interface>")


def interfaces(dom, flags=0):
    return re.findall("<interface.*?</interface>", dom.XMLDesc(flags), re.S)


def macs(dom, flags=0):
    return re.findall("<interface.*?52:54:00:00:00:(..)", dom.XMLDesc(flags), re.S)


def cards(dom):
    """The MAC addresses of the cards that QEMU has."""
    answer = libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": "query-rx-filter"}), 0)
    names = [card["name"] for card in json.loads(answer).get("return", [])]
    listed = libvirt_qemu.qemuMonitorCommand(dom, "info network", libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    check(all(name in listed for name in names), listed)
    return [mac[-2:] for mac in re.findall("macaddr=(52:54:00:00:00:..)", listed)]


def backends(dom):
    listed = libvirt_qemu.qemuMonitorCommand(dom, "info network", libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    return sorted(set(re.findall(r"(hostnet\d+)", listed)))


def taps():
    return sorted(name for name in links() if name.startswith("vnet"))


def ports(host, name="lan"):
    return sorted(p.XMLDesc().split("52:54:00:00:00:")[1][:2] for p in host.conn.networkLookupByName(name).listAllPorts())


def listen(conn):
    events = []
    for number, name in ((libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "added"),
                         (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "removed")):
        conn.domainEventRegisterAny(None, number, lambda c, d, alias, what: events.append((what, alias)), name)
    return events


def test_a_card_comes_and_goes(host):
    """rows: platform-10 interface-11 interface-12"""
    network(host, "lan", 61)
    Loop()
    events = listen(host.open())
    dom = host.start_demo("demo", devices=nic(1))
    console = host.booted("demo")
    host.ok("attach-interface", "demo", "network", "lan", "--model", "virtio", "--mac", "52:54:00:00:00:02", "--live", "--config")
    wait_until(lambda: events == [("added", "net1")], "an event tells")
    shown = interfaces(dom)[1]
    contains(shown, "<source network='lan' portid=", "bridge='virbr61'", "<target dev='vnet1'/>", "<alias name='net1'/>",
             "<address type='pci'")
    equal((macs(dom), macs(dom, INACTIVE), cards(dom), taps(), ports(host)),
          (["01", "02"], ["01", "02"], ["01", "02"], ["vnet0", "vnet1"], ["01", "02"]))
    console.command("until test -e /sys/class/net/eth1; do sleep 1; done")
    contains(console.command("cat /sys/class/net/eth1/address"), "52:54:00:00:00:02")
    console.command("ip addr add 192.168.61.9/24 dev eth1; ip link set eth1 up")
    check("0% packet loss" in console.command("ping -c 1 -I eth1 192.168.61.1"), "it reaches the host")
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    equal(interfaces(dom)[1], shown, "the machine is as it was")
    events = listen(host.open())
    host.ok("detach-interface", "demo", "network", "--mac", "52:54:00:00:00:02", "--live", "--config")
    wait_until(lambda: events == [("removed", "net1")], "an event tells")
    equal((macs(dom), macs(dom, INACTIVE), cards(dom), taps(), ports(host), backends(dom)),
          (["01"], ["01"], ["01"], ["vnet0"], ["01"], ["hostnet0"]))
    console = host.booted("demo")
    contains(console.command("ls /sys/class/net"), "eth0")
    check("eth1" not in console.command("ls /sys/class/net"), "the guest has it no longer")


def test_express_ports(host):
    """Cold and hot the same card; the places run out with a word of what to do."""
    network(host, "lan", 61)
    roots = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6
    dom = host.start_demo("demo", machine="q35", devices=roots + nic(1))
    console = host.booted("demo")
    dom.attachDeviceFlags(nic(2), LIVE)
    console.command("until test -e /sys/class/net/eth1; do sleep 1; done")
    contains(console.command("cat /sys/class/net/eth1/address"), "52:54:00:00:00:02")
    mac = 3
    while mac < 20:
        try:
            dom.attachDeviceFlags(nic(mac), LIVE)
        except libvirt.libvirtError as error:
            equal(error.get_error_code(), libvirt.VIR_ERR_INTERNAL_ERROR)
            contains(str(error), "No more available PCI slots")
            break
        mac += 1
    check(3 < mac < 20, f"{mac - 1} cards fit")
    equal((len(macs(dom)), len(taps()), len(ports(host))), (mac - 1,) * 3)
    dom.detachDeviceFlags(nic(2), LIVE)
    wait_until(lambda: "02" not in macs(dom), "it is gone", timeout=30)
    check("eth1" not in console.command("ls /sys/class/net"), "from the guest, too")


def test_a_guest_that_never_answers(host):
    """What it was asked for stays until it is gone; a reset takes it away."""
    network(host, "lan", 61)
    Loop()
    events = listen(host.open())
    dom = host.start_sector(devices=nic(1))
    dom.attachDeviceFlags(nic(2), BOTH)
    begin = time.monotonic()
    dom.detachDeviceFlags(nic(2), BOTH)
    check(time.monotonic() - begin < 20, "it is asked for a bounded time")
    equal((macs(dom), macs(dom, INACTIVE), ports(host)), (["01", "02"], ["01"], ["01", "02"]))
    dom.detachDeviceFlags(nic(2), LIVE)
    dom.reset()
    wait_until(lambda: macs(dom) == ["01"], "it is gone after all")
    wait_until(lambda: ("removed", "net1") in events, "an event tells")
    equal((cards(dom), taps(), ports(host), backends(dom)), (["01"], ["vnet0"], ["01"], ["hostnet0"]))
    dom.attachDeviceFlags(nic(2), LIVE)
    equal(macs(dom), ["01", "02"])


def test_definitions(host):
    dom = host.define_sector(devices=nic(1))
    dom.attachDeviceFlags(nic(2), CONFIG)
    dom.attachDeviceFlags(nic(3), 0)
    equal(macs(dom), ["01", "02", "03"])
    equal(len(set(re.findall("slot='(0x..)' function", "".join(interfaces(dom))))), 3)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.attachDevice, nic(4), text="domain is not running")
    raises(libvirt.VIR_ERR_DEVICE_MISSING, dom.detachDeviceFlags, nic(9), CONFIG,
           text="no device found at address '(<null>)' matching MAC address '52:54:00:00:00:09' and alias '(<null>)'")
    dom.detachDeviceFlags(nic(3), 0)
    dom.attachDeviceFlags(nic(2), CONFIG)
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.detachDeviceFlags, nic(2), CONFIG,
           text="multiple devices matching MAC address 52:54:00:00:00:02 found")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.attachDeviceFlags, "<foo/>", CONFIG, text="unknown device type 'foo'")
    raises(libvirt.VIR_ERR_XML_ERROR, dom.attachDeviceFlags, "<interface type='network'/>", CONFIG)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.detachDeviceAlias, "nope", CONFIG, text="no device found with alias nope")
    dom.updateDeviceFlags(nic(1, model="e1000", more="<link state='down'/>"), CONFIG)
    contains(interfaces(dom)[0], "<model type='e1000'/>", "<link state='down'/>")
    equal(macs(dom), ["01", "02", "02"])


def test_what_cannot_be_plugged(host):
    network(host, "lan", 61)
    dom = host.start_sector(devices=nic(1))
    before = dom.XMLDesc()
    for xml, code, text in ((nic(2, "<source network='nope'/>"), libvirt.VIR_ERR_NO_NETWORK, "no network with matching name 'nope'"),
                            (nic(2, "<source bridge='nope'/>", kind="bridge"), libvirt.VIR_ERR_SYSTEM_ERROR, "nope"),
                            (nic(2, model="foo"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "foo"),
                            (nic(2, more="<bandwidth><inbound floor='5'/></bandwidth>"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "inbound QoS")):
        raises(code, dom.attachDeviceFlags, xml, BOTH, text=text)
        equal((dom.XMLDesc(), macs(dom, INACTIVE), cards(dom), taps(), ports(host), backends(dom)),
              (before, ["01"], ["01"], ["vnet0"], ["01"], ["hostnet0"]), text)


def test_updates(host):
    network(host, "lan", 61)
    network(host, "other", 62)
    dom = host.start_sector(devices=nic(1))
    host.ok("domif-setlink", "tiny", "vnet0", "down")
    contains(interfaces(dom)[0], "<link state='down'/>")
    contains(host.ok("domif-getlink", "tiny", "vnet0"), "vnet0 down")
    host.ok("domif-setlink", "tiny", "vnet0", "up")
    dom.updateDeviceFlags(nic(1, "<source network='other'/>"), LIVE)
    contains(interfaces(dom)[0], "<source network='other' portid=", "bridge='virbr62'", "<target dev='vnet0'/>")
    equal((links()["vnet0"]["master"], ports(host), ports(host, "other")), ("virbr62", [], ["01"]))
    check("network='lan'" in interfaces(dom, INACTIVE)[0], "the definition stays")
    dom.updateDeviceFlags(nic(1, "<source bridge='virbr61'/>", kind="bridge"), LIVE)
    contains(interfaces(dom)[0], "<interface type='bridge'>", "<source bridge='virbr61'/>")
    equal((links()["vnet0"]["master"], ports(host, "other")), ("virbr61", []))
    dom.updateDeviceFlags(nic(1, "<source network='other'/>", "<bandwidth><inbound average='100'/></bandwidth><port isolated='yes'/>"), BOTH)
    contains(interfaces(dom)[0], "<inbound average='100'/>", "<port isolated='yes'/>", "bridge='virbr62'")
    contains(interfaces(dom, INACTIVE)[0], "<inbound average='100'/>", "<source network='other'/>")
    check(links()["vnet0"]["linkinfo"]["info_slave_data"]["isolated"], "the port is isolated")
    contains(run(["tc", "class", "show", "dev", "vnet0"]).out, "rate 800Kbit")
    after = dom.XMLDesc()
    other = "<source network='other'/>"
    same = "<bandwidth><inbound average='100'/></bandwidth><port isolated='yes'/>"
    for xml, code, text in (
            (nic(1, other, same, model="e1000"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "model from virtio to e1000"),
            (nic(9, other, same), libvirt.VIR_ERR_DEVICE_MISSING, "52:54:00:00:00:09"),
            (nic(1, other, same + "<mtu size='1400'/>"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "cannot modify MTU"),
            (nic(1, other, same + "<driver queues='4'/>"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "driver attributes"),
            (nic(1, other, same + "<target dev='foo0'/>"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "tap name"),
            (nic(1, other, same + "<rom enabled='no'/>"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "rom enabled"),
            (nic(1, "<source network='nope'/>", same), libvirt.VIR_ERR_NO_NETWORK, "nope"),
            (nic(1, "<source bridge='nope'/>", kind="bridge"), libvirt.VIR_ERR_SYSTEM_ERROR, "nope"),
            (nic(1, "", kind="user"), libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "unable to change config on 'user' network type")):
        raises(code, dom.updateDeviceFlags, xml, LIVE, text=text)
        equal((dom.XMLDesc(), links()["vnet0"]["master"], ports(host), ports(host, "other")), (after, "virbr62", [], ["01"]), text)
    host.crash_daemon()
    equal(host.conn.lookupByName("tiny").XMLDesc(), after)


def test_a_guest_is_moved_to_another_network(host):
    """The guest sees its cable pulled and plugged in again."""
    network(host, "lan", 61)
    network(host, "other", 62)
    dom = host.start_demo("demo", devices=nic(1))
    console = host.booted("demo")
    console.command("ip link set eth0 up; ip addr add 192.168.61.9/24 dev eth0; ip addr add 192.168.62.9/24 dev eth0")
    contains(console.command("ping -c 1 192.168.61.1"), " 0% packet loss")
    before = int(re.search(r"(\d+)", console.command("cat /sys/class/net/eth0/carrier_changes").split("\n", 1)[1]).group(1))
    dom.updateDeviceFlags(nic(1, "<source network='other'/>"), LIVE)
    contains(console.command("ping -c 3 192.168.62.1; echo"), "bytes from")
    after = int(re.search(r"(\d+)", console.command("cat /sys/class/net/eth0/carrier_changes").split("\n", 1)[1]).group(1))
    check(after >= before + 2, f"the carrier changed {after - before} times")


@mark(only="lodged", reason="the reference does not survive that")
def test_kills_in_the_middle(host):
    """Whatever a daemon was about when it died: documents, QEMU, taps and ports agree afterwards."""
    network(host, "lan", 61)
    network(host, "other", 62)
    host.start_sector(devices=nic(1))
    chance = random.Random(7)
    steps = [lambda dom: dom.attachDeviceFlags(nic(2), BOTH), lambda dom: dom.detachDeviceFlags(nic(2), BOTH),
             lambda dom: dom.updateDeviceFlags(nic(1, "<source network='other'/>"), BOTH),
             lambda dom: dom.updateDeviceFlags(nic(1, "<source network='lan'/>"), BOTH),
             lambda dom: dom.attachDeviceFlags(nic(3, "<source network='other'/>"), LIVE)]
    for _ in range(30):
        dom = host.conn.lookupByName("tiny")

        def act(step=chance.choice(steps), dom=dom):
            try:
                step(dom)
            except libvirt.libvirtError:
                pass  # refused, or the daemon is gone

        thread = threading.Thread(target=act)
        thread.start()
        thread.join(chance.uniform(0, 0.06))
        host.daemon.kill()
        thread.join()
        host.drop_connections()
        host.daemon.start()
        dom = host.conn.lookupByName("tiny")
        wait_until(lambda d=dom: sorted(cards(d)) == sorted(macs(d)), "QEMU and the document have the same cards")
        shown = interfaces(dom)
        for text in shown:
            target, bridge = re.search("target dev='(.*?)'", text).group(1), re.search("bridge='(.*?)'", text).group(1)
            equal(links()[target]["master"], bridge, text)
        equal(len(taps()), len(shown))
        equal(sorted(ports(host) + ports(host, "other")), sorted(macs(dom)))
        if len(shown) > 1:
            dom.reset()


def test_commands_of_lodge(host):
    network(host, "lan", 61)
    network(host, "other", 62)
    dom = host.start_sector(devices=nic(1))
    lodge = host.lodge_ok
    contains(lodge("attach-interface", "tiny", "network", "lan", "--mac", "52:54:00:00:00:02", "--model", "virtio", "--inbound", "100,200",
                   "--persistent"), "Interface attached successfully")
    equal((macs(dom), macs(dom, INACTIVE)), (["01", "02"], ["01", "02"]))
    contains(lodge("domiftune", "tiny", "vnet1"), "inbound.average: 100", "inbound.peak   : 200")
    lodge("domiftune", "tiny", "vnet1", "--outbound", "50")
    equal(dom.interfaceParameters("vnet1")["outbound.average"], 50)
    lodge("domif-setlink", "tiny", "vnet1", "down")
    contains(lodge("domif-getlink", "tiny", "52:54:00:00:00:02"), "down")
    contains(interfaces(dom)[1], "<link state='down'/>")
    lodge("detach-interface", "tiny", "network", "--mac", "52:54:00:00:00:02", "--config")
    equal(macs(dom, INACTIVE), ["01"])
    lodge("detach-interface", "tiny", "network", "--mac", "52:54:00:00:00:02")
    dom.reset()
    wait_until(lambda: macs(dom) == ["01"], "it is gone")
    xml = host.write_xml(nic(1, "<source network='other'/>"))
    lodge("update-device", "tiny", xml, "--live")
    equal(links()["vnet0"]["master"], "virbr62")
    check("no interface" in host.lodge("domif-setlink", "tiny", "nope", "down").err, "an unknown one is named")
