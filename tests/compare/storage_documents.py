"""Documents of pools and volumes: bad ones by hand, and one for each awkward value in each place.

@POOLS@ stands for the folder of the pools. Volumes are made in a pool of a folder, so all are small.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
UUID = "33333333-3333-4333-8333-333333333333"


def pool(body="", target="<target><path>@POOLS@/doc</path></target>", name="<name>doc</name>", attributes=" type='dir'"):
    return f"<pool{attributes}>{name}{body}{target}</pool>"


def volume(body="", name="<name>doc</name>", capacity="<capacity>65536</capacity>", target="", attributes=""):
    return f"<volume{attributes}>{name}{capacity}{body}{target and f'<target>{target}</target>'}</volume>"


def permissions(text):
    return f"<target><path>@POOLS@/doc</path><permissions>{text}</permissions></target>"


BAD_POOLS = [
    ("empty", ""),
    ("blank", " "),
    ("not closed", "<pool type='dir'>"),
    ("other root", "<volume type='dir'/>"),
    ("text alone", "pool"),
    ("entity", "<!DOCTYPE p [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + pool(name="<name>&e;</name>")),
    ("no type", pool(attributes="")),
    ("empty type", pool(attributes=" type=''")),
    ("unknown type", pool(attributes=" type='nonsense'")),
    ("type with a blank", pool(attributes=" type='dir '")),
    ("no name", pool(name="")),
    ("empty name", pool(name="<name/>")),
    ("blank name", pool(name="<name> </name>")),
    ("name with a slash", pool(name="<name>a/b</name>")),
    ("absolute name", pool(name="<name>/a</name>")),
    ("name with a newline", pool(name="<name>a\nb</name>")),
    ("name with a newline in front", pool(name="<name>\nab</name>")),
    ("dot", pool(name="<name>.</name>")),
    ("dots", pool(name="<name>..</name>")),
    ("name of 300 bytes", pool(name=f"<name>{'n' * 300}</name>")),
    ("no target", pool(target="")),
    ("no path", pool(target="<target/>")),
    ("empty path", pool(target="<target><path/></target>")),
    ("relative path", pool(target="<target><path>a/b</path></target>")),
    ("bad uuid", pool("<uuid>nonsense</uuid>")),
    ("short uuid", pool("<uuid>3333</uuid>")),
    ("empty uuid", pool("<uuid/>")),
    ("mode no octal", pool(target=permissions("<mode>0999</mode>"))),
    ("mode text", pool(target=permissions("<mode>rwx</mode>"))),
    ("mode too much", pool(target=permissions("<mode>77777</mode>"))),
    ("mode negative", pool(target=permissions("<mode>-1</mode>"))),
    ("owner text", pool(target=permissions("<owner>root</owner>"))),
    ("owner negative", pool(target=permissions("<owner>-2</owner>"))),
    ("owner too much", pool(target=permissions("<owner>4294967296</owner>"))),
    ("group text", pool(target=permissions("<group>root</group>"))),
    ("group with more", pool(target=permissions("<group>10x</group>"))),
    ("features", pool("<features><cow state='maybe'/></features>")),
    ("host without a name", pool("<source><host/></source>")),
    ("port text", pool("<source><host name='a' port='x'/></source>")),
    ("device without a path", pool("<source><device/></source>")),
    ("auth without a type", pool("<source><auth username='x'/></source>")),
    ("auth unknown", pool("<source><auth type='nonsense' username='x'><secret usage='x'/></auth></source>")),
    ("auth without a user", pool("<source><auth type='chap'><secret usage='x'/></auth></source>")),
    ("auth without a secret", pool("<source><auth type='chap' username='x'/></source>")),
    ("adapter", pool("<source><adapter type='nonsense'/></source>")),
    ("two names", pool("<name>second</name>")),
    ("two targets", pool("<target><path>@POOLS@/second</path></target>")),
    ("two sources", pool("<source><name>a</name></source><source><name>b</name></source>")),
]

BAD_VOLUMES = [
    ("empty", ""),
    ("blank", "\n"),
    ("not closed", "<volume>"),
    ("other root", "<pool type='dir'/>"),
    ("nothing in it", "<volume/>"),
    ("no name", volume(name="")),
    ("empty name", volume(name="<name/>")),
    ("name with a slash", volume(name="<name>doc/x</name>")),
    ("no capacity", volume(capacity="")),
    ("empty capacity", volume(capacity="<capacity/>")),
    ("capacity text", volume(capacity="<capacity>much</capacity>")),
    ("capacity negative", volume(capacity="<capacity>-1</capacity>")),
    ("capacity fraction", volume(capacity="<capacity>1.5</capacity>")),
    ("capacity hexadecimal", volume(capacity="<capacity>0x10000</capacity>")),
    ("capacity unknown unit", volume(capacity="<capacity unit='pounds'>1</capacity>")),
    ("capacity empty unit", volume(capacity="<capacity unit=''>65536</capacity>")),
    ("capacity too much", volume(capacity="<capacity unit='E'>16</capacity>")),
    ("capacity 2^63", volume(capacity="<capacity>9223372036854775808</capacity><allocation>0</allocation>")),
    ("capacity 2^64", volume(capacity="<capacity>18446744073709551616</capacity>")),
    ("capacity in the unit", volume(capacity="<capacity>1M</capacity>")),
    ("allocation text", volume("<allocation>x</allocation>")),
    ("allocation negative", volume("<allocation>-5</allocation>")),
    ("allocation unknown unit", volume("<allocation unit='x'>5</allocation>")),
    ("allocation more than there is", volume("<allocation unit='T'>5</allocation>")),
    ("type unknown", volume(attributes=" type='nonsense'")),
    ("type block", volume(attributes=" type='block'")),
    ("type dir", volume(attributes=" type='dir'")),
    ("type network", volume(attributes=" type='network'")),
    ("format unknown", volume(target="<format type='nonsense'/>")),
    ("format empty", volume(target="<format type=''/>")),
    ("format none", volume(target="<format/>")),
    ("mode no octal", volume(target="<permissions><mode>0999</mode></permissions>")),
    ("mode too much", volume(target="<permissions><mode>100000</mode></permissions>")),
    ("owner text", volume(target="<permissions><owner>root</owner></permissions>")),
    ("group negative", volume(target="<permissions><group>-7</group></permissions>")),
    ("compat text", volume(target="<format type='qcow2'/><compat>new</compat>")),
    ("compat unknown", volume(target="<format type='qcow2'/><compat>9.9</compat>")),
    ("compat of raw", volume(target="<compat>1.1</compat>")),
    ("feature unknown", volume(target="<format type='qcow2'/><compat>1.1</compat><features><nonsense/></features>")),
    ("feature needs compat", volume(target="<format type='qcow2'/><compat>0.10</compat><features><lazy_refcounts/></features>")),
    ("feature of raw", volume(target="<features><lazy_refcounts/></features>")),
    ("cluster odd", volume(target="<format type='qcow2'/><clusterSize>1000</clusterSize>")),
    ("cluster text", volume(target="<format type='qcow2'/><clusterSize>x</clusterSize>")),
    ("cluster huge", volume(target="<format type='qcow2'/><clusterSize unit='M'>4</clusterSize>")),
    ("cluster of raw", volume(target="<clusterSize>65536</clusterSize>")),
    ("encryption without a format", volume(target="<encryption/>")),
    ("encryption unknown", volume(target="<encryption format='nonsense'/>")),
    ("encryption secret type", volume(target="<encryption format='luks'><secret type='x' uuid='%s'/></encryption>" % UUID)),
    ("encryption no secret type", volume(target="<encryption format='luks'><secret uuid='%s'/></encryption>" % UUID)),
    ("encryption secret uuid", volume(target="<encryption format='luks'><secret type='passphrase' uuid='x'/></encryption>")),
    ("encryption no secret id", volume(target="<encryption format='luks'><secret type='passphrase'/></encryption>")),
    ("encryption missing secret", volume(target="<format type='luks'/><encryption format='luks'><secret type='passphrase' uuid='%s'/></encryption>" % UUID)),
    ("encryption raw missing secret", volume(target="<encryption format='luks'><secret type='passphrase' uuid='%s'/></encryption>" % UUID)),
    ("encryption without secrets", volume(target="<encryption format='luks'/>")),
    ("encryption qcow", volume(target="<format type='qcow2'/><encryption format='qcow'/>")),
    ("encryption default", volume(target="<format type='qcow2'/><encryption format='default'/>")),
    ("cipher without a size", volume(target="<encryption format='luks'><secret type='passphrase' uuid='%s'/><cipher name='aes'/></encryption>" % UUID)),
    ("cipher without a name", volume(target="<encryption format='luks'><secret type='passphrase' uuid='%s'/><cipher size='256'/></encryption>" % UUID)),
    ("ivgen without a name", volume(target="<encryption format='luks'><secret type='passphrase' uuid='%s'/><ivgen hash='x'/></encryption>" % UUID)),
    ("backing without a path", volume("<backingStore/>", target="<format type='qcow2'/>")),
    ("backing missing", volume("<backingStore><path>/none</path></backingStore>", target="<format type='qcow2'/>")),
    ("backing format unknown", volume("<backingStore><path>/none</path><format type='x'/></backingStore>", target="<format type='qcow2'/>")),
    ("backing of raw", volume("<backingStore><path>@POOLS@/api/e</path><format type='raw'/></backingStore>")),
    ("device without a path", volume("<source><device/></source>")),
    ("two capacities", volume("<capacity>1</capacity>")),
    ("two targets", volume("<target><format type='qcow2'/></target>", target="<format type='raw'/>")),
]

UNITS = ["B", "bytes", "byte", "b", "k", "K", "KB", "KiB", "kib", "M", "MB", "MiB", "m"]
BIG_UNITS = ["G", "GB", "GiB", "T", "TB", "TiB", "P", "PB", "PiB", "E", "EiB", "KIB", "iB", " k", "k "]
NUMBERS = ["0", "1", "511", "512", "1000", "65537", "+5", "007", " 5", "5 ", "5\n", "1e3"]
IDS = ["0", "-1", "1000", "65534", "4294967294", "4294967295", "+1", " 1", ""]
MODES = ["0", "00", "0700", "700", "0644", "1777", "07777", "8", "+7", " 0700", ""]
NAMES = ["doc.x", "doc with blanks", "doc&amp;&lt;", "doc'\"", "döc", "doc\t", " doc", "doc ", "doc:1", "doc,2", "doc*", "doc%s", "doc\\", "doc@", "doc#"]
PATHS = ["/", "//", "@POOLS@/doc/", "@POOLS@//doc", "@POOLS@/./doc", "@POOLS@/x/../doc", " @POOLS@/doc", "@POOLS@/doc ",
         "@POOLS@/do&amp;c", "@POOLS@/döc", "@POOLS@/new\nline"]
FORMATS = ["raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "iso", "dir", "none"]


def pools():
    """(name, document)"""
    for value in NAMES:
        yield f"name {value!r}", pool(name=f"<name>{value}</name>")
    for value in PATHS:
        yield f"path {value!r}", pool(target=f"<target><path>{value}</path></target>")
    for value in [UUID, UUID.replace("-", ""), f" {UUID}", "00000000-0000-0000-0000-000000000000", UUID[:-1] + "A", f"{{{UUID}}}"]:
        yield f"uuid {value!r}", pool(f"<uuid>{value}</uuid>")
    for element in ("capacity", "allocation", "available"):
        for value in NUMBERS + ["-1", "x", "", "18446744073709551616"]:
            yield f"{element} {value!r}", pool(f"<{element}>{value}</{element}>")
    for unit in UNITS + BIG_UNITS:
        yield f"capacity in {unit!r}", pool(f"<capacity unit='{unit}'>1</capacity>")
    for value in MODES:
        yield f"mode {value!r}", pool(target=permissions(f"<mode>{value}</mode>"))
    for element in ("owner", "group"):
        for value in IDS:
            yield f"{element} {value!r}", pool(target=permissions(f"<{element}>{value}</{element}>"))
    for value in ("", "system_u:object_r:x", " "):
        yield f"label {value!r}", pool(target=permissions(f"<label>{value}</label>"))
    yield "empty permissions", pool(target=permissions(""))
    for element in ("name", "dir path='/x'", "device path='/dev/x'", "host name='h'", "host name='h' port='7'", "vendor name='v'",
                    "product name='p'", "format type='x'", "initiator", "nonsense", "vendor", "product", "dir",
                    "adapter type='scsi_host' name='host1'", "device path=''", "host name=''", "host name='h' port='0'",
                    "host name='h' port='65536'", "host name='h' port='-1'"):
        yield f"source <{element}>", pool(f"<source><{element}/></source>")
    yield "source name", pool("<source><name>text</name></source>")
    yield "empty source", pool("<source/>")
    yield "named by its source", pool("<source><name>doc</name></source>", name="")
    yield "unknown element", pool("<nonsense>x</nonsense>")
    yield "unknown attribute", pool(attributes=" type='dir' nonsense='x'")
    yield "comment", pool("<!-- a comment -->")
    yield "metadata", pool("<description>x</description>")
    for value in ("yes", "no", "YES", ""):
        yield f"cow {value!r}", pool(f"<features><cow state='{value}'/></features>")
    yield "another order", "<pool type='dir'><target><permissions><mode>0700</mode></permissions><path>@POOLS@/doc</path></target><source/><name>doc</name></pool>"
    yield "a declaration", "<?xml version='1.0' encoding='UTF-8'?>\n" + pool()
    yield "Latin 1 declared", "<?xml version='1.0' encoding='ISO-8859-1'?>\n" + pool()


def volumes():
    """(name, document); the volumes are called doc..."""
    for value in NAMES:
        yield f"name {value!r}", volume(name=f"<name>{value}</name>")
    for value in NUMBERS:
        yield f"capacity {value!r}", volume(capacity=f"<capacity>{value}</capacity>")
        yield f"allocation {value!r}", volume(f"<allocation>{value}</allocation>")
        yield f"cluster {value!r}", volume(target=f"<format type='qcow2'/><clusterSize>{value}</clusterSize>")
    for unit in UNITS:
        yield f"capacity in {unit!r}", volume(capacity=f"<capacity unit='{unit}'>1</capacity>")
    for unit in BIG_UNITS:
        yield f"capacity in {unit!r}", volume("<allocation>0</allocation>", capacity=f"<capacity unit='{unit}'>1</capacity>")
    for form in FORMATS:
        for capacity in (0, 1, 65536, 1048577):
            yield f"{form} of {capacity}", volume(capacity=f"<capacity>{capacity}</capacity>", target=f"<format type='{form}'/>")
    for value in MODES:
        yield f"mode {value!r}", volume(target=f"<permissions><mode>{value}</mode></permissions>")
    for element in ("owner", "group"):
        for value in IDS:
            yield f"{element} {value!r}", volume(target=f"<permissions><{element}>{value}</{element}></permissions>")
    for value in ("0.10", "1.1", "", "1", "2", "0.1"):
        yield f"compat {value!r}", volume(target=f"<format type='qcow2'/><compat>{value}</compat>")
    for value in ("512", "4096", "65536", "131072", "2097152"):
        yield f"cluster of {value}", volume(target=f"<format type='qcow2'/><clusterSize>{value}</clusterSize>")
    for value in ("1", "64", "2"):
        yield f"cluster of {value} KiB", volume(target=f"<format type='qcow2'/><clusterSize unit='KiB'>{value}</clusterSize>")
    for features in ("", "<lazy_refcounts/>", "<extended_l2/>", "<lazy_refcounts/><extended_l2/>", "<lazy_refcounts/><lazy_refcounts/>"):
        yield f"features {features}", volume(target=f"<format type='qcow2'/><compat>1.1</compat><features>{features}</features>")
        yield f"features {features} without compat", volume(target=f"<format type='qcow2'/><features>{features}</features>")
    for form in ("raw", "qcow2"):
        yield f"nocow {form}", volume(target=f"<format type='{form}'/><nocow/>")
        for allocation in (0, 4096, 65536, 131072):
            yield f"{form} with {allocation}", volume(f"<allocation>{allocation}</allocation>", target=f"<format type='{form}'/>")
    for kind in ("file", "dir", "block", "network", "netdir", "ploop"):
        yield f"type {kind}", volume(attributes=f" type='{kind}'")
    for path, form in (("@POOLS@/api/e", "qcow2"), ("@POOLS@/api/d", "raw"), ("@POOLS@/api/d", ""), ("e", "qcow2"), ("@POOLS@/api/../api/e", "qcow2")):
        form = f"<format type='{form}'/>" if form else ""
        yield f"backing {path} {form}", volume(f"<backingStore><path>{path}</path>{form}</backingStore>", target="<format type='qcow2'/>")
        yield f"backing {path} {form} without a capacity", volume(f"<backingStore><path>{path}</path>{form}</backingStore>", capacity="", target="<format type='qcow2'/>")
    yield "key and path", volume("<key>x</key>", target="<path>/elsewhere</path>")
    yield "empty key", volume("<key/>")
    yield "physical", volume("<physical unit='bytes'>5</physical>")
    yield "timestamps", volume(target="<timestamps><atime>1.5</atime><mtime>x</mtime></timestamps>")
    yield "label", volume(target="<permissions><label>system_u:object_r:x</label></permissions>")
    yield "source", volume("<source><device path='/dev/x'><extent start='0' end='5'/></device></source>")
    yield "unknown element", volume("<nonsense/>")
    yield "unknown attribute", volume(attributes=" nonsense='x'")
    yield "a declaration", "<?xml version='1.0'?>\n" + volume()


TARGET = "<target><path>@POOLS@/doc</path></target>"
# What a pool of each type that Debian's libvirtd knows needs, and parts that may stand in a source.
KINDS = {
    "fs": "<device path='/dev/none'/>",
    "netfs": "<host name='server'/><dir path='/export'/>",
    "logical": "<device path='/dev/none'/><name>group</name>",
    "disk": "<device path='/dev/none'/>",
    "iscsi": "<host name='server'/><device path='iqn.2013-06.com.example:t'/>",
    "scsi": "<adapter type='scsi_host' name='scsi_host1'/>",
    "mpath": "",
}
PARTS = [
    "<host name='a'/>", "<host name='a' port='1'/>", "<host name='a'/><host name='b'/>", "<host/>", "<host name='a' port='x'/>",
    "<device path='/dev/a'/>", "<device path='/dev/a'/><device path='/dev/b'/>", "<device/>",
    "<device path='/dev/a' part_separator='yes'/>", "<device path='/dev/a' part_separator='x'/>",
    "<dir path='/d'/>", "<dir path='/d/'/>", "<dir/>", "<name>n</name>", "<name/>",
    "<format type='auto'/>", "<format type='ext4'/>", "<format type='nfs'/>", "<format type='gpt'/>", "<format type='lvm2'/>", "<format type='x'/>", "<format/>",
    "<vendor name='v'/><product name='p'/>",
    "<auth type='chap' username='u'><secret usage='s'/></auth>", "<auth type='ceph' username='u'><secret uuid='%s'/></auth>" % UUID,
    "<auth type='chap' username='u'/>", "<auth type='chap'><secret usage='s'/></auth>",
    "<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>", "<adapter type='fc_host' wwnn='1'/>",
    "<adapter name='host2'/>", "<adapter type='scsi_host'/>",
    "<initiator><iqn name='i'/></initiator>", "<protocol ver='3'/>", "<protocol ver='x'/>",
]


def kinds():
    """(name, document): pools of other types, of which nothing but the document matters."""
    for kind, source in KINDS.items():
        base = f"<pool type='{kind}'><name>doc</name>%s%s</pool>"
        yield kind, base % (f"<source>{source}</source>", TARGET)
        yield f"{kind} without a target", base % (f"<source>{source}</source>", "")
        yield f"{kind} without a source", base % ("", TARGET)
        yield f"{kind} with an empty source", base % ("<source/>", TARGET)
        yield f"{kind} without a name", f"<pool type='{kind}'><source>{source}</source>{TARGET}</pool>"
        for part in PARTS:
            element = part[1:].split()[0].rstrip("/>").split(">")[0]
            rest = "".join(piece for piece in _pieces(source) if not piece.startswith(f"<{element}"))
            yield f"{kind} with {part}", base % (f"<source>{rest}{part}</source>", TARGET)


def _pieces(source):
    """The elements of a source."""
    from xml.etree import ElementTree
    return [ElementTree.tostring(e, encoding="unicode") for e in ElementTree.fromstring(f"<s>{source}</s>")]
