"""Configuration files: what is on disk follows the API, edit, undefine, rename.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import re

from lodgetest.host import *
from lodgetest.runner import mark

OSINFO = """<metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>"""


def test_each_machine_has_a_file_for_root_only(host):
    """rows: lifecycle-27"""
    host.define_sector("tiny")
    path = host.config_file("tiny")
    equal(oct(path.stat().st_mode & 0o7777), "0o600")
    contains(path.read_text(), "virsh edit tiny", "<name>tiny</name>")


def test_define_again_replaces_and_says_so(host):
    """rows: lifecycle-20"""
    path = host.write_xml(host.guests.sector("tiny"))
    contains(host.ok("define", path), "Domain 'tiny' defined from")
    uuid = host.ok("domuuid", "tiny").strip()
    host.ok("define", str(host.config_file("tiny")))
    equal(host.ok("domuuid", "tiny").strip(), uuid)
    bigger = host.ok("dumpxml", "tiny").replace("16384</memory>", "32768</memory>")
    host.ok("define", host.write_xml(bigger))
    contains(host.ok("dominfo", "tiny"), "Max memory:     32768 KiB")


def test_define_with_a_taken_name_or_uuid_is_refused(host):
    dom = host.define_sector("tiny")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.defineXML,
           host.guests.sector("tiny", uuid="11111111-2222-3333-4444-555555555555"),
           text="domain 'tiny' already exists with uuid")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.defineXML, host.guests.sector("other", uuid=dom.UUIDString()),
           text="is already defined with uuid")


def test_dumpxml_of_a_running_machine_tells_runtime_details(host):
    """rows: lifecycle-25 devices-29 platform-21 security-05"""
    vnc = "<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>"
    host.start_sector("tiny", devices=vnc, metadata=OSINFO)
    text = host.ok("dumpxml", "tiny")
    contains(text, "<domain type='qemu' id='1'>", "<alias name='serial0'/>", "<source path='/dev/pts/",
             "<graphics type='vnc' port='59", "<seclabel type='dynamic' model='dac' relabel='yes'>",
             "<address type='pci'", "libosinfo:os id=\"http://debian.org/debian/12\"")
    inactive = host.ok("dumpxml", "tiny", "--inactive")
    for word in ("<domain type='qemu' id", "<alias", "/dev/pts/", "seclabel"):
        check(word not in inactive, f"{word!r} in the inactive document")
    contains(inactive, "port='-1'")


def test_a_dumped_document_can_be_given_back(host):
    """rows: lifecycle-26"""
    host.define_sector("tiny", metadata=OSINFO)
    text = host.ok("dumpxml", "tiny")
    host.ok("undefine", "tiny")
    host.ok("define", host.write_xml(text))
    equal(host.ok("dumpxml", "tiny"), text)


def test_a_change_of_a_running_machine_takes_effect_at_the_next_start(host):
    """rows: lifecycle-47"""
    host.start_sector("tiny")
    changed = host.ok("dumpxml", "tiny", "--inactive").replace("16384</", "32768</")
    host.ok("define", host.write_xml(changed))
    contains(host.ok("dumpxml", "tiny"), "<memory unit='KiB'>16384</memory>")
    contains(host.ok("dumpxml", "tiny", "--inactive"), "<memory unit='KiB'>32768</memory>")
    host.ok("destroy", "tiny")
    host.ok("start", "tiny")
    contains(host.ok("dumpxml", "tiny"), "<memory unit='KiB'>32768</memory>")


def editor(host, script):
    return clean_environment(EDITOR=str(host.script("editor", "#!/bin/sh\n" + script)))


def test_edit_stores_a_valid_change(host):
    """rows: lifecycle-24"""
    host.define_sector("tiny")
    env = editor(host, "sed -i 's/<vcpu placement=.static.>1</<vcpu>3</' \"$1\"")
    contains(host.ok("edit", "tiny", env=env), "Domain 'tiny' XML configuration edited")
    contains(host.ok("dominfo", "tiny"), "CPU(s):         3")


def test_edit_without_a_change_stores_nothing(host):
    host.define_sector("tiny")
    contains(host.ok("edit", "tiny", env=editor(host, "true")), "XML configuration not changed")


def test_edit_with_a_broken_document_asks_and_keeps_the_old_one(host):
    host.define_sector("tiny")
    before = host.config_file("tiny").read_text()
    env = editor(host, "echo '<domain>' > \"$1\"")
    terminal = host.terminal("edit", "tiny", env=dict(env, TERM="dumb"))
    terminal.expect(r"Try again\? \[y,n,i?,?f,\?\]")
    terminal.send("n\n")
    check(terminal.wait() != 0, "edit succeeded")
    equal(host.config_file("tiny").read_text(), before)


def test_broken_xml_is_refused_with_its_line(host):
    path = host.write_xml("<domain type='qemu'>\n  <name>bad</name>\n  <memory>\n</domain>\n")
    words = host.refused("define", path)
    contains(words, "line", "memory")
    path = host.write_xml("<domain type='qemu'><name>bad</name></domain>")
    host.refused("define", path)
    path = host.write_xml("this is no XML")
    host.refused("define", path)
    path = host.write_xml("<network><name>n</name></network>")
    host.refused("define", path, says="domain")


def test_validation_names_what_is_unknown(host):
    xml = host.guests.sector("tiny").replace("<features>", "<surprise/><features>")
    raises(libvirt.VIR_ERR_XML_INVALID_SCHEMA, host.conn.defineXMLFlags, xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    host.conn.defineXML(xml)


def test_undefine_removes_the_definition_and_keeps_the_disk(host):
    """rows: lifecycle-22"""
    host.define_sector("tiny")
    image = host.path("var/lib/libvirt/images/tiny.img")
    contains(host.ok("undefine", "tiny"), "Domain 'tiny' has been undefined")
    check(not host.config_file("tiny").exists(), "the file is still there")
    check(image.exists(), "the disk is gone")
    host.refused("dominfo", "tiny", says="failed to get domain 'tiny'")


def test_undefine_of_a_running_machine_makes_it_transient(host):
    """rows: lifecycle-23"""
    host.start_sector("tiny")
    host.ok("undefine", "tiny")
    equal(host.state("tiny"), "running")
    contains(host.ok("dominfo", "tiny"), "Persistent:     no")
    host.ok("destroy", "tiny")
    host.refused("dominfo", "tiny", says="failed to get domain 'tiny'")


def test_define_makes_a_transient_machine_persistent(host):
    host.ok("create", host.write_xml(host.guests.sector("tiny")))
    host.ok("define", host.write_xml(host.ok("dumpxml", "tiny", "--inactive")))
    host.ok("destroy", "tiny")
    equal(host.state("tiny"), "shut off")


def test_undefine_with_a_saved_state_needs_the_flag(host):
    host.start_sector("tiny")
    host.ok("managedsave", "tiny")
    saved = host.path("var/lib/libvirt/qemu/save/tiny.save")
    check(saved.exists(), "no saved state")
    host.refused("undefine", "tiny", says="managed save")
    host.ok("undefine", "tiny", "--managed-save")
    check(not saved.exists(), "the saved state is still there")


def test_undefine_removes_the_autostart_link(host):
    host.define_sector("tiny")
    host.ok("autostart", "tiny")
    host.ok("undefine", "tiny")
    check(not host.path("etc/libvirt/qemu/autostart/tiny.xml").is_symlink(), "the link is still there")


def test_undefine_flags_that_have_nothing_to_do(host):
    host.define_sector("tiny")
    host.ok("undefine", "tiny", "--snapshots-metadata", "--checkpoints-metadata", "--nvram")


def test_rename(host):
    host.define_sector("tiny")
    uuid = host.ok("domuuid", "tiny").strip()
    contains(host.ok("domrename", "tiny", "large"), "Domain successfully renamed")
    equal(host.ok("domname", uuid).strip(), "large")
    check(host.config_file("large").exists() and not host.config_file("tiny").exists(), "files of the rename")
    host.define_sector("tiny")
    host.refused("domrename", "tiny", "large", says="already exists")
    host.ok("start", "tiny")
    host.refused("domrename", "tiny", "new", says="active domain")


def test_rename_survives_a_restart(host):
    host.define_sector("tiny")
    host.ok("domrename", "tiny", "large")
    host.restart_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["large"])


def test_a_damaged_file_is_set_aside_and_the_rest_is_loaded(host):
    host.define_sector("good")
    host.define_sector("bad")
    host.stop_daemon()
    host.config_file("bad").write_text("<domain type='qemu'><name>bad</na")
    host.config_file("empty").write_text("")
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["good"])


def test_definitions_survive_a_restart(host):
    """rows: lifecycle-36"""
    host.define_sector("tiny", title="A small one", description="Words\nover two lines", metadata=OSINFO)
    before = host.ok("dumpxml", "tiny")
    host.restart_daemon()
    equal(host.ok("dumpxml", "tiny"), before)
    host.crash_daemon()
    equal(host.ok("dumpxml", "tiny"), before)


def test_log_of_the_machine_tells_the_command_line(host):
    host.start_sector("tiny")
    contains(host.path("var/log/libvirt/qemu/tiny.log").read_text(), "qemu-system-x86_64", "guest=tiny")


EXTRAS = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>extras</name>
  <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <acpi><table type='slic'>/no/such,table</table></acpi>
  </os>
  <features><acpi/></features>
  <devices>
    <controller type='scsi' model='lsilogic'/>
    <disk type='file'><source file='/d'/><target dev='sdb' bus='scsi'/></disk>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>
  </devices>
  <qemu:override>
    <qemu:device alias='net0'>
      <qemu:frontend>
        <qemu:property name='speed' type='unsigned' value='1000'/>
        <qemu:property name='host_mtu' type='signed' value='-1'/>
        <qemu:property name='event_idx' type='bool' value='false'/>
        <qemu:property name='romfile' type='string' value=''/>
        <qemu:property name='addr' type='remove'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
"""


