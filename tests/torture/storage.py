"""Kills the daemon while clients make, copy, resize, overwrite and delete volumes and build pools; see run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import subprocess

import libvirt

from connection import Connection
from lodgetest.host import *
from torture import Load

GONE = "gone"
MIB = 1 << 20


class Volume(Connection):
    """One volume, driven by one client. What it may be: every (format, capacity, is it a copy?) that the answers so far
    allow."""

    def __init__(self, host, number, seed):
        super().__init__(host)
        self.name = f"v{number}"
        self.path = host.path(f"data/p/{self.name}")
        self.chance = random.Random(f"{seed}/{number}")
        self.allowed = {GONE}
        self.count = 0

    def pool(self):
        return self.conn.storagePoolLookupByName("p")

    def volume(self):
        return self.pool().storageVolLookupByName(self.name)

    def xml(self, form, capacity, allocation):
        return (f"<volume><name>{self.name}</name><capacity>{capacity}</capacity><allocation>{allocation}</allocation>"
                f"<target><format type='{form}'/></target></volume>")

    def step(self):
        self.count += 1
        state = next(iter(self.allowed))
        if state == GONE:
            self.chance.choice([self.create, self.create, self.clone, self.clone, self.build])()
        else:
            self.chance.choice([self.resize, self.resize, self.delete, self.wipe, self.upload])(state)

    def change(self, after, function):
        """The old state stays possible until the answer has come."""
        self.allowed = self.allowed | {after}
        function()
        self.allowed = {after}

    def create(self):
        form = self.chance.choice(["raw", "qcow2", "qcow2"])
        capacity = self.chance.choice([1, 4, 16]) * MIB
        flags = self.chance.choice([0, libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA]) if form == "qcow2" else 0
        allocation = self.chance.choice([0, capacity // 2, capacity])
        self.change((form, capacity, False), lambda: self.pool().createXML(self.xml(form, capacity, allocation), flags))

    def clone(self):
        form = self.chance.choice(["raw", "qcow2"])
        template = self.pool().storageVolLookupByName("template")
        self.change((form, 8 * MIB, True), lambda: self.pool().createXMLFrom(self.xml(form, 8 * MIB, 8 * MIB), template, 0))

    def build(self):
        """A pool of its own, which is built, and deleted again."""
        folder = self.host.path(f"data/{self.name}")
        pool = self.conn.storagePoolDefineXML(f"<pool type='dir'><name>{self.name}</name><target><path>{folder}</path>"
                                              "</target></pool>")
        pool.build(0)
        check(folder.is_dir(), f"{folder} was built and is not there")
        pool.delete(0)
        pool.undefine()

    def resize(self, state):
        form, capacity, is_copy = state
        self.change((form, capacity + MIB, is_copy), lambda: self.volume().resize(capacity + MIB, 0))

    def wipe(self, state):
        """Half of it may be overwritten; but its name and, raw, its size are those that they were."""
        form, capacity, _ = state
        if form == "raw":
            self.change((form, capacity, False), lambda: self.volume().wipe(0))

    def upload(self, state):
        """The old content or the new, and the size stays: what comes is shorter."""
        form, capacity, _ = state
        if form != "raw":
            return

        def send():
            stream = self.conn.newStream()
            self.volume().upload(stream, 0, 0, 0)
            for _ in range(8):
                stream.send(b"u" * 65536)
            stream.finish()

        self.change((form, capacity, False), send)

    def delete(self, _):
        self.change(GONE, lambda: self.volume().delete(0))

    def look(self):
        """What is there must be among what is possible, and whole. Narrows to it."""
        try:
            capacity = self.volume().info()[1]
        except libvirt.libvirtError as error:
            equal(error.get_error_code(), libvirt.VIR_ERR_NO_STORAGE_VOL, f"code for {self.name}")
            check(not self.path.exists(), f"{self.path} is there, and is no volume")
            capacity = None
        found = {s for s in self.allowed if (s == GONE) == (capacity is None) and (s == GONE or s[1] == capacity)}
        check(found, f"{self.name} has capacity {capacity}, possible are {self.allowed}")
        if capacity is not None:
            found = {s for s in found if self.is_whole(*s)}
            check(found, f"{self.name} is half made; possible are {self.allowed}")
        self.allowed = {sorted(found, key=str)[0]}

    def is_whole(self, form, capacity, is_copy):
        if form == "raw" and self.path.stat().st_size != capacity:
            return False
        if form == "qcow2":
            info = subprocess.run(["qemu-img", "info", "-f", "qcow2", "--output=json", self.path], capture_output=True, check=False)
            checked = subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", self.path], check=False, capture_output=True)
            if info.returncode or json.loads(info.stdout)["virtual-size"] != capacity or checked.returncode:
                return False
        if not is_copy:
            return True
        # Behind what was copied it is empty.
        same = subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", form, self.host.path("data/p/template"), self.path],
                              check=False, capture_output=True)
        return same.returncode == 0 or capacity > 8 * MIB


def temporaries(host):
    return [str(p) for folder in ("data/p", "etc/libvirt/storage", "run/libvirt/storage")
            for p in host.path(folder).glob(".lodge-*")]


def writers():
    return [a for a in processes().values() if a and "qemu-img" in a[0]]


def test_storage_torture(host):
    options = json.loads(os.environ["LODGE_TORTURE"])
    chance = random.Random(options["seed"])
    pool = host.conn.storagePoolDefineXML(f"<pool type='dir'><name>p</name><target><path>{host.path('data/p')}</path></target></pool>")
    pool.build(0)
    host.path("data/p/template").write_bytes(random.Random(1).randbytes(2 * MIB) + bytes(4 * MIB) + random.Random(2).randbytes(2 * MIB))
    pool.create(0)
    volumes = [Volume(host, number, options["seed"]) for number in range(options["machines"])]
    for number in range(options["rounds"]):
        one_round(host, volumes, chance, number)


def one_round(host, volumes, chance, number):
    delay = chance.uniform(0.05, 1.0) * SLOWNESS
    with Load(volumes) as load:
        end = time.monotonic() + delay
        while time.monotonic() < end and not load.problems:
            time.sleep(0.01)  # the random moment
        host.kill_daemon()
    check(not load.problems, f"round {number + 1}, before the kill: {load.problems}")
    wait_until(lambda: not writers(), "programs that write images end with the daemon")
    host.daemon.start()
    wait_until(lambda: host.conn.storagePoolLookupByName("p").isActive(), "the pool is active again")
    equal(temporaries(host), [], "temporary files")
    for volume in volumes:
        volume.drop()
        volume.connect()
        try:
            volume.conn.storagePoolLookupByName(volume.name).undefine()
        except libvirt.libvirtError as error:
            equal(error.get_error_code(), libvirt.VIR_ERR_NO_STORAGE_POOL)
        try:
            volume.look()
        except TestFailure as failure:
            fail(f"round {number + 1}: {failure}")
    there = sum(volume.allowed != {GONE} for volume in volumes)
    print(f"round {number + 1}: killed after {delay:.2f} s; {there} of {len(volumes)} volumes are there; "
          f"{sum(v.count for v in volumes)} operations so far", flush=True)
    host.drop_connections()
