"""Hook scripts: which are called, with what, and what their failure does.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import signal

from lodgetest.host import *
from lodgetest.runner import mark


def recording_hook(host, relative="etc/libvirt/hooks/qemu", more=""):
    log = host.path("hooks.out")
    host.script(relative, f"""#!/bin/sh
first=$(head -c 300 | grep -o '<name>[^<]*</name>' | head -n 1)
echo "$(basename "$0") $1 $2 $3 $4 $first" >> {log}
{more}
exit 0
""")
    return lambda: log.read_text().splitlines() if log.exists() else []


def test_qemu_hook_sees_a_whole_life(host):
    lines = recording_hook(host)
    host.restart_daemon()
    host.start_sector("tiny")
    host.ok("destroy", "tiny")
    wait_until(lambda: any("release" in line for line in lines()), "the last hook was called")
    got = [" ".join(line.split()[1:5]) for line in lines()]
    equal(got, ["tiny prepare begin -", "tiny start begin -", "tiny started begin -", "tiny stopped end -",
                "tiny release end -"])
    check(all("<name>tiny</name>" in line for line in lines()), f"the document is on its input: {lines()}")


def test_hook_that_fails_stops_the_start(host):
    host.script("etc/libvirt/hooks/qemu", """#!/bin/sh
[ "$2" = prepare ] && { echo "no start today" >&2; exit 3; }
exit 0
""")
    host.restart_daemon()
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_HOOK_SCRIPT_FAILED, dom.create, text="no start today")
    equal(host.state("tiny"), "shut off")
    equal(qemus(), {})


def test_hooks_in_the_folder_are_called_in_order(host):
    lines = recording_hook(host, "etc/libvirt/hooks/qemu.d/10-first")
    recording_hook(host, "etc/libvirt/hooks/qemu.d/20-second")
    host.restart_daemon()
    host.start_sector("tiny")
    begin = [line.split()[0] for line in lines() if " prepare " in line]
    equal(begin, ["10-first", "20-second"])


def test_daemon_hook(host):
    lines = recording_hook(host, "etc/libvirt/hooks/daemon")
    host.restart_daemon()
    host.stop_daemon()
    got = [" ".join(line.split()[1:4]) for line in lines()]
    # The first call is for the end of the daemon that ran when the hook was put in place.
    equal(got[-2:], ["- start -", "- shutdown -"])
    host.start_daemon()


def test_daemon_hook_of_a_reload(host):
    lines = recording_hook(host, "etc/libvirt/hooks/daemon")
    os.kill(host.daemon.pid, signal.SIGHUP)
    wait_until(lambda: lines(), "the hook was called")
    equal([" ".join(line.split()[1:4]) for line in lines()], ["- reload begin"])


@mark(only="lodged", reason="libvirtd waits for the hook")
def test_a_reload_whose_hook_hangs_holds_nobody(host):
    host.script("etc/libvirt/hooks/daemon", "#!/bin/sh\n[ \"$2\" = reload ] && touch $0.began && sleep 1000\nexit 0\n")
    for _ in range(3):
        os.kill(host.daemon.pid, signal.SIGHUP)
    wait_until(lambda: host.path("etc/libvirt/hooks/daemon.began").exists(), "the hook runs")
    host.ok("list", timeout=5 * SLOWNESS)


def test_hook_on_reconnect(host):
    lines = recording_hook(host)
    host.start_sector("tiny")
    host.restart_daemon()
    wait_until(lambda: any("tiny reconnect begin" in line for line in lines()), "the hook for a reconnect")


@mark(only="lodged", reason="libvirtd waits for a hook for ever")
def test_hook_that_hangs_ends_by_its_deadline_and_holds_nobody_else(host):
    host.script("etc/libvirt/hooks/qemu", "#!/bin/sh\n[ \"$1\" = stuck ] && exec sleep 1000\nexit 0\n")
    host.daemon.settings["hook_timeout"] = int(4 * SLOWNESS)  # longer than another start may take, below
    host.restart_daemon()
    host.define_sector("stuck")
    client = host.terminal("start", "stuck")
    begin = time.monotonic()
    host.start_sector("other")
    equal(host.state("other"), "running")
    check(time.monotonic() - begin < 3 * SLOWNESS, "another start waited for the hook")
    check(client.wait(timeout=90) != 0, "the start with the hanging hook succeeded")
    contains(client.seen, "hook")


@mark(only="lodged", reason="libvirtd waits for a hook for ever")
def test_destroy_does_not_wait_for_each_hook_that_hangs(host):
    host.script("etc/libvirt/hooks/qemu", "#!/bin/sh\n[ \"$1\" = stuck ] && exec sleep 1000\nexit 0\n")
    host.restart_daemon()
    host.define_sector("stuck")
    client = host.terminal("start", "stuck")
    wait_until(lambda: "running hook" in host.lodge("jobs").out, "the hook runs")
    begin = time.monotonic()
    host.ok("destroy", "stuck")
    seconds = time.monotonic() - begin
    check(seconds < 20, f"destroy took {seconds:.1f} s")
    check(client.wait(timeout=30) != 0, "the start succeeded")
    equal(host.state("stuck"), "shut off")
