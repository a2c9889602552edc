"""One host under test: a daemon on its own root, its machines, and the clients that drive it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import signal
import threading
import time

import libvirt

from .console import Terminal
from .daemon import make_daemon
from .guests import Guests
from .net import Station, bridges_with_rules, links, our_tables
from .process import (SLOWNESS, Skip, TestFailure, alive, clean_environment, kill, processes, qemus, run, wait_until)

libvirt.registerErrorHandler(lambda context, error: None, None)  # errors are checked, not printed


def fail(text):
    raise TestFailure(text)


def check(condition, text):
    if not condition:
        fail(text)


def equal(got, wanted, what="value"):
    if got != wanted:
        fail(f"{what}: got {got!r}, wanted {wanted!r}")


def contains(text, *parts):
    """Each part must occur in the text."""
    for part in parts:
        if part not in str(text):
            fail(f"no {part!r} in {text}")


def raises(code, function, *args, domain=None, text=None, **kwargs):
    """The libvirt call must fail with this error code (and domain, and words); returns the error."""
    try:
        value = function(*args, **kwargs)
    except libvirt.libvirtError as error:
        if error.get_error_code() != code:
            fail(f"error code {error.get_error_code()} ({error}), wanted {code}")
        if domain is not None and error.get_error_domain() != domain:
            fail(f"error domain {error.get_error_domain()} ({error}), wanted {domain}")
        if text is not None and text not in str(error):
            fail(f"error text {error}, wanted {text!r} in it")
        return error
    return fail(f"no error but {value!r}, wanted error code {code}")


class Loop:
    """python-libvirt's event loop in a thread."""

    def __init__(self):
        libvirt.virEventRegisterDefaultImpl()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            libvirt.virEventRunDefaultImpl()


