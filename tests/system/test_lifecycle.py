"""Life cycle of machines: a tour with virsh over start, stop, suspend, names, ids and states.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark


def rows(text):
    """The rows of a virsh table, as lists of words."""
    return [line.split() for line in text.splitlines()[2:] if line.strip()]


def test_start_and_destroy(host):
    """rows: platform-01 lifecycle-04 lifecycle-10"""
    host.define_sector("tiny")
    contains(host.ok("start", "tiny"), "Domain 'tiny' started")
    equal(host.state("tiny"), "running")
    equal(len(qemus()), 1, "number of QEMU processes")
    contains(host.ok("destroy", "tiny"), "Domain 'tiny' destroyed")
    equal(host.state("tiny"), "shut off")
    equal(qemus(), {}, "QEMU processes")


def test_empty_list_has_a_header_only(host):
    equal(rows(host.ok("list", "--all")), [])
    contains(host.ok("list"), "Id", "Name", "State")


def test_list_shows_ids_of_running_and_dashes_of_others(host):
    """rows: lifecycle-01 lifecycle-02"""
    host.start_sector("one")
    host.define_sector("another")
    host.start_sector("two")
    equal(rows(host.ok("list")), [["1", "one", "running"], ["2", "two", "running"]])
    equal(rows(host.ok("list", "--all")),
          [["1", "one", "running"], ["2", "two", "running"], ["-", "another", "shut", "off"]])
    equal(rows(host.ok("list", "--inactive")), [["-", "another", "shut", "off"]])


def test_ids_grow_and_are_not_used_again(host):
    """rows: lifecycle-03 lifecycle-35"""
    dom = host.define_sector("tiny")
    for wanted in ("1", "2", "3"):
        dom.create()
        equal(host.ok("domid", "tiny").strip(), wanted)
        dom.destroy()
    equal(host.ok("domid", "tiny").strip(), "-")


def test_name_uuid_and_id_name_the_same_machine(host):
    """rows: lifecycle-05 lifecycle-11 lifecycle-12 lifecycle-37"""
    uuid = host.start_sector("tiny").UUIDString()
    equal(host.ok("domuuid", "1").strip(), uuid)
    equal(host.ok("domname", uuid).strip(), "tiny")
    equal(host.ok("domname", "1").strip(), "tiny")
    contains(host.ok("destroy", uuid), f"Domain '{uuid}' destroyed")
    contains(host.ok("start", uuid), f"Domain 'tiny' started")
    equal(host.ok("domuuid", "tiny").strip(), uuid)
    contains(host.ok("destroy", "2"), "Domain '2' destroyed")


def test_suspend_keeps_the_process_and_resume_goes_on(host):
    """rows: lifecycle-14 lifecycle-16"""
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    contains(host.ok("suspend", "tiny"), "Domain 'tiny' suspended")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (user)")
    equal(rows(host.ok("list")), [["1", "tiny", "paused"]])
    check(alive(pid), "QEMU of a paused machine is gone")
    contains(host.ok("resume", "1"), "Domain '1' resumed")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "running (unpaused)")
    equal(host.qemu_pid("tiny"), pid)


def test_suspend_of_a_paused_machine_is_fine_and_resume_of_a_running_one_is_not(host):
    host.start_sector("tiny")
    host.refused("resume", "tiny", says="domain is already running")
    host.ok("suspend", "tiny")
    host.ok("suspend", "tiny")
    equal(host.state("tiny"), "paused")


def test_wrong_state_is_refused(host):
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.destroy, text="domain is not running")
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.suspend)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.resume)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.shutdown)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.reboot)
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.reset)
    dom.create()
    raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="already running")
    host.refused("start", "tiny", says="Domain is already active")
    host.refused("destroy", "nothing", says="failed to get domain 'nothing'")


def test_lookup_of_what_is_not_there(host):
    raises(libvirt.VIR_ERR_NO_DOMAIN, host.conn.lookupByName, "nothing", domain=libvirt.VIR_FROM_QEMU)
    raises(libvirt.VIR_ERR_NO_DOMAIN, host.conn.lookupByID, 99, text="no domain with matching id 99")
    raises(libvirt.VIR_ERR_NO_DOMAIN, host.conn.lookupByUUIDString, "11111111-2222-3333-4444-555555555555")


def test_create_makes_a_transient_machine_that_leaves_nothing(host):
    """rows: lifecycle-21"""
    path = host.write_xml(host.guests.sector("passing"))
    contains(host.ok("create", path), "Domain 'passing' created from")
    contains(host.ok("dominfo", "passing"), "Persistent:     no")
    check(not host.config_file("passing").exists(), "a transient machine has a definition on disk")
    host.ok("destroy", "passing")
    equal(rows(host.ok("list", "--all")), [])


def test_start_paused(host):
    host.define_sector("tiny")
    host.ok("start", "tiny", "--paused")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "paused (user)")
    host.ok("resume", "tiny")
    equal(host.state("tiny"), "running")


def test_autodestroy_ends_the_machine_with_its_client(host):
    host.define_sector("tiny")
    client = host.open()
    client.lookupByName("tiny").createWithFlags(libvirt.VIR_DOMAIN_START_AUTODESTROY)
    equal(host.state("tiny"), "running")
    client.close()
    host.wait_state("tiny", "shut off")


def test_destroy_graceful(host):
    host.start_sector("tiny")
    host.ok("destroy", "tiny", "--graceful")
    equal(host.state("tiny"), "shut off")


def test_reset_keeps_id_and_process(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    contains(host.ok("reset", "tiny"), "Domain 'tiny' was reset")
    equal(host.qemu_pid("tiny"), pid)
    equal(host.ok("domid", "tiny").strip(), "1")


def test_domstate_tells_the_reason(host):
    """rows: lifecycle-38"""
    dom = host.define_sector("tiny")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (unknown)")
    dom.create()
    equal(host.ok("domstate", "tiny", "--reason").strip(), "running (booted)")
    dom.destroy()
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (destroyed)")


def test_dominfo_of_both_states(host):
    """rows: lifecycle-39"""
    dom = host.define_sector("tiny", vcpus=2)
    info = host.ok("dominfo", "tiny")
    contains(info, "Id:             -", "Name:           tiny", f"UUID:           {dom.UUIDString()}",
             "OS Type:        hvm", "State:          shut off", "CPU(s):         2", "Max memory:     16384 KiB",
             "Used memory:    16384 KiB", "Persistent:     yes", "Autostart:      disable", "Managed save:   no")
    dom.create()
    info = host.ok("dominfo", "tiny")
    contains(info, "Id:             1", "State:          running", "CPU time:")


def test_a_killed_qemu_counts_as_crashed(host):
    host.start_sector("tiny")
    kill(host.qemu_pid("tiny"))
    host.wait_state("tiny", "shut off")
    equal(host.ok("domstate", "tiny", "--reason").strip(), "shut off (crashed)")
    host.ok("start", "tiny")
    equal(host.state("tiny"), "running")


def test_one_qemu_that_dies_leaves_others_alone(host):
    """rows: platform-12"""
    host.start_sector("victim")
    host.start_sector("witness")
    kill(host.qemu_pid("victim"))
    host.wait_state("victim", "shut off")
    equal(host.state("witness"), "running")


def test_shutdown_asks_the_guest_and_returns_at_once(host):
    """rows: lifecycle-07"""
    host.start_demo("demo")
    host.booted("demo").close()
    begin = time.monotonic()
    contains(host.ok("shutdown", "1"), "Domain '1' is being shutdown")
    check(time.monotonic() - begin < 1 * SLOWNESS, "shutdown waited for the guest")
    host.wait_state("demo", "shut off", timeout=30)
    equal(host.ok("domstate", "demo", "--reason").strip(), "shut off (shutdown)")


def test_shutdown_without_a_handler_in_the_guest_has_no_effect(host):
    """rows: lifecycle-09"""
    host.start_demo("deaf", append="noacpi")
    console = host.booted("deaf")
    host.ok("shutdown", "deaf")
    # Nothing can be waited for here: the guest has seen the button when a later command has been answered.
    contains(console.command("cat /proc/uptime"), ".")
    equal(host.state("deaf"), "running")
    console.close()
    host.ok("destroy", "deaf")


def test_shutdown_through_the_agent(host):
    """rows: lifecycle-08 agent-02"""
    from lodgetest.guests import AGENT
    host.start_demo("demo", devices=AGENT, append="noacpi")
    host.booted("demo").close()
    wait_until(lambda: "state='connected'" in host.ok("dumpxml", "demo"), "the agent's channel is connected")
    host.ok("shutdown", "demo", "--mode", "agent")
    host.wait_state("demo", "shut off", timeout=30)


def test_shutdown_through_an_agent_that_is_not_configured(host):
    dom = host.start_sector("tiny")
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, dom.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
           text="QEMU guest agent is not configured")


def test_a_reboot_from_inside_keeps_the_process(host):
    host.start_demo("demo")
    console = host.booted("demo")
    pid = host.qemu_pid("demo")
    console.send("reboot -f\n")
    console.expect("is ready", timeout=60)
    equal(host.qemu_pid("demo"), pid)
    equal(host.ok("domid", "demo").strip(), "1")


def test_reboot_by_the_power_button(host):
    """rows: lifecycle-13"""
    host.start_demo("demo")
    console = host.booted("demo")
    pid = host.qemu_pid("demo")
    contains(host.ok("reboot", "demo"), "Domain 'demo' is being rebooted")
    console.expect("is ready", timeout=60)
    equal(host.qemu_pid("demo"), pid, "process after the reboot")
    equal(host.state("demo"), "running")


def test_on_reboot_destroy_ends_the_machine(host):
    host.start_demo("demo", lifecycle="<on_reboot>destroy</on_reboot>")
    console = host.booted("demo")
    console.send("reboot -f\n")
    host.wait_state("demo", "shut off", timeout=30)


def test_on_poweroff_restart_starts_it_again(host):
    """rows: lifecycle-48"""
    host.start_demo("demo", lifecycle="<on_poweroff>restart</on_poweroff>")
    console = host.booted("demo")
    pid = host.qemu_pid("demo")
    console.send("poweroff -f\n")
    console.expect("is ready", timeout=60)
    equal(host.qemu_pid("demo"), pid)


def test_memory_may_be_overcommitted(host):
    """More than this host has; QEMU itself touches none of it. Needs a kernel that overcommits. rows: platform-06"""
    with open("/proc/meminfo") as file:
        total = int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1))
    for name in ("first", "second"):
        host.start_sector(name, memory_kib=total // 2 // 1024 * 1024 + 65536)
    equal(len(qemus()), 2)


def test_two_processors_are_seen_by_the_guest(host):
    """rows: platform-07"""
    host.start_demo("demo", vcpus=2)
    console = host.booted("demo")
    contains(console.command("grep -c ^processor /proc/cpuinfo"), "2")
    equal(len(rows(host.ok("vcpuinfo", "demo"))) > 0, True)
    threads = os.listdir(f"/proc/{host.qemu_pid('demo')}/task")
    check(len(threads) >= 2, f"threads of QEMU: {threads}")


def test_start_with_console_shows_the_boot(host):
    """rows: lifecycle-06 display-45"""
    host.define(host.guests.demo("demo"))
    terminal = host.terminal("start", "demo", "--console")
    terminal.expect("Domain 'demo' started")
    terminal.expect("Lodge demo guest 'demo' is ready", timeout=60)
    terminal.expect(r"demo:\S*# ")
    terminal.send("\x1d")
    equal(terminal.wait(), 0)


def test_missing_emulator_is_refused(host):
    """rows: lifecycle-55"""
    path = host.write_xml(host.guests.sector("tiny", emulator="/usr/bin/no-such-qemu"))
    host.refused("define", path, says="/usr/bin/no-such-qemu")


def test_machine_type_alias_is_expanded_and_unknown_ones_refused(host):
    """rows: lifecycle-56"""
    host.define_sector("tiny")
    contains(host.ok("dumpxml", "tiny"), "machine='pc-i440fx-")
    host.define(host.guests.empty("modern", machine="q35"))
    contains(host.ok("dumpxml", "modern"), "machine='pc-q35-")
    path = host.write_xml(host.guests.sector("other", machine="pc-of-tomorrow"))
    host.refused("define", path)


def test_a_disk_that_is_missing_fails_the_start(host):
    dom = host.define_sector("tiny")
    image = host.path("var/lib/libvirt/images/tiny.img")
    image.unlink()
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create, text=str(image))
    equal(host.state("tiny"), "shut off")
    equal(qemus(), {})


def test_disk_belongs_to_the_machine_while_it_runs(host):
    """rows: lifecycle-40"""
    dom = host.define_sector("tiny")
    image = host.path("var/lib/libvirt/images/tiny.img")
    equal(image.stat().st_uid, 0)
    dom.create()
    owner = image.stat().st_uid
    uid = os.stat(f"/proc/{host.qemu_pid('tiny')}").st_uid
    equal(owner, uid, "owner of the disk while QEMU runs")
    check(uid != 0, "QEMU runs as root")
    dom.destroy()
    equal(image.stat().st_uid, 0, "owner of the disk afterwards")


def test_generated_uuids_and_addresses_differ(host):
    """rows: platform-15"""
    nic = "<interface type='user'><model type='virtio'/></interface>"
    texts = [host.define_sector(f"m{i}", devices=nic).XMLDesc() for i in range(8)]
    uuids = {re.search("<uuid>(.*)</uuid>", t).group(1) for t in texts}
    macs = {re.search("mac address='(52:54:00:[^']*)'", t).group(1) for t in texts}
    equal((len(uuids), len(macs)), (8, 8))


def test_domblklist_domiflist_and_domblkinfo(host):
    """rows: devices-10"""
    nic = "<interface type='user'><mac address='52:54:00:01:02:03'/><model type='virtio'/></interface>"
    host.start_sector("tiny", devices=nic)
    image = host.path("var/lib/libvirt/images/tiny.img")
    equal(rows(host.ok("domblklist", "tiny")), [["hda", str(image)]])
    equal(rows(host.ok("domblklist", "tiny", "--details")), [["file", "disk", "hda", str(image)]])
    equal(rows(host.ok("domiflist", "tiny"))[0][1:], ["user", "-", "virtio", "52:54:00:01:02:03"])
    contains(host.ok("domblkinfo", "tiny", "hda"), "Capacity:       512")


def test_qemu_monitor_pass_through(host):
    """rows: platform-18"""
    host.start_sector("tiny")
    contains(host.ok("qemu-monitor-command", "tiny", "--hmp", "info status"), "VM status: running")
    contains(host.ok("qemu-monitor-command", "tiny", '{"execute":"query-name"}'), '"name":"tiny"')


def test_foreign_architecture_is_refused_clearly_without_its_emulator(host):
    xml = host.guests.empty("arm").replace("arch='x86_64'", "arch='aarch64'").replace("machine='pc'", "")
    host.refused("define", host.write_xml(xml))
