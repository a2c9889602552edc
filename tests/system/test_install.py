"""lodge install: from a disc, a tree or an image to a machine; what goes wrong on the way leaves nothing.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import functools
import http.server
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import threading

from lodgetest.host import *
from lodgetest.runner import mark

XORRISO = mark(requires=["program:xorriso"])
BASE = "--virt-type qemu --network none --graphics none --noautoconsole --osinfo generic "


def folder(host):
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    return host.path("var/lib/libvirt/images")


def scratch(host):
    """Its scratch space is where we can look."""
    return clean_environment(TMPDIR=str(host.root))


def install(host, words, code=0, **kwargs):
    result = host.lodge("install", *shlex.split(words), timeout=180 * SLOWNESS, env=scratch(host), **kwargs)
    equal(result.code, code, f"exit code of lodge install {words}: {result}")
    return result.out + result.err


def tree(host, kernel="images/pxeboot/vmlinuz", initrd="images/pxeboot/initrd.img"):
    """The demo guest where an installer has its kernel."""
    top = host.path("tree")
    for name, place in (("vmlinuz", kernel), ("initrd", initrd)):
        (top / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(host.guests.file(name), top / place)
    return top


def disc(host, label, **places):
    path = folder(host) / "disc.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", label, "-o", str(path), str(tree(host, **places))], check=True,
                   capture_output=True)
    return path


class Server:
    """An HTTP server of files."""

    def __init__(self, top):
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(top))
        handler.func.log_message = lambda *args: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


def bad_server(answer, holds=False):
    """Each connection gets these bytes, and is then closed, or held."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def serve():
        while True:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(answer)
            kept.append(connection) if holds else connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def nothing_left(host):
    equal(host.ok("list", "--all", "--name").strip(), "", "machines")
    for place in ("var/lib/libvirt/boot", "var/lib/libvirt/images"):
        left = [path.name for path in host.path(place).iterdir() if path.name not in ("disc.iso", "vmlinuz", "initrd", "sector.img")]
        equal(left, [], f"what is left in {place}")
    equal([path.name for path in pathlib.Path(host.root).glob("lodge-install-*")], [], "scratch folders")


def test_a_tree_on_a_server_installs_and_its_machine_starts_again(host):
    folder(host)
    top = tree(host)
    (top / ".treeinfo").write_text("[general]\nfamily = Fedora\nvariant = Everything\nversion = 36\narch = x86_64\n[images-x86_64]\n"
                                   "kernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n")
    answers = host.write("ks.cfg", "said=yes\n")
    words = ["install", *shlex.split(BASE.replace("--osinfo generic", "") + f"--name m --memory 256 --location {Server(top).url} --disk size=1 --wait "
             f"-x 'console=ttyS0 hostname=m' --initrd-inject {answers}")]
    process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=scratch(host))
    wait_until(lambda: process.poll() is not None or host.virsh("domstate", "m").out.strip() == "running", "it installs", 120)
    text = host.ok("dumpxml", "m")
    contains(text, "http://fedoraproject.org/fedora/36", "<on_reboot>destroy</on_reboot>", "<kernel>", "console=ttyS0 hostname=m inst.repo=http://127.0.0.1:")
    stored = host.ok("dumpxml", "m", "--inactive")
    contains(stored, "<boot dev='hd'/>", "<on_reboot>restart</on_reboot>", "bus='virtio'")
    check("<kernel>" not in stored, stored)
    console = host.booted("m")
    console.send("cat /ks.cfg\n")
    console.expect("said=yes")
    console.send("reboot -f\n")
    console.wait(60)
    equal(process.wait(60 * SLOWNESS), 0, "exit code")
    contains(process.stdout.read(), "Starting install...", "Restarting guest.", "Domain creation completed.")
    equal(host.state("m"), "running")
    equal(list(host.path("var/lib/libvirt/boot").iterdir()), [], "kernel and initrd are left")
    host.ok("destroy", "m")


@XORRISO
def test_a_disc_is_recognised_and_answers_go_in_with_its_kernel(host):
    """rows: install-119"""
    iso = disc(host, "Debian 13.0.0 amd64 n", kernel="install.amd/vmlinuz", initrd="install.amd/initrd.gz")
    secret = host.write("secret", "hunter22-not-in-public\n", mode=0o600)
    said = install(host, BASE.replace("--osinfo generic", "") + f"--name m --memory 256 --cdrom {iso} --disk size=1 -x 'console=ttyS0 hostname=m' "
                   f"--unattended user-login=joe,user-password-file={secret},hostname=box,packages=vim", code=1)
    contains(said, "--extra-args")
    said = install(host, BASE.replace("--osinfo generic", "") + f"--name m --memory 256 --location {iso} --disk size=1 -x 'console=ttyS0 hostname=m' "
                   f"--unattended user-login=joe,user-password-file={secret},hostname=box,packages=vim")
    contains(said, "debian13")
    text = host.ok("dumpxml", "m", "--security-info")
    contains(text, "http://debian.org/debian/13", "auto=true priority=critical preseed/file=/preseed.cfg")
    arguments = pathlib.Path(f"/proc/{host.qemu_pid('m')}/cmdline").read_text()
    logs = "".join(path.read_text(errors="replace") for path in (host.daemon.log, host.path("var/log/libvirt/qemu/m.log")))
    check("hunter22" not in text + arguments + logs + said, "the password is told")
    console = host.booted("m")
    console.send("cat /preseed.cfg\n")
    console.expect("passwd/username string joe")
    console.expect(r"passwd/user-password-crypted password \$6\$")
    console.expect("pkgsel/include string openssh-server qemu-guest-agent vim")
    stored = host.ok("dumpxml", "m", "--inactive")
    contains(stored, "<boot dev='hd'/>", "device='cdrom'")
    check(str(iso) not in stored and "<kernel>" not in stored, stored)
    host.ok("destroy", "m")


