"""`lodge host`: machines go with the host, and come back.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import time

from lodgetest.host import *


class Machines:
    def __init__(self, host):
        self.host = host
        self.state = host.path("machines.json")
        self.settings = host.path("settings")

    def run(self, operation, *more, **settings):
        self.settings.write_text("# of libvirt-guests\nURIS=default\n" + "".join(f"{k}='{v}'\n" for k, v in settings.items()))
        return self.host.lodge("host", operation, "--settings", self.settings, "--state", self.state, *more, timeout=120)

    def ok(self, operation, *more, **settings):
        result = self.run(operation, *more, **settings)
        equal(result.code, 0, str(result))
        return result.out

    def order(self):
        """In which order the daemon says that machines went or came, since the last question."""
        lines = self.host.daemon.log.read_text().splitlines()
        new, self.seen = lines[getattr(self, "seen", 0):], len(lines)
        return [line.split("'")[1] for line in new if " started as " in line or " destroyed by " in line or " saved by " in line]


def test_machines_are_powered_off_and_come_back_in_order(host):
    machines = Machines(host)
    for name, order in (("last", 300), ("first", 1), ("middle", None), ("off", None)):
        host.define_sector(name)
        if order:
            contains(host.lodge_ok("host", "machine", name, "--order", order, "--ready", "started"), "own way")
    for name in ("first", "middle", "last"):
        host.ok("start", name)
    machines.order()
    contains(machines.ok("shutdown-machines", ON_SHUTDOWN="poweroff", PARALLEL_SHUTDOWN=0), "3 machines have gone")
    equal(machines.order(), ["last", "middle", "first"])
    equal(sorted(m["name"] for m in json.loads(machines.state.read_text())), ["first", "last", "middle"])
    host.restart_daemon()
    contains(machines.ok("start-machines", START_DELAY=0), "3 machines have come")
    equal(machines.order(), ["first", "middle", "last"])
    equal([host.state(name) for name in ("first", "middle", "last", "off")], ["running"] * 3 + ["shut off"])
    check(not machines.state.exists(), "what was to come has come")
    machines.ok("start-machines")
    # what ran is known before anything is done, and one that goes its own way is left
    host.lodge_ok("host", "machine", "middle", "--on-shutdown", "ignore")
    machines.ok("shutdown-machines", ON_SHUTDOWN="poweroff", ON_BOOT="ignore")
    equal([host.state(name) for name in ("first", "middle", "last")], ["shut off", "running", "shut off"])
    check(not machines.state.exists(), "nothing is to come")
    contains(machines.run("shutdown-machines", ON_SHUTDOWN="dance").err, "ON_SHUTDOWN is suspend, shutdown, poweroff or ignore, not 'dance'")


def test_machines_are_saved_and_those_that_do_not_shut_down_end(host):
    machines = Machines(host)
    for name in ("saved", "deaf"):
        host.define_sector(name)
        host.ok("start", name)
    host.lodge_ok("host", "machine", "deaf", "--on-shutdown", "shutdown")
    machines.ok("shutdown-machines", ON_SHUTDOWN="suspend", SHUTDOWN_TIMEOUT=1)
    equal((host.state("saved"), host.state("deaf")), ("shut off", "shut off"))
    contains(host.ok("dominfo", "saved"), "Managed save:   yes")
    contains(host.ok("dominfo", "deaf"), "Managed save:   no")
    begun = time.monotonic()
    host.lodge_ok("host", "machine", "saved", "--ready", "1")
    machines.ok("start-machines")
    check(time.monotonic() - begun > 1, "the next one waits")
    equal((host.state("saved"), host.state("deaf")), ("running", "running"))
    contains(host.ok("dominfo", "saved"), "Managed save:   no")
