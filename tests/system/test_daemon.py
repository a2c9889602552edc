"""lodged itself: options, configuration, socket activation, readiness, signals.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import grp
import os
import re
import socket
import subprocess
import sys

from lodgetest.host import *
from lodgetest.runner import mark

OWN = {"only": "lodged", "reason": "the options and words of lodged"}


@mark(daemon=False, **OWN)
def test_help_and_version(host):
    binary = host.daemon.binary
    contains(run([binary, "--help"]), "--root", "--foreground", "--verbose", "--config")
    contains(run([binary, "--version"]), "lodged")
    equal(run([binary, "--nonsense"]).code, 2)
    equal(run([binary, "--root"]).code, 2)


@mark(daemon=False, **OWN)
def test_a_root_with_a_long_path_works(host):
    """A socket's address has room for 107 bytes only; neither daemon nor client needs more."""
    root = host.path("x" * 60 + "/" + "y" * 60)
    root.mkdir(parents=True)
    with subprocess.Popen([host.daemon.binary, "--root", str(root), "--foreground"],
                          stderr=subprocess.DEVNULL) as daemon:
        try:
            wait_until(lambda: (root / "run/libvirt/libvirt-sock").exists(), "the socket is there")
            equal(run([host.lodge_program, "--root", str(root), "list", "--name"]).code, 0)
        finally:
            daemon.terminate()


def start_fails(host, *words):
    host.daemon.write_config()
    result = run(host.daemon.arguments(), timeout=20)
    check(result.code not in (0, None), f"it started: {result}")
    contains(result.err + result.out, *words)


@mark(daemon=False, **OWN)
def test_a_wrong_value_is_refused_with_file_and_line(host):
    host.write("etc/libvirt/qemu.conf", "# a comment\nremote_display_port_min = \"many\"\n")
    start_fails(host, "qemu.conf", "2")
    host.write("etc/libvirt/qemu.conf", "user = \"no-such-user\"\n")
    start_fails(host, "qemu.conf", "no-such-user")
    host.write("etc/libvirt/qemu.conf", "this is no setting\n")
    start_fails(host, "qemu.conf", "1")


@mark(daemon=False, **OWN)
def test_an_unknown_key_is_named_in_the_log(host):
    host.write("etc/libvirt/qemu.conf", "flux_capacitor = 1\n")
    host.start_daemon()
    contains(host.daemon.log.read_text(), "flux_capacitor")


@mark(**OWN)
def test_lines_of_the_log_say_which_request_and_which_machine(host):
    uuid = host.start_sector("web").UUIDString()
    host.ok("destroy", "web")
    lines = [line for line in host.daemon.log.read_text().splitlines() if "machine 'web' destroyed" in line]
    check(len(lines) == 1, f"one line about it: {lines}")
    contains(lines[0], f" VM_UUID={uuid}")
    contains(lines[0], " REQUEST_ID=")


@mark(daemon=False, **OWN)
def test_display_ports_come_from_the_configuration(host):
    """rows: display-03"""
    host.write("etc/libvirt/qemu.conf", "remote_display_port_min = 6100\nremote_display_port_max = 6105\n")
    host.start_daemon()
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1'/><video><model type='vga'/></video>")
    contains(host.ok("dumpxml", "tiny"), "port='6100'")


@mark(daemon=False, **OWN)
def test_user_of_machines_comes_from_the_configuration(host):
    host.write("etc/libvirt/qemu.conf", "user = \"root\"\ngroup = \"root\"\n")
    host.start_daemon()
    host.start_sector("tiny")
    equal(os.stat(f"/proc/{host.qemu_pid('tiny')}").st_uid, 0)


