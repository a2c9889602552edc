"""What the host is and can: node information, capabilities, CPU models, connections.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

from lodgetest.host import *
from lodgetest.runner import mark


def test_version_and_names(host):
    """rows: cli-18"""
    contains(host.ok("version"), "Using library: libvirt 9.0.0", "Using API: QEMU 9.0.0", "Running hypervisor: QEMU 7.")
    equal(host.ok("hostname").strip(), os.uname().nodename)
    contains(host.ok("version", "--daemon"), "Running against daemon:")
    equal(host.conn.getType(), "QEMU")
    equal(host.conn.isAlive(), 1)
    equal((host.conn.isSecure(), host.conn.isEncrypted()), (1, 0))


def test_uri_without_one_given_by_the_client(host):
    """A client that gives no name asks the daemon for it."""
    from lodgetest.wire import Wire
    wire = Wire(host.daemon.socket)
    wire.call("connect_open", name="", flags=0)
    equal(wire.call("connect_get_uri")["uri"], "qemu:///system")


def test_other_drivers_are_refused(host):
    from lodgetest.wire import Wire, WireError
    for name in ("xen:///system", "lxc:///", "qemu:///nonsense"):
        try:
            Wire(host.daemon.socket).call("connect_open", name=name, flags=0)
        except WireError:
            continue
        fail(f"{name} was opened")


def test_nodeinfo(host):
    """rows: cli-19"""
    text = host.ok("nodeinfo")
    contains(text, "CPU model:           x86_64", "Memory size:")
    equal(int(re.search(r"CPU\(s\):\s+(\d+)", text).group(1)), os.cpu_count())
    info = host.conn.getInfo()
    equal(info[2], os.cpu_count())
    check(info[1] > 100, f"memory: {info[1]} MiB")


def test_node_statistics(host):
    with open("/proc/meminfo") as file:
        total = int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1))
    contains(host.ok("nodememstats"), f"total  : {total:20} KiB".replace(" " * 20, " ")[:8])
    equal(host.conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)["total"], total)
    contains(host.ok("nodecpustats"), "user:", "system:", "idle:", "iowait:")
    contains(host.ok("nodecpustats", "--percent"), "usage:")
    contains(host.ok("nodecpustats", "--cpu", "0"), "user:")
    host.refused("nodecpustats", "--cpu", "4096")
    contains(host.ok("nodecpumap"), "CPUs present:", "CPUs online:", "CPU map:")
    contains(host.ok("freecell", "--all"), "Total:")
    contains(host.ok("freepages", "--all"), "4KiB:")


def test_capabilities(host):
    """rows: host-setup-24"""
    tree = ElementTree.fromstring(host.ok("capabilities"))
    equal(tree.find("host/cpu/arch").text, "x86_64")
    check(len(tree.findall("host/topology/cells/cell/cpus/cpu")) == os.cpu_count(), "processors of the topology")
    guests = {g.find("arch").get("name"): g for g in tree.findall("guest")}
    check("x86_64" in guests, f"guests: {list(guests)}")
    types = {d.get("type") for d in guests["x86_64"].findall("arch/domain")}
    check("qemu" in types, f"domain types: {types}")
    machines = {m.text for m in guests["x86_64"].findall("arch/machine")}
    check({"pc", "q35"} <= machines, f"machines: {sorted(machines)}")
    equal(guests["x86_64"].find("arch/emulator").text, "/usr/bin/qemu-system-x86_64")


@mark(requires=["kvm"])
def test_kvm_is_offered_where_it_can_be_opened(host):
    contains(host.ok("capabilities"), "<domain type='kvm'/>")
    contains(host.ok("domcapabilities", "--virttype", "kvm"), "<domain>kvm</domain>")


def test_domcapabilities(host):
    text = host.ok("domcapabilities", "--virttype", "qemu", "--machine", "q35")
    tree = ElementTree.fromstring(text)
    equal(tree.find("path").text, "/usr/bin/qemu-system-x86_64")
    check(tree.find("machine").text.startswith("pc-q35-"), text[:300])
    check(int(tree.find("vcpu").get("max")) >= 160, "number of processors")
    buses = {v.text for v in tree.findall("devices/disk/enum[@name='bus']/value")}
    check({"virtio", "sata", "scsi", "usb"} <= buses, f"disk buses: {buses}")
    check("vnc" in {v.text for v in tree.findall("devices/graphics/enum[@name='type']/value")}, "no vnc")
    models = tree.findall("cpu/mode[@name='custom']/model")
    check(len(models) > 20, f"{len(models)} CPU models")
    host.refused("domcapabilities", "--arch", "pdp11")
    host.refused("domcapabilities", "--virttype", "nonsense")
    host.refused("domcapabilities", "--machine", "pc-of-tomorrow")


def test_cpu_models_and_comparison(host):
    models = host.ok("cpu-models", "x86_64").split()
    check({"qemu64", "Skylake-Server", "EPYC"} <= set(models), f"{len(models)} models")
    capabilities = host.write_xml(host.ok("capabilities"))
    contains(host.ok("cpu-compare", capabilities), "identical to host CPU")
    baseline = host.ok("cpu-baseline", capabilities)
    contains(baseline, "<cpu", "<model")
    host.refused("cpu-compare", host.write_xml("<nonsense/>"))


def test_maxvcpus(host):
    check(int(host.ok("maxvcpus").strip()) > 0, "maxvcpus")
    check(int(host.ok("maxvcpus", "--type", "qemu").strip()) >= 1, "maxvcpus of qemu")


def test_several_connections_at_once(host):
    """rows: host-setup-23"""
    host.define_sector("tiny")
    connections = [host.open() for _ in range(20)]
    for conn in connections:
        equal(conn.lookupByName("tiny").name(), "tiny")


def test_commands_of_other_parts_get_a_real_answer(host):
    """What this daemon does not have (yet) is refused clearly, and the connection goes on."""
    script = "\n".join(["list --all", "pool-list --all", "net-list --all", "nwfilter-list", "secret-list",
                        "iface-list", "nodedev-list", "snapshot-list none", "hostname"])
    result = host.virsh(stdin=script + "\n")
    contains(result.out, os.uname().nodename)
    check("connection" not in result.err.lower() or "not supported" in result.err, result.err)
    host.ok("list")


def test_numatune_and_schedinfo_can_be_read(host):
    host.define_sector("tiny")
    contains(host.ok("numatune", "tiny"), "numa_mode")
    contains(host.ok("schedinfo", "tiny"), "Scheduler")


def doctor(host):
    """{check: row} of the host check."""
    return {row["check"]: row for row in json.loads(run([host.lodge_program, "--root", host.root, "doctor", "-o", "json"]).out)}


def pretend(host, path, text):
    """A kernel file of this test with another content; its mount namespace is private."""
    subprocess.run(["mount", "--bind", host.write(path.strip("/").replace("/", "-"), text), path], check=True)


def without_kvm(host):
    """/dev of this test without the device of KVM."""
    host.write("dev.sh", """set -e
