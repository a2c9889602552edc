"""The measurements of one daemon; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
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


def timed_all(host, calls):
    """The seconds of each of the @calls, one after the other on a connection of their own."""
    client = Client(host.daemon.socket)
    client.close()
    first = [client.prepare("auth_list"), client.prepare("connect_open", name="qemu:///system", flags=0)]
    frames = b"".join(client.frame(identity, version, number, serial, payload)
                      for serial, (identity, version, number, payload) in enumerate([*first, *calls]))
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
    """Starts QEMU with the arguments of the log; what the daemon passed as open descriptors is made anew."""

    def __init__(self, host, environment, words):
        self.host = host
        self.environment = environment
        self.words = words
        self.count = 0

    def arguments(self, monitor, keep):
        """The command line with its descriptors replaced: @monitor takes the place of the monitor's socket."""
        words = list(self.words)
        for number, word in enumerate(words):
            if "charmonitor" in word and ("socket" in word or '"backend"' in word) and number > 0 \
                    and words[number - 1] == "-chardev":
                words[number] = f"socket,id=charmonitor,fd={monitor},server=on,wait=off"
            elif re.search(r"\bfd=\d+|\"fd\":\s*\"?\d+", word) and words[number - 1] == "-chardev":
                other = socket.socket(socket.AF_UNIX)
                other.bind("\0by-hand-%d-%d" % (self.count, number))
                other.listen(1)
                keep.append(other)
                words[number] = re.sub(r"(fd=|\"fd\":\s*\"?)\d+", lambda m: m.group(1) + str(other.fileno()), word)
            elif words[number - 1] == "-add-fd":
                null = open("/dev/null", "r+b", buffering=0)
                keep.append(null)
                words[number] = re.sub(r"fd=\d+", f"fd={null.fileno()}", word)
        return words

    def run(self):
        """Seconds from the spawn to the answer to 'cont'."""
        self.count += 1
        keep = []
        listener = socket.socket(socket.AF_UNIX)
        path = str(self.host.path("by-hand.sock"))
        pathlib.Path(path).unlink(missing_ok=True)
        listener.bind(path)
        listener.listen(1)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(path)
        words = self.arguments(listener.fileno(), keep)
        with open(self.host.path("by-hand.out"), "ab") as out:
            begin = time.perf_counter()
            process = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       pass_fds=[listener.fileno(), *(k.fileno() for k in keep)])
        try:
            stream = client.makefile("rwb")
            check(b"QMP" in stream.readline(), "no greeting of QEMU by hand")
            for command in (b"qmp_capabilities", b"cont"):
                stream.write(b'{"execute":"' + command + b'"}\n')
                stream.flush()
                while b'"return"' not in stream.readline():
                    pass
            return time.perf_counter() - begin
        finally:
            process.kill()
            process.wait()
            for one in [*keep, listener, client]:
                one.close()


def measure_by_hand(host, client, options, results):
    name = "hand"
    dom = client.call("domain_define_xml", xml=document(host, name))["dom"]
    client.call("domain_create", dom=dom)
    environment, words = logged_command(host.path(f"var/log/libvirt/qemu/{name}.log"))
    # The secret for the start is in a directory that goes with the machine.
    folder = next(host.path("var/lib/libvirt/qemu").glob(f"domain-*-{name}"), None)
    copy = host.path("by-hand")
    if folder:
        subprocess.run(["cp", "-a", folder, copy], check=True)
    client.call("domain_destroy", dom=dom)
    client.call("domain_undefine", dom=dom)
    if folder:
        if not folder.exists():
            copy.rename(folder)
    hand = ByHand(host, environment, words)
    hand.run()
    results["hand"] = median_of(options["starts"], hand.run)


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
    measure_stats(client, results)
    results["rss_running"] = rss_mib(host.daemon.pid)
    for dom in running:
        client.call("domain_destroy", dom=dom)
    try:
        measure_by_hand(host, client, options, results)
    except (TestFailure, OSError, ValueError) as error:
        print(f"QEMU by hand could not be measured: {error}")
        out = host.path("by-hand.out")
        print(out.read_text(errors="replace")[-500:] if out.exists() else "")
    client.close()
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
