"""The daemon stops, crashes and comes back while machines run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark


def test_machines_outlive_a_stop_and_come_back_with_id_and_state(host):
    """rows: lifecycle-42 lifecycle-43"""
    host.start_sector("zero")
    host.ok("destroy", "zero")
    host.start_sector("one")
    host.start_sector("two")
    host.ok("suspend", "two")
    pids = {name: host.qemu_pid(name) for name in ("one", "two")}
    before = host.ok("list")
    host.stop_daemon()
    for pid in pids.values():
        check(alive(pid), "a machine ended with the daemon")
    words = host.refused("list", says="failed to connect to the hypervisor")
    contains(words, "Failed to connect socket to")
    host.start_daemon()
    equal(host.ok("list"), before)
    equal(host.ok("domstate", "two", "--reason").strip(), "paused (user)")
    equal({name: host.qemu_pid(name) for name in pids}, pids)
    host.ok("resume", "two")
    host.ok("suspend", "one")
    host.ok("destroy", "one")
    equal(host.ok("domid", "two").strip(), "3")


def test_ids_go_on_after_a_restart(host):
    host.start_sector("one")
    host.restart_daemon()
    host.start_sector("two")
    equal(host.ok("domid", "two").strip(), "2")


def test_crash_while_machines_run(host):
    host.start_sector("one")
    host.start_sector("two")
    host.ok("suspend", "two")
    before = host.ok("list", "--all")
    document = host.ok("dumpxml", "one")
    host.crash_daemon()
    equal(host.ok("list", "--all"), before)
    equal(host.ok("dumpxml", "one"), document)


def test_transient_machine_survives_a_crash(host):
    host.ok("create", host.write_xml(host.guests.sector("passing")))
    host.crash_daemon()
    equal(host.state("passing"), "running")
    contains(host.ok("dominfo", "passing"), "Persistent:     no")
    host.ok("destroy", "passing")
    host.refused("dominfo", "passing", says="failed to get domain")


def test_machine_that_ended_meanwhile_is_off(host):
    host.start_sector("stays")
    host.start_sector("ends")
    pid = host.qemu_pid("ends")
    host.kill_daemon()
    kill(pid)
    wait_until(lambda: not alive(pid), "the machine ended")
    host.start_daemon()
    equal(host.state("stays"), "running")
    equal(host.state("ends"), "shut off")
    host.ok("start", "ends")


def test_guest_that_powers_off_while_the_daemon_is_down(host):
    host.start_demo("demo")
    console = host.booted("demo")
    host.start_sector("stays")
    console.send("sync; sh -c 'sleep 2; poweroff -f' &\n")
    console.expect("# ")
    console.close()
    pid = host.qemu_pid("demo")
    host.kill_daemon()
    # QEMU keeps a machine that powered off until somebody reads why: both ways are fine, but it must end as off.
    wait_until(lambda: not alive(pid) or guest_is_down(pid), "the guest is down", timeout=30)
    host.start_daemon()
    host.wait_state("demo", "shut off", timeout=30)
    equal(host.state("stays"), "running")


def guest_is_down(pid):
    """QEMU's processor threads sleep once the guest is off: no more processor time is used."""
    def used():
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    try:
        first = used()
        time.sleep(1.5)  # an observation over a time, not a wait for something to happen
        return used() - first < 3
    except OSError:
        return True


def test_console_works_after_a_restart(host):
    host.start_demo("demo")
    host.booted("demo").close()
    host.restart_daemon()
    console = host.booted("demo")
    contains(console.command("hostname"), "demo")
    host.ok("shutdown", "demo")
    host.wait_state("demo", "shut off", timeout=30)


def test_console_terminal_goes_on_while_the_daemon_is_down(host):
    host.start_demo("demo")
    host.booted("demo").close()
    tty = host.ok("ttyconsole", "demo").strip()
    host.stop_daemon()
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(fd, b"\necho $((6 * 7))\n")
        seen = b""
        end = time.monotonic() + 20 * SLOWNESS
        while b"42" not in seen and time.monotonic() < end:
            seen += os.read(fd, 4096)
        check(b"42" in seen, f"the guest does not answer: {seen!r}")
    finally:
        os.close(fd)
    host.start_daemon()


@mark(timeout=180)
def test_restart_with_20_machines_answers_within_a_second(host):
    for number in range(20):
        host.start_sector(f"m{number}")
    before = sorted(host.ok("list", "--all").splitlines())
    host.stop_daemon()
    begin = time.monotonic()
    host.daemon.spawn()
    wait_until(host.daemon.answers, "the daemon listens", interval=0.005)
    after = host.ok("list", "--all")
    seconds = time.monotonic() - begin
    equal(sorted(after.splitlines()), before)
    if not host.is_reference:
        check(seconds < 1 * SLOWNESS, f"the first list came after {seconds:.2f} s")
    host.conn.getInfo()


def test_socket_goes_with_the_daemon(host):
    """rows: lifecycle-44"""
    check(host.daemon.socket.exists() and host.daemon.socket_ro.exists(), "no sockets")
    host.stop_daemon()
    host.refused("list", says="Failed to connect socket to")


@mark(only="lodged", reason="libvirtd's pid file is an option of the caller here")
def test_second_daemon_on_the_same_root_is_refused(host):
    result = run(host.daemon.arguments(), timeout=10)
    check(result.code != 0, str(result))
    host.ok("list")


def test_stop_twice_and_start(host):
    host.stop_daemon()
    host.start_daemon()
    host.restart_daemon()
    host.ok("list")
