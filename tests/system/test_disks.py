"""What machines need from their disks at start: chains, servers, encryption, overlays, limits, space.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import http.server
import json
import pathlib
import re
import subprocess
import threading

import libvirt_qemu
from lodgetest.certificates import certificates
from lodgetest.host import *
from lodgetest.runner import mark

MIB = 1 << 20


def qemu_img(*words, cwd=None):
    for _ in range(5):
        done = subprocess.run(["qemu-img", *map(str, words)], capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
        if "Unable to get accurate CPU usage" not in done.stderr:  # qemu-img's own trouble on a busy machine
            break
    equal(done.returncode, 0, done.stderr)


def image_path(host, name):
    return host.path(f"var/lib/libvirt/images/{name}")


def disk(source, target="vda", kind="qcow2", type="file", more="", driver="", device="disk"):
    return (f"<disk type='{type}' device='{device}'><driver name='qemu' type='{kind}'{driver}/>{source}"
            f"<target dev='{target}'/>{more}</disk>")


def file_disk(path, target="vda", kind="qcow2", inside="", **parts):
    return disk(f"<source file='{path}'>{inside}</source>", target, kind, **parts)


def start(host, devices, name="m"):
    """Defines and starts a machine without an operating system that has these disks."""
    dom = host.define(host.guests.empty(name, devices=devices))
    dom.create()
    return dom


def add_secret(host, usage, identity, value, uuid):
    element = {"volume": "volume", "iscsi": "target", "ceph": "name"}[usage]
    secret = host.conn.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid><usage type='{usage}'>"
                                       f"<{element}>{identity}</{element}></usage></secret>")
    secret.setValue(value.encode())
    return uuid


def qmp(host, name, command, **arguments):
    return json.loads(host.ok("qemu-monitor-command", name, json.dumps({"execute": command, "arguments": arguments})))["return"]


# ---- chains ----

def test_a_chain_is_checked_before_the_start(host):
    """rows: images-51 images-53"""
    base, middle, top = (image_path(host, name) for name in ("base.qcow2", "middle.qcow2", "top.qcow2"))
    qemu_img("create", "-q", "-f", "qcow2", base, "8M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", middle)
    qemu_img("create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", top)
    dom = start(host, file_disk(top))
    contains(host.ok("dumpxml", "m"), f"<source file='{middle}'", f"<source file='{base}'")
    dom.destroy()
    base.unlink()
    error = raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create)
    check(re.search(rf"Cannot access backing file '{base}' of storage file '{top}' \(as uid:\d+, gid:\d+\): "
                    "No such file or directory", str(error)), str(error))
    equal(host.state("m"), "shut off")
    qemu_img("create", "-q", "-f", "qcow2", base, "8M")
    qemu_img("rebase", "-u", "-b", top, "-F", "qcow2", base)
    error = str(raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create))
    contains(error, str(base))
    top.unlink()
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create, text=f"Cannot access storage file '{top}': No such file or directory")


def drop_backing_format(path):
    data = path.read_bytes()
    at = data.find(b"\xe2\x79\x2a\xca")
    path.write_bytes(data[:at] + b"\x12\x34\x56\x78" + data[at + 4:])


def test_a_missing_backing_format_is_guessed_where_nothing_follows_from_it(host):
    raw, qcow2, overlay = (image_path(host, name) for name in ("raw.img", "base.qcow2", "mid.qcow2"))
    qemu_img("create", "-q", "-f", "raw", raw, "8M")
    qemu_img("create", "-q", "-f", "qcow2", qcow2, "8M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", qcow2, "-F", "qcow2", overlay)
    for base, kind, wanted in ((raw, "raw", "raw"), (qcow2, "qcow2", "qcow2"), (overlay, "qcow2", None)):
        top = image_path(host, f"on-{base.name}")
        qemu_img("create", "-q", "-f", "qcow2", "-b", base.name, "-F", kind, top)
        drop_backing_format(top)
        dom = host.define(host.guests.empty("m", devices=file_disk(top)))
        if wanted is None:
            raises(libvirt.VIR_ERR_OPERATION_INVALID, dom.create, text="was not specified in the image metadata")
            continue
        dom.create()
        contains(host.ok("dumpxml", "m"), f"<format type='{wanted}'/>", f"<source file='{base}'")
        dom.destroy()
        dom.undefine()


def test_raw_stays_raw_whatever_is_in_it(host):
    """A guest can write the header of any format into its raw disk."""
    image = image_path(host, "looks.img")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", image, "8M")
    before = image.read_bytes()
    dom = start(host, file_disk(image, kind="raw"))
    check("shadow" not in host.ok("dumpxml", "m"), "the header of a raw image was followed")
    dom.destroy()
    equal(image.read_bytes(), before)


@mark(only="lodged", reason="libvirtd 9.0.0 does not know of data files")
def test_the_data_file_of_an_image_is_lent_too(host):
    image, data = image_path(host, "ext.qcow2"), image_path(host, "ext.raw")
    # A relative name starts beside the image, wherever QEMU runs.
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data.name},data_file_raw=on", image, "8M", cwd=image.parent)
    dom = start(host, file_disk(image))
    uid = os.stat(f"/proc/{host.qemu_pid('m')}").st_uid
    equal((image.stat().st_uid, data.stat().st_uid), (uid, uid), "owners of image and data")
    contains(host.ok("dumpxml", "m"), "<dataStore type='file'>", f"<source file='{data}'")
    dom.destroy()
    equal(data.stat().st_uid, 0)
    os.chown(image, 12345, 12345)
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.create, text="keeps its data in another file")


@mark(requires=["fuse"], timeout=240, only="lodged", reason="libvirtd hangs")
def test_a_base_on_dead_storage_names_path_and_mount(host):
    from hanging import HangingStorage, p99
    storage = HangingStorage(host)
    try:
        host.start_sector("witness")
        base, top = storage.backing / "base.qcow2", image_path(host, "top.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", base, "8M")
        base.chmod(0o666)
        qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", storage.mount / "base.qcow2", "-F", "qcow2", top, "8M")
        host.define(host.guests.empty("m", devices=file_disk(top)))
        storage.hang()
        client = host.terminal("start", "m")
        conn = host.open()
        worst = p99(lambda: conn.listAllDomains())
        check(worst < 0.05 * SLOWNESS, f"list took {worst * 1000:.0f} ms (p99) while a base hangs")
        host.start_sector("beside")  # its image is where the top is
        check(client.wait(timeout=150) != 0, "the start on a dead base succeeded")
        contains(client.seen, str(storage.mount / "base.qcow2"), f"below '{storage.mount}'")
        storage.answer()
        host.ok("start", "m", timeout=60)
        host.ok("destroy", "m")
    finally:
        storage.close()


@mark(requires=["fuse"])
def test_where_root_has_no_rights_qemus_user_may_have_them(host):
    """NFS with root_squash. rows: storage-pool-63"""
    from hanging import HangingStorage
    storage = HangingStorage(host, "squash")
    try:
        dom = start(host, "")
        uid = os.stat(f"/proc/{host.qemu_pid('m')}").st_uid
        dom.destroy()
        dom.undefine()
        base, top = storage.backing / "base.qcow2", storage.backing / "top.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", base, "8M")
        qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", storage.mount / "base.qcow2", "-F", "qcow2", top, "8M")
        for image in (base, top):
            os.chown(image, uid, uid)
            image.chmod(0o600)
        dom = start(host, file_disk(storage.mount / "top.qcow2"))
        equal(host.state("m"), "running")
        dom.destroy()
        equal(top.stat().st_uid, uid)
        os.chown(base, 12345, 12345)
        error = str(raises(libvirt.VIR_ERR_SYSTEM_ERROR, dom.create))
        contains(error, "Cannot access backing file", "base.qcow2", f"(as uid:{uid}, gid:", "Permission denied")
        if not host.is_reference:
            contains(error, "root_squash")
    finally:
        storage.close()


def test_an_optional_disk_that_is_missing_is_left_out(host):
    gone = image_path(host, "gone.iso")
    events = []
    Loop()
    host.open().domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE, lambda c, d, old, new, alias, reason, o:
                                       events.append((old, new, alias, reason)), None)
    optional = lambda devices: devices.replace("<source ", "<source startupPolicy='optional' ")  # noqa: E731
    dom = start(host, optional(file_disk(gone, "sda", "raw", device="cdrom") + file_disk(gone, "vda", "raw")))
    wait_until(lambda: len(events) == 2, "two events")
    equal(sorted((old, new, reason) for old, new, alias, reason in events),
          [(str(gone), None, libvirt.VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START),
           (str(gone), None, libvirt.VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START)])
    equal([line.split() for line in host.ok("domblklist", "m").splitlines()[2:] if line], [["sda", "-"]])
    check("gone.iso" not in host.ok("dumpxml", "m"), "a medium that is not there")
    contains(host.ok("dumpxml", "m", "--inactive"), "gone.iso")
    dom.destroy()


# ---- servers and encryption ----

class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Files by parts, as QEMU asks for them; what came in the headers is kept for the test."""

    seen = []

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        self.seen.append((self.path, self.headers.get("Cookie"), self.headers.get("Authorization")))
        data = self.server.files.get(self.path.partition("?")[0])
        if data is None:
            self.send_error(404)
            return
        first, last = 0, len(data) - 1
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            first, last = int(match[1]), min(int(match[2] or last), last)
        self.send_response(206 if match else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if with_body:
            self.wfile.write(data[first:last + 1])


def serve_http(files):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler)
    server.files = files
    server.daemon_threads = True
    RangeHandler.seen.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def marked(host, name, size=4 * MIB):
    """An image with a text in front by which a guest knows it."""
    path = image_path(host, f"{name}.img")
    path.write_bytes(f"mark-{name}\n".encode().ljust(512, b"\0") + bytes(size - 512))
    path.chmod(0o666)
    return path


