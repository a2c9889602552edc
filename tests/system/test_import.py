"""Machines of other programs become ours; ours become archives and folders, and come back.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import time

from lodgetest.cloud import *
from lodgetest.host import *
from lodgetest.runner import mark

QUIET = ["--network", "none", "--virt-type", "qemu"]
SIZE = 4 << 20


def images(host):
    return sorted(path.name for path in host.path("var/lib/libvirt/images").iterdir())


def names(host):
    return sorted(host.ok("list", "--all", "--name").split())


def take(host, path, *options, code=0, network=False):
    """lodge import; the error must leave nothing behind."""
    before = (images(host), names(host)) if host.path("var/lib/libvirt/images").exists() else None
    result = host.lodge("import", str(path), *(["--virt-type", "qemu"] if network else QUIET), *options, env=home(host),
                        timeout=120)
    equal(result.code, code, f"exit code of lodge import {path}: {result}")
    cache = host.path("home/.cache/lodge/images")
    equal([entry.name for entry in cache.iterdir() if entry.name.startswith("import-")] if cache.exists() else [], [])
    if code and before:
        equal((images(host), names(host)), before)
    return result.out + result.err


def disk(path, format="raw", options=(), text="Linux version 6.1.0 (x)"):
    """A disk that says something on the serial port."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_name(path.name + ".raw")
    talker(raw, [text])
    with open(raw, "r+b") as file:
        file.truncate(SIZE)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format, *[word for o in options for word in ("-o", o)],
                    str(raw), str(path)], check=True)
    content = raw.read_bytes()
    raw.unlink()
    return content


def content(host, name, which=0):
    """What the machine's disk holds."""
    files = re.findall("<source file='(.*?)'", host.ok("dumpxml", name))
    raw = host.path("content.raw")
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", files[which], str(raw)], check=True)
    data = raw.read_bytes()
    raw.unlink()
    return data


def value(host, name, pattern):
    found = re.search(pattern, host.ok("dumpxml", "--inactive", name))
    return found.group(1) if found else None


def ovf(disks, name="web", os='ovf:id="96" vmw:osType="debian11_64Guest"', more="", controller=20):
    """As VMware writes it."""
    files = "".join(f'<File ovf:id="f{i}" ovf:href="{file}"/>' for i, file in enumerate(disks))
    entries = "".join(f'<Disk ovf:diskId="d{i}" ovf:fileRef="f{i}" ovf:capacity="{SIZE}"/>' for i in range(len(disks)))
    items = "".join(f"<Item><rasd:HostResource>ovf:/disk/d{i}</rasd:HostResource><rasd:InstanceID>{10 + i}</rasd:InstanceID>"
                    "<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>" for i in range(len(disks)))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf"><References>{files}</References>