def test_what_documents_override_reaches_qemu(host):
    argv = host.conn.domainXMLToNative("qemu-argv", EXTRAS, 0)
    contains(argv, '"driver":"vmgenid","guid":"43dc0cf8-809b-4adb-9bea-a9abb5f3d90e","id":"vmgenid0"',
             "-acpitable sig=SLIC,file=/no/such,,table", '"id":"scsi0-0-1"')
    nic = re.search(r"'(\{\"driver\":\"virtio-net-pci\"[^']*)'", argv).group(1)
    got = json.loads(nic)
    equal({key: got.get(key) for key in ("speed", "host_mtu", "event_idx", "romfile", "addr", "mac")},
          {"speed": 1000, "host_mtu": -1, "event_idx": False, "romfile": "", "addr": None,
           "mac": "52:54:00:00:00:01"})
    for kind, value in (("bool", "maybe"), ("signed", "x"), ("unsigned", "-1"), ("other", "1")):
        wrong = EXTRAS.replace("type='unsigned' value='1000'", f"type='{kind}' value='{value}'")
        raises(libvirt.VIR_ERR_XML_ERROR, host.conn.defineXML, wrong)
    if not os.path.exists("/sys/firmware/dmi/tables/DMI") and not os.path.exists("/sys/class/dmi/id/bios_vendor"):
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.domainXMLToNative, "qemu-argv",
               EXTRAS.replace("<acpi><table", "<smbios mode='host'/><acpi><table"), 0)


