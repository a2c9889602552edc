"""The measurements of one daemon; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import json
import os
import pathlib
import re
import shlex
import socket
import statistics
import subprocess
import threading
import time

from lodgetest.host import *
from lodgetest.wire import REPLY, Wire, encode, procedure

ACTIVE, INACTIVE = 1, 2


class Client(Wire):
    """Sends ready-made frames and times the replies.

    timed() is for what takes milliseconds; timed_all() leaves the work to a small C program, because python's own
    time would count for as much as the daemon's."""

    def prepare(self, call, /, **arguments):
        identity, version, number, args, _ = procedure(call)
        return identity, version, number, encode(args, arguments) if args else b""

    def timed(self, prepared):
        """Seconds from sending the call to having its reply; fails when the reply is an error."""
        identity, version, number, payload = prepared
        serial = self.serial
        self.serial += 1
        frame = self.frame(identity, version, number, serial, payload)
        begin = time.perf_counter()
        self.socket.sendall(frame)
        while True:
            _, _, _, kind, got, status, answer = self.read()
            if kind == REPLY and got == serial:
                break
        seconds = time.perf_counter() - begin
        check(status == 0, f"procedure {number} failed: {answer[:300]!r}")
        return seconds


@contextlib.contextmanager
def on_one_processor(pid):
    """This process and the daemon share one processor. Otherwise the figures tell of luck: waking an idle processor
    of a virtual machine takes longer than a whole call, and whether that happens changes from run to run."""
    everywhere = os.sched_getaffinity(0)

    def confine(processors):
        os.sched_setaffinity(0, processors)
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), processors)

    confine({max(everywhere)})
    try:
        yield
    finally:
        confine(everywhere)


def timed_all(host, calls):
    """The seconds of each of the @calls, one after the other on a connection of their own."""
    client = Client(host.daemon.socket)
    client.close()
    first = [client.prepare("auth_list"), client.prepare("connect_open", name="qemu:///system", flags=0)]
    frames = b"".join(client.frame(identity, version, number, serial, payload)
                      for serial, (identity, version, number, payload) in enumerate([*first, *calls]))
    with on_one_processor(host.daemon.pid):
        done = subprocess.run([os.environ["LODGE_BENCH_CALLS"], str(host.daemon.socket)], input=frames,
                              stdout=subprocess.PIPE, check=True)
    answers = [line.split() for line in done.stdout.decode().splitlines()][len(first):]
    check(len(answers) == len(calls), f"{len(answers)} answers to {len(calls)} calls")
    check(all(status == "0" for _, status in answers), "a call failed")
    return [int(nanoseconds) / 1e9 for nanoseconds, _ in answers]


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def median_of(count, function):
    return statistics.median(function() for _ in range(count))


def document(host, name):
    """A small machine without a guest, the same for all: what is measured is the daemon and QEMU."""
    return host.guests.sector(name)


def measure_starts(host, client, options, results):
    starts, destroys = [], []
    for number in range(options["starts"] + 1):
        name = f"start{number}"
        dom = client.call("domain_define_xml", xml=document(host, name))["dom"]
        create = client.prepare("domain_create", dom=dom)
        destroy = client.prepare("domain_destroy", dom=dom)
        starts.append(client.timed(create))
        destroys.append(client.timed(destroy))
        client.call("domain_undefine", dom=dom)
    results["start_first"] = starts[0]
    results["start"] = statistics.median(starts[1:])
    results["destroy"] = statistics.median(destroys[1:])


def measure_parallel(host, client, options, results):
    """All at once, each on a connection of its own; the machines stay for the statistics."""
    doms = [client.call("domain_define_xml", xml=document(host, f"run{n}"))["dom"]
            for n in range(options["running"])]
    clients = [Client(host.daemon.socket, timeout=120).open() for _ in doms]
    calls = [c.prepare("domain_create", dom=d) for c, d in zip(clients, doms)]
    seconds = [None] * len(doms)
    barrier = threading.Barrier(len(doms) + 1)

    def go(number):
        barrier.wait()
        seconds[number] = clients[number].timed(calls[number])

    threads = [threading.Thread(target=go, args=(n,)) for n in range(len(doms))]
    for thread in threads:
        thread.start()
    barrier.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    results["parallel_all"] = time.perf_counter() - begin
    results["parallel_each"] = statistics.median(seconds)
    for one in clients:
        one.close()
    return doms


