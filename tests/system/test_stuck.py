"""What is stuck or dies concerns itself alone: QEMU stopped or gone during start, storage that does not answer.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import threading

from hanging import HangingStorage, p99
from lodgetest.host import *
from lodgetest.runner import mark


def test_stopped_qemu_concerns_itself_alone(host):
    host.start_sector("stopped")
    host.start_sector("other")
    pid = host.qemu_pid("stopped")
    os.kill(pid, signal.SIGSTOP)
    try:
        host.ok("list", timeout=10)
        equal(host.state("other"), "running")
        equal(host.state("stopped"), "running")
        host.ok("suspend", "other", timeout=10)
        host.ok("resume", "other", timeout=10)
        host.start_sector("third")
        if not host.is_reference:
            begin = time.monotonic()
            stats = host.conn.getAllDomainStats()
            equal(len(stats), 3)
            check(time.monotonic() - begin < 5 * SLOWNESS, "statistics wait for the stopped QEMU")
        host.ok("destroy", "stopped", timeout=60)
        wait_until(lambda: not alive(pid), "destroy ends a stopped QEMU")
    finally:
        kill(pid, signal.SIGCONT)
    host.state("third")


@mark(timeout=200, only="lodged", reason="libvirtd waits for a stopped QEMU for ever")
def test_call_to_a_stopped_qemu_ends_with_an_error(host):
    host.start_sector("stopped")
    pid = host.qemu_pid("stopped")
    os.kill(pid, signal.SIGSTOP)
    try:
        result = host.virsh("suspend", "stopped", timeout=120)
        check(result.code != 0 and "stopped" in result.err or "time" in result.err.lower(), str(result))
    finally:
        kill(pid, signal.SIGCONT)
    # When QEMU goes on, so does everything else.
    host.wait_state("stopped", host.state("stopped"))
    host.ok("destroy", "stopped")


def wrapper(host, text, name="emulator"):
    """An emulator that misbehaves when it runs a machine and is the real one when it is probed."""
    return host.script(f"var/lib/libvirt/images/{name}", f"""#!/bin/sh
for argument in "$@"; do
    case $argument in
    guest=*) {text} ;;
    esac
