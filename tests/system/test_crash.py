"""What a guest that panics, or lets its watchdog expire, sets off.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

# A boot sector that writes one byte to a port and waits.
WATCHDOG = "b0 0f ba 43 04 ee fb f4 eb fd"  # ib700: counts from 0 seconds
PANIC = "b0 01 ba 05 05 ee fb f4 eb fd"     # pvpanic: the guest has panicked


def guest(host, code, devices, lifecycle=""):
    """A machine whose boot sector runs @code, once: after a reset it only waits."""
    xml = host.guests.sector("tiny", devices=devices, lifecycle=lifecycle)
    sector = bytes.fromhex(code).ljust(510, b"\0") + b"\x55\xaa"
    host.path("var/lib/libvirt/images/tiny.img").write_bytes(sector.ljust(4096, b"\0"))
    return host.define(xml)


def disarm(host):
    """The next boot finds a sector that only waits."""
    sector = bytes.fromhex("fb f4 eb fd").ljust(510, b"\0") + b"\x55\xaa"
    with open(host.path("var/lib/libvirt/images/tiny.img"), "r+b") as file:
        file.write(sector)


def dumps(host):
    return sorted(host.path("dumps").glob("*tiny*"))


def reason(host):
    return host.ok("domstate", "tiny", "--reason").strip()


def dump_folder(host, kib=None):
    """Where dumps go; with @kib a disk that is too small for them."""
    folder = host.path("dumps")
    folder.mkdir(exist_ok=True)
    if kib:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    folder.chmod(0o777)
    host.stop_daemon()
    config = host.path("etc/libvirt/qemu.conf")
    old = config.read_text() if config.exists() else ""
    config.write_text(old + f'auto_dump_path = "{folder}"\n')
    host.start_daemon()


IB700 = "<watchdog model='ib700' action='dump'/>"
PVPANIC = "<panic model='isa'/>"


def test_watchdog_with_action_dump_resumes_the_machine(host):
    dump_folder(host)
    guest(host, WATCHDOG, IB700).create()
    wait_until(lambda: dumps(host), "there is a dump")
    wait_until(lambda: reason(host) == "running (unpaused)", "the machine goes on", timeout=30)
    equal(dumps(host)[0].read_bytes()[:4], b"\x7fELF")


@mark(timeout=120)
def test_watchdog_resumes_the_machine_when_the_dump_fails(host):
    dump_folder(host, kib=64)
    guest(host, WATCHDOG, IB700).create()
    wait_until(lambda: reason(host) == "running (unpaused)", "the machine goes on", timeout=30)


@mark(only="lodged", reason="libvirtd leaves it paused")
def test_crash_of_the_daemon_during_the_dump_of_a_watchdog(host):
    dump_folder(host)
    guest(host, WATCHDOG, IB700).create()
    host.kill_daemon()
    host.start_daemon()
    wait_until(lambda: reason(host).startswith("running"), "the machine goes on", timeout=30)


def crash(action):
    return f"<on_crash>{action}</on_crash>"


def test_coredump_destroy(host):
    dump_folder(host)
    guest(host, PANIC, PVPANIC, crash("coredump-destroy")).create()
    wait_until(lambda: reason(host) == "shut off (crashed)", "the machine is destroyed", timeout=30)
    equal(len(dumps(host)), 1)
    equal(dumps(host)[0].read_bytes()[:4], b"\x7fELF")


def test_coredump_restart(host):
    dump_folder(host)
    dom = guest(host, PANIC, PVPANIC, crash("coredump-restart"))
    dom.create()
    wait_until(lambda: list(host.path("dumps").iterdir()), "the dump has begun", timeout=30)
    disarm(host)
    wait_until(lambda: dumps(host), "there is a dump", timeout=30)
    wait_until(lambda: reason(host).startswith("running"), "the machine runs again", timeout=30)
    equal(dom.ID(), 1)


def test_coredump_that_fails_keeps_the_crashed_machine(host):
    """So that it can be dumped to another place."""
    dump_folder(host, kib=64)
    guest(host, PANIC, PVPANIC, crash("coredump-destroy")).create()
    wait_until(lambda: reason(host) == "crashed (panicked)", "the machine has crashed", timeout=30)
    core = host.path("core")
    host.ok("dump", "tiny", str(core), "--memory-only")
    equal(core.read_bytes()[:4], b"\x7fELF")
    equal(reason(host), "crashed (panicked)")
    equal(dumps(host), [])
    host.ok("destroy", "tiny")
