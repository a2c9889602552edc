"""Guests that only talk as a machine with cloud-init does, what a seed holds, and a home of the user's own.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import importlib.util
import json
import pathlib
import re
import subprocess
import tempfile

NETWORK = ("<network><name>default</name><bridge name='virbr77' stp='off'/>"
           "<ip address='192.168.77.1' prefix='24'/></network>")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me@here"
GOOD = ("Linux version 6.1.0 (x)", "Cloud-init v. 22.4.2 running 'init-local' at x",
        "Cloud-init v. 22.4.2 running 'modules:final' at x", "Cloud-init v. 22.4.2 finished at x")
FAILING = ("Linux version 6.1.0 (x)", "Cloud-init v. 22.4.2 running 'modules:final' at x",
           "start: modules-final/config-runcmd: running", "E: no such package: nonesuch",
           "finish: modules-final/config-runcmd: FAIL: running", "Cloud-init v. 22.4.2 finished at x")
PANIC = ("Linux version 6.1.0 (x)", "VFS: Unable to mount root fs",
         "Kernel panic - not syncing: VFS: Unable to mount root fs")
SLOW = ("Linux version 6.1.0 (x)", "Cloud-init v. 22.4.2 running 'init-local' at x")


def home(host):
    """A home of the user's own, so that keys and downloads are the test's."""
    folder = host.path("home")
    folder.mkdir(exist_ok=True)
    return {"HOME": str(folder)}


def talker(path, lines):
    """A boot sector that prints these lines on the serial port and halts."""
    file = pathlib.Path(__file__).resolve().parents[3] / "tools/guest/sector.py"
    spec = importlib.util.spec_from_file_location("sector", file)
    sector = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sector)
    sector.MESSAGE = "".join(line + "\r\n" for line in lines).encode() + b"\0"
    sector.NMI_MESSAGE = b"\0"
    code = sector.assemble()
    assert len(code) == 512, "the text is too long for a boot sector"
    pathlib.Path(path).write_bytes(code + bytes(512 * 7))


def add_image(host, name="tiny", lines=GOOD):
    path = host.path(f"{name}.img")
    talker(path, lines)
    host.lodge_ok("image", "import", str(path), "--name", name, env=home(host))
    return name


def seed_files(path):
    """The files of an ISO image."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", folder], check=True,
                       capture_output=True)
        return {file.name: file.read_text() for file in pathlib.Path(folder).iterdir()}


def config(text):
    """A document that lodge made."""
    return json.loads(text.removeprefix("#cloud-config\n"))


def mac_of(host, name):
    return re.search("<mac address='(.*?)'", host.ok("dumpxml", name)).group(1)


def give_address(mac, address="192.168.77.50", bridge="virbr77"):
    """What the host would learn of a guest that talks on the network."""
    subprocess.run(["ip", "neigh", "replace", address, "lladdr", mac, "dev", bridge, "nud", "reachable"], check=True)
