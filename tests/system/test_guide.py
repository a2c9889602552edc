"""The guide (docs/guide): each chapter's commands, run as they are written on a fresh host; its languages side by side.

A block of a chapter that is marked ```sh must succeed, ```sh fails must fail, and print the message that is the heading
above it, if one is (### `message`). A ```text block after it holds lines of what it prints, in this order; "..." stands
for anything. ```sh not run: REASON is for people only. Blocks run one after
the other in root's home directory; prepare() puts there what the chapter calls the reader's own.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pathlib
import re
import shutil
import subprocess

from lodgetest.guests import guest_files
from lodgetest.host import *
from lodgetest.runner import mark

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide"
CHAPTERS = sorted(path.name for path in (GUIDE / "en").glob("[0-9]*.md"))
# What a host keeps in these folders is hidden by fresh ones; the rest of it is the real one.
OVER_THE_HOST = ["etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt", "run", "srv", "mnt"]

# By chapter, a script.
PREPARATION = {
    "02-installing.md": """mkdir cd; cp sector.img cd; xorriso -as mkisofs -quiet -o debian-12-netinst.iso cd
                           echo boot > pxelinux.0""",
    "03-cloud-images.md": "qemu-img convert -O qcow2 sector.img debian-12-generic-amd64.qcow2",
    "04-cloning.md": "qemu-img convert -O qcow2 sector.img template.qcow2",
    "06-networks.md": """qemu-img convert -O qcow2 sector.img web.qcow2
                         ip link add eth0 type veth peer name lan; ip address add 192.0.2.10/24 dev eth0
                         ip link set lan up; ip link set eth0 up""",
    "07-snapshots-backup.md": "qemu-img convert -O qcow2 sector.img web.qcow2; qemu-img resize -q web.qcow2 16M",
    "12-import-apply.md": """qemu-img convert -O vmdk sector.img appliance.vmdk
                             qemu-img convert -O qcow2 sector.img cloud.qcow2""",
    "09-tuning.md": "qemu-img convert -O qcow2 sector.img web.qcow2",
    # old.qcow2: the extension that names the format of its base is made the end of all extensions.
    "11-error-messages.md": """qemu-img convert -O qcow2 sector.img web.qcow2
        qemu-img create -q -f qcow2 old-base.qcow2 1M
        qemu-img create -q -f qcow2 -b old-base.qcow2 -F qcow2 old-mid.qcow2
        qemu-img create -q -f qcow2 -b old-mid.qcow2 -F qcow2 old.qcow2
        sed -i 's/\\xE2\\x79[*]\\xCA/\\x00\\x00\\x00\\x00/' old.qcow2""",
}


class Block:
    def __init__(self, chapter, line, info, text, error):
        self.place = f"{chapter}:{line}"
        self.info = info
        self.text = text
        self.error = error  # the message that is the heading above it, if it is one

    @property
    def runs(self):
        return self.info in ("sh", "sh fails")

    def same(self, other):
        return (self.info, self.text, self.error) == (other.info, other.text, other.error)


def blocks(path):
    found, info, begin, lines, error = [], None, 0, [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if info is None and line.startswith("#"):
            error = line[5:-1] if line.startswith("### `") else None
        elif info is None and line.startswith("```"):
            info, begin, lines = line[3:].strip(), number, []
        elif info is not None and line == "```":
            found.append(Block(path.name, begin, info, "\n".join(lines), error))
            info = None
        elif info is not None:
            lines.append(line)
    check(info is None, f"{path}: the block of line {begin} has no end")
    return found


def pattern(line):
    return re.compile(".*".join(re.escape(part) for part in re.sub(r"\s+", " ", line.strip()).split("...")))


def compare(wanted, got, place):
    """Each line of @wanted is in a later line of @got than the one before; the width of gaps does not matter."""
    lines = iter(re.sub(r"[ \t]+", " ", got).splitlines())
    for line in wanted.splitlines():
        if line.strip() not in ("", "..."):
            expression = pattern(line)
            check(any(expression.search(candidate) for candidate in lines), f"{place}: no line '{line}' in\n{got}")


class Reader:
    """Who reads the guide: root on a host of their own, with lodged from a package."""

    def __init__(self, host):
        self.host = host
        files = {name: (guest_files() / name).read_bytes() for name in ("vmlinuz", "initrd", "disk.qcow2", "sector.img")}
        shutil.rmtree(host.path("etc/libvirt"))  # a fresh host has the pool and the network 'default'
        for directory in OVER_THE_HOST:
            for made in (host.path(directory), pathlib.Path("/", directory)):
                made.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", host.path(directory), f"/{directory}"], check=True)
        for directory in ("run/lock", "bin", "home"):
            host.path(directory).mkdir(exist_ok=True)
        for name, content in files.items():
            host.path(f"home/{name}").write_bytes(content)
        build = pathlib.Path(host.daemon.binary).parents[1]
        switch = GUIDE.parents[1] / "data/lodge-switch"
        for program in (build / "cli/lodge", build / "daemon/lodged", switch):
            host.path(f"bin/{program.name}").symlink_to(program)
        self.env = clean_environment(PATH=f"{host.path('bin')}:/usr/sbin:/usr/bin:/sbin:/bin", HOME=str(host.path("home")))
        host.daemon.settings = {}
        host.daemon.arguments = lambda: [host.daemon.binary, "--foreground", "--verbose"]

    def prepare(self, chapter):
        """What a chapter calls the reader's own, and the daemon."""
        code, said = self.run(PREPARATION.get(chapter, "true"))
        check(code == 0, said)
        self.host.start_daemon()
        # What a fresh host starts by itself is there when its reader comes.
        wait_until(lambda: self.run("lodge net-list --name && lodge pool-list --name")[1].split() == ["default", "default"],
                   "the network and the pool 'default' are active")

    def run(self, text, timeout=60):
        done = subprocess.run(["bash", "-ec", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", env=self.env,
                              cwd=self.host.path("home"), timeout=timeout * SLOWNESS)
        return done.returncode, done.stdout

    def follow(self, chapter):
        self.prepare(chapter)
        said = ""
        for block in blocks(GUIDE / "en" / chapter):
            if block.runs:
                code, said = self.run(block.text)
                check((code == 0) == (block.info == "sh"), f"{block.place}: exit code {code}\n{block.text}\n{said}")
                if block.error and block.info == "sh fails":
                    compare(block.error, said, block.place)
            elif block.info == "text":
                compare(block.text, said, block.place)


def chapter_test(chapter):
    words = {word for block in blocks(GUIDE / "en" / chapter) if block.runs for word in block.text.split()}
    needs = [f"program:{name}" for name in ("virt-install", "virt-clone", "xorriso", "ssh-keygen") if name in words]

    @mark(only="lodged", reason="the guide is about lodged", daemon=False, timeout=90, requires=needs)
    def test(host):
        Reader(host).follow(chapter)
    return test


for chapter in CHAPTERS:
    area = re.sub(r"\W", "_", chapter[:-len(".md")])
    globals()[f"test_chapter_{area}"] = chapter_test(chapter)


@mark(only="lodged", reason="about files", daemon=False)
def test_languages_have_the_same_commands(host):
    """Chapters, their blocks and their order; prose alone differs."""
    for language in ("en", "zh"):
        equal(sorted(path.name for path in (GUIDE / language).glob("*.md")), CHAPTERS + ["README.md"], language)
        index = (GUIDE / language / "README.md").read_text()
        for chapter in CHAPTERS:
            contains(index, f"({chapter})")
    for chapter in CHAPTERS:
        english, chinese = (blocks(GUIDE / language / chapter) for language in ("en", "zh"))
        for one, other in zip(english, chinese):
            check(one.same(other), f"en/{one.place} is not zh/{other.place}")
        equal(len(chinese), len(english), f"blocks of zh/{chapter}")
        for block in english:
            check(block.runs or block.info == "text" or block.info.startswith("sh not run: "), f"{block.place}: {block.info}?")


@mark(only="lodged", reason="about files", daemon=False)
def test_each_error_message_has_commands(host):
    """What chapter 11 says to be a message of the program is produced by its commands, or says why it cannot be here."""
    text = (GUIDE / "en/11-error-messages.md").read_text()
    headings = re.findall(r"^### `(.*)`$", text, re.M)
    shown = {block.error for block in blocks(GUIDE / "en/11-error-messages.md")
             if block.info == "sh fails" or block.info.startswith("sh not run: ")}
    equal([heading for heading in headings if heading not in shown], [], "messages without commands")
    check(len(headings) > 50, "chapter 11 is missing")
    equal(len(headings), len(set(headings)), "messages said twice")
