"""Checkpoints: the tree, its files, and bitmaps that say what a guest wrote since.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.agent import GOOD, Refusal, start_scripted
from lodgetest.host import *

CLUSTER = 65536


def disk(path, target="vda", kind="qcow2"):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file='{path}'/>"
            f"<target dev='{target}' bus='virtio'/></disk>")


def image(host, name, megabytes=16, kind="qcow2"):
    path = str(host.path(f"var/lib/libvirt/images/{name}"))
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, f"{megabytes}M"], check=True)
    return path


def machine(host, name="m", disks=1, megabytes=16):
    """One that runs, with empty disks vda, vdb ..."""
    targets = ["vda", "vdb", "vdc"][:disks]
    host.conn.defineXML(host.guests.empty(name, devices="".join(disk(image(host, f"{name}-{t}", megabytes), t) for t in targets)))
    host.ok("start", name)
    return [str(host.path(f"var/lib/libvirt/images/{name}-{t}")) for t in targets]


def qmp(host, vm, command, /, **arguments):
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(host.ok("qemu-monitor-command", vm, text))["return"]


def nodes(host, name):
    """Format node by path of its image."""
    return {node["image"]["filename"]: node for node in qmp(host, name, "query-named-block-nodes", flat=True)
            if node["drv"] in ("qcow2", "raw")}


def write(host, name, pattern, offset, length=CLUSTER, device="virtio-disk0"):
    """What the guest would write, and flush."""
    for command in (f"write -P {pattern} {offset} {length}", "flush"):
        answer = host.ok("qemu-monitor-command", name, "--hmp",
                         f'qemu-io -d /machine/peripheral/{device}/virtio-backend "{command}"')
        equal(answer.strip(), "", "what QEMU says")  # of success its log says more


def bitmaps(host, name, path):
    return sorted(bitmap["name"] for bitmap in nodes(host, name)[path].get("dirty-bitmaps", []))


def files(host, name="m"):
    folder = host.root / "var/lib/libvirt/qemu/checkpoint" / name
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def size_of(host, checkpoint, name="m"):
    return host.ok("checkpoint-dumpxml", name, checkpoint, "--size", "--no-domain").split("size='")[1].split("'")[0]


def test_what_is_written_since_is_counted(host):
    path, = machine(host)
    host.ok("checkpoint-create-as", "m", "one")
    equal(size_of(host, "one"), "0", "size of a new one")
    write(host, "m", 7, 0)
    write(host, "m", 8, 4 * CLUSTER, 2 * CLUSTER)
    equal(size_of(host, "one"), str(3 * CLUSTER), "size")
    host.ok("checkpoint-create-as", "m", "two")
    write(host, "m", 9, 10 * CLUSTER)
    equal(size_of(host, "one"), str(4 * CLUSTER), "size since the first")
    equal(size_of(host, "two"), str(CLUSTER), "size since the second")


def test_tree(host):
    machine(host)
    for name in ("a", "b", "c"):
        host.ok("checkpoint-create-as", "m", name)
    dom = host.conn.lookupByName("m")
    equal([c.getName() for c in dom.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)], ["a", "b", "c"])
    equal([c.getName() for c in dom.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_ROOTS)], ["a"])
    equal([c.getName() for c in dom.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_LEAVES)], ["c"])
    a = dom.checkpointLookupByName("a")
    equal([c.getName() for c in a.listAllChildren()], ["b"])
    equal(sorted(c.getName() for c in a.listAllChildren(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_DESCENDANTS)), ["b", "c"])
    raises(libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT, a.getParent)
    equal(dom.checkpointLookupByName("b").getParent().getName(), "a")
    host.ok("checkpoint-delete", "m", "b")
    equal(dom.checkpointLookupByName("c").getParent().getName(), "a")
    equal(files(host), ["a.xml", "c.xml"])
    host.ok("checkpoint-delete", "m", "a", "--children-only")
    equal(files(host), ["a.xml"])
    host.ok("checkpoint-create-as", "m", "d")
    host.ok("checkpoint-delete", "m", "a", "--children")
    equal(files(host), [])


def test_bitmaps_go_with_their_checkpoints(host):
    path, = machine(host)
    for name in ("a", "b", "c"):
        host.ok("checkpoint-create-as", "m", name)
    equal(bitmaps(host, "m", path), ["a", "b", "c"])
    host.ok("checkpoint-delete", "m", "a")
    equal(bitmaps(host, "m", path), ["b", "c"])
    host.ok("checkpoint-delete", "m", "b", "--metadata")
    equal(bitmaps(host, "m", path), ["b", "c"])
    equal(files(host), ["c.xml"])


def test_daemon_and_machine_restart(host):
    path, = machine(host)
    host.ok("checkpoint-create-as", "m", "one")
    write(host, "m", 7, 0)
    host.crash_daemon()
    host.ok("checkpoint-create-as", "m", "two")
    equal(host.conn.lookupByName("m").checkpointLookupByName("two").getParent().getName(), "one")
    write(host, "m", 7, 5 * CLUSTER)
    host.ok("shutdown", "m", "--mode", "acpi")
    qmp(host, "m", "quit")  # so that images are closed as they are when a guest shuts down
    host.wait_state("m", "shut off")
    host.restart_daemon()
    host.ok("start", "m")
    equal(size_of(host, "one"), str(2 * CLUSTER), "size after restarts")
    equal(size_of(host, "two"), str(CLUSTER), "size after restarts")


def test_broken_by_a_crash_of_qemu(host):
    path, = machine(host)
    host.ok("checkpoint-create-as", "m", "one")
    os.kill(host.qemu_pid("m"), 9)
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    error = host.refused("checkpoint-create", "m", host.write_xml(
        host.ok("checkpoint-dumpxml", "m", "one")), "--redefine", "--redefine-validate")
    contains(error, "checkpoint inconsistent: missing or broken bitmap 'one' for disk 'vda'")
    check("size=" not in host.ok("checkpoint-dumpxml", "m", "one", "--size", "--no-domain"), "nobody knows the size")
    host.ok("checkpoint-create-as", "m", "two")
    qmp(host, "m", "quit")  # now it is stored
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    os.kill(host.qemu_pid("m"), 9)
    host.wait_state("m", "shut off")
    host.ok("start", "m")
    check(nodes(host, "m")[path]["dirty-bitmaps"][0]["inconsistent"], "QEMU says that it is broken")
    contains(host.refused("checkpoint-create", "m", host.write_xml(
        host.ok("checkpoint-dumpxml", "m", "two")), "--redefine", "--redefine-validate"), "checkpoint inconsistent")
    host.ok("checkpoint-delete", "m", "one")
    host.ok("checkpoint-delete", "m", "two")
    equal(bitmaps(host, "m", path), [])
    host.ok("checkpoint-create-as", "m", "two")


def test_all_disks_or_none(host):
    paths = machine(host, disks=2)
    node = nodes(host, "m")[paths[1]]["node-name"]
    qmp(host, "m", "block-dirty-bitmap-add", node=node, name="taken")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.lookupByName("m").checkpointCreateXML,
           "<domaincheckpoint><name>taken</name></domaincheckpoint>", 0)
    equal(bitmaps(host, "m", paths[0]), [])
    equal(files(host), [])


def test_a_checkpoint_that_the_daemon_died_over_leaves_no_bitmaps(host):
    path, = machine(host)
    status = host.root / "run/libvirt/qemu/m.xml"
    host.kill_daemon()
    status.write_text(status.read_text().replace("<lodge:run ", "<lodge:run newCheckpoint='half' ", 1))
    host.start_daemon()
    qmp(host, "m", "query-status")
    node = nodes(host, "m")[path]["node-name"]
    qmp(host, "m", "block-dirty-bitmap-add", node=node, name="half", persistent=True)
    host.kill_daemon()
    status.write_text(status.read_text().replace("<lodge:run ", "<lodge:run newCheckpoint='half' ", 1))
    host.start_daemon()
    wait_until(lambda: bitmaps(host, "m", path) == [], "the bitmap is gone")
    check("newCheckpoint" not in status.read_text(), "the note is gone")


def test_rename_and_undefine(host):
    machine(host)
    host.ok("checkpoint-create-as", "m", "one")
    host.ok("destroy", "m")
    host.ok("domrename", "m", "n")
    equal(files(host, "n"), ["one.xml"])
    host.restart_daemon()
    contains(host.refused("undefine", "n"), "cannot delete inactive domain with 1 checkpoints")
    contains(host.ok("checkpoint-list", "n", "--name"), "one")
    host.ok("undefine", "n", "--checkpoints-metadata")
    equal(files(host, "n"), [])


def test_of_a_transient_machine(host):
    host.conn.createXML(host.guests.empty("t", devices=disk(image(host, "t"))))
    host.ok("checkpoint-create-as", "t", "one")
    host.restart_daemon()
    contains(host.ok("checkpoint-list", "t", "--name"), "one")
    host.ok("destroy", "t")
    equal(files(host, "t"), [])


def test_damaged_files(host):
    machine(host)
    for name in ("a", "b", "c"):
        host.ok("checkpoint-create-as", "m", name)
    folder = host.root / "var/lib/libvirt/qemu/checkpoint/m"
    host.stop_daemon()
    (folder / "b.xml").write_text("<domaincheckpoint>")
    (folder / "other.xml").write_text((folder / "a.xml").read_text())
    text = (folder / "a.xml").read_text()
    (folder / "a.xml").write_text(text.replace("</name>", "</name><parent><name>a</name></parent>", 1))
    host.start_daemon()
    equal(sorted(c.getName() for c in host.conn.lookupByName("m").listAllCheckpoints()), ["a", "c"])
    equal(sorted(c.getName() for c in host.conn.lookupByName("m").listAllCheckpoints(
        libvirt.VIR_DOMAIN_CHECKPOINT_LIST_ROOTS)), ["a", "c"])
    check((folder / "b.xml.damaged").exists(), "the damaged file is set aside")


def test_with_overlays(host):
    """What changed since is what the images above and below say together; a checkpoint goes from all of them."""
    base, top = image(host, "base"), str(host.path("var/lib/libvirt/images/top"))
    host.conn.defineXML(host.guests.empty("m", devices=disk(base)))
    host.ok("start", "m")
    host.ok("checkpoint-create-as", "m", "one")
    write(host, "m", 7, 0)
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
    subprocess.run(["qemu-img", "bitmap", "--add", top, "one"], check=True)
    host.conn.defineXML(host.guests.empty("m", uuid=host.conn.lookupByName("m").UUIDString(), devices=disk(top)))
    host.ok("start", "m")
    write(host, "m", 8, 0)
    write(host, "m", 8, 3 * CLUSTER)
    equal(size_of(host, "one"), str(2 * CLUSTER), "size over both images")
    equal(bitmaps(host, "m", top), ["one"])
    host.ok("checkpoint-delete", "m", "one")
    equal((bitmaps(host, "m", top), bitmaps(host, "m", base)), ([], []))
    check(nodes(host, "m")[base]["ro"], "the image below is read-only again")
    qmp(host, "m", "quit")
    host.wait_state("m", "shut off")
    told = json.loads(subprocess.run(["qemu-img", "info", "--output=json", base], check=True, capture_output=True).stdout)
    equal(told["format-specific"]["data"].get("bitmaps"), None, "bitmaps in the file below")


def test_commands_of_lodge(host):
    machine(host)
    contains(host.lodge_ok("checkpoint-create-as", "m", "one", "--diskspec", "vda,checkpoint=bitmap"), "Domain checkpoint one created")
    contains(host.lodge_ok("checkpoint-list", "m"), "one")
    contains(host.lodge_ok("checkpoint-dumpxml", "m", "one", "--size"), "size='0'")
    contains(host.lodge_ok("checkpoint-info", "m", "one"), "one")
    contains(host.lodge_ok("checkpoint-create-as", "m", "two", "--print-xml", "--diskspec", "vda"), "<disk name='vda'/>")
    contains(host.lodge_ok("checkpoint-delete", "m", "one"), "Domain checkpoint one deleted")


def test_quiesced_by_the_agent(host):
    """File systems are frozen for the moment of the checkpoint only, and thawed if it fails, too."""
    agent, _ = start_scripted(host, dict(GOOD), name="agent")
    host.ok("checkpoint-create-as", "agent", "one", "--quiesce")
    equal([c for c in agent.commands() if "fsfreeze" in c], ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"])
    del agent.seen[:]
    node = next(iter(nodes(host, "agent").values()))["node-name"]
    qmp(host, "agent", "block-dirty-bitmap-add", node=node, name="taken")
    host.refused("checkpoint-create-as", "agent", "taken", "--quiesce")
    equal([c for c in agent.commands() if "fsfreeze" in c], ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"])
    del agent.seen[:]
    agent.answers["guest-fsfreeze-freeze"] = Refusal("no")
    host.refused("checkpoint-create-as", "agent", "two", "--quiesce")
    equal([c for c in agent.commands() if "fsfreeze" in c], ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"])
    equal(files(host, "agent"), ["one.xml"])
    status = host.root / "run/libvirt/qemu/agent.xml"
    wait_until(lambda: "mustThaw" not in status.read_text(), "the note is gone")
    del agent.seen[:]
    host.kill_daemon()  # in the middle: the next one finds the note
    status.write_text(status.read_text().replace("<lodge:run ", "<lodge:run mustThaw='yes' ", 1))
    host.start_daemon()
    wait_until(lambda: "guest-fsfreeze-thaw" in agent.commands(), "the guest is thawed")


def test_going_back_to_a_snapshot(host):
    """What changed since a checkpoint is not known afterwards; a backup says so."""
    path, = machine(host)
    write(host, "m", 1, 0)
    host.ok("snapshot-create-as", "m", "before")
    for name in ("one", "two"):
        write(host, "m", 2, 0)
        host.ok("checkpoint-create-as", "m", name)
    host.ok("snapshot-create-as", "m", "between")
    host.ok("snapshot-revert", "m", "before")
    equal(host.ok("domstate", "m").strip(), "running")
    dom = host.conn.lookupByName("m")
    xml = "<domainbackup><incremental>two</incremental></domainbackup>"
    why = raises(libvirt.VIR_ERR_CHECKPOINT_INCONSISTENT, dom.backupBegin, xml, None)
    contains(str(why), "full backup")
    host.ok("snapshot-revert", "m", "between")
    host.ok("destroy", "m")
    host.ok("snapshot-revert", "m", "before", "--running")
    host.ok("destroy", "m")
    done = subprocess.run(["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 1 0 65536", path], capture_output=True, text=True, check=True)
    check("verification failed" not in done.stdout, done.stdout)
    host.ok("checkpoint-delete", "m", "one", "--children", "--metadata")
