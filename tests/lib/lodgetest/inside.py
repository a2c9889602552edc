"""Process 1 of a test's namespaces: makes the root, forks the test, reaps, looks for leftovers.

usage: python3 -m lodgetest.inside FILE FUNCTION RESULT_FILE MOUNT_POINT

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import faulthandler
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback


def make_root(mount_point):
    """A tmpfs for everything the test and its daemon write. It goes with the mount namespace.

    LODGE_TEST_ON_DISK: what the mount point lies on is used instead, and stays for the caller to remove."""
    if not os.environ.get("LODGE_TEST_ON_DISK"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", mount_point], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    root = pathlib.Path(mount_point)
    make_kvm_device(root)
    cache = pathlib.Path(os.environ.get("LODGE_TEST_CACHE", "/nonexistent"))
    if cache.exists():
        shutil.copytree(cache, root / "var/cache", dirs_exist_ok=True, copy_function=shutil.copy2)
        for directory, _, _ in os.walk(root / "var/cache/libvirt/qemu"):
            shutil.chown(directory, "libvirt-qemu", "kvm")
    return root


def make_kvm_device(root):
    """/dev/kvm as a Debian host has it, open for the user that runs QEMU: in a container it may be root's alone,
    and then libvirtd finds its cache of the emulators' abilities outdated at each start."""
    if os.path.exists("/dev/kvm"):
        device = root / "kvm"
        os.mknod(device, 0o660 | stat.S_IFCHR, os.stat("/dev/kvm").st_rdev)
        os.chmod(device, 0o660)
        shutil.chown(device, "root", "kvm")
        subprocess.run(["mount", "--bind", device, "/dev/kvm"], check=True)


def save_logs(root, result_file):
    """Keeps the logs of a failed test beside its result: the tmpfs is about to vanish."""
    logs = pathlib.Path(result_file).parent / "logs"
    logs.mkdir(exist_ok=True)
    found = [root / "daemon.log", *(root / "var/log/libvirt/qemu").glob("*.log"), *root.glob("*.out")]
    for log in found:
        if log.exists():
            shutil.copyfile(log, logs / log.name)


def run_test(file, function, root):
    """Returns (status, text)."""
    from lodgetest import host as host_module, process, runner
    sys.path.insert(0, str(pathlib.Path(file).parent))
    host = None
    try:
        module = runner.load(pathlib.Path(file))
        host = host_module.Host(root, os.environ["LODGE_TEST_DAEMON"])
        if os.environ.get("LODGE_TEST_START") != "no":
            host.start_daemon()
        getattr(module, function)(host)
        host.close()
    except process.Skip as skip:
        return "skipped", str(skip)
    except BaseException:  # whatever it is, it is this test's failure
        text = traceback.format_exc()
        if host:
            complaints = host.daemon.complaints()
            if complaints:
                text += "\nthe daemon's log reports: " + complaints[0]
            if host.daemon.process and not host.daemon.running():
                text += f"\nthe daemon has ended with code {host.daemon.process.poll()}"
        return "failed", text
    return "passed", ""


def child(file, function, result_file, mount_point):
    faulthandler.dump_traceback_later(float(os.environ["LODGE_TEST_TIMEOUT"]), exit=True)
    root = make_root(mount_point)
    status, text = run_test(file, function, root)
    if status == "failed":
        save_logs(root, result_file)
    write_result(result_file, status, text)
    sys.stdout.flush()
    os._exit(0)  # threads of client libraries must not hold the end up


def write_result(result_file, status, text):
    temporary = str(result_file) + ".tmp"
    with open(temporary, "w") as out:
        json.dump({"status": status, "text": text}, out)
    os.rename(temporary, result_file)


def leftovers():
    from lodgetest.process import processes
    return {pid: args for pid, args in processes().items() if pid != 1}


def main():
    file, function, result_file, mount_point = sys.argv[1:]
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        child(file, function, result_file, mount_point)
    while True:
        ended, _ = os.wait()
        if ended == pid:
            break
    end = time.monotonic() + 2
    while leftovers() and time.monotonic() < end:
        time.sleep(0.02)
        reap()
    left = leftovers()
    try:
        result = json.loads(pathlib.Path(result_file).read_text())
    except (OSError, ValueError):
        limit = os.environ["LODGE_TEST_TIMEOUT"]
        write_result(result_file, "failed", f"the test crashed or took longer than {limit} s")
        save_logs(pathlib.Path(mount_point), result_file)  # seen from here: the same mount namespace
        return
    if left and result["status"] == "passed":
        text = "processes are left: " + "; ".join(f"{p}: {' '.join(a)[:150]}" for p, a in left.items())
        save_logs(pathlib.Path(mount_point), result_file)
        write_result(result_file, "failed", text)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


main()