class Nbd:
    """A qemu-nbd until its end."""

    def __init__(self, *words):
        self.process = subprocess.Popen(["qemu-nbd", "-t", "-e", "10", "-f", "raw", *map(str, words)],
                                        stdin=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def wait_for_port(port):
    import socket

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(answers, f"port {port} answers", timeout=20)


NBD = "<source protocol='nbd' {0}><host name='127.0.0.1' port='{1}'/></source>"


def luks(path, passphrase, size="4M", kind="luks"):
    options = "key-secret=s,iter-time=10" if kind == "luks" else "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"
    qemu_img("create", "-q", "-f", kind, "--object", f"secret,id=s,data={passphrase}", "-o", options, path, size)


def fill_luks(path, passphrase, text, kind="luks"):
    option = "key-secret" if kind == "luks" else "encrypt.key-secret"
    done = subprocess.run(["qemu-io", "--object", f"secret,id=s,data={passphrase}", "--image-opts",
                           f"driver={kind},file.filename={path},{option}=s" + (",encrypt.format=luks" if kind != "luks" else ""),
                           "-c", f"write -q -s {text} 0 512"], capture_output=True, text=True, timeout=60, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)


def encryption(uuid):
    return f"<encryption format='luks'><secret type='passphrase' uuid='{uuid}'/></encryption>"


@mark(requires=["program:certtool", "program:qemu-nbd"], timeout=240)
def test_a_guest_reads_disks_on_servers_and_encrypted_ones(host):
    """rows: images-27 images-67"""
    pki = host.path("pki")
    certificates(pki, "nbd.test", "host.test")
    conf = host.path("etc/libvirt/qemu.conf")
    conf.write_text((conf.read_text() if conf.exists() else "") + f'nbd_tls_x509_cert_dir = "{pki}"\n')
    host.restart_daemon()
    socket = image_path(host, "nbd.sock")
    servers = [Nbd("-p", 10809, marked(host, "tcp")), Nbd("-k", socket, marked(host, "unix")),
               Nbd("-p", 10811, "-x", "secure", "--object", f"tls-creds-x509,id=t,dir={pki},endpoint=server,verify-peer=on",
                   "--tls-creds", "t", marked(host, "tls"))]
    web = serve_http({"/a/web.img": marked(host, "web").read_bytes()})
    raw, inside = image_path(host, "secret.luks"), image_path(host, "secret.qcow2")
    for path, kind in ((raw, "luks"), (inside, "qcow2")):
        text = image_path(host, "text")
        text.write_bytes(f"mark-{kind}\n".encode().ljust(512, b"\0"))
        luks(path, "open-sesame", kind=kind)
        fill_luks(path, "open-sesame", text, kind)
    key = add_secret(host, "volume", str(inside), "open-sesame", "33333333-3333-4333-8333-333333333333")
    try:
        wait_for_port(10809)
        wait_for_port(10811)
        wait_until(socket.exists, "the NBD server's socket")
        socket.chmod(0o666)
        devices = "".join((
            disk(NBD.format("", 10809), "vdb", "raw", "network"),
            disk(f"<source protocol='nbd'><host transport='unix' socket='{socket}'/></source>", "vdc", "raw", "network"),
            disk(NBD.format("name='secure' tls='yes' tlsHostname='nbd.test'", 10811), "vdd", "raw", "network"),
            disk(f"<source protocol='http' name='/a/web.img' query='x=1'><host name='127.0.0.1' port='{web.server_port}'/>"
                 "<cookies><cookie name='one'>crumble</cookie></cookies><readahead size='65536'/><timeout seconds='20'/>"
                 "</source>", "vde", "raw", "network", "<readonly/>"),
            file_disk(raw, "vdf", "raw", encryption(key)),
            file_disk(inside, "vdg", more=f"<encryption format='luks'><secret type='passphrase' usage='{inside}'/></encryption>")))
        host.start_demo("demo", devices=devices)
        console = host.booted("demo")
        for name, mark_text in (("vdb", "tcp"), ("vdc", "unix"), ("vdd", "tls"), ("vde", "web"), ("vdf", "luks"), ("vdg", "qcow2")):
            contains(console.command(f"head -c 40 /dev/{name} | tr -d '\\000'"), f"mark-{mark_text}")
        contains(console.command("echo written-by-guest | dd of=/dev/vdb conv=fsync 2>/dev/null; echo rc $?"), "rc 0")
        contains(image_path(host, "tcp.img").read_bytes()[:40], "written-by-guest")
        contains(RangeHandler.seen, "('/a/web.img?x=1', 'one=crumble'")
        words = " ".join(qemus()[host.qemu_pid("demo")])
        log = host.path("var/log/libvirt/qemu/demo.log").read_text()
        for secret in ("open-sesame", "crumble", base64.b64encode(b"open-sesame").decode()):
            check(secret not in words and secret not in log, f"'{secret}' in clear in arguments or log")
        host.ok("destroy", "demo")
        # A certificate for another name is not the right one.
        wrong = disk(NBD.format("name='secure' tls='yes' tlsHostname='other.test'", 10811), "vda", "raw", "network")
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, lambda: start(host, wrong), text="Certificate does not match the hostname")
    finally:
        web.shutdown()
        for server in servers:
            server.close()


