"""Limits of interfaces that have no end on the host.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt
from lodgetest.host import *

NIC = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>{}</interface>"


def test_limits_of_a_user_network_are_refused_by_name(host):
    dom = host.start_sector(devices=NIC.format(""))
    for flags in (libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE):
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.setInterfaceParameters, "52:54:00:00:00:01", {"inbound.average": 100}, flags, text="'user'")
    check("<bandwidth" not in dom.XMLDesc() + dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), "a limit that nothing keeps")
    if not host.is_reference:
        limited = host.define_sector("limited", devices=NIC.format("<bandwidth><inbound average='100'/></bandwidth>"))
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, limited.create, text="an interface of type 'user' has no end on this host whose bandwidth could be limited")
