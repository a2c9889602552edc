"""Disk images as QEMU's own tool makes them: locks, overlays, and a base that is gone.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import subprocess

from lodgetest.host import *


def qemu_img(*words):
    return subprocess.run(["qemu-img", *words], capture_output=True, text=True, timeout=30, check=False)


def image(host, name, *more):
    """A new qcow2 image in the folder of images."""
    path = host.path(f"var/lib/libvirt/images/{name}")
    done = qemu_img("create", "-f", "qcow2", *more, str(path), *([] if more else ["8M"]))
    equal(done.returncode, 0, done.stderr)
    return path


def machine(host, name, path):
    return host.define(host.guests.empty(name, devices=(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
        f"<target dev='vda' bus='virtio'/></disk>")))


def test_a_running_or_paused_machine_holds_the_lock_of_its_image(host):
    """rows: images-38 images-39 images-40 lifecycle-15"""
    path = image(host, "one.qcow2")
    dom = machine(host, "one", path)
    contains(qemu_img("check", str(path)).stdout, "No errors were found on the image.")
    dom.create()
    contains(qemu_img("check", str(path)).stderr, "lock")
    dom.suspend()
    contains(qemu_img("check", str(path)).stderr, "lock")
    words = next(iter(qemus().values()))
    contains(" ".join(words), "guest=one,debug-threads=on", " -S ")
    dom.destroy()
    equal(qemu_img("check", str(path)).returncode, 0)


def test_overlays_share_a_base_and_need_it(host):
    """rows: images-46 images-47 images-48 images-49 images-51 images-52 images-53 images-66"""
    base = image(host, "base.qcow2")
    tops = [image(host, f"top{number}.qcow2", "-b", "base.qcow2", "-F", "qcow2") for number in (1, 2)]
    raw = host.guests.copy("sector.img", "raw.img")
    tops.append(image(host, "top3.qcow2", "-b", "raw.img", "-F", "raw"))
    doms = [machine(host, path.stem, path) for path in tops]
    for dom in doms:
        dom.create()
    contains(host.ok("dumpxml", "top1"), f"<source file='{base}'", "<backingStore type='file'")
    uid = os.stat(f"/proc/{host.qemu_pid('top1')}").st_uid
    equal(tops[0].stat().st_uid, uid, "owner of the overlay")
    check(raw.exists() and base.stat().st_mode & 0o400, "the base cannot be read")
    for dom in doms:
        dom.destroy()
    base.rename(f"{base}.bak")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, doms[0].create, text="base.qcow2")
    equal(host.state("top1"), "shut off")
    os.rename(f"{base}.bak", base)
    doms[0].create()
    equal(host.state("top1"), "running")
