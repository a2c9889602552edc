"""API calls about pools and volumes as virt-install, virt-manager and Cockpit make them, and documents of both.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os

import libvirt
from lodgetest.host import Loop, wait_until
from storage_documents import BAD_POOLS, BAD_VOLUMES, kinds, pools, volumes

UUID = "22222222-2222-4222-8222-222222222222"
POOL = """<pool type='dir'><name>api</name><uuid>22222222-2222-4222-8222-222222222222</uuid>
<target><path>%s/api</path></target></pool>"""
MARKER = "<pool type='dir'><name>marker</name><target><path>/nowhere</path></target></pool>"
VOLUME = "<volume><name>%s</name><capacity>%d</capacity>%s<target><format type='%s'/></target></volume>"


class Events:
    """What a pool's events say, in order."""

    def __init__(self, conn):
        self.conn = conn
        self.seen = []
        self.ids = [conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                                     self.lifecycle, None),
                    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                                     self.refresh, None)]

    def lifecycle(self, _, pool, event, detail, __):
        self.seen.append((pool.name(), event, detail))

    def refresh(self, _, pool, __):
        self.seen.append((pool.name(), "refresh"))

    def take(self):
        """Events keep their order: those of the calls before have come when those of a pool that is made now have."""
        marker = self.conn.storagePoolDefineXML(MARKER)
        marker.undefine()
        end = ("marker", libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED, 0)
        wait_until(lambda: end in self.seen, "the events of the marker")
        seen, self.seen = self.seen, []
        return [event for event in seen if event[0] != "marker"]



def names(conn, flags=0):
    return sorted(pool.name() for pool in conn.listAllStoragePools(flags))


def play_pool(player, conn, place, events):
    call = player.call
    text = POOL % place
    call("pool: lists of none", lambda: (conn.listAllStoragePools(), conn.numOfStoragePools(), conn.listStoragePools(),
                                         conn.numOfDefinedStoragePools(), conn.listDefinedStoragePools()))
    call("listAllStoragePools unknown flag", lambda: conn.listAllStoragePools(1 << 25))
    call("storagePoolLookupByName", lambda: conn.storagePoolLookupByName("none"))
    call("storagePoolLookupByName empty", lambda: conn.storagePoolLookupByName(""))
    call("storagePoolLookupByUUIDString", lambda: conn.storagePoolLookupByUUIDString(UUID))
    call("storagePoolLookupByTargetPath", lambda: conn.storagePoolLookupByTargetPath(f"{place}/api"))
    call("storagePoolDefineXML empty", lambda: conn.storagePoolDefineXML(""))
    call("storagePoolDefineXML broken", lambda: conn.storagePoolDefineXML("<pool"))
    call("storagePoolDefineXML flag", lambda: conn.storagePoolDefineXML(text, 1 << 20))
    call("storagePoolCreateXML flag", lambda: conn.storagePoolCreateXML(text, 1 << 20))
    call("storagePoolCreateXML both", lambda: conn.storagePoolCreateXML(text, 6))
    call("storagePoolCreateXML overwrite", lambda: conn.storagePoolCreateXML(text, 2))
    pool = conn.storagePoolDefineXML(text)
    call("pool: event of define", events.take)
    call("pool: state", lambda: (pool.isActive(), pool.isPersistent(), pool.autostart(), pool.info(), pool.UUIDString(), pool.name()))
    call("pool: XMLDesc flag", lambda: pool.XMLDesc(1 << 20))
    call("pool: create flag", lambda: pool.create(1 << 20))
    call("pool: create both", lambda: pool.create(6))
    if os.path.isdir(f"{place}/api"):  # libvirtd makes it before it finds out that there is nothing to format
        os.rmdir(f"{place}/api")
    call("pool: create without a folder", lambda: pool.create(0))
    call("pool: refresh inactive", lambda: pool.refresh(0))
    call("pool: numOfVolumes inactive", pool.numOfVolumes)
    call("pool: listVolumes inactive", pool.listVolumes)
    call("pool: listAllVolumes inactive", pool.listAllVolumes)
    call("pool: storageVolLookupByName inactive", lambda: pool.storageVolLookupByName("x"))
    call("pool: createXML inactive", lambda: pool.createXML(VOLUME % ("x", 1024, "", "raw"), 0))
    call("pool: build both", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE |
                                                libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE))
    call("pool: build overwrite", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE))
    call("pool: build flag", lambda: pool.build(1 << 20))
    call("pool: build repair", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_REPAIR))
    call("pool: build resize", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_RESIZE))
    call("pool: build", lambda: pool.build(0))
    call("pool: event of build", events.take)
    call("pool: create", lambda: pool.create(0))
    call("pool: event of create", events.take)
    call("pool: create again", lambda: pool.create(0))
    call("pool: refresh", lambda: pool.refresh(0))
    call("pool: refresh flag", lambda: pool.refresh(1))
    call("pool: event of refresh", events.take)
    call("pool: setAutostart", lambda: pool.setAutostart(1))
    call("pool: event of setAutostart", events.take)
    call("pool: state active", lambda: (pool.isActive(), pool.isPersistent(), pool.autostart(), pool.info()[0]))
    call("pool: lists", lambda: (names(conn), conn.numOfStoragePools(), sorted(conn.listStoragePools()),
                                 sorted(conn.listDefinedStoragePools())))
    for bit in range(20):
        call(f"listAllStoragePools {1 << bit}", lambda bit=bit: names(conn, 1 << bit))
    call("storagePoolLookupByTargetPath active", lambda: conn.storagePoolLookupByTargetPath(f"{place}/api").name())
    call("storagePoolLookupByTargetPath slash", lambda: conn.storagePoolLookupByTargetPath(f"{place}/api/").name())
    call("storagePoolLookupByTargetPath dots", lambda: conn.storagePoolLookupByTargetPath(f"{place}/./api").name())
    call("storagePoolLookupByTargetPath below", lambda: conn.storagePoolLookupByTargetPath(f"{place}/api/x").name())
    call("pool: redefined while active", lambda: conn.storagePoolDefineXML(text.replace("/api<", "/api2<")).XMLDesc())
    call("pool: event of define again", events.take)
    call("pool: undefine active", pool.undefine)
    call("pool: delete active", lambda: pool.delete(0))
    call("pool: delete flag", lambda: pool.delete(1 << 20))
    return pool


