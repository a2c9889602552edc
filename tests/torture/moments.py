"""Kills the daemon and QEMU while machines whose guests write are snapshotted, brought back, copied and backed up; see
run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import xml.etree.ElementTree as ElementTree

import libvirt

from connection import Connection
from lodgetest.host import *
from torture import Load

KIB, MIB = 1 << 10, 1 << 20
SIZE = 16 * MIB
TARGETS = ("vda", "vdb")
CELLS, CELL = 12, 512 * KIB  # what the client writes: a byte each, from the second MiB on
SLOTS = 8  # what the guest writes: see writer.S
MOST_SNAPSHOTS = 7
RUNNING, SHUTOFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_SHUTOFF
JOURNAL = "var/lib/libvirt/qemu/snapshot/{}/.lodge/journal"
# What may be said of an operation that cannot be done now; nothing has changed then.
REFUSALS = ("which the running machine has below its disk", "has no backing file", "needed by", "needs what is below that", "has to be copied first", "that need what is below",
            "a full backup", "full backup is due", "inconsistent", "no backing file", "no domain backup job",
            "is not paused or running", "domain is not running", "Requested operation is not valid: domain is")


class Cut(Exception):
    """The daemon or QEMU was killed under the operation."""


def sh(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        fail(f"{' '.join(map(str, args))}: {done.stdout}")
    return done.stdout


class State:
    """What the disks of a machine hold. A cell is None while nobody knows: a write was cut off.

    low    the guest's number is not below this
    number the guest's number; None: nobody has looked yet"""

    def __init__(self):
        self.cells = {target: [0] * CELLS for target in TARGETS}
        self.low = 0
        self.number = None

    def copy(self):
        other = State()
        other.cells = {target: list(cells) for target, cells in self.cells.items()}
        other.low, other.number = self.low, self.number
        return other

    def differs(self, seen):
        """What @seen has that this cannot be; None."""
        for target in TARGETS:
            for i, (wanted, got) in enumerate(zip(self.cells[target], seen.cells[target])):
                if wanted is not None and wanted != got:
                    return f"{target} cell {i}: {got}, wanted {wanted}"
        if self.number is not None and seen.number != self.number:
            return f"the guest's number is {seen.number}, wanted {self.number}"
        return f"the guest's number is {seen.number}, at least {self.low} was there" if seen.number < self.low else None

    def pin(self, seen):
        self.cells = {target: list(cells) for target, cells in seen.cells.items()}
        self.low = self.number = seen.number


def read(images, what):
    """The State of {target: (path, format, name of a snapshot inside)}: the disks at one moment."""
    state, numbers = State(), {}
    for target, (path, kind, inside) in images.items():
        raw = pathlib.Path(f"{os.environ['LODGE_TORTURE_ROOT']}/read-{threading.get_ident()}")
        sh("qemu-img", "convert", "-U", "-f", kind, *(["-l", f"snapshot.name={inside}"] if inside else []), "-O", "raw", path, raw)
        data = raw.read_bytes()
        raw.unlink()
        for i in range(CELLS):
            cell = data[MIB + i * CELL:MIB + (i + 1) * CELL]
            state.cells[target][i] = cell[0] if cell == cell[:1] * CELL else hashlib.sha1(cell).hexdigest()
        numbers[target] = guest_number(data, f"{what}: {target} in {path}")
    first, second = (numbers[target] for target in TARGETS)
    check(second in (first, first - 1), f"{what}: the disks are of two moments: {first} and {second}")
    state.number = first
    return state


def guest_number(data, what):
    slots = []
    for i in range(SLOTS):
        sector = data[(1 + i) * 64 * KIB:][:512]
        check(sector == sector[:4] * 128, f"{what}: slot {i} is torn")
        slots.append(int.from_bytes(sector[:4], "little"))
    top = max(slots)
    wanted = [max((n for n in range(max(1, top - SLOTS + 1), top + 1) if n % SLOTS == i), default=0) for i in range(SLOTS)]
    equal(slots, wanted, f"{what}: what the guest wrote, of one moment")
    return top


