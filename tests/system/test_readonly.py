"""The read-only socket can read and changes nothing.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import struct
import subprocess
import sys

from lodgetest.host import *
from lodgetest.runner import mark
from lodgetest.wire import ERROR, Wire, WireError, procedure


def test_reading_works(host):
    host.start_sector("tiny")
    for command in (["list", "--all"], ["dominfo", "tiny"], ["domstate", "tiny"], ["dumpxml", "tiny"],
                    ["nodeinfo"], ["capabilities"], ["version"], ["uri"], ["domstats"]):
        host.ok(*command, readonly=True)


def test_changes_are_refused(host):
    """rows: cli-15"""
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


def compare_cpu(path, wire, xml):
    """What comparing the CPU says: an error, or None; and how long another client waited meanwhile."""
    serial = wire.send("connect_compare_cpu", xml=xml, flags=0)
    begin = time.monotonic()
    with contextlib.closing(Wire(path).open(readonly=True)) as other:
        other.call("connect_get_lib_version")
    held = time.monotonic() - begin
    status, _ = wire.answer(serial)
    return status, held


@mark(only="lodged", reason="limits of lodged")
def test_documents_do_not_hold_others(host):
    """One element with 40,000 attributes held the daemon for 17 s."""
    documents = {
        "attributes": "<cpu " + " ".join(f"a{n}=''" for n in range(40000)) + "/>",
        "depth": "<cpu>" * 40000,
        "siblings": "<cpu>" + "<a/>" * 200000 + "</cpu>",
        "name spaces": "<cpu " + " ".join(f"xmlns:n{n}='u'" for n in range(20000)) + "/>",
        "comments": "<cpu>" + "<!---->" * 60000 + "</cpu>",
        "entities": "<cpu a='" + "&amp;" * 150000 + "'/>",
        "text": "<cpu><model>" + "x" * 900000 + "</model></cpu>",
        "not closed": "<" * 900000,
    }
    for what, xml in documents.items():
        wire = Wire(host.daemon.socket_ro, timeout=30 * SLOWNESS).open(readonly=True)
        status, held = compare_cpu(host.daemon.socket_ro, wire, xml)
        check(status == ERROR or what in ("comments", "entities"), f"{what}: it was accepted")
        check(held < 0.25 * SLOWNESS, f"{what}: another client waited {held:.2f} s")
        wire.close()


# Runs as another user: makes connections and says what became of them; ends when its input does.
CROWD = """
import socket, struct, sys
path, count, data = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]) + bytes(int(sys.argv[4]))
held = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    try:
        s.connect(path)
        if data:
            s.sendall(data)
        held.append(s)
    except OSError:
        break
print(len(held), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def crowd(path, count, data=b"", zeros=0):
    """Connections of the user nobody."""
    command = [sys.executable, "-c", CROWD, str(path), str(count), data.hex(), str(zeros)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=65534, group=65534,
                          extra_groups=[], cwd="/") as process:
        process.stdout.readline()
        yield
        process.stdin.close()


def answers_root(host, path=None):
    with contextlib.closing(Wire(path or host.daemon.socket).open()) as wire:
        begin = time.monotonic()
        wire.call("connect_get_lib_version")
        check(time.monotonic() - begin < 0.5 * SLOWNESS, "root waits")


OWN = {"only": "lodged", "reason": "limits of lodged"}


@mark(**OWN)
def test_connections_of_one_user_leave_places(host):
    host.daemon.settings["max_clients"] = 40
    host.restart_daemon()
    with crowd(host.daemon.socket_ro, 60):
        answers_root(host)
        answers_root(host, host.daemon.socket_ro)
        open_files = len(os.listdir(f"/proc/{host.daemon.pid}/fd"))
        check(open_files < 80, f"{open_files} open files")


@mark(**OWN)
def test_silent_authentications_do_not_shut_out_root(host):
    host.daemon.settings |= {"auth_unix_rw": '"polkit"', "unix_sock_rw_perms": '"0777"'}
    host.restart_daemon()
    with crowd(host.daemon.socket, 30):
        answers_root(host)


@mark(**OWN)
def test_frames_that_never_end_do_not_shut_out_root(host):
    opening = Wire.frame(*procedure("connect_open")[:3], 0,
                         struct.pack(">III", 1, 14, 0x71656d75) + b":///system\0\0" + struct.pack(">I", 1))
    begun = struct.pack(">I", 0x02000000)
    before = resident_mib(host.daemon.pid)
    with crowd(host.daemon.socket_ro, 20, opening + begun, 4 << 20), crowd(host.daemon.socket_ro, 20, begun, 4 << 20):
        answers_root(host)
        grown = resident_mib(host.daemon.pid) - before
        check(grown < 100, f"{grown} MiB for frames that readers may not send")


def resident_mib(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096 // 1048576


def test_a_flood_of_calls_does_not_hold_others(host):
    for number in range(30):
        host.define_sector(f"m{number}")
    flood = Wire(host.daemon.socket_ro).open(readonly=True)
    flood.socket.setblocking(False)
    number = procedure("connect_list_all_domains")[2]
    calls = Wire.frame(*procedure("connect_list_all_domains")[:2], number, 1, struct.pack(">II", 1, 0)) * 500
    waits = []
    with contextlib.closing(Wire(host.daemon.socket).open()) as other:
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                flood.socket.send(calls)
            with contextlib.suppress(BlockingIOError):
                while flood.socket.recv(1 << 20):
                    pass
            begin = time.monotonic()
            other.call("connect_get_lib_version")
            waits.append(time.monotonic() - begin)
    waits.sort()
    check(waits[98] < 0.05 * SLOWNESS, f"others wait {waits[98] * 1000:.0f} ms")
    flood.close()


ABSENT = {
    "network_lookup_by_name": ("x", libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_FROM_NETWORK),
    "storage_pool_lookup_by_name": ("x", libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_FROM_STORAGE),
    "storage_vol_lookup_by_key": ("x", libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_FROM_STORAGE),
    "storage_vol_lookup_by_path": ("/x", libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_FROM_STORAGE),
    "interface_lookup_by_name": ("x", libvirt.VIR_ERR_NO_INTERFACE, libvirt.VIR_FROM_INTERFACE),
    "node_device_lookup_by_name": ("x", libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_FROM_NODEDEV),
    "nwfilter_lookup_by_name": ("x", libvirt.VIR_ERR_NO_NWFILTER, libvirt.VIR_FROM_NWFILTER),
    "nwfilter_binding_lookup_by_port_dev": ("x", libvirt.VIR_ERR_NO_NWFILTER_BINDING, libvirt.VIR_FROM_NWFILTER),
}


def test_objects_that_are_not_there_have_the_errors_of_their_kind(host):
    wire = Wire(host.daemon.socket_ro).open(readonly=True)
    for name, (value, code, domain) in ABSENT.items():
        field = {"storage_vol_lookup_by_key": "key", "storage_vol_lookup_by_path": "path"}.get(name, "name")
        try:
            wire.call(name, **{field: value})
        except WireError as error:
            equal((error.code, error.domain), (code, domain), name)
        else:
            fail(f"{name} found something")
    for command in (["net-list", "--all"], ["pool-list", "--all"], ["nwfilter-list"], ["secret-list"],
                    ["nwfilter-binding-list"]):
        host.ok(*command, readonly=True)
    equal(host.open(readonly=True).listAllNetworks(), [])
    raises(libvirt.VIR_ERR_INVALID_ARG, host.open(readonly=True).listAllNetworks, 1 << 30,
           domain=libvirt.VIR_FROM_NETWORK)
