"""What the daemon asks of the guest's agent, seen in the guest.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.guests import AGENT
from lodgetest.host import *


def seconds(text):
    return int(re.search(r"\d{9,}", text).group())


def test_file_systems_and_clock_of_the_guest(host):
    """rows: agent-04 agent-05 agent-06 agent-07 platform-16"""
    image = host.path("var/lib/libvirt/images/demo.qcow2")
    host.define(host.guests.demo("demo", devices=AGENT).replace("type='qcow2'", "type='qcow2' discard='unmap'")).create()
    console = host.booted("demo")
    wait_until(lambda: "state='connected'" in host.ok("dumpxml", "demo"), "the agent's channel is connected")
    contains(host.ok("domfsfreeze", "demo"), "Froze 1 filesystem(s)")
    host.refused("domfsfreeze", "demo", says="cannot freeze /disk")
    contains(console.command("fsfreeze --freeze /disk; echo code $?"), "code 1")
    contains(host.ok("domfsthaw", "demo"), "Thawed 1 filesystem(s)")
    console.command("dd if=/dev/urandom of=/disk/big bs=1M count=8")
    console.command("sync")
    large = image.stat().st_blocks * 512
    console.command("rm /disk/big; sync")
    host.ok("domfstrim", "demo")
    check(large - image.stat().st_blocks * 512 > 6 << 20, f"the image kept {image.stat().st_blocks * 512} of {large} bytes")
    check(abs(seconds(host.ok("domtime", "demo")) - time.time()) < 30 * SLOWNESS, "the guest's time")
    host.ok("domtime", "demo", "--time", "1000000000")
    check(0 <= seconds(console.command("date +%s")) - 1000000000 < 30 * SLOWNESS, "the time that was set")
    check(0 <= seconds(host.ok("domtime", "demo")) - 1000000000 < 30 * SLOWNESS, "the time that was set, asked for")
    host.ok("domtime", "demo", "--sync")
    check(abs(seconds(console.command("date +%s")) - time.time()) < 30 * SLOWNESS, "the time after --sync")


def test_without_an_agent_each_command_says_so(host):
    host.start_sector("tiny", devices="<controller type='virtio-serial'/>" + AGENT)
    for command in ("domfsfreeze", "domfsthaw", "domfstrim", "domtime"):
        host.refused(command, "tiny", says="Guest agent is not responding: QEMU guest agent is not connected")
