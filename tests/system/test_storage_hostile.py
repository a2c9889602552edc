"""Attacks on pools and volumes: names, paths, full disks, folders and files that vanish, hostile images, races.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import shutil
import subprocess
import threading

from hanging import HangingStorage
from lodgetest.host import *
from lodgetest.runner import mark
from test_storage import make_pool, temporaries, volume_names, volume_xml

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/image"
GONE = libvirt.VIR_ERR_NO_STORAGE_VOL
ENDED = (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_OPERATION_INVALID,
         libvirt.VIR_ERR_STORAGE_VOL_EXIST, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR,
         libvirt.VIR_ERR_OPERATION_FAILED)


def test_names(host):
    pool, folder = make_pool(host)
    for name in ("a/b", "/a", "..", "."):
        error = raises(libvirt.VIR_ERR_OPERATION_INVALID, pool.createXML, volume_xml(name), 0)
        contains(error, name)
    if not host.is_reference:
        for name in ("a\nb", "a\tb", "&#13;x", "n" * 256, "n" * 300, "\u00e9" * 128):
            raises(libvirt.VIR_ERR_INVALID_ARG, pool.createXML, volume_xml(name), 0)
    good = ["n" * 255, "-rf", "--help", "größe 大", "a,b=c:d", "%s%n", "*", "x'\"y", " ", "\u00e9" * 127]
    for name in good:
        volume = pool.createXML(volume_xml(name.replace("'", "&apos;"), 65536, form="qcow2" if name != " " else "raw"), 0)
        equal(volume.path(), f"{folder}/{name}")
    equal(volume_names(pool), sorted(good))
    equal(sorted(p.name for p in folder.iterdir()), sorted(good))
    for name in good:
        copy = "copy of " + name[:100]
        clone = pool.createXMLFrom(volume_xml(copy.replace("'", "&apos;"), 65536), pool.storageVolLookupByName(name), 0)
        clone.delete(0)
        pool.storageVolLookupByName(name).delete(0)
    equal(list(folder.iterdir()), [])


@mark(only="lodged", reason="libvirtd sees them as volumes")
def test_names_that_no_document_can_say(host):
    pool, folder = make_pool(host)
    for name in (b"\xff\xfe", b"a\x01b", b"\x1b[31m"):
        pathlib.Path(os.fsdecode(bytes(folder) + b"/" + name)).touch()
    (folder / "plain").touch()
    pool.refresh(0)
    equal(volume_names(pool), ["plain"])


def test_folder_behind_a_link_and_a_folder_of_two_pools(host):
    """What one pool makes is not swept away by the start of the other."""
    first, folder = make_pool(host, "first")
    way = host.path("data/way")
    way.symlink_to(folder)
    second, _ = make_pool(host, "second", way, start=False)
    first.createXML(volume_xml("v"), 0)
    stop = threading.Event()
    problems = []

    def make():
        conn = libvirt.open(host.daemon.uri)
        pool = conn.storagePoolLookupByName("first")
        while not stop.is_set():
            try:
                pool.createXML(volume_xml("w", 1 << 20, form="qcow2"), 1).delete(0)
            except libvirt.libvirtError as error:
                problems.append(error)
        conn.close()

    thread = threading.Thread(target=make)
    thread.start()
    for _ in range(10):
        second.create(0)
        contains(volume_names(second), "v")
        second.destroy()
    stop.set()
    thread.join(60)
    equal([str(p) for p in problems], [])
    second.create(0)
    second.createXML(volume_xml("from second"), 0)
    wait_until(lambda: volume_names(first) == ["from second", "v"], "the other pool sees it")
    raises(libvirt.VIR_ERR_STORAGE_VOL_EXIST, first.createXML, volume_xml("v"), 0)
    raises(libvirt.VIR_ERR_STORAGE_VOL_EXIST, second.createXML, volume_xml("v"), 0)
    second.storageVolLookupByName("v").delete(0)
    wait_until(lambda: volume_names(first) == ["from second"], "it is gone for the other")


def small(host, name, size):
    folder = host.path(name)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder], check=True)
    return folder


def test_no_space_for_a_volume(host):
    folder = small(host, "data/small", "4m")
    pool, _ = make_pool(host, "small", folder)
    (folder / "template").write_bytes(os.urandom(3 << 20))
    pool.refresh(0)
    template = pool.storageVolLookupByName("template")
    codes = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED)

    def no_space(function, *args):
        try:
            function(*args)
        except libvirt.libvirtError as error:
            check(error.get_error_code() in codes, f"code {error.get_error_code()}: {error}")
            check("No space" in str(error) or "Not enough space" in str(error), str(error))
        else:
            fail("it fitted")

    no_space(pool.createXML, volume_xml("raw", 8 << 20, 8 << 20), 0)
    no_space(pool.createXMLFrom, volume_xml("copy", 3 << 20), template, 0)
    no_space(pool.createXMLFrom, volume_xml("copy", 3 << 20, form="qcow2"), template, 0)
    no_space(template.resize, 9 << 20, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE)
    (folder / "fill").write_bytes(bytes(1 << 20))
    no_space(pool.createXML, volume_xml("image", 64 << 20, form="qcow2"), 0)
    equal(sorted(p.name for p in folder.iterdir()), ["fill", "template"])
    if not host.is_reference:
        equal(template.info()[1], 3 << 20)
        equal(volume_names(pool), ["fill", "template"])


@mark(only="lodged", reason="places of files are Lodge's own")
def test_no_space_for_what_is_remembered(host):
    """A definition that could not be stored is not there; a pool that could not be remembered does not start."""
    kept, folder = make_pool(host, "kept", start=False)
    folder.mkdir(parents=True)
    full = small(host, "run/libvirt/storage", "4k")
    with open(full / "fill", "wb") as out:
        out.write(bytes(4096))
    error = raises(libvirt.VIR_ERR_SYSTEM_ERROR, kept.create, 0)
    contains(error, "No space")
    equal(kept.isActive(), 0)
    (full / "fill").unlink()
    kept.create(0)
    kept.destroy()
    host.stop_daemon()
    stored = host.path("etc/libvirt/storage")
    text = (stored / "kept.xml").read_bytes()
    full = small(host, "etc/libvirt/storage", "8k")
    (full / "kept.xml").write_bytes(text)
    with open(full / "fill", "wb") as out:
        try:
            out.write(bytes(4096))
        except OSError:
            pass
    host.start_daemon()
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, host.conn.storagePoolDefineXML,
           "<pool type='dir'><name>new</name><target><path>/new</path></target></pool>")
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, host.conn.storagePoolLookupByName, "new")
    equal(host.conn.storagePoolLookupByName("kept").isActive(), 0)


@mark(only="lodged", reason="libvirtd does not look")
def test_folder_that_vanishes(host):
    pool, folder = make_pool(host)
    volume = pool.createXML(volume_xml("v"), 0)
    shutil.rmtree(folder)
    contains(raises(libvirt.VIR_ERR_SYSTEM_ERROR, pool.listAllVolumes), str(folder))
    contains(raises(libvirt.VIR_ERR_SYSTEM_ERROR, pool.createXML, volume_xml("w"), 0), str(folder))
    raises(libvirt.VIR_ERR_SYSTEM_ERROR, volume.info)
    equal(pool.info()[0], libvirt.VIR_STORAGE_POOL_INACCESSIBLE)
    check(not folder.exists(), "something made it again")
    folder.mkdir()
    equal(volume_names(pool), [])
    pool.createXML(volume_xml("w"), 0)
    equal(volume_names(pool), ["w"])
    # It is watched like the first: what happens in it shows at once.
    for number in range(20):
        (folder / f"n{number}").touch()
        equal(len(volume_names(pool)), 2 + number)
    shutil.rmtree(folder)
    pool.destroy()
    pool.undefine()


@mark(timeout=200)
def test_files_that_vanish_and_change_while_they_are_looked_at(host):
    pool, folder = make_pool(host)
    stop = threading.Event()

    def disturb():
        number = 0
        while not stop.is_set():
            number += 1
            path = folder / f"f{number % 40}"
            kind = number % 7
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)
                if kind == 0:
                    os.mkfifo(path)
                elif kind == 1:
                    path.mkdir()
                elif kind == 2:
                    path.symlink_to("/dev/zero")
                elif kind == 3:
                    path.symlink_to(path)
                elif kind == 4:
                    path.write_bytes(b"QFI\xfb" + os.urandom(200))
                else:
                    path.write_bytes(b"x")
            except OSError:
                pass

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(150):
            for volume in pool.listAllVolumes()[:5]:
                try:
                    volume.XMLDesc()
                except libvirt.libvirtError as error:
                    check(error.get_error_code() in ENDED, f"{error.get_error_code()}: {error}")
    finally:
        stop.set()
        thread.join(20)
    host.ok("pool-refresh", "p")


@mark(only="lodged", reason="images that stopped others")
def test_hostile_images(host):
    """Whatever its header says, an image is listed, and at once."""
    pool, folder = make_pool(host)
    seeds = [p for p in CORPUS.rglob("*") if p.is_file()]
    check(seeds, "no images in the corpus")
    for number, seed in enumerate(seeds):
        shutil.copyfile(seed, folder / f"i{number}")
    huge = bytearray(104)
    huge[0:8] = b"QFI\xfb\0\0\0\3"
    huge[20:24] = (16).to_bytes(4, "big")
    huge[24:32] = ((1 << 63) - 1).to_bytes(8, "big")
    huge[36:40] = (0xffffffff).to_bytes(4, "big")
    huge[60:64] = (0xffffffff).to_bytes(4, "big")
    (folder / "huge").write_bytes(huge)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "loop", "-F", "qcow2", folder / "loop", "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", folder / "foreign", "1M"], check=True)
    host.ok("pool-refresh", "p", timeout=20)
    equal(len(pool.listAllVolumes()), len(seeds) + 3)
    for volume in pool.listAllVolumes():
        volume.XMLDesc()
        volume.info()
    check("<owner>" not in pool.storageVolLookupByName("foreign").XMLDesc().split("<backingStore>")[1], "it tells of a file of others")


@mark(only="lodged", reason="of a list that is too long libvirtd says nothing useful", timeout=300)
def test_more_volumes_than_one_answer_holds(host):
    pool, folder = make_pool(host)
    for number in range(16390):
        (folder / f"v{number}").touch()
    equal(pool.numOfVolumes(), 16390)
    contains(raises(libvirt.VIR_ERR_OPERATION_FAILED, pool.listAllVolumes), "16390", "16384")
    equal(pool.storageVolLookupByName("v16389").name(), "v16389")
    for number in range(10):
        (folder / f"v{number}").unlink()
    equal(len(pool.listAllVolumes()), 16380)
    pool.refresh(0)
    host.restart_daemon()
    equal(len(host.conn.storagePoolLookupByName("p").listAllVolumes()), 16380)


def in_parallel(count, function):
    """Runs function(number, connection) at once; returns what each brought, or its error."""
    results = [None] * count
    barrier = threading.Barrier(count)

    def go(number):
        barrier.wait()
        try:
            results[number] = function(number)
        except libvirt.libvirtError as error:
            results[number] = error

    threads = [threading.Thread(target=go, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return results


def test_one_name_is_given_once(host):
    pool, folder = make_pool(host)
    connections = [host.open() for _ in range(8)]
    pools = [conn.storagePoolLookupByName("p") for conn in connections]
    for round_number in range(5):
        form = "qcow2" if round_number % 2 else "raw"
        results = in_parallel(8, lambda n: pools[n].createXML(volume_xml("same", form=form), 0))
        errors = [r for r in results if isinstance(r, libvirt.libvirtError)]
        equal(len(errors), 7)
        equal({e.get_error_code() for e in errors}, {libvirt.VIR_ERR_STORAGE_VOL_EXIST})
        pool.storageVolLookupByName("same").delete(0)
    equal(list(folder.iterdir()), [])


@mark(only="lodged", reason="libvirtd refuses what others do meanwhile", timeout=300)
def test_pools_come_and_go_under_their_clients(host):
    """Whoever waits for a pool that is stopped and undefined meanwhile gets an answer."""
    pool, folder = make_pool(host)
    xml = pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "base", "1M"], check=True)
    stop = threading.Event()
    problems = []

    def client(number):
        conn = libvirt.open(host.daemon.uri)
        calls = [lambda p: [v.info() for v in p.listAllVolumes()], lambda p: p.createXML(volume_xml(f"v{number}"), 0).delete(0),
                 lambda p: p.createXMLFrom(volume_xml(f"c{number}", form="qcow2"), p.storageVolLookupByName("base"), 0).delete(0),
                 lambda p: p.refresh(0), lambda p: p.storageVolLookupByName("base").XMLDesc(), lambda p: p.info(),
                 lambda p: conn.storageVolLookupByPath(f"{folder}/base").resize(2 << 20, 0),
                 lambda p: p.storageVolLookupByName(f"v{number}").delete(0), lambda p: p.storageVolLookupByName(f"c{number}").delete(0)]
        count = 0
        while not stop.is_set():
            count += 1
            try:
                calls[(count + number) % len(calls)](conn.storagePoolLookupByName("p"))
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (*ENDED, libvirt.VIR_ERR_INVALID_ARG):
                    problems.append(f"{error.get_error_code()}: {error}")
        conn.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    try:
        done = 0
        end = time.monotonic() + 20 * SLOWNESS
        while done < 40 and time.monotonic() < end:
            try:
                current = host.conn.storagePoolLookupByName("p")
                current.destroy()
                if done % 3 == 0:
                    current.undefine()
                    if done % 2:
                        host.conn.storagePoolCreateXML(xml)
                        done += 1
                        continue
                    current = host.conn.storagePoolDefineXML(xml)
                current.create(0)
                done += 1
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:  # a passing one that was stopped
                    host.conn.storagePoolDefineXML(xml).create(0)
                elif "is not active" in str(error):
                    current.create(0)
                elif "asynchronous jobs" not in str(error):
                    raise
        check(done >= 3, f"the pool could be stopped {done} times only")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    equal(problems, [])
    host.conn.storagePoolLookupByName("p").refresh(0)
    equal(temporaries(folder), [])


def copy_that_hangs(host, storage):
    """A pool on storage that stops in the middle of a copy, and the client that waits for that."""
    (storage.backing / "template").write_bytes(os.urandom(1 << 20))
    make_pool(host, "slow", storage.mount, start=False)[0].create(0)
    client = host.terminal("vol-clone", "template", "copy", "slow")
    wait_until(lambda: temporaries(storage.backing) or (storage.backing / "copy").exists(), "the copy has begun", interval=0.001)
    storage.hang()
    return client


@mark(requires=["fuse"], only="lodged", reason="libvirtd hangs", timeout=240)
def test_client_that_leaves_in_the_middle_of_a_copy(host):
    storage = HangingStorage(host)
    try:
        client = copy_that_hangs(host, storage)
        kill(client.process.pid)
        host.ok("list")
        storage.answer()
        pool = host.conn.storagePoolLookupByName("slow")
        wait_until(lambda: not temporaries(storage.backing), "what was begun is gone, or done", timeout=60)
        if "copy" in volume_names(pool):
            equal((storage.backing / "copy").read_bytes(), (storage.backing / "template").read_bytes())
            pool.storageVolLookupByName("copy").delete(0)
        host.ok("vol-clone", "template", "copy", "slow", timeout=60)
        equal((storage.backing / "copy").read_bytes(), (storage.backing / "template").read_bytes())
    finally:
        storage.close()


@mark(requires=["fuse"], only="lodged", reason="libvirtd hangs", timeout=240)
def test_daemon_that_is_ended_in_the_middle_of_a_copy(host):
    storage = HangingStorage(host)
    try:
        client = copy_that_hangs(host, storage)
        kill(host.daemon.pid, signal.SIGTERM)
        # The kernel keeps its process until the storage answers.
        wait_until(lambda: "daemon: ended" in host.daemon.log.read_text(), "the daemon ends", timeout=30)
        storage.answer()
        client.wait(timeout=30)
        host.stop_daemon()
        host.start_daemon()
        wait_until(lambda: host.conn.storagePoolLookupByName("slow").isActive(), "the pool is active", timeout=60)
        wait_until(lambda: not temporaries(storage.backing), "what was begun is gone", timeout=60)
        if (storage.backing / "copy").exists():
            equal((storage.backing / "copy").read_bytes(), (storage.backing / "template").read_bytes())
        equal(volume_names(host.conn.storagePoolLookupByName("slow")),
              sorted({"template"} | ({"copy"} if (storage.backing / "copy").exists() else set())))
    finally:
        storage.close()


@mark(only="lodged", reason="libvirtd reads for the owner of an image what it names")
def test_what_a_header_names_is_read_for_who_may_read_it(host):
    """An image belongs to somebody with fewer rights than the daemon: what he may not read is not copied for him."""
    pool, folder = make_pool(host)
    secret, own, common = (host.path(name) for name in ("secret", "own", "common"))
    for path, mode, uid in ((secret, 0o600, 0), (own, 0o600, 1000), (common, 0o644, 0)):
        path.write_bytes(b"S" * 65536)
        path.chmod(mode)
        os.chown(path, uid, uid)
    for base in (secret, own, common):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(folder / f"on-{base.name}")], check=True)
    (folder / "parts").write_text('# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
                                  f'RW 128 FLAT "{secret}" 0\n')
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={secret},data_file_raw=on", str(folder / "data"), "64k"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(folder / "other"), "64k"], check=True)
    for path in folder.iterdir():
        os.chown(path, 1000, 1000)
    pool.refresh(0)
    before = sorted(path.name for path in folder.iterdir())
    out = str(host.path("out"))
    content = secret.read_bytes()

    def image(*words, code=0):
        result = host.lodge("image", *words)
        equal(result.code, code, f"{words}: {result.err}")
        return result.err

    for name in ("on-secret", "parts", "data"):
        contains(raises(libvirt.VIR_ERR_OPERATION_FAILED, pool.createXMLFrom, volume_xml("copy"), pool.storageVolLookupByName(name), 0),
                 str(secret), "user 1000 may not read")
        path = str(folder / name)
        for words in (("convert", path, out), ("dd", path, out), ("compare", path, str(folder / "other")),
                      ("compare", str(folder / "other"), path)):
            contains(image(*words, code=1), str(secret), "user 1000 may not read", "give both files to one owner")
    equal(sorted(path.name for path in folder.iterdir()), before)
    (folder / "data").unlink()  # or it would be the reason
    before.remove("data")
    pool.refresh(0)
    for words in (("commit", str(folder / "on-secret")), ("rebase", str(folder / "on-secret"), "--flatten")):
        contains(image(*words, code=1), str(secret), "user 1000 may not read")
    contains(image("commit", str(folder / "on-common"), code=1), "names the backing file", "to be written to")
    equal(secret.read_bytes(), content)
    equal(sorted(path.name for path in folder.iterdir()), before)
    check(not os.path.exists(out), "something was made")
    for name in ("on-own", "on-common"):
        image("convert", str(folder / name), out)
        check(pathlib.Path(out).read_bytes()[:65536] == b"S" * 65536, f"{name} was not read")
        os.unlink(out)
        pool.createXMLFrom(volume_xml("copy"), pool.storageVolLookupByName(name), 0).delete(0)
    image("rebase", str(folder / "on-secret"), "--unsafe", "--base", str(common), "--base-format", "raw")
    image("convert", str(folder / "on-secret"), out)
    os.chown(folder / "parts", 0, 0)
    image("convert", str(folder / "parts"), str(host.path("out2")))
