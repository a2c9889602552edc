"""The latencies that must hold while something is broken; see bench --latency. Runs inside the namespaces of
lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import signal
import statistics
import time

from lodgetest.host import *
from measure import ACTIVE, INACTIVE, Client

CALLS = 300


def spread(client, call):
    """Median, 99 % and worst of the seconds of CALLS calls."""
    times = sorted(client.timed(call) for _ in range(CALLS))
    return statistics.median(times), times[len(times) * 99 // 100], times[-1]


def test_latency(host):
    host.daemon.more_arguments = []
    host.daemon.start()
    machines = json.loads(os.environ["LODGE_BENCH"])["running"]
    results = {}
    client = Client(host.daemon.socket, timeout=120).open()
    doms = []
    for number in range(machines):
        dom = client.call("domain_define_xml", xml=host.guests.sector(f"run{number}"))["dom"]
        client.call("domain_create", dom=dom)
        doms.append(dom)
    client.close()

    host.daemon.kill()
    begin = time.monotonic()
    host.daemon.spawn()
    while True:
        try:
            client = Client(host.daemon.socket, timeout=30).open()
            break
        except OSError:
            time.sleep(0.001)
    found = client.call("connect_list_all_domains", need_results=1, flags=ACTIVE)
    results["the first list after kill -9, from the spawn"] = [time.monotonic() - begin, None, None]
    check(len(found["domains"]) == machines, f"{len(found['domains'])} machines are back")

    stats = client.prepare("connect_get_all_domain_stats", doms=[], stats=0, flags=ACTIVE)
    everything = client.prepare("connect_list_all_domains", need_results=1, flags=ACTIVE | INACTIVE)
    state = client.prepare("domain_get_state", dom=doms[0], flags=0)
    results["statistics, all well"] = spread(client, stats)
    pid = host.qemu_pid("run1")
    os.kill(pid, signal.SIGSTOP)
    try:
        results["statistics, one QEMU stopped"] = spread(client, stats)
        results["list, one QEMU stopped"] = spread(client, everything)
        results["state of another, one QEMU stopped"] = spread(client, state)
    finally:
        os.kill(pid, signal.SIGCONT)
    for dom in doms:
        client.call("domain_destroy", dom=dom)
    client.close()
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
