"""Running programs and waiting for conditions, always with a deadline.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import dataclasses
import os
import signal
import subprocess
import time


class TestFailure(AssertionError):
    """A condition of a test does not hold; the text says which."""


class Skip(Exception):
    """The test cannot run here; the text is the reason."""


# Programs built with sanitizers are slower: limits in tests are multiplied by this.
SLOWNESS = float(os.environ.get("LODGE_TEST_SLOWNESS", "1"))


@dataclasses.dataclass
class Result:
    """What a program did."""
    args: list
    code: int
    out: str
    err: str
    seconds: float

    def __str__(self):
        return f"{' '.join(self.args)}: exit code {self.code}\n  stdout: {self.out!r}\n  stderr: {self.err!r}"


def clean_environment(**more):
    """The environment of programs under test: nothing of the caller's language or libvirt settings."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("LIBVIRT", "VIRSH", "XDG_", "LC_", "LODGE_DEFAULT"))}
    env.update(LANG="C", LC_ALL="C", HOME="/root")
    env.update(more)
    return env


def run(args, timeout=30, stdin="", env=None, **kwargs):
    """Runs a program to its end and returns a Result; fails when it takes longer than @timeout seconds."""
    begin = time.monotonic()
    try:
        done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, text=True, errors="replace",
                              timeout=timeout * SLOWNESS, env=env or clean_environment(), **kwargs)
    except subprocess.TimeoutExpired as error:
        raise TestFailure(f"'{' '.join(map(str, args))}' did not end within {timeout * SLOWNESS:g} s; "
                          f"so far: {error.stdout!r} {error.stderr!r}") from None
    return Result([str(a) for a in args], done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def wait_until(condition, what, timeout=10, interval=0.02):
    """Waits until @condition() is true and returns its value; fails, naming @what, after @timeout seconds."""
    end = time.monotonic() + timeout * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TestFailure(f"not within {timeout * SLOWNESS:g} s: {what}")
        time.sleep(interval)


def cmdline(pid):
    """The arguments of a process; an empty list when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [a.decode(errors="replace") for a in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def processes():
    """{pid: arguments} of all processes that this PID namespace shows, without zombies and kernel threads."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            args = cmdline(entry)
            if args:
                found[int(entry)] = args
    return found


def qemus():
    """{pid: arguments} of the QEMU processes that run a machine (not those that a daemon probes)."""
    return {pid: args for pid, args in processes().items()
            if "qemu-system" in args[0] and any(a.startswith("guest=") for a in args)}


def alive(pid):
    """Whether the process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(pid, number=signal.SIGKILL):
    """Sends a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
