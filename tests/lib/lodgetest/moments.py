"""Disks with patterns on them, and what each snapshot of a machine must read.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

from .host import check, equal, fail

SIZE = 4 << 20
CELL = 64 << 10  # a pattern is a byte, repeated in a cell
CELLS = 16


def sh(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        fail(f"{args}: {done.stdout}")
    return done.stdout


class Moments:
    """One machine with one or two disks in a folder of its own."""

    def __init__(self, host, name="m", disks=1, devices="", start=False, bus="virtio", boot=False, **parts):
        self.host = host
        self.name = name
        self.folder = pathlib.Path(host.path("disks"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.targets = ["vda", "vdb"][:disks]
        xml = ""
        for order, target in enumerate(self.targets, 1):
            path = self.folder / f"{name}-{target}.qcow2"
            sh("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
            turn = f"<boot order='{order}'/>" if boot else ""
            xml += (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
                    f"<target dev='{target}' bus='{bus}'/>{turn}</disk>")
        self.dom = host.define(host.guests.empty(name, devices=xml + devices, **parts))
        self.present = {target: bytes(CELLS) for target in self.targets}
        self.known = {}  # name of a snapshot -> what its disks must read
        if start:
            self.dom.create()

    # -- writing ------------------------------------------------------------------------------------------------

    def path(self, target="vda"):
        root = ElementTree.fromstring(self.host.ok("dumpxml", self.name))
        disk = next(d for d in root.iter("disk") if d.find("target").get("dev") == target)
        return disk.find("source").get("file")

    def write(self, value, cell=0, targets=None):
        """Fills a cell of the present disks, as the guest if the machine runs."""
        for target in targets or self.targets:
            command = f"write -P {value} {cell * CELL} {CELL}"
            if self.dom.isActive():
                number = self.targets.index(target)
                for line in (command, "flush"):  # what it says goes to QEMU's log
                    out = self.host.ok("qemu-monitor-command", self.name, "--hmp",
                                       f'qemu-io -d /machine/peripheral/virtio-disk{number}/virtio-backend "{line}"')
                    equal(out.strip(), "", "answer of QEMU")
            else:
                sh("qemu-io", "-f", "qcow2", "-c", command, self.path(target))
            cells = bytearray(self.present[target])
            cells[cell] = value
            self.present[target] = bytes(cells)

    # -- snapshots ----------------------------------------------------------------------------------------------

    def take(self, name, *options):
        self.host.ok("snapshot-create-as", self.name, name, *options)
        self.known[name] = dict(self.present)

    def revert(self, name, *options):
        self.host.ok("snapshot-revert", self.name, name, *options, timeout=60)
        self.present = dict(self.known[name])

    def delete(self, name, *options):
        self.host.ok("snapshot-delete", self.name, name, *options, timeout=60)
        left = set(self.names())
        self.known = {key: value for key, value in self.known.items() if key in left}

    def names(self):
        return self.host.ok("snapshot-list", self.name, "--name").split()

    def document(self, name):
        return ElementTree.fromstring(self.host.ok("snapshot-dumpxml", self.name, name))

    # -- reading ------------------------------------------------------------------------------------------------

    @staticmethod
    def read(path, snapshot=None):
        """The cells of an image, or of a snapshot inside of it; a running machine may have it open."""
        number, name = tempfile.mkstemp()  # elsewhere: where the image lies there may be no space
        os.close(number)
        raw = pathlib.Path(name)
        inside = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
        sh("qemu-img", "convert", "-U", "-f", "qcow2", *inside, "-O", "raw", path, raw)
        data = raw.read_bytes()
        raw.unlink()
        cells = []
        for i in range(CELLS):
            cell = data[i * CELL:(i + 1) * CELL]
            if cell != bytes([cell[0]]) * CELL:
                fail(f"cell {i} of '{path}' is torn")
            cells.append(cell[0])
        return bytes(cells)

    def check(self):
        """The present, and every snapshot that is listed, read as they must; no image is damaged."""
        names = self.names()
        equal(sorted(names), sorted(self.known), "snapshots")
        for target in self.targets:
            equal(self.read(self.path(target)).hex(), self.present[target].hex(), f"present {target}")
        for name in names:
            document = self.document(name)
            modes = {d.get("name"): d.get("snapshot") for d in document.find("disks")}
            for disk in document.find("domain").iter("disk"):
                target = disk.find("target").get("dev")
                if target not in self.targets or modes[target] == "no":
                    continue
                path = disk.find("source").get("file")
                got = self.read(path, name if modes[target] == "internal" else None)
                equal(got.hex(), self.known[name][target].hex(), f"snapshot {name}, {target} in {path}")
        if not self.dom.isActive():
            for path in self.images():
                sh("qemu-img", "check", "-q", path)

    def images(self):
        return sorted(self.folder.glob(f"{self.name}-*"))

    def chain(self, target="vda"):
        text = sh("qemu-img", "info", "-U", "--backing-chain", "--output=json", self.path(target))
        return [pathlib.Path(layer["filename"]).name for layer in json.loads(text)]
