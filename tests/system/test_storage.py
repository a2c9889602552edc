"""Pools and volumes: the stories of users, what others do in the folder, restarts, storage that hangs, attacks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

ACTIVE = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE


def make_pool(host, name="p", target=None, start=True):
    """A defined pool of a folder of its own; returns it and the folder."""
    folder = target or host.path(f"data/{name}")
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>")
    if start:
        pool.build(0)
        pool.create(0)
    return pool, folder


def volume_xml(name, capacity=1 << 20, allocation=None, form="raw", more=""):
    taken = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity>{taken}<target><format type='{form}'/></target>"
            f"{more}</volume>")


def volume_names(pool):
    return sorted(v.name() for v in pool.listAllVolumes())


def active_pools(host):
    return sorted(p.name() for p in host.conn.listAllStoragePools(ACTIVE))


def temporaries(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".lodge-")]


def test_fresh_host_has_its_default_pool(host):
    """It is there, active and autostarted, until its owner removes it. rows: storage-pool-15"""
    if not host.is_reference:
        wait_until(lambda: active_pools(host) == ["default"], "the pool 'default' is active")
        pool = host.conn.storagePoolLookupByName("default")
        equal(pool.autostart(), 1)
        contains(pool.XMLDesc(), f"<path>{host.path('var/lib/libvirt/images')}</path>")
        pool.destroy()
        pool.undefine()
    for again in (host.restart_daemon, host.crash_daemon, host.reboot):
        again()
        equal(host.conn.listAllStoragePools(), [])


def test_active_pools_stay_active(host):
    """Over a restart and a crash, also transient ones; a reboot starts those that are marked so. rows: storage-pool-51"""
    marked, _ = make_pool(host, "marked")
    marked.setAutostart(1)
    make_pool(host, "plain")
    folder = host.path("data/passing")
    folder.mkdir()
    host.ok("pool-create-as", "passing", "dir", "--target", folder)
    make_pool(host, "idle", start=False)
    host.ok("vol-create-as", "plain", "v", "1M")
    before = active_pools(host)
    for again in (host.restart_daemon, host.crash_daemon):
        again()
        wait_until(lambda: active_pools(host) == before, f"{before} are active")
        passing = host.conn.storagePoolLookupByName("passing")
        equal(passing.isPersistent(), 0)
        equal(volume_names(host.conn.storagePoolLookupByName("plain")), ["v"])
    host.reboot()
    wait_until(lambda: "marked" in active_pools(host), "the marked one is active")
    check("plain" not in active_pools(host), "a pool that is not marked was started")
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, host.conn.storagePoolLookupByName, "passing")