def test_domxml_to_native(host):
    path = host.write_xml(host.guests.sector("tiny"))
    contains(host.ok("domxml-to-native", "qemu-argv", "--xml", path), "qemu-system-x86_64", "guest=tiny")
    host.define_sector("tiny")
    contains(host.ok("domxml-to-native", "qemu-argv", "--domain", "tiny"), "guest=tiny")


def test_setvcpus_and_setmem_of_an_inactive_machine(host):
    host.define_sector("tiny")
    host.ok("setvcpus", "tiny", "4", "--config", "--maximum")
    host.ok("setvcpus", "tiny", "2", "--config")
    host.ok("setmaxmem", "tiny", "65536", "--config")
    host.ok("setmem", "tiny", "32768", "--config")
    contains(host.ok("dumpxml", "tiny"), "<vcpu placement='static' current='2'>4</vcpu>",
             "<memory unit='KiB'>65536</memory>", "<currentMemory unit='KiB'>32768</currentMemory>")
    host.restart_daemon()
    contains(host.ok("dominfo", "tiny"), "CPU(s):         2", "Used memory:    32768 KiB")


# -- files that somebody else put there, or that cannot be used --------------------------------------------------

def copy_of(host, name, copy, age_s=0):
    """A definition copied by hand under another name, with the same UUID."""
    path = host.config_file(copy)
    path.write_text(host.config_file(name).read_text().replace(f"<name>{name}</name>", f"<name>{copy}</name>"))
    then = host.config_file(name).stat().st_mtime + age_s
    os.utime(path, (then, then))
    return path


