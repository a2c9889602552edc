"""What machines get of the host: CPUs, CPU time, memory, I/O threads, limits of disks, and what is counted.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import time

import libvirt_qemu
from lodgetest.host import *
from lodgetest.runner import mark

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
BOTH, INACTIVE = LIVE | CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE
SCOPE = r"machine-qemu\x2d1\x2dtiny.scope"


def qmp(dom, command, **arguments):
    answer = libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": arguments}), 0)
    return json.loads(answer).get("return")


def threads(dom):
    """{name: thread} of vCPUs and I/O threads, as QEMU says."""
    found = {f"vcpu{cpu['cpu-index']}": cpu["thread-id"] for cpu in qmp(dom, "query-cpus-fast")}
    return found | {thread["id"]: thread["thread-id"] for thread in qmp(dom, "query-iothreads")}


def allowed(tid):
    return ",".join(map(str, sorted(os.sched_getaffinity(tid))))


def events_of(conn, number):
    seen = []
    conn.domainEventRegisterAny(None, number, lambda c, d, params, arg: seen.append(params), None)
    return seen


def fake_cgroups(host, controllers="cpuset cpu io memory"):
    """Folders in the place of the host's control groups."""
    host.stop_daemon()
    host.path("sys/devices").mkdir(parents=True)
    top = host.path("sys/fs/cgroup")
    top.mkdir(parents=True)
    (top / "cgroup.controllers").write_text(controllers + "\n")
    host.start_daemon()
    return top / "machine.slice"


def sees(console, cpus):
    """Waits until the guest has these vCPUs."""
    wait_until(lambda: re.search(rf"^{cpus}\r?$", console.command("cat /sys/devices/system/cpu/present"), re.M),
               f"the guest has vCPUs {cpus}", 60)


def test_pins(host):
    """rows: tuning-04 monitoring-03"""
    Loop()
    seen = events_of(host.conn, libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE)
    dom = host.start_sector(vcpus=2, extra="<iothreads>1</iothreads>")
    tids = threads(dom)
    everywhere = allowed(os.getpid())
    equal(allowed(tids["vcpu1"]), everywhere)
    host.ok("vcpupin", "tiny", "1", "0", "--live", "--config")
    host.ok("emulatorpin", "tiny", "0")
    host.ok("iothreadpin", "tiny", "1", "1")
    equal((allowed(tids["vcpu0"]), allowed(tids["vcpu1"]), allowed(host.qemu_pid("tiny")), allowed(tids["iothread1"])),
          (everywhere, "0", "0", "1"))
    wait_until(lambda: len(seen) == 3, "three events")
    equal(seen, [{"cputune.vcpupin1": "0"}, {"cputune.emulatorpin": "0"}, {"cputune.iothreadpin1": "1"}])
    contains(dom.XMLDesc(), "<vcpupin vcpu='1' cpuset='0'/>", "<emulatorpin cpuset='0'/>",
             "<iothreadpin iothread='1' cpuset='1'/>")
    stored = dom.XMLDesc(INACTIVE)
    check("<vcpupin vcpu='1' cpuset='0'/>" in stored and "emulatorpin" not in stored, stored)
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    equal((allowed(tids["vcpu1"]), dom.vcpuPinInfo()), ("0", [(True, True), (True, False)]))
    contains(host.ok("vcpuinfo", "tiny", "--pretty"), "0 (out of 2)")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.pinVcpuFlags, 9, (True, True), LIVE)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.pinVcpuFlags, 0, (False, False), LIVE)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.pinIOThread, 4, (True, True), LIVE)
    dom.pinVcpuFlags(1, (True, True), LIVE)
    equal(allowed(tids["vcpu1"]), everywhere)
    dom.destroy()
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.pinVcpu, 0, (True, True))


