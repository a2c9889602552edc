"""What tests of storage that hangs share.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import statistics
import subprocess
import sys

from lodgetest.host import *


def p99(function, count=100):
    """Seconds that 99 % of @count calls stay below."""
    times = []
    for _ in range(count):
        begin = time.monotonic()
        function()
        times.append(time.monotonic() - begin)
    return statistics.quantiles(times, n=100)[98]


class HangingStorage:
    """A FUSE file system that stops answering on request (hangfs.py)."""

    def __init__(self, host, *options):
        self.backing = host.path("backing")
        self.mount = host.path("storage")
        self.flag = host.path("storage-hangs")
        self.backing.mkdir()
        self.mount.mkdir()
        self.backing.chmod(0o777)
        script = pathlib.Path(__file__).with_name("hangfs.py")
        with open(host.path("hangfs.out"), "wb") as out:
            self.process = subprocess.Popen([sys.executable, script, self.backing, self.mount, self.flag, *options],
                                            stdout=out, stderr=out)
        wait_until(lambda: os.path.ismount(self.mount), "the file system is mounted")

    def hang(self):
        self.flag.touch()

    def answer(self):
        self.flag.unlink(missing_ok=True)

    def break_writes(self):
        self.flag.with_name(self.flag.name + ".broken").touch()

    def close(self):
        self.answer()
        subprocess.run(["umount", "-l", self.mount], check=False)
        self.process.terminate()
        self.process.wait(10)