def test_a_wrong_passphrase_is_said_and_destroys_nothing(host):
    image = image_path(host, "locked.luks")
    luks(image, "right")
    before = image.read_bytes()
    key = add_secret(host, "volume", "locked", "wrong", "33333333-3333-4333-8333-333333333333")
    dom = host.define(host.guests.empty("m", devices=file_disk(image, kind="raw", inside=encryption(key))))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="Invalid password, cannot unlock any keyslot")
    equal(image.read_bytes(), before)
    host.conn.secretLookupByUUIDString(key).setValue(b"right")
    dom.create()
    dom.destroy()
    dom.undefine()
    # Without <encryption> it is what the document says: raw.
    dom = start(host, file_disk(image, kind="raw"))
    equal(host.ok("domblkinfo", "m", "vda").split()[1], str(len(before)), "capacity")
    dom.destroy()
    equal(image.read_bytes(), before)
    dom.undefine()
    host.conn.secretLookupByUUIDString(key).undefine()
    dom = host.define(host.guests.empty("m", devices=file_disk(image, kind="raw", inside=encryption(key))))
    raises(libvirt.VIR_ERR_NO_SECRET, dom.create, text="no secret with matching uuid")
    plain = image_path(host, "plain.img")
    qemu_img("create", "-q", "-f", "raw", plain, "8M")
    add_secret(host, "volume", "locked", "right", key)
    dom = host.define(host.guests.empty("m", devices=file_disk(plain, kind="raw", inside=encryption(key)), uuid=dom.UUIDString()))
    error = raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create)
    contains(str(error).lower(), "luks")
    equal(plain.read_bytes(), bytes(8 * MIB))


