"""The page of the web console, driven by a browser: the scenarios in tests/web.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import subprocess
import urllib.request

from lodgetest.agent import GOOD, start_scripted
from lodgetest.host import *
from lodgetest.process import Skip
from lodgetest.runner import mark

TOP = pathlib.Path(__file__).resolve().parents[2]
VNC = "<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>"
NEEDS = {"requires": ["program:node", "program:chromium"], "only": "lodged", "reason": "libvirtd has no page", "timeout": 240}
SLOW = {**NEEDS, "requires": ["slow", *NEEDS["requires"]]}


def play(host, name, *routes):
    """Plays tests/web/NAME.mjs in a browser that is logged in. Without one of @routes there is nothing to play."""
    if not (TOP / "web/node_modules/playwright-core").is_dir():
        raise Skip("needs web/node_modules: `tools/build-web` brings them")
    link = next((word for word in host.lodge("web").out.split() if "#link=" in word), None)
    if link is None:
        raise Skip("needs a daemon with the web console")
    with urllib.request.urlopen(link.split("#")[0] + "api/v1/openapi.json") as answer:
        known = json.load(answer)["paths"]
    for route in routes:
        if not any(path.endswith(route) for path in known):
            raise Skip(f"the daemon has no {route}")
    environment = {**os.environ, "LODGE_LINK": link, "LODGE_URI": host.daemon.uri, "LODGE_CLI": host.lodge_program,
                   "HOME": str(host.root)}
    done = subprocess.run(["node", TOP / f"tests/web/{name}.mjs"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail(f"{done.stdout}\n{done.stderr[-6000:]}")
    print(done.stdout)


def default_pool(host):
    host.ok("pool-define-as", "default", "dir", "--target", str(host.guests.images))
    host.ok("pool-start", "default")


def qcow2_machine(host, name, **parts):
    """A boot-sector guest on a qcow2 disk, defined."""
    disk = host.guests.images / f"{name}.qcow2"
    run(["qemu-img", "convert", "-O", "qcow2", str(host.guests.file("sector.img")), str(disk)])
    source = f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='hda' bus='ide'/></disk>"
    return host.define(host.guests.empty(name, devices=source + VNC, **parts))


@mark(**NEEDS)
def test_machines(host):
    """rows: gui-02 gui-09 web-03 web-04"""
    host.start_sector("one", devices=VNC)
    host.define_sector("two", devices=VNC)
    play(host, "machines")


@mark(**NEEDS)
def test_live(host):
    """rows: gui-03"""
    host.start_sector("one", devices=VNC)
    host.define_sector("two", devices=VNC)
    play(host, "live", "/live")


@mark(**NEEDS)
def test_consoles(host):
    """rows: gui-04 web-05 display-32"""
    host.start_demo("demo", devices=VNC)
    play(host, "consoles")


@mark(**SLOW)
def test_hardware(host):
    """rows: gui-02 gui-11 gui-12"""
    default_pool(host)
    qcow2_machine(host, "one").create()
    play(host, "hardware", "/pools/{pool}/volumes")


@mark(**NEEDS)
def test_snapshots(host):
    """rows: web-04"""
    qcow2_machine(host, "one")
    play(host, "snapshots", "/machines/{machine}/snapshots")


@mark(**SLOW)
def test_storage(host):
    """rows: gui-07"""
    default_pool(host)
    play(host, "storage", "/pools/{pool}/volumes")


@mark(**SLOW)
def test_create(host):
    """rows: gui-01 gui-10 gui-15"""
    images = host.guests.images
    host.guests.file("sector.img")
    run(["qemu-img", "create", "-f", "qcow2", str(images / "cloud.qcow2"), "16M"])
    (images / "disc.iso").write_bytes(b"\0" * 1048576)
    default_pool(host)
    play(host, "create", "/pools/{pool}/volumes")


@mark(**SLOW)
def test_upload(host):
    """rows: gui-07"""
    default_pool(host)
    play(host, "upload", "/uploads")


@mark(**SLOW)
def test_clone(host):
    """rows: gui-01"""
    qcow2_machine(host, "one")
    play(host, "clone", "/machines/{machine}/clone")


@mark(**NEEDS)
def test_watch(host):
    """rows: gui-03"""
    host.start_sector("one", devices=VNC)
    host.define_sector("two", devices=VNC).setAutostart(1)
    play(host, "watch", "/machines/{machine}/history", "/alerts", "/machines/{machine}/counters")


@mark(**NEEDS)
def test_keep(host):
    """rows: gui-01"""
    default_pool(host)
    qcow2_machine(host, "one")
    play(host, "keep", "/machines/{machine}/backups", "/templates")


@mark(**SLOW)
def test_protect(host):
    """rows: web-04"""
    host.start_sector("one", devices=VNC)
    play(host, "protect", "/users/me/otp", "/shared-screens", "/machines/{machine}/owner")


@mark(**SLOW)
def test_guest(host):
    """rows: gui-02"""
    start_scripted(host, GOOD)
    play(host, "guest", "/machines/{machine}/guest")
