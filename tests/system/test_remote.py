"""The daemon used from another host: through ssh, by the helper and by netcat.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import socket
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

NEEDS = ["program:/usr/sbin/sshd", "program:ssh"]
PORT = 2222


class Sshd:
    """An ssh server of this test alone, on the loopback device of its network namespace."""

    def __init__(self, host):
        self.host = host
        self.dir = host.path("ssh")
        self.dir.mkdir(mode=0o700)
        for key in ("host_key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / key], check=True)
        (self.dir / "authorized").write_text((self.dir / "key.pub").read_text())
        (self.dir / "config").write_text(f"""Port {PORT}
ListenAddress 127.0.0.1
HostKey {self.dir}/host_key
AuthorizedKeysFile {self.dir}/authorized
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
""")
        os.makedirs("/run/sshd", exist_ok=True)
        self.log = open(host.path("sshd.out"), "wb")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.dir / "config"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        # The helper on the other side looks where the system's daemon is.
        if not host.is_reference:
            os.makedirs("/run/libvirt", exist_ok=True)
            subprocess.run(["mount", "--bind", host.path("run/libvirt"), "/run/libvirt"], check=True)
        wait_until(self.listens, "sshd listens")

    def listens(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", PORT)) == 0

    def uri(self, more=""):
        return (f"qemu+ssh://root@127.0.0.1:{PORT}/system?keyfile={self.dir}/key&no_verify=1&no_tty=1"
                f"&known_hosts={self.dir}/known{more}")

    def virsh(self, *args, more=""):
        return run(["virsh", "-c", self.uri(more), *args], timeout=60)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@mark(requires=NEEDS)
def test_through_ssh_with_the_helper(host):
    """rows: remote-03 remote-05"""
    sshd = Sshd(host)
    host.define_sector("tiny")
    for command in (["list", "--all"], ["dominfo", "tiny"], ["dumpxml", "tiny"], ["nodeinfo"]):
        equal(sshd.virsh(*command).out, host.ok(*command), f"what {command} prints over there")
    for more in ("", "&proxy=native"):
        result = sshd.virsh("list", "--all", more=more)
        equal(result.code, 0, str(result))
        contains(result.out, "tiny")
    contains(sshd.virsh("start", "tiny"), "Domain 'tiny' started")
    equal(host.state("tiny"), "running")
    contains(sshd.virsh("uri"), "qemu+ssh://root@127.0.0.1")
    sshd.close()


@mark(requires=NEEDS + ["program:nc"])
def test_through_ssh_with_netcat(host):
    sshd = Sshd(host)
    host.start_sector("tiny")
    result = sshd.virsh("domstate", "tiny", more=f"&proxy=netcat&socket={host.daemon.socket}")
    contains(result, "running")
    sshd.close()


@mark(requires=NEEDS)
def test_console_through_ssh(host):
    """rows: display-44"""
    sshd = Sshd(host)
    host.start_demo("demo")
    host.booted("demo").close()
    terminal = Terminal(["virsh", "-c", sshd.uri(), "console", "demo", "--force"])
    host.terminals.append(terminal)
    host.at_prompt(terminal, "demo")
    terminal.send("\x1d")
    equal(terminal.wait(), 0)
    sshd.close()


@mark(requires=NEEDS)
def test_without_a_key_there_is_an_error(host):
    """rows: remote-02"""
    sshd = Sshd(host)
    (sshd.dir / "authorized").write_text("")
    result = sshd.virsh("list")
    check(result.code != 0, str(result))
    sshd.close()


def test_the_usual_name_of_the_system_daemon(host):
    """rows: remote-09"""
    if not host.is_reference:
        os.makedirs("/run/libvirt", exist_ok=True)
        subprocess.run(["mount", "--bind", host.path("run/libvirt"), "/run/libvirt"], check=True)
    host.define_sector("centos7")
    contains(run(["virsh", "--connect", "qemu:///system", "start", "centos7"]).out, "Domain 'centos7' started")
    equal(run(["virsh", "--connect", "qemu:///system", "uri"]).out.strip(), "qemu:///system")
    equal(host.state("centos7"), "running")


def test_two_hosts_from_one_client(host):
    """One client with connections to two daemons at once; the second is a plain second connection here."""
    first, second = host.open(), host.open()
    first.defineXML(host.guests.sector("tiny"))
    equal([d.name() for d in second.listAllDomains()], ["tiny"])
