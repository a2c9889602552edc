"""The measurements of pools and volumes; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess

from lodgetest.host import *
from measure import Client, median_of, timed_all

MIB = 1 << 20


def make_images(folder, count):
    """Each image is a copy of one that qemu-img made; the files are old, as most are."""
    folder.mkdir(parents=True)
    first = folder / "v0.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", first, "1G"], check=True)
    for number in range(1, count):
        shutil.copyfile(first, folder / f"v{number}.qcow2")


def pool_xml(name, folder):
    return f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>"


def measure_listing(host, client, options, results):
    count = options["volumes"]
    folder = host.path("pool")
    make_images(folder, count)
    time.sleep(4)  # a file that changed a moment ago may change again within what its times can tell apart
    pool = client.call("storage_pool_define_xml", xml=pool_xml("many", folder), flags=0)["pool"]
    create = client.prepare("storage_pool_create", pool=pool, flags=0)
    results["pool_first"] = client.timed(create)  # a pool's start is its first look
    refresh = client.prepare("storage_pool_refresh", pool=pool, flags=0)
    results["pool_again"] = median_of(5, lambda: client.timed(refresh))
    listing = client.prepare("storage_pool_list_all_volumes", pool=pool, need_results=1, flags=0)
    client.timed(listing)
    results["vol_list"] = statistics.median(timed_all(host, [listing] * 20))
    paths = [str(folder / f"v{n}.qcow2") for n in random.Random(1).sample(range(count), min(count, 500))]
    results["vol_by_path"] = statistics.median(timed_all(host, [client.prepare("storage_vol_lookup_by_path", path=p) for p in paths]))
    client.call("storage_pool_destroy", pool=pool)
    shutil.rmtree(folder)


def make_sparse(path):
    """10 GiB with 100 MiB of data in pieces of one MiB, all over it."""
    piece = random.Random(2).randbytes(MIB)
    with open(path, "wb") as out:
        out.truncate(10240 * MIB)
        for number in range(100):
            out.seek(number * 102 * MIB)
            out.write(piece)
        os.fsync(out.fileno())


def clone_xml(name):
    return (f"<volume><name>{name}</name><capacity unit='GiB'>10</capacity><allocation>0</allocation>"
            "<target><format type='raw'/></target></volume>")


def measure_clone(host, client, results, key, folder):
    folder.mkdir(exist_ok=True)
    make_sparse(folder / "template")
    pool = client.call("storage_pool_define_xml", xml=pool_xml(key, folder), flags=0)["pool"]
    client.call("storage_pool_create", pool=pool, flags=0)
    template = client.call("storage_vol_lookup_by_name", pool=pool, name="template")["vol"]
    seconds = []
    for number in range(3):
        call = client.prepare("storage_vol_create_xml_from", pool=pool, xml=clone_xml(f"copy{number}"), clonevol=template, flags=0)
        seconds.append(client.timed(call))
    results[key] = statistics.median(seconds)
    begin = time.perf_counter()
    subprocess.run(["cp", "--reflink=auto", "--sparse=auto", folder / "template", folder / "by-cp"], check=True)
    results[key + "_cp"] = time.perf_counter() - begin
    client.call("storage_pool_destroy", pool=pool)


def test_storage(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    host.start_daemon()
    client = Client(host.daemon.socket, timeout=300).open()
    measure_listing(host, client, options, results)
    measure_clone(host, client, results, "clone", host.path("plain"))
    image, mounted = host.path("xfs.img"), host.path("xfs")
    mounted.mkdir()
    with open(image, "wb") as out:
        out.truncate(1024 * MIB)
    made = subprocess.run(["mkfs.xfs", "-q", image], check=False).returncode == 0
    if made and subprocess.run(["mount", "-o", "loop", image, mounted], check=False).returncode == 0:
        measure_clone(host, client, results, "clone_reflink", mounted / "pool")
        client.close()
        host.stop_daemon()
        subprocess.run(["umount", mounted], check=True)
    else:
        client.close()
        host.stop_daemon()
    pathlib.Path(os.environ["LODGE_BENCH_OUT"]).write_text(json.dumps(results))
