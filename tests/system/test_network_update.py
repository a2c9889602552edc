"""Changes of a network that make no sense.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt
from lodgetest.host import *

MODIFY, DELETE, LAST = libvirt.VIR_NETWORK_UPDATE_COMMAND_MODIFY, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
UNSUPPORTED, XML, DETAIL, INVALID = (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL,
                                     libvirt.VIR_ERR_OPERATION_INVALID)
HOST, RANGE, DNS_HOST, TXT = (libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
                              libvirt.VIR_NETWORK_SECTION_DNS_HOST, libvirt.VIR_NETWORK_SECTION_DNS_TXT)
NETWORK = """<network><name>n</name><bridge name='vbn0'/><dns><host ip='10.11.0.9'><hostname>h9</hostname></host><txt name='t' value='v'/></dns>
<ip address='10.11.0.1' prefix='24'><dhcp><range start='10.11.0.10' end='10.11.0.99'/><host mac='52:54:00:00:00:11' name='w' ip='10.11.0.11'/></dhcp></ip></network>"""


def test_updates_that_make_no_sense(host):
    """What is given has to make sense before it is looked for; an element that says nothing means nothing."""
    network = host.network(NETWORK, start=False)
    before = network.XMLDesc()
    for command, section, xml, code, text in (
            (DELETE, HOST, "<host/>", XML, "At least one of name, mac, or ip"),
            (DELETE, HOST, "<host mac='zz' ip='10.11.0.11'/>", XML, "Cannot parse MAC address 'zz'"),
            (MODIFY, HOST, "<host mac='zz' ip='10.11.0.11'/>", XML, "Cannot parse MAC address 'zz'"),
            (MODIFY, HOST, "<host name='w'/>", XML, "Missing IP address in static host definition"),
            (MODIFY, HOST, "<host ip='10.11.0.77'/>", XML, "must have mac or name"),
            (MODIFY, HOST, "<host mac='52:54:00:00:00:12' ip='10.11.0.12'/>", INVALID, "couldn't locate an existing dhcp host entry"),
            (DELETE, RANGE, "<range start='10.12.0.1' end='10.12.0.2'/>", libvirt.VIR_ERR_INTERNAL_ERROR, "is not entirely within network"),
            (DELETE, RANGE, "<range start='10.11.0.9' end='10.11.0.5'/>", libvirt.VIR_ERR_INTERNAL_ERROR, "is reversed"),
            (DELETE, RANGE, "<range start='10.11.0.9' end='10.11.0.15'/>", INVALID, "couldn't locate a matching dhcp range"),
            (MODIFY, RANGE, "<range/>", UNSUPPORTED, "dhcp ranges cannot be modified"),
            (DELETE, DNS_HOST, "<host ip='x'><hostname>q</hostname></host>", DETAIL, "Invalid IP address"),
            (LAST, DNS_HOST, "<host ip='10.11.0.6'><hostname/></host>", DETAIL, "Missing hostname"),
            (DELETE, TXT, "<txt name='a b' value='c'/>", DETAIL, "prohibited character"),
            (LAST, libvirt.VIR_NETWORK_SECTION_BRIDGE, "<bridge name='q'/>", UNSUPPORTED, "can't update 'bridge' section"),
            (LAST, 0, "<x/>", UNSUPPORTED, "unrecognized section"),
            (9, HOST, "<host mac='52:54:00:00:00:12' name='v' ip='10.11.0.12'/>", UNSUPPORTED, "unrecognized network update command code 9")):
        raises(code, network.update, command, section, -1, xml, CONFIG, text=text)
        equal(network.XMLDesc(), before, xml)
    network.update(DELETE, HOST, -1, "<host name='w'/>", CONFIG)
    check("<host mac" not in network.XMLDesc(), "a part tells which one goes")
