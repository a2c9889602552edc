"""Devices that processes beside QEMU serve: virtio-fs, TPMs, D-Bus displays; and what those processes leave behind.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from lodgetest.host import *
from lodgetest.process import cmdline, kill, processes
from lodgetest.runner import mark

SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 9))
MODULES = ("fuse", "virtiofs")


def share(folder, tag="share", more=""):
    return (f"<filesystem type='mount'><driver type='virtiofs'/>{more}<source dir='{folder}'/>"
            f"<target dir='{tag}'/></filesystem>")


def helpers(word):
    """The processes of a helper program: pids."""
    return sorted(pid for pid in processes() if cmdline(pid) and word in os.path.basename(cmdline(pid)[0]))


def gone(word):
    wait_until(lambda: not helpers(word), f"no {word} is left", timeout=20)


def folder(host, name="files"):
    path = host.path(f"srv/{name}")
    path.mkdir(parents=True)
    path.chmod(0o755)
    (path / "hello").write_text("from the host\n")
    return path


def log_of(host, name):
    return host.path(f"var/log/libvirt/qemu/{name}.log").read_text(errors="replace")


@mark(only="lodged")
def test_a_guest_reads_and_writes_a_folder_of_the_host(host):
    files = folder(host)
    host.start_demo(devices=share(files), extra=SHARED, modules=MODULES)
    console = host.booted("demo")
    console.command("mkdir -p /mnt && mount -t virtiofs share /mnt")
    contains(console.command("cat /mnt/hello"), "from the host")
    console.command("echo from the guest > /mnt/answer")
    equal((files / "answer").read_text(), "from the guest\n")
    before = helpers("virtiofsd")
    host.crash_daemon()
    console = host.booted("demo")
    contains(console.command("cat /mnt/hello"), "from the host")
    equal(helpers("virtiofsd"), before, "helpers after a restart")
    host.ok("destroy", "demo")
    gone("virtiofsd")


@mark(only="lodged")
def test_a_folder_is_plugged_in_and_out(host):
    files = folder(host)
    host.start_demo(extra=SHARED, modules=MODULES, machine="q35",
                    devices=PORTS)
    console = host.booted("demo")
    given = host.write_xml(share(files))
    host.ok("attach-device", "demo", given, "--live")
    check(helpers("virtiofsd"), "a helper runs")
    contains(host.ok("dumpxml", "demo"), "<target dir='share'/>", "<alias name='fs0'/>")
    console.command("mkdir -p /mnt; until mount -t virtiofs share /mnt 2> /dev/null; do sleep 0.2; done", timeout=60)
    contains(console.command("cat /mnt/hello"), "from the host")
    console.command("umount /mnt")
    host.restart_daemon()
    xml = host.ok("dumpxml", "demo")
    contains(xml, "<target dir='share'/>")
    host.ok("detach-device", "demo", given, "--live")
    wait_until(lambda: "<filesystem" not in host.ok("dumpxml", "demo"), "it is gone", timeout=30)
    gone("virtiofsd")


@mark(only="lodged")
def test_the_death_of_a_helper_is_told(host):
    files = folder(host)
    dom = host.start_sector(devices=share(files), extra=SHARED)
    events = []
    Loop()
    conn = host.open()
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                     lambda conn, dom, path, alias, action, reason, arg: events.append((alias, reason)), None)
    for pid in helpers("virtiofsd"):
        kill(pid, signal.SIGKILL)
    wait_until(lambda: events, "an event tells", timeout=20)
    equal(events[0], ("fs0", "fs0-virtiofsd"))
    contains(log_of(host, "tiny"), "helper 'fs0-virtiofsd' ended")
    equal(host.state("tiny"), "running")


@mark(only="lodged")
def test_a_helper_that_does_not_start_is_an_error(host):
    files = folder(host)
    host.define_sector(devices=share(files, more="<binary path='/bin/false'/>"), extra=SHARED)
    contains(host.refused("start", "tiny"), "fs0-virtiofsd")
    equal(host.state("tiny"), "shut off")


@mark(only="lodged")
def test_what_a_killed_daemon_left_goes(host):
    """A machine that ended while nobody watched, and one whose status is lost, leave no helper."""
    files = folder(host)
    host.start_sector("one", devices=share(files), extra=SHARED)
    host.start_sector("two", devices=share(files), extra=SHARED)
    host.kill_daemon()
    for pid in helpers("virtiofsd"):
        kill(pid, signal.SIGSTOP)  # so that they do not see QEMU's end
    kill(host.qemu_pid("one"))
    kill(host.qemu_pid("two"))
    host.path("run/libvirt/qemu/two.xml").unlink()
    host.path("run/libvirt/qemu/two.pid").unlink()
    host.start_daemon()
    gone("virtiofsd")


@mark(only="lodged")
def test_a_tpm_keeps_its_state(host):
    xml = host.guests.demo("demo", machine="q35", devices="<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>")
    dom = host.define(xml)
    dom.create()
    console = host.booted("demo")
    contains(console.command("cat /sys/class/tpm/tpm0/tpm_version_major"), "2")
    state = host.path(f"var/lib/libvirt/swtpm/{dom.UUIDString()}/tpm2")
    check(any(state.iterdir()), "there is a state")
    made = sorted(path.name for path in state.iterdir())
    host.crash_daemon()
    check(helpers("swtpm"), "swtpm goes on")
    host.ok("destroy", "demo")
    gone("swtpm")
    check(set(made) - {".lock"} <= {path.name for path in state.iterdir()}, "the state stays")
    dom = host.conn.lookupByName("demo")
    dom.create()
    check(helpers("swtpm"), "swtpm runs again")
    dom.destroy()
    host.ok("undefine", "demo", "--keep-tpm") if "--keep-tpm" in host.ok("help", "undefine") else \
        dom.undefineFlags(64)
    check(state.exists(), "kept when asked")
    dom = host.define(xml.replace("<name>demo</name>", f"<name>demo</name><uuid>{state.parent.name}</uuid>"))
    dom.undefine()
    check(not state.parent.exists(), "else it goes with the definition")


@mark(only="lodged")
def test_a_tpm_is_encrypted_by_a_secret(host):
    uuid = "6dd3e4a5-1d76-44ce-961f-f119f5aad935"
    secret = host.conn.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid>"
                                       "<usage type='vtpm'><name>vTPM</name></usage></secret>")
    tpm = f"<tpm model='tpm-crb'><backend type='emulator' version='2.0'><encryption secret='{uuid}'/></backend></tpm>"
    dom = host.define_sector(devices=tpm)
    raises(libvirt.VIR_ERR_NO_SECRET, dom.create)  # it has no value yet
    secret.setValue(b"a passphrase")
    dom.create()
    dom.destroy()
    gone("swtpm")
    secret.setValue(b"another one")
    try:
        dom.create()
        fail("another passphrase opens the state, too")
    except libvirt.libvirtError as problem:
        check("swtpm" in str(problem) or "TPM" in str(problem) or "tpm" in str(problem), str(problem))
    gone("swtpm")
    secret.setValue(b"a passphrase")
    dom.create()
    for pid in processes():
        check("a passphrase" not in " ".join(cmdline(pid) or []), "no secret in an argument")
        dom.isActive()


@mark(only="lodged")
def test_the_tpm_of_a_transient_machine_goes_with_it(host):
    dom = host.conn.createXML(host.guests.sector("gone", devices="<tpm><backend type='emulator'/></tpm>"))
    state = host.path(f"var/lib/libvirt/swtpm/{dom.UUIDString()}")
    check(state.exists(), "there is a state")
    dom.destroy()
    check(not state.exists(), "it is gone")
    gone("swtpm")


@mark(only="lodged")
def test_a_display_has_a_bus_of_its_own(host):
    dom = host.start_sector(devices="<graphics type='dbus'/><video><model type='virtio'/></video>")
    bus = host.path(f"var/lib/libvirt/qemu/domain-{dom.ID()}-tiny/dbus.sock")
    check(bus.is_socket(), "the bus listens")
    words = subprocess.run(["dbus-send", f"--bus=unix:path={bus}", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                            "org.freedesktop.DBus.ListNames"], capture_output=True, text=True, check=False)
    contains(words.stdout + words.stderr, "org.qemu")
    dom.destroy()
    gone("dbus-daemon")
