"""The torture run itself; see run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import threading
import time
import xml.etree.ElementTree as ElementTree

import libvirt
import libvirt_qemu

from connection import Connection
from lodgetest.host import *

RUNNING, PAUSED, SHUTOFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF
GONE = "gone"  # no such machine


class Machine(Connection):
    """One machine, driven by one client. What it may be: every state that the answers so far allow.

    allowed   the states that it may be in; one, unless an operation was interrupted
    saved     None unknown, or whether a managed save exists
    version   the number that the definition's description carries; versions: those that are possible
    """

    def __init__(self, host, number, seed):
        super().__init__(host)
        self.name = f"m{number}"
        self.chance = random.Random(f"{seed}/{number}")
        self.allowed = {GONE}
        self.saved = {False}
        self.saved_state = None  # the state in which the last managed save was asked for
        self.versions = {None}
        self.id = None  # known while it runs and nothing that changes it is under way
        self.uuid = f"00000000-0000-4000-8000-{number:012d}"
        self.count = 0

    def xml(self, version):
        return self.host.guests.sector(self.name, uuid=self.uuid, description=f"version {version}")

    def step(self):
        """One random operation. The states it may lead to are noted before it is asked for, and narrowed to the
        one it reached when the answer has come."""
        if len(self.allowed) != 1 or len(self.saved) != 1:
            self.look()
        state = next(iter(self.allowed))
        saved = next(iter(self.saved))
        operations = {
            GONE: [self.define],
            SHUTOFF: [self.start, self.start, self.define, self.undefine],
            RUNNING: [self.suspend] * 4 + [self.define] * 3 + [self.dump] * 2 + [self.destroy] + [self.managed_save] * 2,
            PAUSED: [self.resume] * 5 + [self.dump, self.destroy] + [self.managed_save] * 2,
        }[state]
        self.count += 1
        self.chance.choice(operations)(saved)

    def domain(self):
        return self.conn.lookupByName(self.name)

    def change(self, states, function, saved=None, versions=None):
        """Does @function, which leads to one of @states; the old ones stay possible until it has answered."""
        self.allowed = self.allowed | set(states)
        if saved is not None:
            self.saved = self.saved | {saved}
        if versions is not None:
            self.versions = self.versions | versions
        function()
        self.allowed = set(states)
        if saved is not None:
            self.saved = {saved}
        if versions is not None:
            self.versions = versions

    def define(self, _):
        version = self.count
        state = next(iter(self.allowed))
        after = {SHUTOFF} if state == GONE else {state}
        self.change(after, lambda: self.conn.defineXML(self.xml(version)), versions={version})

    def undefine(self, saved):
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        self.change({GONE}, lambda: self.domain().undefineFlags(flags), saved=False, versions={None})

    def start(self, saved):
        # A start from a managed save comes back in the state that was saved.
        after = {self.saved_state} if saved else {RUNNING}
        if self.host.is_reference:
            self.allowed = self.allowed | {PAUSED}  # libvirtd leaves an interrupted start paused
        self.change(after, lambda: self.domain().create(), saved=False)
        self.look()

    def suspend(self, _):
        self.change({PAUSED}, lambda: self.domain().suspend())

    def resume(self, _):
        self.change({RUNNING}, lambda: self.domain().resume())

    def destroy(self, _):
        self.id = None
        self.change({SHUTOFF}, lambda: self.domain().destroy())

    def managed_save(self, _):
        self.saved_state = next(iter(self.allowed))
        if self.host.is_reference:
            self.allowed = self.allowed | {PAUSED}  # libvirtd leaves an interrupted save paused
        self.id = None
        try:
            self.change({SHUTOFF}, lambda: self.domain().managedSave(), saved=True)
        except libvirt.libvirtError as error:
            # QEMU writes the state of a paused machine once, also if that was interrupted.
            if "was written before while it was paused" not in str(error):
                raise
            self.look()

    def dump(self, _):
        """Pauses a machine that runs, and lets it go on: afterwards, and when it is interrupted."""
        kinds = [0, libvirt.VIR_DUMP_LIVE, libvirt.VIR_DUMP_MEMORY_ONLY]
        flags = self.chance.choice(kinds if self.allowed == {RUNNING} else kinds[2:])
        file = self.host.path(f"dump/{self.name}")
        if self.host.is_reference:
            self.allowed = self.allowed | {PAUSED}
        self.change(self.allowed, lambda: self.domain().coreDump(str(file), flags))

    def look(self):
        """What is true now; must be among what is possible. Narrows to it."""
        try:
            dom = self.domain()
            state = dom.state()[0]
            version = description(dom)
            saved = bool(dom.hasManagedSaveImage())
            number = dom.ID()
            uuid = dom.UUIDString()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            state, version, saved, number, uuid = GONE, None, False, -1, self.uuid
        equal(uuid, self.uuid, f"UUID of {self.name}")
        check(state in self.allowed, f"{self.name} is in state {state}, possible are {self.allowed}")
        check(version in self.versions, f"{self.name} has definition {version}, possible are {self.versions}")
        check(saved in self.saved, f"{self.name}: managed save is {saved}, possible are {self.saved}")
        if self.id is not None:
            equal(number, self.id, f"id of {self.name}")
        if state in (RUNNING, PAUSED):
            self.id = number
        self.allowed, self.versions, self.saved = {state}, {version}, {saved}


def description(dom):
    """The version that the definition on disk carries."""
    tree = ElementTree.fromstring(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return int(tree.find("description").text.split()[1])


class Load:
    """All machines with a client each, until the daemon is killed under them."""

    def __init__(self, machines):
        self.machines = machines
        self.stop = threading.Event()
        self.problems = []
        self.threads = [threading.Thread(target=self.drive, args=(m,)) for m in machines]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def drive(self, machine):
        try:
            machine.connect()
            while not self.stop.is_set():
                machine.step()
        except libvirt.libvirtError as error:
            if not lost(error):
                self.problems.append(f"{machine.name}: {error} (code {error.get_error_code()})")
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(f"{machine.name}: {error}")

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            if thread.is_alive():
                self.problems.append("a client hangs although the daemon is gone")


def lost(error):
    """Whether the error says that the connection broke, as it must when the daemon is killed."""
    return error.get_error_domain() in (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE) or \
        error.get_error_code() in (libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INTERNAL_ERROR,
                                   libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_SYSTEM_ERROR) \
        and ("connect" in str(error).lower() or "closed" in str(error).lower() or "socket" in str(error).lower()
             or "end of file" in str(error).lower() or "cannot recv" in str(error).lower()
             or "cannot write" in str(error).lower())


def ids_of_running(host):
    """{name: (id, pid)} from the kernel's side: what must come back after the restart."""
    running = {}
    for path in host.path("run/libvirt/qemu").glob("*.pid"):
        try:
            pid = int(path.read_text().strip())
        except (OSError, ValueError):
            continue
        if alive(pid):
            running[path.stem] = pid
    return running


