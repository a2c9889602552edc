"""Session mode: a daemon of a user without privileges, on that user's directories.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pwd
import shutil
import subprocess

from lodgetest.guests import document
from lodgetest.host import *
from lodgetest.runner import mark

USER = "nobody"


class Session:
    """The daemon as an ordinary user, and virsh as that user."""

    def __init__(self, host, qemu_conf=""):
        self.host = host
        self.home = host.path("home")
        self.runtime = host.path("runtime")
        for directory in (self.home, self.runtime):
            directory.mkdir(mode=0o700)
            shutil.chown(directory, USER, "nogroup")
        if host.is_reference:  # else it starts a log daemon that outlives it
            qemu_conf += 'stdio_handler = "file"\n'
        if qemu_conf:
            conf = self.home / ".config/libvirt/qemu.conf"
            conf.parent.mkdir(parents=True)
            conf.write_text(qemu_conf)
            for path in (conf, conf.parent, conf.parent.parent):
                shutil.chown(path, USER, "nogroup")
        self.env = clean_environment(HOME=str(self.home), XDG_RUNTIME_DIR=str(self.runtime), USER=USER)
        self.log = open(host.path("session.out"), "wb")
        program = ["/usr/sbin/libvirtd"] if host.is_reference else [host.daemon.binary, "--foreground", "--verbose"]
        self.process = subprocess.Popen(["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", *program],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.env,
                                        cwd="/")
        socket = self.runtime / "libvirt/libvirt-sock"
        wait_until(lambda: socket.exists(), f"the daemon listens on {socket}")

    def virsh(self, *args):
        return run(["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", "virsh", "-c",
                    "qemu:///session", *args], env=self.env, cwd="/")

    def ok(self, *args):
        result = self.virsh(*args)
        check(result.code == 0, str(result))
        return result.out

    def refused(self, *args):
        result = self.virsh(*args)
        check(result.code != 0, str(result))
        return result.err

    def close(self):
        self.process.terminate()
        code = self.process.wait(15)
        check(code == 0, f"the session daemon ended with {code}")


@mark(daemon=False)
def test_machine_in_a_session(host):
    session = Session(host)
    equal(session.ok("uri").strip(), "qemu:///session")
    xml = host.path("tiny.xml")
    xml.write_text(document("tiny"))
    xml.chmod(0o644)
    session.ok("define", str(xml))
    session.ok("start", "tiny")
    equal(session.ok("domstate", "tiny").strip(), "running")
    pid = next(iter(qemus()))
    equal(os.stat(f"/proc/{pid}").st_uid, pwd.getpwnam(USER).pw_uid, "user of QEMU")
    check((session.home / ".config/libvirt/qemu/tiny.xml").exists(), "the definition is not in the user's directory")
    session.ok("destroy", "tiny")
    session.ok("undefine", "tiny")
    session.close()