<DiskSection><Info/>{entries}</DiskSection><VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>
<OperatingSystemSection {os}><Info/></OperatingSystemSection><VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>3</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>192</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>{controller}</rasd:ResourceType></Item>{items}
<Item><rasd:Connection>VM Network</rasd:Connection><rasd:InstanceID>20</rasd:InstanceID>
<rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>{more}
</VirtualHardwareSection></VirtualSystem></Envelope>"""


def test_disks_of_every_kind(host):
    """rows: images-04 images-05 images-06"""
    kinds = [("a.img", "raw", []), ("b.qcow2", "qcow2", []), ("c.vmdk", "vmdk", []), ("d.vdi", "vdi", []),
             ("e.vhd", "vpc", []), ("f.vhdx", "vhdx", []), ("g.vmdk", "vmdk", ["subformat=streamOptimized"]),
             ("h.vmdk", "vmdk", ["subformat=twoGbMaxExtentSparse"]), ("i.vmdk", "vmdk", ["subformat=monolithicFlat"])]
    for file, format, options in kinds:
        path = host.path(f"from/{file}")
        wanted = disk(path, format, options, text=file)
        take(host, path)
        name = file.split(".")[0]
        equal(content(host, name)[:SIZE], wanted, file)
        equal(value(host, name, "<driver name='qemu' type='(.*?)'"), "raw" if format == "raw" else "qcow2")
    equal(names(host), [chr(ord("a") + i) for i in range(9)])
    take(host, host.path("from/c.vmdk"), "--name", "again", "--format", "raw", "--os", "debian12", "--start")
    equal((value(host, "again", "<driver name='qemu' type='(.*?)'"), value(host, "again", "<target dev='vda' bus='(.*?)'")),
          ("raw", "virtio"))
    wait_until(lambda: host.state("again") == "running", "it runs")
    contains(take(host, host.path("from/c.vmdk"), code=1), "there is a machine 'c' already", "--name")


def test_an_ovf_with_its_manifest(host):
    """rows: images-58"""
    folder = host.path("ovf")
    wanted = disk(folder / "web-disk1.vmdk", "vmdk", ["subformat=streamOptimized"])
    host.write("ovf/web.ovf", ovf(["web-disk1.vmdk"]))
    host.network(NETWORK)

    def manifest(**wrong):
        return "".join(f"{kind}({name})= {wrong.get(kind, hashlib.new(kind.lower(), (folder / name).read_bytes()).hexdigest())}\n"
                       for name, kind in (("web.ovf", "SHA1"), ("web-disk1.vmdk", "SHA256")))
    host.write("ovf/web.mf", manifest(SHA256="00" * 32))
    contains(take(host, folder / "web.ovf", code=1), "'web-disk1.vmdk' is damaged", "00000")
    host.write("ovf/web.mf", manifest())
    contains(take(host, folder, network=True), "the network 'VM Network' is 'default' here")
    xml = host.ok("dumpxml", "web")
    contains(xml, "<vcpu placement='static'>3</vcpu>", "<memory unit='KiB'>196608</memory>", "debian.org/debian/11",
             "<target dev='vda' bus='virtio'/>", "<model type='virtio'/>", "<source network='default'/>", "machine='pc-q35",
             "<access mode='shared'/>")
    equal(content(host, "web")[:SIZE], wanted)


def test_systems_decide_about_devices(host):
    """A system without drivers of virtio gets what it has always booted from."""
    disk(host.path("ovf/d.vmdk"), "vmdk")
    cases = {'ovf:id="1" vmw:osType="windows9_64Guest"': ("sata", "e1000e"), 'ovf:id="96"': ("virtio", "virtio"),
             'ovf:id="1"': ("ide", "e1000"), 'ovf:id="94" vmw:osType="ubuntu64Guest"': ("virtio", "virtio")}
    host.network(NETWORK)
    for os, (bus, model) in cases.items():
        path = host.write("ovf/m.ovf", ovf(["d.vmdk"], os=os))
        xml = take(host, path, "--print-xml", network=True)
        contains(xml, f"bus='{bus}'" if f"bus='{bus}'" in xml else f'bus="{bus}"')
        check(re.search(f"<model type=['\"]{model}['\"]", xml), f"{os}: {xml}")
    contains(take(host, path, "--print-xml", "--disk-bus", "scsi", "--nic-model", "rtl8139", network=True), "scsi", "rtl8139")
    contains(take(host, path, "--print-xml", "--os", "nonesuch", code=2), "'nonesuch' is not known")
    equal((names(host), host.ok("pool-list", "--all", "--name").split()), ([], []))


def test_a_machine_of_vmware(host):
    """rows: images-58"""
    wanted = disk(host.path("vm/web.vmdk"), "vmdk", ["subformat=twoGbMaxExtentSparse"])
    host.write("vm/web.vmx", '.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "19"\ndisplayName = "Web/1"\n'
               'guestOS = "debian12-64"\nnumvcpus = "2"\nmemsize = "256"\nfirmware = "efi"\nscsi0.present = "TRUE"\n'
               'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "web.vmdk"\nide1:0.present = "TRUE"\n'
               'ide1:0.deviceType = "cdrom-image"\nide1:0.fileName = "/isos/debian.iso"\nethernet0.present = "TRUE"\n'
               'ethernet0.virtualDev = "vmxnet3"\nethernet0.generatedAddress = "00:0c:29:11:22:33"\n'
               'ethernet0.connectionType = "nat"\nsound.present = "TRUE"\n')
    host.network(NETWORK)
    contains(take(host, host.path("vm"), network=True), "the disc '/isos/debian.iso' is not in its drive", "a sound card")
    equal(names(host), ["Web-1"])
    contains(host.ok("dumpxml", "Web-1"), "firmware='efi'", "00:0c:29:11:22:33", "bus='virtio'", "device='cdrom'",
             "debian.org/debian/12")
    equal(content(host, "Web-1")[:SIZE], wanted)
    host.write("vm/web.vmx", host.path("vm/web.vmx").read_text() + 'encryption.keySafe = "x"\n')
    contains(take(host, host.path("vm"), code=1), "encrypted")


def test_a_machine_of_virtualbox(host):
    wanted = disk(host.path("vb/web.vdi"), "vdi")
    text = """<?xml version="1.0"?><VirtualBox xmlns="http://www.virtualbox.org/" version="1.16-linux">