def test_a_change_is_both_or_neither(host):
    """The definition cannot be written: the running machine is as it was."""
    dom = host.start_sector(vcpus=2)
    tid = threads(dom)["vcpu1"]
    before = allowed(tid), dom.XMLDesc(), dom.XMLDesc(INACTIVE)
    folder = host.path("etc/libvirt/qemu")
    moved = host.path("etc/libvirt/moved")
    folder.rename(moved)
    folder.write_text("no folder\n")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.pinVcpuFlags, 1, (True, False), BOTH)
    equal((allowed(tid), dom.XMLDesc(), dom.XMLDesc(INACTIVE)), before)
    folder.unlink()
    moved.rename(folder)
    dom.pinVcpuFlags(1, (True, False), BOTH)
    equal(allowed(tid), "0")


def test_vcpus_come_and_go(host):
    """rows: tuning-03"""
    dom = host.define(host.guests.demo("demo", vcpus=3).replace("<vcpu>3<", "<vcpu current='1'>3<"))
    dom.create()
    console = host.booted("demo")
    sees(console, "0")
    host.ok("setvcpus", "demo", "2", "--live", "--config")
    sees(console, "0-1")
    contains(dom.XMLDesc(), "<vcpu placement='static' current='2'>3</vcpu>", "<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>")
    contains(dom.XMLDesc(INACTIVE), "<vcpu placement='static' current='2'>3</vcpu>")
    equal(len(dom.vcpus()[0]), 2)
    shown = re.search("<vcpus>.*</vcpus>", dom.XMLDesc(), re.S)[0]
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    equal(re.search("<vcpus>.*</vcpus>", dom.XMLDesc(), re.S)[0], shown, "the machine is as it was")
    dom.setVcpu("2", 1, LIVE)
    console = host.booted("demo")
    sees(console, "0-2")
    equal(sorted(name for name in threads(dom) if name.startswith("vcpu")), ["vcpu0", "vcpu1", "vcpu2"])
    dom.setVcpu("1", 0, LIVE)
    sees(console, "0,2")
    equal([vcpu[0] for vcpu in dom.vcpus()[0]], [0, 2])
    contains(host.ok("domstats", "demo", "--vcpu"), "vcpu.current=2", "vcpu.2.state=1")
    check("vcpu.1." not in host.ok("domstats", "demo", "--vcpu"), "one that is gone has no numbers")
    host.ok("setvcpus", "demo", "1", "--live")
    sees(console, "0")
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.setVcpu, "0", 0, LIVE, text="can't be unplugged")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setVcpusFlags, 4, LIVE, text="greater than max")


def test_a_guest_that_keeps_its_vcpu(host):
    """Without ACPI it cannot let go: a definition changes with the machine or not at all."""
    dom = host.define_sector(vcpus=2)
    dom.setVcpusFlags(1, CONFIG)
    dom.create()
    dom.setVcpusFlags(2, LIVE)
    before = dom.XMLDesc(INACTIVE)
    started = time.monotonic()
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setVcpusFlags, 1, BOTH, text="device_del")
    check(time.monotonic() - started < 10 * SLOWNESS, "the wait is bounded")
    equal(dom.XMLDesc(INACTIVE), before)
    equal((dom.vcpusFlags(LIVE), len(dom.vcpus()[0])), (2, 2))
    check(host.state("tiny") == "running", "it runs")


def test_vcpus_that_a_definition_plugs(host):
    listed = ("<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='no' hotpluggable='yes'/>"
              "<vcpu id='2' enabled='yes' hotpluggable='yes'/></vcpus>")
    dom = host.define(host.guests.sector("tiny", vcpus=3, extra=listed))
    contains(dom.XMLDesc(), "<vcpu placement='static' current='2'>3</vcpu>")
    dom.create()
    contains(dom.XMLDesc(), "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>",
             "<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/>")
    equal(sorted(threads(dom)), ["vcpu0", "vcpu2"])
    dom.setVcpu("1", 1, CONFIG)
    contains(dom.XMLDesc(INACTIVE), "<vcpu id='1' enabled='yes' hotpluggable='yes'/>")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setVcpu, "0", 0, CONFIG, text="can't be modified")


