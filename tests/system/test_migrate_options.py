"""What can be asked of a migration, and what its guest makes of it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import check, contains, equal, run, wait_until
from lodgetest.pair import FAR, far_host
from lodgetest.runner import mark
from test_firmware import uefi
from test_migrate import LODGED, check_pattern, disk, move, place, there

ONLY = {"only": "lodged", "reason": LODGED}
# Writes to 8 MiB of memory, a word in each page, round and round.
BUSY = bytes.fromhex("fa31c08ed80f0116497c0f20c00c010f22c0bb08008ee324fe0f22c066bf00001000646766ff076681c7001000006681ff0000900072ebebe3"
                     "0000000000000000ffff00000092cf000f00397c0000").ljust(510, b"\0") + b"\x55\xaa"


def busy(host):
    host.path("var/lib/libvirt/images/tiny.img").write_bytes(BUSY.ljust(1 << 20, b"\0"))
    host.define(host.guests.sector("tiny")).create()
    wait_until(lambda: " 0x00" not in host.ok("qemu-monitor-command", "tiny", "--hmp", "xp /1bx 0x8ff000"), "the guest writes", 30)


def far_command(far, *words):
    run(["nsenter", "-t", str(far.holder), "--mount", "--net", "--", *map(str, words)])


def make(path, *words, size="16M"):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words, path, size], check=True)


@mark(**ONLY)
def test_documents(host):
    """Another document there, for the machine that runs and for what stays; paused ones stay so; a guest that stands still."""
    with far_host(host) as far:
        host.start_sector()
        xml = host.ok("dumpxml", "tiny", "--migratable")
        runs = host.write("runs.xml", xml.replace("</name>", "</name><title>runs</title>", 1))
        stays = host.write("stays.xml", xml.replace("</name>", "</name><title>stays</title>", 1))
        wrong = host.write("wrong.xml", xml.replace(">1</vcpu>", ">2</vcpu>", 1))
        contains(host.virsh("migrate", "--live", "--unsafe", "--xml", str(wrong), "tiny", far.daemon.uri, place(far)).err, "'vcpu/#text'")
        move(host, far, "--unsafe", "--persistent", "--xml", str(runs), "--persistent-xml", str(stays), "--dname", "other")
        there(far, host, "other")
        equal(far.ok("desc", "other", "--title").strip(), "runs")
        equal(far.ok("desc", "other", "--title", "--config").strip(), "stays")
        far.ok("suspend", "other")
        for options in (["--p2p"], []):
            move(far, host, "--unsafe", *options, "--dname", "tiny", name="other")
            there(host, far, "tiny", "paused")
            move(host, far, "--unsafe", *options, "--dname", "other")
            there(far, host, "other", "paused")
        far.ok("resume", "other")
        far.ok("migrate", "--unsafe", "--p2p", "--dname", "tiny", "other", host.daemon.uri, place(host))  # not --live
        there(host, far)
        socket = host.path("state.sock")
        socket.write_text("")
        words = ["migrate", "--live", "--unsafe", "--dname", "other", "tiny", far.daemon.uri, f"unix://{socket}"]
        contains(host.virsh(*words).err, "is there already")
        socket.unlink()
        contains(host.virsh(*words, "--parallel").err, "go over TCP")
        host.ok(*words)
        there(far, host, "other")
        check(not socket.is_symlink(), "the link to QEMU's socket is left")


@mark(**ONLY)
def test_parts_of_disks(host):
    """What differs from an image that both have; some disks only; where copies go. A full disk there."""
    with far_host(host, shared=False) as far:
        images = host.path("var/lib/libvirt/images")
        far_images = far.path("images")
        first = disk(host, far, "first", on_far=True)
        make(images / "base.qcow2")
        subprocess.run(["qemu-io", "-c", "write -q -P 0x5a 0 1M", images / "base.qcow2"], check=True)
        run(["cp", str(images / "base.qcow2"), str(far_images)])
        make(images / "second.qcow2", "-b", images / "base.qcow2", "-F", "qcow2")
        subprocess.run(["qemu-io", "-c", "write -q -P 0x11 9M 64k", images / "second.qcow2"], check=True)
        second = first.replace("first.qcow2", "second.qcow2").replace("vda", "vdb")
        host.define(host.guests.empty("tiny", devices=first + second)).create()
        far.ok("pool-create-as", "images", "dir", "--target", str(images))
        contains(host.virsh("migrate", "--live", "--copy-storage-inc", "--migrate-disks", "vdz", "tiny", far.daemon.uri,
                            place(far)).err, "disk target vdz not found")
        move(host, far, "--unsafe", "--copy-storage-inc", "--migrate-disks", "vdb", "--listen-address", FAR, "--disks-port", "49300")
        there(far, host)
        contains(far.ok("domblklist", "tiny"), "second.qcow2")
        far.ok("destroy", "tiny")
        contains(run(["qemu-img", "info", str(far_images / "second.qcow2")]).out, "backing file:")
        far_command(far, "qemu-io", "-r", "-c", "read -P 0x5a 0 1M", "-c", "read -P 0x11 9M 64k", "-c", "read -P 0 1M 8M",
                    images / "second.qcow2")
        equal(run(["qemu-io", "-r", "-c", "read -P 0 0 1M", str(far_images / "first.qcow2")]).out.count("failed"), 0,
              "the disk that was not to be copied")
        # Nothing has changed here; there it is made anew, on a file system that is too small.
        host.ok("undefine", "tiny")
        host.define(host.guests.empty("tiny", devices=disk(host, far, "large", size="64M", fill="40M"))).create()
        far_command(far, "mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", images)
        far.ok("pool-refresh", "images")
        result = host.virsh("migrate", "--live", "--copy-storage-all", "tiny", far.daemon.uri, place(far))
        contains(result.err, "migration of disk vda failed", "No space left")
        host.wait_state("tiny", "running")
        check(far.virsh("domstate", "tiny").code != 0, "it is left there")
        wait_until(lambda: "large" not in run(["nsenter", "-t", str(far.holder), "--mount", "--", "ls", str(images)]).out,
                   "its image there is removed")
        equal(host.ok("qemu-monitor-command", "tiny", '{"execute":"query-jobs"}').count("drive-"), 0, "mirrors")


@mark(**ONLY, requires=["ovmf"])
def test_files_of_machines_that_are_off(host):
    """Variables of the firmware and the state of the TPM go along with a definition; nothing of them is left when it fails."""
    with far_host(host) as far:
        xml = uefi(host, name="tiny").replace("</devices>", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>")
        host.define(xml)
        uuid = host.ok("domuuid", "tiny").strip()
        names = ("var/lib/libvirt/qemu/nvram/tiny_VARS.fd", f"var/lib/libvirt/swtpm/{uuid}/tpm2/tpm2-00.permall")
        for number, name in enumerate(names):
            host.path(name).parent.mkdir(parents=True, exist_ok=True)
            host.path(name).write_bytes(b"%d" % number * 5000)
        for source, target, options in ((host, far, []), (far, host, ["--p2p"])):
            source.ok("migrate", "--offline", "--persistent", "--undefinesource", *options, "tiny", target.daemon.uri)
            for number, name in enumerate(names):
                equal(target.path(name).read_bytes(), b"%d" % number * 5000, name)
                check(target.path(name).stat().st_mode & 0o077 == 0, f"others may read {name}")
                source.path(name).write_bytes(b"old")
        far.path(names[1]).unlink()
        far.path(names[1]).mkdir()  # where nothing can be put
        result = host.virsh("migrate", "--offline", "--persistent", "tiny", far.daemon.uri)
        contains(result.err, "cannot write")
        check("tiny" not in far.ok("list", "--all"), "it is defined there without its files")
        contains(host.lodge_ok("migrate", "--all", "--offline", "--persistent", "--undefinesource", far.daemon.uri), "migrated")
        equal(far.path(names[0]).read_bytes(), b"0" * 5000)
        far.ok("undefine", "tiny", "--nvram", "--tpm")


@mark(**ONLY)
def test_busy_guest(host):
    """A guest that writes as fast as the link carries: it stands still longer than usual; a limit that a client has set
    stays, and the guest is slowed down."""
    with far_host(host) as far:
        busy(host)
        contains(host.lodge_ok("migrate", "tiny", far.daemon.uri, "--unsafe", "--check"), "can move", "change", "110 MiB/s")
        move(host, far, "--unsafe", "--bandwidth", "16")
        there(far, host)
        contains(host.daemon.log.read_text(), "its guest may stand still for")
        contains(host.ok("domjobinfo", "tiny", "--completed"), "Iteration:")
        far.ok("migrate-setmaxdowntime", "tiny", "200")
        far.ok("migrate-setspeed", "tiny", "16")
        words = ["virsh", "-c", far.daemon.uri, "migrate", "--live", "--unsafe", "tiny", host.daemon.uri, place(host)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            wait_until(lambda: "its guest is slowed down" in far.daemon.log.read_text(), "it does not come to its end", 40)
            wait_until(lambda: "Auto converge throttle" in far.virsh("domjobinfo", "tiny").out, "the guest is slowed down", 40)
            far.ok("domjobabort", "tiny")
            contains(client.communicate()[0], "canceled by client")
        far.wait_state("tiny", "running")
        equal(far.ok("migrate-getmaxdowntime", "tiny").strip(), "200")
        wait_until(lambda: host.state("tiny") == "shut off", "it is taken back")


@mark(**ONLY)
def test_timeouts(host):
    """virsh waits some seconds, then the guest stands still, and goes on there."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, size="64M", fill="12M", on_far=True))).create()
        words = ["migrate", "--live", "--copy-storage-all", "--bandwidth", "16", "--timeout", "1", "--timeout-suspend"]
        host.ok(*words, "tiny", far.daemon.uri, place(far), timeout=60)
        there(far, host)
        contains(host.daemon.log.read_text(), "is paused")
