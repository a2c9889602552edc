"""The library of images: fetched, imported, verified, used, removed; and servers that do their worst.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import re
import signal
import subprocess
import time

from lodgetest.cloud import *
from lodgetest.host import *
from lodgetest.runner import mark
from lodgetest.webserver import Server, sha

DATA = random.Random(7).randbytes(1 << 21)
TINY = ["--virt-type", "qemu", "--memory", "64M", "--cpus", "1", "--ssh-key", KEY, "--no-wait"]


def pull(host, *options, code=0, timeout=60):
    result = host.lodge("image", "pull", *options, env=home(host), timeout=timeout)
    if (result.code != 0) != (code != 0):
        fail(str(result))
    return result


def images(host):
    return {image["name"]: image for image in json.loads(host.lodge_ok("-o", "json", "image", "list", env=home(host)))}


def library(host):
    if host.virsh("pool-info", "library").code != 0:
        return []
    return re.findall(r"^ (\S+) ", host.ok("vol-list", "library"), re.M)[1:]


def parts(host):
    folder = host.path("home/.cache/lodge/images")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def served(function):
    """Runs the test with a server, which ends with it."""
    def test(host):
        server = Server()
        try:
            function(host, server)
        finally:
            server.close()
    test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
    return test


@served
def test_an_image_is_fetched_used_and_removed(host, server):
    """rows: images-01"""
    url = server.serve("tiny.raw", DATA, etag='"one"')
    host.network(NETWORK)
    pull(host, url, "--checksum", f"sha512:{sha(DATA, 'sha512')}")
    image = images(host)["tiny"]
    equal((image["format"], image["virtual_bytes"], image["bytes"], image["sha256"], image["url"], image["firmware"]),
          ("raw", len(DATA), len(DATA), sha(DATA), url, "bios"))
    equal(pathlib.Path(image["path"]).read_bytes(), DATA)
    equal(parts(host), [])
    contains(pull(host, url, code=1).err, "there is an image 'tiny' in the library already")
    host.lodge_ok("image", "verify", "tiny")
    host.lodge_ok("image", "export", "tiny", str(host.path("out.img")))
    equal(host.path("out.img").read_bytes(), DATA)
    host.lodge_ok("run", "web", "--image", "tiny", *TINY, env=home(host))
    host.lodge_ok("run", "db", "--image", "tiny", *TINY, env=home(host))
    equal(len(images(host)["tiny"]["used_by"]) >= 2, True)
    told = host.lodge("image", "rm", "tiny")
    equal(told.code, 1)
    contains(told.err, "web", "db")
    for name in ("web", "db"):
        host.ok("destroy", name)
        host.lodge_ok("undefine", name, "--remove-all-storage")
    host.lodge_ok("image", "rm", "tiny")
    equal(library(host), [])


@served
def test_facts_outlive_the_daemon_and_its_cache(host, server):
    pull(host, server.serve("tiny.raw", DATA), "--name", "other")
    before = images(host)
    host.crash_daemon()
    equal(images(host), before)


@served
def test_a_download_goes_on_where_it_was_cut(host, server):
    for how in ({}, {"chunked": True}):
        url = server.serve("cut.raw", DATA, etag='"one"', cut=1 << 20, **how)
        contains(pull(host, url, code=1).err, "broke off after 1048576 bytes", "the same command goes on")
        equal(library(host), [])
        server.serve("cut.raw", DATA, etag='"one"', **how)
        pull(host, url)
        equal(server.ranges("cut.raw"), [None, "bytes=1048576-"])
        equal(images(host)["cut"]["sha256"], sha(DATA))
        host.lodge_ok("image", "rm", "cut")
        server.asked.clear()


@served
def test_a_download_that_was_cut_at_its_very_end_is_fetched_again(host, server):
    """What ended it came between the last byte and the library: nothing is left to ask for."""
    url = server.serve("end.raw", DATA, etag='"one"', cut=1 << 20)
    pull(host, url, code=1)
    part, = (host.path("home/.cache/lodge/images") / name for name in parts(host) if name.endswith(".part"))
    part.write_bytes(DATA)
    server.serve("end.raw", DATA, etag='"one"')
    pull(host, url)
    equal(images(host)["end"]["sha256"], sha(DATA))
    equal(parts(host), [])


@served
def test_another_file_is_fetched_from_its_beginning(host, server):
    url = server.serve("new.raw", DATA, etag='"one"', cut=1 << 20)
    pull(host, url, code=1)
    newer = DATA[::-1]
    server.serve("new.raw", newer, etag='"two"')
    pull(host, url)
    equal(images(host)["new"]["sha256"], sha(newer))
    # A mark that does not vouch for bytes, and a server that cannot send parts.
    for name, how in (("weak", {"etag": 'W/"one"'}), ("whole", {"etag": '"one"', "ranges": False})):
        url = server.serve(f"{name}.raw", DATA, cut=1 << 20, **how)
        pull(host, url, code=1)
        server.serve(f"{name}.raw", DATA, **how)
        pull(host, url)
        equal(images(host)[name]["sha256"], sha(DATA))


@served
def test_a_server_that_stalls_is_given_up(host, server):
    url = server.serve("stall.raw", DATA, etag='"one"', stall=1 << 20)
    begin = time.monotonic()
    told = pull(host, url, "--timeout", "2", code=1)
    contains(told.err, "nothing came for 2 s")
    check(time.monotonic() - begin < 20, "it took too long")
    server.serve("stall.raw", DATA, etag='"one"')
    pull(host, url)
    equal(server.ranges("stall.raw")[-1], "bytes=1048576-")


@served
def test_what_is_no_image_is_refused(host, server):
    page = b"<!DOCTYPE html><html>please log in</html>" * 100
    for name, data, how, text in (
            ("page", page, {"type": "text/html"}, "a web page and no image"),
            ("hidden", page, {}, "a web page and no image"),
            ("error", b"gone", {"status": 503}, "the server answers 503"),
            ("packed", b"\xfd7zXZ\x00" + DATA[:1001], {}, "the library has images in qcow2 and raw only"),
            ("other", b"KDMV" + DATA[:1020], {}, "the library has images in qcow2 and raw only"),
            ("odd", DATA[:1001], {}, "is no image of a disk that is known here"),
            ("empty", b"", {}, "is no image of a disk that is known here")):
        contains(pull(host, server.serve(f"{name}.raw", data, **how), code=1).err, text)
    contains(pull(host, server.url("nowhere.raw"), code=1).err, "the server answers 404")
    contains(pull(host, "http://127.0.0.1:1/x.raw", code=1).err, "fetching 'http://127.0.0.1:1/x.raw'")
    contains(pull(host, server.serve("away.raw", b"", redirect="file:///etc/passwd"), code=1).err, "fetching")
    equal(library(host), [])


@served
def test_a_wrong_checksum_leaves_nothing(host, server):
    url = server.serve("bad.raw", DATA, etag='"one"')
    for checksum in ("sha256:" + "0" * 64, "sha512:" + "0" * 128):
        told = pull(host, url, "--checksum", checksum, code=1)
        contains(told.err, "its checksum is", "and should be 000")
    equal(library(host), [])
    pull(host, url, "--checksum", "md5:0", code=1)
    pull(host, url, "--checksum", f"sha256:{sha(DATA)}")
    equal(server.ranges("bad.raw"), [None, None, None])


@served
def test_an_image_that_stands_on_another_is_refused(host, server):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw",
                    host.path("trap.qcow2"), "1M"], check=True)
    url = server.serve("trap.qcow2", host.path("trap.qcow2").read_bytes())
    contains(pull(host, url, code=1).err, "stands on another image")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={host.path('data')},data_file_raw=on",
                    host.path("data.qcow2"), "1M"], check=True)
    url = server.serve("data.qcow2", host.path("data.qcow2").read_bytes())
    contains(pull(host, url, code=1).err, "keeps its data in another file")
    equal(library(host), [])


@served
def test_a_full_disk_is_said_and_what_came_is_kept(host, server):
    url = server.serve("full.raw", DATA, etag='"one"')
    cache = host.path("home/.cache")
    home(host)
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", cache], check=True)
    contains(pull(host, url, code=1).err, "No space left on device")
    subprocess.run(["mount", "-o", "remount,size=16m", cache], check=True)
    pull(host, url)
    check(server.ranges("full.raw")[-1] is not None, "it began again")
    equal(images(host)["full"]["sha256"], sha(DATA))


@served
def test_killed_at_any_moment_only_a_download_to_go_on_with_is_left(host, server):
    url = server.serve("kill.raw", DATA, etag='"one"', slow=0.01)
    words = [host.lodge_program, "-c", host.daemon.uri, "image", "pull", url]
    moments = random.Random(11)
    for _ in range(12):
        process = subprocess.Popen(words, env={**os.environ, **home(host)}, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=moments.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if images(host):
            host.lodge_ok("image", "rm", "kill")
    wait_until(lambda: not [line for line in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
               .stdout.splitlines() if "lodge-media" in line], "the helpers have ended")
    pull(host, url)
    equal(images(host)["kill"]["sha256"], sha(DATA))
    for file in host.path("var/lib/libvirt/library").iterdir():
        os.utime(file, (1, 1))
    host.lodge_ok("image", "prune", env=home(host))
    equal(sorted(library(host)), ["kill.json", "kill.raw"])
    equal(parts(host), [])


def test_prune_removes_what_was_left_and_what_nobody_needs(host):
    folder = host.path("home/.cache/lodge/images")
    home(host)
    folder.mkdir(parents=True)
    (folder / "x.part").write_bytes(b"half")
    (folder / "x.part.tag").write_bytes(b"")
    add_image(host, "kept")
    add_image(host, "unused")
    host.network(NETWORK)
    host.lodge_ok("run", "web", "--image", "kept", *TINY, env=home(host))
    left = host.path("var/lib/libvirt/library/left.qcow2")
    left.write_bytes(b"x" * 512)
    contains(host.lodge_ok("image", "prune", "--dry-run", env=home(host)), "x.part")
    os.utime(left, (1, 1))
    wait_until(lambda: "left.qcow2" in library(host), "the pool has seen it")
    shown = host.lodge_ok("image", "prune", "--unused", env=home(host))
    contains(shown, "left.qcow2", "unused")
    equal(sorted(library(host)), ["kept.json", "kept.raw"])
    equal(parts(host), [])


def test_a_changed_image_is_noticed(host):
    add_image(host)
    path = host.path("var/lib/libvirt/library/tiny.raw")
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    told = host.lodge("image", "verify", "tiny")
    equal(told.code, 1)
    contains(told.err, "it has been changed or is damaged")


@served
def test_the_catalogue_knows_many_lists(host, server):
    osinfo = host.path("osinfo/os/example.org")
    osinfo.mkdir(parents=True)
    (osinfo / "x.xml").write_text(
        "<libosinfo><os id='http://example.org/x/7'><short-id>examplex7</short-id><name>Example X 7</name>"
        "<version>7</version><image arch='x86_64' format='qcow2' cloud-init='true'>"
        f"<url>{server.serve('x7.raw', DATA)}</url></image></os></libosinfo>")
    products = {"products": {"p": {"arch": "amd64", "os": "Mini", "version": "3", "versions": {
        "20250101": {"items": {"d": {"ftype": "disk1.img", "path": "old.raw", "sha256": "0"}}},
        "20260101": {"items": {"d": {"ftype": "disk1.img", "path": "mini.raw", "sha256": sha(DATA)}}}}}}}
    index = {"index": {"p": {"path": "streams/v1/p.json", "format": "products:1.0"}}}
    stream = server.serve("streams/v1/index.json", json.dumps(index).encode())
    server.serve("streams/v1/p.json", json.dumps(products).encode())
    server.serve("mini.raw", DATA)
    server.serve("own.raw", DATA)
    sums = server.serve("SUMS", f"{'0' * 64}  other.raw\n{sha(DATA)} *own.raw\n".encode())
    folder = pathlib.Path(home(host)["HOME"]) / ".config/lodge"
    folder.mkdir(parents=True)
    (folder / "images.json").write_text(json.dumps({
        "images": [{"name": "own-1", "title": "My own", "url": server.url("own.raw"), "checksum_url": sums},
                   {"name": "none-1", "url": server.url("none.raw"), "checksum_url": sums}],
        "streams": [stream]}))
    env = {**home(host), "OSINFO_SYSTEM_DIR": str(host.path("osinfo"))}
    found = {entry["name"]: entry for entry in json.loads(host.lodge_ok("-o", "json", "image", "search", env=env))}
    for name, origin in (("own-1", str(folder / "images.json")), ("debian-12", "lodge"), ("examplex7", "osinfo"),
                         ("mini-3", server.url("streams/v1/p.json"))):
        equal(found[name]["origin"], origin)
    equal([entry["name"] for entry in json.loads(host.lodge_ok("-o", "json", "image", "search", "my own", env=env))],
          ["own-1"])
    for name in ("own-1", "mini-3", "example-x7"):
        host.lodge_ok("image", "pull", name, env=env)
    have = images(host)
    equal(sorted(have), ["example-x7", "mini-3", "own-1"])
    equal(have["example-x7"]["os"], "http://example.org/x/7")
    told = host.lodge("image", "pull", "none-1", env=env)
    contains(told.err, f"'{sums}' has no checksum of 'none.raw'")
    (folder / "images.json").write_text("{")
    told = host.lodge("image", "search", env=env)
    equal(told.code, 1)
    contains(told.err, "images.json")


@served
def test_run_fetches_what_the_library_lacks(host, server):
    host.network(NETWORK)
    talker(host.path("tiny.img"), GOOD)
    url = server.serve("tiny.raw", host.path("tiny.img").read_bytes())
    made = json.loads(host.lodge_ok("-o", "json", "run", "web", "--image", url, *TINY, env=home(host)))
    equal([stage["stage"] for stage in made["stages"]], ["download", "image", "disk", "running"])
    host.lodge_ok("run", "db", "--image", "tiny", *TINY, env=home(host))
    equal(len(server.ranges("tiny.raw")), 1)


def test_a_file_is_taken_by_its_url(host):
    talker(host.path("tiny.img"), GOOD)
    pull(host, f"file://{host.path('tiny.img')}")
    equal(images(host)["tiny"]["sha256"], sha(host.path("tiny.img").read_bytes()))


@served
def test_an_interrupted_download_says_what_it_leaves(host, server):
    host.network(NETWORK)
    url = server.serve("slow.raw", DATA, etag='"one"', stall=1 << 20)
    other = server.serve("other.raw", DATA, etag='"one"', stall=1 << 20)
    for number, words in enumerate((["image", "pull", url], ["run", "web", "--image", other, *TINY]), 1):
        process = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, *words], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, **home(host)})
        wait_until(lambda: sum((host.path("home/.cache/lodge/images") / name).stat().st_size >= 1 << 20
                               for name in parts(host) if name.endswith(".part")) == number, "half of it is there",
                   timeout=30)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=20)[1]
        check(process.returncode not in (0, -signal.SIGINT), f"{process.returncode}: {err}")
        equal(library(host), [])
        equal(host.ok("list", "--all", "--name").split(), [])
        wait_until(lambda: "lodge-media" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
                   .stdout, "the helper has ended")
    server.serve("slow.raw", DATA, etag='"one"')
    pull(host, url)
    equal(server.ranges("slow.raw")[-1], "bytes=1048576-")
