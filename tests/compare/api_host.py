"""API calls about devices and network interfaces of the host, and documents that are refused.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt

UUID = "4b20d080-1b54-4048-85b3-a6a62d165c01"
MDEV = ("<device><parent>%s</parent><capability type='mdev'><type id='i915-x'/><uuid>" + UUID + "</uuid></capability></device>")
FC = "<capability type='fc_host'><wwnn>20000000c9831b4b</wwnn><wwpn>10000000c9831b4b</wwpn></capability>"


def capability(kind, inside="", parent="<parent>computer</parent>"):
    return f"<device>{parent}<capability type='{kind}'>{inside}</capability></device>"


DEVICES = [
    "", "<device", "text", "<dev/>", "<device/>", "<device><name>x</name></device>", "<device><capability/></device>",
    "<device><parent>computer</parent></device>", "<device><parent/><capability type='mdev'/></device>",
    MDEV % "none", MDEV % "computer", (MDEV % "computer").replace(UUID, "nope"),
    (MDEV % "none").replace("<parent>none</parent>", ""), (MDEV % "none").replace("<type id='i915-x'/>", "<type/>"),
    (MDEV % "none").replace("<type id='i915-x'/>", ""),
    *[capability(kind) for kind in ("system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage", "fc_host",
                                    "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa", "ap_card", "ap_queue",
                                    "ap_matrix", "vpd", "what")],
    capability("pci", "<domain>0</domain>"), capability("pci", "<domain>x</domain>"), capability("pci", "<domain>0</domain><bus>0</bus>"),
    capability("pci", "<domain>0</domain><bus>0</bus><slot>1</slot><function>0</function>"),
    capability("pci", "<domain>0</domain><bus>0</bus><slot>1</slot><function>0</function><product id='0x10'/><vendor id='0x20'/>"),
    capability("net", "<interface>e</interface>"), capability("net", "<interface>e</interface><link state='what'/>"),
    capability("net", "<interface>e</interface><capability type='what'/>"), capability("storage", "<block>/dev/x</block>"),
    capability("storage", "<block>/dev/x</block><size>x</size>"), capability("drm", "<type>what</type>"), capability("drm", "<type>primary</type>"),
    capability("ccw", "<cssid>0x1ff</cssid><ssid>0</ssid><devno>1</devno>"), capability("ccw", "<cssid>x</cssid>"),
    capability("ccw", "<cssid>0</cssid><ssid>9</ssid><devno>1</devno>"), capability("ccw", "<cssid>0</cssid><ssid>0</ssid>"),
    capability("ap_card", "<ap-adapter>0x100</ap-adapter>"), capability("ap_queue", "<ap-adapter>1</ap-adapter>"),
    capability("scsi_host", "<capability type='what'/>"), capability("scsi_host", "<host>3</host><capability type='vport_ops'/>"),
    capability("scsi_host", FC), capability("scsi_host", FC, ""), capability("scsi_host", FC, "<parent wwnn='x'/>"),
    capability("scsi_host", FC, "<parent wwpn='x'/>"), capability("scsi_host", FC, "<parent fabric_wwn='x'/>"),
    capability("scsi_host", "<capability type='fc_host'/>"), capability("usb", "<number>0</number>"), capability("scsi", "<host>x</host>"),
    capability("net", "<interface>e</interface>", "<devnode>/dev/x</devnode>"),
    capability("net", "<interface>e</interface>", "<devnode type='x'>/dev/x</devnode>"),
]


def play(player):
    conn, call = player.host.conn, player.call
    for index, document in enumerate(DEVICES):
        call(f"nodeDeviceCreateXML {index}: {document[:60]}", lambda d=document: conn.nodeDeviceCreateXML(d))
        call(f"nodeDeviceDefineXML {index}: {document[:60]}", lambda d=document: conn.nodeDeviceDefineXML(d))
    call("nodeDeviceCreateXML unknown flag", lambda: conn.nodeDeviceCreateXML("<device/>", 2))
    call("nodeDeviceDefineXML unknown flag", lambda: conn.nodeDeviceDefineXML("<device/>", 2))
    call("listAllDevices", lambda: sorted(d.name() for d in conn.listAllDevices()))
    call("listAllDevices unknown flag", lambda: conn.listAllDevices(1 << 25))
    call("numOfDevices", lambda: (conn.numOfDevices(None), conn.numOfDevices("net"), conn.numOfDevices("what")))
    call("listDevices", lambda: sorted(conn.listDevices("pci")))
    call("listDevices what", lambda: conn.listDevices("what"))
    computer = conn.nodeDeviceLookupByName("computer")
    call("device facts", lambda: (computer.name(), computer.parent(), computer.numOfCaps(), computer.listCaps(), computer.isActive(),
                                  computer.isPersistent(), computer.autostart()))
    call("device XML unknown flag", lambda: computer.XMLDesc(8))
    call("device events", lambda: conn.nodeDeviceEventRegisterAny(None, 7, lambda *_: None, None))
    call("nodeDeviceLookupByName empty", lambda: conn.nodeDeviceLookupByName(""))
    call("nodeDeviceLookupSCSIHostByWWN", lambda: conn.nodeDeviceLookupSCSIHostByWWN("1" * 16, "2" * 16))
    call("listAllInterfaces", lambda: sorted(i.name() for i in conn.listAllInterfaces()))
    call("listAllInterfaces active", lambda: sorted(i.name() for i in conn.listAllInterfaces(2)))
    call("listAllInterfaces unknown flag", lambda: conn.listAllInterfaces(8))
    call("interfaces, as before", lambda: (conn.numOfInterfaces(), sorted(conn.listInterfaces()), conn.numOfDefinedInterfaces(),
                                           sorted(conn.listDefinedInterfaces())))
    call("interfaceLookupByName", lambda: conn.interfaceLookupByName("none"))
    call("interfaceLookupByName empty", lambda: conn.interfaceLookupByName(""))
    call("interfaceLookupByMACString", lambda: conn.interfaceLookupByMACString("what"))
    call("interfaceLookupByMACString", lambda: conn.interfaceLookupByMACString("52:54:00:aa:00:02").name())
    right = conn.interfaceLookupByName("right0")
    call("interface facts", lambda: (right.name(), right.MACString(), right.isActive()))
    call("interface XML", lambda: right.XMLDesc())
    call("interface XML unknown flag", lambda: right.XMLDesc(8))