umount -l /dev/kvm || true
mkdir $1/dev && mount -t tmpfs tmpfs $1/dev
for file in null zero full random urandom tty; do touch $1/dev/$file; mount --bind /dev/$file $1/dev/$file; done
mkdir $1/dev/pts $1/dev/shm && mount --bind /dev/pts $1/dev/pts && mknod -m 666 $1/dev/ptmx c 5 2
mount --rbind $1/dev /dev
""")
    subprocess.run(["sh", host.path("dev.sh"), host.root], check=True)


@mark(daemon=False)
def test_without_kvm_machines_are_emulated(host):
    """rows: platform-03 host-setup-07"""
    without_kvm(host)
    if host.is_reference:  # it cannot make a /dev of its own from this one
        host.write("etc/libvirt/qemu.conf", 'stdio_handler = "file"\nnamespaces = []\n')
    host.start_daemon()
    check("<domain type='kvm'" not in host.ok("capabilities"), "KVM is offered")
    host.refused("domcapabilities", "--virttype", "kvm", says="kvm")
    host.start_sector("emulated")
    equal(host.state("emulated"), "running")
    contains(" ".join(next(iter(qemus().values()))), "-accel tcg")
    host.refused("create", host.write_xml(host.guests.empty("fast", kind="kvm")), says="kvm")
    if not host.is_reference:
        pretend(host, "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse2\n")
        rows = doctor(host)
        contains(rows["cpu-flags"]["detail"], "neither vmx (Intel VT-x) nor svm (AMD-V)")
        contains(rows["kvm-device"]["detail"], "/dev/kvm does not exist: machines run emulated")
        equal([rows[name]["result"] for name in ("cpu-flags", "kvm-device", "kvm-run")], ["warn"] * 3)


@mark(only="lodged", reason="an extension of lodged")
def test_the_host_check_reads_processor_and_modules(host):
    """rows: host-setup-01 host-setup-02 host-setup-03"""
    modules = host.path("modules")
    for flag, vendor, module in (("vmx", "GenuineIntel", "kvm_intel"), ("svm", "AuthenticAMD", "kvm_amd")):
        pretend(host, "/proc/cpuinfo", "".join(f"processor\t: {i}\nvendor_id\t: {vendor}\nflags\t\t: fpu {flag} sse2\n\n" for i in (0, 1)))
        for name in ("kvm", module):
            (modules / name).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", modules, "/sys/module"], check=True)
        rows = doctor(host)
        equal((rows["cpu-flags"]["result"], rows["kvm-modules"]["result"]), ("ok", "ok"), f"for {flag}")
        contains(rows["cpu-flags"]["detail"], f"2 processors have hardware virtualization ({flag})")
        contains(rows["kvm-modules"]["detail"], f"kvm and {module} are loaded")
        subprocess.run(["umount", "/sys/module", "/proc/cpuinfo"], check=True)
        (modules / module).rmdir()
    (modules / "kvm").rmdir()
    subprocess.run(["mount", "--bind", modules, "/sys/module"], check=True)
    pretend(host, "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse2\n")
    rows = doctor(host)
    equal((rows["cpu-flags"]["result"], rows["kvm-modules"]["result"]), ("warn", "warn"))
    contains(rows["kvm-modules"]["detail"], "not loaded")


@mark(only="lodged", requires=["kvm"], reason="an extension of lodged")
def test_the_device_of_kvm_is_what_it_should_be(host):
    """rows: host-setup-05"""
    status = os.stat("/dev/kvm")
    equal((os.major(status.st_rdev), os.minor(status.st_rdev)), (10, 232))
    contains(doctor(host)["kvm-device"]["detail"], "/dev/kvm opens (mode 0660, group kvm)")
    os.chown("/dev/kvm", 0, 0)
    equal(doctor(host)["kvm-device"]["result"], "warn")


def test_what_qemu_says_when_it_aborts_reaches_the_client(host):
    """On some hosts KVM refuses a register of the processor. rows: host-setup-19 host-setup-20"""
    says = "qemu-kvm: error: failed to set MSR 0xe1 to 0x0"
    emulator = host.script("qemu", f"#!/bin/sh\ncase \"$*\" in *guest=*) echo '{says}' >&2; kill -ABRT $$ ;; esac\n"
                                   "exec /usr/bin/qemu-system-x86_64 \"$@\"\n")
    dom = host.define(host.guests.empty("m", emulator=emulator))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text=says)
    equal(host.state("m"), "shut off")
    if not host.is_reference:
        contains(host.lodge("start", "m").err, says, "options kvm ignore_msrs=1 in /etc/modprobe.d")
