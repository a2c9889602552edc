"""Guests whose agent means harm: it talks without end, in pieces, too much, or not at all. It gets nothing out of
it, and nobody else notices.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import threading

import libvirt_qemu

from lodgetest.agent import SILENCE, start_scripted
from lodgetest.host import *
from lodgetest.runner import mark


PATIENCE_S = int(12 * SLOWNESS)


def resident_kib(host):
    status = open(f"/proc/{host.daemon.process.pid}/status", encoding="ascii").read()
    return int(status.split("VmRSS:")[1].split()[0])


def ask(dom, command="guest-foo", timeout=20):
    return libvirt_qemu.qemuAgentCommand(dom, json.dumps({"execute": command}), timeout, 0)


@mark(only="lodged", reason="libvirtd dies of some answers, and gives an agent up for good after others")
def test_answers_of_a_hostile_agent(host):
    """Each answer is refused, and the next command works."""
    agent, _ = start_scripted(host, {"guest-good": {"fine": True}})
    other = host.start_sector("other")
    dom = host.conn.lookupByName("demo")
    before = resident_kib(host)
    deep, many = b"[" * 100000, b"0," * 4000000
    for answer, codes in (
            (b"nonsense\n", {1}), (b'{"return":\n', {1}), (b'{"x":1}\n', {1}), (b"[]\n", {1}), (b'{"error":7}\n', {1}),
            (b'{"error":{}}\n', {1}), (b'{"return":"\xfe"}\n', {1}), (b'junk\xff{"return":4}\n', {1}), (b"\0\0\0\n", {1}),
            (b'{"return":' + deep + b"\n", {1, 82}), (b'{"return":[' + many + b"0]}\n", {82}),
            (b'{"return":"' + b"x" * 9000000 + b'"}\n', {82}), (b"x" * 12000000, {82}),
            (b'{"error":{"class":"X","desc":"' + b"\xc3\xbc" * 3000000 + b'"}}\n', {1}),
            (b'{"return":"half', {86}), (SILENCE, {86})):
        agent.answers["guest-foo"] = answer
        try:
            ask(dom, timeout=2 if answer is SILENCE or answer.endswith(b"half") else 40)
            fail(f"{str(answer)[:40]} was taken for an answer")
        except libvirt.libvirtError as error:
            check(error.get_error_code() in codes, f"{str(answer)[:40]}: {error.get_error_code()} {str(error)[:200]}")
            check(len(str(error)) < 2000, "the message is short")
        equal(json.loads(ask(dom, "guest-good", 40)), {"return": {"fine": True}}, f"the command after {str(answer)[:40]}")
        check(other.info()[0] == libvirt.VIR_DOMAIN_RUNNING, "others are served")
    grown = resident_kib(host) - before
    check(grown < 300 << 10, f"the daemon grew by {grown} KiB")  # (with sanitizers, which keep what was freed)


@mark(only="lodged", reason="libvirtd waits for its agent job")
def test_an_agent_that_never_stops_talking(host):
    agent, _ = start_scripted(host, {"guest-foo": SILENCE})
    other = host.start_sector("other")
    dom = host.conn.lookupByName("demo")
    stop = threading.Event()

    def chatter():
        try:
            while not stop.is_set():
                agent.socket.sendall(b'{"return": {"chatter": true}}\n' * 100)
        except OSError:
            pass
    talker = threading.Thread(target=chatter, daemon=True)
    talker.start()
    slowest = 0
    end = time.monotonic() + 8
    errors = 0
    while time.monotonic() < end:
        begin = time.monotonic()
        other.info()
        other.XMLDesc()
        slowest = max(slowest, time.monotonic() - begin)
        if errors < 3:
            try:
                ask(dom, timeout=2)
            except libvirt.libvirtError as error:
                equal(error.get_error_code(), libvirt.VIR_ERR_AGENT_UNRESPONSIVE, "code")
                errors += 1
    check(slowest < 0.5 * SLOWNESS, f"others waited for {slowest:.2f} s")
    stop.set()
    agent.close()


def test_a_long_command_keeps_nobody(host):
    """A question that waits for its turn gives up at its own deadline; changes of the machine need no turn at all."""
    agent, _ = start_scripted(host, {"guest-fsfreeze-freeze": SILENCE, "guest-get-time": 5})
    dom, begun = host.conn.lookupByName("demo"), time.monotonic()
    dom.agentSetResponseTimeout(PATIENCE_S)
    freezer = threading.Thread(target=lambda: raises(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, host.open().lookupByName("demo").fsFreeze))
    freezer.start()
    wait_until(lambda: "guest-fsfreeze-freeze" in agent.commands(), "the freeze is under way")
    if not host.is_reference:
        before = time.monotonic()
        raises(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, ask, dom, "guest-ping", 1)
        check(time.monotonic() - before < 5 * SLOWNESS, "the short question waited no longer than it wanted")
    dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "title", None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    dom.suspend()
    dom.resume()
    check(time.monotonic() - begun < PATIENCE_S, "the freeze is still under way")
    freezer.join()
    equal(dom.getTime()["nseconds"], 5, "the next command")