def volume_xml(name, capacity=1 << 20, allocation=None, form="raw"):
    return VOLUME % (name, capacity, "" if allocation is None else f"<allocation>{allocation}</allocation>", form)


def play_volumes(player, conn, pool, place):
    call = player.call
    create = lambda *args, flags=0, **named: pool.createXML(volume_xml(*args, **named), flags)
    call("volume: createXML flag", lambda: create("a", flags=1 << 20))
    call("volume: createXML", lambda: create("a").name())
    call("volume: createXML again", lambda: create("a"))
    call("volume: createXML empty", lambda: pool.createXML("", 0))
    call("volume: createXML broken", lambda: pool.createXML("<volume", 0))
    call("volume: createXML reflink", lambda: create("reflink", flags=libvirt.VIR_STORAGE_VOL_CREATE_REFLINK))
    call("volume: createXML metadata of raw", lambda: create("rawmeta", flags=1))
    call("volume: createXML metadata", lambda: create("meta", form="qcow2", flags=1).info()[:2])
    call("volume: name with a newline", lambda: create("a\nb"))
    call("volume: name with a tab", lambda: create("a\tb"))
    call("volume: name of 255", lambda: len(create("n" * 255).name()))
    call("volume: name of 256", lambda: create("n" * 256))
    call("volume: name of 300", lambda: create("n" * 300))
    call("volume: name with a dash", lambda: create("-rf").path()[-4:])
    call("volume: name in UTF-8", lambda: create("größe 大").name())
    call("volume: blanks around the name", lambda: repr(create(" blank ").name()))
    volume = pool.storageVolLookupByName("a")
    call("volume: info", lambda: (volume.info(), volume.infoFlags(0), volume.infoFlags(1)))
    call("volume: info flag", lambda: volume.infoFlags(4))
    call("volume: XMLDesc flag", lambda: volume.XMLDesc(1))
    call("volume: key, name, path", lambda: (volume.key() == volume.path(), volume.name(), volume.path()[-6:]))
    call("volume: storageVolLookupByKey", lambda: conn.storageVolLookupByKey(volume.key()).name())
    call("volume: storageVolLookupByKey none", lambda: conn.storageVolLookupByKey("none"))
    call("volume: storageVolLookupByKey empty", lambda: conn.storageVolLookupByKey(""))
    call("volume: storageVolLookupByPath", lambda: conn.storageVolLookupByPath(volume.path()).name())
    call("volume: storageVolLookupByPath none", lambda: conn.storageVolLookupByPath("/none"))
    call("volume: storageVolLookupByPath empty", lambda: conn.storageVolLookupByPath(""))
    call("volume: storageVolLookupByPath relative", lambda: conn.storageVolLookupByPath("a"))
    call("volume: storageVolLookupByPath slashes", lambda: conn.storageVolLookupByPath(f"{place}//api/a").name())
    call("volume: storageVolLookupByPath dots", lambda: conn.storageVolLookupByPath(f"{place}/api/../api/a").name())
    os.symlink(f"{place}/api", f"{place}/way")
    call("volume: storageVolLookupByPath link", lambda: conn.storageVolLookupByPath(f"{place}/way/a").name())
    call("volume: storageVolLookupByPath folder", lambda: conn.storageVolLookupByPath(f"{place}/api"))
    call("volume: storagePoolLookupByVolume", lambda: volume.storagePoolLookupByVolume().name())
    call("volume: storageVolLookupByName none", lambda: pool.storageVolLookupByName("none"))
    call("volume: storageVolLookupByName empty", lambda: pool.storageVolLookupByName(""))
    call("volume: storageVolLookupByName path", lambda: pool.storageVolLookupByName(volume.path()))
    sized = create("sized")
    call("volume: resize flag", lambda: sized.resize(1 << 21, 1 << 20))
    call("volume: resize nothing", lambda: sized.resize(0, 0))
    call("volume: resize shrink to nothing", lambda: sized.resize(0, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK))
    call("volume: resize delta too much", lambda: sized.resize((1 << 63) - 1, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA))
    call("volume: resize too much", lambda: sized.resize(1 << 62, 0))
    call("volume: wipe flag", lambda: volume.wipe(1))
    call("volume: wipePattern unknown", lambda: volume.wipePattern(99, 0))
    call("volume: delete flag", lambda: volume.delete(1 << 20))
    def stream(function, *args):
        given = conn.newStream()
        try:
            return function(given, *args)
        finally:
            try:
                given.abort()
            except libvirt.libvirtError:  # it was never used
                pass

    call("volume: upload flag", lambda: stream(volume.upload, 0, 0, 1 << 20))
    call("volume: upload behind the end", lambda: stream(volume.upload, 1 << 40, 0, 0))
    call("volume: download flag", lambda: stream(volume.download, 0, 0, 1 << 20))
    call("volume: download behind the end", lambda: stream(volume.download, 1 << 40, 0, 0))
    call("volume: createXMLFrom flag", lambda: pool.createXMLFrom(volume_xml("c"), volume, 1 << 20))
    call("volume: createXMLFrom", lambda: pool.createXMLFrom(volume_xml("c", 2 << 20), volume, 0).info()[:2])
    call("volume: createXMLFrom itself", lambda: pool.createXMLFrom(volume_xml("a"), volume, 0))
    call("volume: createXMLFrom smaller", lambda: pool.createXMLFrom(volume_xml("d", 1024), volume, 0).info()[:2])
    call("volume: createXMLFrom qcow2", lambda: pool.createXMLFrom(volume_xml("e", form="qcow2"), volume, 0).info()[:2])
    call("volume: createXMLFrom reflink", lambda: pool.createXMLFrom(volume_xml("f"), volume, 2))
    sized.delete(0)
    call("volume: list", lambda: sorted(v.name() for v in pool.listAllVolumes()) == sorted(pool.listVolumes()))
    call("volume: list flag", lambda: pool.listAllVolumes(1))
    call("volume: count", pool.numOfVolumes)
    call("volume: delete", lambda: volume.delete(0))
    call("volume: delete again", lambda: volume.delete(0))
    call("volume: info of a deleted one", volume.info)
    call("volume: XML of a deleted one", volume.XMLDesc)
    call("volume: path of a deleted one", volume.path)
    call("volume: pool of a deleted one", lambda: volume.storagePoolLookupByVolume().name())
    call("volume: createXMLFrom a deleted one", lambda: pool.createXMLFrom(volume_xml("z"), volume, 0))
    call("volume: delete zeroed", lambda: pool.storageVolLookupByName("c").delete(1))


