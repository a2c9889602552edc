"""The command line against virsh: the same words in, the same values and exit codes out; and what only a terminal shows.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import pathlib
import re

from lodgetest.console import Terminal
from lodgetest.host import *

# Commands that change nothing; t is a running machine, off one that is shut off.
QUESTIONS = """
list --all
list --name --all
list --uuid --name --all
list --state-shutoff
dominfo t
dominfo off
domstate t --reason
domid t
domid off
domuuid t
domcontrol t
domblklist t --details
domblkinfo off --all
domiflist t
vcpucount t
vcpucount off
vcpuinfo off --pretty
domdisplay off
ttyconsole t
dumpxml t
dumpxml off --inactive
dumpxml t --xpath //memory
desc t
domjobinfo t
hostname
nodeinfo
nodecpumap --pretty
maxvcpus
cpu-models x86_64
capabilities
event --list
domstate nothing
start t
destroy off
resume t
domdisplay off
list --table --name
start
start one two three
list --bogus
bogus
""".strip().splitlines()


def plain(text):
    """Without the layout: runs of blanks, rules below headers and empty lines."""
    lines = (re.sub(r"[ \t]+", " ", re.sub(r"-{5,}", "---", line)).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("Promised:") and line != "nic-mac-change"]  # lodge's alone


def same(host, line):
    ours, theirs = host.lodge(*line.split()), host.virsh(*line.split())
    equal(plain(ours.out), plain(theirs.out), f"output of '{line}'")
    equal(ours.code != 0, theirs.code != 0, f"failure of '{line}'")
    check(ours.code == 0 or ours.err.startswith("error: "), str(ours))


def test_questions_have_the_answers_of_virsh(host):
    host.start_sector("t")
    host.define_sector("off")
    for line in QUESTIONS:
        same(host, line)


# The same for objects of all kinds, on a daemon that has them: what both do to the same object in turn. FILE is one
# that holds the XML.
OBJECTS = """
net-define FILE:<network><name>n1</name><bridge name='lodgetestbr'/></network>
net-list --all
net-list --inactive --name
net-info n1
net-uuid nosuch
net-autostart n1
net-autostart n1 --disable
net-dumpxml n1 --xpath //name
net-start nosuch
net-dhcp-leases n1
net-undefine n1
pool-define FILE:<pool type='dir'><name>p1</name><target><path>POOL</path></target></pool>
pool-build p1
pool-list --all --details
pool-start p1
pool-list
pool-list --type dir,fs --name
pool-list --type nonsense
pool-info p1 --bytes
vol-create-as p1 v1 1M --format raw
vol-create p1 FILE:<volume><name>v2</name><capacity>2048</capacity></volume>
vol-list p1
vol-list p1 --details
vol-info v1 --pool p1
vol-info v1 --pool p1 --bytes
vol-info v1 --pool p1 --physical
vol-info v1
vol-path v1 --pool p1
vol-key POOL/v1
vol-pool POOL/v1
vol-pool POOL/v1 --uuid
vol-pool v1
vol-name POOL/v1
vol-name v1
vol-resize v1 2M --pool p1
vol-wipe v1 --pool p1
vol-delete v1 --pool p1
vol-delete v2 p1
pool-refresh p1
pool-autostart p1
pool-autostart p1 --disable
pool-destroy p1
pool-destroy p1
pool-delete p1
pool-undefine p1
secret-define FILE:<secret ephemeral='no' private='no'><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid></secret>
secret-list
secret-list --private
secret-set-value 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f --base64 aGFsbG8=
secret-get-value 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f
secret-dumpxml 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f
secret-undefine 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f
secret-undefine 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f
nwfilter-define FILE:<filter name='f1' chain='root'/>
nwfilter-list
nwfilter-dumpxml f1 --xpath /filter/@name
nwfilter-binding-list
nwfilter-undefine f1
nodedev-list
nodedev-list --cap system
nodedev-info computer
nodedev-dumpxml computer --xpath //name
nodedev-dumpxml nosuch
iface-list --all
iface-dumpxml nosuch
pool-event --list
nodedev-event --list
secret-event --list
snapshot-create-as snap s1 --description text
snapshot-list snap
snapshot-list snap --parent
snapshot-list snap --name
snapshot-current snap --name
snapshot-info snap s1
snapshot-parent snap s1
snapshot-dumpxml snap s1 --xpath //description
snapshot-revert snap s1
snapshot-delete snap s1
checkpoint-list off
""".strip().splitlines()


def test_objects_of_all_kinds_do_what_virsh_does(host):
    """Each line is done by virsh and then, after the change is taken back by the lines below, by lodge."""
    if host.daemon.name == "lodged" and host.lodge("pool-list").code != 0:
        raise Skip("the daemon has no objects but domains")
    host.define_sector("off")
    host.conn.defineXML("<domain type='qemu'><name>snap</name><memory unit='KiB'>16384</memory>"
                        "<os><type>hvm</type></os></domain>")
    answers = {}
    for play in (host.virsh, host.lodge):
        answers[play] = []
        for number, line in enumerate(OBJECTS):
            head, _, xml = line.partition("FILE:")
            words = [word.replace("POOL", str(host.root / "pool")) for word in head.split()]
            if xml:
                path = host.root / f"object{number}.xml"
                path.write_text(xml.replace("POOL", str(host.root / "pool")))
                words.append(str(path))
            answers[play].append(play(*words))
    different = []
    for line, theirs, ours in zip(OBJECTS, answers[host.virsh], answers[host.lodge]):
        changing = r"[0-9a-f]{8}-[0-9a-f-]{27}|20\d\d-\d\d-\d\d \d\d:\d\d:\d\d|\b\d+\.\d\d [KMG]iB|\b\d{6,}\b"
        texts = [plain(re.sub(changing, "N", result.out)) for result in (theirs, ours)]
        if texts[0] != texts[1] or (theirs.code != 0) != (ours.code != 0):
            different.append(f"{line}\n  virsh {theirs.code}: {texts[0]} {theirs.err}\n  lodge {ours.code}: {texts[1]} {ours.err}")
    check(not different, "\n".join(different))


def define_network(host, name):
    path = host.write_xml(f"<network><name>{name}</name><bridge name='lodgetestbr'/></network>")
    result = host.virsh("net-define", path)
    if "not supported by the connection driver: virNetworkDefineXML" in result.err and not host.is_reference:
        raise Skip("the daemon has no networks")
    equal(result.code, 0)


def test_editing_other_objects(host):
    define_network(host, "n3")
    editor = dict(clean_environment(), EDITOR="sed -i s/lodgetestbr/lodgetestb2/")
    equal(host.lodge_ok("net-edit", "n3", env=editor), "Network n3 XML configuration edited.\n")
    contains(host.ok("net-dumpxml", "n3"), "lodgetestb2")
    contains(host.lodge_ok("net-edit", "n3", env=editor), "not changed")
    host.ok("net-undefine", "n3")


def test_a_domain_from_a_file_that_is_not_stored(host):
    xml = host.write_xml(host.guests.sector("once"))
    contains(host.lodge_ok("create", xml, "--paused"), f"Domain 'once' created from {xml}")
    equal(host.lodge_ok("domstate", "once").strip(), "paused")
    # a descriptor that nobody has is refused before anything is done
    wrong = host.lodge("create", xml, "--pass-fds", "x")
    equal(wrong.code, 2)
    contains(wrong.err, "'x' in --pass-fds is not a file descriptor")
    host.lodge_ok("destroy", "once", "--graceful")
    equal(host.lodge_ok("list", "--all", "-o", "name"), "")


def test_events_of_other_objects(host):
    define_network(host, "n2")
    host.ok("net-undefine", "n2")
    waiting = terminal(host, "net-event", "--event", "lifecycle", "--timeout", "60")

    def an_event_is_shown():
        define_network(host, "n2")
        host.ok("net-undefine", "n2")
        waiting.read_more(0.2)
        return "events received: 1" in waiting.seen

    wait_until(an_event_is_shown, "the event of a network", 60)
    contains(waiting.seen, "event 'lifecycle' for network n2: ")


# Lists of named parameters and counters, shown and changed; t runs.
NUMBERS = """
memtune t
memtune t --hard-limit 1G --config
memtune t --config
memtune t --hard-limit -1 --config
memtune off --soft-limit nonsense
numatune t
numatune off --mode interleave --nodeset 0 --config
numatune off
numatune off --mode nonsense --config
blkiotune off
blkiotune off --weight 500 --config
schedinfo t
schedinfo off
blkdeviotune off hda
setmem off 16384 --config
setmaxmem off 20480 --config
setvcpus off 1 --config
setvcpus off 0 --config
nodememstats --cell nonsense
domblkstat off hda
domhostname off --source nonsense
dompmsuspend off nonsense
shutdown off --mode nonsense
send-key off --codeset nonsense KEY_A
domifaddr off --source nonsense
""".strip().splitlines()


def test_parameters_are_shown_and_changed_as_virsh_does(host):
    host.start_sector("t")
    host.define_sector("off")
    for line in NUMBERS:
        same(host, line)
    for line in ("nodememstats", "nodecpustats", "domblkstat t hda", "domblkstat t", "dommemstat t", "node-memory-tune"):
        ours, theirs = (re.sub(r"\d+", "N", "\n".join(plain(play(*line.split()).out))) for play in (host.lodge, host.virsh))
        equal(ours, theirs, line)


def test_every_question_prints_one_json_document(host):
    host.start_sector("t")
    host.define_sector("off")
    for line in QUESTIONS:
        result = host.lodge("-o", "json", *line.split())
        text = result.out if result.code == 0 else result.err
        if text:
            try:
                json.loads(text)
            except ValueError:
                fail(f"no JSON: {result}")


def test_lines_of_a_script_run_one_by_one(host):
    host.define_sector("off")
    result = host.lodge(stdin="domstate off\nnonsense\n# a comment\necho 'a  b'; domid off\n")
    equal(result.out, "shut off\na  b\n-\n")
    contains(result.err, "unknown command: 'nonsense'")
    equal(result.code, 0, "exit code of the last command")


def test_editing_stores_what_the_editor_leaves(host):
    dom = host.define_sector("off")
    editor = dict(clean_environment(), EDITOR="sed -i s/16384/20480/")
    contains(host.lodge_ok("edit", "off", env=editor), "edited")
    contains(dom.XMLDesc(), "20480")
    contains(host.lodge_ok("edit", "off", env=editor), "not changed")
    broken = host.lodge("edit", "off", env=dict(clean_environment(), EDITOR="sed -i s/.domain/x/"))
    equal(broken.code, 1)
    contains(dom.XMLDesc(), "20480")


def terminal(host, *args):
    opened = Terminal([host.lodge_program, "-c", host.daemon.uri, *args])
    host.terminals.append(opened)
    return opened


def interrupt(opened):
    """What Ctrl-C does; the terminals of these tests control nobody."""
    opened.process.send_signal(signal.SIGINT)


def test_shell_on_a_terminal(host):
    host.define_sector("off")
    shell = terminal(host)
    shell.expect("lodge # ")
    shell.send("domstate off\n")
    shell.expect("shut off")
    shell.expect("lodge # ")
    shell.send("abc")
    shell.expect("abc")
    interrupt(shell)
    shell.expect("lodge # ")
    shell.send("domuu\toff\n")
    shell.expect(r"[0-9a-f]{8}-[0-9a-f]{4}-")
    shell.expect("lodge # ")
    shell.send("event --all --loop\n")

    def an_event_is_shown():
        host.ok("start", "off")
        host.ok("destroy", "off")
        shell.read_more(0.2)
        return "lifecycle" in shell.seen

    wait_until(an_event_is_shown, "the shell shows events", 60)
    interrupt(shell)
    shell.expect("events received: [1-9]")
    shell.expect("lodge # ")
    shell.send("quit\n")
    equal(shell.wait(), 0)


def test_console_has_one_owner_until_somebody_forces(host):
    host.start_sector("t")
    first = terminal(host, "console", "t")
    first.expect("Escape character")
    refused = host.lodge("console", "t", "--safe")
    equal(refused.code, 1)
    contains(refused.err, "--force takes it over")
    second = terminal(host, "console", "t", "--force")
    second.expect("Escape character")
    first.wait()
    second.send("\x1d")
    equal(second.wait(), 0)


def test_completion_knows_the_machines(host):
    host.start_sector("web-running")
    host.define_sector("web-off")
    line = f"lodge -c {host.daemon.uri} "
    equal(host.lodge_ok("complete", "--line", line + "start web").split(), ["web-off"])
    equal(host.lodge_ok("complete", "--line", line + "shutdown web").split(), ["web-running"])
    equal(host.lodge_ok("complete", "--line", line + "dumpxml web").split(), ["web-running", "web-off"])


def test_events_end_with_the_first_or_the_deadline(host):
    silent = host.lodge("event", "--event", "reboot", "--timeout", "1")
    equal(silent.code, 1, "exit code when nothing came")
    contains(silent.out, "event loop timed out", "events received: 0")


def test_without_a_daemon_the_exit_code_says_so(host):
    host.stop_daemon()
    result = host.lodge("list")
    equal(result.code, 3)
    contains(result.err, "error: ", "hint: ")
    equal(host.lodge("echo", "works").out, "works\n", "what needs no daemon")


def test_several_domains_at_once(host):
    for name in ("a", "b", "c d"):
        host.define_sector(name)
    contains(host.lodge_ok("start", "a", "b", "c d"), "Domain 'a' started", "Domain 'b' started", "Domain 'c d' started")
    equal(host.lodge_ok("list", "a", "c d", "-o", "name").split("\n")[:2], ["a", "c d"])
    some = host.lodge("destroy", "a", "nosuch", "b")
    equal(some.code, 1, "exit code when one of them failed")
    contains(some.out, "Domain 'a' destroyed", "Domain 'b' destroyed")
    contains(some.err, "failed to get domain 'nosuch'")
    documents = json.loads(host.lodge("-o", "json", "destroy", "c d", "a").out)
    equal(["message" in documents[0], "error" in documents[1]], [True, True])
    contains(host.lodge("list", "nosuch").err, "nosuch")
    equal(host.lodge("domid", "a", "b").code, 2)
    contains(host.lodge("domid", "a", "b").err, "surplus argument 'b'")


def test_lists_in_all_formats(host):
    host.define_sector("off")
    uuid = host.conn.lookupByName("off").UUIDString()
    equal(host.lodge_ok("list", "--all", "-o", "csv").replace("\r", ""), f"id,name,state,uuid\n,off,shut off,{uuid}\n")
    equal(host.lodge_ok("list", "--all", "-o", "yaml").replace(f'"{uuid}"', uuid), f"- id: null\n  name: off\n  state: shut off\n  uuid: {uuid}\n"
          .replace("name: off", 'name: "off"'))
    equal(host.lodge_ok("list", "--all", "-o", "name"), "off\n")
    equal(host.lodge_ok("list", "--all", "--columns", "state,name", "--no-header"), " shut off   off\n")
    wrong = host.lodge("list", "--all", "--columns", "size")
    equal(wrong.code, 2)
    contains(wrong.err, "no column 'size'", "id, name, state, uuid")
    equal(host.lodge("dominfo", "off", "--columns", "name").code, 2)


def test_words_of_other_tools_and_unknown_schemes(host):
    for word, command in (("ls", "list"), ("ps", "list"), ("stop", "shutdown"), ("rm", "undefine"), ("info", "dominfo")):
        result = host.lodge(word)
        equal(result.code, 2)
        contains(result.err, f"unknown command: '{word}'", command)
    for command in ("qemu-attach",):
        result = host.lodge(command, "x")
        contains(result.err, "is not in this version of lodge")
        check("virsh" not in result.err, result.err)
        contains(host.lodge_ok("help", "domain"), "Not in this version:", command)
    contains(run([host.lodge_program, "-c", "foo:///system", "list"]).err, "unknown URI scheme 'foo'", "qemu:///system")
    contains(host.lodge("list", "--root", "/tmp").err, "stands in front of the command")


def bash_completes(host, line):
    """What bash offers at the end of a line, by the script that we print."""
    host.write("completion.bash", host.lodge_ok("completion", "bash"))
    words = "\n".join(line.split(" "))
    script = (f"PATH={pathlib.Path(host.lodge_program).parent}:$PATH; source {host.root}/completion.bash; "
              f"COMP_LINE=$1; COMP_POINT=${{#1}}; mapfile -t COMP_WORDS <<<\"$2\"; "
              f"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}; _lodge; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    result = run(["bash", "-c", script, "bash", line, words])
    return result.out.split("\n")[:-1]


def test_completion_of_values_and_of_names_with_blanks(host):
    host.define_sector("web server", devices="<interface type='user'><mac address='52:54:00:00:00:01'/></interface>")
    line = f"lodge -c {host.daemon.uri} "
    equal(host.lodge_ok("complete", "--line", line + "domblkstat 'web server' ").split(), ["hda"])
    equal(host.lodge_ok("complete", "--line", line + "domblkinfo --domain 'web server' --device h").split(), ["hda"])
    equal(host.lodge_ok("complete", "--line", line + "domifstat 'web server' 52").split(), ["52:54:00:00:00:01"])
    if not host.is_reference:
        equal(host.lodge_ok("complete", "--line", line + "config max_anon").split(), ["max_anonymous_clients"])
    equal(host.lodge_ok("complete", "--line", "lodge -o y").split(), ["yaml"])
    equal(host.lodge_ok("complete", "--line", "lodge --root ").split(), [":files"])
    equal(bash_completes(host, line + "start w"), ["web\\ server"])
    equal(bash_completes(host, line + "start 'w"), ["'web server'"])
    equal(bash_completes(host, line + "shutdown x --mode=ag"), ["--mode=agent"])


def test_no_command_crashes_whatever_the_answer(host):
    """Every command with a value for each option that it needs, and with all options at once."""
    os.chdir(host.path("."))  # some make files and folders by the names that they are given
    xml = host.guests.sector("off")
    path = host.write_xml("<x/>")
    values = {"domain": "off", "file": path, "config": path, "xml": path, "xmlfile": path, "capacity": "1M", "size": "1M"}
    left_out = ("nodesuspend", "node-memory-tune", "console", "quit", "exit", "complete", "iface-begin", "iface-rollback", "iface-commit")
    crashed = []
    for row in json.loads(host.lodge_ok("-o", "json", "help")):
        if row["name"] in left_out:
            continue
        options = json.loads(host.lodge_ok("-o", "json", "help", row["name"]))["options"]
        for everything in (False, True):
            words = [row["name"]]
            for option in options:
                if not option["required"] and not everything and option["name"] != "timeout":
                    continue
                value = values.get(option["name"], (option["words"] or "1").split()[0])
                words += [f"--{option['name']}"] if option["type"] == "flag" else [f"--{option['name']}", value]
            if "off" not in [dom.name() for dom in host.conn.listAllDomains()]:
                host.conn.defineXML(xml)
            result = host.lodge(*words, env=dict(clean_environment(), EDITOR="true"))
            known = (0, 1, 2, 3, 255) if row["name"] in ("exec", "ssh") else (0, 1, 2, 3)
            if result.code not in known or "Sanitizer" in result.err or "assertion" in result.err:
                crashed.append(f"{words}: {result.code} {result.err}")
    check(not crashed, "\n".join(crashed))


def test_every_command_of_virsh_is_there(host):
    """Those for running machines of other hypervisors are not."""
    names = set(re.findall(r"^    ([a-z][a-z0-9-]+) ", host.ok("help"), re.M))
    check(len(names) > 250, f"virsh has {len(names)} commands")
    others = {"qemu-attach", "lxc-enter-namespace"}
    known = set(re.findall(r"^ +([a-z][a-z0-9-]+) ", host.lodge_ok("help"), re.M))
    equal(sorted(names - known - others), [])


def test_encrypted_memory_is_asked_about(host):
    """This host has none, which each command says by name."""
    host.define_sector("m").create()
    (host.path("header")).write_text("aGVhZGVy")
    for words in (("nodesevinfo",), ("domlaunchsecinfo", "m"),
                  ("domsetlaunchsecstate", "m", "--secrethdr", str(host.path("header")), "--secret", str(host.path("header")))):
        result, theirs = host.lodge(*words), host.virsh(*words)
        equal(result.code, theirs.code, f"{words}: {result} {theirs}")
        for line in theirs.err.strip().splitlines()[-1:]:
            contains(result.err, line.split(": ")[-1])
