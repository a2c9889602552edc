"""lodge install on a machine that is there, and systems that are told who may log in by their firmware.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import re
import shlex
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

MEDIUM = mark(requires=["program:xorriso"])
NEW = "--virt-type qemu --network none --graphics none --memory 64 --noautoconsole "


def install(host, words, code=0):
    result = host.lodge("install", *shlex.split(words), timeout=120, env=clean_environment(TMPDIR=str(host.root)))
    equal(result.code, code, str(result))
    return result.out + result.err


def medium(host):
    folder = host.path("medium")
    folder.mkdir()
    (folder / "readme").write_text("hello")
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "Debian 12.5.0 amd64 n", "-o", str(host.path("debian.iso")), str(folder)],
                   check=True, capture_output=True)
    return host.path("debian.iso")


@MEDIUM
def test_a_machine_is_installed_again(host):
    """It keeps its UUID, disks and devices; its drive has the medium for the first start only."""
    iso = medium(host)
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    for drive in (True, False):
        name = "with" if drive else "without"
        install(host, NEW + f"--name {name} --osinfo debian12 --import --disk size=1" + (" --disk device=cdrom" if drive else ""))
        contains(install(host, f"--reinstall {name} --cdrom {iso}", code=1), f"machine '{name}' runs", f"lodge shutdown {name}")
        host.ok("destroy", name)
        before = host.ok("dumpxml", name)
        command = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "install", "--reinstall", name, "--cdrom", str(iso), "--wait",
                                    "--noautoconsole"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: command.poll() is not None or host.state(name) == "running", "it installs", 60)
        live, stored = host.ok("dumpxml", name), host.ok("dumpxml", "--inactive", name)
        contains(live, str(iso), "<boot dev='cdrom'/>", "<on_reboot>destroy</on_reboot>")
        check(str(iso) not in stored, stored)
        contains(stored, "<boot dev='hd'/>", "<on_reboot>restart</on_reboot>")
        host.ok("destroy", name)
        equal(command.wait(60 * SLOWNESS), 0)
        contains(command.stdout.read(), "Restarting guest.")
        after = host.ok("dumpxml", "--inactive", name)
        for pattern in ("<uuid>(.*?)</uuid>", "<source file='(.*?)'", "<memory.*?>(.*?)<", "<vcpu.*?>(.*?)<"):
            equal(re.search(pattern, after).group(1), re.search(pattern, before).group(1))
        equal(after.count("device='cdrom'"), 1)
        if drive:
            equal(after, before)
    host.ok("destroy", "with")
    contains(install(host, "--reinstall with", code=2), "nothing says how 'with' is installed")
    contains(install(host, f"--reinstall nobody --cdrom {iso}", code=1), "nobody")
    equal(host.state("with"), "shut off")


@MEDIUM
def test_an_installation_that_cannot_begin_leaves_the_machine(host):
    iso = medium(host)
    install(host, NEW + "--name m --osinfo debian12 --import --disk size=1")
    host.ok("destroy", "m")
    host.path("var/lib/libvirt/images/m.qcow2").rename(host.path("gone"))
    before = host.ok("dumpxml", "m")
    install(host, f"--reinstall m --cdrom {iso}", code=1)
    equal((host.ok("dumpxml", "m"), host.state("m")), (before, "shut off"))


def test_coreos_is_told_by_its_firmware(host):
    """The file is there for the first start, and nobody sees what is in it afterwards."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(host.path("coreos.qcow2")), "64M"], check=True)
    secret = host.write("secret", "hunter22-not-in-public\n", mode=0o600)
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    words = (NEW + f"--name m --osinfo fedora-coreos-stable --import --disk {host.path('coreos.qcow2')} "
             f"--unattended user-login=joe,user-password-file={secret},hostname=box")
    said = install(host, words)
    arguments = pathlib.Path(f"/proc/{host.qemu_pid('m')}/cmdline").read_text().split("\0")
    place = next(word for word in arguments if word.startswith("name=opt/com.coreos/config,file="))
    stored = host.ok("dumpxml", "--inactive", "m", "--security-info")
    check("fwcfg" not in stored and "com.coreos" not in stored, stored)
    check("hunter22" not in said + " ".join(arguments) + stored + host.daemon.log.read_text(errors="replace"), "the password is told")
    equal(list(host.path("var/lib/libvirt/boot").iterdir()), [])
    check(not pathlib.Path(place.split("file=")[1]).exists(), "it is there still")
    host.ok("destroy", "m")
    host.ok("start", "m")
    contains(install(host, words.replace("--import", "--pxe").replace("--name m", "--name n"), code=2), "its image has the system already")


def test_windows_gets_virtio_with_the_drivers(host):
    """rows: install-17"""
    iso = host.path("virtio-win-0.1.262.iso")
    iso.write_bytes(bytes(1 << 20))
    words = NEW.replace("--network none", "--network user") + "--osinfo win11 --name w --import --disk size=1 --print-xml"
    plain, with_drivers = install(host, words), install(host, words + f" --disk {iso},device=cdrom")
    contains(plain, "bus='sata'" if "bus='sata'" in plain else 'bus="sata"')
    check("virtio" not in re.search("<disk.*?</disk>", plain, re.S).group(0), plain)
    contains(re.search("<disk.*?</disk>", with_drivers, re.S).group(0), "virtio")
    contains(re.search("<interface.*?</interface>", with_drivers, re.S).group(0), "virtio")
    linux = install(host, words.replace("win11", "debian4") + f" --disk {iso},device=cdrom")
    check("virtio" not in re.search("<disk.*?</disk>", linux, re.S).group(0), linux)
