"""The read-only socket can read and changes nothing.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from lodgetest.wire import Wire, WireError


def test_reading_works(host):
    host.start_sector("tiny")
    for command in (["list", "--all"], ["dominfo", "tiny"], ["domstate", "tiny"], ["dumpxml", "tiny"],
                    ["nodeinfo"], ["capabilities"], ["version"], ["uri"], ["domstats"]):
        host.ok(*command, readonly=True)


def test_changes_are_refused(host):
    host.start_sector("tiny")
    host.define_sector("off")
    xml = host.write_xml(host.guests.sector("new"))
    for command in (["start", "off"], ["destroy", "tiny"], ["suspend", "tiny"], ["shutdown", "tiny"],
                    ["define", xml], ["create", xml], ["undefine", "off"], ["autostart", "off"],
                    ["managedsave", "tiny"], ["domrename", "off", "other"], ["send-key", "tiny", "KEY_A"],
                    ["setvcpus", "off", "2", "--config"], ["inject-nmi", "tiny"], ["reset", "tiny"]):
        words = host.refused(*command, readonly=True)
        check("forbidden" in words or "read only" in words.lower(), f"{command}: {words}")
    equal(host.state("tiny"), "running")
    equal(sorted(host.ok("list", "--all", "--name").split()), ["off", "tiny"])


def test_the_socket_decides_whatever_the_client_says(host):
    """A client that asks for read-write on the read-only socket stays a reader."""
    host.define_sector("tiny")
    wire = Wire(host.daemon.socket_ro).open(readonly=False)
    dom = wire.call("domain_lookup_by_name", name="tiny")["dom"]
    try:
        wire.call("domain_create", dom=dom)
    except WireError as error:
        equal(error.code, libvirt.VIR_ERR_OPERATION_DENIED)
    else:
        fail("a machine was started through the read-only socket")
    equal(host.state("tiny"), "shut off")


def test_a_readonly_connection_on_the_other_socket_is_a_reader_too(host):
    dom = host.define_sector("tiny")
    wire = Wire(host.daemon.socket).open(readonly=True)
    found = wire.call("domain_lookup_by_name", name="tiny")["dom"]
    try:
        wire.call("domain_create", dom=found)
    except WireError as error:
        equal(error.code, libvirt.VIR_ERR_OPERATION_DENIED)
    else:
        fail("a machine was started through a read-only connection")
    equal(dom.isActive(), 0)


def test_permissions_of_the_sockets(host):
    equal(oct(host.daemon.socket_ro.stat().st_mode & 0o777), "0o777")


@mark(timeout=200, only="lodged", reason="it has a thread per call at most")
def test_statistics_for_many_readers_cost_little(host):
    """Each call once took a fiber for each machine, until the kernel gave no more memory maps for their stacks."""
    for i in range(12):
        host.start_sector(f"m{i}")
    host.ok("domstats")
    pids = [host.qemu_pid(f"m{i}") for i in range(12)]
    readers = [Wire(host.daemon.socket_ro, timeout=60).open(readonly=True) for _ in range(150)]

    def count_maps():
        return len(open(f"/proc/{host.daemon.pid}/maps").readlines())

    before = most = count_maps()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that all of them are under way together
    try:
        serials = []
        for reader in readers:
            serials.append([reader.send("connect_get_all_domain_stats", doms=[], stats=0, flags=0) for _ in range(5)])
            most = max(most, count_maps())
        begin = time.monotonic()
        host.ok("list", timeout=30)
        check(time.monotonic() - begin < 3 * SLOWNESS, "others wait")
        check(most - before < 2 * 5 * len(readers) + 100, f"{most - before} maps more than before")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    for reader, own in zip(readers, serials):
        answered = set()
        while answered != set(own):
            _, _, _, _, serial, status, _ = reader.read()
            equal(status, 0)
            answered.add(serial)
        reader.close()
