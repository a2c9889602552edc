"""Migrations that somebody's death cuts off, at each step: the guest is on exactly one side afterwards.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import check, contains, equal, kill, qemus, raises, wait_until
from lodgetest.pair import FAR, far_host
from lodgetest.runner import mark
from lodgetest.wire import Wire
from test_lease import is_locked

ONLY = {"only": "lodged", "reason": "two lodged with roots of their own"}
LIVE, PROTECT, UNSAFE = 1, 256, 512


class Steps:
    """The calls of a migration, one by one, as a client makes them."""

    def __init__(self, source, target, name="tiny"):
        self.source, self.target = Wire(source.daemon.socket, 60), Wire(target.daemon.socket, 60)
        for wire in (self.source, self.target):
            wire.open()
        self.name = name
        self.dom = self.source.call("domain_lookup_by_name", name=name)["dom"]
        self.flags = LIVE | PROTECT | UNSAFE
        self.cookie, self.xml, self.uri = b"", None, None

    def begin(self):
        answer = self.source.call("domain_migrate_begin3", dom=self.dom, xmlin=None, flags=self.flags, dname=None, resource=0)
        self.cookie, self.xml = answer["cookie_out"], answer["xml"]

    def prepare(self):
        answer = self.target.call("domain_migrate_prepare3", cookie_in=self.cookie, uri_in=f"tcp://{FAR}", flags=self.flags,
                                  dname=None, resource=0, dom_xml=self.xml)
        self.cookie, self.uri = answer["cookie_out"], answer["uri_out"]

    def perform(self):
        answer = self.source.call("domain_migrate_perform3", dom=self.dom, xmlin=None, cookie_in=self.cookie, dconnuri=None,
                                  uri=self.uri, flags=self.flags, dname=None, resource=0)
        self.cookie = answer["cookie_out"]

    def finish(self, cancelled=0):
        answer = self.target.call("domain_migrate_finish3", dname=self.name, cookie_in=self.cookie, dconnuri=None, uri=self.uri,
                                  flags=self.flags, cancelled=cancelled)
        self.cookie = answer["cookie_out"]

    def confirm(self, cancelled=0):
        self.source.call("domain_migrate_confirm3", dom=self.dom, cookie_in=self.cookie, flags=self.flags, cancelled=cancelled)

    def up_to(self, last):
        for step in ("begin", "prepare", "perform", "finish", "confirm"):
            getattr(self, step)()
            if step == last:
                return self

    def close(self):
        self.source.close()
        self.target.close()


def runs_on(side, other, name="tiny"):
    side.wait_state(name, "running")
    wait_until(lambda: len(qemus()) == 1, "one QEMU is left")
    wait_until(lambda: other.virsh("domstate", name).out.strip() in ("", "shut off"), "it is on one side only")


@mark(**ONLY)
def test_driver_leaves(host):
    """Whoever drives goes away between the calls."""
    with far_host(host) as far:
        host.start_sector()
        for last in ("begin", "prepare"):
            Steps(host, far).up_to(last).close()
            runs_on(host, far)
            host.ok("setmem", "tiny", "16384", "--live")  # its job is free again
        steps = Steps(host, far).up_to("finish")
        steps.close()
        wait_until(lambda: "paused" in host.state("tiny"), "it stays paused where nobody knows")
        contains(host.daemon.log.read_text(), "has gone without saying")
        equal(far.state("tiny"), "running", "where it went")
        host.ok("destroy", "tiny")
        runs_on(far, host)


@mark(**ONLY)
def test_source_dies(host):
    """The daemon of the source, at each step."""
    with far_host(host) as far:
        host.start_sector()
        for last in ("begin", "prepare"):
            steps = Steps(host, far).up_to(last)
            host.crash_daemon()
            steps.close()
            runs_on(host, far)
        steps = Steps(host, far).up_to("perform")
        host.crash_daemon()
        equal(host.state("tiny"), "paused", "sent, and perhaps let go")
        steps.finish()
        equal(far.state("tiny"), "running", "where it went")
        host.ok("destroy", "tiny")
        runs_on(far, host)


@mark(**ONLY)
def test_destination_dies(host):
    """The daemon of the destination, or its QEMU, at each step."""
    with far_host(host) as far:
        host.start_sector()
        for victim in ("daemon", "qemu"):
            for last in ("prepare", "perform"):
                steps = Steps(host, far).up_to(last)
                if victim == "daemon":
                    far.crash_daemon()
                else:
                    kill(far.qemu_pid("tiny"))
                    wait_until(lambda: far.virsh("domstate", "tiny").code != 0, "it is taken back")
                if last == "perform":
                    steps.confirm(cancelled=1)
                steps.close()
                runs_on(host, far)
        steps = Steps(host, far).up_to("finish")
        far.crash_daemon()
        steps.confirm()
        steps.close()
        runs_on(far, host)


@mark(**ONLY)
def test_source_machine_dies(host):
    """QEMU of the source, before and after its state was sent; a destroy in between."""
    with far_host(host) as far:
        for last, how in (("prepare", "kill"), ("perform", "kill"), ("begin", "destroy"), ("perform", "destroy")):
            host.start_sector()
            steps = Steps(host, far).up_to(last)
            if how == "kill":
                kill(host.qemu_pid("tiny"))
            else:
                host.ok("destroy", "tiny")
            host.wait_state("tiny", "shut off")
            if last == "perform":
                steps.finish()
                runs_on(far, host)
                far.ok("destroy", "tiny")
            steps.close()
            wait_until(lambda: not qemus(), "nothing is left")
            host.ok("undefine", "tiny")


@mark(**ONLY)
def test_cancelled_at_the_end(host):
    """The destination could not let it run: it goes on where it was; then it moves all the same."""
    with far_host(host) as far:
        host.start_sector()
        steps = Steps(host, far).up_to("perform")
        steps.confirm(cancelled=1)
        steps.close()
        runs_on(host, far)
        contains(host.ok("domstate", "tiny", "--reason"), "migration canceled")
        steps = Steps(host, far).up_to("confirm")
        steps.close()
        runs_on(far, host)


@mark(**ONLY)
def test_leases(host):
    """Whose guest runs has the lock of its image: handed over, and taken back."""
    with far_host(host, qemu_conf='lock_manager = "lockd"\n') as far:
        host.start_sector()
        image = host.path("var/lib/libvirt/images/tiny.img")
        check(is_locked(image), "the source has it")
        steps = Steps(host, far).up_to("perform")
        check(not is_locked(image), "nobody has it between the two")
        steps.confirm(cancelled=1)
        steps.close()
        runs_on(host, far)
        check(is_locked(image), "the source has it again")
        Steps(host, far).up_to("confirm").close()
        runs_on(far, host)
        check(is_locked(image), "the destination has it")
        far.ok("destroy", "tiny")
        check(not is_locked(image), "it goes with the machine")
