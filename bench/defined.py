"""The measurements of one daemon with many machines defined and none running, on a real disk; see bench.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import time

from lodgetest.host import *
from lodgetest.wire import Closed
from measure import ACTIVE, INACTIVE, Client, rss_mib, timed_all

COUNTED = 50  # definitions whose flushes are counted


def document(host, number):
    """As many have it: a disk file, an interface, a serial console."""
    image = host.path(f"var/lib/libvirt/images/many{number}.qcow2")
    return host.guests.empty(f"many{number}", devices=f"""
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>
        <target dev='vda' bus='virtio'/></disk>
      <interface type='user'><model type='virtio'/></interface>""")


def make_images(host, count):
    images = host.path("var/lib/libvirt/images")
    first = images / "many0.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", first, "10G"], check=True)
    for number in range(1, count):
        shutil.copyfile(first, images / f"many{number}.qcow2")


def threads(pid):
    return [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]


def cpu_seconds(pid):
    """Processor time of all threads of @pid that are there."""
    total = 0
    for thread in threads(pid):
        with contextlib.suppress(FileNotFoundError):
            total += int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return total / 1e9


def is_traced(pid):
    return all("TracerPid:\t0" not in pathlib.Path(f"/proc/{pid}/task/{thread}/status").read_text()
               for thread in threads(pid))


def flushes(host, function):
    """How often the daemon calls fsync() or fdatasync() while @function runs."""
    found = host.path("flushes")
    with open(host.path("strace.out"), "wb") as words:
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", found,
                                   "-p", str(host.daemon.pid)], stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    try:
        wait_until(lambda: is_traced(host.daemon.pid) or tracer.poll() is not None, "strace is attached")
        check(tracer.poll() is None, host.path("strace.out").read_text(errors="replace"))
        function()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
    # A call that another thread's cuts in two has a line for each half.
    return len(re.findall(r"(?m)^\d+ +f(?:data)?sync\(", found.read_text()))


def measure_define(host, client, options, results):
    documents = [document(host, number) for number in range(options["many"])]
    calls = [client.prepare("domain_define_xml", xml=xml) for xml in documents]
    before = cpu_seconds(host.daemon.pid)
    seconds = timed_all(host, calls[COUNTED:])
    results["many_define_cpu"] = (cpu_seconds(host.daemon.pid) - before) / len(seconds)
    results["many_define"] = statistics.median(seconds)
    counted = flushes(host, lambda: [client.timed(call) for call in calls[:COUNTED]])
    results["many_flushes"] = counted / COUNTED


def measure_queries(host, client, options, results):
    repeat = 5 if options["quick"] else 31
    everything = client.prepare("connect_list_all_domains", need_results=1, flags=ACTIVE | INACTIVE)
    stats = client.prepare("connect_get_all_domain_stats", doms=[], stats=0, flags=0)
    for key, call in (("many_list", everything), ("many_stats", stats)):
        timed_all(host, [call] * 2)  # what is read once and remembered
        before = cpu_seconds(host.daemon.pid)
        results[key] = statistics.median(timed_all(host, [call] * repeat))
        results[key + "_cpu"] = (cpu_seconds(host.daemon.pid) - before) / repeat


def measure_restart(host, client, options, results):
    """From the spawn to an answer that names all machines."""
    everything = client.prepare("connect_list_all_domains", need_results=1, flags=ACTIVE | INACTIVE)
    client.close()
    host.stop_daemon()
    begin = time.perf_counter()
    host.daemon.spawn()
    while True:
        with contextlib.suppress(OSError, Closed):
            again = Client(host.daemon.socket, timeout=120).open()
            again.timed(everything)
            break
        time.sleep(0.002)
    results["many_restart"] = time.perf_counter() - begin
    results["many_restart_cpu"] = cpu_seconds(host.daemon.pid)
    results["many_rss_restart"] = rss_mib(host.daemon.pid)
    count = len(again.call("connect_list_all_domains", need_results=1, flags=ACTIVE | INACTIVE)["domains"])
    check(count == options["many"], f"{count} machines after the restart")
    again.close()


def test_defined(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    if not host.is_reference:
        host.daemon.more_arguments = []
    make_images(host, options["many"])
    host.daemon.start()
    host.ok("capabilities")
    host.restart_daemon()
    client = Client(host.daemon.socket, timeout=120).open()
    measure_define(host, client, options, results)
    results["many_rss"] = rss_mib(host.daemon.pid)
    time.sleep(3)  # images that were just made are read anew each time
    measure_queries(host, client, options, results)
    measure_restart(host, client, options, results)
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