def test_iothreads(host):
    dom = host.start_sector(extra="<iothreads>1</iothreads>",
                            devices="<controller type='scsi' model='virtio-scsi'><driver iothread='1'/></controller>")
    host.ok("iothreadadd", "tiny", "4", "--live", "--config")
    equal(sorted(thread["id"] for thread in qmp(dom, "query-iothreads")), ["iothread1", "iothread4"])
    contains(dom.XMLDesc(), "<iothreads>2</iothreads>", "<iothread id='4'/>")
    contains(dom.XMLDesc(INACTIVE), "<iothreads>2</iothreads>", "<iothread id='4'/>")
    dom.pinIOThread(4, (True, False), BOTH)
    host.ok("iothreadset", "tiny", "4", "--poll-max-ns", "5000", "--poll-grow", "3", "--thread-pool-max", "8")
    contains(host.ok("domstats", "tiny", "--iothread"), "iothread.4.poll-max-ns=5000", "iothread.4.poll-grow=3")
    equal(qmp(dom, "qom-get", path="/objects/iothread4", property="thread-pool-max"), 8)
    contains(dom.XMLDesc(), "<iothread id='4' thread_pool_max='8'/>")
    refused = host.refused("iothreadset", "tiny", "4", "--thread-pool-min", "9", "--live", says="can't be greater")
    equal(qmp(dom, "qom-get", path="/objects/iothread4", property="thread-pool-max"), 8, refused)
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.delIOThread, 1, LIVE, text="is being used by controller")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.addIOThread, 4, LIVE, text="already using")
    dom.delIOThread(4, BOTH)
    equal([thread["id"] for thread in qmp(dom, "query-iothreads")], ["iothread1"])
    for text in (dom.XMLDesc(), dom.XMLDesc(INACTIVE)):
        check("iothreadpin" not in text and "<iothreads>1</iothreads>" in text, text)


def test_a_limit_of_a_disk_holds(host):
    """Measured by the guest."""
    disk = host.guests.images / "more.img"
    with open(disk, "wb") as file:
        file.truncate(64 << 20)
    dom = host.start_demo("demo", devices=f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                                          f"<source file='{disk}'/><target dev='vdb' bus='virtio'/></disk>")
    console = host.booted("demo")

    def seconds(count):
        console.command("echo 3 > /proc/sys/vm/drop_caches")
        begun = time.monotonic()
        console.command(f"dd if=/dev/vdb of=/dev/null bs=64k count={count} 2>/dev/null", timeout=120)
        return time.monotonic() - begun

    seconds(16)
    free = seconds(64)
    host.ok("blkdeviotune", "demo", "vdb", "--total-bytes-sec", "1000000", "--live", "--config")
    limited = seconds(64)
    check(limited > 3 and limited > 2 * free, f"4 MiB took {free:.1f} s, with a limit of 1 MB/s {limited:.1f} s")
    shown = dom.blockIoTune("vdb", LIVE)
    equal((shown["total_bytes_sec"], shown["group_name"]), (1000000, "/machine/peripheral/virtio-disk1/virtio-backend"))
    contains(dom.XMLDesc(INACTIVE), "<total_bytes_sec>1000000</total_bytes_sec>")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setBlockIoTune, "vdb", {"total_bytes_sec": 5, "read_bytes_sec": 5}, LIVE)
    host.crash_daemon()
    dom = host.conn.lookupByName("demo")
    host.ok("blkdeviotune", "demo", "vdb", "--total-bytes-sec", "0", "--live", "--config")
    check("iotune" not in dom.XMLDesc() + dom.XMLDesc(INACTIVE), "it is taken back")
    equal([entry["inserted"]["bps"] for entry in qmp(dom, "query-block") if entry.get("inserted")][-1], 0)


