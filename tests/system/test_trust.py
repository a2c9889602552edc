"""What a user who owns a disk's folder, or a QEMU that its guest broke out of, can make the daemon do: nothing to
files of others.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import pwd
import socket
import subprocess
import sys

from lodgetest.host import *

ALICE = pwd.getpwnam("nobody").pw_uid
QEMU = pwd.getpwnam("libvirt-qemu")
SECRET = "root's secret\n"
PTY = "<serial type='pty'/><console type='pty'/>"


def as_user(uid, code, gid=None):
    """Runs Python code as another user; returns whether it went through."""
    done = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid if gid is None else gid}", "--clear-groups",
                           sys.executable, "-c", "import os\n" + code],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0


def as_qemu(code):
    return as_user(QEMU.pw_uid, code, QEMU.pw_gid)


class Ground:
    """A folder of alice's, and files of root that she may not read."""

    def __init__(self, host):
        self.host = host
        self.home = host.path("alice")
        self.home.mkdir()
        os.chown(self.home, ALICE, ALICE)
        self.victims = host.path("victims")
        self.victims.mkdir()
        self.count = 0

    def victim(self, mode=0o600):
        self.count += 1
        path = self.victims / f"file{self.count}"
        path.write_text(SECRET)
        path.chmod(mode)
        return path

    def own(self, name, size=1 << 20):
        path = self.home / name
        path.write_bytes(b"\0" * size)
        os.chown(path, ALICE, ALICE)
        return path

    def link(self, name, target):
        path = self.home / name
        check(as_user(ALICE, f"os.symlink({str(target)!r}, {str(path)!r})"), "alice cannot make a link")
        return path


def untouched(path):
    info = path.stat()
    equal((info.st_uid, info.st_gid, info.st_mode & 0o777), (0, 0, info.st_mode & 0o700 | info.st_mode & 0o044),
          f"owner and mode of {path}")
    equal(path.read_text(), SECRET)


def owner(path):
    return os.stat(path).st_uid


def disk(path, kind="raw", more="", device="disk"):
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
            f"<target dev='hdb' bus='ide'/>{more}</disk>")


def refused_start(host, xml, words):
    dom = host.define(xml)
    raises(libvirt.VIR_ERR_OPERATION_FAILED, dom.create, text=words)
    equal(host.state(dom.name()), "shut off")


def test_folders_are_roots_and_qemu_can_put_nothing_in_the_way(host):
    host.start_sector("tiny")
    base = host.path("var/lib/libvirt/qemu")
    for name in (".", "save", "nvram", "snapshot", "dump", "checkpoint", "channel", "channel/target"):
        folder = base / name
        equal(owner(folder), 0, f"owner of {folder}")
        check(not as_qemu(f"os.symlink('/etc', {str(folder / 'planted')!r})"), f"QEMU's user can write {folder}")
    # Its own folders are its own, below folders that it can only pass.
    for folder in (base / "domain-1-tiny", base / "channel/target/domain-1-tiny"):
        equal(owner(folder), QEMU.pw_uid, f"owner of {folder}")
        check(as_qemu(f"open({str(folder / 'x')!r}, 'w')"), f"QEMU's user cannot write {folder}")


def test_folders_that_were_qemus_are_taken_back(host):
    """As libvirtd leaves them; meanwhile somebody put links there."""
    ground = Ground(host)
    host.stop_daemon()
    base = host.path("var/lib/libvirt/qemu")
    for folder in (base, base / "nvram", base / "save"):
        os.chown(folder, QEMU.pw_uid, QEMU.pw_gid)
    for number in range(1, 5):
        check(as_qemu(f"os.symlink({str(ground.victims)!r}, {str(base / f'domain-{number}-tiny')!r})"), "no link")
    check(as_qemu(f"os.rmdir({str(base / 'save')!r}); os.symlink({str(ground.victims)!r}, {str(base / 'save')!r})"),
          "no link")
    host.start_daemon()
    host.start_sector("tiny")
    equal(owner(ground.victims), 0)
    check(not (base / "domain-1-tiny").is_symlink() and not (base / "save").is_symlink(), "a link is left")
    equal(owner(base / "nvram"), 0)
    host.ok("managedsave", "tiny")
    equal(list(ground.victims.iterdir()), [])


def test_a_disk_swapped_for_a_link_while_the_machine_runs(host):
    ground = Ground(host)
    image, victim = ground.own("d.img"), ground.victim()
    host.start_sector("tiny", devices=disk(image))
    equal(owner(image), QEMU.pw_uid)
    image.rename(ground.home / "away")
    ground.link("d.img", victim)
    host.ok("destroy", "tiny")
    untouched(victim)
    # The same with a restart of the daemon in between.
    image.unlink()
    ground.own("d.img")
    host.ok("start", "tiny")
    image.rename(ground.home / "away")
    ground.link("d.img", victim)
    host.crash_daemon()
    host.ok("destroy", "tiny")
    untouched(victim)
    # And it comes back to whom it belongs if nothing was swapped.
    image.unlink()
    ground.own("d.img")
    host.ok("start", "tiny")
    host.crash_daemon()
    host.ok("destroy", "tiny")
    equal(owner(image), ALICE)