def clients(player, conn, pool, place):
    """As the tools do it, call by call."""
    call = player.call

    def virt_install():
        """--disk size=1: a look-up that fails, the pool of the folder, a refresh, the volume, its XML."""
        path = f"{place}/api/vm.qcow2"
        try:
            conn.storageVolLookupByPath(path)
        except libvirt.libvirtError as error:
            code = error.get_error_code()
        found = [p for p in conn.listAllStoragePools() if "/api<" in p.XMLDesc(0)][0]
        found.refresh(0)
        made = found.createXML(f"""<volume type="file"><name>vm.qcow2</name><capacity>10485760</capacity>
            <allocation>0</allocation><target><format type="qcow2"/><features><lazy_refcounts/></features></target>
            </volume>""", libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA)
        found.refresh(0)
        return code, made.info()[:2], conn.storageVolLookupByPath(path).XMLDesc(0)

    def virt_manager():
        made = pool.createXML(volume_xml("gui.raw", 1 << 20, 0), 0)
        copy = pool.createXMLFrom(volume_xml("gui2.raw", 1 << 20), made, 0)
        rows = sorted((v.name(), v.info()[:2]) for v in pool.listAllVolumes(0) if v.name().startswith("gui"))
        copy.delete(0)
        made.delete(0)
        return rows, sorted(v.name() for v in pool.listAllVolumes(0) if v.name().startswith("gui"))

    def cockpit():
        one = conn.storagePoolDefineXML(f"<pool type='dir'><name>cock</name><source/><target><path>{place}/cock</path>"
                                        "</target></pool>", 0)
        one.setAutostart(1)
        one.build(libvirt.VIR_STORAGE_POOL_BUILD_NEW)
        one.create(0)
        one.createXML("<volume type='file'><name>disk</name><capacity unit='MiB'>4</capacity><target>"
                      "<format type='qcow2'/></target></volume>", 0)
        one.refresh(0)
        found = [v.name() for v in one.listAllVolumes(0)]
        for volume in one.listAllVolumes(0):
            volume.delete(0)
        one.destroy()
        one.delete(0)
        one.undefine()
        return found, os.path.exists(f"{place}/cock")

    call("client: virt-install", virt_install)
    call("client: virt-manager", virt_manager)
    call("client: Cockpit", cockpit)


