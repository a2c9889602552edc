"""The web's API: pools and volumes, networks, filters, secrets, interfaces, devices, snapshots.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import hashlib
import http.client
import os
import socket

from lodgetest.host import *
from lodgetest.web import API, Web, administrator, token
from test_web import status


def pool(host, web, name="here"):
    host.path(name).mkdir()
    xml = f"<pool type='dir'><name>{name}</name><target><path>{host.path(name)}</path></target></pool>"
    return status(web.post("/pools", {"xml": xml, "build": True, "start": True, "autostart": True}), 201).json


def test_pools_and_volumes(host):
    web = administrator(host)
    made = pool(host, web)
    equal((made["name"], made["state"], made["autostart"], made["type"]), ("here", "running", True, "dir"))
    contains(host.ok("pool-list", "--autostart"), "here")
    status(web.post("/pools/here/actions/explode", {}), 404)
    volumes = "/pools/here/volumes"
    base = status(web.post(volumes, {"name": "base.qcow2", "capacity_bytes": 4 << 20, "format": "qcow2"}), 201).json
    equal((base["format"], base["capacity_bytes"], base["used_by"]), ("qcow2", 4 << 20, []))
    status(web.post(volumes, {"name": "base.qcow2", "capacity_bytes": 4 << 20}), 409)
    status(web.post(volumes, {"name": "../evil", "capacity_bytes": 4 << 20}), 409)
    status(web.post(volumes, {"name": "top.qcow2", "capacity_bytes": 4 << 20, "format": "qcow2",
                              "backing": "base.qcow2"}), 201)
    check(status(web.get(volumes + "/base.qcow2"), 200).json["used_by"], "nobody needs the base")
    status(web.ask("DELETE", volumes + "/base.qcow2"), 409)
    equal(status(web.ask("PATCH", volumes + "/top.qcow2", {"capacity_bytes": 8 << 20}), 200).json["capacity_bytes"], 8 << 20)
    copy = status(web.post(volumes + "/base.qcow2/clone", {"name": "copy.qcow2"}, headers={"Prefer": "wait=60"}), 201).json
    equal(copy["name"], "copy.qcow2")
    status(web.post(volumes + "/copy.qcow2/wipe", {}, headers={"Prefer": "wait=60"}), 204)
    names = [volume["name"] for volume in status(web.get(volumes), 200).json["items"]]
    equal(names, ["base.qcow2", "copy.qcow2", "top.qcow2"])
    for name in ["top.qcow2", "base.qcow2", "copy.qcow2"]:
        status(web.ask("DELETE", f"{volumes}/{name}"), 204)
    equal(status(web.post("/pools/here/actions/stop", {}), 200).json["state"], "inactive")
    status(web.get(volumes), 409)
    # What does not start leaves no definition.
    xml = "<pool type='dir'><name>bad</name><target><path>/nonexistent/x</path></target></pool>"
    check(web.post("/pools", {"xml": xml, "start": True}).status >= 400, "it started")
    status(web.get("/pools/bad"), 404)
    status(web.ask("DELETE", "/pools/here"), 204)
    equal([item["name"] for item in web.get("/pools").json["items"]], [])


def test_content(host):
    web = administrator(host)
    pool(host, web)
    content = os.urandom(3 << 20) + b"end"
    where = API + "/pools/here/volumes/disc.iso/content"
    made = status(web.raw("PUT", where, content), 201).json
    equal(made["capacity_bytes"], len(content))
    equal(host.path("here/disc.iso").read_bytes(), content)
    got = status(web.raw("GET", where), 200)
    equal(hashlib.sha256(got.data).hexdigest(), hashlib.sha256(content).hexdigest())
    part = status(web.raw("GET", where, headers={"Range": "bytes=100-199"}), 206)
    equal((part.data, part.headers["Content-Range"]), (content[100:200], f"bytes 100-199/{len(content)}"))
    equal(status(web.raw("GET", where, headers={"Range": "bytes=3145720-"}), 206).data, content[3145720:])
    status(token(host, "--role", "viewer").raw("GET", where), 403)
    status(token(host, "--role", "operator").raw("PUT", where, b"x"), 403)
    # An upload that ends early leaves nothing.
    with socket.create_connection(("127.0.0.1", 8006)) as client:
        headers = "".join(f"{name}: {value}\r\n" for name, value in web.headers().items())
        client.sendall(f"PUT {API}/pools/here/volumes/half/content HTTP/1.1\r\nHost: x\r\n{headers}"
                       f"Content-Length: 100000\r\n\r\n".encode() + b"x" * 5000)
        wait_until(lambda: host.path("here/half").exists(), "the volume is there")
    wait_until(lambda: web.get("/pools/here/volumes/half").status == 404, "it is gone again")
    equal(sorted(path.name for path in host.path("here").iterdir()), ["disc.iso"])


def test_networks(host):
    web = administrator(host)
    xml = "<network><name>inner</name><bridge name='virbr7'/><ip address='192.0.2.1' prefix='24'/></network>"
    made = status(web.post("/networks", {"xml": xml, "start": True}), 201).json
    equal((made["active"], made["bridge"], made["forward"], made["addresses"]), (True, "virbr7", None, ["192.0.2.1/24"]))
    equal(status(web.ask("PATCH", "/networks/inner", {"autostart": True}), 200).json["autostart"], True)
    equal(status(web.get("/networks/inner/leases"), 200).json["items"], [])
    contains(status(web.get("/networks/inner/xml"), 200).data.decode(), "<name>inner</name>")
    equal(status(web.post("/networks/inner/actions/stop", {}), 200).json["active"], False)
    status(web.post("/networks/inner/actions/stop", {}), 409)
    status(web.ask("DELETE", "/networks/inner"), 204)
    status(web.get("/networks/inner"), 404)


def test_other_objects(host):
    web = administrator(host)
    check("clean-traffic" in [item["name"] for item in status(web.get("/filters"), 200).json["items"]], "no filters")
    status(web.post("/filters", {"xml": "<filter name='mine'><filterref filter='clean-traffic'/></filter>"}), 201)
    status(web.ask("DELETE", "/filters/mine"), 204)
    xml = "<secret><usage type='volume'><volume>/x</volume></usage></secret>"
    secret = status(web.post("/secrets", {"xml": xml}), 201).json
    equal((secret["usage_type"], secret["usage_id"]), ("volume", "/x"))
    value = base64.b64encode(b"very secret").decode()
    status(web.ask("PUT", f"/secrets/{secret['uuid']}/value", {"value": value}), 204)
    equal(host.ok("secret-get-value", secret["uuid"]).strip(), value)
    for path in ["/secrets", f"/secrets/{secret['uuid']}", f"/secrets/{secret['uuid']}/xml"]:
        check(value not in status(web.get(path), 200).data.decode(), "a secret is shown")
    status(web.ask("DELETE", f"/secrets/{secret['uuid']}"), 204)
    check("lo" in [item["name"] for item in status(web.get("/interfaces"), 200).json["items"]], "no interfaces")
    devices = status(web.get("/node-devices"), 200).json["items"]
    computer = [item for item in devices if item["capability"] == "system"]
    equal(len(computer), 1)
    contains(status(web.get("/node-devices/computer/xml"), 200).data.decode(), "<name>computer</name>")
    equal([item["name"] for item in web.get("/node-devices?capability=system").json["items"]], ["computer"])
    viewer = token(host, "--role", "viewer")
    for path in ["/networks", "/filters", "/secrets", "/interfaces", "/node-devices", "/pools"]:
        status(viewer.get(path), 200)
        status(viewer.post(path, {"xml": "<x/>"}), 403)


def test_snapshots(host):
    web = administrator(host)
    host.ok("define", host.write_xml(host.guests.sector("tiny")))
    path = host.path("var/lib/libvirt/images/tiny.img")
    host.ok("start", "tiny")
    where = "/machines/tiny/snapshots"
    wait = {"Prefer": "wait=60"}
    made = status(web.post(where, {"name": "one", "description": "<first>", "disk_only": True}, headers=wait), 201).json
    equal((made["name"], made["description"], made["disk_only"], made["parent"]), ("one", "<first>", True, None))
    status(web.post(where, {"name": "one", "disk_only": True}, headers=wait), 422)
    equal([item["name"] for item in status(web.get(where), 200).json["items"]], ["one"])
    named = {"xml": "<domainsnapshot><disks><disk name='hda'><source file='/etc/evil'/></disk></disks></domainsnapshot>"}
    status(token(host, "--role", "operator").post(where, named, headers=wait), 403)
    equal(status(web.get("/machines/tiny"), 200).json["snapshots"], 1)
    host.ok("destroy", "tiny")
    status(web.post(where + "/one/revert", {}, headers=wait), 204)
    status(web.post(where + "/none/revert", {}, headers=wait), 404)
    status(web.ask("DELETE", where + "/one", headers=wait), 204)
    equal(web.get(where).json["items"], [])
    check(path.exists(), "the disk is gone")


def test_screenshot(host):
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1' autoport='yes'/><video/>")
    answer = status(token(host, "--role", "operator").get("/machines/tiny/screenshot"), 200)
    check(answer.data.startswith(b"\x89PNG") or answer.data.startswith(b"P6"), answer.data[:20])
    status(token(host, "--role", "viewer").get("/machines/tiny/screenshot"), 403)


def tus(web, method, path, body=None, **headers):
    headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return web.raw(method, path, body, headers={"Tus-Resumable": "1.0.0", **headers})


def metadata(**values):
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def test_upload_that_is_cut(host):
    """It goes on where it was, after the connection and after the daemon was gone."""
    web = administrator(host)
    pool(host, web)
    content = os.urandom(5 << 20)
    begin = API + "/uploads"
    equal(tus(web, "OPTIONS", begin).headers["Tus-Version"], "1.0.0")
    made = status(tus(web, "POST", begin, Upload_Length=len(content),
                      Upload_Metadata=metadata(pool="here", volume="disc.iso")), 201)
    where = made.headers["Location"]
    equal(status(tus(web, "HEAD", where), 200).headers["Upload-Offset"], "0")
    with socket.create_connection(("127.0.0.1", 8006)) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in web.headers(
            {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Length": str(len(content)),
             "Content-Type": "application/offset+octet-stream"}).items())
        client.sendall(f"PATCH {where} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + content[:2500000])
    wait_until(lambda: int(tus(web, "HEAD", where).headers["Upload-Offset"]) == 2500000, "what came is counted")
    status(tus(web, "PATCH", where, b"x", Upload_Offset=17), 409)
    host.crash_daemon()
    wait_until(lambda: web.get("/pools/here").json["state"] == "running", "the pool is back")
    status(tus(web, "PATCH", where, content[2500000:4000000], Upload_Offset=2500000), 204)
    status(tus(web, "PATCH", where, content[4000000:] + b"more", Upload_Offset=4000000), 413)
    done = status(tus(web, "PATCH", where, content[4000000:], Upload_Offset=4000000), 204)
    equal(done.headers["Upload-Offset"], str(len(content)))
    equal(host.path("here/disc.iso").read_bytes(), content)
    status(tus(web, "HEAD", where), 404)
    # Given up: nothing is left.
    where = tus(web, "POST", begin, Upload_Length=1000, Upload_Metadata=metadata(pool="here", volume="no")).headers["Location"]
    status(tus(Web(), "HEAD", where), 401)
    status(tus(token(host, "--role", "admin"), "HEAD", where), 404)
    status(tus(web, "DELETE", where), 204)
    status(tus(web, "POST", begin, Upload_Length="x", Upload_Metadata=metadata(pool="here", volume="no")), 400)
    status(tus(web, "POST", begin, Upload_Length=5, Upload_Metadata=metadata(pool="none", volume="no")), 404)
    equal([path.name for path in host.path("here").iterdir()], ["disc.iso"])


def test_clone(host):
    web = administrator(host)
    wait = {"Prefer": "wait=60"}
    host.path("var/lib/libvirt/images").mkdir(parents=True, exist_ok=True)
    images = host.path("var/lib/libvirt/images")
    xml = f"<pool type='dir'><name>images</name><target><path>{images}</path></target></pool>"
    status(web.post("/pools", {"xml": xml, "start": True}), 201)
    host.define_sector("tiny", devices="<interface type='user'><mac address='52:54:00:00:00:01'/></interface>")
    equal(status(web.post("/machines/tiny/clone", {"name": "twin"}, headers=wait), 201).json, {"made": ["twin"]})
    made = web.get("/machines/twin").json
    original = web.get("/machines/tiny").json
    check(made["uuid"] != original["uuid"] and made["interfaces"][0]["mac"] != "52:54:00:00:00:01", "they are the same")
    disk = made["disks"][0]["source"]
    check(disk != original["disks"][0]["source"] and disk.startswith(f"{images}/twin"), disk)
    content = open(original["disks"][0]["source"], "rb").read()
    equal(open(disk, "rb").read()[:len(content)], content)
    host.ok("start", "twin")
    before = sorted(path.name for path in images.iterdir())
    status(web.post("/machines/tiny/clone", {"name": "twin"}, headers=wait), 409)
    status(web.post("/machines/tiny/clone", {"name": "a/b"}, headers=wait), 400)
    equal(sorted(path.name for path in images.iterdir()), before)
    host.ok("destroy", "twin")
    gone = status(web.ask("DELETE", "/machines/twin?storage=all"), 200).json
    equal((gone["removed"], gone["kept"]), ([disk], []))
