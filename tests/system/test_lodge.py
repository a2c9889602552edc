"""The command line of Lodge: virsh's commands, JSON, exit codes, and what only it has.

Against libvirtd with LODGE_TEST_CLI=PATH: it works there too.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import re

from lodgetest.host import *
from lodgetest.runner import mark


def test_a_whole_life_by_lodge(host):
    path = host.write_xml(host.guests.sector("tiny"))
    host.lodge_ok("define", path)
    contains(host.lodge_ok("list", "--all"), "tiny", "shut off")
    host.lodge_ok("start", "tiny")
    contains(host.lodge_ok("list"), "tiny", "running")
    contains(host.lodge_ok("domstate", "tiny", "--reason"), "running (booted)")
    host.lodge_ok("suspend", "tiny")
    contains(host.lodge_ok("domstate", "tiny"), "paused")
    host.lodge_ok("resume", "tiny")
    contains(host.lodge_ok("dominfo", "tiny"), "16384")
    contains(host.lodge_ok("dumpxml", "tiny"), "<name>tiny</name>")
    host.lodge_ok("destroy", "tiny")
    host.lodge_ok("undefine", "tiny")
    check("tiny" not in host.lodge_ok("list", "--all"), "the machine is still listed")


def test_json(host):
    host.start_sector("one")
    host.define_sector("two")
    rows = json.loads(host.lodge_ok("-o", "json", "list", "--all"))
    names = sorted(row.get("name") for row in rows)
    equal(names, ["one", "two"])
    json.loads(host.lodge_ok("-o", "json", "dominfo", "one"))
    json.loads(host.lodge_ok("-o", "json", "nodeinfo"))


def test_exit_codes(host):
    host.define_sector("tiny")
    equal(host.lodge("domstate", "tiny").code, 0)
    equal(host.lodge("domstate", "nothing").code, 1, "exit code of a failed operation")
    equal(host.lodge("list", "--no-such-option").code, 2, "exit code of wrong usage")
    equal(host.lodge("no-such-command").code, 2, "exit code of an unknown command")
    result = run([host.lodge_program, "-c", "qemu+unix:///system?socket=/nowhere/sock", "list"])
    equal(result.code, 3, "exit code without a daemon")
    contains(result.err, "/nowhere/sock")


def test_errors_name_what_why_and_what_to_do(host):
    host.define_sector("tiny")
    contains(host.lodge("start", "nothing").err, "nothing")
    host.lodge_ok("start", "tiny")
    contains(host.lodge("start", "tiny").err, "tiny", "running")


def test_commands_of_two_words_are_shown_together(host):
    contains(host.lodge("help", "disk").out, "disk-ls ", "disk-grow ")
    listed = json.loads(host.lodge("-o", "json", "help", "image").out)
    check({"image-info", "image-convert"} <= {row["name"] for row in listed}, listed)
    contains(host.lodge("disk", "nonsense").err, "unknown command: 'disk nonsense'", "lodge help disk")
    contains(host.lodge("net", "lsit").err, "unknown command: 'net lsit'", "did you mean 'net-list'", "lodge help net")
    contains(host.lodge("net").err, "'net' is the first word of several commands", "lodge help net")
    contains(host.lodge_ok("net", "--help"), "net-list", "net-trace")


def test_help_of_every_command(host):
    text = host.lodge_ok("help")
    for command in ("list", "start", "console", "doctor", "explain", "jobs", "config"):
        contains(text, command)
        contains(host.lodge_ok("help", command), command)


def test_console(host):
    host.start_demo("demo")
    host.booted("demo").close()
    terminal = Terminal([host.lodge_program, "-c", host.daemon.uri, "console", "demo", "--force"])
    host.terminals.append(terminal)
    host.at_prompt(terminal, "demo")
    terminal.send("echo answer-$((6 * 7))\n")
    terminal.expect("answer-42")
    terminal.send("\x1d")
    equal(terminal.wait(), 0)


def test_interactive_shell(host):
    host.define_sector("tiny")
    terminal = Terminal([host.lodge_program, "-c", host.daemon.uri])
    host.terminals.append(terminal)
    terminal.expect("lodge")
    terminal.send("list --all\n")
    terminal.expect("tiny")
    terminal.send("quit\n")
    equal(terminal.wait(), 0)


def test_completion_for_bash_and_zsh(host):
    for shell in ("bash", "zsh"):
        contains(host.lodge_ok("completion", shell), "lodge")


def test_doctor(host):
    """rows: host-setup-08"""
    result = host.lodge("doctor")
    contains(result, "KVM", "cgroup")
    check(result.code in (0, 1), str(result))


def widest(text):
    return max(len(line) for line in text.splitlines())


@mark(only="lodged", reason="an extension of lodged")
def test_tables_of_sentences_fit_eighty_columns(host):
    for command in (["doctor"], ["config", "--docs"], ["help"], ["--help"], ["help", "hypervisor-cpu-baseline"]):
        text = host.lodge(*command).out
        check(widest(text) <= 80, f"{command}: {widest(text)} columns\n{text}")
    terminal = Terminal(["sh", "-c", "stty cols 70; exec \"$@\"", "sh", host.lodge_program, "-c", host.daemon.uri, "config", "--docs"])
    host.terminals.append(terminal)
    terminal.wait()
    terminal.read_more(0.1)
    plain = re.sub(r"\x1b\[\d*m", "", terminal.seen)
    check(widest(plain) <= 70, plain)


@mark(only="lodged", reason="an extension of lodged")
def test_doctor_looks_below_the_root(host):
    result = run([host.lodge_program, "--root", str(host.root), "doctor", "-o", "json"])
    rows = {row["check"]: row["detail"] for row in json.loads(result.out)}
    contains(rows["sockets"], f"lodged answers on {host.root}/run/libvirt/libvirt-sock")
    contains(rows["disk"], str(host.root))


@mark(only="lodged", reason="an extension of lodged")
def test_numbers_are_numbers(host):
    rows = {row["key"]: row["value"] for row in json.loads(host.lodge_ok("config", "-o", "json"))}
    equal([rows["max_clients"], rows["unix_sock_ro_perms"]], [5000, "0777"])


@mark(only="lodged", reason="an extension of lodged")
def test_log_says_why_a_machine_could_not_be_started(host):
    host.conn.defineXML(host.guests.empty("broken", devices="<disk type='file'><source file='/nowhere.img'/>"
                                          "<target dev='vda' bus='virtio'/></disk>"))
    equal(host.lodge("start", "broken").code, 1)
    contains(host.daemon.log.read_text(), "machine 'broken'", "could not be started: ", "/nowhere.img")


def test_nodecpustats_has_all_rows_of_virsh(host):
    names = [line.split()[0] for line in host.ok("nodecpustats").splitlines() if line.strip()]
    equal([line.split()[0] for line in host.lodge_ok("nodecpustats").splitlines()], names)
    contains(names, "system:")


@mark(only="lodged", reason="an extension of lodged")
def test_explain(host):
    host.start_sector("tiny")
    contains(host.lodge_ok("explain", "tiny"), "-machine", "-name", "disk")


@mark(only="lodged", reason="an extension of lodged")
def test_jobs(host):
    host.define_sector("tiny")
    host.lodge_ok("jobs")
    host.script("etc/libvirt/hooks/qemu", "#!/bin/sh\n[ \"$2\" = prepare ] && sleep 3\nexit 0\n")
    host.restart_daemon()
    client = host.terminal("start", "tiny")
    wait_until(lambda: "tiny" in host.lodge_ok("jobs"), "the job of the start is listed")
    equal(client.wait(timeout=30), 0)


@mark(only="lodged", reason="an extension of lodged")
def test_config_tells_values_and_where_they_come_from(host):
    host.daemon.settings["max_clients"] = "77"
    host.restart_daemon()
    text = host.lodge_ok("config")
    contains(text, "max_clients", "77", "libvirtd.conf")


def test_edit(host):
    host.define_sector("tiny")
    script = host.script("editor", "#!/bin/sh\nsed -i 's/<vcpu placement=.static.>1</<vcpu>3</' \"$1\"\n")
    result = host.lodge("edit", "tiny", env=clean_environment(EDITOR=str(script)))
    equal(result.code, 0, str(result))
    contains(host.ok("dominfo", "tiny"), "CPU(s):         3")


def test_same_tables_as_virsh(host):
    """Scripts that read virsh's output may be pointed at lodge."""
    host.start_sector("one")
    host.define_sector("two")
    for command in (["list", "--all", "--name"], ["list", "--all", "--uuid"], ["domid", "one"], ["domuuid", "two"],
                    ["domname", "1"], ["domstate", "two"], ["dumpxml", "one"], ["hostname"], ["maxvcpus"]):
        equal(host.lodge_ok(*command).strip(), host.ok(*command).strip(), str(command))


