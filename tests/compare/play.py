"""Plays the script of commands and API calls against one daemon and writes down what it answers.

Runs inside the namespaces of lodgetest.inside, as a test of that runner.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import fnmatch
import json
import os
import pathlib
import shlex
import time

import libvirt

from lodgetest.host import alive, contains, kill, qemus, wait_until

HERE = pathlib.Path(__file__).resolve().parent


def read_commands(path, patterns):
    """The lines of the script; comments name sections."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if patterns:  # what follows may need what comes before: only the reports are restricted, not what is played
        pass
    return lines


class Player:
    def __init__(self, host):
        self.host = host
        self.results = []
        self.xml = host.path("xml")
        self.xml.mkdir(mode=0o755)
        for file in (HERE / "xml").glob("*.xml"):
            (self.xml / file.name).write_text(file.read_text().replace("@ROOT@", str(host.root)))
        for image in ("tiny", "passing", "full", "full2"):
            host.guests.copy("sector.img", f"{image}.img")
        for name in ("vmlinuz", "initrd"):
            host.guests.file(name)

    def note(self, command, code, out, err, seconds=0.0):
        self.results.append({"command": command, "code": code, "out": self.normal(out), "err": self.normal(err),
                             "seconds": round(seconds, 3)})

    def normal(self, text):
        """Paths of the root, in either way of writing them (libvirtd sees them mounted over the system's)."""
        root = str(self.host.root)
        text = text.replace(root, "@ROOT@")
        for path in ("/var/lib/libvirt", "/etc/libvirt", "/run/libvirt", "/var/log/libvirt", "/var/cache/libvirt"):
            text = text.replace("@ROOT@" + path, path)
        return text

    def play(self, line):
        command = line.replace("@XML@", str(self.xml)).replace("@ROOT@", str(self.host.root))
        if line.startswith("!"):
            self.direct(line, command[1:])
            return
        result = self.host.virsh(*shlex.split(command), timeout=60)
        self.note(line, result.code, result.out, result.err, result.seconds)

    def direct(self, line, command):
        word, _, rest = command.partition(" ")
        if word == "wait":
            name, _, state = rest.partition(" ")
            self.host.wait_state(name, state)
        elif word == "restart":
            self.host.restart_daemon()
        elif word == "crash":
            self.host.crash_daemon()
        elif word == "kill":
            kill(self.host.qemu_pid(rest))
        elif word == "remove":
            pathlib.Path(rest).unlink(missing_ok=True)
        elif word == "file":
            path = self.host.path(rest)
            self.note(line, int(path.exists() or path.is_symlink()), "", "")
        elif word == "reader":
            result = self.host.virsh(*shlex.split(rest), readonly=True)
            self.note(line, result.code, result.out, result.err, result.seconds)
        else:
            raise ValueError(line)

    def call(self, name, function):
        """An API call: its value, or the code and domain of its error."""
        begin = time.monotonic()
        try:
            value = function()
            text = "none" if value is None else repr(value)
            if "object at" in text:
                text = type(value).__name__
            self.note("api: " + name, 0, text + "\n", "")
        except libvirt.libvirtError as error:
            self.note("api: " + name, 1, "", f"code {error.get_error_code()} domain {error.get_error_domain()} "
                      f"level {error.get_error_level()}\n{error}\n", time.monotonic() - begin)


def settle(host):
    """A SIGTERM'd or killed daemon leaves nothing for what comes next."""
    host.ok("list")


def test_play(host):
    player = Player(host)
    patterns = os.environ.get("LODGE_COMPARE_ONLY", "").split()
    for line in read_commands(HERE / "commands.txt", patterns):
        player.play(line)
    import api
    api.play(player)
    pathlib.Path(os.environ["LODGE_COMPARE_OUT"]).write_text(json.dumps(player.results, indent=1))