def test_a_copy_with_the_same_uuid_deletes_nothing(host):
    """Two files with one UUID counted as a rename that was cut off: the older one was removed."""
    host.define_sector("tiny")
    host.ok("autostart", "tiny")
    host.stop_daemon()
    copies = [copy_of(host, "tiny", "copy", 10), copy_of(host, "tiny", "zcopy", 20)]
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["tiny"])
    for path in copies + [host.config_file("tiny")]:
        check(path.exists(), f"{path} is gone")
    contains(host.ok("dominfo", "tiny"), "Autostart:      enable")
    contains(host.daemon.log.read_text(), "copy.xml", "it has the UUID of domain 'tiny'")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.defineXML, host.guests.sector("copy"), text="already exists")
    # Once somebody has cleared up, the names are free.
    host.ok("undefine", "tiny")
    copies[0].unlink()
    kill(host.daemon.pid, signal.SIGHUP)
    wait_until(lambda: host.ok("list", "--all", "--name").split() == ["zcopy"], "the other copy is taken")
    host.define_sector("copy")


def test_the_running_machine_wins_over_its_copy(host):
    host.start_sector("tiny")
    host.stop_daemon()
    copy_of(host, "tiny", "copy", -100)
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["tiny"])
    equal(host.state("tiny"), "running")


def test_a_marked_rename_is_finished(host):
    dom = host.define_sector("tiny")
    uuid = dom.UUIDString()
    host.ok("autostart", "tiny")
    host.stop_daemon()
    copy_of(host, "tiny", "large", -10)
    host.path(f"etc/libvirt/qemu/.renaming-{uuid}").write_text("tiny\nlarge\n")
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["large"])
    check(not host.config_file("tiny").exists(), "the old file is still there")
    contains(host.ok("dominfo", "large"), "Autostart:      enable")
    check(not list(host.path("etc/libvirt/qemu").glob(".renaming-*")), "the mark is still there")
    # Cut off before the new file was there: it never was.
    host.stop_daemon()
    host.path(f"etc/libvirt/qemu/.renaming-{uuid}").write_text("large\nhuge\n")
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["large"])
    check(not list(host.path("etc/libvirt/qemu").glob(".renaming-*")), "the mark is still there")


def test_a_definition_that_cannot_be_read_now_comes_back(host):
    """A link to a share that is not mounted was renamed to .damaged, and its autostart link removed."""
    host.define_sector("tiny")
    host.define_sector("good")
    host.ok("autostart", "tiny")
    before = host.ok("dumpxml", "tiny")
    host.stop_daemon()
    share = host.path("share")
    share.mkdir()
    path = host.config_file("tiny")
    path.rename(share / "tiny.xml")
    path.symlink_to(share / "tiny.xml")
    share.rename(host.path("away"))
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["good"])
    check(path.is_symlink() and host.path("etc/libvirt/qemu/autostart/tiny.xml").is_symlink(), "a link is gone")
    raises(libvirt.VIR_ERR_OPERATION_FAILED, host.conn.defineXML, host.guests.sector("tiny"), text="already exists")
    host.path("away").rename(share)
    kill(host.daemon.pid, signal.SIGHUP)
    wait_until(lambda: "tiny" in host.ok("list", "--all", "--name").split(), "the machine is back")
    equal(host.ok("dumpxml", "tiny"), before)
    contains(host.ok("dominfo", "tiny"), "Autostart:      enable")


