"""Displays of machines as clients reach them: passwords, several clients, the boot menu, and none at all.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import socket
import struct
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark


class Vnc:
    """A client that shakes hands with a VNC server (RFB 3.8) and looks at what the server says then."""

    def __init__(self, port, password=None, shared=True):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.settimeout(20 * SLOWNESS)
        self.receive(12)
        self.socket.sendall(b"RFB 003.008\n")
        self.offered = list(self.receive(self.receive(1)[0]))
        if password is None:
            self.socket.sendall(b"\1")
        else:
            self.socket.sendall(b"\2")
            self.socket.sendall(answer_to(self.receive(16), password))
        self.accepted = struct.unpack(">I", self.receive(4))[0] == 0
        if self.accepted:
            self.socket.sendall(b"\1" if shared else b"\0")
            start = self.receive(24)
            self.size = struct.unpack(">HH", start[:4])
            self.receive(struct.unpack(">I", start[20:])[0])  # the name of the machine

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError(f"the server hung up after {data!r}")
            data += more
        return data

    def is_closed(self):
        """Waits until the server has hung up."""
        while self.socket.recv(65536):
            pass
        return True


def answer_to(challenge, password):
    """The challenge, encrypted by the password, whose bytes VNC takes with their bits in reverse."""
    key = "".join(f"{int(f'{byte:08b}'[::-1], 2):02x}" for byte in password.encode().ljust(8, b"\0")[:8])
    return subprocess.run(["openssl", "enc", "-des-ecb", "-nopad", "-K", key, "-provider", "legacy", "-provider", "default"],
                          input=challenge, capture_output=True, check=True).stdout


@mark(requires=["program:openssl"])
def test_a_password_is_asked_for_and_checked(host):
    """rows: display-06 display-07"""
    host.start_sector("m", devices="<graphics type='vnc' port='5922' listen='0.0.0.0' passwd='123123'/>")
    contains(host.ok("vncdisplay", "m"), ":22")
    equal(Vnc(5922, "123123").offered, [2], "kinds of security")
    equal([Vnc(5922, password).accepted for password in ("123124", "", "123123")], [False, False, True])
    contains(open("/proc/net/tcp").read(), f"00000000:{5922:04X}")


@mark(requires=["program:openssl"])
def test_a_display_gets_another_password(host):
    """While the machine runs; what else a display has cannot change."""
    display = "<graphics type='vnc' port='5922' listen='127.0.0.1' passwd='{}'{}/>"
    dom = host.start_sector("m", devices=display.format("123123", ""))
    both = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
    dom.updateDeviceFlags(display.format("another", ""), both)
    equal([Vnc(5922, password).accepted for password in ("123123", "another")], [False, True])
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        contains(dom.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_SECURE), "passwd='another'")
    dom.updateDeviceFlags(display.format("another", " passwdValidTo='2001-01-01T00:00:00'"), 0)
    equal(Vnc(5922, "another").accepted, False, "a password that has expired")
    for change in (display.format("another", "").replace("5922", "5923"), display.format("another", " keymap='de'")):
        raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.updateDeviceFlags, change, 0, text="vnc graphics")


def test_a_client_that_wants_the_display_alone_gets_it(host):
    """rows: display-10"""
    host.start_sector("m", devices="<graphics type='vnc' port='-1'/>")
    first, second = Vnc(5900), Vnc(5900)
    check(first.accepted and second.accepted and min(first.size) > 0, f"{first.size}")
    alone = Vnc(5900, shared=False)
    check(first.is_closed() and second.is_closed() and alone.accepted, "the others are still there")
    host.start_sector("only", devices="<graphics type='vnc' port='-1' sharePolicy='force-shared'/>")
    first = Vnc(5901)
    try:
        Vnc(5901, shared=False)
        fail("a client got the display alone")
    except (EOFError, ConnectionResetError):
        pass
    first.socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))  # it is still served
    equal(first.receive(1), b"\0")


def test_the_boot_menu_opens_by_a_key(host):
    """rows: display-46"""
    menu = "<bootmenu enable='yes' timeout='30000'/><bios useserial='yes'/>"
    host.define_sector("m", os_part=menu)
    host.ok("start", "m", "--paused")
    console = host.console("m")
    host.ok("resume", "m")
    console.expect("Press ESC for boot menu")
    host.ok("send-key", "m", "KEY_ESC")
    console.expect("Select boot device:")
    entry = console.expect(r"(\d)\. .*QEMU HARDDISK").group(1)
    console.send(entry)
    console.expect("Booting from Hard Disk")


def test_without_any_display_there_is_the_console(host):
    """rows: display-36"""
    host.start_demo("demo")
    check("<graphics" not in host.ok("dumpxml", "demo") and "<video" not in host.ok("dumpxml", "demo"), "there is a display")
    contains(" ".join(next(iter(qemus().values()))), "-display none")
    contains(host.booted("demo").command("cat /proc/cmdline"), "console=ttyS0")
