"""API calls about checkpoints and backups as backup programs make them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

import libvirt
from lodgetest.process import wait_until

CHECKPOINT = "<domaincheckpoint><name>%s</name><disks><disk name='vda'/></disks></domaincheckpoint>"
PULL = ("<domainbackup mode='pull'>%s<server transport='unix' socket='%s/api.sock'/><disks><disk name='vda' type='file'>"
        "<scratch file='%s/api.scratch'/></disk></disks></domainbackup>")


def ended(dom):
    wait_until(lambda: dom.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "the backup has ended")
    stats = dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    return sorted((key, value) for key, value in stats.items() if "time" not in key)


def names(checkpoints):
    return [checkpoint.getName() for checkpoint in checkpoints]


def play(player):
    call, conn, place = player.call, player.host.conn, player.host.path("pools")
    for image, kind in (("a.qcow2", "qcow2"), ("b.qcow2", "qcow2"), ("c.raw", "raw")):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, place / f"cp-{image}", "16M"], check=True)
        (place / f"cp-{image}").chmod(0o666)
    dom = conn.defineXML((player.xml / "cp-machine.xml").read_text())
    call("checkpointCreateXML inactive", lambda: dom.checkpointCreateXML(CHECKPOINT % "k1", 0))
    call("listAllCheckpoints inactive", lambda: dom.listAllCheckpoints(0))
    call("checkpointLookupByName inactive", lambda: dom.checkpointLookupByName("k1"))
    call("backupBegin inactive", lambda: dom.backupBegin("<domainbackup/>", None, 0))
    call("backupGetXMLDesc inactive", lambda: dom.backupGetXMLDesc(0))
    dom.create()
    call("checkpointCreateXML unknown flag", lambda: dom.checkpointCreateXML(CHECKPOINT % "k1", 1 << 20))
    call("checkpointCreateXML validate alone", lambda: dom.checkpointCreateXML(CHECKPOINT % "k1", 4))
    call("checkpointCreateXML empty", lambda: dom.checkpointCreateXML("", 0))
    for name in ("k1", "k2", "k3"):
        call(f"checkpointCreateXML {name}", lambda name=name: dom.checkpointCreateXML(CHECKPOINT % name, 0).getName())
    call("checkpointCreateXML again", lambda: dom.checkpointCreateXML(CHECKPOINT % "k1", 0))
    for flags in (0, 1, 2, 3, 4, 8, 12, 1 << 20):
        call(f"listAllCheckpoints {flags}", lambda flags=flags: sorted(names(dom.listAllCheckpoints(flags))))
    checkpoint = dom.checkpointLookupByName("k1")
    for flags in (0, 1, 2, 3, 4, 5, 8, 9, 1 << 20):
        call(f"listAllChildren {flags}", lambda flags=flags: sorted(names(checkpoint.listAllChildren(flags))))
    call("getParent of a root", checkpoint.getParent)
    call("getParent", lambda: dom.checkpointLookupByName("k3").getParent().getName())
    call("getParent unknown flag", lambda: checkpoint.getParent(1))
    call("getXMLDesc no domain", lambda: checkpoint.getXMLDesc(2).split("<creationTime>")[0])
    call("getXMLDesc unknown flag", lambda: checkpoint.getXMLDesc(1 << 20))
    call("getXMLDesc size", lambda: checkpoint.getXMLDesc(6).split("</creationTime>")[1])
    call("checkpointLookupByName none", lambda: dom.checkpointLookupByName("none"))
    call("checkpointLookupByName unknown flag", lambda: dom.checkpointLookupByName("k1", 1))
    call("delete unknown flag", lambda: checkpoint.delete(1 << 20))
    call("delete both children", lambda: checkpoint.delete(5))
    call("backupBegin unknown flag", lambda: dom.backupBegin("<domainbackup/>", None, 1 << 20))
    call("backupBegin empty", lambda: dom.backupBegin("", None, 0))
    call("backupGetXMLDesc unknown flag", lambda: dom.backupGetXMLDesc(1))
    call("backupBegin pull", lambda: dom.backupBegin(PULL % ("", place, place), CHECKPOINT % "k4", 0))
    call("jobInfo", lambda: dom.jobInfo()[0])
    call("jobStats", lambda: sorted(set(dom.jobStats()) - {"disk_temp_used"}))
    call("abortJob", dom.abortJob)
    call("how it ended", lambda: ended(dom))
    call("backupBegin incremental", lambda: dom.backupBegin(PULL % ("<incremental>k4</incremental>", place, place), None, 0))
    call("abortJob again", dom.abortJob)
    call("how it ended again", lambda: ended(dom))
    call("checkpoint of a backup", lambda: dom.checkpointLookupByName("k4").getParent().getName())
    call("delete children only", lambda: checkpoint.delete(4))
    call("delete", lambda: checkpoint.delete(0))
    call("delete what is gone", lambda: checkpoint.delete(0))
    call("getXMLDesc of what is gone", lambda: checkpoint.getXMLDesc(0))
    call("listAllChildren of what is gone", lambda: checkpoint.listAllChildren(0))
    call("left", lambda: names(dom.listAllCheckpoints(0)))
    dom.destroy()
    dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)
