"""Limits that disks share, what QEMU counts of them, the last error of each; memory devices by lodge; displays and
character devices with TLS.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re
import socket
import ssl
import subprocess

import libvirt_qemu
from lodgetest.certificates import certificates
from lodgetest.host import *
from lodgetest.runner import mark

LIVE, CONFIG, INACTIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE
ONLY = mark(only="lodged", reason="came after version 9 of the reference")
GROUPS = ("<throttlegroups><throttlegroup><group_name>slow</group_name><total_iops_sec>100</total_iops_sec>"
          "</throttlegroup></throttlegroups>")


def qmp(dom, command, **arguments):
    return json.loads(libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": arguments}), 0)).get("return")


def disk(host, name, target, groups=(), driver=""):
    path = host.path(f"var/lib/libvirt/images/{name}")
    equal(run(["qemu-img", "create", "-q", "-f", "raw", str(path), "8M"]).code, 0)
    filters = "".join(f"<throttlefilter group='{group}'/>" for group in groups)
    return (f"<disk type='file'><driver name='qemu' type='raw'>{driver}</driver><source file='{path}'/>"
            f"<target dev='{target}' bus='virtio'/>{f'<throttlefilters>{filters}</throttlefilters>' if groups else ''}</disk>")


def limits(dom, group):
    return qmp(dom, "qom-get", path=f"/objects/throttle-{group}", property="limits")


@ONLY
def test_disks_share_limits(host):
    dom = host.start_sector(extra=GROUPS, devices=disk(host, "a.img", "vda", ["slow"]) + disk(host, "b.img", "vdb", ["slow"]))
    contains(dom.XMLDesc(INACTIVE), "<group_name>slow</group_name>", "<throttlefilter group='slow'/>")
    equal(limits(dom, "slow")["iops-total"], 100)
    filters = [node["node-name"] for node in qmp(dom, "query-named-block-nodes") if node["drv"] == "throttle"]
    equal(len(filters), 2)
    host.lodge_ok("domthrottlegroupset", "tiny", "slow", "--total-bytes-sec", "1000000", "--live", "--config")
    equal((limits(dom, "slow")["bps-total"], limits(dom, "slow")["iops-total"]), (1000000, 100))
    for flags in (0, INACTIVE):
        contains(dom.XMLDesc(flags), "<total_bytes_sec>1000000</total_bytes_sec>")
    host.lodge_ok("domthrottlegroupset", "tiny", "other", "--read-iops-sec", "7", "--live", "--config")
    contains(host.lodge_ok("domthrottlegrouplist", "tiny"), "slow", "other")
    contains(host.lodge_ok("domthrottlegroupinfo", "tiny", "slow"), "total_bytes_sec", "1000000")
    done = host.lodge("domthrottlegroupdel", "tiny", "slow", "--live")
    contains(done.err, "used by disk 'vda'")
    host.crash_daemon()
    dom = host.conn.lookupByName("tiny")
    equal((limits(dom, "slow")["bps-total"], limits(dom, "other")["iops-read"]), (1000000, 7))
    # a disk that comes joins a group; one that goes leaves it
    dom.attachDeviceFlags(disk(host, "c.img", "vdc", ["other", "slow"]), LIVE)
    equal(len([node for node in qmp(dom, "query-named-block-nodes") if node["drv"] == "throttle"]), 4)
    contains(host.lodge("domthrottlegroupdel", "tiny", "other", "--live").err, "used by disk 'vdc'")
    host.lodge_ok("domthrottlegroupdel", "tiny", "other", "--config")
    check("other" not in dom.XMLDesc(INACTIVE), "it is gone from the definition")


@ONLY
def test_bad_groups_are_refused(host):
    for extra, devices, text in (
            (GROUPS, disk(host, "a.img", "vda", ["none"]), "no throttle group 'none'"),
            (GROUPS, disk(host, "a.img", "vda", ["slow", "slow"]), "duplicate throttle filter"),
            (GROUPS.replace("</throttlegroups>", GROUPS[len("<throttlegroups>"):]), "", "duplicate throttle group"),
            (GROUPS.replace("slow", "a b"), "", "a name has letters"),
            ("", disk(host, "a.img", "vda", driver="<statistics><statistic interval='1'/></statistics>"), None)):
        xml = host.guests.sector("tiny", extra=extra, devices=devices)
        if text:
            try:
                host.conn.defineXML(xml)
                fail(f"accepted: {text}")
            except libvirt.libvirtError as error:
                contains(str(error), text)
        else:
            contains(str(raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.define(xml).create)), "QEMU 10.2")


@ONLY
def test_how_long_operations_take(host):
    """A histogram in the bulk statistics, from the start and for a disk that comes."""
    bins = "<bin start='0'/><bin start='1000'/><bin start='1000000'/>"
    driver = f"<statistics><latency-histogram type='read'>{bins}</latency-histogram></statistics>"
    dom = host.start_sector(devices=disk(host, "a.img", "vda", driver=driver))
    found = host.conn.domainListGetStats([dom], libvirt.VIR_DOMAIN_STATS_BLOCK)[0][1]
    number = next(key.split(".")[1] for key, value in found.items() if value == "vda")
    equal([found[f"block.{number}.latency_histogram.read.bin.{n}.start"] for n in range(3)], [0, 1000, 1000000])
    equal(found[f"block.{number}.latency_histogram.read.bin.count"], 3)
    check(f"block.{number}.latency_histogram.write.bin.count" not in found, "only what was asked for")
    dom.attachDeviceFlags(disk(host, "b.img", "vdb", driver=driver.replace(" type='read'", "")), LIVE)
    found = host.conn.domainListGetStats([dom], libvirt.VIR_DOMAIN_STATS_BLOCK)[0][1]
    number = next(key.split(".")[1] for key, value in found.items() if value == "vdb")
    for kind in ("read", "write", "flush"):
        equal(found[f"block.{number}.latency_histogram.{kind}.bin.count"], 3)


@ONLY
def test_the_last_error_of_a_disk(host):
    mount = host.path("small")
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", mount], check=True)
    image = mount / "grow.qcow2"
    equal(run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "64M"]).code, 0)
    image.chmod(0o666)
    host.start_demo("demo", devices=f"<disk type='file'><driver name='qemu' type='qcow2' error_policy='report'/>"
                                    f"<source file='{image}'/><target dev='vdb' bus='virtio'/></disk>")
    console = host.booted("demo")
    console.send("dd if=/dev/zero of=/dev/vdb bs=64k count=64 conv=fsync\n")
    wait_until(lambda: "I/O error" in host.lodge_ok("dommessages", "demo", "--io-errors"), "the error is told", timeout=60)
    host.crash_daemon()
    contains(host.lodge_ok("dommessages", "demo"), "disk='vdb'", str(image), "No space left on device")
    contains(host.lodge_ok("dominfo", "demo"), "No space left on device")
    check("I/O error" not in host.lodge_ok("dommessages", "demo", "--tainting"), "only what is asked for")


@ONLY
def test_memory_devices_by_lodge(host):
    device = ("<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node><block unit='MiB'>2</block>"
              "<requested unit='MiB'>0</requested></target></memory>")
    extra = "<maxMemory slots='4' unit='MiB'>1024</maxMemory><cpu><numa><cell id='0' cpus='0' memory='65536'/></numa></cpu>"
    dom = host.start_sector(memory_kib=65536 + 262144, extra=extra, devices=device)
    contains(host.lodge_ok("update-memory-device", "tiny", "--print-xml", "--requested-size", "64MiB"), '<requested unit="KiB">65536<')
    host.lodge_ok("update-memory-device", "tiny", "--node", "0", "--requested-size", "64MiB", "--live", "--config")
    for flags in (0, INACTIVE):
        contains(dom.XMLDesc(flags), "<requested unit='KiB'>65536</requested>")
    equal(qmp(dom, "query-memory-devices")[0]["data"]["requested-size"], 64 << 20)
    contains(host.lodge("update-memory-device", "tiny", "--alias", "none", "--requested-size", "1").err, "no memory device")


# ---- TLS ----

def context(folder, with_client=True):
    tls = ssl.create_default_context(cafile=str(folder / "ca-cert.pem"))
    if with_client:
        tls.load_cert_chain(folder / "client-cert.pem", folder / "client-key.pem")
    return tls


def vnc_serial(port, folder):
    """The serial number of the certificate that a VNC server with VeNCrypt shows."""
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        equal(plain.recv(12)[:4], b"RFB ")
        plain.sendall(b"RFB 003.008\n")
        count = plain.recv(1)[0]
        check(19 in plain.recv(count), "VeNCrypt is offered")
        plain.sendall(bytes([19]))
        equal(plain.recv(2), bytes([0, 2]))
        plain.sendall(bytes([0, 2]))
        equal(plain.recv(1), b"\0")
        kinds = plain.recv(1)[0]
        offered = [int.from_bytes(plain.recv(4), "big") for _ in range(kinds)]
        plain.sendall(max(offered).to_bytes(4, "big"))
        equal(plain.recv(1), b"\1")
        with context(folder).wrap_socket(plain, server_hostname="lodge.test") as secure:
            return secure.getpeercert()["serialNumber"]


@mark(only="lodged", reason="came after version 9 of the reference", requires=["program:certtool"])
def test_vnc_with_tls_reads_its_certificates_again(host):
    folder = host.path("etc/pki/libvirt-vnc")
    certificates(folder, "lodge.test", "client.test")
    host.write("etc/libvirt/qemu.conf", f'vnc_tls = 1\nvnc_tls_x509_cert_dir = "{folder}"\nvnc_tls_x509_verify = 1\n')
    host.restart_daemon()
    dom = host.start_sector(devices="<graphics type='vnc' autoport='yes'/>")
    port = int(re.search("<graphics type='vnc' port='([0-9]+)'", dom.XMLDesc())[1])
    before = vnc_serial(port, folder)
    certificates(folder, "lodge.test", "client.test")
    host.lodge_ok("domdisplay-reload", "tiny", "--type", "vnc")
    check(vnc_serial(port, folder) != before, "the new certificate is shown")
    host.ok("destroy", "tiny")
    host.start_sector("none")
    contains(host.lodge("domdisplay-reload", "none").err, "no VNC display")


@mark(requires=["program:certtool"])
def test_spice_and_character_devices_with_tls(host):
    folder = host.path("etc/pki/certs")
    certificates(folder, "lodge.test", "client.test")
    host.write("etc/libvirt/qemu.conf",
               f'spice_tls = 1\nspice_tls_x509_cert_dir = "{folder}"\nchardev_tls = 1\nchardev_tls_x509_cert_dir = "{folder}"\n')
    host.restart_daemon()
    dom = host.start_sector(devices="<graphics type='spice' autoport='yes' defaultMode='secure'/><video><model type='vga'/></video>"
                          "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4567' tls='yes'/>"
                          "<protocol type='raw'/><target port='1'/></serial>")
    port = int(re.search("tlsPort='([0-9]+)'", dom.XMLDesc())[1])
    with socket.create_connection(("127.0.0.1", port), 20) as plain, \
            context(folder).wrap_socket(plain, server_hostname="lodge.test") as secure:
        secure.sendall(b"REDQ" + (2).to_bytes(4, "little") + (2).to_bytes(4, "little") + (18).to_bytes(4, "little") +
                       bytes([0, 0, 0, 0, 1, 0]) + bytes(8) + (18).to_bytes(4, "little"))
        equal(secure.recv(4), b"REDQ")
    # who shows no certificate is turned away
    with socket.create_connection(("127.0.0.1", 4567), 20) as plain:
        try:
            with context(folder, with_client=False).wrap_socket(plain, server_hostname="lodge.test") as secure:
                equal(secure.recv(10), b"", "an answer without a certificate")
        except (ssl.SSLError, ConnectionError):
            pass
    with socket.create_connection(("127.0.0.1", 4567), 20) as plain, \
            context(folder).wrap_socket(plain, server_hostname="lodge.test") as secure:
        secure.sendall(b"x")
        equal(dict(part[0] for part in secure.getpeercert()["subject"])["commonName"], "lodge.test")