@XORRISO
def test_what_goes_wrong_leaves_nothing(host):
    """rows: install-27 install-33"""
    images, words = folder(host), BASE + "--name m --memory 64 "
    junk = host.write("junk.iso", "<html>no such file</html>")
    contains(install(host, words + f"--disk size=1 --location {junk}", code=1), "is not an ISO image")
    iso = disc(host, "NOTHING", kernel="somewhere/kernel", initrd="somewhere/initrd")
    contains(install(host, words + f"--disk size=1 --location {iso}", code=1), "no kernel and initrd of an installer are known", "kernel=PLACE")
    contains(install(host, words + f"--disk size=1 --location {iso},kernel=somewhere/nothing,initrd=somewhere/initrd", code=1), "no kernel")
    whole = iso.read_bytes()
    iso.write_bytes(whole[:len(whole) // 2])
    contains(install(host, words + f"--disk size=1 --location {iso},kernel=somewhere/kernel,initrd=somewhere/initrd", code=1), "disc.iso'")
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html>please log in</html>"
    contains(install(host, words + f"--disk size=1 --location {bad_server(page)},kernel=a,initrd=b", code=1), "web page")
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100)
    contains(install(host, words + f"--disk size=1 --location {bad_server(cut)},kernel=a,initrd=b", code=1), "broke off")
    contains(install(host, words + f"--disk size=1 --location {Server(host.path('tree')).url}", code=1), "no kernel and initrd")
    contains(install(host, words + f"--import --disk size=100000,sparse=no", code=1), "not enough free space")
    contains(install(host, words + f"--import --disk {images}/none.img", code=2), "size=20")
    contains(install(host, words + "--import --disk none --arch vax", code=1), "no emulator for the architecture 'vax'")
    contains(install(host, words + "--import --disk none --paravirt", code=1), "Xen")
    contains(install(host, words + "--import --disk none --nosuchoption", code=2), "nosuchoption")
    contains(install(host, words + "--import --disk size=1,nosuch=1", code=2), "--disk does not have 'nosuch'", "--disk=?")
    # The daemon refuses the machine when its image is there already: it goes again.
    contains(install(host, words + "--import --disk size=1 --xml ./vcpu=100000", code=1), "error:")
    nothing_left(host)
    contains(install(host, words.replace("generic", "fedora99") + "--import --disk none --dry-run"), "'fedora99' is not known", "fedora44")


def test_ctrl_c_leaves_nothing(host):
    folder(host)
    url = bad_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100), holds=True)
    command = [host.lodge_program, "-c", host.daemon.uri, "install", *shlex.split(BASE + f"--name m --memory 64 --disk size=1 --location {url},kernel=a,initrd=b")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=scratch(host))
    wait_until(lambda: list(host.root.glob("lodge-install-*/*.part")), "it fetches", 60)
    process.send_signal(signal.SIGINT)
    equal(process.wait(30 * SLOWNESS), 1, "exit code")
    nothing_left(host)


def test_machines_are_made_of_images_and_found_by_name(host):
    """rows: install-28 install-37"""
    images = folder(host)
    words = BASE + "--name m --memory 64 "
    install(host, words + "--import --disk size=1 --autostart")
    equal(host.state("m"), "running")
    contains(host.ok("list", "--autostart", "--name"), "m")
    contains(host.ok("vol-list", "default"), "m.qcow2")
    contains(install(host, words + "--import --disk none", code=1), "the name 'm' is already in use")
    contains(install(host, words.replace("--name m", "--name n") + f"--import --disk {images}/m.qcow2", code=1), "in use by other guests ['m']")
    install(host, words.replace("--name m", "--name n") + f"--import --disk {images}/m.qcow2 --check path_in_use=off --dry-run")
    install(host, words.replace("--name m", "--name t") + "--import --disk none --transient")
    contains(host.ok("dominfo", "t"), "Persistent:     no")
    for name in ("m", "t"):
        host.ok("destroy", name)
    contains(install(host, words.replace("--name m", "--name c") + f"--import --disk size=1 --cloud-init"), "Password for first root login is: ")
    text = host.ok("dumpxml", "c")
    contains(text, "answers.iso'")
    check("answers.iso" not in host.ok("dumpxml", "c", "--inactive"), "the seed is there at the second start")
    host.ok("destroy", "c")


def test_devices_of_the_host_are_found_by_any_of_their_names(host):
    """rows: install-77"""
    words = BASE + "--name h --memory 64 --import --disk none --print-xml --dry-run --hostdev "
    contains(install(host, words + "0x1234:0x5678"), 'type="usb"', '<vendor id="0x1234"/>', '<product id="0x5678"/>')
    contains(install(host, words + "pci_ffff_00_00_0", code=1), "pci_ffff_00_00_0", "nodedev-list")
    contains(install(host, words + "255.255", code=1), "no USB device is at '255.255'")
    devices = host.ok("nodedev-list", "--cap", "pci").split()
    for name in devices[:1]:
        domain, bus, slot, function = (int(part, 16) for part in name.split("_")[1:])
        wanted = f'<address domain="{domain}" bus="{bus}" slot="{slot}" function="{function}"/>'
        for spelling in (name, f"{domain:x}:{bus:x}:{slot:x}.{function:x}", f"{bus:x}.{slot:x}.{function:x}"):
            contains(install(host, words + spelling), 'type="pci"', 'managed="yes"', wanted)
