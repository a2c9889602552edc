"""Load below an allocator that finds writes to freed memory (tests/lib/quarantine.c): `./check memory`.

What the daemon frees while a fiber still waits on it is found here, even if a library does the write. The time is
fixed; what is found is a line of the daemon's log, which no test may leave.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import threading

from lodgetest.host import *
from lodgetest.runner import mark

SECONDS = 12
OWN = {"only": "lodged", "reason": "the allocator is for lodged", "requires": ["quarantine"], "daemon": False}


def start_daemon(host):
    host.daemon.environment["LD_PRELOAD"] = os.environ["LODGE_TEST_QUARANTINE"]
    host.start_daemon()


def hammer(host, *workers):
    """Calls each worker again and again, each in a thread with a connection of its own, for a fixed time. Many
    calls fail, because of what the others do; but if most workers fail always, nothing was tried."""
    end = time.monotonic() + SECONDS
    failures = []
    done = [0] * len(workers)

    def work(number, worker):
        conn = host.open()
        while time.monotonic() < end and not failures:
            try:
                worker(conn)
                done[number] += 1
            except libvirt.libvirtError as error:
                if not host.daemon.running() or error.get_error_domain() == libvirt.VIR_FROM_RPC:
                    failures.append(f"the connection broke: {error}")

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, failures)
    check(host.daemon.running(), "the daemon died")
    check(sum(map(bool, done)) * 2 > len(done), f"most did nothing at all: {done}")


def cycle(name, while_it_runs=lambda: None, **flags):
    def work(conn):
        dom = conn.lookupByName(name)
        try:
            dom.create()
            while_it_runs()
        finally:
            ignore(lambda: dom.destroyFlags(**flags))  # another may have been faster
    return work


def ask_blocks(conn):
    for dom in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        dom.blockStats("hda")


@mark(**OWN)
def test_start_and_destroy_while_statistics_are_asked_for(host):
    start_daemon(host)
    names = [f"m{i}" for i in range(6)]
    for name in names:
        host.define_sector(name)
    hammer(host, *(cycle(name) for name in names), lambda conn: conn.getAllDomainStats(), ask_blocks)


@mark(**OWN)
def test_pause_save_and_dump_while_others_destroy(host):
    """Calls that wait for QEMU, and its end in the midst of them."""
    start_daemon(host)
    for name in ("one", "two"):
        host.define_sector(name)

    went_through = threading.Event()

    def let_others_in():
        went_through.clear()
        went_through.wait(2)

    def disturb(conn):
        dom = conn.lookupByName("two")
        refused = []
        calls = (dom.suspend, dom.resume, dom.managedSave, lambda: dom.managedSaveRemove(),
                 lambda: dom.coreDump(str(host.path("core")), 0))
        for call in calls:
            try:
                call()
                went_through.set()
            except libvirt.libvirtError as error:
                if error.get_error_domain() == libvirt.VIR_FROM_RPC:
                    raise
                refused.append(error)
        if len(refused) == len(calls):
            raise refused[0]

    # The two that start and end "one" hinder each other; of "two" there is something to save.
    hammer(host, cycle("one"), cycle("one"), cycle("two", let_others_in), disturb, disturb)


@mark(**OWN)
def test_stop_while_calls_are_under_way(host):
    """Everything is freed in the end, after those who use it have left."""
    start_daemon(host)
    for name in ("one", "two", "three"):
        host.define_sector(name)
    for _ in range(4):
        threads = []
        for name in ("one", "two", "three"):
            dom = host.open().lookupByName(name)
            threads.append(threading.Thread(target=lambda dom=dom: ignore(dom.create)))
            threads[-1].start()
        host.daemon.stop()
        for thread in threads:
            thread.join()
        host.drop_connections()
        start_daemon(host)
        host.end_machines()


def ignore(call):
    try:
        call()
    except libvirt.libvirtError:
        pass
