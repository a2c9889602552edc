"""Migrations between two daemons beside the same by hand; see bench. Runs inside the namespaces of lodgetest.inside.

By hand: two QEMUs with the command line of the daemon's own machine, over the loopback: from 'migrate' at the source to the answer
to 'cont' at the destination; the guest stands still from the event STOP to that answer. The same of the daemons: perform and
finish, and what the machine's job says of its downtime. All memory of the guest is written to before.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import statistics
import sys
import time

from lodgetest.host import *
from lodgetest.pair import far_host
from memory_clone import Hand

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
from test_migrate_kill import Steps  # noqa: E402

MIB = 1 << 20
# Writes to each page from 1 to 496 MiB, marks that at 0x500 and halts.
FILL = bytes.fromhex("fa31c08ed80f0116537c0f20c00c010f22c0bb08008ee324fe0f22c066bf00001000646766c707785634126681c7001000006681ff0000001f72"
                     "e7c606000501f4ebfd0000000000000000ffff00000092cf000f00437c0000")


class Side(Hand):
    def __init__(self, host, name, side):
        super().__init__(host, name)
        self.side = side

    def prepare(self):
        name, self.name = self.name, f"{self.name}-{self.side}"
        super().prepare()
        self.name = name
        if self.side != "first":
            self.words_now += ["-incoming", "defer"]

    def event(self, *wanted):
        """When the event came, by the name and the status that it tells."""
        while True:
            answer = json.loads(self.stream.readline())
            if (answer.get("event"), answer.get("data", {}).get("status")) in wanted:
                return time.perf_counter(), answer


def capabilities(hand, *names):
    hand.ask("migrate-set-capabilities", capabilities=[{"capability": name, "state": True} for name in names])


def is_filled(ask):
    return wait_until(lambda: "0x01" in ask("xp /1bx 0x500"), "the guest has written its memory", 60)


def once_by_hand(host, source, number):
    """(seconds, seconds that the guest stood still, the other side)"""
    there = Side(host, "web", f"side{number}")
    there.start({})
    capabilities(there, "late-block-activate")
    there.ask("migrate-incoming", uri=f"tcp:127.0.0.1:{50000 + number}")
    capabilities(source, "events")
    source.ask("migrate-set-parameters", max_bandwidth=1 << 60)
    begin = time.perf_counter()
    source.ask("migrate", uri=f"tcp:127.0.0.1:{50000 + number}")
    stopped, _ = source.event(("STOP", None))
    _, end = source.event(("MIGRATION", "completed"), ("MIGRATION", "failed"))
    equal(end["data"]["status"], "completed")
    while there.ask("query-migrate").get("status") != "completed":
        pass
    there.ask("cont")
    now = time.perf_counter()
    source.end()
    return now - begin, now - stopped, there


def by_hand(host, template, count):
    template.make_ready()
    source = template
    source.start({})
    source.ask("cont")
    is_filled(lambda words: source.ask("human-monitor-command", command_line=words))
    found = []
    for number in range(count):
        seconds, still, source = once_by_hand(host, source, number)
        found.append((seconds, still))
    source.end()
    return found


def once(host, far):
    host.ok("start", "web")
    is_filled(lambda words: host.ok("qemu-monitor-command", "web", "--hmp", words))
    steps = Steps(host, far, "web")
    times = {}
    for step in ("begin", "prepare", "perform", "finish", "confirm"):
        begin = time.perf_counter()
        getattr(steps, step)()
        times[step] = time.perf_counter() - begin
    steps.close()
    info = host.ok("domjobinfo", "web", "--completed", "--rawstats")
    far.ok("destroy", "web")
    return times, int(next(line.split(":")[1] for line in info.splitlines() if line.startswith("downtime:"))) / 1000


def test_migrations(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    count = 5 if options["quick"] else 15
    host.start_daemon()
    image = host.path("var/lib/libvirt/images/web.img")
    image.write_bytes((FILL.ljust(510, b"\0") + b"\x55\xaa").ljust(MIB, b"\0"))
    xml = host.guests.sector("web", memory_kib=512 * 1024)
    host.define(xml).create()
    template = Side(host, "web", "first")
    host.ok("destroy", "web")
    hands = by_hand(host, template, count)
    with far_host(host) as far:
        ours = [once(host, far) for _ in range(count)]
    results = {"migrate_hand": statistics.median(one[0] for one in hands),
               "migrate_hand_still": statistics.median(one[1] for one in hands),
               "migrate": statistics.median(one["perform"] + one["finish"] for one, _ in ours),
               "migrate_still": statistics.median(still for _, still in ours),
               "migrate_before": statistics.median(one["begin"] + one["prepare"] for one, _ in ours),
               "migrate_after": statistics.median(one["confirm"] for one, _ in ours)}
    with open(os.environ["LODGE_BENCH_OUT"], "w", encoding="utf-8") as out:
        json.dump(results, out)