class IscsiTarget:
    """A tgtd with one LUN, for one initiator that logs in by CHAP."""

    def __init__(self, host, image, initiator, user, password):
        self.environment = {**os.environ, "TGT_IPC_SOCKET": str(host.path("tgt.sock"))}
        self.log = open(host.path("tgtd.log"), "wb")
        self.process = subprocess.Popen(["tgtd", "-f", "--iscsi", "portal=127.0.0.1:3260"], env=self.environment, stdout=self.log,
                                        stderr=self.log)
        wait_until(lambda: self.admin("show", "sys", check_it=False), "the target answers")
        self.admin("new", "target", "--tid", "1", "-T", "iqn.2013-07.test:t")
        self.admin("new", "logicalunit", "--tid", "1", "--lun", "1", "-b", str(image))
        self.admin("bind", "target", "--tid", "1", "-Q", initiator)
        self.admin("new", "account", "--user", user, "--password", password)
        self.admin("bind", "account", "--tid", "1", "--user", user)

    def admin(self, verb, kind, *words, check_it=True):
        done = subprocess.run(["tgtadm", "--lld", "iscsi", "--op", verb, "--mode", kind, *words], env=self.environment,
                              capture_output=True, text=True, timeout=20, check=False)
        check(done.returncode == 0 or not check_it, done.stderr)
        return done.returncode == 0

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.log.close()


