"""`lodge remote setup`: certificates that stock clients and daemons take.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.certificates import Pki
from lodgetest.host import *
from lodgetest.runner import mark


class Setup:
    def __init__(self, host):
        self.host = host
        self.client = host.path("client")
        host.daemon.settings["listen_addr"] = '"127.0.0.1"'

    def run(self, *more, target="localhost"):
        return self.host.lodge("remote", "setup", target, "--into", self.host.root, "--ca", self.host.path("ca"), "--client",
                               self.client, *more, timeout=120)

    def uri(self, name="localhost"):
        return f"qemu+tls://{name}/system?pkipath={self.client}"


def test_setup(host):
    """One command, then virsh and lodge come in by TLS; a second run renews."""
    if host.is_reference:
        return
    setup = Setup(host)
    result = setup.run("--here", "--name", "127.0.0.1", "--client-name", "desk")
    equal(result.code, 0, str(result))
    contains(result.out, "lodge -c qemu+tls://localhost/system")
    equal([oct(host.path(p).stat().st_mode & 0o777) for p in ("etc/pki/libvirt/private/serverkey.pem", "client/clientkey.pem", "ca/cakey.pem")],
          ["0o600"] * 3)
    host.daemon.settings["listen"] = "1"
    host.restart_daemon()
    for name in ("localhost", "127.0.0.1"):
        contains(run(["virsh", "-c", setup.uri(name), "uri"]), f"qemu+tls://{name}/system")
        equal(run([host.lodge_program, "-c", setup.uri(name), "list"]).code, 0)
    contains(host.daemon.log.read_text(), "connected by TLS: O=Lodge,CN=desk")
    before = host.path("etc/pki/libvirt/servercert.pem").read_text()
    kept = host.path("client/clientcert.pem").read_text()
    result = setup.run("--here")
    equal(result.code, 0, str(result))
    check(host.path("etc/pki/libvirt/servercert.pem").read_text() != before, "the host's is new")
    equal(host.path("client/clientcert.pem").read_text(), kept, "the client's stays")
    # somebody else's CA is not replaced by accident
    Pki(host.path("other")).server(host.root, "localhost")
    result = setup.run("--here")
    check(result.code != 0 and "--force" in result.err, str(result))
    equal(setup.run("--here", "--force").code, 0)
    check(host.lodge("remote", "setup", "nobody.invalid", "--ssh", "/bin/false").code != 0, "no way there")
