"""Machines that go on from the memory of another one.

The guest is a boot sector that writes a number of its own into its memory when it boots, and counts there.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import random
import re
import signal
import subprocess
import time

import libvirt

from lodgetest.agent import start_real
from lodgetest.cloud import *
from lodgetest.host import *
from lodgetest.runner import mark

AT = 0x8000
COUNTER = bytes.fromhex(
    "fa31c08ed8"      # cli; xor ax,ax; mov ds,ax
    "0f3166a30480"    # rdtsc; mov [0x8004],eax: this boot
    "31c066a30080"    # xor ax,ax; mov [0x8000],eax
    "66ff060080"      # inc dword [0x8000]
    "fbf4"            # sti; hlt: until the timer ticks
    "ebf7").ljust(510, b"\0") + b"\x55\xaa"
MEMFD = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
CLONE = ["--running", "--quiet"]
LINK = re.compile(r"<link state='down'/>")


def pool(host):
    host.ok("pool-define-as", "default", "dir", "--target", str(host.path("var/lib/libvirt/images")))
    host.ok("pool-start", "default")


def machine(host, name="web"):
    """With no card, which a boot sector would not let go of."""
    image = host.path("var/lib/libvirt/images/web.img")
    image.write_bytes(COUNTER.ljust(1 << 20, b"\0"))
    pool(host)
    disk = (f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/>"
            "<target dev='vda' bus='virtio'/></disk>")
    xml = host.guests.empty(name, devices=disk, memory_kib=65536)
    host.define(xml.replace("<os>", MEMFD + "<os>")).create()
    wait_until(lambda: count(host, name) > 2, f"{name} counts")


def new_machine(host, name="web"):
    """As `lodge run` makes them: with a card, a seed and a log."""
    host.network(NETWORK)
    image = host.path("counter.img")
    image.write_bytes(COUNTER + bytes(512 * 7))
    host.lodge_ok("image", "import", str(image), "--name", "counter", env=home(host))
    host.lodge_ok("run", name, "--image", "counter", "--virt-type", "qemu", "--memory", "64M", "--cpus", "1", "--ssh-key",
                  KEY, "--no-wait", "--no-display", env=home(host))
    wait_until(lambda: count(host, name) > 2, f"{name} counts")


def peek(host, name, offset):
    memory = host.conn.lookupByName(name).memoryPeek(AT + offset, 4, libvirt.VIR_MEMORY_PHYSICAL)
    return int.from_bytes(memory, "little")


def count(host, name):
    return peek(host, name, 0)


def boot(host, name):
    return peek(host, name, 4)


def goes_on(host, name):
    before = count(host, name)
    wait_until(lambda: count(host, name) > before, f"{name} counts")


def names(host):
    return sorted(host.ok("list", "--all", "--name").split())


def snapshots(host, name="web"):
    return host.ok("snapshot-list", name, "--name").split()


def kept(host):
    """How many memories the daemon keeps."""
    folder = f"/proc/{host.daemon.process.pid}/fd"
    links = []
    for entry in os.listdir(folder):
        try:
            links.append(os.readlink(f"{folder}/{entry}"))
        except FileNotFoundError:
            pass
    return sum("lodge-kept-memory" in link for link in links)


def volumes(host):
    return sorted(re.findall(r"^ (\S+) ", host.ok("vol-list", "default"), re.M)[1:])


def one(host, name, pattern):
    return re.search(pattern, host.ok("dumpxml", name)).group(1)


def test_clones_go_on_where_the_original_is(host):
    """Each with memory, disk, addresses and name of its own; the original goes on beside them."""
    new_machine(host)
    before = count(host, "web")
    host.lodge_ok("clone", "web", *CLONE, "--count", "3", "--name", "c%d", timeout=120)
    equal(names(host), ["c1", "c2", "c3", "web"])
    equal(host.state("web"), "running")
    goes_on(host, "web")
    for name in ("c1", "c2", "c3"):
        equal(host.state(name), "running")
        equal(boot(host, name), boot(host, "web"), f"{name} has not booted")
        check(count(host, name) >= before, f"{name} has counted from the beginning")
        goes_on(host, name)
        contains(open(f"/proc/{host.qemu_pid(name)}/maps").read(), "rw-p", "/memfd:lodge-kept-memory")
        contains(subprocess.run(["qemu-img", "info", "-U", host.path(f"var/lib/libvirt/images/{name}.qcow2")],
                                capture_output=True, text=True, check=True).stdout, "/images/web.qcow2")
    for what in ("<uuid>(.*?)</uuid>", "<mac address='(.*?)'", "<source file='(.*?)'", "<log file='(.*?)'"):
        equal(len({one(host, name, what) for name in names(host)}), 4, what)
    # One that stands still does not keep the others from theirs.
    host.ok("suspend", "c1")
    still = count(host, "c1")
    goes_on(host, "c2")
    goes_on(host, "web")
    equal(count(host, "c1"), still)
    wait_until(lambda: kept(host) == 0, "the daemon keeps none: QEMU does")
    # The document says what it is, and another start gives the memory that the definition asks for.
    contains(host.ok("dumpxml", "c2"), "<access mode='private'/>")
    contains(host.ok("dumpxml", "c2", "--inactive"), "<source type='memfd'/>", "<access mode='shared'/>")
    host.ok("destroy", "c2")
    host.ok("start", "c2")
    check(boot(host, "c2") != boot(host, "web"), "it has not booted")
    goes_on(host, "c3")
    host.crash_daemon()
    for name in ("web", "c3"):
        equal(host.state(name), "running")
        goes_on(host, name)
    host.lodge_ok("destroy", "c3")
    host.lodge_ok("undefine", "c3", "--remove-all-storage")


def test_a_paused_original_stays_as_it_is(host):
    """Its memory is written once, for all clones until it goes on."""
    machine(host)
    host.ok("suspend", "web")
    still = count(host, "web")
    for name in ("one", "two", "three"):
        host.lodge_ok("clone", "web", *CLONE, "--name", name, timeout=60)
        check(count(host, name) >= still, f"{name} has counted from the beginning")
        goes_on(host, name)
        equal(boot(host, name), boot(host, "web"))
        equal(host.state("web"), "paused")
    equal(count(host, "web"), still)
    equal(len(snapshots(host)), 1)
    equal(kept(host), 1)
    host.ok("resume", "web")
    goes_on(host, "web")
    wait_until(lambda: kept(host) == 0, "it is forgotten when the original goes on")
    host.lodge_ok("clone", "web", *CLONE, "--name", "four", timeout=60)
    equal(len(snapshots(host)), 2)
    # A save after that is whole again.
    host.ok("managedsave", "web", timeout=60)
    host.ok("start", "web", timeout=60)
    equal(boot(host, "web"), boot(host, "one"))
    goes_on(host, "web")
    # So is one of a clone.
    host.ok("managedsave", "two", timeout=60)
    host.ok("start", "two", timeout=60)
    equal(boot(host, "two"), boot(host, "one"))
    goes_on(host, "two")


def test_a_clone_changes_nothing_of_the_others(host):
    """Not even one whose QEMU is not itself any more: what it maps is sealed."""
    machine(host)
    host.ok("suspend", "web")
    host.lodge_ok("clone", "web", *CLONE, "--name", "one", timeout=60)
    pid = host.qemu_pid("one")
    files = [f"/proc/{pid}/fd/{entry}" for entry in os.listdir(f"/proc/{pid}/fd")
             if "lodge-kept-memory" in os.readlink(f"/proc/{pid}/fd/{entry}")]
    check(files, "it has it open")
    for file in files:
        fd = os.open(file, os.O_RDWR)
        for change in (lambda: os.pwrite(fd, b"x", AT), lambda: os.ftruncate(fd, 0)):
            try:
                change()
                fail("it could be written to")
            except PermissionError:
                pass
        os.close(fd)
    host.ok("setmem", "one", "32M", "--live")  # nor does a balloon


def test_what_cannot_be_had_twice_is_refused(host):
    machine(host)
    host.ok("destroy", "web")
    told = host.lodge("clone", "web", "--running", "--name", "x")
    equal(told.code, 1)
    contains(told.err, "machine 'web' is not running")
    cells = "<cpu><numa><cell id='0' cpus='0' memory='65536' unit='KiB'/></numa></cpu>"
    for number, (extra, devices, text) in enumerate((
            ("", "", "it is no shared memfd"),
            (MEMFD.replace("shared", "private"), "", "it is no shared memfd"),
            (MEMFD + cells, "", "NUMA"),
            (MEMFD, "<shmem name='common'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>", "shmem"),
            (MEMFD, f"<filesystem type='mount'><source dir='{host.path('')}'/><target dir='x'/></filesystem>",
             "file system of the host"))):
        xml = host.guests.sector(f"m{number}", devices=devices, memory_kib=65536)
        host.define(xml.replace("<os>", extra + "<os>")).create()
        told = host.lodge("clone", f"m{number}", "--running", "--name", "x")
        equal(told.code, 1)
        contains(told.err, text)
        equal(host.state(f"m{number}"), "running")
        equal(snapshots(host, f"m{number}"), [])
        host.ok("destroy", f"m{number}")
    check("x" not in names(host), "it was made")
    for options in (["--file", "/tmp/x"], ["--preserve-data"]):
        told = host.lodge("clone", "web", "--running", "--name", "x", *options)
        check(told.code != 0, str(told))


def test_a_clone_of_memory_is_no_original(host):
    machine(host)
    host.lodge_ok("clone", "web", *CLONE, "--name", "one", timeout=60)
    told = host.lodge("clone", "one", "--running", "--name", "two")
    equal(told.code, 1)
    contains(told.err, "started anew")


def blocked(host, operation):
    """The hook of QEMU stops there for the clone, until the file that is returned is gone."""
    gate = host.write("gate", "")
    host.script("etc/libvirt/hooks/qemu", f"""#!/bin/sh