def objects(dom):
    return libvirt_qemu.qemuMonitorCommand(dom, '{"execute": "qom-list", "arguments": {"path": "/objects"}}', 0)


@mark(requires=["program:tgtd"])
def test_a_lun_by_chap_and_the_name_of_the_initiator(host):
    add_secret(host, "iscsi", "chap", "chap-password", "11111111-1111-4111-8111-111111111111")
    target = IscsiTarget(host, marked(host, "lun"), "iqn.2013-07.test:me", "u", "chap-password")
    source = ("<source protocol='iscsi' name='iqn.2013-07.test:t/1'><host name='127.0.0.1'/>{0}<initiator>"
              "<iqn name='iqn.2013-07.test:{1}'/></initiator></source>")
    auth = "<auth username='u'><secret type='iscsi' usage='chap'/></auth>"
    try:
        dom = start(host, disk(source.format(auth, "me"), "vda", "raw", "network"))
        equal(dom.blockInfo("vda")[0], 4 * MIB)
        words = " ".join(qemus()[host.qemu_pid("m")])
        contains(words, "iqn.2013-07.test:me")
        check("chap-password" not in words, "the password in clear")
        dom.destroy()
        dom.undefine()
        # SCSI commands of a guest reach the target; which of them do is what rawio is about.
        for name, attribute, right in (("plain", "", False), ("rawio", " rawio='yes'", True)):
            lun = disk(source.format(auth, "me"), "sda", "raw", "network", device="lun").replace("device='lun'", "device='lun'" + attribute)
            dom = start(host, lun + "<controller type='scsi' model='virtio-scsi'/>", name)
            status = pathlib.Path(f"/proc/{host.qemu_pid(name)}/status").read_text()
            equal(int(re.search(r"CapEff:\s*(\w+)", status)[1], 16), (1 << 17) if right else 0, f"rights of {name}")
            check(not re.search(r"Uid:\s+0", status), "QEMU is root")
            dom.destroy()
            dom.undefine()
        # The same LUN handed through as a SCSI device, from the start and while the machine runs.
        lun = f"<hostdev mode='subsystem' type='scsi'>{source.format(auth, 'me')}</hostdev>"
        dom = start(host, lun + "<controller type='scsi' model='virtio-scsi'/>", "through")
        words = " ".join(qemus()[host.qemu_pid("through")])
        contains(words, "libvirt-hostdev0-backend-secret0")
        check("chap-password" not in words, "the password in clear")
        for _ in range(2):  # nothing is left of what went
            dom.detachDevice(lun)
            wait_until(lambda: "<hostdev" not in dom.XMLDesc(), "the device is gone")
            equal(objects(dom).count("backend-secret"), 0)
            dom.attachDevice(lun)
            equal(objects(dom).count("backend-secret"), 1)
        dom.destroy()
        dom.undefine()
        for name, given, initiator in (("stranger", auth, "other"), ("unknown", "", "me")):
            dom = host.define(host.guests.empty(name, devices=disk(source.format(given, initiator), "vda", "raw", "network")))
            raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="iSCSI")
        host.conn.secretLookupByUUIDString("11111111-1111-4111-8111-111111111111").setValue(b"other-password")
        dom = host.define(host.guests.empty("wrong", devices=disk(source.format(auth, "me"), "vda", "raw", "network")))
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text="iSCSI")
    finally:
        target.close()