def measure_queries(host, client, doms, options, results):
    repeat = 20 if options["quick"] else 100

    def median_time(calls):
        return statistics.median(timed_all(host, calls))

    results["empty"] = median_time([client.prepare("connect_get_lib_version")] * repeat * 5)
    everything = client.prepare("connect_list_all_domains", need_results=1, flags=ACTIVE | INACTIVE)
    results["list"] = median_time([everything] * repeat)
    results["xml"] = median_time([client.prepare("domain_get_xml_desc", dom=d, flags=0) for d in doms] * 3)
    results["info"] = median_time([client.prepare("domain_get_info", dom=d) for d in doms] * 3)


def measure_stats(client, results):
    stats = client.prepare("connect_get_all_domain_stats", doms=[], stats=0, flags=ACTIVE)
    results["stats"] = median_of(15, lambda: client.timed(stats))


def logged_command(log):
    """The last command line in a machine's log: environment and arguments."""
    text = log.read_text(errors="replace")
    blocks = re.findall(r"(?ms)^LC_ALL=C.*?[^\\]$", text)
    check(blocks, f"no command line in {log}: {text[-500:]}")
    words = shlex.split(blocks[-1].replace("\\\n", " "))
    environment = {}
    while "=" in words[0] and not words[0].startswith("/"):
        key, _, value = words.pop(0).partition("=")
        environment[key] = value
    return environment, words


class ByHand:
    """Starts QEMU with the arguments of a machine's log; what the daemon passed as open descriptors is made anew."""

    def __init__(self, host, name, make_tap=None):
        """@make_tap: returns a tap as an open file; called for each interface of the machine."""
        self.host = host
        self.name = name
        self.make_tap = make_tap
        self.environment, self.words = logged_command(host.path(f"var/log/libvirt/qemu/{name}.log"))
        # The secret for the start is in a directory that goes with the machine.
        self.folder = next(host.path("var/lib/libvirt/qemu").glob(f"domain-*-{name}"), None)
        self.copy = host.path(f"by-hand-{name}")
        if self.folder:
            subprocess.run(["cp", "-a", self.folder, self.copy], check=True)
        self.process = None
        self.stream = None
        self.keep = []

    def make_ready(self):
        """Once the machine of the daemon's is gone."""
        if self.folder and not self.folder.exists():
            self.copy.rename(self.folder)

    def arguments(self, monitor):
        """The command line with its descriptors replaced: @monitor takes the place of the monitor's socket."""
        words = list(self.words)
        for number, word in enumerate(words):
            if "charmonitor" in word and ("socket" in word or '"backend"' in word) and number > 0 \
                    and words[number - 1] == "-chardev":
                words[number] = f"socket,id=charmonitor,fd={monitor},server=on,wait=off"
            elif re.search(r"\bfd=\d+|\"fd\":\s*\"?\d+", word) and words[number - 1] == "-chardev":
                other = socket.socket(socket.AF_UNIX)
                other.bind("\0by-hand-%s-%d" % (self.name, number))
                other.listen(1)
                self.keep.append(other)
                words[number] = re.sub(r"(fd=|\"fd\":\s*\"?)\d+", lambda m: m.group(1) + str(other.fileno()), word)
            elif words[number - 1] == "-netdev" and re.search(r"fd\"?[=:]", word):
                tap = self.make_tap()
                self.keep.append(tap)
                words[number] = re.sub(r"(fd=|\"fd\":\s*\"?)\d+", lambda m: m.group(1) + str(tap.fileno()), word)
            elif words[number - 1] == "-add-fd":
                null = open("/dev/null", "r+b", buffering=0)
                self.keep.append(null)
                words[number] = re.sub(r"fd=\d+", f"fd={null.fileno()}", word)
        return words

    def prepare(self):
        """All that is not QEMU's work."""
        listener = socket.socket(socket.AF_UNIX)
        path = str(self.host.path(f"by-hand-{self.name}.sock"))
        pathlib.Path(path).unlink(missing_ok=True)
        listener.bind(path)
        listener.listen(1)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(120)
        client.connect(path)
        self.stream = client.makefile("rwb")
        self.keep = [listener, client, open(self.host.path("by-hand.out"), "ab")]
        self.words_now = self.arguments(listener.fileno())

    def spawn(self):
        out = self.keep[2]
        self.process = subprocess.Popen(self.words_now, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                                        stderr=out, pass_fds=[one.fileno() for one in (self.keep[0], *self.keep[3:])])

    def greeted(self):
        check(b"QMP" in self.stream.readline(), f"no greeting of QEMU by hand ({self.name})")

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        for one in self.keep:
            one.close()

    def run(self):
        """Seconds from the spawn to the answer to 'cont'."""
        self.prepare()
        try:
            begin = time.perf_counter()
            self.spawn()
            self.greeted()
            for command in (b"qmp_capabilities", b"cont"):
                self.stream.write(b'{"execute":"' + command + b'"}\n')
                self.stream.flush()
                while b'"return"' not in self.stream.readline():
                    pass
            return time.perf_counter() - begin
        finally:
            self.end()


