"""The parts of ./quickstart that start and stop the daemon.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib

from lodgetest.host import *
from lodgetest.runner import mark

QUICKSTART = pathlib.Path(__file__).resolve().parents[2] / "quickstart"


def quickstart(host, commands, env=None):
    """Runs commands of the script on a root of the test's, with the build that is tested."""
    build = pathlib.Path(host.daemon.binary).parents[2]
    begin = f"source {QUICKSTART}; build={build}; private={host.path('demo')}; has_systemd() {{ false; }}; "
    return run(["bash", "-c", begin + commands], timeout=60, env=env)


@mark(only="lodged", reason="the script starts lodged")
def test_a_daemon_that_is_slow_to_appear_counts_as_started(host):
    """Its pid was looked at before setsid had become lodged: "lodged did not start"."""
    host.script("bin/setsid", "#!/bin/sh\nsleep 1\nexec /usr/bin/setsid \"$@\"\n")
    slow = clean_environment(PATH=f"{host.path('bin')}:/usr/bin:/bin:/usr/sbin:/sbin")
    started = quickstart(host, "choose --private; start_daemon", env=slow)
    contains(started.out, "lodged runs on a root of its own")
    equal(started.code, 0)
    stopped = quickstart(host, "parse --private --stop; stop")
    equal((stopped.code, stopped.out), (0, "lodged has been ended\n"))
    stopped = quickstart(host, "parse --stop --private; stop")
    contains(stopped.out, "no lodged of this script runs")


@mark(only="lodged", reason="the script starts lodged")
def test_a_daemon_that_ends_at_once_is_told(host):
    """... and at once."""
    host.write("demo/etc/libvirt/libvirtd.conf", "max_clients = nonsense\n")
    begin = time.monotonic()
    started = quickstart(host, "choose --private; start_daemon")
    check(started.code != 0, "a success")
    contains(started.err, "lodged did not start", "libvirtd.conf:1")
    check(time.monotonic() - begin < 10 * SLOWNESS, "it took long to notice")


@mark(only="lodged", reason="the script starts lodged", daemon=False)
def test_options_come_in_any_order(host):
    for arguments, wanted in (("", " start"), ("--stop", " stop"), ("--private --stop", "--private stop"),
                              ("--stop --system", "--system stop"), ("--private", "--private start")):
        got = quickstart(host, f"parse {arguments}; echo \"$place $action\"")
        equal(got.out, wanted + "\n", arguments)
    for arguments in ("--private --system", "--what", "stop"):
        equal(quickstart(host, f"parse {arguments}; echo on").code, 2, arguments)
