"""Asks a daemon what it makes of one document that is no machine: pools, volumes, networks and their ports, filters, secrets,
devices, interfaces of the host, snapshots, checkpoints. The root element says which.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import re

import libvirt

REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
CHECKPOINT_REDEFINE = libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE
UNDEFINE = (libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)
# The machine whose snapshots and checkpoints the documents describe.
MACHINE = """<domain type='qemu'><name>corpvm</name><uuid>7c0f5a1e-1234-4d2b-9e3f-0a1b2c3d4e5f</uuid>
<memory>65536</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/corp.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/corp2.qcow2'/><target dev='vdb' bus='virtio'/></disk>
</devices></domain>"""
SWITCH = "<network><name>corpnet</name><forward mode='bridge'/><bridge name='br0'/></network>"


@contextlib.contextmanager
def removed(thing, remove):
    try:
        yield thing
    finally:
        remove(thing)


@contextlib.contextmanager
def folder_pool(host):
    folder = host.root / "corpus"
    folder.mkdir(exist_ok=True)
    pool = host.conn.storagePoolCreateXML(
        f"<pool type='dir'><name>corpus</name><target><path>{folder}</path></target></pool>", 0)
    with removed(pool, lambda it: it.destroy()):
        yield pool


def pool(host, text):
    with removed(host.conn.storagePoolDefineXML(text, 0), lambda it: it.undefine()) as it:
        return it.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)


def volume(host, text):
    with folder_pool(host) as place, removed(place.createXML(text, 0), lambda it: it.delete(0)) as it:
        return re.sub(r"\s*<timestamps>.*?</timestamps>", "", it.XMLDesc(0), flags=re.S)


def network(host, text):
    with removed(host.conn.networkDefineXML(text), lambda it: it.undefine()) as it:
        return it.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)


def network_port(host, text):
    with removed(host.conn.networkCreateXML(SWITCH), lambda it: it.destroy()) as switch:
        with removed(switch.portCreateXML(text, 0), lambda it: it.delete(0)) as it:
            return it.XMLDesc(0)


def nwfilter(host, text):
    with removed(host.conn.nwfilterDefineXML(text), lambda it: it.undefine()) as it:
        return it.XMLDesc(0)


def secret(host, text):
    with removed(host.conn.secretDefineXML(text, 0), lambda it: it.undefine()) as it:
        return it.XMLDesc(0)


def device(host, text):
    with removed(host.conn.nodeDeviceDefineXML(text, 0), lambda it: it.undefine(0)) as it:
        return it.XMLDesc(0)


def interface(host, text):
    with removed(host.conn.interfaceDefineXML(text, 0), lambda it: it.undefine()) as it:
        return it.XMLDesc(libvirt.VIR_INTERFACE_XML_INACTIVE)


def snapshot(host, text):
    with removed(host.conn.defineXML(MACHINE), lambda it: it.undefineFlags(UNDEFINE)) as machine:
        return machine.snapshotCreateXML(text, REDEFINE).getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)


def checkpoint(host, text):
    with removed(host.conn.defineXML(MACHINE), lambda it: it.undefineFlags(UNDEFINE)) as machine:
        return machine.checkpointCreateXML(text, CHECKPOINT_REDEFINE).getXMLDesc(0)


KINDS = {"pool": pool, "volume": volume, "network": network, "networkport": network_port, "filter": nwfilter,
         "secret": secret, "device": device, "interface": interface, "domainsnapshot": snapshot,
         "domaincheckpoint": checkpoint}


def kind_of(text):
    """Name of the root element if the document is of one of these kinds."""
    root = re.match(r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*<([\w-]+)", text, re.S)
    return root.group(1) if root and root.group(1) in KINDS else None
