"""Every document of the golden folders that is accepted becomes a machine whose QEMU comes up.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import re
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"

# What this host or this version lacks, by the words of the refusal: everything else must start.
LACKING = [
    r"not supported by this version", r"no network with matching name", r"networks are not supported",
    r"Cannot get interface|no bridge|bridge '.*' does not exist|No such device", r"hugetlbfs",
    r"qemu-system-(?!x86_64)", r"Cannot check QEMU binary",
    r"host-passthrough' for x86_64 qemu domain", r"no drm render node available",
    r"Unable to find any firmware to satisfy '(bios|efi)'", r"room for ISA ports 0 to 3",
    r"setting a resource limit: Operation not permitted", r"device '[\w-]+-gl' is not supported by",
    r"Unable to open '/dev/(tpm0|vhost-vsock|vhost-scsi)'", r"Could not init `oss' audio driver",
    r"uses it with cgroup version 1", r"kernel doesn't allow setting HyperV VP_INDEX", r"failed to initialize vcard", r"no secret with matching",
]

# Of these QEMU must have understood all; then there is no server (test_disks.py has some).
SERVERS = re.compile(r"net-.*\.xml")
MISUNDERSTOOD = r"Invalid parameter|is unexpected|Unknown driver|Parameter '.*' (is missing|expects)"

# Documents that ask for what can't be; the reference's QEMU ends with the same words.
IMPOSSIBLE = {
    "a-net.xml": "a tap that is not there (test_interface_types.py has one)",
    "nic-ethernet.xml": "a tap that is not there",
    "t-kubevirt-uuid.xml": "a tap that is not there",
    "nic-user-forward.xml": "limits of a network that is in QEMU itself",
    "nic-vdpa.xml": "a vDPA device that is not there",
    "nic-vhostuser.xml": "a switch that is not there (test_interface_types.py has one)",
    "firmware-pflash-nvram-block.xml": "a block device that is not there",
    "firmware-pflash-writable.xml": "QEMU's user may not write the firmware of the distribution",
    "p-redir.xml": "a full speed card reader on a port of a high speed controller",
    "everything-about-disks-and-interfaces.xml": "a block device that is not there",
    "seclabel2.xml": "an owner that does not exist",
    "functions-off.xml": "a second function in a slot that denies having any",
    "a-inputs.xml": "an input device that is not there",
    "a-serials.xml": "a serial port that is not there",
    "spice-tls-auto.xml": "a port for TLS, which is off",
    "corp-disk-nvme-domain.xml": "an NVMe function that is not there",
    "corp-memory-uuid.xml": "memory modules without ACPI",
    "corp-nic-hostdev-driver.xml": "a network function that is not there",
    "corp-nic-vdpa-model.xml": "a vDPA device that is not there",
    "corp-source-foreign.xml": "a server that is not there",
    "corp-source-unix-name.xml": "a server that is not there",
    "dv-lease.xml": "a lock manager (test_lease.py has one)",
    "disk-luks.xml": "an encrypted image (test_disks.py has one)",
    "disk-luks-2-secrets.xml": "an encrypted image",
    "disk-luks-no-secret.xml": "encryption without a secret",
    "disk-pr-own.xml": "a SCSI device that is not there",
    "disk-rawio.xml": "a SCSI device that is not there",
    "disk-slices.xml": "images inside of files (test_disks.py has some)",
    "t-proxmox-like.xml": "a block device that is not there",
    "vnc-port-1.xml": "a port that no VNC display has",
    "disk-ubda.xml": "a bus of another hypervisor",
    "disk-ubda-q35.xml": "a bus of another hypervisor",
    "disk-xvda.xml": "a bus of another hypervisor",
    "disk-xvda-q35.xml": "a bus of another hypervisor",
    "memdev.xml": "memory modules without ACPI",
    "dv-ch-source-tls.xml": "certificates that are not there",
    "dv-disk-nvme.xml": "an NVMe function that is not there",
    "dv-disk-pr-managed.xml": "a SCSI device that is not there",
    "dv-fs-9p-handle.xml": "a driver that QEMU lost",
    "dv-fs-long-target.xml": "a tag that is too long for QEMU",
    "dv-fs-virtiofs-iommu.xml": "an IOMMU, which QEMU's vhost-user devices do not have",
    "dv-fs-virtiofs-socket.xml": "a virtiofsd that is not there (test_helpers.py has one)",
    "dv-gfx-dbus-address.xml": "a bus that is not there",
    "dv-gfx-dbus-two.xml": "two displays of one kind",
    "dv-shmem-doorbell-default.xml": "a server that is not there",
    "dv-shmem-doorbell-msi.xml": "a server that is not there",
    "dv-shmem-doorbell.xml": "a server that is not there",
    "dv-shmem-odd-size.xml": "a size that is no power of two",
    "dv-shmem-plain.xml": "memory that another document made smaller",
    "dv-shmem-role.xml": "memory that another document made smaller",
    "dv-shmem-same-name.xml": "memory that another document made smaller",
    "dv-tpm-external.xml": "a TPM that is not there",
    "dv-video-blob.xml": "/dev/udmabuf, which is not there",
    "dv-video-driver-vhost.xml": "a vhost-user-gpu that is not there",
    "dv-video-rendernode.xml": "a vhost-user-gpu that is not there",
    "h-numa.xml": "memory modules without ACPI",
    "h-usb-kinds.xml": "a USB device that is not there",
    "pc1.xml": "a tap that is not there",
}
# Left out: hundreds of one topic each, whose command lines are the reference's to the letter; devices of the
# host that are not there; vhost-user disks, for whose server QEMU waits until the start is given up.
LEFT_OUT = ("one-", "bad-", "dv-hd-", "dv-disk-vhostuser")


def prepare(host, xml):
    """The same machine of type qemu, on small images of its formats."""
    images = host.path("var/lib/libvirt/images")
    displays = host.path("displays")
    displays.mkdir(exist_ok=True)
    displays.chmod(0o777)  # QEMU makes these sockets itself
    xml = re.sub(r"<domain type=(['\"])\w+\1", "<domain type='qemu'", xml, count=1)
    made = {}

    def image(disk):
        text = disk.group(0)
        driver = re.search(r"<driver[^>]*\btype=['\"](\w+)", text)
        kind = driver.group(1) if driver else "raw"

        def source(match):
            file = images / f"image{len(made)}.{kind}"
            made[file] = kind
            if not file.exists() and kind not in ("fat", "cow"):
                subprocess.run(["qemu-img", "create", "-q", "-f", {"iso": "raw"}.get(kind, kind), file, "4M"], check=False)
            return f"{match.group(1)}{file}{match.group(3)}"
        text = re.sub(r"<backingStore.*?</backingStore>|<mirror.*?</mirror>", "", text, flags=re.S)
        return re.sub(r"(<source[^>]*\bfile=['\"])([^'\"]*)(['\"])", source, text)
    xml = re.sub(r"(<source dir=['\"])[^'\"]*", r"\1/usr/share/seabios", xml)  # small enough for a FAT disk
    # What a character device writes to is a file of this test; nobody listens where it would connect to.
    xml = re.sub(r"\bhost='(10\.[0-9.]*|localhost)'", "host='127.0.0.1'", xml)
    xml = re.sub(r"(type='tcp'>\s*<source mode=')connect('[^>]*/>)", r"\1bind\2", xml)
    xml = re.sub(r"(<source mode=['\"])connect(['\"] path=[^>]*/>)", r"\1bind\2", xml)
    xml = re.sub(r"(<source mode=['\"]\w+['\"] path=['\"])/(?:[^'\"]*/)?([^'\"/]*)", rf"\1{images}/\2.sock", xml)
    xml = re.sub(r"<source (path|file)=(['\"])/(?:[^'\"]*/)?([^'\"/]*)\2", rf"<source \1='{images}/\3.any'", xml)
    (images / "pipe.any").touch()  # QEMU opens a pipe, but does not make it
    xml = re.sub(r"<disk\b.*?</disk>", image, xml, flags=re.S)
    xml = re.sub(r"(socket=['\"])/[^'\"]*", rf"\1{displays}/display.sock", xml)
    xml = re.sub(r"(<entry [^>]*file=['\"])[^'\"]*", rf"\1{host.guests.file('vmlinuz')}", xml)
    xml = re.sub(r"(<nvram[^>]*>)/var/", rf"\1{host.path('var')}/", xml)
    xml = re.sub(r"<loader([^>]*)>/x<", r"<loader\1>/usr/share/seabios/bios-256k.bin<", xml)
    for element in ("kernel", "initrd", "dtb"):
        xml = re.sub(f"<{element}>[^<]*", f"<{element}>{host.guests.file('vmlinuz')}", xml)
    return xml


def come_up(host, documents):
    """Starts each of {name: document} paused. Returns the complaints, the names that were left out, and how many
    came up."""
    complaints, left_out, n_up = [], [], 0
    for name, xml in documents.items():
        try:
            dom = host.conn.defineXML(prepare(host, xml))
        except libvirt.libvirtError:
            continue  # refused with a sentence: the golden tests know its code
        try:
            dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            equal(host.state(dom.name()), "paused")
            dom.destroy()
            n_up += 1
        except libvirt.libvirtError as error:
            no_server = SERVERS.match(name) and not re.search(MISUNDERSTOOD, str(error))
            if name in IMPOSSIBLE or no_server or any(re.search(words, str(error)) for words in LACKING):
                left_out.append(f"{name}: {error}")
            else:
                complaints.append(f"{name}: {error}")
        dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    return complaints, left_out, n_up


def documents_of(folder):
    return {p.name: p.read_text() for p in sorted((GOLDEN / folder).glob("*.xml"))
            if not p.name.endswith(".out.xml") and not p.name.startswith(LEFT_OUT)}


def check_all(host, documents):
    complaints, left_out, n_up = come_up(host, documents)
    check(not complaints, "\n".join(complaints))
    check(n_up > len(documents) / 4, f"only {n_up} of {len(documents)} came up")
    print("left out:", *left_out, sep="\n  ")
    return left_out


@mark(timeout=300)
def test_documents_of_the_definition_tests_start(host):
    check_all(host, documents_of("define"))


@mark(timeout=300)
def test_documents_of_the_domain_tests_start(host):
    check_all(host, documents_of("domain"))


def each(template, words):
    return {f"{template.split()[0][1:]} {word}": template.format(word) for word in words.split()}


FILE = "<disk type='file' device='{2}'><driver type='{3}' {4}/><source file='/x'/><target dev='{1}' bus='{0}'/>{5}</disk>"


def disk(bus, dev, device="disk", kind="raw", driver="", more=""):
    return FILE.format(bus, dev, device, kind, driver, more)


PORT = "<address type='pci' bus='0' slot='9' function='{}'/>"
RNG = "<rng model='virtio'><backend model='{}'>{}</backend>{}</rng>"
PC_DEVICES = {
    "4 ide": disk("ide", "hda") + disk("ide", "hdb", "cdrom") + disk("ide", "hdc") + disk("ide", "hdd"),
    "2 floppies": disk("fdc", "fda", "floppy") + disk("fdc", "fdb", "floppy"),
    "sata on pc": disk("sata", "sda") + disk("sata", "sdh"),
    "ib700": "<watchdog model='ib700' action='poweroff'/>",
    "functions": "".join(f"<interface type='user'><model type='virtio'/>{PORT.format(n)}</interface>" for n in "01"),
    "vvfat floppy": "<disk type='dir' device='floppy'><driver type='fat'/><source dir='/usr/share/seabios'/>"
                    "<target dev='fda' bus='fdc'/><readonly/></disk>",
    **each("<controller type='usb' model='{}'/>", "piix3-uhci piix4-uhci ehci nec-xhci qemu-xhci pci-ohci none"),
    **each("<sound model='{}'/>", "sb16 es1370 ac97 ich6 ich9 pcspk"),
}
Q35_DEVICES = {
    **{f"disk {bus}": disk(bus, dev) for bus, dev in (("virtio", "vda"), ("sata", "sda"), ("usb", "sda"), ("scsi", "sda"))},
    **{f"cdrom {bus}": disk(bus, "sda", "cdrom") for bus in ("sata", "scsi", "usb")},
    "floppy": disk("fdc", "fda", "floppy"),
    "another sata": disk("sata", "sdh") + disk("sata", "sdn"),
    **{f"format {kind}": disk("virtio", "vda", kind=kind) for kind in "qcow qcow2 qed vmdk vdi vpc".split()},
    **{f"cache {mode}": disk("virtio", "vda", driver=f"cache='{mode}'")
       for mode in "none writethrough writeback directsync unsafe".split()},
    "native": disk("virtio", "vda", driver="cache='none' io='native'"),
    "io_uring": disk("virtio", "vda", driver="io='threads' discard='unmap' detect_zeroes='unmap' queues='2'"),
    "copy on read": disk("virtio", "vda", kind="qcow2", driver="copy_on_read='on'"),
    "details": disk("scsi", "sda", more="<serial>A B</serial><wwn>5000c50015ea71aa</wwn><vendor>LODGE</vendor>"
                                        "<product>a,b</product><readonly/><shareable/>"),
    "vvfat": "<disk type='dir' device='disk'><driver type='fat'/><source dir='/usr/share/seabios'/>"
             "<target dev='vda' bus='virtio'/><readonly/></disk>",
    **{f"scsi {m}": f"<controller type='scsi' model='{m}'/>" + disk("scsi", "sda")
       for m in "virtio-scsi virtio-transitional virtio-non-transitional lsilogic lsisas1068 lsisas1078 vmpvscsi".split()},
    **each("<interface type='user'><model type='{}'/></interface>",
           "virtio virtio-transitional virtio-non-transitional e1000 e1000e e1000-82540em rtl8139 ne2k_pci pcnet vmxnet3 "
           "i82551 i82557b i82559er usb-net"),
    **each("<controller type='usb' model='{}'/>", "nec-xhci qemu-xhci ehci ich9-ehci1"),
    "companions": "".join(f"<controller type='usb' index='0' model='ich9-{m}'/>" for m in "ehci1 uhci1 uhci2 uhci3".split()),
    **{f"controller {m}": "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' "
       f"model='pcie-root-port'/><controller type='pci' index='2' model='{m}'/>"
       for m in "pcie-root-port pcie-to-pci-bridge dmi-to-pci-bridge pcie-switch-upstream-port pcie-expander-bus".split()},
    **each("<controller type='virtio-serial' model='{}'/>", "virtio virtio-transitional virtio-non-transitional"),
    **each("<video><model type='{}'/></video>", "vga cirrus vmvga qxl virtio bochs ramfb none"),
    "2 heads": "<video><model type='qxl' heads='1' primary='yes'/></video><video><model type='qxl'/></video>",
    **each("<sound model='{}'/>", "sb16 es1370 ac97 ich6 ich9 usb"),
    **{f"input {t} {b}": f"<input type='{t}' bus='{b}'/>" for t in ("mouse", "tablet", "keyboard") for b in ("usb", "virtio")},
    **{f"watchdog {m} {a}": f"<watchdog model='{m}' action='{a}'/>"
       for m in ("i6300esb", "itco") for a in ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")},
    **each("<panic model='{}'/>", "isa pvpanic hyperv"),
    **each("<memballoon model='{}'/>", "virtio virtio-transitional virtio-non-transitional none"),
    "balloon": "<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats period='5'/></memballoon>",
    "rng random": RNG.format("random", "/dev/urandom", "<rate bytes='1024' period='1000'/>"),
    "rng builtin": RNG.format("builtin", "", ""),
    **{f"iommu {m}": f"<iommu model='{m}'/>" for m in ("intel", "virtio")},
    "vsock": "<vsock model='virtio'><cid auto='yes'/></vsock>",
    "hub": "<hub type='usb'/><input type='tablet' bus='usb'/>",
    "smartcard": "<controller type='usb' model='qemu-xhci'/><smartcard mode='passthrough' type='spicevmc'/>"
                 "<graphics type='spice' autoport='yes'/>",
    "redirdev": "<redirdev bus='usb' type='spicevmc'/><graphics type='spice' autoport='yes'/>",
    "memory": "<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target></memory>",
    "spice": "<graphics type='spice' autoport='yes' tlsPort='-1'><image compression='off'/><channel name='main' "
             "mode='insecure'/></graphics><channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
    "displays": "<graphics type='vnc' port='-1' passwd='12345678'/><graphics type='spice' passwd='a,b' autoport='yes'/>",
    "no display": "<graphics type='vnc'><listen type='none'/></graphics><graphics type='spice'><listen type='none'/></graphics>",
    **each("<serial type='pty'><target type='{0}-serial'><model name='{0}-serial'/></target></serial>", "isa usb pci"),
    "debugcon": "<serial type='null'><target type='isa-debug'><model name='isa-debugcon'/></target></serial>",
    "parallel": "<parallel type='pty'/>",
    "consoles": "<console type='pty'><target type='virtio'/></console>",
    "channels": "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
                "<channel type='pty'><target type='virtio' name='a,b'/></channel>"
                "<channel type='tcp'><source mode='bind' host='127.0.0.1' service='4567'/><target type='virtio' name='c'/></channel>",
}
PARTS = {
    "discard": "<memoryBacking><discard/></memoryBacking>",
    "file": "<memoryBacking><source type='file'/><access mode='shared'/><discard/></memoryBacking>",
    "memfd": "<memoryBacking><source type='memfd'/><access mode='shared'/><discard/></memoryBacking>",
    "locked": "<memoryBacking><locked/></memoryBacking>",
    "immediate": "<memoryBacking><allocation mode='immediate'/></memoryBacking>",
    "huge": "<memoryBacking><hugepages/></memoryBacking>",
    "numa": "<cpu><numa><cell id='0' cpus='0' memory='32768'/><cell id='1' cpus='1' memory='32768'/></numa></cpu>",
    "hot memory": "<maxMemory slots='4' unit='MiB'>1024</maxMemory><cpu><numa><cell id='0' cpus='0' memory='65536'/></numa></cpu>",
    "topology": "<cpu><topology sockets='1' dies='1' cores='2' threads='1'/></cpu>",
    **{f"cpu {m}": f"<cpu mode='{m}'/>" for m in ("host-model", "maximum")},
    **{f"model {m}": f"<cpu mode='custom' match='{how}'><model>{m}</model></cpu>"
       for m, how in (("Penryn", "exact"), ("Haswell", "exact"), ("EPYC", "exact"), ("qemu64", "minimum"))},
    "clock": "<clock offset='variable' adjustment='3600'><timer name='hpet' present='no'/><timer name='rtc' "
             "tickpolicy='catchup'/></clock><pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='yes'/></pm>",
}


@mark(timeout=300)
def test_every_model_of_every_device_starts(host):
    documents = {}
    for machine, devices in (("pc", PC_DEVICES), ("q35", Q35_DEVICES)):
        for name, xml in devices.items():
            part = PARTS["hot memory"] if name == "memory" else ""
            documents[f"{machine}: {name}"] = host.guests.empty("m", devices=xml, machine=machine, memory_kib=65536, extra=part)
    for name, part in PARTS.items():
        documents[f"part: {name}"] = host.guests.empty("m", machine="q35", memory_kib=65536, extra=part, vcpus=2)
    refused = []
    for name, xml in documents.items():
        try:
            host.conn.defineXML(prepare(host, xml)).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        except libvirt.libvirtError as error:
            refused.append(f"{name}: {error}")
    check(not refused, "\n".join(refused))
    left_out = check_all(host, documents)
    check(len(left_out) < 8, f"too much is left out: {left_out}")