<Machine uuid="{1}" name="web" OSType="Ubuntu22_LTS_64"><MediaRegistry><HardDisks>
<HardDisk uuid="{a}" location="web.vdi" format="VDI" type="Normal">BELOW</HardDisk></HardDisks></MediaRegistry>
<Hardware><CPU count="2"/><Memory RAMSize="128"/><Firmware type="EFI"/><Network>
<Adapter slot="0" enabled="true" MACAddress="080027AABBCC" type="82540EM"><NAT/></Adapter>
<Adapter slot="1" enabled="false" MACAddress="080027AABBCD"/></Network><StorageControllers>
<StorageController name="SATA" type="AHCI"><AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{UUID}"/></AttachedDevice>
</StorageController></StorageControllers></Hardware></Machine></VirtualBox>"""
    host.write("vb/web.vbox", text.replace("BELOW", "").replace("UUID", "a"))
    host.network(NETWORK)
    take(host, host.path("vb/web.vbox"), network=True)
    contains(host.ok("dumpxml", "web"), "08:00:27:aa:bb:cc", "firmware='efi'", "ubuntu.com/ubuntu/22", "131072")
    equal(host.ok("dumpxml", "web").count("<interface"), 1)
    equal(content(host, "web")[:SIZE], wanted)
    host.write("vb/web.vbox", text.replace("BELOW", '<HardDisk uuid="{b}" location="web.vdi"/>').replace("UUID", "b"))
    contains(take(host, host.path("vb/web.vbox"), "--name", "two", code=1), "only what changed since a snapshot")


def test_a_machine_of_hyper_v(host):
    wanted = disk(host.path("hv/Virtual Hard Disks/web.vhdx"), "vhdx")
    folder = host.path("hv/Virtual Machines")
    folder.mkdir()
    xml = """<?xml version="1.0" encoding="utf-16" standalone="yes"?><configuration><properties><name type="string">web</name>
