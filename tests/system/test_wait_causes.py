"""Waiting for an address that never comes: the cause is told.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark

NETWORK = ("<network><name>net</name><forward mode='nat'/><bridge name='virbr60' stp='off'/>"
           "<ip address='192.168.60.1' netmask='255.255.255.0'><dhcp><range start='192.168.60.10' end='192.168.60.99'/></dhcp></ip></network>")
NIC = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net'/><model type='virtio'/></interface>"


@mark(only="lodged", reason="a command of our own")
def test_why_there_is_no_address(host):
    network = host.network(NETWORK)
    dom = host.define_sector("m", devices=NIC)

    def cause(*texts):
        told = host.lodge("wait", "m", "--for", "ip", "--timeout", "0")
        equal(told.code, 1)
        contains(told.err, "has not come to 'address' within 0 s", *texts)

    cause("does not run", "lodge start m")
    dom.create()
    cause("the guest has sent nothing so far")
    host.ok("domif-setlink", "m", "52:54:00:00:00:01", "down")
    cause("link")
    host.ok("domif-setlink", "m", "52:54:00:00:00:01", "up")
    run(["nft", "add", "table", "ip", "mine"])
    run(["nft", "add chain ip mine guard { type filter hook input priority 0 ; policy drop ; }"])
    cause("ip mine guard drops")
    run(["nft", "delete", "table", "ip", "mine"])
    run(["ip", "link", "set", "vnet0", "nomaster"])
    cause("no port of the bridge virbr60")
    run(["ip", "link", "set", "vnet0", "master", "virbr60"])
    network.destroy()
    cause("network 'net' is not active", "lodge net-start net")