class Machine(Connection):
    """One machine, driven by one client.

    present    its State now
    known      that of each snapshot
    after      what an operation that was cut off may have led to: a function that finds out; None"""

    def __init__(self, host, number, seed):
        super().__init__(host)
        self.name = f"m{number}"
        self.chance = random.Random(f"{seed}/{number}")
        self.folder = host.path(f"data/{self.name}")
        self.out = host.path(f"data/{self.name}-out")
        for folder in (self.folder, self.out):
            folder.mkdir()
            folder.chmod(0o755)
        self.present, self.known = State(), {}
        self.after = None
        self.count = 0
        self.done = {}  # how often each operation came to its end
        self.log = []
        self.killed = False
        self.full = None  # the last copy that a backup made, and its State; what follows it is incremental
        self.make()

    def make(self):
        disks = ""
        boot = self.host.path("data/writer.bin")
        for order, target in enumerate(TARGETS, 1):  # firmware knows those only that it may boot from
            path = self.folder / f"{target}.qcow2"
            sh("qemu-img", "create", "-q", "-f", "qcow2", path, SIZE)
            disks += (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
                      f"<target dev='{target}' bus='virtio'/><boot order='{order}'/></disk>")
        sh("qemu-io", "-f", "qcow2", "-c", f"write -q -s {boot} 0 512", self.folder / "vda.qcow2")
        self.host.conn.defineXML(self.host.guests.empty(self.name, devices=disks)).create()

    # -- asking -------------------------------------------------------------------------------------------------

    def domain(self):
        return self.conn.lookupByName(self.name)

    def is_on(self):
        return self.ask(lambda: self.domain().isActive())

    def ask(self, function):
        try:
            return function()
        except libvirt.libvirtError as error:
            if self.killed:
                raise Cut from error
            raise

    def client(self, *words, program="virsh", may_fail=False):
        """A client's command; True when it did what it was to do. A refusal is fine if it is one of those."""
        first = ["virsh"] if program == "virsh" else [self.host.lodge_program]
        done = run([*first, "-c", self.host.daemon.uri, *words], timeout=120)
        if done.code == 0:
            return True
        if self.killed:
            raise Cut(str(done))
        if may_fail or any(text in done.err for text in REFUSALS):
            return False
        fail(str(done))

    def paths(self):
        """{target: path} of the present."""
        tree = ElementTree.fromstring(self.ask(lambda: self.domain().XMLDesc(0)))
        return {d.find("target").get("dev"): d.find("source").get("file") for d in tree.iter("disk")
                if d.find("target").get("dev") in TARGETS}

    # -- operations ---------------------------------------------------------------------------------------------

    def step(self):
        self.count += 1
        choices = [self.write] * 3 + [self.take] * 4 + [self.revert] * 2 + [self.delete] * 3
        if self.is_on():
            choices += [self.commit, self.commit, self.pull, self.copy, self.push, self.fetch, self.checkpoint, self.turn_off]
        else:
            choices += [self.turn_on] * 3
        choices += [self.keep, self.move]
        operation = self.chance.choice(choices)
        self.log = self.log[-12:] + [operation.__name__]
        try:
            operation()
            self.after = None
            self.done[operation.__name__] = self.done.get(operation.__name__, 0) + 1
        except Cut:
            self.log.append("(cut)")
            raise

    def drive(self):
        """Until something is killed under it."""
        try:
            while not self.killed:
                self.step()
        except Cut:
            pass

    def write(self):
        cell, value = self.chance.randrange(CELLS), self.chance.randrange(1, 256)
        is_on, paths = self.is_on(), self.paths()
        for number, target in enumerate(TARGETS):
            before = self.present.cells[target][cell]
            self.present.cells[target][cell] = None
            command = f"write -q -P {value} {MIB + cell * CELL} {CELL}"
            if not is_on:
                sh("qemu-io", "-f", "qcow2", "-c", command, paths[target])
            else:
                for line in (command, "flush"):
                    text = f'qemu-io -d /machine/peripheral/virtio-disk{number}/virtio-backend "{line}"'
                    if not self.client("qemu-monitor-command", self.name, "--hmp", text):
                        self.present.cells[target][cell] = before
                        return
            self.present.cells[target][cell] = value
        self.log[-1] += f" {value} to {cell}"

    def names(self):
        return self.ask(lambda: [s.getName() for s in self.domain().listAllSnapshots()])

    def take(self):
        if len(self.known) >= MOST_SNAPSHOTS:
            return self.delete()
        name = f"s{self.count}"
        is_on = self.is_on()
        kinds = [["--disk-only", "--atomic"], ["--disk-only", "--atomic"], []]
        if is_on:
            kinds.append(["--memspec", f"file={self.folder}/{name}.memory"])
        options = self.chance.choice(kinds)
        self.log[-1] += f" {name} {options}"
        state = self.present.copy()
        if is_on:
            state.number = None

        def found():
            if name in self.names():
                self.known[name] = state
        self.after = found
        if self.client("snapshot-create-as", self.name, name, *options):
            self.known[name] = state

    def revert(self):
        if not self.known:
            return
        name = self.chance.choice(sorted(self.known))
        options = self.chance.choice([[], [], ["--running"]])
        self.log[-1] += f" {name} {options}"
        old, new = self.present, self.known[name].copy()

        def found():
            """Back there, or not; what the guest has written since then counts for both."""
            seen = self.look_at_present("after a revert that was cut off")
            old_why, new.number = self.running_differs(old, seen), None
            if old_why and self.running_differs(new, seen):
                fail(f"neither here nor there: {old_why}; {self.running_differs(new, seen)}")
            self.present = old if not old_why else new
        self.after = found
        self.present = State()
        self.present.cells = {target: [None] * CELLS for target in TARGETS}
        if self.client("snapshot-revert", self.name, name, *options):
            self.present = new
            self.present.low, self.present.number = new.number or new.low, None
        else:
            self.present = old

    @staticmethod
    def running_differs(wanted, seen):
        state = wanted.copy()
        state.low, state.number = state.number or state.low, None
        return state.differs(seen)

    def delete(self):
        if not self.known:
            return
        name = self.chance.choice(sorted(self.known))
        options = self.chance.choice([[]] * 6 + [["--children"], ["--children-only"]])
        self.log[-1] += f" {name} {options}"

        def found():
            there = self.names()
            self.known = {key: state for key, state in self.known.items() if key in there}
        self.after = found
        if self.client("snapshot-delete", self.name, name, *options):
            found()
            if not options:
                check(name not in self.known, f"snapshot {name} was deleted and is there")

    def nothing(self):
        """The operation changes nothing that can be read."""

    def commit(self):
        """May cost snapshots, which can be forgotten only."""
        self.after = self.forget_lost
        shallow = ["--shallow"] if self.chance.random() < 0.7 else []
        self.client("blockcommit", self.name, self.chance.choice(TARGETS), "--active", *shallow, "--pivot", "--wait")
        self.forget_lost()

    def forget_lost(self):
        own = self.host.path(JOURNAL.format(self.name)).parent
        for name in [path.stem for path in own.glob("*.overwritten")]:
            self.log.append(f"(lost {name})")
            done = self.host.virsh("snapshot-revert", self.name, name)
            if self.killed:
                raise Cut
            check("block-commit has written to its image" in done.err, f"a snapshot that is lost: {done}")
            if self.client("snapshot-delete", self.name, name, "--metadata"):
                del self.known[name]
                (self.folder / f"{name}.memory").unlink(missing_ok=True)

    def pull(self):
        self.after = self.nothing
        self.client("blockpull", self.name, self.chance.choice(TARGETS), "--wait")

    def copy(self):
        self.after = self.nothing
        target = self.chance.choice(TARGETS)
        path = self.folder / f"{target}-copy{self.count}.qcow2"
        end = self.chance.choice(["--pivot", "--pivot", "--finish"])
        self.client("blockcopy", self.name, target, str(path), "--format", "qcow2", "--transient-job", "--wait", end)

    def backup_xml(self, number, mode="push", since=None):
        disks = "".join(f"<disk name='{t}' type='file'><driver type='qcow2'/><target file='{self.out}/b{number}-{t}'/></disk>"
                        for t in TARGETS)
        since = f"<incremental>{since}</incremental>" if since else ""
        if mode == "pull":
            return (f"<domainbackup mode='pull'>{since}<server transport='unix' socket='{self.out}/nbd'/></domainbackup>")
        return f"<domainbackup>{since}<disks>{disks}</disks></domainbackup>"

    def begin(self, xml, checkpoint=None):
        words = ["backup-begin", self.name, self.host.write_xml(xml, f"{self.name}-backup.xml")]
        if checkpoint:
            words += ["--checkpointxml", self.host.write_xml(
                f"<domaincheckpoint><name>{checkpoint}</name></domaincheckpoint>", f"{self.name}-cp.xml")]
        return self.client(*words)

    def backup_ended(self):
        wait_until(lambda: self.killed or self.ask(lambda: self.domain().jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE),
                   "the backup ends", 60)
        if self.killed:
            raise Cut
        stats = self.ask(lambda: self.domain().jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED))
        equal(stats["type"], libvirt.VIR_DOMAIN_JOB_COMPLETED, f"how the backup ended: {stats}")

    def backups(self, number):
        return {t: (self.out / f"b{number}-{t}", "qcow2", None) for t in TARGETS}

    def push(self, since=None, checkpoint=None):
        """Copies in images of their own: the disks at the moment at which it began."""
        self.after = self.nothing
        number, wanted = self.count, self.present.copy()
        wanted.number = None
        if not self.begin(self.backup_xml(number, since=since), checkpoint):
            return None
        self.backup_ended()
        if since:
            for target in TARGETS:
                sh("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", self.out / f"b{self.full}-{target}",
                   self.out / f"b{number}-{target}")
        self.compare(wanted, self.backups(number), f"backup {number}")
        for path, _, _ in self.backups(number).values():
            sh("qemu-img", "check", "-q", path)
        if not checkpoint:
            for path, _, _ in self.backups(number).values():
                path.unlink()
        return number

    def checkpoint(self):
        """A full backup, or one of what has changed since the last."""
        since = f"c{self.full}" if self.full else None
        name = f"c{self.count}"
        number = self.push(since, name)
        if number is None:
            self.client("checkpoint-delete", self.name, since, may_fail=True)
        elif since:
            self.client("checkpoint-delete", self.name, since)
        self.full = number

    def compare(self, wanted, images, what):
        seen = read(images, what)
        why = wanted.differs(seen)
        check(not why, f"{what}: {why}")

    def fetch(self):
        """Over NBD, while the guest goes on."""
        self.after = self.nothing
        wanted = self.present.copy()
        wanted.number = None
        if not self.begin(self.backup_xml(self.count, "pull")):
            return
        images = {}
        for target in TARGETS:
            path = self.out / f"f{self.count}-{target}"
            done = run(["qemu-img", "convert", "-O", "qcow2", f"nbd+unix:///{target}?socket={self.out}/nbd", path], timeout=60)
            if done.code and self.killed:
                raise Cut
            equal(done.code, 0, str(done))
            images[target] = (path, "qcow2", None)
        self.compare(wanted, images, "what was fetched")
        self.client("domjobabort", self.name, may_fail=True)
        for path, _, _ in images.values():
            path.unlink()

    def keep(self):
        """Into a repository, and out of it."""
        self.after = self.nothing
        wanted = self.present.copy()
        if self.is_on():
            wanted.number = None
        repo = str(self.out / "repo")
        if not self.client("backup", "create", self.name, repo, program="lodge"):
            return
        name = f"r{self.name}x{self.count}"
        if self.client("backup", "restore", repo, "latest", "--as", name, "--folder", str(self.out), "--format", "raw",
                       program="lodge"):
            self.compare(wanted, {t: (self.out / f"{name}-{t}.img", "raw", None) for t in TARGETS}, "what was restored")
            self.forget(name)

    def forget(self, name):
        self.ask(lambda: self.conn.lookupByName(name).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA))
        for path in self.out.glob(f"{name}-*"):
            path.unlink()

    def move(self):
        self.after = self.nothing
        target, pool = self.chance.choice(TARGETS), self.chance.choice(["p0", "p1"])
        self.log[-1] += f" {target} {pool}"
        self.client("disk", "move", self.name, target, pool, program="lodge", may_fail=True)

    def turn_on(self):
        self.present.low, self.present.number = self.present.number or self.present.low, None
        self.after = self.nothing
        self.ask(lambda: self.domain().create())

    def turn_off(self):
        self.after = self.nothing
        self.ask(lambda: self.domain().destroy())
        self.present.pin(self.look_at_present("turned off"))

    # -- what must hold -----------------------------------------------------------------------------------------

    def look_at_present(self, what):
        """A machine that runs stands still meanwhile."""
        dom = self.domain()
        was_running = dom.state()[0] == RUNNING
        if was_running:
            dom.suspend()
        try:
            return read({t: (path, "qcow2", None) for t, path in self.paths().items()}, f"{what}, the present")
        finally:
            if was_running:
                dom.resume()

    def quiet(self):
        """What was cut off has been finished or taken back; what nobody is there to end any more is ended."""
        dom = self.domain()
        wait_until(lambda: not self.host.path(JOURNAL.format(self.name)).exists(), "work on snapshots is finished", 60)
        if dom.isActive():
            if self.host.virsh("backup-dumpxml", self.name).code == 0:
                self.host.virsh("domjobabort", self.name)
                wait_until(lambda: self.host.virsh("backup-dumpxml", self.name).code, "the backup ends", 30)
            for target in TARGETS:
                if dom.blockJobInfo(target, 0):
                    self.host.virsh("blockjob", self.name, target, self.chance.choice(["--abort", "--pivot"]))
                    self.host.virsh("blockjob", self.name, target, "--abort")
                wait_until(lambda t=target: not dom.blockJobInfo(t, 0), f"no job works on {target}", 60)

    def settle(self, what):
        """All of it, after a kill."""
        self.quiet()
        if self.after:
            self.after()
            self.after = None
        self.check(what)

    def check(self, what):
        seen = self.look_at_present(what)
        why = self.running_differs(self.present, seen) if self.domain().isActive() else self.present.differs(seen)
        check(not why, f"{what}, the present: {why}")
        self.present.pin(seen)
        if self.domain().isActive():
            self.present.number = None
        names = self.names()
        equal(sorted(names), sorted(self.known), f"{what}: snapshots")
        for name in names:
            self.check_snapshot(what, name)
        self.check_images(what)

    def check_snapshot(self, what, name):
        document = ElementTree.fromstring(self.domain().snapshotLookupByName(name).getXMLDesc(0))
        modes = {d.get("name"): d.get("snapshot") for d in document.find("disks")}
        images = {}
        for disk in document.find("domain").iter("disk"):
            target = disk.find("target").get("dev")
            images[target] = (disk.find("source").get("file"), "qcow2", name if modes[target] == "internal" else None)
        memory = document.find("memory")
        if memory is not None and memory.get("snapshot") == "external":
            check(os.path.exists(memory.get("file")), f"{what}: the memory of snapshot {name} is not there")
        seen = read(images, f"{what}, snapshot {name}")
        why = self.known[name].differs(seen)
        check(not why, f"{what}, snapshot {name}: {why}")
        self.known[name].pin(seen)

    def needed(self):
        """Images of the present and of snapshots, and their memory."""
        found, todo = set(), list(self.paths().values())
        for name in self.known:
            text = self.domain().snapshotLookupByName(name).getXMLDesc(0)
            document = ElementTree.fromstring(text)
            todo += [d.find("source").get("file") for d in document.find("domain").iter("disk")]
            todo += [m.get("file") for m in document.iter("memory") if m.get("file")]
        while todo:
            path = todo.pop()
            if path in found:
                continue
            found.add(path)
            if not path.endswith(".memory"):
                info = json.loads(sh("qemu-img", "info", "-U", "--output=json", path))
                if "backing-filename" in info:
                    todo.append(info["full-backing-filename"])
        return found

    def check_images(self, what):
        """None is damaged, and none is there that nobody needs: but for those that this client has left."""
        needed = self.needed()
        folders = [self.folder, self.host.path("data/p0"), self.host.path("data/p1")]
        there = {str(p) for folder in folders for p in folder.iterdir()
                 if folder == self.folder or p.name.startswith(f"{self.name}-") or p.name.startswith(".")}
        left = there - needed
        for path in sorted(left):
            is_own = re.search(r"/vd[ab](-copy\d+)?\.qcow2$", path) or f"/{self.name}-vd" in path or \
                self.left_by_client(path)
            check(is_own, f"{what}: '{path}' is left")
            os.unlink(path)
        if not self.domain().isActive():
            for path in sorted(needed):
                if not path.endswith(".memory"):
                    code = subprocess.run(["qemu-img", "check", "-q", path], check=False, capture_output=True).returncode
                    check(code in (0, 3), f"{what}: qemu-img check {path}: {code}")  # 3: clusters that QEMU had when it died
        for path in self.out.iterdir():
            if path.name != "repo" and not re.match(r"b\d+-", path.name):
                # a client that was cut off leaves these: what it fetched, a machine half restored
                check(re.match(r"f\d+-|nbd$|r", path.name), f"{what}: '{path}' is left")
                path.unlink()
        for path in self.out.glob("b*"):
            if self.full is None or int(re.match(r"b(\d+)-", path.name).group(1)) > self.full:
                path.unlink()

    def left_by_client(self, path):
        """Commits and pulls leave images behind; they are the client's."""
        return any(word in " ".join(self.log) for word in ("commit", "pull", "copy", "move")) and ".s" in os.path.basename(path)

    def go_back_to_all(self, what):
        """Each snapshot that is listed can be gone back to, and the machine starts there."""
        for name in sorted(self.known):
            self.client("snapshot-revert", self.name, name, "--running")
            self.present = self.known[name].copy()
            self.present.low, self.present.number = self.present.number or self.present.low, None
            self.check(f"{what}, back at {name}")


