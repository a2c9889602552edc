"""A save or dump that does not come to its end: the machine goes on, and no piece of a file stays.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import subprocess
import threading

from lodgetest.host import *
from lodgetest.runner import mark

COMPRESSOR = "/usr/bin/gzip"


def leftovers(host):
    return [str(p) for p in host.root.rglob(".lodge-*.new")]


def qemu_status(host, name):
    """What QEMU itself says of the machine."""
    reply = host.ok("qemu-monitor-command", name, '{"execute":"query-status"}')
    return json.loads(reply)["return"]["status"]


def check_goes_on(host, name="tiny"):
    host.wait_state(name, "running")
    equal(qemu_status(host, name), "running")
    wait_until(lambda: not leftovers(host), "no piece of a file is left")


class Held:
    """A job that writes a machine's state through a compressor that waits for us: before it reads (hold) or
    after it has written all (finish)."""

    def __init__(self, host, hold="before", name="save_image_format"):
        self.host = host
        self.reached = host.path("compressor-reached")
        self.release_flag = host.path("compressor-goes-on")
        wait = f"touch {self.reached}; while ! [ -e {self.release_flag} ]; do sleep 0.02; done"
        parts = [wait, "/bin/cat"] if hold == "before" else ["/bin/cat", wait]
        script = host.script("compressor", "#!/bin/sh\n" + "\n".join(parts) + "\n")
        subprocess.run(["mount", "--bind", script, COMPRESSOR], check=True)  # in this test's own namespace
        config = host.path("etc/libvirt/qemu.conf")
        old = config.read_text() if config.exists() else ""
        config.write_text(old + f'{name} = "gzip"\ndump_image_format = "gzip"\n')
        host.restart_daemon()

    def begin(self, *command):
        self.command = self.host.terminal(*command)
        wait_until(self.reached.exists, f"'{command[0]}' writes")

    def release(self):
        self.release_flag.touch()


def save_file(host):
    return host.path("var/lib/libvirt/qemu/save/tiny.save")


@mark(only="lodged", reason="libvirtd leaves the machine paused")
def test_crash_while_a_managed_save_writes(host):
    held = Held(host)
    host.start_sector("tiny")
    held.begin("managedsave", "tiny")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (saving)")
    host.crash_daemon()
    check_goes_on(host)
    equal(host.ok("domstate", "tiny", "--reason").strip(), "running (save canceled)")
    check(not save_file(host).exists(), "there is an image")


@mark(only="lodged", reason="libvirtd leaves the machine paused")
def test_crash_while_a_dump_writes(host):
    held = Held(host)
    host.start_sector("tiny")
    held.begin("dump", "tiny", str(host.path("core")))
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (dumping)")
    host.crash_daemon()
    check_goes_on(host)


@mark(only="lodged", reason="libvirtd leaves the machine paused")
def test_crash_while_a_live_dump_and_a_dump_of_memory_write(host):
    host.start_sector("tiny")
    fifo = host.path("fifo")
    os.mkfifo(fifo)
    host.terminal("dump", "tiny", str(fifo), "--memory-only")
    wait_until(lambda: host.state("tiny") == "paused", "QEMU writes")
    host.crash_daemon()
    check_goes_on(host)
    host.terminal("dump", "tiny", str(fifo), "--live")
    wait_until(lambda: "dump" in host.lodge_ok("jobs"), "the dump began")
    host.crash_daemon()
    check_goes_on(host)
    check(fifo.exists(), "the pipe is gone")


@mark(only="lodged", reason="libvirtd leaves the machine paused")
def test_crash_while_a_paused_machine_is_saved_leaves_it_paused(host):
    held = Held(host)
    host.start_sector("tiny")
    host.ok("suspend", "tiny")
    held.begin("managedsave", "tiny")
    host.crash_daemon()
    wait_until(lambda: not leftovers(host), "no piece of a file is left")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (user)")
    check(qemu_status(host, "tiny") != "running", "QEMU runs")
    host.ok("resume", "tiny")
    equal(qemu_status(host, "tiny"), "running")


@mark(only="lodged", reason="libvirtd shows QEMU's words")
def test_second_save_of_a_machine_that_stayed_paused_is_refused_at_once(host):
    host.start_sector("tiny")
    host.ok("suspend", "tiny")
    host.ok("dump", "tiny", str(host.path("core")))
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (user)")
    host.refused("managedsave", "tiny", says="was written before while it was paused")
    host.ok("dump", "tiny", str(host.path("core")), "--memory-only")
    host.ok("resume", "tiny")
    host.ok("managedsave", "tiny")


@mark(only="lodged", reason="libvirtd leaves the machine paused")
def test_crash_between_the_word_stop_and_its_answer(host):
    """QEMU reads the word only when the daemon that sent it is gone."""
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    for command in (("managedsave", "tiny"), ("dump", "tiny", str(host.path("core")))):
        os.kill(pid, signal.SIGSTOP)
        host.terminal(*command)
        wait_until(lambda: "mustRun" in host.path("run/libvirt/qemu/tiny.xml").read_text(), "the intent is noted")
        wait_until(lambda: leftovers(host), "the file is made")
        host.kill_daemon()
        os.kill(pid, signal.SIGCONT)
        host.start_daemon()
        check_goes_on(host)
        equal(host.qemu_pid("tiny"), pid)


@mark(only="lodged", reason="libvirtd forgets what it was about")
def test_crash_after_the_image_is_complete_ends_the_machine(host):
    """The daemon dies between the rename and the end of QEMU: the test renames in its place."""
    held = Held(host, hold="after")
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    held.begin("managedsave", "tiny")
    temp = leftovers(host)
    equal(len(temp), 1)
    host.kill_daemon()
    pathlib.Path(temp[0]).rename(save_file(host))
    host.start_daemon()
    host.wait_state("tiny", "shut off")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (saved)")
    check(not alive(pid), "QEMU runs")
    contains(host.ok("dominfo", "tiny"), "Managed save:   yes")


@mark(only="lodged", reason="libvirtd forgets what it was about")
def test_an_older_image_is_not_taken_for_the_one_that_was_being_written(host):
    file = host.path("tiny.save")
    host.start_sector("tiny")
    host.ok("save", "tiny", str(file))
    old = file.read_bytes()
    host.ok("start", "tiny")
    held = Held(host)
    held.begin("save", "tiny", str(file))
    host.crash_daemon()
    check_goes_on(host)
    check(file.read_bytes() == old, "the older image has changed")


def test_abort_of_a_save_lets_the_machine_go_on(host):
    if host.is_reference:
        raise Skip("the compressor is chosen in lodged's way")
    held = Held(host)
    host.start_sector("tiny")
    held.begin("managedsave", "tiny")
    host.ok("domjobabort", "tiny")
    check(held.command.wait(timeout=30) != 0, "the save succeeded")
    check_goes_on(host)


@mark(only="lodged", reason="libvirtd waits for a stopped QEMU for ever")
def test_abort_before_qemu_has_answered_stop(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    os.kill(pid, signal.SIGSTOP)
    try:
        client = host.terminal("managedsave", "tiny")
        wait_until(lambda: leftovers(host), "the file is made")
        begin = time.monotonic()
        host.ok("domjobabort", "tiny")
        check(client.wait(timeout=60) != 0, "the save succeeded")
        seconds = time.monotonic() - begin
        check(seconds < 5 * SLOWNESS, f"the answer took {seconds:.1f} s")
    finally:
        os.kill(pid, signal.SIGCONT)
    check_goes_on(host)


@mark(timeout=200, only="lodged", reason="libvirtd waits for a stopped QEMU for ever")
def test_stop_that_is_answered_after_its_deadline(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    os.kill(pid, signal.SIGSTOP)
    try:
        words = host.virsh("managedsave", "tiny", timeout=120)
        check(words.code != 0 and "did not answer" in words.err, str(words))
    finally:
        os.kill(pid, signal.SIGCONT)
    check_goes_on(host)
    host.ok("suspend", "tiny")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (user)")


@mark(only="lodged", reason="libvirtd has other names for them")
def test_leftovers_are_swept_at_the_start_and_nothing_else(host):
    host.stop_daemon()
    folder = host.path("var/lib/libvirt/qemu/save")
    ours = host.write("var/lib/libvirt/qemu/save/.lodge-77-0.new", "piece")
    theirs = [host.write(f"var/lib/libvirt/qemu/save/{name}", "mine") for name in ("a.new", "b.save.new")]
    host.start_daemon()
    check(not ours.exists(), "the piece of a file is left")
    check(all(path.exists() for path in theirs), f"files of others are gone: {list(folder.iterdir())}")


def small_disk(host, name, kib):
    place = host.path(name)
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs", place], check=True)
    return place


@mark(only="lodged", reason="libvirtd takes its time")
def test_save_and_dump_to_a_full_disk_fail_at_once(host):
    place = small_disk(host, "small", 256)
    host.start_sector("tiny")
    for command in (("save", "tiny", str(place / "image")), ("dump", "tiny", str(place / "core")),
                    ("dump", "tiny", str(place / "core"), "--live"),
                    ("dump", "tiny", str(place / "core"), "--memory-only"),
                    ("dump", "tiny", str(place / "core"), "--memory-only", "--format", "kdump-zlib")):
        begin = time.monotonic()
        if "kdump-zlib" in command:
            host.refused(*command)
        else:
            host.refused(*command, says="No space left on device")
        seconds = time.monotonic() - begin
        check(seconds < 1 * SLOWNESS, f"{command} took {seconds:.1f} s")
        check_goes_on(host)
        equal(list(place.iterdir()), [])


def fill_disk(file):
    """Takes all room that is left, to the last block."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except OSError:
        pass
    finally:
        os.close(fd)


