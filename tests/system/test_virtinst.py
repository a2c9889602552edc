"""The unmodified virt-install, virt-clone, virt-xml and osinfo-query, as guides tell people to call them: sizes and
paths are smaller, and qemu stands for kvm. What came of it is looked at in the daemon and in the guest.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import shlex
import shutil
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

CLIENTS = mark(requires=["program:virt-install", "program:virt-clone", "program:virt-xml", "program:xorriso"])
DEFAULT = ("<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='off'/><ip address='192.168.122.1' "
           "netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>")


def client(host, program, words, code=0):
    command = [program, "--connect", host.daemon.uri, *shlex.split(words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False, stdin=subprocess.DEVNULL)
    equal(result.returncode, code, f"exit code of {command}: {result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def install(host, words, code=0):
    return client(host, "virt-install", words, code)


def images(host):
    host.conn.networkLookupByName("default") if "default" in host.ok("net-list", "--all") else host.network(DEFAULT)
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    folder = host.path("var/lib/libvirt/images")
    if "default" not in host.ok("pool-list", "--name"):  # virt-install would make it of the host's own folder
        host.ok("pool-define-as", "default", "dir", "--target", str(folder))
        host.ok("pool-start", "default")
    return folder


def disc(host, name="installer.iso", label="CentOS-8-BaseOS-x86_64", kernel="images/pxeboot/vmlinuz", initrd="images/pxeboot/initrd.img"):
    """An installation medium: the demo guest's kernel and initrd where the distribution has its own."""
    tree = host.path("medium")
    for source, place in (("vmlinuz", kernel), ("initrd", initrd)):
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(host.guests.file(source), tree / place)
    path = host.path("var/lib/libvirt/images") / name
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", label, "-o", str(path), str(tree)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return path


@CLIENTS
def test_guides_make_machines_from_discs(host):
    """rows: install-17 install-18 install-24 install-25 install-58 install-63 install-120 install-121"""
    folder, iso = images(host), disc(host)
    floppy = folder / "virtio-win.vfd"
    floppy.write_bytes(bytes(1474560))
    for name in ("centos7", "win2008", "win10"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / f"{name}.qcow2", "1G"], check=True)
    head = "--virt-type qemu --noautoconsole "
    install(host, head + f"--name centos7 --ram 128 --vcpus 2 --cdrom={iso} --disk path={folder}/centos7.qcow2 --network network=default "
            "--graphics vnc,listen=0.0.0.0 --os-variant=centos7.0")
    install(host, head + f"--name win2008 --memory 128 --vcpus=2 --os-variant=win2k8r2 --cdrom={iso} --disk path={folder}/win2008.qcow2,"
            f"format=qcow2,bus=virtio --disk path={floppy},device=floppy --network bridge=virbr0,model=virtio --graphics vnc,listen=0.0.0.0 --autostart")
    install(host, head + f"--name win10 --ram 128 --vcpus=2 --os-variant=win10 --cdrom={iso} --disk path={folder}/win10.qcow2,format=qcow2,"
            "bus=virtio --network bridge=virbr0,model=virtio --graphics vnc,listen=0.0.0.0 --autostart")
    install(host, head + f"--name kvm01 --vcpus 2 --ram 128 --os-variant=rhel8.0 --cdrom {iso} --network=default --video=vga "
            "--graphics vnc,password=Packt123 --disk size=1")
    install(host, head + f"--hvm --name=zabbix --ram=128 --vcpus=4 --cdrom={iso} --disk path={folder}/zabbix.qcow2,device=disk,format=qcow2,"
            "bus=virtio,cache=writeback,size=1 --network network=default --graphics vnc,listen=0.0.0.0,port=5922,password=123123 --autostart "
            "--os-variant generic --accelerate --force")
    for name in ("centos7", "win2008", "win10", "kvm01", "zabbix"):
        equal(host.state(name), "running", name)
        contains(host.ok("dumpxml", name), "<boot dev='cdrom'/>", "<on_reboot>destroy</on_reboot>")
        stored = host.ok("dumpxml", name, "--inactive")
        contains(stored, "<boot dev='hd'/>", "<on_reboot>restart</on_reboot>", "device='cdrom'")
        equal(str(iso) in stored, name.startswith("win"), f"the medium stays in {name}")  # Windows needs it for its second start
    equal(set(host.ok("list", "--autostart", "--name").split()), {"win2008", "win10", "zabbix"})
    contains(host.ok("dumpxml", "win2008"), f"<source file='{floppy}'", "device='floppy'", "<target dev='vda' bus='virtio'/>", "<hyperv")
    contains(host.ok("dumpxml", "win10"), "<source bridge='virbr0'", "<target dev='vda' bus='virtio'/>")
    contains(host.ok("vol-list", "default"), "kvm01.qcow2")
    contains(host.ok("vol-dumpxml", "kvm01.qcow2", "default"), "<capacity unit='bytes'>1073741824</capacity>")
    contains(host.ok("dumpxml", "kvm01", "--security-info"), "passwd='Packt123'", "<model type='vga'")
    contains(host.ok("dumpxml", "zabbix", "--security-info"), "port='5922'", "passwd='123123'", "cache='writeback'", "<source network='default'")
    for name in ("centos7", "win2008", "win10", "kvm01", "zabbix"):
        host.ok("destroy", name)


