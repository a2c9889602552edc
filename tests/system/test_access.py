"""access.conf: who may do what with which machines, asked by virsh of users and by certificates.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pwd
import signal
import subprocess

from lodgetest.certificates import Pki
from lodgetest.host import *
from lodgetest.runner import mark

LABELS = "<metadata><a:access xmlns:a='urn:lodge:access:1' owner='{owner}' tags='{tags}'/></metadata>"
NOBODY = pwd.getpwnam("nobody").pw_uid


def rules(host, text):
    host.write("etc/libvirt/access.conf", text)
    host.daemon.process.send_signal(signal.SIGHUP)


def as_nobody(host, *args):
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--regid=65534", "--clear-groups", "virsh", "-c", host.daemon.uri, *args],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(host, right, what, *args):
    code, out, err = as_nobody(host, *args)
    check(code != 0 and "access denied: " in err and f"lacks the right '{right}' on {what}" in err, f"{args}: {out}{err}")
    return err


def allowed(host, *args):
    code, out, err = as_nobody(host, *args)
    check(code == 0, f"{args}: {out}{err}")
    return out


def as_user(function):
    """Another effective user for a moment: the kernel tells the daemon that one."""
    os.setegid(65534)
    os.seteuid(NOBODY)
    try:
        return function()
    finally:
        os.seteuid(0)
        os.setegid(0)


def define(host, name, owner="0", tags=""):
    xml = host.guests.sector(name).replace("</domain>", LABELS.format(owner=owner, tags=tags) + "</domain>")
    host.define(xml)
    return xml


@mark(requires=["program:setpriv"])
def test_rules_about_machines(host):
    if host.is_reference:
        return
    host.daemon.settings["unix_sock_rw_perms"] = '"0777"'
    host.restart_daemon()
    os.chmod(host.root, 0o755)
    define(host, "web-1")
    define(host, "db", tags="prod fast")
    define(host, "own", owner=str(NOBODY))
    define(host, "secret")
    secret = host.ok("dumpxml", "secret")
    allowed(host, "dominfo", "secret")
    rules(host, "# nobody's\n"
                "deny  user:nobody  delete              domain  name=web-*\n"
                "allow user:nobody  all                 domain  name=web-*\n"
                "allow user:nobody  use                 domain  tag=prod\n"
                "allow user:nobody  view,start,write,save,read_secure domain owner=self\n")
    wait_until(lambda: as_nobody(host, "dominfo", "secret")[0] != 0, "the rules are read")
    # what one may not see is not in lists, and not found
    listed = allowed(host, "list", "--all", "--name").split()
    equal(sorted(listed), ["db", "own", "web-1"])
    conn = as_user(lambda: libvirt.open(host.daemon.uri))
    raises(libvirt.VIR_ERR_ACCESS_DENIED, conn.lookupByName, "secret", text="no rule in access.conf allows it")
    conn.close()
    check("secret" not in allowed(host, "domstats"), "nor in statistics")
    allowed(host, "start", "web-1")
    allowed(host, "destroy", "web-1")
    contains(refused(host, "delete", "domain 'web-1'", "undefine", "web-1"), "line 2 of access.conf denies it")
    allowed(host, "start", "db")
    allowed(host, "destroy", "db")
    refused(host, "write", "domain 'db'", "setvcpus", "db", "1", "--config")
    allowed(host, "desc", "own", "text")
    refused(host, "stop", "domain 'own'", "destroy", "own")
    # documents: only their name is looked at before it is known who may define it
    path = host.path("new.xml")
    fresh = host.guests.sector("web-2")
    path.write_text(fresh)
    allowed(host, "define", str(path))
    path.write_text(host.guests.sector("other").replace("<memory", "<nonsense/><memory"))
    refused(host, "write", "domain 'other'", "define", str(path))
    path.write_text(fresh.replace("</name>", "</name><name>other</name>"))
    code, _, err = as_nobody(host, "define", str(path))
    check(code != 0 and "two elements <name>" in err, err)
    # somebody else's machine under a name of one's own
    path.write_text(secret.replace("<name>secret</name>", "<name>web-3</name>"))
    check(as_nobody(host, "define", str(path))[0] != 0, "by its UUID it is another's")
    # root is bound by nothing; the log says who was refused
    host.ok("dominfo", "secret")
    contains(host.daemon.log.read_text(), "uid 65534) lacks the right 'getattr' on domain 'secret'")
    # the web gives all rights to who asks it through the socket: nobody gets around rules by that
    rules(host, "allow user:nobody all connect\n")
    wait_until(lambda: as_nobody(host, "dominfo", "own")[0] != 0, "the rules are read")
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--regid=65534", "--clear-groups", host.lodge_program, "-c", host.daemon.uri,
                           "web", "user", "list"], capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 1 and "access denied: rules say what you may do" in done.stderr, str(done))
    # rules that make no sense: the old ones stay, and a start says where
    rules(host, "allow user:nobody everything\n")
    wait_until(lambda: "access.conf:1: there is no right 'everything'" in host.daemon.log.read_text(), "the log says so")
    check(as_nobody(host, "dominfo", "secret")[0] != 0, "the old rules stay")
    host.path("etc/libvirt/access.conf").unlink()
    host.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: as_nobody(host, "dominfo", "secret")[0] == 0, "without the file all is as before")


@mark(requires=["program:setpriv"])
def test_events_follow_rules(host):
    if host.is_reference:
        return
    host.daemon.settings["unix_sock_rw_perms"] = '"0777"'
    host.write("etc/libvirt/access.conf", "allow user:nobody view domain name=seen\n")
    host.restart_daemon()
    os.chmod(host.root, 0o755)
    host.define_sector("seen")
    host.define_sector("unseen")
    watcher = subprocess.Popen(["setpriv", f"--reuid={NOBODY}", "--regid=65534", "--clear-groups", "stdbuf", "-oL", "virsh", "-c", host.daemon.uri,
                                "event", "--all", "--loop"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher.stdout.read(0)
    wait_until(lambda: host.daemon.log.exists() and len(host.virsh("list").out) > 0, "it answers")
    lines = []

    def heard():
        for name in ("unseen", "seen"):
            host.ok("start", name)
            host.ok("destroy", name)
        os.set_blocking(watcher.stdout.fileno(), False)
        lines.extend(watcher.stdout.readlines())
        return any("'seen'" in line for line in lines)

    wait_until(heard, "it hears of what it may see")
    watcher.terminate()
    watcher.wait(10)
    check(not any("unseen" in line for line in lines), f"and of nothing else: {lines}")


@mark(requires=["program:certtool"])
def test_rules_about_certificates(host):
    if host.is_reference:
        return
    pki = Pki(host.path("ca"))
    pki.server(host.root, "localhost")
    desk, kiosk = pki.client(host.path("desk"), "desk"), pki.client(host.path("kiosk"), "kiosk")
    host.write("etc/libvirt/access.conf", "allow cert:*CN=desk all\nallow cert:*CN=kiosk view domain name=shown\n")
    host.daemon.settings["listen_addr"] = '"127.0.0.1"'
    host.daemon.more_arguments.append("--listen")
    host.restart_daemon()
    host.define_sector("shown")
    host.define_sector("hidden")

    def virsh(who, *args):
        return run(["virsh", "-c", f"qemu+tls://localhost/system?pkipath={who}", *args])

    equal(sorted(virsh(desk, "list", "--all", "--name").out.split()), ["hidden", "shown"])
    equal(virsh(kiosk, "list", "--all", "--name").out.split(), ["shown"])
    contains(virsh(kiosk, "start", "shown"), "access denied", "lacks the right 'start' on domain 'shown'", "CN=kiosk")
    equal(virsh(desk, "undefine", "hidden").code, 0)


class Polkit:
    """A system bus and polkit of this test alone, with one rule."""

    def __init__(self, host, rule):
        for path in ("/run/dbus", "/etc/polkit-1/rules.d"):
            os.makedirs(path, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
        with open("/etc/polkit-1/rules.d/10-test.rules", "w", encoding="utf-8") as f:
            f.write(rule)
        self.log = open(host.path("polkit.out"), "wb")
        self.processes = []
        for args, ready in ((["dbus-daemon", "--system", "--nofork", "--nopidfile"], "/run/dbus/system_bus_socket"),
                            (["/usr/lib/polkit-1/polkitd", "--replace"], None)):
            self.processes.append(subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log))
            if ready:
                wait_until(lambda path=ready: os.path.exists(path), "the bus is there")
        wait_until(lambda: "org.freedesktop.PolicyKit1" in run(["busctl", "--system", "--no-pager", "list", "--acquired"]).out, "polkit is there", timeout=20)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(10)


@mark(requires=["program:setpriv", "program:/usr/lib/polkit-1/polkitd", "program:dbus-daemon", "program:busctl"])
def test_polkit_is_asked_about_calls(host):
    polkit = Polkit(host, """polkit.addRule(function (action, subject) {
    if (action.id.indexOf("org.libvirt.api.domain.") == 0 && subject.user == "nobody" && action.lookup("domain_name") == "web" &&
        action.lookup("connect_driver") == "QEMU")
        return polkit.Result.YES;
});
""")
    host.daemon.settings.update(unix_sock_rw_perms='"0777"', access_drivers='[ "polkit" ]')
    host.restart_daemon()
    os.chmod(host.root, 0o755)
    for name in ("web", "db"):
        host.define_sector(name)
    allowed(host, "dominfo", "db")
    allowed(host, "start", "web")
    code, _, err = as_nobody(host, "start", "db")
    check(code != 0 and "access denied" in err, err)
    if not host.is_reference:
        contains(err, "lacks the right 'start' on domain 'db': polkit does not grant org.libvirt.api.domain.start")
        contains(host.daemon.log.read_text(), "lacks the right 'start' on domain 'db'")
    allowed(host, "destroy", "web")
    if host.is_reference:
        host.expect_crash = True  # without a bus it ends
        host.stop_daemon()
    polkit.close()
