"""Debian's qemu-guest-agent in a guest: what the daemon asks of it, and `lodge exec` and `lodge cp`.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import subprocess

from lodgetest.agent import start_real
from lodgetest.host import *


def raw(host, *args, stdin=b"", timeout=240):
    """lodge with bytes; (code, stdout, stderr)"""
    done = subprocess.run([host.lodge_program, "-c", host.daemon.uri, *args], input=stdin, env=clean_environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOWNESS)
    return done.returncode, done.stdout, done.stderr


def copied(host, *args, **kwargs):
    code, _, err = raw(host, "cp", *args, **kwargs)
    equal((code, err), (0, b""), f"cp {args}")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_real_agent(host):
    """rows: agent-01 agent-02 agent-07 agent-08 agent-10 agent-11 lifecycle-08"""
    console = start_real(host, vcpus=2)
    dom = host.conn.lookupByName("demo")
    equal(dom.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT), "demo", "the host name")
    check(abs(dom.getTime()["seconds"] - time.time()) < 60 * SLOWNESS, "the guest's time")
    info = dom.guestInfo(0)
    equal((info["os.id"], info["os.version-id"], info["hostname"]), ("lodgetest", "7", "demo"), "information")
    check("disk.count" in info and "if.count" in info and "timezone.offset" in info, f"all kinds of information: {info}")
    contains([entry[3] for entry in dom.fsInfo() if entry[0] == "/"], "vdb")
    keys = ["ssh-ed25519 AAAA anna", "ssh-ed25519 BBBB other"]
    dom.authorizedSSHKeysSet("anna", keys, libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND)
    dom.authorizedSSHKeysSet("anna", keys[:1], libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE)
    equal(dom.authorizedSSHKeysGet("anna"), keys[1:], "keys")
    contains(console.command("cat /agent.d/home/anna/.ssh/authorized_keys"), "BBBB")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.authorizedSSHKeysGet, "nobody-there")
    dom.setUserPassword("anna", "$6$salt$value", libvirt.VIR_DOMAIN_PASSWORD_ENCRYPTED)
    contains(console.command("grep anna /agent.d/etc/shadow"), "$6$salt$value")
    equal(host.ok("guestvcpus", "demo").split()[:6], "vcpus : 0-1 online : 0-1".split(), "CPUs")
    host.ok("setvcpus", "demo", "1", "--guest")
    contains(console.command("cat /sys/devices/system/cpu/online"), "\n0\r")
    host.ok("setvcpus", "demo", "2", "--guest")
    contains(console.command("cat /sys/devices/system/cpu/online"), "0-1")
    dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    host.wait_state("demo", "shut off", 60)


def test_exec(host):
    start_real(host)
    equal(raw(host, "exec", "demo", "--", "echo", "-n", "hello"), (0, b"hello", b""), "output")
    equal(raw(host, "exec", "demo", "--", "sh", "-c", "echo out; echo err >&2; exit 37"), (37, b"out\n", b"err\n"), "exit")
    code, _, err = raw(host, "exec", "demo", "--", "no-such-command")
    equal(code, 127, f"a command that is not there: {err}")
    equal(raw(host, "exec", "demo", "--", "sh", "-c", "kill -9 $$")[0], 137, "a signal")
    everything = bytes(range(256)) * 40
    equal(raw(host, "exec", "demo", "cat", stdin=everything), (0, everything, b""), "bytes through standard input")
    large = os.urandom(3 << 20)
    equal(raw(host, "exec", "demo", "sha256sum", stdin=large)[1].split()[0].decode(), hashlib.sha256(large).hexdigest(),
          "large input")
    code, out, _ = raw(host, "exec", "demo", "--", "head", "-c", str(20 << 20), "/dev/zero")
    equal((code, len(out), out.count(b"\0")), (0, 20 << 20, 20 << 20), "large output")
    equal(raw(host, "exec", "--env", "A=x y", "--env", "B='", "demo", "--", "sh", "-c", 'echo "$A$B"'), (0, b"x y'\n", b""),
          "environment")
    odd = ["a b", "$(id)", "'", '"', "\\", "*", "", "ü"]
    equal(raw(host, "exec", "demo", "--", "printf", "%s\n", *odd)[1].decode().split("\n")[:-1], odd, "arguments as they are")
    begin = time.monotonic()
    code, _, err = raw(host, "exec", "--timeout", "1", "demo", "--", "sleep", "1000")
    equal(code, 124, f"the timeout: {err}")
    check(time.monotonic() - begin < 60 * SLOWNESS, "it does not take for ever")
    equal(raw(host, "exec", "demo", "--", "pidof", "sleep")[1].split()[1:], [], "it was ended (one is the relay's, at most)")
    process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "exec", "demo", "--", "sh", "-c",
                                "echo begun; sleep 1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_environment())
    equal(process.stdout.readline(), b"begun\n", "what it prints comes while it runs")
    process.send_signal(signal.SIGINT)
    equal(process.wait(60 * SLOWNESS), 130, "an interrupt")
    process.communicate()
    equal(raw(host, "exec", "demo", "--", "sh", "-c", "ls -d /tmp/lodge-exec.* | wc -l")[1], b"1\n",
          "only the folder of that command is left")
    code, out, _ = raw(host, "exec", "demo", "-o", "json", "--", "sh", "-c", "echo x; exit 3")
    equal((code, b'"eAo="' in out, b'"exit_code": 3' in out), (3, True, True), f"the document: {out}")
    equal(raw(host, "exec", "nobody", "--", "true")[0], 1, "no such machine")
    host.ok("suspend", "demo")
    equal(raw(host, "exec", "demo", "--", "true")[0], 255, "the machine is paused")


def test_cp(host):
    start_real(host)
    folder = host.path("copies")
    folder.mkdir()
    big = folder / "big"
    big.write_bytes(os.urandom((5 << 20) + 17))
    big.chmod(0o751)
    copied(host, str(big), "demo:/root/new")
    equal(raw(host, "exec", "demo", "--", "stat", "-c", "%a %s", "/root/new")[1], b"751 5242897\n", "its permissions")
    copied(host, "demo:/root/new", str(folder / "back"))
    equal((digest(folder / "back"), (folder / "back").stat().st_mode & 0o777), (digest(big), 0o751), "it is the same")
    copied(host, str(big), "demo:/home")
    equal(raw(host, "exec", "demo", "--", "ls", "/home")[1].split(), [b"anna", b"big"], "it keeps its name")
    (folder / "in").mkdir()
    copied(host, "demo:/home/big", str(folder / "in"))
    equal(digest(folder / "in/big"), digest(big), "it keeps its name here")
    copied(host, "-", "demo:/root/text", stdin=b"text\0\xff")
    equal(raw(host, "cp", "demo:/root/text", "-"), (0, b"text\0\xff", b""), "to standard output")
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/file").write_bytes(b"x" * 100000)
    (tree / "link").symlink_to("sub/file")
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "script").chmod(0o755)
    copied(host, "-r", str(tree), "demo:/root/tree")
    equal(raw(host, "exec", "demo", "--", "sh", "-c", "cd /root/tree; find . | sort; readlink link")[1].decode().split(),
          [".", "./link", "./script", "./sub", "./sub/file", "sub/file"], "it is there")
    copied(host, "-r", "demo:/root/tree", str(folder / "tree2"))
    equal(((folder / "tree2/sub/file").read_bytes(), os.readlink(folder / "tree2/link"),
           (folder / "tree2/script").stat().st_mode & 0o777), (b"x" * 100000, "sub/file", 0o755), "it is the same")
    for words, says in ((["demo:/etc", "x"], b"is a folder of the guest"), ([str(tree), "demo:/x"], b"is a folder"),
                        (["demo:/no/file", str(folder / "x")], b"No such file"), (["a", "b"], b"MACHINE:PATH"),
                        ([str(folder / "none"), "demo:/x"], b"No such file"), ([str(big), "demo:/no/place"], b"No such file"),
                        (["demo:/a", "demo:/b"], b"MACHINE:PATH")):
        code, _, err = raw(host, "cp", *words)
        check(code != 0 and says in err, f"{words}: {code} {err}")
    check(not list(folder.glob("x*")), "nothing is left of what failed")
