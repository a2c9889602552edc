"""Titles, descriptions, metadata of applications, and the filters of list.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark

URI = "http://example.org/app"


def names(host, *options):
    return sorted(host.ok("list", "--name", *options).split())


def test_title_and_description(host):
    """rows: lifecycle-51"""
    host.define_sector("tiny", title="First title")
    equal(host.ok("desc", "tiny", "--title").strip(), "First title")
    contains(host.ok("desc", "tiny"), "No description for domain: tiny")
    host.ok("desc", "tiny", "--title", "--config", "--new-desc", "Second title")
    host.ok("desc", "tiny", "--config", "--new-desc", "Some words <&> more")
    equal(host.ok("desc", "tiny").strip(), "Some words <&> more")
    contains(host.ok("list", "--all", "--title"), "Second title")
    contains(host.ok("dumpxml", "tiny"), "<title>Second title</title>",
             "<description>Some words &lt;&amp;&gt; more</description>")


def test_title_with_a_newline_is_refused(host):
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setMetadata, libvirt.VIR_DOMAIN_METADATA_TITLE, "two\nlines", None, None)


def test_description_live_and_config_differ(host):
    host.start_sector("tiny")
    host.ok("desc", "tiny", "--live", "--new-desc", "for now")
    equal(host.ok("desc", "tiny", "--live").strip(), "for now")
    contains(host.ok("desc", "tiny", "--config"), "No description")
    host.ok("desc", "tiny", "--live", "--config", "--new-desc", "for good")
    host.ok("destroy", "tiny")
    equal(host.ok("desc", "tiny").strip(), "for good")


def test_metadata_of_an_application(host):
    host.define_sector("tiny")
    raises(libvirt.VIR_ERR_NO_DOMAIN_METADATA, host.conn.lookupByName("tiny").metadata,
           libvirt.VIR_DOMAIN_METADATA_ELEMENT, URI)
    host.ok("metadata", "tiny", URI, "--key", "app", "--set", "<data owner='me'><x/></data>", "--config")
    contains(host.ok("metadata", "tiny", URI), "<data owner=", "<x/>")
    contains(host.ok("dumpxml", "tiny"), f"<app:data xmlns:app=\"{URI}\" owner=\"me\">")
    host.restart_daemon()
    contains(host.ok("metadata", "tiny", URI), "<data owner=")
    host.ok("metadata", "tiny", URI, "--remove", "--config")
    check("owner" not in host.ok("dumpxml", "tiny"), "the metadata is still there")


def test_list_filters(host):
    """rows: lifecycle-33"""
    host.start_sector("running")
    host.start_sector("paused").suspend()
    host.define_sector("off").setAutostart(True)
    host.ok("create", host.write_xml(host.guests.sector("passing")))
    equal(names(host), ["passing", "paused", "running"])
    equal(names(host, "--all"), ["off", "passing", "paused", "running"])
    equal(names(host, "--inactive"), ["off"])
    equal(names(host, "--state-running"), ["passing", "running"])
    equal(names(host, "--state-paused"), ["paused"])
    equal(names(host, "--all", "--state-shutoff"), ["off"])
    equal(names(host, "--all", "--transient"), ["passing"])
    equal(names(host, "--all", "--persistent"), ["off", "paused", "running"])
    equal(names(host, "--all", "--autostart"), ["off"])
    equal(names(host, "--all", "--no-autostart"), ["passing", "paused", "running"])
    equal(names(host, "--all", "--with-managed-save"), [])
    equal(names(host, "--all", "--without-managed-save"), ["off", "passing", "paused", "running"])
    equal(names(host, "--all", "--with-snapshot"), [])
    equal(names(host, "--all", "--without-snapshot"), ["off", "passing", "paused", "running"])
    uuids = host.ok("list", "--all", "--uuid").split()
    equal(len(uuids), 4)
    contains(host.ok("list", "--all", "--id"), "1", "2")


def test_many_machines_in_every_listing_call(host):
    """The old calls (numbers first, then names) and the new one agree."""
    for number in range(30):
        host.define_sector(f"m{number:02}")
    for number in range(3):
        host.ok("start", f"m{number:02}")
    conn = host.conn
    equal(conn.numOfDomains(), 3)
    equal(sorted(conn.listDomainsID()), [1, 2, 3])
    equal(conn.numOfDefinedDomains(), 27)
    equal(sorted(conn.listDefinedDomains()), [f"m{n:02}" for n in range(3, 30)])
    equal(len(conn.listAllDomains()), 30)


def test_names_with_unusual_characters(host):
    for name in ("with space", "ümlaut-名", "dots.and-dashes_x", "a" * 100):
        dom = host.define(host.guests.empty(name))
        equal(host.conn.lookupByName(name).UUIDString(), dom.UUIDString())
        dom.create()
        dom.destroy()
    host.restart_daemon()
    equal(len(host.conn.listAllDomains()), 4)


def test_names_that_could_leave_the_directory_are_refused(host):
    for name in ("../evil", "a/b", "..", "."):
        try:
            host.define(host.guests.empty(name))
        except libvirt.libvirtError:
            continue
        check(name in ("..", "."), f"the name {name!r} was accepted")
    check(not host.path("etc/libvirt/evil.xml").exists(), "a file outside its directory")
