"""A machine is its files: another host goes on with them, and the lock of the image keeps two from running it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import shutil

from lodgetest.daemon import make_daemon
from lodgetest.host import *
from lodgetest.runner import mark


class Other:
    """A second host: another daemon with a root of its own."""

    def __init__(self, host):
        self.host = host
        self.daemon = make_daemon(host.path("o"), host.daemon.binary)
        self.daemon.start()

    def virsh(self, *words):
        return run(["virsh", "-c", self.daemon.uri, *words], timeout=60)

    def ok(self, *words):
        result = self.virsh(*words)
        equal(result.code, 0, str(result))
        return result.out

    def close(self):
        self.daemon.stop()
        equal(self.daemon.complaints(), [])


@mark(only="lodged", reason="two daemons at once need roots of their own")
def test_another_host_goes_on_with_copied_files(host):
    """rows: platform-13"""
    other = Other(host)
    host.start_demo("demo")
    console = host.booted("demo")
    console.command("echo written > /disk/note; sync")
    console.command("REMEMBERED=yes")
    state = host.path("var/lib/libvirt/images/state")
    host.ok("save", "demo", str(state), timeout=60)
    ours, theirs = (path / "var/lib/libvirt/images" for path in (host.root, host.path("o")))
    for name in ("state", "demo.qcow2", "vmlinuz", "initrd"):
        shutil.copy(ours / name, theirs / name)
    xml = host.write_xml(host.ok("save-image-dumpxml", str(state)).replace(str(ours), str(theirs)))
    (ours / "demo.qcow2").unlink()
    other.ok("restore", str(theirs / "state"), "--xml", xml)
    console = Terminal(["virsh", "-c", other.daemon.uri, "console", "demo"])
    host.terminals.append(console)
    host.at_prompt(console, "demo")
    contains(console.command("echo REMEMBERED is $REMEMBERED"), "REMEMBERED is yes")
    contains(console.command("cat /disk/note"), "written")
    other.ok("destroy", "demo")
    # its document and disk are enough, too
    other.ok("define", host.write_xml(host.ok("dumpxml", "demo").replace(str(ours), str(theirs))))
    other.ok("start", "demo")
    equal(other.ok("domstate", "demo").strip(), "running")
    other.ok("destroy", "demo")
    other.close()


@mark(only="lodged", reason="two daemons at once need roots of their own")
def test_only_one_host_runs_a_machine_that_both_know(host):
    """rows: cluster-09"""
    other = Other(host)
    dom = host.define_sector("shared")
    other.ok("define", host.write_xml(dom.XMLDesc()))
    dom.create()
    refused = other.virsh("start", "shared")
    equal(refused.code, 1)
    contains(refused.err, 'Failed to get "write" lock', "shared.img")
    equal((other.ok("domstate", "shared").strip(), host.state("shared")), ("shut off", "running"))
    dom.destroy()
    other.ok("start", "shared")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.create, text='Failed to get "write" lock')
    other.ok("destroy", "shared")
    other.close()
