"""Secrets: documents, values, and where they are kept.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import os
import re

from lodgetest.host import *
from lodgetest.runner import mark

UUID = "5a4d8c1e-0000-4000-8000-000000000001"
OTHER = "5a4d8c1e-0000-4000-8000-000000000002"
FOLDER = "etc/libvirt/secrets"
VALUE = b"s3cret \0 value"


def document(uuid=UUID, usage="<usage type='volume'><volume>/v/a</volume></usage>", attributes=""):
    return f"<secret {attributes}><uuid>{uuid}</uuid><description>d</description>{usage}</secret>"


def test_a_secret_lives_and_dies(host):
    secret = host.conn.secretDefineXML(document())
    equal((secret.UUIDString(), secret.usageType(), secret.usageID()), (UUID, 1, "/v/a"))
    contains(secret.XMLDesc(), "<secret ephemeral='no' private='no'>", "<volume>/v/a</volume>")
    raises(libvirt.VIR_ERR_NO_SECRET, secret.value)
    secret.setValue(VALUE)
    equal(secret.value(), VALUE)
    equal([s.UUIDString() for s in host.conn.listAllSecrets()], [UUID])
    equal(host.conn.secretLookupByUsage(1, "/v/a").UUIDString(), UUID)
    secret.undefine()
    raises(libvirt.VIR_ERR_NO_SECRET, secret.XMLDesc)
    equal(host.conn.numOfSecrets(), 0)


def test_rules_of_redefinition(host):
    host.conn.secretDefineXML(document())
    for text in (document(OTHER), document(usage="<usage type='volume'><volume>/v/b</volume></usage>")):
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.secretDefineXML, text, text="for use with /v/a")
    host.conn.secretDefineXML(document(attributes="private='yes'"))
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.secretDefineXML, document(), text="private flag")
    secret = host.conn.secretLookupByUUIDString(UUID)
    secret.setValue(VALUE)
    raises(libvirt.VIR_ERR_INVALID_SECRET, secret.value, text="secret is private")
    for kind, where in (("volume", "volume"), ("ceph", "name"), ("iscsi", "target"), ("tls", "name"), ("vtpm", "name")):
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, host.conn.secretDefineXML, f"<secret><usage type='{kind}'/></secret>")
        host.conn.secretDefineXML(f"<secret><usage type='{kind}'><{where}>x-{kind}</{where}></usage></secret>")
    raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, host.conn.secretDefineXML, "<secret><usage type='no'/></secret>")


@mark(only="lodged", reason="libvirtd keeps values as they are")
def test_values_at_rest_are_encrypted_and_survive(host):
    host.conn.secretDefineXML(document()).setValue(VALUE)
    host.conn.secretDefineXML(document(OTHER, "<usage type='ceph'><name>c</name></usage>")).setValue(b"other")
    folder = host.path(FOLDER)
    for file in folder.iterdir():
        content = file.read_bytes()
        check(VALUE not in content and base64.b64encode(VALUE) not in content, f"{file} shows the value")
        equal((file.stat().st_uid, file.stat().st_mode & 0o077), (0, 0), str(file))
    host.crash_daemon()
    equal(host.conn.secretLookupByUUIDString(UUID).value(), VALUE)
    # A value moved below another UUID is not taken for that one's.
    host.stop_daemon()
    os.replace(folder / f"{OTHER}.value", folder / f"{UUID}.value")
    host.start_daemon()
    raises(libvirt.VIR_ERR_NO_SECRET, host.conn.secretLookupByUUIDString(UUID).value)


@mark(only="lodged", reason="a file of libvirtd is put in its place")
def test_a_value_that_libvirt_left_is_read(host):
    host.conn.secretDefineXML(document())
    host.stop_daemon()
    host.path(f"{FOLDER}/{UUID}.base64").write_bytes(base64.b64encode(VALUE))
    host.start_daemon()
    secret = host.conn.secretLookupByUUIDString(UUID)
    equal(secret.value(), VALUE)
    secret.setValue(b"new")
    check(not host.path(f"{FOLDER}/{UUID}.base64").exists(), "the old value stays")
    host.restart_daemon()
    equal(host.conn.secretLookupByUUIDString(UUID).value(), b"new")


@mark(only="lodged", reason="libvirtd has one form of values")
def test_values_can_be_left_for_libvirt(host):
    host.conn.secretDefineXML(document()).setValue(VALUE)
    folder = host.path(FOLDER)
    host.stop_daemon()
    host.daemon.settings["secrets_encrypted"] = 0
    host.start_daemon()
    equal((folder / f"{UUID}.base64").read_bytes(), base64.b64encode(VALUE))
    equal((folder / f"{UUID}.base64").stat().st_mode & 0o777, 0o600)
    check(not (folder / f"{UUID}.value").exists(), "the encrypted value stays")
    host.conn.secretLookupByUUIDString(UUID).setValue(b"new")
    equal((folder / f"{UUID}.base64").read_bytes(), base64.b64encode(b"new"))
    host.crash_daemon()
    equal(host.conn.secretLookupByUUIDString(UUID).value(), b"new")


def test_an_ephemeral_secret_leaves_nothing_and_a_private_one_is_not_read(host):
    """rows: security-03"""
    secret = host.conn.secretDefineXML(document(attributes="ephemeral='yes'"))
    secret.setValue(VALUE)
    equal(secret.value(), VALUE)
    equal(len(host.conn.listAllSecrets(1)), 1)
    hidden = host.conn.secretDefineXML(document(OTHER, "<usage type='ceph'><name>c</name></usage>", "private='yes'"))
    hidden.setValue(VALUE)
    raises(libvirt.VIR_ERR_INVALID_SECRET, hidden.value, text="secret is private")
    host.restart_daemon()
    equal([s.UUIDString() for s in host.conn.listAllSecrets()], [OTHER])
    raises(libvirt.VIR_ERR_INVALID_SECRET, host.conn.secretLookupByUUIDString(OTHER).value)


def test_readers_see_no_value(host):
    host.conn.secretDefineXML(document()).setValue(VALUE)
    reader = host.open(readonly=True)
    secret = reader.secretLookupByUUIDString(UUID)
    contains(secret.XMLDesc(), "/v/a")
    raises(libvirt.VIR_ERR_OPERATION_DENIED, secret.value)


def test_commands(host):
    """rows: cli-27 security-01 security-02 security-04"""
    names = re.findall(r"^    (\S+) ", host.ok("help", "secret"), re.MULTILINE)
    equal(sorted(names), [f"secret-{verb}" for verb in ("define", "dumpxml", "event", "get-value", "list", "set-value", "undefine")])
    contains(host.ok("secret-event", "--list"), "lifecycle", "value-changed")
    ceph = host.write_xml("<secret ephemeral='no' private='no'><usage type='ceph'><name>client.KVMpool secret</name></usage></secret>")
    uuid = re.fullmatch(r"Secret (\S+) created\s*", host.ok("secret-define", "--file", ceph)).group(1)
    key = "AQB9p8RdqS09CBAA1DHsiZJbehb7ZBffhfmFJQ=="
    contains(host.ok("secret-set-value", uuid, key), "Secret value set")
    stored = host.ok("secret-dumpxml", uuid)
    contains(stored, f"<uuid>{uuid}</uuid>", "<usage type='ceph'>", "<name>client.KVMpool secret</name>")
    check(key not in stored, "the document shows the value")
    for file in host.path(FOLDER).iterdir():
        equal((file.stat().st_uid, file.stat().st_mode & 0o077), (0, 0), str(file))
    check(any(line.split() == [uuid, "ceph", "client.KVMpool", "secret"] for line in host.ok("secret-list").splitlines()),
          host.ok("secret-list"))
    equal(host.ok("secret-get-value", uuid).strip(), key)
    host.ok("secret-undefine", uuid)
    path = host.path("secret.xml")
    path.write_text(document())
    for client in (host.virsh, host.lodge):
        contains(client("secret-define", str(path)).out, f"Secret {UUID} created")
        contains(client("secret-set-value", UUID, base64.b64encode(VALUE).decode()).out, "Secret value set")
        equal(client("secret-get-value", UUID).out.strip(), base64.b64encode(VALUE).decode())
        contains(client("secret-list").out, UUID, "volume /v/a")
        contains(client("secret-dumpxml", UUID).out, "<volume>/v/a</volume>")
        contains(client("secret-undefine", UUID).out, f"Secret {UUID} deleted")
    host.refused("secret-undefine", UUID, says="no secret with matching uuid")


def test_events(host):
    Loop()
    conn = host.open()
    got = []
    callback = conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
                                           lambda c, s, event, detail, arg: got.append((s.UUIDString(), event)), None)
    changed = conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED,
                                          lambda c, s, arg: got.append((s.usageID(), "value")), None)
    secret = host.conn.secretDefineXML(document())
    secret.setValue(VALUE)
    secret.undefine()
    wait_until(lambda: len(got) == 3, "three events")
    equal(got, [(UUID, 0), ("/v/a", "value"), (UUID, 1)])
    conn.secretEventDeregisterAny(callback)
    conn.secretEventDeregisterAny(changed)
