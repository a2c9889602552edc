"""Hardware that a machine can have: each model starts, and QEMU has the device.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import re
import socket
import xml.etree.ElementTree as ElementTree

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


def test_limits_of_buses(host):
    """rows: devices-15 devices-20"""
    drives = "".join(disk(host, "ide", f"hd{letter}").replace("ide.img", f"ide-{letter}.img") for letter in "abcde")
    for letter in "abcde":
        host.guests.copy("sector.img", f"ide-{letter}.img")
    equal(devices_of(host, drives[:drives.rindex("<disk")]).count("dev: ide-hd"), 4)
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.define, host.guests.empty("m", devices=drives), text="Only 1 IDE controller is supported")
    many = ["<controller type='scsi' index='0' model='virtio-scsi'/>"]
    for number in range(200):
        image = host.path(f"var/lib/libvirt/images/scsi-{number}.img")
        image.touch()
        os.truncate(image, 1 << 20)
        name = "sd" + (chr(96 + number // 26) if number >= 26 else "") + chr(97 + number % 26)
        many.append(f"<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/><source file='{image}'/>"
                    f"<target dev='{name}' bus='scsi'/><address type='drive' controller='0' bus='0' target='0' unit='{number}'/></disk>")
    tree = devices_of(host, "".join(many), memory_kib=65536)
    equal((tree.count("dev: virtio-scsi-pci"), tree.count("dev: scsi-hd"), tree.count("lun = 199 ")), (1, 200, 1))


def test_several_redirected_devices_and_the_console_of_the_first_port(host):
    """rows: devices-30 devices-34"""
    redirected = "<graphics type='spice' autoport='yes'/>" + "<redirdev bus='usb' type='spicevmc'/>" * 2
    equal(devices_of(host, redirected).count("dev: usb-redir"), 2)
    host.define(host.guests.empty("c").replace("<console type='pty'/>", "")).create()
    port = re.search("<serial type='pty'>\\s*<source path='([^']*)'/>", host.ok("dumpxml", "c")).group(1)
    contains(host.ok("dumpxml", "c"), f"<console type='pty' tty='{port}'>", "<target type='serial' port='0'/>")
    equal(host.ok("ttyconsole", "c").strip(), port)


def test_memory_of_huge_pages(host):
    """rows: tuning-13"""
    setting, before = "/proc/sys/vm/nr_hugepages", open("/proc/sys/vm/nr_hugepages").read()
    free = lambda: int(re.search(r"HugePages_Free: +(\d+)", open("/proc/meminfo").read()).group(1))
    os.makedirs("/dev/hugepages", exist_ok=True)
    run(["mount", "-t", "hugetlbfs", "none", "/dev/hugepages"])
    host.restart_daemon()
    dom = host.define(host.guests.empty("m", extra="<memoryBacking><hugepages/></memoryBacking>", memory_kib=(free() * 2048 + 16384)))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="unable to map backing store for guest RAM: Cannot allocate memory")
    try:
        with open(setting, "w") as file:
            file.write(str(int(before) + 8))
        have = free()
        if have < 8:
            raise Skip("the kernel has no huge pages to spare")
        host.define_sector("n", extra="<memoryBacking><hugepages/></memoryBacking>").create()
        equal(have - free(), 8, "huge pages in use")
        host.ok("destroy", "n")
        equal(free(), have)
    finally:
        with open(setting, "w") as file:
            file.write(before)


EQUIPPED = """
<graphics type='vnc' port='-1'/><video><model type='qxl'/></video>
<controller type='usb' model='ich9-ehci1'/><controller type='usb' model='ich9-uhci1'><master startport='0'/></controller>
<controller type='scsi' model='virtio-scsi'/>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{disc}'/><target dev='sda' bus='scsi'/><readonly/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{second}'/><target dev='sdb' bus='scsi'/></disk>
<interface type='user'><model type='virtio'/></interface>
<memballoon model='virtio'/>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
<watchdog model='i6300esb' action='reset'/>
<panic model='isa'/>
"""
IDS = {"video": "1b36:0100", "controller[@model='ich9-ehci1']": "8086:293a", "controller[@model='ich9-uhci1']": "8086:2934",
       "controller[@model='virtio-scsi']": "1af4:1004", "interface": "1af4:1000", "memballoon": "1af4:1002", "rng": "1af4:1005",
       "watchdog": "8086:25ab", "disk[@device='disk']": "1af4:1001"}


def pci_name(device):
    at = device.find("address").attrib
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*(int(at[part], 16) for part in ("domain", "bus", "slot", "function")))


def hang(console, watchdog):
    """Arms the watchdog as its driver would, and never feeds it: the time is up after a fraction of a second."""
    folder = f"/sys/bus/pci/devices/{watchdog}"
    console.command(f"echo 1 > {folder}/enable")
    base = int(re.search(r"0x[0-9a-f]{16}", console.command(f"head -n 1 {folder}/resource")).group(), 16)
    for register in (0, 4):  # how long either stage takes, behind the key that unlocks the register
        for offset, value in ((12, 0x80), (12, 0x86), (register, 100)):
            console.command(f"devmem {base + offset:#x} 32 {value}")
    console.send(f"printf '\\002' | dd of={folder}/config bs=1 seek=104 conv=notrunc\n")


def test_the_guest_finds_its_hardware_and_the_host_watches_it(host):
    """rows: interface-30 display-24 devices-18 devices-26 devices-35 devices-36 tuning-01 lifecycle-49
    monitoring-09 install-06"""
    disc = host.write("var/lib/libvirt/images/disc.iso", "what is on the disc".ljust(4096))
    second = host.write("var/lib/libvirt/images/second.img", "what is on the second disk".ljust(4096))
    dom = host.start_demo("demo", devices=EQUIPPED.format(disc=disc, second=second), lifecycle="<on_crash>destroy</on_crash><pm>"
                          "<suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>")
    events = host.terminal("event", "--all", "--loop", "--timeout", "600")
    console = host.booted("demo")
    tree = ElementTree.fromstring(dom.XMLDesc())
    console.send("cd /sys/bus/pci/devices; for d in *; do echo $d $(cat $d/vendor $d/device); done; cd; echo list-ends\n")
    console.expect(r"list-ends\s+demo:")
    found = {name: f"{vendor}:{device}" for name, vendor, device in
             re.findall(r"(\w{4}:\w\w:\w\w\.\w) 0x(\w{4}) 0x(\w{4})", console.seen)}
    for path, wanted in IDS.items():
        equal(found.get(pci_name(tree.find(f"devices/{path}"))), wanted, path)
    equal((found["0000:00:00.0"], found["0000:00:01.0"]), ("8086:1237", "8086:7000"), "i440FX and PIIX3")
    contains(console.command("dmesg | grep supports"), "(supports S0 S5)")
    contains(console.command("head -c 19 /dev/sr0"), "what is on the disc")
    contains(console.command("echo x > /dev/sr0"), "Read-only file system")
    contains(console.command("ls /sys/block"), "sda", "sr0", "vda")  # names go by the bus
    contains(console.command("head -c 26 /dev/sda"), "what is on the second disk")
    contains(console.command("dd if=/dev/hwrng bs=16 count=1 | wc -c"), "16")
    contains(console.command("cat /sys/class/misc/hw_random/rng_current"), "virtio_rng")
    balloon(host, dom, console)
    hang(console, pci_name(tree.find("devices/watchdog")))
    events.expect("event 'watchdog' for domain 'demo': reset")
    console.expect("is ready", timeout=60)
    host.virsh("qemu-monitor-command", "demo", "--hmp", "o /b 0x505 1")  # what a kernel writes when it panics
    events.expect("event 'lifecycle' for domain 'demo': Crashed Panicked")
    host.wait_state("demo", "shut off")
    equal(host.ok("domstate", "demo", "--reason").strip(), "shut off (crashed)")


def balloon(host, dom, console):
    """Memory goes to the host and comes back."""
    def total():
        return int(re.search(r"MemTotal: +(\d+)", console.command("cat /proc/meminfo")).group(1))

    before = total()
    host.refused("setmem", "demo", "256M", "--live", says="cannot set memory higher than max memory")
    for wanted, change in ((96 << 10, 32 << 10), (128 << 10, 0)):
        host.ok("setmem", "demo", f"{wanted}K", "--live")
        wait_until(lambda: f"actual {wanted}\n" in host.ok("dommemstat", "demo"), f"the guest has {wanted} KiB")
        check(abs(before - total() - change) < 1024, f"the guest had {before} KiB and now has {total()}")
    equal(dom.maxMemory(), 128 << 10)


def test_memory_limit_and_io_modes(host):
    """rows: tuning-02 tuning-09"""
    dom = host.start_sector("m", vcpus=2)
    host.refused("setmaxmem", "m", "32M", says="cannot resize the maximum memory on an active domain")
    host.ok("setmaxmem", "m", "32M", "--config")
    equal(dom.maxMemory(), 16384)
    host.ok("destroy", "m")
    equal(dom.maxMemory(), 32768)
    host.ok("start", "m")
    contains(host.ok("dominfo", "m"), "Max memory:     32768 KiB")
    host.ok("destroy", "m")
    dom.undefine()
    bad = host.guests.empty("m", devices=disk(host, "virtio", "vda", driver="type='raw' io='native'"))
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.define, bad, text="needs either no disk cache or directsync cache mode")
    for mode, more in (("native", " cache='none'"), ("native", " cache='directsync'"), ("threads", "")):
        host.define(host.guests.empty("m", devices=disk(host, "virtio", "vda", driver=f"type='raw' io='{mode}'{more}"))).create()
        contains(" ".join(next(iter(qemus().values()))), f'"aio":"{mode}"')
        host.ok("destroy", "m")
        host.ok("undefine", "m")