def test_links_that_lead_to_files_of_others_are_refused(host):
    ground = Ground(host)
    victim = ground.victim()
    words = "cannot be trusted"
    link = ground.link("d.img", victim)
    refused_start(host, host.guests.sector("t1", devices=disk(link)), words)
    folder = ground.link("folder", ground.victims)
    refused_start(host, host.guests.sector("t2", devices=disk(folder / victim.name)), words)
    os.link(victim, ground.home / "hard")
    refused_start(host, host.guests.sector("t3", devices=disk(ground.home / "hard")), words)
    refused_start(host, host.guests.sector("t4", os_part=f"<kernel>{link}</kernel>"), words)
    for number, source in enumerate((f"<serial type='file'><source path='{link}'/>",
                                     f"<serial type='file'><source path='{folder}/new'/>",
                                     f"<serial type='pty'><log file='{link}' append='off'/>",
                                     f"<serial type='dev'><source path='{link}'/>",
                                     f"<serial type='unix'><source mode='bind' path='{folder}/sock'/>",
                                     f"<serial type='unix'><source mode='connect' path='{link}'/>")):
        xml = host.guests.sector(f"s{number}").replace(PTY, source + "<target port='0'/></serial>")
        refused_start(host, xml, words)
    untouched(victim)
    equal(sorted(p.name for p in ground.victims.iterdir()), [victim.name])


def test_links_that_their_people_may_make_are_followed(host):
    ground = Ground(host)
    image = ground.own("d.img")
    mine = ground.link("mine", image)
    store = host.path("store")
    store.mkdir()
    (store / "big.img").write_bytes(b"\0" * 65536)
    (store / "images").symlink_to(store)
    host.start_sector("t1", devices=disk(mine))
    equal(owner(image), QEMU.pw_uid)
    host.start_sector("t2", devices=disk(store / "images/big.img"))
    equal(owner(store / "big.img"), QEMU.pw_uid)
    host.ok("destroy", "t1")
    host.ok("destroy", "t2")
    equal((owner(image), owner(store / "big.img")), (ALICE, 0))


def test_a_file_that_everybody_reads_is_read_through_a_link_but_not_given_away(host):
    ground = Ground(host)
    victim = ground.victim(0o644)
    link = ground.link("cd.iso", victim)
    host.start_sector("tiny", devices=disk(link, more="<readonly/>", device="cdrom"))
    untouched(victim)
    host.ok("destroy", "tiny")
    untouched(victim)
    refused_start(host, host.guests.sector("rw", devices=disk(link)), "cannot be trusted")


def test_a_socket_in_a_folder_of_a_user(host):
    ground = Ground(host)
    path = ground.home / "sock"
    serial = f"<serial type='unix'><source mode='bind' path='{path}'/><target port='0'/></serial>"
    host.define(host.guests.sector("tiny").replace(PTY, serial)).create()
    check(path.is_socket(), "no socket")
    equal(owner(path), QEMU.pw_uid)
    host.ok("destroy", "tiny")
    path.unlink(missing_ok=True)
    victim = ground.victim()
    ground.link("sock", victim)
    host.refused("start", "tiny", says="in the way")
    untouched(victim)


def test_saving_and_dumping_write_through_no_link(host):
    ground = Ground(host)
    victim = ground.victim()
    host.start_sector("tiny")
    link = ground.link("link", victim)
    folder = ground.link("folder", ground.victims)
    for path in (link, folder / "new"):
        host.refused("save", "tiny", str(path), says="cannot be trusted")
        host.refused("dump", "tiny", str(path), says="cannot be trusted")
        equal(host.state("tiny"), "running")
    untouched(victim)
    ground.link("image.new", victim)  # where it may be written at first
    host.ok("save", "tiny", str(ground.home / "image"))
    untouched(victim)
    host.ok("restore", str(ground.home / "image"))
    equal(host.state("tiny"), "running")
    equal(sorted(p.name for p in ground.victims.iterdir()), [victim.name])


def test_variable_stores_are_written_through_no_link(host):
    ground = Ground(host)
    victim = ground.victim()
    host.path("code").write_bytes(b"\0" * (1 << 20))
    host.path("template").write_bytes(b"T" * 131072)
    store = ground.home / "vars"
    ground.link("vars.new", victim)
    os_part = (f"<loader readonly='yes' type='pflash'>{host.path('code')}</loader>"
               f"<nvram template='{host.path('template')}'>{store}</nvram>")
    dom = host.define(host.guests.empty("tiny", os_part=os_part))
    try:
        dom.create()
    except libvirt.libvirtError:
        pass  # the firmware is none; what counts is what was written
    equal(store.stat().st_size, 131072, "size of the variables that were made")
    untouched(victim)


