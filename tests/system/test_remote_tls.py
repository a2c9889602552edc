"""The daemon used over the network: by TLS with certificates, by TCP and by SASL, with virsh, python3-libvirt and lodge.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import signal
import socket
import subprocess
import time

from lodgetest.certificates import Pki
from lodgetest.host import *
from lodgetest.runner import mark

TLS = ["program:certtool"]
SASL = ["program:/usr/sbin/saslpasswd2"]


def open_port(host, *more, **settings):
    """The daemon again, listening; over there a system's paths are real."""
    host.daemon.settings.update({key: value if isinstance(value, int) else f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')
                                 for key, value in settings.items()})
    if host.is_reference:
        host.daemon.arguments = lambda base=host.daemon.arguments: [*base(), "--listen", *more]
        subprocess.run(["mount", "--bind", host.path("etc/pki"), "/etc/pki"], check=False)
    elif "--listen" not in host.daemon.more_arguments:
        host.daemon.more_arguments += ["--listen", *more]
    host.restart_daemon()


def may_run_lodge(host):
    """As a client of the reference it has to be told where it is."""
    return not host.is_reference or "LODGE_TEST_CLI" in os.environ


class Tls:
    """A host with a certificate, and a client that has one."""

    def __init__(self, host, **settings):
        self.host = host
        self.pki = Pki(host.path("ca"))
        if host.is_reference:
            os.makedirs("/etc/pki", exist_ok=True)
        self.pki.server(host.root, "localhost", "127.0.0.1")
        self.client = self.pki.client(host.path("client"), "desk")
        open_port(host, listen_addr="127.0.0.1", **settings)

    def uri(self, pkipath=None, name="localhost", more=""):
        return f"qemu+tls://{name}/system?pkipath={pkipath or self.client}{more}"

    def virsh(self, *args, **where):
        return run(["virsh", "-c", self.uri(**where), *args], timeout=60)

    def lodge(self, *args, **where):
        return run([self.host.lodge_program, "-c", self.uri(**where), *args], timeout=60)

    def log(self):
        return self.host.daemon.log.read_text(errors="replace")

    def refused(self, says, logged, **where):
        """Neither client comes in; what lodge says, and the daemon's log."""
        result = self.virsh("list", **where)
        check(result.code != 0, str(result))
        if not self.host.is_reference:
            result = self.lodge("list", **where)
            check(result.code != 0, str(result))
            contains(result, says)
            wait_until(lambda: logged in self.log(), f"the log says {logged!r}")


@mark(requires=TLS)
def test_tls(host):
    """rows: remote-04 remote-05"""
    tls = Tls(host)
    host.define_sector("tiny")
    for command in (["list", "--all"], ["dominfo", "tiny"], ["dumpxml", "tiny"], ["nodeinfo"]):
        equal(tls.virsh(*command).out, host.ok(*command), f"what {command} prints over there")
    contains(tls.virsh("start", "tiny"), "Domain 'tiny' started")
    contains(tls.virsh("uri"), "qemu+tls://localhost/system")
    conn = libvirt.open(tls.uri())
    equal((conn.isEncrypted(), conn.isSecure(), conn.isAlive()), (1, 1, 1))
    conn.close()
    read_only = libvirt.openReadOnly(tls.uri())
    raises(libvirt.VIR_ERR_OPERATION_DENIED, read_only.lookupByName("tiny").destroy)
    read_only.close()
    if may_run_lodge(host):
        contains(tls.lodge("list"), "tiny", "running")
    if not host.is_reference:
        contains(tls.log(), "CN=desk")


@mark(requires=TLS)
def test_much_passes_through_tls(host):
    """Long answers and streams: pieces that neither end with a record nor fit one."""
    tls = Tls(host)
    conn = libvirt.open(tls.uri())
    xml = host.guests.sector("tiny").replace("</domain>", f"<description>{'x' * 900000}</description></domain>")
    conn.defineXML(xml)
    check("x" * 900000 in conn.lookupByName("tiny").XMLDesc(), "the long document comes back whole")
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{host.path('var/lib/libvirt/images')}</path></target></pool>")
    volume = pool.createXML("<volume><name>v</name><capacity>5000000</capacity></volume>")
    data = bytes(i * 7 % 251 for i in range(5000000))
    stream = conn.newStream()
    volume.upload(stream, 0, len(data))
    at = [0]

    def give(stream, size, opaque):
        at[0] += size
        return data[at[0] - size:at[0]]

    stream.sendAll(give, None)
    stream.finish()
    got = bytearray()
    stream = conn.newStream()
    volume.download(stream, 0, 0)
    stream.recvAll(lambda stream, piece, opaque: got.extend(piece), None)
    stream.finish()
    check(bytes(got) == data, "what was uploaded comes back")
    conn.close()


