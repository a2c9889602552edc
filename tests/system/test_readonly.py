"""The read-only socket can read and changes nothing.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from lodgetest.wire import Wire, WireError


def test_reading_works(host):
    host.start_sector("tiny")
    for command in (["list", "--all"], ["dominfo", "tiny"], ["domstate", "tiny"], ["dumpxml", "tiny"],
                    ["nodeinfo"], ["capabilities"], ["version"], ["uri"], ["domstats"]):
        host.ok(*command, readonly=True)


def test_changes_are_refused(host):
    """rows: cli-15"""
    host.start_sector("tiny")
    host.define_sector("off")
    xml = host.write_xml(host.guests.sector("new"))
    for command in (["start", "off"], ["destroy", "tiny"], ["suspend", "tiny"], ["shutdown", "tiny"],
                    ["define", xml], ["create", xml], ["undefine", "off"], ["autostart", "off"],
                    ["managedsave", "tiny"], ["domrename", "off", "other"], ["send-key", "tiny", "KEY_A"],
                    ["setvcpus", "off", "2", "--config"], ["inject-nmi", "tiny"], ["reset", "tiny"]):
        words = host.refused(*command, readonly=True)
        check("forbidden" in words or "read only" in words.lower(), f"{command}: {words}")
    equal(host.state("tiny"), "running")
    equal(sorted(host.ok("list", "--all", "--name").split()), ["off", "tiny"])


def test_the_socket_decides_whatever_the_client_says(host):
    """A client that asks for read-write on the read-only socket stays a reader."""
    host.define_sector("tiny")
    wire = Wire(host.daemon.socket_ro).open(readonly=False)
    dom = wire.call("domain_lookup_by_name", name="tiny")["dom"]
    try:
        wire.call("domain_create", dom=dom)
    except WireError as error:
        equal(error.code, libvirt.VIR_ERR_OPERATION_DENIED)
    else:
        fail("a machine was started through the read-only socket")
    equal(host.state("tiny"), "shut off")


def test_a_readonly_connection_on_the_other_socket_is_a_reader_too(host):
    dom = host.define_sector("tiny")
    wire = Wire(host.daemon.socket).open(readonly=True)
    found = wire.call("domain_lookup_by_name", name="tiny")["dom"]
    try:
        wire.call("domain_create", dom=found)
    except WireError as error:
        equal(error.code, libvirt.VIR_ERR_OPERATION_DENIED)
    else:
        fail("a machine was started through a read-only connection")
    equal(dom.isActive(), 0)


def test_permissions_of_the_sockets(host):
    equal(oct(host.daemon.socket_ro.stat().st_mode & 0o777), "0o777")