<subtype type="integer">1</subtype></properties><settings><processors><count type="integer">2</count></processors><memory><bank>
<size type="integer">512</size></bank></memory></settings><_83f8_><controller0><drive0><pathname type="string">C:\\VMs\\web.vhdx</pathname>
<type type="string">VHD</type></drive0></controller0></_83f8_></configuration>"""
    (folder / "1.xml").write_bytes(b"\xff\xfe" + xml.encode("utf-16-le"))
    take(host, host.path("hv"))
    contains(host.ok("dumpxml", "web"), "firmware='efi'", "524288")
    equal(content(host, "web")[:SIZE], wanted)
    (folder / "1.xml").unlink()
    (folder / "1.vmcx").write_bytes(b"\x01\x00\x00\x00" * 64)
    contains(take(host, host.path("hv"), code=1), ".vmcx is a format that is not public", "lodge import DISK.vhdx")


def export(host, *words, code=0):
    result = host.lodge("export", *map(str, words), env=home(host), timeout=120)
    equal(result.code, code, str(result))
    return result.out + result.err


def test_an_ova_goes_out_and_comes_back(host):
    host.network(NETWORK)
    wanted = disk(host.path("from/web.img"))
    take(host, host.path("from/web.img"), "--os", "debian12", "--memory", "128M", "--cpus", "3", network=True)
    export(host, "web", host.path("web.ova"))
    with tarfile.open(host.path("web.ova")) as archive:
        equal(archive.getnames(), ["web.ovf", "web-vda.vmdk", "web.mf"])
        sums = dict(re.findall(r"SHA256\((.*?)\)= (\w+)", archive.extractfile("web.mf").read().decode()))
        for name, wanted_sum in sums.items():
            equal(hashlib.sha256(archive.extractfile(name).read()).hexdigest(), wanted_sum)
    contains(export(host, "web", host.path("web.ova"), code=1), "is there already")
    contains(take(host, host.path("web.ova"), code=1), "there is a machine 'web' already")
    take(host, host.path("web.ova"), "--name", "two", "--new-macs", network=True)
    contains(host.ok("dumpxml", "two"), "<vcpu placement='static'>3</vcpu>", "131072", "debian.org/debian/12", "bus='virtio'")
    equal(content(host, "two")[:SIZE], wanted)
    check(mac_of(host, "two") != mac_of(host, "web"), "another address")
    damaged = bytearray(host.path("web.ova").read_bytes())
    at = damaged.index(b"KDMV") + 70000 if len(damaged) > damaged.index(b"KDMV") + 70000 else damaged.index(b"KDMV") + 600
    damaged[at] ^= 1
    host.path("bad.ova").write_bytes(damaged)
    contains(take(host, host.path("bad.ova"), "--name", "three", code=1), "'web-vda.vmdk' is damaged")
    host.path("short.ova").write_bytes(damaged[:len(damaged) // 3])
    contains(take(host, host.path("short.ova"), "--name", "three", code=1), "short.ova")
    equal([path.name for path in host.root.iterdir() if ".part" in path.name], [])


def test_a_folder_is_the_whole_machine(host):
    """With its UUID, addresses, and the state of its firmware."""
    host.network(NETWORK)
    disk(host.path("from/web.img"))
    take(host, host.path("from/web.img"), "--os", "debian12", "--firmware", "uefi", network=True)
    host.ok("start", "web")
    host.ok("destroy", "web")
    nvram = host.path("var/lib/libvirt/qemu/nvram/web_VARS.fd")
    data = bytearray(nvram.read_bytes())
    data[-1] ^= 0xff
    nvram.write_bytes(data)
    before = host.ok("dumpxml", "web")
    export(host, "web", host.path("out"))
    equal(sorted(path.name for path in host.path("out").iterdir()), ["disk-vda.qcow2", "machine.json", "machine.mf", "machine.xml"])
    take(host, host.path("out"), "--name", "two")
    check(mac_of(host, "two") != mac_of(host, "web"), "another address")
    host.lodge_ok("undefine", "web", "--remove-all-storage", "--nvram")
    check(not nvram.exists(), "it is gone")
    take(host, host.path("out"))
    after = host.ok("dumpxml", "web")
    for pattern in ("<uuid>(.*?)</uuid>", "<mac address='(.*?)'", "<memory.*>(.*?)<"):
        equal(re.search(pattern, after).group(1), re.search(pattern, before).group(1))
    equal(nvram.read_bytes(), bytes(data))
    host.ok("start", "web")


def test_a_folder_of_a_stranger(host):
    disk(host.path("from/web.img"))
    take(host, host.path("from/web.img"))
    export(host, "web", host.path("out"))
    xml = host.path("out/machine.xml").read_text()
    host.path("out/machine.mf").unlink()
    for part in ("<filesystem type='mount'><source dir='/etc'/><target dir='x'/></filesystem>",
                 "<disk type='file' device='disk'><source file='/etc/shadow'/><target dev='vdz'/></disk>",
                 "<serial type='file'><source path='/etc/cron.d/x'/></serial>",
                 "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='2' function='0'/></source></hostdev>"):
        host.path("out/machine.xml").write_text(xml.replace("</devices>", part + "</devices>"))
        contains(take(host, host.path("out"), "--name", "two", code=1), "reaches into this host", "--trust")
    host.path("out/machine.xml").write_text(xml)
    facts = json.loads(host.path("out/machine.json").read_text())
    facts["disks"][0]["file"] = "../../../etc/passwd"
    host.path("out/machine.json").write_text(json.dumps(facts))
    contains(take(host, host.path("out"), "--name", "two", code=1), "names a disk that cannot be")


def test_a_machine_that_runs_is_exported_as_of_one_moment(host):
    disk(host.path("from/web.img"), text="hello")
    take(host, host.path("from/web.img"), "--start")
    contains(export(host, "web", host.path("web.ova")), "its disks are as after a power cut")
    equal(host.state("web"), "running")
    take(host, host.path("web.ova"), "--name", "two")
    equal(content(host, "two")[:SIZE], content(host, "web")[:SIZE])


def tar(path, *entries):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            entry.linkname = data.decode() if kind != tarfile.REGTYPE else ""
            archive.addfile(entry, io.BytesIO(data))


def test_hostile_archives_and_documents(host):
    host.path("var/lib/libvirt/images").mkdir(parents=True, exist_ok=True)
    document = ovf(["d.vmdk"]).encode()
    for name, kind, data in (("../d.vmdk", tarfile.REGTYPE, b"x"), ("/etc/d.vmdk", tarfile.REGTYPE, b"x"),
                             ("d.vmdk", tarfile.SYMTYPE, b"/etc/passwd"), ("d.vmdk", tarfile.LNKTYPE, b"/etc/passwd"),
                             ("a/d.vmdk", tarfile.REGTYPE, b"x"), ("d.vmdk", tarfile.FIFOTYPE, b"")):
        tar(host.path("bad.ova"), ("m.ovf", document, tarfile.REGTYPE), (name, data, kind))
        contains(take(host, host.path("bad.ova"), code=1), "is no plain file")
    tar(host.path("bad.ova"), ("m.ovf", document, tarfile.REGTYPE), ("m.ovf", document, tarfile.REGTYPE))
    contains(take(host, host.path("bad.ova"), code=1), "twice")
    tar(host.path("bad.ova"), ("m.txt", document, tarfile.REGTYPE))
    contains(take(host, host.path("bad.ova"), code=1), "there is no .ovf in it")
    for name, text, says in (
            ("m.ovf", "<Envelope>", "no well-formed document"), ("m.ovf", "<html/>", "no description of a machine"),
            ("m.ovf", "<Envelope/>", "there is no machine in it"), ("m.vmx", "hello", "no description of a machine"),
            ("m.ovf", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Envelope><VirtualSystem><Name>&a;</Name></VirtualSystem></Envelope>',
             "cannot be a machine's name"),
            ("m.ovf", ovf(["d.vmdk"]).replace("<VirtualSystem ", "<VirtualSystemCollection><VirtualSystem ovf:id='x'/><VirtualSystem ")
             .replace("</Envelope>", "</VirtualSystemCollection></Envelope>"), "there are several machines in it"),
            ("m.ovf", ovf(["../../etc/passwd"]), "is not in"), ("m.ovf", ovf(["d.vmdk"]), "is not in")):
        shutil.rmtree(host.path("bad"), ignore_errors=True)
        host.write(f"bad/{name}", text)
        result = host.lodge("import", str(host.path("bad")), *QUIET, env=home(host))
        check(result.code in (1, 2), str(result))
        contains(result.err, says)
    contains(take(host, host.path("nowhere.ova"), code=1), "No such file")


def test_disks_that_name_other_files(host):
    """What QEMU would open for them is not opened."""
    folder = host.path("bad")
    folder.mkdir()
    host.path("var/lib/libvirt/images").mkdir(parents=True, exist_ok=True)
    text = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=%s\ncreateType="monolithicFlat"\n%s\n'
    (folder / "raw").write_bytes(bytes(4096))
    for name in ("/etc/passwd", "../raw", "..", "no/such"):
        (folder / "d.vmdk").write_text(text % ("ffffffff", f'RW 8 FLAT "{name}" 0'))
        contains(take(host, folder / "d.vmdk", code=1), "no file beside it")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "d.vmdk").write_text(text % ("123", 'RW 8 FLAT "raw" 0\nparentFileNameHint="/etc/passwd"'))
    contains(take(host, folder / "d.vmdk", code=1), "since a snapshot", "/etc/passwd")
    sparse = bytearray(host.path("bad/raw").read_bytes())
    sparse[:8] = b"KDMV\1\0\0\0"
    sparse[28:44] = (1).to_bytes(8, "little") + (1).to_bytes(8, "little")
    sparse[512:900] = (text % ("ffffffff", 'RW 8 FLAT "/etc/passwd" 0')).encode().ljust(388, b"\0")
    (folder / "d.vmdk").write_bytes(sparse)
    contains(take(host, folder / "d.vmdk", code=1), "is damaged")
    for options, says in ((["-b", str(folder / "raw"), "-F", "raw"], "another image"),
                          (["-o", f"data_file={folder / 'data'}"], "in another file")):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(folder / "d.qcow2"), "4k"], check=True)
        contains(take(host, folder / "d.qcow2", code=1), says)
    for data, says in ((b"\x1f\x8b" + bytes(510), "an archive"), (b"LUKS\xba\xbe" + bytes(506), "encrypted by LUKS"),
                       (b"<html>", "no image of a disk")):
        (folder / "d.img").write_bytes(data)
        contains(take(host, folder / "d.img", code=2 if b"\x1f" in data else 1), says)
    contains(take(host, folder, code=2), "there is no machine in")


def test_interrupted_import_and_export_leave_nothing(host):
    path = host.path("big.vmdk")
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(host.path("big.raw")), "2G"], check=True)
    for at in range(0, 128, 4):
        subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -P 7 {at}M 256k", str(host.path("big.raw"))], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", str(host.path("big.raw")), str(path)], check=True)
    take(host, host.path("big.raw"), "--name", "ready")
    before = (images(host), names(host), sorted(entry.name for entry in host.root.iterdir()))
    for words in (["import", str(path), *QUIET], ["export", "ready", str(host.path("out.ova"))], ["export", "ready", str(host.path("out"))]):
        for delay in (0.02, 0.1, 0.3, 0.6):
            command = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, *words], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, env={**os.environ, **home(host)})
            try:
                command.wait(delay)
            except subprocess.TimeoutExpired:
                command.send_signal(signal.SIGINT)
            out, _ = command.communicate(timeout=60)
            if command.returncode == 0 or "ported" in out:  # it was quicker, and perhaps on its way out
                for name in ("out.ova", "out"):
                    left = host.path(name)
                    shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
                if "big" in names(host):
                    host.lodge_ok("undefine", "big", "--remove-all-storage")
            wait_until(lambda: (images(host), names(host), sorted(entry.name for entry in host.root.iterdir())) == before,
                       f"nothing of {words[0]} is left")


@mark(only="lodged", reason="lodge asks for it")
def test_what_the_daemon_works_on_ends_with_the_command(host):
    """Copies that are under way when Ctrl-C is pressed, however far they are, are nowhere afterwards."""
    folder = host.path("bin")
    folder.mkdir()
    mark_file, go_on = host.path("convert-runs"), host.path("go-on")
    real = shutil.which("qemu-img")
    (folder / "qemu-img").write_text(f"""#!/bin/sh
