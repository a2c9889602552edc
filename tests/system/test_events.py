"""Events: both kinds of registration, the order of life cycle events, virsh event.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import threading

from lodgetest.host import *
from lodgetest.runner import mark


def lifecycle_recorder(events):
    def note(conn, dom, event, detail, opaque=None):
        events.append((dom.name(), event, detail))
    return note


def wait_for(events, *wanted, timeout=10):
    """Waits until the wanted events have come in this order (others in between are fine)."""
    def there():
        rest = iter(list(events))
        return all(any(e == w for e in rest) for w in wanted)
    try:
        wait_until(there, f"events {wanted}", timeout)
    except TestFailure:
        fail(f"events {events}, wanted in this order {wanted}")


def test_lifecycle_events_of_a_whole_life(host):
    """Through the language binding alone. rows: host-setup-25"""
    Loop()
    conn = host.open()
    events = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle_recorder(events), None)
    dom = host.define_sector("tiny")
    wait_for(events, ("tiny", 0, 0))
    dom.create()
    wait_for(events, ("tiny", 4, 0), ("tiny", 2, 0))            # resumed (unpaused), started (booted)
    dom.suspend()
    wait_for(events, ("tiny", 3, 0))                            # suspended (paused)
    dom.resume()
    wait_for(events, ("tiny", 3, 0), ("tiny", 4, 0))            # resumed (unpaused)
    dom.destroy()
    wait_for(events, ("tiny", 5, 1))                            # stopped (destroyed)
    host.define_sector("tiny", uuid=dom.UUIDString(), vcpus=2)
    wait_for(events, ("tiny", 0, 1))                            # defined (updated)
    dom.undefine()
    wait_for(events, ("tiny", 1, 0))                            # undefined (removed)


def test_legacy_registration(host):
    Loop()
    conn = host.open()
    events = []
    conn.domainEventRegister(lifecycle_recorder(events), None)
    host.start_sector("tiny")
    wait_for(events, ("tiny", 0, 0), ("tiny", 2, 0))


def test_events_of_one_machine_only(host):
    Loop()
    conn = host.open()
    events = []
    one = host.define_sector("one")
    host.define_sector("two")
    number = conn.domainEventRegisterAny(conn.lookupByName("one"), libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         lifecycle_recorder(events), None)
    host.ok("start", "two")
    one.create()
    wait_for(events, ("one", 2, 0))
    check(not [e for e in events if e[0] == "two"], f"events of the other machine: {events}")
    conn.domainEventDeregisterAny(number)
    del events[:]
    one.destroy()
    # Another connection's event that comes later shows that nothing came for this one.
    others = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle_recorder(others), None)
    one.create()
    wait_for(others, ("one", 2, 0))
    equal(events, [])


def test_crash_of_qemu_is_told(host):
    Loop()
    conn = host.open()
    events = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle_recorder(events), None)
    host.start_sector("tiny")
    kill(host.qemu_pid("tiny"))
    wait_for(events, ("tiny", 5, 5))                            # stopped (failed)


def test_reboot_event(host):
    Loop()
    conn = host.open()
    reboots = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
                                lambda c, dom, opaque: reboots.append(dom.name()), None)
    dom = host.start_sector("tiny")
    dom.reset()
    wait_until(lambda: reboots, "a reboot event")


def test_virsh_event_prints_what_happens(host):
    host.define_sector("tiny")
    terminal = host.terminal("event", "--all", "--loop", "--timeout", "20")
    # It is ready when a first event shows up; a machine that comes and goes makes one after another.
    def poke():
        host.ok("suspend", "tiny")
        host.ok("resume", "tiny")
        terminal.read_more(0.2)
        return "event 'lifecycle' for domain 'tiny'" in terminal.seen
    host.ok("start", "tiny")
    wait_until(poke, "virsh event prints")
    host.ok("destroy", "tiny")
    terminal.expect("event 'lifecycle' for domain 'tiny': Stopped Destroyed")


def test_virsh_event_list_and_timeout(host):
    contains(host.ok("event", "--list"), "lifecycle", "reboot", "watchdog")
    terminal = host.terminal("event", "--event", "lifecycle", "--timeout", "1")
    terminal.expect("event loop timed out")
    terminal.expect("events received: 0")


def test_agent_event_when_the_guest_opens_the_channel(host):
    """rows: devices-31 agent-01"""
    from lodgetest.guests import AGENT
    Loop()
    conn = host.open()
    states = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                                lambda c, dom, state, reason, opaque: states.append((state, reason)), None)
    host.start_demo("demo", devices=AGENT)
    wait_until(lambda: (libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED,
                        libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL) in states,
               "the agent's channel is connected", timeout=60)


def test_qemu_monitor_event(host):
    host.start_sector("tiny")
    terminal = host.terminal("qemu-monitor-event", "--loop", "--timeout", "20")
    def poke():
        host.ok("suspend", "tiny")
        host.ok("resume", "tiny")
        terminal.read_more(0.2)
        return "event STOP" in terminal.seen
    wait_until(poke, "virsh qemu-monitor-event prints")


def test_metadata_change_event(host):
    Loop()
    conn = host.open()
    changes = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                                lambda c, dom, kind, uri, opaque: changes.append((kind, uri)), None)
    dom = host.define_sector("tiny")
    dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "A title", None, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    wait_until(lambda: changes, "a metadata event")


def test_events_reach_a_client_behind_one_that_never_reads(host):
    """A client that registers and then stops reading must not hold events up for others."""
    from lodgetest.wire import Wire
    Loop()
    deaf = Wire(host.daemon.socket)
    deaf.open()
    deaf.call("connect_domain_event_callback_register_any", eventID=0, dom=None)
    conn = host.open()
    events = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle_recorder(events), None)
    dom = host.start_sector("tiny")
    for _ in range(200):
        dom.suspend()
        dom.resume()
    dom.destroy()
    wait_for(events, ("tiny", 5, 1))
    deaf.close()
