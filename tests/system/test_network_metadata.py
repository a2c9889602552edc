"""Title, description and free elements of networks, with their event.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

DOCUMENT = ("<network><name>net</name><bridge name='virbr60' stp='off'/>"
            "<ip address='192.168.60.1' netmask='255.255.255.0'/></network>")


@mark(only="lodged", reason="the calls are of a later version than the reference")
def test_metadata(host):
    network = host.network(DOCUMENT)
    heard = host.path("heard")
    with open(heard, "w", encoding="utf-8") as file:
        told = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "net-event", "net", "--event",
                                 "metadata-change", "--loop"], stdout=file)
    wait_until(lambda: host.lodge_ok("net-desc", "net", "") and "type description, uri none" in heard.read_text(),
               "the event is heard")
    contains(host.lodge_ok("net", "desc", "net"), "No description for network: net")
    host.lodge_ok("net-desc", "net", "--live", "--config", "of", "the", "lab")
    host.lodge_ok("net-desc", "net", "--config", "--title", "Lab")
    contains(host.lodge_ok("net-desc", "net", "--live"), "of the lab")
    contains(host.lodge_ok("net-desc", "net", "--config", "--title"), "Lab")
    contains(host.lodge_ok("net-desc", "net", "--live", "--title"), "No title for network: net")
    host.lodge_ok("net-metadata", "net", "urn:a", "--key", "a", "--set", "<owner team='x'/>", "--live", "--config")
    contains(host.lodge_ok("net-metadata", "net", "urn:a"), "<owner team=")
    contains(host.lodge("net-metadata", "net", "urn:b").err, "metadata element is not present")
    contains(host.lodge("net-metadata", "net", "urn:b", "--set", "<x/>", "--key", "x:y").err, "prefix")
    contains(host.lodge("net-desc", "net", "--title", "a\nb").err, "newlines")
    wait_until(lambda: "type title" in heard.read_text() and "type element, uri urn:a" in heard.read_text(), "all are heard")
    told.terminate()
    told.wait()
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    contains(network.XMLDesc(), "<description>of the lab</description>", "<a:owner xmlns:a=", "team=")
    contains(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "<title>Lab</title>", "of the lab")
    host.lodge_ok("net-metadata", "net", "urn:a", "--remove", "--config")
    check("urn:a" not in network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "it is gone from the definition")
    contains(network.XMLDesc(), "urn:a")
    network.destroy()
    contains(host.lodge("net-desc", "net", "--live", "x").err, "network is not running")
    host.lodge_ok("net-desc", "net", "")
    check("<description>" not in network.XMLDesc(), "an empty text removes it")