@CLIENTS
def test_a_kernel_from_a_disc_installs_and_the_disk_starts(host):
    """rows: install-04 install-05 install-29 install-52"""
    folder, iso = images(host), disc(host)
    answers = host.write("ks.cfg", "text\nreboot\n")
    said = install(host, f"--virt-type qemu --name centos8 --ram 256 --vcpus 2 --disk path={folder}/centos8.qcow2,size=1 --network network=default "
                   f"--graphics none --noautoconsole --location={iso},kernel=images/pxeboot/vmlinuz,initrd=images/pxeboot/initrd.img "
                   f"--extra-args='console=ttyS0 hostname=centos8 ks=http://10.0.0.8/ks/centos8.cfg' --initrd-inject {answers} --os-variant centos8")
    contains(said, "Starting install...")
    contains(host.ok("dumpxml", "centos8"), "<kernel>/", "<initrd>/", "ks=http://10.0.0.8/ks/centos8.cfg", "<on_reboot>destroy</on_reboot>")
    console = host.booted("centos8")
    console.send("cat /ks.cfg; cat /proc/cmdline\n")
    console.expect("text\\s+reboot")
    console.expect("ks=http://10.0.0.8/ks/centos8.cfg")
    console.send("reboot -f\n")
    host.wait_state("centos8", "shut off", 30)
    stored = host.ok("dumpxml", "centos8")
    contains(stored, "<boot dev='hd'/>", "<on_reboot>restart</on_reboot>")
    check("<kernel>" not in stored, stored)
    host.ok("start", "centos8")
    host.ok("destroy", "centos8")


@CLIENTS
def test_more_devices_start_in_machines(host):
    """rows: install-78 install-86 install-90 install-91 install-92 install-99 install-68"""
    images(host)
    shared = host.path("shared")
    shared.mkdir()
    words = (f"--import --virt-type qemu --memory 64 --osinfo generic --noautoconsole --network none --disk none --name ")
    install(host, words + f"m --filesystem {shared},share --graphics none --numatune 0 --tpm emulator")
    contains(host.ok("dumpxml", "m"), f"<source dir='{shared}'/>", "<target dir='share'/>", "nodeset='0'", "<tpm model='tpm-crb'>")
    host.ok("destroy", "m")
    xml = install(host, words + "tuned --graphics spice,port=5901 --memtune hard_limit=1048576 --blkiotune weight=500 --resource /machine --print-xml")
    host.ok("define", host.write_xml(xml[xml.index("<domain"):xml.index("</domain>") + len("</domain>")]))
    contains(host.ok("dumpxml", "tuned"), "<graphics type='spice' port='5901'", "<hard_limit unit='KiB'>1048576</hard_limit>", "<weight>500</weight>",
             "<partition>/machine</partition>")
    contains(install(host, words + "s --graphics spice,port=5901,tlsport=5902 --print-xml"), 'port="5901"', 'tlsPort="5902"')
    contains(install(host, words + "p --graphics none --paravirt", code=1), "ERROR")
    contains(install(host, words + "c --graphics none --container", code=1), "ERROR")
    contains(install(host, words + "i --graphics none --idmap uid.start=0,uid.target=1000,uid.count=10 --print-xml"), "<idmap>")
    install(host, words + "t --graphics none --filesystem template_name,/,type=template", code=1)
    equal(set(host.ok("list", "--all", "--name").split()), {"m", "tuned"}, "what was refused left something")
    contains(install(host, words + "s --graphics none --disk size=1 --check disk_size=on --tpm none"), "Domain creation completed.")
    host.ok("destroy", "s")
    contains(host.ok("vol-list", "default"), "s.qcow2")


