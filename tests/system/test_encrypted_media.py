"""Encrypted images in drives of machines that run.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import shutil

import libvirt

from lodgetest.host import *
from test_disks import luks

UUID = "33333333-3333-4333-8333-333333333333"
EMPTY = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"


def cdrom(path):
    return (f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{path}'>"
            f"<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption></source>"
            "<target dev='sda' bus='sata'/><readonly/></disk>")


def images(host):
    """Two of them; making one is what takes seconds."""
    first, second = (host.path(f"var/lib/libvirt/images/media.{number}") for number in (1, 2))
    luks(first, "open", "2M")
    shutil.copy(first, second)
    return first, second


def ask(host, command, **arguments):
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(host.ok("qemu-monitor-command", "tiny", text))["return"]


def left(host):
    """Objects and nodes of QEMU that media brought."""
    secrets = [entry["name"] for entry in ask(host, "qom-list", path="/objects") if "encryption" in entry["name"]]
    nodes = ask(host, "query-named-block-nodes", flat=True)
    return secrets, sum("media" in node["file"] for node in nodes)


def test_a_drive_takes_encrypted_media(host):
    """One after the other, the secret of each comes and goes with it; one that cannot be opened leaves what there was."""
    secret = host.conn.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{UUID}</uuid>"
                                       "<usage type='volume'><volume>media</volume></usage></secret>")
    dom = host.start_sector(devices=EMPTY.replace("<target", "<driver name='qemu' type='raw'/><target"))
    first, second = images(host)
    raises(libvirt.VIR_ERR_NO_SECRET, dom.updateDeviceFlags, cdrom(first), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    secret.setValue(b"wrong")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.updateDeviceFlags, cdrom(first), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    equal(left(host), ([], 0))
    secret.setValue(b"open")
    for path in (first, second, first):
        dom.updateDeviceFlags(cdrom(path), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        contains(dom.XMLDesc(), f"<source file='{path}'", UUID)
        secrets, nodes = left(host)
        equal((len(secrets), nodes), (1, 2))
    secret.setValue(b"wrong")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.updateDeviceFlags, cdrom(second), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    contains(dom.XMLDesc(), f"<source file='{first}'")
    host.restart_daemon()
    dom = host.conn.lookupByName("tiny")
    dom.updateDeviceFlags(EMPTY, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    equal(left(host), ([], 0))
    check(UUID not in dom.XMLDesc(), "the drive is empty")
