"""Text consoles: a stream to the guest, several clients, who owns it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import socket

from lodgetest.guests import document
from lodgetest.host import *
from lodgetest.runner import mark


def test_shell_on_the_console(host):
    """rows: display-42 display-43"""
    host.start_demo("demo")
    console = host.booted("demo")
    contains(console.command("hostname"), "demo")
    contains(console.command("cat /disk/README"), "on the disk of the demo guest")
    console.send("\x1d")
    equal(console.wait(), 0)


def test_second_safe_client_is_refused_and_force_takes_over(host):
    host.start_sector("tiny")
    first = host.console("tiny", "--safe")
    result = host.virsh("console", "tiny", "--safe", "--devname", "serial0")
    check(result.code != 0, str(result))
    second = host.console("tiny", "--force")
    first.wait(timeout=10)
    second.send("\x1d")
    equal(second.wait(), 0)


def test_stream_of_the_console(host):
    """The same through python-libvirt, where errors have codes."""
    dom = host.start_sector("tiny")
    stream = host.conn.newStream()
    dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
    other = host.conn.newStream()
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.openConsole, None, other, libvirt.VIR_DOMAIN_CONSOLE_SAFE,
           text="Active console session exists")
    forced = host.conn.newStream()
    dom.openConsole(None, forced, libvirt.VIR_DOMAIN_CONSOLE_SAFE | libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    equal(read_all(stream), b"", "the first client reads the end")
    forced.finish()


def read_all(stream):
    data = b""
    while True:
        try:
            more = stream.recv(1024)
        except libvirt.libvirtError:
            return data
        if not more:
            return data
        data += more


def test_console_ends_with_the_machine(host):
    host.start_sector("tiny")
    console = host.console("tiny")
    host.ok("destroy", "tiny")
    console.wait(timeout=10)


def test_console_is_free_again_after_its_client_died(host):
    host.start_sector("tiny")
    first = host.console("tiny", "--safe")
    kill(first.process.pid)
    first.wait()
    wait_until(lambda: try_console(host), "a second client gets the console")


def try_console(host):
    stream = host.conn.newStream()
    try:
        host.conn.lookupByName("tiny").openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
    except libvirt.libvirtError:
        return False
    stream.abort()
    return True


def test_console_of_an_inactive_or_consoleless_machine(host):
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.openConsole, None, host.conn.newStream(), 0,
           text="domain is not running")
    bare = host.define(document("bare"))
    bare.create()
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, bare.openConsole, None, host.conn.newStream(), 0, text="cannot find")
    dom.create()
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.openConsole, "serial9", host.conn.newStream(), 0,
           text="cannot find")


def test_much_output_arrives_whole(host):
    host.start_demo("demo")
    console = host.booted("demo")
    console.send("seq -s ' ' 1 20000; echo end-of-$((1 + 1))\n")
    console.expect("end-of-2", timeout=60)
    words = [w for w in console.seen.split() if w.isdigit()]
    position = max(i for i, w in enumerate(words) if w == "1")
    equal(words[position:position + 20000], [str(i) for i in range(1, 20001)], "numbers on the console")


def test_ttyconsole(host):
    dom = host.define_sector("tiny")
    host.refused("ttyconsole", "tiny", says="")
    dom.create()
    check(host.ok("ttyconsole", "tiny").strip().startswith("/dev/pts/"), "no terminal")


def test_serial_port_to_a_file_and_to_sockets(host):
    log = host.path("var/lib/libvirt/images/serial.out")
    path = host.path("var/lib/libvirt/images/serial.sock")
    devices = (f"<serial type='file'><source path='{log}'/><target port='0'/></serial>"
               f"<serial type='unix'><source mode='bind' path='{path}'/><target port='1'/></serial>"
               f"<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/><protocol type='raw'/>"
               f"<target port='2'/></serial>")
    host.define(document("tiny", devices=devices)).create()
    check(path.is_socket(), f"no socket {path}")
    check(log.exists(), f"no file {log}")
    socket.create_connection(("127.0.0.1", 4555), 5).close()