def play_documents(player, conn, pool, place):
    def define(xml):
        made = conn.storagePoolDefineXML(xml, 0)
        try:
            return made.XMLDesc(0)
        finally:
            made.undefine()

    def create(xml):
        made = pool.createXML(xml, 0)
        try:
            return made.XMLDesc(0)
        finally:
            made.delete(0)

    for name, xml in BAD_POOLS + list(pools()) + list(kinds()):
        player.call(f"document: pool {name}", lambda xml=xml: define(xml.replace("@POOLS@", place)))
    for name, xml in BAD_VOLUMES + list(volumes()):
        player.call(f"document: volume {name}", lambda xml=xml: create(xml.replace("@POOLS@", place)))
        for file in os.listdir(f"{place}/api"):  # what is left of those that were refused, too
            if "doc" in file:
                path = f"{place}/api/{file}"
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        pool.refresh(0)


def play(player):
    Loop()
    conn = player.host.open()
    place = str(player.host.path("pools"))
    events = Events(conn)
    pool = play_pool(player, conn, place, events)
    play_volumes(player, conn, pool, place)
    clients(player, conn, pool, place)
    play_documents(player, conn, pool, place)
    events.take()  # those of documents that one of both refuses
    player.call("pool: destroy", pool.destroy)
    player.call("pool: event of destroy", events.take)
    player.call("pool: destroy again", pool.destroy)
    player.call("pool: undefine", pool.undefine)
    player.call("pool: event of undefine", events.take)
    player.call("pool: after undefine", pool.info)
