"""The machines that people describe, as tools of theirs write them: all are defined and come back as they were; those start
that need nothing which this host lacks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark
from test_corpus import GOLDEN, prepare

# Of QEMU by hand, with arguments of its own for what no element says.
MACOS = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>macOS</name><uuid>2aca0dd6-cec9-4717-9ab2-0b7b13d111c3</uuid><title>macOS</title>
  <memory unit='KiB'>4194304</memory><currentMemory unit='KiB'>4194304</currentMemory><vcpu placement='static'>4</vcpu>
  <os><type arch='x86_64' machine='pc-q35-4.2'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/macOS_VARS.fd</nvram></os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
  <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/></clock>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='writeback' io='threads'/><source file='/osx/OpenCore.qcow2'/>
      <target dev='sda' bus='sata'/><boot order='2'/><address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='writeback'/><source file='/osx/BaseSystem.img'/>
      <target dev='sdb' bus='sata'/><boot order='1'/></disk>
    <controller type='usb' index='0' model='ich9-ehci1'/><controller type='sata' index='0'/>
    <interface type='user'><mac address='52:54:00:8e:e2:66'/><model type='vmxnet3'/></interface>
    <serial type='pty'><target type='isa-serial' port='0'/></serial><console type='pty'/>
    <input type='mouse' bus='ps2'/><input type='keyboard' bus='ps2'/>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vmvga' vram='16384' heads='1' primary='yes'/></video><memballoon model='none'/></devices>
  <qemu:commandline><qemu:arg value='-device'/><qemu:arg value='isa-applesmc,osk=ourhardworkbythesewordsguardedpleasedontsteal(c)AppleComputerInc'/>
    <qemu:arg value='-smbios'/><qemu:arg value='type=2'/><qemu:arg value='-global'/><qemu:arg value='nec-usb-xhci.msi=off'/></qemu:commandline>
</domain>"""

FILES = ["one-real-win11", "one-real-gaming", "one-real-minikube", "one-real-nova", "one-real-terraform", "t-cloud-image",
         "t-gnome-boxes", "t-kubevirt-uuid", "t-libguestfs", "t-nova", "t-terraform", "t-vagrant", "t-virt-manager", "t-windows"]

# What these need is not here.
LACKING = {
    "one-real-gaming": "Unable to open|cannot open|No such file|Cannot get interface|No such device",
    "t-kubevirt-uuid": "tap|No such device|interface",
}


def documents():
    found = {name: (GOLDEN / "define" / f"{name}.xml").read_text() for name in FILES
             if (GOLDEN / "define" / f"{name}.out.xml").exists()}  # else the reference refuses it, too
    return {**found, "macos": MACOS}


def fit(host, xml):
    """For a small host without KVM."""
    xml = re.sub(r"<(memory|currentMemory)( unit='\w+')?>\d+<", r"<\1 unit='MiB'>256<", prepare(host, xml))
    xml = re.sub(r"<cpu mode='host-\w+'([^>]*/>|.*?</cpu>)", "<cpu mode='maximum'/>", xml, flags=re.S)
    xml = re.sub(r"<hyperv.*?</hyperv>|<kvm>.*?</kvm>|<ioapic [^>]*>|<timer name='(hypervclock|kvmclock|tsc)'[^>]*/>", "", xml, flags=re.S)
    xml = re.sub(r"<source network=.[^/]*/>", "<source network='default'/>", xml)
    return re.sub(r"<memoryBacking>.*?</memoryBacking>", "", xml, flags=re.S)


def test_machines_of_people_are_defined(host):
    for name, xml in documents().items():
        dom = host.conn.defineXML(xml)
        inactive = dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        again = host.conn.defineXML(inactive)
        # controllers that were added stand in their order the second time
        lines = sorted(again.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE).splitlines())
        equal(lines, sorted(inactive.splitlines()), name)
        dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


@mark(timeout=300)
def test_machines_of_people_start(host):
    host.network("<network><name>default</name><bridge name='vpeople0'/><dns enable='no'/><ip address='192.168.99.1' prefix='24'/></network>")
    up = []
    for name, xml in documents().items():
        dom = host.conn.defineXML(fit(host, xml))
        try:
            dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            equal(host.state(dom.name()), "paused")
            dom.destroy()
            up.append(name)
        except libvirt.libvirtError as error:
            check(name in LACKING and re.search(LACKING[name], str(error)), f"{name}: {error}")
        dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    equal(sorted(up + list(LACKING)), sorted({*documents(), *LACKING}), "machines that start")