def test_servers_that_are_not_there_are_said_so_by_qemu(host):
    """Every protocol comes as far as its library goes."""
    add_secret(host, "iscsi", "chap", "chap-password", "11111111-1111-4111-8111-111111111111")
    add_secret(host, "ceph", "ceph", "ceph-key", "22222222-2222-4222-8222-222222222222")
    cases = {
        "nbd": NBD.format("name='x'", 9),
        "iscsi": "<source protocol='iscsi' name='iqn.2013-07.test:t/1'><host name='127.0.0.1' port='9'/><auth username='u'>"
                 "<secret type='iscsi' usage='chap'/></auth><initiator><iqn name='iqn.2013-07.test:i'/></initiator></source>",
        "https": "<source protocol='https' name='x'><host name='127.0.0.1' port='9'/><ssl verify='no'/></source>",
        "ftp": "<source protocol='ftp' name='x'><host name='127.0.0.1' port='9'/></source>",
        "ssh": "<source protocol='ssh' name='/x'><host name='127.0.0.1' port='9'/></source>",
        "nfs": "<source protocol='nfs' name='/a/x'><host name='127.0.0.1'/><identity user='root' group='+0'/></source>",
    }
    for name, source in cases.items():
        dom = host.define(host.guests.empty(name, devices=disk(source, "vda", "raw", "network")))
        error = str(raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create))
        check("Unknown driver" not in error and "is unexpected" not in error and "Invalid parameter" not in error, error)
        check("chap-password" not in error, "a password in clear")
        equal(host.state(name), "shut off")


# ---- transient disks ----

def test_what_is_written_to_a_transient_disk_is_forgotten(host):
    """rows: images-63"""
    image = marked(host, "keep")
    before = image.read_bytes()
    host.start_demo("demo", devices=file_disk(image, "vdb", "raw", more="<transient/>"))
    overlay = pathlib.Path(f"{image}.TRANSIENT-demo")
    check(overlay.exists(), "no overlay")
    contains(host.ok("dumpxml", "demo"), f"<source file='{overlay}'", f"<source file='{image}'", "<transient/>")
    console = host.booted("demo")
    contains(console.command("echo changed | dd of=/dev/vdb conv=fsync 2>/dev/null; head -c 7 /dev/vdb"), "changed")
    host.refused("save", "demo", str(host.path("demo.save")), says="transient disk")
    host.crash_daemon()
    check(overlay.exists(), "the overlay of a running machine is gone")
    equal(host.state("demo"), "running")
    host.ok("destroy", "demo")
    check(not overlay.exists(), "the overlay stays")
    equal(image.read_bytes(), before)
    if not host.is_reference:  # libvirtd does not give it back
        equal(image.stat().st_uid, 0)