def qcow2(path, backing, uid, backing_format="raw"):
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", backing_format, "-b", str(backing),
                    str(path), "1M"], check=True)
    os.chown(path, uid, uid)
    path.chmod(0o600)
    return path


def test_a_backing_file_must_be_readable_for_the_owner_of_the_image(host):
    ground = Ground(host)
    secret, public = ground.victim(), ground.victim(0o644)
    words = "may not read"
    refused_start(host, host.guests.sector("t1", devices=disk(qcow2(ground.home / "1", secret, ALICE), "qcow2")), words)
    # ... nor through an image of hers that everybody may read, nor as text that only QEMU understands
    middle = qcow2(ground.home / "middle", secret, ALICE)
    middle.chmod(0o644)
    refused_start(host, host.guests.sector("t2", devices=disk(
        qcow2(ground.home / "2", middle, ALICE, "qcow2"), "qcow2")), words)
    text = 'json:{"driver":"file","filename":"%s"}' % secret
    refused_start(host, host.guests.sector("t3", devices=disk(qcow2(ground.home / "3", text, ALICE), "qcow2")),
                  "only from root")
    # Through root's image, to which she only has read access, no further than by herself.
    roots = qcow2(host.path("roots"), secret, 0)
    roots.chmod(0o644)
    refused_start(host, host.guests.sector("t4", devices=disk(
        qcow2(ground.home / "4", roots, ALICE, "qcow2"), "qcow2")), words)
    # Opening a device for a look may already do something.
    refused_start(host, host.guests.sector("t8", devices=disk(
        qcow2(ground.home / "8", "/dev/null", ALICE), "qcow2")), "which is no file")
    # What everybody may read is read, and stays root's.
    host.start_sector("t5", devices=disk(qcow2(ground.home / "5", public, ALICE), "qcow2"))
    untouched(public)
    # Her own and root's chains are lent as ever.
    own = ground.own("base")
    host.start_sector("t6", devices=disk(qcow2(ground.home / "6", own, ALICE), "qcow2"))
    equal(owner(own), QEMU.pw_uid)
    own.chmod(0o600)
    host.start_sector("t9", devices=disk(qcow2(ground.home / "9", own, ALICE), "qcow2"))
    host.start_sector("t7", devices=disk(qcow2(host.path("7"), host.path("victims/file1"), 0), "qcow2"))
    equal(owner(secret), QEMU.pw_uid)
    for name in ("t5", "t6", "t7", "t9"):
        host.ok("destroy", name)
    equal(owner(own), ALICE)
    untouched(secret)


def test_a_socket_that_qemu_swapped_is_not_connected_to(host):
    """The next daemon talked to whatever lay where the monitor's socket had been."""
    ground = Ground(host)
    host.start_sector("tiny")
    monitor = host.path("var/lib/libvirt/qemu/domain-1-tiny/monitor.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(ground.victims / "sock"))
        listener.listen(8)
        listener.setblocking(False)
        check(as_qemu(f"os.rename({str(monitor)!r}, {str(monitor) + '.x'!r}); "
                      f"os.symlink({str(ground.victims / 'sock')!r}, {str(monitor)!r})"), "cannot swap the socket")
        host.crash_daemon()
        wait_until(lambda: "cannot be trusted" in host.daemon.log.read_text(), "the link is refused")
        try:
            listener.accept()
            fail("the daemon connected")
        except BlockingIOError:
            pass
    check(as_qemu(f"os.rename({str(monitor) + '.x'!r}, {str(monitor)!r})"), "cannot swap it back")
    wait_until(lambda: host.virsh("suspend", "tiny").code == 0, "QEMU answers again", timeout=20)


def test_undefining_removes_through_no_link(host):
    ground = Ground(host)
    victim = ground.victim()
    folder = ground.link("folder", ground.victims)
    os_part = (f"<loader readonly='yes' type='pflash'>{host.path('code')}</loader>"
               f"<nvram>{folder / victim.name}</nvram>")
    host.path("code").write_bytes(b"\0" * (1 << 20))
    host.define(host.guests.empty("tiny", os_part=os_part))
    host.refused("undefine", "tiny", "--nvram")
    untouched(victim)


def test_a_link_that_changes_all_the_time(host):
    ground = Ground(host)
    victim = ground.victim()
    ground.own("real")
    host.define_sector("tiny", devices=disk(ground.home / "d.img"))
    flip = subprocess.Popen(["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", sys.executable, "-c",
                             f"""
import os
os.chdir({str(ground.home)!r})
while True:
    for make, target in ((os.symlink, {str(victim)!r}), (os.link, 'real')):
        try:
            make(target, 'next')
            os.rename('next', 'd.img')
        except OSError:
            pass
"""])
    try:
        for _ in range(25):
            host.virsh("start", "tiny")
            host.virsh("destroy", "tiny")
            equal(owner(victim), 0, "owner of root's file")
    finally:
        flip.kill()
        flip.wait()
    untouched(victim)
