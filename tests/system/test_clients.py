"""virt-install and virt-xml, as people use them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import functools
import http.server
import re
import shlex
import shutil
import struct
import subprocess
import threading

from lodgetest.host import *
from lodgetest.runner import mark

INSTALL = mark(requires=["program:virt-install"])


def client(host, program, words, code=0):
    command = [program, "--connect", host.daemon.uri, *shlex.split(words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWNESS, check=False)
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


@INSTALL
def test_more_options_become_the_document(host):
    """rows: install-38 install-44 install-48 install-53 install-54 install-62 install-64 install-67
    install-71 install-75 install-76 install-83 install-88 install-89 install-93"""
    xml = client(host, "virt-install", "--print-xml 1 --pxe --virt-type qemu --name vi --os-variant debian11 --os-type linux "
                 "--memory 512,maxmemory=1024 --memorybacking hugepages=on --cpu host --disk none "
                 "--network bridge=mybr0,mac=52:54:00:11:22:33,model=virtio --graphics vnc --graphics spice "
                 "--controller type=usb,model=ich9-ehci1 "
                 "--channel unix,target_type=virtio,name=org.qemu.guest_agent.0 --console pty,target_type=virtio "
                 "--smartcard mode=passthrough --panic default --security type=dynamic")
    host.ok("define", host.write_xml(xml[xml.index("<domain"):]))
    stored = host.ok("dumpxml", "vi")
    contains(stored, "<memory unit='KiB'>1048576</memory>", "<currentMemory unit='KiB'>524288</currentMemory>",
             "<hugepages/>", "<cpu mode='host-model'", "<boot dev='network'/>", "id=\"http://debian.org/debian/11\"",
             "<interface type='bridge'>", "<source bridge='mybr0'/>", "<mac address='52:54:00:11:22:33'/>",
             "<model type='virtio'/>", "<graphics type='vnc' port='-1' autoport='yes'",
             "<controller type='usb' index='0' model='ich9-ehci1'>", "<target type='virtio' name='org.qemu.guest_agent.0'/>",
             "<console type='pty'>", "<smartcard mode='passthrough' type='spicevmc'>", "<panic model='isa'", "machine='pc-q35-")
    check("<rng model='virtio'>" in stored, "no device for which the system is known")


@INSTALL
def test_help_and_versions_of_virt_install(host):
    """rows: install-34 install-35 install-61 install-66"""
    contains(client(host, "virt-install", "--help"), "usage: virt-install --name NAME --memory MB STORAGE INSTALL [options]",
             "General Options:", "Installation Method Options:", "Device Options:")
    check(re.fullmatch(r"\d+\.\d+\.\d+\n", client(host, "virt-install", "--version")), "no version")
    contains(client(host, "virt-install", "--disk=?"), "--disk options:", "\n  bus\n", "\n  cache\n", "\n  path\n", "\n  size\n")
    contains(client(host, "virt-install", "--network help"), "--network options:", "\n  bridge\n", "\n  model\n", "\n  mac\n")


BARE = "--virt-type qemu --memory 32 --disk none --name "


@INSTALL
def test_how_much_virt_install_does_and_says(host):
    """rows: install-104 install-111 install-112 install-113 install-114"""
    generic = " --import --os-variant generic --graphics none --noautoconsole "
    contains(client(host, "virt-install", BARE + "dry --dry-run --network none" + generic), "Dry run completed successfully")
    equal(host.ok("list", "--all", "--name").strip(), "", "what the dry run made")
    equal(client(host, "virt-install", BARE + "one --quiet --arch i686 --network user,mac=52:54:00:11:22:33" + generic), "")
    equal(host.state("one"), "running")
    contains(host.ok("dumpxml", "one"), "<type arch='i686'", "<emulator>/usr/bin/qemu-system-i386</emulator>")
    same = "two --debug --network user,mac=52:54:00:11:22:33" + generic
    contains(client(host, "virt-install", BARE + same, code=1), "DEBUG", "'52:54:00:11:22:33' is in use by another")
    client(host, "virt-install", BARE + same + "--check all=off")
    equal(host.state("two"), "running")


def waiting_install(host, words):
    """virt-install on a terminal, waiting for the end of the installation."""
    env = clean_environment(TERM="dumb")
    env.pop("DISPLAY", None)
    terminal = Terminal(["virt-install", "--connect", host.daemon.uri, *shlex.split(words)], env=env)
    host.terminals.append(terminal)
    return terminal


@INSTALL
def test_virt_install_waits_for_the_end_of_the_installation(host):
    """rows: install-13 install-26 install-107 install-109"""
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    install = (f" --install kernel={host.guests.file('vmlinuz')},initrd={host.guests.file('initrd')},kernel_args='console=ttyS0 "
               "hostname={0}' --network none --os-variant generic --virt-type qemu --memory 128 --disk none --name {0} ")
    first = waiting_install(host, install.format("first") + "--graphics vnc --noreboot")
    second = waiting_install(host, install.format("second") + "--graphics none --wait 1 --noautoconsole")
    first.expect("WARNING +(Graphics requested but DISPLAY is not set|Unable to connect to graphical console: virt-viewer not)")
    first.expect("WARNING +No console to launch for the guest, defaulting to --wait -1")
    first.expect("Waiting for the installation to complete", 60)
    second.expect("Waiting 1 minute", 60)
    check("<graphics" not in host.ok("dumpxml", "second"), "a display nobody asked for")
    for name in ("first", "second"):
        contains(host.ok("dumpxml", name), "<on_reboot>destroy</on_reboot>", "<kernel>")
        console = host.booted(name)
        console.send("reboot -f\n")
        console.wait(30)  # with its machine
    first.expect("Domain creation completed.")
    second.expect("Restarting guest")
    equal((first.wait(), second.wait(30)), (0, 0))
    equal((host.state("first"), host.state("second")), ("shut off", "running"))
    stored = host.ok("dumpxml", "second")
    contains(stored, "<on_reboot>restart</on_reboot>", "<boot dev='hd'/>")
    check("<kernel>" not in stored, stored)


@INSTALL
def test_kernel_and_initrd_come_from_a_tree_on_a_web_server(host):
    """rows: install-30 install-47 install-51"""
    tree = host.path("tree")
    (tree / "images/pxeboot").mkdir(parents=True)
    for name in ("vmlinuz", "initrd"):
        shutil.copy(host.guests.file(name), tree / "images/pxeboot" / name)
    (tree / ".treeinfo").write_text("[general]\nfamily = Fedora\nversion = 30\narch = x86_64\n[images-x86_64]\n"
                                    "kernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tree))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host.path("var/lib/libvirt/boot").mkdir(exist_ok=True)
    url = f"http://127.0.0.1:{server.server_port}/"
    said = client(host, "virt-install", f"--location {url} -x 'console=ttyS0 ks={url}centos8.cfg' --os-variant generic --network none "
                  "--virt-type qemu --memory 128 --disk none --graphics none --noautoconsole --name m")
    contains(said, "Starting install...", "Retrieving 'vmlinuz'", "Retrieving 'initrd'")
    contains(host.ok("dumpxml", "m"), "<kernel>/", "<initrd>/", f"<cmdline>console=ttyS0 ks={url}centos8.cfg ")
    host.console("m").expect("Lodge demo guest '.*' is ready", timeout=60)
    stored = host.ok("dumpxml", "m", "--inactive")
    check("<kernel>" not in stored and "<boot dev='hd'/>" in stored, stored)
    server.shutdown()


@mark(requires=["program:virt-install", "program:osinfo-query"])
def test_systems_are_named_and_kept(host):
    """rows: install-22 install-23"""
    listed = {words[0].strip(): words[-1].strip() for words in
              (line.split("|") for line in run(["osinfo-query", "os"]).out.splitlines()) if len(words) == 4}
    check({"centos7.0", "centos8", "debian11", "win2k8r2", "win10"} <= set(listed), f"{len(listed)} systems")
    for name in ("centos8", "win10"):
        client(host, "virt-install", f"{BARE} {name} --import --os-variant {name} --network none --graphics none --noautoconsole")
        contains(host.ok("dumpxml", name), f'id="{listed[name]}"')


@INSTALL
def test_hardware_is_exchanged_by_virt_xml(host):
    """rows: devices-13 devices-44 devices-45 offline-tools-22"""
    host.start_sector("m", devices="<interface type='user'><model type='e1000'/></interface>")
    contains(host.ok("qemu-monitor-command", "m", "--hmp", "info qtree"), "dev: e1000,", "dev: ide-hd")
    host.ok("destroy", "m")
    os.truncate(host.path("var/lib/libvirt/images/m.img"), 1 << 20)  # direct I/O wants whole sectors
    for words in ("m --edit --boot menu=on", "m --edit --disk target.dev=vda,bus=virtio,xpath1.delete=./address,cache=none", "m --edit --network model=virtio",
                  "m --add-device --sound ich6", "m --edit --memory 64"):
        contains(client(host, "virt-xml", words), "Domain 'm' defined successfully.")
    stored = host.ok("dumpxml", "m")
    contains(stored, "<bootmenu enable='yes'/>", "cache='none'", "<target dev='vda' bus='virtio'/>", "<model type='virtio'/>",
             "<sound model='ich6'>", "<memory unit='KiB'>65536</memory>")
    host.ok("start", "m")
    contains(host.ok("qemu-monitor-command", "m", "--hmp", "info qtree"), "dev: virtio-net-pci", "dev: virtio-blk-pci", "dev: intel-hda")
    host.ok("destroy", "m")
    contains(client(host, "virt-xml", "m --remove-device --sound ich6"), "Domain 'm' defined successfully.")
    check("<sound" not in host.ok("dumpxml", "m"), "the sound device is still there")


def needs_pools(host):
    """virt-install makes a pool of each folder that it takes a disk from."""
    try:
        host.conn.storagePoolDefineXML("<pool type='dir'><name>probe</name><target><path>/probe</path></target></pool>").undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        raise Skip("the daemon has no storage pools") from None


def bootable_disc(code):
    """An ISO image that firmware boots: a volume descriptor, a boot catalogue and the code."""
    entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    sectors = [b""] * 16 + [
        b"\1CD001\1\0" + b"LINUX".ljust(32) + b"LODGE".ljust(32) + bytes(8) + struct.pack("<I", 21),
        b"\0CD001\1EL TORITO SPECIFICATION".ljust(71, b"\0") + struct.pack("<I", 19), b"\xffCD001\1",
        b"\1".ljust(28, b"\0") + b"\xaa\x55\x55\xaa" + entry, code]
    return b"".join(sector.ljust(2048, b"\0") for sector in sectors)


@INSTALL
def test_machines_are_made_from_discs_and_disks(host):
    """rows: install-01 install-02 install-12 install-14 install-15 install-16 install-28 install-46 install-50 install-59"""
    needs_pools(host)
    images = host.path("var/lib/libvirt/images")
    sector = host.guests.copy("sector.img", "sector.img")
    code = sector.read_bytes()
    os.truncate(sector, 1 << 20)  # direct I/O wants whole sectors
    disc = images / "boot.iso"
    disc.write_bytes(bootable_disc(code))
    made = {name: images / name for name in ("new.qcow2", "big.img", "big.qcow2", "copy.qcow2", "generic.img")}
    shutil.copy(sector, made["big.img"])
    os.truncate(made["big.img"], 200 << 30)
    shutil.copy(sector, made["generic.img"])
    for words in (["create", "-f", "qcow2", made["new.qcow2"], "1G"], ["convert", "-O", "qcow2", sector, made["big.qcow2"]]):
        subprocess.run(["qemu-img", *words], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(made["big.qcow2"], made["copy.qcow2"])

    def install(name, words, code=0, system="--os-variant generic"):
        return client(host, "virt-install", f"--virt-type qemu --name {name} --ram 32 --vcpus 2 --network none {system} "
                      f"--serial file,path={images}/{name}.out --noautoconsole {words}", code)

    def boots(name):
        wait_until(lambda: "Lodge boot sector" in (images / f"{name}.out").read_text(errors="replace"), f"{name} boots", 30)

    said = install("iso", f"--cdrom={disc} --disk path={made['new.qcow2']} --graphics vnc,listen=0.0.0.0")
    contains(said, "Starting install...", "You can reconnect to the console to complete the installation process.")
    boots("iso")
    contains(host.ok("vncdisplay", "iso"), ":0")
    contains(host.ok("dumpxml", "iso"), "<boot dev='cdrom'/>", "listen='0.0.0.0'")
    again = f"--cdrom={disc} --disk path={made['new.qcow2']} --graphics none"
    contains(install("again", again, code=1), "is already in use by other guests ['iso']")
    install("again", again + " --check path_in_use=off --dry-run")
    install("qcow2", f"--import --disk bus=scsi,path={made['big.qcow2']},cache=none --graphics none")
    install("raw", f"--import --disk bus=scsi,path={made['big.img']} --graphics none")
    for name in ("qcow2", "raw"):
        boots(name)
        contains(host.ok("dumpxml", name), f"type='{name}'", "<target dev='sda' bus='scsi'/>", "<controller type='scsi' index='0'")
    contains(host.ok("dumpxml", "qcow2"), "cache='none'")
    contains(install("copy", f"--import --disk bus=virtio,path={made['copy.qcow2']} --boot hd --graphics none --autostart"), "Domain creation completed.")
    boots("copy")
    contains(host.ok("list", "--autostart", "--name"), "copy")
    install("live", f"--livecd --cdrom={disc} --disk none --graphics none")
    boots("live")
    contains(host.ok("dumpxml", "live", "--inactive"), "<boot dev='cdrom'/>", f"<source file='{disc}'/>")
    said = install("generic", f"--import --disk path={made['generic.img']} --network user --graphics none",
                   system="--osinfo detect=on,require=off")
    contains(said, "WARNING", "VM performance may suffer")
    contains(host.ok("dumpxml", "generic"), "<target dev='hda' bus='ide'/>", "<model type='e1000'/>")


@INSTALL
def test_machines_are_copied_and_get_more_disks(host):
    """What virt-manager's dialogue does is virt-clone's code (virtinst's Cloner).

    rows: devices-43 offline-tools-19 offline-tools-20 offline-tools-21"""
    needs_pools(host)
    images = host.path("var/lib/libvirt/images")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", images / "thin.qcow2", "1G"], check=True)
    host.define_sector("one", devices="<interface type='user'><mac address='52:54:00:11:22:33'/></interface>")
    contains(client(host, "virt-clone", "--original one --auto-clone"), "Clone 'one-clone' created successfully.")
    contains(client(host, "virt-clone", f"--original one --name two --file {images}/second.img"), "Clone 'two' created successfully.")
    for name, copy in (("one-clone", "one-clone.img"), ("two", "second.img")):
        text = host.ok("dumpxml", name)
        contains(text, f"<source file='{images / copy}'/>")
        check("52:54:00:11:22:33" not in text, "the address of the card is that of the original")
        check((images / copy).read_bytes()[:512] == (images / "one.img").read_bytes(), f"content of {copy}")
        host.ok("start", name)
    client(host, "virt-xml", f"one --add-device --disk {images}/thin.qcow2")
    contains(host.ok("dumpxml", "one"), f"<source file='{images}/thin.qcow2'/>", "type='qcow2'")
    host.ok("start", "one")
