"""SASL of displays: clients prove who they are.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

# gtk-vnc's connection, as viewers use it: prints how it went.
CLIENT = """
import sys
import gi
gi.require_version("GVnc", "1.0")
from gi.repository import GLib, GVnc
port, user, password = sys.argv[1:]
connection, loop = GVnc.Connection(), GLib.MainLoop()
def end(word):
    print(word)
    loop.quit()
def credentials(*_):
    connection.set_credential(GVnc.ConnectionCredential.USERNAME, user)
    connection.set_credential(GVnc.ConnectionCredential.PASSWORD, password)
connection.connect("vnc-auth-choose-type", lambda *_: connection.set_auth_type(20))
connection.connect("vnc-auth-credential", credentials)
connection.connect("vnc-initialized", lambda _: end("in"))
connection.connect("vnc-auth-failure", lambda *_: end("refused"))
connection.connect("vnc-disconnected", lambda _: end("closed"))
connection.open_host("127.0.0.1", port)
GLib.timeout_add_seconds(60, lambda: end("silent"))
loop.run()
"""


def configure(host):
    folder = host.path("etc/sasl")
    folder.mkdir(parents=True)
    database = folder / "users.db"
    (folder / "qemu.conf").write_text(f"mech_list: digest-md5\nsasldb_path: {database}\n")
    subprocess.run(["saslpasswd2", "-f", database, "-p", "-c", "-a", "qemu", "-u", os.uname().nodename, "vera"],
                   input=b"right", check=True)
    database.chmod(0o644)
    host.write("etc/libvirt/qemu.conf", f'vnc_sasl = 1\nvnc_sasl_dir = "{folder}"\n')
    host.restart_daemon()


def login(port, password):
    result = subprocess.run(["/usr/bin/python3", "-c", CLIENT, port, "vera", password], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    return result.stdout.split() + result.stderr.split("\n") if result.returncode else result.stdout.split()[0]


@mark(requires=["program:saslpasswd2"])
def test_vnc_lets_in_who_knows_the_password(host):
    configure(host)
    dom = host.start_sector(devices="<graphics type='vnc' autoport='yes'/>")
    port = re.search("<graphics type='vnc' port='([0-9]+)'", dom.XMLDesc())[1]
    equal(login(port, "right"), "in")
    check(login(port, "wrong") in ("refused", "closed"), "a wrong password was let in")
