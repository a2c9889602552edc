"""The measurements of snapshots beside the same by hand; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import threading
import time

from lodgetest.host import *

MIB = 1 << 20
POLLER, HAND = 17001, 17002  # ports of more monitors of the machine
NO_METADATA = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA


class Monitor:
    """QMP by hand, over TCP or a unix socket."""

    def __init__(self, address):
        self.socket = socket.create_connection(address) if isinstance(address, tuple) else socket.socket(socket.AF_UNIX)
        if not isinstance(address, tuple):
            self.socket.connect(str(address))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while "event" in (answer := json.loads(self.file.readline())):
            pass
        check("return" in answer, f"{command}: {answer}")
        return answer["return"]


class Gaps:
    """How long QEMU does not answer, at most: what it does meanwhile holds the guest's disks up, too."""

    def __init__(self):
        self.worst, self.stop = 0.0, False
        self.monitor = Monitor(("127.0.0.1", POLLER))
        self.thread = threading.Thread(target=self.poll)

    def poll(self):
        while not self.stop:
            begin = time.perf_counter()
            self.monitor.ask("query-name")
            self.worst = max(self.worst, time.perf_counter() - begin)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()
        self.monitor.socket.close()


def domain(host, image, memory_mib, *more):
    words = "".join(f"<qemu:arg value='{word}'/>" for word in more)
    xml = host.guests.empty("m", memory_kib=memory_mib * 1024, devices="<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                            f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>")
    return xml.replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ").replace(
        "</domain>", f"<qemu:commandline>{words}</qemu:commandline></domain>")


def make_image(path, mib=1024, data_mib=0):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, f"{mib}M"], check=True)
    if data_mib:
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 5 0 {data_mib}M", path], check=True)
    shutil.chown(path, "libvirt-qemu", "kvm")


def measure_pauses(host, folder, rounds, results):
    """In pairs, each on a machine that has just started. What the host does beside is in both of a pair, so the median of
    the ratios counts: a gap that somebody else made in one of them says nothing."""
    make_image(folder / "a.qcow2", data_mib=64)
    xml = domain(host, folder / "a.qcow2", 64, "-qmp", f"tcp:127.0.0.1:{POLLER},server=on,wait=off",
                 "-qmp", f"tcp:127.0.0.1:{HAND},server=on,wait=off")
    ours, hands = [], []
    for number in range(rounds):
        for by_hand in (True, False) if number % 2 else (False, True):
            dom = host.define(xml)
            dom.create()
            hand = Monitor(("127.0.0.1", HAND))
            with Gaps() as gaps:
                if by_hand:
                    path = folder / f"hand{number}.qcow2"
                    make_image(path)
                    hand.ask("blockdev-add", **{"node-name": "new", "driver": "qcow2", "backing": None,
                                                "file": {"driver": "file", "filename": str(path)}})
                    hand.ask("transaction", actions=[{"type": "blockdev-snapshot", "data": {
                        "node": "libvirt-1-format", "overlay": "new"}}])
                else:
                    dom.snapshotCreateXML("<domainsnapshot><disks><disk name='vda' snapshot='external'><source "
                                          f"file='{folder}/lodge{number}.qcow2'/></disk></disks></domainsnapshot>",
                                          NO_METADATA | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
            (hands if by_hand else ours).append(gaps.worst)
            dom.destroy()
            dom.undefine()
    results["pause_hand"] = statistics.median(hands)
    results["pause_snapshot"] = results["pause_hand"] * statistics.median(a / b for a, b in zip(ours, hands))


def migrate_by_hand(folder, loader, memory_mib):
    """The same machine, told to stop and to write its state to a file."""
    path, out = folder / "hand.sock", folder / "hand.state"
    process = subprocess.Popen(["qemu-system-x86_64", "-m", str(memory_mib), "-display", "none", "-nodefaults", "-accel", "tcg", "-qmp",
                                f"unix:{path},server=on,wait=off", *loader], stdin=subprocess.DEVNULL)
    try:
        wait_until(path.exists, "QEMU is there")
        monitor = Monitor(path)
        monitor.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 50})
        begin = time.perf_counter()
        monitor.ask("stop")
        monitor.ask("migrate", uri=f"exec:cat > {out}")
        while monitor.ask("query-migrate")["status"] != "completed":
            time.sleep(0.005)
        monitor.ask("cont")
        return time.perf_counter() - begin
    finally:
        process.kill()
        process.wait()
        path.unlink()
        out.unlink(missing_ok=True)


def measure_memory(host, folder, memory_mib, rounds, results):
    (folder / "random").write_bytes(random.Random(5).randbytes(16 * MIB) * (memory_mib // 32))
    loader = ["-device", f"loader,file={folder}/random,addr=0x2000000,force-raw=on"]
    make_image(folder / "b.qcow2")
    ours, hands = [], []
    for number in range(rounds):
        hands.append(migrate_by_hand(folder, loader, memory_mib))
        dom = host.define(domain(host, folder / "b.qcow2", memory_mib, *loader))
        dom.create()
        begin = time.perf_counter()
        dom.snapshotCreateXML(f"<domainsnapshot><memory snapshot='external' file='{folder}/memory'/><disks><disk name='vda'>"
                              f"<source file='{folder}/top{number}.qcow2'/></disk></disks></domainsnapshot>", NO_METADATA)
        ours.append(time.perf_counter() - begin)
        dom.destroy()
        dom.undefine()
        os.unlink(folder / "memory")
    results["memory_hand"], results["memory_snapshot"] = min(hands), min(ours)


def test_moments(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    host.start_daemon()
    folder = host.path("disks")
    folder.mkdir()
    folder.chmod(0o755)
    measure_pauses(host, folder, 3 if options["quick"] else 15, results)
    measure_memory(host, folder, options["moments"], 2 if options["quick"] else 3, results)
    with open(os.environ["LODGE_BENCH_OUT"], "w", encoding="utf-8") as out:
        json.dump(results, out)
