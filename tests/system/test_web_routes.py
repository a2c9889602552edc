"""The web's API: backups, clones and templates, the guest's agent, migration, owners, second factors, shared screens.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import hashlib
import hmac
import os
import re
import struct
import subprocess
import time
import urllib.parse

import test_hostif
from lodgetest.agent import start_real
from lodgetest.host import *
from lodgetest.pair import FAR, far_host
from lodgetest.runner import mark
from lodgetest.web import Web, administrator, token
from test_backup_repo import define, image, same
from test_disks import file_disk
from test_web import status

WAIT = {"Prefer": "wait=120"}
SCREEN = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><video/>"


def user(host, name, role):
    host.lodge_ok("web", "user", "add", name, "--role", role, stdin="a long password\n")
    web = Web()
    status(web.log_in(user=name, password="a long password"), 201)
    return web


def test_host_facts(host):
    facts = status(administrator(host).get("/host"), 200).json
    total = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read()).group(1)) << 10
    equal(facts["memory"]["total_bytes"], total)
    check(facts["memory"]["free_bytes"] < total, "more is free than is there")
    equal((facts["arch"], facts["kvm"]), (os.uname().machine, os.path.exists("/dev/kvm") and facts["kvm"]))


def test_backups(host):
    web = administrator(host)
    disk = image(host, "a.qcow2", data_mib=1)
    copy = host.path("images/a-copy.qcow2")
    define(host, file_disk(disk))
    host.define_sector("other")
    for body in [{"name": "a/b", "path": "/x"}, {"name": "good", "path": "x"}, {"name": "", "path": "/x"}]:
        status(web.post("/backup-repositories", body), 400)
    made = status(web.post("/backup-repositories", {"name": "main", "path": str(host.path("x/../repo"))}), 201).json
    equal(made, {"name": "main", "path": str(host.path("repo"))})
    status(web.post("/backup-repositories", made), 409)
    host.crash_daemon()
    equal(status(web.get("/backup-repositories"), 200).json["items"], [made])
    status(web.post("/machines/m/backups", {"repository": "none"}, headers=WAIT), 404)
    first = status(web.post("/machines/m/backups", {"repository": "main"}, headers=WAIT), 201).json
    equal((first["kind"], first["bytes"]), ("full", 64 << 20))
    operator = token(host, "--role", "operator", "--domain", "m")
    second = status(operator.post("/machines/m/backups", {"repository": "main", "full": True}, headers=WAIT), 201).json
    status(operator.post("/machines/m/backups", {"repository": "main", "decrypt": True}, headers=WAIT), 403)
    listed = status(operator.get("/machines/m/backups?repository=main"), 200).json
    equal(([item["point"] for item in listed["items"]], listed["problems"]), ([first["point"], second["point"]], []))
    equal({item["machine"] for item in listed["items"]} | set(listed["items"][0]["disks"]), {"m", "vda"})
    equal(status(web.get("/machines/other/backups"), 200).json["items"], [])
    status(web.get("/machines/m/backups?repository=none"), 404)
    where = f"/machines/m/backups/{first['point']}"
    equal(status(web.post(where + "/verify", {"repository": "main"}, headers=WAIT), 200).json, {"good": True, "problems": []})
    # A backup of another machine is none of this one's.
    for method, path in [("POST", "/restore"), ("POST", "/verify")]:
        status(web.ask(method, f"/machines/other/backups/{first['point']}{path}", {"repository": "main"}, headers=WAIT), 404)
    status(operator.post(where + "/restore", {"repository": "main"}, headers=WAIT), 403)
    subprocess.run(["cp", str(disk), str(copy)], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 4M", str(disk)], check=True, capture_output=True)
    equal(status(web.post(where + "/restore", {"repository": "main"}, headers=WAIT), 200).json, {"machine": "m"})
    same(disk, copy)
    status(web.post(where + "/restore", {"repository": "main", "name": "n"}, headers=WAIT), 400)
    new = {"repository": "main", "name": "n", "folder": str(host.path("images"))}
    equal(status(web.post(where + "/restore", new, headers=WAIT), 200).json, {"machine": "n"})
    status(web.ask("DELETE", f"/machines/m/backups/{second['point']}?repository=main", headers=WAIT), 204)
    # One whose machine is gone.
    host.ok("undefine", "m")
    items = status(web.get("/backup-repositories/main/backups"), 200).json["items"]
    equal([item["point"] for item in items], [first["point"]])
    status(web.post(f"/backup-repositories/main/backups/{first['point']}/restore", {}, headers=WAIT), 200)
    equal(host.state("m"), "shut off")
    host.path("repo/lodge-backup.json").unlink()
    check(status(web.get("/machines/m/backups"), 200).json["problems"][0]["repository"] == "main", "no problem is told")
    status(web.ask("DELETE", "/backup-repositories/main"), 204)
    status(web.ask("DELETE", "/backup-repositories/main"), 404)
    equal(web.get("/machines/m/backups").json["items"], [])


def test_clones(host):
    web = administrator(host)
    images = host.path("var/lib/libvirt/images")
    host.ok("pool-create-as", "default", "dir", "--target", str(images))
    host.define(host.guests.empty("base", devices=file_disk(image(host, "../var/lib/libvirt/images/base.qcow2", data_mib=1))))
    equal(status(web.post("/machines/base/clone", {"name": "top", "linked": True}, headers=WAIT), 201).json, {"made": ["top"]})
    source = web.get("/machines/top").json["disks"][0]["source"]
    info = subprocess.run(["qemu-img", "info", "-U", source], capture_output=True, text=True, check=True).stdout
    contains(info, "backing file:", "base")
    made = status(web.post("/machines/base/clone", {"name": "n-%02d", "count": 2}, headers=WAIT), 201).json
    equal(made, {"made": ["n-01", "n-02"]})
    status(web.post("/machines/base/clone", {"name": "top"}, headers=WAIT), 409)
    # Templates.
    status(web.post("/templates", {"machine": "none", "name": "t"}, headers=WAIT), 404)
    status(web.post("/templates", {"machine": "n-01", "name": "t"}, headers=WAIT), 201)
    items = status(web.get("/templates"), 200).json["items"]
    equal([(item["name"], item["machine"], item["disks"], item["bytes"]) for item in items], [("t", "n-01", 1, 64 << 20)])
    equal(status(web.post("/templates/t/machines", {"name": "made"}, headers=WAIT), 201).json, {"made": ["made"]})
    check(status(web.ask("DELETE", "/templates/t"), 409), "a machine stands on it")
    status(web.post("/templates/--help/machines", {"name": "x"}, headers=WAIT), 400)
    for name in ("made", "top", "n-01", "n-02"):
        host.lodge_ok("undefine", name, "--remove-all-storage")
    status(web.ask("DELETE", "/templates/t"), 204)
    equal(web.get("/templates").json["items"], [])


def test_guest(host):
    web = administrator(host)
    host.define_sector("off")
    told = status(web.get("/machines/off/guest"), 200).json
    equal((told["agent"], told["hostname"], told["users"]), (False, None, []))
    contains(told["problem"], "not running")
    check(web.post("/machines/off/guest/exec", {"command": ["true"]}, headers=WAIT).status == 409, "it ran")
    start_real(host)
    told = status(web.get("/machines/demo/guest"), 200).json
    equal((told["agent"], told["hostname"]), (True, "demo"))
    check("/" in [item["mountpoint"] for item in told["filesystems"]], told)
    check("lo" in [item["name"] for item in told["interfaces"]], told)
    ran = status(web.post("/machines/demo/guest/exec", {"command": ["sh", "-c", "cat; echo b >&2; exit 3"], "input": "a"},
                          headers=WAIT), 200).json
    equal(ran, {"status": 3, "out": "a", "err": "b\n"})
    # A job that is cancelled takes back what it did: the command ends in the guest, too.
    job = status(web.post("/machines/demo/guest/exec", {"command": ["tail", "-f", "/dev/null"]}), 202).json["job"]["id"]

    def runs():
        return status(web.post("/machines/demo/guest/exec", {"command": ["pidof", "tail"]}, headers=WAIT), 200).json["status"] == 0

    wait_until(runs, "it runs in the guest")
    status(web.ask("DELETE", f"/jobs/{job}"), 204)
    equal(status(web.get(f"/jobs/{job}", headers=WAIT), 200).json["state"], "failed")
    wait_until(lambda: not runs(), "it ended in the guest")
    status(token(host, "--role", "operator").post("/machines/demo/guest/exec", {"command": ["true"]}), 403)
    check(web.post("/machines/demo/guest/password", {"user": "nobody-there", "password": "x"}).status >= 400, "it has one")


def test_viewer_file(host):
    """rows: display-39"""
    web = administrator(host)
    host.start_sector("tiny", devices=SCREEN)
    answer = status(web.get("/machines/tiny/screen.vv"), 200)
    contains(answer.headers["Content-Type"], "application/x-virt-viewer")
    port = [item["port"] for item in web.get("/machines/tiny").json["displays"]][0]
    contains(answer.data.decode(), "[virt-viewer]", "type=vnc", "host=127.0.0.1", f"port={port}", "title=tiny")
    far = status(web.get("/machines/tiny/screen.vv", headers={"X-Forwarded-For": "192.0.2.1"}), 409).json
    contains(far["detail"], "cannot be reached from 192.0.2.1")
    status(web.get("/machines/tiny/screen.vv?display=1"), 404)
    status(token(host, "--role", "viewer").get("/machines/tiny/screen.vv"), 403)


def test_migrate(host):
    """rows: gui-05"""
    with far_host(host) as far:
        web = administrator(host)
        host.start_sector()
        where = {"destination": far.daemon.uri}
        item, = status(web.post("/machines/tiny/migrate-check", where, headers=WAIT), 200).json["items"]
        equal(item["ok"], False)
        contains(item["detail"], "without shared storage", "--copy-storage-all")
        item, = status(web.post("/machines/tiny/migrate-check", {**where, "unsafe": True}, headers=WAIT), 200).json["items"]
        equal((item["ok"], host.state("tiny")), (True, "running"))
        failed = web.post("/machines/tiny/migrate", where, headers=WAIT)
        check(failed.status == 409, failed.data)
        status(token(host, "--role", "operator").post("/machines/tiny/migrate", where), 403)
        status(web.post("/machines/tiny/migrate", {**where, "unsafe": True, "migrate_uri": f"tcp://{FAR}"}, headers=WAIT), 204)
        equal(far.state("tiny"), "running")
        status(web.get("/machines/tiny"), 404)
        far.ok("destroy", "tiny")


def test_owner(host):
    web = administrator(host)
    for name in ("one", "two"):
        host.define_sector(name)
    anna = user(host, "anna", "viewer")
    status(anna.post("/machines/one/actions/start", {}), 403)
    status(anna.ask("PUT", "/machines/one/owner", {"owner": "anna"}), 403)
    host.ok("metadata", "one", "urn:lodge:access:1", "--key", "access", "--set", "<access tags='prod'/>", "--config")
    status(web.ask("PUT", "/machines/one/owner", {"owner": "anna"}), 204)
    contains(host.ok("metadata", "one", "urn:lodge:access:1"), "owner=", "anna", "tags=", "prod")
    equal({item["name"]: item["owner"] for item in anna.get("/machines").json["items"]}, {"one": "anna", "two": None})
    equal(status(anna.post("/machines/one/actions/start", {}), 200).json["state"], "running")
    status(anna.post("/machines/two/actions/start", {}), 403)
    status(anna.ask("DELETE", "/machines/one"), 403)
    # The same label is what rules of the socket go by, and it may change while the machine runs.
    status(web.ask("PUT", "/machines/one/owner", {"owner": None}), 204)
    status(anna.post("/machines/one/actions/destroy", {}), 403)
    equal(web.get("/machines/one").json["owner"], None)
    status(web.ask("PUT", "/machines/two/owner", {"owner": None}), 204)


def code_of(secret, step=0):
    """As RFC 6238 has it."""
    text = struct.pack(">Q", int(time.time()) // 30 + step)
    found = hmac.new(base64.b32decode(secret), text, hashlib.sha1).digest()
    at = found[-1] & 15
    return f"{(struct.unpack('>I', found[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"


def test_second_factor(host):
    anna = user(host, "anna", "viewer")
    who = {"user": "anna", "password": "a long password"}
    equal(anna.get("/users/me/otp").json, {"enabled": False, "pending": False})
    told = status(anna.post("/users/me/otp", {}), 200).json
    uri = urllib.parse.urlparse(told["uri"])
    equal((uri.scheme, uri.netloc, urllib.parse.parse_qs(uri.query)["secret"]), ("otpauth", "totp", [told["secret"]]))
    status(Web().log_in(**who), 201)  # it does not count yet
    status(anna.post("/users/me/otp", {"code": "000000"}), 400)
    status(anna.post("/users/me/otp", {"code": code_of(told["secret"])}), 200)
    equal(anna.get("/users/me/otp").json, {"enabled": True, "pending": False})
    status(anna.post("/users/me/otp", {}), 409)
    host.crash_daemon()
    missing = status(Web().log_in(**who), 401).json
    equal(missing["name"], "otp-required")
    equal(status(Web().log_in(**{**who, "password": "wrong"}, otp=code_of(told["secret"], 1)), 401).json["name"], "auth-failed")
    status(Web().log_in(**who, otp="123456"), 401)
    code = code_of(told["secret"], 1)
    status(Web().log_in(**who, otp=code), 201)
    status(Web().log_in(**who, otp=code), 401)  # once
    equal([item["otp"] for item in administrator(host).get("/users").json["items"]], [True])
    text = host.path("etc/libvirt/lodge-web.json").read_text()
    check(told["secret"] not in host.lodge_ok("events") and "factors" in text, "where the key is")
    status(anna.ask("DELETE", "/users/me/otp"), 400)
    status(anna.ask("DELETE", "/users/anna/otp"), 403)
    status(administrator(host).ask("DELETE", "/users/anna/otp"), 204)
    status(Web().log_in(**who), 201)
    status(token(host, "--role", "admin").post("/users/me/otp", {}), 403)


def test_shared_screen(host):
    web = administrator(host)
    host.start_sector("tiny", devices=SCREEN)
    for body in [{"kind": "vnc", "share": True}, {"kind": "serial", "view_only": True, "share": True}]:
        status(web.post("/machines/tiny/consoles", body), 400)
    made = status(web.post("/machines/tiny/consoles", {"kind": "vnc", "view_only": True, "share": True}), 201).json
    contains(made["link"], f"/#share={made['share']}")
    host.crash_daemon()
    for _ in range(2):  # as often as it connects
        told = status(Web().post("/shared-screens", {"share": made["share"]}), 201).json
        equal(told["machine"], "tiny")
        screen = Web().websocket(told["path"])
        equal(screen.read()[1], b"RFB 003.008\n")
        screen.close()
    status(Web().post("/shared-screens", {"share": made["share"][:-1]}), 401)
    # It opens nothing else.
    status(Web(token=made["share"]).get("/machines/tiny"), 401)
    item, = web.get("/shares").json["items"]
    equal(web.get("/tokens").json["items"], [])
    status(web.ask("DELETE", f"/shares/{item['id']}"), 204)
    status(Web().post("/shared-screens", {"share": made["share"]}), 401)


@test_hostif.ONLY
def test_bridge(host):
    """The host moves to a bridge, and back if nobody says that it is still there."""
    test_hostif.neighbour(host)
    web = administrator(host)
    plan = status(web.post("/host/bridge", {"interface": "up0", "dry_run": True}), 200).json
    equal((plan["bridge"], plan["interface"], test_hostif.state()), ("br0", "up0", test_hostif.on("up0")))
    status(web.post("/host/bridge", {"interface": "up0", "confirm_s": 2}), 200)
    equal(test_hostif.state(), test_hostif.on("br0"))
    wait_until(lambda: test_hostif.state() == test_hostif.on("up0"), "the addresses are back", timeout=20)
    status(web.post("/host/bridge", {"interface": "up0", "confirm_s": 600}), 200)
    status(web.ask("DELETE", "/host/bridge"), 204)
    equal(test_hostif.state(), test_hostif.on("up0"))
    status(web.post("/host/bridge/confirm", {}), 409)
    status(web.post("/host/bridge", {"interface": "up0"}), 200)
    equal(status(web.post("/host/bridge/confirm", {}), 200).json, {"bridge": "br0"})
    equal(test_hostif.state(), test_hostif.on("br0"))


@mark(requires=["slow"])
def test_last_words_of_a_console(host):
    """The last 256 KiB of a guest that prints much more while nobody looks, also for a later daemon."""
    host.start_demo("demo")
    web = administrator(host)

    def read(send=None):
        ticket = status(web.post("/machines/demo/consoles", {"kind": "serial"}), 201).json
        terminal = Web().websocket(ticket["path"])
        seen = b""
        if send:
            terminal.send(b"\n")
            while b"# " not in seen[-20:]:
                seen += terminal.read()[1]
            terminal.send(send)
        while (b"$((i" if send else b"e42d") not in seen:
            seen += terminal.read()[1]
        terminal.close()
        return seen

    read(b"i=0; while [ $i -lt 20 ]; do head -c 65536 /dev/zero | tr '\\0' x; i=$((i + 1)); done; echo e$((40 + 2))d\n")
    read()
    for restart in (lambda: None, host.crash_daemon):
        restart()
        seen = read()
        check(200000 < len(seen) < 300000, f"{len(seen)} bytes: {seen[-300:]}")
        check(seen.count(b"x") > 200000, "what is in between is missing")
