"""lodge install takes virt-install's words and makes the same machine of them: both are asked for their documents, which
are compared without what is drawn by lot (UUIDs, MAC addresses) and without the order of elements of different names.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import pathlib
import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

from lodgetest.host import *
from lodgetest.runner import mark

HERE = pathlib.Path(__file__).resolve().parent
ANY_ORDER = ("feature", "timer")
EVERY = 1 if os.environ.get("LODGE_TEST_SLOW") else 8
SUBOPTIONS = ("metadata memory memorybacking vcpus cpu numatune memtune blkiotune cputune seclabel keywrap iothreads features clock pm events resource "
              "sysinfo qemu-commandline launchSecurity boot idmap disk network graphics controller input serial parallel channel console hostdev "
              "filesystem sound audio watchdog video smartcard redirdev memballoon tpm rng panic shmem memdev vsock iommu install location cloud-init "
              "unattended").split()


def lines(name):
    return [line for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def words_of(line, files):
    """The words of a line, and what it does not say."""
    words = shlex.split(line.format(**files))

    def given(*names):
        return any(re.match(rf"--{name}(=|$)", word) for name in names for word in words)

    more = []
    for names, filling in ((["name"], ["--name", "a"]), (["memory", "ram"], ["--memory", "64"]), (["virt-type"], ["--virt-type", "qemu"]),
                           (["osinfo", "os-variant"], ["--osinfo", "generic"]), (["disk"], ["--disk", "none"]), (["network"], ["--network", "none"]),
                           (["graphics"], ["--graphics", "none"]),
                           (["cdrom", "pxe", "import", "location", "install", "livecd"], ["--import"])):
        if not given(*names):
            more += filling
    return words + more + ["--print-xml", "--dry-run", "--check", "all=off"]


def shape(element):
    """An element without what does not matter."""
    groups = {}
    for child in element:
        groups.setdefault(child.tag, []).append(shape(child))
    for tag in ANY_ORDER:
        groups.get(tag, []).sort(key=repr)
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), sorted(groups.items())


def documents(text):
    found = []
    for document in re.findall(r"<domain.*?</domain>", text, re.DOTALL):
        document = re.sub(r"<uuid>.*?</uuid>", "", document)
        found.append(shape(ElementTree.fromstring(re.sub(r'(?<=<mac )address="52:54:00:[^"]*"', "", document))))
    return found


def asked(command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False, stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout, result.stderr


@mark(requires=["program:virt-install", "program:xorriso"])
def test_words_make_the_same_machine(host):
    folder = host.path("files")
    folder.mkdir()
    files = {"folder": folder, "disk": folder / "d.img", "qcow": folder / "q.qcow2", "iso": folder / "t.iso"}
    files["disk"].write_bytes(bytes(1 << 20))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", files["qcow"], "1M"], check=True)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "TEST", "-o", files["iso"], str(HERE.parent / "lib/lodgetest")], check=True,
                   capture_output=True)
    reasons = dict(line.split(" | ") for line in lines("install_differs.txt"))
    chosen = [line for number, line in enumerate(lines("install_same.txt")) if number % EVERY == 0 or line in reasons]

    def play(line):
        words = words_of(line, files)
        return line, asked(["virt-install", "--connect", host.daemon.uri, *words]), asked([host.lodge_program, "-c", host.daemon.uri, "install", *words])

    # virt-install makes a pool of each folder that it looks at: one of the two asks first.
    asked(["virt-install", "--connect", host.daemon.uri, *words_of("--disk {disk} --disk size=1", files)])
    different = []
    with ThreadPoolExecutor(2) as pool:
        for line, theirs, ours in pool.map(play, chosen):
            same = (theirs[0] == 0) == (ours[0] == 0) and documents(theirs[1]) == documents(ours[1])
            if same == (line in reasons):
                different.append(f"{line}\n{theirs}\n{ours}")
    check(not different, "\n".join(different))
    equal(host.ok("list", "--all", "--name").strip(), "", "what --dry-run made")


@mark(requires=["program:virt-install"])
def test_options_have_the_same_suboptions(host):
    """rows: install-61 install-66"""
    def listed(command):
        return {line.split()[0] for line in asked(command)[1].splitlines() if line.startswith("  ")}

    for option in SUBOPTIONS:
        theirs = listed(["virt-install", f"--{option}=?"])
        missing = theirs - listed([host.lodge_program, "install", f"--{option}=?"])
        check(theirs and not missing, f"--{option}: {missing or 'nothing'}")
