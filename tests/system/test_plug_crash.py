"""The daemon dies at random moments while devices come, go and change: what the machine has, what its definition
says and what QEMU has agree afterwards.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import re
import subprocess
import threading
import xml.etree.ElementTree as ElementTree

import libvirt_qemu
from lodgetest.host import *
from lodgetest.runner import mark

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
BOTH, INACTIVE = LIVE | CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE
EXTRA = ("<maxMemory slots='8' unit='MiB'>768</maxMemory><memoryBacking><source type='memfd'/><access mode='shared'/>"
         "</memoryBacking><cpu><numa><cell id='0' cpus='0' memory='262144'/></numa></cpu>")
NETWORK = "<network><name>plain</name><bridge name='vcrash0'/></network>"
# What a document has and QEMU does not call by that name, or what QEMU makes by itself
BOARD = {"pci.0", "ide", "input0", "input1", "input2", "video0", "serial0", "fdc", "usb"}


def qmp(dom, command, **arguments):
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": arguments}), 0))
    return answer["return"]


class Play:
    """One machine with devices of every kind that can be plugged without hardware of the host."""

    def __init__(self, host, seed):
        self.host = host
        self.chance = random.Random(seed)
        files = host.path("srv/files")
        files.mkdir(parents=True)
        files.chmod(0o755)
        self.images = {}
        for name in ("one.img", "two.img", "first.iso", "second.iso"):
            path = host.path(f"var/lib/libvirt/images/{name}")
            equal(run(["qemu-img", "create", "-q", "-f", "raw", str(path), "8M"]).code, 0)
            self.images[name] = path
        self.owners = {path: path.stat().st_uid for path in self.images.values()}
        host.network(NETWORK)
        drive = self.drive("first.iso")
        controllers = ("<controller type='scsi' index='0' model='virtio-scsi'/><controller type='virtio-serial' index='0'/>"
                       "<controller type='usb' model='qemu-xhci'/>")
        memory = ("<memory model='virtio-mem'><target><size unit='MiB'>128</size><node>0</node><block unit='MiB'>2</block>"
                  "<requested unit='MiB'>0</requested></target></memory>")
        card = self.card("52:54:00:00:00:01")
        host.start_demo("demo", memory_kib=393216, extra=EXTRA, devices=controllers + drive + memory + card)
        host.booted("demo")
        self.devices = {
            "virtio disk": f"<disk type='file'><source file='{self.images['one.img']}'/><target dev='vdb' bus='virtio'/></disk>",
            "scsi disk": f"<disk type='file'><source file='{self.images['two.img']}'/><target dev='sda' bus='scsi'/>"
                         "<iotune><total_bytes_sec>1000000</total_bytes_sec></iotune></disk>",
            "card": self.card("52:54:00:00:00:02"),
            "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
            "watchdog": "<watchdog model='i6300esb' action='none'/>",
            "tablet": "<input type='tablet' bus='usb'/>",
            "keyboard": "<input type='keyboard' bus='virtio'/>",
            "redirdev": f"<redirdev bus='usb' type='unix'><source mode='bind' path='{host.path('run/redir.sock')}'/></redirdev>",
            "channel": "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>",
            "serial": "<serial type='pty'><target type='usb-serial' port='1'/></serial>",
            "controller": "<controller type='scsi' index='1' model='virtio-scsi'/>",
            "shmem": "<shmem name='shared'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
            "folder": f"<filesystem type='mount'><driver type='virtiofs'/><source dir='{files}'/><target dir='share'/></filesystem>",
            "memory": "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>",
        }

    def drive(self, name):
        return (f"<disk type='file' device='cdrom'><source file='{self.images[name]}'/><target dev='hdc' bus='ide'/>"
                "<readonly/></disk>")

    @staticmethod
    def card(mac, link="up"):
        return (f"<interface type='network'><mac address='{mac}'/><source network='plain'/><model type='virtio'/>"
                f"<link state='{link}'/></interface>")

    # ---- what is done ----

    def operations(self, dom):
        live = dom.XMLDesc()
        found = {}
        for name, xml in self.devices.items():
            there = self.marks(live) & self.marks(f"<domain><devices>{xml}</devices></domain>")
            # a module that a guest is to let go of stays as long as the guest wants
            if not there:
                found[f"attach {name}"] = lambda xml=xml: dom.attachDeviceFlags(xml, BOTH)
            elif name != "memory":
                found[f"detach {name}"] = lambda xml=xml: dom.detachDeviceFlags(xml, BOTH)
        iso, link = self.chance.choice(["first.iso", "second.iso"]), self.chance.choice(["up", "down"])
        found["medium"] = lambda: dom.updateDeviceFlags(self.drive(iso), BOTH | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)
        found["link"] = lambda: dom.updateDeviceFlags(self.card("52:54:00:00:00:01", link), BOTH)
        size = self.chance.choice([0, 32, 64])
        memory = re.sub("<requested.*?</requested>", f"<requested unit='MiB'>{size}</requested>",
                        re.search("<memory model='virtio-mem'>.*?</memory>", dom.XMLDesc(INACTIVE), re.S)[0])
        found["requested"] = lambda: dom.updateDeviceFlags(memory, BOTH)
        limit = self.chance.choice([0, 1000000, 2000000])
        found["limit"] = lambda: self.host.virsh("blkdeviotune", "demo", "vda", "--total-bytes-sec", str(limit), "--live", "--config")
        return found

    # ---- what must agree ----

    @staticmethod
    def marks(document):
        """What tells the devices of a document apart, and what was changed of them."""
        root, found = ElementTree.fromstring(document), set()
        for device in root.find("devices"):
            get = lambda path, name, device=device: getattr(device.find(path), "attrib", {}).get(name)  # noqa: E731
            if device.tag == "disk":
                limit = getattr(device.find("iotune/total_bytes_sec"), "text", None)
                found.add(("disk", get("target", "dev"), get("source", "file"), None if limit == "0" else limit))
            elif device.tag == "interface":
                found.add(("interface", get("mac", "address"), get("link", "state") or "up"))
            elif device.tag == "memory":
                found.add(("memory", device.get("model"), getattr(device.find("target/requested"), "text", None)))
            elif device.tag == "channel":
                found.add(("channel", get("target", "name")))
            elif device.tag == "serial":
                found.add(("serial", get("target", "type")))
            elif device.tag == "controller" and device.get("type") in ("scsi", "virtio-serial"):
                found.add(("controller", device.get("type"), device.get("index")))
            elif device.tag == "input" and device.get("bus") != "ps2":
                found.add(("input", device.get("type"), device.get("bus")))
            elif device.tag in ("rng", "watchdog", "redirdev", "shmem", "filesystem"):
                found.add((device.tag,))
        return found

    def disagreements(self, dom):
        live, stored = dom.XMLDesc(), dom.XMLDesc(INACTIVE)
        aliases = set(re.findall("<alias name='(.*?)'/>", live))
        names = {entry["name"] for entry in qmp(dom, "qom-list", path="/machine/peripheral") if entry["type"].startswith("child")}
        has = lambda text: any(text.endswith(alias) for alias in aliases)  # noqa: E731
        objects = {entry["name"] for entry in qmp(dom, "qom-list", path="/objects") if entry["type"].startswith("child")}
        wrong = []
        if self.marks(live) != self.marks(stored):
            wrong.append(f"live and stored: {self.marks(live) ^ self.marks(stored)}")
        if names != aliases - BOARD and (names ^ aliases) - BOARD:
            wrong.append(f"devices: {(names ^ aliases) - BOARD}")
        strays = [entry["label"] for entry in qmp(dom, "query-chardev") if not has(entry["label"]) and entry["label"] != "charmonitor"]
        strays += [name for name in objects if not has(name) and not re.match("masterKey|ram-node|pc.ram", name)]
        indexes = set(re.findall("index='([0-9]+)'", "".join(re.findall("<disk .*?</disk>", live, re.S))))
        strays += [node["node-name"] for node in qmp(dom, "query-named-block-nodes")
                   if re.match("libvirt-", node["node-name"]) and node["node-name"].split("-")[1] not in indexes]
        if strays:
            wrong.append(f"left behind in QEMU: {strays}")
        for entry in qmp(dom, "query-block"):
            inserted = entry.get("inserted", {})
            if entry["qdev"].endswith("ide0-1-0") or "ide0-1-0" in entry["qdev"]:
                medium = re.search("<disk type='file' device='cdrom'>.*?</disk>", live, re.S)[0]
                if inserted.get("file", "").split("/")[-1] not in medium or not inserted:
                    wrong.append(f"medium: {inserted.get('file')}")
            if "virtio-disk0" in entry["qdev"]:
                limit = re.search("vda.*?</disk>", live, re.S)[0]
                if f"<total_bytes_sec>{inserted['bps']}<" not in limit and inserted["bps"]:
                    wrong.append(f"limit: {inserted['bps']}")
        for device in qmp(dom, "query-memory-devices"):
            if device["type"] == "virtio-mem":
                kib = re.search("<requested unit='KiB'>(.*?)<", live)[1]
                if int(kib) * 1024 != device["data"]["requested-size"]:
                    wrong.append(f"requested: {device['data']['requested-size']}")
        taps = {line.split(":")[1].strip() for line in
                subprocess.run(["ip", "-o", "link", "show", "type", "tun"], capture_output=True, text=True).stdout.splitlines()}
        if taps != set(re.findall("<target dev='(vnet[0-9]+)'", live)):
            wrong.append(f"taps: {taps}")
        lent = {path.name for path, owner in self.owners.items() if path.stat().st_uid != owner}
        if not lent <= {name for name in self.images if name in live}:
            wrong.append(f"lent: {lent}")
        return wrong

    def round(self):
        dom = self.host.conn.lookupByName("demo")
        operations = self.operations(dom)
        name = self.chance.choice(sorted(operations))

        def act(operation=operations[name]):
            try:
                operation()
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR):
                    self.refused.append(f"{name}: {error}")

        self.refused = []
        thread = threading.Thread(target=act)
        thread.start()
        thread.join(self.chance.choice([0.01, 0.04, 0.15, 0.6]) * self.chance.random() * SLOWNESS)
        was_done = not thread.is_alive()
        self.host.daemon.kill()
        thread.join()
        equal(self.refused, [], "operations that were refused")
        self.host.drop_connections()
        self.host.daemon.start()
        dom = self.host.conn.lookupByName("demo")
        # the guest may let go later of what it was asked for
        last = []
        wait_until(lambda: last.__setitem__(slice(None), self.disagreements(dom)) or not last,
                   Lazily(lambda: f"after '{name}'{' (done)' if was_done else ''}: {'; '.join(last)}"))
        return name, was_done


class Lazily:
    def __init__(self, tell):
        self.tell = tell

    def __str__(self):
        return self.tell()


def play(host, rounds, seed):
    table = Play(host, seed)
    played = [table.round() for _ in range(rounds)]
    tells = f"seed {seed}: {rounds} kills, {sum(done for _, done in played)} after the answer; {played}\n"
    if os.environ.get("LODGE_PLAYED"):
        with open(os.environ["LODGE_PLAYED"], "a", encoding="utf-8") as file:
            file.write(tells)
    dom = host.conn.lookupByName("demo")
    dom.destroy()
    equal({path: path.stat().st_uid for path in table.owners}, table.owners, "owners of images")


@mark(only="lodged", reason="the reference does not survive that", timeout=600)
def test_kills_while_devices_come_and_go(host):
    play(host, int(os.environ.get("LODGE_ROUNDS", "8")), os.environ.get("LODGE_SEED", "7"))


@mark(only="lodged", reason="the reference does not survive that", requires=["slow"], timeout=3600)
def test_a_hundred_kills_while_devices_come_and_go(host):
    seed = os.environ.get("LODGE_SEED", str(random.SystemRandom().randrange(10**6)))
    play(host, int(os.environ.get("LODGE_ROUNDS", "100")), seed)
