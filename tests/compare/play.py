"""Plays the script of commands and API calls against one daemon and writes down what it answers.

Runs inside the namespaces of lodgetest.inside, as a test of that runner.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import importlib
import json
import os
import pathlib
import shlex
import subprocess
import time

import libvirt

from lodgetest.agent import GOOD, Refusal, channel_state, start_scripted
from lodgetest.host import TestFailure, kill
from lodgetest.process import run, wait_until

HERE = pathlib.Path(__file__).resolve().parent
# Name of a script: its commands, and the module of its API calls.
SCRIPTS = {"storage": ("storage.txt", "api_storage"), "machines": ("commands.txt", "api"),
           "network": ("network.txt", None), "host": ("host.txt", "api_host"),
           "nwfilter": ("nwfilter.txt", None), "interface": ("interface.txt", None), "tuning": ("tuning.txt", None),
           "agent": ("agent.txt", None), "blockjobs": ("blockjobs.txt", None)}

SCRIPTS["snapshots"] = ("snapshots.txt", "api_snapshots")
SCRIPTS["checkpoints"] = ("checkpoints.txt", "api_checkpoints")


def read_commands(path):
    """The lines of the script; comments name sections."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


class Player:
    def __init__(self, host):
        self.host = host
        self.results = []
        self.xml = host.path("xml")
        self.xml.mkdir(mode=0o755)
        for file in (HERE / "xml").glob("*.xml"):
            (self.xml / file.name).write_text(file.read_text().replace("@ROOT@", str(host.root)))
        for filter in host.conn.listAllNWFilters():  # the reference's host has none
            filter.undefine()
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
            try:
                self.direct(line, command[1:])
            except (TestFailure, OSError, ValueError) as failure:
                self.note(line, 99, "", f"the harness: {failure}\n")
            self.revive(line)
            return
        command = command.replace("@POOLS@", str(self.host.path("pools")))
        result = self.host.virsh(*shlex.split(command), timeout=60)
        self.note(line, result.code, result.out, result.err, result.seconds)
        self.revive(line)

    def revive(self, line):
        """A daemon that crashed is started again, so that the rest of the script still tells something."""
        if not self.host.daemon.running():
            self.host.drop_connections()
            self.results[-1]["crashed"] = True
            self.host.daemon.start()

    def direct(self, line, command):
        word, _, rest = command.partition(" ")
        if word == "wait":
            name, _, state = rest.partition(" ")
            self.host.wait_state(name, state)
        elif word == "device":
            name, _, state = rest.partition(" ")
            if self.host.is_reference:  # it hears of devices by udev alone, which does not run here
                return
            wait_until(lambda: (name in self.host.virsh("nodedev-list", "--cap", "net").out.split()) == (state == "here"),
                       f"the device {name} is {state}")
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
        elif word == "sh":
            result = run(["sh", "-c", rest.replace("@ROOT@", str(self.host.root)).replace("@POOLS@", ".")], cwd=self.host.path("pools"), timeout=60)
            self.note(line, result.code, result.out, result.err, result.seconds)
        elif word == "agent":
            self.agent_does(rest)
        elif word == "quiet":
            self.host.virsh(*shlex.split(rest))
        elif word == "reader":
            result = self.host.virsh(*shlex.split(rest), readonly=True)
            self.note(line, result.code, result.out, result.err, result.seconds)
        else:
            raise ValueError(line)

    def agent_does(self, what):
        """What the guest's agent answers from now on; "start": the machine 'agent' is started first."""
        if what == "start":
            self.agent, self.console = start_scripted(self.host, {}, name="agent", vcpus=4)
        elif what == "end":
            self.console.send("kill %1; killall cat; killall sh\n")
            wait_until(lambda: channel_state(self.host, "agent") == "disconnected", "the agent has ended")
        elif what == "answers":
            self.agent.answers.update(GOOD)
        else:
            value = {"refuses": Refusal("no such luck"), "number": 7, "empty": {}}[what]
            self.agent.answers.update({name: value for name in GOOD})

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


def make_pools(host):
    """A file system of a known size, so that what pools say of theirs can be compared; each script gets one of
    its own, on top of the last one's: how far a job of another script came is not to be seen there."""
    pools = host.path("pools")
    pools.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0755", "tmpfs", pools], check=True)


def test_play(host):
    player = Player(host)
    for name in os.environ["LODGE_COMPARE_SCRIPTS"].split():
        commands, calls = SCRIPTS[name]
        make_pools(host)
        for line in read_commands(HERE / commands):
            player.play(line)
        if not calls:
            continue
        try:
            importlib.import_module(calls).play(player)
        except libvirt.libvirtError as error:
            player.note(f"api: all of {calls}", 99, "", f"stopped: {error}\n")
    pathlib.Path(os.environ["LODGE_COMPARE_OUT"]).write_text(json.dumps(player.results, indent=1))