class Host:
    """The daemon, and short ways to use it. Made by the runner for each test; tests get it as their argument."""

    def __init__(self, root, daemon):
        self.root = pathlib.Path(root)
        self.daemon = self.make_daemon(root, daemon)
        self.guests = Guests(root)
        self.connections = []
        self.terminals = []
        self.stations = []
        self.main_connection = None
        self.near = None  # of a far host (pair.py): the test's own
        self.expect_crash = False  # a test that kills the daemon for good says so

    def make_daemon(self, root, which):
        return make_daemon(root, which)

    # -- the daemon ---------------------------------------------------------------------------------------------

    @property
    def is_reference(self):
        return self.daemon.name == "libvirtd"

    def start_daemon(self):
        self.daemon.start()

    def drop_connections(self):
        for conn in self.connections:
            try:
                conn.close()
            except libvirt.libvirtError:
                pass
        self.connections = []
        self.main_connection = None

    def stop_daemon(self):
        self.drop_connections()
        self.daemon.stop()

    def kill_daemon(self):
        """kill -9"""
        self.daemon.kill()
        self.drop_connections()

    def restart_daemon(self):
        self.stop_daemon()
        self.daemon.start()

    def crash_daemon(self):
        """kill -9, then start again."""
        self.kill_daemon()
        self.daemon.start()

    def reboot(self):
        """What a reboot of the host does: everything ends hard, and what lies in /run is lost."""
        self.kill_daemon()
        for pid in qemus():
            kill(pid)
        wait_until(lambda: not qemus(), "the machines are gone")
        for pid, args in processes().items():
            if "dnsmasq" in args[0]:
                kill(pid)
        for name in [name for name in links() if name.startswith(("virbr", "macvtap"))]:
            run(["ip", "link", "del", name])
        for table in our_tables():
            run(["nft", "delete", "table", "bridge" if table == "lodge_filter" else "inet", table])
        runtime = self.path("run/libvirt")
        for path in sorted(runtime.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        self.daemon.start()

    # -- clients ------------------------------------------------------------------------------------------------

    def virsh(self, *args, timeout=30, readonly=False, stdin="", env=None):
        uri = self.daemon.uri_ro if readonly else self.daemon.uri
        flags = ["-r"] if readonly else []
        return run(["virsh", "-c", uri, *flags, *args], timeout=timeout, stdin=stdin, env=env)

    @property
    def lodge_program(self):
        """The command line that was built beside the daemon; it works against libvirtd too."""
        given = os.environ.get("LODGE_TEST_CLI")
        if given:
            return given
        if self.is_reference:
            raise Skip("LODGE_TEST_CLI is not set")
        return str(pathlib.Path(self.daemon.binary).parents[1] / "cli/lodge")

    def lodge(self, *args, timeout=30, stdin="", env=None):
        return run([self.lodge_program, "-c", self.daemon.uri, *args], timeout=timeout, stdin=stdin, env=env)

    def lodge_ok(self, *args, **kwargs):
        result = self.lodge(*args, **kwargs)
        if result.code != 0:
            fail(str(result))
        return result.out

    def ok(self, *args, **kwargs):
        """A virsh command that must succeed; returns its output."""
        result = self.virsh(*args, **kwargs)
        if result.code != 0:
            fail(str(result))
        return result.out

    def refused(self, *args, says="error:", code=1, **kwargs):
        """A virsh command that must fail with these words on stderr; returns them."""
        result = self.virsh(*args, **kwargs)
        if result.code != code or says not in result.err:
            fail(f"wanted exit code {code} and {says!r}: {result}")
        return result.err

    def open(self, readonly=False):
        """A connection of python-libvirt of its own."""
        conn = libvirt.openReadOnly(self.daemon.uri_ro) if readonly else libvirt.open(self.daemon.uri)
        self.connections.append(conn)
        return conn

    @property
    def conn(self):
        if not self.main_connection:
            self.main_connection = self.open()
        return self.main_connection

    def terminal(self, *args, env=None):
        """virsh on a terminal of its own."""
        terminal = Terminal(["virsh", "-c", self.daemon.uri, *args], env=env)
        self.terminals.append(terminal)
        return terminal

    def console(self, name, *options):
        """A console session that is attached."""
        terminal = self.terminal("console", name, *options)
        terminal.expect(r"Escape character is \^\]")
        return terminal

    # -- machines -----------------------------------------------------------------------------------------------

    def define(self, xml):
        return self.conn.defineXML(xml)

    def define_sector(self, name="tiny", **parts):
        return self.define(self.guests.sector(name, **parts))

    def start_sector(self, name="tiny", **parts):
        dom = self.define_sector(name, **parts)
        dom.create()
        return dom

    def start_demo(self, name="demo", **parts):
        """The demo guest, started; its console tells when it is ready (booted())."""
        dom = self.define(self.guests.demo(name, **parts))
        dom.create()
        return dom

    def booted(self, name):
        """A console session at the prompt of the demo guest, which may be on its way up or waiting already."""
        return self.at_prompt(self.console(name), name)

    @staticmethod
    def at_prompt(console, name):
        """Brings a console session that is being attached to the prompt of the demo guest."""
        end = time.monotonic() + 60 * SLOWNESS
        while True:
            console.send("\n")  # again and again: virsh drops what is typed before it has opened the console
            try:
                console.expect(rf"{name}:\S*# ", timeout=1 / SLOWNESS)
                break
            except TestFailure:
                if time.monotonic() > end or console.process.poll() is not None:
                    raise
        # Whatever the extra newlines still print is behind this mark.
        console.send("echo at-$((40 + 2))\n")
        console.expect(rf"at-42\s+{name}:\S*# ")
        return console

    def state(self, name):
        return self.ok("domstate", name).strip()

    def wait_state(self, name, wanted, timeout=20):
        wait_until(lambda: self.state(name) == wanted, f"'{name}' is {wanted}", timeout, interval=0.05)

    def qemu_pid(self, name):
        """The process of a running machine, from its pid file."""
        text = self.path(f"run/libvirt/qemu/{name}.pid").read_text().strip()
        return int(text)

    # -- networks -----------------------------------------------------------------------------------------------

    def station(self, *args, **kwargs):
        """A network namespace that stands in for a guest or another host (net.Station)."""
        self.stations.append(Station(*args, **kwargs))
        return self.stations[-1]

    def network(self, xml, start=True):
        network = self.conn.networkDefineXML(xml)
        if start:
            network.create()
        return network

    # -- files --------------------------------------------------------------------------------------------------

    def path(self, relative):
        return self.root / relative

    def config_file(self, name):
        return self.path(f"etc/libvirt/qemu/{name}.xml")

    def write(self, relative, text, mode=0o644):
        path = self.path(relative)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def write_xml(self, xml, name="given.xml"):
        return str(self.write(name, xml))

    def script(self, relative, text):
        return self.write(relative, text, 0o755)

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self):
        """Ends machines and daemon the regular way and checks that nothing stays behind."""
        for terminal in self.terminals:
            terminal.close()
        for station in self.stations:
            station.close()
        if self.daemon.running():
            self.end_machines()
            self.end_networks()
            self.stop_daemon()
        else:
            self.drop_connections()
            if self.daemon.process is not None and not self.expect_crash:
                fail(f"{self.daemon.name} crashed: code {self.daemon.process.poll()}")
        complaints = self.daemon.complaints()
        if complaints:
            fail("the daemon's log reports: " + complaints[0])
        self.check_nothing_left()

    def end_machines(self):
        for dom in self.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            try:
                dom.destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
                    raise

    def end_networks(self):
        for network in self.conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            network.destroy()

    def check_nothing_left(self):
        for pid, args in qemus().items():
            fail(f"a QEMU is left: {pid}: {' '.join(args)[:200]}")
        runtime = self.path("run/libvirt/qemu")
        left = [p.name for pattern in ("*.pid", "*.xml") for p in runtime.glob(pattern)] if runtime.exists() else []
        if left:
            fail(f"files of machines are left in run/libvirt/qemu: {left}")
        if self.is_reference:
            return
        left = [name for name in links() if name.startswith(("virbr", "vnet", "macvtap"))] + our_tables()
        left += [p.name for p in self.path("run/libvirt/network").glob("*.xml")]
        left += [args for args in processes().values() if "dnsmasq" in args[0]]
        if left:
            fail(f"something of a network is left: {left}")
        for socket in (self.daemon.socket, self.daemon.socket_ro):
            check(not socket.exists(), f"{socket} is left after the daemon's end")


__all__ = ["Host", "check", "equal", "contains", "raises", "fail", "wait_until", "run", "kill", "alive", "processes",
           "qemus", "links", "our_tables", "bridges_with_rules", "Skip", "TestFailure", "Terminal", "Loop", "clean_environment", "SLOWNESS", "signal", "time", "os", "libvirt"]
