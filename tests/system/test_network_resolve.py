"""The host resolves names of guests.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark

MAC = "52:54:00:00:00:01"
NETWORK = ("<network><name>net</name><forward mode='nat'/><bridge name='virbr60' stp='off'/>"
           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/>"
           "<host mac='52:54:00:00:00:09' name='fixed' ip='192.168.60.9'/></dhcp></ip></network>")


@mark(only="lodged", reason="a command of our own")
def test_names_on_the_host(host):
    """A machine's name is known on the host as soon as it has a lease, and no longer when the network stops."""
    hosts = host.write("etc/hosts", "127.0.0.1 localhost\n10.1.1.1 other # kept")
    network = host.network(NETWORK)
    network.portCreateXML("<networkport><uuid>0f181601-f56f-42a5-8b42-8dfb6d552aee</uuid><owner><name>web</name></owner>"
                          f"<mac address='{MAC}'/></networkport>")
    contains(host.lodge_ok("net", "resolve", "net"), "etc/hosts")
    contains(network.XMLDesc(), "<domain name='net' register='yes'/>")
    guest = host.station("virbr60", MAC)
    stranger = host.station("virbr60", "52:54:00:00:00:02")
    address = guest.lease("-x", "hostname:liar")["ip"]
    evil = stranger.lease("-x", "hostname:localhost")["ip"]
    lying = stranger.lease("-x", "hostname:bank.example")["ip"]
    wait_until(lambda: f"{address} web.net web\n" in hosts.read_text(), "the machine's name is there")
    text = hosts.read_text()
    contains(text, "127.0.0.1 localhost\n10.1.1.1 other # kept\n", f"{address} liar.net\n", "192.168.60.9 fixed.net\n")
    check("localhost.net" not in text and f"{evil} localhost" not in text and f"{lying} bank.example" not in text,
          "a guest does not take names of others")
    # What a program on this host sees, with our file in place of the system's.
    found = run(["unshare", "-m", "sh", "-c", f"mount --bind {hosts} /etc/hosts && getent hosts web"]).out
    contains(found, address)
    host.crash_daemon()
    network = host.conn.networkLookupByName("net")
    contains(hosts.read_text(), f"{address} web.net web")
    network.destroy()
    equal(hosts.read_text(), "127.0.0.1 localhost\n10.1.1.1 other # kept\n")
    network.create()
    contains(hosts.read_text(), "fixed.net")
    contains(host.lodge_ok("net-resolve", "net", "--off"), "no longer")
    check("fixed.net" not in hosts.read_text(), "it is gone")
    contains(host.conn.networkLookupByName("net").XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "register='no'")
