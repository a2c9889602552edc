"""virsh itself against the daemon: interactive mode, options of the connection, exit codes.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re

from lodgetest.host import *
from lodgetest.runner import mark


def test_interactive_mode(host):
    """rows: cli-01 cli-02"""
    host.define_sector("tiny")
    terminal = host.terminal()
    terminal.expect("virsh # ")
    terminal.send("list --all\n")
    terminal.expect(r"-\s+tiny\s+shut off")
    terminal.send("start tiny\n")
    terminal.expect("Domain 'tiny' started")
    terminal.send("quit\n")
    equal(terminal.wait(), 0)


def test_several_commands_in_one_line(host):
    host.define_sector("tiny")
    out = host.ok("start tiny; domstate tiny; destroy tiny; domstate tiny")
    contains(out, "running", "shut off")


def test_quiet_and_timing(host):
    """rows: cli-14 cli-16"""
    equal(host.ok("-q", "list"), "")
    contains(host.ok("-t", "list"), "(Time: ")


def test_exit_codes(host):
    """rows: lifecycle-52"""
    host.define_sector("tiny")
    equal(host.virsh("domstate", "tiny").code, 0)
    equal(host.virsh("domstate", "nothing").code, 1)
    equal(host.virsh("start", "tiny").code, 0)
    equal(host.virsh("start", "tiny").code, 1)


def test_keepalive_is_answered(host):
    """The client hangs up when pings stay unanswered: a loop of events outlives several of them. rows: cli-11"""
    terminal = host.terminal("-k", "1", "-K", "1", "event", "--event", "lifecycle", "--timeout", "4")
    terminal.expect("event loop timed out", timeout=20)


def test_keepalive_count(host):
    """A daemon that answers no ping is given up. rows: cli-12"""
    terminal = host.terminal("-k", "1", "-K", "2", "event", "--event", "lifecycle", "--loop", "--timeout", "100")

    def hears():
        host.define_sector("heard")
        host.ok("undefine", "heard")
        try:
            return terminal.expect("lifecycle", timeout=1) is not None
        except TestFailure:
            return False

    wait_until(hears, "the client waits for events")
    os.kill(host.daemon.pid, signal.SIGSTOP)
    try:
        terminal.expect("keepalive timeout|connection closed", timeout=30)
    finally:
        os.kill(host.daemon.pid, signal.SIGCONT)
    check(terminal.wait(30) != 0, "the client ended well")


def test_commands_of_the_client_itself(host):
    """rows: cli-31"""
    names = re.findall(r"^    (\S+) ", host.ok("help", "virsh"), re.MULTILINE)
    equal(sorted(set(names) - {"self-test"}), ["cd", "connect", "echo", "exit", "help", "pwd", "quit"])
    result = host.virsh(stdin=f"cd /usr\npwd\necho --shell a 'b c'\nconnect {host.daemon.uri_ro} --readonly\nstart x\n"
                              f"connect {host.daemon.uri}\nhostname\nhelp exit\nexit\nlist\n")
    contains(result.out, "/usr\n", "a 'b c'\n", os.uname().nodename, "exit - quit this interactive terminal")
    contains(result.err, "failed to get domain 'x'")
    check(" Id " not in result.out, "commands run after exit")
    equal(host.virsh(stdin="quit\nhostname\n").out.count(os.uname().nodename), 0)


def test_log_file_of_the_client(host):
    """rows: cli-13"""
    log = host.path("virsh.out")
    host.virsh("-d", "0", "-l", str(log), "list")
    check(log.exists(), "no log")


def test_interactive_client_reconnects_after_a_restart(host):
    terminal = host.terminal()
    terminal.expect("virsh # ")
    terminal.send("hostname\n")
    terminal.expect(os.uname().nodename)
    host.restart_daemon()
    # It may report the lost connection once; then it works again.
    for _ in range(3):
        terminal.send("domid nothing; echo --err; hostname\n")
    terminal.send("uri\n")
    terminal.expect("qemu:///|qemu\\+unix")
    terminal.send("quit\n")
    terminal.wait()


def test_domid_domname_domuuid_of_nothing(host):
    for command in ("domid", "domname", "domuuid", "dominfo", "dumpxml", "domstate", "start", "destroy", "undefine"):
        host.refused(command, "nothing", says="failed to get domain 'nothing'")


def test_domcontrol_and_domstats(host):
    dom = host.start_sector("tiny")
    equal(host.ok("domcontrol", "tiny").strip(), "ok")
    text = host.ok("domstats", "tiny")
    contains(text, "Domain: 'tiny'", "state.state=1", "vcpu.current=1", "balloon.current=16384", "block.count=1",
             "block.0.name=hda")
    stats = host.conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
    equal(stats[0][1]["state.state"], 1)
    dom.destroy()
    contains(host.ok("domstats", "tiny", "--state"), "state.state=5")


def test_domtime_and_agent_commands_say_what_is_missing(host):
    host.start_sector("tiny")
    host.refused("domtime", "tiny", says="agent")
    host.refused("qemu-agent-command", "tiny", '{"execute":"guest-ping"}', says="agent")


def test_agent_command(host):
    from lodgetest.guests import AGENT
    host.start_demo("demo", devices=AGENT)
    host.booted("demo").close()
    wait_until(lambda: "state='connected'" in host.ok("dumpxml", "demo"), "the agent's channel is connected")
    equal(host.ok("qemu-agent-command", "demo", '{"execute":"guest-ping"}').strip(), '{"return":{}}')
    host.refused("qemu-agent-command", "demo", '{"execute":"guest-nonsense"}', says="guest-nonsense")


def test_agent_that_does_not_answer(host):
    from lodgetest.guests import AGENT
    host.start_sector("tiny", devices="<controller type='virtio-serial'/>" + AGENT)
    host.refused("qemu-agent-command", "tiny", '{"execute":"guest-ping"}', "--timeout", "1", says="agent")
    host.ok("list")


def test_help(host):
    """rows: cli-03 cli-04 cli-05 cli-06 cli-10"""
    groups = ("domain", "monitor", "host", "interface", "filter", "network", "nodedev", "secret", "snapshot", "pool",
              "volume", "virsh")
    contains(host.ok("help"), *(f"keyword '{group}'" for group in groups))
    contains(host.ok("help", "volume"), "vol-create", "vol-delete", "vol-list", "vol-resize")
    contains(host.ok("help", "list"), "NAME", "list - list domains", "SYNOPSIS", "OPTIONS", "--all")
    contains(host.ok("destroy", "--help"), "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS")
    contains(host.ok("-h"), "--connect", "--readonly", "--timing")
    contains(host.lodge_ok("help", "list"), "--all", "--inactive")


def test_options_of_the_client(host):
    """rows: cli-07 cli-08 cli-17"""
    contains(host.ok("-V"), "libvirt 9.0.0", "QEMU")
    equal(host.ok("-v").strip(), "9.0.0")
    shown = host.virsh("-d", "0", "list")
    contains(shown.out + shown.err, "commands:")
    host.refused("-c", "nonsense://x/system", "list", says="error: failed to connect to the hypervisor")


def test_console_with_another_escape_character(host):
    """rows: cli-09"""
    host.start_sector("tiny")
    terminal = host.terminal("-e", "^X", "console", "tiny")
    terminal.expect("Escape character is \\^X")
    terminal.expect("Lodge boot sector")
    terminal.send("\x18")
    equal(terminal.wait(), 0)
    equal(host.state("tiny"), "running")