class Guests(Load):
    """A Load whose clients also have to be told who was killed."""

    def drive(self, machine):
        try:
            machine.connect()
            machine.drive()
        except Exception as error:  # pylint: disable=broad-except
            if not machine.killed or not isinstance(error, (libvirt.libvirtError, Cut)):
                self.problems.append(f"{machine.name}: {error} after {machine.log}")

    def kill(self, chance, host, kind):
        for machine in self.machines:
            machine.killed = True
        if kind != "qemu":
            host.kill_daemon()
        if kind != "daemon":
            for pid in qemus():
                kill(pid)


def test_moments_torture(host):
    options = json.loads(os.environ["LODGE_TORTURE"])
    os.environ["LODGE_TORTURE_ROOT"] = str(host.path("."))
    chance = random.Random(options["seed"])
    for name in ("data", "data/p0", "data/p1"):
        host.path(name).mkdir()
        host.path(name).chmod(0o755)
    for pool in ("p0", "p1"):
        host.ok("pool-create-as", pool, "dir", "--target", host.path(f"data/{pool}"))
    source = pathlib.Path(__file__).with_name("writer.S")
    sh("as", "--32", "-o", host.path("data/writer.o"), source)
    sh("ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat", "binary", "-o", host.path("data/writer.bin"), host.path("data/writer.o"))
    machines = [Machine(host, number, options["seed"]) for number in range(options["machines"])]
    kills = {"daemon": 0, "qemu": 0, "both": 0}
    for number in range(options["rounds"]):
        kind = ("daemon", "daemon", "qemu", "daemon", "daemon", "both")[number % 6]
        kills[kind] += 1
        one_round(host, machines, chance, number, kind)
    for machine in machines:
        machine.go_back_to_all("at the end")
        check(machine.present.low > 0, f"the guest of {machine.name} has written")
        machine.drop()
    done = {name: sum(m.done.get(name, 0) for m in machines) for name in sorted({n for m in machines for n in m.done})}
    print(f"kills: {kills}; operations that came to their end: {done}", flush=True)


