"""Hardware that a machine can have: each model starts, and QEMU has the device.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import socket

from lodgetest.host import *

VNC = "<graphics type='vnc' port='-1'/>"


def devices_of(host, devices, machine="pc", **parts):
    """Starts a machine with @devices and returns QEMU's tree of them."""
    dom = host.define(host.guests.empty("m", devices=devices, machine=machine, **parts))
    dom.create()
    tree = host.ok("qemu-monitor-command", "m", "--hmp", "info qtree")
    dom.destroy()
    dom.undefine()
    return tree


def test_video_models(host):
    """rows: display-21 display-22 display-23 display-25 display-27 display-29"""
    for model, device in (("cirrus", "dev: cirrus-vga"), ("vga", "dev: VGA"), ("vmvga", "dev: vmware-svga"),
                          ("virtio", "dev: virtio-vga"), ("bochs", "dev: bochs-display")):
        video = f"<video><model type='{model}'/></video>"
        contains(devices_of(host, VNC + video, machine="q35"), device)
    tree = devices_of(host, VNC + "<video><model type='none'/></video>")
    check("VGA" not in tree and "vga" not in tree, tree)


def test_network_cards(host):
    """rows: interface-01 interface-02 interface-03 interface-04 interface-05"""
    for model, device in (("e1000", "dev: e1000,"), ("e1000e", "dev: e1000e"), ("rtl8139", "dev: rtl8139"),
                          ("virtio", "dev: virtio-net-pci"), ("e1000-82545em", "dev: e1000-82545em")):
        nic = f"<interface type='user'><model type='{model}'/></interface>"
        contains(devices_of(host, nic, machine="q35"), device)


def disk(host, bus, target, device="disk", driver="type='raw'"):
    image = host.guests.copy("sector.img", f"{bus}.img")
    os.truncate(image, 1 << 20)  # direct I/O wants whole sectors
    return (f"<disk type='file' device='{device}'><driver name='qemu' {driver}/><source file='{image}'/>"
            f"<target dev='{target}' bus='{bus}'/></disk>")


def test_disk_buses(host):
    """rows: images-01 devices-02 devices-14 devices-16 devices-17"""
    for bus, target, machine, device in (("ide", "hda", "pc", "ide-hd"), ("sata", "sda", "q35", "ide-hd"),
                                         ("scsi", "sda", "q35", "scsi-hd"), ("usb", "sda", "q35", "usb-storage"),
                                         ("virtio", "vda", "q35", "virtio-blk-pci")):
        contains(devices_of(host, disk(host, bus, target), machine=machine), f"dev: {device}")
    contains(devices_of(host, disk(host, "fdc", "fda", device="floppy")), "dev: floppy")
    contains(devices_of(host, disk(host, "fdc", "fda", device="floppy"), machine="q35"), "dev: isa-fdc", "dev: floppy")
    refused = host.guests.empty("m", devices=disk(host, "ide", "hda"), machine="q35")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.defineXML, refused)
    without = disk(host, "virtio", "vdb").replace(" bus='virtio'", "")
    contains(devices_of(host, without), "dev: virtio-blk-pci")
    controller = "<controller type='scsi' model='virtio-scsi'/>"
    contains(devices_of(host, controller), "dev: virtio-scsi-pci")


def test_cache_and_io_modes(host):
    """rows: tuning-08"""
    for mode in ("none", "writethrough", "writeback", "directsync", "unsafe"):
        contains(devices_of(host, disk(host, "virtio", "vda", driver=f"type='raw' cache='{mode}'")), "virtio-blk-pci")
    for more in ("io='threads'", "io='native' cache='none'", "discard='unmap' detect_zeroes='unmap'"):
        contains(devices_of(host, disk(host, "virtio", "vda", driver=f"type='raw' {more}")), "virtio-blk-pci")


def test_usb_controllers(host):
    """rows: devices-21"""
    for model, device in (("piix3-uhci", "piix3-usb-uhci"), ("ehci", "usb-ehci"), ("ich9-ehci1", "ich9-usb-ehci1"),
                          ("qemu-xhci", "qemu-xhci"), ("nec-xhci", "nec-usb-xhci"), ("pci-ohci", "pci-ohci")):
        contains(devices_of(host, f"<controller type='usb' model='{model}'/><input type='mouse' bus='usb'/>"),
                 f"dev: {device}", "dev: usb-mouse")
    contains(devices_of(host, "<controller type='usb' model='qemu-xhci'/><hub type='usb'/>" +
                        disk(host, "usb", "sda")), "dev: usb-hub", "dev: usb-storage")