def test_files_of_no_use_stay_and_nonsense_is_set_aside_with_its_link(host):
    host.define_sector("bad")
    host.ok("autostart", "bad")
    host.define_sector("other")
    host.stop_daemon()
    definitions = host.path("etc/libvirt/qemu")
    (definitions / "folder.xml").mkdir()
    (definitions / "wrong.xml").write_text(host.config_file("other").read_text())
    (definitions / "bad.xml.damaged").write_text("an earlier one")
    host.config_file("bad").write_text("<domain")
    host.start_daemon()
    equal(host.ok("list", "--all", "--name").split(), ["other"])
    check((definitions / "folder.xml").is_dir() and (definitions / "wrong.xml").exists(), "a file was moved")
    equal((definitions / "bad.xml.damaged").read_text(), "an earlier one")
    equal((definitions / "bad.xml.damaged.1").read_text(), "<domain")
    check((definitions / "autostart/bad.xml.damaged").is_symlink(), "the autostart link was not kept")
    check(not (definitions / "autostart/bad.xml").is_symlink(), "the autostart link is still there")


def test_names_have_one_limit(host):
    longest = "n" * 243
    host.start_sector(longest)
    host.ok("managedsave", longest)
    host.ok("start", longest)
    host.restart_daemon()
    equal(host.state(longest), "running")
    host.ok("destroy", longest)
    text = "at most 243 are possible"
    raises(libvirt.VIR_ERR_XML_ERROR, host.conn.defineXML, host.guests.empty("n" * 244), text=text)
    raises(libvirt.VIR_ERR_XML_ERROR, host.conn.lookupByName(longest).rename, "m" * 244, text=text)


# -- QEMU's log --------------------------------------------------------------------------------------------------

QEMU_XML = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


def with_arguments(xml, *arguments):
    xml = xml.replace("<domain type='qemu'>", f"<domain type='qemu'{QEMU_XML}>")
    more = "".join(f"<qemu:arg value='{argument}'/>" for argument in arguments)
    return xml.replace("</domain>", f"<qemu:commandline>{more}</qemu:commandline></domain>")


def log_of(host, name, number=""):
    return host.path(f"var/log/libvirt/qemu/{name}.log{number}")