@mark(only="lodged", reason="libvirtd leaves the overlay")
def test_overlays_of_transient_disks_go_after_kill_9(host):
    image = image_path(host, "t.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", image, "8M")
    devices = file_disk(image, more="<transient shareBacking='yes'/>")
    start(host, devices, "one")
    start(host, devices, "two")  # at the same time, on the same image
    overlays = [pathlib.Path(f"{image}.TRANSIENT-{name}") for name in ("one", "two")]
    check(all(o.exists() for o in overlays), "no overlay")
    pid = host.qemu_pid("one")
    kill(pid)
    wait_until(lambda: not overlays[0].exists(), "the overlay goes with its QEMU")
    host.kill_daemon()
    kill(host.qemu_pid("two"))
    host.daemon.start()
    wait_until(lambda: not overlays[1].exists(), "the next daemon removes the overlay")
    overlays[0].write_text("left behind by a power cut")
    host.ok("start", "one")
    host.ok("destroy", "one")
    check(not overlays[0].exists(), "the overlay stays")


# ---- limits ----

def test_limits_reach_qemu_alone_and_in_groups(host):
    for name in ("a", "b", "c"):
        qemu_img("create", "-q", "-f", "raw", image_path(host, f"{name}.img"), "8M")
    group = ("<iotune><total_iops_sec>300</total_iops_sec><total_iops_sec_max>600</total_iops_sec_max>"
             "<total_iops_sec_max_length>3</total_iops_sec_max_length><group_name>both</group_name></iotune>")
    dom = start(host, "".join((
        file_disk(image_path(host, "a.img"), "vda", "raw", more="<iotune><read_bytes_sec>1000000</read_bytes_sec></iotune>"),
        file_disk(image_path(host, "b.img"), "sda", "raw", more=group),
        file_disk(image_path(host, "c.img"), "vdb", "raw", more=group),
        "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><iotune><total_iops_sec>5</total_iops_sec></iotune></disk>")))
    found = {}
    for entry in qmp(host, "m", "query-block"):
        medium = entry.get("inserted")
        if medium:
            found[medium["image"]["filename"][-5:]] = medium
    equal((found["a.img"]["bps_rd"], found["a.img"]["iops"]), (1000000, 0))
    for name in ("b.img", "c.img"):
        equal([found[name][key] for key in ("iops", "iops_max", "iops_max_length", "group")], [300, 600, 3, "both"], name)
    dom.destroy()


# ---- space ----

@mark(timeout=240)
def test_a_full_host_pauses_the_machine_which_goes_on(host):
    mount = host.path("small")
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", mount], check=True)
    if not host.is_reference:
        host.daemon.settings["resume_after_enospc"] = 1
        host.restart_daemon()
    ballast = mount / "ballast"
    ballast.write_bytes(bytes(16 * MIB))
    image = mount / "grow.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", image, "64M")
    image.chmod(0o666)
    events = []
    Loop()
    conn = host.open()
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda c, d, event, detail, o: events.append((event, detail)), None)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                lambda c, d, path, alias, action, reason, o: events.append((path, action, reason)), None)
    host.start_demo("demo", devices=file_disk(image, "vdb", driver=" error_policy='enospace'"))
    console = host.booted("demo")
    console.send("dd if=/dev/zero of=/dev/vdb bs=64k count=192 conv=fsync 2>/dev/null; echo all-$((40 + 2))\n")
    wait_until(lambda: host.ok("domstate", "demo", "--reason").strip() == "paused (I/O error)", "the machine is paused", timeout=60)
    wait_until(lambda: (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR) in events, "an event of the pause")
    wait_until(lambda: (str(image), libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "enospc") in events, "an event of the error")
    contains(host.ok("domblkerror", "demo"), "vdb: no space")
    if not host.is_reference:
        contains(host.lodge_ok("list"), "paused (I/O error)")
        host.crash_daemon()  # the next one knows, too
        equal(host.ok("domstate", "demo", "--reason").strip(), "paused (I/O error)")
        contains(host.ok("domblkerror", "demo"), "vdb: no space")
        contains(host.lodge_ok("counters", "demo"), "no space left")
        wait_until(lambda: "no_space" in host.lodge_ok("alerts"), "an alert began", 30)
    ballast.unlink()
    if host.is_reference:
        host.ok("resume", "demo")
    host.wait_state("demo", "running", timeout=30)
    wait_until(lambda: image.stat().st_size > 12 * MIB, "the guest wrote all", timeout=60)
    contains(host.ok("domblkerror", "demo"), "No errors found")
    host.ok("destroy", "demo")
    subprocess.run(["umount", mount], check=True)


