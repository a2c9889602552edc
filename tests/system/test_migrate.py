"""Machines that move between two hosts.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.certificates import certificates
from lodgetest.host import check, contains, equal, fail, qemus, wait_until
from lodgetest.pair import FAR, NEAR, far_host
from lodgetest.runner import mark

LODGED = "two lodged with roots of their own"


def place(target):
    return f"tcp://{FAR if target.near else NEAR}"


def move(source, target, *options, name="tiny", **kwargs):
    return source.ok("migrate", "--live", *options, name, target.daemon.uri, place(target), **kwargs)


def there(target, source, name="tiny", state="running"):
    """On exactly one side."""
    equal(target.state(name), state, "state where it went")
    gone = source.virsh("domstate", name)
    check(gone.code != 0 or gone.out.strip() == "shut off", f"it is left where it came from: {gone}")
    equal(len([args for args in qemus().values() if any(f"guest={name}," in arg for arg in args)]), 1, "QEMUs of it")


def disk(host, far, name="data", size="16M", fill="1M", on_far=False):
    """A qcow2 disk with a pattern on the near host, and with @on_far an empty one on the other."""
    image = host.path(f"var/lib/libvirt/images/{name}.qcow2")
    images = [image] + ([far.path(f"images/{name}.qcow2")] if on_far else [])
    for path in images:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size], check=True)
    subprocess.run(["qemu-io", "-c", f"write -q -P 0x5a 0 {fill}", "-c", "write -q -P 0x11 9M 64k", image], check=True)
    return (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
            f"<target dev='vda' bus='virtio'/></disk>")


def check_pattern(path, fill="1M"):
    more = ["read -P 0x11 9M 64k", "read -P 0 1M 8M"] if fill == "1M" else []
    for words in [f"read -P 0x5a 0 {'1M' if fill == '1M' else '9M'}", *more]:
        done = subprocess.run(["qemu-io", "-r", "-U", "-c", words, path], capture_output=True, text=True, check=False)
        if "failed" in done.stdout or done.returncode:
            fail(f"'{words}' of {path}: {done.stdout} {done.stderr}")


@mark(only="lodged", reason=LODGED)
def test_live(host):
    with far_host(host) as far:
        host.start_sector()
        move(host, far, "--unsafe")
        there(far, host)
        contains(far.ok("domstate", "tiny", "--reason"), "migrated")
        contains(host.ok("domstate", "tiny", "--reason"), "migrated")
        contains(host.ok("domjobinfo", "tiny", "--completed"), "Outgoing migration", "Memory processed")
        move(far, host, "--unsafe", "--p2p", "--persistent")
        there(host, far)
        check("tiny" not in far.ok("list", "--all"), "a transient machine is gone when it has moved")


@mark(only="lodged", reason=LODGED)
def test_libvirtd(host):
    """There and back between both kinds of daemons: direct, peer to peer, through a tunnel."""
    with far_host(host, "libvirtd") as far:
        host.start_sector()
        for options in ([], ["--p2p"], ["--p2p", "--tunnelled"]):
            where = [] if "--tunnelled" in options else None
            for source, target in ((host, far), (far, host)):
                words = ["migrate", "--live", "--unsafe", "--persistent", *options, "tiny", target.daemon.uri]
                source.ok(*words, *(where if where is not None else [place(target)]))
                there(target, source)
        host.ok("destroy", "tiny")
        host.ok("migrate", "--offline", "--persistent", "--undefinesource", "tiny", far.daemon.uri)
        far.ok("migrate", "--offline", "--persistent", "--undefinesource", "tiny", host.daemon.uri)
        contains(host.ok("list", "--all"), "tiny")
        check("tiny" not in far.ok("list", "--all"), "it is defined on one side only")


@mark(only="lodged", reason=LODGED)
def test_copied_disks(host):
    """The disk goes along: into an image that is there, and into one that is made."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, on_far=True))).create()
        move(host, far, "--copy-storage-all", "--persistent", "--undefinesource")
        there(far, host)
        host.path("var/lib/libvirt/images/data.qcow2").unlink()
        host.ok("pool-create-as", "images", "dir", "--target", str(host.path("var/lib/libvirt/images")))
        move(far, host, "--copy-storage-all", "--p2p")
        there(host, far)
        host.ok("destroy", "tiny")
        check_pattern(host.path("var/lib/libvirt/images/data.qcow2"))
        check_pattern(far.path("images/data.qcow2"))


