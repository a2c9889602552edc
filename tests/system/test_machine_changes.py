"""Smaller changes of running machines: what happens at their end, thresholds of images, addresses that the guest
changes, announcements, whom a client acts for.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re
import socket
import subprocess

import libvirt_qemu

from lodgetest.host import *
from lodgetest.runner import mark

OFF, REBOOT, CRASH = range(3)
DESTROY, RESTART, RENAME, PRESERVE, DUMP_DESTROY, DUMP_RESTART = range(6)
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG


def actions(dom, flags=0):
    return re.findall(r"<on_\w+>([\w-]+)<", dom.XMLDesc(flags))


def test_what_happens_at_the_end(host):
    dom = host.start_sector("tiny")
    off = host.define_sector("off")
    dom.setLifecycleAction(OFF, RESTART, LIVE)
    dom.setLifecycleAction(CRASH, PRESERVE, LIVE)
    dom.setLifecycleAction(CRASH, DUMP_RESTART, CONFIG)
    equal(actions(dom), ["restart", "restart", "preserve"], "of the running machine")
    equal(actions(dom, libvirt.VIR_DOMAIN_XML_INACTIVE), ["destroy", "restart", "coredump-restart"], "at its next start")
    unsupported = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    raises(unsupported, dom.setLifecycleAction, REBOOT, DESTROY, LIVE, text="doesn't support 'onReboot' set to 'destroy")
    raises(unsupported, dom.setLifecycleAction, OFF, DUMP_RESTART, LIVE, text="'poweroff' doesn't support 'coredump-restart'")
    raises(unsupported, dom.setLifecycleAction, CRASH, RENAME, LIVE | CONFIG, text="'rename-restart'")
    raises(unsupported, dom.setLifecycleAction, REBOOT, PRESERVE, CONFIG, text="'preserve'")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setLifecycleAction, 3, DESTROY, LIVE, text="invalid lifecycle type '3'")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setLifecycleAction, OFF, DESTROY, 4)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, off.setLifecycleAction, OFF, DESTROY, LIVE)
    off.setLifecycleAction(REBOOT, DESTROY, 0)
    equal(actions(off), ["destroy", "destroy", "destroy"], "of a machine that is off")
    dom.setLifecycleAction(OFF, DESTROY, LIVE)
    dom.setLifecycleAction(REBOOT, DESTROY, LIVE | CONFIG)
    host.restart_daemon()
    equal(actions(host.conn.lookupByName("tiny")), ["destroy", "destroy", "preserve"], "after a restart of the daemon")
    host.virsh("qemu-monitor-command", "tiny", '{"execute":"system_reset"}')  # QEMU may end before its answer is heard
    host.wait_state("tiny", "shut off")
    if not host.is_reference:
        host.lodge_ok("set-lifecycle-action", "off", "crash", "preserve", "--config")
        equal(actions(host.conn.lookupByName("off"))[2], "preserve", "lodge set-lifecycle-action")


def test_a_write_beyond_the_threshold(host):
    events = []
    loop = Loop()
    dom = host.start_demo()
    host.conn.domainEventRegisterAny(dom, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD,
                                     lambda conn, dom, dev, path, limit, over, opaque: events.append((dev, path, limit, over > 0)),
                                     None)
    console = host.booted("demo")
    index = re.search(r"<source file='[^']*demo.qcow2' index='(\d+)'/>", dom.XMLDesc()).group(1)
    path = str(host.guests.images / "demo.qcow2")
    console.command("dd if=/dev/urandom of=/disk/file bs=64k count=16; sync")
    dom.setBlockThreshold("vda", 1 << 20)
    console.command("dd if=/dev/urandom of=/disk/file2 bs=64k count=64; sync")
    wait_until(lambda: len(events) >= 2, "the events")
    equal(sorted(events), [("vda", path, 1 << 20, True), (f"vda[{index}]", path, 1 << 20, True)], "the events")
    dom.setBlockThreshold(f"vda[{index}]", 0)
    for device in ("vda[999]", "vdz", "vda[", "vda[x]"):
        raises(libvirt.VIR_ERR_INVALID_ARG, dom.setBlockThreshold, device, 5)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.define_sector("off").setBlockThreshold, "hda", 5)
    if not host.is_reference:
        host.lodge_ok("domblkthreshold", "demo", "vda", "40M")
    check(loop.thread.is_alive(), "the event loop runs")


def current(host):
    return re.findall(r"<mac address='([^']*)'(?: currentAddress='([^']*)')?/>", host.ok("dumpxml", "demo"))


@mark(only="lodged", reason="libvirtd 9.0 has neither event nor attribute")
def test_the_guest_changes_its_address(host):
    mine, other = "52:54:00:00:00:01", "52:54:00:aa:bb:cc"
    host.start_demo(devices=f"<interface type='user'><mac address='{mine}'/><model type='virtio'/></interface>")
    console = host.booted("demo")
    equal(current(host), [(mine, "")], "its own address")
    console.command(f"ip link set eth0 down; ip link set eth0 address {other}; ip link set eth0 up")
    wait_until(lambda: current(host) == [(mine, other)], "the other address is shown")
    equal(re.findall("currentAddress", host.ok("dumpxml", "demo", "--inactive")), [], "the definition has its own only")
    host.crash_daemon()
    equal(current(host), [(mine, other)], "the other address, after a crash of the daemon")
    watch = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "event", "--event", "nic-mac-change", "--timeout",
                              "60", "demo"], stdout=subprocess.PIPE, text=True, env=clean_environment())
    console = host.booted("demo")

    def change_back():
        console.command(f"ip link set eth0 down; ip link set eth0 address {other}; ip link set eth0 up")
        console.command(f"ip link set eth0 down; ip link set eth0 address {mine}; ip link set eth0 up")
        return watch.poll() is not None
    wait_until(change_back, "the event was told", 60, interval=0.2)
    contains(watch.stdout.read(), "device: net0", f"MAC: {mine}", f"MAC: {other}")
    wait_until(lambda: current(host) == [(mine, "")], "its own address is back")


@mark(only="lodged", reason="libvirtd 9.0 does not have it")
def test_announcements(host):
    host.network("<network><name>lan</name><bridge name='virbr7'/></network>")
    mac = "52:54:00:00:00:07"
    dom = host.start_sector("tiny", devices=f"<interface type='network'><mac address='{mac}'/><source network='lan'/>"
                            "<model type='e1000'/></interface>")
    tap = re.search(r"<target dev='(\w+)'/>", dom.XMLDesc()).group(1)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # all: the bridge takes what is left
    wire.bind((tap, 3))
    wire.settimeout(10 * SLOWNESS)
    for options in ([], ["--interface", tap], ["--interface", mac]):
        host.lodge_ok("announce-self", "tiny", *options)
        while (frame := wire.recv(2048))[12:14] != b"\x80\x35":  # RARP
            pass
        equal((frame[:6], frame[6:12].hex(":")), (b"\xff" * 6, mac), "who announces itself to all")
    for options, says in ((["--interface", "vnet99"], "is not a known interface"),):
        result = host.lodge("announce-self", "tiny", *options)
        check(result.code == 1 and says in result.err, str(result))
    wire.close()
    dom.destroy()
    contains(host.lodge("announce-self", "tiny").err, "domain is not running")


def test_whom_a_client_acts_for(host):
    conn = host.open()
    conn.setIdentity({"user-name": "anna", "unix-user-id": 1000})
    equal(conn.getHostname() != "", True, "it still may")
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, conn.setIdentity, {"nonsense": "x"}, text="parameter 'nonsense' not supported")
    conn.setIdentity({})


def test_a_descriptor_for_the_monitor(host):
    dom = host.start_sector("tiny")
    with open("/dev/null", "rb") as file:
        answer, files = libvirt_qemu.qemuMonitorCommandWithFiles(dom, '{"execute":"add-fd","arguments":{"fdset-id":7}}',
                                                                 [file.fileno()], 0)
    contains(answer, '"fdset-id":7')
    equal(files, [], "files that came back")
    contains(host.ok("qemu-monitor-command", "tiny", '{"execute":"query-fdsets"}'), '"fdset-id":7')


@mark(only="lodged", reason="it is about lodge's own command")
def test_media_by_the_command_line(host):
    first, second = (host.write(f"var/lib/libvirt/images/{name}.iso", name * 4096) for name in ("a", "b"))
    drive = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
             "<target dev='hdc' bus='ide'/><readonly/></disk>")
    dom = host.start_sector("tiny", devices=drive)

    def media(flags=0):
        return re.findall(r"<source file='[^']*/([ab])\.iso'", dom.XMLDesc(flags))

    def lodge_refuses(says, *options):
        result = host.lodge("change-media", "tiny", *options)
        check(result.code != 0 and says in result.err, str(result))
    lodge_refuses("doesn't have media", "hdc", "--eject")
    lodge_refuses("No disk source specified for inserting", "hdc", "--insert")
    contains(host.lodge_ok("change-media", "tiny", "hdc", str(first), "--insert", "--live"), "Successfully inserted media.")
    equal((media(), media(2)), (["a"], []), "in the running machine only")
    lodge_refuses("already has media", "hdc", str(second), "--insert")
    host.lodge_ok("change-media", "tiny", "hdc", str(second), "--live", "--config")
    equal((media(), media(2)), (["b"], ["b"]), "in both")
    contains(host.lodge_ok("change-media", "tiny", "hdc", "--eject", "--print-xml"), '<target dev="hdc" bus="ide"/>')
    equal(media(), ["b"], "nothing was done")
    host.lodge_ok("change-media", "tiny", str(second), "--eject", "--config")
    equal((media(), media(2)), (["b"], []), "out of the definition, by its source")
    host.lodge_ok("change-media", "tiny", "hdc", "--eject", "--force")
    equal(media(), [], "out of both")
    lodge_refuses("is no CD or floppy drive", "hda", str(first))
    lodge_refuses("No disk found", "hdz", str(first))
    lodge_refuses("No such file", "hdc", str(host.path("nowhere.iso")), "--insert")
    equal(media(), [], "a failure changes nothing")