@mark(only="lodged", reason="its status files are ours alone")
def test_suspend_and_resume_without_room_for_the_status_file(host):
    host.start_sector("tiny")
    run_dir = host.path("run/libvirt/qemu")
    host.stop_daemon()
    # The same files on a disk of their own that is full.
    saved = {p.name: p.read_bytes() for p in run_dir.iterdir() if p.is_file()}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=1k,mode=755", "tmpfs", run_dir], check=True)
    for name, data in saved.items():
        (run_dir / name).write_bytes(data)
    host.start_daemon()
    fill = run_dir / "fill"
    for wanted, command in (("paused", "suspend"), ("running", "resume")):
        fill_disk(fill)
        host.ok(command, "tiny")
        equal(host.state("tiny"), wanted)
        host.kill_daemon()
        fill.unlink(missing_ok=True)
        host.start_daemon()
        equal(host.state("tiny"), wanted)
        equal(qemu_status(host, "tiny"), wanted)
    # A save is refused before it has touched anything.
    fill_disk(fill)
    for command in (("managedsave", "tiny"), ("dump", "tiny", str(host.path("core")))):
        begin = time.monotonic()
        host.refused(*command)
        seconds = time.monotonic() - begin
        check(seconds < 1 * SLOWNESS, f"{command} took {seconds:.1f} s")
        equal(qemu_status(host, "tiny"), "running")
    fill.unlink()
    host.ok("destroy", "tiny")
    host.stop_daemon()
    subprocess.run(["umount", run_dir], check=True)
    for name in saved:
        (run_dir / name).unlink(missing_ok=True)
    host.start_daemon()