@mark(only="lodged", reason=LODGED)
def test_lodge(host):
    """The same by lodge; what cannot be is refused before anything moves."""
    with far_host(host) as far:
        host.start_sector()
        result = host.lodge("migrate", "tiny", far.daemon.uri)
        equal(result.code, 1)
        contains(result.err, "Migration without shared storage is unsafe", "--copy-storage-all", "--unsafe")
        contains(host.lodge("migrate", "tiny", host.daemon.uri, "--unsafe").err, "to the same host")
        for options, words in ((["--zerocopy", "--parallel"], "zero-copy"), (["--rdma-pin-all"], "RDMA")):
            contains(host.virsh("migrate", "--live", "--unsafe", *options, "tiny", far.daemon.uri, place(far)).err, words)
        contains(host.virsh("migrate", "--live", "--unsafe", "tiny", far.daemon.uri, "foo://there").err, "unsupported scheme")
        equal(host.state("tiny"), "running", "after all that")
        contains(host.lodge_ok("migrate", "tiny", far.daemon.uri, "--unsafe", "--check"), "can move", "MiB of memory")
        check(far.virsh("domstate", "tiny").code != 0, "a check leaves nothing")
        contains(host.lodge_ok("migrate", "tiny", far.daemon.uri, "--unsafe", "--persistent", "--undefinesource",
                               "--dname", "other", "--suspend"), "migrated")
        there(far, host, "other", "paused")
        far.ok("resume", "other")
        far.lodge_ok("migrate", "other", host.daemon.uri, "--unsafe", "--p2p", "--migrateuri", place(host))
        there(host, far, "other")
        equal(far.state("other"), "shut off", "its definition stays where it is not removed")


@mark(only="lodged", reason=LODGED)
def test_ways(host):
    """Several connections, compression, a slowed guest, TLS; the settings of migrations."""
    with far_host(host, qemu_conf=f'migrate_tls_x509_cert_dir = "{host.path("pki")}"\n') as far:
        certificates(host.path("pki"), "far", "near")
        host.path("pki").chmod(0o755)
        for file in host.path("pki").iterdir():
            file.chmod(0o644)
        host.start_sector()
        for options in (["--parallel", "--parallel-connections", "3"], ["--compressed", "--comp-methods", "xbzrle"],
                        ["--auto-converge", "--auto-converge-initial", "30", "--bandwidth", "100"], ["--p2p", "--abort-on-error"]):
            move(host, far, "--unsafe", *options)
            there(far, host)
            move(far, host, "--unsafe", *options)
            there(host, far)
        contains(host.daemon.log.read_text(), "'tiny' goes under TLS to 'far'")  # whose certificate is for that name
        check("under TLS" not in far.daemon.log.read_text(), "the near host's certificate is not for itself")
        move(host, far, "--unsafe", "--tls", "--tls-destination", "far")
        there(far, host)
        move(far, host, "--unsafe")
        host.ok("migrate-setmaxdowntime", "tiny", "250")
        equal(host.ok("migrate-getmaxdowntime", "tiny").strip(), "250")
        host.ok("migrate-setspeed", "tiny", "33")
        equal(host.ok("migrate-getspeed", "tiny").strip(), "33")
        contains(host.ok("migrate-compcache", "tiny", "--size", str(1 << 25)), "32.000 MiB")
        contains(host.virsh("migrate-postcopy", "tiny").err, "while outgoing migration is in progress")
        equal(host.lodge_ok("migrate-getmaxdowntime", "tiny").strip(), "250")


@mark(only="lodged", reason=LODGED)
def test_abort(host):
    """A copy that takes long is given up, and nothing is left of it on either side; so it is when the client dies."""
    with far_host(host, shared=False) as far:
        host.define(host.guests.empty("tiny", devices=disk(host, far, size="64M", fill="40M"))).create()
        far.ok("pool-create-as", "images", "dir", "--target", str(host.path("var/lib/libvirt/images")))
        for end in ("abort", "client"):
            words = ["virsh", "-c", host.daemon.uri, "migrate", "--live", "--copy-storage-all", "--bandwidth", "2", "tiny",
                     far.daemon.uri, place(far)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
                wait_until(lambda: "File total" in host.virsh("domjobinfo", "tiny").out, "the disk is on its way", 30)
                contains(host.lodge_ok("jobs"), "migration-out")
                if end == "client":
                    client.kill()
                else:
                    host.ok("domjobabort", "tiny")
                said = client.communicate()[0]
            if end == "abort":
                contains(said, "canceled by client")
            wait_until(lambda: far.virsh("domstate", "tiny").code != 0, "it is taken back there", 30)
            wait_until(lambda: host.state("tiny") == "running" and "None" in host.ok("domjobinfo", "tiny"), "it goes on here", 30)
            check(not far.path("images/data.qcow2").exists(), "the image that was made is there still")
            equal(host.ok("qemu-monitor-command", "tiny", '{"execute":"query-jobs"}').count("drive-"), 0, "mirrors")
        move(host, far, "--copy-storage-all")
        there(far, host)


@mark(only="lodged", reason=LODGED)
def test_drain(host):
    """All machines of a host go; what cannot is named before, and stays."""
    with far_host(host) as far:
        for name in ("one", "two", "three"):
            host.start_sector(name)
        plan = host.lodge_ok("host-drain", far.daemon.uri, "--dry-run", "--unsafe")
        contains(plan, "one", "two", "three", "moves")
        equal([host.state(name) for name in ("one", "two", "three")], ["running"] * 3, "after a dry run")
        contains(host.lodge_ok("host-drain", far.daemon.uri, "--dry-run"), "stays", "without shared storage")
        host.lodge_ok("host-drain", far.daemon.uri, "--unsafe", timeout=90)
        for name in ("one", "two", "three"):
            there(far, host, name)
        check("one" not in host.ok("list", "--all"), "their definitions go along")
