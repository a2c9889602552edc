"""Finds tests, runs each in namespaces of its own, counts.

A test is a function test_NAME(host) in a file test_AREA.py. It runs in a private mount, network, IPC and PID
namespace (inside.py is process 1 there and reaps), on a tmpfs root, with a daemon of its own that is started
before and stopped after it. What it prints and the daemon's log are shown only when it fails.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import argparse
import concurrent.futures
import dataclasses
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

LIB = pathlib.Path(__file__).resolve().parents[1]
TOP = LIB.parents[1]
LOG_LINES_SHOWN = 250

REQUIREMENTS = {
    "fuse": lambda: None if os.access("/dev/fuse", os.W_OK) and has_module("fusepy") else
    "needs /dev/fuse and python3-fusepy",
    "quarantine": lambda: None if os.environ.get("LODGE_TEST_QUARANTINE") else "part of ./check memory",
    "ovmf": lambda: None if os.path.exists("/usr/share/qemu/firmware/60-edk2-x86_64.json") else "needs ovmf",
    "slow": lambda: None if os.environ.get("LODGE_TEST_SLOW") else "part of ./check slow",
    "mirror": lambda: None if os.environ.get("LODGE_MIRROR") else "LODGE_MIRROR names no socket of tools/guest/mirror",
    "netboot": lambda: None if os.path.isdir(os.environ.get("LODGE_NETBOOT", "/usr/lib/debian-installer/images/12/amd64/text"))
               else "the package debian-installer-12-netboot-amd64, or LODGE_NETBOOT",
    "kvm": lambda: None if os.access("/dev/kvm", os.W_OK) else "needs /dev/kvm",
}


def has_module(name):
    return importlib.util.find_spec(name) is not None


@dataclasses.dataclass
class Test:
    name: str
    file: pathlib.Path
    function: str
    marks: dict


def load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def find_tests(directory, patterns):
    sys.path.insert(0, str(directory))
    tests = []
    for file in sorted(pathlib.Path(directory).glob("test_*.py")):
        area = file.stem[len("test_"):]
        module = load(file)
        for key, value in vars(module).items():
            if key.startswith("test_") and callable(value) and value.__module__ == file.stem:
                name = f"{area}.{key[len('test_'):]}"
                if not patterns or any(p in name for p in patterns):
                    tests.append(Test(name, file, key, getattr(value, "marks", {})))
    return tests


def mark(**values):
    """Decorator: facts about a test that the runner acts on.

    requires=[...]   what the machine must offer (REQUIREMENTS, or "program:NAME"); else the test is skipped
    only="lodged"    not meaningful for the reference daemon; reason="..." says why
    timeout=SECONDS  instead of 120
    daemon=False     the test starts the daemon itself
    """
    def decorate(function):
        function.marks = {**getattr(function, "marks", {}), **values}
        return function
    return decorate


def skip_reason(test, daemon):
    only = test.marks.get("only")
    if only and (daemon == "libvirtd") != (only == "libvirtd"):
        return test.marks.get("reason", f"for {only} only")
    for need in test.marks.get("requires", []):
        if need.startswith("program:"):
            if not shutil.which(need[8:]):
                return f"needs {need[8:]}"
        else:
            reason = REQUIREMENTS[need]()
            if reason:
                return reason
    return None


class Run:
    """One run of the suite: options, the folder of this run, results."""

    def __init__(self, options):
        self.options = options
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="lt."))
        self.lock = threading.Lock()
        self.number = 0
        self.directory.chmod(0o755)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.env = dict(os.environ)
        self.env["PYTHONPATH"] = f"{LIB}:{self.env.get('PYTHONPATH', '')}"
        self.env["LODGE_TEST_CACHE"] = str(self.directory / "cache")
        self.env["LODGE_TEST_DAEMON"] = options.daemon
        self.env["PYTHONDONTWRITEBYTECODE"] = "1"

    def command(self, test, result_file, mount_point):
        inside = [sys.executable, "-m", "lodgetest.inside", str(test.file), test.function, str(result_file),
                  str(mount_point)]
        return ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child",
                "--propagation", "private", *inside]

    def run_test(self, test):
        """Returns (status, seconds, text)."""
        begin = time.monotonic()
        reason = skip_reason(test, self.options.daemon)
        if reason:
            return "skipped", 0, reason
        with self.lock:
            self.number += 1
            directory = self.directory / str(self.number)  # short: a socket's path has 107 bytes at most
        directory.mkdir()
        mount_point = directory / "r"
        mount_point.mkdir()
        result_file = directory / "result.json"
        slowness = float(os.environ.get("LODGE_TEST_SLOWNESS", "1"))
        limit = test.marks.get("timeout", 120) * slowness
        output = directory / "output"
        env = dict(self.env, LODGE_TEST_TIMEOUT=str(limit), LODGE_TEST_START="yes")
        if test.marks.get("daemon") is False:
            env["LODGE_TEST_START"] = "no"
        with open(output, "wb") as out:
            process = subprocess.Popen(self.command(test, result_file, mount_point), stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, env=env, start_new_session=True)
            try:
                process.wait(limit + 30 * slowness)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        seconds = time.monotonic() - begin
        printed = output.read_text(errors="replace")
        try:
            result = json.loads(result_file.read_text())
        except (OSError, ValueError):
            result = {"status": "failed", "text": "the test ended without a result"}
        text = result.get("text", "")
        if result["status"] == "failed":
            text = "\n".join(filter(None, [text, section("printed", printed), self.logs(directory)]))
        return result["status"], seconds, text

    def logs(self, directory):
        """The logs that inside.py saved when the test failed."""
        parts = []
        for log in sorted((directory / "logs").glob("*")) if (directory / "logs").exists() else []:
            lines = log.read_text(errors="replace").splitlines()
            shown = lines[-LOG_LINES_SHOWN:]
            title = f"{log.name}, last {len(shown)} of {len(lines)} lines" if len(lines) > len(shown) else log.name
            parts.append(section(title, "\n".join(shown)))
        return "\n".join(parts)

    def prime(self):
        """Lets the daemon probe the emulators once; all tests start with what it found."""
        probe = Test("prime", LIB / "lodgetest/prime.py", "test_prime", {"timeout": 120})
        status, _, text = self.run_test(probe)
        if status != "passed":
            print(f"FAIL start of the daemon\n{indent(text)}", flush=True)
            self.counts["failed"] += 1
        return status == "passed"

    def report(self, test, status, seconds, text):
        self.counts[status] += 1
        if status == "passed":
            print(f"ok    {test.name} ({seconds:.1f} s)", flush=True)
        elif status == "skipped":
            print(f"skip  {test.name}: {text}", flush=True)
        else:
            print(f"FAIL  {test.name} ({seconds:.1f} s)\n{indent(text)}", flush=True)

    def run(self, tests):
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            futures = {pool.submit(self.run_test, test): test for test in tests}
            for future in concurrent.futures.as_completed(futures):
                self.report(futures[future], *future.result())


def section(title, text):
    return f"--- {title}\n{text.rstrip()}" if text.strip() else ""


def indent(text):
    return "\n".join("      " + line for line in text.splitlines())


def default_daemon():
    given = os.environ.get("LODGE_TEST_DAEMON")
    if given:
        return given
    for build in ("build-check", "build-asan", "build"):
        if (TOP / build / "src/daemon/lodged").exists():
            return str(TOP / build / "src/daemon/lodged")
    return "libvirtd"


def parse(argv, directory):
    parser = argparse.ArgumentParser(description=f"Runs the tests of {directory.name}/ against a real daemon.")
    parser.add_argument("names", nargs="*", help="parts of test names; all tests if none is given")
    parser.add_argument("--daemon", default=default_daemon(), help="path of lodged, or 'libvirtd'")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--list", action="store_true", help="print the names only")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
    return parser.parse_args(argv)


def main(directory, argv):
    options = parse(argv, directory)
    tests = find_tests(directory, options.names)
    if options.list:
        print("\n".join(t.name for t in tests))
        return 0
    if not tests:
        print(f"no test matches {options.names}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("these tests need root", file=sys.stderr)
        return 2
    run = Run(options)
    try:
        if run.prime():
            run.run(tests)
    finally:
        if not options.keep:
            shutil.rmtree(run.directory, ignore_errors=True)
    if options.keep:
        print(f"kept: {run.directory}")
    counts = run.counts
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0