@CLIENTS
def test_too_little_space_and_unknown_systems_are_told(host):
    """rows: install-27 install-33 install-119"""
    folder = images(host)
    words = "--import --virt-type qemu --memory 64 --network none --graphics none --noautoconsole "
    contains(install(host, words + "--osinfo generic --name big --disk size=100000,format=raw,sparse=no", code=1), "space")
    check(not list(folder.glob("big*")), "an image of what was refused")
    equal(host.ok("list", "--all", "--name").strip(), "")
    elsewhere = host.path("elsewhere")
    elsewhere.mkdir()
    install(host, words + f"--osinfo generic --name far --disk path={elsewhere}/far.qcow2,format=qcow2,size=1")
    contains(host.ok("dumpxml", "far"), f"<source file='{elsewhere}/far.qcow2'", "type='qcow2'")
    contains(host.ok("pool-list"), "elsewhere")
    host.ok("destroy", "far")
    contains(install(host, words + "--osinfo nosuchsystem --name no --disk none", code=1), "nosuchsystem")
    contains(install(host, f"--virt-type qemu --memory 64 --network none --graphics none --noautoconsole --name det --disk none --osinfo "
                           f"detect=on,name=debian11 --cdrom {disc(host, label='FOO')} --print-xml 1"), "http://debian.org/debian/11")


@CLIENTS
def test_machines_are_changed_and_cloned_as_books_do(host):
    """rows: devices-43 offline-tools-19 offline-tools-22"""
    folder = images(host)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "kvm.qcow2", "64M"], check=True)
    install(host, f"--import --virt-type qemu --osinfo rhel8.0 --memory 64 --name MasteringKVM01 --disk {folder}/kvm.qcow2 --network network=default "
            "--graphics none --noautoconsole")
    host.ok("destroy", "MasteringKVM01")
    for words in ("--add-device --graphics type=vnc", "--edit --graphics listen=192.168.122.1", "--edit --boot bootmenu.enable=on", "--edit --disk target=vda,cache=none"):
        contains(client(host, "virt-xml", "MasteringKVM01 " + words), "defined successfully")
    text = host.ok("dumpxml", "MasteringKVM01")
    contains(text, "<graphics type='vnc'", "listen='192.168.122.1'", "<bootmenu enable='yes'/>", "cache='none'")
    contains(client(host, "virt-clone", "--original MasteringKVM01 --auto-clone"), "created successfully")
    copy = host.ok("dumpxml", "MasteringKVM01-clone")
    contains(copy, "<source file='" + str(folder / "kvm-clone.qcow2"), "cache='none'")
    for tag in ("uuid", "mac address"):
        check(next(line for line in text.splitlines() if f"<{tag}" in line) not in copy, f"the copy has the same {tag}")
    contains(client(host, "virt-clone", "--original MasteringKVM01 --name twin --preserve-data --file " + str(folder / "kvm-clone.qcow2") + " --check all=off"),
             "created successfully")
    contains(client(host, "virt-clone", "--original MasteringKVM01 --name second --mac 52:54:00:34:11:54 --file " + str(folder / "second.qcow2")), "created successfully")
    contains(host.ok("dumpxml", "second"), "52:54:00:34:11:54")
    contains(client(host, "virt-clone", "--original MasteringKVM01 --name none --auto-clone --print-xml"), "<name>none</name>")