case $1 in
convert) echo $$ > {mark_file}; until [ -e {go_on} ]; do sleep 0.05; done ;;
esac
exec {real} "$@"
""")
    (folder / "qemu-img").chmod(0o755)
    host.daemon.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    host.restart_daemon()
    path = host.path("big.vmdk")
    subprocess.run([real, "create", "-q", "-f", "vmdk", str(path), "8M"], check=True)
    go_on.touch()
    take(host, path, "--name", "source")
    before = (images(host), names(host))
    document = host.path("x.xml")
    document.write_text("<volume><name>x</name><capacity>0</capacity><target><format type='raw'/></target></volume>")
    for words in (["import", str(path), *QUIET], ["vol-create-from", "default", str(document), before[0][0]],
                  ["image", "convert", str(path), "default/x", "--other-format", "qcow2"]):
        for is_late in (False, True):
            mark_file.unlink(missing_ok=True)
            go_on.unlink(missing_ok=True)
            command = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, env={**os.environ, **home(host)})
            wait_until(lambda: mark_file.exists() and mark_file.read_text().strip() or command.poll() is not None, f"{words} copies")
            check(command.poll() is None, f"{words}: {command.stdout.read() if command.poll() is not None else ''}")
            command.send_signal(signal.SIGINT)
            if is_late:  # the copy is quicker than the end of the command, perhaps
                go_on.touch()
            out, _ = command.communicate(timeout=60)
            go_on.touch()
            pid = int(mark_file.read_text())
            wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "nobody copies any more")
            if command.returncode == 0 and is_late:
                check(words[0] != "import", f"{words} succeeded: {out}")
                host.lodge_ok("volume", "delete", "x", "--pool", "default")
            else:
                check(command.returncode != 0, f"{words} succeeded: {out}")
            equal((images(host), names(host)), before, f"after {words}, late: {is_late}: {out}")


def test_a_full_disk_says_so(host):
    small = host.path("small")
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=True)
    host.conn.storagePoolCreateXML(f"<pool type='dir'><name>small</name><target><path>{small}</path></target></pool>")
    host.path("big.img").write_bytes(os.urandom(SIZE))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(host.path("big.img")), str(host.path("big.vmdk"))], check=True)
    for file in ("big.img", "big.vmdk"):
        contains(take(host, host.path(file), "--pool", "small", code=1), "No space left on device")
        equal([entry.name for entry in small.iterdir()], [])
    take(host, host.path("big.img"))
    for to in (small / "big.ova", small / "big"):
        contains(export(host, "big", to, code=1), "No space left on device")
        equal([entry.name for entry in small.iterdir()], [])
    host.conn.storagePoolLookupByName("small").destroy()
    subprocess.run(["umount", str(small)], check=True)
