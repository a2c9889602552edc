"""The measurements of repositories of backups; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import time

from lodgetest.host import *

MIB = 1 << 20


def real_data(path, mib):
    """Files as a system's disk has them, each at the next page; so large a part compresses as of a real disk."""
    left = mib * MIB
    with open(path, "wb") as out:
        out.truncate(4096 * MIB)
        for folder, folders, files in os.walk("/usr"):
            folders.sort()
            for name in sorted(files):
                file = pathlib.Path(folder) / name
                if left <= 0:
                    return
                if file.is_symlink() or not file.is_file() or file.stat().st_size > 64 * MIB:
                    continue
                data = file.read_bytes()[:left]
                out.write(data)
                out.seek(-out.tell() % 4096, os.SEEK_CUR)
                left -= len(data)


def wall(command):
    begun = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def best(n, action):
    return min(action() for _ in range(n))


def test_backup(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    host.start_daemon()
    folder = host.path("backups")
    folder.mkdir()
    raw, image, repo = folder / "data.raw", folder / "a.qcow2", folder / "repo"
    real_data(raw, options["backup"])
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    raw.unlink()
    host.define(host.guests.empty("m", devices=f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                                               f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>"))
    lodge = [host.lodge_program, "-c", host.daemon.uri, "backup"]
    wall(["cat", image])

    def convert():
        return wall(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", image, folder / "out.qcow2"])

    def full():
        shutil.rmtree(repo, ignore_errors=True)
        return wall([*lodge, "create", "m", repo])

    # in turn, because a machine is not always equally fast
    pairs = [(convert(), full()) for _ in range(3)]
    results["backup_convert"], results["backup_full"] = min(p[0] for p in pairs), min(p[1] for p in pairs)
    results["backup_convert_size"] = (folder / "out.qcow2").stat().st_blocks * 512 / MIB
    results["backup_full_size"] = sum(p.stat().st_size for p in (repo / "packs").iterdir()) / MIB
    results["backup_again"] = wall([*lodge, "create", "m", repo])
    packs = sorted((repo / "packs").iterdir())
    results["backup_read"] = best(3, lambda: wall(["cat", *packs]))
    results["backup_sum"] = best(2, lambda: wall(["sh", "-c", "zstd -dc \"$@\" | sha256sum", "sh", *packs]))
    results["backup_verify"] = best(3, lambda: wall([*lodge, "verify", repo]))
    results["backup_restore"] = wall([*lodge, "restore", repo, "m", "--as", "n", "--folder", folder])
    subprocess.run(["qemu-img", "compare", image, folder / "n-vda.qcow2"], check=True, stdout=subprocess.DEVNULL)
    measure_incremental(host, lodge, image, repo, results)
    with open(os.environ["LODGE_BENCH_OUT"], "w", encoding="utf-8") as out:
        json.dump(results, out)


def measure_incremental(host, lodge, image, repo, results):
    """16 MiB in pieces of 64 KiB, written by the running machine's QEMU."""
    host.conn.lookupByName("m").create()
    wall([*lodge, "create", "m", repo])
    rng = random.Random(3)

    def one():
        for _ in range(256):
            offset = rng.randrange(1024 * 16) * 65536
            command = f"qemu-io libvirt-1-format \\\"write -P {rng.randrange(256)} {offset} 64k\\\""
            host.ok("qemu-monitor-command", "m", "--hmp", command.replace("\\\"", '"'))
        return wall([*lodge, "create", "m", repo])

    results["backup_incremental"] = best(3, one)
    host.conn.lookupByName("m").destroy()
