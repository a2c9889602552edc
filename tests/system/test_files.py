"""Configuration files: what is on disk follows the API, edit, undefine, rename.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
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


LOSSES = (
    ("disk", "<encryption format='luks'><secret type='passphrase' uuid='11111111-2222-4333-8444-555555555555'/>"
     "</encryption>", "/domain/devices/disk[1]/encryption"),
    ("disk", "<transient/>", "/domain/devices/disk[1]/transient"),
    ("disk", "<iotune><total_iops_sec>100</total_iops_sec></iotune>", "/domain/devices/disk[1]/iotune"),
    ("interface", "<link state='down'/>", "/domain/devices/interface[1]/link/@state"),
    ("interface", "<filterref filter='clean-traffic'/>", "/domain/devices/interface[1]/filterref/@filter"),
    ("interface", "<bandwidth><inbound average='1000'/></bandwidth>",
     "/domain/devices/interface[1]/bandwidth/inbound"),
    ("domain", "<memtune><hard_limit unit='KiB'>65536</hard_limit></memtune>", "/domain/memtune"),
    ("domain", "<cputune><shares>512</shares></cputune>", "/domain/cputune/shares"),
)


@mark(only="lodged", reason="the reference acts on all of these")
def test_what_is_not_acted_on_is_refused_at_start_by_name(host):
    for element, more, path in LOSSES:
        xml = host.guests.sector("tiny", devices="<interface type='user'></interface>")
        dom = host.define(xml.replace(f"</{element}>", f"{more}</{element}>", 1))
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=path)
        equal(host.state("tiny"), "shut off")
        contains(host.lodge("doctor", "--domain", "tiny"), path)
        host.refused("domxml-to-native", "qemu-argv", "--domain", "tiny", says=path)
        dom.undefine()
    equal(qemus(), {}, "QEMU processes")
    dom = host.define_sector("tiny")
    equal(host.lodge("doctor", "--domain", "tiny").code, 0)
    dom.create()