def test_a_talkative_qemu_does_not_fill_the_disk(host):
    """A guest that jumps to where it is, and each jump is in the log: there is no end of it."""
    xml = with_arguments(host.guests.sector("tiny"), "-d", "int,exec,cpu,nochain")
    image = host.path("var/lib/libvirt/images/tiny.img")
    image.write_bytes(b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa")
    host.define(xml).create()
    wait_until(lambda: "bytes were dropped here" in log_of(host, "tiny").read_text(), "the log says what it lacks")
    begin = processor_seconds(host.daemon.pid), time.monotonic()
    size = log_of(host, "tiny").stat().st_size
    wait_until(lambda: log_of(host, "tiny").stat().st_size > size + 150000 or
               log_of(host, "tiny", ".0").exists(), "the log goes on")
    taken = time.monotonic() - begin[1]
    check(log_of(host, "tiny").stat().st_size < size + 300000 + 70000 * taken, "the log grows too fast")
    check(processor_seconds(host.daemon.pid) - begin[0] < 0.3 * taken, "the daemon works for the log alone")
    # It neither keeps the daemon from ending, nor is it lost: a daemon that comes back reads on.
    begin = time.monotonic()
    host.restart_daemon()
    check(time.monotonic() - begin < 5 * SLOWNESS, "the daemon did not end")
    host.crash_daemon()
    size = log_of(host, "tiny").stat().st_size
    wait_until(lambda: log_of(host, "tiny").stat().st_size != size, "the log goes on after a restart")
    host.ok("destroy", "tiny")
    contains(log_of(host, "tiny").read_text()[-200:], "shutting down, reason=destroyed")
    check(not host.path("run/libvirt/qemu/tiny.out").exists(), "the pipe is left")


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_full_log_is_rotated(host):
    host.define_sector("tiny")
    for number in range(5):
        with open(log_of(host, "tiny"), "w") as file:
            file.write("x" * (2 << 20))
            file.write(str(number))
        host.ok("start", "tiny")
        host.ok("destroy", "tiny")
    check(log_of(host, "tiny").stat().st_size < 65536, "the log was not rotated")
    equal([log_of(host, "tiny", f".{n}").read_text()[-1] for n in range(3)], ["4", "3", "2"])
    check(not log_of(host, "tiny", ".3").exists(), "a fourth old log")


def test_words_of_a_qemu_that_fails_early_are_in_the_error(host):
    host.define(with_arguments(host.guests.sector("tiny"), "-no-such-option"))
    host.refused("start", "tiny", says="-no-such-option: invalid option")
    contains(log_of(host, "tiny").read_text(), "-no-such-option: invalid option", "reason=failed")


def test_qemu_has_no_descriptor_of_its_log(host):
    host.start_sector("tiny")
    pid = host.qemu_pid("tiny")
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    check(not [t for t in targets if t.endswith(".log")], f"QEMU holds {targets}")


# -- files that the daemon opens for QEMU ------------------------------------------------------------------------

def test_serial_file_and_log_in_folders_of_root(host):
    closed = host.path("closed")
    closed.mkdir(mode=0o700)
    log = host.path("var/log/libvirt/qemu/tiny-serial.log")
    serial = (f"<serial type='file'><source path='{closed}/out'/><log file='{log}' append='off'/>"
              "<target port='0'/></serial>")
    host.define(host.guests.sector("tiny").replace("<serial type='pty'/><console type='pty'/>", serial)).create()
    wait_until(lambda: (closed / "out").read_text() and (closed / "out").read_text() == log.read_text(),
               "the guest's words are in both files")
    equal((log.stat().st_uid, log.stat().st_mode & 0o7777), (0, 0o600))


def test_unix_socket_to_connect_to(host):
    """As libguestfs does it: QEMU's user may neither reach nor write the socket."""
    import socket
    closed = host.path("closed")
    closed.mkdir(mode=0o700)
    path = str(closed / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(1)
        serial = f"<serial type='unix'><source mode='connect' path='{path}'/><target port='0'/></serial>"
        host.define(host.guests.sector("tiny").replace("<serial type='pty'/><console type='pty'/>", serial)).create()
        listener.settimeout(10 * SLOWNESS)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(10 * SLOWNESS)
            check(peer.recv(1), "nothing from the guest")
    host.ok("destroy", "tiny")
    host.refused("start", "tiny", says=f"Failed to connect to '{path}'")


LOSSES = (
    ("disk", "<backenddomain name='x'/>", "/domain/devices/disk[1]/backenddomain"),
    ("domain", "<keywrap><cipher name='aes' state='on'/></keywrap>", "/domain/keywrap"),
)


@mark(only="lodged", reason="the reference drops these in silence, or asks others")
def test_what_is_not_acted_on_is_refused_at_start_by_name(host):
    for element, more, path in LOSSES:
        xml = host.guests.sector("tiny", devices="<interface type='user'></interface>")
        dom = host.define(xml.replace(f"</{element}>", f"{more}</{element}>", 1))
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=path)
        equal(host.state("tiny"), "shut off")
        contains(host.lodge("doctor", "--domain", "tiny"), path)
        host.ok("domxml-to-native", "qemu-argv", "--domain", "tiny")
        dom.undefine()
    equal(qemus(), {}, "QEMU processes")
    dom = host.define_sector("tiny")
    equal(host.lodge("doctor", "--domain", "tiny").code, 0)
    dom.create()
