"""What changed since a checkpoint stays known, or is said to be unknown, when images of a chain become one or are left.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark
from test_checkpoint import CLUSTER, bitmaps, disk, image, qmp, write

OWN = dict(only="lodged", reason="lodge's own")


def push(host, name, since=None, checkpoint=None):
    """A copy; since None: a full one. Returns its path, or the words of a refusal."""
    target = str(host.path(f"copy-{name}"))
    inner = f"<incremental>{since}</incremental>" if since else ""
    xml = (f"<domainbackup>{inner}<disks><disk name='vda' type='file'><driver type='qcow2'/><target file='{target}'/></disk>"
           "</disks></domainbackup>")
    words = ["backup-begin", "m", host.write_xml(xml, "backup.xml")]
    if checkpoint:
        words += ["--checkpointxml", host.write_xml(f"<domaincheckpoint><name>{checkpoint}</name></domaincheckpoint>", "cp.xml")]
    done = host.virsh(*words)
    if done.code:
        contains(done.err, "checkpoint inconsistent")
        return None
    dom = host.conn.lookupByName("m")
    wait_until(lambda: dom.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "the backup ends", timeout=60)
    equal(dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"], libvirt.VIR_DOMAIN_JOB_COMPLETED)
    return target


def active(host):
    return host.ok("domblklist", "m").split()[4]


class Story:
    """A machine with a chain of four images: three external snapshots, and a checkpoint before and after each."""

    def __init__(self, host, kind="qcow2"):
        self.host, self.marks, self.count = host, [], 0
        self.base = image(host, "base", 16, kind)
        host.conn.defineXML(host.guests.empty("m", devices=disk(self.base, kind=kind)))
        host.ok("start", "m")
        for number in range(4):
            if number:
                self.change()
                host.ok("snapshot-create-as", "m", f"s{number}", "--disk-only")
            self.change()
            if number or kind == "qcow2":
                self.mark(f"c{number}")
            self.change()

    def change(self):
        """A cluster of its own each time, and one that all of them change."""
        self.count += 1
        write(self.host, "m", self.count, self.count * 3 * CLUSTER)
        write(self.host, "m", self.count, CLUSTER, 2 * CLUSTER)

    def mark(self, name):
        check(push(self.host, f"full-{name}", None, name), "a full backup")
        self.marks.append(name)

    def check(self, what, must_know=True):
        """Each backup of what changed, on top of the full one, is the disk; one that cannot be is refused."""
        self.change()
        known = []
        for name in self.marks:
            self.count += 1
            target = push(self.host, f"{name}-{self.count}", name)
            if not target:
                continue
            full = str(self.host.path(f"copy-full-{name}"))
            subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", full, target], check=True)
            done = subprocess.run(["qemu-img", "compare", "-U", target, active(self.host)], capture_output=True, text=True, check=False)
            equal(done.returncode, 0, f"{what}: since {name}: {done.stdout}{done.stderr}")
            known.append(name)
        if must_know:
            equal(known, self.marks, f"{what}: what changed is known since")
        return known

    def chain(self):
        return [os.path.basename(layer["filename"]) for layer in json.loads(subprocess.run(
            ["qemu-img", "info", "-U", "--backing-chain", "--output=json", active(self.host)], check=True, capture_output=True).stdout)]


def test_pulls(host):
    story = Story(host)
    story.check("before")
    host.ok("blockpull", "m", "vda", "--base", f"{story.base[:-4]}base.s1", "--wait")
    equal(len(story.chain()), 3)
    story.check("part of the chain")
    host.ok("blockpull", "m", "vda", "--wait")
    equal(len(story.chain()), 1)
    story.check("all of the chain")
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    story.check("after a restart")


def test_commits(host):
    story = Story(host)
    folder = story.base[:-4]
    host.ok("blockcommit", "m", "vda", "--top", f"{folder}base.s2", "--base", f"{folder}base.s1", "--wait")
    equal(story.chain(), ["base.s3", "base.s1", "base"])
    story.check("one into the next")
    host.ok("blockcommit", "m", "vda", "--active", "--shallow", "--pivot", "--wait")
    equal(story.chain(), ["base.s1", "base"])
    story.check("the active one")
    host.crash_daemon()
    host.ok("blockcommit", "m", "vda", "--active", "--pivot", "--wait")
    equal(story.chain(), ["base"])
    story.check("all")
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    story.check("after a restart")


def test_snapshots_that_are_deleted(host):
    story = Story(host)
    host.ok("snapshot-delete", "m", "s2")
    story.check("in the middle")
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("snapshot-delete", "m", "s1")
    host.ok("start", "m")
    story.check("of a machine that is off")
    host.ok("snapshot-delete", "m", "s3")
    equal(len(story.chain()), 1)
    story.check("the last one")


def test_a_raw_image_below(host):
    """It cannot have bitmaps: nobody claims to know what changed."""
    story = Story(host, "raw")
    host.ok("snapshot-delete", "m", "s1")
    equal(story.check("into a raw image", False), ["c2", "c3"])
    host.ok("snapshot-delete", "m", "s2")
    equal(story.check("again", False), ["c3"])
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("snapshot-delete", "m", "s3")
    host.ok("start", "m")
    equal(story.check("of a machine that is off", False), [])
    equal(bitmaps(host, "m", story.base), [])


def test_a_raw_image_below_a_machine_that_is_off(host):
    story = Story(host, "raw")
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    host.ok("snapshot-delete", "m", "s1")
    host.ok("start", "m")
    equal(len(story.chain()), 3)
    equal(story.check("into a raw image", False), [])


@mark(**OWN)
def test_copies(host):
    """Of all of the chain, of the active image alone, into another pool."""
    story = Story(host)
    copy = host.path("var/lib/libvirt/images/copy")
    host.ok("blockcopy", "m", "vda", copy, "--shallow", "--transient-job", "--wait", "--pivot")
    equal(len(story.chain()), 4)
    story.check("a shallow copy")
    host.ok("blockcopy", "m", "vda", f"{copy}2", "--transient-job", "--wait", "--pivot")
    equal(story.chain(), ["copy2"])
    story.check("a full copy")
    folder = host.path("var/lib/libvirt/fast")
    host.ok("pool-create-as", "fast", "dir", "--target", folder, "--build")
    host.lodge_ok("disk", "move", "m", "vda", "fast", timeout=60)
    story.check("a move")
    host.ok("blockcopy", "m", "vda", f"{copy}3", "--format", "raw", "--transient-job", "--wait", "--pivot")
    equal(story.check("a raw copy", False), [])


def test_the_image_below_lost_track(host):
    """A bitmap below is broken: with its image goes what it was about, and nobody claims to know."""
    story = Story(host)
    marks = story.marks
    host.ok("destroy", "m")
    bad = f"{story.base[:-4]}base.s2"
    # as a host leaves it that died: in use
    data = bytearray(open(bad, "rb").read())
    told = json.loads(subprocess.run(["qemu-img", "info", "--output=json", bad], check=True, capture_output=True).stdout)
    names = [b["name"] for b in told["format-specific"]["data"]["bitmaps"]]
    check("c0" in names, names)
    for name in names:
        at = data.index(b"\x01\x10\x00\x02\x00\x00\x00\x00" + name.encode())  # type, granularity, lengths, name
        data[at - 1] |= 1  # the last byte of its flags
    open(bad, "wb").write(data)
    host.ok("start", "m")
    equal(story.check("before", False), ["c3"])
    host.ok("blockpull", "m", "vda", "--base", f"{story.base[:-4]}base.s1", "--wait")
    equal(story.check("after a pull", False), ["c3"])
    equal(marks, ["c0", "c1", "c2", "c3"])
