"""Ports that somebody else has: which, for what, who.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import socket

import libvirt
from lodgetest.host import *
from lodgetest.runner import mark

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
INTERNAL = libvirt.VIR_ERR_INTERNAL_ERROR
ours = mark(only="lodged", reason="its words")


def screen(port, more="", listen="127.0.0.1"):
    return f"<graphics type='vnc' port='{port}' autoport='no' listen='{listen}'{more}/>"


def serial(port, kind="tcp"):
    if kind == "udp":
        return (f"<serial type='udp'><source mode='bind' host='127.0.0.1' service='{port}'/>"
                "<source mode='connect' host='127.0.0.1' service='9'/></serial>")
    return f"<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}'/><protocol type='raw'/></serial>"


def holder(kind=socket.SOCK_STREAM, family=socket.AF_INET, address="127.0.0.1"):
    """A socket of this very process; its port."""
    sock = socket.socket(family, kind)
    sock.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock, sock.getsockname()[1]


@ours
def test_a_start_says_who_has_the_port(host):
    here = f"'python3' (process {os.getpid()}) has it already"
    tcp, port = holder()
    udp, udp_port = holder(socket.SOCK_DGRAM)
    six, six_port = holder(family=socket.AF_INET6, address="::")
    host.start_sector("one", devices=screen(5931) + serial(5932))
    for number, (devices, text) in enumerate((
            (screen(5931), "<graphics type='vnc'> cannot listen on TCP port 5931 of 127.0.0.1: machine 'one' has it already"),
            (screen(5932), "port 5932 of 127.0.0.1: machine 'one' has it already"),
            (screen(5940, f" websocket='{port}'"), f"<graphics type='vnc'> cannot listen on TCP port {port} of 127.0.0.1: {here}"),
            (screen(six_port, listen="::"), f"port {six_port} of ::: {here}"),
            (serial(port), f"<serial> cannot listen on TCP port {port} of 127.0.0.1: {here}"),
            (serial(udp_port, "udp"), f"<serial> cannot listen on UDP port {udp_port} of 127.0.0.1: {here}"),
            (f"<interface type='server'><mac address='52:54:00:00:00:01'/><source address='127.0.0.1' port='{port}'/></interface>",
             f"<interface type='server'> cannot listen on TCP port {port} of 127.0.0.1: {here}"))):
        dom = host.define_sector(f"m{number}", devices=devices)
        raises(INTERNAL, dom.create, text=text)
        raises(INTERNAL, dom.create, text="in use")  # what QEMU said is there, too
        equal(host.state(f"m{number}"), "shut off")
    contains(host.lodge("start", "m0").err, "autoport='yes'")
    equal(host.state("one"), "running")
    for sock in (tcp, udp, six):
        sock.close()
    host.conn.lookupByName("m4").create()
    host.start_sector("other", devices=screen(5931, listen="127.0.0.2"))  # another address is another port


@ours
def test_a_plug_says_who_has_the_port(host):
    sock, port = holder()
    dom = host.start_sector(devices=screen(5931) + "<controller type='virtio-serial'/>")
    channel = ("<channel type='tcp'><source mode='bind' host='127.0.0.1' service='{}'/><protocol type='raw'/>"
               "<target type='virtio' name='org.test'/></channel>")
    before = dom.XMLDesc()
    raises(INTERNAL, dom.attachDeviceFlags, channel.format(port), LIVE, text=f"<channel> cannot listen on TCP port {port} of 127.0.0.1: 'python3'")
    equal(dom.XMLDesc(), before)
    sock.close()
    dom.attachDeviceFlags(channel.format(port), LIVE)
