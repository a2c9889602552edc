"""Debian's installer, from its kernel to a login, without anybody. Slow: its processor is emulated.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import functools
import http.server
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import threading

from lodgetest.host import *
from lodgetest.runner import mark

NETWORK = ("<network><name>default</name><forward mode='nat'/><bridge name='virbr77' stp='off'/><ip address='192.168.77.1' prefix='24'>"
           "<dhcp><range start='192.168.77.100' end='192.168.77.200'/></dhcp></ip></network>")
INSTALL_S = 4 * 3600
# Of Debian's package debian-installer-12-netboot-amd64.
NETBOOT = pathlib.Path(os.environ.get("LODGE_NETBOOT", "/usr/lib/debian-installer/images/12/amd64/text"))
PRESEED = """
d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/choose_interface select auto
d-i netcfg/no_default_route boolean true
d-i netcfg/get_hostname string installed
d-i netcfg/get_domain string test
d-i mirror/country string manual
d-i mirror/protocol string http
d-i mirror/http/hostname string 192.168.77.1:3142
d-i mirror/http/directory string /debian
d-i mirror/http/proxy string
d-i passwd/make-user boolean false
d-i passwd/root-password password open-sesame
d-i passwd/root-password-again password open-sesame
d-i clock-setup/utc boolean true
d-i clock-setup/ntp boolean false
d-i time/zone string UTC
d-i partman-auto/method string regular
d-i partman-auto/choose_recipe select atomic
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i partman-basicfilesystems/no_swap boolean false
d-i base-installer/install-recommends boolean false
d-i apt-setup/services-select multiselect
d-i apt-setup/enable-source-repositories boolean false
tasksel tasksel/first multiselect
d-i pkgsel/upgrade select none
popularity-contest popularity-contest/participate boolean false
d-i grub-installer/only_debian boolean true
d-i grub-installer/bootdev string default
d-i debian-installer/add-kernel-opts string console=ttyS0
d-i finish-install/reboot_in_progress note
"""


def forward(connection, path):
    """Between a guest and the mirror, which is outside of the test's network."""
    other = socket.socket(socket.AF_UNIX)
    other.connect(path)

    def copy(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    threading.Thread(target=copy, args=(other, connection), daemon=True).start()
    copy(connection, other)


def serve_mirror(path):
    listener = socket.create_server(("192.168.77.1", 3142), backlog=64)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=forward, args=(connection, path), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def serve_folder(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(("192.168.77.1", 8000), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


@mark(requires=["slow", "mirror", "netboot"], only="lodged", timeout=INSTALL_S + 1800)
def test_a_debian_is_installed_without_anybody(host):
    """rows: install-04 install-05 install-07 install-26 install-30"""
    host.network(NETWORK)
    serve_mirror(os.environ["LODGE_MIRROR"])
    tree = host.write("www/preseed.cfg", PRESEED).parent
    shutil.copytree(NETBOOT / "debian-installer/amd64", tree / "debian-installer/amd64", symlinks=True)
    serve_folder(tree)
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    words = shlex.split(
        "install --virt-type qemu --name m --memory 1024 --vcpus 2 --osinfo debian12 --disk size=4 --network network=default --graphics none "
        "--location http://192.168.77.1:8000/ --noautoconsole --wait "
        "--extra-args 'auto=true priority=critical url=http://192.168.77.1:8000/preseed.cfg console=ttyS0 net.ifnames=0'")
    result = host.lodge(*words, timeout=INSTALL_S, env=clean_environment(TMPDIR=str(host.root)))
    equal(result.code, 0, str(result))
    contains(result.out, "Domain has shut down. Continuing.", "Restarting guest.", "Domain creation completed.")
    equal(list(host.path("var/lib/libvirt/boot").iterdir()), [])
    check("<kernel>" not in host.ok("dumpxml", "m"), "it starts by the installer's kernel")
    console = host.console("m")
    console.expect("installed login: ", timeout=1800)
    console.send("root\n")
    console.expect("Password: ", timeout=300)
    console.send("open-sesame\n")
    console.expect("root@installed:", timeout=300)
    console.send("cat /etc/debian_version; ip -4 -br addr show dev eth0\n")
    console.expect(r"12\.\d+", timeout=300)
    console.expect(r"192\.168\.77\.1\d\d", timeout=300)
