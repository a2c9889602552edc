"""Memory back ends: huge pages.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import subprocess

from lodgetest.host import *

HUGE = "<memoryBacking><hugepages/></memoryBacking>"


def test_huge_pages_need_a_mount(host):
    host.conn.defineXML(host.guests.empty("h", extra=HUGE))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.lookupByName("h").create, text="hugetlbfs")


def test_huge_pages_have_a_folder_per_machine(host):
    mount = pathlib.Path(host.path("huge"))
    mount.mkdir()
    if subprocess.run(["mount", "-t", "hugetlbfs", "hugetlbfs", mount], check=False).returncode:
        raise Skip("no hugetlbfs here")
    pages = pathlib.Path("/proc/sys/vm/nr_hugepages")
    before = int(pages.read_text())
    try:
        pages.write_text(f"{before + 16}\n")
    except OSError:
        pass
    if int(pages.read_text()) < before + 16:
        raise Skip("no huge pages to be had")
    try:
        host.conn.defineXML(host.guests.empty("h", extra=HUGE, memory_kib=16384))
        host.ok("start", "h", "--paused")
        folder = mount / "libvirt/qemu/domain-1-h"
        if not folder.exists():
            folder = next((mount / "libvirt/qemu").iterdir())
        check(folder.stat().st_uid != 0, "QEMU's user does not own its folder")
        equal(folder.parent.stat().st_uid, 0, "owner of the folder above")
        contains(" ".join(next(iter(qemus().values()))), f'"mem-path":"{folder}"')
        host.ok("destroy", "h")
        wait_until(lambda: not folder.exists(), "the folder goes with the machine")
    finally:
        pages.write_text(f"{before}\n")


def test_balloon_figures_of_a_guest_that_has_the_driver(host):
    host.start_demo("demo", devices="<memballoon model='virtio'><stats period='1'/></memballoon>")
    host.booted("demo")

    def figures():
        return dict(line.strip().split("=") for line in host.ok("domstats", "--balloon", "demo").splitlines() if "=" in line)
    wait_until(lambda: int(figures().get("balloon.last-update", 0)) > 0, "the guest's driver tells its figures", timeout=30)
    told = figures()
    for name in ("current", "maximum", "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "usable",
                 "last-update", "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail", "rss"):
        check(f"balloon.{name}" in told, f"no balloon.{name} in {sorted(told)}")
    check(0 < int(told["balloon.unused"]) < int(told["balloon.available"]) <= int(told["balloon.maximum"]), str(told))
