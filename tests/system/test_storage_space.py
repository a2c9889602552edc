"""Pools that fill up, and pools whose mount is not there.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark
from test_disks import file_disk
from test_storage import active_pools, make_pool, volume_xml
from test_storage_hostile import small

MIB = 1 << 20


def log_count(host, text):
    return host.daemon.log.read_text(errors="replace").count(text)


def pool_row(host, name, *words):
    rows = json.loads(host.lodge_ok("pool", "list", "--all", "-o", "json", *words))
    return next(row for row in rows if row["name"] == name)


@mark(only="lodged", reason="lodge's own", daemon=False)
def test_a_pool_that_fills_up(host):
    """Is told once per threshold, and once more only after it had space again."""
    host.daemon.settings.update(pool_warn_percent=50, pool_full_percent=80, pool_check_interval=1)
    host.start_daemon()
    folder = small(host, "data/small", "10m")
    Loop()
    pool, _ = make_pool(host, "small", folder)
    events = []
    host.conn.storagePoolEventRegisterAny(pool, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, lambda *args: events.append(1), None)

    def fill(mib, full, count):
        with open(folder / "v", "ab") as file:  # it only grows, or only shrinks
            file.truncate(min(mib * MIB, file.tell()))
            file.write(bytes(mib * MIB - min(mib * MIB, os.path.getsize(folder / "v"))))
            file.flush()  # nobody closes it: only a look tells
            wait_until(lambda: pool_row(host, "small")["warning"] == full, f"{mib} MiB: {full}")
        equal(log_count(host, "storage pool 'small' is "), count, f"warnings at {mib} MiB")

    fill(4, None, 0)
    fill(6, "60% full", 1)
    check(events, "no event")
    fill(7, "70% full", 1)
    contains(host.lodge_ok("pool", "list"), "active (70% full)")
    contains(host.lodge_ok("pool", "info", "small"), "Warning", "70% full")
    fill(9, "90% full", 2)
    fill(5, "50% full", 2)  # still not clearly below the first
    fill(6, "60% full", 2)
    fill(4, None, 2)
    contains(host.daemon.log.read_text(), "storage pool 'small' has space again")
    fill(6, "60% full", 3)
    (folder / "v").unlink()
    pool.createXML(volume_xml("thin", 25 * MIB, 0), 0)
    info = json.loads(host.lodge_ok("pool", "info", "small", "-o", "json"))
    equal(info["promised_bytes"], 25 * MIB)
    contains(host.lodge_ok("pool", "info", "small"), "Promised", "25.00 MiB (250% of the capacity)")


@mark(only="lodged", reason="libvirtd starts it on the wrong disk", daemon=False)
def test_a_pool_waits_for_its_mount(host):
    """Its folder is there, but not what should be mounted: it starts with the mount, and then the machine that needs it.
    Afterwards it notices when the mount goes."""
    disk_image = host.path("disk.ext4")
    mount = host.path("srv/my disk")
    folder = mount / "images"
    folder.mkdir(parents=True)
    subprocess.run(["truncate", "-s", "16M", disk_image], check=True)
    escaped = str(mount).replace(" ", "\\040")
    table = host.write("fstab", f"# what the host has\n{disk_image} {escaped} ext4 loop 0 0\nnone none swap sw 0 0\n")
    subprocess.run(["mount", "--bind", table, "/etc/fstab"], check=True)
    host.start_daemon()
    pool, _ = make_pool(host, "late", folder, start=False)
    pool.setAutostart(1)
    dom = host.define(host.guests.empty("m", devices=file_disk(folder / "v", kind="raw")))
    dom.setAutostart(1)
    host.reboot()
    reason = f"waiting: {mount} not mounted"
    wait_until(lambda: pool_row(host, "late")["warning"] == reason, "the pool says what it waits for")
    contains(host.lodge_ok("pool", "info", "late"), "Reason", reason)
    contains(host.lodge_ok("pool", "list", "--all"), f"inactive ({reason})")
    check("late" not in active_pools(host), "it was started without its mount")
    wait_until(lambda: log_count(host, "autostart of 'm' failed"), "the machine was tried")
    subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=True)
    folder.mkdir()
    (folder / "v").write_bytes(bytes(MIB))
    wait_until(lambda: "late" in active_pools(host), "it starts when the mount comes", timeout=4 * SLOWNESS)
    host.wait_state("m", "running")
    host.conn.lookupByName("m").destroy()
    pool = host.conn.storagePoolLookupByName("late")
    pool.destroy()
    pool.create()
    host.ok("pool-list")
    equal(host.state("m"), "shut off", "who stopped it meant that: the machine")
    subprocess.run(["umount", mount], check=True)
    error = raises(libvirt.VIR_ERR_SYSTEM_ERROR, pool.createXML, volume_xml("w"), 0)
    contains(error, str(folder), f"'{mount}' is not mounted any more")
    equal(pool.info()[0], libvirt.VIR_STORAGE_POOL_INACCESSIBLE)
    equal(sorted(folder.iterdir()), [])
    for again in (host.restart_daemon, host.crash_daemon):  # it was active
        again()
        check("late" not in active_pools(host), "it is active without its mount")
    subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=True)
    folder.mkdir()
    wait_until(lambda: "late" in active_pools(host), "it is active again", timeout=60)
    host.conn.storagePoolLookupByName("late").createXML(volume_xml("w"), 0)
    check((folder / "w").exists(), "the volume is there")
