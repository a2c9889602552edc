"""Screen, keys, interrupts, displays and device documents.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import re
import socket

from lodgetest.host import *
from lodgetest.runner import mark

SCREEN = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><video><model type='vga'/></video>"


def test_screenshot_shows_what_the_guest_wrote(host):
    host.start_sector("tiny", devices=SCREEN)
    file = host.path("screen.ppm")
    wait_until(lambda: shot(host, file), "the screen has 720x400 points of text", timeout=20, interval=0.2)


def shot(host, file):
    contains(host.ok("screenshot", "tiny", str(file)), "Screenshot saved to")
    data = file.read_bytes()
    check(data[:2] in (b"P6", b"\x89P"), f"no picture: {data[:20]!r}")
    return len(set(data[20:])) > 1


def test_screenshot_needs_a_running_machine_with_a_screen(host):
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.screenshot, host.conn.newStream(), 0)


def test_send_key(host):
    host.start_demo("demo", devices=SCREEN)
    console = host.booted("demo")
    console.send("for f in /dev/input/event*; do hexdump -v -e '24/1 \"%02x\" \"\\n\"' $f & done\n")
    wait_until(lambda: typed(host, console), "the guest sees the key", timeout=20, interval=0.3)
    host.ok("send-key", "demo", "--codeset", "atset1", "30", "--holdtime", "100")
    host.refused("send-key", "demo", "NO_SUCH_KEY")


def typed(host, console):
    host.ok("send-key", "demo", "KEY_A")
    console.read_more(0.3)
    return "01001e0001000000" in console.seen  # type key, code A, pressed


def test_inject_nmi_reaches_the_guest(host):
    log = host.path("var/lib/libvirt/images/serial.out")
    xml = host.guests.sector("tiny").replace("<serial type='pty'/><console type='pty'/>",
                                             f"<serial type='file'><source path='{log}'/></serial>")
    host.define(xml).create()
    wait_until(lambda: "Lodge boot sector" in log.read_text(errors="replace"), "the boot sector runs")
    host.ok("inject-nmi", "tiny")
    wait_until(lambda: "NMI" in log.read_text(errors="replace"), "the guest got the interrupt")


def test_display_ports_are_given_and_used_again(host):
    """rows: display-01 display-02"""
    for name, port in (("one", 0), ("two", 1), ("three", 2)):
        host.start_sector(name, devices=SCREEN)
        equal(host.ok("vncdisplay", name).strip(), f"127.0.0.1:{port}")
    host.ok("destroy", "two")
    host.start_sector("four", devices=SCREEN)
    equal(host.ok("domdisplay", "four").strip(), "vnc://127.0.0.1:1")
    with socket.create_connection(("127.0.0.1", 5901), 5) as client:
        client.settimeout(5)
        check(client.recv(12).startswith(b"RFB 003."), "no VNC server")


def test_fixed_display_port_that_is_taken(host):
    """rows: display-05 display-09"""
    fixed = SCREEN.replace("port='-1' autoport='yes'", "port='5922'")
    host.start_sector("one", devices=fixed)
    equal(host.ok("vncdisplay", "one").strip(), "127.0.0.1:22")
    dom = host.define_sector("two", devices=fixed)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create)
    equal(host.state("two"), "shut off")
    equal(host.state("one"), "running")


def test_port_taken_by_another_program_is_left_out(host):
    other = socket.socket()
    other.bind(("127.0.0.1", 5900))
    other.listen()
    host.start_sector("one", devices=SCREEN)
    equal(host.ok("vncdisplay", "one").strip(), "127.0.0.1:1")
    other.close()


def test_display_password_is_shown_only_on_request_and_never_to_readers(host):
    secret = SCREEN.replace("port='-1'", "passwd='sesame12' port='-1'")
    host.start_sector("tiny", devices=secret)
    check("sesame12" not in host.ok("dumpxml", "tiny"), "the password is in the document")
    contains(host.ok("dumpxml", "tiny", "--security-info"), "passwd='sesame12'")
    host.refused("dumpxml", "tiny", "--security-info", readonly=True)
    for args in qemus().values():
        check("sesame12" not in " ".join(args), "the password is in QEMU's arguments")
    check("sesame12" not in host.path("var/log/libvirt/qemu/tiny.log").read_text(), "the password is in the log")


def test_addresses_are_stable_over_restarts(host):
    devices = SCREEN + "<interface type='user'><model type='virtio'/></interface><rng model='virtio'>" \
        "<backend model='random'>/dev/urandom</backend></rng>"
    for machine in ("pc", "q35"):
        name = f"m-{machine}"
        host.define(host.guests.empty(name, devices=devices, machine=machine))
        text = host.ok("dumpxml", name)
        addresses = re.findall("<address type='pci'[^>]*>", text)
        check(len(addresses) > 3, f"addresses: {addresses}")
        equal(len(addresses), len(set(addresses)), "addresses that differ")
        host.ok("start", name)
        equal(re.findall("<address type='pci'[^>]*>", host.ok("dumpxml", name)), addresses)
        host.ok("destroy", name)
        host.ok("start", name)
        equal(re.findall("<address type='pci'[^>]*>", host.ok("dumpxml", name)), addresses)


MANY = """
<controller type='usb' model='qemu-xhci'/>
<controller type='scsi' model='virtio-scsi'/>
<controller type='virtio-serial'/>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='sdb' bus='scsi'/></disk>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<input type='tablet' bus='usb'/>
<input type='keyboard' bus='usb'/>
<graphics type='vnc' port='-1'/>
<video><model type='virtio'/></video>
<sound model='ich9'/>
<watchdog model='i6300esb' action='reset'/>
<memballoon model='virtio'/>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
<panic model='isa'/>
<interface type='user'><model type='e1000e'/></interface>
"""


def test_a_machine_with_one_of_each_starts_and_keeps_its_document(host):
    image = host.guests.copy("sector.img", "many.img")
    host.define(host.guests.empty("many", devices=MANY.format(image=image), machine="q35", memory_kib=65536))
    before = host.ok("dumpxml", "many")
    host.ok("start", "many")
    host.ok("destroy", "many")
    equal(host.ok("dumpxml", "many"), before)
    host.ok("define", host.write_xml(before))
    equal(host.ok("dumpxml", "many"), before)


def test_cdrom_and_floppy(host):
    """rows: lifecycle-41"""
    image = host.guests.copy("sector.img", "cdrom.img")
    floppy = host.guests.copy("sector.img", "floppy.img")
    devices = (f"<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='{floppy}'/>"
               f"<target dev='fda'/></disk>"
               f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{image}'/>"
               f"<target dev='hdc' bus='ide'/><readonly/></disk>")
    host.define(host.guests.empty("tiny", devices=devices, os_part="<boot dev='fd'/><boot dev='cdrom'/>"))
    host.ok("start", "tiny")
    contains(host.ok("domblklist", "tiny"), "fda", "hdc")
    uid = os.stat(f"/proc/{host.qemu_pid('tiny')}").st_uid
    equal([path.stat().st_uid for path in (image, floppy)], [uid, uid], "owners of the media while QEMU runs")
    host.ok("destroy", "tiny")
    equal([path.stat().st_uid for path in (image, floppy)], [0, 0], "owners of the media afterwards")


def test_guest_reads_and_writes_its_disk(host):
    """rows: images-02"""
    host.start_demo("demo")
    console = host.booted("demo")
    console.command("echo written > /disk/note; sync")
    host.ok("shutdown", "demo")
    host.wait_state("demo", "shut off", timeout=30)
    host.ok("start", "demo")
    contains(host.booted("demo").command("cat /disk/note"), "written")


def test_guest_network_of_type_user(host):
    host.start_demo("demo", devices="<interface type='user'><model type='virtio'/></interface>")
    console = host.booted("demo")
    wait_until(lambda: "10.0.2." in console.command("ip addr show eth0"), "the guest has an address", timeout=20,
               interval=0.3)


def test_panic_and_watchdog_devices(host):
    """rows: devices-27"""
    host.start_sector("tiny", devices="<watchdog model='ib700' action='poweroff'/><panic model='isa'/>")
    contains(host.ok("dumpxml", "tiny"), "<watchdog model='ib700' action='poweroff'>", "<panic model='isa'")


@mark(daemon=False)
def test_password_of_the_configuration_protects_displays_without_one(host):
    host.write("etc/libvirt/qemu.conf", 'vnc_password = "sesame"\nspice_password = "open"\n')
    host.start_daemon()
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1'/><graphics type='spice' autoport='yes'/>")
    args = " ".join(next(iter(qemus().values())))
    contains(args, ",password=on")
    check("disable-ticketing" not in args, args)


def test_displays_that_cannot_be_are_refused(host):
    for name, xml in (("low", "<graphics type='vnc' port='1'/>"), ("none", "<graphics type='vnc' port='5899' autoport='no'/>"),
                      ("tls", "<graphics type='spice' autoport='yes' defaultMode='secure'/>"),
                      ("channel", "<graphics type='spice' autoport='yes'><channel name='main' mode='secure'/></graphics>")):
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.define_sector(name, devices=xml).create)


def test_commas_of_addresses_stay_in_their_option(host):
    host.define_sector("c", devices="<graphics type='vnc' port='5950' listen='1.2.3.4,to=9'/><graphics type='spice' "
                                    "port='5951' listen='1.2.3.4,disable-ticketing=on'/>")
    contains(host.ok("domxml-to-native", "qemu-argv", "--domain", "c"), "-vnc 1.2.3.4,,to=9:50", "addr=1.2.3.4,,disable")


def test_migratable_document_has_no_generated_paths(host):
    own = host.path("var/lib/libvirt/qemu/own.sock")
    host.start_sector("tiny", devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
                      f"<channel type='unix'><source mode='bind' path='{own}'/><target type='virtio' name='own'/></channel>")
    contains(host.ok("dumpxml", "tiny"), "org.qemu.guest_agent.0'/>", "target/domain-1-tiny/")
    text = host.ok("dumpxml", "tiny", "--migratable")
    equal(re.findall("<source mode='bind'[^>]*>", text), [f"<source mode='bind' path='{own}'/>"])
