"""UEFI: which firmware a machine gets, and where its variables are.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os

from lodgetest.host import *
from lodgetest.runner import mark

CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
INSECURE = "<firmware><feature enabled='no' name='secure-boot'/></firmware>"


def uefi(host, name="efi", os_part="", attribute="firmware='efi'", **parts):
    xml = host.guests.empty(name, os_part=os_part, memory_kib=131072, machine=parts.pop("machine", "q35"), **parts)
    return xml.replace("<os>", f"<os {attribute}>")


@mark(requires=["ovmf"])
def test_ovmf_boots_up_to_its_boot_manager(host):
    log = host.path("var/lib/libvirt/images/serial.out")
    xml = uefi(host, os_part=INSECURE).replace(
        "<serial type='pty'/><console type='pty'/>", f"<serial type='file'><source path='{log}'/></serial>")
    host.define(xml).create()
    wait_until(lambda: "BdsDxe" in log.read_text(errors="replace"), "OVMF reaches its boot manager", timeout=120)


@mark(requires=["ovmf"])
def test_choice_is_made_at_the_start_and_the_wish_stays(host):
    host.define(uefi(host))
    host.ok("start", "efi", "--paused")
    live = host.ok("dumpxml", "efi")
    nvram = host.path("var/lib/libvirt/qemu/nvram/efi_VARS.fd")
    contains(live, "<loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>",
             f"<nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'>{nvram}</nvram>", "<smm state='on'/>", "<os>")
    args = " ".join(next(iter(qemus().values())))
    contains(args, "smm=on", "-global driver=cfi.pflash01,property=secure,value=on", "pflash0=libvirt-pflash0-format")
    check(nvram.stat().st_mode & 0o077 == 0, "others may read the variables")
    check(os.stat(nvram).st_uid != 0, "the variables do not belong to QEMU's user")
    kept = host.ok("dumpxml", "efi", "--inactive")
    contains(kept, "<os firmware='efi'>")
    check("<loader" not in kept and "<nvram" not in kept, kept)
    host.restart_daemon()
    contains(host.ok("dumpxml", "efi"), "OVMF_CODE_4M.ms.fd")
    host.ok("destroy", "efi")
    contains(host.ok("dumpxml", "efi"), "<os firmware='efi'>")


@mark(requires=["ovmf"])
def test_features_choose_among_the_firmware(host):
    for name, machine, os_part, code in (
            ("plain", "q35", INSECURE, "OVMF_CODE_4M.fd"), ("old", "pc", "", "OVMF_CODE_4M.fd"),
            ("empty", "q35", "<firmware><feature enabled='no' name='enrolled-keys'/></firmware>",
             "OVMF_CODE_4M.secboot.fd"),
            ("keys", "q35", "<firmware><feature enabled='yes' name='enrolled-keys'/></firmware>",
             "OVMF_CODE_4M.ms.fd")):
        host.define(uefi(host, name, os_part, machine=machine))
        contains(host.ok("domxml-to-native", "qemu-argv", "--domain", name), f"/{code}")
        host.ok("start", name, "--paused")
        contains(host.ok("dumpxml", name), f"/{code}</loader>")
    host.define(uefi(host, "none", "<loader stateless='yes'/>"))
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.lookupByName("none").create)
    dom = host.define(uefi(host, "nosmm", features="<acpi/><smm state='off'/>"))
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create)


@mark(requires=["ovmf"])
def test_variables_are_made_kept_reset_and_removed(host):
    loader = f"<loader readonly='yes' type='pflash'>{CODE}</loader>"
    dom = host.define(uefi(host, os_part=loader, attribute=""))
    nvram = host.path("var/lib/libvirt/qemu/nvram/efi_VARS.fd")
    contains(host.ok("dumpxml", "efi"), f"<nvram>{nvram}</nvram>")
    check(not nvram.exists(), "made too early")
    host.ok("start", "efi", "--paused")
    with open(VARS, "rb") as template:
        fresh = template.read()
    equal(nvram.read_bytes(), fresh)
    host.ok("destroy", "efi")
    nvram.write_bytes(fresh[:-4] + b"mine")
    host.ok("start", "efi", "--paused")
    check(nvram.read_bytes().endswith(b"mine"), "the machine's variables were replaced")
    host.ok("destroy", "efi")
    host.ok("start", "efi", "--paused", "--reset-nvram")
    equal(nvram.read_bytes(), fresh)
    host.ok("destroy", "efi")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.undefine)
    host.ok("undefine", "efi", "--keep-nvram")
    check(nvram.exists(), "--keep-nvram removed it")
    host.define(uefi(host))  # no <nvram>: the file is the machine's all the same
    raises(libvirt.VIR_ERR_OPERATION_INVALID, host.conn.lookupByName("efi").undefine)
    host.ok("undefine", "efi", "--nvram")
    check(not nvram.exists(), "--nvram left it")


@mark(requires=["ovmf"])
def test_a_link_in_the_folder_of_the_variables_is_not_followed(host):
    secret = host.write("secret", "root's")
    nvram = host.path("var/lib/libvirt/qemu/nvram/efi_VARS.fd")
    nvram.parent.mkdir(parents=True, exist_ok=True)
    for name in ("efi_VARS.fd.new", "efi_VARS.fd"):
        (nvram.parent / name).symlink_to(secret)
        dom = host.define(uefi(host, os_part=INSECURE))
        host.virsh("start", "efi", "--paused")
        equal(secret.read_text(), "root's")
        equal(secret.stat().st_uid, os.getuid())
        if dom.isActive():
            dom.destroy()
        host.ok("undefine", "efi", "--nvram")


def test_firmware_of_another_kind(host):
    dom = host.define(uefi(host, "rom", "<loader>/usr/share/seabios/bios-256k.bin</loader>", ""))
    dom.create()
    dom.destroy()
    lost = host.define(uefi(host, "lost", "<loader readonly='yes' type='pflash'>/nowhere/code.fd</loader>", ""))
    raises(libvirt.VIR_ERR_OPERATION_FAILED, lost.create)
