"""Sizes of images in the bulk statistics of machines that run: what QEMU would say, whoever was asked.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

import libvirt

from lodgetest.host import *

MIB = 1 << 20


def blocks(host):
    (_, stats), = host.conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BLOCK, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING)
    found = {}
    for number in range(stats["block.count"]):
        one = {key.split(".", 2)[2]: value for key, value in stats.items() if key.startswith(f"block.{number}.")}
        found.setdefault(one["name"], []).append(one)
    return found


def allocated(path):
    return path.stat().st_blocks * 512


def test_sizes_are_those_of_the_files(host):
    base, top, raw = (host.path(f"var/lib/libvirt/images/{name}") for name in ("base.img", "top.qcow2", "odd.raw"))
    base.write_bytes(bytes(3 * MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, top, "5M"], check=True)
    raw.write_bytes(bytes(MIB + 1))  # QEMU counts whole sectors
    devices = "".join(f"<disk type='file'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
                      f"<target dev='{target}' bus='virtio'/></disk>"
                      for kind, path, target in (("qcow2", top, "vda"), ("raw", raw, "vdb")))
    dom = host.start_sector(devices=devices)
    found = blocks(host)
    image, below = found["vda"]
    equal((image["capacity"], image["physical"]), (5 * MIB, allocated(top)))
    equal((below["capacity"], below["physical"]), (3 * MIB, allocated(base)))
    equal((found["vdb"][0]["capacity"], found["vdb"][0]["physical"]), (MIB + 512, allocated(raw)))
    dom.blockResize("vda", 7 * MIB, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    equal(blocks(host)["vda"][0]["capacity"], 7 * MIB)


def test_a_threshold_is_told(host):
    """It was looked for at another node than the one that has it, and never told."""
    dom = host.start_sector()
    check("threshold" not in blocks(host)["hda"][0], "there is a threshold")
    before = blocks(host)["hda"][0]
    dom.setBlockThreshold("hda", 500000)
    after = blocks(host)["hda"][0]
    equal(after["threshold"], 500000)
    equal([before[key] for key in ("capacity", "physical")], [after[key] for key in ("capacity", "physical")])


def test_an_image_that_went_is_asked_of_qemu(host):
    dom = host.start_sector()
    before = blocks(host)["hda"][0]
    host.path("var/lib/libvirt/images/tiny.img").unlink()
    wait_until(lambda: blocks(host)["hda"][0].get("capacity") == before["capacity"], "QEMU tells the size")
    equal(dom.isActive(), 1)
