"""What a start looks up by name, and domxml-to-native as well: networks that displays listen on, secrets of disks.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt

from lodgetest.host import contains, raises

NETWORK = "<network><name>desk</name><bridge name='desk0'/><ip address='10.77.3.1' prefix='24'/></network>"
DISPLAY = "<graphics type='vnc' port='5977'><listen type='network' network='desk'/></graphics>"
DISK = """<disk type='network'><driver name='qemu' type='raw'/><source protocol='rbd' name='p/i'><host name='mon.test'/>
<auth username='u'><secret type='ceph' usage='nobody'/></auth></source><target dev='vdx' bus='virtio'/></disk>"""


def test_a_display_listens_on_the_address_of_a_network(host):
    machine = host.define(host.guests.sector("tiny", devices=DISPLAY))
    raises(libvirt.VIR_ERR_NO_NETWORK, machine.create)
    network = host.conn.networkCreateXML(NETWORK)
    machine.create()
    contains(machine.XMLDesc(), "<listen type='network' address='10.77.3.1' network='desk'/>")
    contains(host.ok("domdisplay", "tiny"), "vnc://10.77.3.1:77")
    machine.destroy()
    network.destroy()


def test_domxml_to_native_looks_up_what_a_start_needs(host):
    for devices, code in ((DISPLAY, libvirt.VIR_ERR_NO_NETWORK), (DISK, libvirt.VIR_ERR_NO_SECRET)):
        raises(code, host.conn.domainXMLToNative, "qemu-argv", host.guests.sector("tiny", devices=devices))