def broken_images(data, payload_at):
    yield "truncated in the stream", data[:payload_at + (len(data) - payload_at) // 2]
    yield "without a stream", data[:payload_at]
    yield "noise as a stream", data[:payload_at] + b"noise" * 20000
    yield "noise within the stream", data[:payload_at + 20000] + b"\xa5" * 40000 + data[payload_at + 60000:]
    yield "another compression", data[:28] + (1).to_bytes(4, "little") + data[32:]


@mark(timeout=200)
def test_restore_of_a_broken_image_fails_at_once(host):
    host.start_sector("tiny")
    file = host.path("tiny.save")
    host.ok("save", "tiny", str(file))
    data = file.read_bytes()
    payload_at = 92 + int.from_bytes(data[20:24], "little")
    equal(data[payload_at:payload_at + 4], b"QEVM", "where the stream begins")
    for what, content in broken_images(data, payload_at):
        file.write_bytes(content)
        begin = time.monotonic()
        host.refused("restore", str(file), timeout=100)
        seconds = time.monotonic() - begin
        check(seconds < 3 * SLOWNESS, f"an image {what}: the answer took {seconds:.1f} s")
        equal(host.state("tiny"), "shut off", what)
        equal(qemus(), {}, what)
    file.write_bytes(data)
    host.ok("restore", str(file))
    equal(host.state("tiny"), "running")


@mark(only="lodged", reason="libvirtd keeps the image")
def test_crash_while_a_restored_machine_goes_on(host):
    """It may have written to its disks since: its start is not undone, and the image not used again."""
    host.start_sector("tiny")
    host.ok("managedsave", "tiny")
    stopped = host.path("stopped")
    host.script("etc/libvirt/hooks/qemu", f"""#!/bin/sh
[ "$2" = started ] || exit 0
for file in /proc/[0-9]*; do
    if tr '\\0' ' ' < $file/cmdline | grep -q '^/usr/bin/qemu.*guest=tiny'; then
        kill -STOP ${{file#/proc/}} && echo ${{file#/proc/}} > {stopped}
    fi
done
""")
    host.restart_daemon()
    host.terminal("start", "tiny")
    wait_until(lambda: stopped.exists() and stopped.read_text().strip(), "the machine is about to go on")
    pid = int(stopped.read_text())
    status = host.path("run/libvirt/qemu/tiny.xml")
    wait_until(lambda: "mustRun" in status.read_text(), "the daemon has noted it")
    host.kill_daemon()
    host.path("etc/libvirt/hooks/qemu").unlink()
    os.kill(pid, signal.SIGCONT)
    host.start_daemon()
    host.wait_state("tiny", "running")
    equal(host.qemu_pid("tiny"), pid)
    equal(qemu_status(host, "tiny"), "running")
    check(not save_file(host).exists(), "the image is still there")