def check_files(host):
    for path in host.path("etc/libvirt/qemu").glob("*"):
        if path.is_dir():
            continue
        check(path.suffix == ".xml", f"a file that does not belong there: {path.name}")
        tree = ElementTree.parse(path)
        equal(tree.getroot().find("name").text, path.stem, f"name in {path.name}")


def check_processes(host, conn):
    """Every QEMU belongs to a machine that runs, and every machine that runs has one."""
    names = {dom.name(): dom for dom in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
    found = {}
    for pid, args in qemus().items():
        name = next(a for a in args if a.startswith("guest=")).split("=", 1)[1].split(",")[0]
        check(name not in found, f"two QEMUs for {name}: {found.get(name)} and {pid}")
        found[name] = pid
    equal(sorted(found), sorted(names), "machines with a QEMU and machines that run")
    return found


def qemu_runs(dom):
    """What QEMU itself says: the daemon could be wrong."""
    reply = libvirt_qemu.qemuMonitorCommand(dom, '{"execute":"query-status"}', 0)
    return json.loads(reply)["return"]["running"]


def pieces(host):
    """Files that a killed daemon was writing."""
    return [str(p) for folder in ("dump", "etc/libvirt/qemu", "run/libvirt/qemu", "var/lib/libvirt/qemu/save")
            for p in host.path(folder).glob(".lodge-*")]


def test_torture(host):
    host.path("dump").mkdir()
    host.define_sector("first").undefine()  # QEMU is probed once, and not the only thing that is ever interrupted
    options = json.loads(os.environ["LODGE_TORTURE"])
    chance = random.Random(options["seed"])
    machines = [Machine(host, number, options["seed"]) for number in range(options["machines"])]
    for number in range(options["rounds"]):
        one_round(host, machines, chance, number)
    # What is left at the end can be ended the regular way.
    for machine in machines:
        machine.drop()


def one_round(host, machines, chance, number):
    delay = chance.uniform(0.05, 1.5) * SLOWNESS
    with Load(machines) as load:
        end = time.monotonic() + delay
        while time.monotonic() < end and not load.problems:
            time.sleep(0.01)  # the random moment
        host.kill_daemon()
    check(not load.problems, f"round {number}, before the kill: {load.problems}")
    pids = ids_of_running(host)
    host.daemon.start()
    conn = host.conn
    # Interrupted operations are finished or rolled back shortly after the start, not necessarily before it.
    settle(host, conn, machines, number)
    found = check_processes(host, conn)
    check_files(host)
    for name, pid in pids.items():
        if name in found:
            equal(found[name], pid, f"process of {name}")
    states = [next(iter(m.allowed)) for m in machines]
    print(f"round {number + 1}: killed after {delay:.2f} s; running {states.count(RUNNING)}, paused "
          f"{states.count(PAUSED)}, off {states.count(SHUTOFF)}, not defined {states.count(GONE)}; "
          f"{sum(m.count for m in machines)} operations so far", flush=True)
    host.drop_connections()


def settle(host, conn, machines, number):
    for machine in machines:
        machine.drop()
        machine.connect()

    def settled():
        try:
            for machine in machines:
                machine.look()
        except TestFailure as failure:
            why.append(str(failure))
            return False
        active = {d.name(): d for d in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
        why.append(f"machines that run: {sorted(active)}, QEMUs: {len(qemus())}")
        if len(active) != len(qemus()):
            return False
        for machine in machines:
            if not host.is_reference and machine.name in active:
                why.append(f"QEMU of {machine.name} is not in state {machine.allowed}")
                if qemu_runs(active[machine.name]) != (machine.allowed == {RUNNING}):
                    return False
        why.append(f"pieces of files are left: {pieces(host)}")
        return host.is_reference or not pieces(host)

    why = []
    try:
        wait_until(settled, "", timeout=20, interval=0.1)
    except TestFailure:
        fail(f"round {number + 1}: {why[-1]}")