@mark(daemon=False, **OWN)
def test_readiness_is_told_to_systemd(host):
    path = host.path("notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(path))
    notify.settimeout(20 * SLOWNESS)
    host.daemon.write_config()
    process = subprocess.Popen(host.daemon.arguments(), env=clean_environment(NOTIFY_SOCKET=str(path)),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host.daemon.process = process
    wait_until(lambda: b"READY=1" in notify.recv(4096), "READY=1")
    host.ok("list")


KNOCK = """
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    print("", file=sys.stderr, flush=True)
    s.sendall(struct.pack(">IIIiiIi", 28, 0x20008086, 1, 66, 0, 0, 0))  # auth_list
    print("answered" if s.recv(100) else "closed")
except PermissionError:
    print("forbidden")
    print("", file=sys.stderr)
except OSError:
    print("closed")
"""


def as_nobody(path, group):
    """A client of another user that has connected (or could not) when this returns."""
    process = subprocess.Popen([sys.executable, "-c", KNOCK, str(path)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, user=65534, group=group, extra_groups=[], cwd="/")
    process.stderr.readline()
    return process


@mark(daemon=False, **OWN)
def test_socket_activation(host):
    """The sockets come from systemd: named by their paths, passed as descriptors 3 and 4. rows: host-setup-27"""
    host.daemon.settings |= {"unix_sock_group": '"nogroup"', "unix_sock_rw_perms": '"0770"'}
    host.daemon.write_config()
    listeners = []
    for path in (host.daemon.socket, host.daemon.socket_ro):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        os.chmod(path, 0o666)
        listener.listen(5)
        listeners.append(listener)
    early = as_nobody(host.daemon.socket, group=65533)
    script = "exec 3<&{} 4<&{}; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=lodged.socket:lodged-ro.socket exec \"$@\"" \
        .format(*(listener.fileno() for listener in listeners))
    with open(host.daemon.log, "ab") as log:
        host.daemon.process = subprocess.Popen(["bash", "-c", script, "bash", *host.daemon.arguments()],
                                               pass_fds=[listener.fileno() for listener in listeners],
                                               stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               env=clean_environment())
    for listener in listeners:
        listener.close()
    host.ok("list", timeout=30)
    host.ok("list", readonly=True, timeout=30)
    host.refused("start", "nothing", readonly=True)
    # Mode and group are those of the configuration, whatever systemd made; who came before has to fit, too.
    status = host.daemon.socket.stat()
    equal((oct(status.st_mode & 0o777), status.st_gid), (oct(0o770), grp.getgrnam("nogroup").gr_gid))
    equal(oct(host.daemon.socket_ro.stat().st_mode & 0o777), oct(0o777))
    equal(early.communicate(timeout=20 * SLOWNESS)[0], "closed\n")
    equal(as_nobody(host.daemon.socket, group=65534).communicate(timeout=20 * SLOWNESS)[0], "answered\n")
    equal(as_nobody(host.daemon.socket, group=65533).communicate(timeout=20 * SLOWNESS)[0], "forbidden\n")
    host.stop_daemon()
    check(host.daemon.socket.exists(), "a socket that systemd made was removed")
    host.daemon.socket.unlink()
    host.daemon.socket_ro.unlink()


@mark(**OWN)
def test_the_daemon_reaps_its_children(host):
    dom = host.define_sector("tiny")
    for _ in range(3):
        dom.create()
        dom.destroy()
    host.ok("capabilities")
    zombies = [p for p in children(host.daemon.pid) if not alive(p)]
    equal(zombies, [])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


@mark(**OWN)
def test_no_descriptor_leaks_to_qemu(host):
    """QEMU has its own files: no socket of a client, no file of another machine."""
    host.start_sector("one")
    client = host.open()
    host.start_sector("two")
    client.getHostname()
    links = [os.readlink(f"/proc/{host.qemu_pid('two')}/fd/{fd}")
             for fd in os.listdir(f"/proc/{host.qemu_pid('two')}/fd")]
    check(not [link for link in links if "one" in link or "daemon.log" in link], f"files of QEMU: {links}")


@mark(**OWN)
def test_descriptors_do_not_grow_with_use(host):
    dom = host.define_sector("tiny")

    def cycle():
        dom.create()
        host.ok("domstats")
        stream = host.conn.newStream()
        dom.openConsole(None, stream, 0)
        stream.abort()
        dom.destroy()
    cycle()
    before = len(os.listdir(f"/proc/{host.daemon.pid}/fd"))
    for _ in range(5):
        cycle()
    after = len(os.listdir(f"/proc/{host.daemon.pid}/fd"))
    check(after <= before + 1, f"{before} descriptors, then {after}")


@mark(**OWN)
def test_stop_with_machines_running_is_quick(host):
    for name in ("one", "two", "three"):
        host.start_sector(name)
    begin = time.monotonic()
    host.stop_daemon()
    check(time.monotonic() - begin < 2 * SLOWNESS, "the stop took long")
    equal(len(qemus()), 3)
    host.start_daemon()


@mark(**OWN)
def test_lower_limits_for_clients(host):
    from lodgetest.wire import Closed, Wire
    host.daemon.settings["max_anonymous_clients"] = "5"
    host.restart_daemon()
    waiting = [Wire(host.daemon.socket, timeout=3) for _ in range(20)]
    for wire in waiting:
        wire.close()
    wait_until(lambda: host.virsh("list", timeout=10).code == 0, "others are served again")


def mute_machine(host, name="mute"):
    """A machine whose QEMU never speaks."""
    return host.define(host.guests.sector(name, emulator=host.script(
        "var/lib/libvirt/images/mute", """#!/bin/sh
for argument in "$@"; do
    case $argument in guest=*) exec sleep 1000 ;; esac
done
exec /usr/bin/qemu-system-x86_64 "$@"
""")))


@mark(timeout=200, **OWN)
def test_stop_while_a_start_hangs(host):
    """Calls are given up, and what they use is freed after they have left."""
    mute_machine(host)
    client = host.terminal("start", "mute")
    wait_until(lambda: [a for a in processes().values() if "1000" in a], "the emulator runs")
    host.daemon.stop(timeout=20)
    host.drop_connections()
    check(client.wait(timeout=60) != 0, "the start succeeded")
    wait_until(lambda: not [a for a in processes().values() if "1000" in a], "the emulator is gone")
    host.start_daemon()
    equal(host.state("mute"), "shut off")


@mark(timeout=200, **OWN)
def test_two_signals_end_it_at_once(host):
    """While calls wait for a QEMU that does not answer, too."""
    host.start_sector("tiny")
    mute_machine(host)
    clients = [host.terminal("start", "mute"), host.terminal("suspend", "tiny")]
    wait_until(lambda: [a for a in processes().values() if "1000" in a], "the emulator runs")
    pid = host.qemu_pid("tiny")
    os.kill(pid, signal.SIGSTOP)
    clients.append(host.terminal("resume", "tiny"))
    wait_until(lambda: "resume" in host.lodge_ok("jobs") or "modify" in host.lodge_ok("jobs"), "calls wait")
    begin = time.monotonic()
    os.kill(host.daemon.pid, signal.SIGTERM)
    wait_until(lambda: "SIGTERM" in host.daemon.log.read_text(errors="replace"), "the first is noticed")
    host.daemon.stop(timeout=20)
    host.drop_connections()
    check(time.monotonic() - begin < 8 * SLOWNESS, "the second signal is not heeded")
    os.kill(pid, signal.SIGCONT)
    for client in clients:
        client.wait(timeout=60)
    host.start_daemon()
    equal(host.qemu_pid("tiny"), pid)
    host.ok("destroy", "tiny")


@mark(**OWN)
def test_stop_is_immediate_after_use(host):
    """Nothing that the daemon did for machines lingers."""
    dom = host.start_sector("tiny")
    dom.destroy()
    dom.create()
    begin = time.monotonic()
    host.stop_daemon()
    check(time.monotonic() - begin < 0.4 * SLOWNESS, "the stop took long")
    host.start_daemon()
    pid = host.qemu_pid("tiny")
    os.kill(pid, signal.SIGSTOP)
    try:
        host.crash_daemon()  # reconnects in the background from now on
        begin = time.monotonic()
        host.stop_daemon()
        check(time.monotonic() - begin < 0.4 * SLOWNESS, "the stop waited for a QEMU that does not answer")
    finally:
        os.kill(pid, signal.SIGCONT)
    host.start_daemon()


@mark(**OWN)
def test_start_right_after_a_stop_waits_for_the_old_one(host):
    mute_machine(host)
    client = host.terminal("start", "mute")  # keeps the old one for a moment
    wait_until(lambda: [a for a in processes().values() if "1000" in a], "the emulator runs")
    old = host.daemon.process
    os.kill(old.pid, signal.SIGTERM)
    wait_until(lambda: "SIGTERM" in host.daemon.log.read_text(errors="replace"), "the first is noticed")
    host.daemon.spawn()
    os.kill(old.pid, signal.SIGTERM)
    wait_until(host.daemon.answers, "the new one answers")
    equal(old.wait(20), 0)
    client.wait(timeout=60)
    host.drop_connections()
    host.ok("list")


@mark(**OWN)
def test_a_second_daemon_gives_up_after_a_while(host):
    begin = time.monotonic()
    result = run(host.daemon.arguments(), timeout=30)
    equal(result.code, 3)
    contains(result.err, "already runs")
    check(time.monotonic() - begin > 3, "it did not wait")
    host.ok("list")


@mark(only="lodged", reason="libvirtd has its own way to start processes")
def test_qemu_does_not_inherit_how_the_daemon_is_treated(host):
    host.stop_daemon()
    before = os.sched_getaffinity(0)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("300")
    os.setpriority(os.PRIO_PROCESS, 0, 5)
    os.sched_setaffinity(0, {min(before)})
    try:
        host.start_daemon()
        host.start_sector("tiny")
        with open(f"/proc/{host.daemon.pid}/oom_score_adj") as file:
            equal(file.read().strip(), "300", "oom_score_adj of the daemon")
        pid = host.qemu_pid("tiny")
        with open(f"/proc/{pid}/oom_score_adj") as file:
            equal(file.read().strip(), "0", "oom_score_adj of QEMU")
        equal(os.getpriority(os.PRIO_PROCESS, pid), 0, "priority of QEMU")
        equal(os.sched_getaffinity(pid), before, "processors of QEMU")
        with open(f"/proc/{pid}/status") as file:
            masks = dict(re.findall(r"^(SigBlk|SigIgn|Umask):\s*(\S+)", file.read(), re.M))
        equal(masks["Umask"], "0002", "umask of QEMU")
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        os.sched_setaffinity(0, before)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("0")


@mark(daemon=False, **OWN)
def test_keys_that_promise_protection_are_warned_about(host):
    host.write("etc/libvirt/qemu.conf", 'mac_filter = 1\nspice_tls = 0\nsecurity_driver = "none"\n')
    host.start_daemon()
    log = host.daemon.log.read_text()
    for key in ("mac_filter",):
        contains(log, f": {key} has no effect: not supported by this version")
    for key in ("spice_tls", "security_driver"):
        check(f"{key} has no effect" not in log, f"{key} is off and warned about")