cat >/dev/null
[ "$1-$2" = x-{operation} ] || exit 0
touch {host.path('reached')}
while [ -e {gate} ]; do sleep 0.05; done
""")
    return gate


def begin(host, *options):
    return subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "clone", "web", *CLONE, "--name", "x", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@mark(only="lodged")
def test_killed_on_the_way_nothing_is_half_made(host):
    """The daemon dies while the clone starts: the original goes on, the clone is off and can be removed."""
    machine(host)
    before = volumes(host)
    for operation in ("prepare", "started"):
        gate = blocked(host, operation)
        host.path("reached").unlink(missing_ok=True)
        process = begin(host)
        wait_until(lambda: host.path("reached").exists(), f"the clone is at '{operation}'", timeout=60)
        host.kill_daemon()
        process.communicate(timeout=60)
        gate.unlink()
        host.daemon.start()
        equal(host.state("web"), "running")
        goes_on(host, "web")
        equal(host.state("x"), "shut off")
        equal(kept(host), 0)
        host.lodge_ok("undefine", "x", "--remove-all-storage")
        host.script("etc/libvirt/hooks/qemu", "#!/bin/sh\n")
        for name in snapshots(host):
            host.ok("snapshot-delete", "web", name, timeout=60)
        equal(volumes(host), before)
    host.lodge_ok("clone", "web", *CLONE, "--name", "x", timeout=60)
    goes_on(host, "x")


@mark(only="lodged")
def test_interrupted_nothing_is_left(host):
    machine(host)
    before = volumes(host)
    gate = blocked(host, "started")
    process = begin(host)
    wait_until(lambda: host.path("reached").exists(), "the clone starts", timeout=60)
    process.send_signal(signal.SIGINT)
    gate.unlink()
    process.communicate(timeout=60)
    check(process.returncode != 0, "it says so")
    equal(names(host), ["web"])
    wait_until(lambda: kept(host) == 0, "no memory is kept")
    goes_on(host, "web")
    equal(snapshots(host), [])
    equal(volumes(host), before)


@mark(only="lodged")
def test_a_client_that_dies_leaves_no_memory(host):
    machine(host)
    gate = blocked(host, "prepare")
    process = begin(host)
    wait_until(lambda: host.path("reached").exists(), "the clone starts", timeout=60)
    equal(kept(host), 2)  # and one for the QEMU that is about to be
    process.kill()
    process.wait()
    gate.unlink()
    wait_until(lambda: kept(host) == 0, "it is given up")
    goes_on(host, "web")


def test_cards_come_back_with_addresses_of_their_own(host):
    """In Linux: another card, in the same slot; the host name is told by the agent of whoever has one."""
    host.network(NETWORK)
    card = ("<interface type='network'><source network='default'/><mac address='52:54:00:11:22:33'/>"
            "<model type='virtio'/></interface>")
    xml = host.guests.demo("web", devices=card)
    xml = xml.replace("<os>", MEMFD + "<os>")
    host.define(xml).create()
    console = host.booted("web")
    console.command("secret=$((6 * 7))")
    contains(console.command("cat /sys/class/net/e*/address"), "52:54:00:11:22:33")
    console.close()
    pool(host)
    told = host.lodge("clone", "web", "--running", "--name", "x", "--mac", "52:54:00:44:55:66", timeout=120)
    equal(told.code, 0, str(told))
    check("without a link" not in told.err, told.err)
    contains(told.err, "no agent that could be told")
    console = host.at_prompt(host.console("x"), "web")
    contains(console.command("echo is $secret"), "is 42")
    console.command("until cat /sys/class/net/e*/address | grep -q 44:55:66; do sleep 0.1; done", timeout=60)
    check("11:22:33" not in console.command("cat /sys/class/net/*/address"), "the card of the original is there")
    console.close()
    answer = host.ok("qemu-monitor-command", "x", "--hmp", "info network")
    contains(answer, "52:54:00:44:55:66")
    check("52:54:00:11:22:33" not in answer, answer)
    check(not LINK.search(host.ok("dumpxml", "x")), "it has no link")
    console = host.at_prompt(host.console("web"), "web")
    contains(console.command("cat /sys/class/net/e*/address"), "52:54:00:11:22:33")
    console.close()


def test_cards_that_the_guest_keeps_have_no_link(host):
    """A guest that knows nothing of plugging: nothing goes out with the address of the original."""
    new_machine(host)
    told = host.lodge("clone", "web", "--running", "--name", "x", timeout=60)
    equal(told.code, 0, str(told))
    contains(told.err, "without a link")
    check(LINK.search(host.ok("dumpxml", "x")), "it has a link")
    check(not LINK.search(host.ok("dumpxml", "x", "--inactive")), "it would have none after a start")


def test_the_guest_is_told_who_it_is(host):
    """By its agent: host name and machine-id are new, in each clone others."""
    start_real(host, "web", extra=MEMFD, memory_kib=262144).close()
    pool(host)
    ask = ["--", "sh", "-c", "cat /proc/sys/kernel/hostname /etc/hostname /etc/machine-id"]
    host.lodge_ok("exec", "web", "--", "sh", "-c", "echo 0123456789abcdef0123456789abcdef >/etc/machine-id", timeout=60)
    told = host.lodge("clone", "web", "--running", "--count", "2", "--name", "x%d", timeout=240)
    equal(told.code, 0, str(told))
    equal(told.err, "")
    seen = set()
    for name in ("x1", "x2"):
        running, stored, number = host.lodge_ok("exec", name, *ask, timeout=60).split()
        equal((running, stored), (name, name))
        check(re.fullmatch("[0-9a-f]{32}", number), number)
        seen.add(number)
    equal(len(seen | {"0123456789abcdef0123456789abcdef"}), 3)
    host.lodge_ok("clone", "web", *CLONE, "--name", "same", "--keep-identity", timeout=240)
    contains(host.lodge_ok("exec", "same", "--", "cat", "/etc/machine-id", timeout=60), "0123456789abcdef")


@mark(only="lodged")
def test_killed_at_any_moment_the_original_goes_on(host):
    """The daemon dies somewhere between the first call and the last one."""
    machine(host)
    rng = random.Random(11)
    longest = 0.1
    for number in range(8):
        began = time.monotonic()
        process = begin(host, "--replace")
        try:
            process.communicate(timeout=rng.uniform(0, longest))
            longest = max(0.1, time.monotonic() - began)
        except subprocess.TimeoutExpired:
            longest += 0.1  # until it comes to its end
        host.crash_daemon()
        process.communicate(timeout=60)
        host.wait_state("web", "running")
        goes_on(host, "web")
        equal(kept(host), 0)
        if "x" not in names(host):
            continue
        if host.state("x") == "running":
            goes_on(host, "x")
            host.ok("destroy", "x")
        wait_until(lambda: host.lodge("undefine", "x", "--remove-all-storage").code == 0, "it can be removed")
    host.lodge_ok("clone", "web", *CLONE, "--name", "x", timeout=60)
    goes_on(host, "x")


@mark(requires=["ovmf", "program:swtpm"])
def test_firmware_and_tpm_go_along(host):
    """Each has variables and a TPM of its own, which go on from those of the original."""
    pool(host)
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    xml = host.guests.empty("web", machine="q35", memory_kib=131072, devices=tpm,
                            os_part="<firmware><feature enabled='no' name='secure-boot'/></firmware>")
    host.define(xml.replace("<os>", MEMFD + "<os firmware='efi'>")).create()
    told = host.lodge("clone", "web", *CLONE, "--count", "2", "--name", "x%d", timeout=120)
    equal(told.code, 0, str(told))
    equal(snapshots(host), [])  # there is no disk to freeze
    for name in ("web", "x1", "x2"):
        equal(host.state(name), "running")
        contains(host.ok("dumpxml", name), f"{name}_VARS.fd")
        check(host.path(f"var/lib/libvirt/qemu/nvram/{name}_VARS.fd").stat().st_size > 100000, "variables")
    folders = {one(host, name, "<uuid>(.*?)</uuid>") for name in ("web", "x1", "x2")}
    for uuid in folders:
        check(list(host.path(f"var/lib/libvirt/swtpm/{uuid}/tpm2").iterdir()), f"the TPM of {uuid}")
    equal(len(folders), 3)