def one_round(host, machines, chance, number, kind):
    delay = chance.uniform(0.2, 4) * max(1, SLOWNESS / 2)
    for machine in machines:
        machine.killed = False
    what = f"round {number + 1}, {kind} killed"
    with Guests(machines) as load:
        end = time.monotonic() + delay
        while time.monotonic() < end and not load.problems:
            time.sleep(0.01)  # the random moment
        if not load.problems:
            load.kill(chance, host, kind)
    check(not load.problems, f"{what}: before that: {load.problems}")
    if kind != "qemu":
        host.daemon.start()
    for machine in machines:
        machine.killed = False
        machine.drop()
        machine.connect()
        if kind != "daemon":
            # It may be there again: going back to where it ran was finished.
            wait_until(lambda m=machine: m.domain().isActive() == bool([a for a in qemus().values() if f"guest={m.name}," in " ".join(a)]),
                       "the daemon knows that QEMU is gone", 30)
        try:
            machine.settle(what)
            if kind != "daemon" or chance.random() < 0.15:
                machine.go_back_to_all(what)
            if not machine.domain().isActive():
                machine.domain().create()
                machine.present.low, machine.present.number = machine.present.number or machine.present.low, None
        except (TestFailure, libvirt.libvirtError) as failure:
            fail(f"{what}: {machine.name} after {machine.log}: {failure}")
    print(f"round {number + 1}: {kind} killed after {delay:.2f} s; {sum(len(m.known) for m in machines)} snapshots, "
          f"the guests are at {[m.present.low for m in machines]}; {sum(m.count for m in machines)} operations so far: "
          f"{[m.log[-2:] for m in machines]}", flush=True)
    host.drop_connections()
