"""The socket of administrators, with the real virt-admin.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.certificates import Pki
from lodgetest.host import *
from lodgetest.runner import mark

NEEDS = ["program:virt-admin"]


class Admin:
    def __init__(self, host):
        self.host = host
        self.socket = host.path("run/libvirt/libvirt-admin-sock")
        wait_until(self.socket.exists, "the socket is there")

    def run(self, *words):
        return run(["virt-admin", "-c", f"libvirtd+unix:///system?socket={self.socket}", *map(str, words)])

    def ok(self, *words):
        result = self.run(*words)
        equal(result.code, 0, str(result))
        return result.out

    def refused(self, says, *words):
        result = self.run(*words)
        check(result.code != 0 and says in result.err, str(result))

    def values(self, *words):
        return dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in self.ok(*words).splitlines() if line.strip())


@mark(requires=NEEDS)
def test_servers_and_limits(host):
    admin = Admin(host)
    contains(admin.ok("server-list"), "0    admin", "1    libvirtd")
    contains(admin.ok("version"), "Running against daemon: 9.")
    contains(admin.ok("uri"), "libvirtd+unix:///system")
    before = admin.values("server-threadpool-info", "libvirtd")
    equal((before["maxWorkers"], before["prioWorkers"], before["jobQueueDepth"]), ("20", "5", "0"))
    admin.ok("server-threadpool-set", "libvirtd", "--min-workers", 6, "--max-workers", 30, "--priority-workers", 7)
    after = admin.values("server-threadpool-info", "libvirtd")
    equal((after["minWorkers"], after["maxWorkers"], after["prioWorkers"]), ("6", "30", "7"))
    admin.refused("minWorkers cannot be larger than maxWorkers", "server-threadpool-set", "libvirtd", "--min-workers", 60)
    hold = host.open()
    equal(admin.values("server-clients-info", "libvirtd"),
          {"nclients_max": "5000", "nclients": "1", "nclients_unauth_max": "20", "nclients_unauth": "0"})
    admin.ok("server-clients-set", "libvirtd", "--max-clients", 40, "--max-unauth-clients", 30)
    equal(admin.values("server-clients-info", "libvirtd")["nclients_max"], "40")
    admin.refused("", "server-clients-set", "libvirtd", "--max-clients", 10)
    admin.refused("Server not found: No server named 'nix'", "client-list", "nix")
    hold.close()
    contains(admin.ok("client-list", "admin"), "unix")


def fails(call):
    try:
        call()
    except libvirt.libvirtError:
        return True
    return False


@mark(requires=NEEDS)
def test_clients(host):
    admin = Admin(host)
    hold = host.open()
    listed = admin.ok("client-list", "libvirtd")
    number = re.search(r"^ (\d+) +unix +\d{4}-\d\d-\d\d", listed, re.M).group(1)
    info = admin.values("client-info", "libvirtd", number)
    equal([info[key] for key in ("id", "transport", "readonly", "unix_user_id", "unix_user_name", "unix_process_id")],
          [number, "unix", "no", "0", "root", str(os.getpid())])
    admin.refused("Client not found: No client with matching ID '9999'", "client-info", "libvirtd", 9999)
    contains(admin.ok("client-disconnect", "libvirtd", number), f"Client '{number}' disconnected")
    check(fails(hold.getHostname), "its next call fails")
    check(" unix " not in admin.ok("client-list", "libvirtd"), "it is gone")
    host.drop_connections()


@mark(requires=NEEDS)
def test_the_log(host):
    admin = Admin(host)
    equal(admin.ok("daemon-log-filters").strip(), "Logging filters:")
    admin.ok("daemon-log-filters", "1:rpc 3:storage")
    equal(admin.ok("daemon-log-filters").strip(), "Logging filters: 1:*rpc* 3:*storage*")
    admin.refused("Invalid priority '9' for filter '9:x'", "daemon-log-filters", "9:x")
    admin.refused("Malformed format for log output 'nonsense'", "daemon-log-outputs", "nonsense")
    contains(admin.ok("daemon-log-outputs"), "Logging outputs: ")
    if not host.is_reference:
        host.ok("uri")
        wait_until(lambda: "debug: rpc" in host.daemon.log.read_text(), "that part tells more")
    admin.ok("daemon-log-filters", "")
    other = host.path("other.log")
    admin.ok("daemon-log-outputs", f"1:file:{other}")
    contains(admin.ok("daemon-log-outputs"), f"1:file:{other}")
    if host.is_reference:
        return
    host.ok("uri")
    wait_until(lambda: other.exists() and other.read_text(), "lines are there")


@mark(requires=NEEDS)
def test_the_time_that_it_may_be_idle(host):
    admin = Admin(host)
    admin.ok("daemon-timeout", "--timeout", 200)
    admin.ok("daemon-timeout", "--timeout", 0)
    if host.is_reference:
        return
    admin.ok("daemon-timeout", "--timeout", 1)
    host.drop_connections()
    wait_until(lambda: host.daemon.process.poll() is not None, "it ends when nobody is there")
    equal(host.daemon.process.returncode, 0)
    host.daemon.process = None
    host.daemon.start()


@mark(requires=NEEDS + ["program:certtool"])
def test_certificates_are_read_again(host):
    if host.is_reference:
        return
    admin = Admin(host)
    admin.refused("no tls service found", "server-update-tls", "libvirtd")
    pki = Pki(host.path("ca"))
    pki.server(host.root, "localhost")
    client = pki.client(host.path("client"), "desk")
    host.daemon.settings["listen_addr"] = '"127.0.0.1"'
    host.daemon.more_arguments.append("--listen")
    host.restart_daemon()
    conn = libvirt.open(f"qemu+tls://localhost/system?pkipath={client}")
    number = re.search(r"^ (\d+) +tls ", admin.ok("client-list", "libvirtd"), re.M).group(1)
    info = admin.values("client-info", "libvirtd", number)
    contains(info["tls_x509_dname"], "CN=desk")
    contains(info["sock_addr"], "127.0.0.1")
    conn.close()
    pki.server(host.root, "elsewhere")
    admin.ok("server-update-tls", "libvirtd")
    raises(libvirt.VIR_ERR_AUTH_FAILED, libvirt.open, f"qemu+tls://localhost/system?pkipath={client}")
    host.path("etc/pki/libvirt/servercert.pem").write_text("nonsense")
    admin.refused("cannot be used", "server-update-tls", "libvirtd")
