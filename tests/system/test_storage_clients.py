"""Pools and volumes as virt-manager and Cockpit use them: virt-manager's own library, and the calls of the bindings.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import io
import sys
import threading

from lodgetest.host import *
from lodgetest.runner import mark
from test_storage import make_pool, volume_names, volume_xml

MIB = 1 << 20


class Meter:
    """What virt-manager's progress bar is told."""

    def __init__(self):
        self.told = []

    def start(self, text, size):
        self.told.append(0)

    def update(self, done):
        self.told.append(done)

    def end(self):
        pass


def virtinst(host):
    sys.path.insert(0, "/usr/share/virt-manager")
    try:
        import virtinst.cli
        from virtinst.install import volumeupload
    except ImportError as missing:
        raise Skip(f"virtinst is not there: {missing}") from missing
    return virtinst, volumeupload, virtinst.cli.getConnection(host.daemon.uri)


def test_virt_manager_s_storage_dialogs(host):
    """A pool is made, volumes of every format in it, one grows while its dialog shows a bar; then the pool is stopped
    and removed. rows: storage-pool-84 volume-34 volume-36"""
    library, upload, conn = virtinst(host)
    folder = host.path("data/test pool")
    new = library.StoragePool(conn)
    new.type, new.name, new.target_path = "dir", "test", str(folder)
    new.validate()
    pool = new.install(create=True, build=True, autostart=True)
    equal((pool.isActive(), pool.autostart(), pool.isPersistent()), (1, 1, 1))
    equal(library.StoragePool.lookup_pool_by_path(conn, str(folder)).name(), "test")
    made = ["raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "cow"]
    for form in made:
        volume = library.StorageVolume(conn)
        volume.pool, volume.name, volume.format = pool, f"v.{form}", form
        volume.capacity, volume.allocation = 8 * MIB, 0
        if form == "cow":  # which no QEMU makes any more
            raises_runtime(volume.install, "cow")
            continue
        volume.validate()
        handle = volume.install(meter=Meter())
        kind, capacity, allocation = handle.info()
        equal((kind, capacity), (libvirt.VIR_STORAGE_VOL_FILE, 8 * MIB))
        check(allocation < capacity, f"{form} is not thin")
        contains(handle.XMLDesc(0), f"<format type='{form}'/>")
    names = volume_names(pool)
    equal(names, sorted(f"v.{form}" for form in made if form != "cow"))
    overlay = library.StorageVolume(conn)
    overlay.pool, overlay.name, overlay.format, overlay.capacity, overlay.allocation = pool, "over", "qcow2", 8 * MIB, 0
    overlay.backing_store = pool.storageVolLookupByName("v.qcow2").path()
    overlay.validate()
    contains(overlay.install().XMLDesc(0), "<backingStore>", "<format type='qcow2'/>")
    clone = library.StorageVolume(conn)
    clone.pool = pool
    clone.set_input_vol(pool.storageVolLookupByName("v.raw"))
    clone.name = "clone"
    equal(clone.install(meter=Meter()).info()[1], 8 * MIB)
    source = host.path("up.img")
    source.write_bytes(os.urandom(3 * MIB + 17))
    with contextlib.redirect_stdout(io.StringIO()):
        sent = upload._upload_file(conn, Meter(), pool, str(source))
    equal((folder / sent.name()).read_bytes()[:3 * MIB + 17], source.read_bytes())
    for name in volume_names(pool):
        pool.storageVolLookupByName(name).delete(0)
    pool.destroy()  # the red button
    equal(pool.isActive(), 0)
    pool.undefine()  # and the one that removes it
    raises(libvirt.VIR_ERR_NO_STORAGE_POOL, host.conn.storagePoolLookupByName, "test")
    check(folder.is_dir(), "the folder went with it")
    conn.close()


def raises_runtime(function, says):
    try:
        function()
    except RuntimeError as error:
        contains(error, says)
    else:
        fail("no error")


def test_a_volume_is_watched_while_it_is_made(host):
    """By its name it is found before it is listed, and its allocation grows; nothing can be done with it."""
    pool, folder = make_pool(host)
    size = 512 * MIB
    with open(folder / "from", "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(4096) * 256)
    pool.refresh(0)
    source = pool.storageVolLookupByName("from")
    done, seen = threading.Event(), []

    def make():
        other = host.open().storagePoolLookupByName("p")
        other.createXMLFrom(volume_xml("copy", size, form="qcow2"), other.storageVolLookupByName("from"), 0)
        done.set()

    thread = threading.Thread(target=make)
    thread.start()
    tried = False
    while not done.is_set():
        try:
            volume = pool.storageVolLookupByName("copy")
            seen.append(volume.info()[2])
            if not tried and not done.is_set():
                tried = True
                for change in (lambda: volume.delete(0), lambda: volume.resize(size * 2), lambda: volume.wipe(0)):
                    if not done.is_set():
                        raises(libvirt.VIR_ERR_OPERATION_INVALID, change, text="still being allocated")
        except libvirt.libvirtError as error:
            equal(error.get_error_code(), libvirt.VIR_ERR_NO_STORAGE_VOL)
        except TestFailure:
            check(done.is_set(), "a volume that is being made was changed")
    thread.join()
    check(seen == sorted(seen) and len(set(seen)) > 2, f"it did not grow: {seen}")
    equal(volume_names(pool), ["copy", "from"])


def test_cockpit_s_calls(host):
    """What its storage page asks and does, with events."""
    Loop()
    conn, seen = host.open(), []
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                     lambda conn, pool, event, detail, opaque: seen.append((pool.name(), event)), None)
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                     lambda conn, pool, opaque: seen.append((pool.name(), "refresh")), None)
    contains(conn.getStoragePoolCapabilities(0), "<pool type='dir' supported='yes'>")
    folder = host.path("data/c")
    pool = conn.storagePoolDefineXML(f"<pool type='dir'><name>c</name><source/><target><path>{folder}</path></target></pool>", 0)
    pool.build(0)
    pool.create(0)
    pool.setAutostart(1)
    wait_until(lambda: ("c", libvirt.VIR_STORAGE_POOL_EVENT_STARTED) in seen, "the page hears of the start")
    for one in conn.listAllStoragePools(0):
        for ask in (one.XMLDesc, one.info, one.isActive, one.autostart, one.isPersistent, one.UUIDString, one.numOfVolumes):
            ask()
    host.ok("vol-create-as", "c", "disk.qcow2", "10M", "--format", "qcow2")
    (folder / "outside.iso").write_bytes(bytes(MIB))
    if host.is_reference:
        pool.refresh(0)
    wait_until(lambda: ("c", "refresh") in seen, "the page hears of the new file", timeout=2 * SLOWNESS)
    volumes = {volume.name(): volume for volume in pool.listAllVolumes(0)}
    equal(sorted(volumes), ["disk.qcow2", "outside.iso"])
    for name, volume in volumes.items():
        equal(conn.storageVolLookupByPath(volume.path()).key(), volume.key())
        equal(conn.storageVolLookupByKey(volume.key()).storagePoolLookupByVolume().name(), "c")
        contains(volume.XMLDesc(0), f"<path>{folder}/{name}</path>")
    stream, sent = conn.newStream(0), os.urandom(2 * MIB)
    volumes["outside.iso"].upload(stream, 0, len(sent), 0)
    position = [0]

    def send(_, count, data):
        piece = data[position[0]:position[0] + count]
        position[0] += len(piece)
        return piece

    stream.sendAll(send, sent)
    stream.finish()
    stream, got = conn.newStream(0), io.BytesIO()
    volumes["outside.iso"].download(stream, 0, 0, 0)
    stream.recvAll(lambda _, data, file: file.write(data), got)
    stream.finish()
    equal(got.getvalue(), sent)
    volumes["disk.qcow2"].resize(20 * MIB)
    equal(volumes["disk.qcow2"].info()[1], 20 * MIB)
    volumes["disk.qcow2"].delete(0)
    pool.refresh(0)
    equal(volume_names(pool), ["outside.iso"])
    pool.destroy()
    pool.undefine()
    wait_until(lambda: ("c", libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED) in seen, "the page hears of the end")
