"""What a QEMU that its guest broke out of can reach: a test program runs in its place, as it is started for a machine.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib

from lodgetest.host import *
from lodgetest.runner import mark

# Prints one line of JSON into the machine's log: {what was tried: "" or the name of the error}.
ATTACK = r"""
import ctypes, errno, fcntl, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
places = json.loads(sys.argv[1])
seen = {}
def attempt(name, function):
    try:
        function()
        seen[name] = ""
    except OSError as error:
        seen[name] = errno.errorcode[error.errno]
def connect(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
def link_down():
    with socket.socket() as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0))
def make(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(path)
for name in ("own_disk", "other_disk", "base"):
    if name in places:
        attempt(name, lambda: os.close(os.open(places[name], os.O_RDONLY if name == "base" else os.O_RDWR)))
attempt("socket", lambda: connect(places["socket"]))
attempt("socket_ro", lambda: connect(places["socket"] + "-ro"))
attempt("shadow", lambda: os.close(os.open("/etc/shadow", os.O_RDONLY)))
attempt("device", lambda: os.close(os.open("/dev/fuse", os.O_RDWR)))
attempt("new_device", lambda: os.mknod("/dev/shm/zero", 0o20666, os.makedev(1, 5)))
attempt("signal", lambda: os.kill(places["other"], 0))
attempt("trace", lambda: checked(libc.ptrace(16, places["other"], 0, 0)))
attempt("network", link_down)
attempt("foreign_folder", lambda: make(places["foreign"] + "/planted"))
attempt("shared_memory", lambda: make("/dev/shm/lodge-test-%d" % os.getpid()))
seen["strangers"] = sum(1 for pid in os.listdir("/proc") if pid.isdigit() and os.stat("/proc/" + pid).st_uid == 0)
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
seen["caps"] = int(status["CapBnd"], 16) | int(status["CapEff"], 16)
seen["no_new_privs"] = status["NoNewPrivs"]
seen["uid"] = os.getuid()
seen["devices"] = sorted(os.listdir("/dev"))
print("ATTACK " + json.dumps(seen), file=sys.stderr, flush=True)
"""


def attacked(host, dom, disk, places):
    """What the program saw in the place of @dom's QEMU; the machine runs afterwards."""
    program = host.write("attack.py", ATTACK, 0o644)
    given = host.write("places.json", json.dumps(places))
    emulator = host.script(f"emulator-{dom}", "#!/bin/sh\ncase \"$*\" in *guest=*) /usr/bin/python3 " +
                           f"{program} \"$(cat {given})\" ;; esac\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n")
    machine = host.define(host.guests.sector(dom, emulator=emulator, devices=disk))
    machine.create()
    log = host.path(f"var/log/libvirt/qemu/{dom}.log")
    line = wait_until(lambda: [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ATTACK ")],
                      "the program has said what it saw")[-1]
    return json.loads(line.removeprefix("ATTACK "))


def process_uid(pid):
    return pathlib.Path(f"/proc/{pid}").stat().st_uid


def places_of(host):
    """Another machine that runs, and what an attacker would like to have of it and of the host."""
    host.start_sector("other")
    return {"other": host.qemu_pid("other"), "socket": str(host.daemon.socket),
            "foreign": str(host.path("var/lib/libvirt/qemu/save")), "other_disk": str(next(host.root.rglob("other.img")))}


TRIED = ("other_disk", "socket", "socket_ro", "shadow", "device", "new_device", "signal", "trace", "network", "foreign_folder")
NOTHING = {"other_disk": "EACCES", "socket": "ENOENT", "socket_ro": "ENOENT", "shadow": "EACCES", "device": "ENOENT",
           "new_device": "EPERM", "signal": "EPERM", "trace": "EPERM", "network": "EPERM", "foreign_folder": "EACCES"}
# libvirtd 9.0.0 as Debian sets it up, where no AppArmor is: one user for all machines, and the host's sockets.
REFERENCE = {**NOTHING, "other_disk": "", "socket": "", "socket_ro": "", "signal": "", "trace": "", "foreign_folder": ""}
# All machines one user, as it is if nothing is said: what its owner gives away, each has.
ONE_USER = {**NOTHING, "other_disk": ""}


def test_what_a_broken_out_qemu_reaches(host):
    seen = attacked(host, "evil", "", places_of(host))
    equal({key: seen[key] for key in TRIED}, REFERENCE if host.is_reference else ONE_USER)
    if not host.is_reference:
        equal((seen["shared_memory"], seen["strangers"], seen["caps"], seen["no_new_privs"]), ("", 0, 0, "1"))
        check(not {"fuse", "loop0", "mem", "tty0", "disk"} & set(seen["devices"]), f"devices: {seen['devices']}")


@mark(only="lodged", reason="the reference has no such key")
def test_machines_that_are_users_of_their_own(host):
    host.write("etc/libvirt/qemu.conf", "machine_uid_min = 700000\nmachine_uid_max = 700002\n")
    host.restart_daemon()
    places = places_of(host)
    base = host.write("base.img", "x" * 512, 0o600)
    before = base.stat()
    disk = f"<disk type='file'><driver name='qemu' type='raw'/><source file='{base}'/><target dev='vdb'/><readonly/></disk>"
    for name in ("evil", "twin"):  # both read the base
        seen = attacked(host, name, disk, {**places, "base": str(base)})
        equal({key: seen[key] for key in TRIED}, NOTHING)
        equal(seen["base"], "", "what is shared can be read")
        equal(seen["uid"], process_uid(host.qemu_pid(name)))
    names = ("other", "evil", "twin")
    equal({process_uid(host.qemu_pid(name)) for name in names}, {700000, 700001, 700002})
    fourth = host.define_sector("fourth")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, fourth.create, text="machine_uid_max")
    host.crash_daemon()
    host.conn.lookupByName("evil").destroy()
    host.conn.lookupByName("fourth").create()
    for name in ("other", "twin", "fourth"):
        host.conn.lookupByName(name).destroy()
    after = base.stat()
    equal((after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid), "the base")


@mark(only="lodged", reason="keys of the reference need its own name spaces")
def test_devices_come_and_go_with_their_disks(host):
    """A block device is plugged into a machine that sees its own devices only."""
    image = host.write("loop.img", "x" * 1048576)
    loop = run(["losetup", "--show", "-f", str(image)]).out.strip()
    try:
        dom = host.start_sector("tiny")
        dev = pathlib.Path(f"/proc/{host.qemu_pid('tiny')}/root{loop}")
        check(not dev.exists(), "it is not seen before")
        xml = f"<disk type='block'><driver name='qemu' type='raw'/><source dev='{loop}'/><target dev='vdb' bus='virtio'/></disk>"
        dom.attachDevice(xml)
        equal(dev.stat().st_rdev, pathlib.Path(loop).stat().st_rdev)
        host.crash_daemon()
        dom = host.conn.lookupByName("tiny")
        dom.destroy()
        dom.create()
        check(not pathlib.Path(f"/proc/{host.qemu_pid('tiny')}/root{loop}").exists(), "a new start does not have it")
        dom.destroy()
        host.write("etc/libvirt/qemu.conf", "namespaces = [ ]\nlandlock = 0\n")
        host.restart_daemon()
        dom = host.conn.lookupByName("tiny")
        dom.create()
        check(pathlib.Path(f"/proc/{host.qemu_pid('tiny')}/root{loop}").exists(), "without a name space it sees all")
        dom.destroy()
    finally:
        run(["losetup", "-d", loop])
