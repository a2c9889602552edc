"""Programs on a pseudo terminal: a console session as a person sees it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pty
import re
import select
import subprocess
import time

from .process import SLOWNESS, TestFailure, clean_environment


class Terminal:
    """A program that runs on a terminal of its own; what it prints is collected in .seen."""

    def __init__(self, args, env=None):
        master, slave = pty.openpty()
        self.args = [str(a) for a in args]
        self.fd = master
        self.seen = ""
        self.position = 0
        self.process = subprocess.Popen(self.args, stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                                        env=env or clean_environment(TERM="dumb"), start_new_session=True)
        os.close(slave)

    def read_more(self, seconds):
        """Collects what arrives within @seconds; false at the end of the program's output."""
        ready, _, _ = select.select([self.fd], [], [], max(0, seconds))
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the last holder of the other side is gone
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, timeout=30):
        """Waits until the regular expression shows up behind what was expected before; returns the match."""
        end = time.monotonic() + timeout * SLOWNESS
        while True:
            match = re.compile(pattern).search(self.seen, self.position)
            if match:
                self.position = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0 or not self.read_more(left):
                why = "the program ended" if left > 0 else f"{timeout * SLOWNESS:g} s went by"
                raise TestFailure(f"'{' '.join(self.args)}': no '{pattern}' ({why}) in "
                                  f"{self.seen[self.position:][-2000:]!r}")

    def send(self, text):
        os.write(self.fd, text.encode())

    def command(self, line, prompt="# ", timeout=30):
        """Types a line at a shell prompt and returns what it printed."""
        begin = self.position
        self.send(line + "\n")
        self.expect(re.escape(line.split()[-1]), timeout)
        begin = self.position
        self.expect(prompt, timeout)
        return self.seen[begin:self.position]

    def wait(self, timeout=10):
        """Waits for the end of the program and returns its exit code."""
        end = time.monotonic() + timeout * SLOWNESS
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise TestFailure(f"'{' '.join(self.args)}' did not end within {timeout * SLOWNESS:g} s; "
                                  f"it printed {self.seen[-2000:]!r}")
            self.read_more(0.05)
        while self.read_more(0) and select.select([self.fd], [], [], 0)[0]:
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