def test_groups_of_machines(host):
    """rows: tuning-14 tuning-07"""
    slice_ = fake_cgroups(host)
    tune = ("<cputune><shares>200</shares><quota>50000</quota><global_quota>80000</global_quota>"
            "<vcpupin vcpu='0' cpuset='0'/></cputune><memtune><hard_limit unit='MiB'>500</hard_limit></memtune>"
            "<numatune><memory mode='restrictive' nodeset='0'/></numatune>")
    dom = host.start_sector(extra=tune)
    scope = slice_ / SCOPE
    own = scope / "libvirt"
    read = lambda group, file: (group / file).read_text().strip()
    equal([read(scope, "cpu.weight"), read(own, "cpu.max"), read(own / "vcpu0", "cpu.max"), read(own, "memory.max"),
           read(own, "cpuset.mems"), read(own / "vcpu0", "cpuset.cpus")],
          ["200", "80000 100000", "50000 100000", str(500 << 20), "0", "0"])
    equal(read(own / "vcpu0", "cgroup.threads"), str(threads(dom)["vcpu0"]))
    equal(read(own / "emulator", "cgroup.procs"), str(host.qemu_pid("tiny")))
    equal(read(own / "vcpu0", "cgroup.type"), "threaded")
    contains(dom.XMLDesc(), "<partition>/machine</partition>")
    check("partition" not in dom.XMLDesc(INACTIVE), "the definition did not ask for one")
    host.ok("schedinfo", "tiny", "--live", "--config", "--set", "vcpu_quota=20000", "cpu_shares=300", "emulator_period=5000")
    equal([read(scope, "cpu.weight"), read(own / "vcpu0", "cpu.max"), read(own / "emulator", "cpu.max")],
          ["300", "20000 100000", "max 5000"])
    contains(dom.XMLDesc(INACTIVE), "<shares>300</shares>", "<quota>20000</quota>", "<emulator_period>5000</emulator_period>")
    host.ok("memtune", "tiny", "--hard-limit", "600M", "--swap-hard-limit", "700M", "--soft-limit", "100M", "--live")
    equal([read(own, "memory.max"), read(own, "memory.swap.max"), read(own, "memory.high")],
          [str(600 << 20), str(100 << 20), str(100 << 20)])
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setSchedulerParametersFlags, {"vcpu_quota": 5}, LIVE)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setNumaParameters, {"numa_mode": 0}, LIVE)
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    equal(dom.schedulerParametersFlags(LIVE)["vcpu_quota"], 20000)
    host.ok("schedinfo", "tiny", "--live", "--set", "vcpu_quota=-1")
    equal(read(own / "vcpu0", "cpu.max"), "max 100000")
    dom.destroy()
    check(not scope.exists(), "no group is left")


def test_groups_of_vcpus_and_iothreads(host):
    slice_ = fake_cgroups(host, "cpu")
    dom = host.define_sector(vcpus=2)
    dom.setVcpusFlags(1, CONFIG)
    dom.create()
    own = slice_ / SCOPE / "libvirt"
    equal(dom.schedulerParametersFlags(LIVE)["cpu_shares"], 100, "what the kernel gives")
    dom.setSchedulerParametersFlags({"vcpu_quota": 30000, "iothread_quota": 40000}, LIVE)
    dom.setVcpusFlags(2, LIVE)
    dom.addIOThread(7, LIVE)
    equal([(own / name / "cpu.max").read_text() for name in ("vcpu1", "iothread7")], ["30000 100000", "40000 100000"])
    dom.delIOThread(7, LIVE)
    check(not (own / "iothread7").exists(), "its group goes with it")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setMemoryParameters, {"hard_limit": 600000}, LIVE, text="memory controller")
    host.kill_daemon()
    kill(host.qemu_pid("tiny"))
    host.start_daemon()
    wait_until(lambda: not own.parent.exists(), "the next daemon removes the groups of a machine that has ended")


def test_partitions(host):
    slice_ = fake_cgroups(host)
    dom = host.start_sector(extra="<resource><partition>/machine/fast</partition></resource>")
    check((slice_ / "machine-fast.slice" / SCOPE / "libvirt/emulator").exists(), "it is in its own slice")
    dom.destroy()
    check(not (slice_ / "machine-fast.slice" / SCOPE).exists(), "no group is left")
    dom = host.define_sector("other", extra="<resource><partition>/machine/../etc</partition></resource>")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create)