@mark(requires=TLS)
def test_certificates_that_are_refused(host):
    tls = Tls(host)
    old = tls.pki.client(host.path("old"), "old", 'activation_date = "2020-01-01"\nexpiration_date = "2021-01-01"\n')
    other = Pki(host.path("ca2"), "Another CA").client(host.path("stranger"), "stranger")
    (other / "cacert.pem").write_bytes((tls.client / "cacert.pem").read_bytes())
    server = tls.pki.folder / "as-server"
    server.mkdir()
    none = host.path("none")
    none.mkdir()
    (none / "cacert.pem").write_bytes((tls.client / "cacert.pem").read_bytes())
    # one that is out of date, a client of ours sees by itself
    check(tls.virsh("list", pkipath=old).code != 0, "an old certificate")
    if not host.is_reference:
        contains(tls.lodge("list", pkipath=old), "expired on 2021-01-01")
        done = subprocess.run(["gnutls-cli", "--port=16514", "--x509cafile", tls.client / "cacert.pem", "--x509certfile",
                               old / "clientcert.pem", "--x509keyfile", old / "clientkey.pem", "localhost"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        wait_until(lambda: "'O=Lodge,CN=old' of the client has expired" in tls.log(), f"the log says that it is old {done.stdout}")
    tls.refused("the server refuses the connection", "O=Lodge,CN=stranger' of the client was not signed by a CA", pkipath=other)
    tls.refused("the server refuses the connection", "the client showed no certificate", pkipath=none)
    tls.pki.revoke(tls.client / "clientcert.pem", host.path("etc/pki/CA/cacrl.pem"))
    contains(tls.virsh("uri"), "qemu+tls")
    if host.is_reference:
        return
    host.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: tls.virsh("uri").code != 0, "the list of revoked ones is read")
    tls.refused("revoked", "O=Lodge,CN=desk' of the client is revoked")


@mark(requires=TLS)
def test_servers_that_are_refused(host):
    tls = Tls(host)
    check(tls.virsh("list", name="127.0.0.2").code != 0, "another name")
    tls.pki.server(host.root, "elsewhere")
    host.restart_daemon()
    result = tls.virsh("list")
    check(result.code != 0, str(result))
    contains(tls.virsh("uri", more="&no_verify=1"), "qemu+tls")
    if not host.is_reference:
        contains(tls.lodge("list"), "O=Lodge,CN=elsewhere' of the server is not that of the host (host localhost)")
        equal(tls.lodge("list", more="&no_verify=1").code, 0)
        # certificates that cannot be used: the old ones stay while it runs, and a start says what is wrong
        host.path("etc/pki/libvirt/servercert.pem").write_text("nonsense")
        host.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the old ones stay" in tls.log(), "the log says so")
        equal(tls.lodge("list", more="&no_verify=1").code, 0)
        tls.pki.server(host.root, "localhost")
        host.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: tls.lodge("list").code == 0, "new certificates are used")


@mark(requires=TLS)
def test_names_that_are_allowed(host):
    tls = Tls(host, tls_allowed_dn_list=["O=Lodge,CN=d*"])
    equal(tls.virsh("uri").code, 0)
    guest = tls.pki.client(host.path("guest"), "guest")
    tls.refused("the server refuses the connection", "'O=Lodge,CN=guest' is not in tls_allowed_dn_list", pkipath=guest)
    host.daemon.settings["tls_no_verify_certificate"] = "1"
    host.restart_daemon()
    equal(tls.virsh("uri", pkipath=guest).code, 0)


def talk_nonsense():
    with socket.create_connection(("127.0.0.1", 16514)) as peer:
        peer.settimeout(10)
        try:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while peer.recv(4096):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


@mark(requires=TLS)
def test_a_peer_that_stalls_costs_nothing(host):
    """Half a handshake at each length, and many of them: others are served; nobody keeps a place for ever."""
    if host.is_reference:
        return
    tls = Tls(host)
    stalled = []
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(100)
    for length in (0, 1, 5, 50, len(hello)):
        peer = socket.create_connection(("127.0.0.1", 16514))
        peer.sendall(hello[:length])
        stalled.append(peer)
    begun = time.monotonic()
    equal(tls.virsh("uri").code, 0)
    host.ok("list")
    check(time.monotonic() - begun < 10, "others did not wait")
    # more than may be unknown at once: they are closed, and the log says whose they are
    for _ in range(20):
        stalled.append(socket.create_connection(("127.0.0.1", 16514)))
    wait_until(lambda: "127.0.0.1;" in tls.log() and "has too many connections" in tls.log(), "the log says so")
    host.ok("list")
    for peer in stalled:
        peer.close()
    wait_until(lambda: tls.virsh("uri").code == 0, "places are free again")
    # nonsense is an end, at once
    talk_nonsense()


