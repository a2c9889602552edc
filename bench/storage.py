"""The measurements of pools and volumes; see bench. Runs inside the namespaces of lodgetest.inside.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import random
import resource
import shutil
import socket
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


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # with those of programs that it ran


def through_socket(source, target):
    """A plain copy: one process reads the file and sends, another receives and writes."""
    sender, receiver = socket.socketpair()
    child = os.fork()
    if child == 0:
        receiver.close()
        with open(source, "rb") as file:
            while data := file.read(MIB):
                sender.sendall(data)
        os._exit(0)
    sender.close()
    with open(target, "wb") as file:
        buffer = memoryview(bytearray(MIB))
        while got := receiver.recv_into(buffer):
            file.write(buffer[:got])
    os.waitpid(child, 0)


def measure_transfers(host, results):
    """2 GiB through the socket, in memory: what the disk does is not the question."""
    folder = host.path("memory")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9g", "tmpfs", folder], check=True)
    (folder / "pool").mkdir()
    piece = random.Random(3).randbytes(16 * MIB)
    with open(folder / "pool/v", "wb") as out:
        for _ in range(128):
            out.write(piece)
    host.ok("pool-create-as", "memory", "dir", "--target", folder / "pool")
    virsh = ["virsh", "-c", host.daemon.uri]
    programs = {"virsh": virsh, "lodge": [host.lodge_program, "-c", host.daemon.uri]} if not host.is_reference else {"virsh": virsh}
    pid = host.daemon.process.pid

    def timed(key, run, prepare=lambda: None):
        taken = []
        for _ in range(3):
            prepare()
            before = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_seconds(pid), resource.getrusage(resource.RUSAGE_SELF)
            begin = time.perf_counter()
            run()
            seconds = time.perf_counter() - begin
            after = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_seconds(pid), resource.getrusage(resource.RUSAGE_SELF)
            used = sum(a.ru_utime + a.ru_stime - b.ru_utime - b.ru_stime for a, b in zip(after[::2], before[::2]))
            taken.append((seconds, used + after[1] - before[1]))
        results[key], results[key + "_cpu"] = (statistics.median(values) for values in zip(*taken))

    timed("socket_copy", lambda: through_socket(folder / "pool/v", folder / "copy"))
    for name, program in programs.items():
        for verb in ("download", "upload"):
            timed(f"{verb}_{name}", lambda: subprocess.run([*program, f"vol-{verb}", "v", folder / "copy", "--pool", "memory"],
                                                           check=True, stdout=subprocess.DEVNULL))

    def anew():
        if (folder / "pool/new").exists():
            host.ok("vol-delete", "new", "memory")
        host.ok("vol-create-as", "memory", "new", "2G", "--format", "raw")
    for name, program in programs.items():
        timed(f"upload_new_{name}", lambda: subprocess.run([*program, "vol-upload", "new", folder / "copy", "--pool", "memory"],
                                                           check=True, stdout=subprocess.DEVNULL), anew)
    host.ok("vol-delete", "new", "memory")
    if not host.is_reference:
        image, made = str(folder / "pool/v"), folder / "made.qcow2"
        convert = {"convert_hand": ["qemu-img", "convert", "-O", "qcow2", "-f", "raw"],
                   "convert_lodge": [*programs["lodge"], "image", "convert", "-O", "qcow2", "--format", "raw"]}
        for key, words in convert.items():
            def run(words=words):
                made.unlink(missing_ok=True)
                subprocess.run([*words, image, made], check=True, stdout=subprocess.DEVNULL)
            timed(key, run)
    host.ok("pool-destroy", "memory")
    subprocess.run(["umount", "-l", folder], check=True)


def test_storage(host):
    options = json.loads(os.environ["LODGE_BENCH"])
    results = {}
    host.start_daemon()
    client = Client(host.daemon.socket, timeout=300).open()
    measure_listing(host, client, options, results)
    measure_clone(host, client, results, "clone", host.path("plain"))
    measure_transfers(host, results)
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