def test_documents_show_no_cookies_and_explain_no_secrets(host):
    add_secret(host, "ceph", "ceph", "ceph-key", "22222222-2222-4222-8222-222222222222")
    devices = (disk("<source protocol='https' name='x'><host name='h.test'/><cookies><cookie name='one'>crumble</cookie></cookies>"
                    "</source>", "vda", "raw", "network", "<readonly/>") +
               disk("<source protocol='rbd' name='p/x'><auth username='me'><secret type='ceph' usage='ceph'/></auth></source>",
                    "vdb", "raw", "network"))
    dom = host.define(host.guests.empty("m", devices=devices))
    check("crumble" not in dom.XMLDesc(), "a cookie for everybody")
    contains(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE), "<cookie name='one'>crumble</cookie>")
    native = host.ok("domxml-to-native", "qemu-argv", "--domain", "m")
    contains(native, "libvirt-1-storage-auth-secret0")
    check("crumble" not in native and "ceph-key" not in native, native)
    if not host.is_reference:
        contains(host.lodge_ok("explain", "m"), "/domain/devices/disk[2]", "libvirt-1-storage-auth-secret0")
    host.restart_daemon()
    contains(host.conn.lookupByName("m").XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE), "crumble")


@mark(requires=["program:qemu-nbd"])
def test_parts_of_files_caches_and_reconnecting_reach_qemu(host):
    inner, outer, plain = (image_path(host, name) for name in ("inner.qcow2", "outer.img", "plain.img"))
    qemu_img("create", "-q", "-f", "qcow2", inner, "8M")
    outer.write_bytes(bytes(MIB) + inner.read_bytes().ljust(MIB, b"\0"))
    plain.write_bytes(bytes(4 * MIB))
    server = Nbd("-p", 10809, marked(host, "tcp"))
    part = "<slices><slice type='storage' offset='1048576' size='1048576'/></slices>"
    try:
        wait_for_port(10809)
        dom = start(host, "".join((
            file_disk(outer, "vda", inside=part).replace("type='qcow2'/>", "type='qcow2'><metadata_cache><max_size unit='KiB'>"
                                                         "512</max_size></metadata_cache></driver>"),
            file_disk(plain, "vdb", "raw", part, driver=" discard='unmap' detect_zeroes='unmap'", more="<serial>S1</serial>"),
            disk("<source protocol='nbd'><host name='127.0.0.1' port='10809'/><reconnect delay='7'/></source>", "vdc", "raw",
                 "network"))))
        sizes = {entry["qdev"].split("/")[3]: entry["inserted"]["image"]["virtual-size"] for entry in qmp(host, "m", "query-block")
                 if "inserted" in entry}
        equal(sizes, {"virtio-disk0": 8 * MIB, "virtio-disk1": MIB, "virtio-disk2": 4 * MIB})
        words = " ".join(qemus()[host.qemu_pid("m")])
        contains(words, '"cache-size":524288', '"detect-zeroes":"unmap"')
        if not host.is_reference:  # libvirtd 9.0.0 does not know it
            contains(words, '"reconnect-delay":7')
        dom.destroy()
    finally:
        server.close()


def test_configuration_and_host_complete_sources_on_servers(host):
    conf = host.path("etc/libvirt/qemu.conf")
    conf.write_text((conf.read_text() if conf.exists() else "") + 'nbd_tls = 1\nnbd_tls_x509_cert_dir = "/tmp"\n')
    host.restart_daemon()
    host.define(host.guests.empty("m", devices=(
        disk(NBD.format("name='x'", 10809), "vda", "raw", "network") + disk(NBD.format("name='y' tls='no'", 10809), "vdb", "raw", "network") +
        disk("<source protocol='nfs' name='/x'><host name='h'/><identity user='daemon' group='+7'/></source>", "vdc", "raw", "network"))))
    native = host.ok("domxml-to-native", "qemu-argv", "--domain", "m")
    contains(native, '"dir":"/tmp","endpoint":"client"', '"export":"x","tls-creds":"objlibvirt-3-storage_tls0"', '"user":1', '"group":7')
    equal(native.count('"tls-creds":'), 1)
