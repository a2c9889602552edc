"""Machines that start with the host at its next boot, and only then.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json

from lodgetest.host import *


def info(host, name):
    return json.loads(host.lodge_ok("dominfo", name, "-o", "json"))


def test_the_next_boot_starts_it_and_those_after_do_not(host):
    """A mark for one boot is used up by that boot; it is another one than the usual mark, follows a rename and goes with
    the definition."""
    for name in ("once", "never", "renamed", "gone"):
        host.define_sector(name)
    for name in ("once", "never", "renamed", "gone"):
        contains(host.lodge_ok("autostart", "--once", name), "marked as autostarted once")
    contains(host.lodge_ok("autostart", "--once", "--disable", "never"), "unmarked as autostarted once")
    equal(info(host, "once")["autostart_once"], True)
    equal(info(host, "never")["autostart_once"], False)
    equal(info(host, "once")["autostart"], False)
    host.ok("domrename", "renamed", "other")
    host.ok("undefine", "gone")
    host.crash_daemon()
    equal(host.state("once"), "shut off")
    host.reboot()
    for name in ("once", "other"):
        host.wait_state(name, "running")
    equal(host.state("never"), "shut off")
    folder = host.path("etc/libvirt/qemu/autostart")
    wait_until(lambda: not list(folder.iterdir()), "the marks are used up")
    host.reboot()
    equal(info(host, "once")["autostart_once"], False)
    host.define_sector("last")
    host.ok("autostart", "last")
    host.reboot()
    host.wait_state("last", "running")
    equal(host.state("once"), "shut off")
    equal(host.state("other"), "shut off")


def test_a_transient_machine_has_no_next_boot(host):
    host.ok("create", host.write_xml(host.guests.sector("passing")))
    result = host.lodge("autostart", "--once", "passing")
    check(result.code != 0, "a transient machine was marked")
    contains(result.err, "transient")