@mark(requires=TLS)
def test_who_fails_too_often_waits(host):
    if host.is_reference:
        return
    tls = Tls(host)
    def guess():
        talk_nonsense()
        return "failed too often" in tls.log()

    wait_until(guess, "the log says that there were too many")
    check(tls.virsh("uri").code != 0, "that address has to wait")
    host.ok("uri")


class Sasl:
    """A host that knows alice, and what a client of hers has."""

    def __init__(self, host, mechanisms="scram-sha-256", **settings):
        self.host = host
        folder = host.path("etc/sasl2")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "libvirt.conf").write_text(f"mech_list: {mechanisms}\nsasldb_path: {folder}/passwd.db\n")
        done = subprocess.run(["saslpasswd2", "-p", "-c", "-f", folder / "passwd.db", "-a", "libvirt", "alice"], input="wonderland",
                              text=True, capture_output=True, check=False)
        equal(done.returncode, 0, done.stderr)
        if host.is_reference:
            subprocess.run(["mount", "--bind", folder, "/etc/sasl2"], check=True)
        self.files = {}
        for name, password in (("good", "wonderland"), ("bad", "hatter")):
            self.files[name] = host.path(f"{name}.conf")
            realm = socket.gethostname()
            self.files[name].write_text(f"[credentials-test]\nauthname=alice\npassword={password}\nrealm={realm}\n"
                                        "[auth-libvirt-default]\ncredentials=test\n[auth-libvirt-localhost]\ncredentials=test\n")
        host.daemon.settings.update(settings)

    def virsh(self, uri, *args, who="good"):
        return run(["virsh", "-c", uri, *args], timeout=60, env=clean_environment(LIBVIRT_AUTH_FILE=str(self.files[who])))

    def lodge(self, uri, *args, who="good"):
        return run([self.host.lodge_program, "-c", uri, *args], timeout=60,
                   env=clean_environment(LIBVIRT_AUTH_FILE=str(self.files[who]), ASAN_OPTIONS="detect_leaks=0"))


@mark(requires=SASL)
def test_sasl_by_tcp(host):
    """By TCP what SASL agreed on encrypts all that follows."""
    sasl = Sasl(host, "digest-md5")
    # that mechanism loses some memory of libcrypto's for each session that encrypts
    host.write("suppressions", "leak:libcrypto.so\n")
    host.daemon.environment["LSAN_OPTIONS"] = f"suppressions={host.path('suppressions')}:print_suppressions=0"
    open_port(host, listen_tls=0, listen_tcp=1, listen_addr="127.0.0.1", auth_tcp="sasl")
    host.define_sector("tiny")
    uri = "qemu+tcp://localhost/system"
    result = sasl.virsh(uri, "list", "--all")
    contains(result, "tiny")
    equal(sasl.virsh(uri, "dumpxml", "tiny").out, host.ok("dumpxml", "tiny"))
    result = sasl.virsh(uri, "list", who="bad")
    check(result.code != 0 and "authentication failed" in result.err.lower(), str(result))
    if may_run_lodge(host):
        contains(sasl.lodge(uri, "list", "--all"), "tiny")
        contains(sasl.lodge(uri, "list", who="bad"), "uthentication failed")
    if not host.is_reference:
        contains(host.daemon.log.read_text(), "alice at 127.0.0.1;")


@mark(requires=SASL + TLS)
def test_sasl_by_tls_and_on_the_socket(host):
    sasl = Sasl(host)
    tls = Tls(host, auth_tls="sasl")
    contains(sasl.virsh(tls.uri(), "uri"), "qemu+tls")
    check(sasl.virsh(tls.uri(), "uri", who="bad").code != 0, "a wrong password")
    if not host.is_reference:
        equal(sasl.lodge(tls.uri(), "list").code, 0)
    # SCRAM protects nothing by itself: by TCP there is no mechanism then
    open_port(host, listen_tls=0, listen_tcp=1, auth_tcp="sasl")
    result = sasl.virsh("qemu+tcp://localhost/system", "uri")
    check(result.code != 0, str(result))
    if not host.is_reference:
        contains(host.daemon.log.read_text(), "SASL has no mechanism for this connection")


def test_tcp_without_anything(host):
    open_port(host, listen_tls=0, listen_tcp=1, listen_addr="127.0.0.1", auth_tcp="none", tcp_port="16599")
    host.define_sector("tiny")
    result = run(["virsh", "-c", "qemu+tcp://127.0.0.1:16599/system", "list", "--all"])
    contains(result, "tiny")
    conn = libvirt.open("qemu+tcp://127.0.0.1:16599/system")
    equal((conn.isEncrypted(), conn.isSecure()), (0, 0))
    conn.close()
    if not host.is_reference:
        contains(run([host.lodge_program, "-c", "qemu+tcp://127.0.0.1:16599/system", "list", "--all"]), "tiny")
        contains(host.daemon.log.read_text(), "everybody who reaches 127.0.0.1;16599 is root here")