def test_sound_and_small_devices(host):
    """rows: devices-22 devices-25"""
    for model, device in (("ich6", "intel-hda"), ("ich9", "ich9-intel-hda"), ("ac97", "AC97"), ("es1370", "ES1370")):
        contains(devices_of(host, f"<sound model='{model}'/>"), f"dev: {device}")
    contains(devices_of(host, "<controller type='sata' index='1'/>", machine="q35"), 'id "sata1"')
    contains(devices_of(host, "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
                        "<watchdog model='i6300esb' action='none'/><panic model='isa'/>"),
             "dev: virtio-rng-pci", "dev: i6300esb", "dev: pvpanic", "dev: virtio-balloon-pci")
    host.define(host.guests.empty("m", devices=VNC + "<input type='tablet' bus='usb'/>"))
    contains(host.ok("dumpxml", "m"), "<input type='mouse' bus='ps2'/>", "<input type='keyboard' bus='ps2'/>")


def test_generation_id(host):
    host.define(host.guests.empty("m", metadata="<genid>e9392370-2917-565e-692b-d057f46512d6</genid>")).create()
    contains(host.ok("qemu-monitor-command", "m", "--hmp", "info vm-generation-id"),
             "e9392370-2917-565e-692b-d057f46512d6")


def test_processors_are_threads_of_the_machine(host):
    """rows: platform-02 platform-11"""
    check(int(host.ok("maxvcpus")) >= 160, "fewer than 160 vCPUs")
    host.start_sector("m", vcpus=4)
    pid = host.qemu_pid("m")
    names = [open(f"/proc/{pid}/task/{task}/comm").read().strip() for task in os.listdir(f"/proc/{pid}/task")]
    equal(sorted(name for name in names if name.startswith("CPU ")), [f"CPU {i}/TCG" for i in range(4)])
    equal(host.ok("vcpuinfo", "m").count("VCPU:"), 4)


def test_vnc_on_a_chosen_address_and_port(host):
    """rows: display-04"""
    local = "<graphics type='vnc' port='5931'/>"
    host.start_sector("local", devices=local)
    contains(host.ok("vncdisplay", "local"), "127.0.0.1:31")
    host.start_sector("open", devices=local.replace("5931'", "5932' listen='0.0.0.0'"))
    for port in (5931, 5932):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            equal(connection.recv(4), b"RFB ", "first bytes of the server")
    listening = open("/proc/net/tcp").read()
    contains(listening, f"0100007F:{5931:04X}", f"00000000:{5932:04X}")


def test_spice_with_any_card_and_its_channels(host):
    """rows: display-15 display-17 devices-33"""
    devices = ("<graphics type='spice' port='-1'/><video><model type='{}'/></video><redirdev bus='usb' type='spicevmc'/>"
               "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>")
    for model, device in (("vga", "dev: VGA"), ("qxl", "dev: qxl-vga")):
        contains(devices_of(host, devices.format(model)), device, "dev: virtserialport", "dev: usb-redir")


def test_spice_channels_need_a_spice_display(host):
    """QEMU has no such character device then, and a machine was started whose channel led nowhere."""
    for device in ("<smartcard mode='passthrough' type='spicevmc'/>", "<redirdev bus='usb' type='spicevmc'/>",
                   "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
                   "<serial type='spiceport'><source channel='org.x.y'/></serial>"):
        xml = host.guests.empty("m", devices=device)
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.defineXML, xml, text="not supported without spice graphics")
        host.define(xml.replace(device, device + "<graphics type='spice' autoport='yes'/>")).undefine()


def test_machine_types(host):
    """rows: devices-23 devices-24"""
    contains(devices_of(host, ""), "dev: i440FX", "dev: PIIX3")
    contains(devices_of(host, "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 3,
                        machine="q35"),
             "dev: q35-pcihost", "dev: pcie-root-port")
    host.define(host.guests.empty("m", machine="q35", devices="<interface type='user'><model type='virtio'/></interface>"))
    contains(host.ok("dumpxml", "m"), "model='pcie-root'/>", "model='pcie-root-port'>")


def test_agent_channel_has_a_socket_of_the_daemons(host):
    """rows: devices-32"""
    host.start_sector("m", devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
    path = host.path("var/lib/libvirt/qemu/channel/target/domain-1-m/org.qemu.guest_agent.0")
    check(path.is_socket(), f"no socket {path}")
    host.ok("destroy", "m")
    check(not path.exists(), "the socket is still there")


def test_an_empty_drive_has_no_source(host):
    """rows: devices-09"""
    host.start_sector("m", devices="<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>")
    contains(host.ok("domblklist", "m"), "hda")
    check(any(line.split() == ["hdc", "-"] for line in host.ok("domblklist", "m").splitlines()), "no empty drive")
