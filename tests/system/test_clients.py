"""virt-install and virt-xml, as people use them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import shlex
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

INSTALL = mark(requires=["program:virt-install"])


def client(host, program, words, code=0):
    command = [program, "--connect", host.daemon.uri, *shlex.split(words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    equal(result.returncode, code, f"exit code of {command}: {result.stdout}{result.stderr}")
    return result.stdout + result.stderr


@INSTALL
def test_options_become_the_document(host):
    """rows: install-41 install-42 install-43 install-45 install-55 install-60 install-65 install-70 install-72
    install-73 install-74 install-80 install-81 install-82 install-84 install-85 install-87 install-94 install-95
    install-96 install-97 install-98 install-100 install-110"""
    xml = client(host, "virt-install", "--print-xml 1 --import --virt-type qemu --name vi --os-variant generic "
                 "--metadata title=T,description=D,uuid=11111111-2222-4333-8444-555555555555 --memory 64 "
                 "--vcpus 5,maxvcpus=8,cpuset=0-1,sockets=2,cores=2,threads=2 --cpu qemu64,+x2apic "
                 "--disk device=cdrom,bus=scsi --network none --graphics vnc,password=foobar,port=5910,keymap=ja "
                 "--input tablet,bus=usb --serial pty --parallel pty --sound ich9 "
                 "--watchdog i6300esb,action=reset --video vga --redirdev usb,type=tcp,server=192.168.1.1:4000 "
                 "--memballoon model=virtio --rng /dev/urandom --features acpi=off,apic=on,apic.eoi=on "
                 "--clock offset=localtime,rtc_tickpolicy=catchup --pm suspend_to_mem=off "
                 "--events on_reboot=destroy --hvm --boot hd,cdrom,menu=on")
    equal(host.ok("list", "--all", "--name").strip(), "", "what --print-xml made")
    host.ok("define", host.write_xml(xml[xml.index("<domain"):]))
    stored = host.ok("dumpxml", "vi", "--security-info")
    contains(stored, "<vcpu placement='static' cpuset='0-1' current='5'>8</vcpu>",
             "<topology sockets='2' dies='1' cores='2' threads='2'/>", "<model fallback='allow'>qemu64</model>",
             "<feature policy='force' name='x2apic'/>", "<title>T</title>", "<description>D</description>",
             "<uuid>11111111-2222-4333-8444-555555555555</uuid>", "<boot dev='hd'/>", "<boot dev='cdrom'/>",
             "<bootmenu enable='yes'/>", "<target dev='sda' bus='scsi'/>", "device='cdrom'", "port='5910'",
             "passwd='foobar'", "keymap='ja'", "<input type='tablet' bus='usb'>", "<serial type='pty'>",
             "<parallel type='pty'>", "<sound model='ich9'>", "<watchdog model='i6300esb' action='reset'>",
             "<model type='vga'", "<redirdev bus='usb' type='tcp'>", "<memballoon model='virtio'>",
             "<backend model='random'>/dev/urandom</backend>", "<apic eoi='on'/>", "<clock offset='localtime'>",
             "<timer name='rtc' tickpolicy='catchup'/>", "<suspend-to-mem enabled='no'/>",
             "<on_reboot>destroy</on_reboot>", ">hvm</type>")
    check("<acpi/>" not in stored and "<interface" not in stored, stored)
    check("foobar" not in host.ok("dumpxml", "vi"), "the password is in the document")


@INSTALL
def test_import_starts_a_machine_and_virt_xml_changes_it(host):
    """rows: install-36 install-37 install-39 install-40 install-49 install-69 install-103 install-105 install-106
    install-108 display-47 display-48 devices-46"""
    words = ("--import --virt-type qemu --name vi --ram 32 --vcpus 2 --disk none --network none --graphics none "
             "--noautoconsole --autostart --machine q35 --os-variant generic")
    contains(client(host, "virt-install", words), "Domain creation completed.")
    equal(host.state("vi"), "running")
    contains(host.ok("list", "--autostart"), "vi")
    contains(host.ok("dumpxml", "vi"), "<memory unit='KiB'>32768</memory>", ">2</vcpu>", "machine='pc-q35-")
    check("<graphics" not in host.ok("dumpxml", "vi"), "a display nobody asked for")
    contains(client(host, "virt-install", words, code=1), "is already in use")
    client(host, "virt-xml", "vi --add-device --graphics type=vnc")
    client(host, "virt-xml", "vi --edit --graphics listen=192.168.122.1")
    client(host, "virt-xml", "vi --edit --boot cdrom,hd,menu=on")
    contains(host.ok("dumpxml", "vi", "--inactive"), "<graphics type='vnc'", "listen='192.168.122.1'",
             "<bootmenu enable='yes'/>")
    contains(host.ok("dumpxml", "vi", "--inactive").replace("\n", " "), "<boot dev='cdrom'/>     <boot dev='hd'/>")
