"""The daemon used from another host: through ssh, by the helper and by netcat.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import socket
import subprocess

from lodgetest.host import *
from lodgetest.runner import mark

NEEDS = ["program:/usr/sbin/sshd", "program:ssh"]
PORT = 2222


class Sshd:
    """An ssh server of this test alone, on the loopback device of its network namespace."""

    def __init__(self, host, path=None):
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
""" + (f"SetEnv PATH={path}\n" if path else ""))
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


def our_helper(host):
    """A PATH whose only virt-ssh-helper is lodge."""
    folder = host.path("bin")
    folder.mkdir()
    (folder / "virt-ssh-helper").symlink_to(host.lodge_program)
    for name in ("sh", "which"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return folder


@mark(requires=NEEDS)
def test_through_ssh_with_our_helper(host):
    """What clients start by default is lodge by another name; there is no netcat. rows: remote-03"""
    sshd = Sshd(host, our_helper(host))
    host.define_sector("tiny")
    for more in ("", "&proxy=native"):
        contains(sshd.virsh("list", "--all", more=more), "tiny")
        contains(run([host.lodge_program, "-c", sshd.uri(more), "list", "--all"], timeout=60), "tiny")
    equal(sshd.virsh("dumpxml", "tiny").out, host.ok("dumpxml", "tiny"))
    raises(libvirt.VIR_ERR_OPERATION_DENIED, libvirt.openReadOnly(sshd.uri()).lookupByName("tiny").create)
    # long answers both ways
    conn = libvirt.open(sshd.uri())
    xml = conn.lookupByName("tiny").XMLDesc().replace("</domain>", f"<description>{'x' * 900000}</description></domain>")
    conn.defineXML(xml)
    check("x" * 900000 in conn.lookupByName("tiny").XMLDesc(), "the long document comes back whole")
    conn.close()
    helper = host.path("bin/virt-ssh-helper")
    if not host.is_reference:
        host.stop_daemon()
        contains(run([helper, "qemu:///system"]), "cannot connect", "is lodged running on this host")
        host.daemon.start()
    equal(run([helper]).code, 1)
    sshd.close()


@mark(requires=NEEDS)
def test_through_a_forwarded_socket(host):
    """OpenSSH's own way to a socket, as programs use it that bring an SSH of their own."""
    sshd = Sshd(host)
    host.define_sector("tiny")
    forwarded = host.path("forwarded")
    ssh = subprocess.Popen(["ssh", "-N", "-p", str(PORT), "-i", sshd.dir / "key", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                            "-o", f"UserKnownHostsFile={sshd.dir}/known", "-L", f"{forwarded}:/run/libvirt/libvirt-sock", "root@127.0.0.1"],
                           stdin=subprocess.DEVNULL)
    wait_until(forwarded.exists, "the socket is forwarded", timeout=30)
    uri = f"qemu+unix:///system?socket={forwarded}"
    contains(run(["virsh", "-c", uri, "list", "--all"]), "tiny")
    contains(run([host.lodge_program, "-c", uri, "list", "--all"]), "tiny")
    ssh.terminate()
    ssh.wait(10)
    sshd.close()


@mark(requires=NEEDS)
def test_hosts_by_name(host):
    sshd = Sshd(host)
    host.define_sector("tiny")
    host.write("config/libvirt/libvirt.conf",
               f'uri_aliases = [\n  "near={host.daemon.uri}",\n  "far={sshd.uri()}",\n  "gone=qemu+unix:///system?socket=/nowhere"\n]\n')
    env = clean_environment(XDG_CONFIG_HOME=str(host.path("config")), LODGE_URI="")

    def lodge(*args):
        return run([host.lodge_program, *args], timeout=60, env=env)

    for way in (["--host", "far"], ["--host", "near"], ["-c", "far"]):
        contains(lodge(*way, "list", "--all"), "tiny")
    result = lodge("--all-hosts", "list", "--all")
    equal(result.code, 3)
    equal([line for line in result.out.splitlines() if line.endswith(":")], ["near:", "far:", "gone:"])
    equal(result.out.count("tiny"), 2)
    contains(result.err, "gone: error:")
    all_hosts = json.loads(lodge("-o", "json", "--all-hosts", "list", "--all").out)
    equal([m["name"] for m in all_hosts["far"]], ["tiny"])
    contains(all_hosts["gone"]["error"], "/nowhere")
    contains(lodge("--all-hosts"), "takes a command")
    sshd.close()


def test_a_list_takes_few_round_trips(host):
    """Whatever the number of machines: over a slow line each call would cost its time. rows: remote-05"""
    for i in range(30):
        host.define_sector(f"m{i}")
    host.ok("start", "m7")
    host.ok("suspend", "m7")
    log = host.path("client.log")
    for command, calls in ((["list", "--all"], 2), (["list", "--all", "--wide", "--title", "--managed-save"], 3), (["domstats"], 1)):
        log.unlink(missing_ok=True)
        out = host.lodge_ok("-l", log, "-d", "0", *command)
        made = [line for line in log.read_text().splitlines() if ": call " in line]
        check(len(made) <= calls + 1, f"{command}: {made}")
        equal(sum(out.count(f"m{i}") > 0 for i in range(30)), 30)
    got = {m["name"]: m["state"] for m in json.loads(host.lodge_ok("-o", "json", "list", "--all"))}
    equal((got["m7"], got["m8"], len(got)), ("paused", "shut off", 30))
