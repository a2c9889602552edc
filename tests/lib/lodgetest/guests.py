"""Domain documents of the machines that tests use.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import shutil
import subprocess

EMULATOR = "/usr/bin/qemu-system-x86_64"


def guest_files():
    """The directory with kernel, initrd and disk of the demo guest (made by tools/guest/build)."""
    given = os.environ.get("LODGE_GUEST_DIR")
    if given:
        return pathlib.Path(given)
    builder = pathlib.Path(__file__).resolve().parents[3] / "tools/guest/build"
    done = subprocess.run([builder], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(done.stdout.strip())


def element(name, text):
    return f"<{name}>{text}</{name}>" if text is not None else ""


def document(name, os_part="", devices="", uuid=None, memory_kib=16384, vcpus=1, metadata="", title=None,
             description=None, kind="qemu", features="<acpi/>", lifecycle="", emulator=EMULATOR, extra="",
             machine="pc"):
    """A domain document from its parts. @extra goes in before <devices>."""
    return f"""<domain type='{kind}'>
  <name>{name}</name>
  {element("uuid", uuid)}{element("title", title)}{element("description", description)}
  {metadata}
  <memory unit='KiB'>{memory_kib}</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    {os_part}
  </os>
  <features>{features}</features>
  {lifecycle}
  {extra}
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
  </devices>
</domain>
"""


SERIAL = "<serial type='pty'/><console type='pty'/>"
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


class Guests:
    """Makes disks below the root of one daemon, and documents that use them."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.images = self.root / "var/lib/libvirt/images"

    def file(self, name):
        """A file of the guest kit, copied once to where QEMU's user may read it."""
        target = self.images / name
        if not target.exists():
            shutil.copyfile(guest_files() / name, target)
        return target

    def copy(self, name, copy):
        """A private copy of a file of the guest kit."""
        target = self.images / copy
        if not target.exists():
            shutil.copyfile(guest_files() / name, target)
        return target

    def with_modules(self, *names):
        """The initrd of the demo guest with more modules of its kernel, loaded in that order. Dependencies are named,
        too. The kernel's package lies beside it."""
        target = self.images / ("initrd-" + "-".join(names))
        if target.exists():
            return target
        work = self.root / "modules-of-the-guest"
        package = next(guest_files().glob("linux-image-*.deb"), None)
        if package is None:  # a kit without its package: the usual place has one
            package = next((pathlib.Path.home() / ".cache/lodge/guest").glob("linux-image-*.deb"))
        (work / "tree/modules").mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", package, work / "package"], check=True)
        for number, name in enumerate(names):
            module = next((work / "package").rglob(f"{name}.ko"))
            shutil.copyfile(module, work / f"tree/modules/9{number:02d}-{name}.ko")
        archive = subprocess.run("find . | LC_ALL=C sort | busybox cpio -o -H newc", shell=True, check=True,
                                 cwd=work / "tree", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        first = (guest_files() / "initrd").read_bytes()
        target.write_bytes(first + b"\0" * (-len(first) % 4) + archive)
        shutil.rmtree(work)
        return target

    def sector_disk(self, image):
        return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>"
                f"<target dev='hda' bus='ide'/></disk>")

    def sector(self, name, devices="", **parts):
        """The boot-sector guest: QEMU runs within milliseconds and the machine costs no processor time."""
        image = self.copy("sector.img", f"{name}.img")
        return document(name, devices=self.sector_disk(image) + SERIAL + devices, **parts)

    def empty(self, name, devices="", **parts):
        """A machine without any disk: firmware only."""
        return document(name, devices=SERIAL + devices, **parts)

    def demo(self, name, append="", devices="", memory_kib=131072, disk=True, modules=(), **parts):
        """Debian's kernel up to a shell on the serial console, in about three seconds."""
        initrd = self.with_modules(*modules) if modules else self.file("initrd")
        boot = (f"<kernel>{self.file('vmlinuz')}</kernel><initrd>{initrd}</initrd>"
                f"<cmdline>console=ttyS0 quiet no_timer_check hostname={name} {append}</cmdline>")
        disks = ""
        if disk:
            image = self.copy("disk.qcow2", f"{name}.qcow2")
            disks = (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
                     f"<target dev='vda' bus='virtio'/></disk>")
        return document(name, os_part=boot, devices=disks + SERIAL + devices, memory_kib=memory_kib, **parts)
