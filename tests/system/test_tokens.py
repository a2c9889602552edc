"""Which QEMU belongs to which machine, whatever the files say.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark


def status_file(host, name):
    return host.path(f"run/libvirt/qemu/{name}.xml")


def change_status(host, name, pattern, text):
    path = status_file(host, name)
    old = path.read_text()
    new = re.sub(pattern, text, old, count=1)
    check(new != old, f"nothing to change: {pattern}")
    path.write_text(new)


@mark(only="lodged", reason="libvirtd believes the file")
def test_wrong_pid_in_the_status_file(host):
    """The token in QEMU's environment decides: the machine is found, and there is one QEMU of it."""
    host.start_sector("other")
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    strangers = ["1", str(os.getpid()), "999999", "0", "-1", "no number", str(host.qemu_pid("other"))]
    for wrong in strangers:
        host.kill_daemon()
        change_status(host, "tiny", r" pid='[^']*'", f" pid='{wrong}'")
        host.start_daemon()
        equal(host.state("tiny"), "running", f"with pid {wrong}")
        equal(host.state("other"), "running", f"with pid {wrong}")
        equal(len(qemus()), 2, f"QEMUs, with pid {wrong}")
        host.refused("start", "tiny", says="already active")
        equal(host.qemu_pid("tiny"), pid)
    host.ok("destroy", "tiny")
    check(not alive(pid), "QEMU is left")
    equal(host.state("other"), "running")


@mark(only="lodged", reason="libvirtd believes the file")
def test_wrong_start_time_in_the_status_file(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    host.kill_daemon()
    change_status(host, "tiny", r" startTime='[^']*'", " startTime='7'")
    host.start_daemon()
    equal(host.state("tiny"), "running")
    equal(host.qemu_pid("tiny"), pid)


@mark(only="lodged", reason="libvirtd starts a second QEMU")
def test_start_is_refused_while_a_forgotten_qemu_lives(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    host.kill_daemon()
    status_file(host, "tiny").unlink()
    host.start_daemon()
    equal(host.state("tiny"), "shut off")
    words = host.refused("start", "tiny", says="runs already")
    contains(words, str(pid))
    equal(list(qemus()), [pid])
    kill(pid)
    wait_until(lambda: not alive(pid), "QEMU is gone")
    host.path("run/libvirt/qemu/tiny.pid").unlink(missing_ok=True)
    host.ok("start", "tiny")
    equal(host.state("tiny"), "running")


@mark(only="lodged", reason="its status files are ours alone")
def test_copies_of_status_files_are_not_believed(host):
    """Nor one that leads elsewhere, nor one with the last of all ids."""
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    host.kill_daemon()
    text = status_file(host, "tiny").read_text()
    change_status(host, "tiny", r"(<domain [^>]*)id='\d+'", r"\1id='2147483647'")
    status_file(host, "zz-copy").write_text(text)
    status_file(host, "trav").write_text(re.sub("<name>tiny</name>", "<name>../../../x</name>", text))
    for name in ("pid", "out"):
        host.path(f"run/x.{name}").write_text("somebody's")
    host.start_daemon()
    equal(host.state("tiny"), "running")
    equal((host.qemu_pid("tiny"), list(qemus())), (pid, [pid]))
    for name in ("pid", "out"):
        equal(host.path(f"run/x.{name}").read_text(), "somebody's")
        host.path(f"run/x.{name}").unlink()
    for name in ("zz-copy", "trav"):
        aside = host.path(f"run/libvirt/qemu/{name}.xml.damaged")
        check(aside.exists(), f"{name} is not set aside")
        aside.unlink()
    host.start_sector("next")
    check(0 < int(host.ok("domid", "next")) < 100, "ids begin anew")
    host.ok("destroy", "next")
    host.ok("destroy", "tiny")
    check(not alive(pid), "QEMU is left")