@mark(only="lodged", reason="libvirtd has them")
def test_commands_that_lodged_does_not_serve_yet_are_marked(host):
    """When this fails because a command works: take its mark (CLI_UNSERVED, or that of its group) away."""
    host.start_sector("tiny")
    path = host.write_xml("<x/>")
    values = {"domain": "tiny", "file": path, "config": path, "duration": "60", "capacity": "1M", "pid": "1", "xml": path}
    more = {"snapshotname": "s", "checkpointname": "c"}
    # Of other kinds of objects it is known that there are none; what would make one is not supported.
    none = {number for name, number in vars(libvirt).items() if name.startswith("VIR_ERR_NO_") and name != "VIR_ERR_NO_DOMAIN"}
    served = []
    for row in json.loads(host.lodge_ok("-o", "json", "help")):
        command = json.loads(host.lodge_ok("-o", "json", "help", row["name"]))
        if command["served"] or row["name"].endswith("-event"):  # one can wait for events that never come
            continue
        words = [row["name"]]
        for option in command["options"]:
            name, first = option["name"], (option["words"] or "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f").split()[0]
            if option["required"] or name in more:
                words += [f"--{name}", values.get(name, more.get(name, first))]
        words += ["--base64", "eA=="] if row["name"] == "secret-set-value" else []
        result = host.lodge("-o", "json", *words)
        answer = json.loads(result.err)["error"] if result.err.startswith("{") else {}
        if result.out != "[]\n" and answer.get("number") not in none:
            served.append(f"{words}: {result.out}{result.err}")
    check(not served, "\n".join(served))
