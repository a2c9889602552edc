"""The two daemons that tests run against: lodged, and Debian's libvirtd as the reference.

Both live in the namespaces of the test that started them (see inside.py) and keep everything below one root
directory with libvirt's layout. lodged takes it as --root; for libvirtd, which knows system paths only, the
directories of the root are mounted over those paths.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from .process import SLOWNESS, TestFailure, alive, clean_environment, kill, run, wait_until

# With folders for networks and pools, however empty, a daemon makes no `default` ones: most tests want none.
DIRECTORIES = ["etc/libvirt/hooks", "etc/libvirt/qemu/networks", "etc/libvirt/storage", "var/lib/libvirt/images",
               "var/lib/libvirt/qemu", "var/cache/libvirt/qemu", "var/log/libvirt/qemu", "run/libvirt"]
SANITIZER_WORDS = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer", "quarantine:")


class Daemon:
    """One daemon on one root. start() returns when it answers; stop(), kill() and restart() do what they say."""
    name = None

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.process = None
        self.log = self.root / "daemon.log"
        self.environment = {}
        self.settings = {"auth_unix_ro": '"none"', "auth_unix_rw": '"none"'}
        for directory in DIRECTORIES:
            (self.root / directory).mkdir(parents=True, exist_ok=True)
        self.prepare()

    @property
    def socket(self):
        return self.root / "run/libvirt/libvirt-sock"

    @property
    def socket_ro(self):
        return self.root / "run/libvirt/libvirt-sock-ro"

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def uri_ro(self):
        return f"qemu+unix:///system?socket={self.socket_ro}"

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def prepare(self):
        """Once, before the first start."""

    def arguments(self):
        raise NotImplementedError

    def write_config(self):
        text = "".join(f"{key} = {value}\n" for key, value in self.settings.items())
        (self.root / "etc/libvirt/libvirtd.conf").write_text(text)

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        self.write_config()
        env = clean_environment(
            ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=0:abort_on_error=0",
            UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1", **self.environment)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True, cwd="/")

    def answers(self):
        """Whether the socket accepts a connection."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
            except OSError:
                return False
        return True

    def start(self, timeout=30):
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                raise TestFailure(f"{self.name} ended at once with code {self.process.returncode}")
            return self.answers()

        wait_until(ready, f"{self.name} answers on {self.socket}", timeout)
        # The first answer to a real client may come later than the first connection.
        # A child that a killed daemon was about to start may hold its socket a moment longer.
        first = []

        def served():
            first[:] = [run(["virsh", "-c", self.uri, "uri"], timeout=timeout)]
            return first[0].code == 0 or not any(words in first[0].err for words in ("Connection refused", "Connection reset"))

        wait_until(served, f"{self.name} serves {self.socket}", timeout)
        if first[0].code != 0:
            raise TestFailure(f"{self.name} does not answer: {first[0]}")

    def stop(self, timeout=15):
        """Asks it to end (SIGTERM) and checks that it ends well."""
        if not self.process:
            return
        kill(self.process.pid, signal.SIGTERM)
        try:
            code = self.process.wait(timeout * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TestFailure(f"{self.name} did not end within {timeout * SLOWNESS:g} s of SIGTERM") from None
        self.process = None
        if code != 0:
            raise TestFailure(f"{self.name} ended with code {code} after SIGTERM")

    def kill(self):
        """kill -9, as a crash would."""
        if self.process:
            kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def running(self):
        return self.process is not None and alive(self.process.pid)

    def complaints(self):
        """Lines of its log that no daemon may ever write: reports of sanitizers."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in SANITIZER_WORDS)]


class Lodged(Daemon):
    name = "lodged"

    def __init__(self, root, binary):
        self.binary = binary
        self.more_arguments = ["--verbose"]
        super().__init__(root)

    def arguments(self):
        return [self.binary, "--root", str(self.root), "--foreground", *self.more_arguments]


class Libvirtd(Daemon):
    name = "libvirtd"
    MOUNTS = ["etc/libvirt", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt", "run/libvirt"]

    def prepare(self):
        for directory in self.MOUNTS:
            target = pathlib.Path("/") / directory
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", self.root / directory, target], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/lock"], check=False)
        self.set_up()

    def set_up(self):
        for directory in ("var/lib/libvirt/qemu", "var/cache/libvirt/qemu"):
            shutil.chown(self.root / directory, "libvirt-qemu", "kvm")
        self.settings.update(log_level=os.environ.get("LODGE_TEST_LIBVIRTD_LOG", "3"),
                             log_outputs=f'"1:file:{self.log}"', unix_sock_rw_perms='"0777"')
        # A helper daemon of libvirt's that writes QEMU's output would need a systemd of its own.
        conf = self.root / "etc/libvirt/qemu.conf"
        if not conf.exists():
            conf.write_text('stdio_handler = "file"\n')

    def arguments(self):
        return ["/usr/sbin/libvirtd", "--config", str(self.root / "etc/libvirt/libvirtd.conf"),
                "--pid-file", str(self.root / "run/libvirtd.pid")]


def make_daemon(root, which):
    """@which: 'libvirtd', or the path of a lodged."""
    if which == "libvirtd":
        return Libvirtd(root)
    return Lodged(root, which)