def test_groups_that_cannot_be_made(host):
    """Who asks for nothing of them starts; who does, does not."""
    slice_ = fake_cgroups(host)
    slice_.write_text("no folder\n")
    dom = host.start_sector()
    check("partition" not in dom.XMLDesc(), "it has no group")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setSchedulerParametersFlags, {"vcpu_quota": 5000}, LIVE)
    dom = host.define_sector("other", extra="<cputune><quota>5000</quota></cputune>")
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create, text="machine.slice")
    check(host.state("other") == "shut off", "nothing is left of it")


def test_without_groups_nothing_is_ignored(host):
    """rows: tuning-14"""
    host.stop_daemon()
    host.path("sys/devices").mkdir(parents=True)
    host.start_daemon()
    asks = {"<cputune><shares>200</shares></cputune>": "cgroup cpu", "<cputune><quota>5000</quota></cputune>": "cgroup cpu",
            "<memtune><soft_limit>5000</soft_limit></memtune>": "cgroup memory",
            "<blkiotune><weight>500</weight></blkiotune>": "cgroup io",
            "<numatune><memory mode='restrictive' nodeset='0'/></numatune>": "cgroup cpuset",
            "<numatune><memory mode='strict' nodeset='7'/></numatune>": "NUMA node 7 is unavailable",
            "<resource><partition>/fast</partition></resource>": "cgroups are required",
            "<resource><fibrechannel appid='x'/></resource>": "cgroups are required",
            "<cputune><vcpusched vcpus='0' scheduler='fifo' priority='200'/></cputune>": "out of range [1, 99]"}
    for extra, says in asks.items():
        dom = host.define_sector(extra=extra)
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=says)
        dom.undefine()
    dom = host.define_sector(extra="<cputune><vcpupin vcpu='0' cpuset='700'/></cputune>")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text="vCPU 0 is pinned to CPUs 700")
    host.ok("vcpupin", "tiny", "0", "0", "--config")
    dom.create()
    dom = host.start_sector("other")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setSchedulerParametersFlags, {"cpu_shares": 200}, LIVE,
           text="cgroup CPU controller is not mounted")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setMemoryParameters, {"hard_limit": 200}, LIVE, text="memory controller")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setBlkioParameters, {"weight": 200}, LIVE, text="blkio")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.setNumaParameters, {"numa_nodeset": "0"}, LIVE, text="cpuset")
    check("memtune" not in dom.XMLDesc() and "cputune" not in dom.XMLDesc(), "nothing of it is noted")


def test_schedulers(host):
    """What the kernel lets us have here; a domain shows one element per thread."""
    dom = host.start_sector(vcpus=2, extra="<iothreads>1</iothreads><cputune><emulatorsched scheduler='batch'/>"
                                           "<vcpusched vcpus='0-1' scheduler='idle'/><iothreadsched iothreads='1' scheduler='batch'/></cputune>")
    tids = threads(dom)
    policies = [os.sched_getscheduler(tid) for tid in (host.qemu_pid("tiny"), tids["vcpu0"], tids["vcpu1"], tids["iothread1"])]
    equal(policies, [os.SCHED_BATCH, os.SCHED_IDLE, os.SCHED_IDLE, os.SCHED_BATCH])
    contains(dom.XMLDesc(INACTIVE), "<vcpusched vcpus='0' scheduler='idle'/>", "<vcpusched vcpus='1' scheduler='idle'/>")


def test_performance_events(host):
    dom = host.start_sector()
    host.ok("perf", "tiny", "--enable", "task_clock,context_switches", "--live", "--config")
    stats = host.conn.domainListGetStats([dom], libvirt.VIR_DOMAIN_STATS_PERF)[0][1]
    equal(sorted(stats), ["perf.context_switches", "perf.task_clock"])
    equal({name for name, counts in dom.perfEvents(LIVE).items() if counts}, {"task_clock", "context_switches"})
    contains(dom.XMLDesc(INACTIVE), "<event name='task_clock' enabled='yes'/>")
    before = dom.XMLDesc()
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, dom.setPerfEvents, {"page_faults": True, "cmt": True}, LIVE)
    equal(dom.XMLDesc(), before)
    check(not dom.perfEvents(LIVE)["page_faults"], "all or nothing")
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    check(dom.perfEvents(LIVE)["task_clock"], "the next daemon counts on")
    host.ok("perf", "tiny", "--disable", "task_clock")
    equal(dom.perfEvents(LIVE)["task_clock"], False)


