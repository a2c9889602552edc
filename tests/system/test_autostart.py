"""Autostart: exactly the marked machines run after a boot of the host, and a restart of the daemon starts none.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark


def test_the_mark_is_a_link(host):
    """rows: lifecycle-29 lifecycle-30 lifecycle-31"""
    host.define_sector("tiny")
    link = host.path("etc/libvirt/qemu/autostart/tiny.xml")
    contains(host.ok("autostart", "tiny"), "Domain 'tiny' marked as autostarted")
    check(link.is_symlink() and os.readlink(link).endswith("etc/libvirt/qemu/tiny.xml"), f"no link {link}")
    contains(host.ok("dominfo", "tiny"), "Autostart:      enable")
    host.ok("start", "tiny")
    contains(host.ok("autostart", "--disable", "tiny"), "Domain 'tiny' unmarked as autostarted")
    check(not link.is_symlink(), "the link is still there")
    host.ok("autostart", "1")
    contains(host.ok("autostart", "1", "--disable"), "Domain '1' unmarked as autostarted")
    equal(host.state("tiny"), "running")


def test_boot_starts_the_marked_machines_only(host):
    """rows: lifecycle-32"""
    host.define_sector("marked")
    host.start_sector("other")
    host.ok("autostart", "marked")
    host.reboot()
    host.wait_state("marked", "running")
    equal(host.state("other"), "shut off")
    equal(host.ok("domid", "marked").strip(), "1")


def test_a_restarted_daemon_does_not_start_what_was_shut_down_by_hand(host):
    """rows: lifecycle-53"""
    host.start_sector("marked")
    host.ok("autostart", "marked")
    host.start_sector("runs")
    host.ok("autostart", "runs")
    pid = host.qemu_pid("runs")
    host.ok("destroy", "marked")
    host.restart_daemon()
    equal(host.state("runs"), "running")
    equal(host.qemu_pid("runs"), pid)
    equal(host.state("marked"), "shut off")
    host.crash_daemon()
    equal(host.state("marked"), "shut off")


def test_a_transient_machine_cannot_be_marked(host):
    host.ok("create", host.write_xml(host.guests.sector("passing")))
    host.refused("autostart", "passing", says="transient")


def test_a_machine_that_fails_to_start_does_not_stop_the_others(host):
    host.define_sector("broken")
    host.define_sector("sound")
    host.ok("autostart", "broken")
    host.ok("autostart", "sound")
    host.path("var/lib/libvirt/images/broken.img").unlink()
    host.reboot()
    host.wait_state("sound", "running")
    equal(host.state("broken"), "shut off")
