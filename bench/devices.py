"""Running machines and their devices, of one daemon: statistics of many, also while one QEMU is stopped, and disks that are
plugged in, beside the same commands by hand. See bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import signal
import statistics
import time

from lodgetest.host import *
from measure import ACTIVE, ByHand, Client, document

LIVE = 1
DISKS = 15


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def thread_seconds(pids):
    """The processor time of all threads of these processes, to the nanosecond."""
    return sum(int(file.read_text().split()[0]) for pid in pids
               for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def images(host, prefix):
    found = [host.path(f"var/lib/libvirt/images/{prefix}{n}.img") for n in range(DISKS)]
    for path in found:
        with open(path, "wb") as file:
            file.truncate(1 << 20)
    return found


def target(number):
    return "vd" + chr(ord("b") + number)


def measure_attach(host, client, results):
    dom = client.call("domain_define_xml", xml=document(host, "plug"))["dom"]
    client.call("domain_create", dom=dom)
    seconds = []
    for number, path in enumerate(images(host, "plug")):
        xml = (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>"
               f"<target dev='{target(number)}' bus='virtio'/></disk>")
        seconds.append(client.timed(client.prepare("domain_attach_device_flags", dom=dom, xml=xml, flags=LIVE)))
    hand = ByHand(host, "plug")
    client.call("domain_destroy", dom=dom)
    client.call("domain_undefine", dom=dom)
    hand.make_ready()
    results["attach"] = statistics.median(seconds)
    results["attach_hand"] = attach_by_hand(host, hand)


def attach_by_hand(host, hand):
    """Median of sending the three commands and having their answers."""
    seconds = []

    def ask(command, arguments):
        hand.stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        hand.stream.flush()
        while True:
            answer = json.loads(hand.stream.readline())
            check("error" not in answer, f"{command}: {answer}")
            if "return" in answer:
                return

    hand.prepare()
    try:
        hand.spawn()
        hand.greeted()
        ask("qmp_capabilities", {})
        ask("cont", {})
        for number, path in enumerate(images(host, "hand")):
            path.chmod(0o666)
            begin = time.perf_counter()
            ask("blockdev-add", {"driver": "file", "filename": str(path), "node-name": f"s{number}",
                                 "auto-read-only": True, "discard": "unmap"})
            ask("blockdev-add", {"driver": "raw", "file": f"s{number}", "node-name": f"f{number}", "read-only": False})
            ask("device_add", {"driver": "virtio-blk-pci", "bus": "pci.0", "drive": f"f{number}", "id": f"disk{number}"})
            seconds.append(time.perf_counter() - begin)
    finally:
        hand.end()
    return statistics.median(seconds)


def measure_stats(host, client, options, results):
    doms = [client.call("domain_define_xml", xml=document(host, f"run{n}"))["dom"] for n in range(options["machines"])]
    for dom in doms:
        client.call("domain_create", dom=dom)
    time.sleep(5)  # until the guests' firmware is done

    def timed(call):
        return statistics.median(client.timed(call) for _ in range(15))

    everything = client.prepare("connect_get_all_domain_stats", doms=[], stats=0, flags=ACTIVE)
    others = client.prepare("connect_get_all_domain_stats", doms=doms[1:], stats=0, flags=ACTIVE)
    client.timed(everything)
    machines = [host.qemu_pid(f"run{n}") for n in range(options["machines"])]
    begin, begin_machines = cpu_seconds(host.daemon.pid), thread_seconds(machines)
    results["dev_stats"] = timed(everything)
    results["dev_stats_cpu"] = (cpu_seconds(host.daemon.pid) - begin) / 15
    results["dev_stats_qemu_cpu"] = (thread_seconds(machines) - begin_machines) / 15
    results["dev_stats_others"] = timed(others)
    stopped = host.qemu_pid("run0")
    os.kill(stopped, signal.SIGSTOP)
    try:
        client.timed(others)
        results["dev_stats_beside"] = timed(others)
        # The reference waits for it without end.
        results["dev_stats_stopped"] = None if host.is_reference else client.timed(everything)
    finally:
        os.kill(stopped, signal.SIGCONT)
    for dom in doms:
        client.call("domain_destroy", dom=dom)


def test_devices(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    if not host.is_reference:
        host.daemon.more_arguments = []
    host.daemon.start()
    host.ok("domcapabilities")  # the emulators are probed: this is not what is measured here
    client = Client(host.daemon.socket, timeout=120).open()
    measure_attach(host, client, results)
    measure_stats(host, client, options, results)
    client.close()
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
