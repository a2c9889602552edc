"""lodged itself: options, configuration, socket activation, readiness, signals.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import socket
import subprocess

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


@mark(daemon=False, **OWN)
def test_socket_activation(host):
    """The sockets come from systemd: named by their paths, passed as descriptors 3 and 4."""
    host.daemon.write_config()
    listeners = []
    for path in (host.daemon.socket, host.daemon.socket_ro):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(5)
        listeners.append(listener)
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