@mark(requires=["kvm"])
def test_what_kvm_counts(host):
    """rows: monitoring-03"""
    dom = host.start_sector(kind="kvm", vcpus=2)
    groups = libvirt.VIR_DOMAIN_STATS_VM | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    stats = lambda: host.conn.domainListGetStats([dom], groups)[0][1]
    wait_until(lambda: stats().get("vcpu.0.exits.sum", 0) > 0, "the first vCPU runs")
    now = stats()
    check("vcpu.1.exits.sum" in now and "cpu.haltpoll.success.time" in now, sorted(now))
    check(any(re.fullmatch(r"vm\.\w+\.(sum|cur|max)", name) for name in now), sorted(now))
    check(not any("hist" in name for name in now), "histograms are no numbers")
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    equal(sorted(stats()), sorted(now))


def test_looking_inside(host):
    dom = host.start_sector(memory_kib=32768)
    image = (host.guests.images / "tiny.img").read_bytes()
    equal(dom.blockPeek("hda", 0, 512), image[:512])
    equal(len(dom.memoryPeek(0x7c00, 512, libvirt.VIR_MEMORY_PHYSICAL)), 512)
    wait_until(lambda: dom.memoryPeek(0x7c00, 64, libvirt.VIR_MEMORY_PHYSICAL) == image[:64],
               "the boot sector is where the firmware puts it", 30)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.blockPeek, "hda", 1 << 40, 512)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.memoryPeek, 0, 512, 3)
    leftover = [path for path in host.path("var/lib/libvirt/qemu").glob("domain-*/peek")]
    equal(leftover, [])
    host.ok("domdirtyrate-calc", "tiny", "--seconds", "1")
    stats = lambda: host.conn.domainListGetStats([dom], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)[0][1]
    wait_until(lambda: stats()["dirtyrate.calc_status"] == 2, "it is measured", 20)
    equal(stats()["dirtyrate.calc_period"], 1)
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.startDirtyRateCalc, 61)


def test_what_a_reboot_does(host):
    dom = host.start_demo("demo")
    console = host.booted("demo")
    dom.setLifecycleAction(libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY, BOTH)
    contains(dom.XMLDesc(INACTIVE), "<on_reboot>destroy</on_reboot>")
    host.crash_daemon()
    console = host.booted("demo")
    console.send("reboot -f\n")
    host.wait_state("demo", "shut off", timeout=60)


def test_top(host):
    dom = host.start_demo("demo")
    host.start_sector("tiny")
    console = host.booted("demo")
    console.send("while :; do :; done\n")
    lines = json.loads(host.lodge_ok("top", "--batch", "--delay", "1", "-o", "json", timeout=60))
    equal([line["domain"] for line in lines], ["demo", "tiny"], "the busy one is first")
    check(lines[0]["cpu_percent"] > 5 > lines[1]["cpu_percent"], lines)
    names = host.lodge_ok("top", "-n", "2", "-d", "1", "--sort", "name", "--batch", timeout=60)
    equal(names.count(" demo "), 2)
    terminal = Terminal([host.lodge_program, "-c", host.daemon.uri, "top", "-d", "1"])
    host.terminals.append(terminal)
    terminal.expect("2 running", timeout=30)
    terminal.send("n")
    terminal.expect("by name", timeout=30)
    terminal.send("q")
    wait_until(lambda: terminal.process.poll() == 0, "it ends")
    host.lodge_ok("iothreadadd", "tiny", "3", "--live")
    host.lodge_ok("iothreadpin", "tiny", "3", "0")
    host.lodge_ok("iothreadset", "tiny", "3", "--poll-max-ns", "7")
    contains(host.lodge_ok("iothreadinfo", "tiny"), " 3 ")
    host.lodge_ok("iothreaddel", "tiny", "3")
    host.lodge_ok("perf", "tiny", "--enable", "task_clock")
    contains(host.lodge_ok("perf", "tiny"), "task_clock     : enabled")
    dom.destroy()