done
exec /usr/bin/qemu-system-x86_64 "$@"
""")


def test_qemu_that_exits_during_start(host):
    dom = host.define(host.guests.sector("tiny", emulator=wrapper(host, "echo 'no luck today' >&2; exit 7")))
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create)
    contains(str(error), "no luck today")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (failed)")
    equal(qemus(), {})
    host.start_sector("other")
    equal(host.state("other"), "running")


def test_qemu_that_dies_by_a_signal_during_start(host):
    dom = host.define(host.guests.sector("tiny", emulator=wrapper(host, "kill -9 $$")))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create)
    equal(host.state("tiny"), "shut off")


def test_refused_arguments_show_the_words_of_qemu(host):
    """A path that QEMU, not the daemon, finds to be wrong."""
    dom = host.define(host.guests.sector("tiny", extra="<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/"
                      "domain/qemu/1.0'><qemu:arg value='-nonsense'/></qemu:commandline>"))
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create)
    contains(str(error), "nonsense")


@mark(timeout=240, only="lodged", reason="libvirtd waits longer, and others with it")
def test_qemu_that_never_speaks_fails_the_start_by_its_deadline(host):
    host.define(host.guests.sector("mute", emulator=wrapper(host, "exec sleep 1000")))
    client = host.terminal("start", "mute")
    begin = time.monotonic()
    host.start_sector("other")
    host.ok("list")
    check(time.monotonic() - begin < 5 * SLOWNESS, "others wait for the start that hangs")
    check(client.wait(timeout=120) != 0, "the start succeeded")
    equal(host.state("mute"), "shut off")
    check(not [a for a in processes().values() if "1000" in a], "the emulator is left")


def test_destroy_ends_a_start_that_hangs(host):
    host.define(host.guests.sector("mute", emulator=wrapper(host, "exec sleep 1000")))
    client = host.terminal("start", "mute")
    wait_until(lambda: [a for a in processes().values() if "1000" in a], "the emulator runs")
    host.virsh("destroy", "mute", timeout=60)
    check(client.wait(timeout=60) != 0, "the start succeeded")
    wait_until(lambda: not [a for a in processes().values() if "1000" in a], "the emulator is gone")
    equal(host.state("mute"), "shut off")


def on_storage(host, storage, name):
    """A machine whose disk is on the storage."""
    image = storage.backing / f"{name}.img"
    image.write_bytes(host.guests.file("sector.img").read_bytes())
    image.chmod(0o666)
    local = host.guests.sector(name)
    return local.replace(str(host.path(f"var/lib/libvirt/images/{name}.img")), str(storage.mount / f"{name}.img"))


def settle(client):
    return client.process.poll() is not None


@mark(requires=["fuse"], timeout=240, only="lodged", reason="libvirtd hangs: that is what is to be better")
def test_dead_storage_concerns_the_machines_on_it_alone(host):
    storage = HangingStorage(host)
    try:
        host.start_sector("witness")
        host.define(on_storage(host, storage, "dead"))
        usual = start_seconds(host, "usual")
        storage.hang()
        client = host.terminal("start", "dead")
        conn = host.open()
        # The calls of others are measured while the start hangs.
        for what, function in (("list", lambda: conn.listAllDomains()),
                               ("domstate", lambda: conn.lookupByName("witness").state()),
                               ("state of the one concerned", lambda: conn.lookupByName("dead").state()),
                               ("domstats", lambda: conn.getAllDomainStats())):
            worst = p99(function)
            check(worst < 0.05 * SLOWNESS, f"{what} took {worst * 1000:.0f} ms (p99) while storage hangs")
        again = min(start_seconds(host, f"again{number}") for number in range(3))
        check(again < 3 * usual + 0.2 * SLOWNESS, f"another start took {again:.2f} s instead of {usual:.2f} s")
        check(client.wait(timeout=150) != 0, "the start on dead storage succeeded")
        contains(client.seen, "storage/dead.img")
        worst = p99(lambda: conn.listAllDomains())
        check(worst < 0.05 * SLOWNESS, f"list took {worst * 1000:.0f} ms (p99) afterwards")
        storage.answer()
        host.ok("start", "dead", timeout=60)
        equal(host.state("dead"), "running")
        host.ok("destroy", "dead")
    finally:
        storage.close()


def start_seconds(host, name):
    dom = host.define_sector(name)
    begin = time.monotonic()
    dom.create()
    return time.monotonic() - begin


@mark(requires=["fuse"], timeout=240, only="lodged", reason="libvirtd hangs: that is what is to be better")
def test_many_starts_on_dead_storage_leave_room_for_others(host):
    storage = HangingStorage(host)
    try:
        for number in range(24):
            host.define(on_storage(host, storage, f"dead{number}"))
        host.define_sector("alive")
        storage.hang()
        clients = [host.terminal("start", f"dead{number}") for number in range(24)]
        host.ok("start", "alive", timeout=10)
        worst = p99(lambda: host.conn.listAllDomains())
        check(worst < 0.05 * SLOWNESS, f"list took {worst * 1000:.0f} ms (p99)")
        storage.answer()
        for client in clients:
            client.wait(timeout=60)
    finally:
        storage.close()


@mark(requires=["fuse"], timeout=240, only="lodged", reason="libvirtd hangs: that is what is to be better")
def test_variables_on_dead_storage_hold_up_no_definitions(host):
    storage = HangingStorage(host)
    code = host.path("code")
    code.write_bytes(b"\0" * (1 << 20))
    try:
        for number in range(6):
            os_part = (f"<loader readonly='yes' type='pflash'>{code}</loader>"
                       f"<nvram>{storage.mount}/vars{number}</nvram>")
            host.define(host.guests.empty(f"far{number}", os_part=os_part))
            (storage.backing / f"vars{number}").write_text("x")
        storage.hang()
        clients = [host.terminal("undefine", f"far{number}", "--nvram") for number in range(6)]
        begin = time.monotonic()
        host.define_sector("near").undefine()
        check(time.monotonic() - begin < 5 * SLOWNESS, "a definition waits for storage that it does not use")
        storage.answer()
        for client in clients:
            client.wait(timeout=60)
        wait_until(lambda: [host.virsh("undefine", f"far{n}", "--nvram") for n in range(6)] and
                   not list(storage.backing.glob("vars*")), "the variables are removed once the storage answers")
    finally:
        storage.close()


@mark(requires=["fuse"])
def test_storage_that_answers_is_like_any_other(host):
    """The file system itself is sound: without this the tests above would prove nothing."""
    storage = HangingStorage(host)
    try:
        host.define(on_storage(host, storage, "sound")).create()
        equal(host.state("sound"), "running")
        host.ok("destroy", "sound")
    finally:
        storage.close()


def test_destroy_while_a_save_is_slow(host):
    """A job that takes long can be cut short by destroy."""
    host.start_demo("demo", memory_kib=262144)
    host.booted("demo").close()
    fifo = host.path("var/lib/libvirt/qemu/slow.save")
    thread = threading.Thread(target=host.virsh, args=("save", "demo", str(fifo)), kwargs={"timeout": 60})
    thread.start()
    host.virsh("destroy", "demo", timeout=30)
    thread.join(60)
    equal(host.state("demo"), "shut off")
    host.ok("list")


@mark(requires=["fuse"], timeout=240, only="lodged", reason="libvirtd waits for each")
def test_links_to_dead_storage_do_not_hold_up_the_daemon(host):
    storage = HangingStorage(host)
    try:
        host.define_sector("local")
        host.stop_daemon()
        links = [host.path(f"etc/libvirt/qemu/far{number:02}.xml") for number in range(24)]
        for link in links:
            link.symlink_to(storage.mount / link.name)
        storage.hang()
        begin = time.monotonic()
        host.start_daemon()
        seconds = time.monotonic() - begin
        check(seconds < 12, f"the start took {seconds:.1f} s")
        equal(host.state("local"), "shut off")
        check(all(link.is_symlink() for link in links), "a link is gone")
    finally:
        storage.close()
