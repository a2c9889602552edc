"""Block jobs: copies, commits, pulls of a running machine's disks, and what is left of them whoever dies.

Each image has a pattern of its own; what a guest writes, QEMU's own qemu-io writes in its place.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import re
import socket
import subprocess

import libvirt_qemu
from lodgetest.host import *

MIB = 1 << 20
SIZE = 32 * MIB
COPY, COMMIT, ACTIVE, PULL = (libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY, libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT,
                              libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT, libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL)
COMPLETED, FAILED, CANCELED, READY = range(4)
TRANSIENT = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
SLOW = MIB  # bytes per second: hits the middle
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def images(host, *names, kind="qcow2", size=SIZE):
    """A chain, the base first: image number i has the byte i + 1 from MiB 4 * i on, 8 MiB long."""
    below = []
    for number, name in enumerate(names):
        path = host.path(f"var/lib/libvirt/images/{name}")
        equal(run(["qemu-img", "create", "-q", "-f", kind, *below, str(path), str(size)]).code, 0)
        write(path, number + 1, 4 * number, 8, kind)
        below = ["-b", str(path), "-F", kind]
    return [host.path(f"var/lib/libvirt/images/{name}") for name in names]


def write(path, byte, start_mib, mib, kind="qcow2"):
    equal(run(["qemu-io", "-f", kind, "-c", f"write -q -P {byte} {start_mib}M {mib}M", str(path)]).code, 0)


def guest_writes(dom, byte, start_mib, mib, device="virtio-disk0"):
    """As the guest would: through what its device has."""
    line = f"qemu-io -d /machine/peripheral/{device}/virtio-backend \"write -q -P {byte} {start_mib}M {mib}M\""
    text = libvirt_qemu.qemuMonitorCommand(dom, line, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    equal(text.strip(), "", line)


def content(path, kind="qcow2"):
    """The bytes at the beginning of each MiB."""
    raw = f"{path}.look"
    equal(run(["qemu-img", "convert", "-U", "-f", kind, "-O", "raw", str(path), raw]).code, 0)
    with open(raw, "rb") as file:
        data = file.read()
    os.unlink(raw)
    for i in range(0, len(data), MIB):
        equal(len(set(data[i:i + MIB])), 1, f"{path} MiB {i // MIB}: kinds of bytes")
    return [data[i] for i in range(0, len(data), MIB)]


def layers(*pieces):
    """What (byte, start, length)s on top of each other give."""
    result = [0] * (SIZE // MIB)
    for byte, start, length in pieces:
        result[start:start + length] = [byte] * length
    return result


OF_CHAIN = [(1, 0, 8), (2, 4, 8), (3, 8, 8), (4, 12, 8), (5, 16, 8)]


def clean(*paths, kind="qcow2"):
    for path in paths:
        answer = run(["qemu-img", "check", "-f", kind, str(path)])
        equal(answer.code, 0, f"qemu-img check {path}: {answer.out}{answer.err}")


def disk(path, kind="qcow2", target="vda", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
            f"<target dev='{target}' bus='virtio'/>{more}</disk>")


def machine(host, path, name="demo", kind="qcow2", more="", persistent=True):
    xml = host.guests.empty(name, devices=disk(path, kind) + more)
    if persistent:
        dom = host.define(xml)
        dom.create()
    else:
        dom = host.conn.createXML(xml)
    return dom


def chain(dom, flags=0):
    """Names of the images of the first disk, the active one first."""
    text = re.search("<disk .*?</disk>", dom.XMLDesc(flags), re.S).group()
    text = re.sub("<mirror.*?</mirror>", "", text, flags=re.S)
    return [os.path.basename(path) for path in re.findall("<source (?:file|dev)='(.*?)'", text)]


def mirror(dom):
    return re.search("<mirror.*?</mirror>", dom.XMLDesc(0), re.S)


def nodes(dom):
    """The files that QEMU has open as disks."""
    answer = libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": "query-named-block-nodes"}), 0)
    return sorted(os.path.basename(node["file"]) for node in json.loads(answer)["return"] if node["drv"] == "file")


def info(dom, target="vda"):
    return dom.blockJobInfo(target, 0)


def ready(dom, target="vda"):
    wait_until(lambda: info(dom, target)["cur"] == info(dom, target)["end"], "the job is ready", 60)


def over(dom, target="vda"):
    wait_until(lambda: not info(dom, target), "the job is over", 60)
    wait_until(lambda: nodes(dom) == sorted(chain(dom)), "QEMU has what the document has")


def copy_xml(path, kind="qcow2"):
    return f"<disk type='file'><source file='{path}'/><driver type='{kind}'/></disk>"


class Events:
    """What is told of block jobs: (target or path, type, status)."""
    loop = None

    def __init__(self, host):
        self.new, self.old = [], []
        if not Events.loop:
            Events.loop = Loop()
        conn = host.open()
        self.ids = [
            conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                        lambda c, d, dst, kind, status, arg: self.new.append((dst, kind, status)), None),
            conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB,
                                        lambda c, d, path, kind, status, arg: self.old.append(
                                            (os.path.basename(path), kind, status)), None)]

    def wait(self, new, old):
        wait_until(lambda: len(self.new) >= len(new) and len(self.old) >= len(old), f"events {new}: {self.new}", 20)
        equal((self.new, self.old), (new, old))


def test_a_disk_is_copied_and_the_guest_goes_on_there(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    events = Events(host)
    target = host.path("var/lib/libvirt/images/copy.qcow2")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.blockCopy, "vda", copy_xml(target), {}, 0, text="not transient")
    dom.blockCopy("vda", copy_xml(target), {"bandwidth": SLOW}, TRANSIENT)
    check(info(dom)["type"] == COPY and info(dom)["bandwidth"] == 1, "the job runs")
    contains(mirror(dom).group(), f"file='{target}'", "job='copy'")
    check("ready=" not in mirror(dom).group(), "it is not ready")
    raises(libvirt.VIR_ERR_BLOCK_COPY_ACTIVE, dom.blockJobAbort, "vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    raises(libvirt.VIR_ERR_BLOCK_COPY_ACTIVE, dom.blockPull, "vda", 0, 0)
    guest_writes(dom, 77, 20, 4)
    dom.blockJobSetSpeed("vda", 0, 0)
    ready(dom)
    contains(mirror(dom).group(), "ready='yes'")
    guest_writes(dom, 78, 26, 2)
    dom.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    equal((chain(dom), chain(dom, INACTIVE), nodes(dom)), (["copy.qcow2"], ["copy.qcow2"], ["copy.qcow2"]))
    guest_writes(dom, 79, 30, 2)
    wait_until(lambda: not info(dom), "it is over")
    events.wait([("vda", COPY, READY), ("vda", COPY, COMPLETED)],
                [("top.qcow2", COPY, READY), ("copy.qcow2", COPY, COMPLETED)])
    dom.destroy()
    equal(content(target), layers((1, 0, 8), (2, 4, 8), (77, 20, 4), (78, 26, 2), (79, 30, 2)))
    equal(content(top), layers((1, 0, 8), (2, 4, 8), (77, 20, 4), (78, 26, 2)))
    clean(base, top, target)
    dom.create()
    equal(chain(dom), ["copy.qcow2"])


def test_a_copy_that_is_given_up_leaves_the_machine_as_it_was(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    before, config = dom.XMLDesc(0), dom.XMLDesc(INACTIVE)
    events = Events(host)
    for number, finished in enumerate((False, True)):
        target = host.path(f"var/lib/libvirt/images/copy{number}.qcow2")
        dom.blockCopy("vda", copy_xml(target), {} if finished else {"bandwidth": SLOW}, TRANSIENT)
        if finished:
            ready(dom)
            guest_writes(dom, 70, 28, 2)
        dom.blockJobAbort("vda", 0)
        equal((dom.XMLDesc(0), dom.XMLDesc(INACTIVE)), (before, config))
        equal(nodes(dom), ["base.qcow2", "top.qcow2"])
        check(os.stat(target).st_uid == 0, "the copy is given back")
    guest_writes(dom, 71, 30, 2)
    events.wait([("vda", COPY, CANCELED), ("vda", COPY, READY), ("vda", COPY, CANCELED)],
                [("top.qcow2", COPY, CANCELED), ("top.qcow2", COPY, READY), ("top.qcow2", COPY, CANCELED)])
    dom.destroy()
    wanted = [(1, 0, 8), (2, 4, 8), (70, 28, 2)]
    equal(content(target), layers(*wanted), "the copy is of the moment at which it was finished")
    equal(content(top), layers(*wanted, (71, 30, 2)))
    clean(base, top, target)


def test_a_shallow_copy_stays_on_what_is_below(host):
    base, middle, top = images(host, "base.qcow2", "middle.qcow2", "top.qcow2")
    dom = machine(host, top)
    target = host.path("var/lib/libvirt/images/copy.qcow2")
    host.ok("blockcopy", "demo", "vda", str(target), "--shallow", "--transient-job", "--wait", "--pivot", "--format", "qcow2")
    equal((chain(dom), chain(dom, INACTIVE)), (["copy.qcow2", "middle.qcow2", "base.qcow2"], ["copy.qcow2"]))
    guest_writes(dom, 80, 30, 1)
    dom.destroy()
    equal(content(target), layers(*OF_CHAIN[:3], (80, 30, 1)))
    clean(base, middle, top, target)
    dom.create()
    equal(chain(dom), ["copy.qcow2", "middle.qcow2", "base.qcow2"])


def test_images_in_the_middle_are_committed(host):
    names = ["base.qcow2", "one.qcow2", "two.qcow2", "three.qcow2", "top.qcow2"]
    paths = images(host, *names)
    dom = machine(host, paths[4])
    events = Events(host)
    dom.blockCommit("vda", str(paths[1]), str(paths[3]), SLOW, libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES)
    equal(info(dom)["type"], COMMIT)
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.blockPull, "vda", 0, 0)
    guest_writes(dom, 81, 30, 1)
    dom.blockJobSetSpeed("vda", 0, 0)
    over(dom)
    events.wait([("vda", COMMIT, COMPLETED)], [("top.qcow2", COMMIT, COMPLETED)])
    equal((chain(dom), nodes(dom)), (["top.qcow2", "one.qcow2", "base.qcow2"], ["base.qcow2", "one.qcow2", "top.qcow2"]))
    dom.blockCommit("vda", None, f"vda[{index_of(dom, 'one.qcow2')}]", 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_DELETE)
    over(dom)
    equal(chain(dom), ["top.qcow2", "base.qcow2"])
    wait_until(lambda: not paths[1].exists(), "the committed image is removed")
    dom.destroy()
    equal(content(paths[4]), layers(*OF_CHAIN, (81, 30, 1)))
    clean(paths[0], paths[4])


def index_of(dom, name):
    return re.search(fr"<backingStore type='file' index='(\d+)'>\s*<format [^>]*>\s*<source file='[^']*/{name}'",
                     dom.XMLDesc(0)).group(1)


def test_the_active_image_is_committed_and_left(host):
    base, middle, top = images(host, "base.qcow2", "middle.qcow2", "top.qcow2")
    dom = machine(host, top)
    events = Events(host)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.blockCommit, "vda", None, None, 0, 0, text="active flag")
    dom.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    ready(dom)
    contains(mirror(dom).group(), "job='active-commit'", "base.qcow2", "ready='yes'")
    guest_writes(dom, 82, 30, 1)
    dom.blockJobAbort("vda", 0)
    equal(chain(dom), ["top.qcow2", "middle.qcow2", "base.qcow2"])
    guest_writes(dom, 83, 31, 1)
    dom.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    ready(dom)
    dom.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    equal((chain(dom), chain(dom, INACTIVE), nodes(dom)), (["base.qcow2"], ["base.qcow2"], ["base.qcow2"]))
    guest_writes(dom, 84, 28, 1)
    events.wait([("vda", ACTIVE, READY), ("vda", ACTIVE, CANCELED), ("vda", ACTIVE, READY), ("vda", ACTIVE, COMPLETED)],
                [("top.qcow2", ACTIVE, READY), ("top.qcow2", ACTIVE, CANCELED), ("top.qcow2", ACTIVE, READY),
                 ("base.qcow2", ACTIVE, COMPLETED)])
    dom.destroy()
    equal(content(base), layers(*OF_CHAIN[:3], (82, 30, 1), (83, 31, 1), (84, 28, 1)))
    clean(base, middle, top)
    dom.create()
    equal(chain(dom), ["base.qcow2"])


def test_images_below_are_pulled(host):
    names = ["base.qcow2", "one.qcow2", "two.qcow2", "top.qcow2"]
    paths = images(host, *names)
    dom = machine(host, paths[3])
    events = Events(host)
    dom.blockPull("vda", 1, 0)
    equal(info(dom)["type"], PULL)
    dom.blockJobAbort("vda", 0)
    equal(chain(dom), list(reversed(names)))
    dom.blockRebase("vda", str(paths[1]), 0, 0)
    over(dom)
    equal((chain(dom), nodes(dom)), (["top.qcow2", "one.qcow2", "base.qcow2"], ["base.qcow2", "one.qcow2", "top.qcow2"]))
    guest_writes(dom, 85, 30, 1)
    dom.blockPull("vda", 0, 0)
    over(dom)
    equal((chain(dom), nodes(dom)), (["top.qcow2"], ["top.qcow2"]))
    events.wait([("vda", PULL, CANCELED), ("vda", PULL, COMPLETED), ("vda", PULL, COMPLETED)],
                [("top.qcow2", PULL, CANCELED), ("top.qcow2", PULL, COMPLETED), ("top.qcow2", PULL, COMPLETED)])
    dom.destroy()
    for path in paths[:3]:
        path.unlink()
    equal(content(paths[3]), layers(*OF_CHAIN[:4], (85, 30, 1)))
    clean(paths[3])


def test_names_stay_relative(host):
    folder = host.path("var/lib/libvirt/images")
    (folder / "below").mkdir()
    for name, below in (("below/base.qcow2", None), ("below/one.qcow2", "base.qcow2"), ("two.qcow2", "below/one.qcow2"),
                        ("top.qcow2", "two.qcow2")):
        backing = ["-b", below, "-F", "qcow2"] if below else []
        equal(run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(folder / name), "8M"]).code, 0)
    dom = machine(host, folder / "top.qcow2")
    named = lambda: json.loads(run(["qemu-img", "info", "-U", "--output=json", str(folder / "top.qcow2")]).out)["backing-filename"]
    host.ok("blockcommit", "demo", "vda", "--top", str(folder / "two.qcow2"), "--base", str(folder / "below/one.qcow2"),
            "--keep-relative", "--wait")
    equal(named(), "below/one.qcow2")
    host.ok("blockpull", "demo", "vda", "--base", str(folder / "below/base.qcow2"), "--keep-relative", "--wait")
    equal(named(), "below/base.qcow2")
    equal(chain(dom), ["top.qcow2", "base.qcow2"])


def test_a_daemon_that_dies_finds_its_jobs_again(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    target = host.path("var/lib/libvirt/images/copy.qcow2")
    dom.blockCopy("vda", copy_xml(target), {"bandwidth": SLOW}, TRANSIENT)
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    equal(info(dom)["type"], COPY)
    contains(mirror(dom).group(), str(target))
    events = Events(host)
    dom.blockJobSetSpeed("vda", 0, 0)
    events.wait([("vda", COPY, READY)], [("top.qcow2", COPY, READY)])
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    contains(mirror(dom).group(), "ready='yes'")
    dom.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    equal((chain(dom), chain(dom, INACTIVE), nodes(dom)), (["copy.qcow2"], ["copy.qcow2"], ["copy.qcow2"]))
    dom.blockCopy("vda", copy_xml(host.path("var/lib/libvirt/images/other.qcow2")), {"bandwidth": SLOW}, TRANSIENT)
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    dom.blockJobAbort("vda", 0)
    equal((chain(dom), nodes(dom), mirror(dom)), (["copy.qcow2"], ["copy.qcow2"], None))


def qmp(host, name, *commands):
    """Speaks with QEMU while no daemon does."""
    path = next(host.path("var/lib/libvirt/qemu").glob(f"domain-*-{name}/monitor.sock"))
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(path))
        file = line.makefile("rw")
        file.readline()
        answers = []
        for command in ({"execute": "qmp_capabilities"}, *commands):
            file.write(json.dumps(command) + "\n")
            file.flush()
            while "event" in (answer := json.loads(file.readline())):
                pass
            answers.append(answer.get("return", answer))
    return answers[1:]


def test_what_ended_while_no_daemon_was_there_is_ended_by_the_next(host):
    names = ["base.qcow2", "one.qcow2", "two.qcow2", "top.qcow2"]
    paths = images(host, *names)
    dom = machine(host, paths[3])
    status = lambda: {job["status"] for job in qmp(host, "demo", {"execute": "query-jobs"})[0]}
    speed = lambda: {"execute": "block-job-set-speed", "arguments": {"device": job, "speed": 0}}
    dom.blockCommit("vda", str(paths[1]), str(paths[2]), SLOW, libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES)
    host.kill_daemon()
    job = qmp(host, "demo", {"execute": "query-jobs"})[0][0]["id"]
    qmp(host, "demo", speed())
    wait_until(lambda: status() == {"pending"}, "the commit is done, and waits for a daemon")
    host.start_daemon()
    dom = host.conn.lookupByName("demo")
    over(dom)
    equal((chain(dom), nodes(dom)), (["top.qcow2", "one.qcow2", "base.qcow2"], ["base.qcow2", "one.qcow2", "top.qcow2"]))
    dom.blockPull("vda", 1, 0)
    host.kill_daemon()
    job = qmp(host, "demo", {"execute": "query-jobs"})[0][0]["id"]
    qmp(host, "demo", {"execute": "block-job-cancel", "arguments": {"device": job}})
    wait_until(lambda: not status(), "the pull is cancelled")
    host.start_daemon()
    dom = host.conn.lookupByName("demo")
    over(dom)
    equal(chain(dom), ["top.qcow2", "one.qcow2", "base.qcow2"])
    equal(qmp_jobs(dom), [])
    dom.destroy()
    equal(content(paths[3]), layers(*OF_CHAIN[:4]))
    clean(paths[0], paths[1], paths[3])


def test_what_was_pulled_or_committed_is_there_when_qemu_dies(host):
    """Nobody flushes after it: QEMU has written all of it before images forget each other."""
    paths = images(host, "base.qcow2", "one.qcow2", "two.qcow2", "top.qcow2")
    dom = machine(host, paths[3])
    dom.blockCommit("vda", str(paths[1]), str(paths[2]), 0, 0)
    over(dom)
    os.kill(host.qemu_pid("demo"), 9)
    host.wait_state("demo", "shut off")
    equal(content(paths[3]), layers(*OF_CHAIN[:4]))
    dom.create()
    dom.blockPull("vda", 0, 0)
    over(dom)
    os.kill(host.qemu_pid("demo"), 9)
    host.wait_state("demo", "shut off")
    equal(content(paths[3]), layers(*OF_CHAIN[:4]))
    equal(run(["qemu-img", "check", "-r", "leaks", str(paths[3])]).code, 0)
    dom.create()
    equal(chain(dom), ["top.qcow2"])


def qmp_jobs(dom):
    return json.loads(libvirt_qemu.qemuMonitorCommand(dom, '{"execute": "query-jobs"}', 0))["return"]


def test_a_pivot_without_a_daemon_waits_for_one(host):
    """What QEMU finishes while nobody is there must not be written to before the definition names it."""
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    dom.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    ready(dom)
    host.kill_daemon()
    job = qmp(host, "demo", {"execute": "query-jobs"})[0][0]["id"]
    qmp(host, "demo", {"execute": "job-complete", "arguments": {"id": job}})
    wait_until(lambda: qmp(host, "demo", {"execute": "query-jobs"})[0][0]["status"] == "pending", "QEMU waits")
    host.start_daemon()
    dom = host.conn.lookupByName("demo")
    over(dom)
    equal((chain(dom), chain(dom, INACTIVE)), (["base.qcow2"], ["base.qcow2"]))
    dom.destroy()
    clean(base, top)


def test_qemu_is_killed_in_the_middle(host):
    paths = images(host, "base.qcow2", "middle.qcow2", "top.qcow2")
    target = host.path("var/lib/libvirt/images/copy.qcow2")
    dom = host.define(host.guests.empty("demo", devices=disk(paths[2])))
    owners = [path.stat().st_uid for path in paths]
    begin = [lambda: dom.blockCopy("vda", copy_xml(target), {"bandwidth": SLOW}, TRANSIENT),
             lambda: dom.blockPull("vda", 1, 0),
             lambda: dom.blockCommit("vda", None, str(paths[1]), 1, 0),
             lambda: dom.blockCommit("vda", None, None, 1, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)]
    for step in begin:
        dom.create()
        step()
        kill(host.qemu_pid("demo"))
        host.wait_state("demo", "shut off")
        equal([path.stat().st_uid for path in paths], owners)
        equal(content(paths[2]), layers(*OF_CHAIN[:3]))
        equal(chain(dom, INACTIVE), ["top.qcow2"])
    dom.create()
    equal(chain(dom), ["top.qcow2", "middle.qcow2", "base.qcow2"])


def test_bad_requests_are_refused_by_name(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    other = images(host, "other.qcow2")[0]
    dom = machine(host, top, more="<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>", kind="qcow2")
    before = (dom.XMLDesc(0), dom.XMLDesc(INACTIVE), nodes(dom))
    invalid, unsupported = libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    new = host.path("var/lib/libvirt/images/new.qcow2")
    raises(invalid, dom.blockPull, "vdb", 0, 0, text="vdb")
    raises(invalid, dom.blockPull, "sda", 0, 0, text="sda")
    raises(invalid, dom.blockRebase, "vda", str(other), 0, 0, text="other.qcow2")
    raises(invalid, dom.blockRebase, "vda", None, 0, libvirt.VIR_DOMAIN_BLOCK_REBASE_RELATIVE)
    raises(invalid, dom.blockRebase, "vda", None, 0, libvirt.VIR_DOMAIN_BLOCK_REBASE_SHALLOW)
    raises(invalid, dom.blockCommit, "vda", str(other), str(top), 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    raises(invalid, dom.blockCommit, "vda", None, str(base), 0, 0, text="no backing file")
    raises(invalid, dom.blockJobAbort, "vda", 0, text="active block job")
    raises(libvirt.VIR_ERR_OVERFLOW, dom.blockPull, "vda", 1 << 62, 0)
    raises(invalid, dom.blockCopy, "vda", copy_xml(new), {"granularity": 3000}, TRANSIENT, text="power of 2")
    raises(unsupported, dom.blockCopy, "vda", copy_xml(new, "raw"), {}, TRANSIENT | libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW)
    raises(unsupported, dom.blockCopy, "vda", copy_xml(other), {}, TRANSIENT, text="other.qcow2")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.blockCopy, "vda", copy_xml(new), {},
           TRANSIENT | libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT, text="new.qcow2")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.blockCopy, "vda", copy_xml("/no/such/folder/x"), {}, TRANSIENT, text="/no/such/folder")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.blockCopy, "vda", copy_xml(base), {},
           TRANSIENT | libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT, text="needed by")
    raises(libvirt.VIR_ERR_XML_ERROR, dom.blockCopy, "vda", "<domain/>", {}, TRANSIENT)
    equal((dom.XMLDesc(0), dom.XMLDesc(INACTIVE), nodes(dom)), before)
    check(not new.exists(), "no file is left behind")
    equal(qmp_jobs(dom), [])
    dom.destroy()
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.blockPull, "vda", 0, 0)


def test_a_disk_in_a_job_stays_as_it_is(host):
    """Neither unplugged nor resized meanwhile; the machine itself can end at any time."""
    base, top = images(host, "base.qcow2", "top.qcow2")
    dom = machine(host, top)
    dom.blockPull("vda", 1, 0)
    active = libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    raises(active, dom.blockResize, "vda", 64 * MIB, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    raises(active, dom.detachDeviceFlags, disk(top), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    dom.undefine()
    dom.destroy()
    equal(content(top), layers((1, 0, 8), (2, 4, 8)))
    clean(base, top)


def percent(dom, target="vda"):
    job = info(dom, target)
    return 100 if not job else job["cur"] * 100 // job["end"]


def test_a_job_is_cancelled_at_any_point(host):
    """At 10, 50 and 99 per cent: the guest sees what it has written, and no image is damaged."""
    paths = images(host, "base.qcow2", "middle.qcow2", "top.qcow2")
    dom = machine(host, paths[2])
    wanted = layers(*OF_CHAIN[:3])
    fast = 24 * MIB
    begin = [lambda n: dom.blockCopy("vda", copy_xml(host.path(f"var/lib/libvirt/images/copy{n}.qcow2")), {"bandwidth": fast}, TRANSIENT),
             lambda n: dom.blockCommit("vda", None, None, fast, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE |
                                       libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES),
             lambda n: dom.blockPull("vda", fast, libvirt.VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES)]
    for step in begin:
        for share in (10, 50, 99):
            step(share)
            wait_until(lambda: percent(dom) >= share, f"{share} per cent", 60)
            try:
                dom.blockJobAbort("vda", 0)
            except libvirt.libvirtError as error:  # a pull that came to its end first
                equal(error.get_error_code(), libvirt.VIR_ERR_INVALID_ARG)
            over(dom)
            equal(mirror(dom), None)
    dom.destroy()
    equal(content(paths[2]), wanted)
    clean(*paths)


def test_a_disk_is_copied_to_a_server(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    export = host.path("var/lib/libvirt/images/export.img")
    equal(run(["qemu-img", "create", "-q", "-f", "raw", str(export), str(SIZE)]).code, 0)
    port = 10809
    run(["ip", "link", "set", "lo", "up"])
    server = subprocess.Popen(["qemu-nbd", "-f", "raw", "-t", "-x", "disk", "-b", "127.0.0.1", "-p", str(port), "-e", "4", str(export)])
    try:
        wait_until(lambda: run(["qemu-img", "info", f"nbd://127.0.0.1:{port}/disk"]).code == 0, "the server answers")
        dom = machine(host, top)
        xml = (f"<disk type='network'><driver type='raw'/><source protocol='nbd' name='disk'>"
               f"<host name='127.0.0.1' port='{port}'/></source></disk>")
        dom.blockCopy("vda", xml, {}, TRANSIENT)
        ready(dom)
        contains(mirror(dom).group(), "type='network'", "protocol='nbd'")
        dom.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        for flags in (0, INACTIVE):
            contains(dom.XMLDesc(flags), "<source protocol='nbd' name='disk'")
        guest_writes(dom, 99, 31, 1)
        dom.destroy()
    finally:
        server.terminate()
        server.wait()
    equal(content(export, "raw"), layers((1, 0, 8), (2, 4, 8), (99, 31, 1)))
    clean(base, top)


def test_a_disk_is_copied_to_a_block_device(host):
    base, top = images(host, "base.qcow2", "top.qcow2")
    backing = host.path("var/lib/libvirt/images/device.img")
    equal(run(["truncate", "-s", "64M", str(backing)]).code, 0)
    device = run(["losetup", "-f", "--show", str(backing)]).out.strip()
    check(device.startswith("/dev/loop"), "there is a device")
    try:
        owner = os.stat(device).st_uid
        dom = machine(host, top)
        dom.blockCopy("vda", f"<disk type='block'><driver type='qcow2'/><source dev='{device}'/></disk>", {}, TRANSIENT)
        ready(dom)
        dom.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        contains(dom.XMLDesc(INACTIVE), "type='block'", f"<source dev='{device}'/>")
        guest_writes(dom, 98, 31, 1)
        host.crash_daemon()
        dom = host.conn.lookupByName("demo")
        contains(dom.XMLDesc(0), f"<source dev='{device}'")
        dom.destroy()
        equal(os.stat(device).st_uid, owner)
        equal(content(device), layers((1, 0, 8), (2, 4, 8), (98, 31, 1)))
    finally:
        run(["losetup", "-d", device])
    clean(base, top)
