#!/usr/bin/python3
"""Plays scenarios against one daemon, inside the testbed, and writes down what it answered.

usage: play.py DAEMON OUT SCENARIO...      DAEMON: libvirtd, or the path of lodged

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 300
SHELL_LIMIT_S = 1200  # a cluster of Ceph takes minutes to come up


def start(daemon, root, qemu_conf):
    """Starts it with these lines in its qemu.conf; returns the process and the address for virsh."""
    log = open(f"/tmp/log-{pathlib.Path(daemon).name}", "wb")
    # Programs are slow here.
    conf = pathlib.Path(f"{'' if daemon == 'libvirtd' else root}/etc/libvirt/libvirtd.conf")
    conf.parent.mkdir(parents=True, exist_ok=True)
    with open(conf, "a", encoding="utf-8") as file:
        file.write("\novs_timeout = 60\n" + ("" if daemon == "libvirtd" else "start_timeout = 300\n"))
    with open(conf.parent / "qemu.conf", "a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(qemu_conf) + "\n")
    if daemon == "libvirtd":
        subprocess.run(["virtlogd", "--daemon"], check=False)  # machines write their logs through it
        env = dict(os.environ, LIBVIRT_LOG_FILTERS="1:util.command 1:storage",
                   LIBVIRT_LOG_OUTPUTS="1:file:/tmp/log-libvirtd")
        process = subprocess.Popen(["libvirtd"], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        uri = "qemu:///system"
    else:
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0")
        process = subprocess.Popen([daemon, *(["--root", root] if root else []), "--foreground", "--verbose"], env=env, stdout=log,
                                   stderr=log, stdin=subprocess.DEVNULL)
        uri = f"qemu+unix:///system?socket={root}/run/libvirt/libvirt-sock"
    deadline = time.monotonic() + 600
    while subprocess.run(["virsh", "-c", uri, "pool-list"], capture_output=True, check=False).returncode != 0:
        if time.monotonic() > deadline or process.poll() is not None:
            sys.exit(f"{daemon} does not start: " + pathlib.Path(log.name).read_text(errors="replace")[-4000:])
        time.sleep(1)
    return process, uri


class Virsh:
    """One virsh for all commands: in the guest, starting one costs more than what it asks for."""

    def __init__(self, uri):
        self.count = 0
        self.process = subprocess.Popen(["virsh", "-c", uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd="/", bufsize=0)
        self.ask("pwd")

    def ask(self, command):
        begin = time.monotonic()
        self.count += 1
        end = f"@@{self.count}@@".encode()
        self.process.stdin.write(f"{command}\necho {end.decode()}\n".encode())
        said = b""
        while end not in said.replace(b"echo " + end, b""):
            ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not more:
                said += b"error: no answer\n"
                break
            said += more
        lines = [line for line in said.replace(end, b"").decode(errors="replace").splitlines() if "virsh # " not in line]
        code = int(any(line.startswith("error: ") for line in lines))
        return {"code": code, "out": "\n".join(lines) + "\n", "err": "",
                "seconds": round(time.monotonic() - begin, 2)}


def run(argv, uri):
    begin = time.monotonic()
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=SHELL_LIMIT_S, cwd="/",
                              stdin=subprocess.DEVNULL, env=dict(os.environ, LIBVIRT_DEFAULT_URI=uri), check=False)
        answer = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    except subprocess.TimeoutExpired:
        answer = {"code": 124, "out": "", "err": f"no end within {SHELL_LIMIT_S} s\n"}
    return answer | {"seconds": round(time.monotonic() - begin, 2)}


def blocks(text):
    """(kind, command) of each command: lines of shell that follow one another are one."""
    shell = []
    for line in text.splitlines() + ["#"]:
        if line.startswith("$ "):
            shell.append(line[2:])
            continue
        if shell:
            yield "$", "\n".join(shell)
            shell = []
        if line.startswith(("= ", "! ")):
            yield line[0], line[2:]
        elif line and not line.startswith("#"):
            yield "virsh", line


def play(path, uri, out):
    """Writes each answer at once: a run that is cut off has shown something, too."""
    virsh = Virsh(uri)
    for kind, command in blocks(pathlib.Path(path).read_text()):
        if "@HOST@" in command:
            command = command.replace("@HOST@", pathlib.Path("/tmp/host").read_text().strip())
        if kind == "virsh":
            answer = virsh.ask(command)
        else:
            # Background jobs must not hold our pipes.
            answer = run(["bash", "-c", f". {HERE}/helpers.sh\n{command}"], uri)
        answer = {"scenario": pathlib.Path(path).stem, "kind": kind, "command": command} | answer
        out.write(json.dumps(answer) + "\n")
        out.flush()
        os.fsync(out.fileno())  # the guest ends by being switched off
        print(f"{answer['seconds']:6.2f} s  {answer['code']:3}  {kind} {command.splitlines()[0]}", file=sys.stderr,
              flush=True)


def main():
    # Scenarios format disks and reset device mapper: never on a machine that anybody needs.
    if not pathlib.Path("/usr/lib/testbed/agent").exists() or socket.gethostname() != "testbed":
        sys.exit("this is not the testbed: refusing to play here")
    daemon, out, *scenarios = sys.argv[1:]
    for folder in ("/run/lock", "/run/libvirt"):
        os.makedirs(folder, exist_ok=True)
    for program in pathlib.Path("/usr/bin").glob("qemu-system-*"):
        program.chmod(0o644)  # asking QEMU what it can do would cost a daemon minutes here
    if pathlib.Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "stop", *(f"{name}{kind}" for name in ("libvirtd", "virtlogd", "virtlockd")
                                               for kind in (".socket", "-ro.socket", "-admin.socket", ".service"))],
                       capture_output=True, check=False)
    os.environ["PATH"] += ":/build/cli"
    first = pathlib.Path(scenarios[0]).read_text()
    process, uri = start(daemon, "" if "# root: /\n" in first else "/tmp/lodge",
                         re.findall(r"(?m)^# qemu\.conf: (.*)$", first))
    with open(out, "w", encoding="utf-8") as file:
        for path in scenarios:
            play(path, uri, file)
            if process.poll() is not None:
                print(f"{daemon} ended with {process.returncode}", file=sys.stderr)
                break
    died = process.poll() is not None
    process.terminate()
    process.wait(30)
    return 1 if died else 0


sys.exit(main())
