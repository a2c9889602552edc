"""Save, restore, managed save, dump.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark


def saved_demo(host):
    """A demo guest with something in its memory; returns a console at its prompt."""
    host.start_demo("demo")
    console = host.booted("demo")
    console.command("echo remembered > /tmp/note")
    return console


def test_save_and_restore_keep_the_guest_as_it_was(host):
    """rows: lifecycle-17 lifecycle-18"""
    console = saved_demo(host)
    file = str(host.path("var/lib/libvirt/qemu/demo.save"))
    contains(host.ok("save", "demo", file), f"Domain 'demo' saved to {file}")
    console.wait()
    equal(host.ok("domstate", "demo", "--reason").strip(), "shut off (saved)")
    contains(host.ok("restore", file), f"Domain restored from {file}")
    equal(host.state("demo"), "running")
    contains(host.booted("demo").command("cat /tmp/note"), "remembered")


def test_saved_document_can_be_read_changed_and_used(host):
    host.start_sector("tiny")
    file = str(host.path("var/lib/libvirt/qemu/tiny.save"))
    host.ok("save", "tiny", file)
    text = host.ok("save-image-dumpxml", file)
    contains(text, "<name>tiny</name>")
    changed = text.replace("<on_poweroff>destroy</on_poweroff>", "<on_poweroff>restart</on_poweroff>")
    host.ok("save-image-define", file, host.write_xml(changed))
    contains(host.ok("save-image-dumpxml", file), "<on_poweroff>restart</on_poweroff>")
    host.ok("restore", file)
    contains(host.ok("dumpxml", "tiny"), "<on_poweroff>restart</on_poweroff>")


def test_paused_machine_is_paused_again_after_restore(host):
    host.start_sector("tiny")
    host.ok("suspend", "tiny")
    file = str(host.path("var/lib/libvirt/qemu/tiny.save"))
    host.ok("save", "tiny", file)
    host.ok("restore", file)
    equal(host.state("tiny"), "paused")
    host.ok("destroy", "tiny")
    host.ok("restore", file, "--running")
    equal(host.state("tiny"), "running")


def test_save_of_an_inactive_machine_is_refused(host):
    """rows: lifecycle-50"""
    host.define_sector("tiny")
    file = host.path("var/lib/libvirt/qemu/tiny.save")
    host.refused("save", "tiny", str(file), says="domain is not running")
    host.refused("managedsave", "tiny", says="domain is not running")
    check(not file.exists(), "a file was made")


def test_save_to_a_place_that_is_not_there_keeps_the_machine(host):
    host.start_sector("tiny")
    host.refused("save", "tiny", "/nowhere/at/all.save", says="/nowhere/at/all.save")
    equal(host.state("tiny"), "running")


def test_restore_of_what_is_no_saved_machine(host):
    file = host.write("noise.save", "this is not a saved machine" * 40)
    host.refused("restore", str(file))
    host.refused("restore", "/nowhere.save", says="/nowhere.save")
    cut = host.path("cut.save")
    host.start_sector("tiny")
    host.ok("save", "tiny", str(cut))
    data = cut.read_bytes()
    for length in (10, 100, 2000):
        cut.write_bytes(data[:length])
        host.refused("restore", str(cut))
    equal(host.state("tiny"), "shut off")
    equal(qemus(), {})


def test_restore_while_the_machine_runs_is_refused(host):
    host.start_sector("tiny")
    file = str(host.path("var/lib/libvirt/qemu/tiny.save"))
    host.ok("save", "tiny", file)
    host.ok("start", "tiny")
    host.refused("restore", file, says="already")
    equal(host.state("tiny"), "running")


def test_managed_save_and_start(host):
    console = saved_demo(host)
    contains(host.ok("managedsave", "demo"), "Domain 'demo' state saved by libvirt")
    console.close()
    contains(host.ok("dominfo", "demo"), "Managed save:   yes")
    contains(host.ok("list", "--all", "--managed-save"), "saved")
    equal(host.ok("list", "--all", "--name", "--with-managed-save").split(), ["demo"])
    host.ok("start", "demo")
    contains(host.booted("demo").command("cat /tmp/note"), "remembered")
    check(not host.path("var/lib/libvirt/qemu/save/demo.save").exists(), "the saved state is still there")


def test_managed_save_can_be_dropped_and_ignored(host):
    host.start_sector("tiny")
    saved = host.path("var/lib/libvirt/qemu/save/tiny.save")
    host.ok("managedsave", "tiny")
    contains(host.ok("managedsave-remove", "tiny"), "Removed managedsave image for domain 'tiny'")
    check(not saved.exists(), "the saved state is still there")
    host.ok("managedsave-remove", "tiny")
    host.ok("start", "tiny")
    host.ok("managedsave", "tiny")
    host.ok("start", "tiny", "--force-boot")
    check(not saved.exists(), "the saved state is still there")


def test_managed_save_document(host):
    host.start_sector("tiny")
    host.ok("managedsave", "tiny")
    contains(host.ok("managedsave-dumpxml", "tiny"), "<name>tiny</name>")


def test_managed_save_survives_a_restart(host):
    host.start_sector("tiny")
    host.ok("managedsave", "tiny")
    host.crash_daemon()
    contains(host.ok("dominfo", "tiny"), "Managed save:   yes")
    host.ok("start", "tiny")
    equal(host.state("tiny"), "running")


def test_managed_save_of_a_transient_machine_is_refused(host):
    host.ok("create", host.write_xml(host.guests.sector("passing")))
    host.refused("managedsave", "passing", says="transient")


def test_damaged_managed_save_does_not_keep_the_machine_from_starting(host):
    """libvirtd deletes such a file and boots; the machine must not stay unusable."""
    host.start_sector("tiny")
    host.ok("managedsave", "tiny")
    saved = host.path("var/lib/libvirt/qemu/save/tiny.save")
    saved.write_bytes(b"garbage" * 100)
    host.virsh("start", "tiny")
    if host.state("tiny") != "running":
        host.ok("start", "tiny", "--force-boot")
    equal(host.state("tiny"), "running")


def test_dump_of_memory_only(host):
    host.start_sector("tiny")
    file = host.path("var/lib/libvirt/qemu/dump/tiny.core")
    file.parent.mkdir(exist_ok=True)
    contains(host.ok("dump", "tiny", str(file), "--memory-only"), f"Domain 'tiny' dumped to {file}")
    check(file.read_bytes()[:4] == b"\x7fELF", "the dump is no ELF file")
    equal(host.state("tiny"), "running")


def test_dump_and_crash_options(host):
    host.start_sector("tiny")
    file = host.path("var/lib/libvirt/qemu/tiny.dump")
    host.ok("dump", "tiny", str(file))
    equal(host.state("tiny"), "running")
    check(file.stat().st_size > 0, "the dump is empty")
    host.ok("dump", "tiny", str(file), "--memory-only", "--crash")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (crashed)")


def test_dump_of_an_inactive_machine_is_refused(host):
    host.define_sector("tiny")
    host.refused("dump", "tiny", "/tmp/never.core", says="domain is not running")