def measure_by_hand(host, client, options, results):
    name = "hand"
    dom = client.call("domain_define_xml", xml=document(host, name))["dom"]
    client.call("domain_create", dom=dom)
    hand = ByHand(host, name)
    client.call("domain_destroy", dom=dom)
    client.call("domain_undefine", dom=dom)
    hand.make_ready()
    hand.run()
    results["hand"] = median_of(options["starts"], hand.run)


def measure_parallel_by_hand(hands, results):
    """The floor of parallel starts: nothing is done but to spawn them all and to wait for the greeting of the last."""
    for hand in hands:
        hand.make_ready()
        hand.prepare()
    try:
        begin = time.perf_counter()
        for hand in hands:
            hand.spawn()
        for hand in hands:
            hand.greeted()
        results["parallel_hand"] = time.perf_counter() - begin
    finally:
        for hand in hands:
            hand.end()


def test_measure(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    if not host.is_reference:
        host.daemon.more_arguments = []
    host.daemon.start()
    host.ok("capabilities")  # the emulators are probed: this is not what is measured here
    if host.is_reference:
        host.ok("domcapabilities")
    host.restart_daemon()
    client = Client(host.daemon.socket, timeout=120).open()
    client.call("connect_get_lib_version")
    results["rss_idle"] = rss_mib(host.daemon.pid)
    measure_starts(host, client, options, results)
    documents = [document(host, f"defined{n}") for n in range(options["defined"])]
    defines = [client.prepare("domain_define_xml", xml=xml) for xml in documents]
    results["define"] = statistics.median(timed_all(host, defines))
    results["rss_defined"] = rss_mib(host.daemon.pid)
    doms = [client.call("domain_lookup_by_name", name=f"defined{n}")["dom"] for n in range(options["defined"])]
    measure_queries(host, client, doms, options, results)
    running = measure_parallel(host, client, options, results)
    time.sleep(5)  # until the guests' firmware is done, however fast they were started
    measure_stats(client, results)
    results["rss_running"] = rss_mib(host.daemon.pid)
    try:
        hands = [ByHand(host, f"run{n}") for n in range(len(running))]
        for dom in running:
            client.call("domain_destroy", dom=dom)
        measure_parallel_by_hand(hands, results)
        measure_by_hand(host, client, options, results)
    except (TestFailure, OSError, ValueError) as error:
        print(f"QEMU by hand could not be measured: {error}")
        out = host.path("by-hand.out")
        print(out.read_text(errors="replace")[-500:] if out.exists() else "")
    client.close()
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
